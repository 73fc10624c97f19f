"""The state of a wallet."""

from __future__ import annotations

from typing import Annotated, ClassVar

from guosuo.bbs.signature import SIGNATURE_SIZE, Signature
from guosuo.curve.scalar import Scalar
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.evidence.facts import EvidenceFact
from guosuo.federation.charter import Federation
from guosuo.federation.ids import CheckpointId, Epoch, Instant, PolicyId, Region, Revision, Slot
from guosuo.roles.enrolment import Fact, Nonce, Salt
from guosuo.roles.holding import HeldSlot, Pending, Renewal, WalletState
from guosuo.roles.states.frame import (
    ENTRIES,
    MAX_STATE,
    Secret,
    StateKind,
    Tick,
    age,
    check_same,
    silent,
    unwrap,
    wrap,
)
from guosuo.scheme import KeyId
from guosuo.wire.schema import U64, Message, Range, ScalarBytes, Size, message


@message
class StoredRenewal(Message):
    """A `Renewal` with the epoch and revision of its key; the region is the slot's."""

    epoch: Epoch
    revision: Revision
    signature: Annotated[bytes, Size(SIGNATURE_SIZE, SIGNATURE_SIZE)]
    evidence: U64

    __repr__ = silent


@message
class StoredSlot(Message):
    """A `HeldSlot`; renewals by epoch and revision."""

    region: Region
    slot: Slot
    blinding: ScalarBytes
    slot_key: Secret
    fact: Fact
    receipt: Annotated[bytes, Size(1, 1024)]
    salt: Salt
    renewals: Annotated[tuple[StoredRenewal, ...], ENTRIES]

    __repr__ = silent


@message
class StoredPending(Message):
    """A `Pending` enrolment."""

    region: Region
    nonce: Nonce
    blinding: ScalarBytes
    fact: Fact
    slot: Slot | None

    __repr__ = silent


@message
class StoredShows(Message):
    """How often the wallet showed at one checkpoint in one tick."""

    region: Region
    checkpoint: CheckpointId
    tick: Tick
    count: Annotated[int, Range(1, 255)]


@message
class StoredPlace(Message):
    """A checkpoint that the holder said yes to."""

    region: Region
    checkpoint: CheckpointId


@message
class StoredAnswer(Message):
    """The policy answered at one checkpoint on one day."""

    region: Region
    checkpoint: CheckpointId
    day: Tick
    policy: PolicyId


@message
class StoredWallet(Message):
    """A `WalletState`; lists ascend by what names their entries."""

    MAX_SIZE: ClassVar[int] = MAX_STATE

    link: ScalarBytes
    slots: Annotated[tuple[StoredSlot, ...], ENTRIES]
    pending: StoredPending | None
    last_seen: Instant
    last_tick: Tick
    shows: Annotated[tuple[StoredShows, ...], ENTRIES]
    places: Annotated[tuple[StoredPlace, ...], ENTRIES]
    answered: Annotated[tuple[StoredAnswer, ...], ENTRIES]
    moved: bool

    __repr__ = silent


def encode_wallet(federation: Federation, state: WalletState) -> bytes:
    """A wallet's state; `CallerError(ARGUMENT)` for values out of bounds."""
    body = StoredWallet(
        link=state.link.encode(),
        slots=tuple(_stored_slot(state.slots[name]) for name in sorted(state.slots)),
        pending=_stored_pending(state.pending) if state.pending else None,
        last_seen=state.last_seen,
        last_tick=state.last_tick,
        shows=tuple(
            StoredShows(region=region, checkpoint=checkpoint, tick=tick, count=count)
            for (region, checkpoint, tick), count in sorted(state.shows.items())
        ),
        places=tuple(
            StoredPlace(region=region, checkpoint=checkpoint)
            for region, checkpoint in sorted(state.places)
        ),
        answered=tuple(
            StoredAnswer(region=region, checkpoint=checkpoint, day=day, policy=policy)
            for (region, checkpoint, day), policy in sorted(state.answered.items())
        ),
        moved=state.moved,
    )
    return wrap(StateKind.WALLET, federation.id, body)


def decode_wallet(federation: Federation, data: bytes) -> WalletState:
    """The state that `encode_wallet` wrote; `PeerError` otherwise.

    It remembers its newest tick, and so never answers for an older one.
    """
    body = StoredWallet.decode(unwrap(StateKind.WALLET, federation, data))
    state = WalletState(
        link=Scalar.decode(body.link),
        slots={(s.region, s.slot): _held_slot(federation, s) for s in body.slots},
        pending=_pending(body.pending) if body.pending else None,
        last_seen=body.last_seen,
        last_tick=body.last_tick,
        shows={(s.region, s.checkpoint, s.tick): s.count for s in body.shows},
        places={(p.region, p.checkpoint) for p in body.places},
        answered={(a.region, a.checkpoint, a.day): a.policy for a in body.answered},
        moved=body.moved,
    )
    check_same(encode_wallet(federation, state), data)
    return state


def _stored_slot(held: HeldSlot) -> StoredSlot:
    return StoredSlot(
        region=held.region,
        slot=held.slot,
        blinding=held.blinding.encode(),
        slot_key=held.slot_key,
        fact=Fact.of(held.fact),
        receipt=held.receipt,
        salt=held.salt,
        renewals=tuple(
            StoredRenewal(
                epoch=key.epoch,
                revision=key.revision,
                signature=renewal.signature.encode(),
                evidence=renewal.evidence,
            )
            for key, renewal in sorted(held.renewals.items(), key=lambda item: age(item[0]))
        ),
    )


def _held_slot(federation: Federation, stored: StoredSlot) -> HeldSlot:
    federation.known(stored.region)
    suite = federation.scheme.suite
    return HeldSlot(
        region=stored.region,
        slot=stored.slot,
        blinding=Scalar.decode(stored.blinding),
        slot_key=stored.slot_key,
        fact=_evidence(stored.fact),
        receipt=stored.receipt,
        salt=stored.salt,
        renewals={
            KeyId(stored.region, r.epoch, r.revision): Renewal(
                Signature.decode(suite, r.signature), r.evidence
            )
            for r in stored.renewals
        },
    )


def _stored_pending(pending: Pending) -> StoredPending:
    return StoredPending(
        region=pending.region,
        nonce=pending.nonce,
        blinding=pending.blinding.encode(),
        fact=Fact.of(pending.fact),
        slot=pending.slot,
    )


def _pending(stored: StoredPending) -> Pending:
    return Pending(
        region=stored.region,
        nonce=stored.nonce,
        blinding=Scalar.decode(stored.blinding),
        fact=_evidence(stored.fact),
        slot=stored.slot,
    )


def _evidence(stored: Fact) -> EvidenceFact:
    try:
        return stored.fact()
    except CallerError:
        raise PeerError(Reason.MESSAGE_VALUE) from None
