"""`guosuo demo`: travellers of four regions cross into each other's, on real input.

Everything is real but the clock and the people: certificates are read from their
QR pictures, records are signed files, every show is a PNG that a checkpoint reads
back. The clock is virtual, so that epochs pass in a moment.
"""

from __future__ import annotations

import base64
import io
import json
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from itertools import product
from pathlib import Path

import nacl.signing
from rich.console import Console

from guosuo.cli import places
from guosuo.cli.demo_report import Report, Row
from guosuo.cli.demo_story import (
    CONTROL,
    EPOCH_SECONDS,
    EPOCH_ZERO,
    POLICIES,
    POLICY,
    REGIONS,
    SUSPENDED,
    TICK_SECONDS,
    TRAVELLERS,
    Traveller,
)
from guosuo.credential.renewal import blind_scalar
from guosuo.curve.entropy import Entropy
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.evidence.dcc import VerifiedDcc, verify
from guosuo.evidence.facts import fact_from_dcc
from guosuo.evidence.person import Identified
from guosuo.evidence.trust import TrustAnchor, TrustAnchors
from guosuo.federation.charter import (
    HOLD_EPOCHS,
    LATE_EPOCHS,
    Charter,
    Environment,
    Member,
    Name,
    Parameters,
    sign_charter,
)
from guosuo.federation.entries import Action, CheckpointInfo, OrderReason
from guosuo.federation.records import Effects, LogWriter
from guosuo.host.directory import FederationDirectory
from guosuo.host.files import write_atomically
from guosuo.host.pictures import make_code, png, read_picture
from guosuo.host.region import RegionHost
from guosuo.policy.clear import accepts
from guosuo.policy.simple import simple_policy
from guosuo.presentation.frame import Frame, Poster
from guosuo.presentation.proof import Holding, present
from guosuo.presentation.setting import Setting
from guosuo.roles.auditor import Auditor
from guosuo.roles.bundle import BundleBook, GateBundle, default_min_regions
from guosuo.roles.checkpoint import Checkpoint, CheckpointState
from guosuo.roles.enrolment import RefusalCode
from guosuo.roles.gate import GateAuthority, GateState
from guosuo.roles.holding import Consent
from guosuo.roles.issuer import Issuer
from guosuo.roles.officer import Officer, health_administration, organisation_of
from guosuo.roles.verdict import Outcome, Verdict
from guosuo.roles.wallet import Wallet
from guosuo.suite import Suite

MARK = ".guosuo-demo"
"""A folder with this file in it was written by the demonstration and may be replaced."""


@dataclass(slots=True)
class Person:
    """A traveller with wallet and documents."""

    story: Traveller
    wallet: Wallet
    documents: list[VerifiedDcc]


