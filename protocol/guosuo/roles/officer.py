"""An officer's organisation: signs the orders that change a status.

Here one organisation of the region suffices. No node can make an order by itself:
readers void what no organisation of the charter signed (GS-ORDER-1).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar

import nacl.signing

from guosuo.curve.entropy import Entropy
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.federation.charter import Federation, Name, Organisation
from guosuo.federation.entries import Action, OrderEntry, OrderReason
from guosuo.federation.ids import Ed25519Signature, Instant, OrganisationId
from guosuo.federation.records import digest, signature_holds
from guosuo.wire import cbor
from guosuo.wire.schema import Message, Size, message

_LOG_WITHIN = 2
"""Epochs after the next one within which an order must have been logged, unless told."""


def organisation_of(region: str) -> str:
    """The identifier of a region's health administration, where founding makes one."""
    return f"health-{region}"


def health_administration(region: str, names: tuple[Name, ...], key: bytes) -> Organisation:
    """The one organisation that every region has to begin with."""
    return Organisation(
        organisation=organisation_of(region),
        region=region,
        names=names,
        group="health-administration",
        key=key,
    )


@dataclass(frozen=True, slots=True)
class Officer:
    """One organisation with its key."""

    federation: Federation
    organisation: str
    key: nacl.signing.SigningKey = field(repr=False)

    def __post_init__(self) -> None:
        """`CallerError(ORDER)` for an organisation or key that the charter does not have."""
        known = self.federation.organisations.get(self.organisation)
        if known is None or known.key != bytes(self.key.verify_key):
            raise CallerError(Reason.ORDER, "the charter has no such organisation with this key")

    @property
    def region(self) -> str:
        """Where it may order."""
        return self.federation.organisations[self.organisation].region

    def order(
        self, action: Action, slots: Iterable[int], reason: OrderReason, file: bytes, *, now: int
    ) -> OrderEntry:
        """A signed order, to be logged within the next epochs.

        `file`: exact reason and evidence file, salted by the caller; only its hash is
        published, and the same one never orders twice.
        """
        draft = OrderEntry(
            action=action,
            slots=tuple(sorted(set(slots))),
            reason=reason,
            commitment=digest(file),
            log_by=self.federation.clock.epoch_at(now) + 1 + _LOG_WITHIN,
            organisation=self.organisation,
            signature=bytes(64),
        )
        signature = self.key.sign(draft.statement(self.federation.id, self.region)).signature
        return replace(draft, signature=signature)

    def query(self, person: str, *, now: int, entropy: Entropy) -> SlotsQuery:
        """A signed question for the slots of a person, to be asked at once."""
        draft = SlotsQuery(
            organisation=self.organisation,
            person=person,
            time=now,
            nonce=entropy.octets(16),
            signature=bytes(64),
        )
        return replace(
            draft, signature=self.key.sign(draft.statement(self.federation.id)).signature
        )


@message
class SlotsQuery(Message):
    """An organisation's question which slots a person has (GS-ORDER-4).

    Answered by that region's node only, once, while it is fresh.
    """

    FRESH: ClassVar[int] = 300
    """Seconds around its time in which a query is answered."""

    organisation: OrganisationId
    person: Annotated[str, Size(1, 8192)]
    """What the region's person check takes."""
    time: Instant
    nonce: Annotated[bytes, Size(16, 16)]
    signature: Ed25519Signature

    def __repr__(self) -> str:
        """Without the person."""
        return "SlotsQuery(...)"

    def statement(self, federation: bytes) -> bytes:
        """What the organisation signs."""
        return cbor.encode(
            [
                "guosuo/slots-query",
                federation,
                self.organisation,
                self.person,
                self.time,
                self.nonce,
            ]
        )

    def check(self, federation: Federation, region: str, now: int) -> None:
        """`PeerError(ORDER)` unless an organisation of the region asks, now."""
        known = federation.organisations.get(self.organisation)
        if known is None or known.region != region or abs(now - self.time) > self.FRESH:
            raise PeerError(Reason.ORDER)
        if not signature_holds(known.key, self.statement(federation.id), self.signature):
            raise PeerError(Reason.ORDER)
