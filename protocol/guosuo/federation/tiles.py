"""A log as static files: C2SP tlog-tiles paths, hash tiles and entry bundles.

A tile of level L holds up to 256 hashes of complete subtrees of 256^L leaves; an entry
bundle holds the entries under one tile of level 0. Full ones never change, partial ones
are named by their width, so that no file is ever written with other octets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from guosuo.errors import CallerError, PeerError, Reason, refuse
from guosuo.federation import merkle
from guosuo.federation.merkle import HASH_SIZE, MAX_TREE, Nodes
from guosuo.federation.records import MAX_ENTRY

WIDTH: Final = 256
"""Hashes of a full tile, entries of a full bundle."""
HEIGHT: Final = 8
"""Levels of the tree between one level of tiles and the next."""
TOP_LEVEL: Final = 7
"""No tree within `MAX_TREE` has a tile above."""
ENTRIES: Final = -1
"""In place of a level: a bundle of entries."""
MAX_BUNDLE: Final = WIDTH * (2 + MAX_ENTRY)
"""Octets of a bundle at most."""
CHECKPOINT: Final = "checkpoint"
"""Path of the newest checkpoint; the only file that is replaced."""

_MAX_PATH: Final = 64
_PATH: Final = re.compile(
    r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/)*)([0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?"
)


@dataclass(frozen=True, slots=True)
class Tile:
    """The name of a tile, or of a bundle if `level` is `ENTRIES`."""

    level: int
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Relative to the log's prefix: `tile/<L>/<N>[.p/<W>]` (GS-LOG-4)."""
        level = "entries" if self.level == ENTRIES else str(self.level)
        digits = f"{self.index:d}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        parts = [digits[i : i + 3] for i in range(0, len(digits), 3)]
        number = "/".join([*(f"x{part}" for part in parts[:-1]), parts[-1]])
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{level}/{number}{partial}"

    @property
    def full(self) -> Tile:
        """The full tile of the same place, which may stand in for a partial one."""
        return Tile(self.level, self.index)


TileReader: TypeAlias = Callable[[Tile], bytes]
"""From the name of a tile to octets of exactly its width; `PeerError` if there is none."""


def parse_path(path: str) -> Tile:
    """The tile of a path in its one spelling; `PeerError(LOG_TILE)` (GS-LOG-4)."""
    match = _PATH.fullmatch(path) if len(path) <= _MAX_PATH else None
    if match is None:
        raise PeerError(Reason.LOG_TILE)
    level = ENTRIES if match[1] == "entries" else int(match[1])
    index = int(match[2].replace("x", "").replace("/", "") + match[3])
    tile = Tile(level, index, int(match[4]) if match[4] else WIDTH)
    span = WIDTH ** (max(level, 0) + 1)
    if level > TOP_LEVEL or index * span >= MAX_TREE or tile.path != path:
        raise PeerError(Reason.LOG_TILE)
    if match[4] and tile.width >= WIDTH:
        raise PeerError(Reason.LOG_TILE)
    return tile


def tiles_of(size: int) -> Iterator[Tile]:
    """Every tile and bundle of a tree of that size, as `tiles_between(0, size)`."""
    return tiles_between(0, size)


