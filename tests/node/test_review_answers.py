"""What anybody may ask of a node, or hand to it, and what that costs whom."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from guosuo.errors import PeerError
from guosuo.evidence.person import Identified
from guosuo.federation import merkle
from guosuo.federation.entries import Board, BucketRef, ListEntry
from guosuo.federation.forks import Equivocation
from guosuo.federation.records import Kind
from guosuo.federation.witness import Witness
from guosuo.roles.enrolment import Answer
from guosuo.roles.officer import Officer, SlotsQuery, organisation_of
from guosuo_node.adapter.desk import Desk
from guosuo_node.adapter.interface import Evidence
from guosuo_node.app.answers import DirectoryAnswers, FederationAnswers
from guosuo_node.app.counter import Counter
from guosuo_node.app.faults import ServiceError
from guosuo_node.app.housekeeping import old_blobs
from guosuo_node.app.services import BundlePlace, Enrolling
from guosuo_node.app.witnessing import WitnessDesk
from tests.node.review_stage import (
    AWAY,
    HOME,
    WITNESS,
    Paper,
    Stage,
    filler,
    note_of,
    writer_of,
)
from tests.support.world import World, fact, seeded


@pytest.fixture(scope="module")
def world() -> World:
    return World((HOME, AWAY))


@pytest.fixture
def stage(world: World, tmp_path: Path) -> Iterator[Stage]:
    made = Stage(world, tmp_path)
    made.found()
    yield made
    made.store.close()


def _federation(stage: Stage) -> FederationAnswers:
    return FederationAnswers(stage.records, stage.store, None, stage.clock)


def _directory(stage: Stage) -> DirectoryAnswers:
    return DirectoryAnswers(HOME, stage.records, lambda: None, stage.clock)


def _evidence(world: World, number: int) -> Equivocation:
    """Of a log whose owner makes as many as he likes."""
    size = 1 + number
    first = filler(writer_of(world, AWAY), size)
    second = [*first[:-1], b"other"]
    return Equivocation(first=note_of(world, AWAY, first), second=note_of(world, AWAY, second))


# --- evidence ------------------------------------------------------------------------------


def test_one_proof_of_a_fork_is_kept_and_not_a_million(world: World, stage: Stage) -> None:
    """Who has a log's key could fill everybody's disk with proofs against himself."""
    answers = _federation(stage)
    for number in range(3):
        asyncio.run(answers.submit_report("peer", _evidence(world, number).encode()))
    assert len(stage.store.evidence()) == 1
    assert stage.records.forked == {AWAY}


def test_evidence_that_proves_nothing_convicts_nobody(world: World, stage: Stage) -> None:
    note = note_of(world, AWAY, filler(writer_of(world, AWAY), 2))
    same = Equivocation(first=note, second=note)
    with pytest.raises(PeerError):
        asyncio.run(_federation(stage).submit_report("peer", same.encode()))
    assert stage.records.forked == set()
    assert stage.store.evidence() == ()


def test_evidence_handed_over_tells_the_judge(world: World, stage: Stage) -> None:
    """Not only what this node's own followers meet."""
    records = stage.records
    records.take(AWAY, world.regions[AWAY].entries)
    stage.records.blobs.folder.mkdir(parents=True)
    for data in world.blobs.values():
        records.blobs.put(data)
    asyncio.run(records.audit(AWAY))
    judge = records.auditor.judge
    newest = judge.newest(AWAY)
    assert newest is not None
    asyncio.run(_federation(stage).submit_report("peer", _evidence(world, 1).encode()))
    assert judge._facts[AWAY].forks == {0: newest}


def test_a_witness_keeps_one_proof_of_a_log(world: World, stage: Stage) -> None:
    found: list[str] = []
    desk = WitnessDesk(
        world.federation,
        Witness("alpha", WITNESS),
        stage.store,
        stage.clock,
        lambda region, _: found.append(region),
    )

    async def scenario() -> None:
        log = filler(writer_of(world, AWAY), 3)
        await desk.add_checkpoint(note_of(world, AWAY, log), 0, ())
        for other in (b"one", b"two", b"three"):
            with pytest.raises(ServiceError):
                await desk.add_checkpoint(note_of(world, AWAY, [*log[:-1], other]), 3, ())

    asyncio.run(scenario())
    assert found == [AWAY]
    assert len(stage.store.evidence()) == 1


# --- bundles -------------------------------------------------------------------------------


def _bundles(stage: Stage, region: str) -> list[BundlePlace]:
    found = asyncio.run(_directory(stage).bundles(stage.world.epoch))
    return [place for place in found if place.region == region]


def test_nobody_else_s_log_says_where_a_region_s_list_stands(world: World, stage: Stage) -> None:
    """A hostile log names the parts of others in entries of its own, which are void."""
    hostile, honest = sorted(stage.records.logs)
    view = world.view.region(honest)
    stage.records.take(honest, world.regions[honest].entries)
    writer = writer_of(world, hostile)
    stage.records.take(
        hostile,
        [
            writer.append(Kind.LIST, ListEntry(part=part, keys=bytes(32), lowest=None).encode())
            for part in view.parts
        ],
    )
    places = _bundles(stage, honest)
    assert places
    for place in places:
        entry = stage.records.view.region(honest).entries[place.list_index]
        assert place.blobs[0] in entry


