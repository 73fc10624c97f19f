"""The Merkle tree of a log: RFC 6962 hashing, proofs made and checked (RFC 9162 section 2.1).

`Nodes` is how a tree is given: a function from (level, index) to the hash of the complete
subtree of 2^level leaves that begins at leaf index·2^level. A `Tree` in memory has one, and
tiles give one (`guosuo.federation.tiles`). Proofs of everything follow from it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from guosuo.errors import CallerError, PeerError, Reason, refuse

HASH_SIZE: Final = 32
MAX_TREE: Final = (1 << 63) - 1
"""Leaves of a tree at most."""
MAX_PROOF: Final = 64
"""Hashes of a proof at most; none of a tree within `MAX_TREE` is longer."""
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
"""The root of no leaves."""

Nodes: TypeAlias = Callable[[int, int], bytes]
Proof: TypeAlias = tuple[bytes, ...]


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 ‖ leaf) (GS-LOG-1)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right) (GS-LOG-1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


# --- trees -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CompactRange:
    """What must be kept of a tree to append to it: the roots of its complete subtrees.

    `peaks` go from the largest subtree to the smallest, one for each set bit of `size`.
    """

    size: int = 0
    peaks: Proof = ()

    def __post_init__(self) -> None:
        """`CallerError(ARGUMENT)` unless size and peaks belong together."""
        if not 0 <= self.size <= MAX_TREE or len(self.peaks) != self.size.bit_count():
            raise CallerError(Reason.ARGUMENT, "a compact range with other peaks than its size")

    def append(self, leaves: Iterable[bytes]) -> CompactRange:
        """The range with more leaves, given by their hashes."""
        size, peaks = self.size, list(self.peaks)
        for leaf in leaves:
            node, rest = leaf, size
            while rest & 1:
                node, rest = node_hash(peaks.pop(), node), rest >> 1
            peaks.append(node)
            size += 1
        return CompactRange(size, tuple(peaks))

    def root(self) -> bytes:
        """The root hash."""
        return _fold(self.peaks)


@dataclass(slots=True)
class Tree:
    """A whole tree in memory; grows by leaves, 64 octets of hashes for each."""

    _levels: list[list[bytes]] = field(default_factory=lambda: [[]], repr=False)

    @property
    def size(self) -> int:
        """The number of leaves."""
        return len(self._levels[0])

    def append(self, leaf: bytes) -> None:
        """One more leaf, given by its hash; completes what subtrees it completes."""
        node, level = leaf, 0
        while True:
            if level == len(self._levels):
                self._levels.append([])
            row = self._levels[level]
            row.append(node)
            if len(row) & 1:
                return
            node, level = node_hash(row[-2], row[-1]), level + 1

    def nodes(self, level: int, index: int) -> bytes:
        """The hash of a complete subtree; `CallerError(ARGUMENT)` beyond the tree."""
        if not 0 <= level < len(self._levels) or not 0 <= index < len(self._levels[level]):
            raise CallerError(Reason.ARGUMENT, "the tree has no such complete subtree")
        return self._levels[level][index]

    def root(self, size: int | None = None) -> bytes:
        """The root at a size, the present one if none is given."""
        return root(self.nodes, self.size if size is None else size)

    def compact(self) -> CompactRange:
        """The compact range of the present size."""
        return CompactRange(self.size, tuple(self.nodes(*at) for at in cover(0, self.size)))


def root(nodes: Nodes, size: int) -> bytes:
    """The root of the first `size` leaves."""
    return subtree_root(nodes, 0, size)


def subtree_root(nodes: Nodes, start: int, end: int) -> bytes:
    """MTH(D[start:end]) of a subtree as proofs and subtree proofs have them.

    `CallerError(ARGUMENT)` unless `start` is a multiple of a power of two ≥ end − start.
    """
    if not is_subtree(start, end, MAX_TREE):
        raise CallerError(Reason.ARGUMENT, "no subtree")
    return _fold([nodes(*at) for at in cover(start, end)])


def is_subtree(start: int, end: int, size: int) -> bool:
    """Whether leaves [start, end) are a subtree of a tree of that size."""
    if not 0 <= start <= end <= size <= MAX_TREE:
        return False
    return start == end or start % (1 << (end - start - 1).bit_length()) == 0


# --- making proofs ---------------------------------------------------------------------


def inclusion_proof(nodes: Nodes, index: int, size: int) -> Proof:
    """The proof that leaf `index` is in the tree of that size (RFC 9162 section 2.1.3.1)."""
    if not 0 <= index < size <= MAX_TREE:
        raise CallerError(Reason.ARGUMENT, "a leaf outside of the tree")
    return _subproof(nodes, index, index + 1, size)


def consistency_proof(nodes: Nodes, old: int, new: int) -> Proof:
    """The proof that the tree of size `old` begins the one of size `new` (section 2.1.4.1).

    Empty for an old size of 0 and for equal sizes.
    """
    if not 0 <= old <= new <= MAX_TREE:
        raise CallerError(Reason.ARGUMENT, "sizes out of order")
    return _subproof(nodes, 0, old, new) if old else ()


def subtree_consistency_proof(nodes: Nodes, start: int, end: int, size: int) -> Proof:
    """As `consistency_proof`, of any subtree; empty for an empty one."""
    if not is_subtree(start, end, size):
        raise CallerError(Reason.ARGUMENT, "no subtree")
    return _subproof(nodes, start, end, size) if start < end else ()


def _subproof(nodes: Nodes, start: int, end: int, size: int) -> Proof:
    """Siblings from the subtree [start, end) up to the root.

    Where the subtree is no node of the larger tree, its last complete part comes first.
    """
    low, high, whole = 0, size, True
    siblings: list[bytes] = []
    while (low, high) != (start, end):
        middle = low + _split(high - low)
        if end <= middle:
            siblings.append(subtree_root(nodes, middle, high))
            high = middle
        else:
            siblings.append(subtree_root(nodes, low, middle))
            if start < middle:
                start, whole = middle, False
            low = middle
    if not whole:
        siblings.append(subtree_root(nodes, start, end))
    return tuple(reversed(siblings))


# --- checking proofs -------------------------------------------------------------------


def verify_inclusion(
    index: int, size: int, leaf: bytes, proof: Sequence[bytes], expected: bytes
) -> None:
    """Check that a leaf hash is at `index` under a root; `PeerError(LOG_PROOF)` (GS-LOG-2)."""
    _check_hashes([leaf, expected, *_bounded(proof)])
    if not 0 <= index < size <= MAX_TREE:
        refuse(Reason.LOG_PROOF, "a leaf outside of the tree")
    here, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            refuse(Reason.LOG_PROOF, "longer than the tree is high")
        if here & 1 or here == last:
            found = node_hash(sibling, found)
            while not here & 1:  # levels at which the last node has no sibling
                here, last = here >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        here, last = here >> 1, last >> 1
    if last != 0 or found != expected:
        refuse(Reason.LOG_PROOF)


def verify_subtree_inclusion(
    index: int, start: int, end: int, leaf: bytes, proof: Sequence[bytes], expected: bytes
) -> None:
    """As `verify_inclusion`, under the root of a subtree of the log."""
    if not is_subtree(start, end, MAX_TREE):
        refuse(Reason.LOG_PROOF, "no subtree")
    verify_inclusion(index - start, end - start, leaf, proof, expected)


def verify_consistency(
    old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that one tree begins another; `PeerError(LOG_PROOF)` (GS-LOG-3).

    Sizes may be equal, then roots must be and the proof is empty. An old size of 0 proves
    nothing and is refused unless both trees are empty.
    """
    if old == 0 and (new != 0 or new_root != EMPTY_ROOT):
        refuse(Reason.LOG_PROOF, "nothing follows from an empty tree")
    verify_subtree_consistency(0, old, new, old_root, new_root, proof)


