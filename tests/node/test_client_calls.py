"""The client's calls: what an honest node's answers become, and every hostile one's."""

# ruff: noqa: ANN401 - contexts and messages of any method

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from typing import Any, TypeVar

import grpc
import pytest

from guosuo.client.blobs import MAX_CHUNKS, WRONG
from guosuo.client.channel import NodeChannel, Patience, Tls, check_target
from guosuo.client.directory import DirectoryClient, Judgement
from guosuo.client.enrolment import EnrolmentClient
from guosuo.client.errors import (
    FAULTS,
    UNKNOWN,
    NodeError,
    NodeTooLarge,
    NodeUnreachable,
    WitnessSize,
    code_of,
)
from guosuo.client.federation import FederationClient
from guosuo.client.status import StatusClient
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.federation.records import digest
from guosuo.pb import directory_pb2, enrolment_pb2, status_pb2
from guosuo.pb import federation_pb2 as pb
from guosuo_node.app.faults import Fault
from tests.support.fake_node import FakeNode, Method, chunks, constant, fail, serving
from tests.support.tls import Authority
from tests.support.world import World

A = "110000"
GARBAGE = b"\xff\xff\xff not protobuf"
ENOUGH = 30.0
T = TypeVar("T")
Work = Callable[[FederationClient], Awaitable[T]]


@pytest.fixture(scope="module")
def world() -> World:
    return World(witnesses=4)


class Waits:
    """Counts what would be slept, and does not sleep."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    def patience(self, tries: int = 3) -> Patience:
        return Patience(tries=tries, chance=lambda: 0.5, sleep=self.sleep)


def ask(node: FakeNode, work: Work[T], deadline: float = ENOUGH, tries: int = 1) -> T:
    """What a client makes of that node's answers."""

    async def main(target: str) -> T:
        async with asyncio.timeout(2 * ENOUGH):
            patience = Waits().patience(tries)
            async with NodeChannel(target, None, deadline=deadline, patience=patience) as channel:
                return await work(FederationClient(channel))

    with serving(node) as target:
        return asyncio.run(main(target))


def lying(world: World, method: str, lie: Method) -> FakeNode:
    return FakeNode(world, lies={f"Federation/{method}": lie})


def saying(world: World, method: str, answer: object) -> FakeNode:
    return lying(world, method, lambda _r, _c: answer)


def failing(world: World, method: str, *args: Any) -> FakeNode:
    return lying(world, method, lambda _r, context: fail(context, *args))


# --- an honest node ----------------------------------------------------------------------


def test_an_honest_node(world: World) -> None:
    async def work(client: FederationClient) -> None:
        entries = world.regions[A].entries
        assert await client.charter() == world.signed_charter
        assert await client.checkpoint(A) == FakeNode(world).log(A).note()
        assert await client.entries(A, 0, 3) == (entries[:3], len(entries))
        assert await client.entries(A, len(entries)) == ([], len(entries))
        assert len(await client.consistency(A, 2, len(entries))) > 0
        assert len(await client.inclusion(A, 2, len(entries))) > 0
        assert await client.witnessed(A) is not None

    ask(FakeNode(world), work)


def test_blobs_of_any_number_are_joined_and_checked(world: World) -> None:
    many = {digest(data): data for data in (b"%d" % i * 1000 * i for i in range(150))}

    async def work(client: FederationClient) -> dict[bytes, bytes]:
        return await client.blobs([bytes(32), *many, *many])

    node = FakeNode(world, blobs=many)
    assert ask(node, work) == many
    assert len(node.calls) == 3


def test_a_region_without_a_checkpoint_is_none_and_an_unknown_one_an_error(world: World) -> None:
    async def work(client: FederationClient) -> None:
        assert await client.checkpoint(A) is None
        with pytest.raises(NodeError) as caught:
            await client.checkpoint("999999")
        assert (caught.value.code, caught.value.reason) == (
            grpc.StatusCode.NOT_FOUND,
            "region-unknown",
        )

    ask(FakeNode(world, sizes={A: 0}), work)


def test_watch_tells_each_newer_checkpoint(world: World) -> None:
    node = FakeNode(world, sizes={A: 2})

    async def work(client: FederationClient) -> list[tuple[str, bytes]]:
        found = []
        async with aclosing(client.watch([A])) as stream:
            async for item in stream:
                found.append(item)
                if len(found) == 2:
                    break
                node.sizes[A] = 3
        return found

    log = FakeNode(world).log(A)
    assert ask(node, work) == [(A, log.note(2)), (A, log.note(3))]


