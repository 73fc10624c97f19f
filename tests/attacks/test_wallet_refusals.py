"""Wallets refuse before they show: lying gates, strange invitations, odd clocks.

Every refusal stands beside its twin, the same act with one thing put right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from guosuo.curve.scalar import Scalar
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.evidence.facts import EvidenceKind
from guosuo.federation.entries import CheckpointInfo, ListEntry
from guosuo.federation.judge import Ruling
from guosuo.federation.records import Append, Kind, digest
from guosuo.federation.trust_list import Absence, ListedKey, ListKeys, ListSecret, make_keys
from guosuo.policy.compiler import PolicyError, compile_document, compile_policy
from guosuo.policy.document import PolicyDocument
from guosuo.policy.table import POINT_SIZE, PolicyPart, Table
from guosuo.presentation.frame import Challenge, Poster
from guosuo.roles.bundle import BundleBook, GateBundle, audit_bundle, default_min_regions
from guosuo.roles.holding import Consent
from guosuo.roles.verdict import Verdict
from guosuo.roles.wallet import CLOCK_JUMP_SECONDS, Wallet
from guosuo.scheme import KeyId
from tests.support.liars import (
    append,
    listable,
    lying_list,
    lying_part,
    lying_policy,
    next_document,
    refused,
    void,
)
from tests.support.world import (
    EVERY_CONSENT,
    POLICY,
    TESTS_72_H,
    World,
    clause,
    fact,
)

GATE = "110000"
HOME = "440000"
IDENTITY_G1 = b"\xc0" + bytes(47)
IDENTITY_G2 = b"\xc0" + bytes(95)
TESTS_48_H = (clause(EvidenceKind.TEST, max_hours=48),)


@pytest.fixture(scope="module")
def shared() -> World:
    return World()


@pytest.fixture
def world(shared: World) -> World:
    """The shared world, one epoch later: its list has revision 0 and nothing strange in it."""
    shared.turn()
    return shared


# --- the list -------------------------------------------------------------------------


def test_a_list_counts_from_its_first_second_to_the_one_before_its_end(world: World) -> None:
    first, end = world.federation.clock.list_window(world.epoch)
    for now in (first, end - 1):
        world.now = now
        assert world.bundle(GATE, world.epoch).part.part.epoch == world.epoch
    for now in (first - 1, end):
        world.now = now
        with refused(Reason.LIST_EXPIRED):
            world.bundle(GATE, world.epoch)


def test_a_list_needs_enough_distinct_regions() -> None:
    world = World(min_regions=3)
    three = [pair for pair in listable(world) if pair[0].region != "360000"]
    lying_list(world, GATE, 1, listed=three, absent=[Absence(region="360000", reason="late")])
    assert world.bundle(GATE).listed_regions() == {"110000", "330000", "440000"}
    two = [pair for pair in three if pair[0].region != "330000"]
    both = [Absence(region=r, reason="late") for r in ("330000", "360000")]
    lying_list(world, GATE, 2, listed=two, absent=both)
    with refused(Reason.LIST_TOO_FEW_REGIONS):
        world.bundle(GATE)


def test_two_keys_of_one_region_are_one_region() -> None:
    world = World(("110000", "440000"))
    assert world.bundle(GATE).listed_regions() == {"110000", "440000"}
    own = [pair for pair in listable(world) if pair[0].region == GATE]
    assert len(own) == 2
    lying_list(world, GATE, 1, listed=own, absent=[Absence(region=HOME, reason="late")])
    with refused(Reason.LIST_TOO_FEW_REGIONS):
        world.bundle(GATE)


def test_the_default_number_of_regions_grows_with_the_federation() -> None:
    assert [default_min_regions(n) for n in (2, 6, 7, 31)] == [2, 2, 3, 3]


def test_the_crowd_counts_without_the_largest_region() -> None:
    world = World(min_crowd=2)
    for home in (HOME, HOME, HOME, "330000"):
        world.holder(home)
    world.turn()
    with refused(Reason.LIST_TOO_FEW_REGIONS):
        world.bundle(GATE)  # three and one: without the largest region, one
    world.holder("360000")
    world.turn()
    assert world.bundle(GATE).part.part.revision == 0


def _alone(world: World) -> None:
    """The gate lists only its own region; all others are said to be late."""
    own = [pair for pair in listable(world) if pair[0].region == GATE]
    others = [r for r in sorted(world.regions) if r != GATE]
    absent = [Absence(region=r, reason="late") for r in others]
    lying_list(world, GATE, 1, listed=own, absent=absent)


def test_only_a_holder_of_the_gates_own_region_may_go_below(world: World) -> None:
    local = world.holder(GATE)
    _alone(world)
    bundle = world.bundle(GATE, home=GATE)
    text = world.show(local, GATE, bundle)
    assert (
        world.regions[GATE].checkpoint.verify(text, world.now, world.entropy).verdict
        is Verdict.ACCEPT
    )
    for home in (None, HOME):
        with refused(Reason.LIST_TOO_FEW_REGIONS):
            world.bundle(GATE, home=home)


def test_the_exception_for_locals_is_not_remembered_for_others(world: World) -> None:
    _alone(world)
    book = BundleBook(world.view, world.fetch)

    def get(home: str | None) -> GateBundle:
        return book.get(
            GATE, POLICY, epoch=world.epoch, now=world.now, entropy=world.entropy, home=home
        )

    assert get(GATE).listed_regions() == {GATE}
    for home in (None, HOME):
        with refused(Reason.LIST_TOO_FEW_REGIONS):
            get(home)


def test_the_exception_for_locals_shows_no_credential_of_another_region() -> None:
    """A list of two regions with a crowd of one would give a guest away."""
    world = World(min_crowd=5)
    both, guest = world.holder(HOME), world.holder(HOME)
    world.enrol(both, GATE, person=b"both")
    bundle = world.bundle(GATE, home=GATE)
    assert HOME in bundle.listed_regions()
    assert [h.public for h in both._holdings(bundle)] == [
        bundle.keys.w[KeyId(GATE, world.epoch, 0)]
    ]
    with refused(Reason.NOT_ACCEPTED_THERE, CallerError):
        world.show(guest, GATE, bundle)
    assert world.show(both, GATE, bundle).startswith("GS1:")


def _replace_t(keys: ListKeys, index: int, t: bytes) -> ListKeys:
    listed = list(keys.keys)
    listed[index] = replace(listed[index], t=t)
    return replace(keys, keys=tuple(listed))


def _one_wrong_t(world: World) -> Callable[[ListKeys, ListSecret], ListKeys]:
    point = (world.federation.scheme.p2 * world.entropy.scalar()).encode()
    return lambda keys, _: _replace_t(keys, 5, point)


def _two_t_swapped(_: World) -> Callable[[ListKeys, ListSecret], ListKeys]:
    def twist(keys: ListKeys, _: ListSecret) -> ListKeys:
        first, other = keys.keys[0].t, keys.keys[-1].t
        return _replace_t(_replace_t(keys, 0, other), len(keys.keys) - 1, first)

    return twist


def _two_errors_that_cancel(world: World) -> Callable[[ListKeys, ListSecret], ListKeys]:
    """Σ T_i is right: only the random weights of the audit tell."""
    engine = world.federation.scheme.engine
    error = engine.g2 * world.entropy.scalar()

    def twist(keys: ListKeys, _: ListSecret) -> ListKeys:
        plus = engine.decode_g2(keys.keys[0].t) + error
        minus = engine.decode_g2(keys.keys[1].t) - error
        return _replace_t(_replace_t(keys, 0, plus.encode()), 1, minus.encode())

    return twist


def _one_t_under_another_a(world: World) -> Callable[[ListKeys, ListSecret], ListKeys]:
    scheme = world.federation.scheme
    publics = dict(listable(world))

    def twist(keys: ListKeys, secret: ListSecret) -> ListKeys:
        marked = (publics[keys.keys[3].id] + scheme.p2 * secret.b) * world.entropy.scalar()
        return _replace_t(keys, 3, marked.encode())

    return twist


def _wrong_s(world: World) -> Callable[[ListKeys, ListSecret], ListKeys]:
    point = (world.federation.scheme.p2 * world.entropy.scalar()).encode()
    return lambda keys, _: replace(keys, s=point)


def _another_part(_: World) -> Callable[[ListKeys, ListSecret], ListKeys]:
    return lambda keys, _: replace(keys, part=digest(b"another part"))


def _unsorted(_: World) -> Callable[[ListKeys, ListSecret], ListKeys]:
    return lambda keys, _: replace(keys, keys=keys.keys[::-1])


def _twice(_: World) -> Callable[[ListKeys, ListSecret], ListKeys]:
    return lambda keys, _: replace(keys, keys=(keys.keys[0], *keys.keys))


@pytest.mark.parametrize(
    "lie",
    [
        _one_wrong_t,
        _two_t_swapped,
        _two_errors_that_cancel,
        _one_t_under_another_a,
        _wrong_s,
        _another_part,
        _unsorted,
        _twice,
    ],
)
def test_one_wrong_point_of_a_list_refuses_all_of_it(
    world: World, lie: Callable[[World], Callable[[ListKeys, ListSecret], ListKeys]]
) -> None:
    lying_list(world, GATE, 1)
    assert len(world.bundle(GATE).keys.t) == 8
    lying_list(world, GATE, 2, twist=lie(world))
    with refused(Reason.LIST_KEYS):
        world.bundle(GATE)


def test_invented_keys_beside_one_real_region_are_refused(world: World) -> None:
    """Whoever passed such a list would be of the one real region."""
    scheme = world.federation.scheme
    honest = listable(world)
    invented = [
        (name, w if name.region == HOME else scheme.p2 * world.entropy.scalar())
        for name, w in honest
    ]
    lying_list(world, GATE, 1, listed=honest)
    assert len(world.bundle(GATE).keys.t) == 8
    lying_list(world, GATE, 2, listed=invented)
    with refused(Reason.LIST_KEYS):
        world.bundle(GATE)
    # The same with names that stand in no log.
    unknown = [
        (replace(name, revision=1) if name.region != HOME else name, w) for name, w in invented
    ]
    lying_list(world, GATE, 3, listed=unknown)
    with refused(Reason.LIST_KEYS):
        world.bundle(GATE)


def test_a_list_holds_no_key_older_than_the_epoch_before(world: World) -> None:
    older = [
        (key_id, published.public)
        for region in world.view.regions.values()
        for key_id, published in region.epochs.items()
        if key_id.epoch == world.epoch - 2
    ]
    before = [pair for pair in listable(world) if pair[0].epoch == world.epoch - 1]
    lying_list(world, GATE, 1, listed=before)
    assert {k.epoch for k in world.bundle(GATE).keys.t} == {world.epoch - 1}
    lying_list(world, GATE, 2, listed=[*before[1:], older[0]])
    with refused(Reason.LIST_KEYS):
        world.bundle(GATE)


def test_every_member_is_listed_or_its_absence_explained_and_never_both(world: World) -> None:
    some = [pair for pair in listable(world) if pair[0].region != "360000"]
    gone = Absence(region="360000", reason="late")
    lying_list(world, GATE, 1, listed=some, absent=[gone])
    assert "360000" not in world.bundle(GATE).listed_regions()
    lying_list(world, GATE, 2, listed=some)
    with refused(Reason.LIST_INCOMPLETE):
        world.bundle(GATE)
    lying_list(world, GATE, 3, absent=[gone])
    with refused(Reason.LIST_INCOMPLETE):
        world.bundle(GATE)


def test_an_absence_of_a_stranger_explains_nothing(world: World) -> None:
    some = [pair for pair in listable(world) if pair[0].region != "360000"]
    lying_list(world, GATE, 1, listed=some, absent=[Absence(region="360000", reason="late")])
    assert world.bundle(GATE).part.part.revision == 1
    stranger = Absence(region="999999", reason="late")
    lying_list(world, GATE, 2, listed=some, absent=[stranger])
    with refused(Reason.LIST_INCOMPLETE):
        world.bundle(GATE)
    lying_list(world, GATE, 3, absent=[stranger])
    with refused(Reason.LIST_INCOMPLETE):
        world.bundle(GATE)


@pytest.mark.parametrize("point", ["a1", "c1"])
def test_a_list_part_at_the_identity_is_void_and_no_checkpoint_takes_it(
    world: World, point: str
) -> None:
    """With A1 at the identity any W' would pass."""
    _, good = lying_part(world, GATE, 1)
    bad = replace(good, a1=IDENTITY_G1) if point == "a1" else replace(good, c1=IDENTITY_G1)
    entry = append(world, GATE, Kind.LIST_PART, bad.encode())
    assert void(world, GATE) == (len(world.regions[GATE].entries) - 1, Reason.POINT_IDENTITY)
    with refused(Reason.POINT_IDENTITY):
        world.regions[GATE].checkpoint.load(entry)
    append(
        world,
        GATE,
        Kind.LIST,
        ListEntry(part=digest(bad.encode()), keys=digest(b"keys")).encode(),
    )
    assert void(world, GATE) == (len(world.regions[GATE].entries) - 1, Reason.NOT_PUBLISHED)
    assert world.bundle(GATE).part.part.revision == 0
    entry = append(world, GATE, Kind.LIST_PART, good.encode())
    assert void(world, GATE) is None
    assert world.regions[GATE].checkpoint.load(entry)


