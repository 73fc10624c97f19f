"""The clauses of a rule: the ways through its branches by which a document can satisfy it.

A rule `if A then B else C` has two clauses: A and B, and without A, C. Who is known to have
passed by a clause that only one class of documents satisfies has told which one he has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from guosuo.certlogic.ast import Expr, If, Literal
from guosuo.certlogic.rules import Rule
from guosuo.evidence.limits import one_second
from guosuo.evidence.registry import EvidenceKind
from guosuo.evidence.space import Band, Shape, unpack
from guosuo.evidence.states import State
from guosuo.policy.document import PolicyDocument
from guosuo.policy.questions import Question, Work
from guosuo.policy.sampling import variants

MAX_CLAUSES: Final = 64
"""Of one rule; the branches of a rule with more are looked at together."""
_NEVER: Final = Literal(value=False)


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause of a rule, and how many classes of accepted documents satisfy it."""

    rule: str
    number: int
    """From 1, in the order in which the rule has them."""
    count: int
    """Clauses of the rule."""
    classes: int
    """Classes of documents that the policy accepts, by this clause: products, doses, ages and so
    on; ages of a single second, and holders of different ages, are not counted apart."""


def clauses_of(document: PolicyDocument, values: Iterable[int]) -> tuple[Clause, ...]:
    """The clauses of all rules about accepted documents; `values`: what the policy compiles to.

    `PeerError(RULE_BOUNDS)` if that takes longer than compiling may.
    """
    found: dict[tuple[str, int], Clause] = {}
    work = Work()
    for kind, classes in _classes(values).items():
        for rule in document.about(kind):
            for clause in _of_rule(document, kind, rule, classes, work):
                name = clause.rule, clause.number
                before = found[name].classes if name in found else 0
                found[name] = replace(clause, classes=clause.classes + before)
    return tuple(found[name] for name in sorted(found))


def split(logic: Expr) -> tuple[Expr, ...]:
    """The clauses of an expression: each is true where it is by one way through the branches."""
    found = tuple(_split(logic))
    return found if len(found) <= MAX_CLAUSES else (logic,)


def _split(logic: Expr) -> Iterator[Expr]:
    match logic:
        case If(guard, then, otherwise):
            yield from (If(guard, part, _NEVER) for part in _split(then))
            yield from (If(guard, _NEVER, part) for part in _split(otherwise))
        case Literal() if not logic.value:
            return
        case _:
            yield logic


_Classes = dict[Shape, set[State]]


def _classes(values: Iterable[int]) -> dict[EvidenceKind, _Classes]:
    """What the values accept while nothing changes, of holders whose band is known."""
    found: dict[EvidenceKind, _Classes] = {}
    for shape, first, last in map(unpack, values):
        lasting = first == last and not one_second(shape.kind, first.age)
        if lasting and (first.band is not Band.OTHER or shape.kind is EvidenceKind.TEST):
            # The band of tests says nothing; the rules are asked about an adult.
            state = replace(first, band=Band.ADULT) if first.band is Band.OTHER else first
            found.setdefault(shape.kind, {}).setdefault(shape, set()).add(state)
    return found


def _of_rule(
    document: PolicyDocument, kind: EvidenceKind, rule: Rule, classes: _Classes, work: Work
) -> Iterator[Clause]:
    parts = split(rule.logic)
    states = sorted(set().union(*classes.values()))
    for number, logic in enumerate(parts, 1):
        question = Question(document, kind, replace(rule, logic=logic), work)
        count = 0
        for shape, accepted in classes.items():
            satisfied = (1 << len(states)) - 1
            for members in variants(shape):
                satisfied &= question.ask(shape, members, states)
            count += len(
                {
                    replace(state, band=Band.OTHER)
                    for place, state in enumerate(states)
                    if state in accepted and satisfied >> place & 1
                }
            )
        yield Clause(rule.identifier, number, len(parts), count)
