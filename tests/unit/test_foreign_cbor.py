"""The tolerant reader, with cbor2 as the judge of what is well formed."""

import math

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guosuo.errors import PeerError, Reason
from guosuo.evidence.foreign_cbor import MAX_DEPTH, MAX_ITEMS, Tagged, read

ITEMS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 64), (1 << 64) - 1)
    | st.text()
    | st.binary()
    | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.integers(-300, 300) | st.text(max_size=3), inner, max_size=5)
    ),
    max_leaves=25,
)


def refused(data: bytes) -> None:
    with pytest.raises(PeerError) as caught:
        read(data)
    assert caught.value.reason is Reason.DCC_COSE
    assert caught.value.__context__ is None, "an inner exception may quote the data"


@given(ITEMS, st.booleans(), st.booleans())
def test_reads_what_cbor2_writes(item: object, canonical: bool, indefinite: bool) -> None:  # noqa: FBT001
    data = cbor2.dumps(item, canonical=canonical, indefinite_containers=indefinite)
    assert read(data) == item


@given(st.binary(max_size=64))
def test_agrees_with_cbor2_on_any_bytes(data: bytes) -> None:
    outcome: object
    try:
        outcome = read(data)
    except PeerError as error:
        outcome = error
    if isinstance(outcome, PeerError):
        assert outcome.reason is Reason.DCC_COSE
        assert outcome.__context__ is None
    elif not has_tag_or_nan(outcome):
        assert cbor2.loads(data, allow_duplicate_keys=False) == outcome


def has_tag_or_nan(item: object) -> bool:
    """cbor2 gives tags a meaning of its own, and NaN equals nothing."""
    match item:
        case list():
            return any(map(has_tag_or_nan, item))
        case dict():
            return any(map(has_tag_or_nan, item.values()))
        case float():
            return math.isnan(item)
        case _:
            return isinstance(item, Tagged)


@pytest.mark.parametrize(
    ("data", "item"),
    [
        ("00", 0),
        ("1b0000000000000000", 0),  # longer than needed
        ("3bffffffffffffffff", -(1 << 64)),
        ("f90001", 2.0**-24),
        ("fa7f800000", math.inf),
        ("7f61616162ff", "ab"),
        ("5f41014102ff", b"\x01\x02"),
        ("5fff", b""),
        ("9f0102ff", [1, 2]),
        ("bf6161f6ff", {"a": None}),
        ("a201020203", {1: 2, 2: 3}),
    ],
)
def test_forms(data: str, item: object) -> None:
    assert read(bytes.fromhex(data)) == item


@pytest.mark.parametrize(
    "data",
    [
        "",
        "0000",  # two items
        "18",  # the argument is missing
        "1c00",  # reserved heads
        "1d00",
        "1e00",
        "1f",  # an integer of indefinite length
        "3f",
        "df00",  # a tag of indefinite length
        "ff",  # a break alone
        "81ff",
        "a1ff",
        "bf01ff",  # half an entry
        "bf0102",  # no break
        "5b7fffffffffffffff00",  # a length beyond the data
        "9b7fffffffffffffff00",
        "bb7fffffffffffffff00",
        "62c328",  # not UTF-8
        "7f61c361a9ff",  # a character cut in two by chunks
        "5f6161ff",  # a chunk of the other type
        "5f5f4100ffff",  # chunks inside chunks
        "f7",  # undefined
        "f0",  # unassigned
        "f818",
        "f820",
        "fc",
        "a201020103",  # a key twice
        "a2010218010 3".replace(" ", ""),  # the same key in two encodings
        "a1f500",  # keys that are not integers or text
        "a1f600",
        "a1410000",
        "a1f93c0000",
        "a1800000",
    ],
)
def test_refused(data: str) -> None:
    refused(bytes.fromhex(data))


def test_tags_are_handed_through() -> None:
    for tag in (0, 1, 2, 28, 29, 35, 55799, (1 << 64) - 1):
        item = read(_tag(tag) + b"\x00")
        assert isinstance(item, Tagged)
        assert (item.tag, item.value) == (tag, 0)


def _tag(number: int) -> bytes:
    return b"\xdb" + number.to_bytes(8, "big")


def test_bounds() -> None:
    assert read(b"\x81" * MAX_DEPTH + b"\x00")
    refused(b"\x81" * (MAX_DEPTH + 1) + b"\x00")
    refused(b"\xc0" * 100_000 + b"\x00")
    refused(b"\x9f" * 100_000)
    assert len(read(b"\x9f" + bytes(MAX_ITEMS - 1) + b"\xff")) == MAX_ITEMS - 1  # type: ignore[arg-type]  # a list
    refused(b"\x9f" + bytes(MAX_ITEMS) + b"\xff")
