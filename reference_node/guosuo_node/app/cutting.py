"""Replacing stolen epoch keys: the newest epoch is signed again under a key that is new.

The entry names the keys that it replaces. Once it is admitted, lists with one of them end
and nobody has to enrol anew: every slot that the epoch signed is signed again (GS-EPOCH-12).
What is being replaced is in the store together with the new key, before anything is signed
with it; a leader that comes after an interruption goes on with just that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from guosuo.errors import CallerError, PeerError, Reason
from guosuo.federation.judge import MAX_CUT_REVISIONS
from guosuo.federation.view import PublishedEpoch
from guosuo.roles.turn import Replacing
from guosuo.scheme import KeyId
from guosuo.wire import cbor
from guosuo_node.app.leader import Leader
from guosuo_node.jobs.pool import Pool

PENDING: Final = "cut"
"""Name of the fact that a cut was begun; empty when it is done."""
MAX_STOLEN: Final = 8
"""Keys that one entry can name."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A cut that was begun."""

    name: KeyId
    """The new key."""
    stolen: tuple[KeyId, ...]

    def encode(self) -> bytes:
        """For the store."""
        stolen: list[cbor.Value] = [[key.epoch, key.revision] for key in self.stolen]
        return cbor.encode([self.name.epoch, self.name.revision, stolen])

    @classmethod
    def decode(cls, region: str, data: bytes) -> Pending:
        """As this node wrote it; `PeerError` for anything else."""
        match cbor.decode(data, max_size=1024):
            case [int(epoch), int(revision), list(stolen)]:
                keys = tuple(_key(region, pair) for pair in stolen)
                return cls(KeyId(region, epoch, revision), keys)
        raise PeerError(Reason.STORE_ALTERED, "the store says nothing sensible of a cut")


@dataclass(slots=True)
class Cutting:
    """Cuts keys of the leader's region."""

    leader: Leader
    pool: Pool
    tell: Callable[..., None]
    """Told of events, for the log."""

    async def resume(self) -> None:
        """Finish a cut that was interrupted, if it can still be finished."""
        leader = self.leader
        async with leader.lock:
            leader.check()
            latest = self._latest()
            pending = None if latest is None else await self._pending(latest)
            if latest is not None and pending is not None:
                await self._sign(latest, pending)

    async def cut(self, *, before_too: bool) -> KeyId:
        """Replace the running epoch's key, and with `before_too` all older ones in lists.

        What is logged already of the next epoch is replaced too: its key was in the same
        place. `CallerError(STATE)` where there is no epoch yet, and after two cuts of one.
        """
        leader = self.leader
        async with leader.lock:
            leader.check()
            latest = self._latest()
            if latest is None:
                raise CallerError(Reason.STATE, "no epoch is logged yet: there is no key to cut")
            pending = await self._pending(latest)
            if pending is None:
                pending = self._wanted(latest, before_too=before_too)
            await self._sign(latest, pending)
        return pending.name

    def _latest(self) -> PublishedEpoch | None:
        return self.leader.records.view.region(self.leader.region).latest()

    def _wanted(self, latest: PublishedEpoch, *, before_too: bool) -> Pending:
        records, region = self.leader.records, self.leader.region
        view, judge = records.view.region(region), records.auditor.judge
        entries = [e.entry for key, e in view.epochs.items() if key.epoch == latest.id.epoch]
        if sum(bool(e.cuts) and e.revision > 0 for e in entries) >= MAX_CUT_REVISIONS:
            hint = "two keys of this epoch were replaced already; wait for the next epoch"
            raise CallerError(Reason.STATE, hint)
        running = records.federation.clock.epoch_at(int(self.leader.now()))
        first = min(running, latest.id.epoch)
        judged = judge.judged(region, latest.id.epoch)
        done = judge.cuts(region).keys()
        stolen = [key for key in view.epochs if key.epoch >= first - before_too]
        if before_too:
            older = (judged.admitted, judged.held)
            stolen += [key for key in older if key is not None and key not in stolen]
        stolen = sorted(
            (key for key in stolen if key not in done),
            key=lambda key: (key.epoch, key.revision),
            reverse=True,
        )
        name = KeyId(region, latest.id.epoch, latest.id.revision + 1)
        return Pending(name, tuple(stolen[:MAX_STOLEN]))

    async def _pending(self, latest: PublishedEpoch) -> Pending | None:
        """What was begun and fits behind the log as it is now."""
        data = await asyncio.to_thread(self.leader.store.meta, PENDING)
        if not data:
            return None
        found = Pending.decode(self.leader.region, data)
        following = (latest.id.epoch, latest.id.revision + 1)
        return found if (found.name.epoch, found.name.revision) == following else None

    async def _sign(self, latest: PublishedEpoch, pending: Pending) -> None:
        """As in an ordinary turn: key, buckets, entry. The lock is held."""
        leader, issuer = self.leader, self.leader.issuer
        replacing = Replacing(pending.name.revision, pending.stolen, latest.suspended)
        turn = issuer.begin_turn(
            pending.name.epoch, leader.entropy, resume=True, replacing=replacing
        )
        await leader.commit((), also=(lambda w: w.put_meta(PENDING, pending.encode()),))
        buckets = await asyncio.gather(
            *(asyncio.wrap_future(self.pool.build(turn.key, work)) for work in turn.work)
        )
        effects = issuer.finish_turn(turn, buckets, leader.entropy)
        for key in pending.stolen:
            issuer.state.keys.pop(key, None)
        await leader.commit(effects, also=(lambda w: w.put_meta(PENDING, b""),))
        self.tell(
            "epoch-signed",
            epoch=pending.name.epoch,
            revision=pending.name.revision,
            count=len(turn.slots - turn.invalid),
        )
        async with leader.records.locks[leader.region]:
            await leader.records.audit(leader.region)


def _key(region: str, value: object) -> KeyId:
    match value:
        case [int(epoch), int(revision)]:
            return KeyId(region, epoch, revision)
    raise PeerError(Reason.STORE_ALTERED, "the store says nothing sensible of a cut")
