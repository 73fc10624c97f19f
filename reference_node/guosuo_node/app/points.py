"""Persistence points: named moments at which tests let a node die as by `kill -9`, or stop.

A crash loses what was not yet done in an order that only the code knows. So each place where
that order matters has a name here and says `reached(Point.…)`; nothing happens unless the
process was started with GUOSUO_CRASH_AT=<point>[:n] in a federation of environment `test`:
then it kills itself the n-th time that it gets there (the first, unless told otherwise).
With GUOSUO_STOP_AT it stops there (SIGSTOP) until it is continued.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from guosuo.errors import CallerError, Reason
from guosuo.federation.charter import Environment, Federation

CRASH_AT: Final = "GUOSUO_CRASH_AT"
STOP_AT: Final = "GUOSUO_STOP_AT"


class Point(StrEnum):
    """Every named persistence point."""

    # a change of the roles' states (`leader`)
    AFTER_BLOBS_BEFORE_SIGN = "after-blobs-before-sign"
    """Blobs are on the disk, the entry that names them is not signed: between buckets and entry."""
    AFTER_SIGN_BEFORE_PERSIST = "after-sign-before-persist"
    """Entries are signed and in memory only."""
    AFTER_PERSIST_BEFORE_MEMORY = "after-persist-before-memory"
    """The store has the change, nothing else knows of it."""
    # the turn of an epoch (`turns`)
    AFTER_KEY_DRAWN = "after-key-drawn"
    """The key of an epoch is stored; nothing was signed with it."""
    AFTER_BUCKETS_BEFORE_ENTRY = "after-buckets-before-entry"
    """Signatures exist in memory; no board, no entry."""
    AFTER_ENTRY_BEFORE_CHECKPOINT = "after-entry-before-checkpoint"
    """The epoch entry is in the log, which no checkpoint covers yet."""
    # the way to the readers (`publishing`)
    AFTER_CHECKPOINT_SIGNED_BEFORE_PERSIST = "after-checkpoint-signed-before-persist"
    AFTER_CHECKPOINT_PERSIST_BEFORE_COSIGN = "after-checkpoint-persist-before-cosign"
    AFTER_COSIGN_BEFORE_PERSIST = "after-cosign-before-persist"
    """Enough witnesses cosigned; the store does not know it."""
    AFTER_COSIGN_PERSIST_BEFORE_FILES = "after-cosign-persist-before-files"
    BETWEEN_TILES_AND_CHECKPOINT = "between-tiles-and-checkpoint"
    """Tiles are written, the checkpoint's file is the old one."""
    AFTER_FILES_BEFORE_MEMORY = "after-files-before-memory"
    """The files are out, nobody who watches was told."""
    # witnessing
    AFTER_WITNESS_PERSIST_BEFORE_REPLY = "after-witness-persist-before-reply"
    # people
    AFTER_OFFER_PERSIST_BEFORE_ANSWER = "after-offer-persist-before-answer"
    AFTER_GRANT_PERSIST_BEFORE_ANSWER = "after-grant-persist-before-answer"
    AFTER_ORDER_PERSIST_BEFORE_ANSWER = "after-order-persist-before-answer"
    # following others
    AFTER_PEER_ENTRIES_BEFORE_NOTE = "after-peer-entries-before-note"
    AFTER_PEER_NOTE_BEFORE_MEMORY = "after-peer-note-before-memory"
    # getting own entries back
    AFTER_RECOVERED_BEFORE_SIGNING = "after-recovered-before-signing"


@dataclass(slots=True)
class _Armed:
    """Where this process is to get a signal, after how many more times, and which."""

    point: Point
    left: int
    signal: signal.Signals


_armed: _Armed | None = None


def arm(environ: Mapping[str, str], federation: Federation) -> None:
    """Once, at the start of a process. `CallerError(ARGUMENT)` for what cannot be meant."""
    global _armed  # noqa: PLW0603 - a process dies once; nothing else depends on it
    _armed = None
    for variable, number in ((CRASH_AT, signal.SIGKILL), (STOP_AT, signal.SIGSTOP)):
        text = environ.get(variable)
        if text is None:
            continue
        if federation.charter.environment is not Environment.TEST:
            raise CallerError(Reason.ARGUMENT, f"{variable} is for test federations only")
        name, _, times = text.partition(":")
        try:
            _armed = _Armed(Point(name), int(times or 1), number)
        except ValueError:
            raise CallerError(Reason.ARGUMENT, f"{variable} is <point>[:n]") from None


def reached(point: Point) -> None:
    """Die or stop here, if this is the place and the time."""
    global _armed
    if _armed is None or _armed.point is not point:
        return
    _armed.left -= 1
    if _armed.left <= 0:
        number, _armed = _armed.signal, None
        os.kill(os.getpid(), number)
