"""`guosuo selftest` on BLS12-381 vectors in other arrangements of their publishers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from py_ecc.bls.ciphersuites import G2ProofOfPossession as Oracle

from guosuo.curve import Scalar
from guosuo.curve.hashing import Expander, hash_to_curve_g1
from guosuo.selftest import Family, flow_yaml, run_selftest
from tests.support.selftest import ENGINES, failing, written


def test_zkcrypto_octets(vectors: Path, tmp_path: Path) -> None:
    path = vectors / "bls12-381/serialization/multiples-of-generator.json"
    given = json.loads(path.read_text())
    names = ("G1_Compressed", "G1_Uncompressed", "G2_Compressed", "G2_Uncompressed")
    for name in names:
        (tmp_path / f"{name}.dat").write_bytes(bytes.fromhex("".join(given[name][:17])))
    report = run_selftest(tmp_path, ENGINES[-1])
    assert (report.failures, report.passed) == ((), 4 * 17)
    without_indexes = {name: given[name][:17] for name in names}
    report = written(tmp_path, {"all.json": without_indexes})
    assert (report.failures, report.passed) == ((), 8 * 17)
    wrong = given["G2_Compressed"][:15] + given["G2_Compressed"][16:18]
    (tmp_path / "G2_Compressed.dat").write_bytes(bytes.fromhex("".join(wrong)))
    assert set(failing(run_selftest(tmp_path, ENGINES[-1]))) == {"G2_Compressed.dat"}


def hexed(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, list):
        return [hexed(item) for item in value]
    return {name: hexed(item) for name, item in value.items()} if isinstance(value, dict) else value


@pytest.fixture(scope="module")
def ethereum() -> dict[str, Any]:
    """Cases in the layout of ethereum/bls12-381-tests, made with py_ecc."""
    secrets, messages = [3, 5], [b"\0" * 32, b"\x56" * 32]
    keys = [Oracle.SkToPk(secret) for secret in secrets]
    each = [Oracle.Sign(secret, m) for secret, m in zip(secrets, messages, strict=True)]
    same = [Oracle.Sign(secret, messages[0]) for secret in secrets]
    both = Oracle.Aggregate(each)
    infinity = bytes([0xC0]) + bytes(95)
    cases = {
        "sign": ({"privkey": bytes(31) + b"\3", "message": messages[0]}, each[0]),
        "sign_zero": ({"privkey": bytes(32), "message": messages[0]}, None),
        "verify": ({"pubkey": keys[0], "message": messages[0], "signature": each[0]}, True),
        "verify_wrong": ({"pubkey": keys[1], "message": messages[0], "signature": each[0]}, False),
        "verify_tail": (
            {"pubkey": keys[0], "message": messages[0], "signature": each[0] + b"\0"},
            False,
        ),
        "aggregate": (each, both),
        "aggregate_none": ([], None),
        "aggregate_infinity": ([infinity], infinity),
        "aggregate_verify": ({"pubkeys": keys, "messages": messages, "signature": both}, True),
        "aggregate_verify_swapped": (
            {"pubkeys": keys, "messages": messages[::-1], "signature": both},
            False,
        ),
        "fast": (
            {"pubkeys": keys, "message": messages[0], "signature": Oracle.Aggregate(same)},
            True,
        ),
        "fast_nobody": ({"pubkeys": [], "message": messages[0], "signature": infinity}, False),
        "batch": ({"pubkeys": keys, "messages": messages, "signatures": each}, True),
        "batch_wrong": ({"pubkeys": keys, "messages": messages, "signatures": same}, False),
        "pubkey": ({"pubkey": keys[0]}, True),
        "pubkey_wrong": ({"pubkey": keys[0][:-1]}, False),
        "infinity": ({"signature": infinity}, True),
    }
    return {
        name: {"input": hexed(given), "output": hexed(output)}
        for name, (given, output) in cases.items()
    }


def test_ethereum_cases_one_a_file(tmp_path: Path, ethereum: dict[str, Any]) -> None:
    report = written(tmp_path, {f"{name}.json": case for name, case in ethereum.items()})
    assert (report.failures, report.passed) == ((), len(ethereum))


def test_ethereum_cases_in_one_file(tmp_path: Path, ethereum: dict[str, Any]) -> None:
    cases = [{"name": name, **case} for name, case in ethereum.items()]
    report = written(tmp_path, {"list": cases, "object": {"suite": "all", "cases": cases}})
    assert (report.failures, report.passed) == ((), 2 * len(ethereum))


def test_each_wrong_output_is_a_failure(tmp_path: Path, ethereum: dict[str, Any]) -> None:
    wrong = {}
    for name, case in ethereum.items():
        output = case["output"]
        other = not output if isinstance(output, bool) else "0x00" if output is None else None
        wrong[f"{name}.json"] = case | {"output": other}
    report = written(tmp_path, wrong)
    assert (set(failing(report)), report.passed) == (set(wrong), 0)


def yaml(case: dict[str, Any], width: int) -> str:
    """As ruamel.yaml writes the cases: leaf collections in flow style, wrapped."""

    def flow(value: Any) -> list[str]:  # noqa: ANN401 - JSON
        if isinstance(value, str):
            return [f"'{value}'"]
        if isinstance(value, list):
            inner = [word for item in value for word in [*flow(item)[:-1], flow(item)[-1] + ","]]
            return ["[", *inner, "]"]
        if isinstance(value, dict):
            words = []
            for name, item in value.items():
                words += [f"{name}:", *flow(item)[:-1], flow(item)[-1] + ","]
            return ["{", *words, "}"]
        return [json.dumps(value)]

    lines = ["input:"]
    given = case["input"]
    if isinstance(given, dict) and any(isinstance(item, list) for item in given.values()):
        for name, item in given.items():
            items = item if isinstance(item, list) else [item]
            lines.append(f"  {name}:" + ("" if isinstance(item, list) else f" '{item}'"))
            if isinstance(item, list):
                lines += [f"  - '{entry}'" for entry in items] or ["    []"]
    else:
        for word in flow(given):
            if len(lines[-1]) + len(word) > width:
                lines.append("   ")
            lines[-1] += " " + word
    return "\n".join([*lines, f"output: {json.dumps(case['output'])}", ""])


@pytest.mark.parametrize("width", [80, 10_000])
def test_ethereum_cases_as_yaml(tmp_path: Path, ethereum: dict[str, Any], width: int) -> None:
    files = {f"{name}.yaml": yaml(case, width) for name, case in ethereum.items()}
    for name, case in ethereum.items():
        assert flow_yaml.read(files[f"{name}.yaml"]) == case
    report = written(tmp_path, files)
    assert (report.failures, report.passed) == ((), len(ethereum))


@pytest.mark.parametrize(
    "text",
    [
        "input: {a: 1",
        "input: {a: 1, a: 2}",
        "input: a\ninput: b",
        "input: [1, 2]]",
        "input: }",
        "input: 'a",
        "input: &x a",
        "input:\n  a: 1\n b: 2",
        "input: " + "[" * 100 + "]" * 100,
        "input: {a b}",
        "input: [a: 1]",
    ],
)
def test_other_yaml_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        flow_yaml.read(text)


def test_wycheproof_with_signatures_in_g1(tmp_path: Path) -> None:
    engine = ENGINES[-1]
    suite = "BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"
    secret, message = Scalar(1234), b"message"
    point = hash_to_curve_g1(engine, Expander.XMD_SHA256, message, suite.encode())

    def test(number: int, signature: bytes, result: str) -> dict[str, Any]:
        return {"tcId": number, "msg": message.hex(), "sig": signature.hex(), "result": result}

    good, bad = (point * secret).encode(), point.encode()
    group = {
        "type": "BlsSigVerify",
        "ciphersuite": suite,
        "publicKey": {"pk": (engine.g2 * secret).encode().hex(), "group": "G2"},
        "tests": [
            test(1, good, "valid"),
            test(2, bad, "invalid"),
            test(3, good[:-1], "invalid"),
            test(4, good, "acceptable"),
        ],
    }
    hashing = {
        "type": "BlsHashToG1",
        "dst": suite,
        "tests": [{"tcId": 5, "msg": message.hex(), "expected": bad.hex(), "result": "valid"}],
    }
    document = {"algorithm": "BLS", "numberOfTests": 5, "testGroups": [group, hashing]}
    report = written(tmp_path, {"a": document})
    assert (report.failures, report.passed) == ((), 5)
    assert [other.case for other in report.not_recognised] == ["tcId 4"]
    group["tests"] = [test(1, bad, "valid"), test(2, good, "invalid")]
    document["numberOfTests"] = 3
    assert failing(written(tmp_path, {"a": document})) == ["a", "a"]


def test_eip_2537_case_by_case(vectors: Path, tmp_path: Path) -> None:
    files: dict[str, Any] = {}
    for path in sorted((vectors / "bls12-381/eip-2537").glob("*.json")):
        cases = json.loads(path.read_text())
        named = [c for c in cases if c["Name"] != "bls_invalid_fq_element"]
        files |= {f"{path.stem}-{i}": [case] for i, case in enumerate(named[:3])}
    report = written(tmp_path, files)
    assert report.failures == ()
    assert report.counts(Family.BLS12_381).files == len(files)
    mystery = {"Input": "00" * 64, "Expected": "00" * 128, "Name": "mystery"}
    report = written(tmp_path, {"x": [mystery]})
    assert [other.case for other in report.not_recognised] == ["mystery"]
