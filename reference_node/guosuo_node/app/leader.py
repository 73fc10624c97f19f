"""The process that leads: roles in memory, every change in one transaction under its lease.

Whatever fails while a change is written ends the leadership, since then memory is ahead of
the store; the next leader, perhaps this very process, starts from what the store has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from guosuo.curve.entropy import Entropy
from guosuo.federation.merkle import leaf_hash
from guosuo.federation.records import Append, Effect, Kind, LogWriter, PutBlob, digest
from guosuo.roles.gate import GateAuthority
from guosuo.roles.issuer import Issuer
from guosuo_node.app.ending import to_the_end
from guosuo_node.app.faults import Fault, ServiceError
from guosuo_node.app.keys import NodeKeys
from guosuo_node.app.points import Point, reached
from guosuo_node.app.records import Records
from guosuo_node.store.errors import Fenced, StoreUnavailable
from guosuo_node.store.marks import GateMarks, IssuerMarks
from guosuo_node.store.rows import Lease
from guosuo_node.store.store import Store
from guosuo_node.store.writer import Writer

_RETRY = 0.2
"""Seconds between tries of one write while the database is away."""


@dataclass(slots=True)
class Leader:
    """Issuer, gate authority and log of the node's region, for as long as the lease lasts."""

    region: str
    keys: NodeKeys
    records: Records
    store: Store
    lease: Lease
    entropy: Entropy
    now: Callable[[], float]
    issuer: Issuer
    gate: GateAuthority
    writer: LogWriter
    ready: bool = False
    """Nothing is signed before the witnesses said what they know of the log."""
    lost: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held for each change of the roles' states, and from the cut-off of a turn to its entry."""
    grown: asyncio.Event = field(default_factory=asyncio.Event)
    _issuer_marks: IssuerMarks = field(init=False)
    _gate_marks: GateMarks = field(init=False)

    def __post_init__(self) -> None:
        """The states are those that were just loaded."""
        self._issuer_marks = IssuerMarks.of(self.issuer.state)
        self._gate_marks = GateMarks.of(self.gate.state)

    @classmethod
    def load(
        cls,
        *,
        region: str,
        keys: NodeKeys,
        records: Records,
        store: Store,
        lease: Lease,
        entropy: Entropy,
        now: Callable[[], float],
    ) -> Leader:
        """Everything as the store has it; blocking. The records must hold all own entries.

        `keys`: those of the charter that the log adopted.
        """
        view = records.view.region(region)
        federation = records.view.ruling(region)
        root, log = keys.root_key, keys.log_key
        return cls(
            region=region,
            keys=keys,
            records=records,
            store=store,
            lease=lease,
            entropy=entropy,
            now=now,
            issuer=Issuer(federation, store.load_issuer_state(federation, region, root, log)),
            gate=GateAuthority(federation, store.load_gate_state(federation, region)),
            writer=LogWriter(log, federation.id, region, len(view.entries), view.last),
        )

    def check(self) -> None:
        """`ServiceError` unless this process leads and knows where its log ends."""
        if self.lost:
            raise ServiceError(Fault.NOT_LEADER)
        if not self.ready:
            raise ServiceError(Fault.RECOVERING)

    async def commit(
        self,
        effects: Iterable[Effect],
        *,
        slots: Collection[int] = (),
        persons: Collection[bytes] = (),
        also: Sequence[Callable[[Writer], None]] = (),
    ) -> list[bytes]:
        """Blobs first; then entries, states and promises, all or nothing. The lock is held.

        `slots` and `persons`: those that changed. `also`: more to write with it. Returns
        the signed entries. A caller that goes away keeps the lock until it is written: the
        next change would begin where this one has not ended.
        """
        return await to_the_end(self._commit(list(effects), slots, persons, also))

    async def _commit(
        self,
        effects: list[Effect],
        slots: Collection[int],
        persons: Collection[bytes],
        also: Sequence[Callable[[Writer], None]],
    ) -> list[bytes]:
        if self.lost:
            raise ServiceError(Fault.NOT_LEADER)
        draft, entries = replace(self.writer), []
        try:
            blobs = [effect.data for effect in effects if isinstance(effect, PutBlob)]
            await asyncio.to_thread(self._put_blobs, blobs)
            if blobs:
                reached(Point.AFTER_BLOBS_BEFORE_SIGN)
            writer = self.store.writer()
            for effect in effects:
                if isinstance(effect, Append):
                    index, entry = draft.index, draft.append(effect.kind, effect.body)
                    writer.append_entry(index, effect.kind.value, entry, leaf_hash(entry))
                    entries.append(entry)
                    if effect.kind is Kind.EPOCH:
                        self.issuer.logged(digest(entry))
            writer.save_issuer(self._issuer_marks, self.issuer.state, slots=slots, persons=persons)
            writer.save_gate(self._gate_marks, self.gate.state)
            for step in also:
                step(writer)
            if entries:
                reached(Point.AFTER_SIGN_BEFORE_PERSIST)
            await self._write(writer)
            reached(Point.AFTER_PERSIST_BEFORE_MEMORY)
        except BaseException:
            self.lost = True
            raise
        self.writer = draft
        if entries:
            self.records.take(self.region, entries)
            self.grown.set()
        return entries

    async def write(self, *steps: Callable[[Writer], None]) -> None:
        """Facts beside the roles, as checkpoints, in a transaction under the lease."""
        writer = self.store.writer()
        for step in steps:
            step(writer)
        await to_the_end(self._guarded(writer))

    async def _guarded(self, writer: Writer) -> None:
        try:
            await self._write(writer)
        except Fenced:
            self.lost = True
            raise

    async def _write(self, writer: Writer) -> None:
        """Write, and again while the database is away, up to the end of the lease."""
        while True:
            try:
                await asyncio.to_thread(self.store.write, self.lease, writer)
            except StoreUnavailable:
                if self.now() >= self.lease.until:
                    raise
                await asyncio.sleep(_RETRY)
            else:
                return

    def _put_blobs(self, blobs: list[bytes]) -> None:
        for data in blobs:
            self.records.blobs.put(data)
