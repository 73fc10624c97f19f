"""Bodies of log entries, and the blobs that they name by hash.

The bodies of `list-part` and `policy` entries are the octets of a `ListPart` and
a `PolicyPart` themselves, so that their hash in transcripts is the hash of what
was logged (GS-REC-8).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, ClassVar

from guosuo.curve.points import G1, G2
from guosuo.errors import PeerError, Reason
from guosuo.federation.charter import Name
from guosuo.federation.ids import (
    CheckpointId,
    Ed25519Signature,
    Epoch,
    OrganisationId,
    Region,
    Revision,
    Slot,
)
from guosuo.federation.judge import Rule, Ruling
from guosuo.scheme import KeyId, Scheme
from guosuo.wire import cbor
from guosuo.wire.schema import G2Bytes, Hash, Message, Range, Size, message

ALLOTMENT_SIZE = 8 + 48
MAX_BUCKETS = 1 << 14
MAX_CHECKPOINTS = 1 << 18
"""Checkpoints of one gate region at most."""
_MAX_STATUS = 1 << 24
MAX_SLOTS = 8 * _MAX_STATUS
"""Slot numbers end here: a status list is an array over them, and must stay readable."""


@message
class CutKey(Message):
    """An own epoch key that is stolen."""

    epoch: Epoch
    revision: Revision


@message
class EpochEntry(Message):
    """One epoch key and everything that belongs to its epoch."""

    epoch: Epoch
    revision: Revision
    public: G2Bytes
    possession: Annotated[bytes, Size(64, 64)]
    root_signature: Ed25519Signature
    status: Hash
    board: Hash
    allotment: Hash
    rules: Annotated[int, Range(1, 1 << 16)]
    """Evidence-rule version by which v_t is computed."""
    allotted: int
    active: int
    previous: Hash | None
    """Hash of the previous epoch entry; absent in the first."""
    cuts: Annotated[tuple[CutKey, ...], Size(1, 8)] | None = None
    """Own keys that this one replaces because they were stolen (GS-EPOCH-12)."""


@message
class BucketRef(Message):
    """A bucket of the board by hash; no proof if no slot is present."""

    first: Slot
    data: Hash
    proof: Hash | None


@message
class Board(Message):
    """The blob that lists the buckets of an epoch, ascending."""

    MAX_SIZE: ClassVar[int] = 2 << 20

    buckets: Annotated[tuple[BucketRef, ...], Size(0, MAX_BUCKETS)]


class Action(StrEnum):
    """What an order does (closed list)."""

    SUSPEND = "suspend"
    RESTORE = "restore"
    RETIRE = "retire-slot"


class OrderReason(StrEnum):
    """Reason classes of orders; the charter's own list comes with quorums."""

    INFECTION = "infection"
    EVIDENCE_WITHDRAWN = "evidence-withdrawn"
    DOUBLE_ENROLMENT = "double-enrolment"
    HOLDER = "holder"
    ORDER_LAPSED = "order-lapsed"


@message
class OrderEntry(Message):
    """A status change; the exact reason is committed to, not shown (GS-REC-7)."""

    action: Action
    slots: Annotated[tuple[Slot, ...], Size(1, 1024)]
    reason: OrderReason
    commitment: Hash
    """Hides the exact reason and evidence file; one commitment orders once."""
    log_by: Epoch
    """The last epoch with which it may take effect: an order kept back is void."""
    organisation: OrganisationId
    signature: Ed25519Signature

    def statement(self, federation: bytes, region: str) -> bytes:
        """What the organisation signs: everything, for one region of one federation."""
        return cbor.encode(
            [
                "guosuo/order",
                federation,
                region,
                self.action.value,
                list(self.slots),
                self.reason.value,
                self.commitment,
                self.log_by,
                self.organisation,
            ]
        )


@message
class ListEntry(Message):
    """A list version: its public part's octets hash and the wallets' blob."""

    part: Hash
    keys: Hash
    lowest: Revision | None = None
    """Set by a cut: revisions of this epoch below this one have ended (GS-LIST-10)."""


