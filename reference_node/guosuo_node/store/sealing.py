"""Values sealed one by one, for the rows of a database.

    octets  what
    24      nonce
    …       box: XSalsa20-Poly1305 of NaCl's secretbox over the value

The box's key is BLAKE2b over the row's name, keyed with the node's key file. The name
is the store, the table and the primary key: no box opens in another row, table or store.
What sealing does not do: an older box of the same row, put back, opens; and the length
of a box tells the length of its value.
"""

from __future__ import annotations

import hashlib
from typing import Final, TypeAlias

import nacl.exceptions
import nacl.secret

from guosuo.curve.entropy import Entropy
from guosuo.errors import PeerError, Reason
from guosuo.host.vault import KEY_SIZE, NONCE_SIZE, KeyFile
from guosuo.wire import cbor

Name: TypeAlias = tuple[str | int | bytes, ...]
"""What a value is called: its table, then its primary key."""

_PERSON: Final = b"guosuo-store"


class Sealer:
    """Seals and opens the values of one store."""

    __slots__ = ("_entropy", "_key", "_store")

    def __init__(self, key: KeyFile, store: bytes, entropy: Entropy) -> None:
        """`store`: the identifier drawn when the store was made."""
        self._key = key.key(None)
        self._store = store
        self._entropy = entropy

    def __repr__(self) -> str:
        return "Sealer(...)"

    def seal(self, name: Name, value: bytes) -> bytes:
        """Nonce and box of a value."""
        key = self._box_key(name)
        # Hedged as in the vault: a source of randomness that repeats must not repeat a nonce.
        fresh = hashlib.blake2b(self._entropy.octets(KEY_SIZE), key=key, digest_size=NONCE_SIZE)
        fresh.update(value)
        nonce = fresh.digest()
        return nonce + nacl.secret.SecretBox(key).encrypt(value, nonce).ciphertext

    def unseal(self, name: Name, sealed: bytes) -> bytes:
        """The value; `PeerError(STORE_ALTERED)` unless it was sealed under this name and key."""
        try:
            return nacl.secret.SecretBox(self._box_key(name)).decrypt(
                sealed[NONCE_SIZE:], sealed[:NONCE_SIZE]
            )
        except (nacl.exceptions.CryptoError, ValueError):
            hint = "the key file is another node's, or a row was altered: they look alike"
            raise PeerError(Reason.STORE_ALTERED, hint) from None

    def _box_key(self, name: Name) -> bytes:
        front = cbor.encode([self._store, *name])
        return hashlib.blake2b(front, key=self._key, digest_size=KEY_SIZE, person=_PERSON).digest()
