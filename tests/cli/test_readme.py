"""The READMEs' examples run as they stand, and the Chinese one is in step."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
READMES = ("README.md", "README.zh-CN.md")


def blocks(name: str, language: str) -> list[str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("readme")
    done = subprocess.run(
        [sys.executable, "-m", "guosuo", "demo", "--files", "--no-codes"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "all as the policies say" in done.stdout
    return folder


@pytest.mark.parametrize("name", READMES)
def test_the_embedding_example_prints_what_the_readme_says(name: str, demo: Path) -> None:
    (example,) = blocks(name, "python")
    (expected,) = blocks(name, "text")
    done = subprocess.run(  # noqa: S603 - our own example
        [sys.executable, "-c", example],
        cwd=demo,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, expected, "")


@pytest.mark.parametrize("name", READMES)
def test_the_walkthrough_ends_with_accept(name: str, tmp_path: Path) -> None:
    (_, walkthrough, *_) = blocks(name, "sh")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(  # noqa: S603 - our own example
        ["/bin/sh", "-e", "-c", walkthrough],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "ACCEPT" in done.stdout
    assert (tmp_path / "lan.backup").stat().st_mode & 0o777 == 0o600


def test_both_readmes_have_the_same_shape() -> None:
    def shape(name: str) -> list[str]:
        text = (ROOT / name).read_text(encoding="utf-8")
        return re.findall(r"^(#+|```\w+|!\[)", text, re.MULTILINE)

    assert shape(READMES[0]) == shape(READMES[1])


@pytest.mark.parametrize("name", READMES)
def test_every_link_into_the_repository_leads_somewhere(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    links = [x for x in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in x]
    assert links
    assert [x for x in links if not (ROOT / x).exists()] == []
