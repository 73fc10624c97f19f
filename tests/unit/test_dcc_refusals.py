"""Certificates of our own making: each refusal beside its accepted twin, then anything at all."""

import contextlib
import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from guosuo.errors import CallerError, PeerError, Reason
from guosuo.evidence import dcc, payload
from guosuo.evidence.registry import EvidenceKind
from guosuo.evidence.trust import TrustAnchor, TrustAnchors
from guosuo.wire import base45

NOW = 1_640_000_000
BEGIN, END = datetime(2021, 1, 1, tzinfo=UTC), datetime(2023, 1, 1, tzinfo=UTC)
TEST_OID, VACCINATION_OID = "1.3.6.1.4.1.1847.2021.1.1", "1.3.6.1.4.1.1847.2021.1.2"

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

EC_KEY = ec.derive_private_key(2021, ec.SECP256R1())
EC_384_KEY = ec.derive_private_key(2021, ec.SECP384R1())
OTHER_EC_KEY = ec.derive_private_key(2022, ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)


def certificate(key: Key, *purposes: str) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "XX")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, BEGIN, END)
    if purposes:
        usage = x509.ExtendedKeyUsage([x509.ObjectIdentifier(oid) for oid in purposes])
        builder = builder.add_extension(usage, critical=False)
    ed = isinstance(key, ed25519.Ed25519PrivateKey)
    signed = builder.sign(key, None if ed else hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.DER)


def anchor(key: Key, *purposes: str) -> TrustAnchor:
    return TrustAnchor(certificate(key, *purposes), test_only=False)


EC_ANCHOR, RSA_ANCHOR, EC_384_ANCHOR = anchor(EC_KEY), anchor(RSA_KEY), anchor(EC_384_KEY)
ANCHORS = TrustAnchors([EC_ANCHOR, RSA_ANCHOR, EC_384_ANCHOR])

NAME = {"fnt": "LI<WANG", "fn": "Li-Wang", "gnt": "MEI", "gn": "Mei"}
COMMON = {"tg": "840539006", "co": "LU", "is": "Ministry", "ci": "URN:UVCI:01:LU:7"}
VACCINE = {"vp": "J07BX03", "mp": "EU/1/20/1528", "ma": "ORG-100030215"}
DOSE = COMMON | VACCINE | {"dn": 2, "sd": 2, "dt": "2021-06-01"}
TEST = COMMON | {"tt": "LP6464-4", "sc": "2021-12-20T08:00:00Z", "tr": "260415000", "tc": "Lab"}
RECOVERY = COMMON | {"fr": "2021-06-01", "df": "2021-06-12", "du": "2021-11-28"}


def person_with(**groups: object) -> dict[str, Any]:
    return {"ver": "1.3.0", "nam": NAME, "dob": "1990-05-17", **groups}


@dataclass
class Maker:
    """What an issuer does, with every step open to change."""

    payload: Any = field(default_factory=lambda: person_with(v=[DOSE]))
    claims: dict[Any, Any] = field(default_factory=dict)
    key: Key = EC_KEY
    protected: Any = None
    unprotected: dict[Any, Any] = field(default_factory=dict)
    encode: Callable[[Any], bytes] = cbor2.dumps
    wrap: Callable[[Any], Any] = lambda array: cbor2.CBORTag(18, array)
    compress: Callable[[bytes], bytes] = zlib.compress
    prefix: str = "HC1:"

    def cose(self) -> bytes:
        anchors = {EC_KEY: EC_ANCHOR, RSA_KEY: RSA_ANCHOR, EC_384_KEY: EC_384_ANCHOR}
        kid = anchors.get(self.key, EC_ANCHOR).kid
        algorithm = -37 if isinstance(self.key, rsa.RSAPrivateKey) else -7
        header = {1: algorithm, 4: kid} if self.protected is None else self.protected
        protected = header if isinstance(header, bytes) else self.encode(header)
        claims = {1: "LU", 4: NOW + 100, 6: NOW - 100, -260: {1: self.payload}} | self.claims
        signed = self.encode({key: value for key, value in claims.items() if value is not ...})
        covered = b"" if protected == b"\xa0" else protected
        signature = self.sign(cbor2.dumps(["Signature1", covered, b"", signed]))
        return self.encode(self.wrap([protected, self.unprotected, signed, signature]))

    def sign(self, data: bytes) -> bytes:
        if isinstance(self.key, rsa.RSAPrivateKey):
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
            return self.key.sign(data, pss, hashes.SHA256())
        assert isinstance(self.key, ec.EllipticCurvePrivateKey)
        r, s = decode_dss_signature(self.key.sign(data, ec.ECDSA(hashes.SHA256())))
        width = self.key.key_size // 8
        return r.to_bytes(width, "big") + s.to_bytes(width, "big")

    def text(self) -> str:
        return self.prefix + base45.encode(self.compress(self.cose()))


