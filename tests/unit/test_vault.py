"""Sealed files: only the right secret opens them, and nothing else is ever overwritten."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from pathlib import Path

import nacl.exceptions
import nacl.pwhash.argon2id
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from guosuo.curve.entropy import Entropy
from guosuo.errors import CallerError, GuosuoError, PeerError, Reason
from guosuo.host.vault import (
    CHEAPEST,
    MAGIC,
    MAX_MEMLIMIT,
    MAX_OPSLIMIT,
    MODERATE,
    NONCE_SIZE,
    TAG_SIZE,
    Argon2id,
    Cost,
    Header,
    KeyFile,
    Passphrase,
    Secret,
    load,
    save,
    seal,
    unseal,
)
from guosuo.roles.states import StateKind
from guosuo.wire.cbor import encode as wire
from tests.support.life import live, mentions, secrets_of
from tests.support.world import seeded

KIND, PLAIN = "wallet", b"what nobody else may read"
ENTROPY = Entropy(os.urandom)
posix = pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")


def words(text: str = "correct horse battery staple") -> Passphrase:
    return Passphrase(text, cost=CHEAPEST)


@pytest.fixture
def key_file(tmp_path: Path) -> KeyFile:
    return KeyFile.create(tmp_path / "secret" / "key", seeded(1))


@pytest.fixture(params=["passphrase", "key file"])
def secret(request: pytest.FixtureRequest, key_file: KeyFile) -> Secret:
    return key_file if request.param == "key file" else words()


def refusal(action: Callable[[], object]) -> Reason:
    with pytest.raises(GuosuoError) as refused:
        action()
    return refused.value.reason


# --- sealing and opening -------------------------------------------------------------------


@pytest.mark.parametrize("plain", [b"", PLAIN, bytes(100_000)])
def test_what_was_sealed_comes_back(secret: Secret, plain: bytes) -> None:
    assert unseal(KIND, seal(KIND, plain, secret, ENTROPY), secret) == plain


def test_the_format_is_the_documented_one(key_file: KeyFile, tmp_path: Path) -> None:
    """Header of a file sealed with a key file: no parameters, two fields."""
    sealed = seal(KIND, PLAIN, key_file, seeded(2))
    header = bytes.fromhex("a2646b696e646677616c6c65746473697a651829")
    assert sealed.startswith(MAGIC + b"\x01\x00\x14" + header)
    assert len(sealed) == len(MAGIC) + 3 + len(header) + NONCE_SIZE + len(PLAIN) + TAG_SIZE
    assert seal(KIND, PLAIN, KeyFile(tmp_path / "secret" / "key"), seeded(2)) == sealed


def test_one_key_file_gives_every_kind_and_every_content_another_box(key_file: KeyFile) -> None:
    """Even with randomness that repeats, no key and nonce meet two contents."""
    boxes = {
        seal(kind, plain, key_file, seeded(3))[-len(plain) - TAG_SIZE - NONCE_SIZE :]
        for kind in ("wallet", "issuer")
        for plain in (PLAIN, PLAIN[::-1])
    }
    assert len({box[:NONCE_SIZE] for box in boxes}) == len(boxes) == 4


def test_a_passphrase_is_the_same_however_its_accents_are_typed() -> None:
    sealed = seal(KIND, PLAIN, words("caf\u00e9"), ENTROPY)
    assert unseal(KIND, sealed, words("cafe\u0301")) == PLAIN


@pytest.mark.parametrize("text", ["", "x" * 1025, "\ud800"])
def test_no_passphrase_is_no_passphrase(text: str) -> None:
    with pytest.raises(CallerError) as refused:
        words(text)
    assert refused.value.reason is Reason.ARGUMENT
    assert refused.value.__context__ is None


def test_the_default_cost_is_one_that_can_be_read() -> None:
    assert MODERATE.opslimit <= MAX_OPSLIMIT
    assert MODERATE.memlimit <= MAX_MEMLIMIT
    assert Passphrase("x").parameters(None, ENTROPY).cost == MODERATE
    assert words().parameters(None, ENTROPY).cost == CHEAPEST


def test_what_cannot_be_read_is_not_sealed(key_file: KeyFile) -> None:
    dear = Passphrase("x", cost=Cost(opslimit=MAX_OPSLIMIT + 1, memlimit=8192))
    assert refusal(lambda: seal(KIND, PLAIN, dear, ENTROPY)) is Reason.ARGUMENT
    assert refusal(lambda: seal("k" * 33, PLAIN, key_file, ENTROPY)) is Reason.ARGUMENT


# --- refusals ------------------------------------------------------------------------------


def test_a_wrong_secret_opens_nothing(key_file: KeyFile, tmp_path: Path) -> None:
    other = KeyFile.create(tmp_path / "other", seeded(2))
    by_words, by_file = (seal(KIND, PLAIN, s, ENTROPY) for s in (words(), key_file))
    for data, wrong in (
        (by_words, words("Correct horse battery staple")),
        (by_words, key_file),
        (by_file, other),
        (by_file, words()),
    ):
        with pytest.raises(PeerError) as refused:
            unseal(KIND, data, wrong)
        assert refused.value.reason is Reason.STORE_ALTERED
        assert "altered" in refused.value.hint


def test_a_file_of_another_kind_is_refused(secret: Secret) -> None:
    sealed = seal("wallet-backup", PLAIN, secret, ENTROPY)
    assert refusal(lambda: unseal(KIND, sealed, secret)) is Reason.RECORD_KIND


def test_every_cut_is_seen_as_a_cut_and_never_overwritten(secret: Secret, tmp_path: Path) -> None:
    sealed, path = seal(KIND, PLAIN, secret, ENTROPY), tmp_path / "file"
    for length in range(len(sealed)):
        path.write_bytes(sealed[:length])
        assert refusal(lambda: load(path, KIND, secret)) is Reason.STORE_TRUNCATED
        assert refusal(lambda: save(path, KIND, b"new", secret, ENTROPY)) is (
            Reason.STORE_TRUNCATED
        )
        assert path.read_bytes() == sealed[:length]
    path.write_bytes(sealed + b"x")
    assert refusal(lambda: load(path, KIND, secret)) is Reason.STORE_ALTERED


@pytest.mark.parametrize("change", [0x01, 0x20, 0x80, 0xFF])
def test_every_altered_octet_is_refused_and_never_overwritten(
    secret: Secret, tmp_path: Path, change: int
) -> None:
    sealed, path = seal(KIND, PLAIN, secret, ENTROPY), tmp_path / "file"
    reasons = set()
    for at in range(len(sealed)):
        altered = sealed[:at] + bytes([sealed[at] ^ change]) + sealed[at + 1 :]
        path.write_bytes(altered)
        with pytest.raises(PeerError) as refused:
            save(path, KIND, b"new", secret, ENTROPY)
        reasons.add(refused.value.reason)
        assert path.read_bytes() == altered
    assert reasons <= {
        Reason.STORE_ALTERED,
        Reason.STORE_TRUNCATED,
        Reason.MESSAGE_VERSION,
        Reason.RECORD_KIND,
    }


def test_another_version_is_refused(secret: Secret) -> None:
    sealed = bytearray(seal(KIND, PLAIN, secret, ENTROPY))
    sealed[len(MAGIC)] = 2
    assert refusal(lambda: unseal(KIND, bytes(sealed), secret)) is Reason.MESSAGE_VERSION


def test_the_header_is_part_of_the_key(key_file: KeyFile) -> None:
    """A box moved under the header of another kind does not open."""
    mine, other = (seal(kind, PLAIN, key_file, ENTROPY) for kind in ("wallet", "issuer"))
    assert len(mine) == len(other)
    front = len(mine) - NONCE_SIZE - len(PLAIN) - TAG_SIZE
    moved = other[:front] + mine[front:]
    assert refusal(lambda: unseal("issuer", moved, key_file)) is Reason.STORE_ALTERED


@pytest.mark.parametrize(
    ("opslimit", "memlimit"),
    [(MAX_OPSLIMIT + 1, 8192), (1, MAX_MEMLIMIT + 1), (1, 8191), (0, 8192), (1 << 60, 1 << 60)],
)
def test_a_file_that_asks_too_much_costs_its_reader_nothing(
    monkeypatch: pytest.MonkeyPatch, opslimit: int, memlimit: int
) -> None:
    monkeypatch.setattr(nacl.pwhash.argon2id, "kdf", lambda *_: pytest.fail("derived"))
    size = len(PLAIN) + TAG_SIZE
    header = wire(
        {
            "kind": KIND,
            "size": size,
            "argon2id": {
                "cost": {"opslimit": opslimit, "memlimit": memlimit},
                "salt": bytes(16),
            },
        }
    )
    data = MAGIC + b"\x01" + len(header).to_bytes(2, "big") + header + bytes(NONCE_SIZE + size)
    assert refusal(lambda: unseal(KIND, data, words())) is Reason.STORE_ALTERED


def test_too_little_memory_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bytes:
        raise nacl.exceptions.RuntimeError

    monkeypatch.setattr(nacl.pwhash.argon2id, "kdf", fail)
    assert refusal(lambda: seal(KIND, PLAIN, words(), ENTROPY)) is Reason.ENGINE


SEALED = seal(KIND, PLAIN, words(), ENTROPY)
FRONT = len(SEALED) - NONCE_SIZE - len(PLAIN) - TAG_SIZE


@given(data=st.binary(max_size=300))
@example(data=b"")
@example(data=MAGIC)
def test_any_octets_raise_the_peer_error(data: bytes) -> None:
    for octets in (data, MAGIC + b"\x01" + data, SEALED[:FRONT] + data):
        with pytest.raises(PeerError):
            unseal(KIND, octets, words())


@given(
    cost=st.builds(Cost, opslimit=st.integers(1, 2), memlimit=st.integers(8192, 1 << 16)),
    salt=st.binary(min_size=16, max_size=16),
    box=st.binary(min_size=TAG_SIZE, max_size=100),
)
def test_any_box_under_a_proper_header_raises_the_peer_error(
    cost: Cost, salt: bytes, box: bytes
) -> None:
    parameters = Argon2id(cost=cost, salt=salt)
    header = Header(kind=KIND, size=len(box), argon2id=parameters).encode()
    data = MAGIC + b"\x01" + len(header).to_bytes(2, "big") + header + bytes(NONCE_SIZE) + box
    assert refusal(lambda: unseal(KIND, data, words())) is Reason.STORE_ALTERED


# --- files ---------------------------------------------------------------------------------


def test_a_file_is_private_and_saved_again(secret: Secret, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    for plain in (PLAIN, b"", PLAIN * 2):
        save(path, KIND, plain, secret, ENTROPY)
        assert load(path, KIND, secret) == plain
        if os.name == "posix":
            assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


@posix
def test_a_file_that_others_could_read_is_private_once_saved(
    secret: Secret, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    save(path, KIND, PLAIN, secret, ENTROPY)
    path.chmod(0o644)
    save(path, KIND, PLAIN, secret, ENTROPY)
    assert path.stat().st_mode & 0o777 == 0o600


def test_nothing_foreign_is_overwritten(secret: Secret, tmp_path: Path) -> None:
    path = tmp_path / "file"
    other_kind = seal("issuer", PLAIN, secret, ENTROPY)
    other_secret = seal(KIND, PLAIN, words("another"), ENTROPY)
    for there, reason in (
        (b"my photographs", Reason.STORE_ALTERED),
        (other_kind, Reason.RECORD_KIND),
        (other_secret, Reason.STORE_ALTERED),
    ):
        path.write_bytes(there)
        assert refusal(lambda: save(path, KIND, b"new", secret, ENTROPY)) is reason
        assert path.read_bytes() == there
    assert refusal(lambda: save(tmp_path, KIND, b"new", secret, ENTROPY)) is Reason.STORE_MISSING


def test_a_missing_file_is_missing(secret: Secret, tmp_path: Path) -> None:
    assert refusal(lambda: load(tmp_path / "no", KIND, secret)) is Reason.STORE_MISSING


@posix
def test_a_huge_file_is_not_read(secret: Secret, tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # sparse
    assert refusal(lambda: load(path, KIND, secret)) is Reason.TOO_LONG


def test_a_crash_while_saving_leaves_the_old_file(
    secret: Secret, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    save(path, KIND, PLAIN, secret, ENTROPY)

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        save(path, KIND, b"new", secret, ENTROPY)
    assert load(path, KIND, secret) == PLAIN
    assert not list(tmp_path.glob(".file*"))


# --- passphrases and key files ---------------------------------------------------------------


def test_saving_again_derives_no_second_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    derived, kdf = [], nacl.pwhash.argon2id.kdf

    def counted(size: int, octets: bytes, salt: bytes, ops: int, mem: int) -> bytes:
        derived.append((ops, mem))
        return kdf(size, octets, salt, ops, mem)

    monkeypatch.setattr(nacl.pwhash.argon2id, "kdf", counted)
    path, mine = tmp_path / "file", words()
    for plain in (PLAIN, b"second", b"third"):
        save(path, KIND, plain, mine, ENTROPY)
    assert load(path, KIND, mine) == b"third"
    assert len(derived) == 1
    # A process that reads and writes derives one key; a dearer passphrase takes over.
    later = words()
    assert load(path, KIND, later) == b"third"
    save(path, KIND, b"fourth", later, ENTROPY)
    assert len(derived) == 2
    dearer = Passphrase("correct horse battery staple", cost=Cost(opslimit=2, memlimit=8192))
    save(path, KIND, b"fifth", dearer, ENTROPY)
    assert derived[2:] == [(1, 8192), (2, 8192)]
    assert load(path, KIND, words()) == b"fifth"


@posix
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o620, 0o601])
def test_a_key_file_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    KeyFile.create(path, ENTROPY)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(mode)
    assert refusal(lambda: KeyFile(path)) is Reason.STORE_MODE


def test_a_key_file_is_whole_and_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "key"
    KeyFile.create(path, ENTROPY)
    key = path.read_bytes()
    assert len(key) == 32
    assert refusal(lambda: KeyFile.create(path, seeded(9))) is Reason.STORE_EXISTS
    assert path.read_bytes() == key
    assert refusal(lambda: KeyFile(tmp_path / "no")) is Reason.STORE_MISSING
    path.write_bytes(key[:-1])
    assert refusal(lambda: KeyFile(path)) is Reason.STORE_TRUNCATED
    path.write_bytes(key + b"x")
    assert refusal(lambda: KeyFile(path)) is Reason.TOO_LONG


# --- secrets -------------------------------------------------------------------------------


def test_sealed_octets_reprs_and_errors_tell_no_secret(tmp_path: Path) -> None:
    life = live()
    key = KeyFile.create(tmp_path / "key", ENTROPY)
    for secret in (words(), key):
        data = {kind: seal(kind, plain, secret, ENTROPY) for kind, plain in life.stored.items()}
        texts = [repr(secret), str(secret)]
        for wrong in (words("wrong"), KeyFile.create(tmp_path / os.urandom(8).hex(), ENTROPY)):
            with pytest.raises(PeerError) as refused:
                unseal(StateKind.WALLET, data[StateKind.WALLET], wrong)
            texts += traceback.format_exception(refused.value)
            texts.append(repr(refused.value.__context__))
        raw, text = b"".join(data.values()), "\n".join(texts)
        hidden = [*secrets_of(life), b"correct horse", (tmp_path / "key").read_bytes()]
        assert not [s for s in hidden if s in raw or s.hex().encode() in raw]
        assert not [s for s in hidden if mentions(text, s)]
