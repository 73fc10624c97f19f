"""Adapters that break one rule each of the contract, and are honest otherwise."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import time
from collections import Counter
from dataclasses import dataclass, replace

from guosuo.evidence.payload import Person
from guosuo.evidence.person import Identified
from guosuo_node.adapter.contract import (
    Check,
)
from guosuo_node.adapter.interface import (
    Adapter,
    Cause,
    Evidence,
    Refusal,
    Refused,
    Unavailable,
)
from tests.support.adapters import (
    people,
)


@dataclass
class Twin:
    """The honest adapter, for others to break in one place."""

    inner: Adapter

    def __repr__(self) -> str:
        return type(self).__name__

    async def identify(self, identification: str, *, now: int) -> Identified:
        return await self.inner.identify(identification, now=now)

    async def evidence(self, identified: Identified, reference: bytes, *, now: int) -> Evidence:
        return await self.inner.evidence(identified, reference, now=now)

    async def close(self) -> None:
        await self.inner.close()


class ForeignError(Twin):
    """Breaks on what it does not know."""

    async def identify(self, identification: str, *, now: int) -> Identified:
        try:
            return await super().identify(identification, now=now)
        except Refused:
            raise KeyError("no such row") from None


class Exits(Twin):
    """Ends the process on what it does not know."""

    async def evidence(self, identified: Identified, reference: bytes, *, now: int) -> Evidence:
        if reference.startswith(b"\x00"):
            raise SystemExit
        return await super().evidence(identified, reference, now=now)


class Slow(Twin):
    """Looks for unknown people everywhere."""

    async def identify(self, identification: str, *, now: int) -> Identified:
        if identification.startswith("AAAA"):
            await asyncio.sleep(60)
        return await super().identify(identification, now=now)


class Oversized(Twin):
    """Uses a whole file as the identifier of one person."""

    async def identify(self, identification: str, *, now: int) -> Identified:
        found = await super().identify(identification, now=now)
        return Identified(found.record * 1000, found.person)


class LongName(Twin):
    async def identify(self, identification: str, *, now: int) -> Identified:
        found = await super().identify(identification, now=now)
        return Identified(found.record, replace(found.person, fn="x" * 81))


class Untyped(Twin):
    async def evidence(self, identified: Identified, reference: bytes, *, now: int) -> Evidence:
        found = await super().evidence(identified, reference, now=now)
        return {"fact": found.fact}  # type: ignore[return-value]


class Blocking(Twin):
    """Waits without `await`, as a driver for synchronous programs does."""

    async def evidence(self, identified: Identified, reference: bytes, *, now: int) -> Evidence:
        if reference == b"INV-999999-T1":
            time.sleep(0.8)  # noqa: ASYNC251 - that is what is wrong with it
        return await super().evidence(identified, reference, now=now)


class NotesTheName(Twin):
    """Refuses, and says about whom."""

    async def evidence(self, identified: Identified, reference: bytes, *, now: int) -> Evidence:
        try:
            return await super().evidence(identified, reference, now=now)
        except Refused as refused:
            refused.add_note(f"asked by {identified.person.dob}")
            raise


class ChainsTheName(Twin):
    """Refuses because of an error that says about whom."""

    async def evidence(self, identified: Identified, reference: bytes, *, now: int) -> Evidence:
        try:
            return await super().evidence(identified, reference, now=now)
        except Refused:
            pass
        raise Refused(Refusal.NO_SUCH_RECORD) from KeyError(identified.record.decode())


class LogsTheName(Twin):
    async def identify(self, identification: str, *, now: int) -> Identified:
        logging.getLogger("province").debug("looking for %s", identification)
        return await super().identify(identification, now=now)


class Prints(Twin):
    async def evidence(self, identified: Identified, reference: bytes, *, now: int) -> Evidence:
        print(reference)  # noqa: T201 - that is what is wrong with it
        return await super().evidence(identified, reference, now=now)


class ShowsItsToken(Twin):
    def __repr__(self) -> str:
        return "ShowsItsToken(token='a-token-of-the-tests')"


class Forgetful(Twin):
    """Does not find one of the people."""

    async def identify(self, identification: str, *, now: int) -> Identified:
        if identification == people()[1].identification:
            raise Refused(Refusal.NOT_IDENTIFIED)
        return await super().identify(identification, now=now)


class YearOnly(Twin):
    """Knows only the year of a birth; its evidence agrees with that."""

    async def identify(self, identification: str, *, now: int) -> Identified:
        found = await super().identify(identification, now=now)
        return Identified(found.record, replace(found.person, dob=found.person.dob[:4]))


class NewRecord(Twin):
    """Gives people new identifiers each time."""

    async def identify(self, identification: str, *, now: int) -> Identified:
        found = await super().identify(identification, now=now)
        return Identified(found.record + b"/" + secrets.token_hex(4).encode(), found.person)

    async def evidence(self, identified: Identified, reference: bytes, *, now: int) -> Evidence:
        known = Identified(identified.record.partition(b"/")[0], identified.person)
        return await super().evidence(known, reference, now=now)


class OneRecord(Twin):
    """Counts everybody as the same person."""

    def __init__(self, inner: Adapter) -> None:
        super().__init__(inner)
        self.known: dict[Person, bytes] = {}

    async def identify(self, identification: str, *, now: int) -> Identified:
        found = await super().identify(identification, now=now)
        self.known[found.person] = found.record
        return Identified(b"everybody", found.person)

    async def evidence(self, identified: Identified, reference: bytes, *, now: int) -> Evidence:
        record = self.known.get(identified.person, b"")
        return await super().evidence(Identified(record, identified.person), reference, now=now)


class Confident(Twin):
    """Takes a typing error for an outage."""

    async def identify(self, identification: str, *, now: int) -> Identified:
        try:
            return await super().identify(identification, now=now)
        except Refused:
            raise Unavailable(Cause.BAD_ANSWER) from None


class WrongCode(Twin):
    async def identify(self, identification: str, *, now: int) -> Identified:
        try:
            return await super().identify(identification, now=now)
        except Refused:
            raise Refused(Refusal.NO_SUCH_RECORD) from None


class WrongHour(Twin):
    """Takes local time for UTC."""

    async def evidence(self, identified: Identified, reference: bytes, *, now: int) -> Evidence:
        found = await super().evidence(identified, reference, now=now)
        moved = found.fact.event_time + (8 * 3600 if found.fact.event_time % 86_400 else 0)
        return Evidence(replace(found.fact, event_time=moved), found.holder)


class OtherHolder(Twin):
    async def evidence(self, identified: Identified, reference: bytes, *, now: int) -> Evidence:
        found = await super().evidence(identified, reference, now=now)
        return Evidence(found.fact, replace(found.holder, gnt="SOMEBODY<ELSE"))


class Changing(Twin):
    """Moves the event of a document with each question."""

    def __init__(self, inner: Adapter) -> None:
        super().__init__(inner)
        self.count: Counter[bytes] = Counter()

    async def evidence(self, identified: Identified, reference: bytes, *, now: int) -> Evidence:
        found = await super().evidence(identified, reference, now=now)
        moved = found.fact.event_time - 86_400 * self.count[reference]
        self.count[reference] += 1
        return Evidence(replace(found.fact, event_time=moved), found.holder)


class RandomDigest(Twin):
    async def evidence(self, identified: Identified, reference: bytes, *, now: int) -> Evidence:
        found = await super().evidence(identified, reference, now=now)
        return Evidence(replace(found.fact, digest=secrets.token_bytes(32)), found.holder)


class ProcessDigest(Twin):
    """Other digests in each process."""

    def __init__(self, inner: Adapter) -> None:
        super().__init__(inner)
        self.salt = secrets.token_bytes(8)

    async def evidence(self, identified: Identified, reference: bytes, *, now: int) -> Evidence:
        found = await super().evidence(identified, reference, now=now)
        digest = hashlib.sha256(self.salt + found.fact.digest).digest()
        return Evidence(replace(found.fact, digest=digest), found.holder)


class DigestOfKind(Twin):
    """Names documents by what they are."""

    async def evidence(self, identified: Identified, reference: bytes, *, now: int) -> Evidence:
        found = await super().evidence(identified, reference, now=now)
        digest = hashlib.sha256(found.fact.kind.name.encode()).digest()
        return Evidence(replace(found.fact, digest=digest), found.holder)


class WrongPerson(Twin):
    """Takes the number of a record for a proof of whose it is."""

    async def evidence(self, identified: Identified, reference: bytes, *, now: int) -> Evidence:
        owner = Identified(reference.rpartition(b"-")[0], identified.person)
        return await super().evidence(owner, reference, now=now)


class Helpful(Twin):
    """Gives another record where there is none."""

    async def evidence(self, identified: Identified, reference: bytes, *, now: int) -> Evidence:
        if reference == b"INV-999999-T1":
            reference = identified.record + b"-T1"
        return await super().evidence(identified, reference, now=now)


class Naive(Twin):
    """Reads moments without their offset, as the machine's local time."""

    async def evidence(self, identified: Identified, reference: bytes, *, now: int) -> Evidence:
        found = await super().evidence(identified, reference, now=now)
        if found.fact.event_time % 86_400 == 0:
            return found
        fact = replace(found.fact, event_time=found.fact.event_time + time.timezone)
        return Evidence(fact, found.holder)


