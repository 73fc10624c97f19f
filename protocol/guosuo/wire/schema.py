"""Messages: frozen dataclasses that are deterministic CBOR maps on the wire.

One mechanism for every record, bundle and stored state: the field names are the
map's text keys, the annotations are the schema. Unknown keys, missing keys,
wrong types and values out of bounds are refused (GS-WIRE-3).

    class Poster(Message):            # declared with @message
        region: Region                # Annotated[str, Size(6, 6)]
        checkpoint: Annotated[str, Size(1, 32)]
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from enum import IntEnum, StrEnum
from typing import Any, ClassVar, Self, TypeVar, dataclass_transform, get_args, get_origin

from guosuo.errors import CallerError, PeerError, Reason
from guosuo.wire import cbor

Codec = tuple[Callable[[Any], cbor.Value], Callable[[Any], Any]]

MAX_UINT = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Size:
    """Bounds of a length, both included: octets, characters, or items."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Range:
    """Bounds of an integer, both included."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Match:
    """A regular expression that the whole of a text must match (ASCII classes)."""

    pattern: str


Bytes = typing.Annotated[bytes, Size(0, 1 << 16)]
Hash = typing.Annotated[bytes, Size(32, 32)]
G1Bytes = typing.Annotated[bytes, Size(48, 48)]
G2Bytes = typing.Annotated[bytes, Size(96, 96)]
ScalarBytes = typing.Annotated[bytes, Size(32, 32)]
Text = typing.Annotated[str, Size(1, 256)]
U64 = typing.Annotated[int, Range(0, (1 << 64) - 1)]

M = TypeVar("M", bound="Message")


class Message:
    """Base of every message; declare subclasses with `@message`."""

    MAX_SIZE: ClassVar[int] = 1 << 16
    """Octets that `decode` reads at most."""

    _codecs: ClassVar[dict[str, tuple[Any, bool]]]

    def to_value(self) -> dict[Any, cbor.Value]:
        """The message as a CBOR map value; absent optional fields are left out."""
        out: dict[Any, cbor.Value] = {}
        for name, ((encode, _), _optional) in self._codecs.items():
            value = getattr(self, name)
            if value is not None:
                out[name] = encode(value)
        return out

    @classmethod
    def from_value(cls, value: object) -> Self:
        """Check and build from a decoded CBOR map; `PeerError` otherwise."""
        if not isinstance(value, dict):
            raise PeerError(Reason.MESSAGE_SHAPE)
        codecs = cls._codecs
        if not value.keys() <= codecs.keys():
            raise PeerError(Reason.MESSAGE_UNKNOWN_KEY)
        arguments: dict[str, Any] = {}
        for name, ((_, decode), optional) in codecs.items():
            if name in value:
                arguments[name] = decode(value[name])
            elif optional:
                arguments[name] = None
            else:
                raise PeerError(Reason.MESSAGE_MISSING_KEY)
        return cls(**arguments)

    def encode(self) -> bytes:
        """Deterministic CBOR. `CallerError(ARGUMENT)` for values out of bounds."""
        try:
            return cbor.encode(self.to_value())
        except PeerError:
            raise CallerError(Reason.ARGUMENT, "a field of the message is out of bounds") from None

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read strictly; `PeerError` with the reason of the first fault."""
        return cls.from_value(cbor.decode(data, max_size=cls.MAX_SIZE))


@dataclass_transform(frozen_default=True, kw_only_default=True)
def message(cls: type[M]) -> type[M]:
    """Make `cls` a frozen keyword-only dataclass and compile its codec."""
    made = dataclass(frozen=True, kw_only=True)(cls)
    hints = typing.get_type_hints(made, include_extras=True)
    codecs: dict[str, tuple[Codec, bool]] = {}
    for item in fields(made):  # type: ignore[arg-type]  # made by dataclass() just above
        if item.default is not MISSING and item.default is not None:
            raise TypeError(f"{cls.__name__}.{item.name}: defaults would be optional fields")
        codecs[item.name] = _field(hints[item.name], f"{cls.__name__}.{item.name}")
    made._codecs = codecs  # noqa: SLF001 - the decorator completes the class
    return made


def _field(hint: Any, where: str) -> tuple[Codec, bool]:
    if get_origin(hint) in (types.UnionType, typing.Union):
        inner = [part for part in get_args(hint) if part is not type(None)]
        if len(inner) != 1:
            raise TypeError(f"{where}: a union is not a field")
        return _codec(inner[0], where), True
    return _codec(hint, where), False


def _codec(hint: Any, where: str) -> Codec:
    bounds: Size | Range | None = None
    pattern: re.Pattern[str] | None = None
    if get_origin(hint) is typing.Annotated:
        base, *extra = get_args(hint)
        bounds = next((x for x in extra if isinstance(x, Size | Range)), None)
        pattern = next((re.compile(x.pattern) for x in extra if isinstance(x, Match)), None)
        hint = base
    if hint is bool:
        return _checked(bool, lambda _: True)
    if hint is int:
        limits = bounds if isinstance(bounds, Range) else Range(0, MAX_UINT)
        return _checked(int, lambda n: limits.least <= n <= limits.most)
    if isinstance(hint, type) and issubclass(hint, StrEnum | IntEnum):
        return _enumerated(hint)
    if isinstance(hint, type) and issubclass(hint, Message):
        return (lambda m: m.to_value()), hint.from_value
    if not isinstance(bounds, Size):
        raise TypeError(f"{where}: needs a Size")
    size = bounds
    if hint is str and pattern is not None:
        fits = pattern.fullmatch
        return _checked(str, lambda x: size.least <= len(x) <= size.most and bool(fits(x)))
    if hint in (bytes, str):
        return _checked(hint, lambda x: size.least <= len(x) <= size.most)
    if get_origin(hint) is tuple and get_args(hint)[1:] == (Ellipsis,):
        return _sequence(_codec(get_args(hint)[0], where), size)
    raise TypeError(f"{where}: not a field type")


def _checked(kind: type, good: Callable[[Any], bool]) -> Codec:
    def check(value: Any) -> Any:
        if type(value) is not kind or not good(value):
            raise PeerError(Reason.MESSAGE_VALUE)
        return value

    return check, check


def _enumerated(kind: type[StrEnum | IntEnum]) -> Codec:
    plain = str if issubclass(kind, StrEnum) else int
    members = {plain(member.value): member for member in kind}

    def decode(value: Any) -> Any:
        if type(value) is not plain or value not in members:
            raise PeerError(Reason.MESSAGE_VALUE)
        return members[value]

    return (lambda member: plain(member.value)), decode


def _sequence(item: Codec, size: Size) -> Codec:
    encode_item, decode_item = item

    def encode(values: Any) -> cbor.Value:
        if not size.least <= len(values) <= size.most:
            raise PeerError(Reason.MESSAGE_VALUE)
        return [encode_item(value) for value in values]

    def decode(values: Any) -> Any:
        if type(values) is not list or not size.least <= len(values) <= size.most:
            raise PeerError(Reason.MESSAGE_VALUE)
        return tuple(decode_item(value) for value in values)

    return encode, decode
