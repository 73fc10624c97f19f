"""What is expected of each scenario: bounds of its numbers, in hours per person."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from guosuo.simulate.run import (
    ELSEWHERE,
    HOME,
    UNDECIDED,
    WRONGLY_ACCEPTED,
    WRONGLY_REFUSED,
)
from guosuo.simulate.story import HOUR

DAY = 6
"""Epochs of a day."""
E = 4.0
"""Hours of an epoch."""
_GAP = "none, if shelter is asked within 7 h"
_ALL_DAY = 24.0
PLACES = (HOME, ELSEWHERE)
_LOOKS = 0.34
"""Hours between two moments at which everybody shows."""
_SOON = 1.75
"""Hours between two batches of changes, and a look."""


@dataclass(frozen=True, slots=True)
class Expect:
    """Bounds of one number of an outcome, in hours per person."""

    group: str
    what: str
    place: str
    most: float
    least: float = 0.0
    checkpoints: str = "online"
    shelter: str = ""
    """Set if shelter would make it better, with what would be expected then."""


def nothing(_: int) -> Sequence[Expect]:
    """Nobody is refused or accepted wrongly."""
    return ()


def _refused(
    group: str, place: str, most: float, least: float = 0.0, *, shelter: str = ""
) -> Expect:
    return Expect(group, WRONGLY_REFUSED, place, most, least, shelter=shelter)


def _accepted(group: str, place: str, most: float, least: float = 0.0) -> Expect:
    return Expect(group, WRONGLY_ACCEPTED, place, most, least)


def in_hold(gap: float) -> Callable[[int], Sequence[Expect]]:
    """Victims are refused from 9 h 20 min after the first hold on, if it lasts; own gates alike.

    In a hold that region's suspensions have no effect: its suspended are accepted while
    the last admitted key is listed.
    """

    def expected(_: int) -> Sequence[Expect]:
        found = [_accepted("suspended", p, E, E) for p in PLACES]
        if gap:
            found += [_refused("victims", p, gap, gap, shelter=_GAP) for p in PLACES]
        return found

    return expected


def two_ticks(_: int) -> Sequence[Expect]:
    """One clock a tick ahead, the other a tick behind: two ticks, AGAIN."""
    return [Expect("clock off", UNDECIDED, p, _ALL_DAY, _ALL_DAY, "off") for p in PLACES]


def clocks_refused(_: int) -> Sequence[Expect]:
    """Ten minutes off gives AGAIN all day."""
    groups = (("clock off", "online"), ("clock off", "off"), ("x", "off"), ("others", "off"))
    return [Expect(g, UNDECIDED, p, _ALL_DAY, _ALL_DAY, kind) for g, kind in groups for p in PLACES]


def after_cut(part_of_cut: int, *, nothing_left: bool = False) -> Callable[[int], Sequence[Expect]]:
    """The thief until the cut; whoever is offline at it, if no older list is left to him."""

    def expected(_: int) -> Sequence[Expect]:
        # Offline checkpoints accept the stolen key until the list of epoch 5 ends.
        last = 2 * E - (part_of_cut / HOUR - 1)
        gap = E - 4 / 3 if nothing_left else 0.0
        return [
            *(_accepted("thief", p, 1.5, 0.5) for p in PLACES),
            *(
                Expect("thief", WRONGLY_ACCEPTED, p, last + 0.5, last - 0.5, "offline")
                for p in PLACES
            ),
            *(Expect("offline at the cut", UNDECIDED, p, gap, gap) for p in PLACES),
        ]

    return expected


def _days_down(members: int, hours: float) -> Sequence[Expect]:
    """A dead region's own holders from T_l + 21 h 20 min, its own gates from T_l + 8 h."""
    last = 5
    back = E * 6 - 1 + hours
    gates = max(0.0, back - E * (last + 2))
    listed_until = E * (last + 5) + 4 / 3
    # The node is back and publishes; wallets have it with the next revision at the latest.
    holders = max(0.0, back - listed_until)
    return [
        _refused("x", HOME, gates + _SOON, gates - _SOON),
        _refused("others", ELSEWHERE, (gates + _SOON) / max(1, members - 1)),
        _refused("x", ELSEWHERE, holders + _SOON, max(0.0, holders - _SOON)),
    ]


def two_down(hours: float) -> Callable[[int], Sequence[Expect]]:
    """Each of the two has its own gates dark, for its own holders and for travellers."""

    def expected(members: int) -> Sequence[Expect]:
        home, travel, _ = _days_down(members, hours)
        return [
            home,
            _refused("others", ELSEWHERE, 2 * travel.most),
            _refused("of b0", HOME, home.most, home.least),
            *(_refused(group, ELSEWHERE, travel.most) for group in ("x", "of b0")),
        ]

    return expected


def silent_since(last: int, back: float) -> Callable[[int], Sequence[Expect]]:
    """Holders of a region without an admitted epoch after `last`, from T_l + 21 h 20 min on.

    Its gates go on listing the others. With two members only one is left on their lists,
    fewer than n_min: travellers are turned away as well.
    """

    def expected(members: int) -> Sequence[Expect]:
        gap = back - (E * (last + 5) + 4 / 3)
        found = [_refused("x", p, gap + _LOOKS, gap - _LOOKS) for p in PLACES]
        if members == 2:  # noqa: PLR2004 - the crowd
            found.append(_refused("others", ELSEWHERE, gap + _LOOKS, gap - _LOOKS))
        return found

    return expected


def silent_then_held(members: int) -> Sequence[Expect]:
    """The last admitted key is older than lists can hold: the victims have nothing."""
    return [
        *silent_since(4, E * 14 + 4 / 3)(members),
        *(_refused("victims", p, 7 * E, 7 * E, shelter=_GAP) for p in PLACES),
    ]


def parted(hours: float) -> Callable[[int], Sequence[Expect]]:
    """No quorum in either half: the other regions' holders from T_l + 21 h 20 min on."""

    def expected(_: int) -> Sequence[Expect]:
        gap = 4.0 if hours > 20 else 0.0  # noqa: PLR2004 - late_max
        return [_refused(g, ELSEWHERE, gap, gap / 2) for g in ("x", "others")]

    return expected


def all_dropped(most: float, *groups: str) -> Callable[[int], Sequence[Expect]]:
    """While a secret is public its region is listed nowhere."""

    def expected(members: int) -> Sequence[Expect]:
        found = [_refused(g, p, most) for g in groups for p in PLACES]
        if members == 2:  # noqa: PLR2004 - the crowd
            found.append(_refused("others", ELSEWHERE, most))
        return found

    return expected


def offline(hours: float) -> Callable[[int], Sequence[Expect]]:
    """Until the end of the newest list it has: six and a half hours here."""

    def expected(_: int) -> Sequence[Expect]:
        gap = hours - 6.5
        return [_refused("offline", p, gap + _LOOKS, gap - _LOOKS) for p in PLACES]

    return expected


def down(hours: float) -> Callable[[int], Sequence[Expect]]:
    """A node that is down for some hours from an hour before epoch 6 on."""
    return lambda members: _days_down(members, hours)
