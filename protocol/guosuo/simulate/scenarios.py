"""The scenarios of the federation's design, each with what is expected of it.

Expectations are hours per person at online checkpoints unless they say otherwise.
Everybody who is not named in one is expected to be neither refused nor accepted wrongly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from guosuo.federation.clock import ENTRY_AT, PARTS
from guosuo.scheme import KeyId
from guosuo.simulate.expected import (
    DAY,
    E,
    Expect,
    after_cut,
    all_dropped,
    clocks_refused,
    down,
    in_hold,
    nothing,
    offline,
    parted,
    silent_since,
    silent_then_held,
    two_down,
    two_ticks,
)
from guosuo.simulate.run import (
    Outcome,
)
from guosuo.simulate.story import HOLDERS, HOUR, Checkpoints, Entry, Group, Span, Story, X

VICTIMS, BATCH = 1_317, 20_000


@dataclass(frozen=True, slots=True)
class Scenario:
    """One history of section 8, told for any number of members."""

    name: str
    text: str
    tell: Callable[[int], Story]
    expected: Callable[[int], Sequence[Expect]]
    sizes: tuple[int, ...] = (2, 4, 31)


def broken(scenario: Scenario, members: int, outcome: Outcome) -> list[str]:
    """What an outcome breaks of the expectations, one line each."""
    expected = {(e.group, e.checkpoints, e.what, e.place): e for e in scenario.expected(members)}
    lines = []
    for cell in sorted(expected.keys() | outcome.hours.keys()):
        found = outcome.hours.get(cell, 0.0)
        bound = expected.get(cell)
        most, least = (bound.most, bound.least) if bound else (0.0, 0.0)
        if not least - _SLACK <= found <= most + _SLACK:
            group, kind, what, place = cell
            lines.append(
                f"{group} wrongly {what} {place} ({kind}): {found:.1f} h a person, "
                f"expected {least:g} to {most:g}"
            )
    return lines


_SLACK = 0.01


def _start(epoch: int) -> int:
    return PARTS * epoch


# --- holds ----------------------------------------------------------------------------


def _lawful(story: Story, epoch: int, people: int = BATCH) -> None:
    """A lawful batch that takes effect with an epoch of X, and one of another region."""
    at = _start(epoch) - 3 * HOUR
    story.groups.append(Group("suspended", X, people, suspended=at))
    story.groups.append(Group("suspended elsewhere", "a", people, suspended=at))


def _batch(members: int, epochs: int, bad: Sequence[int], kind: str = "left_out") -> Story:
    """An unlawful batch inside a lawful one: left out in these epochs."""
    story = Story(members, epochs)
    story.groups.append(Group("victims", X, VICTIMS))
    _lawful(story, bad[0])
    group = frozenset({"victims"})
    for epoch in bad:
        story.change(epoch, 0, **{kind: group})
    return story


def _void_order(members: int) -> Story:
    story = Story(members, 2 * DAY)
    story.groups.append(Group("victims", X, 1))
    story.change(4, left_out=frozenset({"victims"}))
    return story


def _repaired_at_once(members: int) -> Story:
    story = _batch(members, 2 * DAY, [4])
    story.revise(4, 1, 30)
    return story


def _revisions_used_up(members: int) -> Story:
    """Two revisions that repair nothing; the next epoch does."""
    story = _batch(members, 2 * DAY, [4])
    for revision, at in ((1, 30), (2, 90), (3, 150)):
        story.revise(4, revision, at, left_out=frozenset({"victims"}))
    return story


def _garbled(members: int) -> Story:
    return _batch(members, 2 * DAY, [4], "garbled")


def _withheld(members: int) -> Story:
    return _batch(members, 2 * DAY, [4], "withheld")


def _hold_after_silence(members: int) -> Story:
    """Thirty hours down, then a hold: a key of long ago must not come back."""
    story = Story(members, 3 * DAY)
    story.groups.append(Group("victims", X, VICTIMS))
    story.groups.append(Group("suspended", X, BATCH, suspended=_start(14) - 3 * HOUR))
    story.silence(range(5, 14))
    for epoch in (14, 15):
        story.change(epoch, left_out=frozenset({"victims"}))
    return story


# --- silence --------------------------------------------------------------------------


def _down(hours: float, *also: str) -> Callable[[int], Story]:
    def tell(members: int) -> Story:
        story = Story(members, 4 * DAY)
        _lawful(story, 3)
        for region in (X, *also):
            story.stop(region, _start(6) - HOUR, hours)
        story.groups += [Group(f"of {region}", region, HOLDERS) for region in also]
        return story

    return tell


def _late(at: int) -> Callable[[int], Story]:
    def tell(members: int) -> Story:
        story = Story(members, 2 * DAY)
        _lawful(story, 4)
        story.change(5, at=_start(5) + at)
        return story

    return tell


def _fork(hours: float) -> Callable[[int], Story]:
    """Two histories from epoch 5 on; the successor comes after some hours."""

    def tell(members: int) -> Story:
        story = Story(members, 4 * DAY)
        _lawful(story, 4)
        common = 4
        proven = _start(common + 1) + 30
        story.forks.append((proven, 0, common))
        healed = proven + round(hours * HOUR)
        for (epoch, revision), entry in list(story.entries[X].items()):
            if epoch <= common + 1 or (entry.at < healed and epoch < healed // PARTS):
                continue
            at = max(entry.at, healed)
            story.entries[X][epoch, revision] = Entry(entry.key, at, line=1)
        return story

    return tell


def _stale_backup(hours: float) -> Callable[[int], Story]:
    """Restored from an old backup, the node signs nothing until it has its log back."""

    def tell(members: int) -> Story:
        story = Story(members, 4 * DAY)
        _lawful(story, 3)
        start = _start(6) - HOUR
        missed = [t for t in range(story.last + 2) if _in(start, hours, _start(t) + ENTRY_AT)]
        story.silence(missed[:-1])
        back = start + round(hours * HOUR)
        story.change(missed[-1], at=max(back, _start(missed[-1]) + ENTRY_AT))
        return story

    return tell


def _in(start: int, hours: float, at: int) -> bool:
    return start <= at < start + round(hours * HOUR)


def _partition(hours: float) -> Callable[[int], Story]:
    def tell(members: int) -> Story:
        story = Story(members, 4 * DAY)
        start = _start(5) + 15
        story.partition = Span(start, start + round(hours * HOUR))
        _lawful(story, 3)
        return story

    return tell


# --- clocks and devices ---------------------------------------------------------------


def _clocks(checkpoint: int, wallet: int, region: int) -> Callable[[int], Story]:
    """Clocks off by some seconds; a region's by some parts."""

    def tell(members: int) -> Story:
        story = Story(members, DAY)
        story.checkpoints.append(Checkpoints("off", skew=checkpoint))
        story.groups.append(Group("clock off", X, 1_000, skew=wallet))
        for epoch in range(1, story.last + 2):
            story.change(epoch, at=_start(epoch) + ENTRY_AT + region)
        _lawful(story, 4)
        return story

    return tell


