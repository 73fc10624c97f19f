"""What a presentation is made for: list version, policy version, checkpoint, tick.

Holder and checkpoint build the same `Setting` from what each holds; it fixes
every public input of the proof, and `transcript` is their one order.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import IntEnum

from guosuo.curve.points import G1
from guosuo.errors import CallerError, Reason
from guosuo.federation.trust_list import CheckedPart
from guosuo.policy.table import CheckedPolicy
from guosuo.scheme import HEADER, HIDDEN, Scheme
from guosuo.suite import Item
from guosuo.wire import cbor

FORMAT = 1
NONCE_SIZE = 16
PLACE_SIZE = 8


class Mode(IntEnum):
    """How the checkpoint named itself."""

    BROADCAST = 0
    """By a poster; the tick is the wallet's own."""
    CHALLENGE = 1
    """By a QR code with a tick and a nonce."""


@dataclass(frozen=True, slots=True)
class Setting:
    """The public side of one presentation."""

    scheme: Scheme
    part: CheckedPart
    policy: CheckedPolicy
    checkpoint: str
    tick: int
    mode: Mode = Mode.BROADCAST
    nonce: bytes = b""

    def __post_init__(self) -> None:
        """List and policy belong to one gate; a nonce belongs to challenge mode."""
        if self.part.part.region != self.policy.part.region:
            raise CallerError(Reason.ARGUMENT, "list and policy are of different gate regions")
        if len(self.nonce) != (NONCE_SIZE if self.mode is Mode.CHALLENGE else 0):
            raise CallerError(Reason.ARGUMENT, "a nonce of 16 octets in challenge mode only")

    @property
    def region(self) -> str:
        """The gate region."""
        return self.part.part.region

    def base(self) -> G1:
        """H(ctx), the base of the tag."""
        return self.scheme.show_base(self.region, self.checkpoint, self.tick)

    def place(self) -> bytes:
        """Eight octets that tell the place (ctx without tick, with the policy) on the wire."""
        return place_hash(
            self.scheme.federation, self.region, self.checkpoint, self.policy.part.policy
        )

    def transcript(self) -> list[Item]:
        """Everything public before the presentation's own points (GS-SHOW-3)."""
        part, policy = self.part, self.policy
        return [
            FORMAT,
            self.scheme.suite.name,
            self.scheme.api.api_id,
            self.scheme.federation,
            HEADER,
            len(HIDDEN),
            list(HIDDEN),
            self.region,
            [part.part.scope, part.part.epoch, part.part.revision],
            part.digest,
            policy.digest,
            part.a1,
            part.c1,
            policy.part.policy,
            policy.part.version,
            policy.k,
            self.checkpoint,
            self.tick,
            int(self.mode),
            self.nonce,
        ]


def place_hash(federation: bytes, region: str, checkpoint: str, policy: str) -> bytes:
    """First 8 octets of SHA-256 over the deterministic CBOR array of the four."""
    data = cbor.encode([federation, region, checkpoint, policy])
    return hashlib.sha256(data).digest()[:PLACE_SIZE]
