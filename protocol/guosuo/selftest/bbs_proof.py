"""BBS fixtures of proofs: made again with the mocked randomness, or refused under both suites."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from guosuo.bbs.proof import proof_gen, proof_verify
from guosuo.bbs.signature import Signature, verify
from guosuo.curve.scalar import SCALAR_SIZE, Scalar
from guosuo.errors import PeerError
from guosuo.selftest.bbs_context import (
    MAX_MESSAGES,
    MOCK_TAG,
    SEED,
    likelier,
    mocked_scalars,
)
from guosuo.selftest.bbs_signature import is_claimed_invalid, signed_under
from guosuo.selftest.kinds import (
    Case,
    Kind,
    Run,
    accepted,
    mismatch,
    must_be_refused,
    named,
    same,
)
from guosuo.selftest.reading import Document, Fields, MalformedError
from guosuo.selftest.report import Family
from guosuo.suite import Interface

_POINTS: Final = 3 * 48
_POINT_NAMES: Final = ("A_bar", "B_bar", "D")
_RANDOM_NAMES: Final = ("r1", "r2", "e_tilde", "r1_tilde", "r3_tilde")


class _Trace:
    """The intermediate values of a proof."""

    def __init__(self, fields: Fields) -> None:
        scalars = fields.fields("random_scalars")
        parts = [scalars.octets(name) for name in _RANDOM_NAMES]
        self.random = [Scalar.decode(s) for s in parts + scalars.octet_list("m_tilde_scalars")]
        self.fields = fields

    def same(self, name: str, found: bytes) -> None:
        same(self.fields.octets(name), found, name)


class _Fixture:
    """The values of one file."""

    def __init__(self, document: Document) -> None:
        fixture = Fields(document)
        self.public = fixture.octets("signerPublicKey")
        self.signature = fixture.octets("signature")
        self.header = fixture.octets("header")
        self.presentation_header = fixture.octets("presentationHeader")
        self.messages = fixture.octet_list("messages")
        self.indexes = fixture.index_list("disclosedIndexes", len(self.messages))
        self.proof = fixture.octets("proof")
        self.valid = fixture.fields("result").flag("valid")
        self.trace = fixture.fields("trace") if "trace" in fixture else None
        self.own_randomness = "mockRngParameters" in fixture
        most = _POINTS + (4 + MAX_MESSAGES) * SCALAR_SIZE
        if len(self.messages) > MAX_MESSAGES or len(self.proof) > most:
            raise MalformedError("messages", "are too many")

    def verify(self, api: Interface) -> None:
        """Read everything strictly, then verify; `PeerError`."""
        proof_verify(
            api.suite,
            api.suite.engine.decode_g2(self.public),
            self.proof,
            self.header,
            self.presentation_header,
            [(i, self.messages[i]) for i in self.indexes],
        )

    def traces(self) -> _Trace | None:
        """The intermediate values, if there are any."""
        return None if self.trace is None else _Trace(self.trace)

    def is_mocked(self, api: Interface, random: list[Scalar]) -> bool:
        """Whether the random scalars are those of the fixtures' seed."""
        tag = api.api_id + MOCK_TAG
        return random == mocked_scalars(api.suite, SEED, tag, len(random))


def _check_valid(fixture: _Fixture, run: Run, path: str) -> None:
    api = likelier(run.bbs.ordered(path), lambda one: accepted(partial(fixture.verify, one)))
    suite = api.suite
    fixture.verify(api)
    public = suite.engine.decode_g2(fixture.public)
    signature = Signature.decode(suite, fixture.signature)
    verify(suite, public, signature, fixture.header, fixture.messages)
    signed = signed_under(api, public, fixture.header, fixture.messages)
    run.bbs.signed[fixture.signature] = signed

    trace = fixture.traces()
    if trace is None:
        return
    if not fixture.own_randomness and not fixture.is_mocked(api, trace.random):
        mismatch("random_scalars of the seed", "others")
    same(len(trace.random) - len(_RANDOM_NAMES), len(fixture.messages) - len(fixture.indexes))
    made = proof_gen(
        suite,
        public,
        signature,
        fixture.header,
        fixture.presentation_header,
        fixture.messages,
        fixture.indexes,
        lambda _: trace.random,
    )
    same(fixture.proof, made, "proof")
    _randomized(fixture, trace, signature, run)
    trace.same("domain", signed.domain.encode())
    # T2 = r3~·D + Σ m~_j·H_j
    hidden = [j for j in range(len(fixture.messages)) if j not in fixture.indexes]
    generators = api.generators(len(fixture.messages) + 1)
    bases = [signed.b * trace.random[1], *(generators[j + 1] for j in hidden)]
    trace.same("T2", suite.engine.sum_of_products_g1(bases, trace.random[4:]).encode())


def _check_invalid(fixture: _Fixture, run: Run) -> None:
    for api in run.bbs.apis:
        must_be_refused(partial(fixture.verify, api))
    # The trace is that of the fixture before it was altered. With it the fixture
    # is refused for what its name says, and not for some other damage.
    trace = fixture.traces()
    if trace is None:
        return
    if not fixture.own_randomness and not any(
        fixture.is_mocked(api, trace.random) for api in run.bbs.apis
    ):
        mismatch("random_scalars of the seed", "others")
    if fixture.signature in run.bbs.signed:
        trace.same("domain", run.bbs.signed[fixture.signature].domain.encode())
    try:
        signature = Signature.decode(run.bbs.apis[0].suite, fixture.signature)
    except PeerError:
        return
    _randomized(fixture, trace, signature, run)


def _randomized(fixture: _Fixture, trace: _Trace, signature: Signature, run: Run) -> None:
    """Compare what follows from signature and randomness, whatever the messages are."""
    engine = run.engine
    r1, r2, e_tilde, r1_tilde, r3_tilde, *m_tilde = trace.random
    d = engine.decode_g1(trace.fields.octets("D"))
    abar = signature.a * (r1 * r2)
    trace.same("A_bar", abar.encode())
    trace.same("B_bar", (d * r1 - abar * signature.e).encode())
    trace.same("T1", (abar * e_tilde + d * r1_tilde).encode())
    if fixture.signature in run.bbs.signed:
        trace.same("D", (run.bbs.signed[fixture.signature].b * r2).encode())
    points = b"".join(trace.fields.octets(name) for name in _POINT_NAMES)
    same(points, fixture.proof[:_POINTS], "points of the proof:")
    if len(fixture.proof) != _POINTS + (4 + len(m_tilde)) * SCALAR_SIZE:
        return  # a fixture that is invalid by its length
    c = Scalar.decode(trace.fields.octets("challenge"))
    responses = (e_tilde + signature.e * c, r1_tilde - r1 * c, r3_tilde - r2.inverse() * c)
    octets = b"".join(scalar.encode() for scalar in responses)
    same(octets, fixture.proof[_POINTS : _POINTS + len(octets)], "responses:")
    same(c.encode(), fixture.proof[-SCALAR_SIZE:], "challenge of the proof:")


def _cases(document: Document, run: Run, path: str) -> Iterator[Case]:
    fixture = _Fixture(document)
    if fixture.valid:
        yield Case("valid proof", partial(_check_valid, fixture, run, path))
    else:
        yield Case("invalid proof", partial(_check_invalid, fixture, run))


KINDS = (
    Kind(
        Family.BBS,
        "proof",
        named(
            "caseName",
            "signerPublicKey",
            "signature",
            "header",
            "presentationHeader",
            "messages",
            "disclosedIndexes",
            "proof",
            "result",
        ),
        _cases,
        late=is_claimed_invalid,
    ),
)
