"""One neutral fact from one document: what every policy looks at, whatever its source.

A DCC, or a record of a region's own health system through an adapter, becomes an
`EvidenceFact`; from there on nothing depends on the document's format.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from guosuo.errors import CallerError, PeerError, Reason
from guosuo.evidence.dates import midnight
from guosuo.evidence.dcc import VerifiedDcc
from guosuo.evidence.payload import Entry, Private, Recovery, Test, Vaccination
from guosuo.evidence.registry import (
    OTHER,
    RECOVERY,
    EvidenceKind,
    product_code,
    registered,
)

__all__ = [
    "DOSE_PATTERNS",
    "MAX_DOSES",
    "NO_DOSES",
    "EvidenceFact",
    "EvidenceKind",
    "check_document",
    "dose_pattern",
    "dose_patterns",
    "fact_from_dcc",
]

COVID_19: Final = "840539006"
"""SNOMED CT; the only disease of the value set `disease-agent-targeted`."""

NOT_DETECTED: Final = "260415000"
"""SNOMED CT: the result of a negative test."""

MAX_DOSES: Final = 4
"""Doses are counted up to here; 4 means four or more.

The production rules of January and June 2022 compare with 1, 2 and 3 only, and
each further step would make policy tables half as long again.
"""

DIGEST_SIZE: Final = 32
MAX_TIME: Final = 1 << 40
"""Bound of an event time, Unix seconds either way."""

NO_DOSES: Final = (0, 0)
"""The dose pattern of everything but a vaccination."""

DOSE_PATTERNS: Final = tuple(
    (doses, series) for doses in range(1, MAX_DOSES + 1) for series in range(1, MAX_DOSES + 2)
)
"""Every (doses, series) that `dose_pattern` gives; a series of 5 means longer than counted."""


def dose_pattern(doses: int, series: int) -> tuple[int, int]:
    """(doses, series) with both counted only as far as rules look (GS-EVID-5).

    Exact afterwards: "at least n doses" for n up to `MAX_DOSES`, and whether the
    series is complete. Raises `CallerError(ARGUMENT)` below 1.

    >>> dose_pattern(2, 2), dose_pattern(7, 2), dose_pattern(7, 7), dose_pattern(7, 9)
    ((2, 2), (4, 2), (4, 4), (4, 5))
    """
    if doses < 1 or series < 1:
        raise CallerError(Reason.ARGUMENT, "doses are counted from 1")
    longest = MAX_DOSES if doses >= series else MAX_DOSES + 1
    return min(doses, MAX_DOSES), min(series, longest)


def dose_patterns(kind: EvidenceKind) -> tuple[tuple[int, int], ...]:
    """Every (doses, series) that a document of this kind can have."""
    return DOSE_PATTERNS if kind is EvidenceKind.VACCINATION else (NO_DOSES,)


def check_document(kind: EvidenceKind, product: int, pattern: tuple[int, int]) -> None:
    """`CallerError(ARGUMENT)` unless the three can stand in one document."""
    if product != OTHER and product not in registered(kind):
        raise CallerError(Reason.ARGUMENT, "a product of another kind, or of none")
    if pattern not in dose_patterns(kind):
        raise CallerError(Reason.ARGUMENT, "doses that no document of this kind has")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class EvidenceFact(Private):
    """What one document proves. `CallerError(ARGUMENT)` for fields out of form."""

    kind: EvidenceKind
    product: int
    """Code of the registry for this kind, or `OTHER`."""
    doses: int
    """Doses received and doses of the series as `dose_pattern` gives them; else 0."""
    series: int
    event_time: int
    """Unix seconds from which the age counts: sample time, or 00:00 UTC of the day."""
    digest: bytes
    """32 bytes that name the document (SHA-256)."""

    def __post_init__(self) -> None:
        """Check the fields against each other."""
        check_document(self.kind, self.product, (self.doses, self.series))
        if abs(self.event_time) > MAX_TIME or len(self.digest) != DIGEST_SIZE:
            raise CallerError(Reason.ARGUMENT, "an event time or a digest out of form")


def fact_from_dcc(document: VerifiedDcc) -> EvidenceFact:
    """The fact that a verified certificate proves (GS-EVID-6).

    Raises `PeerError(EVIDENCE)` for another disease, and for a test whose result
    is anything but negative: a positive test proves nothing a gate accepts.
    """
    entry = document.entry
    if entry.tg != COVID_19:
        raise PeerError(Reason.EVIDENCE, "another disease")
    product, (doses, series), event_time = _reduce(entry)
    return EvidenceFact(
        kind=entry.kind,
        product=product,
        doses=doses,
        series=series,
        event_time=event_time,
        digest=document.digest,
    )


def _reduce(entry: Entry) -> tuple[int, tuple[int, int], int]:
    """Product, dose pattern and event time of an entry."""
    match entry:
        case Vaccination():
            product = product_code(entry.kind, entry.mp)
            return product, dose_pattern(entry.dn, entry.sd), midnight(entry.dt)
        case Test():
            if entry.tr != NOT_DETECTED:
                raise PeerError(Reason.EVIDENCE, "a test that is not negative")
            return product_code(entry.kind, entry.tt), NO_DOSES, entry.sc
        case Recovery():
            return RECOVERY, NO_DOSES, midnight(entry.fr)
