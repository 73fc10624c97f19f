"""Signed notes, checkpoints and cosignatures: published ones, and everything near them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nacl.signing
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guosuo.errors import CallerError, PeerError, Reason
from guosuo.federation import checkpoints, notes
from guosuo.federation.checkpoints import Checkpoint, Quorum
from guosuo.federation.merkle import EMPTY_ROOT, MAX_TREE
from guosuo.federation.notes import Algorithm, Note, NoteKey, Signature
from guosuo.federation.records import signature_holds

KEY = nacl.signing.SigningKey(bytes(range(32)))
PUBLIC = bytes(KEY.verify_key)
ORIGIN = "guosuo/00/110000"
CHECKPOINT = Checkpoint(ORIGIN, 5, bytes(32))
NOTE = checkpoints.sign_checkpoint(CHECKPOINT, KEY)
DATA = NOTE.encode()
WITNESSES = {f"{i}": nacl.signing.SigningKey(bytes([i]) * 32) for i in range(1, 5)}
KEYS = {name: bytes(key.verify_key) for name, key in WITNESSES.items()}


def load(path: Path) -> Any:  # noqa: ANN401 - JSON
    return json.loads(path.read_text())


def cosign(name: str, text: str = NOTE.text, time: int = 7) -> Signature:
    return checkpoints.cosign(text, f"guosuo-witness/{name}", WITNESSES[name], time)


def refused(act: Callable[[], object]) -> Reason:
    with pytest.raises(PeerError) as caught:
        act()
    return caught.value.reason


# --- published ---


def test_published_notes(vectors: Path) -> None:
    opened = 0
    for case in load(vectors / "merkle/signed-notes.json")["cases"]:
        keys = [notes.parse_vkey(text) for text in case["trusted_keys"]]
        data = case["note"].encode()
        if case["opens"]:
            note = notes.parse(data)
            assert notes.verify(note, keys) == set(case["verified_names"]), case["what"]
            assert note.encode() == data
            opened += 1
        else:
            reason = refused(lambda data=data, keys=keys: notes.verify(notes.parse(data), keys))  # type: ignore[misc]
            malformed = case["what"].startswith("malformed")
            assert reason is (Reason.NOTE if malformed else Reason.NOTE_SIGNATURE), case["what"]
    assert opened == 2


def test_published_verifier_keys(vectors: Path) -> None:
    for case in load(vectors / "merkle/signed-notes.json")["verifier_keys"]:
        if case["valid"]:
            assert notes.parse_vkey(case["vkey"]).vkey() == case["vkey"]
        else:
            assert refused(lambda text=case["vkey"]: notes.parse_vkey(text)) is Reason.NOTE  # type: ignore[misc]


def test_published_checkpoints(vectors: Path) -> None:
    examples = load(vectors / "merkle/checkpoint-examples.json")
    plain = notes.parse(examples["checkpoint"].encode())
    cosigned = notes.parse(examples["cosigned_checkpoint"].encode())
    assert plain.text == cosigned.text
    assert plain.signatures == cosigned.signatures[:1]
    checkpoint = checkpoints.parse_text(plain.text)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint.text() == plain.text
    time = examples["witness_cosignature_timestamp"]
    assert cosigned.signatures[1].name == "witness.example.com/w1"
    assert int.from_bytes(cosigned.signatures[1].data[:8], "big") == time
    assert len(cosigned.signatures[1].data) == 8 + 64
    message = checkpoints.cosigned_message(cosigned.text, time)
    assert message.decode() == examples["cosigned_message"]


def test_published_log_signatures(vectors: Path) -> None:
    log = load(vectors / "merkle/tessera-log.json")
    key = notes.parse_vkey(log["vkey"])
    for data in log["checkpoints"].values():
        note = notes.parse(data.encode())
        assert notes.verify(note, [key]) == {key.name}
        moved = Note(note.text.replace("\n", "\n1", 1), note.signatures)
        assert refused(lambda moved=moved: notes.verify(moved, [key])) is Reason.NOTE_SIGNATURE  # type: ignore[misc]


def test_published_ed25519_signatures(vectors: Path) -> None:
    document = load(vectors / "ed25519/ed25519_test.json")
    counts = {"valid": 0, "invalid": 0}
    for group in document["testGroups"]:
        key = bytes.fromhex(group["publicKey"]["pk"])
        for test in group["tests"]:
            message, signature = bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"])
            found = signature_holds(key, message, signature)
            assert found is (test["result"] == "valid"), test["tcId"]
            counts[test["result"]] += 1
    assert counts == {"valid": 44, "invalid": 32}


# --- the form of notes ---


def test_round_trip() -> None:
    assert notes.parse(DATA) == NOTE
    assert checkpoints.open_checkpoint(NOTE, ORIGIN, PUBLIC) == CHECKPOINT
    text = NoteKey(ORIGIN, PUBLIC, Algorithm.COSIGNATURE_V1).vkey()
    assert notes.parse_vkey(text).algorithm is Algorithm.COSIGNATURE_V1


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.replace("\n\n", "\n"),
        lambda d: d.rstrip("\n"),
        lambda d: d + "\n",
        lambda d: d + "x\n",
        lambda d: d.replace("\n", "\r\n"),
        lambda d: d.replace("\u2014 ", "\u2013 "),
        lambda d: d.replace("\u2014 ", "\u2014"),
        lambda d: d.replace("\u2014 ", "\u2014  "),
        lambda d: d.replace("\u2014 guosuo", "\u2014 guo+suo"),
        lambda d: d.replace("\u2014 guosuo", "\u2014 guo\u2003suo"),
        lambda d: d[:-2] + "\n",
        lambda d: d[:-1] + "=\n",
        lambda d: d.replace("guosuo", "guo\tsuo", 1),
        lambda d: d.replace("guosuo", "guo\0suo", 1),
        lambda d: d[: d.index("\u2014")],
        lambda d: d[: d.index("\u2014")] + f"\u2014 {ORIGIN} AAAAAA==\n",
        lambda _: "",
        lambda _: "\n\n",
    ],
)
def test_malformed_notes(change: Callable[[str], str]) -> None:
    data = change(DATA.decode()).encode()
    assert data != DATA
    assert refused(lambda: notes.parse(data)) is Reason.NOTE


def test_not_text() -> None:
    assert refused(lambda: notes.parse(b"\xff" + DATA)) is Reason.NOTE


def test_base64_has_one_spelling() -> None:
    """The last digits of 68 octets hold four bits that no octet has."""
    line = DATA.decode().rstrip("=\n")
    other = line[:-1] + chr(ord(line[-1]) + 1)
    padding = DATA.decode()[len(line) :]
    assert base64.b64decode(other.rsplit(" ", 1)[1] + padding.rstrip("\n"), validate=True)
    assert refused(lambda: notes.parse((other + padding).encode())) is Reason.NOTE


def test_bounds() -> None:
    line = NOTE.signatures[0].line()
    head = DATA.decode().removesuffix(line)
    assert len(notes.parse((head + 64 * line).encode()).signatures) == 64
    assert refused(lambda: notes.parse((head + 65 * line).encode())) is Reason.TOO_LONG
    long = "x" * notes.MAX_NOTE + "\n\n" + line
    assert refused(lambda: notes.parse(long.encode())) is Reason.TOO_LONG
    with pytest.raises(CallerError):
        Note(NOTE.text, NOTE.signatures * 65).encode()
    with pytest.raises(CallerError):
        Note("no newline", NOTE.signatures).encode()


@given(st.binary() | st.text().map(str.encode) | st.text().map(lambda t: t.encode() + DATA))
def test_any_octets_are_a_note_or_refused(data: bytes) -> None:
    try:
        note = notes.parse(data)
        checkpoints.parse_text(note.text)
    except PeerError:
        return
    assert note.encode() == data


@given(st.integers(0, 8 * len(DATA) - 1))
def test_no_bit_of_a_signed_checkpoint_can_be_flipped(bit: int) -> None:
    data = bytearray(DATA)
    data[bit // 8] ^= 1 << bit % 8
    refused(lambda: checkpoints.open_checkpoint(notes.parse(bytes(data)), ORIGIN, PUBLIC))


@given(st.text())
def test_any_text_is_a_verifier_key_or_refused(text: str) -> None:
    for candidate in (text, f"{text}+00000000+AAAA"):
        try:
            assert notes.parse_vkey(candidate).vkey() == candidate
        except PeerError:
            continue


def test_verifier_keys_of_other_algorithms() -> None:
    good = NoteKey("a", PUBLIC).vkey()
    packed = base64.b64encode(b"\x02" + PUBLIC).decode()
    assert refused(lambda: notes.parse_vkey(f"{good[:11]}{packed}")) is Reason.NOTE
    assert refused(lambda: notes.parse_vkey(good.replace("a+", "b+", 1))) is Reason.NOTE
    with pytest.raises(CallerError):
        NoteKey("a b", PUBLIC)
    with pytest.raises(CallerError):
        NoteKey("a", PUBLIC[1:])


# --- checkpoints ---


@pytest.mark.parametrize(
    "lines",
    [
        ["o", "5"],
        ["", "5", "root"],
        ["o", "05", "root"],
        ["o", "-5", "root"],
        ["o", "+5", "root"],
        ["o", " 5", "root"],
        ["o", "5_0", "root"],
        ["o", "\u0665", "root"],
        ["o", "", "root"],
        ["o", str(MAX_TREE + 1), "root"],
        ["o", "9" * 5000, "root"],
        ["o", "5", "root", ""],
        ["o", "5", "root", *["x"] * 17],
        ["o", "5", base64.b64encode(bytes(31)).decode()],
        ["o", "5", base64.b64encode(bytes(33)).decode()],
        ["o", "5", bytes(32).hex()],
        ["o", "0", "root"],
        ["o" * 257, "5", "root"],
    ],
)
def test_malformed_checkpoints(lines: list[str]) -> None:
    root = base64.b64encode(bytes(32)).decode()
    text = "".join(f"{root if line == 'root' else line}\n" for line in lines)
    assert refused(lambda: checkpoints.parse_text(text)) is Reason.NOTE


def test_well_formed_checkpoints() -> None:
    for checkpoint in (
        Checkpoint("o", MAX_TREE, bytes(32)),
        Checkpoint("o", 0, EMPTY_ROOT),
        Checkpoint("o", 1, bytes(32), ("extension",) * 16),
    ):
        assert checkpoints.parse_text(checkpoint.text()) == checkpoint
    with pytest.raises(CallerError):
        Checkpoint("o", 1, b"").text()


def test_another_log_another_key_no_signature() -> None:
    def opened(note: Note = NOTE, origin: str = ORIGIN, key: bytes = PUBLIC) -> Checkpoint:
        return checkpoints.open_checkpoint(note, origin, key)

    assert opened() == CHECKPOINT
    assert refused(lambda: opened(origin="guosuo/00/120000")) is Reason.NOTE
    assert refused(lambda: opened(key=KEYS["1"])) is Reason.NOTE_SIGNATURE
    stranger = notes.sign(NOTE.text, "stranger", WITNESSES["1"])
    assert refused(lambda: opened(Note(NOTE.text, (stranger,)))) is Reason.NOTE_SIGNATURE
    # A cosignature of the log's key is of another type, and no signature of the log.
    own = checkpoints.cosign(NOTE.text, ORIGIN, KEY, 7)
    assert refused(lambda: opened(Note(NOTE.text, (own,)))) is Reason.NOTE_SIGNATURE


# --- cosignatures ---


def test_who_cosigned() -> None:
    note = NOTE.signed_by([cosign("1"), cosign("3")])
    assert checkpoints.open_checkpoint(notes.parse(note.encode()), ORIGIN, PUBLIC) == CHECKPOINT
    assert checkpoints.cosigned(note, KEYS) == {"1", "3"}
    assert checkpoints.cosigned(note, {"1": KEYS["1"]}) == {"1"}
    assert checkpoints.cosigned(note, {"1": KEYS["2"], "2": KEYS["1"]}) == frozenset()
    assert checkpoints.cosigned(NOTE, KEYS) == frozenset()


def test_what_is_no_cosignature() -> None:
    good = cosign("1")
    wrong = [
        cosign("1", checkpoints.Checkpoint(ORIGIN, 6, bytes(32)).text()),
        Signature(good.name, good.key_id, good.data[:-1]),
        Signature(good.name, good.key_id, good.data + b"\0"),
        Signature(good.name, good.key_id, bytes(8) + good.data[8:]),
        Signature(good.name, good.key_id, b"\xff" + good.data[1:]),
        Signature(good.name, bytes(4), good.data),
        Signature("guosuo-witness/2", good.key_id, good.data),
        Signature("1", good.key_id, good.data),
        notes.sign(NOTE.text, good.name, WITNESSES["1"]),
    ]
    for line in wrong:
        assert checkpoints.cosigned(Note(NOTE.text, (line,)), KEYS) == frozenset()
        # Next to a good line a bad one spoils nothing.
        assert checkpoints.cosigned(Note(NOTE.text, (line, good)), KEYS) == {"1"}


def test_time_of_a_cosignature() -> None:
    key = checkpoints.witness_key("1", KEYS["1"])
    lines = [cosign("1", time=time) for time in (7, 9, 8)]
    assert checkpoints.cosignature_time(Note(NOTE.text, tuple(lines)), key) == 9
    assert checkpoints.cosignature_time(NOTE, key) is None
    assert NOTE.signed_by(lines).signatures == (*NOTE.signatures, lines[-1])
    late = (1 << 63).to_bytes(8, "big")
    message = checkpoints.cosigned_message(NOTE.text, 1 << 63)
    beyond = Signature(key.name, key.key_id, late + WITNESSES["1"].sign(message).signature)
    assert checkpoints.cosignature_time(Note(NOTE.text, (beyond,)), key) is None
    for time in (-1, 1 << 63):
        with pytest.raises(CallerError):
            cosign("1", time=time)


def test_operators_count_once() -> None:
    operators = {"1": "a", "2": "a", "3": "b", "4": "c"}
    for names, expected in [("12", 1), ("123", 2), ("1234", 3), ("34", 2), ("", 0)]:
        note = NOTE.signed_by([cosign(name) for name in names])
        assert Quorum(KEYS, operators, 2).count(note) == expected
        if expected >= 2:
            Quorum(KEYS, operators, 2).check(note)
        else:
            assert refused(lambda note=note: Quorum(KEYS, operators, 2).check(note)) is (  # type: ignore[misc]
                Reason.COSIGNATURES
            )
