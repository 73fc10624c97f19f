"""The states of a gate authority and of a log writer."""

from __future__ import annotations

from typing import Annotated, ClassVar

from guosuo.curve.scalar import Scalar
from guosuo.federation.charter import Federation
from guosuo.federation.ids import PolicyId, Region, Version
from guosuo.federation.records import LogWriter
from guosuo.federation.trust_list import ListPart, ListSecret, check_part
from guosuo.roles.gate import GateState
from guosuo.roles.states.frame import (
    ENTRIES,
    MAX_STATE,
    Secret,
    StateKind,
    check_same,
    key_of,
    silent,
    unwrap,
    wrap,
)
from guosuo.wire.schema import Hash, Message, ScalarBytes, message


@message
class StoredVersion(Message):
    """One list version: its public part, its secrets, whether its keys are published."""

    part: ListPart
    a: ScalarBytes
    b: ScalarBytes
    listed: bool
    cut: bool | None = None
    """True if it ended the revisions before it; otherwise absent."""

    __repr__ = silent


@message
class StoredPolicy(Message):
    """The latest version of one policy."""

    policy: PolicyId
    version: Version


@message
class StoredGate(Message):
    """A `GateState`; versions by epoch and revision."""

    MAX_SIZE: ClassVar[int] = MAX_STATE

    region: Region
    versions: Annotated[tuple[StoredVersion, ...], ENTRIES]
    policies: Annotated[tuple[StoredPolicy, ...], ENTRIES]

    __repr__ = silent


def encode_gate(federation: Federation, state: GateState) -> bytes:
    """A gate authority's state; `CallerError(ARGUMENT)` for values out of bounds."""
    body = StoredGate(
        region=state.region,
        versions=tuple(
            StoredVersion(
                part=state.parts[version],
                a=secret.a.encode(),
                b=secret.b.encode(),
                listed=version in state.listed,
                cut=True if version in state.cuts else None,
            )
            for version, secret in sorted(state.secrets.items(), key=lambda item: item[0])
        ),
        policies=tuple(
            StoredPolicy(policy=policy, version=version)
            for policy, version in sorted(state.policies.items())
        ),
    )
    return wrap(StateKind.GATE, federation.id, body)


def decode_gate(federation: Federation, data: bytes) -> GateState:
    """The state that `encode_gate` wrote; `PeerError` otherwise."""
    body = StoredGate.decode(unwrap(StateKind.GATE, federation, data))
    federation.known(body.region)
    state = GateState(body.region, policies={p.policy: p.version for p in body.policies})
    for stored in body.versions:
        part = check_part(federation.scheme, stored.part.encode()).part
        version = (part.epoch, part.revision)
        state.parts[version] = part
        state.secrets[version] = ListSecret(Scalar.decode(stored.a), Scalar.decode(stored.b))
        if stored.listed:
            state.listed.add(version)
        if stored.cut:
            state.cuts.add(version)
    check_same(encode_gate(federation, state), data)
    return state


@message
class StoredLog(Message):
    """A `LogWriter`: the signing key, the next index, the hash of the last entry."""

    region: Region
    key: Secret
    index: int
    previous: Hash

    __repr__ = silent


def encode_log(writer: LogWriter) -> bytes:
    """A log writer with its key; it names its federation itself."""
    body = StoredLog(
        region=writer.region,
        key=bytes(writer.key),
        index=writer.index,
        previous=writer.previous,
    )
    return wrap(StateKind.LOG, writer.federation, body)


def decode_log(federation: Federation, data: bytes) -> LogWriter:
    """The writer that `encode_log` wrote; `PeerError` otherwise."""
    body = StoredLog.decode(unwrap(StateKind.LOG, federation, data))
    key = key_of(body.key, [m.log_key for m in federation.memberships(body.region)])
    return LogWriter(key, federation.id, body.region, body.index, body.previous)
