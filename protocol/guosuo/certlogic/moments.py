"""Moments, as CertLogic makes them from text and moves them.

Source: CertLogic specification 1.3.2, "Offset date-time" and "DCC Date of birth",
which define the arithmetic by ECMAScript's `setUTC...` methods (ECMA-262, "Time
Values and Time Range"): the proleptic Gregorian calendar without leap seconds,
fields that run over carry into the next larger one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Final

from guosuo.certlogic.ast import TimeUnit

_HOUR: Final = 3_600_000
_DAY: Final = 24 * _HOUR

_LATEST: Final = 8_640_000_000_000_000
"""Milliseconds from the epoch that ECMAScript can express, either way."""

_CYCLE_YEARS: Final = 400
_CYCLE_DAYS: Final = 146_097
"""After so many years and days the calendar repeats itself."""
_EPOCH: Final = date(1970, 1, 1).toordinal()

MAX_TEXT: Final = 64
"""Characters; the longest form that says something has 29, decimals beyond the third none."""

_DATE: Final = r"(\d{4})(?:-(\d\d)(?:-(\d\d)"
_TIME: Final = r"T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?"
_ZONE: Final = r"(?:Z|([+-])(\d{1,2})(?::?(\d\d))?)?"
_FORM: Final = re.compile(rf"{_DATE}(?:{_TIME}{_ZONE})?)?)?", re.ASCII)
_BIRTH_FORM: Final = re.compile(rf"{_DATE})?)?", re.ASCII)

_MONTHS: Final = 12
_LAST_FIELDS: Final = (23, 59, 59, 999)


@dataclass(frozen=True, slots=True)
class Moment:
    """A date-time of CertLogic, in milliseconds since 1970-01-01T00:00:00Z."""

    milliseconds: int


def read_moment(text: str) -> Moment:
    """The moment that `text` names; `ValueError` if it names none.

    The forms are those of the specification. Without a time of day it is
    midnight, without an offset UTC; `YYYY` and `YYYY-MM` mean their last day;
    decimals beyond milliseconds are cut off.
    """
    found = _FORM.fullmatch(text) if len(text) <= MAX_TEXT else None
    if found is None:
        raise ValueError
    year, month, day, hour, minute, second, decimals, sign, hours, minutes = found.groups()
    start = _day(year, month, day)
    if hour is None:
        return Moment(start)
    thousandths = (decimals or "").ljust(3, "0")[:3]
    fields = tuple(int(part) for part in (hour, minute, second, thousandths))
    offset = tuple(int(part or 0) for part in (hours, minutes))
    if any(n > last for n, last in zip(fields + offset, _LAST_FIELDS + _LAST_FIELDS, strict=False)):
        raise ValueError
    since_midnight = ((fields[0] * 60 + fields[1]) * 60 + fields[2]) * 1000 + fields[3]
    ahead = (offset[0] * 60 + offset[1]) * 60_000
    return Moment(start + since_midnight + (ahead if sign == "-" else -ahead))


def read_birth_date(text: str) -> Moment:
    """Midnight of the last day that `YYYY`, `YYYY-MM`, `YYYY-MM-DD` can mean, or `ValueError`."""
    found = _BIRTH_FORM.fullmatch(text)
    if found is None:
        raise ValueError
    return Moment(_day(*found.groups()))


def plus_time(moment: Moment, amount: int, unit: TimeUnit) -> Moment:
    """`moment` moved by `amount` units; `ValueError` if ECMAScript has no such moment.

    A day of the month that the month reached does not have runs over: 31 January
    and a month is 3 March, or 2 March in leap years.
    """
    if unit is TimeUnit.HOUR:
        moved = moment.milliseconds + amount * _HOUR
    elif unit is TimeUnit.DAY:
        moved = moment.milliseconds + amount * _DAY
    else:
        months = amount * _MONTHS if unit is TimeUnit.YEAR else amount
        moved = _plus_months(moment.milliseconds, months)
    if not -_LATEST <= moved <= _LATEST:
        raise ValueError
    return Moment(moved)


def _day(year: str, month: str | None, day: str | None) -> int:
    """Milliseconds of the midnight at which the day begins; the last one if it is not named."""
    first = _first_of_month(int(year), int(month or _MONTHS))
    next_first = _first_of_month(int(year), int(month or _MONTHS) + 1)
    start = first + int(day) - 1 if day else next_first - 1
    if not 1 <= int(month or _MONTHS) <= _MONTHS or not first <= start < next_first:
        raise ValueError
    return start * _DAY


def _plus_months(milliseconds: int, months: int) -> int:
    days, time_of_day = divmod(milliseconds, _DAY)
    cycle, day_in_cycle = divmod(days + _EPOCH - 1, _CYCLE_DAYS)
    old = date.fromordinal(day_in_cycle + 1)
    first = _first_of_month(cycle * _CYCLE_YEARS + old.year, old.month + months)
    return (first + old.day - 1) * _DAY + time_of_day


def _first_of_month(year: int, month: int) -> int:
    """Days from the epoch; `month` may lie outside of 1 to 12 and then means another year."""
    years, month_index = divmod(month - 1, _MONTHS)
    cycle, year_in_cycle = divmod(year + years - 1, _CYCLE_YEARS)
    first = date(year_in_cycle + 1, month_index + 1, 1)
    return cycle * _CYCLE_DAYS + first.toordinal() - _EPOCH
