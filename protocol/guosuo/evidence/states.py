"""What rules can see of a document: its shape, which stays, and its state, which time moves on.

Two documents of the same shape are judged alike by every rule of the federation
at all moments at which they are in the same state.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from itertools import product as combinations
from typing import Final

from guosuo.errors import CallerError, Reason
from guosuo.evidence.limits import (
    BIRTH_LIMITS,
    SECONDS_PER_DAY,
    age_class,
    limits_passed,
)
from guosuo.evidence.private import Private
from guosuo.evidence.registry import OTHER, EvidenceKind, registered

COUNTED_DOSES: Final = 3
"""Up to this, doses and series are compared with numbers exactly, and with each other always."""

MAX_DOSES: Final = 12
"""Bound of doses and series in evidence. Some rules refuse more; nobody has had more."""

NO_DOSES: Final = (0, 0)
"""The dose pattern of everything but a vaccination."""

DOSE_PATTERNS: Final = (
    *((1, 1), (2, 2), (3, 3), (4, 4)),
    *((1, 2), (1, 3), (2, 3), (3, 4)),
    *((2, 1), (3, 1), (3, 2), (4, 2), (4, 3)),
)
"""Every (doses, series) that `dose_pattern` gives."""

_LATEST_START: Final = 11 * SECONDS_PER_DAY
_LAST_END: Final = 180 * SECONDS_PER_DAY


def dose_pattern(doses: int, series: int) -> tuple[int, int]:
    """(doses, series) as far as rules look at them (GS-EVID-5).

    Exact afterwards: every comparison with numbers up to `COUNTED_DOSES` or from
    `MAX_DOSES` on, and every comparison of the two. Beyond, the third dose of a series
    is told from further ones only after a series of two or three.
    Raises `CallerError(ARGUMENT)` outside of 1 to `MAX_DOSES`.

    >>> dose_pattern(2, 2), dose_pattern(2, 7), dose_pattern(7, 7), dose_pattern(7, 9)
    ((2, 2), (2, 3), (4, 4), (3, 4))
    >>> dose_pattern(2, 1), dose_pattern(7, 1), dose_pattern(3, 2), dose_pattern(7, 6)
    ((2, 1), (3, 1), (3, 2), (4, 3))
    """
    if not (1 <= doses <= MAX_DOSES and 1 <= series <= MAX_DOSES):
        raise CallerError(Reason.ARGUMENT, "doses are counted from 1 to 12")
    if doses < series:
        shown = min(doses, COUNTED_DOSES)
        return shown, max(min(series, COUNTED_DOSES), shown + 1)
    shown = min(series, COUNTED_DOSES + (doses == series))
    return min(doses, COUNTED_DOSES + (series > 1)), shown


@cache
def dose_members(pattern: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """Every (doses, series) of documents with a pattern, the pattern itself first."""
    numbers = range(1, MAX_DOSES + 1)
    found = [pair for pair in combinations(numbers, numbers) if dose_pattern(*pair) == pattern]
    return tuple(sorted(found, key=lambda pair: (pair != pattern, pair)))


def dose_patterns(kind: EvidenceKind) -> tuple[tuple[int, int], ...]:
    """Every (doses, series) that a document of this kind can have."""
    return DOSE_PATTERNS if kind is EvidenceKind.VACCINATION else (NO_DOSES,)


def products(kind: EvidenceKind) -> frozenset[int]:
    """Every product that a document of this kind can have: `OTHER`, too, but of recoveries.

    There is only one sort of recovery, so none is another.
    """
    return registered(kind) | (set() if kind is EvidenceKind.RECOVERY else {OTHER})


@dataclass(frozen=True, slots=True, order=True)
class Shape:
    """What a document always shows. `CallerError(ARGUMENT)` for fields that do not go together."""

    kind: EvidenceKind
    product: int
    """Code of the registry for this kind, or `OTHER`."""
    doses: int = 0
    """Doses received and doses of the series as `dose_pattern` gives them; else 0."""
    series: int = 0

    def __post_init__(self) -> None:
        """Check the fields against the registries."""
        if self.product not in products(self.kind):
            raise CallerError(Reason.ARGUMENT, "a product of another kind, or of none")
        if (self.doses, self.series) not in dose_patterns(self.kind):
            raise CallerError(Reason.ARGUMENT, "doses that no document of this kind has")


class Band(IntEnum):
    """The holder's age. The first three are part of the evidence integer, for a whole life."""

    OTHER = 0
    """In integers: any of the others, or one after the other; rules must accept all."""
    MINOR = 1
    """No limit of full age passed."""
    ADULT = 2
    """All passed."""
    UNKNOWN = 3
    """At a moment: the document has no birth date."""
    BETWEEN = 4
    """At a moment: 18 years old by the calendar, but not yet 6575 days. Most years have such a day
    for nobody, the others for those whose 18 years had four leap days."""


