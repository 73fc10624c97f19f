"""Accepted evidence in words: which documents a set of values means."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from guosuo.certlogic.rules import Rule
from guosuo.evidence.limits import LIMITS, WIDE_LIMITS, Limit, one_second
from guosuo.evidence.registry import OTHER, EvidenceKind, label
from guosuo.evidence.space import Band, Phase, Shape, State, pack, unpack

_MANY: Final = 6
"""Products that are named; of more only the number is said."""
_BANDS: Final = {Band.MINOR: "minors", Band.ADULT: "adults", Band.OTHER: "any age of the holder"}


_Documents = tuple[Shape, Band, str]
"""Documents about which the same is said: what they show, whose they are, their own validity."""
_Passing = tuple[str, ...]
_Told = TypeVar("_Told", int, _Passing)


@dataclass(frozen=True, slots=True)
class _Age:
    """Neighbouring age classes, and whose documents are in them."""

    first: int
    last: int


def describe(rule: Rule, language: str) -> str:
    """A rule's description in a language (BCP 47), or its main one; else in English; else any."""
    texts = dict(rule.descriptions)
    for wanted in (language, language.partition("-")[0], "en", *texts):
        if wanted in texts:
            return texts[wanted]
    return ""


def describe_values(values: Iterable[int]) -> tuple[str, ...]:
    """Lines that say which documents some values mean, those of single moments only.

    Values of lives that pass a limit are left out: they follow from the others. But no life
    lies within a single second; those that begin or end in it say what is accepted then.
    """
    documents: dict[_Documents, set[int]] = defaultdict(set)
    for value in values:
        shape, first, last = unpack(value)
        if _wide(shape, first):
            continue
        for state in {first, last}:
            if first == last or one_second(shape.kind, state.age):
                documents[shape, state.band, _validity(state)].add(state.age)
    return _lines(documents, lambda kind, ages, validity: ", ".join(_ages(kind, ages)) + validity)


def describe_lives(values: Iterable[int]) -> tuple[str, ...]:
    """Lines that say which lives that pass a limit some values mean.

    `values`: those that one set has and another has not. Left out are lives that begin and
    end in states which `describe_values` tells: they follow from those.
    """
    told = frozenset(values)
    documents: dict[_Documents, set[_Passing]] = defaultdict(set)
    for value in told:
        shape, first, last = unpack(value)
        states = [state for state in (first, last) if not one_second(shape.kind, state.age)]
        ends = {pack(shape, state, state) for state in states}
        if first == last or _wide(shape, first) or ends <= told:
            continue
        documents[shape, first.band, ""].add(_passing(shape.kind, first, last))
    return _lines(documents, lambda _, passing, __: _least(passing))


def _wide(shape: Shape, state: State) -> bool:
    """Whether so little is told apart that it follows from what is said of adults and minors."""
    return state.band is Band.OTHER and shape.kind in WIDE_LIMITS


def _least(passing: frozenset[_Passing]) -> str:
    """What is passed at least: who passes more passes that as well."""
    least = [one for one in passing if not any(set(other) < set(one) for other in passing)]
    return "passing " + ", or ".join(sorted(" and ".join(one) for one in least))


def _passing(kind: EvidenceKind, first: State, last: State) -> _Passing:
    """The limits between two states, each length once."""
    limits = LIMITS[kind][first.age : last.age]
    names = [_length(limit) if limit.amount else "the event" for limit in limits]
    if first.validity is not None and last.validity is not None:
        before, after = first.validity.phase, last.validity.phase
        names += ["the start of its own validity"] * (before < Phase.VALID <= after)
        names += ["the end of its own validity"] * (before < Phase.AFTER <= after)
    return tuple(dict.fromkeys(names))


def _lines(
    documents: Mapping[_Documents, set[_Told]],
    say: Callable[[EvidenceKind, frozenset[_Told], str], str],
) -> tuple[str, ...]:
    """One line for all documents of a kind about which the same is said."""
    same: dict[tuple[EvidenceKind, frozenset[_Told], str], dict[Shape, set[Band]]] = {}
    for (shape, band, validity), told in documents.items():
        group = same.setdefault((shape.kind, frozenset(told), validity), {})
        group.setdefault(shape, set()).add(band)
    lines = (
        f"{kind.name.lower()}{what}: {say(kind, told, validity)}"
        for (kind, told, validity), shapes in same.items()
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
    names = ("another product" if code == OTHER else label(code) for code in products)
    return f" with {', '.join(names)}"


def _doses(kind: EvidenceKind, doses: list[str]) -> str:
    return f", doses {' '.join(doses)}" if kind is EvidenceKind.VACCINATION else ""


def _holders(bands: frozenset[Band]) -> str:
    if Band.OTHER in bands or bands >= {Band.MINOR, Band.ADULT}:
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
