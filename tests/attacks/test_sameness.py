"""Shows look alike, whoever made them, and a refusal does not say why.

Holders of four regions with three kinds of evidence: the only octets two of their
shows share are the public fields of the frame. What fails, fails as a whole: the
three pairing relations could be asked one by one, so a wallet shows nothing that
holds in part, and a blank holds in none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import combinations, product

import pytest

from guosuo.bbs.signature import Signature
from guosuo.curve import Scalar
from guosuo.errors import CallerError, Reason
from guosuo.federation.trust_list import CheckedKeys
from guosuo.policy.table import CheckedTable, audit_table, check_policy, make_table
from guosuo.presentation.frame import Frame
from guosuo.presentation.proof import Holding, Presentation, blank, present
from guosuo.presentation.setting import Setting
from guosuo.presentation.verify import verify
from guosuo.roles.bundle import GateBundle
from guosuo.roles.verdict import Inner
from guosuo.roles.wallet import Wallet
from tests.attacks.scene import (
    ACCEPT,
    ANY,
    NOT_SATISFIED,
    RECOVERED,
    TESTED,
    VACCINATED,
    Scene,
    frame_of,
    pcr,
    proof_holds,
    recovered,
    relations,
    vaccinated,
)
from tests.support.world import EVERY_CONSENT, REGIONS, World, seeded

GATE, ELSEWHERE = "110000", "330000"
KINDS = {"tested": pcr, "vaccinated": vaccinated, "recovered": recovered}
TABLES = dict(zip(REGIONS, (ANY, VACCINATED, RECOVERED, TESTED), strict=True))
ACCEPTING = {
    "110000": tuple(KINDS),
    "330000": ("vaccinated",),
    "360000": ("recovered",),
    "440000": ("tested",),
}
WINDOW = 8


@dataclass
class Stage:
    """Four gates with four tables, and a holder of each region with each kind of evidence."""

    world: World
    gates: dict[str, Scene]
    holders: dict[tuple[str, str], Wallet]

    @property
    def scene(self) -> Scene:
        """The gate that accepts all three kinds."""
        return self.gates[GATE]

    def holding(self, region: str = "440000", kind: str = "tested") -> Holding:
        return self.scene.holding(self.holders[region, kind])

    def wallet_show(self, wallet: Wallet, gate: str = GATE, *, empty: bool = False) -> Frame:
        """What the wallet itself shows; always a fresh one."""
        wallet._shown.clear()
        wallet.state.shows.clear()
        world, make = self.world, wallet.show_blank if empty else wallet.show
        return make(
            world.regions[gate].checkpoint.poster(),
            self.gates[gate].bundle,
            world.view,
            world.now,
            world.entropy,
            EVERY_CONSENT,
        )


@pytest.fixture(scope="module")
def stage() -> Stage:
    world = World(policies=TABLES)
    holders = {
        (region, kind): world.holder(region, make(world.now))
        for region, (kind, make) in product(REGIONS, KINDS.items())
    }
    return Stage(world, {gate: Scene.of(world, gate) for gate in REGIONS}, holders)


def windows(octets: bytes) -> set[bytes]:
    return {octets[i : i + WINDOW] for i in range(len(octets) - WINDOW + 1)}


def shared(octets: Iterable[bytes]) -> set[bytes]:
    """Strings of 8 octets that stand in more than one of them, or twice in one."""
    seen: set[bytes] = set()
    again: set[bytes] = set()
    for data in octets:
        for i in range(len(data) - WINDOW + 1):
            part = data[i : i + WINDOW]
            (again if part in seen else seen).add(part)
    return again


def header(frame: Frame) -> bytes:
    """The frame without its proof: the declared public fields, and nothing else."""
    octets = frame.encode()
    assert octets.endswith(frame.proof)
    return octets.removesuffix(frame.proof)


# --- no common octets ----------------------------------------------------------------------------


def test_shows_of_all_regions_and_kinds_share_only_the_public_fields(stage: Stage) -> None:
    frames = [stage.wallet_show(wallet) for wallet in stage.holders.values()]
    frames += [stage.wallet_show(wallet, empty=True) for wallet in stage.holders.values()]
    assert len(frames) == 24
    assert {header(frame) for frame in frames} == {header(frames[0])}
    assert shared(frame.proof for frame in frames) == set()
    # The scan does find what is shared: the header of eight octets and more.
    assert shared(frame.encode() for frame in frames) >= windows(header(frames[0]))
    keeper = stage.scene.gatekeeper()
    found = [keeper.verify(f.text(), stage.world.now, stage.world.entropy) for f in frames]
    assert found == [ACCEPT] * 12 + [NOT_SATISFIED] * 12


def test_two_shows_of_one_holder_share_only_the_tag_and_only_in_one_tick(stage: Stage) -> None:
    wallet, scene = stage.holders["440000", "tested"], stage.scene
    one, two = stage.wallet_show(wallet), stage.wallet_show(wallet)
    first, second = (Presentation.decode(scene.scheme, f.proof) for f in (one, two))
    tag = first.tag.encode()
    assert shared([one.proof, two.proof]) == windows(tag)
    assert first.tag == second.tag
    others = [
        present(setting, scene.holding(wallet), seeded(seed)).encode()
        for seed, setting in enumerate(
            [
                scene.setting(tick=scene.tick - 1),
                scene.setting(tick=scene.tick + 1),
                scene.setting(checkpoint="gate-2"),
            ]
        )
    ]
    abroad = stage.wallet_show(wallet, "440000")
    assert shared([one.proof, abroad.proof, *others]) == set()


def test_no_octets_of_a_show_stand_in_any_public_record(stage: Stage) -> None:
    """Neither W_i, T_i, S, S_v, A_t nor anything else of logs and blobs."""
    world = stage.world
    public = set[bytes]()
    for record in (*world.blobs.values(), *(e for r in world.regions.values() for e in r.entries)):
        public |= windows(record)
    assert stage.holding().public.encode()[:WINDOW] in public
    assert stage.holding().entry.encode()[:WINDOW] in public
    for wallet in stage.holders.values():
        assert not windows(stage.wallet_show(wallet).proof) & public


def test_every_bit_varies_within_every_region_kind_and_the_blanks(stage: Stage) -> None:
    """Fixed are the form bits only: two flags a point, what p and r leave free above."""
    form = {8 * at for at in (*range(192, 480, 48), 0, 96)}  # compressed
    form |= {bit + 1 for bit in form}  # not the identity
    form |= {8 * at + i for at in (48, 144) for i in range(3)}  # second half of G2's x
    form |= {8 * at for at in range(480, 736, 32)}  # scalars below 2^255
    setting, count = stage.scene.setting(), 64
    groups = {"blank": [blank(stage.scene.scheme, seeded(i)) for i in range(count)]}
    for (region, kind), wallet in stage.holders.items():
        holding = stage.scene.holding(wallet)
        if region == "440000" or kind == "tested":
            groups[f"{region} {kind}"] = [
                present(replace(setting, tick=i), holding, seeded(i)).encode() for i in range(count)
            ]
    assert len(groups) == 7
    for name, proofs in groups.items():
        numbers = [int.from_bytes(proof, "big") for proof in proofs]
        ones, zeros = (1 << 5888) - 1, (1 << 5888) - 1
        for n in numbers:
            ones &= n
            zeros &= ~n
        fixed = {i for i in range(5888) if (ones | zeros) >> (5887 - i) & 1}
        assert fixed == form, name


# --- one length ----------------------------------------------------------------------------------


def test_all_shows_and_blanks_are_of_one_length_at_all_gates(stage: Stage) -> None:
    lengths: set[tuple[int, int, int]] = set()
    shows = 0
    for (gate, kinds), (region, kind) in product(ACCEPTING.items(), stage.holders):
        wallet = stage.holders[region, kind]
        frames = [stage.wallet_show(wallet, gate, empty=True)]
        if kind in kinds:
            frames.append(stage.wallet_show(wallet, gate))
            shows += 1
        for frame in frames:
            lengths.add((len(frame.proof), len(frame.encode()), len(frame.text())))
    assert shows == 4 * 3 + 3 * 4
    assert lengths == {(736, 760, 1144)}
    sizes = {len(scene.bundle.table.entries) for scene in stage.gates.values()}
    assert len(sizes) == len(REGIONS)


def test_the_largest_numbers_make_every_frame_longer_alike(stage: Stage) -> None:
    """Length is a function of the public numbers; at most 5 octets for each."""
    frame = stage.wallet_show(stage.holders["440000", "tested"])
    for numbers in (
        (0, 0, 1, 0),
        (23, 1, 23, 23),
        (24, 3, 24, 24),
        ((1 << 32) - 1, 3, 65_536, 1 << 31),
    ):
        epoch, revision, version, tick = numbers
        sized = replace(frame, epoch=epoch, revision=revision, policy_version=version, tick=tick)
        empty = replace(sized, proof=blank(stage.scene.scheme, seeded(1)))
        assert len(sized.encode()) == len(empty.encode()) <= 768
        assert len(sized.text()) == len(empty.text())


# --- the tag -------------------------------------------------------------------------------------


def test_the_tag_tells_holder_checkpoint_and_tick_and_nothing_else(stage: Stage) -> None:
    scene, world = stage.scene, stage.world
    other_gate = stage.gates["440000"]
    settings = {
        "here": scene.setting(),
        "next tick": scene.setting(tick=scene.tick + 1),
        "other checkpoint": scene.setting(checkpoint="gate-2"),
        "other gate": other_gate.setting(),
        "other gate, same name": other_gate.setting(checkpoint=f"gate-{GATE}"),
    }
    people = [stage.holders[region, "tested"] for region in REGIONS]
    tags = {
        (name, i): setting.base() * wallet.state.link
        for (name, setting), (i, wallet) in product(settings.items(), enumerate(people))
    }
    assert len({tag.encode() for tag in tags.values()}) == len(tags) == 5 * 4
    # A second credential, of another kind, of another region, has the first one's tag.
    wallet = world.holder("330000", vaccinated(world.now))
    world.enrol(wallet, "440000", recovered(world.now))
    holdings = list(wallet._holdings(scene.bundle))
    assert len({h.evidence for h in holdings}) == 2
    shows = [present(settings["here"], h, seeded(i)) for i, h in enumerate(holdings)]
    for shown in shows:
        verify(settings["here"], shown, world.entropy)
    assert len({shown.tag.encode() for shown in shows}) == 1
    assert shows[0].tag.encode() not in {tag.encode() for tag in tags.values()}


# --- blanks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("gate", REGIONS)
def test_a_blank_fails_in_each_relation_on_its_own(stage: Stage, gate: str) -> None:
    scene = stage.gates[gate]
    setting = scene.setting()
    kind = ACCEPTING[gate][0]
    for region in REGIONS:
        wallet = stage.holders[region, kind]
        empty, full = (
            Presentation.decode(scene.scheme, stage.wallet_show(wallet, gate, empty=which).proof)
            for which in (True, False)
        )
        assert relations(setting, empty) == (False, False, False)
        assert not proof_holds(setting, empty)
        assert relations(setting, full) == (True, True, True)
        assert proof_holds(setting, full)


def test_blanks_are_fresh_and_take_no_tag(stage: Stage) -> None:
    wallet = stage.holders["440000", "tested"]
    blanks = [stage.wallet_show(wallet, empty=True) for _ in range(8)]
    assert shared(frame.proof for frame in blanks) == set()
    keeper = stage.scene.gatekeeper()
    now, entropy = stage.world.now, stage.world.entropy
    assert keeper.verify_many(blanks, now, entropy) == [NOT_SATISFIED] * 8
    assert keeper.verify_many(blanks, now, entropy) == [NOT_SATISFIED] * 8
    full = stage.wallet_show(wallet)
    assert keeper.verify(full, now, entropy) == ACCEPT


# --- partly valid --------------------------------------------------------------------------------

Lie = Callable[[Stage, Setting, Holding], Holding]


def wrong_entry(stage: Stage, _: Setting, h: Holding) -> Holding:
    """The entry of another accepted value."""
    entries = stage.scene.bundle.table.entries
    return replace(h, entry=next(e for v, e in entries.items() if v != h.evidence))


def unlisted_key(stage: Stage, _: Setting, h: Holding) -> Holding:
    """Signed by a key the list does not hold; T and S are of one that it does."""
    scheme, secret = stage.scene.scheme, Scalar(1234567)
    b = scheme.message(scheme.commitment(h.blinding, h.link), h.evidence, Scalar(0))
    signature = Signature(b * (secret + h.signature.e).inverse(), h.signature.e)
    return replace(h, public=scheme.p2 * secret, signature=signature)


def delisted_key(stage: Stage, _: Setting, h: Holding) -> Holding:
    """T_i of another listed key, as if the own one had been taken off."""
    keys = stage.scene.bundle.keys
    return replace(h, listed=next(t for k, t in keys.t.items() if keys.w[k] != h.public))


def wrong_list(stage: Stage, _: Setting, h: Holding) -> Holding:
    """T_i and S of another gate's list of the same epoch."""
    other = stage.gates[ELSEWHERE].bundle.keys
    (key,) = [k for k, w in other.w.items() if w == h.public]
    return replace(h, listed=other.t[key], shift=other.s)


