"""What is sealed of one slot: 166 octets whatever the evidence, so that length says nothing.

octets  what
1       version, 1
48      C
32      k_slot
1 2 1 1 evidence: kind, product, doses, series
8       event time, Unix seconds
4 4 4   days from 1970: birth, begin and end of a validity; the least number for none
32      hash of the document
32      salted hash of the person
"""

from __future__ import annotations

import struct
from typing import Final

from guosuo.curve.points import Engine
from guosuo.errors import CallerError, PeerError, Reason, refuse
from guosuo.evidence.facts import EvidenceFact
from guosuo.evidence.limits import SECONDS_PER_DAY
from guosuo.evidence.registry import EvidenceKind
from guosuo.roles.issuer import IssuedSlot

VERSION: Final = 1
_SLOT: Final = struct.Struct(">B48s32sBHBBqiii32s32s")
_NO_DAY: Final = -(1 << 31)


def encode_slot(issued: IssuedSlot) -> bytes:
    """A slot's secrets; its number is the row's."""
    fact = issued.fact
    return _SLOT.pack(
        VERSION,
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


def decode_slot(engine: Engine, slot: int, data: bytes) -> IssuedSlot:
    """The slot that `encode_slot` wrote; `PeerError` for other octets."""
    if len(data) != _SLOT.size or data[0] != VERSION:
        refuse(Reason.MESSAGE_VERSION, "another version of the node wrote this slot")
    (
        _,
        commitment,
        slot_key,
        kind,
        product,
        doses,
        series,
        event_time,
        born,
        valid_from,
        valid_until,
        digest,
        person,
    ) = _SLOT.unpack(data)
    fact: EvidenceFact | None
    try:
        fact = EvidenceFact(
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
        fact = None
    if fact is None:
        raise PeerError(Reason.MESSAGE_VALUE)
    return IssuedSlot(slot, engine.decode_g1(commitment), slot_key, fact, person)


def _day(time: int | None) -> int:
    return _NO_DAY if time is None else time // SECONDS_PER_DAY


def _time(day: int) -> int | None:
    return None if day == _NO_DAY else day * SECONDS_PER_DAY
