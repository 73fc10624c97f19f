"""`guosuo region`: what a region does, on files.

Founding is in `cli.founding`, the counter in `cli.counter`, the gate bundle in
`cli.bundle`; here are the commands, the epoch, and orders.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from guosuo.cli import bundle, counter, founding
from guosuo.cli.common import (
    Desk,
    EngineOption,
    JsonOption,
    KeyFileOption,
    NowOption,
    advising,
    open_secret,
    time_text,
)
from guosuo.cli.parties import (
    AllOption,
    CodeArgument,
    OptionalCodeArgument,
    RootArgument,
    chosen_regions,
    region_label,
)
from guosuo.errors import CallerError, Reason
from guosuo.federation.charter import Federation
from guosuo.federation.clock import KEY_EPOCHS
from guosuo.federation.entries import Action, EpochEntry, OrderReason
from guosuo.federation.records import Append, Kind
from guosuo.host.region import RegionHost, at_work

app = typer.Typer(
    help="Found regions, enrol people, turn epochs, publish what gates and wallets need.",
    no_args_is_help=True,
)
app.command("init", epilog=founding.EXAMPLE)(founding.init)
app.command("issue", epilog=counter.EXAMPLE)(counter.issue)
app.command("bundle", epilog=bundle.EXAMPLE)(bundle.bundle)


# --- epochs -----------------------------------------------------------------------------


@app.command("turn-epoch", epilog="Example: guosuo region turn-epoch fed --all")
def turn_epoch(
    directory: RootArgument,
    code: OptionalCodeArgument = None,
    *,
    everyone: AllOption = False,
    epoch: Annotated[
        int | None,
        typer.Option(min=0, help="Another epoch than that of now.", show_default=False),
    ] = None,
    key_file: KeyFileOption = None,
    now: NowOption = None,
    engine: EngineOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw the key of an epoch, sign every slot that is in force, publish the board.

    An epoch may be turned from a quarter of an epoch before its beginning to the end of
    the one after it. One that was turned already is left as it is.
    """
    desk = Desk.open(now, engine, as_json)
    records = desk.federation(directory)
    regions = chosen_regions(records.federation, code, everyone=everyone)
    number = _due(records.federation, epoch, desk.now)
    secret = open_secret(key_file, what="the region")
    rows: list[dict[str, Any]] = []
    for region in regions:
        with at_work(records, region, secret, desk.entropy) as host:
            entry = _turn(host, number, desk)
        done = "turned already" if entry is None else f"{entry.active} of {entry.allotted} signed"
        desk.say(f"{region_label(records.federation, region)}: epoch {number}, {done}")
        rows.append(
            {"region": region, "epoch": number, "turned": entry is not None}
            | ({"active": entry.active, "allotted": entry.allotted} if entry else {})
        )
    following = records.federation.clock.start(number + 1)
    desk.say(f"The next epoch begins at {time_text(following)}.")
    desk.result(epoch=number, next_epoch=following, regions=rows)


def _due(federation: Federation, epoch: int | None, now: int) -> int:
    clock = federation.clock
    current = clock.epoch_at(now)
    if epoch is None:
        return current
    if now < clock.start(epoch) - clock.epoch_seconds // 4:
        when = time_text(clock.start(epoch))
        hint = f"that epoch is not due: it begins at {when}, and may be turned a quarter before"
        raise CallerError(Reason.STATE, hint)
    if epoch < current - 1:
        raise CallerError(Reason.STATE, f"that epoch is over; the present one is {current}")
    return epoch


def _turn(host: RegionHost, epoch: int, desk: Desk) -> EpochEntry | None:
    """Turn it and publish; None if this region has a key of that epoch."""
    if any(key.epoch == epoch for key in host.issuer.state.keys):
        return None
    with advising("epochs are turned in their order"):
        effects = host.issuer.turn_epoch(epoch, desk.entropy)
    host.issuer.forget_keys(epoch - KEY_EPOCHS + 1)
    host.publish(effects)
    return next(
        EpochEntry.decode(effect.body)
        for effect in effects
        if isinstance(effect, Append) and effect.kind is Kind.EPOCH
    )


# --- orders -----------------------------------------------------------------------------


@app.command("suspend", epilog="Example: guosuo region suspend fed 440000 17 --reason infection")
def suspend(
    directory: RootArgument,
    code: CodeArgument,
    slots: Annotated[list[int], typer.Argument(metavar="SLOT...", help="Numbers of slots.")],
    *,
    reason: Annotated[OrderReason, typer.Option(help="Class of the reason; it is public.")],
    restore: Annotated[bool, typer.Option("--restore", help="End a suspension.")] = False,
    retire: Annotated[bool, typer.Option("--retire", help="End the slots for good.")] = False,
    key_file: KeyFileOption = None,
    now: NowOption = None,
    engine: EngineOption = None,
    as_json: JsonOption = False,
) -> None:
    """Suspend slots by an order in the public log; --restore and --retire are orders too.

    It takes effect with the region's next epoch: from then on these slots are not signed
    any more. What was signed before can be shown until its key leaves the lists.
    """
    if restore and retire:
        raise CallerError(Reason.ARGUMENT, "--restore or --retire, not both")
    action = Action.RESTORE if restore else Action.RETIRE if retire else Action.SUSPEND
    desk = Desk.open(now, engine, as_json)
    records = desk.federation(directory)
    secret = open_secret(key_file, what="the region")
    with at_work(records, code, secret, desk.entropy) as host:
        host.order(action, slots, reason, desk.now, desk.entropy)
        ends = _last_show(host)
    _report_order(desk, code, action, slots, ends)


@app.command(
    "new-phone", epilog="Example: guosuo region new-phone fed 440000 --person 4403-1987-0221"
)
def new_phone(
    directory: RootArgument,
    code: CodeArgument,
    *,
    person: counter.PersonOption = None,
    key_file: KeyFileOption = None,
    now: NowOption = None,
    engine: EngineOption = None,
    as_json: JsonOption = False,
) -> None:
    """Retire all slots of a person who lost the wallet, so that a new one can be enrolled."""
    desk = Desk.open(now, engine, as_json)
    records = desk.federation(directory)
    record = counter.ask_person(desk, person)
    secret = open_secret(key_file, what="the region")
    with at_work(records, code, secret, desk.entropy) as host:
        slots = sorted(host.issuer.new_phone(record))
        if slots:
            host.order(Action.RETIRE, slots, OrderReason.HOLDER, desk.now, desk.entropy)
        else:  # no order, but R is forgotten all the same
            host.save()
        ends = _last_show(host)
    _report_order(desk, code, Action.RETIRE, slots, ends)


def _last_show(host: RegionHost) -> int | None:
    """When the newest key that signed leaves the lists."""
    epochs = [key.epoch for key in host.issuer.state.keys]
    return host.federation.clock.key_life(max(epochs))[1] if epochs else None


def _report_order(
    desk: Desk, code: str, action: Action, slots: Sequence[int], ends: int | None
) -> None:
    count = len(set(slots))
    desk.say(f"Ordered in the log of {code}: {action.value}, {count} slot(s).")
    if action is not Action.RESTORE and ends is not None and count:
        desk.say(f"What was signed for them before can be shown until {time_text(ends)} at most.")
    desk.say("It takes effect with the next epoch: guosuo region turn-epoch, then bundle.")
    desk.result(region=code, action=action.value, slots=sorted(set(slots)), shown_until=ends)
