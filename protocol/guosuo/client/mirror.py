"""A verified copy of the federation's public records on this device, kept fresh by nodes.

It is kept in the files of `guosuo.host.directory`, so wallets, checkpoints and the
command line work on it without network and without knowing of nodes. Several nodes or
mirrors may be given: where one fails, lies or lags, the next is asked.

What is asked for follows from the public logs and from what this copy lacks, never from
what a wallet holds: bundles are those of all regions, buckets whole, and all holders of
one bucket send the same requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from guosuo.client.blobs import Blob
from guosuo.client.copying import Chain, LogCopy
from guosuo.client.errors import (
    NOT_FOUND,
    UNKNOWN,
    NodeError,
    NodeFailure,
    NodeTooLarge,
    NodeUnreachable,
)
from guosuo.client.names import (
    Wanted,
    board_names,
    bucket_names,
    bundle_names,
    shown_epochs,
)
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.federation.charters import named_charters, open_charters, signed_charters
from guosuo.federation.forks import Advanced, Equivocation
from guosuo.federation.merkle import leaf_hash
from guosuo.federation.records import digest
from guosuo.federation.view import FederationView
from guosuo.host.directory import FederationDirectory, Publication
from guosuo.host.files import write_atomically
from guosuo.suite import Suite

MAX_ASKED: Final = 4
"""Nodes that are asked about one region in one round at most, while it is behind."""
PAGE: Final = 1000
ROLLED_BACK: Final = "rolled-back"
FORKED: Final = "forked"
UNREACHABLE: Final = "unreachable"
TOO_LARGE: Final = "too-large"
_SUSPICIOUS: Final = frozenset({Reason.LOG_PROOF, Reason.RECORD_ORDER})
"""What entries that do not go on from the known ones are refused for."""
_AMENDED: Final = frozenset({Reason.NOTE_SIGNATURE, Reason.COSIGNATURES, Reason.RECORD_MISSING})
"""What a log that adopted an unknown charter is refused for."""
_AT_ONCE: Final = 16
"""Entries taken in before other tasks get their turn."""


class Source(Protocol):
    """A node or mirror to copy from; `guosuo.client.federation.FederationClient` is one."""

    @property
    def target(self) -> str:
        """Its address, for people."""
        ...

    async def charter(self) -> bytes:
        """All versions of the charter."""
        ...

    async def checkpoint(self, region: str) -> bytes | None:
        """The newest note, if there is one."""
        ...

    async def entries(self, region: str, start: int, limit: int = PAGE) -> tuple[list[bytes], int]:
        """Entries from `start` on, and how many there are in all."""
        ...

    def stream_blobs(self, names: Sequence[bytes]) -> AsyncGenerator[Blob, None]:
        """Blobs as they come."""
        ...


@dataclass(frozen=True, slots=True)
class Fault:
    """What was wrong with one source, or (without target) with a region's log itself."""

    target: str
    reason: str
    """A word of the closed lists, or one of this module."""


@dataclass(slots=True)
class News:
    """How one region's log was followed."""

    region: str
    size: int
    """Entries of the copy."""
    new: int = 0
    """How many of them came now."""
    answered: bool = False
    """A source gave a checkpoint that holds, be it new or not."""
    faults: list[Fault] = field(default_factory=list)
    fork: Equivocation | None = field(default=None, repr=False)
    """Proof that the log has two histories; it is stored as well."""


