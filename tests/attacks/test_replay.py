"""A show is good for one checkpoint, one tick, one list and policy version, one mode, once.

For each of these, two replays: as it is, and with the frame's public fields rewritten
to what the checkpoint expects. The first is AGAIN, because a field of the frame does
not fit this checkpoint's own bundle or clock; the second is NOT_SATISFIED, because the
proof was made over another transcript. Each twin is accepted where it was made for.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from guosuo.errors import CallerError, PeerError, Reason
from guosuo.federation.trust_list import MAX_REVISION
from guosuo.policy.simple import simple_policy
from guosuo.presentation.frame import Challenge, Frame
from guosuo.presentation.proof import Presentation, blank, present
from guosuo.presentation.setting import NONCE_SIZE, Mode, Setting
from guosuo.roles.bundle import GateBundle, audit_bundle
from guosuo.roles.checkpoint import Checkpoint, CheckpointState
from guosuo.roles.verdict import Cause, Inner, Notice, Outcome, Verdict
from guosuo.roles.wallet import Wallet
from tests.attacks.scene import (
    ACCEPT,
    AGAIN,
    ALREADY_SEEN,
    ANY,
    CODE,
    DEVICE,
    GATE,
    NOT_SATISFIED,
    REPLAY,
    TESTED,
    Scene,
    frame_of,
    gatekeeper,
    recovered,
    vaccinated,
)
from tests.support.world import EPOCH, POLICY, World, seeded

NONCE, OTHER_NONCE = b"N" * NONCE_SIZE, b"M" * NONCE_SIZE


class Stage(Scene):
    """A gate with two list versions, a list revision, two policy versions and another policy."""

    def __init__(self) -> None:
        world = World(policies=dict.fromkeys(("110000", "330000", "360000", "440000"), ANY))
        self.wallet = world.holder("440000")
        self.stranger = world.holder("330000", vaccinated(world.now))
        world.turn()
        for wallet in (self.wallet, self.stranger):
            world.refresh(wallet)
        world.now -= world.now % 30  # a tick begins
        super().__init__(world, GATE, world.bundle(GATE))
        epoch = world.epoch
        self.earlier = world.bundle(GATE, epoch - 1)
        self.elsewhere = world.bundle("360000")
        self.new_policy = self._policy(POLICY, 2)
        self.other_policy = self._policy("exit", 1)
        world.publish(
            GATE,
            world.regions[GATE].gate.publish_list(
                epoch, world.auditor.listable(epoch), world.entropy
            ),
        )
        revised = world.bundle(GATE)
        self.revised = replace(self.bundle, part=revised.part, keys=revised.keys)

    def _policy(self, name: str, version: int) -> GateBundle:
        world = self.world
        document = simple_policy(
            TESTED,
            region=GATE,
            policy=name,
            version=version,
            not_before=world.now,
            not_after=world.now + 86_400,
        )
        world.publish(GATE, world.regions[GATE].gate.publish_policy(document, world.entropy))
        return audit_bundle(
            world.view,
            GATE,
            name,
            epoch=world.epoch,
            now=world.now,
            fetch=world.fetch,
            entropy=world.entropy,
        )

    def show(
        self, setting: Setting, bundle: GateBundle, wallet: Wallet | None = None, seed: int = 1
    ) -> Frame:
        """An honest frame for `setting`, of `wallet` or the stage's own."""
        holding = self.holding(wallet or self.wallet, bundle)
        return frame_of(setting, present(setting, holding, seeded(seed)).encode())

    def ask(self, keeper: Checkpoint, frame: Frame, *, later: int = 0) -> Outcome:
        return keeper.verify(frame.text(), self.world.now + later, self.world.entropy)


@pytest.fixture(scope="module")
def stage() -> Stage:
    return Stage()


# --- the matrix ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Made:
    """What a show was made for, where the checkpoint expects `Stage.setting`."""

    setting: Setting
    bundle: GateBundle
    world: World | None = None
    """The federation it was made in, if it is another one."""


def elsewhere(stage: Stage) -> Made:
    return Made(stage.setting(bundle=stage.elsewhere), stage.elsewhere)


def challenged(stage: Stage) -> Made:
    return Made(stage.setting(mode=Mode.CHALLENGE, nonce=NONCE), stage.bundle)


def here(**changes: object) -> Callable[[Stage], Made]:
    """The stage's own bundle, another checkpoint or tick."""

    def made(stage: Stage) -> Made:
        return Made(replace(stage.setting(), **changes), stage.bundle)  # type: ignore[arg-type]

    return made


def tick(offset: int) -> Callable[[Stage], Made]:
    return lambda stage: Made(stage.setting(tick=stage.tick + offset), stage.bundle)


