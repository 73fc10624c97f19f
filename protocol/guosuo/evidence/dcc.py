"""EU Digital COVID Certificates: from the text of a QR code to a verified document.

Source: hcert specification 1.0.8 (ehn-dcc-development), RFC 8392 (CWT),
RFC 8152 and 9052 (COSE). `verify` is the whole path; each step is a function of
its own with its own reason, so that the states' test data can ask them one by one.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Mapping
from dataclasses import InitVar, dataclass
from enum import IntEnum
from typing import Final, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from guosuo.errors import CallerError, PeerError, Reason, refuse
from guosuo.evidence import foreign_cbor
from guosuo.evidence.foreign_cbor import Item, Key, Tagged
from guosuo.evidence.payload import COUNTRIES, Entry, Person, read_payload
from guosuo.evidence.private import Private
from guosuo.evidence.registry import EvidenceKind
from guosuo.evidence.trust import TrustAnchor, TrustAnchors
from guosuo.wire import base45, cbor

PREFIX: Final = "HC1:"

MAX_TEXT: Final = 4296
"""Characters: the most that one QR code holds in alphanumeric mode (ISO/IEC 18004)."""

MAX_DOCUMENT: Final = 1 << 16
"""Bytes after decompression; national certificates have 300 to 900."""

MAX_ISSUER: Final = 200
"""Characters of the claim `iss`; the specification has a country code there, some states a name."""

MAX_TIME: Final = 253_402_300_799
"""Unix seconds at the end of the year 9999."""


class _Tag(IntEnum):
    """CBOR tags around a document."""

    COSE_SIGN1 = 18
    CWT = 61


class _Header(IntEnum):
    """COSE header parameters (RFC 8152 table 2)."""

    ALGORITHM = 1
    CRITICAL = 2
    KEY_ID = 4


class _Claim(IntEnum):
    """CWT claims (RFC 8392 section 4; -260 from the hcert specification)."""

    ISSUER = 1
    EXPIRES = 4
    NOT_BEFORE = 5
    ISSUED = 6
    HEALTH = -260


_EU_DCC: Final = 1
"""The kind of health certificate under claim -260."""


class Algorithm(IntEnum):
    """COSE signature algorithms of health certificates."""

    ES256 = -7
    PS256 = -37


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SignedDocument(Private):
    """A COSE_Sign1 taken apart, nothing verified yet."""

    algorithm: Algorithm
    kid: bytes
    to_be_signed: bytes
    """The Sig_structure of RFC 8152 section 4.4: protected header and payload."""
    payload: bytes
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Claims(Private):
    """The claims of a CWT; the times are whole Unix seconds, both ends included."""

    issuer: str
    """Claim `iss` as it stands, empty if absent."""
    issued_at: int
    expires_at: int
    health: Item
    """The payload, not yet looked at."""


_VERIFIED: Final = object()
"""Known to `verify` alone, by which it alone makes a `VerifiedDcc`."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class VerifiedDcc(Private):
    """A certificate that passed every step of `verify`; made by nothing else.

    Verified as of the `now` it was verified at: the type says who signed what,
    not that the document has not expired since.
    """

    issuer_country: str
    """Claim `iss` if it is a country code, otherwise the country of the entry."""
    issuer: str
    issued_at: int
    """Unix seconds."""
    expires_at: int
    """Unix seconds; still valid in this second."""
    holder: Person
    entry: Entry
    digest: bytes
    """SHA-256 of what was signed (the Sig_structure).

    Not of the QR text: that can be changed without losing the signature (other
    compression, unprotected header, the other s of ECDSA), and one document
    would count as many.
    """
    claims: bytes
    """The signed CWT claims, CBOR as received; `payload` reads them again."""
    kid: bytes
    test_only: bool
    """Whether a test anchor vouches for it."""
    token: InitVar[object]

    def __post_init__(self, token: object) -> None:
        """Refuse construction elsewhere with `CallerError(STATE)`."""
        if token is not _VERIFIED:
            raise CallerError(Reason.STATE, "only verification makes a verified certificate")

    @property
    def kind(self) -> EvidenceKind:
        """What the entry proves."""
        return self.entry.kind

    def payload(self) -> Mapping[Key, Item]:
        """A fresh copy of the whole payload, for rules that look at raw members."""
        health = read_claims(self.claims).health
        if not isinstance(health, dict):
            raise CallerError(Reason.STATE, "the payload was verified to be a map")
        return health


