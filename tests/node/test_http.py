"""Public files, metrics and witnessing over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from guosuo.errors import CallerError, PeerError, Reason
from guosuo_node.host.http import (
    AddCheckpoint,
    HttpAnswer,
    HttpLimits,
    HttpServer,
    metrics_app,
    public_app,
)

BLOB = "ab" * 32


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "public"
    for name, data in {
        "charter.cbor": b"charter",
        "330000/checkpoint": b"note\n",
        "330000/tile/0/000": b"\x00" * 64,
        "330000/tile/0/x001/067.p/3": b"\x01" * 96,
        "330000/tile/entries/000.p/2": b"entries",
        f"blobs/{BLOB}": bytes(range(256)) * 40_000,
        "330000/notes.txt": b"not for readers",
        "blobs/short": b"not for readers",
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (tmp_path / "secret").write_bytes(b"secret")
    (root / "blobs" / ("cd" * 32)).symlink_to(tmp_path / "secret")
    return root


@dataclass
class Served:
    """A running server and a client."""

    server: HttpServer
    client: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"


@asynccontextmanager
async def served(
    folder: Path,
    *,
    add: AddCheckpoint | None = None,
    limits: HttpLimits | None = None,
    failed: Callable[[BaseException], None] | None = None,
) -> AsyncIterator[Served]:
    app = public_app(folder, add_checkpoint=add, limits=limits, failed=failed)
    server = HttpServer(app, clock=time.monotonic, limits=limits)
    await server.start("127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession() as client:
            yield Served(server, client)
    finally:
        await server.stop()


def run(play: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await play()

    asyncio.run(bounded())


def test_files_and_how_long_they_are_kept(folder: Path) -> None:
    async def play() -> None:
        async with served(folder) as at:
            kept = "public, max-age=31536000, immutable"
            for name, cached, kind in (
                ("charter.cbor", "no-cache", "application/cbor"),
                ("330000/checkpoint", "no-cache", "text/plain; charset=utf-8"),
                ("330000/tile/0/000", kept, "application/octet-stream"),
                ("330000/tile/0/x001/067.p/3", kept, "application/octet-stream"),
                ("330000/tile/entries/000.p/2", kept, "application/octet-stream"),
                (f"blobs/{BLOB}", kept, "application/octet-stream"),
            ):
                async with at.client.get(f"{at.url}/{name}") as answer:
                    assert answer.status == 200
                    assert await answer.read() == (folder / name).read_bytes()
                    assert answer.headers["Cache-Control"] == cached
                    assert answer.headers["Content-Type"] == kind
                    assert answer.headers["X-Content-Type-Options"] == "nosniff"
                    tag = answer.headers["ETag"]
                again = {"If-None-Match": tag}
                async with at.client.get(f"{at.url}/{name}", headers=again) as answer:
                    assert answer.status == 304
                async with at.client.head(f"{at.url}/{name}") as answer:
                    assert (answer.status, await answer.read()) == (200, b"")
            part = {"Range": "bytes=256-259"}
            async with at.client.get(f"{at.url}/blobs/{BLOB}", headers=part) as answer:
                assert (answer.status, await answer.read()) == (206, b"\x00\x01\x02\x03")

    run(play)


PATHS = [
    "",
    "/",
    "/blobs",
    "/blobs/",
    "/330000",
    "/330000/tile/0/",
    "/330000/notes.txt",
    "/blobs/short",
    f"/blobs/{BLOB.upper()}",
    f"/blobs/{'cd' * 32}",  # a link out of the directory
    f"/blobs/{'ef' * 32}",
    "/../secret",
    "/330000/../../secret",
    "/330000/tile/0/../../../../secret",
    "/%2e%2e/secret",
    "/330000/%2e%2e/%2e%2e/secret",
    "/..%2fsecret",
    "/330000%2fcheckpoint/x",
    "/330000/tile/0/000%00",
    "/330000/checkpoint%0a",
    "//etc/passwd",
    "/\\..\\secret",
    "/blobs/" + "a" * 5000,
]


async def plainly(port: int, octets: bytes, wait: float = 2.0) -> bytes:
    """What a server says to these octets."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    got = b""
    try:
        writer.write(octets)
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(wait):
                got = await reader.read()
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return got


def test_there_is_no_listing_and_no_way_out(folder: Path) -> None:
    async def play() -> None:
        async with served(folder) as at:
            for path in PATHS:
                request = f"GET {path or '/'} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                got = await plainly(at.server.port, request.encode())
                assert got.split(b" ")[1] in {b"404", b"400"}, path
                assert b"secret" not in got.partition(b"\r\n\r\n")[2]
                assert b"immutable" not in got
            for method in ("POST", "PUT", "DELETE", "OPTIONS"):
                async with at.client.request(method, f"{at.url}/charter.cbor") as answer:
                    assert answer.status == 405

    run(play)


