"""Versions of a policy: published ahead, and switched to by everybody's clock (GS-POLICY-6)."""

import pytest

from guosuo.errors import CallerError, PeerError, Reason
from guosuo.evidence.registry import EvidenceKind
from guosuo.policy.document import PolicyDocument
from guosuo.policy.simple import Way, simple_policy
from guosuo.roles.bundle import policy_version
from guosuo.roles.checkpoint import Checkpoint, CheckpointState
from guosuo.roles.states import decode_checkpoint, encode_checkpoint
from guosuo.roles.verdict import Cause, Outcome, Verdict
from guosuo.roles.wallet import Wallet
from tests.support.world import DAY, EPOCH, POLICY, TESTS_72_H, World, clause, fact

HOUR = 3600
HOME, GATE = "440000", "110000"
LATER = (
    clause(EvidenceKind.TEST, max_hours=24),
    clause(EvidenceKind.VACCINATION, max_hours=270 * 24, min_hours=14 * 24),
)
"""What the next version accepts: vaccinations too, and only fresh tests."""
CANNOT = Outcome(Verdict.CANNOT_DECIDE, Cause.DEVICE)
AGAIN = Outcome(Verdict.CANNOT_DECIDE, Cause.AGAIN)


class Switching:
    """Holders enrolled long ago, and a version that begins in the middle of an epoch."""

    def __init__(self) -> None:
        self.world = world = World((GATE, HOME), policies={GATE: TESTS_72_H, HOME: TESTS_72_H})
        shot = fact(EvidenceKind.VACCINATION, product=1, doses=2, series=2,
                    event_time=world.now - 60 * DAY, name=b"shot")  # fmt: skip
        self.vaccinated = world.holder(HOME, shot)
        self.tested = world.holder(HOME, fact(event_time=world.now - HOUR, name=b"test"))
        for _ in range(6):
            world.turn()
            for wallet in (self.vaccinated, self.tested):
                assert world.refresh(wallet) == ["renewed"]
        # By now the test is 25 hours old, and the renewals of the enrolment are of no use.
        self.at = world.now + HOUR
        self.publish(LATER, self.at, self.at + 365 * DAY)

    def publish(self, ways: tuple[Way, ...], start: int, end: int) -> PolicyDocument:
        gate = self.world.regions[GATE].gate
        document = simple_policy(
            ways,
            region=GATE,
            policy=POLICY,
            version=gate.state.policies[POLICY] + 1,
            not_before=start,
            not_after=end,
        )
        self.world.publish(GATE, gate.publish_policy(document, self.world.entropy))
        return document

    def verdict(self, wallet: Wallet, now: int) -> str:
        """What happens at the gate, or why the wallet shows nothing."""
        self.world.now = now
        try:
            return self.world.cross(wallet, GATE).verdict.value
        except CallerError as error:
            return error.reason.value


def test_old_holders_at_the_second_of_the_switch() -> None:
    scene = Switching()
    before, after = scene.at - 1, scene.at
    assert scene.verdict(scene.tested, before) == "ACCEPT"
    assert scene.verdict(scene.vaccinated, before) == Reason.NOT_ACCEPTED_THERE.value
    assert scene.verdict(scene.tested, after) == Reason.NOT_ACCEPTED_THERE.value
    assert scene.verdict(scene.vaccinated, after) == "ACCEPT"
    assert scene.world.bundle(GATE).policy.part.version == 2


def test_a_show_made_before_the_switch_is_asked_for_again_after_it() -> None:
    scene = Switching()
    world, checkpoint = scene.world, scene.world.regions[GATE].checkpoint
    world.now = scene.at - 1
    text = world.show(scene.tested, GATE)
    assert checkpoint.verify(text, scene.at, world.entropy) == AGAIN
    assert checkpoint.verify(text, scene.at - 1, world.entropy) == Outcome(Verdict.ACCEPT)
    # And the other way: a wallet whose clock is ahead is not let in by rules to come.
    world.now = scene.at
    text = world.show(scene.vaccinated, GATE)
    assert checkpoint.verify(text, scene.at - 1, world.entropy) == AGAIN
    assert checkpoint.verify(text, scene.at, world.entropy) == Outcome(Verdict.ACCEPT)


def test_an_offline_checkpoint_switches_by_its_own_clock() -> None:
    """It was given both versions, restarted, and hears nothing any more."""
    scene = Switching()
    world = scene.world
    keeper = Checkpoint(world.federation, CheckpointState(GATE, f"gate-{GATE}", POLICY))
    for entry in world.regions[GATE].entries:
        keeper.load(entry)
    stored = encode_checkpoint(world.federation, keeper.state)
    keeper = Checkpoint(world.federation, decode_checkpoint(world.federation, stored))
    world.now = scene.at - 1
    text = world.show(scene.tested, GATE)
    assert keeper.verify(text, world.now, world.entropy) == Outcome(Verdict.ACCEPT)
    world.now = scene.at
    text = world.show(scene.vaccinated, GATE)
    assert keeper.verify(text, world.now, world.entropy) == Outcome(Verdict.ACCEPT)


