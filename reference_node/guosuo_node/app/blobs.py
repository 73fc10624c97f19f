"""Content-addressed public files, shared by all processes of a node."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from guosuo.errors import PeerError, Reason
from guosuo.federation.records import digest
from guosuo.host.directory import MAX_BLOB
from guosuo.host.files import write_atomically


@dataclass(frozen=True, slots=True)
class BlobStore:
    """`<folder>/<SHA-256 in hex>`; a file that is there is whole and never changes."""

    folder: Path

    def put(self, data: bytes) -> bytes:
        """Store durably and return the name."""
        name = digest(data)
        path = self.path(name)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, data)
        return name

    def get(self, name: bytes) -> bytes:
        """The octets; `PeerError(RECORD_MISSING)`."""
        try:
            data = self.path(name).read_bytes()
        except FileNotFoundError:
            raise PeerError(Reason.RECORD_MISSING) from None
        if len(data) > MAX_BLOB:
            raise PeerError(Reason.RECORD_MISSING)
        return data

    def missing(self, names: Iterable[bytes]) -> list[bytes]:
        """Those that are not here, each once, in the order given."""
        return [name for name in dict.fromkeys(names) if not self.path(name).exists()]

    def delete(self, names: Iterable[bytes]) -> int:
        """Delete those that are here; how many there were."""
        count = 0
        for name in names:
            path = self.path(name)
            if path.exists():
                path.unlink()
                count += 1
        return count

    def path(self, name: bytes) -> Path:
        """Where a blob is, or would be."""
        return self.folder / name.hex()
