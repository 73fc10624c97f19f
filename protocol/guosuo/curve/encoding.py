"""Octets of points, judged before any engine sees them.

The ZCash format for BLS12-381 (draft-irtf-cfrg-pairing-friendly-curves, Appendix
C): the three highest bits of the first octet say *compressed*, *infinity* and
*larger y*; coordinates are big-endian, and of Fp2 the coefficient of the
imaginary unit comes first. Of everything an octet string can be, exactly one
encodes a given point here (GS-CURVE-1). Engines differ in what they forgive (the decoder of
`py_arkworks_bls12381` 0.5.0 accepts eight malformed encodings), so form is
judged once, in this module, and an engine is only asked about the curve.

Integers here are field elements as `(c0,)` in G1 and `(c0, c1)` in G2.
"""

from __future__ import annotations

from typing import Final, NoReturn

from guosuo.errors import CallerError, PeerError, Reason, refuse

MODULUS: Final = int(
    "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf"
    "6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab",
    16,
)
"""p, the prime of the base field (381 bits); p ≡ 3 (mod 4)."""

FIELD_SIZE: Final = 48
"""Bytes of one element of Fp."""
G1_SIZE: Final = FIELD_SIZE
G2_SIZE: Final = 2 * FIELD_SIZE

_COMPRESSED: Final = 0x80
_INFINITY: Final = 0x40
_LARGER_Y: Final = 0x20
_FLAGS: Final = _COMPRESSED | _INFINITY | _LARGER_Y
_B: Final = {1: (4,), 2: (4, 4)}
"""Constant term of y² = x³ + b over Fp, and over Fp2 of the twist."""

Element = tuple[int, ...]
"""An element of Fp (one integer) or of Fp2 (two: real part, imaginary part)."""


def check_compressed(data: bytes, size: int, *, allow_identity: bool) -> bool:
    """Judge the form of a compressed point of `size` octets (48 in G1, 96 in G2).

    Says True for the identity, False for octets that may be another point: the
    length is right, the flags are possible, every coordinate is below p. Whether
    x belongs to a point of the subgroup is for the engine to say.

    Raises `PeerError`: POINT_ENCODING for anything malformed, POINT_IDENTITY for
    the identity unless it is allowed.
    """
    _check_size(data, size)
    if not data[0] & _COMPRESSED:
        refuse(Reason.POINT_ENCODING, "a compressed point is expected")
    if data[0] & _INFINITY:
        return _check_infinity(data, _COMPRESSED | _INFINITY, allow_identity=allow_identity)
    _element(_unflagged(data))
    return False


def compress(data: bytes, size: int) -> bytes:
    """Turn an uncompressed affine point into its compressed octets of `size`.

    `data` is x and y, so 96 octets in G1 and 192 in G2. The result is on the
    curve but may lie outside the subgroup; the identity gives the identity.

    Raises `PeerError`: POINT_ENCODING for anything malformed (a larger-y flag
    included: only compressed points carry it), POINT_NOT_ON_CURVE.
    """
    _check_size(data, 2 * size)
    if data[0] & _INFINITY:
        _check_infinity(data, _INFINITY, allow_identity=True)
        return _flagged(bytes(size), _COMPRESSED | _INFINITY)
    if data[0] & _FLAGS:
        refuse(Reason.POINT_ENCODING, "an uncompressed point is expected")
    x, y = _element(data[:size]), _element(data[size:])
    if _multiply(y, y) != _right_side(x):
        refuse(Reason.POINT_NOT_ON_CURVE)
    return _flagged(data[:size], _COMPRESSED | (_LARGER_Y if _is_larger(y) else 0))


def decompress(data: bytes) -> bytes:
    """Turn compressed octets of a point we computed into uncompressed affine ones.

    The inverse of `compress`; 48 octets give 96, and 96 give 192. For octets of
    an engine's own making: `CallerError` if no point of the curve has that x.
    """
    size = len(data)
    if check_compressed(data, size, allow_identity=True):
        return _flagged(bytes(2 * size), _INFINITY)
    octets = _unflagged(data)
    y = _square_root(_right_side(_element(octets)))
    if y is None:
        raise CallerError(Reason.ARGUMENT, "not the octets of a point")
    if _is_larger(y) != bool(data[0] & _LARGER_Y):
        y = _negate(y)
    return octets + _octets(y)


