"""Base45 texts: what they decode to, and texts that must be refused (RFC 9285)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from guosuo.errors import Reason
from guosuo.selftest.kinds import Case, Kind, Run, Shape, must_be_refused, same
from guosuo.selftest.reading import Document, Fields, Json, MalformedError, objects
from guosuo.selftest.report import Family
from guosuo.wire import base45

_REFUSED: Final = "invalid"
"""Name of the list whose texts have no octets."""


def _decode(text: str) -> bytes:
    return base45.decode(text, max_length=len(text))


def _check_pair(text: str, data: bytes) -> None:
    same(text, base45.encode(data), "encoded")
    same(data, _decode(text), "decoded")


def _case(item: Fields, *, refused: bool) -> Case:
    text = item.text("encoded")
    name = f"{item.where} {text!r}"
    if refused:
        return Case(name, partial(must_be_refused, partial(_decode, text), [Reason.BASE45]))
    if "bytes_hex" in item:
        return Case(name, partial(_check_pair, text, item.octets("bytes_hex")))
    if "bytes_utf8" in item:
        return Case(name, partial(_check_pair, text, item.text("bytes_utf8").encode()))
    raise MalformedError(item.where, "has neither bytes_utf8 nor bytes_hex")


def _cases(document: Document, _run: Run, _path: str) -> Iterator[Case]:
    fields = Fields(document)
    for name in fields.names():
        if _is_list(fields.value(name)):
            for item in objects(fields.value(name), name):
                yield _case(item, refused=name == _REFUSED)


def _is_list(value: Json) -> bool:
    return isinstance(value, list) and any(
        isinstance(item, dict) and "encoded" in item for item in value
    )


def _fits(document: Document) -> int | None:
    if not isinstance(document, dict):
        return None
    return 0 if any(_is_list(value) for value in document.values()) else None


KINDS = (Kind(Family.BASE45, "texts", Shape(_fits), _cases),)
