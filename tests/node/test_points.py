"""The places where a node of a test federation can be made to die, and who may ask for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest

from guosuo.errors import CallerError
from guosuo.federation.charter import (
    Charter,
    Environment,
    SignedCharter,
    open_charter,
    sign_charter,
)
from guosuo.suite import Suite
from guosuo_node.app.points import CRASH_AT, STOP_AT, Point, arm, reached
from tests.support.processes import Process
from tests.support.world import World


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def test_nothing_happens_unless_asked_for(world: World) -> None:
    arm({}, world.federation)
    for point in Point:
        reached(point)


@pytest.mark.parametrize("text", ["", "nowhere", "after-key-drawn:x", "after-key-drawn:1:1"])
@pytest.mark.parametrize("variable", [CRASH_AT, STOP_AT])
def test_what_cannot_be_meant_is_refused(world: World, variable: str, text: str) -> None:
    with pytest.raises(CallerError):
        arm({variable: text}, world.federation)


def test_a_production_federation_never_dies_on_request(world: World) -> None:
    charter = Charter.decode(SignedCharter.decode(world.signed_charter).charter)
    real = sign_charter(replace(charter, environment=Environment.PRODUCTION), world.roots)
    federation = open_charter(real.encode(), Suite.sha256())
    for variable in (CRASH_AT, STOP_AT):
        with pytest.raises(CallerError):
            arm({variable: Point.AFTER_KEY_DRAWN.value}, federation)


def test_it_dies_at_the_time_asked_for_and_nowhere_else(world: World) -> None:
    program = """
        import os, signal
        from guosuo_node.app import points
        points._armed = points._Armed(points.Point.AFTER_KEY_DRAWN, 2, signal.SIGKILL)
        points.reached(points.Point.AFTER_SIGN_BEFORE_PERSIST)
        points.reached(points.Point.AFTER_KEY_DRAWN)
        print("once", flush=True)
        points.reached(points.Point.AFTER_KEY_DRAWN)
        print("twice", flush=True)
    """
    ended = subprocess.run(  # noqa: S603 - a fixed program
        [sys.executable, "-c", textwrap.dedent(program)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, "once\n")
    assert world.federation.charter.environment is Environment.TEST


WORKERS = """
import os, sys, time
from concurrent.futures import ProcessPoolExecutor
import multiprocessing
from guosuo_node.jobs.pool import _start
if __name__ == "__main__":
    pool = ProcessPoolExecutor(
        1, mp_context=multiprocessing.get_context("spawn"), initializer=_start
    )
    print("worker", pool.submit(os.getpid).result(), flush=True)
    time.sleep(60)
"""


def test_workers_end_with_a_node_that_was_killed(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(WORKERS)
    with Process([sys.executable, program], logs=tmp_path) as process:
        worker = int(process.wait_for_line("worker ([0-9]+)")[1])
        # The one process alone, as the system's own killer does it.
        os.kill(process.pid, signal.SIGKILL)
        process.wait_for_exit(code=-signal.SIGKILL)
        end = time.monotonic() + 20
        while Path(f"/proc/{worker}").exists() and time.monotonic() < end:
            time.sleep(0.05)
        assert not _runs(worker)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
