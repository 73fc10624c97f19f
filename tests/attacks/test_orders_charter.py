"""Attacks on orders and charters: who may order, who witnesses, how fast epochs may be."""

from __future__ import annotations

from dataclasses import replace

import nacl.signing
import pytest

from guosuo.errors import Reason
from guosuo.federation.charter import (
    Environment,
    Federation,
    Witness,
    open_charter,
    sign_charter,
)
from guosuo.federation.entries import Action, OrderReason
from guosuo.federation.records import Kind
from tests.support.liars import append, refused, void
from tests.support.world import World

HOME, OTHER = "440000", "110000"


# --- orders -------------------------------------------------------------------------------


def test_an_order_needs_an_organisation_of_its_region() -> None:
    """No node can make one; one that is signed for another region, or changed, is void."""
    world = World((OTHER, HOME))
    good = world.signed(HOME, Action.SUSPEND, [3])
    faults = [
        replace(good, signature=bytes(64)),
        replace(good, slots=(4,)),
        replace(good, action=Action.RETIRE),
        replace(good, reason=OrderReason.HOLDER),
        replace(good, log_by=good.log_by + 1),
        replace(good, organisation="health-110000"),
        replace(good, organisation="nobody"),
        world.signed(OTHER, Action.SUSPEND, [3]),
    ]
    for order in faults:
        append(world, HOME, Kind.ORDER, order.encode())
        assert void(world, HOME) == (len(world.view.region(HOME).entries) - 1, Reason.ORDER)
    assert world.view.region(HOME).suspended == set()
    append(world, HOME, Kind.ORDER, good.encode())
    assert void(world, HOME) is None
    assert world.view.region(HOME).suspended == {3}


def test_an_order_counts_once() -> None:
    """A node that logs an old suspension again after it was lifted achieves nothing."""
    world = World((OTHER, HOME))
    suspend = world.signed(HOME, Action.SUSPEND, [3])
    for order in (suspend, world.signed(HOME, Action.RESTORE, [3])):
        append(world, HOME, Kind.ORDER, order.encode())
        assert void(world, HOME) is None
    append(world, HOME, Kind.ORDER, suspend.encode())
    assert void(world, HOME) == (len(world.view.region(HOME).entries) - 1, Reason.ORDER)
    assert world.view.region(HOME).suspended == set()
    append(world, HOME, Kind.ORDER, world.signed(HOME, Action.SUSPEND, [3]).encode())
    assert world.view.region(HOME).suspended == {3}


@pytest.mark.parametrize("late", [False, True])
def test_an_order_that_was_kept_back_is_void(*, late: bool) -> None:
    """`log_by` is the last epoch with which it may take effect, and takes part."""
    world = World((OTHER, HOME))
    order = world.signed(HOME, Action.SUSPEND, [3])
    while world.epoch < order.log_by - (not late):
        world.turn()
    append(world, HOME, Kind.ORDER, order.encode())
    assert (void(world, HOME) is None) is not late
    assert world.view.region(HOME).suspended == (set() if late else {3})


# --- charters -----------------------------------------------------------------------------


def _founded(world: World, **change: object) -> Federation:
    charter = replace(world.federation.charter, **change)  # type: ignore[arg-type]  # several types
    return open_charter(sign_charter(charter, world.roots).encode(), world.suite)


def _key(number: int) -> bytes:
    return bytes(nacl.signing.SigningKey(bytes([number]) * 32).verify_key)


def test_production_epochs_are_not_of_seconds() -> None:
    world = World((OTHER, HOME))
    fast = replace(world.federation.charter.parameters, epoch_seconds=8, tick_seconds=1)
    assert _founded(world, parameters=fast).clock.epoch_seconds == 8
    with refused(Reason.CHARTER):
        _founded(world, parameters=fast, environment=Environment.PRODUCTION)
    slow = world.federation.charter.parameters
    founded = _founded(world, parameters=slow, environment=Environment.PRODUCTION)
    assert founded.charter.environment is Environment.PRODUCTION


def test_organisations_are_sorted_distinct_and_of_members() -> None:
    world = World((OTHER, HOME))
    first, second = world.federation.charter.organisations or ()
    assert set(_founded(world).organisations) == {"health-110000", "health-440000"}
    for organisations in (
        (second, first),
        (first, first),
        (first, replace(second, key=first.key)),
        (first, replace(second, region="330000")),
    ):
        with refused(Reason.CHARTER):
            _founded(world, organisations=organisations)


def test_witnesses_have_distinct_names_and_keys() -> None:
    world = World((OTHER, HOME))
    one = Witness(name="alpha", operator="alpha", key=_key(1))
    two = Witness(name="beta", operator="beta", key=_key(2))
    assert set(_founded(world, witnesses=(one, two)).witness_keys) == {"alpha", "beta"}
    for witnesses in (
        (two, one),
        (one, one),
        (one, replace(two, key=one.key)),
        (replace(one, name=HOME), two),
    ):
        with refused(Reason.CHARTER):
            _founded(world, witnesses=witnesses)


@pytest.mark.parametrize(
    ("operators", "k", "development"),
    [
        (0, 0, True),
        (1, 1, True),
        (2, 2, True),
        (3, 2, True),
        (4, 3, False),
        (7, 5, False),
        (31, 21, False),
    ],
)
def test_cosignatures_are_those_of_a_byzantine_quorum(
    *, operators: int, k: int, development: bool
) -> None:
    """k = ⌊(n + f)/2⌋ + 1: two quorums share an honest witness, and f silent ones stop nobody."""
    world = World((OTHER, HOME))
    witnesses = tuple(
        Witness(name=f"w{i:02d}", operator=f"o{i:02d}", key=_key(i + 1)) for i in range(operators)
    )
    founded = _founded(world, witnesses=witnesses or None)
    assert (founded.cosignatures, founded.is_development) == (k, development)
    if operators:
        lying = (operators - 1) // 3
        assert 2 * k - operators > lying
        assert k <= operators - lying


def test_two_keys_of_one_operator_count_once() -> None:
    world = World((OTHER, HOME))
    names = ("a1", "a2", "a3", "b1")
    witnesses = tuple(
        Witness(name=name, operator=name[0], key=_key(i + 1)) for i, name in enumerate(names)
    )
    founded = _founded(world, witnesses=witnesses)
    assert founded.cosignatures == 2
    assert founded.is_development
