"""Tools of the attackers in this folder: one gate, and everything that wallets hide.

An attacker here is a holder with a modified wallet: he builds any `Presentation`
he can, proves what he can prove about it, and writes any `Frame` around it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from guosuo.bbs.proof import Randomized
from guosuo.curve.entropy import Entropy
from guosuo.curve.points import G1, G2
from guosuo.curve.scalar import Scalar
from guosuo.errors import PeerError
from guosuo.evidence.facts import EvidenceFact, EvidenceKind
from guosuo.evidence.registry import RECOVERY
from guosuo.presentation.frame import Challenge, Frame
from guosuo.presentation.proof import Holding, Presentation, context, present, statement
from guosuo.presentation.setting import Mode, Setting
from guosuo.roles.bundle import GateBundle
from guosuo.roles.checkpoint import Checkpoint, CheckpointState
from guosuo.roles.verdict import Cause, Notice, Outcome, Verdict
from guosuo.roles.wallet import Wallet
from guosuo.scheme import Scheme
from guosuo.sigma.proof import Proof, check, prove
from guosuo.suite import Item, Tag
from tests.support.world import World, clause, fact, seeded

ACCEPT = Outcome(Verdict.ACCEPT)
NOT_SATISFIED = Outcome(Verdict.NOT_SATISFIED)
ALREADY_SEEN = Outcome(Verdict.NOT_SATISFIED, notice=Notice.ALREADY_SEEN)
REPLAY = Outcome(Verdict.NOT_SATISFIED, notice=Notice.REPLAY)
DEVICE = Outcome(Verdict.CANNOT_DECIDE, Cause.DEVICE)
AGAIN = Outcome(Verdict.CANNOT_DECIDE, Cause.AGAIN)
CODE = Outcome(Verdict.CANNOT_DECIDE, Cause.CODE)

DAY = 86_400
TESTED = (clause(EvidenceKind.TEST, max_hours=72),)
RECOVERED = (clause(EvidenceKind.RECOVERY, min_hours=11 * 24, max_hours=180 * 24),)
VACCINATED = (
    # One product, for small tables.
    replace(
        clause(EvidenceKind.VACCINATION, min_hours=14 * 24, max_hours=270 * 24, doses=2),
        products=("EU/1/20/1528",),
        complete=True,
    ),
)
ANY = (*TESTED, *RECOVERED, *VACCINATED)

GATE = "110000"


def pcr(now: int) -> EvidenceFact:
    """A PCR test of half a day ago."""
    return fact(event_time=now - DAY // 2)


def vaccinated(now: int) -> EvidenceFact:
    """Two of two doses, the second 40 days ago."""
    return fact(EvidenceKind.VACCINATION, event_time=now - 40 * DAY, product=1, doses=2, series=2)


def recovered(now: int) -> EvidenceFact:
    """A first positive test 30 days ago."""
    return fact(EvidenceKind.RECOVERY, event_time=now - 30 * DAY, product=RECOVERY)


@dataclass
class Scene:
    """A world, one of its gates, and the bundle everybody shows under there."""

    world: World
    gate: str
    bundle: GateBundle

    @classmethod
    def of(cls, world: World, gate: str = GATE) -> Scene:
        """The scene at a gate now."""
        world.now -= world.now % 30  # a tick begins
        return cls(world, gate, world.bundle(gate))

    @property
    def scheme(self) -> Scheme:
        return self.world.federation.scheme

    @property
    def tick(self) -> int:
        return self.world.federation.clock.tick_at(self.world.now)

    def setting(
        self,
        *,
        bundle: GateBundle | None = None,
        checkpoint: str | None = None,
        tick: int | None = None,
        mode: Mode = Mode.BROADCAST,
        nonce: bytes = b"",
    ) -> Setting:
        """What a show is made for; the gate's own checkpoint and now, unless told otherwise."""
        chosen = bundle or self.bundle
        return Setting(
            self.scheme,
            chosen.part,
            chosen.policy,
            checkpoint or f"gate-{chosen.part.part.region}",
            self.tick if tick is None else tick,
            mode,
            nonce,
        )

    def holding(self, wallet: Wallet, bundle: GateBundle | None = None) -> Holding:
        """The first credential of a wallet that satisfies the bundle."""
        return next(wallet._holdings(bundle or self.bundle))

    def gatekeeper(self, setting: Setting | None = None) -> Checkpoint:
        """The checkpoint a setting names, with that list and policy only and without memory."""
        return gatekeeper(self.world, setting or self.setting())

    def proof(self, wallet: Wallet, setting: Setting | None = None, seed: int = 1) -> Presentation:
        """An honest presentation."""
        made_for = setting or self.setting()
        bundle = self.bundle
        return present(made_for, self.holding(wallet, bundle), seeded(seed))

    def verdict(self, setting: Setting, shown: Presentation) -> Outcome:
        """What the checkpoint of `setting` says to a show, both being of one mind."""
        frame = frame_of(setting, shown.encode())
        return self.gatekeeper(setting).verify(frame.text(), self.world.now, seeded(99))


