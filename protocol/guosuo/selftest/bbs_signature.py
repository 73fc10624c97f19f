"""BBS fixtures of signatures: made again where valid, refused under both suites where not."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from guosuo.bbs.signature import (
    SIGNATURE_SIZE,
    Signature,
    blind_sum,
    calculate_domain,
    sign,
    sk_to_pk,
    verify,
)
from guosuo.curve.points import G2
from guosuo.curve.scalar import Scalar
from guosuo.errors import PeerError
from guosuo.selftest.bbs_context import MAX_MESSAGES, Signed, likelier
from guosuo.selftest.kinds import Case, Kind, Run, accepted, must_be_refused, named, same
from guosuo.selftest.reading import Document, Fields, MalformedError
from guosuo.selftest.report import Family
from guosuo.suite import Interface


def signed_under(api: Interface, public: G2, header: bytes, messages: list[bytes]) -> Signed:
    """What a signature over these values signs."""
    generators = api.generators(len(messages) + 1)
    domain = calculate_domain(api, public.encode(), generators, header)
    scalars = [api.message_to_scalar(message) for message in messages]
    return Signed(blind_sum(api.suite, api.p1(), generators, [domain, *scalars]), domain)


def is_claimed_invalid(document: Document) -> bool:
    """Whether a fixture says of itself that it must be refused."""
    result = document.get("result") if isinstance(document, dict) else None
    return isinstance(result, dict) and result.get("valid") is False


class _Fixture:
    """The values of one file."""

    def __init__(self, document: Document) -> None:
        fixture = Fields(document)
        pair = fixture.fields("signerKeyPair")
        self.secret = pair.octets("secretKey")
        self.public = pair.octets("publicKey")
        self.header = fixture.octets("header")
        self.messages = fixture.octet_list("messages")
        self.signature = fixture.octets("signature")
        self.valid = fixture.fields("result").flag("valid")
        self.trace = fixture.fields("trace") if "trace" in fixture else None
        if len(self.messages) > MAX_MESSAGES:
            raise MalformedError("messages", "are too many")

    def verify(self, api: Interface) -> None:
        """Read everything strictly, then verify; `PeerError`."""
        suite = api.suite
        public = suite.engine.decode_g2(self.public)
        signature = Signature.decode(suite, self.signature)
        verify(suite, public, signature, self.header, self.messages)

    def traces(self, signed: Signed) -> None:
        """Compare the intermediate values."""
        if self.trace is None:
            return
        same(self.trace.octets("domain"), signed.domain.encode(), "domain")
        same(self.trace.octets("B"), signed.b.encode(), "B")


def _check_valid(fixture: _Fixture, run: Run, path: str) -> None:
    api = likelier(run.bbs.ordered(path), lambda one: accepted(partial(fixture.verify, one)))
    suite = api.suite
    secret = Scalar.decode(fixture.secret)
    public = sk_to_pk(suite, secret)
    same(fixture.public, public.encode(), "publicKey")
    made = sign(suite, secret, public, fixture.header, fixture.messages)
    same(fixture.signature, made.encode(), "signature")
    fixture.verify(api)
    signed = signed_under(api, public, fixture.header, fixture.messages)
    run.bbs.signed[fixture.signature] = signed
    fixture.traces(signed)


def _check_invalid(fixture: _Fixture, run: Run) -> None:
    for api in run.bbs.apis:
        must_be_refused(partial(fixture.verify, api))
    # The trace is that of the fixture before it was altered. With it the fixture
    # is refused for what its name says, and not for some other damage.
    if fixture.signature in run.bbs.signed:
        fixture.traces(run.bbs.signed[fixture.signature])
    if fixture.trace is not None and len(fixture.signature) == SIGNATURE_SIZE:
        try:
            signature = Signature.decode(run.bbs.apis[0].suite, fixture.signature)
        except PeerError:
            return
        b = signature.a * (Scalar.decode(fixture.secret) + signature.e)
        same(fixture.trace.octets("B"), b.encode(), "A·(x + e) = B:")


def _cases(document: Document, run: Run, path: str) -> Iterator[Case]:
    fixture = _Fixture(document)
    if fixture.valid:
        yield Case("valid signature", partial(_check_valid, fixture, run, path))
    else:
        yield Case("invalid signature", partial(_check_invalid, fixture, run))


KINDS = (
    Kind(
        Family.BBS,
        "signature",
        named("caseName", "signerKeyPair", "header", "messages", "signature", "result"),
        _cases,
        late=is_claimed_invalid,
    ),
)
