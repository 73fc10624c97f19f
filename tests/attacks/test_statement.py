"""What a presentation binds: every item of its transcript, and one listed key.

Changing or dropping any item on the verifier's side makes the proof fail. Without N
in the transcript any tag could be had; with it, none but s·H(ctx). And W' is one
listed key: affine combinations of keys satisfy the list equation, but nobody has a
signature under them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import pytest

from guosuo.bbs.signature import Signature, sign_point
from guosuo.curve import G1, Scalar
from guosuo.curve.points import Point
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.federation.trust_list import (
    ListPart,
    ListSecret,
    audit_keys,
    check_part,
    make_keys,
    make_part,
)
from guosuo.policy.table import PolicyPart, check_policy
from guosuo.presentation.proof import Holding, Presentation, context, present, statement
from guosuo.presentation.setting import FORMAT, NONCE_SIZE, Mode, Setting
from guosuo.presentation.verify import verify
from guosuo.scheme import HEADER, Scheme
from guosuo.sigma.proof import Proof, prove
from guosuo.suite import Item, Suite, Tag
from tests.attacks.scene import (
    ACCEPT,
    NOT_SATISFIED,
    Drawn,
    Scene,
    proof_holds,
    prove_anyway,
    relations,
)
from tests.support.world import EPOCH, World, seeded

NAMES = (
    "format version",
    "suite",
    "api_id",
    "federation",
    "header",
    "message count",
    "hidden positions",
    "gate region",
    "list version",
    "hash of the list part",
    "hash of the policy part",
    "A1",
    "C1",
    "policy id",
    "policy version",
    "K",
    "checkpoint id",
    "tick",
    "mode",
    "nonce",
)
POINTS = ("W'", "Z'", "Abar", "Bbar", "D", "Sbar", "Sbb", "N")


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene.of(World())


@pytest.fixture(scope="module")
def holding(scene: Scene) -> Holding:
    return scene.holding(scene.world.holder("440000"))


def accepted(setting: Setting, shown: Presentation) -> bool:
    """Whether `verify` accepts; any refusal but the peer error gets out."""
    try:
        verify(setting, shown, seeded(77))
    except PeerError:
        return False
    return True


# --- the transcript ------------------------------------------------------------------------------


def test_the_transcript_is_this_list(scene: Scene) -> None:
    """Written out once more, so that nobody drops an item without a test that says so."""
    nonce = bytes(range(NONCE_SIZE))
    setting = scene.setting(mode=Mode.CHALLENGE, nonce=nonce)
    part, policy = setting.part, setting.policy
    expected: list[Item] = [
        1,
        "BLS12-381-SHA-256",
        b"BBS_BLS12381G1_XMD:SHA-256_SSWU_RO_GUOSUO_V1_",
        scene.world.federation.id,
        HEADER,
        3,
        [0, 1, 2],
        "110000",
        ["all", scene.world.epoch, 0],
        part.digest,
        policy.digest,
        part.a1,
        part.c1,
        "entry",
        1,
        policy.k,
        "gate-110000",
        scene.tick,
        1,
        nonce,
    ]
    assert setting.transcript() == expected
    assert len(expected) == len(NAMES) == 20
    assert FORMAT == 1


def leaves(items: Sequence[Item]) -> list[tuple[int, ...]]:
    """Paths of everything that is no array, empty arrays' own included."""
    found: list[tuple[int, ...]] = []
    for i, item in enumerate(items):
        found += [(i, j) for j in range(len(item))] if isinstance(item, list) else [(i,)]
    return found


def altered(item: Item) -> Item:
    """Another item of the same type."""
    if isinstance(item, bytes):
        return bytes([item[0] ^ 1]) + item[1:] if item else b"\0"
    if isinstance(item, str):
        return item[:-1] + chr(ord(item[-1]) ^ 1)
    if isinstance(item, int):
        return item + 1
    if isinstance(item, Point):
        return -item
    raise TypeError


