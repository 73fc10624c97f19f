"""The two BBS ciphersuites, which one a fixture means, and what fixtures share.

Fixtures of signatures and proofs do not name their suite. Whatever has to be
accepted is accepted under one suite, found by evidence; whatever has to be
refused must be refused under both, which is never less than under the right
one. The path only decides which suite is tried first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from guosuo.curve.points import G1, Engine
from guosuo.curve.scalar import ORDER, Scalar
from guosuo.suite import EXPAND_LEN, Interface, Suite

SEED: Final = b"3.141592653589793238462643383279"
"""Seed of the fixtures' mocked randomness."""

MOCK_TAG: Final = b"MOCK_RANDOM_SCALARS_DST_"

MAX_MESSAGES: Final = 256
"""More messages than any fixture has; bounds the generators that a file can ask for."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What a valid fixture's signature signs, computed from the fixture's messages."""

    b: G1
    domain: Scalar


class BbsContext:
    """Both interfaces of the draft on one engine, and the signatures seen so far."""

    def __init__(self, engine: Engine) -> None:
        """Both suites on the engine that is tested."""
        self.apis = (Interface.draft(Suite.sha256(engine)), Interface.draft(Suite.shake256(engine)))
        self.signed: dict[bytes, Signed] = {}
        """By the signature's octets. Invalid fixtures alter a valid one and trace that one."""

    def ordered(self, path: str, *tags: bytes) -> tuple[Interface, ...]:
        """Both interfaces, the likelier one first: by tags of the file, else by its path."""
        sha, shake = self.apis
        for api in self.apis:
            if any(tag.startswith(api.suite.identifier) for tag in tags):
                return (sha, shake) if api is sha else (shake, sha)
        return (shake, sha) if "shake" in path.lower() else (sha, shake)


def likelier(apis: Sequence[Interface], evidence: Callable[[Interface], bool]) -> Interface:
    """The interface for which there is evidence, else the first."""
    return next((api for api in apis if evidence(api)), apis[0])


def mocked_scalars(suite: Suite, seed: bytes, dst: bytes, count: int) -> list[Scalar]:
    """`count` scalars expanded from a seed, in place of random ones (BBS draft, section 8)."""
    octets = suite.expander.expand(seed, dst, EXPAND_LEN * count)
    parts = [octets[at : at + EXPAND_LEN] for at in range(0, len(octets), EXPAND_LEN)]
    return [Scalar(int.from_bytes(part, "big") % ORDER) for part in parts]
