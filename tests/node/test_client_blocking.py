"""The client without an event loop of the caller's."""

from __future__ import annotations

import asyncio
import threading

import pytest

from guosuo.client.blocking import Session
from guosuo.client.channel import Patience, Tls
from guosuo.client.errors import NodeError, NodeUnreachable
from guosuo.errors import CallerError
from tests.support.fake_node import FakeNode, serving
from tests.support.tls import Authority
from tests.support.world import World

A = "110000"


@pytest.fixture(scope="module")
def world() -> World:
    return World(regions=(A, "330000"))


def test_calls_streams_and_errors_are_those_of_the_asynchronous_client(world: World) -> None:
    authority = Authority.make()
    with (
        serving(FakeNode(world), authority.certificate()) as target,
        Session(Tls(authority.pem)) as session,
    ):
        node = session.node(target)
        assert session.run(node.federation.charter()) == world.signed_charter
        assert session.run(node.directory.node()).federation == world.federation.id
        assert session.run(node.federation.blobs(list(world.blobs))) == world.blobs
        with pytest.raises(NodeError):
            session.run(node.federation.checkpoint("999999"))
        for region, note in session.iterate(node.federation.watch([A])):
            assert (region, note) == (A, FakeNode(world).log(A).note())
            break
        blobs = session.iterate(node.federation.stream_blobs(list(world.blobs)))
        assert {blob.name for blob in blobs} == set(world.blobs)


def test_it_works_inside_a_running_loop_too(world: World) -> None:
    """As in a notebook."""

    async def main(target: str) -> bytes:
        with Session(None) as session:
            return session.run(session.node(target).federation.charter())

    with serving(FakeNode(world)) as target:
        assert asyncio.run(main(target)) == world.signed_charter


def test_closing_ends_the_thread_and_what_comes_later_is_refused() -> None:
    session = Session(None, deadline=1, patience=Patience(tries=1))
    node = session.node("127.0.0.1:1")
    with pytest.raises(NodeUnreachable):
        session.run(node.federation.charter())
    session.close()
    session.close()
    assert not any(thread.name == "guosuo-client" for thread in threading.enumerate())
    with pytest.raises(CallerError):
        session.run(node.federation.charter())
    with pytest.raises(CallerError):
        Session(None).node("example.org:1")
