"""The whole path in memory: evidence → credential → show → verdict, and suspension."""

from __future__ import annotations

import pytest

from guosuo.errors import CallerError, PeerError, Reason
from guosuo.presentation.frame import Poster
from guosuo.roles.holding import HeldSlot
from guosuo.roles.verdict import Notice, Verdict
from tests.support.world import VACCINATED, World, fact


@pytest.fixture(scope="module")
def world() -> World:
    return World(policies={"330000": VACCINATED})


def test_a_holder_passes_where_his_evidence_is_accepted_and_only_there(world: World) -> None:
    traveller = world.holder("440000")
    for gate in ("110000", "360000", "440000"):
        assert world.cross(traveller, gate).verdict is Verdict.ACCEPT
    with pytest.raises(CallerError) as refused:
        world.show(traveller, "330000")
    assert refused.value.reason is Reason.NOT_ACCEPTED_THERE


def test_the_same_code_twice_is_already_seen_and_another_is_replay(world: World) -> None:
    world.tick()
    traveller = world.holder("440000")
    gate = world.regions["110000"].checkpoint
    text = world.show(traveller, "110000")
    assert gate.verify(text, world.now, world.entropy).verdict is Verdict.ACCEPT
    again = gate.verify(text, world.now, world.entropy)
    assert (again.verdict, again.notice) == (Verdict.NOT_SATISFIED, Notice.ALREADY_SEEN)
    traveller._shown.clear()  # another proof for the same place and tick
    other = gate.verify(world.show(traveller, "110000"), world.now, world.entropy)
    assert (other.verdict, other.notice) == (Verdict.NOT_SATISFIED, Notice.REPLAY)


def test_a_suspended_holder_fails_everywhere_and_nobody_else_does() -> None:
    world = World()
    suspended, neighbour = world.holder("440000"), world.holder("440000")
    assert world.cross(suspended, "110000").verdict is Verdict.ACCEPT
    world.suspend("440000", suspended)
    for _ in range(3):
        world.turn()
        world.refresh(suspended)
        world.refresh(neighbour)
    assert world.cross(neighbour, "110000").verdict is Verdict.ACCEPT
    for gate in world.regions:
        with pytest.raises(CallerError):
            world.show(suspended, gate)


def test_nobody_is_enrolled_or_allotted_before_the_first_epoch_of_the_day() -> None:
    world = World()
    issuer = world.regions["440000"].issuer
    world.now += 4 * 3600  # a new epoch that was not turned yet
    evidence = fact(event_time=world.now - 3600)
    wallet = world.wallet()
    request = wallet.request(
        "440000", issuer.offer(world.now, world.entropy), evidence, world.now, world.entropy
    )
    with pytest.raises(CallerError) as refused:
        issuer.enrol(request, b"person", evidence, world.now, world.entropy)
    assert refused.value.reason is Reason.STATE
    assert not issuer.state.slots
    assert not issuer.state.unpublished
    world.turn()
    assert world.cross(world.holder("440000"), "110000").verdict is Verdict.ACCEPT


def test_newer_evidence_in_a_slot_is_not_a_spoiled_renewal() -> None:
    world = World()
    wallet = world.wallet()
    old, new = (fact(event_time=world.now - h * 3600, name=b"%d h" % h) for h in (60, 2))
    held = world.enrol(wallet, "440000", old, person=b"p")
    assert isinstance(held, HeldSlot)
    world.turn()
    assert world.refresh(wallet) == ["renewed"]
    updated = world.enrol(wallet, "440000", new, person=b"p", slot=held.slot)
    assert isinstance(updated, HeldSlot)
    assert updated.slot == held.slot
    assert world.refresh(wallet) == ["renewed"]
    assert world.cross(wallet, "110000").verdict is Verdict.ACCEPT


@pytest.mark.parametrize("code", ["../x", "a b", "", "x" * 13, ".hidden", "区", "a\n"])
def test_region_codes_are_plain_words(code: str) -> None:
    poster = Poster(region="440000", checkpoint="gate-1", policy="entry")
    assert Poster.decode(poster.encode()) == poster
    value = poster.to_value() | {"region": code}
    with pytest.raises(PeerError) as refused:
        Poster.from_value(value)
    assert refused.value.reason is Reason.MESSAGE_VALUE
