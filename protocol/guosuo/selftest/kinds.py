"""What a recogniser is, and the checks that all of them share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Final, NoReturn, TypeAlias

from guosuo.curve.points import Engine
from guosuo.errors import PeerError, Reason
from guosuo.selftest.bbs_context import BbsContext
from guosuo.selftest.reading import Json, MismatchError
from guosuo.selftest.report import Family

_LENIENT_FROM: Final = 3
"""Least number of names of a kind from which one of them may be missing."""


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to check. `check` raises where library and vector disagree."""

    name: str
    check: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Run:
    """What recognisers share while a directory is worked through."""

    engine: Engine
    bbs: BbsContext = field(init=False)

    def __post_init__(self) -> None:
        """Both BBS suites on the engine."""
        object.__setattr__(self, "bbs", BbsContext(self.engine))


Fits: TypeAlias = Callable[["Json | bytes"], int | None]
"""How many names of a kind are missing in a document; None if it is of another kind."""


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
    fits: Fits
    cases: Callable[[Json | bytes, Run, str], Iterator[Case]]
    weight: int = 1
    """Number of names: of two kinds that fit equally well the heavier one is taken."""
    rank: Callable[[Json | bytes], int] = lambda _: 0
    """Files of lower rank are run first."""


def named(*names: str, without: Collection[str] = ()) -> Fits:
    """An object with all these names, or all but one, and none of the others."""

    def fits(document: Json | bytes) -> int | None:
        if not isinstance(document, dict) or any(name in document for name in without):
            return None
        return _missing(names, document)

    return fits


def listed(*names: str, without: Collection[str] = ()) -> Fits:
    """A list of objects of which at least half have each name (but one), and not the others."""

    def fits(document: Json | bytes) -> int | None:
        if not isinstance(document, list) or not document:
            return None
        counter = Counter(name for item in document if isinstance(item, dict) for name in item)
        common = {name for name, count in counter.items() if 2 * count >= len(document)}
        if any(name in common for name in without):
            return None
        return _missing(names, common)

    return fits


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
    if expected != found:
        lead = f"{what} " if what else ""
        mismatch(lead + _shown(expected), lead + _shown(found))


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


def judge(expected: bool, found: bool) -> None:  # noqa: FBT001 - two truth values to compare
    """Compare a verdict."""
    words = {True: "valid", False: "invalid"}
    same(words[expected], words[found])


def _shown(value: object) -> str:
    return value.hex() or "no octets" if isinstance(value, bytes) else str(value)
