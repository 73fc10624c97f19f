"""The registry of products, facts, and what documents become of them."""

import hashlib
import json
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from guosuo.certlogic.evaluate import Result, decide
from guosuo.certlogic.rules import read_rules
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.evidence import foreign_cbor, payload
from guosuo.evidence.dates import last_day, read_day
from guosuo.evidence.dcc import VerifiedDcc
from guosuo.evidence.facts import EvidenceFact, fact_from_dcc
from guosuo.evidence.registry import (
    ANTIBODY,
    ANTIBODY_POSITIVE,
    DEVICE_BASE,
    NAAT,
    NAAT_POSITIVE,
    OTHER,
    PRODUCTS,
    PROPHYLAXES,
    RAPID_ANTIGEN,
    RAPID_ANTIGEN_2021,
    RAPID_ANTIGEN_2022,
    RAPID_ANTIGEN_POSITIVE,
    RECOVERY,
    EvidenceKind,
    code_of_test,
    code_of_vaccine,
    members_of_test,
    names_of_vaccine,
)
from guosuo.evidence.states import (
    COUNTED_DOSES,
    DOSE_PATTERNS,
    MAX_DOSES,
    dose_members,
    dose_pattern,
)
from guosuo.evidence.value import unpack, value_at

DAY = 86_400
T = 1_642_507_200
DIGEST = bytes(range(32))
VACCINATION, TEST = EvidenceKind.VACCINATION, EvidenceKind.TEST
NEGATIVE, POSITIVE = "260415000", "260373001"


# --- the registry ---------------------------------------------------------------------


def test_codes_are_never_changed() -> None:
    """Append-only: new rows make this longer, the hash of the old ones stays."""
    frozen = {
        VACCINATION: (42, "f91167cd3a6b6fa7"),
        TEST: (235, "8023bf23fd840860"),
        EvidenceKind.RECOVERY: (1, "9517da7d7ac3e009"),
    }
    for kind, (count, start) in frozen.items():
        rows = [(product.code, product.name) for product in PRODUCTS if product.kind is kind]
        assert hashlib.sha256(repr(rows[:count]).encode()).hexdigest()[:16] == start
    names = [(product.kind, product.name) for product in PRODUCTS]
    assert len(set(names)) == len(names)
    codes = [product.code for product in PRODUCTS]
    assert OTHER not in codes
    assert max(codes) < 1 << 16


def test_what_rules_take_only_together_has_one_code() -> None:
    members = Counter(product.code for product in PRODUCTS)
    groups = {code: count for code, count in members.items() if count > 1}
    assert groups == {43: 4, RAPID_ANTIGEN_2021: 70, RAPID_ANTIGEN_2022: 129}
    # Of layout 2; they mean what they meant, and no document is given them any more.
    assert members.keys().isdisjoint({5, 9, 17, 18, DEVICE_BASE + 308, DEVICE_BASE + 1232})
    # Approved by the EMA or by the WHO: each by itself.
    for name in (
        "EU/1/20/1528", "EU/1/20/1507", "EU/1/21/1529", "EU/1/20/1525", "EU/1/21/1618",
        "EU/1/21/1624", "EU/1/21/1580", "EU/1/22/1709", "Covishield", "Covovax", "CoronaVac",
        "BBIBP-CorV", "Covaxin", "Convidecia", "NVX-CoV2373",
    ):  # fmt: skip
        assert names_of_vaccine(code_of_vaccine(name)) == (name,)


def test_known_lists_of_devices_are_made_of_whole_codes(vectors: Path) -> None:
    lists = [
        set(json.loads(file.read_text())["valueSets"]["covid-19-lab-test-manufacturer-and-name"])
        for file in sorted((vectors / "dcc" / "acceptance-matrix").iterdir())
    ]
    for codes in lists:
        for device in codes:
            members = members_of_test(code_of_test("LP217198-3", NEGATIVE, device))
            assert {name for _, _, name in members} <= codes


