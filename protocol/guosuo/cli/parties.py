"""How commands name the federation, its regions and its checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from guosuo.errors import CallerError, PeerError, Reason
from guosuo.federation.charter import Federation, Name
from guosuo.federation.entries import CheckpointInfo
from guosuo.federation.view import FederationView

RootArgument = Annotated[
    Path, typer.Argument(metavar="DIR", help="The federation's directory.", show_default=False)
]
CodeArgument = Annotated[
    str, typer.Argument(metavar="CODE", help="Code of the region.", show_default=False)
]
OptionalCodeArgument = Annotated[
    str | None, typer.Argument(metavar="[CODE]", help="Code of the region.", show_default=False)
]
AllOption = Annotated[bool, typer.Option("--all", help="All regions whose keys are here.")]
AtOption = Annotated[
    str,
    typer.Option(
        "--at",
        metavar="REGION/CHECKPOINT",
        help="Which checkpoint, as its region publishes it.",
        show_default=False,
    ),
]


def chosen_regions(federation: Federation, code: str | None, *, everyone: bool) -> list[str]:
    """One region, or all of them; `CallerError(ARGUMENT)` unless exactly one was asked for."""
    if everyone == (code is not None):
        raise CallerError(Reason.ARGUMENT, "name one region, or --all")
    if code is None:
        return list(federation.members)
    check_region(federation, code)
    return [code]


def check_region(federation: Federation, code: str) -> None:
    """`CallerError(REGION_UNKNOWN)` that names the regions there are."""
    if code not in federation.members:
        hint = f"no such region; this federation has {', '.join(federation.members)}"
        raise CallerError(Reason.REGION_UNKNOWN, hint)


def region_label(federation: Federation, code: str) -> str:
    """As "440000 Guangdong 广东省"."""
    return " ".join(dict.fromkeys((code, names_text(federation.known(code).names))))


def names_text(names: tuple[Name, ...]) -> str:
    """All names, each once."""
    return " ".join(dict.fromkeys(name.text for name in names))


def find_checkpoint(view: FederationView, at: str) -> tuple[str, CheckpointInfo]:
    """Region and published entry of REGION/CHECKPOINT; `CallerError` with those there are."""
    region, slash, checkpoint = at.partition("/")
    if not slash:
        raise CallerError(Reason.ARGUMENT, "a checkpoint is named REGION/CHECKPOINT")
    check_region(view.federation, region)
    return region, listed_checkpoint(view, region, checkpoint)


def listed_checkpoint(view: FederationView, region: str, checkpoint: str) -> CheckpointInfo:
    """What the region publishes of a checkpoint; `CallerError(CHECKPOINT_UNKNOWN)`."""
    try:
        checkpoints = view.region(region).checkpoints
    except PeerError:
        checkpoints = {}
    found = checkpoints.get(checkpoint)
    if found is None:
        hint = (
            f"that region publishes no such checkpoint; it has {', '.join(checkpoints) or 'none'}"
        )
        raise CallerError(Reason.CHECKPOINT_UNKNOWN, hint)
    return found