def test_there_are_three_revisions_of_a_list_and_no_fourth(world: World) -> None:
    for revision in (1, 2, 3):
        lying_list(world, GATE, revision)
        assert world.bundle(GATE).part.part.revision == revision
    lying_list(world, GATE, 4)
    assert void(world, GATE) == (len(world.regions[GATE].entries) - 1, Reason.LIST_REVISIONS)
    assert world.bundle(GATE).part.part.revision == 3
    # Nor are there numbers for more cuts than an epoch has polls.
    _, part = lying_part(world, GATE, 20)
    entry = append(world, GATE, Kind.LIST_PART, part.encode())
    assert void(world, GATE) == (len(world.regions[GATE].entries) - 1, Reason.LIST_REVISIONS)
    with refused(Reason.LIST_REVISIONS):
        world.regions[GATE].checkpoint.load(entry)


def test_a_cut_ends_the_revisions_before_it(world: World) -> None:
    """A stolen key: beyond the three batches, and no lower revision is shown under any more."""
    gate, checkpoint = world.regions["360000"].gate, world.regions["360000"].checkpoint
    admitted = world.auditor.listable(world.epoch)
    wallet = world.holder("440000")
    world.turn()
    admitted = world.auditor.listable(world.epoch)
    world.refresh(wallet)
    old = world.show(wallet, "360000")
    for _ in range(3):
        world.publish("360000", gate.publish_list(world.epoch, admitted, world.entropy))
    world.publish("360000", gate.publish_list(world.epoch, admitted, world.entropy, cut=True))
    assert max(world.view.region("360000").lists) == (world.epoch, 4)
    assert checkpoint.state.lowest[world.epoch] == 4
    inner = checkpoint.examine([old], world.now, world.entropy)[0]
    assert inner.reason is Reason.LIST_REVISIONS
    assert world.bundle("360000").part.part.revision == 4
    with refused(Reason.LIST_REVISIONS, CallerError):
        gate.publish_list(world.epoch, admitted, world.entropy)
    # An entry that says it ends other revisions than those below itself is void.
    _, part = lying_part(world, "360000", 5)
    append(world, "360000", Kind.LIST_PART, part.encode())
    entry = ListEntry(part=digest(part.encode()), keys=digest(b"keys"), lowest=3)
    append(world, "360000", Kind.LIST, entry.encode())
    assert void(world, "360000") == (
        len(world.view.region("360000").entries) - 1,
        Reason.LIST_REVISIONS,
    )


