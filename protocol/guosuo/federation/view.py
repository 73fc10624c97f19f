"""What a reader knows of the regions' logs: verified, in order, conforming.

`FederationView.append` takes the signed entries of each region in order. A broken
signature or chain is refused as a whole; an entry that parses but does not conform
is void: it changes nothing, is kept with reason and index, and stops nothing (GS-REC-4).
Every log is judged by the version of the charter that it adopted so far (GS-REC-20).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from guosuo.credential.keys import check_possession
from guosuo.curve.points import G2
from guosuo.errors import PeerError, Reason
from guosuo.federation.charter import Federation
from guosuo.federation.charters import CharterEntry, CharterHistory, adopted
from guosuo.federation.entries import (
    MAX_CHECKPOINTS,
    Action,
    CheckpointInfo,
    CheckpointsEntry,
    EpochEntry,
    JudgementEntry,
    ListEntry,
    OrderEntry,
    epoch_public,
    root_statement,
)
from guosuo.federation.judge import MAX_CUT_REVISIONS, MAX_KEY_REVISION
from guosuo.federation.records import (
    GENESIS,
    LOGGED,
    FetchBlob,
    Kind,
    LogEntry,
    digest,
    kind_of,
    open_record,
    signature_holds,
)
from guosuo.federation.trust_list import MAX_CUTS, MAX_REVISION, CheckedPart, check_part
from guosuo.policy.table import CheckedPolicy, check_policy
from guosuo.scheme import KeyId


@dataclass(frozen=True, slots=True)
class PublishedEpoch:
    """A conforming epoch entry, with the orders in force at that place of the log."""

    id: KeyId
    entry: EpochEntry
    public: G2
    digest: bytes
    """Hash of the signed entry."""
    suspended: frozenset[int]
    """Slots out of force by conforming orders before this entry."""
    charter: int = 1
    """The version of the charter that the log had adopted."""


@dataclass(slots=True)
class RegionView:
    """The conforming content of one region's log."""

    region: str
    entries: list[bytes] = field(default_factory=list, repr=False)
    last: bytes = GENESIS
    epochs: dict[KeyId, PublishedEpoch] = field(default_factory=dict)
    suspended: set[int] = field(default_factory=set)
    retired: set[int] = field(default_factory=set)
    ordered: dict[bytes, int] = field(default_factory=dict, repr=False)
    """Commitments of orders that took effect, each with its `log_by`."""
    parts: dict[bytes, CheckedPart] = field(default_factory=dict)
    """List parts by hash; the first part of a version counts."""
    drawn: set[tuple[int, int]] = field(default_factory=set)
    """(epoch, revision) of the parts."""
    lists: dict[tuple[int, int], ListEntry] = field(default_factory=dict)
    """List versions by (epoch, revision); the first entry of a version counts."""
    policies: dict[tuple[str, int], CheckedPolicy] = field(default_factory=dict)
    """Policy versions by (policy, version); the first entry of a version counts."""
    checkpoints: dict[str, CheckpointInfo] = field(default_factory=dict)
    judgements: dict[tuple[str, int], JudgementEntry] = field(default_factory=dict)
    """This gate's newest judgement on each (region, epoch)."""
    void: list[tuple[int, Reason]] = field(default_factory=list)
    charter: int = 1
    """The version of the charter by which the next entry is judged."""
    adoptions: list[tuple[int, int]] = field(default_factory=list)
    """Indices of `charter` entries, each with the version that it adopted; ascending."""
    first_epoch: int = 0
    """No epoch below this one follows."""
    listed_under: dict[tuple[int, int], int] = field(default_factory=dict)
    """The version by which each list was logged, where that is not the first."""

    def charter_at(self, size: int) -> int:
        """The version that the first `size` entries end with: it judges a checkpoint of them."""
        behind = [version for index, version in self.adoptions if index >= size]
        return min(behind) - 1 if behind else self.charter

    def latest(self) -> PublishedEpoch | None:
        """The newest conforming epoch entry."""
        return next(reversed(self.epochs.values()), None)

    def epoch(self, number: int) -> PublishedEpoch | None:
        """The conforming entry of an epoch with its highest revision."""
        found = [e for key, e in self.epochs.items() if key.epoch == number]
        return found[-1] if found else None


