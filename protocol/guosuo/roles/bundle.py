"""A wallet's audit of a gate bundle: everything checked before anything is shown.

A gate that hands out a special list or table could make a holder reveal region or
evidence by failing or passing. So a wallet uses only what the gate's region logged
for everybody, and checks all of it, once per bundle (GS-SHOW-9).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from guosuo.curve.entropy import Entropy
from guosuo.errors import PeerError, Reason
from guosuo.federation.charter import Federation
from guosuo.federation.clock import KEY_EPOCHS, LIST_EPOCHS
from guosuo.federation.entries import ListEntry
from guosuo.federation.judge import Ruling
from guosuo.federation.records import FetchBlob, fetch_checked
from guosuo.federation.trust_list import (
    CheckedKeys,
    CheckedPart,
    ListKeys,
    audit_keys,
)
from guosuo.federation.view import FederationView, RegionView
from guosuo.policy.compiler import PolicyError, compile_policy
from guosuo.policy.document import PolicyDocument
from guosuo.policy.envelope import check_envelope
from guosuo.policy.table import CheckedPolicy, CheckedTable, audit_table
from guosuo.scheme import KeyId

_OLDER_KEYS = 2
"""Keys older than t − 1 that a list holds of one region: the held and the last admitted one."""
_FULL_SIZE = 7
"""From this many members on, the list must hold three regions by default."""


@dataclass(frozen=True, slots=True)
class GateBundle:
    """An audited list version and policy version of one gate region."""

    part: CheckedPart
    keys: CheckedKeys = field(repr=False)
    policy: CheckedPolicy
    table: CheckedTable = field(repr=False)
    document: PolicyDocument
    only: str | None = None
    """Set if the list hides nobody but holders of this region: no other key may be shown."""

    def listed_regions(self) -> set[str]:
        """Regions with a key on the list."""
        return {key.region for key in self.keys.t}


def list_version(view: RegionView, epoch: int) -> tuple[CheckedPart, ListEntry]:
    """The highest published revision of the list of an epoch; `PeerError(NOT_PUBLISHED)`."""
    found = [(version, entry) for version, entry in view.lists.items() if version[0] == epoch]
    if not found:
        raise PeerError(Reason.NOT_PUBLISHED)
    _, entry = max(found, key=lambda pair: pair[0])
    return view.parts[entry.part], entry


def policy_version(view: RegionView, policy: str, now: int) -> CheckedPolicy:
    """The highest published version of a policy in force at `now` (GS-POLICY-6).

    `PeerError(NOT_PUBLISHED)` for an unknown policy, `PeerError(POLICY_EXPIRED)` if
    no version is in force.
    """
    versions = [p for (name, _), p in view.policies.items() if name == policy]
    if not versions:
        raise PeerError(Reason.NOT_PUBLISHED)
    current = [p for p in versions if p.part.not_before <= now < p.part.not_after]
    if not current:
        raise PeerError(Reason.POLICY_EXPIRED)
    return max(current, key=lambda p: p.part.version)


def audit_bundle(
    view: FederationView,
    region: str,
    policy_id: str,
    *,
    epoch: int,
    now: int,
    fetch: FetchBlob,
    entropy: Entropy,
    home: str | None = None,
) -> GateBundle:
    """Audit the bundle of a gate region for one list epoch; `PeerError` with the reason.

    `home`: a holder of the gate's own region who was told that this gate will see
    that he is local; only then may the list hold fewer regions than the charter's
    minimum.
    """
    book = BundleBook(view, fetch)
    return book.get(region, policy_id, epoch=epoch, now=now, entropy=entropy, home=home)


class BundleBook:
    """Audited bundles of one wallet (or of many on one device): each part audited once."""

    def __init__(self, view: FederationView, fetch: FetchBlob) -> None:
        """Reads the given view, which its owner keeps fed."""
        self.view, self.fetch = view, fetch
        self._lists: dict[tuple[bytes, bytes], CheckedKeys] = {}
        self._tables: dict[bytes, tuple[PolicyDocument, CheckedTable]] = {}

    def get(
        self,
        region: str,
        policy_id: str,
        *,
        epoch: int,
        now: int,
        entropy: Entropy,
        home: str | None = None,
    ) -> GateBundle:
        """As `audit_bundle`; what depends on `now` and on the view is checked every time."""
        gate = self.view.region(region)
        # 1. The list version is in the gate region's log and in its time.
        part, entry = list_version(gate, epoch)
        if not part.part.not_before <= now < part.part.not_after:
            raise PeerError(Reason.LIST_EXPIRED)
        # 2 to 4. Its keys, S and T_i, and who is missing.
        name = (part.digest, entry.keys)
        if name not in self._lists:
            self._lists[name] = _audit_list(self.view, part, entry, self.fetch, entropy)
        keys = self._lists[name]
        # 5. The crowd is large enough to hide in; else a local holder shows local keys only.
        only = None
        try:
            check_crowd(self.view, set(keys.t), _ruling(self.view, gate, part))
        except PeerError:
            if home != region:
                raise
            only = region
        # 6. The policy version is in the log and in force.
        policy = policy_version(gate, policy_id, now)
        # 7. The table is exactly what the policy document compiles to.
        if policy.digest not in self._tables:
            self._tables[policy.digest] = _audit_policy(self.view, policy, self.fetch, entropy)
        document, table = self._tables[policy.digest]
        return GateBundle(part, keys, policy, table, document, only)


def _ruling(view: FederationView, gate: RegionView, part: CheckedPart) -> Federation:
    """The version of the charter by which a list was logged."""
    version = (part.part.epoch, part.part.revision)
    return view.history.version(gate.listed_under.get(version, 1))


def _audit_list(
    view: FederationView, part: CheckedPart, entry: ListEntry, fetch: FetchBlob, entropy: Entropy
) -> CheckedKeys:
    # 2. The keys are the regions' own published keys, of this epoch or the one before, or
    # such as the gate's own judgement explains.
    keys = ListKeys.decode(fetch_checked(fetch, entry.keys))
    epoch = part.part.epoch
    oldest = oldest_key_epoch(view.federation, epoch)
    publics = {
        key_id: published.public
        for member in view.regions.values()
        for key_id, published in member.epochs.items()
        if oldest <= key_id.epoch <= epoch + 1
    }
    gate = view.region(part.part.region)
    ruling = _ruling(view, gate, part)
    if any(key.region not in ruling.members for key in keys.keys):
        raise PeerError(Reason.LIST_KEYS)
    refuse_unexplained(view, gate, epoch, [key.id for key in keys.keys])
    # 3. S and every T_i are what the public part says.
    checked = audit_keys(view.federation.scheme, part, keys, publics, entropy)
    # 4. Every member is listed, or its absence is explained, and never both; of those that
    # were removed all are absent (GS-LIST-7).
    listed = {key_id.region for key_id in checked.t}
    explained = {absence.region for absence in keys.absent}
    if listed & explained or listed | explained != ruling.members.keys() | ruling.former():
        raise PeerError(Reason.LIST_INCOMPLETE)
    return checked


def oldest_key_epoch(federation: Federation, epoch: int) -> int:
    """The oldest epoch whose key the list of an epoch can hold (GS-LIST-5)."""
    numbers = federation.charter.parameters
    return epoch + LIST_EPOCHS - KEY_EPOCHS - numbers.late_epochs - numbers.hold_epochs


def refuse_unexplained(
    view: FederationView, gate: RegionView, epoch: int, listed: Sequence[KeyId]
) -> None:
    """Keys other than those of t and t − 1 stand on a list for a reason (GS-LIST-11).

    Older ones, two of a region at most, if the gate's log judges the region's epoch t
    otherwise than ADMIT; one of t + 1 if it replaces a stolen key.
    `PeerError(LIST_KEYS)`: a gate that may choose among old keys can mark holders.
    """
    older: dict[str, int] = {}
    for key in listed:
        if key.region not in view.regions:
            raise PeerError(Reason.LIST_KEYS)
        if key.epoch > epoch:
            published = view.regions[key.region].epochs.get(key)
            if published is None or not published.entry.cuts:
                raise PeerError(Reason.LIST_KEYS)
        elif key.epoch < epoch - 1:
            judgement = gate.judgements.get((key.region, epoch))
            older[key.region] = older.get(key.region, 0) + 1
            if (
                judgement is None
                or judgement.verdict is Ruling.ADMIT
                or older[key.region] > _OLDER_KEYS
            ):
                raise PeerError(Reason.LIST_KEYS)


def _audit_policy(
    view: FederationView, policy: CheckedPolicy, fetch: FetchBlob, entropy: Entropy
) -> tuple[PolicyDocument, CheckedTable]:
    part = policy.part
    document = PolicyDocument.decode(fetch_checked(fetch, part.document))
    if (document.region, document.policy, document.version) != (
        part.region,
        part.policy,
        part.version,
    ) or (document.not_before, document.not_after) != (part.not_before, part.not_after):
        raise PeerError(Reason.POLICY)
    values = compile_policy(document, view.federation.clock)
    refuse_outside(view.federation, document, values)
    table = audit_table(
        view.federation.scheme, policy, fetch_checked(fetch, part.table), values, entropy
    )
    return document, table


def refuse_outside(federation: Federation, document: PolicyDocument, values: Sequence[int]) -> None:
    """`PolicyError` with the bounds of the charter that a policy breaks (GS-POLICY-8)."""
    start, end = federation.clock.key_life(0)
    broken = check_envelope(federation.charter.envelope, document, values, end - start)
    if broken:
        raise PolicyError("the policy is outside of the federation's envelope", broken)


def check_crowd(
    view: FederationView, keys: set[KeyId], federation: Federation | None = None
) -> None:
    """n_min regions, and `min_crowd` active slots without the largest (GS-LIST-8).

    `federation`: the version by which the list was logged.
    """
    parameters = (federation or view.federation).charter.parameters
    listed = {key.region for key in keys}
    if len(listed) < parameters.min_regions:
        raise PeerError(Reason.LIST_TOO_FEW_REGIONS)
    active = sorted(
        max(view.regions[r].epochs[k].entry.active for k in keys if k.region == r) for r in listed
    )
    if sum(active[:-1]) < parameters.min_crowd:
        raise PeerError(Reason.LIST_TOO_FEW_REGIONS)


def default_min_regions(members: int) -> int:
    """n_min that a charter takes unless it says otherwise: 2 below 7 members, else 3."""
    return 2 if members < _FULL_SIZE else 3
