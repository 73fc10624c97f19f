"""Vectors of ethereum/bls12-381-tests: one small document a case, or many in one file.

Each has an `input` and an `output`; what is done follows from the names of the
input. Besides `deserialization_G1` and `_G2` these are the BLS operations of
the same generator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, TypeAlias

from guosuo.curve.encoding import FIELD_SIZE
from guosuo.curve.hashing import Expander, hash_to_curve_g2
from guosuo.curve.points import Engine
from guosuo.curve.scalar import SCALAR_SIZE, Scalar
from guosuo.selftest.bls_scheme import ETHEREUM, BlsScheme
from guosuo.selftest.kinds import (
    Case,
    Kind,
    Run,
    Shape,
    judge,
    listed,
    must_be_refused,
    same,
)
from guosuo.selftest.reading import (
    Document,
    Fields,
    Json,
    NotRecognisedError,
    hexadecimal,
    objects,
    octets,
)
from guosuo.selftest.report import Family

_HASH_TAGS: Final = (b"QUUX-V01-CS02-with-BLS12381G2_XMD:SHA-256_SSWU_RO_", ETHEREUM)
"""Tags under which `hash_to_G2` may have been computed; files do not say which."""

_DEGREE: Final = 2
"""Coefficients of an element of Fp2."""

_Check: TypeAlias = Callable[[Engine, Fields, Fields], None]
"""Takes the engine, the whole case and its input."""


def _deserialization_g1(engine: Engine, case: Fields, given: Fields) -> None:
    _decodes(case, given.octets("pubkey"), lambda data: engine.decode_g1(data, allow_identity=True))


def _deserialization_g2(engine: Engine, case: Fields, given: Fields) -> None:
    data = given.octets("signature")
    _decodes(case, data, lambda data: engine.decode_g2(data, allow_identity=True))


def _decodes(case: Fields, data: bytes, decode: Callable[[bytes], object]) -> None:
    if case.flag("output"):
        decode(data)
    else:
        must_be_refused(partial(decode, data))


def _sign(engine: Engine, case: Fields, given: Fields) -> None:
    secret, message = given.octets("privkey"), given.octets("message")
    if len(secret) != SCALAR_SIZE:
        given.malformed("privkey", "is not a scalar")
    scheme = BlsScheme(engine, ETHEREUM)
    number = Scalar(int.from_bytes(secret, "big"))
    _result(case, lambda: scheme.sign(number, message))


def _verify(engine: Engine, case: Fields, given: Fields) -> None:
    scheme = BlsScheme(engine, ETHEREUM)
    found = scheme.verifies(
        [given.octets("pubkey")], [given.octets("message")], given.octets("signature")
    )
    judge(expected=case.flag("output"), found=found)


def _aggregate_verify(engine: Engine, case: Fields, given: Fields) -> None:
    scheme = BlsScheme(engine, ETHEREUM)
    found = scheme.verifies(
        given.octet_list("pubkeys"), given.octet_list("messages"), given.octets("signature")
    )
    judge(expected=case.flag("output"), found=found)


def _fast_aggregate_verify(engine: Engine, case: Fields, given: Fields) -> None:
    scheme = BlsScheme(engine, ETHEREUM)
    found = scheme.fast_verifies(
        given.octet_list("pubkeys"), given.octets("message"), given.octets("signature")
    )
    judge(expected=case.flag("output"), found=found)


def _batch_verify(engine: Engine, case: Fields, given: Fields) -> None:
    scheme = BlsScheme(engine, ETHEREUM)
    keys, messages = given.octet_list("pubkeys"), given.octet_list("messages")
    signatures = given.octet_list("signatures")
    found = len(keys) == len(messages) == len(signatures) and all(
        scheme.verifies([key], [message], signature)
        for key, message, signature in zip(keys, messages, signatures, strict=True)
    )
    judge(expected=case.flag("output"), found=found)


def _hash_to_g2(engine: Engine, case: Fields, given: Fields) -> None:
    message = given.text("msg" if "msg" in given else "message").encode()
    output = case.fields("output")
    expected = b""
    for name in ("x", "y"):
        parts = output.text(name).split(",")
        numbers = [hexadecimal(part.strip(), f"{output.where}.{name}") for part in parts]
        if len(numbers) != _DEGREE or any(n.bit_length() > 8 * FIELD_SIZE for n in numbers):
            output.malformed(name, "is not an element of Fp2")
        expected += b"".join(n.to_bytes(FIELD_SIZE, "big") for n in reversed(numbers))
    found = [
        hash_to_curve_g2(engine, Expander.XMD_SHA256, message, tag).encode_uncompressed()
        for tag in _HASH_TAGS
    ]
    if expected not in found:
        same(expected, found[0])


def _result(case: Fields, compute: Callable[[], bytes]) -> None:
    """Compare a result of octets; null means that it has to be refused."""
    if case.value("output") is None:
        must_be_refused(compute)
    else:
        same(case.octets("output"), compute())


_CHECKS: Final[dict[frozenset[str], _Check]] = {
    frozenset({"pubkey"}): _deserialization_g1,
    frozenset({"signature"}): _deserialization_g2,
    frozenset({"privkey", "message"}): _sign,
    frozenset({"pubkey", "message", "signature"}): _verify,
    frozenset({"pubkeys", "messages", "signature"}): _aggregate_verify,
    frozenset({"pubkeys", "message", "signature"}): _fast_aggregate_verify,
    frozenset({"pubkeys", "messages", "signatures"}): _batch_verify,
    frozenset({"msg"}): _hash_to_g2,
    frozenset({"message"}): _hash_to_g2,
}


def _check(case: Fields, run: Run) -> None:
    given = case.value("input")
    if isinstance(given, list):
        signatures = [octets(item, "input") for item in given]
        scheme = BlsScheme(run.engine, ETHEREUM)
        _result(case, lambda: scheme.aggregate(signatures))
        return
    fields = case.fields("input")
    check = _CHECKS.get(frozenset(fields.names()))
    if check is None:
        raise NotRecognisedError("an operation on BLS12-381 that has no check here")
    check(run.engine, case, fields)


def _name(case: Fields, path: str, index: int) -> str:
    if "name" in case:
        return case.text("name")
    return path.rsplit("/", 1)[-1].rsplit(".", 1)[0] if index < 0 else f"[{index}]"


def _one(document: Document, run: Run, path: str) -> Iterator[Case]:
    case = Fields(document)
    yield Case(_name(case, path, -1), partial(_check, case, run))


def _many(document: Document, run: Run, path: str) -> Iterator[Case]:
    items: Document = document
    if isinstance(document, dict):
        items = document.get("cases")
    for index, case in enumerate(objects(items, "cases")):
        yield Case(_name(case, path, index), partial(_check, case, run))


def _fits_one(document: Document) -> int | None:
    """`input` and `output`, with an input of names that occur, or a list of octets."""
    if not isinstance(document, dict) or not {"input", "output"} <= document.keys():
        return None
    return 0 if _is_input(document["input"]) else None


def _is_input(given: Json) -> bool:
    if isinstance(given, list):
        return all(isinstance(item, str) and item.startswith("0x") for item in given)
    known = frozenset[str]().union(*_CHECKS)
    return isinstance(given, dict) and bool(given) and given.keys() <= known


def _fits_many(document: Document) -> int | None:
    items = document.get("cases") if isinstance(document, dict) else document
    if listed("input", "output").fits(items) is None or not isinstance(items, list):
        return None
    known = sum(isinstance(i, dict) and _fits_one(i) is not None for i in items)
    return 0 if 2 * known >= len(items) else None


KINDS = (
    Kind(Family.BLS12_381, "operation", Shape(_fits_one, 2), _one),
    Kind(Family.BLS12_381, "operations", Shape(_fits_many, 2), _many),
)
