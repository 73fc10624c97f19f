"""Points of the whole curve, which the library's own points cannot be.

Published vectors have intermediate points that are in no subgroup. They are
checked here with textbook affine formulas, independent of every engine.
Coordinates are field elements as in `guosuo.curve.encoding`: `(c0,)` in G1's
curve, `(c0, c1)` in G2's; None is the point at infinity.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from guosuo.curve.encoding import FIELD_SIZE, MODULUS, Element
from guosuo.curve.products import sum_of_products
from guosuo.curve.scalar import ORDER

Affine: TypeAlias = "tuple[Element, Element] | None"

_COFACTOR: Final = {
    1: 0xD201000000010001,
    2: int(
        "bc69f08f2ee75b3584c6a0ea91b352888e2a8e9145ad7689"
        "986ff031508ffe1329c2f178731db956d82bf015d1212b02"
        "ec0ec69d7477c1ae954cbc06689f6a359894c0adebbf6b4e"
        "8020005aaa95551",
        16,
    ),
}
"""h_eff of both curves (RFC 9380, sections 8.8.1 and 8.8.2), by degree of the field."""


def is_on_curve(point: Affine) -> bool:
    """y² = x³ + 4, or x³ + 4(1 + i)."""
    if point is None:
        return True
    x, y = point
    cube = _multiply(_multiply(x, x), x)
    return _multiply(y, y) == tuple((c + 4) % MODULUS for c in cube)


def is_in_subgroup(point: Affine) -> bool:
    """r·P is infinity, for a point on the curve."""
    return multiply(point, ORDER) is None


def clear_cofactor(point: Affine) -> Affine:
    """h_eff·P."""
    return None if point is None else multiply(point, _COFACTOR[len(point[0])])


def multiply(point: Affine, k: int) -> Affine:
    """k·P for k ≥ 0."""
    return sum_of_products([point], [k], None, add, negate)


def negate(point: Affine) -> Affine:
    """−P."""
    return None if point is None else (point[0], _negate(point[1]))


def add(a: Affine, b: Affine) -> Affine:
    """a + b, whatever a and b are."""
    if a is None or b is None:
        return b if a is None else a
    (x1, y1), (x2, y2) = a, b
    if x1 != x2:
        slope = _divide(_subtract(y2, y1), _subtract(x2, x1))
    elif y1 == y2 and any(y1):
        square = _multiply(x1, x1)
        slope = _divide(tuple(3 * c for c in square), tuple(2 * c for c in y1))
    else:
        return None
    x3 = _subtract(_subtract(_multiply(slope, slope), x1), x2)
    return x3, _subtract(_multiply(slope, _subtract(x1, x3)), y1)


def uncompressed(point: Affine) -> bytes:
    """The affine octets of a point that is not infinity (see `guosuo.curve.encoding`)."""
    coordinates = point or ()
    return b"".join(c.to_bytes(FIELD_SIZE, "big") for xy in coordinates for c in reversed(xy))


def _subtract(a: Element, b: Element) -> Element:
    return tuple((x - y) % MODULUS for x, y in zip(a, b, strict=True))


def _negate(a: Element) -> Element:
    return tuple(-c % MODULUS for c in a)


def _multiply(a: Element, b: Element) -> Element:
    if len(a) == 1:
        return (a[0] * b[0] % MODULUS,)
    return (
        (a[0] * b[0] - a[1] * b[1]) % MODULUS,
        (a[0] * b[1] + a[1] * b[0]) % MODULUS,
    )


def _divide(a: Element, b: Element) -> Element:
    # 1/(b0 + b1·i) = (b0 − b1·i)/(b0² + b1²)
    inverse = pow(sum(c * c for c in b) if len(b) > 1 else b[0], -1, MODULUS)
    if len(b) == 1:
        return (a[0] * inverse % MODULUS,)
    return _multiply(a, (b[0] * inverse % MODULUS, -b[1] * inverse % MODULUS))
