"""Base45: bytes as text for the alphanumeric mode of QR codes (RFC 9285)."""

from __future__ import annotations

from typing import Final

from guosuo.errors import Reason, refuse

ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
"""The 45 characters in the order of their values (RFC 9285 table 1)."""

_VALUES: Final = {character: value for value, character in enumerate(ALPHABET)}


def encode(data: bytes) -> str:
    """Write two bytes as three characters, a last odd byte as two (RFC 9285 section 4)."""
    text: list[str] = []
    for start in range(0, len(data) - 1, 2):
        rest, c = divmod(data[start] << 8 | data[start + 1], 45)
        e, d = divmod(rest, 45)
        text += ALPHABET[c], ALPHABET[d], ALPHABET[e]
    if len(data) % 2:
        d, c = divmod(data[-1], 45)
        text += ALPHABET[c], ALPHABET[d]
    return "".join(text)


def decode(text: str, *, max_length: int) -> bytes:
    """Read Base45 text; `encode` of the result gives `text` again.

    Raises `PeerError`: `TOO_LONG` beyond `max_length` characters; `BASE45` for
    a character outside the alphabet (small letters, line ends), a length that
    is 1 modulo 3, or a group above 65535 or 255 (RFC 9285 sections 4.2 and 6).
    """
    if len(text) > max_length:
        refuse(Reason.TOO_LONG)
    if not _VALUES.keys() >= set(text):
        refuse(Reason.BASE45, "a character outside the alphabet")
    values = [_VALUES[character] for character in text]
    tail = len(values) % 3
    if tail == 1:
        refuse(Reason.BASE45, "a last character alone")
    data = bytearray()
    for start in range(0, len(values) - tail, 3):
        c, d, e = values[start : start + 3]
        data += _to_bytes(c + 45 * d + 45 * 45 * e, 2)
    if tail:
        c, d = values[-2:]
        data += _to_bytes(c + 45 * d, 1)
    return bytes(data)


def _to_bytes(number: int, size: int) -> bytes:
    if number >> (8 * size):
        refuse(Reason.BASE45, "a group above its largest value")
    return number.to_bytes(size, "big")
