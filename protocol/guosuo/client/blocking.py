"""The client for programs without an event loop: scripts, officers' tools, notebooks.

    with Session(Tls(ca)) as session:
        node = session.node("node.example:8443")
        print(session.run(node.directory.regions()))
        for region, note in session.iterate(node.federation.watch()):
            ...

One event loop runs in a thread of its own; what is called is the asynchronous client
itself, so there is one set of methods to learn.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from guosuo.client.channel import DEADLINE, NodeChannel, Patience, Tls
from guosuo.client.directory import DirectoryClient
from guosuo.client.enrolment import EnrolmentClient
from guosuo.client.federation import FederationClient
from guosuo.client.status import StatusClient
from guosuo.errors import CallerError, Reason

_T = TypeVar("_T")
_END: Final = object()


@dataclass(frozen=True, slots=True)
class Node:
    """All services of one node, on one channel. A node need not offer all of them."""

    channel: NodeChannel
    federation: FederationClient
    directory: DirectoryClient
    enrolment: EnrolmentClient
    status: StatusClient

    @classmethod
    def on(cls, channel: NodeChannel) -> Node:
        """On a channel that stays its owner's."""
        return cls(
            channel,
            FederationClient(channel),
            DirectoryClient(channel),
            EnrolmentClient(channel),
            StatusClient(channel),
        )


class Session:
    """Nodes, and the loop that talks to them; closed at the end of `with`."""

    def __init__(
        self, tls: Tls | None, *, deadline: float = DEADLINE, patience: Patience | None = None
    ) -> None:
        """As for `NodeChannel`; nothing is connected yet."""
        self._tls, self._deadline, self._patience = tls, deadline, patience
        self._loop = asyncio.new_event_loop()
        self._channels: list[NodeChannel] = []
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="guosuo-client", daemon=True
        )
        self._thread.start()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closed."""
        self.close()

    def node(self, target: str) -> Node:
        """The node at host:port; `CallerError(ARGUMENT)` for another target."""
        return self.run(self._open(target))

    def run(self, call: Coroutine[Any, Any, _T]) -> _T:
        """What a method of the asynchronous client returns or raises; Ctrl-C cancels it."""
        if self._loop.is_closed():
            call.close()
            raise CallerError(Reason.STATE, "this session is closed")
        return _result(asyncio.run_coroutine_threadsafe(call, self._loop))

    def iterate(self, stream: AsyncGenerator[_T, None]) -> Iterator[_T]:
        """The items of a stream; it is closed when the loop over it is left."""
        try:
            while (item := self.run(_next(stream))) is not _END:
                yield item  # type: ignore[misc] # not the end
        finally:
            self.run(_aclose(stream))

    def close(self) -> None:
        """End all calls and connections; once more does nothing."""
        if self._loop.is_closed():
            return
        self.run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _open(self, target: str) -> Node:
        channel = NodeChannel(target, self._tls, deadline=self._deadline, patience=self._patience)
        self._channels.append(channel)
        return Node.on(channel)

    async def _close(self) -> None:
        for channel in self._channels:
            await channel.close()
        await self._loop.shutdown_asyncgens()


async def _next(stream: AsyncGenerator[_T, None]) -> _T | object:
    return await anext(stream, _END)


async def _aclose(stream: AsyncGenerator[Any, None]) -> None:
    await stream.aclose()


def _result(future: Future[_T]) -> _T:
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise
