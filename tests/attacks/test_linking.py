"""Attempts to link: two shows, two renewals, a show and a holder. None finds anything.

Each attempt has a twin that succeeds as soon as the one thing is taken away that
stops it: the issuer's secret, the re-keying, u_t, v_t in u_t, fresh randomizers.
Some run on the real curve, with every pairing that an observer could compute; those
about *all* equations, or about perfect hiding, run on the transparent one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import pytest

from guosuo.bbs.signature import Signature
from guosuo.credential.board import slot_signature
from guosuo.credential.keys import EpochKey
from guosuo.credential.ownership import prove_enrolment
from guosuo.credential.renewal import blind_scalar, sign_message
from guosuo.curve.points import G1, G2, Point
from guosuo.curve.scalar import Scalar
from guosuo.evidence.facts import EvidenceKind
from guosuo.evidence.limits import LIMITS
from guosuo.evidence.registry import NAAT
from guosuo.evidence.states import Shape, State
from guosuo.evidence.value import pack
from guosuo.federation.entries import Board
from guosuo.presentation.proof import SECRETS, Holding, Presentation, present, statement
from guosuo.presentation.setting import Setting
from guosuo.presentation.verify import verify
from guosuo.roles.bundle import GateBundle
from guosuo.roles.holding import HeldSlot
from guosuo.roles.wallet import Wallet
from guosuo.scheme import KeyId, Scheme
from guosuo.sigma.proof import Statement, prove_with
from guosuo.suite import Suite
from tests.support.liars import scripted
from tests.support.transparent import TransparentEngine, log
from tests.support.world import EVERY_CONSENT, World, fact

GATE, OTHER_GATE = "110000", "360000"
HOME, NEIGHBOUR = "440000", "330000"


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def glass() -> World:
    """A federation whose every logarithm is in plain sight."""
    return World(suite=Suite.sha256(TransparentEngine()))


# --- tools ----------------------------------------------------------------------------


def _setting(world: World, gate: str, bundle: GateBundle) -> Setting:
    tick = world.federation.clock.tick_at(world.now)
    return Setting(world.federation.scheme, bundle.part, bundle.policy, f"gate-{gate}", tick)


def _show(world: World, wallet: Wallet, gate: str = GATE) -> Presentation:
    """A fresh show in a tick of its own, as the gate decodes it."""
    world.tick()
    invitation = world.regions[gate].checkpoint.poster()
    frame = wallet.show(
        invitation, world.bundle(gate), world.view, world.now, world.entropy, EVERY_CONSENT
    )
    return Presentation.decode(world.federation.scheme, frame.proof)


def _published(world: World, gate: str) -> dict[str, G2]:
    """Every point of G2 that regions and one gate publish."""
    bundle = world.bundle(gate)
    points = {"P2": world.federation.scheme.p2, "S": bundle.keys.s, "K": bundle.policy.k}
    for key, t in bundle.keys.t.items():
        points[f"T {key.region} {key.epoch - world.epoch}"] = t
        points[f"W {key.region} {key.epoch - world.epoch}"] = bundle.keys.w[key]
    return points


def _equal(scheme: Scheme, p: G1, x: G2, q: G1, u: G2) -> bool:
    """e(P, X) = e(Q, U)."""
    return scheme.engine.pairing_product_is_one([(p, x), (-q, u)])


# --- shows: what pairings can say -----------------------------------------------------


def test_no_published_point_tells_whose_signature_a_show_hides(world: World) -> None:
    """e(Abar, X) = e(Bbar, U) holds for no published X and U, nor for those of another show.

    Twin: with X = W' of the show itself, which is the issuer's key moved by a secret
    τ, it holds; the other shows of the same holder have other τ.
    """
    scheme = world.federation.scheme
    holder = world.holder(HOME)
    first, second = _show(world, holder), _show(world, holder)
    elsewhere = _show(world, holder, OTHER_GATE)
    points = _published(world, GATE)
    points |= {"W'2": second.w, "Z'2": second.z, "W'3": elsewhere.w, "Z'3": elsewhere.z}
    abar, bbar = first.bbs.abar, first.bbs.bbar
    assert len(points) == 3 + 16 + 4
    found = [
        (x, u) for x in points for u in points if _equal(scheme, abar, points[x], bbar, points[u])
    ]
    assert found == []
    assert _equal(scheme, abar, first.w, bbar, scheme.p2)


def test_differences_of_published_points_tell_nothing_either(world: World) -> None:
    """The gate subtracts each candidate's key: W' − W_i = τ·P2 for the true one alone,
    but e(Abar, ·), e(G_L, ·) and e(A1, ·) see no difference between it and the others."""
    scheme = world.federation.scheme
    bundle = world.bundle(GATE)
    show = _show(world, world.holder(HOME))
    for key, w in bundle.keys.w.items():
        tau, moved = show.w - w, show.z - bundle.keys.t[key]
        # The one relation that holds does so for every listed key alike.
        assert _equal(scheme, scheme.list_base, moved, bundle.part.a1, tau)
        for u in (scheme.p2, bundle.keys.s, w):
            assert not _equal(scheme, show.bbs.abar, tau, show.bbs.bbar, u)
            assert not _equal(scheme, show.bbs.abar, moved, show.bbs.bbar, u)
    # Twin: who knows a holder's τ (a wallet that draws it badly) finds the region.
    twin = present(
        _setting(world, GATE, bundle),
        next(iter(world.holder(HOME)._holdings(bundle))),
        scripted([Scalar(7)], world.entropy),
    )
    matches = {k.region for k, w in bundle.keys.w.items() if twin.w - w == scheme.p2 * Scalar(7)}
    assert matches == {HOME}


def _key_of(world: World, holding: Holding, bundle: GateBundle) -> EpochKey:
    """The issuer's own key behind a holding."""
    name = next(k for k, w in bundle.keys.w.items() if w == holding.public)
    return world.regions[name.region].issuer.state.keys[name]


