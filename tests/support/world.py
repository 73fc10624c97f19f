"""A small federation in memory: every role real, nothing stored, virtual time.

Used by the tests of everything above the cryptography. `World` plays host for all
regions: it carries out effects, feeds views and hands blobs out.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field

import nacl.signing

from guosuo.curve.entropy import Entropy
from guosuo.errors import PeerError, Reason
from guosuo.evidence.facts import EvidenceFact, EvidenceKind
from guosuo.evidence.registry import NAAT
from guosuo.federation.charter import (
    HOLD_EPOCHS,
    LATE_EPOCHS,
    Charter,
    Environment,
    Federation,
    Member,
    Name,
    Parameters,
    Witness,
    open_charter,
    sign_charter,
)
from guosuo.federation.entries import Action, CheckpointInfo, OrderEntry, OrderReason
from guosuo.federation.lists import REMOVED
from guosuo.federation.records import Append, Effects, Kind, LogWriter, PutBlob, digest
from guosuo.federation.trust_list import Absence
from guosuo.federation.view import FederationView
from guosuo.policy.simple import Way, simple_policy
from guosuo.roles.auditor import Auditor
from guosuo.roles.bundle import GateBundle, audit_bundle
from guosuo.roles.checkpoint import Checkpoint, CheckpointState
from guosuo.roles.enrolment import RefusalCode
from guosuo.roles.gate import GateAuthority, GateState
from guosuo.roles.holding import Consent, HeldSlot
from guosuo.roles.issuer import Issuer
from guosuo.roles.officer import Officer, health_administration, organisation_of
from guosuo.roles.verdict import Outcome
from guosuo.roles.wallet import Wallet
from guosuo.suite import Suite

EPOCH = 4 * 3600
DAY = 86_400
ZERO = 1_600_000_000
REGIONS = ("110000", "330000", "360000", "440000")
POLICY = "entry"
EVERY_CONSENT = Consent(new_place=True)


def seeded(seed: int) -> Entropy:
    """Reproducible entropy for tests."""
    return Entropy(random.Random(seed).randbytes)


def fact(
    kind: EvidenceKind = EvidenceKind.TEST,
    *,
    event_time: int,
    product: int = NAAT,
    doses: int = 0,
    series: int = 0,
    born: int | None = None,
    name: bytes = b"document",
) -> EvidenceFact:
    """A piece of evidence; a PCR test unless told otherwise.

    Vaccinations and recoveries are of the day of the event; a recovery is valid from
    day 11 to day 180.
    """
    if kind is not EvidenceKind.TEST:
        event_time -= event_time % DAY
    recovered = kind is EvidenceKind.RECOVERY
    return EvidenceFact(
        kind=kind,
        product=product,
        doses=doses,
        series=series,
        event_time=event_time,
        born=born,
        valid_from=event_time + 11 * DAY if recovered else None,
        valid_until=event_time + 180 * DAY if recovered else None,
        digest=digest(name),
    )


def clause(kind: EvidenceKind, *, max_hours: int | None, min_hours: int = 0, doses: int = 0) -> Way:
    """A way to be accepted, with one product, for small tables."""
    products = {
        EvidenceKind.TEST: ("LP6464-4",),
        EvidenceKind.VACCINATION: ("EU/1/20/1528",),
        EvidenceKind.RECOVERY: None,
    }
    return Way(
        kind=kind,
        products=products[kind],
        descriptions=(("en", "test clause"),),
        min_doses=doses,
        min_hours=min_hours,
        max_hours=max_hours,
    )


TESTS_72_H = (clause(EvidenceKind.TEST, max_hours=72),)
VACCINATED = (clause(EvidenceKind.VACCINATION, max_hours=270 * 24, doses=2),)


@dataclass
class Region:
    """All roles and records of one region."""

    name: str
    issuer: Issuer
    gate: GateAuthority
    writer: LogWriter
    checkpoint: Checkpoint
    entries: list[bytes] = field(default_factory=list)


class World:
    """Four regions by default; time stands until `turn` or `advance`."""

    def __init__(
        self,
        regions: tuple[str, ...] = REGIONS,
        *,
        seed: int = 1,
        suite: Suite | None = None,
        min_regions: int = 2,
        min_crowd: int = 0,
        bucket_slots: int = 16,
        policies: dict[str, tuple[Way, ...]] | None = None,
        witnesses: int = 0,
    ) -> None:
        self.entropy = seeded(seed)
        self.blobs: dict[bytes, bytes] = {}
        self.roots = {r: nacl.signing.SigningKey(self.entropy.octets(32)) for r in regions}
        self.offices = {r: nacl.signing.SigningKey(self.entropy.octets(32)) for r in regions}
        self.logs = {r: nacl.signing.SigningKey(self.entropy.octets(32)) for r in regions}
        self.witnesses = {
            f"witness-{i}": nacl.signing.SigningKey(self.entropy.octets(32))
            for i in range(1, witnesses + 1)
        }
        charter = Charter(
            version=1,
            suite=(suite or Suite.sha256()).name,
            environment=Environment.TEST,
            members=tuple(
                Member(
                    region=r,
                    names=(Name(language="en", text=f"Region {r}"),),
                    root_key=bytes(self.roots[r].verify_key),
                    log_key=bytes(self.logs[r].verify_key),
                )
                for r in sorted(regions)
            ),
            witnesses=tuple(
                Witness(name=name, operator=f"operator-{name}", key=bytes(key.verify_key))
                for name, key in self.witnesses.items()
            )
            or None,
            organisations=tuple(
                health_administration(
                    r,
                    (Name(language="en", text=f"Health {r}"),),
                    bytes(self.offices[r].verify_key),
                )
                for r in sorted(regions)
            ),
            parameters=Parameters(
                epoch_zero=ZERO,
                epoch_seconds=EPOCH,
                tick_seconds=30,
                min_regions=min_regions,
                min_crowd=min_crowd,
                slots_per_person=4,
                bucket_slots=bucket_slots,
                late_epochs=LATE_EPOCHS,
                hold_epochs=HOLD_EPOCHS,
            ),
        )
        self.suite = suite or Suite.sha256()
        self.signed_charter = sign_charter(charter, self.roots).encode()
        self.federation: Federation = open_charter(self.signed_charter, self.suite)
        self.view = FederationView(self.federation, self.fetch)
        self.auditor = Auditor(self.view)
        self.epoch = 99
        self.now = self.federation.clock.start(self.epoch)
        self.regions = {r: self._region(r) for r in regions}
        self.people = 0
        for name in regions:
            clauses = (policies or {}).get(name, TESTS_72_H)
            self.publish(name, self.regions[name].gate.publish_checkpoints(self._places(name)))
            self.publish_policy(name, clauses)
        self.turn()
        self.turn()

    # --- hosting ----------------------------------------------------------------------

    def publish(self, name: str, effects: Effects) -> None:
        """Carry out effects in order, feed the view and the region's own checkpoint."""
        region = self.regions[name]
        for effect in effects:
            match effect:
                case PutBlob(data):
                    self.blobs[digest(data)] = data
                case Append(kind, body):
                    entry = region.writer.append(kind, body)
                    region.entries.append(entry)
                    self.view.append(name, entry)
                    region.checkpoint.load(entry)
                    if kind is Kind.EPOCH:
                        region.issuer.logged(digest(entry))

    def fetch(self, name: bytes) -> bytes:
        """A blob by hash."""
        if name not in self.blobs:
            raise PeerError(Reason.RECORD_MISSING)
        return self.blobs[name]

    def publish_policy(self, name: str, clauses: tuple[Way, ...]) -> None:
        """The next version of the region's policy, in force for a year."""
        gate = self.regions[name].gate
        document = simple_policy(
            clauses,
            region=name,
            policy=POLICY,
            version=gate.state.policies.get(POLICY, 0) + 1,
            not_before=self.now,
            not_after=self.now + 365 * 86_400,
        )
        self.publish(name, gate.publish_policy(document, self.entropy))

    def turn(self, *, absent: dict[str, str] | None = None) -> None:
        """The next epoch: every region re-signs, everybody audits, every gate lists.

        Afterwards it is half past the epoch's first third: everybody shows under
        the new list.
        """
        self.epoch += 1
        self.now = self.federation.clock.start(self.epoch) + EPOCH // 2
        gone = absent or {}
        for name, region in self.regions.items():
            if name not in gone:
                self.publish(name, region.issuer.turn_epoch(self.epoch, self.entropy))
                self.auditor.follow(name, self.fetch)
        for name, region in self.regions.items():
            self.publish(name, region.gate.prepare_parts(self.epoch, self.entropy, ahead=1))
            found = self.auditor.listable(self.epoch, name)
            admitted = [a for a in found if a.published.id.region not in gone]
            removed = {
                r: why for r, why in self.auditor.listing(self.epoch, name).absent if why == REMOVED
            }
            explained = [Absence(region=r, reason=why) for r, why in (gone | removed).items()]
            self.publish(
                name,
                region.gate.publish_list(self.epoch, admitted, self.entropy, absent=explained),
            )

    def tick(self) -> None:
        """Half a minute later."""
        self.now += 30

    # --- people -----------------------------------------------------------------------

    def wallet(self) -> Wallet:
        """A new wallet."""
        return Wallet.create(self.federation, self.entropy)

    def enrol(
        self,
        wallet: Wallet,
        name: str,
        evidence: EvidenceFact | None = None,
        *,
        person: bytes | None = None,
        slot: int | None = None,
    ) -> HeldSlot | RefusalCode:
        """The whole enrolment of one piece of evidence (a fresh test by default)."""
        issuer = self.regions[name].issuer
        if person is None:
            self.people += 1
            person = b"person %d" % self.people
        proven = evidence or fact(event_time=self.now - 3600)
        offer = issuer.offer(self.now, self.entropy)
        request = wallet.request(name, offer, proven, self.now, self.entropy, slot=slot)
        answer = issuer.enrol(request, person, proven, self.now, self.entropy)
        return wallet.conclude(answer, self.view)

    def holder(self, name: str, evidence: EvidenceFact | None = None) -> Wallet:
        """A wallet with one enrolled slot."""
        wallet = self.wallet()
        held = self.enrol(wallet, name, evidence)
        assert isinstance(held, HeldSlot)
        return wallet

    def refresh(self, wallet: Wallet) -> list[str]:
        """Refresh every slot for the newest epoch of its region."""
        found = []
        for region, slot in list(wallet.state.slots):
            published = self.view.region(region).latest()
            assert published is not None
            found.append(wallet.refresh(region, slot, published, self.fetch).value)
        return found

    def suspend(self, name: str, wallet: Wallet) -> None:
        """An order against all slots of a wallet in one region."""
        slots = [slot for region, slot in wallet.state.slots if region == name]
        self.order(name, Action.SUSPEND, slots)

    def order(
        self,
        name: str,
        action: Action,
        slots: Iterable[int],
        reason: OrderReason = OrderReason.INFECTION,
    ) -> None:
        """An order of the region's organisation, logged."""
        self.publish(
            name, self.regions[name].issuer.order(self.signed(name, action, slots, reason))
        )

    def signed(
        self,
        name: str,
        action: Action,
        slots: Iterable[int],
        reason: OrderReason = OrderReason.INFECTION,
    ) -> OrderEntry:
        """An order of the region's organisation, not logged."""
        officer = Officer(self.federation, organisation_of(name), self.offices[name])
        return officer.order(action, slots, reason, self.entropy.octets(32), now=self.now)

    def new_phone(self, name: str, person: bytes) -> frozenset[int]:
        """Forget the wallet of a person and retire all slots."""
        slots = self.regions[name].issuer.new_phone(person)
        if slots:
            self.order(name, Action.RETIRE, slots, OrderReason.HOLDER)
        return slots

    # --- crossings --------------------------------------------------------------------

    def bundle(self, gate: str, epoch: int | None = None, home: str | None = None) -> GateBundle:
        """Audit the bundle that everybody shows under at that gate now."""
        return audit_bundle(
            self.view,
            gate,
            POLICY,
            epoch=self.federation.clock.shown_epoch(self.now) if epoch is None else epoch,
            now=self.now,
            fetch=self.fetch,
            entropy=self.entropy,
            home=home,
        )

    def show(self, wallet: Wallet, gate: str, bundle: GateBundle | None = None) -> str:
        """The text of a show at a gate's checkpoint."""
        poster = self.regions[gate].checkpoint.poster()
        return wallet.show(
            poster,
            bundle or self.bundle(gate),
            self.view,
            self.now,
            self.entropy,
            EVERY_CONSENT,
        ).text()

    def cross(self, wallet: Wallet, gate: str) -> Outcome:
        """Show at a gate, and what its checkpoint says."""
        text = self.show(wallet, gate)
        return self.regions[gate].checkpoint.verify(text, self.now, self.entropy)

    def _region(self, name: str) -> Region:
        return Region(
            name,
            Issuer.found(self.federation, name, self.roots[name], self.logs[name], self.entropy),
            GateAuthority(self.federation, GateState(name)),
            LogWriter(self.logs[name], self.federation.id, name),
            Checkpoint(self.federation, CheckpointState(name, f"gate-{name}", POLICY)),
        )

    def _places(self, name: str) -> list[CheckpointInfo]:
        return [
            CheckpointInfo(
                checkpoint=f"gate-{name}",
                names=(Name(language="en", text=f"Gate of {name}"),),
                place="Main road",
                policy=POLICY,
            )
        ]
