"""Limits, states, the evidence integer, and all paths that evidence takes through its states."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from guosuo.certlogic.ast import TimeUnit
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.evidence.dates import last_day, midnight
from guosuo.evidence.facts import EvidenceFact
from guosuo.evidence.limits import BIRTH_LIMITS, LIMITS, WIDE_LIMITS, age_class, wide_class
from guosuo.evidence.registry import NAAT, OTHER, RECOVERY, EvidenceKind
from guosuo.evidence.space import MAX_LIFE, Path, paths, shapes
from guosuo.evidence.states import (
    CONCRETE_BANDS,
    Band,
    Dates,
    Phase,
    Shape,
    State,
    Validity,
    band_at,
    state_at,
)
from guosuo.evidence.value import pack, unpack, value_at

HOUR, DAY = 3600, 86_400
LIFE = 12 * HOUR
T = 1_642_507_200
DIGEST = bytes(range(32))
VACCINATION, TEST, CURED = EvidenceKind


def every_day(first: int, last: int) -> Iterator[int]:
    """00:00 UTC of all days of these years."""
    day = date(first, 1, 1)
    while day.year <= last:
        yield midnight(day)
        day += timedelta(days=1)


def naat(age: int) -> EvidenceFact:
    return EvidenceFact(
        kind=TEST, product=NAAT, doses=0, series=0, event_time=T - age, digest=DIGEST
    )


# --- limits ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", EvidenceKind)
def test_the_order_of_limits_is_that_of_every_day(kind: EvidenceKind) -> None:
    # Only vaccinations have limits in months.
    for event in every_day(1900 if kind is VACCINATION else 2090, 2100):
        instants = [limit.instant(event) for limit in LIMITS[kind]]
        assert all(a < b for a, b in pairwise(instants))


def test_full_age_by_the_calendar_is_never_later() -> None:
    years, days = BIRTH_LIMITS
    distances = {days.instant(born) - years.instant(born) for born in every_day(1900, 2080)}
    assert distances == {0, DAY}
    in_2100 = {days.instant(born) - years.instant(born) for born in every_day(2081, 2100)}
    assert in_2100 == {DAY, 2 * DAY}


def test_limits_flip_where_rules_do() -> None:
    naats = [(0, 1), (1, 2), (86_399, 2), (86_400, 3), (86_401, 4), (48 * HOUR, 5)]
    for age, index in [(-1, 0), *naats, (72 * HOUR + 1, 8), (7 * DAY, 8), (7 * DAY + 1, 9)]:
        assert age_class(TEST, T, T + age) == index
    assert age_class(TEST, T, T + 90 * DAY - 1) == 9
    assert age_class(TEST, T, T + 90 * DAY) == 10
    dose = midnight(date(2021, 5, 31))
    nine_months = midnight(date(2022, 3, 3))  # 31 February, as CertLogic has it
    before = age_class(VACCINATION, dose, nine_months)
    assert age_class(VACCINATION, dose, nine_months + 1) == before + 1


# --- states ---------------------------------------------------------------------------


def test_bands() -> None:
    clock = midnight(date(2022, 6, 20))
    for text, band in [
        ("", Band.UNKNOWN), ("1980", Band.ADULT), ("2010-01", Band.MINOR),
        ("2004-06-20", Band.MINOR), ("2004-06-19", Band.BETWEEN), ("2004-06-18", Band.ADULT),
        ("2004-05", Band.ADULT), ("2004-06", Band.MINOR), ("2004", Band.MINOR),
        ("2003", Band.ADULT),
    ]:  # fmt: skip
        assert band_at(last_day(text), clock) is band, text
    assert band_at(last_day("2004-06-20"), clock + 1) is Band.BETWEEN
    assert band_at(last_day("2004-06-19"), clock + 1) is Band.ADULT


def test_the_phases_of_a_recovery() -> None:
    dates = Dates(event=0, valid_from=11 * DAY, valid_until=180 * DAY)
    for moment, phase in [
        (11 * DAY - 1, Phase.BEFORE), (11 * DAY, Phase.VALID), (180 * DAY, Phase.VALID),
        (180 * DAY + 1, Phase.AFTER),
    ]:  # fmt: skip
        assert state_at(CURED, dates, moment).validity == Validity(
            phase, starts_late=True, ends_early=True
        )
    loose = Dates(event=0, valid_from=10 * DAY, valid_until=181 * DAY)
    assert state_at(CURED, loose, 0).validity == Validity(
        Phase.BEFORE, starts_late=False, ends_early=False
    )
    for wrong in ((1, None), (None, 1), (2, 1)):
        with pytest.raises(CallerError):
            Dates(event=0, valid_from=wrong[0], valid_until=wrong[1])


@pytest.mark.parametrize(
    "fields",
    [
        (TEST, 1), (TEST, 7777), (VACCINATION, 1), (VACCINATION, 1, 5, 5), (TEST, NAAT, 1, 1),
        (CURED, OTHER), (CURED, NAAT),
    ],
)  # fmt: skip
def test_shapes_out_of_form(fields: tuple[EvidenceKind, int, int, int]) -> None:
    with pytest.raises(CallerError):
        Shape(*fields)


# --- the integer ----------------------------------------------------------------------


def test_the_layout() -> None:
    pcr = Shape(TEST, NAAT)
    assert pack(pcr, State(2), State(3)) == 0x32_03E9_00_02_03_00_00
    dose = Shape(VACCINATION, 39, 3, 2)
    adult = State(7, band=Band.ADULT)
    assert pack(dose, adult, replace(adult, age=16)) == 0x31_0027_32_07_10_00_20
    assert pack(dose, State(4), State(9)) == 0x31_0027_32_04_09_00_00
    first = State(4, Validity(Phase.BEFORE, starts_late=True, ends_early=False), Band.MINOR)
    last = State(4, Validity(Phase.VALID, starts_late=True, ends_early=False), Band.MINOR)
    assert pack(Shape(CURED, RECOVERY), first, last) == 0x33_07D1_00_04_04_56_10


@pytest.mark.parametrize("kind", EvidenceKind)
def test_the_integer_is_injective(kind: EvidenceKind) -> None:
    """Every shape and path has its own; 64 bits; nothing is lost."""
    pairs = [(path.first, path.last) for path in paths(kind, LIFE)]
    seen: set[int] = set()
    for index, shape in enumerate(shapes(kind)):
        packed = [pack(shape, *pair) for pair in pairs]
        seen.update(packed)
        chosen = index % len(pairs)
        assert unpack(packed[chosen]) == (shape, *pairs[chosen])
    assert len(seen) == len(shapes(kind)) * len(pairs)
    assert min(seen) >= 3 << 60
    assert max(seen) < 1 << 62
    for pair in pairs:
        assert unpack(pack(shapes(kind)[0], *pair)) == (shapes(kind)[0], *pair)


packed_values = st.sampled_from(EvidenceKind).flatmap(
    lambda kind: st.builds(
        lambda shape, path: pack(shape, path.first, path.last),
        st.sampled_from(shapes(kind)),
        st.sampled_from(paths(kind, LIFE)),
    )
)


@given(st.integers() | st.integers(3 << 60, (4 << 56) + (3 << 60)) | packed_values)
def test_unpack_is_strict(value: int) -> None:
    for changed in (value, value ^ 1, value | 1 << 64, value ^ 1 << 60, -value):
        outcome: tuple[Shape, State, State] | PeerError
        try:
            outcome = unpack(changed)
        except PeerError as error:
            outcome = error
        if isinstance(outcome, PeerError):
            assert outcome.reason is Reason.EVIDENCE
            assert outcome.__context__ is None
        else:
            assert pack(*outcome) == changed


@pytest.mark.parametrize(
    "value",
    [
        0, -1, 1 << 64, 0x32_03E9_00_01_02_00_01, 0x22_03E9_00_01_02_00_00,
        0x30_03E9_00_01_02_00_00, 0x34_03E9_00_01_02_00_00, 0x32_0001_00_01_02_00_00,
        0x32_03E9_11_01_02_00_00, 0x32_03E9_00_02_01_00_00, 0x32_03E9_00_01_0B_00_00,
        0x32_03E9_00_01_02_00_10, 0x32_03E9_00_01_02_11_00, 0x31_0001_00_01_02_00_00,
        0x31_0001_55_01_02_00_00, 0x31_0001_11_01_02_00_30, 0x33_0000_00_01_01_11_00,
        0x33_07D1_00_01_01_00_00, 0x33_07D1_00_01_01_10_00, 0x33_07D1_00_01_01_21_00,
        0x33_07D1_00_01_01_15_00, 0x33_07D1_00_01_01_44_00,
        # Without a band, only some ages are told apart; doses that no pattern has.
        0x31_0001_11_00_01_00_00, 0x31_0001_11_03_04_00_00, 0x31_0001_11_08_08_00_00,
        0x31_0001_41_01_01_00_20, 0x31_0001_14_01_01_00_20, 0x31_0005_11_01_01_00_20,
    ],
)  # fmt: skip
def test_not_values(value: int) -> None:
    with pytest.raises(PeerError):
        unpack(value)


def test_value_at_the_edges() -> None:
    def classes(age: int, life: int = LIFE) -> tuple[int, int]:
        _, first, last = unpack(value_at(naat(age), start=T, end=T + life))
        return first.age, last.age

    assert classes(1) == (2, 2)
    assert classes(0) == (1, 2), "a rule may want a test before the clock"
    assert classes(24 * HOUR - LIFE) == (2, 2), "the last second is 24 h - 1 s"
    assert classes(24 * HOUR - LIFE + 1) == (2, 3)
    assert classes(24 * HOUR - LIFE + 2) == (2, 4)
    assert classes(24 * HOUR - 1) == (2, 4)
    assert classes(24 * HOUR) == (3, 4)
    assert classes(-1) == (1, 2), "an event inside the life begins it"
    assert classes(-LIFE + 1) == (1, 1)
    assert classes(-LIFE) == (0, 0)
    assert classes(1000 * DAY) == (10, 10)
    assert classes(24 * HOUR - 1, life=1) == (2, 2)
    with pytest.raises(CallerError):
        value_at(naat(0), start=T, end=T)


@pytest.mark.parametrize("days", [1 << 23, -(1 << 23)])
def test_no_time_is_too_far(days: int) -> None:
    dose = EvidenceFact(
        kind=VACCINATION, product=1, doses=1, series=1, event_time=days * DAY, born=-days * DAY,
        digest=DIGEST,
    )  # fmt: skip
    _, first, last = unpack(value_at(dose, start=T, end=T + LIFE))
    past = days < 0
    assert first == last == State(16 if past else 0, band=Band.MINOR if past else Band.ADULT)


def test_the_band_of_a_life() -> None:
    def band(text: str, kind: EvidenceKind = VACCINATION, end: int = T + LIFE) -> Band:
        start = T - T % DAY
        event = {"event_time": start, "digest": DIGEST, "born": last_day(text)}
        shape = Shape(TEST, NAAT) if kind is TEST else Shape(VACCINATION, 1, 2, 2)
        fact = EvidenceFact(
            kind=kind,
            product=shape.product,
            doses=shape.doses,
            series=shape.series,
            **event,  # type: ignore[arg-type]
        )
        return unpack(value_at(fact, start=start, end=end))[1].band

    # 18 January 2022 at 00:00, and no leap day makes 6575 days longer than 18 years
    assert band("1990") is Band.ADULT
    assert band("2004") is Band.MINOR
    assert band("") is Band.OTHER
    assert band("2004-01-17") is Band.ADULT
    assert band("2004-01-18") is Band.OTHER, "of age within this life"
    assert band("2004-01-19") is Band.MINOR
    assert band("1990", TEST) is Band.OTHER


# --- paths ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", EvidenceKind)
def test_paths_are_in_order(kind: EvidenceKind) -> None:
    for path in paths(kind, LIFE):
        concrete = CONCRETE_BANDS if path.first.band is Band.OTHER else (path.first.band,)
        for state in (path.first, path.last):
            if state.band is Band.OTHER and kind in WIDE_LIMITS:
                assert any(wide_class(kind, one.age) == state.age for one in path.passed)
                continue
            assert {replace(state, band=band) for band in concrete} <= set(path.passed)
        assert len(set(path.passed)) == len(path.passed)
        for state in path.passed:
            assert path.first.age <= state.age
            assert path.first.band is Band.OTHER or state.age <= path.last.age
            assert wide_class(kind, state.age) <= path.last.age
            assert state.band in concrete
    assert all(path.first == path.last for path in paths(kind, 1))
    pairs = [(path.first, path.last) for path in paths(kind, LIFE)]
    assert len(set(pairs)) == len(pairs)


def test_bounds_of_lives() -> None:
    for life in (0, -1, MAX_LIFE + 1):
        with pytest.raises(CallerError):
            paths(TEST, life)


def test_tables_stay_small() -> None:
    sizes = {kind: (len(shapes(kind)), len(paths(kind, LIFE))) for kind in EvidenceKind}
    assert sizes == {VACCINATION: (520, 67), TEST: (39, 20), CURED: (1, 525)}
    # Even a policy that accepts everything stays below the 2 MB that none may have.
    assert sum(shapes * paths for shapes, paths in sizes.values()) * 48 < 2_000_000


days = st.integers(-60, 500) | st.sampled_from(
    [limit.amount for kind in (VACCINATION, CURED) for limit in LIMITS[kind]]
)


@st.composite
def facts(draw: st.DrawFn) -> tuple[EvidenceFact, int]:
    """A fact and the start of a life near one of its limits."""
    kind = draw(st.sampled_from(EvidenceKind))
    shape = draw(st.sampled_from(shapes(kind)))
    event = draw(st.integers(midnight(date(1950, 1, 1)), midnight(date(2090, 1, 1))))
    if kind is not TEST:
        event -= event % DAY
    start, end = sorted((draw(days), draw(days)))
    instants = [limit.instant(event) for limit in LIMITS[kind]]
    if kind is CURED:
        instants += [event + start * DAY, event + end * DAY]
    near = draw(st.sampled_from(instants))
    begin = near + draw(st.integers(-2, 2) | st.integers(-LIFE, LIFE))
    born = draw(st.none() | st.integers(-7000, 100) | st.integers(-6578, -6572))
    fact = EvidenceFact(
        kind=kind,
        product=shape.product,
        doses=shape.doses,
        series=shape.series,
        event_time=event,
        born=None if born is None else near - near % DAY + born * DAY,
        valid_from=event + start * DAY if kind is CURED else None,
        valid_until=event + end * DAY if kind is CURED else None,
        digest=DIGEST,
    )
    return fact, begin


def seconds_of_change(fact: EvidenceFact, start: int, end: int) -> list[int]:
    """Every second of [start, end) in which the state can have changed, and the ends."""
    changes = [limit.instant(fact.event_time) for limit in LIMITS[fact.kind]]
    if fact.born is not None:
        changes += [limit.instant(fact.born) for limit in BIRTH_LIMITS]
    for moment in (fact.valid_from, fact.valid_until):
        changes += [] if moment is None else [moment, moment + 1]
    around = {moment + step for moment in changes for step in (-1, 0)}
    return sorted({start, end - 1} | {moment for moment in around if start <= moment < end})


@cache
def look_up(kind: EvidenceKind, life: int) -> dict[tuple[State, State], Path]:
    return {(path.first, path.last): path for path in paths(kind, life)}


def check_path(fact: EvidenceFact, start: int, life: int) -> None:
    """The pair of a value is a path, and the path passes every state of the life."""
    shape, first, last = unpack(value_at(fact, start=start, end=start + life))
    assert shape == fact.shape
    path = look_up(fact.kind, life)[first, last]
    begin = fact.event_time if start < fact.event_time < start + life else start
    for moment in seconds_of_change(fact, begin, start + life):
        assert state_at(fact.kind, fact.dates, moment) in path.passed


@given(facts(), st.sampled_from([1, 2, 17, HOUR - 1, LIFE - 1, LIFE + 1]))
def test_values_are_those_of_paths(made: tuple[EvidenceFact, int], life: int) -> None:
    check_path(*made, life)


@given(facts(), st.sampled_from([HOUR, 6 * HOUR, LIFE, DAY, 3 * DAY]))
def test_values_of_whole_hours_are_those_of_paths(
    made: tuple[EvidenceFact, int], life: int
) -> None:
    fact, start = made
    check_path(fact, start - start % HOUR, life)


@given(facts(), st.integers(1, LIFE))
def test_a_life_that_begins_at_no_whole_hour_is_in_no_more_tables(
    made: tuple[EvidenceFact, int], start: int
) -> None:
    """Either a path of its own, through all of its states, or none at all."""
    fact, begin = made
    begin += start
    _, first, last = unpack(value_at(fact, start=begin, end=begin + LIFE))
    if (first, last) in look_up(fact.kind, LIFE):
        check_path(fact, begin, LIFE)


@given(facts(), st.sampled_from([MAX_LIFE, MAX_LIFE - 1, 5 * DAY + 1]))
@example((naat(0), T - 5), MAX_LIFE)
def test_longer_lives_too(made: tuple[EvidenceFact, int], life: int) -> None:
    fact, start = made
    whole = life % HOUR == 0 and fact.kind is not TEST
    check_path(fact, start - start % HOUR if whole else start, life)


@pytest.mark.parametrize("kind", [VACCINATION, TEST])
@pytest.mark.parametrize("life", [1, 2, LIFE])
def test_every_path_is_taken(kind: EvidenceKind, life: int) -> None:
    """No pair is in the tables for nothing: some event and life have it."""
    taken = set()
    day = midnight(date(2021, 5, 31))
    grain = HOUR if life % HOUR == 0 else 1
    # Samples are taken at any second of an hour, lives begin at a whole one.
    for event in (day, day + 1, day - 1) if kind is TEST else (day,):
        for instant in (limit.instant(event) for limit in LIMITS[kind]):
            for near in (instant - DAY, instant - life, instant):
                first = near - near % grain
                for start in (first - grain, first, first + grain):
                    begin = event if start < event < start + life else start
                    last = age_class(kind, event, start + life - 1)
                    taken.add((age_class(kind, event, begin), last))
    banded = [path for path in paths(kind, life) if kind is TEST or path.first.band is Band.ADULT]
    assert taken == {(path.first.age, path.last.age) for path in banded}


def test_the_year_2100_makes_no_new_paths() -> None:
    known = {
        (path.first.age, path.last.age)
        for path in paths(VACCINATION, LIFE)
        if path.first.band is Band.ADULT
    }
    months = [limit for limit in LIMITS[VACCINATION] if limit.unit is TimeUnit.MONTH]
    for event in every_day(2094, 2100):
        for instant in (limit.instant(event) for limit in months):
            start = instant - instant % HOUR - HOUR
            first = age_class(VACCINATION, event, start)
            assert (first, age_class(VACCINATION, event, start + LIFE - 1)) in known


def test_paths_are_a_constant_of_the_layout() -> None:
    """Everybody has to compile the same tables: as hash, as another program would see it."""
    for kind, digest in (
        (VACCINATION, "4ad6febcad848578"),
        (TEST, "1044afdf724b1d61"),
        (CURED, "68462a1947e86d7c"),
    ):
        shape, text = shapes(kind)[0], hashlib.sha256()
        for path in paths(kind, LIFE):
            text.update(pack(shape, path.first, path.last).to_bytes(8))
            for state in path.passed:
                phase = 0 if state.validity is None else state.validity.phase
                text.update(bytes((state.age, phase, state.band)))
        assert text.hexdigest()[:16] == digest
