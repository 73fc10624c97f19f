"""Envelopes as people write them: the bounds of all policies, in the charter of a federation.

One JSON object:

    kinds    kinds of evidence that every policy takes: "vaccination", "test", "recovery"
    bounds   floors and ceilings, each with
        name             by which refusals name it
        must             "accept" for a floor: evidence that every policy accepts;
                         "refuse" for a ceiling: evidence that none accepts
        kind             vaccination, test or recovery
        products         names of the registry; every product if left out. Of tests "LP6464-4"
                         (nucleic-acid tests, negative ones), or type and result, or type and
                         device: "LP217198-3 1246"
        complete_series  true: only vaccinations of a complete series; false if left out
        min_age, max_age "48 hours", "270 days": from min to max, both included; without end if
                         max is left out. A ceiling begins just after its min, where a policy may
                         have that as its own max. Only some limits can be told apart.
        description      what it says, for whoever breaks it

Members that are not listed here are refused, and so are bounds that no policy could keep
together: a floor above a ceiling, or ceilings that leave nothing. `EXAMPLE` is an envelope;
`guosuo examples` writes it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, NoReturn

from guosuo.certlogic.json_text import load_json
from guosuo.cli.policy_file import age_hours, age_text, listed, products_of
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.evidence.limits import LIMITS
from guosuo.evidence.registry import NEGATIVE, TYPE_NAAT, EvidenceKind
from guosuo.policy.envelope import Bound, Envelope, check_bounds

EXAMPLE: Final = """\
{
  "kinds": ["vaccination", "test"],
  "bounds": [
    {
      "name": "fresh tests",
      "must": "accept",
      "kind": "test",
      "products": ["LP6464-4"],
      "max_age": "24 hours",
      "description": "a nucleic-acid test of the last 24 hours is accepted everywhere"
    },
    {
      "name": "complete series",
      "must": "accept",
      "kind": "vaccination",
      "products": ["BBIBP-CorV", "CoronaVac", "EU/1/20/1528"],
      "complete_series": true,
      "min_age": "22 days",
      "max_age": "210 days",
      "description": "a complete series of 22 to 210 days ago is accepted everywhere"
    },
    {
      "name": "old tests",
      "must": "refuse",
      "kind": "test",
      "min_age": "7 days",
      "description": "no test of more than 7 days ago is accepted anywhere"
    }
  ]
}
"""
MAX_BOUNDS: Final = 64
MAX_PRODUCTS: Final = 64
MAX_NAME: Final = 32
MAX_DESCRIPTION: Final = 256

_KINDS: Final = {kind.name.lower(): kind for kind in EvidenceKind}
_MUST: Final = {"accept": True, "refuse": False}
_SHORT: Final = {TYPE_NAAT: f"{TYPE_NAAT} {NEGATIVE}"}
_REQUIRED: Final = {"name", "must", "kind", "description"}
_OPTIONAL: Final = {"products", "complete_series", "min_age", "max_age"}


def read_envelope(data: bytes) -> Envelope:
    """The envelope in a file; `CallerError(CHARTER)` that says what to change."""
    try:
        value = load_json(data)
    except PeerError:
        value = None
    if not isinstance(value, dict) or value.keys() != {"kinds", "bounds"}:
        _refuse("an envelope is one JSON object with kinds and bounds, and nothing else")
    kinds, bounds = value["kinds"], value["bounds"]
    if not isinstance(kinds, list) or not all(str(kind) in _KINDS for kind in kinds):
        _refuse(f"kinds is a list of {listed(_KINDS)}")
    if not isinstance(bounds, list) or len(bounds) > MAX_BOUNDS:
        _refuse("bounds is a list of at most 64 floors and ceilings")
    read = tuple(_bound(bound, f"bound {number}") for number, bound in enumerate(bounds, 1))
    names = [bound.name for bound in read]
    if len(set(names)) != len(names):
        _refuse("two bounds have the same name; a refusal could not say which was broken")
    if "kinds" in names:
        _refuse("no bound is named kinds: so refusals name the kinds that a policy has to take")
    envelope = Envelope(kinds=tuple(sorted({_KINDS[str(kind)] for kind in kinds})), bounds=read)
    try:
        check_bounds(envelope)
    except PeerError as error:
        raise CallerError(Reason.CHARTER, error.hint) from None
    return envelope


def _bound(value: object, where: str) -> Bound:
    if not isinstance(value, dict) or not value.keys() >= _REQUIRED:
        _refuse(f"{where} needs a name, must, a kind and a description")
    if not value.keys() <= _REQUIRED | _OPTIONAL:
        _refuse(f"{where} has a member that no bound has")
    kind, must = _KINDS.get(str(value["kind"])), _MUST.get(str(value["must"]))
    if kind is None:
        _refuse(f"{where} has a kind other than {listed(_KINDS)}")
    if must is None:
        _refuse(f"{where} has a must other than accept or refuse")
    complete = value.get("complete_series", False)
    if type(complete) is not bool:
        _refuse(f"{where} has a complete_series other than true or false")
    if complete and kind is not EvidenceKind.VACCINATION:
        _refuse(f"{where} asks for a complete series of something that has none")
    start = _hours(value.get("min_age", "0 h"), where)
    end = _hours(value["max_age"], where) if "max_age" in value else None
    if end is not None and end <= start:
        _refuse(f"{where} ends before it begins; max_age is above min_age")
    # Of the registry, the first age included; a ceiling may begin right after one, too.
    _check_age(kind, start, {False} if must else {False, True}, where)
    if end is not None:
        _check_age(kind, end, {True}, where)
    return Bound(
        name=_text(value["name"], MAX_NAME, f"{where} has a name of 1 to 32 letters"),
        must=must,
        kind=kind,
        products=_products(kind, value.get("products"), where),
        complete=complete,
        min_hours=start,
        max_hours=end,
        description=_text(
            value["description"], MAX_DESCRIPTION, f"{where} has a description of 1 to 256 letters"
        ),
    )


def _text(value: object, limit: int, hint: str) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= limit:
        _refuse(hint)
    if not value.isprintable():
        _refuse(f"{hint}, all of which can be printed")
    return value


def _products(kind: EvidenceKind, names: Any, where: str) -> tuple[str, ...] | None:  # noqa: ANN401
    if names is None:
        return None
    known = products_of(kind)
    if not isinstance(names, list) or not 1 <= len(names) <= MAX_PRODUCTS:
        _refuse(f"{where} names 1 to 64 products in a list, or leaves them out for every one")
    read = {_SHORT.get(name, name) if isinstance(name, str) else "" for name in names}
    if not read <= known:
        _refuse(f"{where} names a product that the registry does not have for this kind")
    return tuple(sorted(read))


def _hours(text: object, where: str) -> int:
    hours = age_hours(text)
    if hours is None:
        _refuse(f"{where} has an age that is not written as 48 hours or 14 days")
    return hours


def _check_age(kind: EvidenceKind, hours: int, sides: Collection[bool], where: str) -> None:
    """`sides`: of limits that are passed with their moment (False), or one second later."""
    units = {"hour": 1, "day": 24}
    known = sorted(
        {
            limit.amount * units[limit.unit.value]
            for limit in LIMITS[kind]
            if limit.unit.value in units and limit.strict in sides
        }
    )
    if hours not in known:
        ages = listed(age_text(h) for h in known)
        _refuse(f"{where} has an age that cannot be told apart; these can: {ages}")


def _refuse(hint: str) -> NoReturn:
    raise CallerError(Reason.CHARTER, hint)
