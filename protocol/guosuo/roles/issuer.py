"""The issuing side of a region: enrolment, renewals, epochs, orders.

Holds the root key, one secret per epoch key, and per slot what renewing needs: C,
k_slot, the evidence fact and the person's R. Never s, m_0, a name or a document.
Every method that publishes returns effects in order; the host carries them out
before it makes the next call.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import nacl.signing

from guosuo.credential.board import Bucket, SlotToRenew
from guosuo.credential.keys import EpochKey, prove_possession
from guosuo.credential.ownership import check_enrolment
from guosuo.credential.renewal import SLOT_KEY_SIZE, renew
from guosuo.curve.entropy import Entropy
from guosuo.curve.points import G1
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.evidence.facts import EvidenceFact
from guosuo.evidence.value import value_at
from guosuo.federation.audit import bucket_firsts
from guosuo.federation.charter import Federation
from guosuo.federation.entries import (
    Action,
    Board,
    BucketRef,
    CutKey,
    EpochEntry,
    OrderEntry,
    encode_allotment,
    encode_status_list,
    root_statement,
    status_bits,
)
from guosuo.federation.records import Append, Effect, Effects, Kind, PutBlob, digest, sign
from guosuo.roles.enrolment import (
    NONCE_SIZE,
    RULES_VERSION,
    Answer,
    EnrolRequest,
    Grant,
    Offer,
    Promise,
    Refusal,
    RefusalCode,
    SignedRenewal,
    make_receipt,
)
from guosuo.roles.turn import BucketWork, Replacing, Turn
from guosuo.scheme import KeyId

OFFER_SECONDS = 600
_MAX_OPEN_OFFERS = 10_000


@dataclass(frozen=True, slots=True)
class IssuedSlot:
    """One allotted slot as the node keeps it (encrypted at rest)."""

    slot: int
    commitment: G1 = field(repr=False)
    slot_key: bytes = field(repr=False)
    fact: EvidenceFact = field(repr=False)
    person: bytes = field(repr=False)
    """Salted hash of the person's record; only for counting slots."""


@dataclass(slots=True)
class IssuerState:
    """Everything an issuer must remember (saved by `roles.states`)."""

    region: str
    root_key: nacl.signing.SigningKey = field(repr=False)
    log_key: nacl.signing.SigningKey = field(repr=False)
    person_salt: bytes = field(repr=False)
    keys: dict[KeyId, EpochKey] = field(default_factory=dict, repr=False)
    slots: dict[int, IssuedSlot] = field(default_factory=dict, repr=False)
    records: dict[bytes, bytes] = field(default_factory=dict, repr=False)
    """R of each person, set once, equal ever after (GS-ENROL-3)."""
    offers: dict[bytes, int] = field(default_factory=dict, repr=False)
    """Open nonces and their deadlines."""
    unpublished: set[int] = field(default_factory=set, repr=False)
    """Slots allotted since the last epoch entry."""
    suspended: set[int] = field(default_factory=set, repr=False)
    retired: set[int] = field(default_factory=set, repr=False)
    last_entry: bytes | None = None
    """Hash of the last signed epoch entry."""
    block: int = 0
    """First slot of the open block."""


