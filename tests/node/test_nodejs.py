"""The example in another language asks the sidecar, and prints what a checkpoint says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.stage import guosuo
from tests.node.test_sidecar import AT, later, served
from tests.support.copies import write_copy
from tests.support.world import World

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLE = REPOSITORY / "examples" / "nodejs"
FILES = ("package.json", "package-lock.json", "verify.js")
A, B = "110000", "330000"


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example with its packages, exactly those of the lock file.

    Without Node.js a test is skipped at home and fails in CI.
    """
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        hint = "no Node.js here: tools/install_node.sh installs it"
        if os.environ.get("CI") == "true":
            pytest.fail(hint)
        pytest.skip(hint)
    folder = tmp_path_factory.mktemp("nodejs")
    for name in FILES:
        shutil.copy(EXAMPLE / name, folder)
    subprocess.run(  # noqa: S603 - packages of the lock file, without their scripts
        [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=300,
    )
    return folder


def node(example: Path, *arguments: str) -> tuple[int, Any, str]:
    """Exit code, the document printed if there is one, and the error channel."""
    program = shutil.which("node")
    assert program is not None
    ended = subprocess.run(  # noqa: S603 - our own example
        [program, "verify.js", *arguments],
        cwd=example,
        env=os.environ | {"GUOSUO_PROTO": str(REPOSITORY / "proto")},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    return ended.returncode, json.loads(ended.stdout or "null"), ended.stderr


def test_an_app_in_another_language_verifies(example: Path, tmp_path: Path) -> None:
    world = World(regions=(A, B))
    root, state = tmp_path / "fed", tmp_path / "gate.state"
    write_copy(world, root)
    early = guosuo(
        *("checkpoint", "poster", "--federation", str(root), "--at", AT),
        *("--state", str(state), "--now", str(world.now - 120)),
    )
    assert early.code == 0, early
    holder, other = world.holder(A), world.holder(B)
    code = tmp_path / "code.txt"
    with later(world):
        code.write_text(world.show(holder, B) + "\n")
        second = world.show(other, B)
    with served(root, state, world.now) as ready:
        address = ready["listening"]
        status = node(example, address, "--status")[1]
        assert status["poster"] == world.regions[B].checkpoint.poster().text()
        assert status["region"] == B
        assert status["valid_offline_until"] == ready["valid_offline_until"]
        found = [
            node(example, address, argument)[:2]
            for argument in (str(code), str(code), second, "GS1:NOTHING")
        ]
    assert found == [
        (0, {"verdict": "ACCEPT", "cause": None, "notice": None}),
        (1, {"verdict": "NOT_SATISFIED", "cause": None, "notice": "ALREADY_SEEN"}),
        (0, {"verdict": "ACCEPT", "cause": None, "notice": None}),
        (4, {"verdict": "CANNOT_DECIDE", "cause": "CODE", "notice": None}),
    ]
    # The same words as the checkpoint of the command line, which remembers as well.
    again = guosuo(
        *("checkpoint", "verify", str(code), "--federation", str(root), "--at", AT),
        *("--state", str(state), "--now", str(world.now), "--json"),
    )
    assert (again.code, again.json["verdict"]) == (1, "NOT_SATISFIED")


def test_nobody_there_is_an_error_of_one_line(example: Path) -> None:
    code, document, error = node(example, "127.0.0.1:1", "GS1:AAAA")
    assert (code, document) == (2, None)
    assert error.startswith("the checkpoint gave no answer: ")
    assert error.count("\n") == 1
    assert node(example)[0] == 2
