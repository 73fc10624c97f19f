"""A curve without secrets: the same groups and pairing, with every logarithm in plain sight.

A "point" is its own logarithm modulo r, and e(P, Q) is the product of the two. The
library runs on it unchanged, so a test can look through a whole federation as an
observer of unbounded power would. Says nothing about hardness, of course, and
everything about what is hidden perfectly and about which equations hold at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, ClassVar

from guosuo.curve.points import Engine, Point, RawGroup
from guosuo.curve.scalar import ORDER, Scalar
from guosuo.errors import PeerError, Reason

_COMPRESSED = 0x80
_IDENTITY = 0xC0


class _Logarithms(RawGroup):
    """Integers modulo r in the octets of compressed points."""

    def __init__(self, size: int) -> None:
        self._size = size

    def generator(self) -> int:
        return 1

    def identity(self) -> int:
        return 0

    def add(self, a: int, b: int) -> int:
        return (a + b) % ORDER

    def neg(self, a: int) -> int:
        return -a % ORDER

    def mul(self, a: int, k: int) -> int:
        return a * k % ORDER

    def equal(self, a: int, b: int) -> bool:
        return a == b

    def is_identity(self, a: int) -> bool:
        return a == 0

    def encode(self, a: int) -> bytes:
        octets = bytearray(a.to_bytes(self._size, "big"))
        octets[0] |= _COMPRESSED if a else _IDENTITY
        return bytes(octets)

    def decode(self, data: bytes) -> int:
        value = int.from_bytes(bytes([data[0] & 0x1F]) + data[1:], "big")
        if not 0 < value < ORDER or data[0] & 0x60:
            raise PeerError(Reason.POINT_NOT_IN_SUBGROUP)
        return value

    def sum_of_products(self, points: Sequence[int], scalars: Sequence[int]) -> int:
        return sum(p * k for p, k in zip(points, scalars, strict=True)) % ORDER

    def hash_xmd_sha256(self, message: bytes, dst: bytes) -> int:
        octets = hashlib.sha512(len(dst).to_bytes(2, "big") + dst + message).digest()
        return int.from_bytes(octets, "big") % ORDER

    def map_to_curve(self, *u: int) -> int:
        return hash(u) % ORDER


class _Group1(_Logarithms):
    size: ClassVar[int] = 48

    def __init__(self) -> None:
        super().__init__(self.size)


class _Group2(_Logarithms):
    size: ClassVar[int] = 96

    def __init__(self) -> None:
        super().__init__(self.size)


class TransparentEngine(Engine):
    """For tests only."""

    name: ClassVar[str] = "transparent"
    native: ClassVar[bool] = False
    constant_time: ClassVar[str] = "Nothing is secret here."

    raw1: RawGroup = _Group1()
    raw2: RawGroup = _Group2()

    def _pairing_product_is_one(self, pairs: Sequence[tuple[Any, Any]]) -> bool:
        return sum(p * q for p, q in pairs) % ORDER == 0


def log(point: Point) -> Scalar:
    """The logarithm of a point of the transparent engine to its group's base point."""
    assert isinstance(point._group, _Logarithms)
    return Scalar(point._native)
