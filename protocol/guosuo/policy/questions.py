"""One rule asked about all documents of a kind, every combination of what it tells apart once.

A rule is evaluated over documents that stand for others: one for each combination of the
codes that it names, the doses from which on it judges otherwise, and the limits that it sets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, Final

from guosuo.certlogic.evaluate import Result, decide
from guosuo.certlogic.rules import Rule, Surroundings
from guosuo.errors import PeerError, Reason
from guosuo.evidence.registry import OTHER, PROPHYLAXES, EvidenceKind
from guosuo.evidence.space import Band, Shape, State, paths
from guosuo.evidence.states import DOSE_PATTERNS, dose_members
from guosuo.policy.document import PolicyDocument
from guosuo.policy.expressible import passed, settled
from guosuo.policy.reading import Path, Reading, read_logic
from guosuo.policy.sampling import (
    DATED,
    GROUPS,
    Reference,
    open_member,
    reference,
    variants,
)

MAX_WORK: Final = 2_000_000
"""Expressions and codes that one compilation may look at; published rules need up to 40,000."""


class Work:
    """What one compilation may still do, whatever rules it meets."""

    def __init__(self, most: int = MAX_WORK) -> None:
        """So many expressions and codes."""
        self.left = most

    def spend(self, rule: Rule, amount: int) -> None:
        """`PeerError(RULE_BOUNDS)` that names the rule at which it was too much."""
        self.left -= amount
        if self.left < 0:
            hint = f"compiling takes too long, at the latest by rule {rule.identifier}"
            raise PeerError(Reason.RULE_BOUNDS, hint)


class Question:
    """One rule asked about documents of one kind, every combination once."""

    def __init__(
        self, document: PolicyDocument, kind: EvidenceKind, rule: Rule, work: Work | None = None
    ) -> None:
        """Read the rule; nothing is evaluated yet. `work` is shared by one compilation."""
        self.rule, self.kind = rule, kind
        self.work = work or Work()
        self.reading = read_logic(rule)
        self.logic = settled(document, rule.logic, self.reading)
        self.codes = document.codes
        self.opened = False
        self.limits = sorted(self.reading.limits)
        self.known: dict[tuple[object, ...], int] = {}
        self.apart = Apart(self.reading, document.codes, GROUPS[kind])
        self.weight = _weight(self.logic)
        self.weight += sum(len(document.codes.get(name, ())) for name in self.reading.sets)

    def ask(self, shape: Shape, members: dict[str, Any], states: list[State]) -> int:
        """The states, as bits, in which documents of a shape satisfy the rule.

        `members`: one variant of the shape; codes that the shape leaves open are tried.
        """
        satisfied = (1 << len(states)) - 1
        for others in (members, *self.apart.merged(shape, members)):
            satisfied &= self.answered(others, states)
        return satisfied

    def answered(self, members: dict[str, Any], states: list[State]) -> int:
        """The states, as bits, in which one document satisfies the rule; always the same states."""
        key = self.apart.key(members)
        if key not in self.known:
            self.known[key] = self._answer(members, states)
        return self.known[key]

    def _answer(self, members: dict[str, Any], states: list[State]) -> int:
        same: dict[tuple[object, ...], list[int]] = {}
        for number, state in enumerate(states):
            same.setdefault(self._state_key(state), []).append(number)
        satisfied = 0
        for numbers in same.values():
            documents = (reference(self.kind, states[number]) for number in numbers)
            found = next((document for document in documents if document is not None), None)
            if found is not None and self._satisfied(members, found):
                satisfied |= sum(1 << number for number in numbers)
        return satisfied

    def _state_key(self, state: State) -> tuple[object, ...]:
        unknown = state.band is Band.UNKNOWN
        return (unknown, *(passed(limit, self.kind, state) for limit in self.limits))

    def _satisfied(self, members: dict[str, Any], reference: Reference) -> bool:
        self.work.spend(self.rule, self.weight)
        entry = {**members, **reference.dates}
        surroundings = Surroundings(clock=reference.clock, value_sets=self.codes)
        data = {
            "payload": {**reference.rest, GROUPS[self.kind]: [entry]},
            "external": surroundings.external(),
        }
        result = decide(self.logic, data).result
        self.opened |= result is Result.OPEN
        return result is Result.SATISFIED


def _weight(expr: object) -> int:
    """How many expressions an expression is made of."""
    if isinstance(expr, tuple):
        return sum(map(_weight, expr))
    return (
        1 + sum(_weight(getattr(expr, f.name)) for f in fields(expr)) if is_dataclass(expr) else 0
    )


def tells_doses_apart(document: PolicyDocument, rule: Rule, work: Work) -> bool:
    """Whether a rule judges vaccinations differently whose doses evidence has as one pattern.

    For rules without `rule_faults`: those read nothing but what is tried here.
    """
    kind = EvidenceKind.VACCINATION
    question = Question(document, kind, rule, work)
    other, *others = variants(Shape(kind, OTHER, 1, 1))
    named = ({**other, "mp": code, "vp": PROPHYLAXES[0]} for code in question.apart.named("mp"))
    kinds = ({**other, "vp": code} for code in question.apart.named("vp"))
    products = (other, *others, *named, *kinds)
    states = sorted({state for way in paths(kind, 1) for state in way.passed})
    for pattern in DOSE_PATTERNS:
        counts = [{"dn": dn, "sd": sd} for dn, sd in dose_members(pattern)]
        # One of each sort that the rule could tell apart; mostly that is one.
        sorts = {question.apart.key({**other, **count}): count for count in counts}
        if len(sorts) > 1 and any(
            len({question.answered({**product, **count}, states) for count in sorts.values()}) > 1
            for product in products
        ):
            return True
    return False


class Apart:
    """How a rule tells the members of documents apart that time does not change."""

    def __init__(self, reading: Reading, codes: dict[str, list[str]], group: str) -> None:
        """Of documents with their entry in a group; `codes` are the value sets."""

        def named(path: Path) -> str:
            return path[-1] if path[:3] == ("payload", group, "0") else ""

        self.names = sorted(
            {named(path) for path in reading.values | reading.truths} - {"", *DATED}
        )
        self.words = {name: {""} for name in self.names}
        self.steps: dict[str, set[int]] = {name: set() for name in self.names}
        self.sets: dict[str, list[frozenset[str]]] = {name: [] for name in self.names}
        for path, words in reading.codes:
            self.words.setdefault(named(path), set()).update(words)
        for path, step in reading.counts:
            self.steps.setdefault(named(path), set()).add(step)
        for path, name in sorted(reading.chosen):
            self.sets.setdefault(named(path), []).append(frozenset(codes.get(name, ())))
        self.pairs = [
            tuple(sorted(named(path) for path in pair)) for pair in reading.pairs if len(pair) > 1
        ]

    def merged(self, shape: Shape, members: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Documents of the same shape that have the codes which this rule names."""
        name = open_member(shape)
        for code in self.named(name) if name else ():
            yield {**members, name: code}

    def named(self, name: str) -> Iterator[str]:
        """One code of each sort that the rule tells apart, of a member by its name."""
        words = self.words.get(name, set())
        codes = set().union(*self.sets.get(name, []))
        sorts = {self.value(name, code): code for code in sorted(words | codes)}
        return iter(sorts.values())

    def key(self, members: dict[str, Any]) -> tuple[object, ...]:
        """Equal for members that the rule judges alike."""
        return (
            *(self.value(name, members.get(name)) for name in self.names),
            *(_order(members, pair) for pair in self.pairs),
        )

    def value(self, name: str, value: object) -> object:
        """Equal for values of a member that the rule judges alike."""
        if isinstance(value, int):
            return sum(value >= step for step in self.steps[name])
        if value in self.words[name]:
            return value
        return (value is None, *(value in codes for codes in self.sets[name]))


def _order(members: dict[str, Any], pair: tuple[str, ...]) -> int | None:
    left, right = (members.get(name) for name in pair)
    if not isinstance(left, int) or not isinstance(right, int):
        return None
    return (left > right) - (left < right)
