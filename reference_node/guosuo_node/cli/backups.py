"""A node in one file: everything that it cannot get back from others.

A tar archive with, in this order,

    private.vault   settings, keys, certificates, policies …, sealed under the backup's own
                    passphrase or key file; and the hash of the next part
    store.dump      one moment of the store, sealed under the node's key (in private.vault)
    blobs/<hash>    public files of the own log that readers still need; named by hash

All other public files are at every other node, which hands them back.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Final

from guosuo.curve.entropy import Entropy
from guosuo.errors import CallerError, PeerError, Reason, refuse
from guosuo.federation.entries import Board, EpochEntry, ListEntry
from guosuo.federation.records import Kind, LogEntry, digest, payload
from guosuo.federation.trust_list import ListPart
from guosuo.host import vault
from guosuo.host.files import PRIVATE, PUBLIC, write_atomically
from guosuo.host.vault import KeyFile, Secret
from guosuo.policy.table import PolicyPart
from guosuo.wire import cbor
from guosuo_node.app.blobs import BlobStore
from guosuo_node.host.settings import Home, Settings
from guosuo_node.store.store import Store

KIND: Final = "node-backup"
_VERSION: Final = 1
_PRIVATE: Final = "private.vault"
_DUMP: Final = "store.dump"
_BLOBS: Final = "blobs"
_FOLDERS: Final = ("private", "tls", "peers", "policies")
_MAX_FILE: Final = 4 << 20
_MAX_PRIVATE: Final = 64 << 20
_MAX_BLOB: Final = 64 << 20
_CHUNK: Final = 1 << 20
_KEEP: Final = 4
"""Epochs whose boards readers may still need."""
_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Contents:
    """What a backup has, for whoever made or restored it."""

    name: str
    made: int
    """Unix seconds."""
    entries: int
    """Of the own log."""
    files: int
    blobs: int


# --- making -----------------------------------------------------------------------------


def backup(home: Home, file: Path, secret: Secret, entropy: Entropy, now: int) -> Contents:
    """Write everything into a new file of mode 0600; the node may run meanwhile.

    `CallerError(STORE_EXISTS)` instead of replacing a file; refusals of `Store.reading`.
    """
    if file.exists():
        raise CallerError(Reason.STORE_EXISTS, "there is a file of that name; choose another")
    if not home.charter.is_file():
        hint = "this node joined no federation: it has no store yet, copy its directory"
        raise CallerError(Reason.STORE_MISSING, hint)
    settings = Settings.load(home)
    key = KeyFile(home.key)
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=f".{file.name}.") as name:
        folder = Path(name)
        dump, archive = folder / _DUMP, folder / "archive"
        with Store.reading(settings.database or home.database, key, entropy) as store:
            # 1. The store first: what it names is on the disk before it names it.
            store.dump(dump)
            entries = store.entry_count()
            blobs = _present(home, needed(store, BlobStore(home.public / _BLOBS)))
        # 2. Files that change seldom, and never so that an older store would not fit.
        files = _files(home)
        sealed = _seal(settings.name, files, dump, secret, entropy, now)
        with archive.open("wb") as out, tarfile.open(fileobj=out, mode="w") as tar:
            _add(tar, _PRIVATE, io.BytesIO(sealed), len(sealed))
            with dump.open("rb") as source:
                _add(tar, _DUMP, source, dump.stat().st_size)
            for path in blobs:
                with path.open("rb") as source:
                    _add(tar, f"{_BLOBS}/{path.name}", source, path.stat().st_size)
        archive.chmod(PRIVATE)
        with archive.open("rb") as written:
            os.fsync(written.fileno())
        archive.replace(file)
    return Contents(settings.name, now, entries, len(files), len(blobs))


def needed(store: Store, blobs: BlobStore) -> set[bytes]:
    """Names of blobs that others need of the own log: allotments, recent boards, documents."""
    always: set[bytes] = set()
    recent: dict[int, set[bytes]] = {}
    boards: dict[int, bytes] = {}
    parts: dict[bytes, int] = {}
    start = 0
    while page := store.entries(start, _PAGE):
        start += len(page)
        for entry in page:
            body = LogEntry.decode(payload(entry.data)).body
            match entry.kind:
                case Kind.EPOCH.value:
                    epoch = EpochEntry.decode(body)
                    always.add(epoch.allotment)
                    recent.setdefault(epoch.epoch, set()).update((epoch.status, epoch.board))
                    boards[epoch.epoch] = epoch.board
                case Kind.POLICY.value:
                    policy = PolicyPart.decode(body)
                    always |= {policy.document, policy.table}
                case Kind.LIST_PART.value:
                    parts[digest(body)] = ListPart.decode(body).epoch
                case Kind.LIST.value:
                    listed = ListEntry.decode(body)
                    recent.setdefault(parts.get(listed.part, 0), set()).add(listed.keys)
    oldest = max(recent, default=0) - _KEEP
    found = always.union(*(names for epoch, names in recent.items() if epoch > oldest))
    for number, board in boards.items():
        if number > oldest:
            with contextlib.suppress(PeerError):
                for ref in Board.decode(blobs.get(board)).buckets:
                    found |= {ref.data, *([] if ref.proof is None else [ref.proof])}
    return found


def _present(home: Home, names: set[bytes]) -> list[Path]:
    blobs = BlobStore(home.public / _BLOBS)
    return sorted(path for path in map(blobs.path, names) if path.is_file())


def _files(home: Home) -> dict[str, bytes]:
    """Everything of a node's directory that is neither public nor the store."""
    paths = [path for path in home.path.iterdir() if path.suffix not in {".log", ".lock"}]
    for folder in _FOLDERS:
        inside = home.path / folder
        paths += inside.iterdir() if inside.is_dir() else ()
    found: dict[str, bytes] = {}
    for path in sorted(paths):
        hidden = path.name.startswith(".")
        if not path.is_file() or hidden or path.name.startswith("node.db"):
            continue
        if path.stat().st_size > _MAX_FILE:
            hint = f"{path.name} is too large for a backup: keep it outside of the node's directory"
            raise CallerError(Reason.TOO_LONG, hint)
        found[path.relative_to(home.path).as_posix()] = path.read_bytes()
    return found


