"""The tables of a node: rows per enrolment, order and epoch.

What belongs to slots *and* epochs (boards, status lists, proofs) is files, never rows.
Columns named `sealed` hold what `guosuo_node.store.sealing` made; all others are
public, or say nothing without the sealed ones. Times are Unix seconds.

A change here needs a migration in `migrations/versions`; a test compares the two.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)
from sqlalchemy.types import TypeEngine

METADATA: Final = MetaData()


def _int() -> TypeEngine[int]:
    # Only INTEGER is SQLite's own row number, so without an index beside the table.
    return BigInteger().with_variant(Integer(), "sqlite")


def _name(title: str) -> Column[str]:
    return Column(title, Text, primary_key=True)


def _octets(title: str, *, primary: bool = False, optional: bool = False) -> Column[bytes]:
    return Column(title, LargeBinary, primary_key=primary, nullable=optional)


def _number(title: str, *, primary: bool = False) -> Column[int]:
    return Column(title, _int(), primary_key=primary, autoincrement=False, nullable=False)


def _flag(title: str) -> Column[bool]:
    return Column(title, Boolean, nullable=False)


def _word(title: str) -> Column[str]:
    return Column(title, Text, nullable=False)


META: Final = Table("meta", METADATA, _name("key"), _octets("value"))
"""Small public facts: the store's identifier, region, federation …"""

SECRETS: Final = Table("secrets", METADATA, _name("name"), _octets("sealed"))
"""Small secret facts: the salt of persons, keys that the node keeps here."""

LEASE: Final = Table(
    "lease",
    METADATA,
    _name("name"),
    _word("holder"),
    _number("number"),
    _number("until"),
    _octets("written", optional=True),
)
"""`number` only grows; `written` names the last write made under it."""

SLOTS: Final = Table(
    "slots",
    METADATA,
    _number("slot", primary=True),
    _octets("sealed"),
    _flag("suspended"),
    _flag("retired"),
    _flag("published"),
    Index(
        "slots_unpublished",
        "slot",
        sqlite_where=text("NOT published"),
        postgresql_where=text("NOT published"),
    ),
)
"""Status and allotment are public records; C, k_slot, evidence fact and person are sealed."""

PERSONS: Final = Table("persons", METADATA, _octets("person", primary=True), _octets("sealed"))
"""R by salted hash of the person."""

OFFERS: Final = Table("offers", METADATA, _octets("nonce", primary=True), _number("deadline"))

GRANTS: Final = Table(
    "grants",
    METADATA,
    _octets("request", primary=True),
    _number("forget"),
    _octets("sealed"),
)
"""Answers by hash of the request, to be given again until `forget`."""

EPOCH_KEYS: Final = Table(
    "epoch_keys",
    METADATA,
    _number("epoch", primary=True),
    _number("revision", primary=True),
    _octets("sealed"),
)

GATE_LISTS: Final = Table(
    "gate_lists",
    METADATA,
    _number("epoch", primary=True),
    _number("revision", primary=True),
    _octets("sealed"),
    _octets("part"),
    _flag("listed"),
)

POLICIES: Final = Table("policies", METADATA, _name("policy"), _number("version"))

ORDERS: Final = Table(
    "orders",
    METADATA,
    _octets("id", primary=True),
    _number("place"),
    _octets("sealed"),
    _word("state"),
    Index("orders_state", "state", "place"),
)
"""Orders taken, first to last by `place`; what is logged is public in the log itself."""

ENTRIES: Final = Table(
    "entries",
    METADATA,
    _number("index", primary=True),
    _word("kind"),
    _octets("data"),
    _octets("leaf"),
)
"""The node's own log."""

CHECKPOINTS: Final = Table(
    "checkpoints",
    METADATA,
    _number("size", primary=True),
    _octets("root"),
    _octets("note"),
    _octets("cosignatures"),
    _flag("published"),
)

PEERS: Final = Table(
    "peers",
    METADATA,
    _name("region"),
    _number("cursor"),
    _number("seen"),
    _number("failures"),
    _number("retry"),
)

PEER_ENTRIES: Final = Table(
    "peer_entries",
    METADATA,
    _name("region"),
    _number("index", primary=True),
    _octets("data"),
)

PEER_NOTES: Final = Table(
    "peer_notes",
    METADATA,
    _name("region"),
    _number("size", primary=True),
    _octets("note"),
)

JUDGEMENTS: Final = Table(
    "judgements",
    METADATA,
    _name("region"),
    _number("epoch", primary=True),
    _number("revision", primary=True),
    _word("verdict"),
    _word("rule"),
    _octets("entry", optional=True),
    _octets("state", optional=True),
    _number("made"),
    Index("judgements_epoch", "epoch"),
)

WITNESSED: Final = Table(
    "witnessed",
    METADATA,
    _name("origin"),
    _number("size"),
    _octets("root"),
    _octets("note"),
)
"""What this node's witness cosigned last, per log."""

EVIDENCE: Final = Table(
    "evidence",
    METADATA,
    _octets("hash", primary=True),
    _word("kind"),
    _octets("data"),
    _number("found"),
)

REPORTS: Final = Table(
    "reports",
    METADATA,
    _octets("hash", primary=True),
    _word("region"),
    _number("epoch"),
    _octets("data"),
    _number("found"),
    Index("reports_epoch", "region", "epoch"),
)
"""Reports about buckets, of this node and of others."""
