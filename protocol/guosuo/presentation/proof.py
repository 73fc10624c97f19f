"""The presentation: 736 octets that say "valid, and good enough here".

    W' = W_i + τP2          Z' = T_i + τS                         trust list
    D = r2·B   Abar = r1·r2·A   Bbar = r1·D − (e−τ)·Abar          BBS
    Sbar = ρ·S_v            Sbb = ρ·G_T − v·Sbar                  policy table, v = m_2
    N = s·H(ctx)                                                  tag, s = m_1

proven by one sigma proof over e−τ, r1, r3 = 1/r2, ρ, m_0, m_1, m_2, and one
pairing equation of four terms (`verify`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from guosuo.bbs.proof import Randomized, equations, randomize, witness
from guosuo.bbs.signature import Signature
from guosuo.curve.entropy import Entropy
from guosuo.curve.points import G1, G2
from guosuo.curve.scalar import Scalar
from guosuo.errors import PeerError, Reason
from guosuo.presentation.setting import Setting
from guosuo.scheme import Scheme
from guosuo.sigma.proof import Equation, Proof, Statement, prove
from guosuo.suite import Item, Tag

SECRETS = ("e", "-r1", "-r3", "rho", "m0", "m1", "m2")
POINTS_SIZE = 2 * 96 + 6 * 48
PRESENTATION_SIZE = POINTS_SIZE + 8 * 32


@dataclass(frozen=True, slots=True)
class Presentation:
    """The points and the proof of one show, in wire order."""

    w: G2
    z: G2
    bbs: Randomized
    sbar: G1
    sbb: G1
    tag: G1
    proof: Proof

    def points(self) -> tuple[G1 | G2, ...]:
        """W', Z', Abar, Bbar, D, Sbar, Sbb, N."""
        b = self.bbs
        return (self.w, self.z, b.abar, b.bbar, b.d, self.sbar, self.sbb, self.tag)

    def encode(self) -> bytes:
        """736 octets: the points, then c, ê, r̂1, r̂3, ρ̂, m̂_0, m̂_1, m̂_2."""
        return b"".join(p.encode() for p in self.points()) + self.proof.encode()

    @classmethod
    def decode(cls, scheme: Scheme, data: bytes) -> Presentation:
        """Strict: exact length, canonical, in the subgroup, no identity (GS-SHOW-4)."""
        if len(data) != PRESENTATION_SIZE:
            raise PeerError(Reason.PROOF)
        # Scalars first: they are cheap to refuse.
        proof = Proof.decode(data[POINTS_SIZE:], len(SECRETS))
        engine = scheme.engine
        w, z = engine.decode_g2(data[:96]), engine.decode_g2(data[96:192])
        abar, bbar, d, sbar, sbb, tag = (
            engine.decode_g1(data[i : i + 48]) for i in range(192, POINTS_SIZE, 48)
        )
        return cls(w, z, Randomized(abar, bbar, d), sbar, sbb, tag, proof)


@dataclass(frozen=True, slots=True)
class Holding:
    """What a wallet brings to one show; every field is the holder's secret."""

    signature: Signature = field(repr=False)
    public: G2 = field(repr=False)
    """W_i of the key that signed."""
    blinding: Scalar = field(repr=False)
    """m_0 + u_t."""
    link: Scalar = field(repr=False)
    evidence: int = field(repr=False)
    listed: G2 = field(repr=False)
    """T_i of that key in the list version shown."""
    shift: G2 = field(repr=False)
    """S of the list version shown."""
    entry: G1 = field(repr=False)
    """S_v of the policy's table."""


def statement(setting: Setting, shown: Presentation) -> Statement:
    """All linear relations of a presentation, secrets as in `SECRETS` (GS-SHOW-2)."""
    scheme, base = setting.scheme, setting.base()
    hidden = [("m0", scheme.h0), ("m1", scheme.h1), ("m2", scheme.h2)]
    bbs = equations(shown.bbs, scheme.base, hidden)
    table = Equation(shown.sbb, (("rho", setting.policy.base), ("m2", -shown.sbar)))
    tag = Equation(shown.tag, (("m1", base),))
    return Statement(SECRETS, (*bbs, table, tag))


def context(setting: Setting, shown: Presentation) -> list[Item]:
    """The transcript before the commitments; leaving out N would allow any tag."""
    return [*setting.transcript(), *shown.points()]


def present(setting: Setting, holding: Holding, entropy: Entropy) -> Presentation:
    """Build one show (GS-SHOW-1). Nothing is checked: a wallet verifies its own show."""
    scheme = setting.scheme
    tau, r1, r2, rho = (entropy.scalar() for _ in range(4))
    evidence = Scalar(holding.evidence)
    b = scheme.base + scheme.h0 * holding.blinding + scheme.h1 * holding.link + scheme.h2 * evidence
    # (A, e) under W is (A, e − τ) under W' = W + τ·P2: additive re-keying.
    rekeyed = Signature(holding.signature.a, holding.signature.e - tau)
    sbar = holding.entry * rho
    shown = Presentation(
        w=holding.public + scheme.p2 * tau,
        z=holding.listed + holding.shift * tau,
        bbs=randomize(rekeyed, b, r1, r2),
        sbar=sbar,
        sbb=setting.policy.base * rho - sbar * evidence,
        tag=setting.base() * holding.link,
        proof=Proof(Scalar(0), ()),
    )
    proof = prove(
        scheme.api,
        Tag.PRESENTATION,
        statement(setting, shown),
        witness(rekeyed, r1, r2)
        | {"rho": rho, "m0": holding.blinding, "m1": holding.link, "m2": evidence},
        context(setting, shown),
        entropy,
    )
    return Presentation(shown.w, shown.z, shown.bbs, shown.sbar, shown.sbb, shown.tag, proof)


def blank(scheme: Scheme, entropy: Entropy) -> bytes:
    """A show of nothing: same length, all points and scalars uniform.

    For a wallet that would not be accepted: each of the three pairing relations
    fails, so nobody learns which one would have failed.
    """
    g1 = [(scheme.engine.g1 * entropy.scalar()).encode() for _ in range(6)]
    g2 = [(scheme.p2 * entropy.scalar()).encode() for _ in range(2)]
    return b"".join([*g2, *g1, *(entropy.scalar().encode() for _ in range(8))])
