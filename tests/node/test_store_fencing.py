"""One leader at a time: whoever was paused writes nothing when he wakes up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
import sqlalchemy as sa

from guosuo.errors import CallerError, Reason
from guosuo.federation.records import digest
from guosuo.host.vault import KeyFile
from guosuo_node.store import Fenced, Lease, Store, StoreUnavailable, Writer
from tests.support.world import seeded

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def store(database_url: str, node_key: KeyFile) -> Iterator[Store]:
    made = Store.create(database_url, node_key, seeded(1))
    yield made
    made.close()


@pytest.fixture
def other(store: Store, database_url: str, node_key: KeyFile) -> Iterator[Store]:
    """The same store as another process has it."""
    opened = Store.open(database_url, node_key, seeded(store.id[0]))
    yield opened
    opened.close()


def lead(store: Store, holder: str, now: int = 100) -> Lease:
    lease = store.acquire(holder, now, 10)
    assert lease is not None
    return lease


# --- the lease -------------------------------------------------------------------------------


def test_nobody_else_leads_while_a_lease_lasts(store: Store, other: Store) -> None:
    assert store.leader() is None
    lease = lead(store, "one")
    assert lease == Lease("one", 1, 110) == other.leader()
    assert other.acquire("two", 109, 10) is None
    taken = other.acquire("two", 110, 10)
    assert taken == Lease("two", 2, 120)
    with pytest.raises(Fenced):
        store.renew(lease, 111, 10)
    with pytest.raises(Fenced):
        store.release(lease)


def test_renewing_keeps_the_number_even_after_the_time(store: Store, other: Store) -> None:
    lease = store.renew(lead(store, "one"), 200, 10)
    assert lease == Lease("one", 1, 210)
    assert other.acquire("two", 205, 10) is None


def test_a_lease_that_was_given_back_writes_nothing(store: Store, other: Store) -> None:
    lease = lead(store, "one")
    store.release(lease)
    assert other.leader() is None
    with pytest.raises(Fenced), store.transaction(lease) as writer:
        writer.put_meta("fact", b"late")
    assert lead(other, "two", 101).number == 3


def test_a_holder_that_comes_again_fences_the_process_it_was(store: Store, other: Store) -> None:
    before = lead(store, "machine")
    after = lead(other, "machine", 101)
    assert after.number == before.number + 1
    with pytest.raises(Fenced), store.transaction(before) as writer:
        writer.put_meta("fact", b"late")


def test_nobody_writes_without_ever_having_led(store: Store) -> None:
    with pytest.raises(Fenced), store.transaction(Lease("one", 1, 110)) as writer:
        writer.put_meta("fact", b"never")
    with pytest.raises(CallerError) as refused:
        store.acquire("", 100, 10)
    assert refused.value.reason is Reason.ARGUMENT


def test_many_who_want_to_lead_at_once_become_one(store: Store, other: Store) -> None:
    barrier = Barrier(8)

    def want(number: int) -> Lease | None:
        barrier.wait()
        return (store, other)[number % 2].acquire(f"holder {number}", 100, 10)

    with ThreadPoolExecutor(8) as pool:
        won = [lease for lease in pool.map(want, range(8)) if lease is not None]
    assert len(won) == 1
    assert store.leader() == won[0]


# --- a leader that was paused ----------------------------------------------------------------


def everything(writer: Writer) -> None:
    """One of each kind of write."""
    writer.put_meta("fact", b"late")
    writer.put_secret("secret", b"late")
    writer.put_grant(digest(b"request"), 1000, b"late")
    writer.put_order(digest(b"order"), 0, b"late")
    writer.append_entry(0, "order", b"late", digest(b"late"))
    writer.put_checkpoint(1, digest(b"root"), b"late")


def test_a_leader_paused_before_it_writes_writes_nothing(store: Store, other: Store) -> None:
    old = lead(store, "one")
    writer = store.writer()
    everything(writer)
    new = lead(other, "two", 110)
    with pytest.raises(Fenced):
        store.write(old, writer)
    with pytest.raises(Fenced):  # and not by trying again
        store.write(old, writer)
    assert store.meta("fact") is None
    assert (store.entry_count(), store.checkpoint()) == (0, None)
    with other.transaction(new) as current:
        everything(current)
    assert other.entry_count() == 1


def test_a_leader_that_loses_the_lease_under_load_leaves_a_prefix(
    store: Store, other: Store
) -> None:
    """One writes as fast as it can, another takes over in the middle: no entry of the old
    one comes after the new one's first."""
    old = lead(store, "one")

    def work() -> int:
        index = 0
        while True:
            data = b"old %d" % index
            try:
                with store.transaction(old) as writer:
                    writer.append_entry(index, "order", data, digest(data))
            except Fenced:
                return index
            index += 1

    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(work)
        while store.entry_count() < 5:
            time.sleep(0.001)
        new = lead(other, "two", 110)
        end = other.entry_count()
        for index in range(end, end + 5):
            with other.transaction(new) as writer:
                writer.append_entry(index, "order", b"new", digest(b"new"))
        assert written.result(30) == end
    assert [entry.data.startswith(b"old") for entry in store.entries()] == (
        [True] * end + [False] * 5
    )


