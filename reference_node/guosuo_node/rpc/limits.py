"""How much anybody may ask of a node, and how that is counted.

Numbers here bound memory: what one call may hold, times the calls that may run. None of
them is part of the protocol; a node may set others.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final
from urllib.parse import unquote

from guosuo_node.app.faults import Fault, ServiceError

MIB: Final = 1 << 20


class Sort(Enum):
    """What kind of work a method is."""

    READ = "read"
    WRITE = "write"
    """Takes the leader's time, or a person's data: enrolment, orders, reports, cosigning."""
    BULK = "bulk"
    """Streams many octets."""
    LONG = "long"
    """Stays open and waits."""


_SORTS: Final = {
    "/guosuo.v1.Federation/GetBlobs": Sort.BULK,
    "/guosuo.v1.Federation/Watch": Sort.LONG,
    "/guosuo.v1.Federation/AddCheckpoint": Sort.WRITE,
    "/guosuo.v1.Federation/SubmitReport": Sort.WRITE,
    "/guosuo.v1.Enrolment/GetOffer": Sort.WRITE,
    "/guosuo.v1.Enrolment/Enrol": Sort.WRITE,
    "/guosuo.v1.Status/SubmitOrder": Sort.WRITE,
    "/guosuo.v1.Status/FindSlots": Sort.WRITE,
    "/grpc.health.v1.Health/Watch": Sort.LONG,
}


def sort_of(method: str) -> Sort:
    """The kind of a method by its full name; READ unless listed."""
    return _SORTS.get(method, Sort.READ)


@dataclass(frozen=True, slots=True)
class Rate:
    """A token bucket's `per_second` refill and its size, in calls."""

    per_second: float
    burst: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of one port."""

    max_request: int = MIB
    """Octets of a request message."""
    max_response: int = 5 * MIB
    """Octets of a response message; a full tile of entries is the largest."""
    max_metadata: int = 8 << 10
    """Octets of a call's header list."""
    streams: int = 100
    """Calls at once on one connection."""
    connections: int = 2000
    handshake_seconds: float = 10.0
    """From accepting a connection to the end of TLS and HTTP/2 settings."""
    idle_seconds: float = 300.0
    """A connection without calls is closed after this."""
    connection_seconds: float = 2 * 3600.0
    """A connection is told to go away after this, so that a new certificate is seen."""
    seconds: dict[Sort, float] = field(
        default_factory=lambda: {
            Sort.READ: 60.0,
            Sort.WRITE: 60.0,
            Sort.BULK: 300.0,
            Sort.LONG: 3600.0,
        }
    )
    """Longest life of a call, whatever deadline it came with, or none."""
    running: dict[Sort, int] = field(
        default_factory=lambda: {Sort.READ: 128, Sort.WRITE: 64, Sort.BULK: 32, Sort.LONG: 256}
    )
    """Calls at once on the whole port."""
    running_each: dict[Sort, int] = field(
        default_factory=lambda: {Sort.READ: 64, Sort.WRITE: 32, Sort.BULK: 8, Sort.LONG: 8}
    )
    """Calls at once of one caller: many wallets may share one address."""
    rates: dict[Sort, Rate] = field(
        default_factory=lambda: {
            Sort.READ: Rate(100.0, 400),
            Sort.WRITE: Rate(20.0, 100),
            Sort.BULK: Rate(10.0, 40),
            Sort.LONG: Rate(1.0, 20),
        }
    )
    """New calls of one caller."""
    callers: int = 65_536
    """Callers remembered at most, for each kind."""


class RateLimiter:
    """Token buckets, one for each caller; the longest unused is forgotten when full.

    A forgotten caller starts with a full bucket: whoever has that many addresses is held
    by the limit on calls at once.
    """

    def __init__(self, rate: Rate, callers: int, clock: Callable[[], float]) -> None:
        """`clock` in seconds, monotonic."""
        self._rate = rate
        self._callers = callers
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, caller: str) -> float:
        """0 and one token less, or the seconds until there is one."""
        now = self._clock()
        tokens, since = self._buckets.pop(caller, (float(self._rate.burst), now))
        refilled = tokens + max(0.0, now - since) * self._rate.per_second
        tokens = min(float(self._rate.burst), refilled)
        wait = 0.0
        if tokens >= 1.0:
            tokens -= 1.0
        else:
            wait = (1.0 - tokens) / self._rate.per_second
        while len(self._buckets) >= self._callers:
            self._buckets.popitem(last=False)
        self._buckets[caller] = (tokens, now)
        return wait


class Admission:
    """Lets calls in, or refuses them at once: nobody waits in a queue."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        """One for each port; `clock` in seconds, monotonic."""
        self._limits = limits
        self._rates = {
            sort: RateLimiter(rate, limits.callers, clock) for sort, rate in limits.rates.items()
        }
        self._running: Counter[Sort] = Counter()
        self._each: Counter[tuple[Sort, str]] = Counter()

    @contextmanager
    def entered(self, sort: Sort, caller: str) -> Iterator[None]:
        """Counts the call while it runs; `ServiceError(RATE)` or `(BUSY)` if it may not."""
        wait = self._rates[sort].take(caller)
        if wait > 0.0:
            raise ServiceError(Fault.RATE, wait)
        key = (sort, caller)
        if (
            self._running[sort] >= self._limits.running[sort]
            or self._each[key] >= self._limits.running_each[sort]
        ):
            raise ServiceError(Fault.BUSY)
        self._running[sort] += 1
        self._each[key] += 1
        try:
            yield
        finally:
            self._running[sort] -= 1
            self._each[key] -= 1
            if not self._each[key]:
                # Only callers with a running call are in the table.
                del self._each[key]

    def running(self) -> int:
        """Calls that run now."""
        return sum(self._running.values())


def caller_of(peer: str) -> str:
    """Whom gRPC's name of a connection counts for: one IPv4 address, or an IPv6 /64.

    It stays in memory, in the tables of this module only.
    """
    kind, _, rest = peer.partition(":")
    host = unquote(rest).rpartition(":")[0].strip("[]").partition("%")[0]
    try:
        address = ip_address(host)
    except ValueError:
        return kind  # a unix socket: everybody there is one caller
    if isinstance(address, IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Address(int(address) >> 64 << 64))
