"""Records from hostile hands: log entries, the charter, and any bytes at all.

A reader refuses what is not the next signed entry of a region; what is signed and
does not conform is void, changes nothing and stops nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace

import nacl.signing
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guosuo.errors import CallerError, PeerError, Reason
from guosuo.federation.charter import (
    Charter,
    CharterSignature,
    Environment,
    Federation,
    Member,
    Name,
    SignedCharter,
    open_charter,
    sign_charter,
    threshold,
)
from guosuo.federation.entries import (
    Action,
    CheckpointInfo,
    CheckpointsEntry,
    EpochEntry,
    ListEntry,
    OrderEntry,
    OrderReason,
)
from guosuo.federation.records import (
    LOGGED,
    MAX_ENTRY,
    Append,
    Kind,
    LogEntry,
    LogWriter,
    PutBlob,
    digest,
    fetch_checked,
    kind_of,
    open_record,
    sign,
)
from guosuo.federation.view import FederationView, RegionView
from guosuo.roles.checkpoint import Checkpoint, CheckpointState
from guosuo.scheme import KeyId
from guosuo.wire import cbor
from tests.support.liars import Draft, append, fork, refused, void
from tests.support.world import POLICY, World

HOME, OTHER = "440000", "110000"
FEW = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def world() -> World:
    made = World((OTHER, HOME))
    made.holder(HOME)
    made.turn()
    return made


def _view(world: World) -> FederationView:
    return fork(world)[0]


def _order(world: World, *, index: int | None = None, **change: object) -> LogEntry:
    """The body and chaining of a conforming next entry at home, with changes."""
    log = world.view.region(HOME)
    body = world.signed(HOME, Action.SUSPEND, [7], OrderReason.HOLDER).encode()
    honest = LogEntry(
        region=HOME,
        index=len(log.entries) if index is None else index,
        previous=log.last,
        body=body,
    )
    return replace(honest, **change)  # type: ignore[arg-type]  # fields of several types


def resigned(world: World, order: OrderEntry) -> OrderEntry:
    """A changed order with a true signature of the home region's organisation."""
    statement = order.statement(world.federation.id, HOME)
    return replace(order, signature=world.offices[HOME].sign(statement).signature)


def _signed(world: World, entry: LogEntry, kind: Kind = Kind.ORDER, key: str = HOME) -> bytes:
    return sign(world.logs[key], world.federation.id, kind, entry.encode())


# --- one entry ------------------------------------------------------------------------


def test_the_next_entry_is_taken_and_only_once(world: World) -> None:
    view = _view(world)
    entry = _signed(world, _order(world))
    assert view.append(HOME, entry) is Kind.ORDER
    assert 7 in view.region(HOME).suspended
    with refused(Reason.RECORD_ORDER):
        view.append(HOME, entry)


@pytest.mark.parametrize(
    "bend",
    [
        lambda w: replace(_order(w), index=_order(w).index + 1),  # a gap
        lambda w: replace(_order(w), index=_order(w).index - 1),  # out of order
        lambda w: replace(_order(w), previous=digest(b"another history")),
        lambda w: replace(_order(w), previous=w.view.region(OTHER).last),
        lambda w: replace(_order(w), region=OTHER),
    ],
    ids=["gap", "earlier", "other-history", "other-log", "other-region"],
)
def test_an_entry_out_of_its_place_is_refused_and_changes_nothing(
    world: World, bend: Callable[[World], LogEntry]
) -> None:
    view = _view(world)
    log = view.region(HOME)
    before = (len(log.entries), log.last, set(log.suspended), list(log.void))
    with refused(Reason.RECORD_ORDER):
        view.append(HOME, _signed(world, bend(world)))
    assert before == (len(log.entries), log.last, log.suspended, log.void)
    assert view.append(HOME, _signed(world, _order(world))) is Kind.ORDER


def test_another_regions_key_or_federation_signs_nothing_here(world: World) -> None:
    view, entry = _view(world), _order(world)
    with refused(Reason.RECORD_SIGNATURE):
        view.append(HOME, _signed(world, entry, key=OTHER))
    with refused(Reason.RECORD_SIGNATURE):
        view.append(OTHER, _signed(world, entry))
    with refused(Reason.RECORD_SIGNATURE):
        view.append(HOME, sign(world.roots[HOME], world.federation.id, Kind.ORDER, entry.encode()))
    with refused(Reason.RECORD_SIGNATURE):
        view.append(HOME, sign(world.logs[HOME], bytes(32), Kind.ORDER, entry.encode()))
    with refused(Reason.REGION_UNKNOWN):
        view.append("999999", _signed(world, entry))
    assert view.append(HOME, _signed(world, entry)) is Kind.ORDER


def test_the_kind_is_signed(world: World) -> None:
    """An order is not taken as an epoch: the kind of an entry is in its protected header."""
    view = _view(world)
    good = cbor.decode(_signed(world, _order(world)))
    as_epoch = cbor.decode(_signed(world, _order(world), Kind.EPOCH))
    assert isinstance(good, list)
    assert isinstance(as_epoch, list)
    moved = cbor.encode([as_epoch[0], *good[1:]])
    assert kind_of(moved) is Kind.EPOCH
    with refused(Reason.RECORD_SIGNATURE):
        view.append(HOME, moved)
    assert view.append(HOME, cbor.encode(good)) is Kind.ORDER


@pytest.mark.parametrize("kind", sorted(set(Kind) - LOGGED))
def test_records_that_are_no_log_entries_are_refused(world: World, kind: Kind) -> None:
    view = _view(world)
    with refused(Reason.RECORD_KIND):
        view.append(HOME, _signed(world, _order(world), kind))
    assert view.append(HOME, _signed(world, _order(world))) is Kind.ORDER


@pytest.mark.parametrize(
    ("bend", "reason"),
    [
        (lambda v: [v[0], {4: b"kid"}, *v[2:]], Reason.RECORD_KIND),
        (lambda v: [v[0], [], *v[2:]], Reason.RECORD_KIND),
        (lambda v: [v[0], False, *v[2:]], Reason.RECORD_KIND),
        (lambda v: [v[0], None, *v[2:]], Reason.RECORD_KIND),
        (lambda v: [cbor.encode({1: -8}), *v[1:]], Reason.RECORD_KIND),
        (
            lambda v: [cbor.encode({1: -7, 3: "guosuo/order"}), *v[1:]],
            Reason.RECORD_KIND,
        ),
        (
            lambda v: [cbor.encode({1: -8, 3: "guosuo/order", 4: b"kid"}), *v[1:]],
            Reason.RECORD_KIND,
        ),
        (lambda v: [{1: -8, 3: "guosuo/order"}, *v[1:]], Reason.RECORD_KIND),
        (lambda v: v[:3], Reason.MESSAGE_SHAPE),
        (lambda v: [*v, b""], Reason.MESSAGE_SHAPE),
        (lambda v: [v[0], v[1], "text", v[3]], Reason.MESSAGE_SHAPE),
        (lambda v: [v[0], v[1], None, v[3]], Reason.MESSAGE_SHAPE),
        (lambda v: [v[0], v[1], v[2], "text"], Reason.MESSAGE_SHAPE),
        (lambda v: [v[0], v[1], v[2], v[3][:-1]], Reason.RECORD_SIGNATURE),
        (lambda v: [v[0], v[1], v[2], b""], Reason.RECORD_SIGNATURE),
        (lambda v: [v[0], v[1], v[2] + b"\0", v[3]], Reason.RECORD_SIGNATURE),
        (lambda v: [v[0], v[1], v[2], v[3][:-1] + bytes([v[3][-1] ^ 1])], Reason.RECORD_SIGNATURE),
        (lambda v: {0: v}, Reason.RECORD_KIND),
    ],
)
def test_a_record_has_one_form(
    world: World, bend: Callable[[list], cbor.Value], reason: Reason
) -> None:
    view = _view(world)
    good = cbor.decode(_signed(world, _order(world)))
    assert isinstance(good, list)
    with refused(reason):
        view.append(HOME, cbor.encode(bend(good)))
    assert view.append(HOME, cbor.encode(good)) is Kind.ORDER


