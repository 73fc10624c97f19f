"""Enrolment and orders at the node's own region: what citizens and officers ask for."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from guosuo.errors import CallerError, PeerError, Reason
from guosuo.federation.entries import OrderEntry
from guosuo.federation.records import digest
from guosuo.roles.enrolment import Answer, EnrolRequest, RefusalCode
from guosuo.roles.issuer import OFFER_SECONDS
from guosuo.roles.officer import SlotsQuery
from guosuo_node.adapter.desk import Desk
from guosuo_node.adapter.interface import Refused, Unavailable
from guosuo_node.app.faults import Fault, ServiceError
from guosuo_node.app.leader import Leader
from guosuo_node.app.points import Point, reached
from guosuo_node.app.services import Enrolling

_MAX_NONCES: Final = 10_000
_ORDER: Final = struct.Struct(">IQ")
"""What is remembered of a logged order: the epoch from which it counts, its index."""
_PUBLIC_SECONDS: Final = 20.0
"""How long an order's answer waits for the witnesses."""


@dataclass(slots=True)
class Counter:
    """`EnrolmentService` and `StatusService` of one node; answers only while it leads."""

    desk: Desk
    leader: Callable[[], Leader | None]
    now: Callable[[], float]
    _nonces: dict[bytes, int] = field(default_factory=dict, repr=False)
    """Nonces of recent questions, each until its time is over."""

    # --- citizens -------------------------------------------------------------------------

    async def offer(self) -> bytes:
        """A signed offer, remembered before it is handed out."""
        leader = self._leading()
        async with leader.lock:
            leader.check()
            with _or_later():
                offer = leader.issuer.offer(int(self.now()), leader.entropy)
            await leader.commit(())
        reached(Point.AFTER_OFFER_PERSIST_BEFORE_ANSWER)
        return offer

    async def enrol(self, enrolling: Enrolling) -> bytes:
        """A grant or a signed refusal, on the disk before it is handed out."""
        leader = self._leading()
        request = EnrolRequest.decode(enrolling.request)
        name = digest(enrolling.request)
        known = await asyncio.to_thread(leader.store.grant, name)
        if known is not None:
            return known
        now = int(self.now())
        if request.nonce not in leader.issuer.state.offers:
            return await self._without_offer(leader, request, name)
        try:
            examined = await self.desk.examine(
                enrolling.identification, enrolling.evidence, now=now
            )
        except Refused as refused:
            async with leader.lock:
                leader.check()
                answer = leader.issuer.refuse(request.nonce, refused.code, now)
                await leader.commit(())
            return answer.encode()
        except Unavailable:
            raise ServiceError(Fault.BUSY) from None
        async with leader.lock:
            leader.check()
            # The same request may have been granted while this one waited.
            known = await asyncio.to_thread(leader.store.grant, name)
            if known is not None:
                return known
            with _or_later():
                answer = leader.issuer.enrol(
                    request, examined.record, examined.fact, int(self.now()), leader.entropy
                )
            await self._granted(leader, name, answer)
        reached(Point.AFTER_GRANT_PERSIST_BEFORE_ANSWER)
        return answer.encode()

    async def _without_offer(self, leader: Leader, request: EnrolRequest, name: bytes) -> bytes:
        """A refusal, for which nobody's system is asked and nothing is written.

        Anybody can send requests without an offer, as many as he likes.
        """
        async with leader.lock:
            leader.check()
            # Its twin may have used the offer up, and have been granted just now.
            known = await asyncio.to_thread(leader.store.grant, name)
            if known is not None:
                return known
            now = int(self.now())
            return leader.issuer.refuse(request.nonce, RefusalCode.DEADLINE, now).encode()

    async def _granted(self, leader: Leader, name: bytes, answer: Answer) -> None:
        if answer.grant is None:
            await leader.commit(())
            return
        forget, data = int(self.now()) + OFFER_SECONDS, answer.encode()
        await leader.commit(
            (),
            slots=(answer.grant.slot,),
            also=(lambda writer: writer.put_grant(name, forget, data),),
        )

    # --- officers -------------------------------------------------------------------------

    async def submit_order(self, data: bytes) -> int:
        """Log a signed order, after a turn that is going on; the epoch from which it counts."""
        leader = self._leading()
        order = OrderEntry.decode(data)
        organisation = leader.issuer.federation.organisations.get(order.organisation)
        if organisation is None or organisation.region != leader.region:
            raise ServiceError(Fault.OTHER_REGION)
        name = digest(data)
        logged = await asyncio.to_thread(leader.store.meta, _meta(name))
        if logged is None:
            logged = await self._log_order(leader, name, order)
            reached(Point.AFTER_ORDER_PERSIST_BEFORE_ANSWER)
        epoch, index = _ORDER.unpack(logged)
        # In the log is in the public log: what only this node has, an old backup forgets.
        log = leader.records.logs[leader.region]
        if not await leader.records.until(lambda: log.size > index, _PUBLIC_SECONDS):
            raise ServiceError(Fault.NO_QUORUM)
        return int(epoch)

    async def _log_order(self, leader: Leader, name: bytes, order: OrderEntry) -> bytes:
        """Log it unless it is logged already; epoch and index as they are kept."""
        async with leader.lock:
            leader.check()
            logged = await asyncio.to_thread(leader.store.meta, _meta(name))
            if logged is not None:
                return logged
            number = leader.records.view.check_order(leader.region, order)
            if any(slot not in leader.issuer.state.slots for slot in order.slots):
                raise PeerError(Reason.ORDER, "an order names allotted slots of this region")
            effects = leader.issuer.order(order)
            epoch = max(number, self._next(leader))
            kept = _ORDER.pack(epoch, leader.writer.index)
            await leader.commit(
                effects,
                slots=order.slots,
                also=(lambda writer: writer.put_meta(_meta(name), kept),),
            )
            return kept

    async def find_slots(self, data: bytes) -> tuple[int, ...]:
        """Slots of the person that a signed, fresh query names."""
        leader = self._leading()
        query = SlotsQuery.decode(data)
        now = int(self.now())
        self._nonces = {nonce: end for nonce, end in self._nonces.items() if end >= now}
        if len(self._nonces) >= _MAX_NONCES:
            raise ServiceError(Fault.BUSY)
        query.check(leader.issuer.federation, leader.region, now)
        if query.nonce in self._nonces:
            raise PeerError(Reason.ORDER, "a question that was asked before")
        self._nonces[query.nonce] = query.time + SlotsQuery.FRESH
        identified = await self._identified(query.person, now)
        return tuple(sorted(leader.issuer.slots_of(identified)))

    async def _identified(self, identification: str, now: int) -> bytes:
        try:
            return (await self.desk.identify(identification, now=now)).record
        except Refused:
            raise PeerError(Reason.PERSON_MISMATCH) from None
        except Unavailable:
            raise ServiceError(Fault.BUSY) from None

    def _next(self, leader: Leader) -> int:
        """The first epoch whose entry is still to come."""
        latest = leader.records.view.region(leader.region).latest()
        return latest.id.epoch + 1 if latest else 0

    def _leading(self) -> Leader:
        leader = self.leader()
        if leader is None:
            raise ServiceError(Fault.NOT_LEADER)
        leader.check()
        return leader


def _meta(name: bytes) -> str:
    return f"order/{name.hex()}"


@contextmanager
def _or_later() -> Iterator[None]:
    """What the issuer cannot do yet: too many open offers, or no key of this epoch.

    The latter after a node was away when the epoch began, until it has turned it.
    """
    try:
        yield
    except CallerError as error:
        if error.reason is not Reason.STATE:
            raise
        raise ServiceError(Fault.BUSY) from None
