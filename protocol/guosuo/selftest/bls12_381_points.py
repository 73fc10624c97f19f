"""Encodings of points: what must decode and what must not, and multiples of the generators."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

from guosuo.curve.encoding import G1_SIZE, G2_SIZE
from guosuo.curve.points import G1, G2, Engine
from guosuo.curve.scalar import Scalar
from guosuo.selftest.kinds import Case, Kind, Run, Shape, same
from guosuo.selftest.reading import Document, Fields, MalformedError
from guosuo.selftest.report import Family

_Point: TypeAlias = "G1 | G2"


@dataclass(frozen=True, slots=True)
class _Form:
    """One of the four encodings of points, under the name of the zkcrypto vectors."""

    name: str
    size: int
    generator: Callable[[Engine], _Point]
    encode: Callable[[_Point], bytes]
    decode: Callable[[Engine, bytes], _Point]


_FORMS: Final = (
    _Form(
        "G1_Compressed",
        G1_SIZE,
        lambda engine: engine.g1,
        lambda point: point.encode(),
        lambda engine, data: engine.decode_g1(data, allow_identity=True),
    ),
    _Form(
        "G1_Uncompressed",
        2 * G1_SIZE,
        lambda engine: engine.g1,
        lambda point: point.encode_uncompressed(),
        lambda engine, data: engine.decode_g1_uncompressed(data, allow_identity=True),
    ),
    _Form(
        "G2_Compressed",
        G2_SIZE,
        lambda engine: engine.g2,
        lambda point: point.encode(),
        lambda engine, data: engine.decode_g2(data, allow_identity=True),
    ),
    _Form(
        "G2_Uncompressed",
        2 * G2_SIZE,
        lambda engine: engine.g2,
        lambda point: point.encode_uncompressed(),
        lambda engine, data: engine.decode_g2_uncompressed(data, allow_identity=True),
    ),
)


def _check(form: _Form, engine: Engine, k: int, octets: bytes) -> None:
    point = form.generator(engine) * Scalar(k)
    same(octets, form.encode(point))
    same(octets, form.encode(form.decode(engine, octets)), "decoded")


def _cases(document: Document, run: Run, _path: str) -> Iterator[Case]:
    fields = Fields(document)
    for form in _FORMS:
        if form.name not in fields:
            continue
        given = fields.octet_list(form.name)
        factors = [*range(len(given))]
        if "indices" in fields:
            factors = fields.index_list("indices", 1 << 256)
        if len(factors) != len(given):
            raise MalformedError(form.name, "has not one point for each index")
        for k, octets in zip(factors, given, strict=True):
            yield Case(f"{form.name} k={k}", partial(_check, form, run.engine, k, octets))


def _fits(document: Document) -> int | None:
    names = {form.name for form in _FORMS}
    return 0 if isinstance(document, dict) and names & document.keys() else None


# --- the same as bare octets: 0·G, 1·G, 2·G, … --------------------------------------------


def _form_of(data: Document, engine: Engine) -> _Form | None:
    if not isinstance(data, bytes):
        return None
    for form in _FORMS:
        generator = form.generator(engine)
        start = form.encode(generator * Scalar(0)) + form.encode(generator)
        if data.startswith(start):
            return form
    return None


_INFINITIES: Final = tuple(
    bytes([first]) + bytes(size - 1)
    for first, size in ((0xC0, G1_SIZE), (0x40, 2 * G1_SIZE), (0xC0, G2_SIZE), (0x40, 2 * G2_SIZE))
)


def _fits_octets(document: Document) -> int | None:
    # Followed by something else than another zero: the first coordinate of 1·G.
    found = isinstance(document, bytes) and any(
        document.startswith(octets) and document[len(octets) : len(octets) + 1] not in (b"", b"\0")
        for octets in _INFINITIES
    )
    return 0 if found else None


def _octet_cases(document: Document, run: Run, _path: str) -> Iterator[Case]:
    form = _form_of(document, run.engine)
    if form is None or not isinstance(document, bytes) or len(document) % form.size:
        raise MalformedError("the file", "is not a row of encoded multiples of a generator")
    for k in range(len(document) // form.size):
        octets = document[k * form.size : (k + 1) * form.size]
        yield Case(f"{form.name} k={k}", partial(_check, form, run.engine, k, octets))


KINDS = (
    Kind(Family.BLS12_381, "multiples of the generators", Shape(_fits, 4), _cases),
    Kind(Family.BLS12_381, "multiples as octets", Shape(_fits_octets), _octet_cases),
)
