"""The charter: members, keys and parameters, signed by a threshold of its members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, ClassVar

import nacl.signing

from guosuo.errors import CallerError, PeerError, Reason
from guosuo.federation.clock import Clockwork
from guosuo.federation.ids import (
    NAME,
    Ed25519Key,
    Ed25519Signature,
    Epoch,
    Instant,
    OrganisationId,
    Region,
)
from guosuo.federation.records import Kind, digest, open_record, signature_holds
from guosuo.policy.envelope import Envelope, check_bounds
from guosuo.scheme import Scheme
from guosuo.suite import Suite
from guosuo.wire import cbor
from guosuo.wire.schema import Hash, Match, Message, Range, Size, Text, message

MAX_CHARTER = 1 << 18
"""Octets of a charter at most."""
MAX_SIGNED = 1 << 19
"""Octets of a charter with its signatures at most."""
DEVELOPMENT_WITNESSES = 4
"""With fewer witnesses than this no single one may fail: good for development only."""
LATE_EPOCHS = 3
HOLD_EPOCHS = 3
"""late_max and hold_max that a charter takes unless it says otherwise: 12 h at E = 4 h."""
_ENGLISH = "en"
_SHORTEST_EPOCH = 3600
_SHORTEST_TICK = 30
"""Seconds, in production; tests may run faster."""


class Environment(StrEnum):
    """A test federation can never be taken for a real one: it is in the identifier."""

    TEST = "test"
    PRODUCTION = "production"


@message
class Name(Message):
    """A name in one language (BCP 47)."""

    language: Annotated[str, Size(2, 16)]
    text: Text


Endpoint = Annotated[str, Size(3, 256), Match(r"[0-9A-Za-z.:\[\]_-]+:[0-9]{1,5}")]
"""`host:port` of a gRPC listener."""


@message
class Witness(Message):
    """A stand-alone witness: no region of its own, cosigns the logs of all."""

    name: Annotated[str, Size(2, 32), NAME]
    operator: Annotated[str, Size(1, 64), NAME]
    """Who runs it: two keys of one operator count once, and a member's operator is its code."""
    key: Ed25519Key
    endpoint: Endpoint | None = None


@message
class Organisation(Message):
    """Who may order status changes in one region."""

    organisation: OrganisationId
    region: Region
    names: Annotated[tuple[Name, ...], Size(1, 16)]
    group: Annotated[str, Size(1, 32), NAME]
    """Independence group: health administration, hospital, court, ombudsman …"""
    key: Ed25519Key


@message
class Member(Message):
    """A region: its code, names, and the keys that speak for it."""

    region: Region
    names: Annotated[tuple[Name, ...], Size(1, 16)]
    root_key: Ed25519Key
    """Certifies epoch keys."""
    log_key: Ed25519Key
    """Signs log entries, checkpoints, receipts and refusals."""
    witness_key: Ed25519Key | None = None
    """Cosigns the checkpoints of all logs; absent if the member's node is no witness."""
    endpoints: Annotated[tuple[Endpoint, ...], Size(1, 8)] | None = None
    """Where its node answers other nodes; absent in federations that pass files."""
    public: Annotated[tuple[Endpoint, ...], Size(1, 8)] | None = None
    """Where its node answers wallets, checkpoints and officers."""

    def name(self, language: str = _ENGLISH) -> str:
        """The name in a language, or the first one given."""
        texts = {name.language: name.text for name in self.names}
        return texts.get(language, self.names[0].text)


@message
class Parameters(Message):
    """Numbers that the charter fixes, with the bounds that no majority can leave."""

    epoch_zero: Annotated[int, Range(0, 1 << 40)]
    """t_0, Unix seconds."""
    epoch_seconds: Annotated[int, Range(2, 86_400)]
    """E; an hour or more in production."""
    tick_seconds: Annotated[int, Range(1, 60)]
    """Half a minute or more in production."""
    min_regions: Annotated[int, Range(2, 1000)]
    """n_min: distinct regions that a list must hold."""
    min_crowd: Annotated[int, Range(0, 1 << 40)]
    """Active slots that listed regions must have together, without the largest."""
    slots_per_person: Annotated[int, Range(1, 16)]
    bucket_slots: Annotated[int, Range(16, 4096)]
    late_epochs: Annotated[int, Range(0, 6)]
    """late_max/E: how long a region that falls silent stays listed beyond its last key's life."""
    hold_epochs: Annotated[int, Range(0, 6)]
    """hold_max/E: how long the last admitted key of a held region stays listed."""


