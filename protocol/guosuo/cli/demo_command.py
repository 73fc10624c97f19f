"""The command around the demonstration: options, table, JSON."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from guosuo.cli import places
from guosuo.cli.demo import Demo, Report
from guosuo.curve.entropy import Entropy
from guosuo.curve.selection import get_engine
from guosuo.suite import Suite


def demo(
    out: Annotated[
        Path, typer.Option(help="Folder for records and pictures; replaced if a demo wrote it.")
    ] = Path("guosuo-demo"),
    engine: Annotated[
        str | None, typer.Option(help="Curve engine: pyblst, py_arkworks_bls12381 or py_ecc.")
    ] = None,
    codes: Annotated[
        bool, typer.Option("--codes/--no-codes", help="Print every QR code in the terminal too.")
    ] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the report as one JSON document instead.")
    ] = False,
) -> None:
    """Travellers of four regions cross into each other's, on real certificates."""
    console = Console(file=sys.stderr if as_json else sys.stdout, soft_wrap=True)
    suite = Suite.sha256(get_engine(engine))
    if not suite.engine.native:
        console.print("[yellow]py_ecc is the readable engine: expect many minutes.[/yellow]")
    story = Demo(suite, Entropy(os.urandom), out, console, codes=codes and not as_json)
    report = story.run()
    if as_json:
        typer.echo(report.to_json())
    else:
        console.print(_table(report))
        console.print(_summary(report), highlight=False)
    if not report.as_expected():
        raise typer.Exit(1)


def _table(report: Report) -> Table:
    table = Table(title="What the checkpoints said", title_justify="left")
    for heading in ("who", "home", "at", "when", "shown", "verdict"):
        table.add_column(heading)
    for heading in ("bytes", "QR version", "show ms", "verify ms"):
        table.add_column(heading, justify="right")
    for row in report.rows:
        good = row.verdict == row.expected
        table.add_row(
            row.who,
            places.label(row.home),
            places.label(row.gate),
            row.moment,
            row.shown,
            row.verdict if good else f"{row.verdict} (expected {row.expected})",
            str(row.octets),
            str(row.qr_version),
            f"{row.show_ms:.1f}",
            f"{row.verify_ms:.1f}",
            style=None if good else "red",
        )
    return table


def _summary(report: Report) -> str:
    sizes = {(row.octets, row.qr_version) for row in report.rows}
    tried = report.modified_wallet
    result = "all as the policies say" if report.as_expected() else "NOT ALL AS EXPECTED"
    return (
        f"{len(report.rows)} scans, {result}. Sizes seen: "
        + ", ".join(f"{octets} octets in version {version}" for octets, version in sorted(sizes))
        + f".\nModified wallet: {tried.get('attempts', 0)} attempts, "
        f"{tried.get('ACCEPT', 0)} accepted.\n"
        f"Engine {report.engine}, {report.seconds} s. Records and pictures: {report.folder}\n"
        "Every show is the same public fields and 736 octets of proof, whichever region,\n"
        "certificate or rule is behind it; a blank has the same size."
    )
