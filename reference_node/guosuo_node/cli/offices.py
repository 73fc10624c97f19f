"""`guosuo node identify`, `find-slots` and `order`: what counters and officers do.

Their keys are in the node's directory only until a province takes them to where counters
and officers sit: `private/counter.vault` and `private/officer.vault`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Final

import typer
from nacl.signing import SigningKey

from guosuo.cli.common import Desk, JsonOption, time_text
from guosuo.client.channel import NodeChannel
from guosuo.client.status import StatusClient
from guosuo.errors import CallerError, Reason
from guosuo.federation.entries import Action, OrderReason
from guosuo.host import vault
from guosuo.host.vault import KeyFile
from guosuo.roles.officer import Officer
from guosuo_node.adapter.counter import MAX_SECONDS, Statement, sign_statement
from guosuo_node.cli import making, reaching
from guosuo_node.cli.reaching import Target
from guosuo_node.host.settings import Home, Settings

_MAX_SLOTS: Final = 1024
"""Slots that one order can name."""
IDENTIFY_EXAMPLE: Final = (
    "Example: guosuo node identify gd --family LI --given YI --born 1990-02-03 --record G-1"
)
ORDER_EXAMPLE: Final = "Example: guosuo node order gd suspend 17 --reason infection"
FIND_EXAMPLE: Final = "Example: guosuo node find-slots gd --person GSID1.…"

HomeArgument = Annotated[Path, typer.Argument(metavar="HOME", help="The node's directory.")]


def identify(
    home: HomeArgument,
    *,
    family: Annotated[str, typer.Option(help="Family name, as in a passport's lines: A to Z, <.")],
    given: Annotated[str, typer.Option(help="Given names, likewise.")],
    born: Annotated[str, typer.Option(metavar="YYYY-MM-DD", help="Birth date.")],
    record: Annotated[str, typer.Option(help="The region's own number of the person, for ever.")],
    minutes: Annotated[
        int, typer.Option(min=1, max=MAX_SECONDS // 60, help="How long the statement counts.")
    ] = 10,
    as_json: JsonOption = False,
) -> None:
    """A counter's statement who somebody is, after having looked at the identity document.

    For regions with the adapter `documents`. Personal data: give it to that person only.
    """
    desk = Desk.open(None, None, as_json)
    place = reaching.existing(home)
    settings = Settings.load(place)
    now = desk.now + settings.clock_offset
    try:
        seed = vault.load(place.counter, making.COUNTER_KIND, KeyFile(place.key))
    except CallerError as error:
        if error.reason is not Reason.STORE_MISSING:
            raise
        hint = "private/counter.vault is not here: statements are made where it is kept"
        raise CallerError(Reason.STORE_MISSING, hint) from None
    statement = Statement(
        region=settings.name,
        record=record.encode(),
        family=family,
        given=given,
        born=born,
        issued=now,
        expires=now + 60 * minutes,
    )
    text = sign_statement(statement, SigningKey(seed))
    desk.say(text)
    desk.result(identification=text, expires=statement.expires)


def find_slots(
    home: HomeArgument,
    *,
    person: Annotated[
        str,
        typer.Option(
            metavar="TEXT", help="What the region's adapter takes for a person; - reads a line."
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """The slots of a person, asked of the running node in the name of its organisation.

    Personal data: for the officer who is about to order.
    """
    desk = Desk.open(None, None, as_json)
    place, officer = _officer(home)
    now = desk.now + Settings.load(place).clock_offset
    text = sys.stdin.readline().strip() if person == "-" else person
    query = officer.query(text, now=now, entropy=desk.entropy).encode()

    async def ask(channel: NodeChannel) -> tuple[int, ...]:
        return await StatusClient(channel).find_slots(query)

    slots = Target.own(place).ask(ask, tries=3)
    desk.say(" ".join(map(str, slots)) if slots else "This person has no slot.")
    desk.result(slots=list(slots))


def order(
    home: HomeArgument,
    action: Annotated[Action, typer.Argument(metavar="suspend|restore|retire-slot")],
    slots: Annotated[list[int], typer.Argument(metavar="SLOT...", min=0)],
    *,
    reason: Annotated[OrderReason, typer.Option(help="Reason class; public.")],
    file: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Exact reason and evidence; only a hiding commitment to it is published.",
            show_default="none",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Order a change of status, signed by the region's organisation; it takes effect with an epoch.

    Prints the salt of the commitment: keep it with the file, for appeals and auditors.
    """
    desk = Desk.open(None, None, as_json)
    place, officer = _officer(home)
    if len(set(slots)) > _MAX_SLOTS:
        hint = f"an order names {_MAX_SLOTS} slots at most: split it"
        raise CallerError(Reason.ARGUMENT, hint)
    salt = desk.entropy.octets(32)
    content = file.read_bytes() if file is not None else b""
    now = desk.now + Settings.load(place).clock_offset
    signed = officer.order(action, slots, reason, salt + content, now=now).encode()

    async def submit(channel: NodeChannel) -> int:
        # The same octets again get the same answer, so a lost one may be asked for again.
        return await StatusClient(channel).submit_order(signed)

    epoch = Target.own(place).ask(submit, tries=3)
    begin = officer.federation.clock.start(epoch)
    count = len(set(slots))
    desk.say(f"Ordered: {action.value}, {count} slots; counts from epoch {epoch}")
    desk.say(f"({time_text(begin)}). Salt: {salt.hex()}")
    desk.result(action=action.value, slots=sorted(set(slots)), epoch=epoch, salt=salt.hex())


def _officer(path: Path) -> tuple[Home, Officer]:
    home = reaching.existing(path)
    federation = reaching.federation_of(home.path)
    try:
        return home, making.officer_of(home, federation)
    except CallerError as error:
        if error.reason is not Reason.STORE_MISSING:
            raise
        hint = "private/officer.vault is not here: orders are signed where it is kept"
        raise CallerError(Reason.STORE_MISSING, hint) from None