def wrong_signature(_: Stage, __: Setting, h: Holding) -> Holding:
    return replace(h, signature=Signature(h.signature.a, h.signature.e + Scalar(1)))


def other_evidence(stage: Stage, _: Setting, h: Holding) -> Holding:
    """A value that is accepted, with its entry, but was not signed."""
    value, entry = next(
        (v, e) for v, e in stage.scene.bundle.table.entries.items() if v != h.evidence
    )
    return replace(h, evidence=value, entry=entry)


def other_secret(_: Stage, __: Setting, h: Holding) -> Holding:
    return replace(h, link=h.link + Scalar(1))


PARTLY: dict[str, tuple[Lie, tuple[bool, bool, bool]]] = {
    "wrong entry": (wrong_entry, (True, True, False)),
    "unlisted key": (unlisted_key, (False, True, True)),
    "delisted key": (delisted_key, (False, True, True)),
    "wrong list": (wrong_list, (False, True, True)),
    "wrong signature": (wrong_signature, (True, False, True)),
    "evidence not signed": (other_evidence, (True, False, True)),
    "secret not signed": (other_secret, (True, False, True)),
}


@pytest.mark.parametrize("name", PARTLY)
def test_a_partly_valid_show_would_tell_why_but_the_checkpoint_does_not(
    stage: Stage, name: str
) -> None:
    """(!) The relations tell these apart; verdict and inner reason are one for all."""
    lie, expected = PARTLY[name]
    scene, setting = stage.scene, stage.scene.setting()
    holding = stage.holding()
    shown = present(setting, lie(stage, setting, holding), seeded(3))
    assert proof_holds(setting, shown)
    assert relations(setting, shown) == expected
    broken = Presentation.decode(scene.scheme, blank(scene.scheme, seeded(4)))
    world, answers = stage.world, []
    for proof in (shown, replace(shown, proof=broken.proof), broken):
        code = frame_of(setting, proof.encode()).text()
        answers += scene.gatekeeper().examine([code], world.now, world.entropy)
    assert answers == [Inner(NOT_SATISFIED, Reason.PROOF)] * 3
    honest = present(setting, holding, seeded(3))
    assert scene.verdict(setting, honest) == ACCEPT


