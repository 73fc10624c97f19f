"""`guosuo policy` and `guosuo wallet check`, as people and programs use them."""

import json
from importlib.resources import files
from pathlib import Path

import pytest

from tests.cli.stage import CROSS, ENROL, Stage, done, guosuo

POLICIES = Path(str(files("guosuo") / "cli" / "demo_data" / "policies"))
CODE_24, CODE_48 = POLICIES / "health-code-24h.json", POLICIES / "health-code-48h.json"
CODE_72 = POLICIES / "health-code-72h.json"
JUNE = "2022-06-20T12:00:00Z"


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_lint_and_compile() -> None:
    answer = done("policy", "compile", CODE_48)
    assert answer["values"] * 48 == answer["table_octets"]
    assert answer["open"] == []
    assert done("policy", "compile", CODE_48)["digest"] == answer["digest"]
    remarks = done("policy", "lint", CODE_24)["remarks"]
    assert "error" not in {remark["level"] for remark in remarks}
    assert any("says which he has" in remark["text"] for remark in remarks)


@pytest.mark.usefixtures("elsewhere")
def test_the_short_form_that_bundle_takes_is_linted_too() -> None:
    done("examples", "try")
    remarks = done("policy", "lint", "try/policy.json")["remarks"]
    assert "error" not in {remark["level"] for remark in remarks}
    assert done("policy", "compile", "try/policy.json")["values"] > 0
    short = json.loads(Path("try/policy.json").read_bytes())
    short["valid_days"] = 0
    Path("bad.json").write_text(json.dumps(short))
    assert guosuo("policy", "lint", "bad.json").code == 2


@pytest.mark.usefixtures("elsewhere")
def test_a_rule_that_cannot_be_proven_is_named() -> None:
    policy = json.loads(CODE_48.read_bytes())
    policy["rules"][0]["Logic"] = {"===": [{"var": "external.issuerCountryCode"}, "CN"]}
    del policy["limits"]
    Path("issuer.json").write_text(json.dumps(policy))
    for command in ("lint", "compile"):
        said = guosuo("policy", command, "issuer.json")
        assert said.code == 1
        assert "TR-CN-0001" in said.out
    said = guosuo("policy", "compile", "issuer.json", "--json")
    assert said.json["not_expressible"][0]["rule"] == "TR-CN-0001"


def test_diff_in_words() -> None:
    answer = done("policy", "diff", CODE_24, CODE_48)
    assert answer["refused"] == []
    assert answer["accepted"] == ["test with LP6464-4 260415000: after 24 hours to 48 hours"]
    same = done("policy", "diff", CODE_24, CODE_24)
    assert (same["accepted"], same["refused"]) == ([], [])
    assert (same["life"]["accepted"], same["life"]["refused"]) == ([], [])


def test_diff_over_the_hours_for_which_evidence_is_signed() -> None:
    """Whoever passes the old limit meanwhile was refused; whoever passes the new one still is."""
    life = done("policy", "diff", CODE_24, CODE_48)["life"]
    assert (life["hours"], life["refused"]) == (12, [])
    assert life["accepted"] == ["test with LP6464-4 260415000: passing 24 hours"]
    old, new = (done("policy", "compile", code)["values"] for code in (CODE_24, CODE_48))
    assert life["entries"] == {"old": old, "new": new, "added": new - old, "removed": 0}
    back = done("policy", "diff", CODE_48, CODE_24)["life"]
    assert (back["accepted"], back["refused"]) == ([], life["accepted"])
    assert done("policy", "diff", CODE_24, CODE_48, "--epoch-hours", "1")["life"]["hours"] == 3
    said = guosuo("policy", "diff", CODE_24, CODE_48).out
    assert "over the 12 hours for which evidence is signed:" in said
    assert "entries of the table:" in said


@pytest.mark.usefixtures("elsewhere")
def test_diff_with_a_policy_that_has_no_table() -> None:
    """What is accepted in one second only is accepted in no life, but at a moment it is."""
    policy = json.loads(CODE_48.read_bytes())
    moved = {"plusTime": [{"var": "payload.t.0.sc"}, 48, "hour"]}
    clock = {"plusTime": [{"var": "external.validationClock"}, 0, "day"]}
    policy["accepts"] = ["test"]
    policy["rules"][0]["Logic"] = {
        "and": [{"not-after": [moved, clock]}, {"not-after": [clock, moved]}]
    }
    policy["rules"][0]["CertificateType"] = "Test"
    del policy["rules"][1:], policy["limits"]
    Path("second.json").write_text(json.dumps(policy))
    answer = done("policy", "diff", CODE_48, "second.json")
    assert answer["refused"]
    assert answer["life"] is None
    said = guosuo("policy", "diff", CODE_48, "second.json")
    assert "over 12 hours: no comparison; the policy accepts nothing" in said.out


