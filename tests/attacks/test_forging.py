"""Attempts to show what nobody signed: each fails, and each has the twin that would succeed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from guosuo.bbs.signature import Signature, check_signature, sign_point
from guosuo.credential.keys import EpochKey
from guosuo.credential.renewal import blind_scalar, renew, sign_message
from guosuo.curve.points import G1, G2
from guosuo.curve.scalar import Scalar
from guosuo.errors import PeerError, Reason
from guosuo.evidence.facts import EvidenceKind
from guosuo.federation.entries import Action, OrderReason
from guosuo.federation.trust_list import Absence
from guosuo.policy.table import CheckedPolicy
from guosuo.presentation.frame import Frame
from guosuo.presentation.proof import Holding, Presentation, present
from guosuo.presentation.setting import Setting
from guosuo.presentation.verify import verify
from guosuo.roles.bundle import GateBundle
from guosuo.roles.holding import HeldSlot
from guosuo.roles.issuer import Issuer
from guosuo.roles.verdict import Cause, Outcome, Verdict
from guosuo.roles.wallet import Wallet
from guosuo.scheme import KeyId, Scheme
from tests.support.liars import lying_list, next_document, refused, saved
from tests.support.world import TESTS_72_H, World, clause, fact

GATE = "110000"
HOME = "440000"
NEIGHBOUR = "330000"
ACCEPT = Outcome(Verdict.ACCEPT)
NOT_SATISFIED = Outcome(Verdict.NOT_SATISFIED)
AGAIN = Outcome(Verdict.CANNOT_DECIDE, Cause.AGAIN)
DEVICE = Outcome(Verdict.CANNOT_DECIDE, Cause.DEVICE)
HOUR = 3600


@pytest.fixture(scope="module")
def shared() -> World:
    return World()


@pytest.fixture
def world(shared: World) -> World:
    """The shared world, one epoch later, with lists that nobody touched."""
    shared.turn()
    return shared


def _setting(world: World, bundle: GateBundle, gate: str = GATE) -> Setting:
    tick = world.federation.clock.tick_at(world.now)
    return Setting(world.federation.scheme, bundle.part, bundle.policy, f"gate-{gate}", tick)


def _present(world: World, setting: Setting, holding: Holding, gate: str = GATE) -> Outcome:
    """Show with a modified wallet that checks nothing, and hear what the checkpoint says."""
    shown = present(setting, holding, world.entropy)
    return _hand_over(world, setting, shown, gate)


def _hand_over(world: World, setting: Setting, shown: Presentation, gate: str = GATE) -> Outcome:
    part = setting.part.part
    frame = Frame(
        part.epoch,
        part.revision,
        setting.policy.part.version,
        setting.tick,
        setting.place(),
        setting.mode,
        shown.encode(),
    )
    return world.regions[gate].checkpoint.verify(frame, world.now, world.entropy)


def _own(wallet: Wallet, bundle: GateBundle) -> Holding:
    """What the wallet itself would show."""
    return next(iter(wallet._holdings(bundle)))


# --- two messages under one (key, e) --------------------------------------------------


def _forged(
    one: tuple[Signature, G1], two: tuple[Signature, G1], factor: Scalar
) -> tuple[Signature, G1]:
    """(A1 + f·(A1 − A2), e) on B1 + f·(B1 − B2): a signature if both were made with one e."""
    (first, b1), (second, b2) = one, two
    forged = Signature(first.a + (first.a - second.a) * factor, first.e)
    return forged, b1 + (b1 - b2) * factor


def test_one_key_and_e_never_sign_two_messages(world: World) -> None:
    """Update of the evidence, same slot, same key: another B has another e.

    So A1 and A2 do not combine. Twin: with one e for both, any evidence can be forged.
    """
    scheme = world.federation.scheme
    wallet = world.holder(HOME, fact(event_time=world.now - 30 * HOUR))
    person = b"person %d" % world.people
    ((region, slot), before), *_ = wallet.state.slots.items()
    name = KeyId(HOME, world.epoch, 0)
    key = world.regions[HOME].issuer.state.keys[name]
    newer = fact(event_time=world.now - HOUR, name=b"newer")
    assert isinstance(world.enrol(wallet, region, newer, person=person, slot=slot), HeldSlot)
    after = wallet.state.slots[region, slot]
    old, new = before.renewals[name], after.renewals[name]
    assert old.evidence != new.evidence
    assert before.slot_key == after.slot_key
    assert old.signature.e != new.signature.e

    def message(value: int) -> tuple[G1, Scalar]:
        blind = blind_scalar(scheme, name, after.slot_key, value)
        return scheme.message(wallet._commitment(after), value, blind), blind

    (b1, u1), (b2, u2) = message(old.evidence), message(new.evidence)
    check_signature(scheme.suite, key.public, old.signature, b1)
    check_signature(scheme.suite, key.public, new.signature, b2)
    wanted = new.evidence + 12_345  # evidence that nobody signed
    factor = Scalar(wanted - old.evidence) * Scalar(old.evidence - new.evidence).inverse()
    with refused(Reason.SIGNATURE):
        check_signature(
            scheme.suite,
            key.public,
            *_forged((old.signature, b1), (new.signature, b2), factor),
        )
    # Twin: the second message signed with the first one's e.
    careless = sign_point(key.secret, b2, old.signature.e)
    forged, b = _forged((old.signature, b1), (careless, b2), factor)
    check_signature(scheme.suite, key.public, forged, b)
    # And the holder knows how to open it: it is a credential with the wanted evidence.
    blind = u1 + (u1 - u2) * factor
    assert b == scheme.message(wallet._commitment(after), wanted, blind)


def test_restoring_an_older_issuer_does_not_make_it_sign_under_one_e(world: World) -> None:
    """A backup of the state, then two different futures: never one e for two messages."""
    federation = world.federation
    region = world.regions[HOME]
    wallet = world.holder(HOME, fact(event_time=world.now - 30 * HOUR))
    person = b"person %d" % world.people
    (held,) = wallet.state.slots.values()
    name = KeyId(HOME, world.epoch, 0)
    backup = saved(region.issuer.state)
    signed: list[tuple[Signature, int]] = [
        (held.renewals[name].signature, held.renewals[name].evidence)
    ]
    for hours in (1, 26, 50, 1):
        issuer = Issuer(federation, saved(backup))
        newer = fact(event_time=world.now - hours * HOUR, name=b"newer")
        request = wallet.request(
            HOME,
            issuer.offer(world.now, world.entropy),
            newer,
            world.now,
            world.entropy,
            slot=held.slot,
        )
        again = wallet.conclude(
            issuer.enrol(request, person, newer, world.now, world.entropy), world.view
        )
        assert isinstance(again, HeldSlot)
        signed.append((again.renewals[name].signature, again.renewals[name].evidence))
    by_value = {value: signature for signature, value in signed}
    assert len(by_value) >= 3
    assert len({int(s.e) for s in by_value.values()}) == len(by_value)
    # Equal messages give the equal signature: nothing to combine there either.
    assert all(by_value[value] == signature for signature, value in signed)


def test_e_depends_on_everything_that_makes_a_message(world: World) -> None:
    scheme = world.federation.scheme
    key = EpochKey.draw(scheme, KeyId(HOME, 7, 0), world.entropy)
    c = scheme.commitment(world.entropy.scalar(), world.entropy.scalar())
    other_c = c + scheme.h1
    k, other_k = world.entropy.octets(32), world.entropy.octets(32)
    named = [replace(key, id=i) for i in (KeyId(HOME, 7, 1), KeyId(HOME, 8, 0), KeyId(GATE, 7, 0))]
    reference = renew(scheme, key, 5, c, k, 100)
    assert renew(scheme, key, 5, c, k, 100) == reference
    variants = [
        renew(scheme, key, 6, c, k, 100),
        renew(scheme, key, 5, other_c, k, 100),
        renew(scheme, key, 5, c, other_k, 100),
        renew(scheme, key, 5, c, k, 101),
        *(renew(scheme, other, 5, c, k, 100) for other in named),
    ]
    assert len({reference.e, *(v.e for v in variants)}) == 1 + len(variants)
    # The name of the key and the slot count by themselves, for one and the same message.
    message = scheme.message(c, 100, Scalar(7))
    same = [sign_message(scheme, k, 5, message) for k in (key, *named)]
    same.append(sign_message(scheme, key, 6, message))
    assert len({s.e for s in same}) == len(same)


# --- related keys ---------------------------------------------------------------------


def test_related_epoch_keys_would_carry_a_signature_over(world: World) -> None:
    """If x' = x + d, then (A, e) under x is (A, e − d) under x'. So keys are drawn, not derived."""
    scheme = world.federation.scheme
    holder = world.holder(HOME)
    (held,) = holder.state.slots.values()
    name = KeyId(HOME, world.epoch, 0)
    key = world.regions[HOME].issuer.state.keys[name]
    renewal = held.renewals[name]
    b = scheme.message(
        holder._commitment(held),
        renewal.evidence,
        blind_scalar(scheme, name, held.slot_key, renewal.evidence),
    )
    d = Scalar(1_000)
    moved = Signature(renewal.signature.a, renewal.signature.e - d)
    check_signature(scheme.suite, scheme.p2 * (key.secret + d), moved, b)
    # The region's own next and previous keys are no such neighbours for any d anybody knows.
    others = [
        k
        for region in world.regions.values()
        for k in region.issuer.state.keys.values()
        if k.id != name
    ]
    assert len({int(k.secret) for k in others}) == len(others) >= 7
    for other in others:
        for step in range(-4, 5):
            assert other.public != key.public + scheme.p2 * Scalar(step)
        with refused(Reason.SIGNATURE):
            check_signature(scheme.suite, other.public, renewal.signature, b)


def test_keys_come_from_fresh_randomness_and_nothing_else(world: World) -> None:
    scheme = world.federation.scheme
    name = KeyId(HOME, 7, 0)
    keys = [EpochKey.draw(scheme, name, world.entropy) for _ in range(8)]
    assert len({int(k.secret) for k in keys}) == 8
    differences = {int(a.secret - b.secret) for a in keys for b in keys if a.secret != b.secret}
    assert len(differences) == 8 * 7


# --- the trust list -------------------------------------------------------------------


@dataclass(frozen=True)
class Forger:
    """Somebody with a key of his own making, y·P2, and a T for it: an insider's credential."""

    scheme: Scheme
    y: Scalar
    t: G2
    bundle: GateBundle

    def holding(self, evidence: int, world: World) -> Holding:
        """A credential for any evidence, signed with y."""
        blinding, link, e = (world.entropy.scalar() for _ in range(3))
        scheme = self.scheme
        b = scheme.base + scheme.h0 * blinding + scheme.h1 * link + scheme.h2 * Scalar(evidence)
        return Holding(
            signature=sign_point(self.y, b, e),
            public=scheme.p2 * self.y,
            blinding=blinding,
            link=link,
            evidence=evidence,
            listed=self.t,
            shift=self.bundle.keys.s,
            entry=self.bundle.table.entries[evidence],
        )