class Confused(Twin):
    """Keeps the last person asked about in one place."""

    last: Person | None = None

    async def identify(self, identification: str, *, now: int) -> Identified:
        found = await super().identify(identification, now=now)
        self.last = found.person
        await asyncio.sleep(0.05)
        assert self.last is not None
        return Identified(found.record, self.last)


class Deaf(Twin):
    """Goes on when it is told to stop."""

    async def identify(self, identification: str, *, now: int) -> Identified:
        try:
            return await super().identify(identification, now=now)
        except asyncio.CancelledError:
            await asyncio.sleep(60)
            raise


class Remembering(Twin):
    """Keeps people in memory, beyond its end."""

    def __init__(self, inner: Adapter) -> None:
        super().__init__(inner)
        self.known: dict[str, Identified] = {}

    async def identify(self, identification: str, *, now: int) -> Identified:
        if identification not in self.known:
            self.known[identification] = await super().identify(identification, now=now)
        return self.known[identification]


class Littering(Twin):
    """Leaves a task behind."""

    task: asyncio.Task[None] | None = None

    async def identify(self, identification: str, *, now: int) -> Identified:
        self.task = self.task or asyncio.create_task(asyncio.sleep(60))
        return await super().identify(identification, now=now)


class ClosesOnce(Twin):
    closed = False

    async def close(self) -> None:
        if self.closed:
            raise RuntimeError("closed already")
        self.closed = True
        await super().close()


