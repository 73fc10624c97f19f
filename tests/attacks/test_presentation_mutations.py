"""Whatever is changed in a presentation, nothing but the presentation itself is accepted.

Ten thousand single changes of octets, bits and QR characters, and some hundred
structured ones (points, scalars, CBOR). Whoever reads them must answer with a verdict
or the peer error; the unchanged twin is accepted in every run, before and after.
"""

from __future__ import annotations

import random
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations, islice
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from py_ecc.fields import optimized_bls12_381_FQ as FQ
from py_ecc.fields import optimized_bls12_381_FQ2 as FQ2
from py_ecc.optimized_bls12_381 import optimized_curve as curve

from guosuo.curve import ORDER, Scalar, encoding, pyecc
from guosuo.curve.encoding import FIELD_SIZE, MODULUS
from guosuo.errors import PeerError, Reason
from guosuo.presentation.frame import MAX_FRAME, MAX_TEXT, SHOW_PREFIX, Frame
from guosuo.presentation.proof import (
    POINTS_SIZE,
    PRESENTATION_SIZE,
    SECRETS,
    Presentation,
    blank,
    present,
)
from guosuo.presentation.verify import verify
from guosuo.roles.checkpoint import Checkpoint
from guosuo.roles.verdict import Outcome, Verdict
from guosuo.wire import base45, cbor
from tests.attacks.scene import (
    ACCEPT,
    AGAIN,
    ALREADY_SEEN,
    CODE,
    GATE,
    NOT_SATISFIED,
    TESTED,
    Drawn,
    Scene,
    frame_of,
    proof_holds,
    prove_anyway,
    relations,
    unproven,
    vaccinated,
)
from tests.support.world import World, seeded

SEED = 1103

COUNTS = {
    "octet changed": 3_800,
    "octet removed": 800,
    "octet added": 1_000,
    "bit flipped": 651,
    "character changed": 1_449,
    "character removed": 1_150,
    "character added": 1_150,
}

G1_AT = tuple(range(192, POINTS_SIZE, 48))
G2_AT = (0, 96)
POINTS_AT = {"W'": 0, "Z'": 96} | dict(
    zip(("Abar", "Bbar", "D", "Sbar", "Sbb", "N"), G1_AT, strict=True)
)
SCALARS_AT = {name: POINTS_SIZE + 32 * i for i, name in enumerate(("c", *SECRETS))}


class Stage(Scene):
    """One honest show, its text, and a second one of the same holder and moment."""

    def __init__(self, world: World) -> None:
        super().__init__(world, GATE, world.bundle(GATE))
        self.wallet = world.holder("440000")
        self.frame = frame_of(self.setting(), self.proof(self.wallet).encode())
        self.other = self.proof(self.wallet, seed=2).encode()
        self.text = self.frame.text()
        self.octets = self.frame.encode()

    def with_proof(self, proof: bytes) -> str:
        return replace(self.frame, proof=proof).text()


@pytest.fixture(scope="module")
def stage() -> Stage:
    return Stage(World(policies={GATE: TESTED}))


@pytest.fixture
def gate(stage: Stage) -> Iterator[Checkpoint]:
    """A gate that accepts the twin, before all mutants and still after them.

    It has accepted nothing while it sees the mutants: with its memory of tags it
    would refuse them for the wrong reason.
    """
    assert ask(stage, stage.gatekeeper(), stage.text) == ACCEPT
    keeper = stage.gatekeeper()
    yield keeper
    assert not keeper.state.seen
    assert ask(stage, keeper, stage.text) == ACCEPT
    assert ask(stage, keeper, stage.text) == ALREADY_SEEN


def ask(stage: Stage, keeper: Checkpoint, text: str) -> Outcome:
    return keeper.verify(text, stage.world.now, stage.world.entropy)


