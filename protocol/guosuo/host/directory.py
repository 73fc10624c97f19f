"""Published records as files: one directory per region, content-addressed.

    <root>/charter.cbor
    <root>/regions/<code>/public/entries/00000000.cose …   the log, in order
    <root>/regions/<code>/public/blobs/<sha256>            everything entries name

Any static web server can serve `public`. The witnessed log of the reference node
replaces the numbering of entries; readers above see the same entries and blobs.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from guosuo.errors import CallerError, PeerError, Reason
from guosuo.federation.charter import Federation, open_charter
from guosuo.federation.records import Append, Effects, Kind, LogWriter, PutBlob, digest
from guosuo.federation.view import FederationView
from guosuo.host.files import write_atomically
from guosuo.suite import Suite

MAX_BLOB = 16 << 20
"""Octets of a blob that a reader takes in at most."""


class RegionDirectory:
    """The public files of one region."""

    def __init__(self, root: Path, region: str) -> None:
        """`root` is the federation's directory."""
        self.region = region
        self.public = root / "regions" / region / "public"

    def publish(self, effects: Effects, writer: LogWriter) -> list[tuple[Kind, bytes]]:
        """Carry out effects in order: blobs first put, then named. The entries written."""
        written = []
        for effect in effects:
            match effect:
                case PutBlob(data):
                    path = self._blob(digest(data))
                    if not path.exists():
                        write_atomically(path, data)
                case Append(kind, body):
                    path = self._entry(writer.index)
                    if path.exists():
                        raise CallerError(
                            Reason.STATE, "the log is longer than this region's stored state"
                        )
                    entry = writer.append(kind, body)
                    write_atomically(path, entry)
                    written.append((kind, entry))
        return written

    def entries(self, start: int = 0) -> Iterator[bytes]:
        """Signed entries from index `start` on."""
        index = start
        while (path := self._entry(index)).exists():
            yield path.read_bytes()
            index += 1

    def fetch(self, name: bytes) -> bytes:
        """A blob by its SHA-256; `PeerError(RECORD_MISSING)`."""
        path = self._blob(name)
        if not path.is_file() or path.stat().st_size > MAX_BLOB:
            raise PeerError(Reason.RECORD_MISSING)
        return path.read_bytes()

    def _entry(self, index: int) -> Path:
        return self.public / "entries" / f"{index:08d}.cose"

    def _blob(self, name: bytes) -> Path:
        return self.public / "blobs" / name.hex()


class FederationDirectory:
    """All regions' public files under one root, and a verified view of them."""

    def __init__(self, root: Path, suite: Suite) -> None:
        """Reads the charter; `CallerError(STORE_MISSING)` if there is none."""
        path = root / "charter.cbor"
        if not path.is_file():
            raise CallerError(Reason.STORE_MISSING, "no charter here; found a federation first")
        self.root = root
        self.federation: Federation = open_charter(path.read_bytes(), suite)
        self.regions = {r: RegionDirectory(root, r) for r in self.federation.members}
        self.view = FederationView(self.federation)

    @staticmethod
    def found(root: Path, charter: bytes) -> None:
        """Write a signed charter into a new directory."""
        path = root / "charter.cbor"
        if path.exists():
            raise CallerError(Reason.STORE_EXISTS, "a federation was founded here already")
        write_atomically(path, charter)

    def catch_up(self) -> FederationView:
        """Take all new entries of all regions into the view, verified; the view."""
        for region, directory in self.regions.items():
            for entry in directory.entries(len(self.view.regions[region].entries)):
                self.view.append(region, entry)
        return self.view

    def fetch(self, name: bytes) -> bytes:
        """A blob by hash from any region."""
        for directory in self.regions.values():
            try:
                return directory.fetch(name)
            except PeerError:
                continue
        raise PeerError(Reason.RECORD_MISSING)
