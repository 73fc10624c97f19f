"""Randomness comes in from outside; this wraps it and refuses a broken source."""

from __future__ import annotations

from collections.abc import Callable

from guosuo.curve.scalar import ORDER, Scalar
from guosuo.errors import CallerError, Reason

_MIN_CHECKED = 16


class Entropy:
    """A source of uniform octets given by the caller (`os.urandom` in production).

    Raises `CallerError(RANDOMNESS)` when the source returns too little, or one
    and the same octet 16 times or more in a row: a stuck source must stop the
    protocol, not weaken it (GS-SUITE-5).
    """

    __slots__ = ("_source",)

    def __init__(self, source: Callable[[int], bytes]) -> None:
        """`source(n)` returns n uniform octets."""
        self._source = source

    def octets(self, count: int) -> bytes:
        """`count` uniform octets."""
        data = self._source(count)
        if len(data) != count or (count >= _MIN_CHECKED and len(set(data)) == 1):
            raise CallerError(Reason.RANDOMNESS, "the source of randomness is broken")
        return data

    def scalar(self) -> Scalar:
        """A uniform non-zero scalar (bias below 2^-128)."""
        return Scalar(1 + int.from_bytes(self.octets(48), "big") % (ORDER - 1))

    def weight(self) -> Scalar:
        """A uniform non-zero 128-bit scalar, for batched checks."""
        return Scalar(1 + int.from_bytes(self.octets(16), "big") % ((1 << 128) - 1))

    def below(self, bound: int) -> int:
        """A uniform integer in [0, bound), for choosing places and moments."""
        return int.from_bytes(self.octets(16), "big") % bound
