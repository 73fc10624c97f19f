"""`guosuo region bundle`: what a region's gates and their visitors need.

Checkpoints, policies, list parts for the epochs ahead, and the trust list of the
present epoch. Every region's epochs are audited first, from the public files alone; a
region that failed the audit, or has not turned the epoch, is not listed with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from guosuo.cli import policy_file
from guosuo.cli.common import (
    Desk,
    EngineOption,
    JsonOption,
    KeyFileOption,
    NowOption,
    open_secret,
    read_file,
    time_text,
)
from guosuo.cli.founding import read_names
from guosuo.cli.parties import (
    AllOption,
    OptionalCodeArgument,
    RootArgument,
    check_region,
    chosen_regions,
    names_text,
    region_label,
)
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.federation.audit import AuditedEpoch
from guosuo.federation.entries import CheckpointInfo
from guosuo.federation.records import Effects, fetch_checked
from guosuo.federation.trust_list import Absence, ListKeys
from guosuo.host.directory import FederationDirectory
from guosuo.host.region import RegionHost, at_work
from guosuo.policy.document import PolicyDocument
from guosuo.policy.table import PolicyPart
from guosuo.roles.auditor import Auditor
from guosuo.roles.bundle import list_version

EXAMPLE: Final = (
    "Example: guosuo region bundle fed 360000 --policy policy.json "
    "--checkpoint 'station-1=Railway station/火车站'"
)
_EARLY: Final = 12
"""A list comes out E/12 before its epoch (20 minutes of 4 hours), not earlier: its entry
proves to checkpoints that the time is near."""


def _print_example(wanted: bool) -> None:  # noqa: FBT001 - typer calls it
    if wanted:
        typer.echo(policy_file.EXAMPLE, nl=False)
        raise typer.Exit


def bundle(
    directory: RootArgument,
    code: OptionalCodeArgument = None,
    *,
    everyone: AllOption = False,
    policy: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Publish this policy (JSON, see --example-policy)."),
    ] = None,
    checkpoint: Annotated[
        list[str] | None,
        typer.Option(metavar="ID=NAME", help="Publish a checkpoint; a name is English/中文."),
    ] = None,
    drop_checkpoint: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Publish a checkpoint no longer.")
    ] = None,
    late: Annotated[
        list[str] | None,
        typer.Option(metavar="CODE", help="Do not wait for this region to turn the epoch."),
    ] = None,
    _example: Annotated[
        bool,
        typer.Option(
            "--example-policy",
            callback=_print_example,
            is_eager=True,
            help="Print a policy to start from, and stop.",
        ),
    ] = False,
    key_file: KeyFileOption = None,
    now: NowOption = None,
    engine: EngineOption = None,
    as_json: JsonOption = False,
) -> None:
    """Audit all regions and publish a region's gate bundle; repeat it every epoch.

    What is published already and did not change is not published again: a policy only
    if it differs or half of its time is over, a list only if other keys are admitted. A
    policy whose valid_from is to come is published ahead: gates switch to it by their clocks.
    """
    desk = Desk.open(now, engine, as_json)
    records = desk.federation(directory)
    regions = chosen_regions(records.federation, code, everyone=everyone)
    for region in late or []:
        check_region(records.federation, region)
    wishes = Wishes(
        read_file(policy) if policy is not None else None,
        dict(_checkpoint(item) for item in checkpoint or []),
        frozenset(drop_checkpoint or []),
        frozenset(late or []),
    )
    secret = open_secret(key_file, what="the region")
    auditor = Auditor(records.view)
    rows = []
    for region in regions:
        with at_work(records, region, secret, desk.entropy) as host:
            # Loading may have published what was pending.
            records.catch_up()
            for member in records.regions:
                auditor.follow(member, records.fetch)
            making = Making(desk, records, auditor, host, wishes)
            host.publish(making.effects())
        desk.say(f"{region_label(records.federation, region)}: {'; '.join(making.notes)}")
        rows.append({"region": region} | making.report)
    for region, reason in _refused(auditor):
        desk.warn(f"{region} failed the audit: {reason}")
    desk.result(regions=rows, refused=dict(_refused(auditor)))


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the options ask for."""

    policy: bytes | None
    checkpoints: dict[str, str]
    dropped: frozenset[str]
    late: frozenset[str]


