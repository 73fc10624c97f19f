"""`guosuo wallet`: a holder's wallet in a sealed file.

Showing is in `cli.showing`, copies are in `cli.copies`; here are enrolment, refresh and
looking inside. Nothing that is printed is a secret.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from guosuo.cli import copies, showing
from guosuo.cli.common import (
    AllowTestOption,
    AnchorsOption,
    DccOption,
    Desk,
    EngineOption,
    FederationOption,
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
from guosuo.cli.counter import REFUSALS
from guosuo.cli.enrolling import (
    Applying,
    apply_online,
    ask_identification,
    kept_request,
    region_of,
)
from guosuo.cli.examples import read_anchors
from guosuo.cli.nodes import (
    CaOption,
    Copying,
    IdOption,
    NodeOption,
    NodesOption,
    copying,
    reach,
    wallet_json,
    wallet_words,
)
from guosuo.cli.parties import region_label
from guosuo.cli.purse import FileArgument, Purse, check_there, load, open_wallet
from guosuo.errors import CallerError, Reason
from guosuo.evidence.dcc import verify
from guosuo.evidence.facts import EvidenceFact, fact_from_dcc
from guosuo.evidence.registry import EvidenceKind
from guosuo.evidence.trust import TrustAnchors
from guosuo.federation.charter import Federation
from guosuo.federation.clock import KEY_EPOCHS
from guosuo.host.directory import FederationDirectory
from guosuo.host.lock import exclusive
from guosuo.host.wallet_file import WalletFile
from guosuo.roles.enrolment import Answer, RefusalCode
from guosuo.roles.holding import HeldSlot, Refreshed
from guosuo.roles.offline import Offline, wallet_offline
from guosuo.roles.wallet import Wallet

app = typer.Typer(
    help="A holder's wallet: enrol evidence, keep it fresh, show it, keep copies.",
    no_args_is_help=True,
)


@app.command("init", epilog="Example: guosuo wallet init lan.wallet --federation fed")
def init(
    file: FileArgument,
    *,
    federation: FederationOption,
    node: NodeOption = None,
    ca: CaOption = None,
    begin: IdOption = None,
    key_file: KeyFileOption = None,
    engine: EngineOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a new wallet, for one federation, sealed with a passphrase or a key file.

    With --node, --ca and --id the federation's directory is begun from a node.
    """
    desk = Desk.open(None, engine, as_json)
    asked = reach(node, ca, begin=begin)
    if asked is not None:
        with copying(desk, federation, asked):
            pass
    records = desk.federation(federation, follow=False)
    refuse_existing(file)
    store = WalletFile(
        records.federation, file, open_secret(key_file, new=True, what="the new wallet")
    )
    with exclusive(file):
        store.save(Wallet.create(records.federation, desk.entropy), desk.entropy)
    identifier = records.federation.id.hex()
    environment = records.federation.charter.environment.value
    desk.say(f"A new wallet is in {file}, for the {environment} federation")
    desk.say(f"  {identifier}")
    desk.say("Compare that with what your region publishes elsewhere: all trust begins there.")
    desk.result(wallet=str(file), federation=identifier, environment=environment)


# --- enrolment --------------------------------------------------------------------------