@pytest.mark.parametrize("name", PARTLY)
def test_a_wallet_raises_instead_of_showing_in_part(
    stage: Stage, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever went wrong with its own data, a wallet finds out before the gate does."""
    lie, _ = PARTLY[name]
    wallet = stage.holders["360000", "tested"]
    true = wallet._holdings
    setting = stage.scene.setting()
    monkeypatch.setattr(
        wallet, "_holdings", lambda bundle: (lie(stage, setting, h) for h in true(bundle))
    )
    with pytest.raises(CallerError) as refused:
        stage_show(stage, wallet, stage.scene.bundle)
    assert refused.value.reason is Reason.NOT_ACCEPTED_THERE
    assert wallet.state.shows == {}
    assert wallet._shown == {}
    monkeypatch.undo()
    assert stage_show(stage, wallet, stage.scene.bundle).proof


def spoil_key(bundle: GateBundle) -> GateBundle:
    keys = bundle.keys
    moved = {k: t + t for k, t in keys.t.items()}
    return replace(bundle, keys=CheckedKeys(keys.s, moved, keys.w))


def spoil_shift(bundle: GateBundle) -> GateBundle:
    keys = bundle.keys
    return replace(bundle, keys=CheckedKeys(keys.s + keys.s, keys.t, keys.w))


def spoil_table(bundle: GateBundle) -> GateBundle:
    entries = {v: e + e for v, e in bundle.table.entries.items()}
    return replace(bundle, table=CheckedTable(entries))


def empty_table(bundle: GateBundle) -> GateBundle:
    return replace(bundle, table=CheckedTable({}))


def empty_list(bundle: GateBundle) -> GateBundle:
    return replace(bundle, keys=CheckedKeys(bundle.keys.s, {}, {}))


@pytest.mark.parametrize("spoil", [spoil_key, spoil_shift, spoil_table, empty_table, empty_list])
def test_a_wallet_raises_under_a_spoiled_bundle(
    stage: Stage, spoil: Callable[[GateBundle], GateBundle]
) -> None:
    """The audit would have refused it; the wallet's own verification does once more."""
    wallet = stage.holders["360000", "tested"]
    with pytest.raises(CallerError) as refused:
        stage_show(stage, wallet, spoil(stage.scene.bundle))
    assert refused.value.reason is Reason.NOT_ACCEPTED_THERE
    assert stage_show(stage, wallet, stage.scene.bundle).proof


def stage_show(stage: Stage, wallet: Wallet, bundle: GateBundle) -> Frame:
    wallet._shown.clear()
    wallet.state.shows.clear()
    world = stage.world
    poster = world.regions[GATE].checkpoint.poster()
    return wallet.show(poster, bundle, world.view, world.now, world.entropy, EVERY_CONSENT)


def test_a_wallet_tries_its_next_credential_before_it_gives_up(stage: Stage) -> None:
    world = stage.world
    wallet = world.holder("330000")
    world.enrol(wallet, "440000", vaccinated(world.now))
    entries = dict(stage.scene.bundle.table.entries)
    first, *_ = wallet._holdings(stage.scene.bundle)
    entries[first.evidence] = entries[first.evidence] * Scalar(2)
    spoiled = replace(stage.scene.bundle, table=CheckedTable(entries))
    frame = stage_show(stage, wallet, spoiled)
    keeper = stage.scene.gatekeeper()
    assert keeper.verify(frame.text(), world.now, world.entropy) == ACCEPT


# --- tables --------------------------------------------------------------------------------------


def table_of(stage: Stage, values: list[int], *, version: int, seed: int) -> GateBundle:
    """The gate's bundle with another table of a version and κ of one's choice."""
    scheme = stage.scene.scheme
    part, table = make_table(
        scheme,
        values,
        region=GATE,
        policy="entry",
        version=version,
        not_before=0,
        not_after=1 << 40,
        document=bytes(32),
        entropy=seeded(seed),
    )
    policy = check_policy(scheme, part.encode())
    checked = audit_table(scheme, policy, table.encode(), values, stage.world.entropy)
    return replace(stage.scene.bundle, policy=policy, table=checked)


@pytest.mark.parametrize(
    ("version", "seed"), [(2, 8), (2, 9), (1, 9)], ids=["κ reused", "fresh", "G_T reused"]
)
def test_an_entry_of_an_older_looser_table_is_worthless(
    stage: Stage, version: int, seed: int
) -> None:
    """(!) κ is fresh and G_T names the version: either alone makes old entries useless."""
    holding = stage.holding()
    value = holding.evidence
    loose = table_of(stage, [value, value + 1], version=1, seed=8)
    strict = table_of(stage, [value + 1], version=version, seed=seed)
    assert (loose.policy.k == strict.policy.k) == (seed == 8)
    assert (loose.policy.base == strict.policy.base) == (version == 1)
    scene = stage.scene
    old, new = scene.setting(bundle=loose), scene.setting(bundle=strict)
    kept = replace(holding, entry=loose.table.entries[value])
    assert scene.verdict(old, present(old, kept, seeded(1))) == ACCEPT
    shown = present(new, kept, seeded(1))
    assert relations(new, shown) == (True, True, False)
    assert scene.verdict(new, shown) == NOT_SATISFIED


def test_no_two_entries_make_a_third(stage: Stage) -> None:
    """Sums, differences and multiples of entries are entries of nothing."""
    holding, scene = stage.holding(), stage.scene
    value = holding.evidence
    bundle = table_of(stage, [value - 1, value + 1, value + 2], version=1, seed=8)
    entries = list(bundle.table.entries.values())
    setting = scene.setting(bundle=bundle)
    tried = [a + b for a, b in combinations(entries, 2)]
    tried += [a - b for a, b in combinations(entries, 2)]
    tried += [*entries, *(e * Scalar(2).inverse() for e in entries), setting.policy.base]
    for entry in tried:
        shown = present(setting, replace(holding, entry=entry), seeded(1))
        assert relations(setting, shown) == (True, True, False)
        assert scene.verdict(setting, shown) == NOT_SATISFIED
    whole = table_of(stage, [value], version=1, seed=8)
    here = scene.setting(bundle=whole)
    good = replace(holding, entry=whole.table.entries[value])
    assert scene.verdict(here, present(here, good, seeded(1))) == ACCEPT
