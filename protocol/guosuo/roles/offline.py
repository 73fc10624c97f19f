"""For how long a device works without network: told after every refresh.

Nothing here decides anything. It is computed from what the device already has, so that
people see in time that they should refresh.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from guosuo.errors import PeerError
from guosuo.federation.clock import SWITCH_AT
from guosuo.federation.entries import ListEntry
from guosuo.federation.records import FetchBlob, fetch_checked
from guosuo.federation.trust_list import CheckedPart, ListKeys
from guosuo.federation.view import FederationView, RegionView
from guosuo.roles.bundle import list_version
from guosuo.roles.checkpoint import CheckpointState
from guosuo.roles.holding import WalletState
from guosuo.scheme import KeyId


@dataclass(frozen=True, slots=True)
class Offline:
    """Until when a wallet can be shown at one region's gates; Unix seconds."""

    region: str
    until: int
    """End of the last list version that holds a key of the wallet's, or of the policies."""
    unobtrusive: int
    """When others change to a list that the wallet does not have yet: it stands out after."""


def wallet_offline(
    state: WalletState, view: FederationView, fetch: FetchBlob, now: int
) -> tuple[Offline, ...]:
    """The gate regions at which the wallet can be shown at `now`, the earliest end first.

    Lists whose blob was not fetched do not count. Whether a gate's policy is satisfied is
    not looked at: that is for the show.
    """
    keys = {key for held in state.slots.values() for key in held.renewals}
    found = []
    for gate in view.regions.values():
        ends = [p.part.not_after for p in gate.policies.values()]
        lists = [part for part in _lists(gate, now) if _holds(gate, part, keys, fetch)]
        until = min(_reach(lists, now), max(ends, default=0))
        if until > now:
            clock = view.federation.clock
            last = max(part.part.epoch for part in lists)
            switch = int(clock.moment(last + 1, SWITCH_AT))
            found.append(Offline(gate.region, until, min(until, switch)))
    return tuple(sorted(found, key=lambda one: (one.until, one.region)))


def checkpoint_offline(state: CheckpointState, now: int) -> int:
    """Until when a checkpoint can decide, Unix seconds; 0 if it cannot at `now`.

    It needs, without a gap, a list part that it still accepts and a policy in force.
    """
    parts = [
        part
        for (epoch, revision), part in state.parts.items()
        if revision >= state.lowest.get(epoch, 0)
    ]
    if now < state.floor:
        return 0
    policies = _end(((p.part.not_before, p.part.not_after) for p in state.policies.values()), now)
    until = min(_reach(parts, now), policies)
    return until if until > now else 0


def _lists(gate: RegionView, now: int) -> list[CheckedPart]:
    """The newest revision of each list that has not ended."""
    found = []
    for epoch in {epoch for epoch, _ in gate.lists}:
        part, _ = list_version(gate, epoch)
        if part.part.not_after > now:
            found.append(part)
    return found


def _holds(gate: RegionView, part: CheckedPart, keys: set[KeyId], fetch: FetchBlob) -> bool:
    """Whether a list version has one of these keys, as far as its blob is here."""
    entry: ListEntry = gate.lists[part.part.epoch, part.part.revision]
    try:
        listed = ListKeys.decode(fetch_checked(fetch, entry.keys))
    except PeerError:
        return False
    return listed.part == part.digest and any(one.id in keys for one in listed.keys)


def _reach(parts: Iterable[CheckedPart], now: int) -> int:
    return _end(((p.part.not_before, p.part.not_after) for p in parts), now)


def _end(windows: Iterable[tuple[int, int]], now: int) -> int:
    """The end of what the windows [start, end) cover from `now` on without a gap."""
    reached = now
    for start, end in sorted(windows):
        if start <= reached < end:
            reached = end
    return reached
