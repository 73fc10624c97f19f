"""The sidecar: the service Verify on this machine, and on no other address."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from guosuo.client.channel import NodeChannel, Patience
from guosuo.client.errors import NodeError, NodeTooLarge
from guosuo.client.federation import FederationClient
from guosuo.client.mirror import Mirror, News
from guosuo.client.refreshing import keep_fresh, poll_seconds, refresh_once
from guosuo.client.sidecar import MAX_CODE, Sidecar, check_listen, load_entry, serve
from guosuo.errors import CallerError, Reason
from guosuo.host.checkpoint_file import CheckpointFile, Device
from guosuo.host.directory import FederationDirectory
from guosuo.pb import verify_pb2 as pb
from guosuo.pb.verify_pb2_grpc import VerifyStub
from guosuo.presentation.frame import Challenge
from guosuo.presentation.setting import Mode
from guosuo.roles.checkpoint import CheckpointState
from tests.cli.stage import guosuo
from tests.support.copies import write_copy
from tests.support.fake_node import FakeNode, serving
from tests.support.world import EVERY_CONSENT, POLICY, World

A, B = "110000", "330000"
AT = f"{B}/gate-{B}"
LOOPBACK = "127.0.0.1:0"


@pytest.fixture(scope="module")
def world() -> World:
    return World(regions=(A, B), witnesses=4)


def device_of(world: World, mode: Mode = Mode.BROADCAST, *, fresh: bool = True) -> Device:
    device = Device(world.federation, CheckpointState(B, f"gate-{B}", POLICY, mode))
    for entry in world.regions[B].entries if fresh else ():
        load_entry(device, entry)
    return device


class Saves:
    """Counts saves, or fails."""

    def __init__(self, error: OSError | None = None) -> None:
        self.count, self.error = 0, error

    def __call__(self, _device: Device) -> None:
        self.count += 1
        if self.error:
            raise self.error


def use(
    world: World,
    work: Callable[[VerifyStub, NodeChannel], Awaitable[None]],
    *,
    device: Device | None = None,
    save: Callable[[Device], None] | None = None,
    address: str = LOOPBACK,
) -> None:
    """Run a sidecar and a client against it."""

    async def main() -> None:
        sidecar = Sidecar(
            device or device_of(world), save or Saves(), lambda: world.now, world.entropy
        )
        bound = asyncio.get_running_loop().create_future()
        stop = asyncio.Event()
        task = asyncio.create_task(serve(sidecar, address, bound.set_result, stop))
        async with asyncio.timeout(60):
            await asyncio.wait([task, bound], return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                await task
            try:
                patience = Patience(tries=1)
                async with NodeChannel(await bound, None, patience=patience) as channel:
                    await work(VerifyStub(channel.raw), channel)
            finally:
                stop.set()
                await task

    asyncio.run(main())


# --- the four methods --------------------------------------------------------------------


def test_a_holder_is_accepted_once(world: World) -> None:
    text = world.show(world.holder(A), B)
    saves = Saves()

    async def work(stub: VerifyStub, channel: NodeChannel) -> None:
        for notice in (pb.NOTICE_UNSPECIFIED, pb.NOTICE_ALREADY_SEEN):
            answer = await channel.call(stub.Verify, pb.VerifyRequest(code=text))
            accepted = notice == pb.NOTICE_UNSPECIFIED
            assert answer.verdict == (pb.VERDICT_ACCEPT if accepted else pb.VERDICT_NOT_SATISFIED)
            assert answer.notice == notice

    use(world, work, save=saves)
    assert saves.count == 2


@pytest.mark.parametrize("code", ["", "hello", "GS1:AAAA", "x" * MAX_CODE])
def test_what_is_no_code_cannot_be_decided(world: World, code: str) -> None:
    async def work(stub: VerifyStub, channel: NodeChannel) -> None:
        answer = await channel.call(stub.Verify, pb.VerifyRequest(code=code))
        assert (answer.verdict, answer.cause) == (pb.VERDICT_CANNOT_DECIDE, pb.CAUSE_CODE)

    use(world, work)


def test_too_long_codes_are_refused(world: World) -> None:
    async def work(stub: VerifyStub, channel: NodeChannel) -> None:
        with pytest.raises(NodeError) as caught:
            await channel.call(stub.Verify, pb.VerifyRequest(code="x" * (MAX_CODE + 1)))
        assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT
        with pytest.raises(NodeTooLarge):
            await channel.call(stub.Verify, pb.VerifyRequest(code="x" * 70_000))

    use(world, work)


def test_without_lists_it_is_the_device_s_fault(world: World) -> None:
    async def work(stub: VerifyStub, channel: NodeChannel) -> None:
        answer = await channel.call(stub.Verify, pb.VerifyRequest(code="GS1:AAAA"))
        assert (answer.verdict, answer.cause) == (pb.VERDICT_CANNOT_DECIDE, pb.CAUSE_DEVICE)
        status = await channel.call(stub.GetStatus, pb.GetStatusRequest())
        assert status.valid_offline_until == 0

    use(world, work, device=device_of(world, fresh=False))


def test_poster_and_status(world: World) -> None:
    device = device_of(world)

    async def work(stub: VerifyStub, channel: NodeChannel) -> None:
        poster = await channel.call(stub.GetPoster, pb.GetPosterRequest())
        assert poster.text == device.poster().text()
        status = await channel.call(stub.GetStatus, pb.GetStatusRequest())
        assert (status.region, status.checkpoint, status.policy) == (B, f"gate-{B}", POLICY)
        assert (status.challenge_mode, status.refreshed, status.time) == (False, 0, world.now)
        # Parts of one epoch ahead were prepared: list t + 1 ends at the start of t + 3.
        assert status.valid_offline_until == world.federation.clock.start(world.epoch + 3)
        with pytest.raises(NodeError) as caught:
            await channel.call(stub.NewChallenge, pb.NewChallengeRequest())
        assert caught.value.code is grpc.StatusCode.FAILED_PRECONDITION

    use(world, work, device=device)


def test_a_challenge_is_answered_once(world: World) -> None:
    wallet, saves = world.holder(A), Saves()

    async def work(stub: VerifyStub, channel: NodeChannel) -> None:
        drawn = await channel.call(stub.NewChallenge, pb.NewChallengeRequest())
        tick = world.federation.clock.tick_seconds
        assert drawn.expires == (world.now // tick + 1) * tick
        code = wallet.show(
            Challenge.from_text(drawn.text),
            world.bundle(B),
            world.view,
            world.now,
            world.entropy,
            EVERY_CONSENT,
        ).text()
        answers = [
            (await channel.call(stub.Verify, pb.VerifyRequest(code=code))).verdict for _ in range(2)
        ]
        assert answers == [pb.VERDICT_ACCEPT, pb.VERDICT_CANNOT_DECIDE]

    use(world, work, device=device_of(world, Mode.CHALLENGE), save=saves)
    assert saves.count == 3


def test_a_verdict_that_cannot_be_stored_is_not_given(world: World) -> None:
    text = world.show(world.holder(A), B)

    async def work(stub: VerifyStub, channel: NodeChannel) -> None:
        with pytest.raises(Exception, match="reached") as caught:
            await channel.call(stub.Verify, pb.VerifyRequest(code=text))
        assert text not in str(caught.value)

    use(world, work, save=Saves(OSError(28, "No space left on device")))


def test_scans_at_once_get_one_answer_each(world: World) -> None:
    codes = [world.show(world.holder(A), B) for _ in range(3)]

    async def work(stub: VerifyStub, channel: NodeChannel) -> None:
        calls = [channel.call(stub.Verify, pb.VerifyRequest(code=c)) for c in (*codes, *codes)]
        found = [answer.verdict for answer in await asyncio.gather(*calls)]
        assert sorted(found) == [pb.VERDICT_ACCEPT] * 3 + [pb.VERDICT_NOT_SATISFIED] * 3

    use(world, work)


# --- where it listens --------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0:8440",
        "[::]:8440",
        "192.0.2.1:8440",
        "10.0.0.1:0",
        "localhost:8440",
        "gate.example:8440",
        ":8440",
        "8440",
        "127.0.0.1",
        "127.0.0.1:99999",
        "127.1:80",
        "127.0.0.1:80,0.0.0.0:80",
        "dns:///127.0.0.1:80",
        "ipv4:0.0.0.0:80",
        "[::ffff:192.0.2.1]:80",
        "unix:relative.sock",
        "unix:",
        "unix:///" + "x" * 200,
        "unix-abstract:guosuo",
        "vsock:1:2",
        "",
    ],
)
def test_every_other_address_is_refused(address: str) -> None:
    with pytest.raises(CallerError) as caught:
        check_listen(address)
    assert caught.value.reason is Reason.ARGUMENT


def test_addresses_of_this_machine() -> None:
    for address in ("127.0.0.1:8440", "127.0.0.9:0", "[::1]:8440", "unix:/run/guosuo.sock"):
        assert check_listen(address) == address


def test_the_command_refuses_other_addresses_before_anything_else(tmp_path: Path) -> None:
    said = guosuo(
        *("checkpoint", "serve", "--federation", str(tmp_path / "none"), "--at", AT),
        *("--state", str(tmp_path / "gate.state"), "--listen", "0.0.0.0:8440"),
    )
    assert said.code == 2
    assert "this machine only" in said.err


def test_a_unix_socket_is_for_this_user_and_leaves_nothing(world: World, tmp_path: Path) -> None:
    path = tmp_path / "gate.sock"

    async def work(stub: VerifyStub, channel: NodeChannel) -> None:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        await channel.call(stub.GetPoster, pb.GetPosterRequest())

    use(world, work, address=f"unix:{path}")
    assert not path.exists()
    # One that a killed program left over is replaced.
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    use(world, work, address=f"unix:{path}")


def test_nothing_else_is_replaced_by_a_socket(world: World, tmp_path: Path) -> None:
    async def work(_stub: VerifyStub, _channel: NodeChannel) -> None:
        raise AssertionError

    path = tmp_path / "gate.sock"
    path.write_text("mine")
    with pytest.raises(CallerError) as caught:
        use(world, work, address=f"unix:{path}")
    assert caught.value.reason is Reason.STORE_EXISTS
    assert path.read_text() == "mine"
    path.unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        with pytest.raises(CallerError) as caught:
            use(world, work, address=f"unix:{path}")
    assert caught.value.reason is Reason.STATE


def test_a_port_that_is_taken(world: World) -> None:
    async def work(_stub: VerifyStub, _channel: NodeChannel) -> None:
        raise AssertionError

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with pytest.raises(CallerError) as caught:
            use(world, work, address=f"127.0.0.1:{listener.getsockname()[1]}")
    assert caught.value.reason is Reason.STATE


# --- keeping itself fresh ----------------------------------------------------------------


def test_it_keeps_itself_fresh(tmp_path: Path) -> None:
    world = World(regions=(A, B), witnesses=4)
    directory = write_copy(world, tmp_path)
    saves, news = Saves(), list[News | OSError]()
    device = device_of(world)
    before = device.state.parts.keys() | set()
    slept = []

    async def main(target: str) -> None:
        async def sleep(seconds: float) -> None:
            slept.append(seconds)
            if len(slept) > 2:
                raise asyncio.CancelledError
            world.turn()

        sidecar = Sidecar(device, saves, lambda: world.now, world.entropy)
        async with NodeChannel(target, None) as channel:
            mirror = Mirror(directory, [FederationClient(channel)])
            with pytest.raises(asyncio.CancelledError):
                await keep_fresh(
                    mirror,
                    sidecar,
                    B,
                    clock=lambda: world.now,
                    chance=lambda: 0.5,
                    report=news.append,
                    sleep=sleep,
                )
        assert sidecar.refreshed == world.now

    node = FakeNode(world)
    with serving(node) as target:
        asyncio.run(main(target))
    assert slept == [900.0] * 3
    assert [item.new > 0 for item in news if isinstance(item, News)] == [True, True]
    assert device.state.parts.keys() - before
    assert device.state.parts == world.regions[B].checkpoint.state.parts
    # It asked for its own region only.
    assert {b"360000" in data or A.encode() in data for _, data in node.calls} == {False}


def test_a_node_that_is_away_changes_nothing(world: World, tmp_path: Path) -> None:
    directory = write_copy(world, tmp_path)

    async def main() -> None:
        sidecar = Sidecar(device_of(world), Saves(), lambda: world.now, world.entropy)
        async with NodeChannel("127.0.0.1:1", None, patience=Patience(tries=1)) as channel:
            mirror = Mirror(directory, [FederationClient(channel)])
            news = await refresh_once(mirror, sidecar, B, lambda: world.now)
        assert not news.answered
        assert sidecar.refreshed == 0
        assert sidecar.offline_until > world.now

    asyncio.run(main())


def test_polls_are_spread_and_never_too_dense() -> None:
    assert poll_seconds(14_400, 0.0) == pytest.approx(720)
    assert poll_seconds(14_400, 0.999) == pytest.approx(1080, rel=0.01)
    assert poll_seconds(2, 0.5) == 1.0


# --- the command -------------------------------------------------------------------------


@contextmanager
def later(world: World) -> Iterator[None]:
    """Half a minute on: what is shown then counts for a minute from now on, and longer."""
    world.now += 30
    yield
    world.now -= 30


@contextmanager
def served(root: Path, state: Path, now: int, *more: str) -> Iterator[dict[str, Any]]:
    """`guosuo checkpoint serve` as a process of its own; what it says when it is ready."""
    command = [
        *(sys.executable, "-m", "guosuo", "checkpoint", "serve", "--federation", str(root)),
        *("--at", AT, "--state", str(state), "--listen", LOOPBACK, "--now", str(now)),
        *("--json", *more),
    ]
    with subprocess.Popen(  # noqa: S603 - our own command
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                pytest.fail(process.communicate()[1])
            yield json.loads(line)
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            finally:
                process.kill()
        assert process.returncode == 0


def test_the_command_serves_until_ctrl_c_and_remembers(world: World, tmp_path: Path) -> None:
    root, state = tmp_path / "fed", tmp_path / "gate.state"
    write_copy(world, root)
    # Set up two minutes ago: the ticks of its start are over.
    early = guosuo(
        *("checkpoint", "poster", "--federation", str(root), "--at", AT),
        *("--state", str(state), "--now", str(world.now - 120)),
    )
    assert early.code == 0, early
    with later(world):
        text = world.show(world.holder(A), B)

    async def verify(address: str) -> int:
        async with NodeChannel(address, None) as channel:
            stub = VerifyStub(channel.raw)
            return (await channel.call(stub.Verify, pb.VerifyRequest(code=text))).verdict

    with served(root, state, world.now) as ready:
        assert ready["valid_offline_until"] == world.federation.clock.start(world.epoch + 3)
        assert asyncio.run(verify(ready["listening"])) == pb.VERDICT_ACCEPT
        # Its memory is in use.
        other = guosuo(
            *("checkpoint", "verify", text, "--federation", str(root), "--at", AT),
            *("--state", str(state), "--now", str(world.now)),
        )
        assert other.code == 2
        assert "another command" in other.err
    device = CheckpointFile(world.federation, state).load()
    assert any(device.state.seen.values())
    with served(root, state, world.now) as ready:
        assert asyncio.run(verify(ready["listening"])) == pb.VERDICT_NOT_SATISFIED


def test_the_directory_may_be_opened_by_others_meanwhile(world: World, tmp_path: Path) -> None:
    write_copy(world, tmp_path)
    assert FederationDirectory(tmp_path, world.suite).catch_up().regions[B].entries
