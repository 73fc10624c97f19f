"""Several nodes on one machine: a directory, keys, ports and a process each.

Nothing is shared between them but TLS on loopback; their operator, this program, puts
cards, policies and registers into their directories, as people would do by hand.
"""

from __future__ import annotations

import datetime as dt
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from guosuo.curve.entropy import Entropy
from guosuo.errors import CallerError, Reason
from guosuo.federation.charter import Environment, Name, Parameters
from guosuo.federation.entries import CheckpointInfo
from guosuo.host.files import write_atomically
from guosuo.policy.document import PolicyDocument
from guosuo.policy.written import to_json
from guosuo_node.cli import making
from guosuo_node.cli.cards import Card
from guosuo_node.cli.making import Wanted
from guosuo_node.host.settings import Home

_STOP_SECONDS: Final = 20.0


@dataclass(slots=True)
class NodeProcess:
    """One node: its directory, its ports, and its process while it runs."""

    name: str
    home: Home
    peer_port: int
    public_port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def public(self) -> str:
        """Where it answers everybody."""
        return f"127.0.0.1:{self.public_port}"

    @property
    def authority(self) -> bytes:
        """PEM of the authority of its certificate."""
        return (self.home.tls / "authority.pem").read_bytes()

    @property
    def log(self) -> Path:
        """What it writes."""
        return self.home.path / "node.log"

    def start(self) -> None:
        """Start the process; what it says goes into its log."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - this very program
                [sys.executable, "-m", "guosuo", "node", "run", str(self.home.path)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A Ctrl-C is this program's, which then stops its nodes one by one.
                start_new_session=True,
            )

    def check(self) -> None:
        """`CallerError(STATE)` with the end of its log if the process ended by itself."""
        if self.process is not None and self.process.poll() is not None:
            raise CallerError(Reason.STATE, f"node {self.name} ended; see {self.log}")

    def signal(self, number: int) -> None:
        """Send a signal to the process, if it runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)


@dataclass(slots=True)
class Cluster:
    """All nodes of one federation."""

    folder: Path
    nodes: dict[str, NodeProcess] = field(default_factory=dict)

    def make(
        self,
        regions: Mapping[str, tuple[Name, ...]],
        witnesses: Iterable[str],
        entropy: Entropy,
        *,
        clock_offset: int,
        settings: Callable[[Home], str],
        workers: int = 1,
    ) -> list[Card]:
        """Directories, keys, certificates and settings of every node; their cards."""
        alone = tuple(witnesses)
        ports = free_ports(2 * (len(regions) + len(alone)))
        now = dt.datetime.fromtimestamp(time.time(), dt.UTC)
        cards = []
        for name in (*regions, *alone):
            home, peer, public = Home(self.folder / name), next(ports), next(ports)
            wanted = Wanted(
                name=name,
                names=regions.get(name, ()),
                listen=f"127.0.0.1:{peer}",
                public_listen=f"127.0.0.1:{public}",
                operator=None if name in regions else name,
                adapter_settings="",
                workers=workers,
                clock_offset=clock_offset,
            )
            cards.append(making.init(home, wanted, entropy, now))
            if name in regions:
                with home.settings.open("a", encoding="utf-8") as file:
                    file.write(settings(home))
            self.nodes[name] = NodeProcess(name, home, peer, public)
        return cards

    def found(self, cards: list[Card], parameters: Parameters, entropy: Entropy, now: int) -> bytes:
        """Found the federation: every member signs, everybody joins; the charter's octets."""
        signed = making.found(cards, Environment.TEST, parameters)
        for card in cards:
            if card.member is not None:
                signed = making.sign(signed, self.nodes[card.name].home)
        data = signed.encode()
        for node in self.nodes.values():
            making.join(node.home, data, cards, entropy, now)
        return data

    def start(self) -> None:
        """Start every node."""
        for node in self.nodes.values():
            node.start()

    def check(self) -> None:
        """`CallerError(STATE)` if a node ended by itself."""
        for node in self.nodes.values():
            node.check()

    def stop(self) -> None:
        """Ask every node to stop, and see that it does."""
        running = [n.process for n in self.nodes.values() if n.process is not None]
        for node in self.nodes.values():
            node.signal(signal.SIGCONT)
            node.signal(signal.SIGTERM)
        end = time.monotonic() + _STOP_SECONDS
        for process in running:
            try:
                process.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def authorities(self) -> bytes:
        """PEM of all regions' authorities: whom a wallet's TLS trusts."""
        return b"".join(node.authority for node in self.nodes.values())


def publish(home: Home, document: PolicyDocument, register: list[CheckpointInfo]) -> None:
    """Put a policy and a register where the node looks for them."""
    name = f"{document.policy}-{document.version}.json"
    write_atomically(home.policies / name, to_json(document).encode())
    listed = [
        {
            "checkpoint": info.checkpoint,
            "names": {name.language: name.text for name in info.names},
            "place": info.place,
            "policy": info.policy,
        }
        for info in register
    ]
    write_atomically(home.checkpoints, json.dumps(listed, ensure_ascii=False).encode())


def free_ports(count: int) -> Iterator[int]:
    """Ports of loopback that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        found = [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
    return iter(found)