@dataclass(frozen=True, slots=True)
class Bent(Setting):
    """A verifier (or prover) who has one item of the transcript otherwise, or not at all."""

    path: tuple[int, ...] = ()
    drop: bool = False

    def transcript(self) -> list[Item]:
        items = Setting.transcript(self)
        if not self.path:
            return items
        holder: list[Item] = items
        *above, last = self.path
        for i in above:
            inner = holder[i]
            assert isinstance(inner, list)
            holder = inner
        if self.drop:
            del holder[last]
        else:
            holder[last] = altered(holder[last])
        return items


def bent(setting: Setting, path: tuple[int, ...], *, drop: bool = False) -> Bent:
    return Bent(
        setting.scheme,
        setting.part,
        setting.policy,
        setting.checkpoint,
        setting.tick,
        setting.mode,
        setting.nonce,
        path,
        drop,
    )


@pytest.mark.parametrize("drop", [False, True], ids=["changed", "left out"])
@pytest.mark.parametrize("mode", Mode)
def test_every_single_item_of_the_transcript_binds(
    scene: Scene, holding: Holding, mode: Mode, *, drop: bool
) -> None:
    nonce = b"n" * NONCE_SIZE if mode is Mode.CHALLENGE else b""
    setting = scene.setting(mode=mode, nonce=nonce)
    shown = present(setting, holding, seeded(1))
    paths = leaves(setting.transcript())
    assert len(paths) == 20 - 2 + 3 + 3
    assert {path[0] for path in paths} == set(range(20))
    assert accepted(bent(setting, ()), shown)
    for path in paths:
        other = bent(setting, path, drop=drop)
        name = f"{NAMES[path[0]]} {path}"
        assert not accepted(other, shown), name
        # The twin: whoever proves over that transcript is accepted by it, and only by it.
        theirs = present(other, holding, seeded(1))
        assert accepted(other, theirs), name
        assert not accepted(setting, theirs), name


def test_every_point_of_the_presentation_binds_in_the_transcript(
    scene: Scene, holding: Holding
) -> None:
    """The equations untouched, one point changed or left out in the hash only."""
    setting = scene.setting()
    shown = present(setting, holding, seeded(1))
    whole = context(setting, shown)
    assert len(whole) == len(NAMES) + len(POINTS)
    assert whole[len(NAMES) :] == list(shown.points())
    assert proof_holds(setting, shown, whole)
    for i, name in enumerate(POINTS, start=len(NAMES)):
        assert not proof_holds(setting, shown, [*whole[:i], altered(whole[i]), *whole[i + 1 :]]), (
            name
        )
        assert not proof_holds(setting, shown, [*whole[:i], *whole[i + 1 :]]), name
    for i in range(len(whole) - 1):  # and order counts
        swapped = [*whole[:i], whole[i + 1], whole[i], *whole[i + 2 :]]
        assert not proof_holds(setting, shown, swapped)


def test_the_challenge_has_a_tag_of_its_own(scene: Scene, holding: Holding) -> None:
    """A proof of any other kind over the same statement and context is no presentation."""
    setting = scene.setting()
    shown = present(setting, holding, seeded(1))
    drawn = Drawn.by(1)
    witness = {
        "e": holding.signature.e - drawn.tau,
        "-r1": -drawn.r1,
        "-r3": -drawn.r2.inverse(),
        "rho": drawn.rho,
        "m0": holding.blinding,
        "m1": holding.link,
        "m2": Scalar(holding.evidence),
    }
    for tag in Tag:
        proof = prove(
            scene.scheme.api,
            tag,
            statement(setting, shown),
            witness,
            context(setting, shown),
            seeded(2),
        )
        assert accepted(setting, replace(shown, proof=proof)) == (tag is Tag.PRESENTATION), tag


