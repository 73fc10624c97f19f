"""`guosuo checkpoint`: the device at a gate, on files.

It decides with the public files of its own region and asks nobody. What it remembers,
tags of accepted codes above all, is in the file that `--state` names.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.align import Align
from rich.panel import Panel
from rich.text import Text

from guosuo.cli.common import (
    Desk,
    EngineOption,
    FederationOption,
    JsonOption,
    NowOption,
    advising,
    printable,
    read_code,
    refuse_other_than_picture,
    time_text,
    write_code,
)
from guosuo.cli.parties import AtOption, find_checkpoint, names_text
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.federation.entries import CheckpointInfo
from guosuo.host.checkpoint_file import CheckpointFile, Device
from guosuo.host.directory import FederationDirectory
from guosuo.host.lock import exclusive
from guosuo.presentation.frame import Poster
from guosuo.presentation.setting import Mode
from guosuo.roles.checkpoint import CheckpointState
from guosuo.roles.verdict import Cause, Notice, Outcome, Verdict

app = typer.Typer(
    help="The device at a gate: its poster or challenge, and its verdicts.",
    no_args_is_help=True,
)

EXIT_CODES: Final = {Verdict.ACCEPT: 0, Verdict.NOT_SATISFIED: 1, Verdict.CANNOT_DECIDE: 4}

_LOOKS: Final = {
    Verdict.ACCEPT: "bold white on green",
    Verdict.NOT_SATISFIED: "bold white on red",
    Verdict.CANNOT_DECIDE: "bold black on yellow",
}
_TO_DO: Final[dict[Cause | Notice | None, str]] = {
    Cause.DEVICE: "This device has no list or no policy in force, or its clock is wrong: bring it "
    "the region's present bundle (guosuo region bundle) and check the clock.",
    Cause.AGAIN: "The code was made for another moment, place or list: ask for a fresh one.",
    Cause.CODE: "No Guosuo code could be read: hold the picture still, whole and bright, alone.",
    Notice.ALREADY_SEEN: "This very code was accepted a moment ago.",
    Notice.REPLAY: "The same holder was accepted here a moment ago, with another code.",
}

OutOption = Annotated[
    Path | None,
    typer.Option(metavar="PATH", help="Write the code as a PNG picture.", show_default=False),
]
StateOption = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH",
        help="The checkpoint's memory; made if missing, and then the first minute is waited out.",
        show_default=False,
    ),
]


@app.command(
    "poster",
    epilog="Example: guosuo checkpoint poster --federation fed --at 360000/station-1 "
    "--state gate.state --out poster.png",
)
def poster(
    *,
    federation: FederationOption,
    at: AtOption,
    out: OutOption = None,
    state: StateOption = None,
    now: NowOption = None,
    engine: EngineOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the poster for a gate; with --state, set the checkpoint up as well."""
    desk = Desk.open(now, engine, as_json)
    refuse_other_than_picture(out)
    records = desk.federation(federation)
    region, info = find_checkpoint(records.view, at)
    ready = None
    if state is not None:
        with open_device(desk, records, region, info, state, Mode.BROADCAST) as device:
            ready = device.state.quiet_until * records.federation.clock.tick_seconds
    invitation = Poster(region=region, checkpoint=info.checkpoint, policy=info.policy)
    desk.say(f"{names_text(info.names)}, {info.place}: policy {info.policy}", "bold")
    write_code(desk, invitation.text(), out, scale=12)
    if ready is not None and ready > desk.now:
        desk.say(f"The checkpoint is set up; it takes codes from {time_text(ready)} on.")
    desk.result(
        region=region,
        checkpoint=info.checkpoint,
        policy=info.policy,
        text=invitation.text(),
        picture=str(out) if out else None,
        ready=ready,
    )


