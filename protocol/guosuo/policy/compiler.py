"""From a policy to the set of evidence values that it accepts (GS-POLICY-2).

A rule is evaluated once per combination of what it tells apart: the codes that it
names, the doses from which on it judges otherwise, the limits that it sets. One
document stands for all that are the same in these respects. So a country compiles in
milliseconds, though a hundred thousand values may be accepted.

A value is accepted if all documents that it may stand for satisfy all rules in every
state that its life passes. A rule that cannot be evaluated is not satisfied.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Protocol

from guosuo.certlogic.evaluate import Result, decide
from guosuo.certlogic.rules import Rule, Surroundings
from guosuo.errors import PeerError, Reason
from guosuo.evidence.registry import OTHER, EvidenceKind
from guosuo.evidence.space import Band, Shape, State, pack, paths, shapes, unpack
from guosuo.policy.document import PolicyDocument
from guosuo.policy.expressible import passed, rule_faults, settled
from guosuo.policy.reading import Fault, Path, Reading, limits_of, read_logic
from guosuo.policy.sampling import (
    DATED,
    GROUPS,
    UNKNOWN_PROPHYLAXIS,
    Reference,
    merges_devices,
    reference,
    variants,
)

MAX_VALUES: Final = 50_000
"""Entries of a policy table: 2.4 MB."""


class Life(Protocol):
    """What compilation needs of the federation's clock."""

    def key_life(self, epoch: int) -> tuple[int, int]:
        """[start, end) in which a key of the epoch can be accepted."""
        ...


class PolicyError(PeerError):
    """A policy that cannot be compiled, with the rules at fault."""

    def __init__(self, hint: str, faults: tuple[Fault, ...] = ()) -> None:
        """Reason `POLICY`."""
        super().__init__(Reason.POLICY, hint)
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Compiled:
    """What a policy accepts, and what could not be decided."""

    values: tuple[int, ...]
    """Ascending."""
    open: tuple[str, ...]
    """Identifiers of rules that cannot be evaluated for some evidence, which they so refuse."""


def compile_policy(document: PolicyDocument, clock: Life) -> tuple[int, ...]:
    """The accepted evidence values, ascending; `PolicyError` as `compile_document`."""
    start, end = clock.key_life(0)
    return compile_document(document, end - start).values


@lru_cache(maxsize=64)
def compile_document(document: PolicyDocument, life_seconds: int) -> Compiled:
    """Compile for values that can be shown for at most `life_seconds`.

    A deterministic function of the document. Raises `PolicyError` for a document that
    is none, with the faults of every rule that cannot be proven, for more than
    `MAX_VALUES` values, and for none.
    """
    faults = find_faults(document)
    if faults:
        raise PolicyError("a rule of the policy cannot be proven", faults)
    values: list[int] = []
    opened: set[str] = set()
    for kind in document.accepts:
        questions = [_Question(document, kind, rule) for rule in document.about(kind)]
        values.extend(_accepted(kind, questions, life_seconds, shapes(kind)))
        opened |= {question.rule.identifier for question in questions if question.opened}
        if len(values) > MAX_VALUES:
            raise PolicyError("the policy accepts too many values")
    if not values:
        raise PolicyError("the policy accepts nothing")
    return Compiled(tuple(sorted(values)), tuple(sorted(opened)))


def accepts_value(document: PolicyDocument, value: int, life_seconds: int) -> bool:
    """Whether one value is in the compiled set; compiles only what is about documents like it."""
    shape, _, _ = unpack(value)
    return value in _about_shape(document, shape, life_seconds)


@lru_cache(maxsize=4096)
def _about_shape(document: PolicyDocument, shape: Shape, life_seconds: int) -> frozenset[int]:
    if find_faults(document) or shape.kind not in document.accepts:
        return frozenset()
    questions = [_Question(document, shape.kind, rule) for rule in document.about(shape.kind)]
    return frozenset(_accepted(shape.kind, questions, life_seconds, [shape]))


def find_faults(document: PolicyDocument) -> tuple[Fault, ...]:
    """Why rules of the document cannot be proven, ascending; `PeerError` if it is no document."""
    document.check()
    readings = [(rule, read_logic(rule)) for rule in document.parsed]
    if document.limits != limits_of(reading for _, reading in readings):
        raise PolicyError("the document lists other limits than its rules have")
    return tuple(
        sorted(
            fault for rule, reading in readings for fault in rule_faults(document, rule, reading)
        )
    )


