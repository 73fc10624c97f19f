"""What commands do with nodes: refresh the directory, enrol. Needs the extra `client`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from guosuo.cli.common import Desk, advising
from guosuo.cli.nodes import Reach
from guosuo.client.channel import NodeChannel, Tls
from guosuo.client.enrolment import EnrolmentClient
from guosuo.client.errors import NodeError, NodeFailure, NodeTooLarge, NodeUnreachable
from guosuo.client.federation import FederationClient
from guosuo.client.mirror import Mirror, News, fetch_charter
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.host.directory import FederationDirectory

_T = TypeVar("_T")


async def follow(
    desk: Desk, mirror: Mirror, regions: Iterable[str] | None = None
) -> list[dict[str, object]]:
    """Bring logs up to date and say what went wrong; rows for `--json`.

    `CallerError(NODE_UNREACHABLE)` if no node had an answer for any region.
    """
    found = await mirror.follow(desk.now, regions)
    report_news(desk, found)
    if not any(news.answered for news in found):
        hint = (
            "no node gave a checkpoint that holds: check --node, --ca and the network; "
            "what is here already can still be used without --node"
        )
        raise CallerError(Reason.NODE_UNREACHABLE, hint)
    return [{"region": news.region, "entries": news.size, "new": news.new} for news in found]


async def fetch(desk: Desk, mirror: Mirror, slots: Iterable[tuple[str, int]]) -> None:
    """Bundles of all regions, and the buckets of these slots, as far as they are not here."""
    missing = await mirror.fetch_for_wallet(slots, desk.now)
    regions = sorted({wanted.region for wanted in missing})
    if regions:
        desk.warn(f"Not all files could be fetched of {', '.join(regions)}.")


def report_news(desk: Desk, found: Sequence[News]) -> None:
    """Faults of nodes and forks of logs, one line each."""
    said: set[str] = set()
    for news in found:
        if news.fork is not None:
            desk.warn(
                f"The log of {news.region} has TWO HISTORIES; the proof is kept beside its files "
                "(forks). Nothing of the other one was taken. Tell the federation's members."
            )
        for fault in news.faults:
            text = f"{fault.target} ({news.region}): {fault.reason}"
            if not news.answered or fault.target not in said:
                desk.warn(text)
            said.add(fault.target)


@asynccontextmanager
async def open_mirror(desk: Desk, root: Path, reach: Reach) -> AsyncIterator[Mirror]:
    """A mirror over the directory at `root`, begun if that is asked for."""
    tls = Tls(reach.ca)
    async with AsyncExitStack() as stack:

        async def client(target: str) -> FederationClient:
            return FederationClient(await stack.enter_async_context(NodeChannel(target, tls)))

        if reach.begin is not None and not has_charter(root):
            named = [await client(target) for target in reach.named]
            for fault in await fetch_charter(named, root, reach.begin, desk.suite):
                desk.warn(f"{fault.target}: {fault.reason}")
        directory = desk.federation(root, follow=False)
        if reach.begin not in (None, directory.federation.id):
            hint = "the directory is of another federation than --id says; choose another"
            raise CallerError(Reason.CHARTER, hint)
        sources = [await client(target) for target in reach.targets(directory.federation)]
        with advising("copy the federation's directory anew"):
            mirror = Mirror(directory, sources)
        yield mirror


def has_charter(root: Path) -> bool:
    """Whether a copy was begun there."""
    return (root / "charter.cbor").is_file()


class Online:
    """A federation's directory with the nodes that it is refreshed from, for one command."""

    def __init__(self, desk: Desk, root: Path, reach: Reach) -> None:
        """Connects; begins the copy if `reach` says so. Raises like the calls."""
        self._desk, self._reach = desk, reach
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        try:
            self._mirror = self._run(
                self._stack.enter_async_context(open_mirror(desk, root, reach))
            )
        except BaseException:
            self._runner.close()
            raise

    @property
    def records(self) -> FederationDirectory:
        """The directory, with all that was fetched verified in its view."""
        return self._mirror.directory

    def follow(self, regions: Iterable[str] | None = None) -> list[dict[str, object]]:
        """Bring the logs up to date, all of them unless told otherwise; rows for `--json`."""
        return self._run(follow(self._desk, self._mirror, regions))

    def fetch(self, slots: Iterable[tuple[str, int]] = ()) -> None:
        """Bundles of all regions, and the buckets of these slots."""
        return self._run(fetch(self._desk, self._mirror, slots))

    def offer(self) -> bytes:
        """A signed offer of the first node."""
        return self._run(self._offer())

    def enrol(self, request: bytes, evidence: bytes, identification: str) -> bytes:
        """The first node's answer to a request; the same request again, the same answer."""
        return self._run(self._enrol(request, evidence, identification))

    def close(self) -> None:
        """End the connections."""
        try:
            self._run(self._stack.aclose())
        finally:
            self._runner.close()

    async def _offer(self) -> bytes:
        async with self._channel() as channel:
            return await EnrolmentClient(channel).offer()

    async def _enrol(self, request: bytes, evidence: bytes, identification: str) -> bytes:
        async with self._channel() as channel:
            return await EnrolmentClient(channel).enrol(request, evidence, identification)

    def _channel(self) -> NodeChannel:
        target = self._reach.targets(self.records.federation)[0]
        return NodeChannel(target, Tls(self._reach.ca))

    def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        with failing():
            return self._runner.run(work)


@contextmanager
def failing() -> Iterator[None]:
    """Failures of nodes become errors that say what to do."""
    try:
        yield
    except NodeFailure as failure:
        raise _error(failure) from None


def _error(failure: NodeFailure) -> CallerError | PeerError:
    match failure:
        case NodeUnreachable():
            why = "gave no answer in time" if failure.late else "cannot be reached"
            hint = f"{failure.target} {why}: check the address, --ca and the network"
            return CallerError(Reason.NODE_UNREACHABLE, hint)
        case NodeTooLarge():
            return PeerError(Reason.TOO_LONG, f"{failure.target} sent more than nodes may send")
        case NodeError():
            hint = f"{failure.target} refused: {failure.reason}"
            if failure.may_help:
                hint += "; try again later"
            return CallerError(Reason.NODE_REFUSED, hint)
        case _:
            return CallerError(Reason.NODE_REFUSED, f"{failure.target} gave no answer")
