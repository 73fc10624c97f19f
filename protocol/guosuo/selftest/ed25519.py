"""Ed25519 vectors in Wycheproof's layout: which signatures verify."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from guosuo.federation.records import signature_holds
from guosuo.selftest.kinds import Case, Kind, Run, Shape, judge, same
from guosuo.selftest.reading import Document, Fields, NotRecognisedError
from guosuo.selftest.report import Family

_ALGORITHM: Final = "EDDSA"
_CURVE: Final = "edwards25519"
_WEIGHT: Final = 3
"""More than that of Wycheproof vectors of no algorithm in particular."""


def _verify(group: Fields, test: Fields) -> None:
    result = test.text("result")
    if result not in ("valid", "invalid"):
        test.malformed("result", "is neither valid nor invalid")
    key = group.fields("publicKey").octets("pk")
    found = signature_holds(key, test.octets("msg"), test.octets("sig"))
    judge(expected=result == "valid", found=found)


def _cases(document: Document, _run: Run, _path: str) -> Iterator[Case]:
    fields = Fields(document)
    groups = [(group, group.objects("tests")) for group in fields.objects("testGroups")]
    if any(group.fields("publicKey").text("curve") != _CURVE for group, _ in groups):
        raise NotRecognisedError("EdDSA vectors of another curve than Ed25519")
    if "numberOfTests" in fields:
        total = sum(len(tests) for _, tests in groups)
        yield Case("numberOfTests", partial(same, fields.whole("numberOfTests"), total))
    for group, tests in groups:
        for test in tests:
            yield Case(f"tcId {test.whole('tcId')}", partial(_verify, group, test))


def _fits(document: Document) -> int | None:
    if not isinstance(document, dict) or "testGroups" not in document:
        return None
    return 0 if document.get("algorithm") == _ALGORITHM else None


KINDS = (Kind(Family.ED25519, "Wycheproof", Shape(_fits, _WEIGHT), _cases),)