def test_tls_takes_only_the_authority_and_the_address(world: World) -> None:
    right, other = Authority.make(), Authority.make("another")

    async def charter(target: str, ca: bytes) -> bytes:
        patience = Waits().patience(1)
        async with NodeChannel(target, Tls(ca), deadline=5, patience=patience) as channel:
            return await FederationClient(channel).charter()

    with serving(FakeNode(world), right.certificate()) as target:
        assert asyncio.run(charter(target, right.pem)) == world.signed_charter
        with pytest.raises(NodeUnreachable):
            asyncio.run(charter(target, other.pem))
        with pytest.raises(NodeUnreachable):
            asyncio.run(charter(target.replace("127.0.0.1", "localhost"), right.pem))
    other_host = right.certificate("node.example")
    with serving(FakeNode(world), other_host) as target, pytest.raises(NodeUnreachable):
        asyncio.run(charter(target, right.pem))


def test_without_tls_only_this_machine_is_asked() -> None:
    for target in ("example.org:80", "10.0.0.1:80", "localhost:80", "[2001:db8::1]:80"):
        with pytest.raises(CallerError):
            check_target(target, local=True)
        if "localhost" not in target:
            check_target(target, local=False)
    for target in ("", "host", "host:0", "host:99999", "dns:///host:1", "a b:1", "unix:/x"):
        with pytest.raises(CallerError):
            check_target(target, local=False)
    for target in ("127.0.0.1:80", "[::1]:80", "unix:/run/x"):
        check_target(target, local=True)
    with pytest.raises(CallerError):
        Tls(b"").credentials()
    with pytest.raises(CallerError):
        Tls(b"ca", certificate=b"c").credentials()
    assert "secret" not in repr(Tls(b"ca", b"c", b"secret"))


# --- how calls end -----------------------------------------------------------------------


def test_the_list_of_reasons_is_the_node_s() -> None:
    assert {fault.value for fault in Fault} == FAULTS


@pytest.mark.parametrize("fault", sorted(FAULTS - {"not-found", "witness-size"}))
def test_every_reason_arrives_as_itself(world: World, fault: str) -> None:
    async def work(client: FederationClient) -> NodeError:
        with pytest.raises(NodeError) as caught:
            await client.charter()
        return caught.value

    node = failing(world, "GetCharter", grpc.StatusCode.ABORTED, fault, 1500)
    error = ask(node, work)
    assert (error.reason, error.code, error.retry_after) == (fault, grpc.StatusCode.ABORTED, 1.5)


def test_no_text_of_the_node_gets_into_an_error(world: World) -> None:
    person = "Zhang San 4403"

    async def work(client: FederationClient) -> str:
        with pytest.raises(NodeError) as caught:
            await client.charter()
        assert caught.value.reason == UNKNOWN
        return repr(caught.value) + str(caught.value)

    def plain(_request: object, context: Any) -> None:
        context.abort(grpc.StatusCode.INTERNAL, person)

    def rich(_request: object, context: Any) -> None:
        context.set_trailing_metadata([("grpc-status-details-bin", person.encode() * 9)])
        context.abort(grpc.StatusCode.INTERNAL, person)

    for lie in (plain, rich):
        assert person not in ask(lying(world, "GetCharter", lie), work)
    node = failing(world, "GetCharter", grpc.StatusCode.INTERNAL, person)
    assert person not in ask(node, work)


def test_witness_size_has_a_class_of_its_own(world: World) -> None:
    async def work(client: FederationClient) -> None:
        with pytest.raises(WitnessSize):
            await client.add_checkpoint(b"note", 3, [bytes(32)])

    ask(failing(world, "AddCheckpoint", grpc.StatusCode.FAILED_PRECONDITION, "witness-size"), work)


def test_a_call_is_tried_again_after_growing_random_pauses(world: World) -> None:
    node = failing(world, "GetCharter", grpc.StatusCode.UNAVAILABLE, "not-leader", 1000)
    waits = Waits()

    async def main(target: str) -> None:
        async with NodeChannel(target, None, patience=waits.patience(4)) as channel:
            with pytest.raises(NodeError):
                await FederationClient(channel).charter()

    with serving(node) as target:
        asyncio.run(main(target))
    assert waits.pauses == [1.1, 1.2, 1.4]
    assert len(node.asked("Federation/GetCharter")) == 4


