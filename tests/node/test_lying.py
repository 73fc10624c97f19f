"""A member that answers slowly, too much, out of order, with an old or another log, or hides files.

Three regions and two witnesses; what others hear from one of them goes through a liar with
that node's certificate. The others go on meanwhile, its holders are accepted, and it is
admitted again when it stops.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from guosuo.client.errors import NodeFailure
from guosuo.federation import checkpoints, notes
from guosuo.federation.checkpoints import Checkpoint
from guosuo.host.vault import KeyFile
from guosuo_node.app.keys import NodeKeys
from tests.support.citizens import Citizen, Copy, Gate, crossing
from tests.support.federation import Cluster
from tests.support.lying import (
    Lie,
    garbage,
    out_of_order,
    oversized,
    oversized_blobs,
    rolled_back,
    silent,
    slow_stream,
    slowly,
    withheld,
)
from tests.support.truth import Truth
from tests.support.world import REGIONS

pytestmark = [pytest.mark.xdist_group("federation"), pytest.mark.slow]

EPOCH = 14
A, B, C = REGIONS[:3]
MOST_GROWTH = 150 << 20
"""Octets of memory that a node may take more of because of a liar."""


@dataclass
class Stage:
    """A federation that goes on from test to test, honest in between."""

    cluster: Cluster
    copy: Copy
    truth: Truth
    gate: Gate
    travellers: list[Citizen] = field(default_factory=list)

    def cross(self) -> None:
        """A holder of the liar's region and one of another at the third region's gate."""
        for citizen in self.travellers:
            assert crossing(citizen, self.gate).verdict.value == "ACCEPT"

    def admitted(self) -> None:
        """Everybody admits everybody's epoch of after now."""
        epoch = self.cluster.epoch + 1
        for judge in (A, C):
            for region in (A, B, C):
                self.cluster.wait_judged(judge, region, epoch)

    def memory(self, name: str) -> int:
        """Octets of memory that a node has."""
        status = Path(f"/proc/{self.cluster.nodes[name].process.pid}/status").read_text()
        (line,) = [line for line in status.splitlines() if line.startswith("VmRSS")]
        return int(line.split()[1]) << 10


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("lying")
    with Cluster(folder, regions=3, witnesses=2, epoch_seconds=EPOCH, liars=[B]) as cluster:
        cluster.wait_complete()
        # Wallets ask the honest ones only: what they get of B went through the lies.
        copy = Copy(cluster, sources=[A, C])
        made = Stage(cluster, copy, Truth(cluster), Gate(cluster, C))
        for home in (A, B):
            citizen = Citizen(cluster, copy, home)
            citizen.enrol()
            made.travellers.append(citizen)
            made.truth.granted.append(citizen)
        made.cross()
        yield made


def all_slow(_stage: Stage) -> dict[str, Lie]:
    unary = ("GetCheckpoint", "ListEntries", "AddCheckpoint", "GetWitnessed", "SubmitReport")
    streams = {"GetBlobs": slow_stream(30), "Watch": slow_stream(30)}
    return {**{name: slowly(30) for name in unary}, **streams}


def all_oversized(_stage: Stage) -> dict[str, Lie]:
    return {"ListEntries": oversized, "GetBlobs": oversized_blobs}


def all_out_of_order(_stage: Stage) -> dict[str, Lie]:
    return {"ListEntries": out_of_order}


def all_garbage(_stage: Stage) -> dict[str, Lie]:
    names = ("GetCheckpoint", "ListEntries", "AddCheckpoint", "GetWitnessed")
    return {**dict.fromkeys(names, garbage), "Watch": silent, "GetBlobs": silent}


def all_rolled_back(stage: Stage) -> dict[str, Lie]:
    run = stage.cluster.session.run
    note = run(stage.cluster.remote(B).federation.checkpoint(B))
    assert note is not None
    return {"GetCheckpoint": rolled_back(note), "Watch": silent}


def all_withheld(_stage: Stage) -> dict[str, Lie]:
    return {"GetBlobs": withheld}


@pytest.mark.parametrize(
    "lying",
    [
        pytest.param(all_slow, id="slow"),
        pytest.param(all_oversized, id="oversized"),
        pytest.param(all_out_of_order, id="out-of-order"),
        pytest.param(all_garbage, id="garbage"),
        pytest.param(all_rolled_back, id="rolled-back"),
        pytest.param(all_withheld, id="withheld-blobs"),
    ],
)
def test_others_go_on_while_a_member_is(
    stage: Stage, lying: Callable[[Stage], dict[str, Lie]]
) -> None:
    cluster = stage.cluster
    stage.admitted()
    before = {name: stage.memory(name) for name in (A, C)}
    began = cluster.epoch
    liar = cluster.liars[B]
    liar.lies = lying(stage)
    try:
        # Two whole epochs of lies.
        for epoch in (began + 1, began + 2):
            cluster.wait_part(epoch, 40)
            for name in (A, C):
                cluster.wait_for("list-published", [name], seconds=EPOCH, epoch=epoch)
            cluster.wait_part(epoch, 120)
            stage.cross()
        # The honest ones admit each other, and not the liar's epoch.
        cluster.wait_judged(A, C, began + 2)
        cluster.wait_judged(C, A, began + 2)
        for name in (A, C):
            (state,) = [
                s
                for s in cluster.session.run(cluster.remote(name).directory.regions())
                if s.region == B
            ]
            assert state.epoch is not None
            assert state.epoch <= began + 1 or state.judgement.value != "admit"
            assert stage.memory(name) < before[name] + MOST_GROWTH
    finally:
        liar.lies = {}
    stage.admitted()
    stage.cross()
    stage.truth.look()
    stage.truth.check()


def test_a_fork_is_found_proven_and_told_to_all(stage: Stage) -> None:
    """Last of this file: the log of B never recovers from it."""
    cluster = stage.cluster
    stage.admitted()
    run = cluster.session.run
    home = cluster.nodes[B].home
    keys = NodeKeys.load(home.keys, KeyFile(home.key))
    note = run(cluster.remote(A).federation.checkpoint(B))
    assert note is not None
    found = checkpoints.parse_text(notes.parse(note).text)
    other = Checkpoint(found.origin, found.size, b"\1" * 32)
    forged = checkpoints.sign_checkpoint(other, keys.log_key).encode()
    # B's node asks C for a cosignature under another root of the same size.
    with pytest.raises(NodeFailure) as refused:
        run(cluster.peer(B, C).add_checkpoint(forged, found.size, ()))
    assert getattr(refused.value, "reason", "") == "witness-conflict"
    cluster.wait_for("forked", [C], region=B)

    def proven(name: str) -> bool:
        reports = run(cluster.remote(name).federation.reports(B, 0))
        return bool(reports)

    for name in (C, A):
        cluster.wait(lambda name=name: proven(name), 3 * EPOCH, f"{name} has the proof")  # type: ignore[misc]
    # Nothing new of B is admitted; the others and their holders go on.
    epoch = cluster.epoch + 2
    cluster.wait_judged(A, C, epoch)
    cluster.wait_judged(C, A, epoch)
    for name in (A, C):
        states = run(cluster.remote(name).directory.regions())
        (state,) = [s for s in states if s.region == B]
        assert state.epoch is None or state.epoch < epoch or state.judgement.value != "admit"
    now = time.monotonic()
    assert crossing(stage.travellers[0], stage.gate).verdict.value == "ACCEPT"
    assert time.monotonic() - now < EPOCH
