"""The one table from reasons to status codes, and the rich status that carries them.

Whatever a call ends with is a gRPC status code, the reason's stable word as its message,
and in `grpc-status-details-bin` a google.rpc.Status with

- ErrorInfo: reason, domain "guosuo", and for malformed requests the field at fault;
- RetryInfo where trying the same again can help.

No text of an exception gets out: the words come from two closed lists. proto/README.md
tells clients the same; tests/node/test_rpc_errors.py compares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from guosuo.errors import CallerError, PeerError, Reason
from guosuo_node.app.faults import Fault, ServiceError

DOMAIN: Final = "guosuo"
DETAILS_KEY: Final = "grpc-status-details-bin"

Code = grpc.StatusCode

FAULTS: Final[dict[Fault, tuple[Code, float | None]]] = {
    Fault.NOT_FOUND: (Code.NOT_FOUND, None),
    Fault.BEYOND_CHECKPOINT: (Code.OUT_OF_RANGE, None),
    Fault.OTHER_REGION: (Code.FAILED_PRECONDITION, None),
    Fault.NOT_LEADER: (Code.UNAVAILABLE, 1.0),
    Fault.RECOVERING: (Code.UNAVAILABLE, 10.0),
    Fault.NO_QUORUM: (Code.UNAVAILABLE, 10.0),
    Fault.STORAGE: (Code.UNAVAILABLE, 5.0),
    Fault.BUSY: (Code.RESOURCE_EXHAUSTED, 1.0),
    Fault.RATE: (Code.RESOURCE_EXHAUSTED, 1.0),
    Fault.STOPPING: (Code.UNAVAILABLE, 2.0),
    Fault.DEADLINE: (Code.DEADLINE_EXCEEDED, None),
    Fault.PEER_UNKNOWN: (Code.PERMISSION_DENIED, None),
    Fault.WITNESS_SIZE: (Code.FAILED_PRECONDITION, None),
    Fault.WITNESS_CONFLICT: (Code.ABORTED, None),
    Fault.INTERNAL: (Code.INTERNAL, None),
}
"""Status code and usual seconds to the next try (None: trying again does not help)."""

REFUSED: Final[dict[Reason, Code]] = {
    # Octets that are a message but name what is not there.
    Reason.REGION_UNKNOWN: Code.NOT_FOUND,
    Reason.RECORD_MISSING: Code.NOT_FOUND,
    Reason.CHECKPOINT_UNKNOWN: Code.NOT_FOUND,
    # Signed by somebody who may not.
    Reason.SIGNATURE: Code.PERMISSION_DENIED,
    Reason.RECORD_SIGNATURE: Code.PERMISSION_DENIED,
    # In order by itself, but not in this state of the log or the person's record.
    Reason.ORDER: Code.FAILED_PRECONDITION,
    Reason.RECORD_ORDER: Code.FAILED_PRECONDITION,
    Reason.NOT_PUBLISHED: Code.FAILED_PRECONDITION,
    Reason.ENROLMENT_NONCE: Code.FAILED_PRECONDITION,
    Reason.STATE: Code.FAILED_PRECONDITION,
    Reason.ENROLMENT_NO_SLOT: Code.RESOURCE_EXHAUSTED,
}
"""Codes for `PeerError`; for every other reason it is INVALID_ARGUMENT."""

OWN: Final[dict[Reason, Fault]] = {
    Reason.STORE_UNAVAILABLE: Fault.STORAGE,
    Reason.STORE_FULL: Fault.STORAGE,
    Reason.FENCED: Fault.NOT_LEADER,
}
"""What a `CallerError` of that reason means for the caller of a call; else INTERNAL."""


class FieldError(PeerError):
    """A request whose field `field` breaks the bounds of the .proto file."""

    def __init__(self, field: str) -> None:
        """`field`: the field's name in the .proto file."""
        super().__init__(Reason.MESSAGE_VALUE, "a field is out of its bounds")
        self.field = field


@dataclass(frozen=True, slots=True)
class Refused:
    """How a call ends that does not end well."""

    code: Code
    reason: str
    retry_after: float | None = None
    field: str = ""

    @property
    def number(self) -> int:
        """The status code's number on the wire."""
        number: int = self.code.value[0]
        return number

    def details(self) -> bytes:
        """The google.rpc.Status for `DETAILS_KEY`."""
        info = ErrorInfo(reason=self.reason, domain=DOMAIN)
        if self.field:
            info.metadata["field"] = self.field
        details = [_packed(info)]
        if self.retry_after is not None:
            delay = Duration()
            delay.FromMilliseconds(round(self.retry_after * 1000))
            details.append(_packed(RetryInfo(retry_delay=delay)))
        status = Status(code=self.number, message=self.reason, details=details)
        data: bytes = status.SerializeToString()
        return data


def refused(fault: Fault, retry_after: float | None = None) -> Refused:
    """The end of a call by a fault of the node's list."""
    code, usual = FAULTS[fault]
    return Refused(code, fault.value, usual if retry_after is None else retry_after)


def refusal_of(error: BaseException) -> Refused:
    """The end of a call by an exception; INTERNAL for all that is not in the lists."""
    match error:
        case ServiceError():
            return refused(error.fault, error.retry_after)
        case FieldError():
            return Refused(Code.INVALID_ARGUMENT, error.reason.value, field=error.field)
        case PeerError():
            code = REFUSED.get(error.reason, Code.INVALID_ARGUMENT)
            return Refused(code, error.reason.value)
        case CallerError():
            return refused(OWN.get(error.reason, Fault.INTERNAL))
        case _:
            return refused(Fault.INTERNAL)


def _packed(message: Message) -> Any:
    packed = Any()
    packed.Pack(message)
    return packed