class FederationView:
    """Verified logs of all members of one federation."""

    def __init__(self, federation: Federation, fetch: FetchBlob | None = None) -> None:
        """An empty view; feed it with `append`.

        `federation`: the newest version known; `fetch`: where blobs with later ones are.
        """
        self.history = CharterHistory(federation)
        self.federation = federation
        """The newest version known; each log is judged by its own, `ruling`."""
        self.regions: dict[str, RegionView] = {}
        self._fetch = fetch or _nothing
        self._keys: dict[bytes, set[str]] = {}
        self._add_members()

    def learn(self, data: bytes) -> Federation:
        """A signed charter, from whoever had it; as `CharterHistory.add` (GS-REC-19)."""
        try:
            return self.history.add(data)
        finally:
            self._add_members()

    def _add_members(self) -> None:
        """Logs of those that a new version made members begin empty."""
        if self.regions and self.history.current.version == self.federation.version:
            return
        self.federation = self.history.current
        for version in self.history.versions:
            for region in version.members:
                if region not in self.regions:
                    self.regions[region] = RegionView(region, charter=version.version)

    def region(self, region: str) -> RegionView:
        """One member's view, or a former one's; `PeerError(REGION_UNKNOWN)`."""
        found = self.regions.get(region)
        if found is None:
            raise PeerError(Reason.REGION_UNKNOWN)
        return found

    def ruling(self, region: str) -> Federation:
        """The version by which the region's next entry is judged."""
        return self.history.version(self.region(region).charter)

    def ruling_at(self, region: str, size: int) -> Federation:
        """The version by which a checkpoint over `size` entries of the region is judged."""
        return self.history.version(self.region(region).charter_at(size))

    def shared(self, published: PublishedEpoch) -> bool:
        """True if another region published the same key: somebody knows both secrets."""
        return len(self._keys[published.entry.public]) > 1

    def append(self, region: str, data: bytes) -> Kind:
        """Verify and take in the next entry of a region's log; its kind (GS-REC-3).

        Raises `PeerError` if it is not the next signed entry of that region; with
        `RECORD_MISSING` for a `charter` entry whose blob cannot be had so far: by which keys
        the log goes on is not known.
        """
        view, member = self.region(region), self.ruling(region).member(region)
        kind = kind_of(data)
        if kind not in LOGGED:
            raise PeerError(Reason.RECORD_KIND)
        entry = LogEntry.decode(open_record(member.log_key, self.federation.id, kind, data))
        index = len(view.entries)
        if (entry.region, entry.index, entry.previous) != (region, index, view.last):
            raise PeerError(Reason.RECORD_ORDER)
        try:
            charter = self._charter(view, kind, entry.body)
            fault = None
        except PeerError as error:
            if error.reason is Reason.RECORD_MISSING:
                raise
            charter, fault = None, error
        view.entries.append(data)
        view.last = digest(data)
        try:
            if fault is not None:
                raise fault
            if charter is not None:
                view.charter = charter.version
                view.adoptions.append((index, charter.version))
                view.first_epoch = max(view.first_epoch, charter.epoch)
            else:
                self._apply(view, kind, entry.body)
        except PeerError as error:
            view.void.append((index, error.reason))
        return kind

    def _charter(self, view: RegionView, kind: Kind, body: bytes) -> CharterEntry | None:
        """What the entry adopts, before it is taken in (GS-REC-20)."""
        if kind is not Kind.CHARTER:
            return None
        try:
            _, entry = adopted(self.history, view.region, view.charter, body, self._fetch)
        finally:
            self._add_members()
        return entry

    def _apply(self, view: RegionView, kind: Kind, body: bytes) -> None:
        scheme = self.federation.scheme
        match kind:
            case Kind.EPOCH:
                self._apply_epoch(view, EpochEntry.decode(body))
            case Kind.ORDER:
                self._apply_order(view, OrderEntry.decode(body))
            case Kind.LIST_PART:
                part = check_part(scheme, body)
                window = self.federation.clock.list_window(part.part.epoch)
                version = (part.part.epoch, part.part.revision)
                if part.part.region != view.region or window != (
                    part.part.not_before,
                    part.part.not_after,
                ):
                    raise PeerError(Reason.LIST_PART)
                if version in view.drawn:
                    raise PeerError(Reason.LIST_PART)
                view.drawn.add(version)
                view.parts[part.digest] = part
            case Kind.LIST:
                version = _apply_list(view, ListEntry.decode(body))
                if view.charter > 1:
                    view.listed_under[version] = view.charter
            case Kind.POLICY:
                policy = check_policy(scheme, body)
                name = (policy.part.policy, policy.part.version)
                if policy.part.region != view.region or name in view.policies:
                    raise PeerError(Reason.POLICY)
                view.policies[name] = policy
            case Kind.CHECKPOINTS:
                _apply_checkpoints(view, CheckpointsEntry.decode(body))
            case Kind.JUDGEMENT:
                judgement = JudgementEntry.decode(body)
                self.ruling(view.region).known(judgement.region)
                view.judgements[judgement.region, judgement.epoch] = judgement
            case _:
                raise PeerError(Reason.RECORD_KIND)

    def check_order(self, region: str, order: OrderEntry) -> int:
        """`PeerError(ORDER)` unless the order would conform as the region's next entry.

        Rules of an order (GS-ORDER-1 to 3), the same at home and everywhere else; returns
        the number of the epoch with which it takes effect.
        """
        view = self.region(region)
        slots = set(order.slots)
        if len(slots) != len(order.slots):
            raise PeerError(Reason.ORDER)
        # 1. (GS-ORDER-1) An organisation of this region signed exactly this order for this region.
        known = self.ruling(region).organisations.get(order.organisation)
        if known is None or known.region != view.region:
            raise PeerError(Reason.ORDER)
        statement = order.statement(self.federation.id, view.region)
        if not signature_holds(known.key, statement, order.signature):
            raise PeerError(Reason.ORDER)
        # 2. (GS-ORDER-2) It was not kept back: it belongs to the epoch after the last entry.
        latest = view.latest()
        number = latest.id.epoch + 1 if latest else 0
        if number > order.log_by:
            raise PeerError(Reason.ORDER)
        # 3. (GS-ORDER-3) It was not logged before; of those that 2 voids, none need be remembered.
        if order.commitment in view.ordered:
            raise PeerError(Reason.ORDER)
        return number

    def _apply_order(self, view: RegionView, order: OrderEntry) -> None:
        number = self.check_order(view.region, order)
        view.ordered = {c: end for c, end in view.ordered.items() if end >= number}
        view.ordered[order.commitment] = order.log_by
        slots = set(order.slots)
        match order.action:
            case Action.SUSPEND:
                view.suspended |= slots
            case Action.RESTORE:
                view.suspended -= slots
            case Action.RETIRE:
                view.retired |= slots

    def _apply_epoch(self, view: RegionView, entry: EpochEntry) -> None:
        """Rules of an epoch entry that need no blob (GS-EPOCH-2)."""
        scheme, member = self.federation.scheme, self.ruling(view.region).member(view.region)
        key_id = KeyId(view.region, entry.epoch, entry.revision)
        # 0. It is none of those that a `charter` entry before it rules out (GS-REC-20).
        if entry.epoch < view.first_epoch:
            raise PeerError(Reason.EPOCH_ENTRY)
        latest = view.latest()
        # 1. It follows the latest epoch entry: a later epoch, or the next revision.
        if latest is not None:
            follows = entry.epoch > latest.id.epoch and entry.revision == 0
            revises = (entry.epoch, entry.revision) == (
                latest.id.epoch,
                latest.id.revision + 1,
            ) and self._may_revise(view, entry)
            if not (follows or revises):
                raise PeerError(Reason.EPOCH_ENTRY)
        elif entry.revision != 0:
            raise PeerError(Reason.EPOCH_ENTRY)
        # 2. It links to it.
        if entry.previous != (latest.digest if latest else None):
            raise PeerError(Reason.EPOCH_ENTRY)
        # 3. The root key certifies the epoch key.
        statement = root_statement(self.federation.id, key_id, entry.public)
        if not signature_holds(member.root_key, statement, entry.root_signature):
            raise PeerError(Reason.EPOCH_ENTRY)
        # 4. No key stands in two entries of one log. Of two logs neither entry is void,
        # since which one comes first depends on the reader; neither is ever listed.
        holders = self._keys.get(entry.public, set())
        if view.region in holders:
            raise PeerError(Reason.EPOCH_KEY_REUSED)
        # 5. Somebody knows the secret of exactly this key under exactly this name.
        public = epoch_public(scheme, entry)
        check_possession(scheme, key_id, public, entry.possession)
        self._keys[entry.public] = holders | {view.region}
        # 6. The first entry of an epoch number closes it: a revision uses the same orders.
        invalid = frozenset(view.suspended | view.retired)
        if latest is not None and entry.revision > 0:
            invalid = latest.suspended
        view.epochs[key_id] = PublishedEpoch(
            key_id, entry, public, view.last, invalid, view.charter
        )

    def _may_revise(self, view: RegionView, entry: EpochEntry) -> bool:
        """Two revisions of an epoch, and two that replace a stolen key (GS-EPOCH-12)."""
        earlier = [e.entry for k, e in view.epochs.items() if k.epoch == entry.epoch]
        cuts = [bool(e.cuts) and e.revision > 0 for e in (*earlier, entry)]
        return sum(cuts) <= MAX_CUT_REVISIONS and cuts.count(False) - 1 <= MAX_KEY_REVISION