def test_the_published_value_sets_are_registered(vectors: Path) -> None:
    file = vectors / "dcc" / "value-sets" / "vaccine-medicinal-product.json"
    for name in json.loads(file.read_text())["valueSetValues"]:
        assert name in names_of_vaccine(code_of_vaccine(name))
    devices: set[str] = set()
    for file in (vectors / "dcc" / "acceptance-matrix").iterdir():
        sets = json.loads(file.read_text())["valueSets"]
        devices |= set(sets["covid-19-lab-test-manufacturer-and-name"])
    for sets in json.loads(
        (vectors / "dcc" / "business-rules" / "value-sets.json").read_text()
    ).values():
        devices |= set(sets["covid-19-lab-test-manufacturer-and-name"])
    assert len(devices) == 229
    for device in devices:
        code = code_of_test("LP217198-3", NEGATIVE, device)
        assert code in {RAPID_ANTIGEN_2021, RAPID_ANTIGEN_2022, DEVICE_BASE + int(device)}
        assert ("LP217198-3", NEGATIVE, device) in members_of_test(code)


def test_products_that_rules_name_are_registered(vectors: Path) -> None:
    def named(part: object) -> set[str]:
        match part:
            case {"in": [{"var": "payload.v.0.mp"}, [*names]]}:
                return set(names)
            case {"===": [{"var": "payload.v.0.mp"}, str(name)]}:
                return {name}
            case dict():
                return set().union(*map(named, part.values()))
            case list():
                return set().union(*map(named, part))
        return set()

    files = sorted((vectors / "dcc" / "production-rules").rglob("*.json"))
    names = set().union(*(named(json.loads(file.read_text())) for file in files))
    assert len(names) > 20
    assert all(code_of_vaccine(name) for name in names)


def test_unknown_products_are_other() -> None:
    assert code_of_vaccine("EU/9/99/9999") == OTHER
    assert code_of_vaccine("LP6464-4") == OTHER, "known, but of another kind"
    assert code_of_test("COVID-19 test", NEGATIVE, "1232") == OTHER
    assert code_of_test("LP6464-4", "", "") == OTHER


@pytest.mark.parametrize(
    ("tt", "tr", "device", "code"),
    [
        ("LP6464-4", NEGATIVE, "", NAAT),
        ("LP6464-4", NEGATIVE, "1232", NAAT),
        ("LP6464-4", POSITIVE, "", NAAT_POSITIVE),
        ("LP217198-3", NEGATIVE, "1232", RAPID_ANTIGEN_2021),
        ("LP217198-3", NEGATIVE, "770", RAPID_ANTIGEN_2022),
        ("LP217198-3", NEGATIVE, "1200", DEVICE_BASE + 1200),
        ("LP217198-3", NEGATIVE, "", RAPID_ANTIGEN),
        ("LP217198-3", NEGATIVE, "01232", RAPID_ANTIGEN),
        ("LP217198-3", NEGATIVE, "9999", RAPID_ANTIGEN),
        ("LP217198-3", POSITIVE, "1232", RAPID_ANTIGEN_POSITIVE),
        ("94504-8", NEGATIVE, "", ANTIBODY),
        ("94504-8", POSITIVE, "", ANTIBODY_POSITIVE),
    ],
)
def test_codes_of_tests(tt: str, tr: str, device: str, code: int) -> None:
    assert code_of_test(tt, tr, device) == code


def test_dose_patterns_keep_what_rules_ask() -> None:
    for doses in range(1, MAX_DOSES + 1):
        for series in range(1, MAX_DOSES + 1):
            pattern = dose_pattern(doses, series)
            assert pattern in DOSE_PATTERNS
            assert dose_pattern(*pattern) == pattern
            assert (doses, series) in dose_members(pattern)
            assert (pattern[0] > pattern[1]) == (doses > series)
            assert (pattern[0] < pattern[1]) == (doses < series)
            for number, kept in zip((doses, series), pattern, strict=True):
                for step in (*range(COUNTED_DOSES + 1), MAX_DOSES + 1):
                    assert (kept >= step) == (number >= step)
            # A fourth dose, where real rules ask for it: after a whole series of two or three.
            if series in {2, 3} or doses == series:
                assert (pattern[0] >= 4) == (doses >= 4)
    assert sum(len(dose_members(pattern)) for pattern in DOSE_PATTERNS) == MAX_DOSES**2
    assert all(dose_members(pattern)[0] == pattern for pattern in DOSE_PATTERNS)
    for wrong in [(0, 1), (1, 0), (-1, 2), (13, 1), (1, 13)]:
        with pytest.raises(CallerError):
            dose_pattern(*wrong)


# --- facts ----------------------------------------------------------------------------


