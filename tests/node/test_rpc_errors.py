"""The table of errors: every reason has one end, and no text of an exception gets out."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import grpc
import pytest

from guosuo.errors import CallerError, PeerError, Reason
from guosuo.pb import directory_pb2, enrolment_pb2, federation_pb2, status_pb2
from guosuo.pb.directory_pb2_grpc import DirectoryStub
from guosuo.pb.enrolment_pb2_grpc import EnrolmentStub
from guosuo.pb.federation_pb2_grpc import FederationStub
from guosuo.pb.status_pb2_grpc import StatusStub
from guosuo_node.app.faults import Fault, ServiceError
from guosuo_node.rpc.errors import FAULTS, OWN, REFUSED, refusal_of
from tests.node.rpc_stage import HOME, End, Keys, Stage, end_of, raw, staged

ROOT = Path(__file__).resolve().parents[2]
Code = grpc.StatusCode


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("tls"))


def on_stage(keys: Keys, play: Callable[[Stage], Awaitable[None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(60), staged(keys) as stage:
            await play(stage)

    asyncio.run(run())


def test_every_fault_and_every_reason_gets_its_code_over_the_wire(keys: Keys) -> None:
    async def play(stage: Stage) -> None:
        async with stage.public() as channel:
            stub = FederationStub(channel)

            async def end(error: Exception) -> End:
                stage.paper.raises = error
                return await end_of(stub.GetCharter(federation_pb2.GetCharterRequest()))

            for fault in Fault:
                code, retry = FAULTS[fault]
                got = await end(ServiceError(fault))
                assert got == End(code, fault.value, fault.value, "guosuo", "", retry)
            for reason in Reason:
                got = await end(PeerError(reason, "a hint"))
                code = REFUSED.get(reason, Code.INVALID_ARGUMENT)
                assert got == End(code, reason.value, reason.value, "guosuo", "", None)
                got = await end(CallerError(reason, "a hint"))
                assert got.reason == OWN.get(reason, Fault.INTERNAL).value

    on_stage(keys, play)


def test_a_fault_may_say_when_to_come_again(keys: Keys) -> None:
    async def play(stage: Stage) -> None:
        async with stage.public() as channel:
            stage.paper.raises = ServiceError(Fault.NO_QUORUM, 2.5)
            call = EnrolmentStub(channel).GetOffer(enrolment_pb2.GetOfferRequest())
            assert (await end_of(call)).retry == 2.5

    on_stage(keys, play)


def test_a_bug_says_nothing_to_the_caller_and_its_class_to_the_operator(keys: Keys) -> None:
    async def play(stage: Stage) -> None:
        private = "Zhang Wei, 1990-01-01"
        async with stage.public() as channel:
            for error in (RuntimeError(private), KeyError(private), TimeoutError(private)):
                stage.paper.raises = error
                call = EnrolmentStub(channel).GetOffer(enrolment_pb2.GetOfferRequest())
                end = await end_of(call)
                assert end == End(Code.INTERNAL, "internal", "internal", "guosuo", "", None)
        assert [type(e) for e in stage.notes.bugs] == [RuntimeError, KeyError, TimeoutError]

    on_stage(keys, play)


def test_what_is_refused_is_no_bug() -> None:
    assert refusal_of(PeerError(Reason.PROOF)).code is Code.INVALID_ARGUMENT
    assert refusal_of(CallerError(Reason.STATE)).code is Code.INTERNAL
    assert refusal_of(CallerError(Reason.STORE_FULL)).code is Code.UNAVAILABLE
    assert refusal_of(CallerError(Reason.FENCED)).reason == "not-leader"


def test_fields_out_of_their_bounds_are_named(keys: Keys) -> None:
    pb = federation_pb2
    hashes = [bytes([n]) * 32 for n in range(66)]

    async def play(stage: Stage) -> None:
        async with stage.public() as public, stage.peer() as peers:
            f, p = FederationStub(public), FederationStub(peers)
            e, s = EnrolmentStub(public), StatusStub(public)

            async def blobs(*names: bytes) -> None:
                async for _ in f.GetBlobs(pb.GetBlobsRequest(names=names)):
                    pass

            async def watch(*regions: str) -> None:
                async for _ in p.Watch(pb.WatchRequest(regions=regions)):
                    pass

            def tile(path: str) -> Awaitable[object]:
                return f.GetTile(pb.GetTileRequest(region=HOME, path=path))

            def enrol(request: bytes, evidence: bytes, who: str) -> Awaitable[object]:
                return e.Enrol(
                    enrolment_pb2.EnrolRequest(
                        request=request, evidence=evidence, identification=who
                    )
                )

            add, big = pb.AddCheckpointRequest, b"x" * (512 << 10)
            bad: list[tuple[str, Awaitable[object]]] = [
                *(
                    ("region", f.GetCheckpoint(pb.GetCheckpointRequest(region=code)))
                    for code in ("", "1", "../../etc", "a" * 13, "11\n", "-11", "十一", "a/b")
                ),
                ("region", f.GetWitnessed(pb.GetWitnessedRequest(region="."))),
                ("region", f.ListReports(pb.ListReportsRequest(region=""))),
                ("limit", f.ListEntries(pb.ListEntriesRequest(region=HOME, limit=1001))),
                ("start", f.ListEntries(pb.ListEntriesRequest(region=HOME, start=1 << 63))),
                (
                    "old_size",
                    f.GetConsistency(pb.GetConsistencyRequest(region=HOME, old_size=8, new_size=7)),
                ),
                ("index", f.GetInclusion(pb.GetInclusionRequest(region=HOME, index=7, size=7))),
                ("index", f.GetInclusion(pb.GetInclusionRequest(region=HOME))),
                *(
                    ("path", tile(path))
                    for path in (
                        "",
                        "tile/0/../../../x",
                        "tile/64/000",
                        "tile/0/00",
                        "tile/0/000.p/0",
                        "tile/00/000",
                        "checkpoint",
                        "tile/0/" + "x000/" * 40 + "000",
                        "tile/0/000\n",
                    )
                ),
                ("names", blobs()),
                ("names", blobs(b"short")),
                ("names", blobs(*hashes[:65])),
                ("names", blobs(hashes[0], hashes[0])),
                ("regions", watch(HOME, HOME)),
                ("regions", watch(*(f"{n:06}" for n in range(65)))),
                ("regions", watch("no region")),
                ("note", p.AddCheckpoint(add())),
                ("note", p.AddCheckpoint(add(note=b"n" * ((64 << 10) + 1)))),
                ("proof", p.AddCheckpoint(add(note=b"n", old_size=1, proof=hashes[:64]))),
                ("proof", p.AddCheckpoint(add(note=b"n", old_size=1, proof=[b"p"]))),
                ("report", p.SubmitReport(pb.SubmitReportRequest())),
                ("report", p.SubmitReport(pb.SubmitReportRequest(report=big + b"x"))),
                ("request", enrol(b"", b"e", "")),
                ("request", enrol(b"r" * 4097, b"e", "")),
                ("evidence", enrol(b"r", b"", "")),
                ("evidence", enrol(b"r", b"e" * ((64 << 10) + 1), "")),
                ("identification", enrol(b"r", b"e", "伟" * 3000)),
                ("order", s.SubmitOrder(status_pb2.SubmitOrderRequest())),
                ("query", s.FindSlots(status_pb2.FindSlotsRequest())),
            ]
            for field, call in bad:
                end = await end_of(call)
                assert end == End(
                    Code.INVALID_ARGUMENT, "message-value", "message-value", "guosuo", field, None
                )
            # One mutation away, everything is answered.
            await f.ListEntries(pb.ListEntriesRequest(region=HOME, limit=1000))
            await f.GetConsistency(pb.GetConsistencyRequest(region=HOME, old_size=7, new_size=7))
            await f.GetInclusion(pb.GetInclusionRequest(region=HOME, index=6, size=7))
            await tile("tile/entries/x001/x234/067.p/255")
            await p.AddCheckpoint(add(note=b"n", old_size=1, proof=hashes[:63]))
            await p.SubmitReport(pb.SubmitReportRequest(report=big))
            await enrol(b"r" * 4096, b"e" * (64 << 10), "伟" * 2730)
        assert stage.notes.bugs == []

    on_stage(keys, play)


def test_octets_that_are_no_message_are_refused_without_noise(keys: Keys) -> None:
    async def play(stage: Stage) -> None:
        async with stage.public() as channel:
            methods = ("Federation/ListEntries", "Enrolment/Enrol", "Directory/GetBundles")
            noise = (b"\xff", b"\x0a\xff\xff\xff\xff\x0f", b"\x80" * 40)
            cases = [(method, octets) for method in methods for octets in noise]
            cases.append(("Federation/ListEntries", b"\x0a\x01\xff"))  # no UTF-8
            for method, octets in cases:
                end = await end_of(raw(channel, f"/guosuo.v1.{method}", octets))
                assert (end.code, end.reason) == (Code.INVALID_ARGUMENT, "message-shape")
            for method in ("/guosuo.v1.Federation/NoSuch", "/no.such.Service/Method", "/", ""):
                end = await end_of(raw(channel, method, b""))
                assert end.code is Code.UNIMPLEMENTED
            await DirectoryStub(channel).GetNode(directory_pb2.GetNodeRequest())
        assert stage.notes.bugs == []

    on_stage(keys, play)


def test_the_readme_tells_clients_the_same_table() -> None:
    text = (ROOT / "proto" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| `([a-z-]+)` \| ([A-Z_]+) \| (no|after [0-9.]+ s) \|", text, re.MULTILINE
    )
    told = {reason: (code, retry) for reason, code, retry in rows}
    faults = {
        fault.value: (code.name, "no" if retry is None else f"after {retry:g} s")
        for fault, (code, retry) in FAULTS.items()
    }
    refused = {reason.value: (code.name, "no") for reason, code in REFUSED.items()}
    assert len(rows) == len(told)
    assert told == faults | refused
