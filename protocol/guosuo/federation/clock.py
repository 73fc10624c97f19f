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
        early = 3 * (now - self.start(epoch)) < self.epoch_seconds
        return epoch - 1 if early and epoch > 0 else epoch

    def tick_at(self, now: int) -> int:
        """The number of the tick that `now` lies in."""
        return now // self.tick_seconds
