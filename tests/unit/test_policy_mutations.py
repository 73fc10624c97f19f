"""Policies like the given ones: compiled to what they say, or refused by the rule at fault."""

from collections import Counter
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guosuo.certlogic.rules import applicable, read_rules
from guosuo.errors import PeerError, Reason
from guosuo.evidence.value import value_at
from guosuo.policy.compiler import PolicyError, accepts_value, compile_document, find_faults
from guosuo.policy.document import KINDS, PolicyDocument
from guosuo.policy.lint import Level, lint
from guosuo.policy.written import import_rules
from tests.support.countries import MONTH, clock, countries, matrix, rules
from tests.support.mutations import Mutator
from tests.support.random_evidence import LIFE, Country, check_many, draw
from tests.support.random_evidence import Rules as InClear

REFUSED = (Reason.POLICY, Reason.RULE_SYNTAX, Reason.RULE_BOUNDS)


class Refused:
    """Suppresses `PeerError` of these reasons, and nothing else."""

    def __init__(self, *reasons: Reason) -> None:
        self.reasons = reasons

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        return isinstance(error, PeerError) and error.reason in self.reasons


def mutated(vectors: Path, seed: int) -> tuple[PolicyDocument | None, Random]:
    """A document like one of the given ones; None if the reader refuses it."""
    dice = Random(seed)
    day, country = dice.choice(countries(vectors))
    now = clock(vectors, day)
    published = [rules(vectors, day)[name] for name in rules(vectors, day)]
    in_force = {
        rule.identifier
        for kind in KINDS.values()
        for rule in applicable(read_rules(rules(vectors, day)[country]), kind, now)
    }
    own = [rule for rule in rules(vectors, day)[country] if rule["Identifier"] in in_force]
    changed = Mutator(dice, published).mutate(own, dice.randint(1, 4))
    sets = dict(matrix(vectors, day)["valueSets"])
    name = dice.choice(sorted(sets))
    if dice.random() < 0.2:
        sets[name] = dice.sample(sets[name], len(sets[name]) * 3 // 4)
    with Refused(*REFUSED):
        document = import_rules(
            changed, sets, region=country, policy="entry", version=1, now=now, not_after=now + MONTH
        )
        return document, dice
    return None, dice


def hold(document: PolicyDocument, dice: Random, pieces: int) -> str:
    """What becomes of a document; where it is compiled, it says the same as in clear."""
    faults = None
    with Refused(Reason.RULE_BOUNDS):
        faults = find_faults(document)
    if faults is None:
        return "bounds"
    if faults:
        known = {rule.identifier for rule in document.parsed}
        assert {fault.rule for fault in faults} <= known
        assert all(fault.why for fault in faults)
        with pytest.raises(PolicyError) as error:
            compile_document(document, LIFE)
        assert error.value.faults == faults
        return "refused"
    in_clear = InClear(document)
    for _ in range(pieces):
        piece = draw(dice, document.not_before, document.not_after)
        value = value_at(piece.fact, start=piece.moment, end=piece.moment + 1)
        in_clear.check_instant(piece, accepted=accepts_value(document, value, 1))
    return "agrees"


def test_policies_like_the_given_ones_agree_or_are_refused_by_rule(vectors: Path) -> None:
    found: Counter[str] = Counter()

    @settings(max_examples=200, database=None)
    @given(st.integers(0, (1 << 64) - 1))
    def check(seed: int) -> None:
        document, dice = mutated(vectors, seed)
        found["unread" if document is None else hold(document, dice, 15)] += 1

    check()
    # Every way turned up, and most often the one that says something.
    assert found["agrees"] > 40
    assert found["refused"] > 40


@pytest.mark.parametrize("seed", [0, 2, 6])
def test_whole_tables_of_such_policies(vectors: Path, seed: int) -> None:
    number, document = seed << 32, None
    while document is None or find_faults(document):
        number += 1
        document, _ = mutated(vectors, number)
    country = None
    with Refused(Reason.POLICY):
        # It may accept nothing, or too much.
        country = Country(document)
    if country is None:
        assert lint(document, LIFE)[0].level is Level.ERROR
        return
    check_many(country, document.not_before, document.not_after - LIFE, seed, 100)
    assert not [r for r in lint(document, LIFE) if r.level is Level.ERROR]


@pytest.mark.slow
def test_many_policies_like_the_given_ones(vectors: Path) -> None:
    for seed in range(10_000):
        document, dice = mutated(vectors, seed)
        if document is not None:
            hold(document, dice, 50)
