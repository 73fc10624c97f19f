"""`guosuo checkpoint refresh` and `guosuo checkpoint serve`: with nodes, and for apps.

`serve` is the sidecar: programs in other languages, on this machine only, ask it over gRPC
(proto/guosuo/v1/verify.proto); examples/nodejs has one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from guosuo.cli.checkpoint import StateOption, open_device, passing_device
from guosuo.cli.common import Desk, EngineOption, FederationOption, JsonOption, NowOption
from guosuo.cli.nodes import (
    CaOption,
    IdOption,
    NodeOption,
    NodesOption,
    checkpoint_words,
    copying,
    needing_client,
    reach,
)
from guosuo.cli.parties import AtOption, check_region, find_checkpoint
from guosuo.errors import CallerError, Reason
from guosuo.presentation.setting import Mode
from guosuo.roles.offline import checkpoint_offline

REFRESH_EXAMPLE: Final = (
    "Example: guosuo checkpoint refresh --federation fed --at 360000/station-1 "
    "--state gate.state --node node.360000.example:8443 --ca nodes.pem"
)
SERVE_EXAMPLE: Final = (
    "Example: guosuo checkpoint serve --federation fed --at 360000/station-1 "
    "--state gate.state --listen unix:/run/guosuo/gate.sock --nodes --ca nodes.pem"
)


def refresh(
    *,
    federation: FederationOption,
    at: AtOption,
    state: StateOption = None,
    node: NodeOption = None,
    nodes: NodesOption = False,
    ca: CaOption = None,
    begin: IdOption = None,
    now: NowOption = None,
    engine: EngineOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch the gate region's new lists and policies from nodes, verified.

    Without --node or --nodes it only says until when the checkpoint works as it is.
    """
    desk = Desk.open(now, engine, as_json)
    asked = reach(node, ca, nodes=nodes, begin=begin)
    rows: list[dict[str, object]] = []
    if asked is not None:
        with copying(desk, federation, asked) as copy:
            home = at.partition("/")[0]
            check_region(copy.records.federation, home)
            rows = copy.follow([home])
            records = copy.records
    else:
        records = desk.federation(federation)
    region, info = find_checkpoint(records.view, at)
    if state is None:
        device = passing_device(records, region, info)
        until = checkpoint_offline(device.state, desk.now)
    else:
        with open_device(desk, records, region, info, state, None) as device:
            until = checkpoint_offline(device.state, desk.now)
    for row in rows:
        desk.say(f"{row['region']}: {row['new']} new entries, {row['entries']} in all.")
    desk.say(checkpoint_words(until))
    desk.result(regions=rows, valid_offline_until=until)


def serve(
    *,
    federation: FederationOption,
    at: AtOption,
    state: Annotated[Path, typer.Option(metavar="PATH", help="The checkpoint's memory.")],
    listen: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="unix:/path, 127.0.0.1:PORT or [::1]:PORT; other machines get no answer.",
        ),
    ],
    challenge: Annotated[
        bool, typer.Option("--challenge", help="Work by challenges instead of by a poster.")
    ] = False,
    node: NodeOption = None,
    nodes: NodesOption = False,
    ca: CaOption = None,
    begin: IdOption = None,
    now: NowOption = None,
    engine: EngineOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer apps on this machine over gRPC: poster or challenge, verdicts, status.

    With --node or --nodes it also keeps itself fresh. Ctrl-C ends it after the scans that
    are under way. The memory is in use meanwhile: other commands wait.
    """
    desk = Desk.open(now, engine, as_json)
    asked = reach(node, ca, nodes=nodes, begin=begin)
    if "/" not in at:
        raise CallerError(Reason.ARGUMENT, "a checkpoint is named REGION/CHECKPOINT")
    with needing_client():
        from guosuo.cli.serving_host import Hosting, host  # noqa: PLC0415 - only with the extra
    mode = Mode.CHALLENGE if challenge else Mode.BROADCAST
    host(Hosting(desk, federation, at, state, mode, listen), asked)
