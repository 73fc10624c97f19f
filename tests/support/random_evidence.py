"""Random documents around the moments at which some rule changes its mind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any, Final

from guosuo.certlogic.evaluate import Result, decide
from guosuo.certlogic.rules import Surroundings
from guosuo.evidence.facts import EvidenceFact
from guosuo.evidence.limits import LIMITS, WIDE_LIMITS
from guosuo.evidence.registry import (
    COVID_19,
    NEGATIVE,
    OTHER,
    POSITIVE,
    PRODUCTS,
    PROPHYLAXES,
    TYPE_ANTIBODY,
    TYPE_NAAT,
    TYPE_RAPID_ANTIGEN,
    EvidenceKind,
)
from guosuo.evidence.states import Band, band_at
from guosuo.evidence.value import value_at
from guosuo.policy.cases import fact_of
from guosuo.policy.compiler import compile_document
from guosuo.policy.document import PolicyDocument
from guosuo.policy.explain import changes
from guosuo.policy.sampling import GROUPS, merges_devices

HOUR: Final = 3600
DAY: Final = 24 * HOUR
LIFE: Final = 12 * HOUR

_VACCINES: Final = [p.name for p in PRODUCTS if p.kind is EvidenceKind.VACCINATION]
_DEVICES: Final = [
    p.name.split()[1]
    for p in PRODUCTS
    if p.kind is EvidenceKind.TEST and p.name.startswith(f"{TYPE_RAPID_ANTIGEN} ")
]
_USUAL: Final = ["EU/1/20/1528", "EU/1/20/1507", "EU/1/21/1529", "EU/1/20/1525"]
_TYPES: Final = [TYPE_NAAT, TYPE_RAPID_ANTIGEN, TYPE_RAPID_ANTIGEN, TYPE_ANTIBODY, "other"]
_DOSES: Final = [1, 1, 2, 2, 2, 3, 3, 4, 5, 12]
_ISSUED: Final = {"tg": COVID_19, "co": "LU", "is": "Ministry", "ci": "LU/1"}


@dataclass(frozen=True, slots=True)
class Piece:
    """One document, what it proves, and a moment at which it is shown."""

    payload: dict[str, Any]
    fact: EvidenceFact
    moment: int


def draw(dice: Random, first: int, last: int) -> Piece:
    """A document with an event, a birth date and a validity near limits of [first, last)."""
    kind = dice.choice(list(EvidenceKind))
    moment = dice.randrange(first, last)
    if dice.random() < 0.5:
        moment = min(max(moment - moment % DAY + dice.randint(-1, 1), first), last - 1)
    span = dice.choice(LIMITS[kind]).instant(0)
    near = 2 * DAY if dice.random() < 0.3 else 1
    event = moment - span + dice.randint(-near, near)
    entry = {**_ISSUED, **_members(dice, kind, event)}
    born = _birth(dice, moment)
    payload = {"ver": "1.3.0", "dob": born, GROUPS[kind]: [entry]}
    fact = fact_of(payload)
    assert fact is not None, payload
    return Piece(payload, fact, moment)


def _members(dice: Random, kind: EvidenceKind, event: int) -> dict[str, Any]:
    match kind:
        case EvidenceKind.VACCINATION:
            names = _USUAL if dice.random() < 0.5 else [*_VACCINES, "unknown"]
            mp = dice.choice(names)
            vps = [*PROPHYLAXES, "29061000087103", "1162643001"] if mp == "unknown" else PROPHYLAXES
            return {
                "mp": mp, "vp": dice.choice(vps), "ma": "ORG-100030215",
                "dn": dice.choice(_DOSES), "sd": dice.choice(_DOSES), "dt": _day(event),
            }  # fmt: skip
        case EvidenceKind.TEST:
            tt = dice.choice(_TYPES)
            devices = ["", "9999", *dice.choices(_DEVICES, k=6)]
            device = dice.choice(devices) if tt == TYPE_RAPID_ANTIGEN else ""
            result = NEGATIVE if dice.random() < 0.8 else POSITIVE
            named = {"ma": device} if device else {}
            return {"tt": tt, "tr": result, "sc": _written(event), "tc": "C", **named}
        case _:
            start = event + dice.choice([0, 10, 11, 12]) * DAY
            end = start + dice.choice([0, 90, 168, 169, 170, 180]) * DAY
            return {"fr": _day(event), "df": _day(start), "du": _day(end)}


def _birth(dice: Random, moment: int) -> str:
    days = dice.choice([40 * 365, 40 * 365, 10 * 365, dice.randint(6572, 6578)])
    full = _day(moment - days * DAY)
    return dice.choice([full, full, full, full[:7], full[:4]])


def _written(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _day(seconds: int) -> str:
    return _written(seconds)[:10]


class Rules:
    """A policy in clear."""

    def __init__(self, document: PolicyDocument) -> None:
        """Nothing is compiled."""
        self.document = document
        self.logics = {kind: [rule.logic for rule in document.about(kind)] for kind in EvidenceKind}
        self.external: dict[int, dict[str, object]] = {}

    def clear(self, piece: Piece, moment: int) -> bool:
        """What the rules say of this very document."""
        if piece.fact.kind not in self.document.accepts:
            return False
        if moment not in self.external:
            outside = Surroundings(clock=moment, value_sets=self.document.codes)
            self.external[moment] = outside.external()
        data = {"payload": piece.payload, "external": self.external[moment]}
        return all(
            decide(logic, data).result is Result.SATISFIED for logic in self.logics[piece.fact.kind]
        )

    def check_instant(self, piece: Piece, *, accepted: bool) -> bool:
        """Hold one piece against what the table of an instant says; whether it had to be equal.

        The table accepts what the rules accept, and no more, of documents that evidence
        merges with others.
        """
        exact = not merged(piece.fact, piece.moment)
        in_clear = self.clear(piece, piece.moment)
        assert accepted is in_clear or (in_clear and not exact), piece
        return exact


class Country(Rules):
    """A policy, in clear and as the tables of an instant and of a life."""

    def __init__(self, document: PolicyDocument) -> None:
        """Compile it twice."""
        super().__init__(document)
        self.instant = frozenset(compile_document(document, 1).values)
        self.table = frozenset(compile_document(document, LIFE).values)

    def check(self, piece: Piece, start: int) -> tuple[int, int]:
        """Hold one piece against both tables; how many comparisons were exact, and accepted lives.

        At an instant as `check_instant`. A life from `start` on that is in the table is accepted
        by the rules at every moment of it.
        """
        fact, moment = piece.fact, piece.moment
        value = value_at(fact, start=moment, end=moment + 1)
        exact = self.check_instant(piece, accepted=value in self.instant)
        if value_at(fact, start=start, end=start + LIFE) not in self.table:
            return exact, 0
        for at in moments(fact, start, start + LIFE):
            assert self.clear(piece, at), (piece, start, at)
        return exact, 1


def merged(fact: EvidenceFact, moment: int) -> bool:
    """Whether one value stands for documents, or ages of holders, that rules may tell apart."""
    if fact.product == OTHER or merges_devices(fact.shape):
        return True
    return fact.kind in WIDE_LIMITS and band_at(fact.born, moment) not in {Band.MINOR, Band.ADULT}


def moments(fact: EvidenceFact, start: int, end: int) -> Iterator[int]:
    """Every moment of a life at which anything changes, and both ends."""
    first = max(start, min(fact.event_time, end - 1))
    yield first
    yield end - 1
    for change in changes(fact):
        for moment in (change - 1, change):
            if first <= moment < end:
                yield moment


def check_many(country: Country, first: int, last: int, seed: int, count: int) -> tuple[int, int]:
    """Hold so many random pieces, shown in [first, last), against a country; sums of `check`."""
    dice = Random(seed)
    exact = lives = 0
    for _ in range(count):
        piece = draw(dice, first, last)
        # Lives begin at a whole hour, and the piece is shown in the course of it.
        start = piece.moment - piece.moment % HOUR - dice.randrange(LIFE // HOUR) * HOUR
        found = country.check(piece, max(start, first))
        exact, lives = exact + found[0], lives + found[1]
    return exact, lives
