"""Published business rules: reading them, choosing those that apply, judging by them.

The form is that of the EU gateway's validation rules (schema 1.0.0, "EU DCC
Validation Rule"), read strictly. What real data get wrong without changing what
a rule means is let through: affected fields that are not those of the logic,
languages that do not exist, versions of the engine that never were, an `if`
with two or four operands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, TypeAlias, TypeVar

from guosuo.certlogic.ast import Expr
from guosuo.certlogic.evaluate import OpenCause, Outcome, Result, decide
from guosuo.certlogic.json_text import checked_text
from guosuo.certlogic.moments import Moment, read_moment
from guosuo.certlogic.parse import parse
from guosuo.errors import CallerError, PeerError, Reason, refuse

MAX_RULES: Final = 512
"""Rules of one set; the largest published one has 32."""
MAX_ENTRIES: Final = 128
"""Descriptions, or affected fields, of one rule."""
MAX_DESCRIPTION: Final = 4096
"""Characters; the longest published one has 322."""
MAX_WORD: Final = 64
"""Characters of every other text."""

_IDENTIFIER: Final = re.compile(r"[A-Z]{2,3}-([A-Z]{2})-\d{4}", re.ASCII)
_REGION: Final = re.compile(r"\w{0,5}", re.ASCII)
_VERSION: Final = re.compile(r"(\d{1,6})\.(\d{1,6})\.(\d{1,6})", re.ASCII)
_ENGINE: Final = "CERTLOGIC"

_REQUIRED: Final = frozenset({
    "AffectedFields", "CertificateType", "Country", "Description", "Engine", "EngineVersion",
    "Identifier", "Logic", "SchemaVersion", "Type", "ValidFrom", "ValidTo", "Version",
})  # fmt: skip
_OPTIONAL: Final = frozenset({
    "Region",
    "expr-as-text",  # the logic for people, added by the countries' own tools; not read
})  # fmt: skip

_LAST_SECOND: Final = 253_402_300_799
"""Of the year 9999, the last that the text of a clock can name."""

Version: TypeAlias = tuple[int, int, int]
_Word = TypeVar("_Word", bound=StrEnum)


class RuleType(StrEnum):
    """What a rule is for; invalidation rules are the issuing country's, about its own documents."""

    ACCEPTANCE = "Acceptance"
    INVALIDATION = "Invalidation"


