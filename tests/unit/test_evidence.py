"""Facts, evidence integers and acceptance; the table and the clear rule agree in every second."""

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guosuo.errors import CallerError, PeerError, Reason
from guosuo.evidence import payload
from guosuo.evidence.acceptance import Clause, accepted_values, accepts_at
from guosuo.evidence.dates import read_day
from guosuo.evidence.dcc import VerifiedDcc
from guosuo.evidence.facts import (
    DOSE_PATTERNS,
    MAX_DOSES,
    EvidenceFact,
    dose_pattern,
    dose_patterns,
    fact_from_dcc,
)
from guosuo.evidence.registry import (
    NAAT,
    OTHER,
    PRODUCTS,
    RAPID_ANTIGEN,
    RECOVERY,
    EvidenceKind,
    product_code,
    registered,
)
from guosuo.evidence.value import (
    BEYOND,
    BREAKPOINT_HOURS,
    FUTURE,
    EvidenceValue,
    age_class,
    class_bounds,
    pack,
    unpack,
    value_at,
)

HOUR, DAY = 3600, 86400
LIFE = 12 * HOUR
T = 1_642_507_200
DIGEST = bytes(range(32))

VACCINATION, TEST = EvidenceKind.VACCINATION, EvidenceKind.TEST


def fact(
    kind: EvidenceKind, product: int, age: int, doses: int = 0, series: int = 0
) -> EvidenceFact:
    return EvidenceFact(
        kind=kind, product=product, doses=doses, series=series, event_time=T - age, digest=DIGEST
    )


def naat(age: int) -> EvidenceFact:
    return fact(TEST, NAAT, age)


# Registries


def test_codes_are_never_changed() -> None:
    """Append-only: rows may be added at the end of this list, nothing else."""
    rows = [(product.code, product.name) for product in PRODUCTS]
    assert rows[:4] == [
        (1, "EU/1/20/1528"), (2, "EU/1/20/1507"), (3, "EU/1/21/1529"), (4, "EU/1/20/1525"),
    ]  # fmt: skip
    assert rows[38:42] == [
        (39, "EU/1/22/1709"), (1001, "LP6464-4"), (1002, "LP217198-3"), (2001, "recovery"),
    ]  # fmt: skip
    codes = [code for code, _ in rows]
    assert len(set(codes)) == len(codes)
    assert OTHER not in codes
    assert max(codes) < 1 << 16


def test_the_published_value_sets_are_registered(vectors: Path) -> None:
    for name, kind in [("vaccine-medicinal-product", VACCINATION), ("test-type", TEST)]:
        file = vectors / "dcc" / "value-sets" / f"{name}.json"
        for value in json.loads(file.read_text())["valueSetValues"]:
            assert product_code(kind, value) in registered(kind)


def test_unknown_products_are_other() -> None:
    assert product_code(VACCINATION, "EU/9/99/9999") == OTHER
    assert product_code(VACCINATION, "LP6464-4") == OTHER, "known, but of another kind"
    assert product_code(TEST, "") == OTHER


# Facts


def test_dose_patterns_keep_what_rules_ask() -> None:
    for doses in range(1, 13):
        for series in range(1, 13):
            pattern = dose_pattern(doses, series)
            assert pattern in DOSE_PATTERNS
            assert (pattern[0] >= pattern[1]) == (doses >= series)
            for least in range(MAX_DOSES + 1):
                assert (pattern[0] >= least) == (doses >= least)
            if max(doses, series) <= MAX_DOSES:
                assert pattern == (doses, series)
    for wrong in [(0, 1), (1, 0), (-1, 2)]:
        with pytest.raises(CallerError):
            dose_pattern(*wrong)


def document(entry: payload.Entry) -> VerifiedDcc:
    """As `verify` would make it; the tests of dcc make real ones."""
    made = object.__new__(VerifiedDcc)
    for name, value in {"entry": entry, "digest": DIGEST}.items():
        object.__setattr__(made, name, value)
    return made


DAY_ONE = read_day("2021-06-01")

DOSE_TWO = payload.Vaccination(
    tg="840539006", vp="J07BX03", mp="EU/1/20/1507", ma="M", dn=2, sd=2, dt=DAY_ONE,
    co="LU", is_="M", ci="U",
)  # fmt: skip
SAMPLE = payload.Test(
    tg="840539006", tt="LP217198-3", nm="", ma="", sc=T - 5, tr="260415000", tc="",
    co="LU", is_="M", ci="U",
)  # fmt: skip


