"""A policy in clear over one fact: what the table says, evaluated without it.

For the holder, for demonstrations and for tests. The two agree on every input.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from guosuo.certlogic.evaluate import Result
from guosuo.certlogic.rules import Judgement, Rule
from guosuo.evidence.facts import EvidenceFact
from guosuo.policy.document import PolicyDocument, judge_document
from guosuo.policy.sampling import payloads


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
    for payload in payloads(fact):
        judgement = judge_document(document, fact.kind, payload, now)
        if judgement is None:
            return
        yield judgement


def _rules(judgements: list[Judgement], result: Result) -> tuple[Rule, ...]:
    found = {
        rule.identifier: rule
        for judgement in judgements
        for rule, outcome in judgement.outcomes
        if outcome.result is result
    }
    return tuple(found[identifier] for identifier in sorted(found))
