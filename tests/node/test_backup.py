"""A node in one file: made while it runs, put back anywhere, and older than its log."""

from __future__ import annotations

import asyncio
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from guosuo.errors import CallerError, PeerError, Reason
from guosuo.federation.entries import Action, OrderReason
from guosuo.federation.judge import Ruling
from guosuo.host.vault import KeyFile
from guosuo.roles.holding import HeldSlot, Refreshed
from guosuo.roles.lost import NOTHING
from guosuo.roles.wallet import Wallet
from guosuo_node.app.leader import Leader
from guosuo_node.cli import making
from guosuo_node.cli.backups import Contents, backup, restore, with_database
from guosuo_node.host.settings import Home, Settings
from guosuo_node.store.store import Store
from tests.support.home import EPOCH, REGION, ZERO, Leading
from tests.support.world import seeded

NOW = 1_700_000_123


@pytest.fixture
def node(tmp_path: Path) -> Leading:
    return Leading.found(tmp_path / "nodes", seeded(8))


@pytest.fixture
def key(tmp_path: Path) -> KeyFile:
    return KeyFile.create(tmp_path / "backup.key", seeded(9))


def run_a_while(node: Leading) -> tuple[Leader, HeldSlot]:
    async def main() -> tuple[Leader, HeldSlot]:
        leader, turns, _ = node.lead()
        await node.ready(leader)
        await turns.turn(0)
        _, held = await node.enrol(leader)
        await turns.turn(1)
        return leader, held

    return asyncio.run(main())


def files(home: Home) -> dict[str, bytes]:
    paths = (p for p in home.path.rglob("*") if p.is_file() and not p.name.startswith("node.db"))
    return {p.relative_to(home.path).as_posix(): p.read_bytes() for p in paths}


def made(node: Leading, key: KeyFile, folder: Path) -> tuple[Path, Contents]:
    file = folder / "deep" / "a.backup"
    return file, backup(node.home, file, key, seeded(10), NOW)


def test_everything_comes_back_as_it_was(node: Leading, key: KeyFile, tmp_path: Path) -> None:
    leader, held = run_a_while(node)
    node.home.policies.joinpath("entry-1.json").write_text("{}")
    # The node runs meanwhile: its store is open, and it leads.
    file, contents = made(node, key, tmp_path)
    assert (contents.name, contents.entries) == (REGION, leader.writer.index)
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["a.backup"]
    other = Home(tmp_path / "other")
    assert restore(file, other, key, seeded(11)) == contents
    assert files(other) == files(node.home)
    for name in ("private", "requests"):
        assert (other.path / name).stat().st_mode & 0o777 == 0o700
    for name in ("private/node.key", "private/keys.vault", "tls/node.key", "tls/authority.key"):
        assert (other.path / name).stat().st_mode & 0o777 == 0o600
    restored = Leading(other, node.entropy, now=node.now)
    restored.federation = node.federation
    again, _, _ = restored.lead()
    assert again.issuer.state.slots[held.slot] == leader.issuer.state.slots[held.slot]
    assert again.writer.previous == leader.writer.previous
    assert again.lease.number > leader.lease.number


def test_nothing_secret_is_in_the_file_as_it_is(
    node: Leading, key: KeyFile, tmp_path: Path
) -> None:
    leader, held = run_a_while(node)
    file, _ = made(node, key, tmp_path)
    data = file.read_bytes()
    issued = leader.issuer.state.slots[held.slot]
    for secret in (
        node.home.key.read_bytes(),
        (node.home.tls / "node.key").read_bytes(),
        issued.slot_key,
        issued.person,
        *(k.secret.encode() for k in leader.issuer.state.keys.values()),
    ):
        assert secret not in data


def test_a_stand_alone_node_that_joined_nothing_has_no_backup(
    key: KeyFile, tmp_path: Path, node: Leading
) -> None:
    node.home.charter.unlink()
    with pytest.raises(CallerError, match="joined no federation"):
        made(node, key, tmp_path)


def test_no_file_or_directory_is_replaced(node: Leading, key: KeyFile, tmp_path: Path) -> None:
    run_a_while(node)
    file, _ = made(node, key, tmp_path)
    data = file.read_bytes()
    with pytest.raises(CallerError) as refused:
        made(node, key, tmp_path)
    assert (refused.value.reason, file.read_bytes()) == (Reason.STORE_EXISTS, data)
    with pytest.raises(CallerError) as refused:
        restore(file, node.home, key, seeded(11))
    assert refused.value.reason is Reason.STORE_EXISTS