def test_a_checkpoint_without_the_next_version_decides_nothing_under_it() -> None:
    scene = Switching()
    world = scene.world
    keeper = Checkpoint(world.federation, CheckpointState(GATE, f"gate-{GATE}", POLICY))
    for entry in world.regions[GATE].entries[:-1]:
        keeper.load(entry)
    assert set(keeper.state.policies) == {1}
    world.now = scene.at
    text = world.show(scene.vaccinated, GATE)
    assert keeper.verify(text, world.now, world.entropy) == AGAIN
    keeper.load(world.regions[GATE].entries[-1])
    assert keeper.verify(text, world.now, world.entropy) == Outcome(Verdict.ACCEPT)


def test_a_gap_between_versions_is_nobodys() -> None:
    """A third version for half an hour, and then none: the ones before have not come back."""
    scene = Switching()
    world = scene.world
    state = CheckpointState(GATE, f"gate-{GATE}", POLICY)
    keeper = Checkpoint(world.federation, state)
    for entry in world.regions[GATE].entries:
        keeper.load(entry)
    end = scene.at + HOUR // 2
    world.now = scene.at
    text = world.show(scene.vaccinated, GATE)
    # Only the one that ends, and the one that has not begun.
    ending = scene.publish(LATER, scene.at, end)
    keeper.load(world.regions[GATE].entries[-1])
    scene.publish(LATER, end + HOUR // 2, end + DAY)
    keeper.load(world.regions[GATE].entries[-1])
    state.policies = {v: p for v, p in state.policies.items() if v >= ending.version}
    assert keeper.verify(text, end, world.entropy) == CANNOT
    assert keeper.verify(text, end + HOUR // 2 - 1, world.entropy) == CANNOT
    world.now = end - 1
    text = world.show(scene.vaccinated, GATE)
    assert keeper.verify(text, end - 1, world.entropy) == Outcome(Verdict.ACCEPT)


def test_the_highest_version_in_force_counts() -> None:
    """A shorter one over a longer one, and back: by the clock alone."""
    scene = Switching()
    view = scene.world.view.region(GATE)
    scene.publish(TESTS_72_H, scene.at + HOUR // 2, scene.at + HOUR)
    expected = {-1: 1, 0: 2, HOUR // 2 - 1: 2, HOUR // 2: 3, HOUR - 1: 3, HOUR: 2}
    for offset, version in expected.items():
        assert policy_version(view, POLICY, scene.at + offset).part.version == version
    assert scene.verdict(scene.tested, scene.at + HOUR // 2) == "ACCEPT"
    assert scene.verdict(scene.vaccinated, scene.at + HOUR) == "ACCEPT"


@pytest.mark.parametrize("held", ["nothing", "ended", "to come"])
def test_missing_or_ended_is_cannot_decide(held: str) -> None:
    scene = Switching()
    world = scene.world
    text = world.show(scene.tested, GATE)
    keeper = Checkpoint(world.federation, CheckpointState(GATE, f"gate-{GATE}", POLICY))
    for entry in world.regions[GATE].entries:
        keeper.load(entry)
    assert keeper.verify(text, world.now, world.entropy) == Outcome(Verdict.ACCEPT)
    if held == "nothing":
        keeper.state.policies = {}
    elif held == "to come":
        del keeper.state.policies[1]
    else:
        document = scene.publish(TESTS_72_H, world.now - 2, world.now - 1)
        keeper.load(world.regions[GATE].entries[-1])
        keeper.state.policies = {document.version: keeper.state.policies[document.version]}
    assert keeper.verify(text, world.now, world.entropy) == CANNOT


def test_a_wallet_shows_nothing_without_a_version_in_force() -> None:
    world = World((GATE, HOME))
    holder = world.holder(HOME)
    gate = world.regions[GATE].gate
    world.now += 400 * DAY
    with pytest.raises(PeerError) as error:
        policy_version(world.view.region(GATE), POLICY, world.now)
    assert error.value.reason is Reason.POLICY_EXPIRED
    assert gate.state.policies == {POLICY: 1}
    with pytest.raises(PeerError):
        world.show(holder, GATE)


def test_the_switch_is_not_tied_to_epochs() -> None:
    scene = Switching()
    assert scene.at % EPOCH != scene.world.federation.clock.zero % EPOCH
