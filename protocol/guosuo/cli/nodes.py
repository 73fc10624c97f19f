"""How commands name the nodes that they ask, and what they say when those do not answer.

Nothing here imports the client: without the extra `client` all that works on files works.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Protocol

import typer

from guosuo.cli.common import Desk, read_file, time_text
from guosuo.errors import CallerError, Reason
from guosuo.federation.charter import Federation
from guosuo.host.directory import FederationDirectory
from guosuo.roles.offline import Offline

CA_VARIABLE: Final = "GUOSUO_CA"
_MOST: Final = 8
"""Nodes that one command asks at most."""
_IDENTIFIER: Final = 64

NodeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--node",
        metavar="HOST:PORT",
        help="Refresh the federation's directory from this node or mirror first; "
        "give several, and the next is asked where one fails.",
        show_default=False,
    ),
]
NodesOption = Annotated[
    bool, typer.Option("--nodes", help="As --node, with the nodes that the charter names.")
]
CaOption = Annotated[
    Path | None,
    typer.Option(
        "--ca",
        envvar=CA_VARIABLE,
        metavar="PATH",
        help="Certificates (PEM) of the authorities that nodes' certificates are from.",
        show_default=False,
    ),
]
IdOption = Annotated[
    str | None,
    typer.Option(
        "--id",
        metavar="HEX",
        help="With --node: begin a new copy of the federation with this identifier.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True)
class Reach:
    """Which nodes to ask, and whom to trust for their certificates."""

    named: tuple[str, ...]
    ca: bytes
    begin: bytes | None = None
    """Identifier of a federation whose copy is to begin."""

    def targets(self, federation: Federation) -> tuple[str, ...]:
        """Addresses, in the order to ask; `CallerError(ARGUMENT)` if there are none."""
        found = self.named or tuple(
            endpoint
            for member in federation.members.values()
            for endpoint in member.endpoints or ()
        )
        if not found:
            hint = "the charter names no nodes; name one with --node"
            raise CallerError(Reason.ARGUMENT, hint)
        return found[:_MOST]


def reach(
    node: list[str] | None, ca: Path | None, *, nodes: bool = False, begin: str | None = None
) -> Reach | None:
    """From the options; None if no node is to be asked. `CallerError(ARGUMENT)`."""
    if not node and not nodes:
        if begin is not None:
            raise CallerError(Reason.ARGUMENT, "--id begins a copy: name a node with --node")
        return None
    if node and nodes:
        raise CallerError(Reason.ARGUMENT, "give --node, or --nodes for those of the charter")
    if begin is not None and not node:
        raise CallerError(Reason.ARGUMENT, "without a charter nothing names nodes: give --node")
    if ca is None:
        hint = f"say whom to trust for nodes' certificates: --ca PATH, or {CA_VARIABLE}"
        raise CallerError(Reason.ARGUMENT, hint)
    return Reach(tuple(node or ()), read_file(ca), _identifier(begin))


def _identifier(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        found = bytes.fromhex(text) if len(text) == _IDENTIFIER else b""
    except ValueError:
        found = b""
    if not found:
        raise CallerError(Reason.ARGUMENT, "an identifier is 64 hexadecimal digits")
    return found


class Copying(Protocol):
    """A federation's directory with the nodes that it is refreshed from (`cli.online`)."""

    @property
    def records(self) -> FederationDirectory:
        """The directory, with all that was fetched verified in its view."""
        ...

    def follow(self, regions: Iterable[str] | None = None) -> list[dict[str, object]]:
        """Bring the logs up to date, all of them unless told otherwise; rows for `--json`."""
        ...

    def fetch(self, slots: Iterable[tuple[str, int]] = ()) -> None:
        """Bundles of all regions, and the buckets of these slots."""
        ...

    def offer(self) -> bytes:
        """A signed offer of the first node."""
        ...

    def enrol(self, request: bytes, evidence: bytes, identification: str) -> bytes:
        """The first node's answer to a request; the same request again, the same answer."""
        ...


@contextmanager
def copying(desk: Desk, root: Path, asked: Reach) -> Iterator[Copying]:
    """The directory at `root` and the nodes, while the body runs."""
    with needing_client():
        from guosuo.cli.online import Online  # noqa: PLC0415 - only with the extra
    online = Online(desk, root, asked)
    try:
        yield online
    finally:
        online.close()


@contextmanager
def needing_client() -> Iterator[None]:
    """Around an import of the client: `CallerError(ENGINE)` without the extra."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"grpc", "google"}:
            raise
    else:
        return
    raise CallerError(Reason.ENGINE, "asking nodes takes the extra: pip install 'guosuo[client]'")


# --- valid offline until ----------------------------------------------------------------


def wallet_words(found: tuple[Offline, ...], now: int) -> str:
    """One line after a refresh of a wallet."""
    if not found:
        return "Valid offline: not now, at no region's gates."
    first = found[0]
    text = f"Valid offline until {time_text(first.until)}"
    if first.unobtrusive <= now:
        text += "; others show under a newer list already: refresh"
    elif first.unobtrusive < first.until:
        text += f"; refresh before {time_text(first.unobtrusive)} not to stand out"
    if found[-1].until > first.until:
        later = f"{found[-1].region} until {time_text(found[-1].until)}"
        text += f" ({first.region} ends first; {later})"
    return f"{text}."


def wallet_json(found: tuple[Offline, ...]) -> dict[str, object]:
    """The same for machines; 0 stands for not now."""
    return {
        "valid_offline_until": found[0].until if found else 0,
        "unobtrusive_until": min((one.unobtrusive for one in found), default=0),
        "gates": {one.region: one.until for one in found},
    }


def checkpoint_words(until: int) -> str:
    """One line after a refresh of a checkpoint."""
    if not until:
        return "Valid offline: it cannot decide now; it has no list or no policy in force."
    return f"Valid offline until {time_text(until)}."
