"""Hosting a region on files: roles, log writer and public directory kept in step."""

from __future__ import annotations

from dataclasses import dataclass

from guosuo.curve.entropy import Entropy
from guosuo.errors import PeerError
from guosuo.evidence.dcc import VerifiedDcc
from guosuo.evidence.facts import fact_from_dcc
from guosuo.evidence.person import Identified, check_holder
from guosuo.federation.records import Effects, Kind, LogWriter, digest
from guosuo.host.directory import RegionDirectory
from guosuo.roles.enrolment import Answer, EnrolRequest, RefusalCode
from guosuo.roles.gate import GateAuthority
from guosuo.roles.issuer import Issuer


@dataclass(slots=True)
class RegionHost:
    """One region's issuer and gate authority over one directory."""

    issuer: Issuer
    gate: GateAuthority
    writer: LogWriter
    directory: RegionDirectory

    def publish(self, effects: Effects) -> list[bytes]:
        """Carry out effects in order; tells the issuer its last epoch entry."""
        written = self.directory.publish(effects, self.writer)
        for kind, entry in written:
            if kind is Kind.EPOCH:
                self.issuer.logged(digest(entry))
        return [entry for _, entry in written]

    def enrol(
        self,
        request: EnrolRequest,
        identified: Identified,
        document: VerifiedDcc,
        now: int,
        entropy: Entropy,
    ) -> Answer:
        """Person check, evidence, then the issuer; every refusal is a signed answer."""
        try:
            check_holder(identified, document)
        except PeerError:
            return self.issuer.refuse(request.nonce, RefusalCode.PERSON_MISMATCH, now)
        try:
            fact = fact_from_dcc(document)
        except PeerError:
            return self.issuer.refuse(request.nonce, RefusalCode.EVIDENCE, now)
        return self.issuer.enrol(request, identified.record, fact, now, entropy)
