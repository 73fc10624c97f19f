"""The schema of a database and its versions (Alembic), run by the program itself."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from guosuo.errors import CallerError, Reason, refuse
from guosuo_node.store.database import take_time

_FOLDER: Final = Path(__file__).parent / "migrations"
_LOCK: Final = 0x6775_6F73_756F
"""Of PostgreSQL's advisory locks, ours: two processes that start together upgrade once."""


def head() -> str:
    """The version that this program writes."""
    found = ScriptDirectory.from_config(_config()).get_current_head()
    if found is None:
        raise CallerError(Reason.ENGINE, "the migrations are not installed")
    return found


def version(connection: Connection) -> str | None:
    """The database's version; None if it has nothing of ours."""
    return MigrationContext.configure(connection).get_current_revision()


def create(connection: Connection, to: str = "head") -> None:
    """All tables of a version; `CallerError(STORE_EXISTS)` in a database that has any."""
    _lock(connection)
    if inspect(connection).get_table_names():
        raise CallerError(Reason.STORE_EXISTS, "the database has tables already")
    _run(connection, to)


def upgrade(connection: Connection) -> None:
    """Bring a database up to `head`, all or nothing.

    `CallerError(STORE_MISSING)` for an empty one; `PeerError(MESSAGE_VERSION)` for one
    that a newer version of this program wrote, which is left as it is.
    """
    _lock(connection)
    present = version(connection)
    if present is None:
        raise CallerError(Reason.STORE_MISSING, "the database has no store in it")
    check_known(present)
    if present != head():
        _run(connection, "head")


def check_known(name: str) -> None:
    """`PeerError(MESSAGE_VERSION)` for a version that this program does not know."""
    scripts = ScriptDirectory.from_config(_config())
    if name not in {script.revision for script in scripts.walk_revisions()}:
        refuse(Reason.MESSAGE_VERSION, "a newer version of the node wrote this database")


def _run(connection: Connection, to: str) -> None:
    command.upgrade(_config(connection), to)


def _config(connection: Connection | None = None) -> Config:
    config = Config(attributes={"connection": connection})
    # Written out twice: the file format reads a single % as the begin of a variable.
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _lock(connection: Connection) -> None:
    take_time(connection)
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
