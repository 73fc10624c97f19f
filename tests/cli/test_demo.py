"""`guosuo demo`: its report, its pictures, and that its own check can fail."""

from __future__ import annotations

import copy
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from guosuo.cli.demo import MARK, Demo, prepare_folder
from guosuo.cli.demo_report import Report
from guosuo.cli.demo_story import CONTROL, SUSPENDED, TRAVELLERS
from guosuo.curve.entropy import Entropy
from guosuo.errors import CallerError, Reason
from guosuo.host.pictures import read_picture
from guosuo.presentation.frame import Frame
from guosuo.suite import Suite


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, str, Path]:
    folder = tmp_path_factory.mktemp("demo") / "out"
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(file=nowhere)
        demo = Demo(Suite.sha256(), Entropy(os.urandom), folder, console, codes=True)
        report = demo.run()
    return report, report.to_json(), folder


def test_every_verdict_is_what_the_policies_and_the_order_say(
    told: tuple[Report, str, Path],
) -> None:
    report, text, _ = told
    document = json.loads(text)
    assert document["as_expected"] is True
    assert len(report.rows) == 2 * sum(len(t.travels) for t in TRAVELLERS)
    before = {(r.who, r.gate): r.verdict for r in report.rows if r.moment == "before"}
    after = {(r.who, r.gate): r.verdict for r in report.rows if r.moment == "after"}
    changed = {crossing for crossing in before if before[crossing] != after[crossing]}
    assert changed == {c for c in before if c[0] == SUSPENDED and before[c] == "ACCEPT"}
    assert changed
    assert "ACCEPT" in report.modified_wallets[CONTROL]
    assert "ACCEPT" not in report.modified_wallets[SUSPENDED]


def test_every_show_is_a_picture_of_one_size(told: tuple[Report, str, Path]) -> None:
    report, _, folder = told
    pictures = sorted((folder / "shows").iterdir())
    assert len(pictures) == len(report.rows)
    assert {len(Frame.from_text(read_picture(p)).encode()) for p in pictures} == {761}
    assert {(row.octets, row.qr_version) for row in report.rows} == {(761, 19)}
    assert {row.shown for row in report.rows} == {"proof", "blank"}


def test_the_deliberate_failures_are_refused(told: tuple[Report, str, Path]) -> None:
    report, _, _ = told
    results = {c["file"]: c["result"] for c in report.certificates}
    assert {name for name, result in results.items() if result != "ok"} == {
        name for name in results if name.startswith("bad-")
    }


def test_the_demonstration_can_fail(told: tuple[Report, str, Path]) -> None:
    report, _, _ = told
    assert report.as_expected()
    wrong = copy.deepcopy(report)
    wrong.rows[0] = replace(wrong.rows[0], verdict="NOT_SATISFIED")
    assert not wrong.as_expected()
    wrong = copy.deepcopy(report)
    wrong.certificates[-1]["result"] = "ok"
    assert not wrong.as_expected()
    wrong = copy.deepcopy(report)
    wrong.modified_wallets[SUSPENDED]["ACCEPT"] = 1
    assert not wrong.as_expected()
    wrong = copy.deepcopy(report)
    del wrong.modified_wallets[CONTROL]["ACCEPT"]
    assert not wrong.as_expected()


def test_only_an_earlier_demonstration_is_replaced(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    prepare_folder(ours)
    (ours / "old").write_text("x")
    prepare_folder(ours)
    assert [p.name for p in ours.iterdir()] == [MARK]
    theirs.mkdir()
    (theirs / "thesis.txt").write_text("years of work")
    with pytest.raises(CallerError) as refused:
        prepare_folder(theirs)
    assert refused.value.reason is Reason.STORE_EXISTS
    assert (theirs / "thesis.txt").read_text() == "years of work"
