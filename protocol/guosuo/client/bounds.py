"""The form of what a node answers: bounds of the .proto files, before anything else.

Each function gives the value back or raises `PeerError`: the node is hostile until its
octets have proven themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from guosuo.errors import PeerError, Reason
from guosuo.federation.merkle import HASH_SIZE

MAX_NOTE: Final = 64 << 10
MAX_CHARTER: Final = 4 << 20
"""All versions together."""
MAX_PROOF: Final = 63
MAX_INDEX: Final = (1 << 62) - 1
"""Sizes and indices of logs; beyond it nothing was ever written."""
MAX_EPOCH: Final = (1 << 32) - 1

_REGION: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{1,11}", re.ASCII)
_NAME: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,31}", re.ASCII)


def octets(data: bytes, most: int, least: int = 1) -> bytes:
    """`least` to `most` octets."""
    if len(data) > most:
        raise PeerError(Reason.TOO_LONG)
    if len(data) < least:
        raise PeerError(Reason.MESSAGE_VALUE)
    return data


def items(values: Sequence[bytes], most: int, each: int, together: int) -> list[bytes]:
    """At most `most` values of 1 to `each` octets, with no more than `together` in all."""
    if len(values) > most:
        raise PeerError(Reason.TOO_LONG)
    if sum(len(octets(value, each)) for value in values) > together:
        raise PeerError(Reason.TOO_LONG)
    return list(values)


def hashes(values: Sequence[bytes], most: int = MAX_PROOF) -> tuple[bytes, ...]:
    """At most `most` SHA-256 values."""
    if len(values) > most:
        raise PeerError(Reason.TOO_LONG)
    if any(len(value) != HASH_SIZE for value in values):
        raise PeerError(Reason.MESSAGE_VALUE)
    return tuple(values)


def number(value: int, most: int = MAX_INDEX, least: int = 0) -> int:
    """`least` to `most`."""
    if not least <= value <= most:
        raise PeerError(Reason.MESSAGE_VALUE)
    return value


def region(value: str, wanted: Iterable[str] | None = None) -> str:
    """A region code, one of those wanted if there are any."""
    if _REGION.fullmatch(value) is None or (wanted is not None and value not in wanted):
        raise PeerError(Reason.REGION_UNKNOWN)
    return value


def name(value: str) -> str:
    """An identifier of a policy or checkpoint; 1 to 32 characters."""
    if _NAME.fullmatch(value) is None:
        raise PeerError(Reason.MESSAGE_VALUE)
    return value


def text(value: str, most: int) -> str:
    """At most `most` characters for people; what would steer a terminal is refused."""
    if len(value) > most or not (value.isprintable() or not value):
        raise PeerError(Reason.MESSAGE_VALUE)
    return value
