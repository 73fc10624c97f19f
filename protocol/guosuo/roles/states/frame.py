"""What all stored states share: the frame around them, and their bounds."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from nacl.signing import SigningKey

from guosuo.errors import Reason, refuse
from guosuo.federation.charter import Federation
from guosuo.scheme import KeyId
from guosuo.wire.schema import Hash, Message, Range, Size, message

VERSION = 1
MAX_STATE = 192 << 20
"""Octets of a state at most; an issuer of 100,000 slots has 25 million."""

ENTRIES = Size(0, 1 << 16)
"""Bound of the lists that grow with use; a year of renewals without forgetting is 2,190."""

Secret = Annotated[bytes, Size(32, 32)]
Tick = Annotated[int, Range(0, 1 << 40)]
Packed = Annotated[bytes, Size(0, MAX_STATE)]
"""Records of one fixed size, ascending, where there can be a hundred thousand of them."""


class StateKind(StrEnum):
    """Whose state it is (closed list)."""

    WALLET = "wallet"
    ISSUER = "issuer"
    GATE = "gate"
    CHECKPOINT = "checkpoint"
    LOG = "log"


def silent(self: object) -> str:
    """As `__repr__`, only the name of the type: fields of stored states are secret."""
    return f"{type(self).__name__}(...)"


@message
class Stored(Message):
    """Around every state; this frame stays the same in all versions."""

    MAX_SIZE: ClassVar[int] = MAX_STATE

    kind: StateKind
    version: int
    federation: Hash
    body: Annotated[bytes, Size(1, MAX_STATE)]

    __repr__ = silent


def wrap(kind: StateKind, federation: bytes, body: Message) -> bytes:
    """The octets of a state; `CallerError(ARGUMENT)` for values out of bounds."""
    return Stored(kind=kind, version=VERSION, federation=federation, body=body.encode()).encode()


def unwrap(kind: StateKind, federation: Federation, data: bytes) -> bytes:
    """The body of a state of this kind, version and federation; `PeerError` otherwise."""
    stored = Stored.decode(data)
    if stored.version != VERSION:
        refuse(Reason.MESSAGE_VERSION, "another version of this library wrote the state")
    if stored.kind is not kind:
        refuse(Reason.RECORD_KIND, "the state is one of another role")
    if stored.federation != federation.id:
        refuse(Reason.STATE, "the state belongs to another federation")
    return stored.body


def check_same(written: bytes, read: bytes) -> None:
    """`PeerError(STATE)` for unsorted or repeated entries, stray bits, anything not our own."""
    if written != read:
        refuse(Reason.STATE, "not the way this library writes a state")


def unpack(record: struct.Struct, data: bytes) -> Iterator[tuple[Any, ...]]:
    """Packed records one after the other; `PeerError(MESSAGE_VALUE)` if one is cut."""
    if len(data) % record.size:
        refuse(Reason.MESSAGE_VALUE)
    return record.iter_unpack(data)


def key_of(seed: bytes, publics: Iterable[bytes]) -> SigningKey:
    """The signing key of a seed; `PeerError(STATE)` unless a charter has its public key."""
    key = SigningKey(seed)
    if bytes(key.verify_key) not in publics:
        refuse(Reason.STATE, "a signing key that is not the region's")
    return key


def age(key: KeyId) -> tuple[int, int]:
    """By epoch and revision: how keys of one region are sorted."""
    return key.epoch, key.revision
