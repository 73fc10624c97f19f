"""`guosuo selftest` on files that are not among the vectors at hand.

They are made from facts of RFC 9380 and of the BBS draft, with `hashlib` by hand, with
py_ecc, or from the vectors in another arrangement of their publishers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from py_ecc.bls.hash_to_curve import map_to_curve_G2
from py_ecc.fields import optimized_bls12_381_FQ2 as FQ2
from py_ecc.optimized_bls12_381.optimized_curve import normalize

from guosuo.curve.encoding import MODULUS
from guosuo.selftest import Family, run_selftest
from tests.support.bbs_shake import ShakeFixtures
from tests.support.selftest import ENGINES, failing, written

# --- BBS, SHAKE-256 ---


@pytest.fixture(scope="module")
def shake(vectors: Path) -> dict[str, dict[str, Any]]:
    fixtures = ShakeFixtures(vectors / "bbs/bls12-381-sha-256", ENGINES[-1]).all()
    assert len(fixtures) == 30
    assert fixtures["signature001"]["signature"].startswith("b9a622a4b404e6ca4c85c157")
    return fixtures


def test_shake_fixtures_without_a_telling_path(
    tmp_path: Path, shake: dict[str, dict[str, Any]]
) -> None:
    for name, fixture in shake.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(fixture))
    for engine in ENGINES:
        report = run_selftest(tmp_path, engine)
        assert report.failures == ()
        assert report.counts(Family.BBS).files == 30


def test_suites_side_by_side_under_wrong_names(
    vectors: Path, tmp_path: Path, shake: dict[str, dict[str, Any]]
) -> None:
    (tmp_path / "sha-256").mkdir()
    for name, fixture in shake.items():
        (tmp_path / "sha-256" / name).write_text(json.dumps(fixture))
    for path in (vectors / "bbs/bls12-381-sha-256").rglob("*.json"):
        (tmp_path / f"shake-256-{path.name}").write_bytes(path.read_bytes())
    report = run_selftest(tmp_path, ENGINES[-1])
    assert report.failures == ()
    assert report.counts(Family.BBS).files == 60


@pytest.mark.parametrize("name", ["signature001", "signature004", "proof001", "proof003"])
def test_a_valid_shake_fixture_that_says_invalid_fails(
    tmp_path: Path, shake: dict[str, dict[str, Any]], name: str
) -> None:
    fixture = shake[name] | {"result": {"valid": False}}
    assert failing(written(tmp_path, {"a.json": fixture})) == ["a.json"]
    assert not failing(written(tmp_path, {"a.json": shake[name]}))


@pytest.mark.parametrize("name", ["signature002", "signature007", "proof005", "proof010"])
def test_an_invalid_shake_fixture_that_says_valid_fails(
    tmp_path: Path, shake: dict[str, dict[str, Any]], name: str
) -> None:
    fixture = shake[name] | {"result": {"valid": True}}
    assert failing(written(tmp_path, {"a.json": fixture})) == ["a.json"]
    assert not failing(written(tmp_path, {"a.json": shake[name]}))


def test_invalid_fixtures_are_held_against_their_valid_twin(
    tmp_path: Path, shake: dict[str, dict[str, Any]]
) -> None:
    other = shake["signature010"]["trace"]["domain"]
    wrong = shake["signature005"] | {"trace": shake["signature005"]["trace"] | {"domain": other}}
    assert not failing(written(tmp_path, {"a.json": wrong})), "alone nobody can tell"
    twin = shake["signature004"]
    assert failing(written(tmp_path, {"a.json": wrong, "b.json": twin})) == ["a.json"]


# --- hash to curve: NU suites (RFC 9380, appendices J.9.2 and J.10.2) ---


def suite_file(group: int, vectors: list[dict[str, Any]]) -> dict[str, Any]:
    z = "0xb" if group == 1 else f"{MODULUS - 2:#x},{MODULUS - 1:#x}"
    name = f"BLS12381G{group}_XMD:SHA-256_SSWU_NU_"
    return {
        "L": "0x40",
        "Z": z,
        "ciphersuite": name,
        "curve": f"BLS12-381 G{group}",
        "dst": f"QUUX-V01-CS02-with-{name}",
        "expand": "XMD",
        "field": {"m": f"{group:#x}", "p": f"{MODULUS:#x}"},
        "hash": "sha256",
        "k": "0x80",
        "map": {"name": "SSWU"},
        "randomOracle": False,
        "vectors": vectors,
    }


G1_NU = [
    {
        "P": {
            "x": "0x184bb665c37ff561a89ec2122dd343f20e0f4cbcaec84e3c"
            "3052ea81d1834e192c426074b02ed3dca4e7676ce4ce48ba",
            "y": "0x04407b8d35af4dacc809927071fc0405218f1401a6d15af7"
            "75810e4e460064bcc9468beeba82fdc751be70476c888bf3",
        },
        "Q": {
            "x": "0x11398d3b324810a1b093f8e35aa8571cced95858207e7f49"
            "c4fd74656096d61d8a2f9a23cdb18a4dd11cd1d66f41f709",
            "y": "0x19316b6fb2ba7717355d5d66a361899057e1e84a6823039e"
            "fc7beccefe09d023fb2713b1c415fcf278eb0c39a89b4f72",
        },
        "msg": "",
        "u": [
            (
                "0x156c8a6a2c184569d69a76be144b5cdc5141d2d2ca4fe341"
                "f011e25e3969c55ad9e9b9ce2eb833c81a908e5fa4ac5f03"
            )
        ],
    },
    {
        "P": {
            "x": "0x009769f3ab59bfd551d53a5f846b9984c59b97d6842b20a2"
            "c565baa167945e3d026a3755b6345df8ec7e6acb6868ae6d",
            "y": "0x1532c00cf61aa3d0ce3e5aa20c3b531a2abd2c770a790a26"
            "13818303c6b830ffc0ecf6c357af3317b9575c567f11cd2c",
        },
        "msg": "abc",
    },
]


def test_nu_suite_of_g1(tmp_path: Path) -> None:
    report = written(tmp_path, {"nu": suite_file(1, G1_NU)})
    assert (report.failures, report.passed) == ((), 3)
    swapped = [G1_NU[0] | {"Q": G1_NU[0]["P"]}, G1_NU[1]]
    assert failing(written(tmp_path, {"nu": suite_file(1, swapped)})) == ["nu"]


def test_nu_suite_of_g2(vectors: Path, tmp_path: Path) -> None:
    # The field element of the first vector of EIP-2537 is that of the empty message.
    eip = json.loads((vectors / "bls12-381/eip-2537/map_fp2_to_G2_bls.json").read_text())[0]

    def fields(text: str) -> list[str]:
        return ["0x" + text[at + 32 : at + 128] for at in range(0, len(text), 128)]

    u = fields(eip["Input"])
    x0, x1, y0, y1 = fields(eip["Expected"])
    q = normalize(map_to_curve_G2(FQ2([int(part, 16) for part in u])))
    vector = {
        "P": {"x": f"{x0},{x1}", "y": f"{y0},{y1}"},
        "Q": {
            name: ",".join(f"{int(c):#x}" for c in coordinate.coeffs)
            for name, coordinate in zip(("x", "y"), q, strict=True)
        },
        "msg": "",
        "u": [",".join(u)],
    }
    for engine in ENGINES:
        (tmp_path / "nu").write_text(json.dumps(suite_file(2, [vector])))
        report = run_selftest(tmp_path, engine)
        assert (report.failures, report.passed) == ((), 2)
    wrong = vector | {"u": [",".join(reversed(u))]}
    assert failing(written(tmp_path, {"nu": suite_file(2, [wrong])})) == ["nu"]


# --- expand_message: other hashes, long tags (RFC 9380, appendices K.2 to K.6) ---


def xmd(name: str, dst: str, text: str, length: int) -> bytes:
    """RFC 9380, section 5.3.1, by the letter."""
    block, size = hashlib.new(name).block_size, hashlib.new(name).digest_size
    tag = dst.encode()
    if len(tag) > 255:
        tag = hashlib.new(name, b"H2C-OVERSIZE-DST-" + tag).digest()
    prime = tag + bytes([len(tag)])
    padded = bytes(block) + text.encode() + length.to_bytes(2, "big") + b"\0" + prime
    b0 = hashlib.new(name, padded).digest()
    out = [hashlib.new(name, b0 + b"\1" + prime).digest()]
    for i in range(2, -(-length // size) + 1):
        mixed = bytes(a ^ b for a, b in zip(b0, out[-1], strict=True))
        out.append(hashlib.new(name, mixed + bytes([i]) + prime).digest())
    return b"".join(out)[:length]


def xof(name: str, dst: str, text: str, length: int, *, k: int) -> bytes:
    """RFC 9380, section 5.3.2, by the letter."""
    make = getattr(hashlib, name)
    tag = dst.encode()
    if len(tag) > 255:
        tag = make(b"H2C-OVERSIZE-DST-" + tag).digest(k // 4)
    data = text.encode() + length.to_bytes(2, "big") + tag + bytes([len(tag)])
    return make(data).digest(length)


def expander_file(
    kind: str, name: str, k: int, dst: str, expand: Callable[[str, str, int], bytes]
) -> dict[str, Any]:
    tests = [
        {
            "len_in_bytes": f"{length:#x}",
            "msg": message,
            "uniform_bytes": expand(dst, message, length).hex(),
        }
        for message in ("", "abc", "q128_" + "q" * 128)
        for length in (0x20, 0x80)
    ]
    return {"DST": dst, "hash": name, "k": k, "name": f"expand_message_{kind}", "tests": tests}


def long_tag(name: str) -> str:
    start = f"QUUX-V01-CS02-with-expander-{name}-long-DST-"
    return start + "1" * (256 - len(start))


def test_long_tag_of_the_rfc(tmp_path: Path) -> None:
    """Facts of appendix K.2."""
    dst = long_tag("SHA256-128")
    facts = {
        "": "e8dc0c8b686b7ef2074086fbdd2f30e3f8bfbd3bdf177f73f04b97ce618a3ed3",
        "abc": "52dbf4f36cf560fca57dedec2ad924ee9c266341d8f3d6afe5171733b16bbb12",
        "abcdef0123456789": "35387dcf22618f3728e6c686490f8b431f76550b0b2c61cbc1ce7001536f4521",
    }
    tests = [
        {"len_in_bytes": "0x20", "msg": message, "uniform_bytes": octets}
        for message, octets in facts.items()
    ]
    document = {
        "DST": dst,
        "hash": "SHA256",
        "k": 128,
        "name": "expand_message_xmd",
        "tests": tests,
    }
    for message, octets in facts.items():
        assert xmd("sha256", dst, message, 32).hex() == octets
    report = written(tmp_path, {"k2": document})
    assert (report.failures, report.passed) == ((), 3)


def test_other_expanders(tmp_path: Path) -> None:
    files: dict[str, Any] = {}
    for name in ("SHA256", "SHA384", "SHA512"):
        expand: Callable[[str, str, int], bytes] = partial(xmd, name.lower())
        for dst in (f"QUUX-V01-CS02-with-expander-{name}", long_tag(name)):
            files[f"{name}-{len(dst)}"] = expander_file("xmd", name, 128, dst, expand)
    for name, k in (("SHAKE128", 128), ("SHAKE256", 256)):
        expand = partial(xof, name.lower().replace("shake", "shake_"), k=k)
        for dst in (f"QUUX-V01-CS02-with-expander-{name}", long_tag(name)):
            files[f"{name}-{len(dst)}"] = expander_file("xof", name, k, dst, expand)
    report = written(tmp_path, files)
    assert (report.failures, report.passed) == ((), 60)
    # k is of the suite and not of the hash: with another one a long tag is another tag.
    files["SHAKE256-256"]["k"] = 128
    assert set(failing(written(tmp_path, files))) == {"SHAKE256-256"}


# --- Base45 and CBOR in other arrangements ---


def test_base45_lists(tmp_path: Path) -> None:
    good = {"more": [{"encoded": "BB8", "bytes_hex": "4142"}], "invalid": [{"encoded": "GGW"}]}
    report = written(tmp_path, {"a": good})
    assert (report.failures, report.passed) == ((), 2)
    bad = {"valid": [{"encoded": "BB8"}], "invalid": [{"encoded": "BB8"}]}
    assert failing(written(tmp_path, {"a": bad})) == ["a"], "no octets to compare with"
    assert failing(written(tmp_path, {"a": {"invalid": bad["invalid"]}})) == ["a"]


def test_cbor_refusals_by_value_only(tmp_path: Path) -> None:
    """The names of the README of dcbor-test-vectors."""
    refused = [{"value": "12.0", "hex": "f94a00", "notes": ""}, {"hex": "1817", "notes": ""}]
    report = written(tmp_path, {"a": refused})
    assert (report.failures, report.passed) == ((), 2)
    assert failing(written(tmp_path, {"a": [{"hex": "0c", "notes": ""}]})) == ["a"]


@pytest.mark.parametrize(
    ("hexadecimal", "diagnostic"),
    [
        ("a201020304", "{1: 2, 3: 4}"),
        ("c1fb41d452d9ec200000", "1(1363896240.5)"),
        ("d818456449455446", "24(h'6449455446')"),
        ("83f4f5f6", "[false, true, null]"),
        ("f7", "undefined"),
        ("f8ff", "simple(255)"),
        ("f9fc00", "-Infinity"),
        ("f97e00", "NaN"),
        ("3bffffffffffffffff", "-18446744073709551616"),
        ("c249010000000000000000", "18446744073709551616"),
        ("62c3bc", '"\\u00fc"'),
        ("8080", "[[]]"),
        ("8180", "[ [ ] ]"),
    ],
)
def test_diagnostic_notation(tmp_path: Path, hexadecimal: str, diagnostic: str) -> None:
    example = {"type": "x", "diagnostic": diagnostic, "hex": hexadecimal, "comment": ""}
    report = written(tmp_path, {"a": [example]})
    assert failing(report) == (["a"] if hexadecimal == "8080" else [])
    report = written(tmp_path, {"a": [example | {"diagnostic": "[0, 1, 2, 3]"}]})
    assert failing(report) == ["a"]


def test_notation_that_is_not_read_is_not_passed(tmp_path: Path) -> None:
    example = {"type": "x", "diagnostic": "<<1>>", "hex": "4101", "comment": ""}
    report = written(tmp_path, {"a": [example]})
    assert (report.passed, len(report.not_recognised), report.exit_code) == (0, 1, 2)
