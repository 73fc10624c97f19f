"""The judge: one of four judgements for every epoch of every region (GS-EPOCH-8).

A pure state machine over facts. A fact says what an audit found in one epoch entry, or
what a log or a report says; nodes and the simulator feed the same machine. Facts only
add up: learning one twice, or in another order, changes nothing, so judgements are a
function of logs and reports alone and not of the order of arrival.

Time is counted in epochs. Durations (`hold_epochs`, `late_epochs`) are the charter's
`hold_max` and `late_max` in units of E. No clock is read: an epoch of which nothing is
known is LATE.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from guosuo.errors import CallerError, Reason
from guosuo.federation.clock import KEY_EPOCHS
from guosuo.federation.facts import (
    Amended,
    Exposed,
    Fact,
    Finding,
    Fork,
    Missing,
    Rule,
    Ruling,
    Shared,
    Void,
    join,
)
from guosuo.scheme import KeyId
from guosuo.wire import cbor

__all__ = [
    "HOLD_EPOCHS",
    "LATE_EPOCHS",
    "MAX_CUT_REVISIONS",
    "MAX_KEY_REVISION",
    "MISSING_REPORTS",
    "Amended",
    "Exposed",
    "Fact",
    "Finding",
    "Fork",
    "Judge",
    "Judged",
    "Missing",
    "Rule",
    "Ruling",
    "Shared",
    "Void",
    "join",
]

HOLD_EPOCHS = 3
"""hold_max/E unless the charter says otherwise (12 h)."""
LATE_EPOCHS = 3
"""late_max/E unless the charter says otherwise (12 h)."""
MAX_KEY_REVISION = 2
"""Key revisions per region and epoch at most, those that replace a stolen key apart."""
MAX_CUT_REVISIONS = 2
"""Key revisions per region and epoch that replace a stolen key, at most."""
MISSING_REPORTS = 2
"""Regions that must report a bucket missing before it counts as failing."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The state of a region after one epoch: enough to go on from (GS-EPOCH-13)."""

    region: str
    epoch: int
    ruling: Ruling = Ruling.LATE
    rule: Rule = Rule.NO_ENTRY
    key: KeyId | None = None
    """The key of this epoch, if ADMIT or HOLD."""
    entry: bytes | None = None
    state: bytes = b""
    """Hash of the log's state after the last ADMIT or HOLD entry."""
    before: KeyId | None = None
    """The key of the epoch before, if that was ADMIT or HOLD."""
    before_held: bool = False
    """Whether that one was HOLD."""
    admitted: KeyId | None = None
    """The last admitted key."""
    held: KeyId | None = None
    """The last held key, in a hold."""
    since: int | None = None
    """First epoch judged HOLD after the last admitted one, in a hold."""
    last: int | None = None
    """The last epoch judged ADMIT or HOLD."""
    cuts: frozenset[tuple[KeyId, KeyId]] = frozenset()
    """Stolen keys that could still be listed, each with the key that replaced it."""

    def digest(self) -> bytes:
        """The state hash that judgements carry and newcomers compare."""
        return hashlib.sha256(cbor.encode(["guosuo/judged", *self.items()])).digest()

    def items(self) -> list[cbor.Value]:
        """Everything, in the order of the fields, as CBOR values."""
        cuts: list[cbor.Value] = [[_name(a), _name(b)] for a, b in sorted(self.cuts, key=_pair)]
        return [
            self.region,
            self.epoch,
            self.ruling.value,
            self.rule.value,
            _name(self.key),
            self.entry,
            self.state,
            _name(self.before),
            self.before_held,
            _name(self.admitted),
            _name(self.held),
            self.since,
            self.last,
            cuts,
        ]


@dataclass(slots=True)
class _Facts:
    """What is known of one region."""

    findings: dict[KeyId, Finding] = field(default_factory=dict)
    missing: dict[KeyId, set[tuple[int, str]]] = field(default_factory=dict)
    void: dict[int, set[tuple[Rule, bytes]]] = field(default_factory=dict)
    shared: set[KeyId] = field(default_factory=set)
    exposed: set[KeyId] = field(default_factory=set)
    forks: dict[int, int] = field(default_factory=dict)
    """By line: last common epoch."""
    base: Judged | None = None
    """Where the walk starts: a snapshot, or what was settled."""
    numbers: list[int] = field(default_factory=list)
    """Epoch numbers with a finding, ascending."""
    chain: list[Judged] = field(default_factory=list)
    """States after the first of these epochs, as far as new facts left them valid."""