def _stolen(of: int, at: int, revision: int, used: int = 0) -> Callable[[int], Story]:
    """The key of epoch `of` is stolen in epoch 5; cut by a revision of epoch 5 `at` parts in."""

    def tell(members: int) -> Story:
        story = Story(members, 2 * DAY)
        story.checkpoints.append(Checkpoints("offline", (Span(_start(5) - HOUR, _start(12)),)))
        _lawful(story, 4)
        stolen = KeyId(X, of, 0)
        story.groups.append(Group("thief", X, 1, thief_of=stolen, since=_start(5) + at - HOUR))
        story.groups.append(
            Group("offline at the cut", X, 1_000, offline=(Span(_start(5) + 20, _start(6)),))
        )
        for number in range(1, used + 1):
            story.revise(5, number, 30 * number)
        story.revise(5, revision, at, cuts=frozenset({stolen}))
        return story

    return tell


def _public_first(members: int) -> Story:
    """The secret of a held key is published: the region cannot end the hold by that."""
    story = _batch(members, 2 * DAY, [4])
    story.exposed.append((_start(4) + 60, KeyId(X, 4, 0)))
    story.groups.append(Group("thief", X, 1, thief_of=KeyId(X, 4, 0), since=_start(4) + 60))
    return story


def _public_then_cut(members: int) -> Story:
    """A secret is public for two hours, then the key is cut."""
    story = Story(members, 2 * DAY)
    story.exposed.append((_start(5) + 30, KeyId(X, 5, 0)))
    story.groups.append(Group("thief", X, 1, thief_of=KeyId(X, 5, 0), since=_start(5) + 30))
    story.revise(5, 1, 150, cuts=frozenset({KeyId(X, 5, 0)}))
    return story


def _wallet_offline(hours: float) -> Callable[[int], Story]:
    def tell(members: int) -> Story:
        story = Story(members, 4 * DAY)
        start = _start(5) + 90
        story.groups.append(
            Group("offline", X, 1_000, offline=(Span(start, start + round(hours * HOUR)),))
        )
        _lawful(story, 4)
        return story

    return tell


def _checkpoint_offline(hours: float) -> Callable[[int], Story]:
    def tell(members: int) -> Story:
        story = Story(members, 4 * DAY)
        start = _start(4)
        story.checkpoints.append(
            Checkpoints("offline", (Span(start, start + round(hours * HOUR)),))
        )
        _lawful(story, 5)
        # Something that makes lists be revised while the checkpoint has no network.
        story.change(6, at=_start(6) + 30)
        return story

    return tell


# --- members --------------------------------------------------------------------------


def _added(members: int) -> Story:
    story = Story(members, 2 * DAY)
    story.silence(range(6))
    story.joined[X] = _start(6) - HOUR
    # Its holders come with its first board; before the lists hold it nobody is counted.
    story.groups[0] = Group("x", X, 100_000, since=_start(6) + 80)
    return story