def verify(text: str, anchors: TrustAnchors, *, now: int) -> VerifiedDcc:
    """Read and verify the text of a QR code as of `now`, Unix seconds (GS-EVID-7).

    Raises `PeerError` with the reason of the first step that fails:

    1. The text begins with `HC1:` (DCC_PREFIX).
    2. The rest is Base45 (BASE45, TOO_LONG).
    3. That is one zlib stream of bounded size (DCC_COMPRESSION).
    4. That is a COSE_Sign1 with a known algorithm and a key identifier (DCC_COSE).
    5. The identifier names trust anchors (DCC_SIGNER).
    6. The signature is that of one of them (DCC_SIGNATURE).
    7. The signed bytes are CWT claims of a health certificate (DCC_COSE, DCC_VALIDITY).
    8. `now` lies within the document's validity (DCC_VALIDITY) and the signer's (DCC_SIGNER).
    9. The payload is one person with one entry (DCC_PAYLOAD).
    10. The signer may sign this kind of entry (DCC_SIGNER).
    """
    if type(now) is not int or not 0 <= now <= MAX_TIME:
        raise CallerError(Reason.ARGUMENT, "now is a whole number of Unix seconds")
    # 1.
    encoded = strip_prefix(text)
    # 2.
    compressed = base45.decode(encoded, max_length=MAX_TEXT)
    # 3.
    data = decompress(compressed)
    # 4.
    document = open_document(data)
    # 5.
    candidates = find_signers(document, anchors)
    # 6.
    signer = check_signature(document, candidates)
    # 7.
    claims = read_claims(document.payload)
    # 8.
    check_validity(claims, now=now)
    check_signer_validity(signer, now=now)
    # 9.
    holder, entry = read_payload(claims.health)
    # 10.
    check_signer_kind(signer, entry.kind)
    return VerifiedDcc(
        issuer_country=claims.issuer if claims.issuer in COUNTRIES else entry.co,
        issuer=claims.issuer,
        issued_at=claims.issued_at,
        expires_at=claims.expires_at,
        holder=holder,
        entry=entry,
        digest=hashlib.sha256(document.to_be_signed).digest(),
        claims=document.payload,
        kid=signer.kid,
        test_only=signer.test_only,
        token=_VERIFIED,
    )


def strip_prefix(text: str) -> str:
    """Step 1: the text without its context identifier."""
    if not text.startswith(PREFIX):
        refuse(Reason.DCC_PREFIX)
    return text[len(PREFIX) :]


def decompress(data: bytes) -> bytes:
    """Step 3: the content of one complete zlib stream of at most `MAX_DOCUMENT` bytes.

    Output is cut off at the bound while it is being produced, so a stream that
    would expand to gigabytes costs no more than a good one.
    """
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(data, MAX_DOCUMENT)
    except zlib.error:
        content = None
    if content is None:
        refuse(Reason.DCC_COMPRESSION, "not a zlib stream")
    if not stream.eof:
        refuse(Reason.DCC_COMPRESSION, "a zlib stream cut off or too large")
    if stream.unused_data:
        refuse(Reason.DCC_COMPRESSION, "bytes after the zlib stream")
    return content


def open_document(data: bytes) -> SignedDocument:
    """Step 4: take a COSE_Sign1 apart, with its tag, without, or inside a CWT tag.

    Algorithm and key identifier count from the protected header, and from the
    unprotected one only where the protected one is silent. Neither is secret or
    trusted: the key decides which algorithm it verifies (step 6).
    """
    item = foreign_cbor.read(data)
    for tag in (_Tag.CWT, _Tag.COSE_SIGN1):
        if isinstance(item, Tagged) and item.tag == tag:
            item = item.value
    match item:
        case [
            bytes() as protected,
            dict() as unprotected,
            bytes() as payload,
            bytes() as signature,
        ]:
            pass
        case _:
            _refuse_cose("not a COSE_Sign1")
    header = foreign_cbor.read(protected) if protected else {}
    if not isinstance(header, dict):
        _refuse_cose("a protected header that is not a map")
    if _Header.CRITICAL in header:
        _refuse_cose("a critical header parameter that is not understood")
    algorithm = header.get(_Header.ALGORITHM, unprotected.get(_Header.ALGORITHM))
    kid = header.get(_Header.KEY_ID, unprotected.get(_Header.KEY_ID))
    if not isinstance(algorithm, int) or algorithm not in list(Algorithm):
        _refuse_cose("an unknown algorithm")
    if not isinstance(kid, bytes):
        _refuse_cose("no key identifier")
    # An empty protected header is signed as no bytes, however it was sent (RFC 8152 section 4.4).
    signed_header = protected if header else b""
    return SignedDocument(
        algorithm=Algorithm(algorithm),
        kid=kid,
        to_be_signed=cbor.encode(["Signature1", signed_header, b"", payload]),
        payload=payload,
        signature=signature,
    )


