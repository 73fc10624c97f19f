"""Regions that cheat on their boards: every lie refuses the epoch, with a stable reason.

A lie is bent into the draft of a region's next epoch (`Draft`), which is signed with
the region's real keys and judged by another reader of the logs. Its twin is the same
draft without the lie, from the same state.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace

import nacl.signing
import pytest

from guosuo.bbs.signature import SIGNATURE_SIZE, Signature, sign_point
from guosuo.credential import board
from guosuo.credential.board import ABSENT, Bucket, SlotToRenew, audit_bucket, build_bucket
from guosuo.credential.keys import EpochKey, check_possession, prove_possession
from guosuo.credential.renewal import blind_scalar, sign_message
from guosuo.curve.points import G1, G2
from guosuo.curve.scalar import ORDER, Scalar
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.federation.audit import audit_epoch
from guosuo.federation.entries import (
    ALLOTMENT_SIZE,
    Action,
    Board,
    BucketRef,
    decode_allotment,
    decode_status_list,
    encode_allotment,
    encode_status_list,
    root_statement,
    status_bits,
)
from guosuo.federation.records import Kind, LogEntry, digest, sign
from guosuo.federation.view import PublishedEpoch
from guosuo.roles.holding import HeldSlot, Refreshed
from guosuo.scheme import KeyId, Scheme
from guosuo.sigma.proof import Proof, prove
from guosuo.suite import Suite, Tag
from guosuo.wire import cbor
from tests.support.liars import Draft, fork, judge, refused
from tests.support.world import World, fact

HOME, NEIGHBOUR = "440000", "330000"


@pytest.fixture(scope="module")
def world() -> World:
    """Five slots at home: four active, one suspended; one of them not yet on a board."""
    made = World(("330000", "440000"))
    wallets = [made.holder(HOME) for _ in range(4)]
    made.holder(NEIGHBOUR)
    made.suspend(HOME, wallets[3])
    made.turn()
    made.turn()
    made.holder(HOME)
    return made


@pytest.fixture
def draft(world: World) -> Draft:
    """The honest draft, before its buckets are built. The twin of every lie below."""
    twin = Draft.next(world, HOME).build()
    assert twin.judge() is None
    assert len(twin.renewals) == 4
    assert twin.allotted == 5
    return Draft.next(world, HOME)


def _commitment(world: World) -> G1:
    """The commitment of somebody whom the region never enrolled."""
    return world.federation.scheme.commitment(world.entropy.scalar(), world.entropy.scalar())


def _other_c(draft: Draft) -> None:
    """A slot given to somebody else: signed for another commitment."""
    draft.renewals[0] = replace(draft.renewals[0], commitment=_commitment(draft.world))
    draft.build()


def _swapped_owners(draft: Draft) -> None:
    """Two slots signed for each other's commitment: Σ C_k is the same."""
    a, b = draft.renewals[:2]
    draft.renewals[:2] = [
        replace(a, commitment=b.commitment),
        replace(b, commitment=a.commitment),
    ]
    draft.build()


def _cell(data: bytes, slot: int, cell: bytes) -> bytes:
    start = slot * SIGNATURE_SIZE
    return data[:start] + cell + data[start + SIGNATURE_SIZE :]


def _reproved(draft: Draft, data: bytes) -> Bucket:
    """An honest-looking proof over a changed bucket: right weights, α and β as promised."""
    scheme, world = draft.world.federation.scheme, draft.world
    seed = board._seed(scheme, draft.key.id, draft.key.public, 0, data, draft.inside(0))
    alpha = beta = Scalar(0)
    for item in draft.renewals:
        delta = board._weight(seed, item.slot)
        blind = blind_scalar(scheme, draft.key.id, item.slot_key, item.evidence)
        alpha, beta = alpha + delta * Scalar(item.evidence), beta + delta * blind
    m = scheme.h2 * alpha + scheme.h0 * beta
    proof = prove(
        scheme.api,
        Tag.RENEWAL,
        board._statement(scheme, m),
        {"alpha": alpha, "beta": beta},
        board._context(scheme, draft.key.id, seed, m),
        world.entropy,
    )
    return Bucket(data, m.encode() + proof.encode())


def _swapped_cells(draft: Draft) -> None:
    draft.build()
    data = draft.buckets[0].data
    a, b = (r.slot for r in draft.renewals[:2])
    cells = [data[s * SIGNATURE_SIZE : (s + 1) * SIGNATURE_SIZE] for s in (a, b)]
    draft.buckets[0] = _reproved(draft, _cell(_cell(data, a, cells[1]), b, cells[0]))


def _garbage(draft: Draft) -> None:
    """A point and an e that sign nothing, with the best proof that can be made."""
    draft.build()
    scheme, entropy = draft.world.federation.scheme, draft.world.entropy
    noise = Signature(scheme.h0 * entropy.scalar(), entropy.scalar())
    data = _cell(draft.buckets[0].data, draft.renewals[0].slot, noise.encode())
    draft.buckets[0] = _reproved(draft, data)