class Issuer:
    """One region's issuer."""

    def __init__(self, federation: Federation, state: IssuerState) -> None:
        """A fresh state comes from `found`, a stored one from `roles.states`."""
        federation.known(state.region)
        self.federation = federation
        self.state = state
        self._commitments = {issued.commitment for issued in state.slots.values()}
        self._persons: dict[bytes, set[int]] = {}
        for issued in state.slots.values():
            self._persons.setdefault(issued.person, set()).add(issued.slot)

    @classmethod
    def found(
        cls,
        federation: Federation,
        region: str,
        root_key: nacl.signing.SigningKey,
        log_key: nacl.signing.SigningKey,
        entropy: Entropy,
    ) -> Issuer:
        """A new issuer without slots or epochs."""
        return cls(federation, IssuerState(region, root_key, log_key, entropy.octets(32)))

    # --- enrolment ---------------------------------------------------------------------

    def offer(self, now: int, entropy: Entropy) -> bytes:
        """A signed nonce with a deadline; a nonce enrols once (GS-ENROL-1)."""
        state = self.state
        state.offers = {n: deadline for n, deadline in state.offers.items() if deadline > now}
        # Anybody can ask for offers. To give none would lock everybody out for their time; who
        # is at a counter needs his for a minute.
        while len(state.offers) >= _MAX_OPEN_OFFERS:
            del state.offers[min(state.offers, key=lambda n: state.offers[n])]
        nonce = entropy.octets(NONCE_SIZE)
        state.offers[nonce] = now + OFFER_SECONDS
        offer = Offer(region=state.region, nonce=nonce, deadline=now + OFFER_SECONDS)
        return sign(state.log_key, self.federation.id, Kind.OFFER, offer.encode())

    def enrol(
        self, request: EnrolRequest, person: bytes, fact: EvidenceFact, now: int, entropy: Entropy
    ) -> Answer:
        """Allot a slot (or replace a slot's evidence) and sign for it off the board.

        `person` is the identifier the region authenticated; `fact` is verified
        evidence that the caller found to be this person's (`evidence.person`).
        Refusals are answers, signed, with a code of the closed list (GS-ENROL-4).
        """
        state, keys = self.state, self._signing_keys(now)
        deadline = state.offers.pop(request.nonce, None)
        if deadline is None or now >= deadline:
            return self.refuse(request.nonce, RefusalCode.DEADLINE, now)
        if request.evidence != fact.digest or fact.event_time > now:
            return self.refuse(request.nonce, RefusalCode.EVIDENCE, now)
        try:
            commitment = self._check_request(request)
        except PeerError:
            return self.refuse(request.nonce, RefusalCode.PROOF, now)
        name = self.person_name(person)
        if state.records.get(name, request.record) != request.record:
            return self.refuse(request.nonce, RefusalCode.OTHER_SECRET, now)
        try:
            issued = self._slot_for(request, name, commitment, fact, entropy)
        except PeerError as error:
            code = (
                RefusalCode.NO_SLOT_LEFT
                if error.reason is Reason.ENROLMENT_NO_SLOT
                else RefusalCode.NOT_THAT_SLOT
            )
            return self.refuse(request.nonce, code, now)
        # Nothing is remembered before the whole answer stands.
        grant = self._grant(issued, keys, now, entropy)
        state.records[name] = request.record
        if issued.slot not in state.slots:
            state.unpublished.add(issued.slot)
            self._commitments.add(issued.commitment)
            self._persons.setdefault(name, set()).add(issued.slot)
        state.slots[issued.slot] = issued
        return Answer(grant=grant, refusal=None)

    def refuse(self, nonce: bytes, code: RefusalCode, now: int) -> Answer:
        """A signed refusal; also for callers whose person or evidence check failed."""
        self.state.offers.pop(nonce, None)
        refusal = Refusal(region=self.state.region, nonce=nonce, code=code, issued=now)
        return Answer(
            grant=None,
            refusal=sign(self.state.log_key, self.federation.id, Kind.REFUSAL, refusal.encode()),
        )

    def new_phone(self, person: bytes) -> frozenset[int]:
        """Forget R of a person who lost the link secret; the slots that are to be retired."""
        name = self.person_name(person)
        self.state.records.pop(name, None)
        return frozenset(self._persons.get(name, set()) - self.state.retired)

    def slots_of(self, person: bytes) -> frozenset[int]:
        """All slots that were ever allotted to a person, for the officers who order."""
        return frozenset(self._persons.get(self.person_name(person), set()))

    def person_name(self, person: bytes) -> bytes:
        """The salted hash under which a person's record is kept."""
        return hashlib.sha256(self.state.person_salt + person).digest()

    def _check_request(self, request: EnrolRequest) -> G1:
        engine = self.federation.scheme.engine
        commitment = engine.decode_g1(request.commitment)
        # The identity, R of s = 0, is refused by decoding.
        record = engine.decode_g1(request.record)
        check_enrolment(
            self.federation.scheme,
            self.state.region,
            request.nonce,
            request.evidence,
            commitment,
            record,
            request.proof,
        )
        return commitment

    def _slot_for(
        self,
        request: EnrolRequest,
        person: bytes,
        commitment: G1,
        fact: EvidenceFact,
        entropy: Entropy,
    ) -> IssuedSlot:
        state = self.state
        if request.slot is not None:
            old = state.slots.get(request.slot)
            if (
                old is None
                or old.person != person
                or old.commitment != commitment
                or old.slot in state.suspended | state.retired
            ):
                raise PeerError(Reason.CREDENTIAL)
            return replace(old, fact=fact)
        if commitment in self._commitments:
            raise PeerError(Reason.CREDENTIAL)
        own = self._persons.get(person, set())
        # A suspension is the person's: neither a second slot nor a new phone ends it.
        if own & state.suspended:
            raise PeerError(Reason.ENROLMENT_NO_SLOT)
        if len(own - state.retired) >= self.federation.charter.parameters.slots_per_person:
            raise PeerError(Reason.ENROLMENT_NO_SLOT)
        slot = self._free_slot(entropy)
        return IssuedSlot(slot, commitment, entropy.octets(SLOT_KEY_SIZE), fact, person)

    def _free_slot(self, entropy: Entropy) -> int:
        """A random place of the open block, closed when 3/4 are taken (GS-ENROL-5).

        The limit keeps the last places of a block from being predictable.
        """
        state, size = self.state, self.federation.charter.parameters.bucket_slots
        free = [s for s in range(state.block, state.block + size) if s not in state.slots]
        if len(free) <= size // 4:
            state.block += size
            free = list(range(state.block, state.block + size))
        return free[entropy.below(len(free))]

    def _signing_keys(self, now: int) -> list[EpochKey]:
        """Keys for signatures off the board: this epoch's newest, and the next one's if drawn."""
        current = self.federation.clock.epoch_at(now)
        keys = sorted(self.state.keys.values(), key=lambda key: key.id.revision)
        newest = {key.id.epoch: key for key in keys if key.id.epoch >= current}
        if not newest:
            raise CallerError(Reason.STATE, "turn the epoch before enrolling anybody")
        return [newest[epoch] for epoch in sorted(newest)]

    def _grant(self, issued: IssuedSlot, keys: list[EpochKey], now: int, entropy: Entropy) -> Grant:
        salt = entropy.octets(32)
        promise = Promise(
            issued.slot,
            issued.fact,
            issued.slot_key,
            issued.commitment.encode(),
        )
        return Grant(
            slot=issued.slot,
            slot_key=issued.slot_key,
            salt=salt,
            receipt=make_receipt(
                self.federation, self.state.region, self.state.log_key, promise, salt, now
            ),
            signatures=tuple(
                SignedRenewal(
                    epoch=key.id.epoch,
                    revision=key.id.revision,
                    signature=renew(
                        self.federation.scheme,
                        key,
                        issued.slot,
                        issued.commitment,
                        issued.slot_key,
                        self._value(issued, key.id.epoch),
                    ).encode(),
                )
                for key in keys
            ),
        )

    def _value(self, issued: IssuedSlot, epoch: int) -> int:
        start, end = self.federation.clock.key_life(epoch)
        return value_at(issued.fact, start=start, end=end)

    # --- orders -------------------------------------------------------------------------

    def order(self, order: OrderEntry) -> Effects:
        """A signed order as a log entry; it takes effect with the next epoch.

        `CallerError(ORDER)` for slots that are not allotted; that an organisation of this
        region signed it is the reader's rule, which `FederationView.check_order` asks ahead.
        """
        state, chosen = self.state, set(order.slots)
        if any(slot not in state.slots for slot in chosen):
            raise CallerError(Reason.ORDER, "an order names allotted slots of this region")
        # An order that cannot be logged (too many slots for one entry) changes nothing.
        body = order.encode()
        match order.action:
            case Action.SUSPEND:
                state.suspended |= chosen
            case Action.RESTORE:
                state.suspended -= chosen
            case Action.RETIRE:
                state.retired |= chosen
        return (Append(Kind.ORDER, body),)

    # --- epochs -------------------------------------------------------------------------

    def turn_epoch(self, epoch: int, entropy: Entropy) -> Effects:
        """Draw the key of an epoch, re-sign every active slot, publish all (GS-EPOCH-3).

        The entry must be logged before any signature is used; the caller appends
        the effects in order and then reports the entry's hash with `logged`.
        """
        turn = self.begin_turn(epoch, entropy)
        buckets = [work.build(self.federation.scheme, turn.key, entropy) for work in turn.work]
        return self.finish_turn(turn, buckets, entropy)

    def begin_turn(
        self,
        epoch: int,
        entropy: Entropy,
        *,
        resume: bool = False,
        replacing: Replacing | None = None,
    ) -> Turn:
        """Draw the key of an epoch and freeze what it will sign.

        The key must be stored before a bucket is built. `resume`: go on with a key that was
        drawn for this epoch but never logged; signing again under it is safe, since e depends
        on the message. `replacing`: sign an epoch that is logged already under a new key.
        Until `finish_turn`, no order may be carried out.
        """
        state, size = self.state, self.federation.charter.parameters.bucket_slots
        name = KeyId(state.region, epoch, replacing.revision if replacing else 0)
        newest = max(state.keys, key=lambda key: (key.epoch, key.revision), default=None)
        if newest is not None and (newest.epoch, newest.revision) >= (epoch, name.revision):
            if not resume or newest != name:
                raise CallerError(Reason.STATE, "this epoch has a key already")
            key = state.keys[newest]
        else:
            key = EpochKey.draw(self.federation.scheme, name, entropy)
            state.keys[key.id] = key
        # The first entry of an epoch number closes it: a revision uses the same orders.
        invalid = replacing.invalid if replacing else frozenset(state.suspended | state.retired)
        invalid &= state.slots.keys()
        commitments = {slot: issued.commitment for slot, issued in state.slots.items()}
        work = []
        for first in bucket_firsts(commitments, size):
            inside = [slot for slot in range(first, first + size) if slot in commitments]
            work.append(
                BucketWork(
                    first,
                    size,
                    {slot: commitments[slot] for slot in inside},
                    tuple(self._to_renew(slot, epoch) for slot in inside if slot not in invalid),
                )
            )
        return Turn(
            key,
            tuple(work),
            frozenset(commitments),
            invalid,
            frozenset(state.unpublished),
            replacing.stolen if replacing else (),
        )

    def finish_turn(self, turn: Turn, buckets: Sequence[Bucket], entropy: Entropy) -> Effects:
        """The blobs and the entry of an epoch, from the buckets of `turn.work` in order."""
        state, scheme = self.state, self.federation.scheme
        effects: list[Effect] = []

        def put(data: bytes) -> bytes:
            effects.append(PutBlob(data))
            return digest(data)

        refs = []
        for work, bucket in zip(turn.work, buckets, strict=True):
            proof = put(bucket.proof) if bucket.proof else None
            refs.append(BucketRef(first=work.first, data=put(bucket.data), proof=proof))
        fresh = {slot: state.slots[slot].commitment for slot in turn.fresh}
        size = self.federation.charter.parameters.bucket_slots
        bits = status_bits(refs[-1].first + size if refs else 0, turn.invalid)
        key, public = turn.key, turn.key.public.encode()
        entry = EpochEntry(
            epoch=key.id.epoch,
            revision=key.id.revision,
            public=public,
            possession=prove_possession(scheme, key, entropy),
            root_signature=state.root_key.sign(
                root_statement(self.federation.id, key.id, public)
            ).signature,
            status=put(encode_status_list(bits)),
            board=put(Board(buckets=tuple(refs)).encode()),
            allotment=put(encode_allotment(fresh)),
            rules=RULES_VERSION,
            allotted=len(turn.slots),
            active=len(turn.slots - turn.invalid),
            previous=state.last_entry,
            cuts=tuple(CutKey(epoch=k.epoch, revision=k.revision) for k in turn.stolen) or None,
        )
        state.unpublished -= turn.fresh
        return (*effects, Append(Kind.EPOCH, entry.encode()))

    def logged(self, entry: bytes) -> None:
        """Tell the issuer the hash of its last signed epoch entry, for the link."""
        self.state.last_entry = entry

    def forget_keys(self, before: int) -> None:
        """Destroy secrets of epochs that can no longer be listed."""
        state = self.state
        state.keys = {k: v for k, v in state.keys.items() if k.epoch >= before}

    def _to_renew(self, slot: int, epoch: int) -> SlotToRenew:
        issued = self.state.slots[slot]
        return SlotToRenew(slot, issued.commitment, issued.slot_key, self._value(issued, epoch))
