"""Calls into the node's metrics and log."""

from __future__ import annotations

from typing import Final

from google.protobuf.descriptor import FileDescriptor

from guosuo.pb import directory_pb2, enrolment_pb2, federation_pb2, status_pb2
from guosuo_node.host.log import Log
from guosuo_node.host.metrics import Metrics

FILES: Final[tuple[FileDescriptor, ...]] = (
    federation_pb2.DESCRIPTOR,
    directory_pb2.DESCRIPTOR,
    enrolment_pb2.DESCRIPTOR,
    status_pb2.DESCRIPTOR,
)
"""What a node can serve."""


def methods() -> frozenset[str]:
    """Full names of all methods that a node can serve: the closed set for metrics."""
    own = {
        f"/{service.full_name}/{method.name}"
        for file in FILES
        for service in file.services_by_name.values()
        for method in service.methods
    }
    return frozenset(own | {"/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"})


class HostObserver:
    """An `Observer` of the guard."""

    def __init__(self, metrics: Metrics, log: Log) -> None:
        """Both of this process."""
        self._metrics = metrics
        self._log = log
        self._methods = methods()

    def started(self, method: str) -> None:
        """One more call runs."""
        del method
        self._metrics.call_started()

    def finished(self, method: str, code: str, seconds: float) -> None:
        """Counted; single calls are not logged, which would be a record of who did what."""
        self._metrics.call_finished(method, code, seconds)

    def failed(self, method: str, error: BaseException) -> None:
        """A line for a bug, without the exception's text."""
        known = method if method in self._methods else "other"
        self._log.failed("call-failed", error, method=known)
