"""A witness of logs (C2SP tlog-witness): cosigns what continues the log as it knows it.

The state machine says what to persist, and gives a cosignature only for what was: an
`Accepted` holds none, `persisted` makes it. What it remembers of a log is one `Seen`.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Annotated, Final, TypeAlias

import nacl.signing

from guosuo.errors import CallerError, PeerError, Reason, refuse
from guosuo.federation import merkle, notes
from guosuo.federation.checkpoints import (
    MAX_ORIGIN,
    WITNESS_PREFIX,
    Checkpoint,
    cosign,
    parse_decimal,
    parse_text,
    witness_key,
)
from guosuo.federation.forks import Equivocation
from guosuo.federation.merkle import EMPTY_ROOT, HASH_SIZE, Proof
from guosuo.federation.notes import MAX_NOTE, Note, NoteKey, Signature
from guosuo.wire.schema import Hash, Message, Size, message

MAX_PROOF_LINES: Final = 63
"""Hashes of a proof in a request at most (tlog-witness)."""
MAX_REQUEST: Final = MAX_NOTE + 64 * 64
"""Octets of a request at most."""
SIZE_TYPE: Final = "text/x.tlog.size"
"""Content type of the answer that says which size the witness knows."""


@message
class Seen(Message):
    """What a witness remembers of one log; to be stored under its origin."""

    origin: Annotated[str, Size(1, MAX_ORIGIN)]
    size: int
    root: Hash
    note: Annotated[bytes, Size(0, MAX_NOTE)]
    """The latest checkpoint that was cosigned; empty before the first."""
    asked_size: int
    asked: Annotated[bytes, Size(0, MAX_NOTE)]
    """The largest checkpoint that was signed by the log and shown to the witness, cosigned
    or not: a log that lost its newest entries learns of them here (GS-LOG-17)."""


class Refusal(Enum):
    """Why a checkpoint is not cosigned, with the status of HTTP for it."""

    MALFORMED = 400
    UNKNOWN_KEY = 403
    UNKNOWN_LOG = 404
    OTHER_SIZE = 409
    """The old size is not the one known, or one size has two roots."""
    BAD_PROOF = 422


@dataclass(frozen=True, slots=True)
class Persist:
    """Effect: store `after` if `before` is still what is stored, in one transaction."""

    before: Seen | None
    after: Seen = field(repr=False)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The checkpoint continues the log. Persist first, then `Witness.persisted`."""

    persist: Persist


@dataclass(frozen=True, slots=True)
class Refused:
    """No cosignature."""

    refusal: Refusal
    known: int = 0
    """Size of the latest checkpoint cosigned."""
    evidence: Equivocation | None = field(default=None, repr=False)
    """Proof that the log has two histories, to be kept and spread."""
    persist: Persist | None = None
    """What the witness remembers all the same; `Witness.remember` once it is stored."""

    @property
    def status(self) -> int:
        """Status of HTTP."""
        return self.refusal.value

    @property
    def body(self) -> bytes:
        """Body of the answer: the size known for a conflict, of type `SIZE_TYPE`."""
        return f"{self.known:d}\n".encode() if self.refusal is Refusal.OTHER_SIZE else b""


Decision: TypeAlias = Accepted | Refused


@dataclass(slots=True)
class Witness:
    """One witness key and what it has seen of every log, by origin."""

    name: str
    """As the charter calls it; lines are signed as `guosuo-witness/<name>`."""
    key: nacl.signing.SigningKey = field(repr=False)
    seen: dict[str, Seen] = field(default_factory=dict, repr=False)

    @property
    def note_key(self) -> NoteKey:
        """The public key, as readers look for it."""
        return witness_key(self.name, bytes(self.key.verify_key))

    def add_checkpoint(
        self, log_key: bytes | None, old_size: int, proof: Proof, data: bytes
    ) -> Decision:
        """Decide about a checkpoint; changes nothing yet (GS-LOG-15).

        `log_key` is the key of the log that `origin_of(data)` names, None if there is no
        such log. Never raises for what is in the request.
        """
        try:
            note = notes.parse(data)
            checkpoint = parse_text(note.text)
        except PeerError:
            return Refused(Refusal.MALFORMED)
        if log_key is None:
            return Refused(Refusal.UNKNOWN_LOG)
        before = self.seen.get(checkpoint.origin)
        seen = before or _nothing_of(checkpoint.origin)
        own = _own_lines(note, log_key)
        if own is None:
            return Refused(Refusal.UNKNOWN_KEY, seen.size)
        # From here on the log itself said it: it is remembered, whatever comes of it.
        kept = own.encode()
        if checkpoint.size > seen.asked_size or not seen.asked:
            seen = replace(seen, asked_size=checkpoint.size, asked=kept)
        refusal, evidence = _judge(seen, checkpoint, kept, old_size, proof)
        if refusal is not None:
            persist = Persist(before, seen) if seen != before else None
            return Refused(refusal, seen.size, evidence, persist)
        after = replace(seen, size=checkpoint.size, root=checkpoint.root, note=kept)
        return Accepted(Persist(before, after))

    def remember(self, persist: Persist) -> None:
        """Take over what was stored; `CallerError(STATE)` if something else came between."""
        origin = persist.after.origin
        if self.seen.get(origin) != persist.before:
            raise CallerError(Reason.STATE, "another checkpoint was stored in between")
        self.seen[origin] = persist.after

    def persisted(self, accepted: Accepted, now: int) -> Signature:
        """The cosignature, after its checkpoint was stored and not before (GS-LOG-16).

        `now` in Unix seconds. `CallerError(STATE)` if something else came between: then
        the cosignature must not be made, and the request is decided again.
        """
        self.remember(accepted.persist)
        text = notes.parse(accepted.persist.after.note).text
        return cosign(text, WITNESS_PREFIX + self.name, self.key, now)

    def largest(self, origin: str) -> bytes | None:
        """The largest checkpoint of a log cosigned or asked for; None if none (GS-LOG-17)."""
        seen = self.seen.get(origin)
        return (seen.asked or seen.note or None) if seen is not None else None