def _garbage_that_cancels(draft: Draft) -> None:
    """Two wrong A whose sum is right: only the weights tell."""
    draft.build()
    scheme, entropy = draft.world.federation.scheme, draft.world.entropy
    error = scheme.h0 * entropy.scalar()
    data = draft.buckets[0].data
    for item, part in zip(draft.renewals[:2], (error, -error), strict=True):
        right = Signature.decode(
            scheme.suite, data[item.slot * SIGNATURE_SIZE : (item.slot + 1) * SIGNATURE_SIZE]
        )
        wrong = Signature(right.a + part * (draft.key.secret + right.e).inverse(), right.e)
        data = _cell(data, item.slot, wrong.encode())
    draft.buckets[0] = _reproved(draft, data)


def _true_difference_without_its_opening(draft: Draft) -> None:
    """M is what the equation needs, so the pairing holds; but nobody knows α and β."""
    draft.build()
    scheme, entropy = draft.world.federation.scheme, draft.world.entropy
    victim = draft.renewals[0]
    stranger = replace(victim, commitment=_commitment(draft.world))
    blind = blind_scalar(scheme, draft.key.id, victim.slot_key, victim.evidence)
    message = scheme.message(stranger.commitment, victim.evidence, blind)
    signature = sign_message(scheme, draft.key, victim.slot, message)
    data = _cell(draft.buckets[0].data, victim.slot, signature.encode())
    honest = _reproved(draft, data)
    seed = board._seed(scheme, draft.key.id, draft.key.public, 0, data, draft.inside(0))
    delta = board._weight(seed, victim.slot)
    m = scheme.engine.decode_g1(honest.proof[:48])
    m += (stranger.commitment - victim.commitment) * delta
    forged = Proof(entropy.scalar(), (entropy.scalar(), entropy.scalar()))
    draft.buckets[0] = Bucket(data, m.encode() + forged.encode())


def _omitted(draft: Draft) -> None:
    """An active slot left out, without an order."""
    del draft.renewals[0]
    draft.build()


def _suspended_signed(draft: Draft) -> None:
    state = draft.world.regions[HOME].issuer.state
    (slot,) = state.suspended
    issued = state.slots[slot]
    value = draft.renewals[0].evidence
    draft.renewals.append(SlotToRenew(slot, issued.commitment, issued.slot_key, value))
    draft.build()


def _without_allotment(draft: Draft) -> None:
    """A slot that stands in no allotment blob is signed."""
    free = next(s for s in range(draft.size) if s not in draft.commitments)
    template = draft.renewals[0]
    draft.renewals.append(replace(template, slot=free, commitment=_commitment(draft.world)))
    draft.build()


def _empty_with_proof(draft: Draft) -> None:
    """All slots absent, a proof all the same."""
    draft.build()
    draft.buckets[0] = Bucket(ABSENT * draft.size, draft.buckets[0].proof)


def _no_proof(draft: Draft) -> None:
    draft.build()
    draft.buckets[0] = replace(draft.buckets[0], proof=b"")


def _short_proof(draft: Draft) -> None:
    draft.build()
    draft.buckets[0] = replace(draft.buckets[0], proof=draft.buckets[0].proof[:-1])


def _short_bucket(draft: Draft) -> None:
    draft.build()
    draft.buckets[0] = replace(draft.buckets[0], data=draft.buckets[0].data[:-SIGNATURE_SIZE])


def _e_is(e: int) -> Callable[[Draft], None]:
    def lie(draft: Draft) -> None:
        draft.build()
        item = draft.renewals[0]
        cell = draft.buckets[0].data[item.slot * SIGNATURE_SIZE :][:48] + e.to_bytes(32, "big")
        draft.buckets[0] = _reproved(draft, _cell(draft.buckets[0].data, item.slot, cell))

    return lie


def _a_is(a: bytes) -> Callable[[Draft], None]:
    def lie(draft: Draft) -> None:
        draft.build()
        item = draft.renewals[0]
        cell = a + draft.buckets[0].data[item.slot * SIGNATURE_SIZE :][48:80]
        draft.buckets[0] = replace(
            draft.buckets[0], data=_cell(draft.buckets[0].data, item.slot, cell)
        )

    return lie


def _not_in_subgroup() -> bytes:
    """A point of the curve outside the subgroup: small x are almost never inside."""

    engine = Suite.sha256().engine
    for x in range(1, 100):
        octets = bytes([0x80]) + bytes(46) + bytes([x])
        try:
            engine.decode_g1(octets)
        except PeerError as error:
            if error.reason is Reason.POINT_NOT_IN_SUBGROUP:
                return octets
    raise AssertionError


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        (_other_c, Reason.RENEWAL_PROOF),
        (_swapped_owners, Reason.RENEWAL_PROOF),
        (_swapped_cells, Reason.RENEWAL_PROOF),
        (_garbage, Reason.RENEWAL_PROOF),
        (_garbage_that_cancels, Reason.RENEWAL_PROOF),
        (_true_difference_without_its_opening, Reason.RENEWAL_PROOF),
        (_omitted, Reason.BOARD),
        (_suspended_signed, Reason.BOARD),
        (_without_allotment, Reason.BOARD),
        (_empty_with_proof, Reason.BOARD),
        (_no_proof, Reason.RENEWAL_PROOF),
        (_short_proof, Reason.RENEWAL_PROOF),
        (_short_bucket, Reason.BOARD),
        (_e_is(0), Reason.SCALAR_RANGE),
        (_e_is(ORDER), Reason.SCALAR_RANGE),
        (_a_is(_not_in_subgroup()), Reason.POINT_NOT_IN_SUBGROUP),
        (_a_is(b"\xc0" + bytes(47)), Reason.POINT_IDENTITY),
        (_a_is(bytes(48)), Reason.POINT_ENCODING),
    ],
    ids=lambda value: getattr(value, "__qualname__", str(value)).split(".")[0],
)
def test_a_lie_on_the_board_refuses_the_epoch(
    draft: Draft, lie: Callable[[Draft], None], reason: Reason
) -> None:
    lie(draft)
    assert draft.judge() is reason


