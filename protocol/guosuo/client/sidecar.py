"""A checkpoint for programs in other languages: the service Verify, on this machine only.

Scans never leave the machine, so it listens on a loopback address or a unix socket and
refuses everything else. The verdict is computed in a thread: a scan does not stop others
from asking for the status. Every verdict is stored before it is given.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import stat
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, NoReturn

import grpc
import grpc.aio

from guosuo.client.channel import is_loopback
from guosuo.curve.entropy import Entropy
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.host.checkpoint_file import Device
from guosuo.pb import verify_pb2 as pb
from guosuo.pb.verify_pb2_grpc import VerifyServicer, add_VerifyServicer_to_server
from guosuo.presentation.setting import Mode
from guosuo.roles.offline import checkpoint_offline
from guosuo.roles.verdict import Cause, Notice, Outcome, Verdict

MAX_CODE: Final = 4296
"""Characters of one QR code at most."""
MAX_CALLS: Final = 32
"""Calls at once at most; further ones are refused."""
GRACE_SECONDS: Final = 2.0
"""For calls that are under way when the sidecar is stopped."""

_UNIX: Final = "unix:"
_LAST_PORT: Final = 65_535
_MAX_SOCKET: Final = 100
"""Octets of a socket's path that every system takes."""
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", 64 << 10),
    ("grpc.max_concurrent_streams", MAX_CALLS),
    # A second program on the same port would get half of the scans.
    ("grpc.so_reuseport", 0),
)
_VERDICTS: Final = {
    Verdict.ACCEPT: pb.VERDICT_ACCEPT,
    Verdict.NOT_SATISFIED: pb.VERDICT_NOT_SATISFIED,
    Verdict.CANNOT_DECIDE: pb.VERDICT_CANNOT_DECIDE,
}
_CAUSES: Final[dict[Cause | None, pb.Cause]] = {
    None: pb.CAUSE_UNSPECIFIED,
    Cause.DEVICE: pb.CAUSE_DEVICE,
    Cause.AGAIN: pb.CAUSE_AGAIN,
    Cause.CODE: pb.CAUSE_CODE,
}
_NOTICES: Final[dict[Notice | None, pb.Notice]] = {
    None: pb.NOTICE_UNSPECIFIED,
    Notice.ALREADY_SEEN: pb.NOTICE_ALREADY_SEEN,
    Notice.REPLAY: pb.NOTICE_REPLAY,
}

_Context = grpc.aio.ServicerContext[Any, Any]


class Sidecar(VerifyServicer):
    """The four methods over one device."""

    def __init__(
        self,
        device: Device,
        save: Callable[[Device], None],
        clock: Callable[[], int],
        entropy: Entropy,
    ) -> None:
        """`save` stores the device's memory durably; `clock` gives Unix seconds."""
        self._device, self._save = device, save
        self._clock, self._entropy = clock, entropy
        self._one = asyncio.Lock()
        self.refreshed = 0
        """Unix seconds of the last refresh that succeeded; set by whoever refreshes."""

    @property
    def offline_until(self) -> int:
        """Unix seconds until which it can decide without network; 0 if it cannot now."""
        return checkpoint_offline(self._device.state, self._clock())

    async def take(self, entries: Iterable[bytes]) -> None:
        """New entries of the own region's log, verified before; void ones change nothing."""
        async with self._one:
            for entry in entries:
                load_entry(self._device, entry)
            await asyncio.to_thread(self._save, self._device)

    async def GetPoster(  # noqa: N802 - the name in the .proto file
        self, request: pb.GetPosterRequest, context: _Context
    ) -> pb.GetPosterResponse:
        """The text of the sign."""
        _ = request, context
        return pb.GetPosterResponse(text=self._device.poster().text())

    async def NewChallenge(  # noqa: N802 - as above
        self, request: pb.NewChallengeRequest, context: _Context
    ) -> pb.NewChallengeResponse:
        """A fresh challenge, stored before it is displayed."""
        _ = request
        if self._device.state.mode is not Mode.CHALLENGE:
            await _refuse(context, grpc.StatusCode.FAILED_PRECONDITION, Reason.STATE)
        async with self._one:
            drawn = self._device.challenge(self._clock(), self._entropy)
            await self._stored(context)
        ends = (drawn.tick + 1) * self._device.federation.clock.tick_seconds
        return pb.NewChallengeResponse(text=drawn.text(), expires=ends)

    async def Verify(  # noqa: N802 - as above
        self, request: pb.VerifyRequest, context: _Context
    ) -> pb.VerifyResponse:
        """The verdict on one scan, stored before it is given."""
        if len(request.code) > MAX_CODE:
            await _refuse(context, grpc.StatusCode.INVALID_ARGUMENT, Reason.TOO_LONG)
        async with self._one:
            outcome = await asyncio.to_thread(self._decide, request.code)
            await self._stored(context)
        return pb.VerifyResponse(
            verdict=_VERDICTS[outcome.verdict],
            cause=_CAUSES[outcome.cause],
            notice=_NOTICES[outcome.notice],
        )

    async def GetStatus(  # noqa: N802 - as above
        self, request: pb.GetStatusRequest, context: _Context
    ) -> pb.GetStatusResponse:
        """What the checkpoint is, and for how long it works without network."""
        _ = request, context
        state = self._device.state
        return pb.GetStatusResponse(
            region=state.region,
            checkpoint=state.checkpoint,
            policy=state.policy,
            challenge_mode=state.mode is Mode.CHALLENGE,
            valid_offline_until=self.offline_until,
            refreshed=self.refreshed,
            time=self._clock(),
        )

    def _decide(self, code: str) -> Outcome:
        return self._device.verify(code, self._clock(), self._entropy)

    async def _stored(self, context: _Context) -> None:
        try:
            await asyncio.to_thread(self._save, self._device)
        except OSError:
            # Without its memory it must not accept: the same code would pass again.
            await _refuse(context, grpc.StatusCode.UNAVAILABLE, Reason.STORE_UNAVAILABLE)


