"""The gate authority of a region: trust lists and tables for its own checkpoints.

Its state is the secrets (a, b) of list versions that can still be used. Whoever
knows them can pass this region's gates, for the life of those versions only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from guosuo.curve.entropy import Entropy
from guosuo.errors import CallerError, Reason
from guosuo.federation.audit import AuditedEpoch
from guosuo.federation.charter import Federation
from guosuo.federation.entries import CheckpointInfo, CheckpointsEntry, ListEntry
from guosuo.federation.records import Append, Effect, Effects, Kind, PutBlob, digest
from guosuo.federation.trust_list import (
    MAX_CUTS,
    MAX_REVISION,
    Absence,
    ListPart,
    ListSecret,
    make_keys,
    make_part,
)
from guosuo.policy.compiler import compile_policy
from guosuo.policy.document import PolicyDocument
from guosuo.policy.table import make_table
from guosuo.roles.bundle import oldest_key_epoch, refuse_outside

SCOPE = "all"
_VERSIONS = 1 + MAX_REVISION + MAX_CUTS
_REGISTER_BATCH = 64
_REGISTER_OCTETS = 15_000
"""Checkpoints in one entry: by number, and by octets below the limit of an entry."""
PARTS_AHEAD = 12
"""Epochs ahead for which a checkpoint can carry list parts: two days at E = 4 h."""


@dataclass(slots=True)
class GateState:
    """Everything a gate authority must remember (saved by `roles.states`)."""

    region: str
    secrets: dict[tuple[int, int], ListSecret] = field(default_factory=dict, repr=False)
    """By (epoch, revision)."""
    parts: dict[tuple[int, int], ListPart] = field(default_factory=dict)
    listed: set[tuple[int, int]] = field(default_factory=set)
    """Versions whose key list is published."""
    cuts: set[tuple[int, int]] = field(default_factory=set)
    """Those of them that ended the revisions before them."""
    policies: dict[str, int] = field(default_factory=dict)
    """Latest version of each policy."""


class GateAuthority:
    """One region's gate authority."""

    def __init__(self, federation: Federation, state: GateState) -> None:
        """A fresh `GateState(region)` founds it."""
        federation.known(state.region)
        self.federation = federation
        self.state = state
        self.lost: set[tuple[int, int]] = set()
        """Versions that the log has and this state forgot: passed over, never drawn again."""

    def prepare_parts(
        self, epoch: int, entropy: Entropy, *, ahead: int = PARTS_AHEAD, revisions: int = 0
    ) -> Effects:
        """Publish the public parts of the lists of `epoch` … `epoch + ahead`.

        With `revisions`, those of every version that may come (a cut beyond them apart), so
        that a checkpoint without network knows them. a and b are drawn anew, both,
        independently, for every version.
        """
        missing = [
            (t, r)
            for t in range(epoch, epoch + ahead + 1)
            for r in range(1 + revisions)
            if (t, r) not in self.state.parts and (t, r) not in self.lost
        ]
        return tuple(self._keep(version, *self._draw(version, entropy)) for version in missing)

    def publish_list(
        self,
        epoch: int,
        admitted: Sequence[AuditedEpoch],
        entropy: Entropy,
        *,
        absent: Iterable[Absence] = (),
        cut: bool = False,
    ) -> Effects:
        """The list of an epoch: T_i of each listed key, every absence explained.

        `admitted`: the audited epochs whose keys the judge lists. Calling it again for an
        epoch publishes the next revision; after three, `CallerError`. `cut`: a key of the
        lower revisions was stolen, they end with this one, and it is not counted. A list
        after versions whose secrets were lost is one, too: those end with it.
        """
        state = self.state
        used = state.listed | self.lost
        revision = next(r for r in range(_VERSIONS + 1) if (epoch, r) not in used)
        cuts = sum(version[0] == epoch for version in state.cuts)
        lost = any(version[0] == epoch for version in self.lost)
        cut = cut or (lost and revision > MAX_REVISION + cuts)
        cuts += cut
        if revision > MAX_REVISION + cuts or cuts > MAX_CUTS:
            raise CallerError(Reason.LIST_REVISIONS, "three revisions of a list are the limit")
        if any(not _may_hold(self.federation, epoch, a.published.id.epoch) for a in admitted):
            raise CallerError(Reason.ARGUMENT, "a list holds no key of that age")
        version = (epoch, revision)
        known = version in state.parts
        secret, part = (
            (state.secrets[version], state.parts[version])
            if known
            else self._draw(version, entropy)
        )
        keys = make_keys(
            self.federation.scheme,
            secret,
            part,
            [(a.published.id, a.published.public) for a in admitted],
            sorted(absent, key=lambda absence: absence.region),
        ).encode()
        entry = ListEntry(
            part=digest(part.encode()), keys=digest(keys), lowest=revision if cut else None
        )
        # A list that cannot be written (no key, say) leaves no part behind that no log has.
        effects: list[Effect] = [] if known else [self._keep(version, secret, part)]
        state.listed.add(version)
        if cut:
            state.cuts.add(version)
        return (*effects, PutBlob(keys), Append(Kind.LIST, entry.encode()))

    def publish_policy(self, document: PolicyDocument, entropy: Entropy) -> Effects:
        """Compile a policy document, sign its table under a fresh key, publish all.

        `PolicyError` with the rules at fault for one that cannot be proven, or that is
        outside of the charter's envelope.
        """
        state = self.state
        version = state.policies.get(document.policy, 0) + 1
        if (document.region, document.version) != (state.region, version):
            raise CallerError(Reason.POLICY, "the document names another region or version")
        data = document.encode()
        values = compile_policy(document, self.federation.clock)
        refuse_outside(self.federation, document, values)
        part, table = make_table(
            self.federation.scheme,
            values,
            region=state.region,
            policy=document.policy,
            version=version,
            not_before=document.not_before,
            not_after=document.not_after,
            document=digest(data),
            entropy=entropy,
        )
        state.policies[document.policy] = version
        return (PutBlob(data), PutBlob(table.encode()), Append(Kind.POLICY, part.encode()))

    def publish_checkpoints(self, checkpoints: Sequence[CheckpointInfo]) -> Effects:
        """A new register of all checkpoints that wallets may answer to in this region.

        As many entries as it takes: the first starts the register, the others add to it.
        """
        bodies: list[bytes] = []
        batch: list[CheckpointInfo] = []
        size = 0
        for info in checkpoints:
            octets = len(info.encode())
            if batch and (size + octets > _REGISTER_OCTETS or len(batch) == _REGISTER_BATCH):
                bodies.append(_register(bodies, batch))
                batch, size = [], 0
            batch.append(info)
            size += octets
        bodies.append(_register(bodies, batch))
        return tuple(Append(Kind.CHECKPOINTS, body) for body in bodies)

    def forget(self, before: int) -> None:
        """Destroy secrets of lists that ended: only the life of a version is at risk."""
        state = self.state
        state.secrets = {v: s for v, s in state.secrets.items() if v[0] >= before}
        state.parts = {v: p for v, p in state.parts.items() if v[0] >= before}
        state.listed = {v for v in state.listed if v[0] >= before}
        state.cuts = {v for v in state.cuts if v[0] >= before}

    def _draw(self, version: tuple[int, int], entropy: Entropy) -> tuple[ListSecret, ListPart]:
        epoch, revision = version
        secret = ListSecret.draw(entropy)
        start, end = self.federation.clock.list_window(epoch)
        part = make_part(
            self.federation.scheme,
            secret,
            region=self.state.region,
            scope=SCOPE,
            epoch=epoch,
            revision=revision,
            not_before=start,
            not_after=end,
            entropy=entropy,
        )
        return secret, part

    def _keep(self, version: tuple[int, int], secret: ListSecret, part: ListPart) -> Append:
        self.state.secrets[version] = secret
        self.state.parts[version] = part
        return Append(Kind.LIST_PART, part.encode())


def _may_hold(federation: Federation, epoch: int, key_epoch: int) -> bool:
    """Whether the list of an epoch can hold a key of that epoch at all (GS-LIST-5)."""
    return oldest_key_epoch(federation, epoch) <= key_epoch <= epoch + 1


def _register(before: Sequence[bytes], batch: Sequence[CheckpointInfo]) -> bytes:
    return CheckpointsEntry(more=bool(before), checkpoints=tuple(batch)).encode()
