"""What the tests of the command line share: running it, and a federation at work.

Most commands run in this process through `guosuo.cli.main.run`, as `main` does; `real`
ones are processes of their own. Everything is sealed with key files: Argon2id at its real
cost would take a second for each command.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import unittest.mock
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guosuo.cli.main import run

HOME, GATE = "440000", "360000"
ENROL = "2022-01-18T12:30:00Z"
"""When the test certificates of `guosuo examples` are fresh; early in epoch 2295."""
CROSS = "2022-01-18T14:00:00Z"
"""In the same epoch, after its first third: everybody shows under its list."""
EPOCHS = ("2022-01-18T18:00:00Z", "2022-01-18T22:00:00Z", "2022-01-19T02:00:00Z")
"""The three epochs after which nothing of epoch 2295 can be shown."""

HOLDER = ("--name-fnt", "PAVARDENYTE<PAVARDENE", "--name-gnt", "BIRUTE<MARIJA")
BORN = ("--birth-date", "2000-10-03")
PERSON = "4403-1987-0221"
PERSONAL = ("PAVARD", "BIRUTE", "2000-10-03", PERSON)
"""What no error and no answer for machines may repeat."""

TESTED = {
    "policy": "entry",
    "valid_days": 30,
    "accepts": [
        {
            "description": "nucleic-acid test within 72 hours",
            "kind": "test",
            "products": ["LP6464-4"],
            "max_age": "72 hours",
        }
    ],
}
"""A policy whose table is signed and audited in a moment."""


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one document on standard output."""
        found: dict[str, Any] = json.loads(self.out)
        return found


def guosuo(*arguments: str | Path) -> Said:
    """Run a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    # Whoever runs the tests may use the command line too.
    with (
        unittest.mock.patch.dict(os.environ, _environment(), clear=True),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = run([str(argument) for argument in arguments])
    return Said(code, out.getvalue(), err.getvalue())


def done(*arguments: str | Path) -> dict[str, Any]:
    """Run a command with `--json` that has to succeed; its answer."""
    said = guosuo(*arguments, "--json")
    assert (said.code, said.err) == (0, ""), said
    return said.json


def real(*arguments: str | Path, **environment: str) -> Said:
    """Run a command as a process of its own, with the variables given and no others of ours."""
    ours = _environment() | {"PYTHONIOENCODING": "utf-8"} | environment
    command = [sys.executable, "-m", "guosuo", *(str(argument) for argument in arguments)]
    ended = subprocess.run(  # noqa: S603 - our own command
        command,
        capture_output=True,
        encoding="utf-8",
        env=ours,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return Said(ended.returncode, ended.stdout, ended.stderr)


def _environment() -> dict[str, str]:
    """Ours without what steers the command line, but for the engine."""
    steering = {n for n in os.environ if n.startswith("GUOSUO_")} - {"GUOSUO_ENGINE"}
    return {name: value for name, value in os.environ.items() if name not in steering}


class Stage:
    """A federation of two regions with one enrolled holder, in the current directory."""

    keys = ("--key-file", "regions.key")
    wallet_key = ("--key-file", "wallet.key")
    anchors = ("--anchors", "try/anchors.json", "--allow-test-anchors")
    fed = ("--federation", "fed")
    at = ("--at", f"{GATE}/station-1")

    def found(self) -> None:
        """Regions, an epoch, gate bundles."""
        done("examples", "try")
        Path("policy.json").write_text(json.dumps(TESTED))
        done("region", "init", "fed", HOME, GATE, "--bucket-slots", "16", *self.keys)
        done("region", "turn-epoch", "fed", "--all", *self.keys, "--now", ENROL)
        station = ("--checkpoint", "station-1=Railway station/火车站")
        policy = ("--policy", "policy.json")
        done("region", "bundle", "fed", "--all", *policy, *station, *self.keys, "--now", ENROL)

    def enrol(self, name: str, person: str = PERSON, dcc: str = "try/LT-2.png") -> int:
        """A new wallet `NAME.wallet` with one slot of the home region; the slot."""
        done("wallet", "init", f"{name}.wallet", *self.fed, *self.wallet_key)
        self.ask(name, dcc)
        granted = done(*self.issue(name, person, dcc))
        concluded = done(
            *("wallet", "enrol", f"{name}.wallet", *self.fed, *self.wallet_key),
            *("--answer", f"{name}.answer", "--now", ENROL),
        )
        assert concluded["slot"] == granted["slot"]
        return int(granted["slot"])

    def ask(self, name: str, dcc: str = "try/LT-2.png") -> None:
        """An offer, and the wallet's request."""
        done("region", "issue", "fed", HOME, "--out", f"{name}.offer", *self.keys, "--now", ENROL)
        done(
            *("wallet", "enrol", f"{name}.wallet", *self.fed, *self.wallet_key, *self.anchors),
            *("--offer", f"{name}.offer", "--dcc", dcc, "--out", f"{name}.request", "--now", ENROL),
        )

    def issue(self, name: str, person: str = PERSON, dcc: str = "try/LT-2.png") -> tuple[str, ...]:
        """The command by which the counter answers the request."""
        return (
            *("region", "issue", "fed", HOME, *self.keys, *self.anchors, "--now", ENROL),
            *("--request", f"{name}.request", "--dcc", dcc, "--out", f"{name}.answer"),
            *("--person", person, *HOLDER, *BORN),
        )

    def turn(self, now: str) -> None:
        """The next epoch, in all regions."""
        done("region", "turn-epoch", "fed", "--all", *self.keys, "--now", now)
        done("region", "bundle", "fed", "--all", *self.keys, "--now", now)

    def show(self, name: str, now: str, *more: str) -> tuple[str, ...]:
        """The command that shows at the gate."""
        return (
            *("wallet", "show", f"{name}.wallet", *self.fed, *self.wallet_key, *self.at),
            *("--out", "show.png", "--now", now, *more),
        )

    def verify(self, now: str, code: str = "show.png") -> tuple[str, ...]:
        """The command by which the gate decides."""
        return (
            *("checkpoint", "verify", code, *self.fed, *self.at),
            *("--state", "gate.state", "--now", now),
        )
