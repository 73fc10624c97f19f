"""Blobs from a stream of chunks: put together, bounded, checked against their names."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from guosuo.client.channel import NodeChannel
from guosuo.client.errors import NOT_FOUND, known_reason
from guosuo.errors import PeerError, Reason
from guosuo.federation.records import digest
from guosuo.pb import federation_pb2 as pb
from guosuo.pb.federation_pb2_grpc import FederationStub

MAX_BLOB: Final = 16 << 20
"""Octets of a blob at most."""
MAX_CHUNK: Final = 1 << 20
MAX_CHUNKS: Final = 4096
"""Chunks of one blob at most: who sends octet by octet is not listened to."""
MAX_NAMES: Final = 64
"""Names in one call at most."""
WRONG: Final = "wrong-octets"
"""Why a blob is not given: the node sent octets of another name."""


@dataclass(frozen=True, slots=True)
class Blob:
    """One answer: the octets of a name, or why there are none."""

    name: bytes
    data: bytes | None = field(repr=False)
    reason: str = ""
    """`not-found`, `wrong-octets`, or another word of the lists of `client.errors`."""


async def stream_blobs(
    channel: NodeChannel, stub: FederationStub, names: Sequence[bytes]
) -> AsyncGenerator[Blob, None]:
    """The blobs of at most `MAX_NAMES` names, as they come; each name at most once.

    A wrong blob or an error concerns its name only. A stream that does not keep the form
    ends with `PeerError`, a broken one with `NodeFailure`; what came before counts.
    """
    waiting = set(names)
    joined: list[bytes] = []
    size = 0
    current: bytes | None = None
    stream = channel.stream(stub.GetBlobs, pb.GetBlobsRequest(names=list(names)))
    async with aclosing(stream):
        async for part in stream:
            if part.name not in waiting or current not in (None, part.name):
                raise PeerError(Reason.RECORD_ORDER, "chunks out of order")
            if part.WhichOneof("result") == "error":
                waiting.discard(part.name)
                joined, size, current = [], 0, None
                yield Blob(part.name, None, known_reason(part.error.reason))
                continue
            if part.WhichOneof("result") != "data" or (part.more and not part.data):
                raise PeerError(Reason.MESSAGE_SHAPE)
            size += len(part.data)
            joined.append(part.data)
            if len(part.data) > MAX_CHUNK or size > MAX_BLOB or len(joined) > MAX_CHUNKS:
                raise PeerError(Reason.TOO_LONG)
            if part.more:
                current = part.name
                continue
            waiting.discard(part.name)
            data = b"".join(joined)
            joined, size, current = [], 0, None
            right = digest(data) == part.name
            yield Blob(part.name, data if right else None, "" if right else WRONG)
    if current is not None:
        raise PeerError(Reason.MESSAGE_SHAPE, "a blob without an end")
    for name in waiting:
        yield Blob(name, None, NOT_FOUND)
