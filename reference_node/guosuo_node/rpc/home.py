"""The services Directory, Enrolment and Status: protobuf in and out of `app.services`."""

from __future__ import annotations

from typing import Any, Final

import grpc.aio

from guosuo.pb import directory_pb2, enrolment_pb2, status_pb2
from guosuo.pb.directory_pb2_grpc import DirectoryServicer
from guosuo.pb.enrolment_pb2_grpc import EnrolmentServicer
from guosuo.pb.status_pb2_grpc import StatusServicer
from guosuo_node.app.services import (
    BundlePlace,
    DirectoryService,
    Enrolling,
    EnrolmentService,
    Judged,
    RegionState,
    StatusService,
)
from guosuo_node.rpc import fields

MAX_REQUEST: Final = 4 << 10
MAX_EVIDENCE: Final = 64 << 10
MAX_IDENTIFICATION: Final = 8 << 10
MAX_ORDER: Final = 512 << 10
MAX_QUERY: Final = 64 << 10

Context = grpc.aio.ServicerContext

_JUDGEMENTS: Final = {
    Judged.NONE: directory_pb2.JUDGEMENT_UNSPECIFIED,
    Judged.ADMIT: directory_pb2.JUDGEMENT_ADMIT,
    Judged.HOLD: directory_pb2.JUDGEMENT_HOLD,
    Judged.LATE: directory_pb2.JUDGEMENT_LATE,
    Judged.REFUSE: directory_pb2.JUDGEMENT_REFUSE,
}


class Directory(DirectoryServicer):
    """How things stand, for anybody."""

    def __init__(self, service: DirectoryService) -> None:
        """`service` is the application's side."""
        self._service = service

    async def ListRegions(
        self, request: directory_pb2.ListRegionsRequest, context: Context[Any, Any]
    ) -> directory_pb2.ListRegionsResponse:
        """Every member of the charter."""
        states = await self._service.regions()
        return directory_pb2.ListRegionsResponse(regions=[_region(state) for state in states])

    async def GetNode(
        self, request: directory_pb2.GetNodeRequest, context: Context[Any, Any]
    ) -> directory_pb2.GetNodeResponse:
        """What this node is."""
        state = await self._service.node()
        return directory_pb2.GetNodeResponse(
            region=state.region,
            version=state.version,
            federation=state.federation,
            time_ms=state.time_ms,
            leader=state.leader,
            epoch=state.epoch,
            waiting=state.waiting,
        )

    async def GetBundles(
        self, request: directory_pb2.GetBundlesRequest, context: Context[Any, Any]
    ) -> directory_pb2.GetBundlesResponse:
        """Bundles of all regions for one epoch."""
        places = await self._service.bundles(request.epoch)
        return directory_pb2.GetBundlesResponse(bundles=[_bundle(place) for place in places])


class Enrolment(EnrolmentServicer):
    """Offers and enrolments. Nothing of a request is kept or logged here."""

    def __init__(self, service: EnrolmentService) -> None:
        """`service` is the application's side."""
        self._service = service

    async def GetOffer(
        self, request: enrolment_pb2.GetOfferRequest, context: Context[Any, Any]
    ) -> enrolment_pb2.GetOfferResponse:
        """A signed offer."""
        return enrolment_pb2.GetOfferResponse(offer=await self._service.offer())

    async def Enrol(
        self, request: enrolment_pb2.EnrolRequest, context: Context[Any, Any]
    ) -> enrolment_pb2.EnrolResponse:
        """A grant or a signed refusal."""
        enrolling = Enrolling(
            request=fields.octets("request", request.request, MAX_REQUEST),
            evidence=fields.octets("evidence", request.evidence, MAX_EVIDENCE),
            identification=fields.text(
                "identification", request.identification, MAX_IDENTIFICATION
            ),
        )
        return enrolment_pb2.EnrolResponse(answer=await self._service.enrol(enrolling))


class Status(StatusServicer):
    """Orders and questions of organisations."""

    def __init__(self, service: StatusService) -> None:
        """`service` is the application's side."""
        self._service = service

    async def SubmitOrder(
        self, request: status_pb2.SubmitOrderRequest, context: Context[Any, Any]
    ) -> status_pb2.SubmitOrderResponse:
        """An order into the log."""
        order = fields.octets("order", request.order, MAX_ORDER)
        return status_pb2.SubmitOrderResponse(epoch=await self._service.submit_order(order))

    async def FindSlots(
        self, request: status_pb2.FindSlotsRequest, context: Context[Any, Any]
    ) -> status_pb2.FindSlotsResponse:
        """Slots that a query speaks of."""
        query = fields.octets("query", request.query, MAX_QUERY)
        return status_pb2.FindSlotsResponse(slots=await self._service.find_slots(query))


def _region(state: RegionState) -> directory_pb2.RegionStatus:
    return directory_pb2.RegionStatus(
        region=state.region,
        name=state.name,
        epoch=state.epoch,
        revision=state.revision,
        size=state.size,
        judgement=_JUDGEMENTS[state.judgement],
        lag_seconds=state.lag_seconds,
        reason=state.reason,
        last_contact=state.last_contact,
    )


def _bundle(place: BundlePlace) -> directory_pb2.Bundle:
    return directory_pb2.Bundle(
        region=place.region,
        policy=place.policy,
        list_index=place.list_index,
        revision=place.revision,
        blobs=place.blobs,
    )
