"""`guosuo node run`: from a node's directory to a running process, and down again."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TextIO

from guosuo.client.channel import NodeChannel, Patience, Tls
from guosuo.client.federation import FederationClient
from guosuo.curve.entropy import Entropy
from guosuo.errors import CallerError, GuosuoError, Reason
from guosuo.federation.charter import Environment, Federation
from guosuo.federation.charters import encode_charters, open_charters
from guosuo.federation.judge import Ruling
from guosuo.federation.witness import parse_request
from guosuo.host.files import write_atomically
from guosuo.host.vault import KeyFile
from guosuo.suite import Suite
from guosuo_node.adapter.desk import Desk
from guosuo_node.adapter.interface import Context
from guosuo_node.adapter.plugins import load_adapter
from guosuo_node.app.keys import fitting, load_keys
from guosuo_node.app.node import Node
from guosuo_node.app.points import arm
from guosuo_node.host import tls
from guosuo_node.host.http import HttpAnswer, HttpServer, metrics_app, public_app
from guosuo_node.host.log import Log, open_log, redirect_libraries
from guosuo_node.host.metrics import CONTENT_TYPE, Metrics
from guosuo_node.host.settings import Home, Settings, address
from guosuo_node.rpc.observe import HostObserver, methods
from guosuo_node.rpc.server import Listener, NodeServer
from guosuo_node.store.store import Store

GRACE: Final = 3.0
"""Seconds that running calls get when the process is asked to stop."""
_WRITING: Final = ("guosuo.v1.Enrolment", "guosuo.v1.Status")
"""Services that only the process that leads offers in earnest."""
_EVERY: Final = 2.0
"""Seconds between updates of the metrics."""


@dataclass(slots=True)
class Serving:
    """Everything of one process."""

    home: Home
    settings: Settings
    federation: Federation
    node: Node
    identity: tls.Identity
    trust: tls.PeerTrust
    log: Log
    metrics: Metrics
    channels: list[NodeChannel] = field(default_factory=list)
    clients: dict[str, FederationClient] = field(default_factory=dict)
    """Of each peer, over the channel that counts now."""

    @classmethod
    def build(cls, home: Home, stream: TextIO = sys.stdout) -> Serving:
        """Read the directory; `CallerError` says what is missing. In a running event loop."""
        settings = Settings.load(home)
        log = open_log(stream, _utc).with_fields(region=settings.name)
        if not home.charter.is_file():
            raise CallerError(
                Reason.STORE_MISSING, "no charter here: join one with guosuo federation join"
            )
        signed = home.charter.read_bytes()
        federation = open_charters(signed, Suite.sha256())
        if settings.clock_offset and federation.charter.environment is Environment.PRODUCTION:
            raise CallerError(
                Reason.ARGUMENT, "node.toml: clock_offset is for test federations only"
            )
        arm(os.environ, federation)
        entropy = Entropy(os.urandom)
        key = KeyFile(home.key)
        every = load_keys((home.keys, *home.renewed_keys()), key)
        keys = fitting(every, federation)
        identity, trust = tls.load_identity(home.tls), tls.PeerTrust.load(home.peers)
        write_atomically(home.public / "charter.cbor", signed)
        desk = None
        if keys.root is not None:
            context = Context(
                settings.name,
                federation.charter.environment is Environment.PRODUCTION,
                home.path,
            )
            desk = Desk(load_adapter(settings.adapter, settings.adapter_settings, context))
        peers = connect(federation, keys.name, identity, trust)
        clients = {name: FederationClient(channel) for name, channel in peers.items()}
        node = Node(
            federation=federation,
            keys=keys,
            earlier_keys=tuple(one for one in every if one is not keys),
            store=Store.open(settings.database or home.database, key, entropy),
            public=home.public,
            policies=home.policies,
            register=home.checkpoints,
            requests=home.requests,
            nodes={
                n: c for n, c in clients.items() if any(n in v.members for v in _recent(federation))
            },
            witnesses={
                n: c
                for n, c in clients.items()
                if any(n in v.witness_keys for v in _recent(federation))
            },
            desk=desk,
            entropy=entropy,
            now=lambda: time.time() + settings.clock_offset,
            tell=log.info,
            holder=f"{socket.gethostname()[:32]}:{home.path.absolute()}"[:200],
            workers=settings.workers,
        )
        metrics = Metrics(
            methods=methods(),
            judgements=[ruling.value for ruling in Ruling],
            queues=(),
            steps=(),
        )
        metrics.set_regions(federation.members)
        expires = federation.charter.expires
        if expires is not None and node.now() >= expires:
            log.warning("charter-expired", version=federation.version)
        return cls(
            home,
            settings,
            federation,
            node,
            identity,
            trust,
            log,
            metrics,
            list(peers.values()),
            clients,
        )

    async def run(self) -> bool:
        """Until SIGTERM or SIGINT, or a later charter is in place; then all ends in order.

        True for a charter: who runs this builds it anew.
        """
        stop = asyncio.Event()
        amended = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        redirect_libraries(self.log)
        async with AsyncExitStack() as stack:
            stack.callback(self.node.store.close)
            stack.push_async_callback(self._close_channels)
            if self.node.desk is not None:
                stack.push_async_callback(self.node.desk.close)
            secured = tls.ServerTls(self.identity, self.trust)
            server = NodeServer(
                self.node.services(),
                public=Listener(self.settings.public_listen, secured.public()),
                peers=Listener(self.settings.listen, secured.peers()),
                authorise=secured.peer_of,
                observer=HostObserver(self.metrics, self.log),
                clock=time.monotonic,
            )
            await server.start()
            stack.push_async_callback(server.stop, GRACE)
            await self._http(stack)
            self.log.info("serving", port=server.public_port)
            work = asyncio.create_task(self.node.run())
            watch = asyncio.create_task(self._measure(server))
            renew = asyncio.create_task(self._renew(secured))
            waiting = asyncio.create_task(_wait(stop))
            changed = asyncio.create_task(self._amended(amended))
            await asyncio.wait({work, waiting, changed}, return_when=asyncio.FIRST_COMPLETED)
            self.log.info("stopping")
            tasks = (watch, renew, work, waiting, changed)
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        self.log.info("stopped")
        for result in results:
            if isinstance(result, Exception):
                raise result
        return amended.is_set() and not stop.is_set()

    async def _amended(self, amended: asyncio.Event) -> None:
        """Until the charter's file is another one than this process began with."""
        while True:
            await asyncio.sleep(_EVERY)
            data = await asyncio.to_thread(self.home.charter.read_bytes)
            if data != encode_charters(self.federation):
                self.log.info("charter-changed")
                amended.set()
                return

    async def _http(self, stack: AsyncExitStack) -> None:
        if self.settings.http_listen is not None:
            app = public_app(self.home.public, add_checkpoint=self._add_checkpoint)
            server = HttpServer(app, clock=time.monotonic)
            host, port = address(self.settings.http_listen)
            await server.start(host, port)
            stack.push_async_callback(server.stop)
        if self.settings.metrics_listen is not None:
            server = HttpServer(
                metrics_app(self.metrics.exposed, CONTENT_TYPE), clock=time.monotonic
            )
            host, port = address(self.settings.metrics_listen)
            await server.start(host, port, loopback_only=True)
            stack.push_async_callback(server.stop)

    async def _add_checkpoint(self, body: bytes) -> HttpAnswer:
        """C2SP tlog-witness by HTTP."""
        desk = self.node.witness
        if desk is None:
            return HttpAnswer(404, b"")
        return await desk.add_checkpoint_http(parse_request(body))

    async def _close_channels(self) -> None:
        for channel in self.channels:
            await channel.close()

    async def _renew(self, secured: tls.ServerTls) -> None:
        """Take certificates and peers' authorities that were put in place while it runs."""
        seen = await asyncio.to_thread(tls.stamps, self.home.tls, self.home.peers)
        while True:
            await asyncio.sleep(_EVERY)
            found = await asyncio.to_thread(tls.stamps, self.home.tls, self.home.peers)
            if found == seen:
                continue
            seen = found
            try:
                identity, trust = (
                    tls.load_identity(self.home.tls),
                    tls.PeerTrust.load(self.home.peers),
                )
                peers = connect(self.federation, self.node.keys.name, identity, trust)
            except (GuosuoError, OSError) as error:
                # Half of a change; what counted goes on to count.
                reason = error.reason.value if isinstance(error, GuosuoError) else "unreadable"
                self.log.warning("tls-refused", reason=reason)
                continue
            secured.change(identity, trust)
            # Streams that run go on over the old connection, which ends by itself.
            self.channels += peers.values()
            for name, channel in peers.items():
                self.clients[name].move(channel)
            self.log.info("tls-changed", count=len(peers))

    async def _measure(self, server: NodeServer) -> None:
        directory = self.node.services().directory
        while directory is not None:
            # Before a federation's first epoch nothing stands anywhere.
            begun = self.node.now() >= self.federation.clock.zero
            for state in await directory.regions() if begun else ():
                if state.epoch is not None:
                    self.metrics.set_region(
                        state.region,
                        epoch=state.epoch,
                        size=state.size,
                        lag=state.lag_seconds,
                        judgement=state.judgement.value,
                    )
            leader = self.node.leader
            leads = leader is not None and not leader.lost
            self.metrics.set_leader(leads=leads)
            # A balancer may send enrolments and orders to the process that takes them.
            for service in _WRITING:
                takes = leader is not None and leads and leader.ready
                await server.set_serving(service, serving=takes)
            await asyncio.sleep(_EVERY)


