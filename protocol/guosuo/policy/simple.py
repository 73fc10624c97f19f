"""Simple policies, written as ways to be accepted and turned into CertLogic.

A way asks for a kind of evidence, a product, doses and an age; one way is enough. The
ways of a kind become one rule, as CertLogic rules only ever refuse and have no `or`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final

from guosuo.certlogic.json_text import load_json
from guosuo.errors import CallerError, Reason
from guosuo.evidence.registry import NEGATIVE, EvidenceKind
from guosuo.policy.document import KINDS, PolicyDocument, canonical
from guosuo.policy.written import make_document

_HOURS: Final = 24
_CLOCK: Final = {"plusTime": [{"var": "external.validationClock"}, 0, "day"]}
_GROUPS: Final = {
    EvidenceKind.VACCINATION: ("VR", "v.0", "mp", "dt"),
    EvidenceKind.TEST: ("TR", "t.0", "tt", "sc"),
    EvidenceKind.RECOVERY: ("RR", "r.0", "", "fr"),
}
"""Prefix of rule identifiers, entry, and the members with the product and the event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to be accepted: kind, products, doses, and min ≤ age ≤ max; of tests, negative ones.

    `CallerError(ARGUMENT)` for doses or products of a kind that has none, and for
    an empty range of ages.
    """

    kind: EvidenceKind
    descriptions: tuple[tuple[str, str], ...]
    """Pairs of language and text."""
    products: tuple[str, ...] | None = None
    """Names as documents have them; None for any."""
    min_doses: int = 0
    complete: bool = False
    """At least as many doses as the series has."""
    min_hours: int = 0
    """First age accepted, in hours; events in the future never are."""
    max_hours: int | None = None
    """Last age accepted; None for no limit."""

    def __post_init__(self) -> None:
        """Check the fields against each other."""
        vaccination = self.kind is EvidenceKind.VACCINATION
        if not vaccination and (self.min_doses or self.complete):
            raise CallerError(Reason.ARGUMENT, "doses of something that has none")
        if self.products is not None and (not self.products or self.kind is EvidenceKind.RECOVERY):
            raise CallerError(Reason.ARGUMENT, "no products, or of a kind that names none")
        if self.min_hours < 0 or (self.max_hours is not None and self.max_hours <= self.min_hours):
            raise CallerError(Reason.ARGUMENT, "an empty range of ages")

    def logic(self) -> dict[str, Any]:
        """The CertLogic expression that is true for documents of the kind that it accepts."""
        _, entry, product, event = _GROUPS[self.kind]

        def member(name: str) -> dict[str, str]:
            return {"var": f"payload.{entry}.{name}"}

        def aged(hours: int) -> dict[str, Any]:
            whole_days = hours % _HOURS == 0 and hours != _HOURS
            amount, unit = (hours // _HOURS, "day") if whole_days else (hours, "hour")
            return {"plusTime": [member(event), amount, unit]}

        conditions: list[dict[str, Any]] = []
        if self.products is not None:
            conditions.append({"in": [member(product), sorted(self.products)]})
        if self.kind is EvidenceKind.TEST:
            conditions.append({"===": [member("tr"), NEGATIVE]})
        if self.min_doses > 1:
            conditions.append({">=": [member("dn"), self.min_doses]})
        if self.complete:
            conditions.append({">=": [member("dn"), member("sd")]})
        conditions.append({"not-after": [aged(self.min_hours), _CLOCK]})
        if self.max_hours is not None:
            conditions.append({"not-after": [_CLOCK, aged(self.max_hours)]})
        return {"and": conditions} if len(conditions) > 1 else conditions[0]


def vaccinated(
    description: str,
    *,
    doses: int = 0,
    complete: bool = True,
    products: tuple[str, ...] | None = None,
    min_days: int = 0,
    max_days: int | None = None,
) -> Way:
    """Vaccinated at least `min_days` and at most `max_days` ago."""
    return Way(
        kind=EvidenceKind.VACCINATION,
        descriptions=(("en", description),),
        products=products,
        min_doses=doses,
        complete=complete,
        min_hours=min_days * _HOURS,
        max_hours=None if max_days is None else max_days * _HOURS,
    )


def tested(description: str, *types: str, max_hours: int) -> Way:
    """Tested at most `max_hours` ago, by tests of these types (any if none is named)."""
    return Way(
        kind=EvidenceKind.TEST,
        descriptions=(("en", description),),
        products=types or None,
        max_hours=max_hours,
    )


def recovered(description: str, *, min_days: int = 0, max_days: int) -> Way:
    """First tested positive at least `min_days` and at most `max_days` ago."""
    return Way(
        kind=EvidenceKind.RECOVERY,
        descriptions=(("en", description),),
        min_hours=min_days * _HOURS,
        max_hours=max_days * _HOURS,
    )


def simple_policy(
    ways: Sequence[Way], *, region: str, policy: str, version: int, not_before: int, not_after: int
) -> PolicyDocument:
    """The document of a policy that accepts whoever satisfies one of the ways."""
    kinds = sorted({way.kind for way in ways})
    return make_document(
        region=region,
        policy=policy,
        version=version,
        not_before=not_before,
        not_after=not_after,
        accepts=tuple(kinds),
        rules=[_rule([way for way in ways if way.kind is kind]) for kind in kinds],
        value_sets={},
    )


def _rule(ways: Sequence[Way]) -> object:
    """One published rule for the ways of one kind."""
    kind = ways[0].kind
    prefix, entry, product, event = _GROUPS[kind]
    languages = sorted({language for way in ways for language, _ in way.descriptions})
    logic = reduce(
        lambda rest, way: {"if": [way.logic(), True, rest]},
        reversed(ways[:-1]),
        ways[-1].logic(),
    )
    published = {
        "Identifier": f"{prefix}-CN-0001",
        "Type": "Acceptance",
        "Country": "CN",
        "Version": "1.0.0",
        "SchemaVersion": "1.0.0",
        "Engine": "CERTLOGIC",
        "EngineVersion": "1.2.2",
        "CertificateType": KINDS[kind].value,
        "Description": [
            {"lang": language, "desc": "; ".join(_texts(ways, language))} for language in languages
        ],
        # When it is in force is the document's affair.
        "ValidFrom": "2000-01-01T00:00:00Z",
        "ValidTo": "2999-12-31T23:59:59Z",
        "AffectedFields": [f"{entry}.{name}" for name in (product, event) if name],
        "Logic": logic,
    }
    return load_json(canonical(published))


def _texts(ways: Sequence[Way], language: str) -> list[str]:
    return [text for way in ways for known, text in way.descriptions if known == language]