def test_every_field_of_a_setting_changes_the_transcript(scene: Scene, holding: Holding) -> None:
    setting = scene.setting()
    part, policy = setting.part, setting.policy

    def named(new: ListPart) -> Setting:
        """The very same A1, C1 and digest under another name."""
        return replace(setting, part=replace(part, part=new))

    def called(new: PolicyPart) -> Setting:
        return replace(setting, policy=replace(policy, part=new))

    others = {
        "scope": named(replace(part.part, scope="some")),
        "epoch": named(replace(part.part, epoch=part.part.epoch + 1)),
        "revision": named(replace(part.part, revision=1)),
        "part digest": replace(setting, part=replace(part, digest=bytes(32))),
        "A1": replace(setting, part=replace(part, a1=-part.a1)),
        "C1": replace(setting, part=replace(part, c1=-part.c1)),
        "policy": called(replace(policy.part, policy="exit")),
        "version": called(replace(policy.part, version=2)),
        "policy digest": replace(setting, policy=replace(policy, digest=bytes(32))),
        "K": replace(setting, policy=replace(policy, k=-policy.k)),
        "checkpoint": replace(setting, checkpoint="gate-2"),
        "tick": replace(setting, tick=setting.tick + 1),
        "mode, nonce": replace(setting, mode=Mode.CHALLENGE, nonce=bytes(NONCE_SIZE)),
        "nonce": replace(setting, mode=Mode.CHALLENGE, nonce=b"\1" * NONCE_SIZE),
        "federation": replace(setting, scheme=Scheme.of(scene.scheme.suite, b"f" * 32)),
        "suite": replace(
            setting,
            scheme=Scheme.of(Suite.shake256(scene.scheme.engine), scene.scheme.federation),
        ),
        "region": replace(
            setting,
            part=replace(part, part=replace(part.part, region="330000")),
            policy=replace(policy, part=replace(policy.part, region="330000")),
        ),
    }
    shown = present(setting, holding, seeded(1))
    assert accepted(setting, shown)
    assert {name for name, other in others.items() if accepted(other, shown)} == set()
    transcripts = {name: repr_of(other) for name, other in others.items()}
    assert len({*transcripts.values(), repr_of(setting)}) == len(others) + 1


def repr_of(setting: Setting) -> str:
    return repr([i.encode() if isinstance(i, Point) else i for i in setting.transcript()])


def test_list_and_policy_of_two_gates_make_no_setting(scene: Scene) -> None:
    elsewhere = scene.world.bundle("330000")
    setting = scene.setting()
    with pytest.raises(CallerError) as refused:
        replace(setting, policy=elsewhere.policy)
    assert refused.value.reason is Reason.ARGUMENT
    assert replace(setting, policy=scene.bundle.policy) == setting


def test_a_list_key_used_twice_still_makes_two_lists(scene: Scene, holding: Holding) -> None:
    """A lazy gate keeps (a, b): the list equation is one, but each show names its own part."""
    scheme, secret, now = scene.scheme, ListSecret(Scalar(3), Scalar(5)), scene.world.now
    keys = scene.bundle.keys
    bundles = []
    for revision, end in ((0, now + EPOCH), (1, now + EPOCH), (0, now + 2 * EPOCH)):
        part = make_part(
            scheme,
            secret,
            region="110000",
            scope="all",
            epoch=scene.world.epoch,
            revision=revision,
            not_before=now,
            not_after=end,
            entropy=seeded(1),
        )
        checked = check_part(scheme, part.encode())
        listed = make_keys(scheme, secret, part, list(keys.w.items()))
        audited = audit_keys(scheme, checked, listed, keys.w, seeded(2))
        bundles.append(replace(scene.bundle, part=checked, keys=audited))
    first, *_ = bundles
    assert {b.part.a1.encode() for b in bundles} == {first.part.a1.encode()}
    (key,) = [k for k, w in keys.w.items() if w == holding.public]
    moved = replace(holding, listed=first.keys.t[key], shift=first.keys.s)
    settings = [scene.setting(bundle=b) for b in bundles]
    shown = present(settings[0], moved, seeded(3))
    assert [relations(s, shown) for s in settings] == [(True, True, True)] * 3
    assert [accepted(s, shown) for s in settings] == [True, False, False]


