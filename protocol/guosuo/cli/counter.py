r"""`guosuo region issue`: the counter where people enrol, on files.

    guosuo region issue fed 440000 --out lan.offer
        … the wallet answers with lan.request …
    guosuo region issue fed 440000 --request lan.request --dcc lan.png \
        --person 4403-1987-0221 --anchors anchors.json --out lan.answer

Authenticating the person is a stand-in for a region's own means (eID, a registry): the
clerk compares an identity document with what the certificate says, and answers yes or
no; or gives the name and birth date that were authenticated elsewhere. `--person` is the
region's own number of the person: slots and the wallet's R are counted under it.
"""

from __future__ import annotations

import sys
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from guosuo.cli.common import (
    AllowTestOption,
    AnchorsOption,
    DccOption,
    Desk,
    EngineOption,
    JsonOption,
    KeyFileOption,
    NowOption,
    advising,
    open_secret,
    read_code,
    read_file,
    refuse_existing,
    time_text,
    write_new,
)
from guosuo.cli.examples import read_anchors
from guosuo.cli.parties import CodeArgument, RootArgument, check_region
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.evidence.dates import read_birth_date
from guosuo.evidence.dcc import VerifiedDcc, verify
from guosuo.evidence.payload import Person
from guosuo.evidence.person import Identified
from guosuo.federation.charter import Federation
from guosuo.host.directory import FederationDirectory
from guosuo.host.region import RegionHost, at_work
from guosuo.roles.enrolment import Answer, EnrolRequest, RefusalCode, open_refusal
from guosuo.roles.issuer import OFFER_SECONDS

EXAMPLE: Final = (
    "Example: guosuo region issue fed 440000 --out lan.offer, and then "
    "guosuo region issue fed 440000 --request lan.request --dcc lan.png "
    "--person 4403-1987-0221 --anchors anchors.json --out lan.answer"
)
REFUSALS: Final = {
    RefusalCode.EVIDENCE: "the certificate does not count here, or is not the requested one",
    RefusalCode.PERSON_MISMATCH: "the certificate names somebody else",
    RefusalCode.PROOF: "the proof in the request does not hold; make a new request",
    RefusalCode.OTHER_SECRET: "this person enrolled with another wallet; use that one, "
    "or end its slots with guosuo region new-phone",
    RefusalCode.NO_SLOT_LEFT: "this person has as many slots as the charter allows",
    RefusalCode.DEADLINE: "the offer was too old, used before, or not of this region; "
    "begin with a new offer",
    RefusalCode.NOT_THAT_SLOT: "the slot to be replaced is not this wallet's, or not in force",
}
"""What each signed refusal means, for people."""

PersonOption = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        help="The region's own number of the person; asked for if left out, which keeps it out "
        "of the shell's history.",
        show_default=False,
    ),
]


def issue(
    directory: RootArgument,
    code: CodeArgument,
    *,
    out: Annotated[
        Path, typer.Option(metavar="PATH", help="New file for the offer or the answer.")
    ],
    request: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="The wallet's request; without it an offer is made."),
    ] = None,
    dcc: DccOption = None,
    person: PersonOption = None,
    anchors: AnchorsOption = None,
    allow_test_anchors: AllowTestOption = False,
    name_fnt: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Authenticated family name, as in a passport's lines."),
    ] = None,
    name_gnt: Annotated[
        str | None, typer.Option(metavar="NAME", help="Authenticated given names, likewise.")
    ] = None,
    birth_date: Annotated[
        str | None, typer.Option(metavar="DATE", help="Authenticated birth date, YYYY-MM-DD.")
    ] = None,
    key_file: KeyFileOption = None,
    now: NowOption = None,
    engine: EngineOption = None,
    as_json: JsonOption = False,
) -> None:
    """Enrol a person at the counter: first write an offer, then answer the wallet's request.

    Without --name-fnt, --name-gnt and --birth-date the clerk is asked whether the person
    before him is the one the certificate names. A refusal is an answer too, signed, with
    exit code 1.
    """
    desk = Desk.open(now, engine, as_json)
    records = desk.federation(directory)
    check_region(records.federation, code)
    refuse_existing(out)
    if request is None:
        if dcc is not None or person is not None:
            raise CallerError(Reason.ARGUMENT, "--dcc and --person belong to a --request")
        _offer(desk, records, code, key_file, out)
        return
    if dcc is None:
        raise CallerError(Reason.ARGUMENT, "show the certificate with --dcc")
    trusted = read_anchors(anchors, records.federation, allow_test=allow_test_anchors)
    with advising("that is no request of a wallet"):
        asked = EnrolRequest.decode(read_file(request))
    text = read_code(dcc)
    given = _given(name_fnt, name_gnt, birth_date)
    checked: _Checked | PeerError
    try:
        checked = _identify(desk, verify(text, trusted, now=desk.now), person, given)
    except PeerError as error:
        checked = error
    secret = open_secret(key_file, what="the region")
    with at_work(records, code, secret, desk.entropy) as host:
        answer = _answer(desk, host, asked, checked)
        write_new(out, answer.encode())
    _report(desk, records.federation, code, answer, out)
    if isinstance(checked, PeerError):
        desk.warn(f"The certificate was refused for: {checked.reason.value}.")
    if answer.grant is None:
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class _Checked:
    """A certificate that verified, and who the clerk found to be before him, if anybody."""

    document: VerifiedDcc
    identified: Identified | None


