"""`guosuo demo` where nodes are installed."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from guosuo.cli import demo_command
from guosuo.curve.entropy import Entropy
from guosuo.curve.selection import get_engine
from guosuo.suite import Suite
from guosuo_node.demo.country import NodeDemo
from guosuo_node.demo.many import MOST_NODES, Country

_STORY = 4
"""Regions of the story."""


def demo(
    out: Annotated[
        Path, typer.Option(help="Folder for records and pictures; replaced if a demo wrote it.")
    ] = Path("guosuo-demo"),
    engine: Annotated[
        str | None, typer.Option(help="Curve engine: pyblst, py_arkworks_bls12381 or py_ecc.")
    ] = None,
    *,
    files: Annotated[
        bool,
        typer.Option(
            "--files", help="Without nodes: records are passed as files, epochs in a moment."
        ),
    ] = False,
    nodes: Annotated[
        int, typer.Option(min=2, max=MOST_NODES, help="Regions; beyond 4 another story.")
    ] = 4,
    holders: Annotated[
        int, typer.Option(min=0, max=100_000, help="Holders of that other story.")
    ] = 0,
    codes: Annotated[
        bool, typer.Option("--codes/--no-codes", help="Print every QR code in the terminal too.")
    ] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the report as one JSON document instead.")
    ] = False,
) -> None:
    """Travellers of four regions, each with its own node, cross into each other's.

    Four nodes and two stand-alone witnesses run as processes of this machine, with TLS on
    loopback and epochs of 20 seconds; so it takes some two minutes. With --nodes and
    --holders there is another story, of up to 31 regions: 8 work on two cores, 31 want more.
    """
    if files:
        demo_command.demo(out, engine, codes=codes, as_json=as_json)
        return
    console = Console(file=sys.stderr if as_json else sys.stdout, soft_wrap=True)
    suite = Suite.sha256(get_engine(engine))
    if nodes != _STORY or holders:
        country = Country(
            suite, Entropy(os.urandom), out, console, regions=nodes, holders=holders or 10 * nodes
        )
        raise typer.Exit(0 if country.run() else 1)
    story = NodeDemo(suite, Entropy(os.urandom), out, console, codes=codes and not as_json)
    demo_command.tell(story.run(), console, as_json=as_json)
