"""Limits of a port: sizes, deadlines, rates, calls at once; noise does no harm."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import random
import resource
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import grpc
import grpc.aio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guosuo.pb import federation_pb2, status_pb2
from guosuo.pb.federation_pb2_grpc import FederationStub
from guosuo.pb.status_pb2_grpc import StatusStub
from guosuo_node.app.faults import Fault, ServiceError
from guosuo_node.rpc.limits import Admission, Limits, Rate, RateLimiter, Sort, caller_of, sort_of
from tests.node.rpc_stage import HOME, Keys, Stage, end_of, raw, staged, until

Code = grpc.StatusCode
CHARTER = federation_pb2.GetCharterRequest()


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("tls"))


class Clock:
    """Moves when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def on_stage(
    keys: Keys,
    play: Callable[[Stage], Awaitable[None]],
    limits: Limits | None = None,
    clock: Clock | None = None,
    seconds: float = 60.0,
) -> None:
    async def run() -> None:
        async with asyncio.timeout(seconds), staged(keys, limits, clock or Clock()) as stage:
            await play(stage)

    asyncio.run(run())


# --- buckets ------------------------------------------------------------------------------


def test_a_bucket_is_full_at_first_and_fills_again() -> None:
    clock = Clock()
    limiter = RateLimiter(Rate(2.0, 3), 10, clock)
    assert [limiter.take("a") for _ in range(3)] == [0, 0, 0]
    assert limiter.take("a") == pytest.approx(0.5)
    assert limiter.take("b") == 0
    clock.now += 0.5
    assert limiter.take("a") == 0
    assert limiter.take("a") == pytest.approx(0.5)
    clock.now += 1000
    assert [limiter.take("a") > 0 for _ in range(4)] == [False, False, False, True]
    clock.now -= 5  # a clock that steps back gives nothing
    assert limiter.take("a") > 0


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 2)), max_size=60))
def test_nobody_gets_more_than_burst_and_rate(calls: list[tuple[int, float]]) -> None:
    clock = Clock()
    limiter = RateLimiter(Rate(3.0, 5), 10, clock)
    allowed = [0, 0, 0, 0]
    for who, pause in calls:
        clock.now += pause
        allowed[who] += limiter.take(str(who)) == 0
    most = 5 + 3.0 * (clock.now - 1000.0) + 1e-6
    assert all(count <= most for count in allowed)


def test_the_table_of_callers_is_bounded() -> None:
    limiter = RateLimiter(Rate(1.0, 1), 100, Clock())
    for number in range(10_000):
        limiter.take(str(number))
    assert len(limiter) == 100
    assert limiter.take("9999") > 0  # the newest are remembered
    assert limiter.take("0") == 0


def test_admission_counts_what_runs_and_forgets_it() -> None:
    limits = Limits(
        running=dict.fromkeys(Sort, 3),
        running_each=dict.fromkeys(Sort, 2),
        rates=dict.fromkeys(Sort, Rate(1000.0, 1000)),
    )
    admission = Admission(limits, Clock())
    with contextlib.ExitStack() as stack:
        for caller in ("a", "a", "b"):
            stack.enter_context(admission.entered(Sort.READ, caller))
        for caller in ("a", "b", "c"):
            with pytest.raises(ServiceError) as caught, admission.entered(Sort.READ, caller):
                pass
            assert caught.value.fault is Fault.BUSY
        with admission.entered(Sort.WRITE, "a"):
            assert admission.running() == 4
    assert admission.running() == 0
    assert not admission._each


@pytest.mark.parametrize(
    ("peer", "caller"),
    [
        ("ipv4:192.0.2.7:4711", "192.0.2.7"),
        ("ipv6:%5B2001:db8:1:2:3:4:5:6%5D:80", "2001:db8:1:2::"),
        ("ipv6:[2001:db8:1:2::9]:80", "2001:db8:1:2::"),
        ("ipv6:[2001:db8::9]:80", "2001:db8::"),
        ("ipv6:[fe80::1%25eth0]:80", "fe80::"),
        ("ipv6:[::ffff:192.0.2.7]:80", "192.0.2.7"),
        ("unix:/run/x", "unix"),
        ("unknown", "unknown"),
    ],
)
def test_callers_are_addresses_or_networks(peer: str, caller: str) -> None:
    assert caller_of(peer) == caller