def _insider(world: World, bundle: GateBundle, name: KeyId, secret: Scalar) -> Forger:
    """With one listed key's secret x: ab·P2 = T − x·S; then any own y gives y·S + ab·P2."""
    scheme = world.federation.scheme
    ab = bundle.keys.t[name] - bundle.keys.s * secret
    y = world.entropy.scalar()
    return Forger(scheme, y, bundle.keys.s * y + ab, bundle)


def _a_value(bundle: GateBundle) -> int:
    return next(iter(bundle.table.entries))


def test_an_insider_computes_ab_p2_and_passes_until_the_version_ends() -> None:
    """Why a list version ends with its `not_after` and has its own a and b.

    Any listed region (or anybody, once the secret of a listed key is public) computes
    ab·P2 and passes with a key that no list holds. Nothing in the protocol stops this
    within the version's life; everything stops it afterwards.
    """
    world = World()
    bundle = world.bundle(GATE)
    name = KeyId(NEIGHBOUR, world.epoch, 0)
    secret = world.regions[NEIGHBOUR].issuer.state.keys[name].secret
    forger = _insider(world, bundle, name, secret)
    assert forger.scheme.p2 * forger.y not in bundle.keys.w.values()
    value = _a_value(bundle)
    # Within the life of the version: it passes.
    setting = _setting(world, bundle)
    assert _present(world, setting, forger.holding(value, world)) == ACCEPT
    # A wrong guess of x gives nothing.
    wrong = _insider(world, bundle, name, secret + Scalar(1))
    assert _present(world, setting, wrong.holding(value, world)) == NOT_SATISFIED
    # The next revision has another a and b: the same T passes nowhere.
    lying_list(world, GATE, 1)
    revised = world.bundle(GATE)
    assert revised.part.part.revision == 1
    stale = replace(forger, bundle=revised).holding(value, world)
    assert _present(world, _setting(world, revised), stale) == NOT_SATISFIED
    # The version that leaked can be burnt at once, and ends by itself.
    checkpoint = world.regions[GATE].checkpoint
    checkpoint.require_revision(world.epoch, 1)
    assert _present(world, _setting(world, bundle), forger.holding(value, world)) == AGAIN
    checkpoint.state.lowest.clear()
    world.tick()
    assert _present(world, _setting(world, bundle), forger.holding(value, world)) == ACCEPT
    _, end = world.federation.clock.list_window(world.epoch)
    world.turn()
    world.now = end - 1
    assert _present(world, _setting(world, bundle), forger.holding(value, world)) == ACCEPT
    world.now = end
    assert _present(world, _setting(world, bundle), forger.holding(value, world)) == AGAIN
    # Nor does it help under the next epoch's list.
    newer = world.bundle(GATE, world.epoch)
    moved = replace(forger, bundle=newer).holding(value, world)
    assert _present(world, _setting(world, newer), moved) == NOT_SATISFIED


