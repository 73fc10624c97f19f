"""A verified copy of one region's log: what a checkpoint and entries from anybody mean.

No I/O. Entries come from nodes that are not trusted; the copy takes in only what lies
under a checkpoint that the log and enough witnesses signed, by computing the RFC 6962
root over all entries itself. Two histories that both were signed become evidence.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from guosuo.errors import PeerError, Reason, refuse
from guosuo.federation import merkle, notes
from guosuo.federation.charter import Federation
from guosuo.federation.checkpoints import Checkpoint, Quorum, open_checkpoint
from guosuo.federation.forks import (
    Advanced,
    Equivocation,
    LogReader,
    Outcome,
    equivocation,
    find_split,
)
from guosuo.federation.merkle import Tree
from guosuo.federation.records import (
    GENESIS,
    LOGGED,
    LogEntry,
    digest,
    kind_of,
    open_record,
)

MAX_LOG: Final = 1 << 22
"""Entries of a log that a copy holds at most; a region makes a few dozen in an epoch."""


def quorum_of(federation: Federation) -> Quorum:
    """Whose cosignatures count, and how many; none are needed if there are no witnesses."""
    return Quorum(federation.witness_keys, federation.operators, federation.cosignatures)


@dataclass(slots=True)
class Chain:
    """Checks signature and place of entries as they come, so that garbage ends at once."""

    federation: Federation
    region: str
    index: int = 0
    previous: bytes = GENESIS

    def take(self, entries: Iterable[bytes]) -> None:
        """The next entries in order; `PeerError` at the first that is not."""
        key = self.federation.member(self.region).log_key
        for data in entries:
            kind = kind_of(data)
            if kind not in LOGGED:
                refuse(Reason.RECORD_KIND)
            entry = LogEntry.decode(open_record(key, self.federation.id, kind, data))
            if (entry.region, entry.index, entry.previous) != (
                self.region,
                self.index,
                self.previous,
            ):
                refuse(Reason.RECORD_ORDER)
            self.index, self.previous = self.index + 1, digest(data)


@dataclass(slots=True)
class LogCopy:
    """The checkpoint that was taken in last, and the tree over all entries held."""

    reader: LogReader
    tree: Tree = field(default_factory=Tree, repr=False)

    @classmethod
    def resume(
        cls, federation: Federation, region: str, entries: Iterable[bytes], note: bytes
    ) -> LogCopy:
        """From stored entries, verified before, and the stored note, empty if there is none.

        A note that does not belong to the entries is left out: it is fetched again.
        """
        member = federation.member(region)
        copy = cls(LogReader(federation.origin(region), member.log_key, quorum_of(federation)))
        for entry in entries:
            copy.tree.append(merkle.leaf_hash(entry))
        if note:
            try:
                if copy.open(note).size <= copy.size:
                    copy.take(note, ())
            except PeerError:
                pass
        return copy

    @property
    def size(self) -> int:
        """Entries held; never fewer than the checkpoint covers."""
        return self.tree.size

    def open(self, note: bytes) -> Checkpoint:
        """What a note says, once the log and enough witnesses are found to have signed it.

        `PeerError` otherwise: nothing is fetched for a checkpoint that does not count.
        """
        parsed = notes.parse(note)
        found = open_checkpoint(parsed, self.reader.origin, self.reader.log_key)
        self.reader.quorum.check(parsed)
        if found.size > MAX_LOG:
            refuse(Reason.TOO_LONG, "a log larger than this program holds")
        return found

    def take(self, note: bytes, more: Sequence[bytes]) -> Outcome:
        """Take a checkpoint in, with the entries from `size` up to it.

        `PeerError(LOG_PROOF)` if root and entries do not fit: either whoever gave them
        lies, or there are two histories, which `convict` tells apart.
        """
        found = self.open(note)
        if len(more) != max(0, found.size - self.size):
            refuse(Reason.LOG_PROOF, "other entries than the checkpoint covers")
        leaves = [merkle.leaf_hash(entry) for entry in more]
        root = self.tree.compact().append(leaves).root() if leaves else self.tree.root(found.size)
        if root != found.root:
            refuse(Reason.LOG_PROOF)
        for leaf in leaves:
            self.tree.append(leaf)
        known = self.reader.size
        proof: merkle.Proof = ()
        if 0 < known < found.size:
            proof = merkle.consistency_proof(self.tree.nodes, known, found.size)
        outcome = self.reader.advance(note, proof)
        if isinstance(outcome, Advanced):
            self.reader = outcome.reader
        return outcome

    def contradicts(self, note: bytes) -> Equivocation | None:
        """Evidence if the note has another root for the size known, however few cosigned it."""
        if not self.reader.note or note == self.reader.note:
            return None
        return equivocation(self.reader.note, note, None, self.reader.origin, self.reader.log_key)

    def convict(self, note: bytes, leaves: Iterable[bytes]) -> Equivocation | None:
        """Evidence of two histories, from all leaf hashes of the other one; None if none.

        For a checkpoint that `take` found not to fit. Whoever gave it is believed only if
        his leaves have the root that was signed.
        """
        found = self.open(note)
        other = Tree()
        for leaf in leaves:
            other.append(leaf)
        if other.size != found.size or other.root() != found.root or not self.reader.note:
            return None
        split = find_split(self.tree.nodes, self.reader.size, other.nodes, found.size)
        if split is None:
            return None
        origin, key = self.reader.origin, self.reader.log_key
        return equivocation(self.reader.note, note, split, origin, key)
