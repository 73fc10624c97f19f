"""CBOR examples: RFC 8949 Appendix A, dCBOR (valid and invalid) and CDE.

The lists differ in their names. Appendix A gives a decoded value *or* a
diagnostic text, dCBOR both; without `cbor` an example of dCBOR must be refused;
CDE examples have a `type`, which is `bad` for what must be refused.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from functools import partial
from typing import Final, Literal, TypeAlias

from guosuo.errors import CallerError, Reason
from guosuo.evidence import foreign_cbor
from guosuo.selftest import cbor_diagnostic
from guosuo.selftest.cbor_diagnostic import NotReadableError
from guosuo.selftest.kinds import Case, Kind, Run, listed, mismatch, must_be_refused, same
from guosuo.selftest.reading import (
    Document,
    Fields,
    MalformedError,
    NotRecognisedError,
    objects,
)
from guosuo.selftest.report import Family
from guosuo.wire import cbor

_Wide: TypeAlias = Literal[cbor.Profile.CDE, cbor.Profile.DCBOR]

_CDE: Final = cbor.Profile.CDE
_DCBOR: Final = cbor.Profile.DCBOR

_LONG_SIMPLE: Final = 0xF8
_FIRST_LONG_SIMPLE: Final = 32

_WELL_FORMED: Final = (Reason.CBOR_NOT_DETERMINISTIC, Reason.CBOR_TYPE_NOT_ALLOWED)
"""Why an item may be refused that another encoder could have written."""


def _decode(data: bytes, profile: _Wide) -> cbor.AnyValue:
    return cbor.decode(data, max_size=len(data), profile=profile, max_depth=cbor.DEPTH_CEILING)


def _encode(value: object, profile: _Wide) -> bytes:
    # Values from JSON have the types of CBOR values, or the encoder refuses them.
    return cbor.encode(value, profile=profile, max_depth=cbor.DEPTH_CEILING)  # type: ignore[call-overload, no-any-return]


def _octets(item: Fields) -> bytes:
    """The octets of an example, given once or twice."""
    data = item.octets("hex")
    if "cbor" in item:
        try:
            same(data, base64.b64decode(item.text("cbor"), validate=True), "hex and cbor:")
        except binascii.Error:
            item.malformed("cbor", "is not Base64")
    return data


def _check_value(item: Fields, data: bytes, profile: _Wide) -> None:
    """`data` is what the value is encoded to, in both ways in which it may be given."""
    if "decoded" in item:
        same(data, _encode(item.value("decoded"), profile), "encoded from decoded:")
    if "diagnostic" in item:
        try:
            value = cbor_diagnostic.read(item.text("diagnostic"))
        except NotReadableError:
            if "decoded" in item:
                return
            raise NotRecognisedError("a CBOR example in notation that is not read here") from None
        same(data, _encode(value, profile), "encoded from diagnostic:")
    elif "decoded" not in item:
        raise MalformedError(item.where, "has neither decoded nor diagnostic")


def _check_deterministic(item: Fields, profile: _Wide) -> None:
    data = _octets(item)
    if len(data) > 1 and data[0] == _LONG_SIMPLE and data[1] < _FIRST_LONG_SIMPLE:
        # Well-formed in RFC 7049 and no longer in RFC 8949 (section 3.3).
        must_be_refused(partial(_decode, data, profile), [Reason.CBOR_MALFORMED])
        return
    same(data, _encode(_decode(data, profile), profile), "encoded again:")
    _check_value(item, data, profile)


def _check_other_encoding(item: Fields) -> None:
    """An encoding that is not deterministic: refused, and the lenient reader knows the value."""
    data = _octets(item)
    must_be_refused(partial(_decode, data, _CDE), [Reason.CBOR_NOT_DETERMINISTIC])
    _check_value(item, _encode(foreign_cbor.read(data), _CDE), _CDE)


def _check_refused(item: Fields, profile: _Wide) -> None:
    data = _octets(item)
    must_be_refused(partial(_decode, data, profile))
    try:
        value = cbor_diagnostic.read(item.text("diagnostic")) if "diagnostic" in item else None
        twin = _encode(value, profile)
    except (NotReadableError, CallerError):
        return  # nothing to compare with: the value itself has no encoding in the profile
    if "diagnostic" not in item:
        return
    # The value can be written, so that the refusal was for the way it is written.
    must_be_refused(partial(_decode, data, profile), _WELL_FORMED)
    if twin == data:
        mismatch("another encoding than", data.hex())


def _examples(document: Document, _run: Run, path: str) -> Iterator[Case]:
    items = objects(document, "")
    both = any("decoded" in item and "diagnostic" in item for item in items)
    is_dcbor = both or "dcbor" in path.lower()
    for item in items:
        if is_dcbor:
            yield Case(_name(item), partial(_check_deterministic, item, _DCBOR))
        elif "roundtrip" in item and not item.flag("roundtrip"):
            yield Case(_name(item), partial(_check_other_encoding, item))
        else:
            yield Case(_name(item), partial(_check_deterministic, item, _CDE))


def _cde(document: Document, _run: Run, _path: str) -> Iterator[Case]:
    for item in objects(document, ""):
        bad = item.text("type") == "bad"
        yield Case(
            _name(item), partial(_check_refused if bad else _check_deterministic, item, _CDE)
        )


def _invalid(document: Document, _run: Run, _path: str) -> Iterator[Case]:
    for item in objects(document, ""):
        yield Case(_name(item), partial(_check_refused, item, _DCBOR))


def _name(item: Fields) -> str:
    return f"{item.where} {item.text('hex') if 'hex' in item else ''}"


KINDS = (
    Kind(Family.CBOR, "examples", listed("cbor", "hex", "roundtrip"), _examples),
    Kind(Family.CBOR, "CDE examples", listed("type", "diagnostic", "hex", "comment"), _cde),
    Kind(
        Family.CBOR,
        "must be refused",
        listed("diagnostic", "hex", "notes", without=("cbor", "type", "decoded")),
        _invalid,
    ),
)