class Judge:
    """Judges the epochs of a federation's regions."""

    def __init__(
        self,
        regions: Iterable[str],
        *,
        hold_epochs: int = HOLD_EPOCHS,
        late_epochs: int = LATE_EPOCHS,
    ) -> None:
        """`hold_epochs`, `late_epochs`: the charter's limits, in epochs, not negative."""
        if hold_epochs < 0 or late_epochs < 0:
            raise CallerError(Reason.ARGUMENT, "limits are not negative")
        self.hold_epochs, self.late_epochs = hold_epochs, late_epochs
        self._facts = {region: _Facts() for region in regions}
        self._burnt: frozenset[KeyId] | None = None
        self._amended: dict[int, int] = {}
        """Versions of the charter, each with the epoch from which it binds."""

    @property
    def key_epochs(self) -> int:
        """Epochs after the start of its own in which any key can be accepted, at most."""
        return KEY_EPOCHS + self.late_epochs + self.hold_epochs

    @property
    def regions(self) -> frozenset[str]:
        """Whom it judges."""
        return frozenset(self._facts)

    def add_region(self, region: str) -> None:
        """A member joined; known ones stay as they are."""
        self._facts.setdefault(region, _Facts())

    # --- facts ------------------------------------------------------------------------

    def learn(self, fact: Fact) -> None:
        """Take in one fact; of settled epochs, and a region's reports on itself, nothing.

        `CallerError` for a region that is not judged.
        """
        if self._is_settled(fact):
            return
        self._burnt = None
        match fact:
            case Finding():
                known = self._of(fact.key.region)
                old = known.findings.get(fact.key)
                new = fact if old is None else join(old, fact)
                if new != old:
                    known.findings[fact.key] = new
                    _invalidate(known, fact.key.epoch)
                    place = bisect_right(known.numbers, fact.key.epoch)
                    if known.numbers[place - 1 : place] != [fact.key.epoch]:
                        known.numbers.insert(place, fact.key.epoch)
            case Missing():
                known = self._of(fact.key.region)
                if fact.reporter != fact.key.region and fact.reporter in self._facts:
                    known.missing.setdefault(fact.key, set()).add((fact.first, fact.reporter))
                    _invalidate(known, fact.key.epoch)
            case Void():
                known = self._of(fact.region)
                known.void.setdefault(fact.epoch, set()).add((fact.rule, fact.entry))
            case Shared():
                known = self._of(fact.key.region)
                known.shared.add(fact.key)
                _invalidate(known, fact.key.epoch)
            case Exposed():
                self._of(fact.key.region).exposed.add(fact.key)
            case Fork():
                known = self._of(fact.region)
                after = min(fact.after, known.forks.get(fact.line, fact.after))
                known.forks[fact.line] = after
                _invalidate(known, after + 1)
            case Amended():
                self._amended[fact.version] = fact.adopt_by
                for known in self._facts.values():
                    _invalidate(known, fact.adopt_by)

    def exposed(self, region: str) -> frozenset[KeyId]:
        """Keys of the region whose secret is public."""
        return frozenset(self._of(region).exposed)

    def finding(self, key: KeyId) -> Finding | None:
        """What is known of one entry."""
        return self._of(key.region).findings.get(key)

    # --- judgements -------------------------------------------------------------------

    def judged(self, region: str, epoch: int) -> Judged:
        """The state of a region after an epoch, as the facts stand now."""
        known = self._of(region)
        base = known.base or Judged(region, -1)
        if epoch < base.epoch:
            raise CallerError(Reason.STATE, "that epoch is settled")
        count = bisect_right(known.numbers, epoch)
        while len(known.chain) < count:
            number = known.numbers[len(known.chain)]
            before = known.chain[-1] if known.chain else base
            known.chain.append(self._step(known, self._silent(known, before, number - 1)))
        return self._silent(known, known.chain[count - 1] if count else base, epoch)

    def newest(self, region: str) -> int | None:
        """The highest epoch number of which an entry is known."""
        known = self._of(region)
        if known.numbers:
            return known.numbers[-1]
        return None if known.base is None else known.base.epoch

    def cuts(self, region: str) -> Mapping[KeyId, KeyId]:
        """Stolen keys that an admitted entry replaced, with the key that replaced each."""
        newest = self.newest(region)
        return {} if newest is None else dict(self.judged(region, newest).cuts)

    def burnt(self) -> frozenset[KeyId]:
        """Keys that end every list that holds them: stolen and replaced, or public."""
        if self._burnt is None:
            self._burnt = frozenset(
                key
                for region, known in self._facts.items()
                for key in (*self.cuts(region), *known.exposed)
            )
        return self._burnt

    def resume(self, snapshot: Judged) -> None:
        """Start a region from a state whose hash enough judgements repeat."""
        self._settle(self._of(snapshot.region), snapshot)

    def settle(self, region: str, epoch: int) -> None:
        """Take the judgements up to an epoch as final and forget their facts.

        The caller does this for epochs so old that nothing about them can come any
        more: facts that come all the same change nothing.
        """
        self._settle(self._of(region), self.judged(region, epoch))

    # --- the machine ------------------------------------------------------------------

    def _silent(self, known: _Facts, old: Judged, epoch: int) -> Judged:
        """The state after epochs of which there is no entry: LATE, nothing moves."""
        if old.epoch == epoch:
            return old
        ruling, rule, entry = _absent(known, epoch)
        return replace(
            old,
            epoch=epoch,
            ruling=ruling,
            rule=rule,
            key=None,
            entry=entry,
            before=old.key if epoch == old.epoch + 1 else None,
            before_held=epoch == old.epoch + 1 and old.ruling is Ruling.HOLD,
            cuts=self._alive(dict(old.cuts), epoch),
        )

    def _alive(self, cuts: dict[KeyId, KeyId], epoch: int) -> frozenset[tuple[KeyId, KeyId]]:
        oldest = epoch - self.key_epochs
        return frozenset((a, b) for a, b in cuts.items() if a.epoch >= oldest)

    def _step(self, known: _Facts, old: Judged) -> Judged:
        """The state after the next epoch, which has an entry (GS-EPOCH-9 to 12)."""
        epoch = old.epoch + 1
        admitted, cuts = old.admitted, dict(old.cuts)
        best: tuple[Ruling, Rule, Finding] | None = None
        counted = -1
        cutting = 0
        for finding in self._revisions(known, epoch):
            # 1. Two revisions, and two more that replace a stolen key.
            is_cut = bool(finding.cuts) and finding.key.revision > 0
            if is_cut:
                cutting += 1
            else:
                counted += 1
            if counted > MAX_KEY_REVISION or cutting > MAX_CUT_REVISIONS:
                break
            ruling, rule = self._rule(known, finding)
            # 2. A cut holds if its entry is admitted and leaves out nobody of the last ADMIT.
            if ruling is Ruling.ADMIT:
                if admitted is None or finding.whole_since <= admitted.epoch:
                    cuts |= {
                        stolen: finding.key
                        for stolen in finding.cuts
                        if _order(stolen) < _order(finding.key)
                    }
                admitted = finding.key
            # 3. Of several revisions the best one counts, of equals the newest.
            if best is None or _RANK[ruling] >= _RANK[best[0]]:
                best = (ruling, rule, finding)
        if best is None:
            return self._silent(known, old, epoch)
        ruling, rule, finding = best
        state = replace(
            old,
            epoch=epoch,
            ruling=ruling,
            rule=rule,
            key=None,
            entry=finding.entry,
            before=old.key,
            before_held=old.ruling is Ruling.HOLD,
            cuts=self._alive(cuts, epoch),
        )
        match ruling:
            case Ruling.ADMIT:
                # A hold ends with the next ADMIT.
                return replace(
                    state,
                    key=finding.key,
                    state=finding.state,
                    admitted=finding.key,
                    held=None,
                    since=None,
                    last=epoch,
                )
            case Ruling.HOLD:
                # It begins with the first epoch judged HOLD and is counted once.
                return replace(
                    state,
                    key=finding.key,
                    state=finding.state,
                    held=finding.key,
                    since=epoch if old.since is None else old.since,
                    last=epoch,
                )
        return state

    def _rule(self, known: _Facts, finding: Finding) -> tuple[Ruling, Rule]:
        """The judgement on one entry (GS-EPOCH-9)."""
        # 1. Nothing of a history that forked, until the successor's line.
        fork = known.forks.get(finding.line)
        if fork is not None and finding.key.epoch > fork:
            return Ruling.LATE, Rule.FORKED
        if not finding.witnessed:
            return Ruling.LATE, Rule.NOT_WITNESSED
        # 2. What no later byte can mend: first, that the log was behind with the charter.
        if any(v > finding.charter and t <= finding.key.epoch for v, t in self._amended.items()):
            return Ruling.REFUSE, Rule.CHARTER
        if finding.refused is not None:
            return Ruling.REFUSE, finding.refused
        if finding.key in known.shared:
            return Ruling.REFUSE, Rule.KEY_SHARED
        # 3. What is not read and not reported missing by two may still be anything.
        gone = _gone(known.missing.get(finding.key, set()))
        if finding.unread is None or finding.unread - finding.failing - gone:
            return Ruling.LATE, Rule.NOT_READABLE
        # 4. Slots that no conforming order leaves out.
        if finding.left_out:
            return Ruling.HOLD, Rule.LEFT_OUT
        if finding.failing:
            return Ruling.HOLD, Rule.BUCKET_FAILS
        if gone:
            return Ruling.HOLD, Rule.BUCKET_MISSING
        return Ruling.ADMIT, Rule.CONFORMS

    def _revisions(self, known: _Facts, epoch: int) -> list[Finding]:
        found = [f for key, f in known.findings.items() if key.epoch == epoch]
        return sorted(found, key=lambda f: f.key.revision)

    def _is_settled(self, fact: Fact) -> bool:
        """Whether it says something about an epoch that was settled (theft apart)."""
        match fact:
            case Exposed() | Fork() | Amended():
                return False
            case Void():
                base, epoch = self._of(fact.region).base, fact.epoch
            case _:
                base, epoch = self._of(fact.key.region).base, fact.key.epoch
        return base is not None and epoch <= base.epoch

    def _of(self, region: str) -> _Facts:
        found = self._facts.get(region)
        if found is None:
            raise CallerError(Reason.REGION_UNKNOWN, "not a region that is judged here")
        return found

    def _settle(self, known: _Facts, base: Judged) -> None:
        oldest = base.epoch - self.key_epochs
        self._burnt = None
        known.findings = {k: f for k, f in known.findings.items() if k.epoch > base.epoch}
        known.missing = {k: m for k, m in known.missing.items() if k.epoch > base.epoch}
        known.void = {t: v for t, v in known.void.items() if t > base.epoch}
        known.shared = {k for k in known.shared if k.epoch >= oldest}
        known.exposed = {k for k in known.exposed if k.epoch >= oldest}
        known.numbers = [t for t in known.numbers if t > base.epoch]
        known.base, known.chain = base, []


