"""What readers make of a log's checkpoints: going on, going back, and proof of two histories."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, TypeAlias

from guosuo.errors import CallerError, PeerError, Reason, refuse
from guosuo.federation import merkle, notes
from guosuo.federation.charter import Federation
from guosuo.federation.checkpoints import Checkpoint, Quorum, open_checkpoint
from guosuo.federation.merkle import EMPTY_ROOT, MAX_PROOF, Nodes, Proof
from guosuo.federation.notes import MAX_NOTE
from guosuo.wire.schema import Hash, Message, Size, message

_Note = Annotated[bytes, Size(1, MAX_NOTE)]
_Proof = Annotated[tuple[Hash, ...], Size(0, MAX_PROOF)]


@message
class Leaf(Message):
    """A leaf of one of two trees, with the proof that it is there."""

    hash: Hash
    proof: _Proof


@message
class Split(Message):
    """One place of a log with two leaves."""

    index: int
    first: Leaf
    second: Leaf


@message
class Equivocation(Message):
    """Two checkpoints of one log that cannot belong to one history (GS-LOG-18).

    Of one size with two roots, or with a split: anybody who knows the log's key can check
    it without having seen the log.
    """

    MAX_SIZE = 1 << 17

    first: _Note
    second: _Note
    split: Split | None = None


def check_equivocation(evidence: Equivocation, origin: str, log_key: bytes) -> None:
    """Whether the evidence holds; `PeerError` if it proves nothing (GS-LOG-18)."""
    first = open_checkpoint(notes.parse(evidence.first), origin, log_key)
    second = open_checkpoint(notes.parse(evidence.second), origin, log_key)
    split = evidence.split
    if split is None:
        if first.size != second.size or first.root == second.root:
            refuse(Reason.LOG_PROOF, "checkpoints that one history may have")
        return
    if split.first.hash == split.second.hash:
        refuse(Reason.LOG_PROOF, "one leaf")
    for checkpoint, leaf in ((first, split.first), (second, split.second)):
        merkle.verify_inclusion(
            split.index, checkpoint.size, leaf.hash, leaf.proof, checkpoint.root
        )


def find_split(first: Nodes, first_size: int, second: Nodes, second_size: int) -> Split | None:
    """The first place at which two trees have different leaves; None if one begins the other.

    For whoever has both trees, to make an `Equivocation` of checkpoints of two sizes.
    """
    start = level = 0
    for level, index in merkle.cover(0, min(first_size, second_size)):
        start = index << level
        if first(level, index) != second(level, index):
            break
    else:
        return None
    while level > 0:
        level -= 1
        if first(level, start >> level) == second(level, start >> level):
            start += 1 << level
    return Split(
        index=start,
        first=Leaf(hash=first(0, start), proof=merkle.inclusion_proof(first, start, first_size)),
        second=Leaf(
            hash=second(0, start), proof=merkle.inclusion_proof(second, start, second_size)
        ),
    )


# --- readers ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LogReader:
    """What a reader knows of one log: the latest checkpoint that it took in."""

    origin: str
    log_key: bytes
    quorum: Quorum
    size: int = 0
    root: bytes = EMPTY_ROOT
    note: bytes = field(default=b"", repr=False)
    """Octets of the latest note; empty before the first."""

    @staticmethod
    def of(federation: Federation, region: str) -> LogReader:
        """A reader of a member's log that knows nothing yet; `PeerError(REGION_UNKNOWN)`."""
        log_key = federation.member(region).log_key
        return LogReader(federation.origin(region), log_key, Quorum.of(federation))

    def under(self, federation: Federation) -> LogReader:
        """The same reader, who judges by that version of the charter (GS-REC-20)."""
        region = self.origin.rpartition("/")[2]
        log_key = federation.known(region).log_key
        return replace(self, log_key=log_key, quorum=Quorum.of(federation))

    def advance(self, data: bytes, proof: Proof = ()) -> Outcome:
        """What a note that somebody hands over means (GS-LOG-19).

        `proof` is the consistency proof from the size known, empty for the first. Raises
        `PeerError` for a note that is malformed, not signed, not cosigned by enough, or
        whose proof does not hold: that is the fault of whoever handed it over, and says
        nothing of the log.
        """
        note = notes.parse(data)
        found = open_checkpoint(note, self.origin, self.log_key)
        fork = self._fork(found, data)
        if fork is not None:
            return fork
        self.quorum.check(note)
        if found.size < self.size:
            return RolledBack(known=self.size, given=found.size)
        if self.size > 0:
            merkle.verify_consistency(self.size, found.size, self.root, found.root, proof)
        elif proof:
            refuse(Reason.LOG_PROOF)
        return Advanced(replace(self, size=found.size, root=found.root, note=data))

    def checkpoint(self) -> Checkpoint:
        """The latest checkpoint; `CallerError(STATE)` before the first."""
        if not self.note:
            raise CallerError(Reason.STATE, "no checkpoint yet")
        return Checkpoint(self.origin, self.size, self.root)

    def _fork(self, found: Checkpoint, data: bytes) -> Forked | None:
        """Two roots of one size convict the log, however few cosigned the other one."""
        if not self.note or found.size != self.size or found.root == self.root:
            return None
        return Forked(Equivocation(first=self.note, second=data))


@dataclass(frozen=True, slots=True)
class Advanced:
    """The checkpoint continues what was known; `reader` is to be kept."""

    reader: LogReader


@dataclass(frozen=True, slots=True)
class RolledBack:
    """A checkpoint, cosigned, older than the one known: a stale mirror or a log set back.

    Nothing is taken in. Whoever has both trees may find a split.
    """

    known: int
    given: int


@dataclass(frozen=True, slots=True)
class Forked:
    """Proof that the log has two histories. Nothing is taken in."""

    evidence: Equivocation


Outcome: TypeAlias = Advanced | RolledBack | Forked


def equivocation(
    first: bytes, second: bytes, split: Split | None, origin: str, log_key: bytes
) -> Equivocation | None:
    """Evidence of two notes, if it holds; None if it proves nothing."""
    evidence = Equivocation(first=first, second=second, split=split)
    try:
        check_equivocation(evidence, origin, log_key)
    except PeerError:
        return None
    return evidence
