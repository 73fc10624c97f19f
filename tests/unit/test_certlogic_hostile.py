"""Hostile rules and data end in a clear error, within the bounds and in time."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guosuo.certlogic.evaluate import (
    MAX_STEPS,
    OpenCause,
    OpenError,
    Outcome,
    Result,
    decide,
    evaluate,
)
from guosuo.certlogic.json_text import MAX_BYTES, load_json
from guosuo.certlogic.parse import MAX_DEPTH, MAX_EXPRESSIONS, parse, parse_json
from guosuo.errors import PeerError, Reason

SECONDS = 2.0
"""Of processor time; on a laptop the slowest of these takes a tenth."""


@contextmanager
def in_time() -> Iterator[None]:
    start = time.process_time()
    yield
    assert time.process_time() - start < SECONDS


def nested(levels: int, wrap: Callable[[object], object]) -> object:
    inside: object = True
    for _ in range(levels):
        inside = wrap(inside)
    return inside


def negated(levels: int) -> object:
    return nested(levels, lambda inside: {"!": [inside]})


def cyclic_array() -> object:
    array: list[object] = [1]
    array.append(array)
    return array


def cyclic_operation() -> object:
    operation: dict[str, object] = {}
    operation["!"] = [operation]
    return operation


def var(path: str) -> dict[str, Any]:
    return {"var": path}


def fold(array: object, step: object, initial: object = 0) -> dict[str, Any]:
    return {"reduce": [array, step, initial]}


# Reading


TOO_LARGE: dict[str, Callable[[], object]] = {
    "one level more": lambda: negated(MAX_DEPTH),
    "deep arrays": lambda: nested(100_000, lambda inside: [inside]),
    "deep branches": lambda: nested(100_000, lambda inside: {"if": [inside] * 3}),
    "shared items": lambda: nested(40, lambda inside: [inside] * 2),
    "shared operands": lambda: nested(40, lambda inside: {"and": [inside] * 2}),
    "shared folds": lambda: nested(20, lambda inside: fold([inside] * 2, inside)),
    "cyclic array": cyclic_array,
    "cyclic operation": cyclic_operation,
    "huge array": lambda: [1] * 1_000_000,
    "many arrays": lambda: [[1] * 1000] * 1000,
    "many operands": lambda: {"and": [True] * 100_000},
    "long text": lambda: "x" * 1_000_000,
    "long path": lambda: var("x" * 1_000_000),
    "long way": lambda: var(".".join("x" * 200)),
    "inexact integer": lambda: 1 << 53,
    "inexact negative": lambda: -(1 << 53),
    "huge integer": lambda: 10**4000,
    "huge float": lambda: 1e300,
    "many years": lambda: {"plusTime": ["2021", 10_000_001, "year"]},
    "absurd hours": lambda: {"plusTime": ["2021", -(10**100), "hour"]},
    "far fragment": lambda: {"extractFromUVCI": ["x", 1 << 53]},
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_too_large(name: str) -> None:
    value = TOO_LARGE[name]()
    with in_time(), pytest.raises(PeerError) as error:
        parse(value)
    assert error.value.reason is Reason.RULE_BOUNDS


def test_as_large_as_allowed() -> None:
    parse(negated(MAX_DEPTH - 1))
    parse([[1] * 1023] * 3 + [[1] * (MAX_EXPRESSIONS - 3 * 1024 - 2)])
    parse([(1 << 53) - 1, "x" * 1024, var("x" * 256)])
    parse({"plusTime": ["2021", -10_000_000, "year"]})


@pytest.mark.parametrize(
    "value",
    [
        None, 0.5, float("nan"), float("inf"), (), (1,), set(), b"x", object(), 1j, [None],
        {}, {"if": [True, 1, 2], "and": [1, 2]}, {1: [2]}, {None: [2]}, {"": [1]},
        {"if": None}, {"if": []}, {"if": [1, 2]}, {"if": [1, 2, 3, 4]}, {"if": {"0": 1}},
        {"and": []}, {"and": [1]}, {"and": True}, {"!": 1}, {"!": []}, {"!": [1, 2]},
        {"===": [1]}, {"===": [1, 2, 3]}, {"===": [1, None]}, {"in": [1]}, {"in": [1, [], 3]},
        {"+": [1]}, {"+": [1, 2, 3]}, {"+": [1, 0.5]}, {"<": [1]}, {"<": [1, 2, 3, 4]},
        {"after": []}, {"before": [1]}, {"not-after": ["a", "b", "c", "d"]}, {"not-before": "ab"},
        {"plusTime": ["2021", 0]}, {"plusTime": ["2021", 0, "day", 1]},
        {"plusTime": ["2021", True, "day"]}, {"plusTime": ["2021", "0", "day"]},
        {"plusTime": ["2021", 0.5, "day"]}, {"plusTime": ["2021", var("n"), "day"]},
        {"plusTime": ["2021", 0, "days"]}, {"plusTime": ["2021", 0, "minute"]},
        {"plusTime": ["2021", 0, ["day"]]}, {"plusTime": ["2021", 0, None]},
        {"plusTime": [None, 0, "day"]}, {"dccDateOfBirth": []}, {"dccDateOfBirth": "2021"},
        {"dccDateOfBirth": ["2021", 1]}, {"extractFromUVCI": ["x"]},
        {"extractFromUVCI": ["x", "0"]}, {"extractFromUVCI": ["x", 0, 0]},
        {"reduce": [[], 1]}, {"reduce": [[], 1, 1, 1]}, {"reduce": [[], None, 1]},
        {"var": None}, {"var": 0}, {"var": ["payload"]}, {"var": ["a", 1]}, {"var": "."},
        {"var": ".a"}, {"var": "a."}, {"var": "a..b"}, {"var": "../../etc/passwd"},
        {"var": "\ud800"}, "\udfff",
        *[{name: [True, True]} for name in (
            "or", "==", "!=", "!==", "!!", "*", "/", "-", "%", "cat", "map", "filter", "all",
            "some", "none", "merge", "missing", "missing_some", "substr", "log", "method", "min",
            "IF", "And", "plustime", "plusTime ", "__proto__", "constructor", "eval", "import",
        )],
    ],
)  # fmt: skip
def test_not_certlogic(value: object) -> None:
    for tolerant in (False, True):
        if tolerant and value in ({"if": []}, {"if": [1, 2]}, {"if": [1, 2, 3, 4]}):
            continue
        with pytest.raises(PeerError) as error:
            parse(value, tolerant=tolerant)
        assert error.value.reason is Reason.RULE_SYNTAX


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b" " * (MAX_BYTES + 1), Reason.RULE_BOUNDS),
        (b"[" * 161 + b"]" * 161, Reason.RULE_BOUNDS),
        (b"[" * 1_000_000, Reason.RULE_BOUNDS),
        (b'{"a":' * 200_000, Reason.RULE_BOUNDS),
        (b'["]",' * 161, Reason.RULE_BOUNDS),
        (b"1" * 5000, Reason.RULE_BOUNDS),
        (b"1" * 33, Reason.RULE_BOUNDS),
        (b"0." + b"1" * 5000, Reason.RULE_BOUNDS),
        (b"1e400", Reason.RULE_BOUNDS),
        (b"-1e400", Reason.RULE_BOUNDS),
        (b"", Reason.RULE_SYNTAX),
        (b"[" * 160, Reason.RULE_SYNTAX),
        (b"]" * 100_000, Reason.RULE_SYNTAX),
        (b'\\"' * 500_000, Reason.RULE_SYNTAX),
        (b'"' + b'\\"' * 500_000, Reason.RULE_SYNTAX),
        (b'"' * 999_999, Reason.RULE_SYNTAX),
        (b'"\\', Reason.RULE_SYNTAX),
        (b'{"var": "a", "var": "b"}', Reason.RULE_SYNTAX),
        (b'{"var": "a", "\\u0076ar": "b"}', Reason.RULE_SYNTAX),
        (b"NaN", Reason.RULE_SYNTAX),
        (b"[-Infinity]", Reason.RULE_SYNTAX),
        (b"true false", Reason.RULE_SYNTAX),
        (b"[1,]", Reason.RULE_SYNTAX),
        (b"{'var': 'a'}", Reason.RULE_SYNTAX),
        (b"01", Reason.RULE_SYNTAX),
        (b"\xef\xbb\xbftrue", Reason.RULE_SYNTAX),
        (b'"\xff"', Reason.RULE_SYNTAX),
        (b'"\xed\xa0\x80"', Reason.RULE_SYNTAX),
        (b'"\\ud800"', Reason.RULE_SYNTAX),
        (b'"\n"', Reason.RULE_SYNTAX),
        ('"x"'.encode("utf-16"), Reason.RULE_SYNTAX),
        (b'{"&anchor": [*anchor]}', Reason.RULE_SYNTAX),
    ],
    ids=lambda value: value[:12] if isinstance(value, bytes) else None,
)
def test_text(text: bytes, reason: Reason) -> None:
    with in_time(), pytest.raises(PeerError) as error:
        parse_json(text)
    assert error.value.reason is reason
    assert error.value.__context__ is None or not error.value.__context__.args


def test_good_text() -> None:
    assert load_json(b'[{"a": [{}, "]{", "\\"", 42.0, -0, 1e3, null]}]') == [
        {"a": [{}, "]{", '"', 42, 0, 1000, None]}
    ]
    assert parse_json('{"===": ["ž", "\\u017e"]}'.encode()) == parse({"===": ["ž", "ž"]})
    parse_json(json.dumps(negated(MAX_DEPTH - 1)).encode())


# Evaluating


ITEMS = var("items")
TWICE = {"+": [var("accumulator"), var("accumulator")]}


@pytest.mark.parametrize(
    ("cause", "expression"),
    [
        # time
        (OpenCause.TOO_MANY_STEPS, fold(ITEMS, {"+": [var("accumulator"), 1]})),
        (OpenCause.TOO_MANY_STEPS, fold(ITEMS, "step", "start")),
        (OpenCause.TOO_MANY_STEPS, {"in": ["nowhere", ITEMS]}),
        (OpenCause.TOO_MANY_STEPS, fold([1] * 1000, {"and": [1] * 1000})),
        (OpenCause.TOO_MANY_STEPS, nested(60, lambda x: fold([1, 1], x))),
        (OpenCause.TOO_MANY_STEPS, {"extractFromUVCI": [var("long"), 1]}),
        (OpenCause.TOO_MANY_STEPS, fold([0] * 1000, {"in": [1, [0] * 1000]})),
        # space
        (OpenCause.NOT_AN_INTEGER, fold([0] * 60, TWICE, 1)),
        (OpenCause.NOT_AN_INTEGER, {"+": [var("huge"), 1]}),
        (OpenCause.NOT_AN_INTEGER, {"<": [var("huge"), var("huge")]}),
        (
            OpenCause.NOT_A_VERDICT,
            fold([0] * 1000, [var("accumulator"), var("accumulator")]),
        ),
        # absurd dates
        (OpenCause.NOT_A_DATE, {"plusTime": ["9999-12-31", 10_000_000, "year"]}),
        (OpenCause.NOT_A_DATE, {"plusTime": ["2021-02-31", 0, "day"]}),
        (OpenCause.NOT_A_DATE, {"plusTime": ["0000-00-00", 0, "day"]}),
        (OpenCause.NOT_A_DATE, {"plusTime": [var("long"), 0, "day"]}),
        (OpenCause.NOT_A_DATE, {"dccDateOfBirth": ["9999-99"]}),
        # outside of the data
        (OpenCause.NOT_A_VERDICT, var("__class__.__mro__.1.__subclasses__")),
        (OpenCause.NOT_A_VERDICT, var("constructor.constructor")),
        (OpenCause.NOT_A_VERDICT, fold([1], var("data"))),
        (OpenCause.NOT_AN_ARRAY, {"in": [1, var("items.__iter__")]}),
        (OpenCause.NOT_AN_ARRAY, {"reduce": [var("odd"), 1, 1]}),
        # data that are not JSON
        (OpenCause.NOT_A_CONDITION, {"!": [var("odd")]}),
        (OpenCause.NOT_A_CONDITION, {"and": [var("tuple"), 1]}),
        (OpenCause.NOT_A_TEXT, {"plusTime": [var("bytes"), 0, "day"]}),
        (OpenCause.NOT_AN_INTEGER, {"<": [var("nan"), 1]}),
    ],
)
def test_evaluation(cause: OpenCause, expression: object) -> None:
    data: dict[str, Any] = {
        "items": [0] * 1_000_000,
        "long": "2" * 1_000_000,
        "huge": 10**4000,
        "odd": {1, 2},
        "tuple": (1,),
        "bytes": b"2021",
        "nan": float("nan"),
    }
    data["self"] = data
    expr = parse(expression)
    with in_time():
        assert decide(expr, data) == Outcome(Result.OPEN, cause)


def test_budget() -> None:
    """The budget is what decides, whatever the machine: one step less, and the rule is open."""
    expr = parse(fold([1, 2, 3], {"+": [var("accumulator"), var("current")]}))
    steps = 1 + 4 + 1 + 3 * 3
    assert evaluate(expr, None, budget=steps) == 6
    with pytest.raises(OpenError) as error:
        evaluate(expr, None, budget=steps - 1)
    assert error.value.cause is OpenCause.TOO_MANY_STEPS
    assert decide(parse("yes"), None, budget=0).cause is OpenCause.TOO_MANY_STEPS


def test_all_of_the_budget_is_soon_spent() -> None:
    moments = {"before": [{"plusTime": ["2021-06-01T10:20:30+02:00", 999, "month"]}] * 3}
    expr = parse(fold(ITEMS, moments))
    with in_time():
        cause = decide(expr, {"items": [0] * MAX_STEPS}).cause
    assert cause is OpenCause.TOO_MANY_STEPS


def test_data_that_contain_themselves() -> None:
    data: dict[str, Any] = {"items": [1]}
    data["self"] = data
    data["items"].append(data["items"])
    path = ".".join(["self"] * 40 + ["items"] + ["1"] * 10 + ["0"])
    assert evaluate(parse(var(path)), data) == 1
    assert decide(parse({"===": [var("self"), var("")]}), data).result is Result.SATISFIED
    assert decide(parse({"in": [ITEMS, ITEMS]}), data).result is Result.SATISFIED


# Anything at all

names = st.sampled_from([
    "var", "if", "and", "!", "===", "in", "+", "<", ">", "<=", ">=", "after", "before",
    "not-after", "not-before", "plusTime", "dccDateOfBirth", "extractFromUVCI", "reduce",
])  # fmt: skip
texts = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["", "payload", "payload.0.a", "accumulator", "current", "a", "0", "day"]),
    st.dates().map(str),
    st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(names, texts), inner, max_size=2)
    ),
    max_leaves=30,
)


def _operations(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly well-formed ones, so that evaluation gets far."""
    orders = st.sampled_from(["<", ">", "<=", ">=", "after", "before", "not-after", "not-before"])
    pairs = st.sampled_from(["===", "in", "+"])
    units = st.sampled_from(["year", "month", "day", "hour"])
    amounts = st.integers(-10_000_000, 10_000_000)
    plus_time = st.builds(lambda *args: {"plusTime": list(args)}, inner, amounts, units)
    two_or_three = st.lists(st.one_of(inner, plus_time), min_size=2, max_size=3)
    return st.one_of(
        plus_time,
        st.lists(inner, max_size=3),
        st.builds(lambda name, args: {name: args}, orders, two_or_three),
        st.builds(lambda name, *args: {name: list(args)}, pairs, inner, inner),
        st.builds(lambda args: {"and": args}, two_or_three),
        st.builds(lambda *args: {"if": list(args)}, inner, inner, inner),
        st.builds(lambda *args: {"reduce": list(args)}, inner, inner, inner),
        st.builds(lambda arg: {"!": [arg]}, inner),
        st.builds(lambda arg: {"dccDateOfBirth": [arg]}, inner),
        st.builds(lambda arg, n: {"extractFromUVCI": [arg, n]}, inner, st.integers(-1, 4)),
    )


