"""One process of a node: takes the lease and leads, or reads along and stands by."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import BrokenExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from guosuo.curve.entropy import Entropy
from guosuo.errors import GuosuoError
from guosuo.federation.charter import Federation
from guosuo.federation.clock import PARTS
from guosuo.federation.forks import Equivocation
from guosuo.federation.witness import Witness
from guosuo_node.adapter.desk import Desk
from guosuo_node.app.answers import DirectoryAnswers, FederationAnswers
from guosuo_node.app.blobs import BlobStore
from guosuo_node.app.counter import Counter
from guosuo_node.app.cutting import Cutting
from guosuo_node.app.faults import Fault, ServiceError, word_of
from guosuo_node.app.gatehouse import Gatehouse
from guosuo_node.app.keys import NodeKeys, fitting
from guosuo_node.app.leader import Leader
from guosuo_node.app.peers import Peer
from guosuo_node.app.publishing import Publisher
from guosuo_node.app.records import Records
from guosuo_node.app.recovery import Recovery, check_own
from guosuo_node.app.requests import Requests, Work
from guosuo_node.app.services import Services
from guosuo_node.app.turns import Turns
from guosuo_node.app.witnessing import WitnessDesk
from guosuo_node.jobs.pool import Pool
from guosuo_node.store.errors import StoreFull, StoreUnavailable
from guosuo_node.store.rows import Lease
from guosuo_node.store.store import Store
from guosuo_node.sync.follow import Follower
from guosuo_node.sync.tail import Tail

LEASE_SECONDS: Final = 10
"""A leader that is silent for so long is replaced."""
_LONGEST: Final = 100
"""Characters of a name in the log."""
T = TypeVar("T")
Tell = Callable[..., None]
"""Told of events: a name, and fields of the log's closed list."""


