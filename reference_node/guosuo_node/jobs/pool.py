"""A pool of processes for building buckets: octets in, octets out.

Workers are started by `spawn`: a node has threads and gRPC, which do not survive `fork`.
What goes to a worker (epoch secrets among it) goes through pipes of this machine only.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass

from guosuo.credential.board import Bucket, SlotToRenew, build_bucket
from guosuo.credential.keys import EpochKey
from guosuo.curve.entropy import Entropy
from guosuo.curve.scalar import Scalar
from guosuo.federation.charter import Federation
from guosuo.roles.turn import BucketWork
from guosuo.scheme import KeyId, Scheme
from guosuo.suite import Suite


@dataclass(frozen=True, slots=True)
class _Build:
    """A `BucketWork` with its key, as octets."""

    suite: str
    federation: bytes
    key: tuple[str, int, int]
    secret: bytes
    first: int
    size: int
    commitments: tuple[tuple[int, bytes], ...]
    renew: tuple[tuple[int, bytes, int], ...]

    def __repr__(self) -> str:
        return "_Build(...)"


class Pool:
    """Workers of one node process; `close` ends them."""

    def __init__(self, federation: Federation, workers: int | None = None) -> None:
        """`workers`: as many as cores, unless told."""
        self._federation = federation
        self._executor = ProcessPoolExecutor(
            max_workers=workers or max(1, os.cpu_count() or 1),
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_start,
        )

    def build(self, key: EpochKey, work: BucketWork) -> Future[Bucket]:
        """The bucket, some time later; raises what building raises."""
        job = _Build(
            self._federation.charter.suite,
            self._federation.id,
            (key.id.region, key.id.epoch, key.id.revision),
            key.secret.encode(),
            work.first,
            work.size,
            tuple((slot, c.encode()) for slot, c in work.commitments.items()),
            tuple((item.slot, item.slot_key, item.evidence) for item in work.renew),
        )
        return self._executor.submit(_build, job)

    def close(self) -> None:
        """End the workers; what is not begun is dropped."""
        self._executor.shutdown(wait=True, cancel_futures=True)


def _start() -> None:
    """A worker: Ctrl-C is the node's affair, which then closes the pool; it ends with the node."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_node, daemon=True).start()


def _end_with_node() -> None:
    """After `kill -9` of the node nobody closes the pool: epoch secrets would stay in memory."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@functools.lru_cache(maxsize=4)
def _scheme(suite: str, federation: bytes) -> Scheme:
    return Scheme.of(Suite.named(suite), federation)


def _build(job: _Build) -> Bucket:
    scheme = _scheme(job.suite, job.federation)
    # Points decode without subgroup checks nowhere: these are this node's own, and few.
    commitments = {slot: scheme.engine.decode_g1(c) for slot, c in job.commitments}
    secret = Scalar.decode(job.secret)
    return build_bucket(
        scheme,
        EpochKey(KeyId(*job.key), secret, scheme.p2 * secret),
        job.first,
        job.size,
        commitments,
        [SlotToRenew(slot, commitments[slot], key, v) for slot, key, v in job.renew],
        Entropy(os.urandom),
    )