def test_sorts_of_methods() -> None:
    assert sort_of("/guosuo.v1.Federation/Watch") is Sort.LONG
    assert sort_of("/guosuo.v1.Status/SubmitOrder") is Sort.WRITE
    assert sort_of("/anything/else") is Sort.READ


# --- over the wire ------------------------------------------------------------------------


def test_who_asks_too_often_is_told_when_to_come_again(keys: Keys) -> None:
    clock = Clock()
    limits = Limits(rates=dict.fromkeys(Sort, Rate(0.5, 3)))

    async def play(stage: Stage) -> None:
        async with stage.public() as channel, stage.peer() as peers:
            stub = FederationStub(channel)
            for _ in range(3):
                await stub.GetCharter(CHARTER)
            end = await end_of(stub.GetCharter(CHARTER))
            assert (end.code, end.reason) == (Code.RESOURCE_EXHAUSTED, "rate")
            assert end.retry == pytest.approx(2.0)
            # Another connection of the same address is the same caller; a peer is not.
            async with stage.public() as second:
                call = FederationStub(second).GetCharter(CHARTER)
                assert (await end_of(call)).reason == "rate"
            await FederationStub(peers).GetCharter(CHARTER)
            clock.now += 2.0
            await stub.GetCharter(CHARTER)
            assert (await end_of(stub.GetCharter(CHARTER))).reason == "rate"
        assert len(stage.paper.asked) == 5

    on_stage(keys, play, limits, clock)


def test_calls_at_once_are_limited(keys: Keys) -> None:
    limits = Limits(running_each=dict.fromkeys(Sort, 4))

    async def play(stage: Stage) -> None:
        stage.paper.delay = 1.0
        async with stage.public() as channel:
            stub = FederationStub(channel)
            calls = [stub.GetCharter(CHARTER) for _ in range(4)]
            await until(lambda: stage.server.running() == 4)
            end = await end_of(stub.GetCharter(CHARTER))
            assert (end.code, end.reason) == (Code.RESOURCE_EXHAUSTED, "busy")
            assert end.retry is not None
            for call in calls:
                await call

    on_stage(keys, play, limits)


@pytest.mark.parametrize("timeout", [None, 1e6])
def test_a_call_ends_whatever_deadline_it_came_with(keys: Keys, timeout: float | None) -> None:
    limits = Limits(seconds=dict.fromkeys(Sort, 0.2))

    async def play(stage: Stage) -> None:
        stage.paper.delay = 30.0
        async with stage.public() as channel, stage.peer() as peers:
            end = await end_of(FederationStub(channel).GetCharter(CHARTER, timeout=timeout))
            assert (end.code, end.reason) == (Code.DEADLINE_EXCEEDED, "deadline")
            stage.paper.delay = 0.0
            watch = FederationStub(peers).Watch(
                federation_pb2.WatchRequest(regions=[HOME]), timeout=timeout
            )
            assert (await anext(aiter(watch))).note == b"first"
            end = await end_of(anext(aiter(watch)))
            assert (end.code, end.reason) == (Code.DEADLINE_EXCEEDED, "deadline")
            await until(lambda: stage.paper.watchers == 0)

    on_stage(keys, play, limits)


def test_a_sooner_deadline_counts(keys: Keys) -> None:
    async def play(stage: Stage) -> None:
        stage.paper.delay = 30.0
        async with stage.public() as channel:
            end = await end_of(FederationStub(channel).GetCharter(CHARTER, timeout=0.2))
            assert end.code is Code.DEADLINE_EXCEEDED
            await until(lambda: stage.server.running() == 0)
        assert stage.notes.codes == [("/guosuo.v1.Federation/GetCharter", "CANCELLED")]

    on_stage(keys, play)