CONCRETE_BANDS: Final = (Band.UNKNOWN, Band.MINOR, Band.BETWEEN, Band.ADULT)
"""What `Band.OTHER` may mean at a moment."""

BANDED: Final = frozenset({EvidenceKind.VACCINATION, EvidenceKind.RECOVERY})
"""Kinds whose integers tell the band. No rule asks for the age of people with tests, and the
many devices would make three times as many values of it: tests are always `Band.OTHER`."""


class Phase(IntEnum):
    """A clock against the validity that a recovery gives itself: `df`, `du` (GS-EVID-12)."""

    BEFORE = 1
    """clock < df"""
    VALID = 2
    """df <= clock <= du"""
    AFTER = 3
    """clock > du, from one second after the midnight that begins the last day: so rules compare."""


@dataclass(frozen=True, slots=True, order=True)
class Validity:
    """A recovery's own validity: where the clock is, and what rules ask of its ends."""

    phase: Phase
    starts_late: bool
    """df >= fr + 11 days; never changes."""
    ends_early: bool
    """du <= fr + 180 days; never changes."""


@dataclass(frozen=True, slots=True, order=True)
class State:
    """What time changes: how many limits of its kind the event has behind it, and more."""

    age: int
    validity: Validity | None = None
    """Of recoveries."""
    band: Band = Band.OTHER


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Dates(Private):
    """The dates of a document, in Unix seconds. `CallerError(ARGUMENT)` for validities out of form.

    They are minimal, but personal: a node and a wallet keep them for as long as
    they sign and check values, the birth date for the band alone.
    """

    event: int
    """Sample taken, or 00:00 UTC of the day of vaccination or of the first positive test."""
    born: int | None = None
    """00:00 UTC of the last day that the birth date can mean; None if there is none."""
    valid_from: int | None = None
    """00:00 UTC of a recovery's `df` and `du`."""
    valid_until: int | None = None

    def __post_init__(self) -> None:
        """Check the validity."""
        if (self.valid_from is None) != (self.valid_until is None) or (
            self.valid_from is not None
            and self.valid_until is not None
            and self.valid_until < self.valid_from
        ):
            raise CallerError(Reason.ARGUMENT, "a validity that ends before it begins")


def state_at(kind: EvidenceKind, dates: Dates, moment: int) -> State:
    """The state of a document at a moment, with a concrete band."""
    return State(
        age_class(kind, dates.event, moment),
        _validity(dates, moment),
        band_at(dates.born, moment),
    )


def _validity(dates: Dates, moment: int) -> Validity | None:
    if dates.valid_from is None or dates.valid_until is None:
        return None
    if moment < dates.valid_from:
        phase = Phase.BEFORE
    else:
        phase = Phase.VALID if moment <= dates.valid_until else Phase.AFTER
    return Validity(
        phase,
        starts_late=dates.valid_from >= dates.event + _LATEST_START,
        ends_early=dates.valid_until <= dates.event + _LAST_END,
    )


def band_at(born: int | None, moment: int) -> Band:
    """The concrete band of a holder; `born` as in `Dates` (GS-EVID-11)."""
    if born is None:
        return Band.UNKNOWN
    passed = limits_passed(BIRTH_LIMITS, born, moment)
    return (Band.MINOR, Band.BETWEEN, Band.ADULT)[passed]
