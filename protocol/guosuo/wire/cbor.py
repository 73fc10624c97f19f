"""Deterministic CBOR, strict and bounded (RFC 8949, sections 3 and 4.2.1).

One value has one encoding: shortest integers and lengths, definite lengths
only, map keys sorted bytewise by their encoded form and never twice, valid
UTF-8, nothing after the item. The decoder refuses every other encoding, so
that bytes may be hashed, signed and compared in place of the values (GS-WIRE-1).
"""

from __future__ import annotations

import unicodedata
from typing import Final, Literal, overload

from guosuo.errors import CallerError, Reason, refuse
from guosuo.wire.cbor_profiles import (
    ARRAY,
    BIGNUM_TAGS,
    BYTES,
    DIRECT_END,
    LONG_SIMPLE,
    MAP,
    NINT,
    SIMPLE,
    TAG,
    TEXT,
    UINT,
    UINT64_END,
    AnyValue,
    Key,
    Profile,
    Simple,
    Tagged,
    Value,
    decode_float,
    encode_float,
    encode_int,
    head,
    is_int64_or_uint64,
)

__all__ = ["AnyValue", "Key", "Profile", "Simple", "Tagged", "Value", "decode", "encode"]

MAX_SIZE: Final = 1 << 16
"""Bytes of a message, unless the caller says otherwise."""

MAX_DEPTH: Final = 16
"""Arrays, maps and tags around an item, unless the caller says otherwise."""

DEPTH_CEILING: Final = 64
"""The largest `max_depth` that may be asked for; keeps recursion far from Python's limit."""

_SIZES: Final = {24: (1, 24), 25: (2, 1 << 8), 26: (4, 1 << 16), 27: (8, 1 << 32)}
"""Low bits of an initial byte: size in bytes of its argument, least value that needs the size."""

_INDEFINITE: Final = 31

_LITERALS: Final[dict[int, bool | None]] = {20: False, 21: True, 22: None}

_KEY_TYPES: Final = (int, str, bytes)
_ARRAY_TYPES: Final = (list, tuple)

_CUT: Final = "the data ends inside an item"


@overload
def encode(
    value: Value,
    *,
    profile: Literal[Profile.GUOSUO] = Profile.GUOSUO,
    max_depth: int = MAX_DEPTH,
) -> bytes: ...


@overload
def encode(
    value: AnyValue,
    *,
    profile: Literal[Profile.CDE, Profile.DCBOR],
    max_depth: int = MAX_DEPTH,
) -> bytes: ...


def encode(
    value: Value | AnyValue,
    *,
    profile: Profile = Profile.GUOSUO,
    max_depth: int = MAX_DEPTH,
) -> bytes:
    """Write one value; equal values of one profile give equal bytes.

    Raises `CallerError` for anything the profile cannot write (types, integer
    range, lone surrogates, in DCBOR text that is not in NFC) and for more than
    `max_depth` nested arrays, maps and tags. What is written with the default
    bounds is readable with them, except for its size.
    """
    encoder = _Encoder(profile, _checked_depth(max_depth))
    encoder.item(value, 0)
    return bytes(encoder.out)


@overload
def decode(
    data: bytes,
    *,
    max_size: int = MAX_SIZE,
    profile: Literal[Profile.GUOSUO] = Profile.GUOSUO,
    max_depth: int = MAX_DEPTH,
) -> Value: ...


@overload
def decode(
    data: bytes,
    *,
    max_size: int = MAX_SIZE,
    profile: Literal[Profile.CDE, Profile.DCBOR],
    max_depth: int = MAX_DEPTH,
) -> AnyValue: ...


def decode(
    data: bytes,
    *,
    max_size: int = MAX_SIZE,
    profile: Profile = Profile.GUOSUO,
    max_depth: int = MAX_DEPTH,
) -> Value | AnyValue:
    """Read exactly one item; `encode` of the result gives `data` again.

    Time and memory are linear in `len(data)`, whatever lengths it claims (GS-WIRE-2).
    Raises `PeerError`, and nothing else, for any other bytes:

    - `TOO_LONG` beyond `max_size` bytes;
    - `CBOR_TOO_DEEP` beyond `max_depth` nested arrays, maps and tags;
    - `CBOR_MALFORMED` for what is not well-formed (RFC 8949 appendix F), for text
      that is not UTF-8 and for bignums that are not byte strings (section 5.3);
    - `CBOR_NOT_DETERMINISTIC` for a second encoding of a value, and for unsorted
      or repeated map keys (section 4.2.1, and what the profile adds);
    - `CBOR_TYPE_NOT_ALLOWED` for what the profile does not have;
    - `TRAILING_BYTES` for anything after the item.

    Raises `CallerError` if `data` is not `bytes` or `max_depth` is not in
    [0, `DEPTH_CEILING`].
    """
    if not isinstance(data, bytes):
        raise CallerError(Reason.ARGUMENT, "the data is not bytes")
    depth = _checked_depth(max_depth)
    if len(data) > max_size:
        refuse(Reason.TOO_LONG)
    decoder = _Decoder(data, profile, depth)
    value = decoder.item(0)
    if decoder.at != len(data):
        refuse(Reason.TRAILING_BYTES)
    return value