def document(entry: payload.Entry, dob: str = "1990-05") -> VerifiedDcc:
    """As `verify` would make it; the tests of dcc make real ones."""
    made = object.__new__(VerifiedDcc)
    holder = payload.Person(fnt="A", gnt="B", fn="", gn="", dob=dob)
    for name, value in {"entry": entry, "digest": DIGEST, "holder": holder}.items():
        object.__setattr__(made, name, value)
    return made


def naat(age: int) -> EvidenceFact:
    return EvidenceFact(
        kind=TEST, product=NAAT, doses=0, series=0, event_time=T - age, digest=DIGEST
    )


DAY_ONE = read_day("2021-06-01")

DOSE_TWO = payload.Vaccination(
    tg="840539006", vp="J07BX03", mp="EU/1/20/1507", ma="M", dn=2, sd=2, dt=DAY_ONE,
    co="LU", is_="M", ci="U",
)  # fmt: skip
SAMPLE = payload.Test(
    tg="840539006", tt="LP217198-3", nm="", ma="", sc=T - 5, tr="260415000", tc="",
    co="LU", is_="M", ci="U",
)  # fmt: skip
CURED = payload.Recovery(
    tg="840539006", fr=DAY_ONE, df=read_day("2021-06-12"), du=read_day("2021-11-28"),
    co="LU", is_="M", ci="U",
)  # fmt: skip


def test_fact_of_each_kind() -> None:
    dose = fact_from_dcc(document(DOSE_TWO))
    assert (dose.kind, dose.product, dose.doses, dose.series) == (VACCINATION, 2, 2, 2)
    assert (dose.event_time, dose.digest) == (1_622_505_600, DIGEST)
    assert dose.born == last_day("1990-05-31")
    tested = fact_from_dcc(document(SAMPLE, dob=""))
    assert (tested.kind, tested.product, tested.event_time) == (TEST, RAPID_ANTIGEN, T - 5)
    assert tested.born is None
    cured = fact_from_dcc(document(CURED))
    assert (cured.kind, cured.product) == (EvidenceKind.RECOVERY, RECOVERY)
    assert cured.event_time == 1_622_505_600
    assert cured.valid_from == 1_622_505_600 + 11 * DAY
    assert cured.valid_until == 1_622_505_600 + 180 * DAY


def test_unknown_products_become_facts() -> None:
    assert fact_from_dcc(document(replace(DOSE_TWO, mp="new"))).product == OTHER
    assert fact_from_dcc(document(replace(DOSE_TWO, mp="new", vp="new"))).product == OTHER
    assert fact_from_dcc(document(replace(SAMPLE, tt="COVID-19 test"))).product == OTHER
    assert fact_from_dcc(document(replace(SAMPLE, tr=""))).product == OTHER


@pytest.mark.parametrize(
    "entry",
    [
        replace(SAMPLE, tg="6142004"),
        replace(DOSE_TWO, tg="729999"),
        replace(DOSE_TWO, dn=13),
        replace(DOSE_TWO, sd=13),
        replace(DOSE_TWO, vp="new"),
        replace(DOSE_TWO, mp="CoviVac", vp="29061000087103"),
        replace(CURED, du=read_day("2021-06-11")),
    ],
)
def test_what_is_not_evidence(entry: payload.Entry) -> None:
    with pytest.raises(PeerError) as caught:
        fact_from_dcc(document(entry))
    assert caught.value.reason is Reason.EVIDENCE


def test_newer_kinds_of_vaccine_are_refused_because_a_rule_in_force_does(vectors: Path) -> None:
    """VR-LV-0003 takes the three of the registry; one code for all nine would be accepted by it."""
    sets = vectors / "dcc" / "value-sets" / "vaccine-prophylaxis.json"
    kinds = set(json.loads(sets.read_bytes())["valueSetValues"])
    assert kinds > set(PROPHYLAXES)
    for kind in kinds:
        entry = replace(DOSE_TWO, mp="EU/1/21/1529", vp=kind)
        if kind in PROPHYLAXES:
            assert fact_from_dcc(document(entry)).product == 3
        else:
            with pytest.raises(PeerError, match="kind of vaccine"):
                fact_from_dcc(document(entry))
    days = sorted((vectors / "dcc" / "production-rules").glob("*/LV.json"))
    assert len(days) == 2
    for day in days:
        rules = read_rules(json.loads(day.read_bytes())["rules"])
        (rule,) = (rule for rule in rules if rule.identifier == "VR-LV-0003")
        taken = {
            kind
            for kind in kinds
            if decide(rule.logic, {"payload": {"v": [{"vp": kind}]}}).result is Result.SATISFIED
        }
        assert taken == set(PROPHYLAXES)


