"""For the holder: would I pass there, until when, and if not, why not.

In clear, on the holder's device, from policies that everybody has; nobody is asked.
"""

from __future__ import annotations

from dataclasses import dataclass

from guosuo.certlogic.evaluate import Result
from guosuo.evidence.facts import EvidenceFact
from guosuo.evidence.limits import BIRTH_LIMITS, LIMITS
from guosuo.policy.clear import accepts, judge_fact
from guosuo.policy.document import PolicyDocument
from guosuo.policy.words import describe


@dataclass(frozen=True, slots=True)
class Explanation:
    """What one policy says about one piece of evidence."""

    result: Result
    reasons: tuple[tuple[str, str], ...]
    """(identifier, description) of every rule that fails, or that cannot be evaluated."""
    refused_kind: bool
    """The policy does not take this kind of evidence at all."""
    changes_at: int | None
    """The first moment at which it is accepted no more, or at which it will be; None if that
    does not come while the policy is in force."""


def explain(document: PolicyDocument, fact: EvidenceFact, now: int, language: str) -> Explanation:
    """Judge a fact at a moment (Unix seconds), with the texts of a language if there are any."""
    opinion = judge_fact(document, fact, now)
    satisfied = opinion.result is Result.SATISFIED
    later = (
        moment
        for moment in changes(fact)
        if now < moment < document.not_after and accepts(document, fact, moment) is not satisfied
    )
    end = document.not_after if satisfied else None
    return Explanation(
        opinion.result,
        tuple(
            (rule.identifier, describe(rule, language)) for rule in opinion.failed + opinion.open
        ),
        opinion.refused_kind,
        next(later, end),
    )


def changes(fact: EvidenceFact) -> list[int]:
    """Every moment at which some rule of the federation could change its mind, ascending."""
    moments = {limit.instant(fact.event_time) for limit in LIMITS[fact.kind]}
    if fact.born is not None:
        moments |= {limit.instant(fact.born) for limit in BIRTH_LIMITS}
    if fact.valid_from is not None and fact.valid_until is not None:
        moments |= {fact.valid_from, fact.valid_until + 1}
    return sorted(moments)