def test_a_correct_reproof_passes(draft: Draft) -> None:
    """The tool of the liars above makes a good proof where there is no lie."""
    draft.build()
    draft.buckets[0] = _reproved(draft, draft.buckets[0].data)
    assert draft.judge() is None


# --- weights --------------------------------------------------------------------------


def _key_after_weights(
    world: World,
) -> tuple[Scheme, KeyId, Scalar, Bucket, dict[int, G1], Callable[[G2], bytes]]:
    """Choose the key after the weights, on slots whose openings the region knows.

    One invented person with four slots: C_k = m_k·H_0 + s·H_1. Every cell is garbage,
    A_k = a_k·(P1 + Q·domain + s·H_1) with any a_k and e_k, and x is what makes the
    weighted sum come out: x = Σ δ_k·(1 − e_k·a_k) / Σ δ_k·a_k.
    """
    scheme, entropy = world.federation.scheme, world.entropy
    name = KeyId(HOME, 500, 0)
    link = entropy.scalar()
    blindings = {slot: entropy.scalar() for slot in range(4)}
    commitments = {slot: scheme.commitment(m, link) for slot, m in blindings.items()}
    factors = {slot: (entropy.scalar(), entropy.scalar()) for slot in range(4)}
    common = scheme.base + scheme.h1 * link
    cells = [Signature(common * a, e).encode() for a, e in factors.values()]
    data = b"".join(cells) + ABSENT * 12

    def attack(seed: bytes) -> tuple[Scalar, bytes]:
        deltas = {slot: board._weight(seed, slot) for slot in factors}
        over = under = beta = Scalar(0)
        for slot, (a, e) in factors.items():
            over += deltas[slot] * (Scalar(1) - e * a)
            under += deltas[slot] * a
            beta -= deltas[slot] * blindings[slot]
        m = scheme.h0 * beta
        proof = prove(
            scheme.api,
            Tag.RENEWAL,
            board._statement(scheme, m),
            {"alpha": Scalar(0), "beta": beta},
            board._context(scheme, name, seed, m),
            entropy,
        )
        return over * under.inverse(), m.encode() + proof.encode()

    def seeded_with(public: G2) -> bytes:
        return board._seed(scheme, name, public, 0, data, commitments)

    x, proof = attack(seeded_with(scheme.p2))
    return scheme, name, x, Bucket(data, proof), commitments, seeded_with


