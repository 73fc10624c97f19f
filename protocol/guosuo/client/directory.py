"""The service Directory of one node: what it says of the regions and of itself.

It is the node's word and nobody signed it: good for people to read and for deciding where
to look, never for deciding whether something holds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from guosuo.client import bounds
from guosuo.client.channel import NodeChannel
from guosuo.client.errors import UNKNOWN, known_reason
from guosuo.errors import PeerError, Reason
from guosuo.federation.judge import Rule
from guosuo.pb import directory_pb2 as pb
from guosuo.pb.directory_pb2_grpc import DirectoryStub

MAX_REGIONS: Final = 1024
MAX_BUNDLES: Final = 4096
MAX_BUNDLE_BLOBS: Final = 64
_MAX_REVISION: Final = 255
_MAX_SECONDS: Final = (1 << 32) - 1
_MAX_TIME: Final = 1 << 40
_MAX_TEXT: Final = 64
_MAX_VERSION: Final = 32
_FEDERATION: Final = 32
_WORD: Final = re.compile(r"[a-z-]{0,32}", re.ASCII)
_RULES: Final = frozenset(rule.value for rule in Rule)


class Judgement(StrEnum):
    """The four judgements on an epoch, and none yet."""

    NONE = "none"
    ADMIT = "admit"
    HOLD = "hold"
    LATE = "late"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionStatus:
    """How one region stands in the node's eyes."""

    region: str
    name: str
    epoch: int | None
    """The newest that was judged."""
    revision: int
    size: int
    """Entries of its log."""
    judgement: Judgement
    lag_seconds: int
    """For how long an entry has been due."""
    reason: str
    """The rule of the judgement, empty for admitted ones; of the closed lists."""
    last_contact: int
    """Unix seconds; 0 for never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeInfo:
    """What the node says of itself."""

    region: str
    """Empty for a stand-alone witness."""
    version: str
    federation: bytes
    time_ms: int
    """Its clock, Unix milliseconds."""
    leader: bool
    epoch: int
    waiting: str = ""
    """Why it signs or publishes nothing now: a word, or empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundlePlace:
    """Where the node says that a gate's bundle for one policy is."""

    region: str
    policy: str
    list_index: int
    revision: int
    blobs: tuple[bytes, ...]


class DirectoryClient:
    """One node, asked about itself and the regions. Raises `NodeFailure` and `PeerError`."""

    def __init__(self, channel: NodeChannel) -> None:
        """The channel stays its owner's."""
        self.channel = channel
        self._stub = DirectoryStub(channel.raw)

    async def regions(self) -> tuple[RegionStatus, ...]:
        """Every member of the node's charter."""
        answer = await self.channel.call(self._stub.ListRegions, pb.ListRegionsRequest())
        if len(answer.regions) > MAX_REGIONS:
            raise PeerError(Reason.TOO_LONG)
        found = tuple(_status(one) for one in answer.regions)
        if len({one.region for one in found}) != len(found):
            raise PeerError(Reason.MESSAGE_VALUE)
        return found

    async def node(self) -> NodeInfo:
        """What the node is."""
        answer = await self.channel.call(self._stub.GetNode, pb.GetNodeRequest())
        if len(answer.federation) != _FEDERATION:
            raise PeerError(Reason.MESSAGE_VALUE)
        return NodeInfo(
            region=bounds.region(answer.region) if answer.region else "",
            version=bounds.text(answer.version, _MAX_VERSION),
            federation=answer.federation,
            time_ms=bounds.number(answer.time_ms, 1000 * _MAX_TIME),
            leader=answer.leader,
            epoch=bounds.number(answer.epoch, bounds.MAX_EPOCH),
            waiting=answer.waiting if _WORD.fullmatch(answer.waiting) else UNKNOWN,
        )

    async def bundles(self, epoch: int) -> tuple[BundlePlace, ...]:
        """Bundles of all regions whose list of that epoch the node has."""
        answer = await self.channel.call(self._stub.GetBundles, pb.GetBundlesRequest(epoch=epoch))
        if len(answer.bundles) > MAX_BUNDLES:
            raise PeerError(Reason.TOO_LONG)
        return tuple(
            BundlePlace(
                region=bounds.region(one.region),
                policy=bounds.name(one.policy),
                list_index=bounds.number(one.list_index),
                revision=bounds.number(one.revision, _MAX_REVISION),
                blobs=bounds.hashes(one.blobs, MAX_BUNDLE_BLOBS),
            )
            for one in answer.bundles
        )


_JUDGEMENTS: Final = {
    pb.JUDGEMENT_UNSPECIFIED: Judgement.NONE,
    pb.JUDGEMENT_ADMIT: Judgement.ADMIT,
    pb.JUDGEMENT_HOLD: Judgement.HOLD,
    pb.JUDGEMENT_LATE: Judgement.LATE,
    pb.JUDGEMENT_REFUSE: Judgement.REFUSE,
}


def _status(one: pb.RegionStatus) -> RegionStatus:
    judgement = _JUDGEMENTS.get(one.judgement)
    if judgement is None:
        raise PeerError(Reason.MESSAGE_VALUE)
    reason = one.reason
    return RegionStatus(
        region=bounds.region(one.region),
        name=bounds.text(one.name, _MAX_TEXT),
        epoch=one.epoch if one.HasField("epoch") else None,
        revision=bounds.number(one.revision, _MAX_REVISION),
        size=bounds.number(one.size),
        judgement=judgement,
        lag_seconds=bounds.number(one.lag_seconds, _MAX_SECONDS),
        reason=reason if not reason or reason in _RULES else known_reason(reason),
        last_contact=bounds.number(one.last_contact, _MAX_TIME),
    )
