"""The command around the demonstration: options, table, JSON."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from guosuo.cli import places
from guosuo.cli.demo import Demo
from guosuo.cli.demo_report import Report
from guosuo.cli.demo_story import SUSPENDED
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
    *,
    files: Annotated[
        bool, typer.Option("--files", help="As it is told anyway, without the node.", hidden=True)
    ] = True,
    codes: Annotated[
        bool, typer.Option("--codes/--no-codes", help="Print every QR code in the terminal too.")
    ] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the report as one JSON document instead.")
    ] = False,
) -> None:
    """Travellers of four regions cross into each other's, on real certificates."""
    del files  # where nodes are installed, this chooses this story
    console = Console(file=sys.stderr if as_json else sys.stdout, soft_wrap=True)
    suite = Suite.sha256(get_engine(engine))
    if not suite.engine.native:
        console.print("[yellow]py_ecc is the readable engine: expect many minutes.[/yellow]")
    story = Demo(suite, Entropy(os.urandom), out, console, codes=codes and not as_json)
    tell(story.run(), console, as_json=as_json)


def tell(report: Report, console: Console, *, as_json: bool) -> None:
    """Print a report; exit code 1 if something was not as the policies say."""
    if as_json:
        typer.echo(report.to_json())
    else:
        for moment in ("before", "after"):
            console.print(report_table(report, moment))
        console.print(_summary(report), highlight=False)
    if not report.as_expected():
        raise typer.Exit(1)


def report_table(report: Report, moment: str) -> Table:
    """The scans of one half of the story."""
    table = Table(
        title=f"What checkpoints said, {moment} the suspension (times in ms)",
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    for heading in ("who", "crosses", "shown", "verdict"):
        table.add_column(heading, no_wrap=True)
    for heading in ("bytes", "QR", "show", "verify"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in report.rows:
        if row.moment != moment:
            continue
        good = row.verdict == row.expected
        table.add_row(
            row.who,
            f"{places.PROVINCES[row.home][0]} → {places.PROVINCES[row.gate][0]}",
            row.shown,
            row.verdict if good else f"{row.verdict}, not {row.expected}",
            str(row.octets),
            str(row.qr_version),
            f"{row.show_ms:.1f}",
            f"{row.verify_ms:.1f}",
            style=None if good else "red",
        )
    return table


def _summary(report: Report) -> str:
    sizes = {(row.octets, row.qr_version) for row in report.rows}
    tried = "; ".join(
        f"{name} ({'suspended' if name == SUSPENDED else 'lawful'}) "
        f"{counts['attempts']} attempts, {counts.get('ACCEPT', 0)} accepted"
        for name, counts in report.modified_wallets.items()
    )
    result = "all as the policies say" if report.as_expected() else "NOT ALL AS EXPECTED"
    return (
        f"{len(report.rows)} scans, {result}. Sizes seen: "
        + ", ".join(f"{octets} octets in version {version}" for octets, version in sorted(sizes))
        + f".\nModified wallets: {tried}.\n"
        f"Engine {report.engine}, {report.seconds} s. Records and pictures: {report.folder}\n"
        f"What a checkpoint sees: {report.seen}\n"
        "and 736 octets of proof: the same for every region, certificate and rule, and for blanks."
    )
