"""Turning an epoch in pieces, so that a host can build buckets elsewhere and resume.

`Issuer.begin_turn` freezes what an epoch will sign; each `BucketWork` can be built in any
process, alone; `Issuer.finish_turn` makes the entry of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from guosuo.credential.board import Bucket, SlotToRenew, build_bucket
from guosuo.credential.keys import EpochKey
from guosuo.curve.entropy import Entropy
from guosuo.curve.points import G1
from guosuo.scheme import KeyId, Scheme


@dataclass(frozen=True, slots=True)
class BucketWork:
    """One bucket to be built: all that building needs but the key."""

    first: int
    size: int
    commitments: Mapping[int, G1] = field(repr=False)
    """C of every slot of the range that was ever allotted."""
    renew: tuple[SlotToRenew, ...] = field(repr=False)
    """Slots to sign."""

    def build(self, scheme: Scheme, key: EpochKey, entropy: Entropy) -> Bucket:
        """Sign every slot and prove that all of it is lawful."""
        return build_bucket(
            scheme, key, self.first, self.size, self.commitments, self.renew, entropy
        )


@dataclass(frozen=True, slots=True)
class Replacing:
    """A new key for an epoch that is logged already, because keys were stolen (GS-EPOCH-12)."""

    revision: int
    """The next one after the newest logged."""
    stolen: tuple[KeyId, ...]
    """Own keys that it replaces, at most 8."""
    invalid: frozenset[int] = field(repr=False)
    """Slots out of force in revision 0, as the log has them."""


@dataclass(frozen=True, slots=True)
class Turn:
    """An epoch that was begun and not finished."""

    key: EpochKey
    work: tuple[BucketWork, ...]
    slots: frozenset[int] = field(repr=False)
    """All slots allotted when it was begun."""
    invalid: frozenset[int] = field(repr=False)
    """Those that are suspended or retired."""
    fresh: frozenset[int] = field(repr=False)
    """Those that no epoch entry has named yet."""
    stolen: tuple[KeyId, ...] = ()
    """Own keys that this one replaces."""
