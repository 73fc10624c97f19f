"""A node's store: what must outlast the process.

Only the leader writes what the node signs or promises, through a `Writer` and
conditional on its lease. What any process may write, without a lease, either compares
and sets (witness) or is the same whoever writes it (other regions' records, evidence).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Table, delete, func, select, update

from guosuo.curve.entropy import Entropy
from guosuo.errors import CallerError, Reason, refuse
from guosuo.federation.records import digest
from guosuo.host.vault import KeyFile
from guosuo_node.store import dumping, lease, tables, upgrade
from guosuo_node.store.database import Database, insert_first, insert_missing, upsert
from guosuo_node.store.reading import Reading
from guosuo_node.store.rows import Lease, Peer
from guosuo_node.store.sealing import Sealer
from guosuo_node.store.writer import Writer

_ID: Final = "store"
_ID_SIZE: Final = 16
_KEY_CHECK: Final = "key-check"
_NAME_SIZE: Final = 16


class Store(Reading):
    """An open store; blocking, safe for several threads. `StoreUnavailable` everywhere."""

    def __init__(self, database: Database, store: bytes, key: KeyFile, entropy: Entropy) -> None:
        """Use `create`, `open` or `restore`."""
        self._database = database
        self._entropy = entropy
        self._sealer = Sealer(key, store, entropy)
        self.id = store
        """Drawn when the store was made; a restored copy has the same."""

    def __repr__(self) -> str:
        return f"Store({self._database!r})"

    # --- opening ----------------------------------------------------------------------

    @classmethod
    def create(cls, url: str, key: KeyFile, entropy: Entropy) -> Store:
        """A new store in an empty database; `CallerError(STORE_EXISTS)` in any other."""
        database, store = Database(url), entropy.octets(_ID_SIZE)
        made = cls(database, store, key, entropy)

        def work(connection: Connection) -> None:
            upgrade.create(connection)
            upsert(connection, tables.META, [{"key": _ID, "value": store}])
            made._seal_check(connection)

        database.make_file()
        made._or_close(work)
        return made

    @classmethod
    def open(cls, url: str, key: KeyFile, entropy: Entropy) -> Store:
        """The store in a database, brought up to this version.

        `CallerError(STORE_MISSING)` if there is none; `PeerError(MESSAGE_VERSION)` for a
        newer version's; `PeerError(STORE_ALTERED)` for another key file's.
        """
        database = Database(url)
        path = database.file
        if path is not None and not path.is_file():
            raise CallerError(Reason.STORE_MISSING, "there is no such database")
        try:
            database.write(upgrade.upgrade)
            opened = cls(database, database.read(_identity), key, entropy)
            opened._check_key()
        except BaseException:
            database.close()
            raise
        return opened

    @classmethod
    @contextmanager
    def reading(cls, url: str, key: KeyFile, entropy: Entropy) -> Iterator[Store]:
        """The store in a database as it is, to read or dump it; nothing is upgraded.

        Refusals of `open`; `PeerError(MESSAGE_VERSION)` for an older version's, too.
        """
        database = Database(url)
        try:
            path = database.file
            if path is not None and not path.is_file():
                raise CallerError(Reason.STORE_MISSING, "there is no such database")
            store = database.read(_identity_of_head)
            opened = cls(database, store, key, entropy)
            opened._check_key()
            yield opened
        finally:
            database.close()

    @classmethod
    def restore(cls, url: str, key: KeyFile, entropy: Entropy, path: Path) -> Store:
        """A store in an empty database from what `dump` wrote, of whatever kind of database.

        `CallerError(STORE_EXISTS)`; `CallerError(STORE_MISSING)`; `PeerError` for another
        key file's dump, a newer version's, or one that was cut or altered: nothing is
        restored then. Nobody leads in the copy.
        """
        database = Database(url)
        with dumping.opened(path, key, entropy) as source:
            database.make_file()
            made = cls(database, source.store, key, entropy)

            def work(connection: Connection) -> None:
                upgrade.create(connection, source.version)
                source.load(connection)
                upgrade.upgrade(connection)
                lease.vacate(connection)

            made._or_close(work)
        return made

    def close(self) -> None:
        """Let all connections go."""
        self._database.close()

    def dump(self, path: Path) -> None:
        """One moment of everything, sealed with the node's key, in a new file of mode 0600."""
        self._database.read(
            lambda connection: dumping.write(connection, path, self._sealer, self.id, self._entropy)
        )

    # --- leading ----------------------------------------------------------------------

    def acquire(self, holder: str, now: int, seconds: int) -> Lease | None:
        """Lead from now on, under a new number; None while another holder's time lasts.

        `holder` names one process, or one machine that runs one process of this node:
        whoever asks under the name of the present leader takes its place at once.
        """
        return self._database.write(lambda c: lease.acquire(c, holder, now, seconds))

    def renew(self, held: Lease, now: int, seconds: int) -> Lease:
        """The same number for longer; `Fenced` if somebody took over."""
        return self._database.write(lambda c: lease.renew(c, held, now, seconds))

    def release(self, held: Lease) -> None:
        """Let others lead at once; nothing is written under this lease any more. `Fenced`."""
        self._database.write(lambda c: lease.release(c, held))

    def writer(self) -> Writer:
        """A new, empty list of things to write; touches no database."""
        return Writer(self._entropy.octets(_NAME_SIZE))

    def write(self, held: Lease, writer: Writer) -> None:
        """Everything in `writer`, in one transaction, or nothing; one at a time.

        `Fenced` if the lease is another's by now; `StoreFull`; `StoreUnavailable`: write
        the same `writer` again, which takes effect once however the first try ended;
        `CallerError(STATE)` of its steps.
        """
        actions = writer.prepare(self._sealer)

        def work(connection: Connection) -> None:
            if lease.check(connection, held) == writer.name:
                return
            for action in actions:
                action(connection)
            lease.note_write(connection, writer.name)

        self._database.write(work)
        writer.done()

    @contextmanager
    def transaction(self, held: Lease) -> Iterator[Writer]:
        """Collect in the body, `write` at its end; nothing if the body raises."""
        writer = self.writer()
        yield writer
        self.write(held, writer)

    # --- what any process may write ---------------------------------------------------

    def witness_update(
        self, origin: str, expected_size: int, size: int, root: bytes, note: bytes
    ) -> bool:
        """Remember what is about to be cosigned, before the cosignature leaves.

        Only if the last one of this log has `expected_size` (0: none yet, or an empty
        log); False otherwise, and if it has the same size and another root. True means
        it is on the disk. `CallerError(ARGUMENT)` for a smaller size.
        """
        if not 0 <= expected_size <= size:
            raise CallerError(Reason.ARGUMENT, "a log does not shrink")
        table = tables.WITNESSED
        row = {"origin": origin, "size": size, "root": root, "note": note}
        conditions = [table.c.origin == origin, table.c.size == expected_size]
        if size == expected_size:
            conditions.append(table.c.root == root)

        def work(connection: Connection) -> bool:
            if expected_size == 0 and insert_first(connection, table, row):
                return True
            statement = update(table).where(*conditions).values(size=size, root=root, note=note)
            return connection.execute(statement).rowcount == 1

        return self._database.write(work)

    def put_peer(self, peer: Peer) -> None:
        """How far following a region has come."""
        self._put(tables.PEERS, asdict(peer), replace=True)

    def add_peer_entries(self, region: str, start: int, entries: Sequence[bytes]) -> None:
        """Entries of a region's log from `start` on; those that are here already are left.

        `CallerError(STATE)` for a gap, and for other octets than those that are here:
        whoever calls has to see a fork before.
        """
        table = tables.PEER_ENTRIES
        rows = [
            {"region": region, "index": start + place, "data": data}
            for place, data in enumerate(entries)
        ]
        own = table.c.region == region
        inside = own, table.c.index >= start, table.c.index < start + len(rows)

        def work(connection: Connection) -> None:
            last = connection.execute(select(func.max(table.c.index)).where(own)).scalar()
            if start > (0 if last is None else last + 1):
                raise CallerError(Reason.STATE, "entries that leave a gap in a region's log")
            insert_missing(connection, table, rows)
            there = connection.execute(
                select(table.c.data).where(*inside).order_by(table.c.index)
            ).scalars()
            if list(there) != list(entries):
                raise CallerError(Reason.STATE, "other entries of a region's log are here")

        if rows:
            self._database.write(work)

    def cut_peer_entries(self, region: str, size: int) -> None:
        """Forget a region's entries from index `size` on, as a successor log asks for."""
        entries, notes = tables.PEER_ENTRIES.c, tables.PEER_NOTES.c

        def work(connection: Connection) -> None:
            connection.execute(
                delete(tables.PEER_ENTRIES).where(entries.region == region, entries.index >= size)
            )
            connection.execute(
                delete(tables.PEER_NOTES).where(notes.region == region, notes.size > size)
            )

        self._database.write(work)

    def put_peer_note(self, region: str, size: int, note: bytes) -> None:
        """A region's cosigned checkpoint; replaces one of the same size (more cosignatures)."""
        row = {"region": region, "size": size, "note": note}
        self._put(tables.PEER_NOTES, row, replace=True)

    def add_evidence(self, kind: str, data: bytes, now: int) -> bytes:
        """Keep proof of somebody's fault; its name, the hash of its octets."""
        name = digest(data)
        row = {"hash": name, "kind": kind, "data": data, "found": now}
        self._put(tables.EVIDENCE, row, replace=False)
        return name

    def add_report(self, region: str, epoch: int, data: bytes, now: int) -> bytes:
        """Keep a report about buckets; its name, the hash of its octets."""
        name = digest(data)
        row = {"hash": name, "region": region, "epoch": epoch, "data": data, "found": now}
        self._put(tables.REPORTS, row, replace=False)
        return name

    def forget_reports(self, before: int) -> None:
        """Delete the reports about epochs before this one."""
        statement = delete(tables.REPORTS).where(tables.REPORTS.c.epoch < before)

        def work(connection: Connection) -> None:
            connection.execute(statement)

        self._database.write(work)

    def _put(self, table: Table, row: dict[str, Any], *, replace: bool) -> None:
        put = upsert if replace else insert_missing
        self._database.write(lambda connection: put(connection, table, [row]))

    def _or_close(self, work: Callable[[Connection], None]) -> None:
        try:
            self._database.write(work)
            self._check_key()
        except BaseException:
            self._database.close()
            raise

    def _seal_check(self, connection: Connection) -> None:
        sealed = self._sealer.seal(("meta", _KEY_CHECK), self.id)
        upsert(connection, tables.META, [{"key": _KEY_CHECK, "value": sealed}])

    def _check_key(self) -> None:
        self._sealer.unseal(("meta", _KEY_CHECK), self.meta(_KEY_CHECK) or b"")


def _identity_of_head(connection: Connection) -> bytes:
    present = upgrade.version(connection)
    if present is None:
        raise CallerError(Reason.STORE_MISSING, "the database has no store in it")
    if present != upgrade.head():
        refuse(Reason.MESSAGE_VERSION, "another version of the node wrote this database")
    return _identity(connection)


def _identity(connection: Connection) -> bytes:
    table = tables.META
    found = connection.execute(select(table.c.value).where(table.c.key == _ID)).scalar()
    if found is None:
        raise CallerError(Reason.STORE_MISSING, "the database has no store in it")
    return bytes(found)
