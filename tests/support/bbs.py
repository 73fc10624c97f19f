"""What tests of BBS share: the fixtures' mocked randomness, and the reason of a refusal."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from guosuo.curve import Scalar
from guosuo.errors import PeerError, Reason
from guosuo.suite import EXPAND_LEN, Suite

SEED = b"3.141592653589793238462643383279"


def mocked(suite: Suite, count: int, seed: bytes = SEED) -> list[Scalar]:
    """calculate_random_scalars of the fixtures (vectors/bbs/NOTES.md)."""
    dst = suite.identifier + b"H2G_HM2S_MOCK_RANDOM_SCALARS_DST_"
    data = suite.expander.expand(seed, dst, EXPAND_LEN * count)
    return [
        Scalar(int.from_bytes(data[at : at + EXPAND_LEN], "big"))
        for at in range(0, len(data), EXPAND_LEN)
    ]


def reason_of(act: Callable[[], object]) -> Reason:
    with pytest.raises(PeerError) as caught:
        act()
    return caught.value.reason