def _seal(
    name: str, files: dict[str, bytes], dump: Path, secret: Secret, entropy: Entropy, now: int
) -> bytes:
    with dump.open("rb") as source:
        hashed = hashlib.file_digest(source, "sha256").digest()
    named: dict[int | str | bytes, cbor.Value] = {}
    named.update(files)
    plain = cbor.encode([_VERSION, name, now, hashed, named])
    if len(plain) > _MAX_PRIVATE:
        raise CallerError(Reason.TOO_LONG, "the node's directory is too large for a backup")
    return vault.seal(KIND, plain, secret, entropy)


def _add(tar: tarfile.TarFile, name: str, source: IO[bytes], size: int) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, PRIVATE
    tar.addfile(info, source)


# --- restoring --------------------------------------------------------------------------


def restore(
    file: Path, home: Home, secret: Secret, entropy: Entropy, *, database: str | None = None
) -> Contents:
    """A node's directory and store from a backup; all of it, or nothing.

    `database`: a URL in place of the one in the settings, or `sqlite` for a file in the
    directory. `CallerError(STORE_EXISTS)` for a directory or database that holds something;
    `PeerError` for a file that was cut, altered, or sealed with something else.
    """
    if not file.is_file():
        raise CallerError(Reason.STORE_MISSING, "no such file; check the path")
    if home.path.exists() and any(home.path.iterdir()):
        raise CallerError(Reason.STORE_EXISTS, "that directory holds something; name a new one")
    home.path.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=home.path.parent, prefix=f".{home.path.name}."))
    try:
        contents = _unpack(file, Home(made), secret, entropy, database)
        # As `node init` makes it: what is private is in a folder of its own.
        made.chmod(0o755)
        if home.path.exists():
            home.path.rmdir()
        made.rename(home.path)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    return contents


