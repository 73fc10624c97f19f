"""Documents that stand for others: one per state, and all variants of a shape.

Rules are evaluated over what the evidence model says about a document, put back into
the form of a payload. What the model merges comes in several variants, all of which
have to be accepted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from guosuo.errors import CallerError
from guosuo.evidence.facts import EvidenceFact
from guosuo.evidence.registry import (
    DEVICE_BASE,
    OTHER,
    RAPID_ANTIGEN,
    RAPID_ANTIGEN_2021,
    RAPID_ANTIGEN_2022,
    EvidenceKind,
)
from guosuo.evidence.space import Band, Shape, State, paths, sample, samples, shapes

GROUPS: Final = {
    EvidenceKind.VACCINATION: "v",
    EvidenceKind.TEST: "t",
    EvidenceKind.RECOVERY: "r",
}
"""Where payloads have the entry of a kind."""
_EVENTS: Final = {
    EvidenceKind.VACCINATION: "dt",
    EvidenceKind.TEST: "sc",
    EvidenceKind.RECOVERY: "fr",
}
DATED: Final = frozenset({"dt", "sc", "fr", "df", "du"})
"""Members of entries that are dates."""

_CLOCKS: Final = (1_686_830_400, 1_686_873_600)
"""2023-06-15 at noon, and the midnight after it: between them somebody is in every state."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What of a document depends on its state, and the moment at which it is in it."""

    clock: int
    dates: dict[str, str]
    rest: dict[str, Any]
    """Of the payload, everything but the entry."""


@cache
def reference(kind: EvidenceKind, state: State) -> Reference | None:
    """One document of a kind in a state; None if nobody can be in it."""
    for clock in _CLOCKS:
        try:
            payload = dict(sample(shapes(kind)[0], state, clock))
        except CallerError:
            continue
        (entry,) = payload.pop(GROUPS[kind])
        return Reference(clock, {name: entry[name] for name in DATED & entry.keys()}, payload)
    return None


@cache
def variants(shape: Shape) -> tuple[dict[str, Any], ...]:
    """All that documents of a shape can have beside their dates, as far as rules could look.

    Of vaccinations, with the numbers of the pattern: rules that tell others apart are at fault.
    """
    state = State(1, paths(shape.kind, 1)[0].first.validity, Band.ADULT)
    found: list[dict[str, Any]] = []
    first = None
    for payload, clock in samples(shape, state, _CLOCKS[0]):
        # Every clock of the day brings the same variants again.
        first = clock if first is None else first
        if clock != first:
            break
        (entry,) = payload[GROUPS[shape.kind]]
        members = {name: value for name, value in entry.items() if name not in DATED}
        pattern = (members.get("dn", 0), members.get("sd", 0)) == (shape.doses, shape.series)
        if pattern and members not in found:
            found.append(members)
    return tuple(found)


def merges_devices(shape: Shape) -> bool:
    """Whether tests of this shape may have been made with any device, the registered ones too."""
    return (
        shape.kind is EvidenceKind.TEST
        and shape.product < DEVICE_BASE
        and shape.product not in {RAPID_ANTIGEN, RAPID_ANTIGEN_2021, RAPID_ANTIGEN_2022}
    )


def open_member(shape: Shape) -> str:
    """The member in which documents of this shape may have any code, registered or not, if any.

    The device of tests, and the kind of a vaccine that is not in the registry.
    """
    if shape.kind is EvidenceKind.VACCINATION and shape.product == OTHER:
        return "vp"
    return "ma" if merges_devices(shape) else ""


def payloads(fact: EvidenceFact, codes: Iterable[str] = ()) -> Iterator[dict[str, Any]]:
    """The documents that a fact may have come from, as far as rules could tell them apart.

    `codes`: those of the `open_member` that rules name, one of each sort.
    """
    dates = fact.dates
    times = {_EVENTS[fact.kind]: _day(dates.event)}
    if fact.kind is EvidenceKind.TEST:
        times["sc"] = _moment(dates.event)
    elif dates.valid_from is not None and dates.valid_until is not None:
        times |= {"df": _day(dates.valid_from), "du": _day(dates.valid_until)}
    born = "" if dates.born is None else _day(dates.born)
    every = list(variants(fact.shape))
    name = open_member(fact.shape)
    if name:
        every += [{**members, name: code} for members in every for code in codes]
    for members in every:
        yield {"ver": "1.3.0", "dob": born, GROUPS[fact.kind]: [{**members, **times}]}


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _day(seconds: int) -> str:
    return _moment(seconds)[:10]
