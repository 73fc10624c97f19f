"""A sidecar that keeps itself fresh: its own region's log, at times as others do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from guosuo.client.mirror import Mirror, News
from guosuo.client.sidecar import Sidecar
from guosuo.federation.clock import CHECKPOINT_POLL, PARTS

_SPREAD: Final = 0.2
"""Part of the pause that is left to chance, so that checkpoints do not all ask at once."""
_SHORTEST: Final = 1.0


def poll_seconds(epoch_seconds: int, chance: float) -> float:
    """Seconds between two looks for new entries; `chance` in [0, 1)."""
    usual = CHECKPOINT_POLL * epoch_seconds / PARTS
    return max(_SHORTEST, usual * (1 - _SPREAD + 2 * _SPREAD * chance))


async def refresh_once(
    mirror: Mirror, sidecar: Sidecar, region: str, clock: Callable[[], int]
) -> News:
    """Follow the region's log and give the sidecar what is new."""
    (news,) = await mirror.follow(clock(), [region])
    if news.new:
        entries = mirror.view.regions[region].entries
        await sidecar.take(entries[news.size - news.new : news.size])
    if news.answered:
        sidecar.refreshed = clock()
    return news


async def keep_fresh(
    mirror: Mirror,
    sidecar: Sidecar,
    region: str,
    *,
    clock: Callable[[], int],
    chance: Callable[[], float],
    report: Callable[[News | OSError], None],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """`refresh_once` again and again until cancelled; what went wrong is reported."""
    seconds = mirror.directory.federation.clock.epoch_seconds
    while True:
        await sleep(poll_seconds(seconds, chance()))
        try:
            report(await refresh_once(mirror, sidecar, region, clock))
        except OSError as error:
            report(error)