paths = st.sampled_from(["", "payload", "payload.0", "a", "0", "accumulator", "current.a", "x.y"])
expressions = st.recursive(
    st.one_of(paths.map(var), st.booleans(), st.integers(-9, 9), texts), _operations, max_leaves=25
)


@given(values)
def test_any_value_is_read_or_refused(value: object) -> None:
    for tolerant in (False, True):
        try:
            parse(value, tolerant=tolerant)
        except PeerError as error:
            assert error.reason in {Reason.RULE_SYNTAX, Reason.RULE_BOUNDS}  # noqa: PT017


@given(st.one_of(st.binary(max_size=40), values.map(lambda value: json.dumps(value).encode())))
def test_any_text_is_read_or_refused(text: bytes) -> None:
    try:
        value = load_json(text)
    except PeerError as error:
        assert error.reason in {Reason.RULE_SYNTAX, Reason.RULE_BOUNDS}  # noqa: PT017
    else:
        assert value == json.loads(text)


@given(expressions, values, st.integers(0, 300))
def test_rules_have_a_result_over_any_data(expression: object, data: object, budget: int) -> None:
    try:
        expr = parse(expression, tolerant=True)
    except PeerError:
        return
    outcome = decide(expr, data)
    assert (outcome.result is Result.OPEN) == (outcome.cause is not None)
    less = decide(expr, data, budget=budget)
    assert less in {outcome, Outcome(Result.OPEN, OpenCause.TOO_MANY_STEPS)}
    try:
        evaluate(expr, data)
    except OpenError as error:
        assert error.cause is outcome.cause  # noqa: PT017