@message
class Charter(Message):
    """One version of a federation's constitution (GS-REC-5)."""

    MAX_SIZE: ClassVar[int] = MAX_CHARTER

    suite: Text
    """The ciphersuite, by its name in the BBS draft."""
    version: Annotated[int, Range(1, 1 << 20)]
    environment: Environment
    members: Annotated[tuple[Member, ...], Size(2, 512)]
    """Sorted by region."""
    witnesses: Annotated[tuple[Witness, ...], Size(1, 64)] | None = None
    """Stand-alone witnesses, sorted by name."""
    organisations: Annotated[tuple[Organisation, ...], Size(1, 512)] | None = None
    """Sorted by identifier. Without any, nobody can order anything."""
    parameters: Parameters
    envelope: Envelope | None = None
    """What no policy of a member may refuse or accept; absent if there are no such bounds."""
    previous: Hash | None = None
    """SHA-256 of the version before; absent in version 1, as the next two are (GS-REC-16)."""
    adopt_from: Epoch | None = None
    """The first epoch with which a region may adopt it."""
    adopt_by: Epoch | None = None
    """The first epoch that is refused of a region that has not adopted it."""
    expires: Instant | None = None
    """From when on people are told that the federation lacks a newer one; nothing stops."""

    @property
    def digest(self) -> bytes:
        """SHA-256 of its octets, by which the next version names it."""
        return digest(self.encode())


@message
class CharterSignature(Message):
    """A member's root-key signature over the charter's octets."""

    region: Region
    signature: Ed25519Signature


@message
class SignedCharter(Message):
    """The octets of a charter and who signed them."""

    MAX_SIZE = MAX_SIGNED

    charter: Annotated[bytes, Size(1, MAX_CHARTER)]
    signatures: Annotated[tuple[CharterSignature, ...], Size(1, 1024)]
    """Of the members of this version and of the one before: a region with two root keys twice."""


