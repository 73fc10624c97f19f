"""A federation of real node processes over TLS on loopback, and people who use it.

    with Cluster(tmp_path, regions=4, witnesses=2, epoch_seconds=20) as cluster:
        cluster.wait_for("list-published", epoch=0)
        copy = Copy(cluster)
        citizen = Citizen(cluster, copy, cluster.regions[0])
        citizen.enrol()

Waiting is for what nodes say in their logs or publish, never for a time alone. A node that
ends by itself fails whatever is waited for.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from guosuo.client.blocking import Node as Remote
from guosuo.client.blocking import Session
from guosuo.client.channel import NodeChannel, Patience, Tls
from guosuo.client.errors import NodeFailure
from guosuo.client.federation import FederationClient
from guosuo.curve.entropy import Entropy
from guosuo.federation.charter import (
    HOLD_EPOCHS,
    LATE_EPOCHS,
    Environment,
    Federation,
    Name,
    Parameters,
    open_charter,
)
from guosuo.federation.entries import Action, OrderReason
from guosuo.policy.simple import simple_policy
from guosuo.policy.written import to_json
from guosuo.roles.bundle import default_min_regions
from guosuo.suite import Suite
from guosuo_node.adapter.invented import InventedPerson, invent
from guosuo_node.adapter.standin import StandIn, running
from guosuo_node.cli import making
from guosuo_node.cli.cards import Card
from guosuo_node.cli.making import Wanted
from guosuo_node.host.settings import Home
from tests.support.lying import Liar
from tests.support.node_process import NodeProcess
from tests.support.ports import Balancer, LowPorts
from tests.support.processes import Process
from tests.support.world import POLICY, REGIONS, TESTS_72_H

WITNESSES: Final = ("alpha", "beta", "gamma")
TOKEN: Final = "a-token-of-tests-only"  # noqa: S105 - nothing is behind it
SYSTEM: Final = "stand-in"
_DAY: Final = 86_400
_PAUSE: Final = 0.1


class Cluster:
    """All processes of one federation. Made, but not started, by the constructor."""

    def __init__(
        self,
        folder: Path,
        *,
        regions: int = 4,
        witnesses: int = 2,
        epoch_seconds: int = 20,
        people: int = 64,
        databases: Mapping[str, str] | None = None,
        replicas: Iterable[str] = (),
        liars: Iterable[str] = (),
        skews: Mapping[str, int] | None = None,
        early: int = 0,
    ) -> None:
        """`databases`: URLs by region. `replicas`: regions that get a second process,
        named `<region>-2`, on the same database. `liars`: regions that others reach through
        a `Liar`. `skews`: seconds by which regions' clocks are wrong. `early`: seconds that
        epoch 0 began ago.
        """
        self.folder = folder
        self.regions = REGIONS[:regions]
        self.entropy = Entropy(os.urandom)
        self.nodes: dict[str, NodeProcess] = {}
        self.balancers: dict[str, Balancer] = {}
        self.liars: dict[str, Liar] = {}
        self._fronts: dict[str, int] = {}
        self._replicas, self._liars = tuple(replicas), tuple(liars)
        self._skews = dict(skews or {})
        self._stack = ExitStack()
        self._ports = self._stack.enter_context(LowPorts())
        self.zero = int(time.time()) - early
        people_made = invent(1, people, now=self.zero - 60)
        self._people = iter(people_made)
        application = StandIn(people_made, TOKEN).application()
        self.health_system = self._stack.enter_context(running(application))
        try:
            self._make(witnesses, epoch_seconds, dict(databases or {}))
        except BaseException:
            self._stack.close()
            raise

    # --- making ---------------------------------------------------------------------------

    def _make(self, witnesses: int, epoch_seconds: int, databases: dict[str, str]) -> None:
        cards = []
        for name in (*self.regions, *WITNESSES[:witnesses]):
            node = self._node(name, self.folder / name)
            cards.append(self._init(node, name, databases.get(name)))
        parameters = Parameters(
            epoch_zero=self.zero,
            epoch_seconds=epoch_seconds,
            tick_seconds=1,
            min_regions=default_min_regions(len(self.regions)),
            min_crowd=0,
            slots_per_person=4,
            bucket_slots=16,
            late_epochs=LATE_EPOCHS,
            hold_epochs=HOLD_EPOCHS,
        )
        signed = making.found(cards, Environment.TEST, parameters)
        for name in self.regions:
            signed = making.sign(signed, self.nodes[name].home)
        self.charter = signed.encode()
        self.federation: Federation = open_charter(self.charter, Suite.sha256())
        for node in self.nodes.values():
            making.join(node.home, self.charter, cards, self.entropy, self.zero)
        for name in self.regions:
            self._publish(self.nodes[name].home, name)
        for name in self._replicas:
            self._replica(name)
        for name, front in self._fronts.items():
            node = self.nodes[name]
            other = next(self.nodes[one] for one in self.regions if one != name)
            self.liars[name] = Liar(node.home.tls, other.home.tls, front, node.private)
            self._stack.callback(self.liars[name].close)
        pem = b"".join(node.authority for node in self.nodes.values())
        self.session = Session(Tls(pem), deadline=10.0, patience=Patience(tries=2))
        self._stack.callback(self.session.close)

    def _node(self, name: str, folder: Path) -> NodeProcess:
        command = [sys.executable, "-m", "guosuo", "node", "run", str(folder)]
        process = Process(command, logs=self.folder / "logs", name=name)
        node = NodeProcess(
            name, Home(folder), self._ports.reserve(), self._ports.reserve(), process
        )
        self.nodes[name] = node
        return node

    def _init(self, node: NodeProcess, name: str, database: str | None) -> Card:
        member = name in self.regions
        url, file = self.health_system, "token"
        settings = f'url = "{url}"\nsystem = "{SYSTEM}"\ntoken_file = "{file}"'
        wanted = Wanted(
            name=name,
            names=(Name(language="en", text=f"Region {name}"),),
            listen=node.private,
            public_listen=node.public,
            operator=None if member else f"operator-{name}",
            adapter="health-system",
            adapter_settings=settings,
            reached=self._reached(name, node.peer_port),
            database=database,
            workers=1,
            clock_offset=self._skews.get(name, 0),
        )
        made = dt.datetime.fromtimestamp(self.zero, dt.UTC)
        card = making.init(node.home, wanted, self.entropy, made)
        (node.home.path / file).write_text(f"{TOKEN}\n")
        return card

    def _reached(self, name: str, port: int) -> str | None:
        """Another address for nodes with something before them, which is started with it."""
        if name not in (*self._replicas, *self._liars):
            return None
        front = self._ports.release(self._ports.reserve())
        if name in self._replicas:
            self.balancers[name] = Balancer(front, port)
            self._stack.callback(self.balancers[name].close)
        else:
            self._fronts[name] = front
        return f"127.0.0.1:{front}"

    def _publish(self, home: Home, region: str) -> None:
        document = simple_policy(
            TESTS_72_H,
            region=region,
            policy=POLICY,
            version=1,
            not_before=self.zero - _DAY,
            not_after=self.zero + 30 * _DAY,
        )
        (home.policies / "entry-1.json").write_text(to_json(document))
        gate = {
            "checkpoint": gate_of(region),
            "names": {"en": f"Gate of {region}"},
            "place": "Main road",
            "policy": POLICY,
        }
        home.checkpoints.write_text(json.dumps([gate]))

    def _replica(self, region: str) -> None:
        """A second process of a node: same keys and public files, other ports."""
        first = self.nodes[region]
        node = self._node(f"{region}-2", self.folder / f"{region}-2")
        node.home.path.mkdir()
        for item in first.home.path.iterdir():
            if item.name != "node.toml":
                (node.home.path / item.name).symlink_to(item)
        text = first.home.settings.read_text()
        text = text.replace(first.private, node.private).replace(first.public, node.public)
        node.home.settings.write_text(text)

    # --- life -----------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self.explain(error)
        self.close()

    def start(self, names: Iterable[str] | None = None) -> None:
        """Start all but second processes, or these."""
        first = [name for name in self.nodes if not name.endswith("-2")]
        for name in first if names is None else names:
            node = self.nodes[name]
            for port in (node.peer_port, node.public_port):
                if port in self._ports._held:
                    self._ports.release(port)
            node.start()

    def stop(self) -> None:
        """SIGTERM to all at once; each ends in order, with nothing on standard error."""
        for node in self.nodes.values():
            node.expected = False
            node.process.signal(signal.SIGTERM)
        for node in self.nodes.values():
            node.process.wait_for_exit(code=0)
            assert not node.process.err.read_bytes(), node.process.tail()

    def close(self) -> None:
        """Kill everything."""
        for node in self.nodes.values():
            node.expected = False
            if node.process.is_running:
                node.process.kill()
        self._stack.close()

    def explain(self, error: BaseException) -> None:
        """The ends of all logs, for pytest to print."""
        for node in self.nodes.values():
            error.add_note(node.process.tail(15))

    # --- waiting --------------------------------------------------------------------------

    def wait(self, probe: Callable[[], bool], seconds: float, what: str) -> None:
        """Until it holds; fails if a node ends that should run."""
        end = time.monotonic() + seconds
        while not probe():
            for node in self.nodes.values():
                if node.expected and not node.process.is_running:
                    self._fail(f"{node.name} ended by itself")
            if time.monotonic() > end:
                self._fail(f"not within {seconds:g} s: {what}")
            time.sleep(_PAUSE)

    def wait_for(
        self,
        event: str,
        names: Iterable[str] | None = None,
        *,
        seconds: float = 60.0,
        **fields: object,
    ) -> None:
        """Until all regions' nodes, or these, have said something since their last start."""
        for name in self.regions if names is None else names:
            node = self.nodes[name]
            self.wait(
                lambda node=node: node.has_said(event, **fields),  # type: ignore[misc]
                seconds,
                f"{name} says {event} {fields}",
            )

    def wait_complete(self, epoch: int = 0, seconds: float = 90.0) -> None:
        """Until every region's gate has a list of that epoch or a later one with all keys."""

        def complete(node: NodeProcess) -> bool:
            full = {0: len(self.regions)}
            return any(
                line["event"] == "list-published"
                and line["epoch"] >= epoch
                and line["count"] == full.get(line["epoch"], 2 * len(self.regions))
                for line in node.said(ever=True)
            )

        for name in self.regions:
            node = self.nodes[name]
            self.wait(
                lambda node=node: complete(node),  # type: ignore[misc]
                seconds,
                f"{name} publishes a list with the keys of all",
            )

    def wait_until(self, moment: float) -> None:
        """Until a time of the clock; all nodes must survive it."""
        left = moment - time.time()
        if left > 0:
            self.wait(lambda: time.time() >= moment, left + 5, "the clock")

    def wait_part(self, epoch: int, part: float) -> None:
        """Until a moment of the clockwork, in E/240 from the start of an epoch."""
        self.wait_until(self.federation.clock.moment(epoch, part))

    def wait_judged(
        self, gate: str, region: str, epoch: int, judgement: str = "admit", seconds: float = 60.0
    ) -> None:
        """Until the node of `gate` judges a region's epoch, or a later one, so."""

        def probe() -> bool:
            try:
                states = self.session.run(self.remote(gate).directory.regions())
            except NodeFailure:
                return False
            (state,) = [s for s in states if s.region == region]
            at = state.epoch
            return at is not None and at >= epoch and state.judgement.value == judgement

        self.wait(probe, seconds, f"{gate} judges {region} {epoch}: {judgement}")

    def _fail(self, what: str) -> None:
        error = AssertionError(what)
        self.explain(error)
        raise error

    # --- talking --------------------------------------------------------------------------

    @property
    def epoch(self) -> int:
        """The present one."""
        return self.federation.clock.epoch_at(int(time.time()))

    def remote(self, name: str) -> Remote:
        """A client of everybody's port of a node."""
        return self.session.node(self.nodes[name].public)

    def peer(self, caller: str, name: str) -> FederationClient:
        """A client of a node's port for nodes, with another node's certificate."""
        home, other = self.nodes[caller].home, self.nodes[name]
        chain, key = (home.tls / "node.pem").read_bytes(), (home.tls / "node.key").read_bytes()

        async def made() -> FederationClient:
            channel = NodeChannel(other.private, Tls(other.authority, chain, key))
            self.session._channels.append(channel)
            return FederationClient(channel)

        return self.session.run(made())

    def person(self) -> InventedPerson:
        """Somebody who was not taken yet, with a fresh negative test."""
        return next(self._people)

    def order(self, region: str, action: Action, slots: Iterable[int]) -> int:
        """An order of the region's organisation; the epoch from which it counts."""
        order = making.officer_of(self.nodes[region].home, self.federation).order(
            action,
            slots,
            OrderReason.INFECTION,
            self.entropy.octets(32),
            now=int(time.time()),
        )
        return self.session.run(self.remote(region).status.submit_order(order.encode()))

    def slots_of(self, region: str, person: InventedPerson) -> tuple[int, ...]:
        """As the region's organisation asks for them."""
        officer = making.officer_of(self.nodes[region].home, self.federation)
        now = int(time.time())
        query = officer.query(person.identification, now=now, entropy=self.entropy)
        return self.session.run(self.remote(region).status.find_slots(query.encode()))


def gate_of(region: str) -> str:
    """The name of a region's one checkpoint."""
    return f"gate-{region}"
