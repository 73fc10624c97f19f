"""BBS proofs of knowledge of a signature (draft section 3.5.3, 3.5.4, 3.7).

`Randomized` and `equations` are what a Guosuo presentation shares with the
draft; `proof_gen` and `proof_verify` are the draft's interface on top of the
one sigma composer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from guosuo.bbs.signature import Signature, blind_sum, calculate_domain
from guosuo.curve.entropy import Entropy
from guosuo.curve.points import G1, G2
from guosuo.curve.scalar import Scalar
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.sigma.proof import Challenge, Equation, Proof, Statement, check_with, prove_with
from guosuo.suite import Interface, Suite

_POINTS = 3 * 48
_FIXED = _POINTS + 4 * 32

MAX_MESSAGES = 4096
"""Messages that a proof is verified for at most: every one costs a generator."""

RandomScalars = Callable[[int], Sequence[Scalar]]
"""calculate_random_scalars of the draft; fixtures use a mocked one."""


@dataclass(frozen=True, slots=True)
class Randomized:
    """Abar = r1·r2·A, D = r2·B, Bbar = r1·D − e·Abar."""

    abar: G1
    bbar: G1
    d: G1


def randomize(signature: Signature, b: G1, r1: Scalar, r2: Scalar) -> Randomized:
    """ProofInit's re-randomisation of (A, e) over B (draft section 3.7.1)."""
    d = b * r2
    abar = signature.a * (r1 * r2)
    return Randomized(abar, d * r1 - abar * signature.e, d)


def equations(
    points: Randomized, revealed: G1, hidden: Sequence[tuple[str, G1]]
) -> tuple[Equation, Equation]:
    """The two linear relations of a BBS proof, over secrets e, -r1, -r3 and `hidden`.

    −Bbar = e·Abar + (−r1)·D  and  −Bv = (−r3)·D + Σ m_j·H_j, with r3 = 1/r2 and
    Bv (`revealed`) the public part of B. The signs give the draft's responses.
    """
    return (
        Equation(-points.bbar, (("e", points.abar), ("-r1", points.d))),
        Equation(-revealed, (("-r3", points.d), *hidden)),
    )


def witness(signature: Signature, r1: Scalar, r2: Scalar) -> dict[str, Scalar]:
    """The secrets of `equations` but the messages."""
    return {"e": signature.e, "-r1": -r1, "-r3": -r2.inverse()}


# --- the draft's interface -------------------------------------------------------------


def fresh_scalars(entropy: Entropy) -> RandomScalars:
    """calculate_random_scalars over the caller's entropy."""
    return lambda count: [entropy.scalar() for _ in range(count)]


def proof_gen(
    suite: Suite,
    public: G2,
    signature: Signature,
    header: bytes,
    presentation_header: bytes,
    messages: Sequence[bytes],
    disclosed: Sequence[int],
    random_scalars: RandomScalars,
) -> bytes:
    """ProofGen (draft section 3.5.3): 272 + 32·U octets, U hidden messages."""
    if not _increasing(disclosed, len(messages)):
        raise CallerError(Reason.ARGUMENT, "disclosed indexes must increase within the messages")
    api = Interface.draft(suite)
    scalars = [api.message_to_scalar(m) for m in messages]
    generators = api.generators(len(scalars) + 1)
    domain = calculate_domain(api, public.encode(), generators, header)
    b = blind_sum(suite, api.p1(), generators, [domain, *scalars])

    hidden = [j for j in range(len(messages)) if j not in set(disclosed)]
    r1, r2, *nonces = random_scalars(5 + len(hidden))
    points = randomize(signature, b, r1, r2)
    shown = {j: scalars[j] for j in disclosed}
    statement = _statement(suite, api, points, generators, domain, shown)
    proof = prove_with(
        suite.engine,
        statement,
        witness(signature, r1, r2) | {f"m{j}": scalars[j] for j in hidden},
        dict(zip(statement.secrets, nonces, strict=True)),
        _challenge(api, points, domain, shown, presentation_header),
    )
    shown_points = b"".join(p.encode() for p in (points.abar, points.bbar, points.d))
    return shown_points + b"".join(s.encode() for s in (*proof.responses, proof.challenge))


def proof_verify(
    suite: Suite,
    public: G2,
    proof: bytes,
    header: bytes,
    presentation_header: bytes,
    disclosed: Sequence[tuple[int, bytes]],
) -> None:
    """ProofVerify (draft section 3.5.4); `PeerError` with the reason."""
    hidden, rest = divmod(len(proof) - _FIXED, 32)
    count = hidden + len(disclosed)
    if hidden < 0 or rest or count > MAX_MESSAGES:
        raise PeerError(Reason.PROOF)
    if not _increasing([index for index, _ in disclosed], count):
        raise PeerError(Reason.PROOF)
    engine = suite.engine
    abar, bbar, d = (engine.decode_g1(proof[i : i + 48]) for i in (0, 48, 96))
    scalars = [Scalar.decode(proof[i : i + 32]) for i in range(_POINTS, len(proof), 32)]

    api = Interface.draft(suite)
    generators = api.generators(count + 1)
    domain = calculate_domain(api, public.encode(), generators, header)
    points = Randomized(abar, bbar, d)
    shown = {i: api.message_to_scalar(m) for i, m in disclosed}
    check_with(
        engine,
        _statement(suite, api, points, generators, domain, shown),
        Proof(scalars[-1], tuple(scalars[:-1])),
        _challenge(api, points, domain, shown, presentation_header),
    )
    if public.is_identity() or not engine.pairing_product_is_one(
        [(abar, public), (-bbar, engine.g2)]
    ):
        raise PeerError(Reason.PAIRING)


def _increasing(indexes: Sequence[int], count: int) -> bool:
    return all(low < high for low, high in zip([-1, *indexes], [*indexes, count], strict=True))


def _statement(
    suite: Suite,
    api: Interface,
    points: Randomized,
    generators: Sequence[G1],
    domain: Scalar,
    shown: Mapping[int, Scalar],
) -> Statement:
    revealed = blind_sum(
        suite,
        api.p1(),
        [generators[0], *(generators[i + 1] for i in shown)],
        [domain, *shown.values()],
    )
    hidden = [(f"m{j}", h) for j, h in enumerate(generators[1:]) if j not in shown]
    return Statement(
        ("e", "-r1", "-r3", *(name for name, _ in hidden)), equations(points, revealed, hidden)
    )


def _challenge(
    api: Interface,
    points: Randomized,
    domain: Scalar,
    shown: Mapping[int, Scalar],
    presentation_header: bytes,
) -> Challenge:
    def challenge(commitments: Sequence[G1 | G2]) -> Scalar:
        """ProofChallengeCalculate (draft section 3.7.4)."""
        t1, t2 = commitments
        data = len(shown).to_bytes(8, "big")
        for index, scalar in shown.items():
            data += index.to_bytes(8, "big") + scalar.encode()
        for point in (points.abar, points.bbar, points.d, t1, t2):
            data += point.encode()
        data += domain.encode() + len(presentation_header).to_bytes(8, "big")
        return api.hash_to_scalar(data + presentation_header)

    return challenge
