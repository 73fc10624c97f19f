"""Leading under cancelled callers, full disks and files with names in any script."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path

import pytest

from guosuo.federation.facts import Fact
from guosuo.federation.records import Append, Kind
from guosuo.policy.simple import simple_policy
from guosuo.policy.written import to_json
from guosuo_node.app.ending import to_the_end
from guosuo_node.app.gatehouse import Gatehouse
from guosuo_node.app.housekeeping import settle
from guosuo_node.app.node import Node
from guosuo_node.store.errors import StoreFull
from guosuo_node.store.rows import Lease
from guosuo_node.store.writer import Writer
from tests.node.review_stage import AWAY, HOME, Stage
from tests.support.world import POLICY, TESTS_72_H, World, seeded


@pytest.fixture(scope="module")
def world() -> World:
    return World((HOME, AWAY))


@pytest.fixture
def stage(world: World, tmp_path: Path) -> Iterator[Stage]:
    made = Stage(world, tmp_path)
    made.found()
    yield made
    made.store.close()


def test_what_must_not_be_left_behind_is_waited_for() -> None:
    done: list[str] = []

    async def slow() -> None:
        await asyncio.sleep(0.05)
        done.append("work")

    async def scenario() -> None:
        task = asyncio.create_task(to_the_end(slow()))
        await asyncio.sleep(0.01)
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert done == ["work"]

    asyncio.run(scenario())


def test_a_caller_that_goes_away_does_not_end_the_leadership(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that closes its call while its change is written lets nobody in before it is.

    Otherwise the next change begins where the first one has not ended, signs another entry
    for the same place, cannot write it, and the leadership is over: anybody could do that.
    """
    leader = stage.lead()
    begun, go = threading.Event(), threading.Event()
    write = stage.store.write

    def slowly(held: Lease, writer: Writer) -> None:
        begun.set()
        assert go.wait(10)
        write(held, writer)

    async def change(body: bytes) -> None:
        async with leader.lock:
            await leader.commit([Append(Kind.ORDER, body)])

    async def scenario() -> None:
        monkeypatch.setattr(stage.store, "write", slowly)
        first = asyncio.create_task(change(b"one"))
        await asyncio.to_thread(begun.wait, 10)
        first.cancel()
        second = asyncio.create_task(change(b"two"))
        await asyncio.sleep(0.05)
        go.set()
        await asyncio.wait({first, second})
        assert first.cancelled()
        await second

    asyncio.run(scenario())
    assert not leader.lost
    assert leader.writer.index == 2
    assert stage.store.entry_count() == 2
    assert len(stage.records.view.region(HOME).entries) == 2


