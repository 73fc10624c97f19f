"""One connection pool, and the one way in which statements run on it.

SQLite: write-ahead log, every commit synced (`synchronous=FULL`), transactions begun by
us: reads see one moment, writes take the lock at their beginning. PostgreSQL: read
committed, rows that decide are locked; every wait is bounded.
"""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

from sqlalchemy import Connection, Engine, Table, create_engine, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from guosuo.errors import CallerError, Reason
from guosuo.host.files import PRIVATE
from guosuo_node.store.errors import translated

T = TypeVar("T")
Row = Mapping[str, Any]

CONNECT_SECONDS: Final = 5
LOCK_SECONDS: Final = 5
"""How long a statement waits for a row, or for SQLite's one lock, before it gives up."""
STATEMENT_SECONDS: Final = 60
IDLE_SECONDS: Final = 5
"""After this a paused process loses its transaction, so that others can go on."""
LONG_SECONDS: Final = 3600
"""The same for dumping, restoring and upgrading."""
POOL_SIZE: Final = 8

_WRITE: Final = "guosuo_write"
_PRAGMAS: Final = (
    f"PRAGMA busy_timeout = {LOCK_SECONDS * 1000}",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    # Destroyed secrets are overwritten in the file.
    "PRAGMA secure_delete = ON",
    "PRAGMA trusted_schema = OFF",
)


class Database:
    """A database that may go away and come back; safe for use by several threads."""

    def __init__(self, url: str) -> None:
        """Connect to nothing yet; `CallerError(ARGUMENT)` for another kind of URL."""
        self._url = parse(url)
        self._engine = _engine(self._url)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._url.get_backend_name()})"

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._engine.dialect.name

    @property
    def file(self) -> Path | None:
        """The file of an SQLite database."""
        database = self._url.database
        return Path(database) if self.dialect == "sqlite" and database else None

    def close(self) -> None:
        """Let all connections go."""
        self._engine.dispose()

    def make_file(self) -> None:
        """An empty SQLite file for the owner's eyes only; nothing if it is there, or not SQLite."""
        path = self.file
        if path is None:
            return
        made = True
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=PRIVATE)
        except OSError:
            made = False
        if not made:
            raise CallerError(Reason.STORE_MISSING, "the database's file cannot be made there")

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one transaction that sees one moment and changes nothing."""
        return self._run(work, {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True})

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one transaction: all of it, or nothing if anything is raised."""
        return self._run(work, {_WRITE: True})

    def _run(self, work: Callable[[Connection], T], options: dict[str, Any]) -> T:
        if self.dialect == "sqlite":
            options = {key: value for key, value in options.items() if key == _WRITE}
        try:
            with self._engine.connect() as opened:
                connection = opened.execution_options(**options)
                try:
                    with connection.begin():
                        return work(connection)
                except SQLAlchemyError:
                    # Whatever state it is in: the next call gets a new one.
                    connection.invalidate()
                    raise
        except SQLAlchemyError as error:
            failure = translated(error)
        # Raised out here: the handled exception quotes rows and would stay as context.
        raise failure


def take_time(connection: Connection) -> None:
    """This transaction may pause, or have long statements: it copies everything."""
    if connection.dialect.name == "postgresql":
        for limit in ("idle_in_transaction_session_timeout", "statement_timeout"):
            connection.execute(text(f"SET LOCAL {limit} = '{LONG_SECONDS}s'"))


def parse(url: str) -> URL:
    """`sqlite:///path` or `postgresql+psycopg://…`; `CallerError(ARGUMENT)` for others."""
    parsed: URL | None
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    # Raised out here: the text may hold a password, and the handled exception quotes it.
    if parsed is not None:
        if parsed.drivername in {"sqlite", "sqlite+pysqlite"}:
            if parsed.database and parsed.database != ":memory:" and not parsed.query:
                return parsed
        elif parsed.drivername == "postgresql+psycopg" and parsed.database:
            return parsed
    raise CallerError(
        Reason.ARGUMENT, "a database is sqlite:///PATH or postgresql+psycopg://HOST/NAME"
    )


def upsert(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows, or replace those that are there by primary key."""
    if rows:
        connection.execute(_upserting(connection.dialect.name, table), list(rows))


def insert_missing(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows, but leave those that are there by primary key."""
    if rows:
        statement = _insert(connection.dialect.name, table).on_conflict_do_nothing()
        connection.execute(statement, list(rows))


def insert_first(connection: Connection, table: Table, row: Row) -> bool:
    """Insert a row unless there is one by primary key; whether it was this one."""
    # Not in a list: rows of single statements only are counted, of inserts if so asked.
    made = _insert(connection.dialect.name, table).on_conflict_do_nothing()
    counted = made.execution_options(preserve_rowcount=True)
    return connection.execute(counted, dict(row)).rowcount == 1


@functools.cache
def _upserting(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Made once for each table: making it costs more than running it."""
    made = _insert(dialect, table)
    others = {c.name: made.excluded[c.name] for c in table.columns if not c.primary_key}
    return made.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=others)


def _insert(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        return _sqlite(url)
    return create_engine(
        url,
        hide_parameters=True,
        pool_pre_ping=True,
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=STATEMENT_SECONDS,
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "application_name": "guosuo",
            "options": (
                f"-c lock_timeout={LOCK_SECONDS}s"
                f" -c statement_timeout={STATEMENT_SECONDS}s"
                f" -c idle_in_transaction_session_timeout={IDLE_SECONDS}s"
            ),
        },
    )


def _sqlite(url: URL) -> Engine:
    # Never makes a file: a database that went away must not come back empty.
    target = f"file:{quote(str(Path(url.database or '').absolute()))}?mode=rw"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(
            target,
            uri=True,
            timeout=LOCK_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )

    engine = create_engine(
        url,
        creator=connect,
        hide_parameters=True,
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=STATEMENT_SECONDS,
    )

    @event.listens_for(engine, "connect")
    def _settings(connection: sqlite3.Connection, _record: object) -> None:
        for pragma in _PRAGMAS:
            connection.execute(pragma).close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # BEGIN IMMEDIATE: two writers wait for each other here, never in the middle.
        write = connection.get_execution_options().get(_WRITE, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine
