"""Issuer and gate authority: saved by what changed, loaded as they were."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Delete, Update

from guosuo.credential.keys import EpochKey
from guosuo.curve.scalar import Scalar
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.evidence.registry import EvidenceKind
from guosuo.federation.charter import Federation
from guosuo.federation.entries import Action
from guosuo.federation.records import digest
from guosuo.host.vault import KeyFile
from guosuo.roles.gate import GateState
from guosuo.roles.holding import HeldSlot
from guosuo.roles.issuer import IssuedSlot, IssuerState
from guosuo.scheme import KeyId
from guosuo_node.store import Fenced, GateMarks, IssuerMarks, Lease, OrderState, Store
from guosuo_node.store.tables import METADATA
from tests.support.life import GATE, HOME, Life, live, mentions, secrets_of
from tests.support.postgres import PostgresCluster
from tests.support.world import DAY, World, fact, seeded


@pytest.fixture(scope="module")
def life() -> Life:
    return live()


@pytest.fixture
def store(database_url: str, node_key: KeyFile) -> Iterator[Store]:
    made = Store.create(database_url, node_key, seeded(1))
    yield made
    made.close()


@pytest.fixture
def lease(store: Store) -> Lease:
    return lead(store)


def lead(store: Store) -> Lease:
    held = store.acquire("one", 100, 10)
    assert held is not None
    return held


def loaded(store: Store, federation: Federation, state: IssuerState) -> IssuerState:
    return store.load_issuer_state(federation, state.region, state.root_key, state.log_key)


def sealed_slots(store: Store) -> list[tuple[int, bytes]]:
    table = METADATA.tables["slots"]
    statement = table.select().order_by(table.c.slot)
    return store._database.read(lambda c: [(r.slot, r.sealed) for r in c.execute(statement)])


def count(connection: Connection, statement: Update | Delete) -> int:
    return connection.execute(statement).rowcount


# --- whole states ----------------------------------------------------------------------------


def test_a_state_comes_back_as_it_was(store: Store, lease: Lease, life: Life) -> None:
    issuer = life.world.regions[HOME].issuer.state
    gate = life.world.regions[GATE].gate.state
    with pytest.raises(CallerError) as missing:
        loaded(store, life.federation, issuer)
    assert missing.value.reason is Reason.STORE_MISSING
    assert store.load_gate_state(life.federation, GATE) == GateState(GATE)
    with store.transaction(lease) as writer:
        writer.save_issuer(IssuerMarks(), issuer, slots=None)
        writer.save_gate(GateMarks(), gate)
    assert loaded(store, life.federation, issuer) == issuer
    assert store.load_gate_state(life.federation, GATE) == gate


def test_keys_that_are_not_the_regions_are_refused(store: Store, lease: Lease, life: Life) -> None:
    state, other = life.world.regions[HOME].issuer.state, life.world.regions[GATE].issuer.state
    with store.transaction(lease) as writer:
        writer.save_issuer(IssuerMarks(), state, slots=None)
    for keys in ((other.root_key, state.log_key), (state.root_key, other.log_key)):
        with pytest.raises(PeerError) as refused:
            store.load_issuer_state(life.federation, HOME, *keys)
        assert refused.value.reason is Reason.STATE


def test_a_row_that_was_altered_or_moved_is_refused(store: Store, lease: Lease, life: Life) -> None:
    state = life.world.regions[HOME].issuer.state
    with store.transaction(lease) as writer:
        writer.save_issuer(IssuerMarks(), state, slots=None)
    table = METADATA.tables["slots"]
    one, two, *_ = sorted(state.slots)
    sealed = dict(sealed_slots(store))
    for data in (sealed[two], sealed[one][:-1], bytes([sealed[one][0] ^ 1]) + sealed[one][1:], b""):
        statement = table.update().where(table.c.slot == one).values(sealed=data)
        store._database.write(partial(count, statement=statement))
        with pytest.raises(PeerError) as refused:
            loaded(store, life.federation, state)
        assert refused.value.reason is Reason.STORE_ALTERED


def test_real_life_is_saved_by_what_changed(store: Store, lease: Lease) -> None:
    """Enrolments, new evidence, orders, epochs, a lost phone: each by naming its slots."""
    world = World()
    region = world.regions[HOME]
    issuer, gate = region.issuer, region.gate
    marks, gate_marks = IssuerMarks(), GateMarks()

    def save(*slots: int, persons: tuple[bytes, ...] = ()) -> None:
        with store.transaction(lease) as writer:
            writer.save_issuer(marks, issuer.state, slots=slots, persons=persons)
            writer.save_gate(gate_marks, gate.state)
        assert loaded(store, world.federation, issuer.state) == issuer.state
        assert store.load_gate_state(world.federation, HOME) == gate.state

    save()
    wallets = [world.wallet() for _ in range(3)]
    slots = []
    for number, wallet in enumerate(wallets):
        held = world.enrol(wallet, HOME, person=b"person %d" % number)
        assert isinstance(held, HeldSlot)
        ((_, slot),) = wallet.state.slots
        slots.append(slot)
        save(slot)
    world.order(HOME, Action.SUSPEND, slots[:1])
    save(slots[0])
    world.turn()  # names nothing: published slots are found by themselves
    save()
    shot = fact(EvidenceKind.VACCINATION, event_time=world.now - DAY, product=1, doses=2, series=2)
    world.enrol(wallets[1], HOME, shot, person=b"person 1", slot=slots[1])
    world.order(HOME, Action.RESTORE, slots[:1])
    save(slots[0], slots[1])
    person = issuer.person_name(b"person 2")
    world.new_phone(HOME, b"person 2")
    save(slots[2])
    assert person not in issuer.state.records
    issuer.offer(world.now, world.entropy)
    world.turn()
    issuer.forget_keys(world.epoch)
    gate.forget(world.epoch)
    save()
    assert len(issuer.state.keys) == 1
    marks = IssuerMarks.of(loaded(store, world.federation, issuer.state))
    again = world.wallet()
    world.enrol(again, HOME, person=b"person 2")
    save(next(slot for _, slot in again.state.slots))


# --- any history -----------------------------------------------------------------------------

PERSONS = [digest(b"person %d" % number) for number in range(4)]


@dataclass
class Change:
    """A state in memory and what its caller would name of it."""

    state: IssuerState
    chance: random.Random
    slots: set[int] = field(default_factory=set)
    persons: set[bytes] = field(default_factory=set)

    def enrol(self) -> None:
        state, slot = self.state, self.chance.randrange(30)
        old = state.slots.get(slot)
        person = old.person if old else self.chance.choice(PERSONS)
        state.slots[slot] = replace(POOL[self.chance.randrange(4)], slot=slot, person=person)
        state.records[person] = self.chance.choice([b"R" * 48, b"S" * 48])
        state.block = self.chance.randrange(3) * 16
        if old is None:
            state.unpublished.add(slot)
        self.slots.add(slot)

    def offer(self) -> None:
        offers = self.state.offers
        if offers and self.chance.random() < 0.5:
            offers.pop(self.chance.choice(sorted(offers)))
        offers[self.chance.randbytes(16)] = self.chance.randrange(1 << 40)

    def order(self) -> None:
        state = self.state
        chosen = {slot for slot in state.slots if self.chance.random() < 0.3}
        match self.chance.randrange(3):
            case 0:
                state.suspended |= chosen
            case 1:
                state.suspended -= chosen
            case 2:
                state.retired |= chosen
        self.slots |= chosen

    def forget_person(self) -> None:
        person = self.chance.choice(PERSONS)
        self.state.records.pop(person, None)
        self.persons.add(person)

    def turn(self) -> None:
        """Of all slots allotted when it began, or of some of them."""
        state = self.state
        fresh = {slot for slot in state.unpublished if self.chance.random() < 0.8}
        state.unpublished -= self.chance.choice([fresh, set(state.unpublished)])
        key = KeyId(state.region, self.chance.randrange(9), self.chance.randrange(2))
        secret = Scalar(1 + self.chance.randrange(1 << 200))
        state.keys[key] = EpochKey(key, secret, SCHEME.p2 * secret)
        state.keys = {k: v for k, v in state.keys.items() if self.chance.random() < 0.9}
        state.last_entry = self.chance.randbytes(32)


WORLD = World()
SCHEME = WORLD.federation.scheme
POOL = [
    IssuedSlot(
        0,
        SCHEME.base * Scalar(number + 2),
        digest(b"slot key %d" % number),
        fact(event_time=1000 * number, name=b"document %d" % number),
        PERSONS[0],
    )
    for number in range(4)
]
STEPS = ("enrol", "offer", "order", "forget_person", "turn", "save", "fail", "reload")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(
    steps=st.lists(st.sampled_from(STEPS), max_size=25), chance=st.randoms(use_true_random=False)
)
def test_any_history_saved_by_what_changed_equals_its_state(
    steps: list[str], chance: random.Random, store: Store
) -> None:
    lease = lead(store)
    first = WORLD.regions[HOME].issuer.state
    # Every example begins with the store as the one before left it: all of that is a change, too.
    state = IssuerState(HOME, first.root_key, first.log_key, first.person_salt)
    for table in ("slots", "persons", "offers", "epoch_keys"):
        store._database.write(partial(count, statement=METADATA.tables[table].delete()))
    marks, change = IssuerMarks(), Change(state, chance)
    with store.transaction(lease) as writer:
        writer.save_issuer(marks, state)
    for step in (*steps, "save"):
        match step:
            case "save":
                slots, persons = change.slots, frozenset(change.persons)
                change.slots, change.persons = set(), set()
                with store.transaction(lease) as writer:
                    writer.save_issuer(marks, state, slots=slots, persons=persons)
                    kept = set(state.slots), set(state.unpublished)
                    change.enrol()  # the state goes on while it is written
                assert (set(marks.slots), marks.unpublished) == kept
            case "fail":  # not written, so its slots are named again later
                writer = store.writer()
                writer.save_issuer(
                    marks, state, slots=change.slots, persons=frozenset(change.persons)
                )
                with pytest.raises(Fenced):
                    store.write(replace(lease, number=lease.number - 1), writer)
            case "reload":
                assert IssuerMarks.of(loaded(store, WORLD.federation, state)) == marks
            case _:
                getattr(change, step)()
    with store.transaction(lease) as writer:
        writer.save_issuer(marks, state, slots=change.slots, persons=change.persons)
    assert loaded(store, WORLD.federation, state) == state
    assert IssuerMarks.of(state) == marks


def test_a_change_that_was_not_named_is_refused(store: Store, lease: Lease, life: Life) -> None:
    marks, state = IssuerMarks(), life.world.regions[HOME].issuer.state
    state = replace(state, suspended=set(state.suspended), records=dict(state.records))
    with store.transaction(lease) as writer:
        writer.save_issuer(marks, state, slots=None)
    slot = next(slot for slot in state.slots if slot not in state.suspended | state.retired)
    state.suspended.add(slot)
    with pytest.raises(CallerError) as refused:
        store.writer().save_issuer(marks, state)
    assert refused.value.reason is Reason.STATE
    state.suspended.discard(slot)
    state.records.popitem()
    with pytest.raises(CallerError):
        store.writer().save_issuer(marks, state)
    with pytest.raises(CallerError):
        store.writer().save_issuer(marks, state, slots=[1 << 39])


def test_an_order_about_many_slots_seals_nothing_again(store: Store, lease: Lease) -> None:
    """1,317 slots are marked in a few statements; their sealed octets stay."""
    first = WORLD.regions[HOME].issuer.state
    slots = {n: replace(POOL[n % 4], slot=n) for n in range(2000)}
    state = IssuerState(HOME, first.root_key, first.log_key, first.person_salt, slots=slots)
    state.records[PERSONS[0]] = b"R" * 48
    marks = IssuerMarks()
    with store.transaction(lease) as writer:
        writer.save_issuer(marks, state, slots=None)

    before = sealed_slots(store)
    state.suspended |= set(range(100, 1417))
    with store.transaction(lease) as writer:
        writer.save_issuer(marks, state, slots=range(100, 1417))
    assert sealed_slots(store) == before
    assert loaded(store, WORLD.federation, state) == state


# --- secrets at rest -------------------------------------------------------------------------


def test_no_secret_is_in_the_database(
    store: Store,
    lease: Lease,
    life: Life,
    tmp_path: Path,
    database_url: str,
    request: pytest.FixtureRequest,
) -> None:
    home, gate = life.world.regions[HOME], life.world.regions[GATE]
    state = home.issuer.state
    grant = b"the answer to a request, with a slot's key"
    with store.transaction(lease) as writer:
        writer.save_issuer(IssuerMarks(), state, slots=None)
        writer.save_gate(GateMarks(), gate.gate.state)
        writer.put_secret("root", bytes(state.root_key))
        writer.put_secret("log", bytes(home.writer.key))
        writer.put_grant(digest(b"request"), 1000, grant)
        writer.put_order(digest(b"order"), 0, b"the file of an order, its salt included")
    secrets = [*secrets_of(life), grant, b"the file of an order", state.person_salt]
    secrets += [issued.commitment.encode() for issued in state.slots.values()]
    secrets += [issued.fact.digest for issued in state.slots.values()]
    secrets += state.records.values()
    store.dump(tmp_path / "dump")
    places = [(tmp_path / "dump").read_bytes()]
    if store._database.dialect == "sqlite":
        places += [file.read_bytes() for file in tmp_path.glob("node.db*")]
    else:
        cluster: PostgresCluster = request.getfixturevalue("cluster")
        places.append(cluster.rows(database_url))
    nonce = next(iter(state.offers))
    assert any(nonce in place or nonce.hex().encode() in place for place in places[1:])
    for secret in secrets:
        for place in places:
            assert secret not in place
            assert secret.hex().encode() not in place
    assert store.orders(OrderState.QUEUED)[0].body.startswith(b"the file")


def test_a_deleted_key_is_overwritten_in_the_file(sqlite_url: str, node_key: KeyFile) -> None:
    """Even its sealed octets: whoever gets the key file later finds nothing to open."""
    store = Store.create(sqlite_url, node_key, seeded(1))
    lease = lead(store)
    with store.transaction(lease) as writer:
        writer.put_secret("old", b"o" * 200)
    table = METADATA.tables["secrets"]
    sealed = store._database.read(lambda c: c.execute(table.select()).one().sealed)
    with store.transaction(lease) as writer:
        writer.drop_secret("old")
    path = store._database.file
    assert path is not None
    store.close()  # the last connection empties the write-ahead log
    assert not path.with_name("node.db-wal").exists()
    assert sealed not in path.read_bytes()


def test_nothing_secret_in_a_repr(store: Store, lease: Lease, life: Life) -> None:
    home, gate = life.world.regions[HOME].issuer.state, life.world.regions[GATE].gate.state
    marks, gate_marks, writer = IssuerMarks(), GateMarks(), store.writer()
    issuer_changes, gate_changes = marks.changes(home, None), gate_marks.changes(gate)
    writer.save_issuer(marks, home, slots=None)
    writer.put_secret("root", bytes(home.root_key))
    store.write(lease, writer)
    marks.advance(issuer_changes)
    gate_marks.advance(gate_changes)
    kept = (marks, gate_marks, issuer_changes, gate_changes)
    shown = repr([store, store._sealer, store._database, writer, *kept])
    assert not any(mentions(shown, secret) for secret in secrets_of(life))
