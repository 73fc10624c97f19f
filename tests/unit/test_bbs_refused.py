"""BBS: what is refused, each beside what is accepted, and that octets only raise `PeerError`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guosuo.bbs.proof import proof_gen, proof_verify
from guosuo.bbs.signature import (
    Signature,
    blind_sum,
    calculate_domain,
    check_signature,
    sign,
    sign_point,
    sk_to_pk,
    verify,
)
from guosuo.curve import G2, ORDER, Scalar
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.suite import Interface, Suite
from tests.support.bbs import mocked, reason_of

IDENTITY = bytes([0xC0]) + bytes(47)


class Shown:
    """A signature and a proof that are accepted; 2 of 4 messages are disclosed."""

    suite = Suite.sha256()
    public = sk_to_pk(suite, Scalar(77))
    messages = (b"a", b"", b"c", b"d")
    disclosed = ((1, b""), (3, b"d"))
    signature = sign(suite, Scalar(77), public, b"header", messages)
    proof = proof_gen(
        suite, public, signature, b"header", b"ph", messages, [1, 3], partial(mocked, suite)
    )

    @classmethod
    def verify(cls, data: bytes) -> None:
        signature = Signature.decode(cls.suite, data)
        verify(cls.suite, cls.public, signature, b"header", cls.messages)

    @classmethod
    def proof_verify(cls, proof: bytes, disclosed: Sequence[tuple[int, bytes]] = disclosed) -> None:
        proof_verify(cls.suite, cls.public, proof, b"header", b"ph", disclosed)


def outside_subgroup() -> bytes:
    """Octets of the first point of E(Fp) by x that is on the curve and in no subgroup of ours."""
    for x in range(1, 50):
        data = bytes([0x80]) + x.to_bytes(47, "big")
        try:
            Shown.suite.engine.decode_g1(data)
        except PeerError as error:
            if error.reason is Reason.POINT_NOT_IN_SUBGROUP:
                return data
    raise AssertionError


BAD_POINTS = {
    "identity": (IDENTITY, Reason.POINT_IDENTITY),
    "uncompressed": (bytes(48), Reason.POINT_ENCODING),
    "not below p": (b"\x9f" + b"\xff" * 47, Reason.POINT_ENCODING),
    "off the curve": (b"\x80" + bytes(46) + b"\x01", Reason.POINT_NOT_ON_CURVE),
    "outside the subgroup": (outside_subgroup(), Reason.POINT_NOT_IN_SUBGROUP),
}
BAD_SCALARS = (bytes(32), ORDER.to_bytes(32, "big"), b"\xff" * 32)


def replaced(data: bytes, at: int, part: bytes) -> bytes:
    return data[:at] + part + data[at + len(part) :]


def test_the_twins_are_accepted() -> None:
    Shown.verify(Shown.signature.encode())
    Shown.proof_verify(Shown.proof)
    assert len(Shown.proof) == 272 + 32 * 2


@pytest.mark.parametrize("bad", BAD_POINTS)
def test_bad_points_are_refused(bad: str) -> None:
    point, reason = BAD_POINTS[bad]
    signature = replaced(Shown.signature.encode(), 0, point)
    assert reason_of(partial(Shown.verify, signature)) is reason
    for at in (0, 48, 96):
        assert reason_of(partial(Shown.proof_verify, replaced(Shown.proof, at, point))) is reason


@pytest.mark.parametrize("bad", BAD_SCALARS)
def test_scalars_out_of_range_are_refused(bad: bytes) -> None:
    signature = replaced(Shown.signature.encode(), 48, bad)
    assert reason_of(partial(Shown.verify, signature)) is Reason.SCALAR_RANGE
    for at in range(144, len(Shown.proof), 32):
        proof = replaced(Shown.proof, at, bad)
        assert reason_of(partial(Shown.proof_verify, proof)) is Reason.SCALAR_RANGE


def test_the_largest_scalar_is_read() -> None:
    largest = (ORDER - 1).to_bytes(32, "big")
    signature = replaced(Shown.signature.encode(), 48, largest)
    assert Signature.decode(Shown.suite, signature).e == Scalar(-1)
    assert reason_of(partial(Shown.verify, signature)) is Reason.SIGNATURE


def test_a_wrong_length_is_refused() -> None:
    data = Shown.signature.encode()
    for signature in (b"", data[:-1], data + b"\0", data + data):
        assert reason_of(partial(Shown.verify, signature)) is Reason.SIGNATURE
    for proof in (
        b"",
        Shown.proof[:271],
        Shown.proof[:-1],
        Shown.proof[:-32],
        Shown.proof + b"\0",
        Shown.proof + Shown.proof[-32:],
    ):
        assert reason_of(partial(Shown.proof_verify, proof)) is Reason.PROOF


@pytest.mark.parametrize(
    "disclosed",
    [
        [(3, b"d"), (1, b"")],
        [(1, b""), (1, b"")],
        [(1, b""), (3, b"d"), (3, b"d")],
        [(-1, b""), (3, b"d")],
        [(1, b""), (4, b"d")],
        [(0, b""), (3, b"d")],
        [(1, b"")],
        [(1, b""), (2, b"c"), (3, b"d")],
        [],
    ],
)
def test_other_indexes_are_refused(disclosed: list[tuple[int, bytes]]) -> None:
    check = partial(Shown.proof_verify, Shown.proof, disclosed)
    assert reason_of(check) is Reason.PROOF


@pytest.mark.parametrize("indexes", [[3, 1], [1, 1], [-1], [4]])
def test_the_prover_cannot_ask_for_such_indexes(indexes: list[int]) -> None:
    with pytest.raises(CallerError) as caught:
        proof_gen(
            Shown.suite,
            Shown.public,
            Shown.signature,
            b"header",
            b"ph",
            Shown.messages,
            indexes,
            partial(mocked, Shown.suite),
        )
    assert caught.value.reason is Reason.ARGUMENT


def test_the_identity_is_no_public_key() -> None:
    suite = Shown.suite
    nobody = suite.engine.g2 * Scalar(0)
    assert reason_of(partial(suite.engine.decode_g2, nobody.encode())) is Reason.POINT_IDENTITY
    b = suite.engine.g1
    # With W = 0 the signature (B/e, e) would satisfy the equation.
    forged = Signature(b * Scalar(5).inverse(), Scalar(5))
    assert reason_of(partial(check_signature, suite, nobody, forged, b)) is Reason.SIGNATURE
    check_signature(suite, suite.engine.g2, sign_point(Scalar(1), b, Scalar(5)), b)


def test_a_proof_under_the_identity_key_is_refused() -> None:
    suite = Shown.suite
    nobody: G2 = suite.engine.g2 * Scalar(0)
    api = Interface.draft(suite)
    generators = api.generators(2)
    domain = calculate_domain(api, nobody.encode(), generators, b"")
    b = blind_sum(suite, api.p1(), generators, [domain, api.message_to_scalar(b"m")])
    forged = Signature(b * Scalar(5).inverse(), Scalar(5))
    proof = proof_gen(suite, nobody, forged, b"", b"", [b"m"], [], partial(mocked, suite))
    check = partial(proof_verify, suite, nobody, proof, b"", b"", [])
    # e(Abar, 0) = e(Bbar, P2) only for Bbar = 0, which is no point of a proof.
    assert reason_of(check) is Reason.POINT_IDENTITY


def test_a_key_that_did_not_sign_fails_in_the_pairing() -> None:
    # The domain is that of the claimed key, so that only the pairing can tell.
    suite = Shown.suite
    api = Interface.draft(suite)
    generators = api.generators(2)
    domain = calculate_domain(api, Shown.public.encode(), generators, b"")
    b = blind_sum(suite, api.p1(), generators, [domain, api.message_to_scalar(b"m")])
    for secret, reason in ((Scalar(77), None), (Scalar(78), Reason.PAIRING)):
        signature = sign_point(secret, b, Scalar(5))
        proof = proof_gen(
            suite, Shown.public, signature, b"", b"", [b"m"], [], partial(mocked, suite)
        )
        check = partial(proof_verify, suite, Shown.public, proof, b"", b"", [])
        if reason is None:
            check()
        else:
            assert reason_of(check) is reason


# --- any octets ---

PARTS = st.sampled_from([Shown.proof[at : at + 16] for at in range(0, len(Shown.proof), 16)])
RAW = st.binary(max_size=400) | st.lists(PARTS, max_size=25).map(b"".join)


@settings(max_examples=200)
@given(RAW, st.lists(st.tuples(st.integers(-2, 12), st.binary(max_size=4)), max_size=5))
def test_any_octets_as_proof_are_refused(data: bytes, disclosed: list[tuple[int, bytes]]) -> None:
    if (data, disclosed) != (Shown.proof, list(Shown.disclosed)):
        reason_of(partial(Shown.proof_verify, data, disclosed))


@settings(max_examples=200)
@given(RAW)
def test_any_octets_as_signature_are_refused(data: bytes) -> None:
    reason_of(partial(Shown.verify, data[:80]))


@settings(max_examples=100)
@given(st.integers(0, 8 * len(Shown.proof) - 1))
def test_every_bit_of_a_proof_counts(bit: int) -> None:
    flipped = int.from_bytes(Shown.proof, "big") ^ (1 << bit)
    data = flipped.to_bytes(len(Shown.proof), "big")
    reason_of(partial(Shown.proof_verify, data))


@settings(max_examples=100)
@given(st.integers(0, 8 * 80 - 1))
def test_every_bit_of_a_signature_counts(bit: int) -> None:
    flipped = int.from_bytes(Shown.signature.encode(), "big") ^ (1 << bit)
    reason_of(partial(Shown.verify, flipped.to_bytes(80, "big")))
