"""A node of tests: serves a `World` with real Merkle logs over gRPC, and lies on demand.

It answers from another thread by gRPC's synchronous server, so that tests may run any
event loop of theirs. `lies` replaces single methods; what they give may be octets that are
no message at all. `calls` records what arrived.
"""

# ruff: noqa: ANN401, ARG002, N802 - any message of any method, under its name in the proto

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

import grpc
import nacl.signing
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from guosuo.client.errors import DETAILS_KEY
from guosuo.federation import checkpoints, merkle
from guosuo.federation.charters import encode_charters
from guosuo.federation.checkpoints import WITNESS_PREFIX, Checkpoint
from guosuo.federation.merkle import Tree
from guosuo.pb import directory_pb2, enrolment_pb2, status_pb2
from guosuo.pb import federation_pb2 as pb
from tests.support.world import World

CHUNK = 40_000
_SHORT = 0.02

Context = grpc.ServicerContext
Answer = Message | bytes
Method = Callable[[Any, Any], Any]
"""From request and context to an answer, or for streams an iterator of answers."""

REQUESTS: dict[str, tuple[type[Message], bool]] = {
    "Federation/GetCharter": (pb.GetCharterRequest, False),
    "Federation/GetCheckpoint": (pb.GetCheckpointRequest, False),
    "Federation/ListEntries": (pb.ListEntriesRequest, False),
    "Federation/GetConsistency": (pb.GetConsistencyRequest, False),
    "Federation/GetInclusion": (pb.GetInclusionRequest, False),
    "Federation/GetTile": (pb.GetTileRequest, False),
    "Federation/GetBlobs": (pb.GetBlobsRequest, True),
    "Federation/AddCheckpoint": (pb.AddCheckpointRequest, False),
    "Federation/GetWitnessed": (pb.GetWitnessedRequest, False),
    "Federation/Watch": (pb.WatchRequest, True),
    "Federation/SubmitReport": (pb.SubmitReportRequest, False),
    "Federation/ListReports": (pb.ListReportsRequest, False),
    "Directory/ListRegions": (directory_pb2.ListRegionsRequest, False),
    "Directory/GetNode": (directory_pb2.GetNodeRequest, False),
    "Directory/GetBundles": (directory_pb2.GetBundlesRequest, False),
    "Enrolment/GetOffer": (enrolment_pb2.GetOfferRequest, False),
    "Enrolment/Enrol": (enrolment_pb2.EnrolRequest, False),
    "Status/SubmitOrder": (status_pb2.SubmitOrderRequest, False),
    "Status/FindSlots": (status_pb2.FindSlotsRequest, False),
}


@dataclass
class FakeLog:
    """One region's log with its tree; signs whatever a test wants."""

    origin: str
    key: nacl.signing.SigningKey
    witnesses: dict[str, nacl.signing.SigningKey]
    entries: list[bytes]

    def tree(self, size: int | None = None) -> Tree:
        tree = Tree()
        for entry in self.entries[:size]:
            tree.append(merkle.leaf_hash(entry))
        return tree

    def note(self, size: int | None = None, cosigners: Sequence[str] | None = None) -> bytes:
        """A checkpoint with cosignatures, of all witnesses unless told otherwise."""
        tree = self.tree(size)
        note = checkpoints.sign_checkpoint(
            Checkpoint(self.origin, tree.size, tree.root()), self.key
        )
        names = self.witnesses if cosigners is None else cosigners
        return note.signed_by(
            checkpoints.cosign(note.text, WITNESS_PREFIX + name, self.witnesses[name], 1)
            for name in names
        ).encode()


