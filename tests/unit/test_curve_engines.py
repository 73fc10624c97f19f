"""Nobody can tell which engine runs: same points, same refusals, same reasons."""

from __future__ import annotations

import hashlib
import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from py_ecc.fields import optimized_bls12_381_FQ as FQ
from py_ecc.fields import optimized_bls12_381_FQ2 as FQ2
from py_ecc.optimized_bls12_381 import optimized_curve as curve

from guosuo.curve import (
    G1,
    G2,
    ORDER,
    Engine,
    Scalar,
    encoding,
    engine_names,
    get_engine,
    products,
    pyecc,
    selection,
)
from guosuo.curve.encoding import FIELD_SIZE, MODULUS
from guosuo.curve.hashing import (
    Expander,
    encode_to_curve_g1,
    encode_to_curve_g2,
    expand_message_xmd,
    expand_message_xof,
    hash_to_curve_g1,
    hash_to_curve_g2,
    hash_to_field,
    map_to_curve_g1,
    map_to_curve_g2,
)
from guosuo.errors import CallerError, PeerError, Reason

ENGINES = [get_engine(name) for name in engine_names()]
NATIVE = [engine for engine in ENGINES if engine.native]
XMD, XOF = Expander.XMD_SHA256, Expander.XOF_SHAKE256
ZERO, ONE, FIVE = Scalar(0), Scalar(1), Scalar(5)

# py_ecc needs 60 ms to multiply in G2 and 250 ms to pair: few examples where it
# takes part. The native engines do the same many times over.
few = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
many = settings(max_examples=60, deadline=None)

# Small and opposite multiples make equal, opposite and neutral operands common.
scalars = st.one_of(
    st.sampled_from([0, 1, 2, 3, ORDER - 1, ORDER - 2, 2**128, ORDER >> 1]),
    st.integers(0, ORDER - 1),
).map(Scalar)
elements = st.one_of(st.sampled_from([0, 1, MODULUS - 1]), st.integers(0, MODULUS - 1))
tags = st.one_of(
    st.binary(min_size=1, max_size=40),
    st.sampled_from([b"D" * 254, b"D" * 255, b"D" * 256, b"D" * 300]),
)


def agreed(compute: Callable[[Engine], Any], engines: list[Engine]) -> Any:  # noqa: ANN401
    """What every engine computes, octets for points; fails where they differ."""
    results = []
    for engine in engines:
        result = compute(engine)
        results.append(result.encode() if isinstance(result, G1 | G2) else result)
    assert all(result == results[0] for result in results), results
    return results[0]


def verdict(decode: Callable[[], G1 | G2]) -> bytes | Reason:
    """Octets of what was read, or the reason why not; any other exception gets out."""
    try:
        return decode().encode()
    except PeerError as error:
        return error.reason


def read(data: bytes, size: int, engines: list[Engine]) -> bytes | Reason:
    """Read compressed octets with every engine."""
    got: bytes | Reason = agreed(
        lambda e: verdict(lambda: e.decode_g1(data) if size == 48 else e.decode_g2(data)), engines
    )
    return got


@pytest.fixture(params=ENGINES, ids=lambda engine: engine.name)
def engine(request: pytest.FixtureRequest) -> Engine:
    given_engine: Engine = request.param
    return given_engine


def test_all_engines_are_tested() -> None:
    assert "py_ecc" in engine_names()
    assert NATIVE, "no native engine is installed"


# Group laws


def check_group(a: Scalar, b: Scalar, engines: list[Engine], *, wide: bool) -> None:
    def base(engine: Engine) -> Any:  # noqa: ANN401
        return engine.g2 if wide else engine.g1

    total = agreed(lambda e: base(e) * a + base(e) * b, engines)
    assert total == agreed(lambda e: base(e) * (a + b), engines)
    difference = agreed(lambda e: base(e) * a - base(e) * b, engines)
    assert difference == agreed(lambda e: base(e) * (a - b), engines)
    assert agreed(lambda e: -(base(e) * a), engines) == agreed(lambda e: base(e) * -a, engines)
    assert agreed(lambda e: (base(e) * a).is_identity(), engines) == (not a)
    assert agreed(lambda e: base(e) * a == base(e) * b, engines) == (a == b)


@many
@given(scalars, scalars)
def test_native_engines_agree_on_the_group_laws(a: Scalar, b: Scalar) -> None:
    check_group(a, b, NATIVE, wide=False)
    check_group(a, b, NATIVE, wide=True)


