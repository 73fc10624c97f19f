"""The whole way with real processes: enrol at home, travel, be suspended, be refused.

Four regions' nodes and two stand-alone witnesses over TLS on loopback, epochs of seconds.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest

from guosuo.cli.demo import forced_holdings
from guosuo.client.errors import NodeError
from guosuo.errors import GuosuoError, Reason
from guosuo.federation.entries import Action, OrderReason
from guosuo.federation.tiles import CHECKPOINT
from guosuo.presentation.frame import Frame
from guosuo.presentation.proof import Holding, present
from guosuo.presentation.setting import Setting
from guosuo.roles.bundle import GateBundle
from guosuo.roles.enrolment import Answer, RefusalCode
from guosuo.roles.holding import Refreshed
from guosuo.roles.verdict import Verdict
from guosuo.roles.wallet import Wallet
from guosuo_node.cli import making
from tests.support.citizens import Citizen, Copy, Gate, crossing
from tests.support.federation import Cluster, gate_of
from tests.support.world import REGIONS

pytestmark = pytest.mark.xdist_group("federation")

EPOCH = 20
A, B, C, D = REGIONS


@dataclass
class Hoarder:
    """A modified wallet: keeps every credential, bundle and list, and heeds no rule."""

    citizen: Citizen
    gates: tuple[str, ...]
    bundles: dict[tuple[str, int, int], GateBundle] = field(default_factory=dict)

    def collect(self) -> None:
        """Refresh and keep everything there is now."""
        self.citizen.refresh()
        copy, clock = self.citizen.copy, self.citizen.cluster.federation.clock
        for gate in self.gates:
            for epoch in {epoch for epoch, _ in copy.mirror.view.regions[gate].lists}:
                try:
                    bundle = copy.bundle(gate, epoch=epoch, now=clock.start(epoch + 1))
                except GuosuoError:
                    continue
                self.bundles[gate, epoch, bundle.part.part.revision] = bundle

    def try_everything(self, gate: Gate, now: int) -> Counter[str]:
        """Claim each list that could count, with the parts of each bundle ever had."""
        citizen, federation = self.citizen, self.citizen.cluster.federation
        entropy, tick = citizen.cluster.entropy, federation.clock.tick_at(now)
        mine = [bundle for (where, *_), bundle in self.bundles.items() if where == gate.region]
        frames: list[Frame | str] = []
        for claimed in mine:
            part = claimed.part.part
            setting = Setting(
                federation.scheme, claimed.part, claimed.policy, gate_of(gate.region), tick
            )
            # One list that ended stands for all of them: the checkpoint reads no proof then.
            ended = part.not_after <= now
            for used in mine[:1] if ended else mine:
                for holding in every_holding(citizen.wallet, used):
                    proof = present(setting, holding, entropy).encode()
                    frames.append(
                        Frame(
                            part.epoch,
                            part.revision,
                            claimed.policy.part.version,
                            tick,
                            setting.place(),
                            setting.mode,
                            proof,
                        )
                    )
        outcomes = gate.checkpoint.verify_many(frames, now, entropy)
        return Counter(outcome.verdict.value for outcome in outcomes)


def every_holding(wallet: Wallet, bundle: GateBundle) -> Iterator[Holding]:
    """Each renewal ever held, under each key of the bundle: its own where it is listed."""
    for holding in forced_holdings(wallet, bundle):
        yield holding
        for key, listed in bundle.keys.t.items():
            if listed != holding.listed:
                yield replace(holding, public=bundle.keys.w[key], listed=listed)


def why_not(citizen: Citizen, gate: str) -> Reason:
    """Why an honest wallet does not show, once it has the list that others show under."""
    while True:
        citizen.refresh()
        with pytest.raises(GuosuoError) as refused:
            citizen.show(gate, int(time.time()))
        if refused.value.reason is not Reason.NOT_PUBLISHED:
            return refused.value.reason
        time.sleep(0.3)


@dataclass
class Stage:
    """What the tests share."""

    cluster: Cluster
    copy: Copy
    gates: dict[str, Gate]
    suspended: Citizen
    other: Citizen
    foreigner: Citizen


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("federation")
    # Epoch 0 is over soon after all are there: the list of epoch 1 is the first of all keys.
    with Cluster(folder, regions=4, witnesses=2, epoch_seconds=EPOCH, early=EPOCH - 12) as cluster:
        cluster.wait_complete()
        copy = Copy(cluster)
        people = [Citizen(cluster, copy, home) for home in (A, A, D)]
        for citizen in people:
            citizen.enrol()
        gates = {region: Gate(cluster, region) for region in (B, C)}
        yield Stage(cluster, copy, gates, *people)
        # They all end in order, with nothing on standard error.
        cluster.stop()


@pytest.mark.parametrize("gate", [B, C])
def test_enrolled_at_home_accepted_elsewhere(stage: Stage, gate: str) -> None:
    for citizen in (stage.suspended, stage.foreigner):
        outcome = crossing(citizen, stage.gates[gate])
        assert outcome.verdict is Verdict.ACCEPT


def test_the_same_request_again_gets_the_same_answer_and_no_second_slot(stage: Stage) -> None:
    citizen = stage.other
    first, before = citizen.answer, stage.cluster.slots_of(A, citizen.person)
    assert citizen.ask() == first
    assert stage.cluster.slots_of(A, citizen.person) == before
    assert [slot for _, slot in citizen.slots] == list(before)


def test_only_an_organisation_of_the_region_orders(stage: Stage) -> None:
    cluster = stage.cluster
    officer = making.officer_of(cluster.nodes[B].home, cluster.federation)
    slots = [slot for _, slot in stage.other.slots]
    now = int(time.time())
    order = officer.order(Action.SUSPEND, slots, OrderReason.INFECTION, b"file", now=now)
    with pytest.raises(NodeError) as refused:
        cluster.session.run(cluster.remote(A).status.submit_order(order.encode()))
    assert refused.value.reason == "other-region"


def test_suspended_at_home_is_refused_elsewhere_whatever_the_wallet_kept(stage: Stage) -> None:
    cluster, clock = stage.cluster, stage.cluster.federation.clock
    hoarders = [Hoarder(c, (B, C)) for c in (stage.suspended, stage.other)]
    for hoarder in hoarders:
        hoarder.collect()
    assert stage.suspended.wallet.state.slots[stage.suspended.slots[0]].renewals
    slots = [slot for _, slot in stage.suspended.slots]
    assert list(cluster.slots_of(A, stage.suspended.person)) == slots
    counts_from = cluster.order(A, Action.SUSPEND, slots)
    # The last list with a key of before ends two epochs after the first without one.
    for epoch in range(cluster.epoch, counts_from + 2):
        for part in (30, 200):
            cluster.wait_part(epoch, part)
            for hoarder in hoarders:
                hoarder.collect()
    cluster.wait_part(counts_from + 2, 12)
    for region in (A, B, C, D):
        cluster.wait_judged(B, region, counts_from + 2)
    for hoarder in hoarders:
        hoarder.collect()
    view = stage.copy.mirror.view.region(A)
    # The home region signs nothing new for this slot, and goes on for others.
    for citizen, expected in (
        (stage.suspended, Refreshed.ABSENT),
        (stage.other, Refreshed.RENEWED),
    ):
        published = view.epoch(counts_from)
        assert published is not None
        found = citizen.wallet.refresh(*citizen.slots[0], published, stage.copy.directory.fetch)
        assert found is expected
    for gate in stage.gates.values():
        gate.feed(stage.copy)
        now = int(time.time())
        thief, control = (hoarder.try_everything(gate, now) for hoarder in hoarders)
        assert thief[Verdict.NOT_SATISFIED.value] >= 30, thief
        assert thief[Verdict.ACCEPT.value] == 0, thief
        # The same tricks find an honest holder's way in: they are not too weak.
        assert control[Verdict.ACCEPT.value] >= 1, control
        # An honest wallet does not even try.
        assert why_not(stage.suspended, gate.region) is Reason.NOT_ACCEPTED_THERE
    # Other holders of A, and of D, are unaffected.
    for citizen in (stage.other, stage.foreigner):
        for gate in stage.gates.values():
            assert crossing(citizen, gate).verdict is Verdict.ACCEPT
    assert counts_from <= clock.epoch_at(int(time.time()))


def test_a_suspended_person_gets_no_second_slot(stage: Stage) -> None:
    assert stage.cluster.slots_of(A, stage.suspended.person)
    citizen = Citizen(stage.cluster, stage.copy, A)
    citizen.person = stage.suspended.person
    citizen.apply()
    view = stage.copy.mirror.view
    code = citizen.wallet.conclude(Answer.decode(citizen.answer), view)
    assert isinstance(code, RefusalCode)


def test_all_nodes_publish_the_same_logs(stage: Stage) -> None:
    cluster = stage.cluster
    for region in cluster.regions:
        logs = {}
        for name in cluster.nodes:
            if name not in cluster.regions:
                continue
            federation = cluster.remote(name).federation
            entries, _ = cluster.session.run(federation.entries(region, 0))
            logs[name] = entries
        shortest = min(len(entries) for entries in logs.values())
        assert shortest > 0
        assert len({tuple(entries[:shortest]) for entries in logs.values()}) == 1
        # The static files say the same as the node.
        static = cluster.nodes[region].home.public / region / CHECKPOINT
        assert static.read_bytes().split(b"\n")[0].decode() == cluster.federation.origin(region)
