"""The charter: members, keys and parameters, signed by a threshold of its members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar

import nacl.signing

from guosuo.errors import CallerError, PeerError, Reason
from guosuo.federation.clock import Clockwork
from guosuo.federation.ids import Ed25519Key, Ed25519Signature, Region
from guosuo.federation.records import digest, signature_holds
from guosuo.policy.envelope import Envelope, check_bounds
from guosuo.scheme import Scheme
from guosuo.suite import Suite
from guosuo.wire import cbor
from guosuo.wire.schema import Message, Range, Size, Text, message

MAX_CHARTER = 1 << 18
"""Octets of a charter at most."""
_ENGLISH = "en"


class Environment(StrEnum):
    """A test federation can never be taken for a real one: it is in the identifier."""

    TEST = "test"
    PRODUCTION = "production"


@message
class Name(Message):
    """A name in one language (BCP 47)."""

    language: Annotated[str, Size(2, 16)]
    text: Text


@message
class Member(Message):
    """A region: its code, names, and the keys that speak for it."""

    region: Region
    names: Annotated[tuple[Name, ...], Size(1, 16)]
    root_key: Ed25519Key
    """Certifies epoch keys."""
    log_key: Ed25519Key
    """Signs log entries, receipts and refusals."""

    def name(self, language: str = _ENGLISH) -> str:
        """The name in a language, or the first one given."""
        texts = {name.language: name.text for name in self.names}
        return texts.get(language, self.names[0].text)


@message
class Parameters(Message):
    """Numbers that the charter fixes, with the bounds that no majority can leave."""

    epoch_zero: Annotated[int, Range(0, 1 << 40)]
    """t_0, Unix seconds."""
    epoch_seconds: Annotated[int, Range(60, 86_400)]
    """E."""
    tick_seconds: Annotated[int, Range(30, 60)]
    min_regions: Annotated[int, Range(2, 1000)]
    """n_min: distinct regions that a list must hold."""
    min_crowd: Annotated[int, Range(0, 1 << 40)]
    """Active slots that listed regions must have together, without the largest."""
    slots_per_person: Annotated[int, Range(1, 16)]
    bucket_slots: Annotated[int, Range(16, 4096)]


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
    parameters: Parameters
    envelope: Envelope | None = None
    """What no policy of a member may refuse or accept; absent if there are no such bounds."""


@message
class CharterSignature(Message):
    """A member's root-key signature over the charter's octets."""

    region: Region
    signature: Ed25519Signature


@message
class SignedCharter(Message):
    """The octets of a charter and who signed them."""

    MAX_SIZE = 1 << 19

    charter: Annotated[bytes, Size(1, MAX_CHARTER)]
    signatures: Annotated[tuple[CharterSignature, ...], Size(1, 512)]


@dataclass(frozen=True, slots=True)
class Federation:
    """A checked charter with everything derived from it."""

    charter: Charter
    scheme: Scheme
    clock: Clockwork
    members: Mapping[str, Member]

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
    identifier pins members, keys, parameters and environment.
    """
    signed = SignedCharter.decode(data)
    charter = Charter.decode(signed.charter)
    members = {member.region: member for member in charter.members}
    if [m.region for m in charter.members] != sorted(members) or charter.version != 1:
        raise PeerError(Reason.CHARTER)
    if charter.suite != suite.name:
        raise PeerError(Reason.CHARTER, "the federation uses another ciphersuite")
    if len({m.root_key for m in charter.members}) != len(members):
        raise PeerError(Reason.CHARTER)
    if charter.envelope is not None:
        check_bounds(charter.envelope)
    if _valid_signers(signed.signatures, members, _signed(signed.charter)) < threshold(
        len(members)
    ):
        raise PeerError(Reason.CHARTER)
    return Federation(
        charter=charter,
        scheme=Scheme.of(suite, digest(signed.charter)),
        clock=Clockwork(
            charter.parameters.epoch_zero,
            charter.parameters.epoch_seconds,
            charter.parameters.tick_seconds,
        ),
        members=members,
    )


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