def test_a_signature_has_one_form(world: World) -> None:
    """S + L is the same signature for a careless verifier: two entries of one content."""
    order = (1 << 252) + 27742317777372353535851937790883648493
    view = _view(world)
    good = cbor.decode(_signed(world, _order(world)))
    assert isinstance(good, list)
    signature = good[3]
    assert isinstance(signature, bytes)
    s = int.from_bytes(signature[32:], "little") + order
    with refused(Reason.RECORD_SIGNATURE):
        view.append(HOME, cbor.encode([*good[:3], signature[:32] + s.to_bytes(32, "little")]))
    assert view.append(HOME, cbor.encode(good)) is Kind.ORDER


def test_an_entry_is_deterministic_cbor_and_bounded(world: World) -> None:
    view, good = _view(world), _signed(world, _order(world))
    assert good[0] == 0x84
    with refused(Reason.CBOR_NOT_DETERMINISTIC):
        view.append(HOME, b"\x98\x04" + good[1:])
    with refused(Reason.TRAILING_BYTES):
        view.append(HOME, good + b"\0")
    with refused(Reason.TOO_LONG):
        view.append(HOME, good + bytes(MAX_ENTRY))
    large = _signed(world, replace(_order(world), body=bytes(MAX_ENTRY)))
    with refused(Reason.TOO_LONG):
        view.append(HOME, large)
    # The largest entry that fits is taken (and void: its body is nothing).
    overhead = len(_signed(world, replace(_order(world), body=bytes(MAX_ENTRY - 500)))) - (
        MAX_ENTRY - 500
    )
    largest = _signed(world, replace(_order(world), body=bytes(MAX_ENTRY - overhead)))
    assert len(largest) == MAX_ENTRY
    assert view.append(HOME, largest) is Kind.ORDER
    assert view.region(HOME).void[-1][1] is not None
    assert 7 not in view.region(HOME).suspended


def test_a_writer_makes_no_entry_that_no_reader_takes() -> None:
    """Otherwise one careless call would end the region's log for good."""
    key = nacl.signing.SigningKey(bytes(32))
    writer = LogWriter(key, bytes(32), HOME)
    before = (writer.index, writer.previous)
    with refused(Reason.ARGUMENT, CallerError):
        writer.append(Kind.CHECKPOINTS, bytes(MAX_ENTRY - 10))
    assert (writer.index, writer.previous) == before
    first = writer.append(Kind.CHECKPOINTS, bytes(MAX_ENTRY - 500))
    assert (writer.index, writer.previous) == (1, digest(first))


def test_a_gate_with_much_to_say_takes_several_entries() -> None:
    world = World((OTHER, HOME))
    gate = world.regions[OTHER].gate
    long_names = tuple(Name(language=f"x{i}", text="x" * 256) for i in range(16))
    many = [
        CheckpointInfo(checkpoint=f"c{i}", names=long_names, place="x", policy=POLICY)
        for i in range(64)
    ]
    assert len(gate.publish_checkpoints(many)) > 1
    world.publish(OTHER, gate.publish_checkpoints(many))
    assert len(world.view.region(OTHER).checkpoints) == len(many)
    world.publish(OTHER, gate.publish_checkpoints(many[:3]))
    assert set(world.view.region(OTHER).checkpoints) == {"c0", "c1", "c2"}
    # What stands in a register already cannot be added to it again.
    again = CheckpointsEntry(more=True, checkpoints=(many[2],)).encode()
    world.publish(OTHER, (Append(Kind.CHECKPOINTS, again),))
    assert world.view.region(OTHER).void[-1][1] is Reason.MESSAGE_VALUE


# --- void entries ---------------------------------------------------------------------


def _content(view: RegionView) -> tuple[object, ...]:
    """Everything that a conforming entry could change."""
    return (
        dict(view.epochs),
        set(view.suspended),
        set(view.retired),
        dict(view.parts),
        dict(view.lists),
        dict(view.policies),
        dict(view.checkpoints),
    )


