"""The `py_arkworks_bls12381` engine: arkworks (Rust) through typed bindings.

What was found out about 0.5.0: the default constructors of `G1Point` and
`G2Point` give the generators; `multiexp_unchecked` ignores what the longer of
its lists has more; `map_from_fp_be` clears the cofactor; `from_compressed_bytes`
accepts malformed octets and does not say why it refuses others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from py_arkworks_bls12381 import GT, G1Point, G2Point, Scalar

from guosuo.curve import encoding
from guosuo.curve.points import Engine, RawGroup


class _Group(RawGroup):
    """Both groups; they differ in the native class and in sizes."""

    _native: ClassVar[Any]

    def generator(self) -> Any:
        return self._native()

    def identity(self) -> Any:
        return self._native.identity()

    def add(self, a: Any, b: Any) -> Any:
        return a + b

    def neg(self, a: Any) -> Any:
        return -a

    def mul(self, a: Any, k: int) -> Any:
        return a * Scalar(k)

    def equal(self, a: Any, b: Any) -> bool:
        return bool(a == b)

    def is_identity(self, a: Any) -> bool:
        return bool(a == self._native.identity())

    def encode(self, a: Any) -> bytes:
        return bytes(a.to_compressed_bytes())

    def decode(self, data: bytes) -> Any:
        try:
            return self._native.from_compressed_bytes(data)
        except ValueError:
            encoding.refuse_point(data)

    def sum_of_products(self, points: Sequence[Any], scalars: Sequence[int]) -> Any:
        return self._native.multiexp_unchecked(list(points), [Scalar(k) for k in scalars])

    def hash_xmd_sha256(self, message: bytes, dst: bytes) -> Any:
        return self._native.hash_to_curve(message, dst)


class _Group1(_Group):
    size = encoding.G1_SIZE
    _native = G1Point

    def map_to_curve(self, *u: int) -> Any:
        (c0,) = u
        return G1Point.map_from_fp_be(c0.to_bytes(encoding.FIELD_SIZE, "big"))


class _Group2(_Group):
    size = encoding.G2_SIZE
    _native = G2Point

    def map_to_curve(self, *u: int) -> Any:
        c0, c1 = u
        return G2Point.map_from_fp2_be(
            c0.to_bytes(encoding.FIELD_SIZE, "big") + c1.to_bytes(encoding.FIELD_SIZE, "big")
        )


class ArkworksEngine(Engine):
    """`py_arkworks_bls12381`; native, with wheels for the most platforms."""

    name = "py_arkworks_bls12381"
    native = True
    constant_time = "arkworks promises no constant time anywhere."
    raw1 = _Group1()
    raw2 = _Group2()

    def _pairing_product_is_one(self, pairs: Sequence[tuple[Any, Any]]) -> bool:
        return GT.pairing_check([p for p, _ in pairs], [q for _, q in pairs])


ENGINE = ArkworksEngine()
