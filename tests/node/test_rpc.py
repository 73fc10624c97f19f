"""Every method of a node over real TLS, its streams, health, reflection and shutdown."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from guosuo.pb import directory_pb2, enrolment_pb2, federation_pb2, status_pb2
from guosuo.pb.directory_pb2_grpc import DirectoryStub
from guosuo.pb.enrolment_pb2_grpc import EnrolmentStub
from guosuo.pb.federation_pb2_grpc import FederationStub
from guosuo.pb.status_pb2_grpc import StatusStub
from guosuo_node.app.faults import Fault, ServiceError
from guosuo_node.app.services import Note
from tests.node.rpc_stage import AWAY, HOME, Keys, Stage, end_of, staged, until

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("tls"))


def on_stage(keys: Keys, play: Callable[[Stage], Awaitable[None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(30), staged(keys) as stage:
            await play(stage)

    asyncio.run(run())


def test_every_read_of_the_federation_is_answered_on_both_ports(keys: Keys) -> None:
    async def reads(stub: FederationStub) -> None:
        pb = federation_pb2
        assert (await stub.GetCharter(pb.GetCharterRequest())).charter == b"charter"
        checkpoint = await stub.GetCheckpoint(pb.GetCheckpointRequest(region=AWAY))
        assert checkpoint.note == b"note of 420000"
        entries = await stub.ListEntries(pb.ListEntriesRequest(region=HOME, start=5))
        assert (list(entries.entries), entries.size) == ([b"one", b"two"], 7)
        consistency = pb.GetConsistencyRequest(region=HOME, old_size=3, new_size=7)
        assert list((await stub.GetConsistency(consistency)).hashes) == [b"h" * 32]
        inclusion = pb.GetInclusionRequest(region=HOME, index=3, size=7)
        assert list((await stub.GetInclusion(inclusion)).hashes) == [b"i" * 32]
        tile = await stub.GetTile(pb.GetTileRequest(region=HOME, path="tile/0/x001/067.p/3"))
        assert tile.data == b"tile"
        assert (await stub.GetWitnessed(pb.GetWitnessedRequest(region=HOME))).note == b"seen"
        asked = pb.ListReportsRequest(region=HOME, epoch=4, start=2)
        assert list((await stub.ListReports(asked)).reports) == [b"report"]

    async def play(stage: Stage) -> None:
        async with stage.public() as channel:
            await reads(FederationStub(channel))
        first = list(stage.paper.asked)
        async with stage.peer() as channel:
            await reads(FederationStub(channel))
        assert stage.paper.asked == first * 2
        assert ("entries", HOME, 5, 1000, 1 << 20) in first
        assert ("consistency", HOME, 3, 7) in first
        assert ("inclusion", HOME, 3, 7) in first
        assert ("tile", HOME, "tile/0/x001/067.p/3") in first
        assert ("reports", HOME, 4, 2) in first
        assert {code for _, code in stage.notes.codes} == {"OK"}

    on_stage(keys, play)


def test_what_peers_may_do_carries_the_name_their_certificate_stands_for(keys: Keys) -> None:
    async def play(stage: Stage) -> None:
        pb = federation_pb2
        async with stage.peer() as channel:
            stub = FederationStub(channel)
            asked = pb.AddCheckpointRequest(note=b"note", old_size=2, proof=[b"p" * 32])
            assert (await stub.AddCheckpoint(asked)).cosignature_line == b"line\n"
            await stub.SubmitReport(pb.SubmitReportRequest(report=b"report"))
            call = stub.Watch(pb.WatchRequest(regions=[HOME]))
            assert (await anext(aiter(call))).note == b"first"
            stage.paper.news.put_nowait(Note(HOME, b"second"))
            assert (await anext(aiter(call))).note == b"second"
            call.cancel()
        assert ("add_checkpoint", AWAY, b"note", 2, (b"p" * 32,)) in stage.paper.asked
        assert ("submit_report", AWAY, b"report") in stage.paper.asked
        await until(lambda: stage.paper.watchers == 0)

    on_stage(keys, play)


def test_without_a_certificate_nobody_does_what_peers_do(keys: Keys) -> None:
    async def play(stage: Stage) -> None:
        pb = federation_pb2
        async with stage.public() as channel:
            stub = FederationStub(channel)
            calls: list[Awaitable[object]] = [
                stub.AddCheckpoint(pb.AddCheckpointRequest(note=b"n")),
                stub.SubmitReport(pb.SubmitReportRequest(report=b"r")),
                anext(aiter(stub.Watch(pb.WatchRequest()))),
            ]
            for call in calls:
                end = await end_of(call)
                assert end.code is grpc.StatusCode.PERMISSION_DENIED
                assert (end.reason, end.domain) == ("peer-unknown", "guosuo")
        assert stage.paper.asked == []

    on_stage(keys, play)


@pytest.mark.parametrize("who", ["nobody", "stranger", "node itself"])
def test_the_peer_port_lets_no_stranger_in(keys: Keys, who: str) -> None:
    async def play(stage: Stage) -> None:
        if who == "nobody":
            made = grpc.ssl_channel_credentials(keys.home.authority)
            address = f"localhost:{stage.server.peer_port}"
            async with grpc.aio.secure_channel(address, made) as channel:
                call = FederationStub(channel).GetCharter(federation_pb2.GetCharterRequest())
                assert (await end_of(call)).code is grpc.StatusCode.UNAVAILABLE
        else:
            identity = keys.stranger if who == "stranger" else keys.home
            async with stage.peer(identity) as channel:
                call = FederationStub(channel).GetCharter(federation_pb2.GetCharterRequest())
                assert (await end_of(call)).code is grpc.StatusCode.UNAVAILABLE
        assert stage.paper.asked == []
        async with stage.peer() as channel:
            await FederationStub(channel).GetCharter(federation_pb2.GetCharterRequest())

    on_stage(keys, play)


def test_directory(keys: Keys) -> None:
    async def play(stage: Stage) -> None:
        async with stage.public() as channel:
            stub = DirectoryStub(channel)
            regions = (await stub.ListRegions(directory_pb2.ListRegionsRequest())).regions
            assert [(r.region, r.judgement, r.reason) for r in regions] == [
                (HOME, directory_pb2.JUDGEMENT_HOLD, "left-out"),
                (AWAY, directory_pb2.JUDGEMENT_UNSPECIFIED, ""),
            ]
            assert [r.HasField("epoch") for r in regions] == [True, False]
            node = await stub.GetNode(directory_pb2.GetNodeRequest())
            assert (node.region, node.leader, node.time_ms, node.epoch) == (HOME, True, 5, 4)
            bundles = await stub.GetBundles(directory_pb2.GetBundlesRequest(epoch=9))
            assert list(bundles.bundles[0].blobs) == [b"b" * 32]
        assert ("bundles", 9) in stage.paper.asked

    on_stage(keys, play)


def test_enrolment_and_status(keys: Keys) -> None:
    async def play(stage: Stage) -> None:
        async with stage.public() as channel:
            enrolment = EnrolmentStub(channel)
            assert (await enrolment.GetOffer(enrolment_pb2.GetOfferRequest())).offer == b"offer"
            request = enrolment_pb2.EnrolRequest(
                request=b"r", evidence=b"HC1:", identification="张伟"
            )
            assert (await enrolment.Enrol(request)).answer == b"answer"
            status = StatusStub(channel)
            order = await status.SubmitOrder(status_pb2.SubmitOrderRequest(order=b"o"))
            assert order.epoch == 6
            found = await status.FindSlots(status_pb2.FindSlotsRequest(query=b"q"))
            assert list(found.slots) == [1, 1 << 39]
        assert ("enrol", b"r", b"HC1:", "张伟") in stage.paper.asked
        async with stage.peer() as channel:  # wallets and officers use the public port
            call = EnrolmentStub(channel).GetOffer(enrolment_pb2.GetOfferRequest())
            assert (await end_of(call)).code is grpc.StatusCode.UNIMPLEMENTED

    on_stage(keys, play)


def test_blobs_come_in_chunks_and_an_error_concerns_one_name(keys: Keys) -> None:
    async def play(stage: Stage) -> None:
        names = [bytes([n]) * 32 for n in range(6)]
        big = bytes(range(256)) * (4096 * 2) + b"!"
        stage.paper.blobs = {
            names[0]: b"small",
            names[2]: RuntimeError("with a secret in its text"),
            names[3]: big,
            names[4]: b"",
            names[5]: ServiceError(Fault.STORAGE),
        }
        async with stage.public() as channel:
            call = FederationStub(channel).GetBlobs(federation_pb2.GetBlobsRequest(names=names))
            messages = [message async for message in call]
        assert max(len(m.data) for m in messages) == 1 << 20
        got = {n: b"".join(m.data for m in messages if m.name == n) for n in names}
        assert (got[names[0]], got[names[3]], got[names[4]]) == (b"small", big, b"")
        errors = [(m.name, m.error) for m in messages if m.WhichOneof("result") == "error"]
        assert [(n[0], e.code, e.reason, e.retry_after_ms) for n, e in errors] == [
            (1, 5, "not-found", 0),
            (2, 13, "internal", 0),
            (5, 14, "storage", 5000),
        ]
        order = [m.name[0] for m in messages]
        assert order == sorted(order)
        last = {m.name[0]: m.more for m in messages}
        assert not any(last.values())
        assert [m.more for m in messages if m.name == names[3]] == [True, True, False]

    on_stage(keys, play)


def test_health_and_reflection_are_on_both_ports(keys: Keys) -> None:
    async def services(channel: grpc.aio.Channel) -> list[str]:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        async for answer in stub.ServerReflectionInfo(iter([request])):
            return [s.name for s in answer.list_services_response.service]
        return []

    async def play(stage: Stage) -> None:
        common = {
            "grpc.health.v1.Health",
            "grpc.reflection.v1alpha.ServerReflection",
            "guosuo.v1.Directory",
            "guosuo.v1.Federation",
        }
        async with stage.public() as channel:
            public = {*common, "guosuo.v1.Enrolment", "guosuo.v1.Status"}
            assert set(await services(channel)) == public
            health = health_pb2_grpc.HealthStub(channel)
            for name in ("", "guosuo.v1.Federation", "guosuo.v1.Enrolment"):
                answer = await health.Check(health_pb2.HealthCheckRequest(service=name))
                assert answer.status == SERVING
            await stage.server.set_serving("guosuo.v1.Enrolment", serving=False)
            asked = health_pb2.HealthCheckRequest(service="guosuo.v1.Enrolment")
            assert (await health.Check(asked)).status == NOT_SERVING
            unknown = health.Check(health_pb2.HealthCheckRequest(service="no such"))
            assert (await end_of(unknown)).code is grpc.StatusCode.NOT_FOUND
        async with stage.peer() as channel:
            assert set(await services(channel)) == common

    on_stage(keys, play)


def test_shutdown_tells_first_then_ends_watches_then_lets_others_finish(keys: Keys) -> None:
    async def play(stage: Stage) -> None:
        pb = federation_pb2
        stage.paper.delay = 0.5
        async with stage.public() as channel, stage.peer() as peer:
            health = health_pb2_grpc.HealthStub(channel)
            states = health.Watch(health_pb2.HealthCheckRequest(service="guosuo.v1.Federation"))
            assert (await anext(aiter(states))).status == SERVING
            watch = FederationStub(peer).Watch(pb.WatchRequest(regions=[HOME]))
            assert (await anext(aiter(watch))).note == b"first"
            slow = FederationStub(channel).GetCharter(pb.GetCharterRequest())
            await asyncio.sleep(0.1)
            begun = time.monotonic()
            stopping = asyncio.create_task(stage.server.stop(5.0))
            assert (await anext(aiter(states))).status == NOT_SERVING
            end = await end_of(anext(aiter(watch)))
            assert (end.code, end.reason) == (grpc.StatusCode.UNAVAILABLE, "stopping")
            assert end.retry is not None
            assert (await slow).charter == b"charter"
            await stopping
            assert time.monotonic() - begun < 3.0
            call = FederationStub(channel).GetCharter(pb.GetCharterRequest(), timeout=5)
            assert (await end_of(call)).code is grpc.StatusCode.UNAVAILABLE

    on_stage(keys, play)


def test_shutdown_does_not_wait_beyond_the_grace(keys: Keys) -> None:
    async def play(stage: Stage) -> None:
        stage.paper.delay = 20.0
        async with stage.public() as channel:
            stub = FederationStub(channel)
            call = asyncio.create_task(end_of(stub.GetCharter(federation_pb2.GetCharterRequest())))
            await until(lambda: bool(stage.paper.asked))
            begun = time.monotonic()
            await stage.server.stop(0.3)
            assert time.monotonic() - begun < 3.0
            assert (await call).code is grpc.StatusCode.UNAVAILABLE

    on_stage(keys, play)
