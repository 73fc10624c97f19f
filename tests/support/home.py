"""A node's directory and its leading process without network: the store is real, time given."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from guosuo.credential.board import Bucket
from guosuo.credential.keys import EpochKey
from guosuo.curve.entropy import Entropy
from guosuo.evidence.facts import EvidenceFact
from guosuo.federation.charter import (
    HOLD_EPOCHS,
    LATE_EPOCHS,
    Environment,
    Federation,
    Name,
    Parameters,
    open_charter,
)
from guosuo.federation.merkle import leaf_hash
from guosuo.federation.records import kind_of
from guosuo.host.vault import KeyFile
from guosuo.roles.enrolment import Answer
from guosuo.roles.holding import HeldSlot
from guosuo.roles.turn import BucketWork
from guosuo.roles.wallet import Wallet
from guosuo.suite import Suite
from guosuo_node.app.blobs import BlobStore
from guosuo_node.app.keys import fitting, load_keys
from guosuo_node.app.leader import Leader
from guosuo_node.app.records import Records
from guosuo_node.app.recovery import reconcile
from guosuo_node.app.turns import Turns
from guosuo_node.cli import making
from guosuo_node.cli.making import Wanted
from guosuo_node.host.settings import Home, Settings
from guosuo_node.store.store import Store
from guosuo_node.store.writer import Writer
from tests.support.world import fact

REGION, OTHER = "440000", "110000"
ZERO = 1_700_000_000
EPOCH = 4 * 3600
LEASE = 3600


class Workers:
    """In place of the pool of processes: builds at once."""

    def __init__(self, federation: Federation, entropy: Entropy) -> None:
        self.federation, self.entropy = federation, entropy
        self.failing = False

    def build(self, key: EpochKey, work: BucketWork) -> Future[Bucket]:
        made: Future[Bucket] = Future()
        if self.failing:
            made.set_exception(OSError("a worker was killed"))
        else:
            made.set_result(work.build(self.federation.scheme, key, self.entropy))
        return made


@dataclass
class Leading:
    """The node of one of two regions."""

    home: Home
    entropy: Entropy
    federation: Federation = field(init=False)
    now: float = ZERO + 10
    said: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    @classmethod
    def found(
        cls,
        folder: Path,
        entropy: Entropy,
        environment: Environment = Environment.TEST,
        database: str | None = None,
    ) -> Leading:
        """Two nodes' directories, joined; the first one's leader is made by `lead`."""
        cards, homes = [], []
        moment = dt.datetime.fromtimestamp(ZERO, dt.UTC)
        for place, name in enumerate((REGION, OTHER)):
            home = Home(folder / name)
            wanted = Wanted(
                name=name,
                names=(Name(language="en", text=f"Region {name}"),),
                listen=f"127.0.0.1:{7001 + place}",
                public_listen=f"127.0.0.1:{8001 + place}",
                database=database if name == REGION else None,
            )
            cards.append(making.init(home, wanted, entropy, moment))
            homes.append(home)
        parameters = Parameters(
            epoch_zero=ZERO,
            epoch_seconds=EPOCH,
            tick_seconds=30,
            min_regions=2,
            min_crowd=0,
            slots_per_person=4,
            bucket_slots=16,
            late_epochs=LATE_EPOCHS,
            hold_epochs=HOLD_EPOCHS,
        )
        signed = making.found(cards, environment, parameters)
        for home in homes:
            signed = making.sign(signed, home)
        for home in homes:
            making.join(home, signed.encode(), cards, entropy, ZERO)
        made = cls(homes[0], entropy)
        made.federation = open_charter(signed.encode(), Suite.sha256())
        return made

    def lead(self, public: Path | None = None) -> tuple[Leader, Turns, Workers]:
        """A leader over what the store has, as after a start."""
        key = KeyFile(self.home.key)
        store = Store.open(self.url, key, self.entropy)
        records = Records(self.federation, BlobStore((public or self.home.public) / "blobs"))
        records.take(REGION, [entry.data for entry in store.entries(0)])
        records.auditor.follow(REGION, records.blobs.get)
        lease = store.acquire("test", int(self.now), LEASE)
        assert lease is not None
        leader = Leader.load(
            region=REGION,
            keys=fitting(
                load_keys((self.home.keys, *self.home.renewed_keys()), key),
                records.view.ruling(REGION),
            ),
            records=records,
            store=store,
            lease=lease,
            entropy=self.entropy,
            now=lambda: self.now,
        )
        workers = Workers(self.federation, self.entropy)
        turns = Turns(leader, workers, self.tell, self.federation)  # type: ignore[arg-type] # builds likewise
        return leader, turns, workers

    @property
    def url(self) -> str:
        return Settings.load(self.home).database or self.home.database

    def tell(self, event: str, **fields: object) -> None:
        self.said.append((event, fields))

    async def take(self, leader: Leader, log: list[bytes]) -> None:
        """Own entries that the store does not have, as recovery gets them from peers."""
        start = leader.records.logs[REGION].tree.size
        missing = log[start:]

        def put(writer: Writer) -> None:
            for place, entry in enumerate(missing):
                writer.append_entry(start + place, kind_of(entry).value, entry, leaf_hash(entry))

        await leader.write(put)
        leader.records.take(REGION, missing)
        await leader.records.audit(REGION)

    async def ready(self, leader: Leader) -> set[int]:
        """What recovery does at its end."""
        changed = reconcile(leader)
        async with leader.lock:
            if changed:
                await leader.commit((), slots=changed)
        leader.ready = True
        return changed

    async def enrol(self, leader: Leader, person: bytes = b"person") -> tuple[Wallet, HeldSlot]:
        """Somebody's enrolment, stored."""
        wallet = Wallet.create(self.federation, self.entropy)
        proven: EvidenceFact = fact(event_time=int(self.now) - 3600)
        now = int(self.now)
        offer = leader.issuer.offer(now, self.entropy)
        request = wallet.request(REGION, offer, proven, now, self.entropy)
        answer: Answer = leader.issuer.enrol(request, person, proven, now, self.entropy)
        assert answer.grant is not None
        async with leader.lock:
            await leader.commit((), slots=(answer.grant.slot,))
        held = wallet.conclude(answer, leader.records.view)
        assert isinstance(held, HeldSlot)
        return wallet, held
