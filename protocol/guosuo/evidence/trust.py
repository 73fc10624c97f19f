"""Trust anchors: the certificates whose signatures on health certificates count.

EU DCC signers are listed themselves (document signer certificates); there is no
chain to follow (hcert specification section 5). A certificate is found by its key
identifier, the first 8 bytes of the SHA-256 of its DER encoding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from guosuo.errors import CallerError, Reason
from guosuo.evidence.registry import EvidenceKind

KID_SIZE: Final = 8

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey

_CURVES: Final = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_RSA_BITS: Final = range(2048, 8192 + 1)

_KIND_PURPOSES: Final = {
    f"1.3.6.1.4.1.{arc}1847.2021.1.{last}": kind
    for arc in ("", "0.")
    for last, kind in (
        (1, EvidenceKind.TEST),
        (2, EvidenceKind.VACCINATION),
        (3, EvidenceKind.RECOVERY),
    )
}
"""Extended key usages that tie a signer to kinds of certificates.

The arc with the extra 0 was in early drafts and is in many real certificates.
"""


@dataclass(frozen=True, slots=True)
class TrustAnchor:
    """One signer's certificate and what follows from it.

    `test_only` marks a certificate whose private key is published or made for
    trials; whoever loads a list says so, nothing in a certificate tells.
    Raises `CallerError(ARGUMENT)` for bytes that are not one DER certificate and
    for keys that cannot sign health certificates (P-256, P-384, P-521, or RSA
    with 2048 to 8192 bits).
    """

    certificate: bytes = field(repr=False)
    test_only: bool = field(kw_only=True)
    kid: bytes = field(init=False)
    public_key: PublicKey = field(init=False, repr=False, compare=False)
    not_before: int = field(init=False)
    """Unix seconds; both ends belong to the validity."""
    not_after: int = field(init=False)
    kinds: frozenset[EvidenceKind] = field(init=False)
    """The kinds it may sign: all, unless its extended key usage names some."""

    def __post_init__(self) -> None:
        """Derive the other fields."""
        try:
            parsed = x509.load_der_x509_certificate(self.certificate)
            public_key = parsed.public_key()
            kinds = _kinds(parsed)
        except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension):
            raise CallerError(Reason.ARGUMENT, "not a DER certificate of a signer") from None
        match public_key:
            case ec.EllipticCurvePublicKey():
                usable = isinstance(public_key.curve, _CURVES)
            case rsa.RSAPublicKey():
                usable = public_key.key_size in _RSA_BITS
            case _:
                usable = False
        if not usable or not isinstance(public_key, PublicKey):
            raise CallerError(Reason.ARGUMENT, "a key that signs no health certificates")
        self._set("kid", hashlib.sha256(self.certificate).digest()[:KID_SIZE])
        self._set("public_key", public_key)
        self._set("not_before", int(parsed.not_valid_before_utc.timestamp()))
        self._set("not_after", int(parsed.not_valid_after_utc.timestamp()))
        self._set("kinds", kinds)

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)


class TrustAnchors:
    """A closed set of anchors, found by key identifier.

    Test anchors are refused with `CallerError(STATE)` unless `allow_test` is
    given: a production node that is handed a demo list does not start (GS-EVID-10).
    """

    __slots__ = ("_by_kid",)

    def __init__(self, anchors: Iterable[TrustAnchor], *, allow_test: bool = False) -> None:
        """Index the anchors; the same certificate twice counts once."""
        by_kid: dict[bytes, tuple[TrustAnchor, ...]] = {}
        for anchor in anchors:
            if anchor.test_only and not allow_test:
                raise CallerError(Reason.STATE, "test trust anchors are refused here")
            others = by_kid.get(anchor.kid, ())
            if anchor not in others:
                by_kid[anchor.kid] = (*others, anchor)
        self._by_kid = by_kid

    def find(self, kid: bytes) -> tuple[TrustAnchor, ...]:
        """All anchors with this identifier, usually one.

        64 bits may collide, so a verifier tries every one of them (hcert
        specification, key identifier).
        """
        return self._by_kid.get(kid, ())

    def __len__(self) -> int:
        return sum(map(len, self._by_kid.values()))


def _kinds(certificate: x509.Certificate) -> frozenset[EvidenceKind]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound:
        return frozenset(EvidenceKind)
    purposes = (purpose.dotted_string for purpose in extension.value)
    named = frozenset(_KIND_PURPOSES[name] for name in purposes if name in _KIND_PURPOSES)
    return named or frozenset(EvidenceKind)