def test_a_table_key_used_twice_still_makes_two_policies(scene: Scene, holding: Holding) -> None:
    """The same K, G_T and table under another end of validity: another transcript."""
    policy = scene.bundle.policy
    longer = replace(policy.part, not_after=policy.part.not_after + 1)
    other = check_policy(scene.scheme, longer.encode())
    assert (other.k, other.base) == (policy.k, policy.base)
    setting = scene.setting()
    shown = present(setting, holding, seeded(1))
    prolonged = replace(setting, policy=other)
    assert relations(prolonged, shown) == (True, True, True)
    assert accepted(setting, shown)
    assert not accepted(prolonged, shown)
    assert accepted(prolonged, present(prolonged, holding, seeded(1)))


# --- (!) N ---------------------------------------------------------------------------------------


def without_tag(setting: Setting, shown: Presentation) -> list[Item]:
    """The transcript of a verifier who forgot N."""
    return [*setting.transcript(), *shown.points()[:-1]]


def any_tag(setting: Setting, holding: Holding, honest: Presentation, seed: int) -> Presentation:
    """All equations honest but T4, which is drawn anew; N is solved for afterwards.

    N' = (m̂_1·H(ctx) − T4)/c is a new tag for every show, if c does not hash N'.
    """
    scheme, api = setting.scheme, setting.scheme.api
    drawn, entropy = Drawn.by(seed), seeded(1000 + seed)
    secrets = {
        "e": holding.signature.e - drawn.tau,
        "-r1": -drawn.r1,
        "-r3": -drawn.r2.inverse(),
        "rho": drawn.rho,
        "m0": holding.blinding,
        "m1": holding.link,
        "m2": Scalar(holding.evidence),
    }
    nonces = {name: entropy.scalar() for name in secrets}
    *others, _ = statement(setting, honest).equations
    commitments: list[G1] = []
    for equation in others:
        total = scheme.engine.g1_identity
        for name, base in equation.terms:
            assert isinstance(base, G1)
            total += base * nonces[name]
        commitments.append(total)
    t4 = setting.base() * entropy.scalar()
    c = api.scalar(Tag.PRESENTATION, *without_tag(setting, honest), *commitments, t4)
    responses = tuple(nonces[name] + c * secret for name, secret in secrets.items())
    tag = (setting.base() * responses[list(secrets).index("m1")] - t4) * c.inverse()
    return replace(honest, tag=tag, proof=Proof(c, responses))


def test_without_n_in_the_transcript_any_tag_can_be_had(scene: Scene, holding: Holding) -> None:
    """(!) The attack works against a transcript without N, and not against ours."""
    setting = scene.setting()
    tags = set()
    for seed in range(4):
        honest = present(setting, holding, seeded(seed))
        forged = any_tag(setting, holding, honest, seed)
        assert relations(setting, forged) == (True, True, True)
        assert proof_holds(setting, forged, without_tag(setting, forged))
        assert not proof_holds(setting, forged)
        assert not accepted(setting, forged)
        assert scene.verdict(setting, forged) == NOT_SATISFIED
        assert scene.verdict(setting, honest) == ACCEPT
        tags |= {forged.tag.encode(), honest.tag.encode()}
    assert len(tags) == 4 + 1