def test_a_published_dead_key_opens_no_list_that_is_still_valid() -> None:
    """Publishing x_t early would let anybody pass: it is dead only 3E after T.

    Its last list ends with the epoch t + 2; one second before, ab·P2 can be computed
    from it, one second later no list of any gate holds its key.
    """
    world = World()
    name = KeyId(NEIGHBOUR, world.epoch, 0)
    secret = world.regions[NEIGHBOUR].issuer.state.keys[name].secret
    _, end = world.federation.clock.key_life(name.epoch)
    bundles = [world.bundle(GATE)]
    world.turn()
    bundles.append(world.bundle(GATE, world.epoch))
    assert all(name in b.keys.t for b in bundles)
    world.turn()
    world.turn()
    world.now = end - 1
    value = _a_value(bundles[1])
    last = _insider(world, bundles[1], name, secret).holding(value, world)
    assert _present(world, _setting(world, bundles[1]), last) == ACCEPT
    world.now = end
    for bundle in bundles:
        late = _insider(world, bundle, name, secret).holding(value, world)
        assert _present(world, _setting(world, bundle), late) == AGAIN
    for epoch in (world.epoch - 1, world.epoch):
        assert name not in world.bundle(GATE, epoch).keys.t


def test_an_affine_combination_of_listed_keys_passes_the_list_and_nothing_else(
    world: World,
) -> None:
    """2·W_1 − W_2 satisfies the list's equation; without a signature under it that is nothing."""
    scheme, bundle = world.federation.scheme, world.bundle(GATE)
    one, two = KeyId(HOME, world.epoch, 0), KeyId(NEIGHBOUR, world.epoch, 0)
    keys = bundle.keys
    w, z = keys.w[one] + keys.w[one] - keys.w[two], keys.t[one] + keys.t[one] - keys.t[two]
    assert scheme.engine.pairing_product_is_one(
        [(-scheme.list_base, z), (bundle.part.a1, w), (bundle.part.c1, scheme.p2)]
    )
    holding = _own(world.holder(HOME), bundle)
    setting = _setting(world, bundle)
    assert _present(world, setting, holding) == ACCEPT
    world.tick()
    combined = replace(holding, public=w, listed=z)
    assert _present(world, _setting(world, bundle), combined) == NOT_SATISFIED
    # With both secrets (two colluding regions) it is a signature, as either alone would be.
    x1, x2 = (world.regions[k.region].issuer.state.keys[k].secret for k in (one, two))
    forger = Forger(scheme, x1 + x1 - x2, z, bundle)
    assert (
        _present(world, _setting(world, bundle), forger.holding(holding.evidence, world)) == ACCEPT
    )


