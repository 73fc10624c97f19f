"""`guosuo wallet backup`, `restore` and `move`: copies of a wallet, each with its dangers.

A backup is sealed under a secret of its own: a key file, `GUOSUO_BACKUP_PASSPHRASE`, or
a prompt. What two copies of one wallet mean is said in `guosuo.host.wallet_file`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from guosuo.cli.common import (
    Desk,
    EngineOption,
    FederationOption,
    JsonOption,
    KeyFileOption,
    open_secret,
    read_file,
    refuse_existing,
)
from guosuo.cli.purse import FileArgument, check_there, load, open_wallet
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.host.lock import exclusive
from guosuo.host.vault import Secret
from guosuo.host.wallet_file import WalletFile
from guosuo.roles.wallet import Wallet

BACKUP_VARIABLE: Final = "GUOSUO_BACKUP_PASSPHRASE"
_MAX_BACKUP: Final = 64 << 20

BackupKeyFileOption = Annotated[
    Path | None,
    typer.Option(
        help=f"The backup's own key file, instead of {BACKUP_VARIABLE} or a prompt; "
        "made when a backup is.",
        metavar="PATH",
        show_default=False,
    ),
]
OutArgument = Annotated[
    Path,
    typer.Argument(metavar="OUT", help="File of the backup.", show_default=False),
]


def backup(
    file: FileArgument,
    out: OutArgument,
    *,
    federation: FederationOption,
    backup_key_file: BackupKeyFileOption = None,
    key_file: KeyFileOption = None,
    engine: EngineOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a sealed copy of the wallet, in place of an older one under the same secret.

    Who has the backup and its secret can pass for the holder, and recognise tags that
    somebody kept: keep them apart, and both from the phone.
    """
    desk = Desk.open(None, engine, as_json)
    records = desk.federation(federation, follow=False)
    with open_wallet(desk, records, file, key_file) as purse:
        purse.file.back_up(out, _secret(backup_key_file, out), desk.entropy)
    desk.say(f"The backup is in {out}. Without its passphrase or key file it is worth nothing.")
    desk.result(wallet=str(file), backup=str(out))


def restore(
    copy: Annotated[
        Path, typer.Argument(metavar="BACKUP", help="File of the backup.", show_default=False)
    ],
    file: FileArgument,
    *,
    federation: FederationOption,
    backup_key_file: BackupKeyFileOption = None,
    key_file: KeyFileOption = None,
    engine: EngineOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a wallet from a backup, or from what `move` wrote, on a new phone.

    Restore only if the old phone is gone for good. If somebody may have it, ask the region
    for new slots instead (guosuo region new-phone).
    """
    desk = Desk.open(None, engine, as_json)
    records = desk.federation(federation, follow=False)
    refuse_existing(file)
    read_file(copy, most=_MAX_BACKUP)
    old = _secret(backup_key_file, None)
    store = WalletFile(
        records.federation, file, open_secret(key_file, new=True, what="the new wallet")
    )
    with exclusive(file):
        wallet = _restored(store, copy, old, desk)
    desk.say(f"Restored {len(wallet.state.slots)} slot(s) into {file}.")
    desk.say(f"Next: guosuo wallet refresh {file}. Use one copy only, and delete the other.")
    desk.result(wallet=str(file), slots=len(wallet.state.slots))


def move(
    file: FileArgument,
    out: OutArgument,
    *,
    federation: FederationOption,
    backup_key_file: BackupKeyFileOption = None,
    key_file: KeyFileOption = None,
    engine: EngineOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hand the wallet over to a new phone: write it to OUT, and show nothing here any more.

    OUT is restored there like a backup. If this command was interrupted, give it again.
    """
    desk = Desk.open(None, engine, as_json)
    records = desk.federation(federation, follow=False)
    check_there(file)
    store = WalletFile(records.federation, file, open_secret(key_file, what="the wallet"))
    with exclusive(file):
        if load(store).state.moved:
            raise CallerError(
                Reason.STATE, "this wallet was moved already; restore what was written"
            )
        store.move(out, _secret(backup_key_file, out), desk.entropy)
    desk.say(f"The wallet is in {out}; {file} shows nothing any more.")
    desk.say(f"Next, on the new phone: guosuo wallet restore {out} WALLET. Then delete both files.")
    desk.result(wallet=str(file), moved_to=str(out))


def _restored(store: WalletFile, copy: Path, secret: Secret, desk: Desk) -> Wallet:
    try:
        return store.restore(copy, secret, desk.entropy)
    except PeerError as error:
        if error.reason is not Reason.STATE:
            raise
    hint = "that backup is of another federation; name that one's directory with --federation"
    raise PeerError(Reason.STATE, hint)


def _secret(key_file: Path | None, new: Path | None) -> Secret:
    """What opens the backup; made anew if the backup at `new` is."""
    return open_secret(
        key_file,
        new=new is not None and not new.exists(),
        what="the backup",
        variable=BACKUP_VARIABLE,
        option="--backup-key-file",
    )
