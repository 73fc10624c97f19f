"""Running a story and counting person-hours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from guosuo.federation.clock import PARTS
from guosuo.simulate.story import HOUR, Group, Story, X
from guosuo.simulate.world import (
    ACCEPTED,
    AGAIN,
    SAMPLES,
    STEP,
    Cheat,
    Device,
    Wallet,
    build,
)

HOME, ELSEWHERE = "home", "elsewhere"
WRONGLY_REFUSED, WRONGLY_ACCEPTED, UNDECIDED = "refused", "accepted", "again"
LOOK = 20
"""Parts between two moments at which everybody shows."""
_LATEST = 2 * PARTS
"""A suspension is in force everywhere two epochs after the start of its first."""

Cell = tuple[str, str, str, str]
"""Group, checkpoints, what went wrong, where."""


@dataclass(slots=True)
class Outcome:
    """What a story came to."""

    hours: dict[Cell, float] = field(default_factory=dict)
    """Hours per person, as far as there are any."""
    people: dict[str, int] = field(default_factory=dict)
    first: dict[Cell, float] = field(default_factory=dict)
    """When it began, in hours after the start of the first counted epoch."""

    def per_person(self, group: str, what: str, place: str, checkpoints: str = "online") -> float:
        """Hours per person of one group."""
        return self.hours.get((group, checkpoints, what, place), 0.0)

    def total(self, what: str, place: str) -> float:
        """Person-hours of everybody at online checkpoints."""
        return sum(
            hours * self.people[group]
            for (group, kind, was, where), hours in self.hours.items()
            if (kind, was, where) == ("online", what, place)
        )


@dataclass(slots=True)
class Shower:
    """A wallet at a gate, and how much of its group it stands for."""

    group: Group
    device: Device
    wallet: Wallet | Cheat
    place: str
    weight: float


def run(story: Story) -> Outcome:
    """Run a story to its end."""
    outcome = Outcome(people={group.name: group.people for group in story.groups})
    for now, shower, found in shows(story):
        _count(story, outcome, shower, now, found)
    return outcome


def shows(story: Story, every: int = LOOK) -> Iterator[tuple[int, Shower, str]]:
    """Everybody who shows, again and again, and what comes of it: moment, who, result."""
    gates = {name: build(story, name) for name in _shown(story)}
    devices = [Device(gate, kind) for gate in gates.values() for kind in story.checkpoints]
    showers = [s for group in story.groups for d in devices for s in _showers(story, group, d)]
    for now in range(-PARTS // 2, PARTS * (story.last + 1), STEP):
        for gate in gates.values():
            gate.step(now)
        for device in devices:
            device.step(now)
        for shower in showers:
            shower.wallet.step(now)
        if now >= PARTS * story.first and now % every == every // 2:
            for shower in showers:
                if _is_there(story, shower, now):
                    yield now, shower, shower.wallet.show(now)


def _count(story: Story, outcome: Outcome, shower: Shower, now: int, found: str) -> None:
    group = shower.group
    is_cheat = isinstance(shower.wallet, Cheat)
    if is_cheat and group.out_since is not None and now < PARTS * group.out_since + _LATEST:
        return
    if (found == ACCEPTED) is not is_cheat:
        return
    what = WRONGLY_ACCEPTED if is_cheat else UNDECIDED if found == AGAIN else WRONGLY_REFUSED
    cell = (group.name, shower.device.kind.name, what, shower.place)
    outcome.hours[cell] = outcome.hours.get(cell, 0.0) + shower.weight * LOOK / HOUR
    outcome.first.setdefault(cell, (now - PARTS * story.first) / HOUR)


def _is_there(story: Story, shower: Shower, now: int) -> bool:
    gate, home = shower.device.gate.region, shower.group.region
    return (
        now >= shower.group.since and _is_member(story, home, now) and _is_member(story, gate, now)
    )


def _is_member(story: Story, region: str, now: int) -> bool:
    return story.joined.get(region, 0) <= now < story.left.get(region, now + 1)


def _shown(story: Story) -> list[str]:
    """Gates that are looked at: X's, and one of each kind of others."""
    names = [X, "a"]
    names += [r for r in story.regions if r in story.down and r not in names]
    if story.members > 2:  # noqa: PLR2004 - X, "a" and more
        names += [r for r in (story.regions[-1],) if r not in names]
    return names


def _showers(story: Story, group: Group, device: Device) -> list[Shower]:
    """The group's people at home, and elsewhere spread over all other regions alike."""
    gate = device.gate.region
    if gate == group.region:
        place, share = HOME, 1.0
    else:
        place, share = ELSEWHERE, _share(story, group.region, gate)
    if group.thief_of is not None or group.suspended is not None:
        return [Shower(group, device, Cheat(group, device), place, share)]
    return [
        Shower(group, device, Wallet(story, group, device, i), place, share / SAMPLES)
        for i in range(SAMPLES)
    ]


def _share(story: Story, home: str, gate: str) -> float:
    """Which part of a group's travellers a gate stands for."""
    others = [r for r in story.regions if r != home]
    shown = [r for r in _shown(story) if r != home]
    if gate == shown[-1]:
        # The last one stands for all that are not looked at.
        return (len(others) - len(shown) + 1) / len(others)
    return 1 / len(others)