@dataclass(frozen=True, slots=True)
class Federation:
    """A checked charter with everything derived from it, as one version has it."""

    charter: Charter
    scheme: Scheme
    clock: Clockwork
    members: Mapping[str, Member]
    organisations: Mapping[str, Organisation]
    witness_keys: Mapping[str, bytes]
    """Every witness by name: members' codes, and names of stand-alone ones (GS-REC-14)."""
    operators: Mapping[str, str]
    """Who runs each witness."""
    signed: bytes = field(repr=False, default=b"")
    """Octets of the signed charter."""
    earlier: tuple[Federation, ...] = field(repr=False, default=())
    """All versions before this one, ascending."""

    @property
    def version(self) -> int:
        """The charter's version, from 1."""
        return self.charter.version

    @property
    def cosignatures(self) -> int:
        """k = ⌊(n + f)/2⌋ + 1 with f = ⌊(n − 1)/3⌋, n distinct operators (GS-REC-15).

        Any two sets of k share an honest one while at most f lie. 0 without witnesses.
        """
        n = len(set(self.operators.values()))
        return (n + (n - 1) // 3) // 2 + 1 if n else 0

    @property
    def is_development(self) -> bool:
        """Fewer than four operators of witnesses: not for production."""
        return len(set(self.operators.values())) < DEVELOPMENT_WITNESSES

    def origin(self, region: str) -> str:
        """The name of a region's log, as its checkpoints say it."""
        return f"guosuo/{self.id.hex()}/{region}"

    @property
    def id(self) -> bytes:
        """The 32-octet federation identifier."""
        return self.scheme.federation

    def member(self, region: str) -> Member:
        """The member of that code; `PeerError(REGION_UNKNOWN)`."""
        found = self.members.get(region)
        if found is None:
            raise PeerError(Reason.REGION_UNKNOWN)
        return found

    def memberships(self, region: str) -> tuple[Member, ...]:
        """The member as this and earlier versions have it, newest first; `REGION_UNKNOWN`."""
        versions = (self, *reversed(self.earlier))
        found = tuple(v.members[region] for v in versions if region in v.members)
        if not found:
            raise PeerError(Reason.REGION_UNKNOWN)
        return found

    def known(self, region: str) -> Member:
        """As `member`; of one that was removed, as it was last.

        What a removed region published, and what its holders hold, stays readable.
        """
        return self.memberships(region)[0]

    def former(self) -> frozenset[str]:
        """Codes of members that were removed; nobody gets them again (GS-REC-17)."""
        ever = {region for version in self.earlier for region in version.members}
        return frozenset(ever - self.members.keys())


def open_signed(federation: Federation, region: str, kind: Kind, data: bytes) -> bytes:
    """The payload of a record that stands in no log's order; `PeerError` (GS-REC-22).

    Signed with the newest log key that is known of the region, or the one before: who asks
    does not know whether the region has adopted the newest charter yet.
    """
    members = federation.memberships(region)
    keys = tuple(dict.fromkeys(member.log_key for member in members))[:2]
    try:
        return open_record(keys[0], federation.id, kind, data)
    except PeerError as error:
        if error.reason is not Reason.RECORD_SIGNATURE or len(keys) == 1:
            raise
    return open_record(keys[1], federation.id, kind, data)


def threshold(members: int) -> int:
    """⌈2n/3⌉ signatures, always more than half."""
    return -(-2 * members // 3)


def sign_charter(
    charter: Charter, root_keys: Mapping[str, nacl.signing.SigningKey]
) -> SignedCharter:
    """Founding: every given member signs the same octets."""
    data = charter.encode()
    regions = [member.region for member in charter.members]
    if regions != sorted(set(regions)):
        raise CallerError(Reason.CHARTER, "members must be sorted and distinct")
    return SignedCharter(
        charter=data,
        signatures=tuple(
            CharterSignature(region=region, signature=key.sign(_signed(data)).signature)
            for region, key in sorted(root_keys.items())
        ),
    )


def open_charter(data: bytes, suite: Suite) -> Federation:
    """Check a first charter and derive the federation; `PeerError(CHARTER)` (GS-REC-6).

    The identifier is the hash of these octets, so a reader who pins the
    identifier pins members, keys, parameters and environment. Later versions are
    `guosuo.federation.charters`' affair.
    """
    signed = SignedCharter.decode(data)
    charter = Charter.decode(signed.charter)
    links = (charter.previous, charter.adopt_from, charter.adopt_by)
    if charter.version != 1 or links != (None, None, None):
        raise PeerError(Reason.CHARTER)
    if charter.suite != suite.name:
        raise PeerError(Reason.CHARTER, "the federation uses another ciphersuite")
    parts = check_content(charter)
    if not signed_by_enough(signed, parts.members):
        raise PeerError(Reason.CHARTER)
    return derive(charter, data, parts, Scheme.of(suite, digest(signed.charter)))


@dataclass(frozen=True, slots=True)
class Content:
    """What a charter says, checked, by name."""

    members: Mapping[str, Member]
    organisations: Mapping[str, Organisation]
    witness_keys: Mapping[str, bytes]
    operators: Mapping[str, str]


def check_content(charter: Charter) -> Content:
    """All rules of one version by itself, signatures apart; `PeerError(CHARTER)`."""
    members = {member.region: member for member in charter.members}
    if [m.region for m in charter.members] != sorted(members):
        raise PeerError(Reason.CHARTER)
    if len({m.root_key for m in charter.members}) != len(members):
        raise PeerError(Reason.CHARTER)
    if charter.envelope is not None:
        check_bounds(charter.envelope)
    _check_parameters(charter)
    return Content(members, _organisations(charter, members), *_witnesses(charter))


def derive(
    charter: Charter,
    signed: bytes,
    content: Content,
    scheme: Scheme,
    earlier: tuple[Federation, ...] = (),
) -> Federation:
    """The federation of a version that was checked."""
    return Federation(
        charter=charter,
        scheme=scheme,
        clock=Clockwork(
            charter.parameters.epoch_zero,
            charter.parameters.epoch_seconds,
            charter.parameters.tick_seconds,
        ),
        members=content.members,
        organisations=content.organisations,
        witness_keys=content.witness_keys,
        operators=content.operators,
        signed=signed,
        earlier=earlier,
    )


def signed_by_enough(signed: SignedCharter, members: Mapping[str, Member]) -> bool:
    """Whether the threshold of these members signed, each with the root key given here."""
    valid = _valid_signers(signed.signatures, members, _signed(signed.charter))
    return valid >= threshold(len(members))


def _check_parameters(charter: Charter) -> None:
    """Only test federations may run fast (GS-REC-12)."""
    numbers = charter.parameters
    if charter.environment is Environment.PRODUCTION and (
        numbers.epoch_seconds < _SHORTEST_EPOCH or numbers.tick_seconds < _SHORTEST_TICK
    ):
        raise PeerError(Reason.CHARTER)


def _organisations(charter: Charter, members: Mapping[str, Member]) -> dict[str, Organisation]:
    """By identifier; each of a member's region, no key twice (GS-REC-13)."""
    listed = charter.organisations or ()
    found = {item.organisation: item for item in listed}
    if (
        [item.organisation for item in listed] != sorted(found)
        or len({item.key for item in listed}) != len(listed)
        or any(item.region not in members for item in listed)
    ):
        raise PeerError(Reason.CHARTER)
    return found


def _witnesses(charter: Charter) -> tuple[dict[str, bytes], dict[str, str]]:
    """Keys and operators by name; no name and no key twice (GS-REC-14)."""
    alone = charter.witnesses or ()
    if [item.name for item in alone] != sorted({item.name for item in alone}):
        raise PeerError(Reason.CHARTER)
    keys = {m.region: m.witness_key for m in charter.members if m.witness_key is not None}
    operators = {region: region for region in keys}
    regions = {member.region for member in charter.members}
    for item in alone:
        if item.name in regions:
            raise PeerError(Reason.CHARTER)
        keys[item.name], operators[item.name] = item.key, item.operator
    if len(set(keys.values())) != len(keys):
        raise PeerError(Reason.CHARTER)
    return keys, operators


def _valid_signers(
    signatures: Sequence[CharterSignature], members: Mapping[str, Member], data: bytes
) -> int:
    return len(
        {
            s.region
            for s in signatures
            if s.region in members
            and signature_holds(members[s.region].root_key, data, s.signature)
        }
    )


def _signed(charter: bytes) -> bytes:
    return cbor.encode(["guosuo/charter", charter])
