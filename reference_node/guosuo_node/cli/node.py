"""`guosuo node`: one region's node, or a stand-alone witness."""

from __future__ import annotations

import datetime as dt
import os
import time
from pathlib import Path
from typing import Annotated

import typer

from guosuo.cli import places
from guosuo.cli.founding import read_names
from guosuo.curve.entropy import Entropy
from guosuo.errors import CallerError, Reason
from guosuo_node.cli import keeping, offices, serve, status
from guosuo_node.cli.making import Wanted, init
from guosuo_node.host.settings import Home, address

app = typer.Typer(help="Run a region's node, or a stand-alone witness.", no_args_is_help=True)

HomeArgument = Annotated[Path, typer.Argument(metavar="HOME", help="The node's directory.")]


@app.command(
    "init",
    epilog="Example: guosuo node init gd --name 440000 --listen 127.0.0.1:7440 "
    "--public-listen 127.0.0.1:8440",
)
def make(
    home: HomeArgument,
    *,
    name: Annotated[str, typer.Option(help="Region code, or the name of a witness.")],
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="For other nodes.")],
    public_listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="For everybody.")],
    called: Annotated[
        str | None,
        typer.Option(
            metavar="ENGLISH/中文",
            help="The region's name; provinces have theirs.",
            show_default=False,
        ),
    ] = None,
    http_listen: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Public files by HTTP.", show_default="off"),
    ] = None,
    metrics_listen: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Prometheus, on loopback.", show_default="off"),
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Where other nodes reach it.", show_default="--listen"
        ),
    ] = None,
    public_endpoint: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Where everybody reaches it.", show_default="--public-listen"
        ),
    ] = None,
    host: Annotated[
        list[str] | None,
        typer.Option(help="Further name for the certificate.", show_default=False),
    ] = None,
    witness_of: Annotated[
        str | None,
        typer.Option(
            "--witness",
            metavar="OPERATOR",
            help="A stand-alone witness of this operator, no region.",
            show_default=False,
        ),
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(metavar="URL", help="postgresql+psycopg://…", show_default="SQLite"),
    ] = None,
    adapter: Annotated[str, typer.Option(help="Evidence adapter.")] = "documents",
    adapter_setting: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LINE", help="A line of TOML for the adapter's settings.", show_default=False
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=256, help="Processes for proofs.", show_default="cores"),
    ] = None,
) -> None:
    """Make a node: keys, a development authority with certificates, settings, a card.

    The card is public; give it to whoever founds the federation.
    """
    wanted = Wanted(
        name=name,
        names=read_names(called) if called else places.names(name),
        listen=listen,
        public_listen=public_listen,
        http_listen=http_listen,
        metrics_listen=metrics_listen,
        # A certificate is for the names by which a node is reached.
        hosts=(*(host or ()), *(address(e)[0] for e in (endpoint, public_endpoint) if e)),
        reached=endpoint,
        reached_public=public_endpoint,
        operator=witness_of,
        adapter=adapter,
        adapter_settings="\n".join(adapter_setting or ()),
        database=database,
        workers=workers,
    )
    now = dt.datetime.fromtimestamp(time.time(), dt.UTC)
    init(Home(home), wanted, Entropy(os.urandom), now)
    typer.echo(f"Made the node {name} in {home}.")
    typer.echo(f"Give {home / 'card.json'} to whoever founds the federation.")
    typer.echo(f"Then: guosuo federation join {home} CHARTER CARD...; guosuo node run {home}")


@app.command("run", epilog="Example: guosuo node run gd")
def run(home: HomeArgument) -> None:
    """Run the node until Ctrl-C or SIGTERM. Logs are JSON lines on standard output."""
    if not home.is_dir():
        raise CallerError(Reason.STORE_MISSING, "no such directory")
    serve.serve(home)


app.command("status", epilog=status.EXAMPLE)(status.status)
app.command("backup", epilog=keeping.BACKUP_EXAMPLE)(keeping.backup)
app.command("restore", epilog=keeping.RESTORE_EXAMPLE)(keeping.restore)
app.command("rotate", epilog=keeping.ROTATE_EXAMPLE)(keeping.rotate)
app.command("turn-epoch", epilog=keeping.TURN_EXAMPLE)(keeping.turn_epoch)
app.command("policy", epilog=keeping.POLICY_EXAMPLE)(keeping.policy)
app.command("identify", epilog=offices.IDENTIFY_EXAMPLE)(offices.identify)
app.command("find-slots", epilog=offices.FIND_EXAMPLE)(offices.find_slots)
app.command("order", epilog=offices.ORDER_EXAMPLE)(offices.order)