def under(name: str) -> Callable[[Stage], Made]:
    """Another bundle of the same gate, by its name in `Stage`."""

    def made(stage: Stage) -> Made:
        bundle: GateBundle = getattr(stage, name)
        return Made(stage.setting(bundle=bundle), bundle)

    return made


AS_IT_IS: dict[str, tuple[Callable[[Stage], Made], Outcome, str]] = {
    "two ticks ago": (tick(-2), AGAIN, "the frame's tick is not −1, 0 or +1 of this clock"),
    "two ticks ahead": (tick(2), AGAIN, "the frame's tick is not −1, 0 or +1 of this clock"),
    "an hour ago": (tick(-120), AGAIN, "the frame's tick is not −1, 0 or +1 of this clock"),
    "another checkpoint": (here(checkpoint="gate-2"), AGAIN, "the place is not this one"),
    "another gate region": (elsewhere, AGAIN, "the place is not this one"),
    "another policy": (under("other_policy"), AGAIN, "the place names the policy too"),
    "another policy version": (under("new_policy"), AGAIN, "not in this bundle"),
    "the list before": (under("earlier"), AGAIN, "not in this bundle"),
    "another list revision": (under("revised"), AGAIN, "not in this bundle"),
    "a challenge": (challenged, AGAIN, "this checkpoint works by poster"),
}


@pytest.mark.parametrize("name", AS_IT_IS)
def test_replayed_as_it_is(stage: Stage, name: str) -> None:
    make, expected, _ = AS_IT_IS[name]
    made = make(stage)
    frame = stage.show(made.setting, made.bundle)
    later = (made.setting.tick - stage.tick) * 30
    keeper = stage.gatekeeper()
    assert stage.ask(keeper, frame) == expected
    # Twins: at home it is accepted, and here the one that was made for here.
    assert stage.ask(gatekeeper(stage.world, made.setting), frame, later=later) == ACCEPT
    assert stage.ask(keeper, stage.show(stage.setting(), stage.bundle)) == ACCEPT


@pytest.mark.parametrize("name", AS_IT_IS)
def test_replayed_with_the_public_fields_rewritten(stage: Stage, name: str) -> None:
    """Every field now fits, so nothing is left to say AGAIN for; but the proof is another's."""
    made = AS_IT_IS[name][0](stage)
    expected = frame_of(stage.setting(), b"")
    rewritten = replace(expected, proof=stage.show(made.setting, made.bundle).proof)
    keeper = stage.gatekeeper()
    assert stage.ask(keeper, rewritten) == NOT_SATISFIED
    assert not keeper.state.seen
    assert stage.ask(keeper, stage.show(stage.setting(), stage.bundle)) == ACCEPT


@pytest.mark.parametrize("name", AS_IT_IS)
def test_again_depends_on_nothing_but_the_public_fields(stage: Stage, name: str) -> None:
    """Another holder, region, evidence, a blank, noise: the same answer before any decoding."""
    make, expected, _ = AS_IT_IS[name]
    made = make(stage)
    frame = stage.show(made.setting, made.bundle)
    proofs = [frame.proof, blank(stage.scheme, seeded(1)), bytes(736), b"\xff" * 736]
    if made.bundle.policy.part.policy == POLICY and made.bundle is not stage.new_policy:
        proofs.append(stage.show(made.setting, made.bundle, stage.stranger).proof)
    keeper = stage.gatekeeper()
    found = [stage.ask(keeper, replace(frame, proof=proof)) for proof in proofs]
    assert found == [expected] * len(proofs)


def test_another_federation(stage: Stage) -> None:
    """Same names, other charter: AGAIN by the place; NOT_SATISFIED if that is rewritten."""
    world = World(seed=2)
    world.turn()
    foreign = Scene.of(world)
    assert foreign.tick == stage.tick
    wallet = foreign.world.holder("440000")
    setting = foreign.setting()
    shown = present(setting, foreign.holding(wallet), seeded(1)).encode()
    assert foreign.world.federation.id != stage.world.federation.id
    assert stage.ask(stage.gatekeeper(), frame_of(setting, shown)) == AGAIN
    rewritten = frame_of(stage.setting(), shown)
    assert stage.ask(stage.gatekeeper(), rewritten) == NOT_SATISFIED
    at_home = gatekeeper(foreign.world, setting)
    assert stage.ask(at_home, frame_of(setting, shown)) == ACCEPT


# --- list and policy versions in a checkpoint that has several -----------------------------------


def well_supplied(stage: Stage, version: int = 1) -> Checkpoint:
    """The gate's own checkpoint with all lists of the log and one policy, without memory."""
    state = stage.world.regions[GATE].checkpoint.state
    policies = {version: state.policies[version]}
    return Checkpoint(
        stage.world.federation,
        replace(state, seen={}, parts=dict(state.parts), policies=policies, lowest={}),
    )


