"""What `guosuo bench` measures on its stage: operations, and octets of everything sent.

A case prepares, untimed, one piece of work through the roles and functions that
programs call. Work that did not succeed says False, so that a refusal, which would
be quicker, is never taken for a result.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from guosuo.cli.bench_stage import GATE, HOME, Stage
from guosuo.cli.demo_story import POLICY, REGIONS
from guosuo.cli.places import PROVINCES
from guosuo.credential.board import Bucket, SlotToRenew, audit_bucket, build_bucket
from guosuo.credential.keys import check_possession, prove_possession
from guosuo.credential.ownership import Purpose
from guosuo.credential.renewal import renew
from guosuo.curve.entropy import Entropy
from guosuo.curve.points import Engine
from guosuo.evidence.value import value_at
from guosuo.federation.entries import Action, Board, BucketRef, OrderEntry, OrderReason
from guosuo.federation.records import Kind
from guosuo.federation.trust_list import (
    ListKeys,
    ListPart,
    ListSecret,
    audit_keys,
    check_part,
    make_keys,
)
from guosuo.host.pictures import make_code
from guosuo.policy.document import compile_policy
from guosuo.policy.table import audit_table, make_table
from guosuo.presentation.frame import Frame
from guosuo.presentation.proof import Presentation, present
from guosuo.presentation.setting import Mode
from guosuo.presentation.verify import Item, verify_batch
from guosuo.roles.enrolment import EnrolRequest, RefusalCode
from guosuo.roles.wallet import HeldSlot, Wallet

FEW, MANY = len(REGIONS), len(PROVINCES)
"""Regions of the two lists; each has two keys on it."""

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

    yield Case("enrol.request", "enrol: wallet's request", request)
    yield Case("enrol.issue", "enrol: issuer's check and grant", issue)
    yield Case("enrol.conclude", "enrol: wallet's check of the grant", conclude)


def _renewals(stage: Stage) -> Iterator[Case]:
    key = stage.issuers[HOME].state.keys[stage.published.id]
    item = _to_renew(stage)[0]
    yield _same(
        "refresh.renew",
        "refresh: issuer renews one slot",
        lambda: renew(
            stage.scheme, key, item.slot, item.commitment, item.slot_key, item.evidence
        ),
    )
    yield _same("refresh.wallet", "refresh: wallet, bucket to check", stage.refresh)
    index = _large_board(stage)
    yield _same(
        "refresh.index",
        f"refresh: read an index of {stage.scale.buckets:,}",
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
    yield Case("show.wallet", "show: wallet, with own verification", show)
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
    draw, scheme = stage.entropy, stage.scheme
    for regions in (FEW, MANY):
        part, data, publics = stage.listed(regions)
        if regions == FEW:
            octets = part.part.encode()
            yield _same("list.part", "list: check a public part", lambda o=octets: check_part(scheme, o))
        else:
            secret = ListSecret.draw(draw)
            yield _same("list.make")
        yield _same(
            f"list.audit.{regions}",
            f"list: audit of {regions} × 2 keys",
            lambda: audit_keys(),
        )