def test_what_cannot_help_is_not_tried_again(world: World) -> None:
    node = failing(world, "GetCharter", grpc.StatusCode.INVALID_ARGUMENT, "message-value")

    async def work(client: FederationClient) -> None:
        with pytest.raises(NodeError):
            await client.charter()

    ask(node, work, tries=5)
    assert len(node.calls) == 1


def test_a_node_cannot_make_a_client_wait_beyond_its_deadline(world: World) -> None:
    node = failing(world, "GetCharter", grpc.StatusCode.UNAVAILABLE, "busy", 10**9)

    async def work(client: FederationClient) -> None:
        with pytest.raises(NodeError) as caught:
            await client.charter()
        assert caught.value.retry_after == 300

    ask(node, work, tries=5)
    assert len(node.calls) == 1


def test_nobody_there() -> None:
    async def main() -> None:
        async with NodeChannel("127.0.0.1:1", None, patience=Waits().patience(2)) as channel:
            with pytest.raises(NodeUnreachable):
                await FederationClient(channel).charter()

    asyncio.run(main())


def test_a_slow_node_ends_at_the_deadline(world: World) -> None:
    def slow(_request: object, context: Any) -> None:
        while context.is_active():
            time.sleep(0.01)

    async def work(client: FederationClient) -> None:
        with pytest.raises(NodeUnreachable) as caught:
            await client.charter()
        assert caught.value.late

    start = time.monotonic()
    ask(lying(world, "GetCharter", slow), work, deadline=0.3)
    assert time.monotonic() - start < 10


def test_cancelling_a_call_ends_it(world: World) -> None:
    def slow(_request: object, context: Any) -> None:
        while context.is_active():
            time.sleep(0.01)

    async def work(client: FederationClient) -> None:
        call = asyncio.create_task(client.charter())
        await asyncio.sleep(0.2)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    ask(lying(world, "GetCharter", slow), work)


def test_a_channel_needs_a_loop() -> None:
    with pytest.raises(RuntimeError):
        NodeChannel("127.0.0.1:1", None)


def test_numbers_of_status_codes() -> None:
    assert code_of(5) is grpc.StatusCode.NOT_FOUND
    assert code_of(99) is grpc.StatusCode.UNKNOWN


# --- hostile answers ---------------------------------------------------------------------