def test_an_older_key_on_a_list_needs_the_gates_own_judgement() -> None:
    """A gate that may choose among old keys can mark holders by them."""
    world = World()
    wallet = world.holder("440000")
    world.turn()
    world.refresh(wallet)
    gone = {"440000": "silent"}
    for _ in range(3):
        world.turn(absent=gone)
    # The silent region's last key is t − 3 now, and the judge lists it.
    admitted = world.auditor.listable(world.epoch)
    last = max(a.published.id.epoch for a in admitted if a.published.id.region == "440000")
    assert last == world.epoch - 3
    gate = world.regions[GATE].gate
    world.publish(GATE, gate.publish_list(world.epoch, admitted, world.entropy))
    with refused(Reason.LIST_KEYS):
        world.bundle(GATE)
    world.publish(GATE, (world.auditor.judgement("440000", world.epoch),))
    assert world.bundle(GATE).part.part.revision == 1
    assert world.cross(wallet, GATE).verdict is Verdict.ACCEPT
    # For an admitted region no judgement explains an old key.
    region = world.view.region(GATE)
    judged = region.judgements["440000", world.epoch]
    region.judgements["440000", world.epoch] = replace(judged, verdict=Ruling.ADMIT)
    with refused(Reason.LIST_KEYS):
        world.bundle(GATE)


