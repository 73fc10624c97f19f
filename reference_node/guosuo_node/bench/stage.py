"""A federation of nodes in one process, for `guosuo bench`: real stores, no network.

Four members, whose witnesses remember in databases of their own; two of them lead: a region
full of people that turns epochs, and an empty one at whose counter people enrol.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self, TypeVar

import nacl.signing

from guosuo.cli import places
from guosuo.cli.demo_story import EPOCH_SECONDS, EPOCH_ZERO, REGIONS, TICK_SECONDS
from guosuo.credential.renewal import SLOT_KEY_SIZE
from guosuo.curve.entropy import Entropy
from guosuo.errors import CallerError, Reason
from guosuo.evidence.facts import EvidenceFact, EvidenceKind
from guosuo.evidence.registry import NAAT
from guosuo.federation.charter import (
    HOLD_EPOCHS,
    LATE_EPOCHS,
    Charter,
    Environment,
    Federation,
    Member,
    Parameters,
    open_charter,
    sign_charter,
)
from guosuo.federation.records import digest
from guosuo.federation.witness import Witness
from guosuo.host.vault import KeyFile
from guosuo.roles.bundle import default_min_regions
from guosuo.roles.gate import GateState
from guosuo.roles.issuer import IssuedSlot, Issuer
from guosuo.roles.turn import Turn
from guosuo.roles.wallet import Wallet
from guosuo.scheme import KeyId
from guosuo.suite import SHA256_SUITE, Suite
from guosuo_node.adapter.desk import Desk
from guosuo_node.app.blobs import BlobStore
from guosuo_node.app.counter import Counter
from guosuo_node.app.keys import NodeKeys
from guosuo_node.app.leader import Leader
from guosuo_node.app.publishing import Publisher
from guosuo_node.app.records import Records
from guosuo_node.app.services import Enrolling
from guosuo_node.app.turns import Turns
from guosuo_node.app.witnessing import WitnessDesk
from guosuo_node.bench.others import EverybodyIsWell, LocalWitness
from guosuo_node.jobs.pool import Pool
from guosuo_node.store.marks import GateMarks, IssuerMarks
from guosuo_node.store.store import Store
from guosuo_node.sync.tail import Tail

HOME, COUNTER = REGIONS[0], REGIONS[1]
BUCKETS: Final = 8
"""Of the region that is full of people: enough for the workers of a pool."""
_LEAST_BUCKET: Final = 16
"""Slots of the smallest bucket that a charter may ask for."""
EPOCH: Final = 10_000
_HOLDER: Final = "bench"
_LEASE_SECONDS: Final = 1 << 30
"""The time of this federation stands still."""
_PATIENCE: Final = 60.0

T = TypeVar("T")


@dataclass(slots=True)
class Site:
    """One node's keys, store and records."""

    name: str
    folder: Path
    keys: NodeKeys
    federation: Federation
    entropy: Entropy
    now: int
    key: KeyFile = field(init=False)
    store: Store = field(init=False)
    records: Records = field(init=False)
    desk: WitnessDesk = field(init=False)

    def __post_init__(self) -> None:
        """An empty store, and empty records."""
        self.folder.mkdir()
        self.key = KeyFile.create(self.folder / "node.key", self.entropy)
        self.store = Store.create(self.url("node"), self.key, self.entropy)
        self.records = self.fresh_records()
        witness = Witness(self.name, self.keys.witness)
        self.desk = WitnessDesk(
            self.federation, witness, self.store, lambda: self.now, lambda _region, _evidence: None
        )

    def url(self, name: str) -> str:
        """Of a database of this node."""
        return f"sqlite:///{self.folder / name}.db"

    def fresh_records(self) -> Records:
        """Records of a process that has read nothing yet."""
        return Records(self.federation, BlobStore(self.folder / "public" / "blobs"))

    def found(self, issuer: Issuer) -> None:
        """The first rows of a region's store."""
        lease = self.store.acquire(_HOLDER, self.now, _LEASE_SECONDS)
        if lease is None:
            raise CallerError(Reason.STATE, "a new store has no leader")
        with self.store.transaction(lease) as writer:
            writer.save_issuer(IssuerMarks(), issuer.state, slots=None)
            writer.save_gate(GateMarks(), GateState(self.name))

    def lead(self, store: Store, records: Records) -> Leader:
        """Take the lease and load everything."""
        lease = store.acquire(_HOLDER, self.now, _LEASE_SECONDS)
        if lease is None:
            raise CallerError(Reason.STATE, "there is one process for each store")
        leader = Leader.load(
            region=self.name,
            keys=self.keys,
            records=records,
            store=store,
            lease=lease,
            entropy=self.entropy,
            now=lambda: self.now,
        )
        # There is nobody who could know more of this log.
        leader.ready = True
        return leader


