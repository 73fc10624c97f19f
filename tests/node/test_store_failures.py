"""A database that is full, read-only, stopped or gone: said so, and used again when it is back."""

from __future__ import annotations

import sqlite3
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from guosuo.errors import CallerError, GuosuoError, PeerError, Reason
from guosuo.federation.records import digest
from guosuo.host.vault import KeyFile
from guosuo_node.store import Lease, Store, StoreFull, StoreUnavailable, database
from guosuo_node.store.errors import translated
from guosuo_node.store.sealing import Name, Sealer
from tests.node import frozen
from tests.support.postgres import PostgresCluster
from tests.support.world import seeded

SECRET = b"hunter2 hunter2 "


@pytest.fixture
def on_postgresql(postgres_url: str, node_key: KeyFile) -> Iterator[Store]:
    made = Store.create(postgres_url, node_key, seeded(1))
    yield made
    made.close()


@pytest.fixture
def on_sqlite(sqlite_url: str, node_key: KeyFile) -> Iterator[Store]:
    made = Store.create(sqlite_url, node_key, seeded(1))
    yield made
    made.close()


def lead(store: Store) -> Lease:
    held = store.acquire("one", 100, 10)
    assert held is not None
    return held


def put(store: Store, lease: Lease, index: int, data: bytes) -> None:
    with store.transaction(lease) as writer:
        writer.append_entry(index, "order", data, digest(data))


def silent(error: BaseException) -> bool:
    """Neither text nor traceback, with all contexts, tells what was to be written."""
    shown = "".join(traceback.format_exception(error)) + repr(vars(error))
    return "hunter2" not in shown and error.__context__ is None and error.__cause__ is None


# --- PostgreSQL ------------------------------------------------------------------------------


@pytest.mark.parametrize("crash", [False, True])
def test_a_server_that_is_stopped_and_started_again(
    crash: bool,  # noqa: FBT001 - from the table above
    on_postgresql: Store,
    cluster: PostgresCluster,
    node_key: KeyFile,
    postgres_url: str,
) -> None:
    lease = lead(on_postgresql)
    put(on_postgresql, lease, 0, b"before")
    cluster.stop(crash=crash)
    try:
        for _ in range(2):
            with pytest.raises(StoreUnavailable) as away:
                put(on_postgresql, lease, 1, SECRET)
            assert silent(away.value)
            with pytest.raises(StoreUnavailable):
                on_postgresql.entry_count()
            with pytest.raises(StoreUnavailable):
                Store.open(postgres_url, node_key, seeded(1))
    finally:
        cluster.start()
    put(on_postgresql, lease, 1, b"after")
    assert [entry.data for entry in on_postgresql.entries()] == [b"before", b"after"]


def test_a_server_that_dies_within_a_transaction(
    on_postgresql: Store, cluster: PostgresCluster
) -> None:
    lease = lead(on_postgresql)
    writer = on_postgresql.writer()
    writer.append_entry(0, "order", b"once", digest(b"once"))
    deaths: list[bool] = []

    def die(_connection: sa.Connection) -> None:
        if not deaths:
            deaths.append(True)
            cluster.stop(crash=True)

    writer._do(die)
    writer.put_meta("fact", SECRET)
    try:
        with pytest.raises(StoreUnavailable) as away:
            on_postgresql.write(lease, writer)
        assert silent(away.value)
    finally:
        cluster.start()
    assert on_postgresql.entry_count() == 0
    on_postgresql.write(lease, writer)
    assert on_postgresql.entry_count() == 1
    assert on_postgresql.meta("fact") == SECRET


# --- SQLite ----------------------------------------------------------------------------------


def test_a_full_disk_writes_nothing_and_works_again_with_room(on_sqlite: Store) -> None:
    lease = lead(on_sqlite)
    put(on_sqlite, lease, 0, b"before")
    engine = on_sqlite._database._engine
    engine.dispose()

    def fill(connection: sqlite3.Connection, _record: object) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 2}")

    sa.event.listen(engine, "connect", fill)
    writer = on_sqlite.writer()
    writer.put_meta("fact", b"small")
    writer.append_entry(1, "order", SECRET * 10_000, digest(b""))
    for _ in range(2):
        with pytest.raises(StoreFull) as full:
            on_sqlite.write(lease, writer)
        assert full.value.reason is Reason.STORE_FULL
        assert full.value.code == "SQLITE_FULL"
        assert silent(full.value)
    assert on_sqlite.entry_count() == 1
    assert on_sqlite.meta("fact") is None
    sa.event.remove(engine, "connect", fill)
    engine.dispose()
    on_sqlite.write(lease, writer)
    assert on_sqlite.entry_count() == 2


