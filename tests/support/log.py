"""A log with two histories, its notes and proofs, and four witnesses."""

from __future__ import annotations

from collections.abc import Callable

import nacl.signing
import pytest

from guosuo.errors import PeerError, Reason
from guosuo.federation import checkpoints, merkle, notes
from guosuo.federation.checkpoints import Checkpoint, Quorum
from guosuo.federation.merkle import Proof, Tree

ORIGIN = "guosuo/00/110000"
LOG = nacl.signing.SigningKey(bytes(32))
PUBLIC = bytes(LOG.verify_key)
OTHER = nacl.signing.SigningKey(bytes([9]) * 32)
WITNESSES = {f"{i}": nacl.signing.SigningKey(bytes([i]) * 32) for i in range(1, 5)}
QUORUM = Quorum(
    {name: bytes(key.verify_key) for name, key in WITNESSES.items()},
    {name: name for name in WITNESSES},
    3,
)


def tree_of(size: int, other_from: int | None = None) -> Tree:
    """A tree, with other leaves from a place on if one is given."""
    tree = Tree()
    for i in range(size):
        other = other_from is not None and i >= other_from
        tree.append(merkle.leaf_hash(b"%d%s" % (i, b"!" if other else b"")))
    return tree


GOOD, EVIL = tree_of(40), tree_of(40, other_from=6)


def note_of(tree: Tree, size: int, key: nacl.signing.SigningKey = LOG) -> notes.Note:
    return checkpoints.sign_checkpoint(Checkpoint(ORIGIN, size, tree.root(size)), key)


def cosigned(tree: Tree, size: int, names: str = "123") -> bytes:
    note = note_of(tree, size)
    lines = [
        checkpoints.cosign(note.text, f"guosuo-witness/{name}", WITNESSES[name], 7)
        for name in names
    ]
    return note.signed_by(lines).encode()


def proof(tree: Tree, old: int, new: int) -> Proof:
    return merkle.consistency_proof(tree.nodes, old, new)


def refused(act: Callable[[], object]) -> Reason:
    with pytest.raises(PeerError) as caught:
        act()
    return caught.value.reason
