"""What this process knows of all regions: logs, views, judgements, blobs; and who is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

from guosuo.errors import PeerError, Reason
from guosuo.federation import notes
from guosuo.federation.charter import Federation
from guosuo.federation.charters import named_charters, signed_charters
from guosuo.federation.checkpoints import parse_text
from guosuo.federation.forks import Equivocation, check_equivocation
from guosuo.federation.judge import Fact, Fork
from guosuo.federation.view import FederationView
from guosuo.roles.auditor import Auditor
from guosuo_node.app.blobs import BlobStore
from guosuo_node.app.ending import to_the_end
from guosuo_node.app.logs import RegionLog
from guosuo_node.app.services import Note

_READ_AT_ONCE = 4
"""Entries of some milliseconds each."""
_AUDITS_AT_ONCE = 2
"""Threads are few, and the store's and the callers' too: all regions publish at one time."""


@dataclass(slots=True)
class Records:
    """Public records of all regions, verified; the same whether they came by disk or by wire."""

    federation: Federation
    blobs: BlobStore
    view: FederationView = field(init=False)
    auditor: Auditor = field(init=False)
    logs: dict[str, RegionLog] = field(init=False)
    locks: dict[str, asyncio.Lock] = field(init=False)
    """Held by whoever changes one region's records, and while they are audited."""
    broken: dict[str, PeerError] = field(default_factory=dict)
    """Regions whose log has an entry that no reader takes: nothing behind it is read."""
    forked: set[str] = field(default_factory=set)
    """Regions of which two histories are proven: the judge admits nothing new of them."""
    contact: dict[str, int] = field(default_factory=dict)
    """When a region's own node answered last, Unix seconds."""
    _auditing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AUDITS_AT_ONCE))
    _bells: set[asyncio.Event] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Empty records of every member."""
        self.view = FederationView(self.federation, self.blobs.get)
        self.auditor = Auditor(self.view)
        self.logs, self.locks = {}, {}
        self._amend()

    def _amend(self) -> None:
        """Take over versions of the charter that the view learned, on the event loop."""
        self.federation = self.view.federation
        self.auditor.amend()
        for region, view in self.view.regions.items():
            if region not in self.logs:
                self.logs[region] = RegionLog.of(self.view, view)
                self.locks[region] = asyncio.Lock()

    def learn(self, charters: bytes) -> bool:
        """Versions of the charter from another node; whether any is news. `PeerError(CHARTER)`."""
        before = self.federation.version
        for signed in signed_charters(charters)[1:]:
            self.view.learn(signed)
        self._amend()
        return self.federation.version > before

    def missing_charters(self, region: str, entries: Iterable[bytes]) -> list[bytes]:
        """Blobs without which these entries of a log cannot be taken (GS-REC-20)."""
        adopted = self.view.region(region).charter
        return self.blobs.missing(named_charters(entries, adopted))

    def ahead(self, region: str) -> tuple[Federation, ...]:
        """The version by which the log of a region is judged, and all known behind it."""
        return self.view.history.versions[self.view.region(region).charter - 1 :]

    def check_evidence(self, region: str, evidence: Equivocation) -> None:
        """`PeerError` unless it proves two histories of that log, by the key of its size."""
        size = parse_text(notes.parse(evidence.first).text).size
        ruling = self.view.ruling_at(region, size)
        key = ruling.known(region).log_key
        check_equivocation(evidence, self.federation.origin(region), key)

    def take(self, region: str, entries: Iterable[bytes]) -> None:
        """New entries in order; `PeerError` at the first that is not the log's next one."""
        log = self.logs[region]
        try:
            for entry in entries:
                self.view.append(region, entry)
        except PeerError as error:
            if error.reason is not Reason.RECORD_MISSING:
                self.broken[region] = error
            raise
        finally:
            log.grown()
            self._amend()

    async def take_in(self, region: str, entries: Sequence[bytes]) -> None:
        """As `take`, for any number of entries: others are served in between.

        Reading one can cost a pairing, and a hostile log holds as many as it likes. The
        region's lock must be held.
        """
        for at in range(0, len(entries), _READ_AT_ONCE):
            self.take(region, entries[at : at + _READ_AT_ONCE])
            await asyncio.sleep(0)

    def publish(self, region: str, note: bytes) -> bool:
        """A cosigned checkpoint of entries that were taken; tells everybody who watches."""
        log = self.logs[region]
        news = log.publish(note)
        if log.evidence is not None:
            self.convict(region, log.evidence)
        if news:
            self.ring()
        return news

    def convict(self, region: str, evidence: Equivocation) -> bool:
        """Two histories of a log, as was checked: tell the judge; whether it was news."""
        if region in self.forked:
            return False
        self.forked.add(region)
        log = self.logs[region]
        log.evidence = log.evidence or evidence
        latest = self.view.region(region).latest()
        self.auditor.judge.learn(Fork(region, 0, latest.id.epoch if latest else -1))
        self.ring()
        return True

    async def audit(self, region: str, *, in_turn: bool = False) -> None:
        """Judge what is new of a region, off the event loop. Its lock must be held.

        The judge is told here, on the loop, where all others ask it. What was begun is
        waited for, whoever is told to stop: two audits of one region would spoil each other.
        `in_turn`: with few others at once, as for regions that can make it long; the node's
        own does not wait for them.
        """
        facts: list[Fact] = []
        follow = self.auditor.follow
        try:
            async with self._auditing if in_turn else nullcontext():
                await to_the_end(asyncio.to_thread(follow, region, self.blobs.get, facts.append))
        finally:
            for fact in facts:
                self.auditor.judge.learn(fact)

    # --- telling --------------------------------------------------------------------------

    def ring(self) -> None:
        """Wake everybody who waits for news."""
        for bell in self._bells:
            bell.set()

    async def until(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Wait until something holds, asked again at every news; False when time is up."""
        bell = asyncio.Event()
        self._bells.add(bell)
        try:
            async with asyncio.timeout(seconds):
                while not holds():
                    await bell.wait()
                    bell.clear()
        except TimeoutError:
            return holds()
        finally:
            self._bells.discard(bell)
        return True

    async def watch(self, regions: Sequence[str]) -> AsyncGenerator[Note, None]:
        """As `FederationService.watch`."""
        sent: dict[str, bytes] = {}
        bell = asyncio.Event()
        self._bells.add(bell)
        try:
            while True:
                bell.clear()
                for region in regions or tuple(self.logs):
                    note = self.logs[region].reader.note
                    if note and sent.get(region) != note:
                        sent[region] = note
                        yield Note(region, note)
                await bell.wait()
        finally:
            self._bells.discard(bell)
