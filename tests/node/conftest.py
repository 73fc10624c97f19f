"""Databases for tests of the node: SQLite in a folder, and a real PostgreSQL server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from guosuo.host.vault import KeyFile
from tests.support.postgres import HINT, PostgresCluster, binaries
from tests.support.world import seeded

DATABASES = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def cluster() -> Iterator[PostgresCluster]:
    """One server per worker, started by the first test that asks for it.

    Without PostgreSQL a test is skipped at home and fails in CI.
    """
    if binaries() is None:
        if os.environ.get("CI") == "true":
            pytest.fail(HINT)
        pytest.skip(HINT)
    server = PostgresCluster()
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """Where an SQLite database may be made."""
    return f"sqlite:///{tmp_path / 'node.db'}"


@pytest.fixture
def postgres_url(cluster: PostgresCluster) -> str:
    """An empty database of a running PostgreSQL server."""
    return cluster.create_database()


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest) -> str:
    """A place for a new store: each test runs on both kinds of database."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    return str(request.getfixturevalue(name))


@pytest.fixture
def node_key(tmp_path: Path) -> KeyFile:
    """A node's key file."""
    return KeyFile.create(tmp_path / "node.key", seeded(77))
