"""BLS signatures over the library's curve, for vectors only; both choices of groups.

Source: draft-irtf-cfrg-bls-signature-05. Guosuo itself signs nothing this way;
published vectors of this scheme have points, hashes and pairings in them that
are awkward on purpose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from guosuo.curve.hashing import Expander, hash_to_curve_g1, hash_to_curve_g2
from guosuo.curve.points import G1, G2, Engine
from guosuo.curve.scalar import Scalar
from guosuo.errors import PeerError, Reason, refuse

ETHEREUM: Final = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_"

_XMD: Final = Expander.XMD_SHA256


@dataclass(frozen=True, slots=True)
class BlsScheme:
    """The scheme with one domain-separation tag; `in_g2` says where signatures are."""

    engine: Engine
    dst: bytes
    in_g2: bool = True

    def sign(self, secret: Scalar, message: bytes) -> bytes:
        """x·H(m); `PeerError` for x = 0."""
        if not secret:
            refuse(Reason.SCALAR_RANGE)
        if self.in_g2:
            return (hash_to_curve_g2(self.engine, _XMD, message, self.dst) * secret).encode()
        return (hash_to_curve_g1(self.engine, _XMD, message, self.dst) * secret).encode()

    def verifies(self, keys: Sequence[bytes], messages: Sequence[bytes], signature: bytes) -> bool:
        """AggregateVerify; Verify with one key and message. Infinity is refused everywhere."""
        if not keys or len(keys) != len(messages):
            return False
        try:
            pairs = self._pairs(keys, messages, signature)
        except PeerError:
            return False
        return self.engine.pairing_product_is_one(pairs)

    def fast_verifies(self, keys: Sequence[bytes], message: bytes, signature: bytes) -> bool:
        """FastAggregateVerify: all keys signed the same message. Keys in G1 only."""
        try:
            points = [self.engine.decode_g1(key) for key in keys]
        except PeerError:
            return False
        if not points:
            return False
        ones = [Scalar(1)] * len(points)
        total = self.engine.sum_of_products_g1(points, ones)
        return self.verifies([total.encode()], [message], signature)

    def aggregate(self, signatures: Sequence[bytes]) -> bytes:
        """The sum of signatures in G2, at least one; `PeerError`. Infinity is allowed."""
        points = [self.engine.decode_g2(data, allow_identity=True) for data in signatures]
        if not points:
            refuse(Reason.SIGNATURE)
        return self.engine.sum_of_products_g2(points, [Scalar(1)] * len(points)).encode()

    def _pairs(
        self, keys: Sequence[bytes], messages: Sequence[bytes], signature: bytes
    ) -> list[tuple[G1, G2]]:
        """Pairs whose pairings multiply to one: e(P1, σ) = Π e(X_i, H(m_i)), or mirrored."""
        engine = self.engine
        if self.in_g2:
            points = [engine.decode_g1(key) for key in keys]
            last = (-engine.g1, engine.decode_g2(signature))
            hashes = [hash_to_curve_g2(engine, _XMD, m, self.dst) for m in messages]
            return [*zip(points, hashes, strict=True), last]
        mirrored = [engine.decode_g2(key) for key in keys]
        end = (engine.decode_g1(signature), -engine.g2)
        images = [hash_to_curve_g1(engine, _XMD, m, self.dst) for m in messages]
        return [*zip(images, mirrored, strict=True), end]
