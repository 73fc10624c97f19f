"""Real processes under test: started with a port, watched, killed, stopped, continued, ended.

    with Process([sys.executable, "-m", "service"], logs=tmp_path, name="A") as service:
        service.wait_for_line("ready on (.*)")
        service.kill()

A process that is still there at the end of the body is killed with its children. When the
body fails, the ends of the logs become a note of the exception, which pytest prints.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, NoReturn, Self

TAIL_LINES: Final = 40
TAIL_OCTETS: Final = 16 << 10
PAUSE: Final = 0.02
PATIENCE: Final = 30.0
"""Seconds; a busy machine may need most of them, a good run none."""

Probe = Callable[[], bool]


class ProcessFailed(AssertionError):  # noqa: N818 - reads better in a test's report
    """The process did not do what the test asked of it; the text has the ends of its logs."""


class Ports:
    """Free loopback ports that nobody else gets until they are handed over.

    Each is held by a bound socket (not listening). `release` lets go of one right before
    its process starts; another program could take it in between, which needs bad luck and
    a port from the same range within a millisecond.
    """

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.host = host
        self._held: dict[int, socket.socket] = {}

    def reserve(self) -> int:
        """A free port, held."""
        held = socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET)
        try:
            held.bind((self.host, 0))
        except OSError:
            held.close()
            raise
        port: int = held.getsockname()[1]
        self._held[port] = held
        return port

    def release(self, port: int) -> int:
        """Let go of a port, for its process to take; the port."""
        self._held.pop(port).close()
        return port

    def close(self) -> None:
        """Let go of all."""
        for port in list(self._held):
            self.release(port)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Process:
    """One process in a session of its own, with its output in files."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        logs: Path,
        name: str = "process",
        env: Mapping[str, str | None] | None = None,
        cwd: Path | None = None,
    ) -> None:
        """`env` is added to this process' environment; None takes a variable away.

        Output goes on at the end of `<logs>/<name>.out` and `.err` over restarts.
        """
        self.command = [str(part) for part in command]
        self.name = name
        self.out = logs / f"{name}.out"
        self.err = logs / f"{name}.err"
        self.cwd = cwd
        self.env = {**os.environ, "PYTHONUNBUFFERED": "1"}
        for variable, value in (env or {}).items():
            if value is None:
                self.env.pop(variable, None)
            else:
                self.env[variable] = value
        self._running: subprocess.Popen[bytes] | None = None
        self._start_of_output = 0

    # --- life -----------------------------------------------------------------------------

    def start(self) -> Self:
        """Start it (again); it must not be running."""
        assert not self.is_running, f"{self.name} runs already"
        self.out.parent.mkdir(parents=True, exist_ok=True)
        with self.out.open("ab") as out, self.err.open("ab") as err:
            self._start_of_output = self.out.stat().st_size
            self._running = subprocess.Popen(  # noqa: S603 - our own programs
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=self.cwd,
                env=self.env,
                start_new_session=True,
            )
        return self

    @property
    def pid(self) -> int:
        """Its number; of one that has ended, too."""
        return self._popen.pid

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended; stopped ones run, too."""
        return self._running is not None and self._running.poll() is None

    @property
    def exit_code(self) -> int | None:
        """As of `subprocess`: negative for a signal; None while it runs."""
        return self._popen.poll()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it alone; nothing if it has ended."""
        self._popen.send_signal(number)

    def kill(self) -> None:
        """`kill -9`, with its children, and wait until it is gone."""
        self._kill_session()
        self._popen.wait(PATIENCE)

    def stop(self) -> None:
        """SIGSTOP; returns when the system says that it has stopped."""
        self.signal(signal.SIGSTOP)
        self.wait_until(lambda: self._state() in {"T", ""}, what="has stopped")

    def resume(self) -> None:
        """SIGCONT."""
        self.signal(signal.SIGCONT)

    def terminate(self, *, code: int = 0, seconds: float = PATIENCE) -> None:
        """SIGTERM, and it ends in time with this exit code, with no traceback in its output."""
        self.signal(signal.SIGTERM)
        self.wait_for_exit(code=code, seconds=seconds)
        if b"Traceback (most recent call last)" in self.err.read_bytes():
            self._fail("left a traceback")

    def wait_for_exit(self, *, code: int | None = None, seconds: float = PATIENCE) -> int:
        """Wait until it ends by itself; its exit code, which is `code` if that is given."""
        try:
            found = self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self._fail(f"did not end within {seconds:g} s")
        if code is not None and found != code:
            self._fail(f"ended with {_meaning(found)} instead of {_meaning(code)}")
        return found

    # --- readiness ------------------------------------------------------------------------

    def wait_for_line(self, pattern: str, *, seconds: float = PATIENCE) -> re.Match[str]:
        """Wait for a whole line of standard output, since the last start, that has a match."""
        expression = re.compile(pattern)

        def find() -> re.Match[str] | None:
            # The last piece may be half a line.
            lines = self._output().splitlines(keepends=True)
            found = (expression.search(line) for line in lines if line.endswith("\n"))
            return next(filter(None, found), None)

        self.wait_until(lambda: find() is not None, seconds=seconds, what=f"says {pattern!r}")
        match = find()
        assert match is not None
        return match

    def wait_for_port(
        self, port: int, *, host: str = "127.0.0.1", seconds: float = PATIENCE
    ) -> None:
        """Wait until something listens there."""
        self.wait_until(
            lambda: listens(port, host=host), seconds=seconds, what=f"listens on port {port}"
        )

    def wait_for_http(self, url: str, *, seconds: float = PATIENCE) -> None:
        """Wait until a URL answers with status 200."""
        self.wait_until(lambda: answers(url), seconds=seconds, what=f"answers at {url}")

    def wait_until(
        self, probe: Probe, *, seconds: float = PATIENCE, what: str = "is ready"
    ) -> None:
        """Wait until `probe` is true; fails at once when the process ends before."""
        end = time.monotonic() + seconds
        while not probe():
            if not self.is_running:
                # It may have said it as its last word.
                if probe():
                    return
                self._fail(f"ended with {_meaning(self._popen.returncode)} before it {what}")
            if time.monotonic() > end:
                self._fail(f"has been running for {seconds:g} s, but not so that it {what}")
            time.sleep(PAUSE)

    # --- logs -----------------------------------------------------------------------------

    def tail(self, lines: int = TAIL_LINES) -> str:
        """The ends of both logs."""
        parts = []
        for path in (self.out, self.err):
            parts.append(f"--- {self.name}: {path.name}, the last {lines} lines")
            parts.append(_tail(path, lines))
        return "\n".join(parts)

    def __enter__(self) -> Self:
        return self if self.is_running else self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None and not isinstance(error, ProcessFailed):
            error.add_note(self.tail())
        if self._running is not None:
            self.kill()

    def __repr__(self) -> str:
        state = "not started"
        if self._running is not None:
            code = self._running.poll()
            state = f"pid {self.pid}" if code is None else f"ended with {_meaning(code)}"
        return f"<Process {self.name}: {state}>"

    @property
    def _popen(self) -> subprocess.Popen[bytes]:
        assert self._running is not None, f"{self.name} was never started"
        return self._running

    def _output(self) -> str:
        with self.out.open("rb") as file:
            file.seek(self._start_of_output)
            return file.read().decode(errors="replace")

    def _state(self) -> str:
        """The letter of its state (proc(5)): T when stopped; "" where there is no /proc."""
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8")
        except OSError:
            return ""
        return stat.rpartition(")")[2].split()[0]

    def _kill_session(self) -> None:
        # Its number is its group's, too, and no other process gets it while a child lives on.
        # When all have ended, the group is empty.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def _fail(self, what: str) -> NoReturn:
        raise ProcessFailed(f"{self.name} {what}\n{self.tail()}")  # noqa: EM102 - for a test's report


@contextlib.contextmanager
def processes(*started: Process) -> Iterator[tuple[Process, ...]]:
    """Several at once; each is killed at the end, and each tells how it ended if one fails."""
    with contextlib.ExitStack() as stack:
        yield tuple(stack.enter_context(process) for process in started)


def listens(port: int, *, host: str = "127.0.0.1") -> bool:
    """Whether a TCP connection to this port is taken."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def answers(url: str) -> bool:
    """Whether a GET of this address is answered with status 200."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError):
        return False


def _meaning(code: int | None) -> str:
    if code is not None and code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"


def _tail(path: Path, lines: int) -> str:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL_OCTETS))
            text = file.read().decode(errors="replace")
    except OSError:
        return "(no such file)"
    return "\n".join(text.splitlines()[-lines:]) or "(empty)"
