"""Enrolment under attack: copied commitments, other people's evidence, lying nodes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from guosuo.credential.ownership import Purpose, check_ownership, prove_enrolment
from guosuo.curve.entropy import Entropy
from guosuo.curve.scalar import ORDER, Scalar
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.evidence.facts import EvidenceFact
from guosuo.federation.records import Kind, sign
from guosuo.roles.enrolment import (
    RULES_VERSION,
    Answer,
    EnrolRequest,
    Grant,
    Offer,
    Promise,
    Refusal,
    RefusalCode,
    SignedRenewal,
    make_receipt,
    open_offer,
    open_refusal,
)
from guosuo.roles.holding import HeldSlot, Refreshed
from guosuo.roles.issuer import OFFER_SECONDS
from guosuo.roles.verdict import Verdict
from guosuo.roles.wallet import Wallet
from tests.support.liars import Draft, refused
from tests.support.world import World, fact

HOME, OTHER = "440000", "110000"
IDENTITY = b"\xc0" + bytes(47)
HOUR = 3600


@pytest.fixture
def world() -> World:
    return World((OTHER, HOME))


@dataclass
class Visit:
    """A wallet that has asked to enrol, before the node has answered."""

    world: World
    wallet: Wallet
    person: bytes
    evidence: EvidenceFact
    request: EnrolRequest
    blinding: Scalar

    def answer(
        self,
        request: EnrolRequest | None = None,
        *,
        person: bytes | None = None,
        evidence: EvidenceFact | None = None,
        region: str = HOME,
        now: int | None = None,
    ) -> Answer:
        return self.world.regions[region].issuer.enrol(
            request or self.request,
            person or self.person,
            evidence or self.evidence,
            self.world.now if now is None else now,
            self.world.entropy,
        )

    def code(self, answer: Answer, region: str = HOME) -> RefusalCode:
        """The signed refusal's code."""
        assert answer.grant is None
        assert answer.refusal is not None
        return open_refusal(self.world.federation, region, answer.refusal).code


def _visit(
    world: World,
    wallet: Wallet | None = None,
    *,
    person: bytes = b"someone",
    slot: int | None = None,
) -> Visit:
    guest = wallet or world.wallet()
    evidence = fact(event_time=world.now - HOUR, name=b"document of " + person)
    offer = world.regions[HOME].issuer.offer(world.now, world.entropy)
    request = guest.request(HOME, offer, evidence, world.now, world.entropy, slot=slot)
    assert guest.state.pending is not None
    return Visit(world, guest, person, evidence, request, guest.state.pending.blinding)


# --- what the node refuses ------------------------------------------------------------


def test_a_good_request_is_granted(world: World) -> None:
    """The twin of every refusal below."""
    visit = _visit(world)
    held = visit.wallet.conclude(visit.answer(), world.view)
    assert isinstance(held, HeldSlot)
    assert world.cross(visit.wallet, OTHER).verdict is Verdict.ACCEPT


def test_a_nonce_enrols_once_and_in_time(world: World) -> None:
    visit = _visit(world)
    # Unknown nonce; expired; reused after a grant; reused after a refusal.
    unknown = replace(visit.request, nonce=bytes(16))
    assert visit.code(visit.answer(unknown)) is RefusalCode.DEADLINE
    late = _visit(world, person=b"late")
    end = world.now + OFFER_SECONDS
    assert late.code(late.answer(now=end)) is RefusalCode.DEADLINE
    assert late.code(late.answer()) is RefusalCode.DEADLINE  # the late try used it up
    in_time = _visit(world, person=b"in time")
    assert in_time.answer(now=end - 1).grant is not None
    assert visit.answer().grant is not None
    assert visit.code(visit.answer()) is RefusalCode.DEADLINE


