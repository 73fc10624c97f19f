"""Hash-to-curve vectors in the form of RFC 9380's `poc/vectors`: `RO` and `NU` suites."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Final

from guosuo.curve.encoding import MODULUS, Element
from guosuo.curve.hashing import (
    Expander,
    encode_to_curve_g1,
    encode_to_curve_g2,
    hash_to_curve_g1,
    hash_to_curve_g2,
    hash_to_field,
    map_to_curve_g1,
    map_to_curve_g2,
)
from guosuo.curve.points import G1, G2
from guosuo.selftest import affine
from guosuo.selftest.affine import Affine
from guosuo.selftest.kinds import Case, Kind, Run, mismatch, named, same
from guosuo.selftest.reading import (
    Document,
    Fields,
    MalformedError,
    NotRecognisedError,
    hexadecimal,
)
from guosuo.selftest.report import Family

_SUITE: Final = re.compile(r"BLS12381G([12])_(.+)_SSWU_(RO|NU)_")
_EXPANDERS: Final = {expander.value: expander for expander in Expander}

_PARAMETERS: Final = {
    1: {"Z": (11,), "m": 1, "curve": "BLS12-381 G1"},
    2: {"Z": (MODULUS - 2, MODULUS - 1), "m": 2, "curve": "BLS12-381 G2"},
}
"""RFC 9380, sections 8.8.1 and 8.8.2."""

_ELEMENT_OCTETS: Final = 64
_SECURITY_LEVEL: Final = 128


class _Suite:
    """The suite that a file names."""

    def __init__(self, fields: Fields) -> None:
        self.fields = fields
        self.name = fields.text("ciphersuite")
        self.dst = fields.text("dst").encode()
        match = _SUITE.fullmatch(self.name)
        if match is None or match[2] not in _EXPANDERS:
            raise NotRecognisedError("a hash-to-curve suite that this library does not have")
        self.degree = int(match[1])
        self.expander = _EXPANDERS[match[2]]
        self.uniform = match[3] == "RO"

    def element(self, text: str, where: str) -> Element:
        """A field element: its coefficients in hexadecimal digits, the lowest first."""
        parts = tuple(hexadecimal(part, where) for part in text.split(","))
        if len(parts) != self.degree or any(part >= MODULUS for part in parts):
            raise MalformedError(where, "is not a field element")
        return parts

    def point(self, fields: Fields) -> Affine:
        """A point by its coordinates; it has to be on the curve."""
        x, y = (self.element(fields.text(name), f"{fields.where}.{name}") for name in ("x", "y"))
        if not affine.is_on_curve((x, y)):
            mismatch(f"{fields.where} on the curve", "a point that is not")
        return x, y

    def parameters(self) -> None:
        """Compare what the file says of the suite, as far as it does."""
        expected: dict[str, object] = {
            **_PARAMETERS[self.degree],
            "L": _ELEMENT_OCTETS,
            "k": _SECURITY_LEVEL,
            "p": MODULUS,
            "randomOracle": self.uniform,
            "name": "SSWU",
            "expand": self.expander.value.split(":")[0],
            "hash": self.expander.value.split(":")[1].replace("-", "").lower(),
        }
        given = self.fields
        for part in ("field", "map"):
            if part in given:
                inner = given.fields(part)
                self._compare(inner, expected, ("p", "m") if part == "field" else ("name",))
        self._compare(given, expected, ("L", "k", "Z", "randomOracle", "curve", "expand", "hash"))

    def _compare(self, fields: Fields, expected: dict[str, object], names: tuple[str, ...]) -> None:
        for name in names:
            if name in fields:
                same(expected[name], self._parameter(fields, name, expected[name]), name)

    def _parameter(self, fields: Fields, name: str, like: object) -> object:
        """A parameter of the file, read as what it is compared with."""
        if isinstance(like, bool):
            return fields.flag(name)
        if isinstance(like, int):
            return fields.whole(name)
        if isinstance(like, tuple):
            return self.element(fields.text(name), name)
        text = fields.text(name)
        return text.replace("_", "") if name == "hash" else text

    def hashed(self, run: Run, message: bytes) -> G1 | G2:
        """The point that the library gives."""
        arguments = (run.engine, self.expander, message, self.dst)
        if self.degree == 1:
            return (hash_to_curve_g1 if self.uniform else encode_to_curve_g1)(*arguments)
        return (hash_to_curve_g2 if self.uniform else encode_to_curve_g2)(*arguments)

    def mapped(self, run: Run, u: Element) -> G1 | G2:
        """map_to_curve and clear_cofactor of the library."""
        if self.degree == 1:
            return map_to_curve_g1(run.engine, *u)
        return map_to_curve_g2(run.engine, *u)


def _check(suite: _Suite, vector: Fields, run: Run) -> None:
    message = vector.text("msg").encode()
    count = 2 if suite.uniform else 1
    u = hash_to_field(suite.expander, message, suite.dst, count=count, degree=suite.degree)
    if "u" in vector:
        given = [suite.element(str(text), f"{vector.where}.u") for text in vector.items("u")]
        same(given, u, "u")
    expected = suite.point(vector.fields("P"))
    octets = affine.uncompressed(expected)
    same(octets, suite.hashed(run, message).encode_uncompressed(), "P")

    total: Affine = None
    for name, element in zip(("Q0", "Q1") if suite.uniform else ("Q",), u, strict=True):
        if name not in vector:
            return
        q = suite.point(vector.fields(name))
        cleared = affine.clear_cofactor(q)
        mapped = suite.mapped(run, element).encode_uncompressed()
        same(affine.uncompressed(cleared), mapped, f"{name} with the cofactor cleared:")
        total = affine.add(total, cleared)
    same(octets, affine.uncompressed(total), "P from the mapped points:")


def _cases(document: Document, run: Run, _path: str) -> Iterator[Case]:
    suite = _Suite(Fields(document))
    yield Case("parameters", suite.parameters)
    for index, vector in enumerate(suite.fields.objects("vectors")):
        yield Case(f"vectors[{index}]", partial(_check, suite, vector, run))


KINDS = (Kind(Family.HASH_TO_CURVE, "suite", named("ciphersuite", "dst", "vectors"), _cases),)
