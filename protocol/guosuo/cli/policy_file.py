"""Policy files of regions: whole documents, or the short form for simple policies.

A whole document is JSON as `guosuo.policy.written` has it. The short form:

    policy      name of the policy, as posters carry it
    valid_days  how long this version is in force, from its publication
    accepts     ways to be accepted, one of which is enough; each with
        description      what it says, for holders; or one each for languages: {"en": …}
        kind             vaccination, test or recovery
        products         names as certificates have them, types of tests; any if left out
        min_doses        0 if left out
        complete_series  true if the series must be complete; false if left out
        min_age, max_age "48 hours", "270 days": accepted from min to max, both included;
                         without end if max is left out. Only some limits can be told apart.

`EXAMPLE` is one; `guosuo region bundle --example-policy` prints it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final, NoReturn

from guosuo.certlogic.json_text import load_json
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.evidence.registry import PRODUCTS, TYPE_NAAT, TYPE_RAPID_ANTIGEN, EvidenceKind
from guosuo.policy.compiler import find_faults
from guosuo.policy.document import PolicyDocument
from guosuo.policy.expressible import EVENTS, REGISTRY
from guosuo.policy.simple import Way, simple_policy
from guosuo.policy.written import from_json

EXAMPLE: Final = """\
{
  "policy": "entry",
  "valid_days": 30,
  "accepts": [
    {
      "description": "complete series, 14 to 270 days ago",
      "kind": "vaccination",
      "products": ["BBIBP-CorV", "CoronaVac", "EU/1/20/1528"],
      "complete_series": true,
      "min_doses": 1,
      "min_age": "14 days",
      "max_age": "270 days"
    },
    {
      "description": "nucleic-acid test within 72 hours",
      "kind": "test",
      "products": ["LP6464-4"],
      "max_age": "72 hours"
    }
  ]
}
"""
DAY_SECONDS: Final = 86_400
MAX_VALID_DAYS: Final = 3660
MAX_WAYS: Final = 64
MAX_DESCRIPTION: Final = 256

_KNOWN: Final = {
    EvidenceKind.VACCINATION: {p.name for p in PRODUCTS if p.kind is EvidenceKind.VACCINATION},
    EvidenceKind.TEST: {TYPE_NAAT, TYPE_RAPID_ANTIGEN},
    EvidenceKind.RECOVERY: set[str](),
}
_KINDS: Final = {kind.name.lower(): kind for kind in EvidenceKind}
_AGE: Final = re.compile(r"(\d{1,5}) ?(hours?|h|days?|d)", re.ASCII)
_REQUIRED: Final = {"description", "kind"}
_OPTIONAL: Final = {"products", "min_doses", "complete_series", "min_age", "max_age"}


def read_policy(data: bytes, *, region: str, version: int, now: int) -> PolicyDocument:
    """The document in a file, of either form; `CallerError(POLICY)`.

    The short form is in force from `now`. A whole document says for itself when it is;
    it must be this region's, and its version counts from nothing but the log, too.
    """
    try:
        policy = load_json(data)
    except PeerError:
        policy = None
    if isinstance(policy, dict) and "rules" in policy:
        return _whole(data, region, version)
    if not isinstance(policy, dict) or policy.keys() != {"policy", "valid_days", "accepts"}:
        _refuse("a policy file is one JSON object with policy, valid_days and accepts")
    days, ways = policy["valid_days"], policy["accepts"]
    if type(days) is not int or not 1 <= days <= MAX_VALID_DAYS:
        _refuse("valid_days is a whole number of days, at most ten years")
    if not isinstance(ways, list) or not 1 <= len(ways) <= MAX_WAYS:
        _refuse("accepts is a list of at least one way to be accepted")
    read = [_way(way, f"way {number}") for number, way in enumerate(ways, 1)]
    try:
        document = simple_policy(
            read,
            region=region,
            policy=policy["policy"],
            version=version,
            not_before=now,
            not_after=now + days * DAY_SECONDS,
        )
    except (CallerError, PeerError):
        _refuse("a name has 1 to 32 letters, a description 1 to 256; at most 64 ways")
    for number, way in enumerate(read, 1):
        _check_limits(way, f"way {number}")
    if find_faults(document):
        _refuse("it has a rule that cannot be proven")
    return document


def _whole(data: bytes, region: str, version: int) -> PolicyDocument:
    try:
        document = from_json(data)
        faults = find_faults(document)
    except PeerError as error:
        raise CallerError(Reason.POLICY, error.hint or "not a policy document") from None
    if document.region != region:
        _refuse("the document is another region's")
    if faults:
        _refuse("a rule cannot be proven; `guosuo policy lint` names it")
    return replace(document, version=version)


def _way(way: object, where: str) -> Way:
    if not isinstance(way, dict) or not way.keys() >= _REQUIRED:
        _refuse(f"{where} needs a description and a kind")
    if not way.keys() <= _REQUIRED | _OPTIONAL:
        _refuse(f"{where} has a member that no policy has")
    kind = _KINDS.get(str(way["kind"]))
    if kind is None:
        _refuse(f"{where} has a kind other than {listed(_KINDS)}")
    complete, doses = way.get("complete_series", False), way.get("min_doses", 0)
    if type(complete) is not bool or type(doses) is not int:
        _refuse(f"{where} has a member of another type")
    try:
        read = Way(
            kind=kind,
            descriptions=_descriptions(way["description"], where),
            products=_products(kind, way.get("products"), where),
            min_doses=doses,
            complete=complete,
            min_hours=_hours(way.get("min_age", "0 h"), where),
            max_hours=_hours(way["max_age"], where) if "max_age" in way else None,
        )
    except CallerError as error:
        if error.reason is Reason.POLICY:
            raise
        read = None
    if read is None:
        _refuse(f"{where} accepts nothing, or asks for doses that its kind does not have")
    return read


def _descriptions(value: Any, where: str) -> tuple[tuple[str, str], ...]:  # noqa: ANN401
    texts = {"en": value} if isinstance(value, str) else value
    if not isinstance(texts, dict) or not texts:
        _refuse(f"{where} has a member of another type")
    for text in texts.values():
        if not isinstance(text, str) or not 1 <= len(text) <= MAX_DESCRIPTION:
            _refuse("a name has 1 to 32 letters, a description 1 to 256; at most 64 ways")
    return tuple(sorted(texts.items()))


def _products(kind: EvidenceKind, names: Any, where: str) -> tuple[str, ...] | None:  # noqa: ANN401
    if names is None:
        return None
    if not isinstance(names, list) or not names:
        _refuse(f"{where} names products in a list, or leaves them out for any")
    if not set(map(str, names)) <= _KNOWN[kind]:
        _refuse(f"{where} names a product that the registry does not have for this kind")
    return tuple(sorted(set(map(str, names))))


def _hours(text: object, where: str) -> int:
    hours = age_hours(text)
    if hours is None:
        _refuse(f"{where} has an age that is not written as 48 hours or 14 days")
    return hours


def age_hours(text: object) -> int | None:
    """Hours of "48 hours", "48 h", "2 days" or "2 d"; None for what is no age."""
    found = _AGE.fullmatch(text) if isinstance(text, str) else None
    return None if found is None else int(found[1]) * (24 if found[2].startswith("d") else 1)


def age_text(hours: int) -> str:
    """As `age_hours` reads it."""
    return f"{hours // 24} days" if hours % 24 == 0 else f"{hours} h"


def products_of(kind: EvidenceKind) -> frozenset[str]:
    """Names of registered products of a kind; none for recoveries."""
    return frozenset(p.name for p in PRODUCTS if p.kind is kind)


def _check_limits(way: Way, where: str) -> None:
    """Limits that evidence keeps apart: of the first age from, of the last one up to."""
    for hours, strict in ((way.min_hours, False), (way.max_hours, True)):
        known = sorted(
            limit.amount
            for limit in REGISTRY
            if (limit.member, limit.months, limit.strict) == (EVENTS[way.kind], False, strict)
        )
        if hours is not None and hours not in known:
            ages = listed(age_text(h) for h in known)
            _refuse(f"{where} has an age that cannot be told apart; these can: {ages}")


def listed(words: Iterable[str]) -> str:
    """With commas between them."""
    return ", ".join(words)


def _refuse(hint: str) -> NoReturn:
    raise CallerError(Reason.POLICY, hint)
