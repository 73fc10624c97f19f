"""Version 1: all tables of the first node."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "v1"
down_revision: str | None = None
branch_labels: str | None = None
depends_on: str | None = None


def _int() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _text(name: str, *, primary: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text, primary_key=primary, nullable=False)


def _octets(name: str, *, primary: bool = False, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.LargeBinary, primary_key=primary, nullable=nullable)


def _number(name: str, *, primary: bool = False) -> sa.Column[Any]:
    return sa.Column(name, _int(), primary_key=primary, autoincrement=False, nullable=False)


def _flag(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Boolean, nullable=False)


def upgrade() -> None:
    """From an empty database."""
    _the_node()
    _roles()
    _own_log()
    _others()


def _the_node() -> None:
    op.create_table("meta", _text("key", primary=True), _octets("value"))
    op.create_table("secrets", _text("name", primary=True), _octets("sealed"))
    op.create_table(
        "lease",
        _text("name", primary=True),
        _text("holder"),
        _number("number"),
        _number("until"),
        _octets("written", nullable=True),
    )


def _roles() -> None:
    op.create_table(
        "slots",
        _number("slot", primary=True),
        _octets("sealed"),
        _flag("suspended"),
        _flag("retired"),
        _flag("published"),
    )
    op.create_index(
        "slots_unpublished",
        "slots",
        ["slot"],
        sqlite_where=sa.text("NOT published"),
        postgresql_where=sa.text("NOT published"),
    )
    op.create_table("persons", _octets("person", primary=True), _octets("sealed"))
    op.create_table("offers", _octets("nonce", primary=True), _number("deadline"))
    op.create_table(
        "grants", _octets("request", primary=True), _number("forget"), _octets("sealed")
    )
    op.create_table(
        "epoch_keys",
        _number("epoch", primary=True),
        _number("revision", primary=True),
        _octets("sealed"),
    )
    op.create_table(
        "gate_lists",
        _number("epoch", primary=True),
        _number("revision", primary=True),
        _octets("sealed"),
        _octets("part"),
        _flag("listed"),
    )
    op.create_table("policies", _text("policy", primary=True), _number("version"))
    op.create_table(
        "orders",
        _octets("id", primary=True),
        _number("place"),
        _octets("sealed"),
        _text("state"),
    )
    op.create_index("orders_state", "orders", ["state", "place"])


def _own_log() -> None:
    op.create_table(
        "entries",
        _number("index", primary=True),
        _text("kind"),
        _octets("data"),
        _octets("leaf"),
    )
    op.create_table(
        "checkpoints",
        _number("size", primary=True),
        _octets("root"),
        _octets("note"),
        _octets("cosignatures"),
        _flag("published"),
    )
    op.create_table(
        "witnessed",
        _text("origin", primary=True),
        _number("size"),
        _octets("root"),
        _octets("note"),
    )


def _others() -> None:
    op.create_table(
        "peers",
        _text("region", primary=True),
        _number("cursor"),
        _number("seen"),
        _number("failures"),
        _number("retry"),
    )
    op.create_table(
        "peer_entries",
        _text("region", primary=True),
        _number("index", primary=True),
        _octets("data"),
    )
    op.create_table(
        "peer_notes",
        _text("region", primary=True),
        _number("size", primary=True),
        _octets("note"),
    )
    op.create_table(
        "judgements",
        _text("region", primary=True),
        _number("epoch", primary=True),
        _number("revision", primary=True),
        _text("verdict"),
        _text("rule"),
        _octets("entry", nullable=True),
        _octets("state", nullable=True),
        _number("made"),
    )
    op.create_index("judgements_epoch", "judgements", ["epoch"])
    op.create_table(
        "evidence",
        _octets("hash", primary=True),
        _text("kind"),
        _octets("data"),
        _number("found"),
    )
    op.create_table(
        "reports",
        _octets("hash", primary=True),
        _text("region"),
        _number("epoch"),
        _octets("data"),
        _number("found"),
    )
    op.create_index("reports_epoch", "reports", ["region", "epoch"])
