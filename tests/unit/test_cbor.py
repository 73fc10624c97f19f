"""The CBOR codec against published vectors, an oracle, and everything else."""

import json
import math
import random
import struct
import tracemalloc
import unicodedata
from collections.abc import Callable
from enum import IntEnum, StrEnum
from itertools import permutations, product
from pathlib import Path
from typing import Any, Literal, TypeAlias

import cbor2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from guosuo.errors import CallerError, PeerError, Reason
from guosuo.wire import cbor
from guosuo.wire.cbor import AnyValue, Profile, Simple, Tagged, Value

Case: TypeAlias = dict[str, Any]
Wider: TypeAlias = Literal[Profile.CDE, Profile.DCBOR]

MALFORMED = Reason.CBOR_MALFORMED
NOT_DETERMINISTIC = Reason.CBOR_NOT_DETERMINISTIC
NOT_ALLOWED = Reason.CBOR_TYPE_NOT_ALLOWED
TOO_DEEP = Reason.CBOR_TOO_DEEP
TRAILING = Reason.TRAILING_BYTES


def load(vectors: Path, name: str) -> list[Case]:
    return json.loads((vectors / "cbor" / name).read_text())


def decode(data: bytes, profile: Profile = Profile.GUOSUO, **bounds: int) -> AnyValue:
    """`cbor.decode` with the profile known at run time only."""
    untyped: Callable[..., AnyValue] = cbor.decode
    return untyped(data, profile=profile, **bounds)


def encode(value: object, profile: Profile = Profile.GUOSUO, **bounds: int) -> bytes:
    """`cbor.encode` with value and profile known at run time only."""
    untyped: Callable[..., bytes] = cbor.encode
    return untyped(value, profile=profile, **bounds)


def refusal(data: bytes | str, profile: Profile = Profile.GUOSUO, **bounds: int) -> Reason:
    raw = bytes.fromhex(data) if isinstance(data, str) else data
    with pytest.raises(PeerError) as caught:
        decode(raw, profile, **bounds)
    assert caught.value.__context__ is None, "an inner exception may quote the data"
    return caught.value.reason


def assert_canonical(data: bytes | str, profile: Profile = Profile.GUOSUO) -> AnyValue:
    raw = bytes.fromhex(data) if isinstance(data, str) else data
    value = decode(raw, profile, max_depth=cbor.DEPTH_CEILING)
    assert encode(value, profile, max_depth=cbor.DEPTH_CEILING) == raw
    return value


def assert_canonical_or_refused(data: bytes, profile: Profile) -> None:
    try:
        value = decode(data, profile)
    except PeerError:
        return
    assert encode(value, profile) == data


# Published vectors


def test_appendix_a_of_rfc8949(vectors: Path) -> None:
    seen = 0
    for case in load(vectors, "appendix-a.json"):
        seen += 1
        if case["hex"] == "f818":  # well-formed in RFC 7049 and no longer (vectors/README.md)
            assert refusal(case["hex"], Profile.CDE) is MALFORMED
            continue
        if not case["roundtrip"]:
            assert refusal(case["hex"], Profile.CDE) is NOT_DETERMINISTIC, case
            if "decoded" in case:  # the accept twin: the same value, deterministically
                twin = encode(case["decoded"], Profile.CDE)
                assert assert_canonical(twin, Profile.CDE) == case["decoded"]
            continue
        value = assert_canonical(case["hex"], Profile.CDE)
        if "decoded" in case:
            assert value == case["decoded"], case
            assert type(value) is type(case["decoded"]), case
    assert seen == 82


