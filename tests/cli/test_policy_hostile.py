"""Hostile policies, given to every command that reads one: one line, in time, no traceback."""

import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guosuo.evidence.limits import LIMITS
from guosuo.evidence.registry import PRODUCTS, EvidenceKind
from tests.cli.stage import ENROL, GATE, Stage, done, guosuo
from tests.cli.test_policy import CODE_48, JUNE

SECONDS = 20
"""Of processor time for one command; what is refused takes a fraction of one."""

Change = Callable[[dict[str, Any]], None]


def logic(value: object, **sets: list[str]) -> Change:
    """A policy whose first rule says something else."""

    def change(policy: dict[str, Any]) -> None:
        policy["rules"][0]["Logic"] = value
        policy["value_sets"] = sets
        policy.pop("limits", None)

    return change


def member(name: str, value: object) -> Change:
    return lambda policy: policy.update({name: value})


def of_rule(name: str, value: object) -> Change:
    return lambda policy: policy["rules"][0].update({name: value})


def nested(depth: int, value: object = True) -> object:  # noqa: FBT002 - the innermost value
    for _ in range(depth):
        value = {"!": [value]}
    return value


def var(path: str) -> dict[str, str]:
    return {"var": path}


def fold(array: object, step: object) -> dict[str, Any]:
    return {"reduce": [array, step, 0]}


CLOCK = {"plusTime": [var("external.validationClock"), 0, "day"]}
TWICE = {"+": [var("accumulator"), var("accumulator")]}


def slow(policy: dict[str, Any]) -> None:
    """Everything that can be told apart is, in vain, by a long rule."""
    limits = [
        {name: [{"plusTime": [var("payload.v.0.dt"), limit.amount, limit.unit.value]}, CLOCK]}
        for limit in LIMITS[EvidenceKind.VACCINATION]
        for name in [("before" if limit.strict else "not-after")]
    ]
    codes = Counter(p.code for p in PRODUCTS if p.kind is EvidenceKind.VACCINATION)
    products = [{"===": [var("payload.v.0.mp"), p.name]} for p in PRODUCTS if codes[p.code] == 1]
    padding = {"in": [var("payload.v.0.mp"), [products[0]["==="][1]] * 1000]}
    parts = [{"if": [part, True, True]} for part in (*limits, *products, padding)]
    policy["rules"] = [
        policy["rules"][0]
        | {"Identifier": f"VR-CN-{n:04}", "CertificateType": "Vaccination", "Logic": {"and": parts}}
        for n in range(8)
    ]
    policy.update(accepts=["vaccination"], value_sets={})
    del policy["limits"]


