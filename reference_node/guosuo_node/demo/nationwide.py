"""A federation of node processes, seen as a wallet or a checkpoint sees it: by RPC.

What demonstrations share: founding and starting the nodes, a mirror of their public
records, checkpoints at every region's station, enrolment at a counter, and waiting for
epochs, which pass by themselves.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from nacl.signing import SigningKey
from rich.console import Console

from guosuo.cli import places
from guosuo.cli.demo_story import POLICY
from guosuo.client.blocking import Node, Session
from guosuo.client.channel import Tls
from guosuo.client.mirror import Mirror
from guosuo.curve.entropy import Entropy
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.evidence.dcc import VerifiedDcc
from guosuo.evidence.facts import fact_from_dcc
from guosuo.evidence.payload import Person
from guosuo.federation.charter import HOLD_EPOCHS, LATE_EPOCHS, Federation, Name, Parameters
from guosuo.federation.clock import CUT_OFF_AT, SWITCH_AT
from guosuo.federation.entries import CheckpointInfo
from guosuo.host import vault
from guosuo.host.directory import FederationDirectory
from guosuo.host.vault import KeyFile
from guosuo.policy.simple import Way, simple_policy
from guosuo.roles.bundle import BundleBook, GateBundle, default_min_regions
from guosuo.roles.checkpoint import Checkpoint, CheckpointState
from guosuo.roles.enrolment import Answer, RefusalCode
from guosuo.roles.wallet import Wallet
from guosuo.suite import Suite
from guosuo_node.adapter.counter import Statement, sign_statement
from guosuo_node.cli.making import COUNTER_KIND
from guosuo_node.demo.cluster import Cluster, publish
from guosuo_node.host.settings import Home

TICK_SECONDS: Final = 1
WITNESSES: Final = ("witness-a", "witness-b")
_BEFORE: Final = 3
"""Epochs before the first one that the nodes live through."""
_STATEMENT_SECONDS: Final = 600
_PATIENCE: Final = 8
"""Epochs that anything is waited for before it is given up, and two minutes."""

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Nationwide:
    """The nodes, and what everybody sees of them."""

    suite: Suite
    entropy: Entropy
    folder: Path
    console: Console
    policies: Mapping[str, Sequence[Way]]
    """The regions, each with its acceptance policy."""
    anchors: Sequence[Mapping[str, Any]]
    """Test signers of certificates."""
    then: int
    """Where the nodes' clocks stand at the beginning: that of the certificates."""
    epoch_seconds: int
    wallets: Callable[[], Iterable[Wallet]]
    """Whose renewals are fetched with the rest."""
    cluster: Cluster = field(init=False)
    directory: FederationDirectory = field(init=False)
    mirror: Mirror = field(init=False)
    book: BundleBook = field(init=False)
    checkpoints: dict[str, Checkpoint] = field(init=False)
    nodes: dict[str, Node] = field(default_factory=dict)
    _session: Session | None = None
    _offset: int = field(init=False)
    _loaded: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Nothing is made yet."""
        self.cluster = Cluster(self.folder / "nodes")
        self._offset = int(self.then - time.time())

    @property
    def now(self) -> int:
        """The nodes' clock, Unix seconds."""
        return int(time.time() + self._offset)

    @property
    def regions(self) -> tuple[str, ...]:
        """Codes of the regions."""
        return tuple(self.policies)

    @property
    def federation(self) -> Federation:
        """The federation."""
        return self.directory.federation

    # --- beginning and end ------------------------------------------------------------------

    def begin(self) -> None:
        """Make the nodes, found the federation, start everybody, open the mirror."""
        cards = self.cluster.make(
            {r: places.names(r) for r in self.regions},
            WITNESSES,
            self.entropy,
            clock_offset=self._offset,
            settings=self._adapter,
        )
        for region in self.regions:
            self._put_gate(region)
        parameters = Parameters(
            epoch_zero=self.now - _BEFORE * self.epoch_seconds,
            epoch_seconds=self.epoch_seconds,
            tick_seconds=TICK_SECONDS,
            min_regions=default_min_regions(len(self.regions)),
            min_crowd=0,
            slots_per_person=4,
            bucket_slots=1024,
            late_epochs=LATE_EPOCHS,
            hold_epochs=HOLD_EPOCHS,
        )
        charter = self.cluster.found(cards, parameters, self.entropy, self.now)
        FederationDirectory.found(self.folder, charter)
        self.directory = FederationDirectory(self.folder, self.suite)
        self.checkpoints = {
            r: Checkpoint(self.federation, CheckpointState(r, station(r), POLICY))
            for r in self.regions
        }
        self.cluster.start()
        self._session = Session(Tls(self.cluster.authorities()))
        self.nodes = {r: self._session.node(self.cluster.nodes[r].public) for r in self.regions}
        self.mirror = Mirror(self.directory, [node.federation for node in self.nodes.values()])
        self.book = BundleBook(self.directory.view, self.directory.fetch)

    def end(self) -> None:
        """Stop every process, come what may."""
        if self._session is not None:
            with suppress(Exception):
                self._session.close()
        self.cluster.stop()

    def _adapter(self, home: Home) -> str:
        """Test certificates count in a demonstration."""
        anchors = {"anchors": [{**anchor, "test_only": True} for anchor in self.anchors]}
        (home.path / "anchors.json").write_text(json.dumps(anchors))
        return "allow_test_anchors = true\n"

    def _put_gate(self, region: str) -> None:
        info = CheckpointInfo(
            checkpoint=station(region),
            names=(
                Name(language="en", text="Railway station, exit 1"),
                Name(language="zh", text="火车站一号出口"),
            ),
            place=places.label(region),
            policy=POLICY,
        )
        document = simple_policy(
            self.policies[region],
            region=region,
            policy=POLICY,
            version=1,
            not_before=self.then - 86_400,
            not_after=self.then + 30 * 86_400,
        )
        publish(self.cluster.nodes[region].home, document, [info])

    # --- people -----------------------------------------------------------------------------

    def enrol(self, wallet: Wallet, home: str, document: VerifiedDcc, text: str, who: str) -> None:
        """Enrol one certificate with the home region's node, after a look at the person."""
        node = self.nodes[home]
        offer = self.ask(node.enrolment.offer())
        fact = fact_from_dcc(document)
        request = wallet.request(home, offer, fact, self.now, self.entropy)
        spoken = self._counter(home, who.encode(), document.holder)
        data = self.ask(node.enrolment.enrol(request.encode(), text.encode(), spoken))
        held = wallet.conclude(Answer.decode(data), self.directory.view)
        if isinstance(held, RefusalCode):
            raise CallerError(Reason.REFUSED_BY_REGION, held.value)

    def _counter(self, region: str, record: bytes, person: Person) -> str:
        """What a clerk's device says after a look at an identity document."""
        home = self.cluster.nodes[region].home
        key = SigningKey(vault.load(home.counter, COUNTER_KIND, KeyFile(home.key)))
        statement = Statement(
            region=region,
            record=record,
            family=person.fnt,
            given=person.gnt,
            born=person.dob,
            issued=self.now,
            expires=self.now + _STATEMENT_SECONDS,
        )
        return sign_statement(statement, key)

    def bundle(self, gate: str, epoch: int | None = None) -> GateBundle:
        """The audited bundle of a gate, the one that is shown under now unless told."""
        clock = self.federation.clock
        shown = clock.shown_epoch(self.now) if epoch is None else epoch
        now = self.now if epoch is None else max(self.now, clock.start(epoch))
        return self.book.get(gate, POLICY, epoch=shown, now=now, entropy=self.entropy)

    # --- time -------------------------------------------------------------------------------

    def next_epoch(self) -> int:
        """Wait until all regions' keys of the next epoch are listed everywhere, and shown."""
        clock = self.federation.clock
        present = clock.epoch_at(self.now)
        orders_end = clock.moment(present + 1, CUT_OFF_AT)
        epoch = present + 1 if self.now < orders_end else present + 2
        self.wait_for(f"epoch {epoch}", lambda: self._is_listed(epoch))
        self.wait_for(
            f"the list of epoch {epoch} to be shown",
            lambda: self.now >= clock.moment(epoch, SWITCH_AT) + 1,
        )
        self.follow()
        return epoch

    def _is_listed(self, epoch: int) -> bool:
        if self.now < self.federation.clock.moment(epoch, CUT_OFF_AT):
            return False
        self.follow()
        for region in self.regions:
            view = self.directory.view.regions[region]
            if not any(t == epoch for t, _ in view.lists) or (POLICY, 1) not in view.policies:
                return False
            try:
                keys = self.bundle(region, epoch).keys.t
            except PeerError:
                return False
            if {k.region for k in keys if k.epoch == epoch} != set(self.regions):
                return False
        return True

    def follow(self) -> None:
        """Mirror what is new; checkpoints and wallets take their part of it."""
        slots = {key for wallet in self.wallets() for key in wallet.state.slots}

        async def fetch() -> None:
            await self.mirror.follow(self.now)
            await self.mirror.fetch_for_wallet(sorted(slots), self.now)

        self.ask(fetch())
        for region, checkpoint in self.checkpoints.items():
            entries = self.directory.view.regions[region].entries
            for entry in entries[self._loaded.get(region, 0) :]:
                checkpoint.load(entry)
            self._loaded[region] = len(entries)
        for wallet in self.wallets():
            self._refresh(wallet)

    def _refresh(self, wallet: Wallet) -> None:
        """Renewals of the last epochs that this wallet has not yet."""
        for region, slot in wallet.state.slots:
            held = wallet.state.slots[region, slot].renewals
            for key, published in list(self.directory.view.regions[region].epochs.items())[-3:]:
                if key not in held:
                    with suppress(PeerError, CallerError):
                        wallet.refresh(region, slot, published, self.directory.fetch)

    def wait_for(self, what: str, holds: Callable[[], bool]) -> None:
        """Until it holds; `CallerError(STATE)` after too long, or if a node ended."""
        end = time.monotonic() + 120 + _PATIENCE * self.epoch_seconds
        with self.console.status(f"   waiting for {what} …"):
            while not holds():
                self.cluster.check()
                if time.monotonic() > end:
                    raise CallerError(
                        Reason.STATE, f"gave up waiting for {what}; see {self.cluster.folder}"
                    )
                time.sleep(0.5)

    def ask(self, call: Coroutine[Any, Any, T]) -> T:
        """The result of a call to a node."""
        if self._session is None:
            raise CallerError(Reason.STATE, "the nodes were not started")
        return self._session.run(call)


def station(region: str) -> str:
    """The checkpoint that every region has."""
    return f"{region}-station-1"
