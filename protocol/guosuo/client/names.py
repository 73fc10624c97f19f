"""Which blobs a device needs, from the verified logs alone. No I/O.

No node is asked where things are (its `GetBundles` is for programs without a log of their
own): so no node can give one wallet other names than all.
"""

from __future__ import annotations

from dataclasses import dataclass

from guosuo.errors import PeerError
from guosuo.federation.charter import Federation
from guosuo.federation.clock import KEY_EPOCHS
from guosuo.federation.entries import Board
from guosuo.federation.records import FetchBlob, fetch_checked
from guosuo.federation.view import FederationView
from guosuo.roles.bundle import list_version


@dataclass(frozen=True, slots=True)
class Wanted:
    """A blob, and under which region's files it is kept."""

    region: str
    name: bytes


def bundle_names(view: FederationView, epoch: int, now: int) -> tuple[Wanted, ...]:
    """What the bundles of all regions consist of, for the lists of one epoch.

    The keys of each region's newest revision, and document and table of every policy
    version that has not ended. Always of all regions: what is fetched tells nobody where
    the holder is going.
    """
    found: dict[Wanted, None] = {}
    for region in sorted(view.regions):
        gate = view.regions[region]
        try:
            _, entry = list_version(gate, epoch)
        except PeerError:
            pass
        else:
            found[Wanted(region, entry.keys)] = None
        for name in sorted(gate.policies):
            part = gate.policies[name].part
            if part.not_after > now:
                found[Wanted(region, part.document)] = None
                found[Wanted(region, part.table)] = None
    return tuple(found)


def shown_epochs(federation: Federation, now: int) -> tuple[int, ...]:
    """Epochs of the lists that can be shown under from `now` on."""
    current = federation.clock.epoch_at(now)
    return tuple(range(max(0, current - 1), current + 2))


def key_epochs(federation: Federation, now: int) -> tuple[int, ...]:
    """Epochs whose keys can be listed now or soon."""
    current = federation.clock.epoch_at(now)
    return tuple(range(max(0, current - KEY_EPOCHS + 1), current + 2))


def board_names(view: FederationView, region: str, now: int) -> tuple[Wanted, ...]:
    """The boards of a region's epochs whose keys can be listed."""
    home = view.region(region)
    published = [home.epoch(epoch) for epoch in key_epochs(view.federation, now)]
    return tuple(Wanted(region, one.entry.board) for one in published if one is not None)


def bucket_names(
    view: FederationView, region: str, slot: int, now: int, fetch: FetchBlob
) -> tuple[Wanted, ...]:
    """The bucket that a slot is in, on each board that is here, with its renewal proof.

    The same for every slot of the bucket. A board that is missing or malformed has none.
    """
    size = view.federation.charter.parameters.bucket_slots
    first = slot - slot % size
    found: dict[Wanted, None] = {}
    for wanted in board_names(view, region, now):
        try:
            board = Board.decode(fetch_checked(fetch, wanted.name))
        except PeerError:
            continue
        for ref in board.buckets:
            if ref.first == first:
                found[Wanted(region, ref.data)] = None
                if ref.proof is not None:
                    found[Wanted(region, ref.proof)] = None
    return tuple(found)
