"""Which rules can be proven, and what becomes of the others: named, never dropped."""

import json
from dataclasses import replace
from typing import Any

import pytest

from guosuo.certlogic.rules import read_rule
from guosuo.errors import PeerError, Reason
from guosuo.evidence.registry import NAAT, OTHER, RAPID_ANTIGEN, EvidenceKind
from guosuo.evidence.space import Shape, unpack
from guosuo.policy.compiler import PolicyError, compile_document, find_faults
from guosuo.policy.document import PolicyDocument
from guosuo.policy.lint import Level, lint
from guosuo.policy.reading import read_logic
from guosuo.policy.written import make_document
from tests.unit.test_policy_document import DAY, NOW, simple

LIFE = 1
"""An instant: rules that refuse little accept too much for a table of epochs."""
CLOCK = {"plusTime": [{"var": "external.validationClock"}, 0, "day"]}


def member(name: str, amount: int = 0, unit: str = "day") -> dict[str, Any]:
    return {"plusTime": [{"var": f"payload.{name}"}, amount, unit]}


def rule(logic: object, kind: str = "Vaccination") -> dict[str, Any]:
    read: dict[str, Any] = json.loads(simple().rules[0])
    return read | {"Logic": logic, "CertificateType": kind, "Identifier": "VR-CN-0007"}


def document(
    logic: object, kind: str = "Vaccination", value_sets: dict[str, list[str]] | None = None
) -> PolicyDocument:
    return make_document(
        region="440000",
        policy="entry",
        version=1,
        not_before=NOW,
        not_after=NOW + 30 * DAY,
        accepts=(EvidenceKind.VACCINATION, EvidenceKind.TEST),
        rules=[rule(logic, kind)],
        value_sets=value_sets or {},
    )


def var(path: str) -> dict[str, str]:
    return {"var": path}


