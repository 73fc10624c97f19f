"""Points and the engine interface: what every other room sees of the curve.

BLS12-381 written additively. G1: 48 bytes compressed, G2: 96 bytes compressed.
An `Engine` adapts one implementation; callers cannot tell which one runs.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

from guosuo.curve import encoding
from guosuo.curve.scalar import Scalar
from guosuo.errors import CallerError, Reason


class RawGroup(ABC):
    """Group operations of one engine on its own (native) point objects.

    `decode` receives bytes whose flags and ranges were already checked by
    `guosuo.curve.encoding`, never the identity, and must refuse, with `PeerError`,
    points off the curve or out of the subgroup. Scalars are in [0, r); operands
    may be equal, opposite or the identity. Native points never leave the room.
    """

    size: ClassVar[int]
    """Bytes of a compressed point."""

    @abstractmethod
    def generator(self) -> Any:
        """Give the base point."""

    @abstractmethod
    def identity(self) -> Any:
        """Give the neutral element."""

    @abstractmethod
    def add(self, a: Any, b: Any) -> Any:
        """Give a + b."""

    @abstractmethod
    def neg(self, a: Any) -> Any:
        """Give −a."""

    @abstractmethod
    def mul(self, a: Any, k: int) -> Any:
        """Give k·a."""

    @abstractmethod
    def equal(self, a: Any, b: Any) -> bool:
        """Tell whether a = b as points, whatever their coordinates."""

    @abstractmethod
    def is_identity(self, a: Any) -> bool:
        """Tell whether a is the neutral element."""

    @abstractmethod
    def encode(self, a: Any) -> bytes:
        """Give the compressed octets, canonical for the identity too."""

    @abstractmethod
    def decode(self, data: bytes) -> Any:
        """Read compressed octets; `encoding.refuse_point` where they are no point."""

    @abstractmethod
    def sum_of_products(self, points: Sequence[Any], scalars: Sequence[int]) -> Any:
        """Give Σ scalars[i]·points[i], for as many points as scalars, at least one."""

    @abstractmethod
    def hash_xmd_sha256(self, message: bytes, dst: bytes) -> Any:
        """RFC 9380 hash_to_curve, `XMD:SHA-256_SSWU_RO_`, DST of at most 255 bytes."""

    @abstractmethod
    def map_to_curve(self, *u: int) -> Any:
        """RFC 9380 map_to_curve followed by clear_cofactor of one field element.

        One integer below p for G1; two (c0, c1) for G2.
        """


class Point:
    """A point of one group of one engine; immutable. Use `G1` or `G2`."""

    __slots__ = ("_group", "_native")
    _group: RawGroup
    _native: Any

    def __init__(self, group: RawGroup, native: Any) -> None:
        """For engines only: everybody else decodes, hashes or computes points."""
        self._group = group
        self._native = native

    def __add__(self, other: Self) -> Self:
        native = self._group.add(self._native, _native(self._group, other))
        return type(self)(self._group, native)

    def __sub__(self, other: Self) -> Self:
        return self + (-other)

    def __neg__(self) -> Self:
        return type(self)(self._group, self._group.neg(self._native))

    def __mul__(self, scalar: Scalar) -> Self:
        return type(self)(self._group, self._group.mul(self._native, int(scalar)))

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        if other._group is not self._group:
            return self.encode() == other.encode()
        return self._group.equal(self._native, other._native)

    def __hash__(self) -> int:
        return hash(self.encode())

    def is_identity(self) -> bool:
        """True for the neutral element."""
        return self._group.is_identity(self._native)

    def encode(self) -> bytes:
        """Compressed octets, ZCash format (see `encoding`): 48 in G1, 96 in G2."""
        return self._group.encode(self._native)

    def encode_uncompressed(self) -> bytes:
        """Affine coordinates, ZCash format: 96 octets in G1, 192 in G2."""
        return encoding.decompress(self.encode())

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


def _native(group: RawGroup, point: Point) -> Any:
    """Give the native point, unless it is one of another group or engine."""
    if point._group is not group:
        raise CallerError(Reason.ENGINE, "points of different groups or engines")
    return point._native


def _sum_of_products(group: RawGroup, points: Sequence[Point], scalars: Sequence[Scalar]) -> Any:
    if len(points) != len(scalars):
        raise CallerError(Reason.ARGUMENT, "as many points as scalars")
    if not points:
        return group.identity()
    return group.sum_of_products(
        [_native(group, point) for point in points], [int(scalar) for scalar in scalars]
    )


class G1(Point):
    """A point of the subgroup of order r of E(Fp)."""

    __slots__ = ()


class G2(Point):
    """A point of the subgroup of order r of E'(Fp2)."""

    __slots__ = ()


