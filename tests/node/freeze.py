"""Makes a frozen federation of `tests/node/data`: `python -m tests.node.freeze v0.1`.

Two regions and a stand-alone witness run as real processes for some epochs; somebody
enrols, somebody is suspended, somebody crosses. Then everything that a program of ours keeps
on a disk is packed as it is: a node's home, a witness's home, a device's mirror, a wallet, a
checkpoint's memory, a backup. What a reader must find in it stands beside it in `facts.json`.
"""

from __future__ import annotations

import asyncio
import io
import json
import lzma
import os
import sys
import tarfile
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from guosuo import __version__
from guosuo.curve.entropy import Entropy
from guosuo.federation import checkpoints, merkle, notes, tiles
from guosuo.federation.charter import Federation, open_charter
from guosuo.federation.entries import Action
from guosuo.host.checkpoint_file import CheckpointFile
from guosuo.host.directory import FederationDirectory
from guosuo.host.vault import KeyFile
from guosuo.host.wallet_file import WalletFile
from guosuo.presentation.setting import Mode
from guosuo.roles.bundle import BundleBook
from guosuo.roles.verdict import Verdict
from guosuo.suite import Suite
from guosuo_node.app.blobs import BlobStore
from guosuo_node.app.keys import NodeKeys
from guosuo_node.app.records import Records
from guosuo_node.cli import backups
from guosuo_node.host.settings import Home, Settings
from guosuo_node.store.store import Store
from guosuo_node.sync.tail import Tail
from tests.support.citizens import Citizen, Copy, Gate, crossing, poster_of
from tests.support.federation import WITNESSES, Cluster, gate_of
from tests.support.world import EVERY_CONSENT, POLICY, seeded

DATA: Final = Path(__file__).parent / "data"
ARCHIVE: Final = "federation.tar.xz"
FACTS: Final = "facts.json"
EPOCH_SECONDS: Final = 30
_PATIENCE: Final = 240.0
_PRIVATE: Final = 0o600


@dataclass(frozen=True, slots=True)
class Pieces:
    """Everything that is frozen, in one folder."""

    root: Path

    @property
    def node(self) -> Home:
        """A region's node."""
        return Home(self.root / "node")

    @property
    def witness(self) -> Home:
        """A stand-alone witness."""
        return Home(self.root / "witness")

    @property
    def mirror(self) -> Path:
        """A device's copy of the public records."""
        return self.root / "mirror"

    @property
    def backup(self) -> Path:
        """What `guosuo node backup` wrote, while the node ran."""
        return self.root / "node.backup"

    @property
    def backup_key(self) -> KeyFile:
        """What opens it."""
        return KeyFile(self.root / "backup.key")

    @property
    def federation(self) -> Federation:
        """As the node's home has it."""
        return open_charter(self.node.charter.read_bytes(), Suite.sha256())

    @property
    def wallet(self) -> WalletFile:
        """A holder's, just before the frozen show."""
        return WalletFile(self.federation, self.root / "wallet", KeyFile(self.root / "wallet.key"))

    @property
    def checkpoint(self) -> CheckpointFile:
        """The other region's gate, just before the frozen show."""
        return CheckpointFile(self.federation, self.root / "checkpoint")

    def store(self, home: Home | None = None) -> Store:
        """The store of a home, the node's unless told otherwise; open until it is closed."""
        where = home or self.node
        return Store.open(where.database, KeyFile(where.key), seeded(1))


# --- what must be found ---------------------------------------------------------------------