@pytest.mark.parametrize(
    ("logic", "why"),
    [
        ({"===": [var("external.issuerCountryCode"), "DE"]}, "who signed"),
        ({"in": [var("external.kid"), ["a"]]}, "who signed"),
        ({"!": [var("external.countryCode")]}, "who signed"),
        ({"===": [var("payload.v.0.co"), "DE"]}, "does not carry"),
        ({"===": [var("payload.v.0.is"), "x"]}, "does not carry"),
        ({"===": [var("payload.nam.fnt"), "X"]}, "does not carry"),
        ({"!": [var("payload.nam.gn")]}, "does not carry"),
        ({"===": [{"extractFromUVCI": [var("payload.v.0.ci"), 1]}, "DE"]}, "identifier"),
        ({"===": [var("payload.v.0.mp"), "New-Vaccine"]}, "vaccine"),
        ({"===": [var("payload.v.0.mp"), "CoviVac"]}, "vaccines apart"),
        ({"in": [var("payload.v.0.mp"), ["Sputnik-V", "Sputnik-Light"]]}, "vaccines apart"),
        ({"===": [var("payload.v.0.vp"), "1119349007"]}, "kinds of vaccine"),
        ({"in": [var("payload.v.0.vp"), ["J07BX03", "1162643001"]]}, "kinds of vaccine"),
        (
            {
                "if": [
                    {"===": [var("payload.v.0.vp"), "1162643001"]},
                    {">=": [var("payload.v.0.dn"), 5]},
                    True,
                ]
            },
            "doses apart",
        ),
        ({"===": [var("payload.t.0.tt"), "other"]}, "type of test"),
        ({"===": [var("payload.t.0.tr"), "other"]}, "result"),
        ({"===": [var("payload.t.0.ma"), "999999"]}, "device"),
        ({"===": [var("payload.t.0.ma"), "1232"]}, "devices apart"),
        ({"===": [var("payload.dob"), "1990-01-01"]}, "birth date"),
        ({">=": [var("payload.v.0.dn"), 5]}, "doses"),
        ({"<=": [var("payload.v.0.dn"), 4]}, "doses"),
        ({"===": [var("payload.v.0.sd"), 4]}, "doses"),
        ({"<": [7, var("payload.v.0.sd")]}, "doses"),
        ({">=": [var("payload.v.0.dn"), 4]}, "doses apart"),
        ({"===": [var("payload.v.0.sd"), 3]}, "doses apart"),
        ({"<": [1, var("payload.v.0.dn"), 4]}, "doses apart"),
        (
            {
                "and": [
                    {"===": [var("payload.v.0.mp"), "CoronaVac"]},
                    {">": [var("payload.v.0.dn"), 4]},
                ]
            },
            "doses apart",
        ),
        ({"after": [CLOCK, member("v.0.dt", 90)]}, "registry"),
        ({"===": [var("payload.v.0.mp"), var("payload.v.0.ma")]}, "compares members"),
        ({">": [{"+": [var("payload.v.0.dn"), 1]}, var("payload.v.0.sd")]}, "without comparing"),
        ({"not-after": [member("v.0.dt", 8), CLOCK]}, "registry"),
        ({"after": [CLOCK, member("v.0.dt", 14)]}, "registry"),
        ({"before": [member("dob", 60, "year"), CLOCK]}, "registry"),
        ({"not-after": [member("v.0.dt"), member("t.0.sc")]}, "registry"),
        ({"after": [member("v.0.dt"), {"plusTime": ["2022-01-01", 0, "day"]}]}, "fixed day"),
        ({"after": [{"plusTime": ["2022-04-20", 0, "day"]}, CLOCK]}, "split"),
        ({"reduce": [var("payload.v"), True, True]}, "folds"),
        ({"===": [var("payload.v"), 1]}, "does not carry"),
        ({"if": [True, var("payload.v.0.dn"), False]}, "without comparing"),
        ({"in": ["x", var("payload.v.0.mp")]}, "elsewhere"),
        ({"===": [var("payload.v.0.dt"), "2022-01-01"]}, "text of a day"),
        ({"in": [var("external.validationClock"), ["2022-01-01T00:00:00Z"]]}, "text of a day"),
        ({">=": [var("payload.v.0.dn"), {"if": [var("payload.v.0"), 1, 2]}]}, "computes"),
        ({"===": [{"+": [1, 1]}, var("payload.v.0.sd")]}, "computes"),
        ({"in": [var("payload.v.0.dn"), [1, {"+": [1, 1]}]]}, "computes"),
    ],
)
def test_what_cannot_be_proven_is_named(logic: object, why: str) -> None:
    made = document(logic)
    with pytest.raises(PolicyError) as error:
        compile_document(made, LIFE)
    assert error.value.reason is Reason.POLICY
    assert {fault.rule for fault in error.value.faults} == {"VR-CN-0007"}
    assert any(why in fault.why for fault in error.value.faults), error.value.faults
    assert any(remark.level is Level.ERROR for remark in lint(made, LIFE))


@pytest.mark.parametrize(
    "logic",
    [
        {"if": [var("payload.v.0"), {"if": [var("payload.v.0.is"), True, False]}, True]},
        {">=": [var("payload.v.0.dn"), var("payload.v.0.sd")]},
        {"<=": [var("payload.v.0.dn"), 12]},
        {"<": [1, var("payload.v.0.dn"), 3]},
        {">=": [var("payload.v.0.dn"), 3]},
        {
            "and": [
                {">=": [var("payload.v.0.dn"), 4]},
                {"===": [var("payload.v.0.dn"), var("payload.v.0.sd")]},
            ]
        },
        {"if": [{"===": [var("payload.v.0.sd"), 2]}, {">": [var("payload.v.0.dn"), 3]}, True]},
        {"!": [{"===": [var("payload.v.0.dn"), 2]}]},
        {">=": [var("payload.v.0.sd"), 3]},
        {"in": [var("payload.v.0.vp"), ["1119349007", "1119305005", "J07BX03"]]},
        {"in": [var("payload.v.0.vp"), ["1119349007", "1119305005", "J07BX03", "1162643001"]]},
        {"!": [{"in": [var("payload.v.0.vp"), ["1162643001", "29061000087103"]]}]},
        {"not-after": [member("v.0.dt", 24 * 14, "hour"), CLOCK]},
        {"not-after": [CLOCK, member("v.0.dt", 9, "month")]},
        {"before": [CLOCK, {"plusTime": ["2022-06-30T23:59:59Z", 0, "day"]}]},
        {"if": [True, True, var("payload.v")]},
        {"!": [{"===": [var("payload.dob"), ""]}]},
    ],
)
def test_what_can_be_proven(logic: object) -> None:
    assert find_faults(document(logic)) == ()
    assert compile_document(document(logic), LIFE).values