def judge(stage: Stage, keeper: Checkpoint, text: str) -> Outcome:
    """What the gate says, after both parsers parsed strictly or raised the peer error."""
    outcome = ask(stage, keeper, text)
    try:
        frame = Frame.from_text(text)
    except PeerError:
        assert outcome == CODE
        return outcome
    # One frame has one text, and one presentation has one encoding.
    assert frame.text() == text
    try:
        shown = Presentation.decode(stage.scheme, frame.proof)
    except PeerError:
        assert outcome in (CODE, AGAIN)
        return outcome
    assert shown.encode() == frame.proof
    assert outcome in (NOT_SATISFIED, AGAIN, ACCEPT)
    return outcome


# --- ten thousand single changes -----------------------------------------------------------------


def changed_octets(stage: Stage, rng: random.Random) -> Iterator[str]:
    for i in every(len(stage.octets)):
        data = bytearray(stage.octets)
        data[i] ^= rng.randrange(1, 256)
        yield as_text(bytes(data))


def removed_octets(stage: Stage, _: random.Random) -> Iterator[str]:
    for i in every(len(stage.octets)):
        yield as_text(stage.octets[:i] + stage.octets[i + 1 :])


def added_octets(stage: Stage, rng: random.Random) -> Iterator[str]:
    for i in every(len(stage.octets) + 1):
        yield as_text(stage.octets[:i] + rng.randbytes(1) + stage.octets[i:])


def flipped_bits(stage: Stage, rng: random.Random) -> Iterator[str]:
    at = list(range(8 * PRESENTATION_SIZE))
    rng.shuffle(at)
    for i in at:
        data = bytearray(stage.frame.proof)
        data[i >> 3] ^= 1 << (i & 7)
        yield stage.with_proof(bytes(data))


def changed_characters(stage: Stage, rng: random.Random) -> Iterator[str]:
    for i in every(len(stage.text)):
        old = stage.text[i]
        new = rng.choice([c for c in base45.ALPHABET + old.lower() + "é\n" if c != old])
        yield stage.text[:i] + new + stage.text[i + 1 :]


def removed_characters(stage: Stage, _: random.Random) -> Iterator[str]:
    for i in every(len(stage.text)):
        yield stage.text[:i] + stage.text[i + 1 :]


def added_characters(stage: Stage, rng: random.Random) -> Iterator[str]:
    for i in every(len(stage.text) + 1):
        yield stage.text[:i] + rng.choice(base45.ALPHABET + "a\0\U0001f512") + stage.text[i:]


MAKERS: dict[str, Callable[[Stage, random.Random], Iterator[str]]] = {
    "octet changed": changed_octets,
    "octet removed": removed_octets,
    "octet added": added_octets,
    "bit flipped": flipped_bits,
    "character changed": changed_characters,
    "character removed": removed_characters,
    "character added": added_characters,
}

REACHED = {
    # Every kind of change gets as far as the format lets it.
    "octet changed": {CODE, AGAIN, NOT_SATISFIED},
    "octet removed": {CODE},
    "octet added": {CODE},
    "bit flipped": {CODE, NOT_SATISFIED},
    "character changed": {CODE, AGAIN, NOT_SATISFIED},
    "character removed": {CODE},
    "character added": {CODE},
}


def every(length: int) -> Iterator[int]:
    """Each place in turn, again and again."""
    while True:
        yield from range(length)


def as_text(octets: bytes) -> str:
    return SHOW_PREFIX + base45.encode(octets)


def test_there_are_ten_thousand_and_every_place_is_tried(stage: Stage) -> None:
    assert sum(COUNTS.values()) == 10_000
    assert COUNTS.keys() == MAKERS.keys() == REACHED.keys()
    assert min(n for kind, n in COUNTS.items() if "octet" in kind) > len(stage.octets)
    assert min(n for kind, n in COUNTS.items() if "character" in kind) > len(stage.text)


