"""Merkle trees and proofs against the published vectors, and against trees by definition."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guosuo.errors import CallerError, PeerError, Reason
from guosuo.federation import merkle
from guosuo.federation.merkle import EMPTY_ROOT, MAX_PROOF, CompactRange, Tree

PROOFS = ("inclusion", "consistency", "subtreeinclusion", "subtreeconsistency")


def octets(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def check(kind: str, case: dict[str, Any]) -> None:
    proof = [octets(one) for one in case["proof"] or []]
    match kind:
        case "inclusion":
            leaf, root = octets(case["leafHash"]), octets(case["root"])
            merkle.verify_inclusion(case["leafIdx"], case["treeSize"], leaf, proof, root)
        case "consistency":
            roots = octets(case["root1"]), octets(case["root2"])
            merkle.verify_consistency(case["size1"], case["size2"], *roots, proof)
        case "subtreeinclusion":
            leaf, root = octets(case["leafHash"]), octets(case["root"])
            place = case["leafIdx"], case["start"], case["end"]
            merkle.verify_subtree_inclusion(*place, leaf, proof, root)
        case _:
            roots = octets(case["root1"]), octets(case["root2"])
            place = case["start"], case["end"], case["size"]
            merkle.verify_subtree_consistency(*place, *roots, proof)


def holds(verify: Callable[[], None]) -> bool:
    try:
        verify()
    except PeerError as error:
        if error.reason not in {Reason.LOG_PROOF, Reason.TOO_LONG}:
            raise
        return False
    return True


@pytest.mark.parametrize("kind", PROOFS)
def test_published_proofs(vectors: Path, kind: str) -> None:
    cases = json.loads((vectors / f"merkle/{kind}.json").read_text())["cases"]
    accepted = refused = 0
    for case in cases:
        found = holds(lambda case=case: check(kind, case))  # type: ignore[misc]
        assert found is not case["wantErr"], case["file"]
        accepted, refused = accepted + found, refused + (not found)
    expected = {
        "inclusion": (3, 49),
        "consistency": (3, 46),
        "subtreeinclusion": (6, 99),
        "subtreeconsistency": (9, 56),
    }
    assert (accepted, refused) == expected[kind]


@pytest.fixture(scope="module")
def published(vectors: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((vectors / "merkle/rfc6962-tree.json").read_text())
    return document


def test_published_tree(published: dict[str, Any]) -> None:
    tree, compact = Tree(), CompactRange()
    roots = [binascii.unhexlify(text) for text in published["root_hash_by_tree_size_hex"]]
    assert tree.root() == compact.root() == EMPTY_ROOT == roots[0]
    inputs = [binascii.unhexlify(text) for text in published["leaf_inputs_hex"]]
    for data, expected, root in zip(inputs, published["leaf_hashes_hex"], roots[1:], strict=True):
        leaf = merkle.leaf_hash(data)
        assert leaf.hex() == expected
        tree.append(leaf)
        compact = compact.append([leaf])
        assert tree.root() == compact.root() == root
        assert tree.compact() == compact
    assert [tree.root(size) for size in range(9)] == roots
    leaf_case, node_case = published["single_hashes"]
    assert merkle.leaf_hash(leaf_case["data_utf8"].encode()).hex() == leaf_case["hash_hex"]
    sides = node_case["left_utf8"].encode(), node_case["right_utf8"].encode()
    assert merkle.node_hash(*sides).hex() == node_case["hash_hex"]


def test_published_proofs_are_the_ones_made_here(vectors: Path, published: dict[str, Any]) -> None:
    """Valid ones of the reference tree, octet by octet."""
    tree = Tree()
    for text in published["leaf_hashes_hex"]:
        tree.append(binascii.unhexlify(text))
    compared = 0
    for kind in PROOFS:
        for case in json.loads((vectors / f"merkle/{kind}.json").read_text())["cases"]:
            if case["wantErr"]:
                continue
            match kind:
                case "inclusion":
                    made = merkle.inclusion_proof(tree.nodes, case["leafIdx"], case["treeSize"])
                case "consistency":
                    made = merkle.consistency_proof(tree.nodes, case["size1"], case["size2"])
                case "subtreeconsistency":
                    place = case["start"], case["end"], case["size"]
                    made = merkle.subtree_consistency_proof(tree.nodes, *place)
                case _:
                    continue
            assert made == tuple(octets(one) for one in case["proof"] or [])
            compared += 1
    assert compared == 15


# --- against the definition ---


def defined(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, by the letter."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return hashlib.sha256(b"\1" + defined(leaves[:k]) + defined(leaves[k:])).digest()


def leaves_of(size: int) -> list[bytes]:
    return [merkle.leaf_hash(b"%d" % i) for i in range(size)]


def tree_of(size: int) -> Tree:
    tree = Tree()
    for leaf in leaves_of(size):
        tree.append(leaf)
    return tree


TREE = tree_of(300)
LEAVES = leaves_of(300)


def test_every_small_tree() -> None:
    for new in range(1, 34):
        root = defined(LEAVES[:new])
        assert TREE.root(new) == root
        for index in range(new):
            proof = merkle.inclusion_proof(TREE.nodes, index, new)
            merkle.verify_inclusion(index, new, LEAVES[index], proof, root)
        for old in range(1, new + 1):
            proof = merkle.consistency_proof(TREE.nodes, old, new)
            merkle.verify_consistency(old, new, defined(LEAVES[:old]), root, proof)
        for start in range(new):
            for end in range(start, new + 1):
                if merkle.is_subtree(start, end, new):
                    proof = merkle.subtree_consistency_proof(TREE.nodes, start, end, new)
                    part = defined(LEAVES[start:end])
                    assert merkle.subtree_root(TREE.nodes, start, end) == part
                    merkle.verify_subtree_consistency(start, end, new, part, root, proof)


sizes = st.integers(1, 300)


@st.composite
def damaged(draw: st.DrawFn, proof: Sequence[bytes], *roots: bytes) -> list[list[bytes]]:
    """Proof and roots with one bit flipped, or the proof longer, shorter or in disorder."""
    parts = [list(proof), *([one] for one in roots)]
    ways = ["bit", "more"] + ["less"] * bool(proof) + ["order"] * (len(set(proof)) > 1)
    match draw(st.sampled_from(ways)):
        case "bit":
            part = draw(st.sampled_from([p for p in parts if p]))
            at = draw(st.integers(0, len(part) - 1))
            number = int.from_bytes(part[at], "big") ^ (1 << draw(st.integers(0, 255)))
            part[at] = number.to_bytes(32, "big")
        case "more":
            extra = draw(st.sampled_from([b"", bytes(32), *roots, *proof]))
            parts[0].insert(draw(st.integers(0, len(parts[0]))), extra)
        case "less":
            parts[0].pop(draw(st.integers(0, len(parts[0]) - 1)))
        case _:
            parts[0].reverse()
    return parts


@given(st.data(), sizes)
def test_inclusion_and_nothing_near_it(data: st.DataObject, size: int) -> None:
    index = data.draw(st.integers(0, size - 1))
    root, leaf = TREE.root(size), LEAVES[index]
    proof = merkle.inclusion_proof(TREE.nodes, index, size)
    merkle.verify_inclusion(index, size, leaf, proof, root)
    other, [a], [b] = data.draw(damaged(proof, leaf, root))
    if other != list(proof) or (a, b) != (leaf, root):
        assert not holds(lambda: merkle.verify_inclusion(index, size, a, other, b))
    place = data.draw(st.integers(0, size - 1))
    if place != index:
        assert not holds(lambda: merkle.verify_inclusion(place, size, leaf, proof, root))


@given(st.data(), sizes)
def test_consistency_and_nothing_near_it(data: st.DataObject, new: int) -> None:
    old = data.draw(st.integers(1, new))
    roots = TREE.root(old), TREE.root(new)
    proof = merkle.consistency_proof(TREE.nodes, old, new)
    merkle.verify_consistency(old, new, *roots, proof)
    other, [a], [b] = data.draw(damaged(proof, *roots))
    if other != list(proof) or (a, b) != roots:
        assert not holds(lambda: merkle.verify_consistency(old, new, a, b, other))


hashes = st.binary(min_size=32, max_size=32) | st.binary(max_size=40)


@given(st.integers(-1, 1 << 65), st.integers(-1, 1 << 65), hashes, hashes, st.lists(hashes))
def test_anything_else_is_refused(
    first: int, second: int, a: bytes, b: bytes, proof: list[bytes]
) -> None:
    assert not holds(lambda: merkle.verify_inclusion(first, second, a, proof, b)) or a == b
    assert not holds(lambda: merkle.verify_consistency(first, second, a, b, proof)) or a == b


def test_a_proof_of_too_many_hashes_is_not_read() -> None:
    proof = [bytes(32)] * (MAX_PROOF + 1)
    with pytest.raises(PeerError) as caught:
        merkle.verify_inclusion(0, 2, bytes(32), proof, bytes(32))
    assert caught.value.reason is Reason.TOO_LONG
    with pytest.raises(PeerError) as caught:
        merkle.verify_consistency(1, 2, bytes(32), bytes(32), proof)
    assert caught.value.reason is Reason.TOO_LONG


def test_nothing_follows_from_an_empty_tree() -> None:
    merkle.verify_consistency(0, 0, EMPTY_ROOT, EMPTY_ROOT, [])
    assert not holds(lambda: merkle.verify_consistency(0, 1, EMPTY_ROOT, LEAVES[0], []))
    assert merkle.consistency_proof(TREE.nodes, 0, 9) == ()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: merkle.inclusion_proof(TREE.nodes, 5, 5),
        lambda: merkle.inclusion_proof(TREE.nodes, -1, 5),
        lambda: merkle.consistency_proof(TREE.nodes, 6, 5),
        lambda: merkle.subtree_consistency_proof(TREE.nodes, 1, 3, 5),
        lambda: merkle.subtree_root(TREE.nodes, 1, 3),
        lambda: TREE.root(301),
        lambda: TREE.nodes(0, -1),
        lambda: CompactRange(3, (bytes(32),)),
    ],
)
def test_wrong_questions_are_the_callers_fault(wrong: Callable[[], object]) -> None:
    with pytest.raises(CallerError):
        wrong()