def _recent(federation: Federation) -> tuple[Federation, ...]:
    """The version before and the newest: in between, those of both are needed."""
    return (*federation.earlier[-1:], federation)


def connect(
    federation: Federation, own: str, identity: tls.Identity, trust: tls.PeerTrust
) -> Mapping[str, NodeChannel]:
    """Channels to every other member's node and witness with an endpoint and an authority."""
    places: dict[str, str] = {}
    for version in _recent(federation):
        charter = version.charter
        places |= {m.region: m.endpoints[0] for m in charter.members if m.endpoints}
        places |= {w.name: w.endpoint for w in charter.witnesses or () if w.endpoint}
    places.pop(own, None)
    missing = sorted(places.keys() - set(trust.names()))
    if missing:
        raise CallerError(
            Reason.STORE_MISSING,
            f"peers/ has no authority for {', '.join(missing)[:80]}: join with their cards",
        )
    return {
        name: NodeChannel(
            place,
            Tls(trust.authority(name), identity.certificate, identity.key),
            patience=Patience(tries=1),
        )
        for name, place in places.items()
    }


def serve(path: Path) -> None:
    """Run a node until it is told to stop."""

    async def main() -> None:
        while await Serving.build(Home(path)).run():
            pass

    asyncio.run(main())


def _utc() -> dt.datetime:
    return dt.datetime.fromtimestamp(time.time(), dt.UTC)


async def _wait(event: asyncio.Event) -> None:
    await event.wait()