def ask_person(desk: Desk, person: str | None) -> bytes:
    """The region's number of the person, asked for if it was left out."""
    if person is None:
        _need_clerk(desk, "--person")
        person = typer.prompt("The region's number of the person", err=True)
    number = unicodedata.normalize("NFC", person).strip()
    if not number:
        raise CallerError(Reason.ARGUMENT, "the number of a person is not empty")
    return number.encode(errors="replace")


def _offer(
    desk: Desk, records: FederationDirectory, code: str, key_file: Path | None, out: Path
) -> None:
    secret = open_secret(key_file, what="the region")
    with at_work(records, code, secret, desk.entropy) as host:
        write_new(out, host.offer(desk.now, desk.entropy))
    deadline = desk.now + OFFER_SECONDS
    desk.say(f"An offer to enrol in {code} is in {out}; it ends at {time_text(deadline)}.")
    desk.say(f"Next, the holder: guosuo wallet enrol WALLET --offer {out} --dcc PICTURE ...")
    desk.result(region=code, offer=str(out), deadline=deadline)


def _given(fnt: str | None, gnt: str | None, birth_date: str | None) -> Person | None:
    """The person by the options, or None if there are none of them."""
    if fnt is None and gnt is None and birth_date is None:
        return None
    if birth_date is None or not (fnt or gnt):
        hint = "an authenticated person has --birth-date, and --name-fnt or --name-gnt"
        raise CallerError(Reason.ARGUMENT, hint)
    try:
        dob = read_birth_date(birth_date)
    except PeerError:
        dob = ""
    if not dob:
        raise CallerError(Reason.ARGUMENT, "--birth-date is YYYY-MM-DD")
    return Person(fnt=fnt or "", gnt=gnt or "", fn="", gn="", dob=dob)


def _identify(
    desk: Desk, document: VerifiedDcc, person: str | None, given: Person | None
) -> _Checked:
    """Who is at the counter: as the options say, or as the clerk does."""
    if given is None:
        _need_clerk(desk, "--name-fnt, --name-gnt and --birth-date")
        holder = document.holder
        names = f"{holder.gn or holder.gnt} {holder.fn or holder.fnt}".strip()
        desk.say(f"The certificate names {names}, born {holder.dob or 'on an unknown day'}.")
        if not typer.confirm("Is that the person here, by an identity document?", err=True):
            return _Checked(document, None)
        given = holder
    return _Checked(document, Identified(ask_person(desk, person), given))


def _answer(
    desk: Desk, host: RegionHost, request: EnrolRequest, checked: _Checked | PeerError
) -> Answer:
    if isinstance(checked, PeerError):
        return host.refuse(request, RefusalCode.EVIDENCE, desk.now)
    if checked.identified is None:
        return host.refuse(request, RefusalCode.PERSON_MISMATCH, desk.now)
    return host.enrol(request, checked.identified, checked.document, desk.now, desk.entropy)


def _report(desk: Desk, federation: Federation, code: str, answer: Answer, out: Path) -> None:
    if answer.refusal is not None:
        refusal = open_refusal(federation, code, answer.refusal).code
        desk.say(f"Refused: {REFUSALS[refusal]}. The signed refusal is in {out}.", "yellow")
        desk.result(region=code, granted=False, refusal=refusal.value, answer=str(out))
    elif answer.grant is not None:
        epochs = [signed.epoch for signed in answer.grant.signatures]
        desk.say(f"Enrolled in {code}: slot {answer.grant.slot}. The answer is in {out}.")
        desk.say(f"Next, the holder: guosuo wallet enrol WALLET --answer {out}")
        desk.result(
            region=code, granted=True, slot=answer.grant.slot, epochs=epochs, answer=str(out)
        )


def _need_clerk(desk: Desk, instead: str) -> None:
    if desk.as_json or not sys.stdin.isatty():
        raise CallerError(Reason.ARGUMENT, f"nobody to ask at the counter: give {instead}")
