"""Killed at every step: the next command goes on, and nothing is signed twice differently.

A command is killed at its n-th renaming of a file into place, once before and once
after it, for every n. Afterwards the published log has to be one that everybody
verifies, what was published before has to be there unchanged, and the next command has
to work (GS-STORE-3).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from guosuo.cli.main import run
from guosuo.federation.view import FederationView
from guosuo.host import lock
from guosuo.host.directory import FederationDirectory
from guosuo.host.region import RegionHost
from guosuo.host.vault import KeyFile
from guosuo.suite import Suite
from tests.cli.stage import CROSS, ENROL, EPOCHS, GATE, HOME, Stage, done, guosuo
from tests.support.world import seeded

stage = Stage()
NOW = EPOCHS[0]


class Killed(BaseException):
    """What no handler expects, like the end of the process."""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("interrupted")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        stage.found()
        stage.enrol("lan")
        done("wallet", "init", "bo.wallet", *stage.fed, *stage.wallet_key)
        stage.ask("bo")
    return folder


def kill_at(patch: pytest.MonkeyPatch, count: int, *, before: bool) -> None:
    """Die at the `count`-th renaming into place, before it or after it."""
    left = count
    real: Callable[[Path, Path], Path] = Path.replace

    def replace(self: Path, target: Path) -> Path:
        nonlocal left
        left -= 1
        if left == 0 and before:
            raise Killed
        done = real(self, target)
        if left == 0:
            raise Killed
        return done

    patch.setattr(Path, "replace", replace)


def published() -> dict[str, bytes]:
    """Every public file of every region."""
    return {str(p): p.read_bytes() for p in Path("fed/regions").rglob("public/*/*") if p.is_file()}


def check_log() -> FederationView:
    """Everybody can follow the log, and finds nothing void in it."""
    view = FederationDirectory(Path("fed"), Suite.sha256()).catch_up()
    assert not any(region.void for region in view.regions.values())
    return view


def killed_everywhere(
    prepared: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: tuple[str, ...]
) -> list[tuple[Path, dict[str, bytes]]]:
    """The command, killed at every step: a folder for each, with what it had published."""
    found = []
    for before in (True, False):
        for count in range(1, 1000):
            folder = tmp_path / f"{count}-{before}"
            shutil.copytree(prepared, folder)
            monkeypatch.chdir(folder)
            try:
                with pytest.MonkeyPatch.context() as patch:
                    kill_at(patch, count, before=before)
                    assert run(list(command)) == 0
            except Killed:
                found.append((folder, published()))
            else:
                break
    assert len(found) >= 2
    return found


@pytest.mark.parametrize(
    ("command", "is_done"),
    [
        (
            ("region", "turn-epoch", "fed", HOME, *stage.keys, "--now", NOW),
            lambda view: view.region(HOME).epoch(2296) is not None,
        ),
        (
            ("region", "suspend", "fed", HOME, "SLOT", "--reason", "infection", *stage.keys),
            lambda view: len(view.region(HOME).suspended) == 1,
        ),
        (
            ("region", "bundle", "fed", GATE, *stage.keys, "--checkpoint", "b=B", "--now", CROSS),
            lambda view: "b" in view.region(GATE).checkpoints,
        ),
    ],
    ids=["turn-epoch", "suspend", "bundle"],
)
def test_a_region_goes_on_where_it_was_killed(
    prepared: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    command: tuple[str, ...],
    is_done: Callable[[FederationView], bool],
) -> None:
    monkeypatch.chdir(prepared)
    inspected = done("wallet", "inspect", "lan.wallet", *stage.fed, *stage.wallet_key)
    slot = str(inspected["slots"][0]["slot"])
    command = tuple(slot if word == "SLOT" else word for word in command)
    for folder, there in killed_everywhere(prepared, monkeypatch, tmp_path, command):
        monkeypatch.chdir(folder)
        check_log()
        assert run(list(command)) == 0
        assert is_done(check_log())
        done("region", "turn-epoch", "fed", HOME, *stage.keys, "--now", NOW)
        after = published()
        assert {name: after[name] for name in there} == there
        check_log()


def test_an_answer_that_was_lost_costs_no_slot(
    prepared: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    command = stage.issue("bo", "another person")
    for folder, _ in killed_everywhere(prepared, monkeypatch, tmp_path, command):
        monkeypatch.chdir(folder)
        Path("bo.answer").unlink(missing_ok=True)
        slot = done(*command)["slot"]
        Path("bo.answer").rename("once.answer")
        assert done(*command)["slot"] == slot
        assert Path("bo.answer").read_bytes() == Path("once.answer").read_bytes()
        host = RegionHost.load(
            FederationDirectory(Path("fed"), Suite.sha256()),
            HOME,
            KeyFile(Path("regions.key")),
            seeded(1),
        )
        assert len(host.issuer.state.slots) == 2
        conclude = ("wallet", "enrol", "bo.wallet", *stage.fed, *stage.wallet_key)
        done(*conclude, "--answer", "bo.answer", "--now", ENROL)


def test_a_founding_is_whole_or_not_at_all(
    prepared: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    command = ("region", "init", "new", HOME, GATE, "--key-file", "regions.key")
    for folder, _ in killed_everywhere(prepared, monkeypatch, tmp_path, command):
        monkeypatch.chdir(folder)
        assert not Path("new").exists()
        done(*command)


def test_a_wallet_is_saved_before_its_code_is_shown(
    prepared: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(prepared)
    command = stage.show("lan", CROSS, "--new-place")
    for folder, _ in killed_everywhere(prepared, monkeypatch, tmp_path, command):
        monkeypatch.chdir(folder)
        inspected = done("wallet", "inspect", "lan.wallet", *stage.fed, *stage.wallet_key)
        assert inspected["places"] or not Path("show.png").exists()


def test_an_old_vault_in_the_place_of_the_new_one_signs_nothing(
    prepared: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(prepared, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    vault = Path("fed/regions") / HOME / "private/region.vault"
    old = vault.read_bytes()
    stage.turn(NOW)
    there = published()
    vault.write_bytes(old)
    for command in (
        ("region", "turn-epoch", "fed", HOME, *stage.keys, "--now", NOW),
        ("region", "issue", "fed", HOME, *stage.keys, "--out", "new.offer", "--now", NOW),
    ):
        said = guosuo(*command, "--json")
        assert (said.code, said.json["error"]["reason"]) == (2, "state"), said
    assert published() == there
    assert vault.read_bytes() == old


def test_two_commands_do_not_change_one_state_at_once(
    prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(prepared)
    monkeypatch.setattr(lock, "PATIENCE_SECONDS", 0.1)
    fcntl = pytest.importorskip("fcntl")
    command = ("wallet", "refresh", "lan.wallet", *stage.fed, *stage.wallet_key, "--now", CROSS)
    with Path(".lan.wallet.lock").open("rb+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        said = guosuo(*command)
    assert (said.code, "another command" in said.err) == (2, True)
    done(*command)
