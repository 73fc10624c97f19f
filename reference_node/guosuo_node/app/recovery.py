"""Before the first signature after any start: what the witnesses know of this log.

A store that was put back may be older than what this node published. So at least k
witnesses are asked for the largest checkpoint of the log that they cosigned; if the own log
is shorter, the missing entries come back from peers, each signed by this very node, and
nothing is signed before. With too few answers the node waits, and says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from guosuo.errors import PeerError, Reason
from guosuo.federation import checkpoints, notes
from guosuo.federation.checkpoints import Checkpoint
from guosuo.federation.merkle import EMPTY_ROOT, leaf_hash
from guosuo.federation.records import kind_of
from guosuo.roles.issuer import Issuer
from guosuo.roles.lost import take_back
from guosuo_node.app.housekeeping import wanted
from guosuo_node.app.leader import Leader
from guosuo_node.app.peers import FAILURES, Peer
from guosuo_node.app.points import Point, reached
from guosuo_node.app.publishing import Report
from guosuo_node.store.writer import Writer

_ENTRIES_PER_SECOND = 50
_BLOBS_AT_ONCE = 32
_ROUNDS = 4
"""A board names buckets: blobs are found in rounds."""
OWN_LOG = "own-log"
"""Name under which waiting is reported."""


@dataclass(slots=True)
class Recovery:
    """Asks until it knows, and takes back what is missing."""

    leader: Leader
    witnesses: Mapping[str, Peer]
    sources: Mapping[str, Peer]
    """Nodes that may have this region's entries."""
    patience: float
    report: Report

    async def run(self) -> None:
        """Until the log is as long as any that k witnesses know; then the leader is ready."""
        while not self.leader.lost:
            largest = await self._largest()
            if largest is None:
                self.report(OWN_LOG, "witnesses-silent")
            elif await self._complete(largest):
                await self._public_files()
                leader = self.leader
                async with leader.lock:
                    changed = reconcile(leader)
                    if changed:
                        await leader.commit((), slots=changed)
                    leader.ready = True
                return
            await asyncio.sleep(self.patience)

    async def _largest(self) -> Checkpoint | None:
        """The largest checkpoint that k witnesses know; None if too few answer."""
        federation = self.leader.records.view.ruling(self.leader.region)
        names = sorted(self.witnesses.keys() & federation.witness_keys.keys())
        answers = await asyncio.gather(*(self._ask(name) for name in names))
        heard = {name for name, (answered, _) in zip(names, answers, strict=True) if answered}
        operators = {federation.operators[name] for name in heard}
        others = {federation.operators[name] for name in names}
        # Its own witness may be as old as the store; it counts only where others are too few.
        needed = min(federation.cosignatures, len(others))
        if len(operators) < needed:
            return None
        origin = federation.origin(self.leader.region)
        found = [note for _, note in answers if note is not None]
        return max(found, key=lambda c: c.size, default=Checkpoint(origin, 0, EMPTY_ROOT))

    async def _ask(self, name: str) -> tuple[bool, Checkpoint | None]:
        """Whether it answered, and what it knows of this log if that is really of this log."""
        region, federation = self.leader.region, self.leader.records.federation
        try:
            async with asyncio.timeout(self.patience * 4):
                data = await self.witnesses[name].witnessed(region)
        except FAILURES as error:
            self.report(name, type(error).__name__)
            return False, None
        if data is None:
            return True, None
        origin, keys = federation.origin(region), federation.memberships(region)
        for key in dict.fromkeys(member.log_key for member in keys):
            try:
                return True, checkpoints.open_checkpoint(notes.parse(data), origin, key)
            except PeerError:
                continue
        # Nobody but this node can sign such a note: this one says nothing.
        self.report(name, "bad-note")
        return False, None

    async def _complete(self, largest: Checkpoint) -> bool:
        """Whether the own log has all of `largest`, after fetching what is missing."""
        log = self.leader.records.logs[self.leader.region]
        if log.tree.size < largest.size:
            for name, peer in sorted(self.sources.items()):
                try:
                    fresh = await self._fetch(peer, log.tree.size, largest.size)
                except FAILURES as error:
                    self.report(name, type(error).__name__)
                    continue
                if len(fresh) < largest.size - log.tree.size:
                    continue
                root = log.tree.compact().append([leaf_hash(e) for e in fresh]).root()
                if root == largest.root:
                    await self._take(fresh)
                    break
        if log.tree.size < largest.size:
            self.report(OWN_LOG, "entries-missing")
            return False
        if log.tree.root(largest.size) != largest.root:
            self.report(OWN_LOG, "forked")
            return False
        return True

    async def _public_files(self) -> None:
        """Blobs of the own log that are not here, from whoever has them; then judge it again.

        What nobody has any more is done without.
        """
        records, region = self.leader.records, self.leader.region
        for _ in range(_ROUNDS):
            missing = records.blobs.missing(wanted(records, region))
            found = 0
            for name, peer in sorted(self.sources.items()):
                for at in range(0, len(missing), _BLOBS_AT_ONCE):
                    try:
                        async with asyncio.timeout(self.patience * 10):
                            blobs = await peer.blobs(missing[at : at + _BLOBS_AT_ONCE])
                    except FAILURES as error:
                        self.report(name, type(error).__name__)
                        break
                    for data in blobs.values():
                        await asyncio.to_thread(records.blobs.put, data)
                    found += len(blobs)
                missing = records.blobs.missing(missing)
            if not found:
                break
        async with records.locks[region]:
            await records.audit(region)

    async def _fetch(self, peer: Peer, start: int, end: int) -> list[bytes]:
        found: list[bytes] = []
        # For all of it: who hands over one entry at a time must not keep a node from starting.
        async with asyncio.timeout(self.patience * 10 + (end - start) / _ENTRIES_PER_SECOND):
            while start + len(found) < end:
                more, _ = await peer.entries(self.leader.region, start + len(found))
                if not more:
                    break
                found += more
        return found[: end - start]

    async def _take(self, fresh: Sequence[bytes]) -> None:
        """Own entries that came back: into the store, then into memory."""
        leader = self.leader
        start = leader.records.logs[leader.region].tree.size

        def put(writer: Writer) -> None:
            for place, entry in enumerate(fresh):
                kind = kind_of(entry).value
                writer.append_entry(start + place, kind, entry, leaf_hash(entry))

        await leader.write(put)
        reached(Point.AFTER_RECOVERED_BEFORE_SIGNING)
        leader.records.take(leader.region, fresh)


