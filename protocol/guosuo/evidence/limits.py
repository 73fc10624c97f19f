"""Time limits: the instants, counted from an event, at which some rule changes its mind.

Rules compare a clock with an event moved by hours, days, months or years, by the
arithmetic of CertLogic. `clock >= event + n` and `clock < event + n` change at the moved
event, `clock > event + n` and `clock <= event + n` one second later: clocks are whole
seconds. The class of a moment is the number of limits passed; the limits of a
kind come in the same order whatever the event's date is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from guosuo.certlogic.ast import TimeUnit
from guosuo.certlogic.moments import Moment, plus_time
from guosuo.evidence.registry import EvidenceKind

SECONDS_PER_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit, passed at `event + amount`, or, if strict, one second after it."""

    amount: int
    unit: TimeUnit
    strict: bool = False

    def instant(self, event: int) -> int:
        """The first moment (Unix seconds) that is past the limit, within ±2^41 s."""
        moved = plus_time(Moment(event * 1000), self.amount, self.unit)
        return moved.milliseconds // 1000 + self.strict


def _days(*amounts: int, strict: bool = False) -> tuple[Limit, ...]:
    return tuple(Limit(amount, TimeUnit.DAY, strict) for amount in amounts)


def _around(amount: int, unit: TimeUnit) -> tuple[Limit, Limit]:
    """Rules of both sorts look at this amount; between the two there is one second."""
    return Limit(amount, unit), Limit(amount, unit, strict=True)


LIMITS: Final = {
    EvidenceKind.VACCINATION: (
        *_days(0, 7, 10, 14, 15, 21, 22),
        *_days(210, strict=True),
        *_around(270, TimeUnit.DAY),
        Limit(9, TimeUnit.MONTH, strict=True),
        *_days(360, strict=True),
        *_around(365, TimeUnit.DAY),
        *_days(386),
        Limit(48, TimeUnit.MONTH, strict=True),
    ),
    EvidenceKind.TEST: (
        *_around(0, TimeUnit.HOUR),
        *_around(24, TimeUnit.HOUR),
        *_around(48, TimeUnit.HOUR),
        *_around(72, TimeUnit.HOUR),
        *_days(7, strict=True),
        *_days(90),
    ),
    EvidenceKind.RECOVERY: (
        *_days(0),
        *_around(10, TimeUnit.DAY),
        *_days(11, 14),
        *_around(180, TimeUnit.DAY),
        *_days(181, 210, strict=True),
        *_days(365),
    ),
}
"""Those of the production rules of January and June 2022, and the event itself.

The lists belong to the layout: classes are numbered by them, and each limit makes
tables larger. Another list is another layout (GS-EVID-2).
"""

WIDE_LIMITS: Final = {EvidenceKind.VACCINATION: _days(14, 22, 270)}
"""Of the limits of a kind, those that stay apart where the holder's age is in no band.

That is so for some hours around a birthday, and for documents without a birth date, which
nobody can enrol. Every limit would make as many values of it as of adults.
"""

BIRTH_LIMITS: Final = (
    Limit(18, TimeUnit.YEAR, strict=True),
    Limit(6575, TimeUnit.DAY, strict=True),
)
"""Of full age, as rules write it; the second is never before the first."""


def wide_class(kind: EvidenceKind, age: int) -> int:
    """The first class of those that are one where the holder's age is in no band (GS-EVID-11).

    >>> [wide_class(EvidenceKind.VACCINATION, age) for age in (0, 3, 4, 6, 7, 8, 16)]
    [0, 0, 4, 4, 7, 7, 9]
    """
    limits = LIMITS[kind]
    if kind not in WIDE_LIMITS:
        return age
    starts = (limits.index(limit) + 1 for limit in WIDE_LIMITS[kind])
    return max((start for start in starts if start <= age), default=0)


def one_second(kind: EvidenceKind, age: int) -> bool:
    """Whether a class has only the second between a limit and the strict one of its amount.

    >>> [age for age in range(11) if one_second(EvidenceKind.TEST, age)]
    [1, 3, 5, 7]
    """
    limits = LIMITS[kind]
    if not 0 < age < len(limits):
        return False
    before, after = limits[age - 1], limits[age]
    return (before.amount, before.unit) == (after.amount, after.unit)


def limits_passed(limits: tuple[Limit, ...], event: int, moment: int) -> int:
    """How many of the limits lie behind a moment; from 0 to all of them."""
    return sum(limit.instant(event) <= moment for limit in limits)


def age_class(kind: EvidenceKind, event: int, moment: int) -> int:
    """The class of a moment after (or before, class 0) an event of a kind (GS-EVID-2).

    >>> [age_class(EvidenceKind.TEST, 0, hours * 3600) for hours in (-1, 0, 1, 24, 25)]
    [0, 1, 2, 3, 4]
    """
    return limits_passed(LIMITS[kind], event, moment)
