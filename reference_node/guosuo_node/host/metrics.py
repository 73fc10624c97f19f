"""Prometheus metrics of one process, in a registry of its own.

Labels take values of closed sets only: methods of the .proto files, names of status
codes, regions and judgements of the charter, queues of the node. So the number of series
is bounded, and none is about a person or a caller.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from guosuo.errors import CallerError, Reason

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
OTHER: Final = "other"

_SECONDS: Final = (0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0)
_STEPS: Final = (0.1, 0.5, 2.0, 10.0, 60.0, 300.0, 1800.0)


class Metrics:
    """What a node counts and measures."""

    def __init__(
        self,
        *,
        methods: Iterable[str],
        judgements: Iterable[str],
        queues: Iterable[str],
        steps: Iterable[str],
    ) -> None:
        """The closed sets; methods by their full names, "/guosuo.v1.Federation/GetTile"."""
        self.registry = CollectorRegistry()
        self._methods = frozenset(methods)
        self._judgements = tuple(judgements)
        self._queues = frozenset(queues)
        self._steps = frozenset(steps)
        self._regions: frozenset[str] = frozenset()
        made = self.registry
        self._calls = Counter("guosuo_rpc_calls", "Calls ended", ["method", "code"], registry=made)
        self._running = Gauge("guosuo_rpc_running", "Calls running", registry=made)
        self._seconds = Histogram(
            "guosuo_rpc_seconds", "Length of calls", ["method"], registry=made, buckets=_SECONDS
        )
        self._leader = Gauge("guosuo_leader", "1 if this process leads its node", registry=made)
        self._epoch = Gauge("guosuo_epoch", "Newest epoch judged", ["region"], registry=made)
        self._size = Gauge("guosuo_log_entries", "Published entries", ["region"], registry=made)
        self._lag = Gauge(
            "guosuo_lag_seconds", "How long an entry has been due", ["region"], registry=made
        )
        self._judgement = Gauge(
            "guosuo_judgement",
            "1 for the judgement in force",
            ["region", "judgement"],
            registry=made,
        )
        self._queue = Gauge("guosuo_queue", "What waits", ["queue"], registry=made)
        self._step = Histogram(
            "guosuo_step_seconds",
            "Length of steps of an epoch",
            ["step"],
            registry=made,
            buckets=_STEPS,
        )

    def set_regions(self, regions: Iterable[str]) -> None:
        """The members of the charter in force; series of former ones end."""
        wanted = frozenset(regions)
        for region in self._regions - wanted:
            for gauge in (self._epoch, self._size, self._lag):
                gauge.remove_by_labels({"region": region})
            self._judgement.remove_by_labels({"region": region})
        self._regions = wanted

    def call_started(self) -> None:
        """One more call runs."""
        self._running.inc()

    def call_finished(self, method: str, code: str, seconds: float) -> None:
        """One call less; methods that are not listed count as "other"."""
        name = method if method in self._methods else OTHER
        self._running.dec()
        self._calls.labels(name, code).inc()
        self._seconds.labels(name).observe(seconds)

    def set_leader(self, *, leads: bool) -> None:
        """Whether this process leads."""
        self._leader.set(int(leads))

    def set_region(self, region: str, *, epoch: int, size: int, lag: float, judgement: str) -> None:
        """How a region stands; `CallerError(ARGUMENT)` for values of no closed set."""
        if region not in self._regions or judgement not in self._judgements:
            raise CallerError(Reason.ARGUMENT, "a label value that is not listed")
        self._epoch.labels(region).set(epoch)
        self._size.labels(region).set(size)
        self._lag.labels(region).set(lag)
        for word in self._judgements:
            self._judgement.labels(region, word).set(int(word == judgement))

    def set_queue(self, queue: str, length: int) -> None:
        """How much waits in a queue."""
        if queue not in self._queues:
            raise CallerError(Reason.ARGUMENT, "a label value that is not listed")
        self._queue.labels(queue).set(length)

    def step_took(self, step: str, seconds: float) -> None:
        """How long a step of an epoch took."""
        if step not in self._steps:
            raise CallerError(Reason.ARGUMENT, "a label value that is not listed")
        self._step.labels(step).observe(seconds)

    def exposed(self) -> bytes:
        """All of it, as Prometheus reads it (`CONTENT_TYPE`)."""
        return generate_latest(self.registry)
