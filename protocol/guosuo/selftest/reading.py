"""Reading vector files: bounded, typed, and without any trust in them."""

from __future__ import annotations

import binascii
import json
import re
from itertools import accumulate
from pathlib import Path
from typing import Final, NoReturn, TypeAlias

from guosuo.selftest import flow_yaml

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

Document: TypeAlias = "Json | bytes"
"""What a file holds: octets where it is no text of a known syntax."""

MAX_FILE_SIZE: Final = 32 << 20
"""Octets; the largest published file of these families has 3 MiB."""

MAX_DEPTH: Final = 64
"""Nested brackets of a document; published files have fewer than 10."""

_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)
"""A whole string; one that does not end is read once, and not again from each quote in it."""

_STEPS: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_BRACKETS: Final = bytes(set(range(256)) - _STEPS.keys())
_HEX_PREFIX: Final = "0x"


class NotRecognisedError(Exception):
    """A file or case that is not run; the text says why."""


class MalformedError(Exception):
    """A recognised file is damaged: a name is missing or a value has a wrong type."""

    def __init__(self, where: str, what: str) -> None:
        """`where` is the place in the document, `what` is wrong with it."""
        super().__init__(f"{where} {what}")


class MismatchError(Exception):
    """The library found something else than the vector says."""

    def __init__(self, expected: str, found: str) -> None:
        """Both in words or hexadecimal digits."""
        super().__init__(f"expected {expected}, found {found}")
        self.expected = expected
        self.found = found


def load(path: Path) -> Document:
    """The document of a file, or its octets where it is no text of a known syntax.

    Raises `NotRecognisedError` for files that cannot be read, are too large or are
    damaged JSON.
    """
    try:
        if path.stat().st_size > MAX_FILE_SIZE:
            raise NotRecognisedError("larger than 32 MiB")
        data = path.read_bytes()
    except OSError:
        raise NotRecognisedError("cannot be read") from None
    start = data.lstrip()[:1]
    if start not in (b"{", b"[") and not data.startswith(b"\xef\xbb\xbf"):
        return _load_yaml(data)
    try:
        _check_depth(data)
        document: Json = json.loads(data.decode("utf-8-sig"))
    except ValueError:
        raise NotRecognisedError("damaged: not JSON") from None
    return document


def _check_depth(data: bytes) -> None:
    """`ValueError` for brackets nested too deep, before a parser that recurses sees them.

    Python's own limit does not help: py_ecc raises it to 100,000, with which the
    parser overflows the stack of the process.
    """
    brackets = _STRING.sub(b"", data).translate(None, _NO_BRACKETS)
    if max(accumulate(_STEPS[mark] for mark in brackets), default=0) > MAX_DEPTH:
        raise ValueError("nested too deep")


def _load_yaml(data: bytes) -> Document:
    if not flow_yaml.looks_like(data):
        return data
    try:
        return flow_yaml.read(data.decode())
    except ValueError:
        raise NotRecognisedError("damaged: not YAML of the kind that vectors use") from None


class Fields:
    """An object of a vector file; every accessor raises `MalformedError`."""

    __slots__ = ("_names", "where")

    def __init__(self, value: Document, where: str = "the document") -> None:
        """`where` is how messages call this object."""
        if not isinstance(value, dict):
            raise MalformedError(where, "is not an object")
        self._names = value
        self.where = where

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def names(self) -> list[str]:
        """All names, in order."""
        return list(self._names)

    def value(self, name: str) -> Json:
        """The value of a name."""
        if name not in self._names:
            raise MalformedError(self._at(name), "is missing")
        return self._names[name]

    def text(self, name: str) -> str:
        """A text."""
        return _text(self.value(name), self._at(name))

    def octets(self, name: str) -> bytes:
        """Octets in hexadecimal digits, with or without `0x`."""
        return octets(self.value(name), self._at(name))

    def flag(self, name: str) -> bool:
        """A truth value."""
        value = self.value(name)
        if not isinstance(value, bool):
            raise MalformedError(self._at(name), "is not true or false")
        return value

    def whole(self, name: str) -> int:
        """An integer ≥ 0, written as a number or as text beginning with `0x`."""
        value = self.value(name)
        if isinstance(value, str) and value.startswith(_HEX_PREFIX):
            return hexadecimal(value, self._at(name))
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise MalformedError(self._at(name), "is not a whole number")
        return value

    def fields(self, name: str) -> Fields:
        """An object."""
        return Fields(self.value(name), self._at(name))

    def items(self, name: str) -> list[Json]:
        """A list."""
        value = self.value(name)
        if not isinstance(value, list):
            raise MalformedError(self._at(name), "is not a list")
        return value

    def objects(self, name: str) -> list[Fields]:
        """A list of objects."""
        return objects(self.items(name), self._at(name))

    def octet_list(self, name: str) -> list[bytes]:
        """A list of octets in hexadecimal digits."""
        at = self._at(name)
        return [octets(item, f"{at}[{i}]") for i, item in enumerate(self.items(name))]

    def index_list(self, name: str, end: int) -> list[int]:
        """A list of integers in [0, end)."""
        found = []
        for item in self.items(name):
            if isinstance(item, bool) or not isinstance(item, int) or not 0 <= item < end:
                raise MalformedError(self._at(name), "is not a list of indexes")
            found.append(item)
        return found

    def malformed(self, name: str, what: str) -> NoReturn:
        """Raise `MalformedError` for the value of a name."""
        raise MalformedError(self._at(name), what)

    def _at(self, name: str) -> str:
        return name if self.where == "the document" else f"{self.where}.{name}"


def objects(items: Document, where: str = "the document") -> list[Fields]:
    """The elements of a list of objects; `MalformedError`."""
    if not isinstance(items, list):
        raise MalformedError(where, "is not a list")
    return [Fields(item, f"{where}[{i}]") for i, item in enumerate(items)]


def octets(value: Document, where: str) -> bytes:
    """Octets in hexadecimal digits, with or without `0x`; `MalformedError`."""
    try:
        return binascii.unhexlify(_text(value, where).removeprefix(_HEX_PREFIX))
    except ValueError:
        raise MalformedError(where, "is not hexadecimal") from None


def hexadecimal(text: str, where: str) -> int:
    """An integer in hexadecimal digits, with or without `0x`; `MalformedError`."""
    digits = text.removeprefix(_HEX_PREFIX)
    if not digits or not set(digits) <= set("0123456789abcdefABCDEF"):
        raise MalformedError(where, "is not a hexadecimal number")
    return int(digits, 16)


def _text(value: Document, where: str) -> str:
    if not isinstance(value, str):
        raise MalformedError(where, "is not a text")
    return value