class Demo:
    """The whole story; `run` tells it."""

    now: int
    """The clock that everybody in the story goes by, Unix seconds."""

    def __init__(
        self, suite: Suite, entropy: Entropy, folder: Path, console: Console, *, codes: bool
    ) -> None:
        """`codes`: print every QR code in the terminal as well."""
        self.suite, self.entropy, self.folder = suite, entropy, folder
        self.console, self.codes = console, codes
        self.report = Report(engine=suite.engine.name, folder=str(folder))
        self.data = json.loads(demo_data("index.json"))
        self.now = self.data["now"]
        self.people: list[Person] = []
        self.revoked: set[str] = set()

    def run(self) -> Report:
        """Found, read, enrol, travel, suspend, travel again."""
        started = time.perf_counter()
        prepare_folder(self.folder)
        self._found()
        documents = self._read_certificates()
        self._turn()
        self._enrol(documents)
        self._turn()
        self._travel("before")
        self._suspend()
        self._travel("after")
        self._modified_wallets()
        self.report.seconds = round(time.perf_counter() - started, 1)
        return self.report

    # --- 1. four regions ------------------------------------------------------------------

    def _found(self) -> None:
        self._say("Four regions found a federation")
        roots = {r: nacl.signing.SigningKey(self.entropy.octets(32)) for r in REGIONS}
        logs = {r: nacl.signing.SigningKey(self.entropy.octets(32)) for r in REGIONS}
        officers = {r: nacl.signing.SigningKey(self.entropy.octets(32)) for r in REGIONS}
        charter = Charter(
            version=1,
            suite=self.suite.name,
            environment=Environment.TEST,
            members=tuple(
                Member(
                    region=r,
                    names=places.names(r),
                    root_key=bytes(roots[r].verify_key),
                    log_key=bytes(logs[r].verify_key),
                )
                for r in sorted(REGIONS)
            ),
            organisations=tuple(
                health_administration(r, places.names(r), bytes(officers[r].verify_key))
                for r in sorted(REGIONS)
            ),
            parameters=Parameters(
                epoch_zero=EPOCH_ZERO,
                epoch_seconds=EPOCH_SECONDS,
                tick_seconds=TICK_SECONDS,
                min_regions=default_min_regions(len(REGIONS)),
                min_crowd=0,
                slots_per_person=4,
                bucket_slots=1024,
                late_epochs=LATE_EPOCHS,
                hold_epochs=HOLD_EPOCHS,
            ),
        )
        FederationDirectory.found(self.folder, sign_charter(charter, roots).encode())
        self.directory = FederationDirectory(self.folder, self.suite)
        self.federation = self.directory.federation
        self.auditor = Auditor(self.directory.view)
        self.book = BundleBook(self.directory.view, self.directory.fetch)
        self.hosts = {
            r: RegionHost(
                Issuer.found(self.federation, r, roots[r], logs[r], self.entropy),
                GateAuthority(self.federation, GateState(r)),
                LogWriter(logs[r], self.federation.id, r),
                self.directory.regions[r],
                Officer(self.federation, organisation_of(r), officers[r]),
            )
            for r in REGIONS
        }
        self.checkpoints = {
            r: Checkpoint(self.federation, CheckpointState(r, _gate(r), POLICY)) for r in REGIONS
        }
        for region in REGIONS:
            self._publish_gate(region)

    def _publish_gate(self, region: str) -> None:
        host = self.hosts[region]
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
        self._publish(region, host.gate.publish_checkpoints([info]))
        self._publish(region, host.gate.publish_policy(document, self.entropy))
        rules = "; ".join(way.descriptions[0][1] for way in POLICIES[region])
        policy = self.directory.view.regions[region].policies[POLICY, 1].part
        size = len(self.directory.fetch(policy.table))
        self._note(f"{places.label(region)}: {rules} (table {size:,} octets)")
        self.report.regions.append(
            {"region": region, "name": places.label(region), "policy": rules}
        )

    # --- 2. real certificates ----------------------------------------------------------------

    def _read_certificates(self) -> dict[str, VerifiedDcc]:
        self._say("EU DCC test certificates are read from their QR pictures")
        anchors = TrustAnchors(
            [
                TrustAnchor(base64.b64decode(anchor["certificate"]), test_only=True)
                for anchor in self.data["anchors"]
            ],
            allow_test=True,
        )
        folder = self.folder / "certificates"
        documents: dict[str, VerifiedDcc] = {}
        for item in self.data["certificates"]:
            name = item["file"]
            write_atomically(folder / name, demo_data(name))
            try:
                documents[name] = verify(read_picture(folder / name), anchors, now=self.now)
                result = "ok"
            except PeerError as error:
                result = error.reason.value
            self._note(f"{name}: {item['country']} {item['kind']}, {item['note']}: {result}")
            self.report.certificates.append(
                {"file": name, "result": result, "expected": item["expected"]}
            )
        return documents

    # --- 3. enrolment and epochs ---------------------------------------------------------------

    def _enrol(self, documents: dict[str, VerifiedDcc]) -> None:
        self._say("Wallets enrol with their home regions")
        for story in TRAVELLERS:
            wallet = Wallet.create(self.federation, self.entropy)
            own = [documents[name] for name in story.pictures]
            # The stand-in for a counter check: the person is who the document names.
            identified = Identified(story.name.encode(), own[0].holder)
            host = self.hosts[story.home]
            for document in own:
                offer = host.issuer.offer(self.now, self.entropy)
                fact = fact_from_dcc(document)
                request = wallet.request(story.home, offer, fact, self.now, self.entropy)
                answer = host.enrol(request, identified, document, self.now, self.entropy)
                held = wallet.conclude(answer, self.directory.view)
                if isinstance(held, RefusalCode):
                    raise CallerError(Reason.REFUSED_BY_REGION, held.value)
            self.people.append(Person(story, wallet, own))
            self._note(f"{story.name} in {places.label(story.home)}: {len(own)} slot(s)")

    def _turn(self) -> None:
        """The next epoch everywhere: re-sign, audit, list; then wallets refresh."""
        clock = self.federation.clock
        epoch = clock.epoch_at(self.now)
        if self.directory.view.regions[REGIONS[0]].epoch(epoch) is not None:
            epoch += 1
        self.now = max(self.now, clock.start(epoch) + EPOCH_SECONDS // 2)
        for region, host in self.hosts.items():
            self._publish(region, host.issuer.turn_epoch(epoch, self.entropy))
            self.auditor.follow(region, self.directory.fetch)
        for region, host in self.hosts.items():
            self._publish(region, host.gate.prepare_parts(epoch, self.entropy))
            admitted = self.auditor.listable(epoch)
            self._publish(region, host.gate.publish_list(epoch, admitted, self.entropy))
        for person in self.people:
            for region, slot in person.wallet.state.slots:
                published = self.directory.view.regions[region].epoch(epoch)
                if published is not None:
                    person.wallet.refresh(region, slot, published, self.directory.fetch)
        self._note(f"epoch {epoch} turned; the clock says {_text(self.now)}")

    def _publish(self, region: str, effects: Effects) -> None:
        for entry in self.hosts[region].publish(effects):
            self.checkpoints[region].load(entry)
        self.directory.catch_up()

    # --- 4. travelling ----------------------------------------------------------------------

    def _travel(self, moment: str) -> None:
        self._say(f"Shows, as pictures, at other regions' gates, {moment} the suspension")
        for person in self.people:
            for gate in person.story.travels:
                self._cross(person, gate, moment)

    def _cross(self, person: Person, gate: str, moment: str) -> None:
        poster, bundle = self.checkpoints[gate].poster(), self._bundle(gate)
        started = time.perf_counter()
        frame, shown = self._answer(person.wallet, poster, bundle)
        showing = time.perf_counter() - started
        name = f"{moment.split(maxsplit=1)[0]}-{person.story.name}-{gate}.png"
        outcome, octets, version, verifying = self._scan(frame, gate, name)
        expected = self._expected(person, bundle)
        self.report.seen = self.report.seen or (
            f"list {frame.epoch}.{frame.revision}, policy {frame.policy_version}, "
            f"tick {frame.tick}, place {frame.place.hex()}, {frame.mode.name.lower()} mode"
        )
        row = Row(
            who=person.story.name,
            home=person.story.home,
            gate=gate,
            moment=moment,
            shown=shown,
            verdict=str(outcome),
            expected=expected.value,
            octets=octets,
            qr_version=version,
            show_ms=round(showing * 1000, 1),
            verify_ms=round(verifying * 1000, 1),
            picture=str(self.folder / "shows" / name),
        )
        self.report.rows.append(row)
        self._note(
            f"{row.who} at {places.label(gate)}: {row.verdict}"
            + ("" if row.verdict == row.expected else f", EXPECTED {row.expected}")
        )

    def _answer(self, wallet: Wallet, poster: Poster, bundle: GateBundle) -> tuple[Frame, str]:
        yes = Consent(new_place=True)
        view = self.directory.view
        try:
            return wallet.show(poster, bundle, view, self.now, self.entropy, yes), "proof"
        except CallerError as error:
            if error.reason not in (Reason.NOT_ACCEPTED_THERE, Reason.NO_CREDENTIAL):
                raise
        return wallet.show_blank(poster, bundle, view, self.now, self.entropy, yes), "blank"

    def _scan(self, frame: Frame, gate: str, name: str) -> tuple[Outcome, int, int, float]:
        """Write the code as a picture, print it, read the picture back, decide."""
        code = make_code(frame.text())
        path = self.folder / "shows" / name
        write_atomically(path, png(code))
        if self.codes:
            drawn = io.StringIO()
            code.terminal(out=drawn, compact=True, border=2)
            self.console.file.write(f"{path}\n{drawn.getvalue()}\n")
        text = read_picture(path)
        started = time.perf_counter()
        outcome = self.checkpoints[gate].verify(text, self.now, self.entropy)
        elapsed = time.perf_counter() - started
        assert isinstance(code.version, int)  # noqa: S101 - for the type checker
        return outcome, len(frame.encode()), code.version, elapsed

    def _bundle(self, gate: str) -> GateBundle:
        epoch = self.federation.clock.shown_epoch(self.now)
        return self.book.get(gate, POLICY, epoch=epoch, now=self.now, entropy=self.entropy)

    def _expected(self, person: Person, bundle: GateBundle) -> Verdict:
        """By the policy in clear: accepted from now to the end of the key's life."""
        if person.story.name in self.revoked:
            return Verdict.NOT_SATISFIED
        end = self.federation.clock.key_life(bundle.part.part.epoch)[1] - 1
        for document in person.documents:
            fact = fact_from_dcc(document)
            if all(accepts(bundle.document, fact, moment) for moment in (self.now, end)):
                return Verdict.ACCEPT
        return Verdict.NOT_SATISFIED

    # --- 5. suspension ------------------------------------------------------------------------

    def _suspend(self) -> None:
        person = next(p for p in self.people if p.story.name == SUSPENDED)
        self._say(f"{SUSPENDED} is suspended by an order in his region's public log")
        slots = [slot for _, slot in person.wallet.state.slots]
        host = self.hosts[person.story.home]
        host.order(Action.SUSPEND, slots, OrderReason.INFECTION, self.now, self.entropy)
        self.directory.catch_up()
        self._note("three epochs pass: the last list with an old key of his ends")
        for _ in range(3):
            self._turn()
        self.revoked.add(SUSPENDED)

    def _modified_wallets(self) -> None:
        """The suspended holder against a control: the same tricks with a lawful holder's wallet."""
        self._say(f"{SUSPENDED} tries a modified wallet that kept everything")
        self.now += 3 * TICK_SECONDS
        for person in self.people:
            if person.story.name in (SUSPENDED, CONTROL):
                counts = self._try_everything(person.wallet)
                self.report.modified_wallets[person.story.name] = counts
                said = ", ".join(f"{name}: {count}" for name, count in counts.items())
                self._note(f"{person.story.name}: {said}")

    def _try_everything(self, wallet: Wallet) -> dict[str, int]:
        """Every credential ever held, with everything ever handed out, at every gate.

        Each attempt claims one list version ever published and uses the parts of
        one bundle ever published, the same or another.
        """
        counts: Counter[str] = Counter()
        for gate in REGIONS:
            bundles = self._every_bundle(gate)
            for claimed, used in product(bundles, bundles):
                for holding in forced_holdings(wallet, used):
                    tick = self.federation.clock.tick_at(self.now)
                    setting = Setting(
                        self.federation.scheme, claimed.part, claimed.policy, _gate(gate), tick
                    )
                    shown = present(setting, holding, self.entropy)
                    part = claimed.part.part
                    frame = Frame(
                        part.epoch,
                        part.revision,
                        claimed.policy.part.version,
                        tick,
                        setting.place(),
                        setting.mode,
                        shown.encode(),
                    )
                    verdict = self.checkpoints[gate].verify(frame.text(), self.now, self.entropy)
                    counts.update(("attempts", verdict.verdict.value))
        return dict(counts)

    def _every_bundle(self, gate: str) -> list[GateBundle]:
        start = self.federation.clock.start
        return [
            self.book.get(gate, POLICY, epoch=t, now=start(t + 1), entropy=self.entropy)
            for t, _ in self.directory.view.regions[gate].lists
        ]

    # --- talking --------------------------------------------------------------------------------

    def _say(self, text: str) -> None:
        self.console.print(f"[bold cyan]{text}[/bold cyan]")

    def _note(self, text: str) -> None:
        self.console.print(f"   {text}", highlight=False)


def forced_holdings(wallet: Wallet, bundle: GateBundle) -> Iterator[Holding]:
    """What a dishonest holder could try: own renewals, with others' parts where own are missing."""
    scheme = wallet.federation.scheme
    any_key, any_entry = next(iter(bundle.keys.t)), next(iter(bundle.table.entries.values()))
    for held in wallet.state.slots.values():
        for key_id, renewal in held.renewals.items():
            used = key_id if key_id in bundle.keys.t else any_key
            blind = blind_scalar(scheme, key_id, held.slot_key, renewal.evidence)
            yield Holding(
                signature=renewal.signature,
                public=bundle.keys.w[used],
                blinding=held.blinding + blind,
                link=wallet.state.link,
                evidence=renewal.evidence,
                listed=bundle.keys.t[used],
                shift=bundle.keys.s,
                entry=bundle.table.entries.get(renewal.evidence, any_entry),
            )


def prepare_folder(folder: Path) -> None:
    """An empty folder with our mark; only an earlier demonstration is ever replaced."""
    if folder.exists():
        if not folder.is_dir() or (any(folder.iterdir()) and not (folder / MARK).exists()):
            raise CallerError(
                Reason.STORE_EXISTS, "that folder holds something else; name another with --out"
            )
        shutil.rmtree(folder)
    write_atomically(folder / MARK, b"Written by `guosuo demo`; replaced at its next run.\n")


def demo_data(name: str) -> bytes:
    """A file of the demonstration's data."""
    return (resources.files("guosuo.cli") / "demo_data" / name).read_bytes()


def _gate(region: str) -> str:
    return f"{region}-station-1"


def _text(now: int) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M UTC")