def accept(maker: Maker, *, now: int = NOW, anchors: TrustAnchors = ANCHORS) -> dcc.VerifiedDcc:
    return dcc.verify(maker.text(), anchors, now=now)


def refusal(maker: Maker, *, now: int = NOW, anchors: TrustAnchors = ANCHORS) -> Reason:
    with pytest.raises(PeerError) as caught:
        dcc.verify(maker.text(), anchors, now=now)
    assert caught.value.__context__ is None, "an inner exception may quote the document"
    return caught.value.reason


KID = EC_ANCHOR.kid


def claims_as_array(item: object) -> bytes:
    """As cbor2.dumps, but the claims become an array; nothing else is a map with -260."""
    return cbor2.dumps(list(item) if isinstance(item, dict) and -260 in item else item)


FORMS = {
    "plain": Maker(),
    "untagged": Maker(wrap=lambda array: array),
    "cwt tag": Maker(wrap=lambda array: cbor2.CBORTag(61, cbor2.CBORTag(18, array))),
    "cwt tag alone": Maker(wrap=lambda array: cbor2.CBORTag(61, array)),
    "rsa": Maker(key=RSA_KEY),
    "p-384": Maker(key=EC_384_KEY),
    "kid unprotected": Maker(protected={1: -7}, unprotected={4: KID}),
    "all unprotected": Maker(protected=b"", unprotected={1: -7, 4: KID}),
    "empty map protected": Maker(protected=b"\xa0", unprotected={1: -7, 4: KID}),
    "protected kid wins": Maker(unprotected={4: b"another1"}),
    "protected algorithm wins": Maker(unprotected={1: -37}),
    "indefinite lengths": Maker(encode=lambda item: cbor2.dumps(item, indefinite_containers=True)),
    "canonical": Maker(encode=lambda item: cbor2.dumps(item, canonical=True)),
    "float times": Maker(claims={4: NOW + 0.9, 6: NOW + 0.1}),
    "no issuer": Maker(claims={1: ...}),
    "not before": Maker(claims={5: NOW}),
    "other compression": Maker(compress=lambda data: zlib.compress(data, 1)),
    "null groups": Maker(person_with(v=[DOSE], t=None, r=[])),
    "test": Maker(person_with(t=[TEST])),
    "recovery": Maker(person_with(r=[RECOVERY])),
}


@pytest.mark.parametrize("form", FORMS)
def test_accepted_forms(form: str) -> None:
    document = accept(FORMS[form])
    assert document.issuer_country == "LU"
    assert document.holder.fnt == "LI<WANG"
    assert not document.test_only