@pytest.mark.parametrize("kind", sorted(LOGGED))
def test_a_void_entry_changes_nothing_and_stops_nothing(world: World, kind: Kind) -> None:
    for body in (b"", b"\xa0", b"garbage", cbor.encode({"action": "suspend"})):
        view = _view(world)
        log = view.region(HOME)
        before, index = _content(log), len(log.entries)
        assert view.append(HOME, _signed(world, replace(_order(world), body=body), kind)) is kind
        assert [i for i, _ in log.void if i == index] == [index]
        assert _content(log) == before
        honest = LogEntry(region=HOME, index=index + 1, previous=log.last, body=_order(world).body)
        assert view.append(HOME, _signed(world, honest)) is Kind.ORDER
        assert log.suspended - before[1] == {7}  # type: ignore[operator]  # a set


def test_an_order_that_names_a_slot_twice_is_void() -> None:
    world = World((OTHER, HOME))
    good = world.signed(HOME, Action.SUSPEND, [3, 4])
    append(world, HOME, Kind.ORDER, resigned(world, replace(good, slots=(3, 3))).encode())
    assert void(world, HOME) == (len(world.view.region(HOME).entries) - 1, Reason.ORDER)
    append(world, HOME, Kind.ORDER, good.encode())
    assert void(world, HOME) is None
    assert world.view.region(HOME).suspended == {3, 4}


def test_a_retired_slot_is_not_restored() -> None:
    world = World((OTHER, HOME))

    def order(action: Action) -> frozenset[int]:
        append(world, HOME, Kind.ORDER, world.signed(HOME, action, [3]).encode())
        log = world.view.region(HOME)
        return frozenset(log.suspended | log.retired)

    assert order(Action.SUSPEND) == {3}
    assert order(Action.RESTORE) == frozenset()
    assert order(Action.RETIRE) == {3}
    assert order(Action.RESTORE) == {3}


def test_a_list_names_a_part_that_was_logged_before_it(world: World) -> None:
    entry = ListEntry(part=digest(b"no such part"), keys=digest(b"keys"))
    view = _view(world)
    log = view.region(HOME)
    view.append(HOME, _signed(world, replace(_order(world), body=entry.encode()), Kind.LIST))
    assert log.void[-1] == (len(log.entries) - 1, Reason.NOT_PUBLISHED)
    assert (world.epoch, 0) in log.lists  # the honest one, with its part


def test_one_region_does_not_stop_another(world: World) -> None:
    """Garbage in one log, and the other's entries are taken as before."""
    view = _view(world)
    view.append(HOME, _signed(world, replace(_order(world), body=b"x"), Kind.EPOCH))
    with pytest.raises(PeerError):
        view.append(HOME, b"garbage")
    other = view.region(OTHER)
    entry = LogEntry(
        region=OTHER,
        index=len(other.entries),
        previous=other.last,
        body=world.signed(OTHER, Action.SUSPEND, [7]).encode(),
    )
    assert view.append(OTHER, _signed(world, entry, key=OTHER)) is Kind.ORDER
    assert other.void == []


def test_a_blob_has_the_hash_it_is_named_by() -> None:
    blobs = {digest(b"blob"): b"blob", digest(b"other"): b"not the other"}
    assert fetch_checked(blobs.__getitem__, digest(b"blob")) == b"blob"
    with refused(Reason.RECORD_MISSING):
        fetch_checked(blobs.__getitem__, digest(b"other"))


def test_effects_put_blobs_before_the_entries_that_name_them() -> None:
    """So a crash between two effects leaves no entry in the log whose blob nobody has."""
    world = World((OTHER, HOME))
    world.holder(HOME)
    issuer = world.regions[HOME].issuer
    effects = issuer.turn_epoch(world.epoch + 1, world.entropy)
    entry = effects[-1]
    assert isinstance(entry, Append)
    assert entry.kind is Kind.EPOCH
    before = {digest(e.data) for e in effects[:-1] if isinstance(e, PutBlob)}
    body = EpochEntry.decode(entry.body)
    assert {body.status, body.board, body.allotment} <= before


