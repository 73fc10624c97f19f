"""What a run of the self-test found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

PASSED: Final = 0
FAILED: Final = 1
NOTHING_RECOGNISED: Final = 2
"""Exit codes; 2 is also that of misuse."""

_LONGEST_TEXT: Final = 200

Document: TypeAlias = "bool | int | str | list[Document] | dict[str, Document] | None"


class Family(StrEnum):
    """The families of vectors, in the order in which they are shown."""

    BBS = "bbs"
    HASH_TO_CURVE = "hash-to-curve"
    EXPAND_MESSAGE = "expand-message"
    BLS12_381 = "bls12-381"
    BASE45 = "base45"
    CBOR = "cbor"
    ED25519 = "ed25519"
    MERKLE = "merkle"
    STATUS_LIST = "status-list"


@dataclass(frozen=True, slots=True)
class Failure:
    """A case on which library and vector disagree."""

    file: str
    case: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class FileResult:
    """A recognised file: how many of its cases passed, and those that failed."""

    file: str
    family: Family
    kind: str
    passed: int
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class NotRecognised:
    """A file that was not run, or one case of it."""

    file: str
    case: str
    """Empty for the whole file."""
    reason: str
    family: Family | None = None
    """Of files that were known and left alone; None for foreign ones."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Files, cases of both outcomes, and files or cases left alone, of one family."""

    files: int
    passed: int
    failed: int
    not_recognised: int


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a run found; `exit_code` is what the command ends with."""

    engine: str
    files: tuple[FileResult, ...]
    not_recognised: tuple[NotRecognised, ...]

    @property
    def passed(self) -> int:
        """Cases that passed."""
        return sum(file.passed for file in self.files)

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Cases that failed, file by file."""
        return tuple(failure for file in self.files for failure in file.failures)

    @property
    def exit_code(self) -> int:
        """0: all passed; 1: something failed; 2: nothing was run."""
        if self.failures:
            return FAILED
        return PASSED if self.passed else NOTHING_RECOGNISED

    def counts(self, family: Family) -> Counts:
        """Totals of one family."""
        files = [file for file in self.files if file.family is family]
        return Counts(
            len(files),
            sum(file.passed for file in files),
            sum(len(file.failures) for file in files),
            sum(other.family is family for other in self.not_recognised),
        )

    def document(self) -> Document:
        """The report for machines, as `--json` prints it."""
        families: dict[str, Document] = {}
        for family in Family:
            counts = self.counts(family)
            families[family.value] = {
                "files": counts.files,
                "passed": counts.passed,
                "failed": counts.failed,
                "not_recognised": counts.not_recognised,
            }
        failures: list[Document] = [
            {"file": f.file, "case": f.case, "expected": f.expected, "found": f.found}
            for f in self.failures
        ]
        others: list[Document] = [
            {"file": n.file, "case": n.case, "reason": n.reason} for n in self.not_recognised
        ]
        return {
            "engine": self.engine,
            "families": families,
            "files": len(self.files),
            "passed": self.passed,
            "failed": len(self.failures),
            "not_recognised": len(self.not_recognised),
            "failures": failures,
            "others": others,
        }


def printable(text: str) -> str:
    """Text of a vector file for a terminal: one line, no control characters, bounded."""
    line = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return line if len(line) <= _LONGEST_TEXT else line[: _LONGEST_TEXT - 1] + "…"