REFUSED: dict[str, tuple[Reason, Maker]] = {
    "prefix": (Reason.DCC_PREFIX, Maker(prefix="HC2:")),
    "prefix twice": (Reason.DCC_COMPRESSION, Maker(prefix="HC1:HC1:AB")),
    "no prefix": (Reason.DCC_PREFIX, Maker(prefix="")),
    "not base45": (Reason.BASE45, Maker(prefix="HC1:_")),
    "too long": (Reason.TOO_LONG, Maker(compress=lambda data: zlib.compress(data) + bytes(2900))),
    "uncompressed": (Reason.DCC_COMPRESSION, Maker(compress=bytes)),
    "bytes after": (
        Reason.DCC_COMPRESSION,
        Maker(compress=lambda data: zlib.compress(data) + b"0"),
    ),
    "two streams": (
        Reason.DCC_COMPRESSION,
        Maker(compress=lambda data: zlib.compress(data) + zlib.compress(b"")),
    ),
    "cut off": (Reason.DCC_COMPRESSION, Maker(compress=lambda data: zlib.compress(data)[:-1])),
    "bomb": (Reason.DCC_COMPRESSION, Maker(compress=lambda _: zlib.compress(bytes(1 << 20)))),
    "other tag": (Reason.DCC_COSE, Maker(wrap=lambda array: cbor2.CBORTag(98, array))),
    "tag twice": (
        Reason.DCC_COSE,
        Maker(wrap=lambda array: cbor2.CBORTag(18, cbor2.CBORTag(18, array))),
    ),
    "five parts": (Reason.DCC_COSE, Maker(wrap=lambda array: [*array, b""])),
    "three parts": (Reason.DCC_COSE, Maker(wrap=lambda array: array[:3])),
    "wrapped": (Reason.DCC_COSE, Maker(wrap=lambda array: [[array]])),
    "algorithm": (Reason.DCC_COSE, Maker(protected={1: -35, 4: KID})),
    "algorithm as text": (Reason.DCC_COSE, Maker(protected={1: "ES256", 4: KID})),
    "no algorithm": (Reason.DCC_COSE, Maker(protected={4: KID})),
    "no kid": (Reason.DCC_COSE, Maker(protected={1: -7})),
    "kid as text": (Reason.DCC_COSE, Maker(protected={1: -7, 4: "kid"}, unprotected={4: KID})),
    "critical": (Reason.DCC_COSE, Maker(protected={1: -7, 4: KID, 2: [99], 99: 1})),
    "header not a map": (Reason.DCC_COSE, Maker(protected=b"\x80")),
    "header twice": (Reason.DCC_COSE, Maker(protected=b"\xa2\x01\x26\x01\x26")),
    "unknown kid": (Reason.DCC_SIGNER, Maker(protected={1: -7, 4: b"unknown!"})),
    "protected kid wrong": (
        Reason.DCC_SIGNER,
        Maker(protected={1: -7, 4: b"unknown!"}, unprotected={4: KID}),
    ),
    "long kid": (Reason.DCC_SIGNER, Maker(protected={1: -7, 4: KID + b"0"})),
    "other key": (Reason.DCC_SIGNATURE, Maker(key=OTHER_EC_KEY)),
    "key of another anchor": (Reason.DCC_SIGNATURE, Maker(key=RSA_KEY, protected={1: -37, 4: KID})),
    "algorithm of the other key": (Reason.DCC_SIGNATURE, Maker(protected={1: -37, 4: KID})),
    "claims not a map": (Reason.DCC_COSE, Maker(encode=claims_as_array)),
    "no health claim": (Reason.DCC_COSE, Maker(claims={-260: ...})),
    "health claim of another kind": (
        Reason.DCC_COSE,
        Maker(claims={-260: {2: person_with(v=[DOSE])}}),
    ),
    "issuer a number": (Reason.DCC_COSE, Maker(claims={1: 7})),
    "no expiry": (Reason.DCC_VALIDITY, Maker(claims={4: ...})),
    "no issue time": (Reason.DCC_VALIDITY, Maker(claims={6: ...})),
    "time as text": (Reason.DCC_VALIDITY, Maker(claims={4: str(NOW + 100)})),
    "time as date": (Reason.DCC_VALIDITY, Maker(claims={4: datetime(2022, 1, 1, tzinfo=UTC)})),
    "time true": (Reason.DCC_VALIDITY, Maker(claims={6: True})),
    "time not a number": (Reason.DCC_VALIDITY, Maker(claims={4: float("nan")})),
    "time without end": (Reason.DCC_VALIDITY, Maker(claims={4: float("inf")})),
    "expired": (Reason.DCC_VALIDITY, Maker(claims={4: NOW - 1})),
    "expired a fraction": (Reason.DCC_VALIDITY, Maker(claims={4: NOW - 0.1})),
    "not yet issued": (Reason.DCC_VALIDITY, Maker(claims={6: NOW + 1})),
    "not before": (Reason.DCC_VALIDITY, Maker(claims={5: NOW + 1})),
    "payload a list": (Reason.DCC_PAYLOAD, Maker([person_with(v=[DOSE])])),
    "no entry": (Reason.DCC_PAYLOAD, Maker(person_with())),
    "empty group": (Reason.DCC_PAYLOAD, Maker(person_with(v=[]))),
    "two doses": (Reason.DCC_PAYLOAD, Maker(person_with(v=[DOSE, DOSE]))),
    "two kinds": (Reason.DCC_PAYLOAD, Maker(person_with(v=[DOSE], t=[TEST]))),
    "group a map": (Reason.DCC_PAYLOAD, Maker(person_with(v={0: DOSE}))),
    "entry a list": (Reason.DCC_PAYLOAD, Maker(person_with(v=[[DOSE]]))),
    "entry null": (Reason.DCC_PAYLOAD, Maker(person_with(v=[None]))),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    reason, maker = REFUSED[name]
    assert refusal(maker) is reason


def test_validity_to_the_second() -> None:
    maker = Maker(claims={4: NOW + 10, 6: NOW})
    for now in (NOW, NOW + 10):
        assert accept(maker, now=now).issued_at == NOW
    for now in (NOW - 1, NOW + 11):
        assert refusal(maker, now=now) is Reason.DCC_VALIDITY


def test_signer_certificate_must_be_valid_now() -> None:
    begin, end = int(BEGIN.timestamp()), int(END.timestamp())
    maker = Maker(claims={6: 0, 4: 1 << 33})
    for now in (begin, end):
        accept(maker, now=now)
    for now in (begin - 1, end + 1):
        assert refusal(maker, now=now) is Reason.DCC_SIGNER


@pytest.mark.parametrize("now", [-1, True, 1.5, dcc.MAX_TIME + 1])
def test_now_is_whole_seconds(now: int) -> None:
    with pytest.raises(CallerError):
        dcc.verify(Maker().text(), ANCHORS, now=now)


def test_signers_for_one_kind() -> None:
    for purposes, kinds in [
        ((TEST_OID,), {EvidenceKind.TEST}),
        ((TEST_OID.replace("4.1.", "4.1.0."),), {EvidenceKind.TEST}),
        ((TEST_OID, VACCINATION_OID), {EvidenceKind.TEST, EvidenceKind.VACCINATION}),
        (("1.3.6.1.5.5.7.3.2",), set(EvidenceKind)),
        ((), set(EvidenceKind)),
    ]:
        signer = anchor(EC_KEY, *purposes)
        assert signer.kinds == kinds
        header = {1: -7, 4: signer.kid}
        for group, entry, kind in [
            ("v", DOSE, EvidenceKind.VACCINATION),
            ("t", TEST, EvidenceKind.TEST),
            ("r", RECOVERY, EvidenceKind.RECOVERY),
        ]:
            maker = Maker(person_with(**{group: [entry]}), protected=header)
            if kind in kinds:
                assert accept(maker, anchors=TrustAnchors([signer])).kind is kind
            else:
                assert refusal(maker, anchors=TrustAnchors([signer])) is Reason.DCC_SIGNER


def test_all_anchors_of_one_identifier_are_tried() -> None:
    document = dcc.open_document(Maker().cose())
    both = (RSA_ANCHOR, EC_384_ANCHOR, EC_ANCHOR)
    assert dcc.check_signature(document, both) is EC_ANCHOR
    assert TrustAnchors([EC_ANCHOR, EC_ANCHOR]).find(KID) == (EC_ANCHOR,)
    assert hashlib.sha256(EC_ANCHOR.certificate).digest()[:8] == KID


def test_unusable_anchors() -> None:
    good = certificate(EC_KEY)
    for der in (
        b"",
        b"\x30\x03\x02\x01\x01",
        good[:-1],
        good + b"\0",
        certificate(ec.derive_private_key(5, ec.SECP256K1())),
        certificate(rsa.generate_private_key(65537, 1024)),  # noqa: S505  # weak on purpose
        certificate(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))),
    ):
        with pytest.raises(CallerError) as caught:
            TrustAnchor(der, test_only=False)
        assert caught.value.reason is Reason.ARGUMENT