def test_a_region_off_the_list_is_off(world: World) -> None:
    """A delisted key passes with no T of any other key or version."""
    holder = world.holder(HOME)
    whole = world.bundle(GATE)
    holding = _own(holder, whole)
    assert _present(world, _setting(world, whole), holding) == ACCEPT
    listed = [(k, w) for k, w in whole.keys.w.items() if k.region != HOME]
    lying_list(world, GATE, 1, listed=listed, absent=[Absence(region=HOME, reason="cut")])
    without = world.bundle(GATE)
    assert list(holder._holdings(without)) == []
    world.tick()
    setting = _setting(world, without)
    candidates = [*without.keys.t.values(), *whole.keys.t.values(), world.bundle(NEIGHBOUR).keys.s]
    for t in candidates:
        forged = replace(holding, listed=t, shift=without.keys.s)
        assert _present(world, setting, forged) == NOT_SATISFIED
    other = _own(world.holder(NEIGHBOUR), without)
    assert _present(world, setting, other) == ACCEPT


# --- policies -------------------------------------------------------------------------


STRICT = (clause(EvidenceKind.TEST, max_hours=24),)


@pytest.fixture
def tightened() -> tuple[World, Wallet, GateBundle, GateBundle]:
    """A gate that accepted tests of 72 hours, and now accepts 24; a test of 40 hours."""
    world = World()
    wallet = world.holder(HOME, fact(event_time=world.now - 40 * HOUR))
    loose = world.bundle(GATE)
    assert _present(world, _setting(world, loose), _own(wallet, loose)) == ACCEPT
    gate = world.regions[GATE].gate
    world.publish(GATE, gate.publish_policy(next_document(world, GATE, STRICT), world.entropy))
    world.tick()
    return world, wallet, loose, world.bundle(GATE)


