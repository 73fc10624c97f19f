"""`guosuo wallet enrol --node`: the whole enrolment with a region's node.

The request is kept beside the wallet until it is answered, so that a command that broke
off is simply given again: the same request gets the same answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import typer

from guosuo.cli.common import Desk, read_file
from guosuo.cli.nodes import Copying
from guosuo.cli.purse import Purse
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.evidence.facts import EvidenceFact
from guosuo.federation.charter import Federation
from guosuo.host.files import PRIVATE, write_atomically
from guosuo.roles.enrolment import EnrolRequest, open_offer

_MOST: Final = 4 << 10


@dataclass(frozen=True, slots=True)
class Applying:
    """What is handed to the region. Personal data."""

    document: str = field(repr=False)
    """The characters of the certificate's QR code."""
    fact: EvidenceFact = field(repr=False)
    identification: str = field(repr=False)
    slot: int | None = None


def ask_identification(desk: Desk, given: str | None) -> str:
    """What the region's person check asks for; prompted for if it was left out."""
    if given is not None:
        return given
    if desk.as_json:
        raise CallerError(Reason.ARGUMENT, "give what the region asks for: --identification")
    text: str = typer.prompt("What the region's person check asks for", err=True)
    return text


def apply_online(purse: Purse, counter: Copying, applying: Applying, *, again: bool) -> bytes:
    """Ask the region's node; its answer, to be concluded with fresh records."""
    federation = counter.records.federation
    kept = kept_request(purse.file.path)
    if again:
        kept.unlink(missing_ok=True)
    pending = purse.wallet.state.pending
    if pending is None or again:
        offer = counter.offer()
        region = region_of(federation, offer, purse.desk.now)
        request = purse.wallet.request(
            region, offer, applying.fact, purse.desk.now, purse.desk.entropy, slot=applying.slot
        ).encode()
        write_atomically(kept, request, mode=PRIVATE)
        purse.save()
    else:
        request = _kept(kept, pending.nonce, applying.fact.digest)
    evidence = applying.document.encode()
    return counter.enrol(request, evidence, applying.identification)


def kept_request(wallet: Path) -> Path:
    """Where the request of a wallet is kept until it is answered."""
    return wallet.with_name(f"{wallet.name}.request")


def region_of(federation: Federation, offer: bytes, now: int) -> str:
    """The member that signed this offer; offers name their region only inside."""
    for region in federation.members:
        try:
            open_offer(federation, region, offer, now)
        except PeerError as error:
            if error.reason is Reason.ENROLMENT_NONCE:
                raise PeerError(error.reason, "the offer has ended; ask for a new one") from None
        else:
            return region
    raise PeerError(Reason.RECORD_SIGNATURE, "that is no offer of a region of this federation")


def _kept(path: Path, nonce: bytes, evidence: bytes) -> bytes:
    """The request that waits, if it is the one for this evidence."""
    hint = "a request waits for its answer: conclude with --answer, or begin --again"
    if not path.is_file():
        raise CallerError(Reason.STATE, hint)
    data = read_file(path, most=_MOST)
    request = EnrolRequest.decode(data)
    if (request.nonce, request.evidence) != (nonce, evidence):
        raise CallerError(Reason.STATE, hint)
    return data
