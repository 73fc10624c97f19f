"""The node's two ports.

gRPC in Python either demands a client certificate on a port or never asks for one, and a
wallet has none. So a node listens twice:

- the **public port** (TLS of the server only): Federation's reads, Directory, Enrolment,
  Status. Methods for peers answer PERMISSION_DENIED there;
- the **peer port** (client certificate demanded by TLS, its authority one of the
  federation's): Federation in full and Directory, with limits of its own, so that no
  crowd on the public port stands in the way of the federation.

Both have standard health and reflection, behind the same guard as everything else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from guosuo.errors import CallerError, Reason
from guosuo.pb.directory_pb2_grpc import add_DirectoryServicer_to_server
from guosuo.pb.enrolment_pb2_grpc import add_EnrolmentServicer_to_server
from guosuo.pb.federation_pb2_grpc import add_FederationServicer_to_server
from guosuo.pb.status_pb2_grpc import add_StatusServicer_to_server
from guosuo_node.app.services import Services
from guosuo_node.rpc.federation import PEERS_ONLY, Federation
from guosuo_node.rpc.guard import Authorise, Guard, Observer
from guosuo_node.rpc.home import Directory, Enrolment, Status
from guosuo_node.rpc.limits import Limits

FEDERATION: Final = "guosuo.v1.Federation"
DIRECTORY: Final = "guosuo.v1.Directory"
ENROLMENT: Final = "guosuo.v1.Enrolment"
STATUS: Final = "guosuo.v1.Status"

HARD_SECONDS: Final = 5.0
"""What is left of the calls after the grace ends within this, or is given up."""

_SPARE: Final = 64
"""Calls beyond what the guard lets run: so it is the guard that refuses, with details."""


@dataclass(frozen=True, slots=True)
class Listener:
    """Where a port listens ("host:port", port 0 takes a free one), and its limits."""

    address: str
    credentials: grpc.ServerCredentials = field(repr=False)
    limits: Limits = field(default_factory=Limits)


class _Port:
    """One gRPC server with its guard and its health."""

    def __init__(self, listener: Listener, guard: Guard) -> None:
        self.guard = guard
        self.server = grpc.aio.server(
            interceptors=[guard],
            options=_options(listener.limits),
            # Refuses before it reads: without it, every call on every connection could have
            # a whole request in memory before the guard sees it.
            maximum_concurrent_rpcs=sum(listener.limits.running.values()) + _SPARE,
        )
        self.health = health.aio.HealthServicer()
        self.services: list[str] = []
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self.server)
        try:
            self.number = self.server.add_secure_port(listener.address, listener.credentials)
        except RuntimeError:
            raise CallerError(Reason.ARGUMENT, "cannot listen on that address") from None

    def offer(self, services: Services, *, public: bool) -> None:
        """Adds what the node offers there."""
        add_FederationServicer_to_server(Federation(services.federation), self.server)
        self.services.append(FEDERATION)
        if services.directory is not None:
            add_DirectoryServicer_to_server(Directory(services.directory), self.server)
            self.services.append(DIRECTORY)
        if public and services.enrolment is not None:
            add_EnrolmentServicer_to_server(Enrolment(services.enrolment), self.server)
            self.services.append(ENROLMENT)
        if public and services.status is not None:
            add_StatusServicer_to_server(Status(services.status), self.server)
            self.services.append(STATUS)
        names = (*self.services, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self.server)


class NodeServer:
    """Both ports of a node process. Used once: start, then stop."""

    def __init__(
        self,
        services: Services,
        *,
        public: Listener,
        peers: Listener | None,
        authorise: Authorise,
        observer: Observer,
        clock: Callable[[], float],
    ) -> None:
        """Binds the ports; `CallerError(ARGUMENT)` for an address that cannot be had.

        `authorise` names the member or witness behind a client certificate
        (`host.tls.ServerTls.peer_of`); `clock` in seconds, monotonic. Must be called in a
        running event loop.
        """
        self._public = self._port(public, observer, clock, None)
        self._public.offer(services, public=True)
        self._peers: _Port | None = None
        if peers is not None:
            self._peers = self._port(peers, observer, clock, authorise)
            self._peers.offer(services, public=False)

    @property
    def public_port(self) -> int:
        """Number of the public port."""
        number: int = self._public.number
        return number

    @property
    def peer_port(self) -> int | None:
        """Number of the peer port, if there is one."""
        return None if self._peers is None else self._peers.number

    def running(self) -> int:
        """Calls that run now, on both ports."""
        return sum(port.guard.running() for port in self._ports())

    async def start(self) -> None:
        """Answers from now on. Everything that is offered counts as serving."""
        for port in self._ports():
            await self._set(port, port.services, serving=True)
            await port.server.start()

    async def set_serving(self, service: str, *, serving: bool) -> None:
        """Health of one service, e.g. Enrolment on a process that does not lead."""
        for port in self._ports():
            await self._set(
                port, [name for name in port.services if name == service], serving=serving
            )

    async def stop(self, grace: float) -> None:
        """Health says NOT_SERVING, waiting calls end, others get `grace` seconds.

        Returns at the latest some seconds after the grace, with every connection closed.
        """
        ports = self._ports()
        for port in ports:
            await port.health.enter_graceful_shutdown()
        for port in ports:
            port.guard.stop()
        async with asyncio.timeout(grace + HARD_SECONDS):
            await asyncio.gather(*(port.server.stop(grace) for port in ports))

    def _ports(self) -> tuple[_Port, ...]:
        return (self._public,) if self._peers is None else (self._public, self._peers)

    @staticmethod
    def _port(
        listener: Listener,
        observer: Observer,
        clock: Callable[[], float],
        authorise: Authorise | None,
    ) -> _Port:
        guard = Guard(
            limits=listener.limits,
            clock=clock,
            observer=observer,
            authorise=authorise,
            peers_only=PEERS_ONLY,
        )
        return _Port(listener, guard)

    @staticmethod
    async def _set(port: _Port, services: Iterable[str], *, serving: bool) -> None:
        states = health_pb2.HealthCheckResponse
        for service in services:
            await port.health.set(service, states.SERVING if serving else states.NOT_SERVING)


def _options(limits: Limits) -> list[tuple[str, int]]:
    """gRPC's own settings: everything that is decided before a call reaches the guard."""
    return [
        ("grpc.so_reuseport", 0),  # two nodes on one port would be one node at random
        ("grpc.max_receive_message_length", limits.max_request),
        ("grpc.max_send_message_length", limits.max_response),
        ("grpc.max_metadata_size", limits.max_metadata),
        ("grpc.absolute_max_metadata_size", 2 * limits.max_metadata),
        ("grpc.max_concurrent_streams", limits.streams),
        ("grpc.max_allowed_incoming_connections", limits.connections),
        ("grpc.server_handshake_timeout_ms", round(limits.handshake_seconds * 1000)),
        ("grpc.max_connection_idle_ms", round(limits.idle_seconds * 1000)),
        ("grpc.max_connection_age_ms", round(limits.connection_seconds * 1000)),
        ("grpc.max_connection_age_grace_ms", 60_000),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.http2.min_ping_interval_without_data_ms", 20_000),
        # Nobody's compressed kilobyte becomes a megabyte here.
        ("grpc.compression_enabled_algorithms_bitset", 1),
    ]
