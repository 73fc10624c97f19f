"""For the holder: would I pass there, with the evidence as it is signed, until when, or why not.

A policy is about moments, a table about the life of a key: evidence is in it if the policy
accepts it in all of the hours for which a key signs it. So what passes a limit soon is refused
some hours before, and holders have to know that rather than what the rules alone say. Computed
on the holder's device, from policies that everybody has; nobody is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from guosuo.certlogic.evaluate import Result
from guosuo.evidence.facts import EvidenceFact
from guosuo.evidence.value import value_at
from guosuo.federation.clock import KEY_EPOCHS, LIST_EPOCHS, Clockwork
from guosuo.policy.clear import Opinion, judge_fact
from guosuo.policy.compiler import accepts_value
from guosuo.policy.document import PolicyDocument
from guosuo.policy.explain import changes
from guosuo.policy.words import describe


class Cause(StrEnum):
    """Why evidence does not pass."""

    KIND = "kind"
    """The policy does not take this kind of evidence at all."""
    RULES = "rules"
    """Rules refuse it now, or cannot be evaluated."""
    HOURS = "hours"
    """Rules accept it now, but not in all of the hours for which it is signed."""
    TOGETHER = "together"
    """The rules accept this document, but not all others that have the same evidence value."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a gate would say about one piece of evidence, and what changes that."""

    result: Result
    """`SATISFIED` only if a show would be accepted now."""
    cause: Cause | None
    reasons: tuple[tuple[str, str], ...]
    """(identifier, description) of every rule that fails, or that cannot be evaluated."""
    fails_at: int | None
    """With `HOURS`: a moment of those hours at which these rules fail."""
    changes_at: int | None
    """The first moment at which it passes no more, or at which it will; None if that does not
    come while a known version is in force."""


def look_out(
    versions: Sequence[PolicyDocument],
    fact: EvidenceFact,
    now: int,
    language: str,
    clock: Clockwork,
) -> Outlook:
    """Judge a fact at a moment (Unix seconds) by the versions of one policy that are known.

    One of them is in force at `now`; later ones count from their beginning on. It is taken
    that the holder has the keys of the list under which wallets show (GS-SHOW-7): those of
    its epoch and the one before.
    """
    watch = _Watch(versions, fact, clock)
    passes = watch.passes(now)
    change = next((m for m in watch.moments() if m > now and watch.passes(m) is not passes), None)
    if passes:
        return Outlook(Result.SATISFIED, None, (), None, change)
    document = in_force(versions, now)
    if document is None:
        return Outlook(Result.OPEN, None, (), None, change)
    opinion = judge_fact(document, fact, now)
    if opinion.refused_kind:
        return Outlook(Result.NOT_SATISFIED, Cause.KIND, (), None, change)
    if opinion.result is not Result.SATISFIED:
        reasons = _reasons(opinion, language)
        return Outlook(opinion.result, Cause.RULES, reasons, None, change)
    for moment in watch.life(now):
        later = judge_fact(document, fact, moment)
        if later.result is not Result.SATISFIED:
            reasons = _reasons(later, language)
            return Outlook(Result.NOT_SATISFIED, Cause.HOURS, reasons, moment, change)
    return Outlook(Result.NOT_SATISFIED, Cause.TOGETHER, (), None, change)


def in_force(versions: Sequence[PolicyDocument], moment: int) -> PolicyDocument | None:
    """The highest version in force at a moment (GS-POLICY-6)."""
    current = [v for v in versions if v.not_before <= moment < v.not_after]
    return max(current, key=lambda version: version.version, default=None)


class _Watch:
    """One fact at the gates of one policy, through time."""

    def __init__(
        self, versions: Sequence[PolicyDocument], fact: EvidenceFact, clock: Clockwork
    ) -> None:
        self.versions, self.fact, self.clock = versions, fact, clock
        self.known: dict[tuple[int, int], bool] = {}

    def passes(self, moment: int) -> bool:
        """Whether some key of the list under which wallets show has an accepted value."""
        document = in_force(self.versions, moment)
        if document is None:
            return False
        epochs = self.epochs(moment)
        return any(self.accepted(document, epoch) for epoch in epochs)

    def epochs(self, moment: int) -> Iterator[int]:
        """Of the keys on the list under which wallets show, the newest first."""
        shown = self.clock.shown_epoch(moment)
        return (shown - back for back in range(LIST_EPOCHS) if shown >= back)

    def accepted(self, document: PolicyDocument, epoch: int) -> bool:
        name = document.version, epoch
        if name not in self.known:
            start, end = self.clock.key_life(epoch)
            value = value_at(self.fact, start=start, end=end)
            self.known[name] = accepts_value(document, value, end - start)
        return self.known[name]

    def life(self, moment: int) -> Iterator[int]:
        """Moments at which rules may judge otherwise in the hours for which evidence is signed.

        Of the key that is signed for the shortest time from here on; then of the newer one.
        """
        for epoch in sorted(self.epochs(moment)):
            start, end = self.clock.key_life(epoch)
            first = max(start, min(self.fact.event_time, end - 1))
            later = (change for change in changes(self.fact) if first < change < end)
            yield from (*later, first)

    def moments(self) -> list[int]:
        """Every moment at which `passes` may change, ascending."""
        clock = self.clock
        found = {moment for v in self.versions for moment in (v.not_before, v.not_after)}
        third = -(-clock.epoch_seconds // 3)
        for change in changes(self.fact):
            around = (change - clock.zero) // clock.epoch_seconds
            # Keys whose life the change is in, or next to, and the lists that hold them.
            for epoch in range(around - KEY_EPOCHS, around + LIST_EPOCHS + 1):
                found.add(clock.start(epoch) + third)
        return sorted(moment for moment in found if moment >= clock.zero)


def _reasons(opinion: Opinion, language: str) -> tuple[tuple[str, str], ...]:
    return tuple(
        (rule.identifier, describe(rule, language)) for rule in opinion.failed + opinion.open
    )