_RANK = {Ruling.REFUSE: 0, Ruling.LATE: 1, Ruling.HOLD: 2, Ruling.ADMIT: 3}
"""LATE above REFUSE: a revision that may still come keeps the question open."""


def _absent(known: _Facts, epoch: int) -> tuple[Ruling, Rule, bytes | None]:
    """An epoch without a conforming entry: LATE, or REFUSE if one does not conform."""
    void = known.void.get(epoch)
    return (Ruling.REFUSE, *max(void)) if void else (Ruling.LATE, Rule.NO_ENTRY, None)


def _gone(reports: set[tuple[int, str]]) -> frozenset[int]:
    """Buckets that enough regions report missing."""
    firsts = [first for first, _ in reports]
    return frozenset(first for first in firsts if firsts.count(first) >= MISSING_REPORTS)


def _invalidate(known: _Facts, epoch: int) -> None:
    """Forget what was judged from an epoch on."""
    while known.chain and known.chain[-1].epoch >= epoch:
        known.chain.pop()


def _order(key: KeyId) -> tuple[int, int]:
    return (key.epoch, key.revision)


def _pair(pair: tuple[KeyId, KeyId]) -> tuple[tuple[int, int], tuple[int, int]]:
    return (_order(pair[0]), _order(pair[1]))


def _name(key: KeyId | None) -> cbor.Value:
    """A key of the region that is spoken of."""
    return None if key is None else [key.epoch, key.revision]
