"""Scalars: integers modulo the group order r, with a `repr` that says nothing."""

from __future__ import annotations

from typing import Final

from guosuo.errors import CallerError, PeerError, Reason

ORDER: Final = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
"""r, the prime order of G1, G2 and GT (255 bits)."""

SCALAR_SIZE: Final = 32


class Scalar:
    """An element of the field of r elements; immutable.

    Integers enter only through `Scalar(n)`, octets only through a hash or
    through `decode`, so that one cannot pass for the other. Arithmetic is
    Python's and not constant-time.
    """

    __slots__ = ("_n",)
    _n: int

    def __init__(self, value: int) -> None:
        """Reduce `value` modulo r."""
        self._n = value % ORDER

    @classmethod
    def decode(cls, data: bytes) -> Scalar:
        """Read 32 big-endian bytes in [1, r − 1]; `PeerError` otherwise (GS-CURVE-4)."""
        n = int.from_bytes(data, "big")
        if len(data) != SCALAR_SIZE or not 0 < n < ORDER:
            raise PeerError(Reason.SCALAR_RANGE)
        return cls(n)

    def encode(self) -> bytes:
        """32 big-endian bytes."""
        return self._n.to_bytes(SCALAR_SIZE, "big")

    def __int__(self) -> int:
        return self._n

    def __bool__(self) -> bool:
        return self._n != 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scalar) and self._n == other._n

    def __hash__(self) -> int:
        return hash((Scalar, self._n))

    def __add__(self, other: Scalar) -> Scalar:
        return Scalar(self._n + other._n)

    def __sub__(self, other: Scalar) -> Scalar:
        return Scalar(self._n - other._n)

    def __mul__(self, other: Scalar) -> Scalar:
        return Scalar(self._n * other._n)

    def __neg__(self) -> Scalar:
        return Scalar(-self._n)

    def inverse(self) -> Scalar:
        """1/self; `CallerError` for zero."""
        if not self._n:
            raise CallerError(Reason.ARGUMENT, "zero has no inverse")
        return Scalar(pow(self._n, -1, ORDER))

    def __repr__(self) -> str:
        return "Scalar(...)"
