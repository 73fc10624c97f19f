"""Auditing an epoch: everything that its entry names, recomputed and compared.

No field that a region declares is compared with another field that it declares:
the status list and the presence of every slot are recomputed from allotments and
orders (GS-EPOCH-4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from guosuo.credential.board import Bucket, audit_bucket
from guosuo.curve.points import G1
from guosuo.errors import PeerError, Reason
from guosuo.federation.charter import Federation
from guosuo.federation.entries import Board, decode_allotment, decode_status_list, status_bits
from guosuo.federation.records import FetchBlob, fetch_checked
from guosuo.federation.view import PublishedEpoch


@dataclass(frozen=True, slots=True)
class AuditedEpoch:
    """An epoch of a region that passed the whole audit; what gates may list."""

    published: PublishedEpoch
    active: int
    """Slots signed in this epoch."""
    commitments: Mapping[int, G1]
    """C of every slot ever allotted, up to and with this epoch."""


def audit_epoch(
    federation: Federation,
    published: PublishedEpoch,
    before: Mapping[int, G1],
    fetch: FetchBlob,
) -> AuditedEpoch:
    """Audit one epoch after its predecessor; `PeerError` with the reason.

    `before`: commitments of all slots allotted up to the previous epoch.
    """
    scheme, size = federation.scheme, federation.charter.parameters.bucket_slots
    entry = published.entry
    # 1. New slots: none twice, none that was allotted before.
    fresh = decode_allotment(scheme, fetch_checked(fetch, entry.allotment))
    if fresh.keys() & before.keys() or entry.allotted != len(before) + len(fresh):
        raise PeerError(Reason.ALLOTMENT)
    commitments = {**before, **fresh}
    # 2. Orders name allotted slots only; what they leave is active.
    invalid = published.suspended & commitments.keys()
    active = frozenset(commitments.keys() - invalid)
    if entry.active != len(active):
        raise PeerError(Reason.STATUS_LIST)
    # 3. The status list says exactly that.
    firsts = bucket_firsts(commitments, size)
    bits = decode_status_list(fetch_checked(fetch, entry.status))
    if bits != status_bits(firsts[-1] + size if firsts else 0, invalid):
        raise PeerError(Reason.STATUS_LIST)
    # 4. The board holds the buckets of all allotted slots, each with its proof.
    board = Board.decode(fetch_checked(fetch, entry.board))
    if [ref.first for ref in board.buckets] != firsts:
        raise PeerError(Reason.BOARD)
    for ref in board.buckets:
        inside = range(ref.first, ref.first + size)
        bucket = Bucket(
            fetch_checked(fetch, ref.data),
            fetch_checked(fetch, ref.proof) if ref.proof is not None else b"",
        )
        audit_bucket(
            scheme,
            published.id,
            published.public,
            ref.first,
            size,
            {slot: commitments[slot] for slot in inside if slot in commitments},
            frozenset(slot for slot in inside if slot in active),
            bucket,
        )
    return AuditedEpoch(published, len(active), commitments)


def bucket_firsts(commitments: Mapping[int, G1], size: int) -> list[int]:
    """First slots of the buckets that hold allotted slots, ascending."""
    return sorted({slot - slot % size for slot in commitments})