def test_an_audit_is_waited_for_and_tells_the_judge_on_the_loop(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two audits of one region at once could refuse it for good."""
    judge = stage.records.auditor.judge
    threads: list[int] = []
    fact = next(iter(stage.world.auditor.judge._facts[AWAY].findings.values()))
    learn = judge.learn
    ended = threading.Event()

    def follow(_region: str, _fetch: object, tell: Callable[[Fact], None]) -> None:
        threading.Event().wait(0.1)
        tell(fact)
        ended.set()

    def told(found: Fact) -> None:
        threads.append(threading.get_ident())
        learn(found)

    monkeypatch.setattr(stage.records.auditor, "follow", follow)
    monkeypatch.setattr(judge, "learn", told)

    async def scenario() -> None:
        task = asyncio.create_task(stage.records.audit(AWAY))
        await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.wait({task})
        assert ended.is_set()

    asyncio.run(scenario())
    assert threads == [threading.get_ident()]
    assert judge.newest(AWAY) == fact.key.epoch


def test_audits_leave_threads_for_the_store(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """All regions publish at one time; whoever leads has to renew his lease meanwhile."""
    running, most = [0], [0]

    def follow(*_: object) -> None:
        running[0] += 1
        most[0] = max(most[0], running[0])
        threading.Event().wait(0.05)
        running[0] -= 1

    monkeypatch.setattr(stage.records.auditor, "follow", follow)

    async def scenario() -> None:
        await asyncio.gather(*(stage.records.audit(AWAY, in_turn=True) for _ in range(6)))

    asyncio.run(scenario())
    assert 1 <= most[0] <= 2


def test_a_region_is_not_forgotten_while_it_is_audited(stage: Stage) -> None:
    records = stage.records

    async def scenario() -> None:
        async with records.locks[AWAY]:
            settle(records, 200)
        assert records.auditor.regions[AWAY].judged_before == 0
        assert records.auditor.regions[HOME].judged_before > 0
        settle(records, 200)
        assert records.auditor.regions[AWAY].judged_before > 0

    asyncio.run(scenario())


class Told:
    """What a node tells its log, as strictly as the log."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, object]]] = []

    def __call__(self, event: str, **fields: object) -> None:
        for value in fields.values():
            assert not isinstance(value, str) or value.isascii()
        self.events.append((event, fields))

    def names(self) -> list[str]:
        return [event for event, _ in self.events]


def _node(stage: Stage, told: Told) -> Node:
    folder = stage.folder
    for name in ("policies", "requests"):
        (folder / name).mkdir(exist_ok=True)
    return Node(
        federation=stage.world.federation,
        keys=stage.keys,
        store=stage.store,
        public=folder / "public",
        policies=folder / "policies",
        register=folder / "checkpoints.json",
        requests=folder / "requests",
        nodes={},
        witnesses={},
        desk=None,
        entropy=seeded(12),
        now=stage.clock,
        tell=told,
        holder="one",
        workers=1,
    )


async def _until(node: Node, holds: Callable[[], bool], seconds: float = 60) -> None:
    """Run a node until something holds; it must not end by itself."""
    task = asyncio.create_task(node.run())
    try:
        async with asyncio.timeout(seconds):
            while not holds():
                assert not task.done()
                await asyncio.sleep(0.02)
    finally:
        task.cancel()
        await asyncio.wait({task})


def test_a_full_disk_is_waited_out_and_chinese_names_of_files_do_no_harm(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told()
    node = _node(stage, told)
    node.keys = replace(stage.keys)
    (stage.folder / "policies" / "入境政策.json").write_text(json.dumps({"region": HOME}))
    acquire, full = stage.store.acquire, [1, 1]

    def sometimes(holder: str, now: int, seconds: int) -> Lease | None:
        if full:
            full.pop()
            raise StoreFull("SQLITE_FULL")
        return acquire(holder, now, seconds)

    monkeypatch.setattr(stage.store, "acquire", sometimes)
    monkeypatch.setattr(Node, "patience", 0.05)

    def complained() -> bool:
        return any(fields.get("peer", "") == "????.json" for _, fields in told.events)

    asyncio.run(_until(node, complained))
    assert ("trouble", {"peer": "store", "reason": "store-full"}) in told.events
    assert "ready" in told.names()
    assert "leading-ended" not in told.names()


def test_a_worker_that_was_killed_ends_the_leadership_only(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a system that is out of memory: the next leadership has a new pool."""
    told = Told()
    node = _node(stage, told)
    broken = [1]

    async def turn(*_: object) -> None:
        if broken:
            broken.pop()
            raise BrokenProcessPool

    monkeypatch.setattr("guosuo_node.app.turns.Turns.step", turn)
    monkeypatch.setattr(Node, "patience", 0.05)
    asyncio.run(_until(node, lambda: told.names().count("ready") == 2))
    assert ("leading-ended", {"reason": "BrokenProcessPool"}) in told.events


def test_a_node_whose_own_entries_are_damaged_does_not_lead(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would sign other entries for places that it cannot read."""
    lease = stage.store.acquire("before", int(stage.now), 1)
    assert lease is not None
    with stage.store.transaction(lease) as writer:
        writer.append_entry(0, "order", b"damaged", bytes(32))
    stage.store.release(lease)
    told = Told()
    node = _node(stage, told)
    monkeypatch.setattr(Node, "patience", 0.05)
    asyncio.run(_until(node, lambda: "leading-ended" in told.names()))
    assert "leading" not in told.names()
    assert ("leading-ended", {"reason": "state"}) in told.events
    assert any(fields.get("peer") == HOME for _, fields in told.events)


def test_a_policy_that_came_before_its_turn_is_published_in_its_turn(stage: Stage) -> None:
    """Version 10 sorts before version 9: it was refused, and never looked at again."""
    leader = stage.lead()
    folder = stage.folder / "policies"
    folder.mkdir()
    for version in (1, 2):
        document = simple_policy(
            TESTS_72_H,
            region=HOME,
            policy=POLICY,
            version=version,
            not_before=stage.world.now,
            not_after=stage.world.now + 86_400,
        )
        (folder / f"{9 - version}.json").write_bytes(to_json(document).encode())
    gatehouse = Gatehouse(leader, folder, stage.folder / "none.json", stage.report)

    async def scenario() -> None:
        for _ in range(3):
            await gatehouse.look()

    asyncio.run(scenario())
    assert leader.gate.state.policies == {POLICY: 2}
    assert [what for _, what in stage.told] == ["policy"]
