"""Published records as files: one directory per region, content-addressed.

    <root>/charter.cbor                                    all versions known
    <root>/regions/<code>/public/entries/00000000.cose …   the log, in order
    <root>/regions/<code>/public/blobs/<sha256>            everything entries name

Any static web server can serve `public`. The witnessed log of the reference node
replaces the numbering of entries; readers above see the same entries and blobs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from guosuo.errors import CallerError, PeerError, Reason
from guosuo.federation.charter import Federation
from guosuo.federation.charters import encode_charters, open_charters
from guosuo.federation.records import digest
from guosuo.federation.view import FederationView
from guosuo.host.files import write_atomically
from guosuo.suite import Suite

MAX_BLOB = 16 << 20
"""Octets of a blob that a reader takes in at most."""

_FOLDER: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{1,11}", re.ASCII)
"""Region codes that are names of folders, and of nothing above or beside them."""


@dataclass(frozen=True, slots=True)
class Publication:
    """A public file to be: the signed entry of that index, or a blob without index."""

    index: int | None
    data: bytes = field(repr=False)


class RegionDirectory:
    """The public files of one region."""

    def __init__(self, root: Path, region: str) -> None:
        """`root` is the federation's directory; `PeerError(CHARTER)` for a code like `../x`."""
        if _FOLDER.fullmatch(region) is None:
            raise PeerError(Reason.CHARTER, "a region's code is 2 to 12 letters, digits, hyphens")
        self.region = region
        self.home = root / "regions" / region
        self.public = self.home / "public"

    def publish(self, publications: Iterable[Publication]) -> None:
        """Write in order; what is there already with the same octets is done.

        So whoever was interrupted publishes the same again. `CallerError(STATE)` for an
        entry that is there with other octets: one log never has two entries of one index.
        """
        for publication in publications:
            path = self._path(publication)
            if not path.exists():
                write_atomically(path, publication.data)
            elif path.read_bytes() != publication.data:
                raise CallerError(
                    Reason.STATE, "the log has another entry there: this state is not the latest"
                )

    def ends_with(self, index: int, last: bytes) -> bool:
        """Whether the log has exactly `index` entries, the last one of that SHA-256."""
        if self._entry(index).exists():
            return False
        before = self._entry(index - 1)
        return index == 0 or (before.is_file() and digest(before.read_bytes()) == last)

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

    def _path(self, publication: Publication) -> Path:
        index, data = publication.index, publication.data
        return self._blob(digest(data)) if index is None else self._entry(index)

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
        self.federation: Federation = open_charters(path.read_bytes(), suite)
        """The newest version known."""
        self.regions: dict[str, RegionDirectory] = {}
        self.view = FederationView(self.federation, self.fetch)
        self.amend()

    @staticmethod
    def found(root: Path, charter: bytes) -> None:
        """Write a signed charter into a new directory."""
        path = root / "charter.cbor"
        if path.exists():
            raise CallerError(Reason.STORE_EXISTS, "a federation was founded here already")
        write_atomically(path, charter)

    def catch_up(self) -> FederationView:
        """Take all new entries of all regions into the view, verified; the view.

        Logs that adopt a later charter bring its new members with them.
        """
        done: set[str] = set()
        while fresh := self.regions.keys() - done:
            for region in sorted(fresh):
                for entry in self.regions[region].entries(len(self.view.regions[region].entries)):
                    self.view.append(region, entry)
            done |= fresh
            self.amend()
        return self.view

    def learn(self, data: bytes) -> bool:
        """Take in and keep a later signed charter; whether it is news. `PeerError(CHARTER)`."""
        before = self.view.federation.version
        self.view.learn(data)
        self.amend()
        news = self.view.federation.version > before
        if news:
            write_atomically(self.root / "charter.cbor", encode_charters(self.federation))
        return news

    def amend(self) -> None:
        """Folders for all who are or were members of the versions that the view knows."""
        self.federation = self.view.federation
        for region in self.view.regions:
            if region not in self.regions:
                self.regions[region] = RegionDirectory(self.root, region)

    def fetch(self, name: bytes) -> bytes:
        """A blob by hash from any region."""
        for directory in self.regions.values():
            try:
                return directory.fetch(name)
            except PeerError:
                continue
        raise PeerError(Reason.RECORD_MISSING)
