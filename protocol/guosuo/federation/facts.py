"""What the judge is told: findings of audits, reports, and proofs (GS-EPOCH-9).

Facts only add up. Findings of one entry join to one, in any order and any number of times.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from guosuo.scheme import KeyId


class Ruling(StrEnum):
    """The four judgements (closed list, as logged)."""

    ADMIT = "admit"
    HOLD = "hold"
    LATE = "late"
    REFUSE = "refuse"


class Rule(StrEnum):
    """Why an epoch was judged as it was (closed list, as logged)."""

    CONFORMS = "conforms"
    # hold: slots without a conforming order
    LEFT_OUT = "left-out"
    BUCKET_FAILS = "bucket-fails"
    BUCKET_MISSING = "bucket-missing"
    # late: may still come
    NO_ENTRY = "no-entry"
    NOT_WITNESSED = "not-witnessed"
    NOT_READABLE = "not-readable"
    FORKED = "forked"
    # refuse: no later byte can mend it
    CHARTER = "charter"
    ENTRY = "entry"
    POSSESSION = "possession"
    KEY_REUSED = "key-reused"
    KEY_SHARED = "key-shared"
    ALLOTMENT = "allotment"
    STATUS_LIST = "status-list"
    BOARD = "board"
    SUSPENDED_SIGNED = "suspended-signed"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of one conforming epoch entry, so far.

    Findings of one entry join to one: more witnesses, more bytes read and more faults
    seen only ever add.
    """

    key: KeyId
    entry: bytes
    """Hash of the signed entry."""
    state: bytes = b""
    """Hash of the state of the region's log after the entry (orders in force, allotments)."""
    line: int = 0
    """How many `successor` records came before the entry."""
    witnessed: bool = True
    unread: frozenset[int] | None = frozenset()
    """Buckets not read so far, by their first slots; None if more than buckets is unread."""
    left_out: frozenset[int] = frozenset()
    """Slots in force that are not signed."""
    failing: frozenset[int] = frozenset()
    """Buckets that fail, by their first slots."""
    refused: Rule | None = None
    """A fault that no later byte can mend."""
    active: int = 0
    """Slots signed."""
    cuts: frozenset[KeyId] = frozenset()
    """Own keys that the entry declares stolen."""
    whole_since: int = 0
    """The entry signs every slot that any entry of this or a later epoch number signed."""
    charter: int = 1
    """The version of the charter that the log had adopted before the entry."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A logged report of another region that a bucket of a board cannot be had.

    The feeder checks that the board names the bucket and that it was assigned to the
    reporter.
    """

    reporter: str
    key: KeyId
    first: int


@dataclass(frozen=True, slots=True)
class Void:
    """An entry of an epoch number that does not conform; it changes no state."""

    region: str
    epoch: int
    entry: bytes
    rule: Rule


@dataclass(frozen=True, slots=True)
class Shared:
    """A key that stands in two logs: somebody knows both secrets."""

    key: KeyId


@dataclass(frozen=True, slots=True)
class Exposed:
    """A key whose secret is public."""

    key: KeyId


@dataclass(frozen=True, slots=True)
class Fork:
    """Two checkpoints of one region that cannot both belong to one history."""

    region: str
    line: int
    """The line of history that forked."""
    after: int
    """Last epoch number whose entries both histories contain."""


@dataclass(frozen=True, slots=True)
class Amended:
    """There is a version of the charter that every log has to adopt (GS-REC-21)."""

    version: int
    adopt_by: int
    """The first epoch that is refused of logs that have not."""


Fact: TypeAlias = Finding | Missing | Void | Shared | Exposed | Fork | Amended


def join(one: Finding, other: Finding) -> Finding:
    """The finding that says what both say.

    Of different entries under one name (a fork) the later line counts, then the greater
    hash: any fixed choice, since a fork is proven by its checkpoints.
    """
    if (one.line, one.entry) != (other.line, other.entry):
        return max(one, other, key=lambda f: (f.line, f.entry))
    if one.unread is None or other.unread is None:
        unread = other.unread if one.unread is None else one.unread
    else:
        unread = one.unread & other.unread
    refusals = [rule for rule in (one.refused, other.refused) if rule is not None]
    return Finding(
        key=one.key,
        entry=one.entry,
        state=max(one.state, other.state),
        line=one.line,
        witnessed=one.witnessed or other.witnessed,
        unread=unread,
        left_out=one.left_out | other.left_out,
        failing=one.failing | other.failing,
        refused=max(refusals, default=None),
        active=max(one.active, other.active),
        cuts=one.cuts | other.cuts,
        whole_since=max(one.whole_since, other.whole_since),
        charter=max(one.charter, other.charter),
    )
