"""Samples are real documents in the state that they stand for, and rules do not tell them apart."""

import json
import random
from collections.abc import Iterator
from datetime import datetime
from itertools import islice, product
from pathlib import Path
from typing import Any

import pytest

from guosuo.certlogic.evaluate import Result
from guosuo.certlogic.rules import (
    CertificateType,
    Rule,
    Surroundings,
    judge,
    read_rules,
)
from guosuo.errors import CallerError, Reason
from guosuo.evidence.facts import fact_from_dcc
from guosuo.evidence.foreign_cbor import Item
from guosuo.evidence.payload import read_payload
from guosuo.evidence.registry import DEVICE_BASE, NAAT, OTHER, RECOVERY, EvidenceKind
from guosuo.evidence.space import paths, sample, samples, shapes
from guosuo.evidence.states import Band, Shape, State, state_at
from tests.unit.test_evidence import document

LIFE = 12 * 3600
NOON = 1_655_726_400
"""20 June 2022: some people are 18 years old, but not 6575 days."""
EVENING = 1_644_094_800
"""5 February 2022: nobody is."""
LEAP_DAY = 1_709_164_800
"""29 February 2024; nor then."""
VACCINATION, TEST, CURED = EvidenceKind
TYPES = {
    VACCINATION: CertificateType.VACCINATION,
    TEST: CertificateType.TEST,
    CURED: CertificateType.RECOVERY,
}


def states(kind: EvidenceKind) -> list[State]:
    """All concrete states that lives of half a day pass."""
    return list(dict.fromkeys(state for path in paths(kind, LIFE) for state in path.passed))


def check(payload: dict[str, Any], shape: Shape, state: State, clock: int) -> None:
    """Read back as a certificate, it has this shape, and at the clock this state."""
    item: Item = json.loads(json.dumps(payload))
    holder, entry = read_payload(item)
    fact = fact_from_dcc(document(entry, holder.dob))
    assert fact.shape == shape
    assert state_at(shape.kind, fact.dates, clock) == state


@pytest.mark.parametrize("clock", [NOON, EVENING, NOON - NOON % 86_400, LEAP_DAY])
@pytest.mark.parametrize(
    "shape",
    [Shape(VACCINATION, 2, 2, 2), Shape(TEST, NAAT), Shape(CURED, RECOVERY)],
    ids=lambda shape: shape.kind.name,
)
def test_every_state_has_samples(shape: Shape, clock: int) -> None:
    without = set()
    for state in states(shape.kind):
        found = list(samples(shape, state, clock))
        for payload, moment in found[::3]:
            assert moment // 86_400 == clock // 86_400
            check(payload, shape, state, moment)
        if not found:
            without.add(state.band)
            continue
        # One sample at the very moment, wherever one of all documents is in the state then.
        if any(moment == clock for _, moment in found):
            check(sample(shape, state, clock), shape, state, clock)
        else:
            with pytest.raises(CallerError) as caught:
                sample(shape, state, clock)
            assert caught.value.reason is Reason.STATE
    assert without <= ({Band.BETWEEN} if clock in {EVENING, LEAP_DAY} else set())


@pytest.mark.parametrize("kind", EvidenceKind)
def test_every_shape_has_samples(kind: EvidenceKind) -> None:
    state = next(state for state in states(kind) if state.band is Band.ADULT and state.age > 2)
    for shape in shapes(kind):
        check(sample(shape, state, NOON), shape, state, NOON)
        for payload, moment in islice(samples(shape, state, NOON), 0, None, 7):
            check(payload, shape, state, moment)


def test_both_edges_of_a_class_are_sampled() -> None:
    fresh = State(2, band=Band.UNKNOWN)
    taken = {
        NOON - int(datetime.fromisoformat(payload["t"][0]["sc"]).timestamp())
        for payload, moment in samples(Shape(TEST, NAAT), fresh, NOON)
        if moment == NOON
    }
    assert {1, 86_399} <= taken


