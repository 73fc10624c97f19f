"""On the wire: the frame of a show, the poster, the challenge, and their QR texts.

A frame is the deterministic CBOR array [format, t, list revision, policy version,
tick, place, mode, proof] (GS-SHOW-5); the checkpoint knows all else itself. QR texts
are a short versioned prefix and Base45 (RFC 9285), which stays in the
alphanumeric mode of ISO/IEC 18004 (GS-WIRE-4).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from guosuo.errors import PeerError, Reason
from guosuo.federation.ids import CheckpointId, PolicyId, Region
from guosuo.presentation.proof import PRESENTATION_SIZE
from guosuo.presentation.setting import FORMAT, NONCE_SIZE, PLACE_SIZE, Mode
from guosuo.wire import base45, cbor
from guosuo.wire.schema import Message, Range, Size, message

MAX_FRAME = 800
SHOW_PREFIX = "GS1:"
POSTER_PREFIX = "GP1:"
CHALLENGE_PREFIX = "GC1:"
MAX_TEXT = 1400
MAX_NUMBER = (1 << 40) - 1
_FIELDS = 8


@dataclass(frozen=True, slots=True)
class Frame:
    """One show on the wire."""

    epoch: int
    revision: int
    policy_version: int
    tick: int
    place: bytes
    mode: Mode
    proof: bytes = field(repr=False)

    def encode(self) -> bytes:
        """761 octets for today's numbers; the same for every holder and region."""
        return cbor.encode(
            [
                FORMAT,
                self.epoch,
                self.revision,
                self.policy_version,
                self.tick,
                self.place,
                int(self.mode),
                self.proof,
            ]
        )

    @classmethod
    def decode(cls, data: bytes) -> Frame:
        """Strict; `PeerError`."""
        value = cbor.decode(data, max_size=MAX_FRAME)
        if not isinstance(value, list) or len(value) != _FIELDS:
            raise PeerError(Reason.MESSAGE_SHAPE)
        version, epoch, revision, policy, tick, place, mode, proof = value
        if type(version) is not int or version != FORMAT:
            raise PeerError(Reason.MESSAGE_VERSION)
        if type(place) is not bytes or len(place) != PLACE_SIZE:
            raise PeerError(Reason.MESSAGE_VALUE)
        if type(proof) is not bytes or len(proof) != PRESENTATION_SIZE:
            raise PeerError(Reason.MESSAGE_VALUE)
        return cls(
            _unsigned(epoch),
            _unsigned(revision),
            _unsigned(policy),
            _unsigned(tick),
            place,
            Mode(_unsigned(mode, most=max(Mode))),
            proof,
        )

    def text(self) -> str:
        """The text of the holder's QR code."""
        return SHOW_PREFIX + base45.encode(self.encode())

    @classmethod
    def from_text(cls, text: str) -> Frame:
        """Read the text of a holder's QR code; `PeerError`."""
        return cls.decode(_unprefix(text, SHOW_PREFIX))


@message
class Poster(Message):
    """The sign at a gate (broadcast mode); static, not secret, checked against the bundle."""

    region: Region
    checkpoint: CheckpointId
    policy: PolicyId

    def text(self) -> str:
        """The text of the poster's QR code."""
        return POSTER_PREFIX + base45.encode(self.encode())

    @classmethod
    def from_text(cls, text: str) -> Poster:
        """Read the text of a poster; `PeerError`."""
        return cls.decode(_unprefix(text, POSTER_PREFIX))


@message
class Challenge(Message):
    """The checkpoint's QR code in challenge mode (GS-SHOW-6)."""

    region: Region
    checkpoint: CheckpointId
    policy: PolicyId
    tick: Annotated[int, Range(0, 1 << 40)]
    nonce: Annotated[bytes, Size(NONCE_SIZE, NONCE_SIZE)]

    def text(self) -> str:
        """The text of the challenge's QR code."""
        return CHALLENGE_PREFIX + base45.encode(self.encode())

    @classmethod
    def from_text(cls, text: str) -> Challenge:
        """Read the text of a challenge; `PeerError`."""
        return cls.decode(_unprefix(text, CHALLENGE_PREFIX))


def _unsigned(value: object, *, most: int = MAX_NUMBER) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise PeerError(Reason.MESSAGE_VALUE)
    return value


def _unprefix(text: str, prefix: str) -> bytes:
    if len(text) > MAX_TEXT or not text.startswith(prefix):
        raise PeerError(Reason.QR_TEXT)
    return base45.decode(text[len(prefix) :], max_length=MAX_TEXT)