class CertificateType(StrEnum):
    """The documents that a rule is about; `GENERAL` rules are about all of them."""

    GENERAL = "General"
    VACCINATION = "Vaccination"
    TEST = "Test"
    RECOVERY = "Recovery"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One version of one rule, its logic parsed."""

    identifier: str
    type: RuleType
    country: str
    region: str
    """Part of the country that has rules of its own; empty for the country."""
    version: Version
    schema_version: Version
    engine_version: Version
    """As the author wrote it; evaluation does not depend on it."""
    certificate_type: CertificateType
    descriptions: tuple[tuple[str, str], ...]
    """Pairs of language and text, in the order of publication."""
    valid_from: Moment
    valid_to: Moment
    """Both moments are included."""
    affected_fields: tuple[str, ...]
    """For highlighting by apps; not necessarily what the logic reads."""
    logic: Expr

    def valid_at(self, clock: int) -> bool:
        """Whether the rule is in force at a moment (Unix seconds)."""
        return self.valid_from.milliseconds <= clock * 1000 <= self.valid_to.milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a rule may read beside the document, as `external`.

    What is None is absent there. Moments are Unix seconds; value sets are lists of
    codes by the name of the set.
    """

    clock: int
    value_sets: Mapping[str, list[str]]
    country: str | None = None
    """Where the document is shown."""
    region: str | None = None
    issuer_country: str | None = None
    key_identifier: str | None = None
    """Of the document's signer, Base64."""
    issued_at: int | None = None
    expires_at: int | None = None

    def external(self) -> dict[str, object]:
        """The values by the names that rules use; `CallerError(ARGUMENT)` for no calendar year."""
        entries: dict[str, object] = {
            "validationClock": _written(self.clock),
            "valueSets": dict(self.value_sets),
            "countryCode": self.country,
            "region": self.region,
            "issuerCountryCode": self.issuer_country,
            "kid": self.key_identifier,
            "iat": _written(self.issued_at) if self.issued_at is not None else None,
            "exp": _written(self.expires_at) if self.expires_at is not None else None,
        }
        return {name: value for name, value in entries.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a set of rules says about one document, with the outcome of each rule, in order.

    Without a rule that applies it is satisfied: who publishes no rules asks for nothing.
    """

    outcomes: tuple[tuple[Rule, Outcome], ...]

    @property
    def result(self) -> Result:
        """Not satisfied if a rule is not; otherwise open if a rule is; otherwise satisfied."""
        if self.rejecting:
            return Result.NOT_SATISFIED
        return Result.OPEN if self.open else Result.SATISFIED

    @property
    def rejecting(self) -> tuple[str, ...]:
        """Identifiers of the rules that are not satisfied."""
        return self._identifiers(Result.NOT_SATISFIED)

    @property
    def open(self) -> tuple[str, ...]:
        """Identifiers of the rules that could not be evaluated."""
        return self._identifiers(Result.OPEN)

    @property
    def causes(self) -> tuple[OpenCause, ...]:
        """Why, for each of `open`."""
        return tuple(outcome.cause for _, outcome in self.outcomes if outcome.cause is not None)

    def _identifiers(self, result: Result) -> tuple[str, ...]:
        return tuple(rule.identifier for rule, outcome in self.outcomes if outcome.result is result)


def read_rules(values: object) -> tuple[Rule, ...]:
    """A list of published rules (JSON values, as `load_json` gives them), in its order.

    Raises `PeerError` as `read_rule`, and `RULE_BOUNDS` for more than `MAX_RULES`.
    """
    return tuple(read_rule(value) for value in _list(values, limit=MAX_RULES))


def read_rule(value: object) -> Rule:
    """One published rule.

    Raises `PeerError`: `RULE_SYNTAX` for other forms, other engines and logic that
    is not CertLogic, `RULE_BOUNDS` for what is larger than allowed.
    """
    if not isinstance(value, dict) or not _REQUIRED <= value.keys() <= _REQUIRED | _OPTIONAL:
        refuse(Reason.RULE_SYNTAX, "not a rule: fields are missing or unknown")
    identifier, country = _word(value["Identifier"]), _word(value["Country"])
    named = _IDENTIFIER.fullmatch(identifier)
    if named is None or named[1] != country or value["Engine"] != _ENGINE:
        refuse(Reason.RULE_SYNTAX, "an identifier, a country or an engine of another form")
    region = _word(value.get("Region", ""))
    if _REGION.fullmatch(region) is None:
        refuse(Reason.RULE_SYNTAX, "a region of another form")
    return Rule(
        identifier=identifier,
        type=_one_of(RuleType, value["Type"]),
        country=country,
        region=region,
        version=_version(value["Version"]),
        schema_version=_version(value["SchemaVersion"]),
        engine_version=_version(value["EngineVersion"]),
        certificate_type=_one_of(CertificateType, value["CertificateType"]),
        descriptions=tuple(
            _description(entry) for entry in _list(value["Description"], limit=MAX_ENTRIES)
        ),
        valid_from=_moment(value["ValidFrom"]),
        valid_to=_moment(value["ValidTo"]),
        affected_fields=tuple(
            _word(field) for field in _list(value["AffectedFields"], limit=MAX_ENTRIES)
        ),
        logic=parse(value["Logic"], tolerant=True),
    )


def applicable(rules: Iterable[Rule], kind: CertificateType, clock: int) -> tuple[Rule, ...]:
    """The acceptance rules in force for documents of a kind, at a moment (Unix seconds).

    Those of type `GENERAL` and those of the kind; of several versions in force of
    one rule, the highest. Ordered by identifier.
    """
    newest: dict[str, Rule] = {}
    for rule in rules:
        about = rule.certificate_type in {CertificateType.GENERAL, kind}
        if not about or rule.type is not RuleType.ACCEPTANCE or not rule.valid_at(clock):
            continue
        known = newest.get(rule.identifier)
        if known is None or known.version < rule.version:
            newest[rule.identifier] = rule
    return tuple(newest[identifier] for identifier in sorted(newest))


def judge(
    rules: Iterable[Rule],
    *,
    kind: CertificateType,
    payload: object,
    surroundings: Surroundings,
) -> Judgement:
    """Judge a document by a country's rules, at the clock of the surroundings.

    `payload` is the document as JSON values: what rules read as `payload`. Total
    but for `CallerError` (see `Surroundings.external`).
    """
    data = {"payload": payload, "external": surroundings.external()}
    chosen = applicable(rules, kind, surroundings.clock)
    return Judgement(tuple((rule, decide(rule.logic, data)) for rule in chosen))


def _description(value: object) -> tuple[str, str]:
    if not isinstance(value, dict) or value.keys() != {"lang", "desc"}:
        refuse(Reason.RULE_SYNTAX, "a description is a language and a text")
    return _word(value["lang"]), checked_text(value["desc"], limit=MAX_DESCRIPTION)


def _version(value: object) -> Version:
    found = _VERSION.fullmatch(_word(value))
    if found is None:
        refuse(Reason.RULE_SYNTAX, "a version is three numbers")
    return int(found[1]), int(found[2]), int(found[3])


def _moment(value: object) -> Moment:
    try:
        return read_moment(_word(value))
    except ValueError:
        raise PeerError(Reason.RULE_SYNTAX, "not a date, or not in the calendar") from None


def _one_of(words: type[_Word], value: object) -> _Word:
    for word in words:
        if value == word.value:
            return word
    raise PeerError(Reason.RULE_SYNTAX, "a type that rules do not have")


def _list(value: object, *, limit: int) -> list[object]:
    if not isinstance(value, list):
        refuse(Reason.RULE_SYNTAX, "something else in the place of an array")
    if len(value) > limit:
        refuse(Reason.RULE_BOUNDS, "an array with too many items")
    return value


def _word(value: object) -> str:
    return checked_text(value, limit=MAX_WORD)


def _written(seconds: int) -> str:
    """A moment as CertLogic reads it."""
    if not 0 <= seconds <= _LAST_SECOND:
        raise CallerError(Reason.ARGUMENT, "a moment before 1970, or after the year 9999")
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