def test_an_unwritable_list_leaves_no_part_behind_that_no_log_has() -> None:
    """A list without a key cannot be written; the next attempt must publish its part too."""
    world = World((OTHER, HOME))
    gate = world.regions[OTHER].gate
    with refused(Reason.ARGUMENT, CallerError):
        gate.publish_list(world.epoch, [], world.entropy)
    world.publish(
        OTHER, gate.publish_list(world.epoch, world.auditor.listable(world.epoch), world.entropy)
    )
    assert void(world, OTHER) is None
    assert world.bundle(OTHER).part.part.revision == 1


# --- late blobs -----------------------------------------------------------------------


def test_a_missing_bucket_holds_up_its_epoch_only() -> None:
    """Later epochs are judged without it; when the bucket comes, so is the first."""
    world = World((OTHER, HOME))
    world.holder(HOME)
    world.turn()
    view, auditor = fork(world)
    log, state = view.region(HOME), auditor.regions[HOME]

    def publish(draft: Draft, later: int) -> KeyId:
        before = log.latest()
        assert before is not None
        name = replace(draft.key.id, epoch=world.epoch + later)
        draft.key, draft.previous = replace(draft.key, id=name), before.digest
        body = LogEntry(
            region=HOME,
            index=len(log.entries),
            previous=log.last,
            body=draft.build().entry().encode(),
        )
        view.append(HOME, _signed(world, body, Kind.EPOCH))
        return name

    first = Draft.next(world, HOME)
    names = [publish(first, 1)]
    hidden = digest(first.buckets[0].data)

    def follow(fetch: Callable[[bytes], bytes]) -> list[KeyId]:
        return [a.published.id for a in auditor.follow(HOME, fetch)]

    def without(name: bytes) -> bytes:
        if name == hidden:
            raise PeerError(Reason.RECORD_MISSING)
        return world.fetch(name)

    assert follow(without) == []
    world.holder(HOME)  # allotted in the second epoch
    names.append(publish(Draft.next(world, HOME), 2))
    assert follow(without) == [names[1]]
    assert follow(without) == []
    third = Draft.next(world, HOME)
    third.fresh = {}
    names.append(publish(third, 3))
    assert follow(without) == [names[2]]
    assert (list(state.waiting), state.refused) == ([names[0]], {})
    assert follow(world.fetch) == [names[0]]
    assert (state.waiting, state.refused) == ({}, {})
    assert state.commitments.keys() == third.commitments.keys()
    assert len(third.commitments) == 2


# --- the charter ----------------------------------------------------------------------


def _parts(world: World) -> tuple[Charter, SignedCharter]:
    signed = SignedCharter.decode(world.signed_charter)
    return Charter.decode(signed.charter), signed


def _open(world: World, signed: SignedCharter) -> Federation:
    return open_charter(signed.encode(), world.suite)


def _resigned(world: World, charter: Charter) -> SignedCharter:
    """All members sign whatever these octets are."""
    data = charter.encode()
    message = cbor.encode(["guosuo/charter", data])
    return SignedCharter(
        charter=data,
        signatures=tuple(
            CharterSignature(region=r, signature=key.sign(message).signature)
            for r, key in sorted(world.roots.items())
        ),
    )


@pytest.fixture(scope="module")
def four() -> World:
    return World()


def test_two_thirds_of_the_members_must_sign(four: World) -> None:
    _, signed = _parts(four)
    assert threshold(4) == 3
    for count in (3, 4):
        some = replace(signed, signatures=signed.signatures[:count])
        assert _open(four, some).id == four.federation.id
    with refused(Reason.CHARTER):
        _open(four, replace(signed, signatures=signed.signatures[:2]))


def test_the_threshold_is_always_more_than_half() -> None:
    assert all(2 * threshold(n) > n and threshold(n) <= n for n in range(1, 513))
    assert [threshold(n) for n in (2, 3, 4, 5, 6, 31)] == [2, 2, 3, 4, 4, 21]


