"""The sidecar of `guosuo checkpoint serve`, from start to Ctrl-C."""

from __future__ import annotations

import asyncio
import secrets
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from guosuo.cli.checkpoint import open_device
from guosuo.cli.common import Desk, time_text
from guosuo.cli.nodes import Reach, checkpoint_words
from guosuo.cli.online import failing, open_mirror, report_news
from guosuo.cli.parties import check_region, find_checkpoint
from guosuo.client.mirror import Mirror, News
from guosuo.client.refreshing import keep_fresh
from guosuo.client.sidecar import Sidecar, check_listen, serve
from guosuo.host.checkpoint_file import CheckpointFile
from guosuo.presentation.setting import Mode


@dataclass(frozen=True, slots=True)
class Hosting:
    """What the options say."""

    desk: Desk
    root: Path
    at: str
    state: Path
    mode: Mode
    listen: str

    @property
    def region(self) -> str:
        """The gate's region."""
        return self.at.partition("/")[0]

    def clock(self) -> Callable[[], int]:
        """Unix seconds; a pretended time goes on from there."""
        if not self.desk.pretended:
            return lambda: int(time.time())
        ahead = self.desk.now - time.monotonic()
        return lambda: int(time.monotonic() + ahead)


def host(hosting: Hosting, reach: Reach | None) -> None:
    """Serve until SIGINT or SIGTERM; errors before that say what to do."""
    check_listen(hosting.listen)
    with failing():
        asyncio.run(_host(hosting, reach))


async def _host(hosting: Hosting, reach: Reach | None) -> None:
    desk = hosting.desk
    clock = hosting.clock()
    stopped = _stop_on_signals()
    async with AsyncExitStack() as stack:
        mirror: Mirror | None = None
        if reach is None:
            records = desk.federation(hosting.root)
        else:
            mirror = await stack.enter_async_context(open_mirror(desk, hosting.root, reach))
            records = mirror.directory
        check_region(records.federation, hosting.region)
        first: News | None = None
        if mirror is not None:
            # Without any node it works with what it has.
            (first,) = await mirror.follow(clock(), [hosting.region])
            report_news(desk, [first])
        region, info = find_checkpoint(records.view, hosting.at)
        device = stack.enter_context(
            open_device(desk, records, region, info, hosting.state, hosting.mode)
        )
        store = CheckpointFile(records.federation, hosting.state)
        store.save(device)
        sidecar = Sidecar(device, store.save, clock, desk.entropy)
        if first is not None and first.answered:
            sidecar.refreshed = clock()
        if mirror is not None:
            await stack.enter_async_context(_keeping_fresh(desk, mirror, sidecar, region, clock))

        def ready(address: str) -> None:
            desk.say(f"Answering for {hosting.at} at {address}; Ctrl-C ends it.", "bold")
            desk.say(checkpoint_words(sidecar.offline_until))
            quiet = device.state.quiet_until * records.federation.clock.tick_seconds
            if quiet > clock():
                desk.say(f"It takes codes from {time_text(quiet)} on.")
            desk.result(listening=address, valid_offline_until=sidecar.offline_until)

        await serve(sidecar, hosting.listen, ready, stopped)
    desk.say("Stopped.")


@asynccontextmanager
async def _keeping_fresh(
    desk: Desk, mirror: Mirror, sidecar: Sidecar, region: str, clock: Callable[[], int]
) -> AsyncIterator[None]:
    """Refresh in the background while the body runs."""

    def report(news: News | OSError) -> None:
        if isinstance(news, OSError):
            desk.warn("New entries cannot be stored: the disk is full or not writable.")
        elif news.fork is not None or not news.answered:
            report_news(desk, [news])

    chance = secrets.SystemRandom().random
    task = asyncio.create_task(
        keep_fresh(mirror, sidecar, region, clock=clock, chance=chance, report=report)
    )
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _stop_on_signals() -> asyncio.Event:
    """Set by Ctrl-C or SIGTERM; where loops take no signals Ctrl-C interrupts as usual."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, stopped.set)
    return stopped
