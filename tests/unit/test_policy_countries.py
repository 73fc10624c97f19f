"""Real rules of real countries: in clear, and as compiled sets, they say the same."""

import json
import statistics
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guosuo.certlogic.evaluate import Result
from guosuo.evidence.facts import EvidenceFact
from guosuo.evidence.limits import LIMITS
from guosuo.evidence.registry import EvidenceKind
from guosuo.evidence.samples import samples
from guosuo.evidence.space import pack, paths, shapes
from guosuo.evidence.value import value_at
from guosuo.policy.cases import judge_matrix, judge_own_cases
from guosuo.policy.clear import accepts
from guosuo.policy.compiler import accepts_value, compile_document, find_faults
from guosuo.policy.document import PolicyDocument, judge_document
from guosuo.policy.table import POINT_SIZE, values_digest
from tests.support.countries import DAYS, clock, countries, evidence, matrix, policy, rules
from tests.support.random_evidence import Country, check_many, moments

HOUR, DAY = 3600, 86_400
EPOCH = 4 * HOUR
LIFE = 3 * EPOCH


@pytest.mark.parametrize("day", DAYS)
def test_the_acceptance_matrix_in_clear_and_through_the_table(vectors: Path, day: str) -> None:
    found = list(judge_matrix(rules(vectors, day), matrix(vectors, day)))
    assert [row.country for row in found] == sorted(matrix(vectors, day)["results"])
    for row in found:
        assert (row.cases, row.evidence) == (1112, 1038)
        assert row.faults == ()
        assert (row.clear, row.table) == (1112, 1038), (row.country, row.differing)


def test_only_another_disease_is_no_evidence(vectors: Path) -> None:
    for day in DAYS:
        for entry, fact in zip(
            matrix(vectors, day)["payloads"], evidence(vectors, day), strict=True
        ):
            payload = entry["payload"]
            (item,) = next(payload[group] for group in "vtr" if payload.get(group))
            assert (fact is None) is (item["tg"] != "840539006")


def test_the_countries_own_cases(vectors: Path) -> None:
    folder = vectors / "dcc" / "business-rules"
    sets = json.loads((folder / "value-sets.json").read_bytes())
    cases = in_clear = proven = in_table = 0
    differing = []
    for file in sorted(folder.glob("??.json")):
        row = judge_own_cases(json.loads(file.read_bytes()), sets)
        cases, in_clear = cases + row.cases, in_clear + row.clear
        proven, in_table = proven + row.evidence, in_table + row.table
        differing += row.differing
    assert (cases, in_clear) == (807, 807)
    assert proven > 400
    assert (differing, in_table) == ([], proven)


def test_the_whole_set_is_what_single_values_say(vectors: Path) -> None:
    for day, country in [(DAYS[0], "IE"), (DAYS[1], "CZ"), (DAYS[1], "EE")]:
        document = policy(vectors, day, country)
        values = set(compile_document(document, LIFE).values)
        start = clock(vectors, day)
        for fact in evidence(vectors, day):
            if fact is not None:
                value = value_at(fact, start=start, end=start + LIFE)
                assert accepts_value(document, value, LIFE) is (value in values)


def test_compiling_takes_seconds_and_gives_the_same_again(vectors: Path) -> None:
    for kind in EvidenceKind:
        paths(kind, LIFE)  # a constant of the layout, found once per process
    for day, country in countries(vectors):
        document = policy(vectors, day, country)
        compile_document.cache_clear()
        started = time.process_time()
        values = compile_document(document, LIFE).values
        assert time.process_time() - started < 10
        again = PolicyDocument.decode(document.encode())
        compile_document.cache_clear()
        assert values_digest(compile_document(again, LIFE).values) == values_digest(values)


def test_tables_are_as_small_as_wallets_need(vectors: Path) -> None:
    """Every country can be published; the median is at most 256 kB, none above 2 MB."""
    sizes = {
        (day, country): len(compile_document(policy(vectors, day, country), LIFE).values)
        * POINT_SIZE
        for day, country in countries(vectors)
    }
    assert len(sizes) == 29
    assert statistics.median(sizes.values()) <= 256_000
    assert max(sizes.values()) <= 2_000_000


