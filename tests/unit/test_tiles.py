"""Tiles and bundles: their names, their octets, and trees read from them."""

from __future__ import annotations

import binascii
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guosuo.errors import CallerError, PeerError, Reason
from guosuo.federation import checkpoints, merkle, notes, tiles
from guosuo.federation.merkle import Tree
from guosuo.federation.records import MAX_ENTRY
from guosuo.federation.tiles import ENTRIES, StoredTree, Tile


@pytest.fixture(scope="module")
def log(vectors: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((vectors / "merkle/tessera-log.json").read_text())
    return document


def entry(index: int) -> bytes:
    return b"entry %d" % index


def tree_of(size: int) -> Tree:
    tree = Tree()
    for i in range(size):
        tree.append(merkle.leaf_hash(entry(i)))
    return tree


BIG = 70_000
TREE = tree_of(BIG)

# --- a published log ---


def test_published_log(log: dict[str, Any]) -> None:
    entries = [text.encode() for text in log["entries_utf8"]]
    tree = Tree()
    for one in entries:
        tree.append(merkle.leaf_hash(one))
    size = len(entries)
    files = {
        file.path: file.data
        for file in tiles.publication(0, size, tree.nodes, entries.__getitem__, b"note")
    }
    assert files == {
        "tile/entries/000.p/15": binascii.unhexlify(log["entries_bundle_hex"]),
        "tile/0/000.p/15": binascii.unhexlify(log["leaf_tile_hex"]),
        "checkpoint": b"note",
    }
    stored = StoredTree(size, lambda tile: files[tile.path])
    key = notes.parse_vkey(log["vkey"])
    for text, note in log["checkpoints"].items():
        checkpoint = checkpoints.open_checkpoint(
            notes.parse(note.encode()), "example.com/log/testdata", key.public
        )
        assert checkpoint.size == int(text)
        assert checkpoint.root == merkle.root(stored.nodes, checkpoint.size)
    hashes = files["tile/0/000.p/15"]
    bundle = files["tile/entries/000.p/15"]
    assert tiles.check_bundle(Tile(ENTRIES, 0, 15), bundle, hashes) == tuple(entries)


# --- names ---


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 1234067), "tile/0/x001/x234/067"),
        (Tile(1, 999, 255), "tile/1/999.p/255"),
        (Tile(7, 0, 1), "tile/7/000.p/1"),
        (Tile(2, 1000), "tile/2/x001/000"),
        (Tile(ENTRIES, 1234067, 8), "tile/entries/x001/x234/067.p/8"),
    ],
)
def test_paths(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert tiles.parse_path(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/0",
        "tile/0/1234",
        "tile/00/000",
        "tile/8/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/x000/001",
        "tile/0/001/067",
        "tile/0/x001",
        "tile/0/x001/x067",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/",
        "tile/0/000/",
        "/tile/0/000",
        "tile/0/../000",
        "tile/0/000\n",
        "tile/0/\u0660\u0660\u0660",
        "tile/entries/000.p/1/2",
        "tile/7/x999/999",
        "tile/0/" + "x999/" * 9 + "999",
        "tile/0/" + "x001/" * 20 + "000",
        "checkpoint",
        "",
    ],
)
def test_paths_in_no_or_another_spelling(path: str) -> None:
    with pytest.raises(PeerError) as caught:
        tiles.parse_path(path)
    assert caught.value.reason is Reason.LOG_TILE


@given(st.text(max_size=30).map(lambda tail: f"tile/{tail}") | st.text())
def test_any_text_is_a_path_or_refused(text: str) -> None:
    try:
        tile = tiles.parse_path(text)
    except PeerError:
        return
    assert tile.path == text


def test_tiles_of_the_example_of_the_specification() -> None:
    found = list(tiles.tiles_of(BIG))
    by_level = {
        level: [(t.index, t.width) for t in found if t.level == level] for level in (0, 1, 2, 3)
    }
    assert by_level[0] == [*((i, 256) for i in range(273)), (273, 112)]
    assert by_level[1] == [(0, 256), (1, 17)]
    assert by_level[2] == [(0, 1)]
    assert by_level[3] == []
    assert [(t.level, t.index, t.width) for t in tiles.tiles_of(256)] == [
        (ENTRIES, 0, 256),
        (0, 0, 256),
        (1, 0, 1),
    ]
    assert list(tiles.tiles_of(0)) == []


@given(st.integers(0, 1 << 40), st.integers(0, 600))
def test_what_is_new_in_a_larger_tree(old: int, more: int) -> None:
    new = old + more
    found = list(tiles.tiles_between(old, new))
    assert len(set(found)) == len(found)
    for tile in found:
        span = 256 ** max(tile.level, 0)
        assert new // span >= tile.index * 256 + tile.width > old // span
        assert tile.width == 256 or tile.index == new // span // 256
        assert tiles.parse_path(tile.path) == tile
    if old < 5000:
        assert set(tiles.tiles_of(new)) <= {*found, *tiles.tiles_of(old)}


# --- octets ---