def test_oversized_messages_and_headers_are_refused_before_they_are_read(keys: Keys) -> None:
    async def play(stage: Stage) -> None:
        async with stage.public() as channel:
            status = StatusStub(channel)
            call = status.SubmitOrder(status_pb2.SubmitOrderRequest(order=b"o" * (2 << 20)))
            assert (await end_of(call)).code is Code.RESOURCE_EXHAUSTED
            stub = FederationStub(channel)
            big = stub.GetCharter(CHARTER, metadata=(("x-big", "x" * 40_000),))
            assert (await end_of(big)).code in {Code.RESOURCE_EXHAUSTED, Code.UNAVAILABLE}
            assert stage.paper.asked == []
            await stub.GetCharter(CHARTER)

    on_stage(keys, play)


def test_a_compressed_bomb_is_not_unpacked(keys: Keys) -> None:
    async def play(stage: Stage) -> None:
        async with stage.public() as channel:
            call = StatusStub(channel).SubmitOrder(
                status_pb2.SubmitOrderRequest(order=bytes(900 << 10)),
                compression=grpc.Compression.Gzip,
            )
            assert (await end_of(call)).code is Code.UNIMPLEMENTED
            assert stage.paper.asked == []

    on_stage(keys, play)


# --- noise --------------------------------------------------------------------------------

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"


def frames(rng: random.Random) -> bytes:
    """Something like HTTP/2 frames, with anything in them."""
    made = bytearray(PREFACE + SETTINGS)
    for _ in range(rng.randrange(1, 20)):
        payload = rng.randbytes(rng.randrange(0, 200))
        length = len(payload) if rng.random() < 0.8 else rng.randrange(1 << 24)
        made += length.to_bytes(3, "big") + bytes([rng.randrange(0, 12), rng.randrange(256)])
        made += rng.randrange(1 << 32).to_bytes(4, "big") + payload
    return bytes(made)


