"""Bounds of all policies: founded with the federation, and kept by every region."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from guosuo.cli import envelope_file, policy_file
from guosuo.cli.common import Desk
from guosuo.cli.envelope_file import read_envelope
from guosuo.errors import CallerError, Reason
from guosuo.evidence.registry import EvidenceKind
from guosuo.federation.charter import open_charter
from guosuo.host.region import at_work
from guosuo.host.vault import KeyFile
from guosuo.suite import Suite
from tests.cli.stage import CROSS, ENROL, GATE, HOME, TESTED, Stage, done, guosuo

EXAMPLE = json.loads(envelope_file.EXAMPLE)
INIT = ("region", "init", "fed", HOME, GATE, "--bucket-slots", "16", *Stage.keys)
FLOOR = EXAMPLE["bounds"][0]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def found(*more: str) -> dict[str, Any]:
    done("examples", "try")
    answer = done(*INIT, *more)
    done("region", "turn-epoch", "fed", "--all", *Stage.keys, "--now", ENROL)
    return answer


def publish(policy: dict[str, Any] | str) -> tuple[str, ...]:
    path = "own.json"
    Path(path).write_text(policy if isinstance(policy, str) else json.dumps(policy))
    return ("region", "bundle", "fed", GATE, "--policy", path, *Stage.keys, "--now", ENROL)


def test_a_policy_inside_is_published_and_one_outside_is_refused_with_what_it_breaks() -> None:
    answer = found("--envelope", "try/envelope.json")
    assert answer["envelope"] == ["fresh tests", "complete series", "old tests"]
    # Tests only: kind and floor of the vaccinated are missing.
    said = guosuo(*publish(TESTED))
    assert said.code == 3
    for words in ("envelope", "kinds: it must accept evidence of the kind vaccination"):
        assert words in said.err
    assert "complete series: a complete series of 22 to 210 days ago" in said.err
    assert "old tests" not in said.err
    for_ever = json.loads(policy_file.EXAMPLE)
    del for_ever["accepts"][1]["max_age"]
    refused = guosuo(*publish(for_ever), "--json").json["error"]
    assert (refused["reason"], refused["exit_code"]) == ("policy", 3)
    assert "old tests: no test of more than 7 days ago" in refused["message"]
    # Nothing of it was published, and the next one is the first version.
    bundle = done(*publish(policy_file.EXAMPLE))
    assert bundle["regions"][0]["policy_version"] == 1


def test_a_ceiling_is_kept() -> None:
    bounds = [FLOOR | {"name": "two days", "must": "refuse", "min_age": "48 hours"}]
    del bounds[0]["max_age"]
    Path("tight.json").write_text(json.dumps({"kinds": [], "bounds": bounds}))
    found("--envelope", "tight.json")
    said = guosuo(*publish(TESTED))
    assert (said.code, "two days: " in said.err) == (3, True)
    way = TESTED["accepts"][0]  # type: ignore[index]
    done(*publish(TESTED | {"accepts": [way | {"max_age": "48 hours"}]}))


def test_without_an_envelope_every_policy_will_do() -> None:
    assert found()["envelope"] is None
    assert done(*publish(TESTED))["regions"][0]["policy_version"] == 1


def test_the_charter_carries_it() -> None:
    found("--envelope", "try/envelope.json")
    federation = open_charter(Path("fed/charter.cbor").read_bytes(), Suite.sha256())
    assert federation.charter.envelope == read_envelope(envelope_file.EXAMPLE.encode())
    assert (
        "No policy of its regions may break"
        in guosuo(*INIT[:2], "other", *INIT[3:], "--envelope", "try/envelope.json").out
    )


def test_lint_holds_a_policy_against_an_envelope() -> None:
    done("examples", "try")
    done("policy", "lint", "try/policy.json", "--envelope", "try/envelope.json")
    Path("own.json").write_text(json.dumps(TESTED))
    said = guosuo("policy", "lint", "own.json", "--envelope", "try/envelope.json")
    assert said.code == 1
    assert "error: complete series: outside of the envelope" in said.out
    assert guosuo("policy", "lint", "own.json").code == 0


CONTRADICTIONS = [
    (
        [FLOOR, FLOOR | {"name": "no fresh ones", "must": "refuse"}],
        [],
        "no policy keeps both the floor fresh tests and the ceiling no fresh ones",
    ),
    (
        [
            FLOOR | {"name": "three days", "max_age": "72 hours"},
            {"name": "x", "must": "refuse", "kind": "test", "min_age": "48 h", "description": "x"},
        ],
        [],
        "no policy keeps both the floor three days and the ceiling x",
    ),
    (
        [{"name": "x", "must": "refuse", "kind": "recovery", "description": "x"}],
        ["recovery"],
        "every policy must take evidence of the kind recovery, and none may",
    ),
    (
        [
            {"name": kind, "must": "refuse", "kind": kind, "description": "x"}
            for kind in ("vaccination", "test", "recovery")
        ],
        [],
        "the ceilings leave nothing that a policy may accept",
    ),
]


@pytest.mark.parametrize(("bounds", "kinds", "words"), CONTRADICTIONS)
def test_an_envelope_that_contradicts_itself_founds_nothing(
    bounds: list[dict[str, Any]], kinds: list[str], words: str
) -> None:
    Path("torn.json").write_text(json.dumps({"kinds": kinds, "bounds": bounds}))
    said = guosuo(*INIT, "--envelope", "torn.json")
    assert (said.code, words in said.err, said.err.count("\n")) == (2, True, 1)
    assert not Path("fed").exists()
    # Lint reads it in the same way.
    Path("own.json").write_text(json.dumps(TESTED))
    assert words in guosuo("policy", "lint", "own.json", "--envelope", "torn.json").err


def test_bounds_that_only_touch_are_kept_by_some_policy() -> None:
    ceiling = {"name": "x", "must": "refuse", "kind": "test", "min_age": "72 h", "description": "x"}
    bounds = [FLOOR | {"max_age": "72 h"}, ceiling]
    Path("tight.json").write_text(json.dumps({"kinds": ["test"], "bounds": bounds}))
    found("--envelope", "tight.json")
    assert done(*publish(TESTED))["regions"][0]["policy_version"] == 1


def test_wallets_refuse_what_a_region_publishes_outside_of_the_envelope() -> None:
    """The region's own software does not look; every wallet does, on its own device."""
    tight = FLOOR | {"name": "two days", "must": "refuse", "min_age": "48 h"}
    del tight["max_age"]
    Path("tight.json").write_text(json.dumps({"kinds": [], "bounds": [tight]}))
    found("--envelope", "tight.json")
    stage = Stage()
    way = TESTED["accepts"][0]  # type: ignore[index]
    inside = TESTED | {"accepts": [way | {"max_age": "48 hours"}]}
    command = publish(inside)
    done(*command[:3], "--all", *command[4:], "--checkpoint", "station-1=x")
    stage.enrol("lan")
    check = ("wallet", "check", "lan.wallet", *stage.fed, *stage.wallet_key, "--now", CROSS)
    assert [row["passes"] for row in done(*check)["policies"]] == [True, True]
    done("checkpoint", "poster", *stage.fed, *stage.at, "--state", "gate.state", "--now", CROSS)
    done(*stage.show("lan", CROSS, "--new-place"))
    Path("show.png").unlink()

    def careless(region: str) -> None:
        desk = Desk.open(ENROL, None, as_json=False)
        records = desk.federation(Path("fed"))
        draft = policy_file.read_policy(
            json.dumps(TESTED).encode(), region=region, version=2, now=desk.now
        )
        with at_work(records, region, KeyFile(Path("regions.key")), desk.entropy) as host:
            charter = replace(host.gate.federation.charter, envelope=None)
            host.gate.federation = replace(host.gate.federation, charter=charter)
            host.publish(host.gate.publish_policy(draft, desk.entropy))

    careless(GATE)
    rows = {row["region"]: row for row in done(*check)["policies"]}
    assert (rows[HOME]["passes"], rows[HOME]["version"]) == (True, 1)
    assert (rows[GATE]["passes"], rows[GATE]["version"]) == (False, None)
    assert "outside of the federation's envelope: two days: " in rows[GATE]["why"]
    assert "two days: " in guosuo(*check).out
    said = guosuo(*stage.show("lan", CROSS), "--json")
    assert (said.code, said.json["error"]["reason"]) == (3, "policy")
    assert not Path("show.png").exists()