def test_a_signature_counts_once_and_only_of_a_member(four: World) -> None:
    _, signed = _parts(four)
    two = signed.signatures[:2]
    stranger = nacl.signing.SigningKey(bytes(32))
    message = cbor.encode(["guosuo/charter", signed.charter])
    third = signed.signatures[2].region

    def by(region: str, key: nacl.signing.SigningKey, data: bytes = message) -> CharterSignature:
        return CharterSignature(region=region, signature=key.sign(data).signature)

    others = (
        two[0],
        by("999999", stranger),
        by(third, stranger),
        replace(signed.signatures[2], region=two[0].region),
        replace(two[0], region=third),
        by(third, four.roots[third], signed.charter),
        by(third, four.logs[third]),
    )
    for other in others:
        with refused(Reason.CHARTER):
            _open(four, replace(signed, signatures=(*two, other)))
    assert _open(four, replace(signed, signatures=signed.signatures[:3])).id == four.federation.id


def test_members_are_sorted_distinct_and_have_keys_of_their_own(four: World) -> None:
    charter, _ = _parts(four)
    a, b, c, d = charter.members
    assert _open(four, _resigned(four, charter)).id == four.federation.id
    for members in (
        (b, a, c, d),
        (a, a, b, c, d),
        (a, b, c, replace(d, region=c.region)),
        (a, b, c, replace(d, root_key=a.root_key)),
    ):
        with refused(Reason.CHARTER):
            _open(four, _resigned(four, replace(charter, members=members)))
    with refused(Reason.CHARTER, CallerError):
        sign_charter(replace(charter, members=(b, a, c, d)), four.roots)


def test_a_first_charter_has_version_one(four: World) -> None:
    charter, _ = _parts(four)
    with refused(Reason.CHARTER):
        _open(four, _resigned(four, replace(charter, version=2)))
    assert _open(four, _resigned(four, charter)).charter.version == 1


def test_every_change_of_the_charter_is_another_federation(four: World) -> None:
    """Who pins the identifier pins members, keys, parameters and environment."""
    charter, signed = _parts(four)
    numbers = charter.parameters
    member: Member = charter.members[0]
    changed = [
        replace(charter, environment=Environment.PRODUCTION),
        replace(charter, parameters=replace(numbers, epoch_zero=numbers.epoch_zero + 1)),
        replace(charter, parameters=replace(numbers, min_crowd=numbers.min_crowd + 1)),
        replace(charter, members=(replace(member, log_key=bytes(32)), *charter.members[1:])),
        replace(
            charter,
            members=(
                replace(member, names=(Name(language="en", text="Renamed"),)),
                *charter.members[1:],
            ),
        ),
    ]
    ids = {_open(four, _resigned(four, c)).id for c in changed}
    assert len(ids) == len(changed)
    assert four.federation.id not in ids
    # Who signed does not change what is signed.
    fewer = replace(signed, signatures=signed.signatures[1:])
    assert _open(four, fewer).id == four.federation.id
    # The old signatures do not carry over to a change.
    with refused(Reason.CHARTER):
        _open(four, replace(signed, charter=changed[0].encode()))


def test_a_record_of_one_federation_is_none_of_another(four: World) -> None:
    charter, _ = _parts(four)
    other = _open(four, _resigned(four, replace(charter, environment=Environment.PRODUCTION)))
    entry = four.regions[HOME].entries[0]
    assert FederationView(four.federation).append(HOME, entry)
    with refused(Reason.RECORD_SIGNATURE):
        FederationView(other).append(HOME, entry)


# --- any bytes ------------------------------------------------------------------------


@st.composite
def _bent(draw: st.DrawFn, good: list[bytes]) -> bytes:
    """A good record with a few octets changed, cut out or put in."""
    data = bytearray(draw(st.sampled_from(good)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(len(data) - 1, 0)))
        match draw(st.sampled_from(("flip", "cut", "insert", "end"))):
            case "flip" if data:
                data[place] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del data[place : place + draw(st.integers(1, 64))]
            case "insert":
                data[place:place] = draw(st.binary(max_size=16))
            case _:
                del data[place:]
    return bytes(data)


