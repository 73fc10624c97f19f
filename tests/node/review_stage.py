"""A node's inner parts on a store of their own, and peers made of lists: no processes, no wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nacl.signing

from guosuo.federation import checkpoints
from guosuo.federation.checkpoints import Checkpoint
from guosuo.federation.merkle import Tree, leaf_hash
from guosuo.federation.records import Kind, LogWriter
from guosuo.host.vault import KeyFile
from guosuo.roles.gate import GateState
from guosuo.roles.issuer import Issuer
from guosuo_node.app.blobs import BlobStore
from guosuo_node.app.keys import NodeKeys
from guosuo_node.app.leader import Leader
from guosuo_node.app.records import Records
from guosuo_node.store.marks import GateMarks, IssuerMarks
from guosuo_node.store.store import Store
from guosuo_node.sync.follow import Follower
from tests.support.world import World, seeded

HOME, AWAY = "110000", "330000"
WITNESS = nacl.signing.SigningKey(bytes([5]) * 32)


@dataclass
class Paper:
    """A peer that has one region's log; tests override what it does wrong."""

    world: World
    region: str
    log: list[bytes] = field(default_factory=list)
    files: dict[bytes, bytes] = field(default_factory=dict)
    reports: list[bytes] = field(default_factory=list)
    asked: int = 0
    """Pages of entries that were asked for."""

    def note(self, size: int | None = None) -> bytes:
        """The checkpoint of the first entries, or of all."""
        return note_of(self.world, self.region, self.log[:size])

    def grow(self, *entries: bytes) -> None:
        """More entries, whatever they are."""
        self.log += entries

    async def checkpoint(self, region: str) -> bytes | None:
        return self.note() if region == self.region and self.log else None

    async def entries(self, region: str, start: int, limit: int = 1000) -> tuple[list[bytes], int]:
        assert region == self.region
        self.asked += 1
        return self.log[start : start + limit], len(self.log)

    async def blobs(self, names: Sequence[bytes]) -> dict[bytes, bytes]:
        return {name: self.files[name] for name in names if name in self.files}

    async def charter(self) -> bytes:
        raise TimeoutError

    async def add_checkpoint(self, note: bytes, old_size: int, proof: Sequence[bytes]) -> bytes:  # noqa: ARG002 - as Peer has it
        raise TimeoutError

    async def witnessed(self, region: str) -> bytes | None:  # noqa: ARG002 - as Peer has it
        return None

    async def watch(self, regions: Sequence[str]) -> AsyncGenerator[tuple[str, bytes], None]:  # noqa: ARG002 - as Peer has it
        yield self.region, self.note()
        await asyncio.Event().wait()

    async def submit_report(self, report: bytes) -> None:
        self.reports.append(report)


def note_of(world: World, region: str, entries: Sequence[bytes]) -> bytes:
    """A checkpoint over these entries, signed by the region's log."""
    tree = Tree()
    for entry in entries:
        tree.append(leaf_hash(entry))
    found = Checkpoint(world.federation.origin(region), tree.size, tree.root())
    return checkpoints.sign_checkpoint(found, world.logs[region]).encode()


def writer_of(world: World, region: str) -> LogWriter:
    """Signs entries of a region that the world does not know of, from the first on."""
    return LogWriter(world.logs[region], world.federation.id, region)


def filler(writer: LogWriter, count: int) -> list[bytes]:
    """Entries that are void for every reader, and harmless."""
    return [writer.append(Kind.ORDER, b"%d" % number) for number in range(count)]


@dataclass
class Stage:
    """Store and records of HOME's node in a folder."""

    world: World
    folder: Path
    now: float = 0.0
    told: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.now = self.world.now
        self.key = KeyFile.create(self.folder / "node.key", seeded(7))
        self.url = f"sqlite:///{self.folder / 'node.db'}"
        self.store = Store.create(self.url, self.key, seeded(8))
        self.records = self.fresh()
        self.keys = NodeKeys(HOME, self.world.roots[HOME], self.world.logs[HOME], WITNESS)

    def fresh(self) -> Records:
        """Records that know nothing, as of a process that starts."""
        return Records(self.world.federation, BlobStore(self.folder / "public" / "blobs"))

    def clock(self) -> float:
        return self.now

    def report(self, who: str, what: str) -> None:
        self.told.append((who, what))

    def follower(self, peer: Paper, **others: Paper) -> Follower:
        """Of the peer's region."""
        return Follower(
            region=peer.region,
            records=self.records,
            store=self.store,
            nodes={peer.region: peer, **others},
            poll=0.01,
            now=self.clock,
            entropy=seeded(9),
            report=self.report,
        )

    def found(self) -> None:
        """The store of a region that begins."""
        keys, federation = self.keys, self.world.federation
        issuer = Issuer.found(federation, HOME, keys.root_key, keys.log_key, seeded(10))
        lease = self.store.acquire("founding", 0, 1)
        assert lease is not None
        with self.store.transaction(lease) as writer:
            writer.save_issuer(IssuerMarks(), issuer.state, slots=None)
            writer.save_gate(GateMarks(), GateState(HOME))
        self.store.release(lease)

    def lead(self, holder: str = "one") -> Leader:
        """A leader that is ready."""
        lease = self.store.acquire(holder, int(self.now), 60)
        assert lease is not None
        leader = Leader.load(
            region=HOME,
            keys=self.keys,
            records=self.records,
            store=self.store,
            lease=lease,
            entropy=seeded(11),
            now=self.clock,
        )
        leader.ready = True
        return leader