class Engine(ABC):
    """One implementation of the curve behind one typed interface."""

    name: ClassVar[str]
    native: ClassVar[bool]
    """True where the arithmetic is compiled code."""
    constant_time: ClassVar[str]
    """What the engine's authors promise about timing, in one sentence."""

    raw1: RawGroup
    raw2: RawGroup

    # Concrete methods below live here once; engines only supply raw1, raw2 and
    # `_pairing_product_is_one` on native points.

    @functools.cached_property
    def g1(self) -> G1:
        """The base point of G1."""
        return G1(self.raw1, self.raw1.generator())

    @functools.cached_property
    def g2(self) -> G2:
        """P2, the base point of G2."""
        return G2(self.raw2, self.raw2.generator())

    @functools.cached_property
    def g1_identity(self) -> G1:
        """The neutral element of G1."""
        return G1(self.raw1, self.raw1.identity())

    @functools.cached_property
    def g2_identity(self) -> G2:
        """The neutral element of G2."""
        return G2(self.raw2, self.raw2.identity())

    def decode_g1(self, data: bytes, *, allow_identity: bool = False) -> G1:
        """Strictly read 48 compressed bytes: canonical, on the curve, in the subgroup.

        Raises `PeerError`. The identity is refused unless `allow_identity`, which
        only test vectors of other projects need (GS-CURVE-2, 3).
        """
        if encoding.check_compressed(data, self.raw1.size, allow_identity=allow_identity):
            return self.g1_identity
        return G1(self.raw1, self.raw1.decode(data))

    def decode_g2(self, data: bytes, *, allow_identity: bool = False) -> G2:
        """As `decode_g1`, for 96 bytes."""
        if encoding.check_compressed(data, self.raw2.size, allow_identity=allow_identity):
            return self.g2_identity
        return G2(self.raw2, self.raw2.decode(data))

    def decode_g1_uncompressed(self, data: bytes, *, allow_identity: bool = False) -> G1:
        """Strictly read 96 bytes of affine coordinates; otherwise as `decode_g1`.

        No message of ours has this form; other projects' vectors do.
        """
        octets = encoding.compress(data, self.raw1.size)
        return self.decode_g1(octets, allow_identity=allow_identity)

    def decode_g2_uncompressed(self, data: bytes, *, allow_identity: bool = False) -> G2:
        """As `decode_g1_uncompressed`, for 192 bytes."""
        octets = encoding.compress(data, self.raw2.size)
        return self.decode_g2(octets, allow_identity=allow_identity)

    def sum_of_products_g1(self, points: Sequence[G1], scalars: Sequence[Scalar]) -> G1:
        """Σ scalars[i]·points[i] in G1 (the identity for empty input)."""
        return G1(self.raw1, _sum_of_products(self.raw1, points, scalars))

    def sum_of_products_g2(self, points: Sequence[G2], scalars: Sequence[Scalar]) -> G2:
        """Σ scalars[i]·points[i] in G2 (the identity for empty input)."""
        return G2(self.raw2, _sum_of_products(self.raw2, points, scalars))

    def pairing_product_is_one(self, pairs: Sequence[tuple[G1, G2]]) -> bool:
        """True if Π e(P_i, Q_i) = 1; pairs with an identity contribute 1."""
        kept = [
            (_native(self.raw1, p), _native(self.raw2, q))
            for p, q in pairs
            if not p.is_identity() and not q.is_identity()
        ]
        return self._pairing_product_is_one(kept) if kept else True

    @abstractmethod
    def _pairing_product_is_one(self, pairs: Sequence[tuple[Any, Any]]) -> bool:
        """On native points, none of them the identity, at least one pair."""
