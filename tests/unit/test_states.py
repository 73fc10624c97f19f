"""Stored states: every role goes on where it was, and nothing but its own octets is read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from guosuo.bbs.signature import Signature
from guosuo.credential.renewal import blind_scalar
from guosuo.curve.points import G1
from guosuo.errors import CallerError, Reason
from guosuo.evidence.facts import EvidenceFact
from guosuo.evidence.registry import RECOVERY, EvidenceKind
from guosuo.evidence.value import value_at
from guosuo.federation.records import Append, Kind, PutBlob
from guosuo.roles.checkpoint import Checkpoint
from guosuo.roles.enrolment import Grant
from guosuo.roles.gate import GateAuthority
from guosuo.roles.issuer import Issuer
from guosuo.roles.states import (
    StateKind,
    decode_checkpoint,
    decode_gate,
    decode_issuer,
    decode_log,
    decode_wallet,
    encode_checkpoint,
    encode_gate,
    encode_issuer,
    encode_log,
    encode_wallet,
)
from guosuo.roles.verdict import Notice, Verdict
from guosuo.roles.wallet import Wallet
from guosuo.scheme import KeyId
from tests.support.life import GATE, HOME, Life, live
from tests.support.world import DAY, EVERY_CONSENT, REGIONS, World, fact, seeded


@pytest.fixture(scope="module")
def life() -> Life:
    return live()


# --- round trips ---------------------------------------------------------------------------


def test_every_state_comes_back_as_it_was(life: Life) -> None:
    home, gate = life.world.regions[HOME], life.world.regions[GATE]
    assert life.decode(StateKind.WALLET, life.stored[StateKind.WALLET]) == life.wallet.state
    assert life.decode(StateKind.ISSUER, life.stored[StateKind.ISSUER]) == home.issuer.state
    assert life.decode(StateKind.GATE, life.stored[StateKind.GATE]) == gate.gate.state
    checkpoint = life.decode(StateKind.CHECKPOINT, life.stored[StateKind.CHECKPOINT])
    assert checkpoint == gate.checkpoint.state
    assert life.decode(StateKind.LOG, life.stored[StateKind.LOG]) == home.writer


def test_the_life_that_was_stored_left_nothing_out(life: Life) -> None:
    """A field that is empty in this test would not be tested by it."""
    home, gate, wallet = life.world.regions[HOME], life.world.regions[GATE], life.wallet.state
    present = (
        *(home.issuer.state.suspended, home.issuer.state.retired, home.issuer.state.unpublished),
        *(home.issuer.state.records, home.issuer.state.offers, home.issuer.state.last_entry),
        *(wallet.pending, wallet.shows, wallet.places, wallet.answered),
        *(gate.gate.state.listed, gate.gate.state.policies),
        *(gate.checkpoint.state.seen, gate.checkpoint.state.lowest, gate.checkpoint.state.floor),
    )
    assert all(present)
    assert len(home.issuer.state.keys) > 1
    assert len(gate.gate.state.parts) > len(gate.gate.state.listed)
    assert any(len(held.renewals) > 1 for held in wallet.slots.values())
    assert len({region for region, _ in wallet.slots}) == 2


def test_a_loaded_wallet_shows_and_refuses_like_the_one_that_was_saved(life: Life) -> None:
    world = life.world
    bundle = world.bundle("360000")
    poster = world.regions["360000"].checkpoint.poster()

    def show(data: bytes, now: int) -> str:
        wallet = Wallet(life.federation, decode_wallet(life.federation, data))
        frame = wallet.show(poster, bundle, world.view, now, seeded(7), EVERY_CONSENT)
        return frame.text()

    data = life.stored[StateKind.WALLET]
    code = show(data, world.now)
    assert show(data, world.now) == code
    verdict = world.regions["360000"].checkpoint.verify(code, world.now, world.entropy)
    assert verdict.verdict is Verdict.ACCEPT
    with pytest.raises(CallerError) as refused:
        show(data, world.now - 30)
    assert refused.value.reason is Reason.TICK


def test_a_wallet_loaded_three_times_in_one_tick_counts_its_shows(life: Life) -> None:
    world, data = life.world, life.stored[StateKind.WALLET]
    bundle, poster = world.bundle(GATE), world.regions[GATE].checkpoint.poster()

    def show(data: bytes) -> bytes:
        wallet = Wallet(life.federation, decode_wallet(life.federation, data))
        wallet.show(poster, bundle, world.view, world.now, world.entropy, EVERY_CONSENT)
        return encode_wallet(life.federation, wallet.state)

    data = show(show(data))
    with pytest.raises(CallerError) as refused:
        show(data)
    assert refused.value.reason is Reason.TOO_MANY_SHOWS


def test_a_loaded_issuer_publishes_the_same_epoch(life: Life) -> None:
    def turn() -> list[bytes]:
        state = decode_issuer(life.federation, life.stored[StateKind.ISSUER])
        issuer = Issuer(life.federation, state)
        effects = issuer.turn_epoch(life.world.epoch + 1, seeded(3))
        return [e.data if isinstance(e, PutBlob) else e.body for e in effects]

    assert turn() == turn()


def test_facts_are_stored_whole() -> None:
    """Every kind, with and without a birth date, in issuer and wallet."""
    world = World()
    held = world.now - 40 * DAY
    for facts in (
        fact(event_time=held - 5, born=0),
        fact(EvidenceKind.VACCINATION, event_time=held, product=1, doses=2, series=2, born=-DAY),
        fact(EvidenceKind.RECOVERY, event_time=held, product=RECOVERY),
    ):
        wallet = world.holder(HOME, facts)
        own = decode_wallet(world.federation, encode_wallet(world.federation, wallet.state))
        state = world.regions[HOME].issuer.state
        node = decode_issuer(world.federation, encode_issuer(world.federation, state))
        ((place, slot),) = own.slots.items()
        assert slot.fact == node.slots[place[1]].fact == facts


def test_a_loaded_issuer_knows_its_people_and_open_offers() -> None:
    world = World()
    traveller = world.holder(HOME)
    issuer = world.regions[HOME].issuer
    offer = issuer.offer(world.now, world.entropy)
    proven = fact(event_time=world.now - 60)
    ((_, slot),) = traveller.state.slots
    request = traveller.request(HOME, offer, proven, world.now, world.entropy, slot=slot)
    stored = encode_issuer(world.federation, issuer.state)
    loaded = Issuer(world.federation, decode_issuer(world.federation, stored))
    answer = loaded.enrol(request, b"person 1", proven, world.now, world.entropy)
    assert traveller.conclude(answer, world.view) == traveller.state.slots[HOME, slot]
    again = loaded.enrol(request, b"person 1", proven, world.now, world.entropy)
    assert again.grant is None  # a nonce enrols once


def test_loaded_roles_carry_a_federation_on() -> None:
    world = World()
    traveller, suspended = world.holder(HOME), world.holder(HOME)
    world.suspend(HOME, suspended)
    for region in world.regions.values():
        federation = world.federation
        issuer = decode_issuer(federation, encode_issuer(federation, region.issuer.state))
        gate = decode_gate(federation, encode_gate(federation, region.gate.state))
        seen = decode_checkpoint(federation, encode_checkpoint(federation, region.checkpoint.state))
        region.issuer = Issuer(federation, issuer)
        region.gate = GateAuthority(federation, gate)
        region.checkpoint = Checkpoint(federation, seen)
        region.writer = decode_log(federation, encode_log(region.writer))
    for _ in range(3):
        world.turn()
        world.refresh(traveller)
        world.refresh(suspended)
    data = encode_wallet(world.federation, traveller.state)
    traveller = Wallet(world.federation, decode_wallet(world.federation, data))
    for gate_region in REGIONS:
        assert world.cross(traveller, gate_region).verdict is Verdict.ACCEPT
    with pytest.raises(CallerError):
        world.show(suspended, GATE)


def test_a_loaded_gate_publishes_the_same_list(life: Life) -> None:
    epoch = life.world.epoch + 1

    def publish() -> list[bytes]:
        state = decode_gate(life.federation, life.stored[StateKind.GATE])
        gate = GateAuthority(life.federation, state)
        admitted = [
            audited
            for audited in life.world.auditor.listable(epoch)
            if audited.published.id.epoch == epoch - 1
        ]
        effects = gate.publish_list(epoch, admitted, seeded(4))
        assert [e.kind for e in effects if isinstance(e, Append)] == [Kind.LIST]
        return [e.data if isinstance(e, PutBlob) else e.body for e in effects]

    assert publish() == publish()


def test_a_loaded_checkpoint_needs_no_quiet_ticks_and_forgets_no_tag(life: Life) -> None:
    world = life.world
    checkpoint = Checkpoint(
        life.federation, decode_checkpoint(life.federation, life.stored[StateKind.CHECKPOINT])
    )
    again = checkpoint.verify(life.code, world.now, world.entropy)
    assert (again.verdict, again.notice) == (Verdict.NOT_SATISFIED, Notice.ALREADY_SEEN)
    other = world.show(world.holder("360000"), GATE)
    assert checkpoint.verify(other, world.now, world.entropy).verdict is Verdict.ACCEPT


def test_a_loaded_log_writer_goes_on_with_the_chain(life: Life) -> None:
    writer = life.world.regions[HOME].writer
    loaded = decode_log(life.federation, life.stored[StateKind.LOG])
    assert replace(writer).append(Kind.ORDER, b"x") == loaded.append(Kind.ORDER, b"x")
    assert loaded.index == writer.index + 1


# --- an older copy of an issuer --------------------------------------------------------------


def test_an_issuer_restored_to_an_older_state_signs_no_two_messages_with_one_e() -> None:
    world = World()
    issuer = world.regions[HOME].issuer
    before = encode_issuer(world.federation, issuer.state)
    signed: dict[tuple[KeyId, bytes], bytes] = {}
    slots = set()

    def enrol(wallet: Wallet, evidence: EvidenceFact, seed: int) -> None:
        """From the older copy, every time, with randomness that repeats."""
        copy = Issuer(world.federation, decode_issuer(world.federation, before))
        offer = copy.offer(world.now, world.entropy)
        request = wallet.request(HOME, offer, evidence, world.now, world.entropy)
        grant = copy.enrol(request, b"somebody", evidence, world.now, seeded(seed)).grant
        assert grant is not None
        slots.add(grant.slot)
        commitment = world.federation.scheme.engine.decode_g1(request.commitment)
        for key, e, message in messages(world, commitment, grant, evidence):
            assert signed.setdefault((key, e), message) == message

    one, other = world.wallet(), world.wallet()
    for wallet in (one, other):
        for hours in (1, 30, 60):
            for seed in (1, 2):
                enrol(wallet, fact(event_time=world.now - hours * 3600), seed)
    assert len(slots) == 2  # so the same slots were given twelve times
    assert len(set(signed.values())) == len(signed) == 12


def messages(
    world: World, commitment: G1, grant: Grant, evidence: EvidenceFact
) -> list[tuple[KeyId, bytes, bytes]]:
    """Key, e and B of each signature in a grant."""
    scheme, found = world.federation.scheme, []
    for renewal in grant.signatures:
        key = KeyId(HOME, renewal.epoch, renewal.revision)
        start, end = world.federation.clock.key_life(key.epoch)
        value = value_at(evidence, start=start, end=end)
        blind = blind_scalar(scheme, key, grant.slot_key, value)
        message = scheme.message(commitment, value, blind)
        e = Signature.decode(scheme.suite, renewal.signature).e
        found.append((key, e.encode(), message.encode()))
    return found