def test_an_entry_of_an_older_table_is_worthless_under_a_newer_version(
    tightened: tuple[World, Wallet, GateBundle, GateBundle],
) -> None:
    world, wallet, loose, strict = tightened
    assert (loose.policy.part.version, strict.policy.part.version) == (1, 2)
    holding = _own(wallet, loose)
    assert holding.evidence not in strict.table.entries
    setting = _setting(world, strict)
    assert _present(world, setting, holding) == NOT_SATISFIED
    # Nor an entry of the new table for another value, nor a claimed other value.
    (value, entry), *_ = strict.table.entries.items()
    assert _present(world, setting, replace(holding, entry=entry)) == NOT_SATISFIED
    claimed = replace(holding, entry=entry, evidence=value)
    assert _present(world, setting, claimed) == NOT_SATISFIED
    fresh = world.holder(HOME, fact(event_time=world.now - HOUR))
    assert _present(world, setting, _own(fresh, strict)) == ACCEPT


def test_the_older_version_itself_is_not_accepted_any_more(
    tightened: tuple[World, Wallet, GateBundle, GateBundle],
) -> None:
    """A superseded policy must not live on until its `not_after`: its table is the looser one."""
    world, wallet, loose, strict = tightened
    assert _present(world, _setting(world, loose), _own(wallet, loose)) == AGAIN
    fresh = world.holder(HOME, fact(event_time=world.now - HOUR))
    assert _present(world, _setting(world, strict), _own(fresh, strict)) == ACCEPT


def test_a_policy_key_of_another_version_does_not_mix(world: World) -> None:
    """A holder who claims another K, G_T or version than the checkpoint's is not believed."""
    bundle, other = world.bundle(GATE), world.bundle(NEIGHBOUR)
    holding = _own(world.holder(HOME), bundle)
    good = _setting(world, bundle)
    assert _present(world, good, holding) == ACCEPT
    world.tick()
    for policy in (
        replace(bundle.policy, k=other.policy.k),
        replace(bundle.policy, base=other.policy.base),
        replace(bundle.policy, digest=other.policy.digest),
    ):
        lie: CheckedPolicy = policy
        entry = other.table.entries[holding.evidence]
        for chosen in (holding, replace(holding, entry=entry)):
            setting = replace(_setting(world, bundle), policy=lie)
            assert _present(world, setting, chosen) == NOT_SATISFIED


