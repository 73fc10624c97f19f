"""docs/operate.md says what is so: its examples run, its tables are complete."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from guosuo.federation.charter import open_charter
from guosuo.suite import Suite
from guosuo_node.app.gatehouse import read_register
from guosuo_node.cli import reaching
from guosuo_node.host import metrics, settings
from guosuo_node.host.settings import Home, Settings

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "operate.md").read_text(encoding="utf-8")
SOURCES = ROOT / "reference_node" / "guosuo_node"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def section(title: str) -> str:
    found = re.search(rf"^##+ {re.escape(title)}\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE)
    assert found, title
    return found[1]


def first_column(text: str) -> set[str]:
    cells = re.findall(r"^\| ((?:`[^`]+`(?:, )?)+) \|", text, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all shell examples ran, one after the other."""
    made = tmp_path_factory.mktemp("operate")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    ours = {n: v for n, v in os.environ.items() if not n.startswith("GUOSUO_")}
    for block in blocks("sh"):
        done = subprocess.run(  # noqa: S603 - our own examples
            ["/bin/sh", "-e", "-c", block],
            cwd=made,
            env={**ours, "PATH": path, "COLUMNS": "200"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, (block, done.stdout, done.stderr)
    return made


def test_the_examples_make_a_federation_and_keep_it(folder: Path) -> None:
    federation = open_charter((folder / "charter.cbor").read_bytes(), Suite.sha256())
    assert set(federation.members) == {"360000", "440000"}
    assert federation.member("440000").endpoints == ("node.gd.example:7440",)
    assert {w.endpoint for w in federation.charter.witnesses or ()} == {
        "alpha.example:7001",
        "beta.example:7002",
    }
    for name in ("gd", "jx", "alpha", "beta"):
        assert (folder / name / "charter.cbor").exists()
    again = Home(folder / "gd-again")
    assert again.settings.read_bytes() == (folder / "gd" / "node.toml").read_bytes()
    (policy,) = (folder / "gd" / "policies").iterdir()
    assert policy.name == "entry-1.json"


def test_the_settings_are_all_there_are(tmp_path: Path) -> None:
    (example,) = blocks("toml")
    (tmp_path / "node.toml").write_text(example)
    loaded = Settings.load(Home(tmp_path))
    assert loaded.database is not None
    named = set(re.findall(r"^(\w+) =", example.split("[", 1)[0], re.MULTILINE))
    assert named | {"adapter_settings", "clock_offset"} == set(settings._KNOWN)


def test_the_register_is_one() -> None:
    (example,) = blocks("json")
    (info,) = read_register(example.encode())
    assert (info.checkpoint, info.policy) == ("station-1", "entry")


def test_every_metric_is_named_and_no_other() -> None:
    source = Path(metrics.__file__).read_text(encoding="utf-8")
    there = set(re.findall(r'"(guosuo_\w+)"', source))
    assert {name for name in first_column(section("Every day")) if "_" in name} == there


def test_every_event_is_named_and_no_other() -> None:
    source = "".join(
        path.read_text(encoding="utf-8")
        for room in ("app", "sync", "rpc", "host")
        for path in sorted((SOURCES / room).glob("*.py"))
    ) + (SOURCES / "cli" / "serve.py").read_text(encoding="utf-8")
    call = r"(?:\btell|\.tell|log\.(?:info|warning|error)|_log\.failed|level)\(\s*\"([a-z-]+)\""
    there = set(re.findall(call, source))
    logs = section("Every day").split("Logs are lines", 1)[1]
    assert first_column(logs) == there


def test_every_word_for_waiting_is_explained() -> None:
    waits = section("Every day").split("Metrics", 1)[0]
    assert first_column(waits) == set(reaching._WHY)


def test_every_command_is_one() -> None:
    from guosuo_node.cli.federation import app as federation  # noqa: PLC0415
    from guosuo_node.cli.node import app as node  # noqa: PLC0415

    there = {
        f"{group} {command.name}"
        for group, app in (("node", node), ("federation", federation))
        for command in app.registered_commands
    }
    words = TEXT.replace("guosuo federation\nwatch", "guosuo federation watch")
    named = set(re.findall(r"guosuo ((?:node|federation) [a-z-]+)", words))
    assert named <= there
    assert there <= named


def test_every_link_leads_somewhere() -> None:
    links = [x for x in re.findall(r"\]\(([^)#]+)\)", TEXT) if "://" not in x]
    assert links
    assert [x for x in links if not (ROOT / "docs" / x).exists()] == []
