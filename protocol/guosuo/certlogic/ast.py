"""The expressions of CertLogic as typed values.

One class per form of CertLogic specification 1.3.2, section "Operations". A tree
made by `guosuo.certlogic.parse` keeps the bounds named there; nothing here
checks them again. Trees are immutable and may be shared.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Order(StrEnum):
    """How neighbouring operands must compare; dates and integers have the same four."""

    LESS = "<"
    GREATER = ">"
    AT_MOST = "<="
    AT_LEAST = ">="


class TimeUnit(StrEnum):
    """What `plusTime` counts in; months and years are those of the calendar."""

    YEAR = "year"
    MONTH = "month"
    DAY = "day"
    HOUR = "hour"


@dataclass(frozen=True, slots=True)
class Literal:
    """A text, an integer within ±(2^53 − 1), or a truth value. There is no null."""

    value: str | int | bool


@dataclass(frozen=True, slots=True)
class Array:
    """An array whose items are evaluated one by one."""

    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Var:
    """`var`: the value at a path; the empty path is the data itself."""

    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class If:
    """`if`: only the branch that is chosen is evaluated."""

    guard: Expr
    then: Expr
    otherwise: Expr


@dataclass(frozen=True, slots=True)
class Incomplete:
    """An `if` that lacks operands, as one published rule has it: without value if reached."""


@dataclass(frozen=True, slots=True)
class And:
    """`and`, at least two operands: the first falsy one, otherwise the last one."""

    operands: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """`!`: true for falsy values, false for truthy ones."""

    operand: Expr


@dataclass(frozen=True, slots=True)
class Equal:
    """`===`: equal scalars of one type; arrays, objects, moments only the very same one."""

    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class In:
    """`in`: whether an element of the array is `===` to the item."""

    item: Expr
    array: Expr


@dataclass(frozen=True, slots=True)
class Add:
    """`+` of two integers."""

    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Compare:
    """`<`, `>`, `<=`, `>=` of two or three integers, each with the next."""

    order: Order
    operands: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class CompareTimes:
    """`before`, `after`, `not-after`, `not-before` of two or three moments."""

    order: Order
    operands: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class PlusTime:
    """`plusTime`: the moment that a text names, moved by so many units."""

    moment: Expr
    amount: int
    unit: TimeUnit


@dataclass(frozen=True, slots=True)
class DccDateOfBirth:
    """`dccDateOfBirth`: the last day that a full or partial date can mean."""

    date: Expr


@dataclass(frozen=True, slots=True)
class ExtractFromUvci:
    """`extractFromUVCI`: one fragment of a certificate identifier, or null."""

    identifier: Expr
    index: int


@dataclass(frozen=True, slots=True)
class Reduce:
    """`reduce`: a left fold; `step` sees only `accumulator` and `current`."""

    array: Expr
    step: Expr
    initial: Expr


Strict: TypeAlias = (
    Equal | In | Add | Compare | CompareTimes | PlusTime | DccDateOfBirth | ExtractFromUvci
)
"""Operations whose value depends on nothing but the values of all their operands."""

Expr: TypeAlias = Literal | Array | Var | If | Incomplete | And | Not | Reduce | Strict
