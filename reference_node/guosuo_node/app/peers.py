"""How this node reaches others; `guosuo.client.federation.FederationClient` is one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Final, Protocol

from guosuo.client.errors import NodeFailure
from guosuo.errors import GuosuoError
from guosuo_node.app.faults import ServiceError

FAILURES: Final = (GuosuoError, ServiceError, NodeFailure, TimeoutError, OSError)
"""Everything that asking somebody else may end in."""


class Peer(Protocol):
    """Another node or witness. Every method may raise `NodeError` and the like."""

    async def charter(self) -> bytes:
        """All versions of the charter that it knows, in one file."""
        ...

    async def checkpoint(self, region: str) -> bytes | None:
        """Its newest public note of a log."""
        ...

    async def entries(self, region: str, start: int, limit: int = 1000) -> tuple[list[bytes], int]:
        """Entries from `start` on, and how many there are."""
        ...

    async def blobs(self, names: Sequence[bytes]) -> dict[bytes, bytes]:
        """Those of the blobs that it has, each of the right hash."""
        ...

    async def add_checkpoint(self, note: bytes, old_size: int, proof: Sequence[bytes]) -> bytes:
        """Its cosignature line; `WitnessSize` if it knows another size."""
        ...

    async def witnessed(self, region: str) -> bytes | None:
        """The largest note of a log that it cosigned."""
        ...

    def watch(self, regions: Sequence[str]) -> AsyncGenerator[tuple[str, bytes], None]:
        """Newer notes as they come."""
        ...

    async def submit_report(self, report: bytes) -> None:
        """Hand over evidence."""
        ...
