"""Epoch keys and their proof of possession.

Signatures of this scheme are not bound to a key (the issuer is hidden), so every
listed key carries a Schnorr proof in G2 (GS-CRED-4). Each epoch's secret is
drawn anew, never derived from another: related keys would let a holder carry a
signature over.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from guosuo.curve.entropy import Entropy
from guosuo.curve.points import G2
from guosuo.curve.scalar import Scalar
from guosuo.scheme import KeyId, Scheme
from guosuo.sigma.proof import Equation, Proof, Statement, check, prove
from guosuo.suite import Item, Tag

POSSESSION_SIZE = 64


@dataclass(frozen=True, slots=True)
class EpochKey:
    """(x_t, W_t) of one region, epoch and revision."""

    id: KeyId
    secret: Scalar = field(repr=False)
    public: G2

    @classmethod
    def draw(cls, scheme: Scheme, key_id: KeyId, entropy: Entropy) -> EpochKey:
        """A fresh, independent key."""
        secret = entropy.scalar()
        return cls(key_id, secret, scheme.p2 * secret)


def prove_possession(scheme: Scheme, key: EpochKey, entropy: Entropy) -> bytes:
    """64 octets: knowledge of x with W = x·P2, bound to the key's name."""
    return prove(
        scheme.api,
        Tag.POSSESSION,
        _statement(scheme, key.public),
        {"x": key.secret},
        _context(scheme, key.id, key.public),
        entropy,
    ).encode()


def check_possession(scheme: Scheme, key_id: KeyId, public: G2, proof: bytes) -> None:
    """`PeerError(PROOF)` unless `proof` shows knowledge of the secret of `public`."""
    check(
        scheme.api,
        Tag.POSSESSION,
        _statement(scheme, public),
        Proof.decode(proof, 1),
        _context(scheme, key_id, public),
    )


def _statement(scheme: Scheme, public: G2) -> Statement:
    return Statement(("x",), (Equation(public, (("x", scheme.p2),)),))


def _context(scheme: Scheme, key_id: KeyId, public: G2) -> list[Item]:
    return [scheme.suite.name, list(key_id.items(scheme.federation)), public]