# --- the form -------------------------------------------------------------------------


def read(change: dict[str, Any]) -> Any:  # noqa: ANN401 - an envelope
    return read_envelope(json.dumps({"kinds": [], "bounds": [FLOOR | change]}).encode())


def test_what_the_form_means() -> None:
    (bound,) = read({}).bounds
    assert (bound.must, bound.kind, bound.complete) == (True, EvidenceKind.TEST, False)
    assert (bound.min_hours, bound.max_hours) == (0, 24)
    assert bound.products == ("LP6464-4 260415000",)
    assert read({"products": ["LP217198-3 260415000"]}).bounds[0].products
    assert read_envelope(b'{"kinds": ["test", "test"], "bounds": []}').kinds == (EvidenceKind.TEST,)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"min_days": 3}, "a member that no bound has"),
        ({"must": "maybe"}, "accept or refuse"),
        ({"must": True}, "accept or refuse"),
        ({"kind": "guess"}, "vaccination, test, recovery"),
        ({"products": []}, "1 to 64 products"),
        ({"products": [7]}, "registry does not have"),
        ({"products": ["LP6464-4"] * 65}, "1 to 64 products"),
        ({"products": ["EU/1/20/1528"]}, "registry does not have"),
        ({"complete_series": 1}, "true or false"),
        ({"complete_series": True}, "has none"),
        ({"max_age": 24}, "48 hours or 14 days"),
        ({"max_age": "5 days"}, "cannot be told apart; these can: "),
        ({"min_age": "5 h"}, "these can: "),
        ({"min_age": "72 h"}, "max_age is above min_age"),
        ({"name": ""}, "1 to 32"),
        ({"name": "x" * 33}, "1 to 32"),
        ({"name": "a\x1b[2J"}, "printed"),
        ({"name": "kinds"}, "named kinds"),
        ({"description": 5}, "1 to 256"),
        ({"description": "x" * 257}, "1 to 256"),
    ],
)
def test_what_is_no_bound_says_what_to_change(change: dict[str, Any], words: str) -> None:
    with pytest.raises(CallerError) as error:
        read(change)
    assert error.value.reason is Reason.CHARTER
    assert words in error.value.hint


@pytest.mark.parametrize(
    "text",
    [
        b"", b"[]", b"{}", b'{"kinds": []}', b'{"kinds": [], "bounds": [], "more": 1}',
        b'{"kinds": "test", "bounds": []}', b'{"kinds": ["tests"], "bounds": []}',
        b'{"kinds": [], "bounds": {}}', b'{"kinds": [], "bounds": [[]]}',
        b'{"kinds": [], "bounds": [{"name": "x"}]}', b'{"kinds": [], "kinds": [], "bounds": []}',
        b"[" * 100_000,
        json.dumps({"kinds": [], "bounds": [FLOOR, FLOOR]}).encode(),
        json.dumps({"kinds": [], "bounds": [FLOOR | {"name": str(n)} for n in range(65)]}).encode(),
    ],
)  # fmt: skip
def test_what_is_no_envelope_founds_nothing(text: bytes) -> None:
    Path("bad.json").write_bytes(text)
    said = guosuo(*INIT, "--envelope", "bad.json")
    assert (said.code, said.out) == (2, "")
    assert said.err.count("\n") == 1
    assert not Path("fed").exists()
    assert not Path("regions.key").exists()