def test_weights_without_the_key_would_let_it_be_chosen_after_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cheat that W_t in δ_k stops, run both ways."""
    true_seed = board._seed

    def audit(scheme: Scheme, name: KeyId, x: Scalar, bucket: Bucket, c: dict[int, G1]) -> None:
        audit_bucket(scheme, name, scheme.p2 * x, 0, 16, c, frozenset(range(4)), bucket)

    # 1. As built: the weights hang on W_t, and the cheat fails.
    scheme, name, x, bucket, commitments, _ = _key_after_weights(world)
    with refused(Reason.RENEWAL_PROOF):
        audit(scheme, name, x, bucket, commitments)
    # 2. With weights that do not: a bucket in which no slot is signed passes.
    monkeypatch.setattr(
        board,
        "_seed",
        lambda scheme, key_id, _public, *rest: true_seed(scheme, key_id, scheme.p2, *rest),
    )
    scheme, name, x, bucket, commitments, _ = _key_after_weights(world)
    audit(scheme, name, x, bucket, commitments)
    for slot in range(4):
        signature = board.slot_signature(scheme, bucket.data, 0, 16, slot)
        assert signature is not None
        # Not even for a C of the region's choice: the factor of P1 is not one.
        left = signature.a * (x + signature.e) - scheme.base
        assert left != commitments[slot]
    # 3. The twin: an honest bucket passes under the true weights.
    monkeypatch.undo()
    key = EpochKey.draw(scheme, name, world.entropy)
    slots = [SlotToRenew(slot, c, bytes([slot]) * 32, 1 << 60) for slot, c in commitments.items()]
    honest = build_bucket(scheme, key, 0, 16, commitments, slots, world.entropy)
    audit(scheme, name, key.secret, honest, commitments)


def test_a_weight_is_never_zero_and_differs_by_slot() -> None:
    weights = [int(board._weight(bytes(32), slot)) for slot in range(64)]
    assert len(set(weights)) == 64
    assert all(0 < w < 1 << 128 for w in weights)


def test_every_input_of_the_weights_changes_them(world: World) -> None:
    scheme = world.federation.scheme
    key = EpochKey.draw(scheme, KeyId(HOME, 9, 0), world.entropy)
    c = {0: scheme.h0, 1: scheme.h1}
    seed = board._seed(scheme, key.id, key.public, 0, b"data", c)
    assert seed == board._seed(scheme, key.id, key.public, 0, b"data", dict(c))
    others = [
        board._seed(scheme, replace(key.id, region=NEIGHBOUR), key.public, 0, b"data", c),
        board._seed(scheme, replace(key.id, epoch=10), key.public, 0, b"data", c),
        board._seed(scheme, replace(key.id, revision=1), key.public, 0, b"data", c),
        board._seed(scheme, key.id, key.public + scheme.p2, 0, b"data", c),
        board._seed(scheme, key.id, key.public, 16, b"data", c),
        board._seed(scheme, key.id, key.public, 0, b"date", c),
        board._seed(scheme, key.id, key.public, 0, b"data", {0: scheme.h1, 1: scheme.h0}),
        board._seed(scheme, key.id, key.public, 0, b"data", {0: scheme.h0, 2: scheme.h1}),
        board._seed(scheme, key.id, key.public, 0, b"data", {0: scheme.h0}),
    ]
    assert len({seed, *others}) == 1 + len(others)


# --- proofs of another place ----------------------------------------------------------


def test_a_renewal_proof_belongs_to_one_bucket_key_and_region(world: World) -> None:
    scheme = world.federation.scheme
    key = EpochKey.draw(scheme, KeyId(HOME, 9, 0), world.entropy)
    commitments = {slot: _commitment(world) for slot in (1, 3)}
    slots = [SlotToRenew(slot, c, bytes([slot]) * 32, 1 << 60) for slot, c in commitments.items()]
    bucket = build_bucket(scheme, key, 0, 16, commitments, slots, world.entropy)

    def audit(
        name: KeyId = key.id,
        public: G2 = key.public,
        first: int = 0,
        c: dict[int, G1] = commitments,
        other: Bucket = bucket,
    ) -> None:
        active = frozenset(c)
        audit_bucket(scheme, name, public, first, 16, c, active, other)

    audit()
    for name in (
        replace(key.id, region=NEIGHBOUR),
        replace(key.id, epoch=10),
        replace(key.id, revision=1),
    ):
        with refused(Reason.RENEWAL_PROOF):
            audit(name=name)
    with refused(Reason.RENEWAL_PROOF):
        audit(public=key.public + scheme.p2)
    with refused(Reason.RENEWAL_PROOF):
        audit(first=16, c={slot + 16: c for slot, c in commitments.items()})
    # A proof of another bucket under the same key.
    again = build_bucket(scheme, key, 16, 16, {}, [], world.entropy)
    assert again == Bucket(ABSENT * 16, b"")
    others = {slot: _commitment(world) for slot in (1, 3)}
    more = [SlotToRenew(slot, c, bytes([slot]) * 32, 1 << 60) for slot, c in others.items()]
    second = build_bucket(scheme, key, 0, 16, others, more, world.entropy)
    audit(c=others, other=second)
    with refused(Reason.RENEWAL_PROOF):
        audit(other=Bucket(bucket.data, second.proof))
    with refused(Reason.RENEWAL_PROOF):
        audit(c=others)
    # An empty bucket has no proof: none is needed, and none is allowed.
    audit_bucket(scheme, key.id, key.public, 16, 16, {}, frozenset(), again)
    with refused(Reason.RENEWAL_PROOF):
        audit_bucket(
            scheme, key.id, key.public, 16, 16, {}, frozenset(), Bucket(again.data, bucket.proof)
        )


def test_proof_points_and_scalars_are_read_strictly(draft: Draft) -> None:
    draft.build()
    good = draft.buckets[0]
    m, c, rest = good.proof[:48], good.proof[48:80], good.proof[80:]
    bad = {
        b"\xc0" + bytes(47) + c + rest: Reason.POINT_IDENTITY,
        _not_in_subgroup() + c + rest: Reason.POINT_NOT_IN_SUBGROUP,
        m + bytes(32) + rest: Reason.RENEWAL_PROOF,
        m + ORDER.to_bytes(32, "big") + rest: Reason.RENEWAL_PROOF,
        m + c + rest[32:] + rest[:32]: Reason.RENEWAL_PROOF,
    }
    for proof, reason in bad.items():
        draft.buckets[0] = replace(good, proof=proof)
        assert draft.judge() is reason
    draft.buckets[0] = good
    assert draft.judge() is None


def test_nothing_accumulates_and_nothing_is_laundered_over_epochs(world: World) -> None:
    """A wrong message of one epoch is no foundation for the next.

    Epoch t: a slot is signed for a stranger's C' (refused). Epoch t + 1: B is built
    from that B instead of C, as an honest difference of evidence. It is refused too,
    because every epoch is proven against the allotted C. Twin: built from C, it passes.
    """
    scheme = world.federation.scheme
    first = Draft.next(world, HOME)
    _other_c(first)
    bent = first.renewals[0]
    assert first.judge() is Reason.RENEWAL_PROOF
    entry = first.entry().encode()
    log = fork(world)[0].region(HOME)
    assert log.epoch(first.key.id.epoch) is None

    def second(commitment: G1) -> Callable[[bytes | None], bytes]:
        def body(previous: bytes | None) -> bytes:
            after = Draft.next(world, HOME)
            name = KeyId(HOME, first.key.id.epoch + 1, 0)
            after.key = EpochKey.draw(scheme, name, world.entropy)
            after.renewals[0] = replace(after.renewals[0], commitment=commitment)
            after.fresh, after.previous = {}, previous
            return after.build().entry().encode()

        return body

    launder = bent.commitment
    honest = world.regions[HOME].issuer.state.slots[bent.slot].commitment
    assert judge(world, HOME, entry, second(launder)) is Reason.RENEWAL_PROOF
    assert judge(world, HOME, entry, second(honest)) is None


# --- allotments -----------------------------------------------------------------------


def test_a_slot_is_allotted_once(draft: Draft) -> None:
    """In a second blob, with another C or the same, or twice in one blob."""
    old = next(s for s in draft.commitments if s not in draft.fresh)
    honest = dict(draft.fresh)
    for commitment in (draft.commitments[old], _commitment(draft.world)):
        draft.fresh = honest | {old: commitment}
        assert draft.build().judge() is Reason.ALLOTMENT
    # With counts that fit, and the slot signed for its new owner: a slot given away.
    draft.fresh = honest | {old: _commitment(draft.world)}
    draft.commitments[old] = draft.fresh[old]
    draft.allotted += 1
    draft.renewals = [
        replace(r, commitment=draft.fresh[old]) if r.slot == old else r for r in draft.renewals
    ]
    assert draft.build().judge() is Reason.ALLOTMENT


def test_a_slot_stands_once_in_an_allotment_blob(draft: Draft) -> None:
    blob = encode_allotment(draft.fresh)
    entry = draft.build().entry()
    assert draft.judge(entry) is None
    twice = blob + blob
    assert draft.judge(replace(entry, allotment=draft._put(twice))) is Reason.ALLOTMENT


def test_the_board_lists_every_bucket_once_and_no_other(draft: Draft) -> None:
    """With a bucket left out, all its slots would be unproven."""
    entry = draft.build().entry()
    honest = Board.decode(draft.world.fetch(entry.board)).buckets
    (ref,) = honest
    empty = BucketRef(first=draft.size, data=draft._put(ABSENT * draft.size), proof=None)
    for buckets in (
        (),
        (ref, ref),
        (ref, empty),
        (replace(empty, first=0), replace(ref, first=draft.size)),
        (replace(ref, first=1),),
    ):
        board_name = draft._put(Board(buckets=buckets).encode())
        assert draft.judge(replace(entry, board=board_name)) is Reason.BOARD
    board_name = draft._put(Board(buckets=honest).encode())
    assert draft.judge(replace(entry, board=board_name)) is None


def test_a_new_slot_is_on_the_board_only_with_its_allotment(draft: Draft) -> None:
    honest = draft.fresh
    draft.fresh = {}
    assert draft.build().judge() is Reason.ALLOTMENT
    # With counts that fit the blob, the board says too much.
    draft.allotted -= 1
    draft.active -= 1
    assert draft.build().judge() is Reason.BOARD
    draft.fresh, draft.allotted, draft.active = honest, draft.allotted + 1, draft.active + 1
    assert draft.build().judge() is None


def test_an_allotment_blob_is_read_strictly(draft: Draft) -> None:
    entry = draft.build().entry()
    blob = encode_allotment(draft.fresh)
    assert len(blob) == ALLOTMENT_SIZE
    a = blob[:8]
    for bad, reason in (
        (blob[:-1], Reason.ALLOTMENT),
        (blob + bytes(8), Reason.ALLOTMENT),
        (a + b"\xc0" + bytes(47), Reason.POINT_IDENTITY),
        (a + _not_in_subgroup(), Reason.POINT_NOT_IN_SUBGROUP),
    ):
        assert draft.judge(replace(entry, allotment=draft._put(bad))) is reason
    assert draft.judge(replace(entry, allotment=draft._put(blob))) is None


@pytest.mark.parametrize("slot", [1 << 27, 1 << 39, (1 << 63) + 5, (1 << 64) - 1])
def test_a_slot_with_a_huge_number_cannot_exhaust_an_auditor(draft: Draft, slot: int) -> None:
    """The status list is an array over slot numbers: the number is bounded before it is made."""
    entry = draft.build().entry()
    far = encode_allotment(draft.fresh)
    far += slot.to_bytes(8, "big") + _commitment(draft.world).encode()
    allotted = replace(
        entry,
        allotment=draft._put(far),
        allotted=entry.allotted + 1,
        active=entry.active + 1,
    )
    assert draft.judge(allotted) is Reason.ALLOTMENT
    assert draft.judge(entry) is None


# --- status list and counts -----------------------------------------------------------


def test_the_status_list_says_exactly_what_the_orders_say(draft: Draft) -> None:
    (suspended,) = draft.world.regions[HOME].issuer.state.suspended
    active = draft.renewals[0].slot
    entry = draft.build().entry()
    size = draft.size

    def with_list(blob: bytes) -> Reason | None:
        return draft.judge(replace(entry, status=draft._put(blob)))

    assert with_list(encode_status_list(status_bits(size, {suspended}))) is None
    for bits in (
        status_bits(size, set()),
        status_bits(size, {suspended, active}),
        status_bits(size, {active}),
        status_bits(size + 16, {suspended}),
        status_bits(size, {suspended})[:-1],
        b"",
    ):
        assert with_list(encode_status_list(bits)) is Reason.STATUS_LIST


def test_a_status_list_is_read_strictly() -> None:
    good = encode_status_list(b"\x01\x02")
    assert decode_status_list(good) == b"\x01\x02"
    value = cbor.decode(good)
    assert isinstance(value, dict)
    packed = value["lst"]
    assert isinstance(packed, bytes)
    for bad in (
        {"bits": 2, "lst": packed},
        {"bits": True, "lst": packed},
        {"bits": 1, "lst": packed + b"\0"},
        {"bits": 1, "lst": packed[:-1]},
        {"bits": 1, "lst": b""},
        {"bits": 1, "lst": "text"},
        {"bits": 1, "lst": packed, "more": 1},
        {"bits": 1},
        [1, packed],
    ):
        with refused(Reason.STATUS_LIST):
            decode_status_list(cbor.encode(bad))  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(PeerError):
        decode_status_list(good + b"\0")


def test_a_status_list_does_not_unpack_to_more_than_its_bound() -> None:

    def packed(size: int) -> bytes:
        return cbor.encode({"bits": 1, "lst": zlib.compress(bytes(size), 1)})

    assert len(decode_status_list(packed(1 << 24))) == 1 << 24
    with refused(Reason.STATUS_LIST):
        decode_status_list(packed((1 << 24) + 1))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"allotted": 1}, Reason.ALLOTMENT),
        ({"allotted": -1}, Reason.ALLOTMENT),
        ({"active": 1}, Reason.STATUS_LIST),
        ({"active": -1}, Reason.STATUS_LIST),
    ],
)
def test_counts_are_counted(draft: Draft, change: dict[str, int], reason: Reason) -> None:
    entry = draft.build().entry()
    counts = {"allotted": entry.allotted, "active": entry.active}
    wrong = {name: counts[name] + by for name, by in change.items()}
    assert draft.judge(replace(entry, **wrong)) is reason  # type: ignore[arg-type]  # numbers
    assert draft.judge(replace(entry, **counts)) is None  # type: ignore[arg-type]


def test_an_order_names_slots_and_the_board_follows_it(world: World) -> None:
    """Suspension and its end reach the board with the next epoch, and not without an order."""
    draft = Draft.next(world, HOME)
    slot = draft.renewals[0].slot
    view, auditor = fork(world)
    log = view.region(HOME)
    log.suspended.add(slot)  # what a conforming order does to a reader
    entry = draft.build().entry()

    def published(suspended: set[int]) -> PublishedEpoch:
        return PublishedEpoch(
            draft.key.id, entry, draft.key.public, bytes(32), frozenset(suspended)
        )

    before = auditor.regions[HOME].commitments
    known = world.view.region(HOME).suspended
    assert audit_epoch(world.federation, published(known), before, world.fetch).active == 4
    with refused(Reason.BOARD):
        audit_epoch(world.federation, published(log.suspended), before, world.fetch)


# --- the entry ------------------------------------------------------------------------


def test_the_link_to_the_entry_before_is_checked(draft: Draft) -> None:
    entry = draft.build().entry()
    assert draft.judge(entry) is None
    earlier = [e.digest for e in draft.world.view.region(HOME).epochs.values()][-2]
    for previous in (None, bytes(32), earlier):
        assert draft.judge(replace(entry, previous=previous)) is Reason.EPOCH_ENTRY


def test_the_root_key_certifies_exactly_this_key(draft: Draft) -> None:
    entry = draft.build().entry()
    assert draft.judge(entry) is None
    world, name = draft.world, draft.key.id
    other = EpochKey.draw(world.federation.scheme, name, world.entropy)

    def certified(key: nacl.signing.SigningKey, name: KeyId, public: G2) -> bytes:
        statement = root_statement(world.federation.id, name, public.encode())
        return key.sign(statement).signature

    root = world.roots[HOME]
    for signature in (
        bytes(64),
        certified(world.logs[HOME], name, draft.key.public),  # the log key is not the root key
        certified(world.roots[NEIGHBOUR], name, draft.key.public),
        certified(root, name, other.public),
        certified(root, replace(name, epoch=name.epoch + 1), draft.key.public),
        certified(root, replace(name, revision=1), draft.key.public),
        certified(root, replace(name, region=NEIGHBOUR), draft.key.public),
    ):
        assert draft.judge(replace(entry, root_signature=signature)) is Reason.EPOCH_ENTRY
    good = certified(root, name, draft.key.public)
    assert draft.judge(replace(entry, root_signature=good)) is None


def test_a_proof_of_possession_is_of_this_key_under_this_name(draft: Draft) -> None:
    """A rogue key W* = W' − W_i of unknown secret, and replayed proofs, are refused."""
    world, scheme, name = draft.world, draft.world.federation.scheme, draft.key.id
    for key in (
        EpochKey.draw(scheme, name, world.entropy),
        replace(draft.key, id=replace(name, epoch=name.epoch - 1)),
        replace(draft.key, id=replace(name, revision=1)),
        replace(draft.key, id=replace(name, region=NEIGHBOUR)),
    ):
        draft.possession = prove_possession(scheme, key, world.entropy)
        assert draft.build().judge() is Reason.PROOF
    draft.possession = prove_possession(scheme, draft.key, world.entropy)
    assert draft.build().judge() is None
    # Somebody else's key, minus one's own: nobody knows its secret.
    victim = world.view.region(NEIGHBOUR).latest()
    assert victim is not None
    rogue = draft.key.public - victim.public
    with refused(Reason.PROOF):
        check_possession(scheme, name, rogue, draft.possession)
    with refused(Reason.PROOF):
        check_possession(scheme, name, victim.public, victim.entry.possession)


