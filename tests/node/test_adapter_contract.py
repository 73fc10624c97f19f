"""Both adapters keep the contract; one that breaks a rule fails that check and no other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from guosuo_node.adapter.contract import (
    Cases,
    Check,
    Result,
    Status,
    is_fulfilled,
    report,
    run_contract,
)
from tests.support.adapters import (
    document_adapter,
    document_cases,
    health_system,
    record_cases,
    standing_in,
)
from tests.support.adapters_broken import BROKEN, RefusesInAnOutage, Twin

NOBODY = "http://127.0.0.1:1"
"""Nothing listens there."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with standing_in() as address:
        yield address


def failing(results: list[Result]) -> set[Check]:
    return {result.check for result in results if result.status is Status.FAILED}


# --- adapters that keep it ----------------------------------------------------------------


def test_the_adapter_for_health_systems_keeps_the_contract(url: str) -> None:
    cases = record_cases(outage=lambda: health_system(NOBODY))
    results = run_contract(lambda: health_system(url), cases)
    assert is_fulfilled(results), report(results)
    assert {result.status for result in results} == {Status.PASSED}


def test_the_adapter_for_documents_keeps_the_contract() -> None:
    results = run_contract(document_adapter, document_cases())
    assert is_fulfilled(results), report(results)
    skipped = {result.check for result in results if result.status is Status.NOT_APPLICABLE}
    assert skipped == {Check.OUTAGE}


def test_the_report_has_a_line_per_check_and_names_nobody() -> None:
    results = run_contract(document_adapter, document_cases())
    lines = report(results).splitlines()
    assert [line.split()[-1] for line in lines] == [check.value for check in Check]
    assert repr(document_cases()) == "Cases(…)"


@pytest.mark.parametrize("left_out", ["people", "unknown_identifications", "unknown_references"])
def test_too_few_cases_are_refused(left_out: str) -> None:
    less: dict[str, Any] = {left_out: ()}
    with pytest.raises(ValueError, match=r"two people|an unknown"):
        replace(document_cases(), **less)


# --- adapters that break it ---------------------------------------------------------------


def small(cases: Cases) -> Cases:
    """Less patience, so that slow adapters do not make slow tests."""
    return replace(cases, seconds=2.5)


@pytest.mark.parametrize("broken", list(BROKEN), ids=lambda kind: kind.__name__)
def test_a_broken_rule_fails_its_own_check(broken: type[Twin], url: str) -> None:
    results = run_contract(lambda: broken(health_system(url)), small(record_cases()))
    assert failing(results) == {BROKEN[broken]}, report(results)
    assert not is_fulfilled(results)
    named = {result.detail for result in results if result.status is Status.BLOCKED}
    assert named <= {f"see {BROKEN[broken].value}"}, report(results)


def test_the_twin_of_the_broken_ones_keeps_the_contract(url: str) -> None:
    results = run_contract(lambda: Twin(health_system(url)), small(record_cases()))
    assert is_fulfilled(results), report(results)


def test_an_outage_that_becomes_a_refusal_fails(url: str) -> None:
    cases = record_cases(outage=lambda: RefusesInAnOutage(health_system(NOBODY)))
    assert failing(run_contract(lambda: health_system(url), cases)) == {Check.OUTAGE}


def test_every_check_has_an_adapter_that_fails_it() -> None:
    assert {*BROKEN.values(), Check.OUTAGE} == set(Check)
