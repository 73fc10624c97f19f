"""Ciphersuites and interfaces: every hash of the protocol, under a tag of its own.

A `Suite` is one of the two ciphersuites of draft-irtf-cfrg-bbs-signatures on one
curve engine. An `Interface` adds the `api_id` that starts every
domain-separation tag. `Interface.draft` is the plain interface of the draft;
`Interface.guosuo` is ours (GS-SUITE-2).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from guosuo.curve.hashing import Expander, hash_to_curve_g1
from guosuo.curve.points import G1, Engine, Point
from guosuo.curve.scalar import Scalar
from guosuo.curve.selection import get_engine
from guosuo.errors import CallerError, Reason
from guosuo.wire import cbor

SHA256_SUITE = "BLS12-381-SHA-256"
SHAKE256_SUITE = "BLS12-381-SHAKE-256"
EXPAND_LEN = 48
"""Octets expanded for one scalar: ceil((ceil(log2 r) + 128) / 8), BBS draft section 4.2.2."""

Item: TypeAlias = "bytes | str | int | Point | Scalar | Sequence[Item]"
"""What may enter a tagged hash. Points and scalars become byte strings, integers
unsigned integers, sequences arrays: the encoding is injective."""


class Tag(StrEnum):
    """The closed list of domain-separation tags (GS-SUITE-3)."""

    LIST_BASE = "LIST_BASE_"
    TABLE_BASE = "TABLE_BASE_"
    SHOW_TAG = "SHOW_TAG_"
    ENROL_TAG = "ENROL_TAG_"
    MESSAGE_E = "E_"
    REBLIND = "REBLIND_"
    POSSESSION = "POSSESSION_PROOF_"
    LIST_KEY = "LIST_KEY_PROOF_"
    ENROLMENT = "ENROLMENT_PROOF_"
    RENEWAL = "RENEWAL_PROOF_"
    RENEWAL_WEIGHTS = "RENEWAL_WEIGHTS_"
    APPEAL = "APPEAL_PROOF_"
    PRESENTATION = "PRESENTATION_"
    NONCE = "NONCE_"
    RECEIPT = "RECEIPT_"


@dataclass(frozen=True, slots=True)
class Suite:
    """One ciphersuite of the BBS draft (section 7) on one engine."""

    name: str
    identifier: bytes
    expander: Expander
    engine: Engine = field(repr=False)

    @classmethod
    def sha256(cls, engine: Engine | None = None) -> Suite:
        """BLS12-381-SHA-256, the suite of every federation of version 1 (GS-SUITE-1)."""
        return cls(
            SHA256_SUITE,
            b"BBS_BLS12381G1_XMD:SHA-256_SSWU_RO_",
            Expander.XMD_SHA256,
            engine or get_engine(),
        )

    @classmethod
    def shake256(cls, engine: Engine | None = None) -> Suite:
        """BLS12-381-SHAKE-256."""
        return cls(
            SHAKE256_SUITE,
            b"BBS_BLS12381G1_XOF:SHAKE-256_SSWU_RO_",
            Expander.XOF_SHAKE256,
            engine or get_engine(),
        )

    @classmethod
    def named(cls, name: str, engine: Engine | None = None) -> Suite:
        """The suite of that name in the BBS draft; `CallerError(ARGUMENT)` for another."""
        for make in (cls.sha256, cls.shake256):
            if (suite := make(engine)).name == name:
                return suite
        raise CallerError(Reason.ARGUMENT, "no such ciphersuite")

    def hash_to_scalar(self, message: bytes, dst: bytes) -> Scalar:
        """The draft's hash_to_scalar (section 4.2.2): 48 expanded octets modulo r."""
        return Scalar(int.from_bytes(self.expander.expand(message, dst, EXPAND_LEN), "big"))

    def hash_to_curve(self, message: bytes, dst: bytes) -> G1:
        """hash_to_curve_g1 of the suite (RFC 9380 with the suite's expander)."""
        return hash_to_curve_g1(self.engine, self.expander, message, dst)


