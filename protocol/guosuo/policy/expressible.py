"""Which rules can be proven: what they read, held against what the evidence model knows.

The evidence model keeps documents apart by products, doses, limits passed and so on,
and merges everything else. A rule that tells merged documents apart is a `Fault` (GS-POLICY-7).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from guosuo.certlogic.ast import And, CompareTimes, Expr, If, Literal, Not
from guosuo.certlogic.evaluate import Result, decide
from guosuo.certlogic.rules import Rule, Surroundings
from guosuo.evidence.limits import BIRTH_LIMITS, LIMITS
from guosuo.evidence.limits import Limit as KnownLimit
from guosuo.evidence.registry import (
    NEGATIVE,
    OTHER,
    POSITIVE,
    PROPHYLAXES,
    RAPID_ANTIGEN,
    TYPE_ANTIBODY,
    TYPE_NAAT,
    TYPE_RAPID_ANTIGEN,
    EvidenceKind,
    code_of_test,
    code_of_vaccine,
    members_of_test,
    names_of_vaccine,
)
from guosuo.evidence.states import Band, Phase, State
from guosuo.policy.document import PolicyDocument
from guosuo.policy.reading import CLOCK, Fault, Limit, Path, Reading

_GROUPS: Final = {"v", "t", "r"}
_COUNTED: Final = {("payload", "v", "0", name) for name in ("dn", "sd")}
_TEXTS: Final = {
    ("payload", group, "0", name)
    for group, names in (("v", ("tg", "vp", "mp")), ("t", ("tg", "tt", "tr", "ma")), ("r", ("tg",)))
    for name in names
}
_DATES: Final = {
    ("payload", "v", "0", "dt"),
    ("payload", "t", "0", "sc"),
    *(("payload", "r", "0", name) for name in ("fr", "df", "du")),
}
_BIRTH: Final = ("payload", "dob")
_ALWAYS_THERE: Final = {"co", "is", "ci", "tc"}
_MEMBERS: Final = {
    "v": {"tg", "vp", "mp", "ma", "dn", "sd", "dt"},
    "t": {"tg", "tt", "tr", "sc"},
    "r": {"tg", "fr", "df", "du"},
}
"""Never empty in evidence."""

EVENTS: Final = {
    EvidenceKind.VACCINATION: "v.0.dt",
    EvidenceKind.TEST: "t.0.sc",
    EvidenceKind.RECOVERY: "r.0.fr",
}
"""The member from which the age of evidence counts."""


def _named(member: str, limit: KnownLimit) -> Limit:
    months = limit.unit.value in {"month", "year"}
    scale = {"day": 24, "year": 12}.get(limit.unit.value, 1)
    return Limit(member, limit.amount * scale, months, limit.strict)


_AGES: Final = {
    _named(EVENTS[kind], limit): (kind, index)
    for kind, limits in LIMITS.items()
    for index, limit in enumerate(limits)
}
_BIRTHS: Final = {_named("dob", limit): index for index, limit in enumerate(BIRTH_LIMITS)}
_BANDS: Final = {Band.MINOR: 0, Band.BETWEEN: 1, Band.ADULT: 2}
_STARTS: Final = Limit("r.0.df", 0, months=False, strict=False)
_ENDS: Final = Limit("r.0.du", 0, months=False, strict=True)
_LATE: Final = Limit("r.0.fr", 11 * 24, months=False, strict=False, other="r.0.df")
_LONG: Final = Limit("r.0.fr", 180 * 24, months=False, strict=True, other="r.0.du")

REGISTRY: Final = frozenset({*_AGES, *_BIRTHS, _STARTS, _ENDS, _LATE, _LONG})
"""Every limit that evidence keeps apart."""


def passed(limit: Limit, kind: EvidenceKind, state: State) -> bool | None:
    """Whether documents of a kind in a state are past a limit; None if they do not have it."""
    if limit in _AGES:
        known, index = _AGES[limit]
        return state.age > index if known is kind else None
    if limit in _BIRTHS:
        band = _BANDS.get(state.band)
        return None if band is None else band > _BIRTHS[limit]
    validity = state.validity
    if validity is None:
        return None
    return {
        _STARTS: validity.phase is not Phase.BEFORE,
        _ENDS: validity.phase is Phase.AFTER,
        _LATE: validity.starts_late,
        _LONG: not validity.ends_early,
    }[limit]


def rule_faults(document: PolicyDocument, rule: Rule, reading: Reading) -> list[Fault]:
    """Why a rule of the document cannot be proven; nothing if it can."""
    whys = set(reading.whys)
    whys.update(_path_fault(path) for path in reading.values)
    whys.update(_truth_fault(path) for path in reading.truths)
    whys.update(_codes_fault(path, codes) for path, codes in reading.codes)
    for path, name in reading.chosen:
        whys.add(_codes_fault(path, frozenset(document.codes.get(name, ()))))
    if any(not pair <= _COUNTED for pair in reading.pairs):
        whys.add("it compares members that evidence does not compare")
    if not reading.limits <= REGISTRY:
        whys.add("a limit that is not in the registry of this layout")
    if any(fixed_result(document, comparison) is None for comparison in reading.fixed):
        whys.add("it changes inside the validity of the policy; split the policy there")
    return [Fault(rule.identifier, why) for why in sorted(whys - {""})]


def fixed_result(document: PolicyDocument, comparison: CompareTimes) -> bool | None:
    """A comparison of the clock with a fixed moment; None unless it is the same all the time."""
    results = {
        decide(
            comparison,
            {"external": Surroundings(clock=clock, value_sets={}).external()},
        ).result
        for clock in (document.not_before, document.not_after - 1)
    }
    # Such comparisons change once, so that equal ends have nothing else between them.
    if results == {Result.SATISFIED}:
        return True
    return False if results == {Result.NOT_SATISFIED} else None


def settled(document: PolicyDocument, expr: Expr, reading: Reading) -> Expr:
    """The expression with its fixed comparisons replaced by what they are all the time."""
    if not reading.fixed:
        return expr
    match expr:
        case CompareTimes(order, operands):
            pairs = [CompareTimes(order, pair) for pair in pairwise(operands)]
            parts = [
                Literal(fixed_result(document, pair) is True) if pair in reading.fixed else pair
                for pair in pairs
            ]
            return And(tuple(parts)) if len(parts) > 1 else parts[0]
        case If(guard, then, otherwise):
            return If(*(settled(document, part, reading) for part in (guard, then, otherwise)))
        case And(operands):
            return And(tuple(settled(document, operand, reading) for operand in operands))
        case Not(operand):
            return Not(settled(document, operand, reading))
        case _:
            return expr


def _path_fault(path: Path) -> str:
    if path in {CLOCK, _BIRTH} or path in _TEXTS | _COUNTED | _DATES:
        return ""
    if path[:1] == ("external",):
        return "it looks at who signed the document, or where it is shown"
    if path[:1] == ("payload",):
        return "it looks at something that evidence does not carry"
    return ""


def _truth_fault(path: Path) -> str:
    """Documents have one entry, and in it everything that evidence carries."""
    match path:
        case ("payload",) | ("payload", "dob"):
            return ""
        case ("payload", group) if group in _GROUPS:
            return ""
        case ("payload", group, number) if group in _GROUPS and number.isdigit():
            return ""
        case ("payload", group, "0", name) if group in _GROUPS:
            if name in _ALWAYS_THERE | _MEMBERS[group]:
                return ""
            return "it looks for something that evidence does not carry"
        case ("payload", group, number, *_) if group in _GROUPS and number.isdigit():
            return ""
        case ("external", *_):
            return "it looks at who signed the document, or where it is shown"
        case ("payload", *_):
            return "it looks for something that evidence does not carry"
        case _:
            return ""


def _codes_fault(path: Path, codes: frozenset[str]) -> str:
    match path:
        case ("payload", "v", "0", "mp"):
            if any(code_of_vaccine(code) == OTHER for code in codes):
                return "a vaccine that is not in the registry"
            groups = (names_of_vaccine(code_of_vaccine(code)) for code in codes)
            whole = all(codes.issuperset(names) for names in groups)
            return "" if whole else "it tells vaccines apart that the registry has as one"
        case ("payload", "v", "0", "vp"):
            # Other codes are of vaccines outside of the registry, which are asked with each.
            together = codes.isdisjoint(PROPHYLAXES) or codes >= set(PROPHYLAXES)
            return "" if together else "it tells kinds of vaccine apart"
        case ("payload", "t", "0", "tt"):
            known = codes <= {TYPE_NAAT, TYPE_RAPID_ANTIGEN, TYPE_ANTIBODY}
            return "" if known else "a type of test that is not in the registry"
        case ("payload", "t", "0", "tr"):
            return "" if codes <= {NEGATIVE, POSITIVE} else "a result that is not in the registry"
        case ("payload", "t", "0", "ma"):
            numbers = {code_of_test(TYPE_RAPID_ANTIGEN, NEGATIVE, code) for code in codes}
            if RAPID_ANTIGEN in numbers:
                return "a test device that is not in the registry"
            members = (members_of_test(number) for number in numbers)
            whole = all(codes.issuperset(device for _, _, device in group) for group in members)
            return "" if whole else "it tells test devices apart that the registry has as one"
        case ("payload", "dob"):
            return "" if codes <= {""} else "it names a birth date"
        case _ if path in _DATES | {CLOCK}:
            return "it compares the document or the clock with the text of a day"
        case _:
            return ""