def gatekeeper(world: World, setting: Setting) -> Checkpoint:
    """The checkpoint a setting names, with that list and policy only and without memory."""
    part, policy = setting.part, setting.policy
    gate = Checkpoint(
        world.federation,
        CheckpointState(
            region=setting.region,
            checkpoint=setting.checkpoint,
            policy=policy.part.policy,
            mode=setting.mode,
            parts={(part.part.epoch, part.part.revision): part},
            policies={policy.part.version: policy},
        ),
    )
    if setting.mode is Mode.CHALLENGE:
        gate._open = Challenge(
            region=setting.region,
            checkpoint=setting.checkpoint,
            policy=policy.part.policy,
            tick=setting.tick,
            nonce=setting.nonce,
        )
    return gate


def frame_of(setting: Setting, proof: bytes) -> Frame:
    """The frame that says truly what `setting` is."""
    part = setting.part.part
    return Frame(
        part.epoch,
        part.revision,
        setting.policy.part.version,
        setting.tick,
        setting.place(),
        setting.mode,
        proof,
    )


# --- looking into a presentation -------------------------------------------------------------


def relations(setting: Setting, shown: Presentation) -> tuple[bool, bool, bool]:
    """Which of the three pairing relations hold, one by one: list, BBS, table."""
    scheme, part = setting.scheme, setting.part
    holds = scheme.engine.pairing_product_is_one
    return (
        # e(G_L, Z') = e(A1, W')·e(C1, P2)
        holds([(-scheme.list_base, shown.z), (part.a1, shown.w), (part.c1, scheme.p2)]),
        # e(Abar, W') = e(Bbar, P2)
        holds([(shown.bbs.abar, shown.w), (-shown.bbs.bbar, scheme.p2)]),
        # e(Sbar, K) = e(Sbb, P2)
        holds([(shown.sbar, setting.policy.k), (-shown.sbb, scheme.p2)]),
    )


def proof_holds(
    setting: Setting, shown: Presentation, transcript: Sequence[Item] | None = None
) -> bool:
    """Whether the sigma proof holds, over the true transcript or another one."""
    try:
        check(
            setting.scheme.api,
            Tag.PRESENTATION,
            statement(setting, shown),
            shown.proof,
            context(setting, shown) if transcript is None else transcript,
        )
    except PeerError:
        return False
    return True


# --- building dishonest ones -----------------------------------------------------------------


def unproven(
    *, w: G2, z: G2, abar: G1, bbar: G1, d: G1, sbar: G1, sbb: G1, tag: G1
) -> Presentation:
    """Points without a proof."""
    return Presentation(w, z, Randomized(abar, bbar, d), sbar, sbb, tag, Proof(Scalar(0), ()))


def prove_anyway(
    setting: Setting, points: Presentation, witness: Mapping[str, Scalar], entropy: Entropy
) -> Presentation:
    """An honest proof about dishonest points; it holds if the witness fits them."""
    proof = prove(
        setting.scheme.api,
        Tag.PRESENTATION,
        statement(setting, points),
        witness,
        context(setting, points),
        entropy,
    )
    return replace(points, proof=proof)


@dataclass(frozen=True)
class Drawn:
    """τ, r1, r2, ρ, as `present` draws them from the same seed."""

    tau: Scalar
    r1: Scalar
    r2: Scalar
    rho: Scalar

    @classmethod
    def by(cls, seed: int) -> Drawn:
        entropy = seeded(seed)
        return cls(*(entropy.scalar() for _ in range(4)))