@pytest.mark.usefixtures("elsewhere")
def test_explain_a_real_certificate() -> None:
    done("examples", "try")
    said = guosuo(
        *("policy", "explain", "try/LT-2.png", "--policy", CODE_24, "--policy", CODE_72),
        *("--language", "zh", "--now", ENROL),
    )
    assert said.code in {0, 1}
    assert "440000 entry" in said.out
    Path("none.json").write_text("{}")
    assert guosuo("policy", "explain", "none.json", "--policy", CODE_24).code == 3


def test_rules_against_expectations(vectors: Path) -> None:
    folder = vectors / "dcc"
    said = done(
        *("policy", "test", folder / "production-rules" / "2022-06-13" / "AT.json"),
        folder / "acceptance-matrix" / "2022-06-13.json",
    )
    (row,) = said["countries"]
    assert (row["cases"], row["clear"]) == (1112, 1112)
    assert row["table"] == row["evidence"]
    own = folder / "business-rules" / "AT.json"
    assert done("policy", "test", own, own)["countries"][0]["differing"] == []


@pytest.mark.usefixtures("elsewhere")
def test_disagreement_is_an_exit_code(vectors: Path) -> None:
    folder = vectors / "dcc" / "business-rules"
    wrong = json.loads((folder / "RO.json").read_bytes())
    case = wrong["rules"][0]["tests"][0]
    case["expected"] = not case["expected"]
    Path("RO.json").write_text(json.dumps(wrong))
    Path("value-sets.json").write_bytes((folder / "value-sets.json").read_bytes())
    said = guosuo("policy", "test", "RO.json", "RO.json")
    assert said.code == 1
    assert "45 of 46 in clear" in said.out


@pytest.mark.usefixtures("elsewhere")
def test_the_rules_that_are_named_are_tested_not_those_beside_the_cases(vectors: Path) -> None:
    folder = vectors / "dcc" / "business-rules"
    cases = folder / "AT.json"
    rules = [entry["rule"] for entry in json.loads(cases.read_bytes())["rules"]]
    mine = Path("mine.json")
    mine.write_text(json.dumps({"country": "AT", "rules": rules}))
    assert done("policy", "test", mine, cases)["countries"][0]["differing"] == []
    # One rule that refuses everybody, and one that is not there.
    changed = next(rule for rule in rules if rule["Identifier"] == "VR-AT-0005")
    changed["Logic"] = {"===": [1, 2]}
    kept = [rule for rule in rules if rule["Identifier"] != "TR-AT-0002"]
    mine.write_text(json.dumps({"country": "AT", "rules": kept}))
    said = guosuo("policy", "test", mine, cases, "--json")
    (row,) = said.json["countries"]
    assert (said.code, row["left_out"]) == (1, ["TR-AT-0002"])
    assert row["differing"]
    assert all(
        line.startswith("VR-AT-0005: ") and line.endswith("in clear: reject instead of accept")
        for line in row["differing"]
    )
    assert (
        "not among the rules, and not tested: TR-AT-0002"
        in guosuo("policy", "test", mine, cases).out
    )


@pytest.mark.usefixtures("elsewhere")
def test_of_several_versions_of_a_rule_that_of_the_cases_is_tested(vectors: Path) -> None:
    cases = vectors / "dcc" / "business-rules" / "AT.json"
    rules = [entry["rule"] for entry in json.loads(cases.read_bytes())["rules"]]
    newer = [rule | {"Version": "9.0.0", "Logic": {"===": [1, 2]}} for rule in rules]
    Path("both.json").write_text(json.dumps({"country": "AT", "rules": newer + rules}))
    assert done("policy", "test", "both.json", cases)["countries"][0]["differing"] == []
    Path("new.json").write_text(json.dumps({"country": "AT", "rules": newer}))
    assert guosuo("policy", "test", "new.json", cases).code == 1


@pytest.mark.usefixtures("elsewhere")
def test_a_rule_without_table_is_named_beside_its_cases(vectors: Path) -> None:
    folder = vectors / "dcc" / "business-rules"
    country = json.loads((folder / "RO.json").read_bytes())
    country["rules"] = country["rules"][:1]
    entry = country["rules"][0]
    entry["rule"]["Logic"] = {"!": [{"===": [{"var": "external.issuerCountryCode"}, "RO"]}]}
    for case in entry["tests"]:
        case["expected"] = True
    Path("RO.json").write_text(json.dumps(country))
    Path("value-sets.json").write_bytes((folder / "value-sets.json").read_bytes())
    (row,) = done("policy", "test", "RO.json", "RO.json")["countries"]
    assert (row["clear"], row["evidence"]) == (row["cases"], 0)
    assert [fault["rule"] for fault in row["not_expressible"]] == [entry["rule"]["Identifier"]]


