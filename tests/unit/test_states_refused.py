"""Stored states that are altered, foreign, of a later version, or too talkative."""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guosuo.errors import PeerError, Reason
from guosuo.roles.issuer import IssuedSlot
from guosuo.roles.states import (
    VERSION,
    StateKind,
    Stored,
    decode_issuer,
    encode_checkpoint,
    encode_gate,
    encode_issuer,
    encode_log,
    encode_wallet,
)
from guosuo.roles.states.issuer import StoredIssuer
from guosuo.roles.states.wallet import StoredWallet
from guosuo.wire.schema import Message
from tests.support.life import DECODE, GATE, HOME, Life, live, mentions, secrets_of
from tests.support.world import World, fact

ALL_KINDS = pytest.mark.parametrize("kind", StateKind)


@pytest.fixture(scope="module")
def life() -> Life:
    return live()


# --- refusals --------------------------------------------------------------------------------


@ALL_KINDS
def test_another_version_is_refused_whatever_it_holds(life: Life, kind: StateKind) -> None:
    stored = replace(Stored.decode(life.stored[kind]), version=VERSION + 1, body=b"later")
    with pytest.raises(PeerError) as refused:
        life.decode(kind, stored.encode())
    assert refused.value.reason is Reason.MESSAGE_VERSION


@ALL_KINDS
def test_a_state_of_another_federation_is_refused(life: Life, kind: StateKind) -> None:
    foreign = World(seed=2).federation
    with pytest.raises(PeerError) as refused:
        DECODE[kind](foreign, life.stored[kind])
    assert refused.value.reason is Reason.STATE


@ALL_KINDS
def test_a_state_of_another_role_is_refused(life: Life, kind: StateKind) -> None:
    for other in set(StateKind) - {kind}:
        with pytest.raises(PeerError) as refused:
            life.decode(kind, life.stored[other])
        assert refused.value.reason is Reason.RECORD_KIND


def test_keys_of_another_region_are_refused(life: Life) -> None:
    state = decode_issuer(life.federation, life.stored[StateKind.ISSUER])
    state.log_key = life.world.logs[GATE]
    with pytest.raises(PeerError) as refused:
        decode_issuer(life.federation, encode_issuer(life.federation, state))
    assert refused.value.reason is Reason.STATE


def wallet_of(life: Life) -> StoredWallet:
    return StoredWallet.decode(Stored.decode(life.stored[StateKind.WALLET]).body)


def issuer_of(life: Life) -> StoredIssuer:
    return StoredIssuer.decode(Stored.decode(life.stored[StateKind.ISSUER]).body)


def refusal(life: Life, kind: StateKind, body: Message) -> Reason:
    """Why a state with this body is refused."""
    stored = replace(Stored.decode(life.stored[kind]), body=body.encode())
    with pytest.raises(PeerError) as refused:
        life.decode(kind, stored.encode())
    return refused.value.reason


def test_one_state_has_one_encoding(life: Life) -> None:
    wallet = wallet_of(life)
    assert len(wallet.slots) > 1
    for slots in (wallet.slots[::-1], (*wallet.slots, wallet.slots[-1])):
        body = replace(wallet, slots=slots)
        assert refusal(life, StateKind.WALLET, body) is Reason.STATE


@pytest.mark.parametrize("octets", [bytes(32), b"\xff" * 32])
def test_scalars_are_read_strictly(life: Life, octets: bytes) -> None:
    wallet, issuer = wallet_of(life), issuer_of(life)
    key = replace(issuer.keys[0], secret=octets)
    for kind, body in (
        (StateKind.WALLET, replace(wallet, link=octets)),
        (StateKind.ISSUER, replace(issuer, keys=(key, *issuer.keys[1:]))),
    ):
        assert refusal(life, kind, body) is Reason.SCALAR_RANGE


