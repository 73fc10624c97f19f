"""Hosting a region on files: roles, log writer and public directory kept in step.

    <root>/regions/<code>/private/region.vault   issuer, gate authority and log writer

One sealed file holds all of a region's state, so its parts cannot diverge. What is
published goes through it first (GS-STORE-3):

1. the state after the change is saved, together with the signed entries and blobs that
   are still to be written;
2. those are written, in order;
3. the state is saved again without them.

Whoever dies before 1 has published nothing; whoever dies after it finds the same octets
again and writes them (`RegionHost.load` does). So no index of the log is ever signed
twice with different content. An old vault put back in its place is refused: its log
ends later than it knows.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Final

import nacl.signing

from guosuo.curve.entropy import Entropy
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.evidence.dcc import VerifiedDcc
from guosuo.evidence.facts import fact_from_dcc
from guosuo.evidence.person import Identified, check_holder
from guosuo.federation.charter import Federation
from guosuo.federation.entries import Action, OrderReason
from guosuo.federation.ids import Instant, OrganisationId
from guosuo.federation.records import Append, Effect, Effects, Kind, LogWriter, PutBlob, digest
from guosuo.host import vault
from guosuo.host.directory import FederationDirectory, Publication, RegionDirectory
from guosuo.host.lock import exclusive
from guosuo.roles.enrolment import Answer, EnrolRequest, RefusalCode
from guosuo.roles.gate import GateAuthority
from guosuo.roles.issuer import OFFER_SECONDS, Issuer
from guosuo.roles.officer import Officer
from guosuo.roles.states import (
    decode_gate,
    decode_issuer,
    decode_log,
    encode_gate,
    encode_issuer,
    encode_log,
)
from guosuo.wire.schema import Hash, Message, Size, message

REGION_KIND: Final = "region"
_OCTETS = Size(0, vault.MAX_CONTENT)
_MAX_PENDING: Final = 1 << 17


@message
class StoredPublication(Message):
    """A `Publication` that may not be written yet."""

    index: int | None
    data: Annotated[bytes, _OCTETS]


@message
class StoredGrant(Message):
    """What a request was answered with, for as long as its offer would have lasted."""

    request: Hash
    forget: Instant
    answer: Annotated[bytes, _OCTETS]

    def __repr__(self) -> str:
        """Without the slot's secrets."""
        return "StoredGrant(...)"


@message
class StoredOfficer(Message):
    """The organisation that orders here, where a region keeps its key on this machine."""

    organisation: OrganisationId
    key: Hash

    def __repr__(self) -> str:
        """Without the key."""
        return "StoredOfficer(...)"


@message
class StoredRegion(Message):
    """Everything of one region that is not public."""

    MAX_SIZE: ClassVar[int] = vault.MAX_CONTENT

    issuer: Annotated[bytes, _OCTETS]
    gate: Annotated[bytes, _OCTETS]
    log: Annotated[bytes, _OCTETS]
    officer: StoredOfficer | None
    pending: Annotated[tuple[StoredPublication, ...], Size(0, _MAX_PENDING)]
    grants: Annotated[tuple[StoredGrant, ...], Size(0, 1 << 16)]

    def __repr__(self) -> str:
        """Without anything: all of it is secret."""
        return "StoredRegion(...)"


