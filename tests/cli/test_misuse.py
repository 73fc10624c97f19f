"""Misuse: one line that says what to do, the promised exit code, never a traceback.

`TABLE` is the list: what was done wrong, the command, its exit code, and words of the
message. Every line runs in a copy of one prepared folder.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import segno
from PIL import Image

from tests.cli.stage import CROSS, ENROL, GATE, HOME, PERSONAL, TESTED, Stage, done, guosuo, real

stage = Stage()
NOW = ("--now", CROSS)
FED = stage.fed
WALLET = ("wallet", "inspect", "lan.wallet")
SHOW = ("wallet", "show", "lan.wallet", *FED, *stage.wallet_key, *NOW)
ASK = ("wallet", "enrol", "lan.wallet", *FED, *stage.wallet_key, "--now", ENROL)
COUNTER = ("region", "issue", "fed", HOME, *stage.keys, "--now", ENROL)
VERIFY = ("checkpoint", "verify", "show.png", *FED, *NOW)
BUNDLE = ("region", "bundle", "fed", GATE, *stage.keys, *NOW)
TURN = ("region", "turn-epoch", "fed", HOME, *stage.keys, *NOW)
ANSWER = ("--dcc", "try/LT-2.png", "--person", "4403-1987-0221", "--out", "x.answer")
STATE = ("--state", "gate.state")
OUT = ("--out", "x")
SPRING = ("--name-fnt", "PAVARDENYTE", "--birth-date", "spring")
BACKUP = (*FED, *stage.wallet_key, "--backup-key-file", "backup.key")

TABLE: list[tuple[str, tuple[str, ...], int, str]] = [
    # options and arguments
    ("no such command", ("walk",), 2, "see guosuo --help"),
    ("no such subcommand", ("wallet", "burn"), 2, "see guosuo wallet --help"),
    ("no such option", (*WALLET, *FED, "--all"), 2, "--help"),
    ("a missing option", ("checkpoint", "verify", "show.png", *FED), 2, "--at"),
    ("a missing argument", ("wallet", "inspect", *FED), 2, "FILE"),
    ("not a number", (*TURN, "--epoch", "soon"), 2, "--epoch"),
    ("no such engine", (*TURN, "--engine", "abacus"), 2, "engines that can be used here"),
    ("not a time", (*TURN[:-1], "yesterday"), 2, "2022-01-18T12:30:00Z"),
    ("a time before all", (*TURN[:-1], "2020-01-01"), 2, "before the federation's first epoch"),
    # the federation
    ("no federation", ("region", "turn-epoch", "nowhere", "--all", *NOW), 2, "no charter here"),
    ("a damaged charter", (*TURN[:2], "broken", *TURN[3:]), 3, "charter is damaged"),
    ("a damaged log", (*TURN[:2], "cut", *TURN[3:]), 3, "copy the federation's directory anew"),
    ("no such region", (*TURN[:3], "110000", *TURN[4:]), 2, f"has {GATE}, {HOME}"),
    ("no region", ("region", "turn-epoch", "fed", *stage.keys, *NOW), 2, "or --all"),
    ("region and all", (*TURN, "--all"), 2, "or --all"),
    ("the keys are elsewhere", (*TURN[:2], "public", *TURN[3:]), 2, "keys of this region are not"),
    ("a federation is there", ("region", "init", "fed", HOME, GATE, *stage.keys), 2, "a new one"),
    ("a federation just here", ("region", "init", ".", HOME, GATE, *stage.keys), 2, "new"),
    ("one region", ("region", "init", "new", HOME, *stage.keys), 2, "at least two regions"),
    ("a region twice", ("region", "init", "new", HOME, HOME, *stage.keys), 2, "each once"),
    (
        "a path as a code",
        ("region", "init", "new", HOME, "../x", *stage.keys),
        2,
        "letters, digits",
    ),
    (
        "a name of nobody",
        ("region", "init", "new", HOME, GATE, "--name", "1=x", *stage.keys),
        2,
        "--name is CODE=",
    ),
    (
        "more regions than there are",
        ("region", "init", "new", HOME, GATE, "--min-regions", "3", *stage.keys),
        2,
        "--min-regions",
    ),
    (
        "no envelope",
        ("region", "init", "new", HOME, GATE, "--envelope", "policy.json", *stage.keys),
        2,
        "kinds and bounds",
    ),
    (
        "no envelope file",
        ("region", "init", "new", HOME, GATE, "--envelope", "x"),
        2,
        "no such file",
    ),
    (
        "no envelope to lint by",
        ("policy", "lint", "policy.json", "--envelope", "x"),
        2,
        "no such file",
    ),
    ("examples are there", ("examples", "try"), 2, "name a new folder"),
    ("a place where nothing can be written", ("examples", "policy.json"), 2, "cannot"),
    # secrets
    ("no secret", (*WALLET, *FED), 2, "set GUOSUO_PASSPHRASE, or give --key-file"),
    ("no key file", (*WALLET, *FED, "--key-file", "no.key"), 2, "right key file"),
    ("the wrong key file", (*WALLET, *FED, "--key-file", "regions.key"), 3, "wrong, or the file"),
    ("an open key file", (*WALLET, *FED, "--key-file", "open.key"), 2, "chmod 600"),
    ("a short key file", (*WALLET, *FED, "--key-file", "short.key"), 3, "32 octets"),
    ("the wrong key of a region", (*TURN[:4], *stage.wallet_key, *NOW), 3, "key file is wrong"),
    # epochs and bundles
    (
        "an epoch that is not due",
        (*TURN, "--epoch", "2296"),
        2,
        "not due: it begins at 2022-01-18 16",
    ),
    ("an epoch that is over", (*TURN, "--epoch", "2200"), 2, "the present one is 2295"),
    ("an epoch before the last", (*TURN, "--epoch", "2294"), 2, "in their order"),
    ("nobody turned", (*BUNDLE[:-1], "2022-01-18T16:01:00Z"), 2, f"{GATE}, {HOME}; turn them"),
    ("no such late region", (*BUNDLE, "--late", "110000"), 2, "no such region"),
    ("no policy file", (*BUNDLE, "--policy", "no.json"), 2, "no such file"),
    ("no policy in it", (*BUNDLE, "--policy", "try/anchors.json"), 2, "policy, valid_days and"),
    ("an age between", (*BUNDLE, "--policy", "age.json"), 2, "way 1 has an age"),
    ("no such product", (*BUNDLE, "--policy", "product.json"), 2, "way 1 names a product"),
    ("a checkpoint without name", (*BUNDLE, "--checkpoint", "x"), 2, "ID=NAME"),
    # orders
    (
        "no such slot",
        ("region", "suspend", *TURN[2:], "99", "--reason", "infection"),
        2,
        "allotted",
    ),
    ("no such reason", ("region", "suspend", *TURN[2:], "1", "--reason", "dislike"), 2, "--reason"),
    (
        "two orders",
        ("region", "suspend", *TURN[2:], "1", "--reason", "holder", "--restore", "--retire"),
        2,
        "not both",
    ),
    # the counter
    ("an offer is there", (*COUNTER, "--out", "lan.offer"), 2, "choose another"),
    ("a person without a request", (*COUNTER, "--person", "x", "--out", "x.offer"), 2, "--request"),
    ("no certificate", (*COUNTER, "--request", "bo.request", "--out", "x"), 2, "--dcc"),
    ("no anchors", (*COUNTER, "--request", "bo.request", *ANSWER), 2, "--anchors"),
    (
        "test anchors",
        (*COUNTER, "--request", "bo.request", *ANSWER, "--anchors", "try/anchors.json"),
        2,
        "--allow-test-anchors",
    ),
    (
        "no list of anchors",
        (*COUNTER, "--request", "bo.request", *ANSWER, "--anchors", "policy.json"),
        2,
        "guosuo examples",
    ),
    (
        "no request",
        (*COUNTER, *stage.anchors, "--request", "lan.answer", *ANSWER),
        3,
        "no request of a wallet",
    ),
    (
        "nobody to confirm",
        (*COUNTER, *stage.anchors, "--request", "bo.request", *ANSWER),
        2,
        "--name-fnt, --name-gnt and --birth-date",
    ),
    (
        "a birth date in words",
        (*COUNTER, *stage.anchors, "--request", "bo.request", *ANSWER, *SPRING),
        2,
        "YYYY-MM-DD",
    ),
    # the wallet
    ("a wallet is there", ("wallet", "init", "lan.wallet", *FED, *stage.wallet_key), 2, "another"),
    ("no wallet", ("wallet", "refresh", "no.wallet", *FED, *NOW), 2, "guosuo wallet init"),
    ("a cut wallet", ("wallet", "inspect", "cut.wallet", *FED, *stage.wallet_key), 3, "truncated"),
    ("an altered wallet", ("wallet", "refresh", "altered.wallet", *SHOW[3:]), 3, "altered"),
    ("a backup as a wallet", ("wallet", "refresh", "lan.backup", *SHOW[3:]), 3, "another kind"),
    (
        "another federation",
        (*WALLET, "--federation", "other", *stage.wallet_key),
        3,
        "--federation",
    ),
    ("neither offer nor answer", ASK, 2, "--offer to ask, or --answer"),
    ("half a request", (*ASK, "--offer", "bo.offer"), 2, "--offer, --dcc and --out"),
    (
        "no offer",
        (*ASK, *stage.anchors, "--offer", "policy.json", "--dcc", "try/LT-2.png", "--out", "x"),
        3,
        "no offer of a region",
    ),
    (
        "an old offer",
        (*ASK[:-1], CROSS, *stage.anchors, "--offer", "bo.offer", "--dcc", "try/LT-2.png", *OUT),
        3,
        "ask for a new one",
    ),
    (
        "a bad certificate",
        (*ASK, *stage.anchors, "--offer", "bo.offer", "--dcc", "try/bad-signature.png", *OUT),
        3,
        "dcc-signature",
    ),
    (
        "an expired certificate",
        (*ASK, *stage.anchors, "--offer", "bo.offer", "--dcc", "try/bad-PL-10.png", "--out", "x"),
        3,
        "dcc-validity",
    ),
    ("no answer is awaited", (*ASK, "--answer", "lan.answer"), 2, "no enrolment is pending"),
    (
        "a request waits",
        (
            "wallet",
            "enrol",
            "bo.wallet",
            *ASK[3:],
            *stage.anchors,
            "--offer",
            "bo.offer",
            "--dcc",
            "try/LT-2.png",
            *OUT,
        ),
        2,
        "--again",
    ),
    (
        "the answer to somebody else",
        ("wallet", "enrol", "bo.wallet", *ASK[3:], "--answer", "lan.answer"),
        3,
        "no answer to this wallet's request",
    ),
    # showing
    ("nowhere to show", SHOW, 2, "--poster or with --at"),
    ("a place without slash", (*SHOW, "--at", GATE), 2, "REGION/CHECKPOINT"),
    ("no such checkpoint", (*SHOW, "--at", f"{GATE}/x"), 2, "it has station-1"),
    ("a new place", (*SHOW, *stage.at), 2, "--new-place"),
    ("no poster", (*SHOW, "--poster", "try/LT-2.png"), 3, "no poster or challenge"),
    ("a picture without a code", (*SHOW, "--poster", "white.png"), 3, "one whole code"),
    ("a picture with two codes", (*SHOW, "--poster", "two.png"), 3, "one whole code"),
    ("no picture", (*SHOW, "--poster", "regions.key"), 3, "not a picture"),
    ("no such picture", (*SHOW, "--poster", "no.png"), 2, "no such file"),
    ("something else in the way", (*SHOW, *stage.at, "--out", "lan.answer"), 2, "no picture"),
    (
        "nothing to show",
        ("wallet", "show", "bo.wallet", *SHOW[3:], *stage.at, "--new-place"),
        1,
        "enrol",
    ),
    # copies
    ("no backup", ("wallet", "restore", "no.backup", "x.wallet", *BACKUP), 2, "no such file"),
    (
        "a wallet in the way",
        ("wallet", "restore", "lan.backup", "bo.wallet", *BACKUP),
        2,
        "another",
    ),
    (
        "a wallet as a backup",
        ("wallet", "restore", "bo.wallet", "x.wallet", *BACKUP),
        3,
        "another kind",
    ),
    (
        "a backup of another federation",
        ("wallet", "restore", "lan.backup", "x.wallet", "--federation", "other", *BACKUP[2:]),
        3,
        "--federation",
    ),
    (
        "a backup over something else",
        ("wallet", "backup", "lan.wallet", "policy.json", *BACKUP),
        3,
        "sealed",
    ),
    # the checkpoint, its memory by GS-STORE-4
    ("no code", (*VERIFY, *stage.at), 2, "no such file"),
    ("no such gate", (*VERIFY, "--at", f"{GATE}/x"), 2, "it has station-1"),
    (
        "another's memory",
        ("checkpoint", "verify", "GS1:", *VERIFY[3:], "--at", f"{HOME}/station-1", *STATE),
        2,
        "--state",
    ),
    (
        "a cut memory",
        ("checkpoint", "verify", "GS1:", *VERIFY[3:], *stage.at, "--state", "cut.state"),
        3,
        "cut or",
    ),
    (
        "no memory",
        ("checkpoint", "verify", "GS1:", *VERIFY[3:], *stage.at, "--state", "policy.json"),
        3,
        "--state",
    ),
    (
        "a poster's memory for challenges",
        ("checkpoint", "challenge", *FED, *NOW, *stage.at, *STATE),
        2,
        "poster or challenge",
    ),
    ("no vectors", ("selftest", "nowhere"), 2, "no such folder"),
]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("misuse")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        stage.found()
        stage.enrol("lan")
        done("wallet", "backup", "lan.wallet", "lan.backup", *BACKUP)
        done("wallet", "init", "bo.wallet", *FED, *stage.wallet_key)
        stage.ask("bo")
        done("checkpoint", "poster", *FED, *stage.at, "--state", "gate.state", "--now", ENROL)
        done("region", "init", "other", HOME, GATE, *stage.keys)
        _damage()
    return folder


def _damage() -> None:
    """Files that are not what they should be."""
    shutil.copytree("fed", "public", ignore=shutil.ignore_patterns("private"))
    shutil.copytree("fed", "cut")
    shutil.copytree("fed", "broken")
    entry = Path("cut/regions") / HOME / "public/entries/00000001.cose"
    entry.write_bytes(entry.read_bytes()[:-1])
    charter = Path("broken/charter.cbor")
    charter.write_bytes(charter.read_bytes()[:-1])
    key, wallet, state = (Path(n).read_bytes() for n in ("wallet.key", "lan.wallet", "gate.state"))
    Path("open.key").write_bytes(key)
    Path("open.key").chmod(0o644)
    Path("short.key").write_bytes(key[:-1])
    Path("short.key").chmod(0o600)
    Path("cut.wallet").write_bytes(wallet[:-1])
    Path("altered.wallet").write_bytes(wallet[:-1] + bytes([wallet[-1] ^ 1]))
    Path("cut.state").write_bytes(state[:-1])
    way = TESTED["accepts"][0]  # type: ignore[index]
    Path("age.json").write_text(json.dumps(TESTED | {"accepts": [way | {"max_age": "5 days"}]}))
    Path("product.json").write_text(json.dumps(TESTED | {"accepts": [way | {"products": ["x"]}]}))
    white = Image.new("L", (400, 200), 255)
    white.save("white.png")
    for place, text in ((0, "GP1:A"), (200, "GP1:B")):
        segno.make_qr(text).save("one.png", scale=4, border=4)
        with Image.open("one.png") as one:
            white.paste(one.convert("L"), (place, 0))
    white.save("two.png")


@pytest.mark.parametrize(
    ("command", "code", "words"), [row[1:] for row in TABLE], ids=[r[0] for r in TABLE]
)
def test_misuse_is_one_line_that_says_what_to_do(
    prepared: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], code: int, words: str
) -> None:
    monkeypatch.chdir(prepared)
    before = contents(prepared)
    said = guosuo(*command)
    assert (said.code, words in said.err) == (code, True), said
    last = said.err.strip().splitlines()[-1]
    assert last.startswith("guosuo: ")
    assert not any(word in said.out + said.err for word in PERSONAL)
    assert contents(prepared) == before


def contents(folder: Path) -> dict[str, bytes]:
    """Everything that a refused command must leave alone; locks are empty and stay."""
    return {
        str(path): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(".lock")
    }


def test_errors_for_machines(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(prepared)
    said = guosuo(*TURN, "--epoch", "2296", "--json")
    assert said.json["error"].keys() == {"reason", "message", "exit_code"}
    assert (said.code, said.json["error"]["reason"], said.json["error"]["exit_code"]) == (
        2,
        "state",
        2,
    )
    assert guosuo("walk", "--json").json["error"]["reason"] == "usage"


def test_an_unreadable_code_is_a_verdict(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(prepared)
    for code in ("white.png", "two.png", "regions.key", "try/LT-2.png", "GS1:NOT A SHOW"):
        said = guosuo("checkpoint", "verify", code, *FED, *NOW, *stage.at, "--json")
        assert (said.code, said.json["verdict"], said.json["cause"]) == (4, "CANNOT_DECIDE", "CODE")
    without = guosuo("checkpoint", "verify", "GS1:", *FED, "--now", "2022-01-25", *stage.at)
    assert (without.code, "region bundle" in without.out) == (4, True)


def test_what_cannot_be_written_is_said(
    prepared: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if os.name != "posix" or os.geteuid() == 0:
        pytest.skip("nothing is forbidden to this user")
    monkeypatch.chdir(prepared)
    tmp_path.chmod(0o500)
    said = guosuo("wallet", "init", tmp_path / "x.wallet", *FED, *stage.wallet_key)
    assert (said.code, "permission denied" in said.err) == (2, True)


def test_a_production_federation_takes_no_pretended_time_and_no_test_anchors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done("examples", "try")
    done("region", "init", "fed", HOME, GATE, *stage.keys, "--environment", "production")
    said = guosuo(*TURN)
    assert (said.code, "are for test federations only" in said.err) == (2, True)
    done("region", "turn-epoch", "fed", "--all", *stage.keys)
    done("region", "issue", "fed", HOME, *stage.keys, "--out", "lan.offer")
    done("wallet", "init", "lan.wallet", *FED, *stage.wallet_key)
    asked = guosuo(
        *("wallet", "enrol", "lan.wallet", *FED, *stage.wallet_key, *stage.anchors),
        *("--offer", "lan.offer", "--dcc", "try/HR-3.png", "--out", "lan.request"),
    )
    assert (asked.code, "no test anchors" in asked.err) == (2, True)


def test_a_name_does_not_steer_the_terminal(
    prepared: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(prepared, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    done(*BUNDLE, "--checkpoint", "evil=\x1b[2J[red]ACCEPT\u202e")
    said = guosuo("checkpoint", "poster", *FED, "--at", f"{GATE}/evil", *NOW)
    assert (said.code, "\x1b" in said.out, "\u202e" in said.out) == (0, False, False)
    assert "[red]ACCEPT" in said.out


@pytest.mark.parametrize("command", [(), ("region",), ("wallet",), ("checkpoint",)])
def test_help_stands_where_a_command_is_missing(command: tuple[str, ...]) -> None:
    said = guosuo(*command)
    assert (said.code, "Usage" in said.out + said.err) == (2, True)


HELP = [
    *(
        ("region", name)
        for name in ("init", "issue", "suspend", "turn-epoch", "bundle", "new-phone")
    ),
    *(
        ("wallet", n)
        for n in ("init", "enrol", "refresh", "show", "inspect", "backup", "restore", "move")
    ),
    *(("checkpoint", name) for name in ("poster", "challenge", "verify")),
    ("examples",),
]


@pytest.mark.parametrize("command", HELP, ids=[" ".join(command) for command in HELP])
def test_help_has_an_example(command: tuple[str, ...]) -> None:
    said = guosuo(*command, "--help")
    assert said.code == 0
    assert f"Example: guosuo {' '.join(command)}" in " ".join(said.out.split())


def test_an_example_policy_is_a_policy(
    tmp_path: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(prepared, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    printed = guosuo("region", "bundle", "--example-policy")
    assert printed.code == 0
    Path("example.json").write_text(printed.out)
    assert done(*BUNDLE, "--policy", "example.json")["regions"][0]["policy_version"] == 2
    assert done(*BUNDLE, "--policy", "example.json")["regions"][0]["policy_version"] == 2


def test_no_traceback_from_the_real_command(prepared: Path) -> None:
    said = real(
        "wallet", "inspect", prepared / "cut.wallet", GUOSUO_FEDERATION=str(prepared / "fed")
    )
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("guosuo: nobody to ask for the passphrase")
    assert len(said.err.splitlines()) == 1
