"""The contract of adapters: what each of them must do, as checks that anybody can run.

    results = run_contract(make_my_adapter, cases)
    print(report(results))

`cases` name at least two people of a test system, never real ones. The checks speak to the
adapter alone, without the desk in front of it, and need no test framework. A check that
cannot judge because another one's rule was broken is `BLOCKED` and names that one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final

from guosuo.evidence.person import Identified
from guosuo_node.adapter.contract_cases import (
    AdapterFactory,
    Cases,
    Check,
    Document,
    Result,
    Run,
    Status,
    TestPerson,
)
from guosuo_node.adapter.contract_checks import CHECKS, Blocked, Failed
from guosuo_node.adapter.interface import Adapter
from guosuo_node.adapter.observing import Watch, run, time_zone

__all__ = [
    "AdapterFactory",
    "Cases",
    "Check",
    "Document",
    "Result",
    "Status",
    "TestPerson",
    "is_fulfilled",
    "report",
    "run_contract",
]

_STRANGE_IDENTIFICATIONS: Final = (
    "?",
    "\x00",
    "a\r\nHost: b",
    "../../etc/passwd",
    "\ud800",
    "%n%s",
)
_STRANGE_REFERENCES: Final = (
    *(b"?", b"\x00", b"\xff\xfe", b"a\r\nHost: b", b"../../etc/passwd"),
    *(b"HC1:", b"{", b"9" * 8192),
)


def run_contract(factory: AdapterFactory, cases: Cases) -> list[Result]:
    """Every check once, in the order of `Check`."""
    with time_zone("UTC"):
        runs = [run(_ask_everything(factory(), cases)) for _ in range(2)]
    return [_result(check, factory, cases, runs) for check in Check]


def is_fulfilled(results: Sequence[Result]) -> bool:
    """Whether the adapter may be used: everything that applies has passed."""
    return all(result.status in {Status.PASSED, Status.NOT_APPLICABLE} for result in results)


def report(results: Sequence[Result]) -> str:
    """One line per check."""
    return "\n".join(
        f"{x.status.value:<14} {x.check.value:<17} {x.detail}".rstrip() for x in results
    )


async def _ask_everything(adapter: Adapter, cases: Cases) -> Run:
    watch = Watch(adapter, cases.now, cases.seconds)
    asked = Run(looks=repr(adapter))
    known: list[Identified | None] = []
    for person in cases.people:
        ways = [person.identification, person.identification]
        ways += [person.again] if person.again is not None else []
        answers = [await watch.identify(way) for way in ways]
        asked.people.append(answers)
        answer = answers[0].answer
        usable = isinstance(answer, Identified) and answers[0].is_within_bounds
        known.append(answer if isinstance(answer, Identified) and usable else None)
    for stranger in (*cases.unknown_identifications, *_STRANGE_IDENTIFICATIONS):
        asked.strangers.append(await watch.identify(stranger))
    for index, (person, identified) in enumerate(zip(cases.people, known, strict=True)):
        if identified is None:
            continue
        for number, document in enumerate(person.documents):
            asked.documents[index, number] = [
                await watch.evidence(identified, document.reference) for _ in range(2)
            ]
        other = cases.people[index - 1]
        for document in other.documents:
            asked.foreign.append((identified, await watch.evidence(identified, document.reference)))
    if known[0] is not None:
        for reference in (*cases.unknown_references, *_STRANGE_REFERENCES):
            asked.nothing.append(await watch.evidence(known[0], reference))
    with contextlib.suppress(Exception):  # what closing does wrong is for `CLOSES`
        await asyncio.wait_for(adapter.close(), cases.seconds)
    asked.seen, asked.longest_block = watch.seen, watch.longest_block
    return asked


def _result(check: Check, factory: AdapterFactory, cases: Cases, runs: list[Run]) -> Result:
    try:
        status = CHECKS[check](factory, cases, runs)
    except Failed as failed:
        return Result(check, Status.FAILED, str(failed))
    except Blocked as blocked:
        return Result(check, Status.BLOCKED, f"see {blocked}")
    return Result(check, status or Status.PASSED)
