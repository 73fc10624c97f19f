"""`guosuo selftest DIR`: published test vectors through the library on this machine."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from guosuo.curve.selection import get_engine
from guosuo.errors import CallerError, Reason
from guosuo.selftest.report import NOTHING_RECOGNISED, Family, Report
from guosuo.selftest.run import run_selftest

_SHOWN_FAILURES: Final = 5
"""Failures that are listed without `--verbose`."""


def selftest(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder with vector files, however arranged.")
    ],
    *,
    engine: Annotated[
        str | None, typer.Option("--engine", help="Curve engine instead of the fastest one.")
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="List every failure and every other file.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Run published test vectors that are found under a folder.

    Files are recognised by their content: BBS fixtures of both suites, hash to
    curve, expand_message, BLS12-381, Base45, CBOR, Ed25519, Merkle trees with
    their notes and tiles, and status lists. Ends with 0 if all cases passed, 1 if
    one failed, 2 if nothing was recognised or the call was wrong.
    """
    if not directory.exists():
        raise CallerError(Reason.ARGUMENT, "there is no such folder of vectors")
    chosen = get_engine(engine)
    problems = Console(stderr=True)

    with Progress(console=problems, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("vectors", total=None)

        def advance(done: int, total: int, file: str) -> None:
            bar.update(task, completed=done, total=total, description=escape(file))

        report = run_selftest(directory, chosen, advance)

    if as_json:
        typer.echo(json.dumps(report.document(), ensure_ascii=False, indent=2))
    else:
        _show(report, Console(), verbose=verbose)
    if report.exit_code == NOTHING_RECOGNISED:
        problems.print("No test vectors were recognised.")
    raise typer.Exit(report.exit_code)


def _show(report: Report, console: Console, *, verbose: bool) -> None:
    table = Table(title=f"Self-test on {escape(report.engine)}", title_justify="left")
    table.add_column("vectors")
    for heading in ("files", "passed", "failed", "not recognised"):
        table.add_column(heading, justify="right")
    for family in Family:
        counts = report.counts(family)
        numbers = (counts.files, counts.passed, counts.failed, counts.not_recognised)
        table.add_row(family.value, *(str(number) for number in numbers))
    foreign = sum(other.family is None for other in report.not_recognised)
    table.add_row("other files", "", "", "", str(foreign))
    totals = (len(report.files), report.passed, len(report.failures), len(report.not_recognised))
    table.add_section()
    table.add_row("all", *(str(number) for number in totals), style="bold")
    console.print(table)
    _show_others(report, console, verbose=verbose)
    _show_failures(report, console, verbose=verbose)


def _show_others(report: Report, console: Console, *, verbose: bool) -> None:
    console.print(f"not recognised: {len(report.not_recognised)}")
    if verbose:
        for other in report.not_recognised:
            place = f"{other.file} {other.case}".rstrip()
            console.print(f"  {escape(place)}: {other.reason}", soft_wrap=True, highlight=False)
        return
    for reason, count in Counter(other.reason for other in report.not_recognised).most_common():
        console.print(f"  {count:4} {reason}", soft_wrap=True, highlight=False)


def _show_failures(report: Report, console: Console, *, verbose: bool) -> None:
    shown = report.failures if verbose else report.failures[:_SHOWN_FAILURES]
    for failure in shown:
        lines = (
            f"[red]failed[/red] {escape(failure.file)}: {escape(failure.case)}",
            f"  expected {escape(failure.expected)}",
            f"  found    {escape(failure.found)}",
        )
        for line in lines:
            console.print(line, soft_wrap=True, highlight=False)
    if len(shown) < len(report.failures):
        console.print(f"… and {len(report.failures) - len(shown)} more: --verbose lists them.")