@dataclass(slots=True)
class Making:
    """One region's bundle in the making."""

    desk: Desk
    records: FederationDirectory
    auditor: Auditor
    host: RegionHost
    wishes: Wishes
    notes: list[str] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)

    def effects(self) -> Effects:
        """Everything to publish, in order; secrets of lists that ended are destroyed."""
        current = self.records.federation.clock.epoch_at(self.desk.now)
        self._check_turned(current)
        policies, document = self._policy()
        checkpoints = self._checkpoints(document)
        parts = self.host.gate.prepare_parts(current, self.desk.entropy)
        lists = self._lists(current)
        self.host.gate.forget(current - 1)
        self.notes.append(f"{len(parts)} new list parts")
        self.report["parts"] = len(parts)
        return (*policies, *checkpoints, *parts, *lists)

    @property
    def region(self) -> str:
        """Whose bundle it is."""
        return self.host.writer.region

    # --- policy and checkpoints -------------------------------------------------------

    def _policy(self) -> tuple[Effects, PolicyDocument | None]:
        if self.wishes.policy is None:
            return (), None
        now, gate = self.desk.now, self.host.gate
        draft = policy_file.read_policy(self.wishes.policy, region=self.region, version=1, now=now)
        latest = gate.state.policies.get(draft.policy, 0)
        self.report["policy"] = draft.policy
        held = self._still_good(draft) if latest else None
        if held is not None:
            self.report["policy_version"] = held.version
            self.report["policy_from"] = held.not_before
            self.notes.append(f"policy {draft.policy} version {held.version} stays")
            return (), draft
        if draft.not_after <= now:
            hint = f"that policy has ended, at {time_text(draft.not_after)}; give it another end"
            raise CallerError(Reason.POLICY_EXPIRED, hint)
        document = replace(draft, version=latest + 1)
        ahead = f", in force from {time_text(draft.not_before)}" if draft.not_before > now else ""
        self.report["policy_version"] = document.version
        self.report["policy_from"] = document.not_before
        self.notes.append(f"policy {draft.policy} version {document.version}{ahead}")
        return gate.publish_policy(document, self.desk.entropy), document

    def _still_good(self, draft: PolicyDocument) -> PolicyDocument | None:
        """The published version that says the same as the draft, if it will do instead.

        That is the latest one if it has the same times, too; or the one in force, if it will be
        for half of the time at least, or until a version takes over that is published already.
        """
        now = self.desk.now
        parts = [
            policy.part
            for (name, _), policy in self.records.view.region(self.region).policies.items()
            if name == draft.policy
        ]
        if not parts:
            return None
        latest = self._document(max(parts, key=lambda part: part.version))
        if replace(latest, version=draft.version) == draft:
            return latest
        current = [part for part in parts if part.not_before <= now < part.not_after]
        if not current:
            return None
        held = self._document(max(current, key=lambda part: part.version))
        if replace(held, version=1, not_before=0, not_after=1) != replace(
            draft, version=1, not_before=0, not_after=1
        ):
            return None
        relieved = any(
            part.version > held.version and now < part.not_before <= held.not_after
            for part in parts
        )
        long_enough = 2 * (held.not_after - now) >= draft.not_after - draft.not_before
        return held if relieved or long_enough else None

    def _document(self, part: PolicyPart) -> PolicyDocument:
        return PolicyDocument.decode(fetch_checked(self.records.fetch, part.document))

    def _checkpoints(self, document: PolicyDocument | None) -> Effects:
        before = self.records.view.region(self.region).checkpoints
        after = {name: c for name, c in before.items() if name not in self.wishes.dropped}
        for name, text in self.wishes.checkpoints.items():
            after[name] = CheckpointInfo(
                checkpoint=name,
                names=read_names(text),
                place=names_text(self.records.federation.known(self.region).names),
                policy=self._policy_of_checkpoints(document),
            )
        self.report["checkpoints"] = sorted(after)
        if after == before:
            return ()
        self.notes.append(f"checkpoints {', '.join(sorted(after)) or 'none'}")
        return self.host.gate.publish_checkpoints([after[name] for name in sorted(after)])

    def _policy_of_checkpoints(self, document: PolicyDocument | None) -> str:
        if document is not None:
            return document.policy
        known = list(self.host.gate.state.policies)
        if len(known) != 1:
            raise CallerError(Reason.POLICY, "say by --policy which policy the checkpoint asks for")
        return known[0]

    # --- lists ------------------------------------------------------------------------

    def _check_turned(self, current: int) -> None:
        missing = sorted(self._missing(current) - self.wishes.late)
        if missing:
            hint = (
                f"these regions have not turned epoch {current}: {', '.join(missing)}; "
                "turn them, or go on without with --late CODE"
            )
            raise CallerError(Reason.STATE, hint)

    def _missing(self, epoch: int) -> set[str]:
        view = self.records.view
        return {r for r in view.regions if view.region(r).epoch(epoch) is None}

    def _lists(self, current: int) -> Effects:
        """Lists of this epoch and, where complete, of the one before and the next."""
        clock, now = self.records.federation.clock, self.desk.now
        soon = now >= clock.start(current + 1) - clock.epoch_seconds // _EARLY
        versions = self.records.view.region(self.region).lists
        epochs = [current]
        # A new federation has no list yet that is shown under in the first third.
        if current > 0 and not self._missing(current - 1) and (current - 1, 0) not in versions:
            epochs.insert(0, current - 1)
        if soon and not self._missing(current + 1):
            epochs.append(current + 1)
        self.report["lists"] = []
        return tuple(effect for epoch in epochs for effect in self._list(epoch))

    def _list(self, epoch: int) -> Effects:
        admitted = self.auditor.listable(epoch, self.region)
        absent = self._absences(epoch, admitted)
        listed = {audited.published.id.region for audited in admitted}
        row = {"epoch": epoch, "regions": sorted(listed), "absent": [a.region for a in absent]}
        self.report["lists"].append(row)
        if self._is_published(epoch, admitted, absent):
            self.notes.append(f"list of epoch {epoch} stays")
            return ()
        # Wallets take a key older than t − 1 only for a region that this log judges LATE or so.
        old = sorted({a.published.id.region for a in admitted if a.published.id.epoch < epoch - 1})
        judged = tuple(self.auditor.judgement(region, epoch) for region in old)
        effects = (
            *judged,
            *self.host.gate.publish_list(epoch, admitted, self.desk.entropy, absent=absent),
        )
        self.notes.append(f"list of epoch {epoch} with {len(listed)} regions")
        return effects

    def _absences(self, epoch: int, admitted: Sequence[AuditedEpoch]) -> list[Absence]:
        """Why a region has no key on the list: it failed the audit, or has turned nothing."""
        listed = {audited.published.id.region for audited in admitted}
        failed = dict(_refused(self.auditor, (epoch - 1, epoch)))
        return [
            Absence(region=r, reason=f"audit: {failed[r]}" if r in failed else "no epoch turned")
            for r in sorted(self.records.federation.members)
            if r not in listed
        ]

    def _is_published(
        self, epoch: int, admitted: Sequence[AuditedEpoch], absent: Sequence[Absence]
    ) -> bool:
        """The highest revision of the list has exactly these keys and absences."""
        try:
            _, entry = list_version(self.records.view.region(self.region), epoch)
        except PeerError:
            return False
        keys = ListKeys.decode(fetch_checked(self.records.fetch, entry.keys))
        return {key.id for key in keys.keys} == {a.published.id for a in admitted} and list(
            keys.absent
        ) == list(absent)


def _checkpoint(item: str) -> tuple[str, str]:
    name, equals, text = item.partition("=")
    if not equals or not name:
        raise CallerError(
            Reason.ARGUMENT, "--checkpoint is ID=NAME, as station-1='Railway station'"
        )
    return name, text


def _refused(auditor: Auditor, epochs: Iterable[int] | None = None) -> list[tuple[str, str]]:
    """Regions with a refused epoch (among `epochs`), and the latest reason."""
    return [
        (region, reason.value)
        for region, state in auditor.regions.items()
        for key, reason in state.faults.items()
        if epochs is None or key.epoch in epochs
    ]