# --- suspension -----------------------------------------------------------------------


@dataclass
class Hoard:
    """A suspended holder's modified client: it kept all it ever saw and checks nothing."""

    world: World
    wallet: Wallet
    bundles: dict[tuple[str, int, int], GateBundle]

    def keep(self) -> None:
        """Keep today's renewals and bundles of every gate."""
        now = self.world.now
        self.world.refresh(self.wallet)
        for gate in self.world.regions:
            for epoch in (self.world.epoch - 1, self.world.epoch):
                if self.world.federation.clock.list_window(epoch)[0] <= now:
                    bundle = self.world.bundle(gate, epoch)
                    version = bundle.policy.part.version
                    self.bundles[gate, epoch, version] = bundle

    def shows(self, gate: str) -> Iterator[tuple[GateBundle, KeyId, Holding]]:
        """Every renewal × every list and policy version of a gate × every T it could mean."""
        own = [
            (name, renewal, held)
            for held in self.wallet.state.slots.values()
            for name, renewal in held.renewals.items()
        ]
        for (region, _, _), bundle in self.bundles.items():
            if region != gate:
                continue
            for name, renewal, held in own:
                blind = blind_scalar(
                    self.world.federation.scheme, name, held.slot_key, renewal.evidence
                )
                w = self.world.view.region(name.region).epochs[name].public
                older = [b for b in self.bundles.values() if name in b.keys.t]
                ts = (
                    [bundle.keys.t[name]]
                    if name in bundle.keys.t
                    else [
                        older[-1].keys.t[name],
                        bundle.keys.t[
                            max(bundle.keys.t, key=lambda k: (k.region == HOME, k.epoch))
                        ],
                    ]
                )
                for t in ts:
                    yield (
                        bundle,
                        name,
                        Holding(
                            signature=renewal.signature,
                            public=w,
                            blinding=held.blinding + blind,
                            link=self.wallet.state.link,
                            evidence=renewal.evidence,
                            listed=t,
                            shift=bundle.keys.s,
                            entry=bundle.table.entries.get(
                                renewal.evidence, next(iter(bundle.table.entries.values()))
                            ),
                        ),
                    )

    def attack(self) -> tuple[set[tuple[int, int]], int]:
        """Try everything at every gate: (list epoch, key epoch) of what passed, and how many."""
        passed, tried = set(), 0
        for gate in self.world.regions:
            checkpoint = self.world.regions[gate].checkpoint
            checkpoint.state.seen.clear()
            for bundle, name, holding in self.shows(gate):
                outcome = _present(self.world, _setting(self.world, bundle, gate), holding, gate)
                checkpoint.state.seen.clear()
                tried += 1
                if outcome == ACCEPT:
                    passed.add((bundle.part.part.epoch, name.epoch))
                else:
                    assert outcome in (NOT_SATISFIED, AGAIN)
        return passed, tried


def test_a_suspended_holder_with_everything_he_ever_saw_passes_nowhere() -> None:
    """The order is logged in epoch t; its last trace is the list of t + 1, which ends at t + 3.

    Until then a modified client passes with the key of t: that is the latency of 9 to
    13 hours that the design states. From then on no combination of any kept renewal,
    list and policy version passes at any gate, and nobody else is affected.
    """
    world = World(("110000", "330000", "440000"))
    thief, neighbour = world.holder(HOME), world.holder(HOME)
    stranger = world.holder(NEIGHBOUR)
    hoard = Hoard(world, thief, {})
    world.turn()
    hoard.keep()
    world.publish_policy(GATE, TESTS_72_H)
    hoard.keep()
    ordered = world.epoch
    passed, _ = hoard.attack()
    assert (ordered, ordered) in passed

    world.suspend(HOME, thief)
    for later in (1, 2, 3):
        world.turn()
        hoard.keep()
        for wallet in (neighbour, stranger):
            world.refresh(wallet)
            assert world.cross(wallet, GATE) == ACCEPT
        passed, tried = hoard.attack()
        assert tried > 10
        if later == 1:
            assert passed == {
                (ordered, ordered - 1),
                (ordered, ordered),
                (ordered + 1, ordered),
            }
        elif later == 2:
            assert passed == {(ordered + 1, ordered)}  # the old list lives to the end of t + 2
        else:
            assert passed == set()
    # To the second: the last moment of the latency and the first after it.
    end = world.federation.clock.start(ordered + 3)
    world.now = end - 1
    assert hoard.attack()[0] == {(ordered + 1, ordered)}
    world.now = end
    assert hoard.attack()[0] == set()


