"""The payload of a health certificate: one person, one vaccination, test or recovery.

Source: DCC schema 1.0 to 1.3 (ehn-dcc-development). Fields keep the names of
the schema, so that rules and code speak of the same thing. Unknown members are
ignored, as the schema allows; `null` for an optional member means it is absent.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import ClassVar, Final, NoReturn

from guosuo.errors import Reason, refuse
from guosuo.evidence.dates import is_whole_day, read_birth_date, read_day, read_moment
from guosuo.evidence.foreign_cbor import Item, Key
from guosuo.evidence.private import Private
from guosuo.evidence.registry import EvidenceKind

MAX_TEXT: Final = 80
"""Characters of any text member (schema 1.3; earlier versions had 50)."""

MAX_DOSE_NUMBER: Final = 99
"""Bound of `dn` and `sd`; the schema has none, people had up to a dozen."""

_VERSION: Final = re.compile(r"1\.\d{1,4}\.\d{1,4}", re.ASCII)
_MACHINE_NAME: Final = re.compile(r"[A-Z<]*", re.ASCII)

COUNTRIES: Final = frozenset(
    """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS
    BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE
    EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM
    HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC
    LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA
    NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW
    SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO
    TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW XK
    """.split()  # noqa: SIM905  # a quoted list of 250 codes would fill the page
)
"""ISO 3166-1 alpha-2 and XK: the value set `country-2-codes`."""

Members = Mapping[Key, Item]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Person(Private):
    """The holder. `fnt` and `gnt` are the ICAO 9303 forms (`A`–`Z` and `<`)."""

    fnt: str
    """Family name, transliterated; empty for people without one, then `gnt` is not."""
    gnt: str
    fn: str
    """Family name as written, in NFC; may be empty."""
    gn: str
    dob: str
    """Birth date as far as it is known: `YYYY-MM-DD`, `YYYY-MM`, `YYYY` or empty."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Vaccination(Private):
    """One dose (schema group `v`)."""

    kind: ClassVar[EvidenceKind] = EvidenceKind.VACCINATION

    tg: str
    """Disease targeted, SNOMED CT."""
    vp: str
    """Kind of vaccine."""
    mp: str
    """Medicinal product, EU number or name."""
    ma: str
    """Marketing authorisation holder."""
    dn: int
    """Number of this dose, from 1."""
    sd: int
    """Doses of the series; below `dn` for a booster of a shorter series."""
    dt: date
    """Day of vaccination."""
    co: str
    is_: str
    """Issuer (`is` is a keyword)."""
    ci: str
    """Unique certificate identifier."""
    whole_day: bool = True
    """Whether `dt` means 00:00 UTC of its day, not another moment of it."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Test(Private):
    """One test (schema group `t`)."""

    kind: ClassVar[EvidenceKind] = EvidenceKind.TEST

    tg: str
    tt: str
    """Type of test, LOINC."""
    nm: str
    """Name of a NAAT; may be empty."""
    ma: str
    """Device of a rapid antigen test; may be empty."""
    sc: int
    """Sample taken, Unix seconds."""
    tr: str
    """Result, SNOMED CT."""
    tc: str
    """Testing centre; may be empty."""
    co: str
    is_: str
    ci: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Recovery(Private):
    """One recovery (schema group `r`)."""

    kind: ClassVar[EvidenceKind] = EvidenceKind.RECOVERY

    tg: str
    fr: date
    """Day of the first positive test."""
    df: date
    """First day of the document's own validity."""
    du: date
    """Last day of the document's own validity."""
    co: str
    is_: str
    ci: str
    whole_day: bool = True
    """Whether `fr`, `df` and `du` mean 00:00 UTC of their days."""


Entry = Vaccination | Test | Recovery


