"""Witnesses of logs: what they cosign, what they refuse, and what convicts a log."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guosuo.errors import CallerError, PeerError, Reason
from guosuo.federation import checkpoints, forks, notes, witness
from guosuo.federation.forks import Equivocation
from guosuo.federation.merkle import Proof, Tree
from guosuo.federation.witness import (
    Accepted,
    AddCheckpoint,
    Decision,
    Refusal,
    Refused,
    Seen,
    Witness,
)
from tests.support.log import (
    EVIL,
    GOOD,
    ORIGIN,
    OTHER,
    PUBLIC,
    QUORUM,
    WITNESSES,
    note_of,
    proof,
    refused,
)


@dataclass
class Stage:
    """A witness whose memory is stored as a node would store it."""

    witness: Witness = field(default_factory=lambda: Witness("1", WITNESSES["1"]))
    stored: dict[str, bytes] = field(default_factory=dict)
    now: int = 1000

    def ask(self, tree: Tree, old: int, size: int, path: Proof | None = None) -> Decision:
        data = note_of(tree, size).encode()
        given = proof(tree, old, size) if path is None and 0 <= old <= size else path or ()
        decision = self.witness.add_checkpoint(PUBLIC, old, given, data)
        if decision.persist is not None:
            self.stored[ORIGIN] = decision.persist.after.encode()
        if isinstance(decision, Accepted):
            line = self.witness.persisted(decision, self.now)
            note = notes.parse(data).signed_by([line])
            assert checkpoints.cosigned(note, QUORUM.keys) == {"1"}
            assert checkpoints.cosignature_time(note, self.witness.note_key) == self.now
        elif decision.persist is not None:
            self.witness.remember(decision.persist)
        return decision

    def restart(self) -> None:
        seen = {origin: Seen.decode(data) for origin, data in self.stored.items()}
        self.witness = Witness("1", WITNESSES["1"], seen)


def refusal(decision: Decision) -> tuple[Refusal, int]:
    assert isinstance(decision, Refused)
    return decision.refusal, decision.known


# --- the rules of tlog-witness ---


def test_a_log_that_grows() -> None:
    stage = Stage()
    for old, new in [(0, 0), (0, 3), (3, 3), (3, 6), (6, 7), (7, 40)]:
        assert isinstance(stage.ask(GOOD, old, new), Accepted)
        stage.restart()
        seen = stage.witness.seen[ORIGIN]
        assert (seen.size, seen.root, seen.asked_size) == (new, GOOD.root(new), new)
        assert stage.witness.largest(ORIGIN) == seen.note == note_of(GOOD, new).encode()


def test_status_of_each_refusal() -> None:
    stage = Stage()
    stage.ask(GOOD, 0, 5)
    data = note_of(GOOD, 9).encode()
    good = proof(GOOD, 5, 9)
    ask = stage.witness.add_checkpoint
    malformed = ask(PUBLIC, 5, good, data[:-1])
    assert refusal(malformed) == (Refusal.MALFORMED, 0)
    assert refusal(ask(None, 5, good, data)) == (Refusal.UNKNOWN_LOG, 0)
    assert refusal(ask(bytes(OTHER.verify_key), 5, good, data)) == (Refusal.UNKNOWN_KEY, 5)
    assert refusal(ask(b"", 5, good, data)) == (Refusal.UNKNOWN_KEY, 5)
    assert refusal(ask(PUBLIC, 10, good, data)) == (Refusal.MALFORMED, 5)
    assert refusal(ask(PUBLIC, -1, good, data)) == (Refusal.MALFORMED, 5)
    for old in (0, 4, 6, 9):
        decision = ask(PUBLIC, old, good, data)
        assert refusal(decision) == (Refusal.OTHER_SIZE, 5)
        assert isinstance(decision, Refused)
        assert (decision.status, decision.body) == (409, b"5\n")
    for path in ((), good[1:], (*good, bytes(32)), (bytes(32),) * 100, (b"",)):
        decision = ask(PUBLIC, 5, path, data)
        assert refusal(decision) == (Refusal.BAD_PROOF, 5)
        assert isinstance(decision, Refused)
        assert (decision.status, decision.body) == (422, b"")
    assert isinstance(ask(PUBLIC, 5, good, data), Accepted)
    fresh = Stage().ask(GOOD, 0, 5, path=(bytes(32),))
    assert refusal(fresh) == (Refusal.BAD_PROOF, 0)


def test_signatures_of_others_do_not_matter() -> None:
    stage = Stage()
    note = note_of(GOOD, 5)
    crowd = note.signed_by([notes.sign(note.text, f"n{i}", OTHER) for i in range(40)])
    decision = stage.witness.add_checkpoint(PUBLIC, 0, (), crowd.encode())
    assert isinstance(decision, Accepted)
    assert decision.persist.after.note == note.encode(), "and are not stored"
    own = note_of(GOOD, 5, OTHER)
    decision = stage.witness.add_checkpoint(PUBLIC, 0, (), own.encode())
    assert refusal(decision) == (Refusal.UNKNOWN_KEY, 0)


def test_no_cosignature_before_it_is_stored() -> None:
    """The race of tlog-witness: two requests from one state, of which one is stored."""
    stage = Stage()
    stage.ask(GOOD, 0, 5)
    slow = stage.witness.add_checkpoint(PUBLIC, 5, proof(GOOD, 5, 6), note_of(GOOD, 6).encode())
    fast = stage.witness.add_checkpoint(PUBLIC, 5, proof(GOOD, 5, 9), note_of(GOOD, 9).encode())
    assert isinstance(slow, Accepted)
    assert isinstance(fast, Accepted)
    assert slow.persist.before == fast.persist.before == stage.witness.seen[ORIGIN]
    stage.witness.persisted(fast, 1000)
    with pytest.raises(CallerError) as caught:
        stage.witness.persisted(slow, 1000)
    assert caught.value.reason is Reason.STATE
    assert stage.witness.seen[ORIGIN].size == 9


def test_a_decision_alone_changes_nothing() -> None:
    witness = Witness("1", WITNESSES["1"])
    data = note_of(GOOD, 5).encode()
    assert isinstance(witness.add_checkpoint(PUBLIC, 0, (), data), Accepted)
    assert witness.seen == {}
    assert witness.largest(ORIGIN) is None


def test_a_log_that_was_set_back_learns_of_it() -> None:
    """What was asked for is remembered, though the proof did not hold."""
    stage = Stage()
    stage.ask(GOOD, 0, 5)
    assert refusal(stage.ask(GOOD, 5, 9, path=())) == (Refusal.BAD_PROOF, 5)
    stage.restart()
    assert stage.witness.largest(ORIGIN) == note_of(GOOD, 9).encode()
    assert stage.witness.seen[ORIGIN].size == 5
    stage.ask(GOOD, 5, 7)
    assert stage.witness.largest(ORIGIN) == note_of(GOOD, 9).encode(), "still the largest"
    assert isinstance(stage.ask(GOOD, 7, 9), Accepted)
    unknown = Stage()
    assert refusal(unknown.ask(GOOD, 2, 9)) == (Refusal.OTHER_SIZE, 0)
    assert unknown.witness.largest(ORIGIN) == note_of(GOOD, 9).encode()


steps = st.tuples(st.booleans(), st.integers(0, 14), st.integers(0, 14), st.booleans())


@given(st.lists(steps, max_size=25))
def test_what_is_cosigned_is_one_history(history: list[tuple[bool, int, int, bool]]) -> None:
    """A log that lies as it likes, and a witness that is restarted now and then."""
    stage = Stage()
    accepted: list[tuple[Tree, int]] = []
    for evil, old, size, restart in history:
        tree = EVIL if evil else GOOD
        if isinstance(stage.ask(tree, old, size), Accepted):
            accepted.append((tree, size))
        if restart:
            stage.restart()
    found = [size for _, size in accepted]
    assert found == sorted(found)
    for tree, size in accepted:
        last = accepted[-1][0]
        assert tree.root(size) == last.root(size)


# --- two histories ---


def test_two_roots_of_one_size_convict_the_log() -> None:
    stage = Stage()
    stage.ask(GOOD, 0, 9)
    for old in (0, 9, 5):
        decision = stage.ask(EVIL, old, 9)
        assert refusal(decision) == (Refusal.OTHER_SIZE, 9)
        assert isinstance(decision, Refused)
        assert decision.evidence is not None
        evidence = Equivocation.decode(decision.evidence.encode())
        forks.check_equivocation(evidence, ORIGIN, PUBLIC)
        assert stage.witness.seen[ORIGIN].root == GOOD.root(9)


def test_what_was_only_asked_for_convicts_too() -> None:
    stage = Stage()
    stage.ask(GOOD, 0, 5)
    stage.ask(EVIL, 5, 9, path=())
    decision = stage.ask(GOOD, 5, 9)
    assert refusal(decision) == (Refusal.OTHER_SIZE, 5)
    assert isinstance(decision, Refused)
    assert decision.evidence is not None
    forks.check_equivocation(decision.evidence, ORIGIN, PUBLIC)


def test_a_fork_of_another_size_gets_nothing() -> None:
    stage = Stage()
    stage.ask(GOOD, 0, 9)
    decision = stage.ask(EVIL, 9, 12)
    assert refusal(decision) == (Refusal.BAD_PROOF, 9)
    assert isinstance(decision, Refused)
    assert decision.evidence is None


# --- requests over HTTP ---


def test_the_request_of_the_specification() -> None:
    hashes = [
        "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=",
        "jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=",
        "5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=",
        "/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=",
    ]
    note = (
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
        "\u2014 example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4"
        "URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    ).encode()
    body = "old 20852014\n" + "".join(f"{one}\n" for one in hashes) + "\n"
    request = witness.parse_request(body.encode() + note)
    assert request == AddCheckpoint(20852014, tuple(base64.b64decode(one) for one in hashes), note)
    assert request.encode() == body.encode() + note
    assert witness.origin_of(request.note) == "example.com/behind-the-sofa"


HASH = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "head",
    [
        "",
        "old\n",
        "old 05\n",
        "old -1\n",
        "Old 5\n",
        "old  5\n",
        "old 5 \n",
        "5\n",
        "old \u0665\n",
        "old 9223372036854775808\n",
        "old 5\nAAAA\n",
        f"old 5\n{HASH}=\n",
        f"old 5\n {HASH}\n",
        f"old 5\r\n{HASH}\n",
        f"old 5\n\n{HASH}\n",
        f"old 5\n{HASH}",
    ],
)
def test_malformed_requests(head: str) -> None:
    note = note_of(GOOD, 9).encode()
    good = f"old 5\n{HASH}\n\n".encode() + note
    assert witness.parse_request(good).proof == (bytes(32),)

    def decide() -> None:
        """A note with something before it is read as a part of the request, or the reverse."""
        request = witness.parse_request(f"{head}\n".encode() + note)
        notes.parse(request.note)
        witness.origin_of(request.note)

    assert refused(decide) is Reason.NOTE


def test_bounds_of_requests() -> None:
    note = note_of(GOOD, 9).encode()
    longest = AddCheckpoint(5, (bytes(32),) * 63, note)
    assert witness.parse_request(longest.encode()) == longest
    with pytest.raises(CallerError):
        AddCheckpoint(5, (bytes(32),) * 64, note).encode()
    data = longest.encode().replace(b"old 5\n", f"old 5\n{HASH}\n".encode())
    assert refused(lambda: witness.parse_request(data)) is Reason.TOO_LONG
    huge = longest.encode() + bytes(witness.MAX_REQUEST)
    assert refused(lambda: witness.parse_request(huge)) is Reason.TOO_LONG


@given(st.binary() | st.text().map(lambda t: f"old 5\n{t}\n\n".encode() + b"note"))
def test_any_octets_are_a_request_or_refused(data: bytes) -> None:
    try:
        request = witness.parse_request(data)
    except PeerError:
        return
    assert request.encode() == data


def test_answers() -> None:
    text = note_of(GOOD, 9).text
    lines = [checkpoints.cosign(text, f"guosuo-witness/{n}", WITNESSES[n], 7) for n in "12"]
    body = "".join(line.line() for line in lines).encode()
    assert list(witness.parse_answer(body)) == lines
    for bad in (b"", body[:-1], body + b"\n", b"\xff", b"no line\n"):
        assert refused(lambda bad=bad: witness.parse_answer(bad)) is Reason.NOTE  # type: ignore[misc]
    assert refused(lambda: witness.parse_answer(body * 600)) is Reason.TOO_LONG


def test_keys_are_not_shown() -> None:
    shown = repr(Witness("1", WITNESSES["1"]))
    assert shown == "Witness(name='1')"