@pytest.mark.parametrize("kind", COUNTS)
def test_no_single_change_is_accepted(stage: Stage, gate: Checkpoint, kind: str) -> None:
    rng = random.Random(f"{SEED} {kind}")
    tally: Counter[Outcome] = Counter()
    for text in islice(MAKERS[kind](stage, rng), COUNTS[kind]):
        assert text != stage.text
        tally[judge(stage, gate, text)] += 1
    assert sum(tally.values()) == COUNTS[kind]
    assert tally.keys() == REACHED[kind]


# --- points --------------------------------------------------------------------------------------


def put(proof: bytes, at: int, octets: bytes) -> bytes:
    return proof[:at] + octets + proof[at + len(octets) :]


def size_at(at: int) -> int:
    return 96 if at in G2_AT else 48


def point_at(proof: bytes, at: int) -> bytes:
    return proof[at : at + size_at(at)]


def negated(point: bytes) -> bytes:
    return bytes([point[0] ^ 0x20]) + point[1:]


def outside_subgroup(size: int) -> bytes:
    """A point of the curve, but not of the subgroup: the first x that has a y."""
    for x in range(1, 100):
        octets = bytes([0x80]) + bytes(size - 2) + bytes([x])
        try:
            raw1_or_2(size).decode(octets)
        except PeerError as error:
            if error.reason is Reason.POINT_NOT_IN_SUBGROUP:
                return octets
    raise AssertionError


def with_torsion(point: bytes) -> bytes:
    """The point plus one of small order (3 in G1, of the cofactor's in G2).

    Without the subgroup check a third of all challenges would not see 3-torsion in
    N: a second tag for one holder, checkpoint and tick.
    """
    size = len(point)
    coordinates = affine(point)
    if size == 48:
        small = (FQ(0), FQ(2), FQ(1))
        assert curve.is_inf(curve.multiply(small, 3))
    else:
        small = curve.multiply(affine(outside_subgroup(96)), ORDER)
        assert not curve.is_inf(small)
    return bytes(raw1_or_2(size).encode(curve.add(coordinates, small)))


def affine(point: bytes) -> Any:  # noqa: ANN401 - py_ecc has a class for each field
    data = encoding.decompress(point)
    n = [int.from_bytes(data[i : i + FIELD_SIZE], "big") for i in range(0, len(data), FIELD_SIZE)]
    if len(n) == 2:
        return FQ(n[0]), FQ(n[1]), FQ(1)
    return FQ2([n[1], n[0]]), FQ2([n[3], n[2]]), FQ2.one()


def raw1_or_2(size: int) -> Any:  # noqa: ANN401 - an engine's own group
    return pyecc.ENGINE.raw1 if size == 48 else pyecc.ENGINE.raw2


def above_modulus(point: bytes) -> Iterator[bytes]:
    """The same point with a coordinate not reduced, where that fits in 381 bits."""
    for at in range(0, len(point), FIELD_SIZE):
        flags = point[at] & 0xE0 if at == 0 else 0
        plain = bytes([point[at] & 0x1F if at == 0 else point[at]])
        n = int.from_bytes(plain + point[at + 1 : at + FIELD_SIZE], "big") + MODULUS
        if n < 1 << (8 * FIELD_SIZE - (3 if at == 0 else 0)):
            octets = bytearray(n.to_bytes(FIELD_SIZE, "big"))
            octets[0] |= flags
            yield put(point, at, bytes(octets))