def find_signers(document: SignedDocument, anchors: TrustAnchors) -> tuple[TrustAnchor, ...]:
    """Step 5: the anchors named by the key identifier, at least one."""
    candidates = anchors.find(document.kid)
    if not candidates:
        refuse(Reason.DCC_SIGNER, "a signer outside the trust list")
    return candidates


def check_signature(document: SignedDocument, candidates: tuple[TrustAnchor, ...]) -> TrustAnchor:
    """Step 6: the first candidate whose key verifies the signature."""
    for anchor in candidates:
        if _verifies(document, anchor):
            return anchor
    raise PeerError(Reason.DCC_SIGNATURE)


def read_claims(data: bytes) -> Claims:
    """Step 7: the CWT claims of an EU DCC, with both of its times.

    A NumericDate may be a fraction: it is cut to whole seconds, as a clock that
    counts them cuts the present. `nbf` is not used by the specification; where
    it stands it moves the beginning, as RFC 8392 demands.
    """
    claims = foreign_cbor.read(data)
    if not isinstance(claims, dict):
        _refuse_cose("claims that are not a map")
    issuer = claims.get(_Claim.ISSUER, "")
    if not isinstance(issuer, str) or len(issuer) > MAX_ISSUER:
        _refuse_cose("an issuer that is not a text, or too long")
    kinds = claims.get(_Claim.HEALTH)
    if not isinstance(kinds, dict) or _EU_DCC not in kinds:
        _refuse_cose("no health certificate inside")
    begins = [_Claim.ISSUED, *([_Claim.NOT_BEFORE] if _Claim.NOT_BEFORE in claims else [])]
    return Claims(
        issuer=issuer,
        issued_at=max(_numeric_date(claims, claim) for claim in begins),
        expires_at=_numeric_date(claims, _Claim.EXPIRES),
        health=kinds[_EU_DCC],
    )


def check_validity(claims: Claims, *, now: int) -> None:
    """Step 8, document: from the second it was issued to the second it expires, included.

    RFC 8392 would already refuse at `exp`; the hcert specification (3.3.4, "after
    which") and the states' test data, with their clocks on exactly `exp`, do not.
    """
    if not claims.issued_at <= now <= claims.expires_at:
        refuse(Reason.DCC_VALIDITY, "not yet valid, or expired")


def check_signer_validity(signer: TrustAnchor, *, now: int) -> None:
    """Step 8, signer: its certificate is valid at `now`.

    Whether it already was when the document was issued is the issuers' duty
    (hcert specification, `iat`), which some neglect; it protects nothing here,
    because a signer with a stolen key chooses `iat`.
    """
    if not signer.not_before <= now <= signer.not_after:
        refuse(Reason.DCC_SIGNER, "the signer's certificate is not valid now")


def check_signer_kind(signer: TrustAnchor, kind: EvidenceKind) -> None:
    """Step 10: a signer limited to, say, tests vouches for nothing else."""
    if kind not in signer.kinds:
        refuse(Reason.DCC_SIGNER, "a signer that may not sign this kind of entry")


def _verifies(document: SignedDocument, anchor: TrustAnchor) -> bool:
    match document.algorithm, anchor.public_key:
        case Algorithm.ES256, ec.EllipticCurvePublicKey() as key:
            # COSE has r and s at full width, one after the other (RFC 8152 section 8.1).
            width = (key.key_size + 7) // 8
            if len(document.signature) != 2 * width:
                return False
            r, s = (
                int.from_bytes(half, "big")
                for half in (document.signature[:width], document.signature[width:])
            )
            try:
                key.verify(
                    encode_dss_signature(r, s), document.to_be_signed, ec.ECDSA(hashes.SHA256())
                )
            except InvalidSignature:
                return False
            return True
        case Algorithm.PS256, rsa.RSAPublicKey() as key:
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256.digest_size)
            try:
                key.verify(document.signature, document.to_be_signed, pss, hashes.SHA256())
            except InvalidSignature:
                return False
            return True
    return False


def _numeric_date(claims: Mapping[Key, Item], claim: _Claim) -> int:
    value = claims.get(claim)
    # A NaN compares false and is refused with the rest.
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MAX_TIME:
        return math.floor(value)
    raise PeerError(Reason.DCC_VALIDITY, "a time that is missing or not a number")


def _refuse_cose(hint: str) -> NoReturn:
    refuse(Reason.DCC_COSE, hint)
