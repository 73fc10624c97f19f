"""A dump is one moment of everything, opens with its key only, and moves between databases."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from guosuo.errors import CallerError, PeerError, Reason
from guosuo.federation.records import digest
from guosuo.host.vault import KeyFile
from guosuo_node.store import Fenced, Lease, Store
from guosuo_node.store.dumping import MAGIC
from guosuo_node.store.tables import METADATA
from tests.node import frozen
from tests.support.postgres import PostgresCluster
from tests.support.world import seeded


def url_of(kind: str, request: pytest.FixtureRequest, tmp_path: Path, name: str) -> str:
    if kind == "sqlite":
        return f"sqlite:///{tmp_path / name}.db"
    cluster: PostgresCluster = request.getfixturevalue("cluster")
    return cluster.create_database()


def rows(store: Store) -> dict[str, list[Any]]:
    """Everything but the lease."""
    return {
        name: store._database.read(
            lambda c, t=table: sorted(tuple(row) for row in c.execute(sa.select(t)))  # type: ignore[misc]
        )
        for name, table in METADATA.tables.items()
        if name != "lease"
    }


@pytest.mark.parametrize("target", ["sqlite", "postgresql"])
@pytest.mark.parametrize("source", ["sqlite", "postgresql"])
def test_a_dump_moves_from_each_kind_of_database_to_each(
    source: str, target: str, node_key: KeyFile, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    old = Store.create(url_of(source, request, tmp_path, "old"), node_key, seeded(1))
    frozen.fill_all(old)
    assert all(rows(old).values())  # an empty table would not be tested
    old.dump(tmp_path / "dump")
    assert (tmp_path / "dump").stat().st_mode & 0o777 == 0o600
    url = url_of(target, request, tmp_path, "new")
    new = Store.restore(url, node_key, seeded(2), tmp_path / "dump")
    assert new.id == old.id
    assert rows(new) == rows(old)
    assert new.leader() is None
    with pytest.raises(Fenced), new.transaction(Lease("leader", 1, 1010)) as writer:
        writer.put_meta("fact", b"from the time before")
    old.close()
    new.close()
    again = Store.open(url, node_key, seeded(3))
    loaded = again.load_issuer_state(frozen.federation(), frozen.REGION, frozen.ROOT, frozen.LOG)
    assert loaded == frozen.issuer()
    with pytest.raises(CallerError) as exists:
        Store.restore(url, node_key, seeded(2), tmp_path / "dump")
    assert exists.value.reason is Reason.STORE_EXISTS
    assert rows(again) == rows(new)
    again.close()
    new.close()


def test_a_dump_is_one_moment(database_url: str, node_key: KeyFile, tmp_path: Path) -> None:
    """Two tables that always change together agree in every dump taken meanwhile."""
    store = Store.create(database_url, node_key, seeded(1))
    lease = store.acquire("one", 100, 10)
    assert lease is not None
    done = threading.Event()

    def write() -> None:
        index = 0
        while not done.is_set():
            with store.transaction(lease) as writer:
                writer.put_meta("last", b"%d" % index)
                writer.append_entry(index, "order", b"x" * 1000, digest(b"%d" % index))
            index += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        while store.entry_count() < 20:
            pass
        for number in range(3):
            store.dump(tmp_path / f"dump {number}")
    finally:
        done.set()
        thread.join()
    for number in range(3):
        url = f"sqlite:///{tmp_path}/copy{number}.db"
        copy = Store.restore(url, node_key, seeded(1), tmp_path / f"dump {number}")
        assert copy.meta("last") == b"%d" % (copy.entry_count() - 1)
        copy.close()
    store.close()


@pytest.fixture
def dump(sqlite_url: str, node_key: KeyFile, tmp_path: Path) -> Path:
    """A dump of several pieces."""
    store = Store.create(sqlite_url, node_key, seeded(1))
    frozen.fill_all(store)
    for number in range(4):
        store.add_evidence("bucket", bytes([number]) * 200_000, 1000)
    store.dump(tmp_path / "dump")
    store.close()
    return tmp_path / "dump"


def refused(path: Path, key: KeyFile) -> Reason:
    """Why a dump is not restored; nothing of it is."""
    url = f"sqlite:///{path.parent / 'refused.db'}"
    with pytest.raises((PeerError, CallerError)) as refusal:
        Store.restore(url, key, seeded(2), path)
    with pytest.raises(CallerError) as missing:
        Store.open(url, key, seeded(2))
    assert missing.value.reason is Reason.STORE_MISSING
    return refusal.value.reason


def pieces(data: bytes) -> list[int]:
    """Where pieces begin, and where the last one ends."""
    places = [len(MAGIC) + 33]
    while places[-1] < len(data):
        head = places[-1] + 5
        places.append(head + int.from_bytes(data[head - 4 : head], "big"))
    return places


def test_a_dump_that_was_cut_is_refused(dump: Path, node_key: KeyFile) -> None:
    data = dump.read_bytes()
    places = pieces(data)
    assert len(places) > 4
    for end in (20, *places[:-1], places[1] + 3, len(data) - 1):
        dump.write_bytes(data[:end])
        assert refused(dump, node_key) is Reason.STORE_TRUNCATED
    dump.write_bytes(data[:5])
    assert refused(dump, node_key) is Reason.STORE_ALTERED


def test_a_dump_that_was_altered_is_refused(dump: Path, node_key: KeyFile) -> None:
    data = dump.read_bytes()
    places = pieces(data)
    one, two, three, four = places[1:5]
    ends = [
        data[:two] + b"\x01" + data[two + 1 : three],  # cut, and called complete
        data[:one] + data[two:],  # a piece left out
        data[:one] + data[two:three] + data[one:two] + data[three:],  # two exchanged
        data + b"\x00",
        data[:-1] + bytes([data[-1] ^ 1]),
        data[:30] + bytes([data[30] ^ 1]) + data[31:],  # of another dump
        b"x" + data[1:],
        data[: places[0] + 1] + b"\xff" * 4 + data[places[0] + 5 :],
    ]
    assert four
    for end in ends:
        dump.write_bytes(end)
        assert refused(dump, node_key) is Reason.STORE_ALTERED


def test_other_dumps_are_refused(dump: Path, node_key: KeyFile, tmp_path: Path) -> None:
    other = KeyFile.create(tmp_path / "other.key", seeded(78))
    assert refused(dump, other) is Reason.STORE_ALTERED
    assert refused(tmp_path / "missing", node_key) is Reason.STORE_MISSING
    data = bytearray(dump.read_bytes())
    data[len(MAGIC)] = 2
    dump.write_bytes(data)
    assert refused(dump, node_key) is Reason.MESSAGE_VERSION


def test_a_dump_replaces_no_file_and_leaves_no_half_one(
    sqlite_url: str, node_key: KeyFile, tmp_path: Path
) -> None:
    store = Store.create(sqlite_url, node_key, seeded(1))
    (tmp_path / "there").write_bytes(b"something")
    with pytest.raises(CallerError) as exists:
        store.dump(tmp_path / "there")
    assert exists.value.reason is Reason.STORE_EXISTS
    with pytest.raises(CallerError) as full:
        store.dump(tmp_path / "there" / "dump")
    assert full.value.reason is Reason.STORE_FULL
    assert sorted(path.name for path in tmp_path.iterdir() if "there" in path.name) == ["there"]
    store.close()
