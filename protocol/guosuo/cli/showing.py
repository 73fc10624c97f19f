"""`guosuo wallet show`: answer a checkpoint's poster or challenge with a code.

Before the code is drawn the holder reads who will learn what. The wallet is saved before
that, so it never forgets that it answered.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from guosuo.cli.common import (
    Desk,
    EngineOption,
    FederationOption,
    JsonOption,
    KeyFileOption,
    NowOption,
    advising,
    read_code,
    refuse_other_than_picture,
    time_text,
    write_code,
)
from guosuo.cli.parties import find_checkpoint, listed_checkpoint, names_text
from guosuo.cli.purse import FileArgument, Purse, check_there, open_wallet
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.federation.clock import Clockwork
from guosuo.federation.entries import CheckpointInfo
from guosuo.host.directory import FederationDirectory
from guosuo.policy.words import describe
from guosuo.presentation.frame import CHALLENGE_PREFIX, POSTER_PREFIX, Challenge, Frame, Poster
from guosuo.roles.bundle import GateBundle, audit_bundle
from guosuo.roles.holding import Consent

EXAMPLE: Final = (
    "Example: guosuo wallet show lan.wallet --poster poster.png --out show.png --new-place"
)

Invitation = Poster | Challenge


def show(
    file: FileArgument,
    *,
    federation: FederationOption,
    poster: Annotated[
        str | None,
        typer.Option(
            metavar="PICTURE",
            help="The checkpoint's poster or challenge: a picture of its code, its text, or - .",
            show_default=False,
        ),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="REGION/CHECKPOINT",
            help="Instead of a poster: the checkpoint, as its region publishes it.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Write the code as a PNG picture.", show_default=False),
    ] = None,
    blank: Annotated[
        bool, typer.Option("--blank", help="Show nothing, in a code that looks like a show.")
    ] = False,
    new_place: Annotated[
        bool, typer.Option("--new-place", help="Yes to a checkpoint never answered before.")
    ] = False,
    standing_out: Annotated[
        bool,
        typer.Option(
            "--standing-out", help="Yes to the newest list, while others still use the one before."
        ),
    ] = False,
    clock_jump: Annotated[
        bool, typer.Option("--clock-jump", help="Yes to a clock that went back.")
    ] = False,
    key_file: KeyFileOption = None,
    now: NowOption = None,
    engine: EngineOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show at a checkpoint: the code that it will accept, or nothing at all.

    Exit code 1, and no code, if no credential of this wallet satisfies the checkpoint's
    policy; with --blank a code that says just that.
    """
    desk = Desk.open(now, engine, as_json)
    check_there(file)
    refuse_other_than_picture(out)
    records = desk.federation(federation)
    invitation = _invitation(records, poster, at)
    info = listed_checkpoint(records.view, invitation.region, invitation.checkpoint)
    _announce(desk, records, invitation, info)
    consent = Consent(new_place=new_place, standing_out=standing_out, clock_jump=clock_jump)
    with open_wallet(desk, records, file, key_file) as purse:
        bundle = _bundle(desk, records, invitation, consent)
        frame = _frame(purse, records, invitation, bundle, consent, blank=blank)
        purse.save()
    clock = records.federation.clock
    until = (frame.tick + 2) * clock.tick_seconds
    desk.say(_learned(clock, frame, desk.now, blank=blank))
    code = write_code(desk, frame.text(), out)
    desk.say(f"Scan it before {time_text(until)}." + (f" It is in {out}." if out else ""))
    desk.result(
        region=invitation.region,
        checkpoint=invitation.checkpoint,
        policy=invitation.policy,
        shown="blank" if blank else "proof",
        epoch=frame.epoch,
        tick=frame.tick,
        valid_until=until,
        text=frame.text(),
        qr_version=code.version,
        picture=str(out) if out else None,
    )


def _invitation(records: FederationDirectory, poster: str | None, at: str | None) -> Invitation:
    if (poster is None) == (at is None):
        raise CallerError(Reason.ARGUMENT, "name the checkpoint with --poster or with --at")
    if at is not None:
        region, info = find_checkpoint(records.view, at)
        return Poster(region=region, checkpoint=info.checkpoint, policy=info.policy)
    text = read_code(poster or "")
    with advising("that is no poster or challenge of a checkpoint"):
        if text.startswith(CHALLENGE_PREFIX):
            return Challenge.from_text(text)
        if text.startswith(POSTER_PREFIX):
            return Poster.from_text(text)
        raise PeerError(Reason.QR_TEXT)


def _announce(
    desk: Desk, records: FederationDirectory, invitation: Invitation, info: CheckpointInfo
) -> None:
    region = names_text(records.federation.known(invitation.region).names)
    desk.say(f"{names_text(info.names)} ({info.checkpoint}), {info.place}", "bold")
    desk.say(f"asks for policy {invitation.policy} of {region} ({invitation.region}).")


def _bundle(
    desk: Desk, records: FederationDirectory, invitation: Invitation, consent: Consent
) -> GateBundle:
    clock = records.federation.clock
    epoch = clock.epoch_at(desk.now) if consent.standing_out else clock.shown_epoch(desk.now)
    with advising("the region has to publish its bundle: guosuo region bundle"):
        return audit_bundle(
            records.view,
            invitation.region,
            invitation.policy,
            epoch=epoch,
            now=desk.now,
            fetch=records.fetch,
            entropy=desk.entropy,
        )


def _frame(
    purse: Purse,
    records: FederationDirectory,
    invitation: Invitation,
    bundle: GateBundle,
    consent: Consent,
    *,
    blank: bool,
) -> Frame:
    desk, wallet = purse.desk, purse.wallet
    answer = wallet.show_blank if blank else wallet.show
    try:
        return answer(invitation, bundle, records.view, desk.now, desk.entropy, consent)
    except CallerError as error:
        hint = _ADVICE.get(error.reason)
        if error.reason is Reason.NOT_ACCEPTED_THERE:
            for rule in bundle.document.parsed:
                desk.say(f"  asked for there: {describe(rule, 'en')}")
        if hint is None:
            raise
        raise CallerError(error.reason, f"{error.hint}; {hint}") from None


_ADVICE: Final = {
    Reason.CHECKPOINT_NEW: "--new-place says yes",
    Reason.CLOCK_JUMP: "check the clock, or say yes with --clock-jump",
    Reason.STANDS_OUT: "wait, or say yes with --standing-out",
    Reason.TICK: "wait for the next half minute",
    Reason.NOT_ACCEPTED_THERE: "nothing was shown (--blank shows a code that says just that)",
    Reason.NO_CREDENTIAL: "nothing was shown (--blank shows a code that says just that)",
}


def _learned(clock: Clockwork, frame: Frame, now: int, *, blank: bool) -> str:
    """What the checkpoint will learn from this code."""
    if blank:
        return "It will learn: NOT_SATISFIED, as from anybody whose evidence does not do."
    text = (
        "It will learn one thing: that you satisfy its policy. Not who you are, which region "
        "vouches for you, or by which evidence. Another code of yours in the same "
        f"{clock.tick_seconds} seconds would be recognised as the same holder's."
    )
    if frame.epoch != clock.shown_epoch(now):
        text += " It will also see that you use a newer list than others: you stand out."
    return text
