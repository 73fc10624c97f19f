"""The envelope: what no policy of the federation may refuse, and what none may accept.

The charter carries it. Peers and wallets hold the compiled set of a policy against it,
so that it makes no difference by which rules the policy gets there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

from guosuo.errors import PeerError, Reason
from guosuo.evidence.limits import LIMITS, one_second
from guosuo.evidence.registry import PRODUCTS, EvidenceKind
from guosuo.evidence.space import Phase, Shape, State, pack, paths, shapes
from guosuo.policy.document import PolicyDocument
from guosuo.policy.reading import Fault
from guosuo.wire.schema import Message, Range, Size, Text, message

_KINDS: Final = tuple(EvidenceKind)
_HOURS: Final = {"hour": 1, "day": 24}
_MAX_HOURS: Final = 24 * 3660


@message
class Bound(Message):
    """Evidence that every policy must accept (a floor), or that none may (a ceiling)."""

    name: Annotated[str, Size(1, 32)]
    must: bool
    """True for a floor, false for a ceiling."""
    kind: EvidenceKind
    products: Annotated[tuple[Annotated[str, Size(1, 64)], ...], Size(1, 64)] | None
    """By the names of the registry; absent means every one of the kind, and others."""
    complete: bool
    """Only vaccinations with at least as many doses as the series has."""
    min_hours: Annotated[int, Range(0, _MAX_HOURS)]
    """From this age, included; a limit of the registry."""
    max_hours: Annotated[int, Range(0, _MAX_HOURS)] | None
    """Up to this age, included; a limit of the registry; absent means without end."""
    description: Text


@message
class Envelope(Message):
    """Bounds of all policies, and the kinds of evidence that all must take."""

    kinds: Annotated[tuple[EvidenceKind, ...], Size(0, len(EvidenceKind))]
    bounds: Annotated[tuple[Bound, ...], Size(0, 64)]


def check_bounds(envelope: Envelope) -> None:
    """`PeerError(CHARTER)` for an envelope in which there is no policy.

    That is one with bounds that name products or limits the registry does not have, or
    ages that end before they begin, with a floor that a ceiling forbids, or with ceilings
    that leave nothing of a kind that every policy must take, or nothing at all.
    """
    areas = [(bound, _area(bound)) for bound in envelope.bounds]
    for bound, (kind, shapes_of, ages) in areas:
        if not ages:
            hint = f"the bound {bound.name} ends before it begins"
            raise PeerError(Reason.CHARTER, hint)
        for other, (kind_other, shapes_other, ages_other) in areas:
            if not bound.must or other.must or kind is not kind_other:
                continue
            if shapes_of & shapes_other and ages & ages_other:
                hint = f"no policy keeps both the floor {bound.name} and the ceiling {other.name}"
                raise PeerError(Reason.CHARTER, hint)
    left = {kind: _left(kind, [area for bound, area in areas if not bound.must]) for kind in _KINDS}
    for kind in envelope.kinds:
        if not left[kind]:
            hint = f"every policy must take evidence of the kind {kind.name.lower()}, and none may"
            raise PeerError(Reason.CHARTER, hint)
    if not any(left.values()):
        raise PeerError(Reason.CHARTER, "the ceilings leave nothing that a policy may accept")


_Area = tuple[EvidenceKind, frozenset[Shape], frozenset[int]]
"""The kind, the shapes and the age classes that a bound is about."""


def _area(bound: Bound) -> _Area:
    products = _products(bound)
    first, last = _classes(bound)
    meant = frozenset(shape for shape in shapes(bound.kind) if _means(bound, products, shape))
    return bound.kind, meant, frozenset(range(first, last + 1))


def _left(kind: EvidenceKind, ceilings: Sequence[_Area]) -> bool:
    """Whether ceilings leave anything of a kind, from its event on, for more than a second."""
    every = frozenset(age for age in range(1, len(LIMITS[kind]) + 1) if not one_second(kind, age))
    return any(
        every.difference(*(ages for of, meant, ages in ceilings if of is kind and shape in meant))
        for shape in shapes(kind)
    )


def check_envelope(
    envelope: Envelope | None,
    document: PolicyDocument,
    values: Sequence[int],
    life_seconds: int,
) -> tuple[Fault, ...]:
    """The bounds that a policy breaks, by name; nothing if it stays inside.

    `values`: what the document compiles to for that life. Raises `PeerError(CHARTER)`
    for bounds that name products or limits which the registry does not have.
    """
    if envelope is None:
        return ()
    accepted = frozenset(values)
    faults = [
        Fault("kinds", f"it must accept evidence of the kind {kind.name.lower()}")
        for kind in envelope.kinds
        if kind not in document.accepts
    ]
    faults.extend(
        Fault(bound.name, bound.description)
        for bound in envelope.bounds
        if not _keeps(bound, accepted, life_seconds)
    )
    return tuple(faults)


def _keeps(bound: Bound, accepted: frozenset[int], life_seconds: int) -> bool:
    products = _products(bound)
    first, last = _classes(bound)

    def inside(state: State) -> bool:
        return first <= state.age <= last

    touched = [
        way
        for way in paths(bound.kind, life_seconds)
        # A floor is about lives that stay inside; a ceiling about those that come into it.
        if (all if bound.must else any)(inside(state) for state in way.passed)
        # Nothing is promised about recoveries outside of their own validity.
        and not (bound.must and any(_expired(state) for state in way.passed))
    ]
    meant = [shape for shape in shapes(bound.kind) if _means(bound, products, shape)]
    return all(
        (pack(shape, way.first, way.last) in accepted) is bound.must
        for shape in meant
        for way in touched
    )


def _expired(state: State) -> bool:
    return state.validity is not None and state.validity.phase is not Phase.VALID


def _means(bound: Bound, products: frozenset[int] | None, shape: Shape) -> bool:
    if products is not None and shape.product not in products:
        return False
    return not bound.complete or shape.doses >= shape.series


def _products(bound: Bound) -> frozenset[int] | None:
    if bound.products is None:
        return None
    codes = {(p.kind, p.name): p.code for p in PRODUCTS}
    found = [codes.get((bound.kind, name)) for name in bound.products]
    if None in found:
        raise PeerError(Reason.CHARTER, "the envelope names an unknown product")
    codes_found = frozenset(code for code in found if code is not None)
    groups = {p.name for p in PRODUCTS if p.kind is bound.kind and p.code in codes_found}
    if not groups <= set(bound.products):
        raise PeerError(Reason.CHARTER, "the envelope tells products apart that are one")
    return codes_found


def _classes(bound: Bound) -> tuple[int, int]:
    """The first and the last age class of a bound."""
    limits = LIMITS[bound.kind]
    places = {
        (limit.amount * _HOURS[limit.unit.value], limit.strict): index
        for index, limit in enumerate(limits)
        if limit.unit.value in _HOURS
    }
    start = places.get((bound.min_hours, False))
    end = len(limits) if bound.max_hours is None else places.get((bound.max_hours, True))
    # A ceiling begins where something is not accepted any more, one second later.
    if not bound.must:
        start = places.get((bound.min_hours, True), start)
    if start is None or end is None:
        raise PeerError(Reason.CHARTER, "the envelope has a limit that is not in the registry")
    return start + 1, end