def test_digest_survives_what_a_holder_can_change() -> None:
    data = Maker().cose()
    array = cbor2.loads(data).value
    r, s = array[3][:32], int.from_bytes(array[3][32:], "big")
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    other = r + (order - s).to_bytes(32, "big")
    digests = set()
    for unprotected, signature in [({}, array[3]), ({7: "x"}, array[3]), ({}, other)]:
        changed = cbor2.dumps([array[0], unprotected, array[2], signature])
        for level in (1, 9):
            text = "HC1:" + base45.encode(zlib.compress(changed, level))
            digests.add(dcc.verify(text, ANCHORS, now=NOW).digest)
    assert len(digests) == 1
    assert accept(Maker(claims={4: NOW + 101})).digest not in digests


def test_payload_is_a_fresh_copy() -> None:
    document = accept(Maker())
    assert document.payload() == person_with(v=[DOSE])
    assert document.payload() is not document.payload()


# Anything at all: it verifies or raises PeerError, and a mutation never verifies as something else.

GOOD = Maker()
GOOD_TEXT, GOOD_COSE = GOOD.text(), GOOD.cose()
GOOD_DIGEST = accept(GOOD).digest


def survive(text: str) -> None:
    outcome: dcc.VerifiedDcc | PeerError
    try:
        outcome = dcc.verify(text, ANCHORS, now=NOW)
    except PeerError as error:
        outcome = error
    if isinstance(outcome, PeerError):
        assert outcome.__context__ is None
    else:
        assert outcome.digest == GOOD_DIGEST


