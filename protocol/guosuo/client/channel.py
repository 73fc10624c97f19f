"""A connection to one node: TLS, limits, deadlines, and trying again.

Every call of this project may be made again with the same octets, which is what
`NodeChannel.call` does where the node or the way to it is at fault. Between tries it
waits, longer each time and never as long as another client: time and chance are given.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self, TypeVar

import grpc
import grpc.aio

from guosuo.client.errors import NodeError, NodeFailure, NodeUnreachable, failure
from guosuo.errors import CallerError, PeerError, Reason

MAX_RECEIVE: Final = 5 << 20
"""Octets of one answer at most; the largest is a full bundle of entries, 4 MiB and a bit."""
MAX_SEND: Final = 1 << 20
DEADLINE: Final = 10.0
"""Seconds for a call, all tries together, unless the caller says otherwise."""
STREAM_DEADLINE: Final = 120.0
"""Seconds for a stream that ends."""

_KEEPALIVE_MS: Final = 30_000
_KEEPALIVE_TIMEOUT_MS: Final = 10_000
_FIRST_RECONNECT_MS: Final = 200
_LONGEST_RECONNECT_MS: Final = 10_000
_MAX_METADATA: Final = 16 << 10
_MAX_TARGET: Final = 256
_TARGET: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._-]+):([0-9]{1,5})", re.ASCII)
_LAST_PORT: Final = 65_535

_Q = TypeVar("_Q")
_A = TypeVar("_A")


@dataclass(frozen=True, slots=True)
class Tls:
    """Whom to trust and who we are, in PEM."""

    ca: bytes
    """Certificates of the authorities that nodes' certificates are checked against."""
    certificate: bytes | None = None
    """Our own certificate chain, for what only members of the federation may call."""
    key: bytes | None = field(default=None, repr=False)

    def credentials(self) -> grpc.ChannelCredentials:
        """For gRPC; `CallerError(ARGUMENT)` for a certificate without its key."""
        if (self.certificate is None) != (self.key is None) or not self.ca.strip():
            raise CallerError(Reason.ARGUMENT, "TLS takes an authority, and key with certificate")
        return grpc.ssl_channel_credentials(self.ca, self.key, self.certificate)


@dataclass(frozen=True, slots=True)
class Patience:
    """How often to try, and how long to wait in between."""

    tries: int = 3
    first: float = 0.2
    """Seconds at most before the second try; doubled from try to try."""
    longest: float = 5.0
    chance: Callable[[], float] = field(default=secrets.SystemRandom().random, repr=False)
    """Evenly distributed in [0, 1)."""
    sleep: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep, repr=False)

    def pause(self, attempt: int, asked: float | None) -> float:
        """Seconds before the next try: what the node asked for, and a random part of ours."""
        ours = min(self.longest, self.first * 2.0**attempt)
        return (asked or 0.0) + ours * self.chance()


class NodeChannel:
    """A connection to one address; made inside a running event loop, closed with `close`."""

    def __init__(
        self,
        target: str,
        tls: Tls | None,
        *,
        deadline: float = DEADLINE,
        patience: Patience | None = None,
    ) -> None:
        """`target` is host:port; without `tls` only this machine can be reached.

        `CallerError(ARGUMENT)` for another target. The node's certificate must be for the
        host that is named in the target.
        """
        check_target(target, local=tls is None)
        asyncio.get_running_loop()
        self.target = target
        self.deadline = deadline
        self.patience = patience or Patience()
        if tls is None:
            self.raw = grpc.aio.insecure_channel(target, _OPTIONS)
        else:
            self.raw = grpc.aio.secure_channel(target, tls.credentials(), _OPTIONS)

    def __repr__(self) -> str:
        """The address only."""
        return f"NodeChannel({self.target!r})"

    async def __aenter__(self) -> Self:
        """Itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closed."""
        await self.close()

    async def close(self) -> None:
        """End all calls and the connection."""
        await self.raw.close()

    async def call(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[_Q, _A],
        request: _Q,
        *,
        deadline: float | None = None,
    ) -> _A:
        """One answer, tried `patience.tries` times; `NodeFailure`, or `PeerError` for garbage."""
        clock = asyncio.get_running_loop().time
        end = clock() + (self.deadline if deadline is None else deadline)
        attempt = 0
        while True:
            try:
                answer = await method(request, timeout=max(end - clock(), 0.001))
            except grpc.aio.AioRpcError as error:
                pause = self._pause(failure(self.target, error), attempt, end - clock())
            else:
                return _whole(answer)
            await self.patience.sleep(pause)
            attempt += 1

    async def stream(
        self,
        method: grpc.aio.UnaryStreamMultiCallable[_Q, _A],
        request: _Q,
        *,
        deadline: float | None = STREAM_DEADLINE,
    ) -> AsyncGenerator[_A, None]:
        """The answers of one stream, not tried again; without a deadline it may last."""
        call = method(request, timeout=deadline)
        try:
            async for answer in call:
                yield _whole(answer)
        except grpc.aio.AioRpcError as error:
            raise failure(self.target, error) from None
        finally:
            call.cancel()

    def _pause(self, found: NodeFailure, attempt: int, left: float) -> float:
        """Seconds to wait before the next try; raises what was found if there is none."""
        asked = found.retry_after if isinstance(found, NodeError) else None
        again = isinstance(found, NodeUnreachable) and not found.late
        if isinstance(found, NodeError):
            again = found.may_help
        pause = self.patience.pause(attempt, asked)
        if not again or attempt + 1 >= self.patience.tries or pause >= left:
            raise found from None
        return pause


def check_target(target: str, *, local: bool) -> None:
    """`CallerError(ARGUMENT)` unless it is host:port; with `local`, of this machine."""
    if local and target.startswith("unix:") and len(target) <= _MAX_TARGET:
        return
    match = _TARGET.fullmatch(target) if len(target) <= _MAX_TARGET else None
    if match is None or not 0 < int(match[1]) <= _LAST_PORT:
        raise CallerError(Reason.ARGUMENT, "a node's address is host:port")
    if local and not is_loopback(target.rpartition(":")[0]):
        raise CallerError(Reason.ARGUMENT, "without TLS only on this machine")


def is_loopback(host: str) -> bool:
    """Whether a host, as in a target, is a loopback address in digits."""
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False


def _whole(answer: _A | None) -> _A:
    """gRPC gives None for octets that it could not decode."""
    if answer is None:
        raise PeerError(Reason.MESSAGE_SHAPE, "no protobuf message")
    return answer


_OPTIONS: Final = (
    ("grpc.max_receive_message_length", MAX_RECEIVE),
    ("grpc.max_send_message_length", MAX_SEND),
    ("grpc.max_metadata_size", _MAX_METADATA),
    ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
    ("grpc.initial_reconnect_backoff_ms", _FIRST_RECONNECT_MS),
    ("grpc.min_reconnect_backoff_ms", _FIRST_RECONNECT_MS),
    ("grpc.max_reconnect_backoff_ms", _LONGEST_RECONNECT_MS),
    # Who tries again, when and how often, is said here and nowhere else.
    ("grpc.enable_retries", 0),
    # No proxy of the environment, and no configuration by DNS, gets between.
    ("grpc.enable_http_proxy", 0),
    ("grpc.service_config_disable_resolution", 1),
    # Two channels to one address are two connections: one may be a member's, one not.
    ("grpc.use_local_subchannel_pool", 1),
)
