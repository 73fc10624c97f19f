"""Latency of a suspension and tolerance of being offline, measured, drawn against E."""

from __future__ import annotations

from dataclasses import dataclass

from guosuo.federation.clock import PARTS
from guosuo.simulate.run import shows
from guosuo.simulate.story import Checkpoints, Group, Span, Story, X
from guosuo.simulate.world import ACCEPTED, PARTS_AHEAD, STEP

_EPOCHS = 7
_FIRST = 4
_MEMBERS = 4


@dataclass(frozen=True, slots=True)
class Measured:
    """Numbers of the clockwork, in E."""

    latency: tuple[float, float]
    """From a logged order to the last acceptance: least, most."""
    wallet: tuple[float, float]
    """How long a wallet without network goes on being accepted: least, most."""
    checkpoint: float
    """How long a checkpoint without network goes on accepting."""


def measure(every: int = 10) -> Measured:
    """Run the clockwork for orders and lost networks at all moments of an epoch.

    `every`: parts between two moments that are tried.
    """
    moments = range(PARTS * _FIRST, PARTS * (_FIRST + 1), every)
    story = Story(_MEMBERS, _EPOCHS)
    for at in moments:
        story.groups.append(Group(f"order {at}", X, 1, suspended=at))
        story.groups.append(Group(f"offline {at}", X, 1, offline=(Span(at),)))
    last: dict[tuple[str, int], int] = {}
    for now, shower, found in shows(story, STEP * 2):
        name = shower.group.name
        if found == ACCEPTED and name not in ("x", "others"):
            sample = getattr(shower.wallet, "sample", 0)
            last[name, sample] = max(now, last.get((name, sample), 0))
    gone = {
        kind: [
            (end - int(name.removeprefix(kind))) / PARTS
            for (name, _), end in last.items()
            if name.startswith(kind)
        ]
        for kind in ("order ", "offline ")
    }
    return Measured(
        (min(gone["order "]), max(gone["order "])),
        (min(gone["offline "]), max(gone["offline "])),
        _checkpoint(),
    )


def _checkpoint() -> float:
    start = PARTS * _FIRST
    story = Story(2, PARTS_AHEAD + _FIRST + 2)
    story.checkpoints = [Checkpoints("offline", (Span(start),))]
    last = max(now for now, _, found in shows(story) if found == ACCEPTED)
    return (last - start) / PARTS


# --- drawing ----------------------------------------------------------------------------

_WIDTH, _HEIGHT = 760, 520
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 20, 40, 60
_MOST_E, _MOST_H = 8, 30
_FONT = 'font-family="sans-serif" font-size="13"'
_LINES = (
    ("#b3261e", "suspension: latest moment of an acceptance"),
    ("#e08a3c", "suspension: earliest"),
    ("#1b6e3c", "wallet without network: at most"),
    ("#5aa97a", "wallet without network: guaranteed"),
)


def svg(found: Measured) -> str:
    """A drawing of the four numbers for E from 0 to 8 hours; dots at E = 4 h."""
    slopes = (found.latency[1], found.latency[0], found.wallet[1], found.wallet[0])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" {_FONT}>',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        _text(_LEFT, 22, "Suspension latency and offline tolerance against the epoch length E"),
    ]
    for hours in range(0, _MOST_H + 1, 5):
        parts.append(_line(0, hours, _MOST_E, hours, "#ddd", 1))
        parts.append(_text(_LEFT - 8, _y(hours) + 4, f"{hours} h", "end"))
    for hours in range(_MOST_E + 1):
        parts.append(_line(hours, 0, hours, _MOST_H, "#eee", 1))
        parts.append(_text(_x(hours), _HEIGHT - _BOTTOM + 18, f"{hours} h", "middle"))
    parts.append(_text(_x(_MOST_E / 2), _HEIGHT - 18, "E", "middle"))
    for place, ((colour, name), slope) in enumerate(zip(_LINES, slopes, strict=True)):
        end = min(_MOST_E, _MOST_H / slope)
        parts.append(_line(0, 0, end, slope * end, colour, 2))
        parts.append(f'<circle cx="{_x(4):.1f}" cy="{_y(4 * slope):.1f}" r="4" fill="{colour}"/>')
        label = f"{name}: {slope:.2f} E, {4 * slope:.1f} h at E = 4 h"
        parts.append(_text(_LEFT + 14, _TOP + 18 + 18 * place, label, colour=colour))
    note = f"checkpoint without network: {found.checkpoint:.1f} E"
    parts.append(_text(_LEFT + 14, _TOP + 18 + 18 * len(_LINES), note))
    return "\n".join([*parts, "</svg>", ""])


def _x(hours: float) -> float:
    return _LEFT + hours * (_WIDTH - _LEFT - _RIGHT) / _MOST_E


def _y(hours: float) -> float:
    return _HEIGHT - _BOTTOM - hours * (_HEIGHT - _TOP - _BOTTOM) / _MOST_H


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: int) -> str:
    return (
        f'<line x1="{_x(x1):.1f}" y1="{_y(y1):.1f}" x2="{_x(x2):.1f}" y2="{_y(y2):.1f}" '
        f'stroke="{colour}" stroke-width="{width}"/>'
    )


def _text(x: float, y: float, text: str, anchor: str = "start", colour: str = "#222") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{text}</text>'
