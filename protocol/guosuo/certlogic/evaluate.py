"""Evaluating an expression over data, in a bounded number of steps.

The values are those of CertLogic specification 1.3.2 as certlogic-js 1.2.2 has
them; `guosuo.certlogic` names the few places where we leave a rule open instead.
Data are JSON values as `json.loads` gives them and are only read; of anything
else CertLogic knows nothing, so that it can be passed on but not be used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from operator import ge, gt, le, lt
from typing import Final

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
    Strict,
    Var,
)
from guosuo.certlogic.moments import Moment, plus_time, read_birth_date, read_moment
from guosuo.certlogic.parse import MAX_INTEGER
from guosuo.errors import PeerError, Reason

MAX_STEPS: Final = 20_000
"""Expressions evaluated and elements looked at, in one evaluation; published rules need 200."""

_UVCI_PREFIX: Final = "URN:UVCI:"
_UVCI_SEPARATORS: Final = str.maketrans("/#", "::")

_ORDERS: Final[Mapping[Order, Callable[[int, int], bool]]] = {
    Order.LESS: lt,
    Order.GREATER: gt,
    Order.AT_MOST: le,
    Order.AT_LEAST: ge,
}


class Result(StrEnum):
    """What a rule says about some data."""

    SATISFIED = "satisfied"
    NOT_SATISFIED = "not satisfied"
    OPEN = "open"
    """It cannot be evaluated; nobody may take that for either of the others."""


class OpenCause(StrEnum):
    """Every reason for which an evaluation has no value."""

    NOT_A_CONDITION = "neither truthy nor falsy"
    NOT_AN_ARRAY = "not an array"
    NOT_AN_INTEGER = "not an integer"
    NOT_A_TEXT = "not a text"
    NOT_A_DATE = "not a date, or not in the calendar"
    NOT_A_MOMENT = "not a moment"
    INCOMPLETE = "operands are missing"
    TOO_MANY_STEPS = "too many steps"
    NOT_A_VERDICT = "the value of the rule is neither true nor false"


class OpenError(PeerError):
    """An expression has no value over the given data (`RULE_OPEN`)."""

    def __init__(self, cause: OpenCause) -> None:
        """The cause is the hint, too."""
        super().__init__(Reason.RULE_OPEN, cause.value)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one rule, and the cause if (and only if) it is open."""

    result: Result
    cause: OpenCause | None = None


def decide(expr: Expr, data: object, *, budget: int = MAX_STEPS) -> Outcome:
    """Evaluate a rule; total. Only true satisfies it, only false does not, all else is open."""
    try:
        value = evaluate(expr, data, budget=budget)
    except OpenError as error:
        return Outcome(Result.OPEN, error.cause)
    if value is True:
        return Outcome(Result.SATISFIED)
    if value is False:
        return Outcome(Result.NOT_SATISFIED)
    return Outcome(Result.OPEN, OpenCause.NOT_A_VERDICT)


def evaluate(expr: Expr, data: object, *, budget: int = MAX_STEPS) -> object:
    """The value of a parsed expression: a JSON value, or a `Moment`.

    Raises `OpenError` if there is none, and nothing else. Recurses no deeper than
    the expression; takes no more than `budget` steps, none of which looks at more
    than two texts. Parts of the value may be shared with each other and the data.
    """
    return _Evaluation(budget).value(expr, data)


