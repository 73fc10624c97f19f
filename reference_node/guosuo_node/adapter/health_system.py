"""Adapter to a provincial health system over HTTP.

Entry point `health-system`. The citizen's identification goes to the system, which says
who that is; a reference is the number of one of his records. Two questions, both POST so
that nothing personal is in a URL, which servers and proxies write into their logs:

    POST <url>/v1/identify  {"identification": …}        {"found": true, "person": {…}}
    POST <url>/v1/record    {"person": …, "number": …}   {"found": true, "record": {…}}

or `{"found": false}`. Members are those of `guosuo_node.adapter.records`, modelled, as are
the paths: GB/T 38963-2020 names an interface "query of user health information", but its
paths and members are not public. Settings:

    url         https://…; http:// to a loopback address in test federations
    system      name of the system, part of every digest: never change it
    token_file  file with the bearer token
    ca_file     certificates that vouch for the system; those of the machine without it
    client_certificate, client_key   files, where the system asks for them
    seconds     for one question, 4 by default
"""

from __future__ import annotations

import ipaddress
import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn
from urllib.parse import urlsplit

import aiohttp

from guosuo.certlogic.json_text import load_json
from guosuo.errors import PeerError
from guosuo.evidence.person import Identified
from guosuo_node.adapter.interface import (
    Adapter,
    Cause,
    Context,
    Evidence,
    Refusal,
    Refused,
    Settings,
    Unavailable,
)
from guosuo_node.adapter.plugins import SetupError, number_setting, only, text_setting
from guosuo_node.adapter.records import read_person, read_record, record_fact

MAX_ANSWER: Final = 16 << 10
"""Octets of an answer; one record has a few hundred."""
MAX_IDENTIFICATION: Final = 512
CONNECTIONS: Final = 16
ATTEMPTS: Final = 2
"""A kept connection may have been closed by the other side at the moment it is used."""

_NUMBER: Final = re.compile(rb"[0-9A-Za-z-]{1,64}")
_TOKEN: Final = re.compile(r"[0-9A-Za-z._~+/=-]{16,512}")
_DENIED: Final = (401, 403)
_OVERLOADED: Final = (429, 503)
_OK: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a health system is, and how it is talked to."""

    url: str
    system: str
    tls: ssl.SSLContext | None
    """None for plain HTTP on loopback."""
    seconds: float = 4.0

    def __repr__(self) -> str:
        """Enough to find the setting."""
        return f"Endpoint(system={self.system!r})"


class HealthSystem:
    """A health system behind HTTP as person check and evidence source. Keeps connections only."""

    __slots__ = ("_closed", "_endpoint", "_session", "_token")

    def __init__(self, endpoint: Endpoint, token: str) -> None:
        """Connects at the first question."""
        self._endpoint, self._token = endpoint, token
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def identify(self, identification: str, *, now: int) -> Identified:
        """The person whom the system finds under this identification."""
        del now  # the system has a clock of its own
        # Surrogates, control characters and line ends are not printable.
        if not 0 < len(identification) <= MAX_IDENTIFICATION or not identification.isprintable():
            self._check_open()
            raise Refused(Refusal.NOT_IDENTIFIED)
        found = await self._ask("/v1/identify", {"identification": identification}, "person")
        if found is None:
            raise Refused(Refusal.NOT_IDENTIFIED)
        try:
            person = read_person(found)
            return Identified(person.person.encode(), person.holder())
        except PeerError:
            pass
        raise Unavailable(Cause.BAD_ANSWER)

    async def evidence(self, identified: Identified, reference: bytes, *, now: int) -> Evidence:
        """The fact of one of this person's records."""
        del now  # a record does not expire; rules look at its age
        if _NUMBER.fullmatch(reference) is None:
            self._check_open()
            raise Refused(Refusal.NO_SUCH_RECORD)
        # Another person check's identifier may be any octets; the system then finds nobody.
        person = identified.record.decode("ascii", errors="replace")
        asked = {"person": person, "number": reference.decode()}
        found = await self._ask("/v1/record", asked, "record")
        if found is None:
            raise Refused(Refusal.NO_SUCH_RECORD)
        try:
            record = read_record(found)
            # Another record than the one asked for is a fault of the system, not of a citizen.
            if {"person": record.person, "number": record.number} == asked:
                fact = record_fact(self._endpoint.system, record, identified.person)
                return Evidence(fact, identified.person)
        except Refused:
            raise
        except PeerError:
            pass
        raise Unavailable(Cause.BAD_ANSWER)

    async def close(self) -> None:
        """Close all connections."""
        self._closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    # --- HTTP ---------------------------------------------------------------------------

    async def _ask(self, path: str, question: Mapping[str, str], member: str) -> object | None:
        """The member of an answer that found something; None of one that did not."""
        status, answer = await self._post(path, json.dumps(question).encode())
        if status != _OK:
            _give_up(status)
        try:
            value = load_json(answer)
        except PeerError:
            value = None
        match value:
            case {"found": False, **others} if not others:
                return None
            case {"found": True, **others} if others.keys() == {member}:
                return others[member]
        raise Unavailable(Cause.BAD_ANSWER)

    async def _post(self, path: str, body: bytes) -> tuple[int, bytes]:
        cause = Cause.UNREACHABLE
        for _ in range(ATTEMPTS):
            session = self._opened()
            try:
                async with session.post(
                    self._endpoint.url + path, data=body, allow_redirects=False
                ) as answer:
                    return answer.status, await _bounded(answer)
            except TimeoutError:
                cause = Cause.TIMEOUT
                break
            except aiohttp.ClientPayloadError:
                cause = Cause.BAD_ANSWER
                break
            except aiohttp.ClientConnectionError:
                # Both questions only read, so asking twice does no harm.
                continue
            except (aiohttp.ClientError, ValueError, RuntimeError):
                cause = Cause.CLOSED if self._closed else Cause.BAD_ANSWER
                break
        # Not inside of `except`: errors of HTTP carry the address and what was sent.
        raise Unavailable(cause)

    def _opened(self) -> aiohttp.ClientSession:
        self._check_open()
        if self._session is None:
            endpoint = self._endpoint
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=CONNECTIONS, ssl=True if endpoint.tls is None else endpoint.tls
                ),
                headers={
                    "Authorization": f"Bearer {self._token}",
                    "Content-Type": "application/json",
                    "Accept": "application/json",
                    "Accept-Encoding": "identity",
                    "User-Agent": "guosuo-node",
                },
                timeout=aiohttp.ClientTimeout(total=endpoint.seconds),
                cookie_jar=aiohttp.DummyCookieJar(),
                # What is compressed all the same is refused, not inflated.
                auto_decompress=False,
                trust_env=False,
                read_bufsize=MAX_ANSWER,
            )
        return self._session

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable(Cause.CLOSED)


