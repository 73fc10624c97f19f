"""Rules that a policy would not miss: those that never refuse, and those that others cover.

A rule is redundant if the table would be the same without it, though it refuses something by
itself. Each rule is left out alone: of two that say the same each is redundant, and only one
of them can go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import and_

from guosuo.evidence.registry import EvidenceKind
from guosuo.policy.compiler import Outcomes, rule_outcomes
from guosuo.policy.document import PolicyDocument


@dataclass(frozen=True, slots=True)
class Standing:
    """What one rule does for the table of its policy."""

    never_accepts: bool
    """It refuses every life of every document."""
    never_refuses: bool
    redundant: bool
    """It refuses something, and the other rules refuse all of that."""
    covered_by: tuple[str, ...] = ()
    """Rules each of which refuses by itself all that this one refuses; if there is none, a
    redundant rule is covered by several others together."""
    same_as: tuple[str, ...] = ()
    """Those of `covered_by` that refuse nothing else."""


def standings(document: PolicyDocument, life_seconds: int) -> dict[str, Standing]:
    """The standing of each rule, by identifier, for lives of at most `life_seconds`.

    Rules about kinds that the policy does not accept are left out. For documents without
    `find_faults`.
    """
    tables = {
        kind: _Table(rule_outcomes(document, kind, life_seconds)) for kind in document.accepts
    }
    return {
        rule.identifier: _standing(rule.identifier, tables)
        for rule in document.parsed
        if any(rule.identifier in table.places for table in tables.values())
    }


def _standing(name: str, tables: Mapping[EvidenceKind, _Table]) -> Standing:
    about = [table for table in tables.values() if name in table.places]
    # Where nothing is accepted at all, every rule but the one that refuses everything could go.
    alive = [table for table in about if table.accepts_something]
    never_accepts = all(table.accepted(name) == 0 for table in about)
    never_refuses = all(table.refuses_nothing(name) for table in about)
    redundant = (
        bool(alive)
        and not never_refuses
        and not never_accepts
        and all(table.redundant(name) for table in alive)
    )
    if not redundant:
        return Standing(never_accepts, never_refuses, redundant=False)
    others = set.intersection(*(set(table.places) for table in alive)) - {name}
    covering = [other for other in others if all(t.covers(other, name) for t in alive)]
    same = [other for other in covering if all(t.covers(name, other) for t in alive)]
    return Standing(
        never_accepts,
        never_refuses,
        redundant=True,
        covered_by=tuple(sorted(covering)),
        same_as=tuple(sorted(same)),
    )


class _Table:
    """The rules about one kind, and which lives each of them accepts, as bits, by shape."""

    def __init__(self, outcomes: Outcomes) -> None:
        self.places = {rule.identifier: place for place, rule in enumerate(outcomes.rules)}
        self.everything = (1 << len(outcomes.ways)) - 1
        known: dict[int, int] = {}

        def lives(states: int) -> int:
            if states not in known:
                known[states] = sum(
                    1 << number
                    for number, through in enumerate(outcomes.ways)
                    if through & states == through
                )
            return known[states]

        self.rows = {tuple(lives(states) for states in row) for row in outcomes.satisfied}
        self.accepts_something = any(self.all_of(row) for row in self.rows)

    def all_of(self, row: tuple[int, ...]) -> int:
        return reduce(and_, row, self.everything)

    def column(self, name: str) -> Iterator[int]:
        place = self.places[name]
        return (row[place] for row in self.rows)

    def accepted(self, name: str) -> int:
        """How many lives a rule accepts, of all kinds of shapes together."""
        return sum(lives.bit_count() for lives in self.column(name))

    def refuses_nothing(self, name: str) -> bool:
        return all(lives == self.everything for lives in self.column(name))

    def redundant(self, name: str) -> bool:
        place = self.places[name]
        return all(
            self.all_of(row[:place] + row[place + 1 :]) == self.all_of(row) for row in self.rows
        )

    def covers(self, one: str, other: str) -> bool:
        """Whether `one` refuses all that `other` refuses."""
        return all(
            mine & ~theirs == 0
            for mine, theirs in zip(self.column(one), self.column(other), strict=True)
        )
