"""The walkthrough of the README: from founding to ACCEPT, suspension to refusal, copies."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest

from guosuo.host.pictures import read_picture
from tests.cli.stage import (
    CROSS,
    ENROL,
    EPOCHS,
    GATE,
    HOME,
    PERSONAL,
    Stage,
    done,
    guosuo,
    real,
)

stage = Stage()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A federation with two holders in epoch 2295, and a checkpoint that is set up."""
    folder = tmp_path_factory.mktemp("walkthrough")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        stage.found()
        stage.enrol("lan")
        stage.enrol("bo", person="another")
        poster = ("--state", "gate.state", "--out", "poster.png", "--now", ENROL)
        done("checkpoint", "poster", *stage.fed, *stage.at, *poster)
    return folder


@pytest.fixture
def here(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it that a test may change."""
    folder = tmp_path / "copy"
    shutil.copytree(prepared, folder)
    monkeypatch.chdir(folder)
    return folder


def test_a_holder_crosses_as_real_processes_through_pictures(here: Path) -> None:
    shown = real(
        *("wallet", "show", "lan.wallet", *stage.wallet_key, "--poster", "poster.png"),
        *("--out", "show.png", "--new-place", "--now", CROSS),
        GUOSUO_FEDERATION="fed",
    )
    assert shown.code == 0, shown
    assert "火车站" in shown.out
    assert "It will learn one thing" in shown.out
    text = read_picture(here / "show.png")
    assert text in shown.out

    seen = [real(*stage.verify(CROSS)) for _ in range(2)]
    assert [said.code for said in seen] == [0, 1]
    assert "ACCEPT" in seen[0].out
    assert "already seen" in seen[1].out
    # The text itself, two minutes later: not for this moment any more.
    later = real(*stage.verify("2022-01-18T14:02:00Z", text), "--json")
    assert later.code == 4
    assert later.json == {"verdict": "CANNOT_DECIDE", "cause": "AGAIN", "notice": None}
    assert not any(word in said.out + said.err for said in seen for word in PERSONAL)


def test_a_challenge_is_answered_once(here: Path) -> None:
    desk = (*stage.fed, *stage.at, "--state", "desk.state", "--now", CROSS)
    done("checkpoint", "challenge", *desk, "--out", "challenge.png")
    done(
        *("wallet", "show", "lan.wallet", *stage.fed, *stage.wallet_key, "--new-place"),
        *("--poster", "challenge.png", "--out", "show.png", "--now", CROSS),
    )
    assert done("checkpoint", "verify", "show.png", *desk)["verdict"] == "ACCEPT"
    again = guosuo("checkpoint", "verify", "show.png", *desk, "--json")
    assert (again.code, again.json["cause"]) == (4, "AGAIN")
    # A desk that works by challenges takes no answer to its poster.
    done(*stage.show("bo", CROSS, "--new-place"))
    assert guosuo("checkpoint", "verify", "show.png", *desk).code == 4
    assert (here / "desk.state").is_file()


@pytest.mark.usefixtures("here")
def test_a_suspended_holder_is_refused_and_his_neighbour_is_not() -> None:
    slot = done("wallet", "inspect", "lan.wallet", *stage.fed, *stage.wallet_key)["slots"][0]
    assert slot["epochs"] == [2295]
    ordered = done(
        *("region", "suspend", "fed", HOME, str(slot["slot"]), "--reason", "infection"),
        *(*stage.keys, "--now", CROSS),
    )
    assert ordered["slots"] == [slot["slot"]]
    for now in EPOCHS:
        stage.turn(now)
    refresh = ("--federation", "fed", *stage.wallet_key, "--now", EPOCHS[-1])
    refreshed = guosuo("wallet", "refresh", "lan.wallet", *refresh, "--json")
    assert (refreshed.code, refreshed.json["slots"][0]["newest"]) == (1, "absent")
    assert done("wallet", "refresh", "bo.wallet", *refresh)["slots"][0]["newest"] == "renewed"

    assert guosuo(*stage.show("lan", EPOCHS[-1], "--new-place")).code == 1
    assert not Path("show.png").exists()
    done(*stage.show("lan", EPOCHS[-1], "--new-place", "--blank"))
    said = guosuo(*stage.verify(EPOCHS[-1]), "--json")
    assert (said.code, said.json["verdict"]) == (1, "NOT_SATISFIED")
    assert said.json["notice"] is None

    done(*stage.show("bo", EPOCHS[-1], "--new-place"))
    assert done(*stage.verify(EPOCHS[-1]))["verdict"] == "ACCEPT"


@pytest.mark.usefixtures("here")
def test_a_restored_suspension_ends() -> None:
    inspected = done("wallet", "inspect", "lan.wallet", *stage.fed, *stage.wallet_key)
    slot = str(inspected["slots"][0]["slot"])
    order = ("region", "suspend", "fed", HOME, slot, *stage.keys, "--now", CROSS)
    done(*order, "--reason", "infection")
    done(*order, "--reason", "order-lapsed", "--restore")
    stage.turn(EPOCHS[0])
    refresh = ("wallet", "refresh", "lan.wallet", *stage.fed, *stage.wallet_key)
    assert done(*refresh, "--now", EPOCHS[0])["slots"][0]["newest"] == "renewed"


@pytest.mark.usefixtures("here")
def test_backup_restore_and_move_to_a_new_phone() -> None:
    backup = (*stage.fed, *stage.wallet_key, "--backup-key-file", "backup.key")
    done("wallet", "backup", "lan.wallet", "lan.backup", *backup)
    # The same backup again, newer, under the same secret.
    done("wallet", "backup", "lan.wallet", "lan.backup", *backup)
    new_phone = (*stage.fed, "--key-file", "phone.key", "--backup-key-file", "backup.key")
    assert done("wallet", "restore", "lan.backup", "restored.wallet", *new_phone)["slots"] == 1

    done("wallet", "move", "lan.wallet", "lan.moving", *backup)
    for command in (
        stage.show("lan", CROSS, "--new-place"),
        ("wallet", "refresh", "lan.wallet", *stage.fed, *stage.wallet_key, "--now", CROSS),
        ("wallet", "backup", "lan.wallet", "other.backup", *backup),
        ("wallet", "move", "lan.wallet", "other.moving", *backup),
    ):
        said = guosuo(*command)
        assert (said.code, "moved" in said.err) == (2, True), said
    done("wallet", "restore", "lan.moving", "phone.wallet", *new_phone)
    for name in ("phone", "restored"):
        inspected = done(
            "wallet", "inspect", f"{name}.wallet", *stage.fed, "--key-file", "phone.key"
        )
        assert (inspected["moved"], len(inspected["slots"])) == (False, 1)
    phone = ("--federation", "fed", "--key-file", "phone.key", *stage.at, "--new-place")
    done("wallet", "show", "phone.wallet", *phone, "--out", "show.png", "--now", CROSS)
    assert done(*stage.verify(CROSS))["verdict"] == "ACCEPT"
    # The tag is that of the same holder: a restored copy is a replay at the same moment.
    done("wallet", "show", "restored.wallet", *phone, "--out", "show.png", "--now", CROSS)
    assert guosuo(*stage.verify(CROSS), "--json").json["notice"] == "replay or lending"


def test_who_enrolled_today_waits_or_stands_out(here: Path) -> None:
    # In the first third of epoch 2295 nobody shows under its list yet.
    said = guosuo(*stage.show("lan", ENROL, "--new-place"), "--json")
    assert (said.code, said.json["error"]["reason"]) == (3, "not-published")
    done(*stage.show("lan", ENROL, "--new-place", "--standing-out"))
    assert (here / "show.png").is_file()


@pytest.mark.usefixtures("here")
def test_a_lost_phone_gets_new_slots_by_the_region_only() -> None:
    done("wallet", "init", "new.wallet", *stage.fed, *stage.wallet_key)
    stage.ask("new")
    said = guosuo(*stage.issue("new"), "--json")
    assert (said.code, said.json["refusal"]) == (1, "other-secret")
    conclude = ("wallet", "enrol", "new.wallet", *stage.fed, *stage.wallet_key, "--now", ENROL)
    refused = guosuo(*conclude, "--answer", "new.answer", "--json")
    assert (refused.code, refused.json["refusal"]) == (1, "other-secret")

    lost = ("region", "new-phone", "fed", HOME, *stage.keys, "--now", ENROL)
    assert len(done(*lost, "--person", "4403-1987-0221")["slots"]) == 1
    for name in ("new.offer", "new.request", "new.answer"):
        Path(name).unlink()
    stage.ask("new")
    done(*stage.issue("new"))
    assert done(*conclude, "--answer", "new.answer")["granted"] is True


def test_newer_evidence_for_the_same_slot(here: Path) -> None:
    slot = done("wallet", "inspect", "lan.wallet", *stage.fed, *stage.wallet_key)["slots"][0]
    done("region", "issue", "fed", HOME, "--out", "next.offer", *stage.keys, "--now", ENROL)
    dcc = "try/LT-1.png"
    done(
        *("wallet", "enrol", "lan.wallet", *stage.fed, *stage.wallet_key, *stage.anchors),
        *("--offer", "next.offer", "--dcc", dcc, "--replace", str(slot["slot"])),
        *("--out", "next.request", "--now", ENROL),
    )
    assert done(*stage.issue("next", dcc=dcc))["slot"] == slot["slot"]
    enrol = ("wallet", "enrol", "lan.wallet", *stage.fed, *stage.wallet_key, "--now", ENROL)
    done(*enrol, "--answer", here / "next.answer")
    inspected = done("wallet", "inspect", "lan.wallet", *stage.fed, *stage.wallet_key)
    assert [held["evidence"] for held in inspected["slots"]] == ["vaccination 3/3"]


@pytest.mark.usefixtures("here")
def test_a_late_region_is_listed_with_its_key_of_before() -> None:
    now = EPOCHS[0]
    done("region", "turn-epoch", "fed", GATE, *stage.keys, "--now", now)
    bundle = ("region", "bundle", "fed", "--all", *stage.keys, "--now", now)
    said = guosuo(*bundle)
    assert (said.code, HOME in said.err) == (2, True)
    listed = done(*bundle, "--late", HOME)["regions"][0]["lists"]
    assert listed == [{"epoch": 2296, "regions": [GATE, HOME], "absent": []}]
    # Nothing changed: nothing is published again.
    before = sorted(Path("fed/regions").rglob("*.cose"))
    done(*bundle, "--late", HOME)
    assert sorted(Path("fed/regions").rglob("*.cose")) == before
    done("region", "turn-epoch", "fed", HOME, *stage.keys, "--now", now)
    done(*bundle)
    assert len(sorted(Path("fed/regions").rglob("*.cose"))) > len(before)


@pytest.mark.usefixtures("here")
def test_the_next_epoch_may_be_prepared_shortly_before_it_begins() -> None:
    turn = ("region", "turn-epoch", "fed", "--all", *stage.keys, "--epoch", "2296")
    bundle = ("region", "bundle", "fed", GATE, *stage.keys)
    done(*turn, "--now", "2022-01-18T15:00:00Z")
    early = done(*bundle, "--now", "2022-01-18T15:39:00Z")["regions"][0]["lists"]
    assert [row["epoch"] for row in early] == [2295]
    ready = done(*bundle, "--now", "2022-01-18T15:40:00Z")["regions"][0]["lists"]
    assert [row["epoch"] for row in ready] == [2295, 2296]
    # The gate knows by then that the epoch is near, and its clock is not behind that.
    now = "2022-01-18T15:40:30Z"
    done(*stage.show("lan", now, "--new-place"))
    assert done(*stage.verify(now))["verdict"] == "ACCEPT"


class Terminal(io.StringIO):
    """Somebody types."""

    def isatty(self) -> bool:
        return True


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("says", "code"), [("y\nanother one\n", 0), ("n\n", 1)])
def test_a_clerk_says_who_is_at_the_counter(
    monkeypatch: pytest.MonkeyPatch, says: str, code: int
) -> None:
    done("wallet", "init", "new.wallet", *stage.fed, *stage.wallet_key)
    stage.ask("new")
    monkeypatch.setattr("sys.stdin", Terminal(says))
    said = guosuo(
        *("region", "issue", "fed", HOME, *stage.keys, *stage.anchors, "--now", ENROL),
        *("--request", "new.request", "--dcc", "try/LT-2.png", "--out", "new.answer"),
    )
    assert (said.code, "born 2000-10-03" in said.out) == (code, True), said
    conclude = ("wallet", "enrol", "new.wallet", *stage.fed, *stage.wallet_key)
    assert guosuo(*conclude, "--answer", "new.answer", "--now", ENROL).code == code


def test_a_passphrase_opens_what_it_sealed(here: Path) -> None:
    words = {"GUOSUO_PASSPHRASE": "only for trying out", "GUOSUO_FEDERATION": "fed"}
    made = real("wallet", "init", "my.wallet", **words)
    assert made.code == 0, made
    assert "test federation" in made.out
    assert real("wallet", "inspect", "my.wallet", "--json", **words).code == 0
    wrong = real("wallet", "inspect", "my.wallet", "--json", **words | {"GUOSUO_PASSPHRASE": "x"})
    assert (wrong.code, wrong.json["error"]["reason"]) == (3, "store-altered")
    nobody = real("wallet", "inspect", here / "my.wallet", GUOSUO_FEDERATION="fed")
    assert (nobody.code, "GUOSUO_PASSPHRASE" in nobody.err) == (2, True)
