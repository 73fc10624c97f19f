"""The holder's wallet: enrolment, refresh, and showing.

The link secret and the blindings are drawn here and never leave (GS-CRED-3). A wallet refuses
before it shows: a show that would not be accepted is not made (or, on request, is
a blank), and nothing is shown under a bundle that was not audited whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from guosuo.bbs.signature import Signature
from guosuo.credential.board import slot_signature
from guosuo.credential.ownership import Purpose, prove_enrolment, prove_ownership
from guosuo.credential.renewal import blind_scalar, check_renewal
from guosuo.curve.entropy import Entropy
from guosuo.curve.points import G1
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.evidence.facts import EvidenceFact
from guosuo.evidence.value import value_at
from guosuo.federation.charter import Federation
from guosuo.federation.entries import Board
from guosuo.federation.records import FetchBlob, fetch_checked
from guosuo.federation.view import FederationView, PublishedEpoch
from guosuo.presentation.frame import Challenge, Frame, Poster
from guosuo.presentation.proof import Holding, blank, present
from guosuo.presentation.setting import Mode, Setting
from guosuo.presentation.verify import verify
from guosuo.roles.bundle import GateBundle
from guosuo.roles.enrolment import (
    RULES_VERSION,
    Answer,
    EnrolRequest,
    Grant,
    Promise,
    RefusalCode,
    check_receipt,
    open_offer,
    open_refusal,
)
from guosuo.roles.holding import Consent, HeldSlot, Pending, Refreshed, Renewal, WalletState
from guosuo.scheme import KeyId
from guosuo.suite import Item

SHOWS_PER_TICK = 3
CLOCK_JUMP_SECONDS = 300
_DAY = 86_400


class Wallet:
    """One holder's wallet in one federation."""

    def __init__(self, federation: Federation, state: WalletState) -> None:
        """A fresh state comes from `create`, a stored one from `roles.states`."""
        self.federation = federation
        self.state = state
        self._shown: dict[tuple[bytes, ...], Frame] = {}

    @classmethod
    def create(cls, federation: Federation, entropy: Entropy) -> Wallet:
        """Draw the link secret."""
        return cls(federation, WalletState(entropy.scalar()))

    def __repr__(self) -> str:
        """Without anything that a wallet holds."""
        return f"Wallet(slots={len(self.state.slots)})"

    # --- enrolment ----------------------------------------------------------------------

    def request(
        self,
        region: str,
        offer: bytes,
        fact: EvidenceFact,
        now: int,
        entropy: Entropy,
        *,
        slot: int | None = None,
    ) -> EnrolRequest:
        """Ask to enrol one piece of evidence; `slot` replaces the evidence of an own slot."""
        opened = open_offer(self.federation, region, offer, now)
        blinding = entropy.scalar() if slot is None else self._held(region, slot).blinding
        commitment, record, proof = prove_enrolment(
            self.federation.scheme,
            region,
            opened.nonce,
            fact.digest,
            blinding,
            self.state.link,
            entropy,
        )
        self.state.pending = Pending(region, opened.nonce, blinding, fact, slot)
        return EnrolRequest(
            nonce=opened.nonce,
            evidence=fact.digest,
            commitment=commitment.encode(),
            record=record.encode(),
            proof=proof,
            slot=slot,
        )

    def conclude(self, answer: Answer, view: FederationView) -> HeldSlot | RefusalCode:
        """Check the answer: receipt and signatures, or a signed refusal (GS-ENROL-7).

        The slot is kept only if everything is as promised; `PeerError` otherwise.
        """
        pending = self.state.pending
        if pending is None:
            raise CallerError(Reason.STATE, "no enrolment is pending")
        if (answer.grant is None) == (answer.refusal is None):
            raise PeerError(Reason.MESSAGE_SHAPE)
        if answer.refusal is not None:
            refusal = open_refusal(self.federation, pending.region, answer.refusal)
            if refusal.nonce != pending.nonce:
                raise PeerError(Reason.ENROLMENT_NONCE)
            self.state.pending = None
            return refusal.code
        assert answer.grant is not None  # noqa: S101 - for the type checker
        held = self._granted(pending, answer.grant, view)
        self.state.slots[pending.region, held.slot] = held
        self.state.pending = None
        return held

    def _granted(self, pending: Pending, grant: Grant, view: FederationView) -> HeldSlot:
        old = self.state.slots.get((pending.region, grant.slot))
        if (pending.slot is None and old is not None) or pending.slot not in (None, grant.slot):
            raise PeerError(Reason.RECEIPT)
        # An update keeps k_slot, or the renewals held already could not be opened any more.
        if old is not None and old.slot_key != grant.slot_key:
            raise PeerError(Reason.RECEIPT)
        held = HeldSlot(
            region=pending.region,
            slot=grant.slot,
            blinding=pending.blinding,
            slot_key=grant.slot_key,
            fact=pending.fact,
            receipt=grant.receipt,
            salt=grant.salt,
            renewals=dict(old.renewals) if old else {},
        )
        promise = Promise(
            held.slot,
            held.fact,
            held.slot_key,
            self._commitment(held).encode(),
        )
        check_receipt(self.federation, held.region, grant.receipt, promise, grant.salt)
        for signed in grant.signatures:
            key_id = KeyId(held.region, signed.epoch, signed.revision)
            published = view.region(held.region).epochs.get(key_id)
            if published is None:
                raise PeerError(Reason.NOT_PUBLISHED)
            if published.entry.rules != RULES_VERSION:
                raise PeerError(Reason.MESSAGE_VERSION, "another evidence-rule version")
            signature = Signature.decode(self.federation.scheme.suite, signed.signature)
            held.renewals[key_id] = self._checked(held, published, signature)
        return held

    # --- refresh ------------------------------------------------------------------------

    def refresh(
        self, region: str, slot: int, published: PublishedEpoch, fetch: FetchBlob
    ) -> Refreshed:
        """Take this slot's renewal from the board of one published epoch (GS-EPOCH-7).

        The whole bucket is fetched, so nobody learns the slot. Raises `PeerError` if
        the board itself is missing or malformed.
        """
        held = self._held(region, slot)
        if published.entry.rules != RULES_VERSION:
            raise PeerError(Reason.MESSAGE_VERSION, "another evidence-rule version; update first")
        size = self.federation.charter.parameters.bucket_slots
        board = Board.decode(fetch_checked(fetch, published.entry.board))
        first = slot - slot % size
        ref = next((r for r in board.buckets if r.first == first), None)
        if ref is None:
            return Refreshed.ABSENT
        data = fetch_checked(fetch, ref.data)
        try:
            signature = slot_signature(self.federation.scheme, data, first, size, slot)
            if signature is None:
                return Refreshed.ABSENT
            held.renewals[published.id] = self._checked(held, published, signature)
        except PeerError:
            # After a change of evidence the board still has the old one's renewal, and
            # the wallet a newer signature under the same key.
            return Refreshed.RENEWED if published.id in held.renewals else Refreshed.SPOILED
        return Refreshed.RENEWED

    def forget_renewals(self, before: int) -> None:
        """Drop renewals of epochs that can no longer be listed."""
        for name, held in self.state.slots.items():
            kept = {k: r for k, r in held.renewals.items() if k.epoch >= before}
            self.state.slots[name] = replace(held, renewals=kept)

    def _checked(self, held: HeldSlot, published: PublishedEpoch, signature: Signature) -> Renewal:
        """The renewal, if it signs the value of the wallet's own document; two pairings."""
        start, end = self.federation.clock.key_life(published.id.epoch)
        evidence = value_at(held.fact, start=start, end=end)
        check_renewal(
            self.federation.scheme,
            published.id,
            published.public,
            self._commitment(held),
            held.slot_key,
            evidence,
            signature,
        )
        return Renewal(signature, evidence)

    # --- showing ------------------------------------------------------------------------

    def show(
        self,
        invitation: Poster | Challenge,
        bundle: GateBundle,
        view: FederationView,
        now: int,
        entropy: Entropy,
        consent: Consent | None = None,
    ) -> Frame:
        """A show that the checkpoint will accept, verified here first (GS-SHOW-8).

        Raises `CallerError` when the wallet must not or cannot answer: unknown or
        new checkpoint, tick, too many shows, clock, `STANDS_OUT`, or
        `NOT_ACCEPTED_THERE` if no own credential satisfies that policy.
        """
        setting = self._setting(invitation, bundle, view, now, consent or Consent())
        tick = setting.tick.to_bytes(8, "big")
        memory = (bundle.part.digest, bundle.policy.digest, setting.place(), setting.nonce, tick)
        if memory in self._shown:
            return self._shown[memory]
        for holding in self._holdings(bundle):
            shown = present(setting, holding, entropy)
            try:
                verify(setting, shown, entropy)
            except PeerError:
                continue
            frame = self._frame(setting, shown.encode())
            self._count(setting, now)
            self._shown = {memory: frame}
            return frame
        keys = {key.epoch for held in self.state.slots.values() for key in held.renewals}
        if keys and min(keys) > bundle.part.part.epoch:
            raise CallerError(Reason.STANDS_OUT, "enrolled just now: wait for the newer list")
        if keys:
            raise CallerError(Reason.NOT_ACCEPTED_THERE, "no own credential satisfies this policy")
        raise CallerError(Reason.NO_CREDENTIAL, "refresh, or enrol first")

    def show_blank(
        self,
        invitation: Poster | Challenge,
        bundle: GateBundle,
        view: FederationView,
        now: int,
        entropy: Entropy,
        consent: Consent | None = None,
    ) -> Frame:
        """A show of nothing, of the same length, for a holder who asks for it."""
        setting = self._setting(invitation, bundle, view, now, consent or Consent())
        self._count(setting, now)
        return self._frame(setting, blank(self.federation.scheme, entropy))

    def _setting(
        self,
        invitation: Poster | Challenge,
        bundle: GateBundle,
        view: FederationView,
        now: int,
        consent: Consent,
    ) -> Setting:
        """The rules of section "presentation": what a wallet answers, and when (GS-SHOW-7)."""
        state, clock = self.state, self.federation.clock
        region, checkpoint = invitation.region, invitation.checkpoint
        if state.moved:
            raise CallerError(Reason.STATE, "this wallet was moved to another phone")
        # 1. The clock did not jump back.
        if now < state.last_seen - CLOCK_JUMP_SECONDS and not consent.clock_jump:
            raise CallerError(Reason.CLOCK_JUMP, "the clock went back; the holder must confirm")
        # 2. The checkpoint is one that its region answers for, with this policy.
        info = view.region(region).checkpoints.get(checkpoint)
        if info is None or info.policy != invitation.policy:
            raise CallerError(Reason.CHECKPOINT_UNKNOWN, "the region does not list this checkpoint")
        if (bundle.part.part.region, bundle.policy.part.policy) != (region, invitation.policy):
            raise CallerError(Reason.ARGUMENT, "the bundle is of another gate or policy")
        # 3. The holder knows the place.
        if (region, checkpoint) not in state.places and not consent.new_place:
            raise CallerError(Reason.CHECKPOINT_NEW, "a new place; the holder must confirm")
        # 4. One policy per checkpoint and day.
        if state.answered.get((region, checkpoint, now // _DAY), invitation.policy) != (
            invitation.policy
        ):
            raise CallerError(Reason.CHECKPOINT_UNKNOWN, "another policy was answered here today")
        # 5. List and policy are in force, and it is the list that everybody shows under now.
        part, policy = bundle.part.part, bundle.policy.part
        if not part.not_before <= now < part.not_after:
            raise CallerError(Reason.LIST_EXPIRED, "refresh the bundle of that region")
        if not policy.not_before <= now < policy.not_after:
            raise CallerError(Reason.POLICY_EXPIRED, "refresh the bundle of that region")
        if part.epoch != clock.shown_epoch(now) and not consent.standing_out:
            raise CallerError(Reason.STANDS_OUT, "others show under another list version now")
        # 6. The tick is now, not earlier than the last one, and not used up.
        tick = clock.tick_at(now)
        if isinstance(invitation, Challenge):
            if abs(invitation.tick - tick) > 1:
                raise CallerError(Reason.TICK, "the checkpoint's clock differs from this one")
            tick = invitation.tick
        if tick < state.last_tick and not consent.clock_jump:
            raise CallerError(Reason.TICK, "an older tick than the last one used")
        if state.shows.get((region, checkpoint, tick), 0) >= SHOWS_PER_TICK:
            raise CallerError(Reason.TOO_MANY_SHOWS, "wait for the next tick")
        return Setting(
            self.federation.scheme,
            bundle.part,
            bundle.policy,
            checkpoint,
            tick,
            Mode.CHALLENGE if isinstance(invitation, Challenge) else Mode.BROADCAST,
            invitation.nonce if isinstance(invitation, Challenge) else b"",
        )

    def _holdings(self, bundle: GateBundle) -> Iterator[Holding]:
        """Own renewals under a listed key with an accepted value."""
        for held in self.state.slots.values():
            for key_id, renewal in held.renewals.items():
                listed = bundle.keys.t.get(key_id)
                entry = bundle.table.entries.get(renewal.evidence)
                public = bundle.keys.w.get(key_id)
                if listed is None or entry is None or public is None:
                    continue
                if bundle.only not in (None, key_id.region):
                    continue
                blind = blind_scalar(
                    self.federation.scheme, key_id, held.slot_key, renewal.evidence
                )
                yield Holding(
                    signature=renewal.signature,
                    public=public,
                    blinding=held.blinding + blind,
                    link=self.state.link,
                    evidence=renewal.evidence,
                    listed=listed,
                    shift=bundle.keys.s,
                    entry=entry,
                )

    def _frame(self, setting: Setting, proof: bytes) -> Frame:
        part = setting.part.part
        return Frame(
            part.epoch,
            part.revision,
            setting.policy.part.version,
            setting.tick,
            setting.place(),
            setting.mode,
            proof,
        )

    def _count(self, setting: Setting, now: int) -> None:
        state = self.state
        name = (setting.region, setting.checkpoint, setting.tick)
        recent = {k: n for k, n in state.shows.items() if k[2] >= setting.tick - 1}
        state.shows = recent | {name: recent.get(name, 0) + 1}
        state.last_tick, state.last_seen = setting.tick, now
        state.places.add(name[:2])
        today = now // _DAY
        state.answered = {k: p for k, p in state.answered.items() if k[2] >= today}
        state.answered[setting.region, setting.checkpoint, today] = setting.policy.part.policy

    # --- ownership, moving ----------------------------------------------------------------

    def prove_slot(
        self, region: str, slot: int, purpose: Purpose, subject: tuple[Item, ...], entropy: Entropy
    ) -> bytes:
        """96 octets that show this slot is the holder's; links to no show."""
        held = self._held(region, slot)
        return prove_ownership(
            self.federation.scheme,
            purpose,
            region,
            slot,
            subject,
            held.blinding,
            self.state.link,
            entropy,
        )

    def move(self) -> WalletState:
        """The state for a new phone; this copy shows nothing any more."""
        if self.state.moved:
            raise CallerError(Reason.STATE, "this wallet was moved already")
        state = self.state
        moved = replace(
            state,
            slots={n: replace(s, renewals=dict(s.renewals)) for n, s in state.slots.items()},
            shows=dict(state.shows),
            places=set(state.places),
            answered=dict(state.answered),
        )
        self.state.moved = True
        return moved

    def _held(self, region: str, slot: int) -> HeldSlot:
        held = self.state.slots.get((region, slot))
        if held is None:
            raise CallerError(Reason.STATE, "this wallet holds no such slot")
        return held

    def _commitment(self, held: HeldSlot) -> G1:
        return self.federation.scheme.commitment(held.blinding, self.state.link)
