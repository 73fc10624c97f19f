"""BBS keys and signatures (draft-irtf-cfrg-bbs-signatures sections 3.4, 3.5, 3.6).

The functions at the top are the scheme; `calculate_domain` and everything that
hashes octets belong to an interface. Guosuo credentials use the same scheme
with another first argument of the domain (GS-SUITE-2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from guosuo.curve.points import G1, G2
from guosuo.curve.scalar import Scalar
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.suite import Interface, Suite

SIGNATURE_SIZE = 80
_MIN_KEY_MATERIAL = 32
_MAX_KEY_INFO = 65535


@dataclass(frozen=True, slots=True)
class Signature:
    """(A, e) with A·(x + e) = B; 80 octets."""

    a: G1
    e: Scalar

    def encode(self) -> bytes:
        """A (48 octets), then e (32)."""
        return self.a.encode() + self.e.encode()

    @classmethod
    def decode(cls, suite: Suite, data: bytes) -> Signature:
        """octets_to_signature (draft section 4.2.4.2): A ≠ identity, 0 < e < r."""
        if len(data) != SIGNATURE_SIZE:
            raise PeerError(Reason.SIGNATURE)
        return cls(suite.engine.decode_g1(data[:48]), Scalar.decode(data[48:]))


# --- the scheme ----------------------------------------------------------------------


def blind_sum(suite: Suite, start: G1, generators: Sequence[G1], messages: Sequence[Scalar]) -> G1:
    """B = start + Σ H_i·m_i."""
    return start + suite.engine.sum_of_products_g1(generators, messages)


def sign_point(secret: Scalar, b: G1, e: Scalar) -> Signature:
    """A = B/(x + e). `CallerError` in the impossible case x + e = 0."""
    return Signature(b * (secret + e).inverse(), e)


def check_signature(suite: Suite, public: G2, signature: Signature, b: G1) -> None:
    """e(A, W + e·P2) = e(B, P2), as e(A, W)·e(e·A − B, P2) = 1; `PeerError(SIGNATURE)`."""
    engine, a = suite.engine, signature.a
    if a.is_identity() or public.is_identity():
        raise PeerError(Reason.SIGNATURE)
    if not engine.pairing_product_is_one([(a, public), (a * signature.e - b, engine.g2)]):
        raise PeerError(Reason.SIGNATURE)


def calculate_domain(
    api: Interface, first: bytes, generators: Sequence[G1], header: bytes
) -> Scalar:
    """The domain scalar (draft section 4.2.3).

    `first` is the issuer's public key (96 octets) in the draft and the federation
    identifier (32 octets) in Guosuo credentials; `generators` are Q_1, H_1 … H_L.
    """
    data = (
        first
        + (len(generators) - 1).to_bytes(8, "big")
        + b"".join(p.encode() for p in generators)
        + api.api_id
        + len(header).to_bytes(8, "big")
        + header
    )
    return api.hash_to_scalar(data)


# --- the draft's interface -------------------------------------------------------------


def key_gen(suite: Suite, material: bytes, info: bytes = b"", dst: bytes | None = None) -> Scalar:
    """KeyGen (draft section 3.4.1): at least 32 octets of secret `material`."""
    if len(material) < _MIN_KEY_MATERIAL or len(info) > _MAX_KEY_INFO:
        raise CallerError(
            Reason.ARGUMENT, "key material of 32 octets or more, key info below 64 kB"
        )
    tag = dst if dst is not None else suite.identifier + b"KEYGEN_DST_"
    return suite.hash_to_scalar(material + len(info).to_bytes(2, "big") + info, tag)


def sk_to_pk(suite: Suite, secret: Scalar) -> G2:
    """SkToPk (draft section 3.4.2): W = x·P2."""
    return suite.engine.g2 * secret


def sign(
    suite: Suite, secret: Scalar, public: G2, header: bytes, messages: Sequence[bytes]
) -> Signature:
    """Sign (draft section 3.5.1), deterministic."""
    api = Interface.draft(suite)
    scalars = [api.message_to_scalar(m) for m in messages]
    generators = api.generators(len(scalars) + 1)
    domain = calculate_domain(api, public.encode(), generators, header)
    e = api.hash_to_scalar(b"".join(s.encode() for s in (secret, *scalars, domain)))
    b = blind_sum(suite, api.p1(), generators, [domain, *scalars])
    return sign_point(secret, b, e)


def verify(
    suite: Suite, public: G2, signature: Signature, header: bytes, messages: Sequence[bytes]
) -> None:
    """Verify (draft section 3.5.2); `PeerError(SIGNATURE)`."""
    api = Interface.draft(suite)
    scalars = [api.message_to_scalar(m) for m in messages]
    generators = api.generators(len(scalars) + 1)
    domain = calculate_domain(api, public.encode(), generators, header)
    b = blind_sum(suite, api.p1(), generators, [domain, *scalars])
    check_signature(suite, public, signature, b)