async def speak(port: int, octets: bytes, tls: ssl.SSLContext | None) -> None:
    """Sends octets and reads until the server has enough, or for a moment."""
    with contextlib.suppress(OSError, TimeoutError, ssl.SSLError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
        try:
            writer.write(octets)
            async with asyncio.timeout(0.3):
                await writer.drain()
                await reader.read(1 << 16)
        finally:
            writer.close()
            with contextlib.suppress(OSError, TimeoutError, ssl.SSLError):
                async with asyncio.timeout(0.3):
                    await writer.wait_closed()


def test_noise_leaves_the_node_answering(keys: Keys) -> None:
    rng = random.Random(20261125)

    async def play(stage: Stage) -> None:
        tls = ssl.create_default_context(cadata=keys.home.authority.decode())
        tls.set_alpn_protocols(["h2"])
        plain = [
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"\x16\x03\x01\xff\xff\x01",
            rng.randbytes(5000),
            PREFACE,
            gzip.compress(b"x" * 1000),
            b"",
        ]
        inside = [
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            PREFACE + SETTINGS + b"\x00\x00\x00\x01\x05\x00\x00\x00\x01" * 200,
            PREFACE + b"\xff\xff\xff\x04\x00\x00\x00\x00\x00",
            *(frames(rng) for _ in range(40)),
        ]
        jobs = [
            speak(port, octets, context)
            for port in (stage.server.public_port, stage.server.peer_port or 0)
            for octets, context in [*((o, None) for o in plain), *((o, tls) for o in inside)]
        ]
        # A frame for a stream that is not there, over and over: ends the connection.
        data = PREFACE + SETTINGS + b"\x00\x00\x32\x00\x00\x00\x00\x00\x01" + b"x" * 50
        jobs += [speak(stage.server.public_port, data, tls) for _ in range(200)]
        for start in range(0, len(jobs), 10):
            await asyncio.gather(*jobs[start : start + 10])
        async with stage.public() as channel, stage.peer() as peers:
            assert (await FederationStub(channel).GetCharter(CHARTER)).charter == b"charter"
            assert (await FederationStub(peers).GetCharter(CHARTER)).charter == b"charter"
        assert stage.notes.bugs == []

    on_stage(keys, play)


def test_random_octets_for_every_method_end_with_a_status_of_the_table(keys: Keys) -> None:
    rng = random.Random(4)
    methods = [
        f"/{service.full_name}/{method.name}"
        for file in (federation_pb2.DESCRIPTOR, status_pb2.DESCRIPTOR)
        for service in file.services_by_name.values()
        for method in service.methods
        if not method.server_streaming
    ]

    async def play(stage: Stage) -> None:
        async with stage.peer() as peers, stage.public() as public:
            for method in methods:
                channel = public if "Status" in method else peers
                for _ in range(15):
                    octets = rng.randbytes(rng.randrange(0, 60))
                    with contextlib.suppress(grpc.aio.AioRpcError):
                        await raw(channel, method, octets)
        codes = {code for _, code in stage.notes.codes}
        assert codes <= {"OK", "INVALID_ARGUMENT"}
        assert stage.notes.bugs == []

    rates = dict.fromkeys(Sort, Rate(1.0, 10_000))
    on_stage(keys, play, Limits(rates=rates))


def resident() -> int:
    """Octets of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.slow
def test_hostile_callers_do_not_make_the_node_grow(keys: Keys) -> None:
    rng = random.Random(9)
    rates = dict.fromkeys(Sort, Rate(1e6, 1_000_000))
    limits = Limits(rates=rates)
    big = status_pb2.SubmitOrderRequest(order=b"o" * (2 << 20))

    async def round_of(stage: Stage, tls: ssl.SSLContext) -> None:
        port = stage.server.public_port
        await asyncio.gather(*(speak(port, frames(rng), tls) for _ in range(10)))
        async with stage.public() as channel:
            for _ in range(60):
                with contextlib.suppress(grpc.aio.AioRpcError):
                    await raw(channel, "/guosuo.v1.Enrolment/Enrol", rng.randbytes(300))
            for _ in range(3):
                await end_of(StatusStub(channel).SubmitOrder(big))
            calls = [FederationStub(channel).GetCharter(CHARTER) for _ in range(80)]
            for call in calls[::2]:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
        stage.paper.asked.clear()
        stage.notes.codes.clear()

    async def play(stage: Stage) -> None:
        tls = ssl.create_default_context(cadata=keys.home.authority.decode())
        tls.set_alpn_protocols(["h2"])
        sizes = []
        for _ in range(40):
            await round_of(stage, tls)
            sizes.append(resident())
        assert max(sizes[-10:]) - max(sizes[15:25]) < 8 << 20
        assert stage.notes.bugs == []

    on_stage(keys, play, limits, seconds=400.0)


def test_half_open_handshakes_are_closed_and_others_go_on(keys: Keys) -> None:
    limits = replace(Limits(), handshake_seconds=1.0)

    async def play(stage: Stage) -> None:
        held = [
            await asyncio.open_connection("127.0.0.1", port)
            for port in (stage.server.public_port, stage.server.peer_port or 0)
            for _ in range(20)
        ]
        hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
        for number, (_, writer) in enumerate(held):
            writer.write(hello[: number % len(hello)])
        async with stage.public() as channel, stage.peer() as peers:
            async with asyncio.timeout(5):
                await FederationStub(channel).GetCharter(CHARTER)
                await FederationStub(peers).GetCharter(CHARTER)
        async with asyncio.timeout(10):
            for reader, writer in held:
                with contextlib.suppress(ConnectionError):
                    while await reader.read(1 << 12):
                        pass
                writer.close()

    on_stage(keys, play, limits)
