"""Proofs about a slot's commitment C = m_0·H_0 + s·H_1: enrolment and appeal.

Enrolment shows C and R = s·E with one proof for both, bound to the node's nonce:
who copies a commitment cannot enrol it, and all slots of a person share one s.
An appeal, a challenge, leaving or self-suspension is the same knowledge of the
opening of C under another tag (GS-CRED-9); no region can forge it and it links to no show.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from guosuo.curve.entropy import Entropy
from guosuo.curve.points import G1
from guosuo.curve.scalar import Scalar
from guosuo.scheme import Scheme
from guosuo.sigma.proof import Equation, Proof, Statement, check, prove
from guosuo.suite import Item, Tag

OPENING_SIZE = 96
"""Octets of a proof: challenge and two responses."""


class Purpose(StrEnum):
    """What a holder proves ownership of a slot for (closed list)."""

    APPEAL = "appeal"
    CHALLENGE = "challenge"
    SUSPEND_SELF = "suspend-self"
    LEAVE = "leave"
    SHELTER = "shelter"


def prove_enrolment(
    scheme: Scheme,
    region: str,
    nonce: bytes,
    evidence_digest: bytes,
    blinding: Scalar,
    link: Scalar,
    entropy: Entropy,
) -> tuple[G1, G1, bytes]:
    """C, R and 96 octets of proof over the node's nonce and the evidence (192 in all)."""
    commitment = scheme.commitment(blinding, link)
    record = scheme.enrol_base(region) * link
    proof = prove(
        scheme.api,
        Tag.ENROLMENT,
        _enrolment(scheme, region, commitment, record),
        {"m0": blinding, "s": link},
        _enrolment_context(scheme, region, nonce, evidence_digest, commitment, record),
        entropy,
    )
    return commitment, record, proof.encode()


def check_enrolment(
    scheme: Scheme,
    region: str,
    nonce: bytes,
    evidence_digest: bytes,
    commitment: G1,
    record: G1,
    proof: bytes,
) -> None:
    """`PeerError(PROOF)` unless C and R open to one s, for this evidence (GS-ENROL-2).

    R at the identity (s = 0) was refused when R was decoded.
    """
    check(
        scheme.api,
        Tag.ENROLMENT,
        _enrolment(scheme, region, commitment, record),
        Proof.decode(proof, 2),
        _enrolment_context(scheme, region, nonce, evidence_digest, commitment, record),
    )


def prove_ownership(
    scheme: Scheme,
    purpose: Purpose,
    region: str,
    slot: int,
    subject: Sequence[Item],
    blinding: Scalar,
    link: Scalar,
    entropy: Entropy,
) -> bytes:
    """96 octets: the slot's C opens. `subject`: order entry and text hash, or the like."""
    commitment = scheme.commitment(blinding, link)
    return prove(
        scheme.api,
        Tag.APPEAL,
        _opening(scheme, commitment),
        {"m0": blinding, "s": link},
        [scheme.federation, purpose.value, region, slot, commitment, list(subject)],
        entropy,
    ).encode()


def check_ownership(
    scheme: Scheme,
    purpose: Purpose,
    region: str,
    slot: int,
    subject: Sequence[Item],
    commitment: G1,
    proof: bytes,
) -> None:
    """`PeerError(PROOF)` unless the proof opens `commitment` for exactly this purpose."""
    check(
        scheme.api,
        Tag.APPEAL,
        _opening(scheme, commitment),
        Proof.decode(proof, 2),
        [scheme.federation, purpose.value, region, slot, commitment, list(subject)],
    )


def _open_equation(scheme: Scheme, commitment: G1) -> Equation:
    return Equation(commitment, (("m0", scheme.h0), ("s", scheme.h1)))


def _opening(scheme: Scheme, commitment: G1) -> Statement:
    return Statement(("m0", "s"), (_open_equation(scheme, commitment),))


def _enrolment(scheme: Scheme, region: str, commitment: G1, record: G1) -> Statement:
    same_link = Equation(record, (("s", scheme.enrol_base(region)),))
    return Statement(("m0", "s"), (_open_equation(scheme, commitment), same_link))


def _enrolment_context(
    scheme: Scheme,
    region: str,
    nonce: bytes,
    evidence_digest: bytes,
    commitment: G1,
    record: G1,
) -> list[Item]:
    return [
        scheme.suite.name,
        scheme.federation,
        region,
        nonce,
        evidence_digest,
        commitment,
        record,
    ]