def test_a_tag_of_another_secret_fails(scene: Scene, holding: Holding) -> None:
    """N' = s'·H(ctx), answered with s' or with s: one of T2 and T4 does not fit."""
    setting, drawn = scene.setting(), Drawn.by(1)
    honest = present(setting, holding, seeded(1))
    secrets = {
        "e": holding.signature.e - drawn.tau,
        "-r1": -drawn.r1,
        "-r3": -drawn.r2.inverse(),
        "rho": drawn.rho,
        "m0": holding.blinding,
        "m1": holding.link,
        "m2": Scalar(holding.evidence),
    }
    assert accepted(setting, prove_anyway(setting, honest, secrets, seeded(2)))
    other = holding.link + Scalar(1)
    for tag in (setting.base() * other, honest.tag + scene.scheme.engine.g1, -honest.tag):
        moved = replace(honest, tag=tag)
        for link in (holding.link, other, -holding.link):
            shown = prove_anyway(setting, moved, secrets | {"m1": link}, seeded(2))
            assert relations(setting, shown) == (True, True, True)
            assert scene.verdict(setting, shown) == NOT_SATISFIED


def test_a_simulated_t4_fails(scene: Scene, holding: Holding) -> None:
    """The answers of a true proof kept, and T4 computed from N': the challenge is another."""
    setting = scene.setting()
    honest = present(setting, holding, seeded(1))
    for factor in (0, 2, 3, -1):
        tag = setting.base() * (holding.link * Scalar(factor) + Scalar(factor))
        moved = replace(honest, tag=tag)
        assert not accepted(setting, moved)
        # Neither after hashing once more with the T4 that fits N' and the old answers.
        t4 = setting.base() * honest.proof.responses[5] - tag * honest.proof.challenge
        assert isinstance(t4, G1)
        c = scene.scheme.api.scalar(Tag.PRESENTATION, *context(setting, moved), t4)
        assert not accepted(setting, replace(moved, proof=replace(honest.proof, challenge=c)))
    assert accepted(setting, honest)


# --- W' is one listed key ------------------------------------------------------------------------


@dataclass(frozen=True)
class Pair:
    """Credentials of one attacker under two listed keys, and those keys."""

    one: Holding
    two: Holding

    def combined(self, a: int, b: int, signature: Signature, of: Holding) -> Holding:
        """Everything of `of`, under a·W_1 + b·W_2."""
        x, y = Scalar(a), Scalar(b)
        return replace(
            of,
            signature=signature,
            public=self.one.public * x + self.two.public * y,
            listed=self.one.listed * x + self.two.listed * y,
        )


@pytest.fixture(scope="module")
def pair(scene: Scene) -> Pair:
    world = scene.world
    wallet = world.holder("440000")
    world.enrol(wallet, "360000")
    one, two = wallet._holdings(scene.bundle)
    assert one.public != two.public
    return Pair(one, two)


@pytest.mark.parametrize(
    ("a", "b", "holds"),
    [
        (1, 0, True),
        (0, 1, True),
        (2, -1, True),
        (-1, 2, True),
        (5, -4, True),
        (1, 1, False),
        (2, 0, False),
        (1, -1, False),
        (3, -1, False),
        (0, 0, False),
    ],
)
def test_the_list_equation_alone_proves_an_affine_combination(
    scene: Scene, pair: Pair, a: int, b: int, *, holds: bool
) -> None:
    """a·W_1 + b·W_2 with a + b = 1 passes it, with other sums not."""
    setting = scene.setting()
    # (0, 0) is W' = τ·P2: the attacker's own key, listed by nobody.
    shown = present(setting, pair.combined(a, b, pair.one.signature, pair.one), seeded(1))
    assert relations(setting, shown)[0] is holds


