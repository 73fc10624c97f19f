"""`guosuo wallet check`: where would I pass, until when, and if not, why not.

From the policies in the federation's directory and the wallet's own documents, on this
device: nobody is asked, and nothing is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer

from guosuo.certlogic.evaluate import Result
from guosuo.cli.common import (
    Desk,
    EngineOption,
    FederationOption,
    JsonOption,
    KeyFileOption,
    NowOption,
    open_secret,
    time_text,
)
from guosuo.cli.parties import region_label
from guosuo.cli.purse import FileArgument, check_there, load
from guosuo.errors import PeerError, Reason
from guosuo.federation.records import fetch_checked
from guosuo.host.directory import FederationDirectory
from guosuo.host.wallet_file import WalletFile
from guosuo.policy.document import PolicyDocument
from guosuo.policy.explain import explain
from guosuo.roles.bundle import policy_version
from guosuo.roles.holding import HeldSlot

EXAMPLE: Final = "Example: guosuo wallet check lan.wallet --federation fed --language zh"


def check(
    file: FileArgument,
    *,
    federation: FederationOption,
    language: Annotated[
        str, typer.Option("--language", metavar="CODE", help="Language of the rules' texts.")
    ] = "en",
    key_file: KeyFileOption = None,
    now: NowOption = None,
    engine: EngineOption = None,
    as_json: JsonOption = False,
) -> None:
    """For every region's policies: would I pass, with which credential, until when, or why not.

    About rules only: whether a slot is suspended, `guosuo wallet refresh` says.
    """
    desk = Desk.open(now, engine, as_json)
    records = desk.federation(federation)
    check_there(file)
    wallet = load(WalletFile(records.federation, file, open_secret(key_file, what="the wallet")))
    held = [wallet.state.slots[name] for name in sorted(wallet.state.slots)]
    rows = [
        row
        for region in sorted(records.view.regions)
        for row in _region(desk, records, region, held, language)
    ]
    if not held:
        desk.say("No slots: enrol first.")
    desk.result(policies=rows)


def _region(
    desk: Desk,
    records: FederationDirectory,
    region: str,
    held: Sequence[HeldSlot],
    language: str,
) -> list[dict[str, Any]]:
    """Every policy of a region, about every own document."""
    view = records.view.region(region)
    label = region_label(records.federation, region)
    rows: list[dict[str, Any]] = []
    for name in sorted({policy for policy, _ in view.policies}):
        try:
            part = policy_version(view, name, desk.now).part
            document = PolicyDocument.decode(fetch_checked(records.fetch, part.document))
            document.check()
        except PeerError as error:
            expired = error.reason is Reason.POLICY_EXPIRED
            why = "no version is in force now" if expired else "its document cannot be read"
            desk.say(f"{label}, {name}: nobody can say; {why}", "yellow")
            rows.append({"region": region, "policy": name, "version": None, "why": why})
            continue
        desk.say(f"{label}, {name} version {part.version}:")
        slots = [_slot(desk, document, slot, language) for slot in held]
        rows.append({"region": region, "policy": name, "version": part.version, "slots": slots})
    return rows


def _slot(desk: Desk, document: PolicyDocument, slot: HeldSlot, language: str) -> dict[str, Any]:
    found = explain(document, slot.fact, desk.now, language)
    satisfied = found.result is Result.SATISFIED
    what = f"{slot.fact.kind.name.lower()} of slot {slot.slot} of {slot.region}"
    when = ""
    if found.changes_at is not None:
        when = f", {'until' if satisfied else 'not before'} {time_text(found.changes_at)}"
    word = {Result.SATISFIED: "yes", Result.NOT_SATISFIED: "no", Result.OPEN: "cannot be decided"}
    desk.say(f"  {what}: {word[found.result]}{when}", "green" if satisfied else None)
    if found.refused_kind:
        desk.say("    this kind of evidence is not accepted there")
    for identifier, text in found.reasons:
        desk.say(f"    {identifier}: {text}")
    return {
        "region": slot.region,
        "slot": slot.slot,
        "kind": slot.fact.kind.name.lower(),
        "result": found.result.value,
        "reasons": [{"rule": rule, "text": text} for rule, text in found.reasons],
        "changes_at": found.changes_at,
    }
