"""What a wallet holds and remembers, and the words it and its holder answer with."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from guosuo.bbs.signature import Signature
from guosuo.curve.scalar import Scalar
from guosuo.evidence.facts import EvidenceFact
from guosuo.scheme import KeyId


@dataclass(frozen=True, slots=True)
class Renewal:
    """A checked signature under one epoch key, and the evidence value it signs."""

    signature: Signature = field(repr=False)
    evidence: int = field(repr=False)


@dataclass(frozen=True, slots=True)
class HeldSlot:
    """One enrolled slot as the wallet keeps it."""

    region: str
    slot: int
    blinding: Scalar = field(repr=False)
    slot_key: bytes = field(repr=False)
    fact: EvidenceFact = field(repr=False)
    receipt: bytes = field(repr=False)
    salt: bytes = field(repr=False)
    renewals: dict[KeyId, Renewal] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Pending:
    """An enrolment that was asked for and not answered yet."""

    region: str
    nonce: bytes
    blinding: Scalar = field(repr=False)
    fact: EvidenceFact = field(repr=False)
    slot: int | None


@dataclass(slots=True)
class WalletState:
    """Everything a wallet must remember (saved by `roles.states`)."""

    link: Scalar = field(repr=False)
    slots: dict[tuple[str, int], HeldSlot] = field(default_factory=dict)
    pending: Pending | None = None
    last_seen: int = 0
    """The newest time the wallet acted at, Unix seconds."""
    last_tick: int = 0
    shows: dict[tuple[str, str, int], int] = field(default_factory=dict)
    """Fresh shows per (gate region, checkpoint, tick)."""
    places: set[tuple[str, str]] = field(default_factory=set)
    """Checkpoints the holder said yes to."""
    answered: dict[tuple[str, str, int], str] = field(default_factory=dict)
    """The policy answered per (gate region, checkpoint, day)."""
    moved: bool = False
    """Handed over to a new phone: this copy shows nothing any more."""


class Refreshed(StrEnum):
    """What a refresh of one slot and epoch found."""

    RENEWED = "renewed"
    ABSENT = "absent"
    """Not on the board: suspended, retired, or enrolled after it."""
    SPOILED = "spoiled"
    """On the board, but not the promised message: a case for a challenge."""


@dataclass(frozen=True, slots=True)
class Consent:
    """What the holder said yes to for this one show."""

    new_place: bool = False
    standing_out: bool = False
    clock_jump: bool = False
