"""CertLogic: the language's own suite, the countries' own tests, and what each operation means."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from guosuo.certlogic import ast
from guosuo.certlogic.evaluate import OpenCause, OpenError, Outcome, Result, decide, evaluate
from guosuo.certlogic.moments import Moment, read_moment
from guosuo.certlogic.parse import parse, parse_json
from guosuo.certlogic.rules import read_rule
from guosuo.errors import PeerError, Reason


def read(file: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(file.read_bytes())
    return document


def same(value: object, expected: object) -> bool:
    """Equal as JSON: 1 is not true."""
    return json.dumps(value, sort_keys=True) == json.dumps(expected, sort_keys=True)


# Given expectations


def test_language_suite(vectors: Path) -> None:
    assertions = refused = 0
    for file in sorted((vectors / "dcc" / "certlogic").glob("*.json")):
        for case in read(file)["cases"]:
            if case.get("issues"):
                with pytest.raises(PeerError) as error:
                    parse(case["certLogicExpression"])
                assert error.value.reason is Reason.RULE_SYNTAX
                refused += 1
                continue
            expr = parse(case["certLogicExpression"])
            for assertion in case["assertions"]:
                if assertion.get("directive") != "skip":
                    assert same(evaluate(expr, assertion["data"]), assertion["expected"])
                    assertions += 1
    assert (assertions, refused) == (58, 11)


def test_suite_again_from_text(vectors: Path) -> None:
    for file in sorted((vectors / "dcc" / "certlogic").glob("*.json")):
        for case in read(file)["cases"]:
            text = json.dumps(case["certLogicExpression"]).encode()
            if not case.get("issues"):
                assert parse_json(text) == parse(case["certLogicExpression"])


def state_tests(folder: Path) -> Iterator[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]:
    """(rule, test, data) of every test that the countries publish with their rules."""
    value_sets = read(folder / "value-sets.json")
    for file in sorted(folder.glob("??.json")):
        for entry in read(file)["rules"]:
            for test in entry["tests"]:
                external = {**test["external"]}
                external["valueSets"] = value_sets[external["valueSets"]]
                data = {"payload": test["payload"], "external": external}
                yield entry["rule"], test, data


def test_countries_own_tests(vectors: Path) -> None:
    tests = list(state_tests(vectors / "dcc" / "business-rules"))
    assert len(tests) == 807
    for rule, test, data in tests:
        result = Result.SATISFIED if test["expected"] else Result.NOT_SATISFIED
        assert decide(read_rule(rule).logic, data) == Outcome(result), (rule["Identifier"], test)


# What each operation means; values by certlogic-js 1.2.2

DATA: dict[str, Any] = {
    "t": "text",
    "n": 7,
    "whole": 7.0,
    "part": 7.5,
    "list": [1, "a", None, [1], {"k": "v"}],
    "empty": {"t": "", "n": 0, "l": [], "o": {}, "f": False, "z": None},
    "1": "one",
    "day": "2021-06-01",
    "noon": "2021-06-01T12:00:00+00:00",
}
DAY: dict[str, Any] = {"plusTime": [{"var": "day"}, 0, "day"]}
NOON: dict[str, Any] = {"plusTime": [{"var": "noon"}, 0, "hour"]}


def var(path: str) -> dict[str, Any]:
    return {"var": path}


VALUES: list[tuple[Any, Any]] = [
    # literals and arrays
    ("a", "a"), (42.0, 42), (-3, -3), (False, False), ([], []), ([1, [var("n")]], [1, [7]]),
    # data access: elements by index, entries by name, null outside
    (var("n"), 7), (var("list.1"), "a"), (var("list.01"), "a"), (var("list.3.0"), 1),
    (var("list.4.k"), "v"), (var("1"), "one"), (var("list.5"), None), (var("list.-1"), None),
    (var("list.k"), None), (var("t.0"), None), (var("n.x"), None), (var("empty.z.y.x"), None),
    (var("list.length"), None), (var("t.length"), None), (var("constructor.name"), None),
    (var("__class__"), None), (var("list.٣"), None), (var("list." + "9" * 200), None),
    # conditions
    *[({"if": [var(f"empty.{name}"), 1, 2]}, 2) for name in "tnlofz"],
    *[({"if": [var(name), 1, 2]}, 1) for name in ("t", "n", "part", "list", "empty")],
    ({"!": [var("empty.o")]}, True), ({"!": [["x"]]}, False),
    ({"and": [1, "x"]}, "x"), ({"and": [1, var("empty.l"), var("nothing")]}, []),
    ({"if": [1, 2, {"+": ["x", 1]}]}, 2), ({"if": [0, {"in": [1, 1]}, 2]}, 2),
    # equality and membership
    ({"===": [1, True]}, False), ({"===": [0, False]}, False), ({"===": ["1", 1]}, False),
    ({"===": [var("whole"), 7]}, True), ({"===": [var("part"), var("part")]}, True),
    ({"===": [var("a"), var("b")]}, True), ({"===": [var("a"), False]}, False),
    ({"===": [[], []]}, False), ({"===": [var("list"), var("list")]}, True),
    ({"===": [DAY, DAY]}, False), ({"in": [1, [True, "1"]]}, False),
    ({"in": [var("whole"), [6, 7]]}, True), ({"in": [var("x"), var("list")]}, True),
    ({"in": [[1], var("list")]}, False), ({"in": [var("list.3"), var("list")]}, True),
    # integers
    ({"+": [var("whole"), -8]}, -1), ({"<": [1, 2, 3]}, True), ({"<": [1, 3, 2]}, False),
    ({"<=": [2, 2, 2]}, True), ({">": [2, 2]}, False), ({">=": [3, 2, 2]}, True),
    # moments
    ({"before": [DAY, NOON]}, True), ({"after": [DAY, NOON]}, False),
    ({"not-after": [DAY, DAY, NOON]}, True), ({"not-before": [NOON, DAY, DAY]}, True),
    ({"not-before": [NOON, DAY, NOON]}, False),
    # folds see their own data only
    ({"reduce": [var("nothing"), 1, 5]}, 5), ({"reduce": [var("empty.l"), 1, 5]}, 5),
    ({"reduce": [[1, 2, 3], {"+": [var("accumulator"), var("current")]}, 0]}, 6),
    ({"reduce": [[1], var("n"), 0]}, None),
    ({"reduce": [[1], {"===": [var("accumulator"), var("accumulator")]}, DAY]}, True),
    # identifiers of certificates
    *[
        ({"extractFromUVCI": [text, index]}, fragment)
        for text, index, fragment in [
            ("URN:UVCI:01:NL:187/37512422923", 0, "01"), ("URN:UVCI:01:NL:187/375#9", 4, "9"),
            ("URN:UVCI:", 0, ""), ("urn:uvci:x", 0, "urn"), ("a::c/#/f", 3, ""),
            ("a::c/#/f", 5, "f"), ("a::c/#/f", 6, None), ("a", -1, None), (var("x"), 0, None),
        ]
    ],
]  # fmt: skip


@pytest.mark.parametrize(("expression", "value"), VALUES)
def test_values(expression: object, value: object) -> None:
    assert same(evaluate(parse(expression), DATA), value)


OPEN: list[tuple[OpenCause, Any]] = [
    (OpenCause.NOT_A_CONDITION, {"if": [DAY, 1, 2]}),
    (OpenCause.NOT_A_CONDITION, {"!": [DAY]}),
    (OpenCause.NOT_A_CONDITION, {"and": [1, DAY]}),
    (OpenCause.NOT_AN_ARRAY, {"in": [1, var("nothing")]}),
    (OpenCause.NOT_AN_ARRAY, {"in": ["t", "text"]}),
    (OpenCause.NOT_AN_ARRAY, {"reduce": [var("empty"), 1, 1]}),
    (OpenCause.NOT_AN_INTEGER, {"+": [1, var("nothing")]}),
    (OpenCause.NOT_AN_INTEGER, {"<": [1, True]}),
    (OpenCause.NOT_AN_INTEGER, {">": [1, 2, "3"]}),
    (OpenCause.NOT_AN_INTEGER, {">=": [var("part"), 1]}),
    (OpenCause.NOT_AN_INTEGER, {">=": [DAY, 1]}),
    (OpenCause.NOT_A_MOMENT, {"after": [DAY, var("day")]}),
    (OpenCause.NOT_A_MOMENT, {"before": [1, 2]}),
    (OpenCause.NOT_A_TEXT, {"plusTime": [DAY, 0, "day"]}),
    (OpenCause.NOT_A_TEXT, {"plusTime": [var("nothing"), 0, "day"]}),
    (OpenCause.NOT_A_TEXT, {"dccDateOfBirth": [2004]}),
    (OpenCause.NOT_A_TEXT, {"extractFromUVCI": [["a"], 0]}),
    (OpenCause.NOT_A_DATE, {"plusTime": ["", 0, "day"]}),
    (OpenCause.NOT_A_DATE, {"dccDateOfBirth": ["2004-01-01T00:00:00Z"]}),
    (OpenCause.NOT_A_VERDICT, var("nothing")),
    (OpenCause.NOT_A_VERDICT, {"and": [True, "yes"]}),
    (OpenCause.NOT_A_VERDICT, DAY),
    (OpenCause.NOT_A_VERDICT, 1),
]


@pytest.mark.parametrize(("cause", "expression"), OPEN)
def test_open(cause: OpenCause, expression: object) -> None:
    assert decide(parse(expression), DATA) == Outcome(Result.OPEN, cause)
    if cause is not OpenCause.NOT_A_VERDICT:
        with pytest.raises(OpenError) as error:
            evaluate(parse(expression), DATA)
        assert (error.value.reason, error.value.cause) == (Reason.RULE_OPEN, cause)


def test_if_with_two_or_four_operands() -> None:
    """Published rules have them (VR-AL-0002, VR-LT-0003); evaluators and validators differ."""
    for expression in ({"if": [True, True]}, {"if": [True, True, False, False]}):
        with pytest.raises(PeerError):
            parse(expression)
    assert parse({"if": [True, True, False, 1]}, tolerant=True) == parse(
        {"if": [True, True, False]}
    )
    missing = parse({"if": [var("n"), {"if": [True, True]}, True]}, tolerant=True)
    assert isinstance(missing, ast.If)
    assert missing.then == ast.Incomplete()
    assert decide(missing, {}) == Outcome(Result.SATISFIED)
    assert decide(missing, {"n": 1}) == Outcome(Result.OPEN, OpenCause.INCOMPLETE)
    with pytest.raises(PeerError):  # a surplus operand is CertLogic, too
        parse({"if": [True, True, False, None]}, tolerant=True)


# Dates and times

MOMENTS = [
    ("1970-01-01", 0),
    ("1970-01-01T00:00:00", 0),
    ("1970-01-01T00:00:01Z", 1000),
    ("1970-01-01T00:00:00.5", 500),
    ("1970-01-01T00:00:00.0019999Z", 1),
    ("1970-01-01T02:00:00+2", 0),
    ("1970-01-01T02:00:00+02", 0),
    ("1970-01-01T02:00:00.000+02:00", 0),
    ("1970-01-01T02:30:00+230", 0),
    ("1970-01-01T11:30:00+1130", 0),
    ("1969-12-31T22:45:00.250-1:15", 250),
    ("1970-01-01T23:59:59.999-23:59", 172_740_000 - 1),
    ("0000-01-01", -62_167_219_200_000),
    ("0000-02-29", -62_162_121_600_000),
    ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
    ("2004", 1_104_451_200_000),
    ("2004-02", 1_078_012_800_000),
    ("2004-02-29", 1_078_012_800_000),
    ("2003-02", 1_046_390_400_000),
]


@pytest.mark.parametrize(("text", "milliseconds"), MOMENTS)
def test_moments(text: str, milliseconds: int) -> None:
    assert read_moment(text) == Moment(milliseconds)
    expression = parse({"plusTime": [var(""), 0, "year"]})
    assert evaluate(expression, text) == Moment(milliseconds)


@pytest.mark.parametrize(
    "text",
    [
        "", "x", "21", "2021-1-01", "2021-06-1", "2021-13", "2021-00", "2021-02-29", "2021-02-30",
        "2100-02-29", "2021-00-01", "2021-01-00", "2021-04-31", "20210601", "-2021-06-01",
        "+002021-06-01", "2021-06-01Z", "2021-06-01T10:20", "2021-06-01T10:20Z",
        "2021-06-01 10:20:30Z", "2021-06-01t10:20:30z", "2021-06-01T10:20:30.Z",
        "2021-06-01T24:00:00Z", "2021-06-01T10:60:00Z", "2021-06-01T10:20:60Z",
        "2021-06-01T10:20:30+24", "2021-06-01T10:20:30+0160", "2021-06-01T10:20:30+1:",
        "2021-06-01T10:20:30+1:2", "2021-06-01T10:20:30 Z", "2021-06-01\n", " 2021-06-01",
        "٢٠٢١-06-01", "2021-06-01T10:20:30." + "0" * 60 + "Z", "2021-06-01" * 10_000,
    ],
)  # fmt: skip
def test_no_moments(text: str) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        read_moment(text)
    outcome = decide(parse({"after": [{"plusTime": [text[:1000], 0, "day"]}, DAY]}), DATA)
    assert outcome == Outcome(Result.OPEN, OpenCause.NOT_A_DATE)


@pytest.mark.parametrize(
    ("start", "amount", "unit", "end"),
    [
        # the table of the specification
        ("2020-02-29", 1, "day", "2020-03-01"),
        ("2020-02-29", 1, "month", "2020-03-29"),
        ("2020-02-29", 1, "year", "2021-03-01"),
        # fields run over
        ("2021-01-31", 1, "month", "2021-03-03"),
        ("2020-01-31", 1, "month", "2020-03-02"),
        ("2021-03-31", -1, "month", "2021-03-03"),
        ("2021-01-15", -13, "month", "2019-12-15"),
        ("2021-12-31T23:00:00", 2, "hour", "2022-01-01T01:00:00"),
        ("2021-06-01T10:20:30.4Z", -1, "year", "2020-06-01T10:20:30.4Z"),
        ("2021-03-28T00:00:00+01:00", 6, "month", "2021-09-27T23:00:00Z"),
        ("2004", 18, "year", "2022-12-31"),
        ("2004-02", 18, "year", "2022-03-01"),
        ("0000-01-01", 9999, "year", "9999-01-01"),
        ("9999-01-01", -9999, "year", "0000-01-01"),
    ],
)
def test_moved_moments(start: str, amount: int, unit: str, end: str) -> None:
    assert evaluate(parse({"plusTime": [start, amount, unit]}), None) == read_moment(end)


@pytest.mark.parametrize(
    ("years", "milliseconds"),
    [
        (273_790, 8_639_977_881_600_000),
        (273_791, None),
        (-273_790, -8_639_977_881_600_000),
        (-273_791, None),
        (10_000_000, None),
    ],
)
def test_moments_end_where_ecmascript_ends(years: int, milliseconds: int | None) -> None:
    expression = parse({"plusTime": ["1970-01-01", years, "year"]})
    if milliseconds is None:
        assert decide(expression, None).cause is OpenCause.NOT_A_DATE
    else:
        assert evaluate(expression, None) == Moment(milliseconds)