@pytest.mark.parametrize(
    ("data", "value"),
    [
        ("f97c00", math.inf),
        ("f9fc00", -math.inf),
        ("f7", Simple(23)),
        ("f0", Simple(16)),
        ("f8ff", Simple(255)),
        ("c11a514b67b0", Tagged(1, 1363896240)),
        ("c1fb41d452d9ec200000", Tagged(1, 1363896240.5)),
        ("d74401020304", Tagged(23, b"\x01\x02\x03\x04")),
        ("d818456449455446", Tagged(24, b"dIETF")),
        ("d9d9f700", Tagged(55799, 0)),
        ("c249010000000000000000", 1 << 64),
        ("c349010000000000000000", -1 - (1 << 64)),
    ],
)
def test_appendix_a_values_that_json_cannot_say(data: str, value: AnyValue) -> None:
    assert assert_canonical(data, Profile.CDE) == value
    assert cbor.encode(value, profile=Profile.CDE).hex() == data


def test_cde_examples(vectors: Path) -> None:
    twins = {
        "a2616200616101": "a2616101616200",
        "1900ff": "18ff",
        "fa41280000": "f94940",
        "c243010000": "1a00010000",
        "f818": "f820",
    }
    cases = load(vectors, "cde-examples.json")
    assert {case["hex"] for case in cases if case["type"] == "bad"} == set(twins)
    for case in cases:
        if case["type"] == "bad":
            expected = MALFORMED if case["hex"] == "f818" else NOT_DETERMINISTIC
            assert refusal(case["hex"], Profile.CDE) is expected, case
            assert_canonical(twins[case["hex"]], Profile.CDE)
            continue
        kind = {"int": int, "flt": float}[case["type"]]
        expected_value = kind(case["diagnostic"])
        value = assert_canonical(case["hex"], Profile.CDE)
        assert type(value) is kind, case
        assert repr(value) == repr(expected_value), case
        assert encode(expected_value, Profile.CDE).hex() == case["hex"]


def test_dcbor_valid(vectors: Path) -> None:
    cases = load(vectors, "dcbor-valid.json")
    assert len(cases) == 20
    for case in cases:
        value = assert_canonical(case["hex"], Profile.DCBOR)
        original = case.get("decoded", -math.inf)
        assert value == original, case
        assert encode(original, Profile.DCBOR).hex() == case["hex"], case


def test_dcbor_invalid_and_accept_twins(vectors: Path) -> None:
    twins = {
        "f94a00": "0c",
        "fb4028000000000000": "0c",
        "19000c": "0c",
        "1b000000000000000c": "0c",
        "fb3ff8000000000000": "f93e00",
        "3bffffffffffffffff": "3b7fffffffffffffff",
        "fa7f800000": "f97c00",
        "faff800000": "f9fc00",
        "faffc00001": "f97e00",
        "a2616101616102": "a2616101616202",
        "a229002901": "a229002a01",
        "a280008001": "a24000410001",
        "a2616200616101": "a2616101616200",
        "fa80000000": "00",
        "c24102": "02",
        "5fff": "40",
        "9fff": "80",
        "e0": "f4",
        "6345cc88": "62c38b",
    }
    assert [case["hex"] for case in load(vectors, "dcbor-invalid.json")] == list(twins)
    for refused, accepted in twins.items():
        by_type = refused in {"e0", "a280008001"}
        assert refusal(refused, Profile.DCBOR) is (NOT_ALLOWED if by_type else NOT_DETERMINISTIC)
        assert_canonical(accepted, Profile.DCBOR)


# The profile of all messages


