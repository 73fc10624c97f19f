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
from typing import Final, Protocol

from guosuo.certlogic.rules import CertificateType, Rule
from guosuo.errors import PeerError, Reason
from guosuo.evidence.registry import EvidenceKind
from guosuo.evidence.space import Shape, pack, paths, shapes, unpack
from guosuo.policy.document import PolicyDocument
from guosuo.policy.expressible import rule_faults
from guosuo.policy.questions import Question, Work, tells_doses_apart
from guosuo.policy.reading import Fault, limits_of, read_logic
from guosuo.policy.sampling import variants

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
    `MAX_VALUES` values, and for none; `PeerError(RULE_BOUNDS)` for rules that would
    take too long (`questions.MAX_WORK`).
    """
    faults = find_faults(document)
    if faults:
        raise PolicyError("a rule of the policy cannot be proven", faults)
    values: list[int] = []
    opened: set[str] = set()
    work = Work()
    for kind in document.accepts:
        questions = [Question(document, kind, rule, work) for rule in document.about(kind)]
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
    work = Work()
    questions = [Question(document, shape.kind, rule, work) for rule in document.about(shape.kind)]
    return frozenset(_accepted(shape.kind, questions, life_seconds, [shape]))


@lru_cache(maxsize=64)
def find_faults(document: PolicyDocument) -> tuple[Fault, ...]:
    """Why rules of the document cannot be proven, ascending; `PeerError` if it is no document."""
    document.check()
    readings = [(rule, read_logic(rule)) for rule in document.parsed]
    if document.limits != limits_of(reading for _, reading in readings):
        raise PolicyError("the document lists other limits than its rules have")
    faults: list[Fault] = []
    work = Work()
    for rule, reading in readings:
        found = rule_faults(document, rule, reading)
        about = rule.certificate_type in {CertificateType.GENERAL, CertificateType.VACCINATION}
        if about and not found and tells_doses_apart(document, rule, work):
            found = [Fault(rule.identifier, "it tells doses apart that evidence has as one")]
        faults.extend(found)
    return tuple(sorted(faults))


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What each rule about documents of one kind says by itself."""

    rules: tuple[Rule, ...]
    ways: tuple[int, ...]
    """The states that each path of a life passes, as bits."""
    satisfied: frozenset[tuple[int, ...]]
    """For every shape, but equal ones once: the states, as bits, in which all documents of the
    shape satisfy each of the rules."""


def rule_outcomes(document: PolicyDocument, kind: EvidenceKind, life_seconds: int) -> Outcomes:
    """Ask every rule about every shape of a kind, whatever the other rules say.

    For lives of at most `life_seconds`; for documents without `find_faults`.
    """
    work = Work()
    questions = [Question(document, kind, rule, work) for rule in document.about(kind)]
    ways = paths(kind, life_seconds)
    states = sorted({state for way in ways for state in way.passed})
    numbers = {state: 1 << number for number, state in enumerate(states)}
    found = set()
    for shape in shapes(kind):
        satisfied = [(1 << len(states)) - 1] * len(questions)
        for members in variants(shape):
            for number, question in enumerate(questions):
                if satisfied[number]:
                    satisfied[number] &= question.ask(shape, members, states)
        found.add(tuple(satisfied))
    return Outcomes(
        tuple(question.rule for question in questions),
        tuple(sum(numbers[state] for state in way.passed) for way in ways),
        frozenset(found),
    )


def _accepted(
    kind: EvidenceKind,
    questions: list[Question],
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
