"""`guosuo selftest`: recognises published vectors anywhere, and notices one wrong value."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from guosuo.cli.selftest import selftest
from guosuo.curve import engine_names, get_engine
from guosuo.errors import CallerError, Reason
from guosuo.selftest import Family, Report, run_selftest
from guosuo.wire import base45

FOLDERS = {"bbs", "hash-to-curve", "bls12-381", "base45", "cbor"}
FOLDERS |= {"ed25519", "merkle", "status-list"}
COUNTS = {
    Family.BBS: (30, 50),
    Family.HASH_TO_CURVE: (2, 12),
    Family.EXPAND_MESSAGE: (2, 20),
    Family.BLS12_381: (24, 358),
    Family.BASE45: (1, 12),
    Family.CBOR: (4, 159),
    Family.ED25519: (1, 77),
    Family.MERKLE: (8, 316),
    Family.STATUS_LIST: (1, 6),
}
"""Files and cases of the vectors at hand."""

BBS = "bbs/bls12-381-sha-256"

NATIVE = [name for name in engine_names() if get_engine(name).native]
FAST = get_engine(min(NATIVE, default="py_ecc"))
"""py_arkworks_bls12381 if it is installed: pyblst lets py_ecc map to the curve."""


def load(path: Path) -> Any:  # noqa: ANN401 - JSON
    return json.loads(path.read_text())


def counts(report: Report) -> dict[Family, tuple[int, int]]:
    return {f: (report.counts(f).files, report.counts(f).passed) for f in Family}


# --- recognition ---


@pytest.mark.parametrize("name", NATIVE)
def test_everything_is_recognised_and_passes(vectors: Path, name: str) -> None:
    seen: list[tuple[int, int, str]] = []
    engine = get_engine(name)
    report = run_selftest(vectors, engine, lambda *step: seen.append(step))
    assert report.failures == ()
    assert counts(report) == COUNTS
    assert report.exit_code == 0
    assert report.engine == name
    assert [done for done, _, _ in seen] == list(range(len(seen)))
    assert {total for _, total, _ in seen} == {len(seen)}
    assert {file.file for file in report.files} <= {file for _, _, file in seen}
    files = [other.file for other in report.not_recognised]
    others = {file for file in files if file.split("/", 1)[0] in FOLDERS}
    assert others == {
        "bbs/NOTES.md",
        "bbs/messages.json",
        "status-list/bitstring-status-list-example.json",
        "status-list/status-list-token-examples.json",
    }


def test_neither_names_nor_folders_matter(vectors: Path, tmp_path: Path) -> None:
    number = 0
    for folder in sorted(FOLDERS):
        for path in sorted((vectors / folder).rglob("*.json")):
            number += 1
            shutil.copy(path, tmp_path / f"{number:03}")
    report = run_selftest(tmp_path, FAST)
    assert report.failures == ()
    assert counts(report) == COUNTS


def test_one_file_is_a_folder_too(vectors: Path) -> None:
    report = run_selftest(vectors / "base45/rfc9285.json")
    assert (report.passed, report.exit_code) == (12, 0)
    assert report.files[0].file == "rfc9285.json"


def test_py_ecc_gives_the_same(vectors: Path, tmp_path: Path) -> None:
    for name in (f"{BBS}/signature/signature001.json", "base45/rfc9285.json"):
        shutil.copy(vectors / name, tmp_path)
    report = run_selftest(tmp_path, get_engine("py_ecc"))
    assert (report.engine, report.passed, report.failures) == ("py_ecc", 13, ())


def test_foreign_files_are_not_recognised_and_no_failure(vectors: Path, tmp_path: Path) -> None:
    shutil.copy(vectors / "base45/rfc9285.json", tmp_path)
    files: dict[str, str | bytes] = {
        "empty": b"",
        "text.md": "# nothing",
        "list.json": "[]",
        "number.json": "[1, 2, 3]",
        "other.json": '{"caseName": "x", "dst": "00"}',
        "cut.json": '{"caseName": "x", "dst": ',
        "deep.json": "[" * 200_000,
        "digits.json": '{"a": ' + "9" * 10_000 + "}",
        "latin.json": b'{"a": "\xe9"}',
        "bom.json": b"\xef\xbb\xbf{}",
        "binary.dat": bytes(range(256)),
        "zeros.dat": bytes([0xC0]) + bytes(95),
        "data.yaml": "output: [true",
        "p256.json": '{"ciphersuite": "P256_XMD:SHA-256_SSWU_RO_", "dst": "d", "vectors": []}',
        "sha3.json": '{"DST": "d", "hash": "SHA3_256", "k": 128, "name": "expand_message_xmd",'
        ' "tests": []}',
        "ecdsa.json": '{"algorithm": "ECDSA", "testGroups": []}',
        "operation.json": '{"input": {"quantum": "0x00"}, "output": true}',
    }
    for name, content in files.items():
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / name).write_bytes(data)
    (tmp_path / ".hidden.json").write_text("{}")
    (tmp_path / "broken-link.json").symlink_to(tmp_path / "nowhere")
    report = run_selftest(tmp_path)
    assert report.failures == ()
    reasons = {other.file: other.reason for other in report.not_recognised}
    assert reasons.keys() == files.keys()
    assert report.exit_code == 0
    families = {other.file: other.family for other in report.not_recognised}
    assert (families["p256.json"], families["text.md"]) == (Family.HASH_TO_CURVE, None)
    assert report.counts(Family.HASH_TO_CURVE).not_recognised == 1
    assert reasons["p256.json"] == "a hash-to-curve suite that this library does not have"
    assert reasons["sha3.json"] == "an expander or hash that this library does not have"
    assert reasons["ecdsa.json"] == "Wycheproof vectors of another algorithm than BLS"
    assert reasons["cut.json"] == reasons["deep.json"] == "damaged: not JSON"


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "huge.json").open("wb") as file:
        file.truncate((32 << 20) + 1)
    report = run_selftest(tmp_path)
    assert [other.reason for other in report.not_recognised] == ["larger than 32 MiB"]
    assert report.exit_code == 2


# --- one wrong value ---

Change = Callable[[Any], Any]


def flip(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Another value of the same form: another digit in the middle of a text."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    middle = len(value) // 2
    other = "1" if value[middle] != "1" else "2"
    return value[:middle] + other + value[middle + 1 :]


def to(value: object) -> Change:
    return lambda _: value


WRONG: list[tuple[str, str, Change]] = [
    (f"{BBS}/keypair.json", "keyPair.secretKey", flip),
    (f"{BBS}/keypair.json", "keyPair.publicKey", flip),
    (f"{BBS}/generators.json", "P1", flip),
    (f"{BBS}/generators.json", "MsgGenerators.9", flip),
    (f"{BBS}/MapMessageToScalarAsHash.json", "cases.3.scalar", flip),
    (f"{BBS}/h2s.json", "message", flip),
    (f"{BBS}/mockedRng.json", "mockedScalars.2", flip),
    (f"{BBS}/mockedRng.json", "count", flip),
    (f"{BBS}/signature/signature004.json", "signature", flip),
    (f"{BBS}/signature/signature004.json", "trace.B", flip),
    (f"{BBS}/signature/signature001.json", "trace.domain", flip),
    (f"{BBS}/signature/signature001.json", "result.valid", to(value=False)),
    (f"{BBS}/signature/signature002.json", "result.valid", to(value=True)),
    (f"{BBS}/signature/signature003.json", "trace.B", flip),
    (f"{BBS}/signature/signature005.json", "trace.domain", flip),
    (f"{BBS}/signature/signature007.json", "signerKeyPair.secretKey", flip),
    (f"{BBS}/proof/proof001.json", "proof", flip),
    (f"{BBS}/proof/proof003.json", "trace.T2", flip),
    (f"{BBS}/proof/proof003.json", "trace.random_scalars.m_tilde_scalars.4", flip),
    (f"{BBS}/proof/proof014.json", "signature", flip),
    (f"{BBS}/proof/proof010.json", "result.valid", to(value=True)),
    (f"{BBS}/proof/proof004.json", "trace.domain", flip),
    (f"{BBS}/proof/proof004.json", "trace.T1", flip),
    (f"{BBS}/proof/proof005.json", "trace.random_scalars.r1", flip),
    ("hash-to-curve/BLS12381G1_XMD-SHA-256_SSWU_RO_.json", "vectors.0.P.x", flip),
    ("hash-to-curve/BLS12381G1_XMD-SHA-256_SSWU_RO_.json", "vectors.1.u.1", flip),
    ("hash-to-curve/BLS12381G2_XMD-SHA-256_SSWU_RO_.json", "vectors.2.Q1.y", flip),
    ("hash-to-curve/BLS12381G2_XMD-SHA-256_SSWU_RO_.json", "Z", flip),
    ("hash-to-curve/BLS12381G1_XMD-SHA-256_SSWU_RO_.json", "randomOracle", flip),
    ("hash-to-curve/expand_message_xmd_SHA256_38.json", "tests.5.uniform_bytes", flip),
    ("hash-to-curve/expand_message_xmd_SHA256_38.json", "tests.5.msg_prime", flip),
    ("hash-to-curve/expand_message_xof_SHAKE256_36.json", "tests.0.DST_prime", flip),
    ("hash-to-curve/expand_message_xof_SHAKE256_36.json", "tests.0.len_in_bytes", to("0x21")),
    ("bls12-381/deserialization/deserialization_G1.json", "cases.0.output", flip),
    ("bls12-381/deserialization/deserialization_G2.json", "cases.1.output", flip),
    ("bls12-381/eip-2537/add_G1_bls.json", "0.Expected", flip),
    ("bls12-381/eip-2537/add_G2_bls.json", "4.Expected", flip),
    ("bls12-381/eip-2537/msm_G1_bls.json", "7.Input", flip),
    ("bls12-381/eip-2537/map_fp2_to_G2_bls.json", "1.Expected", flip),
    ("bls12-381/eip-2537/pairing_check_bls.json", "4.Expected", to("00" * 32)),
    ("bls12-381/eip-2537/fail-mul_G1_bls.json", "2.ExpectedError", to("invalid input length")),
    ("bls12-381/serialization/multiples-of-generator.json", "G2_Uncompressed.33", flip),
    ("bls12-381/serialization/multiples-of-generator.json", "G1_Compressed.0", to("c0" * 48)),
    ("bls12-381/wycheproof/bls_hash_to_g2_test.json", "testGroups.0.tests.0.expected", flip),
    (
        "bls12-381/wycheproof/bls_sig_g2_basic_verify_test.json",
        "testGroups.0.tests.2.result",
        to("valid"),
    ),
    (
        "bls12-381/wycheproof/bls_sig_g2_aggregate_verify_test.json",
        "testGroups.0.tests.0.result",
        to("invalid"),
    ),
    ("bls12-381/wycheproof/bls_sig_g2_pop_verify_test.json", "numberOfTests", flip),
    ("base45/rfc9285.json", "valid.1.encoded", flip),
    ("base45/rfc9285.json", "limits.0.bytes_hex", to("fffe")),
    ("base45/rfc9285.json", "invalid.0.encoded", to("FGW")),
    ("cbor/appendix-a.json", "4.hex", to("1819")),
    ("cbor/appendix-a.json", "13.decoded", flip),
    ("cbor/appendix-a.json", "50.diagnostic", to("24(h'6449455447')")),
    ("cbor/appendix-a.json", "77.roundtrip", flip),
    ("cbor/cde-examples.json", "0.diagnostic", to("1")),
    ("cbor/cde-examples.json", "33.type", to("int")),
    ("cbor/dcbor-valid.json", "3.decoded", flip),
    ("cbor/dcbor-valid.json", "19.diagnostic", to("Infinity")),
    ("cbor/dcbor-invalid.json", "2.hex", to("0c")),
    ("ed25519/ed25519_test.json", "testGroups.0.tests.0.result", to("invalid")),
    ("ed25519/ed25519_test.json", "testGroups.0.tests.1.msg", flip),
    ("merkle/inclusion.json", "cases.1.wantErr", flip),
    ("merkle/inclusion.json", "cases.0.wantErr", flip),
    ("merkle/consistency.json", "cases.0.size2", to(2)),
    ("merkle/subtreeconsistency.json", "cases.0.proof", to(["AAAA"])),
    ("merkle/rfc6962-tree.json", "root_hash_by_tree_size_hex.5", flip),
    ("merkle/tessera-log.json", "entries_bundle_hex", to("0000")),
    ("merkle/signed-notes.json", "verifier_keys.1.valid", flip),
    ("merkle/checkpoint-examples.json", "witness_cosignature_timestamp", to(1679315148)),
    ("status-list/token-status-list.json", "cases.1.size", to(1048568)),
    ("status-list/token-status-list.json", "cases.0.byte_array_hex", flip),
]


def changed(source: Path, target: Path, place: str, change: Change) -> None:
    document = load(source)
    *way, last = [int(step) if step.isdecimal() else step for step in place.split(".")]
    inner = document
    for step in way:
        inner = inner[step]
    assert inner[last] != change(inner[last])
    inner[last] = change(inner[last])
    target.write_text(json.dumps(document))


@pytest.mark.parametrize(("file", "place", "change"), WRONG)
def test_one_wrong_value_is_one_failure(
    vectors: Path, tmp_path: Path, file: str, place: str, change: Change
) -> None:
    if file.startswith("bbs"):
        # Fixtures support each other: the wrong value must not pull others down.
        shutil.copytree(vectors / BBS, tmp_path / BBS)
    copy = tmp_path / file
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.unlink(missing_ok=True)
    changed(vectors / file, copy, place, change)
    report = run_selftest(tmp_path, FAST)
    assert len(report.failures) == 1, report.failures
    assert report.failures[0].file == file
    assert report.failures[0].expected != report.failures[0].found
    assert report.exit_code == 1


# --- damage ---


@pytest.mark.parametrize(
    ("file", "name", "found"),
    [
        (f"{BBS}/signature/signature001.json", "messages", "messages is missing"),
        (f"{BBS}/proof/proof001.json", "disclosedIndexes", "disclosedIndexes is missing"),
        (f"{BBS}/keypair.json", "keyDst", "keyDst is missing"),
        (f"{BBS}/generators.json", "Q1", "Q1 is missing"),
        ("hash-to-curve/BLS12381G1_XMD-SHA-256_SSWU_RO_.json", "dst", "dst is missing"),
        ("hash-to-curve/expand_message_xmd_SHA256_38.json", "tests", "tests is missing"),
    ],
)
def test_a_missing_name_is_a_failure(
    vectors: Path, tmp_path: Path, file: str, name: str, found: str
) -> None:
    document = load(vectors / file)
    del document[name]
    (tmp_path / "damaged.json").write_text(json.dumps(document))
    report = run_selftest(tmp_path)
    assert [failure.found for failure in report.failures] == [found]
    assert [failure.expected for failure in report.failures] == ["a complete vector"]


SAMPLES = (
    f"{BBS}/signature/signature001.json",
    f"{BBS}/proof/proof004.json",
    f"{BBS}/mockedRng.json",
    f"{BBS}/MapMessageToScalarAsHash.json",
    "hash-to-curve/BLS12381G1_XMD-SHA-256_SSWU_RO_.json",
    "hash-to-curve/expand_message_xof_SHAKE256_36.json",
    "bls12-381/deserialization/deserialization_G1.json",
    "bls12-381/eip-2537/fail-add_G1_bls.json",
    "bls12-381/eip-2537/mul_G1_bls.json",
    "bls12-381/wycheproof/bls_sig_g2_aggregate_verify_test.json",
    "base45/rfc9285.json",
    "cbor/dcbor-valid.json",
    "cbor/cde-examples.json",
    "ed25519/ed25519_test.json",
    "merkle/subtreeconsistency.json",
    "merkle/rfc6962-tree.json",
    "merkle/tessera-log.json",
    "merkle/signed-notes.json",
    "merkle/checkpoint-examples.json",
    "status-list/token-status-list.json",
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 1 << 70)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(["00", "0x", "zz", "é", "[/red]", "\x1b[2J", "c0" * 48, "ff" * 200]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sample=st.sampled_from(SAMPLES), value=JSON, draw=st.randoms(use_true_random=False))
def test_no_document_breaks_a_run(
    vectors: Path, tmp_path: Path, sample: str, value: object, draw: Random
) -> None:
    document = load(vectors / sample)
    inner = document
    while True:
        step = draw.choice(sorted(inner) if isinstance(inner, dict) else range(len(inner)))
        if not isinstance(inner[step], dict | list) or not inner[step] or draw.random() < 0.2:
            inner[step] = value
            break
        inner = inner[step]
    (tmp_path / "altered.json").write_text(json.dumps(document))
    report = run_selftest(tmp_path, FAST)
    assert len(report.files) + len(report.not_recognised) >= 1
    for failure in report.failures:
        assert not failure.found.startswith("the library raised"), failure
        assert (failure.case + failure.expected + failure.found).isprintable()
    json.dumps(report.document())


def test_a_broken_library_fails(vectors: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object, **__: object) -> bytes:
        raise RuntimeError

    monkeypatch.setattr(base45, "decode", lambda *_, **__: b"")
    report = run_selftest(vectors / "base45")
    assert len(report.failures) == 11, "all but the empty text"
    monkeypatch.setattr(base45, "decode", crash)
    report = run_selftest(vectors / "base45")
    assert len(report.failures) == 12
    assert {failure.found for failure in report.failures} == {"the library raised RuntimeError"}


# --- the command ---


@pytest.fixture(scope="module")
def app() -> typer.Typer:
    app = typer.Typer()
    app.command("selftest")(selftest)
    app.command("other")(lambda: None)
    return app


def test_command(vectors: Path, tmp_path: Path, app: typer.Typer) -> None:
    runner = CliRunner()
    shutil.copy(vectors / "base45/rfc9285.json", tmp_path / "[red]a.json")
    (tmp_path / "b.txt").write_text("nothing")
    good = runner.invoke(app, ["selftest", str(tmp_path)])
    assert good.exit_code == 0, good.output
    assert "base45" in good.stdout
    assert "not recognised: 1" in good.stdout

    changed(vectors / "base45/rfc9285.json", tmp_path / "c.json", "valid.0.encoded", to("BB9"))
    bad = runner.invoke(app, ["selftest", "--verbose", str(tmp_path)])
    assert bad.exit_code == 1
    assert "failed c.json: valid[0] 'BB9'" in bad.stdout
    assert "b.txt: no text of a known syntax" in bad.stdout

    as_json = runner.invoke(app, ["selftest", "--json", "--engine", "py_ecc", str(tmp_path)])
    assert as_json.exit_code == 1
    document = json.loads(as_json.stdout)
    assert document["engine"] == "py_ecc"
    assert document["families"]["base45"] == {
        "files": 2,
        "passed": 23,
        "failed": 1,
        "not_recognised": 0,
    }
    assert (document["passed"], document["failed"], document["not_recognised"]) == (23, 1, 1)
    assert document["failures"] == [
        {
            "file": "c.json",
            "case": "valid[0] 'BB9'",
            "expected": "encoded BB9",
            "found": "encoded BB8",
        }
    ]
    assert document["others"] == [
        {"file": "b.txt", "case": "", "reason": "no text of a known syntax"}
    ]


def test_long_lists_are_cut_without_verbose(tmp_path: Path, app: typer.Typer) -> None:
    wrong = {"valid": [{"encoded": "BB9", "bytes_utf8": "AB"}] * 8}
    (tmp_path / "a.json").write_text(json.dumps(wrong))
    short = CliRunner().invoke(app, ["selftest", str(tmp_path)])
    assert short.stdout.count("failed a.json") == 5
    assert "and 3 more" in short.stdout
    long = CliRunner().invoke(app, ["selftest", "-v", str(tmp_path)])
    assert long.stdout.count("failed a.json") == 8


def test_misuse(tmp_path: Path, app: typer.Typer) -> None:
    empty = CliRunner().invoke(app, ["selftest", str(tmp_path)])
    assert empty.exit_code == 2
    assert "No test vectors were recognised." in empty.stderr
    assert CliRunner().invoke(app, ["selftest"]).exit_code == 2
    # `cli.main` makes exit code 2 of these.
    for arguments, reason in (
        ([str(tmp_path / "nowhere")], Reason.ARGUMENT),
        ([str(tmp_path), "--engine", "none"], Reason.ENGINE),
    ):
        error = CliRunner().invoke(app, ["selftest", *arguments]).exception
        assert isinstance(error, CallerError)
        assert error.reason is reason
