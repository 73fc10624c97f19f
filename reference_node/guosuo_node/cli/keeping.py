"""`guosuo node backup`, `restore`, `rotate` and `turn-epoch`."""

from __future__ import annotations

import datetime as dt
import os
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from guosuo.cli.common import Desk, JsonOption, open_secret, read_file, time_text
from guosuo.cli.policy_file import read_policy
from guosuo.curve.entropy import Entropy
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.federation.records import Kind, LogEntry, payload
from guosuo.host.files import PUBLIC, write_atomically
from guosuo.host.vault import KeyFile
from guosuo.policy.table import PolicyPart
from guosuo.policy.written import from_json, to_json
from guosuo_node.cli import backups, reaching
from guosuo_node.cli.amending import renew_key
from guosuo_node.host import tls
from guosuo_node.host.settings import Home, Settings
from guosuo_node.store.store import Store

BACKUP_EXAMPLE: Final = "Example: guosuo node backup gd gd.backup --key-file backup.key"
RESTORE_EXAMPLE: Final = "Example: guosuo node restore gd.backup gd --key-file backup.key"
ROTATE_EXAMPLE: Final = "Example: guosuo node rotate gd epoch"
POLICY_EXAMPLE: Final = "Example: guosuo node policy gd policy.json"
TURN_EXAMPLE: Final = "Example: guosuo node turn-epoch gd"

HomeArgument = Annotated[Path, typer.Argument(metavar="HOME", help="The node's directory.")]
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The backup.")]
KeyOption = Annotated[
    Path | None,
    typer.Option(
        "--key-file",
        metavar="PATH",
        help="What seals the backup; without it a passphrase.",
        show_default=False,
    ),
]
WaitOption = Annotated[
    float, typer.Option("--wait", metavar="SECONDS", help="How long the node may take.")
]


