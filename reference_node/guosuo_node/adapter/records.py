"""Records of a health system as they pass between it and a node, and the facts they prove.

GB/T 38962-2020 gives the data format of personal health information; what is public of it
is that it has groups of basic personal information (name, identity document, division of
residence, …) and of personal health information. Element identifiers, lengths and code
tables are not public, nor is any layout of test and vaccination records. So **all member
names and codes here are modelled**, none is official:

| member | stands for | known from |
|---|---|---|
| `person` | the system's own number of a person | modelled |
| `family_name`, `given_names` | name, in the letters of a passport (ICAO 9303) | group a) has a name; the form is modelled |
| `born` | birth date | modelled |
| `kind`, `number`, `organisation` | sort of a record, its number, who made it | modelled |
| `division` | administrative division, GB/T 2260, six digits | the standard refers to GB/T 2260 |
| `sampled`, `result` | moment of the sample with its offset, outcome | modelled |
| `product`, `dose`, `series`, `day` | vaccine by its name in the registry of the specification | modelled |

Only what enrolment needs is asked for: no identity document's number, address, telephone
or symptom crosses this line, and an answer with members beyond these is refused.
"""  # noqa: E501 - a table

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Annotated, ClassVar, Final

from guosuo.errors import PeerError, Reason, refuse
from guosuo.evidence.dates import read_day, read_moment
from guosuo.evidence.facts import COVID_19, EvidenceFact, fact_from_entry
from guosuo.evidence.payload import Entry, Person, Test, Vaccination
from guosuo.evidence.registry import NEGATIVE, POSITIVE, PROPHYLAXES, TYPE_NAAT
from guosuo.wire import cbor
from guosuo.wire.schema import Match, Message, Range, Size, message
from guosuo_node.adapter.interface import Refusal, Refused

_DOMAIN: Final = b"guosuo/health-record/1\n"
_COUNTRY: Final = "CN"
_WORD = Match("[0-9A-Za-z-]+")

PersonNumber = Annotated[str, Size(1, 64), _WORD]
RecordNumber = Annotated[str, Size(1, 64), _WORD]
Division = Annotated[str, Size(6, 6), Match("[0-9]{6}")]
_Name = Annotated[str, Size(0, 80), Match("[A-Z <]*")]
_Text = Annotated[str, Size(1, 80)]
_Day = Annotated[str, Size(10, 10), Match("[0-9]{4}-[0-9]{2}-[0-9]{2}")]
_Moment = Annotated[
    str, Size(20, 25), Match("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(Z|[+-][0-9]{2}:[0-9]{2})")
]
"""Always with an offset: a local time would be eight hours off for a reader in UTC."""


class RecordKind(StrEnum):
    """Sorts of records; modelled."""

    NUCLEIC_ACID_TEST = "nucleic-acid-test"
    VACCINATION = "vaccination"


class Outcome(StrEnum):
    """Results of a test; modelled."""

    NEGATIVE = "negative"
    POSITIVE = "positive"
    PENDING = "pending"
    INVALID = "invalid"


_RESULTS: Final = {Outcome.NEGATIVE: NEGATIVE, Outcome.POSITIVE: POSITIVE}


class _Private(Message):
    MAX_SIZE: ClassVar[int] = 2048

    def __repr__(self) -> str:
        """Only the name of the type."""
        return f"{type(self).__name__}(…)"


@message
class PersonRecord(_Private):
    """Who somebody is, as far as enrolment asks."""

    person: PersonNumber
    family_name: _Name
    given_names: _Name
    born: _Day

    __repr__ = _Private.__repr__

    def holder(self) -> Person:
        """The person in the form of certificates; `PeerError` without a name or a real day."""
        family, given = (
            "<".join(name.replace("<", " ").split())
            for name in (self.family_name, self.given_names)
        )
        if not family + given:
            refuse(Reason.MESSAGE_VALUE, "a person without a name")
        return Person(fnt=family, gnt=given, fn="", gn="", dob=read_day(self.born).isoformat())


@message
class TestRecord(_Private):
    """One nucleic acid test."""

    __test__: ClassVar[bool] = False  # no class of tests

    kind: RecordKind
    number: RecordNumber
    person: PersonNumber
    division: Division
    organisation: _Text
    sampled: _Moment
    result: Outcome

    __repr__ = _Private.__repr__


@message
class VaccinationRecord(_Private):
    """One dose."""

    kind: RecordKind
    number: RecordNumber
    person: PersonNumber
    division: Division
    organisation: _Text
    product: _Text
    dose: Annotated[int, Range(1, 99)]
    series: Annotated[int, Range(1, 99)]
    day: _Day
    """In the calendar of the place."""

    __repr__ = _Private.__repr__


HealthRecord = TestRecord | VaccinationRecord


def read_person(value: object) -> PersonRecord:
    """A person from a JSON value; `PeerError`."""
    return PersonRecord.from_value(value)


def read_record(value: object) -> HealthRecord:
    """A record from a JSON value; `PeerError` for everything that is not exactly one."""
    kind = value.get("kind") if isinstance(value, dict) else None
    match kind:
        case RecordKind.NUCLEIC_ACID_TEST.value:
            return TestRecord.from_value(value)
        case RecordKind.VACCINATION.value:
            return VaccinationRecord.from_value(value)
    raise PeerError(Reason.MESSAGE_VALUE, "a record of an unknown kind")


def record_digest(system: str, record: HealthRecord) -> bytes:
    """The 32 octets that name a record: of its members, however JSON wrote them.

    `system` keeps two systems with the same numbers apart. The person's number is not
    part of it: a wallet computes the digest from its copy, too, and need not know it.
    """
    members = record.to_value()
    del members["person"]
    return hashlib.sha256(_DOMAIN + cbor.encode([system, members])).digest()


def record_fact(system: str, record: HealthRecord, holder: Person) -> EvidenceFact:
    """What a record proves; `Refused(NOT_EVIDENCE)` if that is nothing, `PeerError` if it lies.

    By the same function as certificates (GS-EVID-6), so that no policy can tell whether
    a fact came from a document or from a record.
    """
    entry = _entry(record)
    digest = record_digest(system, record)
    try:
        return fact_from_entry(entry, holder, digest)
    except PeerError:
        pass
    raise Refused(Refusal.NOT_EVIDENCE)


def _entry(record: HealthRecord) -> Entry:
    """The record as the entry of a certificate; `Refused(NOT_EVIDENCE)` without a result."""
    match record:
        case TestRecord():
            sampled = read_moment(record.sampled)
            if record.result not in _RESULTS:
                raise Refused(Refusal.NOT_EVIDENCE)
            return Test(
                tg=COVID_19,
                tt=TYPE_NAAT,
                nm="",
                ma="",
                sc=sampled,
                tr=_RESULTS[record.result],
                tc="",
                co=_COUNTRY,
                is_=record.organisation,
                ci=record.number,
            )
        case VaccinationRecord():
            return Vaccination(
                tg=COVID_19,
                # Any kind of vaccine: the product says more.
                vp=PROPHYLAXES[-1],
                mp=record.product,
                ma="",
                dn=record.dose,
                sd=record.series,
                dt=read_day(record.day),
                co=_COUNTRY,
                is_=record.organisation,
                ci=record.number,
            )