class Interface:
    """A suite together with an `api_id`: generators and tagged hashes."""

    __slots__ = ("_generators", "api_id", "suite")

    def __init__(self, suite: Suite, api_id: bytes) -> None:
        """`api_id` starts every domain-separation tag of this interface."""
        self.suite = suite
        self.api_id = api_id
        self._generators: list[G1] = []

    @staticmethod
    def draft(suite: Suite) -> Interface:
        """The plain interface of the BBS draft (section 7.2)."""
        return _interface(suite, suite.identifier + b"H2G_HM2S_")

    @staticmethod
    def guosuo(suite: Suite) -> Interface:
        """The interface of Guosuo credentials, version 1."""
        return _interface(suite, suite.identifier + b"GUOSUO_V1_")

    # --- the draft's operations ---------------------------------------------------

    def generators(self, count: int) -> tuple[G1, ...]:
        """create_generators (draft section 4.1.1): Q_1, H_1, … with this `api_id`."""
        if len(self._generators) < count:
            self._generators = list(create_generators(self, count, b"MESSAGE_GENERATOR_SEED"))
        return tuple(self._generators[:count])

    def p1(self) -> G1:
        """P1 of the ciphersuite (draft section 7.2); always under the draft's `api_id`."""
        return _p1(self.suite)

    def hash_to_scalar(self, message: bytes) -> Scalar:
        """hash_to_scalar under the draft's default tag `H2S_` (e, domain, challenge)."""
        return self.suite.hash_to_scalar(message, self.api_id + b"H2S_")

    def message_to_scalar(self, message: bytes) -> Scalar:
        """messages_to_scalars for one message of octets (draft section 4.1.2)."""
        return self.suite.hash_to_scalar(message, self.api_id + b"MAP_MSG_TO_SCALAR_AS_HASH_")

    # --- tagged hashes of several arguments (GS-SUITE-4) ----------------------------

    def dst(self, tag: Tag) -> bytes:
        """The domain-separation tag of `tag`."""
        return self.api_id + tag.value.encode()

    def scalar(self, tag: Tag, *items: Item) -> Scalar:
        """A scalar from a deterministic CBOR array of the items, under `tag`."""
        return self.suite.hash_to_scalar(_array(items), self.dst(tag))

    def point(self, tag: Tag, *items: Item) -> G1:
        """A point of G1 with unknown logarithm from the items, under `tag`."""
        return self.suite.hash_to_curve(_array(items), self.dst(tag))

    def octets(self, tag: Tag, length: int, *items: Item) -> bytes:
        """`length` pseudorandom octets from the items, under `tag`."""
        return self.suite.expander.expand(_array(items), self.dst(tag), length)


@functools.lru_cache(maxsize=16)
def _interface(suite: Suite, api_id: bytes) -> Interface:
    """One object per suite and interface, so that generators are derived once."""
    return Interface(suite, api_id)


@functools.lru_cache(maxsize=16)
def _p1(suite: Suite) -> G1:
    return create_generators(Interface.draft(suite), 1, b"BP_MESSAGE_GENERATOR_SEED")[0]


def create_generators(api: Interface, count: int, seed: bytes) -> tuple[G1, ...]:
    """create_generators of the draft (section 4.1.1) with a seed string of one's own."""
    expand = api.suite.expander.expand
    seed_dst = api.api_id + b"SIG_GENERATOR_SEED_"
    generator_dst = api.api_id + b"SIG_GENERATOR_DST_"
    v = expand(api.api_id + seed, seed_dst, EXPAND_LEN)
    points = []
    for i in range(1, count + 1):
        v = expand(v + i.to_bytes(8, "big"), seed_dst, EXPAND_LEN)
        points.append(api.suite.hash_to_curve(v, generator_dst))
    return tuple(points)


def _array(items: Sequence[Item]) -> bytes:
    return cbor.encode([_plain(item) for item in items])


def _plain(item: Item) -> cbor.Value:
    if isinstance(item, Point | Scalar):
        return item.encode()
    if isinstance(item, bool):
        raise CallerError(Reason.ARGUMENT, "a truth value does not enter a hash")
    if isinstance(item, bytes | str):
        return item
    if isinstance(item, int):
        if item < 0:
            raise CallerError(Reason.ARGUMENT, "only unsigned integers enter a hash")
        return item
    return [_plain(inner) for inner in item]
