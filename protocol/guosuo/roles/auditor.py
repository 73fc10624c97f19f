"""The auditor: follows the regions' epochs, feeds the judge, and says what a gate may list.

Every node runs one over all regions; so can anybody else, from public files alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from guosuo.curve.points import G1
from guosuo.errors import PeerError, Reason
from guosuo.federation.audit import AuditedEpoch, Examined, examine_epoch, void_rule
from guosuo.federation.entries import EpochEntry, JudgementEntry
from guosuo.federation.judge import Amended, Fact, Judge, Shared, Void
from guosuo.federation.lists import Listing, listing
from guosuo.federation.records import (
    Append,
    FetchBlob,
    Kind,
    LogEntry,
    digest,
    kind_of,
    payload,
)
from guosuo.federation.view import FederationView, PublishedEpoch
from guosuo.scheme import KeyId


@dataclass(slots=True)
class RegionAudit:
    """What an auditor knows of one region so far."""

    admitted: dict[KeyId, AuditedEpoch] = field(default_factory=dict)
    held: dict[KeyId, AuditedEpoch] = field(default_factory=dict)
    """Read whole, with no other fault than slots left out or failing buckets."""
    refused: dict[KeyId, Reason] = field(default_factory=dict)
    faults: dict[KeyId, Reason] = field(default_factory=dict)
    """Why an epoch is held or refused."""
    waiting: dict[KeyId, Mapping[int, G1]] = field(default_factory=dict, repr=False)
    """Epochs of which a blob is missing so far, with the commitments before them."""
    commitments: Mapping[int, G1] = field(default_factory=dict, repr=False)
    suspended: dict[int, int] = field(default_factory=dict, repr=False)
    """Slots out of force, each with the epoch number that first left it out."""
    whole: dict[KeyId, int] = field(default_factory=dict)
    """`Finding.whole_since` of each epoch entry that was looked at."""
    voids: int = 0
    """Void entries that were looked at."""
    judged_before: int = 0
    """Epochs below this number were judged and forgotten."""

    def known(self, key: KeyId) -> bool:
        """Whether nothing more is to be found out about this epoch."""
        return key in self.admitted or key in self.held or key in self.refused


class Auditor:
    """Audits every published epoch of every region, in order, and judges it."""

    def __init__(self, view: FederationView, judge: Judge | None = None) -> None:
        """`view` is fed by the caller; `follow` audits what is new in it.

        `judge`: one that learns from elsewhere too (reports, forks, snapshots); a new one
        with the charter's limits otherwise.
        """
        numbers = view.federation.charter.parameters
        self.view = view
        self.judge = judge or Judge(
            view.regions, hold_epochs=numbers.hold_epochs, late_epochs=numbers.late_epochs
        )
        self.regions = {region: RegionAudit() for region in view.regions}
        self._amended = 1
        self.amend()

    def amend(self) -> None:
        """Take over versions of the charter that the view learned: members and dates.

        `follow` and `listing` do it, unless the judge may not be told: then the caller has to.
        """
        for version in self.view.history.versions[self._amended :]:
            for region in version.members:
                self.judge.add_region(region)
                self.regions.setdefault(region, RegionAudit())
            self.judge.learn(Amended(version.version, version.charter.adopt_by or 0))
            self._amended = version.version

    def follow(
        self, region: str, fetch: FetchBlob, learn: Callable[[Fact], None] | None = None
    ) -> list[AuditedEpoch]:
        """Audit the epochs of a region that were not audited yet; the admitted ones.

        An epoch of which a blob cannot be had is LATE: it is judged again each time.
        Without its allotments nothing after it can be judged. `learn`: told the facts
        instead of the judge, which has to be told later, by a host that runs this in a
        thread: all else here is this region's alone.
        """
        if learn is None:
            self.amend()
        state = self.regions[region]
        tell = learn or self.judge.learn
        admitted = []
        self._voids(region, tell)
        for key_id, published in list(self.view.region(region).epochs.items()):
            if key_id.epoch < state.judged_before and key_id not in state.waiting:
                continue
            if state.known(key_id):
                continue
            late = key_id in state.waiting
            before = state.waiting.get(key_id, state.commitments)
            whole = self._whole(published)
            found = examine_epoch(self.view.federation, published, before, fetch, whole_since=whole)
            if found.reason is Reason.RECORD_MISSING and found.commitments is None:
                # A blob that is not even readable as allotments: nothing behind it is judged.
                tell(found.finding)
                break
            self._keep(state, found, before)
            tell(found.finding)
            if not late:
                state.commitments = found.commitments or before
            if found.audited is not None and found.reason is None:
                admitted.append(found.audited)
        return admitted

    def listing(self, epoch: int, gate: str | None = None) -> Listing:
        """What the list of an epoch says, as far as is known now (GS-LIST-5).

        `gate`: by the charter that this region adopted; by the newest one otherwise.
        """
        self.amend()
        for region, view in self.view.regions.items():
            state = self.regions[region]
            for key_id in (*state.admitted, *state.held):
                published = view.epochs.get(key_id)
                if published is not None and self.view.shared(published):
                    self.judge.learn(Shared(key_id))
        under = self.view.federation if gate is None else self.view.ruling(gate)
        return listing(self.judge, epoch, under=under)

    def listable(self, epoch: int, gate: str | None = None) -> list[AuditedEpoch]:
        """The audited epochs whose keys the list of an epoch holds; as `listing`."""
        found = []
        for key_id in self.listing(epoch, gate).keys:
            state = self.regions[key_id.region]
            audited = state.admitted.get(key_id) or state.held.get(key_id)
            if audited is not None:
                found.append(audited)
        return found

    def judgement(self, region: str, epoch: int) -> Append:
        """The log entry with the judgement on an epoch, as it stands now (GS-EPOCH-13)."""
        judged = self.judge.judged(region, epoch)
        body = JudgementEntry(
            region=region,
            epoch=epoch,
            revision=judged.key.revision if judged.key else None,
            verdict=judged.ruling,
            rule=judged.rule,
            entry=judged.entry,
            state=judged.digest(),
        )
        return Append(Kind.JUDGEMENT, body.encode())

    def forget(self, before: int, regions: Collection[str] | None = None) -> None:
        """Drop what is known of epochs that can no longer be listed; they stay judged.

        The last admitted and the last held epoch of a region stay, whatever their age. What
        was not looked at yet is not forgotten: later epochs rest on its allotments.
        `regions`: of these only.
        """
        for region, state in list(self.regions.items()):
            if regions is not None and region not in regions:
                continue
            old = [key for key in self.view.region(region).epochs if key.epoch < before]
            if any(
                key.epoch >= state.judged_before
                and not state.known(key)
                and key not in state.waiting
                for key in old
            ):
                continue
            state.waiting = {k: c for k, c in state.waiting.items() if k.epoch >= before}
            newest = self.judge.newest(region)
            judged = None if newest is None else self.judge.judged(region, newest)
            kept = {judged.admitted, judged.held} if judged else set()
            state.admitted = {
                k: a for k, a in state.admitted.items() if k.epoch >= before or k in kept
            }
            state.held = {k: a for k, a in state.held.items() if k.epoch >= before or k in kept}
            state.judged_before = max(state.judged_before, before)

    def _keep(self, state: RegionAudit, found: Examined, before: Mapping[int, G1]) -> None:
        key, reason = found.finding.key, found.reason
        if reason is Reason.RECORD_MISSING:
            state.waiting[key] = before
            return
        state.waiting.pop(key, None)
        if reason is not None:
            state.faults[key] = reason
        if found.audited is None:
            state.refused[key] = reason or Reason.EPOCH_ENTRY
        elif reason is None:
            state.admitted[key] = found.audited
        else:
            state.held[key] = found.audited

    def _whole(self, published: PublishedEpoch) -> int:
        """Since which epoch number nobody was left out any more (for cuts)."""
        state, key = self.regions[published.id.region], published.id
        if key not in state.whole:
            state.suspended = {
                slot: state.suspended.get(slot, key.epoch) for slot in published.suspended
            }
            state.whole[key] = max(state.suspended.values(), default=0)
        return state.whole[key]

    def _voids(self, region: str, tell: Callable[[Fact], None]) -> None:
        """Tell the judge of epoch entries that do not conform."""
        view, state = self.view.region(region), self.regions[region]
        fresh = view.void[state.voids :]
        state.voids += len(fresh)
        for index, reason in fresh:
            data = view.entries[index]
            if kind_of(data) is not Kind.EPOCH:
                continue
            try:
                entry = EpochEntry.decode(LogEntry.decode(payload(data)).body)
            except PeerError:
                continue
            tell(Void(region, entry.epoch, digest(data), void_rule(reason)))