def test_points_that_are_not_points_are_not_readable(stage: Stage, gate: Checkpoint) -> None:
    found: dict[str, Outcome] = {}
    for name, at in POINTS_AT.items():
        own = point_at(stage.frame.proof, at)
        size = len(own)
        bad = {
            "identity": b"\xc0" + bytes(size - 1),
            "identity with a sign": b"\xe0" + bytes(size - 1),
            "identity with an x": bytes([own[0] | 0x40]) + own[1:],
            "identity uncompressed": b"\x40" + bytes(size - 1),
            "all zero": bytes(size),
            "x = 0, torsion": b"\x80" + bytes(size - 1),
            "not compressed": bytes([own[0] & 0x7F]) + own[1:],
            "all ones": b"\xff" * size,
            "x = p": bytes([0x9A]) + MODULUS.to_bytes(48, "big")[1:] + bytes(size - 48),
            "outside the subgroup": outside_subgroup(size),
            "plus torsion": with_torsion(own),
        }
        bad |= {f"x + p ({i})": octets for i, octets in enumerate(above_modulus(own))}
        found |= {
            f"{name}: {what}": judge(
                stage, gate, stage.with_proof(put(stage.frame.proof, at, octets))
            )
            for what, octets in bad.items()
        }
    # x + p fits for one x in four in G1 and for all in the lower half of G2.
    assert sum("x + p" in name for name in found) >= 2
    assert found == dict.fromkeys(found, CODE)


def test_other_points_do_not_satisfy(stage: Stage, gate: Checkpoint) -> None:
    proof, other = stage.frame.proof, stage.other
    mutants: dict[str, bytes] = {}
    for name, at in POINTS_AT.items():
        own = point_at(proof, at)
        engine = stage.scheme.engine
        decode = engine.decode_g2 if at in G2_AT else engine.decode_g1
        point: Any = decode(own)
        base: Any = engine.g2 if at in G2_AT else engine.g1
        assert (-point).encode() == negated(own)
        mutants |= {
            f"−{name}": put(proof, at, negated(own)),
            f"2·{name}": put(proof, at, (point * Scalar(2)).encode()),
            f"{name} + P": put(proof, at, (point + base).encode()),
            f"P for {name}": put(proof, at, base.encode()),
            f"{name} of another show": put(proof, at, point_at(other, at)),
        }
    for places in (G1_AT, G2_AT):
        for a, b in combinations(places, 2):
            swapped = put(put(proof, a, point_at(proof, b)), b, point_at(proof, a))
            mutants[f"{a} and {b} swapped"] = swapped
            mutants[f"{a} twice, for {b}"] = put(proof, b, point_at(proof, a))
    # N is the same in both shows: this one is no mutant.
    assert mutants.pop("N of another show") == proof
    found = {name: judge(stage, gate, stage.with_proof(m)) for name, m in mutants.items()}
    assert len(found) == 8 * 5 - 1 + 2 * 16
    assert found == dict.fromkeys(found, NOT_SATISFIED)


def test_points_changed_together_hold_all_relations_and_still_fail(
    stage: Stage, gate: Checkpoint
) -> None:
    """The pairings alone are malleable, in every one of these ways; the proof is not."""
    setting = stage.setting()
    shown = Presentation.decode(stage.scheme, stage.frame.proof)
    k, shift, p2 = Scalar(7), stage.bundle.keys.s, stage.scheme.p2
    b = shown.bbs
    mutants = {
        "W' + δP2, Z' + δS": replace(
            shown,
            w=shown.w + p2 * k,
            z=shown.z + shift * k,
            bbs=replace(b, bbar=b.bbar + b.abar * k),
        ),
        "k·Abar, k·Bbar": replace(shown, bbs=replace(b, abar=b.abar * k, bbar=b.bbar * k)),
        "k·Abar, k·Bbar, k·D": replace(
            shown, bbs=replace(b, abar=b.abar * k, bbar=b.bbar * k, d=b.d * k)
        ),
        "−Abar, −Bbar": replace(shown, bbs=replace(b, abar=-b.abar, bbar=-b.bbar)),
        "k·D": replace(shown, bbs=replace(b, d=b.d * k)),
        "k·Sbar, k·Sbb": replace(shown, sbar=shown.sbar * k, sbb=shown.sbb * k),
        "−Sbar, −Sbb": replace(shown, sbar=-shown.sbar, sbb=-shown.sbb),
        "k·N": replace(shown, tag=shown.tag * k),
        "N of another tick": replace(
            shown, tag=stage.proof(stage.wallet, stage.setting(tick=stage.tick + 1)).tag
        ),
    }
    other = Presentation.decode(stage.scheme, stage.other)
    mutants |= {
        "list points of another show": replace(shown, w=other.w, z=other.z, bbs=other.bbs),
        "table points of another show": replace(shown, sbar=other.sbar, sbb=other.sbb),
        "proof of another show": replace(shown, proof=other.proof),
    }
    assert relations(setting, shown) == (True, True, True)
    for name, mutant in mutants.items():
        assert relations(setting, mutant) == (True, True, True), name
    found = {
        name: judge(stage, gate, stage.with_proof(mutant.encode()))
        for name, mutant in mutants.items()
    }
    assert found == dict.fromkeys(mutants, NOT_SATISFIED)


