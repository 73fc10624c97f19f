"""Published rules: reading, choice, and what countries accept, in clear."""

import json
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from guosuo.certlogic.evaluate import OpenCause, Outcome, Result
from guosuo.certlogic.json_text import load_json
from guosuo.certlogic.moments import read_moment
from guosuo.certlogic.rules import (
    MAX_RULES,
    CertificateType,
    Judgement,
    Rule,
    RuleType,
    Surroundings,
    applicable,
    judge,
    read_rule,
    read_rules,
)
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.evidence import dcc
from guosuo.wire import base45

DATES = ("2022-01-28", "2022-06-13")
KINDS = {
    "v": CertificateType.VACCINATION,
    "t": CertificateType.TEST,
    "r": CertificateType.RECOVERY,
}
CLOCK = 1_650_000_000
VALUE_SETS = {
    "covid-19-lab-result": ["260415000", "260373001"],
    "covid-19-lab-test-type": ["LP6464-4", "LP217198-3"],
    "sct-vaccines-covid-19": ["1119349007", "1119305005", "J07BX03"],
    "vaccines-covid-19-names": ["EU/1/20/1528", "EU/1/20/1507", "CVnCoV", "Covaxin"],
}
"""As far as the cases of the Corona-Warn-App ask for them; the EU's own have grown since."""


def published(**changes: object) -> dict[str, Any]:
    """A rule as the gateway publishes it; None leaves a field out."""
    rule = {
        "Identifier": "VR-AT-0001",
        "Type": "Acceptance",
        "Country": "AT",
        "Version": "1.0.0",
        "SchemaVersion": "1.0.0",
        "Engine": "CERTLOGIC",
        "EngineVersion": "0.7.5",
        "CertificateType": "Vaccination",
        "Description": [{"lang": "en", "desc": "Always."}],
        "ValidFrom": "2021-07-01T00:00:00Z",
        "ValidTo": "2030-06-01T00:00:00Z",
        "AffectedFields": ["v.0"],
        "Logic": True,
    }
    changed = {**rule, **changes}
    return {name: value for name, value in changed.items() if value is not None}


def rule(**changes: object) -> Rule:
    return read_rule(published(**changes))


def kind_of(payload: dict[str, Any]) -> CertificateType:
    return next(KINDS[key] for key in KINDS if payload.get(key))


# Given expectations


def country_rules(folder: Path, date: str, country: str) -> tuple[Rule, ...]:
    document: Any = load_json((folder / "production-rules" / date / f"{country}.json").read_bytes())
    return read_rules(document["rules"])


def test_every_published_rule_is_read(vectors: Path) -> None:
    count = 0
    for date in DATES:
        for file in sorted((vectors / "dcc" / "production-rules" / date).glob("??.json")):
            rules = country_rules(vectors / "dcc", date, file.stem)
            assert {rule.country for rule in rules} == {file.stem}
            count += len(rules)
    for file in sorted((vectors / "dcc" / "business-rules").glob("??.json")):
        document: Any = load_json(file.read_bytes())
        count += len(read_rules([entry["rule"] for entry in document["rules"]]))
    assert count == 489


@pytest.mark.parametrize("date", DATES)
def test_acceptance_matrix(vectors: Path, date: str) -> None:
    matrix = json.loads((vectors / "dcc" / "acceptance-matrix" / f"{date}.json").read_bytes())
    surroundings = Surroundings(
        clock=read_moment(matrix["clock"]).milliseconds // 1000, value_sets=matrix["valueSets"]
    )
    wrong = []
    opened: set[tuple[str, tuple[OpenCause, ...]]] = set()
    for country, expectations in matrix["results"].items():
        rules = country_rules(vectors / "dcc", date, country)
        for number, expected in enumerate(expectations):
            payload = matrix["payloads"][number]["payload"]
            judged = judge(rules, kind=kind_of(payload), payload=payload, surroundings=surroundings)
            found = {
                Result.SATISFIED: "accept",
                Result.NOT_SATISFIED: {"reject": list(judged.rejecting)},
                Result.OPEN: {"open": list(judged.open)},
            }[judged.result]
            if found != expected:
                wrong.append((country, number, expected, found))
            if judged.result is Result.OPEN:
                opened.add((country, judged.causes))
    assert not wrong
    faulty = {("SK", (OpenCause.NOT_AN_ARRAY,)), ("AL", (OpenCause.INCOMPLETE,))}
    assert opened == (faulty if date == DATES[0] else set())


