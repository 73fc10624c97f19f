"""`guosuo demo` with nodes: the same story, told by processes over TLS.

Four regions' nodes and two stand-alone witnesses run beside this program, with epochs of
some seconds. Travellers' wallets and the gates' checkpoints live in this program and see
of the nodes what everybody sees: a mirror of the public records, fetched by RPC.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from rich.console import Console

from guosuo.cli import places
from guosuo.cli.demo import Demo, Person
from guosuo.cli.demo_report import Report
from guosuo.cli.demo_story import POLICIES, POLICY, SUSPENDED, TRAVELLERS
from guosuo.curve.entropy import Entropy
from guosuo.errors import PeerError
from guosuo.evidence.dcc import VerifiedDcc
from guosuo.federation.entries import Action, OrderReason
from guosuo.host.pictures import read_picture
from guosuo.roles.bundle import GateBundle
from guosuo.roles.wallet import Wallet
from guosuo.suite import Suite
from guosuo_node.cli.making import officer_of
from guosuo_node.demo.nationwide import TICK_SECONDS, Nationwide

EPOCH_SECONDS: Final = 20
_TRIED: Final = 5
"""Lists that a modified wallet tries, each with each: all that are in force, and older ones."""


class NodeDemo(Demo):
    """The story of `Demo`, with nodes in the place of its hosts."""

    def __init__(
        self, suite: Suite, entropy: Entropy, folder: Path, console: Console, *, codes: bool
    ) -> None:
        """Certificates are of January 2022, so the nodes' clocks stand there too."""
        super().__init__(suite, entropy, folder, console, codes=codes)
        self.country = Nationwide(
            suite=suite,
            entropy=entropy,
            folder=folder,
            console=console,
            policies=POLICIES,
            anchors=self.data["anchors"],
            then=self.data["now"],
            epoch_seconds=EPOCH_SECONDS,
            wallets=lambda: [person.wallet for person in self.people],
        )

    @property
    def now(self) -> int:
        """The nodes' clock."""
        country: Nationwide | None = getattr(self, "country", None)
        return 0 if country is None else country.now

    @now.setter
    def now(self, _: int) -> None:
        """Nobody moves it."""

    def run(self) -> Report:
        """As `Demo.run`; every process that was started is stopped, come what may."""
        try:
            return super().run()
        finally:
            self.country.end()

    def _found(self) -> None:
        self._say("Four regions' nodes and two witnesses found a federation")
        country = self.country
        country.begin()
        self.directory, self.federation = country.directory, country.federation
        self.book, self.checkpoints = country.book, country.checkpoints
        for region, ways in POLICIES.items():
            rules = "; ".join(way.descriptions[0][1] for way in ways)
            self._note(f"{places.label(region)}: {rules}")
            self.report.regions.append(
                {"region": region, "name": places.label(region), "policy": rules}
            )
        count = len(country.cluster.nodes)
        self._note(f"{count} processes, a directory and keys each; nothing shared but TLS")

    def _enrol(self, documents: dict[str, VerifiedDcc]) -> None:
        self._say("Wallets enrol with their home regions' nodes")
        for story in TRAVELLERS:
            wallet = Wallet.create(self.federation, self.entropy)
            for name in story.pictures:
                text = read_picture(self.folder / "certificates" / name)
                self.country.enrol(wallet, story.home, documents[name], text, story.name)
            own = [documents[name] for name in story.pictures]
            self.people.append(Person(story, wallet, own))
            self._note(f"{story.name} in {places.label(story.home)}: {len(own)} slot(s)")

    def _turn(self) -> None:
        epoch = self.country.next_epoch()
        self._note(f"epoch {epoch}: signed, judged and listed by all nodes")

    def _suspend(self) -> None:
        person = next(p for p in self.people if p.story.name == SUSPENDED)
        home, country = person.story.home, self.country
        self._say(f"{SUSPENDED} is suspended by an order of his region's health administration")
        slots = [slot for _, slot in person.wallet.state.slots]
        officer = officer_of(country.cluster.nodes[home].home, self.federation)
        file = self.entropy.octets(32)
        order = officer.order(Action.SUSPEND, slots, OrderReason.INFECTION, file, now=self.now)
        epoch = country.ask(country.nodes[home].status.submit_order(order.encode()))
        self._note(f"in the public log; it counts from epoch {epoch}")
        self._note("three epochs pass: the last list with an old key of his ends")
        end = self.federation.clock.start(epoch + 2) + TICK_SECONDS
        while self.now < end:
            self._turn()
        self.revoked.add(SUSPENDED)

    def _modified_wallets(self) -> None:
        time.sleep(3 * TICK_SECONDS)
        super()._modified_wallets()

    def _every_bundle(self, gate: str) -> list[GateBundle]:
        """The last ones; those of the first epochs may hold too few regions for anybody."""
        epochs = sorted({t for t, _ in self.directory.view.regions[gate].lists})
        found = []
        for epoch in epochs[-_TRIED:]:
            moment = self.federation.clock.start(epoch + 1)
            with suppress(PeerError):
                found.append(
                    self.book.get(gate, POLICY, epoch=epoch, now=moment, entropy=self.entropy)
                )
        return found
