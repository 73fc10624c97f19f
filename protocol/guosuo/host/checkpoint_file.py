"""A checkpoint's memory in a file: its lists and policies, accepted tags, open challenge.

    octets  what
    17      `guosuo-checkpoint`
    32      SHA-256 of the rest
    …       deterministic CBOR: the checkpoint's state, and its open challenge

Nothing in it is secret, so it is not sealed and a gate starts without anybody typing a
passphrase. Everything in it is trusted: the hash tells a damaged file (GS-STORE-4), not
one that somebody with access to the device rewrote, who could change the program too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Final

from guosuo.errors import CallerError, Reason, refuse
from guosuo.federation.charter import Federation
from guosuo.host.files import PRIVATE, write_atomically
from guosuo.presentation.frame import Challenge
from guosuo.presentation.setting import Mode
from guosuo.roles.checkpoint import Checkpoint, CheckpointState
from guosuo.roles.states import decode_checkpoint, encode_checkpoint
from guosuo.wire.schema import Message, Size, message

MAGIC: Final = b"guosuo-checkpoint"
MAX_MEMORY: Final = 64 << 20
_FRONT: Final = len(MAGIC) + hashlib.sha256().digest_size


@message
class StoredDevice(Message):
    """What the file holds."""

    MAX_SIZE: ClassVar[int] = MAX_MEMORY

    state: Annotated[bytes, Size(1, MAX_MEMORY)]
    challenge: Challenge | None


class Device(Checkpoint):
    """A checkpoint whose open challenge outlasts the command that drew it."""

    @property
    def open_challenge(self) -> Challenge | None:
        """The challenge that a code may answer, if there is one."""
        return self._open

    def reopen(self, challenge: Challenge | None) -> None:
        """Wait for an answer to this challenge, drawn by `Checkpoint.challenge` before."""
        self._open = challenge

    def follow(self, entries: Iterable[bytes], policy: str) -> None:
        """Take the list parts and policies of the own region's log, for `policy`.

        A checkpoint that is to ask for another policy than before forgets the old one.
        """
        if self.state.policy != policy:
            self.state.policy, self.state.policies = policy, {}
        for entry in entries:
            self.load(entry)


@dataclass(frozen=True, slots=True)
class CheckpointFile:
    """Where a checkpoint's memory lives."""

    federation: Federation = field(repr=False)
    path: Path

    def load(self) -> Device:
        """The checkpoint as it was saved last.

        `PeerError`: `STORE_TRUNCATED`, `STORE_ALTERED`, or the reasons of
        `decode_checkpoint`; `CallerError(STORE_MISSING)`.
        """
        stored = self._read()
        device = Device(self.federation, decode_checkpoint(self.federation, stored.state))
        device.reopen(stored.challenge)
        return device

    def start(self, region: str, checkpoint: str, policy: str, mode: Mode, now: int) -> Device:
        """The saved checkpoint, or a new one, which waits the ticks out that it cannot know.

        `CallerError(STATE)` if the file is that of another checkpoint or mode. In
        challenge mode there is nothing to wait for: each code answers a fresh nonce.
        """
        if not self.path.exists():
            device = Device(self.federation, CheckpointState(region, checkpoint, policy, mode))
            if mode is Mode.BROADCAST:
                device.restarted(now)
            return device
        device = self.load()
        if (device.state.region, device.state.checkpoint) != (region, checkpoint):
            raise CallerError(Reason.STATE, "the file is the memory of another checkpoint")
        return device

    def save(self, device: Device) -> None:
        """Save, before a verdict is displayed; a damaged file is not replaced but refused."""
        if self.path.exists():
            self._read()
        content = StoredDevice(
            state=encode_checkpoint(self.federation, device.state),
            challenge=device.open_challenge,
        ).encode()
        data = MAGIC + hashlib.sha256(content).digest() + content
        write_atomically(self.path, data, mode=PRIVATE)

    def _read(self) -> StoredDevice:
        if not self.path.is_file():
            raise CallerError(Reason.STORE_MISSING, "no such file")
        if self.path.stat().st_size > _FRONT + MAX_MEMORY:
            refuse(Reason.TOO_LONG, "longer than such a file can be")
        data = self.path.read_bytes()
        if not MAGIC.startswith(data[: len(MAGIC)]):
            refuse(Reason.STORE_ALTERED, "not a checkpoint's memory")
        if len(data) <= _FRONT:
            refuse(Reason.STORE_TRUNCATED)
        content = data[_FRONT:]
        if hashlib.sha256(content).digest() != data[len(MAGIC) : _FRONT]:
            refuse(Reason.STORE_ALTERED, "cut or altered since it was saved")
        return StoredDevice.decode(content)
