"""Reading CBOR diagnostic notation, as far as published examples use it.

RFC 8949 section 8: JSON with `h''` for octets, `tag(item)`, `simple(n)`,
`undefined`, `Infinity`, `NaN`, and `(_ a, b)`, `[_ …]`, `{_ …}` for what was
encoded with indefinite length, here simply joined.
"""

from __future__ import annotations

import json
import math
import re
from typing import Final

from guosuo.errors import CallerError
from guosuo.wire.cbor import AnyValue, Key, Simple, Tagged

_MAX_DEPTH: Final = 32
_SPACE: Final = re.compile(r"\s*")
_NUMBER: Final = re.compile(r"-?\d{1,400}(\.\d{1,400})?([eE][+-]?\d{1,4})?")
_OCTETS: Final = re.compile(r"h'([0-9a-fA-F]*)'")
_STRING: Final = json.JSONDecoder()
_WORDS: Final[dict[str, AnyValue]] = {
    "true": True,
    "false": False,
    "null": None,
    "undefined": Simple(23),
    "Infinity": math.inf,
    "-Infinity": -math.inf,
    "NaN": math.nan,
}
_WORD: Final = re.compile("|".join(sorted(_WORDS, key=len, reverse=True)))
_SIMPLE: Final = re.compile(r"simple\((\d{1,3})\)")
_TAG: Final = re.compile(r"(\d{1,20})\(")


class NotReadableError(Exception):
    """Notation beyond this subset."""


def read(text: str) -> AnyValue:
    """The value; `NotReadableError` for everything that is not read here."""
    reader = _Reader(text)
    try:
        value = reader.item(0)
    except (ValueError, CallerError):
        raise NotReadableError from None
    if reader.at != len(text):
        raise NotReadableError
    return value


class _Reader:
    """`at` is where the next item begins; spaces are skipped behind what was read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def item(self, depth: int) -> AnyValue:
        """The next item."""
        if depth > _MAX_DEPTH:
            raise NotReadableError
        start = self.text[self.at : self.at + 1]
        if start == '"':
            value, self.at = _STRING.raw_decode(self.text, self.at)
            self._skip()
            return str(value)
        if start == "[":
            return self._list("[", "]", depth)
        if start == "{":
            return self._map(depth)
        if start == "(":
            return self._joined(depth)
        return self._atom(depth)

    def _atom(self, depth: int) -> AnyValue:
        if match := self._match(_WORD):
            return _WORDS[match[0]]
        if match := self._match(_OCTETS):
            return bytes.fromhex(match[1])
        if match := self._match(_SIMPLE):
            return Simple(int(match[1]))
        if match := self._match(_TAG):
            content = self.item(depth + 1)
            self._take(")")
            return Tagged(int(match[1]), content)
        if match := self._match(_NUMBER):
            return float(match[0]) if match[1] or match[2] else int(match[0])
        raise NotReadableError

    def _list(self, start: str, end: str, depth: int) -> list[AnyValue]:
        self._open(start)
        items: list[AnyValue] = []
        while not self._ends(end, more=bool(items)):
            items.append(self.item(depth + 1))
        return items

    def _map(self, depth: int) -> dict[Key, AnyValue]:
        self._open("{")
        names: dict[Key, AnyValue] = {}
        while not self._ends("}", more=bool(names)):
            key = self.item(depth + 1)
            if isinstance(key, bool) or not isinstance(key, int | str | bytes) or key in names:
                raise NotReadableError
            self._take(":")
            names[key] = self.item(depth + 1)
        return names

    def _joined(self, depth: int) -> bytes | str:
        parts = self._list("(", ")", depth)
        octets = [part for part in parts if isinstance(part, bytes)]
        texts = [part for part in parts if isinstance(part, str)]
        if len(octets) == len(parts):
            return b"".join(octets)
        if len(texts) == len(parts):
            return "".join(texts)
        raise NotReadableError

    def _open(self, start: str) -> None:
        self._take(start)
        if self.text.startswith("_", self.at):
            self._take("_")

    def _ends(self, end: str, *, more: bool) -> bool:
        if self.text.startswith(end, self.at):
            self._take(end)
            return True
        if more:
            self._take(",")
        return False

    def _take(self, mark: str) -> None:
        if not self.text.startswith(mark, self.at):
            raise NotReadableError
        self.at += len(mark)
        self._skip()

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self.text, self.at)
        if match is not None:
            self.at = match.end()
            self._skip()
        return match

    def _skip(self) -> None:
        match = _SPACE.match(self.text, self.at)
        self.at = match.end() if match else self.at