@pytest.mark.parametrize(
    ("reason", "refused", "twin"),
    [
        (NOT_DETERMINISTIC, "1800", "00"),
        (NOT_DETERMINISTIC, "1817", "1818"),
        (NOT_DETERMINISTIC, "1900ff", "190100"),
        (NOT_DETERMINISTIC, "1a0000ffff", "1a00010000"),
        (NOT_DETERMINISTIC, "1b00000000ffffffff", "1b0000000100000000"),
        (NOT_DETERMINISTIC, "3817", "3818"),
        (NOT_DETERMINISTIC, "5801aa", "41aa"),
        (NOT_DETERMINISTIC, "780161", "6161"),
        (NOT_DETERMINISTIC, "980100", "8100"),
        (NOT_DETERMINISTIC, "b8010000", "a10000"),
        (NOT_DETERMINISTIC, "5fff", "40"),
        (NOT_DETERMINISTIC, "7fff", "60"),
        (NOT_DETERMINISTIC, "9fff", "80"),
        (NOT_DETERMINISTIC, "bfff", "a0"),
        (NOT_DETERMINISTIC, "a201000000", "a200000100"),
        (NOT_DETERMINISTIC, "a200000000", "a200000100"),
        (NOT_DETERMINISTIC, "a22000186400", "a21864002000"),  # RFC 7049 sorts so: shorter first
        (NOT_DETERMINISTIC, "a26161006000", "a26000616100"),
        (NOT_DETERMINISTIC, "a260004000", "a240006000"),
        (MALFORMED, "", "00"),
        (MALFORMED, "18", "1818"),
        (MALFORMED, "1901", "190100"),
        (MALFORMED, "41", "4100"),
        (MALFORMED, "6261", "626161"),
        (MALFORMED, "81", "8100"),
        (MALFORMED, "a100", "a10000"),
        (MALFORMED, "83f4f7", "83f4f4f4"),  # too short for three, seen before any is read
        (MALFORMED, "a200f701", "a200f401f4"),
        (MALFORMED, "1c", "17"),
        (MALFORMED, "1f", "17"),
        (MALFORMED, "3f", "37"),
        (MALFORMED, "5c", "40"),
        (MALFORMED, "fc", "f4"),
        (MALFORMED, "ff", "f6"),
        (MALFORMED, "81ff", "81f6"),
        (MALFORMED, "61ff", "6161"),
        (MALFORMED, "62c080", "62c380"),  # overlong
        (MALFORMED, "63eda080", "63ed9fbf"),  # surrogate
        (MALFORMED, "64f4908080", "64f48fbfbf"),  # beyond U+10FFFF
        (NOT_ALLOWED, "f93c00", "01"),
        (NOT_ALLOWED, "fa47c35000", "1a000186a0"),
        (NOT_ALLOWED, "fb3ff199999999999a", "01"),
        (NOT_ALLOWED, "f97e00", "f6"),
        (NOT_ALLOWED, "c000", "00"),
        (NOT_ALLOWED, "c249010000000000000000", "49010000000000000000"),
        (NOT_ALLOWED, "d81800", "00"),
        (NOT_ALLOWED, "f7", "f6"),
        (NOT_ALLOWED, "e0", "f4"),
        (NOT_ALLOWED, "f8ff", "f5"),
        (NOT_ALLOWED, "a1f400", "a10000"),
        (NOT_ALLOWED, "a1f600", "a14000"),
        (NOT_ALLOWED, "a18000", "a16000"),
        (NOT_ALLOWED, "a1a000", "a12000"),
        (TRAILING, "0000", "00"),
        (TRAILING, "a000", "a0"),
    ],
)
def test_refusals_and_accept_twins(reason: Reason, refused: str, twin: str) -> None:
    assert refusal(refused) is reason
    assert_canonical(twin)


def test_map_keys_of_section_4_2_1_in_any_insertion_order() -> None:
    keys: list[cbor.Key] = [10, 100, -1, b"", "z", "aa"]
    expected = bytes.fromhex("a6 0a00 186400 2000 4000 617a00 62616100")
    for order in permutations(keys):
        assert cbor.encode(dict.fromkeys(order, 0)) == expected
    value = cbor.decode(expected)
    assert isinstance(value, dict)
    assert list(value) == keys


@pytest.mark.parametrize("value", [0, 23, 24, 255, 256, 65535, 65536, (1 << 32) - 1, 1 << 32])
def test_integers_around_each_size(value: int) -> None:
    for number in (value, -1 - value):
        data = cbor.encode(number)
        assert data == cbor2.dumps(number)
        assert cbor.decode(data) == number


def test_integers_end_at_64_bits() -> None:
    for number in ((1 << 64) - 1, -(1 << 64)):
        assert cbor.decode(cbor.encode(number)) == number
    for number in (1 << 64, -(1 << 64) - 1):
        with pytest.raises(CallerError):
            cbor.encode(number)