class _Evaluation:
    """One evaluation, and the steps that it may still take."""

    __slots__ = ("steps",)

    def __init__(self, budget: int) -> None:
        self.steps = budget

    def take(self, steps: int) -> None:
        self.steps -= steps
        if self.steps < 0:
            raise OpenError(OpenCause.TOO_MANY_STEPS)

    def value(self, expr: Expr, data: object) -> object:
        """Forms that choose what to evaluate, and over which data; strict ones are below."""
        self.take(1)
        match expr:
            case Literal():
                return expr.value
            case Var():
                return _look_up(data, expr.path)
            case If():
                chosen = _truth(self.value(expr.guard, data))
                return self.value(expr.then if chosen else expr.otherwise, data)
            case And():
                return self.conjunction(expr, data)
            case Not():
                return not _truth(self.value(expr.operand, data))
            case Array():
                return [self.value(item, data) for item in expr.items]
            case Reduce():
                return self.fold(expr, data)
            case Incomplete():
                raise OpenError(OpenCause.INCOMPLETE)
            case _:
                return self.strict(expr, data)

    def conjunction(self, expr: And, data: object) -> object:
        value: object = True
        for operand in expr.operands:
            value = self.value(operand, data)
            if not _truth(value):
                break
        return value

    def fold(self, expr: Reduce, data: object) -> object:
        array = self.value(expr.array, data)
        accumulator = self.value(expr.initial, data)
        if array is None:
            return accumulator
        for current in _array(array):
            inner = {"accumulator": accumulator, "current": current}
            accumulator = self.value(expr.step, inner)
        return accumulator

    def strict(self, expr: Strict, data: object) -> object:
        match expr:
            case PlusTime():
                return self.moved(expr, data)
            case CompareTimes():
                return _ordered(
                    expr.order, [_milliseconds(value) for value in self.each(expr, data)]
                )
            case Equal():
                return _same(self.value(expr.left, data), self.value(expr.right, data))
            case In():
                return self.contained(expr, data)
            case Compare():
                return _ordered(expr.order, [_integer(value) for value in self.each(expr, data)])
            case Add():
                left, right = self.value(expr.left, data), self.value(expr.right, data)
                return _integer(_integer(left) + _integer(right))
            case DccDateOfBirth():
                return self.birth_date(expr, data)
            case ExtractFromUvci():
                return self.fragment(expr, data)

    def each(self, expr: Compare | CompareTimes, data: object) -> Iterator[object]:
        return (self.value(operand, data) for operand in expr.operands)

    def moved(self, expr: PlusTime, data: object) -> Moment:
        text = _text(self.value(expr.moment, data))
        try:
            return plus_time(read_moment(text), expr.amount, expr.unit)
        except ValueError:
            raise OpenError(OpenCause.NOT_A_DATE) from None

    def birth_date(self, expr: DccDateOfBirth, data: object) -> Moment:
        text = _text(self.value(expr.date, data))
        try:
            return read_birth_date(text)
        except ValueError:
            raise OpenError(OpenCause.NOT_A_DATE) from None

    def contained(self, expr: In, data: object) -> bool:
        item = self.value(expr.item, data)
        array = _array(self.value(expr.array, data))
        self.take(len(array))
        return any(_same(item, element) for element in array)

    def fragment(self, expr: ExtractFromUvci, data: object) -> str | None:
        identifier = self.value(expr.identifier, data)
        if identifier is None:
            return None
        text = _text(identifier)
        self.take(len(text))
        fragments = text.removeprefix(_UVCI_PREFIX).translate(_UVCI_SEPARATORS).split(":")
        return fragments[expr.index] if 0 <= expr.index < len(fragments) else None


def _look_up(data: object, path: tuple[str, ...]) -> object:
    """Follow the path; null where it leads out of the data."""
    for step in path:
        if isinstance(data, dict):
            data = data.get(step)
        elif isinstance(data, list) and step.isascii() and step.isdigit():
            data = data[int(step)] if int(step) < len(data) else None
        else:
            return None
    return data


def _same(left: object, right: object) -> bool:
    """ECMAScript's `===` for JSON values and moments."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, (str, int, float)) and isinstance(right, (str, int, float)):
        return left == right
    return left is right


def _truth(value: object) -> bool:
    if value is not None and not isinstance(value, (bool, int, float, str, list, dict)):
        raise OpenError(OpenCause.NOT_A_CONDITION)
    return bool(value)


def _integer(value: object) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MAX_INTEGER:
        raise OpenError(OpenCause.NOT_AN_INTEGER)
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise OpenError(OpenCause.NOT_A_TEXT)
    return value


def _array(value: object) -> list[object]:
    if not isinstance(value, list):
        raise OpenError(OpenCause.NOT_AN_ARRAY)
    return value


def _milliseconds(value: object) -> int:
    if not isinstance(value, Moment):
        raise OpenError(OpenCause.NOT_A_MOMENT)
    return value.milliseconds


def _ordered(order: Order, values: list[int]) -> bool:
    return all(_ORDERS[order](value, following) for value, following in pairwise(values))
