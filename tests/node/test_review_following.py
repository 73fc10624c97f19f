"""Peers that lie, flood, drip or break: what they do stays with their own region."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from guosuo.errors import PeerError, Reason
from guosuo.federation.entries import Board, BucketRef
from guosuo.federation.records import Kind, digest
from guosuo.federation.view import FederationView
from guosuo.scheme import KeyId
from guosuo_node.sync.tail import Tail
from tests.node.review_stage import AWAY, HOME, Paper, Stage, filler, note_of, writer_of
from tests.support.world import World


@pytest.fixture(scope="module")
def world() -> World:
    return World((HOME, AWAY))


@pytest.fixture
def stage(world: World, tmp_path: Path) -> Iterator[Stage]:
    made = Stage(world, tmp_path)
    yield made
    made.store.close()


def test_an_entry_that_no_reader_takes_does_not_stop_a_node_from_starting(
    world: World, stage: Stage
) -> None:
    """A hostile region logs an entry of no kind: every other node has it in its store."""
    writer = writer_of(world, AWAY)
    peer = Paper(world, AWAY, [*filler(writer, 2), b"no entry at all"])
    with pytest.raises(PeerError):
        asyncio.run(stage.follower(peer).take(peer.note(), peer))
    assert stage.records.logs[AWAY].tree.size == 2
    # The process starts again.
    stage.records = stage.fresh()
    asyncio.run(Tail(HOME, stage.records, stage.store, stage.report).catch_up())
    assert AWAY in stage.records.broken
    assert stage.records.logs[AWAY].tree.size == 2
    assert stage.records.logs[AWAY].size == 0


def test_no_checkpoint_is_taken_for_more_than_was_taken_in(world: World, stage: Stage) -> None:
    """Else others are told of entries that are not here."""
    writer = writer_of(world, AWAY)
    entries = filler(writer, 4)
    note = note_of(world, AWAY, entries)
    stage.records.take(AWAY, entries[:2])
    with pytest.raises(PeerError):
        stage.records.publish(AWAY, note)
    assert stage.records.logs[AWAY].size == 0
    stage.records.take(AWAY, entries[2:])
    assert stage.records.publish(AWAY, note)


def test_the_first_checkpoint_is_of_the_tree_that_is_here(world: World, stage: Stage) -> None:
    stage.records.take(AWAY, filler(writer_of(world, AWAY), 4))
    other = [*filler(writer_of(world, AWAY), 3), b"other"]
    with pytest.raises(PeerError):
        stage.records.publish(AWAY, note_of(world, AWAY, other))


def test_a_stand_by_that_reads_between_two_writes_marks_nothing_broken(
    world: World, stage: Stage
) -> None:
    """The note of the store may be newer than the entries that were just read."""
    writer = writer_of(world, AWAY)
    entries = filler(writer, 4)
    stage.store.add_peer_entries(AWAY, 0, entries[:2])
    stage.store.put_peer_note(AWAY, 4, note_of(world, AWAY, entries))
    tail = Tail(HOME, stage.records, stage.store, stage.report)
    asyncio.run(tail.catch_up())
    assert stage.records.broken == {}
    assert stage.records.logs[AWAY].size == 0
    stage.store.add_peer_entries(AWAY, 2, entries[2:])
    asyncio.run(tail.catch_up())
    assert stage.records.logs[AWAY].size == 4


def test_a_log_of_any_length_is_read_without_standing_still(
    world: World, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hostile log can hold a million entries that cost a pairing each to read."""
    append = FederationView.append
    busy = [0, 0]

    def counted(view: FederationView, region: str, data: bytes) -> Kind:
        busy[0] += 1
        busy[1] = max(busy)
        return append(view, region, data)

    async def others() -> None:
        while True:
            busy[0] = 0
            await asyncio.sleep(0)

    monkeypatch.setattr(FederationView, "append", counted)
    peer = Paper(world, AWAY, filler(writer_of(world, AWAY), 100))

    async def scenario() -> None:
        task = asyncio.create_task(others())
        await stage.follower(peer).take(peer.note(), peer)
        stage.records = stage.fresh()
        await Tail(HOME, stage.records, stage.store, stage.report).catch_up()
        task.cancel()

    asyncio.run(scenario())
    assert stage.records.logs[AWAY].size == 100
    assert 1 <= busy[1] <= 8


def test_who_stops_in_the_middle_of_a_long_log_stops(world: World, stage: Stage) -> None:
    """Nothing on the way out turns it into a fault of the peer's, after which one goes on."""
    peer = Paper(world, AWAY, filler(writer_of(world, AWAY), 400))

    async def scenario() -> None:
        task = asyncio.create_task(stage.follower(peer).run())
        while stage.records.logs[AWAY].tree.size == 0:  # noqa: ASYNC110 - as often as it can
            await asyncio.sleep(0)
        assert stage.records.logs[AWAY].tree.size < 400
        task.cancel()
        async with asyncio.timeout(5):
            await asyncio.wait({task})
        assert task.cancelled()

    asyncio.run(scenario())


class Bug(Paper):
    """Whatever it does ends in an exception that nobody thought of."""

    async def checkpoint(self, region: str) -> bytes | None:  # noqa: ARG002 - as Peer has it
        raise LookupError

    async def watch(self, regions: Sequence[str]) -> AsyncGenerator[tuple[str, bytes], None]:
        if regions:
            raise ZeroDivisionError
        yield AWAY, b""


