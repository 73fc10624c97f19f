"""Checks that requirement identifiers of the specification and citations of them agree.

    python tools/check_requirements.py [REPOSITORY]

A requirement is defined by a line of `spec/*.md` that begins with its identifier in
bold. A citation is an identifier anywhere else; one in brackets may go on with further
numbers of its area: "(GS-X-5, 6)", "(GS-X-1 to 4)". The rules:

1. Every requirement is defined once.
2. The numbers of an area run from 1 without a gap.
3. Every identifier cited in the library, tests, documents or specification is defined.
4. Every requirement is cited by the library, where it is enforced.

Prints counts. Exit code 1 with the list of what is wrong, 0 otherwise. How many
requirements a test cites is a number only.
"""

from __future__ import annotations

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

_ID = r"GS-([A-Z]+)-(\d+)"
_DEFINITION = re.compile(rf"^\*\*{_ID}\*\*", re.MULTILINE)
_CITATION = re.compile(rf"\b{_ID}((?:(?:,| to| and) \d+)+(?=\)))?\b")
_MORE = re.compile(r"(,| to| and) (\d+)")

LIBRARY = "protocol/guosuo"
SELFTEST = f"{LIBRARY}/selftest/"
"""Runs published vectors: what it cites it tests, and does not enforce."""
SUFFIXES = {".md", ".py"}

Id = tuple[str, int]


def definitions(root: Path) -> dict[Id, list[str]]:
    """Where each requirement is defined, as `file:line`."""
    found: dict[Id, list[str]] = defaultdict(list)
    for path in files(root, "spec"):
        text = path.read_text(encoding="utf-8")
        for match in _DEFINITION.finditer(text):
            found[_id(match)].append(_place(root, path, text, match))
    return found


def citations(root: Path, *folders: str) -> dict[Id, list[str]]:
    """Where each identifier is cited in these folders, as `file:line`."""
    found: dict[Id, list[str]] = defaultdict(list)
    for path in files(root, *folders):
        text = path.read_text(encoding="utf-8")
        defined = {match.start() + 2 for match in _DEFINITION.finditer(text)}
        for match in _CITATION.finditer(text):
            if path.suffix == ".md" and match.start() in defined:
                continue
            for cited in _cited(match):
                found[cited].append(_place(root, path, text, match))
    return found


def files(root: Path, *folders: str) -> Iterator[Path]:
    """Every Python and Markdown file of these folders, sorted."""
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in SUFFIXES and path.is_file():
                yield path


def problems(root: Path) -> list[str]:
    """One sentence for each rule that is broken, with the places."""
    defined = definitions(root)
    cited = citations(root, "protocol", "tests", "docs", "spec")
    enforced = _enforced(root)
    found = [
        f"{name(key)} is defined {len(places)} times: {', '.join(places)}"
        for key, places in sorted(defined.items())
        if len(places) > 1
    ]
    for area, numbers in _areas(defined).items():
        missing = sorted(set(range(1, max(numbers) + 1)) - numbers)
        found += [f"{name((area, n))} is missing: {area} has higher numbers" for n in missing]
    found += [
        f"{name(key)} is cited but not defined: {', '.join(places)}"
        for key, places in sorted(cited.items())
        if key not in defined
    ]
    found += [
        f"{name(key)} is not cited in {LIBRARY}: {defined[key][0]}"
        for key in sorted(defined.keys() - enforced)
    ]
    return found if defined else ["spec/ defines no requirement"]


def counts(root: Path) -> str:
    """A line for each area, and one for all."""
    defined = definitions(root)
    enforced = _enforced(root)
    tests = citations(root, "tests", SELFTEST)
    total: Counter[str] = Counter()
    lines = []
    for area, numbers in _areas(defined).items():
        keys = {(area, n) for n in numbers}
        row = Counter(
            requirements=len(keys), library=len(keys & enforced), tests=len(keys & tests.keys())
        )
        total += row
        lines.append(_row(area, row))
    return "\n".join([*lines, _row("all", total)])


def name(key: Id) -> str:
    """The identifier as text."""
    area, number = key
    return f"GS-{area}-{number}"


def main(arguments: list[str]) -> int:
    """Print counts and problems; the exit code."""
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parents[1]
    print(counts(root))
    found = problems(root)
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


def _enforced(root: Path) -> set[Id]:
    return {
        key
        for key, places in citations(root, LIBRARY).items()
        if any(not place.startswith(SELFTEST) for place in places)
    }


def _areas(keys: Iterable[Id]) -> dict[str, set[int]]:
    areas: dict[str, set[int]] = defaultdict(set)
    for area, number in keys:
        areas[area].add(number)
    return dict(sorted(areas.items()))


def _cited(match: re.Match[str]) -> Iterator[Id]:
    area, last = _id(match)
    yield area, last
    for word, digits in _MORE.findall(match[3] or ""):
        number = int(digits)
        yield from ((area, n) for n in range(last + 1 if word == " to" else number, number + 1))
        last = number


def _id(match: re.Match[str]) -> Id:
    return match[1], int(match[2])


def _place(root: Path, path: Path, text: str, match: re.Match[str]) -> str:
    line = text.count("\n", 0, match.start()) + 1
    return f"{path.relative_to(root).as_posix()}:{line}"


def _row(title: str, row: Counter[str]) -> str:
    return (
        f"{title:8} {row['requirements']:3} requirements,"
        f" {row['library']:3} cited by the library, {row['tests']:3} by tests"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
