"""The keys that speak for a node, sealed in one file beside its store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Final

from nacl.signing import SigningKey

from guosuo.curve.entropy import Entropy
from guosuo.errors import PeerError, Reason
from guosuo.federation.charter import Federation
from guosuo.host import vault
from guosuo.wire.schema import Message, Size, message

KEYS_KIND: Final = "node-keys"
_Seed = Annotated[bytes, Size(32, 32)]


@message
class StoredKeys(Message):
    """The seeds of a node's keys; absent are those that it does not have."""

    MAX_SIZE: ClassVar[int] = 4096

    name: Annotated[str, Size(2, 32)]
    root: _Seed | None
    log: _Seed | None
    witness: _Seed

    def __repr__(self) -> str:
        """Without the seeds."""
        return "StoredKeys(...)"


@dataclass(frozen=True, slots=True)
class NodeKeys:
    """Root, log and witness key of a region's node, or only a stand-alone witness's key."""

    name: str
    """The region, or the name of the stand-alone witness."""
    root: SigningKey | None = field(repr=False)
    log: SigningKey | None = field(repr=False)
    witness: SigningKey = field(repr=False)

    @classmethod
    def draw(cls, name: str, entropy: Entropy, *, alone: bool = False) -> NodeKeys:
        """New keys; `alone` for a stand-alone witness."""
        root, log = (None, None) if alone else (_draw(entropy), _draw(entropy))
        return cls(name, root, log, _draw(entropy))

    @property
    def root_key(self) -> SigningKey:
        """`PeerError(STATE)` for a stand-alone witness, which has none."""
        return _present(self.root)

    @property
    def log_key(self) -> SigningKey:
        """As `root_key`."""
        return _present(self.log)

    def fits(self, federation: Federation) -> bool:
        """Whether these are the keys that this version of the charter has under this name."""
        known = federation.witness_keys.get(self.name)
        if known not in (None, bytes(self.witness.verify_key)):
            return False
        if self.root is None or self.log is None:
            return known is not None
        member = federation.members.get(self.name)
        own = bytes(self.root.verify_key), bytes(self.log.verify_key)
        return member is not None and own == (member.root_key, member.log_key)

    def check(self, federation: Federation) -> None:
        """`PeerError(STATE)` unless they are."""
        if not self.fits(federation):
            raise PeerError(Reason.STATE, "these keys are not those of the charter")

    def save(self, path: Path, secret: vault.Secret, entropy: Entropy) -> None:
        """Seal into a file of mode 0600."""
        stored = StoredKeys(
            name=self.name,
            root=None if self.root is None else bytes(self.root),
            log=None if self.log is None else bytes(self.log),
            witness=bytes(self.witness),
        )
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        vault.save(path, KEYS_KIND, stored.encode(), secret, entropy)

    @classmethod
    def load(cls, path: Path, secret: vault.Secret) -> NodeKeys:
        """Refusals of `vault.load`."""
        stored = StoredKeys.decode(vault.load(path, KEYS_KIND, secret))
        return cls(
            stored.name,
            None if stored.root is None else SigningKey(stored.root),
            None if stored.log is None else SigningKey(stored.log),
            SigningKey(stored.witness),
        )


def load_keys(paths: Iterable[Path], secret: vault.Secret) -> tuple[NodeKeys, ...]:
    """All that were drawn for a node, the newest last."""
    return tuple(NodeKeys.load(path, secret) for path in paths)


def fitting(keys: Sequence[NodeKeys], federation: Federation) -> NodeKeys:
    """The newest that this version of the charter has; `PeerError(STATE)`."""
    for one in reversed(keys):
        if one.fits(federation):
            return one
    raise PeerError(Reason.STATE, "these keys are not those of the charter")


def _draw(entropy: Entropy) -> SigningKey:
    return SigningKey(entropy.octets(32))


def _present(key: SigningKey | None) -> SigningKey:
    if key is None:
        raise PeerError(Reason.STATE, "a stand-alone witness has no region's keys")
    return key
