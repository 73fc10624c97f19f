"""Real rules at a real gate: proof, QR bytes and verdict for the evidence of the matrix."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

from guosuo.errors import CallerError, Reason
from guosuo.evidence.facts import EvidenceFact
from guosuo.evidence.value import value_at
from guosuo.policy.clear import accepts
from guosuo.policy.compiler import compile_policy
from guosuo.policy.document import PolicyDocument
from guosuo.policy.explain import changes
from guosuo.presentation.frame import Frame
from guosuo.roles.bundle import GateBundle
from guosuo.roles.holding import HeldSlot
from guosuo.roles.verdict import Verdict
from tests.support.countries import DAYS, clock, countries, evidence, matrix, policy
from tests.support.world import EPOCH, EVERY_CONSENT, World

GATE, HOME = "110000", "440000"
EPOCHS = 101
"""What a `World` has turned when it begins."""


def world_of(vectors: Path, day: str, country: str, patch: pytest.MonkeyPatch) -> World:
    """A federation at the moment of the matrix, whose gate asks for a country's rules."""
    now = clock(vectors, day)
    patch.setattr("tests.support.world.ZERO", now - EPOCH // 2 - EPOCHS * EPOCH)
    world = World((GATE, HOME))
    assert world.now == now
    document = policy(vectors, day, country, region=GATE)
    gate = world.regions[GATE].gate
    version = gate.state.policies["entry"] + 1
    world.publish(GATE, gate.publish_policy(renumbered(document, version), world.entropy))
    return world


def renumbered(document: PolicyDocument, version: int) -> PolicyDocument:
    """The same policy as another version of it."""
    return replace(document, version=version)


def steady(document: PolicyDocument, fact: EvidenceFact, start: int, end: int) -> bool:
    """The rules say the same about it in the whole life of a key."""
    moments = [m for m in (start, end - 1, *changes(fact)) if start <= m < end]
    return len({accepts(document, fact, moment) for moment in moments}) == 1


def cross(world: World, bundle: GateBundle, fact: EvidenceFact) -> tuple[bool, str]:
    """Enrol, show and verify; whether it was accepted, and the text of the show."""
    wallet = world.wallet()
    assert isinstance(world.enrol(wallet, HOME, fact), HeldSlot)
    poster = world.regions[GATE].checkpoint.poster()
    arguments = (poster, bundle, world.view, world.now, world.entropy, EVERY_CONSENT)
    try:
        text = wallet.show(*arguments).text()
    except CallerError as error:
        if error.reason is not Reason.NOT_ACCEPTED_THERE:
            raise
        text = wallet.show_blank(*arguments).text()
    outcome = world.regions[GATE].checkpoint.verify(text, world.now, world.entropy)
    assert outcome.verdict in {Verdict.ACCEPT, Verdict.NOT_SATISFIED}
    return outcome.verdict is Verdict.ACCEPT, text


def shows(
    vectors: Path, day: str, country: str, count: int, patch: pytest.MonkeyPatch
) -> list[str]:
    """So many crossings with evidence of the matrix; the texts of the shows."""
    world = world_of(vectors, day, country, patch)
    bundle = world.bundle(GATE)
    document = bundle.document
    values = set(compile_policy(document, world.federation.clock))
    start, end = world.federation.clock.key_life(world.epoch)
    expected = matrix(vectors, day)["results"][country]
    found = [
        (fact, result == "accept")
        for fact, result in zip(evidence(vectors, day), expected, strict=True)
        if fact is not None and steady(document, fact, start, end)
    ]
    chosen = random.Random(7).sample(found, min(count, len(found)))
    texts = []
    for number, (fact, accepted) in enumerate(chosen):
        fact = named(fact, number)  # noqa: PLW2901 - a document of its own for everybody
        assert (value_at(fact, start=start, end=end) in values) is accepted
        found_accepted, text = cross(world, bundle, fact)
        assert found_accepted is accepted
        texts.append(text)
    assert len(chosen) >= min(count, 200)
    return texts


def named(fact: EvidenceFact, number: int) -> EvidenceFact:
    """The same evidence on another document."""
    return replace(fact, digest=number.to_bytes(32, "big"))


@pytest.mark.parametrize("country", ["AT", "CZ", "ES", "LT", "PL", "SK"])
def test_accept_exactly_where_the_matrix_accepts(
    vectors: Path, country: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = shows(vectors, DAYS[1], country, 20, monkeypatch)
    assert len(public_octets(texts)) == 1


def public_octets(texts: list[str]) -> set[tuple[object, ...]]:
    """What anybody reads of shows without a proof: lengths, and every field before it."""
    frames = [Frame.from_text(text) for text in texts]
    return {
        (len(text), f.epoch, f.revision, f.policy_version, f.tick, f.place, f.mode, len(f.proof))
        for text, f in zip(texts, frames, strict=True)
    }


def test_shows_under_all_tables_have_the_same_length_and_public_octets(
    vectors: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = []
    for country in ("AT", "PL"):
        texts += shows(vectors, DAYS[1], country, 4, monkeypatch)
    assert len(public_octets(texts)) == 1


@pytest.mark.slow
def test_two_hundred_shows_of_every_country(vectors: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    public = set()
    for day, country in countries(vectors):
        public |= public_octets(shows(vectors, day, country, 200, monkeypatch))
    assert len(public) == 1