def test_a_key_stands_in_one_entry_of_a_log_only(world: World) -> None:
    scheme = world.federation.scheme
    used = world.regions[HOME].issuer.state.keys
    secret = used[max(used, key=lambda k: k.epoch)].secret
    draft = Draft.next(world, HOME)
    fresh = draft.key
    draft.key = EpochKey(draft.key.id, secret, scheme.p2 * secret)
    assert draft.build().judge() is Reason.EPOCH_KEY_REUSED
    draft.key = fresh
    assert draft.build().judge() is None


def test_a_key_of_two_regions_is_listed_for_neither(world: World) -> None:
    """Whoever knows x signs for both; which region a show is from would mean nothing."""
    used = world.regions[NEIGHBOUR].issuer.state.keys
    newest = used[max(used, key=lambda k: k.epoch)]
    listed = {a.published.id for a in world.auditor.listable(newest.id.epoch)}
    assert newest.id in listed
    draft = Draft.next(world, HOME)
    draft.key = EpochKey(draft.key.id, newest.secret, newest.public)
    assert draft.build().judge() is None
    view, auditor = fork(world)
    entry = LogEntry(
        region=HOME,
        index=len(view.region(HOME).entries),
        previous=view.region(HOME).last,
        body=draft.entry().encode(),
    )
    view.append(HOME, sign(world.logs[HOME], world.federation.id, Kind.EPOCH, entry.encode()))
    auditor.follow(HOME, world.fetch)
    after = {a.published.id for a in auditor.listable(newest.id.epoch)}
    assert after == listed - {newest.id}
    assert draft.key.id not in {a.published.id for a in auditor.listable(draft.key.id.epoch)}