async def _bounded(answer: aiohttp.ClientResponse) -> bytes:
    """The body of an answer in JSON, at most `MAX_ANSWER` octets."""
    if answer.status != _OK:
        return b""
    encoding = answer.headers.get("Content-Encoding", "identity")
    if answer.content_type != "application/json" or encoding != "identity":
        raise Unavailable(Cause.BAD_ANSWER)
    data = bytearray()
    async for part in answer.content.iter_any():
        data += part
        if len(data) > MAX_ANSWER:
            raise Unavailable(Cause.BAD_ANSWER)
    return bytes(data)


def _give_up(status: int) -> NoReturn:
    if status in _DENIED:
        raise Unavailable(Cause.DENIED)
    # Also 404, which a proxy or a wrong path gives: nobody may be refused for it.
    raise Unavailable(Cause.OVERLOADED if status in _OVERLOADED else Cause.BAD_ANSWER)


# --- settings -------------------------------------------------------------------------


def make(settings: Settings, context: Context) -> Adapter:
    """The factory of the entry point `health-system`."""
    only(
        settings,
        *("url", "system", "token_file", "ca_file", "client_certificate", "client_key", "seconds"),
    )
    url, secure = _read_url(text_setting(settings, "url"), context)
    system = text_setting(settings, "system")
    if not system.isprintable() or len(system) > MAX_IDENTIFICATION:
        raise SetupError("the adapter's setting 'system' is a short name on one line")
    endpoint = Endpoint(
        url=url,
        system=system,
        tls=_tls(settings, context.folder) if secure else None,
        seconds=number_setting(settings, "seconds", default=4.0, least=0.05, most=60.0),
    )
    return HealthSystem(endpoint, read_token(context.folder / text_setting(settings, "token_file")))


def read_token(path: Path) -> str:
    """A bearer token from a file; `SetupError`, which never shows it."""
    try:
        with path.open(encoding="ascii", errors="replace") as file:
            token = file.read(1024).strip()
    except OSError as error:
        advice = f"the token file {str(path)!r} cannot be read: {error.strerror}"
        raise SetupError(advice) from error
    if _TOKEN.fullmatch(token) is None:
        advice = (
            f"the token file {str(path)!r} has no bearer token: 16 to 512 letters, digits "
            "and ._~+/=-"
        )
        raise SetupError(advice)
    return token


def _read_url(url: str, context: Context) -> tuple[str, bool]:
    """The address without a slash at the end, and whether it is HTTPS."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise SetupError("the adapter's setting 'url' is no address") from None
    plain = parts.query == parts.fragment == "" and parts.username is None
    if parts.scheme not in {"http", "https"} or not host or not plain:
        raise SetupError("the adapter's setting 'url' is https://host[:port][/path], no more")
    secure = parts.scheme == "https"
    if not secure and (context.production or not is_loopback(host)):
        raise SetupError(
            "people's records travel under TLS: the adapter's setting 'url' begins with https:// "
            "(http:// is for a loopback address in a test federation)"
        )
    return url.rstrip("/"), secure


def is_loopback(host: str) -> bool:
    """Whether a host is an address of this machine alone; names are not, but `localhost`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _tls(settings: Settings, folder: Path) -> ssl.SSLContext:
    files = {
        name: str(folder / text_setting(settings, name))
        for name in ("ca_file", "client_certificate", "client_key")
        if name in settings
    }
    if ("client_certificate" in files) != ("client_key" in files):
        raise SetupError("client_certificate and client_key go together")
    try:
        tls = ssl.create_default_context(cafile=files.get("ca_file"))
        tls.minimum_version = ssl.TLSVersion.TLSv1_2
        if "client_key" in files:
            tls.load_cert_chain(files["client_certificate"], files["client_key"])
    except (OSError, ssl.SSLError) as error:
        advice = (
            "the adapter's certificate files cannot be used: "
            f"{', '.join(sorted(files.values()))} ({type(error).__name__}: {error.strerror})"
        )
        raise SetupError(advice) from error
    return tls
