"""Forgetting: what nobody can need any more, in memory and on the disk.

Buckets and their proofs are nearly all that a federation publishes, and of use only while
their keys can be listed. Entries, allotments, status lists and boards stay for ever.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from guosuo.errors import PeerError
from guosuo.federation.entries import Board
from guosuo.federation.view import RegionView
from guosuo_node.app.blobs import BlobStore
from guosuo_node.app.records import Records

_SPARE: Final = 2
"""Epochs beyond those for which a key can be listed."""
_SETTLED_EPOCHS: Final = 120
"""Everything but retired slots ends within as many: older judgements are final."""


def forget(records: Records, present: int) -> list[bytes]:
    """Drop old epochs from memory; the names of blobs that may be deleted.

    Blobs that newer epochs name too, as empty buckets, are not among them.
    """
    before = present - kept_epochs(records)
    records.auditor.forget(before)
    old: set[bytes] = set()
    needed: set[bytes] = set()
    for region, view in list(records.view.regions.items()):
        if present > _SETTLED_EPOCHS:
            records.auditor.judge.settle(region, present - _SETTLED_EPOCHS)
        for name, epoch in _buckets(view, records.blobs):
            (old if epoch < before else needed).add(name)
    return sorted(old - needed)


def kept_epochs(records: Records) -> int:
    """For how many epochs boards may still be of use."""
    return records.auditor.judge.key_epochs + _SPARE


def _buckets(view: RegionView, blobs: BlobStore) -> Iterable[tuple[bytes, int]]:
    for key, published in list(view.epochs.items()):
        try:
            board = Board.decode(blobs.get(published.entry.board))
        except PeerError:
            continue
        for ref in board.buckets:
            yield ref.data, key.epoch
            if ref.proof is not None:
                yield ref.proof, key.epoch


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