@pytest.mark.parametrize(
    ("member", "time", "proves"),
    [
        (member, *case)
        for member in ("dt", "fr", "df", "du")
        for case in [
            ("", True),
            ("T00:00:00", True),
            ("T00:00:00Z", True),
            ("T00:00:00.000+00:00", True),
            ("T02:00:00+02:00", True),
            ("T00:00:01Z", False),
            ("T00:00:00.001Z", False),
            ("T00:00:00+02:00", False),
            ("T23:00:00-01:00", False),
            ("T08:10:00+02:00", False),
        ]
    ],
)
def test_days_count_from_midnight_or_prove_nothing(
    member: str,
    time: str,
    proves: bool,  # noqa: FBT001
) -> None:
    """Rules count from the moment that is written; evidence has only days."""
    entry: dict[str, Any] = {"tg": "840539006", "co": "LU", "is": "M", "ci": "U"}
    if member == "dt":
        entry |= {"vp": "J07BX03", "mp": "EU/1/20/1507", "ma": "M", "dn": 2, "sd": 2}
        entry |= {"dt": "2021-06-01"}
    else:
        entry |= {"fr": "2021-06-01", "df": "2021-06-12", "du": "2021-11-28"}
    group = "v" if member == "dt" else "r"
    plain: dict[Any, Any] = {"ver": "1.3.0", "dob": "1990-05", "nam": {"fnt": "A"}}
    plain |= {group: [entry]}
    timed = plain | {group: [entry | {member: entry[member] + time}]}
    (_, expected), (_, read) = (payload.read_payload(item) for item in (plain, timed))
    if proves:
        assert fact_from_dcc(document(read)) == fact_from_dcc(document(expected))
        return
    with pytest.raises(PeerError, match="time of day") as caught:
        fact_from_dcc(document(read))
    assert caught.value.reason is Reason.EVIDENCE


@pytest.mark.parametrize(
    "change",
    [
        {"product": 1}, {"product": 7777}, {"doses": 1, "series": 1}, {"digest": b""},
        {"event_time": 1 << 50}, {"born": DAY << 40}, {"born": 5},
        {"valid_from": 0, "valid_until": DAY},
    ],
)  # fmt: skip
def test_facts_out_of_form(change: dict[str, Any]) -> None:
    with pytest.raises(CallerError):
        replace(naat(0), **change)


@pytest.mark.parametrize(
    "change",
    [
        {"valid_from": None}, {"valid_until": None}, {"valid_from": None, "valid_until": None},
        {"valid_until": 0}, {"valid_from": 1}, {"event_time": 1}, {"product": OTHER},
    ],
)  # fmt: skip
def test_recoveries_out_of_form(change: dict[str, Any]) -> None:
    with pytest.raises(CallerError):
        replace(fact_from_dcc(document(CURED)), **change)


def test_nothing_in_a_repr() -> None:
    made = naat(0)
    assert repr(made) == "EvidenceFact(…)"
    assert repr(made.dates) == "Dates(…)"


def test_every_national_test_certificate(vectors: Path) -> None:
    """Every one of them that can be read has a fact, and the fact a value."""
    found: Counter[EvidenceKind] = Counter()
    others: list[payload.Entry] = []
    for file in sorted((vectors / "dcc" / "certificates").rglob("*.json")):
        item: foreign_cbor.Item = json.loads(file.read_text()).get("JSON")
        with suppress(PeerError):
            holder, entry = payload.read_payload(item)
            if entry.tg != "840539006":
                continue
            fact = fact_from_dcc(document(entry, holder.dob))
            shape, first, last = unpack(value_at(fact, start=T, end=T + 12 * 3600))
            assert shape == fact.shape
            assert first <= last
            found[entry.kind] += 1
            if shape.product == OTHER:
                others.append(entry)
    assert found[VACCINATION] > 30
    assert found[TEST] > 15
    assert found[EvidenceKind.RECOVERY] > 5
    assert all(isinstance(e, payload.Test) and e.tt == "COVID-19 test" for e in others)
