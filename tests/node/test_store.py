"""The store: what it takes, it gives back, the same on both kinds of database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from guosuo.errors import CallerError, PeerError, Reason
from guosuo.federation.records import digest
from guosuo.host.vault import KeyFile
from guosuo_node.store import (
    Lease,
    OrderState,
    Peer,
    Store,
    StoredEntry,
    StoredJudgement,
    Witnessed,
)
from guosuo_node.store.tables import METADATA
from tests.support.world import seeded


@pytest.fixture
def store(database_url: str, node_key: KeyFile) -> Iterator[Store]:
    made = Store.create(database_url, node_key, seeded(1))
    yield made
    made.close()


@pytest.fixture
def lease(store: Store) -> Lease:
    held = store.acquire("one", 100, 10)
    assert held is not None
    return held


# --- opening ---------------------------------------------------------------------------------


def test_a_store_is_made_once_and_opened_again(database_url: str, node_key: KeyFile) -> None:
    with pytest.raises(CallerError) as missing:
        Store.open(database_url, node_key, seeded(1))
    assert missing.value.reason is Reason.STORE_MISSING
    made = Store.create(database_url, node_key, seeded(1))
    made.close()
    with pytest.raises(CallerError) as exists:
        Store.create(database_url, node_key, seeded(2))
    assert exists.value.reason is Reason.STORE_EXISTS
    opened = Store.open(database_url, node_key, seeded(3))
    assert opened.id == made.id
    opened.close()


def test_an_sqlite_store_is_for_its_owner_only(
    sqlite_url: str, node_key: KeyFile, tmp_path: Path
) -> None:
    store = Store.create(sqlite_url, node_key, seeded(1))
    files = list(tmp_path.glob("node.db*"))
    assert len(files) == 3  # with the write-ahead log and its index
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    store.close()


def test_another_nodes_key_file_is_refused(
    database_url: str, node_key: KeyFile, tmp_path: Path
) -> None:
    Store.create(database_url, node_key, seeded(1)).close()
    other = KeyFile.create(tmp_path / "other.key", seeded(78))
    with pytest.raises(PeerError) as refused:
        Store.open(database_url, other, seeded(1))
    assert refused.value.reason is Reason.STORE_ALTERED


def test_a_file_that_is_no_database_is_refused(node_key: KeyFile, tmp_path: Path) -> None:
    (tmp_path / "node.db").write_bytes(b"something else " * 1000)
    with pytest.raises(PeerError) as refused:
        Store.open(f"sqlite:///{tmp_path / 'node.db'}", node_key, seeded(1))
    assert refused.value.reason is Reason.STORE_ALTERED


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:////tmp/x.db?mode=ro",
        "postgresql://host/name",
        "postgresql+psycopg://host",
        "mysql://user:hunter2@host/name",
        "hunter2",
    ],
)
def test_other_databases_are_refused_without_repeating_the_url(url: str, node_key: KeyFile) -> None:
    with pytest.raises(CallerError) as refused:
        Store.open(url, node_key, seeded(1))
    assert refused.value.reason is Reason.ARGUMENT
    assert "hunter2" not in str(refused.value)
    assert refused.value.__context__ is None


def test_a_newer_versions_database_is_left_as_it_is(database_url: str, node_key: KeyFile) -> None:
    store = Store.create(database_url, node_key, seeded(1))
    table = sa.table("alembic_version", sa.column("version_num"))
    store._database.write(lambda c: c.execute(table.update().values(version_num="v999")).rowcount)
    store.close()
    with pytest.raises(PeerError) as refused:
        Store.open(database_url, node_key, seeded(1))
    assert refused.value.reason is Reason.MESSAGE_VERSION
    version = store._database.read(lambda c: c.execute(sa.select(table.c.version_num)).scalar())
    assert version == "v999"
    store.close()


def test_the_migrations_make_the_tables_that_the_program_expects(store: Store) -> None:
    found = store._database.read(
        lambda c: compare_metadata(MigrationContext.configure(c), METADATA)
    )
    assert found == []


# --- a leader's rows -------------------------------------------------------------------------


def test_small_facts(store: Store, lease: Lease) -> None:
    with store.transaction(lease) as writer:
        writer.put_meta("region", b"440000")
        writer.put_secret("log-key", b"k" * 32)
        writer.put_secret("old", b"o" * 32)
    with store.transaction(lease) as writer:
        writer.put_meta("region", b"330000")
        writer.drop_secret("old")
    assert store.meta("region") == b"330000"
    assert store.meta("nothing") is None
    assert store.secret("log-key") == b"k" * 32
    assert store.secret("old") is None


def test_grants_are_kept_until_they_are_forgotten(store: Store, lease: Lease) -> None:
    with store.transaction(lease) as writer:
        writer.put_grant(digest(b"1"), 200, b"answer 1")
        writer.put_grant(digest(b"2"), 201, b"answer 2")
    assert store.grant(digest(b"1")) == b"answer 1"
    with store.transaction(lease) as writer:
        writer.forget_grants(200)
    assert store.grant(digest(b"1")) is None
    assert store.grant(digest(b"2")) == b"answer 2"


def test_orders_are_taken_once_and_in_order(store: Store, lease: Lease) -> None:
    with store.transaction(lease) as writer:
        writer.put_order(digest(b"b"), 1, b"second")
        writer.put_order(digest(b"a"), 0, b"first")
        writer.put_order(digest(b"c"), 2, b"third")
    assert [order.body for order in store.orders(OrderState.QUEUED)] == [
        b"first",
        b"second",
        b"third",
    ]
    with store.transaction(lease) as writer:
        writer.order_logged(digest(b"a"))
    with store.transaction(lease) as writer:
        writer.put_order(digest(b"a"), 9, b"first")  # came again
        writer.drop_order(digest(b"c"))
    assert [order.place for order in store.orders(OrderState.QUEUED)] == [1]
    assert [order.place for order in store.orders(OrderState.LOGGED)] == [0]
    assert store.orders(OrderState.QUEUED, after=1) == ()
    with pytest.raises(CallerError), store.transaction(lease) as writer:
        writer.order_logged(digest(b"unknown"))


def test_the_log_has_no_gap_and_no_second_entry(store: Store, lease: Lease) -> None:
    with store.transaction(lease) as writer:
        for index in range(3):
            writer.append_entry(index, "order", b"entry %d" % index, digest(b"%d" % index))
    assert store.entry_count() == 3
    assert store.entries(1, 1) == (StoredEntry(1, "order", b"entry 1", digest(b"1")),)
    assert store.leaves(1) == (digest(b"1"), digest(b"2"))
    with store.transaction(lease) as writer:  # the same again
        writer.append_entry(1, "order", b"entry 1", digest(b"1"))
        writer.append_entry(3, "order", b"entry 3", digest(b"3"))
    for index, data in ((5, b"entry 5"), (1, b"other"), (-1, b"before")):
        writer = store.writer()
        writer.put_meta("never", b"written")
        writer.append_entry(index, "order", data, digest(data))
        with pytest.raises(CallerError) as refused:
            store.write(lease, writer)
        assert refused.value.reason is Reason.STATE
    assert store.entry_count() == 4
    assert store.meta("never") is None


def test_one_root_per_size_and_no_checkpoint_goes_back(store: Store, lease: Lease) -> None:
    with store.transaction(lease) as writer:
        for index in range(4):
            writer.append_entry(index, "order", b"%d" % index, digest(b"%d" % index))
        writer.put_checkpoint(2, b"r" * 32, b"note 2")
        writer.put_checkpoint(4, b"s" * 32, b"note 4")
    with store.transaction(lease) as writer:
        writer.cosigned(2, b"witness", published=True)
        writer.put_checkpoint(2, b"r" * 32, b"note 2")  # the same again changes nothing
        writer.cosigned(4, b"witness", published=False)
    with store.transaction(lease) as writer:
        writer.cosigned(2, b"witness, another", published=False)
    largest, published = store.checkpoint(), store.checkpoint(published=True)
    assert largest is not None
    assert (largest.size, largest.published) == (4, False)
    assert published is not None
    assert (published.size, published.cosignatures) == (2, b"witness, another")
    for size, root in ((4, b"t" * 32), (3, b"t" * 32), (5, b"t" * 32)):
        with pytest.raises(CallerError) as refused, store.transaction(lease) as writer:
            writer.put_checkpoint(size, root, b"note")
        assert refused.value.reason is Reason.STATE
    with pytest.raises(CallerError), store.transaction(lease) as writer:
        writer.cosigned(3, b"", published=True)
    with store.transaction(lease) as writer:
        writer.forget_checkpoints(100)
    assert store.checkpoint(2) is None
    assert store.checkpoint() == largest


def test_judgements_are_replaced_by_later_ones(store: Store, lease: Lease) -> None:
    late = StoredJudgement("330000", 7, 0, "late", "no-entry", None, None, 100)
    admitted = StoredJudgement("330000", 7, 0, "admit", "", digest(b"e"), digest(b"s"), 200)
    other = StoredJudgement("440000", 8, 1, "hold", "left-out", digest(b"f"), None, 200)
    with store.transaction(lease) as writer:
        writer.put_judgement(late)
        writer.put_judgement(other)
    assert store.judgements(7) == (late,)
    with store.transaction(lease) as writer:
        writer.put_judgement(admitted)
    assert store.judgements(7, 8) == (admitted, other)


def test_a_body_that_raises_writes_nothing(store: Store, lease: Lease) -> None:
    def interrupted() -> None:
        with store.transaction(lease) as writer:
            writer.put_meta("region", b"440000")
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    assert store.meta("region") is None


def test_a_writer_that_is_written_twice_takes_effect_once(store: Store, lease: Lease) -> None:
    first, second = store.writer(), store.writer()
    first.put_meta("fact", b"first")
    second.put_meta("fact", b"second")
    store.write(lease, first)
    with store.transaction(lease) as writer:
        writer.put_meta("fact", b"between")
    store.write(lease, second)
    with store.transaction(lease):
        pass
    store.write(lease, second)
    assert store.meta("fact") == b"second"


# --- what any process writes -----------------------------------------------------------------


def test_peers_and_their_logs(store: Store) -> None:
    peer = Peer("330000", cursor=2, seen=100, failures=0, retry=0)
    store.put_peer(Peer("330000", cursor=0, seen=0, failures=3, retry=50))
    store.put_peer(peer)
    store.put_peer(Peer("110000", 0, 0, 0, 0))
    assert store.peers() == (Peer("110000", 0, 0, 0, 0), peer)
    store.add_peer_entries("330000", 0, [b"0", b"1"])
    store.add_peer_entries("330000", 1, [b"1", b"2"])
    store.add_peer_entries("440000", 0, [b"x"])
    store.add_peer_entries("440000", 1, [])
    assert store.peer_entries("330000") == (b"0", b"1", b"2")
    assert store.peer_entries("330000", 1, 1) == (b"1",)
    assert (store.peer_entry_count("330000"), store.peer_entry_count("360000")) == (3, 0)
    for start, entries in ((4, [b"4"]), (2, [b"other", b"3"]), (0, [b"other"])):
        with pytest.raises(CallerError) as refused:
            store.add_peer_entries("330000", start, entries)
        assert refused.value.reason is Reason.STATE
    store.put_peer_note("330000", 2, b"note")
    store.put_peer_note("330000", 2, b"note, cosigned")
    store.put_peer_note("330000", 3, b"third")
    assert store.peer_note("330000") == (3, b"third")
    assert store.peer_note("330000", 2) == (2, b"note, cosigned")
    store.cut_peer_entries("330000", 2)
    assert store.peer_entries("330000") == (b"0", b"1")
    assert store.peer_note("330000") == (2, b"note, cosigned")
    assert store.peer_entries("440000") == (b"x",)


def test_evidence_and_reports_are_kept_once(store: Store) -> None:
    name = store.add_evidence("equivocation", b"two notes", 100)
    assert store.add_evidence("equivocation", b"two notes", 200) == name == digest(b"two notes")
    store.add_evidence("bucket", b"a bucket", 50)
    assert [found.data for found in store.evidence()] == [b"a bucket", b"two notes"]
    assert [found.found for found in store.evidence("equivocation")] == [100]
    store.add_report("330000", 7, b"failing", 100)
    store.add_report("330000", 7, b"failing", 101)
    store.add_report("330000", 8, b"missing", 100)
    assert [report.data for report in store.reports("330000", 7)] == [b"failing"]
    store.forget_reports(8)
    assert store.reports("330000", 7) == ()
    assert len(store.reports("330000", 8)) == 1


def test_a_witness_compares_and_sets(store: Store) -> None:
    one, two = b"1" * 32, b"2" * 32
    assert store.witnessed("log") is None
    assert not store.witness_update("log", 3, 5, one, b"note")
    assert store.witness_update("log", 0, 5, one, b"note 5")
    assert not store.witness_update("log", 0, 6, two, b"note 6")
    assert store.witness_update("log", 5, 5, one, b"note 5, again")
    assert not store.witness_update("log", 5, 5, two, b"a fork")
    assert store.witness_update("log", 5, 9, two, b"note 9")
    assert store.witnessed("log") == Witnessed("log", 9, two, b"note 9")
    assert store.witnessed("other log") is None
    with pytest.raises(CallerError):
        store.witness_update("log", 9, 8, one, b"shorter")


def test_answers_are_bounded(store: Store) -> None:
    for start, count in ((-1, 1), (0, -1), (0, 10_001)):
        with pytest.raises(CallerError) as refused:
            store.entries(start, count)
        assert refused.value.reason is Reason.ARGUMENT
