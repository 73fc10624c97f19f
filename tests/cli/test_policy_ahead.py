"""A policy published ahead, on files: what gates and wallets say before and after the switch."""

import json
import socket
from pathlib import Path
from typing import Any, NoReturn

import pytest

from guosuo.cli.common import read_time
from guosuo.cli.policy_file import read_policy
from guosuo.policy.reading import Fault
from guosuo.policy.written import to_json
from tests.cli.stage import CROSS, ENROL, GATE, HOME, TESTED, Stage, done, guosuo

BEFORE, SWITCH = "2022-01-18T14:59:59Z", "2022-01-18T15:00:00Z"
LATER = "2022-02-18T12:00:00Z"
TESTS = {
    "kind": "test",
    "description": {"en": "a rapid test", "zh": "24小时内抗原检测"},
    "products": ["LP217198-3"],
    "max_age": "24 hours",
}
SHOTS = {"kind": "vaccination", "description": "any", "products": ["CoronaVac"]}

stage = Stage()
BUNDLE = ("region", "bundle", "fed", GATE, *stage.keys, "--now", ENROL)
CHECK = ("wallet", "check", "lan.wallet", *stage.fed, *stage.wallet_key)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def whole(name: str, start: str, end: str, *ways: dict[str, Any], region: str = GATE) -> str:
    """A whole document in force from `start` to `end`."""
    short = json.dumps({"policy": "entry", "valid_days": 1, "accepts": list(ways)}).encode()
    made = read_policy(short, region=region, version=1, now=read_time(start))
    Path(name).write_text(json.dumps(json.loads(to_json(made)) | {"valid_to": end}))
    return name


def rows(now: str, *more: str) -> dict[str, dict[str, Any]]:
    answer = done(*CHECK, "--now", now, *more)
    return {row["region"]: row for row in answer["policies"]}


def ahead() -> None:
    """Tests are accepted now, and only vaccinations from 15:00 on."""
    stage.found()
    stage.enrol("lan")
    done(*BUNDLE, "--policy", whole("next.json", SWITCH, LATER, SHOTS))
    poster = ("checkpoint", "poster", *stage.fed, *stage.at)
    done(*poster, "--state", "gate.state", "--now", ENROL)


def test_what_is_published_ahead_is_published_once() -> None:
    ahead()
    again = done(*BUNDLE, "--policy", "next.json")["regions"][0]
    assert (again["policy_version"], again["policy_from"]) == (2, read_time(SWITCH))
    # Nor is the version that it takes over from, though half of its time may be over.
    for now in (ENROL, CROSS):
        kept = done(*BUNDLE[:-1], now, "--policy", "policy.json")["regions"][0]
        assert kept["policy_version"] == 1
    said = guosuo(*BUNDLE, "--policy", whole("third.json", "2022-01-18T15:30:00Z", LATER, SHOTS))
    assert "version 3, in force from 2022-01-18 15:30 UTC" in said.out


def test_what_has_ended_is_not_published() -> None:
    stage.found()
    over = whole("over.json", "2022-01-17T00:00:00Z", "2022-01-18T00:00:00Z", SHOTS)
    said = guosuo(*BUNDLE, "--policy", over)
    assert (said.code, "has ended, at 2022-01-18 00:00 UTC" in said.err) == (2, True)
    assert done(*BUNDLE, "--policy", "policy.json")["regions"][0]["policy_version"] == 1


def test_the_gate_switches_by_its_clock() -> None:
    ahead()
    done(*stage.show("lan", BEFORE, "--new-place"))
    late = guosuo(*stage.verify(SWITCH), "--json")
    assert (late.code, late.json["verdict"], late.json["cause"]) == (4, "CANNOT_DECIDE", "AGAIN")
    assert guosuo(*stage.verify(BEFORE)).code == 0
    said = guosuo(*stage.show("lan", SWITCH), "--json")
    assert (said.code, said.json["error"]["reason"]) == (1, "not-accepted-there")


def test_the_wallet_knows_until_when() -> None:
    ahead()
    found = rows(CROSS)
    (slot,) = found[GATE]["slots"]
    assert (found[GATE]["version"], found[GATE]["passes"]) == (1, True)
    assert (slot["result"], slot["changes_at"]) == ("satisfied", read_time(SWITCH))
    (home,) = found[HOME]["slots"]
    assert home["changes_at"] > read_time(SWITCH)
    found = rows(SWITCH)
    (slot,) = found[GATE]["slots"]
    assert (found[GATE]["version"], found[GATE]["passes"]) == (2, False)
    assert (slot["result"], slot["cause"]) == ("not satisfied", "kind")
    assert "this kind of evidence is not accepted there" in guosuo(*CHECK, "--now", SWITCH).out


