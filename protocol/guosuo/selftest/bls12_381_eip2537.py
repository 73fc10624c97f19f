"""Vectors of EIP-2537: group operations, pairing check and map to curve.

Coordinates stand in 64 octets each, the real part of Fp2 first, infinity as
zeros; scalars in 32 octets, any value. `Gas` is about a virtual machine and is
not looked at.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from guosuo.curve.encoding import FIELD_SIZE, MODULUS
from guosuo.curve.hashing import map_to_curve_g1, map_to_curve_g2
from guosuo.curve.points import G1, G2, Engine
from guosuo.curve.scalar import SCALAR_SIZE, Scalar
from guosuo.errors import PeerError, Reason, refuse
from guosuo.selftest import affine
from guosuo.selftest.affine import Affine
from guosuo.selftest.kinds import (
    Case,
    Kind,
    Run,
    Shape,
    listed,
    mismatch,
    must_be_refused,
    same,
)
from guosuo.selftest.reading import Document, Fields, NotRecognisedError, objects
from guosuo.selftest.report import Family

_FIELD: Final = 64
_G1: Final = 2 * _FIELD
_G2: Final = 4 * _FIELD

_REASONS: Final = {
    "length": Reason.POINT_ENCODING,
    "encoding": Reason.POINT_ENCODING,
    "top bytes": Reason.POINT_ENCODING,
    "on curve": Reason.POINT_NOT_ON_CURVE,
    "subgroup": Reason.POINT_NOT_IN_SUBGROUP,
}
"""What the words of `ExpectedError` mean here; other words accept any refusal."""


class _Reader:
    """Reads an input of one or several items, refusing what the EIP refuses."""

    def __init__(self, engine: Engine, data: bytes, item: int, *, several: bool = False) -> None:
        self.engine = engine
        self.rest = data
        self.items, more = divmod(len(data), item)
        if more or not self.items or (self.items > 1 and not several):
            refuse(Reason.POINT_ENCODING)

    def take(self, size: int) -> bytes:
        """The next octets."""
        taken, self.rest = self.rest[:size], self.rest[size:]
        return taken

    def coordinate(self) -> bytes:
        """48 octets out of 64; the others are zeros."""
        data = self.take(_FIELD)
        if any(data[: _FIELD - FIELD_SIZE]):
            refuse(Reason.POINT_ENCODING)
        return data[_FIELD - FIELD_SIZE :]

    def integer(self) -> int:
        """A coefficient of a field element."""
        value = int.from_bytes(self.coordinate(), "big")
        if value >= MODULUS:
            refuse(Reason.POINT_ENCODING)
        return value

    def g1(self) -> G1:
        """A point of G1, strictly."""
        data = self.coordinate() + self.coordinate()
        data = data if any(data) else b"\x40" + data[1:]
        return self.engine.decode_g1_uncompressed(data, allow_identity=True)

    def g2(self) -> G2:
        """A point of G2, strictly."""
        x0, x1, y0, y1 = (self.coordinate() for _ in range(4))
        data = x1 + x0 + y1 + y0
        data = data if any(data) else b"\x40" + data[1:]
        return self.engine.decode_g2_uncompressed(data, allow_identity=True)

    def scalar(self) -> Scalar:
        """A scalar, modulo r."""
        return Scalar(int.from_bytes(self.take(SCALAR_SIZE), "big"))

    def affine(self, degree: int) -> Affine:
        """A point of the whole curve."""
        c = [self.integer() for _ in range(2 * degree)]
        point = (tuple(c[:degree]), tuple(c[degree:]))
        if not any(c):
            return None
        if not affine.is_on_curve(point):
            refuse(Reason.POINT_NOT_ON_CURVE)
        return point


def _written(point: G1 | G2) -> bytes:
    data = point.encode_uncompressed()
    if point.is_identity():
        data = bytes(len(data))
    parts = [data[at : at + FIELD_SIZE] for at in range(0, len(data), FIELD_SIZE)]
    if isinstance(point, G2):
        parts = [parts[1], parts[0], parts[3], parts[2]]
    return b"".join(part.rjust(_FIELD, b"\0") for part in parts)


def _add_g1(engine: Engine, data: bytes) -> bytes:
    reader = _Reader(engine, data, 2 * _G1)
    return _written(reader.g1() + reader.g1())


def _add_g2(engine: Engine, data: bytes) -> bytes:
    reader = _Reader(engine, data, 2 * _G2)
    return _written(reader.g2() + reader.g2())


def _mul_g1(engine: Engine, data: bytes) -> bytes:
    reader = _Reader(engine, data, _G1 + SCALAR_SIZE)
    return _written(reader.g1() * reader.scalar())


def _mul_g2(engine: Engine, data: bytes) -> bytes:
    reader = _Reader(engine, data, _G2 + SCALAR_SIZE)
    return _written(reader.g2() * reader.scalar())


def _msm_g1(engine: Engine, data: bytes) -> bytes:
    reader = _Reader(engine, data, _G1 + SCALAR_SIZE, several=True)
    terms = [(reader.g1(), reader.scalar()) for _ in range(reader.items)]
    return _written(engine.sum_of_products_g1([p for p, _ in terms], [k for _, k in terms]))


def _msm_g2(engine: Engine, data: bytes) -> bytes:
    reader = _Reader(engine, data, _G2 + SCALAR_SIZE, several=True)
    terms = [(reader.g2(), reader.scalar()) for _ in range(reader.items)]
    return _written(engine.sum_of_products_g2([p for p, _ in terms], [k for _, k in terms]))


def _pairing(engine: Engine, data: bytes) -> bytes:
    reader = _Reader(engine, data, _G1 + _G2, several=True)
    pairs = [(reader.g1(), reader.g2()) for _ in range(reader.items)]
    return int(engine.pairing_product_is_one(pairs)).to_bytes(32, "big")


def _map_g1(engine: Engine, data: bytes) -> bytes:
    return _written(map_to_curve_g1(engine, _Reader(engine, data, _FIELD).integer()))


def _map_g2(engine: Engine, data: bytes) -> bytes:
    reader = _Reader(engine, data, 2 * _FIELD)
    return _written(map_to_curve_g2(engine, reader.integer(), reader.integer()))


@dataclass(frozen=True, slots=True)
class _Operation:
    """One precompile: names it goes by, octets of one item of its input, the function."""

    names: re.Pattern[str]
    item: int
    run: Callable[[Engine, bytes], bytes]
    adds_in_degree: int = 0
    """1 or 2 for the additions, which the EIP does on the whole curve."""


_OPERATIONS: Final = (
    _Operation(re.compile(r"pairing"), _G1 + _G2, _pairing),
    _Operation(re.compile(r"map_?g1|g1_?map|map_fp_to_g1"), _FIELD, _map_g1),
    _Operation(re.compile(r"map_?g2|g2_?map|map_fp2_to_g2"), 2 * _FIELD, _map_g2),
    _Operation(re.compile(r"g1_?(msm|multiexp)|(msm|multiexp)_?g1"), _G1 + SCALAR_SIZE, _msm_g1),
    _Operation(re.compile(r"g2_?(msm|multiexp)|(msm|multiexp)_?g2"), _G2 + SCALAR_SIZE, _msm_g2),
    _Operation(re.compile(r"g1_?mul|mul_?g1"), _G1 + SCALAR_SIZE, _mul_g1),
    _Operation(re.compile(r"g2_?mul|mul_?g2"), _G2 + SCALAR_SIZE, _mul_g2),
    _Operation(re.compile(r"g1_?add|add_?g1"), 2 * _G1, _add_g1, adds_in_degree=1),
    _Operation(re.compile(r"g2_?add|add_?g2"), 2 * _G2, _add_g2, adds_in_degree=2),
)


def _named_by(name: str) -> list[_Operation]:
    """The operation that a name speaks of, if any."""
    return [op for op in _OPERATIONS if op.names.search(name.lower())][:1]


def _usual(names: list[str]) -> list[_Operation]:
    """The operation that most cases of a file are called by."""
    counter = Counter(op for name in names for op in _named_by(name))
    return [op for op, _ in counter.most_common(1)]


def _meant(candidates: list[_Operation], data: bytes) -> _Operation | None:
    """The first candidate whose input `data` can be by its length, else the first.

    The published case `bls_pairing_g2_not_in_correct_subgroup` is no pairing.
    """
    fitting = (op for op in candidates if data and not len(data) % op.item)
    return next(fitting, candidates[0] if candidates else None)


def _sum_on_whole_curve(degree: int, data: bytes, expected: bytes, engine: Engine) -> None:
    """An addition of points of which one is outside the subgroup.

    EIP-2537 adds on the whole curve; here every point is in the subgroup by its
    type, and the operand was refused. That has to be right, and the vector too.
    """
    reader = _Reader(engine, data, len(data))
    a, b = reader.affine(degree), reader.affine(degree)
    if affine.is_in_subgroup(a) and affine.is_in_subgroup(b):
        mismatch("points of the subgroup to be added", "a refusal")
    total = affine.add(a, b)
    zeros = ((0,) * degree, (0,) * degree)
    octets = b"".join(c.to_bytes(_FIELD, "big") for xy in (total or zeros) for c in xy)
    same(expected, octets, "sum on the whole curve:")


def _check_result(engine: Engine, operation: _Operation, data: bytes, expected: bytes) -> None:
    try:
        found = operation.run(engine, data)
    except PeerError as error:
        if not operation.adds_in_degree or error.reason is not Reason.POINT_NOT_IN_SUBGROUP:
            raise
    else:
        same(expected, found)
        return
    _sum_on_whole_curve(operation.adds_in_degree, data, expected, engine)


def _check_error(engine: Engine, operation: _Operation, data: bytes, words: str) -> None:
    reasons = [reason for part, reason in _REASONS.items() if part in words.lower()]
    must_be_refused(partial(operation.run, engine, data), reasons)


def _check(item: Fields, run: Run, name: str, others: list[_Operation]) -> None:
    data = item.octets("Input")
    operation = _meant([*_named_by(name), *others], data)
    if operation is None:
        raise NotRecognisedError("an EIP-2537 case that names no operation")
    if "ExpectedError" in item:
        _check_error(run.engine, operation, data, item.text("ExpectedError"))
    else:
        _check_result(run.engine, operation, data, item.octets("Expected"))


def _cases(document: Document, run: Run, path: str) -> Iterator[Case]:
    items = objects(document)
    names = [item.text("Name") for item in items]
    others = [*_usual(names), *_named_by(path.rsplit("/", 1)[-1])]
    for item, name in zip(items, names, strict=True):
        yield Case(name, partial(_check, item, run, name, others))


def _fits(document: Document) -> int | None:
    found = [
        listed("Input", "Name", third).fits(document) for third in ("Expected", "ExpectedError")
    ]
    return min((missing for missing in found if missing is not None), default=None)


KINDS = (Kind(Family.BLS12_381, "EIP-2537", Shape(_fits, 3), _cases),)
