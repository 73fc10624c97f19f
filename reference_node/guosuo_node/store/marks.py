"""What changed in an issuer or a gate authority since it was saved last.

Marks are kept beside a state in memory and say what of it the database has. A change
set is computed in steps as many as there are changes: the caller names the slots that
it touched, and counts show if it forgot one. It holds values, not references, so the
state may go on changing while it is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias, TypeVar

from guosuo.errors import CallerError, Reason
from guosuo.federation.trust_list import ListPart, ListSecret
from guosuo.roles.gate import GateState
from guosuo.roles.issuer import IssuedSlot, IssuerState

UNPUBLISHED: Final = 1
SUSPENDED: Final = 2
RETIRED: Final = 4
_BITS: Final = (UNPUBLISHED, SUSPENDED, RETIRED)

K = TypeVar("K")
V = TypeVar("V")
Version: TypeAlias = tuple[int, int]
"""Epoch and revision."""


@dataclass(frozen=True, slots=True, repr=False)
class IssuerChanges:
    """Rows to write for an issuer."""

    put_slots: tuple[tuple[IssuedSlot, int], ...]
    """New slots and slots with new evidence, with their bits."""
    mark_slots: Mapping[int, tuple[int, ...]]
    """Slots of which only the bits changed, by their bits."""
    publish: bool
    """Every slot is published now; those with no other change are named nowhere."""
    put_records: Mapping[bytes, bytes]
    drop_records: frozenset[bytes]
    put_offers: Mapping[bytes, int]
    drop_offers: frozenset[bytes]
    put_keys: Mapping[Version, bytes]
    drop_keys: frozenset[Version]
    facts: tuple[bytes, bytes | None, int] | None
    """Salt of persons, hash of the last epoch entry, first slot of the open block."""

    def __repr__(self) -> str:
        """Only counts: all else is secret."""
        return f"IssuerChanges(slots={len(self.put_slots)}, orders={len(self.mark_slots)})"


@dataclass(slots=True, repr=False)
class IssuerMarks:
    """What the database has of one issuer; `IssuerMarks()` for one never saved."""

    slots: dict[int, tuple[IssuedSlot, int]] = field(default_factory=dict)
    records: dict[bytes, bytes] = field(default_factory=dict)
    offers: dict[bytes, int] = field(default_factory=dict)
    keys: dict[Version, bytes] = field(default_factory=dict)
    facts: tuple[bytes, bytes | None, int] | None = None
    unpublished: set[int] = field(default_factory=set)
    counts: Counter[int] = field(default_factory=Counter)
    """How many slots have each bit."""

    def __repr__(self) -> str:
        return f"IssuerMarks(slots={len(self.slots)})"

    @classmethod
    def of(cls, state: IssuerState) -> IssuerMarks:
        """The marks of a state that was just loaded."""
        marks = cls()
        marks.advance(marks.changes(state, None))
        return marks

    def changes(
        self,
        state: IssuerState,
        slots: Iterable[int] | None,
        persons: Collection[bytes] = (),
    ) -> IssuerChanges:
        """What to write so that the database has `state`.

        `slots`: those enrolled, re-enrolled or named by an order since the last change
        set that was written; None looks at all of them. Slots that an epoch published
        need no naming. `persons`: salted hashes beyond those of these slots, as of
        somebody who lost his phone. `CallerError(STATE)` if the counts show that some
        slot or person was not named.
        """
        publish = bool(self.unpublished) and not state.unpublished
        touched = set(state.slots) if slots is None else set(slots)
        # Fewer than there would be by what is known: an epoch published some of the older.
        fresh = sum(s in state.unpublished and s not in self.unpublished for s in touched)
        if not publish and len(state.unpublished) < len(self.unpublished) + fresh:
            touched |= self.unpublished - state.unpublished
        people = set(persons)
        if slots is None:
            people |= self.records.keys() | state.records.keys()
        counts = Counter(self.counts)
        if publish:
            counts[UNPUBLISHED] = 0
        put: list[tuple[IssuedSlot, int]] = []
        marked: dict[int, list[int]] = {}
        new = 0
        for slot in sorted(touched):
            issued = state.slots.get(slot)
            if issued is None:
                raise CallerError(Reason.STATE, "a changed slot that was never allotted")
            bits, (was, old) = _bits(state, slot), self.slots.get(slot, (None, 0))
            if publish:
                old &= ~UNPUBLISHED
            people.add(issued.person)
            new += was is None
            for bit in _BITS:
                counts[bit] += bool(bits & bit) - bool(old & bit)
            if was is not issued and was != issued:
                put.append((issued, bits))
            elif bits != old:
                marked.setdefault(bits, []).append(slot)
        if new + len(self.slots) != len(state.slots) or any(
            counts[bit] != len(members) for bit, members in _sets(state)
        ):
            raise CallerError(Reason.STATE, "a slot changed that was not named")
        put_records, drop_records = _difference(self.records, state.records, people)
        grown = sum(person not in self.records for person in put_records)
        if len(self.records) + grown - len(drop_records) != len(state.records):
            raise CallerError(Reason.STATE, "a person's record changed that was not named")
        put_offers, drop_offers = _difference(self.offers, state.offers)
        keys = {
            (name.epoch, name.revision): key.secret.encode() for name, key in state.keys.items()
        }
        put_keys, drop_keys = _difference(self.keys, keys)
        facts = (state.person_salt, state.last_entry, state.block)
        return IssuerChanges(
            put_slots=tuple(put),
            mark_slots={bits: tuple(members) for bits, members in marked.items()},
            publish=publish,
            put_records=put_records,
            drop_records=drop_records,
            put_offers=put_offers,
            drop_offers=drop_offers,
            put_keys=put_keys,
            drop_keys=drop_keys,
            facts=None if facts == self.facts else facts,
        )

    def advance(self, changes: IssuerChanges) -> None:
        """Note that these changes are in the database now."""
        if changes.publish:
            for slot in self.unpublished:
                issued, bits = self.slots[slot]
                self.slots[slot] = (issued, bits & ~UNPUBLISHED)
            self.unpublished = set()
            self.counts[UNPUBLISHED] = 0
        for issued, bits in changes.put_slots:
            self._set(issued, bits)
        for bits, slots in changes.mark_slots.items():
            for slot in slots:
                self._set(self.slots[slot][0], bits)
        _apply(self.records, changes.put_records, changes.drop_records)
        _apply(self.offers, changes.put_offers, changes.drop_offers)
        _apply(self.keys, changes.put_keys, changes.drop_keys)
        self.facts = changes.facts or self.facts

    def _set(self, issued: IssuedSlot, bits: int) -> None:
        _, old = self.slots.get(issued.slot, (None, 0))
        self.slots[issued.slot] = (issued, bits)
        for bit in _BITS:
            self.counts[bit] += bool(bits & bit) - bool(old & bit)
        (self.unpublished.add if bits & UNPUBLISHED else self.unpublished.discard)(issued.slot)


@dataclass(frozen=True, slots=True, repr=False)
class GateChanges:
    """Rows to write for a gate authority."""

    put_lists: Mapping[Version, tuple[ListSecret, ListPart, bool]]
    drop_lists: frozenset[Version]
    put_policies: Mapping[str, int]
    drop_policies: frozenset[str]


@dataclass(slots=True, repr=False)
class GateMarks:
    """What the database has of one gate authority; there is little of it, compared in full."""

    lists: dict[Version, tuple[ListSecret, ListPart, bool]] = field(default_factory=dict)
    policies: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, state: GateState) -> GateMarks:
        """The marks of a state that was just loaded."""
        marks = cls()
        marks.advance(marks.changes(state))
        return marks

    def changes(self, state: GateState) -> GateChanges:
        """What to write so that the database has `state`."""
        if state.parts.keys() != state.secrets.keys() or not state.listed <= state.parts.keys():
            raise CallerError(Reason.STATE, "a list version without its part or its secrets")
        lists = {
            version: (secret, state.parts[version], version in state.listed)
            for version, secret in state.secrets.items()
        }
        put_lists, drop_lists = _difference(self.lists, lists)
        put_policies, drop_policies = _difference(self.policies, state.policies)
        return GateChanges(put_lists, drop_lists, put_policies, drop_policies)

    def advance(self, changes: GateChanges) -> None:
        """Note that these changes are in the database now."""
        _apply(self.lists, changes.put_lists, changes.drop_lists)
        _apply(self.policies, changes.put_policies, changes.drop_policies)


def _sets(state: IssuerState) -> tuple[tuple[int, set[int]], ...]:
    return (UNPUBLISHED, state.unpublished), (SUSPENDED, state.suspended), (RETIRED, state.retired)


def _bits(state: IssuerState, slot: int) -> int:
    return sum(bit for bit, members in _sets(state) if slot in members)


def _difference(
    old: Mapping[K, V], new: Mapping[K, V], among: Iterable[K] | None = None
) -> tuple[dict[K, V], frozenset[K]]:
    """What to put and what to drop, of all keys or of some."""
    keys = old.keys() | new.keys() if among is None else set(among)
    put = {key: new[key] for key in keys if key in new and (key not in old or old[key] != new[key])}
    return put, frozenset(key for key in keys if key in old and key not in new)


def _apply(held: dict[K, V], put: Mapping[K, V], drop: Iterable[K]) -> None:
    held.update(put)
    for key in drop:
        held.pop(key, None)