def test_every_version_in_force_is_accepted_under_its_own_name_only(stage: Stage) -> None:
    bundles = [stage.bundle, stage.earlier, stage.revised, stage.new_policy]
    settings = [stage.setting(bundle=bundle) for bundle in bundles]
    for mine, bundle in zip(settings, bundles, strict=True):
        frame = stage.show(mine, bundle)
        for theirs in settings:
            keeper = well_supplied(stage, theirs.policy.part.version)
            found = stage.ask(keeper, replace(frame_of(theirs, b""), proof=frame.proof))
            assert found == (ACCEPT if theirs is mine else NOT_SATISFIED)


def test_a_raised_revision_ends_the_lower_ones_of_that_epoch_only(stage: Stage) -> None:
    keeper = well_supplied(stage)
    epoch = stage.world.epoch
    keeper.require_revision(epoch, 1)
    keeper.require_revision(epoch, 0)  # never goes down again
    old = stage.show(stage.setting(), stage.bundle)
    assert stage.ask(keeper, old) == AGAIN
    earlier = stage.show(stage.setting(bundle=stage.earlier), stage.earlier)
    assert stage.ask(keeper, earlier) == ACCEPT
    keeper.state.seen.clear()
    new = stage.show(stage.setting(bundle=stage.revised), stage.revised)
    assert stage.ask(keeper, replace(old, revision=1)) == NOT_SATISFIED
    assert stage.ask(keeper, new) == ACCEPT
    assert old.revision < new.revision <= MAX_REVISION


def test_an_ended_list_and_an_ended_policy_are_again_while_others_are_in_force(
    stage: Stage,
) -> None:
    """A frame cannot call back a version whose time is over, though the part is still there."""
    end = stage.earlier.part.part.not_after
    for now, expected in ((end - 1, ACCEPT), (end, AGAIN)):
        tick = stage.world.federation.clock.tick_at(now)
        earlier = stage.setting(bundle=stage.earlier, tick=tick)
        frame = stage.show(earlier, stage.earlier)
        keeper = well_supplied(stage)
        assert keeper.verify(frame.text(), now, stage.world.entropy) == expected
        frame = stage.show(stage.setting(tick=tick), stage.bundle, stage.stranger)
        assert keeper.verify(frame.text(), now, stage.world.entropy) == ACCEPT

    # Parts are carried ahead; one that is not in force yet is none.
    keeper = well_supplied(stage)
    coming = (stage.world.epoch + 1, 0)
    assert coming in keeper.state.parts
    setting = replace(stage.setting(), part=keeper.state.parts[coming])
    holding = stage.holding(stage.wallet)
    early = frame_of(setting, present(setting, holding, seeded(1)).encode())
    assert stage.ask(keeper, early) == AGAIN
    keeper.state.parts[coming] = replace(
        keeper.state.parts[coming], part=replace(setting.part.part, not_before=stage.world.now)
    )
    # In force it is decided: this holder has no T of that list.
    assert stage.ask(keeper, early) == NOT_SATISFIED

    policy = stage.new_policy.policy
    two = stage.show(stage.setting(bundle=stage.new_policy), stage.new_policy)
    for end, expected in ((stage.world.now, AGAIN), (stage.world.now + 1, ACCEPT)):
        keeper = well_supplied(stage)
        keeper.state.policies[2] = replace(policy, part=replace(policy.part, not_after=end))
        assert stage.ask(keeper, two) == expected


# --- ticks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offset", "expected"), [(-2, AGAIN), (-1, ACCEPT), (0, ACCEPT), (1, ACCEPT), (2, AGAIN)]
)
def test_broadcast_tolerates_one_tick(stage: Stage, offset: int, expected: Outcome) -> None:
    frame = stage.show(stage.setting(tick=stage.tick + offset), stage.bundle)
    assert stage.ask(stage.gatekeeper(), frame) == expected


def test_broadcast_tolerance_to_the_second(stage: Stage) -> None:
    """Tick k of 30 s is good from 30(k − 1) to 30(k + 2) − 1."""
    frame = stage.show(stage.setting(), stage.bundle)
    start = 30 * stage.tick
    found = {
        second: stage.gatekeeper().verify(frame.text(), start + second, stage.world.entropy)
        for second in (-31, -30, -1, 0, 29, 30, 59, 60)
    }
    assert found == {-31: AGAIN, -30: ACCEPT, -1: ACCEPT, 0: ACCEPT} | {
        29: ACCEPT,
        30: ACCEPT,
        59: ACCEPT,
        60: AGAIN,
    }


