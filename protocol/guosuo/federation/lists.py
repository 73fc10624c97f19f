"""Which keys stand on the list of an epoch, and when a gate revises it (GS-LIST-5).

Pure functions of the judge. Every list ends with its window, T + 2E; how long a key of a
held or late region goes on being accepted is decided by the last list that holds it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from guosuo.federation.charter import Federation
from guosuo.federation.clock import (
    CHECKPOINT_POLL,
    KEY_EPOCHS,
    LIST_AT,
    LIST_EPOCHS,
    REVISIONS_AT,
)
from guosuo.federation.judge import Judge, Judged, Ruling
from guosuo.federation.trust_list import MAX_CUTS, MAX_REVISION
from guosuo.scheme import KeyId

REMOVED = "removed"
"""Reason of an absence: a later version of the charter removed the member (GS-REC-21)."""
EXPOSED = "key-exposed"
"""Reason of an absence: the secret of a key that would be listed is public."""
_NOBODY: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Listing:
    """What the list of one epoch says, before (a, b) are drawn."""

    epoch: int
    keys: tuple[KeyId, ...]
    """Ascending by region, epoch, revision."""
    absent: tuple[tuple[str, str], ...]
    """Regions without a key, each with the reason; ascending."""

    @property
    def ends(self) -> int:
        """The epoch with whose start the list ends."""
        return self.epoch + LIST_EPOCHS

    def of(self, region: str) -> tuple[KeyId, ...]:
        """The keys of one region."""
        return tuple(key for key in self.keys if key.region == region)


@dataclass(frozen=True, slots=True)
class PublishedList:
    """A revision of a list that its gate published."""

    listing: Listing
    at: int
    """When, in E/240 after T (before T: negative)."""
    cut: bool = False
    """It ended the revisions before it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A revision to publish now."""

    listing: Listing
    revision: int
    cut: bool
    """All lower revisions of this epoch end with it."""


def listing(
    judge: Judge,
    epoch: int,
    *,
    late_epochs: int | None = None,
    omitted: Mapping[str, str] = _NOBODY,
    under: Federation | None = None,
) -> Listing:
    """The list of an epoch, as the facts stand now (GS-LIST-5).

    `late_epochs`: a gate may list late regions shorter than the charter allows, or not at
    all (0). `omitted`: regions that the gate authority does not recognise, with the
    reason. `under`: the version of the charter that the gate's region adopted; its members
    are listed, and those that were removed until then are absent for ever.
    """
    limit = judge.late_epochs
    late = limit if late_epochs is None else max(0, min(late_epochs, limit))
    keys: list[KeyId] = []
    absent: list[tuple[str, str]] = []
    regions = judge.regions
    if under is not None:
        former = under.former()
        omitted = {**omitted, **dict.fromkeys(former, REMOVED)}
        regions &= under.members.keys() | former
    for region in sorted(regions):
        if region in omitted:
            absent.append((region, omitted[region]))
            continue
        found, reason = _of_region(judge, region, epoch, late)
        keys.extend(sorted(found, key=lambda key: (key.epoch, key.revision)))
        if not found:
            absent.append((region, reason))
    return Listing(epoch, tuple(keys), tuple(absent))


def is_ended(judge: Judge, keys: Collection[KeyId]) -> bool:
    """Whether a list that holds these keys ends early: one is cut, or its secret public."""
    burnt = judge.burnt()
    return bool(burnt) and not burnt.isdisjoint(keys)


def due(
    judge: Judge,
    epoch: int,
    published: Sequence[PublishedList],
    at: int,
    *,
    late_epochs: int | None = None,
    omitted: Mapping[str, str] = _NOBODY,
    under: Federation | None = None,
) -> Plan | None:
    """The revision of the list of an epoch that its gate publishes now, if any (GS-LIST-10).

    `published`: its revisions so far, ascending. `at`: now, in E/240 after T. The first
    list comes at T − 20; changes are batched into revisions at T + 40, + 100, + 160; a cut
    is published at once, several within one poll of the checkpoints together.
    """
    if at < LIST_AT:
        return None
    # A superseded revision goes on to be valid: a stolen key on it ends it too.
    last = max((i for i, item in enumerate(published) if item.cut), default=0)
    cut = is_ended(judge, [key for item in published[last:] for key in item.listing.keys])
    if published and not (_may_cut(published, at) if cut else _may_batch(published, at)):
        return None
    wanted = listing(judge, epoch, late_epochs=late_epochs, omitted=omitted, under=under)
    if not wanted.keys or (published and not cut and wanted == published[-1].listing):
        return None
    return Plan(wanted, len(published), cut)


def _may_cut(published: Sequence[PublishedList], at: int) -> bool:
    """Several cuts within one poll of the checkpoints share a revision."""
    cuts = [p.at for p in published if p.cut]
    return len(cuts) < MAX_CUTS and (not cuts or at - cuts[-1] >= CHECKPOINT_POLL)


def _may_batch(published: Sequence[PublishedList], at: int) -> bool:
    """Three batches; a gate that missed a moment waits for the next one."""
    batched = sum(not p.cut for p in published) - 1
    now = [moment for moment in REVISIONS_AT if moment <= at < moment + CHECKPOINT_POLL]
    return batched < MAX_REVISION and bool(now) and published[-1].at < now[0]


def _of_region(judge: Judge, region: str, epoch: int, late: int) -> tuple[set[KeyId], str]:
    """Keys of one region for the list of an epoch, or none and why."""
    judged = judge.judged(region, epoch)
    plain = _plain(judge, judged, late)
    cuts = judge.cuts(region)
    # 1. A secret that is public, without a revision that replaces it: no key at all, or a
    # region could end a hold by declaring the held key stolen.
    if (plain & judge.exposed(region)) - cuts.keys():
        return set(), EXPOSED
    # 2. A stolen key gives way to the one that replaced it, if need be of the next epoch.
    stolen = plain & cuts.keys()
    keys = plain - stolen
    if any(cuts[key].epoch == epoch + 1 for key in stolen):
        following = judge.judged(region, epoch + 1)
        if following.ruling is Ruling.ADMIT and following.key is not None:
            keys |= {following.key}
    return keys, judged.rule.value


def _plain(judge: Judge, judged: Judged, late: int) -> set[KeyId]:
    """Keys by the four judgements, before theft is looked at."""
    end = judged.epoch + LIST_EPOCHS
    in_hold = judged.since is not None and end <= judged.since + judge.hold_epochs
    match judged.ruling:
        case Ruling.ADMIT:
            # What was held before is over: whoever has a held key has that list as well.
            found = {judged.key, None if judged.before_held else judged.before}
        case Ruling.HOLD:
            found = {judged.key, judged.before, judged.admitted if in_hold else None}
        case _:
            if judged.last is None or end > judged.last + KEY_EPOCHS + late:
                return set()
            if judged.since is None:
                found = {judged.admitted}
            else:
                found = {judged.held, judged.admitted if in_hold else None}
    # No key outlives what the longest lateness and the longest hold together give it.
    return {key for key in found if key is not None and end <= key.epoch + judge.key_epochs}
