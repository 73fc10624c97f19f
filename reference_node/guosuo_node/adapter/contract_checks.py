"""The single checks of the contract: judging what was seen, and a few that ask on their own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Final, NoReturn

from guosuo.errors import PeerError
from guosuo.evidence.facts import EvidenceFact
from guosuo.evidence.person import Identified, check_person
from guosuo.roles.enrolment import RefusalCode
from guosuo_node.adapter.contract_cases import AdapterFactory, Cases, Check, Run, Status
from guosuo_node.adapter.interface import Adapter, Evidence, Refusal, Refused, Unavailable
from guosuo_node.adapter.observing import Seen, Watch, run, time_zone

_CANCEL_SECONDS: Final = 2.0
_LONGEST_BLOCK: Final = 0.5
_SHORTEST_SECRET: Final = 4
"""Characters: shorter names turn up by chance."""
_ZONES: Final = ("Asia/Shanghai", "America/St_Johns")


class Failed(Exception):  # noqa: N818 - an outcome rather than an error
    """The rule is broken; the text says how, and names nobody."""


class Blocked(Exception):  # noqa: N818 - an outcome rather than an error
    """The rule of the check that is named was broken, so this one cannot judge."""


def _fail(detail: str) -> NoReturn:
    raise Failed(detail)


def _sound(seen: Seen) -> Seen:
    """What can be judged at all; else the check that says why not."""
    if seen.late:
        raise Blocked(Check.IN_TIME)
    if not seen.is_closed_list:
        raise Blocked(Check.CLOSED_LIST)
    if not seen.is_within_bounds:
        raise Blocked(Check.BOUNDED)
    return seen


def _everything(runs: list[Run]) -> Iterator[Seen]:
    for asked in runs:
        yield from asked.seen


def _identified(seen: Seen) -> Identified:
    answer = _sound(seen).answer
    if not isinstance(answer, Identified):
        raise Blocked(Check.IDENTIFIES)
    return answer


def _given(seen: Seen) -> Evidence:
    answer = _sound(seen).answer
    if not isinstance(answer, Evidence):
        raise Blocked(Check.GIVES_EVIDENCE)
    return answer


def _documents(asked: Run) -> dict[tuple[int, int], list[Seen]]:
    for answers in asked.people:
        _identified(answers[0])
    return asked.documents


def _content(fact: EvidenceFact) -> tuple[object, ...]:
    """A fact without its digest."""
    return (fact.shape, fact.dates)


def _closed_list(_f: AdapterFactory, _c: Cases, runs: list[Run]) -> None:
    for seen in _everything(runs):
        if not seen.is_closed_list:
            _fail(f"an error of class {type(seen.error).__name__}")


def _in_time(_f: AdapterFactory, cases: Cases, runs: list[Run]) -> None:
    late = sum(seen.late for seen in _everything(runs))
    if late:
        _fail(f"{late} questions took longer than {cases.seconds} s")


def _bounded(_f: AdapterFactory, _c: Cases, runs: list[Run]) -> None:
    for seen in _everything(runs):
        if seen.is_closed_list and not seen.is_within_bounds:
            _fail("an answer of another type, or one that is too large")


def _event_loop(_f: AdapterFactory, _c: Cases, runs: list[Run]) -> None:
    # In both runs, or else the machine was busy.
    block = min(asked.longest_block for asked in runs)
    if block > _LONGEST_BLOCK:
        _fail(f"the event loop stood still for {block:.1f} s: wait with await")


def _silent(_f: AdapterFactory, cases: Cases, runs: list[Run]) -> None:
    words = set(cases.secrets)
    for person in cases.people:
        words |= {person.identification, person.again or ""}
        words |= {document.reference.decode(errors="replace") for document in person.documents}
    for answers in runs[0].people:
        answer = answers[0].answer
        if isinstance(answer, Identified) and answers[0].is_within_bounds:
            named = answer.person
            words |= {named.fnt, named.gnt, named.fn, named.gn, named.dob}
            words.add(answer.record.decode(errors="replace"))
    words = {word for word in words if len(word) >= _SHORTEST_SECRET}
    texts = [seen.spoken for seen in _everything(runs)] + [asked.looks for asked in runs]
    if any(word in text for text in texts for word in words):
        _fail("an error, an answer, a log line or a print shows something of a person")


def _identifies(_f: AdapterFactory, _c: Cases, runs: list[Run]) -> None:
    for answers in runs[0].people:
        answer = _sound(answers[0]).answer
        if not isinstance(answer, Identified):
            _fail("a known identification identifies nobody")
        person = answer.person
        if not (person.fnt + person.gnt).strip("< ") or len(person.dob) != len("2000-01-01"):
            _fail("a person without a transliterated name or without a full birth date")


def _same_person(_f: AdapterFactory, _c: Cases, runs: list[Run]) -> None:
    for first, second in zip(runs[0].people, runs[1].people, strict=True):
        if len({_identified(seen) for seen in (*first, *second)}) > 1:
            _fail("one person, identified again, is another one")


def _different_people(_f: AdapterFactory, cases: Cases, runs: list[Run]) -> None:
    records = {_identified(answers[0]).record for answers in runs[0].people}
    if len(records) < len(cases.people):
        _fail("two people have one record")


def _unknown_person(_f: AdapterFactory, _c: Cases, runs: list[Run]) -> None:
    for seen in (seen for asked in runs for seen in asked.strangers):
        refused = _sound(seen).refused
        if refused is None or refused.refusal is not Refusal.NOT_IDENTIFIED:
            _fail("an unknown identification is not refused as not-identified")


def _gives_evidence(_f: AdapterFactory, cases: Cases, runs: list[Run]) -> None:
    for (index, number), answers in _documents(runs[0]).items():
        evidence = _sound(answers[0]).answer
        if not isinstance(evidence, Evidence):
            _fail("a person's own document gives no evidence")
        expected = cases.people[index].documents[number]
        fact = evidence.fact
        if (fact.kind, fact.product) != (expected.kind, expected.product):
            _fail("a fact of another kind or product than expected")
        if fact.event_time != expected.event_time:
            _fail(f"an event {fact.event_time - expected.event_time} s from the one expected")
        try:
            check_person(_identified(runs[0].people[index][0]), evidence.holder)
        except PeerError:
            _fail("a person's own document names somebody else")


def _repeats(runs: list[Run]) -> Iterator[list[Evidence]]:
    """Per document, what was given each time."""
    for place, answers in _documents(runs[0]).items():
        again = _documents(runs[1]).get(place, [])
        yield [_given(seen) for seen in (*answers, *again)]


def _same_fact(_f: AdapterFactory, _c: Cases, runs: list[Run]) -> None:
    for given in _repeats(runs):
        if len({(_content(evidence.fact), evidence.holder) for evidence in given}) > 1:
            _fail("one document, asked about again, gives another fact")


def _same_digest(_f: AdapterFactory, _c: Cases, runs: list[Run]) -> None:
    for given in _repeats(runs):
        if len({evidence.fact.digest for evidence in given}) > 1:
            _fail("one document has several digests")


def _own_digest(_f: AdapterFactory, _c: Cases, runs: list[Run]) -> None:
    firsts = [given[0].fact.digest for given in _repeats(runs)]
    if len(set(firsts)) < len(firsts):
        _fail("two documents have one digest")


def _other_person(_f: AdapterFactory, _c: Cases, runs: list[Run]) -> None:
    _documents(runs[0])
    for identified, seen in (pair for asked in runs for pair in asked.foreign):
        answer = _sound(seen).answer
        if not isinstance(answer, Evidence):
            if seen.refused is None:
                _fail("somebody else's document is not refused")
            continue
        with contextlib.suppress(PeerError):
            check_person(identified, answer.holder)
            _fail("somebody else's document is taken for this person's")


def _unknown_record(_f: AdapterFactory, _c: Cases, runs: list[Run]) -> None:
    _documents(runs[0])
    for seen in (seen for asked in runs for seen in asked.nothing):
        refused = _sound(seen).refused
        if refused is None or refused.code is not RefusalCode.EVIDENCE:
            _fail("a reference to nothing is not refused")


# --- checks that ask on their own -----------------------------------------------------------


async def _let_go(adapter: Adapter, cases: Cases) -> None:
    """Close; what that does wrong is for `CLOSES`."""
    with contextlib.suppress(Exception):
        await asyncio.wait_for(adapter.close(), cases.seconds)


async def _closing(
    adapter: Adapter, cases: Cases, work: Callable[[Adapter], Awaitable[None]]
) -> None:
    try:
        await work(adapter)
    finally:
        await _let_go(adapter, cases)


def _first_facts(runs: list[Run]) -> dict[tuple[int, int], tuple[object, ...]]:
    return {at: _content(_given(seen[0]).fact) for at, seen in _documents(runs[0]).items()}


async def _ask_all(
    adapter: Adapter, cases: Cases, *, at_once: bool
) -> dict[tuple[int, int], tuple[Identified, Evidence]]:
    watch = Watch(adapter, cases.now, cases.seconds, listen=False)

    async def ask(index: int, number: int) -> tuple[Identified, Evidence]:
        person = cases.people[index]
        identified = _identified(await watch.identify(person.identification))
        return identified, _given(
            await watch.evidence(identified, person.documents[number].reference)
        )

    places = [(i, n) for i, person in enumerate(cases.people) for n in range(len(person.documents))]
    try:
        if at_once:
            answers = await asyncio.gather(*(ask(*place) for place in places))
        else:
            answers = [await ask(*place) for place in places]
    finally:
        await _let_go(adapter, cases)
    return dict(zip(places, answers, strict=True))


def _time_zone(factory: AdapterFactory, cases: Cases, runs: list[Run]) -> Status | None:
    expected = _first_facts(runs)
    for name in _ZONES:
        with time_zone(name) as possible:
            if not possible:
                return Status.NOT_APPLICABLE
            answers = run(_ask_all(factory(), cases, at_once=False))
        if {at: _content(evidence.fact) for at, (_, evidence) in answers.items()} != expected:
            _fail("in another time zone the same document gives another fact")
    return None


def _at_once(factory: AdapterFactory, cases: Cases, runs: list[Run]) -> None:
    expected = _first_facts(runs)
    with time_zone("UTC"):
        answers = run(_ask_all(factory(), cases, at_once=True))
    for (index, number), (identified, evidence) in answers.items():
        alone = _identified(runs[0].people[index][0])
        if identified.person != alone.person or _content(evidence.fact) != expected[index, number]:
            _fail("asked many things at one time, it confuses the answers")


def _cancelled(factory: AdapterFactory, cases: Cases, runs: list[Run]) -> None:
    first = _identified(runs[0].people[0][0])
    person = cases.people[0]

    async def work(adapter: Adapter) -> None:
        watch = Watch(adapter, cases.now, cases.seconds)
        for pause in (0.0, 0.001):
            tasks = {
                asyncio.ensure_future(adapter.identify(person.identification, now=cases.now)),
                asyncio.ensure_future(
                    adapter.evidence(first, person.documents[0].reference, now=cases.now)
                ),
            }
            await asyncio.sleep(pause)
            for task in tasks:
                task.cancel()
            done, left = await asyncio.wait(tasks, timeout=_CANCEL_SECONDS)
            for task in done:
                error = None if task.cancelled() else task.exception()
                if not isinstance(error, Refused | Unavailable | None):
                    _fail("a question that is cancelled ends with an error")
            if left:
                _fail(f"a question that is cancelled goes on for {_CANCEL_SECONDS} s and more")
        if _identified(await watch.identify(person.identification)).person != first.person:
            _fail("after a question was cancelled, the next answer is another one")

    run(_closing(factory(), cases, work))


def _closes(factory: AdapterFactory, cases: Cases, runs: list[Run]) -> None:
    first = _identified(runs[0].people[0][0])
    person = cases.people[0]

    async def work(adapter: Adapter) -> None:
        watch = Watch(adapter, cases.now, cases.seconds)
        before = asyncio.all_tasks()
        _identified(await watch.identify(person.identification))
        try:
            for _ in range(2):
                await asyncio.wait_for(adapter.close(), cases.seconds)
        except Exception as error:  # noqa: BLE001 - whatever an adapter comes up with
            _fail(f"close fails with an error of class {type(error).__name__}")
        for seen in (
            await watch.identify(person.identification),
            await watch.evidence(first, person.documents[0].reference),
        ):
            if not isinstance(seen.error, Unavailable):
                _fail("a closed adapter still answers, or refuses")
        if asyncio.all_tasks() - before:
            _fail("a closed adapter leaves tasks behind")

    run(_closing(factory(), cases, work))


def _outage(_f: AdapterFactory, cases: Cases, _r: list[Run]) -> Status | None:
    factory = cases.outage
    if factory is None:
        return Status.NOT_APPLICABLE

    async def work(adapter: Adapter) -> None:
        watch = Watch(adapter, cases.now, cases.seconds)
        seen = _sound(await watch.identify(cases.people[0].identification))
        if isinstance(seen.error, Refused):
            _fail("an outage becomes a refusal")
        if not isinstance(seen.error, Unavailable):
            _fail("an answer without a system")

    run(_closing(factory(), cases, work))
    return None


CHECKS: Final[dict[Check, Callable[[AdapterFactory, Cases, list[Run]], Status | None]]] = {
    Check.CLOSED_LIST: _closed_list,
    Check.IN_TIME: _in_time,
    Check.BOUNDED: _bounded,
    Check.EVENT_LOOP: _event_loop,
    Check.SILENT: _silent,
    Check.IDENTIFIES: _identifies,
    Check.SAME_PERSON: _same_person,
    Check.DIFFERENT_PEOPLE: _different_people,
    Check.UNKNOWN_PERSON: _unknown_person,
    Check.GIVES_EVIDENCE: _gives_evidence,
    Check.SAME_FACT: _same_fact,
    Check.SAME_DIGEST: _same_digest,
    Check.OWN_DIGEST: _own_digest,
    Check.OTHER_PERSON: _other_person,
    Check.UNKNOWN_RECORD: _unknown_record,
    Check.TIME_ZONE: _time_zone,
    Check.AT_ONCE: _at_once,
    Check.CANCELLED: _cancelled,
    Check.CLOSES: _closes,
    Check.OUTAGE: _outage,
}
