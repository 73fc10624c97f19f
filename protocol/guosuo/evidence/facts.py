"""One neutral fact from one document: what every policy looks at, whatever its source.

A DCC, or a record of a region's own health system through an adapter, becomes an
`EvidenceFact`; from there on nothing depends on the document's format.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from guosuo.errors import CallerError, PeerError, Reason
from guosuo.evidence.dates import last_day, midnight
from guosuo.evidence.dcc import VerifiedDcc
from guosuo.evidence.limits import SECONDS_PER_DAY
from guosuo.evidence.payload import Entry, Person, Recovery, Test, Vaccination
from guosuo.evidence.private import Private
from guosuo.evidence.registry import (
    COVID_19,
    OTHER,
    PROPHYLAXES,
    RECOVERY,
    EvidenceKind,
    code_of_test,
    code_of_vaccine,
)
from guosuo.evidence.states import MAX_DOSES, Dates, Shape, dose_pattern

__all__ = [
    "COVID_19",
    "MAX_TIME",
    "EvidenceFact",
    "EvidenceKind",
    "fact_from_dcc",
    "fact_from_entry",
]

DIGEST_SIZE: Final = 32
MAX_TIME: Final = 1 << 40
"""Bound of all times, Unix seconds either way."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class EvidenceFact(Private):
    """What one document proves. `CallerError(ARGUMENT)` for fields out of form.

    Of the person it has the birth date only, because rules ask for the age: node and
    wallet keep it and reduce it to a band whenever they compute a value.
    """

    kind: EvidenceKind
    product: int
    """Code of the registry for this kind, or `OTHER`; says type, result and device of a test."""
    doses: int
    """Doses received and doses of the series as `dose_pattern` gives them; else 0."""
    series: int
    event_time: int
    """Unix seconds from which the age counts: sample time, or 00:00 UTC of the day."""
    born: int | None = None
    """00:00 UTC of the last day that the birth date can mean; None if it is unknown."""
    valid_from: int | None = None
    """00:00 UTC of the first day of a recovery's own validity; None for other kinds."""
    valid_until: int | None = None
    """00:00 UTC of its last day."""
    digest: bytes
    """32 bytes that name the document (SHA-256)."""

    def __post_init__(self) -> None:
        """Check the fields against each other."""
        shape, dates = self.shape, self.dates
        days = [time for time in (self.born, self.valid_from, self.valid_until) if time is not None]
        if self.kind is not EvidenceKind.TEST:
            days.append(self.event_time)
        if (shape.kind is EvidenceKind.RECOVERY) is (dates.valid_from is None):
            raise CallerError(Reason.ARGUMENT, "recoveries have a validity, and only they")
        if any(day % SECONDS_PER_DAY for day in days):
            raise CallerError(Reason.ARGUMENT, "a day that does not begin at 00:00 UTC")
        if max(map(abs, (self.event_time, *days))) > MAX_TIME or len(self.digest) != DIGEST_SIZE:
            raise CallerError(Reason.ARGUMENT, "a time or a digest out of form")

    @property
    def shape(self) -> Shape:
        """What rules see of it at all times."""
        return Shape(self.kind, self.product, self.doses, self.series)

    @property
    def dates(self) -> Dates:
        """What decides its state."""
        return Dates(
            event=self.event_time,
            born=self.born,
            valid_from=self.valid_from,
            valid_until=self.valid_until,
        )


def fact_from_dcc(document: VerifiedDcc) -> EvidenceFact:
    """The fact that a verified certificate proves; `PeerError` as `fact_from_entry`."""
    return fact_from_entry(document.entry, document.holder, document.digest)


def fact_from_entry(entry: Entry, holder: Person, digest: bytes) -> EvidenceFact:
    """The fact that an entry states, whoever vouches for it (GS-EVID-6).

    Raises `PeerError(EVIDENCE)` for another disease, for more than `MAX_DOSES`
    doses, for a registered vaccine of a kind that is none of `PROPHYLAXES`, for a
    day that carries another time than 00:00 UTC, from which rules would count, and for
    a recovery whose validity ends before it begins. Positive tests are evidence,
    too: it is up to rules to accept them.
    """
    if entry.tg != COVID_19:
        raise PeerError(Reason.EVIDENCE, "another disease")
    if not isinstance(entry, Test) and not entry.whole_day:
        raise PeerError(Reason.EVIDENCE, "a day that carries a time of day")
    shape, dates = _shape(entry), _dates(entry, last_day(holder.dob))
    return EvidenceFact(
        kind=shape.kind,
        product=shape.product,
        doses=shape.doses,
        series=shape.series,
        event_time=dates.event,
        born=dates.born,
        valid_from=dates.valid_from,
        valid_until=dates.valid_until,
        digest=digest,
    )


def _shape(entry: Entry) -> Shape:
    match entry:
        case Vaccination():
            if max(entry.dn, entry.sd) > MAX_DOSES:
                raise PeerError(Reason.EVIDENCE, "more doses than anybody has had")
            product = code_of_vaccine(entry.mp)
            if product != OTHER and entry.vp not in PROPHYLAXES:
                raise PeerError(Reason.EVIDENCE, "a kind of vaccine that rules do not know")
            return Shape(entry.kind, product, *dose_pattern(entry.dn, entry.sd))
        case Test():
            return Shape(entry.kind, code_of_test(entry.tt, entry.tr, entry.ma))
        case Recovery():
            return Shape(entry.kind, RECOVERY)


def _dates(entry: Entry, born: int | None) -> Dates:
    match entry:
        case Vaccination():
            return Dates(event=midnight(entry.dt), born=born)
        case Test():
            return Dates(event=entry.sc, born=born)
        case Recovery():
            if entry.du < entry.df:
                raise PeerError(Reason.EVIDENCE, "a validity that ends before it begins")
            return Dates(
                event=midnight(entry.fr),
                born=born,
                valid_from=midnight(entry.df),
                valid_until=midnight(entry.du),
            )
