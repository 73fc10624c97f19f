"""What telling evidence apart costs a table: entries for each limit, count and product.

Every limit of the layout, every number of doses and every product is a breakpoint: evidence on
both sides of it has values of its own, also where a policy judges both sides alike. The cost
of a breakpoint is the number of entries that the table would have less if the accepted
evidence on its two sides had the same values. Costs of breakpoints do not add up: evidence
that is apart by two of them stays apart without one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from guosuo.evidence.limits import BIRTH_LIMITS, LIMITS
from guosuo.evidence.limits import Limit as KnownLimit
from guosuo.evidence.registry import OTHER, EvidenceKind, label
from guosuo.evidence.space import Band, Phase, Shape, State, unpack
from guosuo.policy.expressible import EVENTS
from guosuo.policy.reading import Limit

_MANY: Final = 6
"""Products that are named; of more only the number is said."""
_SCALES: Final = {"hour": 1, "day": 24, "month": 1, "year": 12}
_MEMBERS: Final = {EvidenceKind.VACCINATION: "v.0.mp", EvidenceKind.TEST: "t.0.tt, t.0.ma"}
"""By which documents of a kind say their product."""

_Pairs = frozenset[tuple[State, State]]


@dataclass(frozen=True, slots=True)
class Cost:
    """One breakpoint, and how many entries it costs."""

    about: str
    """As documents list limits, or the member and what of it is told apart."""
    entries: int
    limits: frozenset[str] = frozenset()
    """The limits as documents list them, if it is one: rules that set none do not ask for it."""


def costs(values: Iterable[int]) -> tuple[Cost, ...]:
    """The cost of every breakpoint of the layout in a compiled set, by kind and place.

    Breakpoints of kinds that the set does not have are left out.
    """
    pairs: dict[Shape, set[tuple[State, State]]] = defaultdict(set)
    for value in values:
        shape, first, last = unpack(value)
        pairs[shape].add((first, last))
    found: list[Cost] = []
    for kind in EvidenceKind:
        shapes = {shape: frozenset(p) for shape, p in pairs.items() if shape.kind is kind}
        if shapes:
            found.extend(_of_limits(kind, shapes))
            found.extend(_of_states(kind, shapes))
            found.extend(_of_doses(kind, shapes))
            found.extend(_of_products(kind, shapes))
    return tuple(found)


def _of_limits(kind: EvidenceKind, shapes: dict[Shape, _Pairs]) -> Iterator[Cost]:
    for index, limit in enumerate(LIMITS[kind]):
        name = _written(EVENTS[kind], limit)
        yield Cost(name, _saved(shapes, _without_limit(index)), frozenset({name}))


def _of_states(kind: EvidenceKind, shapes: dict[Shape, _Pairs]) -> Iterator[Cost]:
    """The holder's age, and a recovery's own validity."""
    births = frozenset(_written("dob", limit) for limit in BIRTH_LIMITS)
    merged = _saved(shapes, lambda state: replace(state, band=Band.OTHER))
    if merged:
        yield Cost(f"dob of {EVENTS[kind][0]}.0: of full age or not", merged, births)
    if kind is not EvidenceKind.RECOVERY:
        return
    starts = str(Limit("r.0.df", 0, months=False, strict=False))
    yield Cost(starts, _saved(shapes, _without_phase(Phase.BEFORE)), frozenset({starts}))
    ends = str(Limit("r.0.du", 0, months=False, strict=True))
    yield Cost(ends, _saved(shapes, _without_phase(Phase.AFTER)), frozenset({ends}))
    late = str(Limit("r.0.fr", 11 * 24, months=False, strict=False, other="r.0.df"))
    yield Cost(late, _saved(shapes, _without_late), frozenset({late}))
    long = str(Limit("r.0.fr", 180 * 24, months=False, strict=True, other="r.0.du"))
    yield Cost(long, _saved(shapes, _without_early), frozenset({long}))


def _of_doses(kind: EvidenceKind, shapes: dict[Shape, _Pairs]) -> Iterator[Cost]:
    if kind is not EvidenceKind.VACCINATION:
        return
    for step in range(2, max(shape.doses for shape in shapes) + 1):
        yield Cost(f"v.0.dn: {step} doses or more", _together(shapes, _without_dose(step)))
    for step in range(2, max(shape.series for shape in shapes) + 1):
        saved = _together(shapes, _without_series(step))
        yield Cost(f"v.0.sd: a series of {step} doses or more", saved)


def _of_products(kind: EvidenceKind, shapes: dict[Shape, _Pairs]) -> Iterator[Cost]:
    """Products are never merged: all entries of one are its cost; equal ones in one line."""
    if kind not in _MEMBERS:
        return
    entries: Counter[int] = Counter()
    for shape, pairs in shapes.items():
        entries[shape.product] += len(pairs)
    alike: dict[int, list[int]] = defaultdict(list)
    for product, count in sorted(entries.items()):
        alike[count].append(product)
    for count, products in sorted(alike.items(), reverse=True):
        each = f", {count:,} entries each" if len(products) > 1 else ""
        yield Cost(f"{_MEMBERS[kind]}: {_named(products)}{each}", count * len(products))


def _named(products: list[int]) -> str:
    if len(products) > _MANY:
        return f"{len(products)} products"
    return ", ".join("any other product" if code == OTHER else label(code) for code in products)


def _saved(shapes: dict[Shape, _Pairs], merge: Callable[[State], State]) -> int:
    """Entries less, if states that `merge` makes equal were the same."""
    known: dict[_Pairs, int] = {}
    for pairs in set(shapes.values()):
        known[pairs] = len(pairs) - len({(merge(first), merge(last)) for first, last in pairs})
    return sum(known[pairs] for pairs in shapes.values())


def _together(shapes: dict[Shape, _Pairs], key: Callable[[Shape], object]) -> int:
    """Entries less, if shapes with the same key were the same."""
    same: dict[object, list[_Pairs]] = defaultdict(list)
    for shape, pairs in shapes.items():
        same[key(shape)].append(pairs)
    return sum(sum(map(len, sets)) - len(frozenset().union(*sets)) for sets in same.values())


def _without_dose(step: int) -> Callable[[Shape], object]:
    return lambda shape: (shape.product, shape.doses - (shape.doses >= step), shape.series)


def _without_series(step: int) -> Callable[[Shape], object]:
    return lambda shape: (shape.product, shape.doses, shape.series - (shape.series >= step))


def _without_limit(index: int) -> Callable[[State], State]:
    return lambda state: replace(state, age=state.age - (state.age > index))


def _without_phase(phase: Phase) -> Callable[[State], State]:
    def merge(state: State) -> State:
        validity = state.validity
        if validity is None or validity.phase is not phase:
            return state
        return replace(state, validity=replace(validity, phase=Phase.VALID))

    return merge


def _without_late(state: State) -> State:
    validity = state.validity
    return (
        state if validity is None else replace(state, validity=replace(validity, starts_late=True))
    )


def _without_early(state: State) -> State:
    validity = state.validity
    return (
        state if validity is None else replace(state, validity=replace(validity, ends_early=True))
    )


def _written(member: str, limit: KnownLimit) -> str:
    months = limit.unit.value in {"month", "year"}
    return str(Limit(member, limit.amount * _SCALES[limit.unit.value], months, limit.strict))
