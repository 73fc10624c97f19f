"""From JSON to expressions: everything that is not CertLogic is refused here.

The forms are those that the format validator of certlogic-js 1.2.2 accepts. The
bounds are ours; a published rule has up to 119 JSON values, 10 levels, 18 items
and texts of 58 characters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from guosuo.certlogic.ast import (
    Add,
    And,
    Array,
    Compare,
    CompareTimes,
    DccDateOfBirth,
    Equal,
    Expr,
    ExtractFromUvci,
    If,
    In,
    Incomplete,
    Literal,
    Not,
    Order,
    PlusTime,
    Reduce,
    TimeUnit,
    Var,
)
from guosuo.certlogic.json_text import checked_text, load_json
from guosuo.errors import PeerError, Reason, refuse

MAX_EXPRESSIONS: Final = 4096
"""Nodes of one tree."""
MAX_DEPTH: Final = 64
"""Nodes from the root to a leaf; evaluation recurses so deep, and no deeper."""
MAX_OPERANDS: Final = 1024
"""Items of an array, operands of an operation."""
MAX_LITERAL: Final = 1024
"""Characters of a text."""
MAX_PATH: Final = 256
"""Characters of a path."""
MAX_INTEGER: Final = (1 << 53) - 1
"""Beyond it ECMAScript has no exact integers, so that tools would disagree."""
MAX_AMOUNT: Final = 10_000_000
"""Units that `plusTime` may move by, either way: in hours, a thousand years."""

_ORDERS: Final[Mapping[str, Order]] = {order.value: order for order in Order}
_TIME_ORDERS: Final[Mapping[str, Order]] = {
    "before": Order.LESS,
    "after": Order.GREATER,
    "not-after": Order.AT_MOST,
    "not-before": Order.AT_LEAST,
}
_UNITS: Final[Mapping[str, TimeUnit]] = {unit.value: unit for unit in TimeUnit}
_Pair = TypeVar("_Pair", Equal, In, Add)


def parse_json(text: bytes) -> Expr:
    """The expression in a JSON text; `PeerError` as `load_json` and `parse`."""
    return parse(load_json(text))


def parse(value: object, *, tolerant: bool = False) -> Expr:
    """The expression that a JSON value is, as `json.loads` gives it.

    `tolerant` lets an `if` have more or fewer than three operands, as the published
    evaluators do though their validators do not: surplus ones are never evaluated,
    and if one is missing the `if` has no value.

    Raises `PeerError`: `RULE_SYNTAX` if it is not CertLogic, `RULE_BOUNDS` if it
    is larger than the bounds above. Always ends: a value that contains itself is
    too deep, one whose parts are shared too often has too many nodes.
    """
    return _Parser(tolerant=tolerant).expression(value, 1)


class _Parser:
    """One reading, and how many nodes it has met."""

    def __init__(self, *, tolerant: bool) -> None:
        self.tolerant = tolerant
        self.met = 0

    def expression(self, value: object, depth: int) -> Expr:
        self.met += 1
        if self.met > MAX_EXPRESSIONS or depth > MAX_DEPTH:
            refuse(Reason.RULE_BOUNDS, "an expression that is too large or too deep")
        match value:
            case bool():
                return Literal(value)
            case int() | float():
                return Literal(_integer(value, MAX_INTEGER))
            case str():
                return Literal(checked_text(value, limit=MAX_LITERAL))
            case list():
                return Array(self.several(value, depth))
            case dict():
                return self.operation(value, depth)
            case _:
                hint = "neither a literal, nor an array, nor an operation"
                raise PeerError(Reason.RULE_SYNTAX, hint)

    def operation(self, value: dict[object, object], depth: int) -> Expr:
        if len(value) != 1:
            refuse(Reason.RULE_SYNTAX, "an operation has exactly one name")
        ((name, operands),) = value.items()
        if name == "var":
            return _var(operands)
        if not isinstance(name, str) or not isinstance(operands, list):
            refuse(Reason.RULE_SYNTAX, "an operation is a name with an array of operands")
        if name in _ORDERS:
            return Compare(_ORDERS[name], self.several(operands, depth, 2, 3))
        if name in _TIME_ORDERS:
            return CompareTimes(_TIME_ORDERS[name], self.several(operands, depth, 2, 3))
        if name in _OPERATIONS:
            return _OPERATIONS[name](self, operands, depth)
        raise PeerError(Reason.RULE_SYNTAX, "an operation that CertLogic does not have")

    def several(
        self, values: list[object], depth: int, at_least: int = 0, at_most: int = MAX_OPERANDS
    ) -> tuple[Expr, ...]:
        """As many operands as the operation takes."""
        if len(values) > MAX_OPERANDS:
            refuse(Reason.RULE_BOUNDS, "an array with too many items")
        _count(values, at_least, at_most)
        return tuple(self.expression(value, depth + 1) for value in values)


def _pair(form: Callable[[Expr, Expr], _Pair]) -> Callable[[_Parser, list[object], int], _Pair]:
    def read(parser: _Parser, values: list[object], depth: int) -> _Pair:
        left, right = parser.several(values, depth, 2, 2)
        return form(left, right)

    return read


def _if(parser: _Parser, values: list[object], depth: int) -> Expr:
    if not parser.tolerant:
        _count(values, 3, 3)
    match parser.several(values, depth):
        case (guard, then, otherwise, *_):
            return If(guard, then, otherwise)
        case _:
            return Incomplete()


def _reduce(parser: _Parser, values: list[object], depth: int) -> Expr:
    array, step, initial = parser.several(values, depth, 3, 3)
    return Reduce(array, step, initial)


def _and(parser: _Parser, values: list[object], depth: int) -> Expr:
    return And(parser.several(values, depth, 2))


def _not(parser: _Parser, values: list[object], depth: int) -> Expr:
    (operand,) = parser.several(values, depth, 1, 1)
    return Not(operand)


def _plus_time(parser: _Parser, values: list[object], depth: int) -> Expr:
    _count(values, 3, 3)
    moment, amount, unit = values
    if not isinstance(unit, str) or unit not in _UNITS:
        refuse(Reason.RULE_SYNTAX, "a unit of time that CertLogic does not have")
    return PlusTime(
        parser.expression(moment, depth + 1), _integer(amount, MAX_AMOUNT), _UNITS[unit]
    )


def _date_of_birth(parser: _Parser, values: list[object], depth: int) -> Expr:
    (date,) = parser.several(values, depth, 1, 1)
    return DccDateOfBirth(date)


def _extract(parser: _Parser, values: list[object], depth: int) -> Expr:
    _count(values, 2, 2)
    identifier, index = values
    return ExtractFromUvci(parser.expression(identifier, depth + 1), _integer(index, MAX_INTEGER))


_OPERATIONS: Final[Mapping[str, Callable[[_Parser, list[object], int], Expr]]] = {
    "if": _if,
    "and": _and,
    "!": _not,
    "===": _pair(Equal),
    "in": _pair(In),
    "+": _pair(Add),
    "plusTime": _plus_time,
    "dccDateOfBirth": _date_of_birth,
    "extractFromUVCI": _extract,
    "reduce": _reduce,
}


def _var(path: object) -> Var:
    """A path is empty, or made of fragments that are not."""
    text = checked_text(path, limit=MAX_PATH)
    fragments = tuple(text.split(".")) if text else ()
    if not all(fragments):
        refuse(Reason.RULE_SYNTAX, "a path with an empty fragment")
    return Var(fragments)


def _count(values: list[object], at_least: int, at_most: int) -> None:
    if not at_least <= len(values) <= at_most:
        refuse(Reason.RULE_SYNTAX, "an operation with too few or too many operands")


def _integer(value: object, limit: int) -> int:
    """An integer; JSON may write it as 42.0, and then tools that know only one number agree."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        refuse(Reason.RULE_SYNTAX, "a number that is not an integer")
    if not -limit <= value <= limit:
        refuse(Reason.RULE_BOUNDS, "an integer that is too large")
    return value
