"""Gates, wallets and checkpoints of a story in virtual time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from guosuo.errors import Reason
from guosuo.federation.clock import (
    CHECKPOINT_POLL,
    LIST_AT,
    PARTS,
    POLL_WITHIN,
    REFRESH_WITHIN,
    Clockwork,
)
from guosuo.federation.judge import Exposed, Finding, Fork, Judge, Missing
from guosuo.federation.lists import PublishedList, due
from guosuo.federation.trust_list import MAX_REVISION
from guosuo.roles.timing import list_refusal, lists_to_try, tick_refusal
from guosuo.scheme import KeyId
from guosuo.simulate.story import Checkpoints, Entry, Group, Story, X

SECONDS = 60
"""Of a part, at E = 4 h."""
CLOCK = Clockwork(zero=0, epoch_seconds=PARTS * SECONDS, tick_seconds=30)
STEP = 5
"""Parts between two looks at the world."""
SAMPLES = 4
"""Wallets of a group, with refreshes at different moments."""
PARTS_AHEAD = 12
_SOON = (0, 10)
"""Moments at which a gate that learned nothing new looks again, within a poll's length."""


@dataclass(slots=True)
class Gate:
    """A member's node: what it knows, and the lists of its gates."""

    region: str
    story: Story
    judge: Judge
    waiting: list[tuple[int, Finding | Exposed | Fork | Missing]]
    """Facts and when they reach this node, latest first."""
    lists: dict[int, list[PublishedList]] = field(default_factory=dict)
    entries: dict[KeyId, Entry] = field(default_factory=dict)
    """Entries of which the boards can be had here."""

    def step(self, now: int) -> None:
        """Learn what arrived; publish what is due."""
        learned = False
        while self.waiting and self.waiting[-1][0] <= now:
            _, fact = self.waiting.pop()
            self.judge.learn(fact)
            learned = True
            if isinstance(fact, Finding) and fact.unread is not None:
                entry = self.story.entries[fact.key.region][fact.key.epoch, fact.key.revision]
                self.entries[fact.key] = entry
        if not self.story.is_up(self.region, now):
            return
        current = now // PARTS
        omitted = {r: "not a member" for r, at in self.story.joined.items() if now < at}
        omitted |= {r: "not a member" for r, at in self.story.left.items() if now >= at}
        for epoch in (current - 1, current, current + 1):
            at = now - PARTS * epoch
            if at < LIST_AT or epoch < 0:
                continue
            published = self.lists.setdefault(epoch, [])
            if not (learned or at % CHECKPOINT_POLL in _SOON or not published):
                continue
            plan = due(self.judge, epoch, published, at, omitted=omitted)
            if plan is not None:
                published.append(PublishedList(plan.listing, at, plan.cut))


@dataclass(slots=True)
class Device:
    """A checkpoint at a gate."""

    gate: Gate
    kind: Checkpoints
    lowest: dict[int, int] = field(default_factory=dict)
    known: dict[int, int] = field(default_factory=dict)
    """Highest revision of each list of which it has the part."""
    loaded: int = 0

    def step(self, now: int) -> None:
        """Poll, if there is a network."""
        if now % CHECKPOINT_POLL or any(span.holds(now) for span in self.kind.offline):
            return
        self.loaded = now // PARTS + PARTS_AHEAD
        for epoch, published in self.gate.lists.items():
            self.known[epoch] = max(len(published) - 1, MAX_REVISION)
            cuts = [revision for revision, item in enumerate(published) if item.cut]
            if cuts:
                self.lowest[epoch] = max(cuts)

    def refusal(self, epoch: int, revision: int, tick: int, now: int) -> Reason | None:
        """AGAIN for a list version and tick: the rules of the real checkpoint."""
        clock = SECONDS * now + self.kind.skew
        if epoch > self.loaded or revision > self.known.get(epoch, MAX_REVISION):
            return Reason.LIST_REVISIONS
        lowest = self.lowest.get(epoch, 0)
        return tick_refusal(CLOCK, tick, clock, quiet_until=0) or list_refusal(
            CLOCK.list_window(epoch), revision, clock, lowest=lowest
        )


ACCEPTED, REFUSED, AGAIN = "accepted", "refused", "again"