# --- scalars -------------------------------------------------------------------------------------


def test_scalars_out_of_range_are_not_readable(stage: Stage, gate: Checkpoint) -> None:
    found: dict[str, Outcome] = {}
    for name, at in SCALARS_AT.items():
        own = int.from_bytes(stage.frame.proof[at : at + 32], "big")
        bad = {"0": 0, "r": ORDER, "r + x": own + ORDER, "r + 1": ORDER + 1, "max": (1 << 256) - 1}
        found |= {
            f"{name} = {what}": judge(
                stage, gate, stage.with_proof(put(stage.frame.proof, at, n.to_bytes(32, "big")))
            )
            for what, n in bad.items()
        }
    assert len(found) == 8 * 5
    assert found == dict.fromkeys(found, CODE)


def test_other_scalars_do_not_satisfy(stage: Stage, gate: Checkpoint) -> None:
    proof = stage.frame.proof
    mutants: dict[str, bytes] = {}
    for name, at in SCALARS_AT.items():
        own = Scalar.decode(proof[at : at + 32])
        mutants |= {
            f"−{name}": put(proof, at, (-own).encode()),
            f"{name} + 1": put(proof, at, (own + Scalar(1)).encode()),
            f"2·{name}": put(proof, at, (own + own).encode()),
            f"{name} = 1": put(proof, at, Scalar(1).encode()),
            f"{name} = r − 1": put(proof, at, Scalar(-1).encode()),
            f"{name} of another show": put(proof, at, stage.other[at : at + 32]),
        }
    for (one, a), (two, b) in combinations(SCALARS_AT.items(), 2):
        swapped = put(put(proof, a, proof[b : b + 32]), b, proof[a : a + 32])
        mutants[f"{one} and {two} swapped"] = swapped
    found = {name: judge(stage, gate, stage.with_proof(m)) for name, m in mutants.items()}
    assert len(found) == 8 * 6 + 28
    assert found == dict.fromkeys(found, NOT_SATISFIED)


# --- the frame -----------------------------------------------------------------------------------


def heads(item: bytes) -> Iterator[bytes]:
    """The same CBOR item with every longer head."""
    major, low = item[0] & 0xE0, item[0] & 0x1F
    size = {24: 1, 25: 2, 26: 4, 27: 8}.get(low, 0)
    n = int.from_bytes(item[1 : 1 + size], "big") if size else low
    for code, width in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if width > size:
            yield bytes([major | code]) + n.to_bytes(width, "big") + item[1 + size :]