def test_a_gap_is_cannot_decide_and_nobody_can_say() -> None:
    """One version until 15:00, the next from 15:30 on."""
    stage.found()
    stage.enrol("lan")
    tests = TESTED["accepts"][0]  # type: ignore[index]
    # A federation of its own, where nothing else was published.
    done("region", "init", "own", HOME, GATE, "--bucket-slots", "16", *stage.keys)
    done("region", "turn-epoch", "own", "--all", *stage.keys, "--now", ENROL)
    bundle = ("region", "bundle", "own", GATE, *stage.keys, "--now", ENROL)
    done(
        *bundle, "--policy", whole("now.json", ENROL, SWITCH, tests), "--checkpoint", "station-1=x"
    )
    done(*bundle, "--policy", whole("next.json", "2022-01-18T15:30:00Z", LATER, tests))
    done("wallet", "init", "own.wallet", "--federation", "own", *stage.wallet_key)
    verify = ("checkpoint", "verify", "GS1:", "--federation", "own", *stage.at)
    for now, cause in ((BEFORE, "CODE"), (SWITCH, "DEVICE"), ("2022-01-18T15:30:00Z", "CODE")):
        said = guosuo(*verify, "--now", now, "--json")
        assert (said.code, said.json["verdict"]) == (4, "CANNOT_DECIDE")
        assert said.json["cause"] == cause
    check = ("wallet", "check", "own.wallet", "--federation", "own", *stage.wallet_key)
    found = {row["region"]: row for row in done(*check, "--now", SWITCH)["policies"]}
    assert found[GATE]["why"] == "no version is in force now"
    assert (found[HOME]["policy"], found[HOME]["why"]) == (None, "no policy is published")
    show = ("wallet", "show", "own.wallet", "--federation", "own", *stage.wallet_key, *stage.at)
    said = guosuo(*show, "--new-place", "--now", SWITCH, "--json")
    assert (said.code, said.json["error"]["reason"]) == (3, "policy-expired")


def test_which_rule_failed_in_the_language_of_choice() -> None:
    stage.found()
    stage.enrol("lan")
    done(*BUNDLE, "--policy", whole("next.json", SWITCH, LATER, TESTS))
    (slot,) = rows(SWITCH)[GATE]["slots"]
    assert (slot["kind"], slot["result"], slot["cause"]) == ("test", "not satisfied", "rules")
    assert slot["reasons"] == [{"rule": "TR-CN-0001", "text": "a rapid test"}]
    for language, words in {
        "en": ("test of slot", ": no", "a rapid test"),
        "zh-CN": ("检测", "不能通过", "24小时内抗原检测"),
        "fr": ("test of slot", ": no", "a rapid test"),
    }.items():
        said = guosuo(*CHECK, "--now", SWITCH, "--language", language).out
        assert all(word in said for word in words), language
    passing = guosuo(*CHECK, "--now", CROSS, "--language", "zh").out
    assert "可以通过,有效至" in passing or "可以通过, 有效至" in passing


def test_policies_that_wallets_refuse_are_told_with_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage.found()
    stage.enrol("lan")
    fault = Fault("TR-CN-0001", "it looks at who signed")
    monkeypatch.setattr("guosuo.cli.wallet_check.find_faults", lambda _: (fault,))
    for row in rows(CROSS).values():
        assert (row["passes"], row["version"]) == (False, None)
        assert row["why"].endswith("TR-CN-0001: it looks at who signed")
    said = guosuo(*CHECK, "--now", CROSS, "--language", "zh").out
    assert "钱包拒绝按此政策出示" in said


def test_asking_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    ahead()
    before = {p: p.read_bytes() for p in Path().rglob("*") if p.is_file()}

    def nobody(*_: object, **__: object) -> NoReturn:
        raise AssertionError

    for name in ("socket", "create_connection", "getaddrinfo", "socketpair"):
        monkeypatch.setattr(socket, name, nobody)
    assert len(rows(CROSS)) == 2
    done("policy", "lint", "next.json")
    done("policy", "diff", "next.json", "next.json")
    assert {p: p.read_bytes() for p in Path().rglob("*") if p.is_file()} == before
