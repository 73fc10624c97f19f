"""What a recogniser is, and the checks that all of them share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Final, NoReturn, TypeAlias

from guosuo.curve.points import Engine
from guosuo.errors import PeerError, Reason
from guosuo.selftest.bbs_context import BbsContext
from guosuo.selftest.reading import Document, MismatchError, NotRecognisedError
from guosuo.selftest.report import Family

_LENIENT_FROM: Final = 3
"""Least number of names of a kind from which one of them may be missing."""

_SHOWN: Final = 48
"""Octets of a string that are shown at most."""
_BEFORE: Final = 4
"""Octets that are shown before the first difference."""


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to check. `check` raises where library and vector disagree."""

    name: str
    check: Callable[[], object]


class Run:
    """What recognisers share while a directory is worked through."""

    __slots__ = ("bbs", "engine")

    def __init__(self, engine: Engine) -> None:
        """`engine` is the curve engine that is tested."""
        self.engine = engine
        self.bbs = BbsContext(engine)


Fits: TypeAlias = Callable[[Document], "int | None"]
"""How many names of a kind a document lacks; None if it is of another kind."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How documents of a kind look: by names, or by a function of their own."""

    fits: Fits
    weight: int = 1
    """Number of names: of two kinds that fit equally well the heavier one is meant."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of vector file.

    `cases` gets the document and the file's path, which may only decide what is
    tried first or how something unnamed is called. It and the checks raise
    `MalformedError`, `NotRecognisedError` and `MismatchError`; what the library
    raises comes through.
    """

    family: Family
    name: str
    shape: Shape
    cases: Callable[[Document, Run, str], Iterator[Case]]
    late: Callable[[Document], bool] = lambda _: False
    """Whether a file is better run after all others."""


def named(*names: str, without: Collection[str] = ()) -> Shape:
    """An object with all these names, or all but one, and none of the others."""

    def fits(document: Document) -> int | None:
        if not isinstance(document, dict) or any(name in document for name in without):
            return None
        return _missing(names, document)

    return Shape(fits, len(names))


def listed(*names: str, without: Collection[str] = ()) -> Shape:
    """A list of objects of which at least half have each name (but one), and not the others."""

    def fits(document: Document) -> int | None:
        if not isinstance(document, list) or not document:
            return None
        counter = Counter(name for item in document if isinstance(item, dict) for name in item)
        common = {name for name, count in counter.items() if 2 * count >= len(document)}
        if any(name in common for name in without):
            return None
        return _missing(names, common)

    return Shape(fits, len(names))


def foreign(family: Family, name: str, shape: Shape, reason: str) -> Kind:
    """A kind that is known and left alone, for a reason."""

    def cases(_document: Document, _run: Run, _path: str) -> Iterator[Case]:
        raise NotRecognisedError(reason)

    return Kind(family, name, shape, cases)


def _missing(names: tuple[str, ...], found: Collection[str]) -> int | None:
    missing = sum(name not in found for name in names)
    allowed = 1 if len(names) >= _LENIENT_FROM else 0
    return missing if missing <= allowed else None


# --- checks ---------------------------------------------------------------------------


def mismatch(expected: str, found: str) -> NoReturn:
    """Raise `MismatchError`."""
    raise MismatchError(expected, found)


def same(expected: object, found: object, what: str = "") -> None:
    """Compare octets, numbers or texts; `MismatchError` with `what` in front."""
    if expected == found:
        return
    lead = f"{what} " if what else ""
    if isinstance(expected, bytes) and isinstance(found, bytes):
        pairs = enumerate(zip(expected, found, strict=False))
        first = next((i for i, (x, y) in pairs if x != y), min(len(expected), len(found)))
        start = max(0, first - _BEFORE)
        mismatch(lead + _octets(expected, start), lead + _octets(found, start))
    mismatch(f"{lead}{expected}", f"{lead}{found}")


def judge(*, expected: bool, found: bool) -> None:
    """Compare a verdict."""
    words = {True: "valid", False: "invalid"}
    same(words[expected], words[found])


def must_be_refused(act: Callable[[], object], reasons: Collection[Reason] = ()) -> None:
    """`act` has to raise `PeerError`, with one of the reasons if any are given."""
    try:
        act()
    except PeerError as error:
        if reasons and error.reason not in reasons:
            mismatch("a refusal for " + " or ".join(reasons), f"a refusal for {error.reason}")
        return
    mismatch("a refusal", "that it was accepted")


def accepted(act: Callable[[], object]) -> bool:
    """Whether `act` comes through without a `PeerError`."""
    try:
        act()
    except PeerError:
        return False
    return True


def _octets(data: bytes, start: int) -> str:
    """Octets in hexadecimal digits, a long string only from `start` on."""
    if len(data) <= _SHOWN:
        return data.hex() or "no octets"
    begin, rest = ("", data) if not start else (f"(from octet {start}) …", data[start:])
    return begin + (rest.hex() if len(rest) <= _SHOWN else rest[:_SHOWN].hex() + "…")
