"""The rules in virtual time: every scenario by name, random histories, the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from guosuo.cli.main import run as command
from guosuo.federation.clock import PARTS
from guosuo.simulate.histories import check, history
from guosuo.simulate.plot import measure, svg
from guosuo.simulate.run import (
    ELSEWHERE,
    HOME,
    WRONGLY_ACCEPTED,
    WRONGLY_REFUSED,
    run,
)
from guosuo.simulate.scenarios import SCENARIOS, Scenario, broken
from guosuo.simulate.story import Group, Story, X

BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


@pytest.mark.parametrize("members", [2, 4])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=[s.name for s in SCENARIOS])
def test_a_scenario_comes_out_as_expected(scenario: Scenario, members: int) -> None:
    if members not in scenario.sizes:
        pytest.skip("a federation of two would be one of one")
    assert broken(scenario, members, run(scenario.tell(members))) == []


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS, ids=[s.name for s in SCENARIOS])
def test_a_scenario_comes_out_as_expected_with_31_members(scenario: Scenario) -> None:
    assert broken(scenario, 31, run(scenario.tell(31))) == []


@pytest.mark.parametrize("name", ["batch-once", "two-down-8h", "stolen-t", "partition-24h"])
def test_some_scenarios_with_31_members(name: str) -> None:
    assert broken(BY_NAME[name], 31, run(BY_NAME[name].tell(31))) == []


@pytest.mark.parametrize("seed", range(12))
def test_a_random_history_keeps_the_rules(seed: int) -> None:
    assert check(history(seed, 4))[1] == []


@pytest.mark.slow
def test_many_random_histories_keep_the_rules() -> None:
    for seed in range(1000, 1300):
        assert check(history(seed, 4))[1] == []


def test_a_history_is_the_same_for_the_same_seed() -> None:
    assert history(5, 4).deeds == history(5, 4).deeds
    assert history(5, 4).deeds != history(6, 4).deeds


def test_expectations_can_be_broken() -> None:
    """Without a hold the victims of one bad epoch would be refused; the check sees that."""
    once = BY_NAME["batch-once"]
    story = once.tell(4)
    story.hold_epochs = 0
    story.change(5, left_out=frozenset({"victims"}))
    lines = broken(once, 4, run(story))
    assert any(line.startswith("victims wrongly refused elsewhere") for line in lines)


def test_a_suspension_is_in_force_after_the_time_it_takes() -> None:
    story = Story(4, 8)
    story.groups.append(Group("late", X, 1, suspended=PARTS * 4 - 59))
    story.groups.append(Group("early", X, 1, suspended=PARTS * 4 - 61))
    assert [group.out_since for group in story.groups[-2:]] == [5, 4]
    assert run(story).hours == {}


def test_without_late_max_a_silent_region_is_refused_sooner() -> None:
    scenario = BY_NAME["down-30h"]
    long, short = scenario.tell(4), scenario.tell(4)
    short.late_epochs = 0
    hours = [run(story).per_person("x", WRONGLY_REFUSED, ELSEWHERE) for story in (long, short)]
    assert hours[1] - hours[0] == pytest.approx(12, abs=0.5)


def test_a_longer_hold_keeps_the_suspended_in() -> None:
    scenario = BY_NAME["batch-never"]
    short, long = scenario.tell(4), scenario.tell(4)
    long.hold_epochs = 5
    accepted = [run(s).per_person("suspended", WRONGLY_ACCEPTED, HOME) for s in (short, long)]
    assert accepted == [pytest.approx(4, abs=0.1), pytest.approx(12, abs=0.1)]


def test_the_clockwork_measures_as_designed() -> None:
    """9 to 13 h for a suspension, 3 h to 8 h 20 min for a wallet, at E = 4 h."""
    found = measure()
    assert 2.2 <= found.latency[0] <= 2.3
    assert 3.2 <= found.latency[1] <= 3.26
    assert 0.74 <= found.wallet[0] <= 0.85
    assert 1.95 <= found.wallet[1] <= 2.1
    assert found.checkpoint >= 12
    drawing = svg(found)
    assert drawing.startswith("<svg")
    assert drawing.count("<circle") == 4


# --- the command ----------------------------------------------------------------------------


def test_the_command_lists_what_it_knows(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["simulate"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in BY_NAME)


def test_the_command_prints_a_document(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    drawing = tmp_path / "time.svg"
    arguments = ["simulate", "batch-never", "--members", "4", "--random", "2", "--json"]
    assert command([*arguments, "--plot", str(drawing)]) == 0
    document = json.loads(capsys.readouterr().out)
    (row,) = document["scenarios"]
    assert row["members"] == 4
    assert row["person_hours"]["refused_elsewhere"] > 0
    assert row["shelter"]
    assert len(document["histories"]) == 2
    assert document["broken"] == []
    assert drawing.read_text(encoding="utf-8").startswith("<svg")
    assert command([*arguments, "--plot", str(drawing)]) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-scenario"],
        ["--members", "3", "--all"],
        ["--plot", "time.pdf"],
        ["--random", "1000000"],
    ],
)
def test_the_command_refuses_what_it_cannot_do(arguments: list[str]) -> None:
    assert command(["simulate", *arguments]) == 2


def test_the_command_ends_with_1_if_an_expectation_is_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from guosuo.cli import simulate  # noqa: PLC0415

    monkeypatch.setattr(simulate, "broken", lambda *_: ["somebody wrongly refused"])
    assert command(["simulate", "batch-once", "--members", "2"]) == 1
    assert "somebody wrongly refused" in capsys.readouterr().out
