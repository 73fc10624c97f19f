"""`guosuo demo --nodes N --holders M`: a whole country on one machine.

Every region is a process of the operating system with its own directory, keys and ports;
holders are wallets in this program. All holders enrol the same few test certificates, each
as a person of his own: the crowd is invented, everything that happens to it is real.
"""

from __future__ import annotations

import base64
import json
import random
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from rich.console import Console
from rich.progress import track

from guosuo.cli import places
from guosuo.cli.demo import demo_data, prepare_folder
from guosuo.cli.demo_story import POLICIES
from guosuo.curve.entropy import Entropy
from guosuo.errors import CallerError, Reason
from guosuo.evidence.dcc import VerifiedDcc, verify
from guosuo.evidence.facts import fact_from_dcc
from guosuo.evidence.trust import TrustAnchor, TrustAnchors
from guosuo.federation.entries import Action, OrderReason
from guosuo.host.files import write_atomically
from guosuo.host.pictures import read_picture
from guosuo.policy.clear import accepts
from guosuo.roles.bundle import GateBundle
from guosuo.roles.holding import Consent
from guosuo.roles.verdict import Outcome, Verdict
from guosuo.roles.wallet import Wallet
from guosuo.suite import Suite
from guosuo_node.cli.making import officer_of
from guosuo_node.demo.nationwide import Nationwide

T = TypeVar("T")
MOST_NODES: Final = 31
_SUSPENDED: Final = 0.01
"""Part of the holders that is suspended."""
_CERTIFICATES: Final = ("LT-2.png", "SK-4.png", "CH-3.png", "SK-5.png")
_TEMPLATES: Final = tuple(POLICIES.values())


@dataclass(slots=True)
class Holder:
    """Somebody with a wallet and one certificate."""

    home: str
    wallet: Wallet
    document: VerifiedDcc
    suspended: bool = False


