"""Who is calling: the member behind a client certificate, for the call that runs now.

The guard sets it for each call; a task of asyncio sees its own call's only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from guosuo_node.app.faults import Fault, ServiceError

_PEER: Final[ContextVar[str | None]] = ContextVar("peer", default=None)


@contextmanager
def called_by(peer: str | None) -> Iterator[None]:
    """Inside, `require_peer` gives `peer`."""
    token = _PEER.set(peer)
    try:
        yield
    finally:
        _PEER.reset(token)


def require_peer() -> str:
    """Region code or witness name of the peer; `ServiceError(PEER_UNKNOWN)` without one."""
    peer = _PEER.get()
    if peer is None:
        raise ServiceError(Fault.PEER_UNKNOWN)
    return peer
