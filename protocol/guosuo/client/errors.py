"""How a call to a node ends that does not end well.

Octets that break the bounds of the .proto files, or are not what they should be, are
`guosuo.errors.PeerError` as everywhere. Here is what stands against an answer: the node
says why (`NodeError`), it cannot be reached or is too slow (`NodeUnreachable`), or it
sends more than anybody takes (`NodeTooLarge`). No text of the other side gets into an
exception: its reason is a word of a closed list, or "unknown".
"""

from __future__ import annotations

from typing import Final

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from guosuo.errors import Reason

DOMAIN: Final = "guosuo"
DETAILS_KEY: Final = "grpc-status-details-bin"
MAX_DETAILS: Final = 1 << 14
"""Octets of a rich status that are looked at."""
MAX_RETRY_AFTER: Final = 300.0
"""Seconds: no node makes a client wait longer."""
UNKNOWN: Final = "unknown"
"""In place of a reason that is in no list."""

NOT_FOUND: Final = "not-found"
NOT_LEADER: Final = "not-leader"
WITNESS_SIZE: Final = "witness-size"

FAULTS: Final = frozenset(
    {
        NOT_FOUND,
        "beyond-checkpoint",
        "other-region",
        NOT_LEADER,
        "recovering",
        "no-quorum",
        "storage",
        "busy",
        "rate",
        "stopping",
        "deadline",
        "peer-unknown",
        WITNESS_SIZE,
        "witness-conflict",
        "internal",
    }
)
"""A node's own reasons (proto/README.md); beside them are those of `guosuo.errors.Reason`."""

_REASONS: Final = FAULTS | {reason.value for reason in Reason}
_MAX_ITEMS: Final = 8
_AGAIN: Final = frozenset({grpc.StatusCode.UNAVAILABLE})
_NO_ANSWER: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
    }
)
_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}


class NodeFailure(Exception):  # noqa: N818 - base of what is no error of ours
    """Base of the three. `target` is the address that was asked."""

    def __init__(self, target: str, text: str) -> None:
        """`text` is a fixed sentence or a word of the closed list."""
        super().__init__(f"{target}: {text}")
        self.target = target


class NodeError(NodeFailure):
    """The node answered that it does not do this, and why."""

    def __init__(
        self, target: str, code: grpc.StatusCode, reason: str, retry_after: float | None = None
    ) -> None:
        """`reason` of `FAULTS`, `guosuo.errors.Reason`, or `UNKNOWN`; seconds to wait, if any."""
        super().__init__(target, reason)
        self.code = code
        self.reason = reason
        self.retry_after = retry_after

    @property
    def may_help(self) -> bool:
        """Whether the same call may go better later."""
        return self.retry_after is not None or self.code in _AGAIN


class WitnessSize(NodeError):  # noqa: N818 - the answer's own name
    """This witness has a checkpoint of another size: ask `witnessed` and prove from there."""


class NodeUnreachable(NodeFailure):
    """No connection, a broken one, or no answer within the deadline."""

    def __init__(self, target: str, *, late: bool = False) -> None:
        """`late`: there may be a connection, but the deadline passed."""
        super().__init__(target, "no answer in time" if late else "cannot be reached")
        self.late = late


class NodeTooLarge(NodeFailure):
    """An answer beyond every bound of the .proto files, not taken in."""

    def __init__(self, target: str) -> None:
        """Of the node at `target`."""
        super().__init__(target, "an answer larger than allowed")


def known_reason(text: str) -> str:
    """The word itself if it is in a list, else `UNKNOWN`."""
    return text if text in _REASONS else UNKNOWN


def code_of(number: int) -> grpc.StatusCode:
    """The status code of that number; UNKNOWN for numbers that are none."""
    return _CODES.get(number, grpc.StatusCode.UNKNOWN)


def failure(target: str, error: grpc.aio.AioRpcError) -> NodeFailure:
    """What a failed call means."""
    code = error.code()
    info, retry_after = _details(error)
    if info is not None:
        kind = WitnessSize if info == WITNESS_SIZE else NodeError
        return kind(target, code, info, retry_after)
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        # Of our own side: the message limits of the channel.
        return NodeTooLarge(target)
    if code in _NO_ANSWER:
        return NodeUnreachable(target, late=code is grpc.StatusCode.DEADLINE_EXCEEDED)
    return NodeError(target, code, UNKNOWN, retry_after)


def _details(error: grpc.aio.AioRpcError) -> tuple[str | None, float | None]:
    """Reason and seconds from the rich status, as far as there is a sound one."""
    metadata = error.trailing_metadata()
    raw = metadata.get(DETAILS_KEY) if metadata is not None else None
    if not isinstance(raw, bytes) or len(raw) > MAX_DETAILS:
        return None, None
    reason: str | None = None
    retry_after: float | None = None
    try:
        for packed in Status.FromString(raw).details[:_MAX_ITEMS]:
            info, retry = ErrorInfo(), RetryInfo()
            if packed.Is(ErrorInfo.DESCRIPTOR) and packed.Unpack(info):
                if info.domain == DOMAIN:
                    reason = known_reason(info.reason)
            elif packed.Is(RetryInfo.DESCRIPTOR) and packed.Unpack(retry):
                delay = retry.retry_delay
                seconds = delay.seconds + delay.nanos / 1e9
                retry_after = min(max(seconds, 0.0), MAX_RETRY_AFTER)
    except DecodeError:
        return None, None
    return reason, retry_after
