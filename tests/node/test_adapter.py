"""Desk, counter and documents at work."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass, replace
from typing import Any

import pytest

from guosuo.curve.entropy import Entropy
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.evidence.facts import EvidenceKind, fact_from_dcc
from guosuo.evidence.person import Identified, check_holder, check_person
from guosuo.evidence.registry import NAAT
from guosuo.roles.enrolment import RefusalCode
from guosuo_node.adapter.counter import MAX_SECONDS, CounterCheck, Statement, sign_statement
from guosuo_node.adapter.desk import Desk, Examined, Limits
from guosuo_node.adapter.interface import (
    CODES,
    Adapter,
    Cause,
    Evidence,
    Refusal,
    Refused,
    Unavailable,
)
from tests.support.adapters import (
    COUNTER,
    NOW,
    REGION,
    certificate,
    document_adapter,
    qr_text,
    statement,
)


def examine(desk: Desk, identification: str, reference: bytes) -> Examined:
    return asyncio.run(desk.examine(identification, reference, now=NOW))


def refusal(desk: Desk, identification: str, reference: bytes) -> Refusal:
    with pytest.raises(Refused) as refused:
        examine(desk, identification, reference)
    assert refused.value.code is CODES[refused.value.refusal]
    return refused.value.refusal


# --- refusals -----------------------------------------------------------------------------


def test_every_refusal_has_a_code_of_the_protocol() -> None:
    assert set(CODES) == set(Refusal)
    assert set(CODES.values()) == {RefusalCode.PERSON_MISMATCH, RefusalCode.EVIDENCE}
    for kind in Refusal:
        assert isinstance(Refused(kind), PeerError)
        assert Refused(kind).reason.value == Refused(kind).code.value
        assert kind.value in str(Refused(kind))


# --- documents ----------------------------------------------------------------------------


def test_a_citizen_with_his_own_certificate_is_examined() -> None:
    found = examine(Desk(document_adapter()), statement("LT-2"), qr_text("LT-2").encode())
    assert found.fact == fact_from_dcc(certificate("LT-2"))
    assert (found.fact.kind, found.fact.product) == (EvidenceKind.TEST, NAAT)
    assert found.record == f"person {certificate('LT-2').holder.dob}".encode()
    assert repr(found) == "Examined(…)"


@pytest.mark.parametrize(
    ("holder", "document", "expected"),
    [
        ("HR-3", "LT-1", Refusal.OTHER_PERSON),
        ("HR-3", "bad-signature", Refusal.NOT_VERIFIED),
        ("LT-1", "bad-PL-10", Refusal.NOT_VERIFIED),
        ("LT-1", "bad-CO23", Refusal.NOT_VERIFIED),
        ("HR-3", "HR-3", None),
    ],
)
def test_certificates_of_others_and_bad_ones_are_refused(
    holder: str, document: str, expected: Refusal | None
) -> None:
    desk, text = Desk(document_adapter()), qr_text(document).encode()
    if expected is None:
        assert examine(desk, statement(holder), text).record
    else:
        assert refusal(desk, statement(holder), text) is expected


@pytest.mark.parametrize("reference", [b"", b"x" * 8193, b"\xff", b"HC1:", b"HC1:\xc3\xa4"])
def test_what_is_no_certificate_is_refused(reference: bytes) -> None:
    expected = Refusal.NOT_VERIFIED if 0 < len(reference) <= 8192 else Refusal.NO_SUCH_RECORD
    assert refusal(Desk(document_adapter()), statement("LT-1"), reference) is expected


def test_names_are_compared_by_one_rule() -> None:
    """GS-ENROL-8 for certificates and for everything else."""
    document = certificate("LT-1")
    same = Identified(b"1", replace(document.holder, fnt=document.holder.fnt.lower()))
    check_holder(same, document)
    check_person(same, document.holder)
    for changed in ({"gnt": "OTHER"}, {"dob": ""}, {"dob": document.holder.dob[:4]}):
        with pytest.raises(PeerError) as refused:
            check_person(Identified(b"1", replace(document.holder, **changed)), document.holder)
        assert refused.value.reason is Reason.PERSON_MISMATCH


# --- the counter --------------------------------------------------------------------------


def identify(text: str, *, now: int = NOW, region: str = REGION) -> Identified:
    check = CounterCheck(region, [bytes(32 * [1]), bytes(COUNTER.verify_key)])
    return asyncio.run(check.identify(text, now=now))


def test_a_statement_identifies_while_it_lives() -> None:
    text = statement("LT-1")
    for moment in (NOW - 10, NOW, NOW + 599):
        assert identify(text, now=moment).person.dob == certificate("LT-1").holder.dob
    for moment in (NOW - 11, NOW + 600):
        with pytest.raises(Refused):
            identify(text, now=moment)
    with pytest.raises(Refused):
        identify(text, region="110000")


def test_a_statement_that_was_touched_identifies_nobody() -> None:
    text = statement("LT-1")
    identify(text)
    prefix, body, signature = text.split(".")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    tampered = [
        *(text[:i] + letters[letters.find(text[i]) - 1] + text[i + 1 :] for i in range(len(text))),
        *("", ".", "..", prefix, f"{prefix}.{body}", f"{text}.", f"{text}=", f" {text}"),
        f"GSID2.{body}.{signature}",
        f"{prefix}.{signature}.{body}",
        f"{prefix}..{signature}",
        text + "A" * 4096,
        text.replace("G", "\u0047\u0301"),
    ]
    for wrong in tampered:
        with pytest.raises(Refused) as refused:
            identify(wrong)
        assert refused.value.refusal is Refusal.NOT_IDENTIFIED


def test_a_signature_on_something_else_identifies_nobody() -> None:
    def text(body: bytes) -> str:
        signed = COUNTER.sign(b"guosuo/counter-identification/1\n" + body).signature
        parts = (base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (body, signed))
        return ".".join(("GSID1", *parts))

    good = base64.urlsafe_b64decode(statement("LT-1").split(".")[1] + "==")
    identify(text(good))
    later = Statement.from_value({**Statement.decode(good).to_value(), "expires": NOW + 86_400})
    nameless = Statement.from_value(
        {**Statement.decode(good).to_value(), "family": "<", "given": ""}
    )
    for wrong in (b"", b"\xa0", good + b"\x00", later.encode(), nameless.encode()):
        with pytest.raises(Refused):
            identify(text(wrong))


def test_a_counter_makes_no_statement_for_long() -> None:
    statement("LT-1", issued=NOW, expires=NOW + MAX_SECONDS)
    for expires in (NOW + MAX_SECONDS + 1, NOW, NOW - 1):
        with pytest.raises(CallerError):
            statement("LT-1", issued=NOW, expires=expires)


def test_statements_and_keys_show_nothing() -> None:
    body = base64.urlsafe_b64decode(statement("LT-1").split(".")[1] + "==")
    assert repr(Statement.decode(body)) == "Statement(...)"
    for keys in ([], [b"short"], [bytes(31)]):
        with pytest.raises(CallerError):
            CounterCheck(REGION, keys)
    assert sign_statement(Statement.decode(body), COUNTER) == statement("LT-1")


# --- the desk -----------------------------------------------------------------------------


@dataclass
class Scripted:
    """An adapter that does what it is told."""

    who: Any = None
    what: Any = None

    async def identify(self, identification: str, *, now: int) -> Identified:
        del identification, now
        result: Identified = await play(self.who)
        return result

    async def evidence(self, identified: Identified, reference: bytes, *, now: int) -> Evidence:
        del identified, reference, now
        result: Evidence = await play(self.what)
        return result

    async def close(self) -> None:
        await play(self.who)


async def play(script: Any) -> Any:  # noqa: ANN401 - of any type on purpose
    if isinstance(script, BaseException):
        raise script
    return await script() if callable(script) else script


HOLDER = certificate("LT-1").holder
PERSON = Identified(b"record", HOLDER)
EVIDENCE = Evidence(fact_from_dcc(certificate("LT-1")), HOLDER)
SHORT = Limits(identify_seconds=0.1, evidence_seconds=0.1, at_once=2)


async def deaf() -> None:
    """Goes on for a while after it is told to stop."""
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        await asyncio.sleep(0.4)


async def endless() -> None:
    await asyncio.sleep(60)


async def cancels() -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("adapter", "cause", "named"),
    [
        (Scripted(KeyError("MUSTERMANN")), Cause.FAILED, "KeyError"),
        (Scripted(PERSON, KeyError("MUSTERMANN")), Cause.FAILED, "KeyError"),
        (Scripted(PeerError(Reason.EVIDENCE, "MUSTERMANN")), Cause.FAILED, "PeerError"),
        (Scripted(SystemExit(1)), Cause.FAILED, ""),
        (Scripted(cancels), Cause.FAILED, "CancelledError"),
        (Scripted(ExceptionGroup("MUSTERMANN", [KeyError()])), Cause.FAILED, "ExceptionGroup"),
        (Scripted(endless), Cause.TIMEOUT, ""),
        (Scripted(deaf), Cause.TIMEOUT, ""),
        (Scripted(PERSON, endless), Cause.TIMEOUT, ""),
        (Scripted(Unavailable(Cause.DENIED)), Cause.DENIED, ""),
        (Scripted(None), Cause.BAD_ANSWER, ""),
        (Scripted(EVIDENCE), Cause.BAD_ANSWER, ""),
        (Scripted(Identified(b"", HOLDER)), Cause.BAD_ANSWER, ""),
        (Scripted(Identified(bytes(257), HOLDER)), Cause.BAD_ANSWER, ""),
        (Scripted(Identified("text", HOLDER)), Cause.BAD_ANSWER, ""),  # type: ignore[arg-type]
        (Scripted(Identified(b"1", replace(HOLDER, gn="x" * 81))), Cause.BAD_ANSWER, ""),
        (Scripted(PERSON, PERSON), Cause.BAD_ANSWER, ""),
        (Scripted(PERSON, Evidence(None, HOLDER)), Cause.BAD_ANSWER, ""),  # type: ignore[arg-type]
        (Scripted(PERSON, Evidence(EVIDENCE.fact, None)), Cause.BAD_ANSWER, ""),  # type: ignore[arg-type]
    ],
)
def test_whatever_an_adapter_does_the_desk_says_one_of_few_things(
    adapter: Adapter, cause: Cause, named: str
) -> None:
    told: list[tuple[Cause, str]] = []
    desk = Desk(adapter, SHORT, lambda *what: told.append(what))

    async def work() -> None:
        with pytest.raises(Unavailable) as failed:
            await desk.examine("anybody", b"anything", now=NOW)
        assert failed.value.cause is cause
        assert "MUSTERMANN" not in repr(failed.value) + str(failed.value)
        assert failed.value.__cause__ is None
        assert failed.value.__context__ is None
        await asyncio.sleep(0.5 if adapter == Scripted(deaf) else 0)

    asyncio.run(work())
    assert told == [(cause, named)]


def test_the_twin_that_answers_well_is_examined() -> None:
    assert examine(Desk(Scripted(PERSON, EVIDENCE), SHORT), "x", b"x") == Examined(
        b"record", EVIDENCE.fact
    )


def test_a_refusal_passes_without_its_baggage() -> None:
    baggage = Refused(Refusal.NO_SUCH_RECORD)
    baggage.add_note("MUSTERMANN")
    baggage.args = ("MUSTERMANN",)
    with pytest.raises(Refused) as refused:
        examine(Desk(Scripted(PERSON, baggage)), "x", b"x")
    assert refused.value is not baggage
    assert not hasattr(refused.value, "__notes__")
    assert "MUSTERMANN" not in str(refused.value)


@pytest.mark.parametrize("identification", ["", "x" * 4097])
def test_an_identification_out_of_bounds_is_not_even_asked(identification: str) -> None:
    desk = Desk(Scripted(KeyError()))
    assert refusal(desk, identification, b"x") is Refusal.NOT_IDENTIFIED


def test_questions_that_do_not_end_count_until_they_do() -> None:
    desk = Desk(Scripted(deaf), SHORT)

    async def cause() -> Cause:
        with pytest.raises(Unavailable) as failed:
            await desk.examine("x", b"x", now=NOW)
        return failed.value.cause

    async def work() -> list[Cause]:
        first = await asyncio.gather(cause(), cause(), cause())
        again = await cause()
        await asyncio.sleep(0.6)
        last = await cause()
        await asyncio.sleep(0.5)
        return [*first, again, last]

    late, full = Cause.TIMEOUT, Cause.OVERLOADED
    assert asyncio.run(work()) == [late, late, full, full, late]


def test_a_caller_that_goes_away_cancels_the_question() -> None:
    ended = False

    async def watched() -> None:
        nonlocal ended
        try:
            await asyncio.sleep(60)
        finally:
            ended = True

    async def work() -> None:
        desk = Desk(Scripted(watched))
        task = asyncio.create_task(desk.examine("x", b"x", now=NOW))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)

    asyncio.run(work())
    assert ended


def test_closing_never_fails() -> None:
    for script in (KeyError("x"), endless, None):
        asyncio.run(Desk(Scripted(script), SHORT).close())


def test_what_the_desk_gives_enrols() -> None:
    """The two halves fit: an examined person gets a slot."""
    from tests.support.world import World  # noqa: PLC0415 - takes a while to import

    world = World(min_regions=2)
    region = world.regions[REGION]
    found = examine(Desk(Scripted(PERSON, EVIDENCE)), "x", b"x")
    fact = replace(found.fact, event_time=world.now - world.now % 86_400 - 86_400 * 30)
    wallet = world.wallet()
    offer = region.issuer.offer(world.now, Entropy(world.entropy.octets))
    request = wallet.request(REGION, offer, fact, world.now, world.entropy)
    answer = region.issuer.enrol(request, found.record, fact, world.now, world.entropy)
    assert answer.grant is not None
