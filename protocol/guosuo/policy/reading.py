"""What a rule looks at: found in its expression, before anything is evaluated.

The evidence integer keeps classes of documents apart, not documents. So a rule can
be proven only if everything by which it tells documents apart is something by which
the classes are told apart, too: members of a document that the evidence model has,
compared with codes of the registry, counted as far as it counts, and limits of its
list. Whatever else a rule does is a `Fault`, and a policy with such a rule is refused
instead of being compiled into something that it does not say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
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
    Literal,
    Not,
    Order,
    PlusTime,
    Reduce,
    TimeUnit,
    Var,
)
from guosuo.certlogic.rules import Rule

Path = tuple[str, ...]

CLOCK: Final = ("external", "validationClock")
_SETS: Final = ("external", "valueSets")
_HOURS: Final = 24
_MONTHS: Final = 12


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """Why a rule has no place in a policy."""

    rule: str
    """Its identifier."""
    why: str
    """A fixed sentence."""


@dataclass(frozen=True, slots=True, order=True)
class Limit:
    """A moment of the document, moved by so much, against the clock or another one."""

    member: str
    """As `v.0.dt`."""
    amount: int
    months: bool
    """Months of the calendar; otherwise hours."""
    strict: bool
    """It is passed one second after the moved moment, not with it."""
    other: str = "clock"
    """The member that it is compared with, if it is not the clock."""

    def __str__(self) -> str:
        """As "v.0.dt + 270 days < clock", which is how documents list it."""
        if self.months:
            length = f"{self.amount} months"
        elif self.amount % _HOURS == 0:
            length = f"{self.amount // _HOURS} days"
        else:
            length = f"{self.amount} hours"
        return f"{self.member} + {length} {'<' if self.strict else '<='} {self.other}"


@dataclass(slots=True)
class Reading:
    """Everything that one rule reads."""

    values: set[Path] = field(default_factory=set)
    """Paths whose value matters."""
    truths: set[Path] = field(default_factory=set)
    """Paths of which it matters only whether something is there."""
    limits: set[Limit] = field(default_factory=set)
    fixed: list[CompareTimes] = field(default_factory=list)
    """Comparisons of the clock with a fixed moment."""
    codes: set[tuple[Path, frozenset[str]]] = field(default_factory=set)
    """Codes that a member is compared with together."""
    chosen: set[tuple[Path, str]] = field(default_factory=set)
    """Value sets that a member is looked up in."""
    counts: set[tuple[Path, int]] = field(default_factory=set)
    """Numbers from which on, counting up, a member is judged otherwise."""
    pairs: set[frozenset[Path]] = field(default_factory=set)
    """Members that are compared with each other."""
    sets: set[str] = field(default_factory=set)
    """Names of value sets."""
    whys: set[str] = field(default_factory=set)
    """What is wrong with it, in fixed sentences."""


def read_logic(rule: Rule) -> Reading:
    """Everything that the logic of a rule reads."""
    reader = _Reader()
    reader.walk(rule.logic, _NO_SCOPE, condition=False)
    return reader.found


def limits_of(readings: Iterable[Reading]) -> tuple[str, ...]:
    """Every limit that some rules set, as documents list them."""
    return tuple(sorted({str(limit) for reading in readings for limit in reading.limits}))


_Scope = Mapping[str, tuple[Path, ...]]
"""What the names inside of a fold stand for."""
_NO_SCOPE: Final[_Scope] = {}


class _Reader:
    """One walk through one rule."""

    def __init__(self) -> None:
        self.found = Reading()

    def walk(self, expr: Expr, scope: _Scope, *, condition: bool) -> None:
        """`condition`: only the truth of the value matters."""
        match expr:
            case Var():
                self.variable(expr, scope, condition=condition)
            case If(Literal() as guard, then, otherwise):
                self.walk(then if guard.value else otherwise, scope, condition=condition)
            case If(guard, then, otherwise):
                self.walk(guard, scope, condition=True)
                self.walk(then, scope, condition=condition)
                self.walk(otherwise, scope, condition=condition)
            case And(operands):
                for operand in operands:
                    self.walk(operand, scope, condition=condition)
            case Not(operand):
                self.walk(operand, scope, condition=True)
            case Reduce():
                self.fold(expr, scope)
            case CompareTimes():
                self.times(expr, scope)
            case _:
                self.strict(expr, scope)

    def strict(self, expr: Expr, scope: _Scope) -> None:
        """Operations whose operands may be members of the document, and those that may not."""
        match expr:
            case Equal(left, right):
                self.equal(left, (right,), scope)
            case In(item, Array(items)):
                self.equal(item, items, scope)
            case In(item, array):
                self.among(item, array, scope)
            case Compare(order, operands):
                for left, right in pairwise(operands):
                    self.ordered(order, left, right, scope)
            case Array(items):
                self.several(items, scope)
            case Add(left, right):
                self.several((left, right), scope)
            case PlusTime() | DccDateOfBirth():
                self.found.whys.add("it uses a moment without comparing it")
            case ExtractFromUvci():
                self.found.whys.add("it looks at the identifier of the certificate")
            case _:
                pass

    def several(self, operands: Iterable[Expr], scope: _Scope) -> None:
        for operand in operands:
            self.walk(operand, scope, condition=False)

    def variable(self, expr: Var, scope: _Scope, *, condition: bool) -> None:
        """A value by itself: of the document, only the truth of it can be told."""
        name, *rest = expr.path or ("",)
        if name in scope:
            paths = {(*path, *rest) for path in scope[name]}
        elif expr.path[:2] == _SETS:
            self.found.sets.add(".".join(expr.path[2:]))
            return
        else:
            paths = {expr.path}
        if condition:
            self.found.truths |= paths
        elif paths:
            self.found.whys.add("it uses a value of the document without comparing it")

    def member(self, expr: Expr, scope: _Scope) -> Path | None:
        """The path of a member that is compared; anything else is walked through."""
        if isinstance(expr, Var) and expr.path and expr.path[0] not in scope:
            self.found.values.add(expr.path)
            return expr.path
        self.walk(expr, scope, condition=False)
        return None

    def equal(self, left: Expr, rights: Iterable[Expr], scope: _Scope) -> None:
        """A value that is, or is not, among some others."""
        path = self.member(left, scope)
        codes = set()
        for right in rights:
            other = self.member(right, scope)
            self.computed(path, other, left, right)
            if path is not None and other is not None:
                self.found.pairs.add(frozenset({path, other}))
            for place, value in ((path, right), (other, left)):
                if place is None or not isinstance(value, Literal):
                    continue
                if isinstance(value.value, str):
                    codes.add((place, value.value))
                elif type(value.value) is int:
                    self.found.counts |= {(place, value.value), (place, value.value + 1)}
        for place in {place for place, _ in codes}:
            self.found.codes.add((place, frozenset(c for p, c in codes if p == place)))

    def computed(self, one: Path | None, other: Path | None, left: Expr, right: Expr) -> None:
        """Members are compared with members and with literals, not with what is computed."""
        lonely = (one is None) is not (other is None)
        if lonely and not isinstance(right if other is None else left, Literal):
            self.found.whys.add("it compares a member with something that it computes")

    def among(self, item: Expr, array: Expr, scope: _Scope) -> None:
        """Membership in something that is not written out: a value set."""
        path = self.member(item, scope)
        if not isinstance(array, Var) or array.path[:1] == ("payload",):
            self.found.whys.add("it looks for something elsewhere than in a list or a value set")
            return
        if array.path[:2] != _SETS:
            # Nothing is there, so that it cannot be evaluated, whatever the document says.
            self.found.values.add(array.path)
            return
        name = ".".join(array.path[2:])
        self.found.sets.add(name)
        if path is not None:
            self.found.chosen.add((path, name))

    def ordered(self, order: Order, left: Expr, right: Expr, scope: _Scope) -> None:
        """Numbers in order."""
        one, other = self.member(left, scope), self.member(right, scope)
        self.computed(one, other, left, right)
        if one is not None and other is not None:
            self.found.pairs.add(frozenset({one, other}))
        for place, value, turned in ((one, right, False), (other, left, True)):
            if place is None or not isinstance(value, Literal) or type(value.value) is not int:
                continue
            # n <= place and n > place change at n; n < place and n >= place one above it.
            above = order in ({Order.LESS, Order.AT_LEAST} if turned else _ONE_ABOVE)
            self.found.counts.add((place, value.value + above))

    def fold(self, expr: Reduce, scope: _Scope) -> None:
        """A fold over members, each of which the step sees as `current`."""
        self.walk(expr.initial, scope, condition=False)
        items = expr.array.items if isinstance(expr.array, Array) else ()
        paths = tuple(item.path for item in items if isinstance(item, Var) and item.path)
        if len(paths) != len(items) or not items or scope:
            self.found.whys.add("it folds something else than members of the document")
            return
        # The accumulator is made of nothing but what the steps before have read.
        self.walk(expr.step, {"current": paths, "accumulator": ()}, condition=False)

    def times(self, expr: CompareTimes, scope: _Scope) -> None:
        """Moments: each must be the clock, a member of the document, or fixed."""
        moments = [_moment(operand) for operand in expr.operands]
        if scope or None in moments:
            self.found.whys.add("it compares something else than moments of document and clock")
            return
        known = [moment for moment in moments if moment is not None]
        self.found.values.update(moment.path for moment in known if moment.path)
        for (left, right), operands in zip(pairwise(known), pairwise(expr.operands), strict=True):
            if {left.path, right.path} <= {CLOCK, ()}:
                self.found.fixed.append(CompareTimes(expr.order, operands))
            else:
                self.limit(expr.order, left, right)

    def limit(self, order: Order, left: _Moment, right: _Moment) -> None:
        """One member of the document against the clock, or another one."""
        turned = left.path == CLOCK or (right.path != CLOCK and right.amount != 0)
        first, second = (right, left) if turned else (left, right)
        if not second.path or not first.path:
            self.found.whys.add("it compares the document with a fixed day")
            return
        if second.amount and (first.months or second.months):
            self.found.whys.add("it moves both sides of a comparison, and one by months")
            return
        # Both directions of an order change at the same moment.
        strict = order in ({Order.GREATER, Order.AT_MOST} if turned else _STRICT)
        other = "clock" if second.path == CLOCK else _name(second.path)
        self.found.limits.add(
            Limit(_name(first.path), first.amount - second.amount, first.months, strict, other)
        )


_ONE_ABOVE: Final = frozenset({Order.GREATER, Order.AT_MOST})
_STRICT: Final = frozenset({Order.LESS, Order.AT_LEAST})


@dataclass(frozen=True, slots=True)
class _Moment:
    """One operand of a comparison of moments; without a path it is fixed."""

    path: Path
    amount: int = 0
    months: bool = False


def _moment(expr: Expr) -> _Moment | None:
    match expr:
        case PlusTime(Var(path), amount, unit) if path:
            months = unit in {TimeUnit.MONTH, TimeUnit.YEAR} and amount != 0
            scale = {TimeUnit.DAY: _HOURS, TimeUnit.YEAR: _MONTHS}.get(unit, 1)
            return _Moment(path, amount * scale, months)
        case PlusTime(Literal(str())):
            return _Moment(())
        case DccDateOfBirth(Var(path)) if path:
            return _Moment(path)
        case _:
            return None


def _name(path: Path) -> str:
    """Without the `payload` in front."""
    return ".".join(path[1:] if path[0] == "payload" else path)