def test_a_raw_key_pair_in_a_show_would_link_all_shows_of_a_region(world: World) -> None:
    """Why no show contains a pair (U, x_i·U), in any group.

    The older design, built here: signature not re-keyed, key shown as (U, x·U). Two
    shows of one region then satisfy e(Abar_1, X_2) = e(Bbar_1, U_2), two of
    different regions do not. With the real shows neither does.
    """
    scheme, entropy = world.federation.scheme, world.entropy
    bundle = world.bundle(GATE)
    holders = [world.holder(HOME), world.holder(HOME), world.holder(NEIGHBOUR)]
    holdings = [next(iter(h._holdings(bundle))) for h in holders]

    def raw(holding: Holding) -> tuple[G1, G1, G2, G2]:
        x, u = _key_of(world, holding, bundle).secret, scheme.p2 * entropy.scalar()
        abar = holding.signature.a * entropy.scalar()
        return abar, abar * x, u, u * x

    (a1, b1, _, _), (_, _, u2, x2), (_, _, u3, x3) = (raw(h) for h in holdings)
    assert _equal(scheme, a1, x2, b1, u2)
    assert not _equal(scheme, a1, x3, b1, u3)

    shows = [_show(world, h) for h in holders]
    for one, other in combinations(shows, 2):
        for x, u in ((other.w, scheme.p2), (other.z, bundle.keys.s), (other.z, other.w)):
            assert not _equal(scheme, one.bbs.abar, x, one.bbs.bbar, u)


# --- shows: all equations at once -----------------------------------------------------


@dataclass(frozen=True)
class Observed:
    """Named points of both groups that an observer has."""

    g1: Mapping[str, Point]
    g2: Mapping[str, Point]

    def coincidences(self) -> set[tuple[str, str]]:
        """Every e(P, X) = e(Q, U) ≠ 1 with P, Q, X, U points or differences of two points."""
        seen: dict[Scalar, list[str]] = defaultdict(list)
        for p, left in _with_differences(self.g1).items():
            for x, right in _with_differences(self.g2).items():
                seen[left * right].append(f"e({p}, {x})")
        return {
            pair
            for value, names in seen.items()
            if value and len(names) > 1
            for pair in combinations(sorted(names), 2)
        }


def _with_differences(points: Mapping[str, Point]) -> dict[str, Scalar]:
    logs = {name: log(point) for name, point in points.items()}
    return logs | {f"{p} − {q}": logs[p] - logs[q] for p, q in combinations(sorted(logs), 2)}