def test_two_regions_that_share_a_key_are_judged_alike_by_all_readers(world: World) -> None:
    """Both know x, so both proofs of possession hold; readers see the logs in any order."""
    secret = world.entropy.scalar()
    drafts = {}
    for region in (HOME, NEIGHBOUR):
        draft = Draft.next(world, region)
        draft.key = EpochKey(draft.key.id, secret, world.federation.scheme.p2 * secret)
        drafts[region] = draft.build().entry().encode()

    def conforming(order: tuple[str, str]) -> set[KeyId]:
        view, _ = fork(world)
        for region in order:
            log = view.region(region)
            entry = LogEntry(
                region=region, index=len(log.entries), previous=log.last, body=drafts[region]
            )
            octets = sign(world.logs[region], world.federation.id, Kind.EPOCH, entry.encode())
            view.append(region, octets)
        return {name for region in order for name in view.region(region).epochs}

    assert conforming((HOME, NEIGHBOUR)) == conforming((NEIGHBOUR, HOME))


def test_epochs_follow_each_other_and_revisions_count_up_to_two(world: World) -> None:
    def drafted(
        epoch: int, revision: int, *, first: bool = True
    ) -> Callable[[bytes | None], bytes]:
        def body(previous: bytes | None) -> bytes:
            draft = Draft.next(world, HOME)
            name = KeyId(HOME, epoch, revision)
            draft.key = EpochKey.draw(world.federation.scheme, name, world.entropy)
            draft.previous = previous
            if not first:
                draft.fresh = {}
            return draft.build().entry().encode()

        return body

    now = world.epoch
    for epoch, revision in ((now - 1, 0), (now, 0), (now + 1, 1), (now, 2), (now - 1, 1)):
        assert judge(world, HOME, drafted(epoch, revision)) is Reason.EPOCH_ENTRY
    assert judge(world, HOME, drafted(now + 1, 0)) is None
    assert judge(world, HOME, drafted(now + 3, 0)) is None  # a region may miss epochs
    revised = [drafted(now, 1), drafted(now, 2, first=False)]
    assert judge(world, HOME, revised[0]) is None
    assert judge(world, HOME, *revised) is None
    third = drafted(now, 3, first=False)
    assert judge(world, HOME, *revised, third) is Reason.EPOCH_ENTRY
    assert judge(world, HOME, *revised, drafted(now + 1, 0, first=False)) is None