@pytest.mark.parametrize(
    ("logic", "limit"),
    [
        ({"not-after": [member("v.0.dt", 14), CLOCK]}, "v.0.dt + 14 days <= clock"),
        ({"before": [CLOCK, member("v.0.dt", 14)]}, "v.0.dt + 14 days <= clock"),
        ({"not-before": [CLOCK, member("v.0.dt", 14)]}, "v.0.dt + 14 days <= clock"),
        ({"after": [member("v.0.dt", 14), CLOCK]}, "v.0.dt + 14 days <= clock"),
        ({"before": [member("v.0.dt", 14), CLOCK]}, "v.0.dt + 14 days < clock"),
        ({"not-after": [CLOCK, member("v.0.dt", 14)]}, "v.0.dt + 14 days < clock"),
        ({"not-before": [member("v.0.dt", 14), CLOCK]}, "v.0.dt + 14 days < clock"),
        ({"after": [CLOCK, member("v.0.dt", 14)]}, "v.0.dt + 14 days < clock"),
        ({"after": [CLOCK, member("t.0.sc", 1)]}, "t.0.sc + 1 days < clock"),
        ({"after": [CLOCK, member("t.0.sc", 30, "hour")]}, "t.0.sc + 30 hours < clock"),
        ({"after": [CLOCK, member("dob", 2, "year")]}, "dob + 24 months < clock"),
        (
            {"not-before": [member("r.0.df"), member("r.0.fr", 11)]},
            "r.0.fr + 11 days <= r.0.df",
        ),
    ],
)
def test_limits_are_found_with_their_direction(logic: object, limit: str) -> None:
    found = read_logic(read_rule(rule(logic)))
    assert [str(one) for one in found.limits] == [limit]
    assert found.whys == set()


@pytest.mark.parametrize(
    ("name", "value", "steps"),
    [
        ("<", 3, {3}), (">=", 3, {3}), (">", 3, {4}), ("<=", 3, {4}),
        ("===", 3, {3, 4}),
    ],
)  # fmt: skip
def test_counts_are_where_the_answer_changes(name: str, value: int, steps: set[int]) -> None:
    dn = var("payload.v.0.dn")
    turned = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}.get(name, name)
    for logic in ({name: [dn, value]}, {turned: [value, dn]}):
        assert {step for _, step in read_logic(read_rule(rule(logic))).counts} == steps


def test_devices_of_value_sets_have_to_be_registered() -> None:
    logic = {"!": [{"in": [var("payload.t.0.ma"), var("external.valueSets.devices")]}]}
    assert find_faults(document(logic, "Test", {"devices": ["1200"]})) == ()
    (fault,) = find_faults(document(logic, "Test", {"devices": ["1200", "999999"]}))
    assert "device" in fault.why


