"""Samples of one operation of `guosuo bench`, and what is told of them."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Sample:
    """One run: seconds by the clock, and of the processor."""

    seconds: float
    busy: float


@dataclass(slots=True)
class Row:
    """Samples of one operation: by the clock, in processor time, and in units."""

    key: str
    label: str
    items: int = 1
    by_clock: bool = False
    of: Row | None = None
    """An operation in whose terms this one is told too."""
    seconds: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    """Processor time of the same samples, in seconds."""
    multiples: list[float] = field(default_factory=list)
    """`busy` by the mean of the unit's right before and right after; or `seconds`, by clock."""

    def add(self, sample: Sample) -> None:
        """One more sample."""
        self.seconds.append(sample.seconds)
        self.busy.append(sample.busy)

    def compare(self, sample: Sample, before: Sample, after: Sample) -> None:
        """One more multiple, of the unit right before and right after the sample."""
        if self.by_clock:
            self.multiples.append(2 * sample.seconds / (before.seconds + after.seconds))
        else:
            self.multiples.append(2 * sample.busy / (before.busy + after.busy))

    @property
    def median(self) -> float:
        """Median of the samples, in seconds."""
        return statistics.median(self.seconds)

    @property
    def multiple(self) -> float:
        """Median of the samples, in units."""
        return statistics.median(self.multiples)

    @property
    def relative(self) -> float | None:
        """An item in terms of `of`."""
        return self.multiple / self.items / self.of.multiple if self.of else None

    def document(self) -> dict[str, Any]:
        """For `--json`, in milliseconds."""
        about: dict[str, Any] = {"by_clock": True} if self.by_clock else {}
        if self.of is not None and self.relative is not None:
            about |= {"of": self.of.key, "multiple_of_per_item": round(self.relative, 4)}
        return {
            "key": self.key,
            "label": self.label,
            "items": self.items,
            "samples": len(self.seconds),
            "min_ms": to_ms(min(self.seconds)),
            "median_ms": to_ms(self.median),
            "max_ms": to_ms(max(self.seconds)),
            "median_ms_per_item": to_ms(self.median / self.items),
            "min_multiple": round(min(self.multiples), 4),
            "multiple": round(self.multiple, 4),
            "max_multiple": round(max(self.multiples), 4),
            "multiple_per_item": round(self.multiple / self.items, 6),
            "samples_ms": [to_ms(s) for s in self.seconds],
            "samples_cpu_ms": [to_ms(s) for s in self.busy],
            **about,
        }


def quartiles(row: Row) -> tuple[float, float]:
    """First and third quartile of the samples, in seconds."""
    if len(row.seconds) == 1:
        return row.seconds[0], row.seconds[0]
    low, _, high = statistics.quantiles(row.seconds, n=4, method="inclusive")
    return low, high


def to_ms(seconds: float) -> float:
    """Milliseconds, to 10 ns."""
    return round(seconds * 1000, 5)