def _checked_depth(max_depth: int) -> int:
    if not 0 <= max_depth <= DEPTH_CEILING:
        raise CallerError(Reason.ARGUMENT, "max_depth is out of range")
    return max_depth


class _Encoder:
    """Appends items to `out`."""

    __slots__ = ("max_depth", "out", "profile")

    def __init__(self, profile: Profile, max_depth: int) -> None:
        self.out = bytearray()
        self.profile = profile
        self.max_depth = max_depth

    def item(self, value: Value | AnyValue, depth: int) -> None:
        """Write `value`, which has `depth` arrays, maps and tags around it."""
        out = self.out
        if value is None:
            out += b"\xf6"
        elif isinstance(value, bool):  # before int, of which bool is a subclass
            out += b"\xf5" if value else b"\xf4"
        elif isinstance(value, int):
            out += encode_int(value, self.profile)
        elif isinstance(value, bytes):
            out += head(BYTES, len(value))
            out += value
        elif isinstance(value, str):
            raw = self._utf8(value)
            out += head(TEXT, len(raw))
            out += raw
        elif isinstance(value, _ARRAY_TYPES):
            self._nest(depth)
            out += head(ARRAY, len(value))
            for element in value:
                self.item(element, depth + 1)
        elif isinstance(value, dict):
            self._nest(depth)
            self._map(value, depth)
        else:
            self._wider(value, depth)

    def _map(self, entries: dict[Key, Value] | dict[Key, AnyValue], depth: int) -> None:
        encoded = {self._key(key): entry for key, entry in entries.items()}
        self.out += head(MAP, len(encoded))
        for key in sorted(encoded):
            self.out += key
            self.item(encoded[key], depth + 1)

    def _key(self, key: Key) -> bytes:
        if isinstance(key, bool) or not isinstance(key, _KEY_TYPES):
            raise CallerError(Reason.ARGUMENT, "a map key is not an integer or a string")
        encoder = _Encoder(self.profile, 0)
        encoder.item(key, 0)
        return bytes(encoder.out)

    def _wider(self, value: float | Tagged | Simple, depth: int) -> None:
        """Write what only the profiles beyond GUOSUO have."""
        profile = self.profile
        if isinstance(value, float) and profile is not Profile.GUOSUO:
            self.out += encode_float(value, profile)
        elif isinstance(value, Tagged) and profile is not Profile.GUOSUO:
            self._nest(depth)
            self.out += head(TAG, value.tag)
            self.item(value.value, depth + 1)
        elif isinstance(value, Simple) and profile is Profile.CDE:
            self.out += head(SIMPLE, value.number)
        else:
            raise CallerError(Reason.ARGUMENT, "a value of a type that the profile does not have")

    def _nest(self, depth: int) -> None:
        if depth >= self.max_depth:
            raise CallerError(Reason.ARGUMENT, "nested too deep")

    def _utf8(self, text: str) -> bytes:
        raw: bytes | None
        try:
            raw = text.encode()
        except UnicodeEncodeError:
            raw = None
        # Raised out here: the handled exception quotes the text and would stay as context.
        if raw is None:
            raise CallerError(Reason.ARGUMENT, "text with a lone surrogate")
        if self.profile is Profile.DCBOR and not unicodedata.is_normalized("NFC", text):
            raise CallerError(Reason.ARGUMENT, "text is not in NFC")
        return raw