def test_fact_of_each_kind() -> None:
    dose = fact_from_dcc(document(DOSE_TWO))
    assert (dose.kind, dose.product, dose.doses, dose.series) == (VACCINATION, 2, 2, 2)
    assert (dose.event_time, dose.digest) == (1622505600, DIGEST)
    tested = fact_from_dcc(document(SAMPLE))
    assert (tested.kind, tested.product, tested.event_time) == (TEST, RAPID_ANTIGEN, T - 5)
    day = read_day("1969-12-31")
    recovered = payload.Recovery(tg="840539006", fr=day, df=day, du=day, co="LU", is_="M", ci="U")
    cured = fact_from_dcc(document(recovered))
    assert (cured.kind, cured.product, cured.event_time) == (EvidenceKind.RECOVERY, RECOVERY, -DAY)


def test_unknown_products_become_facts() -> None:
    assert fact_from_dcc(document(replace(DOSE_TWO, mp="new"))).product == OTHER
    assert fact_from_dcc(document(replace(SAMPLE, tt="COVID-19 test"))).product == OTHER


@pytest.mark.parametrize(
    "entry",
    [
        replace(SAMPLE, tr="260373001"),
        replace(SAMPLE, tr=""),
        replace(SAMPLE, tg="6142004"),
        replace(DOSE_TWO, tg="729999"),
    ],
)
def test_what_is_not_evidence(entry: payload.Entry) -> None:
    with pytest.raises(PeerError) as caught:
        fact_from_dcc(document(entry))
    assert caught.value.reason is Reason.EVIDENCE


@pytest.mark.parametrize(
    "change",
    [
        {"product": 1}, {"product": 7777}, {"doses": 1, "series": 1}, {"digest": b""},
        {"event_time": 1 << 50},
    ],
)  # fmt: skip
def test_facts_out_of_form(change: dict[str, Any]) -> None:
    with pytest.raises(CallerError):
        replace(naat(0), **change)


def test_nothing_in_a_repr() -> None:
    made = naat(0)
    assert repr(made) == "EvidenceFact(…)"
    assert repr(unpack(value_at(made, start=T, end=T + LIFE))) == "EvidenceValue(…)"


# Values