def _observe(world: World, shows: Sequence[Presentation]) -> Observed:
    """What the gate has: its own public points, the regions', and two shows."""
    scheme, bundle = world.federation.scheme, world.bundle(GATE)
    g1: dict[str, Point] = {
        "G_L": scheme.list_base,
        "A1": bundle.part.a1,
        "C1": bundle.part.c1,
        "G_T": bundle.policy.base,
        "P1": scheme.base,
        "H0": scheme.h0,
        "H1": scheme.h1,
        "H2": scheme.h2,
    }
    g2: dict[str, Point] = {
        name: point for name, point in _published(world, GATE).items() if " -1" not in name
    }
    for number, show in enumerate(shows, 1):
        named = zip(("Abar", "Bbar", "D", "Sbar", "Sbb", "N"), show.points()[2:], strict=True)
        g1 |= {f"{name}{number}": point for name, point in named}
        g2 |= {f"W'{number}": show.w, f"Z'{number}": show.z}
    return Observed(g1, g2)


def test_two_shows_of_one_holder_satisfy_no_equation_that_two_of_strangers_do_not(
    glass: World,
) -> None:
    """All equations of two pairings, exhaustively, differences included.

    Same holder, same region, different regions: exactly the same ones hold, and
    those that hold are the verifier's own.
    """
    one, same, stranger = glass.holder(HOME), glass.holder(HOME), glass.holder(NEIGHBOUR)
    patterns = [
        _observe(glass, [_show(glass, one), _show(glass, other)]).coincidences()
        for other in (one, same, stranger)
    ]
    assert patterns[0] == patterns[1] == patterns[2]
    assert ("e(Abar1, W'1)", "e(Bbar1, P2)") in patterns[0]
    assert ("e(Sbar2, K)", "e(Sbb2, P2)") in patterns[0]
    assert not any("Abar1" in p and "2" in q.replace("P2", "") for p, q in patterns[0])


def test_the_same_search_finds_a_raw_key_pair(glass: World) -> None:
    """Twin: one pair (V, x_i·V) beside each show, in G1 or G2, and the search finds the region."""
    bundle = glass.bundle(GATE)
    one, same, stranger = glass.holder(HOME), glass.holder(HOME), glass.holder(NEIGHBOUR)

    def pattern(other: Wallet) -> set[tuple[str, str]]:
        seen = _observe(glass, [_show(glass, one), _show(glass, other)])
        g1, g2 = dict(seen.g1), dict(seen.g2)
        x1, x2 = (
            _key_of(glass, next(iter(w._holdings(bundle))), bundle).secret for w in (one, other)
        )
        v = glass.federation.scheme.h0 * glass.entropy.scalar()
        u = glass.federation.scheme.p2 * glass.entropy.scalar()
        g1 |= {"V1": v, "xV1": v * x1}
        g2 |= {"U2": u, "xU2": u * x2}
        return Observed(g1, g2).coincidences()

    assert ("e(V1, xU2)", "e(xV1, U2)") in pattern(same)
    assert ("e(V1, xU2)", "e(xV1, U2)") not in pattern(stranger)


def test_tags_and_records_of_one_person_satisfy_no_equation(glass: World) -> None:
    """N of different ticks and R of different regions: nothing, because s·P2 is nowhere.

    Twin: with s·P2 every tag of the holder is recognised.
    """
    scheme = glass.federation.scheme
    one, other = glass.holder(HOME), glass.holder(HOME)

    def pattern(first: Wallet, second: Wallet, extra: Mapping[str, Point]) -> set[tuple[str, str]]:
        seen = _observe(glass, [_show(glass, first), _show(glass, second)])
        tick = glass.federation.clock.tick_at(glass.now)
        g1 = dict(seen.g1)
        for number, wallet in enumerate((first, second), 1):
            region = (HOME, NEIGHBOUR)[number - 1]
            g1[f"E{number}"] = scheme.enrol_base(region)
            g1[f"R{number}"] = scheme.enrol_base(region) * wallet.state.link
            g1[f"H{number}"] = scheme.show_base(GATE, f"gate-{GATE}", tick - 2 + number)
        return Observed(g1, {**seen.g2, **extra}).coincidences()

    assert pattern(one, one, {}) == pattern(one, other, {})
    leaked = pattern(one, one, {"sP2": scheme.p2 * one.state.link})
    assert {("e(H1, sP2)", "e(N1, P2)"), ("e(E2, sP2)", "e(R2, P2)")} <= leaked


# --- shows: perfect hiding ------------------------------------------------------------


def _message(scheme: Scheme, holding: Holding) -> G1:
    return (
        scheme.base
        + scheme.h0 * holding.blinding
        + scheme.h1 * holding.link
        + scheme.h2 * Scalar(holding.evidence)
    )


