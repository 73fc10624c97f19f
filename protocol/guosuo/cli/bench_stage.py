"""The federation that `guosuo bench` measures in: everything real but its clock.

Four regions with logs and blobs in memory, one gate, one traveller, and a home region
with a full bucket of other people. Two epochs have passed when a `Stage` is ready.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import nacl.signing

from guosuo.cli import places
from guosuo.cli.demo_story import EPOCH_SECONDS, EPOCH_ZERO, POLICY, REGIONS, TICK_SECONDS
from guosuo.credential.board import SlotToRenew
from guosuo.credential.renewal import SLOT_KEY_SIZE, blind_scalar
from guosuo.curve.entropy import Entropy
from guosuo.curve.points import G2, Engine
from guosuo.errors import CallerError, Reason
from guosuo.evidence.facts import EvidenceFact, EvidenceKind
from guosuo.evidence.registry import NAAT
from guosuo.evidence.value import value_at
from guosuo.federation.charter import (
    HOLD_EPOCHS,
    LATE_EPOCHS,
    Charter,
    Environment,
    Member,
    Name,
    Parameters,
    open_charter,
    sign_charter,
)
from guosuo.federation.entries import Board, BucketRef, CheckpointInfo
from guosuo.federation.records import Append, Effects, Kind, LogWriter, PutBlob, digest
from guosuo.federation.trust_list import CheckedPart, ListSecret, check_part, make_keys, make_part
from guosuo.federation.view import FederationView, PublishedEpoch
from guosuo.policy.document import PolicyDocument
from guosuo.policy.simple import Way, recovered, simple_policy, tested, vaccinated
from guosuo.presentation.frame import Frame
from guosuo.presentation.proof import Holding
from guosuo.presentation.setting import Mode, Setting
from guosuo.roles.auditor import Auditor
from guosuo.roles.bundle import BundleBook, GateBundle, default_min_regions
from guosuo.roles.checkpoint import Checkpoint, CheckpointState
from guosuo.roles.enrolment import Answer, EnrolRequest, RefusalCode
from guosuo.roles.gate import SCOPE, GateAuthority, GateState
from guosuo.roles.holding import Consent, Refreshed
from guosuo.roles.issuer import IssuedSlot, Issuer
from guosuo.roles.verdict import Verdict
from guosuo.roles.wallet import Wallet
from guosuo.scheme import KeyId
from guosuo.suite import SHA256_SUITE, Suite

HOME: Final = "440000"
GATE: Final = "110000"
EPOCH: Final = 10_000
"""An epoch number as long as today's: it stands in every frame."""
FEW, MANY = len(REGIONS), len(places.PROVINCES)
"""Regions of the two lists; each has two keys on its list."""
_CHECKPOINT: Final = "railway-1"
_YES: Final = Consent(new_place=True)


@dataclass(frozen=True, slots=True)
class Scale:
    """How much the large operations have to do."""

    slots: int
    """Of a bucket, all present."""
    batch: int
    """Presentations verified together."""
    buckets: int
    """References in the large board index."""
    large_table: bool
    """About 1,000 accepted values, or 25."""


FULL: Final = Scale(slots=1024, batch=100, buckets=1000, large_table=True)
QUICK: Final = Scale(slots=32, batch=8, buckets=50, large_table=False)
TINY: Final = Scale(slots=16, batch=4, buckets=50, large_table=False)
"""For an engine that takes a hundred times as long."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A list that nobody published: part, secret, the wallets' part, the true keys."""

    part: CheckedPart
    secret: ListSecret = field(repr=False)
    keys: bytes = field(repr=False)
    publics: dict[KeyId, G2] = field(repr=False)


