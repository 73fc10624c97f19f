"""The node's part of `guosuo bench`: its work is done, and twice the work costs twice as much."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from guosuo.cli.bench_cases import BARE
from guosuo.cli.bench_stage import TINY
from guosuo.curve.entropy import Entropy
from guosuo.curve.selection import get_engine
from guosuo.suite import Suite
from guosuo_node.bench.cases import cases, node_cases
from guosuo_node.bench.stage import EPOCH, HOME, NodeStage

pytestmark = pytest.mark.skipif(not get_engine().native, reason="no native engine is installed")
FEW, MANY = 64, 128
ENTROPY = Entropy(os.urandom)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeStage]:
    folder = tmp_path_factory.mktemp("few") / "stage"
    with NodeStage(Suite.sha256(), FEW, 1, ENTROPY, folder) as made:
        yield made


def test_every_case_does_its_work_again_and_again(stage: NodeStage) -> None:
    for case in node_cases(stage, 1, 3) * 2:
        assert case.prepare()() is not False, case.key
        assert case.of == BARE
    # What was measured is what a node does: epochs in the log, people in the store.
    assert stage.latest >= EPOCH + 3
    assert len(stage.counter_slots) == 6
    assert (
        len(
            stage.counter_site.store.load_issuer_state(
                stage.federation,
                stage.counter_site.name,
                stage.counter_site.keys.root_key,
                stage.counter_site.keys.log_key,
            ).slots
        )
        == 6
    )


def test_what_is_published_is_cosigned_and_on_the_disk(stage: NodeStage) -> None:
    stage.grow()
    assert stage.publish()
    log = stage.leader.records.logs[HOME]
    assert log.size == log.tree.size == stage.home.store.entry_count()
    stored = stage.home.store.checkpoint(published=True)
    assert stored is not None
    assert stored.size == log.size
    assert len(stored.cosignatures.splitlines()) >= stage.federation.cosignatures == 3
    assert (stage.home.folder / "public" / HOME / "checkpoint").read_bytes() == log.note()


def test_a_reader_that_finds_a_fault_is_no_measurement(stage: NodeStage) -> None:
    audit = next(case for case in node_cases(stage, 1, 1) if case.key == "node.audit")
    work = audit.prepare()
    published = stage.leader.records.view.region(HOME).latest()
    assert published is not None
    blob = stage.home.records.blobs.path(published.entry.board)
    kept = blob.read_bytes()
    blob.unlink()
    assert work() is False
    blob.write_bytes(kept)
    assert stage.read()


def test_twice_the_slots_cost_about_twice_as_much(stage: NodeStage, tmp_path: Path) -> None:
    with NodeStage(Suite.sha256(), MANY, 1, ENTROPY, tmp_path / "many") as many:
        few_cases = {case.key: case for case in node_cases(stage, 1, 1)}
        for case in node_cases(many, 1, 1):
            if case.key not in {"node.renew.one", "node.audit"}:
                continue
            few, double = quickest(few_cases[case.key].prepare), quickest(case.prepare)
            # Loose: whatever else this machine does adds to both.
            assert 1.2 < double / few < 3.4, (case.key, few, double)


def quickest(prepare: Callable[[], Callable[[], object]]) -> float:
    """Processor time of the quickest of some runs, in seconds."""
    found = []
    for _ in range(5):
        work = prepare()
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found)


def test_other_engines_have_no_node() -> None:
    with cases(get_engine("py_ecc"), TINY, ENTROPY) as found:
        assert found == []


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with cases(get_engine(), TINY, ENTROPY) as found:
        assert found
        assert list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())
