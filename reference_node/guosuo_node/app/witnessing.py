"""This node as a witness: what it cosigned is on the disk before the line leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from guosuo.errors import PeerError, Reason
from guosuo.federation import notes
from guosuo.federation.charter import Federation
from guosuo.federation.forks import Equivocation
from guosuo.federation.notes import NoteKey
from guosuo.federation.witness import (
    SIZE_TYPE,
    Accepted,
    AddCheckpoint,
    Refusal,
    Seen,
    Witness,
    origin_of,
)
from guosuo_node.app.faults import Fault, ServiceError
from guosuo_node.app.points import Point, reached
from guosuo_node.host.http import HttpAnswer
from guosuo_node.store.store import Store

EQUIVOCATION = "equivocation"
"""Kind of evidence: two histories of one log."""
_STATUS = {Reason.LOG_PROOF: 422, Reason.RECORD_SIGNATURE: 403, Reason.REGION_UNKNOWN: 404}
_TRIES = 3
"""Other processes of this node witness too: decide again if one came in between."""


@dataclass(slots=True)
class WitnessDesk:
    """The witness key, and what the store remembers of every log."""

    federation: Federation
    witness: Witness
    store: Store
    now: Callable[[], float]
    found: Callable[[str, Equivocation], None]
    """Told of evidence, with the region."""
    rules: Callable[[str], Sequence[Federation]] | None = None
    """Versions by which a region's log may be judged now, with its keys; else the one here."""
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _kept: set[str] = field(default_factory=set)
    """Regions of which evidence was stored: whoever has the log's key could make any number."""

    async def add_checkpoint(self, note: bytes, old_size: int, proof: tuple[bytes, ...]) -> bytes:
        """The cosignature line; as `FederationService.add_checkpoint`."""
        origin = origin_of(note)
        region = self.region_of(origin)
        async with self._lock:
            for _ in range(_TRIES):
                await self._load(origin)
                key = self._log_key(region, note)
                decision = self.witness.add_checkpoint(key, old_size, proof, note)
                if not isinstance(decision, Accepted):
                    if decision.evidence is not None:
                        await self._keep(region, decision.evidence)
                    raise _refused(decision.refusal, conflict=decision.evidence is not None)
                before, after = decision.persist.before, decision.persist.after
                stored = await asyncio.to_thread(
                    self.store.witness_update,
                    origin,
                    before.size if before else 0,
                    after.size,
                    after.root,
                    after.note,
                )
                if stored:
                    reached(Point.AFTER_WITNESS_PERSIST_BEFORE_REPLY)
                    line = self.witness.persisted(decision, int(self.now()))
                    return line.line().encode()
        raise ServiceError(Fault.BUSY)

    async def add_checkpoint_http(self, request: AddCheckpoint) -> HttpAnswer:
        """The same by C2SP tlog-witness: the status says what was wrong."""
        try:
            line = await self.add_checkpoint(request.note, request.old_size, request.proof)
        except ServiceError as error:
            if error.fault is Fault.BUSY:
                return HttpAnswer(503, b"")
            size = await self._size(origin_of(request.note))
            return HttpAnswer(409, f"{size}\n".encode(), SIZE_TYPE)
        except PeerError as error:
            return HttpAnswer(_STATUS.get(error.reason, 400), b"")
        return HttpAnswer(200, line)

    async def _size(self, origin: str) -> int:
        async with self._lock:
            await self._load(origin)
        return self.witness.seen[origin].size if origin in self.witness.seen else 0

    async def largest(self, region: str) -> bytes:
        """The note of that log that was cosigned last; `NOT_FOUND`."""
        origin = self.federation.origin(region)
        async with self._lock:
            await self._load(origin)
        note = self.witness.seen[origin].note if origin in self.witness.seen else b""
        if not note:
            raise ServiceError(Fault.NOT_FOUND)
        return note

    def region_of(self, origin: str) -> str:
        """Whose log that is; `PeerError(REGION_UNKNOWN)`."""
        region = origin.rpartition("/")[2]
        known = self.federation.members.keys() | self.federation.former()
        if region not in known or self.federation.origin(region) != origin:
            raise PeerError(Reason.REGION_UNKNOWN)
        return region

    def _log_key(self, region: str, note: bytes) -> bytes:
        """The log key that signed; which version the log adopted, its new entries will say."""
        versions = [self.federation] if self.rules is None else self.rules(region)
        # A stand-alone witness reads no entries: keys of before end with the time to adopt.
        clock = self.federation.clock
        epoch = clock.epoch_at(max(int(self.now()), clock.zero))
        bound = [v.version for v in versions if epoch >= (v.charter.adopt_by or 0)]
        versions = [v for v in versions if v.version >= max(bound, default=0)]
        parsed = notes.parse(note)
        keys = [version.known(region).log_key for version in versions]
        origin = self.federation.origin(region)
        return next((k for k in keys if NoteKey(origin, k).signed(parsed)), keys[0])

    async def _load(self, origin: str) -> None:
        found = await asyncio.to_thread(self.store.witnessed, origin)
        if found is None:
            self.witness.seen.pop(origin, None)
            return
        self.witness.seen[origin] = Seen(
            origin=origin,
            size=found.size,
            root=found.root,
            note=found.note,
            asked_size=found.size,
            asked=found.note,
        )

    async def _keep(self, region: str, evidence: Equivocation) -> None:
        if region in self._kept:
            return
        data = evidence.encode()
        await asyncio.to_thread(self.store.add_evidence, EQUIVOCATION, data, int(self.now()))
        self._kept.add(region)
        self.found(region, evidence)


def _refused(refusal: Refusal, *, conflict: bool) -> Exception:
    if conflict:
        return ServiceError(Fault.WITNESS_CONFLICT)
    match refusal:
        case Refusal.OTHER_SIZE:
            return ServiceError(Fault.WITNESS_SIZE)
        case Refusal.BAD_PROOF:
            return PeerError(Reason.LOG_PROOF)
        case Refusal.UNKNOWN_KEY:
            return PeerError(Reason.RECORD_SIGNATURE)
        case Refusal.UNKNOWN_LOG:
            return PeerError(Reason.REGION_UNKNOWN)
        case _:
            return PeerError(Reason.NOTE)