HOSTILE: dict[str, Change] = {
    "slow": slow,
    # deep nesting
    "deep rule": logic(nested(70)),
    "deep conditions": logic({"if": [nested(64), nested(64), nested(64)]}),
    # huge arrays
    "many items": logic({"in": [1, [0] * 2000]}),
    "many expressions": logic({"and": [{"and": [True] * 1000}] * 9}),
    "long text": logic({"===": [var("payload.v.0.mp"), "x" * 5000]}),
    "many rules": lambda policy: policy.update(rules=policy["rules"] * 600),
    "many codes": logic(
        {"in": [var("payload.t.0.ma"), var("external.valueSets.x")]}, x=["1"] * 9000
    ),
    "many value sets": lambda policy: policy.update(value_sets={f"s{n}": [] for n in range(99)}),
    # absurd dates
    "no such day": logic({"before": [CLOCK, {"plusTime": ["2021-02-31", 0, "day"]}]}),
    "after the end of time": logic(
        {"before": [{"plusTime": [var("payload.t.0.sc"), 9_999_999, "year"]}, CLOCK]}
    ),
    "an amount of ages": logic({"plusTime": [var("payload.t.0.sc"), 1 << 60, "day"]}),
    "in force for ever": member("valid_to", "9999-99-99T00:00:00Z"),
    "in force before there were clocks": member("valid_from", "0000-01-01T00:00:00Z"),
    "a rule of no day": of_rule("ValidFrom", "2021-02-30T00:00:00Z"),
    "ends before it begins": member("valid_to", "1999-01-01T00:00:00Z"),
    # wrong types
    "null": logic(None),
    "a number": logic(0.5),
    "no operation": logic({"eval": ["__import__"]}),
    "operands of no kind": logic({"if": "yes"}),
    "rules of no kind": member("rules", {"0": {}}),
    "a rule of no kind": member("rules", [7]),
    "kinds of no kind": member("accepts", [["test"]]),
    "a region of no kind": member("region", 7),
    "a version of no kind": member("version", "1"),
    "codes of no kind": member("value_sets", {"x": [None]}),
    "an unknown member": member("on_accept", "rm"),
    # what would contain itself
    "a value set that names itself": logic(
        {"in": [var("external.valueSets.a"), var("external.valueSets.a")]}, a=["a"]
    ),
    "a value set in a value set": logic(
        {"in": [var("payload.t.0.tt"), var("external.valueSets.a.b")]}, a=["b"], b=["a"]
    ),
    "growing without end": logic(fold([1] * 60, TWICE)),
    "a fold in a fold": logic(fold([1] * 900, fold([1] * 900, TWICE))),
    # outside of the data
    "attributes": logic(var("payload.__class__.__mro__.1.__subclasses__")),
    "another document": logic({"===": [var("payload.t.1.tr"), "260415000"]}),
    "the world": logic({"===": [var("constructor.process.env.HOME"), "/root"]}),
    "the signer": logic({"===": [var("external.kid"), "x"]}),
    "the name": logic({"===": [var("payload.nam.fnt"), "X"]}),
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def sound() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(CODE_48.read_bytes())
    return read


def refused(*command: str | Path, codes: tuple[int, ...] = (1, 2, 3)) -> str:
    """A command that refuses, in time and in words; what it said."""
    started = time.process_time()
    said = guosuo("policy", *command)
    assert time.process_time() - started < SECONDS
    assert said.code in codes, said
    assert "Traceback" not in said.err
    if not said.out:
        assert said.err.count("\n") == 1
    assert len(said.out + said.err) < 20_000
    return said.out + said.err


@pytest.mark.parametrize("name", HOSTILE)
def test_every_command_refuses_it(name: str) -> None:
    policy = sound()
    HOSTILE[name](policy)
    Path("hostile.json").write_text(json.dumps(policy))
    said = refused("lint", "hostile.json")
    assert said.strip()
    refused("compile", "hostile.json")
    refused("diff", CODE_48, "hostile.json")
    refused("diff", "hostile.json", CODE_48)


def test_what_is_not_hostile_is_read() -> None:
    Path("sound.json").write_text(json.dumps(sound()))
    for command in (("lint", "sound.json"), ("compile", "sound.json")):
        assert guosuo("policy", *command).code == 0


@pytest.mark.parametrize(
    "text",
    [b"[" * 1_000_000, b'{"a":' * 100_000, b"&a [*a]", b'{"rules": [' + b"1," * 200_000 + b"1]}",
     b"\xff\xfe", b"", b"NaN", b'{"policy": 1, "policy": 2}', b"1" * 100_000],
    ids=lambda text: repr(text[:8]),
)  # fmt: skip
def test_what_is_no_json(text: bytes) -> None:
    Path("bad.json").write_bytes(text)
    for command in (
        ("lint", "bad.json"),
        ("diff", CODE_48, "bad.json"),
        ("test", "bad.json", "bad.json"),
        ("explain", "bad.json", "--policy", str(CODE_48)),
    ):
        refused(*command, codes=(2, 3))


@pytest.mark.parametrize("name", ["deep rule", "many items", "null", "a number", "no operation"])
def test_hostile_rules_among_tested_rules(name: str) -> None:
    policy = sound()
    HOSTILE[name](policy)
    rules = {"country": "CN", "rules": policy["rules"]}
    matrix = {"clock": JUNE, "valueSets": {}, "results": {"CN": []}, "payloads": []}
    Path("rules.json").write_text(json.dumps(rules))
    Path("matrix.json").write_text(json.dumps(matrix))
    refused("test", "rules.json", "matrix.json", codes=(3,))


def test_a_rule_that_cannot_be_evaluated_is_open_in_tests() -> None:
    """Outside of the data there is nothing: that is a result, not an error."""
    policy = sound()
    HOSTILE["attributes"](policy)
    rule = policy["rules"][0]
    group = {"T": "t", "V": "v", "R": "r"}[rule["CertificateType"][0]]
    payload = {group: [{"tg": "840539006"}]}
    matrix = {
        "clock": JUNE,
        "valueSets": {},
        "results": {"CN": [{"open": [rule["Identifier"]]}]},
        "payloads": [{"payload": payload}],
    }
    Path("rules.json").write_text(json.dumps({"country": "CN", "rules": [rule]}))
    Path("matrix.json").write_text(json.dumps(matrix))
    (row,) = done("policy", "test", "rules.json", "matrix.json")["countries"]
    assert (row["clear"], row["cases"]) == (1, 1)
    assert row["not_expressible"][0]["rule"] == rule["Identifier"]


def test_no_region_publishes_one() -> None:
    stage = Stage()
    stage.found()
    for name in ("deep rule", "the signer", "attributes", "null", "in force for ever"):
        policy = sound() | {"region": GATE}
        HOSTILE[name](policy)
        Path("hostile.json").write_text(json.dumps(policy))
        said = guosuo(
            *("region", "bundle", "fed", GATE, "--policy", "hostile.json"),
            *(*stage.keys, "--now", ENROL),
        )
        assert (said.code, said.err.count("\n")) == (2, 1), said


def test_a_policy_that_takes_too_long_names_the_rule() -> None:
    policy = sound()
    slow(policy)
    Path("slow.json").write_text(json.dumps(policy))
    assert "takes too long, at the latest by rule VR-CN-0" in refused("compile", "slow.json")


def test_very_many_small_rules_are_no_burden() -> None:
    policy = sound()
    rule = policy["rules"][0] | {"Logic": {"===": [var("payload.v.0.mp"), "EU/1/20/1528"]}}
    policy["rules"] = [rule | {"Identifier": f"VR-CN-{n:04}"} for n in range(200)]
    policy.update(accepts=["vaccination"], value_sets={})
    del policy["limits"]
    Path("many.json").write_text(json.dumps(policy))
    refused("lint", "many.json", codes=(0, 1))
    refused("compile", "many.json", codes=(0, 1))