def test_breakpoints() -> None:
    assert BREAKPOINT_HOURS[0] == 0
    assert all(a < b for a, b in pairwise(BREAKPOINT_HOURS))
    assert BEYOND < 1 << 8
    days = {hours // 24 for hours in BREAKPOINT_HOURS}
    assert days >= {0, 1, 2, 3, 4, 7, 14, 15, 21, 22, 28, 90, 120, 180, 270, 365}


def test_age_classes_meet_without_gap() -> None:
    assert age_class(-1) == FUTURE
    assert age_class(-(1 << 60)) == FUTURE
    assert age_class(1 << 60) == BEYOND
    for index in range(FUTURE, BEYOND + 1):
        first, after = class_bounds(index)
        if first is not None:
            assert (age_class(first - 1), age_class(first)) == (index - 1, index)
        if after is not None:
            assert (age_class(after - 1), age_class(after)) == (index, index + 1)
    for wrong in (-1, BEYOND + 1):
        with pytest.raises(CallerError):
            class_bounds(wrong)


@st.composite
def values(draw: st.DrawFn) -> EvidenceValue:
    kind = draw(st.sampled_from(EvidenceKind))
    doses, series = draw(st.sampled_from(dose_patterns(kind)))
    first = draw(st.integers(FUTURE, BEYOND))
    return EvidenceValue(
        kind=kind,
        product=draw(st.sampled_from(sorted(registered(kind) | {OTHER}))),
        doses=doses,
        series=series,
        class_start=first,
        class_end=draw(st.integers(first, BEYOND)),
    )


def test_the_layout() -> None:
    value = EvidenceValue(kind=TEST, product=NAAT, doses=0, series=0, class_start=1, class_end=2)
    assert pack(value) == 0x12_03E9_00_00_01_02_00
    value = EvidenceValue(
        kind=VACCINATION, product=39, doses=3, series=2, class_start=7, class_end=BEYOND
    )
    assert pack(value) == 0x11_0027_03_02_07_16_00


@given(values())
def test_pack_and_unpack(value: EvidenceValue) -> None:
    packed = pack(value)
    assert 1 <= packed < 1 << 64
    assert unpack(packed) == value


@given(st.integers() | st.integers(1 << 60, (4 << 56) + (1 << 60)) | values().map(pack))
def test_unpack_is_strict(value: int) -> None:
    for changed in (value, value ^ 1, value | 1 << 64, value ^ 1 << 60, -value):
        outcome: EvidenceValue | PeerError
        try:
            outcome = unpack(changed)
        except PeerError as error:
            outcome = error
        if isinstance(outcome, PeerError):
            assert outcome.reason is Reason.EVIDENCE
            assert outcome.__context__ is None
        else:
            assert pack(outcome) == changed


@pytest.mark.parametrize(
    "value",
    [
        0, -1, 1 << 64, 0x12_03E9_00_00_01_02_01, 0x22_03E9_00_00_01_02_00,
        0x10_03E9_00_00_01_02_00, 0x14_03E9_00_00_01_02_00, 0x12_0001_00_00_01_02_00,
        0x12_03E9_01_01_01_02_00, 0x12_03E9_00_00_02_01_00, 0x12_03E9_00_00_01_17_00,
        0x11_0001_00_00_01_02_00, 0x11_0001_05_05_01_02_00, 0x13_0000_01_01_01_01_00,
    ],
)  # fmt: skip
def test_not_values(value: int) -> None:
    with pytest.raises(PeerError):
        unpack(value)


def test_value_at_the_edges() -> None:
    def classes(age: int, life: int = LIFE) -> tuple[int, int]:
        fields = unpack(value_at(naat(age), start=T, end=T + life))
        return fields.class_start, fields.class_end

    assert classes(0) == (1, 1)
    assert classes(24 * HOUR - LIFE) == (1, 1), "the last second is 24 h − 1 s"
    assert classes(24 * HOUR - LIFE + 1) == (1, 2)
    assert classes(24 * HOUR - 1) == (1, 2)
    assert classes(24 * HOUR) == (2, 2)
    assert classes(-1) == (1, 1), "an event inside the life is new-born at its start"
    assert classes(-LIFE + 1) == (1, 1)
    assert classes(-LIFE) == (FUTURE, FUTURE)
    assert classes(-LIFE) == (FUTURE, FUTURE)
    assert classes(1000 * DAY) == (BEYOND, BEYOND)
    assert classes(24 * HOUR - 1, life=1) == (1, 1)
    with pytest.raises(CallerError):
        value_at(naat(0), start=T, end=T)


# Acceptance


FRESH_TEST = Clause(kind=TEST, products=frozenset({NAAT}), max_age_hours=72)
DOSES = Clause(
    kind=VACCINATION, complete_series=True, min_age_hours=14 * 24, max_age_hours=270 * 24
)
CURED = Clause(kind=EvidenceKind.RECOVERY, min_age_hours=11 * 24, max_age_hours=180 * 24)


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": TEST, "max_age_hours": 71},
        {"kind": TEST, "min_age_hours": 1},
        {"kind": TEST, "min_age_hours": -24},
        {"kind": TEST, "min_age_hours": 72, "max_age_hours": 72},
        {"kind": TEST, "max_age_hours": 0},
        {"kind": TEST, "min_doses": 1},
        {"kind": TEST, "complete_series": True},
        {"kind": TEST, "products": frozenset()},
        {"kind": TEST, "products": frozenset({1})},
        {"kind": VACCINATION, "products": frozenset({777})},
        {"kind": VACCINATION, "min_doses": MAX_DOSES + 1},
        {"kind": VACCINATION, "min_doses": -1},
    ],
)
def test_clauses_that_cannot_be(fields: dict[str, Any]) -> None:
    with pytest.raises(CallerError) as caught:
        Clause(**fields)
    assert caught.value.reason is Reason.ARGUMENT


def test_a_two_sided_window_is_exact() -> None:
    window = Clause(kind=TEST, min_age_hours=24, max_age_hours=48)
    accepted = accepted_values([window], life_seconds=LIFE)
    for age, inside in [
        (24 * HOUR - 1, False), (24 * HOUR, True), (48 * HOUR - LIFE, True),
        (48 * HOUR - LIFE + 1, False), (48 * HOUR, False),
    ]:  # fmt: skip
        assert (value_at(naat(age), start=T, end=T + LIFE) in accepted) is inside


def test_clauses_in_turn_bridge_a_limit() -> None:
    early = Clause(kind=TEST, max_age_hours=24)
    late = Clause(kind=TEST, min_age_hours=24, max_age_hours=48)
    crossing = value_at(naat(24 * HOUR - 1), start=T, end=T + LIFE)
    for clauses in ([early], [late]):
        assert crossing not in accepted_values(clauses, life_seconds=LIFE)
    assert crossing in accepted_values([late, early], life_seconds=LIFE)