def _randomizers(scheme: Scheme, shown: Presentation, holding: Holding) -> list[Scalar]:
    """τ, r1, r2, ρ with which this holding gives exactly the points shown, N apart."""
    tau = log(shown.w) - log(holding.public)
    r2 = log(shown.bbs.d) * log(_message(scheme, holding)).inverse()
    r1 = log(shown.bbs.abar) * (log(holding.signature.a) * r2).inverse()
    rho = log(shown.sbar) * log(holding.entry).inverse()
    return [tau, r1, r2, rho]


def _crowd(glass: World, gate: str = GATE) -> tuple[GateBundle, list[Holding]]:
    """Six holders of two regions with three ages of evidence, each with a credential."""
    bundle = glass.bundle(gate)
    ages = (1, 20, 40)
    crowd = [
        glass.holder(region, fact(event_time=glass.now - age * 3600))
        for region in (HOME, NEIGHBOUR)
        for age in ages
    ]
    holdings = [next(iter(wallet._holdings(bundle))) for wallet in crowd]
    assert len({h.public for h in holdings}) == 2
    assert len({h.evidence for h in holdings}) == 3
    return bundle, holdings


def test_every_holder_could_have_made_every_show_but_for_its_tag(glass: World) -> None:
    """Person, region and evidence are hidden perfectly, against unbounded power.

    For one show and every candidate (any region, any evidence) there are τ, r1, r2, ρ
    and nonces with which the candidate's own wallet code gives the same points and the
    same proof, byte for byte; only N, which belongs to s, differs. It does not matter
    who knows x_t, a, b, κ or k_slot: the candidates' show is the same show.
    """
    scheme = glass.federation.scheme
    bundle, holdings = _crowd(glass)
    setting = _setting(glass, GATE, bundle)
    shown = present(setting, holdings[0], glass.entropy)
    verify(setting, shown, glass.entropy)
    c, responses = shown.proof.challenge, dict(zip(SECRETS, shown.proof.responses, strict=True))
    full = statement(setting, shown)
    untagged = Statement(SECRETS, full.equations[:-1])

    for candidate in holdings:
        tau, r1, r2, rho = coins = _randomizers(scheme, shown, candidate)
        again = present(setting, candidate, scripted(coins, glass.entropy))
        verify(setting, again, glass.entropy)
        assert again.points()[:-1] == shown.points()[:-1]
        assert (again.tag == shown.tag) == (candidate is holdings[0])
        witness = {
            "e": candidate.signature.e - tau,
            "-r1": -r1,
            "-r3": -r2.inverse(),
            "rho": rho,
            "m0": candidate.blinding,
            "m1": candidate.link,
            "m2": Scalar(candidate.evidence),
        }
        nonces = {name: responses[name] - c * witness[name] for name in SECRETS}
        proof = prove_with(scheme.engine, untagged, witness, nonces, lambda _: c)
        assert proof == shown.proof


def test_even_the_tag_fits_every_enrolled_commitment(glass: World) -> None:
    """C hides s perfectly: for every slot there is an m_0 with which N is its holder's.

    So what pins a tag to a person is R alone, and that link is DDH, as the design says.
    """
    scheme = glass.federation.scheme
    bundle, holdings = _crowd(glass)
    setting = _setting(glass, GATE, bundle)
    shown = present(setting, holdings[0], glass.entropy)
    h0, h1 = log(scheme.h0), log(scheme.h1)
    for candidate in holdings[1:]:
        blinding = candidate.blinding + (candidate.link - holdings[0].link) * h1 * h0.inverse()
        opened = replace(candidate, link=holdings[0].link, blinding=blinding)
        assert _message(scheme, opened) == _message(scheme, candidate)
        coins = _randomizers(scheme, shown, opened)
        again = present(setting, opened, scripted(coins, glass.entropy))
        assert again.points() == shown.points()
        # R, in contrast, is another one.
        base = scheme.enrol_base(HOME)
        assert base * opened.link != base * candidate.link


