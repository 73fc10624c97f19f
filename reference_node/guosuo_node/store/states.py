"""From rows back to the states of roles, and the small sealed messages on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from nacl.signing import SigningKey
from sqlalchemy import Connection, Row, select

from guosuo.credential.keys import EpochKey
from guosuo.curve.scalar import Scalar
from guosuo.errors import CallerError, Reason, refuse
from guosuo.federation.charter import Federation
from guosuo.federation.ids import Slot
from guosuo.federation.trust_list import ListSecret, check_part
from guosuo.roles.gate import GateState
from guosuo.roles.issuer import IssuerState
from guosuo.scheme import KeyId
from guosuo.wire.schema import Hash, Message, ScalarBytes, Size, message
from guosuo_node.store import tables
from guosuo_node.store.sealing import Sealer
from guosuo_node.store.slots import decode_slot

ISSUER_FACTS: Final = "issuer"
"""Name of the secret that holds what an issuer remembers besides rows."""


@message
class StoredFacts(Message):
    """What an issuer remembers besides rows."""

    person_salt: Annotated[bytes, Size(32, 32)]
    last_entry: Hash | None
    block: Slot

    def __repr__(self) -> str:
        """Without the salt."""
        return "StoredFacts(...)"


@message
class StoredListSecret(Message):
    """a and b of one list version."""

    a: ScalarBytes
    b: ScalarBytes

    def __repr__(self) -> str:
        """Without the secrets."""
        return "StoredListSecret(...)"


def encode_facts(person_salt: bytes, last_entry: bytes | None, block: int) -> bytes:
    """What an issuer remembers besides rows."""
    return StoredFacts(person_salt=person_salt, last_entry=last_entry, block=block).encode()


def encode_list_secret(secret: ListSecret) -> bytes:
    """a and b of one list version."""
    return StoredListSecret(a=secret.a.encode(), b=secret.b.encode()).encode()


@dataclass(frozen=True, slots=True, repr=False)
class IssuerRows:
    """The rows of an issuer at one moment, still sealed."""

    facts: bytes | None
    slots: Sequence[Row[Any]]
    persons: Sequence[Row[Any]]
    offers: Sequence[Row[Any]]
    keys: Sequence[Row[Any]]

    @classmethod
    def read(cls, connection: Connection) -> IssuerRows:
        """Read them; unsealing is for later: a transaction should not wait for it."""
        secrets, keys = tables.SECRETS, tables.EPOCH_KEYS
        return cls(
            connection.execute(
                select(secrets.c.sealed).where(secrets.c.name == ISSUER_FACTS)
            ).scalar(),
            connection.execute(select(tables.SLOTS).order_by(tables.SLOTS.c.slot)).all(),
            connection.execute(select(tables.PERSONS)).all(),
            connection.execute(select(tables.OFFERS)).all(),
            connection.execute(select(keys).order_by(keys.c.epoch, keys.c.revision)).all(),
        )

    def opened(
        self,
        sealer: Sealer,
        federation: Federation,
        region: str,
        root_key: SigningKey,
        log_key: SigningKey,
    ) -> IssuerState:
        """An issuer as it was saved last. `PeerError(STATE)` for keys that are not the region's.

        `CallerError(STORE_MISSING)` if none was saved; `PeerError` for altered rows.
        """
        own = bytes(root_key.verify_key), bytes(log_key.verify_key)
        if own not in {(m.root_key, m.log_key) for m in federation.memberships(region)}:
            refuse(Reason.STATE, "a signing key that is not the region's")
        if self.facts is None:
            raise CallerError(Reason.STORE_MISSING, "no issuer was saved here")
        kept = StoredFacts.decode(sealer.unseal(("secrets", ISSUER_FACTS), self.facts))
        salt, last_entry, block = kept.person_salt, kept.last_entry, kept.block
        state = IssuerState(region, root_key, log_key, salt, last_entry=last_entry, block=block)
        for row in self.slots:
            opened = sealer.unseal(("slots", row.slot), row.sealed)
            state.slots[row.slot] = decode_slot(federation.scheme.engine, row.slot, opened)
            if row.suspended:
                state.suspended.add(row.slot)
            if row.retired:
                state.retired.add(row.slot)
            if not row.published:
                state.unpublished.add(row.slot)
        for row in self.persons:
            state.records[row.person] = sealer.unseal(("persons", row.person), row.sealed)
        for row in self.offers:
            state.offers[row.nonce] = row.deadline
        for row in self.keys:
            name = KeyId(region, row.epoch, row.revision)
            opened = sealer.unseal(("epoch_keys", row.epoch, row.revision), row.sealed)
            secret = Scalar.decode(opened)
            state.keys[name] = EpochKey(name, secret, federation.scheme.p2 * secret)
        return state


@dataclass(frozen=True, slots=True, repr=False)
class GateRows:
    """The rows of a gate authority at one moment, still sealed."""

    lists: Sequence[Row[Any]]
    policies: Sequence[Row[Any]]

    @classmethod
    def read(cls, connection: Connection) -> GateRows:
        """Read them."""
        table = tables.GATE_LISTS
        lists = select(table).order_by(table.c.epoch, table.c.revision)
        return cls(
            connection.execute(lists).all(), connection.execute(select(tables.POLICIES)).all()
        )

    def opened(self, sealer: Sealer, federation: Federation, region: str) -> GateState:
        """A gate authority as it was saved last, or a new one; `PeerError` for altered rows."""
        federation.memberships(region)
        state = GateState(region)
        for row in self.lists:
            version = (row.epoch, row.revision)
            stored = StoredListSecret.decode(sealer.unseal(("gate_lists", *version), row.sealed))
            part = check_part(federation.scheme, row.part).part
            if (part.region, part.epoch, part.revision) != (region, *version):
                refuse(Reason.STATE, "a list part in the row of another")
            state.parts[version] = part
            state.secrets[version] = ListSecret(Scalar.decode(stored.a), Scalar.decode(stored.b))
            if row.listed:
                state.listed.add(version)
        for row in self.policies:
            state.policies[row.policy] = row.version
        return state
