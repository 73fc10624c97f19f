"""The leader's clock: cut-off, epoch entry, judgements, lists and their revisions.

All moments are those of `federation.clock`, in parts of E; each step is due until it is done,
so a turn that was interrupted is taken up where the store says that it stands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from guosuo.errors import CallerError, PeerError, Reason
from guosuo.federation.audit import AuditedEpoch
from guosuo.federation.charter import Environment, Federation
from guosuo.federation.charters import adoption
from guosuo.federation.clock import CUT_OFF_AT, KEY_EPOCHS, LIST_AT, PARTS, REVISIONS_AT
from guosuo.federation.lists import Plan, PublishedList, due, listing
from guosuo.federation.records import Effect
from guosuo.federation.trust_list import MAX_REVISION, Absence, ListKeys
from guosuo_node.app.faults import Fault, ServiceError
from guosuo_node.app.housekeeping import old_blobs, settle
from guosuo_node.app.leader import Leader
from guosuo_node.app.points import Point, reached
from guosuo_node.jobs.pool import Pool

_KEEP = 4
"""Epochs for which old secrets are kept: a key can be listed for three, and late ones longer."""


@dataclass(slots=True)
class Turns:
    """Does what the clock says, as long as the leader leads."""

    leader: Leader
    pool: Pool
    tell: Callable[..., None]
    """Told of events, for the log."""
    wanted: Federation | None = None
    """The version of the charter that the operator put in place, to be adopted in its time."""
    started: float = field(init=False)
    tidied: int = -1
    """The epoch in which old things were forgotten last."""
    published: dict[int, list[PublishedList]] = field(default_factory=dict)
    """Revisions of the lists of recent epochs."""

    def __post_init__(self) -> None:
        """Time counts from now for lists that were missed."""
        self.started = self.leader.now()

    async def run(self) -> None:
        """Until cancelled, or the lease is lost."""
        while not self.leader.lost:
            await self.step()
            # Fine enough for every moment of the clock, and no busier than that.
            await asyncio.sleep(max(0.05, min(1.0, self._seconds(1))))

    async def step(self) -> None:
        """Everything that is due now."""
        clock, now = self.leader.records.federation.clock, self.leader.now()
        if now < clock.zero:
            return
        present = clock.epoch_at(int(now))
        following = now >= clock.moment(present + 1, CUT_OFF_AT)
        for epoch in (present, present + 1) if following else (present,):
            if not self.is_logged(epoch):
                await self.adopt(epoch)
            await self.turn(epoch)
        await self.prepare(present)
        await self.tidy(present)
        for epoch in (present - 1, present, present + 1):
            if epoch >= 0:
                await self.list_keys(epoch, now)

    # --- epochs ---------------------------------------------------------------------------

    async def turn(self, epoch: int) -> None:
        """Draw the key, sign the board, log the entry, unless it is logged already."""
        leader = self.leader
        if self.is_logged(epoch):
            return
        async with leader.lock:
            # Whoever held the lock may have done it.
            if self.is_logged(epoch):
                return
            # 1. The key is in the store before anything is signed with it.
            turn = leader.issuer.begin_turn(epoch, leader.entropy, resume=True)
            await leader.commit(())
            reached(Point.AFTER_KEY_DRAWN)
            # 2. Buckets, in other processes.
            buckets = await asyncio.gather(
                *(asyncio.wrap_future(self.pool.build(turn.key, work)) for work in turn.work)
            )
            reached(Point.AFTER_BUCKETS_BEFORE_ENTRY)
            # 3. Board, status list and entry.
            effects = leader.issuer.finish_turn(turn, buckets, leader.entropy)
            leader.issuer.forget_keys(epoch - _KEEP)
            await leader.commit(effects)
            reached(Point.AFTER_ENTRY_BEFORE_CHECKPOINT)
        self.tell("epoch-signed", epoch=epoch, count=len(turn.slots - turn.invalid))
        async with leader.records.locks[leader.region]:
            await leader.records.audit(leader.region)

    async def adopt(self, epoch: int) -> None:
        """Log the next version of the charter, if it may be from this epoch on (GS-REC-20).

        Then the leadership ends, `ServiceError(NOT_LEADER)`: the next one begins with the keys
        of that version, and without anything that rests on the one before.
        """
        leader = self.leader
        ruling = leader.records.view.ruling(leader.region)
        if self.wanted is None or self.wanted.version <= ruling.version:
            return
        following = (*self.wanted.earlier, self.wanted)[ruling.version]
        start = following.charter.adopt_from or 0
        if leader.region not in following.members or epoch < start:
            return
        async with leader.lock:
            await leader.commit(adoption(following, epoch))
            leader.lost = True
        self.tell("charter-adopted", epoch=epoch, version=following.version)
        raise ServiceError(Fault.NOT_LEADER)

    def is_logged(self, epoch: int) -> bool:
        """Whether the log has an entry of that epoch or a later one."""
        latest = self.leader.records.view.region(self.leader.region).latest()
        return latest is not None and latest.id.epoch >= epoch

    async def turn_early(self) -> int:
        """Turn the epoch after the running one now, before its cut-off; its number.

        It closes the number early: orders from now on count an epoch later. Nothing else
        depends on when within an epoch the next one's entry comes. `CallerError(STATE)`
        outside of test federations, and if it is logged already.
        """
        federation = self.leader.records.federation
        if federation.charter.environment is not Environment.TEST:
            raise CallerError(Reason.STATE, "epochs are turned early in test federations only")
        epoch = federation.clock.epoch_at(int(self.leader.now())) + 1
        if self.is_logged(epoch):
            raise CallerError(Reason.STATE, "the next epoch is turned already; wait for its start")
        await self.turn(epoch)
        return epoch

    async def prepare(self, present: int) -> None:
        """Parts of lists to come, for checkpoints; secrets of those that ended are destroyed."""
        leader = self.leader
        async with leader.lock:
            leader.gate.forget(present - 1)
            effects = leader.gate.prepare_parts(present, leader.entropy, revisions=MAX_REVISION)
            if effects:
                await leader.commit(effects)

    async def tidy(self, present: int) -> None:
        """Once an epoch: forget what nobody can need any more."""
        if present == self.tidied:
            return
        self.tidied = present
        records, now = self.leader.records, int(self.leader.now())
        settle(records, present)
        names = await asyncio.to_thread(old_blobs, records, present)
        await asyncio.to_thread(records.blobs.delete, names)
        await self.leader.write(lambda writer: writer.forget_grants(now))

    # --- lists ----------------------------------------------------------------------------

    async def list_keys(self, epoch: int, now: float) -> None:
        """Publish the list of an epoch, or its next revision, if one is due."""
        leader, auditor = self.leader, self.leader.records.auditor
        clock = leader.records.federation.clock
        at = int((now - clock.start(epoch)) * PARTS / clock.epoch_seconds)
        if at < LIST_AT or (epoch not in self.published and not self._complete(epoch, now)):
            return
        before = self.published.setdefault(epoch, self._restored(epoch))
        auditor.listing(epoch)  # tells the judge of keys that stand in two logs
        plan = due(auditor.judge, epoch, before, at, under=self._ruling())
        if plan is None:
            return
        async with leader.lock:
            try:
                effects = self._effects(epoch, plan)
            except CallerError as error:
                if error.reason is not Reason.LIST_REVISIONS:
                    raise
                # Used up, by this store's past or by thieves: nothing else waits for it.
                return
            await leader.commit(effects)
        self.tell(
            "list-published", epoch=epoch, revision=plan.revision, count=len(plan.listing.keys)
        )
        before.append(PublishedList(plan.listing, at, plan.cut))
        self.published = {e: p for e, p in self.published.items() if e >= epoch - KEY_EPOCHS}

    def _effects(self, epoch: int, plan: Plan) -> list[Effect]:
        leader, auditor = self.leader, self.leader.records.auditor
        known = leader.records.view.region(leader.region).judgements
        effects: list[Effect] = []
        for region in self._ruling().members:
            judged = auditor.judge.judged(region, epoch)
            logged = known.get((region, epoch))
            if logged is None or logged.state != judged.digest():
                effects.append(auditor.judgement(region, epoch))
        absent = [Absence(region=region, reason=reason) for region, reason in plan.listing.absent]
        effects += leader.gate.publish_list(
            epoch, self._audited(plan), leader.entropy, absent=absent, cut=plan.cut
        )
        return effects

    def _audited(self, plan: Plan) -> list[AuditedEpoch]:
        regions = self.leader.records.auditor.regions
        found = []
        for key in plan.listing.keys:
            state = regions[key.region]
            audited = state.admitted.get(key) or state.held.get(key)
            if audited is not None:
                found.append(audited)
        return found

    def _complete(self, epoch: int, now: float) -> bool:
        """Whether to publish the first list now: in time, or all are there, or waited enough.

        A node that starts in the middle of an epoch has nobody's keys yet; a list without
        them would help nobody and use up a revision.
        """
        auditor, clock = self.leader.records.auditor, self.leader.records.federation.clock
        if epoch in {e for e, _ in self.leader.records.view.region(self.leader.region).lists}:
            return True
        wanted = listing(auditor.judge, epoch, under=self._ruling())
        fresh = {key.region for key in wanted.keys if key.epoch == epoch}
        if fresh == set(self._ruling().members):
            return True
        patience = self._seconds(-LIST_AT)
        return now >= max(clock.moment(epoch, 0), self.started + patience)

    def _restored(self, epoch: int) -> list[PublishedList]:
        """Revisions that an earlier leader published, from the log; when is not known."""
        records = self.leader.records
        clock, view = records.federation.clock, records.view.region(self.leader.region)
        at = (self.leader.now() - clock.start(epoch)) * PARTS / clock.epoch_seconds
        passed = max([LIST_AT, *(m for m in REVISIONS_AT if m <= at)])
        found = []
        for (number, _), entry in sorted(view.lists.items()):
            if number == epoch:
                what = listing(records.auditor.judge, epoch, under=self._ruling())
                try:
                    keys = ListKeys.decode(records.blobs.get(entry.keys))
                except PeerError:
                    # Lost with an old store: what it said is taken to be what it should say.
                    found.append(PublishedList(what, passed, entry.lowest is not None))
                    continue
                same = tuple(key.id for key in keys.keys) == what.keys
                shown = (
                    what if same else type(what)(epoch, tuple(k.id for k in keys.keys), what.absent)
                )
                found.append(PublishedList(shown, passed, entry.lowest is not None))
        return found

    def _ruling(self) -> Federation:
        """The version of the charter by which the own log, and its lists, are judged."""
        return self.leader.records.view.ruling(self.leader.region)

    def _seconds(self, parts: float) -> float:
        return parts * self.leader.records.federation.clock.epoch_seconds / PARTS
