"""A store in one sealed file, to back it up or to move it to another kind of database.

    octets  what
    11      `guosuo-dump`
    1       version, 1
    16      identifier of the store
    16      identifier of the dump
    …       pieces: 1 octet (1: the last one), 4 octets length, sealed rows

Each piece is sealed under the dump, its number and whether it is the last, so a file
that was cut, or put together from two, is refused. The first piece holds the version
of the schema; the others hold rows, each with its length: table, then values by column
name. Rows keep the seals of their own.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from sqlalchemy import Connection, column, inspect, select, table

from guosuo.curve.entropy import Entropy
from guosuo.errors import CallerError, Reason, refuse
from guosuo.host.files import PRIVATE
from guosuo.host.vault import KeyFile
from guosuo.wire import cbor
from guosuo_node.store import upgrade
from guosuo_node.store.database import take_time
from guosuo_node.store.sealing import Sealer
from guosuo_node.store.tables import METADATA

MAGIC: Final = b"guosuo-dump"
VERSION: Final = 1
_ID_SIZE: Final = 16
_LENGTH: Final = 4
_PIECE: Final = 1 << 18
"""Octets of rows after which a piece is sealed."""
MAX_ROW: Final = 1 << 26
_MAX_PIECE: Final = _PIECE + MAX_ROW + 1024
_ROWS_AT_ONCE: Final = 1000


def write(
    connection: Connection, path: Path, sealer: Sealer, store: bytes, entropy: Entropy
) -> None:
    """Every row that the connection's transaction sees, in a new file of mode 0600.

    `CallerError(STORE_EXISTS)` instead of replacing a file; `CallerError(STORE_FULL)` if it
    cannot be written; then there is no file.
    """
    if path.exists():
        raise CallerError(Reason.STORE_EXISTS, "there is a file of that name")
    take_time(connection)
    written = True
    try:
        _write(connection, path, sealer, store, entropy)
    except OSError:
        written = False
    if not written:
        raise CallerError(Reason.STORE_FULL, "the dump cannot be written there")


def _write(
    connection: Connection, path: Path, sealer: Sealer, store: bytes, entropy: Entropy
) -> None:
    dump = entropy.octets(_ID_SIZE)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            Path(name).chmod(PRIVATE)
            file.write(MAGIC + bytes([VERSION]) + store + dump)
            pieces = _pieces(connection)
            piece, number = next(pieces), 0
            for following in pieces:
                _put(file, sealer, dump, number, piece, last=False)
                piece, number = following, number + 1
            _put(file, sealer, dump, number, piece, last=True)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _pieces(connection: Connection) -> Iterator[bytes]:
    yield _framed(upgrade.version(connection))
    piece = bytearray()
    for source in METADATA.sorted_tables:
        # In steps, so that memory does not grow with the database.
        statement = select(source).execution_options(yield_per=_ROWS_AT_ONCE)
        for row in connection.execute(statement).mappings():
            values: dict[int | str | bytes, cbor.Value] = {str(key): row[key] for key in row}
            piece += _framed([source.name, values])
            if len(piece) >= _PIECE:
                yield bytes(piece)
                piece.clear()
    yield bytes(piece)


def _framed(value: cbor.Value) -> bytes:
    data = cbor.encode(value)
    if len(data) > MAX_ROW:
        raise CallerError(Reason.TOO_LONG, "a row too long for a dump")
    return len(data).to_bytes(_LENGTH, "big") + data


def _put(
    file: IO[bytes], sealer: Sealer, dump: bytes, number: int, piece: bytes, *, last: bool
) -> None:
    sealed = sealer.seal(("dump", dump, number, int(last)), piece)
    file.write(bytes([last]) + len(sealed).to_bytes(_LENGTH, "big") + sealed)


@dataclass(slots=True, repr=False)
class Source:
    """A dump that is being read."""

    store: bytes
    """Identifier of the store that was dumped."""
    version: str
    """Version of its schema."""
    _pieces: Iterator[bytes] = field(repr=False)

    def load(self, connection: Connection) -> None:
        """Insert all rows into tables of that version; `PeerError` as `opened`."""
        take_time(connection)
        known = {
            name: table(name, *(column(item["name"]) for item in inspector.get_columns(name)))
            for inspector in (inspect(connection),)
            for name in inspector.get_table_names()
        }
        for piece in self._pieces:
            rows: dict[str, list[dict[str, Any]]] = {}
            for value in _rows(piece):
                match value:
                    case [str(name), dict(row)] if name in known:
                        rows.setdefault(name, []).append(
                            {str(key): item for key, item in row.items()}
                        )
                    case _:
                        refuse(Reason.STORE_ALTERED, "a row of no table")
            for name, found in rows.items():
                connection.execute(known[name].insert(), found)


@contextmanager
def opened(path: Path, key: KeyFile, entropy: Entropy) -> Iterator[Source]:
    """A dump, its first piece read.

    `CallerError(STORE_MISSING)`; `PeerError`: `STORE_TRUNCATED`, `MESSAGE_VERSION`,
    `STORE_ALTERED` also for another key file.
    """
    if not path.is_file():
        raise CallerError(Reason.STORE_MISSING, "no such file")
    with path.open("rb") as file:
        front = file.read(len(MAGIC) + 1 + 2 * _ID_SIZE)
        if not front.startswith(MAGIC):
            refuse(Reason.STORE_ALTERED, "not a dump of a store")
        if len(front) < len(MAGIC) + 1 + 2 * _ID_SIZE:
            refuse(Reason.STORE_TRUNCATED)
        if front[len(MAGIC)] != VERSION:
            refuse(Reason.MESSAGE_VERSION, "another version of the node wrote the dump")
        store, dump = front[-2 * _ID_SIZE : -_ID_SIZE], front[-_ID_SIZE:]
        pieces = _opened(file, Sealer(key, store, entropy), dump)
        version = next(_rows(next(pieces)), None)
        if not isinstance(version, str):
            refuse(Reason.STORE_ALTERED)
        upgrade.check_known(version)
        yield Source(store, version, pieces)


def _opened(file: IO[bytes], sealer: Sealer, dump: bytes) -> Iterator[bytes]:
    number, last = 0, False
    while not last:
        head = file.read(1 + _LENGTH)
        size = int.from_bytes(head[1:], "big")
        if len(head) < 1 + _LENGTH:
            refuse(Reason.STORE_TRUNCATED)
        if size > _MAX_PIECE:
            refuse(Reason.STORE_ALTERED)
        sealed = file.read(size)
        if len(sealed) < size:
            refuse(Reason.STORE_TRUNCATED)
        last = head[0] == 1
        yield sealer.unseal(("dump", dump, number, head[0]), sealed)
        number += 1
    if file.read(1):
        refuse(Reason.STORE_ALTERED, "octets after the end")


def _rows(piece: bytes) -> Iterator[cbor.Value]:
    place = 0
    while place < len(piece):
        start = place + _LENGTH
        place = start + int.from_bytes(piece[start - _LENGTH : start], "big")
        yield cbor.decode(piece[start:place], max_size=MAX_ROW)
