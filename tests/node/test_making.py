"""`guosuo node init`: what cannot work is refused before anything is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.stage import guosuo

GOOD = {"--name": "440000", "--listen": "127.0.0.1:7440", "--public-listen": "127.0.0.1:8440"}


def init(home: Path, changed: dict[str, str]) -> int:
    arguments = [word for option in (GOOD | changed).items() for word in option]
    return guosuo("node", "init", home, *arguments).code


@pytest.mark.parametrize(
    "changed",
    [
        {"--name": "../x"},
        {"--name": "4"},
        {"--name": "4400000000000"},
        {"--name": 'a"b'},
        {"--name": "../x", "--witness": "operator"},
        {"--listen": "nonsense"},
        {"--listen": "127.0.0.1:70000"},
        {"--public-listen": ":8440"},
        {"--http-listen": "127.0.0.1"},
        {"--metrics-listen": "127.0.0.1:x"},
    ],
    ids=str,
)
def test_nothing_is_made_of_what_cannot_work(tmp_path: Path, changed: dict[str, str]) -> None:
    assert init(tmp_path / "home", changed) == 2
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("changed", [{}, {"--name": "witness.a_1", "--witness": "operator"}])
def test_a_node_is_made(tmp_path: Path, changed: dict[str, str]) -> None:
    assert init(tmp_path / "home", changed) == 0
    assert (tmp_path / "home" / "card.json").is_file()
