"""A federation in the middle of its life: every role has something to remember."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from guosuo.curve.scalar import Scalar
from guosuo.evidence.facts import EvidenceKind
from guosuo.federation.charter import Federation
from guosuo.federation.entries import Action, OrderReason
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
from guosuo.roles.verdict import Verdict
from guosuo.roles.wallet import Wallet
from tests.support.world import DAY, World, fact

HOME, GATE = "440000", "110000"


@dataclass(frozen=True)
class Life:
    """A federation in the middle of its life, and the stored states of it."""

    world: World
    wallet: Wallet
    code: str
    """A show that the gate of `GATE` accepted in the present tick."""
    stored: dict[StateKind, bytes]

    @property
    def federation(self) -> Federation:
        return self.world.federation

    def decode(self, kind: StateKind, data: bytes) -> Any:  # noqa: ANN401 - of any role
        return DECODE[kind](self.federation, data)


DECODE: dict[StateKind, Callable[[Federation, bytes], Any]] = {
    StateKind.WALLET: decode_wallet,
    StateKind.ISSUER: decode_issuer,
    StateKind.GATE: decode_gate,
    StateKind.CHECKPOINT: decode_checkpoint,
    StateKind.LOG: decode_log,
}


def live() -> Life:
    """Enrol, refresh, replace evidence, suspend, turn, show, and leave things open."""
    world = World(min_regions=2)
    wallet, suspended = world.holder(HOME), world.holder(HOME)
    world.suspend(HOME, suspended)
    ((_, slot),) = wallet.state.slots
    shot = fact(
        EvidenceKind.VACCINATION,
        product=1,
        doses=2,
        series=2,
        event_time=world.now - 10**6,
        born=-10 * DAY,
    )
    world.enrol(wallet, "330000", shot)
    world.enrol(wallet, HOME, fact(event_time=world.now - 3600), person=b"person 1", slot=slot)
    world.turn()
    world.refresh(wallet)
    retired = world.holder(HOME)
    home = world.regions[HOME]
    ((_, gone),) = retired.state.slots
    world.order(HOME, Action.RETIRE, [gone], OrderReason.HOLDER)
    home.issuer.offer(world.now, world.entropy)
    offer = home.issuer.offer(world.now, world.entropy)
    wallet.request(HOME, offer, fact(event_time=-5), world.now, world.entropy)
    gate = world.regions[GATE]
    gate.checkpoint.require_revision(world.epoch, 0)
    code = world.show(wallet, GATE)
    assert gate.checkpoint.verify(code, world.now, world.entropy).verdict is Verdict.ACCEPT
    stored = {
        StateKind.WALLET: encode_wallet(world.federation, wallet.state),
        StateKind.ISSUER: encode_issuer(world.federation, home.issuer.state),
        StateKind.GATE: encode_gate(world.federation, gate.gate.state),
        StateKind.CHECKPOINT: encode_checkpoint(world.federation, gate.checkpoint.state),
        StateKind.LOG: encode_log(home.writer),
    }
    return Life(world, wallet, code, stored)


def secrets_of(life: Life) -> list[bytes]:
    """Everything that nobody else may learn from a log line."""
    wallet, home = life.wallet.state, life.world.regions[HOME]
    assert wallet.pending is not None
    scalars: list[Scalar] = [wallet.link, wallet.pending.blinding]
    octets: list[bytes] = [bytes(home.issuer.state.root_key), bytes(home.writer.key)]
    for held in wallet.slots.values():
        scalars.append(held.blinding)
        octets += [held.slot_key, held.salt, held.fact.digest]
    scalars += [key.secret for key in home.issuer.state.keys.values()]
    octets += [slot.slot_key for slot in home.issuer.state.slots.values()]
    for secret in life.world.regions[GATE].gate.state.secrets.values():
        scalars += [secret.a, secret.b]
    return octets + [scalar.encode() for scalar in scalars]


def mentions(text: str, secret: bytes) -> bool:
    """As hex, as a number, or as Python writes bytes."""
    number = str(int.from_bytes(secret, "big"))
    return any(form in text for form in (secret.hex(), number, repr(secret)[2:-1]))