def test_what_rules_see(vectors: Path) -> None:
    """The cases of the Corona-Warn-App: key identifier, times, issuer, value sets."""
    cases = json.loads((vectors / "dcc" / "rule-engine-cases.json").read_bytes())["testCases"]
    assert len(cases) == 7
    for case in cases:
        signed = dcc.open_document(
            dcc.decompress(base45.decode(dcc.strip_prefix(case["dcc"]), max_length=4096))
        )
        claims = dcc.read_claims(signed.payload)
        payload = claims.health
        assert isinstance(payload, dict)
        judged = judge(
            read_rules(case["rules"]),
            kind=next(KINDS[key] for key in KINDS if payload.get(key)),
            payload=payload,
            surroundings=Surroundings(
                clock=case["validationClock"],
                value_sets=VALUE_SETS,
                country=case["countryOfArrival"],
                issuer_country=claims.issuer,
                key_identifier=b64encode(signed.kid).decode(),
                issued_at=claims.issued_at,
                expires_at=claims.expires_at,
            ),
        )
        results = [outcome.result for _, outcome in judged.outcomes]
        expected = (case["expPass"], case["expFail"], case["expOpen"])
        assert tuple(results.count(result) for result in Result) == expected, case["description"]


# Reading


def test_fields() -> None:
    read = rule(Region="BY", Version="10.2.33", **{"expr-as-text": "for people"})
    assert (read.identifier, read.type, read.country) == ("VR-AT-0001", RuleType.ACCEPTANCE, "AT")
    assert (read.region, read.version, read.engine_version) == ("BY", (10, 2, 33), (0, 7, 5))
    assert read.certificate_type is CertificateType.VACCINATION
    assert read.descriptions == (("en", "Always."),)
    assert read.affected_fields == ("v.0",)
    assert rule().region == ""


@pytest.mark.parametrize(
    "changes",
    [
        *[{name: None} for name in published()],
        *[{name: 7} for name in published() if name != "Logic"],
        {"Unknown": "field"},
        {"Identifier": "VR-AT-1"}, {"Identifier": "vr-AT-0001"}, {"Identifier": "VR-AT-0001\n"},
        {"Identifier": "VR-DE-0001"}, {"Country": "DE"}, {"Region": "Bayern"}, {"Region": 1},
        {"Type": "acceptance"}, {"Type": ["Acceptance"]}, {"CertificateType": "Booster"},
        {"Engine": "JSONLOGIC"}, {"Engine": True},
        {"Version": "1.0"}, {"Version": "1.0.0.0"}, {"Version": "1.0.0-rc1"},
        {"Version": "\u0661.0.0"}, {"SchemaVersion": "1"}, {"EngineVersion": ""},
        {"ValidFrom": ""}, {"ValidFrom": "2021-02-30"}, {"ValidTo": "soon"}, {"ValidTo": True},
        {"Description": {}}, {"Description": ["text"]}, {"Description": [{"lang": "en"}]},
        {"Description": [{"lang": "en", "desc": "\ud800"}]},
        {"Description": [{"lang": "en", "desc": "x", "more": "y"}]},
        {"AffectedFields": [1]}, {"AffectedFields": "v.0"},
        {"Logic": {"if": [None, True, True]}}, {"Logic": {"all": [1, 2]}}, {"Logic": 1.5},
    ],
)  # fmt: skip
def test_not_a_rule(changes: dict[str, Any]) -> None:
    rule()
    with pytest.raises(PeerError) as error:
        rule(**changes)
    assert error.value.reason is Reason.RULE_SYNTAX


@pytest.mark.parametrize("value", [None, [], "rule", 1, {}, {1: 2}, [None]])
def test_not_even_an_object(value: object) -> None:
    for read in (read_rule, lambda value: read_rules([value])):
        with pytest.raises(PeerError) as error:
            read(value)
        assert error.value.reason is Reason.RULE_SYNTAX


@pytest.mark.parametrize(
    "read",
    [
        lambda: read_rules([published()] * (MAX_RULES + 1)),
        lambda: rule(Description=[{"lang": "en", "desc": "x" * 5000}]),
        lambda: rule(Description=[{"lang": "en", "desc": "x"}] * 129),
        lambda: rule(AffectedFields=["v"] * 129),
        lambda: rule(Identifier="VR-AT-" + "1" * 100),
        lambda: rule(Logic=[0] * 2000),
    ],
)
def test_rules_too_large(read: Callable[[], object]) -> None:
    with pytest.raises(PeerError) as error:
        read()
    assert error.value.reason is Reason.RULE_BOUNDS


