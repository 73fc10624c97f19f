"""Addresses of nodes under test: their ports, and what stands before several processes."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import threading
from typing import Final

from tests.support.processes import Ports

_LOW_PORTS: Final = range(20_000, 32_000)


class LowPorts(Ports):
    """Ports below those that the system gives to connections: a node finds its own again.

    A port that a killed node left could otherwise become the near end of somebody's connection.
    """

    def reserve(self) -> int:
        """A free port, held."""
        dice = random.Random(os.urandom(8))
        while True:
            port = dice.choice(_LOW_PORTS)
            held = socket.socket()
            try:
                held.bind((self.host, port))
            except OSError:
                held.close()
                continue
            self._held[port] = held
            return port


class Balancer:
    """Hands connections on to whichever of a node's processes a test says."""

    def __init__(self, port: int, target: int) -> None:
        self.target = target
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._listen, daemon=True).start()

    def move(self, target: int) -> None:
        """To another process from now on; what is open is closed."""
        self.target = target
        self._cut()

    def close(self) -> None:
        """End it all."""
        self._listener.close()
        self._cut()

    def _cut(self) -> None:
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _listen(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.target), timeout=1)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        self._open.add(source)
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                sink.sendall(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._open.discard(source)
        source.close()
