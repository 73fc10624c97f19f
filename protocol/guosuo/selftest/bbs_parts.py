"""BBS fixtures of single operations: keys, generators, scalars, mocked randomness."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from guosuo.bbs.signature import key_gen, sk_to_pk
from guosuo.selftest.bbs_context import MAX_MESSAGES, MOCK_TAG, mocked_scalars
from guosuo.selftest.kinds import Case, Kind, Run, Shape, foreign, mismatch, named, same
from guosuo.selftest.reading import Document, Fields, MalformedError, MismatchError, octets
from guosuo.selftest.report import Family
from guosuo.suite import Interface


def _under_one(apis: tuple[Interface, ...], check: Callable[[Interface], None]) -> None:
    """`check` has to come through for one suite; what the first one says counts."""
    said: MismatchError | None = None
    for api in apis:
        try:
            check(api)
        except MismatchError as error:
            said = said or error
        else:
            return
    if said is not None:
        raise said


def _key_pair(document: Document, run: Run, path: str) -> Iterator[Case]:
    fixture = Fields(document)
    material, info = fixture.octets("keyMaterial"), fixture.octets("keyInfo")
    dst, pair = fixture.octets("keyDst"), fixture.fields("keyPair")
    secret, public = pair.octets("secretKey"), pair.octets("publicKey")

    def check(api: Interface) -> None:
        got = key_gen(api.suite, material, info, dst)
        same(secret, got.encode(), "secretKey")
        same(public, sk_to_pk(api.suite, got).encode(), "publicKey")
        tags = (api.api_id, api.suite.identifier)
        if dst not in [tag + b"KEYGEN_DST_" for tag in tags]:
            mismatch("a keyDst of the suite", dst.hex())

    yield Case("key pair", partial(_under_one, run.bbs.ordered(path, dst), check))


def _generators(document: Document, run: Run, path: str) -> Iterator[Case]:
    fixture = Fields(document)
    given = {"P1": fixture.octets("P1"), "Q1": fixture.octets("Q1")}
    given |= {f"H{i + 1}": octet for i, octet in enumerate(fixture.octet_list("MsgGenerators"))}
    if len(given) > MAX_MESSAGES:
        raise MalformedError("MsgGenerators", "are too many")

    def computed(api: Interface) -> dict[str, bytes]:
        points = (api.p1(), *api.generators(len(given) - 1))
        return {name: p.encode() for name, p in zip(given, points, strict=True)}

    # The suite is the one that agrees with most of the points.
    candidates = [computed(api) for api in run.bbs.ordered(path)]
    found = max(candidates, key=lambda points: sum(points[n] == given[n] for n in given))
    for name in given:
        yield Case(name, partial(same, given[name], found[name]))


def _message_to_scalar(document: Document, run: Run, path: str) -> Iterator[Case]:
    fixture = Fields(document)
    dst = fixture.octets("dst")
    apis = run.bbs.ordered(path, dst)

    def case(index: int, item: Fields) -> Case:
        message, scalar = item.octets("message"), item.octets("scalar")

        def check(api: Interface) -> None:
            same(scalar, api.message_to_scalar(message).encode())
            same(scalar, api.suite.hash_to_scalar(message, dst).encode(), "with dst")

        return Case(f"cases[{index}]", partial(_under_one, apis, check))

    yield from (case(i, item) for i, item in enumerate(fixture.objects("cases")))


def _hash_to_scalar(document: Document, run: Run, path: str) -> Iterator[Case]:
    fixture = Fields(document)
    message, dst = fixture.octets("message"), fixture.octets("dst")
    scalar = fixture.octets("scalar")

    def check(api: Interface) -> None:
        same(scalar, api.suite.hash_to_scalar(message, dst).encode())
        if dst == api.api_id + b"H2S_":
            same(scalar, api.hash_to_scalar(message).encode(), "under the default tag")

    yield Case("hash to scalar", partial(_under_one, run.bbs.ordered(path, dst), check))


def _mocked_randomness(document: Document, run: Run, path: str) -> Iterator[Case]:
    fixture = Fields(document)
    seed, dst, count = fixture.octets("seed"), fixture.octets("dst"), fixture.whole("count")
    scalars = fixture.octet_list("mockedScalars")
    if count > MAX_MESSAGES:
        raise MalformedError("count", "is too large")

    def check(api: Interface) -> None:
        got = [scalar.encode() for scalar in mocked_scalars(api.suite, seed, dst, count)]
        same(len(scalars), len(got), "number of scalars:")
        for index, (given, found) in enumerate(zip(scalars, got, strict=True)):
            same(given, found, f"mockedScalars[{index}]")
        if not dst.endswith(MOCK_TAG):
            mismatch("a dst for mocked randomness", dst.hex())

    yield Case("mocked scalars", partial(_under_one, run.bbs.ordered(path, dst), check))


def _is_blind(document: Document) -> int | None:
    marks = {"committedMessages", "commitmentWithProof", "blindGenerators"}
    return 0 if isinstance(document, dict) and marks & document.keys() else None


def _is_messages(document: Document) -> int | None:
    if not isinstance(document, list) or not document:
        return None
    try:
        for item in document:
            octets(item, "message")
    except MalformedError:
        return None
    return 0


KINDS = (
    Kind(
        Family.BBS,
        "key pair",
        named("caseName", "keyMaterial", "keyInfo", "keyDst", "keyPair"),
        _key_pair,
    ),
    Kind(Family.BBS, "generators", named("P1", "Q1", "MsgGenerators"), _generators),
    Kind(Family.BBS, "message to scalar", named("dst", "cases"), _message_to_scalar),
    Kind(
        Family.BBS,
        "hash to scalar",
        named("caseName", "message", "dst", "scalar", without=("scalars",)),
        _hash_to_scalar,
    ),
    Kind(
        Family.BBS,
        "mocked randomness",
        named("caseName", "seed", "dst", "count", "mockedScalars"),
        _mocked_randomness,
    ),
    foreign(
        Family.BBS,
        "blind BBS",
        Shape(_is_blind, weight=100),
        "blind BBS or pseudonyms, which this library does not have",
    ),
    foreign(Family.BBS, "messages", Shape(_is_messages), "octet strings without results (inputs)"),
)