SMALL = bytes(31)
ANSWERS: dict[str, tuple[str, Any, Callable[[FederationClient], Any]]] = {
    "a charter of nothing": ("GetCharter", pb.GetCharterResponse(), lambda c: c.charter()),
    "a charter too long": (
        "GetCharter",
        pb.GetCharterResponse(charter=bytes((4 << 20) + 1)),
        lambda c: c.charter(),
    ),
    "a note of nothing": ("GetCheckpoint", pb.GetCheckpointResponse(), lambda c: c.checkpoint(A)),
    "a note too long": (
        "GetCheckpoint",
        pb.GetCheckpointResponse(note=bytes((64 << 10) + 1)),
        lambda c: c.checkpoint(A),
    ),
    "more entries than asked for": (
        "ListEntries",
        pb.ListEntriesResponse(entries=[b"a", b"b"], size=9),
        lambda c: c.entries(A, 0, 1),
    ),
    "more entries than anybody may ask for": (
        "ListEntries",
        pb.ListEntriesResponse(entries=[b"a"] * 1001, size=2000),
        lambda c: c.entries(A, 0),
    ),
    "an entry too long": (
        "ListEntries",
        pb.ListEntriesResponse(entries=[bytes((16 << 10) + 1)], size=9),
        lambda c: c.entries(A, 0),
    ),
    "entries too long together": (
        "ListEntries",
        pb.ListEntriesResponse(entries=[bytes(16 << 10)] * 65, size=99),
        lambda c: c.entries(A, 0),
    ),
    "an empty entry": (
        "ListEntries",
        pb.ListEntriesResponse(entries=[b""], size=9),
        lambda c: c.entries(A, 0),
    ),
    "entries beyond the size": (
        "ListEntries",
        pb.ListEntriesResponse(entries=[b"a", b"b"], size=1),
        lambda c: c.entries(A, 0),
    ),
    "a size beyond all logs": (
        "ListEntries",
        pb.ListEntriesResponse(entries=[b"a"], size=1 << 63),
        lambda c: c.entries(A, 0),
    ),
    "no entries where there are some": (
        "ListEntries",
        pb.ListEntriesResponse(size=9),
        lambda c: c.entries(A, 0),
    ),
    "a size smaller than the start": (
        "ListEntries",
        pb.ListEntriesResponse(size=2),
        lambda c: c.entries(A, 5),
    ),
    "a proof too long": (
        "GetConsistency",
        pb.GetConsistencyResponse(hashes=[bytes(32)] * 64),
        lambda c: c.consistency(A, 1, 2),
    ),
    "a short hash": (
        "GetConsistency",
        pb.GetConsistencyResponse(hashes=[SMALL]),
        lambda c: c.consistency(A, 1, 2),
    ),
    "an inclusion proof too long": (
        "GetInclusion",
        pb.GetInclusionResponse(hashes=[bytes(32)] * 64),
        lambda c: c.inclusion(A, 1, 2),
    ),
    "a tile too long": (
        "GetTile",
        pb.GetTileResponse(data=bytes((4 << 20) + 513)),
        lambda c: c.tile(A, "tile/0/000"),
    ),
    "an empty tile": ("GetTile", pb.GetTileResponse(), lambda c: c.tile(A, "tile/0/000")),
    "a cosignature too long": (
        "AddCheckpoint",
        pb.AddCheckpointResponse(cosignature_line=bytes(513)),
        lambda c: c.add_checkpoint(b"n", 0, ()),
    ),
    "a report too long": (
        "ListReports",
        pb.ListReportsResponse(reports=[bytes((512 << 10) + 1)]),
        lambda c: c.reports(A, 1),
    ),
    "too many reports at once": (
        "ListReports",
        pb.ListReportsResponse(reports=[b"r"] * 257),
        lambda c: c.reports(A, 1),
    ),
    "reports without end": (
        "ListReports",
        pb.ListReportsResponse(reports=[b"r"] * 256),
        lambda c: c.reports(A, 1),
    ),
    "a charter that is no protobuf": ("GetCharter", GARBAGE, lambda c: c.charter()),
    "entries that are no protobuf": ("ListEntries", GARBAGE, lambda c: c.entries(A, 0)),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_out_of_bounds_are_refused(
    world: World, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    method, answer, call = ANSWERS[name]

    async def work(client: FederationClient) -> None:
        with pytest.raises(PeerError):
            await call(client)
        # One bad answer spoils nothing else.
        assert await client.witnessed(A) is not None

    ask(saying(world, method, answer), work)


def test_an_answer_beyond_all_bounds_is_not_taken_in(world: World) -> None:
    node = saying(world, "GetCharter", pb.GetCharterResponse(charter=bytes(6 << 20)))

    async def work(client: FederationClient) -> None:
        with pytest.raises(NodeTooLarge):
            await client.charter()
        assert await client.witnessed(A) is not None

    ask(node, work)


# --- hostile blobs -----------------------------------------------------------------------

DATA = b"some blob", b"some other blob"
NAMES = [digest(data) for data in DATA]


def part(name: bytes, data: bytes, *, more: bool = False) -> pb.GetBlobsResponse:
    return pb.GetBlobsResponse(name=name, data=data, more=more)


def blobs_of(world: World, answers: Callable[[], Iterator[Any]]) -> Any:
    async def work(client: FederationClient) -> Any:
        try:
            return await client.blobs(NAMES)
        except PeerError as error:
            return error.reason

    return ask(lying(world, "GetBlobs", lambda _r, _c: answers()), work)


def test_a_wrong_blob_concerns_its_name_only(world: World) -> None:
    def answers() -> Iterator[Any]:
        yield part(NAMES[0], b"something else")
        yield part(NAMES[1], DATA[1])

    assert blobs_of(world, answers) == {NAMES[1]: DATA[1]}


def test_why_a_blob_is_not_given(world: World) -> None:
    def answers() -> Iterator[Any]:
        yield part(NAMES[0], b"something else")
        error = pb.ItemError(code=14, reason="storage", retry_after_ms=5)
        yield part(NAMES[1], DATA[1][:3], more=True)
        yield pb.GetBlobsResponse(name=NAMES[1], error=error)

    async def work(client: FederationClient) -> list[tuple[bytes, str]]:
        async with aclosing(client.stream_blobs([*NAMES, bytes(32)])) as stream:
            return [(blob.name, blob.reason) async for blob in stream]

    found = ask(lying(world, "GetBlobs", lambda _r, _c: answers()), work)
    assert found == [(NAMES[0], WRONG), (NAMES[1], "storage"), (bytes(32), "not-found")]


def _unasked() -> Iterator[Any]:
    yield part(bytes(32), b"")


def _twice() -> Iterator[Any]:
    for _ in range(2):
        yield part(NAMES[0], b"something else")


def _mixed() -> Iterator[Any]:
    yield part(NAMES[0], DATA[0][:3], more=True)
    yield part(NAMES[1], DATA[1])


def _unended() -> Iterator[Any]:
    yield part(NAMES[0], DATA[0][:3], more=True)


def _empty_chunks() -> Iterator[Any]:
    while True:
        yield part(NAMES[0], b"", more=True)


def _single_octets() -> Iterator[Any]:
    while True:
        yield part(NAMES[0], b"x", more=True)


def _endless() -> Iterator[Any]:
    while True:
        yield part(NAMES[0], bytes(1 << 20), more=True)


def _large_chunk() -> Iterator[Any]:
    yield part(NAMES[0], bytes((1 << 20) + 1), more=True)


def _nothing_said() -> Iterator[Any]:
    yield pb.GetBlobsResponse(name=NAMES[0])


def _garbage() -> Iterator[Any]:
    yield GARBAGE


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        (_unasked, Reason.RECORD_ORDER),
        (_twice, Reason.RECORD_ORDER),
        (_mixed, Reason.RECORD_ORDER),
        (_unended, Reason.MESSAGE_SHAPE),
        (_empty_chunks, Reason.MESSAGE_SHAPE),
        (_single_octets, Reason.TOO_LONG),
        (_endless, Reason.TOO_LONG),
        (_large_chunk, Reason.TOO_LONG),
        (_nothing_said, Reason.MESSAGE_SHAPE),
        (_garbage, Reason.MESSAGE_SHAPE),
    ],
)
def test_a_stream_that_keeps_no_form_is_left(
    world: World,
    answers: Callable[[], Iterator[Any]],
    reason: Reason,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL)
    assert blobs_of(world, answers) is reason