class Stage:
    """The federation, one traveller of `HOME`, and the bundle of `GATE`."""

    def __init__(self, engine: Engine, scale: Scale, entropy: Entropy) -> None:
        """Found everything, let two epochs pass, refresh the traveller."""
        self.engine, self.scale, self.entropy = engine, scale, entropy
        roots = {r: nacl.signing.SigningKey(entropy.octets(32)) for r in REGIONS}
        logs = {r: nacl.signing.SigningKey(entropy.octets(32)) for r in REGIONS}
        self.charter = sign_charter(_charter(roots, logs, scale), roots).encode()
        self.federation = open_charter(self.charter, Suite.sha256(engine))
        self.scheme, self.clock = self.federation.scheme, self.federation.clock
        self.view = FederationView(self.federation)
        self.auditor = Auditor(self.view)
        self.issuers = {
            r: Issuer.found(self.federation, r, roots[r], logs[r], entropy) for r in REGIONS
        }
        self.writers = {r: LogWriter(logs[r], self.federation.id, r) for r in REGIONS}
        self.authority = GateAuthority(self.federation, GateState(GATE))
        self.blobs: dict[bytes, bytes] = {}
        self.entries: dict[tuple[str, Kind], bytes] = {}
        """The newest entry of each kind in each log."""
        self.now = self.clock.start(EPOCH)
        self.fact = EvidenceFact(
            kind=EvidenceKind.TEST,
            product=NAAT,
            doses=0,
            series=0,
            event_time=self.now - 3600,
            digest=digest(b"a certificate"),
        )
        self._fill()
        self.document = self._open_gate()
        self._turn(EPOCH)
        self.wallet = Wallet.create(self.federation, entropy)
        self.answer = self.answer_to(self.request_of(self.wallet))
        held = self.wallet.conclude(self.answer, self.view)
        if isinstance(held, RefusalCode):
            raise CallerError(Reason.REFUSED_BY_REGION, "the traveller was not enrolled")
        self.slot = held.slot
        self._turn(EPOCH + 1)
        self.refresh()
        self.bundle = self.bundle_from(self.book())
        self.setting = Setting(
            self.scheme,
            self.bundle.part,
            self.bundle.policy,
            _CHECKPOINT,
            self.clock.tick_at(self.now),
        )
        self.frame = self.show(self.wallet)
        self.lists = {regions: self._listed(regions) for regions in (FEW, MANY)}

    # --- hosting --------------------------------------------------------------------------

    def fetch(self, name: bytes) -> bytes:
        """A blob by hash."""
        return self.blobs[name]

    @property
    def published(self) -> PublishedEpoch:
        """The home region's newest epoch."""
        return self.view.region(HOME).epochs[KeyId(HOME, EPOCH + 1, 0)]

    def _publish(self, region: str, effects: Effects) -> None:
        for effect in effects:
            match effect:
                case PutBlob(data):
                    self.blobs[digest(data)] = data
                case Append(kind, body):
                    entry = self.writers[region].append(kind, body)
                    self.entries[region, kind] = entry
                    self.view.append(region, entry)
                    if kind is Kind.EPOCH:
                        self.issuers[region].logged(digest(entry))

    def _turn(self, epoch: int) -> None:
        self.now = self.clock.start(epoch) + EPOCH_SECONDS // 2
        for region, issuer in self.issuers.items():
            self._publish(region, issuer.turn_epoch(epoch, self.entropy))
            self.auditor.follow(region, self.fetch)
        admitted = self.auditor.listable(epoch)
        self._publish(GATE, self.authority.publish_list(epoch, admitted, self.entropy))

    def _fill(self) -> None:
        """One bucket of the home region in which every slot is present."""
        state, draw = self.issuers[HOME].state, self.entropy
        for slot in range(self.scale.slots):
            c = self.scheme.commitment(draw.scalar(), draw.scalar())
            key, person = draw.octets(SLOT_KEY_SIZE), draw.octets(32)
            state.slots[slot] = IssuedSlot(slot, c, key, self.fact, person)
            state.unpublished.add(slot)

    def _open_gate(self) -> PolicyDocument:
        info = CheckpointInfo(
            checkpoint=_CHECKPOINT,
            names=(Name(language="en", text="Railway station, exit 1"),),
            place=places.label(GATE),
            policy=POLICY,
        )
        document = simple_policy(
            _ways(large=self.scale.large_table),
            region=GATE,
            policy=POLICY,
            version=1,
            not_before=self.now,
            not_after=self.now + 30 * 86_400,
        )
        self._publish(GATE, self.authority.publish_checkpoints([info]))
        self._publish(GATE, self.authority.publish_policy(document, self.entropy))
        return document

    # --- one step each --------------------------------------------------------------------

    def request_of(self, wallet: Wallet) -> EnrolRequest:
        """A wallet's request to its home region."""
        offer = self.issuers[HOME].offer(self.now, self.entropy)
        return wallet.request(HOME, offer, self.fact, self.now, self.entropy)

    def answer_to(self, request: EnrolRequest) -> Answer:
        """The home region's answer, to a person it never saw."""
        person = self.entropy.octets(16)
        return self.issuers[HOME].enrol(request, person, self.fact, self.now, self.entropy)

    def forget_renewal(self) -> None:
        """Take the newest renewal away, as a wallet that has one is content with a bad one."""
        self.wallet.state.slots[HOME, self.slot].renewals.pop(self.published.id, None)

    def refresh(self) -> bool:
        """The traveller's renewal from the board."""
        found = self.wallet.refresh(HOME, self.slot, self.published, self.fetch)
        return found is Refreshed.RENEWED

    def bundle_from(self, book: BundleBook, epoch: int = EPOCH + 1) -> GateBundle:
        """What a wallet audits, as far as its book has not, before it shows anything."""
        return book.get(GATE, POLICY, epoch=epoch, now=self.now, entropy=self.entropy)

    def book(self) -> BundleBook:
        """A book of audited bundles with nothing in it."""
        return BundleBook(self.view, self.fetch)

    def show(self, wallet: Wallet) -> Frame:
        """A show at the gate."""
        poster = self.checkpoint().poster()
        return wallet.show(poster, self.bundle, self.view, self.now, self.entropy, _YES)

    def holding(self) -> Holding:
        """The traveller's credential under the newest key, ready for a bare proof."""
        held = self.wallet.state.slots[HOME, self.slot]
        key, keys = self.published.id, self.bundle.keys
        renewal = held.renewals[key]
        blind = blind_scalar(self.scheme, key, held.slot_key, renewal.evidence)
        return Holding(
            signature=renewal.signature,
            public=keys.w[key],
            blinding=held.blinding + blind,
            link=self.wallet.state.link,
            evidence=renewal.evidence,
            listed=keys.t[key],
            shift=keys.s,
            entry=self.bundle.table.entries[renewal.evidence],
        )

    def checkpoint(self, mode: Mode = Mode.BROADCAST) -> Checkpoint:
        """A checkpoint of the gate that has loaded nothing yet."""
        return Checkpoint(self.federation, CheckpointState(GATE, _CHECKPOINT, POLICY, mode))

    def started(self, engine: Engine) -> Checkpoint:
        """A checkpoint started from the signed charter and the entries it needs."""
        federation = open_charter(self.charter, Suite.sha256(engine))
        device = Checkpoint(federation, CheckpointState(GATE, _CHECKPOINT, POLICY))
        for kind in (Kind.LIST_PART, Kind.LIST, Kind.POLICY):
            device.load(self.entries[GATE, kind])
        return device

    def accepts(self, device: Checkpoint, text: str) -> bool:
        """Whether a checkpoint accepts the text of a code now."""
        return device.verify(text, self.now, self.entropy).verdict is Verdict.ACCEPT

    # --- material -------------------------------------------------------------------------

    def board(self) -> Board:
        """The index of the home region's newest board."""
        return Board.decode(self.fetch(self.published.entry.board))

    def large_board(self) -> bytes:
        """The index of a region with many buckets; its hashes name nothing."""
        size, draw = self.scale.slots, self.entropy
        refs = (
            BucketRef(first=i * size, data=draw.octets(32), proof=draw.octets(32))
            for i in range(self.scale.buckets)
        )
        return Board(buckets=tuple(refs)).encode()

    def to_renew(self) -> list[SlotToRenew]:
        """Every slot of the full bucket, for the newest epoch."""
        start, end = self.clock.key_life(EPOCH + 1)
        evidence = value_at(self.fact, start=start, end=end)
        slots = [self.issuers[HOME].state.slots[slot] for slot in range(self.scale.slots)]
        return [SlotToRenew(s.slot, s.commitment, s.slot_key, evidence) for s in slots]

    def _listed(self, regions: int) -> Listed:
        draw, epoch = self.entropy, EPOCH + 1
        codes = sorted(places.PROVINCES)[:regions]
        publics = {
            KeyId(r, t, 0): self.scheme.p2 * draw.scalar()
            for r in codes
            for t in (epoch - 1, epoch)
        }
        secret = ListSecret.draw(draw)
        start, end = self.clock.list_window(epoch)
        part = make_part(
            self.scheme,
            secret,
            region=GATE,
            scope=SCOPE,
            epoch=epoch,
            revision=0,
            not_before=start,
            not_after=end,
            entropy=draw,
        )
        keys = make_keys(self.scheme, secret, part, list(publics.items())).encode()
        return Listed(check_part(self.scheme, part.encode()), secret, keys, publics)


