"""Later versions of the charter: who may make one, and how a region's log adopts it.

Nothing of a version counts by itself. Each region adopts it by an entry of its own log,
signed with the log key that it has until then, and what follows in that log is judged by
it. So a judgement is a function of the log, and no majority can take a region's log over;
it can only refuse that region's epochs from `adopt_by` on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Final

from guosuo.errors import PeerError, Reason
from guosuo.federation.charter import (
    MAX_SIGNED,
    Charter,
    Federation,
    SignedCharter,
    check_content,
    derive,
    open_charter,
    signed_by_enough,
)
from guosuo.federation.ids import Epoch
from guosuo.federation.records import (
    Append,
    Effects,
    FetchBlob,
    Kind,
    LogEntry,
    PutBlob,
    digest,
    fetch_checked,
    kind_of,
    payload,
)
from guosuo.suite import Suite
from guosuo.wire.schema import Hash, Message, Range, Size, message

MAX_VERSIONS: Final = 1024
"""Versions in one file at most."""
_CHAIN_HEAD: Final = b"\xa1\x68versions"
"""How the encoding of a `CharterChain` begins, and that of a `SignedCharter` does not."""
_Signed = Annotated[bytes, Size(1, MAX_SIGNED)]


@message
class CharterChain(Message):
    """The signed charters of all versions from the first one on (GS-REC-23)."""

    MAX_SIZE: ClassVar[int] = 1 << 25

    versions: Annotated[tuple[_Signed, ...], Size(2, MAX_VERSIONS)]


@message
class CharterEntry(Message):
    """The body of a `charter` entry: from here on this log is judged by that version."""

    version: Annotated[int, Range(2, 1 << 20)]
    signed: Hash
    """Of the blob with the signed charter."""
    epoch: Epoch
    """No epoch below this one follows in the log."""


@message
class CharterFork(Message):
    """Two signed charters of one version: a third of the members signed both (GS-REC-19)."""

    MAX_SIZE: ClassVar[int] = 2 * (MAX_SIGNED + 16)

    first: _Signed
    second: _Signed


def signed_charters(data: bytes) -> tuple[bytes, ...]:
    """The signed charters of a file that has one or a chain, unchecked; ascending."""
    return CharterChain.decode(data).versions if data.startswith(_CHAIN_HEAD) else (data,)


def open_charters(data: bytes, suite: Suite) -> Federation:
    """The newest version of such a file; `PeerError(CHARTER)`."""
    first, *later = signed_charters(data)
    federation = open_charter(first, suite)
    for signed in later:
        federation = succeed(federation, signed)
    return federation


def encode_charters(federation: Federation) -> bytes:
    """The file with this version and all before it: of the first only, its signed charter."""
    if not federation.earlier:
        return federation.signed
    versions = (*federation.earlier, federation)
    return CharterChain(versions=tuple(version.signed for version in versions)).encode()


def succeed(before: Federation, data: bytes) -> Federation:
    """The version that a signed charter makes of the one before; `PeerError(CHARTER)`."""
    signed = SignedCharter.decode(data)
    charter = Charter.decode(signed.charter)
    old = before.charter
    # 1. (GS-REC-16) It is the next one, and names the one before.
    if (charter.version, charter.previous) != (old.version + 1, old.digest):
        raise PeerError(Reason.CHARTER, "not the next version of this charter")
    # 2. Its time to be adopted begins when that of the one before is over.
    start, end = charter.adopt_from, charter.adopt_by
    if start is None or end is None or not (old.adopt_by or 0) <= start < end:
        raise PeerError(Reason.CHARTER, "no time in which it can be adopted")
    # 3. (GS-REC-17) What holders and gates rely on for ever is as it was.
    if _constants(charter) != _constants(old):
        raise PeerError(Reason.CHARTER, "it changes what no version may change")
    content = check_content(charter)
    # 4. Nobody gets the code of a member that was removed, nor another member's root key.
    gone = before.former()
    owners = {
        member.root_key: region
        for version in (*before.earlier, before)
        for region, member in version.members.items()
    }
    for region, member in content.members.items():
        if region in gone or owners.get(member.root_key, region) != region:
            raise PeerError(Reason.CHARTER, "the code or the key of another member")
    # 5. (GS-REC-18) Enough of the members before, and enough of those after, signed it.
    if not all(signed_by_enough(signed, m) for m in (before.members, content.members)):
        raise PeerError(Reason.CHARTER, "too few signatures")
    return derive(charter, data, content, before.scheme, (*before.earlier, before))


def _constants(charter: Charter) -> tuple[object, ...]:
    """Identifier, scheme, time and limits of judgements hang on these; and the envelope."""
    numbers = charter.parameters
    return (
        charter.suite,
        charter.environment,
        charter.envelope,
        numbers.epoch_zero,
        numbers.epoch_seconds,
        numbers.tick_seconds,
        numbers.slots_per_person,
        numbers.bucket_slots,
        numbers.late_epochs,
        numbers.hold_epochs,
    )


@dataclass(slots=True)
class CharterHistory:
    """The versions that a reader knows, and proof of a second one if there is any."""

    current: Federation
    """The newest version."""
    fork: CharterFork | None = field(default=None, repr=False)

    @property
    def versions(self) -> tuple[Federation, ...]:
        """Ascending, from the first."""
        return (*self.current.earlier, self.current)

    def version(self, number: int) -> Federation:
        """One version; `PeerError(CHARTER)` if it is not known."""
        if not 1 <= number <= self.current.version:
            raise PeerError(Reason.CHARTER)
        return self.versions[number - 1]

    def first_with(self, region: str) -> int:
        """The version that made a region a member; `PeerError(REGION_UNKNOWN)`."""
        for version in self.versions:
            if region in version.members:
                return version.version
        raise PeerError(Reason.REGION_UNKNOWN)

    def add(self, data: bytes) -> Federation:
        """The version that a signed charter is, taken in if it is the next one.

        `PeerError(CHARTER)` if it is not valid, if a version between is missing, or if
        another charter of its version is known: then `fork` is the proof of it, and no
        further version is taken in, since nobody can say of which one it would be.
        """
        for known in self.versions:
            if known.signed == data:
                return known
        charter = Charter.decode(SignedCharter.decode(data).charter)
        if not 2 <= charter.version <= self.current.version + 1:  # noqa: PLR2004 - after the first
            raise PeerError(Reason.CHARTER, "a version between is missing")
        made = succeed(self.version(charter.version - 1), data)
        if made.version <= self.current.version:
            known = self.version(made.version)
            if known.charter == made.charter:
                return known
            self.fork = self.fork or CharterFork(first=known.signed, second=data)
        if self.fork is not None:
            raise PeerError(Reason.CHARTER, "there are two charters of one version")
        self.current = made
        return made


def check_charter_fork(evidence: CharterFork, federation: Federation) -> int:
    """The version of which there are two charters; `PeerError(CHARTER)` if nothing is proven.

    `federation`: any version from the one before them on (GS-REC-19).
    """
    charters = [
        Charter.decode(SignedCharter.decode(data).charter)
        for data in (evidence.first, evidence.second)
    ]
    number = charters[0].version
    history = CharterHistory(federation)
    before = history.version(number - 1)
    made = [succeed(before, data) for data in (evidence.first, evidence.second)]
    if made[0].charter == made[1].charter:
        raise PeerError(Reason.CHARTER, "one charter, signed twice")
    return number


def adopted(
    history: CharterHistory, region: str, version: int, body: bytes, fetch: FetchBlob
) -> tuple[Federation, CharterEntry]:
    """What a `charter` entry adopts, in a log that is judged by `version` (GS-REC-20).

    `PeerError(RECORD_MISSING)` if the blob cannot be had, and then nothing is known of the
    entry; with every other reason the entry is void.
    """
    entry = CharterEntry.decode(body)
    # 1. One version after the other.
    if entry.version != version + 1:
        raise PeerError(Reason.CHARTER)
    # 2. The blob is a valid charter of that version.
    known = {digest(v.signed): v for v in history.versions}.get(entry.signed)
    made = known or history.add(fetch_checked(fetch, entry.signed))
    # 3. The region is a member of it, and its time has come.
    if made.version != entry.version or region not in made.members:
        raise PeerError(Reason.CHARTER)
    if entry.epoch < (made.charter.adopt_from or 0):
        raise PeerError(Reason.CHARTER)
    return made, entry


def named_charters(entries: Iterable[bytes], version: int) -> list[bytes]:
    """Blobs that have to be fetched before these entries of a log can be taken in.

    `version`: what the log adopted before them. What is no entry, or void whatever its blob
    says, names none.
    """
    named, reached = [], version
    for data in entries:
        try:
            if kind_of(data) is not Kind.CHARTER:
                continue
            entry = CharterEntry.decode(LogEntry.decode(payload(data)).body)
        except PeerError:
            continue
        if version < entry.version <= reached + 1:
            named.append(entry.signed)
            reached = max(reached, entry.version)
    return named


def adoption(federation: Federation, epoch: int) -> Effects:
    """What a region logs to adopt a version, before its entry of that epoch.

    What follows is signed with the keys that this version has of the region.
    """
    entry = CharterEntry(version=federation.version, signed=digest(federation.signed), epoch=epoch)
    return (PutBlob(federation.signed), Append(Kind.CHARTER, entry.encode()))
