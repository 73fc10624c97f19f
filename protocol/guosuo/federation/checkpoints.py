"""Checkpoints of logs (C2SP tlog-checkpoint) and cosignatures over them (tlog-cosignature)."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import nacl.signing

from guosuo.errors import CallerError, PeerError, Reason, refuse
from guosuo.federation import notes
from guosuo.federation.charter import Federation
from guosuo.federation.merkle import EMPTY_ROOT, HASH_SIZE, MAX_TREE
from guosuo.federation.notes import Algorithm, Note, NoteKey, Signature
from guosuo.federation.records import signature_holds

MAX_ORIGIN: Final = 256
"""Characters of an origin at most."""
MAX_EXTENSIONS: Final = 16
"""Extension lines at most; checkpoints of this project have none."""
MAX_TIME: Final = (1 << 63) - 1
WITNESS_PREFIX: Final = "guosuo-witness/"
_LEAST_LINES: Final = 3
_TIMESTAMP: Final = 8
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a log: how many leaves, and the root over them."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        """The text of the note; `CallerError(ARGUMENT)` if no reader would take it."""
        root = base64.b64encode(self.root).decode("ascii")
        lines = (self.origin, f"{self.size:d}", root, *self.extensions)
        text = "".join(f"{line}\n" for line in lines)
        try:
            if parse_text(text) == self:
                return text
        except PeerError:
            pass
        raise CallerError(Reason.ARGUMENT, "no checkpoint")


def parse_text(text: str) -> Checkpoint:
    """The checkpoint that the text of a note says; `PeerError(NOTE)` (GS-LOG-10)."""
    if not text.endswith("\n"):
        refuse(Reason.NOTE)
    lines = text.removesuffix("\n").split("\n")
    if not _LEAST_LINES <= len(lines) <= _LEAST_LINES + MAX_EXTENSIONS or not all(lines):
        refuse(Reason.NOTE)
    origin, size, root, *extensions = lines
    checkpoint = Checkpoint(
        origin, parse_decimal(size), notes.decode_base64(root), tuple(extensions)
    )
    if len(origin) > MAX_ORIGIN or len(checkpoint.root) != HASH_SIZE:
        refuse(Reason.NOTE)
    if checkpoint.size == 0 and checkpoint.root != EMPTY_ROOT:
        refuse(Reason.NOTE, "a root over no leaves")
    return checkpoint


def parse_decimal(text: str) -> int:
    """A size in digits without leading zeros, within `MAX_TREE`; `PeerError(NOTE)`."""
    if not _DECIMAL.fullmatch(text) or int(text) > MAX_TREE:
        raise PeerError(Reason.NOTE)
    return int(text)


def sign_checkpoint(checkpoint: Checkpoint, key: nacl.signing.SigningKey) -> Note:
    """The note with the log's own signature, under the origin as name (GS-LOG-11).

    To be persisted before anybody sees it.
    """
    text = checkpoint.text()
    return Note(text, (notes.sign(text, checkpoint.origin, key),))


def open_checkpoint(note: Note, origin: str, log_key: bytes) -> Checkpoint:
    """The checkpoint of a log, signed by it (GS-LOG-11).

    `PeerError(NOTE)` for another log's, `PeerError(NOTE_SIGNATURE)` without its signature.
    """
    checkpoint = parse_text(note.text)
    if checkpoint.origin != origin:
        refuse(Reason.NOTE, "a checkpoint of another log")
    notes.verify(note, [NoteKey(origin, log_key)])
    return checkpoint


# --- cosignatures ----------------------------------------------------------------------


def witness_key(name: str, public: bytes) -> NoteKey:
    """The note key of the witness that the charter calls `name`."""
    return NoteKey(WITNESS_PREFIX + name, public, Algorithm.COSIGNATURE_V1)


def cosigned_message(text: str, time: int) -> bytes:
    """What a witness signs (GS-LOG-12)."""
    return f"cosignature/v1\ntime {time:d}\n{text}".encode()


def cosign(text: str, key_name: str, key: nacl.signing.SigningKey, time: int) -> Signature:
    """A timestamped cosignature over the text of a checkpoint (GS-LOG-12).

    `time` in Unix seconds. The signer vouches for having seen nothing else of this log:
    only `guosuo.federation.witness` may do that.
    """
    if not 0 <= time <= MAX_TIME:
        raise CallerError(Reason.ARGUMENT, "a time out of range")
    parse_text(text)
    named = NoteKey(key_name, bytes(key.verify_key), Algorithm.COSIGNATURE_V1)
    signature = key.sign(cosigned_message(text, time)).signature
    return Signature(key_name, named.key_id, time.to_bytes(_TIMESTAMP, "big") + signature)


def cosignature_time(note: Note, key: NoteKey) -> int | None:
    """When that witness cosigned, Unix seconds: the latest valid line, or None."""
    times = []
    for line in key.signed(note):
        time = int.from_bytes(line.data[:_TIMESTAMP], "big")
        if time <= MAX_TIME and signature_holds(
            key.public, cosigned_message(note.text, time), line.data[_TIMESTAMP:]
        ):
            times.append(time)
    return max(times, default=None)


def cosigned(note: Note, keys: Mapping[str, bytes]) -> frozenset[str]:
    """Which of these witnesses (charter name to key) cosigned (GS-LOG-13).

    Unlike a log's own, a false line of a witness only does not count: lines are added by
    whoever passes the note on, and nobody shall spoil it for others by adding one.
    """
    return frozenset(
        name
        for name, key in keys.items()
        if cosignature_time(note, witness_key(name, key)) is not None
    )


@dataclass(frozen=True, slots=True)
class Quorum:
    """Whose cosignatures a reader asks for, and how many."""

    keys: Mapping[str, bytes]
    """Every witness: charter name to Ed25519 key."""
    operators: Mapping[str, str]
    """Who runs each witness."""
    needed: int
    """k, of distinct operators."""

    @staticmethod
    def of(federation: Federation) -> Quorum:
        """What the charter asks for."""
        return Quorum(federation.witness_keys, federation.operators, federation.cosignatures)

    def count(self, note: Note) -> int:
        """How many distinct operators cosigned (GS-REC-15)."""
        return len({self.operators[name] for name in cosigned(note, self.keys)})

    def check(self, note: Note) -> None:
        """`PeerError(COSIGNATURES)` unless enough of them did."""
        if self.count(note) < self.needed:
            raise PeerError(Reason.COSIGNATURES)
