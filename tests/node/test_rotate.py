"""Stolen keys are replaced by the process that leads, whenever it is interrupted."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from guosuo.errors import CallerError, PeerError, Reason
from guosuo.federation.charter import Environment
from guosuo.federation.judge import Ruling
from guosuo.roles.holding import Refreshed
from guosuo.scheme import KeyId
from guosuo_node.app import requests
from guosuo_node.app.cutting import PENDING, Cutting, Pending
from guosuo_node.app.leader import Leader
from guosuo_node.app.requests import Requests
from tests.support.home import EPOCH, REGION, ZERO, Leading, Workers
from tests.support.world import seeded


@pytest.fixture
def node(tmp_path: Path) -> Leading:
    return Leading.found(tmp_path, seeded(5))


def cutting(node: Leading, leader: Leader, workers: Workers) -> Cutting:
    return Cutting(leader, workers, node.tell)  # type: ignore[arg-type] # builds likewise


def test_a_cut_signs_everybody_again_and_nobody_enrols_anew(node: Leading) -> None:
    async def main() -> None:
        leader, turns, workers = node.lead()
        await node.ready(leader)
        await turns.turn(0)
        wallet, held = await node.enrol(leader)
        await turns.turn(1)
        node.now = ZERO + EPOCH + 10
        name = await cutting(node, leader, workers).cut(before_too=False)
        assert name == KeyId(REGION, 1, 1)
        judge = leader.records.auditor.judge
        assert judge.judged(REGION, 1).ruling is Ruling.ADMIT
        assert judge.cuts(REGION) == {KeyId(REGION, 1, 0): name}
        assert KeyId(REGION, 1, 0) not in leader.issuer.state.keys
        published = leader.records.view.region(REGION).epochs[name]
        fetch = leader.records.blobs.get
        assert wallet.refresh(REGION, held.slot, published, fetch) is Refreshed.RENEWED
        assert leader.store.meta(PENDING) == b""

    asyncio.run(main())


def test_a_wide_cut_takes_the_keys_of_two_epochs_and_of_the_next_one(node: Leading) -> None:
    async def main() -> None:
        leader, turns, workers = node.lead()
        await node.ready(leader)
        for epoch in (0, 1, 2):
            await turns.turn(epoch)
        # Epoch 2 is logged ahead of its time: the thief has its key, too.
        node.now = ZERO + 2 * EPOCH - 10
        name = await cutting(node, leader, workers).cut(before_too=True)
        assert name == KeyId(REGION, 2, 1)
        judge = leader.records.auditor.judge
        assert judge.burnt() == {KeyId(REGION, epoch, 0) for epoch in (0, 1, 2)}

    asyncio.run(main())


def test_after_a_narrow_cut_the_older_key_goes_on(node: Leading) -> None:
    async def main() -> None:
        leader, turns, workers = node.lead()
        await node.ready(leader)
        for epoch in (0, 1):
            await turns.turn(epoch)
        node.now = ZERO + EPOCH + 10
        await cutting(node, leader, workers).cut(before_too=False)
        assert leader.records.auditor.judge.burnt() == {KeyId(REGION, 1, 0)}
        listed = leader.records.auditor.listing(1).of(REGION)
        assert listed == (KeyId(REGION, 0, 0), KeyId(REGION, 1, 1))

    asyncio.run(main())


def test_an_interrupted_cut_is_finished_under_the_key_that_was_drawn(node: Leading) -> None:
    async def main() -> None:
        leader, turns, workers = node.lead()
        await node.ready(leader)
        await turns.turn(0)
        await node.enrol(leader)
        workers.failing = True
        with pytest.raises(OSError, match="killed"):
            await cutting(node, leader, workers).cut(before_too=False)
        data = leader.store.meta(PENDING)
        assert data
        assert Pending.decode(REGION, data).name == KeyId(REGION, 0, 1)
        drawn = leader.issuer.state.keys[KeyId(REGION, 0, 1)].secret
        leader.store.close()
        # The next process, or this one after kill -9.
        leader, turns, workers = node.lead()
        await node.ready(leader)
        await cutting(node, leader, workers).resume()
        assert leader.issuer.state.keys[KeyId(REGION, 0, 1)].secret == drawn
        assert leader.records.auditor.judge.cuts(REGION) == {
            KeyId(REGION, 0, 0): KeyId(REGION, 0, 1)
        }
        # Once more does nothing.
        size = leader.records.logs[REGION].tree.size
        await cutting(node, leader, workers).resume()
        assert leader.records.logs[REGION].tree.size == size

    asyncio.run(main())


def test_a_cut_that_the_next_epoch_overtook_is_not_finished(node: Leading) -> None:
    async def main() -> None:
        leader, turns, workers = node.lead()
        await node.ready(leader)
        await turns.turn(0)
        await node.enrol(leader)
        workers.failing = True
        with pytest.raises(OSError, match="killed"):
            await cutting(node, leader, workers).cut(before_too=False)
        workers.failing = False
        await turns.turn(1)
        size = leader.records.logs[REGION].tree.size
        await cutting(node, leader, workers).resume()
        assert leader.records.logs[REGION].tree.size == size

    asyncio.run(main())


def test_what_cannot_be_cut_is_refused_in_words(node: Leading) -> None:
    async def main() -> None:
        leader, turns, workers = node.lead()
        await node.ready(leader)
        with pytest.raises(CallerError, match="no epoch is logged"):
            await cutting(node, leader, workers).cut(before_too=False)
        await turns.turn(0)
        for _ in range(2):
            await cutting(node, leader, workers).cut(before_too=False)
        with pytest.raises(CallerError, match="replaced already"):
            await cutting(node, leader, workers).cut(before_too=False)
        assert not leader.lost

    asyncio.run(main())


@pytest.mark.parametrize("data", [b"\x00", b"\x83\x00\x01\x81\x01", b"\x80"])
def test_nonsense_in_the_store_is_refused(data: bytes) -> None:
    with pytest.raises(PeerError):
        Pending.decode(REGION, data)


# --- requests ---------------------------------------------------------------------------


def look(node: Leading, leader: Leader, works: dict) -> None:
    asyncio.run(Requests(leader, node.home.requests, works, node.tell).look())


def test_a_request_is_done_once_and_answered(node: Leading) -> None:
    leader, _, _ = node.lead()
    done = []

    async def work() -> dict[str, int]:
        done.append(1)
        return {"epoch": 7}

    answer = requests.ask(node.home.requests, "0123456789abcdef", "turn-epoch")
    assert requests.answered(answer) is None
    assert answer.with_suffix(".request").stat().st_mode & 0o777 == 0o600
    for _ in range(2):
        look(node, leader, {"turn-epoch": work})
    assert done == [1]
    assert requests.answered(answer) == {"ok": True, "epoch": 7}
    requests.withdraw(answer)
    assert list(node.home.requests.iterdir()) == []


@pytest.mark.parametrize(
    "data", [b"", b"[]", b'{"do": 1}', b'{"do": "reboot"}', b"\xff", b" " * 2000]
)
def test_other_requests_are_refused_and_the_node_goes_on(node: Leading, data: bytes) -> None:
    leader, _, _ = node.lead()
    (node.home.requests / "0123456789abcdef.request").write_bytes(data)
    (node.home.requests / "notes.request").write_bytes(data)
    look(node, leader, {})
    answer = json.loads((node.home.requests / "0123456789abcdef.answer").read_text())
    assert answer["ok"] is False
    assert sorted(path.name for path in node.home.requests.iterdir()) == [
        "0123456789abcdef.answer",
        "notes.request",
    ]


def test_what_was_interrupted_is_not_done_again_by_the_next_leader(node: Leading) -> None:
    leader, _, _ = node.lead()

    async def work() -> dict[str, int]:
        leader.lost = True
        raise CallerError(Reason.STATE)

    answer = requests.ask(node.home.requests, "0123456789abcdef", "cut")
    with pytest.raises(CallerError):
        look(node, leader, {"cut": work})
    assert not answer.with_suffix(".request").exists()
    assert not answer.exists()


def test_answers_that_nobody_waited_for_do_not_pile_up(node: Leading) -> None:
    old = node.home.requests / "00000000000000aa.answer"
    new = node.home.requests / "00000000000000bb.answer"
    for path in (old, new):
        path.write_text("{}")
    os.utime(old, (1, 1))
    requests.withdraw(requests.ask(node.home.requests, "0123456789abcdef", "cut"))
    assert list(node.home.requests.iterdir()) == [new]


def test_the_next_epoch_is_turned_early_once(node: Leading) -> None:
    async def main() -> None:
        leader, turns, _ = node.lead()
        await node.ready(leader)
        await turns.turn(0)
        assert await turns.turn_early() == 1
        with pytest.raises(CallerError, match="turned already"):
            await turns.turn_early()
        # Whoever comes at the same time signs no second entry of a number.
        await asyncio.gather(turns.turn(2), turns.turn(2))
        epochs = leader.records.view.region(REGION).epochs
        assert [key.epoch for key in epochs] == [0, 1, 2]
        assert leader.records.view.region(REGION).void == []

    asyncio.run(main())


def test_no_epoch_is_turned_early_in_production(tmp_path: Path) -> None:
    node = Leading.found(tmp_path, seeded(6), Environment.PRODUCTION)
    _, turns, _ = node.lead()
    with pytest.raises(CallerError, match="test federations only"):
        asyncio.run(turns.turn_early())
