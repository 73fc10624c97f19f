"""Proofs and trees of RFC 6962, C2SP notes, checkpoints and tiles."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from functools import partial
from typing import Final

from guosuo.errors import Reason
from guosuo.federation import checkpoints, merkle, notes, tiles
from guosuo.federation.merkle import Tree
from guosuo.federation.tiles import ENTRIES, StoredTree, Tile
from guosuo.selftest.kinds import (
    Case,
    Kind,
    Run,
    Shape,
    accepted,
    judge,
    must_be_refused,
    named,
    same,
)
from guosuo.selftest.reading import Document, Fields
from guosuo.selftest.report import Family

_SHAPES: Final = {
    "inclusion": ("leafIdx", "treeSize", "leafHash", "root"),
    "consistency": ("size1", "size2", "root1", "root2"),
    "subtreeinclusion": ("leafIdx", "start", "end", "leafHash", "root"),
    "subtreeconsistency": ("start", "end", "size", "root1", "root2"),
}
"""Kinds of proofs by the names that they have besides proof and wantErr."""


def _base64(text: str, item: Fields, name: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        item.malformed(name, "is not Base64")


def _hash(item: Fields, name: str) -> bytes:
    return _base64(item.text(name), item, name)


def _texts(item: Fields, name: str) -> list[str]:
    """A list of texts; null is an empty one."""
    value = item.value(name)
    if value is None:
        return []
    found = [one for one in item.items(name) if isinstance(one, str)]
    if len(found) != len(item.items(name)):
        item.malformed(name, "is not a list of texts")
    return found


# --- proofs ----------------------------------------------------------------------------


def _verify(kind: str, item: Fields) -> None:
    proof = [_base64(text, item, "proof") for text in _texts(item, "proof")]
    if kind.endswith("inclusion"):
        leaf, root = _hash(item, "leafHash"), _hash(item, "root")
        if kind == "inclusion":
            place = item.whole("leafIdx"), item.whole("treeSize")
            act = partial(merkle.verify_inclusion, *place, leaf, proof, root)
        else:
            part = item.whole("leafIdx"), item.whole("start"), item.whole("end")
            act = partial(merkle.verify_subtree_inclusion, *part, leaf, proof, root)
    else:
        roots = _hash(item, "root1"), _hash(item, "root2")
        if kind == "consistency":
            sizes = item.whole("size1"), item.whole("size2")
            act = partial(merkle.verify_consistency, *sizes, *roots, proof)
        else:
            span = item.whole("start"), item.whole("end"), item.whole("size")
            act = partial(merkle.verify_subtree_consistency, *span, *roots, proof)
    judge(expected=not item.flag("wantErr"), found=accepted(act))


def _kind_of(document: Document) -> str | None:
    """The kind of proof that an object is."""
    if not isinstance(document, dict) or not {"proof", "wantErr"} <= document.keys():
        return None
    fitting = [kind for kind, names in _SHAPES.items() if set(names) <= document.keys()]
    return fitting[0] if len(fitting) == 1 else None


def _proofs(document: Document, _run: Run, path: str) -> Iterator[Case]:
    fields = Fields(document)
    kind = _kind_of(document)
    if kind is not None:
        yield Case(path, partial(_verify, kind, fields))
        return
    kind = fields.text("kind")
    if kind not in _SHAPES:
        fields.malformed("kind", "is no kind of proof")
    for item in fields.objects("cases"):
        name = item.text("file") if "file" in item else item.where
        yield Case(name, partial(_verify, kind, item))


def _fits_proofs(document: Document) -> int | None:
    if not isinstance(document, dict):
        return None
    kind = document.get("kind")
    several = isinstance(kind, str) and kind in _SHAPES and isinstance(document.get("cases"), list)
    return 0 if several or _kind_of(document) else None


# --- the reference tree ----------------------------------------------------------------


def _tree_of(leaves: list[bytes]) -> Tree:
    tree = Tree()
    for leaf in leaves:
        tree.append(leaf)
    return tree


def _single(item: Fields) -> None:
    if item.text("what") == "leaf":
        same(item.octets("hash_hex"), merkle.leaf_hash(item.text("data_utf8").encode()))
    else:
        sides = item.text("left_utf8").encode(), item.text("right_utf8").encode()
        same(item.octets("hash_hex"), merkle.node_hash(*sides))


def _tree(document: Document, _run: Run, _path: str) -> Iterator[Case]:
    fields = Fields(document)
    leaves = [merkle.leaf_hash(data) for data in fields.octet_list("leaf_inputs_hex")]
    given = fields.octet_list("leaf_hashes_hex")
    yield Case("number of leaves", partial(same, len(given), len(leaves)))
    for i, (expected, found) in enumerate(zip(given, leaves, strict=False)):
        yield Case(f"leaf {i}", partial(same, expected, found))
    tree = _tree_of(leaves)
    roots = fields.octet_list("root_hash_by_tree_size_hex")
    yield Case("number of roots", partial(same, len(roots), len(leaves) + 1))
    for size, expected in enumerate(roots[: tree.size + 1]):
        yield Case(f"root of {size}", partial(same, expected, tree.root(size)))
    for item in fields.objects("single_hashes") if "single_hashes" in fields else []:
        yield Case(item.text("what"), partial(_single, item))


# --- a log with tiles ------------------------------------------------------------------


def _log(document: Document, _run: Run, _path: str) -> Iterator[Case]:
    fields = Fields(document)
    entries = [text.encode() for text in _texts(fields, "entries_utf8")]
    tree = _tree_of([merkle.leaf_hash(entry) for entry in entries])
    hashes, bundle = fields.octets("leaf_tile_hex"), fields.octets("entries_bundle_hex")
    yield Case("bundle", partial(_bundle, entries, bundle))
    tile = Tile(0, 0, len(entries))
    yield Case("tile", lambda: same(hashes, tiles.tile_octets(tile, tree.nodes, bytes)))
    key = notes.parse_vkey(fields.text("vkey"))
    signed = fields.fields("checkpoints")
    for size in signed.names():
        data = signed.text(size).encode()
        yield Case(f"checkpoint {size}", partial(_checkpoint, key, data, size, hashes))


def _bundle(entries: list[bytes], given: bytes) -> None:
    """Written here, and read against the hashes of its entries."""
    same(given, tiles.encode_bundle(entries))
    hashes = b"".join(merkle.leaf_hash(entry) for entry in entries)
    found = tiles.check_bundle(Tile(ENTRIES, 0, len(entries)), given, hashes)
    same(tuple(entries), found)


def _checkpoint(key: notes.NoteKey, data: bytes, size: str, hashes: bytes) -> None:
    note = notes.parse(data)
    checkpoint = checkpoints.open_checkpoint(note, key.name, key.public)
    same(size, str(checkpoint.size), "size:")
    stored = StoredTree(len(hashes) // merkle.HASH_SIZE, lambda _: hashes)
    same(checkpoint.root, merkle.root(stored.nodes, checkpoint.size), "root:")
    same(data, note.encode(), "written again:")


# --- notes -----------------------------------------------------------------------------


def _note(item: Fields) -> None:
    data = item.text("note").encode()
    keys = [notes.parse_vkey(text) for text in _texts(item, "trusted_keys")]
    if not item.flag("opens"):
        must_be_refused(
            lambda: notes.verify(notes.parse(data), keys), [Reason.NOTE, Reason.NOTE_SIGNATURE]
        )
        return
    note = notes.parse(data)
    same(sorted(_texts(item, "verified_names")), sorted(notes.verify(note, keys)))
    same(data, note.encode(), "written again:")


def _vkey(item: Fields) -> None:
    text = item.text("vkey")
    if item.flag("valid"):
        same(text, notes.parse_vkey(text).vkey())
    else:
        must_be_refused(lambda: notes.parse_vkey(text), [Reason.NOTE])


def _signed_notes(document: Document, _run: Run, _path: str) -> Iterator[Case]:
    fields = Fields(document)
    for item in fields.objects("cases"):
        yield Case(item.text("what") if "what" in item else item.where, partial(_note, item))
    for item in fields.objects("verifier_keys") if "verifier_keys" in fields else []:
        yield Case(item.where, partial(_vkey, item))


def _fits_notes(document: Document) -> int | None:
    if not isinstance(document, dict):
        return None
    cases = document.get("cases")
    fitting = isinstance(cases, list) and bool(cases)
    for item in cases if isinstance(cases, list) else []:
        fitting = fitting and isinstance(item, dict) and {"note", "trusted_keys"} <= item.keys()
    return 0 if fitting else None


def _example(fields: Fields, name: str) -> None:
    data = fields.text(name).encode()
    note = notes.parse(data)
    same(data, note.encode(), "written again:")
    same(note.text, checkpoints.parse_text(note.text).text(), "text written again:")


def _cosigned(fields: Fields) -> None:
    note = notes.parse(fields.text("cosigned_checkpoint").encode())
    time = fields.whole("witness_cosignature_timestamp")
    message = checkpoints.cosigned_message(note.text, time)
    same(fields.text("cosigned_message").encode(), message, "signed message:")
    same(time, int.from_bytes(note.signatures[-1].data[:8], "big"), "time:")


def _checkpoints(document: Document, _run: Run, _path: str) -> Iterator[Case]:
    fields = Fields(document)
    yield Case("checkpoint", partial(_example, fields, "checkpoint"))
    yield Case("cosigned checkpoint", partial(_example, fields, "cosigned_checkpoint"))
    yield Case("cosigned message", partial(_cosigned, fields))


KINDS = (
    Kind(Family.MERKLE, "proofs", Shape(_fits_proofs, 3), _proofs),
    Kind(
        Family.MERKLE,
        "reference tree",
        named("leaf_inputs_hex", "leaf_hashes_hex", "root_hash_by_tree_size_hex"),
        _tree,
    ),
    Kind(
        Family.MERKLE,
        "log",
        named("vkey", "entries_utf8", "leaf_tile_hex", "entries_bundle_hex", "checkpoints"),
        _log,
    ),
    Kind(Family.MERKLE, "notes", Shape(_fits_notes, 2), _signed_notes),
    Kind(
        Family.MERKLE,
        "checkpoint examples",
        named("checkpoint", "cosigned_checkpoint", "cosigned_message"),
        _checkpoints,
    ),
)
