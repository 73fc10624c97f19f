"""Signed records: COSE_Sign1 (RFC 9052) with Ed25519, and the log entries inside.

Every published record of a region is one entry of its log. Here an entry names
its index and the hash of its predecessor, which makes one history per region
checkable from files; the witnessed Merkle log takes the same entries later.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, TypeAlias

import nacl.exceptions
import nacl.signing

from guosuo.errors import CallerError, PeerError, Reason
from guosuo.federation.ids import Ed25519Key, Region
from guosuo.wire import cbor
from guosuo.wire.schema import Hash, Message, Size, message

MAX_ENTRY = 16 * 1024
"""Octets of a log entry at most; sets and tables are blobs named by hash."""

_EDDSA = -8
_ALGORITHM, _CONTENT_TYPE = 1, 3
GENESIS = bytes(32)


class Kind(StrEnum):
    """What a signed record is (closed list); part of what is signed (GS-REC-2)."""

    EPOCH = "epoch"
    ORDER = "order"
    LIST_PART = "list-part"
    LIST = "list"
    POLICY = "policy"
    CHECKPOINTS = "checkpoints"
    JUDGEMENT = "judgement"
    CHARTER = "charter"
    OFFER = "offer"
    RECEIPT = "receipt"
    REFUSAL = "refusal"


LOGGED = frozenset(
    {
        Kind.EPOCH,
        Kind.ORDER,
        Kind.LIST_PART,
        Kind.LIST,
        Kind.POLICY,
        Kind.CHECKPOINTS,
        Kind.JUDGEMENT,
        Kind.CHARTER,
    }
)
"""Kinds that are entries of a region's log."""


@message
class LogEntry(Message):
    """The payload of one log entry."""

    MAX_SIZE = MAX_ENTRY

    region: Region
    index: int
    previous: Hash
    body: Annotated[bytes, Size(0, MAX_ENTRY)]


def digest(data: bytes) -> bytes:
    """SHA-256: the name of a blob and of an entry."""
    return hashlib.sha256(data).digest()


def sign(key: nacl.signing.SigningKey, federation: bytes, kind: Kind, payload: bytes) -> bytes:
    """A COSE_Sign1 over `payload`, bound to its kind and its federation (GS-REC-1)."""
    protected = _protected(kind)
    signature = key.sign(_structure(protected, federation, payload)).signature
    return cbor.encode([protected, {}, payload, signature])


def open_record(
    public: Ed25519Key, federation: bytes, kind: Kind, data: bytes, *, max_size: int = MAX_ENTRY
) -> bytes:
    """The payload of a record of exactly this kind; `PeerError` otherwise."""
    value = cbor.decode(data, max_size=max_size)
    if not isinstance(value, list) or len(value) != 4:  # noqa: PLR2004 - COSE_Sign1
        raise PeerError(Reason.MESSAGE_SHAPE)
    protected, unprotected, payload, signature = value
    if protected != _protected(kind) or unprotected != {}:
        raise PeerError(Reason.RECORD_KIND)
    if not isinstance(payload, bytes) or not isinstance(signature, bytes):
        raise PeerError(Reason.MESSAGE_SHAPE)
    if not signature_holds(public, _structure(_protected(kind), federation, payload), signature):
        raise PeerError(Reason.RECORD_SIGNATURE)
    return payload


def payload(data: bytes, *, max_size: int = MAX_ENTRY) -> bytes:
    """The payload of a record whose signature was checked before; `PeerError` for no record."""
    value = cbor.decode(data, max_size=max_size)
    if not isinstance(value, list) or len(value) != 4:  # noqa: PLR2004 - COSE_Sign1
        raise PeerError(Reason.MESSAGE_SHAPE)
    found = value[2]
    if not isinstance(found, bytes):
        raise PeerError(Reason.MESSAGE_SHAPE)
    return found


def kind_of(data: bytes, *, max_size: int = MAX_ENTRY) -> Kind:
    """What a record says it is, before its signature is checked."""
    value = cbor.decode(data, max_size=max_size)
    if isinstance(value, list) and value and isinstance(value[0], bytes):
        kind = _kinds().get(value[0])
        if kind is not None:
            return kind
    raise PeerError(Reason.RECORD_KIND)


def signature_holds(public: bytes, data: bytes, signature: bytes) -> bool:
    """Ed25519 verification (RFC 8032) that never raises."""
    try:
        nacl.signing.VerifyKey(public).verify(data, signature)
    except (nacl.exceptions.CryptoError, ValueError, TypeError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class PutBlob:
    """Effect: store a content-addressed public file."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Append:
    """Effect: sign and append an entry; every blob it names was put before it."""

    kind: Kind
    body: bytes = field(repr=False)


Effect: TypeAlias = PutBlob | Append
Effects: TypeAlias = tuple[Effect, ...]
"""What a role wants published, in this order."""

FetchBlob: TypeAlias = Callable[[bytes], bytes]
"""From a SHA-256 to the blob's octets; `PeerError(RECORD_MISSING)` if there is none."""


def fetch_checked(fetch: FetchBlob, name: bytes) -> bytes:
    """A blob that really has the hash it is named by (GS-REC-9)."""
    data = fetch(name)
    if digest(data) != name:
        raise PeerError(Reason.RECORD_MISSING)
    return data


@dataclass(slots=True)
class LogWriter:
    """Signs and chains the entries of one region; its state is index and last hash."""

    key: nacl.signing.SigningKey
    federation: bytes
    region: str
    index: int = 0
    previous: bytes = GENESIS

    def __repr__(self) -> str:
        """Without the key."""
        return f"LogWriter(region={self.region!r}, index={self.index})"

    def append(self, kind: Kind, body: bytes) -> bytes:
        """The next entry, to be published before another one is made.

        `CallerError(ARGUMENT)` for one that no reader would take; the log stays as it is.
        """
        entry = LogEntry(region=self.region, index=self.index, previous=self.previous, body=body)
        signed = sign(self.key, self.federation, kind, entry.encode())
        if len(signed) > MAX_ENTRY:
            raise CallerError(Reason.ARGUMENT, "a log entry of more than 16 kB")
        self.index, self.previous = self.index + 1, digest(signed)
        return signed


@functools.cache
def _kinds() -> dict[bytes, Kind]:
    return {_protected(kind): kind for kind in Kind}


@functools.cache
def _protected(kind: Kind) -> bytes:
    # One for each of a closed list: made anew they were a third of verifying an entry.
    return cbor.encode({_ALGORITHM: _EDDSA, _CONTENT_TYPE: f"guosuo/{kind.value}"})


def _structure(protected: bytes, federation: bytes, payload: bytes) -> bytes:
    """Sig_structure (RFC 9052 section 4.4), the federation as external data."""
    return cbor.encode(["Signature1", protected, federation, payload])
