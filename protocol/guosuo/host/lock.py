"""One command at a time: an advisory lock beside a file that is read, changed and saved.

Two commands that both read a state, change it and save it would lose one of the changes:
a slot allotted twice, a tag forgotten. The lock is the system's own on an open file, so
it ends with the process that holds it, however that ends; the empty file stays.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from guosuo.errors import CallerError, Reason
from guosuo.host.files import PRIVATE

PATIENCE_SECONDS = 5
"""How long a command waits for another one; none takes long once it has its inputs."""

_PAUSE_SECONDS = 0.05

if sys.platform == "win32":
    import msvcrt

    def _take(file: IO[bytes]) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _take(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock of the file at `path`, which need not exist, while the body runs.

    `CallerError(STATE)` if another program still holds it after `PATIENCE_SECONDS`.
    `OSError` as from any writing: whoever cannot write beside the file cannot save it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f".{path.name}.lock")
    lock.touch(mode=PRIVATE)
    with lock.open("rb+") as file:
        _wait(file)
        # Closing the file lets the lock go.
        yield


def _wait(file: IO[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            _take(file)
        except OSError:
            if time.monotonic() >= deadline:
                break
        else:
            return
        time.sleep(_PAUSE_SECONDS)
    raise CallerError(Reason.STATE, "another command is using this file; try again when it is done")