@pytest.mark.parametrize("form", ["matrix", "cases"])
def test_folders_of_every_form_that_was_published(vectors: Path, form: str) -> None:
    """Two days of production rules against the matrix; every country's rules by its own cases."""
    folder = vectors / "dcc"
    runs = [(folder / "business-rules", folder / "business-rules")]
    if form == "matrix":
        runs = [
            (folder / "production-rules" / day, folder / "acceptance-matrix" / f"{day}.json")
            for day in ("2022-01-28", "2022-06-13")
        ]
    for rules, cases in runs:
        answer = guosuo("policy", "test", rules, cases, "--json").json
        assert len(answer["countries"]) == len(list(rules.glob("??.json")))
        for row in answer["countries"]:
            assert (row["clear"], row["left_out"]) == (row["cases"], [])
            if form == "matrix":
                assert (row["cases"], row["table"], row["evidence"]) == (1112, 1038, 1038)


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("lint", "nothing.json"), 2),
        (("lint", "broken.json"), 3),
        (("diff", "broken.json", "broken.json"), 3),
        (("test", "broken.json", "broken.json"), 3),
    ],
)
def test_what_is_no_policy(command: tuple[str, ...], code: int) -> None:
    Path("broken.json").write_text('{"policy": 1, "policy": 2}')
    assert guosuo("policy", *command).code == code


@pytest.mark.usefixtures("elsewhere")
def test_wallet_check() -> None:
    stage = Stage()
    stage.found()
    stage.enrol("lan")
    check = ("wallet", "check", "lan.wallet", *stage.fed, *stage.wallet_key)
    answer = done(*check, "--now", CROSS)
    assert {row["region"] for row in answer["policies"]} == {"360000", "440000"}
    for row in answer["policies"]:
        (slot,) = row["slots"]
        assert slot["result"] in {"satisfied", "not satisfied"}
        assert bool(slot["reasons"]) is (slot["result"] == "not satisfied")
    said = guosuo(*check, "--now", "2022-03-18T14:00:00Z")
    assert said.code == 0
    assert "no version is in force" in said.out


@pytest.mark.usefixtures("elsewhere")
def test_a_whole_document_is_published() -> None:
    stage = Stage()
    stage.found()
    policy = json.loads(CODE_48.read_bytes())
    assert policy["region"] == "360000"
    Path("whole.json").write_text(json.dumps(policy))
    publish = ("region", "bundle", "fed", "360000", "--policy", "whole.json", *stage.keys)
    answer = done(*publish, "--now", ENROL)
    assert answer["regions"][0]["policy_version"] == 2
    said = guosuo(*publish[:3], "440000", *publish[4:], "--now", ENROL)
    assert said.code == 2
    assert "another region" in said.err


MATRIX = {
    "clock": "2022-02-05T12:00:00Z",
    "valueSets": {},
    "results": {"CN": ["reject"]},
    "payloads": [{"payload": {}}],
}


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize(
    "change",
    [
        {"clock": 1},
        {"valueSets": 3},
        {"valueSets": {"a": [1]}},
        {"results": []},
        {"results": {"CN": []}},
        {"results": {"CN": 7}},
        {"results": {"CN": [{"reject": 3}]}},
        {"results": {"CN": [{"reject": [3]}]}},
        {"payloads": [{}]},
        {"payloads": 1},
    ],
)
def test_a_damaged_matrix_is_refused_in_one_line(change: dict[str, object]) -> None:
    rules = json.loads(CODE_48.read_bytes())["rules"]
    Path("rules.json").write_text(json.dumps({"country": "CN", "rules": rules}))
    sound = MATRIX | {"results": {"CN": [{"reject": ["GR-CN-0001"]}]}}
    Path("matrix.json").write_text(json.dumps(sound))
    assert guosuo("policy", "test", "rules.json", "matrix.json").code in (0, 1)
    Path("matrix.json").write_text(json.dumps(sound | change))
    assert guosuo("policy", "test", "rules.json", "matrix.json").code in (2, 3)


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("gone", ["payload", "external", "expected", "tests", "rule", "sets"])
def test_damaged_cases_of_a_country_are_refused_in_one_line(gone: str, vectors: Path) -> None:
    folder = vectors / "dcc" / "business-rules"
    country = json.loads((folder / "AT.json").read_bytes())
    entry = country["rules"][0]
    country["rules"] = [entry]
    Path("value-sets.json").write_bytes((folder / "value-sets.json").read_bytes())
    Path("AT.json").write_text(json.dumps(country))
    assert guosuo("policy", "test", "AT.json", "AT.json").code == 0
    if gone == "sets":
        entry["tests"][0]["external"]["valueSets"] = "nowhere"
    else:
        del (entry if gone in entry else entry["tests"][0])[gone]
    Path("AT.json").write_text(json.dumps(country))
    assert guosuo("policy", "test", "AT.json", "AT.json").code == 3