@few
@given(scalars, scalars)
@example(Scalar(0), Scalar(0))
@example(Scalar(5), Scalar(5))
@example(Scalar(5), Scalar(-5))
@example(Scalar(0), Scalar(5))
def test_all_engines_agree_on_the_group_laws_of_g1(a: Scalar, b: Scalar) -> None:
    check_group(a, b, ENGINES, wide=False)


@settings(few, max_examples=3)
@given(scalars, scalars)
@example(Scalar(0), Scalar(0))
@example(Scalar(5), Scalar(5))
@example(Scalar(5), Scalar(-5))
def test_all_engines_agree_on_the_group_laws_of_g2(a: Scalar, b: Scalar) -> None:
    check_group(a, b, ENGINES, wide=True)


@pytest.mark.parametrize("wide", [False, True])
def test_the_identity_in_every_operation(engine: Engine, *, wide: bool) -> None:
    base = engine.g2 if wide else engine.g1
    o: Any = engine.g2_identity if wide else engine.g1_identity
    # The neutral element as it comes out of each operation, not only as a constant.
    p: Any = base * Scalar(7)
    zeros = [o, p - p, p * Scalar(0), o * Scalar(9), -o, o + o, p + p * Scalar(-1), -(o * ONE)]
    for zero in zeros:
        assert zero.is_identity()
        assert zero == o
        assert o == zero
        assert zero != p
        assert p != zero
        assert hash(zero) == hash(o)
        assert zero.encode() == b"\xc0" + bytes(len(p.encode()) - 1)
        assert zero + p == p
        assert p + zero == p
        assert p - zero == p
        assert zero - p == -p
    assert not p.is_identity()
    assert p + p == p * Scalar(2)


# Sums of products

terms = st.lists(st.tuples(scalars, scalars), max_size=6)


def check_sum(pairs: list[tuple[Scalar, Scalar]], engines: list[Engine], *, wide: bool) -> None:
    points, weights = [p for p, _ in pairs], [w for _, w in pairs]
    expected = sum((p * w for p, w in pairs), Scalar(0))
    if wide:
        got = agreed(lambda e: e.sum_of_products_g2([e.g2 * p for p in points], weights), engines)
        assert got == (engines[0].g2 * expected).encode()
    else:
        got = agreed(lambda e: e.sum_of_products_g1([e.g1 * p for p in points], weights), engines)
        assert got == (engines[0].g1 * expected).encode()


@many
@given(terms)
def test_native_engines_agree_on_sums_of_products(pairs: list[tuple[Scalar, Scalar]]) -> None:
    check_sum(pairs, NATIVE, wide=False)
    check_sum(pairs, NATIVE, wide=True)


@few
@given(terms)
@example([])
@example([(ZERO, ZERO)])
@example([(FIVE, ZERO), (ZERO, FIVE)])
@example([(FIVE, ONE), (FIVE, ONE), (FIVE, -ONE), (FIVE, -ONE)])
@example([(FIVE, FIVE), (-FIVE, FIVE)])
@example([(ONE, -ONE), (ONE, ONE), (ZERO, ONE)])
def test_all_engines_agree_on_sums_of_products(pairs: list[tuple[Scalar, Scalar]]) -> None:
    check_sum(pairs, ENGINES, wide=False)


@settings(few, max_examples=2)
@given(terms)
@example([(FIVE, ONE), (FIVE, ONE), (FIVE, -ONE), (FIVE, -ONE), (ZERO, ONE), (ONE, ZERO)])
def test_all_engines_agree_on_sums_of_products_in_g2(pairs: list[tuple[Scalar, Scalar]]) -> None:
    check_sum(pairs, ENGINES, wide=True)


@pytest.mark.parametrize("count", [31, 32, 33, 191, 192, 193, 600])
def test_long_sums_of_products(count: int) -> None:
    # Both sides of every crossover, with few distinct points, so that equal and
    # opposite ones meet, and with weights of very different lengths.
    pairs = [
        (Scalar(i % 7 - 3), Scalar(pow(3, i * i, ORDER) >> (i * 37 % 256))) for i in range(count)
    ]
    check_sum(pairs, NATIVE, wide=False)
    check_sum(pairs, NATIVE, wide=True)


