"""What happens in a scenario: regions, entries, holders, networks; all times in parts.

A part is E/240, a minute of a four-hour epoch; part 0 is the start of epoch 0, and epoch t
starts at part 240·t.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from guosuo.errors import CallerError, Reason
from guosuo.federation.clock import CUT_OFF_AT, ENTRY_AT, PARTS
from guosuo.federation.judge import HOLD_EPOCHS, LATE_EPOCHS, Rule
from guosuo.scheme import KeyId

HOUR = 60
"""Parts of an hour at E = 4 h: person-hours are told for that epoch."""
HOLDERS = 100_000
"""Lawful holders of each region."""
X = "x"
"""The region to which things happen; all others only do what they ought to."""
FOREVER = 1 << 30


@dataclass(frozen=True, slots=True)
class Span:
    """[start, end) in parts."""

    start: int
    end: int = FOREVER

    def holds(self, at: int) -> bool:
        """Whether a moment lies in it."""
        return self.start <= at < self.end


@dataclass(frozen=True, slots=True)
class Group:
    """Holders of one region to whom the same happens."""

    name: str
    region: str
    people: int
    suspended: int | None = None
    """When a conforming order against them is logged."""
    thief_of: KeyId | None = None
    """Not holders at all: who has the secret of this key."""
    since: int = 0
    """From when they have what they show with."""
    offline: tuple[Span, ...] = ()
    skew: int = 0
    """Of the wallets' clocks, in seconds."""

    @property
    def out_since(self) -> int | None:
        """The first epoch whose board must not have them."""
        if self.suspended is None:
            return None
        return -(-(self.suspended - CUT_OFF_AT + 1) // PARTS)


@dataclass(frozen=True, slots=True)
class Entry:
    """A published epoch entry, as far as the rules look at it."""

    key: KeyId
    at: int
    """When it is public."""
    readable_at: int | None = None
    """When its blobs are, if later."""
    left_out: frozenset[str] = frozenset()
    """Groups that no conforming order leaves out and that have no signature."""
    garbled: frozenset[str] = frozenset()
    """Groups in a bucket that fails."""
    withheld: frozenset[str] = frozenset()
    """Groups in a bucket that nobody can fetch."""
    refused: Rule | None = None
    line: int = 0
    cuts: frozenset[KeyId] = frozenset()

    @property
    def unsigned(self) -> frozenset[str]:
        """Groups without a usable signature, lawful suspensions apart."""
        return self.left_out | self.garbled | self.withheld


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Devices at the gates of all regions."""

    name: str
    offline: tuple[Span, ...] = ()
    skew: int = 0
    """Of their clocks, in seconds."""


@dataclass(slots=True)
class Story:
    """One scenario for one number of members."""

    members: int
    epochs: int
    """Epochs that are counted; two before them are the lead-in."""
    hold_epochs: int = HOLD_EPOCHS
    late_epochs: int = LATE_EPOCHS
    entries: dict[str, dict[tuple[int, int], Entry]] = field(default_factory=dict)
    groups: list[Group] = field(default_factory=list)
    checkpoints: list[Checkpoints] = field(default_factory=lambda: [Checkpoints("online")])
    down: dict[str, list[Span]] = field(default_factory=dict)
    exposed: list[tuple[int, KeyId]] = field(default_factory=list)
    """Secrets that became public, and when."""
    forks: list[tuple[int, int, int]] = field(default_factory=list)
    """Of X: when it is proven, the line, the last common epoch."""
    partition: Span | None = None
    """While it lasts, each half of the members sees only itself."""
    joined: dict[str, int] = field(default_factory=dict)
    """Members that joined later, and when."""
    left: dict[str, int] = field(default_factory=dict)
    """Members that were removed, and when."""

    def __post_init__(self) -> None:
        """Everybody does what he ought to, and everybody has lawful holders."""
        if self.members < 2:  # noqa: PLR2004 - a federation
            raise CallerError(Reason.ARGUMENT, "a federation has two members or more")
        for region in self.regions:
            self.entries[region] = {
                (t, 0): Entry(KeyId(region, t, 0), PARTS * t + ENTRY_AT)
                for t in range(self.last + 2)
            }
        self.groups.append(Group("x", X, HOLDERS))
        self.groups.append(Group("others", "a", HOLDERS * (self.members - 1)))

    @property
    def regions(self) -> list[str]:
        """X, "a", and further ones."""
        return [X, "a", *(f"b{i}" for i in range(self.members - 2))]

    @property
    def first(self) -> int:
        """The first epoch that is counted."""
        return 2

    @property
    def last(self) -> int:
        """The last epoch that is counted."""
        return self.first + self.epochs - 1

    @property
    def witnesses(self) -> int:
        """Witnesses of each log: all members, and two stand-alone ones in small federations."""
        return self.members + (2 if self.members < _LARGE else 0)

    @property
    def quorum(self) -> int:
        """k = ⌊(n+f)/2⌋ + 1 with f = ⌊(n−1)/3⌋."""
        return (self.witnesses + (self.witnesses - 1) // 3) // 2 + 1

    def side(self, region: str) -> int:
        """Which half of a partition a member is in; X is in half 0, "a" in half 1 of two."""
        return int(self.regions.index(region) >= self.members // 2)

    def sees(self, one: str, other: str, at: int) -> bool:
        """Whether two members reach each other."""
        if one == other or self.partition is None or not self.partition.holds(at):
            return True
        return self.side(one) == self.side(other)

    def is_up(self, region: str, at: int) -> bool:
        """Whether a member's node runs."""
        return not any(span.holds(at) for span in self.down.get(region, ()))

    def is_witnessed(self, region: str, at: int) -> bool:
        """Whether enough witnesses reach a member's log."""
        if not self.down and self.partition is None:
            return True
        up = sum(self.is_up(r, at) and self.sees(region, r, at) for r in self.regions)
        alone = self.witnesses - self.members
        if self.partition is not None and self.partition.holds(at):
            alone //= 2
        return up + alone >= self.quorum

    # --- telling ----------------------------------------------------------------------

    def change(self, epoch: int, revision: int = 0, **what: object) -> None:
        """Change X's entry of an epoch, if there is one."""
        entry = self.entries[X].get((epoch, revision))
        if entry is not None:
            self.entries[X][epoch, revision] = replace(entry, **what)  # type: ignore[arg-type]

    def revise(self, epoch: int, revision: int, at: int, **what: object) -> None:
        """A further revision of X's epoch, `at` parts after T."""
        entry = Entry(KeyId(X, epoch, revision), PARTS * epoch + at)
        self.entries[X][epoch, revision] = replace(entry, **what)  # type: ignore[arg-type]

    def silence(self, epochs: Iterable[int], region: str = X) -> None:
        """No entry of these epochs."""
        for epoch in epochs:
            self.entries[region].pop((epoch, 0), None)

    def stop(self, region: str, start: int, hours: float) -> None:
        """A member's node is down; when it is back it publishes the epoch that is due."""
        span = Span(start, start + round(hours * HOUR))
        self.down.setdefault(region, []).append(span)
        missed = [t for t in range(self.last + 2) if span.holds(PARTS * t + ENTRY_AT)]
        if missed:
            due = max(missed)
            self.silence(missed[:-1], region)
            entry = self.entries[region][due, 0]
            self.entries[region][due, 0] = replace(entry, at=max(entry.at, span.end))


_LARGE = 7
