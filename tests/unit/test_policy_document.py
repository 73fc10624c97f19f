"""Policy documents: JSON for people, octets for the wire, and nothing else in between."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from guosuo.certlogic.json_text import load_json
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.evidence.facts import EvidenceFact
from guosuo.evidence.registry import NAAT, RAPID_ANTIGEN, EvidenceKind
from guosuo.policy.clear import accepts, judge_fact
from guosuo.policy.document import PolicyDocument, canonical
from guosuo.policy.simple import Way, recovered, simple_policy, vaccinated
from guosuo.policy.simple import tested as negative
from guosuo.policy.written import from_json, make_document, to_json

NOW = 1_650_000_000
HOUR, DAY = 3600, 86_400


def simple(*ways: Way) -> PolicyDocument:
    return simple_policy(
        ways or (negative("a test within 72 h", "LP6464-4", max_hours=72),),
        region="440000",
        policy="entry",
        version=3,
        not_before=NOW,
        not_after=NOW + 30 * DAY,
    )


def test_json_and_octets_are_the_same_document() -> None:
    document = simple(
        vaccinated("whole series", min_days=14, max_days=270),
        negative("a test", "LP6464-4", max_hours=48),
        recovered("recovered", min_days=11, max_days=180),
    )
    assert PolicyDocument.decode(document.encode()) == document
    assert from_json(to_json(document).encode()) == document
    assert document.accepts == tuple(EvidenceKind)
    assert "v.0.dt + 270 days < clock" in document.limits
    written = json.loads(to_json(document))
    del written["layout"], written["limits"]
    assert from_json(json.dumps(written).encode()) == document


@pytest.mark.parametrize(
    "change",
    [
        {"more": 1},
        {"region": 7},
        {"region": "x"},
        {"version": 0},
        {"version": True},
        {"accepts": []},
        {"accepts": ["visa"]},
        {"accepts": ["test", "test"]},
        {"accepts": "test"},
        {"valid_from": "2022-02-30T00:00:00Z"},
        {"valid_from": None},
        {"valid_to": "2022-01-01T00:00:00Z"},
        {"rules": {}},
        {"value_sets": []},
        {"value_sets": {"unread": []}},
        {"layout": 9},
        {"limits": []},
        {"limits": None},
    ],
)
def test_other_members_are_refused(change: dict[str, Any]) -> None:
    written = json.loads(to_json(simple()))
    with pytest.raises(PeerError) as error:
        from_json(json.dumps(written | change).encode())
    assert error.value.reason is Reason.POLICY


@pytest.mark.parametrize("name", ["region", "rules", "accepts", "value_sets", "valid_to"])
def test_missing_members_are_refused(name: str) -> None:
    written = json.loads(to_json(simple()))
    del written[name]
    with pytest.raises(PeerError) as error:
        from_json(json.dumps(written).encode())
    assert error.value.reason is Reason.POLICY


def _rule(change: Callable[[dict[str, Any]], object]) -> bytes:
    value = load_json(simple().rules[0])
    assert isinstance(value, dict)
    change(value)
    return canonical(value)


@pytest.mark.parametrize(
    "rules",
    [
        (simple().rules[0], simple().rules[0]),
        (simple().rules[0].replace(b":", b": ", 1),),
        (_rule(lambda rule: rule.update(Type="Invalidation")),),
        (_rule(lambda rule: rule.update(ValidTo="2022-04-20T00:00:00Z")),),
        (_rule(lambda rule: rule.update(ValidFrom="2022-04-20T00:00:00Z")),),
    ],
    ids=["twice", "spaces", "invalidation", "ends", "begins"],
)
def test_rules_that_have_no_place_in_a_document(rules: tuple[bytes, ...]) -> None:
    with pytest.raises(PeerError) as error:
        replace(simple(), rules=rules).check()
    assert error.value.reason is Reason.POLICY


def test_a_number_has_one_form() -> None:
    assert canonical({"b": 42.0, "a": ["ü", True]}) == '{"a":["ü",true],"b":42}'.encode()
    with pytest.raises(CallerError):
        canonical({"a": float("nan")})


def test_only_value_sets_that_are_read_are_kept() -> None:
    rule = json.loads(simple().rules[0])
    rule["Logic"] = {
        "in": [{"var": "payload.t.0.tg"}, {"var": "external.valueSets.disease-agent-targeted"}]
    }
    document = make_document(
        region="440000",
        policy="entry",
        version=1,
        not_before=NOW,
        not_after=NOW + DAY,
        accepts=(EvidenceKind.TEST,),
        rules=[rule],
        value_sets={"disease-agent-targeted": ["840539006"], "other": ["x"]},
    )
    assert list(document.codes) == ["disease-agent-targeted"]


# --- simple policies ------------------------------------------------------------------


def fact(kind: EvidenceKind, age: int, product: int = NAAT, doses: int = 0) -> EvidenceFact:
    return EvidenceFact(
        kind=kind,
        product=product,
        doses=doses,
        series=2 if doses else 0,
        event_time=NOW - age,
        digest=bytes(32),
    )


@pytest.mark.parametrize(
    ("product", "age", "accepted"),
    [
        (NAAT, -1, False),
        (NAAT, 0, True),
        (NAAT, 72 * HOUR, True),
        (NAAT, 72 * HOUR + 1, False),
        (RAPID_ANTIGEN, 24 * HOUR, True),
        (RAPID_ANTIGEN, 24 * HOUR + 1, False),
        (1003, HOUR, False),
    ],
)
def test_one_way_is_enough(product: int, age: int, accepted: bool) -> None:  # noqa: FBT001
    document = simple(
        negative("naat", "LP6464-4", max_hours=72), negative("rapid", "LP217198-3", max_hours=24)
    )
    assert accepts(document, fact(EvidenceKind.TEST, age, product), NOW) is accepted


def test_other_kinds_are_refused() -> None:
    found = fact(EvidenceKind.VACCINATION, 20 * DAY + NOW % DAY, 1, 2)
    assert judge_fact(simple(), found, NOW).refused_kind
    assert not accepts(simple(), found, NOW)


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": EvidenceKind.TEST, "min_doses": 1},
        {"kind": EvidenceKind.TEST, "complete": True},
        {"kind": EvidenceKind.RECOVERY, "products": ("x",)},
        {"kind": EvidenceKind.TEST, "products": ()},
        {"kind": EvidenceKind.TEST, "min_hours": 3, "max_hours": 3},
        {"kind": EvidenceKind.TEST, "min_hours": -1},
    ],
)
def test_ways_that_cannot_be(fields: dict[str, Any]) -> None:
    with pytest.raises(CallerError):
        Way(descriptions=(("en", "x"),), **fields)