@many
@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(0, ORDER)), max_size=40))
@example([])
@example([(1, 0)])
@example([(3, 15), (3, 16), (3, 17), (3, 31), (3, 32), (3, 2**255 - 1)])
def test_both_ways_to_add_up_products(pairs: list[tuple[int, int]]) -> None:
    # Over the integers, where a wrong digit cannot hide behind a group order.
    points, weights = [p for p, _ in pairs], [w for _, w in pairs]
    expected = sum(p * w for p, w in pairs)
    for method in (products.interleaved, products.buckets, products.sum_of_products):
        assert method(points, weights, 0, lambda a, b: a + b, lambda a: -a) == expected


@pytest.mark.parametrize("surplus", ["points", "scalars"])
def test_sums_need_as_many_points_as_scalars(engine: Engine, surplus: str) -> None:
    points = 3 if surplus == "points" else 2
    for compute in (
        lambda: engine.sum_of_products_g1([engine.g1] * points, [Scalar(1)] * (5 - points)),
        lambda: engine.sum_of_products_g2([engine.g2] * points, [Scalar(1)] * (5 - points)),
    ):
        with pytest.raises(CallerError) as caught:
            compute()
        assert caught.value.reason is Reason.ARGUMENT
    assert engine.sum_of_products_g1([engine.g1] * 2, [Scalar(1)] * 2) == engine.g1 * Scalar(2)


# Pairings


def check_pairing(pairs: list[tuple[Scalar, Scalar]], engines: list[Engine]) -> None:
    # Π e(a_i·P, b_i·Q) = 1 exactly if Σ a_i·b_i = 0.
    expected = not sum((a * b for a, b in pairs), Scalar(0))
    got = agreed(
        lambda e: e.pairing_product_is_one([(e.g1 * a, e.g2 * b) for a, b in pairs]), engines
    )
    assert got == expected


@many
@given(st.lists(st.tuples(scalars, scalars), max_size=4))
def test_native_engines_agree_on_pairing_products(pairs: list[tuple[Scalar, Scalar]]) -> None:
    check_pairing(pairs, NATIVE)
    rest = sum((a * b for a, b in pairs), Scalar(0))
    check_pairing([*pairs, (-rest, Scalar(1))], NATIVE)


@pytest.mark.parametrize(
    "pairs",
    [
        [],
        [(0, 0)],
        [(0, 5)],
        [(5, 0)],
        [(3, 5), (-15, 1)],
        [(3, 5), (-14, 1)],
        [(1, 1), (0, 3), (2, 0)],
    ],
)
def test_all_engines_agree_on_pairing_products(pairs: list[tuple[int, int]]) -> None:
    check_pairing([(Scalar(a), Scalar(b)) for a, b in pairs], ENGINES)


# Hashing


@many
@given(st.binary(max_size=80), tags)
def test_native_engines_agree_on_hashing(message: bytes, dst: bytes) -> None:
    agreed(lambda e: hash_to_curve_g1(e, XMD, message, dst), NATIVE)
    if len(dst) <= 255:
        # Longer tags go through the map, for which pyblst asks py_ecc.
        agreed(lambda e: hash_to_curve_g2(e, XMD, message, dst), NATIVE)


@pytest.mark.parametrize("expander", Expander)
@few
@given(message=st.binary(max_size=80), dst=tags)
@example(message=b"", dst=b"D" * 255)
@example(message=b"", dst=b"D" * 256)
def test_all_engines_agree_on_hashing(expander: Expander, message: bytes, dst: bytes) -> None:
    agreed(lambda e: hash_to_curve_g1(e, expander, message, dst), ENGINES)
    agreed(lambda e: encode_to_curve_g1(e, expander, message, dst), ENGINES)


def test_all_engines_agree_on_hashing_to_g2() -> None:
    agreed(lambda e: hash_to_curve_g2(e, XMD, b"m", b"D" * 255), ENGINES)
    agreed(lambda e: hash_to_curve_g2(e, XMD, b"m", b"D" * 256), ENGINES)
    agreed(lambda e: hash_to_curve_g2(e, XOF, b"m", b"D"), ENGINES)
    agreed(lambda e: encode_to_curve_g2(e, XOF, b"m", b"D"), ENGINES)


def test_the_native_hash_is_the_general_one(engine: Engine) -> None:
    for dst in (b"D", b"D" * 255):
        u0, u1 = hash_to_field(XMD, b"m", dst, count=2, degree=1)
        mapped = map_to_curve_g1(engine, *u0) + map_to_curve_g1(engine, *u1)
        assert hash_to_curve_g1(engine, XMD, b"m", dst) == mapped


