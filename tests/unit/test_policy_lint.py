"""What lint says beyond faults: rules that others cover, and what breakpoints cost."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from guosuo.evidence.registry import EvidenceKind
from guosuo.policy.clauses import MAX_CLAUSES, clauses_of, split
from guosuo.policy.compiler import PolicyError, compile_document
from guosuo.policy.costs import costs
from guosuo.policy.document import PolicyDocument
from guosuo.policy.lint import FEW_BY_CLAUSE, Level, Remark, lint
from guosuo.policy.reading import limits_of, read_logic
from guosuo.policy.redundancy import standings
from guosuo.policy.simple import simple_policy, vaccinated
from guosuo.policy.simple import tested as negative
from guosuo.policy.written import make_document
from tests.support.countries import DAYS, policy
from tests.unit.test_policy_document import DAY, NOW, simple

LIFE = 12 * 3600
CLOCK = {"plusTime": [{"var": "external.validationClock"}, 0, "day"]}


def within(days: int) -> dict[str, Any]:
    moved = {"plusTime": [{"var": "payload.v.0.dt"}, days, "day"]}
    return {"if": [{"var": "payload.v.0"}, {"not-after": [CLOCK, moved]}, True]}


def after(days: int) -> dict[str, Any]:
    moved = {"plusTime": [{"var": "payload.v.0.dt"}, days, "day"]}
    return {"not-after": [moved, CLOCK]}


def doses(count: int) -> dict[str, Any]:
    return {">=": [{"var": "payload.v.0.dn"}, count]}


def document(*logics: object, kind: str = "Vaccination") -> PolicyDocument:
    published: dict[str, Any] = json.loads(simple().rules[0])
    return make_document(
        region="440000",
        policy="entry",
        version=1,
        not_before=NOW,
        not_after=NOW + 30 * DAY,
        accepts=(EvidenceKind.VACCINATION,),
        rules=[
            published
            | {"Logic": logic, "CertificateType": kind, "Identifier": f"VR-CN-{number:04}"}
            for number, logic in enumerate(logics, 1)
        ],
        value_sets={},
    )


def said(made: PolicyDocument, rule: str, life: int = LIFE) -> list[str]:
    return [remark.text for remark in lint(made, life) if remark.about == rule]


def without(made: PolicyDocument, identifier: str) -> PolicyDocument:
    rest = tuple(
        text
        for text, rule in zip(made.rules, made.parsed, strict=True)
        if rule.identifier != identifier
    )
    shorter = replace(made, rules=rest, limits=())
    return replace(shorter, limits=limits_of(read_logic(rule) for rule in shorter.parsed))


def test_a_rule_that_another_covers_is_named_with_it() -> None:
    made = document(within(270), within(210), doses(2))
    assert said(made, "VR-CN-0001") == ["it is redundant: VR-CN-0002 refuses all that it refuses"]
    assert said(made, "VR-CN-0002") == said(made, "VR-CN-0003") == []
    loose = document(within(270), after(14), doses(2))
    assert [said(loose, f"VR-CN-000{number}") for number in (1, 2, 3)] == [[], [], []]


def test_two_rules_that_say_the_same_name_each_other() -> None:
    made = document(within(210), {"and": [within(210), True]})
    assert said(made, "VR-CN-0001") == ["it is redundant: VR-CN-0002 refuses exactly the same"]
    assert said(made, "VR-CN-0002") == ["it is redundant: VR-CN-0001 refuses exactly the same"]


def test_a_rule_that_only_several_cover_together() -> None:
    made = document({"and": [within(210), doses(2)]}, within(210), doses(2))
    assert said(made, "VR-CN-0001") == [
        "it is redundant: other rules together refuse all that it refuses"
    ]
    for part in ("VR-CN-0002", "VR-CN-0003"):
        assert said(made, part) == ["it is redundant: VR-CN-0001 refuses all that it refuses"]


def test_a_rule_that_refuses_nothing_or_everything_is_not_called_redundant() -> None:
    assert said(document(within(210), {"===": [1, 1]}), "VR-CN-0002") == [
        "it never refuses anything"
    ]
    made = document({"===": [1, 2]}, within(210))
    found = standings(made, LIFE)
    assert found["VR-CN-0001"].never_accepts
    assert not any(standing.redundant for standing in found.values())


def test_limits_of_the_same_amount_are_not_the_same_at_a_moment() -> None:
    """One of them is passed a second later; over hours that makes no difference."""
    moved = {"plusTime": [{"var": "payload.v.0.dt"}, 270, "day"]}
    made = document({"before": [CLOCK, moved]}, within(270))
    assert said(made, "VR-CN-0001", 1) == []
    covered = ["it is redundant: VR-CN-0001 refuses all that it refuses"]
    assert said(made, "VR-CN-0002", 1) == covered


@pytest.mark.parametrize("country", ["AT", "CZ", "ES", "HR"])
def test_redundant_is_what_leaves_the_table_as_it_is(vectors: Path, country: str) -> None:
    made = policy(vectors, DAYS[1], country)
    values = compile_document(made, LIFE).values
    for identifier, standing in standings(made, LIFE).items():
        try:
            same = compile_document(without(made, identifier), LIFE).values == values
        except PolicyError:  # far more values than before
            same = False
        assert same is (standing.redundant or standing.never_refuses), identifier


def test_lint_takes_seconds(vectors: Path) -> None:
    made = policy(vectors, DAYS[1], "CZ")
    started = time.process_time()
    assert any("exactly the same" in remark.text for remark in lint(made, LIFE))
    assert time.process_time() - started < 20


# --- clauses --------------------------------------------------------------------------


def test_clauses_that_few_documents_satisfy_are_named() -> None:
    first = {"===": [{"var": "payload.v.0.mp"}, "CoronaVac"]}
    narrow = {"and": [doses(3), {"===": [{"var": "payload.v.0.sd"}, 2]}, after(22), within(210)]}
    made = document({"if": [first, narrow, {"and": [after(14), within(270)]}]})
    few = "says which he has"
    # One vaccine, three doses or more after a series of two, 22 to 210 days: one class of each.
    assert [text for text in said(made, "VR-CN-0001") if few in text] == [
        "clause 1 of 2 accepts only 2 classes of documents: whoever satisfies it says which he has"
    ]
    # Asked for of all, the first clause is satisfied by many.
    wide = document({"if": [first, {"and": [after(14), within(270)]}, narrow]})
    assert not [text for text in said(wide, "VR-CN-0001") if few in text]
    # It makes no difference that it is for minors alone.
    born = {"plusTime": [{"var": "payload.dob"}, 18, "year"]}
    young = {"and": [first, {"not-after": [CLOCK, born]}]}
    minors = document({"if": [young, narrow, {"and": [after(14), within(270)]}]})
    assert len([text for text in said(minors, "VR-CN-0001") if few in text]) == 1
    # Other rules count, too: what they refuse satisfies no clause.
    both = document({"if": [first, within(270), within(270)]}, {"if": [first, narrow, True]})
    assert len([text for text in said(both, "VR-CN-0001") if few in text]) == 1


def test_no_clause_of_the_given_countries_is_so_narrow(vectors: Path) -> None:
    for country in ("AT", "CZ", "SK"):
        made = policy(vectors, DAYS[1], country)
        found = clauses_of(made, compile_document(made, LIFE).values)
        assert len(found) > 25
        assert not [clause for clause in found if 0 < clause.classes < FEW_BY_CLAUSE]


def test_a_rule_with_too_many_branches_is_one_clause() -> None:
    logic: Any = doses(1)
    counts = []
    for _ in range(7):
        logic = {"if": [doses(2), logic, logic]}
        (rule,) = document(logic).parsed
        counts.append(len(split(rule.logic)))
    assert counts == [2, 4, 8, 16, 32, MAX_CLAUSES, 1]


# --- costs ----------------------------------------------------------------------------


def notes(made: PolicyDocument) -> dict[str, Remark]:
    return {remark.about: remark for remark in lint(made, LIFE) if "costs" in remark.text}


def ways(*clauses: Any) -> PolicyDocument:  # noqa: ANN401 - ways of the short form
    return simple_policy(
        clauses, region="440000", policy="entry", version=1, not_before=NOW, not_after=NOW + DAY
    )


def test_every_sort_of_breakpoint_has_a_cost() -> None:
    made = ways(vaccinated("x", min_days=14, max_days=270), negative("x", max_hours=72))
    found = notes(made)
    for about in ("v.0.dt + 21 days <= clock", "t.0.sc + 2 days < clock", "v.0.dn: 2 doses"):
        assert any(name.startswith(about) for name in found), about
    for about in ("v.0.sd:", "v.0.mp:", "t.0.tt", "dob of v.0"):
        assert any(name.startswith(about) for name in found), about
    assert "no rule of this policy asks" in found["v.0.dt + 21 days <= clock"].text
    # What the policy sets itself is in the list, whether it costs anything or not.
    assert "no rule" not in found["v.0.dt + 14 days <= clock"].text
    assert {remark.level for remark in found.values()} == {Level.NOTE}


def test_a_cost_is_counted_in_entries() -> None:
    made = ways(negative("x", "LP6464-4", max_hours=48))
    values = compile_document(made, LIFE).values
    found = {cost.about: cost.entries for cost in costs(values)}
    (product,) = (name for name in found if name.startswith("t.0.tt"))
    assert found[product] == len(values)
    # Beyond the last limit nothing is accepted: without it there would not be fewer entries.
    assert found["t.0.sc + 3 days < clock"] == 0
    assert found["t.0.sc + 1 days < clock"] > 0
    assert not any(name.startswith(("v.0", "r.0")) for name in found)


def test_costs_of_products_are_all_entries(vectors: Path) -> None:
    made = policy(vectors, DAYS[1], "LT")
    values = compile_document(made, LIFE).values
    by_product = sum(c.entries for c in costs(values) if c.about.startswith(("v.0.mp", "t.0.tt")))
    recoveries = sum(value >> 56 & 15 == EvidenceKind.RECOVERY for value in values)
    assert by_product + recoveries == len(values)
