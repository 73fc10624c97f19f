"""What `guosuo bench` measures on its stage: operations, and octets of everything sent.

A case prepares, untimed, one piece of work through the roles and functions that
programs call. Work that did not succeed says False, so that a refusal, which would
be quicker, is never taken for a result.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from guosuo.cli.bench_stage import EPOCH, FEW, GATE, HOME, MANY, Listed, Scale, Stage
from guosuo.credential.board import Bucket, audit_bucket, build_bucket
from guosuo.credential.keys import check_possession, prove_possession
from guosuo.credential.ownership import Purpose
from guosuo.credential.renewal import renew
from guosuo.curve.entropy import Entropy
from guosuo.curve.points import Engine
from guosuo.federation.entries import Action, Board, OrderEntry, OrderReason
from guosuo.federation.records import Kind
from guosuo.federation.trust_list import ListKeys, audit_keys, check_part, make_keys
from guosuo.host.pictures import make_code
from guosuo.policy.compiler import compile_policy
from guosuo.policy.table import audit_table, make_table
from guosuo.presentation.frame import Frame
from guosuo.presentation.proof import Presentation, present
from guosuo.presentation.setting import Mode
from guosuo.presentation.verify import Item, verify_batch
from guosuo.roles.enrolment import RefusalCode
from guosuo.roles.holding import HeldSlot
from guosuo.roles.wallet import Wallet
from guosuo.scheme import KeyId

BARE: Final = "refresh.renew"
"""The bare cost of one signature: one slot renewed, with neither proof nor storage."""
_TIMES: Final = 4
"""Samples in one round of everything but the large operations."""

Work = Callable[[], object]
"""What is timed; a result of False means that it failed."""


@dataclass(frozen=True, slots=True)
class Case:
    """One operation: `prepare` gives, untimed, the work of one sample."""

    key: str
    label: str
    prepare: Callable[[], Work]
    items: int = 1
    """More than one: the result is given per item too."""
    times: int = _TIMES
    by_clock: bool = False
    """Other processes do the work: their processor time is not known, so the clock counts."""
    of: str | None = None
    """Key of an operation, of which an item is given as a multiple too."""


MoreCases: TypeAlias = Callable[[Engine, Scale, Entropy], AbstractContextManager[list[Case]]]
"""What an entry point of the group `guosuo.bench` names: cases that exist within the context."""


@dataclass(frozen=True, slots=True)
class Sent:
    """Octets of one thing that somebody sends or publishes; QR codes have a text."""

    key: str
    label: str
    octets: int
    characters: int | None = None
    qr_version: int | None = None


def unit(engine: Engine, entropy: Entropy) -> Work:
    """One 4-term pairing check, what a verification ends with."""
    p, q = engine.g1 * entropy.scalar(), engine.g1 * entropy.scalar()
    s, t = engine.g2 * entropy.scalar(), engine.g2 * entropy.scalar()
    pairs = [(p, s), (-p, s), (q, t), (-q, t)]
    return lambda: engine.pairing_product_is_one(pairs)


def cases(stage: Stage) -> list[Case]:
    """All operations, in the order of the table."""
    point, scalar = stage.engine.g1 * stage.entropy.scalar(), stage.entropy.scalar()
    return [
        _same("unit.g1", "one G1 multiplication", lambda: point * scalar),
        *_enrolment(stage),
        *_renewals(stage),
        *_shows(stage),
        *_verification(stage),
        *_lists(stage),
        *_tables(stage),
        *_buckets(stage),
    ]


def _same(key: str, label: str, work: Work, items: int = 1, times: int = _TIMES) -> Case:
    """A case whose work can be done again and again."""
    return Case(key, label, lambda: work, items, times)


def _enrolment(stage: Stage) -> Iterator[Case]:
    now, draw, home = stage.now, stage.entropy, stage.issuers[HOME]

    def request() -> Work:
        wallet, offer = Wallet.create(stage.federation, draw), home.offer(now, draw)
        return lambda: wallet.request(HOME, offer, stage.fact, now, draw)

    def issue() -> Work:
        asked = stage.request_of(Wallet.create(stage.federation, draw))
        return lambda: stage.answer_to(asked).grant is not None

    def conclude() -> Work:
        wallet = Wallet.create(stage.federation, draw)
        answer = stage.answer_to(stage.request_of(wallet))
        return lambda: isinstance(wallet.conclude(answer, stage.view), HeldSlot)

    yield Case("enrol.request", "enrol: wallet requests", request)
    yield Case("enrol.issue", "enrol: issuer checks, grants", issue)
    yield Case("enrol.conclude", "enrol: wallet checks grant", conclude)


def _renewals(stage: Stage) -> Iterator[Case]:
    key = stage.issuers[HOME].state.keys[stage.published.id]
    item = stage.to_renew()[0]

    def refresh() -> Work:
        stage.forget_renewal()
        return stage.refresh

    yield _same(
        BARE,
        "refresh: issuer renews a slot",
        lambda: renew(stage.scheme, key, item.slot, item.commitment, item.slot_key, item.evidence),
    )
    yield Case("refresh.wallet", "refresh: wallet, with check", refresh)
    index = stage.large_board()
    yield _same(
        "refresh.index",
        f"refresh: index, {stage.scale.buckets:,} buckets",
        lambda: Board.decode(index),
        stage.scale.buckets,
        1,
    )


def _shows(stage: Stage) -> Iterator[Case]:
    def show() -> Work:
        # A wallet gives the same code again within a tick; one that just started cannot.
        fresh = Wallet(stage.federation, replace(stage.wallet.state, shows={}))
        return lambda: stage.show(fresh)

    holding, text = stage.holding(), stage.frame.text()
    yield Case("show.wallet", "show: wallet, self-verified", show)
    yield _same(
        "show.present",
        "show: the bare proof",
        lambda: present(stage.setting, holding, stage.entropy),
    )
    yield _same("show.text", "show: frame to text", stage.frame.text)
    yield _same("show.symbol", "show: text to QR symbol", lambda: make_code(text))


def _verification(stage: Stage) -> Iterator[Case]:
    text, setting, draw = stage.frame.text(), stage.setting, stage.entropy
    device, holding = stage.started(stage.engine), stage.holding()

    def first() -> Work:
        new = stage.started(copy.copy(stage.engine))
        return lambda: stage.accepts(new, text)

    def again() -> Work:
        device.state.seen.clear()
        return lambda: stage.accepts(device, text)

    items = [
        Item(setting, Presentation.decode(stage.scheme, present(setting, holding, draw).encode()))
        for _ in range(stage.scale.batch)
    ]
    yield _same(
        "verify.decode",
        "verify: text to points",
        lambda: Presentation.decode(stage.scheme, Frame.from_text(text).proof),
    )
    # What an engine object derived once is not known to its copy.
    yield Case(
        "verify.start",
        "verify: start a checkpoint",
        lambda: lambda: stage.started(copy.copy(stage.engine)),
    )
    yield Case("verify.cold", "verify: its first text", first)
    yield Case("verify.warm", "verify: a further text", again)
    yield _same(
        "verify.batch",
        f"verify: batch of {stage.scale.batch}, decoded",
        lambda: all(verify_batch(items, draw)),
        stage.scale.batch,
        1,
    )


def _lists(stage: Stage) -> Iterator[Case]:
    few, many = stage.lists[FEW], stage.lists[MANY]
    octets = few.part.part.encode()

    def audit(listed: Listed) -> Work:
        return lambda: audit_keys(
            stage.scheme,
            listed.part,
            ListKeys.decode(listed.keys),
            listed.publics,
            stage.entropy,
        )

    def make() -> ListKeys:
        return make_keys(stage.scheme, many.secret, many.part.part, list(many.publics.items()))

    yield _same(
        "list.part", "list: check its public part", lambda: check_part(stage.scheme, octets)
    )
    yield _same("list.audit.few", f"list: audit of {FEW} × 2 keys", audit(few), 2 * FEW)
    yield _same("list.audit.many", f"list: audit of {MANY} × 2 keys", audit(many), 2 * MANY)
    yield _same("list.make", f"list: make one of {MANY} × 2 keys", make, 2 * MANY, 1)


def _tables(stage: Stage) -> Iterator[Case]:
    part, document, draw = stage.bundle.policy.part, stage.document, stage.entropy
    values, data = tuple(stage.bundle.table.entries), stage.fetch(part.table)
    count = len(values)

    def make() -> object:
        return make_table(
            stage.scheme,
            values,
            region=part.region,
            policy=part.policy,
            version=part.version,
            not_before=part.not_before,
            not_after=part.not_after,
            document=part.document,
            entropy=draw,
        )

    def whole() -> Work:
        book = stage.book()
        return lambda: stage.bundle_from(book)

    def next_list() -> Work:
        book = stage.book()
        stage.bundle_from(book, EPOCH)
        return lambda: stage.bundle_from(book)

    yield _same(
        "table.compile",
        f"table: compile to {count:,} values",
        lambda: compile_policy(document, stage.clock),
        count,
        1,
    )
    yield _same("table.make", f"table: build {count:,} entries", make, count, 1)
    yield _same(
        "table.audit",
        f"table: audit {count:,} entries",
        lambda: audit_table(stage.scheme, stage.bundle.policy, data, values, draw),
        count,
        1,
    )
    yield Case("bundle.audit", "bundle: audit of all of it", whole, times=1)
    yield Case("bundle.next", "bundle: the next list only", next_list, times=1)


def _buckets(stage: Stage) -> Iterator[Case]:
    key, draw = stage.issuers[HOME].state.keys[stage.published.id], stage.entropy
    size, slots = stage.scale.slots, stage.to_renew()
    commitments = {item.slot: item.commitment for item in slots}
    ref = stage.board().buckets[0]
    bucket = Bucket(stage.fetch(ref.data), stage.fetch(ref.proof or b""))
    possession = stage.published.entry.possession

    def build() -> object:
        return build_bucket(stage.scheme, key, 0, size, commitments, slots, draw)

    def audit() -> None:
        audit_bucket(
            stage.scheme, key.id, key.public, 0, size, commitments, frozenset(commitments), bucket
        )

    yield _same("bucket.build", f"bucket: build {size:,} + proof", build, size, 1)
    yield _same("bucket.audit", f"bucket: audit {size:,} + proof", audit, size, 1)
    yield _same(
        "key.prove",
        "epoch key: prove possession",
        lambda: prove_possession(stage.scheme, key, draw),
    )
    yield _same(
        "key.check",
        "epoch key: check possession",
        lambda: check_possession(stage.scheme, key.id, key.public, possession),
    )


# --- octets -----------------------------------------------------------------------------------


def sent(stage: Stage) -> list[Sent]:
    """Everything that parties send or publish, in the sizes of this stage."""
    return [*_sent_to_enrol(stage), *_sent_by_home(stage), *_sent_by_gate(stage), *_codes(stage)]


def _sent_to_enrol(stage: Stage) -> Iterator[Sent]:
    now, draw, home = stage.now, stage.entropy, stage.issuers[HOME]
    offer = home.offer(now, draw)
    asked = Wallet.create(stage.federation, draw).request(HOME, offer, stage.fact, now, draw)
    core = asked.commitment + asked.record + asked.proof
    grant = stage.answer.grant
    refusal = home.refuse(asked.nonce, RefusalCode.EVIDENCE, now)
    yield Sent("charter", f"charter of {FEW} regions, signed", len(stage.charter))
    yield Sent("enrol.offer", "offer, signed", len(offer))
    yield Sent("enrol.request", "enrolment request", len(asked.encode()))
    yield Sent("enrol.core", "  of it C, R and proof", len(core))
    yield Sent("enrol.answer", "answer: grant", len(stage.answer.encode()))
    if grant is not None:
        yield Sent("enrol.receipt", "  of it the signed receipt", len(grant.receipt))
        yield Sent("enrol.signature", "  of it each (A, e)", len(grant.signatures[0].signature))
    yield Sent("enrol.refusal", "answer: refusal, signed", len(refusal.encode()))
    proof = stage.wallet.prove_slot(HOME, stage.slot, Purpose.APPEAL, (), draw)
    yield Sent("ownership", "proof of owning a slot", len(proof))


def _sent_by_home(stage: Stage) -> Iterator[Sent]:
    entry, board, scale = stage.published.entry, stage.board(), stage.scale
    ref = board.buckets[0]
    order = OrderEntry(
        action=Action.SUSPEND,
        slots=(stage.slot,),
        reason=OrderReason.INFECTION,
        commitment=ref.data,
        log_by=EPOCH,
        organisation="health-440000",
        signature=bytes(64),
    )
    first = stage.view.region(HOME).epochs[KeyId(HOME, EPOCH, 0)].entry
    signed = replace(stage.writers[HOME]).append(Kind.ORDER, order.encode())
    yield Sent("bucket", f"bucket of {scale.slots:,} slots", len(stage.fetch(ref.data)))
    yield Sent("bucket.proof", "renewal proof of a bucket", len(stage.fetch(ref.proof or b"")))
    yield Sent(
        "board", f"board index of {len(board.buckets)} buckets", len(stage.fetch(entry.board))
    )
    yield Sent("board.large", f"board index of {scale.buckets:,} buckets", len(stage.large_board()))
    yield Sent(
        "allotment", f"allotment of {scale.slots:,} new slots", len(stage.fetch(first.allotment))
    )
    yield Sent("status", "status list, nobody suspended", len(stage.fetch(entry.status)))
    yield Sent("possession", "proof of possession", len(entry.possession))
    yield Sent("entry.epoch", "log entry: epoch", len(stage.entries[HOME, Kind.EPOCH]))
    yield Sent("entry.order", "log entry: order of one slot", len(signed))


def _sent_by_gate(stage: Stage) -> Iterator[Sent]:
    part, policy, document = stage.bundle.part.part, stage.bundle.policy.part, stage.document
    for kind, what in (
        (Kind.CHECKPOINTS, "one checkpoint"),
        (Kind.LIST_PART, "list part"),
        (Kind.LIST, "list"),
        (Kind.POLICY, "policy part"),
    ):
        entry = stage.entries[GATE, kind]
        yield Sent(f"entry.{kind.value}", f"log entry: {what}", len(entry))
    yield Sent("list.part", "  list part without its entry", len(part.encode()))
    yield Sent("policy.part", "  policy part without its entry", len(policy.encode()))
    yield Sent("list.keys.few", f"list keys of {FEW} regions", len(stage.lists[FEW].keys))
    yield Sent("list.keys.many", f"list keys of {MANY} regions", len(stage.lists[MANY].keys))
    yield Sent("policy.document", "policy document", len(document.encode()))
    count, table = len(stage.bundle.table.entries), stage.fetch(policy.table)
    yield Sent("table", f"table of {count:,} entries", len(table))


def _codes(stage: Stage) -> Iterator[Sent]:
    poster = stage.checkpoint().poster()
    challenge = stage.checkpoint(Mode.CHALLENGE).challenge(stage.now, stage.entropy)
    for key, label, octets, text in (
        ("poster", "poster", poster.encode(), poster.text()),
        ("challenge", "challenge", challenge.encode(), challenge.text()),
        ("frame", "show: frame", stage.frame.encode(), stage.frame.text()),
    ):
        version = make_code(text).version
        assert isinstance(version, int)  # noqa: S101 - for the type checker
        yield Sent(key, label, len(octets), len(text), version)
    yield Sent("proof", "  of it the proof", len(stage.frame.proof))