def test_growing_log_is_readable_at_each_step() -> None:
    """Files in their order, and after each of them the checkpoint that is there is whole."""
    files: dict[str, bytes] = {}
    sizes = [0, 1, 2, 255, 256, 257, 511, 512, 700]
    shown = 0
    for old, new in itertools.pairwise(sizes):
        for file in tiles.publication(old, new, TREE.nodes, entry, b"%d" % new):
            assert file.path == "checkpoint" or file.path not in files, "never written twice"
            files[file.path] = file.data
            shown = int(files.get("checkpoint", b"0"))
            stored = StoredTree(shown, lambda tile: files[tile.path])
            assert merkle.root(stored.nodes, shown) == TREE.root(shown)
            for tile in tiles.tiles_of(shown):
                if tile.level == ENTRIES:
                    hashes = files[Tile(0, tile.index, tile.width).path]
                    tiles.check_bundle(tile, files[tile.path], hashes)
        assert shown == new


@given(st.data(), st.integers(1, BIG))
def test_proofs_from_tiles(data: st.DataObject, size: int) -> None:
    fetched: list[Tile] = []

    def fetch(tile: Tile) -> bytes:
        fetched.append(tile)
        return tiles.tile_octets(tile, TREE.nodes, entry)

    index = data.draw(st.integers(0, size - 1))
    stored = StoredTree(size, fetch)
    proof = merkle.inclusion_proof(stored.nodes, index, size)
    assert proof == merkle.inclusion_proof(TREE.nodes, index, size)
    wanted = tiles.tiles_for(size, lambda nodes: merkle.inclusion_proof(nodes, index, size))
    assert list(wanted) == fetched
    assert set(wanted) <= set(tiles.tiles_of(size))
    assert len(wanted) <= 6
    old = data.draw(st.integers(1, size))
    proof = merkle.consistency_proof(stored.nodes, old, size)
    merkle.verify_consistency(old, size, TREE.root(old), TREE.root(size), proof)


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=256), st.data())
def test_bundles(entries: list[bytes], data: st.DataObject) -> None:
    packed = tiles.encode_bundle(entries)
    assert tiles.decode_bundle(packed, len(entries)) == tuple(entries)
    for wrong, width in [
        (packed, len(entries) + 1),
        (packed, len(entries) - 1),
        (packed + b"\0", len(entries)),
        (packed[: data.draw(st.integers(0, len(packed) - 1))], len(entries)),
    ]:
        with pytest.raises(PeerError) as caught:
            tiles.decode_bundle(wrong, width)
        assert caught.value.reason is Reason.LOG_TILE


@given(st.binary(max_size=600), st.integers(-1, 300))
def test_any_octets_are_a_tile_or_refused(data: bytes, width: int) -> None:
    for decode in (tiles.decode_bundle, tiles.decode_hashes):
        try:
            found = decode(data, width)
        except PeerError:
            continue
        assert len(found) == width
        if decode is tiles.decode_bundle:
            assert tiles.encode_bundle(found) == data


def test_bounds_of_entries() -> None:
    longest = bytes(MAX_ENTRY)
    assert tiles.decode_bundle(tiles.encode_bundle([longest] * 256), 256) == (longest,) * 256
    too_long = (MAX_ENTRY + 1).to_bytes(2, "big") + bytes(MAX_ENTRY + 1)
    with pytest.raises(PeerError):
        tiles.decode_bundle(too_long, 1)
    with pytest.raises(PeerError) as caught:
        tiles.decode_bundle(bytes(tiles.MAX_BUNDLE + 1), 256)
    assert caught.value.reason is Reason.TOO_LONG


def test_a_full_tile_stands_in_for_a_partial_one() -> None:
    for level in (ENTRIES, 0):
        part = Tile(level, 1, 7)
        octets = tiles.tile_octets(part.full, TREE.nodes, entry)
        assert tiles.narrow(part, octets) == tiles.tile_octets(part, TREE.nodes, entry)


def test_a_bundle_with_another_entry_is_refused() -> None:
    tile = Tile(ENTRIES, 0, 3)
    hashes = tiles.tile_octets(Tile(0, 0, 3), TREE.nodes, entry)
    good = tiles.encode_bundle([entry(0), entry(1), entry(2)])
    assert len(tiles.check_bundle(tile, good, hashes)) == 3
    for bad in ([entry(0), entry(1), entry(3)], [entry(1), entry(0), entry(2)]):
        with pytest.raises(PeerError):
            tiles.check_bundle(tile, tiles.encode_bundle(bad), hashes)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: list(tiles.tiles_between(2, 1)),
        lambda: tiles.tile_at(10, 4, 0),
        lambda: tiles.tile_at(10, 0, 10),
        lambda: tiles.tile_at(10, -1, 0),
        lambda: tiles.encode_bundle([]),
        lambda: tiles.encode_bundle([b""] * 257),
        lambda: tiles.encode_bundle([bytes(MAX_ENTRY + 1)]),
    ],
)
def test_wrong_questions_are_the_callers_fault(wrong: Callable[[], object]) -> None:
    with pytest.raises(CallerError):
        wrong()
