"""The board: static buckets of renewals, with a proof that each is lawful.

A bucket is 1,024 slots by default, 80 octets each (A_t, e_t); an absent slot is
80 zero octets. The renewal proof (M, c, α̂, β̂: 144 octets) shows in zero
knowledge that every slot present is signed for its own enrolled commitment C_k,
so a region cannot give a slot to somebody else, sign garbage, or launder either
over epochs:

    δ_k = 128 bits of hash(W_t, id, whole bucket, all C of the bucket, k)
    M = Σ δ_k·(B_{k,t} − P1 − Q·domain − C_k) = α·H_2 + β·H_0
    e(Σ δ_k·A_k, W_t) · e(Σ δ_k·e_k·A_k − Σ δ_k·(P1 + Q·domain + C_k) − M, P2) = 1

It does not show that evidence and blinding are the promised ones: a spoiled slot
is visible to its holder alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from guosuo.bbs.signature import SIGNATURE_SIZE, Signature
from guosuo.credential.keys import EpochKey
from guosuo.credential.renewal import blind_scalar, sign_message
from guosuo.curve.entropy import Entropy
from guosuo.curve.points import G1, G2
from guosuo.curve.scalar import Scalar
from guosuo.errors import PeerError, Reason
from guosuo.scheme import KeyId, Scheme
from guosuo.sigma.proof import Equation, Proof, Statement, check, prove
from guosuo.suite import Item, Tag

ABSENT = bytes(SIGNATURE_SIZE)
RENEWAL_PROOF_SIZE = 144


@dataclass(frozen=True, slots=True)
class SlotToRenew:
    """What the issuer needs of one slot to renew it in one epoch."""

    slot: int
    commitment: G1
    slot_key: bytes = field(repr=False)
    evidence: int = field(repr=False)


@dataclass(frozen=True, slots=True)
class Bucket:
    """Octets of one bucket and its proof, empty if no slot is present (GS-EPOCH-5)."""

    data: bytes
    proof: bytes


def build_bucket(
    scheme: Scheme,
    key: EpochKey,
    first: int,
    size: int,
    commitments: Mapping[int, G1],
    slots: Sequence[SlotToRenew],
    entropy: Entropy,
) -> Bucket:
    """Renew `slots`, all within [first, first + size), and prove it.

    `commitments`: C of every slot of this range ever allotted, present or not.
    """
    cells = [ABSENT] * size
    alphas: dict[int, Scalar] = {}
    betas: dict[int, Scalar] = {}
    for item in slots:
        blind = blind_scalar(scheme, key.id, item.slot_key, item.evidence)
        message = scheme.message(item.commitment, item.evidence, blind)
        cells[item.slot - first] = sign_message(scheme, key, item.slot, message).encode()
        alphas[item.slot], betas[item.slot] = Scalar(item.evidence), blind
    data = b"".join(cells)
    if not slots:
        return Bucket(data, b"")

    seed = _seed(scheme, key.id, key.public, first, data, commitments)
    alpha = beta = Scalar(0)
    for slot in sorted(alphas):
        delta = _weight(seed, slot)
        alpha, beta = alpha + delta * alphas[slot], beta + delta * betas[slot]
    m = scheme.h2 * alpha + scheme.h0 * beta
    proof = prove(
        scheme.api,
        Tag.RENEWAL,
        _statement(scheme, m),
        {"alpha": alpha, "beta": beta},
        _context(scheme, key.id, seed, m),
        entropy,
    )
    return Bucket(data, m.encode() + proof.encode())


def slot_signature(
    scheme: Scheme, data: bytes, first: int, size: int, slot: int
) -> Signature | None:
    """The renewal of one slot in a bucket's octets, None if absent; strict."""
    if len(data) != size * SIGNATURE_SIZE or not first <= slot < first + size:
        raise PeerError(Reason.BOARD)
    cell = data[(slot - first) * SIGNATURE_SIZE :][:SIGNATURE_SIZE]
    return None if cell == ABSENT else Signature.decode(scheme.suite, cell)


