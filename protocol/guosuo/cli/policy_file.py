"""Policies as people write them: JSON with names of products and ages in days or hours.

    policy      name of the policy, as posters carry it
    valid_days  how long this version is in force, from its publication
    accepts     ways to be accepted, one of which is enough; each with
        description      what it says, for holders
        kind             vaccination, test or recovery
        products         names as certificates have them (registry); any if left out
        min_doses        0 if left out
        complete_series  true if the series must be complete; false if left out
        min_age, max_age "48 hours", "270 days": accepted from min to before max; without
                         end if max is left out. Only ages of the registry can be told apart.

`EXAMPLE` is one; `guosuo region bundle --example-policy` prints it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, Final, NoReturn

from guosuo.errors import CallerError, PeerError, Reason
from guosuo.evidence.registry import OTHER, EvidenceKind, product_code
from guosuo.evidence.value import BREAKPOINT_HOURS
from guosuo.policy.document import PolicyClause, PolicyDocument

EXAMPLE: Final = """\
{
  "policy": "entry",
  "valid_days": 30,
  "accepts": [
    {
      "description": "complete series, 14 to 270 days ago",
      "kind": "vaccination",
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

_KINDS: Final = {kind.name.lower(): kind for kind in EvidenceKind}
_AGE: Final = re.compile(r"(\d{1,5}) ?(hours?|h|days?|d)", re.ASCII)
_REQUIRED: Final = {"description", "kind"}
_OPTIONAL: Final = {"products", "min_doses", "complete_series", "min_age", "max_age"}


def read_policy(data: bytes, *, region: str, version: int, now: int) -> PolicyDocument:
    """The document that such JSON describes, in force from `now`; `CallerError(POLICY)`."""
    try:
        policy = json.loads(data)
    except (ValueError, RecursionError):
        policy = None
    if not isinstance(policy, dict) or policy.keys() != {"policy", "valid_days", "accepts"}:
        _refuse("a policy file is one JSON object with policy, valid_days and accepts")
    days, ways = policy["valid_days"], policy["accepts"]
    if type(days) is not int or not 1 <= days <= MAX_VALID_DAYS:
        _refuse("valid_days is a whole number of days, at most ten years")
    if not isinstance(ways, list) or not ways:
        _refuse("accepts is a list of at least one way to be accepted")
    document = PolicyDocument(
        region=region,
        policy=policy["policy"],
        version=version,
        not_before=now,
        not_after=now + days * DAY_SECONDS,
        clauses=tuple(_clause(way, f"way {number}") for number, way in enumerate(ways, 1)),
    )
    try:
        return PolicyDocument.decode(document.encode())
    except (CallerError, PeerError):
        _refuse("a name has 1 to 32 letters, a description 1 to 256; at most 64 ways")


def _clause(way: object, where: str) -> PolicyClause:
    if not isinstance(way, dict) or not way.keys() >= _REQUIRED:
        _refuse(f"{where} needs a description and a kind")
    if not way.keys() <= _REQUIRED | _OPTIONAL:
        _refuse(f"{where} has a member that no policy has")
    kind = _KINDS.get(str(way["kind"]))
    if kind is None:
        _refuse(f"{where} has a kind other than {_listed(_KINDS)}")
    complete, doses = way.get("complete_series", False), way.get("min_doses", 0)
    if (
        type(complete) is not bool
        or type(doses) is not int
        or not isinstance(way["description"], str)
    ):
        _refuse(f"{where} has a member of another type")
    clause = PolicyClause(
        kind=kind,
        products=_products(kind, way.get("products"), where),
        min_doses=doses,
        complete_series=complete,
        min_age_hours=_hours(way.get("min_age", "0 h"), where),
        max_age_hours=_hours(way["max_age"], where) if "max_age" in way else None,
        description=way["description"],
    )
    try:
        clause.clause()
    except PeerError:
        _refuse(f"{where} accepts nothing, or asks for doses that its kind does not have")
    return clause


def _products(kind: EvidenceKind, names: Any, where: str) -> tuple[int, ...] | None:  # noqa: ANN401
    if names is None:
        return None
    if not isinstance(names, list) or not names:
        _refuse(f"{where} names products in a list, or leaves them out for any")
    codes = {product_code(kind, str(name)) for name in names}
    if OTHER in codes:
        _refuse(f"{where} names a product that the registry does not have for this kind")
    return tuple(sorted(codes))


def _hours(text: object, where: str) -> int:
    """Hours of "48 hours", "48 h", "2 days" or "2 d"."""
    found = _AGE.fullmatch(text) if isinstance(text, str) else None
    hours = -1
    if found is not None:
        hours = int(found[1]) * (24 if found[2].startswith("d") else 1)
    if hours not in BREAKPOINT_HOURS:
        known = _listed(f"{h // 24} days" if h % 24 == 0 else f"{h} h" for h in BREAKPOINT_HOURS)
        _refuse(f"{where} has an age that cannot be told apart; these can: {known}")
    return hours


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)


def _refuse(hint: str) -> NoReturn:
    raise CallerError(Reason.POLICY, hint)
