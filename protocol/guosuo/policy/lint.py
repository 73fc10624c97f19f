"""What a region should know about its policy before it publishes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from guosuo.errors import PeerError
from guosuo.evidence.space import unpack
from guosuo.policy.clauses import clauses_of
from guosuo.policy.compiler import PolicyError, compile_document, find_faults
from guosuo.policy.costs import costs
from guosuo.policy.document import KINDS, PolicyDocument
from guosuo.policy.envelope import Envelope, check_envelope
from guosuo.policy.reading import read_logic
from guosuo.policy.redundancy import Standing, standings
from guosuo.policy.table import POINT_SIZE

FEW: Final = 12
"""Classes of documents; whoever satisfies a policy with fewer says by it which he has."""
FEW_BY_CLAUSE: Final = 3
"""The same of one clause, in ages that are told apart, not counting those of a single second."""


class Level(StrEnum):
    """How bad it is."""

    ERROR = "error"
    """The policy cannot be published."""
    WARNING = "warning"
    """It probably does not say what it should."""
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing to know."""

    level: Level
    about: str
    """A rule, a value set, a kind of evidence or a limit."""
    text: str


def lint(
    document: PolicyDocument, life_seconds: int, envelope: Envelope | None = None
) -> tuple[Remark, ...]:
    """Everything worth saying, errors first. Raises `PeerError` for what is no document."""
    remarks = [Remark(Level.ERROR, fault.rule, fault.why) for fault in find_faults(document)]
    remarks.extend(_missing_sets(document))
    if any(remark.level is Level.ERROR for remark in remarks):
        return tuple(remarks)
    remarks.extend(_idle_rules(document, life_seconds))
    try:
        compiled = compile_document(document, life_seconds)
    except PolicyError as error:
        return (Remark(Level.ERROR, document.policy, error.hint), *remarks)
    broken = check_envelope(envelope, document, compiled.values, life_seconds)
    outside = [
        Remark(Level.ERROR, fault.rule, f"outside of the envelope: {fault.why}") for fault in broken
    ]
    remarks = [*outside, *remarks]
    remarks.extend(
        Remark(Level.WARNING, rule, "it cannot be evaluated for some evidence, and refuses that")
        for rule in compiled.open
    )
    remarks.extend(_few(document, compiled.values))
    remarks.extend(_few_by_clause(document, compiled.values))
    remarks.extend(_costs(document, compiled.values))
    return tuple(remarks)


def _missing_sets(document: PolicyDocument) -> Iterator[Remark]:
    for rule in document.parsed:
        for name in sorted(read_logic(rule).sets - document.codes.keys()):
            text = f"it reads the value set {name}, which the document does not have"
            yield Remark(Level.WARNING, rule.identifier, text)


def _idle_rules(document: PolicyDocument, life_seconds: int) -> Iterator[Remark]:
    """Rules that never say anything, never anything else than no, or nothing that others do not."""
    found = standings(document, life_seconds)
    for rule in document.parsed:
        standing = found.get(rule.identifier)
        if standing is None:
            text = "it is about a kind of evidence that the policy does not accept"
            yield Remark(Level.WARNING, rule.identifier, text)
        elif standing.never_accepts:
            yield Remark(Level.WARNING, rule.identifier, "it never accepts anything")
        elif standing.never_refuses:
            yield Remark(Level.NOTE, rule.identifier, "it never refuses anything")
        elif standing.redundant:
            yield Remark(Level.NOTE, rule.identifier, _redundant(standing))


def _redundant(standing: Standing) -> str:
    if standing.same_as:
        return f"it is redundant: {', '.join(standing.same_as)} refuses exactly the same"
    if standing.covered_by:
        return f"it is redundant: {', '.join(standing.covered_by)} refuses all that it refuses"
    return "it is redundant: other rules together refuse all that it refuses"


def _few(document: PolicyDocument, values: tuple[int, ...]) -> Iterator[Remark]:
    """A policy that so few documents satisfy that satisfying it says which one it was."""
    states = [unpack(value) for value in values]
    still = dict.fromkeys(document.accepts, 0)
    for shape, first, last in states:
        still[shape.kind] += first == last
    total = sum(still.values())
    if total < FEW:
        text = f"only {total} classes of documents satisfy it: whoever does says which he has"
        yield Remark(Level.WARNING, document.policy, text)
    for kind, count in still.items():
        if count == 0:
            text = "the policy says that it accepts this kind, but its rules accept none"
            yield Remark(Level.WARNING, KINDS[kind].value, text)


def _few_by_clause(document: PolicyDocument, values: tuple[int, ...]) -> Iterator[Remark]:
    """Clauses that so few accepted documents satisfy that passing by one says which it was."""
    try:
        clauses = clauses_of(document, values)
    except PeerError:
        text = "it has too many branches to say how many documents satisfy each of them"
        yield Remark(Level.NOTE, document.policy, text)
        return
    for clause in clauses:
        if 0 < clause.classes < FEW_BY_CLAUSE:
            which = f"clause {clause.number} of {clause.count}" if clause.count > 1 else "it"
            many = "one class" if clause.classes == 1 else f"{clause.classes} classes"
            text = (
                f"{which} accepts only {many} of documents: whoever satisfies it says which he has"
            )
            yield Remark(Level.WARNING, clause.rule, text)


def _costs(document: PolicyDocument, values: tuple[int, ...]) -> Iterator[Remark]:
    """Entries that the table has only because evidence is told apart."""
    for cost in costs(values):
        asked = not cost.limits or not cost.limits.isdisjoint(document.limits)
        if not cost.entries and not (cost.limits and asked):
            continue
        text = f"costs {cost.entries:,} entries ({cost.entries * POINT_SIZE:,} octets)"
        if not asked:
            text += "; no rule of this policy asks for it"
        yield Remark(Level.NOTE, cost.about, text)
