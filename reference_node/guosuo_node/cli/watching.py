"""`guosuo federation members` and `watch`."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from guosuo.cli.common import Desk, JsonOption, printable, read_file, time_text
from guosuo.cli.nodes import CA_VARIABLE
from guosuo.client.directory import NodeInfo, RegionStatus
from guosuo.errors import CallerError, GuosuoError, Reason
from guosuo.federation.charter import Federation
from guosuo_node.cli import reaching, status
from guosuo_node.cli.reaching import Target

MEMBERS_EXAMPLE: Final = "Example: guosuo federation members charter.cbor"
WATCH_EXAMPLE: Final = "Example: guosuo federation watch gd"
_PASSING: Final = {Reason.NODE_UNREACHABLE, Reason.NODE_REFUSED}
"""What is waited for to end while watching."""


def members(
    charter: Annotated[
        Path, typer.Argument(metavar="CHARTER|HOME", help="A charter, or a node that has one.")
    ],
    *,
    as_json: JsonOption = False,
) -> None:
    """Who belongs to a federation: regions, witnesses, organisations, and what is agreed."""
    desk = Desk.open(None, None, as_json)
    federation = reaching.federation_of(charter)
    made, numbers = federation.charter, federation.charter.parameters
    desk.say(f"Federation {federation.id.hex()}")
    desk.say(
        f"{made.environment.value}, charter version {made.version}; epochs of "
        f"{numbers.epoch_seconds} s since {time_text(numbers.epoch_zero)}; "
        f"{federation.cosignatures} of {len(federation.witness_keys)} witnesses have to cosign"
    )
    if federation.is_development:
        desk.say("It has fewer than four witnesses: for development only.", "yellow")
    if not as_json:
        desk.console.print(_members(federation))
    desk.result(**_plain(federation))


def _members(federation: Federation) -> Table:
    made = Table()
    for column in ("name", "what", "called", "nodes", "for everybody"):
        made.add_column(column, overflow="fold")
    for member in federation.charter.members:
        name, nodes, public = member.name(), member.endpoints or (), member.public or ()
        made.add_row(
            member.region,
            "region",
            Text(printable(name)),
            Text(" ".join(map(printable, nodes))),
            Text(" ".join(map(printable, public))),
        )
    for witness in federation.charter.witnesses or ():
        made.add_row(
            witness.name,
            "witness",
            Text(printable(witness.operator)),
            Text(printable(witness.endpoint or "")),
            "",
        )
    return made


def _plain(federation: Federation) -> dict[str, Any]:
    made, numbers = federation.charter, federation.charter.parameters
    return {
        "federation": federation.id.hex(),
        "version": made.version,
        "environment": made.environment.value,
        "development": federation.is_development,
        "cosignatures": federation.cosignatures,
        "epoch_seconds": numbers.epoch_seconds,
        "epoch_zero": numbers.epoch_zero,
        "members": [
            {
                "region": member.region,
                "name": member.name(),
                "endpoints": list(member.endpoints or ()),
                "public": list(member.public or ()),
            }
            for member in made.members
        ],
        "witnesses": [
            {"name": one.name, "operator": one.operator, "endpoint": one.endpoint}
            for one in made.witnesses or ()
        ],
        "organisations": [
            {"organisation": one.organisation, "region": one.region, "group": one.group}
            for one in made.organisations or ()
        ],
    }


def watch(
    home: Annotated[
        Path | None,
        typer.Argument(metavar="[HOME]", help="A node's directory.", show_default=False),
    ] = None,
    *,
    node: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Any node, by its public port.", show_default=False),
    ] = None,
    ca: Annotated[
        Path | None,
        typer.Option(
            envvar=CA_VARIABLE,
            metavar="PATH",
            help="With --node: the authority of its certificate (PEM).",
            show_default=False,
        ),
    ] = None,
    every: Annotated[
        float, typer.Option(min=0.2, max=3600.0, metavar="SECONDS", help="Between two looks.")
    ] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Look once and stop.")] = False,
    as_json: JsonOption = False,
) -> None:
    """The regions as one node sees them, live; Ctrl-C ends it.

    With --json one document for each look, a line each.
    """
    target = _target(home, node, ca)
    desk = Desk.open(None, None, as_json)
    if once or as_json:
        _lines(desk, target, every, once=once)
        return
    shown: RenderableType = Text("…")
    # The table is drawn in place, and the cursor is given back however this ends.
    with Live(shown, console=desk.console, auto_refresh=False) as live:
        while True:
            try:
                shown = _view(target, *target.ask(reaching.survey))
            except CallerError as error:
                if error.reason not in _PASSING:
                    raise
                live.update(Group(shown, Text(error.hint, style="red")), refresh=True)
            else:
                live.update(shown, refresh=True)
            time.sleep(every)


def _lines(desk: Desk, target: Target, every: float, *, once: bool) -> None:
    while True:
        try:
            info, regions = target.ask(reaching.survey)
        except GuosuoError as error:
            if once:
                raise
            typer.echo(json.dumps({"error": {"reason": error.reason.value}}))
        else:
            if desk.as_json:
                typer.echo(json.dumps(_document(info, regions), ensure_ascii=False))
            else:
                desk.console.print(_view(target, info, regions))
        if once:
            return
        time.sleep(every)


def _document(info: NodeInfo, regions: tuple[RegionStatus, ...]) -> dict[str, Any]:
    return {
        "node": info.region,
        "epoch": info.epoch,
        "leader": info.leader,
        "waiting": info.waiting,
        "time_ms": info.time_ms,
        "regions": [status.row(one) for one in regions],
    }


def _view(target: Target, info: NodeInfo, regions: tuple[RegionStatus, ...]) -> Table:
    now = info.time_ms // 1000
    who = info.region or "a witness"
    title = f"{target.place} ({who}), epoch {info.epoch}, {time_text(now)}"
    if info.waiting:
        title += f" – waits: {info.waiting}"
    return status.table(regions, now, title=printable(title))


def _target(home: Path | None, node: str | None, ca: Path | None) -> Target:
    if (home is None) is (node is None):
        hint = "name a node's directory, or a node by --node HOST:PORT and --ca"
        raise CallerError(Reason.ARGUMENT, hint)
    if home is not None:
        return Target.own(reaching.existing(home))
    if node is None or ca is None:
        hint = f"say whom to trust for the node's certificate: --ca PATH, or {CA_VARIABLE}"
        raise CallerError(Reason.ARGUMENT, hint)
    return Target(node, read_file(ca))
