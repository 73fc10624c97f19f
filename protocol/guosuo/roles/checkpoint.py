"""The checkpoint: decides offline, with the short public parts of its own region.

It holds no key and asks nobody. It remembers tags of accepted shows for three ticks
and nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from guosuo.curve.entropy import Entropy
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.federation.charter import Federation, open_signed
from guosuo.federation.entries import ListEntry
from guosuo.federation.records import Kind, LogEntry, kind_of
from guosuo.federation.trust_list import CheckedPart, check_part
from guosuo.policy.table import CheckedPolicy, check_policy
from guosuo.presentation.frame import Challenge, Frame, Poster
from guosuo.presentation.proof import Presentation
from guosuo.presentation.setting import NONCE_SIZE, Mode, Setting, place_hash
from guosuo.presentation.verify import Item, verify_batch
from guosuo.roles.timing import list_refusal, tick_refusal
from guosuo.roles.verdict import Cause, Inner, Notice, Outcome, Verdict

_EARLY = 12
"""A list is published E/12 before its epoch (20 minutes of 4 hours)."""


@dataclass(slots=True)
class CheckpointState:
    """What a checkpoint carries (saved by `roles.states`; nothing in it is secret)."""

    region: str
    checkpoint: str
    policy: str
    mode: Mode = Mode.BROADCAST
    parts: dict[tuple[int, int], CheckedPart] = field(default_factory=dict)
    policies: dict[int, CheckedPolicy] = field(default_factory=dict)
    lowest: dict[int, int] = field(default_factory=dict)
    """Lowest list revision accepted per epoch."""
    floor: int = 0
    """The clock never goes below this: the newest signed time seen."""
    seen: dict[int, dict[bytes, bytes]] = field(default_factory=dict)
    """Accepted tags per tick, with the hash of the show."""
    quiet_until: int = 0
    """Tags of ticks below this one are forgotten: by a restart, or because later ones came."""


class Checkpoint:
    """One verifying device at one gate."""

    def __init__(self, federation: Federation, state: CheckpointState) -> None:
        """A fresh state names gate region, checkpoint and policy."""
        federation.known(state.region)
        self.federation = federation
        self.state = state
        self._open: Challenge | None = None

    # --- the bundle's public part ---------------------------------------------------------

    def load(self, entry: bytes) -> bool:
        """Take a `list-part`, `list` or `policy` entry of the own region's log (GS-CHECK-8).

        True if it was one; other kinds are ignored. `PeerError` if it is not a
        correctly signed entry.
        """
        kind = kind_of(entry)
        signed = open_signed(self.federation, self.state.region, kind, entry)
        if kind not in (Kind.LIST_PART, Kind.LIST, Kind.POLICY):
            return False
        logged = LogEntry.decode(signed)
        if logged.region != self.state.region:
            raise PeerError(Reason.REGION_UNKNOWN)
        match kind:
            case Kind.LIST_PART:
                self._load_part(check_part(self.federation.scheme, logged.body))
            case Kind.POLICY:
                self._load_policy(check_policy(self.federation.scheme, logged.body))
            case _:
                self._load_list(ListEntry.decode(logged.body))
        return True

    def _load_part(self, part: CheckedPart) -> None:
        window = self.federation.clock.list_window(part.part.epoch)
        if part.part.region != self.state.region or window != (
            part.part.not_before,
            part.part.not_after,
        ):
            raise PeerError(Reason.LIST_PART)
        # The first part of a version counts, as in the log.
        self.state.parts.setdefault((part.part.epoch, part.part.revision), part)

    def _load_policy(self, policy: CheckedPolicy) -> None:
        if policy.part.region != self.state.region:
            raise PeerError(Reason.POLICY)
        if policy.part.policy == self.state.policy:
            self.state.policies.setdefault(policy.part.version, policy)

    def _load_list(self, entry: ListEntry) -> None:
        """A list entry proves that its epoch has begun, or is about to."""
        for part in self.state.parts.values():
            if part.digest == entry.part:
                early = self.federation.clock.epoch_seconds // _EARLY
                self.state.floor = max(self.state.floor, part.part.not_before - early)
                if entry.lowest is not None:
                    # A cut: a key that lower revisions hold was stolen.
                    self.require_revision(part.part.epoch, entry.lowest)
        self._prune()

    def _prune(self) -> None:
        """Forget what ended before the clock's floor; nothing of it can be used again."""
        state, floor = self.state, self.state.floor
        state.parts = {v: p for v, p in state.parts.items() if p.part.not_after > floor}
        state.policies = {v: p for v, p in state.policies.items() if p.part.not_after > floor}
        oldest = min((epoch for epoch, _ in state.parts), default=0)
        state.lowest = {t: r for t, r in state.lowest.items() if t >= oldest}

    def require_revision(self, epoch: int, revision: int) -> None:
        """Accept no lower revision of that list any more (a or b leaked, or a cut)."""
        self.state.lowest[epoch] = max(revision, self.state.lowest.get(epoch, 0))

    # --- inviting -------------------------------------------------------------------------

    def poster(self) -> Poster:
        """What the sign at the gate says."""
        state = self.state
        return Poster(region=state.region, checkpoint=state.checkpoint, policy=state.policy)

    def challenge(self, now: int, entropy: Entropy) -> Challenge:
        """A fresh challenge; it replaces the one before (GS-CHECK-9)."""
        if self.state.mode is not Mode.CHALLENGE:
            raise CallerError(Reason.STATE, "this checkpoint works by poster")
        state = self.state
        self._open = Challenge(
            region=state.region,
            checkpoint=state.checkpoint,
            policy=state.policy,
            tick=self.federation.clock.tick_at(now),
            nonce=entropy.octets(NONCE_SIZE),
        )
        return self._open

    def restarted(self, now: int) -> None:
        """After a start without the memory of tags: wait out the ticks that it covered."""
        self.state.seen = {}
        self.state.quiet_until = self.federation.clock.tick_at(now) + 2
        self._open = None

    # --- deciding -------------------------------------------------------------------------

    def verify(self, code: str | Frame, now: int, entropy: Entropy) -> Outcome:
        """Decide one scan: the text of a QR code, or a decoded frame."""
        return self.verify_many([code], now, entropy)[0]

    def verify_many(
        self, codes: Sequence[str | Frame], now: int, entropy: Entropy
    ) -> list[Outcome]:
        """Decide many scans at once, as if one after the other."""
        return [inner.outcome for inner in self.examine(codes, now, entropy)]

    def examine(self, codes: Sequence[str | Frame], now: int, entropy: Entropy) -> list[Inner]:
        """As `verify_many`, with the inner reasons: for tests and debugging only."""
        if self.state.mode is Mode.CHALLENGE and len(codes) > 1:
            # The first accepted answer uses the challenge up: the rest is judged without.
            return [self.examine([code], now, entropy)[0] for code in codes]
        prepared = [self._prepare(code, now) for code in codes]
        items = [p for p in prepared if isinstance(p, Item)]
        verified = iter(verify_batch(items, entropy))
        return [self._conclude(p, next(verified)) if isinstance(p, Item) else p for p in prepared]

    def _prepare(self, code: str | Frame, now: int) -> Item | Inner:
        """Everything before the proof (GS-CHECK-1 to 4)."""
        state, clock = self.state, self.federation.clock
        # 1. This device: clock, a list part and a policy in force.
        if now < max(state.floor, clock.zero):
            return _cannot(Cause.DEVICE, Reason.CLOCK_JUMP)
        if not any(
            p.part.not_before <= now < p.part.not_after
            and p.part.revision >= state.lowest.get(p.part.epoch, 0)
            for p in state.parts.values()
        ):
            return _cannot(Cause.DEVICE, Reason.LIST_EXPIRED)
        if self._policy(now) is None:
            return _cannot(Cause.DEVICE, Reason.POLICY_EXPIRED)
        # 2. The code is readable.
        try:
            frame = Frame.from_text(code) if isinstance(code, str) else code
        except PeerError as error:
            return _cannot(Cause.CODE, error.reason)
        # 3. It is made for this place, mode, tick, list version and policy version.
        setting = self._setting(frame, now)
        if isinstance(setting, Reason):
            return _cannot(Cause.AGAIN, setting)
        # 4. Its points and scalars decode.
        try:
            return Item(setting, Presentation.decode(self.federation.scheme, frame.proof))
        except PeerError as error:
            return _cannot(Cause.CODE, error.reason)

    def _setting(self, frame: Frame, now: int) -> Setting | Reason:
        state, clock = self.state, self.federation.clock
        place = place_hash(self.federation.id, state.region, state.checkpoint, state.policy)
        if frame.place != place or frame.mode is not state.mode:
            return Reason.CHECKPOINT_UNKNOWN
        nonce = b""
        if reason := tick_refusal(clock, frame.tick, now, quiet_until=state.quiet_until):
            return reason
        if state.mode is Mode.CHALLENGE:
            if self._open is None or frame.tick != self._open.tick:
                return Reason.TICK
            nonce = self._open.nonce
        part = state.parts.get((frame.epoch, frame.revision))
        if part is None:
            return Reason.LIST_REVISIONS
        lowest = state.lowest.get(frame.epoch, 0)
        window = (part.part.not_before, part.part.not_after)
        if reason := list_refusal(window, frame.revision, now, lowest=lowest):
            return reason
        policy = self._policy(now)
        if policy is None or policy.part.version != frame.policy_version:
            return Reason.POLICY_EXPIRED
        return Setting(
            self.federation.scheme,
            part,
            policy,
            state.checkpoint,
            frame.tick,
            state.mode,
            nonce,
        )

    def _policy(self, now: int) -> CheckedPolicy | None:
        """The newest version in force: a superseded one is the looser one."""
        current = [
            p for p in self.state.policies.values() if p.part.not_before <= now < p.part.not_after
        ]
        return max(current, key=lambda p: p.part.version, default=None)

    def _conclude(self, item: Item, accepted: bool) -> Inner:  # noqa: FBT001 - one call site
        """After the proof: the tag (GS-CHECK-5, 6)."""
        # 5. Proof and pairings, not told apart.
        if not accepted:
            return Inner(Outcome(Verdict.NOT_SATISFIED), Reason.PROOF)
        # 6. The tag was not accepted before in the ticks that are still open.
        state, tick = self.state, item.setting.tick
        tag = item.shown.tag.encode()
        show = hashlib.sha256(item.shown.encode()).digest()
        known = state.seen.get(tick, {}).get(tag)
        if known is not None:
            notice = Notice.ALREADY_SEEN if known == show else Notice.REPLAY
            return Inner(Outcome(Verdict.NOT_SATISFIED, notice=notice), Reason.TOO_MANY_SHOWS)
        oldest = max(tick, *state.seen) - 2 if state.seen else tick - 2
        state.seen = {t: tags for t, tags in state.seen.items() if t >= oldest}
        # A clock that steps back must not lead into ticks whose tags are forgotten.
        state.quiet_until = max(state.quiet_until, oldest)
        state.seen.setdefault(tick, {})[tag] = show
        if state.mode is Mode.CHALLENGE:
            self._open = None
        return Inner(Outcome(Verdict.ACCEPT), None)


def _cannot(cause: Cause, reason: Reason) -> Inner:
    return Inner(Outcome(Verdict.CANNOT_DECIDE, cause), reason)