def test_a_read_only_database_is_read(on_sqlite: Store) -> None:
    lease = lead(on_sqlite)
    put(on_sqlite, lease, 0, b"before")
    engine = on_sqlite._database._engine
    engine.dispose()

    def protect(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA query_only = ON")

    sa.event.listen(engine, "connect", protect)
    with pytest.raises(StoreUnavailable) as away:
        put(on_sqlite, lease, 1, SECRET)
    assert silent(away.value)
    assert on_sqlite.entry_count() == 1
    sa.event.remove(engine, "connect", protect)
    engine.dispose()
    put(on_sqlite, lease, 1, b"after")


def test_a_file_that_is_gone_is_not_made_anew(on_sqlite: Store) -> None:
    put(on_sqlite, lead(on_sqlite), 0, b"before")
    path = on_sqlite._database.file
    assert path is not None
    on_sqlite.close()  # as after a new start: no connection is open
    away = path.with_name("moved.db")
    path.rename(away)
    with pytest.raises(StoreUnavailable):
        on_sqlite.entry_count()
    with pytest.raises(StoreUnavailable):
        on_sqlite.add_evidence("bucket", SECRET, 100)
    assert not path.exists()
    away.rename(path)
    assert on_sqlite.entry_count() == 1


def test_a_lock_that_is_not_given_back_is_waited_for_a_while(on_sqlite: Store) -> None:
    path = on_sqlite._database.file
    assert path is not None
    on_sqlite.close()

    def hurry(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA busy_timeout = 50")

    sa.event.listen(on_sqlite._database._engine, "connect", hurry)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable) as busy:
        on_sqlite.add_evidence("bucket", SECRET, 100)
    assert busy.value.code == "SQLITE_BUSY"
    assert on_sqlite.evidence() == ()  # readers do not wait
    other.execute("ROLLBACK")
    other.close()
    on_sqlite.add_evidence("bucket", SECRET, 100)


def test_a_damaged_file_is_called_so(on_sqlite: Store) -> None:
    put(on_sqlite, lead(on_sqlite), 0, b"before")
    on_sqlite.close()
    path = on_sqlite._database.file
    assert path is not None
    data = path.read_bytes()
    path.write_bytes(data[:4096] + bytes(len(data) - 4096))
    with pytest.raises(PeerError) as damaged:
        on_sqlite.entry_count()
    assert damaged.value.reason is Reason.STORE_ALTERED


# --- every error -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (psycopg.errors.DiskFull, StoreFull),
        (psycopg.errors.AdminShutdown, StoreUnavailable),
        (psycopg.errors.LockNotAvailable, StoreUnavailable),
        (psycopg.errors.QueryCanceled, StoreUnavailable),
        (psycopg.errors.DeadlockDetected, StoreUnavailable),
        (psycopg.errors.ReadOnlySqlTransaction, StoreUnavailable),
        (psycopg.errors.TooManyConnections, StoreUnavailable),
        (psycopg.errors.IdleInTransactionSessionTimeout, StoreUnavailable),
        (psycopg.errors.IoError, StoreUnavailable),
        (psycopg.OperationalError, StoreUnavailable),
        (psycopg.errors.UniqueViolation, CallerError),
        (psycopg.errors.UndefinedTable, CallerError),
        (sqlite3.IntegrityError, CallerError),
        (sqlite3.ProgrammingError, CallerError),
    ],
)
def test_what_the_databases_say_becomes_one_of_ours(
    cause: type[Exception], expected: type[GuosuoError]
) -> None:
    error = sa.exc.DBAPIError.instance(
        "INSERT", {"value": SECRET}, cause(SECRET.decode()), Exception, hide_parameters=True
    )
    found = translated(error)
    assert type(found) is expected
    assert silent(found)


def test_a_pool_that_is_used_up_is_a_database_that_does_not_answer() -> None:
    assert isinstance(translated(sa.exc.TimeoutError()), StoreUnavailable)


def test_a_row_that_contradicts_another_is_refused_without_quoting_it(
    database_url: str, node_key: KeyFile
) -> None:
    store = Store.create(database_url, node_key, seeded(1))
    statement = sa.text("INSERT INTO meta (key, value) VALUES (:key, :value)")
    row = {"key": "store", "value": SECRET}
    with pytest.raises(CallerError) as refused:
        store._database.write(lambda c: c.execute(statement, row).rowcount)
    assert refused.value.reason is Reason.STATE
    assert silent(refused.value)
    store.close()


def test_slow_arithmetic_keeps_no_transaction_open(
    postgres_url: str, node_key: KeyFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL ends what looks like a paused leader; sealing many values must not."""
    monkeypatch.setattr(database, "IDLE_SECONDS", 1)
    store = Store.create(postgres_url, node_key, seeded(1))
    seal, unseal = Sealer.seal, Sealer.unseal

    def slow_seal(self: Sealer, name: Name, value: bytes) -> bytes:
        time.sleep(0.2)
        return seal(self, name, value)

    def slow_unseal(self: Sealer, name: Name, sealed: bytes) -> bytes:
        time.sleep(0.2)
        return unseal(self, name, sealed)

    monkeypatch.setattr(Sealer, "seal", slow_seal)
    monkeypatch.setattr(Sealer, "unseal", slow_unseal)
    frozen.fill_all(store)
    loaded = store.load_issuer_state(frozen.federation(), frozen.REGION, frozen.ROOT, frozen.LOG)
    assert loaded == frozen.issuer()

    def slower_seal(self: Sealer, name: Name, value: bytes) -> bytes:
        time.sleep(1.5)
        return seal(self, name, value)

    monkeypatch.setattr(Sealer, "seal", slower_seal)
    store.dump(tmp_path / "dump")
    store.close()
