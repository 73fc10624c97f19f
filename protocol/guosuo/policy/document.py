"""The policy document: which evidence a region accepts, as data.

The rules are CertLogic in the form of the EU gateway, each kept as the canonical
JSON text of all that its author published, so that the tools of other people read
them as they are. What EU rules leave unsaid a policy says: rules only ever refuse,
so a kind of evidence without rules would pass unseen; `accepts` names the kinds that
are accepted if all their rules are satisfied, and every other kind is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cached_property
from typing import Annotated, ClassVar, Final

from guosuo.certlogic.json_text import load_json
from guosuo.certlogic.rules import (
    CertificateType,
    Judgement,
    Rule,
    RuleType,
    Surroundings,
    judge,
    read_rule,
)
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.evidence.registry import EvidenceKind
from guosuo.wire.schema import Message, Range, Size, message

MAX_RULES: Final = 256
"""Rules of one policy; the largest published one has 32."""
MAX_CODES: Final = 8192
"""Codes of one value set; the largest of the EU has 250, that of test devices once had 1,200."""

KINDS: Final = {
    EvidenceKind.VACCINATION: CertificateType.VACCINATION,
    EvidenceKind.TEST: CertificateType.TEST,
    EvidenceKind.RECOVERY: CertificateType.RECOVERY,
}
"""What rules call the kinds of evidence."""


@message
class ValueSet(Message):
    """Codes that rules read as `external.valueSets.<name>`."""

    name: Annotated[str, Size(1, 64)]
    codes: Annotated[tuple[Annotated[str, Size(1, 80)], ...], Size(0, MAX_CODES)]


@message
class PolicyDocument(Message):
    """One version of one policy of one gate region (GS-POLICY-1)."""

    MAX_SIZE: ClassVar[int] = 1 << 18

    region: Annotated[str, Size(2, 12)]
    policy: Annotated[str, Size(1, 32)]
    version: Annotated[int, Range(1, (1 << 32) - 1)]
    not_before: Annotated[int, Range(0, 1 << 37)]
    not_after: Annotated[int, Range(0, 1 << 37)]
    """In force in [not_before, not_after), Unix seconds."""
    accepts: Annotated[tuple[EvidenceKind, ...], Size(1, len(KINDS))]
    """Ascending; documents of every other kind are refused."""
    layout: Annotated[int, Range(1, 15)]
    """Of the evidence integers that it is compiled for."""
    limits: Annotated[tuple[Annotated[str, Size(1, 64)], ...], Size(0, 256)]
    """Every limit that the rules set to an age or a validity, ascending; see `reading.Limit`."""
    rules: Annotated[tuple[Annotated[bytes, Size(1, 1 << 16)], ...], Size(0, MAX_RULES)]
    """`canonical` texts of published rules, ascending by identifier, each identifier once."""
    value_sets: Annotated[tuple[ValueSet, ...], Size(0, 64)]
    """Ascending by name."""

    @cached_property
    def parsed(self) -> tuple[Rule, ...]:
        """The rules, in order; `PeerError` if one is no rule or not in canonical form."""
        return tuple(_rule(text) for text in self.rules)

    @cached_property
    def codes(self) -> dict[str, list[str]]:
        """The value sets by name."""
        return {value_set.name: list(value_set.codes) for value_set in self.value_sets}

    def about(self, kind: EvidenceKind) -> tuple[Rule, ...]:
        """The rules that documents of a kind have to satisfy, all of them."""
        general, own = CertificateType.GENERAL, KINDS[kind]
        return tuple(rule for rule in self.parsed if rule.certificate_type in {general, own})

    def check(self) -> None:
        """Everything that the types do not say (GS-POLICY-1); `PeerError(POLICY)`.

        Rules of another type, or not in force in the whole window of the document,
        have no place in it: what a policy says must not change while it is in force.
        """
        names = [rule.identifier for rule in self.parsed]
        sets = [value_set.name for value_set in self.value_sets]
        if self.not_before >= self.not_after:
            raise PeerError(Reason.POLICY, "a policy ends after it begins")
        for ordered in (names, sets, list(self.accepts), list(self.limits)):
            if ordered != sorted(set(ordered)):  # type: ignore[type-var]
                raise PeerError(Reason.POLICY, "something that is not in order, or comes twice")
        for rule in self.parsed:
            if rule.type is not RuleType.ACCEPTANCE:
                raise PeerError(Reason.POLICY, "a rule that is not about acceptance")
            if not (rule.valid_at(self.not_before) and rule.valid_at(self.not_after - 1)):
                raise PeerError(Reason.POLICY, "a rule that is not in force all the time")


def canonical(value: object) -> bytes:
    """The one JSON text of a value from `load_json`: names sorted, no spaces, UTF-8.

    Integers that were written as 42.0 are 42. `CallerError(ARGUMENT)` for what JSON
    does not have.
    """
    try:
        text = json.dumps(
            _plain(value),
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=False,
            allow_nan=False,
        )
        return text.encode()
    except (TypeError, ValueError, RecursionError):
        pass
    raise CallerError(Reason.ARGUMENT, "not a value of JSON")


def judge_document(
    policy: PolicyDocument, kind: EvidenceKind, payload: object, now: int
) -> Judgement | None:
    """The policy in clear over a document's payload, at a moment; None for kinds it refuses."""
    if kind not in policy.accepts:
        return None
    return judge(
        policy.about(kind),
        kind=KINDS[kind],
        payload=payload,
        surroundings=Surroundings(clock=now, value_sets=policy.codes),
    )


def ordered_rules(rules: Iterable[object]) -> tuple[bytes, ...]:
    """Published rules as JSON values, in the form and order of a document."""
    texts = [canonical(rule) for rule in rules]
    return tuple(sorted(texts, key=lambda text: _rule(text).identifier))


def _rule(text: bytes) -> Rule:
    value = load_json(text)
    if canonical(value) != text:
        raise PeerError(Reason.POLICY, "a rule that is not in canonical form")
    return read_rule(value)


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