# --- challenge mode ------------------------------------------------------------------------------


def asking(stage: Stage) -> tuple[Checkpoint, Challenge]:
    """A checkpoint in challenge mode, and its open challenge."""
    keeper = stage.gatekeeper()
    keeper.state.mode = Mode.CHALLENGE
    return keeper, keeper.challenge(stage.world.now, stage.world.entropy)


def answer(
    stage: Stage,
    challenge: Challenge,
    *,
    offset: int = 0,
    seed: int = 1,
    wallet: Wallet | None = None,
) -> Frame:
    setting = stage.setting(
        tick=challenge.tick + offset, mode=Mode.CHALLENGE, nonce=challenge.nonce
    )
    return stage.show(setting, stage.bundle, wallet, seed)


@pytest.mark.parametrize("offset", [-2, -1, 0, 1, 2])
def test_a_challenge_accepts_exactly_its_own_tick(stage: Stage, offset: int) -> None:
    keeper, challenge = asking(stage)
    frame = answer(stage, challenge, offset=offset)
    assert stage.ask(keeper, frame) == (AGAIN if offset else ACCEPT)
    if offset:
        # Renamed to the right tick it is a proof about another one.
        assert stage.ask(keeper, replace(frame, tick=challenge.tick)) == NOT_SATISFIED
        assert stage.ask(keeper, answer(stage, challenge)) == ACCEPT


def test_an_answer_may_come_a_tick_later_but_not_two(stage: Stage) -> None:
    for later, expected in ((30, ACCEPT), (60, AGAIN)):
        keeper, challenge = asking(stage)
        assert stage.ask(keeper, answer(stage, challenge), later=later) == expected


def test_an_answer_to_another_nonce_does_not_satisfy(stage: Stage) -> None:
    """No field of a frame names the nonce, so there is nothing to say AGAIN for."""
    keeper, first = asking(stage)
    old = answer(stage, first)
    second = keeper.challenge(stage.world.now, stage.world.entropy)
    assert first.nonce != second.nonce
    assert stage.ask(keeper, old) == NOT_SATISFIED
    assert stage.ask(keeper, answer(stage, second)) == ACCEPT


def test_a_challenge_is_used_up_by_an_accepted_answer_and_by_no_other(stage: Stage) -> None:
    keeper, challenge = asking(stage)
    good = answer(stage, challenge)
    spoiled = replace(good, proof=blank(stage.scheme, seeded(3)))
    assert stage.ask(keeper, spoiled) == NOT_SATISFIED
    assert stage.ask(keeper, good) == ACCEPT
    assert stage.ask(keeper, good) == AGAIN
    assert stage.ask(keeper, answer(stage, challenge, wallet=stage.stranger)) == AGAIN
    # The next challenge of the same tick knows the tag still.
    again = keeper.challenge(stage.world.now, stage.world.entropy)
    assert stage.ask(keeper, answer(stage, again)) == REPLAY
    assert stage.ask(keeper, answer(stage, again, wallet=stage.stranger)) == ACCEPT


def test_modes_do_not_mix(stage: Stage) -> None:
    poster = stage.show(stage.setting(), stage.bundle)
    keeper, challenge = asking(stage)
    assert stage.ask(keeper, poster) == AGAIN
    assert stage.ask(keeper, replace(poster, mode=Mode.CHALLENGE)) == NOT_SATISFIED
    answered = answer(stage, challenge)
    assert stage.ask(stage.gatekeeper(), answered) == AGAIN
    assert stage.ask(stage.gatekeeper(), replace(answered, mode=Mode.BROADCAST)) == NOT_SATISFIED
    assert stage.ask(keeper, answered) == ACCEPT
    assert stage.ask(stage.gatekeeper(), poster) == ACCEPT
    with pytest.raises(CallerError) as refused:
        stage.gatekeeper().challenge(stage.world.now, stage.world.entropy)
    assert refused.value.reason is Reason.STATE
    with pytest.raises(CallerError) as refused:
        stage.setting(mode=Mode.BROADCAST, nonce=NONCE)
    assert refused.value.reason is Reason.ARGUMENT


def test_without_an_open_challenge_nothing_is_decided(stage: Stage) -> None:
    keeper, challenge = asking(stage)
    frame = answer(stage, challenge)
    keeper._open = None
    assert stage.ask(keeper, frame) == AGAIN
    keeper._open = challenge
    assert stage.ask(keeper, frame) == ACCEPT


# --- the memory of tags --------------------------------------------------------------------------


