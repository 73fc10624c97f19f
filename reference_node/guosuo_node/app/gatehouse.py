"""The gate authority's own documents: policies and the register, published as files are put.

An operator puts a policy's JSON into `policies/`, and the register into
`checkpoints.json`; what is new is published, what is wrong is reported with its file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from guosuo.certlogic.json_text import load_json
from guosuo.errors import CallerError, GuosuoError, PeerError, Reason
from guosuo.federation.charter import Name
from guosuo.federation.entries import CheckpointInfo
from guosuo.policy.written import from_json
from guosuo_node.app.ending import to_the_end
from guosuo_node.app.faults import word_of
from guosuo_node.app.leader import Leader
from guosuo_node.app.publishing import Report

_MAX_FILE = 4 << 20


@dataclass(slots=True)
class Gatehouse:
    """Looks at the files now and then, as long as the leader leads."""

    leader: Leader
    policies: Path
    register: Path
    report: Report
    _seen: dict[Path, tuple[int, int]] = field(default_factory=dict)
    _refused: set[Path] = field(default_factory=set)
    """Looked at again once something else is published: version 10 sorts before version 9."""

    async def run(self, seconds: float) -> None:
        """Until cancelled, or the lease is lost."""
        while not self.leader.lost:
            await self.look()
            await asyncio.sleep(max(1.0, seconds))

    async def look(self) -> None:
        """Publish what is new."""
        for path in sorted(self.policies.glob("*.json")):
            await self._if_changed(path, self._publish_policy)
        if self.register.is_file():
            await self._if_changed(self.register, self._publish_register)

    async def _if_changed(self, path: Path, publish: Callable[[bytes], Awaitable[None]]) -> None:
        try:
            data = await asyncio.to_thread(self._changed, path)
            if data is not None:
                await publish(data)
                for other in self._refused - {path}:
                    self._seen.pop(other, None)
                self._refused.clear()
        except (GuosuoError, OSError) as error:
            if self.leader.lost:
                raise
            self._refused.add(path)
            self.report(path.name, word_of(error))

    def _changed(self, path: Path) -> bytes | None:
        """The file's octets if it is not the one that was read before."""
        stat = path.stat()
        state = stat.st_mtime_ns, stat.st_size
        if self._seen.get(path) == state:
            return None
        self._seen[path] = state
        if stat.st_size > _MAX_FILE:
            raise CallerError(Reason.TOO_LONG)
        return path.read_bytes()

    async def _publish_policy(self, data: bytes) -> None:
        leader = self.leader
        document = from_json(data)
        if document.version <= leader.gate.state.policies.get(document.policy, 0):
            return
        async with leader.lock:
            # Proving a policy's table can take seconds; the lock keeps all others from the gate.
            effects = await to_the_end(
                asyncio.to_thread(leader.gate.publish_policy, document, leader.entropy)
            )
            await leader.commit(effects)

    async def _publish_register(self, data: bytes) -> None:
        leader = self.leader
        wanted = read_register(data)
        known = leader.records.view.region(leader.region).checkpoints
        if {info.checkpoint: info for info in wanted} == known:
            return
        async with leader.lock:
            await leader.commit(leader.gate.publish_checkpoints(wanted))


def read_register(data: bytes) -> list[CheckpointInfo]:
    """A JSON list of `{checkpoint, names: {language: text}, place, policy}`; `PeerError`."""
    try:
        listed: Any = load_json(data)
        return [
            CheckpointInfo(
                checkpoint=item["checkpoint"],
                names=tuple(
                    Name(language=language, text=text) for language, text in item["names"].items()
                ),
                place=item["place"],
                policy=item["policy"],
            )
            for item in listed
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise PeerError(Reason.MESSAGE_SHAPE, "the register of checkpoints") from None