def test_what_came_before_a_stream_broke_counts(world: World) -> None:
    def answers() -> Iterator[Any]:
        yield from chunks(NAMES[0], DATA[0])
        yield part(bytes(32), b"")

    assert blobs_of(world, answers) == {NAMES[0]: DATA[0]}


def test_a_large_blob_in_small_chunks_is_one_blob(world: World) -> None:
    data = bytes(range(256)) * 1000
    name = digest(data)

    def answers() -> Iterator[Any]:
        yield from chunks(name, data, size=len(data) // (MAX_CHUNKS - 100))

    async def work(client: FederationClient) -> dict[bytes, bytes]:
        return await client.blobs([name])

    assert ask(lying(world, "GetBlobs", lambda _r, _c: answers()), work) == {name: data}


@pytest.mark.parametrize(
    "answer",
    [
        pb.WatchResponse(region="330000", note=b"n"),
        pb.WatchResponse(region="../x", note=b"n"),
        pb.WatchResponse(region=A),
        pb.WatchResponse(region=A, note=bytes((64 << 10) + 1)),
    ],
)
def test_what_nobody_watches_ends_the_watching(world: World, answer: pb.WatchResponse) -> None:
    async def work(client: FederationClient) -> None:
        with pytest.raises(PeerError):
            await anext(client.watch([A]))

    ask(lying(world, "Watch", lambda _r, _c: iter([answer])), work)


# --- the other services ------------------------------------------------------------------


def other(node: FakeNode, work: Callable[[NodeChannel], Awaitable[T]]) -> T:
    async def main(target: str) -> T:
        async with NodeChannel(target, None, patience=Waits().patience(1)) as channel:
            return await work(channel)

    with serving(node) as target:
        return asyncio.run(main(target))


def test_what_a_node_says_of_regions(world: World) -> None:
    good = directory_pb2.RegionStatus(
        region=A,
        name="Beijing",
        epoch=7,
        size=9,
        judgement=directory_pb2.JUDGEMENT_HOLD,
        reason="left-out",
    )
    node = FakeNode(world)

    async def work(channel: NodeChannel) -> None:
        client = DirectoryClient(channel)
        assert (await client.node()).federation == world.federation.id
        node.lies["Directory/ListRegions"] = lambda _r, _c: directory_pb2.ListRegionsResponse(
            regions=[good]
        )
        (found,) = await client.regions()
        assert (found.epoch, found.judgement, found.reason) == (7, Judgement.HOLD, "left-out")
        bad = [
            directory_pb2.RegionStatus(region="x/y"),
            directory_pb2.RegionStatus(region=A, name="\x1b[2J"),
            directory_pb2.RegionStatus(region=A, judgement=77),  # type: ignore[arg-type]
            directory_pb2.RegionStatus(region=A, revision=256),
            directory_pb2.RegionStatus(region=A, size=1 << 63),
        ]
        for one in [[one] for one in bad] + [[good, good], [good] * 1025]:
            answer = directory_pb2.ListRegionsResponse(regions=one)
            node.lies["Directory/ListRegions"] = constant(answer)
            with pytest.raises(PeerError):
                await client.regions()
        evil = directory_pb2.RegionStatus(region=A, reason="Zhang San")
        node.lies["Directory/ListRegions"] = lambda _r, _c: directory_pb2.ListRegionsResponse(
            regions=[evil]
        )
        assert (await client.regions())[0].reason == UNKNOWN

    other(node, work)


def test_what_a_node_says_of_itself_and_of_bundles(world: World) -> None:
    node = FakeNode(world)

    async def work(channel: NodeChannel) -> None:
        client = DirectoryClient(channel)
        for answer in (
            directory_pb2.GetNodeResponse(region=A, federation=SMALL),
            directory_pb2.GetNodeResponse(region="x y", federation=bytes(32)),
            directory_pb2.GetNodeResponse(federation=bytes(32), version="x" * 33),
        ):
            node.lies["Directory/GetNode"] = constant(answer)
            with pytest.raises(PeerError):
                await client.node()
        good = directory_pb2.Bundle(region=A, policy="entry", list_index=3, blobs=[bytes(32)])
        node.lies["Directory/GetBundles"] = lambda _r, _c: directory_pb2.GetBundlesResponse(
            bundles=[good]
        )
        assert (await client.bundles(4))[0].blobs == (bytes(32),)
        for bundle in (
            directory_pb2.Bundle(region=A, policy="../x"),
            directory_pb2.Bundle(region=A, policy="entry", blobs=[SMALL]),
            directory_pb2.Bundle(region=A, policy="entry", blobs=[bytes(32)] * 65),
        ):
            answers = directory_pb2.GetBundlesResponse(bundles=[bundle])
            node.lies["Directory/GetBundles"] = constant(answers)
            with pytest.raises(PeerError):
                await client.bundles(4)

    other(node, work)


def test_enrolment_and_status_calls(world: World) -> None:
    def enrol(request: Any, _context: Any) -> enrolment_pb2.EnrolResponse:
        assert (request.request, request.evidence, request.identification) == (b"r", b"e", "i")
        return enrolment_pb2.EnrolResponse(answer=b"answer")

    node = FakeNode(
        world,
        lies={
            "Enrolment/GetOffer": lambda _r, _c: enrolment_pb2.GetOfferResponse(offer=b"offer"),
            "Enrolment/Enrol": enrol,
            "Status/SubmitOrder": lambda _r, _c: status_pb2.SubmitOrderResponse(epoch=7),
            "Status/FindSlots": lambda _r, _c: status_pb2.FindSlotsResponse(slots=[1, 5]),
        },
    )

    async def work(channel: NodeChannel) -> None:
        enrolling, status = EnrolmentClient(channel), StatusClient(channel)
        assert await enrolling.offer() == b"offer"
        assert await enrolling.enrol(b"r", b"e", "i") == b"answer"
        assert await status.submit_order(b"order") == 7
        assert await status.find_slots(b"query") == (1, 5)
        for request, evidence, text in (
            (bytes(4097), b"", ""),
            (b"", bytes((64 << 10) + 1), ""),
            (b"", b"", "字" * 3000),
        ):
            with pytest.raises(CallerError):
                await enrolling.enrol(request, evidence, text)
        with pytest.raises(CallerError):
            await status.submit_order(bytes((512 << 10) + 1))
        with pytest.raises(CallerError):
            await status.find_slots(b"")
        for slots in ([5, 1], [5, 5], [1 << 50]):
            answer = status_pb2.FindSlotsResponse(slots=slots)
            node.lies["Status/FindSlots"] = constant(answer)
            with pytest.raises(PeerError):
                await status.find_slots(b"query")
        node.lies["Enrolment/GetOffer"] = lambda _r, _c: enrolment_pb2.GetOfferResponse(
            offer=bytes(1025)
        )
        with pytest.raises(PeerError):
            await enrolling.offer()

    other(node, work)
