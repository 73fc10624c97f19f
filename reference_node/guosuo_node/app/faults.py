"""Why a node does not answer a call, apart from what the library refuses.

The library's `PeerError` says what is wrong with the octets of a call; a `Fault` says
what stands against it at this node: no such thing, not the leader, no quorum yet. A
closed list again, without any text that could carry input. The RPC room has the one
table from both to status codes.
"""

from __future__ import annotations

from enum import StrEnum


class Fault(StrEnum):
    """Every reason of the node's own (stable names, seen by clients)."""

    # not here
    NOT_FOUND = "not-found"
    """No such blob, tile, report, checkpoint or epoch at this node."""
    BEYOND_CHECKPOINT = "beyond-checkpoint"
    """An index or size that the published checkpoint does not cover."""
    OTHER_REGION = "other-region"
    """Only the node of the region concerned answers this."""
    # not now
    NOT_LEADER = "not-leader"
    """Another process of this node takes writes."""
    RECOVERING = "recovering"
    """The node signs nothing before it knows what its witnesses saw of its log."""
    NO_QUORUM = "no-quorum"
    """Too few witnesses answered for the log to be published."""
    STORAGE = "storage"
    """The database or the disk does not take writes."""
    BUSY = "busy"
    """Too much is going on; see `RetryInfo`."""
    RATE = "rate"
    """This peer asks too often; see `RetryInfo`."""
    STOPPING = "stopping"
    """The process is going down."""
    DEADLINE = "deadline"
    """Not done within the call's deadline or the node's own limit."""
    # not you
    PEER_UNKNOWN = "peer-unknown"
    """A call for members of the federation, without a member's certificate."""
    # witnessing
    WITNESS_SIZE = "witness-size"
    """This witness has a checkpoint of another size: ask GetWitnessed and prove from there."""
    WITNESS_CONFLICT = "witness-conflict"
    """No continuation of what this witness cosigned: evidence of two histories."""
    # what callers never see more of
    INTERNAL = "internal"
    """A bug or damage at this node; its log says where."""


class ServiceError(Exception):
    """A call that the node does not answer, and after how long to try again."""

    def __init__(self, fault: Fault, retry_after: float | None = None) -> None:
        """`retry_after` in seconds; None takes what is usual for this fault."""
        super().__init__(fault.value)
        self.fault = fault
        self.retry_after = retry_after


def word_of(error: BaseException) -> str:
    """What may be said of an error, or of the first of a group: a listed word, or its class."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    for attribute in ("fault", "reason"):
        found = getattr(error, attribute, None)
        if found is not None:
            return str(getattr(found, "value", found))
    return type(error).__name__
