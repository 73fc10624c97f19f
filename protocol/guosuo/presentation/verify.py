"""Verifying presentations: the challenge, then all pairings at once.

    T1 = c·Bbar + ê·Abar + r̂1·D      T2 = c·Bv + r̂3·D + Σ m̂_j·H_j
    T3 = ρ̂·G_T − m̂_2·Sbar − c·Sbb    T4 = m̂_1·H(ctx) − c·N        c = hash(transcript)

    e(Abar + d1·A1, W') · e(−d1·G_L, Z') · e(d2·Sbar, K) · e(d1·C1 − Bbar − d2·Sbb, P2) = 1

with the verifier's own non-zero random 128-bit d1, d2, drawn after the input is
fixed. The three relations inside must never be reported one by one: a partly
valid show would tell *why* it fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from guosuo.curve.entropy import Entropy
from guosuo.curve.points import G1, G2
from guosuo.curve.scalar import Scalar
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.presentation.proof import Presentation, context, statement
from guosuo.presentation.setting import Setting
from guosuo.sigma.proof import check
from guosuo.suite import Tag


@dataclass(frozen=True, slots=True)
class Item:
    """One presentation with the setting it claims to be made for."""

    setting: Setting
    shown: Presentation


def verify(setting: Setting, shown: Presentation, entropy: Entropy) -> None:
    """Accept, or raise `PeerError` (PROOF or PAIRING; both mean not satisfied)."""
    _check_proof(setting, shown)
    if not _pairings_hold([Item(setting, shown)], entropy):
        raise PeerError(Reason.PAIRING)


def verify_batch(items: Sequence[Item], entropy: Entropy) -> list[bool]:
    """Verify many: True exactly where `verify` would accept.

    N + 3 Miller loops when all items hold under one list and policy version; a
    failing batch is halved until the bad items are found.
    """
    if not items:
        return []
    scheme = items[0].setting.scheme
    if any(item.setting.scheme is not scheme for item in items):
        raise CallerError(Reason.ARGUMENT, "a batch belongs to one federation")
    good = [False] * len(items)
    candidates = []
    for index, item in enumerate(items):
        try:
            _check_proof(item.setting, item.shown)
        except PeerError:
            continue
        candidates.append(index)
    _bisect(items, candidates, good, entropy)
    return good


def _bisect(
    items: Sequence[Item], indexes: Sequence[int], good: list[bool], entropy: Entropy
) -> None:
    if not indexes:
        return
    if _pairings_hold([items[i] for i in indexes], entropy):
        for i in indexes:
            good[i] = True
    elif len(indexes) > 1:
        half = len(indexes) // 2
        _bisect(items, indexes[:half], good, entropy)
        _bisect(items, indexes[half:], good, entropy)


def _check_proof(setting: Setting, shown: Presentation) -> None:
    # Decoding refused them already; with Abar = Bbar = 0 nobody needs a credential.
    if any(point.is_identity() for point in shown.points()):
        raise PeerError(Reason.PROOF)
    check(
        setting.scheme.api,
        Tag.PRESENTATION,
        statement(setting, shown),
        shown.proof,
        context(setting, shown),
    )


def _pairings_hold(items: Sequence[Item], entropy: Entropy) -> bool:
    """The equations of all items, each scaled by an own random weight and summed.

    Every relation of every item gets an independent 128-bit weight: w, w·d1 and
    w·d2 in the module's letters are drawn directly as w0, w1, w2.
    """
    scheme = items[0].setting.scheme
    engine, one = scheme.engine, Scalar(1)
    pairs: list[tuple[G1, G2]] = []
    at_list_base: list[tuple[G2, Scalar]] = []
    at_k: dict[bytes, tuple[G2, list[G1], list[Scalar]]] = {}
    at_p2 = engine.g1_identity
    for item in items:
        part, policy, shown = item.setting.part, item.setting.policy, item.shown
        # The sum of a single item may leave its first relation unscaled.
        w0 = one if len(items) == 1 else entropy.weight()
        w1, w2 = entropy.weight(), entropy.weight()
        pairs.append((_times(shown.bbs.abar, w0) + part.a1 * w1, shown.w))
        at_list_base.append((shown.z, w1))
        _, points, weights = at_k.setdefault(policy.digest, (policy.k, [], []))
        points.append(shown.sbar)
        weights.append(w2)
        # Points are negated, not weights: a weight of 128 bits costs half of a full scalar.
        at_p2 += part.c1 * w1 - _times(shown.bbs.bbar, w0) - shown.sbb * w2
    if len(items) == 1:
        pairs.append((-(scheme.list_base * at_list_base[0][1]), at_list_base[0][0]))
    else:
        z = engine.sum_of_products_g2([z for z, _ in at_list_base], [w for _, w in at_list_base])
        pairs.append((-scheme.list_base, z))
    pairs += [(engine.sum_of_products_g1(points, ws), k) for k, points, ws in at_k.values()]
    pairs.append((at_p2, scheme.p2))
    return engine.pairing_product_is_one(pairs)


def _times(point: G1, weight: Scalar) -> G1:
    return point if weight == Scalar(1) else point * weight