# −1/11 is a square modulo p, and for its roots the simplified SWU map divides by zero.
EXCEPTIONAL = pow(-pow(11, -1, MODULUS), (MODULUS + 1) // 4, MODULUS)


@few
@given(elements)
@example(EXCEPTIONAL)
@example(MODULUS - EXCEPTIONAL)
def test_all_engines_agree_on_the_map_to_g1(u: int) -> None:
    assert (11 * EXCEPTIONAL**2 + 1) % MODULUS == 0
    agreed(lambda e: map_to_curve_g1(e, u), ENGINES)


@settings(few, max_examples=2)
@given(elements, elements)
@example(0, 0)
@example(0, 1)
@example(1, 0)
def test_all_engines_agree_on_the_map_to_g2(c0: int, c1: int) -> None:
    agreed(lambda e: map_to_curve_g2(e, c0, c1), ENGINES)


@pytest.mark.parametrize("u", [-1, MODULUS, MODULUS + 1, 2**384])
def test_maps_refuse_what_is_no_field_element(engine: Engine, u: int) -> None:
    for compute in (
        lambda: map_to_curve_g1(engine, u),
        lambda: map_to_curve_g2(engine, u, 0),
        lambda: map_to_curve_g2(engine, 0, u),
    ):
        with pytest.raises(CallerError) as caught:
            compute()
        assert caught.value.reason is Reason.ARGUMENT


def test_expanders_refuse_what_they_cannot_do(engine: Engine) -> None:
    for compute in (
        lambda: expand_message_xmd(b"m", b"", 32),
        lambda: expand_message_xof(b"m", b"", 32),
        lambda: expand_message_xmd(b"m", b"D", 0),
        lambda: expand_message_xof(b"m", b"D", -1),
        lambda: expand_message_xmd(b"m", b"D", 255 * 32 + 1),
        lambda: expand_message_xmd(b"m", b"D", 65_536, hash_name="sha512"),
        lambda: expand_message_xof(b"m", b"D", 65_536),
        lambda: expand_message_xof(b"m", b"D", 32, hash_name="sha256"),
        lambda: expand_message_xmd(b"m", b"D", 32, hash_name="shake_256"),
        lambda: hash_to_curve_g1(engine, XMD, b"m", b""),
        lambda: hash_to_curve_g2(engine, XOF, b"m", b""),
        lambda: encode_to_curve_g1(engine, XMD, b"m", b""),
    ):
        with pytest.raises(CallerError) as caught:
            compute()
        assert caught.value.reason is Reason.ARGUMENT
    # Accepted, one octet before each limit.
    assert len(expand_message_xmd(b"m", b"D", 255 * 32)) == 255 * 32
    assert len(expand_message_xmd(b"m", b"D", 255 * 64, hash_name="sha512")) == 255 * 64
    assert len(expand_message_xof(b"m", b"D", 65_535)) == 65_535


def test_a_long_tag_is_the_short_one_that_it_hashes_to() -> None:
    text = b"H2C-OVERSIZE-DST-" + b"D" * 256
    short = hashlib.sha256(text).digest()
    assert expand_message_xmd(b"m", b"D" * 256, 99) == expand_message_xmd(b"m", short, 99)
    for level, size in ((128, 32), (256, 64), (100, 25)):
        short = hashlib.shake_256(text).digest(size)
        long = expand_message_xof(b"m", b"D" * 256, 99, security_level=level)
        assert long == expand_message_xof(b"m", short, 99, security_level=level)
    assert expand_message_xof(b"m", b"D" * 255, 9) != expand_message_xof(b"m", b"D" * 256, 9)


# Octets


@few
@given(scalars)
@example(Scalar(1))
@example(Scalar(0))
def test_octets_of_points_are_read_back(k: Scalar) -> None:
    for engine in ENGINES:
        p = engine.g1 * k
        assert engine.decode_g1(p.encode(), allow_identity=True) == p
        wide = p.encode_uncompressed()
        assert engine.decode_g1_uncompressed(wide, allow_identity=True) == p
    for engine in NATIVE:
        q = engine.g2 * k
        assert engine.decode_g2(q.encode(), allow_identity=True) == q
        wide = q.encode_uncompressed()
        assert engine.decode_g2_uncompressed(wide, allow_identity=True) == q
    agreed(lambda e: (e.g1 * k).encode_uncompressed(), ENGINES)
    agreed(lambda e: (e.g2 * k).encode_uncompressed(), ENGINES)


@pytest.mark.parametrize("size", [48, 96])
def test_the_identity_is_read_only_where_it_is_allowed(engine: Engine, size: int) -> None:
    decode: Any = engine.decode_g1 if size == 48 else engine.decode_g2
    plain: Any = engine.decode_g1_uncompressed if size == 48 else engine.decode_g2_uncompressed
    for reader, data in (
        (decode, b"\xc0" + bytes(size - 1)),
        (plain, b"\x40" + bytes(2 * size - 1)),
    ):
        assert reader(data, allow_identity=True).is_identity()
        with pytest.raises(PeerError) as caught:
            reader(data)
        assert caught.value.reason is Reason.POINT_IDENTITY


def malformed(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Malformed variants of the compressed octets of a point that is not the identity."""
    size = len(data)
    yield "empty", b""
    yield "one short", data[:-1]
    yield "one long", data + b"\0"
    yield "twice", data + data
    body = bytes([data[0] & 0x1F]) + data[1:]
    for flags in (0x00, 0x20, 0x40, 0x60, 0xC0, 0xE0):
        yield f"flags {flags:02x}", bytes([body[0] | flags]) + body[1:]
    for flags in (0x00, 0x20, 0x40, 0x60, 0xE0):
        yield f"identity with flags {flags:02x}", bytes([flags]) + bytes(size - 1)
    yield "identity and a bit", b"\xc0" + bytes(size - 2) + b"\x01"
    for at in range(0, size, FIELD_SIZE):
        for value in (MODULUS, MODULUS + 1, 2**381 - 1):
            changed = body[:at] + value.to_bytes(FIELD_SIZE, "big") + body[at + FIELD_SIZE :]
            yield f"coordinate at {at}", bytes([changed[0] | 0x80]) + changed[1:]
    if size > FIELD_SIZE:
        for bit in (0x20, 0x40, 0x80):
            flagged = bytearray(data)
            flagged[FIELD_SIZE] |= bit
            yield f"flag {bit:02x} in the second coordinate", bytes(flagged)


@pytest.mark.parametrize("size", [48, 96])
def test_malformed_octets_are_refused(engine: Engine, size: int) -> None:
    point = (engine.g1 if size == 48 else engine.g2) * Scalar(5)
    decode: Any = engine.decode_g1 if size == 48 else engine.decode_g2
    assert decode(point.encode()) == point
    for name, data in malformed(point.encode()):
        with pytest.raises(PeerError) as caught:
            decode(data, allow_identity=True)
        assert caught.value.reason is Reason.POINT_ENCODING, name


def malformed_affine(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Malformed variants of uncompressed octets of a point that is not the identity."""
    yield "empty", b""
    yield "one short", data[:-1]
    yield "one long", data + b"\0"
    yield "x only", data[: len(data) // 2]
    for flags in (0x20, 0x60, 0x80, 0xA0, 0xC0, 0xE0):
        yield f"flags {flags:02x}", bytes([data[0] | flags]) + data[1:]
        yield f"identity with flags {flags:02x}", bytes([flags]) + bytes(len(data) - 1)
    yield "flags 40", bytes([data[0] | 0x40]) + data[1:]
    yield "identity and a bit", b"\x40" + bytes(len(data) - 2) + b"\x01"
    for at in range(0, len(data), FIELD_SIZE):
        value = int.from_bytes(data[at : at + FIELD_SIZE], "big") + MODULUS
        yield (
            f"coordinate at {at} plus p",
            data[:at] + value.to_bytes(FIELD_SIZE, "big") + data[at + FIELD_SIZE :],
        )
        if at:
            changed = bytearray(data)
            changed[at] |= 0x80
            yield f"flag in coordinate at {at}", bytes(changed)


@pytest.mark.parametrize("size", [96, 192])
def test_malformed_affine_octets_are_refused(engine: Engine, size: int) -> None:
    point = (engine.g1 if size == 96 else engine.g2) * Scalar(5)
    decode: Any = engine.decode_g1_uncompressed if size == 96 else engine.decode_g2_uncompressed
    data = point.encode_uncompressed()
    assert decode(data) == point
    for name, changed in malformed_affine(data):
        with pytest.raises(PeerError) as caught:
            decode(changed, allow_identity=True)
        assert caught.value.reason is Reason.POINT_ENCODING, name
    # y, x instead of x, y; and another y.
    half = size // 2
    for changed in (data[half:] + data[:half], data[:-1] + bytes([data[-1] ^ 1]), bytes(size)):
        with pytest.raises(PeerError) as caught:
            decode(changed)
        assert caught.value.reason is Reason.POINT_NOT_ON_CURVE


@few
@given(st.data(), st.sampled_from([48, 96]))
def test_one_flipped_bit(data: st.DataObject, size: int) -> None:
    engine = NATIVE[0]
    k = data.draw(st.integers(1, ORDER - 1).map(Scalar))
    octets = ((engine.g1 if size == 48 else engine.g2) * k).encode()
    bit = data.draw(st.integers(0, 8 * size - 1))
    changed = bytearray(octets)
    changed[bit // 8] ^= 0x80 >> bit % 8
    got = read(bytes(changed), size, ENGINES)
    if bit == 2:
        # The larger-y flag: the opposite point, and no other is one bit away.
        point = engine.decode_g1(octets) if size == 48 else engine.decode_g2(octets)
        assert got == bytes(changed) == (-point).encode()
    else:
        assert isinstance(got, Reason)


@many
@given(st.one_of(st.binary(max_size=100), st.binary(min_size=48, max_size=48)))
@example(b"\x80" + bytes(47))
@example(b"\x80" + bytes(95))
def test_any_octets_are_a_point_or_a_peer_error(data: bytes) -> None:
    for size in (48, 96):
        got = read(data, size, NATIVE)
        assert isinstance(got, Reason) or got == data


@few
@given(st.integers(0, MODULUS - 1), st.sampled_from([0x80, 0xA0]))
@example(0, 0x80)  # x = 0: the two points of order three
@example(0, 0xA0)
def test_points_of_no_use_have_the_same_reason_everywhere(x: int, flags: int) -> None:
    data = bytearray(x.to_bytes(FIELD_SIZE, "big"))
    data[0] |= flags
    on_curve = pow(x**3 + 4, (MODULUS - 1) // 2, MODULUS) in (0, 1)
    expected = Reason.POINT_NOT_IN_SUBGROUP if on_curve else Reason.POINT_NOT_ON_CURVE
    assert read(bytes(data), 48, ENGINES) is expected


# Torsion: points of the curve whose order divides the cofactor. Fast subgroup
# tests use endomorphisms; adding a point of small order to a good one is what
# they must not miss.

COFACTOR_1 = 0x396C8C005555E1568C00AAAB0000AAAB
COFACTOR_2 = int(
    "5d543a95414e7f1091d50792876a202cd91de4547085abaa68a205b2e5a7ddf"
    "a628f1cb4d9e82ef21537e293a6691ae1616ec6e786f0c70cf1c38e31c7238e5",
    16,
)


def native_of_small_order(prime: int, *, wide: bool) -> Any:  # noqa: ANN401
    """Some point of order `prime` as py_ecc holds it."""
    cofactor = COFACTOR_2 if wide else COFACTOR_1
    assert cofactor % prime == 0
    rest = cofactor
    while rest % prime == 0:
        rest //= prime
    x = 0
    while True:
        x += 1
        point = native_on_curve(x, wide=wide)
        if point is None:
            continue
        point = curve.multiply(point, rest * ORDER)
        if curve.is_inf(point):
            continue
        while not curve.is_inf(curve.multiply(point, prime)):
            point = curve.multiply(point, prime)
        return point


def native_on_curve(x: int, *, wide: bool) -> Any:  # noqa: ANN401
    a: encoding.Element = (x, 1) if wide else (x,)
    y = encoding._square_root(encoding._right_side(a))
    if y is None:
        return None
    if wide:
        return (FQ2(list(a)), FQ2(list(y)), FQ2.one())
    return (FQ(a[0]), FQ(y[0]), FQ.one())


@pytest.mark.parametrize(
    ("prime", "wide"),
    [(3, False), (11, False), (10177, False), (13, True), (23, True), (2713, True)],
)
def test_points_outside_the_subgroup_are_refused(prime: int, *, wide: bool) -> None:
    raw = pyecc.ENGINE.raw2 if wide else pyecc.ENGINE.raw1
    size = raw.size
    small = native_of_small_order(prime, wide=wide)
    good = raw.mul(raw.generator(), 5)
    assert read(raw.encode(good), size, ENGINES) == raw.encode(good)
    for bad in (small, raw.add(good, small), raw.neg(raw.add(good, small))):
        assert read(raw.encode(bad), size, ENGINES) is Reason.POINT_NOT_IN_SUBGROUP
        affine = encoding.decompress(raw.encode(bad))
        for engine in ENGINES:
            decode: Any = engine.decode_g2_uncompressed if wide else engine.decode_g1_uncompressed
            with pytest.raises(PeerError) as caught:
                decode(affine)
            assert caught.value.reason is Reason.POINT_NOT_IN_SUBGROUP


@many
@given(elements, elements)
@example(0, 0)
@example(4, 0)
@example(MODULUS - 4, 0)
@example(0, 4)
def test_square_roots(c0: int, c1: int) -> None:
    for a in ((c0,), (c0, c1)):
        square = encoding._multiply(a, a)
        root = encoding._square_root(square)
        assert root is not None
        assert encoding._multiply(root, root) == square
        assert encoding._is_square(square)
        found = encoding._square_root(a)
        assert (found is not None) == encoding._is_square(a)
        assert found is None or encoding._multiply(found, found) == a


# Points of different engines, and the choice of one


@pytest.mark.skipif(len(ENGINES) < 2, reason="one engine only")
def test_points_of_different_engines_do_not_mix() -> None:
    a, b = ENGINES[0], ENGINES[-1]
    assert a.g1 == b.g1
    assert a.g1 != b.g1 * Scalar(2)
    assert hash(a.g2) == hash(b.g2)
    for compute in (
        lambda: a.g1 + b.g1,
        lambda: a.g2 - b.g2,
        lambda: a.sum_of_products_g1([a.g1, b.g1], [Scalar(1)] * 2),
        lambda: a.sum_of_products_g2([b.g2], [Scalar(1)]),
        lambda: a.pairing_product_is_one([(a.g1, b.g2)]),
        lambda: a.g1 + a.g2,  # type: ignore[operator]
    ):
        with pytest.raises(CallerError) as caught:
            compute()
        assert caught.value.reason is Reason.ENGINE
    assert a.g1 != a.g2
    assert a.g1 != 1


def test_points_and_scalars_say_nothing(engine: Engine) -> None:
    assert repr(engine.g1) == "G1(...)"
    assert repr(engine.g2) == "G2(...)"
    assert engine.constant_time


def test_choice_of_an_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(selection.ENVIRONMENT_VARIABLE, raising=False)
    for name in engine_names():
        assert get_engine(name).name == name
        assert get_engine(name) is get_engine(name)
        monkeypatch.setenv(selection.ENVIRONMENT_VARIABLE, name)
        assert get_engine() is get_engine(name)
        assert get_engine(engine_names()[0]).name == engine_names()[0]
    monkeypatch.setenv(selection.ENVIRONMENT_VARIABLE, "")
    assert get_engine().name == engine_names()[0]


def test_an_engine_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(selection.ENVIRONMENT_VARIABLE, "enigma")
    for name in (None, "enigma"):
        with pytest.raises(CallerError) as caught:
            get_engine(name)
        assert caught.value.reason is Reason.ENGINE
        assert "py_ecc" in caught.value.hint
        assert "enigma" not in str(caught.value)
    assert get_engine("py_ecc").name == "py_ecc"


def test_a_broken_engine_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(selection.ENVIRONMENT_VARIABLE, raising=False)
    modules = dict(selection._MODULES)
    real = importlib.import_module

    def broken(name: str) -> ModuleType:
        if name != modules["py_ecc"]:
            raise ImportError
        return real(name)

    selection._load.cache_clear()
    monkeypatch.setattr(importlib, "import_module", broken)
    try:
        assert get_engine().name == "py_ecc"
        with pytest.raises(CallerError):
            get_engine("pyblst")
    finally:
        selection._load.cache_clear()


def test_loading_py_ecc_leaves_the_recursion_limit_alone() -> None:
    code = (
        "import sys; before = sys.getrecursionlimit();"
        "from guosuo.curve.selection import get_engine;"
        "engine = get_engine('py_ecc');"
        "assert 'py_ecc' in sys.modules;"
        "assert sys.getrecursionlimit() == before;"
        "assert engine.g1 * engine_scalar() != engine.g1"
    ).replace("engine_scalar()", "__import__('guosuo.curve', fromlist=['Scalar']).Scalar(-2)")
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)  # noqa: S603 - our code
