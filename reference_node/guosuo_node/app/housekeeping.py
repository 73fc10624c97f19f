"""Forgetting: what nobody can need any more, in memory and on the disk.

Buckets and their proofs are nearly all that a federation publishes, and of use only while
their keys can be listed. Entries, allotments, status lists and boards stay for ever.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from guosuo.bbs.signature import SIGNATURE_SIZE
from guosuo.errors import PeerError
from guosuo.federation.entries import Board
from guosuo.federation.view import PublishedEpoch, RegionView
from guosuo_node.app.blobs import BlobStore
from guosuo_node.app.records import Records

_SPARE: Final = 2
"""Epochs beyond those for which a key can be listed."""
_SETTLED_EPOCHS: Final = 120
"""Everything but retired slots ends within as many: older judgements are final."""


def settle(records: Records, present: int) -> None:
    """Drop old epochs from memory. On the event loop, where the judge is told and asked.

    A region that is being audited in a thread waits for the next time.
    """
    idle = [region for region, lock in records.locks.items() if not lock.locked()]
    records.auditor.forget(present - kept_epochs(records), idle)
    if present > _SETTLED_EPOCHS:
        for region in idle:
            records.auditor.judge.settle(region, present - _SETTLED_EPOCHS)


def old_blobs(records: Records, present: int) -> list[bytes]:
    """Names of the blobs that may be deleted; reads boards, so not on the loop.

    Whatever anybody needs under any name is not among them: a newer epoch's empty bucket,
    and what stays for ever, which a hostile board could name as a bucket of its own.
    """
    before = present - kept_epochs(records)
    old: set[bytes] = set()
    needed: set[bytes] = set()
    for view in list(records.view.regions.values()):
        needed.update(_for_ever(view))
        for name, epoch in _buckets(list(view.epochs.values()), records.blobs):
            (old if epoch < before else needed).add(name)
    return sorted(old - needed)


def kept_epochs(records: Records) -> int:
    """For how many epochs boards may still be of use."""
    return records.auditor.judge.key_epochs + _SPARE


def _buckets(epochs: Iterable[PublishedEpoch], blobs: BlobStore) -> Iterable[tuple[bytes, int]]:
    for published in epochs:
        try:
            board = Board.decode(blobs.get(published.entry.board))
        except PeerError:
            continue
        for ref in board.buckets:
            yield ref.data, published.id.epoch
            if ref.proof is not None:
                yield ref.proof, published.id.epoch


def bucket_bounds(records: Records, region: str) -> dict[bytes, int]:
    """Octets that each blob which a board of a region names as a bucket or proof may have.

    A larger one is none, and a board could name 16,384 of them.
    """
    size = records.federation.charter.parameters.bucket_slots * SIGNATURE_SIZE
    view, state = records.view.region(region), records.auditor.regions[region]
    newest = view.latest()
    oldest = 0 if newest is None else newest.id.epoch - kept_epochs(records)
    unread = [
        published
        for key, published in list(view.epochs.items())
        if key.epoch >= oldest and not state.known(key)
    ]
    return {name: size for name, _ in _buckets(unread, records.blobs)}


def _for_ever(view: RegionView) -> Iterable[bytes]:
    for published in list(view.epochs.values()):
        yield from (published.entry.allotment, published.entry.status, published.entry.board)
    for listed in list(view.lists.values()):
        yield listed.keys
    for policy in list(view.policies.values()):
        yield from (policy.part.document, policy.part.table)


def wanted(records: Records, region: str) -> Iterable[bytes]:
    """Names of all blobs that judging a region and using its gates need."""
    view, state = records.view.region(region), records.auditor.regions[region]
    newest = view.latest()
    oldest = 0 if newest is None else newest.id.epoch - kept_epochs(records)
    for key, published in list(view.epochs.items()):
        if key.epoch < state.judged_before or state.known(key):
            continue
        entry = published.entry
        yield entry.allotment
        # No key of older epochs can be listed: their allotments are all that counts.
        if key.epoch < oldest:
            continue
        yield from (entry.status, entry.board)
        try:
            board = Board.decode(records.blobs.get(entry.board))
        except PeerError:
            continue
        for ref in board.buckets:
            yield ref.data
            if ref.proof is not None:
                yield ref.proof
    shown = max((epoch for epoch, _ in view.lists), default=0) - 2
    for (epoch, _), listed in list(view.lists.items()):
        if epoch >= shown:
            yield listed.keys
    for policy in list(view.policies.values()):
        yield from (policy.part.document, policy.part.table)
