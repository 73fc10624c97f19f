"""Linear-relation sigma proofs: statements, composition, Fiat–Shamir.

A statement is a set of equations  target = Σ secret_i · base_i  over G1 or G2,
sharing secrets by name (Maurer 2009; compare draft-irtf-cfrg-sigma-protocols).
Whoever needs a proof contributes equations; nobody else commits, derives a
challenge or responds. The challenge hashes the caller's whole context and the
commitments under the tag of that kind of proof (GS-SIGMA-1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from guosuo.curve.entropy import Entropy
from guosuo.curve.points import G1, G2, Engine
from guosuo.curve.scalar import SCALAR_SIZE, Scalar
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.suite import Interface, Item, Tag

Challenge: TypeAlias = Callable[[Sequence["G1 | G2"]], Scalar]
"""From the commitments T_1 … T_n to the challenge c."""


@dataclass(frozen=True, slots=True)
class Equation:
    """target = Σ secret · base, all points in one group."""

    target: G1 | G2
    terms: tuple[tuple[str, G1 | G2], ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """Equations to be proven together; `secrets` fixes the order of responses."""

    secrets: tuple[str, ...]
    equations: tuple[Equation, ...]

    def __post_init__(self) -> None:
        """Every secret named once, every name used in an equation, none unknown."""
        used = {name for equation in self.equations for name, _ in equation.terms}
        if len(set(self.secrets)) != len(self.secrets) or used != set(self.secrets):
            raise CallerError(
                Reason.ARGUMENT, "secrets of the statement and of its equations differ"
            )


@dataclass(frozen=True, slots=True)
class Proof:
    """A challenge and one response per secret; (1 + n)·32 octets (GS-SIGMA-2)."""

    challenge: Scalar
    responses: tuple[Scalar, ...]

    def encode(self) -> bytes:
        """Challenge, then the responses in the statement's order, 32 octets each."""
        return b"".join(s.encode() for s in (self.challenge, *self.responses))

    @classmethod
    def decode(cls, data: bytes, secrets: int) -> Proof:
        """Read exactly 1 + `secrets` scalars in [1, r − 1]; `PeerError` otherwise."""
        if len(data) != (1 + secrets) * SCALAR_SIZE:
            raise PeerError(Reason.PROOF)
        parts = [Scalar.decode(data[i : i + SCALAR_SIZE]) for i in range(0, len(data), SCALAR_SIZE)]
        return cls(parts[0], tuple(parts[1:]))


def combine(engine: Engine, terms: Sequence[tuple[Scalar, G1 | G2]]) -> G1 | G2:
    """Σ scalar · point over one group."""
    scalars = [scalar for scalar, _ in terms]
    g1 = [point for _, point in terms if isinstance(point, G1)]
    if len(g1) == len(terms):
        return engine.sum_of_products_g1(g1, scalars)
    g2 = [point for _, point in terms if isinstance(point, G2)]
    if len(g2) != len(terms):
        raise CallerError(Reason.ARGUMENT, "an equation mixes G1 and G2")
    return engine.sum_of_products_g2(g2, scalars)


def prove_with(
    engine: Engine,
    statement: Statement,
    witness: Mapping[str, Scalar],
    nonces: Mapping[str, Scalar],
    challenge: Challenge,
) -> Proof:
    """Prove with given nonces (uniform, used once) and a given challenge function."""
    commitments = [
        combine(engine, [(nonces[name], base) for name, base in equation.terms])
        for equation in statement.equations
    ]
    c = challenge(commitments)
    return Proof(c, tuple(nonces[name] + c * witness[name] for name in statement.secrets))


def check_with(engine: Engine, statement: Statement, proof: Proof, challenge: Challenge) -> None:
    """Recompute T = Σ response · base − c · target and compare the challenge.

    Raises `PeerError(PROOF)`.
    """
    if len(proof.responses) != len(statement.secrets):
        raise PeerError(Reason.PROOF)
    responses = dict(zip(statement.secrets, proof.responses, strict=True))
    commitments = [
        combine(
            engine,
            [
                *((responses[name], base) for name, base in equation.terms),
                (-proof.challenge, equation.target),
            ],
        )
        for equation in statement.equations
    ]
    if challenge(commitments) != proof.challenge:
        raise PeerError(Reason.PROOF)


def prove(
    api: Interface,
    tag: Tag,
    statement: Statement,
    witness: Mapping[str, Scalar],
    context: Sequence[Item],
    entropy: Entropy,
) -> Proof:
    """A non-interactive proof for `statement` bound to `context` under `tag`.

    Nonces are hedged: a hash of fresh randomness, the secrets, the statement's points
    and the context, so that a weak source alone does not give the secrets away (GS-SIGMA-3).
    """
    secrets = [witness[name] for name in statement.secrets]
    points = [[e.target, *(base for _, base in e.terms)] for e in statement.equations]
    fresh = entropy.octets(32)
    seed = api.octets(Tag.NONCE, 32, fresh, tag.value, secrets, points, list(context))
    nonces = {
        name: api.scalar(Tag.NONCE, seed, index) for index, name in enumerate(statement.secrets)
    }
    return prove_with(api.suite.engine, statement, witness, nonces, _challenge(api, tag, context))


def check(
    api: Interface, tag: Tag, statement: Statement, proof: Proof, context: Sequence[Item]
) -> None:
    """Check a proof made by `prove` over the same context; `PeerError(PROOF)`."""
    check_with(api.suite.engine, statement, proof, _challenge(api, tag, context))


def _challenge(api: Interface, tag: Tag, context: Sequence[Item]) -> Challenge:
    return lambda commitments: api.scalar(tag, *context, *commitments)
