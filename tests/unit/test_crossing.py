"""The whole path in memory: evidence → credential → show → verdict, and suspension."""

from __future__ import annotations

import pytest

from guosuo.errors import CallerError, Reason
from guosuo.roles.verdict import Notice, Verdict
from tests.support.world import VACCINATED, World


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
