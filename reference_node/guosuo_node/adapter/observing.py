"""Asking an adapter under observation: what it answers, how long it takes, what it lets slip."""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import os
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from guosuo.evidence.person import Identified
from guosuo_node.adapter.desk import Limits, is_bounded
from guosuo_node.adapter.interface import Adapter, Evidence, Refused, Unavailable

T = TypeVar("T")

_BEAT: Final = 0.01
_GRACE: Final = 1.0
_LONGEST_TEXT: Final = 1 << 20


@dataclass(frozen=True, slots=True, repr=False)
class Seen:
    """One question and what came of it."""

    answer: object = None
    error: BaseException | None = None
    late: bool = False
    """Given up after the time that the contract allows."""
    spoken: str = ""
    """Everything that was logged or printed meanwhile, and what the outcome says of itself."""

    @property
    def refused(self) -> Refused | None:
        """The refusal, if it is one."""
        return self.error if isinstance(self.error, Refused) else None

    @property
    def is_closed_list(self) -> bool:
        """Whether it is an answer, or one of the two errors that an adapter has."""
        return self.error is None or isinstance(self.error, Refused | Unavailable)

    @property
    def is_within_bounds(self) -> bool:
        """Whether an answer is of its type and size; true of errors."""
        match self.answer:
            case Identified(record=record, person=person):
                good = type(record) is bytes and 0 < len(record) <= Limits().record
                return good and is_bounded(person)
            case Evidence(holder=holder):
                return is_bounded(holder)
        return self.error is not None or self.late


@dataclass(slots=True)
class Watch:
    """Asks one adapter; remembers everything."""

    adapter: Adapter
    now: int
    seconds: float
    listen: bool = True
    """Not for questions at one time: nobody could tell their words apart."""
    seen: list[Seen] = field(default_factory=list)
    longest_block: float = 0.0
    """Seconds for which the event loop stood still."""

    async def identify(self, identification: str) -> Seen:
        """Ask who that is."""
        return await self._ask(lambda: self.adapter.identify(identification, now=self.now))

    async def evidence(self, identified: Identified, reference: bytes) -> Seen:
        """Ask what that proves."""
        return await self._ask(lambda: self.adapter.evidence(identified, reference, now=self.now))

    async def _ask(self, question: Callable[[], Awaitable[object]]) -> Seen:
        with listening() if self.listen else contextlib.nullcontext(io.StringIO()) as heard:
            task = asyncio.create_task(_answer(question))
            beat = asyncio.create_task(self._beat(time.monotonic()))
            await asyncio.wait({task}, timeout=self.seconds)
            beat.cancel()
            await asyncio.wait({beat})
            if not task.done():
                task.cancel()
                await asyncio.wait({task}, timeout=_GRACE)
                seen = Seen(late=True)
            elif task.cancelled():
                seen = Seen(error=asyncio.CancelledError())
            else:
                error = task.exception()
                answer = task.result() if error is None else None
                seen = Seen(answer=answer, error=error, spoken=_says(answer, error))
        seen = Seen(seen.answer, seen.error, seen.late, seen.spoken + heard.getvalue())
        self.seen.append(seen)
        return seen

    async def _beat(self, last: float) -> None:
        """Measure how late the event loop comes back, the last time included."""
        try:
            while True:
                await asyncio.sleep(_BEAT)
                now = time.monotonic()
                self.longest_block = max(self.longest_block, now - last - _BEAT)
                last = now
        finally:
            self.longest_block = max(self.longest_block, time.monotonic() - last - _BEAT)


async def _answer(question: Callable[[], Awaitable[object]]) -> object:
    try:
        return await question()
    except SystemExit as error:
        # Would end the run; it is no more than another error here.
        return_error = RuntimeError("SystemExit")
        raise return_error from error


def _says(answer: object, error: BaseException | None) -> str:
    """What a log line or a traceback would show of an outcome."""
    parts = [repr(answer)[:_LONGEST_TEXT]]
    following: BaseException | None = error
    known: set[int] = set()
    while following is not None and id(following) not in known:
        known.add(id(following))
        parts += [str(following), repr(following), *getattr(following, "__notes__", [])]
        hidden = following.__suppress_context__
        following = following.__cause__ or (None if hidden else following.__context__)
    return "\n".join(parts)


@contextlib.contextmanager
def time_zone(name: str) -> Iterator[bool]:
    """Let the process have a time zone while the body runs; False where it cannot (Windows)."""
    if not hasattr(time, "tzset"):
        yield False
        return
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    time.tzset()
    try:
        yield True
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()


@contextlib.contextmanager
def listening() -> Iterator[io.StringIO]:
    """Collect what is logged, at any level, and printed while the body runs."""
    heard = io.StringIO()
    handler = logging.StreamHandler(heard)
    root = logging.getLogger()
    level, handlers = root.level, root.handlers
    # Alone: what should not have been said goes nowhere else.
    root.handlers = [handler]
    root.setLevel(logging.DEBUG)
    try:
        with contextlib.redirect_stdout(heard), contextlib.redirect_stderr(heard):
            yield heard
    finally:
        root.setLevel(level)
        root.handlers = handlers


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run in an event loop of its own, and end even if tasks are left that will not."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=_GRACE))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