def test_no_region_s_policies_leave_others_without_room(
    world: World, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wallets take at most 4096 bundles, and nodes send at most 5 MiB."""
    for region in (HOME, AWAY):
        stage.records.take(region, world.regions[region].entries)
    view = stage.records.view.region(HOME)
    (only,) = view.policies.values()
    for version in range(2, 60):
        part = replace(only.part, version=version)
        view.policies[only.part.policy, version] = replace(only, part=part)
    monkeypatch.setattr("guosuo_node.app.answers.MAX_BUNDLES", 20)
    assert len(_bundles(stage, HOME)) == 10
    assert len(_bundles(stage, AWAY)) == 1


# --- blobs ---------------------------------------------------------------------------------


def test_a_board_that_names_others_files_as_its_buckets_deletes_none_of_them(
    world: World, stage: Stage
) -> None:
    """A hostile region's old board would have had every node delete what stays for ever."""
    records = stage.records
    for region in (HOME, AWAY):
        records.take(region, world.regions[region].entries)
    for data in world.blobs.values():
        records.blobs.put(data)
    honest = records.view.region(HOME)
    latest = honest.latest()
    assert latest is not None
    (policy,) = honest.policies.values()
    listed = next(iter(honest.lists.values()))
    targets = (
        latest.entry.allotment,
        latest.entry.status,
        latest.entry.board,
        listed.keys,
        policy.part.document,
        policy.part.table,
    )
    refs = [BucketRef(first=16 * i, data=name, proof=None) for i, name in enumerate(targets)]
    junk = records.blobs.put(b"a bucket of its own")
    refs.append(BucketRef(first=1600, data=junk, proof=None))
    board = records.blobs.put(Board(buckets=tuple(refs)).encode())
    hostile = records.view.region(AWAY)
    key, published = next(iter(hostile.epochs.items()))
    hostile.epochs[key] = replace(published, entry=replace(published.entry, board=board))
    assert old_blobs(records, world.epoch + 1000) == [junk]


# --- the counter ---------------------------------------------------------------------------


class Nobody:
    """An adapter that counts how often it is asked."""

    asked = 0

    async def identify(self, identification: str, *, now: int) -> Identified:  # noqa: ARG002 - as Adapter has it
        self.asked += 1
        raise LookupError

    async def evidence(self, identified: Identified, reference: bytes, *, now: int) -> Evidence:  # noqa: ARG002 - as Adapter has it
        raise LookupError

    async def close(self) -> None:
        return


def test_a_request_without_an_offer_asks_no_system_and_writes_nothing(
    world: World, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody can send them, with other people's names."""
    leader = stage.lead()
    adapter = Nobody()
    counter = Counter(Desk(adapter), lambda: leader, stage.clock)
    offer = world.regions[HOME].issuer.offer(world.now, world.entropy)
    proven = fact(event_time=world.now - 3600)
    request = world.wallet().request(HOME, offer, proven, world.now, world.entropy)
    written: list[object] = []
    monkeypatch.setattr(stage.store, "write", lambda *a: written.append(a))
    data = asyncio.run(
        counter.enrol(Enrolling(request=request.encode(), evidence=b"x", identification="somebody"))
    )
    answer = Answer.decode(data)
    assert answer.grant is None
    assert answer.refusal is not None
    assert adapter.asked == 0
    assert written == []


def test_a_query_is_answered_once_to_the_last_second(world: World, stage: Stage) -> None:
    leader = stage.lead()
    counter = Counter(Desk(Nobody()), lambda: leader, stage.clock)
    officer = Officer(world.federation, organisation_of(HOME), world.offices[HOME])
    query = officer.query("somebody", now=int(stage.now), entropy=seeded(1)).encode()

    async def scenario() -> None:
        with pytest.raises(ServiceError):
            await counter.find_slots(query)
        stage.now += SlotsQuery.FRESH
        with pytest.raises(PeerError) as caught:
            await counter.find_slots(query)
        assert caught.value.hint == "a question that was asked before"

    asyncio.run(scenario())


def test_proofs_of_trees_are_never_beyond_what_is_here(world: World, stage: Stage) -> None:
    """As a check of the stage: consistency of what was published."""
    entries = filler(writer_of(world, AWAY), 5)
    stage.records.take(AWAY, entries)
    assert stage.records.publish(AWAY, note_of(world, AWAY, entries[:3]))
    peer = Paper(world, AWAY, entries)
    asyncio.run(stage.follower(peer).take(peer.note(), peer))
    log = stage.records.logs[AWAY]
    proof = asyncio.run(_federation(stage).consistency(AWAY, 3, 5))
    merkle.verify_consistency(3, 5, log.tree.root(3), log.tree.root(5), proof)
