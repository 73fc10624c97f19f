"""Σ k_i·P_i over any group that can only add and negate.

For engines without a multi-scalar multiplication of their own. `add` must be
complete (equal, opposite and neutral operands). Time depends on the scalars.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

N = TypeVar("N")
"""A native point of some engine."""

BUCKETS_FROM: Final = 192
"""Number of points from which buckets were measured to be faster (pyblst, py_ecc)."""

_WIDTH: Final = 5
"""Bits of an interleaved window: 8 odd multiples a point, one addition in 6 bits."""


def sum_of_products(
    points: Sequence[N],
    scalars: Sequence[int],
    identity: N,
    add: Callable[[N, N], N],
    neg: Callable[[N], N],
) -> N:
    """Σ scalars[i]·points[i] for as many scalars ≥ 0 as points."""
    method = interleaved if len(points) < BUCKETS_FROM else buckets
    return method(points, scalars, identity, add, neg)


def interleaved(
    points: Sequence[N],
    scalars: Sequence[int],
    identity: N,
    add: Callable[[N, N], N],
    neg: Callable[[N], N],
) -> N:
    """For few points: shared doublings, and about 50 additions a point of 255 bits.

    Source: Möller, "Algorithms for Multi-exponentiation", SAC 2001 (interleaving,
    with the width-5 non-adjacent form).
    """
    columns: list[list[N]] = []
    for point, scalar in zip(points, scalars, strict=True):
        digits = _sparse_digits(scalar)
        if not digits:
            continue
        columns.extend([] for _ in range(digits[-1][0] + 1 - len(columns)))
        multiples = _odd_multiples(point, add)
        for position, digit in digits:
            multiple = multiples[abs(digit) >> 1]
            columns[position].append(multiple if digit > 0 else neg(multiple))
    total = identity
    for column in reversed(columns):
        total = add(total, total)
        for multiple in column:
            total = add(total, multiple)
    return total


def buckets(
    points: Sequence[N],
    scalars: Sequence[int],
    identity: N,
    add: Callable[[N, N], N],
    neg: Callable[[N], N],
) -> N:
    """For many points: with windows of c bits, 255/c·(n + 2^c) additions.

    Source: Pippenger's bucket method with signed digits, as in Bernstein,
    Doumen, Lange, Oosterwijk, "Faster batch forgery identification", section 4.
    """
    width = max(2, len(points).bit_length() - 3)
    rows = [_dense_digits(k, width) for k in scalars]
    total = identity
    for position in reversed(range(max(map(len, rows), default=0))):
        sums = [identity] * ((1 << (width - 1)) + 1)
        for point, row in zip(points, rows, strict=True):
            digit = row[position] if position < len(row) else 0
            if digit > 0:
                sums[digit] = add(sums[digit], point)
            elif digit < 0:
                sums[-digit] = add(sums[-digit], neg(point))
        for _ in range(width):
            total = add(total, total)
        total = add(total, _weighted(sums, identity, add))
    return total


def _weighted(sums: Sequence[N], identity: N, add: Callable[[N, N], N]) -> N:
    """Σ d·sums[d] over d ≥ 1, by adding up running totals from the top."""
    running = total = identity
    for bucket in reversed(sums[1:]):
        running = add(running, bucket)
        total = add(total, running)
    return total


def _odd_multiples(point: N, add: Callable[[N, N], N]) -> list[N]:
    """P, 3P, 5P, … up to (2^(width−1) − 1)·P."""
    double = add(point, point)
    found = [point]
    for _ in range((1 << (_WIDTH - 2)) - 1):
        found.append(add(found[-1], double))
    return found


def _sparse_digits(k: int) -> list[tuple[int, int]]:
    """Width-5 non-adjacent form of k ≥ 0: (position, odd digit), Σ digit·2^position."""
    found = []
    position = 0
    while k:
        zeros = (k & -k).bit_length() - 1
        k >>= zeros
        position += zeros
        digit = _signed(k, _WIDTH)
        found.append((position, digit))
        k -= digit
    return found


def _dense_digits(k: int, width: int) -> list[int]:
    """Signed digits of k ≥ 0, lowest first: Σ digit_i·2^(width·i), |digit| ≤ 2^(width−1)."""
    found = []
    while k:
        digit = _signed(k, width)
        found.append(digit)
        k = (k - digit) >> width
    return found


def _signed(k: int, width: int) -> int:
    """Residue of k modulo 2^width, from the interval [−2^(width−1), 2^(width−1))."""
    half = 1 << (width - 1)
    return ((k + half) & (2 * half - 1)) - half
