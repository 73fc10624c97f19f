"""Policies like the given ones: their rules with other limits, codes, doses and orders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from random import Random
from typing import Any, Final

from guosuo.evidence.limits import LIMITS
from guosuo.evidence.registry import PRODUCTS, PROPHYLAXES, EvidenceKind

_ORDERS: Final = ("<", "<=", ">", ">=", "after", "before", "not-after", "not-before")
_VACCINES: Final = [p.name for p in PRODUCTS if p.kind is EvidenceKind.VACCINATION]
_MEMBERS: Final = {
    "v": ["mp", "ma", "vp", "dn", "sd", "dt", "tg", "co", "is", "ci"],
    "t": ["tt", "tr", "ma", "nm", "sc", "tg", "co"],
    "r": ["fr", "df", "du", "tg", "co"],
}
_PLACES: Final = ["payload.dob", "payload.nam.fnt", "external.issuerCountryCode", "external.kid"]
_UNITS: Final = ["day", "hour", "month", "year"]
_AMOUNTS: Final = sorted(
    {0, 1, 18, 90, 6575, *(limit.amount for limits in LIMITS.values() for limit in limits)}
)

Rules = list[dict[str, Any]]


class Mutator:
    """Changes rules of one country, sometimes with rules of others."""

    def __init__(self, dice: Random, others: list[Rules]) -> None:
        """`others`: the rules of countries from which some may be taken."""
        self.dice, self.others = dice, others

    def mutate(self, rules: Rules, changes: int) -> Rules:
        """The rules with so many changes."""
        changed = deepcopy(rules)
        for _ in range(changes):
            self._rules(changed) if self.dice.random() < 0.2 else self._rule(changed)
        return changed

    def _rules(self, rules: Rules) -> None:
        """Without a rule, or with one of another country."""
        if self.dice.random() < 0.5 and len(rules) > 1:
            rules.pop(self.dice.randrange(len(rules)))
            return
        rule = deepcopy(self.dice.choice(self.dice.choice(self.others)))
        known = {other["Identifier"] for other in rules}
        if rule["Identifier"] not in known:
            rules.append(rule)

    def _rule(self, rules: Rules) -> None:
        """One rule with something changed in its logic."""
        rule = self.dice.choice(rules)
        places = [place for place in _places(rule, "Logic") if self._ways(place[0][place[1]])]
        # Literals and operations are many; a choice by sort brings the rare ones, too.
        owner, key = self.dice.choice(places)
        owner[key] = self.dice.choice(self._ways(owner[key]))(owner[key])

    def _ways(self, part: object) -> list[Callable[[Any], Any]]:
        match part:
            case bool():
                return [lambda value: not value]
            case int():
                return [self._number, self._number, lambda value: value + self.dice.choice([-1, 1])]
            case {"var": str(path)} if path:
                return [self._path]
            case {"plusTime": [_, int(), str()]}:
                return [self._moved]
            case [str(), *rest] if all(isinstance(code, str) for code in rest):
                return [self._codes]
            case {"===": [_, str()]}:
                return [self._equal]
            case {**members} if len(members) == 1 and next(iter(members)) in _ORDERS:
                return [self._order, lambda value: {"!": [value]}]
            case {"if": [_, _, _]}:
                return [self._branches]
            case {"and": [_, _, *_]}:
                return [self._fewer]
            case {"in": [_, _]}:
                return [lambda value: {"!": [value]}]
            case _:
                return []

    def _number(self, _: int) -> int:
        return self.dice.choice([0, 1, 2, 3, 4, 5, *_AMOUNTS])

    def _moved(self, part: dict[str, Any]) -> dict[str, Any]:
        operand, _, unit = part["plusTime"]
        known = [(limit.amount, limit.unit.value) for ls in LIMITS.values() for limit in ls]
        if self.dice.random() < 0.8:
            return {"plusTime": [operand, *self.dice.choice(known)]}
        return {
            "plusTime": [operand, self.dice.choice(_AMOUNTS), self.dice.choice([unit, *_UNITS])]
        }

    def _path(self, part: dict[str, str]) -> dict[str, str]:
        match part["var"].split("."):
            case ["payload", ("v" | "t" | "r") as group, "0", _] if self.dice.random() < 0.9:
                return {"var": f"payload.{group}.0.{self.dice.choice(_MEMBERS[group])}"}
            case _:
                return {"var": self.dice.choice(_PLACES)}

    def _codes(self, codes: list[str]) -> list[str]:
        found = list(codes)
        for _ in range(self.dice.randint(1, 4)):
            if found and self.dice.random() < 0.5:
                found.pop(self.dice.randrange(len(found)))
            else:
                found.append(self._code())
        return found

    def _code(self) -> str:
        others = ["unknown", "EU/1/99/9999", "1162643001", *PROPHYLAXES]
        return self.dice.choice(others if self.dice.random() < 0.1 else _VACCINES)

    def _equal(self, part: dict[str, Any]) -> dict[str, Any]:
        left, code = part["==="]
        return self.dice.choice(
            [{"!": [part]}, {"in": [left, [code, self._code()]]}, {"===": [left, self._code()]}]
        )

    def _order(self, part: dict[str, Any]) -> dict[str, Any]:
        ((name, operands),) = part.items()
        half = _ORDERS[:4] if name in _ORDERS[:4] else _ORDERS[4:]
        return {self.dice.choice(half): operands}

    def _branches(self, part: dict[str, Any]) -> dict[str, Any]:
        guard, then, otherwise = part["if"]
        return self.dice.choice(
            [{"if": [guard, otherwise, then]}, {"and": [guard, then]}, {"if": [guard, then, False]}]
        )

    def _fewer(self, part: dict[str, Any]) -> dict[str, Any]:
        rest = list(part["and"])
        rest.pop(self.dice.randrange(len(rest)))
        return {"and": rest} if len(rest) > 1 else rest[0]


def _places(owner: Any, key: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401 - any JSON value
    """Every place of a JSON value, as the container and the key in it."""
    yield owner, key
    part = owner[key]
    if isinstance(part, dict):
        for name in part:
            yield from _places(part, name)
    elif isinstance(part, list):
        for index in range(len(part)):
            yield from _places(part, index)
