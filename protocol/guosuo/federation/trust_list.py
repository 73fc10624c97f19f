"""The trust list: showing that a hidden key is a listed one.

For every list version the gate authority draws a and b anew, both,
independently, and publishes

    to checkpoints  A1 = a·G_L,  C1 = ab·G_L, with a proof of knowledge of a and ab
    to wallets      S = a·P2,    T_i = a·(W_i + b·P2) for each admitted key

A wallet shows W' = W_i + τ·P2 and Z' = T_i + τ·S; the checkpoint tests
e(G_L, Z') = e(A1, W')·e(C1, P2). By itself that proves only an affine
combination of listed keys; together with the BBS equation it is one listed key,
so no other signature is ever verified under W' (Sanders–Traoré, PoPETs 2024;
Katz–Sefranek, ePrint 2025/2080). b·P2 and ab·P2 are never published.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

from guosuo.curve.entropy import Entropy
from guosuo.curve.points import G1, G2
from guosuo.curve.scalar import Scalar
from guosuo.errors import PeerError, Reason
from guosuo.federation.ids import Epoch, Instant, Region, Revision, Scope
from guosuo.scheme import KeyId, Scheme
from guosuo.sigma.proof import Equation, Proof, Statement, check, prove
from guosuo.suite import Item, Tag
from guosuo.wire.schema import G1Bytes, G2Bytes, Hash, Message, Size, Text, message

LIST_PROOF_SIZE = 96
MAX_LISTED_KEYS = 1024
MAX_REVISION = 3
"""At most three batched revisions of a list version; more are a fingerprint."""
MAX_CUTS = 16
"""Revisions beyond those that end all before them: one for each poll of an epoch at most."""


@message
class ListPart(Message):
    """The public part of a list version: all that a checkpoint needs of it."""

    federation: Hash
    region: Region
    """The gate region."""
    scope: Scope
    epoch: Epoch
    revision: Revision
    not_before: Instant
    not_after: Instant
    a1: G1Bytes
    c1: G1Bytes
    proof: Annotated[bytes, Size(LIST_PROOF_SIZE, LIST_PROOF_SIZE)]


@message
class ListedKey(Message):
    """T_i of one admitted epoch key."""

    region: Region
    epoch: Epoch
    revision: Revision
    t: G2Bytes

    @property
    def id(self) -> KeyId:
        """Which key this is."""
        return KeyId(self.region, self.epoch, self.revision)


@message
class Absence(Message):
    """Why a member of the charter is not on the list (a logged judgement)."""

    region: Region
    reason: Text


@message
class ListKeys(Message):
    """The wallets' part of a list version."""

    MAX_SIZE = 1 << 20

    part: Hash
    s: G2Bytes
    keys: Annotated[tuple[ListedKey, ...], Size(1, MAX_LISTED_KEYS)]
    """Sorted by region, epoch, revision; no key twice."""
    absent: Annotated[tuple[Absence, ...], Size(0, MAX_LISTED_KEYS)]


@dataclass(frozen=True, slots=True)
class ListSecret:
    """a and b of one list version; an insider who knows them can pass its gate."""

    a: Scalar = field(repr=False)
    b: Scalar = field(repr=False)

    @classmethod
    def draw(cls, entropy: Entropy) -> ListSecret:
        """Fresh and independent, for one version only (GS-LIST-1)."""
        return cls(entropy.scalar(), entropy.scalar())


@dataclass(frozen=True, slots=True)
class CheckedPart:
    """A list part whose points and proof were checked."""

    part: ListPart
    digest: bytes
    """SHA-256 of exactly its octets, as it enters transcripts."""
    a1: G1
    c1: G1


@dataclass(frozen=True, slots=True)
class CheckedKeys:
    """A wallets' part that was audited against its public part and the true keys."""

    s: G2
    t: dict[KeyId, G2]
    """T_i by key."""
    w: dict[KeyId, G2]
    """W_i by key, as the regions published them."""


def make_part(
    scheme: Scheme,
    secret: ListSecret,
    *,
    region: str,
    scope: str,
    epoch: int,
    revision: int,
    not_before: int,
    not_after: int,
    entropy: Entropy,
) -> ListPart:
    """The public part; needs no key list, so can be made many epochs ahead (GS-LIST-2)."""
    a1, c1 = scheme.list_base * secret.a, scheme.list_base * (secret.a * secret.b)
    context = _context(scheme, (region, scope, epoch, revision, not_before, not_after), a1, c1)
    proof = prove(
        scheme.api,
        Tag.LIST_KEY,
        _statement(scheme, a1, c1),
        {"a": secret.a, "ab": secret.a * secret.b},
        context,
        entropy,
    )
    return ListPart(
        federation=scheme.federation,
        region=region,
        scope=scope,
        epoch=epoch,
        revision=revision,
        not_before=not_before,
        not_after=not_after,
        a1=a1.encode(),
        c1=c1.encode(),
        proof=proof.encode(),
    )


