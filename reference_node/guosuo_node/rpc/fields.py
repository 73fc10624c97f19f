"""The form of what arrives: bounds of the .proto files, checked before anything else.

Each function gives the value back or raises `FieldError` with the field's name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from guosuo_node.rpc.errors import FieldError

MAX_PATH: Final = 128
MAX_NAMES: Final = 64
MAX_PROOF: Final = 63
HASH: Final = 32
MAX_ENTRIES: Final = 1000
MAX_INDEX: Final = (1 << 62) - 1
"""Sizes and indices of logs; beyond it nothing was ever written."""

_REGION: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{1,11}", re.ASCII)
_INDEX: Final = r"(?:x[0-9]{3}/){0,6}[0-9]{3}(?:\.p/[1-9][0-9]{0,2})?"
_TILE: Final = re.compile(rf"tile/(?:entries|[0-9]|[1-5][0-9]|6[0-3])/{_INDEX}", re.ASCII)


def region(value: str) -> str:
    """A well-formed region code."""
    if _REGION.fullmatch(value) is None:
        raise FieldError("region")
    return value


def regions(values: Sequence[str]) -> tuple[str, ...]:
    """At most 64 region codes, none twice."""
    if len(values) > MAX_NAMES or len(set(values)) != len(values):
        raise FieldError("regions")
    if any(_REGION.fullmatch(value) is None for value in values):
        raise FieldError("regions")
    return tuple(values)


def index(field: str, value: int, highest: int = MAX_INDEX) -> int:
    """An index or size of a log that is not absurd."""
    if not 0 <= value <= highest:
        raise FieldError(field)
    return value


def count(value: int) -> int:
    """1 to 1000; 0 stands for 1000."""
    if value > MAX_ENTRIES:
        raise FieldError("limit")
    return value or MAX_ENTRIES


def path(value: str) -> str:
    """A C2SP tile path, which cannot leave its directory."""
    if len(value) > MAX_PATH or _TILE.fullmatch(value) is None:
        raise FieldError("path")
    return value


def names(values: Sequence[bytes]) -> tuple[bytes, ...]:
    """1 to 64 SHA-256 values, none twice."""
    if not 1 <= len(values) <= MAX_NAMES or len(set(values)) != len(values):
        raise FieldError("names")
    if any(len(value) != HASH for value in values):
        raise FieldError("names")
    return tuple(values)


def hashes(field: str, values: Sequence[bytes]) -> tuple[bytes, ...]:
    """At most 63 hashes of a proof."""
    if len(values) > MAX_PROOF or any(len(value) != HASH for value in values):
        raise FieldError(field)
    return tuple(values)


def octets(field: str, value: bytes, most: int) -> bytes:
    """1 to `most` octets."""
    if not 1 <= len(value) <= most:
        raise FieldError(field)
    return value


def text(field: str, value: str, most: int) -> str:
    """At most `most` octets of UTF-8."""
    if len(value) > most or len(value.encode()) > most:
        raise FieldError(field)
    return value