def test_the_same_code_is_already_seen_and_another_of_that_holder_is_replay(
    stage: Stage,
) -> None:
    keeper = stage.gatekeeper()
    first = stage.show(stage.setting(), stage.bundle, seed=1)
    second = stage.show(stage.setting(), stage.bundle, seed=2)
    assert [stage.ask(keeper, f) for f in (first, first, second, second, first)] == [
        ACCEPT,
        ALREADY_SEEN,
        REPLAY,
        REPLAY,
        ALREADY_SEEN,
    ]
    neighbour = stage.show(stage.setting(), stage.bundle, stage.stranger)
    assert stage.ask(keeper, neighbour) == ACCEPT


def test_the_tag_is_the_person_whatever_is_shown(stage: Stage) -> None:
    """Other list version, policy version, epoch key, piece of evidence, region: one tag."""
    world = stage.world
    wallet = world.holder("440000")
    world.enrol(wallet, "440000", recovered(world.now), person=b"person %d" % world.people)
    world.enrol(wallet, "360000", vaccinated(world.now))
    holdings = list(wallet._holdings(stage.bundle))
    assert len({(h.public.encode(), h.evidence) for h in holdings}) == 3
    frames = [
        frame_of(stage.setting(), present(stage.setting(), h, seeded(i)).encode())
        for i, h in enumerate(holdings)
    ]
    frames += [
        stage.show(stage.setting(bundle=bundle), bundle, wallet)
        for bundle in (stage.revised, stage.new_policy)
    ]
    assert len({f.proof for f in frames}) == len(frames) == 5
    keeper = well_supplied(stage)
    found = []
    for frame in frames:
        alone = well_supplied(stage, frame.policy_version)
        assert stage.ask(alone, frame) == ACCEPT
        keeper.state.policies = alone.state.policies
        found.append(stage.ask(keeper, frame))
    assert found == [ACCEPT, *[REPLAY] * 4]


def test_a_batch_knows_its_own_tags(stage: Stage) -> None:
    first = stage.show(stage.setting(), stage.bundle, seed=1)
    second = stage.show(stage.setting(), stage.bundle, seed=2)
    spoiled = replace(first, proof=blank(stage.scheme, seeded(3)))
    neighbour = stage.show(stage.setting(), stage.bundle, stage.stranger)
    codes = [spoiled, first, second, first, neighbour, spoiled, neighbour]
    expected = [NOT_SATISFIED, ACCEPT, REPLAY, ALREADY_SEEN, ACCEPT, NOT_SATISFIED, ALREADY_SEEN]
    keeper = stage.gatekeeper()
    texts = [frame.text() for frame in codes]
    assert keeper.verify_many(texts, stage.world.now, stage.world.entropy) == expected
    # What a batch accepted, the next one knows.
    assert keeper.verify_many([second, neighbour], stage.world.now, stage.world.entropy) == [
        REPLAY,
        ALREADY_SEEN,
    ]
    assert keeper.verify_many([], stage.world.now, stage.world.entropy) == []


def test_a_refused_show_takes_no_tag(stage: Stage) -> None:
    """Otherwise anybody who sees N could lock its holder out."""
    keeper = stage.gatekeeper()
    good = stage.show(stage.setting(), stage.bundle)
    shown = Presentation.decode(stage.scheme, good.proof)
    copied = replace(
        Presentation.decode(stage.scheme, blank(stage.scheme, seeded(1))), tag=shown.tag
    )
    assert stage.ask(keeper, replace(good, proof=copied.encode())) == NOT_SATISFIED
    assert stage.ask(keeper, good) == ACCEPT


@pytest.mark.parametrize("others", [(), (-1,), (1,), (2,), (1, 2), (2, 1)])
def test_memory_lasts_from_a_tick_early_to_a_tick_late(
    stage: Stage, others: tuple[int, ...]
) -> None:
    """Accepted when it was one tick ahead of the clock, repeated when it is one behind."""
    keeper = stage.gatekeeper()
    show = stage.show(stage.setting(), stage.bundle)
    other = stage.show(stage.setting(), stage.bundle, seed=2)
    assert stage.ask(keeper, show, later=-30) == ACCEPT
    for offset in others:  # what else is accepted in the meantime
        frame = stage.show(stage.setting(tick=stage.tick + offset), stage.bundle, stage.stranger)
        assert stage.ask(keeper, frame, later=max(-30, 30 * (offset - 1))) == ACCEPT
    assert stage.ask(keeper, show, later=0) == ALREADY_SEEN
    assert stage.ask(keeper, show, later=30) == ALREADY_SEEN
    assert stage.ask(keeper, other, later=59) == REPLAY
    assert stage.ask(keeper, show, later=60) == AGAIN