@dataclass
class FakeNode:
    """An honest node unless `lies` says otherwise."""

    world: World
    lies: dict[str, Method] = field(default_factory=dict)
    calls: list[tuple[str, bytes]] = field(default_factory=list)
    logs: dict[str, FakeLog] = field(default_factory=dict)
    """Other logs than the world's, by region."""
    sizes: dict[str, int] = field(default_factory=dict)
    """How much of a log is published, if not all."""
    blobs: dict[bytes, bytes] | None = None
    """Other blobs than the world's."""

    def log(self, region: str) -> FakeLog:
        if region in self.logs:
            return self.logs[region]
        world = self.world
        return FakeLog(
            world.federation.origin(region),
            world.logs[region],
            world.witnesses,
            world.regions[region].entries,
        )

    def size(self, region: str) -> int:
        return self.sizes.get(region, len(self.log(region).entries))

    def asked(self, method: str) -> list[bytes]:
        """The requests of one method."""
        return [data for name, data in self.calls if name == method]

    # --- methods --------------------------------------------------------------------------

    def answer(self, name: str, request: Any, context: Any) -> Any:
        if name in self.lies:
            return self.lies[name](request, context)
        return getattr(self, f"_{name.partition('/')[2]}")(request, context)

    def _GetCharter(self, request: Any, context: Any) -> Answer:
        return pb.GetCharterResponse(charter=encode_charters(self.world.view.federation))

    def _GetCheckpoint(self, request: Any, context: Any) -> Answer:
        if request.region not in self.world.regions:
            fail(context, grpc.StatusCode.NOT_FOUND, "region-unknown")
        if not self.size(request.region):
            fail(context, grpc.StatusCode.NOT_FOUND, "not-found")
        note = self.log(request.region).note(self.size(request.region))
        return pb.GetCheckpointResponse(note=note)

    def _ListEntries(self, request: Any, context: Any) -> Answer:
        size = self.size(request.region)
        if request.start > size:
            fail(context, grpc.StatusCode.OUT_OF_RANGE, "beyond-checkpoint")
        end = min(size, request.start + (request.limit or 1000))
        return pb.ListEntriesResponse(
            entries=self.log(request.region).entries[request.start : end], size=size
        )

    def _GetConsistency(self, request: Any, context: Any) -> Answer:
        tree = self.log(request.region).tree()
        proof = merkle.consistency_proof(tree.nodes, request.old_size, request.new_size)
        return pb.GetConsistencyResponse(hashes=proof)

    def _GetInclusion(self, request: Any, context: Any) -> Answer:
        tree = self.log(request.region).tree()
        proof = merkle.inclusion_proof(tree.nodes, request.index, request.size)
        return pb.GetInclusionResponse(hashes=proof)

    def _GetTile(self, request: Any, context: Any) -> Answer:
        fail(context, grpc.StatusCode.NOT_FOUND, "not-found")

    def _GetBlobs(self, request: Any, context: Any) -> Iterator[Answer]:
        stored = self.world.blobs if self.blobs is None else self.blobs
        for name in request.names:
            data = stored.get(name)
            if data is None:
                error = pb.ItemError(code=5, reason="not-found")
                yield pb.GetBlobsResponse(name=name, error=error)
                continue
            yield from chunks(name, data)

    def _GetWitnessed(self, request: Any, context: Any) -> Answer:
        return pb.GetWitnessedResponse(note=self.log(request.region).note())

    def _Watch(self, request: Any, context: Any) -> Iterator[Answer]:
        sent: dict[str, int] = {}
        while context.is_active():
            for region in request.regions or sorted(self.world.regions):
                if sent.get(region) != self.size(region):
                    sent[region] = self.size(region)
                    note = self.log(region).note(self.size(region))
                    yield pb.WatchResponse(region=region, note=note)
            time.sleep(_SHORT)

    def _GetNode(self, request: Any, context: Any) -> Answer:
        return directory_pb2.GetNodeResponse(
            region="110000",
            version="0.1",
            federation=self.world.federation.id,
            time_ms=1000 * self.world.now,
            leader=True,
            epoch=self.world.epoch,
        )


def constant(answer: Answer) -> Method:
    """A method that always gives the same answer."""
    return lambda _request, _context: answer


def chunks(name: bytes, data: bytes, size: int = CHUNK) -> Iterator[Answer]:
    """A blob as the proto says: chunks with `more`, the last one without."""
    for at in range(0, max(1, len(data)), size):
        part = data[at : at + size]
        yield pb.GetBlobsResponse(name=name, data=part, more=at + size < len(data))


def fail(context: Any, code: grpc.StatusCode, reason: str, retry_ms: int | None = None) -> NoReturn:
    """End a call with a rich status, as nodes do."""
    details: list[Message] = [ErrorInfo(reason=reason, domain="guosuo")]
    if retry_ms is not None:
        retry = RetryInfo()
        retry.retry_delay.FromMilliseconds(retry_ms)
        details.append(retry)
    packed = [Packed() for _ in details]
    for one, detail in zip(packed, details, strict=True):
        one.Pack(detail)
    status = Status(code=code.value[0], message=reason, details=packed)
    context.set_trailing_metadata([(DETAILS_KEY, status.SerializeToString())])
    context.abort(code, reason)
    raise AssertionError


class _Handler(grpc.GenericRpcHandler):
    def __init__(self, node: FakeNode) -> None:
        self.node = node

    def service(self, details: Any) -> Any:
        name = str(details.method).removeprefix("/guosuo.v1.")
        if name not in REQUESTS:
            return None
        kind, streams = REQUESTS[name]
        node = self.node

        def unary(data: bytes, context: Any) -> Any:
            node.calls.append((name, data))
            return node.answer(name, kind.FromString(data), context)

        def stream(data: bytes, context: Any) -> Any:
            yield from unary(data, context)

        if streams:
            return grpc.unary_stream_rpc_method_handler(stream, response_serializer=_octets)
        return grpc.unary_unary_rpc_method_handler(unary, response_serializer=_octets)


def _octets(answer: Answer) -> bytes:
    return answer if isinstance(answer, bytes) else answer.SerializeToString()


@contextmanager
def serving(node: FakeNode, tls: tuple[bytes, bytes] | None = None) -> Iterator[str]:
    """Serve on loopback; the address. With `tls` (key, certificate) by TLS."""
    pool = ThreadPoolExecutor(16)
    server = grpc.server(
        pool,
        handlers=[_Handler(node)],
        options=[("grpc.so_reuseport", 0), ("grpc.max_send_message_length", 64 << 20)],
    )
    if tls is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([tls]))
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait()
        pool.shutdown()
