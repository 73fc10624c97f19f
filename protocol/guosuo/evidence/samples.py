"""Sample documents: payloads of health certificates that are in a given state at a given clock.

A rule is asked about one of them in place of all documents of the class. `samples`
gives several, among them those on both edges, to prove that no rule tells them apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import product as combinations
from typing import Any, Final

from guosuo.certlogic.ast import TimeUnit
from guosuo.certlogic.moments import read_moment
from guosuo.errors import CallerError, Reason
from guosuo.evidence.devices import LISTED_2021
from guosuo.evidence.limits import LIMITS, SECONDS_PER_DAY, age_class
from guosuo.evidence.registry import (
    COVID_19,
    NEGATIVE,
    OTHER,
    POSITIVE,
    PROPHYLAXES,
    TYPE_NAAT,
    TYPE_RAPID_ANTIGEN,
    EvidenceKind,
    code_of_test,
    members_of_test,
    names_of_vaccine,
)
from guosuo.evidence.states import (
    Band,
    Dates,
    Shape,
    State,
    band_at,
    dose_members,
    state_at,
)

Payload = dict[str, Any]
"""A document as JSON values."""

_UNIT_SECONDS: Final = {
    TimeUnit.HOUR: 3600,
    TimeUnit.DAY: SECONDS_PER_DAY,
    TimeUnit.MONTH: 2_629_800,
    TimeUnit.YEAR: 31_557_600,
}
"""Months and years on average."""

_MORE: Final = 400
"""Days far outside of what limits look at, or from the last limit on."""
_FULL_AGE: Final = 6575
"""Days; other ways to say 18 years are one or two less."""
_NEAR: Final = 5
"""Steps around a limit: months are never further than this from their average, in days."""
_AGES: Final = (40 * 365, 10 * 365)

_UNKNOWN_DEVICE: Final = "9999"
_OTHER_VACCINES: Final = [
    ("Another-Vaccine", "29061000087103"),
    ("Another-Vaccine", PROPHYLAXES[0]),
    ("Third-Vaccine", PROPHYLAXES[2]),
    ("Third-Vaccine", ""),
]
_OTHER_TESTS: Final = [
    ("Another test", NEGATIVE, ""),
    ("Another test", POSITIVE, ""),
    (TYPE_NAAT, "Another result", ""),
    (TYPE_RAPID_ANTIGEN, "Another result", ""),
]

_ISSUED: Final = {"co": "LU", "is": "Ministry of Health", "ci": "URN:UVCI:01:LU:187/37512422923"}
_GROUPS: Final = {
    EvidenceKind.VACCINATION: "v",
    EvidenceKind.TEST: "t",
    EvidenceKind.RECOVERY: "r",
}


def sample(shape: Shape, state: State, clock: int) -> Payload:
    """One document of a shape that is in a state with a concrete band at `clock` (Unix seconds).

    `CallerError(STATE)` if there is none: vaccinations and recoveries have days,
    so they are in a class of one second only at midnight (`samples` knows when), and
    in some years nobody is `Band.BETWEEN`.
    """
    dates = next(_dates(shape.kind, state, clock), None)
    birth = next(_births(state.band, clock), None)
    if dates is None or birth is None:
        raise CallerError(Reason.STATE, "no document is in this state at this moment")
    return _payload(shape.kind, dates, birth, next(_members(shape)))


def samples(shape: Shape, state: State, clock: int) -> Iterator[tuple[Payload, int]]:
    """Several documents of a class, each with a moment of the same day at which it is in the state.

    Of dates and birth dates, the edges that the day allows; of everything else, all
    variants that a document of this shape can have and rules could look at. Documents of
    product `OTHER` have little in common: a rule accepts it only if it accepts every
    sample. Nothing if nobody can be in the state on that day (`Band.BETWEEN` in some
    years).
    """
    members = list(_members(shape))
    midnight = clock - clock % SECONDS_PER_DAY
    for moment in sorted({clock, midnight, midnight + 1, midnight + SECONDS_PER_DAY - 1}):
        dates = list(_dates(shape.kind, state, moment))
        births = list(_births(state.band, moment))
        # Everything that varies turns up, not every combination of it.
        count = max(len(dates), len(births), len(members)) if dates and births else 0
        for index in range(count):
            yield (
                _payload(
                    shape.kind,
                    dates[index % len(dates)],
                    births[index % len(births)],
                    members[index % len(members)],
                ),
                moment,
            )


def _dates(kind: EvidenceKind, state: State, clock: int) -> Iterator[Dates]:
    """Dates of documents in a state, typical ones first; without the birth date."""
    for event in _events(kind, state.age, clock):
        for valid_from, valid_until in _validities(kind, event, clock):
            dates = Dates(event=event, valid_from=valid_from, valid_until=valid_until)
            if state_at(kind, dates, clock).validity == state.validity:
                yield dates


def _events(kind: EvidenceKind, age: int, clock: int) -> list[int]:
    """Events that are in an age class at the clock: one in its middle, and both edges."""
    limits = LIMITS[kind]
    step = 1 if kind is EvidenceKind.TEST else SECONDS_PER_DAY
    spans = [
        limit.amount * _UNIT_SECONDS[limit.unit] for limit in limits[max(age - 1, 0) : age + 1]
    ]
    if age == 0:
        spans.insert(0, -_MORE * SECONDS_PER_DAY)
    if age == len(limits):
        spans.append(spans[-1] + _MORE * SECONDS_PER_DAY)
    around = [span + steps * step for span in spans for steps in range(-_NEAR, _NEAR + 1)]
    # Days begin at midnight, whatever the clock says.
    moments = (clock - span - (clock - span) % step for span in (sum(spans) // 2, *around))
    events = [event for event in moments if age_class(kind, event, clock) == age]
    return list(dict.fromkeys((events[0], min(events), max(events)))) if events else []


def _births(band: Band, clock: int) -> Iterator[str]:
    """Birth dates of a concrete band, in full and in part, those on the edges too."""
    if band is Band.UNKNOWN:
        yield ""
        return
    today = clock // SECONDS_PER_DAY
    for days in (*_AGES, *range(_FULL_AGE - 3, _FULL_AGE + 2)):
        born = _day((today - days) * SECONDS_PER_DAY)
        for text in (born, born[:7], born[:4]):
            if band_at(read_moment(text).milliseconds // 1000, clock) is band:
                yield text


def _validities(
    kind: EvidenceKind, event: int, clock: int
) -> Iterator[tuple[int | None, int | None]]:
    """Validities of every sort, relative to the event and to the clock."""
    if kind is not EvidenceKind.RECOVERY:
        yield None, None
        return
    midnight = clock - clock % SECONDS_PER_DAY
    days = {event + day * SECONDS_PER_DAY for day in (-1, 0, 10, 11, 180, 181, 400)}
    days |= {midnight + day * SECONDS_PER_DAY for day in (-1, 0, 1)}
    for valid_from, valid_until in combinations(sorted(days), sorted(days)):
        if valid_from <= valid_until:
            yield valid_from, valid_until


def _members(shape: Shape) -> Iterator[Payload]:
    """The members of an entry without its dates, in all variants of the shape."""
    match shape.kind:
        case EvidenceKind.VACCINATION:
            products = (
                combinations(names_of_vaccine(shape.product), PROPHYLAXES)
                if shape.product != OTHER
                else iter(_OTHER_VACCINES)
            )
            counts = dose_members((shape.doses, shape.series))
            for (dn, sd), (mp, vp) in combinations(_edges(counts), products):
                yield {"vp": vp, "mp": mp, "ma": "ORG-100030215", "dn": dn, "sd": sd}
        case EvidenceKind.TEST:
            yield from _tests(shape.product)
        case EvidenceKind.RECOVERY:
            yield {}


def _edges(counts: tuple[tuple[int, int], ...]) -> list[tuple[int, int]]:
    """The pattern itself, and those of its numbers of doses that are the furthest from it."""
    by_series = sorted(counts, key=lambda pair: (pair[1], pair[0]))
    ends = (counts[0], *counts[1:3], counts[-1], by_series[0], by_series[-1])
    return list(dict.fromkeys(ends))


def _tests(product: int) -> Iterator[Payload]:
    """Members of tests: without a device, with a registered one and with another."""
    members = _OTHER_TESTS if product == OTHER else members_of_test(product)
    for tt, tr, device in members:
        devices = [device] if device else ["", _UNKNOWN_DEVICE, LISTED_2021[0]]
        for ma in devices:
            if code_of_test(tt, tr, ma) == product:
                named = {"ma": ma} if ma else {}
                name = {"nm": "PCR"} if tt == TYPE_NAAT else {}
                yield {"tt": tt, "tr": tr, "tc": "Test centre", **named, **name}


def _payload(kind: EvidenceKind, dates: Dates, dob: str, members: Payload) -> Payload:
    """The whole document."""
    match kind:
        case EvidenceKind.VACCINATION:
            times = {"dt": _day(dates.event)}
        case EvidenceKind.TEST:
            times = {"sc": datetime.fromtimestamp(dates.event, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
        case _:
            times = {
                "fr": _day(dates.event),
                "df": _day(dates.valid_from or 0),
                "du": _day(dates.valid_until or 0),
            }
    entry = {"tg": COVID_19, **members, **times, **_ISSUED}
    name = {"fn": "Muster", "fnt": "MUSTER", "gn": "Kim", "gnt": "KIM"}
    return {"ver": "1.3.0", "nam": name, "dob": dob, _GROUPS[kind]: [entry]}


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()
