"""The policy document: what a region accepts, as data, and its compilation.

A policy is a disjunction of clauses over one piece of evidence. Its set of
accepted evidence values is a deterministic function of the document, so every
wallet and every other node compiles it again and compares.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Protocol

from guosuo.errors import CallerError, PeerError, Reason
from guosuo.evidence.acceptance import Clause, accepted_values, accepts_at
from guosuo.evidence.facts import EvidenceFact, EvidenceKind
from guosuo.wire.schema import Message, Range, Size, Text, message


class _Life(Protocol):
    """What compilation needs of the federation's clock."""

    def key_life(self, epoch: int) -> tuple[int, int]: ...


@message
class PolicyClause(Message):
    """One way to be accepted; limits are breakpoints of the registry (GS-POLICY-1)."""

    kind: EvidenceKind
    products: Annotated[tuple[Annotated[int, Range(0, 0xFFFF)], ...], Size(1, 256)] | None
    """Product codes; absent means any."""
    min_doses: Annotated[int, Range(0, 9)]
    complete_series: bool
    min_age_hours: Annotated[int, Range(0, 1 << 20)]
    max_age_hours: Annotated[int, Range(1, 1 << 20)] | None
    """Accepted from min (included) to max (excluded); absent means without end."""
    description: Text

    def clause(self) -> Clause:
        """As the evidence room evaluates it; `PeerError(POLICY)` if it means nothing."""
        try:
            return Clause(
                kind=self.kind,
                products=frozenset(self.products) if self.products is not None else None,
                min_doses=self.min_doses,
                complete_series=self.complete_series,
                min_age_hours=self.min_age_hours,
                max_age_hours=self.max_age_hours,
            )
        except CallerError:
            raise PeerError(Reason.POLICY) from None


@message
class PolicyDocument(Message):
    """One version of one policy of one gate region."""

    MAX_SIZE: ClassVar[int] = 1 << 18

    region: Annotated[str, Size(2, 12)]
    policy: Annotated[str, Size(1, 32)]
    version: Annotated[int, Range(1, (1 << 32) - 1)]
    not_before: Annotated[int, Range(0, 1 << 40)]
    not_after: Annotated[int, Range(0, 1 << 40)]
    clauses: Annotated[tuple[PolicyClause, ...], Size(1, 64)]


def compile_policy(document: PolicyDocument, clock: _Life) -> tuple[int, ...]:
    """The accepted evidence values, ascending; `PeerError(POLICY)` if there is none."""
    start, end = clock.key_life(0)
    clauses = [clause.clause() for clause in document.clauses]
    try:
        values = accepted_values(clauses, life_seconds=end - start)
    except CallerError:
        raise PeerError(Reason.POLICY, "the policy accepts too many values") from None
    if not values:
        raise PeerError(Reason.POLICY, "the policy accepts nothing")
    return values


def accepts(document: PolicyDocument, fact: EvidenceFact, now: int) -> bool:
    """The same policy in clear, at one moment."""
    return accepts_at([clause.clause() for clause in document.clauses], fact, now)
