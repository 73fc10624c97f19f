"""A stand-in for a provincial health system: a small HTTP service with invented people.

    python -m guosuo_node.adapter.standin --token-file token --port 8631

For development and demonstrations. It serves loopback addresses only, keeps nothing on
disk but the token, and prints one line when it is ready. Beside the two questions of
`guosuo_node.adapter.health_system` it has, with the same token:

    POST /v1/records          {"person": …}   all records of somebody, as his own app would show
    GET  /v1/invented-people  ?limit=…        whom to try: identifications, names, records
    GET  /v1/health                           without a token
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hmac
import os
import secrets
import signal
import ssl
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from aiohttp import web

from guosuo.certlogic.json_text import load_json
from guosuo.errors import PeerError
from guosuo_node.adapter.health_system import is_loopback, read_token
from guosuo_node.adapter.invented import InventedPerson, invent
from guosuo_node.adapter.plugins import SetupError

READY: Final = "stand-in health system ready on "
MAX_QUESTION: Final = 4096

_LISTED: Final = 20
_LIMIT_DIGITS: Final = 5
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class StandIn:
    """The service over a list of invented people."""

    def __init__(self, people: Sequence[InventedPerson], token: str) -> None:
        """All of it stays in memory."""
        self._token = token.encode()
        self._people = list(people)
        self._by_identification = {person.identification: person for person in people}
        self._by_number = {person.record.person: person for person in people}

    def application(self) -> web.Application:
        """The routes behind the token."""
        application = web.Application(middlewares=[self._guard], client_max_size=MAX_QUESTION)
        application.add_routes(
            [
                web.get("/v1/health", self._health),
                web.post("/v1/identify", self._identify),
                web.post("/v1/record", self._record),
                web.post("/v1/records", self._records),
                web.get("/v1/invented-people", self._list),
            ]
        )
        return application

    @web.middleware
    async def _guard(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").encode(errors="replace")
        public = request.path == "/v1/health"
        if not public and not hmac.compare_digest(given, b"Bearer " + self._token):
            return web.json_response({"error": "token"}, status=401)
        return await handler(request)

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "serving"})

    async def _identify(self, request: web.Request) -> web.Response:
        asked = await _question(request, "identification")
        person = self._by_identification.get(asked["identification"])
        if person is None:
            return web.json_response({"found": False})
        return web.json_response({"found": True, "person": person.record.to_value()})

    async def _record(self, request: web.Request) -> web.Response:
        asked = await _question(request, "person", "number")
        person = self._by_number.get(asked["person"])
        for record in person.records if person else ():
            if record.number == asked["number"]:
                return web.json_response({"found": True, "record": record.to_value()})
        return web.json_response({"found": False})

    async def _records(self, request: web.Request) -> web.Response:
        asked = await _question(request, "person")
        person = self._by_number.get(asked["person"])
        if person is None:
            return web.json_response({"found": False})
        return web.json_response(
            {"found": True, "records": [record.to_value() for record in person.records]}
        )

    async def _list(self, request: web.Request) -> web.Response:
        limit = request.query.get("limit", str(_LISTED))
        if not limit.isascii() or not limit.isdigit() or len(limit) > _LIMIT_DIGITS:
            raise web.HTTPBadRequest
        return web.json_response(
            {
                "people": [
                    {
                        "identification": person.identification,
                        "name": person.name,
                        "document_type": person.document[0],
                        "document_number": person.document[1],
                        **person.record.to_value(),
                        "records": [record.to_value() for record in person.records],
                    }
                    for person in self._people[: int(limit)]
                ]
            }
        )


async def _question(request: web.Request, *members: str) -> dict[str, str]:
    """A question with exactly these members, all texts; else status 400."""
    try:
        value = load_json(await request.read())
    except PeerError:
        value = None
    if isinstance(value, dict) and value.keys() == set(members):
        texts = {name: text for name, text in value.items() if isinstance(text, str)}
        if len(texts) == len(members):
            return texts
    raise web.HTTPBadRequest


# --- running it -------------------------------------------------------------------------


async def start(
    application: web.Application,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
) -> tuple[web.AppRunner, str]:
    """Serve; the runner to clean up and the address. `ValueError` outside of loopback."""
    if not is_loopback(host):
        raise ValueError("invented or not, people's records are served on loopback only")
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, ssl_context=tls).start()
    except OSError:
        await runner.cleanup()
        raise
    bound = runner.addresses[0][1]
    shown = f"[{host}]" if ":" in host else host
    return runner, f"{'http' if tls is None else 'https'}://{shown}:{bound}"


@contextlib.contextmanager
def running(application: web.Application, *, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """The service in a thread of its own, for as long as the body lasts; its address."""
    ready: list[str] = []
    started = threading.Event()
    loop = asyncio.new_event_loop()
    done = asyncio.Event()

    async def serve() -> None:
        runner, url = await start(application, tls=tls)
        ready.append(url)
        started.set()
        await done.wait()
        await runner.cleanup()

    def work() -> None:
        try:
            loop.run_until_complete(serve())
        finally:
            started.set()
            loop.close()

    thread = threading.Thread(target=work, name="stand-in health system")
    thread.start()
    started.wait()
    try:
        if not ready:
            raise RuntimeError("the stand-in did not start")
        yield ready[0]
    finally:
        if ready:
            loop.call_soon_threadsafe(done.set)
        thread.join()


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m guosuo_node.adapter.standin`; exit code 2 for what cannot work."""
    options = _parser().parse_args(arguments)
    try:
        tls = None
        if options.certificate is not None:
            tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            tls.load_cert_chain(options.certificate, options.key)
        token = _token(options.token_file)
        # The one clock of this module: records are to be recent ones.
        now = int(time.time()) if options.now is None else options.now
        people = invent(options.seed, options.people, now=now, division=options.region)
        asyncio.run(_serve(StandIn(people, token).application(), options.host, options.port, tls))
    except (SetupError, ValueError, OSError) as error:
        sys.stderr.write(f"standin: {error}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m guosuo_node.adapter.standin",
        description="A stand-in health system with invented people, on loopback only.",
    )
    add = parser.add_argument
    add("--token-file", type=Path, required=True, help="bearer token; made if it is missing")
    add("--host", default="127.0.0.1", help="a loopback address")
    add("--port", type=int, default=0, help="0 for any free one")
    add("--seed", type=int, default=1, help="other seeds, other people")
    add("--people", type=int, default=1000)
    add("--region", default="440000", help="administrative division of the records")
    add("--now", type=int, help="Unix seconds up to which there are records; default: the clock")
    add("--certificate", type=Path, help="PEM, for HTTPS")
    add("--key", type=Path, help="PEM, to --certificate")
    return parser


def _token(path: Path) -> str:
    if not path.exists():
        # Only the owner, from the first octet on.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
    return read_token(path)


async def _serve(
    application: web.Application, host: str, port: int, tls: ssl.SSLContext | None
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Windows has no signal handlers in event loops; there the default ends the process.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    runner, url = await start(application, host=host, port=port, tls=tls)
    sys.stdout.write(f"{READY}{url}\n")
    sys.stdout.flush()
    try:
        await stop.wait()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    sys.exit(main())
