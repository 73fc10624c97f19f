"""A federation that an earlier version left on the disk: every piece opens and goes on.

What is in `tests/node/data/v*/` was written by real processes of that version (see the
README there). The present code reads it, finds the same in it, and works on with it.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from guosuo.client.copying import LogCopy
from guosuo.federation import checkpoints, notes
from guosuo.federation.checkpoints import Checkpoint
from guosuo.federation.merkle import Tree, consistency_proof, leaf_hash
from guosuo.federation.records import Kind, LogWriter
from guosuo.federation.witness import Accepted, Seen, Witness
from guosuo.host.directory import FederationDirectory
from guosuo.host.vault import KeyFile
from guosuo.presentation.setting import Mode
from guosuo.roles.verdict import Verdict
from guosuo.suite import Suite
from guosuo_node.app.blobs import BlobStore
from guosuo_node.app.keys import NodeKeys
from guosuo_node.app.leader import Leader
from guosuo_node.app.records import Records
from guosuo_node.cli import backups, making
from guosuo_node.cli.cards import Card
from guosuo_node.host.settings import Home, Settings
from guosuo_node.store.store import Store
from guosuo_node.sync.tail import Tail
from tests.node import freeze
from tests.node.freeze import Pieces
from tests.support.federation import gate_of
from tests.support.world import seeded

VERSIONS = sorted(path.name for path in freeze.DATA.glob("v*") if path.is_dir())


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def pieces(version: str, tmp_path: Path) -> Pieces:
    return freeze.unpack(version, tmp_path / "frozen")


@pytest.fixture
def told(version: str) -> dict[str, Any]:
    return freeze.read_facts(version)


def test_this_version_has_left_something() -> None:
    assert "v0.1" in VERSIONS
    for version in VERSIONS:
        files = list((freeze.DATA / version).iterdir())
        assert {file.name for file in files} == {freeze.ARCHIVE, freeze.FACTS}
        assert sum(file.stat().st_size for file in files) < 300_000


def test_a_node_finds_all_that_it_knew(pieces: Pieces, told: dict[str, Any]) -> None:
    found = freeze.facts(pieces)
    assert found == told["node"]
    # The frozen federation is not a trivial one.
    own = found["logs"][told["home"]]
    assert len(found["logs"]) == 2
    assert len(own["epochs"]) >= 3
    assert own["admitted"]
    assert own["published"] == own["size"]
    assert own["suspended"] == found["issuer"]["suspended"] == [told["suspended"]]
    assert len(found["issuer"]["slots"]) == found["issuer"]["persons"] == 2
    assert all(log["void"] == 0 and log["judgements"] for log in found["logs"].values())


async def _leader(pieces: Pieces, store: Store, now: int) -> Leader:
    home, federation = pieces.node, pieces.federation
    keys = NodeKeys.load(home.keys, KeyFile(home.key))
    records = Records(federation, BlobStore(home.public / "blobs"))
    await Tail(keys.name, records, store).catch_up()
    lease = store.acquire("after the thaw", now, 60)
    assert lease is not None
    leader = Leader.load(
        region=keys.name,
        keys=keys,
        records=records,
        store=store,
        lease=lease,
        entropy=seeded(2),
        now=lambda: now,
    )
    leader.ready = True
    return leader


def test_a_node_goes_on_from_its_store(pieces: Pieces, told: dict[str, Any]) -> None:
    store = pieces.store()
    try:
        leader = asyncio.run(_leader(pieces, store, told["now"] + 60))
        latest = leader.records.view.region(leader.region).latest()
        assert latest is not None
        turn = leader.issuer.begin_turn(latest.id.epoch + 1, leader.entropy, resume=True)
        buckets = [
            w.build(leader.records.federation.scheme, turn.key, leader.entropy) for w in turn.work
        ]
        effects = leader.issuer.finish_turn(turn, buckets, leader.entropy)
        asyncio.run(leader.commit(effects))
        asyncio.run(leader.records.audit(leader.region))
        assert turn.key.id in leader.records.auditor.regions[leader.region].admitted
        assert told["suspended"] in turn.invalid
        assert store.entry_count() == told["node"]["logs"][leader.region]["size"] + 1
    finally:
        store.close()


def test_static_files_prove_the_log_without_a_node(pieces: Pieces, told: dict[str, Any]) -> None:
    home, region = pieces.node, told["home"]
    entries = freeze.static_log(home.public / region, pieces.federation, region)
    store = pieces.store()
    try:
        assert entries == tuple(entry.data for entry in store.entries())[: len(entries)]
        assert [leaf_hash(entry) for entry in entries] == list(store.leaves())[: len(entries)]
    finally:
        store.close()
    assert len(entries) == told["node"]["logs"][region]["published"]


def test_a_witness_remembers_and_cosigns_what_follows(pieces: Pieces, told: dict[str, Any]) -> None:
    home, federation, region = pieces.witness, pieces.federation, told["home"]
    assert home.charter.read_bytes() == pieces.node.charter.read_bytes()
    keys = NodeKeys.load(home.keys, KeyFile(home.key))
    keys.check(federation)
    assert keys.root is None
    origin = federation.origin(region)
    store = pieces.store(home)
    try:
        found = store.witnessed(origin)
    finally:
        store.close()
    assert found is not None
    node_keys = NodeKeys.load(pieces.node.keys, KeyFile(pieces.node.key))
    opened = checkpoints.open_checkpoint(
        notes.parse(found.note), origin, federation.member(region).log_key
    )
    assert (opened.size, opened.root) == (found.size, found.root)
    # The log as the witness knows it, and one more entry.
    entries = freeze.static_log(pieces.node.public / region, federation, region)
    tree = Tree()
    for entry in entries[: found.size]:
        tree.append(leaf_hash(entry))
    assert tree.root() == found.root
    tree.append(leaf_hash(b"one more"))
    note = checkpoints.sign_checkpoint(
        Checkpoint(origin, tree.size, tree.root()), node_keys.log_key
    ).encode()
    witness = Witness(keys.name, keys.witness)
    witness.seen[origin] = Seen(
        origin=origin,
        size=found.size,
        root=found.root,
        note=found.note,
        asked_size=found.size,
        asked=found.note,
    )
    proof = consistency_proof(tree.nodes, found.size, tree.size)
    log_key = federation.member(region).log_key
    decision = witness.add_checkpoint(log_key, found.size, tuple(proof), note)
    assert isinstance(decision, Accepted)


def test_a_mirror_verifies_and_its_notes_hold(pieces: Pieces, told: dict[str, Any]) -> None:
    directory = FederationDirectory(pieces.mirror, Suite.sha256())
    assert directory.federation.id == pieces.federation.id
    view = directory.catch_up()
    for region, files in directory.regions.items():
        note = (files.public / "checkpoint").read_bytes()
        entries = view.regions[region].entries
        copy = LogCopy.resume(directory.federation, region, entries, note)
        assert copy.reader.note == note
        assert 0 < copy.reader.size == len(entries) <= told["node"]["logs"][region]["size"]


def test_a_wallet_shows_and_a_checkpoint_accepts(pieces: Pieces, told: dict[str, Any]) -> None:
    directory, now, gate = (
        FederationDirectory(pieces.mirror, Suite.sha256()),
        told["now"],
        told["gate"],
    )
    assert [region for region, _ in pieces.wallet.load().state.slots] == [told["home"]]
    # The code of that moment, and one that the wallet makes now.
    for text in (told["frame"], freeze.show(pieces.wallet, directory, gate, now, seeded(3))):
        device = pieces.checkpoint.load()
        assert device.verify(text, now, seeded(4)).verdict is Verdict.ACCEPT
        # What it accepted it remembers: the same code does not open the gate again.
        pieces.checkpoint.save(device)
        again = pieces.checkpoint.load()
        assert again.verify(text, now, seeded(5)).verdict is not Verdict.ACCEPT
        device.state.seen.clear()
        pieces.checkpoint.save(device)
    known = pieces.checkpoint.start(gate, gate_of(gate), "entry", Mode.BROADCAST, now)
    assert known.state.policies


def test_the_suspended_slot_is_no_longer_on_the_board(pieces: Pieces, told: dict[str, Any]) -> None:
    view = FederationDirectory(pieces.mirror, Suite.sha256()).catch_up()
    latest = view.region(told["home"]).latest()
    assert latest is not None
    assert told["suspended"] in latest.suspended


def test_a_backup_is_restored(pieces: Pieces, told: dict[str, Any], tmp_path: Path) -> None:
    home = Home(tmp_path / "restored")
    made = backups.restore(pieces.backup, home, pieces.backup_key, seeded(6))
    assert {"entries": made.entries, "files": made.files, "blobs": made.blobs} == told["backup"]
    assert made.name == told["home"]
    assert Settings.load(home) == Settings.load(pieces.node)
    store = Store.open(home.database, KeyFile(home.key), seeded(7))
    try:
        keys = NodeKeys.load(home.keys, KeyFile(home.key))
        restored = store.load_issuer_state(
            pieces.federation, keys.name, keys.root_key, keys.log_key
        )
        assert sorted(restored.slots) == told["node"]["issuer"]["slots"]
        assert store.entry_count() == made.entries <= told["node"]["logs"][told["home"]]["size"]
    finally:
        store.close()


def test_other_files_of_a_home_are_read(pieces: Pieces, told: dict[str, Any]) -> None:
    home = pieces.node
    card = Card.read(home.card)
    assert card.name == Settings.load(home).name == told["home"]
    assert Settings.load(pieces.witness).name != told["home"]
    officer = making.officer_of(home, pieces.federation)
    assert officer.organisation in pieces.federation.organisations
    # Entries of today's writer follow those of the frozen log.
    keys = NodeKeys.load(home.keys, KeyFile(home.key))
    entries = freeze.static_log(home.public / told["home"], pieces.federation, told["home"])
    view = FederationDirectory(pieces.mirror, Suite.sha256()).view
    for entry in entries:
        view.append(told["home"], entry)
    writer = LogWriter(
        keys.log_key,
        pieces.federation.id,
        told["home"],
        len(entries),
        view.region(told["home"]).last,
    )
    assert view.append(told["home"], writer.append(Kind.CHECKPOINTS, b"void")) is Kind.CHECKPOINTS