@pytest.mark.parametrize(
    ("at", "value", "reason"),
    [
        (8, 8, Reason.STATE),  # a mark that does not exist
        (9, 0x00, Reason.POINT_ENCODING),  # not compressed
        (89, 9, Reason.MESSAGE_VALUE),  # a kind of evidence that does not exist
        (90, 0xFF, Reason.MESSAGE_VALUE),  # a product that does not exist
    ],
)
def test_packed_slots_are_read_strictly(life: Life, at: int, value: int, reason: Reason) -> None:
    issuer = issuer_of(life)
    slots = bytearray(issuer.slots)
    slots[at] = value
    assert refusal(life, StateKind.ISSUER, replace(issuer, slots=bytes(slots))) is reason


def test_packed_records_are_whole(life: Life) -> None:
    issuer = issuer_of(life)
    for body in (
        replace(issuer, slots=issuer.slots[:-1]),
        replace(issuer, records=issuer.records + b"x"),
    ):
        assert refusal(life, StateKind.ISSUER, body) is Reason.MESSAGE_VALUE


def test_an_inconsistent_fact_is_the_files_fault(life: Life) -> None:
    wallet = wallet_of(life)
    first = replace(wallet.slots[0], fact=replace(wallet.slots[0].fact, product=1, doses=9))
    body = replace(wallet, slots=(first, *wallet.slots[1:]))
    assert refusal(life, StateKind.WALLET, body) is Reason.MESSAGE_VALUE


@ALL_KINDS
@settings(max_examples=40)
@given(data=st.data())
def test_altered_octets_either_are_another_state_or_are_refused(
    life: Life, kind: StateKind, data: st.DataObject
) -> None:
    octets = bytearray(life.stored[kind])
    at = data.draw(st.integers(0, len(octets) - 1))
    octets[at] ^= data.draw(st.integers(1, 255))
    if data.draw(st.booleans()):
        del octets[data.draw(st.integers(0, len(octets) - 1)) :]
    try:
        state = life.decode(kind, bytes(octets))
    except PeerError:
        return
    encode: dict[StateKind, Callable[[], bytes]] = {
        StateKind.WALLET: lambda: encode_wallet(life.federation, state),
        StateKind.ISSUER: lambda: encode_issuer(life.federation, state),
        StateKind.GATE: lambda: encode_gate(life.federation, state),
        StateKind.CHECKPOINT: lambda: encode_checkpoint(life.federation, state),
        StateKind.LOG: lambda: encode_log(state),
    }
    assert encode[kind]() == bytes(octets)


@ALL_KINDS
@given(data=st.binary(max_size=200))
def test_any_octets_raise_the_peer_error(life: Life, kind: StateKind, data: bytes) -> None:
    with pytest.raises(PeerError):
        life.decode(kind, data)


# --- secrets ---------------------------------------------------------------------------------


def test_no_repr_and_no_error_tells_a_secret(life: Life) -> None:
    assert all(any(s in data for data in life.stored.values()) for s in secrets_of(life))
    assert mentions(repr(life.stored), secrets_of(life)[0])
    texts = []
    for kind, data in life.stored.items():
        texts += [repr(life.decode(kind, data)), repr(Stored.decode(data))]
        for at in random.Random(5).sample(range(len(data)), 30):
            altered = data[:at] + bytes([data[at] ^ 0x41]) + data[at + 1 :]
            try:
                life.decode(kind, altered)
            except PeerError as error:
                texts.append("".join(traceback.format_exception(error)))
                texts.append(repr(error.__context__))
    texts += [repr(wallet_of(life)), repr(issuer_of(life))]
    everything = "\n".join(texts)
    assert not [secret for secret in secrets_of(life) if mentions(everything, secret)]


# --- size ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_an_issuer_of_a_hundred_thousand_slots_is_stored_and_read() -> None:
    world = World()
    state = world.regions[HOME].issuer.state
    source, point = random.Random(6), world.federation.scheme.h0
    evidence = fact(event_time=world.now)
    for slot in range(100_000):
        person = source.randbytes(32)
        state.slots[slot] = IssuedSlot(slot, point, source.randbytes(32), evidence, person)
        state.records[person] = point.encode()
        point += world.federation.scheme.h1
    stored = encode_issuer(world.federation, state)
    assert len(stored) < 25_000_000
    assert decode_issuer(world.federation, stored) == state