def verify_subtree_consistency(
    start: int, end: int, size: int, part: bytes, whole: bytes, proof: Sequence[bytes]
) -> None:
    """Check that [start, end) with root `part` is in the tree with root `whole`.

    An empty subtree is in every tree, and then `whole` is not looked at.
    """
    _check_hashes([part, *_bounded(proof)])
    if not is_subtree(start, end, size):
        refuse(Reason.LOG_PROOF, "no subtree")
    if start == end:
        if part != EMPTY_ROOT or proof:
            refuse(Reason.LOG_PROOF)
        return
    _check_hashes([whole])
    first, last, end_of_tree = start, end - 1, size - 1
    # Down to the largest complete part of the subtree that ends where it ends.
    while first != last and (last == end_of_tree or last & 1):
        first, last, end_of_tree = first >> 1, last >> 1, end_of_tree >> 1
    rest = list(proof)
    if first == last:
        seed = part
    elif rest:
        seed = rest.pop(0)
    else:
        raise PeerError(Reason.LOG_PROOF)
    old = new = seed
    for sibling in rest:
        if end_of_tree == 0:
            refuse(Reason.LOG_PROOF, "longer than the tree is high")
        if last & 1 or last == end_of_tree:
            if first < last:
                old = node_hash(sibling, old)
            new = node_hash(sibling, new)
            while not last & 1:  # levels at which the last node has no sibling
                first, last, end_of_tree = first >> 1, last >> 1, end_of_tree >> 1
        else:
            new = node_hash(new, sibling)
        first, last, end_of_tree = first >> 1, last >> 1, end_of_tree >> 1
    if end_of_tree != 0 or old != part or new != whole:
        refuse(Reason.LOG_PROOF)


def _bounded(proof: Sequence[bytes]) -> Sequence[bytes]:
    if len(proof) > MAX_PROOF:
        refuse(Reason.TOO_LONG)
    return proof


def _check_hashes(hashes: Iterable[bytes]) -> None:
    if any(len(one) != HASH_SIZE for one in hashes):
        refuse(Reason.LOG_PROOF, "a hash of another length")


def _fold(peaks: Sequence[bytes]) -> bytes:
    """The root above complete subtrees, from the largest to the smallest."""
    if not peaks:
        return EMPTY_ROOT
    found = peaks[-1]
    for peak in reversed(peaks[:-1]):
        found = node_hash(peak, found)
    return found


def cover(start: int, end: int) -> Iterator[tuple[int, int]]:
    """The complete subtrees (level, index) of a subtree, from the largest to the smallest."""
    while start < end:
        level = (end - start).bit_length() - 1
        yield level, start >> level
        start += 1 << level


def _split(size: int) -> int:
    """The largest power of two below a size ≥ 2."""
    return 1 << ((size - 1).bit_length() - 1)
