"""What any process may read, leader or not."""

from __future__ import annotations

from typing import Any, Final

from nacl.signing import SigningKey
from sqlalchemy import Select, Table, func, select

from guosuo.errors import CallerError, Reason
from guosuo.federation.charter import Federation
from guosuo.roles.gate import GateState
from guosuo.roles.issuer import IssuerState
from guosuo_node.store import lease, states, tables
from guosuo_node.store.database import Database
from guosuo_node.store.rows import (
    Lease,
    OrderState,
    Peer,
    QueuedOrder,
    StoredCheckpoint,
    StoredEntry,
    StoredEvidence,
    StoredJudgement,
    StoredReport,
    Witnessed,
)
from guosuo_node.store.sealing import Sealer

MAX_ROWS: Final = 10_000
"""Rows of one answer at most; more are asked for with a later start."""


class Reading:
    """The reading half of a store. Every method: `StoreUnavailable`."""

    _database: Database
    _sealer: Sealer

    # --- roles ------------------------------------------------------------------------

    def load_issuer_state(
        self, federation: Federation, region: str, root_key: SigningKey, log_key: SigningKey
    ) -> IssuerState:
        """The issuer as it was saved last; refusals of `states.IssuerRows.opened`."""
        rows = self._database.read(states.IssuerRows.read)
        return rows.opened(self._sealer, federation, region, root_key, log_key)

    def load_gate_state(self, federation: Federation, region: str) -> GateState:
        """The gate authority as it was saved last, or a new one; `PeerError`."""
        rows = self._database.read(states.GateRows.read)
        return rows.opened(self._sealer, federation, region)

    # --- facts ------------------------------------------------------------------------

    def meta(self, key: str) -> bytes | None:
        """A small public fact."""
        table = tables.META
        statement = select(table.c.value).where(table.c.key == key)
        return self._database.read(lambda connection: connection.execute(statement).scalar())

    def secret(self, name: str) -> bytes | None:
        """A small secret fact."""
        table, name = tables.SECRETS, f"node/{name}"
        rows = self._rows(select(table.c.sealed).where(table.c.name == name))
        return next((self._sealer.unseal(("secrets", name), row["sealed"]) for row in rows), None)

    def leader(self) -> Lease | None:
        """Who leads, or led last; None if nobody does."""
        return self._database.read(lease.current)

    # --- enrolment and orders ---------------------------------------------------------

    def grant(self, request: bytes) -> bytes | None:
        """What a request (its hash) was answered."""
        table = tables.GRANTS
        rows = self._rows(select(table.c.sealed).where(table.c.request == request))
        return next((self._sealer.unseal(("grants", request), row["sealed"]) for row in rows), None)

    def orders(self, state: OrderState, *, after: int = -1) -> tuple[QueuedOrder, ...]:
        """The orders in a state, first to last, from the place behind `after`."""
        table = tables.ORDERS
        statement = (
            select(table)
            .where(table.c.state == state.value, table.c.place > after)
            .order_by(table.c.place)
            .limit(MAX_ROWS)
        )
        return tuple(
            QueuedOrder(
                row["id"],
                row["place"],
                self._sealer.unseal(("orders", row["id"]), row["sealed"]),
                OrderState(row["state"]),
            )
            for row in self._rows(statement)
        )

    # --- the node's own log -----------------------------------------------------------

    def entry_count(self) -> int:
        """How long the log is."""
        return self._end(tables.ENTRIES, None)

    def entries(self, start: int = 0, count: int = MAX_ROWS) -> tuple[StoredEntry, ...]:
        """Entries from an index on."""
        table = tables.ENTRIES
        rows = self._rows(_slice(select(table), table, start, count))
        return tuple(StoredEntry(**row) for row in rows)

    def leaves(self, start: int = 0, count: int = MAX_ROWS) -> tuple[bytes, ...]:
        """Leaf hashes from an index on."""
        table = tables.ENTRIES
        rows = self._rows(_slice(select(table.c.leaf), table, start, count))
        return tuple(row["leaf"] for row in rows)

    def checkpoint(
        self, size: int | None = None, *, published: bool = False
    ) -> StoredCheckpoint | None:
        """The checkpoint of a size, or the largest; only a published one if so asked."""
        table = tables.CHECKPOINTS
        statement = select(table).order_by(table.c.size.desc()).limit(1)
        if size is not None:
            statement = statement.where(table.c.size == size)
        if published:
            statement = statement.where(table.c.published)
        return next((StoredCheckpoint(**row) for row in self._rows(statement)), None)

    # --- other regions ----------------------------------------------------------------

    def peers(self) -> tuple[Peer, ...]:
        """How far following each region has come."""
        statement = select(tables.PEERS).order_by(tables.PEERS.c.region)
        return tuple(Peer(**row) for row in self._rows(statement))

    def peer_entry_count(self, region: str) -> int:
        """How many entries of a region's log are here."""
        return self._end(tables.PEER_ENTRIES, region)

    def peer_entries(self, region: str, start: int = 0, count: int = MAX_ROWS) -> tuple[bytes, ...]:
        """Entries of a region's log from an index on."""
        table = tables.PEER_ENTRIES
        statement = _slice(select(table.c.data), table, start, count)
        rows = self._rows(statement.where(table.c.region == region))
        return tuple(row["data"] for row in rows)

    def peer_note(self, region: str, size: int | None = None) -> tuple[int, bytes] | None:
        """Size and note of a region's checkpoint of a size, or of its largest one."""
        table = tables.PEER_NOTES
        statement = (
            select(table).where(table.c.region == region).order_by(table.c.size.desc()).limit(1)
        )
        if size is not None:
            statement = statement.where(table.c.size == size)
        return next(((row["size"], row["note"]) for row in self._rows(statement)), None)

    def judgements(self, epoch: int, until: int | None = None) -> tuple[StoredJudgement, ...]:
        """Verdicts on an epoch, or on the epochs `epoch` to `until`, in order."""
        table = tables.JUDGEMENTS
        statement = (
            select(table)
            .where(table.c.epoch >= epoch, table.c.epoch <= (epoch if until is None else until))
            .order_by(table.c.epoch, table.c.region, table.c.revision)
        )
        return tuple(StoredJudgement(**row) for row in self._rows(statement))

    def witnessed(self, origin: str) -> Witnessed | None:
        """What this node's witness cosigned last of a log."""
        table = tables.WITNESSED
        statement = select(table).where(table.c.origin == origin)
        return next((Witnessed(**row) for row in self._rows(statement)), None)

    def evidence(self, kind: str | None = None) -> tuple[StoredEvidence, ...]:
        """Evidence of a kind, or all, as it was found; the first 10,000."""
        table = tables.EVIDENCE
        statement = select(table).order_by(table.c.found, table.c.hash).limit(MAX_ROWS)
        if kind is not None:
            statement = statement.where(table.c.kind == kind)
        return tuple(StoredEvidence(**row) for row in self._rows(statement))

    def reports(self, region: str, epoch: int) -> tuple[StoredReport, ...]:
        """Reports about buckets of a region's epoch; the first 10,000."""
        table = tables.REPORTS
        statement = (
            select(table)
            .where(table.c.region == region, table.c.epoch == epoch)
            .order_by(table.c.hash)
            .limit(MAX_ROWS)
        )
        return tuple(StoredReport(**row) for row in self._rows(statement))

    def _rows(self, statement: Select[Any]) -> list[dict[str, Any]]:
        return self._database.read(
            lambda connection: [dict(row) for row in connection.execute(statement).mappings()]
        )

    def _end(self, table: Table, region: str | None) -> int:
        statement = select(func.max(table.c.index))
        if region is not None:
            statement = statement.where(table.c.region == region)
        last = self._database.read(lambda connection: connection.execute(statement).scalar())
        return 0 if last is None else last + 1


def _slice(statement: Select[Any], table: Table, start: int, count: int) -> Select[Any]:
    if start < 0 or not 0 <= count <= MAX_ROWS:
        raise CallerError(Reason.ARGUMENT, "a start from 0 on, and up to 10,000 rows")
    bounds = table.c.index >= start, table.c.index < start + count
    return statement.where(*bounds).order_by(table.c.index)
