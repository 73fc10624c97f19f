"""Peers that lie: gates and issuers that publish what honest code would refuse to make.

A liar holds the real keys of its region, so whatever it publishes is correctly
signed and chained; only the content is wrong.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import nacl.signing
import pytest

from guosuo.credential.board import Bucket, SlotToRenew, build_bucket
from guosuo.credential.keys import EpochKey, prove_possession
from guosuo.curve.entropy import Entropy
from guosuo.curve.points import G1, G2
from guosuo.curve.scalar import ORDER, Scalar
from guosuo.errors import GuosuoError, PeerError, Reason
from guosuo.evidence.value import value_at
from guosuo.federation.audit import bucket_firsts
from guosuo.federation.entries import (
    Board,
    BucketRef,
    EpochEntry,
    ListEntry,
    encode_allotment,
    encode_status_list,
    root_statement,
    status_bits,
)
from guosuo.federation.records import Append, Kind, PutBlob, digest, sign
from guosuo.federation.records import LogEntry as LogEntryBody
from guosuo.federation.trust_list import (
    Absence,
    ListKeys,
    ListPart,
    ListSecret,
    make_keys,
    make_part,
)
from guosuo.federation.view import FederationView, RegionView
from guosuo.policy.compiler import compile_policy
from guosuo.policy.document import PolicyDocument
from guosuo.policy.simple import simple_policy
from guosuo.policy.table import PolicyPart, Table, make_table
from guosuo.roles.auditor import Auditor, RegionAudit
from guosuo.roles.enrolment import RULES_VERSION
from guosuo.roles.gate import SCOPE
from guosuo.roles.issuer import IssuerState
from guosuo.scheme import KeyId
from tests.support.world import POLICY, World

Listed = Sequence[tuple[KeyId, G2]]


@contextmanager
def refused(reason: Reason, family: type[GuosuoError] = PeerError) -> Iterator[None]:
    """The block must raise exactly this family with exactly this reason."""
    with pytest.raises(family) as caught:
        yield
    assert type(caught.value) is family
    assert caught.value.reason is reason


def scripted(scalars: Sequence[Scalar], after: Entropy) -> Entropy:
    """Entropy whose first scalars are the given ones; everything else comes from `after`."""
    waiting = list(scalars)

    def source(count: int) -> bytes:
        if waiting and count == 48:
            # Above the group order, so that no octets look like those of a stuck source.
            return (int(waiting.pop(0)) - 1 + (ORDER - 1)).to_bytes(48, "big")
        return after.octets(count)

    return Entropy(source)


def saved(state: IssuerState) -> IssuerState:
    """A backup of an issuer's state: later changes do not reach it."""
    return replace(
        state,
        keys=dict(state.keys),
        slots=dict(state.slots),
        records=dict(state.records),
        offers=dict(state.offers),
        unpublished=set(state.unpublished),
        suspended=set(state.suspended),
        retired=set(state.retired),
    )


def append(world: World, region: str, kind: Kind, body: bytes) -> bytes:
    """Log a body of a region as it is, without showing it to the region's checkpoint."""
    entry = world.regions[region].writer.append(kind, body)
    world.regions[region].entries.append(entry)
    world.view.append(region, entry)
    return entry


def void(world: World, region: str) -> tuple[int, Reason] | None:
    """Index and reason of the region's last void entry, if its last entry is void."""
    view = world.view.region(region)
    if view.void and view.void[-1][0] == len(view.entries) - 1:
        return view.void[-1]
    return None


# --- gates -----------------------------------------------------------------------------


def listable(world: World, epoch: int | None = None) -> list[tuple[KeyId, G2]]:
    """Names and keys that an honest list of an epoch holds."""
    found = world.auditor.listable(world.epoch if epoch is None else epoch)
    return [(a.published.id, a.published.public) for a in found]


def lying_part(
    world: World, gate: str, revision: int, *, scope: str = SCOPE, longer: int = 0
) -> tuple[ListSecret, ListPart]:
    """A well-formed public part with a and b that the liar keeps; not yet logged."""
    secret = ListSecret.draw(world.entropy)
    start, end = world.federation.clock.list_window(world.epoch)
    part = make_part(
        world.federation.scheme,
        secret,
        region=gate,
        scope=scope,
        epoch=world.epoch,
        revision=revision,
        not_before=start,
        not_after=end + longer,
        entropy=world.entropy,
    )
    return secret, part