def test_an_honest_gate_makes_no_fourth_revision_either(world: World) -> None:
    admitted = world.auditor.listable(world.epoch)
    gate = world.regions["330000"].gate
    for revision in (1, 2, 3):
        world.publish("330000", gate.publish_list(world.epoch, admitted, world.entropy))
        assert (world.epoch, revision) in world.view.region("330000").lists
    with refused(Reason.LIST_REVISIONS, CallerError):
        gate.publish_list(world.epoch, admitted, world.entropy)


def test_a_second_list_for_one_version_is_void(world: World) -> None:
    secret, part = lying_part(world, GATE, 1)
    append(world, GATE, Kind.LIST_PART, part.encode())
    scheme = world.federation.scheme
    whole = make_keys(scheme, secret, part, listable(world)).encode()
    few = make_keys(
        scheme,
        secret,
        part,
        [p for p in listable(world) if p[0].region != "330000"],
        [Absence(region="330000", reason="late")],
    ).encode()
    for blob in (whole, few):
        world.blobs[digest(blob)] = blob
        append(
            world,
            GATE,
            Kind.LIST,
            ListEntry(part=digest(part.encode()), keys=digest(blob)).encode(),
        )
    assert void(world, GATE) == (len(world.regions[GATE].entries) - 1, Reason.LIST_REVISIONS)
    assert len(world.bundle(GATE).keys.t) == 8


def test_a_second_part_for_one_version_is_void(world: World) -> None:
    """The checkpoint takes the first part of a version; so must everybody else."""
    _, first = lying_part(world, GATE, 1)
    _, second = lying_part(world, GATE, 1, scope="other")
    append(world, GATE, Kind.LIST_PART, first.encode())
    assert void(world, GATE) is None
    append(world, GATE, Kind.LIST_PART, second.encode())
    assert void(world, GATE) == (len(world.regions[GATE].entries) - 1, Reason.LIST_PART)


def test_a_list_of_another_gate_is_void_in_this_log(world: World) -> None:
    _, own = lying_part(world, GATE, 1)
    _, foreign = lying_part(world, "330000", 1)
    append(world, GATE, Kind.LIST_PART, foreign.encode())
    assert void(world, GATE) == (len(world.regions[GATE].entries) - 1, Reason.LIST_PART)
    append(world, GATE, Kind.LIST_PART, own.encode())
    assert void(world, GATE) is None


def test_a_list_with_another_life_is_void(world: World) -> None:
    """A longer life would keep suspended holders in; a shorter one would be a mark."""
    own = lying_part(world, GATE, 1)[1]
    for seconds in (1, -1):
        _, other = lying_part(world, GATE, 1, longer=seconds)
        append(world, GATE, Kind.LIST_PART, other.encode())
        assert void(world, GATE) == (len(world.regions[GATE].entries) - 1, Reason.LIST_PART)
    # Nor can somebody else change the life of a part: its proof covers it.
    altered = replace(own, not_after=own.not_after + 1)
    append(world, GATE, Kind.LIST_PART, altered.encode())
    assert void(world, GATE) == (len(world.regions[GATE].entries) - 1, Reason.PROOF)
    append(world, GATE, Kind.LIST_PART, own.encode())
    assert void(world, GATE) is None


# --- publication ----------------------------------------------------------------------