def test_an_offer_of_another_region_or_after_its_deadline_is_not_answered(world: World) -> None:
    wallet = world.wallet()
    evidence = fact(event_time=world.now - HOUR)
    offer = world.regions[HOME].issuer.offer(world.now, world.entropy)
    deadline = open_offer(world.federation, HOME, offer, world.now).deadline

    def ask(region: str, data: bytes, now: int) -> EnrolRequest:
        return wallet.request(region, data, evidence, now, world.entropy)

    with refused(Reason.RECORD_SIGNATURE):
        ask(OTHER, offer, world.now)
    with refused(Reason.ENROLMENT_NONCE):
        ask(HOME, offer, deadline)
    # A real region that offers in another's name.
    named = Offer(region=HOME, nonce=bytes(16), deadline=deadline).encode()
    false = sign(world.logs[OTHER], world.federation.id, Kind.OFFER, named)
    with refused(Reason.ENROLMENT_NONCE):
        ask(OTHER, false, world.now)
    with refused(Reason.RECORD_KIND):
        ask(HOME, sign(world.logs[HOME], world.federation.id, Kind.REFUSAL, named), world.now)
    assert ask(HOME, offer, deadline - 1).evidence == evidence.digest


def test_a_copied_commitment_enrols_for_nobody(world: World) -> None:
    """C, R and the proof of one visit, replayed: with another nonce, elsewhere, for a thief."""
    victim = _visit(world, person=b"victim")
    stolen = victim.request
    thief = _visit(world, person=b"thief")
    # 1. Under the thief's own nonce, with the victim's evidence or the thief's.
    again = replace(stolen, nonce=thief.request.nonce)
    assert thief.code(thief.answer(again, evidence=victim.evidence)) is RefusalCode.PROOF
    thief = _visit(world, person=b"thief")
    own = replace(stolen, nonce=thief.request.nonce, evidence=thief.evidence.digest)
    assert thief.code(thief.answer(own)) is RefusalCode.PROOF
    # 2. In another region, even if its nonce were the same.
    issuer = world.regions[OTHER].issuer
    issuer.state.offers[stolen.nonce] = world.now + 100
    elsewhere = victim.answer(region=OTHER)
    assert victim.code(elsewhere, OTHER) is RefusalCode.PROOF
    # 3. Twin: the victim himself is granted, once.
    assert victim.answer().grant is not None
    # 4. The granted commitment is never allotted a second time, whoever proves it.
    second = _visit(world, victim.wallet, person=b"accomplice")
    commitment, record, proof = prove_enrolment(
        world.federation.scheme,
        HOME,
        second.request.nonce,
        second.evidence.digest,
        victim.blinding,
        victim.wallet.state.link,
        world.entropy,
    )
    assert commitment.encode() == stolen.commitment
    copied = replace(
        second.request, commitment=commitment.encode(), record=record.encode(), proof=proof
    )
    assert second.code(second.answer(copied)) is RefusalCode.NOT_THAT_SLOT
    allotted = world.regions[HOME].issuer.state.slots.values()
    assert sum(slot.commitment == commitment for slot in allotted) == 1


def test_evidence_of_somebody_else_is_refused(world: World) -> None:
    """The proof names one document; the node must have verified that very one."""
    visit = _visit(world)
    other = fact(event_time=world.now - HOUR, name=b"another document")
    assert visit.code(visit.answer(evidence=other)) is RefusalCode.EVIDENCE
    visit = _visit(world)
    changed = replace(visit.request, evidence=other.digest)
    assert visit.code(visit.answer(changed, evidence=other)) is RefusalCode.PROOF
    visit = _visit(world)
    assert visit.answer().grant is not None


def test_evidence_from_the_future_is_refused(world: World) -> None:
    visit = _visit(world)
    tomorrow = replace(visit.evidence, event_time=world.now + 1)
    assert visit.code(visit.answer(evidence=tomorrow)) is RefusalCode.EVIDENCE
    visit = _visit(world)
    assert visit.answer(evidence=replace(visit.evidence, event_time=world.now)).grant


@pytest.mark.parametrize(
    "bend",
    [
        lambda r: replace(r, record=IDENTITY),  # s = 0
        lambda r: replace(r, commitment=IDENTITY),
        lambda r: replace(r, commitment=r.record),
        lambda r: replace(r, record=r.commitment),
        lambda r: replace(r, commitment=bytes(48)),
        lambda r: replace(r, proof=bytes(96)),
        lambda r: replace(r, proof=r.proof[:64] + ORDER.to_bytes(32, "big")),
        lambda r: replace(r, proof=r.proof[:95] + bytes([r.proof[95] ^ 1])),
        lambda r: replace(r, proof=r.proof[32:64] + r.proof[:32] + r.proof[64:]),
    ],
)
def test_a_bent_request_is_a_signed_refusal(
    world: World, bend: Callable[[EnrolRequest], EnrolRequest]
) -> None:
    visit = _visit(world)
    assert visit.code(visit.answer(bend(visit.request))) is RefusalCode.PROOF
    assert world.regions[HOME].issuer.state.slots == {}
    visit = _visit(world)
    assert visit.answer().grant is not None


