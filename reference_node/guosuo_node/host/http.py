"""HTTP beside gRPC: the public files, the metrics, and witnessing by C2SP's protocol.

The public directory can be served by any web server or CDN instead; this one is there so
that a node needs no other. It serves exactly the names that C2SP tlog-tiles and this
project define, so there is no listing and no way out of the directory:

    /charter.cbor                                        changes: asked for anew each time
    /<region>/checkpoint                                 changes
    /<region>/tile/<L>/<N>[.p/<W>], tile/entries/…        never change
    /blobs/<sha256>                                      never change
    POST /add-checkpoint                                 C2SP tlog-witness, if wanted
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from aiohttp import web

from guosuo.errors import CallerError, PeerError, Reason

MAX_BODY: Final = 128 << 10
"""Octets of an add-checkpoint request: a note of 64 KiB, a proof, and lines."""

FOREVER: Final = "public, max-age=31536000, immutable"
ANEW: Final = "no-cache"

_REGION: Final = r"[0-9A-Za-z][0-9A-Za-z-]{1,11}"
_INDEX: Final = r"(?:x[0-9]{3}/){0,6}[0-9]{3}(?:\.p/[1-9][0-9]{0,2})?"
_FIXED: Final = re.compile(
    rf"blobs/[0-9a-f]{{64}}|{_REGION}/tile/(?:entries|[0-9]|[1-5][0-9]|6[0-3])/{_INDEX}", re.ASCII
)
_CHECKPOINT: Final = re.compile(rf"{_REGION}/checkpoint", re.ASCII)
_CHARTER: Final = "charter.cbor"

_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    # Everything here is public: pages of other sites may read it.
    "Access-Control-Allow-Origin": "*",
}


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What the witness says to an add-checkpoint request."""

    status: int
    body: bytes = field(repr=False)
    content_type: str = "text/plain"


AddCheckpoint = Callable[[bytes], Awaitable[HttpAnswer]]
"""From the body of the request to the answer. `PeerError` is answered with 400, anything
else that is raised with 503."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """What one HTTP port bears."""

    connections: int = 1000
    idle_seconds: float = 20.0
    """A connection that brings no whole request for so long is closed."""
    request_seconds: float = 300.0
    """Longest from one request to the next one's headers, its answer included."""
    witnessing: int = 8
    """Add-checkpoint requests at once."""


def public_app(
    folder: Path,
    *,
    add_checkpoint: AddCheckpoint | None = None,
    limits: HttpLimits | None = None,
    failed: Callable[[BaseException], None] | None = None,
) -> web.Application:
    """The public files below `folder`, and the witness if there is one.

    `failed` is told of exceptions that nobody expected.
    """
    root = folder.resolve()
    bounds = limits or HttpLimits()

    async def get(request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        path = root / name
        if _FIXED.fullmatch(name):
            cached, kind = FOREVER, "application/octet-stream"
        elif _CHECKPOINT.fullmatch(name):
            cached, kind = ANEW, "text/plain; charset=utf-8"
        elif name == _CHARTER:
            cached, kind = ANEW, "application/cbor"
        else:
            raise web.HTTPNotFound(headers=_HEADERS)
        if not path.is_file() or not path.resolve().is_relative_to(root):
            # It may come: nobody shall remember that it was not there.
            raise web.HTTPNotFound(headers=_HEADERS | {"Cache-Control": "no-store"})
        headers = _HEADERS | {"Cache-Control": cached, "Content-Type": kind}
        return web.FileResponse(path, headers=headers)

    app = web.Application(client_max_size=MAX_BODY)
    app.router.add_get("/{name:.*}", get)
    if add_checkpoint is not None:
        app.router.add_post("/add-checkpoint", _witness(add_checkpoint, bounds, failed))
    return app


def metrics_app(exposed: Callable[[], bytes], content_type: str) -> web.Application:
    """`/metrics`, for a listener of its own on a loopback address."""

    async def get(request: web.Request) -> web.Response:
        del request
        return web.Response(
            body=exposed(), headers={"Content-Type": content_type, "Cache-Control": "no-store"}
        )

    app = web.Application()
    app.router.add_get("/metrics", get)
    return app


def _witness(
    add_checkpoint: AddCheckpoint,
    limits: HttpLimits,
    failed: Callable[[BaseException], None] | None,
) -> Callable[[web.Request], Awaitable[web.Response]]:
    running = 0

    async def post(request: web.Request) -> web.Response:
        nonlocal running
        if running >= limits.witnessing:
            return web.Response(status=503, headers={"Retry-After": "1"})
        running += 1
        try:
            answer = await add_checkpoint(await request.read())
        except PeerError as error:
            return web.Response(status=400, text=f"{error.reason.value}\n")
        except web.HTTPException:
            raise
        except Exception as error:  # noqa: BLE001 - no text of it gets out
            if failed is not None:
                failed(error)
            return web.Response(status=503, headers={"Retry-After": "5"})
        finally:
            running -= 1
        return web.Response(
            status=answer.status, body=answer.body, content_type=answer.content_type
        )

    return post


class HttpServer:
    """One HTTP port. Used once: start, then stop."""

    def __init__(
        self,
        app: web.Application,
        *,
        clock: Callable[[], float],
        limits: HttpLimits | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`clock` in seconds, monotonic. Without `tls` it is plain HTTP."""
        self._limits = limits or HttpLimits()
        self._clock = clock
        self._tls = tls
        self._opened: dict[object, float] = {}
        self._begun: dict[object, float] = {}
        app.middlewares.append(self._timed)
        # No access log: it would say who read what.
        self._runner = web.AppRunner(
            app, access_log=None, keepalive_timeout=self._limits.idle_seconds, shutdown_timeout=2.0
        )
        self._sweeper: asyncio.Task[None] | None = None
        self.port = 0

    async def start(self, host: str, port: int, *, loopback_only: bool = False) -> None:
        """Listens there; port 0 takes a free one.

        `CallerError(ARGUMENT)` if the address cannot be had, or is no loopback address
        where it has to be one.
        """
        if loopback_only and not _is_loopback(host):
            raise CallerError(Reason.ARGUMENT, "this listens on loopback addresses only")
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, ssl_context=self._tls)
        try:
            await site.start()
        except OSError:
            await self._runner.cleanup()
            raise CallerError(Reason.ARGUMENT, "cannot listen on that address") from None
        self.port = self._runner.addresses[0][1]
        self._sweeper = asyncio.create_task(self._sweep())

    async def stop(self) -> None:
        """Ends within some seconds, with every connection closed."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._sweeper
        await self._runner.cleanup()

    @web.middleware
    async def _timed(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Notes when a connection began its newest request.

        The end is not noted: the answer's octets may be on their way for long after the
        handler is done.
        """
        self._begun[request.protocol] = self._clock()
        return await handler(request)

    async def _sweep(self) -> None:
        """Closes connections that only sit there, and those beyond the limit."""
        while True:
            await asyncio.sleep(min(1.0, self._limits.idle_seconds / 4))
            server = self._runner.server
            if server is None:
                continue
            self._close_overdue(server)

    def _close_overdue(self, server: web.Server) -> None:
        now, limits = self._clock(), self._limits
        open_now = server.connections
        known = set(open_now)
        self._opened = {c: since for c, since in self._opened.items() if c in known}
        self._begun = {c: since for c, since in self._begun.items() if c in known}
        for number, connection in enumerate(open_now):
            opened = self._opened.setdefault(connection, now)
            begun = self._begun.get(connection)
            end = opened + limits.idle_seconds if begun is None else begun + limits.request_seconds
            if now > end or number >= limits.connections:
                connection.force_close()


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