def load_entry(device: Device, entry: bytes) -> None:
    """Give one verified log entry to a device; one that does not conform changes nothing."""
    try:
        device.load(entry)
    except PeerError:
        return


async def _refuse(context: _Context, code: grpc.StatusCode, reason: Reason) -> NoReturn:
    await context.abort(code, reason.value)
    raise AssertionError  # abort does not return


# --- listening ---------------------------------------------------------------------------


def check_listen(address: str) -> str:
    """The address as gRPC takes it; `CallerError(ARGUMENT)` for one of other machines.

    `unix:/path`, `127.0.0.1:PORT` or `[::1]:PORT`; port 0 takes a free one. Names are
    refused, localhost too: what they mean is decided elsewhere.
    """
    if address.startswith(_UNIX):
        path = address.removeprefix(_UNIX)
        if path.startswith("/") and len(path.encode()) <= _MAX_SOCKET and "\0" not in path:
            return address
        raise CallerError(Reason.ARGUMENT, "a socket is unix: and a whole path of 100 octets")
    match = re.fullmatch(r"(\[[0-9A-Fa-f:]+\]|[0-9.]+):([0-9]{1,5})", address, re.ASCII)
    if match is None or not is_loopback(match[1]) or int(match[2]) > _LAST_PORT:
        hint = "it answers on this machine only: give unix:/path, 127.0.0.1:PORT or [::1]:PORT"
        raise CallerError(Reason.ARGUMENT, hint)
    return address


async def serve(
    sidecar: Sidecar, address: str, ready: Callable[[str], None], stop: asyncio.Event
) -> None:
    """Answer at `address` until `stop` is set; then calls under way get their answer.

    `ready` is told the address once it answers. `CallerError(ARGUMENT)` for an address that
    is not of this machine, `CallerError(STATE)` for one that is taken.
    """
    checked = check_listen(address)
    server = grpc.aio.server(options=_OPTIONS, maximum_concurrent_rpcs=MAX_CALLS)
    add_VerifyServicer_to_server(sidecar, server)
    try:
        if checked.startswith(_UNIX):
            bound = _bind_socket(server, checked)
        else:
            port = server.add_insecure_port(checked)
            bound = f"{checked.rpartition(':')[0]}:{port}"
    except RuntimeError:
        hint = "that address is taken, or not of this machine; choose another for --listen"
        raise CallerError(Reason.STATE, hint) from None
    try:
        await server.start()
        ready(bound)
        await stop.wait()
    finally:
        await server.stop(GRACE_SECONDS)
        _clear(checked)


def _bind_socket(server: grpc.aio.Server, address: str) -> str:
    """A socket that only this user can connect to; never in place of something else."""
    path = Path(address.removeprefix(_UNIX))
    if path.exists():
        if not stat.S_ISSOCK(path.stat().st_mode):
            raise CallerError(Reason.STORE_EXISTS, "there is a file of that name; choose another")
        if _answers(path):
            raise CallerError(Reason.STATE, "another program answers on that socket")
    before = os.umask(0o177)
    try:
        server.add_insecure_port(address)
    finally:
        os.umask(before)
    return address


def _clear(address: str) -> None:
    """Leave no socket behind."""
    if address.startswith(_UNIX):
        Path(address.removeprefix(_UNIX)).unlink(missing_ok=True)


def _answers(path: Path) -> bool:
    """Whether somebody listens on the socket: one of a killed program is just left over."""
    if sys.platform == "win32":
        return True
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
