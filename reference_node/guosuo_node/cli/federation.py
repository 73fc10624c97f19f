"""`guosuo federation`: founding one, joining it, and watching it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from guosuo.curve.entropy import Entropy
from guosuo.errors import CallerError, Reason
from guosuo.federation.charter import (
    HOLD_EPOCHS,
    LATE_EPOCHS,
    Environment,
    Parameters,
    SignedCharter,
)
from guosuo.host.files import write_atomically
from guosuo.roles.bundle import default_min_regions
from guosuo_node.cli import amending, making, watching
from guosuo_node.cli.cards import Card
from guosuo_node.host.settings import Home

app = typer.Typer(help="Found and join federations of nodes.", no_args_is_help=True)

CharterArgument = Annotated[Path, typer.Argument(metavar="CHARTER", help="The charter's file.")]
CardsArgument = Annotated[list[Path], typer.Argument(metavar="CARD...", help="Nodes' card.json.")]


@app.command("found", epilog="Example: guosuo federation found charter.cbor */card.json")
def found(
    charter: CharterArgument,
    cards: CardsArgument,
    *,
    environment: Annotated[
        Environment, typer.Option(help="Part of the federation's identifier, for ever.")
    ] = Environment.TEST,
    epoch_zero: Annotated[
        int | None,
        typer.Option(metavar="UNIX", help="Beginning of epoch 0.", show_default="now"),
    ] = None,
    epoch_seconds: Annotated[int, typer.Option(min=2, max=86_400)] = 14_400,
    tick_seconds: Annotated[int, typer.Option(min=1, max=60)] = 30,
    bucket_slots: Annotated[int, typer.Option(min=16, max=4096)] = 1024,
    slots_per_person: Annotated[int, typer.Option(min=1, max=16)] = 4,
    min_crowd: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Write a charter of all whose cards are given, to be signed by their nodes."""
    if charter.exists():
        raise CallerError(Reason.STORE_EXISTS, "there is a file of that name")
    read = [Card.read(path) for path in cards]
    members = sum(card.member is not None for card in read)
    parameters = Parameters(
        epoch_zero=int(time.time()) if epoch_zero is None else epoch_zero,
        epoch_seconds=epoch_seconds,
        tick_seconds=tick_seconds,
        min_regions=default_min_regions(members),
        min_crowd=min_crowd,
        slots_per_person=slots_per_person,
        bucket_slots=bucket_slots,
        late_epochs=LATE_EPOCHS,
        hold_epochs=HOLD_EPOCHS,
    )
    signed = making.found(read, environment, parameters)
    write_atomically(charter, signed.encode())
    typer.echo(f"Wrote {charter}: {members} regions, {len(read) - members} witnesses.")
    typer.echo(f"Now each member: guosuo federation sign {charter} HOME")


@app.command("sign", epilog="Example: guosuo federation sign charter.cbor gd")
def sign(
    charter: CharterArgument,
    homes: Annotated[list[Path], typer.Argument(metavar="HOME...", help="Nodes that sign.")],
) -> None:
    """Sign a charter with the root keys of nodes, after having read it."""
    signed = SignedCharter.decode(charter.read_bytes())
    for home in homes:
        signed = making.sign(signed, Home(home))
    write_atomically(charter, signed.encode())
    have, need = making.signers(signed)
    typer.echo(f"{have} signed; {need} have to.")


@app.command("join", epilog="Example: guosuo federation join gd charter.cbor */card.json")
def join(
    home: Annotated[Path, typer.Argument(metavar="HOME", help="The node's directory.")],
    charter: CharterArgument,
    cards: CardsArgument,
) -> None:
    """Adopt a charter that enough members signed, and trust the nodes of these cards."""
    federation = making.join(
        Home(home),
        charter.read_bytes(),
        [Card.read(path) for path in cards],
        Entropy(os.urandom),
        int(time.time()),
    )
    typer.echo(f"{home} belongs to the federation {federation.id.hex()}.")
    if federation.is_development:
        typer.echo("It has fewer than four witnesses: for development only.")


app.command("amend", epilog=amending.AMEND_EXAMPLE)(amending.amend_command)
app.command("adopt", epilog=amending.ADOPT_EXAMPLE)(amending.adopt_command)
app.command("members", epilog=watching.MEMBERS_EXAMPLE)(watching.members)
app.command("watch", epilog=watching.WATCH_EXAMPLE)(watching.watch)
