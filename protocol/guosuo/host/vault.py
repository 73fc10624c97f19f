"""Sealed files: role states and backups under a passphrase or a key file.

    octets  what
    12      `guosuo-vault`
    1       version, 1
    2       length of the header
    …       header, deterministic CBOR: kind, size of the box, how the secret becomes a key
    24      nonce
    size    box: XSalsa20-Poly1305 of NaCl's secretbox over the content

The box's key is BLAKE2b over everything before the nonce, keyed with the key that the
secret gave (Argon2id of a passphrase, or the 32 octets of a key file). So nothing in
front can be changed, and one secret never has the same key for files of two kinds
(GS-STORE-1).

Refusals, `PeerError` unless noted: `STORE_TRUNCATED` for a file that ends early;
`MESSAGE_VERSION`; `RECORD_KIND` for a sealed file of another kind; `STORE_ALTERED`
for all else, a wrong secret included, since nobody can tell that from an altered box;
`TOO_LONG`; `CallerError(STORE_MISSING)`, `CallerError(STORE_MODE)`.

What sealing does not do: an older file of one's own, put back, opens; and the length
of a file tells the length of its content.
"""

from __future__ import annotations

import hashlib
import os
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import nacl.exceptions
import nacl.secret
from nacl.pwhash import argon2id

from guosuo.curve.entropy import Entropy
from guosuo.errors import CallerError, PeerError, Reason, refuse
from guosuo.host.files import PRIVATE, write_atomically
from guosuo.wire.schema import Message, Range, Size, message

MAGIC: Final = b"guosuo-vault"
VERSION: Final = 1
MAX_CONTENT: Final = 192 << 20
"""Octets that a sealed file holds at most."""

KEY_SIZE: Final = 32
NONCE_SIZE: Final = nacl.secret.SecretBox.NONCE_SIZE
TAG_SIZE: Final = nacl.secret.SecretBox.MACBYTES
SALT_SIZE: Final = argon2id.SALTBYTES

MAX_OPSLIMIT: Final = 8
MAX_MEMLIMIT: Final = 512 << 20
"""What a file may ask of its reader, who learns only afterwards whether it is his own."""

_PREAMBLE: Final = len(MAGIC) + 3
_MAX_HEADER: Final = 256
_MAX_FILE: Final = _PREAMBLE + _MAX_HEADER + NONCE_SIZE + MAX_CONTENT + TAG_SIZE
_MAX_PASSPHRASE: Final = 1024
_OTHERS: Final = 0o077

Kind: TypeAlias = Annotated[str, Size(1, 32)]


@message
class Cost(Message):
    """What one derivation of a key costs: passes, and octets of memory."""

    opslimit: Annotated[int, Range(1, MAX_OPSLIMIT)]
    memlimit: Annotated[int, Range(argon2id.MEMLIMIT_MIN, MAX_MEMLIMIT)]


MODERATE: Final = Cost(opslimit=argon2id.OPSLIMIT_MODERATE, memlimit=argon2id.MEMLIMIT_MODERATE)
"""256 MiB and three passes: about a second."""

CHEAPEST: Final = Cost(opslimit=1, memlimit=argon2id.MEMLIMIT_MIN)
"""For tests only: a passphrase is worth nothing under it."""


@message
class Argon2id(Message):
    """How a passphrase becomes a key in one file (RFC 9106, one lane)."""

    cost: Cost
    salt: Annotated[bytes, Size(SALT_SIZE, SALT_SIZE)]


@message
class Header(Message):
    """What a sealed file says of itself before it is opened."""

    MAX_SIZE = _MAX_HEADER

    kind: Kind
    size: Annotated[int, Range(TAG_SIZE, MAX_CONTENT + TAG_SIZE)]
    """Octets of the box."""
    argon2id: Argon2id | None
    """Absent: sealed with a key file."""


