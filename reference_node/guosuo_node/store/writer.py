"""Everything a leader writes, collected first and written in one short transaction.

A `Writer` holds steps and does nothing by itself. `Store.write` seals, then runs them all
in one transaction that begins by checking the lease, so a leader that was paused anywhere
writes all of it, in time, or nothing. A `Writer` has a name, kept with the lease: to
write it again after `StoreUnavailable`, when nobody knows how the first attempt ended,
changes nothing if that one had succeeded.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict
from typing import Any, Final, TypeAlias

from sqlalchemy import Connection, Delete, Table, Update, and_, delete, func, select, update

from guosuo.errors import CallerError, Reason
from guosuo.roles.gate import GateState
from guosuo.roles.issuer import IssuerState
from guosuo_node.store import tables
from guosuo_node.store.database import Row, insert_missing, upsert
from guosuo_node.store.marks import (
    RETIRED,
    SUSPENDED,
    UNPUBLISHED,
    GateChanges,
    GateMarks,
    IssuerChanges,
    IssuerMarks,
    Version,
)
from guosuo_node.store.rows import OrderState, StoredJudgement
from guosuo_node.store.sealing import Sealer
from guosuo_node.store.slots import encode_slot
from guosuo_node.store.states import ISSUER_FACTS, encode_facts, encode_list_secret

Action: TypeAlias = Callable[[Connection], None]
"""What is done in the transaction."""
Step: TypeAlias = Callable[[Sealer], Action]

_AT_ONCE: Final = 500
"""Slots named in one statement."""


class Writer:
    """What one transaction is going to do, in the order of the calls."""

    __slots__ = ("_after", "_steps", "name")

    def __init__(self, name: bytes) -> None:
        """`name`: 16 random octets, never used before (`Store.writer` draws them)."""
        self.name = name
        self._steps: list[Step] = []
        self._after: list[Callable[[], None]] = []

    def __repr__(self) -> str:
        return f"Writer(steps={len(self._steps)})"

    def prepare(self, sealer: Sealer) -> list[Action]:
        """Everything sealed, before the transaction begins; only `Store.write` calls this.

        A transaction that waits for this process's arithmetic would keep others waiting,
        and PostgreSQL ends one that is idle for as long as a paused process.
        """
        return [step(sealer) for step in self._steps]

    def done(self) -> None:
        """The transaction is in the database: move the marks; only `Store.write` calls this."""
        after, self._after = self._after, []
        for move in after:
            move()

    # --- roles ------------------------------------------------------------------------

    def save_issuer(
        self,
        marks: IssuerMarks,
        state: IssuerState,
        *,
        slots: Iterable[int] | None = (),
        persons: Collection[bytes] = (),
    ) -> None:
        """What changed in an issuer; arguments and refusals as of `IssuerMarks.changes`.

        The marks move once it is written. A change that was not written is part of the
        next one if its slots are named again.
        """
        changes = marks.changes(state, slots, persons)
        self._steps.append(lambda sealer: _save_issuer(sealer, changes))
        self._after.append(lambda: marks.advance(changes))

    def save_gate(self, marks: GateMarks, state: GateState) -> None:
        """What changed in a gate authority; refusals as of `GateMarks.changes`."""
        changes = marks.changes(state)
        self._steps.append(lambda sealer: _save_gate(sealer, changes))
        self._after.append(lambda: marks.advance(changes))

    # --- facts ------------------------------------------------------------------------

    def put_meta(self, key: str, value: bytes) -> None:
        """A small public fact, new or replaced."""
        self._put(tables.META, {"key": key, "value": value})

    def put_secret(self, name: str, value: bytes) -> None:
        """A small secret fact, sealed, new or replaced."""
        self._steps.append(lambda sealer: _put_secret(sealer, f"node/{name}", value))

    def drop_secret(self, name: str) -> None:
        """Destroy a small secret fact."""
        self._drop(tables.SECRETS, {"name": f"node/{name}"})

    # --- enrolment and orders ---------------------------------------------------------

    def put_grant(self, request: bytes, forget: int, answer: bytes) -> None:
        """What a request (its hash) was answered, to be repeated until `forget`."""

        def step(sealer: Sealer) -> Action:
            sealed = sealer.seal(("grants", request), answer)
            row = {"request": request, "forget": forget, "sealed": sealed}
            return lambda connection: upsert(connection, tables.GRANTS, [row])

        self._steps.append(step)

    def forget_grants(self, now: int) -> None:
        """Delete the answers whose time is over."""
        self._execute(delete(tables.GRANTS).where(tables.GRANTS.c.forget <= now))

    def put_order(self, id_: bytes, place: int, body: bytes) -> None:
        """Queue an order; one that was taken before stays as it is, whatever its state."""

        def step(sealer: Sealer) -> Action:
            row = {
                "id": id_,
                "place": place,
                "sealed": sealer.seal(("orders", id_), body),
                "state": OrderState.QUEUED.value,
            }
            return lambda connection: insert_missing(connection, tables.ORDERS, [row])

        self._steps.append(step)

    def order_logged(self, id_: bytes) -> None:
        """An order is in the log now; `CallerError(STATE)` if it was never queued."""
        table = tables.ORDERS

        def action(connection: Connection) -> None:
            statement = update(table).where(table.c.id == id_).values(state=OrderState.LOGGED.value)
            if connection.execute(statement).rowcount != 1:
                raise CallerError(Reason.STATE, "an order that was never queued")

        self._do(action)

    def drop_order(self, id_: bytes) -> None:
        """Delete an order from the queue."""
        self._drop(tables.ORDERS, {"id": id_})

    # --- the node's own log -----------------------------------------------------------

    def append_entry(self, index: int, kind: str, data: bytes, leaf: bytes) -> None:
        """The next entry; one that is there already with the same octets is left.

        `CallerError(STATE)` when written, for a gap, or for another entry at an index
        that has one: no index is ever signed twice with different content.
        """
        row = {"index": index, "kind": kind, "data": data, "leaf": leaf}
        self._do(lambda connection: _append(connection, row))

    def put_checkpoint(self, size: int, root: bytes, note: bytes) -> None:
        """A checkpoint that this node signed, before anybody sees it.

        One of that size and root that is there already is left as it is, with its
        cosignatures. `CallerError(STATE)` when written, for another root at a size that
        has one, and for a size below an older one's or beyond the entries.
        """
        self._do(lambda connection: _put_checkpoint(connection, size, root, note))

    def cosigned(self, size: int, cosignatures: bytes, *, published: bool) -> None:
        """The cosignatures that a checkpoint has by now, and whether readers may have it.

        What is published stays published. `CallerError(STATE)` for no such checkpoint.
        """
        table = tables.CHECKPOINTS
        values: dict[str, Any] = {"cosignatures": cosignatures}
        if published:
            values["published"] = True

        def action(connection: Connection) -> None:
            statement = update(table).where(table.c.size == size).values(**values)
            if connection.execute(statement).rowcount != 1:
                raise CallerError(Reason.STATE, "no such checkpoint was signed")

        self._do(action)

    def forget_checkpoints(self, before: int) -> None:
        """Delete the checkpoints smaller than `before`, the largest one never."""
        table = tables.CHECKPOINTS
        largest = select(func.max(table.c.size)).scalar_subquery()
        statement = delete(table).where(table.c.size < before, table.c.size < largest)
        self._execute(statement)

    def put_judgement(self, judgement: StoredJudgement) -> None:
        """A verdict, new or replacing an earlier one on the same revision."""
        self._put(tables.JUDGEMENTS, asdict(judgement))

    def _do(self, action: Action) -> None:
        self._steps.append(lambda _sealer: action)

    def _execute(self, statement: Delete) -> None:
        self._do(lambda connection: _run(connection, statement))

    def _put(self, table: Table, row: Row) -> None:
        self._do(lambda connection: upsert(connection, table, [row]))

    def _drop(self, table: Table, key: Row) -> None:
        self._do(lambda connection: _delete(connection, table, [key]))


def _save_issuer(sealer: Sealer, changes: IssuerChanges) -> Action:
    slots = [
        {
            "slot": issued.slot,
            "sealed": sealer.seal(("slots", issued.slot), encode_slot(issued)),
            **_columns(bits),
        }
        for issued, bits in changes.put_slots
    ]
    persons = [
        {"person": person, "sealed": sealer.seal(("persons", person), record)}
        for person, record in changes.put_records.items()
    ]
    offers = [{"nonce": n, "deadline": deadline} for n, deadline in changes.put_offers.items()]
    keys = [
        {"epoch": t, "revision": r, "sealed": sealer.seal(("epoch_keys", t, r), secret)}
        for (t, r), secret in changes.put_keys.items()
    ]
    facts = [_put_secret(sealer, ISSUER_FACTS, encode_facts(*f)) for f in [changes.facts] if f]

    def action(connection: Connection) -> None:
        # 1. Everything older is published; what follows is newer.
        table = tables.SLOTS
        if changes.publish:
            _run(connection, update(table).where(~table.c.published).values(published=True))
        # 2. Slots: whole rows, then those of which only public columns changed.
        upsert(connection, table, slots)
        for bits, members in changes.mark_slots.items():
            for chunk in _chunks(members):
                chosen = update(table).where(table.c.slot.in_(chunk))
                _run(connection, chosen.values(**_columns(bits)))
        # 3. All else, in no particular order.
        upsert(connection, tables.PERSONS, persons)
        _delete(connection, tables.PERSONS, [{"person": p} for p in changes.drop_records])
        upsert(connection, tables.OFFERS, offers)
        _delete(connection, tables.OFFERS, [{"nonce": n} for n in changes.drop_offers])
        upsert(connection, tables.EPOCH_KEYS, keys)
        _delete(connection, tables.EPOCH_KEYS, _versions(changes.drop_keys))
        for put in facts:
            put(connection)

    return action


def _save_gate(sealer: Sealer, changes: GateChanges) -> Action:
    lists = [
        {
            "epoch": t,
            "revision": r,
            "sealed": sealer.seal(("gate_lists", t, r), encode_list_secret(secret)),
            "part": part.encode(),
            "listed": listed,
        }
        for (t, r), (secret, part, listed) in changes.put_lists.items()
    ]
    policies = [{"policy": name, "version": v} for name, v in changes.put_policies.items()]

    def action(connection: Connection) -> None:
        upsert(connection, tables.GATE_LISTS, lists)
        _delete(connection, tables.GATE_LISTS, _versions(changes.drop_lists))
        upsert(connection, tables.POLICIES, policies)
        _delete(connection, tables.POLICIES, [{"policy": name} for name in changes.drop_policies])

    return action


def _append(connection: Connection, row: dict[str, Any]) -> None:
    table = tables.ENTRIES
    last = connection.execute(select(func.max(table.c.index))).scalar_one()
    end, index = 0 if last is None else last + 1, row["index"]
    if index == end:
        connection.execute(table.insert(), row)
        return
    there = connection.execute(select(table).where(table.c.index == index)).mappings().first()
    if there is None:
        raise CallerError(Reason.STATE, "an entry that leaves a gap in the log")
    if dict(there) != row:
        raise CallerError(Reason.STATE, "another entry at an index that has one")


def _put_checkpoint(connection: Connection, size: int, root: bytes, note: bytes) -> None:
    table = tables.CHECKPOINTS
    there = connection.execute(select(table.c.root).where(table.c.size == size)).scalar()
    if there is not None:
        if there != root:
            raise CallerError(Reason.STATE, "another root at a size that was signed")
        return
    largest = connection.execute(select(func.max(table.c.size))).scalar_one()
    entries = tables.ENTRIES
    last = connection.execute(select(func.max(entries.c.index))).scalar_one()
    if size < (largest or 0) or size > (0 if last is None else last + 1):
        raise CallerError(Reason.STATE, "a checkpoint that is not of this log's end")
    row = {"size": size, "root": root, "note": note, "cosignatures": b"", "published": False}
    connection.execute(table.insert(), row)


def _put_secret(sealer: Sealer, name: str, value: bytes) -> Action:
    row = {"name": name, "sealed": sealer.seal(("secrets", name), value)}
    return lambda connection: upsert(connection, tables.SECRETS, [row])


def _run(connection: Connection, statement: Delete | Update) -> None:
    connection.execute(statement)


def _versions(versions: Iterable[Version]) -> list[Row]:
    return [{"epoch": epoch, "revision": revision} for epoch, revision in versions]


def _columns(bits: int) -> dict[str, bool]:
    return {
        "suspended": bool(bits & SUSPENDED),
        "retired": bool(bits & RETIRED),
        "published": not bits & UNPUBLISHED,
    }


def _delete(connection: Connection, table: Table, keys: Sequence[Row]) -> None:
    for key in keys:
        where = and_(*(table.c[name] == value for name, value in key.items()))
        connection.execute(delete(table).where(where))


def _chunks(slots: Sequence[int]) -> Iterable[Sequence[int]]:
    return (slots[start : start + _AT_ONCE] for start in range(0, len(slots), _AT_ONCE))
