"""Accepted evidence in words: which documents a set of values means."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from guosuo.certlogic.rules import Rule
from guosuo.evidence.limits import LIMITS, Limit
from guosuo.evidence.registry import OTHER, PRODUCTS, EvidenceKind
from guosuo.evidence.space import Band, Phase, Shape, State, unpack

_NAMES: Final[dict[int, list[str]]] = defaultdict(list)
for _product in PRODUCTS:
    _NAMES[_product.code].append(_product.name)

_MANY: Final = 6
"""Products that are named; of more only the number is said."""
_BANDS: Final = {Band.MINOR: "minors", Band.ADULT: "adults", Band.OTHER: "any age of the holder"}


@dataclass(frozen=True, slots=True)
class _Age:
    """Neighbouring age classes, and whose documents are in them."""

    first: int
    last: int


def describe(rule: Rule, language: str) -> str:
    """A rule's description in a language; else in English; else the first one."""
    texts = dict(rule.descriptions)
    for wanted in (language, "en", *texts):
        if wanted in texts:
            return texts[wanted]
    return ""


def describe_values(values: Iterable[int]) -> tuple[str, ...]:
    """Lines that say which documents some values mean, those of single moments only.

    Values of lives that pass a limit are left out: they follow from the others.
    """
    documents: dict[tuple[Shape, Band, str], set[int]] = defaultdict(set)
    for value in values:
        shape, first, last = unpack(value)
        if first == last:
            documents[shape, first.band, _validity(first)].add(first.age)
    same: dict[tuple[EvidenceKind, frozenset[int], str], dict[Shape, set[Band]]] = {}
    for (shape, band, validity), ages in documents.items():
        group = same.setdefault((shape.kind, frozenset(ages), validity), {})
        group.setdefault(shape, set()).add(band)
    lines = (
        f"{kind.name.lower()}{what}: {', '.join(_ages(kind, ages))}{validity}"
        for (kind, ages, validity), shapes in same.items()
        for what in _shapes(kind, shapes)
    )
    return tuple(sorted(lines))


def _shapes(kind: EvidenceKind, shapes: dict[Shape, set[Band]]) -> Iterator[str]:
    """Products with the same doses and holders together."""
    by_product: dict[int, set[tuple[int, int, frozenset[Band]]]] = defaultdict(set)
    for shape, bands in shapes.items():
        by_product[shape.product].add((shape.doses, shape.series, frozenset(bands)))
    together: dict[frozenset[tuple[int, int, frozenset[Band]]], list[int]] = defaultdict(list)
    for product, patterns in sorted(by_product.items()):
        together[frozenset(patterns)].append(product)
    for same, products in together.items():
        by_bands: dict[frozenset[Band], list[str]] = defaultdict(list)
        for doses, series, holders in sorted(same, key=lambda pattern: pattern[:2]):
            by_bands[holders].append(f"{doses}/{series}")
        for holders, doses_of in by_bands.items():
            yield _products(kind, products) + _doses(kind, doses_of) + _holders(holders)


def _products(kind: EvidenceKind, products: list[int]) -> str:
    if kind is EvidenceKind.RECOVERY:
        return ""
    if len(products) > _MANY:
        return f" with any of {len(products)} products"
    names = ("another product" if code == OTHER else "/".join(_NAMES[code]) for code in products)
    return f" with {', '.join(names)}"


def _doses(kind: EvidenceKind, doses: list[str]) -> str:
    return f", doses {' '.join(doses)}" if kind is EvidenceKind.VACCINATION else ""


def _holders(bands: frozenset[Band]) -> str:
    if Band.OTHER in bands:
        return ""
    return f", {' and '.join(_BANDS[band] for band in sorted(bands))} only"


def _ages(kind: EvidenceKind, ages: frozenset[int]) -> Iterator[str]:
    """Neighbouring classes as one span."""
    spans: list[_Age] = []
    for age in sorted(ages):
        if spans and spans[-1].last == age - 1:
            spans[-1] = _Age(spans[-1].first, age)
        else:
            spans.append(_Age(age, age))
    for span in spans:
        limits = LIMITS[kind]
        start = _from(limits[span.first - 1]) if span.first else "before the event"
        end = _to(limits[span.last]) if span.last < len(limits) else "on"
        yield f"{start} {end}"


def _from(limit: Limit) -> str:
    return f"{'after' if limit.strict else 'from'} {_length(limit)}"


def _to(limit: Limit) -> str:
    return f"{'to' if limit.strict else 'until before'} {_length(limit)}"


def _length(limit: Limit) -> str:
    return f"{limit.amount} {limit.unit.value}s"


def _validity(state: State) -> str:
    validity = state.validity
    if validity is None:
        return ""
    phase = {
        Phase.BEFORE: "before its own validity",
        Phase.VALID: "within its own validity",
        Phase.AFTER: "after its own validity",
    }[validity.phase]
    return f", {phase}"
