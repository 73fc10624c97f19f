"""Reading the node's own store: at every start, and all the time where another process leads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from guosuo.errors import PeerError, Reason
from guosuo.federation import notes
from guosuo.federation.forks import Equivocation
from guosuo_node.app.records import Records
from guosuo_node.app.witnessing import EQUIVOCATION
from guosuo_node.store.store import Store


def _unheard(_who: str, _what: str) -> None:
    return


@dataclass(slots=True)
class Tail:
    """Brings the records up to what the store has."""

    region: str
    """The node's own."""
    records: Records
    store: Store
    report: Callable[[str, str], None] = _unheard
    """Told of a region, and of what is wrong with what the store has of it."""

    async def catch_up(self) -> None:
        """Everything new in the store, of all regions, taken in and judged.

        One region's trouble stays with it: what a node stored of a hostile log must not
        keep that node from starting. `StoreUnavailable` if there is nothing to read.
        """
        for region in tuple(self.records.logs):
            async with self.records.locks[region]:
                try:
                    grown = await self._region(region)
                    if grown:
                        await self.records.audit(region)
                except PeerError as error:
                    self.report(region, error.reason.value)
                except OSError as error:
                    self.report(region, type(error).__name__)
        await self._evidence()

    async def _evidence(self) -> None:
        """Proof of forks that this node found, at any time and by any of its processes."""
        records = self.records
        if len(records.forked) == len(records.logs):
            return
        for stored in await asyncio.to_thread(self.store.evidence, EQUIVOCATION):
            for region in records.logs.keys() - records.forked:
                try:
                    evidence = Equivocation.decode(stored.data)
                    records.check_evidence(region, evidence)
                except PeerError:
                    continue
                records.convict(region, evidence)

    async def _region(self, region: str) -> bool:
        if region in self.records.broken:
            return False
        log, grown = self.records.logs[region], False
        while True:
            start = log.tree.size
            fresh = await asyncio.to_thread(self._entries, region, start)
            if not fresh:
                break
            grown = True
            await self.records.take_in(region, fresh)
        note = await asyncio.to_thread(self._note, region)
        if note is not None and note != log.reader.note:
            try:
                self.records.publish(region, note)
            except PeerError as error:
                # The store is this node's own: another process may be ahead of the entries.
                if log.reader.size > 0 or error.reason is Reason.RECORD_MISSING:
                    return grown
                self.records.broken[region] = error
        return grown

    def _entries(self, region: str, start: int) -> list[bytes]:
        if region == self.region:
            return [entry.data for entry in self.store.entries(start)]
        return list(self.store.peer_entries(region, start))

    def _note(self, region: str) -> bytes | None:
        if region != self.region:
            found = self.store.peer_note(region)
            return found[1] if found is not None else None
        own = self.store.checkpoint(published=True)
        if own is None:
            return None
        lines = notes.parse_signatures(own.cosignatures.decode()) if own.cosignatures else ()
        return notes.parse(own.note).signed_by(lines).encode()