def origin_of(data: bytes) -> str:
    """Which log a checkpoint is of; `PeerError(NOTE)`."""
    return parse_text(notes.parse(data).text).origin


def _nothing_of(origin: str) -> Seen:
    """Of a log before its first checkpoint."""
    return Seen(origin=origin, size=0, root=EMPTY_ROOT, note=b"", asked_size=0, asked=b"")


def _judge(
    seen: Seen, checkpoint: Checkpoint, data: bytes, old_size: int, proof: Proof
) -> tuple[Refusal | None, Equivocation | None]:
    """The rules of tlog-witness, in its order."""
    evidence = None
    if seen.note and checkpoint.size == seen.size and checkpoint.root != seen.root:
        evidence = Equivocation(first=seen.note, second=data)
    elif (
        seen.asked
        and checkpoint.size == seen.asked_size
        and checkpoint.root != parse_text(notes.parse(seen.asked).text).root
    ):
        # Not cosigned perhaps, but signed by the log: two roots convict it all the same.
        evidence = Equivocation(first=seen.asked, second=data)
    if not 0 <= old_size <= checkpoint.size:
        return Refusal.MALFORMED, evidence
    if old_size != seen.size:
        return Refusal.OTHER_SIZE, evidence
    if old_size == checkpoint.size and checkpoint.root != seen.root:
        return Refusal.OTHER_SIZE, evidence
    try:
        if old_size == 0:
            if proof:
                refuse(Reason.LOG_PROOF)
        else:
            merkle.verify_consistency(old_size, checkpoint.size, seen.root, checkpoint.root, proof)
    except PeerError:
        return Refusal.BAD_PROOF, evidence
    # An honest log never signs two roots of one size, whichever of them continues.
    return (Refusal.OTHER_SIZE, evidence) if evidence is not None else (None, None)


def _own_lines(note: Note, log_key: bytes) -> Note | None:
    """The note with the log's signature alone; None without a valid one."""
    origin = parse_text(note.text).origin
    try:
        key = NoteKey(origin, log_key)
        notes.verify(note, [key])
    except (PeerError, CallerError):
        return None
    return Note(note.text, key.signed(note)[:1])


# --- requests over HTTP ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """The body of an add-checkpoint request."""

    old_size: int
    proof: Proof
    note: bytes = field(repr=False)

    def encode(self) -> bytes:
        """The octets of the request (GS-LOG-14)."""
        hashes = "".join(f"{base64.b64encode(one).decode('ascii')}\n" for one in self.proof)
        data = f"old {self.old_size:d}\n{hashes}\n".encode() + self.note
        try:
            if parse_request(data) == self:
                return data
        except PeerError:
            pass
        raise CallerError(Reason.ARGUMENT, "no request")


def parse_request(data: bytes) -> AddCheckpoint:
    """A request from its octets, its note unread; `PeerError(NOTE)` (GS-LOG-14)."""
    if len(data) > MAX_REQUEST:
        refuse(Reason.TOO_LONG)
    head, blank, note = data.partition(b"\n\n")
    if not blank or not note:
        refuse(Reason.NOTE)
    first, *lines = notes.decode_text(head).split("\n")
    if not first.startswith("old "):
        refuse(Reason.NOTE)
    if len(lines) > MAX_PROOF_LINES:
        refuse(Reason.TOO_LONG)
    proof = tuple(notes.decode_base64(line) for line in lines)
    if any(len(one) != HASH_SIZE for one in proof):
        refuse(Reason.NOTE)
    return AddCheckpoint(parse_decimal(first.removeprefix("old ")), proof, note)


def parse_answer(data: bytes) -> tuple[Signature, ...]:
    """The lines that a witness answered with; those of unknown keys are for the caller to drop."""
    if len(data) > MAX_NOTE:
        refuse(Reason.TOO_LONG)
    return notes.parse_signatures(notes.decode_text(data))
