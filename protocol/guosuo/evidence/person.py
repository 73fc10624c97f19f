"""Whose evidence it is: the comparison before anything is signed.

A photographed certificate must not enrol for a thief, so the node compares the name
and birth date that it authenticated with those on the evidence. How a person is
authenticated (eID, a counter) is the region's own; nodes have adapters for it.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field

from guosuo.errors import PeerError, Reason
from guosuo.evidence.dcc import VerifiedDcc
from guosuo.evidence.payload import Person


@dataclass(frozen=True, slots=True)
class Identified:
    """A person that the region authenticated."""

    record: bytes = field(repr=False)
    """The region's identifier of the person; stays in the region."""
    person: Person


def check_holder(identified: Identified, document: VerifiedDcc) -> None:
    """`PeerError(PERSON_MISMATCH)` unless the evidence names this person (GS-ENROL-8)."""
    check_person(identified, document.holder)


def check_person(identified: Identified, holder: Person) -> None:
    """`PeerError(PERSON_MISMATCH)` unless evidence of `holder` is this person's (GS-ENROL-8).

    Transliterated names (ICAO 9303) and the birth date must be equal; a birth date
    missing on either side is not equal to anything.
    """
    claimed = identified.person
    same_name = (_plain(claimed.fnt), _plain(claimed.gnt)) == (
        _plain(holder.fnt),
        _plain(holder.gnt),
    )
    if not same_name or not holder.dob or claimed.dob != holder.dob:
        raise PeerError(Reason.PERSON_MISMATCH)


def _plain(name: str) -> str:
    folded = unicodedata.normalize("NFKC", name).upper().replace("<", " ")
    return " ".join(folded.split())
