"""The `pyblst` engine: blst (assembly) through Rust bindings.

What was found out about pyblst 0.3.15, which has no documentation: the default
constructor of `BlstP1Element`, `BlstP2Element` gives the identity and that of
`BlstFP12Element` gives 1; `+` is complete; `uncompress` refuses points off the
curve and outside the subgroup, with `ValueError`; `scalar_mul` reduces its
integer modulo r. Everything of it is untyped and stays within this module.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, ClassVar, Final

import pyblst

from guosuo.curve import encoding
from guosuo.curve.points import Engine, RawGroup
from guosuo.curve.products import sum_of_products
from guosuo.curve.selection import get_engine

_SHARE_FROM: Final = 32
"""Number of points from which doublings are shared between products."""


class _Group(RawGroup):
    """Both groups; they differ in the native class and in sizes."""

    _native: ClassVar[Any]
    _base_point: ClassVar[bytes]

    def generator(self) -> Any:
        return self._native.uncompress(self._base_point)

    def identity(self) -> Any:
        return self._native()

    def add(self, a: Any, b: Any) -> Any:
        return a + b

    def neg(self, a: Any) -> Any:
        return -a

    def mul(self, a: Any, k: int) -> Any:
        return a.scalar_mul(k)

    def equal(self, a: Any, b: Any) -> bool:
        return bool(a == b)

    def is_identity(self, a: Any) -> bool:
        return bool(a == self._native())

    def encode(self, a: Any) -> bytes:
        return bytes(a.compress())

    def decode(self, data: bytes) -> Any:
        try:
            return self._native.uncompress(data)
        except ValueError:
            encoding.refuse_point(data)

    def sum_of_products(self, points: Sequence[Any], scalars: Sequence[int]) -> Any:
        # Measured: equal at 16 points, 1.1 to 1.3 times as fast at 100, 1.8 at 1024.
        # Separate products stay longer because their time says nothing of scalars.
        if len(points) < _SHARE_FROM:
            total = self._native()
            for point, scalar in zip(points, scalars, strict=True):
                total += point.scalar_mul(scalar)
            return total
        return sum_of_products(points, scalars, self._native(), operator.add, operator.neg)

    def hash_xmd_sha256(self, message: bytes, dst: bytes) -> Any:
        return self._native.hash_to_group(message, dst)

    def map_to_curve(self, *u: int) -> Any:
        # pyblst does not export the map. py_ecc takes half a second to import,
        # hence only when somebody asks for a map.
        oracle = get_engine("py_ecc")
        group = oracle.raw1 if self.size == encoding.G1_SIZE else oracle.raw2
        octets = group.encode(group.map_to_curve(*u))
        return self._native.uncompress(octets)


class _Group1(_Group):
    size = encoding.G1_SIZE
    _native = pyblst.BlstP1Element
    _base_point = bytes.fromhex(
        "97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905"
        "a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
    )


class _Group2(_Group):
    size = encoding.G2_SIZE
    _native = pyblst.BlstP2Element
    _base_point = bytes.fromhex(
        "93e02b6052719f607dacd3a088274f65596bd0d09920b61a"
        "b5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e"
        "024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02"
        "b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8"
    )


class BlstEngine(Engine):
    """`pyblst`; the fastest engine."""

    name = "pyblst"
    native = True
    constant_time = (
        "blst multiplies one point in constant time; sums of many products, and the "
        "Python integers on the way, do not take constant time."
    )
    raw1 = _Group1()
    raw2 = _Group2()

    def _pairing_product_is_one(self, pairs: Sequence[tuple[Any, Any]]) -> bool:
        product = pyblst.BlstFP12Element()
        for p, q in pairs:
            product *= pyblst.miller_loop(p, q)
        return bool(pyblst.final_verify(product, pyblst.BlstFP12Element()))


ENGINE = BlstEngine()
