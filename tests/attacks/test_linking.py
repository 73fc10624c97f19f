"""Attempts to link: two shows, two renewals, a show and a holder. None finds anything.

Each attempt has a twin that succeeds as soon as the one thing is missing that stops
it: the issuer's re-keyed secret, u_t, v_t in u_t, the randomizers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import pytest

from guosuo.bbs.signature import Signature, sign_point
from guosuo.credential.keys import EpochKey
from guosuo.credential.renewal import blind_scalar, sign_message
from guosuo.curve.points import G1, G2
from guosuo.curve.scalar import Scalar
from guosuo.evidence.facts import EvidenceKind
from guosuo.evidence.registry import NAAT
from guosuo.evidence.value import EvidenceValue, pack
from guosuo.federation.entries import Board
from guosuo.federation.trust_list import CheckedPart, ListSecret, make_part
from guosuo.policy.table import CheckedPolicy, PolicyPart
from guosuo.presentation.proof import (
    Holding,
    Presentation,
    context,
    present,
    statement,
)
from guosuo.presentation.setting import Setting
from guosuo.presentation.verify import verify
from guosuo.roles.wallet import Wallet
from guosuo.scheme import KeyId, Scheme
from guosuo.sigma.proof import prove_with
from guosuo.suite import Suite, Tag
from tests.support.liars import scripted
from tests.support.world import EPOCH, World, fact, seeded

GATE, OTHER_GATE = "110000", "360000"
HOME, NEIGHBOUR = "440000", "330000"


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@dataclass(frozen=True)
class Shown:
    """A show as the gate sees it, and the region that it should not see."""

    region: str
    shown: Presentation


def _shown(world: World, wallet: Wallet, gate: str) -> Shown:
    world.tick()
    wallet._shown.clear()
    poster = world.regions[gate].checkpoint.poster()
    frame = wallet.show(
        poster, world.bundle(gate), world.view, world.now, world.entropy, _agree()
    )
    (region, _), *_ = wallet.state.slots
    return Shown(region, Presentation.decode(world.federation.scheme, frame.proof))


def _agree() -> object:
    from guosuo.roles.wallet import Consent  # noqa: PLC0415

    return Consent(new_place=True)