def test_a_link_secret_of_zero_is_refused_even_with_a_true_proof(world: World) -> None:
    """s = 0 would give one tag for everybody: R is the identity, and that is no point."""
    visit = _visit(world)
    made = prove_enrolment(
        world.federation.scheme,
        HOME,
        visit.request.nonce,
        visit.evidence.digest,
        world.entropy.scalar(),
        Scalar(0),
        world.entropy,
    )
    assert made[1].is_identity()
    request = replace(
        visit.request, commitment=made[0].encode(), record=made[1].encode(), proof=made[2]
    )
    assert visit.code(visit.answer(request)) is RefusalCode.PROOF


def test_two_secrets_in_one_request_are_refused(world: World) -> None:
    """R of one s and C of another: one response serves both equations, so they must agree."""
    visit = _visit(world)
    scheme, one, two = world.federation.scheme, world.entropy.scalar(), world.entropy.scalar()
    arguments = (scheme, HOME, visit.request.nonce, visit.evidence.digest, world.entropy.scalar())
    a = prove_enrolment(*arguments, one, world.entropy)
    b = prove_enrolment(*arguments, two, world.entropy)
    for proof in (a[2], b[2]):
        mixed = replace(visit.request, commitment=a[0].encode(), record=b[1].encode(), proof=proof)
        assert visit.code(visit.answer(mixed)) is RefusalCode.PROOF
        visit.world.regions[HOME].issuer.state.offers[visit.request.nonce] = world.now + 100
    good = replace(visit.request, commitment=a[0].encode(), record=a[1].encode(), proof=a[2])
    assert visit.answer(good).grant is not None


# --- one person, one secret -----------------------------------------------------------


def test_a_second_link_secret_for_the_same_person_is_refused(world: World) -> None:
    """Two secrets would be two tags: one person could be two people at one gate."""
    first = _visit(world, person=b"one")
    assert first.answer().grant is not None
    second = _visit(world, person=b"one")
    assert second.code(second.answer()) is RefusalCode.OTHER_SECRET
    same = _visit(world, first.wallet, person=b"one")
    assert same.answer().grant is not None
    other = _visit(world, person=b"another person")
    assert other.answer().grant is not None


def test_a_new_phone_retires_all_old_slots_first(world: World) -> None:
    old, new, person = world.wallet(), world.wallet(), b"one"
    for _ in range(world.federation.charter.parameters.slots_per_person):
        assert isinstance(world.enrol(old, HOME, person=person), HeldSlot)
    slots = {slot for _, slot in old.state.slots}
    issuer = world.regions[HOME].issuer
    world.new_phone(HOME, person)
    assert issuer.state.retired == slots
    assert world.view.region(HOME).retired == slots
    fresh = world.enrol(new, HOME, person=person)
    assert isinstance(fresh, HeldSlot)
    assert fresh.slot not in slots
    # The old secret is the other one now, and the old slots get no update.
    assert world.enrol(old, HOME, person=person) is RefusalCode.OTHER_SECRET
    held = next(iter(slots))
    assert world.enrol(old, HOME, person=person, slot=held) is RefusalCode.OTHER_SECRET
    for _ in range(3):
        world.turn()
        world.refresh(new)
        assert set(world.refresh(old)) == {"absent"}
    assert world.cross(new, OTHER).verdict is Verdict.ACCEPT
    with pytest.raises(CallerError):
        world.show(old, OTHER)


def test_a_new_phone_of_somebody_unknown_changes_nothing(world: World) -> None:
    world.holder(HOME)
    issuer = world.regions[HOME].issuer
    assert issuer.new_phone(b"nobody") == frozenset()
    assert issuer.state.retired == set()