class _Decoder:
    """Reads items from `data`; `at` is the offset of the next unread byte."""

    __slots__ = ("at", "data", "max_depth", "profile")

    def __init__(self, data: bytes, profile: Profile, max_depth: int) -> None:
        self.data = data
        self.at = 0
        self.profile = profile
        self.max_depth = max_depth

    def item(self, depth: int) -> AnyValue:
        """Read one item, which has `depth` arrays, maps and tags around it."""
        at = self.at
        if at >= len(self.data):
            refuse(Reason.CBOR_MALFORMED, _CUT)
        first = self.data[at]
        self.at = at + 1
        major, argument = first >> 5, first & 31
        if major >= TAG:
            return self._tag(argument, depth) if major == TAG else self._simple(argument)
        if argument >= DIRECT_END:
            argument = self._argument(major, argument)
        if major == UINT:
            return argument
        if major == BYTES:
            return self._take(argument)
        if major == TEXT:
            return self._text(argument)
        if major == NINT:
            return self._negative(argument)
        return self._array(argument, depth) if major == ARRAY else self._map(argument, depth)

    def _argument(self, major: int, info: int) -> int:
        """Read an argument that follows the initial byte, and see that it had to be so long."""
        if info not in _SIZES:
            if info == _INDEFINITE and BYTES <= major <= MAP:
                refuse(Reason.CBOR_NOT_DETERMINISTIC, "indefinite length")
            refuse(Reason.CBOR_MALFORMED, "a reserved initial byte")
        size, least = _SIZES[info]
        argument = int.from_bytes(self._take(size), "big")
        if argument < least:
            refuse(Reason.CBOR_NOT_DETERMINISTIC, "an integer or length is not shortest")
        return argument

    def _need(self, size: int) -> None:
        """Refuse a claim that the rest of the data cannot fill, before any work for it."""
        if size > len(self.data) - self.at:
            refuse(Reason.CBOR_MALFORMED, _CUT)

    def _take(self, size: int) -> bytes:
        self._need(size)
        start = self.at
        self.at = start + size
        return self.data[start : self.at]

    def _text(self, size: int) -> str:
        text: str | None
        try:
            text = self._take(size).decode()
        except UnicodeDecodeError:
            text = None
        # Raised out here: the handled exception quotes the data and would stay as context.
        if text is None:
            refuse(Reason.CBOR_MALFORMED, "text is not UTF-8")
        if self.profile is Profile.DCBOR and not unicodedata.is_normalized("NFC", text):
            refuse(Reason.CBOR_NOT_DETERMINISTIC, "text is not in NFC")
        return text

    def _negative(self, argument: int) -> int:
        number = -1 - argument
        if self.profile is Profile.DCBOR and not is_int64_or_uint64(number):
            refuse(Reason.CBOR_NOT_DETERMINISTIC, "a 65-bit negative integer")
        return number

    def _array(self, size: int, depth: int) -> list[AnyValue]:
        self._nest(depth)
        self._need(size)
        return [self.item(depth + 1) for _ in range(size)]

    def _map(self, size: int, depth: int) -> dict[Key, AnyValue]:
        self._nest(depth)
        self._need(2 * size)
        entries: dict[Key, AnyValue] = {}
        previous = b""
        for _ in range(size):
            start = self.at
            key = self.item(depth + 1)
            if isinstance(key, bool) or not isinstance(key, _KEY_TYPES):
                refuse(Reason.CBOR_TYPE_NOT_ALLOWED, "a map key is not an integer or a string")
            encoded = self.data[start : self.at]
            if encoded <= previous:
                refuse(Reason.CBOR_NOT_DETERMINISTIC, "map keys are unsorted or repeated")
            previous = encoded
            entries[key] = self.item(depth + 1)
        return entries

    def _tag(self, info: int, depth: int) -> int | Tagged:
        if self.profile is Profile.GUOSUO:
            refuse(Reason.CBOR_TYPE_NOT_ALLOWED, "a tag")
        tag = info if info < DIRECT_END else self._argument(TAG, info)
        if tag in BIGNUM_TAGS:
            return self._bignum(tag)
        self._nest(depth)
        return Tagged(tag, self.item(depth + 1))

    def _bignum(self, tag: int) -> int:
        """Read the content of a bignum, which is a number and not a level of nesting."""
        self._need(1)
        content = self.item(0) if self.data[self.at] >> 5 == BYTES else None
        if not isinstance(content, bytes):
            refuse(Reason.CBOR_MALFORMED, "a bignum is not a byte string")
        magnitude = int.from_bytes(content, "big")
        if magnitude < UINT64_END or content[0] == 0:
            refuse(Reason.CBOR_NOT_DETERMINISTIC, "a bignum is not shortest")
        return magnitude if tag == BIGNUM_TAGS[0] else -1 - magnitude

    def _simple(self, info: int) -> bool | float | Simple | None:
        """Read an item of major type 7 (RFC 8949 section 3.3)."""
        if info in _LITERALS:
            return _LITERALS[info]
        if info >= DIRECT_END and info not in _SIZES:
            refuse(Reason.CBOR_MALFORMED, "a reserved initial byte or a lone break")
        if self.profile is Profile.GUOSUO:
            refuse(Reason.CBOR_TYPE_NOT_ALLOWED, "a float or a simple value")
        if info > DIRECT_END:
            return self._float(_SIZES[info][0])
        if self.profile is Profile.DCBOR:
            refuse(Reason.CBOR_TYPE_NOT_ALLOWED, "a simple value")
        if info < DIRECT_END:
            return Simple(info)
        number = self._take(1)[0]
        if number not in LONG_SIMPLE:
            refuse(Reason.CBOR_MALFORMED, "no such simple value")
        return Simple(number)

    def _float(self, size: int) -> float:
        start = self.at - 1
        number = decode_float(self._take(size))
        if encode_float(number, self.profile) != self.data[start : self.at]:
            refuse(Reason.CBOR_NOT_DETERMINISTIC, "a number is not in its shortest form")
        return number

    def _nest(self, depth: int) -> None:
        if depth >= self.max_depth:
            refuse(Reason.CBOR_TOO_DEEP)