def _only_peer_errors(read: Callable[[], object]) -> None:
    """Any bytes either parse or raise the peer error, nothing else."""
    with contextlib.suppress(PeerError):
        read()


def _hosts(world: World) -> tuple[FederationView, Checkpoint]:
    state = CheckpointState(OTHER, f"gate-{OTHER}", POLICY)
    return _view(world), Checkpoint(world.federation, state)


@FEW
@given(data=st.data())
def test_any_bytes_into_a_log_or_a_checkpoint(world: World, data: st.DataObject) -> None:
    view, checkpoint = _hosts(world)
    good = [*world.regions[OTHER].entries, *world.regions[HOME].entries]
    octets = data.draw(st.one_of(st.binary(max_size=300), _bent(good)))
    _only_peer_errors(lambda: view.append(HOME, octets))
    _only_peer_errors(lambda: checkpoint.load(octets))
    _only_peer_errors(lambda: kind_of(octets))
    assert len(view.region(HOME).entries) == len(world.view.region(HOME).entries)


@FEW
@given(data=st.data())
def test_any_signed_body_of_any_kind_is_void_or_conforms(world: World, data: st.DataObject) -> None:
    """Whoever holds a region's log key still cannot raise anything in a reader."""
    view, checkpoint = _hosts(world)
    kind = data.draw(st.sampled_from(sorted(LOGGED)))
    good = [
        LogEntry.decode(
            open_record(world.federation.member(r).log_key, world.federation.id, k, e)
        ).body
        for r in (OTHER, HOME)
        for e in world.regions[r].entries
        if (k := kind_of(e)) is kind
    ]
    body = data.draw(st.one_of(st.binary(max_size=200), _bent(good or [b"none"])))
    for region in (OTHER, HOME):
        log = view.region(region)
        entry = LogEntry(region=region, index=len(log.entries), previous=log.last, body=body)
        signed = _signed(world, entry, kind, region)
        assert view.append(region, signed) is kind
        _only_peer_errors(lambda signed=signed: checkpoint.load(signed))  # type: ignore[misc]


@FEW
@given(data=st.data())
def test_any_bytes_as_a_charter(world: World, data: st.DataObject) -> None:
    octets = data.draw(st.one_of(st.binary(max_size=300), _bent([world.signed_charter])))
    _only_peer_errors(lambda: open_charter(octets, world.suite))


@FEW
@given(data=st.data())
def test_any_charter_that_everybody_signed(world: World, data: st.DataObject) -> None:
    """Even the members together cannot make a reader stumble over their charter."""
    charter, _ = _parts(world)
    octets = data.draw(_bent([charter.encode()]))
    message = cbor.encode(["guosuo/charter", octets])
    if not octets:
        return
    signed = SignedCharter(
        charter=octets,
        signatures=tuple(
            CharterSignature(region=r, signature=key.sign(message).signature)
            for r, key in sorted(world.roots.items())
        ),
    )

    def read() -> None:
        federation = _open(world, signed)
        assert federation.id == digest(octets)
        assert (federation.id == world.federation.id) == (octets == charter.encode())

    _only_peer_errors(read)


def test_a_checkpoint_takes_entries_of_its_own_gate_only(world: World) -> None:
    checkpoint = Checkpoint(world.federation, CheckpointState(OTHER, f"gate-{OTHER}", POLICY))
    taken = [checkpoint.load(entry) for entry in world.regions[OTHER].entries]
    assert any(taken)
    for entry in world.regions[HOME].entries:
        with refused(Reason.RECORD_SIGNATURE):
            checkpoint.load(entry)
    # Signed by the right key, naming another region.
    honest = world.regions[OTHER].entries[-1]
    kind = kind_of(honest)
    body = LogEntry.decode(
        open_record(world.federation.member(OTHER).log_key, world.federation.id, kind, honest)
    )
    lie = sign(world.logs[OTHER], world.federation.id, kind, replace(body, region=HOME).encode())
    with refused(Reason.REGION_UNKNOWN):
        checkpoint.load(lie)
    assert checkpoint.load(honest)