@pytest.mark.parametrize(
    ("logic", "shape", "accepted"),
    [
        ({"in": [var("payload.t.0.ma"), ["1200"]]}, Shape(EvidenceKind.TEST, 11200), True),
        ({"in": [var("payload.t.0.ma"), ["1200"]]}, Shape(EvidenceKind.TEST, RAPID_ANTIGEN), False),
        ({"in": [var("payload.t.0.ma"), ["1200"]]}, Shape(EvidenceKind.TEST, NAAT), False),
        ({"!": [{"in": [var("payload.t.0.ma"), ["1200"]]}]}, Shape(EvidenceKind.TEST, NAAT), False),
        (
            {"!": [{"in": [var("payload.t.0.ma"), ["1200"]]}]},
            Shape(EvidenceKind.TEST, 11200),
            False,
        ),
        (
            {"!": [{"in": [var("payload.t.0.ma"), ["1200"]]}]},
            Shape(EvidenceKind.TEST, RAPID_ANTIGEN),
            True,
        ),
        # Registered ones are never among the others.
        (
            {"!": [{"in": [var("payload.v.0.mp"), ["EU/1/20/1507"]]}]},
            Shape(EvidenceKind.VACCINATION, OTHER, 1, 1),
            True,
        ),
        (
            {"in": [var("payload.v.0.vp"), ["1119349007", "1119305005", "J07BX03"]]},
            Shape(EvidenceKind.VACCINATION, OTHER, 1, 1),
            False,
        ),
        # Of a vaccine outside of the registry documents may name any kind, also this one.
        (
            {"!": [{"===": [var("payload.v.0.vp"), "1162643001"]}]},
            Shape(EvidenceKind.VACCINATION, OTHER, 1, 1),
            False,
        ),
        (
            {"!": [{"===": [var("payload.v.0.vp"), "1162643001"]}]},
            Shape(EvidenceKind.VACCINATION, 3, 1, 1),
            True,
        ),
        (
            {"in": [var("payload.v.0.mp"), ["CoviVac", "CVnCoV", "EpiVacCorona", "Sputnik-Light"]]},
            Shape(EvidenceKind.VACCINATION, 43, 1, 1),
            True,
        ),
        (
            {"!": [{"in": [var("payload.v.0.mp"), ["EU/1/20/1507"]]}]},
            Shape(EvidenceKind.VACCINATION, 1, 1, 1),
            True,
        ),
    ],
)
def test_what_evidence_merges_has_to_be_accepted_together(
    logic: object,
    shape: Shape,
    accepted: bool,  # noqa: FBT001
) -> None:
    shapes = {unpack(value)[0] for value in compile_document(document(logic, "General"), 1).values}
    assert (shape in shapes) is accepted


def test_open_counts_as_refused_and_is_reported() -> None:
    logic = {"in": [var("payload.t.0.tt"), var("external.valueSets.test-type")]}
    made = document(logic, "Test")
    compiled = compile_document(made, LIFE)
    assert compiled.open == ("VR-CN-0007",)
    assert all(value >> 56 & 15 == EvidenceKind.VACCINATION for value in compiled.values)
    remarks = lint(made, LIFE)
    texts = [remark.text for remark in remarks if remark.level is Level.WARNING]
    assert any("test-type" in text for text in texts)
    assert any("never accepts" in text for text in texts)
    assert any("its rules accept none" in text for text in texts)


def test_a_policy_that_accepts_nothing_is_refused() -> None:
    made = document({"===": [1, 2]}, "General")
    with pytest.raises(PolicyError, match="accepts nothing"):
        compile_document(made, LIFE)
    assert lint(made, LIFE)[0].level is Level.ERROR


def test_lint_warns_of_policies_that_name_people() -> None:
    logic = {"and": [
        {"===": [var("payload.v.0.mp"), "EU/1/20/1528"]}, {"===": [var("payload.v.0.dn"), 1]},
        {"===": [var("payload.v.0.sd"), 1]},
        {"not-after": [member("v.0.dt", 21), CLOCK, member("v.0.dt", 210)]},
    ]}  # fmt: skip
    made = document(logic, "General")
    assert any("says which he has" in remark.text for remark in lint(made, LIFE))
    assert any("octets" in remark.text for remark in lint(made, 12 * 3600))


def nested(depth: int) -> object:
    logic: object = True
    for _ in range(depth):
        logic = {"!": [logic]}
    return logic


@pytest.mark.parametrize(
    "logic",
    [
        nested(100),
        {"in": [1, [0] * 5000]},
        {"plusTime": ["2022-01-01", 1 << 60, "day"]},
        {"if": "yes"},
        {"var": 7},
        None,
    ],
)
def test_hostile_rules_are_refused(logic: object) -> None:
    with pytest.raises(PeerError) as error:
        document(logic)
    assert error.value.reason in {Reason.RULE_BOUNDS, Reason.RULE_SYNTAX}


def test_a_rule_that_contains_itself_is_refused() -> None:
    logic: list[object] = []
    logic.append(logic)
    with pytest.raises(PeerError):
        read_rule(rule({"and": [logic, True]}))
    with pytest.raises(Exception, match="JSON"):
        document({"and": [logic, True]})


def test_a_document_that_lists_other_limits_is_refused() -> None:
    made = replace(simple(), limits=("t.0.sc + 3 days < clock",))
    with pytest.raises(PolicyError, match="other limits"):
        compile_document(made, LIFE)