def test_nobody_has_a_signature_under_a_combination_of_keys(scene: Scene, pair: Pair) -> None:
    """W' = 2·W_1 − W_2 + τ·P2 with all that two signatures can be made into."""
    setting, two = scene.setting(), Scalar(2)
    s1, s2 = pair.one.signature, pair.two.signature
    points = {
        "A1": s1.a,
        "A2": s2.a,
        "2A1 − A2": s1.a * two - s2.a,
        "2A2 − A1": s2.a * two - s1.a,
        "A1 + A2": s1.a + s2.a,
        "A1 − A2": s1.a - s2.a,
        "A1/2": s1.a * two.inverse(),
    }
    exponents = {
        "e1": s1.e,
        "e2": s2.e,
        "2e1 − e2": s1.e * two - s2.e,
        "2e2 − e1": s2.e * two - s1.e,
        "e1 + e2": s1.e + s2.e,
    }
    for (name, a), (exponent, e) in product(points.items(), exponents.items()):
        for of in (pair.one, pair.two):
            made = pair.combined(2, -1, Signature(a, e), of)
            shown = present(setting, made, seeded(1))
            assert proof_holds(setting, shown)
            assert relations(setting, shown) == (True, False, True), (name, exponent)
            assert not accepted(setting, shown)
    shown = present(setting, pair.combined(2, -1, s1, pair.one), seeded(1))
    assert scene.verdict(setting, shown) == NOT_SATISFIED
    for honest in (pair.one, pair.two):
        assert scene.verdict(setting, present(setting, honest, seeded(1))) == ACCEPT


def test_other_elements_do_not_save_the_combination(scene: Scene, pair: Pair) -> None:
    """BBS relation first: Abar and Bbar that fit W' then have no proof."""
    setting, scheme, drawn = scene.setting(), scene.scheme, Drawn.by(1)
    made = pair.combined(2, -1, pair.one.signature, pair.one)
    honest = present(setting, made, seeded(1))
    # A key of one's own shifted in: then W' is unlisted, and the list relation fails.
    known = scheme.p2 * Scalar(99)
    moved = replace(honest, w=known)
    assert relations(setting, moved)[0] is False
    # Abar = k·G, Bbar = dlog... only where the secret of W' is known can both fit:
    bbs = replace(honest.bbs, abar=scheme.engine.g1, bbar=scheme.engine.g1 * Scalar(99))
    fitting = replace(moved, bbs=bbs)
    assert relations(setting, fitting) == (False, True, True)
    witness = {
        "e": Scalar(1),
        "-r1": -drawn.r1,
        "-r3": -drawn.r2.inverse(),
        "rho": drawn.rho,
        "m0": made.blinding,
        "m1": made.link,
        "m2": Scalar(made.evidence),
    }
    for shown in (honest, moved, fitting):
        proven = prove_anyway(setting, shown, witness, seeded(3))
        assert scene.verdict(setting, proven) == NOT_SATISFIED
    good = present(setting, pair.one, seeded(1))
    assert scene.verdict(setting, good) == ACCEPT


def test_who_knows_both_secrets_signs_under_the_combination(scene: Scene, pair: Pair) -> None:
    """Why no other signature may ever be verified under W': the list equation lets it pass.

    Two regions together could have signed anyway; nothing is gained. It shows that
    the BBS equation alone stands between an affine combination and acceptance.
    """
    secrets = [
        key.secret
        for region in scene.world.regions.values()
        for key in region.issuer.state.keys.values()
    ]
    p2 = scene.scheme.p2
    (x1,) = [x for x in secrets if p2 * x == pair.one.public]
    (x2,) = [x for x in secrets if p2 * x == pair.two.public]
    scheme, of = scene.scheme, pair.one
    b = scheme.base + scheme.h0 * of.blinding + scheme.h1 * of.link
    b += scheme.h2 * Scalar(of.evidence)
    signature = sign_point(x1 + x1 - x2, b, Scalar(7))
    setting = scene.setting()
    shown = present(setting, pair.combined(2, -1, signature, of), seeded(1))
    assert relations(setting, shown) == (True, True, True)
    assert scene.verdict(setting, shown) == ACCEPT
    outsider = sign_point(x1 + x1 - x2 + Scalar(1), b, Scalar(7))
    shown = present(setting, pair.combined(2, -1, outsider, of), seeded(1))
    assert scene.verdict(setting, shown) == NOT_SATISFIED
