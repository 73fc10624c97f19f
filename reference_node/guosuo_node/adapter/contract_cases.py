"""What the contract of adapters checks, and what somebody who runs it brings along."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from guosuo.evidence.facts import EvidenceKind
from guosuo.evidence.person import Identified
from guosuo.evidence.private import Private
from guosuo_node.adapter.interface import Adapter
from guosuo_node.adapter.observing import Seen

AdapterFactory = Callable[[], Adapter]
"""Makes a fresh adapter, once per check or so, inside of an event loop or outside."""


class Check(StrEnum):
    """What is checked, in this order."""

    CLOSED_LIST = "closed-list"
    """An answer, `Refused` or `Unavailable`, whatever is asked, and nothing else."""
    IN_TIME = "in-time"
    BOUNDED = "bounded"
    """Answers of the right type; `record` of 1 to 256 octets, texts up to 80 characters."""
    EVENT_LOOP = "event-loop"
    """Waiting is done with `await`: the loop never stands still for half a second."""
    SILENT = "silent"
    """No error, answer, log line or print shows anything of a person."""
    IDENTIFIES = "identifies"
    """A known identification gives a person with a name and a full birth date."""
    SAME_PERSON = "same-person"
    """One person, one `record`: each time, in each process, by every way to identify."""
    DIFFERENT_PEOPLE = "different-people"
    UNKNOWN_PERSON = "unknown-person"
    """Unknown and strange identifications are `Refused(NOT_IDENTIFIED)`."""
    GIVES_EVIDENCE = "gives-evidence"
    """A person's own documents give the facts expected, and name this person."""
    SAME_FACT = "same-fact"
    SAME_DIGEST = "same-digest"
    """The wallet computes it, too; one that changes makes every enrolment fail."""
    OWN_DIGEST = "own-digest"
    """No two documents share one."""
    OTHER_PERSON = "other-person"
    """Somebody else's document is refused, or given with that other holder."""
    UNKNOWN_RECORD = "unknown-record"
    """Unknown and strange references are refused with a code for evidence."""
    TIME_ZONE = "time-zone"
    """Facts do not depend on the machine's time zone."""
    AT_ONCE = "at-once"
    """Many questions at one time get each its own answer."""
    CANCELLED = "cancelled"
    """A question that is cancelled ends at once, and harms no other."""
    CLOSES = "closes"
    """After `close`, which may come twice, `Unavailable`; no task is left."""
    OUTAGE = "outage"
    """A system that cannot be reached is `Unavailable`, never a refusal that gets signed."""


class Status(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    BLOCKED = "blocked"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True, slots=True)
class Result:
    """One check's outcome; `detail` is for people and names nobody."""

    check: Check
    status: Status
    detail: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Document(Private):
    """A document of a test person, and the fact it is to give."""

    reference: bytes
    kind: EvidenceKind
    product: int
    event_time: int


@dataclass(frozen=True, slots=True, repr=False)
class TestPerson(Private):
    """A person of the test system."""

    __test__ = False

    identification: str
    documents: tuple[Document, ...]
    again: str | None = None
    """Another identification of the same person, where there are several."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Cases(Private):
    """What the checks ask about. `ValueError` for fewer people or documents than they need."""

    now: int
    people: tuple[TestPerson, ...]
    """At least two, the first with at least two documents, the second with one."""
    unknown_identifications: tuple[str, ...]
    """Well-formed, but nobody's; an expired one, too, if there is such a thing."""
    unknown_references: tuple[bytes, ...]
    """Well-formed, but nothing's."""
    secrets: tuple[str, ...] = ()
    """Words that must not show up anywhere: names of the test people, the adapter's token."""
    outage: AdapterFactory | None = None
    """An adapter whose system cannot be reached; None where there is no system."""
    seconds: float = 5.0
    """For one question."""

    def __post_init__(self) -> None:
        """Check that there is enough to ask."""
        enough = len(self.people) > 1 and len(self.people[0].documents) > 1
        if not enough or not self.people[1].documents:
            raise ValueError("two people, the first with two documents and the second with one")
        if not self.unknown_identifications or not self.unknown_references:
            raise ValueError("an unknown identification and an unknown reference")


@dataclass(slots=True)
class Run:
    """One fresh adapter, asked everything once or twice."""

    people: list[list[Seen]] = field(default_factory=list)
    """Per person: identified first, identified again, by the other way if there is one."""
    documents: dict[tuple[int, int], list[Seen]] = field(default_factory=dict)
    """By person and document."""
    strangers: list[Seen] = field(default_factory=list)
    nothing: list[Seen] = field(default_factory=list)
    foreign: list[tuple[Identified, Seen]] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    longest_block: float = 0.0
    looks: str = ""
