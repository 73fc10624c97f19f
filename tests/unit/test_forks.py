"""Proof that a log has two histories, and what readers make of its checkpoints."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guosuo.errors import CallerError, PeerError, Reason
from guosuo.federation import forks, merkle
from guosuo.federation.checkpoints import Checkpoint
from guosuo.federation.forks import Advanced, Equivocation, Forked, LogReader, RolledBack
from guosuo.federation.merkle import Proof
from tests.support.log import (
    EVIL,
    GOOD,
    ORIGIN,
    OTHER,
    PUBLIC,
    QUORUM,
    cosigned,
    note_of,
    proof,
    refused,
    tree_of,
)

# --- evidence ---


def evidence_of(first: int, second: int) -> Equivocation:
    split = forks.find_split(GOOD.nodes, first, EVIL.nodes, second)
    return Equivocation(
        first=note_of(GOOD, first).encode(), second=note_of(EVIL, second).encode(), split=split
    )


@given(st.integers(1, 40), st.integers(1, 40))
def test_evidence_of_two_sizes(first: int, second: int) -> None:
    evidence = evidence_of(first, second)
    if min(first, second) <= 6:
        assert evidence.split is None
        with pytest.raises(PeerError):
            forks.check_equivocation(evidence, ORIGIN, PUBLIC)
        return
    assert evidence.split is not None
    assert evidence.split.index == 6
    copy = Equivocation.decode(evidence.encode())
    forks.check_equivocation(copy, ORIGIN, PUBLIC)
    assert forks.equivocation(copy.first, copy.second, copy.split, ORIGIN, PUBLIC) == evidence


def test_what_proves_nothing() -> None:
    good = evidence_of(9, 12)
    split = good.split
    assert split is not None
    nothing = [
        replace(good, split=None),
        replace(good, second=good.first),
        replace(good, split=replace(split, second=split.first)),
        replace(good, split=replace(split, index=7)),
        replace(good, split=replace(split, first=split.second)),
        replace(good, second=note_of(EVIL, 12, OTHER).encode()),
        replace(good, first=note_of(GOOD, 9, OTHER).encode()),
        Equivocation(first=good.first, second=good.first),
        Equivocation(first=good.first, second=note_of(GOOD, 12).encode()),
        Equivocation(first=b"x", second=good.first),
    ]
    for evidence in nothing:
        with pytest.raises(PeerError):
            forks.check_equivocation(evidence, ORIGIN, PUBLIC)
        parts = evidence.first, evidence.second, evidence.split
        assert forks.equivocation(*parts, ORIGIN, PUBLIC) is None
    with pytest.raises(PeerError):
        forks.check_equivocation(good, "guosuo/00/120000", PUBLIC)
    forks.check_equivocation(good, ORIGIN, PUBLIC)


def test_one_leaf_in_two_checkpoints_proves_nothing() -> None:
    first, second = (
        forks.Leaf(hash=GOOD.nodes(0, 7), proof=merkle.inclusion_proof(GOOD.nodes, 7, size))
        for size in (9, 12)
    )
    evidence = Equivocation(
        first=note_of(GOOD, 9).encode(),
        second=note_of(GOOD, 12).encode(),
        split=forks.Split(index=7, first=first, second=second),
    )
    with pytest.raises(PeerError) as caught:
        forks.check_equivocation(evidence, ORIGIN, PUBLIC)
    assert caught.value.reason is Reason.LOG_PROOF


def test_an_honest_log_cannot_be_convicted() -> None:
    same = tree_of(40)
    for first in range(1, 20):
        for second in range(1, 20):
            assert forks.find_split(GOOD.nodes, first, same.nodes, second) is None


# --- readers ---


def reader() -> LogReader:
    return LogReader(ORIGIN, PUBLIC, QUORUM)


def advanced(known: LogReader, data: bytes, path: Proof = ()) -> LogReader:
    outcome = known.advance(data, path)
    assert isinstance(outcome, Advanced)
    return outcome.reader


def test_reading_a_log_that_grows() -> None:
    known = reader()
    with pytest.raises(CallerError):
        known.checkpoint()
    old = 0
    for new in (0, 4, 4, 6, 40):
        known = advanced(known, cosigned(GOOD, new), proof(GOOD, old, new))
        assert known.checkpoint() == Checkpoint(ORIGIN, new, GOOD.root(new))
        old = new


def test_what_a_reader_refuses() -> None:
    known = advanced(reader(), cosigned(GOOD, 5))
    path = proof(GOOD, 5, 9)
    assert refused(lambda: known.advance(cosigned(GOOD, 9, "12"), path)) is Reason.COSIGNATURES
    assert refused(lambda: known.advance(cosigned(GOOD, 9, "113"), path)) is Reason.COSIGNATURES
    assert refused(lambda: known.advance(cosigned(GOOD, 9), ())) is Reason.LOG_PROOF
    assert refused(lambda: known.advance(cosigned(GOOD, 9), path[:-1])) is Reason.LOG_PROOF
    assert refused(lambda: known.advance(cosigned(EVIL, 9), path)) is Reason.LOG_PROOF
    foreign = note_of(GOOD, 9, OTHER).encode()
    assert refused(lambda: known.advance(foreign, path)) is Reason.NOTE_SIGNATURE
    assert refused(lambda: known.advance(b"", path)) is Reason.NOTE
    assert refused(lambda: reader().advance(cosigned(GOOD, 5), path)) is Reason.LOG_PROOF
    assert refused(lambda: reader().advance(cosigned(GOOD, 5, "12"))) is Reason.COSIGNATURES
    advanced(known, cosigned(GOOD, 9), path)


def test_going_back_is_noticed_and_not_followed() -> None:
    known = advanced(reader(), cosigned(GOOD, 9))
    assert known.advance(cosigned(GOOD, 5)) == RolledBack(known=9, given=5)
    assert known.advance(cosigned(EVIL, 8)) == RolledBack(known=9, given=8)
    assert refused(lambda: known.advance(cosigned(GOOD, 5, "1"))) is Reason.COSIGNATURES


def test_a_fork_shown_to_a_reader_convicts() -> None:
    known = advanced(reader(), cosigned(GOOD, 9))
    for names in ("123", ""):
        outcome = known.advance(cosigned(EVIL, 9, names))
        assert isinstance(outcome, Forked)
        forks.check_equivocation(outcome.evidence, ORIGIN, PUBLIC)


@given(st.binary(max_size=200) | st.integers(0, 2000), st.integers(1, 40))
def test_any_octets_advance_or_are_refused(data: bytes | int, size: int) -> None:
    known = advanced(reader(), cosigned(GOOD, 9))
    if isinstance(data, int):
        octets = bytearray(cosigned(GOOD, size))
        octets[data // 8 % len(octets)] ^= 1 << data % 8
        data = bytes(octets)
    try:
        outcome = known.advance(data, proof(GOOD, 9, size) if size >= 9 else ())
    except PeerError:
        return
    # A flipped bit in a line that nobody needed.
    assert isinstance(outcome, (Advanced, RolledBack))
