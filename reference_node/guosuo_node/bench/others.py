"""Who a node has to do with while it is measured: witnesses and an adapter, without a network."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Final

from guosuo.errors import CallerError, Reason
from guosuo.evidence.facts import EvidenceFact
from guosuo.evidence.payload import Person
from guosuo.evidence.person import Identified
from guosuo.federation.records import digest
from guosuo_node.adapter.interface import Evidence
from guosuo_node.app.faults import ServiceError
from guosuo_node.app.witnessing import WitnessDesk

_SOMEBODY: Final = Person(fnt="ZHANG", gnt="SAN", fn="张", gn="三", dob="1990")


@dataclass(slots=True)
class LocalWitness:
    """Another node's witness, called without a network; as `app.peers.Peer`."""

    desk: WitnessDesk

    async def add_checkpoint(self, note: bytes, old_size: int, proof: Sequence[bytes]) -> bytes:
        """Its cosignature, remembered on the disk."""
        return await self.desk.add_checkpoint(note, old_size, tuple(proof))

    async def witnessed(self, region: str) -> bytes | None:
        """The note that it cosigned last."""
        try:
            return await self.desk.largest(region)
        except ServiceError:
            return None

    async def charter(self) -> bytes:
        """As `checkpoint`."""
        raise CallerError(Reason.STATE, "nobody asks a witness for the charter")

    async def checkpoint(self, region: str) -> bytes | None:
        """Nothing: witnessing is all it does."""
        raise CallerError(Reason.STATE, f"nobody asks a witness for the log of {region}")

    async def entries(self, region: str, start: int, limit: int = 1000) -> tuple[list[bytes], int]:
        """As `checkpoint`."""
        raise CallerError(Reason.STATE, f"nobody asks a witness for {region}/{start}+{limit}")

    async def blobs(self, names: Sequence[bytes]) -> dict[bytes, bytes]:
        """As `checkpoint`."""
        raise CallerError(Reason.STATE, f"nobody asks a witness for {len(names)} blobs")

    async def watch(self, regions: Sequence[str]) -> AsyncGenerator[tuple[str, bytes], None]:
        """As `checkpoint`."""
        for region in regions:
            yield region, b""

    async def submit_report(self, report: bytes) -> None:
        """As `checkpoint`."""
        raise CallerError(Reason.STATE, f"no report of {len(report)} octets is due")


@dataclass(slots=True)
class EverybodyIsWell:
    """An adapter that knows one document, and a new person by each identification."""

    fact: EvidenceFact

    async def identify(self, identification: str, *, now: int) -> Identified:
        """Whoever was named."""
        del now
        return Identified(digest(identification.encode()), _SOMEBODY)

    async def evidence(self, identified: Identified, reference: bytes, *, now: int) -> Evidence:
        """The one document, in that person's name."""
        del reference, now
        return Evidence(self.fact, identified.person)

    async def close(self) -> None:
        """Nothing is open."""