@message
class JudgementEntry(Message):
    """This node's judgement on an epoch of a region, its own included (GS-EPOCH-13)."""

    region: Region
    epoch: Epoch
    revision: Revision | None
    """Of the key that is listed for it; absent if there is none."""
    verdict: Ruling
    rule: Rule
    entry: Hash | None
    """Of the signed epoch entry that was judged; absent if there is none."""
    state: Hash
    """Of the region's state after the epoch, as `Judged.digest`."""


@message
class CheckpointInfo(Message):
    """A checkpoint that the gate region answers for."""

    checkpoint: CheckpointId
    names: Annotated[tuple[Name, ...], Size(1, 16)]
    place: Annotated[str, Size(1, 256)]
    policy: Annotated[str, Size(1, 32)]


@message
class CheckpointsEntry(Message):
    """Checkpoints of the gate region: a new register, or more of the same one."""

    more: bool
    """False: this entry starts the register anew. True: it adds to it."""
    checkpoints: Annotated[tuple[CheckpointInfo, ...], Size(0, 64)]


def root_statement(federation: bytes, key_id: KeyId, public: bytes) -> bytes:
    """What a region's root key signs to certify an epoch key."""
    return cbor.encode(
        [
            "guosuo/epoch-key",
            federation,
            key_id.region,
            key_id.epoch,
            key_id.revision,
            public,
        ]
    )


def epoch_public(scheme: Scheme, entry: EpochEntry) -> G2:
    """W_t, strictly decoded."""
    return scheme.engine.decode_g2(entry.public)


# --- blobs -----------------------------------------------------------------------------


def encode_allotment(slots: Mapping[int, G1]) -> bytes:
    """Newly allotted slots with their C, ascending: 8 + 48 octets each (GS-REC-10)."""
    return b"".join(slot.to_bytes(8, "big") + slots[slot].encode() for slot in sorted(slots))


def decode_allotment(scheme: Scheme, data: bytes) -> dict[int, G1]:
    """Strict: ascending, no slot twice, below `MAX_SLOTS`, every C in the subgroup."""
    if len(data) % ALLOTMENT_SIZE:
        raise PeerError(Reason.ALLOTMENT)
    out: dict[int, G1] = {}
    last = -1
    for i in range(0, len(data), ALLOTMENT_SIZE):
        slot = int.from_bytes(data[i : i + 8], "big")
        if not last < slot < MAX_SLOTS:
            raise PeerError(Reason.ALLOTMENT)
        last = slot
        out[slot] = scheme.engine.decode_g1(data[i + 8 : i + ALLOTMENT_SIZE])
    return out


def status_bits(size: int, invalid: Iterable[int]) -> bytes:
    """The bit array of a one-bit status list over `size` slots; 1 is out of force."""
    bits = bytearray(-(-size // 8))
    for slot in invalid:
        bits[slot >> 3] |= 1 << (slot & 7)
    return bytes(bits)


def encode_status_list(bits: bytes) -> bytes:
    """Token Status List in CBOR form (draft-ietf-oauth-status-list), one bit a slot."""
    return cbor.encode({"bits": 1, "lst": zlib.compress(bits, 9)})


def decode_status_list(data: bytes) -> bytes:
    """The bits of a status list; bounded; `PeerError(STATUS_LIST)` (GS-REC-11)."""
    value = cbor.decode(data, max_size=_MAX_STATUS)
    if not isinstance(value, dict) or value.keys() != {"bits", "lst"}:
        raise PeerError(Reason.STATUS_LIST)
    bits_each, packed = value["bits"], value["lst"]
    if type(bits_each) is not int or bits_each != 1 or not isinstance(packed, bytes):
        raise PeerError(Reason.STATUS_LIST)
    inflater = zlib.decompressobj()
    try:
        bits = inflater.decompress(packed, _MAX_STATUS)
    except zlib.error:
        raise PeerError(Reason.STATUS_LIST) from None
    if not inflater.eof or inflater.unused_data:
        raise PeerError(Reason.STATUS_LIST)
    return bits