def other_encodings(stage: Stage) -> Iterator[tuple[str, bytes]]:
    """The same frame, written as CBOR allows and deterministic CBOR does not."""
    octets = stage.octets
    value = cbor.decode(octets)
    assert isinstance(value, list)
    items = [cbor.encode(item) for item in value]
    assert octets == b"\x88" + b"".join(items)
    for i, head in enumerate(heads(octets)):
        yield f"longer array head {i}", head
    yield "indefinite array", b"\x9f" + b"".join(items) + b"\xff"
    yield "self-described", b"\xd9\xd9\xf7" + octets
    yield "in a byte string", cbor.encode(octets)
    yield "in an array", b"\x81" + octets
    yield "as a map", b"\xa8" + b"".join(bytes([i]) + item for i, item in enumerate(items))
    for i, item in enumerate(items):

        def with_item(new: bytes, at: int = i) -> bytes:
            return b"\x88" + b"".join([*items[:at], new, *items[at + 1 :]])

        for j, longer in enumerate(heads(item)):
            yield f"item {i} with longer head {j}", with_item(longer)
        if item[0] >> 5 == 2:
            yield f"item {i} in an indefinite string", with_item(b"\x5f" + item + b"\xff")
            plain = value[i]
            assert isinstance(plain, bytes)
            halves = cbor.encode(plain[:4]) + cbor.encode(plain[4:])
            yield f"item {i} in two chunks", with_item(b"\x5f" + halves + b"\xff")
        else:
            number = value[i]
            assert isinstance(number, int)
            yield (
                f"item {i} as a bignum",
                with_item(b"\xc2" + cbor.encode(number.to_bytes(8, "big"))),
            )
            yield f"item {i} as a float", with_item(b"\xfb" + float_octets(number))
        yield f"item {i} tagged", with_item(b"\xc1" + item)


def float_octets(number: int) -> bytes:
    return struct.pack(">d", float(number))


def other_frames(stage: Stage) -> Iterator[tuple[str, bytes]]:
    """Deterministic CBOR, but no frame."""
    value = cbor.decode(stage.octets)
    assert isinstance(value, list)
    for i, item in enumerate(value):
        yield f"item {i} twice", cbor.encode([*value[:i], item, *value[i:]])
        yield f"item {i} left out", cbor.encode([*value[:i], *value[i + 1 :]])
        wrong: dict[str, cbor.Value] = {
            "false": False,
            "true": True,
            "null": None,
            "text": "1",
            "negative": -1,
            "array": [item],
            "map": {0: item},
            "empty": b"",
        }
        for what, odd in wrong.items():
            yield f"item {i} is {what}", cbor.encode([*value[:i], odd, *value[i + 1 :]])
    for what, extra in {"zero": 0, "null": None, "empty": b"", "proof": value[7]}.items():
        yield f"one item more: {what}", cbor.encode([*value, extra])
    for version in (0, 2, 3, 255, (1 << 64) - 1):
        yield f"format version {version}", cbor.encode([version, *value[1:]])
    for mode in (2, 3, (1 << 64) - 1):
        yield f"mode {mode}", cbor.encode([*value[:6], mode, value[7]])
    place, proof = value[5], value[7]
    assert isinstance(place, bytes)
    assert isinstance(proof, bytes)
    for what, odd in {"shorter": place[:-1], "longer": place + b"\0"}.items():
        yield f"place {what}", cbor.encode([*value[:5], odd, *value[6:]])
    for what, odd in {
        "shorter": proof[:-1],
        "longer": proof + b"\0",
        "double": proof[:32] * 23 + b"\0",
    }.items():
        yield f"proof {what}", cbor.encode([*value[:7], odd])
    yield "one octet behind", stage.octets + b"\0"
    yield "twice", stage.octets * 2
    yield "nothing", b""
    yield "too long", cbor.encode([*value[:7], bytes(MAX_FRAME)])
    yield "deep", b"\x81" * 700


def test_no_other_encoding_and_no_other_frame_is_readable(stage: Stage, gate: Checkpoint) -> None:
    mutants = dict([*other_encodings(stage), *other_frames(stage)])
    assert stage.octets not in mutants.values()
    for octets in mutants.values():
        with pytest.raises(PeerError):
            Frame.decode(octets)
    found = {name: judge(stage, gate, as_text(octets)) for name, octets in mutants.items()}
    assert len(found) > 140
    assert found == dict.fromkeys(mutants, CODE)