def facts(pieces: Pieces) -> dict[str, Any]:
    """What the present code finds in the node's home; every log is verified on the way."""
    home, federation = pieces.node, pieces.federation
    keys = NodeKeys.load(home.keys, KeyFile(home.key))
    keys.check(federation)
    store = pieces.store()
    try:
        records = Records(federation, BlobStore(home.public / "blobs"))
        asyncio.run(Tail(keys.name, records, store).catch_up())
        assert not records.broken
        state = store.load_issuer_state(federation, keys.name, keys.root_key, keys.log_key)
        gate = store.load_gate_state(federation, keys.name)
        return {
            "name": Settings.load(home).name,
            "federation": federation.id.hex(),
            "issuer": {
                "slots": sorted(state.slots),
                "suspended": sorted(state.suspended),
                "persons": len(state.records),
                "keys": sorted(f"{k.epoch}.{k.revision}" for k in state.keys),
            },
            "gate": {
                "lists": sorted(f"{e}.{r}" for e, r in gate.listed),
                "policies": gate.policies,
            },
            "logs": {region: _log(records, region) for region in sorted(records.logs)},
        }
    finally:
        store.close()


def _log(records: Records, region: str) -> dict[str, Any]:
    log, view = records.logs[region], records.view.region(region)
    return {
        "size": log.tree.size,
        "root": log.tree.root(log.tree.size).hex(),
        "published": log.size,
        "void": len(view.void),
        "epochs": [f"{key.epoch}.{key.revision}" for key in view.epochs],
        "suspended": sorted(view.suspended),
        "lists": sorted(f"{e}.{r}" for e, r in view.lists),
        "judgements": {
            f"{r}/{e}": j.verdict.value for (r, e), j in sorted(view.judgements.items())
        },
        "admitted": sorted(key.epoch for key in records.auditor.regions[region].admitted),
    }


def static_log(folder: Path, federation: Federation, region: str) -> tuple[bytes, ...]:
    """The entries of a log from its static files alone, proven by its cosigned checkpoint."""
    note = notes.parse((folder / tiles.CHECKPOINT).read_bytes())
    key = federation.member(region).log_key
    found = checkpoints.open_checkpoint(note, federation.origin(region), key)
    checkpoints.Quorum.of(federation).check(note)
    tree = tiles.StoredTree(found.size, lambda tile: (folder / tile.path).read_bytes())
    assert merkle.root(tree.nodes, found.size) == found.root
    entries: list[bytes] = []
    for tile in tiles.tiles_of(found.size):
        if tile.level == tiles.ENTRIES:
            hashes = (folder / tiles.Tile(0, tile.index, tile.width).path).read_bytes()
            entries += tiles.check_bundle(tile, (folder / tile.path).read_bytes(), hashes)
    return tuple(entries)


# --- packing --------------------------------------------------------------------------------


