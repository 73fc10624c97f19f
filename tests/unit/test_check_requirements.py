"""The specification: its identifiers and their citations agree, and its examples compute.

Identifiers are put together here, so that none of the planted ones is a citation.
"""

from __future__ import annotations

import doctest
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOL: dict[str, Any] = runpy.run_path(str(ROOT / "tools" / "check_requirements.py"))
PARTS = sorted((ROOT / "spec").glob("*.md"))


def id_of(number: int, area: str = "RULE") -> str:
    return f"GS-{area}-{number}"


def plant(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def define(root: Path, *numbers: int, area: str = "RULE", name: str = "01-rules.md") -> None:
    body = "\n\n".join(f"**{id_of(n, area)}** A rule." for n in numbers)
    plant(root, f"spec/{name}", f"# Rules\n\n{body}\n")


def enforce(root: Path, *cited: str, name: str = "rules.py") -> None:
    plant(root, f"protocol/guosuo/{name}", "".join(f'"""({c})."""\n' for c in cited))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three requirements, each cited."""
    define(tmp_path, 1, 2, 3)
    enforce(tmp_path, id_of(1), f"{id_of(2)}, 3")
    return tmp_path


def problems(root: Path) -> list[str]:
    found: list[str] = TOOL["problems"](root)
    return found


def test_the_repository_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert problems(ROOT) == []
    assert TOOL["main"]([]) == 0
    assert re.search(r"^all +\d+ requirements", capsys.readouterr().out, re.MULTILINE)


def test_the_planted_twin_passes(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert TOOL["main"]([str(root)]) == 0
    out, err = capsys.readouterr()
    assert "all        3 requirements,   3 cited by the library,   0 by tests" in out
    assert not err


@pytest.mark.parametrize(
    "place", ["protocol/guosuo/a.py", "tests/a.py", "docs/a.md", "spec/02-more.md"]
)
def test_a_dangling_citation(root: Path, place: str, capsys: pytest.CaptureFixture[str]) -> None:
    plant(root, place, f"first line\nsee {id_of(4)}\n")
    assert problems(root) == [f"{id_of(4)} is cited but not defined: {place}:2"]
    assert TOOL["main"]([str(root)]) == 1
    assert id_of(4) in capsys.readouterr().err


def test_a_dangling_number_in_a_list(root: Path) -> None:
    plant(root, "tests/a.py", f"# ({id_of(2)} to 4)\n")
    assert problems(root) == [f"{id_of(4)} is cited but not defined: tests/a.py:1"]


def test_numbers_that_are_no_citation(root: Path) -> None:
    plant(root, "tests/a.py", f"# by {id_of(2)}, 96 octets; x{id_of(9)}; {id_of(1)}9x; GS-RULE\n")
    assert problems(root) == []


def test_a_duplicate(root: Path) -> None:
    define(root, 3, name="02-more.md")
    assert problems(root) == [
        f"{id_of(3)} is defined 2 times: spec/01-rules.md:7, spec/02-more.md:3"
    ]


def test_an_uncited_one(root: Path) -> None:
    define(root, 1, 2, 3, 4)
    assert problems(root) == [f"{id_of(4)} is not cited in protocol/guosuo: spec/01-rules.md:9"]


@pytest.mark.parametrize("place", ["tests/a.py", "docs/a.md", "protocol/guosuo/selftest/a.py"])
def test_a_citation_that_enforces_nothing(root: Path, place: str) -> None:
    define(root, 1, 2, 3, 4)
    plant(root, place, f"# {id_of(4)}\n")
    assert problems(root) == [f"{id_of(4)} is not cited in protocol/guosuo: spec/01-rules.md:9"]


def test_a_gap(root: Path) -> None:
    define(root, 2, 4)
    enforce(root, id_of(2), id_of(4))
    assert problems(root) == [f"{id_of(n)} is missing: RULE has higher numbers" for n in (1, 3)]


def test_areas_count_apart(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    define(root, 1, area="OTHER", name="02-more.md")
    enforce(root, id_of(1, "OTHER"), name="more.py")
    plant(root, "tests/a.py", f"# ({id_of(1)} and 3)\n")
    plant(root, "protocol/guosuo/selftest/a.py", f"# {id_of(1, 'OTHER')}\n")
    assert TOOL["main"]([str(root)]) == 0
    assert re.findall(r"(\d+) by tests", capsys.readouterr().out) == ["1", "2", "3"]


def test_a_specification_without_requirements(tmp_path: Path) -> None:
    assert problems(tmp_path) == ["spec/ defines no requirement"]


@pytest.mark.parametrize("part", PARTS, ids=[part.stem for part in PARTS])
def test_the_examples_of_the_specification_compute(part: Path) -> None:
    blocks = re.findall(r"^```pycon\n(.*?)^```$", part.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert bool(blocks) is (part.name != "README.md")
    example = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, part.name, str(part), 0)
    wrong: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(example, out=wrong.append)
    assert result.failed == 0, "".join(wrong)