def test_no_exception_on_behalf_of_a_peer_ends_the_following(world: World, stage: Stage) -> None:
    """An exception group of a follower would end the leadership, or the process."""

    async def scenario() -> None:
        task = asyncio.create_task(stage.follower(Bug(world, AWAY)).run())
        await asyncio.sleep(0.1)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
    assert {what for _, what in stage.told} == {"LookupError", "ZeroDivisionError"}


class Flood(Paper):
    """Sends its checkpoint as fast as it is taken."""

    sent = 0

    async def watch(self, _: Sequence[str]) -> AsyncGenerator[tuple[str, bytes], None]:
        note = self.note()
        while True:
            self.sent += 1
            yield self.region, note


def test_a_flood_of_checkpoints_is_taken_in_at_a_pace(world: World, stage: Stage) -> None:
    async def scenario(peer: Flood) -> None:
        follower = stage.follower(peer)
        follower.poll = 2.0
        task = asyncio.create_task(follower._watch())
        await asyncio.sleep(0.5)
        task.cancel()
        await asyncio.wait({task})

    peer = Flood(world, AWAY, filler(writer_of(world, AWAY), 1))
    asyncio.run(scenario(peer))
    assert 1 <= peer.sent <= 6


class Drip(Paper):
    """One entry at a time, each after a while."""

    async def entries(self, region: str, start: int, limit: int = 1000) -> tuple[list[bytes], int]:  # noqa: ARG002 - as Peer has it
        self.asked += 1
        await asyncio.sleep(0.05)
        return self.log[start : start + 1], len(self.log)


def test_whoever_drips_entries_does_not_hold_up_a_region(
    world: World, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Meanwhile nobody else's checkpoint of that region could be taken in."""
    monkeypatch.setattr("guosuo_node.sync.follow._FETCH_SECONDS", 0.1)
    monkeypatch.setattr("guosuo_node.sync.follow._ENTRIES_PER_SECOND", 1000)
    peer = Drip(world, AWAY, filler(writer_of(world, AWAY), 60))
    with pytest.raises(TimeoutError):
        asyncio.run(stage.follower(peer).take(peer.note(), peer))
    assert peer.asked < 10


def test_what_one_checkpoint_may_bring_is_bounded_in_octets(
    world: World, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million entries of 16 kB would be 16 GB in memory before their root is known."""
    monkeypatch.setattr("guosuo_node.sync.follow.MAX_OCTETS", 1000)
    writer = writer_of(world, AWAY)
    peer = Paper(world, AWAY, [writer.append(Kind.ORDER, bytes(400)) for _ in range(9)])
    with pytest.raises(PeerError) as caught:
        asyncio.run(stage.follower(peer).take(peer.note(), peer))
    assert caught.value.reason is Reason.TOO_LONG
    assert stage.store.peer_entry_count(AWAY) == 0


def test_evidence_of_a_fork_outlasts_the_process(world: World, stage: Stage) -> None:
    """Else a region that forked would be admitted again by every node that starts anew."""
    first, second = writer_of(world, AWAY), writer_of(world, AWAY)
    one = Paper(world, AWAY, filler(first, 3))
    other = Paper(world, AWAY, [*filler(second, 2), second.append(Kind.ORDER, b"else")])
    follower = stage.follower(one)
    asyncio.run(follower.take(one.note(), one))
    asyncio.run(follower.take(other.note(), other))
    assert stage.records.logs[AWAY].evidence is not None
    assert len(one.reports) == 1
    stage.records = stage.fresh()
    asyncio.run(Tail(HOME, stage.records, stage.store, stage.report).catch_up())
    assert stage.records.logs[AWAY].evidence is not None
    assert stage.records.forked == {AWAY}


def test_evidence_that_could_not_be_stored_is_stored_later(
    world: World, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk at that moment is no reason to forget it."""
    first, second = writer_of(world, AWAY), writer_of(world, AWAY)
    one = Paper(world, AWAY, filler(first, 3))
    other = Paper(world, AWAY, [*filler(second, 2), second.append(Kind.ORDER, b"else")])
    follower = stage.follower(one)
    asyncio.run(follower.take(one.note(), one))
    with monkeypatch.context() as patched:
        patched.setattr(stage.store, "add_evidence", _away)
        with pytest.raises(TimeoutError):
            asyncio.run(follower.take(other.note(), other))
    asyncio.run(follower.take(other.note(), other))
    assert len(stage.store.evidence()) == 1
    assert len(one.reports) == 1


def test_a_bucket_that_is_larger_than_any_is_not_kept(world: World, stage: Stage) -> None:
    """A board names up to 16,384 of them, and a blob may have 16 MiB: everybody's disk."""
    records = stage.records
    peer = Paper(world, AWAY, list(world.regions[AWAY].entries), dict(world.blobs))
    asyncio.run(stage.follower(peer).take(peer.note(), peer))
    region = records.view.region(AWAY)
    latest = region.latest()
    assert latest is not None
    large = b"x" * (16 * 80 + 1)
    peer.files |= {digest(data): data for data in (large, large[1:])}
    refs = (
        BucketRef(first=0, data=digest(large), proof=None),
        BucketRef(first=16, data=digest(large[1:]), proof=None),
    )
    board = records.blobs.put(Board(buckets=refs).encode())
    key = KeyId(AWAY, latest.id.epoch + 1, 0)
    region.epochs[key] = replace(latest, id=key, entry=replace(latest.entry, board=board))
    asyncio.run(stage.follower(peer).complete(peer))
    assert records.blobs.missing([digest(large), digest(large[1:])]) == [digest(large)]


def _away(*_: object) -> None:
    raise TimeoutError
