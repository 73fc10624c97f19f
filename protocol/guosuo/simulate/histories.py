"""Random histories: what must hold whatever one region does."""

from __future__ import annotations

import random
from dataclasses import dataclass

from guosuo.federation.clock import PARTS
from guosuo.federation.judge import Judge, Rule
from guosuo.simulate.run import ELSEWHERE, HOME, WRONGLY_ACCEPTED, WRONGLY_REFUSED, Outcome, run
from guosuo.simulate.story import HOUR, Group, Story, X
from guosuo.simulate.world import build

EPOCHS = 14
_DEEDS = ("good",) * 8 + (
    "left out",
    "left out",
    "garbled",
    "withheld",
    "silent",
    "silent",
    "late",
    "refused",
    "mended",
    "worse",
)


@dataclass(frozen=True, slots=True)
class History:
    """A random history: seed, and what the region did in each epoch."""

    seed: int
    members: int
    deeds: tuple[str, ...]
    story: Story

    def silence(self) -> int:
        """The longest run of epochs without a key that lists hold."""
        longest = now = 0
        for deed in self.deeds:
            now = now + 1 if deed in ("silent", "refused") else 0
            longest = max(longest, now)
        return longest


def history(seed: int, members: int) -> History:
    """One random history; the same for the same seed."""
    rng = random.Random(seed)  # noqa: S311 - a simulation that must be repeatable
    story = Story(members, EPOCHS)
    story.groups.append(Group("victims", X, 1_000))
    out = PARTS * rng.randrange(4, EPOCHS - 6) - rng.randrange(HOUR, 5 * HOUR)
    story.groups.append(Group("suspended", X, 1_000, suspended=out))
    victims = frozenset({"victims"})
    deeds = []
    for epoch in range(3, story.last + 2):
        deed = rng.choice(_DEEDS)
        deeds.append(deed)
        match deed:
            case "left out" | "worse":
                story.change(epoch, left_out=victims)
            case "garbled":
                story.change(epoch, garbled=victims)
            case "withheld":
                story.change(epoch, withheld=victims)
            case "silent":
                story.silence([epoch])
            case "late":
                story.change(epoch, at=PARTS * epoch + rng.randrange(-40, 170))
            case "refused":
                story.change(epoch, refused=Rule.SUSPENDED_SIGNED)
            case "mended":
                story.change(epoch, left_out=victims)
                story.revise(epoch, 1, rng.randrange(-30, 150))
        if deed == "worse":
            story.revise(epoch, 1, rng.randrange(-30, 150), left_out=victims)
    return History(seed, members, tuple(deeds), story)


def check(told: History) -> tuple[Outcome, list[str]]:
    """Run a history; what is broken of the rules that hold for all, one line each."""
    outcome = run(told.story)
    lines = [
        f"judgements depend on the order of facts (region {region})" for region in _disorderly(told)
    ]
    for place in (HOME, ELSEWHERE):
        if told.members > 2 and outcome.per_person("others", WRONGLY_REFUSED, place):  # noqa: PLR2004
            lines.append(f"holders of other regions are refused {place}")
        # Five epochs without a listed key: from T_l + 21 h 20 min on.
        if told.silence() < _SILENT and outcome.per_person("x", WRONGLY_REFUSED, place):
            lines.append(f"lawful holders are refused {place}")
        most = (told.story.late_epochs + told.story.hold_epochs) * PARTS / HOUR
        if outcome.per_person("suspended", WRONGLY_ACCEPTED, place) > most:
            lines.append(f"the suspended are accepted for longer than {most:g} h {place}")
    return outcome, lines


_SILENT = 5


def _disorderly(told: History) -> list[str]:
    """Regions whose state differs if the same facts come in another order, some twice."""
    rng = random.Random(told.seed + 1)  # noqa: S311 - as above
    story = told.story
    facts = [fact for _, fact in build(story, "a").waiting]
    judges = []
    for _ in range(2):
        rng.shuffle(facts)
        judge = Judge(story.regions, hold_epochs=story.hold_epochs, late_epochs=story.late_epochs)
        for fact in (*facts, *facts[: len(facts) // 3]):
            judge.learn(fact)
            if rng.random() < _PEEK:
                judge.judged(X, rng.randrange(story.last))
        judges.append(judge)
    return [
        region
        for region in story.regions
        if len({judge.judged(region, story.last).digest() for judge in judges}) > 1
    ]


_PEEK = 0.1
