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
    codes: Annotated[
        bool, typer.Option("--codes/--no-codes", help="Print every QR code in the terminal too.")
    ] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the report as one JSON document instead.")
    ] = False,
) -> None:
    """Travellers of four regions, each with its own node, cross into each other's.

    Four nodes and two stand-alone witnesses run as processes of this machine, with TLS on
    loopback and epochs of 20 seconds; so it takes some two minutes.
    """
    if files:
        demo_command.demo(out, engine, codes=codes, as_json=as_json)
        return
    console = Console(file=sys.stderr if as_json else sys.stdout, soft_wrap=True)
    suite = Suite.sha256(get_engine(engine))
    story = NodeDemo(suite, Entropy(os.urandom), out, console, codes=codes and not as_json)
    demo_command.tell(story.run(), console, as_json=as_json)
