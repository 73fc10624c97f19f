"""The service Status of a region's node, for officers' programs."""

from __future__ import annotations

from typing import Final

from guosuo.client import bounds
from guosuo.client.channel import NodeChannel
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.federation.entries import MAX_SLOTS
from guosuo.pb import status_pb2 as pb
from guosuo.pb.status_pb2_grpc import StatusStub

MAX_ORDER: Final = 512 << 10
MAX_QUERY: Final = 64 << 10
MAX_FOUND: Final = 100_000
ORDER_DEADLINE: Final = 30.0
"""Seconds: an order is answered when enough witnesses have its log entry."""


class StatusClient:
    """The node of one region. Raises `NodeFailure` and `PeerError`."""

    def __init__(self, channel: NodeChannel) -> None:
        """The channel stays its owner's."""
        self.channel = channel
        self._stub = StatusStub(channel.raw)

    async def submit_order(self, order: bytes) -> int:
        """Epoch from which the signed order counts; the same order again, the same answer."""
        if not 1 <= len(order) <= MAX_ORDER:
            raise CallerError(Reason.ARGUMENT, "an order larger than nodes take")
        request = pb.SubmitOrderRequest(order=order)
        answer = await self.channel.call(self._stub.SubmitOrder, request, deadline=ORDER_DEADLINE)
        return bounds.number(answer.epoch, bounds.MAX_EPOCH)

    async def find_slots(self, query: bytes) -> tuple[int, ...]:
        """Slots that a signed query speaks of, ascending. Personal data."""
        if not 1 <= len(query) <= MAX_QUERY:
            raise CallerError(Reason.ARGUMENT, "a query larger than nodes take")
        answer = await self.channel.call(self._stub.FindSlots, pb.FindSlotsRequest(query=query))
        slots = tuple(answer.slots)
        if len(slots) > MAX_FOUND:
            raise PeerError(Reason.TOO_LONG)
        if any(not 0 <= slot < MAX_SLOTS for slot in slots) or list(slots) != sorted(set(slots)):
            raise PeerError(Reason.MESSAGE_VALUE)
        return slots