@dataclass(slots=True, kw_only=True)
class Node:
    """The parts of one process, and its life."""

    federation: Federation
    """The newest version of the charter that the operator put in place."""
    keys: NodeKeys
    """Those of that version."""
    store: Store
    public: Path
    policies: Path
    register: Path
    requests: Path
    nodes: Mapping[str, Peer]
    """Other members' nodes, by region."""
    witnesses: Mapping[str, Peer]
    """Other witnesses, by name: members' nodes and stand-alone ones."""
    desk: Desk | None
    entropy: Entropy
    now: Callable[[], float]
    tell: Tell
    holder: str
    """Names this process in the lease."""
    workers: int | None = None
    earlier_keys: tuple[NodeKeys, ...] = ()
    """Of versions before, for as long as the own log has not adopted that one."""
    records: Records = field(init=False)
    witness: WitnessDesk | None = field(init=False)
    leader: Leader | None = None
    waiting: str = ""
    """Why nothing is signed yet, if so."""
    publisher: Publisher | None = None
    """The leader's."""
    away: str = ""
    """Why the store does not answer, if so."""
    _told: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Nothing is read or sent yet."""
        self.records = Records(self.federation, BlobStore(self.public / "blobs"))
        name = self.keys.name
        self.witness = None
        if name in self.federation.witness_keys:
            self.witness = WitnessDesk(
                self.federation,
                Witness(name, self.keys.witness),
                self.store,
                self.now,
                self._fork,
                self.records.ahead,
            )

    @property
    def alone(self) -> bool:
        """A stand-alone witness: no region, no lease."""
        return self.keys.root is None

    @property
    def patience(self) -> float:
        """Seconds for small things: two parts of E, but neither hasty nor endless."""
        return min(5.0, max(0.3, 2 * self.federation.clock.epoch_seconds / PARTS))

    def services(self) -> Services:
        """What this process offers by RPC."""
        federation = FederationAnswers(self.records, self.store, self.witness, self.now)
        directory = DirectoryAnswers(
            "" if self.alone else self.keys.name,
            self.records,
            self._leading,
            self.now,
            self.why,
        )
        if self.desk is None:
            return Services(federation=federation, directory=directory)
        counter = Counter(self.desk, self._leading, self.now)
        return Services(
            federation=federation, directory=directory, enrolment=counter, status=counter
        )

    async def run(self) -> None:
        """Until cancelled: lead whenever the lease can be had, read along meanwhile."""
        if self.alone:
            await asyncio.Event().wait()
        tail = Tail(self.keys.name, self.records, self.store, self._report)
        await self._while_away(tail.catch_up)
        while True:
            lease = await self._while_away(
                lambda: asyncio.to_thread(
                    self.store.acquire, self.holder, int(self.now()), LEASE_SECONDS
                )
            )
            if lease is None:
                await asyncio.sleep(self.patience)
                await self._while_away(tail.catch_up)
                continue
            await self._while_away(tail.catch_up)
            try:
                await self._lead(lease)
            except* (GuosuoError, ServiceError, OSError, BrokenExecutor) as errors:
                self.tell("leading-ended", reason=word_of(errors))
            self.leader = None
            await asyncio.sleep(self.patience)

    async def _lead(self, lease: Lease) -> None:
        name = self.keys.name
        try:
            leader = await asyncio.to_thread(
                Leader.load,
                region=name,
                keys=fitting((*self.earlier_keys, self.keys), self.records.view.ruling(name)),
                records=self.records,
                store=self.store,
                lease=lease,
                entropy=self.entropy,
                now=self.now,
            )
            check_own(leader)
        except GuosuoError:
            # Another process may do better.
            with suppress(GuosuoError):
                await asyncio.to_thread(self.store.release, lease)
            raise
        self.leader = leader
        self.tell("leading", lease=lease.number)
        pool = Pool(self.federation, self.workers)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._hold(leader))
                for region in self.nodes:
                    group.create_task(self._follower(region).run())
                recovery = Recovery(leader, self.witnesses, self.nodes, self.patience, self._report)
                await recovery.run()
                self.waiting = ""
                if leader.lost:
                    raise ServiceError(Fault.NOT_LEADER)
                self.tell("ready", size=self.records.logs[name].tree.size)
                gatehouse = Gatehouse(leader, self.policies, self.register, self._report)
                publisher = Publisher(
                    leader,
                    self.witnesses,
                    self.witness,
                    self.public / name,
                    self.patience,
                    self._report,
                )
                self.publisher = publisher
                group.create_task(publisher.run())
                group.create_task(gatehouse.run(self.patience))
                turns = Turns(leader, pool, self.tell, self.federation)
                await self._cutting(leader, pool).resume()
                group.create_task(turns.run())
                group.create_task(self._requests(leader, pool, turns).run())
        finally:
            leader.lost = True
            async with leader.lock:
                # What a caller is still writing is written, or refused, before others lead.
                self.leader = None
            with suppress(GuosuoError):
                await asyncio.shield(asyncio.to_thread(self.store.release, leader.lease))
            await asyncio.to_thread(pool.close)

    async def _hold(self, leader: Leader) -> None:
        """Renew the lease; end everything when it, or a write, is lost."""
        while not leader.lost:
            await asyncio.sleep(LEASE_SECONDS / 4)
            try:
                leader.lease = await asyncio.to_thread(
                    self.store.renew, leader.lease, int(self.now()), LEASE_SECONDS
                )
            except StoreUnavailable:
                if self.now() >= leader.lease.until:
                    break
        leader.lost = True
        raise ServiceError(Fault.NOT_LEADER)

    def _cutting(self, leader: Leader, pool: Pool) -> Cutting:
        return Cutting(leader, pool, self.tell)

    def _requests(self, leader: Leader, pool: Pool, turns: Turns) -> Requests:
        cutting = self._cutting(leader, pool)

        async def cut(*, before_too: bool) -> dict[str, int]:
            key = await cutting.cut(before_too=before_too)
            return {"epoch": key.epoch, "revision": key.revision}

        async def turn() -> dict[str, int]:
            return {"epoch": await turns.turn_early()}

        works: dict[str, Work] = {
            "turn-epoch": turn,
            "cut-epoch": partial(cut, before_too=False),
            "cut-turn": partial(cut, before_too=True),
        }
        return Requests(leader, self.requests, works, self.tell)

    def _follower(self, region: str) -> Follower:
        return Follower(
            region=region,
            records=self.records,
            store=self.store,
            nodes=self.nodes,
            poll=max(self.patience, 4 * self.federation.clock.epoch_seconds / PARTS),
            now=self.now,
            entropy=self.entropy,
            report=self._report,
        )

    async def _while_away(self, call: Callable[[], Awaitable[T]]) -> T:
        """The call's result, tried until the database answers."""
        while True:
            try:
                result = await call()
            except (StoreUnavailable, StoreFull) as error:
                self.away = error.reason.value
                self._report("store", error.reason.value)
                await asyncio.sleep(self.patience)
            else:
                self.away = ""
                return result

    def why(self) -> str:
        """Why this process signs or publishes nothing now, a word; empty if it does."""
        leader = self._leading()
        if self.alone:
            return ""
        if leader is None or leader.lost:
            return self.away or "standby"
        if not leader.ready:
            return self.waiting or "recovering"
        return "witnesses-few" if self.publisher is not None and self.publisher.short else ""

    def _leading(self) -> Leader | None:
        return self.leader

    def _report(self, who: str, what: str) -> None:
        """Log a trouble once, not each time it is met again."""
        if who == "own-log":
            self.waiting = what
        # A file's name, say, may be in any script; lines of the log are not.
        who = re.sub(r"[^ -~]", "?", who)[:_LONGEST]
        if self._told.get(who) != what:
            self._told[who] = what
            self.tell("trouble", peer=who, reason=what)

    def _fork(self, region: str, evidence: Equivocation) -> None:
        if self.records.convict(region, evidence):
            self.tell("forked", region=region)