def _removed(members: int) -> Story:
    story = Story(members, 2 * DAY)
    story.left[X] = _start(6) - 30
    return story


def _week(members: int) -> Story:
    story = Story(members, 7 * DAY)
    _lawful(story, 5)
    return story


def _alternating(members: int) -> Story:
    return _batch(members, 5 * DAY, range(4, 4 + 5 * DAY - 4, 2))


SCENARIOS: tuple[Scenario, ...] = (
    Scenario("normal-week", "Seven days as they should be.", _week, nothing),
    Scenario("one-void-order", "One holder is left out by a void order.", _void_order, nothing),
    Scenario(
        "batch-revised",
        "1,317 unlawfully in a lawful 20,000, mended by a revision of the epoch.",
        _repaired_at_once,
        nothing,
    ),
    Scenario(
        "batch-once",
        "The same, mended by the next epoch.",
        lambda n: _batch(n, 2 * DAY, [4]),
        nothing,
    ),
    Scenario(
        "batch-revisions-used-up",
        "The same; three revisions mend nothing, the next epoch does.",
        _revisions_used_up,
        nothing,
    ),
    Scenario(
        "batch-one-epoch-later",
        "The same, mended after one more epoch.",
        lambda n: _batch(n, 2 * DAY, [4, 5]),
        in_hold(0.0),
    ),
    Scenario(
        "batch-five-days",
        "The same, repeated for five days, then mended.",
        lambda n: _batch(n, 6 * DAY, range(4, 4 + 5 * DAY)),
        in_hold(5 * DAY * E - 2 * E),
    ),
    Scenario(
        "batch-never",
        "The same, never mended.",
        lambda n: _batch(n, 4 * DAY, range(4, 4 * DAY + 4)),
        in_hold((4 * DAY - 4) * E - 4 / 3),
    ),
    Scenario("alternating", "Held and admitted epochs in turn.", _alternating, nothing),
    Scenario("garbled-slots", "A bucket that fails.", _garbled, nothing),
    Scenario("withheld-bucket", "A bucket that nobody can fetch.", _withheld, nothing),
    Scenario(
        "hold-after-silence", "30 h down, then a hold.", _hold_after_silence, silent_then_held
    ),
    Scenario("late-entry", "An entry half an hour after T.", _late(30), nothing),
    Scenario("very-late-entry", "An entry three hours after T.", _late(180), nothing),
    *(Scenario(f"down-{h}h", f"A region down for {h} h.", _down(h), down(h)) for h in (3, 8, 30)),
    Scenario("two-down-8h", "Two regions down for 8 h.", _down(8, "b0"), two_down(8), (4, 31)),
    *(
        Scenario(f"fork-{h}h", f"A fork, healed after {h} h.", _fork(h), then)
        for h, then in ((4, nothing), (24, silent_since(4, E * 11 + 4 / 3)))
    ),
    *(
        Scenario(
            f"stale-backup-{h}h",
            f"An old backup; the log is back after {h} h.",
            _stale_backup(h),
            then,
        )
        for h, then in ((4, nothing), (24, silent_since(5, E * 12 + 4 / 3)))
    ),
    *(
        Scenario(f"partition-{h}h", f"Two halves for {h} h.", _partition(h), parted(h))
        for h in (6, 24)
    ),
    Scenario("clocks-one-tick", "Clocks off by a tick.", _clocks(30, -30, 1), two_ticks),
    Scenario("clocks-ten-minutes", "Clocks off by 10 min.", _clocks(600, -600, 10), clocks_refused),
    Scenario("stolen-t", "The key of t is stolen and cut.", _stolen(5, 70, 1), after_cut(70)),
    Scenario(
        "stolen-before",
        "The key of t − 1 is cut.",
        _stolen(4, 70, 1),
        after_cut(70, nothing_left=True),
    ),
    Scenario(
        "stolen-revisions-used-up",
        "Cut after two revisions of the key.",
        _stolen(5, 110, 3, used=2),
        after_cut(110),
    ),
    Scenario(
        "public-then-cut", "A secret is public, then cut.", _public_then_cut, all_dropped(1.2, "x")
    ),
    Scenario(
        "public-in-hold",
        "A held key's secret is published.",
        _public_first,
        all_dropped(4.0, "x", "victims"),
    ),
    *(
        Scenario(
            f"wallet-offline-{h}h", f"A wallet offline for {h} h.", _wallet_offline(h), offline(h)
        )
        for h in (10, 48)
    ),
    *(
        Scenario(
            f"checkpoint-offline-{h}h",
            f"A checkpoint offline for {h} h.",
            _checkpoint_offline(h),
            nothing,
        )
        for h in (12, 47)
    ),
    Scenario("member-added", "A region joins.", _added, nothing, (4, 31)),
    Scenario("member-removed", "A region leaves.", _removed, nothing, (4, 31)),
)
"""All of them, by name unique."""
