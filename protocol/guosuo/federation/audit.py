"""Auditing an epoch: everything that its entry names, recomputed and compared.

No field that a region declares is compared with another field that it declares:
the status list and the presence of every slot are recomputed from allotments and
orders (GS-EPOCH-4). What comes out is a finding for the judge: whether all holds,
what is missing, and which kind of fault there is (GS-EPOCH-9).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from guosuo.bbs.signature import SIGNATURE_SIZE
from guosuo.credential.board import ABSENT, Bucket, audit_bucket
from guosuo.curve.points import G1
from guosuo.errors import PeerError, Reason
from guosuo.federation.charter import Federation
from guosuo.federation.entries import (
    Board,
    BucketRef,
    decode_allotment,
    decode_status_list,
    status_bits,
)
from guosuo.federation.judge import Finding, Rule
from guosuo.federation.records import FetchBlob, fetch_checked
from guosuo.federation.view import PublishedEpoch
from guosuo.scheme import KeyId
from guosuo.wire import cbor


@dataclass(frozen=True, slots=True)
class AuditedEpoch:
    """An epoch of a region that gates may list: all of it was read, and no fault refuses it."""

    published: PublishedEpoch
    active: int
    """Slots signed in this epoch."""
    commitments: Mapping[int, G1]
    """C of every slot ever allotted, up to and with this epoch."""


@dataclass(frozen=True, slots=True)
class Examined:
    """What the audit of one epoch found."""

    finding: Finding
    reason: Reason | None
    """The first fault, or `RECORD_MISSING`; None if all holds."""
    audited: AuditedEpoch | None
    """Unless refused or not all read."""
    commitments: Mapping[int, G1] | None = field(repr=False)
    """With this epoch's allotments, if they could be read and do not clash."""


VOID_RULES: Mapping[Reason, Rule] = {
    Reason.PROOF: Rule.POSSESSION,
    Reason.EPOCH_KEY_REUSED: Rule.KEY_REUSED,
}
"""Rules of epoch entries that do not conform, by the view's reason; `ENTRY` for all others."""


def void_rule(reason: Reason) -> Rule:
    """Under which rule an epoch entry is void (GS-EPOCH-2)."""
    return VOID_RULES.get(reason, Rule.ENTRY)


def audit_epoch(
    federation: Federation,
    published: PublishedEpoch,
    before: Mapping[int, G1],
    fetch: FetchBlob,
) -> AuditedEpoch:
    """The epoch, if all of it holds after its predecessor; `PeerError` with the reason.

    `before`: commitments of all slots allotted up to the previous epoch.
    """
    found = examine_epoch(federation, published, before, fetch)
    if found.reason is not None or found.audited is None:
        raise PeerError(found.reason or Reason.RECORD_MISSING)
    return found.audited


def examine_epoch(
    federation: Federation,
    published: PublishedEpoch,
    before: Mapping[int, G1],
    fetch: FetchBlob,
    *,
    whole_since: int = 0,
) -> Examined:
    """Audit one epoch as far as its blobs can be had; the fault, if there is one, classified.

    `before`: commitments of all slots allotted up to the previous epoch. `whole_since`:
    the entry leaves out no slot that an entry of this or a later epoch number signed.
    """
    return _Examination(federation, published, before, fetch, whole_since).run()


