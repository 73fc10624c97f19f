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

    def generator(self) -> Any:
        return 1

    def identity(self) -> Any:
        return 0

    def add(self, a: Any, b: Any) -> Any:
        return (a + b) % ORDER

    def neg(self, a: Any) -> Any:
        return -a % ORDER

    def mul(self, a: Any, k: int) -> Any:
        return a * k % ORDER

    def equal(self, a: Any, b: Any) -> bool:
        return bool(a == b)

    def is_identity(self, a: Any) -> bool:
        return bool(a == 0)

    def encode(self, a: Any) -> bytes:
        octets = bytearray(a.to_bytes(self._size, "big"))
        octets[0] |= _COMPRESSED if a else _IDENTITY
        return bytes(octets)

    def decode(self, data: bytes) -> Any:
        value = int.from_bytes(bytes([data[0] & 0x1F]) + data[1:], "big")
        if not 0 < value < ORDER or data[0] & 0x60:
            raise PeerError(Reason.POINT_NOT_IN_SUBGROUP)
        return value

    def sum_of_products(self, points: Sequence[Any], scalars: Sequence[int]) -> Any:
        return sum(p * k for p, k in zip(points, scalars, strict=True)) % ORDER

    def hash_xmd_sha256(self, message: bytes, dst: bytes) -> Any:
        octets = hashlib.sha512(len(dst).to_bytes(2, "big") + dst + message).digest()
        return int.from_bytes(octets, "big") % ORDER

    def map_to_curve(self, *u: int) -> Any:
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
