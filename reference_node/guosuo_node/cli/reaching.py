"""How commands reach a node: the one of a directory on this machine, or any by its address."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from guosuo.cli.common import read_file
from guosuo.cli.online import failing
from guosuo.client.channel import NodeChannel, Patience, Tls
from guosuo.client.directory import DirectoryClient, NodeInfo, RegionStatus
from guosuo.errors import CallerError, Reason
from guosuo.federation.charter import Federation
from guosuo.federation.charters import open_charters
from guosuo.suite import Suite
from guosuo_node.app import requests
from guosuo_node.host.settings import Home, Settings, address

T = TypeVar("T")
DEADLINE: Final = 5.0
"""Seconds that a node has for an answer to somebody who watches."""
_ANYWHERE: Final = {"0.0.0.0", "::", ""}  # noqa: S104 - compared with, not bound to
_PAUSE: Final = 0.1
_WHY: Final = {
    "standby": "another process of this node leads",
    "recovering": "it asks its witnesses what they know of its log",
    "witnesses-silent": "too few witnesses answer to tell how long its log is",
    "entries-missing": "its log is shorter than what it published, and no node has the rest",
    "forked": "its log is not the one that it published: it needs a successor log",
    "witnesses-few": "too few witnesses cosign, so nothing new is published",
    "store-unavailable": "the database does not answer",
    "store-full": "the database takes no more writes",
}


@dataclass(frozen=True, slots=True)
class Target:
    """Where to ask, and whose certificates to trust there."""

    place: str
    ca: bytes = field(repr=False)

    @classmethod
    def own(cls, home: Home) -> Target:
        """The public port of the node in a directory; `CallerError` without settings."""
        host, port = address(Settings.load(home).public_listen)
        if host in _ANYWHERE:
            host = "127.0.0.1"
        shown = f"[{host}]" if ":" in host else host
        return cls(f"{shown}:{port}", read_file(home.tls / "authority.pem"))

    def ask(self, work: Callable[[NodeChannel], Awaitable[T]], *, tries: int = 1) -> T:
        """What the work returns; errors of nodes as `CallerError` that say what to do."""

        async def main() -> T:
            patience = Patience(tries=tries)
            tls = Tls(self.ca)
            async with NodeChannel(
                self.place, tls, deadline=DEADLINE, patience=patience
            ) as channel:
                return await work(channel)

        with failing():
            return asyncio.run(main())


async def survey(channel: NodeChannel) -> tuple[NodeInfo, tuple[RegionStatus, ...]]:
    """What a node says of itself and of the regions."""
    client = DirectoryClient(channel)
    return await client.node(), await client.regions()


def why(word: str) -> str:
    """The sentence for why a node waits; the word itself if there is none."""
    return _WHY.get(word, word)


def federation_of(path: Path) -> Federation:
    """The federation of a charter's file or of a node's directory; refusals say what to do."""
    charter = Home(path).charter if path.is_dir() else path
    if not charter.is_file():
        hint = "no charter there: name a charter, or a node that joined a federation"
        raise CallerError(Reason.STORE_MISSING, hint)
    return open_charters(read_file(charter), Suite.sha256())


def existing(path: Path) -> Home:
    """A node's directory; `CallerError(STORE_MISSING)`."""
    home = Home(path)
    if not home.settings.is_file():
        hint = "no node in that directory: make one with guosuo node init"
        raise CallerError(Reason.STORE_MISSING, hint)
    return home


def request(home: Home, word: str, seconds: float) -> dict[str, Any]:
    """Have the running node do something; its answer.

    `CallerError` if it does not run or lead, refuses, or does not answer in time; then
    the request is taken back.
    """
    settings = Settings.load(home)
    info, _ = Target.own(home).ask(survey)
    if not info.region:
        hint = "a stand-alone witness has no epochs and no keys of theirs"
        raise CallerError(Reason.ARGUMENT, hint)
    if not info.leader:
        reason = why(info.waiting or "standby")
        hint = f"the process at {settings.public_listen} does not lead: {reason}"
        raise CallerError(Reason.STATE, hint)
    answer = requests.ask(home.requests, secrets.token_hex(8), word)
    try:
        found = _wait(answer, seconds)
    finally:
        requests.withdraw(answer)
    if found.get("ok") is not True:
        text = str(found.get("message") or found.get("reason"))[:200]
        raise CallerError(Reason.STATE, f"the node refused: {text}")
    return found


def _wait(answer: Path, seconds: float) -> dict[str, Any]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = requests.answered(answer)
        if found is not None:
            return found
        time.sleep(_PAUSE)
    hint = "the node did not answer in time: look at guosuo node status and at its log"
    raise CallerError(Reason.STATE, hint)
