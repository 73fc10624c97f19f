"""What a checkpoint may say, and, apart from it, why a developer may debug.

The public verdict and the inner reason are different types on purpose: red,
yellow, expired, suspended and "no such evidence" must look the same (GS-CHECK-7).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from guosuo.errors import Reason


class Verdict(StrEnum):
    """The three words."""

    ACCEPT = "ACCEPT"
    NOT_SATISFIED = "NOT_SATISFIED"
    CANNOT_DECIDE = "CANNOT_DECIDE"


class Cause(StrEnum):
    """Why a checkpoint cannot decide; never depends on region or holder."""

    DEVICE = "DEVICE"
    """No or old bundle, or this device's clock."""
    AGAIN = "AGAIN"
    """Made for another tick, checkpoint, list or policy version."""
    CODE = "CODE"
    """Not readable."""


class Notice(StrEnum):
    """What staff may be told of a tag that was accepted before in these ticks."""

    ALREADY_SEEN = "already seen"
    """The very same code."""
    REPLAY = "replay or lending"
    """Another code of the same holder."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The public answer to one scan."""

    verdict: Verdict
    cause: Cause | None = None
    notice: Notice | None = None

    def __str__(self) -> str:
        """The verdict with its cause or notice."""
        extra = self.cause or self.notice
        return f"{self.verdict.value} ({extra.value})" if extra else self.verdict.value


@dataclass(frozen=True, slots=True)
class Inner:
    """For developers and tests only; never shown, stored or sent by a checkpoint."""

    outcome: Outcome
    reason: Reason | None
