"""`guosuo bench`: every row is there, the numbers fit each other, the sizes are the protocol's."""

from __future__ import annotations

import gc
import json
from typing import Any

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from guosuo import __version__
from guosuo.bbs.signature import SIGNATURE_SIZE
from guosuo.cli import bench as command
from guosuo.cli.bench_cases import BARE, Case
from guosuo.cli.bench_stage import FULL, QUICK, TINY
from guosuo.credential.board import RENEWAL_PROOF_SIZE
from guosuo.credential.keys import POSSESSION_SIZE
from guosuo.credential.ownership import OPENING_SIZE
from guosuo.curve.selection import engine_names, get_engine
from guosuo.errors import CallerError, Reason
from guosuo.federation.entries import ALLOTMENT_SIZE
from guosuo.presentation.proof import PRESENTATION_SIZE

NATIVE = [name for name in engine_names() if get_engine(name).native]
QUIET = Console(quiet=True)

ROWS = {
    "unit.g1",
    *(f"enrol.{step}" for step in ("request", "issue", "conclude")),
    *(f"refresh.{step}" for step in ("renew", "wallet", "index")),
    *(f"show.{step}" for step in ("wallet", "present", "text", "symbol")),
    *(f"verify.{step}" for step in ("decode", "start", "cold", "warm", "batch")),
    *(f"list.{step}" for step in ("part", "audit.few", "audit.many", "make")),
    *(f"table.{step}" for step in ("compile", "make", "audit")),
    *(f"bundle.{step}" for step in ("audit", "next")),
    *(f"bucket.{step}" for step in ("build", "audit")),
    *(f"key.{step}" for step in ("prove", "check")),
}

NODE_ROWS = {
    f"node.{step}"
    for step in (
        *("offer", "enrol", "renew.one", "renew.pool", "turn", "audit"),
        *("load", "restart", "publish"),
    )
}
"""Of the engine that nodes of this machine use."""

app = typer.Typer()
app.command("bench")(command.bench)

needs_native = pytest.mark.skipif(not NATIVE, reason="no native engine is installed")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    if not NATIVE:
        pytest.skip("no native engine is installed")
    done = CliRunner().invoke(app, ["--quick", "--json"])
    assert done.exit_code == 0, done.output
    assert NATIVE[0] in done.stderr  # progress
    found: dict[str, Any] = json.loads(done.stdout)  # and nothing but the document
    return found