def test_memory_is_of_three_ticks_only(stage: Stage) -> None:
    keeper = stage.gatekeeper()
    for offset in range(6):
        frame = stage.show(stage.setting(tick=stage.tick + offset), stage.bundle)
        assert stage.ask(keeper, frame, later=30 * offset) == ACCEPT
    assert sorted(keeper.state.seen) == [stage.tick + 3, stage.tick + 4, stage.tick + 5]


def test_a_clock_that_steps_back_accepts_nothing_twice(stage: Stage) -> None:
    """A correction of the clock leads back into ticks whose tags are forgotten."""
    keeper = stage.gatekeeper()
    early = stage.show(stage.setting(), stage.bundle)
    late = stage.show(stage.setting(tick=stage.tick + 4), stage.bundle, stage.stranger)
    assert stage.ask(keeper, early) == ACCEPT
    assert stage.ask(keeper, late, later=120) == ACCEPT
    assert stage.tick not in keeper.state.seen
    assert stage.ask(keeper, early, later=0) == AGAIN
    # What is still remembered is decided as ever.
    assert stage.ask(keeper, late, later=90) == ALREADY_SEEN
    third = stage.show(stage.setting(tick=stage.tick + 3), stage.bundle)
    assert stage.ask(keeper, third, later=90) == ACCEPT
    # A start without memory begins a new time.
    keeper.restarted(stage.world.now)
    assert stage.ask(keeper, early, later=0) == AGAIN
    second = stage.show(stage.setting(tick=stage.tick + 2), stage.bundle)
    assert stage.ask(keeper, second, later=60) == ACCEPT


# --- restart -------------------------------------------------------------------------------------


def test_a_restart_waits_out_every_tick_that_may_have_been_accepted(stage: Stage) -> None:
    shows = {
        offset: stage.show(stage.setting(tick=stage.tick + offset), stage.bundle)
        for offset in (-1, 0, 1, 2, 3)
    }
    for offset in (-1, 0, 1):
        keeper = stage.gatekeeper()
        assert stage.ask(keeper, shows[offset]) == ACCEPT
        keeper.restarted(stage.world.now)
        for later in (0, 30, 60):
            assert stage.ask(keeper, shows[offset], later=later) == AGAIN
    keeper = stage.gatekeeper()
    keeper.restarted(stage.world.now)
    # One tick after the start the first new tick counts: a wallet whose clock is ahead.
    assert stage.ask(keeper, shows[2], later=0) == AGAIN
    assert stage.ask(keeper, shows[2], later=30) == ACCEPT
    assert stage.ask(keeper, shows[3], later=60) == ACCEPT
    assert stage.ask(keeper, shows[2], later=60) == ALREADY_SEEN


def test_a_restart_forgets_the_challenge_and_waits_too(stage: Stage) -> None:
    keeper, challenge = asking(stage)
    frame = answer(stage, challenge)
    keeper.restarted(stage.world.now)
    assert keeper._open is None
    assert stage.ask(keeper, frame) == AGAIN
    same_tick = keeper.challenge(stage.world.now, stage.world.entropy)
    assert stage.ask(keeper, answer(stage, same_tick)) == AGAIN
    later = keeper.challenge(stage.world.now + 60, stage.world.entropy)
    assert stage.ask(keeper, answer(stage, later), later=60) == ACCEPT


# --- a batch is as one after the other -----------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_a_batch_says_what_one_after_the_other_says(stage: Stage, seed: int) -> None:
    rng = random.Random(seed)
    pool = assorted(stage, Mode.BROADCAST)
    codes = rng.choices(list(pool.values()), k=14)
    together, apart = well_supplied(stage), well_supplied(stage)
    now, entropy = stage.world.now, stage.world.entropy
    found = together.verify_many(codes, now, entropy)
    assert found == [apart.verify(code, now, entropy) for code in codes]
    assert together.state.seen == apart.state.seen
    assert ACCEPT in found


@pytest.mark.parametrize("seed", range(12))
def test_a_batch_of_answers_says_what_one_after_the_other_says(stage: Stage, seed: int) -> None:
    """In challenge mode the first accepted answer uses the challenge up for the rest."""
    rng = random.Random(seed)
    pool = assorted(stage, Mode.CHALLENGE)
    codes = rng.choices(list(pool.values()), k=8)
    found = []
    for together in (True, False):
        keeper = well_supplied(stage)
        keeper.state.mode = Mode.CHALLENGE
        keeper._open = Challenge(
            region=GATE, checkpoint=f"gate-{GATE}", policy=POLICY, tick=stage.tick, nonce=NONCE
        )
        now, entropy = stage.world.now, stage.world.entropy
        found.append(
            keeper.verify_many(codes, now, entropy)
            if together
            else [keeper.verify(code, now, entropy) for code in codes]
        )
    assert found[0] == found[1]
    assert found[0].count(ACCEPT) == 1