def test_other_products_are_of_all_sorts() -> None:
    vaccines = [
        payload["v"][0]
        for payload, _ in samples(Shape(VACCINATION, OTHER, 1, 1), State(4, band=Band.ADULT), NOON)
    ]
    assert len({(entry["mp"], entry["vp"]) for entry in vaccines}) > 3
    tests = [
        payload["t"][0]
        for payload, _ in samples(Shape(TEST, OTHER), State(2, band=Band.ADULT), NOON)
    ]
    assert len({(entry["tt"], entry["tr"]) for entry in tests}) > 3


Rules = dict[str, tuple[Rule, ...]]
"""By country."""


def days(vectors: Path) -> Iterator[tuple[dict[str, Any], int, Rules]]:
    """The acceptance matrix, the clock and all rules, of both days."""
    for matrix in sorted((vectors / "dcc" / "acceptance-matrix").iterdir()):
        read = json.loads(matrix.read_text())
        rules: Rules = {}
        for file in sorted((vectors / "dcc" / "production-rules" / matrix.stem).iterdir()):
            content = json.loads(file.read_text())
            rules[file.stem] = read_rules(content["rules"])
        yield read, int(datetime.fromisoformat(read["clock"]).timestamp()), rules


def judged(
    rules: tuple[Rule, ...],
    shape: Shape,
    payload: dict[str, Any],
    clock: int,
    codes: dict[str, list[str]],
) -> Result:
    """What a country says about a document."""
    surroundings = Surroundings(clock=clock, value_sets=codes, issuer_country="LU")
    return judge(rules, kind=TYPES[shape.kind], payload=payload, surroundings=surroundings).result


def test_samples_are_judged_like_the_documents_of_their_class(vectors: Path) -> None:
    """The expected verdict on a real document is that on the sample in its place."""
    compared = 0
    for read, clock, rules in days(vectors):
        known: dict[tuple[str, Shape, State], bool] = {}
        for number, row in enumerate(read["payloads"]):
            item: Item = {"nam": {"fnt": "A"}, **row["payload"]}
            holder, entry = read_payload(item)
            if entry.tg != "840539006":
                continue
            fact = fact_from_dcc(document(entry, holder.dob))
            state = state_at(fact.kind, fact.dates, clock)
            stand_in = sample(fact.shape, state, clock)
            for country, expected in read["results"].items():
                key = country, fact.shape, state
                if key not in known:
                    result = judged(rules[country], fact.shape, stand_in, clock, read["valueSets"])
                    known[key] = result is Result.SATISFIED
                assert known[key] == (expected[number] == "accept"), (row, country)
                compared += 1
    assert compared == 30_102


def test_no_rule_tells_documents_of_a_class_apart(vectors: Path) -> None:
    """The real rules, on samples of classes drawn at random."""
    dice = random.Random(7)
    devices = [Shape(TEST, DEVICE_BASE + number) for number in (1200, 1246, 3015)]
    choice = {
        VACCINATION: [shape for shape in shapes(VACCINATION) if shape.product != OTHER],
        TEST: [shape for shape in shapes(TEST) if 0 < shape.product < DEVICE_BASE] + devices,
        CURED: list(shapes(CURED)),
    }
    every = {kind: states(kind) for kind in EvidenceKind}
    count = 0
    for read, clock, rules in days(vectors):
        for country, kind in product(rules, [kind for kind in EvidenceKind for _ in range(12)]):
            shape, state = dice.choice(choice[kind]), dice.choice(every[kind])
            drawn = list(samples(shape, state, clock))
            verdicts = {
                judged(rules[country], shape, payload, moment, read["valueSets"])
                for payload, moment in dice.sample(drawn, min(len(drawn), 12))
            }
            assert len(verdicts) <= 1, (country, shape, state, verdicts)
            count += len(drawn)
    assert count > 5_000
