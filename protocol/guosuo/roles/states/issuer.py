"""The state of an issuer: by far the largest, so slots and records are packed."""

from __future__ import annotations

import struct
from typing import Annotated, ClassVar

from guosuo.credential.keys import EpochKey
from guosuo.curve.scalar import Scalar
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.evidence.facts import EvidenceFact
from guosuo.evidence.limits import SECONDS_PER_DAY
from guosuo.evidence.registry import EvidenceKind
from guosuo.federation.charter import Federation
from guosuo.federation.ids import Epoch, Instant, Region, Revision, Slot
from guosuo.roles.enrolment import Nonce, Salt
from guosuo.roles.issuer import IssuedSlot, IssuerState
from guosuo.roles.states.frame import (
    ENTRIES,
    MAX_STATE,
    Packed,
    Secret,
    StateKind,
    age,
    check_same,
    key_of,
    silent,
    unpack,
    unwrap,
    wrap,
)
from guosuo.scheme import KeyId
from guosuo.wire.schema import Hash, Message, ScalarBytes, message

_SLOT = struct.Struct(">QB48s32sBHBBqiii32s32s")
"""Slot, marks, C, k_slot; kind, product, doses, series, event time, days, digest; person.

The days, counted from 1970: birth, begin and end of a validity.
"""
_NO_DAY = -(1 << 31)
_RECORD = struct.Struct(">32s48s")
"""Person, R."""


@message
class StoredKey(Message):
    """x_t of one epoch and revision; W_t follows from it."""

    epoch: Epoch
    revision: Revision
    secret: ScalarBytes

    __repr__ = silent


@message
class StoredOffer(Message):
    """An open enrolment nonce."""

    nonce: Nonce
    deadline: Instant


@message
class StoredIssuer(Message):
    """An `IssuerState`; keys by epoch and revision, offers by nonce."""

    MAX_SIZE: ClassVar[int] = MAX_STATE

    region: Region
    root_key: Secret
    log_key: Secret
    person_salt: Salt
    keys: Annotated[tuple[StoredKey, ...], ENTRIES]
    slots: Packed
    """166 octets each: slot, marks, C, k_slot, evidence fact, person."""
    records: Packed
    """80 octets each: person, R."""
    offers: Annotated[tuple[StoredOffer, ...], ENTRIES]
    last_entry: Hash | None
    block: Slot

    __repr__ = silent


def encode_issuer(federation: Federation, state: IssuerState) -> bytes:
    """An issuer's state; `CallerError(ARGUMENT)` for values out of bounds."""
    body = StoredIssuer(
        region=state.region,
        root_key=bytes(state.root_key),
        log_key=bytes(state.log_key),
        person_salt=state.person_salt,
        keys=tuple(
            StoredKey(epoch=k.epoch, revision=k.revision, secret=state.keys[k].secret.encode())
            for k in sorted(state.keys, key=age)
        ),
        slots=b"".join(_pack_slot(state, state.slots[slot]) for slot in sorted(state.slots)),
        records=b"".join(_RECORD.pack(*record) for record in sorted(state.records.items())),
        offers=tuple(
            StoredOffer(nonce=nonce, deadline=deadline)
            for nonce, deadline in sorted(state.offers.items())
        ),
        last_entry=state.last_entry,
        block=state.block,
    )
    return wrap(StateKind.ISSUER, federation.id, body)


def decode_issuer(federation: Federation, data: bytes) -> IssuerState:
    """The state that `encode_issuer` wrote; `PeerError` otherwise.

    R of a person is compared and never computed with, so it stays octets. An older
    copy is safe to sign with, since e depends on the message; its log is not, and
    whoever publishes refuses an index that exists.
    """
    body = StoredIssuer.decode(unwrap(StateKind.ISSUER, federation, data))
    members = federation.memberships(body.region)
    state = IssuerState(
        region=body.region,
        root_key=key_of(body.root_key, [m.root_key for m in members]),
        log_key=key_of(body.log_key, [m.log_key for m in members]),
        person_salt=body.person_salt,
        records=dict(unpack(_RECORD, body.records)),
        offers={offer.nonce: offer.deadline for offer in body.offers},
        last_entry=body.last_entry,
        block=body.block,
    )
    for key in body.keys:
        name, secret = KeyId(body.region, key.epoch, key.revision), Scalar.decode(key.secret)
        state.keys[name] = EpochKey(name, secret, federation.scheme.p2 * secret)
    decode_g1 = federation.scheme.engine.decode_g1
    for slot, marks, commitment, slot_key, *fact, person in unpack(_SLOT, body.slots):
        state.slots[slot] = IssuedSlot(
            slot, decode_g1(commitment), slot_key, _unpack_fact(*fact), person
        )
        for mark, marked in _marked(state):
            if marks & mark:
                marked.add(slot)
    check_same(encode_issuer(federation, state), data)
    return state


def _marked(state: IssuerState) -> tuple[tuple[int, set[int]], ...]:
    """Bits of a stored slot's marks, and the set that each stands for."""
    return (1, state.unpublished), (2, state.suspended), (4, state.retired)


def _pack_slot(state: IssuerState, issued: IssuedSlot) -> bytes:
    fact = issued.fact
    return _SLOT.pack(
        issued.slot,
        sum(mark for mark, marked in _marked(state) if issued.slot in marked),
        issued.commitment.encode(),
        issued.slot_key,
        fact.kind,
        fact.product,
        fact.doses,
        fact.series,
        fact.event_time,
        *(_day(time) for time in (fact.born, fact.valid_from, fact.valid_until)),
        fact.digest,
        issued.person,
    )


def _day(time: int | None) -> int:
    return _NO_DAY if time is None else time // SECONDS_PER_DAY


def _time(day: int) -> int | None:
    return None if day == _NO_DAY else day * SECONDS_PER_DAY


def _unpack_fact(
    kind: int,
    product: int,
    doses: int,
    series: int,
    event_time: int,
    born: int,
    valid_from: int,
    valid_until: int,
    digest: bytes,
) -> EvidenceFact:
    try:
        return EvidenceFact(
            kind=EvidenceKind(kind),
            product=product,
            doses=doses,
            series=series,
            event_time=event_time,
            born=_time(born),
            valid_from=_time(valid_from),
            valid_until=_time(valid_until),
            digest=digest,
        )
    except (CallerError, ValueError):
        raise PeerError(Reason.MESSAGE_VALUE) from None