def check_part(scheme: Scheme, data: bytes) -> CheckedPart:
    """Decode and check one list part; `PeerError` with the reason (GS-LIST-3).

    A1 and C1 at the identity are refused by decoding: with them any W' passes.
    """
    part = ListPart.decode(data)
    if part.revision > MAX_REVISION + MAX_CUTS:
        raise PeerError(Reason.LIST_REVISIONS)
    if part.federation != scheme.federation:
        raise PeerError(Reason.LIST_PART)
    if part.not_after <= part.not_before:
        raise PeerError(Reason.LIST_PART)
    a1, c1 = scheme.engine.decode_g1(part.a1), scheme.engine.decode_g1(part.c1)
    named = (
        part.region,
        part.scope,
        part.epoch,
        part.revision,
        part.not_before,
        part.not_after,
    )
    check(
        scheme.api,
        Tag.LIST_KEY,
        _statement(scheme, a1, c1),
        Proof.decode(part.proof, 2),
        _context(scheme, named, a1, c1),
    )
    return CheckedPart(part, hashlib.sha256(data).digest(), a1, c1)


def make_keys(
    scheme: Scheme,
    secret: ListSecret,
    part: ListPart,
    keys: Sequence[tuple[KeyId, G2]],
    absent: Sequence[Absence] = (),
) -> ListKeys:
    """The wallets' part: S and T_i for each admitted (key name, W_i) (GS-LIST-4)."""
    shift = scheme.p2 * secret.b
    listed = [
        ListedKey(
            region=key_id.region,
            epoch=key_id.epoch,
            revision=key_id.revision,
            t=((public + shift) * secret.a).encode(),
        )
        for key_id, public in sorted(keys, key=lambda pair: _order(pair[0]))
    ]
    return ListKeys(
        part=hashlib.sha256(part.encode()).digest(),
        s=(scheme.p2 * secret.a).encode(),
        keys=tuple(listed),
        absent=tuple(absent),
    )


def audit_keys(
    scheme: Scheme,
    part: CheckedPart,
    keys: ListKeys,
    publics: dict[KeyId, G2],
    entropy: Entropy,
) -> CheckedKeys:
    """The wallet's audit of S and every T_i against the regions' own keys (GS-LIST-6).

        e(G_L, S) = e(A1, P2)
        e(G_L, Σ d_i·T_i) = e(A1, Σ d_i·W_i) · e((Σ d_i)·C1, P2)

    `publics`: W_i of every key, from the regions' own logs. Raises
    `PeerError(LIST_KEYS)`: with one wrong T_i the region that has it would reveal
    itself by failing.
    """
    engine = scheme.engine
    names = [key.id for key in keys.keys]
    if keys.part != part.digest or any(name not in publics for name in names):
        raise PeerError(Reason.LIST_KEYS)
    if names != sorted(set(names), key=_order):
        raise PeerError(Reason.LIST_KEYS)
    s = engine.decode_g2(keys.s)
    t = {key.id: engine.decode_g2(key.t) for key in keys.keys}
    if not engine.pairing_product_is_one([(scheme.list_base, s), (-part.a1, scheme.p2)]):
        raise PeerError(Reason.LIST_KEYS)
    weights = [entropy.weight() for _ in names]
    sum_t = engine.sum_of_products_g2([t[name] for name in names], weights)
    sum_w = engine.sum_of_products_g2([publics[name] for name in names], weights)
    total = Scalar(sum(int(w) for w in weights))
    if not engine.pairing_product_is_one(
        [(-scheme.list_base, sum_t), (part.a1, sum_w), (part.c1 * total, scheme.p2)]
    ):
        raise PeerError(Reason.LIST_KEYS)
    return CheckedKeys(s, t, {name: publics[name] for name in names})


def _order(key_id: KeyId) -> tuple[str, int, int]:
    return (key_id.region, key_id.epoch, key_id.revision)


def _statement(scheme: Scheme, a1: G1, c1: G1) -> Statement:
    return Statement(
        ("a", "ab"),
        (
            Equation(a1, (("a", scheme.list_base),)),
            Equation(c1, (("ab", scheme.list_base),)),
        ),
    )


def _context(
    scheme: Scheme, named: tuple[str, str, int, int, int, int], a1: G1, c1: G1
) -> list[Item]:
    return [scheme.suite.name, scheme.federation, *named, a1, c1]