@app.command(
    "enrol",
    epilog="Example: guosuo wallet enrol lan.wallet --offer lan.offer --dcc lan.png "
    "--anchors anchors.json --out lan.request, and then "
    "guosuo wallet enrol lan.wallet --answer lan.answer; or at once: "
    "guosuo wallet enrol lan.wallet --node node.440000.example:8443 --ca nodes.pem "
    "--dcc lan.png --anchors anchors.json",
)
def enrol(
    file: FileArgument,
    *,
    federation: FederationOption,
    offer: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="The region's offer; --out gets the request."),
    ] = None,
    dcc: DccOption = None,
    anchors: AnchorsOption = None,
    allow_test_anchors: AllowTestOption = False,
    replace: Annotated[
        int | None,
        typer.Option(metavar="SLOT", help="Newer evidence for this slot, instead of a new slot."),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Give up a request that waits for its answer.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="PATH", help="New file for the request.")
    ] = None,
    answer: Annotated[
        Path | None, typer.Option(metavar="PATH", help="The region's answer, which ends it.")
    ] = None,
    node: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="The region's node: ask it, and conclude."),
    ] = None,
    ca: CaOption = None,
    identification: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="With --node: what the region's person check asks for; asked for if left out.",
        ),
    ] = None,
    key_file: KeyFileOption = None,
    now: NowOption = None,
    engine: EngineOption = None,
    as_json: JsonOption = False,
) -> None:
    """Enrol a certificate: answer the region's offer with a request, then take its answer.

    The request proves that slot and person get the same wallet; the wallet's secret never
    leaves it. Exit code 1 if the region refused.
    """
    desk = Desk.open(now, engine, as_json)
    if [offer, answer, node].count(None) != 2:  # noqa: PLR2004 - all but one
        hint = "give --offer to ask, or --answer to conclude, or --node for both"
        raise CallerError(Reason.ARGUMENT, hint)
    asked = reach([node] if node else None, ca)
    if asked is not None:
        if dcc is None:
            raise CallerError(Reason.ARGUMENT, "show the certificate with --dcc")
        check_there(file)
        with copying(desk, federation, asked) as copy:
            trusted = read_anchors(anchors, copy.records.federation, allow_test=allow_test_anchors)
            document, fact = _read_evidence(dcc, trusted, desk.now)
            text = ask_identification(desk, identification)
            applying = Applying(document, fact, text, replace)
            with open_wallet(desk, copy.records, file, key_file) as purse:
                data = apply_online(purse, copy, applying, again=again)
                # The first signatures may be under a key that was not published before.
                copy.follow()
                _conclude(purse, copy.records, data)
        return
    records = desk.federation(federation)
    if answer is not None:
        with open_wallet(desk, records, file, key_file) as purse:
            _conclude(purse, records, read_file(answer))
        return
    if offer is None or dcc is None or out is None:
        raise CallerError(Reason.ARGUMENT, "asking takes --offer, --dcc and --out")
    refuse_existing(out)
    check_there(file)
    signed = read_file(offer)
    region = region_of(records.federation, signed, desk.now)
    trusted = read_anchors(anchors, records.federation, allow_test=allow_test_anchors)
    _, fact = _read_evidence(dcc, trusted, desk.now)
    with open_wallet(desk, records, file, key_file) as purse:
        if purse.wallet.state.pending is not None and not again:
            hint = "a request waits for its answer: conclude with --answer, or begin --again"
            raise CallerError(Reason.STATE, hint)
        request = purse.wallet.request(region, signed, fact, desk.now, desk.entropy, slot=replace)
        purse.save()
        write_new(out, request.encode())
    desk.say(f"A request to {region_label(records.federation, region)} is in {out}.")
    desk.say("Next, the region's counter: guosuo region issue ... --request " + str(out))
    desk.result(region=region, request=str(out), kind=fact.kind.name.lower())


def _read_evidence(dcc: str, anchors: TrustAnchors, now: int) -> tuple[str, EvidenceFact]:
    """The text of the certificate's code, and what it says."""
    text = read_code(dcc)
    with advising("this certificate cannot be enrolled"):
        return text, fact_from_dcc(verify(text, anchors, now=now))


