"""Days, moments and birth dates as health certificates write them.

The forms are those of the DCC schema 1.3 and of the CertLogic language; real
certificates mix them (a time of day behind a date, `+02`, `+0200`, `+02:00`,
milliseconds). Nothing else is read: `datetime.fromisoformat` takes other forms
in each Python version. Years run from 1900 to 2099 (schema, `dob`).
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final, NoReturn

from guosuo.certlogic.moments import read_birth_date as certlogic_date
from guosuo.certlogic.moments import read_moment as certlogic_moment
from guosuo.errors import Reason, refuse

_DAY: Final = r"((?:19|20)\d\d)-(\d\d)-(\d\d)"
_TIME: Final = r"(\d\d):(\d\d):(\d\d)(?:\.\d{1,9})?"
_OFFSET: Final = r"(?:Z|([+-])(\d\d)(?::?(\d\d))?)?"

_MOMENT: Final = re.compile(f"{_DAY}T{_TIME}{_OFFSET}", re.ASCII)
_FULL_DAY: Final = re.compile(_DAY, re.ASCII)
_PARTIAL_DAY: Final = re.compile(r"(?:19|20)\d\d(?:-(\d\d))?", re.ASCII)

_DAY_LENGTH: Final = len("2021-01-01")
_MINUTES_PER_HOUR: Final = 60
_HOURS_PER_DAY: Final = 24
_MONTHS: Final = 12


def read_moment(text: str) -> int:
    """Unix seconds of a date with time of day, fractions cut off.

    Without an offset the time is UTC, as CertLogic has it. Raises
    `PeerError(DCC_PAYLOAD)` for other forms and for times that do not exist.
    """
    found = _MOMENT.fullmatch(text)
    if found is None:
        _refuse_date()
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    sign, hours, minutes = found.groups()[6:]
    offset = timedelta()
    if sign:
        if int(hours) >= _HOURS_PER_DAY or int(minutes or 0) >= _MINUTES_PER_HOUR:
            _refuse_date()
        offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
    try:
        local = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        local = None
    if local is None:
        _refuse_date()
    moment = local + offset if sign == "-" else local - offset
    return int(moment.timestamp())


def read_day(text: str) -> date:
    """The calendar day as written, whatever time of day stands behind it.

    A day is not moved to UTC: "2021-05-18T00:00:00+02:00" says the 18th, as the
    paper beside the code does. Raises `PeerError(DCC_PAYLOAD)` for other forms
    and for days that do not exist.
    """
    if len(text) > _DAY_LENGTH:
        read_moment(text)
        text = text[:_DAY_LENGTH]
    found = _FULL_DAY.fullmatch(text)
    if found is None:
        _refuse_date()
    year, month, day = (int(part) for part in found.groups())
    try:
        read = date(year, month, day)
    except ValueError:
        read = None
    if read is None:
        _refuse_date()
    return read


def is_whole_day(text: str) -> bool:
    """Whether a text that `read_day` takes means 00:00 UTC of its day, where rules count from it.

    >>> [is_whole_day("2021-05-18" + time) for time in ("", "T00:00:00", "T02:00:00+02:00")]
    [True, True, True]
    >>> [is_whole_day("2021-05-18" + time) for time in ("T00:00:01Z", "T00:00:00+02:00")]
    [False, False]
    """
    return certlogic_moment(text).milliseconds == midnight(read_day(text)) * 1000


def read_birth_date(text: str) -> str:
    """A birth date as far as it is known: `YYYY-MM-DD`, `YYYY-MM`, `YYYY` or nothing.

    Midnight UTC behind it is dropped, so that two certificates of one person compare
    equal. Raises `PeerError(DCC_PAYLOAD)` otherwise, for another time of day, too.
    """
    if not text:
        return ""
    found = _PARTIAL_DAY.fullmatch(text)
    if found is None:
        day = read_day(text)
        if not is_whole_day(text):
            _refuse_date()
        return day.isoformat()
    month = found.group(1)
    if month is not None and not 1 <= int(month) <= _MONTHS:
        _refuse_date()
    return text


def midnight(day: date) -> int:
    """Unix seconds of 00:00 UTC on `day`."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def last_day(birth_date: str) -> int | None:
    """00:00 UTC of the last day that a birth date (of `read_birth_date`) can mean; None of "".

    >>> last_day("1970"), last_day("1970-01"), last_day("1970-01-02"), last_day("")
    (31449600, 2592000, 86400, None)
    """
    return certlogic_date(birth_date).milliseconds // 1000 if birth_date else None


def _refuse_date() -> NoReturn:
    refuse(Reason.DCC_PAYLOAD, "not a date, or one that is not in the calendar")
