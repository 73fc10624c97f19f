"""A stolen epoch key is replaced: the thief is out at once, and nobody has to enrol anew."""

from __future__ import annotations

import pytest

from guosuo.errors import CallerError
from guosuo.federation.entries import Action
from guosuo.federation.judge import MAX_CUT_REVISIONS, Ruling
from guosuo.federation.lists import PublishedList, due
from guosuo.roles.holding import HeldSlot
from guosuo.roles.turn import Replacing
from guosuo.roles.verdict import Verdict
from guosuo.scheme import KeyId
from tests.support.world import World

HOME, GATE = "440000", "110000"


def cut(world: World, *stolen: KeyId, region: str = HOME) -> KeyId:
    """Replace the newest key of a region, as a node does."""
    issuer, view = world.regions[region].issuer, world.view.region(region)
    latest = view.latest()
    assert latest is not None
    replacing = Replacing(latest.id.revision + 1, stolen or (latest.id,), latest.suspended)
    turn = issuer.begin_turn(latest.id.epoch, world.entropy, replacing=replacing)
    buckets = [w.build(world.federation.scheme, turn.key, world.entropy) for w in turn.work]
    world.publish(region, issuer.finish_turn(turn, buckets, world.entropy))
    world.auditor.follow(region, world.fetch)
    return turn.key.id


def relist(world: World) -> None:
    """Every gate revises its list because of a cut."""
    for name, region in world.regions.items():
        found = world.auditor.listable(world.epoch)
        world.publish(name, region.gate.publish_list(world.epoch, found, world.entropy, cut=True))


def test_a_cut_leaves_out_nobody_and_ends_the_stolen_key() -> None:
    world = World()
    holder = world.holder(HOME)
    world.turn()
    world.refresh(holder)
    stolen = KeyId(HOME, world.epoch, 0)
    before = world.auditor.listing(world.epoch)
    assert stolen in before.keys
    fresh = cut(world)
    judged = world.auditor.judge.judged(HOME, world.epoch)
    assert (judged.ruling, judged.key) == (Ruling.ADMIT, fresh)
    assert world.auditor.judge.burnt() == {stolen}
    plan = due(world.auditor.judge, world.epoch, [PublishedList(before, -20)], 90)
    assert plan is not None
    assert plan.cut
    assert fresh in plan.listing.keys
    assert stolen not in plan.listing.keys
    relist(world)
    world.refresh(holder)
    assert world.cross(holder, GATE).verdict is Verdict.ACCEPT


def test_orders_after_the_entry_wait_for_the_next_epoch_and_newcomers_are_signed() -> None:
    world = World()
    suspended = world.holder(HOME)
    world.turn()
    (slot,) = [slot for _, slot in suspended.state.slots]
    world.order(HOME, Action.SUSPEND, [slot])
    newcomer = world.wallet()
    held = world.enrol(newcomer, HOME)
    assert isinstance(held, HeldSlot)
    cut(world)
    judged = world.auditor.judge.judged(HOME, world.epoch)
    # One epoch number, one set of orders: what came later is neither void nor in force.
    assert judged.ruling is Ruling.ADMIT
    relist(world)
    world.refresh(suspended)
    world.refresh(newcomer)
    assert world.cross(suspended, GATE).verdict is Verdict.ACCEPT
    assert world.cross(newcomer, GATE).verdict is Verdict.ACCEPT
    world.turn()
    assert world.auditor.judge.judged(HOME, world.epoch).ruling is Ruling.ADMIT


def test_keys_of_two_epochs_are_cut_together_and_enrolment_takes_the_new_one() -> None:
    world = World()
    world.holder(HOME)
    world.turn()
    both = KeyId(HOME, world.epoch, 0), KeyId(HOME, world.epoch - 1, 0)
    fresh = cut(world, *both)
    assert world.auditor.judge.burnt() == set(both)
    assert [key for key in world.auditor.listing(world.epoch).keys if key.region == HOME] == [fresh]
    keys = world.regions[HOME].issuer._signing_keys(world.now)
    assert [key.id for key in keys] == [fresh]


def test_an_interrupted_cut_goes_on_under_the_same_key() -> None:
    world = World()
    issuer, latest = world.regions[HOME].issuer, world.view.region(HOME).latest()
    assert latest is not None
    replacing = Replacing(1, (latest.id,), latest.suspended)
    begun = issuer.begin_turn(latest.id.epoch, world.entropy, replacing=replacing)
    with pytest.raises(CallerError):
        issuer.begin_turn(latest.id.epoch, world.entropy, replacing=replacing)
    again = issuer.begin_turn(latest.id.epoch, world.entropy, resume=True, replacing=replacing)
    assert again.key == begun.key
    world.publish(HOME, issuer.finish_turn(again, [], world.entropy))
    world.auditor.follow(HOME, world.fetch)
    assert world.auditor.judge.cuts(HOME) == {latest.id: begun.key.id}


def test_two_cuts_of_an_epoch_and_no_more() -> None:
    world = World()
    world.holder(HOME)
    world.turn()
    for _ in range(MAX_CUT_REVISIONS):
        cut(world)
    voids = len(world.view.region(HOME).void)
    cut(world)
    assert len(world.view.region(HOME).void) == voids + 1
