"""Identification by a counter: a clerk looks at an identity document and signs a statement.

    GSID1.<statement, deterministic CBOR, base64url>.<Ed25519 signature, base64url>

For regions without an electronic identity that a node could ask, and beside one. The
statement lives for minutes; it goes from the clerk's device to the citizen's wallet and
from there to the node, which keeps nothing of it but what enrolment needs.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import Annotated, ClassVar, Final

import nacl.exceptions
import nacl.signing

from guosuo.errors import CallerError, PeerError, Reason
from guosuo.evidence.payload import Person
from guosuo.evidence.person import Identified
from guosuo.federation.ids import Instant, Region
from guosuo.wire.schema import Match, Message, Size, message
from guosuo_node.adapter.interface import Refusal, Refused

PREFIX: Final = "GSID1"
MAX_SECONDS: Final = 3600
"""Longest life of a statement; a clerk's device should give it less."""

_DOMAIN: Final = b"guosuo/counter-identification/1\n"
_MAX_TEXT: Final = 2048
_SIGNATURE: Final = 64
_MACHINE = Match("[A-Z<]*")


@message
class Statement(Message):
    """What a counter says about the person before it."""

    MAX_SIZE: ClassVar[int] = 1024

    region: Region
    record: Annotated[bytes, Size(1, 64)]
    """The region's own identifier of the person."""
    family: Annotated[str, Size(0, 80), _MACHINE]
    """As in the lines of a passport (ICAO 9303), the form that certificates have, too."""
    given: Annotated[str, Size(0, 80), _MACHINE]
    born: Annotated[str, Size(10, 10), Match(r"(19|20)\d\d-\d\d-\d\d")]
    issued: Instant
    expires: Instant

    def __repr__(self) -> str:
        """Without the person."""
        return "Statement(...)"


def sign_statement(statement: Statement, key: nacl.signing.SigningKey) -> str:
    """The text that a citizen hands on. `CallerError(ARGUMENT)` for fields out of bounds."""
    if not statement.issued < statement.expires <= statement.issued + MAX_SECONDS:
        raise CallerError(Reason.ARGUMENT, "a statement lives for an hour at most")
    body = statement.encode()
    signature = key.sign(_DOMAIN + body).signature
    return ".".join((PREFIX, _text(body), _text(signature)))


class CounterCheck:
    """Verifies statements of a region's counters. Keeps nothing."""

    __slots__ = ("_keys", "_region")

    def __init__(self, region: str, keys: Iterable[bytes]) -> None:
        """`keys`: 32 octets of each counter's public key; `CallerError(ARGUMENT)`."""
        self._region = region
        try:
            self._keys = tuple(nacl.signing.VerifyKey(key) for key in keys)
        except (nacl.exceptions.CryptoError, nacl.exceptions.TypeError, ValueError):
            self._keys = ()
        if not self._keys:
            raise CallerError(Reason.ARGUMENT, "a counter's key has 32 octets; at least one")

    async def identify(self, identification: str, *, now: int) -> Identified:
        """The person of a statement, signed by a counter of this region and alive at `now`."""
        found = self._open(identification)
        if found is None or found.region != self._region:
            raise Refused(Refusal.NOT_IDENTIFIED)
        if not found.issued <= now < found.expires <= found.issued + MAX_SECONDS:
            raise Refused(Refusal.NOT_IDENTIFIED)
        if not (found.family + found.given).strip("<"):
            raise Refused(Refusal.NOT_IDENTIFIED)
        person = Person(fnt=found.family, gnt=found.given, fn="", gn="", dob=found.born)
        return Identified(found.record, person)

    def _open(self, text: str) -> Statement | None:
        parts = text.split(".") if len(text) <= _MAX_TEXT and text.isascii() else []
        match parts:
            case [prefix, first, second] if prefix == PREFIX:
                body, signature = _octets(first), _octets(second)
            case _:
                return None
        if len(signature) != _SIGNATURE or not any(
            _verifies(key, body, signature) for key in self._keys
        ):
            return None
        try:
            return Statement.decode(body)
        except PeerError:
            return None


def _verifies(key: nacl.signing.VerifyKey, body: bytes, signature: bytes) -> bool:
    try:
        key.verify(_DOMAIN + body, signature)
    except nacl.exceptions.BadSignatureError:
        return False
    return True


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _octets(text: str) -> bytes:
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
    # One text per statement: other spare bits would make another one.
    return data if _text(data) == text else b""
