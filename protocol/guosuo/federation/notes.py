"""Signed notes (C2SP signed-note): a text and lines of signatures under it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

import nacl.signing

from guosuo.errors import CallerError, PeerError, Reason, refuse
from guosuo.federation.records import signature_holds

MAX_NOTE: Final = 1 << 15
"""Octets of a note at most."""
MAX_SIGNATURES: Final = 64
"""Signature lines of a note at most."""
MAX_NAME: Final = 256
"""Characters of a key name at most."""
_MAX_SIGNATURE: Final = 4096
"""Octets of one signature at most: those that are not ours may be of other algorithms."""
_KEY_ID: Final = 4
_KEY_SIZE: Final = 32
_DASH: Final = "\N{EM DASH} "
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")
_VKEY: Final = re.compile(r"([^+]+)\+([0-9a-f]{8})\+([0-9A-Za-z+/]+={0,2})")


class Algorithm(IntEnum):
    """Signature types with their identifier octets; others are never ours."""

    ED25519 = 0x01
    COSIGNATURE_V1 = 0x04


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line."""

    name: str
    key_id: bytes
    data: bytes = field(repr=False)

    def line(self) -> str:
        """The line with its newline."""
        packed = base64.b64encode(self.key_id + self.data).decode("ascii")
        return f"{_DASH}{self.name} {packed}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A parsed note: its text, which ends with a newline, and its signatures, unchecked."""

    text: str
    signatures: tuple[Signature, ...]

    def encode(self) -> bytes:
        """The octets of the note; `CallerError(ARGUMENT)` if no reader would take them."""
        data = f"{self.text}\n{''.join(s.line() for s in self.signatures)}".encode()
        try:
            if parse(data) == self:
                return data
        except PeerError:
            pass
        raise CallerError(Reason.ARGUMENT, "no note")

    def signed_by(self, more: Iterable[Signature]) -> Note:
        """The note with further signatures; one for each name and key, the newest."""
        found = {(s.name, s.key_id): s for s in (*self.signatures, *more)}
        return Note(self.text, tuple(found.values()))


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A public key with the name it signs under."""

    name: str
    public: bytes
    algorithm: Algorithm = Algorithm.ED25519

    def __post_init__(self) -> None:
        """`CallerError(ARGUMENT)` for what no note can name."""
        if not is_key_name(self.name) or len(self.public) != _KEY_SIZE:
            raise CallerError(Reason.ARGUMENT, "no key of a note")

    @property
    def key_id(self) -> bytes:
        """The four octets by which lines name the key (GS-LOG-9)."""
        kind = bytes([self.algorithm])
        return hashlib.sha256(self.name.encode() + b"\n" + kind + self.public).digest()[:_KEY_ID]

    def vkey(self) -> str:
        """The key as one line of text: name, key id, algorithm and key."""
        packed = base64.b64encode(bytes([self.algorithm]) + self.public).decode("ascii")
        return f"{self.name}+{self.key_id.hex()}+{packed}"

    def signed(self, note: Note) -> tuple[Signature, ...]:
        """The lines of a note that name this key, unchecked."""
        key_id = self.key_id
        return tuple(s for s in note.signatures if s.name == self.name and s.key_id == key_id)


def parse_vkey(text: str) -> NoteKey:
    """A key from its line of text; `PeerError(NOTE)`."""
    match = _VKEY.fullmatch(text) if len(text) <= 2 * MAX_NAME else None
    if match is None or not is_key_name(match[1]):
        raise PeerError(Reason.NOTE)
    packed = decode_base64(match[3])
    if len(packed) != 1 + _KEY_SIZE or packed[0] not in set(Algorithm):
        raise PeerError(Reason.NOTE)
    key = NoteKey(match[1], packed[1:], Algorithm(packed[0]))
    if key.key_id.hex() != match[2]:
        raise PeerError(Reason.NOTE)
    return key


def parse(data: bytes) -> Note:
    """A note from its octets, signatures unchecked; `PeerError(NOTE)` (GS-LOG-8)."""
    if len(data) > MAX_NOTE:
        refuse(Reason.TOO_LONG)
    text = decode_text(data)
    body, blank, lines = text.rpartition("\n\n")
    if not blank or not lines:
        refuse(Reason.NOTE, "no text and signatures with a blank line between them")
    return Note(body + "\n", parse_signatures(lines))


def parse_signatures(text: str) -> tuple[Signature, ...]:
    """Signature lines, each with its newline; `PeerError(NOTE)`."""
    if not text.endswith("\n"):
        refuse(Reason.NOTE)
    lines = text.removesuffix("\n").split("\n")
    if len(lines) > MAX_SIGNATURES:
        refuse(Reason.TOO_LONG)
    return tuple(_signature(line) for line in lines)


def sign(text: str, name: str, key: nacl.signing.SigningKey) -> Signature:
    """An Ed25519 signature over the text of a note."""
    named = NoteKey(name, bytes(key.verify_key))
    return Signature(name, named.key_id, key.sign(text.encode()).signature)


def verify(note: Note, keys: Iterable[NoteKey]) -> frozenset[str]:
    """Which of these Ed25519 keys signed; at least one, or `PeerError(NOTE_SIGNATURE)`.

    Lines of other keys are ignored. A line that names a key of ours and does not verify
    condemns the note (GS-LOG-9).
    """
    found: set[str] = set()
    for key in keys:
        if key.algorithm is not Algorithm.ED25519:
            raise CallerError(Reason.ARGUMENT, "cosignatures have a check of their own")
        for line in key.signed(note):
            if not signature_holds(key.public, note.text.encode(), line.data):
                refuse(Reason.NOTE_SIGNATURE)
            found.add(key.name)
    if not found:
        refuse(Reason.NOTE_SIGNATURE)
    return frozenset(found)


def is_key_name(name: str) -> bool:
    """Whether a text can name a key: not empty, no spaces, no plus (GS-LOG-9)."""
    return (
        1 <= len(name) <= MAX_NAME
        and "+" not in name
        and not any(c.isspace() for c in name)
        and not _CONTROL.search(name)
        and name.isprintable()
    )


def decode_text(data: bytes) -> str:
    """UTF-8 without control characters but newline; `PeerError(NOTE)`."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise PeerError(Reason.NOTE) from None
    if _CONTROL.search(text):
        raise PeerError(Reason.NOTE)
    return text


def decode_base64(text: str) -> bytes:
    """Base64 in its one spelling (RFC 4648 section 4); `PeerError(NOTE)`."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise PeerError(Reason.NOTE) from None
    if base64.b64encode(data).decode("ascii") != text:
        raise PeerError(Reason.NOTE)
    return data


def _signature(line: str) -> Signature:
    name, space, packed = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space or not is_key_name(name):
        raise PeerError(Reason.NOTE)
    data = decode_base64(packed)
    if not _KEY_ID < len(data) <= _MAX_SIGNATURE:
        raise PeerError(Reason.NOTE)
    return Signature(name, data[:_KEY_ID], data[_KEY_ID:])
