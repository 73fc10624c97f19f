"""`guosuo wallet check`: where would I pass, until when, and if not, why not.

From the policies in the federation's directory and the wallet's own documents, on this
device: nobody is asked, and nothing is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from guosuo.federation.view import RegionView
from guosuo.host.directory import FederationDirectory
from guosuo.host.wallet_file import WalletFile
from guosuo.policy.compiler import PolicyError, compile_policy, find_faults
from guosuo.policy.document import PolicyDocument
from guosuo.policy.table import CheckedPolicy
from guosuo.roles.bundle import policy_version, refuse_outside
from guosuo.roles.holding import HeldSlot
from guosuo.roles.outlook import Cause, Outlook, look_out

EXAMPLE: Final = "Example: guosuo wallet check lan.wallet --federation fed --language zh"

_ENGLISH: Final = {
    "vaccination": "vaccination",
    "test": "test",
    "recovery": "recovery",
    "slot": "{kind} of slot {slot} of {region}",
    "satisfied": "yes",
    "not satisfied": "no",
    "open": "cannot be decided",
    "until": "until {when}",
    "from": "not before {when}",
    "version": "{name} version {version}",
    "kind": "this kind of evidence is not accepted there",
    "hours": "it is accepted now, but not in all of the hours for which it is signed; "
    "these rules fail at {when}:",
    "together": "other documents that count as the same evidence are not accepted there",
    "no slots": "No slots: enrol first.",
    "no policy": "no policy is published",
    "expired": "no version is in force now",
    "unreadable": "its document cannot be read",
    "refused": "no wallet shows under it: {hint}",
    "nobody": "nobody can say; {why}",
}
_CHINESE: Final = {
    "vaccination": "疫苗接种",
    "test": "检测",
    "recovery": "康复",
    "slot": "{region} 第 {slot} 号凭证({kind})",
    "satisfied": "可以通过",
    "not satisfied": "不能通过",
    "open": "无法判定",
    "until": "有效至 {when}",
    "from": "{when} 起可以",
    "version": "{name} 第 {version} 版",
    "kind": "当地不接受这类证明",
    "hours": "目前符合规则,但并非在签名有效的全部时间内都符合;{when} 时不符合以下规则:",
    "together": "当地不接受与之视为同类证明的其他文件",
    "no slots": "没有凭证:请先登记。",
    "no policy": "没有公布政策",
    "expired": "目前没有生效的版本",
    "unreadable": "政策文件无法读取",
    "refused": "钱包拒绝按此政策出示:{hint}",
    "nobody": "无法判定;{why}",
}
_LANGUAGES: Final = {"en": _ENGLISH, "zh": _CHINESE}


def check(
    file: FileArgument,
    *,
    federation: FederationOption,
    language: Annotated[
        str,
        typer.Option(
            "--language", metavar="CODE", help="Of the rules' texts; answers are in en or zh."
        ),
    ] = "en",
    key_file: KeyFileOption = None,
    now: NowOption = None,
    engine: EngineOption = None,
    as_json: JsonOption = False,
) -> None:
    """For every region's policies: would I pass, with which credential, until when, or why not.

    Versions that are published ahead count from their beginning on. About rules only:
    whether a slot is suspended, `guosuo wallet refresh` says.
    """
    desk = Desk.open(now, engine, as_json)
    records = desk.federation(federation)
    check_there(file)
    wallet = load(WalletFile(records.federation, file, open_secret(key_file, what="the wallet")))
    held = [wallet.state.slots[name] for name in sorted(wallet.state.slots)]
    asking = _Asking(desk, records, held, language)
    rows = [row for region in sorted(records.view.regions) for row in asking.region(region)]
    if not held:
        desk.say(asking.words["no slots"])
    desk.result(policies=rows)


@dataclass(frozen=True, slots=True)
class _Asking:
    """One holder's question, asked of every region's policies."""

    desk: Desk
    records: FederationDirectory
    held: Sequence[HeldSlot]
    language: str

    @property
    def words(self) -> dict[str, str]:
        """Fixed sentences: in Chinese for it, in English for every other language."""
        return _LANGUAGES.get(self.language.partition("-")[0], _ENGLISH)

    def region(self, region: str) -> list[dict[str, Any]]:
        """Every policy of a region, about every own document."""
        view = self.records.view.region(region)
        names = sorted({policy for policy, _ in view.policies})
        return [self.policy(view, region, name) for name in names] or [
            self.nobody(region, None, self.words["no policy"])
        ]

    def policy(self, view: RegionView, region: str, name: str) -> dict[str, Any]:
        """One policy, by the version in force and those published ahead."""
        try:
            part = policy_version(view, name, self.desk.now)
            versions = self.versions(view, part)
            found = [self.look_out(versions, slot) for slot in self.held]
        except PolicyError as error:
            faults = "; ".join(f"{fault.rule}: {fault.why}" for fault in error.faults)
            hint = f"{error.hint}: {faults}" if faults else error.hint
            return self.nobody(region, name, self.words["refused"].format(hint=hint))
        except PeerError as error:
            word = "expired" if error.reason is Reason.POLICY_EXPIRED else "unreadable"
            return self.nobody(region, name, self.words[word])
        version = part.part.version
        title = self.words["version"].format(name=name, version=version)
        self.desk.say(f"{region_label(self.records.federation, region)}, {title}:")
        slots = [self.slot(*pair) for pair in zip(self.held, found, strict=True)]
        return {
            "region": region,
            "policy": name,
            "version": version,
            "passes": any(slot["result"] == Result.SATISFIED.value for slot in slots),
            "slots": slots,
        }

    def versions(self, view: RegionView, current: CheckedPolicy) -> list[PolicyDocument]:
        """The version in force and all that follow it; what cannot be read ends what was before.

        `PeerError` if the version in force is one that no wallet shows under.
        """
        versions = [self.document(current)]
        later = sorted(
            (policy for (name, _), policy in view.policies.items() if name == current.part.policy),
            key=lambda policy: policy.part.not_before,
        )
        for policy in later:
            part = policy.part
            if part.version <= current.part.version or part.not_after <= self.desk.now:
                continue
            try:
                versions.append(self.document(policy))
            except PeerError:
                versions = [
                    replace(known, not_after=min(known.not_after, part.not_before))
                    for known in versions
                    if known.not_before < part.not_before
                ]
                break
        return versions

    def document(self, policy: CheckedPolicy) -> PolicyDocument:
        """What a version says, checked as a wallet does before it shows; `PeerError`."""
        document = PolicyDocument.decode(fetch_checked(self.records.fetch, policy.part.document))
        document.check()
        faults = find_faults(document)
        if faults:
            raise PolicyError("a rule of the policy cannot be proven", faults)
        federation = self.records.federation
        if federation.charter.envelope is not None:
            refuse_outside(federation, document, compile_policy(document, federation.clock))
        return document

    def nobody(self, region: str, name: str | None, why: str) -> dict[str, Any]:
        """A policy about which there is nothing to say."""
        label = region_label(self.records.federation, region)
        text = self.words["nobody"].format(why=why) if name is not None else why
        self.desk.say(": ".join((", ".join(filter(None, (label, name))), text)), "yellow")
        return {"region": region, "policy": name, "version": None, "passes": False, "why": why}

    def look_out(self, versions: Sequence[PolicyDocument], slot: HeldSlot) -> Outlook:
        """One own document under one policy."""
        clock = self.records.federation.clock
        return look_out(versions, slot.fact, self.desk.now, self.language, clock)

    def slot(self, slot: HeldSlot, found: Outlook) -> dict[str, Any]:
        """What there is to say of it."""
        self.say_slot(slot, found)
        return {
            "region": slot.region,
            "slot": slot.slot,
            "kind": slot.fact.kind.name.lower(),
            "result": found.result.value,
            "cause": found.cause.value if found.cause else None,
            "reasons": [{"rule": rule, "text": text} for rule, text in found.reasons],
            "fails_at": found.fails_at,
            "changes_at": found.changes_at,
        }

    def say_slot(self, slot: HeldSlot, found: Outlook) -> None:
        """In words: yes or no, until when, and which rules."""
        say, words = self.desk.say, self.words
        satisfied = found.result is Result.SATISFIED
        kind = words[slot.fact.kind.name.lower()]
        line = words["slot"].format(kind=kind, slot=slot.slot, region=slot.region)
        line += f": {words[found.result.value]}"
        if found.changes_at is not None:
            word = words["until" if satisfied else "from"]
            line += f", {word.format(when=time_text(found.changes_at))}"
        say(f"  {line}", "green" if satisfied else None)
        if found.cause in {Cause.KIND, Cause.HOURS, Cause.TOGETHER}:
            when = "" if found.fails_at is None else time_text(found.fails_at)
            say(f"    {words[found.cause.value].format(when=when)}")
        for identifier, text in found.reasons:
            say(f"    {identifier}: {text}")