def test_only_the_one_text_of_a_frame_is_readable(stage: Stage, gate: Checkpoint) -> None:
    body = stage.text.removeprefix(SHOW_PREFIX)
    mutants = {
        "small letters": stage.text.lower(),
        "small prefix": SHOW_PREFIX.lower() + body,
        "no prefix": body,
        "next version": "GS2:" + body,
        "poster": "GP1:" + body,
        "challenge": "GC1:" + body,
        "health certificate": "HC1:" + body,
        "prefix twice": SHOW_PREFIX + stage.text,
        "space before": " " + stage.text,
        "space behind": stage.text + " ",
        "line end": stage.text + "\n",
        "three more": stage.text + "000",
        "two more": stage.text + "00",
        "too long": stage.text + "0" * MAX_TEXT,
        "prefix only": SHOW_PREFIX,
        "nothing": "",
        "wide digits": SHOW_PREFIX + body.translate({ord("1"): 0xFF11}),
        "lone surrogate": SHOW_PREFIX + "\ud800" + body[1:],
    }
    found = {name: judge(stage, gate, text) for name, text in mutants.items()}
    assert found == dict.fromkeys(mutants, CODE)


# --- any bytes, any text -------------------------------------------------------------------------

quick = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(data=st.binary(max_size=900))
def test_any_octets_are_a_frame_or_the_peer_error(data: bytes) -> None:
    try:
        frame = Frame.decode(data)
    except PeerError:
        return
    assert frame.encode() == data


@given(data=st.one_of(st.binary(min_size=736, max_size=736), st.binary(max_size=800)))
def test_any_octets_are_a_presentation_or_the_peer_error(stage: Stage, data: bytes) -> None:
    try:
        shown = Presentation.decode(stage.scheme, data)
    except PeerError:
        return
    assert shown.encode() == data


def test_the_true_octets_are_both(stage: Stage) -> None:
    assert Frame.decode(stage.octets) == stage.frame
    shown = Presentation.decode(stage.scheme, stage.frame.proof)
    assert shown.encode() == stage.frame.proof


@quick
@given(
    text=st.one_of(
        st.text(max_size=1500),
        st.text(alphabet=base45.ALPHABET, max_size=1200).map(SHOW_PREFIX.__add__),
        st.binary(max_size=800).map(as_text),
    )
)
def test_any_text_is_code(stage: Stage, gate: Checkpoint, text: str) -> None:
    assert judge(stage, gate, text) == CODE


@quick
@given(
    items=st.tuples(
        st.sampled_from([0, 1, 1, 1, 2]),
        *(st.one_of(st.integers(0, 300), st.integers(0, (1 << 64) - 1)) for _ in range(4)),
        st.binary(min_size=7, max_size=9),
        st.integers(0, 2),
        st.binary(min_size=735, max_size=737),
    )
)
def test_any_array_of_the_right_shape_is_code_or_again(
    stage: Stage, gate: Checkpoint, items: tuple[int | bytes, ...]
) -> None:
    assert judge(stage, gate, as_text(cbor.encode(list(items)))) in (CODE, AGAIN)


@quick
@given(
    edits=st.lists(
        st.tuples(st.integers(0, 759), st.integers(0, 3), st.binary(max_size=4)),
        min_size=1,
        max_size=4,
    )
)
def test_several_edits_are_never_accepted(
    stage: Stage, gate: Checkpoint, edits: list[tuple[int, int, bytes]]
) -> None:
    octets = stage.octets
    for at, removed, added in edits:
        octets = octets[:at] + added + octets[at + removed :]
    if octets != stage.octets:
        assert judge(stage, gate, as_text(octets)) != ACCEPT
    else:
        assert ask(stage, stage.gatekeeper(), as_text(octets)) == ACCEPT