def test_a_gate_that_issues_cannot_tell_its_own_holders_apart(glass: World) -> None:
    """The region is the gate, and knows x_t, a, b, κ, e and A of every slot, k_slot, v.

    Every relation it can test with these secrets holds for the right slot and for all
    others alike. Twin: against a wallet without randomizers they single out one slot.
    """
    scheme = glass.federation.scheme
    bundle, holdings = _crowd(glass, HOME)
    local = [h for h in holdings if h.public == holdings[0].public]
    setting = _setting(glass, HOME, bundle)
    secret = glass.regions[HOME].gate.state.secrets[glass.epoch, 0]
    x, kappa = _key_of(glass, local[0], bundle).secret, log(bundle.policy.k)
    shown = present(setting, local[0], glass.entropy)
    plain = present(setting, local[0], scripted([Scalar(1)] * 4, glass.entropy))
    for show in (shown, plain):
        verify(setting, show, glass.entropy)
        assert show.z == (show.w + scheme.p2 * secret.b) * secret.a
        assert show.sbb == show.sbar * kappa

    def fits(show: Presentation, slot: Holding) -> bool:
        """With the coins that this slot's A, B and S_v would need, do x_t and κ agree?"""
        tau, r1, r2, rho = _randomizers(scheme, show, slot)
        return (
            show.bbs.bbar == show.bbs.abar * (x + tau)
            and show.bbs.d * r1 == show.bbs.abar * (x + slot.signature.e)
            and bool(r2)
            and show.sbar * (kappa + Scalar(slot.evidence)) == bundle.policy.base * rho
        )

    assert [fits(shown, slot) for slot in local] == [True, True, True]
    ones = [_randomizers(scheme, plain, slot)[1:3] == [Scalar(1)] * 2 for slot in local]
    assert ones == [True, False, False]
    others = [_randomizers(scheme, shown, slot)[1:3] == [Scalar(1)] * 2 for slot in local]
    assert others == [False, False, False]


def test_a_wallet_that_repeats_its_coins_is_recognised(world: World) -> None:
    """Fresh randomizers are what hides: with stuck ones two shows have equal points."""
    bundle = world.bundle(GATE)
    holding = next(iter(world.holder(HOME)._holdings(bundle)))
    setting = _setting(world, GATE, bundle)
    coins = [world.entropy.scalar() for _ in range(4)]
    stuck = [present(setting, holding, scripted(coins, world.entropy)) for _ in range(2)]
    fresh = [present(setting, holding, world.entropy) for _ in range(2)]
    assert stuck[0].points() == stuck[1].points()
    common = set(fresh[0].points()) & set(fresh[1].points())
    assert common == {fresh[0].tag}  # one tick: the tag is meant to be the same
    assert not set(fresh[0].proof.responses) & set(fresh[1].proof.responses)


# --- the board ------------------------------------------------------------------------


def _test_values() -> list[int]:
    """Every value that a PCR test can have, all pairs of neighbouring age classes."""
    pcr = Shape(EvidenceKind.TEST, NAAT)
    classes = len(LIMITS[EvidenceKind.TEST]) + 1
    return [
        pack(pcr, State(first), State(last))
        for first in range(classes)
        for last in (first, first + 1, first + 2)  # some classes are one second long
        if last < classes
    ]


def _on_board(world: World, region: str, slot: int, epoch: int) -> tuple[G2, Signature]:
    """W_t and a slot's renewal, as everybody can read them."""
    published = world.view.region(region).epoch(epoch)
    assert published is not None
    board = Board.decode(world.fetch(published.entry.board))
    size = world.federation.charter.parameters.bucket_slots
    first = slot - slot % size
    (ref,) = (r for r in board.buckets if r.first == first)
    signature = slot_signature(world.federation.scheme, world.fetch(ref.data), first, size, slot)
    assert signature is not None
    return published.public, signature


def _guessed(
    scheme: Scheme,
    new: tuple[G2, Signature],
    old: tuple[G2, Signature],
    differences: Sequence[int],
) -> list[int]:
    """Differences d with B_new − B_old = d·H_2, found from public values with pairings:

    e(A, W + e·P2) = e(B, P2), so nobody needs to know B or a secret.
    """
    (w, signed), (w_old, signed_old) = new, old
    return [
        d
        for d in differences
        if scheme.engine.pairing_product_is_one(
            [
                (signed.a, w + scheme.p2 * signed.e),
                (-signed_old.a, w_old + scheme.p2 * signed_old.e),
                (-scheme.h2 * Scalar(d), scheme.p2),
            ]
        )
    ]


BLIND_SCALAR = (
    "guosuo.credential.board.blind_scalar",
    "guosuo.credential.renewal.blind_scalar",
    "guosuo.roles.wallet.blind_scalar",
)


def _two_epochs(world: World) -> tuple[HeldSlot, HeldSlot]:
    """Two slots on the boards of the last two epochs: one ages into another class, one not."""
    fresh = world.holder(HOME, fact(event_time=world.now - 3600))
    young = world.federation.clock.key_life(world.epoch + 2)[0] - 24 * 3600
    aging = world.holder(HOME, fact(event_time=young))
    world.turn()
    world.turn()
    (steady,), (moving,) = fresh.state.slots.values(), aging.state.slots.values()
    return steady, moving


