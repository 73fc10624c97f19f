"""Which list a wallet shows under at a moment, and which ones a checkpoint takes.

Rules of time only, without keys and proofs: wallets and checkpoints use them, and so does
the simulator, which has no keys.
"""

from __future__ import annotations

from collections.abc import Collection

from guosuo.errors import Reason
from guosuo.federation.clock import Clockwork


def lists_to_try(clock: Clockwork, now: int, held: Collection[int]) -> list[int]:
    """Epochs of the held lists in force, in the order in which a wallet uses them (GS-SHOW-7).

    The first is the one that everybody shows under; the second is used only if the first
    is not held (a wallet that is offline), or if the checkpoint answers AGAIN.
    """
    current, shown = clock.epoch_at(now), clock.shown_epoch(now)
    other = current - 1 if shown == current else current
    return [t for t in (shown, other) if t in held and is_in_force(clock, t, now)]


def is_in_force(clock: Clockwork, epoch: int, now: int) -> bool:
    """Whether `now` lies in the window of the list of an epoch (GS-EPOCH-1)."""
    start, end = clock.list_window(epoch)
    return start <= now < end


def list_refusal(window: tuple[int, int], revision: int, now: int, *, lowest: int) -> Reason | None:
    """Why a checkpoint does not take a list version that it knows: AGAIN (GS-CHECK-3).

    `window`: its [not_before, not_after). `lowest`: the lowest revision of that epoch
    that has not ended.
    """
    if revision < lowest:
        return Reason.LIST_REVISIONS
    return None if window[0] <= now < window[1] else Reason.LIST_EXPIRED


def tick_refusal(clock: Clockwork, tick: int, now: int, *, quiet_until: int) -> Reason | None:
    """Why a checkpoint does not take a tick: AGAIN (GS-CHECK-3).

    `quiet_until`: shows of ticks below it are not remembered any more.
    """
    if abs(tick - clock.tick_at(now)) > 1 or tick < quiet_until:
        return Reason.TICK
    return None
