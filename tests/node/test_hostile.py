"""Malformed, oversized and hostile requests on every RPC of a running node, and raw noise.

Each gets a clear status; the node goes on, answers others, and its memory does not grow.
"""

from __future__ import annotations

import random
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from google.protobuf.message import Message

from guosuo.client.errors import NodeFailure
from guosuo.pb import directory_pb2, enrolment_pb2, federation_pb2, status_pb2
from tests.support.citizens import Citizen, Copy
from tests.support.federation import Cluster
from tests.support.world import REGIONS

pytestmark = pytest.mark.xdist_group("federation")

A, B = REGIONS[:2]
PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
MOST_GROWTH: Final = 48 << 20
"""Octets between a warm node and the same one after the run; allocators keep some."""
CLEAR: Final = frozenset({
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.CANCELLED,
})  # fmt: skip
"""Never UNKNOWN, INTERNAL or DATA_LOSS: those would be faults of the node."""


def methods() -> list[tuple[str, type[Message], bool]]:
    """Path, request class and whether it streams, of every RPC."""
    found = []
    for module in (directory_pb2, enrolment_pb2, federation_pb2, status_pb2):
        for service in module.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                kind = getattr(module, method.input_type.name)
                path = f"/{service.full_name}/{method.name}"
                found.append((path, kind, method.server_streaming))
    return found


def filled(kind: type[Message], dice: random.Random) -> bytes:
    """A message of that type with members from anywhere."""
    message = kind()
    for item in message.DESCRIPTOR.fields:
        if dice.random() < 0.2:
            continue
        make: dict[int, Callable[[], Any]] = {
            item.TYPE_BYTES: lambda: dice.randbytes(dice.choice([0, 1, 32, 96, 1000, 70_000])),
            item.TYPE_STRING: lambda: dice.choice(
                ["", "110000", "330000", "\0", "../..", "x" * 5000, "tile/0/000", "\u202e"]
            ),
            item.TYPE_BOOL: lambda: dice.random() < 0.5,
        }
        value = make.get(item.type, lambda: dice.choice([0, 1, 7, (1 << 31), (1 << 32) - 1]))
        try:
            if item.is_repeated:
                getattr(message, item.name).extend(value() for _ in range(dice.choice([1, 5, 300])))
            else:
                setattr(message, item.name, value())
        except (ValueError, TypeError, AttributeError):
            continue
    data: bytes = message.SerializeToString()
    return data


def hostile(kind: type[Message], dice: random.Random) -> bytes:
    """A message of the type, half of one, or none at all."""
    match dice.randrange(5):
        case 0:
            return dice.randbytes(dice.choice([1, 100, 10_000]))
        case 1:
            return b"\0" * dice.choice([1 << 20, 3 << 20])
        case 2:
            return filled(kind, dice)[:-1]
        case _:
            return filled(kind, dice)