def test_only_what_the_gates_region_logged_is_used(world: World) -> None:
    assert world.bundle(GATE).part.part.epoch == world.epoch
    with refused(Reason.NOT_PUBLISHED):
        world.bundle(GATE, world.epoch + 1)
    with refused(Reason.NOT_PUBLISHED):
        audit_bundle(
            world.view,
            GATE,
            "no such policy",
            epoch=world.epoch,
            now=world.now,
            fetch=world.fetch,
            entropy=world.entropy,
        )


def test_a_special_blob_for_one_wallet_is_refused(world: World) -> None:
    """A mirror that serves a list of its own making is caught by the hash in the log."""
    secret, part = lying_part(world, GATE, 1)
    scheme = world.federation.scheme
    own = make_keys(scheme, secret, part, listable(world)).encode()
    view = world.view.region(GATE)
    entry = view.lists[world.epoch, 0]
    names = {
        entry.keys,
        view.policies[POLICY, 1].part.table,
        view.policies[POLICY, 1].part.document,
    }

    def audit(bad: bytes | None, instead: Callable[[bytes], bytes]) -> GateBundle:
        return audit_bundle(
            world.view,
            GATE,
            POLICY,
            epoch=world.epoch,
            now=world.now,
            fetch=lambda name: instead(name) if name == bad else world.fetch(name),
            entropy=world.entropy,
        )

    def missing(_: bytes) -> bytes:
        raise PeerError(Reason.RECORD_MISSING)

    assert len(audit(None, missing).keys.t) == 8
    for name in names:
        for instead in (lambda _: own, lambda n: world.fetch(n) + b"\0", missing):
            with refused(Reason.RECORD_MISSING):
                audit(name, instead)


# --- the policy table -----------------------------------------------------------------


def _honest(table: Table) -> Table:
    return table


def _wrong_entry(table: Table) -> Table:
    """One entry is the signature of another value."""
    return replace(
        table, points=table.points[POINT_SIZE : 2 * POINT_SIZE] + table.points[POINT_SIZE:]
    )


def _swapped_entries(table: Table) -> Table:
    first, second = table.points[:POINT_SIZE], table.points[POINT_SIZE : 2 * POINT_SIZE]
    return replace(table, points=second + first + table.points[2 * POINT_SIZE :])


def _missing_point(table: Table) -> Table:
    return replace(table, points=table.points[POINT_SIZE:])


def _surplus_point(table: Table) -> Table:
    return replace(table, points=table.points + table.points[:POINT_SIZE])


def _half_a_point(table: Table) -> Table:
    return replace(table, points=table.points[: -POINT_SIZE // 2])


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        (_wrong_entry, Reason.TABLE_ENTRY),
        (_swapped_entries, Reason.TABLE_ENTRY),
        (_missing_point, Reason.TABLE),
        (_surplus_point, Reason.TABLE),
        (_half_a_point, Reason.TABLE),
    ],
)
def test_one_wrong_table_entry_refuses_the_table(
    lie: Callable[[Table], Table], reason: Reason
) -> None:
    """Who needs the entry would reveal his evidence by failing."""
    world = World(("110000", "440000"))
    lying_policy(world, GATE, next_document(world, GATE, TESTS_72_H), twist_table=_honest)
    assert world.bundle(GATE).policy.part.version == 2
    lying_policy(world, GATE, next_document(world, GATE, TESTS_72_H), twist_table=lie)
    with refused(reason):
        world.bundle(GATE)


def test_three_errors_of_a_table_do_not_cancel(world: World) -> None:
    """Σ E_i = 0 and Σ v_i·E_i = 0: the audit's equation holds but for its random weights."""
    engine = world.federation.scheme.engine
    error = engine.g1 * world.entropy.scalar()
    document = next_document(world, GATE, TESTS_72_H)

    def twist(table: Table) -> Table:
        v = [Scalar(value) for value in compile_policy(document, world.federation.clock)[:3]]
        points = [
            engine.decode_g1(table.points[i : i + POINT_SIZE])
            for i in range(0, 3 * POINT_SIZE, POINT_SIZE)
        ]
        errors = [error * (v[1] - v[2]), error * (v[2] - v[0]), error * (v[0] - v[1])]
        assert (errors[0] + errors[1] + errors[2]).is_identity()
        assert (errors[0] * v[0] + errors[1] * v[1] + errors[2] * v[2]).is_identity()
        bent = b"".join((p + e).encode() for p, e in zip(points, errors, strict=True))
        return replace(table, points=bent + table.points[3 * POINT_SIZE :])

    lying_policy(world, GATE, document, twist_table=twist)
    with refused(Reason.TABLE_ENTRY):
        world.bundle(GATE)
    lying_policy(world, GATE, next_document(world, GATE, TESTS_72_H))
    version = world.regions[GATE].gate.state.policies[POLICY]
    assert world.bundle(GATE).policy.part.version == version


def test_a_table_of_another_version_is_refused() -> None:
    """The old table under a new version would bring a looser table back."""
    world = World(("110000", "440000"))
    old = world.view.region(GATE).policies[POLICY, 1].part

    def reuse(part: PolicyPart) -> PolicyPart:
        return replace(part, k=old.k, table=old.table, values=old.values)

    lying_policy(world, GATE, next_document(world, GATE, TESTS_72_H), twist_part=reuse)
    with refused(Reason.TABLE_ENTRY):
        world.bundle(GATE)
    lying_policy(world, GATE, next_document(world, GATE, TESTS_72_H))
    assert world.bundle(GATE).policy.part.version == 3


