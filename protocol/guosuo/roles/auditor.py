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
    commitments: Mapping[int, G1] = field(default_factory=dict, repr=False)


class Auditor:
    """Audits every published epoch of every region once, in order."""

    def __init__(self, view: FederationView) -> None:
        """`view` is fed by the caller; `follow` audits what is new in it."""
        self.view = view
        self.regions = {region: RegionAudit() for region in view.regions}

    def follow(self, region: str, fetch: FetchBlob) -> list[AuditedEpoch]:
        """Audit the epochs of a region that were not audited yet; the admitted ones."""
        state = self.regions[region]
        admitted = []
        for key_id, published in self.view.region(region).epochs.items():
            if key_id in state.admitted or key_id in state.refused:
                continue
            try:
                audited = audit_epoch(self.view.federation, published, state.commitments, fetch)
            except PeerError as error:
                state.refused[key_id] = error.reason
                state.commitments = self._allotted(published, state.commitments, fetch)
                continue
            state.admitted[key_id] = audited
            state.commitments = audited.commitments
            admitted.append(audited)
        return admitted

    def listable(self, epoch: int) -> list[AuditedEpoch]:
        """Admitted keys for the list of an epoch: its own and those of the one before.

        Only the highest revision of an epoch counts.
        """
        found = []
        for region, state in self.regions.items():
            for number in (epoch - 1, epoch):
                published = self.view.region(region).epoch(number)
                if published is not None and published.id in state.admitted:
                    found.append(state.admitted[published.id])
        return found

    def _allotted(
        self, published: PublishedEpoch, before: Mapping[int, G1], fetch: FetchBlob
    ) -> Mapping[int, G1]:
        """Slots of a refused epoch stay allotted if its blob can be read at all."""
        try:
            blob = fetch_checked(fetch, published.entry.allotment)
            return {**decode_allotment(self.view.federation.scheme, blob), **before}
        except PeerError:
            return before
