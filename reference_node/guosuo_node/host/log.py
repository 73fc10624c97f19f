"""Structured logs, one JSON object a line, with fields of one closed list.

A field that is not in the list, or a value of another kind, raises: what a log may hold
is decided here and not at the place that logs. Nothing in the list is about a person:
no slot, no address of a client, no text of an exception, no octets.
"""

from __future__ import annotations

import datetime as dt
import logging
import re
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any, Final, TextIO

import structlog

FIELDS: Final[Mapping[str, tuple[type, ...]]] = {
    "attempt": (int,),
    "blob": (str,),  # name of a public blob, hexadecimal
    "bucket": (int,),
    "code": (str,),
    "count": (int,),
    "epoch": (int,),
    "error": (str,),  # class of an exception
    "fault": (str,),
    "file": (str,),  # a name of the node's own
    "frames": (str,),  # where it was raised: modules, lines, functions
    "index": (int,),
    "judgement": (str,),
    "kind": (str,),
    "lag": (int, float),
    "leader": (bool,),
    "lease": (int,),
    "listen": (str,),  # an own address
    "logger": (str,),
    "method": (str,),
    "octets": (int,),
    "peer": (str,),  # region code or witness name
    "port": (int,),
    "process": (int,),
    "queue": (str,),
    "reason": (str,),
    "region": (str,),
    "revision": (int,),
    "rule": (str,),
    "seconds": (int, float),
    "size": (int,),
    "state": (str,),
    "tile": (str,),
    "version": (str, int),
    "witness": (str,),
}
"""Every field that a line may have beside time, level and event, and the types it takes."""

MAX_TEXT: Final = 1000
_EVENT: Final = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*", re.ASCII)
_TEXT: Final = re.compile(r"[ -~]*", re.ASCII)


class LogFieldError(ValueError):
    """A field or an event that no log line may have. The message names the field only."""


class Log:
    """Writes lines; `with_fields` binds some for all lines to come."""

    def __init__(self, logger: Any) -> None:  # noqa: ANN401 - structlog's loggers have no one type
        """Made by `open_log`."""
        self._logger = logger

    def with_fields(self, **fields: str | float | bool) -> Log:
        """The same log, these fields on every line."""
        _check(fields)
        return Log(self._logger.bind(**fields))

    def debug(self, event: str, **fields: str | float | bool) -> None:
        """For development."""
        self._write("debug", event, fields)

    def info(self, event: str, **fields: str | float | bool) -> None:
        """What an operator may want to know."""
        self._write("info", event, fields)

    def warning(self, event: str, **fields: str | float | bool) -> None:
        """What an operator should look at."""
        self._write("warning", event, fields)

    def error(self, event: str, **fields: str | float | bool) -> None:
        """What an operator must look at."""
        self._write("error", event, fields)

    def failed(self, event: str, error: BaseException, **fields: str | float | bool) -> None:
        """An unexpected exception: its class and where it was raised, never its text."""
        about = {"error": type(error).__name__, "frames": frames_of(error)}
        self._write("error", event, {**about, **fields})

    def _write(self, level: str, event: str, fields: Mapping[str, str | float | bool]) -> None:
        """Checks lines of every level, also of those that are not written."""
        if _EVENT.fullmatch(event) is None:
            raise LogFieldError("an event is a fixed word or words with hyphens")
        _check(fields)
        getattr(self._logger, level)(event, **fields)


def open_log(stream: TextIO, clock: Callable[[], dt.datetime], level: str = "info") -> Log:
    """A log into a stream, in lines of JSON. `clock` gives the time (aware).

    Nothing is configured globally.
    """

    def stamped(_: object, method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
        now = clock().astimezone(dt.UTC)
        first = {"time": now.isoformat(timespec="milliseconds"), "level": method}
        return {**first, "event": event.pop("event"), **event}

    lowest = logging.getLevelNamesMapping()[level.upper()]
    return Log(
        structlog.wrap_logger(
            structlog.PrintLogger(stream),
            processors=[stamped, structlog.processors.JSONRenderer()],
            wrapper_class=structlog.make_filtering_bound_logger(lowest),
            cache_logger_on_first_use=True,
        )
    )


def frames_of(error: BaseException) -> str:
    """Module, line and function of the innermost frames, outermost first."""
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    shown = " > ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in frames)
    return re.sub(r"[^ -~]", "?", shown)[:MAX_TEXT]


class LibraryHandler(logging.Handler):
    """Takes what libraries log with the standard module, without its text.

    An access log or a traceback of theirs may hold addresses and contents of calls: the
    line says which logger spoke, how loudly, and from where in its code.
    """

    def __init__(self, log: Log) -> None:
        """`log` gets the lines."""
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """One line for one record."""
        where = f"{Path(record.pathname).name}:{record.lineno}"
        name = re.sub(r"[^ -~]", "?", record.name)[:100]
        error = record.exc_info[1] if record.exc_info else None
        kind = type(error).__name__ if error is not None else "none"
        level = self._log.error if record.levelno >= logging.ERROR else self._log.warning
        level("library-message", logger=name, frames=where, error=kind)


def redirect_libraries(log: Log) -> None:
    """From now on the process's standard logging goes into `log` only."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
    root.addHandler(LibraryHandler(log))
    root.setLevel(logging.WARNING)


def _check(fields: Mapping[str, object]) -> None:
    for key, value in fields.items():
        kinds = FIELDS.get(key)
        if kinds is None:
            raise LogFieldError(key)
        # A bool is an int to Python, but not to a reader of logs.
        if type(value) not in kinds:
            raise LogFieldError(key)
        if isinstance(value, str) and (len(value) > MAX_TEXT or _TEXT.fullmatch(value) is None):
            raise LogFieldError(key)
