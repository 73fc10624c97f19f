"""What issuer and wallet say to each other at enrolment, and the signed receipt.

offer (nonce, deadline) → request (C, R, proof) → grant or refusal. Offers,
receipts and refusals are signed by the region's log key.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import nacl.signing

from guosuo.errors import PeerError, Reason
from guosuo.evidence.facts import MAX_TIME, EvidenceFact
from guosuo.evidence.registry import EvidenceKind
from guosuo.federation.charter import Federation, open_signed
from guosuo.federation.ids import Epoch, Instant, Region, Revision, Slot
from guosuo.federation.records import Kind, sign
from guosuo.suite import Interface, Item, Tag
from guosuo.wire.schema import G1Bytes, Hash, Message, Range, Size, message

RULES_VERSION = 3
"""The evidence-rule version by which v_t is computed (registry in the spec)."""

NONCE_SIZE = 16
Nonce = Annotated[bytes, Size(NONCE_SIZE, NONCE_SIZE)]
Salt = Annotated[bytes, Size(32, 32)]
_Time = Annotated[int, Range(-MAX_TIME, MAX_TIME)]


class RefusalCode(StrEnum):
    """Why a region did not enrol somebody (closed list, signed)."""

    EVIDENCE = "evidence"
    PERSON_MISMATCH = "person-mismatch"
    PROOF = "proof"
    OTHER_SECRET = "other-secret"
    NO_SLOT_LEFT = "no-slot-left"
    DEADLINE = "deadline"
    NOT_THAT_SLOT = "not-that-slot"


@message
class Fact(Message):
    """An `EvidenceFact` in a message or a stored state."""

    kind: EvidenceKind
    product: Annotated[int, Range(0, 0xFFFF)]
    doses: Annotated[int, Range(0, 255)]
    series: Annotated[int, Range(0, 255)]
    event_time: _Time
    born: _Time | None
    valid_from: _Time | None
    valid_until: _Time | None
    digest: Hash

    @classmethod
    def of(cls, fact: EvidenceFact) -> Fact:
        """From the evidence room's own type."""
        return cls(
            kind=fact.kind,
            product=fact.product,
            doses=fact.doses,
            series=fact.series,
            event_time=fact.event_time,
            born=fact.born,
            valid_from=fact.valid_from,
            valid_until=fact.valid_until,
            digest=fact.digest,
        )

    def fact(self) -> EvidenceFact:
        """Back to the evidence room's own type."""
        return EvidenceFact(
            kind=self.kind,
            product=self.product,
            doses=self.doses,
            series=self.series,
            event_time=self.event_time,
            born=self.born,
            valid_from=self.valid_from,
            valid_until=self.valid_until,
            digest=self.digest,
        )

    def __repr__(self) -> str:
        """Without the evidence."""
        return "Fact(...)"


@message
class Offer(Message):
    """The node's answer to a wallet that asks to enrol."""

    region: Region
    nonce: Nonce
    deadline: Instant


@message
class EnrolRequest(Message):
    """C, R and one proof for both (192 octets), over nonce, region and evidence."""

    nonce: Nonce
    evidence: Hash
    commitment: G1Bytes
    record: G1Bytes
    proof: Annotated[bytes, Size(96, 96)]
    slot: Slot | None
    """Set to replace the evidence of an own slot (same C)."""


@message
class Receipt(Message):
    """Salted hashes of what the node promised to sign, to hold it to it (GS-ENROL-6)."""

    region: Region
    issued: Instant
    slot: Hash
    evidence: Hash
    fact: Hash
    slot_key: Hash
    commitment: Hash
    rules: Hash


@message
class SignedRenewal(Message):
    """One (A, e) with the name of its key."""

    epoch: Epoch
    revision: Revision
    signature: Annotated[bytes, Size(80, 80)]


@message
class Grant(Message):
    """The enrolled slot: secrets shared by node and wallet, receipt, first signatures."""

    slot: Slot
    slot_key: Annotated[bytes, Size(32, 32)]
    salt: Salt
    receipt: Annotated[bytes, Size(1, 1024)]
    signatures: Annotated[tuple[SignedRenewal, ...], Size(1, 4)]

    def __repr__(self) -> str:
        """Without the slot's secrets."""
        return "Grant(...)"


@message
class Refusal(Message):
    """A signed refusal; nothing of the person or the evidence is in it."""

    region: Region
    nonce: Nonce
    code: RefusalCode
    issued: Instant


@message
class Answer(Message):
    """Exactly one of a grant and a signed refusal (GS-ENROL-9)."""

    grant: Grant | None
    refusal: Annotated[bytes, Size(1, 1024)] | None


@dataclass(frozen=True, slots=True)
class Promise:
    """What a receipt commits to."""

    slot: int
    fact: EvidenceFact
    slot_key: bytes
    commitment: bytes

    def __repr__(self) -> str:
        """Without the slot's secrets."""
        return "Promise(...)"


def make_receipt(
    federation: Federation,
    region: str,
    key: nacl.signing.SigningKey,
    promise: Promise,
    salt: bytes,
    now: int,
) -> bytes:
    """A signed receipt over salted hashes."""
    body = _receipt(federation.scheme.api, region, promise, salt, now)
    return sign(key, federation.id, Kind.RECEIPT, body.encode())


def check_receipt(
    federation: Federation, region: str, data: bytes, promise: Promise, salt: bytes
) -> Receipt:
    """The receipt, if it is the region's and commits to exactly `promise`."""
    receipt = Receipt.decode(open_signed(federation, region, Kind.RECEIPT, data))
    expected = _receipt(federation.scheme.api, region, promise, salt, receipt.issued)
    if receipt != expected:
        raise PeerError(Reason.RECEIPT)
    return receipt


def _receipt(api: Interface, region: str, promise: Promise, salt: bytes, now: int) -> Receipt:
    def hashed(name: str, *value: Item) -> bytes:
        return api.octets(Tag.RECEIPT, 32, salt, region, name, *value)

    return Receipt(
        region=region,
        issued=now,
        slot=hashed("slot", promise.slot),
        evidence=hashed("evidence", promise.fact.digest),
        fact=hashed("fact", Fact.of(promise.fact).encode()),
        slot_key=hashed("slot-key", promise.slot_key),
        commitment=hashed("commitment", promise.commitment),
        rules=hashed("rules", RULES_VERSION),
    )


def open_offer(federation: Federation, region: str, data: bytes, now: int) -> Offer:
    """A region's own, unexpired offer."""
    offer = Offer.decode(open_signed(federation, region, Kind.OFFER, data))
    if offer.region != region or now >= offer.deadline:
        raise PeerError(Reason.ENROLMENT_NONCE)
    return offer


def open_refusal(federation: Federation, region: str, data: bytes) -> Refusal:
    """A region's own refusal."""
    refusal = Refusal.decode(open_signed(federation, region, Kind.REFUSAL, data))
    if refusal.region != region:
        raise PeerError(Reason.RECORD_KIND)
    return refusal