class Passphrase:
    """Words that somebody remembers; `CallerError(ARGUMENT)` for none, or above 1024 letters.

    Keys are kept for the life of the object, so that reading a file and writing it
    again costs one derivation.
    """

    __slots__ = ("_cost", "_keys", "_octets")

    def __init__(self, text: str, *, cost: Cost = MODERATE) -> None:
        """`cost` is what new files take; existing ones are read at their own."""
        octets: bytes | None
        try:
            # One passphrase, whatever the keyboard makes of an accent (RFC 8265, OpaqueString).
            octets = unicodedata.normalize("NFC", text).encode()
        except UnicodeEncodeError:
            octets = None
        # Raised out here: the handled exception quotes the text and would stay as context.
        if not octets or len(text) > _MAX_PASSPHRASE:
            raise CallerError(Reason.ARGUMENT, "a passphrase has 1 to 1024 letters")
        self._octets = octets
        self._cost = cost
        self._keys: dict[bytes, bytes] = {}

    def __repr__(self) -> str:
        return "Passphrase(...)"

    def parameters(self, old: Argon2id | None, entropy: Entropy) -> Argon2id:
        """Those of the file that is replaced if it costs the same, else with a new salt."""
        if old is not None and old.cost == self._cost:
            return old
        return Argon2id(cost=self._cost, salt=entropy.octets(SALT_SIZE))

    def key(self, parameters: Argon2id | None) -> bytes:
        """The key under these parameters; `PeerError` for a file sealed with a key file."""
        if parameters is None:
            refuse(Reason.STORE_ALTERED, "sealed with a key file, or altered")
        name = parameters.encode()
        if name not in self._keys:
            self._keys[name] = self._derive(parameters)
        return self._keys[name]

    def _derive(self, parameters: Argon2id) -> bytes:
        cost = parameters.cost
        try:
            return argon2id.kdf(
                KEY_SIZE, self._octets, parameters.salt, cost.opslimit, cost.memlimit
            )
        except nacl.exceptions.RuntimeError:
            raise CallerError(Reason.ENGINE, "not enough memory for this passphrase") from None


class KeyFile:
    """32 random octets in a file of their own, which nobody but its owner may read."""

    __slots__ = ("_key",)

    def __init__(self, path: Path) -> None:
        """Read it; `CallerError(STORE_MISSING)`, `CallerError(STORE_MODE)`, `PeerError`."""
        key = _read(path, KEY_SIZE)
        if os.name == "posix" and path.stat().st_mode & _OTHERS:
            raise CallerError(Reason.STORE_MODE, "others can read the key file: chmod 600")
        if len(key) < KEY_SIZE:
            refuse(Reason.STORE_TRUNCATED, "a key file has 32 octets")
        self._key = key

    def __repr__(self) -> str:
        return "KeyFile(...)"

    @classmethod
    def create(cls, path: Path, entropy: Entropy) -> KeyFile:
        """Draw a new key; `CallerError(STORE_EXISTS)` instead of replacing any file."""
        key = entropy.octets(KEY_SIZE)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            path.touch(mode=PRIVATE, exist_ok=False)
        except FileExistsError:
            raise CallerError(Reason.STORE_EXISTS, "there is a file of that name") from None
        write_atomically(path, key, mode=PRIVATE)
        return cls(path)

    def parameters(self, _old: Argon2id | None, _entropy: Entropy) -> None:
        """A key file needs none."""

    def key(self, parameters: Argon2id | None) -> bytes:
        """The key; `PeerError` for a file sealed with a passphrase."""
        if parameters is not None:
            refuse(Reason.STORE_ALTERED, "sealed with a passphrase, or altered")
        return self._key


Secret: TypeAlias = Passphrase | KeyFile
"""What opens a sealed file."""


def seal(kind: str, plain: bytes, secret: Secret, entropy: Entropy) -> bytes:
    """A sealed file's octets; `CallerError(ARGUMENT)` for too long a kind or content."""
    return _seal(kind, plain, secret, entropy, None)


def unseal(kind: str, data: bytes, secret: Secret) -> bytes:
    """The content of a sealed file of exactly this kind; refusals as at the top."""
    return _open(kind, data, secret)[1]