def _unpack(
    file: Path, home: Home, secret: Secret, entropy: Entropy, database: str | None
) -> Contents:
    with _opened(file) as members:
        name, source = next(members, ("", io.BytesIO()))
        if name != _PRIVATE:
            refuse(Reason.STORE_ALTERED, "not a backup of a node")
        label, now, hashed, files = _unsealed(_read(source, _MAX_PRIVATE + 4096), secret)
        _write(home, files)
        if database is not None:
            text = home.settings.read_text(encoding="utf-8")
            changed = with_database(text, None if database == "sqlite" else database)
            write_atomically(home.settings, changed.encode(), mode=PRIVATE)
        settings = Settings.load(home)
        dump = home.private / _DUMP
        name, source = next(members, ("", io.BytesIO()))
        if name != _DUMP or _copy(source, dump) != hashed:
            refuse(Reason.STORE_ALTERED, "the backup was put together from two, or cut")
        blobs = BlobStore(home.public / _BLOBS)
        count = 0
        for name, source in members:
            data = _read(source, _MAX_BLOB)
            if name != f"{_BLOBS}/{hashlib.sha256(data).hexdigest()}":
                refuse(Reason.STORE_ALTERED, "a public file of the backup is damaged")
            blobs.put(data)
            count += 1
    url = settings.database or home.database
    # The store is last: of what came before nothing remains if it is refused.
    store = Store.restore(url, KeyFile(home.key), entropy, dump)
    try:
        entries = store.entry_count()
    finally:
        store.close()
    dump.unlink()
    return Contents(label, now, entries, len(files), count)


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[Iterator[tuple[str, IO[bytes]]]]:
    """Names and contents, one after the other; nothing is ever extracted by its name."""

    def members(tar: tarfile.TarFile) -> Iterator[tuple[str, IO[bytes]]]:
        for info in tar:
            source = tar.extractfile(info) if info.isreg() else None
            if source is None:
                refuse(Reason.STORE_ALTERED, "not a backup of a node")
            yield info.name, source

    try:
        with tarfile.open(file, mode="r:") as tar:
            yield members(tar)
    except tarfile.TarError:
        raise PeerError(Reason.STORE_ALTERED, "not a backup of a node, or cut") from None


def _unsealed(data: bytes, secret: Secret) -> tuple[str, int, bytes, dict[str, bytes]]:
    plain = vault.unseal(KIND, data, secret)
    match cbor.decode(plain, max_size=_MAX_PRIVATE):
        case [int(version), *_] if version != _VERSION:
            refuse(Reason.MESSAGE_VERSION, "another version of the node made the backup")
        case [_, str(name), int(made), bytes(hashed), dict(named)]:
            files = {str(path): data for path, data in named.items() if isinstance(data, bytes)}
            return name, made, hashed, files
    raise PeerError(Reason.STORE_ALTERED, "not a backup of a node")


def _write(home: Home, files: dict[str, bytes]) -> None:
    home.private.mkdir(mode=0o700, parents=True)
    for folder in (home.peers, home.policies, home.public):
        folder.mkdir()
    home.requests.mkdir(mode=0o700)
    for name, data in files.items():
        parts = PurePosixPath(name).parts
        inside = len(parts) == 1 or (len(parts) == 2 and parts[0] in _FOLDERS)  # noqa: PLR2004
        if not inside or parts[-1].startswith("."):
            refuse(Reason.STORE_ALTERED, "a file of no node's directory")
        secret = parts[0] == "private" or name.endswith(".key") or len(parts) == 1
        public = name == "card.json"
        write_atomically(home.path / name, data, mode=PUBLIC if public or not secret else PRIVATE)


def _read(source: IO[bytes], most: int) -> bytes:
    data = source.read(most + 1)
    if len(data) > most:
        refuse(Reason.TOO_LONG, "a part of the backup is longer than it can be")
    return data


def _copy(source: IO[bytes], path: Path) -> bytes:
    """Write it there; its hash."""
    made = hashlib.sha256()
    path.touch(mode=PRIVATE)
    with path.open("wb") as out:
        while piece := source.read(_CHUNK):
            made.update(piece)
            out.write(piece)
    return made.digest()


def with_database(text: str, url: str | None) -> str:
    """Settings with another database: a URL, or none for a file in the directory."""
    lines = text.splitlines()
    end = next((i for i, line in enumerate(lines) if line.lstrip().startswith("[")), len(lines))
    head = [line for line in lines[:end] if not line.replace(" ", "").startswith("database=")]
    if url is not None:
        quoted = url.replace("\\", "\\\\").replace('"', '\\"')
        head.insert(0, f'database = "{quoted}"')
    return "\n".join([*head, *lines[end:]]) + "\n"