class Mirror:
    """The copy in one directory; one task uses it at a time."""

    def __init__(self, directory: FederationDirectory, sources: Sequence[Source]) -> None:
        """Takes in what is stored; `PeerError` if that is damaged.

        After an `OSError` of a full or failing disk it may be used again.
        """
        self.directory = directory
        self.view: FederationView = directory.catch_up()
        self._sources = list(sources)
        self._stored = {r: len(v.entries) for r, v in self.view.regions.items()}
        self._copies: dict[str, LogCopy] = {}

    # --- logs -----------------------------------------------------------------------------

    async def follow(self, now: int, regions: Iterable[str] | None = None) -> tuple[News, ...]:
        """Bring the logs up to date, all of them unless told otherwise, one by one.

        Whatever is wrong with one region or one source is in its `News` and stops nothing.
        """
        names = sorted(self.view.regions if regions is None else regions)
        return tuple([await self._follow(region, now) for region in names])

    async def _follow(self, region: str, now: int) -> News:
        self._store(region)
        news = News(region, self._stored[region])
        for source in self._sources[:MAX_ASKED]:
            try:
                try:
                    await self._advance(region, source, news)
                except PeerError as error:
                    # Signed by keys that are not known: perhaps of a later charter.
                    if error.reason not in _AMENDED or not await self._learn(source):
                        raise
                    await self._advance(region, source, news)
            except (NodeFailure, PeerError) as error:
                news.faults.append(self._fault(source, error))
            if news.answered and not self._is_behind(region, now):
                break
        news.new, news.size = self._stored[region] - news.size, self._stored[region]
        return news

    async def _advance(self, region: str, source: Source, news: News) -> None:
        """Take the source's checkpoint in, with the entries under it."""
        copy = self._copy(region)
        note = await source.checkpoint(region)
        if note is None:
            raise _LackingError(Reason.NOT_PUBLISHED)
        news.answered = news.answered or note == copy.reader.note
        if note == copy.reader.note:
            return
        if self._keep(news, copy.contradicts(note)):
            raise _ForkedError(Reason.LOG_PROOF)
        found = copy.open_under(note, reversed(self.view.history.versions))
        try:
            more = await self._entries(source, region, copy, found.size)
            outcome = copy.take(note, more)
        except PeerError as error:
            if error.reason not in _SUSPICIOUS or not copy.reader.note:
                raise
            # Either the source lies about the entries, or the log has two histories.
            leaves = await self._leaves(source, region, found.size)
            if not self._keep(news, copy.convict(note, leaves)):
                raise
            raise _ForkedError(Reason.LOG_PROOF) from None
        if not isinstance(outcome, Advanced):
            raise _RolledBackError(Reason.LOG_PROOF)
        news.answered = True
        await self._take_in(region, more)

    async def _learn(self, source: Source) -> bool:
        """Ask for later versions of the charter; whether there is any."""
        try:
            later = signed_charters(await source.charter())[1:]
            return sum(self.directory.learn(version) for version in later) > 0
        except (NodeFailure, PeerError):
            return False

    async def _charters(self, region: str, page: Sequence[bytes], version: int) -> None:
        """Blobs of charters that entries adopt: by whose keys the log goes on."""
        await self.fetch_blobs(Wanted(region, name) for name in named_charters(page, version))

    async def _entries(self, source: Source, region: str, copy: LogCopy, end: int) -> list[bytes]:
        """Entries of the source from those held up to `end`, each signed and in its place.

        The copy is told by which charter they are judged.
        """
        chain = Chain.behind(self.view, region, self.directory.fetch)
        found: list[bytes] = []
        while chain.index < end:
            page, _ = await source.entries(region, chain.index, min(PAGE, end - chain.index))
            if not page:
                raise PeerError(Reason.LOG_PROOF, "a checkpoint without its entries")
            await self._charters(region, page, chain.version)
            for at in range(0, len(page), _AT_ONCE):
                chain.take(page[at : at + _AT_ONCE])
                await asyncio.sleep(0)
            found += page
        behind = end >= chain.index
        copy.under(chain.ruling() if behind else self.view.ruling_at(region, end))
        return found

    async def _leaves(self, source: Source, region: str, end: int) -> list[bytes]:
        """Hashes of the source's entries [0, end), whatever those say."""
        found: list[bytes] = []
        while len(found) < end:
            page, _ = await source.entries(region, len(found), min(PAGE, end - len(found)))
            if not page:
                raise PeerError(Reason.LOG_PROOF, "a checkpoint without its entries")
            found += [leaf_hash(entry) for entry in page]
        return found

    async def _take_in(self, region: str, more: Sequence[bytes]) -> None:
        """Entries under a checkpoint that was taken in, then the checkpoint, to the files."""
        try:
            for at, entry in enumerate(more, start=1):
                self.view.append(region, entry)
                if at % _AT_ONCE == 0:
                    await asyncio.sleep(0)
        except BaseException:
            # Cancelled in between: tree and view are no longer at the same place.
            del self._copies[region]
            raise
        self.directory.amend()
        self._store(region)

    def _store(self, region: str) -> None:
        """Write what the view has and the files have not; again after a disk was full."""
        entries, files = self.view.regions[region].entries, self.directory.regions[region]
        while (index := self._stored.setdefault(region, 0)) < len(entries):
            files.publish([Publication(index, entries[index])])
            self._stored[region] = index + 1
        copy = self._copies.get(region)
        if copy is not None and copy.reader.note not in (b"", self._note(region)):
            write_atomically(self._note_path(region), copy.reader.note)

    def _copy(self, region: str) -> LogCopy:
        if region not in self._copies:
            self._copies[region] = LogCopy.resume(
                self.view.ruling(region),
                region,
                self.view.regions[region].entries,
                self._note(region),
            )
        return self._copies[region]

    def _is_behind(self, region: str, now: int) -> bool:
        """The region's entry of the present epoch has not come yet."""
        clock = self.directory.federation.clock
        return self.view.regions[region].epoch(clock.epoch_at(now)) is None

    def _note_path(self, region: str) -> Path:
        return self.directory.regions[region].public / "checkpoint"

    def _note(self, region: str) -> bytes:
        path = self._note_path(region)
        return path.read_bytes() if path.is_file() else b""

    def _keep(self, news: News, evidence: Equivocation | None) -> bool:
        """Store proof of two histories beside the region's files; whether there is any."""
        if evidence is None:
            return False
        news.fork = evidence
        data = evidence.encode()
        home = self.directory.regions[news.region].home
        write_atomically(home / "forks" / f"{digest(data).hex()}.cbor", data)
        return True

    def _fault(self, source: Source, error: NodeFailure | PeerError) -> Fault:
        """For the report; the source is asked last from now on."""
        self._sources.remove(source)
        self._sources.append(source)
        return Fault(source.target, _word(error))

    # --- blobs ----------------------------------------------------------------------------

    async def fetch_bundles(self, epoch: int, now: int) -> tuple[Wanted, ...]:
        """Blobs of all regions' bundles for the lists of an epoch; those still missing."""
        return await self.fetch_blobs(bundle_names(self.view, epoch, now))

    async def fetch_bucket(self, region: str, slot: int, now: int) -> tuple[Wanted, ...]:
        """Board and bucket for a slot in the epochs whose keys can be listed.

        What is still missing afterwards is returned. The requests are the same for every
        slot of the bucket.
        """
        missing = await self.fetch_blobs(board_names(self.view, region, now))
        bucket = bucket_names(self.view, region, slot, now, self.directory.fetch)
        return (*missing, *await self.fetch_blobs(bucket))

    async def fetch_for_wallet(
        self, slots: Iterable[tuple[str, int]], now: int
    ) -> tuple[Wanted, ...]:
        """All that a refresh needs, after `follow`: bundles of every region, own buckets."""
        federation = self.directory.federation
        names = [
            wanted
            for epoch in shown_epochs(federation, now)
            for wanted in bundle_names(self.view, epoch, now)
        ]
        missing = list(await self.fetch_blobs(names))
        size = federation.charter.parameters.bucket_slots
        for region, first in sorted({(region, slot - slot % size) for region, slot in slots}):
            missing += await self.fetch_bucket(region, first, now)
        return tuple(missing)

    async def fetch_blobs(self, names: Iterable[Wanted]) -> tuple[Wanted, ...]:
        """Fetch what is not here yet, in this order; what no source gave is returned."""
        missing = {one.name: one for one in names if not self._has(one.name)}
        for source in tuple(self._sources):
            if not missing:
                break
            try:
                async with aclosing(source.stream_blobs(list(missing))) as stream:
                    async for blob in stream:
                        wanted = missing.get(blob.name)
                        if blob.data is None or wanted is None or digest(blob.data) != blob.name:
                            continue
                        files = self.directory.regions[wanted.region]
                        files.publish([Publication(None, blob.data)])
                        del missing[blob.name]
            except (NodeFailure, PeerError) as error:
                self._fault(source, error)
        return tuple(missing.values())

    def _has(self, name: bytes) -> bool:
        try:
            self.directory.fetch(name)
        except PeerError:
            return False
        return True