def extent(document: PolicyDocument, kind: EvidenceKind, rule: Rule) -> tuple[int, int]:
    """In how many states of documents of a kind a rule is satisfied, and of how many."""
    question = _Question(document, kind, rule)
    states = sorted({state for way in paths(kind, 1) for state in way.passed})
    counts = [
        question.ask(shape, members, states).bit_count()
        for shape in shapes(kind)
        for members in variants(shape)
    ]
    return sum(counts), len(counts) * len(states)


def _accepted(
    kind: EvidenceKind,
    questions: list[_Question],
    life_seconds: int,
    among: Sequence[Shape],
) -> Iterator[int]:
    """The accepted values of some shapes of one kind."""
    ways = paths(kind, life_seconds)
    states = sorted({state for way in ways for state in way.passed})
    numbers = {state: 1 << number for number, state in enumerate(states)}
    needed = [(way, sum(numbers[state] for state in way.passed)) for way in ways]
    everything = (1 << len(states)) - 1
    for shape in among:
        accepted = everything
        for members in variants(shape):
            for question in questions:
                accepted &= question.ask(shape, members, states)
                if not accepted:
                    break
        for way, through in needed:
            if through & accepted == through:
                yield pack(shape, way.first, way.last)


class _Question:
    """One rule asked about documents of one kind, every combination once."""

    def __init__(self, document: PolicyDocument, kind: EvidenceKind, rule: Rule) -> None:
        self.rule, self.kind = rule, kind
        self.reading = read_logic(rule)
        self.logic = settled(document, rule.logic, self.reading)
        self.codes = document.codes
        self.opened = False
        self.limits = sorted(self.reading.limits)
        self.known: dict[tuple[object, ...], int] = {}
        self.apart = _Apart(self.reading, document.codes, GROUPS[kind])

    def ask(self, shape: Shape, members: dict[str, Any], states: list[State]) -> int:
        """The states, as bits, in which documents of a shape satisfy the rule.

        `members`: one variant of the shape; codes that the shape leaves open are tried.
        """
        satisfied = (1 << len(states)) - 1
        for others in (members, *self.apart.merged(shape, members)):
            key = self.apart.key(others)
            if key not in self.known:
                self.known[key] = self.answer(others, states)
            satisfied &= self.known[key]
        return satisfied

    def answer(self, members: dict[str, Any], states: list[State]) -> int:
        same: dict[tuple[object, ...], list[int]] = {}
        for number, state in enumerate(states):
            same.setdefault(self.state_key(state), []).append(number)
        satisfied = 0
        for numbers in same.values():
            documents = (reference(self.kind, states[number]) for number in numbers)
            found = next((document for document in documents if document is not None), None)
            if found is not None and self.satisfied(members, found):
                satisfied |= sum(1 << number for number in numbers)
        return satisfied

    def state_key(self, state: State) -> tuple[object, ...]:
        unknown = state.band is Band.UNKNOWN
        return (unknown, *(passed(limit, self.kind, state) for limit in self.limits))

    def satisfied(self, members: dict[str, Any], reference: Reference) -> bool:
        entry = {**members, **reference.dates}
        surroundings = Surroundings(clock=reference.clock, value_sets=self.codes)
        data = {
            "payload": {**reference.rest, GROUPS[self.kind]: [entry]},
            "external": surroundings.external(),
        }
        result = decide(self.logic, data).result
        self.opened |= result is Result.OPEN
        return result is Result.SATISFIED


class _Apart:
    """How a rule tells the members of documents apart that time does not change."""

    def __init__(self, reading: Reading, codes: dict[str, list[str]], group: str) -> None:
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
        if merges_devices(shape):
            for code in self.named("ma"):
                yield {**members, "ma": code}
        elif shape.kind is EvidenceKind.VACCINATION and shape.product == OTHER:
            for code in self.named("mp"):
                yield {**members, "mp": code, "vp": UNKNOWN_PROPHYLAXIS}

    def named(self, name: str) -> Iterator[str]:
        """One code of each sort that the rule tells apart."""
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
