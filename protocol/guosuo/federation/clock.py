"""Epochs and ticks: the only place where time is turned into numbers.

All times are Unix seconds and come in as arguments. Epoch t covers
[t_0 + t·E, t_0 + (t + 1)·E). The list of epoch t holds the admitted keys of t
and t − 1 and is valid [T, T + 2E); so a key lives 3E (GS-EPOCH-1).
"""

from __future__ import annotations

from dataclasses import dataclass

from guosuo.errors import CallerError, Reason

LIST_EPOCHS = 2
"""Epochs that a list version is valid."""
KEY_EPOCHS = 3
"""Epochs that a key can be listed; ages in evidence values cover them."""

PARTS = 240
"""The clockwork of an epoch is told in parts of E/240: minutes, if E is four hours."""
CUT_OFF_AT = -60
"""Orders are taken for an epoch until then, counted from its start T."""
ENTRY_AT = -45
"""Epoch entry and board are public."""
REPORTS_UNTIL = -25
LIST_AT = -20
"""The first version of the list is published."""
REVISIONS_AT = (40, 100, 160)
"""Changes of a list are batched into revisions at these moments."""
SWITCH_AT = 80
"""Wallets change from the list of t − 1 to that of t."""
REFRESH_WITHIN = (-20, 60)
POLL_WITHIN = (165, 215)
"""A wallet refreshes at a random moment within the first, and polls within the second."""
CHECKPOINT_POLL = 15
"""Online checkpoints look for new entries this often."""


@dataclass(frozen=True, slots=True)
class Clockwork:
    """t_0 and E in seconds, and the length of a tick."""

    zero: int
    epoch_seconds: int
    tick_seconds: int

    def epoch_at(self, now: int) -> int:
        """t = floor((now − t_0)/E); `CallerError` before t_0."""
        if now < self.zero:
            raise CallerError(Reason.ARGUMENT, "before the federation's first epoch")
        return (now - self.zero) // self.epoch_seconds

    def start(self, epoch: int) -> int:
        """T, the first second of an epoch."""
        return self.zero + epoch * self.epoch_seconds

    def moment(self, epoch: int, part: float) -> float:
        """Unix time of a moment of the clockwork, `part` times E/240 after T."""
        return self.start(epoch) + part * self.epoch_seconds / PARTS

    def list_window(self, epoch: int) -> tuple[int, int]:
        """[not_before, not_after) of the list of an epoch."""
        return self.start(epoch), self.start(epoch + LIST_EPOCHS)

    def key_life(self, epoch: int) -> tuple[int, int]:
        """[T, T + 3E): the moments at which a key of this epoch can be accepted."""
        return self.start(epoch), self.start(epoch + KEY_EPOCHS)

    def shown_epoch(self, now: int) -> int:
        """Under which list wallets show: t − 1 in the first third of an epoch, then t.

        The same for every wallet, so that the version shown says nothing about
        the holder. In epoch 0 there is only list 0.
        """
        epoch = self.epoch_at(now)
        early = PARTS * (now - self.start(epoch)) < SWITCH_AT * self.epoch_seconds
        return epoch - 1 if early and epoch > 0 else epoch

    def tick_at(self, now: int) -> int:
        """The number of the tick that `now` lies in."""
        return now // self.tick_seconds
