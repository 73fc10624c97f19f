"""A schema grows by migrations: all of one, or none, and once however many start together."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
import sqlalchemy as sa

from guosuo.errors import CallerError, PeerError, Reason
from guosuo.host.vault import KeyFile
from guosuo_node.store import Store, upgrade
from tests.node import frozen
from tests.support.world import seeded

SECOND = '''
"""Version 2, as a later program may have it."""
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "v2", "v1", None, None


def upgrade():
    op.create_table("later", sa.Column("name", sa.Text, primary_key=True))
    op.add_column("peers", sa.Column("note", sa.Text, nullable=False, server_default="none"))
    op.execute("INSERT INTO later (name) SELECT region FROM peers")
    {end}
'''


@pytest.fixture
def later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The migrations of a later version; `v2.py` is to be written there."""
    folder = tmp_path / "100% later" / "migrations"
    shutil.copytree(upgrade._FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(upgrade, "_FOLDER", folder)
    return folder / "versions" / "v2.py"


@pytest.fixture
def old(database_url: str, node_key: KeyFile) -> Store:
    """A store of version 1, closed."""
    store = Store.create(database_url, node_key, seeded(1))
    frozen.fill_all(store)
    store.close()
    return store


def state(store: Store) -> tuple[str | None, bool, list[str]]:
    """Version, whether version 2's table is there, columns of the changed one."""
    found = store._database.read(
        lambda c: (
            upgrade.version(c),
            sa.inspect(c).has_table("later"),
            [column["name"] for column in sa.inspect(c).get_columns("peers")],
        )
    )
    store.close()
    return found


OLD = ("v1", False, ["region", "cursor", "seen", "failures", "retry"])
NEW = ("v2", True, ["region", "cursor", "seen", "failures", "retry", "note"])


def test_a_migration_is_carried_out_when_a_store_is_opened(
    old: Store, later: Path, database_url: str, node_key: KeyFile
) -> None:
    later.write_text(SECOND.format(end=""))
    store = Store.open(database_url, node_key, seeded(2))
    assert state(store) == NEW
    loaded = store.load_issuer_state(frozen.federation(), frozen.REGION, frozen.ROOT, frozen.LOG)
    assert loaded == frozen.issuer()
    assert state(old) == NEW
    store.close()


def test_a_migration_that_fails_changes_nothing(
    old: Store, later: Path, database_url: str, node_key: KeyFile
) -> None:
    later.write_text(SECOND.format(end='op.execute("SELECT * FROM nowhere")'))
    with pytest.raises(CallerError) as failed:
        Store.open(database_url, node_key, seeded(2))
    assert failed.value.reason is Reason.STATE
    assert state(old) == OLD
    later.write_text(SECOND.format(end=""))
    Store.open(database_url, node_key, seeded(2)).close()
    assert state(old) == NEW


def test_processes_that_start_together_migrate_once(
    old: Store, later: Path, database_url: str, node_key: KeyFile
) -> None:
    later.write_text(SECOND.format(end=""))
    barrier = Barrier(4)

    def start(number: int) -> None:
        barrier.wait()
        Store.open(database_url, node_key, seeded(number)).close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(start, range(4)))
    assert state(old) == NEW


def test_a_dump_of_an_older_version_is_restored_and_migrated(
    later: Path, node_key: KeyFile, tmp_path: Path, database_url: str
) -> None:
    source = Store.create(f"sqlite:///{tmp_path / 'old.db'}", node_key, seeded(1))
    frozen.fill_all(source)
    source.dump(tmp_path / "dump")
    source.close()
    later.write_text(SECOND.format(end=""))
    store = Store.restore(database_url, node_key, seeded(2), tmp_path / "dump")
    assert state(store) == NEW
    assert store.peer_entries("330000") == (b"first", b"second")
    store.dump(tmp_path / "newer dump")
    store.close()
    later.unlink()
    with pytest.raises(PeerError) as newer:
        Store.restore(
            f"sqlite:///{tmp_path / 'x.db'}", node_key, seeded(2), tmp_path / "newer dump"
        )
    assert newer.value.reason is Reason.MESSAGE_VERSION
