"""The adapter to health systems: systems that answer badly, and settings."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from guosuo_node.adapter.health_system import MAX_ANSWER, HealthSystem, make
from guosuo_node.adapter.interface import Cause, Context, Refusal, Refused, Unavailable
from guosuo_node.adapter.plugins import SetupError
from guosuo_node.adapter.standin import READY
from tests.support.adapters import (
    NOW,
    REGION,
    SYSTEM,
    TOKEN,
    answering,
    health_system,
    people,
)
from tests.support.processes import Process

PERSON = people(1)[0].record.to_value()
TEST = {
    "kind": "nucleic-acid-test",
    "number": "N-1",
    "person": "P-1",
    "division": "440300",
    "organisation": "Invented laboratory",
    "sampled": "2022-01-18T08:00:00+08:00",
    "result": "negative",
}


# --- systems that answer badly ------------------------------------------------------------


def outcome(system: HealthSystem, identification: str = "anybody") -> object:
    """What comes of asking: a person, a refusal or a cause."""

    async def work() -> object:
        try:
            return (await system.identify(identification, now=NOW)).record
        except Refused as refused:
            return refused.refusal
        except Unavailable as failed:
            return failed.cause
        finally:
            await system.close()

    return asyncio.run(work())


def answer_with(body: bytes | object, status: int = 200, **headers: str) -> Any:  # noqa: ANN401
    async def answer(_: web.Request) -> web.Response:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = {"Content-Type": "application/json"}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(body=data, status=status, headers={**kind, **named})

    return answer


FOUND = {"found": True, "person": PERSON}
GOOD = str(PERSON["person"]).encode()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (FOUND, GOOD),
        ({"found": False}, Refusal.NOT_IDENTIFIED),
        ({"found": False, "reason": "moved away"}, Cause.BAD_ANSWER),
        ({"found": 0}, Cause.BAD_ANSWER),
        ({"found": "true", "person": PERSON}, Cause.BAD_ANSWER),
        ({"found": True}, Cause.BAD_ANSWER),
        ({"found": True, "record": PERSON}, Cause.BAD_ANSWER),
        ({**FOUND, "telephone": "1"}, Cause.BAD_ANSWER),
        ({"found": True, "person": {**PERSON, "telephone": "1"}}, Cause.BAD_ANSWER),
        ({"found": True, "person": {**PERSON, "person": ""}}, Cause.BAD_ANSWER),
        ({"found": True, "person": {**PERSON, "born": "2000-02-30"}}, Cause.BAD_ANSWER),
        ({"found": True, "person": [PERSON]}, Cause.BAD_ANSWER),
        ([], Cause.BAD_ANSWER),
        (None, Cause.BAD_ANSWER),
        (b"", Cause.BAD_ANSWER),
        (b"{", Cause.BAD_ANSWER),
        (b"\xff", Cause.BAD_ANSWER),
        (b'{"found": true, "found": false}', Cause.BAD_ANSWER),
        (b'{"found": NaN}', Cause.BAD_ANSWER),
        (b"[" * 10_000, Cause.BAD_ANSWER),
        (json.dumps(FOUND).encode() + b" " * (MAX_ANSWER - len(json.dumps(FOUND))), GOOD),
        (json.dumps(FOUND).encode() + b" " * MAX_ANSWER, Cause.BAD_ANSWER),
    ],
)
def test_answers_are_read_strictly(body: object, expected: object) -> None:
    with answering(answer_with(body)) as hostile:
        assert outcome(health_system(hostile.url)) == expected


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (200, {}, GOOD),
        (401, {}, Cause.DENIED),
        (403, {}, Cause.DENIED),
        (404, {}, Cause.BAD_ANSWER),
        (429, {}, Cause.OVERLOADED),
        (503, {}, Cause.OVERLOADED),
        (500, {}, Cause.BAD_ANSWER),
        (201, {}, Cause.BAD_ANSWER),
        (302, {"Location": "/v1/identify"}, Cause.BAD_ANSWER),
        (200, {"Content_Type": "text/html"}, Cause.BAD_ANSWER),
        (200, {"Content_Encoding": "gzip"}, Cause.BAD_ANSWER),
    ],
)
def test_only_a_plain_answer_in_json_counts(
    status: int, headers: dict[str, str], expected: object
) -> None:
    with answering(answer_with(FOUND, status, **headers)) as hostile:
        assert outcome(health_system(hostile.url)) == expected
        assert len(hostile.asked) == 1


def test_nothing_of_a_person_is_in_an_address_or_a_cookie() -> None:
    with answering(answer_with(FOUND, Set_Cookie="who=anybody")) as hostile:
        system = health_system(hostile.url)

        async def work() -> None:
            for _ in range(2):
                await system.identify("anybody", now=NOW)
            await system.close()

        asyncio.run(work())
        for path, headers, body in hostile.asked:
            assert path == "/v1/identify"
            assert json.loads(body) == {"identification": "anybody"}
            assert "Cookie" not in headers
            assert headers["Authorization"] == f"Bearer {TOKEN}"
            assert headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("identification", ["", "x" * 513, "a\r\nb", "a\x00", "\ud800", "\u200f"])
def test_strange_identifications_never_reach_the_system(identification: str) -> None:
    with answering(answer_with(FOUND)) as hostile:
        assert outcome(health_system(hostile.url), identification) is Refusal.NOT_IDENTIFIED
        assert hostile.asked == []


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "fact"),
        ({"result": "pending"}, Refusal.NOT_EVIDENCE),
        ({"number": "N-9"}, Cause.BAD_ANSWER),
        ({"person": "P-9"}, Cause.BAD_ANSWER),
        ({"sampled": "2022-01-18T08:00:00"}, Cause.BAD_ANSWER),
        ({"sampled": "2022-02-30T08:00:00Z"}, Cause.BAD_ANSWER),
    ],
)
def test_the_record_is_the_one_that_was_asked_for(
    changed: dict[str, Any], expected: object
) -> None:
    async def answer(asked: web.Request) -> web.Response:
        person = {"found": True, "person": {**PERSON, "person": "P-1"}}
        record = {"found": True, "record": {**TEST, **changed}}
        return web.json_response(person if asked.path == "/v1/identify" else record)

    async def work(system: HealthSystem) -> object:
        try:
            identified = await system.identify("anybody", now=NOW)
            found = await system.evidence(identified, b"N-1", now=NOW)
        except Refused as refused:
            return refused.refusal
        except Unavailable as failed:
            return failed.cause
        finally:
            await system.close()
        return "fact" if found.holder == identified.person else found

    with answering(answer) as hostile:
        assert asyncio.run(work(health_system(hostile.url))) == expected


@contextlib.contextmanager
def talking(*scripts: list[bytes | float]) -> Iterator[tuple[str, list[int]]]:
    """A server below HTTP: per connection it reads a little, then sends and pauses as told."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        accepted: list[int] = []

        def serve() -> None:
            for script in scripts:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                accepted.append(1)
                with connection:
                    connection.settimeout(10)
                    try:
                        connection.recv(4096)
                        for step in script:
                            if isinstance(step, bytes):
                                connection.sendall(step)
                            else:
                                time.sleep(step)
                    except OSError:
                        continue

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}", accepted
        finally:
            # Closing alone does not wake a thread that accepts.
            with contextlib.suppress(OSError):
                socket.create_connection(server.getsockname()[:2], timeout=1).close()
            thread.join()