class _LackingError(PeerError):
    """The source has no checkpoint of that log."""


class _RolledBackError(PeerError):
    """The source has an older checkpoint than this copy: it is stale, or the log was set back."""


class _ForkedError(PeerError):
    """The source has another history of a log than this copy."""


def _word(error: NodeFailure | PeerError) -> str:
    match error:
        case _LackingError():
            return NOT_FOUND
        case _RolledBackError():
            return ROLLED_BACK
        case _ForkedError():
            return FORKED
        case PeerError():
            return error.reason.value
        case NodeError():
            return error.reason
        case NodeTooLarge():
            return TOO_LARGE
        case NodeUnreachable():
            return UNREACHABLE
        case _:
            return UNKNOWN


async def fetch_charter(
    sources: Iterable[Source], root: Path, federation: bytes, suite: Suite
) -> tuple[Fault, ...]:
    """Begin a copy: the charter of that identifier from the first source that has it.

    Whoever gave the identifier, not the node, is trusted. Raises `CallerError(STORE_MISSING)`
    if no source gave it; what was wrong with each is returned otherwise.
    """
    faults = []
    for source in sources:
        try:
            data = await source.charter()
            found = open_charters(data, suite).id
        except (NodeFailure, PeerError) as error:
            faults.append(Fault(source.target, _word(error)))
            continue
        if found == federation:
            FederationDirectory.found(root, data)
            return tuple(faults)
        faults.append(Fault(source.target, Reason.CHARTER.value))
    raise CallerError(Reason.STORE_MISSING, "no node gave the charter of that federation")