def test_a_person_has_as_many_slots_as_the_charter_says(world: World) -> None:
    wallet, person = world.wallet(), b"one"
    limit = world.federation.charter.parameters.slots_per_person
    for _ in range(limit):
        assert isinstance(world.enrol(wallet, HOME, person=person), HeldSlot)
    assert world.enrol(wallet, HOME, person=person) is RefusalCode.NO_SLOT_LEFT
    # Newer evidence in an own slot needs no new one; another person has his own four.
    (_, slot), *_ = wallet.state.slots
    newer = fact(event_time=world.now - HOUR, name=b"newer")
    assert isinstance(world.enrol(wallet, HOME, newer, person=person, slot=slot), HeldSlot)
    assert isinstance(world.enrol(world.wallet(), HOME, person=b"another"), HeldSlot)


def test_only_its_holder_replaces_the_evidence_of_a_slot(world: World) -> None:
    victim, thief = world.wallet(), world.wallet()
    held = world.enrol(victim, HOME, person=b"victim")
    mine = world.enrol(thief, HOME, person=b"thief")
    assert isinstance(held, HeldSlot)
    assert isinstance(mine, HeldSlot)
    thief.state.slots[HOME, held.slot] = mine  # the thief's own secrets, the victim's number
    newer = fact(event_time=world.now - HOUR, name=b"newer")
    stolen = world.enrol(thief, HOME, newer, person=b"thief", slot=held.slot)
    assert stolen is RefusalCode.NOT_THAT_SLOT
    # The holder's own phone in somebody else's name: another person's evidence.
    lent = world.enrol(victim, HOME, newer, person=b"friend", slot=held.slot)
    assert lent is RefusalCode.NOT_THAT_SLOT
    unknown = _visit(world, victim, person=b"victim", slot=held.slot)
    free = next(s for s in range(16) if s not in world.regions[HOME].issuer.state.slots)
    bent = replace(unknown.request, slot=free)
    assert unknown.code(unknown.answer(bent)) is RefusalCode.NOT_THAT_SLOT
    again = world.enrol(victim, HOME, newer, person=b"victim", slot=held.slot)
    assert isinstance(again, HeldSlot)
    assert again.slot_key == held.slot_key


def test_another_own_slot_does_not_take_over_a_commitment(world: World) -> None:
    """Same C means same slot: a holder cannot move one slot's C into another of his."""
    wallet, person = world.wallet(), b"one"
    one = world.enrol(wallet, HOME, person=person)
    two = world.enrol(wallet, HOME, person=person)
    assert isinstance(one, HeldSlot)
    assert isinstance(two, HeldSlot)
    visit = _visit(world, wallet, person=person, slot=one.slot)
    moved = replace(visit.request, slot=two.slot)
    assert visit.code(visit.answer(moved)) is RefusalCode.NOT_THAT_SLOT
    visit = _visit(world, wallet, person=person, slot=one.slot)
    assert visit.answer().grant is not None


# --- the node's own state -------------------------------------------------------------


def test_an_enrolment_that_breaks_off_leaves_nothing_behind(world: World) -> None:
    """No epoch key, or a broken source of randomness: refused, and the next epoch turns."""
    issuer = world.regions[HOME].issuer
    visit = _visit(world)
    far = world.federation.clock.start(world.epoch + 10)
    issuer.state.offers[visit.request.nonce] = far + 100
    with refused(Reason.STATE, CallerError):
        visit.answer(now=far)
    assert (issuer.state.slots, issuer.state.unpublished) == ({}, set())
    # The source of randomness breaks after the slot was chosen.
    outcomes: list[Reason | None] = []
    for good in (0, 1, 2, 3):
        visit = _visit(world, person=b"person %d" % good)
        left = [good]

        def source(count: int, left: list[int] = left) -> bytes:
            left[0] -= 1
            return world.entropy.octets(count) if left[0] >= 0 else bytes(count)

        try:
            issuer.enrol(visit.request, visit.person, visit.evidence, world.now, Entropy(source))
            outcomes.append(None)
        except CallerError as error:
            outcomes.append(error.reason)
        assert issuer.state.unpublished == issuer.state.slots.keys()
    assert outcomes == [Reason.RANDOMNESS] * 3 + [None]
    world.turn()
    assert world.auditor.regions[HOME].refused == {}
    assert _visit(world).answer().grant is not None
    world.turn()
    assert world.auditor.regions[HOME].refused == {}