def save(path: Path, kind: str, plain: bytes, secret: Secret, entropy: Entropy) -> None:
    """Seal into a file of mode 0600, whole or not at all.

    A file that is there already is replaced only if it opens with the same secret and
    as the same kind; an altered, cut or foreign one is refused like by `load`, and
    stays as it is (GS-STORE-2).
    """
    old = _open(kind, _read(path, _MAX_FILE), secret)[0] if path.exists() else None
    write_atomically(path, _seal(kind, plain, secret, entropy, old), mode=PRIVATE)


def load(path: Path, kind: str, secret: Secret) -> bytes:
    """The content of the sealed file at `path`; refusals as at the top."""
    return unseal(kind, _read(path, _MAX_FILE), secret)


@dataclass(frozen=True, slots=True)
class _Parts:
    """A file taken apart, nothing of it trusted yet."""

    header: Header
    front: bytes
    nonce: bytes = field(repr=False)
    box: bytes = field(repr=False)


def _seal(kind: str, plain: bytes, secret: Secret, entropy: Entropy, old: Header | None) -> bytes:
    header = Header(
        kind=str(kind),  # a member of a closed list is one, too
        size=len(plain) + TAG_SIZE,
        argon2id=secret.parameters(old.argon2id if old else None, entropy),
    )
    octets = header.encode()
    front = MAGIC + bytes([VERSION]) + len(octets).to_bytes(2, "big") + octets
    key = _box_key(secret, header, front)
    # Hedged as in proofs: a source of randomness that repeats must not repeat a nonce.
    fresh = hashlib.blake2b(entropy.octets(KEY_SIZE), key=key, digest_size=NONCE_SIZE)
    fresh.update(plain)
    nonce = fresh.digest()
    return front + nonce + nacl.secret.SecretBox(key).encrypt(plain, nonce).ciphertext


def _open(kind: str, data: bytes, secret: Secret) -> tuple[Header, bytes]:
    parts = _split(data)
    if parts.header.kind != kind:
        refuse(Reason.RECORD_KIND, "a sealed file of another kind")
    key = _box_key(secret, parts.header, parts.front)
    try:
        return parts.header, nacl.secret.SecretBox(key).decrypt(parts.box, parts.nonce)
    except nacl.exceptions.CryptoError:
        hint = "the passphrase or key file is wrong, or the file was altered: they look alike"
        raise PeerError(Reason.STORE_ALTERED, hint) from None


def _split(data: bytes) -> _Parts:
    # 1. It says that it is a sealed file, of this version.
    if not MAGIC.startswith(data[: len(MAGIC)]):
        refuse(Reason.STORE_ALTERED, "not a sealed file")
    if len(data) < _PREAMBLE:
        refuse(Reason.STORE_TRUNCATED)
    if data[len(MAGIC)] != VERSION:
        refuse(Reason.MESSAGE_VERSION, "another version of this library sealed the file")
    # 2. Its header is one of ours.
    end = _PREAMBLE + int.from_bytes(data[len(MAGIC) + 1 : _PREAMBLE], "big")
    if end > _PREAMBLE + _MAX_HEADER:
        refuse(Reason.STORE_ALTERED)
    if len(data) < end:
        refuse(Reason.STORE_TRUNCATED)
    try:
        header = Header.decode(data[_PREAMBLE:end])
    except PeerError:
        raise PeerError(Reason.STORE_ALTERED, "not a header, or one that asks too much") from None
    # 3. It is as long as the header says.
    start = end + NONCE_SIZE
    if len(data) < start + header.size:
        refuse(Reason.STORE_TRUNCATED)
    if len(data) > start + header.size:
        refuse(Reason.STORE_ALTERED, "octets after the end")
    return _Parts(header, data[:end], data[end:start], data[start:])


def _box_key(secret: Secret, header: Header, front: bytes) -> bytes:
    key = secret.key(header.argon2id)
    return hashlib.blake2b(front, key=key, digest_size=KEY_SIZE, person=MAGIC).digest()


def _read(path: Path, most: int) -> bytes:
    if not path.is_file():
        raise CallerError(Reason.STORE_MISSING, "no such file")
    if path.stat().st_size > most:
        refuse(Reason.TOO_LONG, "longer than such a file can be")
    return path.read_bytes()