def http_answer(body: bytes, *, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n"
    return head.encode() + body


WHOLE = http_answer(json.dumps(FOUND).encode())


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ([WHOLE], GOOD),
        ([b"\x16\x03\x01\x00"], Cause.BAD_ANSWER),
        ([b"HTTP/1.1 200 OK\r\n" + b"X: " + b"x" * 100_000 + b"\r\n\r\n"], Cause.BAD_ANSWER),
        ([http_answer(b"{}", length=100)], Cause.BAD_ANSWER),
        ([http_answer(b"x", length=1 << 40), *([b"x" * 4096] * 100)], Cause.BAD_ANSWER),
        ([b"HTTP/1.1 200 OK\r\n", 1.0], Cause.TIMEOUT),
        ([http_answer(b"", length=100), *([b" ", 0.1] * 8)], Cause.TIMEOUT),
    ],
)
def test_hostile_octets_end_in_time(script: list[bytes | float], expected: object) -> None:
    with talking(script) as (url, _):
        began = time.monotonic()
        assert outcome(health_system(url, seconds=0.4)) == expected
        assert time.monotonic() - began < 5


def test_a_connection_that_was_closed_is_tried_once_more() -> None:
    with talking([], [WHOLE]) as (url, accepted):
        assert outcome(health_system(url)) == GOOD
        assert len(accepted) == 2
    with talking([], [], [WHOLE]) as (url, accepted):
        assert outcome(health_system(url)) is Cause.UNREACHABLE
        assert len(accepted) == 2


