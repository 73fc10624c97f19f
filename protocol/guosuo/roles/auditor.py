"""The auditor: follows the regions' epochs and says which ones a gate may list.

Every node runs one over all regions; so can anybody else, from public files alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from guosuo.curve.points import G1
from guosuo.errors import PeerError, Reason
from guosuo.federation.audit import AuditedEpoch, audit_epoch
from guosuo.federation.entries import decode_allotment
from guosuo.federation.records import FetchBlob, fetch_checked
from guosuo.federation.view import FederationView, PublishedEpoch
from guosuo.scheme import KeyId


@dataclass(slots=True)
class RegionAudit:
    """What an auditor knows of one region so far."""

    admitted: dict[KeyId, AuditedEpoch] = field(default_factory=dict)
    refused: dict[KeyId, Reason] = field(default_factory=dict)
    waiting: dict[KeyId, Mapping[int, G1]] = field(default_factory=dict, repr=False)
    """Epochs of which a blob is missing so far, with the commitments before them."""
    commitments: Mapping[int, G1] = field(default_factory=dict, repr=False)
    judged_before: int = 0
    """Epochs below this number were judged and forgotten."""


class Auditor:
    """Audits every published epoch of every region once, in order."""

    def __init__(self, view: FederationView) -> None:
        """`view` is fed by the caller; `follow` audits what is new in it."""
        self.view = view
        self.regions = {region: RegionAudit() for region in view.regions}

    def follow(self, region: str, fetch: FetchBlob) -> list[AuditedEpoch]:
        """Audit the epochs of a region that were not audited yet; the admitted ones.

        An epoch of which a blob cannot be had is neither admitted nor refused: it is
        judged again each time. Without its allotments nothing after it can be judged.
        """
        state = self.regions[region]
        admitted = []
        for key_id, published in self.view.region(region).epochs.items():
            if key_id.epoch < state.judged_before and key_id not in state.waiting:
                continue
            if key_id in state.admitted or key_id in state.refused:
                continue
            late = key_id in state.waiting
            before = state.waiting.get(key_id, state.commitments)
            try:
                audited = audit_epoch(self.view.federation, published, before, fetch)
            except PeerError as error:
                if error.reason is not Reason.RECORD_MISSING:
                    state.refused[key_id] = error.reason
                    state.waiting.pop(key_id, None)
                elif self._readable(published, fetch):
                    state.waiting[key_id] = before
                else:
                    break
                if not late:
                    state.commitments = self._allotted(published, before, fetch)
                continue
            state.waiting.pop(key_id, None)
            state.admitted[key_id] = audited
            if not late:
                state.commitments = audited.commitments
            admitted.append(audited)
        return admitted

    def listable(self, epoch: int) -> list[AuditedEpoch]:
        """Admitted keys for the list of an epoch: its own and those of the one before.

        Only the highest admitted revision of an epoch counts, and no key that two
        regions published (GS-LIST-5).
        """
        found = []
        for state in self.regions.values():
            for number in (epoch - 1, epoch):
                revisions = [key for key in state.admitted if key.epoch == number]
                newest = max(revisions, key=lambda key: key.revision, default=None)
                if newest is not None and not self.view.shared(state.admitted[newest].published):
                    found.append(state.admitted[newest])
        return found

    def forget(self, before: int) -> None:
        """Drop what is known of epochs that can no longer be listed; they stay judged."""
        for state in self.regions.values():
            state.admitted = {k: a for k, a in state.admitted.items() if k.epoch >= before}
            state.judged_before = max(state.judged_before, before)

    def _readable(self, published: PublishedEpoch, fetch: FetchBlob) -> bool:
        """Whether the allotment blob can be had."""
        try:
            fetch_checked(fetch, published.entry.allotment)
        except PeerError:
            return False
        return True

    def _allotted(
        self, published: PublishedEpoch, before: Mapping[int, G1], fetch: FetchBlob
    ) -> Mapping[int, G1]:
        """Slots of a refused epoch stay allotted if its blob can be read at all."""
        try:
            blob = fetch_checked(fetch, published.entry.allotment)
            return {**decode_allotment(self.view.federation.scheme, blob), **before}
        except PeerError:
            return before
