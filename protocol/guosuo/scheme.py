"""What a federation fixes for all its regions: suite, generators, header, bases.

All regions share generators, header, message count and order: anything that
differed by region would reveal the region (GS-CRED-1).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from guosuo.bbs.signature import calculate_domain
from guosuo.curve.points import G1, G2, Engine
from guosuo.curve.scalar import Scalar
from guosuo.errors import CallerError, Reason
from guosuo.suite import Interface, Item, Suite, Tag
from guosuo.wire import cbor

HEADER_VERSION = 1
HEADER = cbor.encode(["guosuo", HEADER_VERSION])
"""The header of every credential; its version names the message layout."""

HIDDEN = (0, 1, 2)
"""Positions of the hidden messages: blinding, link secret, evidence. All, always."""

FEDERATION_ID_SIZE = 32


@dataclass(frozen=True, slots=True)
class KeyId:
    """The name of an epoch key: region, epoch number t, revision (GS-CRED-5)."""

    region: str
    epoch: int
    revision: int

    def items(self, federation: bytes) -> tuple[Item, ...]:
        """id = [federation, region, t, revision], as it enters hashes."""
        return (federation, self.region, self.epoch, self.revision)


@dataclass(frozen=True, slots=True)
class Scheme:
    """Public constants of one federation; make it with `Scheme.of`, once."""

    api: Interface = field(repr=False)
    federation: bytes
    q: G1
    h0: G1
    """Generator of message 0, the blinding scalar."""
    h1: G1
    """Generator of message 1, the link secret."""
    h2: G1
    """Generator of message 2, the evidence value."""
    base: G1
    """Bv = P1 + Q·domain: the public part of every B."""
    list_base: G1
    """G_L, hashed from the federation."""
    p2: G2

    @classmethod
    def of(cls, suite: Suite, federation: bytes) -> Scheme:
        """Derive everything from the suite and the 32-octet federation identifier."""
        if len(federation) != FEDERATION_ID_SIZE:
            raise CallerError(Reason.ARGUMENT, "a federation identifier has 32 octets")
        api = Interface.guosuo(suite)
        q, h0, h1, h2 = api.generators(4)
        domain = calculate_domain(api, federation, (q, h0, h1, h2), HEADER)
        return cls(
            api=api,
            federation=federation,
            q=q,
            h0=h0,
            h1=h1,
            h2=h2,
            base=api.p1() + q * domain,
            list_base=api.point(Tag.LIST_BASE, federation),
            p2=suite.engine.g2,
        )

    @property
    def suite(self) -> Suite:
        """The ciphersuite."""
        return self.api.suite

    @property
    def engine(self) -> Engine:
        """The curve engine."""
        return self.api.suite.engine

    def commitment(self, blinding: Scalar, link: Scalar) -> G1:
        """C = m_0·H_0 + s·H_1."""
        return self.h0 * blinding + self.h1 * link

    def message(self, commitment: G1, evidence: int, blind: Scalar) -> G1:
        """B_t = P1 + Q·domain + C + v_t·H_2 + u_t·H_0 (GS-CRED-2)."""
        return self.base + commitment + self.h2 * Scalar(evidence) + self.h0 * blind

    def table_base(self, region: str, policy: str, version: int) -> G1:
        """G_T of one policy version of one gate region."""
        return self.api.point(Tag.TABLE_BASE, self.federation, region, policy, version)

    def show_base(self, region: str, checkpoint: str, tick: int) -> G1:
        """H(ctx), the base of the tag: ctx = (federation, gate region, checkpoint, tick)."""
        return self.api.point(Tag.SHOW_TAG, self.federation, region, checkpoint, tick)

    def enrol_base(self, region: str) -> G1:
        """Base of R, the person's record value in one region."""
        return self.api.point(Tag.ENROL_TAG, self.federation, region, "enrol")