@dataclass(slots=True)
class Wallet:
    """An honest wallet whose holder stands at one gate."""

    story: Story
    group: Group
    device: Device
    sample: int
    keys: set[KeyId] = field(default_factory=set)
    lists: dict[int, tuple[int, frozenset[KeyId], int]] = field(default_factory=dict)
    """By epoch: revision, keys of the own region, number of regions."""

    def is_online(self, now: int) -> bool:
        """Whether it has a network."""
        return not any(span.holds(now) for span in self.group.offline)

    def step(self, now: int) -> None:
        """Refresh at its random moments."""
        at = now % PARTS
        first, last = REFRESH_WITHIN
        refresh = _grid(first + (last - first) * (2 * self.sample + 1) / (2 * SAMPLES))
        first, last = POLL_WITHIN
        poll = _grid(first + (last - first) * (2 * self.sample + 1) / (2 * SAMPLES))
        if at in (refresh % PARTS, poll) and self.is_online(now):
            self.refresh(now)

    def refresh(self, now: int) -> None:
        """The gate's newest lists, and the own renewals under every key that they hold."""
        gate, home = self.device.gate, self.group.region
        for epoch in (now // PARTS - 1, now // PARTS, now // PARTS + 1):
            published = gate.lists.get(epoch)
            if not published:
                continue
            listing = published[-1].listing
            regions = len({key.region for key in listing.keys})
            self.lists[epoch] = (len(published) - 1, frozenset(listing.of(home)), regions)
            self.keys |= {k for k in listing.of(home) if _signed(gate, self.group, k)}
        self.lists = {t: v for t, v in self.lists.items() if t >= now // PARTS - 1}

    def show(self, now: int) -> str:
        """What comes of showing now; a wallet that has nothing usable refreshes at once."""
        found = self._try(now)
        if found != ACCEPTED and self.is_online(now):
            self.refresh(now)
            found = self._try(now)
        return found

    def _try(self, now: int) -> str:
        clock = SECONDS * now + self.group.skew
        found = REFUSED
        for epoch in lists_to_try(CLOCK, clock, self.lists):
            revision, listed, regions = self.lists[epoch]
            if self.device.refusal(epoch, revision, CLOCK.tick_at(clock), now) is not None:
                found = AGAIN
                continue
            local = self.group.region == self.device.gate.region
            if regions < _smallest(self.story) and not local:
                return REFUSED
            return ACCEPTED if listed & self.keys else REFUSED
        return found


@dataclass(slots=True)
class Cheat:
    """A modified wallet: every key, list and bundle it ever could get, in every combination."""

    group: Group
    device: Device

    def step(self, now: int) -> None:
        """Nothing to do: it is given everything that was ever published."""

    def show(self, now: int) -> str:
        """Accepted if any combination passes."""
        gate, tick = self.device.gate, CLOCK.tick_at(SECONDS * now)
        current = now // PARTS
        for epoch in (current - 2, current - 1, current, current + 1):
            for revision, item in enumerate(gate.lists.get(epoch, ())):
                if self.device.refusal(epoch, revision, tick, now) is None and any(
                    self._has(key) for key in item.listing.of(self.group.region)
                ):
                    return ACCEPTED
        return REFUSED

    def _has(self, key: KeyId) -> bool:
        if self.group.thief_of is not None:
            return key == self.group.thief_of
        return _signed(self.device.gate, self.group, key)


def build(story: Story, region: str) -> Gate:
    """The node of one member, with everything that will reach it."""
    facts: list[tuple[int, Finding | Exposed | Fork | Missing]] = []
    for entries in story.entries.values():
        for entry in entries.values():
            facts.extend(_facts(story, region, entry))
    facts.extend((at, Exposed(key)) for at, key in story.exposed)
    facts.extend((at, Fork(X, line, after)) for at, line, after in story.forks)
    facts.sort(key=lambda pair: -pair[0])
    judge = Judge(story.regions, hold_epochs=story.hold_epochs, late_epochs=story.late_epochs)
    return Gate(region, story, judge, facts)


def _facts(
    story: Story, reader: str, entry: Entry
) -> Iterator[tuple[int, Finding | Exposed | Fork | Missing]]:
    """What one node learns of one entry, and when."""
    home = entry.key.region
    public = entry.at if entry.readable_at is None else entry.readable_at
    reached = _first(story, entry.at, lambda at: story.sees(reader, home, at))
    if reader == home:
        # The home gate lists its own region by its own log.
        witnessed = entry.at
    else:
        witnessed = _first(story, entry.at, lambda at: story.is_witnessed(home, at))
    read = max(public, reached)
    withheld = frozenset(_bucket(name) for name in entry.withheld)
    yield reached, Finding(entry.key, entry=_hash(entry), witnessed=False, unread=None)
    out = [g.out_since for g in story.groups if g.region == home and g.out_since is not None]
    whole = max((t for t in out if t <= entry.key.epoch), default=0)
    yield (
        max(read, witnessed),
        Finding(
            entry.key,
            entry=_hash(entry),
            line=entry.line,
            unread=withheld,
            left_out=frozenset(_bucket(name) for name in entry.left_out),
            failing=frozenset(_bucket(name) for name in entry.garbled),
            refused=entry.refused,
            cuts=entry.cuts,
            whole_since=whole,
        ),
    )
    for first in withheld:
        # The two nodes that the bucket is assigned to report it until T − 25.
        for other in [r for r in story.regions if r != home][:2]:
            yield read + _REPORT, Missing(other, entry.key, first)


_REPORT = 10
"""Parts until a bucket that cannot be had is reported."""


def _first(story: Story, start: int, holds: object) -> int:
    """The first moment from `start` on at which something holds that changes by the story."""
    assert callable(holds)  # noqa: S101 - for the type checker
    moments = {start}
    if story.partition is not None:
        moments.add(story.partition.end)
    moments |= {span.end for spans in story.down.values() for span in spans}
    for at in sorted(m for m in moments if m >= start):
        if holds(at):
            return at
    return 1 << 30


def _signed(gate: Gate, group: Group, key: KeyId) -> bool:
    """Whether the board of a key, as far as it can be had here, signs a group."""
    entry = gate.entries.get(key)
    if entry is None or group.name in entry.unsigned:
        return False
    return group.out_since is None or key.epoch < group.out_since


def _hash(entry: Entry) -> bytes:
    key = entry.key
    return f"{key.region}/{key.epoch}/{key.revision}/{entry.line}".encode()


def _bucket(name: str) -> int:
    return int.from_bytes(name.encode()[:6], "big")


def _grid(at: float) -> int:
    return round(at / STEP) * STEP


def _smallest(story: Story) -> int:
    return 2 if story.members < 7 else 3  # noqa: PLR2004 - n_min by default
