"""The service Federation of one node: public records, witnessing, portable evidence.

Whatever comes back has the form and the bounds of proto/guosuo/v1/federation.proto, and
blobs have the hash they are named by. What notes, proofs and entries say is for the
caller to check: `guosuo.client.mirror` does it for wallets and checkpoints.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Final

from guosuo.client import bounds
from guosuo.client.blobs import MAX_NAMES, Blob, stream_blobs
from guosuo.client.channel import NodeChannel
from guosuo.client.errors import NOT_FOUND, NodeError, NodeFailure
from guosuo.errors import PeerError, Reason
from guosuo.federation.records import MAX_ENTRY
from guosuo.federation.tiles import MAX_BUNDLE
from guosuo.pb import federation_pb2 as pb
from guosuo.pb.federation_pb2_grpc import FederationStub

MAX_ENTRIES: Final = 1000
"""Entries in one answer at most."""
MAX_TOGETHER: Final = 1 << 20
"""Octets of entries or reports in one answer, beyond which it holds only one."""
MAX_COSIGNATURE: Final = 512
MAX_REPORT: Final = 512 << 10
MAX_PAGE: Final = 256
"""Reports in one answer at most."""
MAX_REPORTS: Final = 4096
"""Reports about one epoch at most; 16 MiB of them."""
_MAX_REPORT_OCTETS: Final = 16 << 20


class FederationClient:
    """One node, asked for public records. Raises `NodeFailure` and `PeerError` throughout.

    All calls may run at once on one channel.
    """

    def __init__(self, channel: NodeChannel) -> None:
        """The channel stays its owner's, to be closed by him."""
        self.channel = channel
        self._stub = FederationStub(channel.raw)

    def move(self, channel: NodeChannel) -> None:
        """Ask over another channel from now on; calls that run end on the one before."""
        self.channel = channel
        self._stub = FederationStub(channel.raw)

    @property
    def target(self) -> str:
        """The node's address."""
        return self.channel.target

    async def charter(self) -> bytes:
        """All versions of the charter that the node knows, unchecked."""
        answer = await self.channel.call(self._stub.GetCharter, pb.GetCharterRequest())
        return bounds.octets(answer.charter, bounds.MAX_CHARTER)

    async def checkpoint(self, region: str) -> bytes | None:
        """The newest cosigned note that the node has; None before the first."""
        request = pb.GetCheckpointRequest(region=region)
        try:
            answer = await self.channel.call(self._stub.GetCheckpoint, request)
        except NodeError as error:
            if error.reason == NOT_FOUND:
                return None
            raise
        return bounds.octets(answer.note, bounds.MAX_NOTE)

    async def entries(
        self, region: str, start: int, limit: int = MAX_ENTRIES
    ) -> tuple[list[bytes], int]:
        """Signed entries from index `start` on, and how many the node's checkpoint covers.

        At least one if there is one; fewer than `limit` do not mean that it is the end.
        """
        request = pb.ListEntriesRequest(region=region, start=start, limit=limit)
        answer = await self.channel.call(self._stub.ListEntries, request)
        found = bounds.items(
            answer.entries, min(limit or MAX_ENTRIES, MAX_ENTRIES), MAX_ENTRY, MAX_TOGETHER
        )
        size = bounds.number(answer.size)
        if start + len(found) > size or (start < size and not found):
            raise PeerError(Reason.MESSAGE_VALUE, "other entries than the size allows")
        return found, size

    async def consistency(self, region: str, old: int, new: int) -> tuple[bytes, ...]:
        """Proof that the log of `old` entries begins that of `new`."""
        request = pb.GetConsistencyRequest(region=region, old_size=old, new_size=new)
        answer = await self.channel.call(self._stub.GetConsistency, request)
        return bounds.hashes(answer.hashes)

    async def inclusion(self, region: str, index: int, size: int) -> tuple[bytes, ...]:
        """Proof that entry `index` is in the log of `size` entries."""
        request = pb.GetInclusionRequest(region=region, index=index, size=size)
        answer = await self.channel.call(self._stub.GetInclusion, request)
        return bounds.hashes(answer.hashes)

    async def tile(self, region: str, path: str) -> bytes:
        """The octets of a tile or bundle by its path."""
        answer = await self.channel.call(
            self._stub.GetTile, pb.GetTileRequest(region=region, path=path)
        )
        return bounds.octets(answer.data, MAX_BUNDLE)

    # --- blobs ----------------------------------------------------------------------------

    async def stream_blobs(self, names: Sequence[bytes]) -> AsyncGenerator[Blob, None]:
        """Any number of blobs as they come, each with its reason if there is none.

        A stream that breaks ends the iteration; what came before it counts.
        """
        wanted = list(dict.fromkeys(bounds.hashes(names, len(names))))
        for at in range(0, len(wanted), MAX_NAMES):
            some = stream_blobs(self.channel, self._stub, wanted[at : at + MAX_NAMES])
            async with aclosing(some):
                async for blob in some:
                    yield blob

    async def blobs(self, names: Sequence[bytes]) -> dict[bytes, bytes]:
        """Blobs by name, each at most 16 MiB and of the right hash; missing ones are absent.

        Raises only if the stream broke before the first blob had come.
        """
        found: dict[bytes, bytes] = {}
        stream = self.stream_blobs(names)
        try:
            async with aclosing(stream):
                async for blob in stream:
                    if blob.data is not None:
                        found[blob.name] = blob.data
        except (NodeFailure, PeerError):
            if not found:
                raise
        return found

    # --- witnessing -----------------------------------------------------------------------

    async def add_checkpoint(self, note: bytes, old_size: int, proof: Sequence[bytes]) -> bytes:
        """The node's cosignature line for a checkpoint that goes on from `old_size`.

        `WitnessSize` if it remembers another size: ask `witnessed` and prove from there.
        """
        request = pb.AddCheckpointRequest(note=note, old_size=old_size, proof=list(proof))
        answer = await self.channel.call(self._stub.AddCheckpoint, request)
        return bounds.octets(answer.cosignature_line, MAX_COSIGNATURE)

    async def witnessed(self, region: str) -> bytes | None:
        """The largest note of that log which the node cosigned or was asked to; None if none."""
        request = pb.GetWitnessedRequest(region=region)
        try:
            answer = await self.channel.call(self._stub.GetWitnessed, request)
        except NodeError as error:
            if error.reason == NOT_FOUND:
                return None
            raise
        return bounds.octets(answer.note, bounds.MAX_NOTE)

    async def watch(self, regions: Sequence[str] = ()) -> AsyncGenerator[tuple[str, bytes], None]:
        """(region, note): the newest checkpoint of each region at once, then newer ones.

        None named stands for all. Ends only by `NodeFailure` or `PeerError`; then it is
        simply called again. Close it (`contextlib.aclosing`) to stop.
        """
        wanted = frozenset(regions) or None
        request = pb.WatchRequest(regions=list(regions))
        stream = self.channel.stream(self._stub.Watch, request, deadline=None)
        async with aclosing(stream):
            async for answer in stream:
                region = bounds.region(answer.region, wanted)
                yield region, bounds.octets(answer.note, bounds.MAX_NOTE)

    # --- evidence -------------------------------------------------------------------------

    async def submit_report(self, report: bytes) -> None:
        """Hand portable evidence over; `NodeError` if the node says that it proves nothing."""
        request = pb.SubmitReportRequest(report=report)
        await self.channel.call(self._stub.SubmitReport, request)

    async def reports(self, region: str, epoch: int) -> list[bytes]:
        """All evidence that the node has about one epoch of a region."""
        found: list[bytes] = []
        while True:
            request = pb.ListReportsRequest(region=region, epoch=epoch, start=len(found))
            answer = await self.channel.call(self._stub.ListReports, request)
            page = bounds.items(answer.reports, MAX_PAGE, MAX_REPORT, MAX_REPORT + MAX_TOGETHER)
            found += page
            if not page:
                return found
            if len(found) > MAX_REPORTS or sum(map(len, found)) > _MAX_REPORT_OCTETS:
                raise PeerError(Reason.TOO_LONG)