def test_the_key_of_an_epoch_entry_is_read_strictly(draft: Draft) -> None:
    entry = draft.build().entry()
    root = draft.world.roots[HOME]
    for public, reason in (
        (b"\xc0" + bytes(95), Reason.POINT_IDENTITY),
        (bytes(96), Reason.POINT_ENCODING),
    ):
        statement = root_statement(draft.world.federation.id, draft.key.id, public)
        bad = replace(entry, public=public, root_signature=root.sign(statement).signature)
        assert draft.judge(bad) is reason
    assert draft.judge(entry) is None


# --- blobs that are missing -----------------------------------------------------------


def test_a_blob_that_is_missing_or_another_refuses(draft: Draft) -> None:
    entry = draft.build().entry()
    assert draft.judge(entry) is None
    gone = digest(b"no such blob")
    for name in ("status", "board", "allotment"):
        missing = replace(entry, **{name: gone})  # type: ignore[arg-type]  # one hash
        assert draft.judge(missing) is Reason.RECORD_MISSING


def test_a_blob_that_comes_late_is_judged_again(world: World) -> None:
    """A mirror that is down for a minute must not cost a region all its later epochs."""
    draft = Draft.next(world, HOME)
    entry = draft.build().entry()
    view, auditor = fork(world)
    log = view.region(HOME)

    body = LogEntry(region=HOME, index=len(log.entries), previous=log.last, body=entry.encode())
    view.append(HOME, sign(world.logs[HOME], world.federation.id, Kind.EPOCH, body.encode()))

    def broken(name: bytes) -> bytes:
        if name == entry.allotment:
            raise PeerError(Reason.RECORD_MISSING)
        return world.fetch(name)

    assert auditor.follow(HOME, broken) == []
    assert draft.key.id not in auditor.regions[HOME].admitted
    assert [a.published.id for a in auditor.follow(HOME, world.fetch)] == [draft.key.id]


