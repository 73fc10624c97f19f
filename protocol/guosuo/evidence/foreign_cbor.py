"""CBOR that others wrote: every well-formed encoding, bounded, no meaning attached.

Health certificates are CBOR but not deterministic CBOR: indefinite lengths,
heads longer than needed and floats are common, so `guosuo.wire.cbor` would
refuse them. A general decoder goes too far the other way: from a tag it builds
dates, regular expressions, shared references or numbers of any size.
This reader takes each well-formed encoding (RFC 8949 section 3) of the types a
certificate is made of and hands tags through as `Tagged` (GS-EVID-8).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NoReturn, TypeAlias

from guosuo.errors import Reason, refuse

MAX_DEPTH: Final = 16
"""Arrays, maps and tags around an item; a certificate needs 6."""

MAX_ITEMS: Final = 4096
"""Items in one document, keys included; a certificate has fewer than 100."""


class _Major(IntEnum):
    """Major types (RFC 8949 section 3.1)."""

    UINT = 0
    NINT = 1
    BYTES = 2
    TEXT = 3
    ARRAY = 4
    MAP = 5
    TAG = 6
    OTHER = 7


_LONG_ARGUMENTS: Final = {24: 1, 25: 2, 26: 4, 27: 8}
"""Low five bits of an initial byte: how many bytes of argument follow."""

_FLOATS: Final = {25: ">e", 26: ">f", 27: ">d"}
_LITERALS: Final[dict[int, bool | None]] = {20: False, 21: True, 22: None}
_INDEFINITE: Final = 31
_BREAK: Final = 0xFF


@dataclass(frozen=True, slots=True, repr=False)
class Tagged:
    """A tag and the item under it, not interpreted."""

    tag: int
    value: Item


Key: TypeAlias = "int | str"
Item: TypeAlias = "int | float | str | bytes | bool | list[Item] | dict[Key, Item] | Tagged | None"


def read(data: bytes) -> Item:
    """The one item that `data` is.

    Map keys are integers or text and never come twice: of two `exp` claims no
    two readers would be sure to take the same. Raises `PeerError(DCC_COSE)` for
    bytes that are not one well-formed item, for bytes after it, for other
    simple values, and beyond `MAX_DEPTH` or `MAX_ITEMS`. The caller bounds the size.
    """
    reader = _Reader(data)
    item = reader.item(0)
    if reader.position != len(data):
        _malformed("bytes after the item")
    return item


class _Reader:
    """A cursor over `data`; every method leaves it behind what it read."""

    __slots__ = ("data", "items", "position")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0
        self.items = 0

    def item(self, depth: int) -> Item:
        """The next item, `depth` containers down."""
        self.items += 1
        if depth > MAX_DEPTH or self.items > MAX_ITEMS:
            _malformed("too deep or too many items")
        first = self._take(1)[0]
        major, info = _Major(first >> 5), first & 0x1F
        if major is _Major.OTHER:
            return self._other(info)
        length = self._argument(info)
        match major:
            case _Major.BYTES:
                return self._string(major, length)
            case _Major.TEXT:
                return _utf8(self._string(major, length))
            case _Major.ARRAY:
                return self._array(length, depth)
            case _Major.MAP:
                return self._map(length, depth)
            case _:
                return self._number_or_tag(major, length, depth)

    def _number_or_tag(self, major: _Major, argument: int | None, depth: int) -> Item:
        if argument is None:
            _malformed("an integer or tag of indefinite length")
        match major:
            case _Major.UINT:
                return argument
            case _Major.NINT:
                return -1 - argument
            case _:
                return Tagged(argument, self.item(depth + 1))

    def _other(self, info: int) -> float | bool | None:
        if info in _LITERALS:
            return _LITERALS[info]
        if info not in _FLOATS:
            _malformed("a simple value without meaning here")
        number: float = struct.unpack(_FLOATS[info], self._take(_LONG_ARGUMENTS[info]))[0]
        return number

    def _array(self, length: int | None, depth: int) -> list[Item]:
        values: list[Item] = []
        while self._more(length, len(values)):
            values.append(self.item(depth + 1))
        return values

    def _map(self, length: int | None, depth: int) -> dict[Key, Item]:
        entries: dict[Key, Item] = {}
        while self._more(length, len(entries)):
            key = self.item(depth + 1)
            if not isinstance(key, int | str) or isinstance(key, bool):
                _malformed("a map key that is neither integer nor text")
            if key in entries:
                _malformed("a map key twice")
            entries[key] = self.item(depth + 1)
        return entries

    def _string(self, major: _Major, length: int | None) -> bytes:
        if length is not None:
            return self._take(length)
        chunks: list[bytes] = []
        while self._more(None, len(chunks)):
            first = self._take(1)[0]
            chunk = self._argument(first & 0x1F)
            if first >> 5 != major or chunk is None:
                _malformed("a chunk of another type, or not of definite length")
            chunks.append(self._take(chunk))
            if major is _Major.TEXT:
                _utf8(chunks[-1])
        return b"".join(chunks)

    def _more(self, length: int | None, done: int) -> bool:
        """Whether another element follows; steps over a break."""
        if length is not None:
            return done < length
        if self.position >= len(self.data):
            _malformed("the data ends inside an item")
        if self.data[self.position] != _BREAK:
            return True
        self.position += 1
        return False

    def _argument(self, info: int) -> int | None:
        """The argument of a head, None for indefinite length."""
        if info in _LONG_ARGUMENTS:
            return int.from_bytes(self._take(_LONG_ARGUMENTS[info]), "big")
        if info == _INDEFINITE:
            return None
        if info > min(_LONG_ARGUMENTS):
            _malformed("a reserved head")
        return info

    def _take(self, size: int) -> bytes:
        start = self.position
        # Compared before slicing: a length of 2^63 must not reach the slice.
        if size > len(self.data) - start:
            _malformed("the data ends inside an item")
        self.position = start + size
        return self.data[start : start + size]


def _utf8(data: bytes) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        # Raised outside: this exception carries the data, and would stay attached as context.
        text = None
    if text is None:
        _malformed("text that is not UTF-8")
    return text


def _malformed(hint: str) -> NoReturn:
    refuse(Reason.DCC_COSE, hint)