def lying_list(
    world: World,
    gate: str,
    revision: int,
    *,
    listed: Listed | None = None,
    absent: Sequence[Absence] = (),
    twist: Callable[[ListKeys, ListSecret], ListKeys] = lambda keys, _: keys,
) -> ListSecret:
    """Publish a list version whose wallets' part went through `twist`.

    With the defaults this is what the honest gate does: every lie has its twin.
    """
    secret, part = lying_part(world, gate, revision)
    chosen = listable(world) if listed is None else listed
    keys = twist(make_keys(world.federation.scheme, secret, part, chosen, absent), secret)
    blob = keys.encode()
    world.publish(
        gate,
        (
            Append(Kind.LIST_PART, part.encode()),
            PutBlob(blob),
            Append(Kind.LIST, ListEntry(part=digest(part.encode()), keys=digest(blob)).encode()),
        ),
    )
    return secret


def lying_policy(
    world: World,
    gate: str,
    document: PolicyDocument,
    *,
    values: Sequence[int] | None = None,
    twist_table: Callable[[Table], Table] = lambda table: table,
    twist_part: Callable[[PolicyPart], PolicyPart] = lambda part: part,
    twist_document: Callable[[PolicyDocument], PolicyDocument] = lambda document: document,
) -> None:
    """Publish the next policy version, with a table, part or document that was twisted."""
    blob = twist_document(document).encode()
    version = world.regions[gate].gate.state.policies.get(document.policy, 0) + 1
    part, table = make_table(
        world.federation.scheme,
        compile_policy(document, world.federation.clock) if values is None else values,
        region=gate,
        policy=document.policy,
        version=version,
        not_before=document.not_before,
        not_after=document.not_after,
        document=digest(blob),
        entropy=world.entropy,
    )
    table = twist_table(table)
    part = twist_part(replace(part, table=digest(table.encode())))
    world.regions[gate].gate.state.policies[document.policy] = version
    world.blobs[digest(table.encode())] = table.encode()
    world.blobs[digest(blob)] = blob
    append(world, gate, Kind.POLICY, part.encode())


def next_document(world: World, gate: str, clauses: tuple, policy: str = POLICY) -> PolicyDocument:
    """The document of the next version of a policy, in force for a year."""
    return simple_policy(
        clauses,
        region=gate,
        policy=policy,
        version=world.regions[gate].gate.state.policies.get(policy, 0) + 1,
        not_before=world.now,
        not_after=world.now + 365 * 86_400,
    )


# --- issuers -----------------------------------------------------------------------------


def fork(world: World) -> tuple[FederationView, Auditor]:
    """Another reader who knows what everybody knows; what it reads now changes nobody else."""
    view = FederationView(world.federation)
    view._keys = dict(world.view._keys)
    for name, region in world.view.regions.items():
        view.regions[name] = RegionView(
            name,
            entries=list(region.entries),
            last=region.last,
            epochs=dict(region.epochs),
            suspended=set(region.suspended),
            retired=set(region.retired),
            parts=dict(region.parts),
            drawn=set(region.drawn),
            lists=dict(region.lists),
            policies=dict(region.policies),
            checkpoints=dict(region.checkpoints),
            void=list(region.void),
        )
    auditor = Auditor(view, copy.deepcopy(world.auditor.judge))
    for name, audit in world.auditor.regions.items():
        auditor.regions[name] = RegionAudit(
            admitted=dict(audit.admitted),
            held=dict(audit.held),
            refused=dict(audit.refused),
            faults=dict(audit.faults),
            waiting=dict(audit.waiting),
            commitments=dict(audit.commitments),
            suspended=dict(audit.suspended),
            whole=dict(audit.whole),
            voids=audit.voids,
        )
    return view, auditor