def tiles_between(old: int, new: int) -> Iterator[Tile]:
    """What a tree of size `new` has and one of size `old` has not, from below upwards."""
    if not 0 <= old <= new <= MAX_TREE:
        raise CallerError(Reason.ARGUMENT, "sizes out of order")
    for level in (ENTRIES, *range(TOP_LEVEL + 1)):
        before, after = (size >> (HEIGHT * max(level, 0)) for size in (old, new))
        if before == after:
            continue
        for index in range(before // WIDTH, -(-after // WIDTH)):
            yield Tile(level, index, min(WIDTH, after - index * WIDTH))


def tile_at(size: int, level: int, index: int) -> tuple[Tile, int, int]:
    """In which tile of a tree of that size a complete subtree is: tile, first hash, end."""
    if not (0 <= level <= MAX_TREE.bit_length() and 0 <= index < size <= MAX_TREE):
        raise CallerError(Reason.ARGUMENT, "the tree has no such complete subtree")
    tile_level, height = divmod(level, HEIGHT)
    first = index << height
    number, offset = divmod(first, WIDTH)
    width = min(WIDTH, (size >> (HEIGHT * tile_level)) - number * WIDTH)
    if offset + (1 << height) > width:
        raise CallerError(Reason.ARGUMENT, "the tree has no such complete subtree")
    return Tile(tile_level, number, width), offset, offset + (1 << height)


# --- octets ----------------------------------------------------------------------------


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Entries one after the other, each behind its length in two octets (GS-LOG-5)."""
    if not 1 <= len(entries) <= WIDTH or any(len(entry) > MAX_ENTRY for entry in entries):
        raise CallerError(Reason.ARGUMENT, "more entries, or a longer one, than a bundle takes")
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def decode_bundle(data: bytes, width: int) -> tuple[bytes, ...]:
    """The entries of a bundle of that width; `PeerError(LOG_TILE)` (GS-LOG-5)."""
    if len(data) > MAX_BUNDLE:
        refuse(Reason.TOO_LONG)
    found: list[bytes] = []
    at = 0
    while at < len(data) and len(found) < width:
        size = int.from_bytes(data[at : at + 2], "big")
        end = at + 2 + size
        if size > MAX_ENTRY or at + 2 > len(data) or end > len(data):
            refuse(Reason.LOG_TILE)
        found.append(data[at + 2 : end])
        at = end
    if at != len(data) or len(found) != width or not 1 <= width <= WIDTH:
        refuse(Reason.LOG_TILE)
    return tuple(found)


def decode_hashes(data: bytes, width: int) -> tuple[bytes, ...]:
    """The hashes of a tile of that width; `PeerError(LOG_TILE)` (GS-LOG-4)."""
    if not 1 <= width <= WIDTH or len(data) != HASH_SIZE * width:
        raise PeerError(Reason.LOG_TILE)
    return tuple(data[i : i + HASH_SIZE] for i in range(0, len(data), HASH_SIZE))


def narrow(tile: Tile, full: bytes) -> bytes:
    """The octets of a partial tile or bundle, cut from those of the full one."""
    if tile.level != ENTRIES:
        return b"".join(decode_hashes(full, WIDTH)[: tile.width])
    return encode_bundle(decode_bundle(full, WIDTH)[: tile.width])


# --- writing ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class File:
    """A file to write: all but the checkpoint are new and never change."""

    path: str
    data: bytes = field(repr=False)


def tile_octets(tile: Tile, nodes: Nodes, entry: Callable[[int], bytes]) -> bytes:
    """The octets of a tile or bundle; `entry` gives the octets of an entry by its index."""
    places = range(tile.index * WIDTH, tile.index * WIDTH + tile.width)
    if tile.level == ENTRIES:
        return encode_bundle([entry(i) for i in places])
    return b"".join(nodes(HEIGHT * tile.level, i) for i in places)


def publication(
    old: int, new: int, nodes: Nodes, entry: Callable[[int], bytes], checkpoint: bytes
) -> Iterator[File]:
    """What to write, in this order, when the log has grown (GS-LOG-6).

    Entries come before the hashes over them and the checkpoint comes last: written one
    after the other, each durable before the next, they never show a reader a checkpoint
    whose tiles are not there. Written again after a crash they are the same octets.
    """
    for tile in tiles_between(old, new):
        yield File(tile.path, tile_octets(tile, nodes, entry))
    yield File(CHECKPOINT, checkpoint)


# --- reading ---------------------------------------------------------------------------


@dataclass(slots=True)
class StoredTree:
    """A tree of a known size, read from its tiles; each is fetched and parsed once.

    What it gives is what the server of the tiles says. Only a proof or a root made of it
    and checked against a cosigned checkpoint says that it is true.
    """

    size: int
    fetch: TileReader = field(repr=False)
    _read: dict[Tile, tuple[bytes, ...]] = field(default_factory=dict, repr=False)

    def nodes(self, level: int, index: int) -> bytes:
        """The hash of a complete subtree; `PeerError(LOG_TILE)` for a malformed tile."""
        tile, start, end = tile_at(self.size, level, index)
        if tile not in self._read:
            self._read[tile] = decode_hashes(self.fetch(tile), tile.width)
        row = list(self._read[tile][start:end])
        while len(row) > 1:
            row = [merkle.node_hash(row[i], row[i + 1]) for i in range(0, len(row), 2)]
        return row[0]


def tiles_for(size: int, build: Callable[[Nodes], object]) -> tuple[Tile, ...]:
    """Which tiles `build` reads of a tree of that size, to fetch them beforehand."""
    wanted: dict[Tile, None] = {}

    def note(level: int, index: int) -> bytes:
        wanted[tile_at(size, level, index)[0]] = None
        return bytes(HASH_SIZE)

    build(note)
    return tuple(wanted)


def check_bundle(tile: Tile, data: bytes, hashes: bytes) -> tuple[bytes, ...]:
    """The entries of a bundle that are the leaves of its tile of level 0 (GS-LOG-7).

    `hashes` are the octets of that tile, proven before. `PeerError(LOG_TILE)`.
    """
    entries = decode_bundle(data, tile.width)
    if tuple(merkle.leaf_hash(entry) for entry in entries) != decode_hashes(hashes, tile.width):
        raise PeerError(Reason.LOG_TILE)
    return entries
