"""What a province writes to join its existing systems to its node, in two questions.

Who is this (`PersonCheck`), and what does this document prove (`EvidenceSource`)? An
adapter answers both. It runs in the node's event loop, so it waits with `await` only,
and it keeps nothing of the people it is asked about. `guosuo_node.adapter.desk` stands
between it and the node and bounds it; `guosuo_node.adapter.contract` tests it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

from guosuo.errors import PeerError, Reason
from guosuo.evidence.facts import EvidenceFact
from guosuo.evidence.payload import Person
from guosuo.evidence.person import Identified
from guosuo.evidence.private import Private
from guosuo.roles.enrolment import RefusalCode

Settings = Mapping[str, object]
"""An adapter's own table of the node's configuration, as the file has it."""


class Refusal(StrEnum):
    """Why an adapter says no to a person (closed list). None of them names the person."""

    NOT_IDENTIFIED = "not-identified"
    """The identification authenticates nobody."""
    OTHER_PERSON = "other-person"
    """The evidence is somebody else's."""
    NO_SUCH_RECORD = "no-such-record"
    """The reference names nothing."""
    NOT_VERIFIED = "not-verified"
    """A document that does not verify: signer, signature, validity."""
    NOT_EVIDENCE = "not-evidence"
    """A record that gives no fact: another disease, no result yet, out of bounds."""


CODES: Final[Mapping[Refusal, RefusalCode]] = {
    Refusal.NOT_IDENTIFIED: RefusalCode.PERSON_MISMATCH,
    Refusal.OTHER_PERSON: RefusalCode.PERSON_MISMATCH,
    Refusal.NO_SUCH_RECORD: RefusalCode.EVIDENCE,
    Refusal.NOT_VERIFIED: RefusalCode.EVIDENCE,
    Refusal.NOT_EVIDENCE: RefusalCode.EVIDENCE,
}
"""What the region signs for each of them (GS-ENROL-4): the list of the protocol is shorter,
so that a refusal says nothing about who has which records."""


class Refused(PeerError):  # noqa: N818 - an answer rather than an error
    """A definite no, on which the node signs a refusal."""

    def __init__(self, refusal: Refusal) -> None:
        """No text: there is nothing to say that may not be in a log."""
        mismatch = CODES[refusal] is RefusalCode.PERSON_MISMATCH
        super().__init__(Reason.PERSON_MISMATCH if mismatch else Reason.EVIDENCE, refusal.value)
        self.refusal = refusal

    @property
    def code(self) -> RefusalCode:
        """What the region signs."""
        return CODES[self.refusal]


class Cause(StrEnum):
    """Why there is no answer (closed list)."""

    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    OVERLOADED = "overloaded"
    DENIED = "denied"
    """The system does not let this node in: its token or certificate is wrong."""
    BAD_ANSWER = "bad-answer"
    """The system answers, but not by the agreement: oversized, malformed, out of bounds."""
    FAILED = "failed"
    """The adapter itself broke."""
    CLOSED = "closed"


class Unavailable(Exception):  # noqa: N818 - neither family of `guosuo.errors`: nobody's fault
    """No answer now. Nothing is signed, the offer is not used up: the citizen may try again."""

    def __init__(self, cause: Cause) -> None:
        """The cause is all that may be known outside."""
        super().__init__(f"no answer from the evidence system: {cause.value}")
        self.cause = cause


@dataclass(frozen=True, slots=True, repr=False)
class Evidence(Private):
    """What a document proves, and whose it is."""

    fact: EvidenceFact
    """With the digest by which the wallet, too, names this document."""
    holder: Person
    """As the document or its record names the person; compared with the one identified."""


class PersonCheck(Protocol):
    """A region's way to authenticate people: its eID, a counter, a stand-in for tests."""

    async def identify(self, identification: str, *, now: int) -> Identified:
        """The person that `identification` authenticates at `now`, Unix seconds.

        `record` of the answer is the same octets for the same person, for ever, and
        for nobody else: the region counts a person's slots by it (GS-ENROL-3).
        `Refused(NOT_IDENTIFIED)` if it authenticates nobody; `Unavailable`.
        """
        ...


class EvidenceSource(Protocol):
    """Where documents come from."""

    async def evidence(self, identified: Identified, reference: bytes, *, now: int) -> Evidence:
        """What the document proves that `reference` is, or names, at `now`, Unix seconds.

        The same document gives the same fact with the same digest each time and in
        every process, and no two documents have one digest. `Refused`; `Unavailable`.
        """
        ...


class Adapter(PersonCheck, EvidenceSource, Protocol):
    """Both, with an end."""

    async def close(self) -> None:
        """Let go of connections. Afterwards, `Unavailable(CLOSED)`; may be called twice."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """What a node tells an adapter about itself."""

    region: str
    production: bool
    """Then test trust anchors and connections without TLS are refused."""
    folder: Path
    """File names of the settings are relative to it."""


Factory = Callable[[Settings, Context], Adapter]
"""What a plug-in names. Opens no connection; `plugins.SetupError` for wrong settings."""