def assorted(stage: Stage, mode: Mode) -> dict[str, str]:
    """Codes of every kind for the gate of the stage."""
    nonce = NONCE if mode is Mode.CHALLENGE else b""
    here, wrong = stage.setting(mode=mode, nonce=nonce), b"\xff" * 736
    good = stage.show(here, stage.bundle)
    frames = {
        "good": good,
        "other show": stage.show(here, stage.bundle, seed=2),
        "other holder": stage.show(here, stage.bundle, stage.stranger),
        "other list": stage.show(
            stage.setting(bundle=stage.earlier, mode=mode, nonce=nonce), stage.earlier
        ),
        "other tick": stage.show(replace(here, tick=stage.tick + 1), stage.bundle),
        "late": stage.show(replace(here, tick=stage.tick - 2), stage.bundle),
        "blank": replace(good, proof=blank(stage.scheme, seeded(5))),
        "noise": replace(good, proof=wrong),
    }
    return {name: frame.text() for name, frame in frames.items()} | {"text": "GS1:???"}


# --- DEVICE: this checkpoint's own bundle or clock -----------------------------------------------


def without_parts(keeper: Checkpoint, _: Stage) -> int:
    keeper.state.parts.clear()
    return 0


def with_an_ended_part(_: Checkpoint, stage: Stage) -> int:
    return stage.bundle.part.part.not_after - stage.world.now


def with_a_coming_part(_: Checkpoint, stage: Stage) -> int:
    return stage.bundle.part.part.not_before - 1 - stage.world.now


def without_policies(keeper: Checkpoint, _: Stage) -> int:
    keeper.state.policies.clear()
    return 0


def with_an_ended_policy(keeper: Checkpoint, stage: Stage) -> int:
    (version, policy), *_ = keeper.state.policies.items()
    part = replace(policy.part, not_after=stage.world.now)
    keeper.state.policies[version] = replace(policy, part=part)
    return 0


def with_a_coming_policy(keeper: Checkpoint, stage: Stage) -> int:
    (version, policy), *_ = keeper.state.policies.items()
    part = replace(policy.part, not_before=stage.world.now + 1)
    keeper.state.policies[version] = replace(policy, part=part)
    return 0


def below_the_floor(keeper: Checkpoint, stage: Stage) -> int:
    keeper.state.floor = stage.world.now + 1
    return 0


def before_the_federation(_: Checkpoint, stage: Stage) -> int:
    return stage.world.federation.clock.zero - 1 - stage.world.now


def with_a_revision_it_has_not_got(keeper: Checkpoint, stage: Stage) -> int:
    keeper.require_revision(stage.world.epoch, 1)
    return 0


@pytest.mark.parametrize(
    "break_it",
    [
        without_parts,
        with_an_ended_part,
        with_a_coming_part,
        without_policies,
        with_an_ended_policy,
        with_a_coming_policy,
        below_the_floor,
        before_the_federation,
        with_a_revision_it_has_not_got,
    ],
)
def test_device_whatever_the_code(
    stage: Stage, break_it: Callable[[Checkpoint, Stage], int]
) -> None:
    """A bundle or clock that cannot decide says so to everybody, readable or not."""
    good = stage.show(stage.setting(), stage.bundle)
    codes = [
        good.text(),
        stage.show(stage.setting(), stage.bundle, stage.stranger).text(),
        replace(good, proof=blank(stage.scheme, seeded(4))).text(),
        replace(good, proof=bytes(736)).text(),
        replace(good, tick=0).text(),
        replace(good, place=bytes(8)).text(),
        "",
        "GS1:",
        "no code",
    ]
    broken = stage.gatekeeper()
    later = break_it(broken, stage)
    now, entropy = stage.world.now + later, stage.world.entropy
    assert broken.verify_many(codes, now, entropy) == [DEVICE] * len(codes)
    assert not broken.state.seen
    whole = stage.gatekeeper().verify_many(codes, stage.world.now, entropy)
    assert whole == [ACCEPT, ACCEPT, NOT_SATISFIED, CODE, AGAIN, AGAIN, CODE, CODE, CODE]


def test_the_bounds_of_device_are_exact(stage: Stage) -> None:
    """The last second of a list and of a policy, and the floor itself, still decide."""
    part = stage.bundle.part.part
    for now in (part.not_before, part.not_after - 1):
        setting = stage.setting(tick=stage.world.federation.clock.tick_at(now))
        keeper = stage.gatekeeper(setting)
        keeper.state.floor = now
        policy = keeper.state.policies[1]
        short = replace(policy.part, not_before=now, not_after=now + 1)
        keeper.state.policies[1] = replace(policy, part=short)
        frame = stage.show(setting, stage.bundle)
        assert keeper.verify(frame.text(), now, stage.world.entropy) == ACCEPT