# Choice


def chosen(*rules: Rule, kind: str = "v", clock: int = CLOCK) -> list[tuple[str, str]]:
    return [
        (rule.identifier, ".".join(map(str, rule.version)))
        for rule in applicable(rules, KINDS[kind], clock)
    ]


def test_highest_version_in_force() -> None:
    """Numbers are compared, not texts; a higher version that begins later does not count yet."""
    versions = [rule(Version=version) for version in ("1.0.7", "1.0.12", "1.0.2")]
    later = rule(Version="2.0.0", ValidFrom="2022-05-01T00:00:00Z")
    over = rule(Version="3.0.0", ValidTo="2022-01-01T00:00:00Z")
    assert chosen(*versions, later, over) == [("VR-AT-0001", "1.0.12")]
    assert chosen(*versions, later, over, clock=CLOCK + 2_000_000) == [("VR-AT-0001", "2.0.0")]


def test_kinds_and_types() -> None:
    rules = [
        rule(Identifier="GR-AT-0001", CertificateType="General"),
        rule(Identifier="TR-AT-0001", CertificateType="Test"),
        rule(Identifier="IR-AT-0001", Type="Invalidation", CertificateType="General"),
        rule(),
    ]
    assert chosen(*rules) == [("GR-AT-0001", "1.0.0"), ("VR-AT-0001", "1.0.0")]
    assert chosen(*rules, kind="t") == [("GR-AT-0001", "1.0.0"), ("TR-AT-0001", "1.0.0")]
    assert chosen(*rules, kind="r") == [("GR-AT-0001", "1.0.0")]


def test_both_ends_are_in_force() -> None:
    limits = {"ValidFrom": "2022-04-15T05:20:00Z", "ValidTo": "2022-04-15T07:20:00+02:00"}
    assert chosen(rule(**limits), clock=CLOCK)
    assert not chosen(rule(**limits), clock=CLOCK - 1)
    assert not chosen(rule(**limits), clock=CLOCK + 1)


# Judging


YES: Final = True
NO: Final = False
OUTSIDE: Final = {"in": ["a", {"var": "valueSets.some"}]}


def judged(*logics: object) -> Judgement:
    rules = [rule(Identifier=f"VR-AT-{n:04}", Logic=logic) for n, logic in enumerate(logics)]
    return judge(
        rules,
        kind=CertificateType.VACCINATION,
        payload={"v": [{"dn": 2}]},
        surroundings=Surroundings(clock=CLOCK, value_sets={"some": ["a"]}, country="AT"),
    )


def test_three_values() -> None:
    assert judged().result is Result.SATISFIED
    assert judged(YES, YES).result is Result.SATISFIED
    half = judged(YES, OUTSIDE)
    assert (half.result, half.rejecting, half.open) == (Result.OPEN, (), ("VR-AT-0001",))
    assert half.causes == (OpenCause.NOT_AN_ARRAY,)
    worst = judged(OUTSIDE, YES, NO, NO)
    assert worst.result is Result.NOT_SATISFIED
    assert (worst.rejecting, worst.open) == (("VR-AT-0002", "VR-AT-0003"), ("VR-AT-0000",))
    assert worst.outcomes[1][1] == Outcome(Result.SATISFIED)


def test_surroundings() -> None:
    full = Surroundings(
        clock=CLOCK, value_sets={}, country="AT", region="W", issuer_country="SK",
        key_identifier="AYkDTaR1OsI=", issued_at=0, expires_at=253_402_300_799,
    )  # fmt: skip
    assert full.external() == {
        "validationClock": "2022-04-15T05:20:00Z",
        "valueSets": {},
        "countryCode": "AT",
        "region": "W",
        "issuerCountryCode": "SK",
        "kid": "AYkDTaR1OsI=",
        "iat": "1970-01-01T00:00:00Z",
        "exp": "9999-12-31T23:59:59Z",
    }
    assert set(Surroundings(clock=0, value_sets={}).external()) == {"validationClock", "valueSets"}
    for clock in (-1, 253_402_300_800, 1 << 80):
        with pytest.raises(CallerError):
            Surroundings(clock=clock, value_sets={}).external()
