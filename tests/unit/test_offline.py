"""Until when devices work without network, from what they have."""

from __future__ import annotations

import pytest

from guosuo.errors import PeerError, Reason
from guosuo.federation.records import FetchBlob
from guosuo.roles.offline import checkpoint_offline, wallet_offline
from guosuo.roles.wallet import Wallet
from tests.support.world import EPOCH, World

A, B = "110000", "330000"


@pytest.fixture
def scene() -> tuple[World, Wallet]:
    world = World(regions=(A, B))
    wallet = world.holder(A)
    world.turn()
    world.refresh(wallet)
    return world, wallet


def without(world: World, name: bytes) -> FetchBlob:
    def fetch(wanted: bytes) -> bytes:
        if wanted == name:
            raise PeerError(Reason.RECORD_MISSING)
        return world.fetch(wanted)

    return fetch


def test_a_wallet_lasts_to_the_end_of_the_last_list_with_its_keys(
    scene: tuple[World, Wallet],
) -> None:
    world, wallet = scene
    clock = world.federation.clock
    found = wallet_offline(wallet.state, world.view, world.fetch, world.now)
    assert [(one.region, one.until) for one in found] == [
        (A, clock.start(world.epoch + 2)),
        (B, clock.start(world.epoch + 2)),
    ]
    # Others change to the next list in its first third.
    assert {one.unobtrusive for one in found} == {clock.start(world.epoch + 1) + EPOCH // 3}
    last = clock.start(world.epoch + 2) - 1
    assert len(wallet_offline(wallet.state, world.view, world.fetch, last)) == 2
    assert wallet_offline(wallet.state, world.view, world.fetch, last + 1) == ()


def test_a_wallet_without_renewals_is_not_valid(scene: tuple[World, Wallet]) -> None:
    world, _ = scene
    assert wallet_offline(world.wallet().state, world.view, world.fetch, world.now) == ()


def test_a_list_without_the_wallet_s_keys_does_not_count(scene: tuple[World, Wallet]) -> None:
    world, wallet = scene
    until = world.federation.clock.start(world.epoch + 2)
    world.turn()
    world.turn()
    # Not refreshed: the list of the epoch before still holds the wallet's key.
    found = wallet_offline(wallet.state, world.view, world.fetch, world.now)
    assert {one.until for one in found} == {until + EPOCH}
    assert all(one.unobtrusive < world.now for one in found)
    world.turn()
    assert wallet_offline(wallet.state, world.view, world.fetch, world.now) == ()
    world.refresh(wallet)
    found = wallet_offline(wallet.state, world.view, world.fetch, world.now)
    assert {one.until for one in found} == {until + 3 * EPOCH}


def test_a_list_whose_blob_is_missing_does_not_count(scene: tuple[World, Wallet]) -> None:
    world, wallet = scene
    entry = world.view.regions[B].lists[world.epoch, 0]
    found = wallet_offline(wallet.state, world.view, without(world, entry.keys), world.now)
    ends = {one.region: one.until for one in found}
    clock = world.federation.clock
    assert ends == {A: clock.start(world.epoch + 2), B: clock.start(world.epoch + 1)}
    # The earliest end is told first.
    assert found[0].region == B


def test_a_policy_may_end_first(scene: tuple[World, Wallet]) -> None:
    world, wallet = scene
    (policy,) = world.view.regions[B].policies.values()
    late = policy.part.not_after - 10
    assert wallet_offline(wallet.state, world.view, world.fetch, late) == ()
    world.view.regions[B].policies.clear()
    found = wallet_offline(wallet.state, world.view, world.fetch, world.now)
    assert [one.region for one in found] == [A]


def test_a_checkpoint_lasts_to_the_end_of_its_parts_or_policy(
    scene: tuple[World, Wallet],
) -> None:
    world, _ = scene
    clock = world.federation.clock
    state = world.regions[B].checkpoint.state
    ends = clock.start(world.epoch + 3)
    assert checkpoint_offline(state, world.now) == ends
    assert checkpoint_offline(state, ends - 1) == ends
    assert checkpoint_offline(state, ends) == 0
    assert checkpoint_offline(state, state.floor - 1) == 0
    state.policies.clear()
    assert checkpoint_offline(state, world.now) == 0


def test_a_gap_between_parts_ends_it_and_ended_revisions_do_not_count(
    scene: tuple[World, Wallet],
) -> None:
    world, _ = scene
    clock = world.federation.clock
    state = world.regions[B].checkpoint.state
    state.lowest[world.epoch + 1] = 1
    assert checkpoint_offline(state, world.now) == clock.start(world.epoch + 2)
    state.lowest.clear()
    state.parts = {v: p for v, p in state.parts.items() if v[0] == world.epoch + 1}
    assert checkpoint_offline(state, world.now) == 0
