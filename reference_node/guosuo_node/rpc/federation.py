"""The service Federation: protobuf in and out of `app.services.FederationService`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, Final

import grpc.aio

from guosuo.pb import federation_pb2 as pb
from guosuo.pb.federation_pb2_grpc import FederationServicer
from guosuo_node.app.faults import Fault
from guosuo_node.app.services import FederationService
from guosuo_node.rpc import fields
from guosuo_node.rpc.caller import require_peer
from guosuo_node.rpc.errors import Refused, refusal_of, refused

CHUNK: Final = 1 << 20
"""Octets of a blob in one message at most."""
MAX_BLOB: Final = 16 << 20
MAX_ENTRIES_OCTETS: Final = 1 << 20
MAX_NOTE: Final = 64 << 10
MAX_REPORT: Final = 512 << 10

PEERS_ONLY: Final = frozenset(
    f"/guosuo.v1.Federation/{name}" for name in ("AddCheckpoint", "Watch", "SubmitReport")
)
"""Methods that need a member's client certificate."""

Context = grpc.aio.ServicerContext


class Federation(FederationServicer):
    """Reads for anybody, writes and Watch for peers."""

    def __init__(self, service: FederationService) -> None:
        """`service` is the application's side."""
        self._service = service

    async def GetCharter(
        self, request: pb.GetCharterRequest, context: Context[Any, Any]
    ) -> pb.GetCharterResponse:
        """The charter in force."""
        return pb.GetCharterResponse(charter=await self._service.charter())

    async def GetCheckpoint(
        self, request: pb.GetCheckpointRequest, context: Context[Any, Any]
    ) -> pb.GetCheckpointResponse:
        """The newest published checkpoint of a region."""
        note = await self._service.checkpoint(fields.region(request.region))
        return pb.GetCheckpointResponse(note=note)

    async def ListEntries(
        self, request: pb.ListEntriesRequest, context: Context[Any, Any]
    ) -> pb.ListEntriesResponse:
        """Entries from a cursor on."""
        found = await self._service.entries(
            fields.region(request.region),
            fields.index("start", request.start),
            fields.count(request.limit),
            MAX_ENTRIES_OCTETS,
        )
        return pb.ListEntriesResponse(entries=found.entries, size=found.size)

    async def GetConsistency(
        self, request: pb.GetConsistencyRequest, context: Context[Any, Any]
    ) -> pb.GetConsistencyResponse:
        """An RFC 6962 consistency proof."""
        new_size = fields.index("new_size", request.new_size)
        hashes = await self._service.consistency(
            fields.region(request.region),
            fields.index("old_size", request.old_size, new_size),
            new_size,
        )
        return pb.GetConsistencyResponse(hashes=hashes)

    async def GetInclusion(
        self, request: pb.GetInclusionRequest, context: Context[Any, Any]
    ) -> pb.GetInclusionResponse:
        """An RFC 6962 inclusion proof."""
        size = fields.index("size", request.size)
        hashes = await self._service.inclusion(
            fields.region(request.region), fields.index("index", request.index, size - 1), size
        )
        return pb.GetInclusionResponse(hashes=hashes)

    async def GetTile(
        self, request: pb.GetTileRequest, context: Context[Any, Any]
    ) -> pb.GetTileResponse:
        """One tile."""
        data = await self._service.tile(fields.region(request.region), fields.path(request.path))
        return pb.GetTileResponse(data=data)

    async def GetBlobs(
        self, request: pb.GetBlobsRequest, context: Context[Any, Any]
    ) -> AsyncIterator[pb.GetBlobsResponse]:
        """Blobs in chunks; what goes wrong with one ends that one only."""
        for name in fields.names(request.names):
            async for message in self._chunks(name):
                yield message

    async def _chunks(self, name: bytes) -> AsyncIterator[pb.GetBlobsResponse]:
        offset, more = 0, True
        while more:
            try:
                part = await self._service.blob(name, offset, CHUNK)
            except Exception as error:  # noqa: BLE001 - the table knows what may be said of it
                yield _item_error(name, refusal_of(error))
                return
            offset += len(part.data)
            more = offset < part.size
            # A part that brings nothing, or too much, would never end.
            if len(part.data) > CHUNK or part.size > MAX_BLOB or (more and not part.data):
                yield _item_error(name, refused(Fault.INTERNAL))
                return
            yield pb.GetBlobsResponse(name=name, data=part.data, more=more)

    async def AddCheckpoint(
        self, request: pb.AddCheckpointRequest, context: Context[Any, Any]
    ) -> pb.AddCheckpointResponse:
        """This node as witness."""
        line = await self._service.add_checkpoint(
            require_peer(),
            fields.octets("note", request.note, MAX_NOTE),
            fields.index("old_size", request.old_size),
            fields.hashes("proof", request.proof),
        )
        return pb.AddCheckpointResponse(cosignature_line=line)

    async def GetWitnessed(
        self, request: pb.GetWitnessedRequest, context: Context[Any, Any]
    ) -> pb.GetWitnessedResponse:
        """What this witness remembers of a log."""
        note = await self._service.witnessed(fields.region(request.region))
        return pb.GetWitnessedResponse(note=note)

    async def Watch(
        self, request: pb.WatchRequest, context: Context[Any, Any]
    ) -> AsyncIterator[pb.WatchResponse]:
        """Newer checkpoints as they come."""
        require_peer()
        async with aclosing(self._service.watch(fields.regions(request.regions))) as notes:
            async for news in notes:
                yield pb.WatchResponse(region=news.region, note=news.note)

    async def SubmitReport(
        self, request: pb.SubmitReportRequest, context: Context[Any, Any]
    ) -> pb.SubmitReportResponse:
        """Portable evidence from a peer."""
        report = fields.octets("report", request.report, MAX_REPORT)
        await self._service.submit_report(require_peer(), report)
        return pb.SubmitReportResponse()

    async def ListReports(
        self, request: pb.ListReportsRequest, context: Context[Any, Any]
    ) -> pb.ListReportsResponse:
        """Evidence about one epoch, from a cursor on."""
        reports = await self._service.reports(
            fields.region(request.region), request.epoch, request.start
        )
        return pb.ListReportsResponse(reports=reports)


def _item_error(name: bytes, end: Refused) -> pb.GetBlobsResponse:
    error = pb.ItemError(
        code=end.number,
        reason=end.reason,
        retry_after_ms=round((end.retry_after or 0) * 1000),
    )
    return pb.GetBlobsResponse(name=name, error=error)