def read_payload(item: Item) -> tuple[Person, Entry]:
    """The person and the one entry of a decoded payload, claim -260/1 (GS-EVID-9).

    Schema versions before 1.3 allowed several entries; a credential carries one
    piece of evidence and nothing would say which, so they are refused like none.
    Raises `PeerError(DCC_PAYLOAD)` for a missing member, a wrong type, a text
    over `MAX_TEXT`, a country outside the value set, a date that does not exist.
    """
    payload = _members(item)
    if _VERSION.fullmatch(_text(payload, "ver")) is None:
        _refuse_payload("a schema version that is not 1.x")
    entries = [
        (build, _members(entry))
        for group, build in (("v", _vaccination), ("t", _test), ("r", _recovery))
        for entry in _group(payload, group)
    ]
    if len(entries) != 1:
        _refuse_payload("not exactly one vaccination, test or recovery")
    build, members = entries[0]
    return _person(payload), build(members)


def _person(payload: Members) -> Person:
    name = _members(payload.get("nam"))
    fnt, gnt = _text(name, "fnt", ""), _text(name, "gnt", "")
    if not (_MACHINE_NAME.fullmatch(fnt) and _MACHINE_NAME.fullmatch(gnt)):
        _refuse_payload("a transliterated name outside A to Z and <")
    # Without any name every holder would be the same person.
    if not (fnt + gnt).strip("<"):
        _refuse_payload("a person without a transliterated name")
    return Person(
        fnt=fnt,
        gnt=gnt,
        fn=unicodedata.normalize("NFC", _text(name, "fn", "")),
        gn=unicodedata.normalize("NFC", _text(name, "gn", "")),
        dob=read_birth_date(_text(payload, "dob")),
    )


def _vaccination(entry: Members) -> Vaccination:
    return Vaccination(
        tg=_text(entry, "tg"),
        vp=_text(entry, "vp"),
        mp=_text(entry, "mp"),
        ma=_text(entry, "ma"),
        dn=_count(entry, "dn"),
        sd=_count(entry, "sd"),
        dt=read_day(_text(entry, "dt")),
        co=_country(entry),
        is_=_text(entry, "is"),
        ci=_text(entry, "ci"),
        whole_day=is_whole_day(_text(entry, "dt")),
    )


def _test(entry: Members) -> Test:
    return Test(
        tg=_text(entry, "tg"),
        tt=_text(entry, "tt"),
        nm=_text(entry, "nm", ""),
        ma=_text(entry, "ma", ""),
        sc=read_moment(_text(entry, "sc")),
        tr=_text(entry, "tr"),
        tc=_text(entry, "tc", ""),
        co=_country(entry),
        is_=_text(entry, "is"),
        ci=_text(entry, "ci"),
    )


def _recovery(entry: Members) -> Recovery:
    return Recovery(
        tg=_text(entry, "tg"),
        fr=read_day(_text(entry, "fr")),
        df=read_day(_text(entry, "df")),
        du=read_day(_text(entry, "du")),
        co=_country(entry),
        is_=_text(entry, "is"),
        ci=_text(entry, "ci"),
        whole_day=all(is_whole_day(_text(entry, name)) for name in ("fr", "df", "du")),
    )


def _members(item: Item) -> Members:
    if not isinstance(item, dict):
        _refuse_payload("not a map")
    return item


def _group(payload: Members, name: str) -> list[Item]:
    group = payload.get(name)
    if group is None:
        return []
    if not isinstance(group, list):
        _refuse_payload("a group that is not a list")
    return group


def _text(members: Members, name: str, default: str | None = None) -> str:
    value = members.get(name)
    if value is None:
        value = default
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        _refuse_payload("a text member is missing, of another type or too long")
    return value


def _count(members: Members, name: str) -> int:
    value = members.get(name)
    if type(value) is not int or not 1 <= value <= MAX_DOSE_NUMBER:
        _refuse_payload("a number of doses is missing, of another type or out of range")
    return value


def _country(members: Members) -> str:
    country = _text(members, "co")
    if country not in COUNTRIES:
        _refuse_payload("a country outside the value set")
    return country


def _refuse_payload(hint: str) -> NoReturn:
    refuse(Reason.DCC_PAYLOAD, hint)
