"""The service Enrolment of a region's node: an offer, and the answer to a request.

What goes out is personal data and goes to the node of that region only. Nothing of it
stays here, is logged, or gets into an exception.
"""

from __future__ import annotations

from typing import Final

from guosuo.client import bounds
from guosuo.client.channel import NodeChannel
from guosuo.errors import CallerError, Reason
from guosuo.pb import enrolment_pb2 as pb
from guosuo.pb.enrolment_pb2_grpc import EnrolmentStub

MAX_OFFER: Final = 1 << 10
MAX_REQUEST: Final = 4 << 10
MAX_EVIDENCE: Final = 64 << 10
MAX_IDENTIFICATION: Final = 8 << 10
MAX_ANSWER: Final = 16 << 10
ENROL_DEADLINE: Final = 30.0
"""Seconds: the region checks evidence and person meanwhile."""


class EnrolmentClient:
    """The node of one region. Raises `NodeFailure` and `PeerError`."""

    def __init__(self, channel: NodeChannel) -> None:
        """The channel stays its owner's."""
        self.channel = channel
        self._stub = EnrolmentStub(channel.raw)

    async def offer(self) -> bytes:
        """A signed offer, unchecked: `Wallet.request` opens it."""
        answer = await self.channel.call(self._stub.GetOffer, pb.GetOfferRequest())
        return bounds.octets(answer.offer, MAX_OFFER)

    async def enrol(self, request: bytes, evidence: bytes, identification: str) -> bytes:
        """The region's answer, unchecked: `Wallet.conclude` opens it. It holds secrets.

        The same octets again get the same answer, so a call that broke is simply repeated.
        `CallerError(ARGUMENT)` for what no node takes.
        """
        if (
            len(request) > MAX_REQUEST
            or len(evidence) > MAX_EVIDENCE
            or len(identification.encode(errors="replace")) > MAX_IDENTIFICATION
        ):
            raise CallerError(Reason.ARGUMENT, "a request larger than nodes take")
        message = pb.EnrolRequest(request=request, evidence=evidence, identification=identification)
        answer = await self.channel.call(self._stub.Enrol, message, deadline=ENROL_DEADLINE)
        return bounds.octets(answer.answer, MAX_ANSWER)