def audit_bucket(
    scheme: Scheme,
    key_id: KeyId,
    public: G2,
    first: int,
    size: int,
    commitments: Mapping[int, G1],
    active: frozenset[int],
    bucket: Bucket,
) -> None:
    """Check presence and the renewal proof of one bucket (GS-EPOCH-6).

    `active`: slots of the range that must be present, as recomputed by the auditor
    from the allotments and the orders. Raises `PeerError(BOARD)` for presence or
    size, the decoder's own reason for a malformed A, e or M, `PeerError(RENEWAL_PROOF)`
    for the proof.
    """
    if len(bucket.data) != size * SIGNATURE_SIZE:
        raise PeerError(Reason.BOARD)
    # 1. Present slots are exactly the active ones; each A in the subgroup.
    signatures: dict[int, Signature] = {}
    for slot in range(first, first + size):
        signature = slot_signature(scheme, bucket.data, first, size, slot)
        if (signature is not None) != (slot in active):
            raise PeerError(Reason.BOARD)
        if signature is not None:
            signatures[slot] = signature
    # 2. A bucket with no slot present has no proof.
    if not signatures:
        if bucket.proof:
            raise PeerError(Reason.RENEWAL_PROOF)
        return
    if len(bucket.proof) != RENEWAL_PROOF_SIZE or not signatures.keys() <= commitments.keys():
        raise PeerError(Reason.RENEWAL_PROOF)
    # 3. Knowledge of α, β with M = α·H_2 + β·H_0.
    m = scheme.engine.decode_g1(bucket.proof[:48])
    seed = _seed(scheme, key_id, public, first, bucket.data, commitments)
    try:
        check(
            scheme.api,
            Tag.RENEWAL,
            _statement(scheme, m),
            Proof.decode(bucket.proof[48:], 2),
            _context(scheme, key_id, seed, m),
        )
    except PeerError:
        raise PeerError(Reason.RENEWAL_PROOF) from None
    # 4. The weighted pairing equation.
    deltas = {slot: _weight(seed, slot) for slot in signatures}
    points = [signatures[slot].a for slot in deltas]
    weights = list(deltas.values())
    sums = scheme.engine.sum_of_products_g1
    left = sums(points, weights)
    total = Scalar(sum(int(w) for w in weights))
    # Sums by 128-bit weights stay apart from those by full scalars: they cost half.
    right = (
        sums(points, [deltas[slot] * signatures[slot].e for slot in deltas])
        - sums([commitments[slot] for slot in deltas], weights)
        - scheme.base * total
    )
    if not scheme.engine.pairing_product_is_one([(left, public), (right - m, scheme.p2)]):
        raise PeerError(Reason.RENEWAL_PROOF)


def _seed(
    scheme: Scheme,
    key_id: KeyId,
    public: G2,
    first: int,
    data: bytes,
    commitments: Mapping[int, G1],
) -> bytes:
    """W_t, id, the whole bucket and every C of its range, hashed once for all δ_k.

    Without W_t a region could choose its key after the weights.
    """
    allotted = b"".join(
        slot.to_bytes(8, "big") + commitments[slot].encode() for slot in sorted(commitments)
    )
    return scheme.api.octets(
        Tag.RENEWAL_WEIGHTS,
        32,
        public,
        list(key_id.items(scheme.federation)),
        first,
        hashlib.sha256(data).digest(),
        hashlib.sha256(allotted).digest(),
    )


def _weight(seed: bytes, slot: int) -> Scalar:
    digest = hashlib.sha256(seed + slot.to_bytes(8, "big")).digest()
    return Scalar(int.from_bytes(digest[:16], "big") or 1)


def _statement(scheme: Scheme, m: G1) -> Statement:
    return Statement(("alpha", "beta"), (Equation(m, (("alpha", scheme.h2), ("beta", scheme.h0))),))


def _context(scheme: Scheme, key_id: KeyId, seed: bytes, m: G1) -> list[Item]:
    return [scheme.suite.name, list(key_id.items(scheme.federation)), seed, m]