def refuse_point(data: bytes) -> NoReturn:
    """Refuse well-formed compressed octets that an engine found to be no point.

    Raises `PeerError`, POINT_NOT_ON_CURVE or POINT_NOT_IN_SUBGROUP, decided here
    from x alone so that the reason never depends on the engine (GS-CURVE-5).
    """
    on_curve = _is_square(_right_side(_element(_unflagged(data))))
    raise PeerError(Reason.POINT_NOT_IN_SUBGROUP if on_curve else Reason.POINT_NOT_ON_CURVE)


def _check_size(data: bytes, size: int) -> None:
    if len(data) != size:
        refuse(Reason.POINT_ENCODING, "wrong number of octets")


def _check_infinity(data: bytes, flags: int, *, allow_identity: bool) -> bool:
    if data[0] != flags or any(data[1:]):
        refuse(Reason.POINT_ENCODING, "infinity is written in one way only")
    if not allow_identity:
        refuse(Reason.POINT_IDENTITY)
    return True


def _flagged(octets: bytes, flags: int) -> bytes:
    return bytes([octets[0] | flags]) + octets[1:]


def _unflagged(data: bytes) -> bytes:
    return bytes([data[0] & ~_FLAGS]) + data[1:]


def _element(octets: bytes) -> Element:
    """One field element, whose highest coefficient is written first, each below p."""
    found = [
        int.from_bytes(octets[at : at + FIELD_SIZE], "big")
        for at in range(0, len(octets), FIELD_SIZE)
    ]
    if any(c >= MODULUS for c in found):
        refuse(Reason.POINT_ENCODING, "a coordinate is not below p")
    return tuple(reversed(found))


def _octets(a: Element) -> bytes:
    return b"".join(c.to_bytes(FIELD_SIZE, "big") for c in reversed(a))


def _is_larger(y: Element) -> bool:
    """True if y > −y, comparing the highest coefficient first."""
    return y[::-1] > _negate(y)[::-1]


def _negate(a: Element) -> Element:
    return tuple(-c % MODULUS for c in a)


def _multiply(a: Element, b: Element) -> Element:
    if len(a) == 1:
        return (a[0] * b[0] % MODULUS,)
    return (
        (a[0] * b[0] - a[1] * b[1]) % MODULUS,
        (a[0] * b[1] + a[1] * b[0]) % MODULUS,
    )


def _right_side(x: Element) -> Element:
    """x³ + b."""
    cube = _multiply(_multiply(x, x), x)
    return tuple((c + b) % MODULUS for c, b in zip(cube, _B[len(x)], strict=True))


def _is_square(a: Element) -> bool:
    """Euler's criterion; an element of Fp2 is a square if its norm is one in Fp."""
    norm = a[0] if len(a) == 1 else sum(c * c for c in a)
    return pow(norm, (MODULUS - 1) // 2, MODULUS) in (0, 1)


def _square_root_fp(a: int) -> int | None:
    root = pow(a, (MODULUS + 1) // 4, MODULUS)
    return root if root * root % MODULUS == a % MODULUS else None


def _square_root(a: Element) -> Element | None:
    """A square root, or None; in Fp2 by the complex method.

    With n² = a0² + a1²: one of (a0 ± n)/2 is the square of the root's real part.
    Source: Adj and Rodríguez-Henríquez, "Square root computation over even
    extension fields", algorithm 8.
    """
    if len(a) == 1:
        root = _square_root_fp(a[0])
        return None if root is None else (root,)
    n = _square_root_fp(a[0] * a[0] + a[1] * a[1])
    if n is None:
        return None
    half = (MODULUS + 1) // 2
    for half_sum in ((a[0] + n) * half % MODULUS, (a[0] - n) * half % MODULUS):
        real = _square_root_fp(half_sum)
        if real:
            return real, a[1] * pow(2 * real, -1, MODULUS) % MODULUS
    # Only a = −c² is left, whose root is purely imaginary.
    imaginary = _square_root_fp(-a[0] % MODULUS)
    return None if imaginary is None else (0, imaginary)