class Country:
    """Many regions, many holders, one round before and one after some are suspended."""

    def __init__(
        self,
        suite: Suite,
        entropy: Entropy,
        folder: Path,
        console: Console,
        *,
        regions: int,
        holders: int,
    ) -> None:
        """Regions are the first of the table of provinces; each takes one of four policies."""
        self.data = json.loads(demo_data("index.json"))
        chosen = tuple(sorted(places.PROVINCES))[:regions]
        self.entropy, self.folder, self.console = entropy, folder, console
        self.count = holders
        self.holders: list[Holder] = []
        self._shown = -1
        self.dice = random.Random(1)  # noqa: S311 - who travels where is no secret
        self.country = Nationwide(
            suite=suite,
            entropy=entropy,
            folder=folder,
            console=console,
            policies={r: _TEMPLATES[i % len(_TEMPLATES)] for i, r in enumerate(chosen)},
            anchors=self.data["anchors"],
            then=self.data["now"],
            # Few cores and many processes: an epoch must be long enough for all of them.
            epoch_seconds=max(20, 5 * regions),
            wallets=lambda: [holder.wallet for holder in self.holders],
        )

    def run(self) -> bool:
        """Tell it; whether everything was as the policies say."""
        started, country = time.monotonic(), self.country
        prepare_folder(self.folder)
        self._say(f"{len(country.regions)} regions' nodes found a federation")
        try:
            country.begin()
            self._note(f"{len(country.cluster.nodes)} processes; nothing shared but TLS")
            self._turn()
            self._enrol()
            self._turn()
            before = self._cross("before anybody is suspended")
            self._suspend()
            after = self._cross("after the suspension")
        finally:
            country.end()
        self._note(
            f"{len(country.regions)} nodes, {len(self.holders)} holders, "
            f"{2 * len(self.holders)} crossings, {before + after} not as the policies say; "
            f"{time.monotonic() - started:.0f} s"
        )
        return before + after == 0

    # --- the story --------------------------------------------------------------------------

    def _turn(self) -> None:
        epoch = self.country.next_epoch()
        self._note(f"epoch {epoch}: signed, judged and listed by all nodes")

    def _enrol(self) -> None:
        self._say(f"{self.count} holders enrol with their regions' nodes")
        country = self.country
        anchors = TrustAnchors(
            [
                TrustAnchor(base64.b64decode(anchor["certificate"]), test_only=True)
                for anchor in self.data["anchors"]
            ],
            allow_test=True,
        )
        texts = []
        for name in _CERTIFICATES:
            write_atomically(self.folder / "certificates" / name, demo_data(name))
            texts.append(read_picture(self.folder / "certificates" / name))
        documents = [verify(text, anchors, now=country.now) for text in texts]
        for number in self._progress(list(range(self.count)), "enrolling"):
            home = country.regions[number % len(country.regions)]
            pick = self.dice.randrange(len(documents))
            wallet = Wallet.create(country.federation, self.entropy)
            country.enrol(wallet, home, documents[pick], texts[pick], f"person {number}")
            self.holders.append(Holder(home, wallet, documents[pick]))

    def _cross(self, moment: str) -> int:
        """Everybody crosses into another region once; how many verdicts were not expected."""
        self._say(f"Everybody travels, {moment}")
        wrong, counts, country = 0, Counter[str](), self.country
        started = time.monotonic()
        for holder in self._progress(self.holders, "crossing"):
            gate = self.dice.choice([r for r in country.regions if r != holder.home])
            if country.federation.clock.shown_epoch(country.now) != self._shown:
                country.follow()
                self._shown = country.federation.clock.shown_epoch(country.now)
            outcome, expected = self._one(holder, gate)
            counts[str(outcome)] += 1
            wrong += outcome.verdict is not expected
        said = ", ".join(f"{name}: {count}" for name, count in sorted(counts.items()))
        self._note(f"{said}; {time.monotonic() - started:.0f} s")
        return wrong

    def _one(self, holder: Holder, gate: str) -> tuple[Outcome, Verdict]:
        country, consent = self.country, Consent(new_place=True)
        checkpoint, bundle = country.checkpoints[gate], country.bundle(gate)
        poster, view, now = checkpoint.poster(), country.directory.view, country.now
        try:
            frame = holder.wallet.show(poster, bundle, view, now, self.entropy, consent)
        except CallerError as error:
            if error.reason not in (Reason.NOT_ACCEPTED_THERE, Reason.NO_CREDENTIAL):
                raise
            frame = holder.wallet.show_blank(poster, bundle, view, now, self.entropy, consent)
        outcome = checkpoint.verify(frame.text(), country.now, self.entropy)
        return outcome, self._expected(holder, bundle)

    def _expected(self, holder: Holder, bundle: GateBundle) -> Verdict:
        """By the policy in clear, from now to the end of the key's life."""
        if holder.suspended:
            return Verdict.NOT_SATISFIED
        fact, clock = fact_from_dcc(holder.document), self.country.federation.clock
        end = clock.key_life(bundle.part.part.epoch)[1] - 1
        good = all(accepts(bundle.document, fact, at) for at in (self.country.now, end))
        return Verdict.ACCEPT if good else Verdict.NOT_SATISFIED

    def _suspend(self) -> None:
        country, latest = self.country, 0
        chosen = self.dice.sample(self.holders, max(1, round(_SUSPENDED * len(self.holders))))
        self._say(f"{len(chosen)} of them are suspended by orders of their regions")
        for holder in chosen:
            holder.suspended = True
            slots = [slot for _, slot in holder.wallet.state.slots]
            officer = officer_of(country.cluster.nodes[holder.home].home, country.federation)
            order = officer.order(
                Action.SUSPEND,
                slots,
                OrderReason.INFECTION,
                self.entropy.octets(32),
                now=country.now,
            )
            status = country.nodes[holder.home].status
            latest = max(latest, country.ask(status.submit_order(order.encode())))
        self._note("three epochs pass: the last list with an old key of theirs ends")
        end = country.federation.clock.start(latest + 2) + 1
        while country.now < end:
            self._turn()

    # --- talking ----------------------------------------------------------------------------

    def _progress(self, items: Sequence[T], what: str) -> Iterable[T]:
        return track(items, f"   {what}", console=self.console, transient=True)

    def _say(self, text: str) -> None:
        self.console.print(f"[bold cyan]{text}[/bold cyan]")

    def _note(self, text: str) -> None:
        self.console.print(f"   {text}", highlight=False)