def pack(root: Path, archive: Path) -> None:
    """All files below `root`, in one archive that says nothing of who made it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path in sorted(p for p in root.rglob("*") if p.is_file() and not p.is_symlink()):
            member = tarfile.TarInfo(path.relative_to(root).as_posix())
            member.size, member.mode = path.stat().st_size, path.stat().st_mode & 0o777
            with path.open("rb") as source:
                tar.addfile(member, source)
    archive.write_bytes(lzma.compress(out.getvalue(), preset=9 | lzma.PRESET_EXTREME))


def unpack(name: str, root: Path) -> Pieces:
    """The frozen pieces of a version in a new folder, where they may be used up."""
    with tarfile.open(DATA / name / ARCHIVE, "r:xz") as tar:
        for member in tar:
            source = tar.extractfile(member)
            assert source is not None
            path = root / PurePosixPath(member.name)
            assert path.resolve().is_relative_to(root.resolve())
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(source.read())
            path.chmod(member.mode)
    for home in (root / "node", root / "witness"):
        (home / "private").chmod(0o700)
    return Pieces(root)


def read_facts(name: str) -> dict[str, Any]:
    """What stands beside the archive."""
    found: dict[str, Any] = json.loads((DATA / name / FACTS).read_text())
    return found


# --- making ---------------------------------------------------------------------------------


def make(root: Path, work: Path, entropy: Entropy) -> dict[str, Any]:
    """Let a federation live, and leave its pieces in `root`; facts that are no state."""
    pieces = Pieces(root)
    with Cluster(work, regions=2, witnesses=1, epoch_seconds=EPOCH_SECONDS, people=8) as cluster:
        home, other = cluster.regions
        cluster.wait_complete(seconds=_PATIENCE)
        copy = Copy(cluster, "mirror")
        holder, suspended = Citizen(cluster, copy, home), Citizen(cluster, copy, home)
        for citizen in (holder, suspended):
            citizen.enrol()
        (_, slot), *_ = suspended.slots
        cluster.order(home, Action.SUSPEND, [slot])
        gate = Gate(cluster, other)
        assert crossing(holder, gate, _PATIENCE).verdict is Verdict.ACCEPT
        KeyFile.create(root / "wallet.key", entropy)
        memory = CheckpointFile(cluster.federation, root / "checkpoint")
        device = memory.start(other, gate_of(other), POLICY, Mode.BROADCAST, int(time.time()))
        cluster.wait_complete(epoch=2, seconds=_PATIENCE)
        key = KeyFile.create(root / "backup.key", entropy)
        made = backups.backup(
            cluster.nodes[home].home, pieces.backup, key, entropy, int(time.time())
        )
        shown: dict[str, Any] | None = None
        end = time.monotonic() + _PATIENCE
        while shown is None:
            assert time.monotonic() < end, "nobody crosses"
            time.sleep(1)
            holder.refresh()
            device.follow(copy.mirror.view.regions[other].entries, POLICY)
            wallet = WalletFile(cluster.federation, root / "wallet", KeyFile(root / "wallet.key"))
            wallet.save(holder.wallet, entropy)
            memory.save(device)
            shown = _show(cluster, wallet, memory, copy, other)
        cluster.stop()
        cluster.nodes[home].home.path.rename(root / "node")
        cluster.nodes[WITNESSES[0]].home.path.rename(root / "witness")
        (work / "mirror").rename(root / "mirror")
    return {
        "version": __version__,
        "home": home,
        "gate": other,
        "suspended": slot,
        "backup": {"entries": made.entries, "files": made.files, "blobs": made.blobs},
        **shown,
    }


def _show(
    cluster: Cluster, wallet: WalletFile, memory: CheckpointFile, copy: Copy, gate: str
) -> dict[str, Any] | None:
    """Show once from what was saved, so that it can be shown again; None if not accepted."""
    now = int(time.time())
    try:
        frame = show(wallet, copy.directory, gate, now, cluster.entropy)
    except Exception as error:  # noqa: BLE001 - whatever it was, another moment may do
        sys.stderr.write(f"not now: {error}\n")
        return None
    outcome = memory.load().verify(frame, now, cluster.entropy)
    sys.stderr.write(f"shown: {outcome.verdict.value}\n")
    return {"now": now, "frame": frame} if outcome.verdict is Verdict.ACCEPT else None


def show(
    file: WalletFile, directory: FederationDirectory, gate: str, now: int, entropy: Entropy
) -> str:
    """What a saved wallet shows at a region's gate at that moment, from a mirror alone."""
    view, wallet = directory.catch_up(), file.load()
    federation = directory.federation
    epoch = federation.clock.shown_epoch(now)
    book = BundleBook(view, directory.fetch)
    bundle = book.get(gate, POLICY, epoch=epoch, now=now, entropy=entropy)
    poster = poster_of(gate, federation)
    return wallet.show(poster, bundle, view, now, entropy, EVERY_CONSENT).text()


def main(name: str) -> None:
    """A new frozen federation of this version."""
    target = DATA / name
    target.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        root, work = Path(folder) / "root", Path(folder) / "work"
        root.mkdir()
        work.mkdir()
        found = make(root, work, Entropy(os.urandom))
        pack(root, target / ARCHIVE)
    with tempfile.TemporaryDirectory() as folder:
        found["node"] = facts(unpack(name, Path(folder)))
    (target / FACTS).write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
