"""What the store gives back: one frozen class per table that callers look into."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to lead until `until` (Unix seconds), and to write while `number` is current."""

    holder: str
    number: int
    until: int


class OrderState(StrEnum):
    """How far an order has come (closed list)."""

    QUEUED = "queued"
    LOGGED = "logged"


@dataclass(frozen=True, slots=True)
class QueuedOrder:
    """An order as it was taken from an officer."""

    id: bytes
    place: int
    """Order of arrival, given by the leader."""
    body: bytes = field(repr=False)
    state: OrderState


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """One entry of the node's own log."""

    index: int
    kind: str
    data: bytes = field(repr=False)
    leaf: bytes = field(repr=False)
    """The leaf's hash in the log's tree."""


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A checkpoint that this node signed."""

    size: int
    root: bytes
    note: bytes = field(repr=False)
    """As signed by the log."""
    cosignatures: bytes = field(repr=False)
    """What witnesses added so far."""
    published: bool
    """Readers may have it."""


@dataclass(frozen=True, slots=True)
class Peer:
    """How far following another region has come."""

    region: str
    cursor: int
    """Entries of its log that were taken in."""
    seen: int
    """When it answered last (Unix seconds; 0: never)."""
    failures: int
    """Failed attempts since then."""
    retry: int
    """Not to be asked before (Unix seconds)."""


@dataclass(frozen=True, slots=True)
class StoredJudgement:
    """This node's verdict on one revision of a region's epoch."""

    region: str
    epoch: int
    revision: int
    verdict: str
    rule: str
    entry: bytes | None
    """Hash of the judged epoch entry; None if there was none."""
    state: bytes | None
    """Hash of the region's state after it."""
    made: int
    """Unix seconds."""


@dataclass(frozen=True, slots=True)
class Witnessed:
    """The largest checkpoint of a log that this node's witness cosigned."""

    origin: str
    size: int
    root: bytes
    note: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class StoredEvidence:
    """Proof of somebody's fault that anybody can check."""

    hash: bytes
    kind: str
    data: bytes = field(repr=False)
    found: int
    """Unix seconds."""


@dataclass(frozen=True, slots=True)
class StoredReport:
    """A report about buckets of one region's epoch."""

    hash: bytes
    region: str
    epoch: int
    data: bytes = field(repr=False)
    found: int
    """Unix seconds."""