PAUSED = """
import os, signal, sys
from pathlib import Path
from guosuo.curve.entropy import Entropy
from guosuo.host.vault import KeyFile
from guosuo_node.store import Fenced, Store, StoreUnavailable

url, key, place = sys.argv[1:]
store = Store.open(url, KeyFile(Path(key)), Entropy(os.urandom))
lease = store.acquire("paused", 100, 10)

def pause(*_):
    os.kill(os.getpid(), signal.SIGSTOP)

class Paused(type(store.writer())):
    def prepare(self, sealer):
        actions = super().prepare(sealer)
        return [*actions, pause] if place == "inside" else actions

writer = Paused(os.urandom(16))
writer.append_entry(0, "order", b"old", b"o" * 32)
if place == "before":
    pause()
try:
    store.write(lease, writer)
except (Fenced, StoreUnavailable) as error:
    print(type(error).__name__)
else:
    print("written")
store.close()
"""


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs SIGSTOP")
@pytest.mark.parametrize("place", ["before", "inside"])
def test_a_stopped_process_that_goes_on_writes_nothing(
    place: str, store: Store, database_url: str, node_key: KeyFile, tmp_path: Path
) -> None:
    """Stopped before its transaction, or within: there PostgreSQL ends it after a while.

    Within one on SQLite, the stopped process keeps the only lock until it goes on: it is
    the one process of its node there, and its write stands.
    """
    assert node_key.key(None)
    process = subprocess.Popen(  # noqa: S603 - a fixed command
        [sys.executable, "-c", PAUSED, database_url, str(tmp_path / "node.key"), place],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
    try:
        wait_until_stopped(process.pid)
        new = None
        alone = place == "inside" and store._database.dialect == "sqlite"
        for _ in range(1 if alone else 4):
            try:
                new = store.acquire("two", 110, 10)
                break
            except StoreUnavailable:
                assert place == "inside"
        if alone:
            assert new is None
            process.send_signal(signal.SIGCONT)
            assert process.communicate(timeout=60)[0].split() == ["written"]
            return
        assert new is not None
        with store.transaction(new) as writer:
            writer.append_entry(0, "order", b"new", b"n" * 32)
        process.send_signal(signal.SIGCONT)
        ended = process.communicate(timeout=60)[0].split()
    finally:
        process.kill()
        process.wait()
    assert ended == (["Fenced"] if place == "before" else ["StoreUnavailable"])
    assert [entry.data for entry in store.entries()] == [b"new"]


def wait_until_stopped(pid: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found, status = os.waitpid(pid, os.WUNTRACED | os.WNOHANG)
        if found:
            assert os.WIFSTOPPED(status)
            return
        time.sleep(0.02)
    pytest.fail("the process did not stop")


# --- compare and set -------------------------------------------------------------------------


def test_of_many_witnesses_one_wins_each_step(store: Store, other: Store) -> None:
    """Eight threads of two processes want to cosign different successors of one checkpoint."""
    barrier = Barrier(8)

    def want(number: int) -> list[int]:
        won = []
        for size in range(1, 16):
            barrier.wait()
            root = digest(b"%d %d" % (number, size))
            opened = (store, other)[number % 2]
            if opened.witness_update("log", size - 1, size, root, b"note %d" % number):
                won.append(size)
            barrier.wait()
        return won

    with ThreadPoolExecutor(8) as pool:
        won = sorted(size for sizes in pool.map(want, range(8)) for size in sizes)
    assert won == list(range(1, 16))


def test_peer_entries_that_many_bring_are_there_once(store: Store, other: Store) -> None:
    entries = [b"entry %d" % index for index in range(200)]

    def bring(number: int) -> None:
        for start in range(0, 200, 20):
            (store, other)[number % 2].add_peer_entries("330000", start, entries[start:][:25])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(bring, range(4)))
    assert store.peer_entries("330000") == tuple(entries)


# --- a write whose end nobody saw ------------------------------------------------------------


def test_a_commit_whose_answer_was_lost_takes_effect_once(store: Store) -> None:
    """The connection breaks right after the commit; the same writer is written again."""
    lease = lead(store, "one")
    lost: list[bool] = []

    def lose(connection: sa.Connection) -> None:
        if lost:
            return
        lost.append(True)
        connection.connection.driver_connection.commit()  # type: ignore[union-attr]
        connection.connection.driver_connection.close()  # type: ignore[union-attr]

    writer = store.writer()
    writer.append_entry(0, "order", b"once", digest(b"once"))
    writer.put_order(digest(b"order"), 0, b"order")
    sa.event.listen(store._database._engine, "commit", lose)
    with pytest.raises(StoreUnavailable):
        store.write(lease, writer)
    store.write(lease, writer)
    assert [entry.data for entry in store.entries()] == [b"once"]
