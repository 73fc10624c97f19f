"""One node or witness under test: its directory, ports and process, and what its log says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from guosuo_node.app.points import CRASH_AT, STOP_AT
from guosuo_node.host.settings import Home
from tests.support.processes import PATIENCE, Process


@dataclass(slots=True)
class NodeProcess:
    """One node or witness: home, ports, process, and what it says."""

    name: str
    home: Home
    peer_port: int
    public_port: int
    process: Process
    expected: bool = False
    """Whether it is meant to be running."""

    @property
    def public(self) -> str:
        """Where it answers everybody."""
        return f"127.0.0.1:{self.public_port}"

    @property
    def private(self) -> str:
        """Where it answers other nodes."""
        return f"127.0.0.1:{self.peer_port}"

    @property
    def authority(self) -> bytes:
        """PEM of the authority of its certificates."""
        return (self.home.tls / "authority.pem").read_bytes()

    def start(self, **env: str) -> None:
        """Start it (again), with these variables for this one time."""
        armed = {CRASH_AT, STOP_AT}
        self.process.env = {k: v for k, v in self.process.env.items() if k not in armed} | env
        self.process.start()
        self.expected = True

    def kill(self) -> None:
        """`kill -9`."""
        self.expected = False
        self.process.kill()

    def stop(self) -> None:
        """SIGTERM; it ends in order."""
        self.expected = False
        self.process.terminate()

    def pause(self) -> None:
        """SIGSTOP."""
        self.process.stop()

    def resume(self) -> None:
        """SIGCONT."""
        self.process.resume()

    def dies(self, seconds: float = PATIENCE) -> None:
        """Wait until it is killed, by itself at an armed point."""
        self.expected = False
        self.process.wait_for_exit(code=-9, seconds=seconds)

    def said(self, *, ever: bool = False) -> list[dict[str, Any]]:
        """The lines of its log since the last start, or of all its lives."""
        if not self.process.out.exists():
            return []
        with self.process.out.open("rb") as file:
            file.seek(0 if ever else self.process._start_of_output)
            lines = file.read().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith(b"\n") and line[:1] == b"{"]

    def has_said(self, event: str, *, ever: bool = False, **fields: object) -> bool:
        """Whether there is such a line with these fields."""
        return any(
            line["event"] == event and all(line.get(k) == v for k, v in fields.items())
            for line in self.said(ever=ever)
        )
