"""The evidence integer: message 2 of a credential, entry of policy tables (GS-EVID-1).

    bits   63–60  59–56  55–40    39–32  31–24   23–16        15–8       7–0
           layout kind   product  doses  series  class_start  class_end  zero

Layout 1 is this page: this packing, these age classes, these dose patterns. The
products are a registry of their own (append-only). The integer lies in
[2^60, 2^64): never 0, below the group order, and different for different fields.

Ages are classes between breakpoints that rules of the federation use, because
an exact age would be a name. A value carries the class at the start of an epoch and at
the end of the key's listing life; in between the age passes every class from the
first to the second and no other.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

from guosuo.errors import CallerError, PeerError, Reason
from guosuo.evidence.facts import EvidenceFact, check_document
from guosuo.evidence.payload import Private
from guosuo.evidence.registry import EvidenceKind

SECONDS_PER_HOUR: Final = 3600
_DAY: Final = 24

BREAKPOINT_HOURS: Final = (
    *(0, 24, 48, 72, 96),
    *(days * _DAY for days in (7, 10, 11, 14, 15, 21, 22, 28, 90, 120)),
    *(days * _DAY for days in (180, 181, 210, 270, 360, 365, 386)),
)
"""Ages at which some rule changes its mind, in hours; limits of clauses must be among them.

Those of the production rules of January and June 2022. The list belongs to the
layout: another list is another one, because classes are numbered by it (GS-EVID-2).
"""

_BREAKPOINTS: Final = tuple(hours * SECONDS_PER_HOUR for hours in BREAKPOINT_HOURS)

FUTURE: Final = 0
"""Class of ages below zero: the event has not happened yet. No clause accepts it."""

BEYOND: Final = len(BREAKPOINT_HOURS)
"""The last class, open upwards. Class c between the two is [b_(c−1), b_c)."""

LAYOUT: Final = 1

_LAYOUT_SHIFT: Final = 60
_KIND_SHIFT: Final = 56
_PRODUCT_SHIFT: Final = 40
_DOSES_SHIFT: Final = 32
_SERIES_SHIFT: Final = 24
_START_SHIFT: Final = 16
_END_SHIFT: Final = 8

_MASK_4: Final = (1 << 4) - 1
_MASK_8: Final = (1 << 8) - 1
_MASK_16: Final = (1 << 16) - 1


def age_class(age_seconds: int) -> int:
    """The class of an age, from `FUTURE` to `BEYOND`.

    >>> age_class(-1) == FUTURE, age_class(0), age_class(24 * 3600 - 1), age_class(24 * 3600)
    (True, 1, 1, 2)
    """
    return bisect_right(_BREAKPOINTS, age_seconds)


def class_bounds(index: int) -> tuple[int | None, int | None]:
    """First age of a class and first age after it, in seconds; None where it is open."""
    if not FUTURE <= index <= BEYOND:
        raise CallerError(Reason.ARGUMENT, "no such age class")
    first = None if index == FUTURE else _BREAKPOINTS[index - 1]
    return first, None if index == BEYOND else _BREAKPOINTS[index]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class EvidenceValue(Private):
    """The fields of an evidence integer, valid together (`CallerError(ARGUMENT)` if not)."""

    kind: EvidenceKind
    product: int
    """Code of the registry for this kind, or `OTHER`."""
    doses: int
    """Doses and series as in the fact."""
    series: int
    class_start: int
    class_end: int
    """Never below `class_start`: ages grow."""

    def __post_init__(self) -> None:
        """Check the fields against each other."""
        check_document(self.kind, self.product, (self.doses, self.series))
        if not FUTURE <= self.class_start <= self.class_end <= BEYOND:
            raise CallerError(Reason.ARGUMENT, "no such pair of age classes")


def pack(value: EvidenceValue) -> int:
    """The integer of a value, in [2^60, 2^64)."""
    return (
        LAYOUT << _LAYOUT_SHIFT
        | value.kind << _KIND_SHIFT
        | value.product << _PRODUCT_SHIFT
        | value.doses << _DOSES_SHIFT
        | value.series << _SERIES_SHIFT
        | value.class_start << _START_SHIFT
        | value.class_end << _END_SHIFT
    )


def unpack(value: int) -> EvidenceValue:
    """The only fields that pack to `value`; `PeerError(EVIDENCE)` if there are none."""
    try:
        fields = EvidenceValue(
            kind=EvidenceKind(value >> _KIND_SHIFT & _MASK_4),
            product=value >> _PRODUCT_SHIFT & _MASK_16,
            doses=value >> _DOSES_SHIFT & _MASK_8,
            series=value >> _SERIES_SHIFT & _MASK_8,
            class_start=value >> _START_SHIFT & _MASK_8,
            class_end=value >> _END_SHIFT & _MASK_8,
        )
    except (ValueError, CallerError):
        fields = None
    # Layout, reserved bits and everything above bit 63 in one comparison.
    if fields is None or pack(fields) != value:
        raise PeerError(Reason.EVIDENCE, "not an evidence value")
    return fields


def value_at(fact: EvidenceFact, *, start: int, end: int) -> int:
    """The evidence integer of `fact` for an epoch, the same everywhere (GS-EVID-3).

    `start` is the first second of the epoch, `end` the first second after the
    key's listing life (Unix seconds): lists are valid in [start, end), so the
    second class is that of the age at `end` − 1, the last second in which the
    value can be shown. Ages and breakpoints are whole seconds, hence no moment in
    between falls into another class. An event inside the life has age 0 at its
    start: nobody signs evidence before its event, so the value cannot be shown
    earlier. Raises `CallerError(ARGUMENT)` unless start < end.
    """
    if start >= end:
        raise CallerError(Reason.ARGUMENT, "an epoch ends after it starts")
    first = fact.event_time if start < fact.event_time < end else start
    return pack(
        EvidenceValue(
            kind=fact.kind,
            product=fact.product,
            doses=fact.doses,
            series=fact.series,
            class_start=age_class(first - fact.event_time),
            class_end=age_class(end - 1 - fact.event_time),
        )
    )
