"""One slot's renewal for one epoch key: re-blinding, bound e, signature.

    u_t = hash_to_scalar(k_slot, id, v_t)
    B_t = P1 + Q·domain + C + v_t·H_2 + u_t·H_0
    e_t = hash_to_scalar(x_t, slot, id, B_t)
    A_t = B_t/(x_t + e_t)

B_t starts from the enrolled C every time, so nothing accumulates. e_t depends on
B_t, so one (key, e) never signs two messages, whatever is restarted, restored
or updated: two would let the holder forge any evidence (GS-CRED-6).
"""

from __future__ import annotations

from guosuo.bbs.signature import Signature, check_signature, sign_point
from guosuo.credential.keys import EpochKey
from guosuo.curve.points import G1, G2
from guosuo.curve.scalar import Scalar
from guosuo.scheme import KeyId, Scheme
from guosuo.suite import Tag

SLOT_KEY_SIZE = 32
"""Octets of k_slot, known to the node and the wallet."""


def blind_scalar(scheme: Scheme, key_id: KeyId, slot_key: bytes, evidence: int) -> Scalar:
    """u_t. With v_t in it, one revision signed twice says nothing either (GS-CRED-7)."""
    return scheme.api.scalar(Tag.REBLIND, slot_key, list(key_id.items(scheme.federation)), evidence)


def renew(
    scheme: Scheme, key: EpochKey, slot: int, commitment: G1, slot_key: bytes, evidence: int
) -> Signature:
    """(A_t, e_t) for one slot; a deterministic function of its arguments."""
    blind = blind_scalar(scheme, key.id, slot_key, evidence)
    return sign_message(scheme, key, slot, scheme.message(commitment, evidence, blind))


def sign_message(scheme: Scheme, key: EpochKey, slot: int, message: G1) -> Signature:
    """Sign B_t of a slot with e bound to it."""
    e = scheme.api.scalar(
        Tag.MESSAGE_E, key.secret, slot, list(key.id.items(scheme.federation)), message
    )
    return sign_point(key.secret, message, e)


def check_renewal(
    scheme: Scheme,
    key_id: KeyId,
    public: G2,
    commitment: G1,
    slot_key: bytes,
    evidence: int,
    signature: Signature,
) -> None:
    """The wallet's check of its renewal, two pairings; `PeerError(SIGNATURE)` (GS-CRED-8)."""
    blind = blind_scalar(scheme, key_id, slot_key, evidence)
    message = scheme.message(commitment, evidence, blind)
    check_signature(scheme.suite, public, signature, message)
