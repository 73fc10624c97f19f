"""Many at once: the same answers as one by one, whatever the bad ones are made of.

All relations of all items are summed with weights of their own. Whoever could guess
a weight, or found two that are equal, could let errors cancel; these attacks are built
here, hold without weights, and fail with them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest

from guosuo.bbs.signature import Signature
from guosuo.curve import G1, G2, Engine, Scalar
from guosuo.curve.entropy import Entropy
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.federation.trust_list import CheckedKeys
from guosuo.policy.simple import simple_policy
from guosuo.presentation.proof import Holding, Presentation, present
from guosuo.presentation.setting import Setting
from guosuo.presentation.verify import Item, _pairings_hold, verify, verify_batch
from guosuo.scheme import Scheme
from tests.attacks.scene import (
    ACCEPT,
    NOT_SATISFIED,
    TESTED,
    Drawn,
    Scene,
    frame_of,
    gatekeeper,
    proof_holds,
    prove_anyway,
    relations,
    unproven,
)
from tests.support.world import POLICY, World, seeded

GATE = "110000"


@dataclass
class Stage:
    scene: Scene
    good: list[Item]
    """Of two list versions and two policy versions of one gate."""
    bad: dict[str, list[Item]]
    """By what is wrong."""


def wrong_signature(h: Holding, _: CheckedKeys) -> Holding:
    return replace(h, signature=Signature(h.signature.a, h.signature.e + Scalar(1)))


def wrong_list(h: Holding, keys: CheckedKeys) -> Holding:
    return replace(h, listed=next(t for k, t in keys.t.items() if keys.w[k] != h.public))


def wrong_entry(h: Holding, _: CheckedKeys) -> Holding:
    return replace(h, entry=h.entry + h.entry)


# Their proofs hold: only the pairings refuse them.
LIES = {"signature": wrong_signature, "list": wrong_list, "entry": wrong_entry}


@pytest.fixture(scope="module")
def stage() -> Stage:
    world = World()
    wallets = [world.holder(region) for region in ("440000", "330000", "360000")]
    world.turn()
    for wallet in wallets:
        world.refresh(wallet)
    scene = Scene.of(world)
    bundles = [scene.bundle, world.bundle(GATE, world.epoch - 1)]
    document = simple_policy(
        TESTED,
        region=GATE,
        policy=POLICY,
        version=2,
        not_before=world.now,
        not_after=world.now + 86_400,
    )
    world.publish(GATE, world.regions[GATE].gate.publish_policy(document, world.entropy))
    newer = world.bundle(GATE)
    bundles += [replace(b, policy=newer.policy, table=newer.table) for b in bundles]
    good: list[Item] = []
    bad: dict[str, list[Item]] = {name: [] for name in LIES}
    bad["proof"], bad["tick"] = [], []
    for i, bundle in enumerate(bundles):
        for j, wallet in enumerate(wallets):
            setting, holding = scene.setting(bundle=bundle), scene.holding(wallet, bundle)
            shown = present(setting, holding, seeded(10 * i + j))
            good.append(Item(setting, shown))
            for name, lie in LIES.items():
                made = lie(holding, bundle.keys)
                bad[name].append(Item(setting, present(setting, made, seeded(100 + 10 * i + j))))
            bad["proof"].append(Item(setting, replace(shown, sbar=-shown.sbar, sbb=-shown.sbb)))
            bad["tick"].append(Item(replace(setting, tick=setting.tick + 1), shown))
    return Stage(scene, good, bad)


def one_by_one(items: Sequence[Item]) -> list[bool]:
    found = []
    for item in items:
        try:
            verify(item.setting, item.shown, seeded(1))
        except PeerError:
            found.append(False)
        else:
            found.append(True)
    return found


# --- the same answers ----------------------------------------------------------------------------


def test_good_and_bad_are_what_they_are_called(stage: Stage) -> None:
    versions = {(i.setting.part.digest, i.setting.policy.digest) for i in stage.good}
    assert len(versions) == 4
    assert one_by_one(stage.good) == [True] * 12
    expected = {
        "signature": (True, False, True),
        "list": (False, True, True),
        "entry": (True, True, False),
    }
    for name, items in stage.bad.items():
        assert one_by_one(items) == [False] * 12, name
        for item in items:
            if name in expected:
                assert proof_holds(item.setting, item.shown)
                assert relations(item.setting, item.shown) == expected[name]
            else:
                assert not proof_holds(item.setting, item.shown)


@pytest.mark.parametrize(
    ("size", "share"),
    [
        (50, 0.0),
        (50, 0.02),
        (50, 0.3),
        (20, 1.0),
        (1, 0.0),
        (1, 1.0),
        (2, 0.5),
        (3, 0.34),
        (7, 0.5),
    ],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_batch_names_exactly_the_bad_ones(
    stage: Stage, size: int, share: float, seed: int
) -> None:
    rng = random.Random(f"{size} {share} {seed}")
    spoiled = set(rng.sample(range(size), round(share * size)))
    everything_bad = [item for items in stage.bad.values() for item in items]
    items = [rng.choice(everything_bad if i in spoiled else stage.good) for i in range(size)]
    found = verify_batch(items, seeded(seed))
    assert found == [i not in spoiled for i in range(size)]
    assert found == one_by_one(items)


@pytest.mark.parametrize("kind", ["signature", "list", "entry", "proof", "tick"])
def test_one_bad_of_fifty_is_found_in_every_place(stage: Stage, kind: str) -> None:
    for at in (0, 24, 25, 49):
        items = [stage.good[i % 12] for i in range(50)]
        items[at] = stage.bad[kind][at % 12]
        assert verify_batch(items, seeded(at)) == [i != at for i in range(50)]


def test_batches_of_nothing_and_of_two_federations(stage: Stage) -> None:
    assert verify_batch([], seeded(1)) == []
    other = Scene.of(World(seed=2))
    shown = other.proof(other.world.holder("440000"))
    foreign = Item(other.setting(), shown)
    assert verify_batch([foreign], seeded(1)) == [True]
    with pytest.raises(CallerError) as refused:
        verify_batch([stage.good[0], foreign], seeded(1))
    assert refused.value.reason is Reason.ARGUMENT


def test_a_good_batch_costs_n_plus_three_miller_loops(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    loops: list[int] = []
    true = Engine.pairing_product_is_one

    def counted(engine: Engine, pairs: Sequence[tuple[G1, G2]]) -> bool:
        loops.append(len(pairs))
        return true(engine, pairs)

    monkeypatch.setattr(Engine, "pairing_product_is_one", counted)
    alike = stage.good[:3]
    for size in (1, 2, 3, 12):
        items = [alike[i % 3] for i in range(size)]
        assert verify_batch(items, seeded(size)) == [True] * size
    assert loops == [1 + 3, 2 + 3, 3 + 3, 12 + 3]
    loops.clear()
    assert verify_batch(stage.bad["proof"], seeded(1)) == [False] * 12
    assert loops == []  # a wrong proof costs no pairing
    assert verify_batch(stage.good, seeded(1)) == [True] * 12
    assert loops == [12 + 4]  # two policy versions


# --- weights -------------------------------------------------------------------------------------


class Recorder:
    """Entropy that remembers what it gave."""

    def __init__(self, seed: int) -> None:
        self.given: list[bytes] = []
        self.rng = random.Random(seed)

    def __call__(self, count: int) -> bytes:
        self.given.append(self.rng.randbytes(count))
        return self.given[-1]


def test_every_relation_of_every_item_has_a_weight_of_its_own(stage: Stage) -> None:
    """128 bits each; one of the three may be 1 for a single item, in a batch none."""
    for size, weights in ((1, 2), (2, 6), (12, 36)):
        recorder = Recorder(size)
        assert verify_batch(stage.good[:size], Entropy(recorder)) == [True] * size
        assert len(recorder.given) == weights
        assert {len(octets) for octets in recorder.given} == {16}
        assert len(set(recorder.given)) == weights


def test_weights_are_drawn_when_the_input_is_fixed_and_anew_each_time(stage: Stage) -> None:
    """Halving a failing batch draws again: a failed guess teaches nothing for the next."""
    recorder = Recorder(1)
    entropy = Entropy(recorder)
    assert verify_batch(stage.bad["tick"], entropy) == [False] * 12
    assert recorder.given == []
    items = [stage.good[0], stage.bad["entry"][0]]
    assert verify_batch(items, entropy) == [True, False]
    assert len(set(recorder.given)) == len(recorder.given) == 6 + 2 + 2
    assert verify_batch(items, entropy) == [True, False]
    assert len(set(recorder.given)) == 2 * 10


Change = Callable[[Presentation, Presentation, Scheme], tuple[Presentation, Presentation]]


def bbs(shown: Presentation, *, abar: G1 | None = None, bbar: G1 | None = None) -> Presentation:
    old = shown.bbs
    return replace(shown, bbs=replace(old, abar=abar or old.abar, bbar=bbar or old.bbar))


CANCELLING: dict[str, Change] = {
    "Bbar swapped": lambda a, b, _: (bbs(a, bbar=b.bbs.bbar), bbs(b, bbar=a.bbs.bbar)),
    "Sbb swapped": lambda a, b, _: (replace(a, sbb=b.sbb), replace(b, sbb=a.sbb)),
    "Sbar, Sbb swapped over": lambda a, b, _: (
        replace(a, sbar=b.sbar, sbb=a.sbb),
        replace(b, sbar=a.sbar, sbb=b.sbb),
    ),
    "Z' swapped": lambda a, b, _: (replace(a, z=b.z), replace(b, z=a.z)),
    "Bbar + X, Bbar − X": lambda a, b, _: (
        bbs(a, bbar=a.bbs.bbar + a.tag),
        bbs(b, bbar=b.bbs.bbar - a.tag),
    ),
    "Sbb + X, Sbb − X": lambda a, b, _: (
        replace(a, sbb=a.sbb + a.tag),
        replace(b, sbb=b.sbb - a.tag),
    ),
    "Bbar + X, Sbb − X in one": lambda a, b, _: (
        replace(bbs(a, bbar=a.bbs.bbar + a.tag), sbb=a.sbb - a.tag),
        b,
    ),
    "Bbar + X, Sbb of the other − X": lambda a, b, _: (
        bbs(a, bbar=a.bbs.bbar + a.tag),
        replace(b, sbb=b.sbb - a.tag),
    ),
    "Z' + δP2, Sbb − δG_L in one": lambda a, b, s: (
        replace(a, z=a.z + s.p2, sbb=a.sbb - s.list_base),
        b,
    ),
    "Z' + δP2, Bbar − δG_L in one": lambda a, b, s: (
        bbs(replace(a, z=a.z + s.p2), bbar=a.bbs.bbar - s.list_base),
        b,
    ),
    "Z' + δP2, Sbb of the other − δG_L": lambda a, b, s: (
        replace(a, z=a.z + s.p2),
        replace(b, sbb=b.sbb - s.list_base),
    ),
}


def unweighted(items: Sequence[Item]) -> bool:
    """All relations of all items multiplied, every weight being one."""
    pairs: list[tuple[G1, G2]] = []
    for item in items:
        scheme, part, shown = item.setting.scheme, item.setting.part, item.shown
        pairs += [
            (shown.bbs.abar + part.a1, shown.w),
            (-scheme.list_base, shown.z),
            (shown.sbar, item.setting.policy.k),
            (part.c1 - shown.bbs.bbar - shown.sbb, scheme.p2),
        ]
    return items[0].setting.scheme.engine.pairing_product_is_one(pairs)


@pytest.mark.parametrize("name", CANCELLING)
def test_errors_that_cancel_without_weights_do_not_with_them(stage: Stage, name: str) -> None:
    """The pairing check alone, as if the attacker had a proof for any points he likes."""
    one, two = stage.good[:2]
    a, b = CANCELLING[name](one.shown, two.shown, stage.scene.scheme)
    items = [replace(one, shown=a), replace(two, shown=b)]
    assert unweighted(items)
    assert relations(one.setting, a) != (True, True, True)
    for seed in range(3):
        assert not _pairings_hold(items, seeded(seed))
    assert _pairings_hold([one, two], seeded(1))
    bad = [relations(i.setting, i.shown) != (True, True, True) for i in items]
    assert [not _pairings_hold([item], seeded(1)) for item in items] == bad


def test_two_proven_shows_whose_errors_cancel_are_both_refused(stage: Stage) -> None:
    """The attack for real: e + δ1 and e + δ2 of one credential, δ1·Abar_1 + δ2·Abar_2 = 0."""
    scene = stage.scene
    setting = scene.setting()
    holding = scene.holding(scene.world.holder("440000"))
    k1, k2 = (Drawn.by(seed).r1 * Drawn.by(seed).r2 for seed in (1, 2))
    delta = Scalar(12_345)
    other = -(delta * k1 * k2.inverse())

    def with_error(by: Scalar, seed: int) -> Item:
        signature = Signature(holding.signature.a, holding.signature.e + by)
        shown = present(setting, replace(holding, signature=signature), seeded(seed))
        assert proof_holds(setting, shown)
        assert relations(setting, shown) == (True, False, True)
        return Item(setting, shown)

    items = [with_error(delta, 1), with_error(other, 2)]
    assert unweighted(items)
    for seed in range(4):
        assert verify_batch(items, seeded(seed)) == [False, False]
        mixed = [stage.good[0], items[0], stage.good[1], items[1]]
        assert verify_batch(mixed, seeded(seed)) == [True, False, True, False]
    keeper = scene.gatekeeper()
    frames = [frame_of(setting, item.shown.encode()) for item in items]
    honest = frame_of(setting, present(setting, holding, seeded(3)).encode())
    now, entropy = scene.world.now, scene.world.entropy
    assert keeper.verify_many([*frames, honest], now, entropy) == [
        NOT_SATISFIED,
        NOT_SATISFIED,
        ACCEPT,
    ]


def forged_for(setting: Setting, entry: G1, value: int, d1: Scalar) -> Presentation:
    """A show of nobody, for a verifier whose d1 is known: no credential, no listed key.

    With W' = x'·P2 and Z' = z·P2 of one's own, the sum of the BBS and list relations is
        x'·Abar + d1·(x'·A1 − z·G_L + C1) = Bbar = r1·D − e·Abar,
    which is solved for Abar.
    """
    scheme, part, draw = setting.scheme, setting.part, Drawn.by(21)
    x, z, e = Scalar(31), Scalar(32), Scalar(33)
    m0, s, v = Scalar(34), Scalar(35), Scalar(value)
    b = scheme.base + scheme.h0 * m0 + scheme.h1 * s + scheme.h2 * v
    d = b * draw.r2
    error = part.a1 * x - scheme.list_base * z + part.c1
    abar = (d * draw.r1 - error * d1) * (x + e).inverse()
    sbar = entry * draw.rho
    points = unproven(
        w=scheme.p2 * x,
        z=scheme.p2 * z,
        abar=abar,
        bbar=d * draw.r1 - abar * e,
        d=d,
        sbar=sbar,
        sbb=setting.policy.base * draw.rho - sbar * v,
        tag=setting.base() * s,
    )
    witness = {"e": e, "-r1": -draw.r1, "-r3": -draw.r2.inverse(), "rho": draw.rho}
    witness |= {"m0": m0, "m1": s, "m2": v}
    return prove_anyway(setting, points, witness, seeded(22))


def test_who_knows_the_weight_needs_no_credential(stage: Stage) -> None:
    """Why d1 is the verifier's own, drawn after the input: known before, anybody passes.

    The forgery for d1 = 1 holds unweighted; the one for a predicted d1 passes that very
    draw. Both fail under every other.
    """
    scene = stage.scene
    setting = scene.setting()
    value, entry = next(iter(scene.bundle.table.entries.items()))
    plain = forged_for(setting, entry, value, Scalar(1))
    assert proof_holds(setting, plain)
    assert unweighted([Item(setting, plain)])
    assert relations(setting, plain) == (False, False, True)
    predicted = forged_for(setting, entry, value, seeded(7).weight())
    verify(setting, predicted, seeded(7))  # the attack is real
    for seed in range(8, 16):
        for forged in (plain, predicted):
            with pytest.raises(PeerError) as refused:
                verify(setting, forged, seeded(seed))
            assert refused.value.reason is Reason.PAIRING
        items = [Item(setting, plain), stage.good[0], Item(setting, predicted)]
        assert verify_batch(items, seeded(seed)) == [False, True, False]
    frame = frame_of(setting, predicted.encode())
    for _ in range(4):  # one source, drawn from on and on
        outcome = scene.gatekeeper().verify(frame.text(), scene.world.now, scene.world.entropy)
        assert outcome == NOT_SATISFIED


# --- entropy that is broken ----------------------------------------------------------------------

BROKEN: dict[str, Callable[[int], bytes]] = {
    "zero": bytes,
    "ones": lambda n: b"\xff" * n,
    "one octet": lambda n: b"A" * n,
    "nothing": lambda _: b"",
    "too little": lambda n: bytes(range(n - 1)),
    "too much": lambda n: bytes(range(n + 1)),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_entropy_stops_and_never_accepts(stage: Stage, name: str) -> None:
    broken, item, world = Entropy(BROKEN[name]), stage.good[0], stage.scene.world
    keeper = gatekeeper(world, item.setting)
    code = frame_of(item.setting, item.shown.encode()).text()
    attempts: list[Callable[[], object]] = [
        lambda: verify(item.setting, item.shown, broken),
        lambda: verify_batch([item], broken),
        lambda: verify_batch(stage.good, broken),
        lambda: verify_batch([item, stage.bad["entry"][0]], broken),
        lambda: keeper.verify(code, world.now, broken),
        lambda: keeper.verify_many([code, "GS1:"], world.now, broken),
    ]
    for attempt in attempts:
        with pytest.raises(CallerError) as refused:
            attempt()
        assert refused.value.reason is Reason.RANDOMNESS
    assert not keeper.state.seen
    assert keeper.verify(code, world.now, world.entropy) == ACCEPT


def test_entropy_that_breaks_half_way_accepts_nothing(stage: Stage) -> None:
    """In the middle of a batch, and in the middle of halving it."""
    items = [*stage.good[:3], stage.bad["entry"][0]]
    needed = 12 + 6 + 6 + 2 + 2

    def failing_after(draws: int) -> Entropy:
        rng = random.Random(draws)
        left = iter(range(draws))
        return Entropy(lambda n: bytes(n) if next(left, None) is None else rng.randbytes(n))

    for draws in range(needed):
        with pytest.raises(CallerError) as refused:
            verify_batch(items, failing_after(draws))
        assert refused.value.reason is Reason.RANDOMNESS
    assert verify_batch(items, failing_after(needed)) == [True, True, True, False]
