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
from typing import Final, TypeAlias

from guosuo.errors import CallerError, PeerError, Reason
from guosuo.evidence import foreign_cbor
from guosuo.selftest import cbor_diagnostic
from guosuo.selftest.cbor_diagnostic import NotReadableError
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
from guosuo.selftest.reading import Document, Fields, Json, MalformedError, objects
from guosuo.selftest.report import Family
from guosuo.wire.cbor import AnyValue, Profile, decode, encode

_Wide: TypeAlias = "Profile"

_DEPTH: Final = 64
_MAX_SIZE: Final = 1 << 24

_REFUSALS: Final = (
    Reason.CBOR_MALFORMED,
    Reason.CBOR_NOT_DETERMINISTIC,
    Reason.CBOR_TYPE_NOT_ALLOWED,
)