def engines(document: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document["engines"]
    return found


def rows_of(engine: dict[str, Any]) -> set[str]:
    return ROWS | NODE_ROWS if engine["engine"] == get_engine().name else ROWS


def test_the_document_says_what_was_measured_where(document: dict[str, Any]) -> None:
    assert (document["format"], document["guosuo"]) == (1, __version__)
    assert all(document[name] for name in ("python", "implementation", "platform", "machine"))
    assert [engine["engine"] for engine in engines(document)] == NATIVE
    for engine in engines(document):
        assert engine["version"]
        assert engine["native"]
        assert engine["rounds"] == 1


def test_every_operation_has_a_row_with_true_statistics(document: dict[str, Any]) -> None:
    for engine in engines(document):
        rows = engine["rows"]
        assert len(rows) == len(rows_of(engine))
        assert {row["key"] for row in rows} == rows_of(engine)
        for row in (engine["unit"], *rows):
            samples = sorted(row["samples_ms"])
            assert row["samples"] == len(samples) >= 1
            assert 0 < row["min_ms"] <= row["median_ms"] <= row["max_ms"]
            assert (row["min_ms"], row["max_ms"]) == (samples[0], samples[-1])
            assert row["median_ms_per_item"] == pytest.approx(
                row["median_ms"] / row["items"], abs=1e-5
            )


def test_multiples_are_of_the_unit_of_the_same_run(document: dict[str, Any]) -> None:
    for engine in engines(document):
        unit = engine["unit"]
        # Measured before the first operation and after each one.
        assert unit["samples"] == engine["rounds"] * (len(rows_of(engine)) + 1)
        assert unit["multiple"] == pytest.approx(1)
        low, high = unit["quartiles_ms"]
        assert unit["min_ms"] <= low <= unit["median_ms"] <= high <= unit["max_ms"]
        for row in engine["rows"]:
            samples = row["samples_cpu_ms"]
            if row.get("by_clock"):
                samples, busy = row["samples_ms"], unit["samples_ms"]
            else:
                busy = unit["samples_cpu_ms"]
            assert len(samples) == row["samples"]
            assert row["min_multiple"] <= row["multiple"] <= row["max_multiple"]
            assert row["min_multiple"] >= min(samples) / max(busy) * 0.99 - 1e-4
            assert row["max_multiple"] <= max(samples) / min(busy) * 1.01 + 1e-4


def test_operations_cost_what_their_parts_cost(document: dict[str, Any]) -> None:
    for engine in engines(document):
        least = {row["key"]: min(row["samples_cpu_ms"]) for row in engine["rows"]}
        unit = min(engine["unit"]["samples_cpu_ms"])
        # The quickest samples, as other programs can only slow things down, and only
        # what differs at least threefold.
        assert least["unit.g1"] < unit < least["verify.warm"]
        assert least["verify.decode"] < least["verify.warm"]
        assert least["list.audit.few"] < least["list.audit.many"]


def test_a_node_is_told_in_bare_signatures_too(document: dict[str, Any]) -> None:
    for engine in engines(document):
        rows = {row["key"]: row for row in engine["rows"]}
        assert {key for key, row in rows.items() if "of" in row} == rows_of(engine) - ROWS
        bare = rows[BARE]["multiple"]
        for key in rows_of(engine) - ROWS:
            row = rows[key]
            assert row["of"] == BARE
            assert row.get("by_clock", False) is (key in {"node.renew.pool", "node.turn"})
            found = row["multiple_of_per_item"]
            assert found > 0
            assert found == pytest.approx(row["multiple_per_item"] / bare, rel=0.02, abs=1e-3)


def test_sizes_are_those_of_the_protocol(document: dict[str, Any]) -> None:
    for engine in engines(document):
        slots = engine["scale"]["slots"]
        sizes = {size["key"]: size["octets"] for size in engine["bytes"]}
        assert len(sizes) == len(engine["bytes"])
        assert all(octets > 0 for octets in sizes.values())
        assert sizes["proof"] == PRESENTATION_SIZE == 736
        assert sizes["frame"] == 761
        assert sizes["enrol.core"] == 192
        assert sizes["enrol.signature"] == SIGNATURE_SIZE == 80
        assert sizes["ownership"] == OPENING_SIZE == 96
        assert sizes["possession"] == POSSESSION_SIZE == 64
        assert sizes["bucket"] == SIGNATURE_SIZE * slots
        assert sizes["bucket.proof"] == RENEWAL_PROOF_SIZE == 144
        assert sizes["allotment"] == ALLOTMENT_SIZE * slots
        items = {row["key"]: row["items"] for row in engine["rows"]}
        assert 0 < sizes["table"] - 48 * items["table.make"] < 30
        per_key = (sizes["list.keys.many"] - sizes["list.keys.few"]) / (2 * (31 - 4))
        assert per_key == pytest.approx(134, abs=1)


def test_qr_codes_have_the_versions_that_the_protocol_promises(document: dict[str, Any]) -> None:
    for engine in engines(document):
        codes = {
            size["key"]: (size["characters"], size["qr_version"])
            for size in engine["bytes"]
            if size["qr_version"] is not None
        }
        assert codes.keys() == {"poster", "challenge", "frame"}
        # Three characters for two octets, and the prefix of four.
        assert codes["frame"] == (4 + 761 // 2 * 3 + 2, 19)
        assert all(version <= 5 for key, (_, version) in codes.items() if key != "frame")


def test_sizes_do_not_depend_on_the_engine(document: dict[str, Any]) -> None:
    # Nor on anything drawn: what is random has one length.
    first, *others = [engine["bytes"] for engine in engines(document)]
    assert all(other == first for other in others)


@needs_native
def test_tables_name_every_operation_and_every_size() -> None:
    done = CliRunner().invoke(app, ["--quick", "--engine", NATIVE[0], "--engine", NATIVE[0]])
    assert done.exit_code == 0, done.output
    for words in ("4-term pairing check", "31 × 2 keys", "batch of 8", "bucket: audit 32 +"):
        assert words in done.stdout
    assert ("× signing" in done.stdout) is (NATIVE[0] == get_engine().name)
    for words in ("enrolment request", "policy part", "show: frame", "761", "1,146"):
        assert words in done.stdout
    assert done.stdout.count(f"\n{NATIVE[0]}") == 1  # named twice, measured once
    assert "round 1 of 1" in done.stderr


def test_an_unknown_engine_is_refused() -> None:
    done = CliRunner().invoke(app, ["--engine", "none-such"])
    assert isinstance(done.exception, CallerError)
    assert done.exception.reason is Reason.ENGINE


def test_the_slow_engine_is_measured_on_request_only_and_in_small(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert [engine.name for engine in command._engines([], every=False)] == NATIVE
    slow = get_engine("py_ecc")
    assert slow in command._engines([], every=True)
    assert command._engines(["py_ecc"], every=False) == [slow]
    assert command._plan(slow, None, quick=False) == (TINY, 1)
    assert command._plan(slow, 3, quick=True) == (TINY, 3)
    monkeypatch.setattr(command, "engine_names", lambda: ("py_ecc",))
    with pytest.raises(CallerError) as refused:
        command._engines([], every=False)
    assert refused.value.reason is Reason.ENGINE


@needs_native
def test_rounds_and_sizes_follow_the_options() -> None:
    fast = get_engine(NATIVE[0])
    assert command._plan(fast, None, quick=False) == (FULL, command.ROUNDS)
    assert command._plan(fast, 2, quick=False) == (FULL, 2)
    assert command._plan(fast, None, quick=True) == (QUICK, 1)
    assert (FULL.slots, FULL.batch) == (1024, 100)


def test_a_failed_operation_is_no_measurement() -> None:
    with pytest.raises(CallerError):
        command._sample(lambda: False)
    assert command._sample(lambda: None).seconds >= 0


@needs_native
def test_an_interruption_leaves_nothing_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> object:
        assert not gc.isenabled()
        raise KeyboardInterrupt

    broken = [Case("broken", "is interrupted", lambda: interrupted)]
    monkeypatch.setattr(command, "cases", lambda _: broken)
    with pytest.raises(KeyboardInterrupt):
        command.measure(get_engine(NATIVE[0]), QUICK, 1, QUIET)
    assert gc.isenabled()


@pytest.mark.parametrize(
    ("number", "written"),
    [(1234.5, "1,234"), (207.6, "208"), (12.34, "12.3"), (1.234, "1.23"), (0.0567, "0.057")],
)
def test_numbers_are_written_with_about_three_digits(number: float, written: str) -> None:
    assert command._digits(number) == written
    assert command._digits(0.00042) == "0.0004"
