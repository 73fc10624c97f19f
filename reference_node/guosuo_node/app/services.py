"""What a node offers to others, in plain types: the application's side of proto/guosuo/v1.

The RPC room translates and checks form: regions are well-formed codes, names are 32
octets, sizes and counts are inside the bounds of the .proto files. What the arguments mean
is checked behind these interfaces. A method raises `PeerError` for octets that are
refused and `ServiceError` for what stands against an answer; anything else is a bug and
reaches the caller as INTERNAL without a word.

Every method may be cancelled at any `await`: what must not be torn is shielded behind it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class Judged(StrEnum):
    """The four judgements on an epoch, and none yet."""

    NONE = "none"
    ADMIT = "admit"
    HOLD = "hold"
    LATE = "late"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Entries:
    """Some entries of a log, and how many a reader may have in all."""

    entries: tuple[bytes, ...]
    size: int


@dataclass(frozen=True, slots=True)
class BlobPart:
    """A piece of a blob, and the octets of the whole."""

    data: bytes
    size: int


@dataclass(frozen=True, slots=True)
class Note:
    """A checkpoint of a region, as a signed note."""

    region: str
    note: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionState:
    """How one region stands in this node's eyes; fields as in `RegionStatus`."""

    region: str
    name: str
    epoch: int | None
    revision: int
    size: int
    judgement: Judged
    lag_seconds: int
    reason: str
    last_contact: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeState:
    """What this node is; fields as in `GetNodeResponse`."""

    region: str
    version: str
    federation: bytes
    time_ms: int
    leader: bool
    epoch: int
    waiting: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundlePlace:
    """Where the bundle of one gate and policy is found; fields as in `Bundle`."""

    region: str
    policy: str
    list_index: int
    revision: int
    blobs: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Enrolling:
    """An enrolment request. Personal data: its repr is empty."""

    request: bytes = field(repr=False)
    evidence: bytes = field(repr=False)
    identification: str = field(repr=False)


class FederationService(Protocol):
    """Public records of all regions; witnessing; portable evidence."""

    async def charter(self) -> bytes:
        """SignedCharter of the version in force."""
        ...

    async def checkpoint(self, region: str) -> bytes:
        """The newest note with k cosignatures; `NOT_FOUND` before the first one."""
        ...

    async def entries(self, region: str, start: int, limit: int, octets: int) -> Entries:
        """Entries from `start` on, as far as the published checkpoint covers them.

        At most `limit` of them, and no more than `octets` in all, but at least one where
        there is one. `BEYOND_CHECKPOINT` for a start beyond the size; none at the size.
        """
        ...

    async def consistency(self, region: str, old_size: int, new_size: int) -> tuple[bytes, ...]:
        """RFC 6962 consistency proof; `BEYOND_CHECKPOINT` for sizes beyond it."""
        ...

    async def inclusion(self, region: str, index: int, size: int) -> tuple[bytes, ...]:
        """RFC 6962 inclusion proof; `BEYOND_CHECKPOINT` for sizes beyond it."""
        ...

    async def tile(self, region: str, path: str) -> bytes:
        """The tile of that C2SP path (already of the right form); `NOT_FOUND`."""
        ...

    async def blob(self, name: bytes, offset: int, limit: int) -> BlobPart:
        """At most `limit` octets of a blob from `offset` on; `NOT_FOUND`."""
        ...

    async def add_checkpoint(
        self, peer: str, note: bytes, old_size: int, proof: tuple[bytes, ...]
    ) -> bytes:
        """This witness's cosignature line, once the checkpoint is on disk.

        `peer` is the member or witness that asks, by its certificate; the note's own
        signature decides. `WITNESS_SIZE`, `WITNESS_CONFLICT`; `PeerError` for a bad note.
        """
        ...

    async def witnessed(self, region: str) -> bytes:
        """The largest note of that log that this witness cosigned or was asked to."""
        ...

    def watch(self, regions: tuple[str, ...]) -> AsyncGenerator[Note, None]:
        """The newest checkpoint of each region at once, then each newer one; all if empty.

        Never ends by itself. Holds the newest note of each region at most, however slowly
        it is read.
        """
        ...

    async def submit_report(self, peer: str, report: bytes) -> None:
        """Check and keep portable evidence; `PeerError` if it proves nothing."""
        ...

    async def reports(self, region: str, epoch: int, start: int) -> tuple[bytes, ...]:
        """Reports about one epoch from the `start`-th on; at most 256 and 1 MiB."""
        ...


class DirectoryService(Protocol):
    """Regions, this node, and where wallets find bundles."""

    async def regions(self) -> tuple[RegionState, ...]:
        """Every member of the charter in force, in its order."""
        ...

    async def node(self) -> NodeState:
        """What this node is, now."""
        ...

    async def bundles(self, epoch: int) -> tuple[BundlePlace, ...]:
        """Bundles of all regions whose list of that epoch this node has."""
        ...


class EnrolmentService(Protocol):
    """Enrolment at the node's own region."""

    async def offer(self) -> bytes:
        """A signed offer; `NOT_LEADER`, `BUSY`."""
        ...

    async def enrol(self, enrolling: Enrolling) -> bytes:
        """The answer, a grant or a signed refusal, once it is on disk.

        The same request again gets the same answer. `PeerError` for octets that are no
        request; `NOT_LEADER`, `RECOVERING`, `STORAGE`, `BUSY`.
        """
        ...


class StatusService(Protocol):
    """Orders and questions of the region's organisations."""

    async def submit_order(self, order: bytes) -> int:
        """Epoch from which the order counts, once it is in the log.

        The same order again is answered as the first time. `PeerError(ORDER)` if it does
        not conform; `OTHER_REGION`, `NOT_LEADER`, `RECOVERING`, `NO_QUORUM`, `STORAGE`.
        """
        ...

    async def find_slots(self, query: bytes) -> tuple[int, ...]:
        """Slots that a signed, fresh query speaks of, ascending."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What one process offers; None is not offered at all (a stand-alone witness)."""

    federation: FederationService
    directory: DirectoryService | None = None
    enrolment: EnrolmentService | None = None
    status: StatusService | None = None
