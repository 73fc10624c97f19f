"""Acceptance rules over one fact, evaluated in clear and as a set of evidence integers.

A rule is a disjunction of clauses. `accepts_at` evaluates it at a moment;
`accepted_values` compiles it for policy tables. The two agree: for listing lives
of at most `life_seconds`, a fact's value is in the set exactly if the rule
accepts the fact in every second of the life that is not before its event.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product as pairs_of
from typing import Final

from guosuo.errors import CallerError, Reason
from guosuo.evidence.facts import MAX_DOSES, EvidenceFact, dose_patterns
from guosuo.evidence.registry import OTHER, EvidenceKind, registered
from guosuo.evidence.value import (
    BEYOND,
    BREAKPOINT_HOURS,
    FUTURE,
    SECONDS_PER_HOUR,
    EvidenceValue,
    age_class,
    class_bounds,
    pack,
)

MAX_VALUES: Final = 50_000
"""Entries of a policy table (protocol section 7)."""

MAX_CLAUSES: Final = 64

_AGE_CLASSES: Final = range(FUTURE, BEYOND + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One way to satisfy a rule: kind, product, doses, and min ≤ age < max.

    `CallerError(ARGUMENT)` for limits that are not breakpoints of the registry,
    products of another kind, and dose conditions on anything but vaccinations.
    """

    kind: EvidenceKind
    products: frozenset[int] | None = None
    """Codes of the registry; None for every registered one. `OTHER` only if named."""
    min_doses: int = 0
    """Up to `MAX_DOSES`; 0 and 1 are the same for vaccinations."""
    complete_series: bool = False
    """At least as many doses as the series has."""
    min_age_hours: int = 0
    """First age accepted. Events in the future never are."""
    max_age_hours: int | None = None
    """First age refused again; None for no limit."""

    def __post_init__(self) -> None:
        """Check the fields against the registries."""
        known = registered(self.kind) | {OTHER}
        if self.products is not None and not (self.products and self.products <= known):
            raise CallerError(Reason.ARGUMENT, "products of another kind, or none")
        doses = self.kind is EvidenceKind.VACCINATION
        if not 0 <= self.min_doses <= (MAX_DOSES if doses else 0):
            raise CallerError(Reason.ARGUMENT, "a number of doses that is not counted")
        if self.complete_series and not doses:
            raise CallerError(Reason.ARGUMENT, "a series of something that has no doses")
        limits = [self.min_age_hours]
        if self.max_age_hours is not None:
            limits.append(self.max_age_hours)
            if self.max_age_hours <= self.min_age_hours:
                raise CallerError(Reason.ARGUMENT, "an empty range of ages")
        if not set(limits) <= set(BREAKPOINT_HOURS):
            raise CallerError(Reason.ARGUMENT, "an age limit that is not a breakpoint")

    def admits(self, *, product: int, doses: int, series: int) -> bool:
        """Everything but kind and age."""
        allowed = registered(self.kind) if self.products is None else self.products
        complete = doses >= series or not self.complete_series
        return product in allowed and doses >= self.min_doses and complete

    def admits_age(self, age_seconds: int) -> bool:
        """min ≤ age < max."""
        if age_seconds < self.min_age_hours * SECONDS_PER_HOUR:
            return False
        limit = self.max_age_hours
        return limit is None or age_seconds < limit * SECONDS_PER_HOUR


def accepts_at(clauses: Sequence[Clause], fact: EvidenceFact, now: int) -> bool:
    """Whether some clause accepts the fact at `now` (Unix seconds)."""
    age = now - fact.event_time
    return any(
        clause.kind is fact.kind
        and clause.admits(product=fact.product, doses=fact.doses, series=fact.series)
        and clause.admits_age(age)
        for clause in clauses
    )


def accepted_values(clauses: Sequence[Clause], *, life_seconds: int) -> tuple[int, ...]:
    """Every evidence integer that satisfies the rule all its life, ascending.

    A pair of classes is in it only if the rule accepts each class from the first
    to the second, by one clause or by several in turn, and if an age can pass from the
    one to the other within `life_seconds`, the length of [start, end) in
    `value_at`. A deterministic function of the set of clauses (GS-POLICY-2). Raises
    `CallerError(ARGUMENT)` for more than `MAX_CLAUSES`, more than `MAX_VALUES`, or a
    life shorter than a second.
    """
    if life_seconds < 1 or len(clauses) > MAX_CLAUSES:
        raise CallerError(Reason.ARGUMENT, "a life below a second, or too many clauses")
    reachable = _reachable_pairs(life_seconds)
    values: set[int] = set()
    for kind, product, (doses, series) in _documents():
        accepted = _accepted_classes(
            [
                clause
                for clause in clauses
                if clause.kind is kind
                and clause.admits(product=product, doses=doses, series=series)
            ]
        )
        values.update(
            pack(
                EvidenceValue(
                    kind=kind,
                    product=product,
                    doses=doses,
                    series=series,
                    class_start=first,
                    class_end=last,
                )
            )
            for first, last in reachable
            if accepted.issuperset(range(first, last + 1))
        )
        if len(values) > MAX_VALUES:
            raise CallerError(Reason.ARGUMENT, "a rule with too many accepted values")
    return tuple(sorted(values))


def _documents() -> Iterator[tuple[EvidenceKind, int, tuple[int, int]]]:
    """Every combination of kind, product and doses that a fact can have."""
    for kind in EvidenceKind:
        products = sorted(registered(kind) | {OTHER})
        for product, pattern in pairs_of(products, dose_patterns(kind)):
            yield kind, product, pattern


def _accepted_classes(clauses: Sequence[Clause]) -> frozenset[int]:
    """Classes accepted by some clause; the limits being breakpoints, wholly or not at all."""
    accepted: set[int] = set()
    for clause in clauses:
        first = age_class(clause.min_age_hours * SECONDS_PER_HOUR)
        limit = clause.max_age_hours
        after = BEYOND + 1 if limit is None else age_class(limit * SECONDS_PER_HOUR)
        accepted.update(range(first, after))
    return frozenset(accepted)


def _reachable_pairs(life_seconds: int) -> tuple[tuple[int, int], ...]:
    """(class at start, class at end − 1) for every life of at most `life_seconds`."""
    pairs: list[tuple[int, int]] = []
    for first, last in pairs_of(_AGE_CLASSES, _AGE_CLASSES):
        _, after_first = class_bounds(first)
        begin_last, _ = class_bounds(last)
        if first == last:
            pairs.append((first, last))
        elif first < last and after_first is not None and begin_last is not None:
            oldest_at_end = (after_first - 1) + (life_seconds - 1)
            if oldest_at_end >= begin_last:
                pairs.append((first, last))
    return tuple(pairs)
