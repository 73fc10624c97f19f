"""`guosuo simulate`: the federation's rules in virtual time."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from guosuo.cli.common import refuse_existing, write_new
from guosuo.errors import CallerError, Reason
from guosuo.simulate.histories import check, history
from guosuo.simulate.plot import measure, svg
from guosuo.simulate.run import (
    ELSEWHERE,
    HOME,
    WRONGLY_ACCEPTED,
    WRONGLY_REFUSED,
    Outcome,
    run,
)
from guosuo.simulate.scenarios import SCENARIOS, Scenario, broken

EXAMPLE = "Example: guosuo simulate batch-five-days --members 4"
_SIZES = (2, 4, 31)
_PLACES = (HOME, ELSEWHERE)
_MOST_HISTORIES = 100_000


def simulate(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[SCENARIO]...", help="Names of scenarios.")
    ] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All scenarios.")] = False,
    histories: Annotated[
        int, typer.Option("--random", metavar="N", help="Random histories of one region.", min=0)
    ] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Of the first random history.", min=0)] = 1,
    members: Annotated[
        list[int] | None,
        typer.Option("--members", help="2, 4 or 31; all that a scenario knows if not given."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE", help="Draw latency and tolerance (.svg)."),
    ] = None,
) -> None:
    """Run the federation's rules in virtual time and count person-hours.

    Judge, list schedule, clockwork, and the timing rules of wallets and checkpoints are the
    real ones; signatures are symbols. Prints for each scenario how many person-hours
    people were wrongly refused and wrongly accepted at home and elsewhere, and checks what is
    expected of it. Without anything to do, lists the scenarios. Ends with 1 if an
    expectation is broken.
    """
    chosen = _chosen(names or [], everything=everything)
    if any(size not in _SIZES for size in members or []):
        raise CallerError(Reason.ARGUMENT, "--members is 2, 4 or 31")
    if histories > _MOST_HISTORIES:
        raise CallerError(Reason.ARGUMENT, "that many random histories at once are not run")
    if plot is not None:
        if plot.suffix != ".svg":
            raise CallerError(Reason.ARGUMENT, "the drawing is an SVG file: name it *.svg")
        refuse_existing(plot)
    document: dict[str, Any] = {}
    console = Console(stderr=as_json)
    lines = []
    if chosen:
        document["scenarios"] = rows = _scenarios(chosen, members)
        lines += _show_scenarios(rows, console)
    if histories:
        document["histories"] = rows = _histories(histories, seed, members or [4])
        lines += _show_histories(rows, console)
    if plot is not None:
        found = measure()
        write_new(plot, svg(found).encode())
        document["plot"] = str(plot)
        document["measured"] = {
            "latency": found.latency,
            "wallet": found.wallet,
            "checkpoint": found.checkpoint,
        }
        console.print(
            f"suspension {found.latency[0]:.2f} to {found.latency[1]:.2f} E, wallet offline "
            f"{found.wallet[0]:.2f} to {found.wallet[1]:.2f} E, checkpoint offline "
            f"{found.checkpoint:.1f} E"
        )
    if not document:
        document["known"] = {scenario.name: scenario.text for scenario in SCENARIOS}
        _list(console)
    if as_json:
        typer.echo(json.dumps(document | {"broken": lines}, ensure_ascii=False, indent=2))
    for line in lines:
        console.print(line, style="red", markup=False, highlight=False)
    raise typer.Exit(1 if lines else 0)


def _chosen(names: Sequence[str], *, everything: bool) -> list[Scenario]:
    if everything:
        return list(SCENARIOS)
    known = {scenario.name: scenario for scenario in SCENARIOS}
    if any(name not in known for name in names):
        raise CallerError(Reason.ARGUMENT, "no such scenario; `guosuo simulate` lists them")
    return [known[name] for name in names]


def _scenarios(chosen: Sequence[Scenario], members: Sequence[int] | None) -> list[dict[str, Any]]:
    work = [(s, n) for s in chosen for n in s.sizes if not members or n in members]
    rows = []
    with _progress() as bar:
        task = bar.add_task("scenarios", total=len(work))
        for scenario, size in work:
            bar.update(task, description=f"{scenario.name}, {size} members")
            outcome = run(scenario.tell(size))
            rows.append(
                {
                    "scenario": scenario.name,
                    "text": scenario.text,
                    "members": size,
                    "person_hours": _totals(outcome),
                    "hours": _hours(outcome),
                    "shelter": sorted({e.shelter for e in scenario.expected(size) if e.shelter}),
                    "broken": broken(scenario, size, outcome),
                }
            )
            bar.advance(task)
    return rows


def _histories(count: int, seed: int, members: Sequence[int]) -> list[dict[str, Any]]:
    rows = []
    with _progress() as bar:
        task = bar.add_task("random histories", total=count * len(members))
        for size in members:
            for number in range(seed, seed + count):
                told = history(number, size)
                outcome, lines = check(told)
                rows.append(
                    {
                        "seed": number,
                        "members": size,
                        "deeds": list(told.deeds),
                        "person_hours": _totals(outcome),
                        "broken": lines,
                    }
                )
                bar.advance(task)
    return rows


def _progress() -> Progress:
    return Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())


def _totals(outcome: Outcome) -> dict[str, int]:
    return {
        f"{what}_{place}": round(outcome.total(what, place))
        for what in (WRONGLY_REFUSED, WRONGLY_ACCEPTED)
        for place in _PLACES
    }


def _hours(outcome: Outcome) -> list[dict[str, Any]]:
    return [
        {
            "group": group,
            "people": outcome.people[group],
            "checkpoints": kind,
            "what": what,
            "where": place,
            "hours_per_person": round(hours, 2),
            "first_at_hour": round(outcome.first[group, kind, what, place], 2),
        }
        for (group, kind, what, place), hours in sorted(outcome.hours.items())
    ]


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, no_wrap=True)
    for heading in ("refused home", "elsewhere", "accepted home", "elsewhere"):
        table.add_column(heading, justify="right")
    table.add_column("as expected")
    return table


def _cells(row: dict[str, Any]) -> list[str]:
    verdict = "[red]no[/red]" if row["broken"] else "yes"
    if not row["broken"] and row.get("shelter"):
        verdict = "yes, without shelter"
    return [*(f"{hours:,}" for hours in row["person_hours"].values()), verdict]


def _show_scenarios(rows: Sequence[dict[str, Any]], console: Console) -> list[str]:
    table = _table("Person-hours wrongly refused and accepted", "scenario", "members")
    for row in rows:
        table.add_row(row["scenario"], str(row["members"]), *_cells(row))
    console.print(table)
    for text in sorted({text for row in rows for text in row["shelter"]}):
        console.print(f"without shelter, victims of a lasting hold are refused; with it: {text}")
    return [
        f"{row['scenario']}, {row['members']} members: {line}"
        for row in rows
        for line in row["broken"]
    ]


def _show_histories(rows: Sequence[dict[str, Any]], console: Console) -> list[str]:
    good = sum(not row["broken"] for row in rows)
    console.print(f"{good} of {len(rows)} random histories keep the rules")
    return [
        f"history {row['seed']}, {row['members']} members ({', '.join(row['deeds'])}): {line}"
        for row in rows
        for line in row["broken"]
    ]


def _list(console: Console) -> None:
    table = Table(title="Scenarios", title_justify="left")
    table.add_column("name", no_wrap=True)
    table.add_column("what happens")
    for scenario in SCENARIOS:
        table.add_row(scenario.name, scenario.text)
    console.print(table)
