"""expand_message vectors in the form of RFC 9380's `poc/vectors`, long tags included."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial
from typing import Final

from guosuo.curve.hashing import expand_message_xmd, expand_message_xof
from guosuo.selftest.kinds import Case, Kind, Run, named, same
from guosuo.selftest.reading import Document, Fields, NotRecognisedError
from guosuo.selftest.report import Family

_XMD: Final = {"sha256": "sha256", "sha384": "sha384", "sha512": "sha512"}
_XOF: Final = {"shake128": "shake_128", "shake256": "shake_256"}
"""Names of hashes: as files write them, and as `hashlib` does."""

_LONGEST_TAG: Final = 255
_MAX_LENGTH: Final = 65_535


class _Expander:
    """The expander that a file names, and its inner values by the letter of the RFC."""

    def __init__(self, fields: Fields) -> None:
        name, hash_name = fields.text("name"), fields.text("hash")
        short = hash_name.lower().replace("_", "").replace("-", "")
        table = {"expand_message_xmd": _XMD, "expand_message_xof": _XOF}.get(name, {})
        if short not in table:
            raise NotRecognisedError("an expander or hash that this library does not have")
        self.hash_name = table[short]
        self.is_xof = table is _XOF
        self.level = fields.whole("k")
        self.dst = fields.text("DST").encode()

    def expand(self, message: bytes, length: int) -> bytes:
        """The library's expand_message."""
        if self.is_xof:
            return expand_message_xof(
                message,
                self.dst,
                length,
                hash_name=self.hash_name,
                security_level=self.level,
            )
        return expand_message_xmd(message, self.dst, length, hash_name=self.hash_name)

    def dst_prime(self) -> bytes:
        """DST_prime (sections 5.3.1 to 5.3.3)."""
        dst = self.dst
        if len(dst) > _LONGEST_TAG:
            dst = self._oversize(b"H2C-OVERSIZE-DST-" + dst)
        return dst + len(dst).to_bytes(1, "big")

    def _oversize(self, data: bytes) -> bytes:
        if self.is_xof:
            xof = hashlib.shake_128 if self.hash_name == "shake_128" else hashlib.shake_256
            return xof(data).digest(-(-2 * self.level // 8))
        return hashlib.new(self.hash_name, data).digest()

    def msg_prime(self, message: bytes, length: int) -> bytes:
        """msg_prime (sections 5.3.1 and 5.3.2)."""
        size = length.to_bytes(2, "big")
        if self.is_xof:
            return message + size + self.dst_prime()
        pad = bytes(hashlib.new(self.hash_name).block_size)
        return pad + message + size + b"\0" + self.dst_prime()


def _check(expander: _Expander, test: Fields) -> None:
    message, length = test.text("msg").encode(), test.whole("len_in_bytes")
    if not 0 < length <= _MAX_LENGTH:
        test.malformed("len_in_bytes", "is out of range")
    same(test.octets("uniform_bytes"), expander.expand(message, length), "uniform_bytes")
    if "DST_prime" in test:
        same(test.octets("DST_prime"), expander.dst_prime(), "DST_prime")
    if "msg_prime" in test:
        same(test.octets("msg_prime"), expander.msg_prime(message, length), "msg_prime")


def _cases(document: Document, _run: Run, _path: str) -> Iterator[Case]:
    fields = Fields(document)
    expander = _Expander(fields)
    for index, test in enumerate(fields.objects("tests")):
        yield Case(f"tests[{index}]", partial(_check, expander, test))


KINDS = (
    Kind(Family.EXPAND_MESSAGE, "expander", named("DST", "hash", "k", "name", "tests"), _cases),
)