def _charter(
    roots: dict[str, nacl.signing.SigningKey],
    logs: dict[str, nacl.signing.SigningKey],
    scale: Scale,
) -> Charter:
    return Charter(
        version=1,
        suite=SHA256_SUITE,
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
        parameters=Parameters(
            epoch_zero=EPOCH_ZERO,
            epoch_seconds=EPOCH_SECONDS,
            tick_seconds=TICK_SECONDS,
            min_regions=default_min_regions(len(REGIONS)),
            min_crowd=0,
            slots_per_person=4,
            bucket_slots=scale.slots,
            late_epochs=LATE_EPOCHS,
            hold_epochs=HOLD_EPOCHS,
        ),
    )


def _ways(*, large: bool) -> tuple[Way, ...]:
    """Tests and recoveries: a small table; with four vaccines, a large one."""
    short = (
        tested("nucleic-acid test within 72 h", "LP6464-4", max_hours=72),
        recovered("recovered 11 to 180 days ago", min_days=11, max_days=180),
    )
    whole = vaccinated(
        "complete series of two or more, from the 14th day",
        doses=2,
        products=("EU/1/20/1507", "EU/1/20/1525", "EU/1/20/1528", "EU/1/21/1529"),
        min_days=14,
    )
    return (*short, whole) if large else short