class RefusesInAnOutage(Twin):
    async def identify(self, identification: str, *, now: int) -> Identified:
        try:
            return await super().identify(identification, now=now)
        except Unavailable:
            raise Refused(Refusal.NOT_IDENTIFIED) from None


BROKEN = {
    ForeignError: Check.CLOSED_LIST,
    Exits: Check.CLOSED_LIST,
    Slow: Check.IN_TIME,
    Oversized: Check.BOUNDED,
    LongName: Check.BOUNDED,
    Untyped: Check.BOUNDED,
    Blocking: Check.EVENT_LOOP,
    NotesTheName: Check.SILENT,
    ChainsTheName: Check.SILENT,
    LogsTheName: Check.SILENT,
    Prints: Check.SILENT,
    ShowsItsToken: Check.SILENT,
    Forgetful: Check.IDENTIFIES,
    YearOnly: Check.IDENTIFIES,
    NewRecord: Check.SAME_PERSON,
    OneRecord: Check.DIFFERENT_PEOPLE,
    Confident: Check.UNKNOWN_PERSON,
    WrongCode: Check.UNKNOWN_PERSON,
    WrongHour: Check.GIVES_EVIDENCE,
    OtherHolder: Check.GIVES_EVIDENCE,
    Changing: Check.SAME_FACT,
    RandomDigest: Check.SAME_DIGEST,
    ProcessDigest: Check.SAME_DIGEST,
    DigestOfKind: Check.OWN_DIGEST,
    WrongPerson: Check.OTHER_PERSON,
    Helpful: Check.UNKNOWN_RECORD,
    Naive: Check.TIME_ZONE,
    Confused: Check.AT_ONCE,
    Deaf: Check.CANCELLED,
    Remembering: Check.CLOSES,
    Littering: Check.CLOSES,
    ClosesOnce: Check.CLOSES,
}
"""The check that each of them fails."""
