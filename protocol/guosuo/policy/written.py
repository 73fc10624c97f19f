"""Policy documents as people write and read them: JSON.

    region, policy, version    whose policy, its name, and which version of it
    valid_from, valid_to       as "2022-01-18T12:00:00Z"; from the first to before the second
    accepts                    kinds of evidence: "vaccination", "test", "recovery"
    rules                      published CertLogic rules (EU gateway, schema 1.0.0)
    value_sets                 lists of codes by name, as the rules read them
    layout, limits             of the evidence integers, and every limit in the rules; found
                               from the rules if left out, and refused if they are others

Members that are not listed here are refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from guosuo.certlogic.json_text import load_json
from guosuo.certlogic.moments import read_moment
from guosuo.certlogic.rules import applicable, read_rules
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.evidence.registry import EvidenceKind
from guosuo.evidence.value import LAYOUT
from guosuo.policy.document import KINDS, PolicyDocument, ValueSet, ordered_rules
from guosuo.policy.reading import limits_of, read_logic

_REQUIRED: Final = frozenset({
    "region", "policy", "version", "valid_from", "valid_to", "accepts", "rules", "value_sets",
})  # fmt: skip
_OPTIONAL: Final = frozenset({"layout", "limits"})
_WORDS: Final = {kind.name.lower(): kind for kind in EvidenceKind}


def make_document(
    *,
    region: str,
    policy: str,
    version: int,
    not_before: int,
    not_after: int,
    accepts: tuple[EvidenceKind, ...],
    rules: Iterable[object],
    value_sets: Mapping[str, Iterable[str]],
) -> PolicyDocument:
    """A document with its limits found from its rules, and only the value sets that they read.

    `rules` are JSON values as `load_json` gives them. Raises `PeerError` for what is no
    rule, and as `PolicyDocument.check`.
    """
    texts = ordered_rules(rules)
    readings = [read_logic(rule) for rule in read_rules([load_json(text) for text in texts])]
    used = set().union(*(reading.sets for reading in readings))
    document = PolicyDocument(
        region=region,
        policy=policy,
        version=version,
        not_before=not_before,
        not_after=not_after,
        accepts=tuple(sorted(accepts)),
        layout=LAYOUT,
        limits=limits_of(readings),
        rules=texts,
        value_sets=tuple(
            ValueSet(name=name, codes=tuple(codes))
            for name, codes in sorted(value_sets.items())
            if name in used
        ),
    )
    return checked(document)


def import_rules(
    published: Iterable[object],
    value_sets: Mapping[str, Iterable[str]],
    *,
    region: str,
    policy: str,
    version: int,
    now: int,
    not_after: int,
) -> PolicyDocument:
    """A country's published rules as a policy in force from `now`.

    Takes the rules that apply at `now`, and ends where one of them ends or another
    begins, at the latest at `not_after`. All kinds of evidence are accepted if they
    satisfy the rules, as the rules' authors have it.
    """
    values = list(published)
    rules = read_rules(values)
    chosen = {rule for kind in KINDS.values() for rule in applicable(rules, kind, now)}
    milliseconds = [
        *(rule.valid_to.milliseconds + 1000 for rule in chosen),
        *(rule.valid_from.milliseconds for rule in rules if not rule.valid_at(now)),
    ]
    later = [moment // 1000 for moment in milliseconds if moment > now * 1000]
    return make_document(
        region=region,
        policy=policy,
        version=version,
        not_before=now,
        not_after=min([not_after, *later]),
        accepts=tuple(EvidenceKind),
        rules=[value for value, rule in zip(values, rules, strict=True) if rule in chosen],
        value_sets=value_sets,
    )


def to_json(document: PolicyDocument) -> str:
    """For people and for `from_json`; the rules in the form in which they were published."""
    written = {
        "region": document.region,
        "policy": document.policy,
        "version": document.version,
        "valid_from": _written(document.not_before),
        "valid_to": _written(document.not_after),
        "accepts": [kind.name.lower() for kind in document.accepts],
        "layout": document.layout,
        "limits": list(document.limits),
        "rules": [load_json(text) for text in document.rules],
        "value_sets": document.codes,
    }
    return json.dumps(written, ensure_ascii=False, indent=1) + "\n"


def from_json(text: bytes) -> PolicyDocument:
    """Read a document strictly.

    Raises `PeerError`: `RULE_SYNTAX` and `RULE_BOUNDS` for what is not JSON or no rule,
    `POLICY` for every other fault.
    """
    value = load_json(text)
    if not isinstance(value, dict) or not _REQUIRED <= value.keys() <= _REQUIRED | _OPTIONAL:
        raise PeerError(Reason.POLICY, "members of the policy are missing or unknown")
    rules, sets = value["rules"], value["value_sets"]
    if not isinstance(rules, list) or not isinstance(sets, dict):
        raise PeerError(Reason.POLICY, "rules are a list, value sets lists by their names")
    if not all(isinstance(codes, list) for codes in sets.values()):
        raise PeerError(Reason.POLICY, "a value set is a list of codes")
    document = make_document(
        region=value["region"],
        policy=value["policy"],
        version=value["version"],
        not_before=_moment(value["valid_from"]),
        not_after=_moment(value["valid_to"]),
        accepts=_kinds(value["accepts"]),
        rules=rules,
        value_sets=sets,
    )
    if len(document.value_sets) != len(sets):
        raise PeerError(Reason.POLICY, "a value set that no rule reads")
    claimed = value.get("layout", document.layout), value.get("limits", list(document.limits))
    if claimed != (document.layout, list(document.limits)):
        raise PeerError(Reason.POLICY, "another layout or other limits than those of the rules")
    return document


def checked(document: PolicyDocument) -> PolicyDocument:
    """The same document if it is one; `PeerError(POLICY)`."""
    try:
        read = PolicyDocument.decode(document.encode())
    except (CallerError, AttributeError, TypeError):
        read = None
    if read is None:
        raise PeerError(Reason.POLICY, "a member of the policy has another type or size")
    read.check()
    return read


def _kinds(words: Any) -> tuple[EvidenceKind, ...]:  # noqa: ANN401 - whatever JSON can say
    if not isinstance(words, list) or not all(word in _WORDS for word in map(str, words)):
        raise PeerError(Reason.POLICY, "accepts is a list of kinds of evidence")
    return tuple(_WORDS[word] for word in map(str, words))


def _moment(text: object) -> int:
    try:
        return read_moment(text if isinstance(text, str) else "").milliseconds // 1000
    except ValueError:
        raise PeerError(Reason.POLICY, "a time is written as 2022-01-18T12:00:00Z") from None


def _written(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
