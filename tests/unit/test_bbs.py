"""BBS: the published SHA-256 fixtures octet by octet, SHAKE-256, refusals, our interface.

Invalid fixtures are the valid ones 001, 004 (signatures) and 003 (proofs), altered in one
way that their name says; those are their accept twins.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from guosuo.bbs.proof import fresh_scalars, proof_gen, proof_verify
from guosuo.bbs.signature import (
    Signature,
    blind_sum,
    calculate_domain,
    check_signature,
    key_gen,
    sign,
    sign_point,
    sk_to_pk,
    verify,
)
from guosuo.curve import Engine, Scalar, engine_names, get_engine
from guosuo.curve.entropy import Entropy
from guosuo.errors import CallerError, Reason
from guosuo.scheme import HEADER, Scheme
from guosuo.suite import Interface, Suite
from tests.support.bbs import SEED, mocked, reason_of

ALL = ("pyblst", "py_arkworks_bls12381", "py_ecc")
VALID_SIGNATURES = (1, 4, 10)
VALID_PROOFS = (1, 2, 3, 14, 15)


def installed(name: str) -> Engine:
    if name not in engine_names():
        pytest.skip(f"{name} is not installed")
    return get_engine(name)


@pytest.fixture(params=ALL)
def engine(request: pytest.FixtureRequest) -> Engine:
    return installed(request.param)


@pytest.fixture(params=["sha256", "shake256"])
def suite(request: pytest.FixtureRequest) -> Suite:
    return Suite.sha256() if request.param == "sha256" else Suite.shake256()


@pytest.fixture(scope="session")
def fixtures(vectors: Path) -> Path:
    return vectors / "bbs/bls12-381-sha-256"


def load(path: Path) -> Any:  # noqa: ANN401 - JSON
    return json.loads(path.read_text())


def octets(values: Sequence[str]) -> list[bytes]:
    return [bytes.fromhex(value) for value in values]


# --- fixtures of parts ---


def test_key_pair(fixtures: Path, engine: Engine) -> None:
    suite = Suite.sha256(engine)
    pair = load(fixtures / "keypair.json")
    material, info, dst = octets([pair["keyMaterial"], pair["keyInfo"], pair["keyDst"]])
    assert dst == Interface.draft(suite).api_id + b"KEYGEN_DST_"
    secret = key_gen(suite, material, info, dst)
    assert secret.encode().hex() == pair["keyPair"]["secretKey"]
    assert sk_to_pk(suite, secret).encode().hex() == pair["keyPair"]["publicKey"]
    # The draft's default tag is the ciphersuite's, not the interface's.
    assert key_gen(suite, material, info) == key_gen(
        suite, material, info, suite.identifier + b"KEYGEN_DST_"
    )
    assert key_gen(suite, material, info) != secret


def test_key_material_has_32_octets_and_key_info_a_bound() -> None:
    suite = Suite.sha256()
    assert key_gen(suite, bytes(32), bytes(65535))
    for material, info in ((bytes(31), b""), (bytes(32), bytes(65536))):
        with pytest.raises(CallerError) as caught:
            key_gen(suite, material, info)
        assert caught.value.reason is Reason.ARGUMENT


def test_generators(fixtures: Path, engine: Engine) -> None:
    api = Interface.draft(Suite.sha256(engine))
    given = load(fixtures / "generators.json")
    expected = [given["Q1"], *given["MsgGenerators"]]
    assert api.p1().encode().hex() == given["P1"]
    assert [point.encode().hex() for point in api.generators(11)] == expected
    # Fewer generators are the beginning of more, asked for before or after.
    assert [point.encode().hex() for point in api.generators(3)] == expected[:3]
    again = Interface.draft(Suite.sha256(engine))
    assert [point.encode().hex() for point in again.generators(3)] == expected[:3]


def test_messages_and_hashes_to_scalars(fixtures: Path) -> None:
    suite = Suite.sha256()
    api = Interface.draft(suite)
    table = load(fixtures / "MapMessageToScalarAsHash.json")
    assert bytes.fromhex(table["dst"]) == api.api_id + b"MAP_MSG_TO_SCALAR_AS_HASH_"
    for case in table["cases"]:
        assert (
            api.message_to_scalar(bytes.fromhex(case["message"])).encode().hex() == case["scalar"]
        )
    assert len(table["cases"]) == 10
    h2s = load(fixtures / "h2s.json")
    message, dst = octets([h2s["message"], h2s["dst"]])
    assert api.hash_to_scalar(message).encode().hex() == h2s["scalar"]
    assert suite.hash_to_scalar(message, dst).encode().hex() == h2s["scalar"]


def test_mocked_randomness(fixtures: Path) -> None:
    given = load(fixtures / "mockedRng.json")
    assert bytes.fromhex(given["seed"]) == SEED
    scalars = mocked(Suite.sha256(), given["count"])
    assert [scalar.encode().hex() for scalar in scalars] == given["mockedScalars"]


# --- fixtures of signatures and proofs ---


@pytest.mark.parametrize("number", range(1, 11))
def test_signature_fixture(fixtures: Path, engine: Engine, number: int) -> None:
    if not engine.native and number not in (1, 2):
        pytest.skip("py_ecc takes seconds for ten messages")
    suite = Suite.sha256(engine)
    fixture = load(fixtures / f"signature/signature{number:03}.json")
    pair = fixture["signerKeyPair"]
    public = engine.decode_g2(bytes.fromhex(pair["publicKey"]))
    header, messages = bytes.fromhex(fixture["header"]), octets(fixture["messages"])
    data = bytes.fromhex(fixture["signature"])
    signature = Signature.decode(suite, data)
    secret = Scalar.decode(bytes.fromhex(pair["secretKey"]))
    # In the invalid ones too the signature is a good one, for the traced B.
    assert (signature.a * (secret + signature.e)).encode().hex() == fixture["trace"]["B"]

    assert fixture["result"]["valid"] == (number in VALID_SIGNATURES)
    if not fixture["result"]["valid"]:
        assert reason_of(partial(verify, suite, public, signature, header, messages)) is (
            Reason.SIGNATURE
        )
        return
    verify(suite, public, signature, header, messages)
    assert sign(suite, secret, public, header, messages).encode() == data == signature.encode()
    api = Interface.draft(suite)
    generators = api.generators(len(messages) + 1)
    domain = calculate_domain(api, public.encode(), generators, header)
    assert domain.encode().hex() == fixture["trace"]["domain"]
    scalars = [api.message_to_scalar(message) for message in messages]
    b = blind_sum(suite, api.p1(), generators, [domain, *scalars])
    assert b.encode().hex() == fixture["trace"]["B"]


@pytest.mark.parametrize("number", range(1, 16))
def test_proof_fixture(fixtures: Path, engine: Engine, number: int) -> None:
    if not engine.native and number not in (1, 10, 12):
        pytest.skip("py_ecc takes seconds for ten messages")
    suite = Suite.sha256(engine)
    fixture = load(fixtures / f"proof/proof{number:03}.json")
    public = engine.decode_g2(bytes.fromhex(fixture["signerPublicKey"]))
    header = bytes.fromhex(fixture["header"])
    presentation_header = bytes.fromhex(fixture["presentationHeader"])
    messages, indexes = octets(fixture["messages"]), fixture["disclosedIndexes"]
    disclosed = [(i, messages[i]) for i in indexes]
    proof = bytes.fromhex(fixture["proof"])
    check = partial(proof_verify, suite, public, proof, header, presentation_header, disclosed)

    assert fixture["result"]["valid"] == (number in VALID_PROOFS)
    if not fixture["result"]["valid"]:
        # Another key is another domain, so that nothing needs to reach the pairing.
        assert reason_of(check) is Reason.PROOF
        return
    check()
    trace = fixture["trace"]
    random_scalars = mocked(suite, 5 + len(messages) - len(indexes))
    names = ("r1", "r2", "e_tilde", "r1_tilde", "r3_tilde")
    traced = [trace["random_scalars"][name] for name in names]
    traced += trace["random_scalars"]["m_tilde_scalars"]
    assert [scalar.encode().hex() for scalar in random_scalars] == traced
    asked: list[int] = []

    def mocked_source(count: int) -> list[Scalar]:
        asked.append(count)
        return mocked(suite, count)

    signature = Signature.decode(suite, bytes.fromhex(fixture["signature"]))
    verify(suite, public, signature, header, messages)
    made = proof_gen(
        suite, public, signature, header, presentation_header, messages, indexes, mocked_source
    )
    assert made == proof
    assert asked == [len(random_scalars)], "one call for all scalars"
    assert made[:144].hex() == trace["A_bar"] + trace["B_bar"] + trace["D"]
    assert made[-32:].hex() == trace["challenge"]


def test_a_repaired_proof010_is_accepted(fixtures: Path) -> None:
    suite = Suite.sha256()
    fixture = load(fixtures / "proof/proof010.json")
    assert fixture["disclosedIndexes"] == [4, 2, 4, 6]
    public = suite.engine.decode_g2(bytes.fromhex(fixture["signerPublicKey"]))
    messages = octets(load(fixtures / "proof/proof003.json")["messages"])
    proof_verify(
        suite,
        public,
        bytes.fromhex(fixture["proof"]),
        bytes.fromhex(fixture["header"]),
        bytes.fromhex(fixture["presentationHeader"]),
        [(i, messages[i]) for i in (0, 2, 4, 6)],
    )


# --- SHAKE-256: facts from draft-irtf-cfrg-bbs-signatures-08, sections 7.2.1 and 8.3.x ---

SHAKE_P1 = (
    "8929dfbc7e6642c4ed9cba0856e493f8b9d7d5fcb0c31ef8"
    "fdcd34d50648a56c795e106e9eada6e0bda386b414150755"
)
SHAKE_Q1 = (
    "a9d40131066399fd41af51d883f4473b0dcd7d028d3d34ef"
    "17f3241d204e28507d7ecae032afa1d5490849b7678ec1f8"
)
SHAKE_H1 = (
    "903c7ca0b7e78a2017d0baf74103bd00ca8ff9bf429f834f"
    "071c75ffe6bfdec6d6dca15417e4ac08ca4ae1e78b7adc0e"
)
SHAKE_KEY = "2eee0f60a8a3a8bec0ee942bfd46cbdae9a0738ee68f5a64e7238311cf09a079"
SHAKE_PUBLIC = (
    "92d37d1d6cd38fea3a873953333eab23a4c0377e3e049974eb62bd45949cdeb1"
    "8fb0490edcd4429adff56e65cbce42cf188b31bddbd619e419b99c2c41b38179"
    "eb001963bc3decaae0d9f702c7a8c004f207f46c734a5eae2e8e82833f3e7ea5"
)
SHAKE_SIGNATURE_001 = (
    "b9a622a4b404e6ca4c85c15739d2124a1deb16df750be202e2430e169bc27fb7"
    "1c44d98e6d40792033e1c452145ada95030832c5dc778334f2f1b528eced21b0"
    "b97a12025a283d78b7136bb9825d04ef"
)


def test_published_shake_256_values(fixtures: Path, engine: Engine) -> None:
    suite = Suite.shake256(engine)
    api = Interface.draft(suite)
    assert api.p1().encode().hex() == SHAKE_P1
    assert [g.encode().hex() for g in api.generators(2)] == [SHAKE_Q1, SHAKE_H1]
    # Key material and key info are those of the other suite's fixture.
    pair = load(fixtures / "keypair.json")
    material, info = octets([pair["keyMaterial"], pair["keyInfo"]])
    secret = key_gen(suite, material, info, api.api_id + b"KEYGEN_DST_")
    assert secret.encode().hex() == SHAKE_KEY
    public = sk_to_pk(suite, secret)
    assert public.encode().hex() == SHAKE_PUBLIC
    # signature001: message and header too are shared by the suites.
    shared = load(fixtures / "signature/signature001.json")
    header, messages = bytes.fromhex(shared["header"]), octets(shared["messages"])
    signature = sign(suite, secret, public, header, messages)
    assert signature.encode().hex() == SHAKE_SIGNATURE_001
    verify(suite, public, signature, header, messages)


# --- both suites ---


def some_bytes(source: random.Random) -> bytes:
    return source.randbytes(source.randrange(40))


@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_signed_and_shown(suite: Suite, count: int) -> None:
    source = random.Random(count)
    entropy = Entropy(source.randbytes)
    secret = key_gen(suite, source.randbytes(32))
    public = sk_to_pk(suite, secret)
    header, presentation_header = some_bytes(source), some_bytes(source)
    messages = [some_bytes(source) for _ in range(count)]
    signature = sign(suite, secret, public, header, messages)
    verify(suite, public, Signature.decode(suite, signature.encode()), header, messages)
    for shown in {0, count // 2, count}:
        indexes = sorted(source.sample(range(count), shown))
        proof = proof_gen(
            suite,
            public,
            signature,
            header,
            presentation_header,
            messages,
            indexes,
            fresh_scalars(entropy),
        )
        assert len(proof) == 272 + 32 * (count - shown)
        disclosed = [(i, messages[i]) for i in indexes]
        proof_verify(suite, public, proof, header, presentation_header, disclosed)
        for other in (
            (header + b"\0", presentation_header, disclosed),
            (header, presentation_header + b"\0", disclosed),
            (header, presentation_header, [(i, m + b"\0") for i, m in disclosed]),
        ):
            if other != (header, presentation_header, disclosed):
                assert (
                    reason_of(partial(proof_verify, suite, public, proof, *other)) is Reason.PROOF
                )


def test_suites_refuse_each_other() -> None:
    suites = (Suite.sha256(), Suite.shake256())
    secret = Scalar(7)
    for one, other in (suites, suites[::-1]):
        public = sk_to_pk(one, secret)
        signature = sign(one, secret, public, b"h", [b"m", b"n"])
        scalars = fresh_scalars(Entropy(random.Random(1).randbytes))
        proof = proof_gen(one, public, signature, b"h", b"", [b"m", b"n"], [0], scalars)
        verify(one, public, signature, b"h", [b"m", b"n"])
        proof_verify(one, public, proof, b"h", b"", [(0, b"m")])
        assert (
            reason_of(partial(verify, other, public, signature, b"h", [b"m", b"n"]))
            is Reason.SIGNATURE
        )
        assert (
            reason_of(partial(proof_verify, other, public, proof, b"h", b"", [(0, b"m")]))
            is Reason.PROOF
        )


def test_engines_take_each_others_proofs() -> None:
    engines = [get_engine(name) for name in engine_names() if get_engine(name).native]
    made = set()
    for engine in engines:
        suite = Suite.shake256(engine)
        public = sk_to_pk(suite, Scalar(7))
        signature = sign(suite, Scalar(7), public, b"", [b"m", b"n"])
        proof = proof_gen(
            suite, public, signature, b"", b"p", [b"m", b"n"], [1], partial(mocked, suite)
        )
        made.add((signature.encode(), proof))
    ((_, proof),) = made
    for engine in engines:
        suite = Suite.shake256(engine)
        proof_verify(suite, sk_to_pk(suite, Scalar(7)), proof, b"", b"p", [(1, b"n")])


# --- the interface of credentials: the federation in the place of the key ---


def test_a_federation_has_generators_of_its_own() -> None:
    suite = Suite.sha256()
    ours, drafts = Interface.guosuo(suite), Interface.draft(suite)
    assert ours.api_id != drafts.api_id
    points = {point.encode() for point in ours.generators(4)}
    points |= {point.encode() for point in drafts.generators(4)}
    assert len(points) == 8
    assert ours.p1() == drafts.p1(), "P1 belongs to the ciphersuite"
    assert ours.message_to_scalar(b"m") != drafts.message_to_scalar(b"m")


def test_the_domain_holds_the_federation_and_no_key() -> None:
    suite = Suite.sha256()
    one, other = (Scheme.of(suite, bytes([i]) * 32) for i in (1, 2))
    generators = (one.q, one.h0, one.h1, one.h2)
    assert generators == (other.q, other.h0, other.h1, other.h2)
    domain = calculate_domain(one.api, one.federation, generators, HEADER)
    assert one.base == one.api.p1() + one.q * domain
    assert one.base != other.base

    b = one.message(one.commitment(Scalar(3), Scalar(4)), 5, Scalar(6))
    for secret in (Scalar(10), Scalar(11)):
        # Nothing of the key entered B: the same B is signed by any region's key.
        public = sk_to_pk(suite, secret)
        signature = sign_point(secret, b, Scalar(12))
        check_signature(suite, public, signature, b)
        stranger = sk_to_pk(suite, secret + Scalar(1))
        check = partial(check_signature, suite, stranger, signature, b)
        assert reason_of(check) is Reason.SIGNATURE
        elsewhere = other.message(other.commitment(Scalar(3), Scalar(4)), 5, Scalar(6))
        check = partial(check_signature, suite, public, signature, elsewhere)
        assert reason_of(check) is Reason.SIGNATURE


def test_a_credential_is_no_signature_of_the_draft() -> None:
    suite = Suite.sha256()
    scheme = Scheme.of(suite, bytes(32))
    secret = Scalar(10)
    public = sk_to_pk(suite, secret)
    b = scheme.message(scheme.commitment(Scalar(3), Scalar(4)), 5, Scalar(6))
    signature = sign_point(secret, b, Scalar(12))
    for messages in ([], [b"a", b"b", b"c"]):
        check = partial(verify, suite, public, signature, HEADER, messages)
        assert reason_of(check) is Reason.SIGNATURE