@dataclass
class Attack:
    """All kinds at once, from several threads, until the time is over."""

    port: int
    ca: bytes
    statuses: Counter[grpc.StatusCode] = field(default_factory=Counter)
    unclear: list[tuple[str, grpc.StatusCode]] = field(default_factory=list)
    noises: int = 0

    def run(self, seconds: float) -> None:
        """Blocks."""
        end = time.monotonic() + seconds
        with ThreadPoolExecutor(4) as pool:
            calls = [pool.submit(self._calls, seed, end) for seed in range(2)]
            noise = [pool.submit(self._noise, seed, end) for seed in range(2)]
        for done in (*calls, *noise):
            done.result()

    def _calls(self, seed: int, end: float) -> None:
        dice = random.Random(seed)
        options = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
        credentials = grpc.ssl_channel_credentials(self.ca)
        known = methods()
        while time.monotonic() < end:
            with grpc.secure_channel(f"127.0.0.1:{self.port}", credentials, options) as channel:
                for _ in range(50):
                    self._call(channel, dice, known)
                    time.sleep(0.01)

    def _call(self, channel: grpc.Channel, dice: random.Random, known: list) -> None:
        path, kind, streams = dice.choice(known)
        data = hostile(kind, dice)
        if dice.random() < 0.05:
            path += "X"
        metadata = [("x-junk", "y" * dice.choice([1, 1000, 20_000]))] if dice.random() < 0.1 else []
        try:
            call: Any
            if streams:
                call = channel.unary_stream(path)
                stream = call(data, timeout=1, metadata=metadata)
                for _ in zip(range(5), stream, strict=False):
                    pass
                stream.cancel()
            else:
                call = channel.unary_unary(path)
                call(data, timeout=2, metadata=metadata)
            code = grpc.StatusCode.OK
        except grpc.RpcError as error:
            code = error.code()
        self.statuses[code] += 1
        if code not in CLEAR:
            self.unclear.append((path, code))

    def _noise(self, seed: int, end: float) -> None:
        """HTTP/2 that is none: before TLS, after it, slowly, and connections left open."""
        dice = random.Random(1000 + seed)
        context = ssl.create_default_context(cadata=self.ca.decode())
        context.set_alpn_protocols(["h2"])
        kept: list[socket.socket] = []
        while time.monotonic() < end:
            try:
                plain = socket.create_connection(("127.0.0.1", self.port), timeout=2)
                if dice.random() < 0.3:
                    plain.sendall(dice.randbytes(dice.choice([1, 100, 5000])))
                    kept.append(plain)
                else:
                    secure = context.wrap_socket(plain, server_hostname="127.0.0.1")
                    secure.settimeout(1)
                    kept.append(secure)
                    if dice.random() < 0.8:
                        secure.sendall(PREFACE)
                    for _ in range(dice.choice([0, 1, 30])):
                        secure.sendall(frame(dice))
            except OSError:
                pass
            self.noises += 1
            while len(kept) > 20:
                kept.pop(0).close()
            time.sleep(0.01)
        for one in kept:
            one.close()


def frame(dice: random.Random) -> bytes:
    """An HTTP/2 frame of any type, with the length it says or another."""
    body = dice.randbytes(dice.choice([0, 1, 8, 100, 16_384]))
    length = len(body) if dice.random() < 0.8 else dice.randrange(1 << 24)
    kind, flags, stream = dice.randrange(16), dice.randrange(256), dice.randrange(1 << 31)
    return length.to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + body


def resident(pid: int) -> int:
    """Octets of memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("VmRSS")]
    return int(line.split()[1]) << 10


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("seconds", [20, pytest.param(600, marks=pytest.mark.slow)])
def test_hostile_requests_get_clear_statuses_and_cost_no_memory(
    tmp_path: Path, seconds: int
) -> None:
    with Cluster(tmp_path, regions=2, witnesses=2, epoch_seconds=20, early=8) as cluster:
        cluster.wait_for("ready")
        node = cluster.nodes[A]
        attack = Attack(node.public_port, node.authority)
        attack.run(10)  # warm: threads, pools and caches are there
        pid = node.process.pid
        before = resident(pid)
        began = cluster.epoch
        watcher = threading.Thread(target=attack.run, args=(seconds,))
        watcher.start()
        watcher.join()
        after = resident(pid)
        assert not attack.unclear, Counter(attack.unclear).most_common(10)
        assert sum(attack.statuses.values()) > 20 * seconds / 10
        assert attack.noises > seconds
        assert after < before + MOST_GROWTH, (before >> 20, after >> 20)
        # Nothing of it was a fault of the node's own, and its epochs went on.
        assert not any(line["level"] == "error" for line in node.said())
        cluster.wait_judged(B, A, max(began, cluster.epoch - 1))
        citizen = Citizen(cluster, Copy(cluster), A)

        def enrols() -> bool:
            try:
                citizen.apply()
            except NodeFailure:
                return False
            return True

        cluster.wait(enrols, 60, "somebody lawful enrols afterwards")