def test_a_second_part_for_one_policy_version_is_void(world: World) -> None:
    version = world.regions[GATE].gate.state.policies[POLICY]
    lying_policy(world, GATE, next_document(world, GATE, TESTS_72_H))
    assert void(world, GATE) is None
    world.regions[GATE].gate.state.policies[POLICY] = version
    lying_policy(world, GATE, next_document(world, GATE, TESTS_48_H))
    assert void(world, GATE) == (len(world.regions[GATE].entries) - 1, Reason.POLICY)


def test_the_values_are_what_the_document_compiles_to() -> None:
    world = World(("110000", "440000"))
    strict = next_document(world, GATE, TESTS_48_H)
    values = compile_policy(strict, world.federation.clock)
    lying_policy(world, GATE, strict, values=values)
    assert set(world.bundle(GATE).table.entries) == set(values)
    lying_policy(world, GATE, next_document(world, GATE, TESTS_72_H), values=values)
    with refused(Reason.TABLE):
        world.bundle(GATE)


@pytest.mark.parametrize(
    "change",
    [
        {"region": "330000"},
        {"policy": "exit"},
        {"version": 700},
        {"not_before": 0},
        {"not_after": 1 << 36},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_document_of_another_region_policy_version_or_time_is_refused(
    world: World, change: dict[str, int | str]
) -> None:
    def other(document: PolicyDocument) -> PolicyDocument:
        return replace(document, **change)  # type: ignore[arg-type]  # one field of any type

    lying_policy(world, GATE, next_document(world, GATE, TESTS_72_H), twist_document=other)
    with refused(Reason.POLICY):
        world.bundle(GATE)
    lying_policy(world, GATE, next_document(world, GATE, TESTS_72_H))
    version = world.regions[GATE].gate.state.policies[POLICY]
    assert world.bundle(GATE).policy.part.version == version


def test_a_policy_key_at_the_identity_is_void(world: World) -> None:
    """With K at the identity any evidence would pass."""
    gate = world.regions[GATE]
    before = gate.gate.state.policies[POLICY]
    lying_policy(
        world,
        GATE,
        next_document(world, GATE, TESTS_72_H),
        twist_part=lambda part: replace(part, k=IDENTITY_G2),
    )
    assert void(world, GATE) == (len(gate.entries) - 1, Reason.POINT_IDENTITY)
    with refused(Reason.POINT_IDENTITY):
        gate.checkpoint.load(gate.entries[-1])
    assert world.bundle(GATE).policy.part.version == before
    lying_policy(world, GATE, next_document(world, GATE, TESTS_72_H))
    assert world.bundle(GATE).policy.part.version == before + 2


def test_a_policy_counts_within_its_time_only(world: World) -> None:
    assert world.bundle(GATE).policy.part.not_after > world.now
    exit_policy = next_document(world, GATE, TESTS_72_H, policy="exit")
    soon = replace(exit_policy, not_before=world.now + 10, not_after=world.now + 20)
    lying_policy(world, GATE, soon)

    def audit(now: int) -> GateBundle:
        return audit_bundle(
            world.view,
            GATE,
            "exit",
            epoch=world.epoch,
            now=now,
            fetch=world.fetch,
            entropy=world.entropy,
        )

    for now in (world.now + 10, world.now + 19):
        assert audit(now).policy.part.policy == "exit"
    for now in (world.now + 9, world.now + 20):
        with refused(Reason.POLICY_EXPIRED):
            audit(now)


def test_a_document_with_too_many_values_is_the_gates_fault_not_the_wallets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(("110000", "440000"))
    assert world.bundle(GATE).policy.part.version == 1
    monkeypatch.setattr("guosuo.policy.compiler.MAX_VALUES", 3)
    compile_document.cache_clear()
    with refused(Reason.POLICY, PolicyError):
        world.bundle(GATE)


# --- invitations ----------------------------------------------------------------------


def _poster(gate: str = GATE, **change: str) -> Poster:
    fields = {"region": gate, "checkpoint": f"gate-{gate}", "policy": POLICY} | change
    return Poster(**fields)


def _challenge(tick: int, nonce: int = 0) -> Challenge:
    return Challenge(
        region=GATE,
        checkpoint=f"gate-{GATE}",
        policy=POLICY,
        tick=tick,
        nonce=nonce.to_bytes(16, "big"),
    )


@pytest.fixture
def traveller(world: World) -> Wallet:
    return world.holder(HOME)


def _show(
    world: World,
    wallet: Wallet,
    invitation: Poster | Challenge | None = None,
    *,
    now: int | None = None,
    bundle: GateBundle | None = None,
    consent: Consent | None = EVERY_CONSENT,
) -> int:
    """The tick of the show."""
    return wallet.show(
        invitation or _poster(),
        bundle or world.bundle(GATE),
        world.view,
        world.now if now is None else now,
        world.entropy,
        consent,
    ).tick


def test_a_checkpoint_that_its_region_does_not_list_gets_nothing(
    world: World, traveller: Wallet
) -> None:
    assert _show(world, traveller)
    for poster in (_poster(checkpoint="gate-somewhere"), _poster(policy="exit")):
        with refused(Reason.CHECKPOINT_UNKNOWN, CallerError):
            _show(world, traveller, poster)
    with refused(Reason.REGION_UNKNOWN):
        _show(world, traveller, _poster("999999"))


def test_a_bundle_of_another_gate_does_not_answer(world: World, traveller: Wallet) -> None:
    with refused(Reason.ARGUMENT, CallerError):
        _show(world, traveller, bundle=world.bundle("330000"))
    assert _show(world, traveller, bundle=world.bundle(GATE))


def test_a_new_place_needs_the_holder_once(world: World, traveller: Wallet) -> None:
    with refused(Reason.CHECKPOINT_NEW, CallerError):
        _show(world, traveller, consent=None)
    assert _show(world, traveller, consent=Consent(new_place=True))
    world.tick()
    assert _show(world, traveller, consent=None)


def test_one_policy_per_checkpoint_and_day(world: World, traveller: Wallet) -> None:
    gate = world.regions[GATE]
    world.publish(
        GATE,
        gate.gate.publish_policy(next_document(world, GATE, TESTS_48_H, "exit"), world.entropy),
    )
    assert _show(world, traveller)
    listed = world.view.region(GATE).checkpoints[f"gate-{GATE}"]

    def switch(policy: str) -> None:
        world.publish(GATE, gate.gate.publish_checkpoints([replace(listed, policy=policy)]))

    def other(now: int) -> int:
        bundle = audit_bundle(
            world.view,
            GATE,
            "exit",
            epoch=world.federation.clock.shown_epoch(now),
            now=now,
            fetch=world.fetch,
            entropy=world.entropy,
        )
        return _show(world, traveller, _poster(policy="exit"), now=now, bundle=bundle)

    switch("exit")
    with refused(Reason.CHECKPOINT_UNKNOWN, CallerError):
        other(world.now + 60)
    midnight = (world.now // 86_400 + 1) * 86_400
    while world.epoch < world.federation.clock.epoch_at(midnight):
        world.turn()
        world.refresh(traveller)
    assert other(max(midnight, world.now))
    switch(POLICY)


def test_no_answer_for_a_tick_that_is_not_now(world: World, traveller: Wallet) -> None:
    tick = world.federation.clock.tick_at(world.now)
    for far in (tick - 2, tick + 2):
        with refused(Reason.TICK, CallerError):
            _show(world, traveller, _challenge(far))
    for near in (tick - 1, tick, tick + 1):
        assert _show(world, traveller, _challenge(near)) == near


def test_no_answer_for_an_older_tick_than_the_last_one(world: World, traveller: Wallet) -> None:
    tick = world.federation.clock.tick_at(world.now)
    assert _show(world, traveller, _challenge(tick)) == tick
    with refused(Reason.TICK, CallerError):
        _show(world, traveller, _challenge(tick - 1))
    assert _show(world, traveller, _challenge(tick, nonce=1)) == tick


def test_no_fourth_show_in_a_tick(world: World, traveller: Wallet) -> None:
    tick = world.federation.clock.tick_at(world.now)
    for nonce in range(3):
        assert _show(world, traveller, _challenge(tick, nonce))
    with refused(Reason.TOO_MANY_SHOWS, CallerError):
        _show(world, traveller, _challenge(tick, 3))
    with refused(Reason.TOO_MANY_SHOWS, CallerError):
        traveller.show_blank(
            _challenge(tick, 3),
            world.bundle(GATE),
            world.view,
            world.now,
            world.entropy,
            EVERY_CONSENT,
        )
    world.tick()
    assert _show(world, traveller, _challenge(tick + 1, 3)) == tick + 1


def test_blanks_count_as_shows(world: World, traveller: Wallet) -> None:
    bundle = world.bundle(GATE)
    tick = world.federation.clock.tick_at(world.now)
    for nonce in range(3):
        blank = traveller.show_blank(
            _challenge(tick, nonce),
            bundle,
            world.view,
            world.now,
            world.entropy,
            EVERY_CONSENT,
        )
        assert blank.tick == tick
    with refused(Reason.TOO_MANY_SHOWS, CallerError):
        _show(world, traveller, _challenge(tick, 3))


def test_a_clock_that_jumps_back_needs_the_holder(world: World, traveller: Wallet) -> None:
    assert _show(world, traveller)
    back = world.now - CLOCK_JUMP_SECONDS
    with refused(Reason.CLOCK_JUMP, CallerError):
        _show(world, traveller, now=back - 1)
    # A smaller step back is not a jump, but its ticks are used up.
    with refused(Reason.TICK, CallerError):
        _show(world, traveller, now=back)
    agreed = replace(EVERY_CONSENT, clock_jump=True)
    assert _show(world, traveller, now=back - 1, consent=agreed)


def test_a_moved_wallet_shows_nothing_and_the_new_phone_does(
    world: World, traveller: Wallet
) -> None:
    moved = Wallet(world.federation, traveller.move())
    with refused(Reason.STATE, CallerError):
        _show(world, traveller)
    with refused(Reason.STATE, CallerError):
        traveller.show_blank(
            _poster(), world.bundle(GATE), world.view, world.now, world.entropy, EVERY_CONSENT
        )
    with refused(Reason.STATE, CallerError):
        traveller.move()
    assert _show(world, moved)


def test_the_old_phone_no_longer_reaches_the_new_ones_memory(
    world: World, traveller: Wallet
) -> None:
    moved = Wallet(world.federation, traveller.move())
    traveller.state.slots.clear()
    traveller.state.places.add((GATE, f"gate-{GATE}"))
    with refused(Reason.CHECKPOINT_NEW, CallerError):
        _show(world, moved, consent=None)
    assert _show(world, moved)


def test_nobody_stands_out_without_knowing(world: World, traveller: Wallet) -> None:
    """In the first third of an epoch everybody shows under the list of the one before."""
    world.turn()
    world.refresh(traveller)
    start = world.federation.clock.start(world.epoch)
    third = world.federation.clock.epoch_seconds // 3
    early = start + third - 1
    new = world.bundle(GATE, world.epoch)
    with refused(Reason.STANDS_OUT, CallerError):
        _show(world, traveller, now=early, bundle=new)
    old = audit_bundle(
        world.view,
        GATE,
        POLICY,
        epoch=world.epoch - 1,
        now=early,
        fetch=world.fetch,
        entropy=world.entropy,
    )
    assert _show(world, traveller, now=early, bundle=old)
    with refused(Reason.STANDS_OUT, CallerError):
        _show(world, traveller, now=start + third, bundle=old)
    assert _show(world, traveller, now=start + third, bundle=new)
    told = replace(EVERY_CONSENT, standing_out=True)
    assert _show(world, traveller, now=start + third + 30, bundle=old, consent=told)


def test_an_old_bundle_in_the_pocket_shows_nothing_after_its_end(
    world: World, traveller: Wallet
) -> None:
    bundle = world.bundle(GATE)
    _, end = world.federation.clock.list_window(bundle.part.part.epoch)
    told = replace(EVERY_CONSENT, standing_out=True)
    with refused(Reason.LIST_EXPIRED, CallerError):
        _show(world, traveller, now=end, bundle=bundle, consent=told)
    assert _show(world, traveller, now=end - 1, bundle=bundle, consent=told)


def test_without_a_credential_or_with_one_that_does_not_pass_nothing_is_shown(
    world: World,
) -> None:
    empty = world.wallet()
    with refused(Reason.NO_CREDENTIAL, CallerError):
        _show(world, empty)
    late = world.holder(HOME, fact(event_time=world.now - 80 * 3600))
    with refused(Reason.NOT_ACCEPTED_THERE, CallerError):
        _show(world, late)
    assert (empty.state.shows, late.state.shows) == ({}, {})
    assert _show(world, world.holder(HOME, fact(event_time=world.now - 12 * 3600)))


def test_a_show_that_would_fail_is_not_made(world: World, traveller: Wallet) -> None:
    """The wallet verifies its own show first: a broken T_i reveals nothing, it shows nothing."""
    bundle = world.bundle(GATE)
    broken = {name: t * Scalar(2) for name, t in bundle.keys.t.items()}
    bad = replace(bundle, keys=replace(bundle.keys, t=broken))
    with refused(Reason.NOT_ACCEPTED_THERE, CallerError):
        _show(world, traveller, bundle=bad)
    assert traveller.state.shows == {}
    assert _show(world, traveller, bundle=bundle)


def test_a_wallet_answers_only_what_its_view_of_the_checkpoints_says(
    world: World, traveller: Wallet
) -> None:
    """A gate that takes a checkpoint off its list gets nothing for it any more."""
    gate = world.regions[GATE].gate
    listed = world.view.region(GATE).checkpoints[f"gate-{GATE}"]
    world.publish(GATE, gate.publish_checkpoints([]))
    with refused(Reason.CHECKPOINT_UNKNOWN, CallerError):
        _show(world, traveller)
    world.publish(GATE, gate.publish_checkpoints([listed]))
    assert _show(world, traveller)


def test_a_checkpoint_named_twice_is_void(world: World) -> None:
    listed: CheckpointInfo = world.view.region(GATE).checkpoints[f"gate-{GATE}"]
    gate = world.regions[GATE].gate
    (effect,) = gate.publish_checkpoints([listed, replace(listed, place="elsewhere")])
    assert isinstance(effect, Append)
    append(world, GATE, effect.kind, effect.body)
    assert void(world, GATE) == (len(world.regions[GATE].entries) - 1, Reason.MESSAGE_VALUE)
    assert world.view.region(GATE).checkpoints == {f"gate-{GATE}": listed}


def test_the_names_of_listed_keys_are_what_wallets_look_up(world: World) -> None:
    """`ListedKey.id` is the key's name; the same three fields sort the list."""
    keys = ListKeys.decode(world.fetch(world.view.region(GATE).lists[world.epoch, 0].keys))
    first: ListedKey = keys.keys[0]
    assert first.id == KeyId(first.region, first.epoch, first.revision)
    assert [k.id for k in keys.keys] == sorted(
        (name for name, _ in listable(world)), key=lambda k: (k.region, k.epoch, k.revision)
    )
