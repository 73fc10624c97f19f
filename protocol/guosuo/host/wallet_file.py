"""A wallet on this device: its sealed file, backup, restore, and the move to a new phone.

A backup is the wallet's state in a sealed file of its own kind, under a secret of its
own: a backup cannot be put in the place of a wallet, nor a wallet be read with the
backup's passphrase.

Two copies of one wallet hold the same link secret, so they have the same tag: what
both show at one checkpoint in one tick is seen there as a replay, and whoever finds a
backup and its passphrase can pass for the holder, and recognise every tag that
somebody kept. A copy knows what was true when it was made: it refuses ticks older
than the last one it knows, and counts shows from there. It also does not know of a
later move. After a loss, therefore, restore only if the old phone is gone for good;
if somebody may have it, ask the region for new slots (`Issuer.new_phone`) instead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from guosuo.curve.entropy import Entropy
from guosuo.errors import CallerError, Reason
from guosuo.federation.charter import Federation
from guosuo.host import vault
from guosuo.roles.holding import WalletState
from guosuo.roles.states import StateKind, decode_wallet, encode_wallet
from guosuo.roles.wallet import Wallet

WALLET_KIND: Final = StateKind.WALLET.value
BACKUP_KIND: Final = "wallet-backup"


@dataclass(frozen=True, slots=True)
class WalletFile:
    """Where the wallet of one federation lives, and what opens it.

    Everything here raises like `vault.load` and `vault.save`, and `PeerError` for a
    content that is no wallet of this federation.
    """

    federation: Federation = field(repr=False)
    path: Path
    secret: vault.Secret

    def load(self) -> Wallet:
        """The wallet as it was saved last."""
        data = vault.load(self.path, WALLET_KIND, self.secret)
        return Wallet(self.federation, decode_wallet(self.federation, data))

    def save(self, wallet: Wallet, entropy: Entropy) -> None:
        """Save after every change; after a show, before the code is displayed."""
        data = encode_wallet(self.federation, wallet.state)
        vault.save(self.path, WALLET_KIND, data, self.secret, entropy)

    def back_up(self, copy: Path, secret: vault.Secret, entropy: Entropy) -> None:
        """Write a backup of the saved wallet, in place of an older one under `secret`.

        `CallerError(STATE)` for a wallet that was moved: its backup would be empty words.
        """
        state = self.load().state
        if state.moved:
            raise CallerError(Reason.STATE, "this wallet was moved to another phone")
        self._write(copy, state, secret, entropy)

    def move(self, copy: Path, secret: vault.Secret, entropy: Entropy) -> None:
        """Write the backup for a new phone; the wallet here shows nothing any more.

        Written in this order: a crash leaves two wallets, not none, and moving again
        completes it. `CallerError(STATE)` if it was moved already.
        """
        wallet = self.load()
        self._write(copy, wallet.move(), secret, entropy)
        self.save(wallet, entropy)

    def restore(self, copy: Path, secret: vault.Secret, entropy: Entropy) -> Wallet:
        """Make the wallet here from a backup; `CallerError(STORE_EXISTS)` if there is one."""
        if self.path.exists():
            raise CallerError(Reason.STORE_EXISTS, "there is a wallet here already")
        data = vault.load(copy, BACKUP_KIND, secret)
        wallet = Wallet(self.federation, decode_wallet(self.federation, data))
        self.save(wallet, entropy)
        return wallet

    def _write(
        self, copy: Path, state: WalletState, secret: vault.Secret, entropy: Entropy
    ) -> None:
        data = encode_wallet(self.federation, state)
        vault.save(copy, BACKUP_KIND, data, secret, entropy)