@app.command(
    "challenge",
    epilog="Example: guosuo checkpoint challenge --federation fed --at 360000/desk-2 "
    "--state desk.state --out challenge.png",
)
def challenge(
    *,
    federation: FederationOption,
    at: AtOption,
    state: Annotated[Path, typer.Option(metavar="PATH", help="The checkpoint's memory.")],
    out: OutOption = None,
    now: NowOption = None,
    engine: EngineOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw a fresh challenge, for one code within half a minute; it ends the one before.

    A checkpoint works by challenges or by its poster, each with a memory of its own.
    """
    desk = Desk.open(now, engine, as_json)
    refuse_other_than_picture(out)
    records = desk.federation(federation)
    region, info = find_checkpoint(records.view, at)
    with open_device(desk, records, region, info, state, Mode.CHALLENGE) as device:
        drawn = device.challenge(desk.now, desk.entropy)
    until = (drawn.tick + 2) * records.federation.clock.tick_seconds
    desk.say(f"{names_text(info.names)}, {info.place}: policy {info.policy}", "bold")
    write_code(desk, drawn.text(), out, scale=8)
    desk.say(f"An answer counts until {time_text(until)}.")
    desk.result(
        region=region,
        checkpoint=info.checkpoint,
        policy=info.policy,
        tick=drawn.tick,
        valid_until=until,
        text=drawn.text(),
        picture=str(out) if out else None,
    )


@app.command(
    "verify",
    epilog="Example: guosuo checkpoint verify show.png --federation fed "
    "--at 360000/station-1 --state gate.state",
)
def verify(
    code: Annotated[
        str,
        typer.Argument(
            metavar="IMAGE_OR_TEXT",
            help="The holder's code: a picture, its text, or - for a scanner that types.",
        ),
    ],
    *,
    federation: FederationOption,
    at: AtOption,
    state: StateOption = None,
    now: NowOption = None,
    engine: EngineOption = None,
    as_json: JsonOption = False,
) -> None:
    """Decide about a holder's code: ACCEPT (exit code 0), NOT_SATISFIED (1), CANNOT_DECIDE (4).

    With --state the checkpoint remembers codes that it accepted, so that one shown twice
    is noticed; without it nothing is remembered.
    """
    desk = Desk.open(now, engine, as_json)
    records = desk.federation(federation)
    region, info = find_checkpoint(records.view, at)
    text = _scan(code)
    if state is None:
        desk.warn("Without --state a code that is shown twice is not noticed.")
        device = passing_device(records, region, info)
        outcome = device.verify(text, desk.now, desk.entropy)
    else:
        with open_device(desk, records, region, info, state, None) as device:
            outcome = device.verify(text, desk.now, desk.entropy)
    _display(desk, outcome)
    desk.result(
        verdict=outcome.verdict.value,
        cause=outcome.cause.value if outcome.cause else None,
        notice=outcome.notice.value if outcome.notice else None,
    )
    raise typer.Exit(EXIT_CODES[outcome.verdict])


def passing_device(records: FederationDirectory, region: str, info: CheckpointInfo) -> Device:
    """A checkpoint without a memory, up to date."""
    device = Device(records.federation, CheckpointState(region, info.checkpoint, info.policy))
    device.follow(records.regions[region].entries(), info.policy)
    return device


@contextmanager
def open_device(
    desk: Desk,
    records: FederationDirectory,
    region: str,
    info: CheckpointInfo,
    path: Path,
    mode: Mode | None,
) -> Iterator[Device]:
    """The checkpoint with its memory, up to date, and saved when the body is through.

    `mode`: what it must work by; None takes it as it is, a new one by its poster.
    """
    store = CheckpointFile(records.federation, path)
    wanted = Mode.BROADCAST if mode is None else mode
    with exclusive(path):
        with advising("name another with --state, or move it away"):
            device = store.start(region, info.checkpoint, info.policy, wanted, desk.now)
        if mode is not None and device.state.mode is not mode:
            hint = "this checkpoint works the other way, poster or challenge; name another --state"
            raise CallerError(Reason.STATE, hint)
        device.follow(records.regions[region].entries(), info.policy)
        yield device
        store.save(device)


def _scan(code: str) -> str:
    """The text of the code; nothing, which no code is, for a picture without exactly one."""
    try:
        return read_code(code)
    except PeerError as error:
        if error.reason is not Reason.QR_PICTURE:
            raise
        return ""


def _display(desk: Desk, outcome: Outcome) -> None:
    """Big, in its colour, and below it what to do."""
    if desk.as_json:
        return
    words = Text(printable(str(outcome)), style=_LOOKS[outcome.verdict])
    panel = Panel(
        Align.center(words, vertical="middle"), style=_LOOKS[outcome.verdict], height=5, width=44
    )
    desk.console.print(panel)
    advice = _TO_DO.get(outcome.cause or outcome.notice)
    if advice is not None:
        desk.say(advice)
