"""The examples of docs/adapter.md run as they stand, and give what it says."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from guosuo_node.adapter.contract import Check
from guosuo_node.adapter.plugins import GROUP
from guosuo_node.adapter.standin import READY
from tests.support.adapters import TOKEN
from tests.support.processes import Ports, Process

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "adapter.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def run(code: str, folder: Path) -> str:
    done = subprocess.run(  # noqa: S603 - our own example
        [sys.executable, "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_example_keeps_the_contract_and_prints_what_is_said(tmp_path: Path) -> None:
    adapter, contract, _ = blocks("python")
    (expected,) = blocks("text")
    (tmp_path / "guangdong_adapter.py").write_text(adapter, encoding="utf-8")
    assert run(contract, tmp_path) == expected
    assert [line.split()[-1] for line in expected.splitlines()] == [x.value for x in Check]


def test_the_example_is_loaded_by_its_place(tmp_path: Path) -> None:
    adapter, _, settings = blocks("python")
    (tmp_path / "guangdong_adapter.py").write_text(adapter, encoding="utf-8")
    (tmp_path / "standin.token").write_text(TOKEN, encoding="ascii")
    loads = 'load_adapter("guangdong_adapter:make", {}, context)'
    run(f"{settings}\nadapter = {loads}\nprint(adapter)", tmp_path)
    (registered,) = blocks("toml")
    points = tomllib.loads(registered)["project"]["entry-points"]
    assert points == {GROUP: {"guangdong": "guangdong_adapter:make"}}


def test_the_stand_in_starts_as_said(tmp_path: Path) -> None:
    (line,) = blocks("sh")
    command = line.split()
    assert command[0] == "python"
    with Ports() as ports:
        port = str(ports.release(ports.reserve()))
        command[command.index("8631")] = port
        with Process([sys.executable, *command[1:]], logs=tmp_path, cwd=tmp_path) as service:
            assert service.wait_for_line(f"{READY}(.*)")[1] == f"http://127.0.0.1:{port}"
            service.terminate()
