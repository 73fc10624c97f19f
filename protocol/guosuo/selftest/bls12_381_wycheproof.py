"""BLS vectors in Wycheproof's layout: signatures, aggregates, hashing to a group."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Final

from guosuo.curve.hashing import Expander, hash_to_curve_g1, hash_to_curve_g2
from guosuo.curve.points import G1, G2
from guosuo.selftest.bls_scheme import BlsScheme
from guosuo.selftest.kinds import Case, Kind, Run, judge, named, same
from guosuo.selftest.reading import Document, Fields, NotRecognisedError
from guosuo.selftest.report import Family

_TAG: Final = re.compile(r".*BLS12381G([12])_XMD:SHA-256_SSWU_RO_.*")
"""Suites and tags name the group that is hashed to."""


def _expected(test: Fields) -> bool:
    """The claimed result; a result that binds nobody is no test."""
    result = test.text("result")
    if result == "acceptable":
        raise NotRecognisedError("a Wycheproof case that may be accepted or refused")
    if result not in ("valid", "invalid"):
        test.malformed("result", "is neither valid nor invalid")
    return result == "valid"


def _in_g2(tag: str) -> bool:
    match = _TAG.fullmatch(tag)
    if match is None:
        raise NotRecognisedError("a BLS suite that this library does not have")
    return match[1] == "2"


def _scheme(group: Fields, run: Run) -> BlsScheme:
    suite = group.text("ciphersuite")
    return BlsScheme(run.engine, suite.encode(), _in_g2(suite))


def _verify(group: Fields, test: Fields, run: Run) -> None:
    expected = _expected(test)
    key = group.fields("publicKey").octets("pk")
    found = _scheme(group, run).verifies([key], [test.octets("msg")], test.octets("sig"))
    judge(expected=expected, found=found)


def _aggregate_verify(group: Fields, test: Fields, run: Run) -> None:
    expected = _expected(test)
    keys, messages = test.octet_list("pubkeys"), test.octet_list("messages")
    found = _scheme(group, run).verifies(keys, messages, test.octets("sig"))
    judge(expected=expected, found=found)


def _hash_to_group(group: Fields, test: Fields, run: Run) -> None:
    tag = group.text("dst")
    arguments = (run.engine, Expander.XMD_SHA256, test.octets("msg"), tag.encode())
    point: G1 | G2 = hash_to_curve_g2(*arguments) if _in_g2(tag) else hash_to_curve_g1(*arguments)
    given = test.octets("expected")
    if _expected(test):
        same(given, point.encode())
    else:
        judge(expected=False, found=given == point.encode())


_CHECKS: Final = {
    "BlsSigVerify": _verify,
    "BlsAggregateVerify": _aggregate_verify,
    "BlsHashToG1": _hash_to_group,
    "BlsHashToG2": _hash_to_group,
}


def _unknown_group() -> None:
    raise NotRecognisedError("a Wycheproof group of BLS that has no check here")


def _cases(document: Document, run: Run, _path: str) -> Iterator[Case]:
    fields = Fields(document)
    if fields.text("algorithm") != "BLS":
        raise NotRecognisedError("Wycheproof vectors of another algorithm than BLS")
    groups = [(group, group.objects("tests")) for group in fields.objects("testGroups")]
    if "numberOfTests" in fields:
        total = sum(len(tests) for _, tests in groups)
        yield Case("numberOfTests", partial(same, fields.whole("numberOfTests"), total))
    for group, tests in groups:
        check = _CHECKS.get(group.text("type"))
        for test in tests:
            name = f"tcId {test.whole('tcId')}"
            if "comment" in test:
                name += f": {test.text('comment')}"
            yield Case(name, _unknown_group if check is None else partial(check, group, test, run))


KINDS = (Kind(Family.BLS12_381, "Wycheproof", named("algorithm", "testGroups"), _cases),)