def backup(
    home: HomeArgument,
    file: FileArgument,
    *,
    key_file: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write everything that a node needs into one sealed file; it may run meanwhile."""
    desk = Desk.open(None, None, as_json)
    place = reaching.existing(home)
    secret = open_secret(key_file, new=True, what="the backup")
    made = backups.backup(place, file, secret, desk.entropy, desk.now)
    desk.say(
        f"Wrote {file}: {made.name} with {made.entries} log entries, "
        f"{made.files} files, {made.blobs} public files."
    )
    desk.say("It holds the node's keys: keep it, and what opens it, in two places.")
    desk.result(**_plain(made))


def restore(
    file: FileArgument,
    home: HomeArgument,
    *,
    key_file: KeyOption = None,
    database: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Put the store there: postgresql+psycopg://…, or sqlite for a file in HOME.",
            show_default="as it was",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a node's directory and store from a backup, in another database if so asked.

    Stop the node that the backup was made of first: two that run at once with the same
    keys end in two histories of one log.
    """
    desk = Desk.open(None, None, as_json)
    secret = open_secret(key_file, what="the backup")
    made = backups.restore(file, Home(home), secret, desk.entropy, database=database)
    desk.say(
        f"Restored {made.name} in {home} as of {time_text(made.made)}, "
        f"with {made.entries} log entries."
    )
    desk.say(
        "Run it only if the old one never runs again. It fetches the entries of its log that "
        "are missing from other nodes before it signs anything."
    )
    desk.result(**_plain(made))


def _plain(made: backups.Contents) -> dict[str, object]:
    return {
        "name": made.name,
        "made": made.made,
        "entries": made.entries,
        "files": made.files,
        "public_files": made.blobs,
    }


class Rotated(StrEnum):
    """What can be changed."""

    EPOCH = "epoch"
    TURN = "turn"
    TLS = "tls"
    LOG = "log"
    WITNESS = "witness"


def rotate(
    home: HomeArgument,
    what: Annotated[Rotated, typer.Argument(metavar="epoch|turn|tls|log|witness")],
    *,
    host: Annotated[
        list[str] | None,
        typer.Option(help="With tls: a further name for the certificate.", show_default=False),
    ] = None,
    wait: WaitOption = 600.0,
    as_json: JsonOption = False,
) -> None:
    """Change keys of a node.

    epoch: the running epoch's key was stolen; sign the epoch again under a new one. turn:
    the same, and older keys in lists were stolen with it. tls: a new certificate. log,
    witness: a new key and a new card; it counts once a charter that has it is adopted.
    """
    desk = Desk.open(None, None, as_json)
    place = reaching.existing(home)
    match what:
        case Rotated.TLS:
            _certificate(desk, place, host or [])
        case Rotated.EPOCH | Rotated.TURN:
            found = reaching.request(place, f"cut-{what.value}", wait)
            epoch, revision = found.get("epoch"), found.get("revision")
            desk.say(
                f"Epoch {epoch} is signed again (revision {revision}), old keys declared stolen."
            )
            desk.say("Nobody has to enrol anew; lists follow by themselves.")
            desk.result(what=what.value, epoch=epoch, revision=revision)
        case _:
            desk.say(renew_key(place, what.value))
            desk.result(what=what.value, card=str(place.card))


def _certificate(desk: Desk, home: Home, hosts: list[str]) -> None:
    settings = Settings.load(home)
    if not (home.tls / "authority.key").is_file():
        hint = "the authority's key is not here: sign tls/node.pem where it is kept"
        raise CallerError(Reason.STORE_MISSING, hint)
    known = tls.hosts_of(tls.load_identity(home.tls))
    now = dt.datetime.fromtimestamp(time.time(), dt.UTC)
    tls.make_certificate(home.tls, settings.name, [*known, *hosts], now)
    ends = int(tls.expires(tls.load_identity(home.tls)).timestamp())
    desk.say(f"A new certificate under the same authority, until {time_text(ends)}.")
    desk.say("A running node takes it by itself within seconds.")
    desk.result(what="tls", certificate_ends=ends)


def policy(
    home: HomeArgument,
    file: Annotated[Path, typer.Argument(metavar="POLICY", help="Of either form (JSON).")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Have the node publish a policy, or its next version, from now on.

    The file is a whole document or the short form that guosuo region bundle
    --example-policy prints. A running node publishes it within seconds.
    """
    desk = Desk.open(None, None, as_json)
    place = reaching.existing(home)
    settings = Settings.load(place)
    now = desk.now + settings.clock_offset
    data = read_file(file)
    draft = read_policy(data, region=settings.name, version=1, now=now)
    version = 1 + _published(place, settings, draft.policy)
    document = read_policy(data, region=settings.name, version=version, now=now)
    written = place.policies / f"{document.policy}-{version}.json"
    write_atomically(written, to_json(document).encode(), mode=PUBLIC)
    desk.say(f"Wrote {written}: {document.policy}, version {version}.")
    desk.result(policy=document.policy, version=version, file=str(written))


def _published(home: Home, settings: Settings, policy: str) -> int:
    """The newest version in the log or on its way into it."""
    found = [0]
    for path in home.policies.glob("*.json"):
        try:
            waiting = from_json(read_file(path))
        except PeerError:
            continue  # the node reports it
        if waiting.policy == policy:
            found.append(waiting.version)
    url = settings.database or home.database
    with Store.reading(url, KeyFile(home.key), Entropy(os.urandom)) as store:
        start = 0
        while page := store.entries(start):
            start += len(page)
            for entry in page:
                if entry.kind == Kind.POLICY.value:
                    part = PolicyPart.decode(LogEntry.decode(payload(entry.data)).body)
                    if part.policy == policy:
                        found.append(part.version)
    return max(found)


def turn_epoch(
    home: HomeArgument, *, wait: WaitOption = 600.0, as_json: JsonOption = False
) -> None:
    """Have the running node turn the next epoch now; for development, in test federations.

    Orders from then on count an epoch later. Nodes turn every epoch by themselves in time.
    """
    desk = Desk.open(None, None, as_json)
    found = reaching.request(reaching.existing(home), "turn-epoch", wait)
    desk.say(f"Turned epoch {found.get('epoch')}.")
    desk.result(epoch=found.get("epoch"))
