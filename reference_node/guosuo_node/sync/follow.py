"""Following one other region's log: watch, poll, fetch, check, keep, judge.

Whatever a node hands over is believed only as far as it is signed, cosigned and hashed, so
any node may stand in for a region's own when that is away. One region's trouble is reported
and stays with that region.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

from guosuo.curve.entropy import Entropy
from guosuo.errors import PeerError, Reason
from guosuo.federation import checkpoints, notes
from guosuo.federation.checkpoints import Checkpoint, Quorum
from guosuo.federation.forks import equivocation, find_split
from guosuo.federation.merkle import Tree, leaf_hash
from guosuo.host.directory import MAX_BLOB
from guosuo_node.app.faults import word_of
from guosuo_node.app.housekeeping import bucket_bounds, wanted
from guosuo_node.app.logs import RegionLog
from guosuo_node.app.peers import FAILURES, Peer
from guosuo_node.app.points import Point, reached
from guosuo_node.app.records import Records
from guosuo_node.app.witnessing import EQUIVOCATION
from guosuo_node.store.store import Store

Report = Callable[[str, str], None]
MAX_AHEAD = 1 << 20
"""Entries that are fetched for one checkpoint at most."""
MAX_OCTETS = 1 << 28
"""Octets of them at most: they are in memory before their root is known."""
_FETCH_SECONDS = 30.0
_ENTRIES_PER_SECOND = 50
"""Whoever is slower than both is not listened to: nobody else can be meanwhile."""
_BLOBS_SECONDS = 60.0
_BREATH = 0.2
"""Seconds between checkpoints of one stream at least."""
_BLOBS_AT_ONCE = 32
_LONGEST_BACKOFF = 16
"""In polls."""
_AMENDED = (Reason.NOTE_SIGNATURE, Reason.COSIGNATURES)
_ROUNDS = 4
"""A board names buckets: blobs are found in rounds."""


@dataclass(slots=True)
class Follower:
    """One region, followed by the process that leads."""

    region: str
    records: Records
    store: Store
    nodes: Mapping[str, Peer]
    """Other members' nodes by region; this region's among them."""
    poll: float
    """Seconds between polls while all is well."""
    now: Callable[[], float]
    entropy: Entropy
    report: Report
    failures: int = 0
    _spread: bool = False
    """Evidence of a fork is in the store and was sent to all."""
    _fetching: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self) -> None:
        """Watch and poll, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch())
            group.create_task(self._poll())

    async def _watch(self) -> None:
        """Be told by the region's own node; open the stream again whenever it breaks."""
        home = self.nodes[self.region]
        while True:
            try:
                async with aclosing(home.watch((self.region,))) as stream:
                    async for _, note in stream:
                        self._heard()
                        await self.take(note, home)
                        # A flood waits in the other's buffers, not in ours.
                        await asyncio.sleep(min(_BREATH, self.poll / 8))
            except Exception as error:  # noqa: BLE001 - no fault of a peer ends anything here
                self._failed(error)
            await self._pause()

    async def _poll(self) -> None:
        """Ask, the own node first; if it is away, any other."""
        while True:
            await self._pause()
            await self.ask()

    async def ask(self) -> bool:
        """One poll; whether anybody had a checkpoint that was good."""
        others = sorted(name for name in self.nodes if name != self.region)
        start = self.entropy.below(len(others)) if others else 0
        for name in (self.region, *others[start:], *others[:start]):
            try:
                note = await self.nodes[name].checkpoint(self.region)
                if note is None:
                    continue
                if name == self.region:
                    self._heard()
                await self.take(note, self.nodes[name])
            except Exception as error:  # noqa: BLE001 - as above
                self._failed(error)
            else:
                return True
        return False

    # --- one checkpoint -------------------------------------------------------------------

    async def take(self, note: bytes, source: Peer) -> None:
        """Take in what a cosigned checkpoint covers; `PeerError` and more if it cannot be.

        Nothing is kept of entries that do not have the checkpoint's root.
        """
        async with self._fetching:
            log = self.records.logs[self.region]
            try:
                found = self._open(note)
            except PeerError as error:
                # Signed by keys that are not known: perhaps of a later charter.
                if error.reason not in _AMENDED or not await self._learn(source):
                    raise
                found = self._open(note)
            if log.evidence is not None or self.region in self.records.broken:
                # Nothing more of it is taken in.
                pass
            elif found.size > log.tree.size:
                fresh = await self._entries(source, log.tree.size, found.size)
                if not log.fits(note, fresh):
                    await self._compare(log, note, found, source)
                    raise PeerError(Reason.LOG_PROOF, "entries or checkpoint of another history")
                charters = self.records.missing_charters(self.region, fresh)
                if charters:
                    # What nobody has stops this log only, before anything of it is kept.
                    await self._blobs(source, charters)
                    if self.records.blobs.missing(charters):
                        raise PeerError(Reason.RECORD_MISSING, "a charter that a log adopts")
                await self._keep(note, found.size, fresh)
            else:
                self.records.publish(self.region, note)
            await self._convict(log)
            await self.complete(source)

    async def complete(self, source: Peer) -> None:
        """Fetch the blobs that are missing, wherever they are, and judge."""
        async with self.records.locks[self.region]:
            for _ in range(_ROUNDS):
                missing = self.records.blobs.missing(wanted(self.records, self.region))
                if not missing:
                    break
                if not await self._blobs(source, missing):
                    break
            await self.records.audit(self.region, in_turn=True)
        self.records.ring()

    def _open(self, note: bytes) -> Checkpoint:
        """The checkpoint, signed by the log and cosigned by enough; `PeerError`.

        By any version of the charter from the known state on: the entries will say which.
        """
        parsed, fault = notes.parse(note), PeerError(Reason.NOTE_SIGNATURE)
        for version in self.records.ahead(self.region):
            origin, key = version.origin(self.region), version.known(self.region).log_key
            try:
                found = checkpoints.open_checkpoint(parsed, origin, key)
                Quorum.of(version).check(parsed)
            except PeerError as error:
                fault = error
            else:
                return found
        raise fault

    async def _learn(self, source: Peer) -> bool:
        """Ask for versions of the charter that are not known; whether there is any."""
        try:
            return self.records.learn(await source.charter())
        except FAILURES:
            return False

    async def _entries(self, source: Peer, start: int, end: int) -> list[bytes]:
        if end - start > MAX_AHEAD:
            raise PeerError(Reason.TOO_LONG)
        found: list[bytes] = []
        octets = 0
        async with asyncio.timeout(_FETCH_SECONDS + (end - start) / _ENTRIES_PER_SECOND):
            while start + len(found) < end:
                more, _ = await source.entries(self.region, start + len(found))
                if not more:
                    raise PeerError(Reason.RECORD_MISSING)
                octets += sum(map(len, more))
                if octets > MAX_OCTETS:
                    raise PeerError(Reason.TOO_LONG)
                found += more
        return found[: end - start]

    async def _keep(self, note: bytes, size: int, fresh: list[bytes]) -> None:
        """Into the store, then into memory: what is judged by is never ahead of the disk."""
        start = self.records.logs[self.region].tree.size
        await asyncio.to_thread(self.store.add_peer_entries, self.region, start, fresh)
        reached(Point.AFTER_PEER_ENTRIES_BEFORE_NOTE)
        await asyncio.to_thread(self.store.put_peer_note, self.region, size, note)
        reached(Point.AFTER_PEER_NOTE_BEFORE_MEMORY)
        async with self.records.locks[self.region]:
            await self.records.take_in(self.region, fresh)
            self.records.publish(self.region, note)

    async def _blobs(self, source: Peer, names: list[bytes]) -> bool:
        """Whether any of them was found."""
        found = False
        bounds = await asyncio.to_thread(bucket_bounds, self.records, self.region)
        for peer in (source, *self.nodes.values()):
            names = self.records.blobs.missing(names)
            for at in range(0, len(names), _BLOBS_AT_ONCE):
                try:
                    async with asyncio.timeout(_BLOBS_SECONDS):
                        blobs = await peer.blobs(names[at : at + _BLOBS_AT_ONCE])
                except FAILURES as error:
                    self._failed(error)
                    break
                for name, data in blobs.items():
                    if len(data) > bounds.get(name, MAX_BLOB):
                        continue
                    await asyncio.to_thread(self.records.blobs.put, data)
                    found = True
        return found

    # --- two histories --------------------------------------------------------------------

    async def _compare(self, log: RegionLog, note: bytes, found: Checkpoint, source: Peer) -> None:
        """Look for the place where two histories part: proof, if the source has that tree."""
        known = log.reader
        if not known.note:
            return
        other = Tree()
        for entry in await self._entries(source, 0, found.size):
            other.append(leaf_hash(entry))
        if other.root() != found.root:
            return
        split = find_split(log.tree.nodes, known.size, other.nodes, found.size)
        key = self.records.view.ruling_at(self.region, known.size).known(self.region).log_key
        log.evidence = equivocation(known.note, note, split, known.origin, key)
        await self._convict(log)

    async def _convict(self, log: RegionLog) -> None:
        """Keep and spread evidence of a fork, once; the judge admits nothing new."""
        if log.evidence is None or self._spread:
            return
        if self.records.convict(self.region, log.evidence):
            self.report(self.region, "forked")
        data = log.evidence.encode()
        await asyncio.to_thread(self.store.add_evidence, EQUIVOCATION, data, int(self.now()))
        # Only now: what cannot be stored is stored with the next checkpoint.
        self._spread = True
        for peer in self.nodes.values():
            try:
                await peer.submit_report(data)
            except FAILURES as error:
                self._failed(error)

    # --- pace -----------------------------------------------------------------------------

    def _heard(self) -> None:
        self.failures = 0
        self.records.contact[self.region] = int(self.now())

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        self.report(self.region, word_of(error))

    async def _pause(self) -> None:
        """A poll's time, twice as long after each failure, with jitter."""
        factor = min(1 << min(self.failures, 8), _LONGEST_BACKOFF)
        jitter = 0.5 + self.entropy.below(1000) / 1000
        await asyncio.sleep(self.poll * factor * jitter)