def test_the_set_does_not_depend_on_the_order() -> None:
    clauses = [FRESH_TEST, DOSES, CURED]
    expected = accepted_values(clauses, life_seconds=LIFE)
    assert accepted_values([*reversed(clauses), FRESH_TEST], life_seconds=LIFE) == expected
    assert list(expected) == sorted(set(expected))
    assert all(pack(unpack(value)) == value for value in expected)


def test_other_products_only_if_named() -> None:
    unknown = fact(TEST, OTHER, 0)
    value = value_at(unknown, start=T, end=T + LIFE)
    anything = Clause(kind=TEST)
    named = Clause(kind=TEST, products=frozenset({OTHER}))
    assert not accepts_at([anything], unknown, T)
    assert value not in accepted_values([anything], life_seconds=LIFE)
    assert accepts_at([named], unknown, T)
    assert value in accepted_values([named], life_seconds=LIFE)


def test_tables_stay_small() -> None:
    approved = frozenset({1, 2, 3, 4, 23, 37, 38, 39})
    typical = [FRESH_TEST, replace(DOSES, products=approved), CURED]
    assert len(accepted_values(typical, life_seconds=LIFE)) < 2000
    everything = [Clause(kind=kind) for kind in EvidenceKind]
    assert len(accepted_values(everything, life_seconds=LIFE)) < 50_000


def test_bounds_of_compilation() -> None:
    assert accepted_values([], life_seconds=LIFE) == ()
    with pytest.raises(CallerError):
        accepted_values([FRESH_TEST], life_seconds=0)
    with pytest.raises(CallerError):
        accepted_values([FRESH_TEST] * 65, life_seconds=LIFE)
    with pytest.raises(CallerError):
        accepted_values(
            [Clause(kind=VACCINATION, products=registered(VACCINATION) | {OTHER})],
            life_seconds=400 * DAY,
        )


@st.composite
def clauses_of_rules(draw: st.DrawFn) -> Clause:
    kind = draw(st.sampled_from(EvidenceKind))
    codes = st.sampled_from(sorted(registered(kind) | {OTHER})[:4])
    low = draw(st.integers(0, len(BREAKPOINT_HOURS) - 1))
    limits = st.none() | st.sampled_from([*BREAKPOINT_HOURS[low + 1 :], None])
    doses = kind is VACCINATION
    return Clause(
        kind=kind,
        products=draw(st.none() | st.frozensets(codes, min_size=1)),
        min_doses=draw(st.integers(0, MAX_DOSES)) if doses else 0,
        complete_series=draw(st.booleans()) and doses,
        min_age_hours=BREAKPOINT_HOURS[low],
        max_age_hours=draw(limits),
    )


@st.composite
def facts(draw: st.DrawFn) -> EvidenceFact:
    kind = draw(st.sampled_from(EvidenceKind))
    doses, series = draw(st.sampled_from(dose_patterns(kind)))
    product = draw(st.sampled_from(sorted(registered(kind) | {OTHER})[:4]))
    near = draw(st.sampled_from(BREAKPOINT_HOURS)) * HOUR
    return fact(kind, product, near + draw(st.integers(-2 * DAY, 2 * DAY)), doses, series)


def moments(made: EvidenceFact, start: int, end: int) -> list[int]:
    """Every second of [start, end) at which an answer can change, and the ends."""
    changes = [made.event_time + hours * HOUR for hours in BREAKPOINT_HOURS]
    around = {moment + step for moment in changes for step in (-1, 0)}
    return sorted({start, end - 1} | {moment for moment in around if start <= moment < end})


@given(
    st.lists(clauses_of_rules(), max_size=3),
    facts(),
    st.integers(1, 40 * HOUR),
    st.integers(0, 4 * DAY),
)
def test_the_table_and_the_clear_rule_agree(
    clauses: Sequence[Clause], made: EvidenceFact, life: int, spare: int
) -> None:
    """Soundness and completeness: in the set exactly if accepted in every second of the life."""
    start, end = T, T + life
    in_clear = all(accepts_at(clauses, made, now) for now in moments(made, start, end))
    accepted = accepted_values(clauses, life_seconds=life + spare)
    assert (value_at(made, start=start, end=end) in accepted) is in_clear


@given(st.lists(clauses_of_rules(), min_size=1, max_size=2), facts(), st.integers(2, 400))
def test_a_shorter_table_never_accepts_more(
    clauses: Sequence[Clause], made: EvidenceFact, hours: int
) -> None:
    """A life longer than the table was made for loses pairs, and never gains one."""
    end = T + hours * HOUR
    if value_at(made, start=T, end=end) in accepted_values(clauses, life_seconds=HOUR):
        assert all(accepts_at(clauses, made, now) for now in moments(made, T, end))
