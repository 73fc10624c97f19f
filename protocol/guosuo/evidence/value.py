"""The evidence integer: message 2 of a credential, entry of policy tables (GS-EVID-1).

    bits  63–60  59–56  55–40    39–36  35–32   31–24  23–16  15–12     11–8     7–4   3–0
          layout kind   product  doses  series  age    age    validity  validity band  0
                                                first  last   first     last

This is layout 3. The integer lies in [3·2^60, 2^62): never 0, below the group order,
and different for different fields. Products are a registry of their own
(append-only), and so are limits; the other fields are numbered here.

A state changes during a life, the time in which a value can be shown, so there are
two: that of its first second and that of its last. An age is a class between the limits of
`limits`. A validity is 0 for kinds without one, else phase + 4·starts_late +
8·ends_early. The band holds for the whole life; without one, ages are `wide_class`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from guosuo.errors import CallerError, PeerError, Reason
from guosuo.evidence.facts import EvidenceFact
from guosuo.evidence.limits import LIMITS, wide_class
from guosuo.evidence.registry import EvidenceKind
from guosuo.evidence.states import BANDED, Band, Phase, Shape, State, Validity, state_at

LAYOUT: Final = 3

_LAYOUT_SHIFT: Final = 60
_KIND_SHIFT: Final = 56
_PRODUCT_SHIFT: Final = 40
_DOSES_SHIFT: Final = 36
_SERIES_SHIFT: Final = 32
_FIRST_AGE_SHIFT: Final = 24
_LAST_AGE_SHIFT: Final = 16
_FIRST_VALIDITY_SHIFT: Final = 12
_LAST_VALIDITY_SHIFT: Final = 8
_BAND_SHIFT: Final = 4

_MASK_4: Final = (1 << 4) - 1
_MASK_8: Final = (1 << 8) - 1
_MASK_16: Final = (1 << 16) - 1

_PHASES: Final = 0b0011
_STARTS_LATE: Final = 0b0100
_ENDS_EARLY: Final = 0b1000


def pack(shape: Shape, first: State, last: State) -> int:
    """The integer of a shape and a pair of states.

    `CallerError(ARGUMENT)` for states that no document of the kind has, for two
    bands, and for time that runs backwards.
    """
    _check(shape.kind, first, last)
    return (
        LAYOUT << _LAYOUT_SHIFT
        | shape.kind << _KIND_SHIFT
        | shape.product << _PRODUCT_SHIFT
        | shape.doses << _DOSES_SHIFT
        | shape.series << _SERIES_SHIFT
        | first.age << _FIRST_AGE_SHIFT
        | last.age << _LAST_AGE_SHIFT
        | _validity_code(first.validity) << _FIRST_VALIDITY_SHIFT
        | _validity_code(last.validity) << _LAST_VALIDITY_SHIFT
        | first.band << _BAND_SHIFT
    )


def unpack(value: int) -> tuple[Shape, State, State]:
    """The only fields that pack to `value`; `PeerError(EVIDENCE)` if there are none."""
    try:
        kind = EvidenceKind(value >> _KIND_SHIFT & _MASK_4)
        band = Band(value >> _BAND_SHIFT & _MASK_4)
        shape = Shape(
            kind,
            value >> _PRODUCT_SHIFT & _MASK_16,
            value >> _DOSES_SHIFT & _MASK_4,
            value >> _SERIES_SHIFT & _MASK_4,
        )
        first, last = (
            State(value >> age & _MASK_8, _validity(value >> validity & _MASK_4), band)
            for age, validity in (
                (_FIRST_AGE_SHIFT, _FIRST_VALIDITY_SHIFT),
                (_LAST_AGE_SHIFT, _LAST_VALIDITY_SHIFT),
            )
        )
        # Layout, reserved bits and everything above bit 63 in one comparison.
        fields = (shape, first, last) if pack(shape, first, last) == value else None
    except (ValueError, CallerError):
        fields = None
    if fields is None:
        raise PeerError(Reason.EVIDENCE, "not an evidence value")
    return fields


def value_at(fact: EvidenceFact, *, start: int, end: int) -> int:
    """The evidence integer of `fact` for an epoch, the same everywhere (GS-EVID-3).

    `start` is the first second of the epoch, `end` the first second after the
    key's listing life (Unix seconds): lists are valid in [start, end), so the
    second state is that at `end` − 1, the last second in which the value can be shown.
    An event inside the life begins it: nobody signs evidence before its event, so
    the value cannot be shown earlier. Raises `CallerError(ARGUMENT)` unless
    start < end.
    """
    if start >= end:
        raise CallerError(Reason.ARGUMENT, "an epoch ends after it starts")
    dates = fact.dates
    begin = dates.event if start < dates.event < end else start
    first, last = (state_at(fact.kind, dates, moment) for moment in (begin, end - 1))
    band = _band_of_life(fact.kind, first.band, last.band)
    return pack(fact.shape, *(shown(fact.kind, state, band) for state in (first, last)))


def shown(kind: EvidenceKind, state: State, band: Band) -> State:
    """What the integer says of a state of a life with a band (`Band.OTHER`: without one)."""
    age = wide_class(kind, state.age) if band is Band.OTHER else state.age
    return replace(state, age=age, band=band)


def _band_of_life(kind: EvidenceKind, first: Band, last: Band) -> Band:
    same = first is last and first in {Band.MINOR, Band.ADULT}
    return first if same and kind in BANDED else Band.OTHER


def _check(kind: EvidenceKind, first: State, last: State) -> None:
    if not 0 <= first.age <= last.age <= len(LIMITS[kind]):
        raise CallerError(Reason.ARGUMENT, "no such pair of age classes")
    if first.band is Band.OTHER and any(s.age != wide_class(kind, s.age) for s in (first, last)):
        raise CallerError(Reason.ARGUMENT, "ages that are told apart of known holders only")
    bands = {Band.OTHER, Band.MINOR, Band.ADULT} if kind in BANDED else {Band.OTHER}
    if first.band is not last.band or first.band not in bands:
        raise CallerError(Reason.ARGUMENT, "no band of a whole life")
    if {first.validity is None, last.validity is None} != {kind is not EvidenceKind.RECOVERY}:
        raise CallerError(Reason.ARGUMENT, "recoveries have a validity, and only they")
    if first.validity is not None and last.validity is not None:
        ends = {(v.starts_late, v.ends_early) for v in (first.validity, last.validity)}
        if len(ends) > 1 or first.validity.phase > last.validity.phase:
            raise CallerError(Reason.ARGUMENT, "no such pair of validities")


def _validity_code(validity: Validity | None) -> int:
    if validity is None:
        return 0
    return validity.phase | _STARTS_LATE * validity.starts_late | _ENDS_EARLY * validity.ends_early


def _validity(code: int) -> Validity | None:
    if code == 0:
        return None
    return Validity(Phase(code & _PHASES), bool(code & _STARTS_LATE), bool(code & _ENDS_EARLY))
