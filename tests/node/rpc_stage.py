"""A node's ports over real TLS on loopback, with an application made of paper behind them."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status as RichStatus

from guosuo_node.app.faults import Fault, ServiceError
from guosuo_node.app.services import (
    BlobPart,
    BundlePlace,
    Enrolling,
    Entries,
    Judged,
    NodeState,
    Note,
    RegionState,
    Services,
)
from guosuo_node.host import tls
from guosuo_node.rpc.limits import Limits
from guosuo_node.rpc.server import Listener, NodeServer

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)  # noqa: TID251 - gRPC's TLS has no other clock
HOME, AWAY = "330000", "420000"


@dataclass
class Paper:
    """All services. `raises` is thrown by every method while it is set."""

    raises: Exception | None = None
    delay: float = 0.0
    blobs: dict[bytes, bytes | Exception] = field(default_factory=dict)
    asked: list[tuple[object, ...]] = field(default_factory=list)
    watchers: int = 0
    news: asyncio.Queue[Note] = field(default_factory=asyncio.Queue)

    async def _did(self, *call: object) -> None:
        self.asked.append(call)
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.raises is not None:
            raise self.raises

    async def charter(self) -> bytes:
        await self._did("charter")
        return b"charter"

    async def checkpoint(self, region: str) -> bytes:
        await self._did("checkpoint", region)
        return b"note of " + region.encode()

    async def entries(self, region: str, start: int, limit: int, octets: int) -> Entries:
        await self._did("entries", region, start, limit, octets)
        return Entries((b"one", b"two"), 7)

    async def consistency(self, region: str, old_size: int, new_size: int) -> tuple[bytes, ...]:
        await self._did("consistency", region, old_size, new_size)
        return (b"h" * 32,)

    async def inclusion(self, region: str, index: int, size: int) -> tuple[bytes, ...]:
        await self._did("inclusion", region, index, size)
        return (b"i" * 32,)

    async def tile(self, region: str, path: str) -> bytes:
        await self._did("tile", region, path)
        return b"tile"

    async def blob(self, name: bytes, offset: int, limit: int) -> BlobPart:
        await self._did("blob", name, offset, limit)
        found = self.blobs.get(name, ServiceError(Fault.NOT_FOUND))
        if isinstance(found, Exception):
            raise found
        return BlobPart(found[offset : offset + limit], len(found))

    async def add_checkpoint(
        self, peer: str, note: bytes, old_size: int, proof: tuple[bytes, ...]
    ) -> bytes:
        await self._did("add_checkpoint", peer, note, old_size, proof)
        return b"line\n"

    async def witnessed(self, region: str) -> bytes:
        await self._did("witnessed", region)
        return b"seen"

    async def watch(self, regions: tuple[str, ...]) -> AsyncGenerator[Note, None]:
        await self._did("watch", regions)
        self.watchers += 1
        try:
            for region in regions:
                yield Note(region, b"first")
            while True:
                yield await self.news.get()
        finally:
            self.watchers -= 1

    async def submit_report(self, peer: str, report: bytes) -> None:
        await self._did("submit_report", peer, report)

    async def reports(self, region: str, epoch: int, start: int) -> tuple[bytes, ...]:
        await self._did("reports", region, epoch, start)
        return (b"report",)

    async def regions(self) -> tuple[RegionState, ...]:
        await self._did("regions")
        common = {"revision": 1, "size": 9, "lag_seconds": 0, "last_contact": 5}
        return (
            RegionState(
                region=HOME,
                name="Zhejiang",
                epoch=4,
                judgement=Judged.HOLD,
                reason="left-out",
                **common,
            ),
            RegionState(
                region=AWAY, name="Hubei", epoch=None, judgement=Judged.NONE, reason="", **common
            ),
        )

    async def node(self) -> NodeState:
        await self._did("node")
        return NodeState(
            region=HOME, version="0.1", federation=b"f" * 32, time_ms=5, leader=True, epoch=4
        )

    async def bundles(self, epoch: int) -> tuple[BundlePlace, ...]:
        await self._did("bundles", epoch)
        return (BundlePlace(region=HOME, policy="p", list_index=3, revision=0, blobs=(b"b" * 32,)),)

    async def offer(self) -> bytes:
        await self._did("offer")
        return b"offer"

    async def enrol(self, enrolling: Enrolling) -> bytes:
        await self._did("enrol", enrolling.request, enrolling.evidence, enrolling.identification)
        return b"answer"

    async def submit_order(self, order: bytes) -> int:
        await self._did("submit_order", order)
        return 6

    async def find_slots(self, query: bytes) -> tuple[int, ...]:
        await self._did("find_slots", query)
        return (1, 1 << 39)

    def services(self) -> Services:
        return Services(federation=self, directory=self, enrolment=self, status=self)


@dataclass
class Notes:
    """An observer that keeps what it is told."""

    codes: list[tuple[str, str]] = field(default_factory=list)
    bugs: list[BaseException] = field(default_factory=list)
    running: int = 0

    def started(self, method: str) -> None:
        del method
        self.running += 1

    def finished(self, method: str, code: str, seconds: float) -> None:
        assert seconds >= 0
        self.running -= 1
        self.codes.append((method, code))

    def failed(self, method: str, error: BaseException) -> None:
        del method
        self.bugs.append(error)


class Keys:
    """TLS of the node and of a peer, and a stranger's; made once for all tests."""

    def __init__(self, root: Path) -> None:
        for name in (HOME, AWAY, "stranger"):
            tls.make_authority(root / name, name, NOW)
            tls.make_certificate(root / name, name, (), NOW)
        self.home, self.away, self.stranger = (
            tls.load_identity(root / name) for name in (HOME, AWAY, "stranger")
        )
        self.trust = tls.PeerTrust({AWAY: self.away.authority})