def test_no_rule_of_theirs_is_left_out(vectors: Path) -> None:
    for day, country in countries(vectors):
        document = policy(vectors, day, country)
        assert find_faults(document) == ()
        assert len(document.rules) == len({rule.identifier for rule in document.parsed})


def test_what_is_open_is_known(vectors: Path) -> None:
    document = policy(vectors, DAYS[0], "SK")
    assert compile_document(document, 1).open == ("TR-SK-0008",)


@pytest.mark.parametrize("kind", EvidenceKind)
def test_samples_of_a_class_are_judged_like_the_class(vectors: Path, kind: EvidenceKind) -> None:
    """The sampling of the compiler against documents that are made otherwise."""
    document = policy(vectors, DAYS[1], "LT")
    for shape in shapes(kind)[:: max(1, len(shapes(kind)) // 6)]:
        for way in paths(kind, 1)[::3]:
            if not accepts_value(document, pack(shape, way.first, way.last), 1):
                continue
            for state in way.passed:
                for payload, moment in samples(shape, state, document.not_before):
                    judgement = judge_document(document, kind, payload, moment)
                    assert judgement is not None
                    assert judgement.result is Result.SATISFIED


# --- epochs ---------------------------------------------------------------------------


@st.composite
def facts(draw: st.DrawFn, now: int) -> EvidenceFact:
    """Evidence around the moments at which some rule changes its mind."""
    kind = draw(st.sampled_from(EvidenceKind))
    shape = draw(st.sampled_from(shapes(kind)))
    limit = draw(st.sampled_from(LIMITS[kind]))
    span = limit.instant(0)
    event = now - span + draw(st.integers(-2 * DAY, 2 * DAY))
    if kind is not EvidenceKind.TEST:
        event -= event % DAY
    born = draw(st.sampled_from([None, 40 * 365, 10 * 365, 6574, 6575, 6576]))
    start = event + draw(st.sampled_from([0, 10, 11, 12])) * DAY
    return EvidenceFact(
        kind=kind,
        product=shape.product,
        doses=shape.doses,
        series=shape.series,
        event_time=event,
        born=None if born is None else (now // DAY - born) * DAY,
        valid_from=start if kind is EvidenceKind.RECOVERY else None,
        valid_until=(
            start + draw(st.sampled_from([0, 90, 169, 180])) * DAY
            if kind is EvidenceKind.RECOVERY
            else None
        ),
        digest=bytes(32),
    )


def never_too_much(document: PolicyDocument, now: int, count: int) -> None:
    """No value of an epoch is accepted that the rules refuse at any moment of its life."""

    @settings(max_examples=count, database=None)
    @given(facts(now), st.integers(0, EPOCH))
    def check(fact: EvidenceFact, offset: int) -> None:
        start, end = now - offset, now - offset + LIFE
        if accepts_value(document, value_at(fact, start=start, end=end), LIFE):
            assert all(accepts(document, fact, moment) for moment in moments(fact, start, end))

    check()


def test_no_epoch_accepts_what_the_rules_refuse_at_any_moment(vectors: Path) -> None:
    for day, country in countries(vectors):
        never_too_much(policy(vectors, day, country), clock(vectors, day), 100)


def agree(document: PolicyDocument, now: int, rounds: int, pieces: int) -> None:
    """Random documents in clear and through both tables, an instant's and a life's."""
    country = Country(document)

    @settings(max_examples=rounds, database=None)
    @given(st.integers(0, (1 << 64) - 1))
    def check(seed: int) -> None:
        check_many(country, now, document.not_after - LIFE, seed, pieces)

    check()


def test_random_documents_in_clear_and_through_the_tables(vectors: Path) -> None:
    for day, country in countries(vectors):
        agree(policy(vectors, day, country), clock(vectors, day), 2, 50)


@pytest.mark.slow
def test_a_hundred_thousand_documents_of_every_country(vectors: Path) -> None:
    for day, country in countries(vectors):
        agree(policy(vectors, day, country), clock(vectors, day), 100, 1000)