def reconcile(leader: Leader) -> set[int]:
    """Make the roles' states agree with the log, which may know more than an old store.

    Slots whose enrolment the store forgot stay lost to their holders, who enrol anew; list
    versions whose secrets are gone are passed over; no key of an old store signs a new epoch.
    Returns the slots that changed, for the store.
    """
    changed: set[int] = set()
    view, issuer, gate = leader.records.view.region(leader.region), leader.issuer, leader.gate
    latest = view.latest()
    leader.writer.index, leader.writer.previous = len(view.entries), view.last
    if latest is not None:
        if latest.digest != issuer.state.last_entry:
            issuer.logged(latest.digest)
        allotted = leader.records.auditor.regions[leader.region].commitments
        changed = take_back(
            issuer.state, allotted, set(view.suspended), set(view.retired), leader.entropy
        )
        for key in list(issuer.state.keys):
            newer = view.epoch(key.epoch)
            if newer is not None and newer.id.revision > key.revision:
                del issuer.state.keys[key]
        if changed:
            leader.issuer = Issuer(leader.records.federation, issuer.state)
    for part in view.parts.values():
        version = (part.part.epoch, part.part.revision)
        if version not in gate.state.parts:
            gate.lost.add(version)
        elif version in view.lists:
            gate.state.listed.add(version)
            if view.lists[version].lowest is not None:
                gate.state.cuts.add(version)
    for policy, number in view.policies:
        gate.state.policies[policy] = max(number, gate.state.policies.get(policy, 0))
    return changed


def check_own(leader: Leader) -> None:
    """`PeerError(STATE)` if the store's own entries are not a log of this region."""
    if leader.region in leader.records.broken:
        raise PeerError(Reason.STATE, "the store has an entry that is not this log's")