# --- (!) the identity ----------------------------------------------------------------------------


def test_without_the_refusal_of_the_identity_nobody_needs_a_credential(
    stage: Stage, gate: Checkpoint
) -> None:
    """(!) Abar = Bbar = 0: all relations and the proof hold, with public values only."""
    setting, scheme, drawn = stage.setting(), stage.scheme, Drawn.by(5)
    key = next(iter(stage.bundle.keys.t))
    value, entry = next(iter(stage.bundle.table.entries.items()))
    m0, s, v = Scalar(11), Scalar(12), Scalar(value)
    b = scheme.base + scheme.h0 * m0 + scheme.h1 * s + scheme.h2 * v
    nothing = scheme.engine.g1_identity
    sbar = entry * drawn.rho
    points = unproven(
        w=stage.bundle.keys.w[key] + scheme.p2 * drawn.tau,
        z=stage.bundle.keys.t[key] + stage.bundle.keys.s * drawn.tau,
        abar=nothing,
        bbar=nothing,
        d=b * drawn.r2,
        sbar=sbar,
        sbb=setting.policy.base * drawn.rho - sbar * v,
        tag=setting.base() * s,
    )
    witness = {"e": Scalar(1), "-r1": Scalar(0), "-r3": -drawn.r2.inverse()}
    witness |= {"rho": drawn.rho, "m0": m0, "m1": s, "m2": v}
    forged = prove_anyway(setting, points, witness, seeded(6))
    assert relations(setting, forged) == (True, True, True)
    assert proof_holds(setting, forged)
    assert_refused(stage, gate, forged)


def test_without_the_refusal_of_the_identity_any_evidence_is_good_enough(
    stage: Stage, gate: Checkpoint
) -> None:
    """(!) Sbar = Sbb = 0: a holder whose evidence the gate does not accept passes."""
    setting, drawn = stage.setting(), Drawn.by(7)
    wallet = stage.world.holder("330000", vaccinated(stage.world.now))
    with pytest.raises(StopIteration):
        stage.holding(wallet)
    (held,) = wallet.state.slots.values()
    (renewal, *_) = held.renewals.values()
    tables = {renewal.evidence: next(iter(stage.bundle.table.entries.values()))}
    cheating = replace(stage.bundle, table=replace(stage.bundle.table, entries=tables))
    holding = stage.holding(wallet, cheating)
    nothing = stage.scheme.engine.g1_identity
    honest = present(setting, holding, seeded(7))
    points = replace(honest, sbar=nothing, sbb=nothing)
    witness = {
        "e": holding.signature.e - drawn.tau,
        "-r1": -drawn.r1,
        "-r3": -drawn.r2.inverse(),
        "rho": Scalar(0),
        "m0": holding.blinding,
        "m1": holding.link,
        "m2": Scalar(holding.evidence),
    }
    forged = prove_anyway(setting, points, witness, seeded(8))
    assert relations(setting, forged) == (True, True, True)
    assert proof_holds(setting, forged)
    assert_refused(stage, gate, forged)


def assert_refused(stage: Stage, gate: Checkpoint, forged: Presentation) -> None:
    octets = forged.encode()
    with pytest.raises(PeerError) as refused:
        Presentation.decode(stage.scheme, octets)
    assert refused.value.reason is Reason.POINT_IDENTITY
    assert judge(stage, gate, stage.with_proof(octets)) == CODE
    # And where somebody builds presentations otherwise than by decoding.
    with pytest.raises(PeerError):
        verify(stage.setting(), forged, stage.world.entropy)


def test_a_blank_is_readable_and_does_not_satisfy(stage: Stage, gate: Checkpoint) -> None:
    for seed in range(20):
        text = stage.with_proof(blank(stage.scheme, seeded(seed)))
        assert judge(stage, gate, text) == NOT_SATISFIED
    assert NOT_SATISFIED.verdict is Verdict.NOT_SATISFIED
