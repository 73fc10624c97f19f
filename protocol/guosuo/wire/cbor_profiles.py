"""What a CBOR value may be, and how its numbers are written, in each profile.

Every protocol message uses `Profile.GUOSUO`, which knows neither floats nor
tags. The two wider profiles exist so that the one codec in `guosuo.wire.cbor`
can be tested against published vectors; no message needs them.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

from guosuo.errors import CallerError, Reason

Key: TypeAlias = int | str | bytes
"""A map key. No profile allows others: in Python `1`, `1.0` and `True` are one dict key."""

Value: TypeAlias = (
    "bool | int | bytes | str | list[Value] | tuple[Value, ...] | dict[Key, Value] | None"
)
"""What a protocol message consists of; arrays are read as `list`."""

AnyValue: TypeAlias = (
    "bool | int | bytes | str | float | Tagged | Simple"
    " | list[AnyValue] | tuple[AnyValue, ...] | dict[Key, AnyValue] | None"
)
"""What the wider profiles read and write."""


class Profile(StrEnum):
    """Which values exist. All profiles share the encoding rules of RFC 8949 section 4.2.1."""

    GUOSUO = "guosuo"
    """Integers of major types 0 and 1, byte and text strings, arrays, maps, false, true, null."""

    CDE = "cde"
    """RFC 8949 section 4.2 and draft-ietf-cbor-cde: also floats, bignums, tags, simple values.

    Floats are shortest; a NaN keeps its sign and payload. Other than bignums,
    tags are carried and not interpreted.
    """

    DCBOR = "dcbor"
    """draft-mcnally-deterministic-cbor: CDE, with one form for each number and text.

    Whole floats in [-2^63, 2^64 - 1] become integers and no integers are in
    [-2^64, -2^63 - 1]; there is one NaN, text is in NFC, and the simple values
    are false, true and null.
    """


UINT: Final = 0
NINT: Final = 1
BYTES: Final = 2
TEXT: Final = 3
ARRAY: Final = 4
MAP: Final = 5
TAG: Final = 6
SIMPLE: Final = 7
"""The major types (RFC 8949 section 3.1)."""

BIGNUM_TAGS: Final = (2, 3)
"""Tags of n and of -1 - n (RFC 8949 section 3.4.3)."""

UNDEFINED: Final = 23
LONG_SIMPLE: Final = range(32, 256)
"""Simple values that take a second byte; smaller ones must not (RFC 8949 section 3.3)."""

_SIMPLE: Final = frozenset((*range(20), UNDEFINED, *LONG_SIMPLE))

DIRECT_END: Final = 24
"""Arguments below this are in the initial byte itself (RFC 8949 section 3)."""

UINT64_END: Final = 1 << 64
_INT64_MIN: Final = -(1 << 63)


class _Float(NamedTuple):
    """A size of floats (IEEE 754): initial byte, `struct` form, bytes, bits of the fraction."""

    first: int
    form: str
    size: int
    fraction: int

    def holds(self, number: float) -> bool:
        """Whether a number, not NaN, survives this size."""
        try:
            raw = struct.pack(self.form, number)
        except OverflowError:
            return False
        return bool(struct.unpack(self.form, raw)[0] == number)

    def nan(self, sign: int, fraction: int) -> bytes:
        """Bits of a NaN, `fraction` being of this size."""
        top = 8 * self.size - 1
        exponent = (1 << top) - (1 << self.fraction)
        return (sign << top | exponent | fraction).to_bytes(self.size, "big")


_HALF: Final = _Float(0xF9, ">e", 2, 10)
_SINGLE: Final = _Float(0xFA, ">f", 4, 23)
_DOUBLE: Final = _Float(0xFB, ">d", 8, 52)
_SHORTEST_FIRST: Final = (_HALF, _SINGLE, _DOUBLE)


@dataclass(frozen=True, slots=True)
class Simple:
    """A simple value that has no Python counterpart: 0 to 19, undefined (23), 32 to 255.

    Raises `CallerError` for other numbers: 20 to 22 are `False`, `True` and
    `None`, 24 to 31 do not exist (RFC 8949 section 3.3).
    """

    number: int

    def __post_init__(self) -> None:
        """Refuse numbers that are something else or nothing."""
        if self.number not in _SIMPLE:
            raise CallerError(Reason.ARGUMENT, "no such simple value")


@dataclass(frozen=True, slots=True)
class Tagged:
    """A tag, 0 to 2^64 - 1, and its content (RFC 8949 section 3.4).

    Raises `CallerError` for other tags, and for the tags of bignums: those are
    Python integers, so that a number has one form.
    """

    tag: int
    value: AnyValue

    def __post_init__(self) -> None:
        """Refuse tags that cannot be written or that Python integers stand for."""
        if not 0 <= self.tag < UINT64_END or self.tag in BIGNUM_TAGS:
            raise CallerError(Reason.ARGUMENT, "no such tag")


def head(major: int, argument: int) -> bytes:
    """Major type and argument, 0 <= argument < 2^64, in 1 to 9 bytes, shortest form."""
    first = major << 5
    if argument < DIRECT_END:
        return bytes((first | argument,))
    if argument < 1 << 8:
        return bytes((first | 24, argument))
    if argument < 1 << 16:
        return bytes((first | 25,)) + argument.to_bytes(2, "big")
    if argument < 1 << 32:
        return bytes((first | 26,)) + argument.to_bytes(4, "big")
    return bytes((first | 27,)) + argument.to_bytes(8, "big")


def is_int64_or_uint64(number: float) -> bool:
    """Whether a whole number is in [-2^63, 2^64 - 1], the integers of dCBOR."""
    return _INT64_MIN <= number < UINT64_END


def encode_int(number: int, profile: Profile) -> bytes:
    """Write an integer.

    Raises `CallerError` for a number that the profile cannot write: outside
    [-2^64, 2^64 - 1] in GUOSUO, in [-2^64, -2^63 - 1] in DCBOR.
    """
    major, argument = (UINT, number) if number >= 0 else (NINT, -1 - number)
    if argument < UINT64_END:
        if profile is Profile.DCBOR and not is_int64_or_uint64(number):
            raise CallerError(Reason.ARGUMENT, "a 65-bit negative integer")
        return head(major, argument)
    if profile is Profile.GUOSUO:
        raise CallerError(Reason.ARGUMENT, "an integer beyond 64 bits")
    raw = argument.to_bytes((argument.bit_length() + 7) // 8, "big")
    return head(TAG, BIGNUM_TAGS[major]) + head(BYTES, len(raw)) + raw


def decode_float(raw: bytes) -> float:
    """Read a float of 2, 4 or 8 bytes; a NaN keeps its sign, quiet bit and payload."""
    kind = next(kind for kind in _SHORTEST_FIRST if kind.size == len(raw))
    number: float = struct.unpack(kind.form, raw)[0]
    if math.isnan(number) and kind is not _DOUBLE:
        # Widened by hand, because the conversion of C sets the quiet bit.
        sign, fraction = _nan_parts(raw, kind)
        wide = _DOUBLE.nan(sign, fraction << (_DOUBLE.fraction - kind.fraction))
        return decode_float(wide)
    return number


def encode_float(number: float, profile: Profile) -> bytes:
    """Write a float in CDE or DCBOR.

    CDE: the shortest of three sizes that reads back as the same float, or as
    the same NaN (RFC 8949 section 4.1). DCBOR: after numeric reduction
    (draft-mcnally-deterministic-cbor), that is, a whole number in
    [-2^63, 2^64 - 1] as an integer and every NaN as the same one.
    """
    if profile is Profile.DCBOR:
        if math.isnan(number):
            return bytes((_HALF.first,)) + _HALF.nan(0, 1 << (_HALF.fraction - 1))
        if number.is_integer() and is_int64_or_uint64(number):
            return encode_int(int(number), profile)
    if math.isnan(number):
        return _encode_nan(number)
    kind = next(kind for kind in _SHORTEST_FIRST if kind.holds(number))
    return bytes((kind.first,)) + struct.pack(kind.form, number)


def _encode_nan(number: float) -> bytes:
    sign, fraction = _nan_parts(struct.pack(_DOUBLE.form, number), _DOUBLE)
    zeros = (fraction & -fraction).bit_length() - 1
    kind = next(k for k in _SHORTEST_FIRST if _DOUBLE.fraction - k.fraction <= zeros)
    return bytes((kind.first,)) + kind.nan(sign, fraction >> (_DOUBLE.fraction - kind.fraction))


def _nan_parts(raw: bytes, kind: _Float) -> tuple[int, int]:
    pattern = int.from_bytes(raw, "big")
    return pattern >> (8 * kind.size - 1), pattern & ((1 << kind.fraction) - 1)
