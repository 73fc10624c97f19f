"""What was ever seen or promised of a federation's nodes, and that nothing contradicts it.

It remembers across restarts: every entry by its index, every checkpoint's root by its size,
wherever it was seen (public, at witnesses, in a store of a node that does not run), and
every answer that a node gave. Whatever comes later has to agree.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from guosuo.client.copying import Chain
from guosuo.client.errors import NodeFailure
from guosuo.federation import checkpoints, notes
from guosuo.federation.entries import Action, OrderEntry
from guosuo.federation.merkle import Tree, leaf_hash
from guosuo.federation.records import Kind, LogEntry, kind_of, open_record
from guosuo.host.vault import KeyFile
from guosuo_node.store.store import Store
from tests.support.citizens import Citizen
from tests.support.federation import Cluster


@dataclass
class Truth:
    """Everything seen so far; `look` and `read_store` add to it and fail where it conflicts."""

    cluster: Cluster
    entries: dict[str, list[bytes]] = field(default_factory=dict)
    roots: dict[tuple[str, int], bytes] = field(default_factory=dict)
    granted: list[Citizen] = field(default_factory=list)
    ordered: set[tuple[str, int]] = field(default_factory=set)
    """Region and slot of acknowledged suspensions, which soon stand in the public log."""

    # --- looking --------------------------------------------------------------------------

    def look(self, names: Iterable[str] | None = None) -> None:
        """Ask all nodes and witnesses for all logs; those that do not answer are left out."""
        for name in self.cluster.nodes if names is None else names:
            node = self.cluster.remote(name)
            for region in self.cluster.regions:
                try:
                    self._ask(node.federation, region)
                except NodeFailure:
                    continue

    def _ask(self, node: object, region: str) -> None:
        run = self.cluster.session.run
        witnessed = run(node.witnessed(region))  # type: ignore[attr-defined]
        note = run(node.checkpoint(region))  # type: ignore[attr-defined]
        for found in (witnessed, note):
            if found is not None:
                self.take_note(region, found)
        if note is None:
            return
        size = checkpoints.parse_text(notes.parse(note).text).size
        found, start = [], 0
        while start < size:
            page, _ = run(node.entries(region, start))  # type: ignore[attr-defined]
            found += page
            start += len(page)
        self.take(region, 0, found)

    def read_store(self, name: str) -> int:
        """What the store of a node that does not run has; the number of its own entries."""
        home = self.cluster.nodes[name].home
        url, key = home.database, KeyFile(home.key)
        with Store.reading(url, key, self.cluster.entropy) as store:
            own = [entry.data for entry in store.entries(0)]
            self.take(name, 0, own)
            newest = store.checkpoint()
            if newest is not None:
                self.take_note(name, newest.note)
            for region in self.cluster.regions:
                if region != name:
                    self.take(region, 0, list(store.peer_entries(region, 0)))
                seen = store.witnessed(self.cluster.federation.origin(region))
                if seen is not None:
                    self.take_root(region, seen.size, seen.root)
        return len(own)

    def take_note(self, region: str, note: bytes) -> None:
        """A checkpoint, cosigned or not: its log's signature counts."""
        federation = self.cluster.federation
        key = federation.member(region).log_key
        found = checkpoints.open_checkpoint(notes.parse(note), federation.origin(region), key)
        self.take_root(region, found.size, found.root)

    def take_root(self, region: str, size: int, root: bytes) -> None:
        """No log has two roots of one size."""
        assert self.roots.setdefault((region, size), root) == root, (region, size)

    def take(self, region: str, start: int, found: list[bytes]) -> None:
        """No log has two entries of one index."""
        known = self.entries.setdefault(region, [])
        for index, entry in enumerate(found, start):
            if index < len(known):
                assert known[index] == entry, (region, index)
            else:
                assert index == len(known)
                known.append(entry)

    # --- judging --------------------------------------------------------------------------

    def check(self) -> None:
        """Chains, trees and promises agree with everything seen."""
        federation = self.cluster.federation
        for region, entries in self.entries.items():
            Chain(federation, region).take(entries)
            tree = Tree()
            for size, entry in enumerate(entries, 1):
                tree.append(leaf_hash(entry))
                if (region, size) in self.roots:
                    assert self.roots[region, size] == tree.root(), (region, size)
        self._check_promises()

    def check_complete(self, region: str) -> None:
        """No checkpoint was ever signed of entries that were lost."""
        sizes = [size for where, size in self.roots if where == region]
        assert max(sizes, default=0) <= len(self.entries.get(region, []))

    def _check_promises(self) -> None:
        slots = [name for citizen in self.granted for name in citizen.slots]
        assert len(slots) == len(set(slots)), "a slot was allotted twice"

    def ordered_slots(self) -> set[int]:
        """Slots of acknowledged suspensions."""
        return {slot for _, slot in self.ordered}

    def suspended(self, region: str) -> set[int]:
        """Slots that orders in the log suspend."""
        federation = self.cluster.federation
        found: set[int] = set()
        key = federation.member(region).log_key
        for entry in self.entries.get(region, []):
            if kind_of(entry) is Kind.ORDER:
                body = LogEntry.decode(open_record(key, federation.id, Kind.ORDER, entry)).body
                order = OrderEntry.decode(body)
                if order.action is Action.SUSPEND:
                    found.update(order.slots)
        return found

    def ask_again(self) -> None:
        """Every grant that was acknowledged is given again, and its slot is the person's."""
        for citizen in self.granted:
            before = citizen.answer
            assert citizen.ask() == before
            found = self.cluster.slots_of(citizen.home, citizen.person)
            assert {slot for _, slot in citizen.slots} <= set(found)