@dataclass(frozen=True, slots=True)
class RegionVault:
    """Where a region's sealed file lives, and what opens it."""

    path: Path
    secret: vault.Secret
    entropy: Entropy

    @classmethod
    def of(cls, directory: RegionDirectory, secret: vault.Secret, entropy: Entropy) -> RegionVault:
        """The vault of a region in its federation's directory."""
        return cls(vault_path(directory), secret, entropy)

    def load(self) -> StoredRegion:
        """What was saved last; refusals of `vault.load`, and `PeerError` for other content."""
        return StoredRegion.decode(vault.load(self.path, REGION_KIND, self.secret))

    def save(self, stored: StoredRegion) -> None:
        """Save, and see to it that what is written later is not on the disk earlier."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        vault.save(self.path, REGION_KIND, stored.encode(), self.secret, self.entropy)
        _sync_folder(self.path.parent)


@dataclass(slots=True)
class RegionHost:
    """One region's issuer and gate authority over one directory."""

    issuer: Issuer
    gate: GateAuthority
    writer: LogWriter
    directory: RegionDirectory
    officer: Officer | None = None
    """Who orders status changes; absent where organisations keep their keys elsewhere."""
    store: RegionVault | None = None
    """Without one nothing is saved, as in the demonstration."""
    pending: list[Publication] = field(default_factory=list)
    grants: dict[bytes, StoredGrant] = field(default_factory=dict)
    """By hash of the request."""

    @classmethod
    def load(
        cls, federation: FederationDirectory, region: str, secret: vault.Secret, entropy: Entropy
    ) -> RegionHost:
        """The region as it was saved last, with everything published that it had begun to.

        `PeerError(REGION_UNKNOWN)`; refusals of `vault.load`; `PeerError(STATE)` for the
        vault of another region; `CallerError(STATE)` if the log goes on after this state.
        """
        rules = federation.federation
        rules.member(region)
        directory = federation.regions[region]
        place = RegionVault.of(directory, secret, entropy)
        stored = place.load()
        issuer = decode_issuer(rules, stored.issuer)
        gate = decode_gate(rules, stored.gate)
        host = cls(
            Issuer(rules, issuer),
            GateAuthority(rules, gate),
            decode_log(rules, stored.log),
            directory,
            _officer(rules, stored.officer),
            place,
            [Publication(item.index, item.data) for item in stored.pending],
            {grant.request: grant for grant in stored.grants},
        )
        if {issuer.region, gate.region, host.writer.region} != {region}:
            raise PeerError(Reason.STATE, "the vault of another region")
        host.finish()
        return host

    @property
    def federation(self) -> Federation:
        """The federation of this region."""
        return self.issuer.federation

    def save(self) -> None:
        """Save everything, if there is a vault."""
        if self.store is None:
            return
        self.store.save(
            StoredRegion(
                issuer=encode_issuer(self.federation, self.issuer.state),
                gate=encode_gate(self.federation, self.gate.state),
                log=encode_log(self.writer),
                officer=None
                if self.officer is None
                else StoredOfficer(
                    organisation=self.officer.organisation, key=bytes(self.officer.key)
                ),
                pending=tuple(StoredPublication(index=p.index, data=p.data) for p in self.pending),
                grants=tuple(self.grants.values()),
            )
        )

    # --- publishing -------------------------------------------------------------------

    def publish(self, effects: Effects) -> list[bytes]:
        """Sign and carry out effects in order, by the protocol of this module; the entries."""
        signed = [self._signed(effect) for effect in effects]
        self.pending += signed
        self.finish()
        return [item.data for item in signed if item.index is not None]

    def finish(self) -> None:
        """Write what is pending; then the log ends where this state does, or is refused."""
        if self.pending:
            self.save()
            self.directory.publish(self.pending)
            self.pending = []
            self.save()
        if not self.directory.ends_with(self.writer.index, self.writer.previous):
            raise CallerError(
                Reason.STATE, "the published log is not the one this state was saved with"
            )

    def _signed(self, effect: Effect) -> Publication:
        match effect:
            case PutBlob(data):
                return Publication(None, data)
            case Append(kind, body):
                index = self.writer.index
                entry = self.writer.append(kind, body)
                if kind is Kind.EPOCH:
                    self.issuer.logged(digest(entry))
                return Publication(index, entry)

    # --- orders -----------------------------------------------------------------------

    def order(
        self,
        action: Action,
        slots: Iterable[int],
        reason: OrderReason,
        now: int,
        entropy: Entropy,
    ) -> None:
        """Sign an order with the organisation's key and log it.

        The exact reason and its file would be committed to, salted; here only the class is
        known. `CallerError(ORDER)` without an organisation, or for slots not allotted.
        """
        if self.officer is None:
            raise CallerError(Reason.ORDER, "no organisation of this region has its key here")
        order = self.officer.order(action, slots, reason, entropy.octets(32), now=now)
        self.publish(self.issuer.order(order))

    # --- the counter ------------------------------------------------------------------

    def offer(self, now: int, entropy: Entropy) -> bytes:
        """A signed offer to enrol, remembered before it is handed out."""
        offer = self.issuer.offer(now, entropy)
        self.save()
        return offer

    def enrol(
        self,
        request: EnrolRequest,
        identified: Identified,
        document: VerifiedDcc,
        now: int,
        entropy: Entropy,
    ) -> Answer:
        """Person check, evidence, then the issuer; every refusal is a signed answer.

        A request that was granted gets the same answer again until its offer ends, so an
        answer that was lost on its way costs no slot.
        """
        try:
            check_holder(identified, document)
        except PeerError:
            return self.refuse(request, RefusalCode.PERSON_MISMATCH, now)
        try:
            fact = fact_from_dcc(document)
        except PeerError:
            return self.refuse(request, RefusalCode.EVIDENCE, now)
        name = digest(request.encode())
        self.grants = {k: grant for k, grant in self.grants.items() if grant.forget > now}
        if name in self.grants:
            return Answer.decode(self.grants[name].answer)
        answer = self.issuer.enrol(request, identified.record, fact, now, entropy)
        if answer.grant is not None:
            self.grants[name] = StoredGrant(
                request=name, forget=now + OFFER_SECONDS, answer=answer.encode()
            )
        self.save()
        return answer

    def refuse(self, request: EnrolRequest, code: RefusalCode, now: int) -> Answer:
        """A signed refusal; the offer is used up, which is remembered first."""
        answer = self.issuer.refuse(request.nonce, code, now)
        self.save()
        return answer


def _officer(federation: Federation, stored: StoredOfficer | None) -> Officer | None:
    if stored is None:
        return None
    return Officer(federation, stored.organisation, nacl.signing.SigningKey(stored.key))


@contextmanager
def at_work(
    federation: FederationDirectory, region: str, secret: vault.Secret, entropy: Entropy
) -> Iterator[RegionHost]:
    """`RegionHost.load`, and nobody else does until the body is through.

    `CallerError(STORE_MISSING)` where only the region's public files are.
    """
    federation.federation.known(region)
    path = vault_path(federation.regions[region])
    if not path.is_file():
        raise CallerError(Reason.STORE_MISSING, "the keys of this region are not here")
    with exclusive(path):
        yield RegionHost.load(federation, region, secret, entropy)


def vault_path(directory: RegionDirectory) -> Path:
    """The sealed file of a region."""
    return directory.home / "private" / "region.vault"


def _sync_folder(folder: Path) -> None:
    """The names in a folder outlast a power cut (where folders can be synced: POSIX)."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
