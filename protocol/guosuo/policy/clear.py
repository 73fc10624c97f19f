"""A policy in clear over one fact: what the table says, evaluated without it.

For the holder, for demonstrations and for tests. The two agree on every input at an
instant, but for holders whose age is in no band: the table tells less apart of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from guosuo.certlogic.evaluate import Result
from guosuo.certlogic.rules import Judgement, Rule
from guosuo.evidence.facts import EvidenceFact
from guosuo.evidence.registry import EvidenceKind
from guosuo.policy.document import PolicyDocument, judge_document
from guosuo.policy.questions import Apart
from guosuo.policy.reading import read_logic
from guosuo.policy.sampling import GROUPS, open_member, payloads


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a policy says about a fact at a moment."""

    result: Result
    failed: tuple[Rule, ...]
    """Rules that are not satisfied."""
    open: tuple[Rule, ...]
    """Rules that cannot be evaluated."""
    refused_kind: bool
    """The policy does not take this kind of evidence at all."""


def judge_fact(document: PolicyDocument, fact: EvidenceFact, now: int) -> Opinion:
    """The policy over a fact: satisfied only if every document it may come from satisfies it."""
    judgements = list(_judgements(document, fact, now))
    if not judgements:
        return Opinion(Result.NOT_SATISFIED, (), (), refused_kind=True)
    failed = _rules(judgements, Result.NOT_SATISFIED)
    opened = _rules(judgements, Result.OPEN)
    result = Result.SATISFIED
    if failed or opened:
        result = Result.NOT_SATISFIED if failed else Result.OPEN
    return Opinion(result, failed, opened, refused_kind=False)


def accepts(document: PolicyDocument, fact: EvidenceFact, now: int) -> bool:
    """Whether the policy is satisfied at a moment (Unix seconds)."""
    return judge_fact(document, fact, now).result is Result.SATISFIED


def _judgements(document: PolicyDocument, fact: EvidenceFact, now: int) -> Iterator[Judgement]:
    name = open_member(fact.shape)
    for payload in payloads(fact, _codes(document, fact.kind, name) if name else ()):
        judgement = judge_document(document, fact.kind, payload, now)
        if judgement is None:
            return
        yield judgement


@lru_cache(maxsize=64)
def _codes(document: PolicyDocument, kind: EvidenceKind, name: str) -> tuple[str, ...]:
    """Codes that rules about a kind name for a member, one of each sort that a rule tells apart."""
    found: set[str] = set()
    for rule in document.about(kind):
        found.update(Apart(read_logic(rule), document.codes, GROUPS[kind]).named(name))
    return tuple(sorted(found))


def _rules(judgements: list[Judgement], result: Result) -> tuple[Rule, ...]:
    found = {
        rule.identifier: rule
        for judgement in judgements
        for rule, outcome in judgement.outcomes
        if outcome.result is result
    }
    return tuple(found[identifier] for identifier in sorted(found))
