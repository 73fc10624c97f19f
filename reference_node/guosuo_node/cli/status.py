"""`guosuo node status`: what the running node says, or, if it is down, what its store says."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.table import Table
from rich.text import Text

from guosuo.cli.common import Desk, JsonOption, printable, time_text
from guosuo.client.directory import NodeInfo, RegionStatus
from guosuo.curve.entropy import Entropy
from guosuo.errors import CallerError, GuosuoError, Reason
from guosuo.host.vault import KeyFile
from guosuo_node.cli import reaching
from guosuo_node.cli.reaching import Target
from guosuo_node.host import tls
from guosuo_node.host.settings import Home, Settings
from guosuo_node.store.store import Store

EXAMPLE: Final = "Example: guosuo node status gd"
DOWN: Final = 1
"""Exit code for a node that does not answer."""
_STYLES: Final = {"admit": "green", "hold": "yellow", "late": "yellow", "refuse": "red"}
_EARLY_DAYS: Final = 30
"""Days before its end from which a certificate is warned about."""


def status(
    home: Annotated[Path, typer.Argument(metavar="HOME", help="The node's directory.")],
    *,
    as_json: JsonOption = False,
) -> int:
    """How a node stands, by itself: who leads, epochs and judgements of all regions.

    If the node does not answer, what its store says; then the exit code is 1.
    """
    place = reaching.existing(home)
    desk = Desk.open(None, None, as_json)
    ends = tls.expires(tls.load_identity(place.tls))
    try:
        info, regions = Target.own(place).ask(reaching.survey)
    except CallerError as error:
        if error.reason not in {Reason.NODE_UNREACHABLE, Reason.NODE_REFUSED}:
            raise
        return _down(desk, place, error, ends)
    _up(desk, place, info, regions, ends)
    return 0


def _up(
    desk: Desk,
    home: Home,
    info: NodeInfo,
    regions: tuple[RegionStatus, ...],
    ends: datetime,
) -> None:
    name = Settings.load(home).name
    role = "leads" if info.leader else "stands by"
    if not info.region:
        role = "is a stand-alone witness"
    desk.say(f"{name}, version {info.version}: {role}; epoch {info.epoch} by its clock")
    if info.waiting:
        desk.say(f"It waits: {reaching.why(info.waiting)} ({info.waiting}).", "yellow")
    # A stand-alone witness judges nobody.
    if info.region and not desk.as_json:
        desk.console.print(table(regions, info.time_ms // 1000))
    _say_end(desk, ends)
    desk.result(
        running=True,
        name=name,
        leader=info.leader,
        waiting=info.waiting,
        epoch=info.epoch,
        time_ms=info.time_ms,
        version=info.version,
        federation=info.federation.hex(),
        certificate_ends=int(ends.timestamp()),
        regions=[row(one) for one in regions],
    )


def _down(desk: Desk, home: Home, error: CallerError, ends: datetime) -> int:
    """What the store says; nothing is written, no database upgraded."""
    name = Settings.load(home).name
    desk.warn(f"{error.hint} ({error.reason.value})")
    found: dict[str, Any] = {}
    try:
        found = stored(home)
    except GuosuoError as failure:
        desk.warn(f"its store cannot be read either: {failure.hint} ({failure.reason.value})")
    for what, value in found.items():
        shown = time_text(value) if what.endswith("_until") and value else _shown(value)
        desk.say(f"{what.replace('_', ' ')}: {shown}")
    desk.say(f"Start it: guosuo node run {home.path}")
    _say_end(desk, ends)
    desk.result(
        running=False,
        name=name,
        reason=error.reason.value,
        store=found,
        certificate_ends=int(ends.timestamp()),
    )
    return DOWN


def stored(home: Home) -> dict[str, Any]:
    """Facts of a store, for people; `GuosuoError` if it cannot be opened."""
    if not home.charter.is_file():
        hint = "no charter here: join a federation with guosuo federation join"
        raise CallerError(Reason.STORE_MISSING, hint)
    federation = reaching.federation_of(home.path)
    settings = Settings.load(home)
    url = settings.database or home.database
    with Store.reading(url, KeyFile(home.key), Entropy(os.urandom)) as store:
        leader = store.leader()
        found: dict[str, Any] = {}
        if settings.name in federation.members:
            published = store.checkpoint(published=True)
            found["entries"] = store.entry_count()
            found["published"] = published.size if published else 0
            found["last_lease_until"] = leader.until if leader else 0
        found["others"] = {
            region: store.peer_entry_count(region)
            for region in sorted(federation.members)
            if region != settings.name
        }
        return found


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {count}" for name, count in value.items())
    return str(value)


def _say_end(desk: Desk, ends: datetime) -> None:
    left = (ends - datetime.fromtimestamp(time.time(), UTC)).days
    if left < _EARLY_DAYS:
        text = f"Its certificate ends in {left} days: guosuo node rotate HOME tls"
        desk.warn(text if left >= 0 else "Its certificate has ended: guosuo node rotate HOME tls")


# --- regions as rows, shared with `federation watch` ------------------------------------


def row(one: RegionStatus) -> dict[str, Any]:
    """One region, for machines."""
    return {
        "region": one.region,
        "name": one.name,
        "epoch": one.epoch,
        "revision": one.revision,
        "judgement": one.judgement.value,
        "reason": one.reason,
        "lag_seconds": one.lag_seconds,
        "size": one.size,
        "last_contact": one.last_contact,
    }


def table(regions: tuple[RegionStatus, ...], now: int, *, title: str | None = None) -> Table:
    """All regions, for people."""
    made = Table(title=title, title_justify="left")
    for column in ("region", "name", "epoch", "judgement", "lag", "entries", "last contact"):
        right = column in {"epoch", "lag", "entries", "last contact"}
        made.add_column(column, justify="right" if right else "left", no_wrap=column != "name")
    for one in regions:
        style = _STYLES.get(one.judgement.value, "dim")
        judged = one.judgement.value + (f" ({one.reason})" if one.reason else "")
        epoch = "–" if one.epoch is None else str(one.epoch)
        made.add_row(
            one.region,
            Text(printable(one.name)),
            epoch + (f".{one.revision}" if one.revision else ""),
            f"[{style}]{judged}[/]",
            _lag(one.lag_seconds),
            str(one.size),
            _ago(one.last_contact, now),
        )
    return made


def _lag(seconds: int) -> str:
    return "–" if seconds == 0 else _span(seconds)


def _ago(moment: int, now: int) -> str:
    return "–" if moment == 0 else f"{_span(max(0, now - moment))} ago"


def _span(seconds: int) -> str:
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
