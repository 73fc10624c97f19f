"""Later versions of a world's charter: made, signed, and adopted by its regions."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

import nacl.signing

from guosuo.federation.charter import Charter, Federation, Member, Name, sign_charter
from guosuo.federation.charters import adoption
from guosuo.roles.officer import health_administration
from tests.support.world import TESTS_72_H, World

GRACE = 2
"""Epochs between `adopt_from` and `adopt_by`."""


def member(world: World, name: str, **change: object) -> Member:
    """A member as the world's keys have it; a new region's keys are drawn."""
    for keys in (world.roots, world.logs, world.offices):
        if name not in keys:
            keys[name] = nacl.signing.SigningKey(world.entropy.octets(32))
    found = Member(
        region=name,
        names=(Name(language="en", text=f"Region {name}"),),
        root_key=bytes(world.roots[name].verify_key),
        log_key=bytes(world.logs[name].verify_key),
    )
    return replace(found, **change)  # type: ignore[arg-type]  # fields of several types


def amended(
    world: World,
    *,
    add: Iterable[str] = (),
    remove: Collection[str] = (),
    renew: Iterable[Member] = (),
    before: Federation | None = None,
    **change: object,
) -> Charter:
    """The next version of the newest charter, with members changed, and any field."""
    old = before or world.view.federation
    fresh = {name: member(world, name) for name in add}
    members = {**old.members, **fresh, **{m.region: m for m in renew}}
    first = [
        health_administration(
            name,
            (Name(language="en", text=f"Health {name}"),),
            bytes(world.offices[name].verify_key),
        )
        for name in fresh
    ]
    organisations = [
        o for o in (*(old.charter.organisations or ()), *first) if o.region not in remove
    ]
    start = max(world.epoch + 1, old.charter.adopt_by or 0)
    made = replace(
        old.charter,
        version=old.version + 1,
        previous=old.charter.digest,
        members=tuple(members[name] for name in sorted(members) if name not in remove),
        organisations=tuple(sorted(organisations, key=lambda o: o.organisation)),
        adopt_from=start,
        adopt_by=start + GRACE,
    )
    return replace(made, **change)  # type: ignore[arg-type]  # fields of several types


def signed(world: World, charter: Charter, by: Iterable[str] | None = None) -> bytes:
    """Signed by the roots of these regions, or of all that the world knows."""
    names = world.roots.keys() if by is None else by
    return sign_charter(charter, {name: world.roots[name] for name in names}).encode()


def adopt(world: World, name: str, data: bytes, *, epoch: int | None = None) -> None:
    """The region logs that it adopts this charter, and goes on by it."""
    made = world.view.learn(data)
    start = made.charter.adopt_from or 0
    due = max(world.epoch + 1, start) if epoch is None else epoch
    world.publish(name, adoption(made, due))
    ruled_by(world, name)


def ruled_by(world: World, name: str) -> None:
    """The region's roles go on with the charter and the keys that its log adopted."""
    region, ruling = world.regions[name], world.view.ruling(name)
    region.issuer.federation = region.gate.federation = region.checkpoint.federation = ruling
    region.writer.key = region.issuer.state.log_key = world.logs[name]


def found(world: World, name: str) -> None:
    """A region that a version made a member begins to work."""
    before, world.federation = world.federation, world.view.federation
    world.regions[name] = world._region(name)
    world.federation = before
    ruled_by(world, name)
    region = world.regions[name]
    world.publish(name, region.gate.publish_checkpoints(world._places(name)))
    world.publish_policy(name, TESTS_72_H)
