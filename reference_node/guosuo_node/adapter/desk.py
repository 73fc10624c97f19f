"""The counter's desk: asks an adapter, and believes nothing of it that is out of bounds.

An adapter is a province's own code in the node's process. Whatever it does (hang, swallow
its cancellation, raise something with a name in it, answer with megabytes), an enrolment
ends in time with a person and a fact, with `Refused`, or with `Unavailable`, and no text
of the adapter goes any further.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from guosuo.errors import PeerError
from guosuo.evidence.facts import EvidenceFact
from guosuo.evidence.payload import MAX_TEXT, Person
from guosuo.evidence.person import Identified, check_person
from guosuo.evidence.private import Private
from guosuo_node.adapter.interface import Adapter, Cause, Evidence, Refusal, Refused, Unavailable

Failure = Callable[[Cause, str], None]
"""Told of each `Unavailable`: its cause, and the class of what the adapter raised, or ""."""

T = TypeVar("T")

_LONGEST_CLASS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of everything that passes the desk."""

    identification: int = 4096
    """Characters."""
    reference: int = 8192
    """Octets; the longest QR text of a certificate has 4296."""
    record: int = 256
    """Octets of a region's own identifier of a person."""
    identify_seconds: float = 5.0
    evidence_seconds: float = 10.0
    at_once: int = 64
    """Questions at one time, with those that were given up but have not ended yet."""


@dataclass(frozen=True, slots=True, repr=False)
class Examined(Private):
    """A person with a document of his own: what `Issuer.enrol` asks for."""

    record: bytes
    fact: EvidenceFact


@dataclass(slots=True)
class Desk:
    """One adapter behind its bounds."""

    adapter: Adapter
    limits: Limits = field(default_factory=Limits)
    failed: Failure | None = None
    _busy: int = field(default=0, init=False)

    async def examine(self, identification: str, reference: bytes, *, now: int) -> Examined:
        """The person and the fact, if the evidence is this person's (GS-ENROL-8).

        1. Identification and reference are within bounds (`NOT_IDENTIFIED`, `NO_SUCH_RECORD`).
        2. The adapter identifies a person, in time.
        3. Its answer is within bounds (`BAD_ANSWER`).
        4. The adapter gives evidence, in time.
        5. Its answer is within bounds (`BAD_ANSWER`).
        6. The evidence names this person (`OTHER_PERSON`).

        Raises `Refused` or `Unavailable`, and nothing else.
        """
        # 1.
        if not 0 < len(identification) <= self.limits.identification:
            raise Refused(Refusal.NOT_IDENTIFIED)
        if not 0 < len(reference) <= self.limits.reference:
            raise Refused(Refusal.NO_SUCH_RECORD)
        # 2. and 3.
        identified = await self.identify(identification, now=now)
        # 4.
        evidence = await self._ask(
            lambda: self.adapter.evidence(identified, reference, now=now),
            self.limits.evidence_seconds,
        )
        # 5.
        if type(evidence) is not Evidence or type(evidence.fact) is not EvidenceFact:
            raise self._unavailable(Cause.BAD_ANSWER)
        if not is_bounded(evidence.holder):
            raise self._unavailable(Cause.BAD_ANSWER)
        # 6.
        try:
            check_person(identified, evidence.holder)
        except PeerError:
            raise Refused(Refusal.OTHER_PERSON) from None
        return Examined(identified.record, evidence.fact)

    async def identify(self, identification: str, *, now: int) -> Identified:
        """The person alone: steps 2 and 3."""
        identified = await self._ask(
            lambda: self.adapter.identify(identification, now=now), self.limits.identify_seconds
        )
        if type(identified) is not Identified or not is_bounded(identified.person):
            raise self._unavailable(Cause.BAD_ANSWER)
        record = identified.record
        if type(record) is not bytes or not 0 < len(record) <= self.limits.record:
            raise self._unavailable(Cause.BAD_ANSWER)
        return identified

    async def close(self) -> None:
        """Close the adapter, whatever it says to that."""
        try:
            await self._ask(self.adapter.close, self.limits.identify_seconds)
        except (Refused, Unavailable):
            return

    async def _ask(self, question: Callable[[], Awaitable[T]], seconds: float) -> T:
        if self._busy >= self.limits.at_once:
            raise self._unavailable(Cause.OVERLOADED)
        self._busy += 1
        task = asyncio.create_task(_answer(question))
        task.add_done_callback(self._ended)
        try:
            # Not wait_for: that would wait for an adapter that swallows its cancellation.
            await asyncio.wait({task}, timeout=seconds)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if not task.done():
            task.cancel()
            raise self._unavailable(Cause.TIMEOUT)
        if task.cancelled():
            raise self._unavailable(Cause.FAILED, "CancelledError")
        error = task.exception()
        match error:
            case None:
                return task.result()
            case Refused():
                # A new one: the adapter's may carry notes, arguments and a chain of causes.
                raise Refused(error.refusal)
            case Unavailable():
                raise self._unavailable(error.cause)
            case _:
                raise self._unavailable(Cause.FAILED, type(error).__name__)

    def _ended(self, task: asyncio.Task[T]) -> None:
        self._busy -= 1
        if not task.cancelled():
            # Marks it as seen; else the event loop would log it, with its text.
            task.exception()

    def _unavailable(self, cause: Cause, error: str = "") -> Unavailable:
        if self.failed is not None:
            self.failed(cause, error[:_LONGEST_CLASS])
        return Unavailable(cause)


async def _answer(question: Callable[[], Awaitable[T]]) -> T:
    try:
        return await question()
    except SystemExit:
        # Would end the node.
        raise Unavailable(Cause.FAILED) from None


def is_bounded(person: object) -> bool:
    """Whether this is a person whose texts a document may have."""
    if type(person) is not Person:
        return False
    texts = (person.fnt, person.gnt, person.fn, person.gn, person.dob)
    return all(type(text) is str and len(text) <= MAX_TEXT for text in texts)
