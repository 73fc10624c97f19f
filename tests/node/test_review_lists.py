"""Lists of a gate whose secrets were lost with an old store."""

from __future__ import annotations

import pytest

from guosuo.errors import CallerError, Reason
from guosuo.federation.trust_list import MAX_CUTS, MAX_REVISION
from tests.support.world import REGIONS, World

HOME = REGIONS[0]


def test_a_gate_that_lost_every_version_of_a_list_publishes_one_that_ends_them() -> None:
    """All versions of an epoch were drawn ahead; a backup older than that has none of them.

    Without a list its checkpoints could verify nobody for a whole epoch, and the refusal
    would end the leadership again and again.
    """
    world = World(REGIONS[:2])
    epoch = world.epoch + 1
    gate, view = world.regions[HOME].gate, world.view.region(HOME)
    world.publish(HOME, gate.prepare_parts(epoch, world.entropy, ahead=0, revisions=MAX_REVISION))
    # The store is put back.
    for revision in range(MAX_REVISION + 1):
        del gate.state.parts[epoch, revision], gate.state.secrets[epoch, revision]
        gate.lost.add((epoch, revision))
    for name, region in world.regions.items():
        world.publish(name, region.issuer.turn_epoch(epoch, world.entropy))
        world.auditor.follow(name, world.fetch)
    for revision in range(MAX_REVISION + 1, MAX_REVISION + 1 + MAX_CUTS):
        admitted = world.auditor.listable(epoch)
        world.publish(HOME, gate.publish_list(epoch, admitted, world.entropy))
        assert view.void == []
        assert view.lists[epoch, revision].lowest == revision
    with pytest.raises(CallerError) as caught:
        gate.publish_list(epoch, world.auditor.listable(epoch), world.entropy)
    assert caught.value.reason is Reason.LIST_REVISIONS