def _apply_checkpoints(view: RegionView, entry: CheckpointsEntry) -> None:
    """No checkpoint stands twice in a register."""
    known = view.checkpoints if entry.more else {}
    listed = {c.checkpoint: c for c in entry.checkpoints}
    if len(listed) != len(entry.checkpoints) or listed.keys() & known.keys():
        raise PeerError(Reason.MESSAGE_VALUE)
    if len(known) + len(listed) > MAX_CHECKPOINTS:
        raise PeerError(Reason.TOO_LONG)
    view.checkpoints = {**known, **listed}


def _nothing(_: bytes) -> bytes:
    raise PeerError(Reason.RECORD_MISSING)


def _apply_list(view: RegionView, entry: ListEntry) -> tuple[int, int]:
    """One list per (epoch, revision), under a part logged before it (GS-LIST-9)."""
    part = view.parts.get(entry.part)
    if part is None:
        raise PeerError(Reason.NOT_PUBLISHED)
    version = (part.part.epoch, part.part.revision)
    if version in view.lists or entry.lowest not in (None, part.part.revision):
        raise PeerError(Reason.LIST_REVISIONS)
    # Three batched revisions, and more only as cuts (GS-LIST-10).
    earlier = [e for (epoch, _), e in view.lists.items() if epoch == part.part.epoch]
    cuts = [e.lowest is not None for e in (*earlier, entry)]
    if part.part.revision > MAX_REVISION + sum(cuts) or sum(cuts) > MAX_CUTS:
        raise PeerError(Reason.LIST_REVISIONS)
    view.lists[version] = entry
    return version