def _values(world: World, held: HeldSlot) -> tuple[int, int]:
    issuer = world.regions[HOME].issuer
    issued = issuer.state.slots[held.slot]
    return issuer._value(issued, world.epoch), issuer._value(issued, world.epoch - 1)


def test_the_board_does_not_tell_a_change_of_evidence_from_none() -> None:
    """An observer compares B_t of one slot over two epochs with every possible change."""
    world = World()
    scheme = world.federation.scheme
    steady, moving = _two_epochs(world)
    values = _test_values()
    for held in (steady, moving):
        new, old = _values(world, held)
        assert {new, old} <= set(values)
        renewals = [_on_board(world, HOME, held.slot, world.epoch - back) for back in (0, 1)]
        changes = sorted({v - old for v in values})
        assert new - old in changes
        assert _guessed(scheme, renewals[0], renewals[1], changes) == []


def test_without_the_blinding_of_renewals_the_board_tells_every_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Twin: u_t = 0, and the same observer reads the change, or that there is none."""
    for name in BLIND_SCALAR:
        monkeypatch.setattr(name, lambda *_: Scalar(0))
    world = World()
    scheme = world.federation.scheme
    steady, moving = _two_epochs(world)
    for held, changed in ((steady, False), (moving, True)):
        new, old = _values(world, held)
        assert (new != old) == changed
        renewals = [_on_board(world, HOME, held.slot, world.epoch - back) for back in (0, 1)]
        changes = sorted({v - old for v in _test_values()})
        assert _guessed(scheme, renewals[0], renewals[1], changes) == [new - old]


def test_one_revision_signed_twice_with_two_values_tells_nothing(world: World) -> None:
    """v_t is in the input of u_t. Twin: without it the difference is (v − v')·H_2."""
    scheme = world.federation.scheme
    key = EpochKey.draw(scheme, KeyId(HOME, 7, 0), world.entropy)
    slot_key = world.entropy.octets(32)
    commitment = scheme.commitment(world.entropy.scalar(), world.entropy.scalar())
    values = _test_values()
    old, new = values[3], values[8]

    def signed(evidence: int, *, hashed: int) -> tuple[G2, Signature]:
        blind = blind_scalar(scheme, key.id, slot_key, hashed)
        message = scheme.message(commitment, evidence, blind)
        return key.public, sign_message(scheme, key, 5, message)

    changes = sorted({v - old for v in values})
    twice = signed(new, hashed=new), signed(old, hashed=old)
    assert _guessed(scheme, *twice, changes) == []
    without = signed(new, hashed=0), signed(old, hashed=0)
    assert _guessed(scheme, *without, changes) == [new - old]
    # The same value signed again is the same signature: nothing new on the board.
    assert signed(old, hashed=old) == signed(old, hashed=old)


def test_two_slots_of_one_person_look_like_those_of_two_people(glass: World) -> None:
    """Even with every logarithm: C is uniform for every s, so two slots say nothing of one s.

    For any two commitments and any two secrets there are blindings that open them.
    """
    scheme = glass.federation.scheme
    wallet = glass.wallet()
    for _ in range(2):
        assert isinstance(glass.enrol(wallet, HOME, person=b"one person"), HeldSlot)
    slots = [held.slot for held in wallet.state.slots.values()]
    issued = glass.regions[HOME].issuer.state.slots
    for slot in slots:
        c = issued[slot].commitment
        for link in (wallet.state.link, glass.entropy.scalar()):
            blinding = (log(c) - log(scheme.h1) * link) * log(scheme.h0).inverse()
            assert scheme.commitment(blinding, link) == c


def test_enrolments_in_two_regions_share_no_value(world: World) -> None:
    """One person, one s, two regions: C, R and the proofs have no octets in common."""
    scheme = world.federation.scheme
    link, nonce, digest = world.entropy.scalar(), bytes(16), bytes(32)
    made = [
        prove_enrolment(scheme, region, nonce, digest, world.entropy.scalar(), link, world.entropy)
        for region in (HOME, NEIGHBOUR, HOME)
    ]
    assert len({c for c, _, _ in made}) == 3
    assert made[0][1] == made[2][1] != made[1][1]  # R: the same in one region only
    pieces = [{p[i : i + 32] for i in range(0, 96, 32)} for _, _, p in made]
    assert not any(a & b for a, b in combinations(pieces, 2))
