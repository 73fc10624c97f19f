"""Working through a directory of vector files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from guosuo.curve.points import Engine
from guosuo.curve.selection import get_engine
from guosuo.errors import GuosuoError
from guosuo.selftest import (
    base45,
    bbs_parts,
    bbs_proof,
    bbs_signature,
    bls12_381_eip2537,
    bls12_381_ethereum,
    bls12_381_points,
    bls12_381_wycheproof,
    cbor,
    ed25519,
    expand_message,
    hash_to_curve,
    merkle,
    status_list,
)
from guosuo.selftest.kinds import Case, Kind, Run
from guosuo.selftest.reading import (
    Document,
    MalformedError,
    MismatchError,
    NotRecognisedError,
    load,
)
from guosuo.selftest.report import Failure, FileResult, NotRecognised, Report, printable

KINDS: Final[tuple[Kind, ...]] = (
    *bbs_parts.KINDS,
    *bbs_signature.KINDS,
    *bbs_proof.KINDS,
    *hash_to_curve.KINDS,
    *expand_message.KINDS,
    *bls12_381_points.KINDS,
    *bls12_381_eip2537.KINDS,
    *bls12_381_ethereum.KINDS,
    *bls12_381_wycheproof.KINDS,
    *base45.KINDS,
    *cbor.KINDS,
    *ed25519.KINDS,
    *merkle.KINDS,
    *status_list.KINDS,
)

Progress = Callable[[int, int, str], None]
"""Called before each recognised file: files done, files in all, the file's name."""


@dataclass(frozen=True, slots=True)
class _Recognised:
    """A file of a known kind, not run yet."""

    file: str
    kind: Kind
    document: Document


def run_selftest(
    directory: Path, engine: Engine | None = None, progress: Progress | None = None
) -> Report:
    """Recognise and run every file under a directory (or one file), in a fixed order.

    `engine` is the fastest installed one unless given. Raises `CallerError` where
    no engine is to be had; nothing that a file contains raises anything.
    """
    run = Run(engine or get_engine())
    others: list[NotRecognised] = []
    recognised: list[_Recognised] = []
    for path in _files(directory):
        name = printable(path.relative_to(directory).as_posix() if path != directory else path.name)
        try:
            document = load(path)
            recognised.append(_Recognised(name, recognise(document), document))
        except NotRecognisedError as error:
            others.append(NotRecognised(name, "", str(error)))

    recognised.sort(key=lambda one: one.kind.late(one.document))
    results: list[FileResult] = []
    for done, one in enumerate(recognised):
        if progress is not None:
            progress(done, len(recognised), one.file)
        result = _run_file(one, run, others)
        if result is not None:
            results.append(result)
    results.sort(key=lambda result: result.file)
    others.sort(key=lambda other: (other.file, other.case))
    return Report(run.engine.name, tuple(results), tuple(others))


def recognise(document: Document) -> Kind:
    """The kind of a document: the one of which the fewest and rarest names are missing.

    Raises `NotRecognisedError` if it is of no kind.
    """
    found: list[tuple[int, int, int]] = []
    for index, kind in enumerate(KINDS):
        missing = kind.shape.fits(document)
        if missing is not None:
            found.append((missing, -kind.shape.weight, index))
    if not found:
        raise NotRecognisedError(
            "no text of a known syntax" if isinstance(document, bytes) else "of no known kind"
        )
    return KINDS[min(found)[2]]


def _files(directory: Path) -> Iterator[Path]:
    """Regular files, sorted; hidden ones and links to directories are left out."""
    if directory.is_file():
        yield directory
        return
    for folder, folders, names in os.walk(directory):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            if not name.startswith(".") and path.is_file():
                yield path


def _run_file(one: _Recognised, run: Run, others: list[NotRecognised]) -> FileResult | None:
    """Run all cases of a file. None if the file is of a suite that is not implemented."""
    whole: list[Case] = []

    def collect() -> None:
        whole.extend(one.kind.cases(one.document, run, one.file))

    def result(passed: int, failures: list[Failure]) -> FileResult:
        return FileResult(one.file, one.kind.family, one.kind.name, passed, tuple(failures))

    try:
        failure = _run_case(one.file, Case("the file", collect))
    except NotRecognisedError as error:
        others.append(NotRecognised(one.file, "", str(error), one.kind.family))
        return None
    if failure is None and not whole:
        failure = Failure(one.file, "the file", "at least one case", "none")
    if failure is not None:
        return result(0, [failure])

    passed = 0
    failures: list[Failure] = []
    for case in whole:
        try:
            failure = _run_case(one.file, case)
        except NotRecognisedError as error:
            name = printable(case.name)
            others.append(NotRecognised(one.file, name, str(error), one.kind.family))
            continue
        if failure is None:
            passed += 1
        else:
            failures.append(failure)
    if not passed and not failures:
        return None
    return result(passed, failures)


def _run_case(file: str, case: Case) -> Failure | None:
    """Run one case; None if it passed. `NotRecognisedError` comes through."""
    try:
        case.check()
    except NotRecognisedError:
        raise
    except MismatchError as error:
        expected, found = error.expected, error.found
    except MalformedError as error:
        expected, found = "a complete vector", str(error)
    except GuosuoError as error:
        expected, found = "no refusal", f"a refusal: {error}"
    except Exception as error:  # noqa: BLE001 - a crash of the library is what is looked for
        expected, found = "no crash", f"the library raised {type(error).__name__}"
    else:
        return None
    return Failure(file, printable(case.name), printable(expected), printable(found))