def test_witnessing(folder: Path) -> None:
    bugs: list[BaseException] = []

    async def add(body: bytes) -> HttpAnswer:
        match body:
            case b"bad":
                raise PeerError(Reason.RECORD_KIND)
            case b"bug":
                raise RuntimeError("with a secret")
            case b"other":
                return HttpAnswer(409, b"17\n", "text/x.tlog.size")
            case _:
                return HttpAnswer(200, b"line\n")

    async def play() -> None:
        async with served(folder, add=add, failed=bugs.append) as at:

            async def post(body: bytes) -> tuple[int, bytes, str]:
                async with at.client.post(f"{at.url}/add-checkpoint", data=body) as answer:
                    return answer.status, await answer.read(), answer.content_type

            assert await post(b"old 0\n\nnote") == (200, b"line\n", "text/plain")
            assert await post(b"other") == (409, b"17\n", "text/x.tlog.size")
            assert (await post(b"bad"))[:2] == (400, b"record-kind\n")
            status, body, _ = await post(b"bug")
            assert (status, b"secret" in body) == (503, False)
            assert (await post(b"x" * (200 << 10)))[0] == 413
            async with at.client.get(f"{at.url}/add-checkpoint") as answer:
                assert answer.status == 404
        assert [type(bug) for bug in bugs] == [RuntimeError]
        async with (
            served(folder) as at,
            at.client.post(f"{at.url}/add-checkpoint", data=b"old 0\n") as answer,
        ):
            assert answer.status == 405

    run(play)


def test_witnessing_is_bounded(folder: Path) -> None:
    async def add(_: bytes) -> HttpAnswer:
        await asyncio.sleep(0.5)
        return HttpAnswer(200, b"line\n")

    async def play() -> None:
        async with served(folder, add=add, limits=HttpLimits(witnessing=2)) as at:

            async def post() -> int:
                async with at.client.post(f"{at.url}/add-checkpoint", data=b"x") as answer:
                    return answer.status

            got = await asyncio.gather(*(post() for _ in range(5)))
            assert sorted(got) == [200, 200, 503, 503, 503]

    run(play)


def test_connections_that_only_sit_there_are_closed(folder: Path) -> None:
    async def play() -> None:
        async with served(folder, limits=HttpLimits(idle_seconds=0.4)) as at:
            begun = time.monotonic()
            opened = [await asyncio.open_connection("127.0.0.1", at.server.port) for _ in range(9)]
            for number, (_, writer) in enumerate(opened):
                writer.write(b"GET /charter.cbor HTTP/1.1\r\nX: "[: 3 * number])
            async with at.client.get(f"{at.url}/charter.cbor") as answer:
                assert answer.status == 200
            for reader, writer in opened:
                with contextlib.suppress(ConnectionError):
                    await reader.read()
                writer.close()
            assert time.monotonic() - begun < 5

    run(play)


def test_a_slow_reader_gets_all_of_a_blob(folder: Path) -> None:
    async def play() -> None:
        async with served(folder, limits=HttpLimits(idle_seconds=0.2)) as at:
            reader, writer = await asyncio.open_connection("127.0.0.1", at.server.port, limit=1024)
            writer.write(f"GET /blobs/{BLOB} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            await asyncio.sleep(1.0)
            await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(256 * 40_000)
            assert body == (folder / "blobs" / BLOB).read_bytes()
            writer.close()

    run(play)


def test_connections_are_limited(folder: Path) -> None:
    async def play() -> None:
        async with served(folder, limits=HttpLimits(connections=5, idle_seconds=4.0)) as at:
            opened = [await asyncio.open_connection("127.0.0.1", at.server.port) for _ in range(9)]
            async with asyncio.timeout(3):
                for reader, _ in opened[5:]:
                    assert await reader.read() == b""
            for _, writer in opened:
                writer.close()

    run(play)


def test_noise_gets_an_error_or_nothing(folder: Path) -> None:
    async def play() -> None:
        async with served(folder) as at:
            for octets in (
                b"\x16\x03\x01\x02\x00" * 50,
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
                b"GET / HTTP/1.1\r\n" + b"X-Y: z\r\n" * 2000 + b"\r\n",
                b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                b"\x00" * 1000,
            ):
                got = await plainly(at.server.port, octets, 0.5)
                assert got == b"" or got.split(b" ")[1].startswith(b"4")
            async with at.client.get(f"{at.url}/charter.cbor") as answer:
                assert answer.status == 200

    run(play)


def test_metrics_are_on_loopback_only() -> None:
    async def play() -> None:
        server = HttpServer(metrics_app(lambda: b"x 1\n", "text/plain"), clock=time.monotonic)
        for host in ("0.0.0.0", "192.0.2.7", "::", "node.example"):  # noqa: S104 - refused
            with pytest.raises(CallerError) as caught:
                await server.start(host, 0, loopback_only=True)
            assert caught.value.reason is Reason.ARGUMENT
        await server.start("127.0.0.1", 0, loopback_only=True)
        url = f"http://127.0.0.1:{server.port}"
        async with aiohttp.ClientSession() as client:
            async with client.get(f"{url}/metrics") as answer:
                assert await answer.read() == b"x 1\n"
            async with client.get(f"{url}/charter.cbor") as answer:
                assert answer.status == 404
        second = HttpServer(metrics_app(lambda: b"", "text/plain"), clock=time.monotonic)
        with pytest.raises(CallerError):
            await second.start("127.0.0.1", server.port)
        await server.stop()

    run(play)
