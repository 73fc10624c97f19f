"""What a region should know about its policy before it publishes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from guosuo.evidence.limits import LIMITS
from guosuo.evidence.registry import EvidenceKind
from guosuo.evidence.space import unpack
from guosuo.policy.compiler import PolicyError, compile_document, extent, find_faults
from guosuo.policy.document import KINDS, PolicyDocument
from guosuo.policy.expressible import EVENTS
from guosuo.policy.reading import read_logic
from guosuo.policy.table import POINT_SIZE

FEW: Final = 12
"""Classes of documents; whoever satisfies a policy with fewer says by it which he has."""


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


def lint(document: PolicyDocument, life_seconds: int) -> tuple[Remark, ...]:
    """Everything worth saying, errors first. Raises `PeerError` for what is no document."""
    remarks = [Remark(Level.ERROR, fault.rule, fault.why) for fault in find_faults(document)]
    remarks.extend(_missing_sets(document))
    if any(remark.level is Level.ERROR for remark in remarks):
        return tuple(remarks)
    remarks.extend(_idle_rules(document))
    try:
        compiled = compile_document(document, life_seconds)
    except PolicyError as error:
        return (Remark(Level.ERROR, document.policy, error.hint), *remarks)
    remarks.extend(
        Remark(Level.WARNING, rule, "it cannot be evaluated for some evidence, and refuses that")
        for rule in compiled.open
    )
    remarks.extend(_few(document, compiled.values))
    remarks.extend(_costs(compiled.values))
    return tuple(remarks)


def _missing_sets(document: PolicyDocument) -> Iterator[Remark]:
    for rule in document.parsed:
        for name in sorted(read_logic(rule).sets - document.codes.keys()):
            text = f"it reads the value set {name}, which the document does not have"
            yield Remark(Level.WARNING, rule.identifier, text)


def _idle_rules(document: PolicyDocument) -> Iterator[Remark]:
    """Rules that never say anything, or never anything else than no."""
    for rule in document.parsed:
        kinds = [kind for kind in document.accepts if rule in document.about(kind)]
        if not kinds:
            text = "it is about a kind of evidence that the policy does not accept"
            yield Remark(Level.WARNING, rule.identifier, text)
            continue
        satisfied, asked = map(sum, zip(*(extent(document, k, rule) for k in kinds), strict=True))
        if satisfied == 0:
            yield Remark(Level.WARNING, rule.identifier, "it never accepts anything")
        elif satisfied == asked:
            yield Remark(Level.NOTE, rule.identifier, "it never refuses anything")


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


def _costs(values: tuple[int, ...]) -> Iterator[Remark]:
    """Entries that the table has only because lives pass a limit."""
    passing: dict[tuple[EvidenceKind, int], int] = {}
    for value in values:
        shape, first, last = unpack(value)
        for index in range(first.age, last.age):
            name = shape.kind, index
            passing[name] = passing.get(name, 0) + 1
    for (kind, index), count in sorted(passing.items()):
        limit = LIMITS[kind][index]
        text = f"{count:,} entries ({count * POINT_SIZE:,} octets) for lives that pass it"
        about = f"{EVENTS[kind]} + {limit.amount} {limit.unit.value}s"
        yield Remark(Level.NOTE, about, text)
