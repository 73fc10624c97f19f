"""Token Status Lists: the octets of lists, and the statuses inside.

Lists of this project have one bit a slot; one of several bits must be refused. The draft
writes its maps in an order that is not the deterministic one, so that its lists are read
by the lenient reader and written again before the strict one gets them.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from functools import partial
from typing import Final

from guosuo.errors import Reason
from guosuo.evidence import foreign_cbor
from guosuo.federation.entries import (
    MAX_SLOTS,
    decode_status_list,
    encode_status_list,
    status_bits,
)
from guosuo.selftest.kinds import Case, Kind, Run, Shape, foreign, must_be_refused, named, same
from guosuo.selftest.reading import Document, Fields
from guosuo.selftest.report import Family
from guosuo.wire import cbor

_SLOT: Final = re.compile(r"[0-9]{1,12}")


def _expected(item: Fields) -> bytes:
    """The bits of a list, given as octets or as the positions that are not 0."""
    if "byte_array_hex" in item:
        return item.octets("byte_array_hex")
    size = item.whole("size")
    if size > MAX_SLOTS:
        item.malformed("size", "is more than a list can have")
    statuses = item.fields("nonzero_statuses")
    slots = []
    for name in statuses.names():
        if not _SLOT.fullmatch(name) or int(name) >= size or statuses.whole(name) != 1:
            statuses.malformed(name, "is no status of one bit in the list")
        slots.append(int(name))
    return status_bits(size, slots)


def _packed(item: Fields) -> bytes:
    """`lst` of the JSON form."""
    text = item.fields("json").text("lst")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        item.malformed("json", "has no base64url in lst")


def _deterministic(item: Fields) -> bytes:
    """The list with its map in the deterministic order."""
    value = foreign_cbor.read(item.octets("cbor_hex"))
    if not isinstance(value, dict) or not all(isinstance(v, int | bytes) for v in value.values()):
        item.malformed("cbor_hex", "is no list")
    # Texts to integers and octets, or the encoder refuses them.
    return cbor.encode(value)  # type: ignore[arg-type]


def _check_one_bit(item: Fields) -> None:
    bits = _expected(item)
    data = _deterministic(item)
    same(bits, decode_status_list(data), "decoded:")
    if data != item.octets("cbor_hex"):
        must_be_refused(
            partial(decode_status_list, item.octets("cbor_hex")), [Reason.CBOR_NOT_DETERMINISTIC]
        )
    same(bits, decode_status_list(encode_status_list(bits)), "encoded and decoded:")


def _check_json(item: Fields) -> None:
    """The JSON form has the same octets in it."""
    form = cbor.encode({"bits": item.fields("json").whole("bits"), "lst": _packed(item)})
    same(_deterministic(item), form, "from the JSON form:")


def _check_several_bits(item: Fields) -> None:
    must_be_refused(partial(decode_status_list, _deterministic(item)), [Reason.STATUS_LIST])


def _cases(document: Document, _run: Run, _path: str) -> Iterator[Case]:
    for item in Fields(document).objects("cases"):
        name = item.text("name")
        one_bit = item.whole("bits") == 1
        yield Case(name, partial(_check_one_bit if one_bit else _check_several_bits, item))
        yield Case(f"{name}, JSON", partial(_check_json, item))


def _fits(document: Document) -> int | None:
    if not isinstance(document, dict):
        return None
    cases = document.get("cases")
    if not isinstance(cases, list) or not cases:
        return None
    return (
        0
        if all(isinstance(item, dict) and {"bits", "cbor_hex"} <= item.keys() for item in cases)
        else None
    )


KINDS = (
    Kind(Family.STATUS_LIST, "lists", Shape(_fits, 2), _cases),
    foreign(
        Family.STATUS_LIST,
        "tokens",
        named("jwt", "cwt_hex"),
        "status list tokens: here the log signs a list, by its hash",
    ),
    foreign(
        Family.STATUS_LIST,
        "bitstrings",
        named("encodedList", "meaning"),
        "a bitstring status list of W3C, which this library does not have",
    ),
)
