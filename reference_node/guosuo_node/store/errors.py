"""What can go wrong between a node and its database, and nothing of what was in it.

A database's own message may quote a row. So it is read for its code only, and the
errors here are raised after it was let go: neither text nor context shows a value.
"""

from __future__ import annotations

import sqlite3
from typing import Final

import psycopg
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from guosuo.errors import CallerError, GuosuoError, PeerError, Reason


class StoreUnavailable(CallerError):  # noqa: N818 - says what happened
    """The database does not answer, or not now: the same call may work later.

    Of a write that ended like this nobody knows whether it was carried out; the same
    `Writer` can be written again, and takes effect once.
    """

    def __init__(self, code: str = "") -> None:
        """`code`: the database's own name of the failure, for logs."""
        super().__init__(Reason.STORE_UNAVAILABLE, "the database does not answer")
        self.code = code


class StoreFull(CallerError):  # noqa: N818 - says what happened
    """No room on the database's disk; nothing was written. Works again once there is room."""

    def __init__(self, code: str = "") -> None:
        """`code`: the database's own name of the failure, for logs."""
        super().__init__(Reason.STORE_FULL, "the database's disk is full")
        self.code = code


class Fenced(CallerError):  # noqa: N818 - says what happened
    """Somebody else leads by now: nothing was written, and this process must stop leading."""

    def __init__(self) -> None:
        """Without details: who leads is in the lease."""
        super().__init__(Reason.FENCED, "the lease is another process's by now")


_SQLITE_FULL: Final = frozenset({sqlite3.SQLITE_FULL})
_SQLITE_AWAY: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
    }
)
_SQLITE_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

_FULL_STATES: Final = ("53100",)
_AWAY_STATES: Final = (
    "08",  # connection
    "25006",  # read-only: a standby that does not lead
    "25P03",  # idle in a transaction for too long: this process was paused
    "25P04",  # a transaction that took too long
    "3D000",  # no such database, as during a restoration
    "40",  # deadlock, serialisation
    "53",  # out of connections or memory
    "55P03",  # a lock that was not to be had in time
    "57",  # shut down, cancelled
    "58",  # the server's own disk
)
"""SQLSTATE by class or in full (PostgreSQL, appendix A)."""


def translated(error: SQLAlchemyError) -> GuosuoError:
    """The error of ours for one of the database's; its text and values are dropped.

    `PeerError(STORE_ALTERED)` for a file that is no database or a damaged one;
    `CallerError(STATE)` for what is a mistake in this program.
    """
    if isinstance(error, PoolTimeout):
        return StoreUnavailable("pool")
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return StoreUnavailable("connection")
    cause = error.orig if isinstance(error, DBAPIError) else None
    match cause:
        case sqlite3.Error():
            return _of_sqlite(cause)
        case psycopg.Error():
            return _of_postgresql(cause)
    return CallerError(Reason.STATE, "the database cannot carry this statement out")


def _of_sqlite(error: sqlite3.Error) -> GuosuoError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    name = getattr(error, "sqlite_errorname", "")
    if code in _SQLITE_FULL:
        return StoreFull(name)
    if code in _SQLITE_AWAY:
        return StoreUnavailable(name)
    if code in _SQLITE_DAMAGED:
        return PeerError(Reason.STORE_ALTERED, "the database's file is damaged")
    if isinstance(error, sqlite3.IntegrityError):
        return CallerError(Reason.STATE, "a row that contradicts one that is there")
    return CallerError(Reason.STATE, "the database cannot carry this statement out")


def _of_postgresql(error: psycopg.Error) -> GuosuoError:
    state = error.sqlstate
    if state is None:
        # Without a state no server answered: refused, cut, unknown host.
        away = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        if away:
            return StoreUnavailable("connection")
    elif state.startswith(_FULL_STATES):
        return StoreFull(state)
    elif state.startswith(_AWAY_STATES):
        return StoreUnavailable(state)
    if isinstance(error, psycopg.IntegrityError):
        return CallerError(Reason.STATE, "a row that contradicts one that is there")
    return CallerError(Reason.STATE, "the database cannot carry this statement out")