# --- what the holder sees -------------------------------------------------------------


def test_a_spoiled_slot_is_seen_by_its_holder_alone() -> None:
    """The proof does not cover v_t and u_t: a wrong value passes every auditor, not the wallet."""
    world = World(("330000", "440000"))
    victim, other = world.holder(HOME), world.holder(HOME)
    world.turn()
    (name,) = victim.state.slots
    draft = Draft.next(world, HOME)
    marked = [
        replace(r, evidence=r.evidence + (1 << 40)) if r.slot == name[1] else r
        for r in draft.renewals
    ]
    honest, draft.renewals = draft.renewals, marked
    entry = draft.build().entry()
    assert draft.judge(entry) is None

    published = PublishedEpoch(draft.key.id, entry, draft.key.public, bytes(32), frozenset())
    assert victim.refresh(*name, published, world.fetch) is Refreshed.SPOILED
    assert draft.key.id not in victim.state.slots[name].renewals
    (neighbour,) = other.state.slots
    assert other.refresh(*neighbour, published, world.fetch) is Refreshed.RENEWED
    draft.renewals = honest
    entry = draft.build().entry()
    published = replace(published, entry=entry)
    assert victim.refresh(*name, published, world.fetch) is Refreshed.RENEWED


def test_a_wallet_refuses_a_bucket_of_another_size_or_place(world: World) -> None:
    data = ABSENT * 16
    scheme = world.federation.scheme
    assert board.slot_signature(scheme, data, 0, 16, 15) is None
    for first, size, slot in ((0, 16, 16), (16, 16, 15), (0, 15, 3)):
        with refused(Reason.BOARD):
            board.slot_signature(scheme, data, first, size, slot)


def test_an_honest_issuer_does_not_sign_an_epoch_twice(world: World) -> None:
    issuer = world.regions[HOME].issuer
    for epoch in (world.epoch, world.epoch - 1):
        with refused(Reason.STATE, CallerError):
            issuer.turn_epoch(epoch, world.entropy)


def test_x_plus_e_equal_to_zero_is_never_signed(world: World) -> None:
    """The one e for which there is no signature; inverting zero is refused, not answered."""
    scheme = world.federation.scheme
    secret = world.entropy.scalar()
    with refused(Reason.ARGUMENT, CallerError):
        sign_point(secret, scheme.base, -secret)
    assert sign_point(secret, scheme.base, -secret + Scalar(1)).a == scheme.base


# --- orders ---------------------------------------------------------------------------


def test_an_order_that_cannot_be_published_changes_nothing() -> None:
    """More slots than an entry holds: refused before the state is touched, or the region's
    next epoch would contradict its own log."""
    world = World(("330000", "440000"))
    issuer = world.regions[HOME].issuer
    wallet = world.holder(HOME)
    (held,) = wallet.state.slots.values()
    assert isinstance(held, HeldSlot)
    template = issuer.state.slots[held.slot]
    invented = {n: replace(template, slot=n) for n in range(100, 1125)}
    issuer.state.slots |= invented
    with refused(Reason.ARGUMENT, CallerError):
        issuer.order(world.signed(HOME, Action.SUSPEND, invented))
    assert issuer.state.suspended == set()
    assert len(issuer.order(world.signed(HOME, Action.SUSPEND, list(invented)[:1024]))) == 1
    assert len(issuer.state.suspended) == 1024


def test_an_order_names_slots_of_this_region(world: World) -> None:
    issuer = world.regions[HOME].issuer
    free = next(s for s in range(16) if s not in issuer.state.slots)
    for slots in ([free], [1 << 30]):
        with refused(Reason.ORDER, CallerError):
            issuer.order(world.signed(HOME, Action.SUSPEND, slots))
    with refused(Reason.ARGUMENT, CallerError):
        issuer.order(world.signed(HOME, Action.SUSPEND, []))


def test_allotments_decode_to_what_was_encoded(world: World) -> None:
    slots = {5: _commitment(world), 2: _commitment(world)}
    assert decode_allotment(world.federation.scheme, encode_allotment(slots)) == slots
    data = encode_allotment(slots)
    swapped = data[ALLOTMENT_SIZE:] + data[:ALLOTMENT_SIZE]
    with refused(Reason.ALLOTMENT):
        decode_allotment(world.federation.scheme, swapped)


def test_a_fresh_test_is_signed_and_so_is_an_old_one() -> None:
    """Expired evidence goes on being renewed: leaving it out would be a mark on the board."""
    world = World(("330000", "440000"))
    world.holder(HOME, fact(event_time=world.now - 3600))
    world.holder(HOME, fact(event_time=world.now - 600 * 86_400))
    draft = Draft.next(world, HOME)
    assert len(draft.renewals) == 2
    assert draft.build().judge() is None
