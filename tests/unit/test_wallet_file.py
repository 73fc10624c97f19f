"""A wallet's file: backup, restore, the move to a new phone, and two copies at one gate."""

from __future__ import annotations

from pathlib import Path

import pytest

from guosuo.errors import CallerError, GuosuoError, PeerError, Reason
from guosuo.host import vault
from guosuo.host.vault import CHEAPEST, Passphrase
from guosuo.host.wallet_file import BACKUP_KIND, WALLET_KIND, WalletFile
from guosuo.roles.verdict import Notice, Verdict
from tests.support.world import World

MINE = Passphrase("mine", cost=CHEAPEST)
PAPER = Passphrase("on paper, in the drawer", cost=CHEAPEST)
NEXT = Passphrase("of the new phone", cost=CHEAPEST)


class Phones:
    """A federation, an old phone with a wallet, and a new one without."""

    def __init__(self, folder: Path) -> None:
        self.world = World()
        self.old = WalletFile(self.world.federation, folder / "old" / "wallet", MINE)
        self.new = WalletFile(self.world.federation, folder / "new" / "wallet", NEXT)
        self.backup = folder / "backup"
        wallet = self.world.holder("440000")
        self.world.cross(wallet, "110000")
        self.old.save(wallet, self.world.entropy)


@pytest.fixture
def phones(tmp_path: Path) -> Phones:
    return Phones(tmp_path)


def test_a_saved_wallet_goes_on(phones: Phones) -> None:
    wallet = phones.old.load()
    assert phones.world.cross(wallet, "360000").verdict is Verdict.ACCEPT
    phones.old.save(wallet, phones.world.entropy)
    assert phones.old.load().state == wallet.state


def test_a_restored_wallet_goes_on_but_answers_no_older_tick(phones: Phones) -> None:
    world = phones.world
    phones.old.back_up(phones.backup, PAPER, world.entropy)
    restored = phones.new.restore(phones.backup, PAPER, world.entropy)
    assert restored.state == phones.old.load().state == phones.new.load().state
    assert world.cross(restored, "360000").verdict is Verdict.ACCEPT
    world.now -= 30
    with pytest.raises(CallerError) as refused:
        world.show(phones.new.load(), "360000")
    assert refused.value.reason is Reason.TICK


def test_two_copies_have_one_tag_so_both_at_once_are_a_replay(phones: Phones) -> None:
    world = phones.world
    phones.old.back_up(phones.backup, PAPER, world.entropy)
    copy, original = phones.new.restore(phones.backup, PAPER, world.entropy), phones.old.load()
    world.tick()
    assert world.cross(original, "110000").verdict is Verdict.ACCEPT
    outcome = world.cross(copy, "110000")
    assert (outcome.verdict, outcome.notice) == (Verdict.NOT_SATISFIED, Notice.REPLAY)
    assert world.cross(copy, "330000").verdict is Verdict.ACCEPT  # nobody can see that


def test_a_newer_backup_replaces_an_older_one_of_the_same_passphrase_only(
    phones: Phones,
) -> None:
    entropy = phones.world.entropy
    phones.old.back_up(phones.backup, PAPER, entropy)
    phones.old.back_up(phones.backup, PAPER, entropy)
    there = phones.backup.read_bytes()
    for target, secret in ((phones.backup, MINE), (phones.old.path, MINE)):
        with pytest.raises(PeerError):
            phones.old.back_up(target, secret, entropy)
    assert phones.backup.read_bytes() == there
    assert phones.old.load().state.slots


def test_restoring_overwrites_no_wallet(phones: Phones) -> None:
    entropy = phones.world.entropy
    phones.old.back_up(phones.backup, PAPER, entropy)
    there = phones.old.path.read_bytes()
    with pytest.raises(CallerError) as refused:
        phones.old.restore(phones.backup, PAPER, entropy)
    assert refused.value.reason is Reason.STORE_EXISTS
    assert phones.old.path.read_bytes() == there


def test_a_backup_is_no_wallet_and_a_wallet_no_backup(phones: Phones) -> None:
    world = phones.world
    phones.old.back_up(phones.backup, PAPER, world.entropy)
    with pytest.raises(PeerError) as refused:
        WalletFile(world.federation, phones.backup, PAPER).load()
    assert refused.value.reason is Reason.RECORD_KIND
    with pytest.raises(PeerError) as turned:
        phones.new.restore(phones.old.path, MINE, world.entropy)
    assert turned.value.reason is Reason.RECORD_KIND


@pytest.mark.parametrize("fault", ["cut", "passphrase", "federation", "content"])
def test_nothing_is_restored_from_a_faulty_backup(phones: Phones, fault: str) -> None:
    world, new, secret = phones.world, phones.new, PAPER
    phones.old.back_up(phones.backup, PAPER, world.entropy)
    match fault:
        case "cut":
            phones.backup.write_bytes(phones.backup.read_bytes()[:-1])
        case "passphrase":
            secret = MINE
        case "federation":
            new = WalletFile(World(seed=2).federation, new.path, NEXT)
        case _:
            vault.save(phones.backup, BACKUP_KIND, b"no state", PAPER, world.entropy)
    with pytest.raises(PeerError):
        new.restore(phones.backup, secret, world.entropy)
    assert not new.path.exists()


def test_a_moved_wallet_shows_on_the_new_phone_only(phones: Phones) -> None:
    world = phones.world
    phones.old.move(phones.backup, PAPER, world.entropy)
    moved = phones.new.restore(phones.backup, PAPER, world.entropy)
    world.tick()
    assert world.cross(moved, "110000").verdict is Verdict.ACCEPT
    for again in (
        lambda: world.show(phones.old.load(), "110000"),
        lambda: phones.old.move(phones.backup, PAPER, world.entropy),
        lambda: phones.old.back_up(phones.backup, PAPER, world.entropy),
    ):
        with pytest.raises(CallerError) as refused:
            again()
        assert refused.value.reason is Reason.STATE


def test_a_move_that_fails_leaves_the_wallet_here(
    phones: Phones, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted before or after the copy is written, there is a wallet, and a second try."""
    world = phones.world
    phones.backup.write_bytes(b"something else")
    with pytest.raises(GuosuoError):
        phones.old.move(phones.backup, PAPER, world.entropy)
    assert not phones.old.load().state.moved
    phones.backup.unlink()

    written = vault.save

    def crash(path: Path, kind: str, *rest: object) -> None:
        if kind == WALLET_KIND:
            raise KeyboardInterrupt
        written(path, kind, *rest)  # type: ignore[arg-type]  # passed on as they came

    with monkeypatch.context() as patched:
        patched.setattr(vault, "save", crash)
        with pytest.raises(KeyboardInterrupt):
            phones.old.move(phones.backup, PAPER, world.entropy)
    assert not phones.old.load().state.moved
    phones.old.move(phones.backup, PAPER, world.entropy)
    assert phones.old.load().state.moved
    assert not phones.new.restore(phones.backup, PAPER, world.entropy).state.moved