def test_a_suspended_holder_gets_nothing_new_from_his_region() -> None:
    """No renewal, no update, no second slot, no new phone brings a suspended person back."""
    world = World()
    wallet, person = world.wallet(), b"suspended person"
    held = world.enrol(wallet, HOME, person=person)
    assert isinstance(held, HeldSlot)
    world.suspend(HOME, wallet)
    world.turn()
    assert world.refresh(wallet) == ["absent"]
    newer = fact(event_time=world.now - HOUR, name=b"newer")
    assert world.enrol(wallet, HOME, newer, person=person, slot=held.slot) == "not-that-slot"
    assert world.enrol(wallet, HOME, newer, person=person) == "no-slot-left"
    # The lost-phone flow retires the slot; the order stays with the person.
    world.new_phone(HOME, person)
    second = world.wallet()
    assert world.enrol(second, HOME, newer, person=person) == "no-slot-left"
    # Somebody else is not affected, and after the order is lifted he enrols again.
    assert isinstance(world.enrol(world.wallet(), HOME, newer, person=b"other"), HeldSlot)
    world.order(HOME, Action.RESTORE, [held.slot], OrderReason.ORDER_LAPSED)
    again = world.enrol(second, HOME, newer, person=person)
    assert isinstance(again, HeldSlot)
    assert again.slot != held.slot


# --- other people's credentials -------------------------------------------------------


def test_a_credential_is_useless_without_the_right_secrets(world: World) -> None:
    """(A, e) stands on the public board; without s, m_0 and k_slot it is a number."""
    bundle = world.bundle(GATE)
    holding = _own(world.holder(HOME), bundle)
    setting = _setting(world, bundle)
    one = Scalar(1)
    for stolen in (
        replace(holding, link=holding.link + one),
        replace(holding, blinding=holding.blinding + one),
        replace(holding, evidence=next(v for v in bundle.table.entries if v != holding.evidence)),
        replace(holding, signature=replace(holding.signature, e=holding.signature.e + one)),
        replace(
            holding,
            signature=replace(holding.signature, a=holding.signature.a + holding.signature.a),
        ),
    ):
        assert _present(world, setting, stolen) == NOT_SATISFIED
        with pytest.raises(PeerError):
            verify(setting, present(setting, stolen, world.entropy), world.entropy)
    assert _present(world, setting, holding) == ACCEPT


def test_two_holders_cannot_pool_their_credentials(world: World) -> None:
    """One's fresh test and another's slot: every message belongs to one signature."""
    bundle = world.bundle(GATE)
    late = world.holder(HOME, fact(event_time=world.now - 100 * HOUR))
    fresh = _own(world.holder(HOME), bundle)
    setting = _setting(world, bundle)
    (held,) = late.state.slots.values()
    name, renewal = next(iter(held.renewals.items()))
    blind = blind_scalar(world.federation.scheme, name, held.slot_key, renewal.evidence)
    own = replace(
        fresh,
        signature=renewal.signature,
        public=bundle.keys.w[name],
        listed=bundle.keys.t[name],
        blinding=held.blinding + blind,
        link=late.state.link,
    )
    mixes = [
        replace(own, evidence=renewal.evidence),  # his own value, no entry for it
        own,  # his signature, the other's value
        replace(own, signature=fresh.signature),
        replace(fresh, link=late.state.link),
        replace(fresh, blinding=own.blinding),
    ]
    for mix in mixes:
        assert _present(world, setting, mix) == NOT_SATISFIED
    assert _present(world, setting, fresh) == ACCEPT