def test_nobody_there_is_unreachable() -> None:
    assert outcome(health_system("http://127.0.0.1:1")) is Cause.UNREACHABLE


def test_no_more_connections_than_agreed() -> None:
    now_open, most = 0, 0

    async def answer(_: web.Request) -> web.Response:
        nonlocal now_open, most
        now_open += 1
        most = max(most, now_open)
        await asyncio.sleep(0.02)
        now_open -= 1
        return web.json_response(FOUND)

    async def work(system: HealthSystem) -> None:
        await asyncio.gather(*(system.identify(f"{n}", now=NOW) for n in range(60)))
        await system.close()

    with answering(answer) as hostile:
        asyncio.run(work(health_system(hostile.url)))
    assert 1 < most <= 16


# --- settings -----------------------------------------------------------------------------


@pytest.fixture
def context(tmp_path: Path) -> Context:
    (tmp_path / "token").write_text(TOKEN + "\n", encoding="ascii")
    (tmp_path / "bad").write_text("two words that are no token", encoding="ascii")
    return Context(REGION, production=False, folder=tmp_path)


SETTINGS = {"url": "https://health.invalid/api/", "system": SYSTEM, "token_file": "token"}


def test_settings_make_an_adapter_that_does_not_show_its_token(context: Context) -> None:
    for url in ("https://health.invalid", "http://127.0.0.1:80", "http://[::1]:80/x"):
        adapter = make({**SETTINGS, "url": url}, context)
        assert TOKEN not in repr(adapter)
        asyncio.run(adapter.close())


@pytest.mark.parametrize(
    ("changed", "advice"),
    [
        ({"url": "http://health.invalid"}, "travel under TLS"),
        ({"url": "http://10.0.0.1"}, "travel under TLS"),
        ({"url": "http://127.0.0.1.invalid"}, "travel under TLS"),
        ({"url": "ftp://health.invalid"}, "https://host"),
        ({"url": "https://user:word@health.invalid"}, "https://host"),
        ({"url": "https://health.invalid/?a=b"}, "https://host"),
        ({"url": "https://"}, "https://host"),
        ({"url": "https://health.invalid:x"}, "is no address"),
        ({"url": 5}, "needs the setting 'url', a text"),
        ({"system": "two\nlines"}, "on one line"),
        ({"token_file": "none"}, "cannot be read: No such file"),
        ({"token_file": "bad"}, "has no bearer token"),
        ({"seconds": 0}, "'seconds' is a number from 0.05 to 60.0"),
        ({"seconds": True}, "'seconds' is a number"),
        ({"seconds": float("nan")}, "'seconds' is a number"),
        ({"ca_file": "none"}, "certificate files cannot be used"),
        ({"ca_file": "bad"}, "certificate files cannot be used"),
        ({"client_key": "bad"}, "go together"),
        ({"timeout": 4}, "knows no setting 'timeout'"),
    ],
)
def test_wrong_settings_are_told(context: Context, changed: dict[str, Any], advice: str) -> None:
    with pytest.raises(SetupError, match=advice) as failed:
        make({**SETTINGS, **changed}, context)
    assert "two words" not in str(failed.value)
    assert "word@" not in str(failed.value)


def test_production_speaks_tls_even_to_itself(context: Context) -> None:
    settings = {**SETTINGS, "url": "http://127.0.0.1:80"}
    make(settings, context)
    with pytest.raises(SetupError, match="under TLS"):
        make(settings, replace(context, production=True))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1 and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stand-in")])
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=36_500))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "service.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


def test_tls_is_checked_against_the_file_of_the_settings(
    context: Context, certificate: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "guosuo_node.adapter.standin", "--token-file"]
    options = ["--people", "2", "--seed", "7", "--now", str(NOW), "--certificate", str(certificate)]
    with Process([*command, str(tmp_path / "token"), *options], logs=tmp_path) as service:
        url = service.wait_for_line(f"{READY}(https://.*)")[1]
        who = people()[0].identification
        trusting = make({**SETTINGS, "url": url, "ca_file": str(certificate)}, context)
        doubting = make({**SETTINGS, "url": url}, context)
        assert isinstance(trusting, HealthSystem)
        assert isinstance(doubting, HealthSystem)
        assert outcome(trusting, who) == people()[0].record.person.encode()
        assert outcome(doubting, who) is Cause.UNREACHABLE
        service.terminate()
