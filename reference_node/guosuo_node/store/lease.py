"""Who leads: one row, whose number says whose writes count.

Time decides only when somebody else may take over, so clocks may disagree and processes
may sleep: what protects the database is the number, compared in every transaction of
a leader while the row is locked.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, Row, select, update

from guosuo.errors import CallerError, Reason
from guosuo_node.store import tables
from guosuo_node.store.database import insert_missing
from guosuo_node.store.errors import Fenced
from guosuo_node.store.rows import Lease

LEADER: Final = "leader"
_TABLE: Final = tables.LEASE
_FREE: Final = ""


def acquire(connection: Connection, holder: str, now: int, seconds: int) -> Lease | None:
    """Lead from now on, under a new number; None while another holder's time lasts.

    A holder that asks again gets a new number, too: it may be the same machine after a
    crash, and the process before it must not write any more.
    """
    if not holder or seconds <= 0:
        raise CallerError(Reason.ARGUMENT, "a lease has a holder and a time")
    first = {"name": LEADER, "holder": _FREE, "number": 0, "until": 0, "written": None}
    insert_missing(connection, _TABLE, [first])
    row = _locked(connection)
    if row.holder not in {_FREE, holder} and row.until > now:
        return None
    lease = Lease(holder, row.number + 1, now + seconds)
    _set(connection, holder=lease.holder, number=lease.number, until=lease.until, written=None)
    return lease


def renew(connection: Connection, lease: Lease, now: int, seconds: int) -> Lease:
    """The same number for longer, also after its time if nobody took over; `Fenced`."""
    check(connection, lease)
    renewed = Lease(lease.holder, lease.number, now + seconds)
    _set(connection, until=renewed.until)
    return renewed


def release(connection: Connection, lease: Lease) -> None:
    """Let others lead at once; nothing is written under this lease any more. `Fenced`."""
    check(connection, lease)
    _set(connection, holder=_FREE, number=lease.number + 1, until=0, written=None)


def vacate(connection: Connection) -> None:
    """Nobody leads, as in a copy of a database that somebody led."""
    connection.execute(
        update(_TABLE).values(holder=_FREE, number=_TABLE.c.number + 1, until=0, written=None)
    )


def current(connection: Connection) -> Lease | None:
    """Who leads, or led last; None if nobody does."""
    row = connection.execute(select(_TABLE).where(_TABLE.c.name == LEADER)).first()
    return Lease(row.holder, row.number, row.until) if row and row.holder else None


def check(connection: Connection, lease: Lease) -> bytes | None:
    """Lock the row for this transaction; `Fenced` unless the number is still this lease's.

    The name of the last write under it.
    """
    row = _locked(connection)
    if row.number != lease.number or row.holder != lease.holder:
        raise Fenced
    written: bytes | None = row.written
    return written


def note_write(connection: Connection, name: bytes) -> None:
    """Remember the name of the write that this transaction makes."""
    _set(connection, written=name)


def _locked(connection: Connection) -> Row[Any]:
    # SQLite has no row locks and needs none: the transaction began with its only lock.
    statement = select(_TABLE).where(_TABLE.c.name == LEADER).with_for_update()
    row = connection.execute(statement).first()
    if row is None:
        raise Fenced
    return row


def _set(connection: Connection, **values: object) -> None:
    connection.execute(update(_TABLE).where(_TABLE.c.name == LEADER).values(**values))
