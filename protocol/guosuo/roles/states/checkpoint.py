"""The state of a checkpoint, the tags it accepted included."""

from __future__ import annotations

import struct
from typing import Annotated, ClassVar

from guosuo.errors import Reason, refuse
from guosuo.federation.charter import Federation
from guosuo.federation.ids import CheckpointId, Epoch, Instant, PolicyId, Region, Revision
from guosuo.federation.trust_list import ListPart, check_part
from guosuo.policy.table import PolicyPart, check_policy
from guosuo.presentation.setting import Mode
from guosuo.roles.checkpoint import CheckpointState
from guosuo.roles.states.frame import (
    ENTRIES,
    MAX_STATE,
    Packed,
    StateKind,
    Tick,
    check_same,
    unpack,
    unwrap,
    wrap,
)
from guosuo.wire.schema import Message, message

_SHOW = struct.Struct(">48s32s")
"""Tag, hash of the show."""


@message
class StoredLowest(Message):
    """The lowest list revision accepted in one epoch."""

    epoch: Epoch
    revision: Revision


@message
class StoredTick(Message):
    """The shows accepted in one tick, 80 octets each: tag, hash of the show."""

    tick: Tick
    shows: Packed


@message
class StoredCheckpoint(Message):
    """A `CheckpointState`; nothing in it is secret, everything in it is trusted."""

    MAX_SIZE: ClassVar[int] = MAX_STATE

    region: Region
    checkpoint: CheckpointId
    policy: PolicyId
    mode: Mode
    parts: Annotated[tuple[ListPart, ...], ENTRIES]
    policies: Annotated[tuple[PolicyPart, ...], ENTRIES]
    lowest: Annotated[tuple[StoredLowest, ...], ENTRIES]
    floor: Instant
    seen: Annotated[tuple[StoredTick, ...], ENTRIES]
    quiet_until: Tick


def encode_checkpoint(federation: Federation, state: CheckpointState) -> bytes:
    """A checkpoint's state, the tags of open ticks included; `CallerError(ARGUMENT)`."""
    body = StoredCheckpoint(
        region=state.region,
        checkpoint=state.checkpoint,
        policy=state.policy,
        mode=state.mode,
        parts=tuple(state.parts[version].part for version in sorted(state.parts)),
        policies=tuple(state.policies[version].part for version in sorted(state.policies)),
        lowest=tuple(
            StoredLowest(epoch=epoch, revision=revision)
            for epoch, revision in sorted(state.lowest.items())
        ),
        floor=state.floor,
        seen=tuple(
            StoredTick(
                tick=tick, shows=b"".join(_SHOW.pack(*show) for show in sorted(shows.items()))
            )
            for tick, shows in sorted(state.seen.items())
        ),
        quiet_until=state.quiet_until,
    )
    return wrap(StateKind.CHECKPOINT, federation.id, body)


def decode_checkpoint(federation: Federation, data: bytes) -> CheckpointState:
    """The state that `encode_checkpoint` wrote; `PeerError` otherwise.

    It may go on at once only if it was saved after the last show that was accepted;
    else it has to forget its tags and wait: `Checkpoint.restarted`.
    """
    body = StoredCheckpoint.decode(unwrap(StateKind.CHECKPOINT, federation, data))
    federation.known(body.region)
    parts = [check_part(federation.scheme, part.encode()) for part in body.parts]
    policies = [check_policy(federation.scheme, part.encode()) for part in body.policies]
    if any(p.part.region != body.region for p in parts):
        refuse(Reason.LIST_PART)
    if any((p.part.region, p.part.policy) != (body.region, body.policy) for p in policies):
        refuse(Reason.POLICY)
    state = CheckpointState(
        region=body.region,
        checkpoint=body.checkpoint,
        policy=body.policy,
        mode=body.mode,
        parts={(p.part.epoch, p.part.revision): p for p in parts},
        policies={p.part.version: p for p in policies},
        lowest={entry.epoch: entry.revision for entry in body.lowest},
        floor=body.floor,
        seen={entry.tick: dict(unpack(_SHOW, entry.shows)) for entry in body.seen},
        quiet_until=body.quiet_until,
    )
    check_same(encode_checkpoint(federation, state), data)
    return state
