"""One region's log as this node has it: entries, tree, and the checkpoint that readers get."""

from __future__ import annotations

from dataclasses import dataclass, field

from guosuo.errors import CallerError, PeerError, Reason
from guosuo.federation import checkpoints, merkle, notes, tiles
from guosuo.federation.forks import Advanced, Equivocation, Forked, LogReader
from guosuo.federation.merkle import CompactRange, Tree, leaf_hash
from guosuo.federation.view import FederationView, RegionView
from guosuo_node.app.faults import Fault, ServiceError
from guosuo_node.app.services import Entries


@dataclass(slots=True)
class RegionLog:
    """Entries live in the view; here is the tree over them and what is published of it."""

    records: FederationView
    view: RegionView
    reader: LogReader
    tree: Tree = field(default_factory=Tree)
    evidence: Equivocation | None = None
    """Proof that the log has two histories: nothing more of it is taken in."""

    @classmethod
    def of(cls, records: FederationView, view: RegionView) -> RegionLog:
        """The log of a region, empty."""
        return cls(records, view, LogReader.of(records.ruling(view.region), view.region))

    @property
    def size(self) -> int:
        """Entries that readers may have."""
        return self.reader.size

    def grown(self) -> None:
        """Take the view's new entries into the tree."""
        for entry in self.view.entries[self.tree.size :]:
            self.tree.append(leaf_hash(entry))

    # --- following ----------------------------------------------------------------------

    def fits(self, note: bytes, fresh: list[bytes]) -> bool:
        """Whether the tree with `fresh` entries behind it has the note's root."""
        found = checkpoints.parse_text(notes.parse(note).text)
        grown: CompactRange = self.tree.compact().append([leaf_hash(entry) for entry in fresh])
        return grown.size == found.size and grown.root() == found.root

    def publish(self, note: bytes) -> bool:
        """Take a cosigned note of a size that the tree has; whether it was news.

        `PeerError` for a note that is not cosigned or not of this tree. Evidence of a fork
        is kept in `evidence`.
        """
        found = checkpoints.parse_text(notes.parse(note).text)
        if found.size > self.tree.size:
            raise PeerError(Reason.RECORD_MISSING)
        if not self.reader.note and found.root != self.tree.root(found.size):
            raise PeerError(Reason.LOG_PROOF)
        proof: tuple[bytes, ...] = ()
        if 0 < self.reader.size < found.size <= self.tree.size:
            proof = merkle.consistency_proof(self.tree.nodes, self.reader.size, found.size)
        before = self.reader.size
        self.reader = self.reader.under(self.records.ruling_at(self.view.region, found.size))
        outcome = self.reader.advance(note, proof)
        match outcome:
            case Advanced(reader):
                self.reader = reader
            case Forked(evidence):
                self.evidence = evidence
        return self.reader.size > before

    # --- answering ----------------------------------------------------------------------

    def note(self) -> bytes:
        """The newest public checkpoint; `NOT_FOUND` before the first."""
        if not self.reader.note:
            raise ServiceError(Fault.NOT_FOUND)
        return self.reader.note

    def entries(self, start: int, limit: int, octets: int) -> Entries:
        """As `FederationService.entries`."""
        self._covered(start)
        found: list[bytes] = []
        total = 0
        for entry in self.view.entries[start : min(start + limit, self.size)]:
            total += len(entry)
            if found and total > octets:
                break
            found.append(entry)
        return Entries(tuple(found), self.size)

    def consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        """As `FederationService.consistency`."""
        self._covered(new)
        try:
            return tuple(merkle.consistency_proof(self.tree.nodes, old, new))
        except CallerError:
            raise ServiceError(Fault.BEYOND_CHECKPOINT) from None

    def inclusion(self, index: int, size: int) -> tuple[bytes, ...]:
        """As `FederationService.inclusion`."""
        self._covered(size)
        try:
            return tuple(merkle.inclusion_proof(self.tree.nodes, index, size))
        except CallerError:
            raise ServiceError(Fault.BEYOND_CHECKPOINT) from None

    def tile(self, path: str) -> bytes:
        """As `FederationService.tile`: full tiles, and partial ones of any width within it."""
        try:
            tile = tiles.parse_path(path)
            full = tiles.tile_octets(tile, self._public_node, self.view.entries.__getitem__)
        except (PeerError, CallerError, IndexError):
            raise ServiceError(Fault.NOT_FOUND) from None
        if not self._is_public(tile):
            raise ServiceError(Fault.NOT_FOUND)
        return full

    def _is_public(self, tile: tiles.Tile) -> bool:
        last = tile.index * tiles.WIDTH + tile.width
        covered = last << (tiles.HEIGHT * max(tile.level, 0))
        return covered <= self.size

    def _public_node(self, level: int, index: int) -> bytes:
        return self.tree.nodes(level, index)

    def _covered(self, size: int) -> None:
        if not 0 <= size <= self.size:
            raise ServiceError(Fault.BEYOND_CHECKPOINT)
