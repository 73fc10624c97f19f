"""What a node answers to everybody: public records, and who is who."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Final

import guosuo
from guosuo.errors import PeerError, Reason
from guosuo.federation.charters import encode_charters
from guosuo.federation.entries import ListEntry
from guosuo.federation.forks import Equivocation
from guosuo.federation.judge import Ruling
from guosuo.federation.records import Kind, LogEntry, kind_of, payload
from guosuo.federation.trust_list import MAX_CUTS, MAX_REVISION
from guosuo_node.app.faults import Fault, ServiceError
from guosuo_node.app.leader import Leader
from guosuo_node.app.logs import RegionLog
from guosuo_node.app.records import Records
from guosuo_node.app.services import (
    BlobPart,
    BundlePlace,
    Entries,
    Judged,
    NodeState,
    Note,
    RegionState,
)
from guosuo_node.app.witnessing import EQUIVOCATION, WitnessDesk
from guosuo_node.store.store import Store

_PAGE: Final = 256
MAX_BUNDLES: Final = 4096
"""Bundles in one answer at most (proto/guosuo/v1/directory.proto)."""
_PAGE_OCTETS: Final = 1 << 20
_RULINGS: Final = {
    Ruling.ADMIT: Judged.ADMIT,
    Ruling.HOLD: Judged.HOLD,
    Ruling.LATE: Judged.LATE,
    Ruling.REFUSE: Judged.REFUSE,
}


@dataclass(slots=True)
class FederationAnswers:
    """`FederationService` over the records of this process."""

    records: Records
    store: Store
    desk: WitnessDesk | None
    now: Callable[[], float]

    async def charter(self) -> bytes:
        """All versions of the charter that are known here."""
        return encode_charters(self.records.federation)

    async def checkpoint(self, region: str) -> bytes:
        """The newest public note."""
        return self._log(region).note()

    async def entries(self, region: str, start: int, limit: int, octets: int) -> Entries:
        """Entries that the public checkpoint covers."""
        return self._log(region).entries(start, limit, octets)

    async def consistency(self, region: str, old_size: int, new_size: int) -> tuple[bytes, ...]:
        """RFC 6962 consistency proof."""
        return self._log(region).consistency(old_size, new_size)

    async def inclusion(self, region: str, index: int, size: int) -> tuple[bytes, ...]:
        """RFC 6962 inclusion proof."""
        return self._log(region).inclusion(index, size)

    async def tile(self, region: str, path: str) -> bytes:
        """A tile."""
        return self._log(region).tile(path)

    async def blob(self, name: bytes, offset: int, limit: int) -> BlobPart:
        """A piece of a blob, read off the loop."""
        return await asyncio.to_thread(self._blob, name, offset, limit)

    def _blob(self, name: bytes, offset: int, limit: int) -> BlobPart:
        path = self.records.blobs.path(name)
        try:
            with path.open("rb") as file:
                size = file.seek(0, 2)
                file.seek(offset)
                return BlobPart(file.read(limit), size)
        except FileNotFoundError:
            raise ServiceError(Fault.NOT_FOUND) from None

    async def add_checkpoint(
        self,
        peer: str,  # noqa: ARG002 - the note's own signature decides
        note: bytes,
        old_size: int,
        proof: tuple[bytes, ...],
    ) -> bytes:
        """Cosign as a witness."""
        if self.desk is None:
            raise ServiceError(Fault.NOT_FOUND)
        return await self.desk.add_checkpoint(note, old_size, proof)

    async def witnessed(self, region: str) -> bytes:
        """What this witness cosigned last of a log."""
        self._log(region)
        if self.desk is None:
            raise ServiceError(Fault.NOT_FOUND)
        return await self.desk.largest(region)

    def watch(self, regions: tuple[str, ...]) -> AsyncGenerator[Note, None]:
        """Newer notes as they come."""
        for region in regions:
            self._log(region)
        return self.records.watch(regions)

    async def submit_report(self, peer: str, report: bytes) -> None:  # noqa: ARG002 - as above
        """Portable evidence of two histories of a log; it speaks for itself."""
        evidence = Equivocation.decode(report)
        for region in self.records.logs:
            try:
                self.records.check_evidence(region, evidence)
            except PeerError:
                continue
            # One proof is enough: who has the log's key could make any number of them.
            if region not in self.records.forked:
                now = int(self.now())
                await asyncio.to_thread(self.store.add_evidence, EQUIVOCATION, report, now)
                self.records.convict(region, evidence)
            return
        raise PeerError(Reason.LOG_PROOF)

    async def reports(self, region: str, epoch: int, start: int) -> tuple[bytes, ...]:
        """Evidence about an epoch of a region, and of its log as a whole."""
        self._log(region)
        found = [r.data for r in await asyncio.to_thread(self.store.reports, region, epoch)]
        evidence = self.records.logs[region].evidence
        if evidence is not None:
            found.append(evidence.encode())
        page: list[bytes] = []
        for data in found[start : start + _PAGE]:
            if page and sum(map(len, page)) + len(data) > _PAGE_OCTETS:
                break
            page.append(data)
        return tuple(page)

    def _log(self, region: str) -> RegionLog:
        if region not in self.records.logs:
            raise PeerError(Reason.REGION_UNKNOWN)
        return self.records.logs[region]


@dataclass(slots=True)
class DirectoryAnswers:
    """`DirectoryService` over the records of this process."""

    name: str
    """The region, or "" for a stand-alone witness."""
    records: Records
    leader: Callable[[], Leader | None]
    now: Callable[[], float]
    why: Callable[[], str] = lambda: ""
    """Why this process signs or publishes nothing now."""
    _places: dict[tuple[str, bytes], int] = field(default_factory=dict)
    """Index of each `list` entry, by region and the hash of its part: anybody can name a part."""
    _scanned: dict[str, int] = field(default_factory=dict)

    async def regions(self) -> tuple[RegionState, ...]:
        """How each region stands, by this node's own judgement."""
        return tuple(
            self._region(member.region) for member in self.records.federation.charter.members
        )

    def _region(self, region: str) -> RegionState:
        clock, judge = self.records.federation.clock, self.records.auditor.judge
        log, now = self.records.logs[region], int(self.now())
        newest = judge.newest(region)
        judged = None if newest is None else judge.judged(region, newest)
        due = clock.epoch_at(now)
        behind = due if newest is None else newest + 1
        lag = max(0, now - clock.start(behind)) if behind <= due else 0
        return RegionState(
            region=region,
            name=self.records.federation.known(region).name()[:64],
            epoch=newest,
            revision=judged.key.revision if judged and judged.key else 0,
            size=log.size,
            judgement=Judged.NONE if judged is None else _RULINGS[judged.ruling],
            lag_seconds=min(lag, (1 << 32) - 1),
            reason="" if judged is None or judged.ruling is Ruling.ADMIT else judged.rule.value,
            last_contact=self.records.contact.get(region, 0),
        )

    async def node(self) -> NodeState:
        """What answers."""
        now = self.now()
        leader = self.leader()
        return NodeState(
            region=self.name,
            version=guosuo.__version__,
            federation=self.records.federation.id,
            time_ms=int(now * 1000),
            leader=leader is not None and not leader.lost,
            epoch=self.records.federation.clock.epoch_at(int(now)),
            waiting=self.why(),
        )

    async def bundles(self, epoch: int) -> tuple[BundlePlace, ...]:
        """Where the bundles of all regions for an epoch are."""
        now = int(self.now())
        found: list[BundlePlace] = []
        # No region's policies, however many, leave others without room in the answer.
        share = MAX_BUNDLES // len(self.records.logs)
        for region, view in self.records.view.regions.items():
            self._scan(region)
            own: list[tuple[int, int, BundlePlace]] = []
            for revision in range(MAX_REVISION + MAX_CUTS + 1):
                entry = view.lists.get((epoch, revision))
                if entry is None:
                    continue
                for policy in view.policies.values():
                    if policy.part.not_after <= now:
                        continue
                    place = BundlePlace(
                        region=region,
                        policy=policy.part.policy,
                        list_index=self._places[region, entry.part],
                        revision=revision,
                        blobs=(entry.keys, policy.part.document, policy.part.table),
                    )
                    own.append((policy.part.version, revision, place))
            if len(own) > share:
                own = sorted(own, key=lambda item: item[:2], reverse=True)[:share]
            found += [place for _, _, place in own]
        return tuple(found)

    def _scan(self, region: str) -> None:
        """Note where the list entries stand that came since the last time."""
        entries, start = self.records.view.regions[region].entries, self._scanned.get(region, 0)
        for index in range(start, len(entries)):
            if kind_of(entries[index]) is Kind.LIST:
                body = LogEntry.decode(payload(entries[index])).body
                try:
                    self._places.setdefault((region, ListEntry.decode(body).part), index)
                except PeerError:
                    continue  # void, as the view says too
        self._scanned[region] = len(entries)
