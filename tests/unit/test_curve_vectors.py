"""The curve room against vectors that other projects published."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from guosuo.curve import G1, G2, Engine, Scalar, engine_names, get_engine
from guosuo.curve.encoding import FIELD_SIZE, G1_SIZE, G2_SIZE, MODULUS
from guosuo.curve.hashing import (
    Expander,
    expand_message_xmd,
    expand_message_xof,
    hash_to_curve_g1,
    hash_to_curve_g2,
    hash_to_field,
    map_to_curve_g1,
    map_to_curve_g2,
)
from guosuo.errors import PeerError, Reason, refuse

XMD = Expander.XMD_SHA256


@pytest.fixture(params=["pyblst", "py_arkworks_bls12381", "py_ecc"])
def engine(request: pytest.FixtureRequest) -> Engine:
    if request.param not in engine_names():
        pytest.skip(f"{request.param} is not installed")
    return get_engine(request.param)


def load(path: Path) -> Any:  # noqa: ANN401 - JSON
    return json.loads(path.read_text(encoding="utf-8"))


def octets(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


# hash-to-curve: RFC 9380


def test_expand_message(vectors: Path) -> None:
    for path in sorted((vectors / "hash-to-curve").glob("expand_message_*.json")):
        suite = load(path)
        for test in suite["tests"]:
            message, length = test["msg"].encode(), int(test["len_in_bytes"], 16)
            dst = suite["DST"].encode()
            if suite["name"] == "expand_message_xmd":
                hash_name = suite["hash"].lower()
                got = expand_message_xmd(message, dst, length, hash_name=hash_name)
            else:
                hash_name = suite["hash"].lower().replace("shake", "shake_")
                level = suite["k"]
                got = expand_message_xof(
                    message, dst, length, hash_name=hash_name, security_level=level
                )
            assert got.hex() == test["uniform_bytes"], (path.name, test["len_in_bytes"])


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part, 16) for part in text.split(","))


def affine(point: dict[str, str]) -> bytes:
    """Uncompressed octets of a point written as RFC 9380 writes it: real part first."""
    coordinates = [numbers(point[name]) for name in ("x", "y")]
    return b"".join(c.to_bytes(FIELD_SIZE, "big") for xy in coordinates for c in reversed(xy))


def test_hash_to_curve_g1(vectors: Path, engine: Engine) -> None:
    suite = load(vectors / "hash-to-curve/BLS12381G1_XMD-SHA-256_SSWU_RO_.json")
    dst = suite["dst"].encode()
    for test in suite["vectors"]:
        message = test["msg"].encode()
        u = hash_to_field(XMD, message, dst, count=2, degree=1)
        assert u == [numbers(text) for text in test["u"]]
        point = hash_to_curve_g1(engine, XMD, message, dst)
        assert point.encode_uncompressed() == affine(test["P"])
        # The way without an engine's own hash gives the same point.
        assert map_to_curve_g1(engine, *u[0]) + map_to_curve_g1(engine, *u[1]) == point


def test_hash_to_curve_g2(vectors: Path, engine: Engine) -> None:
    suite = load(vectors / "hash-to-curve/BLS12381G2_XMD-SHA-256_SSWU_RO_.json")
    dst = suite["dst"].encode()
    for number, test in enumerate(suite["vectors"]):
        message = test["msg"].encode()
        u = hash_to_field(XMD, message, dst, count=2, degree=2)
        assert u == [numbers(text) for text in test["u"]]
        point = hash_to_curve_g2(engine, XMD, message, dst)
        assert point.encode_uncompressed() == affine(test["P"])
        # pyblst takes its map from py_ecc, which takes 0.3 s for two of them.
        if number == 0 or engine.name == "py_arkworks_bls12381":
            assert map_to_curve_g2(engine, *u[0]) + map_to_curve_g2(engine, *u[1]) == point


# bls12-381/serialization and deserialization


def test_multiples_of_the_generator(vectors: Path, engine: Engine) -> None:
    suite = load(vectors / "bls12-381/serialization/multiples-of-generator.json")
    for k, compressed, uncompressed in zip(
        suite["indices"], suite["G1_Compressed"], suite["G1_Uncompressed"], strict=True
    ):
        point = engine.g1 * Scalar(k)
        assert point.encode().hex() == compressed
        assert point.encode_uncompressed().hex() == uncompressed
        assert engine.decode_g1(octets(compressed), allow_identity=True) == point
        assert engine.decode_g1_uncompressed(octets(uncompressed), allow_identity=True) == point
    for k, compressed, uncompressed in zip(
        suite["indices"], suite["G2_Compressed"], suite["G2_Uncompressed"], strict=True
    ):
        wide = engine.g2 * Scalar(k)
        assert wide.encode().hex() == compressed
        assert wide.encode_uncompressed().hex() == uncompressed
        if engine.native or k % 8 < 2:
            assert engine.decode_g2(octets(compressed), allow_identity=True) == wide
            assert engine.decode_g2_uncompressed(octets(uncompressed), allow_identity=True) == wide


@pytest.mark.parametrize("group", ["G1", "G2"])
def test_deserialization(vectors: Path, engine: Engine, group: str) -> None:
    suite = load(vectors / f"bls12-381/deserialization/deserialization_{group}.json")
    decode = engine.decode_g1 if group == "G1" else engine.decode_g2
    for case in suite["cases"]:
        ((_, text),) = case["input"].items()
        if case["output"]:
            assert decode(octets(text), allow_identity=True).encode() == octets(text), case["name"]
            continue
        with pytest.raises(PeerError) as caught:
            decode(octets(text), allow_identity=True)
        expected = (
            Reason.POINT_NOT_ON_CURVE
            if case["name"].endswith("not_in_curve")
            else Reason.POINT_ENCODING
        )
        assert caught.value.reason is expected, case["name"]


# bls12-381/eip-2537: coordinates in 64 octets each, the real part of Fp2 first,
# the identity as zeros; scalars in 32 octets, any value.

EIP_FIELD = 64
REASONS = {
    "invalid input length": Reason.POINT_ENCODING,
    "invalid fp.Element encoding": Reason.POINT_ENCODING,
    "invalid field element top bytes": Reason.POINT_ENCODING,
    "invalid point: not on curve": Reason.POINT_NOT_ON_CURVE,
    "g1 point is not in the correct subgroup": Reason.POINT_NOT_IN_SUBGROUP,
    "g2 point is not in the correct subgroup": Reason.POINT_NOT_IN_SUBGROUP,
}


class EipReader:
    """Reads one `Input`, refusing what EIP-2537 says must be refused."""

    def __init__(self, engine: Engine, text: str, item: int, *, several: bool) -> None:
        self.engine = engine
        self.rest = bytes.fromhex(text)
        if not self.rest or len(self.rest) % item or (len(self.rest) != item and not several):
            refuse(Reason.POINT_ENCODING)

    def take(self, size: int) -> bytes:
        taken, self.rest = self.rest[:size], self.rest[size:]
        return taken

    def field(self) -> bytes:
        data = self.take(EIP_FIELD)
        if any(data[: EIP_FIELD - FIELD_SIZE]):
            refuse(Reason.POINT_ENCODING)
        return data[EIP_FIELD - FIELD_SIZE :]

    def integer(self) -> int:
        value = int.from_bytes(self.field(), "big")
        if value >= MODULUS:
            refuse(Reason.POINT_ENCODING)
        return value

    def g1(self) -> G1:
        data = self.field() + self.field()
        data = data if any(data) else b"\x40" + data[1:]
        return self.engine.decode_g1_uncompressed(data, allow_identity=True)

    def g2(self) -> G2:
        x0, x1, y0, y1 = (self.field() for _ in range(4))
        data = x1 + x0 + y1 + y0
        data = data if any(data) else b"\x40" + data[1:]
        return self.engine.decode_g2_uncompressed(data, allow_identity=True)

    def scalar(self) -> Scalar:
        return Scalar(int.from_bytes(self.take(32), "big"))


def eip_point(point: G1 | G2) -> str:
    data = point.encode_uncompressed()
    if point.is_identity():
        data = bytes(len(data))
    fields = [data[at : at + FIELD_SIZE] for at in range(0, len(data), FIELD_SIZE)]
    if isinstance(point, G2):
        fields = [fields[1], fields[0], fields[3], fields[2]]
    return b"".join(field.rjust(EIP_FIELD, b"\0") for field in fields).hex()


def add_g1(engine: Engine, text: str) -> str:
    reader = EipReader(engine, text, 256, several=False)
    return eip_point(reader.g1() + reader.g1())


def add_g2(engine: Engine, text: str) -> str:
    reader = EipReader(engine, text, 512, several=False)
    return eip_point(reader.g2() + reader.g2())


def mul_g1(engine: Engine, text: str) -> str:
    reader = EipReader(engine, text, 160, several=False)
    return eip_point(reader.g1() * reader.scalar())


def mul_g2(engine: Engine, text: str) -> str:
    reader = EipReader(engine, text, 288, several=False)
    return eip_point(reader.g2() * reader.scalar())


def msm_g1(engine: Engine, text: str) -> str:
    reader = EipReader(engine, text, 160, several=True)
    terms = [(reader.g1(), reader.scalar()) for _ in range(len(reader.rest) // 160)]
    return eip_point(engine.sum_of_products_g1([p for p, _ in terms], [k for _, k in terms]))


def msm_g2(engine: Engine, text: str) -> str:
    reader = EipReader(engine, text, 288, several=True)
    terms = [(reader.g2(), reader.scalar()) for _ in range(len(reader.rest) // 288)]
    return eip_point(engine.sum_of_products_g2([p for p, _ in terms], [k for _, k in terms]))


def pairing_check(engine: Engine, text: str) -> str:
    reader = EipReader(engine, text, 384, several=True)
    pairs = [(reader.g1(), reader.g2()) for _ in range(len(reader.rest) // 384)]
    return int(engine.pairing_product_is_one(pairs)).to_bytes(32, "big").hex()


def map_g1(engine: Engine, text: str) -> str:
    reader = EipReader(engine, text, 64, several=False)
    return eip_point(map_to_curve_g1(engine, reader.integer()))


def map_g2(engine: Engine, text: str) -> str:
    reader = EipReader(engine, text, 128, several=False)
    return eip_point(map_to_curve_g2(engine, reader.integer(), reader.integer()))


EIP: dict[str, Callable[[Engine, str], str]] = {
    "add_G1_bls": add_g1,
    "add_G2_bls": add_g2,
    "mul_G1_bls": mul_g1,
    "mul_G2_bls": mul_g2,
    "msm_G1_bls": msm_g1,
    "msm_G2_bls": msm_g2,
    "pairing_check_bls": pairing_check,
    "map_fp_to_G1_bls": map_g1,
    "map_fp2_to_G2_bls": map_g2,
}
"""Operation of each file, by its name without `fail-` and `.json`."""


def test_every_eip_file_has_an_operation(vectors: Path) -> None:
    names = {path.stem.removeprefix("fail-") for path in (vectors / "bls12-381/eip-2537").glob("*")}
    assert names <= EIP.keys()


@pytest.mark.parametrize("name", EIP)
def test_eip_2537_results(vectors: Path, engine: Engine, name: str) -> None:
    path = vectors / "bls12-381/eip-2537" / f"{name}.json"
    if not path.exists():
        pytest.skip("only refusals of this operation are given")
    for case in load(path):
        # py_ecc takes 12 ms to test one point of G1 for its subgroup.
        if not engine.native and len(case["Input"]) > 3000:
            continue
        if "not_in_correct_subgroup" in case["Name"]:
            # EIP-2537 adds points of the whole curve. Here every point is in the
            # subgroup by type, so that the operand has to be refused.
            with pytest.raises(PeerError) as caught:
                EIP[name](engine, case["Input"])
            assert caught.value.reason is Reason.POINT_NOT_IN_SUBGROUP
            continue
        assert EIP[name](engine, case["Input"]) == case["Expected"], case["Name"]


@pytest.mark.parametrize("name", EIP)
def test_eip_2537_refusals(vectors: Path, engine: Engine, name: str) -> None:
    for case in load(vectors / "bls12-381/eip-2537" / f"fail-{name}.json"):
        with pytest.raises(PeerError) as caught:
            EIP[name](engine, case["Input"])
        assert caught.value.reason is REASONS[case["ExpectedError"]], case["Name"]


# bls12-381/wycheproof: BLS signatures, keys in G1 and signatures in G2
# (draft-irtf-cfrg-bls-signature). The suite's name is the domain separation tag.


def verifies(
    engine: Engine, suite: str, keys: Sequence[str], messages: Sequence[str], signature: str
) -> bool:
    """AggregateVerify; with one key and one message, Verify."""
    if not keys or len(keys) != len(messages):
        return False
    try:
        points = [engine.decode_g1(bytes.fromhex(key)) for key in keys]
        sigma = engine.decode_g2(bytes.fromhex(signature))
    except PeerError:
        return False
    hashes = [
        hash_to_curve_g2(engine, XMD, bytes.fromhex(message), suite.encode())
        for message in messages
    ]
    # e(P1, σ) = Π e(X_i, H(m_i))
    pairs = [*zip(points, hashes, strict=True), (-engine.g1, sigma)]
    return engine.pairing_product_is_one(pairs)


def wycheproof(vectors: Path, name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for group in load(vectors / f"bls12-381/wycheproof/{name}")["testGroups"]:
        for test in group["tests"]:
            yield group, test


def refused_without_pairing(test: dict[str, Any]) -> bool:
    """Tell cases apart that are cheap for py_ecc."""
    pairing = {"WrongKey", "WrongMessage", "WrongDST", "SignatureMalleability"}
    return test["result"] == "invalid" and not pairing & set(test["flags"])


def test_wycheproof_hash_to_g2(vectors: Path, engine: Engine) -> None:
    for group, test in wycheproof(vectors, "bls_hash_to_g2_test.json"):
        if not engine.native and test["tcId"] > 10:
            continue
        point = hash_to_curve_g2(engine, XMD, bytes.fromhex(test["msg"]), group["dst"].encode())
        assert (point.encode().hex() == test["expected"]) == (test["result"] == "valid")


@pytest.mark.parametrize("scheme", ["basic", "pop"])
def test_wycheproof_verify(vectors: Path, engine: Engine, scheme: str) -> None:
    for group, test in wycheproof(vectors, f"bls_sig_g2_{scheme}_verify_test.json"):
        if not engine.native and not refused_without_pairing(test) and test["tcId"] not in (1, 9):
            continue
        key, suite = group["publicKey"]["pk"], group["ciphersuite"]
        got = verifies(engine, suite, [key], [test["msg"]], test["sig"])
        assert got == (test["result"] == "valid"), test["comment"]


def test_wycheproof_aggregate_verify(vectors: Path, engine: Engine) -> None:
    for group, test in wycheproof(vectors, "bls_sig_g2_aggregate_verify_test.json"):
        if not engine.native and not refused_without_pairing(test) and test["tcId"] not in (9, 13):
            continue
        suite = group["ciphersuite"]
        got = verifies(engine, suite, test["pubkeys"], test["messages"], test["sig"])
        assert got == (test["result"] == "valid"), test["comment"]


def test_sizes(engine: Engine) -> None:
    assert len(engine.g1.encode()) == engine.raw1.size == G1_SIZE == 48
    assert len(engine.g2.encode()) == engine.raw2.size == G2_SIZE == 96
