"""JSON text, read strictly and within bounds.

What two JSON readers could understand differently is refused: names that occur
twice, NaN and infinities, numbers that overflow, text that is not UTF-8, lone
surrogates. RFC 8259 leaves these to the reader.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final, NoReturn

from guosuo.errors import PeerError, Reason, refuse

MAX_BYTES: Final = 1 << 20
"""Octets of one text; the largest published set of rules has 61,365."""

MAX_NESTING: Final = 160
"""Arrays and objects around a value: what the deepest expression needs, and a rule around it."""

MAX_DIGITS: Final = 32
"""Characters of a number."""

# Strings are matched whole, so that a bracket inside of one does not count. Nothing is ever
# matched twice: the time is linear in the text, whatever it is.
_STRING_OR_BRACKET: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[][{}]', re.DOTALL)


def load_json(text: bytes) -> object:
    """The value of a JSON text: dicts, lists, str, int, float, bool, None.

    Raises `PeerError`: `RULE_BOUNDS` if it is longer or deeper than allowed,
    `RULE_SYNTAX` if it is not JSON or could be read in two ways.
    """
    if len(text) > MAX_BYTES or _too_deep(text):
        refuse(Reason.RULE_BOUNDS, "a JSON text that is too long or too deep")
    try:
        return json.loads(
            text.decode(),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_fraction,
            parse_constant=_no_constant,
        )
    except ValueError:
        pass
    # Not inside of `except`: the error of `json` carries the text.
    raise PeerError(Reason.RULE_SYNTAX, "not a JSON text")


def checked_text(value: object, *, limit: int) -> str:
    """A text of at most `limit` characters; `PeerError` (as `load_json`) otherwise."""
    if not isinstance(value, str):
        refuse(Reason.RULE_SYNTAX, "something else in the place of a text")
    if len(value) > limit:
        refuse(Reason.RULE_BOUNDS, "a text that is too long")
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        refuse(Reason.RULE_SYNTAX, "half of a surrogate pair")
    return value


def _too_deep(text: bytes) -> bool:
    """Whether more arrays and objects are open at the same time than allowed."""
    depth = 0
    for found in _STRING_OR_BRACKET.finditer(text):
        if found[0] in {b"[", b"{"}:
            depth += 1
            if depth > MAX_NESTING:
                return True
        elif found[0] in {b"]", b"}"}:
            depth -= 1
    return False


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) != len(pairs):
        refuse(Reason.RULE_SYNTAX, "a name that occurs twice")
    return entries


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        refuse(Reason.RULE_BOUNDS, "a number that is too long")
    return int(digits)


def _fraction(digits: str) -> float:
    if len(digits) > MAX_DIGITS:
        refuse(Reason.RULE_BOUNDS, "a number that is too long")
    value = float(digits)
    if not math.isfinite(value):
        refuse(Reason.RULE_BOUNDS, "a number that is too large")
    return value


def _no_constant(_: str) -> NoReturn:
    refuse(Reason.RULE_SYNTAX, "a number that JSON does not have")
