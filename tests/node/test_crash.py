"""A node dies as by `kill -9`, at random moments and at every named persistence point.

After each restart: nothing that was acknowledged is lost, no slot is allotted twice, the log
has one history, and the others go on with it. Two regions and two stand-alone witnesses:
the smallest federation in which three of four witnesses suffice.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from guosuo.client.errors import NodeError, NodeFailure
from guosuo.errors import CallerError
from guosuo.federation.entries import Action
from guosuo.roles.enrolment import Answer
from guosuo_node.app.points import CRASH_AT, Point
from tests.support.citizens import Citizen, Copy
from tests.support.federation import WITNESSES, Cluster
from tests.support.truth import Truth
from tests.support.world import REGIONS

pytestmark = pytest.mark.xdist_group("federation")

EPOCH = 10
A, B = REGIONS[:2]


@dataclass
class Stage:
    """A federation that goes on from test to test; everybody runs in between."""

    cluster: Cluster
    copy: Copy
    truth: Truth
    unanswered: Citizen | None = field(default=None)
    """Whose request may or may not have been granted."""
    suspended: list[Citizen] = field(default_factory=list)

    def enrol(self, region: str = A) -> None:
        """Somebody enrols; an answer that came is a promise."""
        citizen = Citizen(self.cluster, self.copy, region)
        try:
            citizen.apply()
        except NodeFailure:
            self.unanswered = citizen if citizen.request is not None else None
            raise
        assert Answer.decode(citizen.answer).grant is not None
        self.truth.granted.append(citizen)

    def enrols(self) -> bool:
        """Whether somebody could enrol; a node that is not there yet says so."""
        try:
            self.enrol()
        except NodeError as error:
            if error.reason not in {"busy", "not-leader", "recovering"}:
                raise
            return False
        return True

    def order(self) -> None:
        """Somebody of A who holds a slot is suspended; an answer is a promise."""
        if not self.truth.granted or self.truth.granted[-1] in self.suspended:
            self.enrol()
        citizen = self.truth.granted[-1]
        self.conclude(citizen)
        self.suspended.append(citizen)
        slots = [slot for _, slot in citizen.slots]
        self.cluster.order(A, Action.SUSPEND, slots)
        self.truth.ordered.update((A, slot) for slot in slots)

    def conclude(self, citizen: Citizen) -> None:
        """The wallet takes its grant, if it has not yet."""
        if not citizen.slots:
            citizen.conclude()

    def settle(self, name: str, before: int) -> None:
        """After a restart: promises hold, the log goes on, all have one history of it."""
        cluster, truth = self.cluster, self.truth
        if name in cluster.regions:
            cluster.wait_for("ready", [name])
            if self.unanswered is not None:
                self.unanswered.ask()
                assert Answer.decode(self.unanswered.answer).grant is not None
                truth.granted.append(self.unanswered)
        self.unanswered = None
        # A node that was away when the epoch began turns it first.
        cluster.wait(self.enrols, 2 * EPOCH, "somebody enrols")
        self.order()

        # Others get all that the store had, and the order behind it.
        def grown() -> bool:
            truth.look()
            return len(truth.entries[A]) >= before and truth.ordered_slots() <= truth.suspended(A)

        cluster.wait(grown, 3 * EPOCH, f"others have {before} entries of {A} and every order")
        for citizen in truth.granted:
            self.conclude(citizen)
        truth.ask_again()
        truth.check()
        self.copy.refresh()
        assert not any(news.fork for news in self._follow())

    def converged(self) -> None:
        """Each admits an epoch of the other that began after now."""
        epoch = self.cluster.epoch + 1
        self.cluster.wait_judged(B, A, epoch)
        self.cluster.wait_judged(A, B, epoch)

    def _follow(self) -> tuple:
        return self.cluster.session.run(self.copy.mirror.follow(int(time.time())))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("crash")
    with Cluster(folder, regions=2, witnesses=2, epoch_seconds=EPOCH, people=400) as cluster:
        cluster.wait_complete()
        yield Stage(cluster, Copy(cluster), Truth(cluster))


def die(stage: Stage, name: str, point: Point, times: int, drive: Callable[[], None]) -> None:
    """Start a node armed, and drive it until it dies there."""
    node = stage.cluster.nodes[name]
    node.kill()
    node.start(**{CRASH_AT: f"{point.value}:{times}"})
    node.expected = False
    end = time.monotonic() + 4 * EPOCH
    while node.process.is_running:
        assert time.monotonic() < end, f"{name} never got to {point}"
        if stage.unanswered is None:
            try:
                drive()
            except (NodeFailure, CallerError):
                time.sleep(0.2)
        else:
            time.sleep(0.1)
    node.dies(1)


def nothing() -> None:
    """Time brings it there."""
    time.sleep(0.1)


FIRST = {
    Point.AFTER_SIGN_BEFORE_PERSIST: 1,
    Point.AFTER_KEY_DRAWN: 1,
    Point.AFTER_BLOBS_BEFORE_SIGN: 1,
    Point.AFTER_BUCKETS_BEFORE_ENTRY: 1,
    Point.AFTER_ENTRY_BEFORE_CHECKPOINT: 1,
    Point.AFTER_CHECKPOINT_PERSIST_BEFORE_COSIGN: 1,
    Point.AFTER_COSIGN_BEFORE_PERSIST: 1,
    Point.BETWEEN_TILES_AND_CHECKPOINT: 2,  # at the start it writes what was published before
    Point.AFTER_WITNESS_PERSIST_BEFORE_REPLY: 2,
    Point.AFTER_GRANT_PERSIST_BEFORE_ANSWER: 1,
    Point.AFTER_ORDER_PERSIST_BEFORE_ANSWER: 1,
}
"""Those of every run, and which time; the others are slow."""
OTHERS = {
    Point.AFTER_PERSIST_BEFORE_MEMORY: 3,
    Point.AFTER_CHECKPOINT_SIGNED_BEFORE_PERSIST: 1,
    Point.AFTER_COSIGN_PERSIST_BEFORE_FILES: 1,
    Point.AFTER_FILES_BEFORE_MEMORY: 1,
    Point.AFTER_OFFER_PERSIST_BEFORE_ANSWER: 1,
    Point.AFTER_PEER_ENTRIES_BEFORE_NOTE: 1,
    Point.AFTER_PEER_NOTE_BEFORE_MEMORY: 1,
}
ELSEWHERE = {Point.AFTER_RECOVERED_BEFORE_SIGNING}
"""Has a test with the backup that it takes."""


def test_every_point_has_a_test() -> None:
    assert {*FIRST, *OTHERS, *ELSEWHERE} == set(Point)


@pytest.mark.parametrize(
    ("point", "times"),
    [
        *(pytest.param(p, n, id=p.value) for p, n in FIRST.items()),
        *(pytest.param(p, n, id=p.value, marks=pytest.mark.slow) for p, n in OTHERS.items()),
    ],
)
def test_killed_at(stage: Stage, point: Point, times: int) -> None:
    drive: Callable[[], None] = nothing
    if "grant" in point or "offer" in point or point is Point.AFTER_PERSIST_BEFORE_MEMORY:
        drive = stage.enrol
    elif "order" in point:
        drive = stage.order
    stage.truth.look()
    die(stage, A, point, times, drive)
    before = stage.truth.read_store(A)
    stage.truth.check()
    stage.truth.check_complete(A)
    stage.cluster.nodes[A].start()
    stage.settle(A, before)


def seeds() -> list:
    """Four in every run, fifty in a long one."""
    return [s if s < 4 else pytest.param(s, marks=pytest.mark.slow) for s in range(50)]


@pytest.mark.parametrize("seed", seeds())
def test_killed_at_a_random_moment(stage: Stage, seed: int) -> None:
    dice = random.Random(seed)
    name = dice.choice([A, A, A, B, WITNESSES[0]])
    moment = time.monotonic() + dice.uniform(0, EPOCH)
    node = stage.cluster.nodes[name]
    node.expected = False
    timer = threading.Timer(moment - time.monotonic(), node.process.kill)
    timer.start()
    while timer.is_alive():
        if stage.unanswered is None:
            try:
                (stage.enrol if dice.random() < 0.8 else stage.order)()
            except (NodeFailure, CallerError):
                time.sleep(0.05)
        time.sleep(0.3 * dice.random())
    timer.join()
    before = 0
    if name in stage.cluster.regions:
        before = stage.truth.read_store(name)
        stage.truth.check()
        stage.truth.check_complete(name)
    node.start()
    stage.settle(name, before if name == A else 0)


def test_all_killed_at_once(stage: Stage) -> None:
    """The lights go out: nobody is there whom the others could ask."""
    stage.enrol()
    stage.truth.look()
    for node in stage.cluster.nodes.values():
        node.kill()
    sizes = {region: stage.truth.read_store(region) for region in stage.cluster.regions}
    for region in sizes:
        stage.truth.check_complete(region)
    stage.cluster.start()
    stage.cluster.wait_for("ready", [B])
    stage.settle(A, sizes[A])


def test_after_all_of_it_they_converge(stage: Stage) -> None:
    stage.converged()
    stage.truth.look()
    stage.truth.check()
