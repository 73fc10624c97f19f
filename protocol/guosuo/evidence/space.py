"""Everything that evidence can be: all shapes, and all ways through their states.

Policies are compiled by asking the rules about a sample of every state that a value
can pass in its life (GS-POLICY-2): the value is accepted if all are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import product as combinations
from typing import Final, NamedTuple

from guosuo.errors import CallerError, Reason
from guosuo.evidence.limits import LIMITS, SECONDS_PER_DAY
from guosuo.evidence.registry import EvidenceKind
from guosuo.evidence.samples import sample, samples
from guosuo.evidence.states import (
    BANDED,
    CONCRETE_BANDS,
    Band,
    Dates,
    Phase,
    Shape,
    State,
    Validity,
    dose_patterns,
    products,
    state_at,
)
from guosuo.evidence.value import pack, shown, unpack

__all__ = [
    "Band",
    "Path",
    "Phase",
    "Shape",
    "State",
    "Validity",
    "pack",
    "paths",
    "sample",
    "samples",
    "shapes",
    "unpack",
]

HOUR: Final = 3600
MAX_LIFE: Final = 10 * SECONDS_PER_DAY
"""Bound of a life; a path over many limits needs more reference dates than are taken here."""


class Path(NamedTuple):
    """A pair of states of a value's life and every state in it."""

    first: State
    last: State
    passed: tuple[State, ...]
    """Concrete states that lives of this pair can pass, first and last included."""


@cache
def shapes(kind: EvidenceKind) -> tuple[Shape, ...]:
    """Every shape that a document of this kind can have, in ascending order."""
    return tuple(
        Shape(kind, product, *pattern)
        for product, pattern in combinations(sorted(products(kind)), sorted(dose_patterns(kind)))
    )


@cache
def paths(kind: EvidenceKind, life_seconds: int) -> tuple[Path, ...]:
    """Every path of a life of `life_seconds`, in ascending order of the pairs (GS-EVID-13).

    Of whole hours, it begins at a whole hour, or with the event inside of it. So
    `value_at` gives the pairs of these paths and no others for such lives, whatever
    the fact. All go with all shapes of the kind. `CallerError(ARGUMENT)` for a life
    below a second or over `MAX_LIFE`.
    """
    if not 1 <= life_seconds <= MAX_LIFE:
        raise CallerError(Reason.ARGUMENT, "a life below a second or over ten days")
    bands = (Band.OTHER, Band.MINOR, Band.ADULT) if kind in BANDED else (Band.OTHER,)
    found: dict[tuple[State, State], set[State]] = {}
    for first, last, passed in _walks(kind, life_seconds):
        for band in bands:
            pair = shown(kind, first, band), shown(kind, last, band)
            found.setdefault(pair, set()).update(passed)
    return tuple(
        Path(
            *pair,
            tuple(
                replace(state, band=concrete)
                for state in sorted(found[pair], key=_order)
                for concrete in (CONCRETE_BANDS if pair[0].band is Band.OTHER else (pair[0].band,))
            ),
        )
        for pair in sorted(found, key=lambda pair: (*map(_order, pair), pair[0].band))
    )


def _walks(kind: EvidenceKind, life_seconds: int) -> Iterator[tuple[State, State, list[State]]]:
    """The first, the last and all states of lives, without bands."""
    # Samples are taken at any second; everything else is a matter of days.
    whole = life_seconds % HOUR == 0 and kind is not EvidenceKind.TEST
    grain = HOUR if whole else 1
    for timeline in _timelines(kind):
        starts = [instant for instant, _ in timeline]
        states = [state for _, state in timeline]
        ends = [*starts[1:], starts[-1] + 2 * MAX_LIFE]
        starts[0] -= 2 * MAX_LIFE
        for i, j in combinations(range(len(states)), range(len(states))):
            # Lives that begin in state i, and whose last second is in state j.
            earliest = max(starts[i], starts[j] - life_seconds + 1)
            latest = min(ends[i], ends[j] - life_seconds + 1) - 1
            # They end before the event, or begin not before it, or the event begins them.
            before = min(latest, -life_seconds) // grain * grain
            shortest = max(starts[j] // grain * grain, 0) + grain
            lives = (
                earliest <= before
                or max(earliest, 0) <= latest // grain * grain
                or (starts[i] <= 0 < ends[i] and shortest <= min(ends[j], life_seconds - 1))
            )
            if i <= j and lives:
                yield states[i], states[j], states[i : j + 1]


def _order(state: State) -> tuple[int, int, bool, bool]:
    validity = state.validity
    if validity is None:
        return state.age, 0, False, False
    return state.age, validity.phase, validity.starts_late, validity.ends_early


_Timeline = tuple[tuple[int, State], ...]
"""States in the order in which a document goes through them, each with its first instant."""


@cache
def _timelines(kind: EvidenceKind) -> tuple[_Timeline, ...]:
    """The life of reference documents: together they take every way that documents of a kind do."""
    return tuple(dict.fromkeys(_timeline(kind, dates) for dates in _references(kind)))


def _timeline(kind: EvidenceKind, dates: Dates) -> _Timeline:
    instants = {limit.instant(dates.event) for limit in LIMITS[kind]}
    if dates.valid_from is not None and dates.valid_until is not None:
        instants |= {dates.valid_from, dates.valid_until + 1}
    before = min(instants) - SECONDS_PER_DAY
    return tuple(
        (instant - dates.event, replace(state_at(kind, dates, instant), band=Band.OTHER))
        for instant in (before, *sorted(instants))
    )


def _references(kind: EvidenceKind) -> Iterator[Dates]:
    """Dates of reference documents.

    Months make the distances between limits depend on the date: every day of eight
    years, four of them around the leap day that 2100 does not have. A recovery's own
    ends take every order and every small distance to each other and to the limits.
    """
    match kind:
        case EvidenceKind.TEST:
            yield Dates(event=0)
        case EvidenceKind.VACCINATION:
            # Days with the same distances to all limits have the same timeline.
            events = {
                tuple(limit.instant(event) - event for limit in LIMITS[kind]): event
                for first in (_YEAR_2020, _YEAR_2096)
                for event in range(
                    first * SECONDS_PER_DAY,
                    (first + _FOUR_YEARS) * SECONDS_PER_DAY,
                    SECONDS_PER_DAY,
                )
            }
            yield from (Dates(event=event) for event in events.values())
        case EvidenceKind.RECOVERY:
            amounts = {limit.amount for limit in LIMITS[kind]}
            days = sorted({amount + step for amount in amounts for step in _STEPS})
            for start, end in combinations(days, days):
                if start <= end:
                    yield Dates(
                        event=0,
                        valid_from=start * SECONDS_PER_DAY,
                        valid_until=end * SECONDS_PER_DAY,
                    )


_YEAR_2020: Final = 18_262
_YEAR_2096: Final = 46_021
"""Days from 1970."""
_FOUR_YEARS: Final = 1461
_STEPS: Final = (-20, -1, 0, 1, 20)