def test_a_signed_list_sets_the_floor_of_the_clock(stage: Stage) -> None:
    """A checkpoint set back by a day cannot be made to accept yesterday's shows."""
    world = stage.world
    yesterday = Checkpoint(world.federation, CheckpointState(GATE, f"gate-{GATE}", POLICY))
    signed = world.regions[GATE].entries
    taken = [yesterday.load(entry) for entry in signed]
    assert any(taken)
    assert not all(taken)
    begin = world.federation.clock.start(world.epoch)
    assert yesterday.state.floor == begin - EPOCH // 12
    frame = stage.show(stage.setting(bundle=stage.new_policy), stage.new_policy)
    assert yesterday.verify(frame.text(), yesterday.state.floor - 1, world.entropy) == DEVICE
    assert yesterday.verify(frame.text(), world.now, world.entropy) == ACCEPT
    with pytest.raises(PeerError):
        yesterday.load(signed[0][:-1] + bytes([signed[0][-1] ^ 1]))
    assert yesterday.state.floor == begin - EPOCH // 12


# --- one verdict for everything a holder may lack ------------------------------------------------


def test_the_verdict_is_one_and_the_same() -> None:
    """Red, delisted, expired, wrong evidence, wrong list, replayed proof, blank: no difference.

    Not even to a developer: the inner reason is one, too.
    """
    world = World(policies=dict.fromkeys(("110000", "330000", "360000", "440000"), TESTED))
    red, wrong = world.holder("440000"), world.holder("440000", vaccinated(world.now))
    old = world.bundle(GATE)
    kept = next(red._holdings(old))
    world.suspend("440000", red)
    for _ in range(2):
        world.turn()
        world.refresh(wrong)
    scene = Scene.of(world)
    fresh = world.holder("440000")
    good, here = scene.holding(fresh), scene.setting()
    listed = next(iter(scene.bundle.keys.t))
    entry = next(iter(scene.bundle.table.entries.values()))
    (held,) = wrong.state.slots.values()
    renewed = held.renewals[max(held.renewals, key=lambda key: key.epoch)]
    keys, elsewhere = scene.bundle.keys, world.bundle("360000")
    lies = {
        # The suspended holder's last signature, with the old list's points or with any new one.
        "red, old list": replace(kept, entry=entry),
        "red, new list": replace(kept, entry=entry, listed=keys.t[listed], shift=keys.s),
        "red, new key claimed": replace(
            kept, entry=entry, listed=keys.t[listed], shift=keys.s, public=keys.w[listed]
        ),
        "wrong evidence, some entry": replace(good, evidence=renewed.evidence),
        "entry of another table": replace(good, entry=elsewhere.table.entries[good.evidence]),
        "signature of another": replace(good, signature=kept.signature),
        "other link secret": replace(good, link=good.link + good.link),
    }
    proofs = {name: present(here, h, seeded(1)).encode() for name, h in lies.items()}
    proofs["blank"] = blank(scene.scheme, seeded(2))
    proofs["another tick's"] = scene.proof(fresh, scene.setting(tick=scene.tick + 1)).encode()
    keeper = scene.gatekeeper()
    frames = {name: frame_of(here, proof) for name, proof in proofs.items()}
    inner = {
        name: keeper.examine([frame.text()], world.now, world.entropy)[0]
        for name, frame in frames.items()
    }
    one = Inner(Outcome(Verdict.NOT_SATISFIED, cause=None, notice=None), Reason.PROOF)
    assert inner == dict.fromkeys(frames, one)
    assert {str(i.outcome) for i in inner.values()} == {"NOT_SATISFIED"}
    together = keeper.examine([frame.text() for frame in frames.values()], world.now, world.entropy)
    assert together == [one] * len(frames)
    twin = frame_of(here, present(here, good, seeded(1)).encode())
    assert keeper.verify(twin.text(), world.now, world.entropy) == ACCEPT


def test_what_a_checkpoint_can_say_is_a_closed_list() -> None:
    assert {str(o) for o in (ACCEPT, NOT_SATISFIED, ALREADY_SEEN, REPLAY, DEVICE, AGAIN, CODE)} == {
        "ACCEPT",
        "NOT_SATISFIED",
        "NOT_SATISFIED (already seen)",
        "NOT_SATISFIED (replay or lending)",
        "CANNOT_DECIDE (DEVICE)",
        "CANNOT_DECIDE (AGAIN)",
        "CANNOT_DECIDE (CODE)",
    }
    assert len(Verdict) == len(Cause) == 3
    assert len(Notice) == 2
