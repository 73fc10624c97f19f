"""A verified copy of one region's log: what a checkpoint and entries from anybody mean.

No I/O. Entries come from nodes that are not trusted; the copy takes in only what lies
under a checkpoint that the log and enough witnesses signed, by computing the RFC 6962
root over all entries itself. Two histories that both were signed become evidence.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from guosuo.errors import PeerError, Reason, refuse
from guosuo.federation import merkle, notes
from guosuo.federation.charter import Federation
from guosuo.federation.charters import CharterHistory, adopted
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
    FetchBlob,
    Kind,
    LogEntry,
    digest,
    kind_of,
    open_record,
)
from guosuo.federation.view import FederationView

MAX_LOG: Final = 1 << 22
"""Entries of a log that a copy holds at most; a region makes a few dozen in an epoch."""


def quorum_of(federation: Federation) -> Quorum:
    """Whose cosignatures count, and how many; none are needed if there are no witnesses."""
    return Quorum(federation.witness_keys, federation.operators, federation.cosignatures)


def _no_blob(_: bytes) -> bytes:
    raise PeerError(Reason.RECORD_MISSING)


@dataclass(slots=True)
class Chain:
    """Checks signature and place of entries as they come, so that garbage ends at once."""

    federation: Federation
    """The newest version of the charter known."""
    region: str
    index: int = 0
    previous: bytes = GENESIS
    version: int = 1
    """The version that the log adopted before the next entry."""
    fetch: FetchBlob = _no_blob
    """Where later charters are, if a log adopts one that is not known."""

    @classmethod
    def behind(cls, view: FederationView, region: str, fetch: FetchBlob) -> Chain:
        """Of entries that follow those in a view."""
        known = view.region(region)
        index, version = len(known.entries), known.charter
        return cls(view.federation, region, index, known.last, version, fetch)

    def ruling(self) -> Federation:
        """The version by which the next entry, and a checkpoint that ends here, is judged."""
        return CharterHistory(self.federation).version(self.version)

    def take(self, entries: Iterable[bytes]) -> None:
        """The next entries in order; `PeerError` at the first that is not."""
        for data in entries:
            key = self.ruling().member(self.region).log_key
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
            if kind is Kind.CHARTER:
                self._adopt(entry.body)
            self.index, self.previous = self.index + 1, digest(data)

    def _adopt(self, body: bytes) -> None:
        """As `FederationView.append` does."""
        history = CharterHistory(self.federation)
        try:
            _, found = adopted(history, self.region, self.version, body, self.fetch)
        except PeerError as error:
            if error.reason is Reason.RECORD_MISSING:
                raise
            return
        self.federation, self.version = history.current, found.version


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

        `federation`: the version of the charter that the entries end with. A note that does
        not belong to the entries is left out: it is fetched again.
        """
        member = federation.known(region)
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

    def under(self, federation: Federation) -> None:
        """Judge what comes by that version of the charter."""
        self.reader = self.reader.under(federation)

    def open_under(self, note: bytes, versions: Iterable[Federation]) -> Checkpoint:
        """As `open` by any of these versions: which one the entries will say (GS-REC-20)."""
        fault = PeerError(Reason.NOTE_SIGNATURE)
        for version in versions:
            try:
                return replace(self, reader=self.reader.under(version)).open(note)
            except PeerError as error:
                fault = error
        raise fault

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
