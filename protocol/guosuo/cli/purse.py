"""Opening a wallet's file: one command at a time, saved before anything leaves it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from guosuo.cli.common import Desk, open_secret
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.host.directory import FederationDirectory
from guosuo.host.lock import exclusive
from guosuo.host.wallet_file import WalletFile
from guosuo.roles.wallet import Wallet

FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="The wallet's file.", show_default=False)
]


@dataclass(frozen=True, slots=True)
class Purse:
    """An opened wallet with the file that it lives in."""

    file: WalletFile
    wallet: Wallet
    desk: Desk

    def save(self) -> None:
        """Save the wallet; before a code, a request or an answer's outcome is given away."""
        self.file.save(self.wallet, self.desk.entropy)


@contextmanager
def open_wallet(
    desk: Desk, records: FederationDirectory, path: Path, key_file: Path | None
) -> Iterator[Purse]:
    """The wallet at `path`, and nobody else opens it until the body is through.

    `CallerError(STATE)` for a wallet that was moved to another phone.
    """
    check_there(path)
    file = WalletFile(records.federation, path, open_secret(key_file, what="the wallet"))
    with exclusive(path):
        wallet = load(file)
        if wallet.state.moved:
            hint = "this wallet was moved to another phone; use it there, and delete this file"
            raise CallerError(Reason.STATE, hint)
        yield Purse(file, wallet, desk)


def load(file: WalletFile) -> Wallet:
    """The saved wallet; says what to do if it is one of another federation."""
    try:
        return file.load()
    except PeerError as error:
        if error.reason is not Reason.STATE:
            raise
    hint = "this wallet is of another federation; name that one's directory with --federation"
    raise PeerError(Reason.STATE, hint)


def check_there(path: Path) -> None:
    """`CallerError(STORE_MISSING)` if there is no such file."""
    if not path.is_file():
        hint = "no wallet of that name; check the path, or make one with guosuo wallet init"
        raise CallerError(Reason.STORE_MISSING, hint)