@dataclass(slots=True)
class _Examination:
    federation: Federation
    published: PublishedEpoch
    before: Mapping[int, G1]
    fetch: FetchBlob
    whole_since: int
    left_out: set[int] = field(default_factory=set)
    failing: set[int] = field(default_factory=set)
    unread: set[int] = field(default_factory=set)
    reason: Reason | None = None
    commitments: Mapping[int, G1] | None = None

    def run(self) -> Examined:
        try:
            return self._examined()
        except PeerError as error:
            # 1. A blob other than a bucket is missing: anything may still be wrong.
            if error.reason is not Reason.RECORD_MISSING:
                raise
            return self._result(Reason.RECORD_MISSING, unread=None)

    def _examined(self) -> Examined:
        entry, size = self.published.entry, self.federation.charter.parameters.bucket_slots
        # 2. New slots: none twice, none that was allotted before.
        data = fetch_checked(self.fetch, entry.allotment)
        try:
            fresh = decode_allotment(self.federation.scheme, data)
        except PeerError as error:
            return self._refused(Rule.ALLOTMENT, error.reason)
        self.commitments = {**fresh, **self.before}
        if fresh.keys() & self.before.keys() or entry.allotted != len(self.commitments):
            return self._refused(Rule.ALLOTMENT, Reason.ALLOTMENT)
        # 3. Orders name allotted slots only; what they leave is in force.
        invalid = self.published.suspended & self.commitments.keys()
        active = frozenset(self.commitments.keys() - invalid)
        firsts = bucket_firsts(self.commitments, size)
        # 4. The board holds buckets of allotted slots only, ascending. Buckets are looked at
        # before the status list: a list that says the truth about them is one fault less.
        try:
            board = Board.decode(fetch_checked(self.fetch, entry.board))
        except PeerError as error:
            if error.reason is Reason.RECORD_MISSING:
                raise
            return self._refused(Rule.BOARD, error.reason)
        named = [ref.first for ref in board.buckets]
        if named != sorted(set(named)) or not set(named) <= set(firsts):
            return self._refused(Rule.BOARD, Reason.BOARD)
        self.left_out = {s for s in active if s - s % size not in set(named)}
        for ref in board.buckets:
            if not self._bucket(ref, active):
                return self._refused(Rule.SUSPENDED_SIGNED, Reason.BOARD)
        # 5. The status list says what the orders say, or what the board shows.
        status = fetch_checked(self.fetch, entry.status)
        try:
            bits = decode_status_list(status)
        except PeerError as error:
            return self._refused(Rule.STATUS_LIST, error.reason)
        end = firsts[-1] + size if firsts else 0
        shown = status_bits(end, invalid | self.left_out)
        lawful = bits == status_bits(end, invalid) and entry.active == len(active)
        if not lawful:
            self.reason = Reason.STATUS_LIST
            # With a bucket unread, what is left out is not known in full.
            if self.unread:
                return self._result(Reason.RECORD_MISSING, unread=None)
            counts = (len(active), len(active) - len(self.left_out))
            if bits not in (status_bits(end, invalid), shown) or entry.active not in counts:
                return self._refused(Rule.STATUS_LIST, Reason.STATUS_LIST)
        if self.left_out and self.reason is None:
            self.reason = Reason.BOARD
        if self.unread:
            return self._result(Reason.RECORD_MISSING, unread=frozenset(self.unread))
        return self._result(self.reason, unread=frozenset(), active=active - self.left_out)

    def _bucket(self, ref: BucketRef, active: frozenset[int]) -> bool:
        """Look at one bucket; False if it signs what is not in force."""
        size = self.federation.charter.parameters.bucket_slots
        inside = range(ref.first, ref.first + size)
        commitments = self.commitments or {}
        try:
            data = fetch_checked(self.fetch, ref.data)
            proof = fetch_checked(self.fetch, ref.proof) if ref.proof is not None else b""
        except PeerError:
            self.unread.add(ref.first)
            return True
        present = active
        if len(data) == size * SIGNATURE_SIZE:
            cells = {s: data[(s - ref.first) * SIGNATURE_SIZE :][:SIGNATURE_SIZE] for s in inside}
            signed = frozenset(s for s, cell in cells.items() if cell != ABSENT)
            if not signed <= active:
                return False
            absent = (active & set(inside)) - signed
            if absent:
                self.left_out |= absent
                self.reason = self.reason or Reason.BOARD
            present = signed
        try:
            audit_bucket(
                self.federation.scheme,
                self.published.id,
                self.published.public,
                ref.first,
                size,
                {slot: commitments[slot] for slot in inside if slot in commitments},
                frozenset(slot for slot in inside if slot in present),
                Bucket(data, proof),
            )
        except PeerError as error:
            self.failing.add(ref.first)
            self.reason = self.reason or error.reason
        return True

    def _refused(self, rule: Rule, reason: Reason) -> Examined:
        found = self._result(reason, unread=frozenset())
        return replace(found, finding=replace(found.finding, refused=rule), audited=None)

    def _result(
        self,
        reason: Reason | None,
        *,
        unread: frozenset[int] | None,
        active: frozenset[int] = frozenset(),
    ) -> Examined:
        entry, commitments = self.published.entry, self.commitments
        finding = Finding(
            key=self.published.id,
            entry=self.published.digest,
            state=log_state(self.published),
            unread=unread,
            left_out=frozenset(self.left_out),
            failing=frozenset(self.failing),
            active=len(active),
            cuts=frozenset(
                KeyId(self.published.id.region, c.epoch, c.revision) for c in entry.cuts or ()
            ),
            whole_since=self.whole_since,
            charter=self.published.charter,
        )
        readable = commitments is not None and unread is not None and not unread
        audited = (
            AuditedEpoch(self.published, len(active), commitments)
            if readable and commitments is not None
            else None
        )
        return Examined(finding, reason, audited, commitments)


def log_state(published: PublishedEpoch) -> bytes:
    """Hash of the state of a region's log after an epoch entry.

    The entry's hash stands for all epoch entries and allotments before it, which it links
    to; slots out of force are hashed themselves.
    """
    slots = b"".join(slot.to_bytes(8, "big") for slot in sorted(published.suspended))
    parts: list[cbor.Value] = [
        "guosuo/log-state",
        published.digest,
        hashlib.sha256(slots).digest(),
    ]
    return hashlib.sha256(cbor.encode(parts)).digest()


def bucket_firsts(commitments: Mapping[int, G1], size: int) -> list[int]:
    """First slots of the buckets that hold allotted slots, ascending."""
    return sorted({slot - slot % size for slot in commitments})
