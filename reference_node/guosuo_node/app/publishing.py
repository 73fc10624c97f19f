"""From a grown log to a public checkpoint: sign, store, have it cosigned, publish.

Readers get a checkpoint after k cosignatures and not before. What is signed is in the store
first, so that this node never signs two roots of one size, whatever happens to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from guosuo.errors import PeerError
from guosuo.federation import checkpoints, merkle, notes, tiles
from guosuo.federation.checkpoints import Checkpoint, Quorum
from guosuo.federation.notes import Note
from guosuo.host.files import write_atomically
from guosuo_node.app.faults import Fault, ServiceError, word_of
from guosuo_node.app.leader import Leader
from guosuo_node.app.peers import FAILURES, Peer
from guosuo_node.app.points import Point, reached
from guosuo_node.app.witnessing import WitnessDesk

Report = Callable[[str, str], None]
"""Told what went wrong with whom: a name, and a word of a closed list."""


@dataclass(slots=True)
class Publisher:
    """Has the leader's log cosigned and hands it to readers."""

    leader: Leader
    witnesses: Mapping[str, Peer]
    """Others that cosign, by their name in the charter."""
    desk: WitnessDesk | None
    """This node's own witness."""
    folder: Path
    """Where the static files of the own log go."""
    patience: float
    """Seconds that witnesses are waited for, and between tries."""
    report: Report
    short: bool = False
    """Too few witnesses cosigned the last time."""
    sizes: dict[str, int] = field(default_factory=dict)
    """The size that each witness is thought to have cosigned last."""
    _late: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self) -> None:
        """Publish whenever the log has grown, until cancelled or the lease is lost."""
        leader = self.leader
        await asyncio.to_thread(self.write_files, 0)
        try:
            while not leader.lost:
                leader.grown.clear()
                if not await self.publish():
                    await asyncio.sleep(self.patience)
                elif leader.records.logs[leader.region].tree.size == self._published():
                    await leader.grown.wait()
        finally:
            for task in tuple(self._late):
                task.cancel()

    async def publish(self) -> bool:
        """One round for the log as it is now; False if too few witnesses cosigned."""
        leader = self.leader
        log = leader.records.logs[leader.region]
        size = log.tree.size
        federation = leader.records.view.ruling_at(leader.region, size)
        if size == 0 or size == self._published():
            return True
        if not leader.keys.fits(federation):
            # The log just adopted a charter with other keys: the next leadership has them.
            return False
        origin = federation.origin(leader.region)
        signed = checkpoints.sign_checkpoint(
            Checkpoint(origin, size, log.tree.root(size)), leader.keys.log_key
        )
        data = signed.encode()
        reached(Point.AFTER_CHECKPOINT_SIGNED_BEFORE_PERSIST)
        await leader.write(lambda writer: writer.put_checkpoint(size, log.tree.root(size), data))
        reached(Point.AFTER_CHECKPOINT_PERSIST_BEFORE_COSIGN)
        cosigned = await self._cosigned(signed, size)
        quorum = Quorum.of(federation)
        self.short = quorum.count(cosigned) < quorum.needed
        if self.short:
            return False
        reached(Point.AFTER_COSIGN_BEFORE_PERSIST)
        lines = b"".join(s.line().encode() for s in cosigned.signatures[1:])
        await leader.write(lambda writer: writer.cosigned(size, lines, published=True))
        reached(Point.AFTER_COSIGN_PERSIST_BEFORE_FILES)
        await asyncio.to_thread(self._write, self._published(), size, cosigned.encode())
        reached(Point.AFTER_FILES_BEFORE_MEMORY)
        leader.records.publish(leader.region, cosigned.encode())
        return True

    def write_files(self, old: int) -> None:
        """Write the static files of what is published again, from a size on."""
        size = self._published()
        if size:
            self._write(old, size, self.leader.records.logs[self.leader.region].reader.note)

    def _published(self) -> int:
        return self.leader.records.logs[self.leader.region].size

    def _write(self, old: int, new: int, note: bytes) -> None:
        log = self.leader.records.logs[self.leader.region]
        entry = log.view.entries.__getitem__
        for file in tiles.publication(old, new, log.tree.nodes, entry, note):
            path = self.folder / file.path
            if file.path == tiles.CHECKPOINT:
                reached(Point.BETWEEN_TILES_AND_CHECKPOINT)
                # Files know no lease: a process that was stopped here, and led before, would
                # set back what its successor published.
                if _size_there(path) > new:
                    continue
            elif path.exists():
                continue
            write_atomically(path, file.data)

    # --- witnesses ------------------------------------------------------------------------

    async def _cosigned(self, signed: Note, size: int) -> Note:
        """The note with all cosignatures that came until there were enough, or in time."""
        federation = self.leader.records.view.ruling_at(self.leader.region, size)
        quorum = Quorum.of(federation)
        lines: list[notes.Signature] = []
        enough = asyncio.Event()

        async def ask(name: str) -> None:
            line = await self._ask(name, signed, size)
            if line is None:
                return
            lines.append(line)
            if quorum.count(signed.signed_by(lines)) >= quorum.needed:
                enough.set()

        if quorum.needed == 0:
            return signed
        own = [self.desk.witness.name] if self.desk is not None else []
        names = [n for n in (*own, *self.witnesses) if n in federation.witness_keys]
        tasks = {asyncio.create_task(ask(name)) for name in names}
        every = asyncio.create_task(_all(tasks))
        done = asyncio.create_task(_until(enough))
        # Slow witnesses go on in the background: what they cosign they need not be told again.
        self._late |= tasks
        for task in tasks:
            task.add_done_callback(self._late.discard)
        try:
            await asyncio.wait(
                {every, done}, timeout=self.patience, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            every.cancel()
            done.cancel()
        return signed.signed_by(lines)

    async def _ask(self, name: str, signed: Note, size: int) -> notes.Signature | None:
        federation = self.leader.records.view.ruling_at(self.leader.region, size)
        key = checkpoints.witness_key(name, federation.witness_keys[name])
        try:
            async with asyncio.timeout(self.patience * 4):
                line = await self._line(name, signed.encode(), size)
            (found,) = notes.parse_signatures(line.decode())
        except (*FAILURES, ValueError) as error:
            self.report(name, word_of(error))
            return None
        if checkpoints.cosignature_time(signed.signed_by([found]), key) is None:
            self.report(name, "other-key")
            return None
        self.sizes[name] = size
        return found

    async def _line(self, name: str, note: bytes, size: int) -> bytes:
        """Its line; asked again from the size that it really has if that was not known."""
        for old in (self.sizes.get(name), None):
            known = await self._known(name) if old is None else old
            if known > size:
                raise ServiceError(Fault.WITNESS_CONFLICT)
            nodes = self.leader.records.logs[self.leader.region].tree.nodes
            proof = merkle.consistency_proof(nodes, known, size) if 0 < known < size else ()
            try:
                if self.desk is not None and name == self.desk.witness.name:
                    return await self.desk.add_checkpoint(note, known, tuple(proof))
                return await self.witnesses[name].add_checkpoint(note, known, proof)
            except FAILURES as error:
                if word_of(error) != Fault.WITNESS_SIZE.value or old is None:
                    raise
        raise ServiceError(Fault.WITNESS_SIZE)

    async def _known(self, name: str) -> int:
        """The size of the note that a witness cosigned last; 0 if none."""
        region = self.leader.region
        if self.desk is not None and name == self.desk.witness.name:
            try:
                note = await self.desk.largest(region)
            except ServiceError:
                return 0
        else:
            note = await self.witnesses[name].witnessed(region) or b""
        return checkpoints.parse_text(notes.parse(note).text).size if note else 0


def _size_there(path: Path) -> int:
    """Entries that the checkpoint's file covers; 0 if there is none, or no good one."""
    try:
        return checkpoints.parse_text(notes.parse(path.read_bytes()).text).size
    except (OSError, PeerError):
        return 0


async def _all(tasks: set[asyncio.Task[None]]) -> None:
    await asyncio.wait(tasks)


async def _until(event: asyncio.Event) -> None:
    await event.wait()
