"""What `guosuo bench` measures of a node, in multiples of one bare signature too.

Without a network: what a node does between a request and its answer, and from the cut-off
of an epoch to its entry. Every answer and every cosignature is on the disk before it counts,
so times by the clock depend on the disk, and multiples, in processor time, do not.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from guosuo.cli.bench_cases import BARE, Case, Work
from guosuo.cli.bench_stage import Scale
from guosuo.curve.entropy import Entropy
from guosuo.curve.points import Engine
from guosuo.curve.selection import get_engine
from guosuo.suite import Suite
from guosuo_node.bench.stage import NodeStage

_ENROL: Final = 16
"""Requests that come at once."""
_LEAST: Final = 32
"""Slots; two buckets of the smallest size."""


@contextmanager
def cases(engine: Engine, scale: Scale, entropy: Entropy) -> Iterator[list[Case]]:
    """A node's operations; none for an engine that nodes of this machine do not use."""
    # Workers of the pool choose their engine themselves.
    if not engine.native or engine is not get_engine():
        yield []
        return
    workers = max(1, os.cpu_count() or 1)
    # All of it, with two epochs to begin with, should not take longer than the other cases.
    slots = max(_LEAST, scale.slots // 2)
    with (
        tempfile.TemporaryDirectory(prefix="guosuo-bench-") as folder,
        NodeStage(Suite.sha256(engine), slots, workers, entropy, Path(folder)) as stage,
    ):
        yield node_cases(stage, workers, min(_ENROL, slots // 8))


def node_cases(stage: NodeStage, workers: int, enrol: int) -> list[Case]:
    """In an order in which each finds what the one before left."""
    return [*_counter(stage, enrol), *_renewal(stage, workers), *_starts(stage), *_public(stage)]


def _counter(stage: NodeStage, enrol: int) -> Iterator[Case]:
    def enrolments() -> Work:
        asked = [stage.enrolling() for _ in range(enrol)]
        return lambda: stage.enrol(asked)

    yield Case("node.offer", "node: offer", lambda: stage.offer, of=BARE)
    yield Case(
        "node.enrol",
        f"node: {enrol} enrolments at once",
        enrolments,
        enrol,
        of=BARE,
    )


def _renewal(stage: NodeStage, workers: int) -> Iterator[Case]:
    slots, scheme = stage.slots, stage.federation.scheme

    def one() -> Work:
        turn = stage.begun()
        return lambda: [work.build(scheme, turn.key, stage.entropy) for work in turn.work]

    def pool() -> Work:
        turn = stage.begun()
        return lambda: stage.build_by_pool(turn)

    def audit() -> Work:
        stage.read_before()
        return stage.read

    what = f"{slots:,} slots, {slots // stage.bucket_slots} buckets"
    yield Case("node.renew.one", f"node: renew {what}", one, slots, 1, of=BARE)
    yield Case(
        "node.renew.pool",
        f"node: the same, {workers} processes",
        pool,
        slots,
        1,
        by_clock=True,
        of=BARE,
    )
    yield Case(
        "node.turn",
        "node: whole turn, own audit too",
        lambda: stage.turn,
        slots,
        1,
        by_clock=True,
        of=BARE,
    )
    yield Case("node.audit", "node: audit of another's epoch", audit, slots, 1, of=BARE)


def _starts(stage: NodeStage) -> Iterator[Case]:
    slots = stage.slots
    yield Case("node.load", "node: load all slots", lambda: stage.load, slots, 1, of=BARE)
    yield Case(
        "node.restart",
        "node: start, two epochs to judge",
        lambda: stage.restart,
        slots,
        1,
        of=BARE,
    )


def _public(stage: NodeStage) -> Iterator[Case]:
    def publish() -> Work:
        stage.grow()
        return stage.publish

    count = stage.federation.cosignatures
    yield Case("node.publish", f"node: publish, {count} cosignatures", publish, of=BARE)