def test_every_allotted_slot_is_published_once_whatever_happens_between(world: World) -> None:
    """Enrol, update, enrol: one allotment each, admitted by everybody."""
    wallet, person = world.wallet(), b"one"
    for _ in range(3):
        held = world.enrol(wallet, HOME, person=person)
        assert isinstance(held, HeldSlot)
        newer = fact(event_time=world.now - HOUR, name=b"newer")
        assert isinstance(world.enrol(wallet, HOME, newer, person=person, slot=held.slot), HeldSlot)
        world.turn()
        assert world.auditor.regions[HOME].refused == {}
    assert len(world.auditor.regions[HOME].commitments) == 3
    assert Draft.next(world, HOME).build().judge() is None


def test_open_offers_are_bounded_and_expire(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guosuo.roles.issuer._MAX_OPEN_OFFERS", 3)
    issuer = world.regions[HOME].issuer
    for _ in range(3):
        assert issuer.offer(world.now, world.entropy)
    # Whoever takes offers away by asking for many does not keep others from getting one.
    first = next(iter(issuer.state.offers))
    assert issuer.offer(world.now + 1, world.entropy)
    assert len(issuer.state.offers) == 3
    assert first not in issuer.state.offers
    assert issuer.offer(world.now + 1 + OFFER_SECONDS, world.entropy)
    assert len(issuer.state.offers) == 1


def test_slots_are_at_random_places_of_an_open_block() -> None:
    """The order of enrolment is not the order of slots, and no place is used twice."""
    world = World((OTHER, HOME))
    slots = []
    for _ in range(24):
        (held,) = world.holder(HOME).state.slots.values()
        slots.append(held.slot)
    assert len(set(slots)) == 24
    assert slots != sorted(slots)
    assert {s // 16 for s in slots[:12]} == {0}
    assert {s // 16 for s in slots[12:]} == {1}


# --- lying nodes ----------------------------------------------------------------------


def _grant(visit: Visit) -> Grant:
    grant = visit.answer().grant
    assert grant is not None
    return grant


def _received(visit: Visit, grant: Grant, **change: object) -> bytes:
    """A receipt for a promise that differs from the grant."""
    promise = Promise(
        grant.slot,
        visit.evidence,
        grant.slot_key,
        visit.request.commitment,
    )
    bent = replace(promise, **change)  # type: ignore[arg-type]  # fields of several types
    world = visit.world
    return make_receipt(world.federation, HOME, world.logs[HOME], bent, grant.salt, world.now)


@pytest.mark.parametrize(
    "change",
    [
        {"slot": 1_000},
        {"fact": fact(event_time=5)},
        {"fact": fact(event_time=-5)},
        {"fact": fact(event_time=5, name=b"another document")},
        {"slot_key": bytes(32)},
        {"commitment": bytes(48)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_receipt_promises_exactly_what_was_asked(world: World, change: dict[str, object]) -> None:
    visit = _visit(world)
    grant = _grant(visit)
    bent = replace(grant, receipt=_received(visit, grant, **change))
    with refused(Reason.RECEIPT):
        visit.wallet.conclude(Answer(grant=bent, refusal=None), world.view)
    assert visit.wallet.state.slots == {}
    same = replace(grant, receipt=_received(visit, grant))
    assert isinstance(visit.wallet.conclude(Answer(grant=same, refusal=None), world.view), HeldSlot)


def test_a_grant_that_does_not_hold_is_not_kept(world: World) -> None:
    """Signatures under unpublished keys, for other values, or with another salt."""
    visit = _visit(world)
    grant = _grant(visit)
    (signed, *_) = grant.signatures
    issuer = world.regions[HOME].issuer
    stale = replace(visit.evidence, event_time=world.now - 100 * HOUR)
    slot = issuer.state.slots[grant.slot]
    other_value = issuer._grant(
        replace(slot, fact=stale), issuer._signing_keys(world.now), world.now, world.entropy
    )
    cases: list[tuple[Grant, Reason]] = [
        (replace(grant, salt=bytes(32)), Reason.RECEIPT),
        (replace(grant, slot_key=bytes(32)), Reason.RECEIPT),
        (replace(grant, slot=grant.slot + 1), Reason.RECEIPT),
        (
            replace(grant, signatures=(replace(signed, revision=1),)),
            Reason.NOT_PUBLISHED,
        ),
        (
            replace(grant, signatures=(replace(signed, epoch=signed.epoch + 1),)),
            Reason.NOT_PUBLISHED,
        ),
        (replace(grant, signatures=other_value.signatures), Reason.SIGNATURE),
        (
            replace(grant, signatures=(replace(signed, epoch=signed.epoch - 1),)),
            Reason.SIGNATURE,
        ),
        (
            replace(grant, signatures=(*grant.signatures, _garbage(signed))),
            Reason.POINT_IDENTITY,
        ),
    ]
    for bad, reason in cases:
        with refused(reason):
            visit.wallet.conclude(Answer(grant=bad, refusal=None), world.view)
    assert visit.wallet.state.slots == {}
    assert isinstance(
        visit.wallet.conclude(Answer(grant=grant, refusal=None), world.view), HeldSlot
    )


def _garbage(signed: SignedRenewal) -> SignedRenewal:
    return replace(signed, signature=IDENTITY + signed.signature[48:])


def test_a_node_cannot_give_a_slot_that_the_wallet_holds_already(world: World) -> None:
    """It would overwrite the blinding of the older slot, which then is lost for ever."""
    wallet, person = world.wallet(), b"one"
    first = world.enrol(wallet, HOME, person=person)
    assert isinstance(first, HeldSlot)
    visit = _visit(world, wallet, person=person)
    issuer = world.regions[HOME].issuer
    grant = _grant(visit)
    forged = replace(issuer.state.slots[grant.slot], slot=first.slot)
    lie = issuer._grant(forged, issuer._signing_keys(world.now), world.now, world.entropy)
    with refused(Reason.RECEIPT):
        wallet.conclude(Answer(grant=lie, refusal=None), world.view)
    assert wallet.state.slots[HOME, first.slot] == first
    assert isinstance(wallet.conclude(Answer(grant=grant, refusal=None), world.view), HeldSlot)
    # And an update of one slot is not answered with another.
    visit = _visit(world, wallet, person=person, slot=first.slot)
    free = next(s for s in range(16) if s not in issuer.state.slots)
    moved = replace(issuer.state.slots[_grant(visit).slot], slot=free)
    lie = issuer._grant(moved, issuer._signing_keys(world.now), world.now, world.entropy)
    with refused(Reason.RECEIPT):
        wallet.conclude(Answer(grant=lie, refusal=None), world.view)
    assert (HOME, free) not in wallet.state.slots


def test_an_update_keeps_the_slots_key(world: World) -> None:
    """With another k_slot the renewals that the wallet holds already would be lost."""
    wallet, person = world.wallet(), b"one"
    held = world.enrol(wallet, HOME, person=person)
    assert isinstance(held, HeldSlot)
    visit = _visit(world, wallet, person=person, slot=held.slot)
    issuer = world.regions[HOME].issuer
    honest = _grant(visit)
    other = replace(issuer.state.slots[held.slot], slot_key=world.entropy.octets(32))
    lie = issuer._grant(other, issuer._signing_keys(world.now), world.now, world.entropy)
    with refused(Reason.RECEIPT):
        wallet.conclude(Answer(grant=lie, refusal=None), world.view)
    assert wallet.state.slots[HOME, held.slot] == held
    again = wallet.conclude(Answer(grant=honest, refusal=None), world.view)
    assert isinstance(again, HeldSlot)
    assert again.slot_key == held.slot_key


def test_a_wallet_uses_no_epoch_with_rules_that_it_does_not_know(world: World) -> None:
    """Neither its board nor a signature off the board: v_t might mean something else."""
    old = world.holder(HOME)
    world.turn()
    visit = _visit(world)
    grant = _grant(visit)
    log = world.view.region(HOME)
    known = log.latest()
    assert known is not None
    (_, slot), *_ = old.state.slots
    log.epochs[known.id] = replace(known, entry=replace(known.entry, rules=RULES_VERSION + 1))
    with refused(Reason.MESSAGE_VERSION):
        old.refresh(HOME, slot, log.epochs[known.id], world.fetch)
    with refused(Reason.MESSAGE_VERSION):
        visit.wallet.conclude(Answer(grant=grant, refusal=None), world.view)
    log.epochs[known.id] = known
    assert old.refresh(HOME, slot, known, world.fetch) is Refreshed.RENEWED
    assert visit.wallet.conclude(Answer(grant=grant, refusal=None), world.view)


def test_an_answer_is_a_grant_or_a_refusal(world: World) -> None:
    visit = _visit(world)
    answer = visit.answer()
    code = world.regions[HOME].issuer.refuse(visit.request.nonce, RefusalCode.PROOF, world.now)
    for odd in (
        Answer(grant=None, refusal=None),
        Answer(grant=answer.grant, refusal=code.refusal),
    ):
        with refused(Reason.MESSAGE_SHAPE):
            visit.wallet.conclude(odd, world.view)
    assert isinstance(visit.wallet.conclude(answer, world.view), HeldSlot)
    with refused(Reason.STATE, CallerError):
        visit.wallet.conclude(answer, world.view)


def test_a_refusal_is_the_regions_and_for_this_nonce(world: World) -> None:
    visit = _visit(world)
    issuer = world.regions[HOME].issuer
    good = issuer.refuse(visit.request.nonce, RefusalCode.EVIDENCE, world.now)

    def signed(key: str, kind: Kind = Kind.REFUSAL, **change: object) -> Answer:
        body = Refusal(
            region=HOME, nonce=visit.request.nonce, code=RefusalCode.EVIDENCE, issued=world.now
        )
        bent = replace(body, **change)  # type: ignore[arg-type]  # fields of several types
        return Answer(
            grant=None,
            refusal=sign(world.logs[key], world.federation.id, kind, bent.encode()),
        )

    for lie, reason in (
        (signed(OTHER), Reason.RECORD_SIGNATURE),
        (signed(HOME, Kind.RECEIPT), Reason.RECORD_KIND),
        (signed(HOME, region=OTHER), Reason.RECORD_KIND),
        (signed(HOME, nonce=bytes(16)), Reason.ENROLMENT_NONCE),
    ):
        with refused(reason):
            visit.wallet.conclude(lie, world.view)
    assert visit.wallet.state.pending is not None
    assert visit.wallet.conclude(good, world.view) is RefusalCode.EVIDENCE
    assert visit.wallet.state.pending is None


def test_a_refusal_says_nothing_of_person_or_evidence(world: World) -> None:
    visit = _visit(world, person=b"a very special person")
    answer = world.regions[HOME].issuer.refuse(
        visit.request.nonce, RefusalCode.PERSON_MISMATCH, world.now
    )
    assert answer.refusal is not None
    for personal in (
        visit.person,
        visit.evidence.digest,
        visit.request.commitment,
        visit.request.record,
    ):
        assert personal not in answer.refusal


# --- ownership ------------------------------------------------------------------------


def test_a_proof_of_ownership_serves_one_purpose_slot_and_subject(world: World) -> None:
    wallet = world.holder(HOME)
    (held,) = wallet.state.slots.values()
    scheme = world.federation.scheme
    commitment = world.regions[HOME].issuer.state.slots[held.slot].commitment
    subject = (bytes(32), b"text")
    proof = wallet.prove_slot(HOME, held.slot, Purpose.APPEAL, subject, world.entropy)
    check_ownership(scheme, Purpose.APPEAL, HOME, held.slot, subject, commitment, proof)
    for purpose, region, slot, about, c in (
        (Purpose.LEAVE, HOME, held.slot, subject, commitment),
        (Purpose.APPEAL, OTHER, held.slot, subject, commitment),
        (Purpose.APPEAL, HOME, held.slot + 1, subject, commitment),
        (Purpose.APPEAL, HOME, held.slot, (bytes(32), b"another text"), commitment),
        (Purpose.APPEAL, HOME, held.slot, subject, commitment + scheme.h0),
    ):
        with refused(Reason.PROOF):
            check_ownership(scheme, purpose, region, slot, about, c, proof)


def test_the_region_cannot_prove_ownership_of_a_holders_slot(world: World) -> None:
    """It knows C and k_slot, and neither m_0 nor s: an enrolment proof is no appeal."""
    visit = _visit(world)
    grant = _grant(visit)
    scheme = world.federation.scheme
    commitment = world.regions[HOME].issuer.state.slots[grant.slot].commitment
    with pytest.raises(PeerError):
        check_ownership(
            scheme, Purpose.APPEAL, HOME, grant.slot, (), commitment, visit.request.proof
        )
    visit.wallet.conclude(Answer(grant=grant, refusal=None), world.view)
    own = visit.wallet.prove_slot(HOME, grant.slot, Purpose.APPEAL, (), world.entropy)
    check_ownership(scheme, Purpose.APPEAL, HOME, grant.slot, (), commitment, own)
