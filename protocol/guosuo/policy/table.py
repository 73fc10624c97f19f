"""The policy table: one signature per accepted evidence value.

    K = κ·P2,  S_v = G_T/(κ + v)   for every accepted value v

(Boneh–Boyen; set membership as in Camenisch–Chaabouni–shelat 2008.) κ is fresh
for every table version and G_T is hashed from the version's name, so an entry
of an older, looser table is worthless under a newer one (GS-POLICY-3).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from guosuo.curve.entropy import Entropy
from guosuo.curve.points import G1, G2
from guosuo.curve.scalar import Scalar
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.scheme import Scheme
from guosuo.wire.schema import G2Bytes, Hash, Message, Range, Size, message

MAX_ENTRIES = 50_000
VALUE_SIZE = 8
POINT_SIZE = 48


@message
class PolicyPart(Message):
    """The public part of a policy version: all a checkpoint needs of it (GS-POLICY-4)."""

    federation: Hash
    region: Annotated[str, Size(2, 12)]
    policy: Annotated[str, Size(1, 32)]
    version: Annotated[int, Range(1, (1 << 32) - 1)]
    not_before: Annotated[int, Range(0, 1 << 40)]
    not_after: Annotated[int, Range(0, 1 << 40)]
    k: G2Bytes
    values: Hash
    """SHA-256 of the sorted accepted values, 8 octets each."""
    table: Hash
    """SHA-256 of the table's octets."""
    document: Hash
    """SHA-256 of the policy document the values are compiled from."""


@message
class Table(Message):
    """The signatures of the accepted values, in ascending order of the values.

    The values do not travel: whoever uses a table compiles the policy anyway.
    """

    MAX_SIZE: ClassVar[int] = 4 << 20

    points: Annotated[bytes, Size(POINT_SIZE, POINT_SIZE * MAX_ENTRIES)]


@dataclass(frozen=True, slots=True)
class CheckedPolicy:
    """A policy part whose points were checked, with G_T."""

    part: PolicyPart
    digest: bytes
    """SHA-256 of exactly its octets, as it enters transcripts."""
    k: G2
    base: G1


@dataclass(frozen=True, slots=True)
class CheckedTable:
    """Entries of an audited table: value → S_v."""

    entries: Mapping[int, G1] = field(repr=False)


def values_digest(values: Sequence[int]) -> bytes:
    """SHA-256 of the values as 8-octet integers, in ascending order."""
    return hashlib.sha256(b"".join(v.to_bytes(VALUE_SIZE, "big") for v in values)).digest()


def make_table(
    scheme: Scheme,
    values: Sequence[int],
    *,
    region: str,
    policy: str,
    version: int,
    not_before: int,
    not_after: int,
    document: bytes,
    entropy: Entropy,
) -> tuple[PolicyPart, Table]:
    """Sign every value with a fresh κ, which is forgotten on return.

    `values`: ascending, without repetition, each in [1, 2^64).
    """
    if (
        list(values) != sorted(set(values))
        or not values
        or not 0 < values[0] <= values[-1] < 1 << 64
    ):
        raise CallerError(Reason.ARGUMENT, "accepted values ascend, in [1, 2^64)")
    if len(values) > MAX_ENTRIES:
        raise CallerError(Reason.ARGUMENT, "a table has at most 50,000 entries")
    kappa = entropy.scalar()
    base = scheme.table_base(region, policy, version)
    points = b"".join((base * (kappa + Scalar(v)).inverse()).encode() for v in values)
    table = Table(points=points)
    part = PolicyPart(
        federation=scheme.federation,
        region=region,
        policy=policy,
        version=version,
        not_before=not_before,
        not_after=not_after,
        k=(scheme.p2 * kappa).encode(),
        values=values_digest(values),
        table=hashlib.sha256(table.encode()).digest(),
        document=document,
    )
    return part, table


def check_policy(scheme: Scheme, data: bytes) -> CheckedPolicy:
    """Decode and check a policy part; K at the identity is refused by decoding."""
    part = PolicyPart.decode(data)
    if part.federation != scheme.federation or part.not_after <= part.not_before:
        raise PeerError(Reason.POLICY)
    return CheckedPolicy(
        part,
        hashlib.sha256(data).digest(),
        scheme.engine.decode_g2(part.k),
        scheme.table_base(part.region, part.policy, part.version),
    )


def audit_table(
    scheme: Scheme, policy: CheckedPolicy, data: bytes, values: Sequence[int], entropy: Entropy
) -> CheckedTable:
    """The wallet's audit of a whole table before its first use (GS-POLICY-5).

        e(Σ d_i·S_i, K) · e(Σ d_i·v_i·S_i − (Σ d_i)·G_T, P2) = 1

    `values`: what the policy document compiles to, by the wallet's own compiler.
    A missing or wrong entry would make those who need it reveal themselves by
    failing, so any difference is `PeerError(TABLE)`.
    """
    if hashlib.sha256(data).digest() != policy.part.table:
        raise PeerError(Reason.TABLE)
    table = Table.decode(data)
    if values_digest(values) != policy.part.values:
        raise PeerError(Reason.TABLE)
    if len(table.points) != len(values) * POINT_SIZE:
        raise PeerError(Reason.TABLE)
    engine = scheme.engine
    points = [
        engine.decode_g1(table.points[i : i + POINT_SIZE])
        for i in range(0, len(table.points), POINT_SIZE)
    ]
    weights = [entropy.weight() for _ in points]
    left = engine.sum_of_products_g1(points, weights)
    right = engine.sum_of_products_g1(
        [*points, policy.base],
        [
            *(w * Scalar(v) for w, v in zip(weights, values, strict=True)),
            -Scalar(sum(int(w) for w in weights)),
        ],
    )
    if not engine.pairing_product_is_one([(left, policy.k), (right, scheme.p2)]):
        raise PeerError(Reason.TABLE_ENTRY)
    return CheckedTable(dict(zip(values, points, strict=True)))
