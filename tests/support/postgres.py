"""A throw-away PostgreSQL server in a temporary folder, for tests that need a real one."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from itertools import count
from pathlib import Path

import psycopg

HINT = "PostgreSQL is not installed: tools/install_postgresql.sh (Debian, Ubuntu)"
_SECONDS = 60


def binaries() -> Path | None:
    """The folder of `initdb` and `postgres`: `GUOSUO_POSTGRESQL`, Debian's, or the PATH's."""
    folders = [Path(os.environ["GUOSUO_POSTGRESQL"])] if "GUOSUO_POSTGRESQL" in os.environ else []
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    folders += sorted(debian, key=lambda folder: _version(folder.parent.name), reverse=True)
    found = shutil.which("initdb")
    if found is not None:
        folders.append(Path(found).resolve().parent)
    return next((f for f in folders if (f / "initdb").exists() and (f / "postgres").exists()), None)


def _version(name: str) -> tuple[int, ...]:
    return tuple(int(part) for part in name.split(".") if part.isdigit())


class PostgresCluster:
    """One server on a unix socket, without durability: only its tests' life matters."""

    def __init__(self) -> None:
        found = binaries()
        assert found is not None, HINT
        self._binaries = found
        self._databases = count(1)
        self._server: subprocess.Popen[bytes] | None = None
        # Short: the path of a unix socket has at most 107 octets.
        self._home = Path(tempfile.mkdtemp(prefix="guosuo-pg-", dir="/tmp"))
        self._data, self._sockets = self._home / "data", self._home / "s"
        self._sockets.mkdir()
        self._user = self._unprivileged()
        if self._user is not None:
            for folder in (self._home, self._sockets):
                os.chown(folder, self._user.pw_uid, self._user.pw_gid)
        self._run(
            "initdb", "-D", str(self._data), "-U", "guosuo", "-A", "trust", "-E", "UTF8",
            "--locale=C", "--no-sync", "--no-instructions",
        )  # fmt: skip
        self.start()

    def start(self) -> None:
        """Start the server and wait until it answers."""
        assert self._server is None
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._sockets),
            "fsync": "off",
            "full_page_writes": "off",
            "max_connections": "60",
            "shared_buffers": "16MB",
            "log_min_messages": "fatal",
        }
        options = [part for item in settings.items() for part in ("-c", "=".join(item))]
        self._server = subprocess.Popen(  # noqa: S603 - a fixed command
            [str(self._binaries / "postgres"), "-D", str(self._data), *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._home,
            start_new_session=True,
            **self._as_user(),
        )
        deadline = time.monotonic() + _SECONDS
        while True:
            assert self._server.poll() is None, "the PostgreSQL server ended at once"
            with contextlib.suppress(psycopg.OperationalError), self._connection():
                return
            assert time.monotonic() < deadline, "the PostgreSQL server does not answer"
            time.sleep(0.05)

    def stop(self, *, crash: bool = False) -> None:
        """Stop the server at once: sessions are cut; with `crash`, without a farewell."""
        server, self._server = self._server, None
        if server is not None and server.poll() is None:
            server.send_signal(signal.SIGQUIT if crash else signal.SIGINT)
            server.wait(_SECONDS)

    def close(self) -> None:
        """Stop, and leave nothing behind."""
        self.stop()
        shutil.rmtree(self._home, ignore_errors=True)

    def create_database(self) -> str:
        """A new, empty database; its URL."""
        name = f"test{next(self._databases)}"
        with self._connection() as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://guosuo@/{name}?host={self._sockets}"

    def rows(self, url: str) -> bytes:
        """Every row of every table of a database, as PostgreSQL's own dump writes them."""
        name = url.partition("@/")[2].partition("?")[0]
        return self._run("pg_dump", "--data-only", "-h", str(self._sockets), "-U", "guosuo", name)

    def _connection(self) -> psycopg.Connection:
        return psycopg.connect(
            host=str(self._sockets), user="guosuo", dbname="postgres", autocommit=True
        )

    def _run(self, program: str, *arguments: str) -> bytes:
        return subprocess.run(  # noqa: S603 - a fixed command
            [str(self._binaries / program), *arguments],
            check=True,
            capture_output=True,
            cwd=self._home,
            timeout=_SECONDS,
            **self._as_user(),
        ).stdout

    def _as_user(self) -> dict:
        if self._user is None:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}

    @staticmethod
    def _unprivileged() -> pwd.struct_passwd | None:
        """Whom the server runs as where tests run as root, which it refuses."""
        if os.geteuid() != 0:
            return None
        for name in ("postgres", "nobody"):
            with contextlib.suppress(KeyError):
                return pwd.getpwnam(name)
        message = "no unprivileged user to run PostgreSQL as"
        raise AssertionError(message)
