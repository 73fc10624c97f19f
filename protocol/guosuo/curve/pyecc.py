"""The `py_ecc` engine: pure Python, readable, slow; the oracle of the other two.

Native points are projective triples (x, y, z) of py_ecc's field elements. A
multiple of the identity comes out of py_ecc as (0, 0, 0), which its own `eq`
takes for equal to every point; comparisons here look at z first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from py_ecc.bls import hash_to_curve, point_compression
from py_ecc.bls.typing import G1Compressed, G2Compressed
from py_ecc.fields import optimized_bls12_381_FQ as FQ
from py_ecc.fields import optimized_bls12_381_FQ2 as FQ2
from py_ecc.fields import optimized_bls12_381_FQ12 as FQ12
from py_ecc.optimized_bls12_381 import optimized_curve as curve
from py_ecc.optimized_bls12_381 import optimized_pairing

from guosuo.curve import encoding
from guosuo.curve.points import Engine, RawGroup
from guosuo.curve.products import sum_of_products
from guosuo.curve.scalar import ORDER

# py_ecc annotates the function by the type of its result.
_SHA256: Final[Any] = hashlib.sha256


class _Group(RawGroup):
    """Both groups; py_ecc's formulas are the same over Fp and over Fp2."""

    _generator: ClassVar[Any]
    _identity: ClassVar[Any]

    def generator(self) -> Any:
        return self._generator

    def identity(self) -> Any:
        return self._identity

    def add(self, a: Any, b: Any) -> Any:
        return curve.add(a, b)

    def neg(self, a: Any) -> Any:
        return curve.neg(a)

    def mul(self, a: Any, k: int) -> Any:
        return curve.multiply(a, k)

    def equal(self, a: Any, b: Any) -> bool:
        if curve.is_inf(a) or curve.is_inf(b):
            return curve.is_inf(a) and curve.is_inf(b)
        return curve.eq(a, b)

    def is_identity(self, a: Any) -> bool:
        return curve.is_inf(a)

    def sum_of_products(self, points: Sequence[Any], scalars: Sequence[int]) -> Any:
        return sum_of_products(points, scalars, self._identity, curve.add, curve.neg)

    def _in_subgroup(self, a: Any) -> bool:
        return curve.is_inf(curve.multiply(a, ORDER))


class _Group1(_Group):
    size = encoding.G1_SIZE
    _generator = curve.G1
    _identity = curve.Z1

    def encode(self, a: Any) -> bytes:
        return int(point_compression.compress_G1(a)).to_bytes(self.size, "big")

    def decode(self, data: bytes) -> Any:
        try:
            a = point_compression.decompress_G1(G1Compressed(int.from_bytes(data, "big")))
        except ValueError:
            encoding.refuse_point(data)
        if not self._in_subgroup(a):
            encoding.refuse_point(data)
        return a

    def hash_xmd_sha256(self, message: bytes, dst: bytes) -> Any:
        return hash_to_curve.hash_to_G1(message, dst, _SHA256)

    def map_to_curve(self, *u: int) -> Any:
        (c0,) = u
        return hash_to_curve.clear_cofactor_G1(hash_to_curve.map_to_curve_G1(FQ(c0)))


class _Group2(_Group):
    size = encoding.G2_SIZE
    _generator = curve.G2
    _identity = curve.Z2

    def encode(self, a: Any) -> bytes:
        high, low = point_compression.compress_G2(a)
        return high.to_bytes(encoding.FIELD_SIZE, "big") + low.to_bytes(encoding.FIELD_SIZE, "big")

    def decode(self, data: bytes) -> Any:
        high = int.from_bytes(data[: encoding.FIELD_SIZE], "big")
        low = int.from_bytes(data[encoding.FIELD_SIZE :], "big")
        try:
            a = point_compression.decompress_G2(G2Compressed((high, low)))
        except ValueError:
            encoding.refuse_point(data)
        if not self._in_subgroup(a):
            encoding.refuse_point(data)
        return a

    def hash_xmd_sha256(self, message: bytes, dst: bytes) -> Any:
        return hash_to_curve.hash_to_G2(message, dst, _SHA256)

    def map_to_curve(self, *u: int) -> Any:
        c0, c1 = u
        return hash_to_curve.clear_cofactor_G2(hash_to_curve.map_to_curve_G2(FQ2([c0, c1])))


class PyEccEngine(Engine):
    """`py_ecc`; runs wherever Python runs, for tests and where no wheel exists."""

    name = "py_ecc"
    native = False
    constant_time = "Python integers and branches on the scalar: timing reveals secrets."
    raw1 = _Group1()
    raw2 = _Group2()

    def _pairing_product_is_one(self, pairs: Sequence[tuple[Any, Any]]) -> bool:
        product = FQ12.one()
        for p, q in pairs:
            product *= optimized_pairing.pairing(q, p, final_exponentiate=False)
        return bool(optimized_pairing.final_exponentiate(product) == FQ12.one())


ENGINE = PyEccEngine()
