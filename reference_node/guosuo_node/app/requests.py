"""What an operator asks of the process that leads, through files in the node's directory.

Only the leader writes what a node signs, so a command cannot do it by itself. It puts
`<id>.request` into `requests/`, JSON with what to do, and waits for `<id>.answer`. Whoever
can write there owns the node's keys already: nothing is gained by it.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from guosuo.certlogic.json_text import load_json
from guosuo.errors import CallerError, GuosuoError, PeerError, Reason
from guosuo.host.files import PRIVATE, write_atomically
from guosuo_node.app.faults import ServiceError
from guosuo_node.app.leader import Leader

REQUEST: Final = ".request"
ANSWER: Final = ".answer"
EVERY: Final = 0.5
"""Seconds between looks."""
_MAX_OCTETS: Final = 1024
_KEPT_SECONDS: Final = 86_400
_NAME: Final = re.compile(r"[0-9a-f]{16}", re.ASCII)

Work = Callable[[], Awaitable[Mapping[str, int]]]
"""Does what was asked; numbers to be told to whoever asked."""


@dataclass(slots=True)
class Requests:
    """Looks into the folder, as long as the leader leads."""

    leader: Leader
    folder: Path
    works: Mapping[str, Work]
    tell: Callable[..., None]

    async def run(self) -> None:
        """Until cancelled, or the lease is lost."""
        while not self.leader.lost:
            await self.look()
            await asyncio.sleep(EVERY)

    async def look(self) -> None:
        """Do what is asked, one after the other.

        A request is taken away before anything is done, so that none is done twice: not
        after an interruption either, which whoever asked sees as no answer.
        """
        for path in sorted(self.folder.glob(f"*{REQUEST}")):
            if _NAME.fullmatch(path.stem):
                answer = await self._done(path)
                await asyncio.to_thread(_answer, path, answer)

    async def _done(self, path: Path) -> dict[str, object]:
        try:
            word = await asyncio.to_thread(take, path)
            work = self.works.get(word)
            if work is None:
                raise CallerError(Reason.ARGUMENT, "this node does not know such a request")
            self.tell("request", kind=word)
            return {"ok": True, **await work()}
        except GuosuoError as error:
            # What ends the leadership says in the log why.
            if self.leader.lost:
                raise
            return {"ok": False, "reason": error.reason.value, "message": error.hint}
        except ServiceError as error:
            if self.leader.lost:
                raise
            return {"ok": False, "reason": error.fault.value, "message": ""}


def ask(folder: Path, name: str, word: str) -> Path:
    """Put a request; where its answer will be. `name`: 16 hexadecimal digits, drawn."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    data = json.dumps({"do": word}).encode()
    request = folder / f"{name}{REQUEST}"
    write_atomically(request, data, mode=PRIVATE)
    # Answers that nobody waited for do not pile up.
    with suppress(FileNotFoundError):
        old = request.stat().st_mtime - _KEPT_SECONDS
        for answer in folder.glob(f"*{ANSWER}"):
            if answer.stat().st_mtime < old:
                answer.unlink()
    return folder / f"{name}{ANSWER}"


def answered(path: Path) -> dict[str, Any] | None:
    """The answer, once it is there; `CallerError(STATE)` for something else in its place."""
    if not path.is_file():
        return None
    try:
        found = load_json(path.read_bytes())
    except PeerError:
        found = None
    if not isinstance(found, dict):
        raise CallerError(Reason.STATE, "no answer of a node's")
    return found


def withdraw(answer: Path) -> None:
    """Take a request back that nobody answered, and an answer that came meanwhile."""
    answer.with_suffix(REQUEST).unlink(missing_ok=True)
    answer.unlink(missing_ok=True)


def take(path: Path) -> str:
    """What a file asks for, and it is gone; `CallerError(ARGUMENT)`."""
    try:
        return _read(path)
    finally:
        path.unlink(missing_ok=True)


def _read(path: Path) -> str:
    try:
        if path.stat().st_size <= _MAX_OCTETS:
            found = load_json(path.read_bytes())
            if isinstance(found, dict) and isinstance(found.get("do"), str):
                return str(found["do"])
    except (OSError, PeerError):
        pass
    raise CallerError(Reason.ARGUMENT, "a request is JSON that says what to do")


def _answer(path: Path, answer: dict[str, object]) -> None:
    write_atomically(path.with_suffix(ANSWER), json.dumps(answer).encode(), mode=PRIVATE)
