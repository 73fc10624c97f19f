"""What records of a health system become, and people who do not exist."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guosuo.errors import PeerError
from guosuo.evidence.facts import EvidenceFact, EvidenceKind
from guosuo.evidence.registry import NAAT, NAAT_POSITIVE, OTHER, code_of_vaccine
from guosuo.wire import cbor
from guosuo_node.adapter.interface import Refusal, Refused
from guosuo_node.adapter.invented import MAX_PEOPLE, invent
from guosuo_node.adapter.records import (
    PersonRecord,
    read_person,
    read_record,
    record_digest,
    record_fact,
)
from tests.support.adapters import (
    NOW,
    SYSTEM,
    people,
)

PERSON = people(1)[0].record.to_value()
TEST = {
    "kind": "nucleic-acid-test",
    "number": "N-1",
    "person": "P-1",
    "division": "440300",
    "organisation": "Invented laboratory",
    "sampled": "2022-01-18T08:00:00+08:00",
    "result": "negative",
}
SHOT = {
    "kind": "vaccination",
    "number": "N-2",
    "person": "P-1",
    "division": "440300",
    "organisation": "Invented clinic",
    "product": "BBIBP-CorV",
    "dose": 2,
    "series": 2,
    "day": "2021-05-18",
}
HOLDER = PersonRecord(
    person="P-1", family_name="LI", given_names="YI YUN", born="1990-02-03"
).holder()


def fact(record: dict[str, Any], system: str = SYSTEM) -> EvidenceFact:
    return record_fact(system, read_record(record), HOLDER)


# --- records ------------------------------------------------------------------------------


def test_a_test_counts_from_the_moment_of_its_sample() -> None:
    found = fact(TEST)
    assert (found.kind, found.product) == (EvidenceKind.TEST, NAAT)
    assert found.event_time == 1_642_464_000  # 2022-01-18T00:00:00Z
    assert found.born == 634_003_200  # 1990-02-03
    assert fact({**TEST, "result": "positive"}).product == NAAT_POSITIVE
    assert fact({**TEST, "sampled": "2022-01-18T00:00:00Z"}).event_time == found.event_time


def test_a_vaccination_counts_from_its_day_in_its_own_calendar() -> None:
    found = fact(SHOT)
    assert found.kind is EvidenceKind.VACCINATION
    assert found.product == code_of_vaccine("BBIBP-CorV") != OTHER
    assert (found.doses, found.series, found.event_time) == (2, 2, 1_621_296_000)
    assert fact({**SHOT, "product": "Unknown"}).product == OTHER


@pytest.mark.parametrize(
    "changed",
    [{"result": "pending"}, {"result": "invalid"}, {"dose": 13}, {"series": 13}],
)
def test_records_that_prove_nothing_are_no_evidence(changed: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        fact({**(TEST if "result" in changed else SHOT), **changed})
    assert refused.value.refusal is Refusal.NOT_EVIDENCE


@pytest.mark.parametrize(
    "changed",
    [
        {"sampled": "2022-01-18T08:00:00"},  # whose eight o'clock?
        {"sampled": "2022-01-18"},
        {"sampled": "2022-02-30T08:00:00Z"},
        {"sampled": "2022-01-18T08:00:00+25:00"},
        {"sampled": "2022-01-18T24:00:00Z"},
        {"sampled": 1_642_464_000},
        {"result": "Negative"},
        {"result": None},
        {"division": "4403"},
        {"division": "44030x"},
        {"organisation": ""},
        {"organisation": "x" * 81},
        {"number": "N 1"},
        {"number": "x" * 65},
        {"kind": "antibody-test"},
        {"kind": ["nucleic-acid-test"]},
        {"telephone": "13800000000"},
        {"kind": "vaccination"},
    ],
)
def test_records_out_of_form_are_not_read(changed: dict[str, Any]) -> None:
    fact(TEST)
    with pytest.raises(PeerError) as refused:
        fact({**TEST, **changed})
    assert not isinstance(refused.value, Refused)


@pytest.mark.parametrize(
    "changed",
    [
        *({"dose": wrong} for wrong in (0, -1, 100, True, "2", 2.0)),
        *({"day": wrong} for wrong in ("2021-02-30", "2021-5-18", "2021-05-18T00:00:00", "")),
    ],
)
def test_vaccinations_out_of_form_are_not_read(changed: dict[str, Any]) -> None:
    fact(SHOT)
    with pytest.raises(PeerError):
        fact({**SHOT, **changed})


def test_the_digest_is_of_the_members_alone() -> None:
    """Frozen: wallets compute it, too."""
    members: dict[int | str | bytes, cbor.Value] = {
        name: value for name, value in TEST.items() if name != "person"
    }
    body = cbor.encode([SYSTEM, {**members}])
    expected = hashlib.sha256(b"guosuo/health-record/1\n" + body).digest()
    assert record_digest(SYSTEM, read_record(TEST)) == expected
    assert expected.hex()[:32] == "d6c2f1a6038d85b9fcac8aa0d89eb6a8"
    backwards = dict(reversed(TEST.items()))
    assert fact(json.loads(json.dumps(backwards))).digest == fact(TEST).digest
    assert fact({**TEST, "person": "P-2"}).digest == fact(TEST).digest
    assert fact(TEST, "other").digest != fact(TEST).digest
    for name, value in (("number", "N-3"), ("result", "positive"), ("organisation", "B")):
        assert fact({**TEST, name: value}).digest != fact(TEST).digest


def test_names_are_in_the_form_of_certificates() -> None:
    assert (HOLDER.fnt, HOLDER.gnt, HOLDER.dob) == ("LI", "YI<YUN", "1990-02-03")
    for changed in (
        {"family_name": "Li"},
        {"family_name": "李"},
        {"family_name": "", "given_names": "< "},
        {"born": "1990-02-31"},
        {"born": "1990"},
        {"telephone": "1"},
    ):
        with pytest.raises(PeerError):
            read_person({**PERSON, **changed}).holder()


def test_records_show_nothing() -> None:
    assert repr(read_record(TEST)) == "TestRecord(…)"
    assert repr(read_record(SHOT)) == "VaccinationRecord(…)"
    assert repr(read_person(PERSON)) == "PersonRecord(…)"
    assert repr(people(1)[0]) == "InventedPerson(…)"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@settings(max_examples=60)
@given(st.sampled_from([TEST, SHOT]), st.dictionaries(st.sampled_from([*TEST, *SHOT, "x"]), JSON))
def test_any_record_gives_a_fact_or_a_refusal(
    record: dict[str, Any], changed: dict[str, Any]
) -> None:
    try:
        found = fact({**record, **changed})
    except PeerError:
        return
    assert len(found.digest) == 32


# --- invented people ----------------------------------------------------------------------


def test_people_are_invented_by_seed() -> None:
    def all_of(seed: int, count: int) -> list[tuple[object, ...]]:
        return [(p.identification, p.record, p.records) for p in invent(seed, count, now=NOW)]

    assert all_of(1, 20) == all_of(1, 20)
    assert all_of(1, 5) == all_of(1, 20)[:5]
    assert all_of(1, 5) != all_of(2, 5)
    for count in (0, MAX_PEOPLE + 1):
        with pytest.raises(ValueError, match="29000"):
            invent(1, count, now=NOW)


def test_invented_people_are_all_different_and_have_something_to_show() -> None:
    many = invent(3, 300, now=NOW)
    assert len({p.identification for p in many}) == len({p.record.born for p in many}) == 300
    numbers = [record.number for p in many for record in p.records]
    assert len(set(numbers)) == len(numbers)
    for person in many:
        assert person.document[0] == "99"
        holder = person.record.holder()
        test, shot = (record_fact(SYSTEM, record, holder) for record in person.records[:2])
        assert test.product == NAAT
        assert NOW - 86_400 < test.event_time <= NOW
        assert shot.kind is EvidenceKind.VACCINATION
        assert shot.event_time < NOW