@dataclass
class Stage:
    """A running node and ways to it."""

    keys: Keys
    server: NodeServer
    paper: Paper
    notes: Notes
    server_tls: tls.ServerTls

    @asynccontextmanager
    async def public(self) -> AsyncIterator[grpc.aio.Channel]:
        made = tls.client_credentials(self.keys.home.authority)
        async with grpc.aio.secure_channel(
            f"127.0.0.1:{self.server.public_port}", made, OPTIONS
        ) as channel:
            yield channel

    @asynccontextmanager
    async def peer(self, identity: tls.Identity | None = None) -> AsyncIterator[grpc.aio.Channel]:
        made = tls.client_credentials(self.keys.home.authority, identity or self.keys.away)
        async with grpc.aio.secure_channel(
            f"localhost:{self.server.peer_port}", made, OPTIONS
        ) as channel:
            yield channel


OPTIONS = [
    ("grpc.max_receive_message_length", 5 << 20),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
]


@asynccontextmanager
async def staged(
    keys: Keys,
    limits: Limits | None = None,
    clock: Callable[[], float] = time.monotonic,
    paper: Paper | None = None,
) -> AsyncIterator[Stage]:
    paper, notes = paper or Paper(), Notes()
    limits = limits or Limits()
    made = tls.ServerTls(keys.home, keys.trust)
    server = NodeServer(
        paper.services(),
        public=Listener("127.0.0.1:0", made.public(), limits),
        peers=Listener("localhost:0", made.peers(), limits),
        authorise=made.peer_of,
        observer=notes,
        clock=clock,
    )
    await server.start()
    try:
        yield Stage(keys, server, paper, notes, made)
    finally:
        await server.stop(0.2)
    assert notes.running == 0
    assert server.running() == 0


@dataclass(frozen=True)
class End:
    """How a call ended, with all that its status says."""

    code: grpc.StatusCode
    message: str
    reason: str
    domain: str
    field: str
    retry: float | None


async def end_of(call: Awaitable[object]) -> End:
    """The end of a call that must not end well."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return read_end(error)
    raise AssertionError("the call went well")


def read_end(error: grpc.aio.AioRpcError) -> End:
    found = dict(error.trailing_metadata())
    packed = found.get("grpc-status-details-bin", b"")
    assert isinstance(packed, bytes)
    rich, info, retry = RichStatus.FromString(packed), ErrorInfo(), RetryInfo()
    delay: float | None = None
    for detail in rich.details:
        if detail.Is(RetryInfo.DESCRIPTOR):
            detail.Unpack(retry)
            delay = retry.retry_delay.ToTimedelta().total_seconds()
        else:
            assert detail.Unpack(info)
    if packed:
        assert rich.code == error.code().value[0]
        assert rich.message == error.details()
    return End(
        error.code(),
        error.details() or "",
        info.reason,
        info.domain,
        info.metadata.get("field", ""),
        delay,
    )


def raw(channel: grpc.aio.Channel, method: str, octets: bytes) -> Awaitable[bytes]:
    """A call with octets instead of a message."""
    made: Any = channel.unary_unary(method)
    call: Awaitable[bytes] = made(octets)
    return call


async def until(true: Callable[[], bool]) -> None:
    """Waits for something that soon becomes true."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - what is waited for has no events
            await asyncio.sleep(0.01)