class NodeStage:
    """Everything that is measured; a context, since it has processes and open files."""

    def __init__(
        self, suite: Suite, slots: int, workers: int, entropy: Entropy, folder: Path
    ) -> None:
        """`slots`: people of the full region. `workers`: processes of the pool."""
        self.slots, self.entropy = slots, entropy
        self.bucket_slots = max(_LEAST_BUCKET, slots // BUCKETS)
        self.runner = asyncio.Runner()
        names = sorted(REGIONS)
        keys = {name: NodeKeys.draw(name, entropy) for name in names}
        roots = {name: keys[name].root_key for name in names}
        charter = sign_charter(_charter(keys, self.bucket_slots), roots).encode()
        self.federation = open_charter(charter, suite)
        self.now = self.federation.clock.start(EPOCH) + EPOCH_SECONDS // 2
        self.fact = EvidenceFact(
            kind=EvidenceKind.TEST,
            product=NAAT,
            doses=0,
            series=0,
            event_time=self.now - 3600,
            digest=digest(b"a certificate"),
        )
        folder.mkdir(exist_ok=True)
        self.sites = {
            name: Site(name, folder / name, keys[name], self.federation, entropy, self.now)
            for name in names
        }
        self.home, self.counter_site = self.sites[HOME], self.sites[COUNTER]
        self.home.found(self._full(self.home))
        self.counter_site.found(self._empty(self.counter_site))
        self.leader = self.home.lead(self.home.store, self.home.records)
        self.pool = Pool(self.federation, workers)
        self.turns = Turns(self.leader, self.pool, _silent)
        self.publisher = self._publisher()
        self.reader = self.home.fresh_records()
        """Another node's records of the full region."""
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Start the workers, turn two epochs, open the counter."""
        for site in self.sites.values():
            self._stack.callback(site.store.close)
        self._stack.callback(self.pool.close)
        self._stack.enter_context(self.runner)
        try:
            self.turn()
            self.turn()
            self._put_by()
            self._open_counter()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(self, work: Awaitable[T]) -> T:
        """To its end, on this stage's event loop."""

        async def wait() -> T:
            return await work

        return self.runner.run(wait())

    # --- epochs ---------------------------------------------------------------------------

    @property
    def latest(self) -> int:
        """The newest epoch of the full region; before the first, the one before it."""
        latest = self.leader.records.view.region(HOME).latest()
        return EPOCH - 1 if latest is None else latest.id.epoch

    def turn(self) -> None:
        """One epoch of the full region: key, buckets by the pool, entry, and its own audit."""
        self.run(self.turns.turn(self.latest + 1))

    def begun(self) -> Turn:
        """What the next epoch will sign; asking again changes nothing."""
        return self.leader.issuer.begin_turn(self.latest + 1, self.entropy, resume=True)

    def build_by_pool(self, turn: Turn) -> None:
        """All buckets, by all workers."""
        for bucket in [self.pool.build(turn.key, work) for work in turn.work]:
            bucket.result()

    def read(self) -> bool:
        """Let another node take in and judge what is new in the region's log; if all is well."""
        log = self.leader.records.view.region(HOME).entries
        return self._read(len(log))

    def read_before(self) -> None:
        """Let it read all that comes before the newest epoch's entry, which is a new one."""
        if self._known() == self.latest:
            self.turn()
        view = self.leader.records.view.region(HOME)
        newest = view.epochs[KeyId(HOME, self.latest, 0)].digest
        self._read(next(i for i, entry in enumerate(view.entries) if digest(entry) == newest))

    def _known(self) -> int:
        latest = self.reader.view.region(HOME).latest()
        return EPOCH - 1 if latest is None else latest.id.epoch

    def _read(self, end: int) -> bool:
        start = len(self.reader.view.region(HOME).entries)
        self.reader.take(HOME, self.leader.records.view.region(HOME).entries[start:end])
        self.run(self.reader.audit(HOME))
        state = self.reader.auditor.regions[HOME]
        return not (state.held or state.refused or state.waiting)

    # --- a start --------------------------------------------------------------------------

    def _put_by(self) -> None:
        """A copy of the full region's store as it is after two epochs."""
        folder = self.home.folder
        self.home.store.dump(folder / "store.dump")
        made = Store.restore(
            self.home.url("copy"), self.home.key, self.entropy, folder / "store.dump"
        )
        made.close()

    def load(self) -> bool:
        """Open the copy and load the roles from it; the log was read before."""
        store = Store.open(self.home.url("copy"), self.home.key, self.entropy)
        try:
            leader = self.home.lead(store, self.leader.records)
            return len(leader.issuer.state.slots) == self.slots
        finally:
            store.close()

    def restart(self) -> bool:
        """All that a process does before it can lead: verify the log, judge it, load the roles."""
        store = Store.open(self.home.url("copy"), self.home.key, self.entropy)
        try:
            records = self.home.fresh_records()
            self.run(Tail(HOME, records, store).catch_up())
            leader = self.home.lead(store, records)
            return len(leader.issuer.state.slots) == self.slots
        finally:
            store.close()

    # --- the counter ----------------------------------------------------------------------

    def _open_counter(self) -> None:
        site = self.counter_site
        leader = site.lead(site.store, site.records)
        turns = Turns(leader, self.pool, _silent)
        self.run(turns.turn(EPOCH))
        desk = Desk(EverybodyIsWell(self.fact))
        self.counter = Counter(desk, lambda: leader, lambda: self.now)

    def offer(self) -> bytes:
        """One offer, on the disk."""
        return self.run(self.counter.offer())

    def enrolling(self) -> Enrolling:
        """A new person's request, to an offer of the counter."""
        wallet = Wallet.create(self.federation, self.entropy)
        request = wallet.request(COUNTER, self.offer(), self.fact, self.now, self.entropy)
        return Enrolling(request.encode(), b"a certificate", self.entropy.octets(16).hex())

    def enrol(self, requests: Sequence[Enrolling]) -> bool:
        """Answer requests that come all at once."""
        before = len(self.counter_slots)

        async def answers() -> None:
            await asyncio.gather(*(self.counter.enrol(request) for request in requests))

        self.run(answers())
        return len(self.counter_slots) == before + len(requests)

    @property
    def counter_slots(self) -> dict[int, IssuedSlot]:
        """Everybody who enrolled."""
        leader = self.counter.leader()
        return {} if leader is None else leader.issuer.state.slots

    # --- publishing -----------------------------------------------------------------------

    def grow(self) -> None:
        """One more entry in the full region's log, which nobody has seen yet."""
        effects = self.leader.gate.publish_checkpoints([])
        self.run(self.leader.commit(effects))

    def publish(self) -> bool:
        """Have the log cosigned by as many as readers ask for, and write the static files."""
        return self.run(self.publisher.publish())

    def _publisher(self) -> Publisher:
        others = {n: LocalWitness(s.desk) for n, s in self.sites.items() if n != HOME}
        return Publisher(
            leader=self.leader,
            witnesses=others,
            desk=self.home.desk,
            folder=self.home.folder / "public" / HOME,
            patience=_PATIENCE,
            report=lambda _who, _what: None,
        )

    # --- people ---------------------------------------------------------------------------

    def _empty(self, site: Site) -> Issuer:
        keys = site.keys
        return Issuer.found(self.federation, site.name, keys.root_key, keys.log_key, self.entropy)

    def _full(self, site: Site) -> Issuer:
        issuer, scheme, draw = self._empty(site), self.federation.scheme, self.entropy
        first = scheme.commitment(draw.scalar(), draw.scalar())
        # Sums of two points, as different as drawn ones and much quicker to make.
        step, commitment = scheme.h2 * draw.scalar(), first
        for slot in range(self.slots):
            key, person = draw.octets(SLOT_KEY_SIZE), draw.octets(32)
            issuer.state.slots[slot] = IssuedSlot(slot, commitment, key, self.fact, person)
            issuer.state.records[person] = draw.octets(48)
            issuer.state.unpublished.add(slot)
            commitment += step
        return issuer


def _charter(keys: dict[str, NodeKeys], bucket_slots: int) -> Charter:
    return Charter(
        version=1,
        suite=SHA256_SUITE,
        environment=Environment.TEST,
        members=tuple(
            Member(
                region=name,
                names=places.names(name),
                root_key=_public(own.root_key),
                log_key=_public(own.log_key),
                witness_key=_public(own.witness),
            )
            for name, own in keys.items()
        ),
        parameters=Parameters(
            epoch_zero=EPOCH_ZERO,
            epoch_seconds=EPOCH_SECONDS,
            tick_seconds=TICK_SECONDS,
            min_regions=default_min_regions(len(keys)),
            min_crowd=0,
            slots_per_person=4,
            bucket_slots=bucket_slots,
            late_epochs=LATE_EPOCHS,
            hold_epochs=HOLD_EPOCHS,
        ),
    )


def _public(key: nacl.signing.SigningKey) -> bytes:
    return bytes(key.verify_key)


def _silent(_event: str, **_fields: object) -> None:
    return