def test_what_is_too_large_is_named(node: Leading, key: KeyFile, tmp_path: Path) -> None:
    (node.home.path / "core").write_bytes(bytes((4 << 20) + 1))
    with pytest.raises(CallerError, match="core is too large"):
        made(node, key, tmp_path)
    assert list((tmp_path / "deep").iterdir()) == []


def refused(file: Path, key: KeyFile, home: Path) -> Reason:
    with pytest.raises((PeerError, CallerError)) as error:
        restore(file, Home(home), key, seeded(11))
    assert not home.exists()
    assert [p for p in home.parent.iterdir() if p.name.startswith(f".{home.name}")] == []
    return error.value.reason


def members(file: Path) -> list[tuple[str, bytes]]:
    with tarfile.open(file, "r:") as tar:
        return [(info.name, tar.extractfile(info).read()) for info in tar]  # type: ignore[union-attr]


def packed(parts: list[tuple[str, bytes]], file: Path) -> Path:
    with tarfile.open(file, "w") as tar:
        for name, data in parts:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file


def test_what_was_cut_altered_or_put_together_is_refused_whole(
    node: Leading, key: KeyFile, tmp_path: Path
) -> None:
    run_a_while(node)
    file, _ = made(node, key, tmp_path)
    other, home = tmp_path / "other.backup", tmp_path / "home"
    assert refused(tmp_path / "none", key, home) is Reason.STORE_MISSING
    wrong = KeyFile.create(tmp_path / "wrong.key", seeded(12))
    assert refused(file, wrong, home) is Reason.STORE_ALTERED
    data = file.read_bytes()
    for end in (0, 1, 600, len(data) // 3, len(data) // 2):
        other.write_bytes(data[:end])
        assert refused(other, key, home) in {
            Reason.STORE_ALTERED,
            Reason.STORE_TRUNCATED,
        }
    parts = members(file)
    (vault, dump, blob), rest = parts[:3], parts[3:]
    for wrong_parts in (
        [dump, vault],
        [vault],
        [vault, blob],
        [vault, (dump[0], dump[1][:-1])],
        [vault, dump, (blob[0], blob[1] + b"x"), *rest],
        [vault, dump, ("../../evil", b"x")],
        [(vault[0], vault[1][:-1] + b"?"), dump],
    ):
        packed(wrong_parts, other)
        assert refused(other, key, home) in {Reason.STORE_ALTERED, Reason.STORE_TRUNCATED}
    assert not (tmp_path / "evil").exists()


def test_links_in_an_archive_are_not_followed(key: KeyFile, tmp_path: Path) -> None:
    file = tmp_path / "links"
    with tarfile.open(file, "w") as tar:
        info = tarfile.TarInfo("private.vault")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    assert refused(file, key, tmp_path / "home") is Reason.STORE_ALTERED


def test_from_sqlite_to_postgresql_and_back(
    node: Leading, key: KeyFile, tmp_path: Path, postgres_url: str
) -> None:
    leader, held = run_a_while(node)
    file, _ = made(node, key, tmp_path)
    moved = Home(tmp_path / "moved")
    restore(file, moved, key, seeded(11), database=postgres_url)
    assert Settings.load(moved).database == postgres_url
    assert not (moved.private / "node.db").exists()
    with pytest.raises(CallerError) as error:
        restore(file, Home(tmp_path / "again"), key, seeded(11), database=postgres_url)
    assert error.value.reason is Reason.STORE_EXISTS
    # It goes on there, and comes back.
    there = Leading(moved, node.entropy, now=ZERO + EPOCH + 10)
    there.federation = node.federation

    async def main() -> Leader:
        again, turns, _ = there.lead(node.home.public)
        await there.ready(again)
        await turns.turn(2)
        return again

    again = asyncio.run(main())
    assert again.issuer.state.slots[held.slot] == leader.issuer.state.slots[held.slot]
    back, home = tmp_path / "back", Home(tmp_path / "home")
    backup(moved, back, key, seeded(13), NOW)
    restore(back, home, key, seeded(14), database="sqlite")
    assert Settings.load(home).database is None
    with Store.reading(home.database, KeyFile(home.key), seeded(15)) as store:
        assert store.entry_count() == again.writer.index
    again.store.close()


def test_the_database_of_settings_is_changed_and_nothing_else() -> None:
    text = 'name = "x"\nlisten = "h:1"\n\n[adapter_settings]\ndatabase = "theirs"\n'
    there = with_database(text, 'postgresql://a"b\\c')
    assert there.startswith('database = "postgresql://a\\"b\\\\c"\nname')
    assert with_database(there, None) == text
    assert with_database(with_database(there, "sqlite:///x"), None) == text


@dataclass
class Lives:
    """Four people: one is unchanged by an old backup, the others are not."""

    old: tuple[Wallet, HeldSlot]
    suspended: tuple[Wallet, HeldSlot]
    """After the backup."""
    pending: tuple[Wallet, HeldSlot]
    """Enrolled before the backup, allotted after it."""
    fresh: tuple[Wallet, HeldSlot]
    """Enrolled after it."""
    log: list[bytes]

    @property
    def slots(self) -> dict[str, int]:
        names = ("old", "suspended", "pending", "fresh")
        return {name: getattr(self, name)[1].slot for name in names}


async def lived(node: Leading, key: KeyFile, folder: Path) -> tuple[Lives, Path]:
    officer = making.officer_of(node.home, node.federation)
    leader, turns, _ = node.lead()
    await node.ready(leader)
    await turns.turn(0)
    old = await node.enrol(leader, b"old")
    suspended = await node.enrol(leader, b"suspended")
    await turns.turn(1)
    pending = await node.enrol(leader, b"pending")
    file, _ = made(node, key, folder)
    fresh = await node.enrol(leader, b"fresh")
    order = officer.order(
        Action.SUSPEND, [suspended[1].slot], OrderReason.INFECTION, b"x", now=int(node.now)
    )
    async with leader.lock:
        await leader.commit(leader.issuer.order(order), slots=order.slots)
    await turns.turn(2)
    leader.store.close()
    log = list(leader.records.view.region(REGION).entries)
    return Lives(old, suspended, pending, fresh, log), file


def test_an_old_store_takes_back_what_its_log_says_and_everybody_stays_signed(
    node: Leading, key: KeyFile, tmp_path: Path
) -> None:
    async def main() -> None:
        lives, file = await lived(node, key, tmp_path)
        home = Home(tmp_path / "home")
        restore(file, home, key, seeded(11))
        again = Leading(home, node.entropy, now=ZERO + 2 * EPOCH + 10)
        again.federation = node.federation
        leader, turns, _ = again.lead(node.home.public)
        # 1. Its log comes back, and the store follows it.
        await again.take(leader, lives.log)
        slots = lives.slots
        assert await again.ready(leader) == set(slots.values()) - {slots["old"]}
        state = leader.issuer.state
        assert state.slots[slots["fresh"]].fact == NOTHING
        assert state.suspended == {slots["suspended"]}
        assert not state.unpublished
        # 2. The next epoch is admitted; only who enrolled later is out.
        await turns.turn(3)
        assert leader.records.auditor.judge.judged(REGION, 3).ruling is Ruling.ADMIT
        published = leader.records.view.region(REGION).latest()
        assert published is not None
        fetch = leader.records.blobs.get
        found = {
            name: wallet.refresh(REGION, held.slot, published, fetch)
            for name, (wallet, held) in (
                ("old", lives.old),
                ("pending", lives.pending),
                ("suspended", lives.suspended),
                ("fresh", lives.fresh),
            )
        }
        assert found == {
            "old": Refreshed.RENEWED,
            "pending": Refreshed.RENEWED,
            "suspended": Refreshed.ABSENT,
            "fresh": Refreshed.SPOILED,
        }
        # 3. Nobody gets a slot that somebody had, and all of it is in the store.
        _, anew = await again.enrol(leader, b"fresh")
        assert anew.slot not in slots.values()
        leader.store.close()
        once_more, _, _ = again.lead(node.home.public)
        assert await again.ready(once_more) == set()
        assert once_more.issuer.state.suspended == {slots["suspended"]}
        once_more.store.close()

    asyncio.run(main())