ALPHANUMERIC = st.text(st.sampled_from(base45.ALPHABET), max_size=400)


@given(st.one_of(st.text(), ALPHANUMERIC, ALPHANUMERIC.map("HC1:".__add__)))
def test_any_text(text: str) -> None:
    survive(text)


@given(st.binary(max_size=600))
def test_any_compressed_bytes(data: bytes) -> None:
    survive("HC1:" + base45.encode(zlib.compress(data)))
    survive("HC1:" + base45.encode(data))


@given(st.integers(0, len(GOOD_TEXT) - 1), st.sampled_from(base45.ALPHABET), st.integers(0, 2))
def test_changed_text(place: int, character: str, drop: int) -> None:
    survive(GOOD_TEXT[:place] + character + GOOD_TEXT[place + drop :])


@given(st.integers(0, len(GOOD_COSE) - 1), st.binary(max_size=3), st.integers(0, 3))
def test_changed_document(place: int, inserted: bytes, drop: int) -> None:
    changed = GOOD_COSE[:place] + inserted + GOOD_COSE[place + drop :]
    survive("HC1:" + base45.encode(zlib.compress(changed)))


ITEMS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 64), (1 << 64) - 1)
    | st.text()
    | st.binary()
    | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.integers(-300, 300) | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(ITEMS)
def test_any_signed_claims(item: object) -> None:
    """What a trusted signer signs may be anything too."""
    for health in (item, {1: item}):
        claims = {1: "LU", 4: NOW, 6: NOW, -260: health}
        for signed in (item, claims):
            data = cbor2.dumps(signed)
            with contextlib.suppress(PeerError):
                payload.read_payload(dcc.read_claims(data).health)