@dataclass
class Draft:
    """The next epoch of a region in the making; every field may be bent before `judge`.

    Nothing here touches the region's own state or log.
    """

    world: World
    region: str
    key: EpochKey
    commitments: dict[int, G1]
    renewals: list[SlotToRenew]
    fresh: dict[int, G1]
    bits: bytes
    previous: bytes | None
    allotted: int
    active: int
    root_key: nacl.signing.SigningKey
    firsts: list[int]
    buckets: dict[int, Bucket] = field(default_factory=dict)
    possession: bytes = b""

    @classmethod
    def next(cls, world: World, region: str, *, revision: int = 0) -> Draft:
        """What the honest issuer would publish, before the buckets are built."""
        state = world.regions[region].issuer.state
        epoch = world.epoch + (1 if revision == 0 else 0)
        invalid = state.suspended | state.retired
        start, end = world.federation.clock.key_life(epoch)
        latest = world.view.region(region).latest()
        size = world.federation.charter.parameters.bucket_slots
        commitments = {slot: issued.commitment for slot, issued in state.slots.items()}
        firsts = bucket_firsts(commitments, size)
        return cls(
            world=world,
            region=region,
            key=EpochKey.draw(
                world.federation.scheme, KeyId(region, epoch, revision), world.entropy
            ),
            commitments=commitments,
            renewals=[
                SlotToRenew(
                    slot,
                    issued.commitment,
                    issued.slot_key,
                    value_at(issued.fact, start=start, end=end),
                )
                for slot, issued in sorted(state.slots.items())
                if slot not in invalid
            ],
            fresh={slot: commitments[slot] for slot in state.unpublished},
            bits=status_bits(firsts[-1] + size if firsts else 0, invalid),
            previous=latest.digest if latest else None,
            allotted=len(commitments),
            active=len(commitments.keys() - invalid),
            root_key=world.roots[region],
            firsts=firsts,
        )

    @property
    def size(self) -> int:
        """Slots of a bucket."""
        return self.world.federation.charter.parameters.bucket_slots

    def inside(self, first: int) -> dict[int, G1]:
        """Commitments of one bucket's range."""
        return {s: c for s, c in self.commitments.items() if first <= s < first + self.size}

    def build(self) -> Draft:
        """Make the buckets with the library's own code, from whatever `renewals` says now."""
        for first in self.firsts:
            self.buckets[first] = build_bucket(
                self.world.federation.scheme,
                self.key,
                first,
                self.size,
                self.inside(first),
                [r for r in self.renewals if first <= r.slot < first + self.size],
                self.world.entropy,
            )
        return self

    def entry(self) -> EpochEntry:
        """The epoch entry, its blobs stored."""
        scheme = self.world.federation.scheme
        public = self.key.public.encode()
        refs = tuple(
            BucketRef(
                first=first,
                data=self._put(self.buckets[first].data),
                proof=self._put(self.buckets[first].proof) if self.buckets[first].proof else None,
            )
            for first in self.firsts
        )
        return EpochEntry(
            epoch=self.key.id.epoch,
            revision=self.key.id.revision,
            public=public,
            possession=self.possession or prove_possession(scheme, self.key, self.world.entropy),
            root_signature=self.root_key.sign(
                root_statement(self.world.federation.id, self.key.id, public)
            ).signature,
            status=self._put(encode_status_list(self.bits)),
            board=self._put(Board(buckets=refs).encode()),
            allotment=self._put(encode_allotment(self.fresh)),
            rules=RULES_VERSION,
            allotted=self.allotted,
            active=self.active,
            previous=self.previous,
        )

    def judge(self, entry: EpochEntry | None = None) -> Reason | None:
        """What a reader of the logs says: None if the epoch is admitted, else why not."""
        return judge(self.world, self.region, (entry or self.entry()).encode())

    def _put(self, data: bytes) -> bytes:
        self.world.blobs[digest(data)] = data
        return digest(data)


def judge(
    world: World, region: str, *bodies: bytes | Callable[[bytes | None], bytes]
) -> Reason | None:
    """Let a forked reader append epoch entries and audit; the verdict on the last one.

    A body that is a function gets the hash of the epoch entry before it, to link to.
    """
    view, auditor = fork(world)
    log = view.region(region)
    for body in bodies:
        index, before = len(log.entries), log.latest()
        octets = body if isinstance(body, bytes) else body(before.digest if before else None)
        logged = LogEntryBody(region=region, index=index, previous=log.last, body=octets)
        view.append(
            region,
            sign(world.logs[region], world.federation.id, Kind.EPOCH, logged.encode()),
        )
        auditor.follow(region, world.fetch)
    if log.void and log.void[-1][0] == len(log.entries) - 1:
        return log.void[-1][1]
    latest = log.latest()
    assert latest is not None
    state = auditor.regions[region]
    if latest.id in state.admitted:
        return None
    # An epoch of which a blob is missing is judged again later: neither admitted nor refused.
    return state.faults.get(latest.id, Reason.RECORD_MISSING)
