"""`guosuo demo` with nodes: the same story, told by processes over TLS.

Four regions' nodes and two stand-alone witnesses run beside this program, with epochs of
some seconds. Travellers' wallets and the gates' checkpoints live in this program and see
of the nodes what everybody sees: a mirror of the public records, fetched by RPC.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from nacl.signing import SigningKey
from rich.console import Console

from guosuo.cli import places
from guosuo.cli.demo import Demo, Person
from guosuo.cli.demo_report import Report
from guosuo.cli.demo_story import POLICIES, POLICY, REGIONS, SUSPENDED, TRAVELLERS
from guosuo.client.blocking import Node, Session
from guosuo.client.channel import Tls
from guosuo.client.mirror import Mirror
from guosuo.curve.entropy import Entropy
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.evidence.dcc import VerifiedDcc
from guosuo.evidence.facts import fact_from_dcc
from guosuo.evidence.payload import Person as Named
from guosuo.federation.charter import HOLD_EPOCHS, LATE_EPOCHS, Name, Parameters
from guosuo.federation.clock import CUT_OFF_AT, SWITCH_AT
from guosuo.federation.entries import Action, CheckpointInfo, OrderReason
from guosuo.host import vault
from guosuo.host.directory import FederationDirectory
from guosuo.host.pictures import read_picture
from guosuo.host.vault import KeyFile
from guosuo.policy.simple import simple_policy
from guosuo.roles.auditor import Auditor
from guosuo.roles.bundle import BundleBook, GateBundle, default_min_regions
from guosuo.roles.checkpoint import Checkpoint, CheckpointState
from guosuo.roles.enrolment import Answer, RefusalCode
from guosuo.roles.wallet import Wallet
from guosuo.suite import Suite
from guosuo_node.adapter.counter import Statement, sign_statement
from guosuo_node.cli.making import COUNTER_KIND, officer_of
from guosuo_node.demo.cluster import Cluster, publish
from guosuo_node.host.settings import Home

EPOCH_SECONDS: Final = 20
TICK_SECONDS: Final = 1
WITNESSES: Final = ("witness-a", "witness-b")
_TRIED: Final = 5
"""Lists that a modified wallet tries, each with each: all that are in force, and older ones."""
_BEFORE: Final = 3
"""Epochs before the first one that the nodes live through."""
_STATEMENT_SECONDS: Final = 600
_LONGEST: Final = 180.0
"""Seconds that anything is waited for before the demonstration gives up."""

T = TypeVar("T")


class NodeDemo(Demo):
    """The story of `Demo`, with nodes in the place of its hosts."""

    def __init__(
        self, suite: Suite, entropy: Entropy, folder: Path, console: Console, *, codes: bool
    ) -> None:
        """Certificates are of January 2022, so the nodes' clocks stand there too."""
        self._offset = 0
        super().__init__(suite, entropy, folder, console, codes=codes)
        self._offset = int(self.data["now"] - time.time())
        self.cluster = Cluster(folder / "nodes")
        self.session: Session | None = None
        self.home_nodes: dict[str, Node] = {}
        self._loaded: dict[str, int] = {}

    @property
    def now(self) -> int:
        """The nodes' clock."""
        return int(time.time() + self._offset)

    @now.setter
    def now(self, _: int) -> None:
        """Nobody moves it."""

    def run(self) -> Report:
        """As `Demo.run`; every process that was started is stopped, come what may."""
        try:
            return super().run()
        finally:
            if self.session is not None:
                with suppress(Exception):
                    self.session.close()
            self.cluster.stop()

    # --- 1. the federation ----------------------------------------------------------------

    def _found(self) -> None:
        self._say("Four regions' nodes and two witnesses found a federation")
        cards = self.cluster.make(
            {r: places.names(r) for r in REGIONS},
            WITNESSES,
            self.entropy,
            clock_offset=self._offset,
            settings=self._adapter,
        )
        for region in REGIONS:
            self._put_gate(region)
        parameters = Parameters(
            epoch_zero=self.now - _BEFORE * EPOCH_SECONDS,
            epoch_seconds=EPOCH_SECONDS,
            tick_seconds=TICK_SECONDS,
            min_regions=default_min_regions(len(REGIONS)),
            min_crowd=0,
            slots_per_person=4,
            bucket_slots=1024,
            late_epochs=LATE_EPOCHS,
            hold_epochs=HOLD_EPOCHS,
        )
        charter = self.cluster.found(cards, parameters, self.entropy, self.now)
        root = self.folder / "mirror"
        FederationDirectory.found(root, charter)
        self.directory = FederationDirectory(root, self.suite)
        self.federation = self.directory.federation
        self.auditor = Auditor(self.directory.view)
        self.book = BundleBook(self.directory.view, self.directory.fetch)
        self.checkpoints = {
            r: Checkpoint(self.federation, CheckpointState(r, _gate(r), POLICY)) for r in REGIONS
        }
        self.cluster.start()
        count = len(self.cluster.nodes)
        self._note(f"{count} processes, a directory and keys each; nothing shared but TLS")
        self.session = Session(Tls(self.cluster.authorities()))
        self.home_nodes = {r: self.session.node(self.cluster.nodes[r].public) for r in REGIONS}
        sources = [node.federation for node in self.home_nodes.values()]
        self.mirror = Mirror(self.directory, sources)

    def _adapter(self, home: Home) -> str:
        """Test certificates count in a demonstration."""
        anchors = {"anchors": [{**a, "test_only": True} for a in self.data["anchors"]]}
        (home.path / "anchors.json").write_text(json.dumps(anchors))
        return "allow_test_anchors = true\n"

    def _put_gate(self, region: str) -> None:
        info = CheckpointInfo(
            checkpoint=_gate(region),
            names=(
                Name(language="en", text="Railway station, exit 1"),
                Name(language="zh", text="火车站一号出口"),
            ),
            place=places.label(region),
            policy=POLICY,
        )
        document = simple_policy(
            POLICIES[region],
            region=region,
            policy=POLICY,
            version=1,
            not_before=self.now - 86_400,
            not_after=self.now + 30 * 86_400,
        )
        publish(self.cluster.nodes[region].home, document, [info])
        rules = "; ".join(way.descriptions[0][1] for way in POLICIES[region])
        self._note(f"{places.label(region)}: {rules}")
        self.report.regions.append(
            {"region": region, "name": places.label(region), "policy": rules}
        )

    # --- 3. enrolment and epochs ------------------------------------------------------------

    def _enrol(self, documents: dict[str, VerifiedDcc]) -> None:
        self._say("Wallets enrol with their home regions' nodes")
        for story in TRAVELLERS:
            wallet = Wallet.create(self.federation, self.entropy)
            own = [documents[name] for name in story.pictures]
            spoken = self._counter(story.home, story.name.encode(), own[0].holder)
            for name, document in zip(story.pictures, own, strict=True):
                text = read_picture(self.folder / "certificates" / name)
                self._enrol_one(wallet, story.home, document, text, spoken)
            self.people.append(Person(story, wallet, own))
            self._note(f"{story.name} in {places.label(story.home)}: {len(own)} slot(s)")

    def _enrol_one(
        self, wallet: Wallet, home: str, document: VerifiedDcc, text: str, spoken: str
    ) -> None:
        node = self.home_nodes[home]
        offer = self._ask(node.enrolment.offer())
        fact = fact_from_dcc(document)
        request = wallet.request(home, offer, fact, self.now, self.entropy)
        data = self._ask(node.enrolment.enrol(request.encode(), text.encode(), spoken))
        held = wallet.conclude(Answer.decode(data), self.directory.view)
        if isinstance(held, RefusalCode):
            raise CallerError(Reason.REFUSED_BY_REGION, held.value)

    def _counter(self, region: str, record: bytes, person: Named) -> str:
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

    def _turn(self) -> None:
        """Wait until the next epoch's list is shown everywhere; wallets refresh meanwhile."""
        clock = self.federation.clock
        present = clock.epoch_at(self.now)
        orders_end = clock.moment(present + 1, CUT_OFF_AT)
        epoch = present + 1 if self.now < orders_end else present + 2
        self._wait_for(f"epoch {epoch}", lambda: self._has_lists(epoch))
        self._wait_for(
            f"the list of epoch {epoch} to be shown",
            lambda: self.now >= clock.moment(epoch, SWITCH_AT) + 1,
        )
        self._follow()
        self._note(f"epoch {epoch}: signed, judged and listed by all nodes")

    def _has_lists(self, epoch: int) -> bool:
        self._follow()
        keys = set(REGIONS)
        for region in REGIONS:
            view = self.directory.view.regions[region]
            if not any(t == epoch for t, _ in view.lists) or (POLICY, 1) not in view.policies:
                return False
            try:
                bundle = self.book.get(
                    region,
                    POLICY,
                    epoch=epoch,
                    now=max(self.now, self.federation.clock.start(epoch)),
                    entropy=self.entropy,
                )
            except PeerError:
                return False
            keys &= {k.region for k in bundle.keys.t if k.epoch == epoch}
        return keys == set(REGIONS)

    def _follow(self) -> None:
        """Mirror what is new; checkpoints and wallets take their part of it."""
        slots = [key for person in self.people for key in person.wallet.state.slots]

        async def fetch() -> None:
            await self.mirror.follow(self.now)
            await self.mirror.fetch_for_wallet(slots, self.now)

        self._ask(fetch())
        for region, checkpoint in self.checkpoints.items():
            entries = self.directory.view.regions[region].entries
            for entry in entries[self._loaded.get(region, 0) :]:
                checkpoint.load(entry)
            self._loaded[region] = len(entries)
        for person in self.people:
            self._refresh(person.wallet)

    def _refresh(self, wallet: Wallet) -> None:
        for region, slot in wallet.state.slots:
            for published in self.directory.view.regions[region].epochs.values():
                held = wallet.state.slots[region, slot].renewals
                if published.id not in held:
                    with suppress(PeerError, CallerError):
                        wallet.refresh(region, slot, published, self.directory.fetch)

    # --- 5. suspension ------------------------------------------------------------------------

    def _suspend(self) -> None:
        person = next(p for p in self.people if p.story.name == SUSPENDED)
        home = person.story.home
        self._say(f"{SUSPENDED} is suspended by an order of his region's health administration")
        slots = [slot for _, slot in person.wallet.state.slots]
        officer = officer_of(self.cluster.nodes[home].home, self.federation)
        file = self.entropy.octets(32)
        order = officer.order(Action.SUSPEND, slots, OrderReason.INFECTION, file, now=self.now)
        epoch = self._ask(self.home_nodes[home].status.submit_order(order.encode()))
        self._note(f"in the public log; it counts from epoch {epoch}")
        self._note("three epochs pass: the last list with an old key of his ends")
        end = self.federation.clock.start(epoch + 2) + TICK_SECONDS
        while self.now < end:
            self._turn()
        self.revoked.add(SUSPENDED)

    def _modified_wallets(self) -> None:
        time.sleep(3 * TICK_SECONDS)
        super()._modified_wallets()

    # --- waiting --------------------------------------------------------------------------------

    def _every_bundle(self, gate: str) -> list[GateBundle]:
        """Those of the first epochs may hold too few regions to be used by anybody."""
        found = []
        epochs = sorted({t for t, _ in self.directory.view.regions[gate].lists})
        for epoch in epochs[-_TRIED:]:
            moment = self.federation.clock.start(epoch + 1)
            with suppress(PeerError):
                found.append(
                    self.book.get(gate, POLICY, epoch=epoch, now=moment, entropy=self.entropy)
                )
        return found

    def _wait_for(self, what: str, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + _LONGEST
        with self.console.status(f"   waiting for {what} …"):
            while not holds():
                self.cluster.check()
                if time.monotonic() > end:
                    raise CallerError(
                        Reason.STATE, f"gave up waiting for {what}; see {self.cluster.folder}"
                    )
                time.sleep(0.5)

    def _ask(self, call: Coroutine[Any, Any, T]) -> T:
        """The result of a call to a node."""
        if self.session is None:
            raise CallerError(Reason.STATE, "no session")
        return self.session.run(call)


def _gate(region: str) -> str:
    return f"{region}-station-1"
