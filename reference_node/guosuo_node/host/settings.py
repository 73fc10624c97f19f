"""A node's directory and its settings file.

node.toml              this file's settings
charter.cbor           the signed charter
card.json              what others need of this node: keys, endpoints, authority
private/node.key       32 octets that seal the rest; node.db and keys.vault beside it
tls/, peers/           certificates: the node's own, and the authorities of others
policies/*.json        policy documents that the gate authority publishes
checkpoints.json       the register of its checkpoints
requests/              what commands ask of the running node
public/                everything public, for any static web server
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from guosuo.errors import CallerError, Reason

SETTINGS: Final = "node.toml"
_KNOWN: Final = {
    "name": str,
    "database": str,
    "listen": str,
    "public_listen": str,
    "http_listen": str,
    "metrics_listen": str,
    "workers": int,
    "clock_offset": int,
    "adapter": str,
    "adapter_settings": dict,
}
_LAST_PORT: Final = 0xFFFF
_NEEDED: Final = ("name", "listen", "public_listen")


@dataclass(frozen=True, slots=True)
class Home:
    """The directory of one node: where everything is."""

    path: Path

    @property
    def settings(self) -> Path:
        """The settings file."""
        return self.path / SETTINGS

    @property
    def charter(self) -> Path:
        """The signed charter."""
        return self.path / "charter.cbor"

    @property
    def card(self) -> Path:
        """What others need to know of this node."""
        return self.path / "card.json"

    @property
    def private(self) -> Path:
        """Mode 0700."""
        return self.path / "private"

    @property
    def key(self) -> Path:
        """The key file that seals everything."""
        return self.private / "node.key"

    @property
    def keys(self) -> Path:
        """Root, log and witness key, sealed."""
        return self.private / "keys.vault"

    def renewed_keys(self) -> tuple[Path, ...]:
        """The same with keys that were renewed since, in the order in which they were drawn."""
        return tuple(sorted(self.private.glob("keys-[0-9][0-9].vault")))

    @property
    def officer(self) -> Path:
        """The key of the region's first organisation, sealed; to be kept elsewhere."""
        return self.private / "officer.vault"

    @property
    def counter(self) -> Path:
        """The key of the region's first counter, sealed; to be kept elsewhere."""
        return self.private / "counter.vault"

    @property
    def tls(self) -> Path:
        """The node's certificate and authority."""
        return self.path / "tls"

    @property
    def peers(self) -> Path:
        """Authorities of others, `<name>.pem`."""
        return self.path / "peers"

    @property
    def policies(self) -> Path:
        """Policy documents, `*.json`."""
        return self.path / "policies"

    @property
    def checkpoints(self) -> Path:
        """The register of checkpoints."""
        return self.path / "checkpoints.json"

    @property
    def requests(self) -> Path:
        """Where commands ask the running node to do something."""
        return self.path / "requests"

    @property
    def public(self) -> Path:
        """What is served to everybody."""
        return self.path / "public"

    @property
    def database(self) -> str:
        """The default database."""
        return f"sqlite:///{(self.private / 'node.db').absolute()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What `node.toml` says."""

    name: str
    """Region code, or the name of a stand-alone witness."""
    listen: str
    """`host:port` for other nodes."""
    public_listen: str
    """`host:port` for everybody."""
    database: str | None = field(default=None, repr=False)
    """A URL, which may have a password in it; SQLite in the node's directory if absent."""
    http_listen: str | None = None
    """`host:port` of the public files and add-checkpoint over HTTP; absent: not served."""
    metrics_listen: str | None = None
    """Loopback `host:port` for Prometheus; absent: not served."""
    workers: int | None = None
    """Processes for proofs; as many as cores if absent."""
    clock_offset: int = 0
    """Seconds that are added to the machine's clock; test federations only."""
    adapter: str = "documents"
    adapter_settings: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def load(cls, home: Home) -> Settings:
        """Read strictly: `CallerError` names the setting at fault."""
        if not home.settings.is_file():
            raise CallerError(
                Reason.STORE_MISSING, "no node.toml here: make a node with guosuo node init"
            )
        try:
            table = tomllib.loads(home.settings.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError):
            raise CallerError(Reason.ARGUMENT, "node.toml is not TOML") from None
        for name, value in table.items():
            if name not in _KNOWN:
                raise CallerError(Reason.ARGUMENT, _unknown(name))
            if type(value) is not _KNOWN[name]:
                raise CallerError(Reason.ARGUMENT, f"node.toml: {name} is of another type")
        for name in _NEEDED:
            if name not in table:
                raise CallerError(Reason.ARGUMENT, f"node.toml: {name} is missing")
        return cls(**table)


def address(text: str) -> tuple[str, int]:
    """Host and port of `host:port`; `CallerError(ARGUMENT)`."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > _LAST_PORT:
        raise CallerError(Reason.ARGUMENT, "an address is host:port")
    return host.strip("[]"), int(port)


def _unknown(name: str) -> str:
    shown = name if name.isascii() and name.isidentifier() else "a setting"
    return f"node.toml: there is no setting {shown[:40]}; there are {', '.join(sorted(_KNOWN))}"