def _conclude(purse: Purse, records: FederationDirectory, data: bytes) -> None:
    desk, wallet = purse.desk, purse.wallet
    with advising("that is no answer to this wallet's request"):
        outcome = wallet.conclude(Answer.decode(data), records.view)
    purse.save()
    kept_request(purse.file.path).unlink(missing_ok=True)
    if isinstance(outcome, RefusalCode):
        desk.say(f"The region refused, signed: {REFUSALS[outcome]}.", "yellow")
        desk.result(granted=False, refusal=outcome.value)
        raise typer.Exit(1)
    clock = records.federation.clock
    first = min(key.epoch for key in outcome.renewals)
    crowd = clock.start(first) + -(-clock.epoch_seconds // 3)
    desk.say(
        f"Enrolled: slot {outcome.slot} of {region_label(records.federation, outcome.region)}."
    )
    if desk.now < crowd:
        desk.say(f"Show from {time_text(crowd)} on; before that only with --standing-out.")
    desk.result(granted=True, region=outcome.region, slot=outcome.slot, unobtrusive_from=crowd)


# --- keeping it fresh -------------------------------------------------------------------


@app.command(
    "refresh",
    epilog="Example: guosuo wallet refresh lan.wallet --federation fed "
    "--node node.440000.example:8443 --ca nodes.pem",
)
def refresh(
    file: FileArgument,
    *,
    federation: FederationOption,
    node: NodeOption = None,
    nodes: NodesOption = False,
    ca: CaOption = None,
    key_file: KeyFileOption = None,
    now: NowOption = None,
    engine: EngineOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch the renewals of all slots from the boards; once per epoch is enough.

    With --node or --nodes the federation's directory is brought up to date before: bundles
    of all regions and whole buckets are fetched, so nobody learns which slot is whose and
    where the holder is going. Exit code 1 if a slot has no renewal in its region's newest
    epoch.
    """
    desk = Desk.open(now, engine, as_json)
    asked = reach(node, ca, nodes=nodes)
    check_there(file)
    if asked is None:
        records = desk.federation(federation)
        rows, offline = _refresh(desk, records, file, key_file, None)
    else:
        with copying(desk, federation, asked) as copy:
            copy.follow()
            copy.fetch()
            rows, offline = _refresh(desk, copy.records, file, key_file, copy)
    for row in rows:
        desk.say(f"slot {row['slot']} of {row['region']}: {_WORDS[row['newest']]}")
    if not rows:
        desk.say("This wallet has no slot yet; enrol first.")
    else:
        desk.say(wallet_words(offline, desk.now))
    desk.result(slots=rows, **wallet_json(offline))
    if any(row["newest"] in {Refreshed.ABSENT, Refreshed.SPOILED} for row in rows):
        raise typer.Exit(1)


def _refresh(
    desk: Desk,
    records: FederationDirectory,
    file: Path,
    key_file: Path | None,
    copy: Copying | None,
) -> tuple[list[dict[str, Any]], tuple[Offline, ...]]:
    """Take the renewals of all slots, with their buckets fetched first if there are nodes."""
    current = records.federation.clock.epoch_at(desk.now)
    with open_wallet(desk, records, file, key_file) as purse:
        wallet = purse.wallet
        slots = list(wallet.state.slots)
        if copy is not None:
            copy.fetch(slots)
        rows = [_refresh_slot(wallet, records, name, current) for name in slots]
        wallet.forget_renewals(current - KEY_EPOCHS + 1)
        purse.save()
    return rows, wallet_offline(wallet.state, records.view, records.fetch, desk.now)


_WORDS = {
    "renewed": "renewed",
    "absent": "NOT renewed: suspended or retired by an order in the region's log",
    "spoiled": "NOT renewed: the board has something else than was promised; ask the region",
    "none": "the region has not turned an epoch lately",
}


def _refresh_slot(
    wallet: Wallet, records: FederationDirectory, name: tuple[str, int], current: int
) -> dict[str, Any]:
    """Take what is missing of the epochs that can still be shown; how the newest went."""
    region, slot = name
    view, newest, found = records.view.region(region), "none", {}
    # Boards of before the enrolment have nothing for this slot.
    held = [key.epoch for key in wallet.state.slots[name].renewals]
    first = max(current - KEY_EPOCHS + 1, min(held, default=0))
    for epoch in range(first, current + 2):
        published = view.epoch(epoch)
        if published is None:
            continue
        if published.id in wallet.state.slots[name].renewals:
            newest = Refreshed.RENEWED.value
        else:
            newest = wallet.refresh(region, slot, published, records.fetch).value
            found[str(epoch)] = newest
    return {"region": region, "slot": slot, "newest": newest, "fetched": found}


# --- looking inside ---------------------------------------------------------------------


@app.command("inspect", epilog="Example: guosuo wallet inspect lan.wallet --federation fed")
def inspect(
    file: FileArgument,
    *,
    federation: FederationOption,
    key_file: KeyFileOption = None,
    engine: EngineOption = None,
    as_json: JsonOption = False,
) -> None:
    """What the wallet holds: slots, kinds of evidence, renewals. Never a secret."""
    desk = Desk.open(None, engine, as_json)
    records = desk.federation(federation, follow=False)
    check_there(file)
    wallet = load(WalletFile(records.federation, file, open_secret(key_file, what="the wallet")))
    state = wallet.state
    rows = [_row(records.federation, held) for held in state.slots.values()]
    for row in rows:
        region = region_label(records.federation, row["region"])
        until = time_text(row["valid_until"]) if row["valid_until"] else "never renewed"
        desk.say(f"slot {row['slot']} of {region}: {row['evidence']}")
        epochs = ", ".join(map(str, row["epochs"])) or "none"
        desk.say(f"  renewals of epochs {epochs}; can be shown until {until} at most")
    if not rows:
        desk.say("No slots: enrol first.")
    if state.pending is not None:
        desk.say(f"A request to {state.pending.region} waits for its answer.")
    if state.moved:
        desk.say("Moved to another phone: this copy shows nothing any more.", "yellow")
    places = sorted(f"{region}/{checkpoint}" for region, checkpoint in state.places)
    desk.say(f"Checkpoints answered before: {', '.join(places) or 'none'}")
    desk.result(
        federation=records.federation.id.hex(),
        slots=rows,
        pending=state.pending.region if state.pending else None,
        moved=state.moved,
        places=places,
    )


def _row(federation: Federation, held: HeldSlot) -> dict[str, Any]:
    epochs = sorted(key.epoch for key in held.renewals)
    return {
        "region": held.region,
        "slot": held.slot,
        "evidence": _evidence(held.fact),
        "epochs": epochs,
        "valid_until": federation.clock.key_life(epochs[-1])[1] if epochs else None,
    }


def _evidence(fact: EvidenceFact) -> str:
    """The kind, and doses of a vaccination."""
    kind = fact.kind.name.lower()
    doses = f" {fact.doses}/{fact.series}"
    return kind + doses if fact.kind is EvidenceKind.VACCINATION else kind


# --- showing and copies -----------------------------------------------------------------

app.command("show", epilog=showing.EXAMPLE)(showing.show)
app.command("backup", epilog="Example: guosuo wallet backup lan.wallet lan.backup")(copies.backup)
app.command("restore", epilog="Example: guosuo wallet restore lan.backup lan.wallet")(
    copies.restore
)
app.command("move", epilog="Example: guosuo wallet move lan.wallet lan.move")(copies.move)
