"""Hashing to octets, to field elements and to the curve (RFC 9380).

Sections 5.2 (hash_to_field), 5.3 (expand_message) and 3 (hash_to_curve,
encode_to_curve), for the BLS12-381 suites of section 8.8 and, with
XOF:SHAKE-256 in place of XMD:SHA-256, of the BBS draft's second ciphersuite.

All functions raise `CallerError` (ARGUMENT) for an empty domain separation tag,
which section 3.1 forbids, for a length that the expander cannot give, and for an
integer that is no field element.
"""

from __future__ import annotations

import hashlib
from enum import Enum, unique
from typing import Any, Final

from guosuo.curve.encoding import MODULUS
from guosuo.curve.points import G1, G2, Engine, RawGroup
from guosuo.errors import CallerError, Reason

SECURITY_LEVEL: Final = 128
"""k in bits, of every BLS12-381 suite."""

_LONGEST_TAG: Final = 255
_MOST_DIGESTS: Final = 255
_MOST_OCTETS: Final = 65_535
_OVERSIZE: Final = b"H2C-OVERSIZE-DST-"
_ELEMENT_OCTETS: Final = 64
"""L = ceil((ceil(log2 p) + k) / 8): what one coefficient is reduced from."""


def expand_message_xmd(
    message: bytes, dst: bytes, length: int, *, hash_name: str = "sha256"
) -> bytes:
    """Give `length` uniform octets by a Merkle–Damgård hash (RFC 9380, 5.3.1).

    `hash_name` is sha256, sha384 or sha512; at most 255 digests and 65,535
    octets. A longer `dst` than 255 octets is hashed (5.3.3).
    """
    if hash_name not in ("sha256", "sha384", "sha512"):
        raise CallerError(Reason.ARGUMENT, "sha256, sha384 or sha512")
    state = hashlib.new(hash_name)
    digest_size, block_size = state.digest_size, state.block_size
    count = -(-length // digest_size)
    if count > _MOST_DIGESTS:
        raise CallerError(Reason.ARGUMENT, "more octets than the hash can expand to")
    _check_length(length)
    _check_tag(dst)
    if len(dst) > _LONGEST_TAG:
        dst = hashlib.new(hash_name, _OVERSIZE + dst).digest()
    dst_prime = dst + bytes([len(dst)])
    b_0 = hashlib.new(
        hash_name, bytes(block_size) + message + length.to_bytes(2, "big") + b"\0" + dst_prime
    ).digest()
    b_i = bytes(digest_size)
    uniform = b""
    for i in range(1, count + 1):
        # b_1 = H(b_0 || 1 || DST_prime) fits the general rule with b_i = 0.
        mixed = bytes(x ^ y for x, y in zip(b_0, b_i, strict=True))
        b_i = hashlib.new(hash_name, mixed + bytes([i]) + dst_prime).digest()
        uniform += b_i
    return uniform[:length]


def expand_message_xof(
    message: bytes,
    dst: bytes,
    length: int,
    *,
    hash_name: str = "shake_256",
    security_level: int = SECURITY_LEVEL,
) -> bytes:
    """Give `length` uniform octets by an extendable hash (RFC 9380, 5.3.2).

    `hash_name` is shake_128 or shake_256; at most 65,535 octets. A longer `dst`
    than 255 octets is hashed to ceil(2k/8) octets (5.3.3), with k the
    `security_level` of the suite in bits: of the suite, not of the hash.
    """
    if hash_name not in ("shake_128", "shake_256"):
        raise CallerError(Reason.ARGUMENT, "shake_128 or shake_256")
    xof = hashlib.shake_128 if hash_name == "shake_128" else hashlib.shake_256
    _check_length(length)
    _check_tag(dst)
    if len(dst) > _LONGEST_TAG:
        dst = xof(_OVERSIZE + dst).digest(-(-2 * security_level // 8))
    return xof(message + length.to_bytes(2, "big") + dst + bytes([len(dst)])).digest(length)


@unique
class Expander(Enum):
    """The expand_message of a suite; the value is its name in suite identifiers."""

    XMD_SHA256 = "XMD:SHA-256"
    XOF_SHAKE256 = "XOF:SHAKE-256"

    def expand(self, message: bytes, dst: bytes, length: int) -> bytes:
        """Give `length` uniform octets, for the security level of BLS12-381."""
        if self is Expander.XMD_SHA256:
            return expand_message_xmd(message, dst, length)
        return expand_message_xof(message, dst, length)


def hash_to_field(
    expander: Expander, message: bytes, dst: bytes, *, count: int, degree: int
) -> list[tuple[int, ...]]:
    """Give `count` elements of Fp (degree 1) or Fp2 (degree 2) (RFC 9380, 5.2).

    Each is a tuple of `degree` integers below p, of Fp2 the real part first.
    """
    uniform = expander.expand(message, dst, count * degree * _ELEMENT_OCTETS)
    integers = [
        int.from_bytes(uniform[at : at + _ELEMENT_OCTETS], "big") % MODULUS
        for at in range(0, len(uniform), _ELEMENT_OCTETS)
    ]
    return [tuple(integers[at : at + degree]) for at in range(0, len(integers), degree)]


def hash_to_curve_g1(engine: Engine, expander: Expander, message: bytes, dst: bytes) -> G1:
    """Give a uniform point of G1 (suites `BLS12381G1_…_SSWU_RO_`)."""
    return G1(engine.raw1, _hash(engine.raw1, 1, expander, message, dst))


def hash_to_curve_g2(engine: Engine, expander: Expander, message: bytes, dst: bytes) -> G2:
    """Give a uniform point of G2 (suites `BLS12381G2_…_SSWU_RO_`)."""
    return G2(engine.raw2, _hash(engine.raw2, 2, expander, message, dst))


def encode_to_curve_g1(engine: Engine, expander: Expander, message: bytes, dst: bytes) -> G1:
    """Give a point of G1, not uniform (suites `BLS12381G1_…_SSWU_NU_`)."""
    (u,) = hash_to_field(expander, message, dst, count=1, degree=1)
    return map_to_curve_g1(engine, *u)


def encode_to_curve_g2(engine: Engine, expander: Expander, message: bytes, dst: bytes) -> G2:
    """Give a point of G2, not uniform (suites `BLS12381G2_…_SSWU_NU_`)."""
    (u,) = hash_to_field(expander, message, dst, count=1, degree=2)
    return map_to_curve_g2(engine, *u)


def map_to_curve_g1(engine: Engine, u: int) -> G1:
    """Map an element of Fp, 0 ≤ u < p, to G1, with the cofactor cleared."""
    _check_range(u)
    return G1(engine.raw1, engine.raw1.map_to_curve(u))


def map_to_curve_g2(engine: Engine, c0: int, c1: int) -> G2:
    """Map the element c0 + c1·i of Fp2 to G2, with the cofactor cleared."""
    _check_range(c0, c1)
    return G2(engine.raw2, engine.raw2.map_to_curve(c0, c1))


def _hash(group: RawGroup, degree: int, expander: Expander, message: bytes, dst: bytes) -> Any:
    _check_tag(dst)
    if expander is Expander.XMD_SHA256 and len(dst) <= _LONGEST_TAG:
        return group.hash_xmd_sha256(message, dst)
    # Clearing the cofactor is a homomorphism: the sum of two cleared points is
    # the cleared sum, and engines only show the map with the clearing.
    u0, u1 = hash_to_field(expander, message, dst, count=2, degree=degree)
    return group.add(group.map_to_curve(*u0), group.map_to_curve(*u1))


def _check_range(*u: int) -> None:
    if not all(0 <= c < MODULUS for c in u):
        raise CallerError(Reason.ARGUMENT, "an element of the field is not below p")


def _check_tag(dst: bytes) -> None:
    if not dst:
        raise CallerError(Reason.ARGUMENT, "a domain separation tag is not empty")


def _check_length(length: int) -> None:
    if not 0 < length <= _MOST_OCTETS:
        raise CallerError(Reason.ARGUMENT, "1 to 65,535 octets can be expanded to")