def test_decoded_types() -> None:
    value: Value = {1: (True, False, None, b"x"), "k": {b"": []}, -1: [1, -1]}
    assert cbor.decode(cbor.encode(value)) == {
        1: [True, False, None, b"x"],
        "k": {b"": []},
        -1: [1, -1],
    }


def test_enumerations_and_tuples_are_written_as_what_they_are() -> None:
    class Number(IntEnum):
        ONE = 1

    class Word(StrEnum):
        A = "a"

    assert cbor.encode({Number.ONE: Word.A}) == cbor.encode({1: "a"})
    assert cbor.encode((1, (2,))) == cbor.encode([1, [2]])


# Bounds


def test_size_bound_is_inclusive() -> None:
    data = cbor.encode(b"\0" * 5)
    assert cbor.decode(data, max_size=6) == b"\0" * 5
    assert refusal(data, max_size=5) is Reason.TOO_LONG
    largest = cbor.encode(b"\0" * ((1 << 16) - 3))
    assert len(largest) == 1 << 16
    assert_canonical(largest)
    assert refusal(cbor.encode(b"\0" * ((1 << 16) - 2))) is Reason.TOO_LONG


@pytest.mark.parametrize("opening", [b"\x81", b"\xa1\x00", b"\xc1", b"\x81\xa1\x00\xc1\x81"])
def test_depth_bound_is_inclusive(opening: bytes) -> None:
    profile = Profile.CDE if b"\xc1" in opening else Profile.GUOSUO
    levels = 4 if len(opening) > 2 else 1
    for bound in (16, cbor.DEPTH_CEILING):
        most = opening * (bound // levels) + b"\x00"
        assert decode(most, profile, max_depth=bound) is not None
        assert refusal(most, profile, max_depth=bound - 1) is TOO_DEEP
        assert refusal(b"\x81" + most, profile, max_depth=bound) is TOO_DEEP
    assert decode(opening * (16 // levels) + b"\x00", profile) is not None
    assert refusal(opening * (16 // levels) + b"\x80", profile) is TOO_DEEP
    assert refusal(opening * 40_000, profile, max_size=1 << 20) is TOO_DEEP


def test_empty_arrays_maps_and_tags_count_as_levels() -> None:
    for data in ("80", "a0"):
        assert refusal(data, max_depth=0) is TOO_DEEP
        assert decode(bytes.fromhex(data), max_depth=1) in ([], {})
    assert refusal("c100", Profile.CDE, max_depth=0) is TOO_DEEP
    assert decode(b"\xc1\x00", Profile.CDE, max_depth=1) == Tagged(1, 0)


def test_a_bignum_is_not_a_level() -> None:
    data = bytes.fromhex("c249010000000000000000")
    assert cbor.encode(1 << 64, profile=Profile.CDE, max_depth=0) == data
    assert decode(data, Profile.CDE, max_depth=0) == 1 << 64
    assert refusal(b"\xc2" * 60_000, Profile.CDE) is MALFORMED


def test_encoding_has_the_same_depth_bound() -> None:
    for nest in (lambda v: [v], lambda v: {0: v}, lambda v: Tagged(1, v)):
        value: Any = 0
        for _ in range(16):
            value = nest(value)
        assert_canonical(encode(value, Profile.CDE), Profile.CDE)
        with pytest.raises(CallerError):
            encode(nest(value), Profile.CDE)


def test_a_value_that_contains_itself_is_refused() -> None:
    value: list[Value] = []
    value.append(value)
    with pytest.raises(CallerError):
        cbor.encode(value)


@pytest.mark.parametrize("major", [2, 3, 4, 5])
@pytest.mark.parametrize("info", [26, 27])
def test_a_claimed_length_allocates_nothing(major: int, info: int) -> None:
    data = bytes([major << 5 | info]) + b"\x10" + bytes(3 if info == 26 else 7)
    tracemalloc.start()
    try:
        assert refusal(data) is MALFORMED
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_bounds_of_the_caller() -> None:
    for wrong in (-1, cbor.DEPTH_CEILING + 1):
        with pytest.raises(CallerError):
            cbor.decode(b"\x00", max_depth=wrong)
        with pytest.raises(CallerError):
            cbor.encode(0, max_depth=wrong)


@pytest.mark.parametrize("data", ["00", bytearray(b"\0"), memoryview(b"\0"), 0, None])
def test_only_bytes_are_read(data: object) -> None:
    untyped: Callable[[object], Value] = cbor.decode  # type: ignore[assignment]
    with pytest.raises(CallerError):
        untyped(data)


# What cannot be written


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        Tagged(1, 0),
        Simple(0),
        object(),
        {1},
        bytearray(b"x"),
        memoryview(b"x"),
        1j,
        "\ud800",
        {True: 0},
        {None: 0},
        {1.0: 0},
        {(1,): 0},
        {"\udfff": 0},
        {1 << 64: 0},
        [[object()]],
        {0: object()},
    ],
)
def test_unwritable_values_are_the_callers_fault(value: object) -> None:
    with pytest.raises(CallerError) as caught:
        encode(value)
    assert caught.value.reason is Reason.ARGUMENT
    assert caught.value.__context__ is None


@pytest.mark.parametrize("value", ["E\u0308", Simple(23), -(1 << 63) - 1, -(1 << 64)])
def test_values_that_only_dcbor_cannot_write(value: AnyValue) -> None:
    with pytest.raises(CallerError):
        cbor.encode(value, profile=Profile.DCBOR)
    assert assert_canonical(cbor.encode(value, profile=Profile.CDE), Profile.CDE) == value


@pytest.mark.parametrize("number", [-1, 20, 21, 22, 24, 31, 256])
def test_simple_values_that_do_not_exist(number: int) -> None:
    with pytest.raises(CallerError):
        Simple(number)


@pytest.mark.parametrize("tag", [-1, 2, 3, 1 << 64])
def test_tags_that_do_not_exist(tag: int) -> None:
    with pytest.raises(CallerError):
        Tagged(tag, b"\1")


# Numbers of the wider profiles


def test_every_half_precision_float() -> None:
    for pattern in range(1 << 16):
        raw = pattern.to_bytes(2, "big")
        value = assert_canonical(b"\xf9" + raw, Profile.CDE)
        assert isinstance(value, float)
        assert math.isnan(value) or struct.pack(">e", value) == raw
        assert_canonical_or_refused(b"\xf9" + raw, Profile.DCBOR)


@pytest.mark.parametrize(
    ("shortest", "longer"),
    [
        ("f97e00", ["fa7fc00000", "fb7ff8000000000000"]),
        ("f9fe00", ["faffc00000", "fbfff8000000000000"]),
        ("f97e01", ["fa7fc02000", "fb7ff8040000000000"]),
        ("f97c01", ["fa7f802000", "fb7ff0040000000000"]),  # signalling
        ("fa7fc00001", ["fb7ff8000020000000"]),
        ("fa7f800001", ["fb7ff0000020000000"]),
        ("fb7ff8000000000001", []),
        ("fb7ff0000000000001", []),
        ("fbffffffffffffffff", []),
    ],
)
def test_nan_keeps_its_bits_in_cde_and_is_one_in_dcbor(shortest: str, longer: list[str]) -> None:
    value = assert_canonical(shortest, Profile.CDE)
    assert isinstance(value, float)
    assert math.isnan(value)
    assert cbor.encode(value, profile=Profile.DCBOR).hex() == "f97e00"
    for data in longer:
        assert refusal(data, Profile.CDE) is NOT_DETERMINISTIC
    if shortest != "f97e00":
        assert refusal(shortest, Profile.DCBOR) is NOT_DETERMINISTIC


@pytest.mark.parametrize(
    ("number", "data"),
    [
        (42.0, "182a"),
        (-0.0, "00"),
        (float(1 << 63), "1b8000000000000000"),
        (-float(1 << 63), "3b7fffffffffffffff"),
        (-float(1 << 64), "fadf800000"),
        (18446744073709549568.0, "1bfffffffffffff800"),
        (18446744073709551616.0, "fa5f800000"),
        (2345678.25, "fa4a0f2b39"),
        (math.nan, "f97e00"),
    ],
)
def test_numeric_reduction_of_dcbor(number: float, data: str) -> None:
    assert cbor.encode(number, profile=Profile.DCBOR).hex() == data
    assert_canonical(data, Profile.DCBOR)


@pytest.mark.parametrize(
    ("reason", "refused", "twin"),
    [
        (NOT_DETERMINISTIC, "c240", "00"),
        (NOT_DETERMINISTIC, "c248ffffffffffffffff", "1bffffffffffffffff"),
        (NOT_DETERMINISTIC, "c24a00010000000000000000", "c249010000000000000000"),
        (NOT_DETERMINISTIC, "c348ffffffffffffffff", "3bffffffffffffffff"),
        (NOT_DETERMINISTIC, "d80249010000000000000000", "c249010000000000000000"),
        (MALFORMED, "c2", "c249010000000000000000"),
        (MALFORMED, "c200", "00"),
        (MALFORMED, "c269010000000000000000", "69010000000000000000"),
        (MALFORMED, "c1", "c100"),
        (MALFORMED, "df", "d7f6"),
        (MALFORMED, "f800", "e0"),
        (MALFORMED, "f81f", "f820"),
        (MALFORMED, "f8", "f8ff"),
        (MALFORMED, "f93c", "f93c00"),
        (NOT_ALLOWED, "a1f93c0000", "a10100"),
        (NOT_ALLOWED, "a1c10000", "a10000"),
    ],
)
def test_refusals_of_cde(reason: Reason, refused: str, twin: str) -> None:
    assert refusal(refused, Profile.CDE) is reason
    assert_canonical(twin, Profile.CDE)


def test_a_map_may_have_a_bignum_as_key() -> None:
    value: AnyValue = {1 << 64: "big", 1: "small"}
    assert assert_canonical(cbor.encode(value, profile=Profile.CDE), Profile.CDE) == value


# Properties

texts = st.text(max_size=6)
keys = st.integers(-(1 << 64), (1 << 64) - 1) | texts | st.binary(max_size=6)
scalars = keys | st.booleans() | st.none()


def nested(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda v: st.lists(v, max_size=5) | st.dictionaries(keys, v, max_size=5),
        max_leaves=12,
    )


values = nested(scalars)
simples = st.sampled_from([*range(20), 23, *range(32, 256)]).map(Simple)
wide_scalars = scalars | st.floats() | st.integers() | st.integers(-(1 << 90), 1 << 90) | simples
tags = st.integers(0, (1 << 64) - 1).filter(lambda tag: tag not in (2, 3))
wide_values = nested(wide_scalars | st.builds(Tagged, tags, nested(wide_scalars)))

heads = [bytes([major << 5 | info]) for major, info in product(range(8), (0, 1, 2, 3, 23))]
longer_heads = [bytes([m << 5 | i]) + b"\x01" * (1 << (i - 24)) for m in range(8) for i in (24, 25)]
cbor_like = st.lists(st.sampled_from(heads + longer_heads) | st.binary(max_size=3)).map(b"".join)
any_bytes = st.binary(max_size=40) | cbor_like


@given(values)
def test_decode_inverts_encode(value: Value) -> None:
    data = cbor.encode(value, max_depth=cbor.DEPTH_CEILING)
    again = cbor.decode(data, max_depth=cbor.DEPTH_CEILING)
    assert again == value
    assert cbor.encode(again, max_depth=cbor.DEPTH_CEILING) == data  # also tells 1 from True


@given(values)
def test_cbor2_reads_what_we_write_and_writes_no_other_bytes(value: Value) -> None:
    data = cbor.encode(value, max_depth=cbor.DEPTH_CEILING)
    again = cbor2.loads(data)
    assert again == value
    # cbor2 keeps the order of a dict; what it has read is in our order.
    assert cbor2.dumps(again) == data


@given(wide_values)
def test_cde_round_trips(value: AnyValue) -> None:
    assert_canonical(cbor.encode(value, profile=Profile.CDE, max_depth=64), Profile.CDE)


@given(wide_values)
@example(Tagged(2**64 - 1, "\u1e9b\u0323"))
def test_dcbor_round_trips_what_it_can_write(value: AnyValue) -> None:
    try:
        data = cbor.encode(value, profile=Profile.DCBOR, max_depth=cbor.DEPTH_CEILING)
    except CallerError:
        return
    assert_canonical(data, Profile.DCBOR)
    assert_canonical(data, Profile.CDE)  # dCBOR is a part of CDE


@given(st.floats())
def test_floats_are_as_short_as_those_of_cbor2(number: float) -> None:
    data = cbor.encode(number, profile=Profile.CDE)
    if not math.isnan(number):
        assert data == cbor2.dumps(number, canonical=True)


@given(texts)
def test_dcbor_text_is_nfc(text: str) -> None:
    normal = unicodedata.normalize("NFC", text)
    assert assert_canonical(cbor.encode(normal, profile=Profile.DCBOR), Profile.DCBOR) == normal
    if normal != text:
        assert refusal(cbor.encode(text), Profile.DCBOR) is NOT_DETERMINISTIC


@given(any_bytes)
def test_any_bytes_are_canonical_or_refused(data: bytes) -> None:
    for profile in Profile:
        assert_canonical_or_refused(data, profile)


def test_all_short_strings_are_canonical_or_refused() -> None:
    accepted = 0
    for size in range(3):
        for data in map(bytes, product(range(256), repeat=size)):
            for profile in (Profile.CDE, Profile.DCBOR):
                assert_canonical_or_refused(data, profile)
            try:
                value = cbor.decode(data)
            except PeerError:
                continue
            assert cbor.encode(value) == data
            assert cbor2.loads(data) == value
            accepted += 1
    # One byte: 24 + 24 integers, 2 empty strings, [], {}, false, true, null: 55 items.
    # Two bytes: 232 + 232 integers, 256 byte strings, 128 texts, 55 arrays of one.
    assert accepted == 55 + 232 + 232 + 256 + 128 + 55


@given(values, st.data())
def test_every_strict_prefix_is_refused(value: Value, data: st.DataObject) -> None:
    message = cbor.encode(value, max_depth=cbor.DEPTH_CEILING)
    cut = data.draw(st.integers(0, len(message) - 1))
    assert refusal(message[:cut], max_depth=cbor.DEPTH_CEILING) is MALFORMED


@given(values, st.integers(0, 255))
def test_every_appended_byte_is_refused(value: Value, byte: int) -> None:
    message = cbor.encode(value, max_depth=cbor.DEPTH_CEILING)
    assert refusal(message + bytes([byte]), max_depth=cbor.DEPTH_CEILING) is TRAILING


def test_mutated_messages_are_canonical_or_refused() -> None:
    rng = random.Random(8949)
    seeds: list[AnyValue] = [
        {1: [b"\0" * 32, 7, -7], 2: {"a": None, "b": True}, "text": "\u6c34" * 9, b"k": 1 << 40},
        [[n, bytes(6)] for n in range(30)],
        [Tagged(24, b"x"), 1.5, 1.1, math.inf, math.nan, 1 << 70, -(1 << 70), Simple(99)],
    ]
    messages = [cbor.encode(seed, profile=Profile.CDE) for seed in seeds]
    for _ in range(10_000):
        data = bytearray(rng.choice(messages))
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(data))
            action = rng.randrange(3)
            if action == 0:
                data[at] = rng.randrange(256)
            elif action == 1:
                data[at : at + rng.randint(0, 3)] = rng.randbytes(rng.randint(0, 3)) or b"\0"
            else:
                data[at] ^= 1 << rng.randrange(8)
        for profile in Profile:
            assert_canonical_or_refused(bytes(data), profile)
