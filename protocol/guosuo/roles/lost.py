"""An issuer whose store is older than its log, as after a backup was put back.

The log says which slots are allotted and which are out of force, and so much comes back.
What it does not say is lost: k_slot, evidence and person of slots that the store forgot.
Such a slot goes on to be signed, since nobody may be left out without an order, but with
evidence that proves nothing: its holder enrols anew.
"""

from __future__ import annotations

from collections.abc import Mapping

from guosuo.credential.renewal import SLOT_KEY_SIZE
from guosuo.curve.entropy import Entropy
from guosuo.curve.points import G1
from guosuo.evidence.facts import EvidenceFact, EvidenceKind
from guosuo.evidence.registry import OTHER
from guosuo.roles.issuer import IssuedSlot, IssuerState

_NAME_SIZE = 32
NOTHING = EvidenceFact(
    kind=EvidenceKind.TEST, product=OTHER, doses=0, series=0, event_time=0, digest=bytes(32)
)
"""A test of 1970 with a product that no policy names."""


def take_back(
    state: IssuerState,
    allotted: Mapping[int, G1],
    suspended: set[int],
    retired: set[int],
    entropy: Entropy,
) -> set[int]:
    """Make a state agree with its log; the slots that changed.

    `allotted`: C of every slot that any epoch entry allotted. `suspended`, `retired`: by all
    orders of the log. An `Issuer` over the state has to be made anew afterwards.
    """
    lost = allotted.keys() - state.slots.keys()
    for slot in lost:
        state.slots[slot] = IssuedSlot(
            slot,
            allotted[slot],
            entropy.octets(SLOT_KEY_SIZE),
            NOTHING,
            entropy.octets(_NAME_SIZE),
        )
    known = state.slots.keys()
    published = state.unpublished & allotted.keys()
    changed = set(lost) | published
    changed |= state.suspended ^ (suspended & known)
    changed |= state.retired ^ (retired & known)
    state.unpublished -= published
    state.suspended, state.retired = suspended & known, retired & known
    return changed
