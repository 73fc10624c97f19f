"""What stands before a real node and lies: it has the node's certificate, and all it says.

Calls are handed on as octets, both ways; `lies` replaces the answers of single methods. So
other nodes meet a member that misbehaves in one way and is lawful in all others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import grpc

from guosuo.pb import federation_pb2 as pb

STREAMS: Final = frozenset({"GetBlobs", "Watch"})
Handed = Callable[[bytes], Any]
"""Asks the real node: octets of the answer, or an iterator of them."""
Lie = Callable[[bytes, Handed], Any]
_THREADS: Final = 48
_LARGE: Final = 64 << 20


class Liar(grpc.GenericRpcHandler):
    """A server with a node's own certificate, in front of that node."""

    def __init__(self, tls: Path, other: Path, front: int, target: str) -> None:
        """`tls`: the node's folder of certificates; `other`: that of a member it knows.

        `target`: where the node really listens.
        """
        self._lies: dict[str, Lie] = {}
        self._running: set[Any] = set()
        key, certificate = _read(tls, "node.key"), _read(tls, "node.pem")
        credentials = grpc.ssl_channel_credentials(
            _read(tls, "authority.pem"), _read(other, "node.key"), _read(other, "node.pem")
        )
        self._channel = grpc.secure_channel(target, credentials, _OPTIONS)
        self._pool = ThreadPoolExecutor(_THREADS)
        self._server = grpc.server(self._pool, handlers=[self], options=_OPTIONS)
        served = grpc.ssl_server_credentials([(key, certificate)])
        self._server.add_secure_port(f"127.0.0.1:{front}", served)
        self._server.start()

    @property
    def lies(self) -> dict[str, Lie]:
        """What it lies about, by method. Streams that run end when that changes."""
        return self._lies

    @lies.setter
    def lies(self, lies: dict[str, Lie]) -> None:
        self._lies = lies
        for call in list(self._running):
            call.cancel()

    def close(self) -> None:
        """End it all."""
        self._server.stop(0).wait()
        self._channel.close()
        self._pool.shutdown(wait=False)

    def service(self, handler_call_details: Any) -> Any:  # noqa: ANN401 - gRPC's
        """As gRPC asks."""
        method = str(handler_call_details.method)
        name = method.rpartition("/")[2]
        if name in STREAMS:
            return grpc.unary_stream_rpc_method_handler(
                lambda request, context: self._stream(method, name, request, context)
            )
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: self._unary(method, name, request, context)
        )

    def _unary(self, method: str, name: str, request: bytes, context: Any) -> bytes:  # noqa: ANN401
        def hand(data: bytes) -> bytes:
            real: Any = self._channel.unary_unary(method)
            answer: bytes = real(data, timeout=10)
            return answer

        try:
            lie = self.lies.get(name)
            return hand(request) if lie is None else lie(request, hand)
        except grpc.RpcError as error:
            return _fail(context, error)

    def _stream(
        self,
        method: str,
        name: str,
        request: bytes,
        context: Any,  # noqa: ANN401
    ) -> Iterator[bytes]:
        calls: list[Any] = []

        def hand(data: bytes) -> Any:  # noqa: ANN401
            real: Any = self._channel.unary_stream(method)
            calls.append(real(data, timeout=600))
            self._running.add(calls[-1])
            return calls[-1]

        context.add_callback(lambda: [call.cancel() for call in calls])
        try:
            lie = self.lies.get(name)
            yield from hand(request) if lie is None else lie(request, hand)
        except grpc.RpcError as error:
            if context.is_active():
                _fail(context, error)
        finally:
            self._running.difference_update(calls)


def _fail(context: Any, error: Any) -> bytes:  # noqa: ANN401
    context.set_trailing_metadata(error.trailing_metadata() or ())
    context.abort(error.code(), error.details() or "")
    raise AssertionError


def _read(folder: Path, name: str) -> bytes:
    return (folder / name).read_bytes()


# --- lies -------------------------------------------------------------------------------


def slowly(seconds: float) -> Lie:
    """The truth, much later."""

    def lie(request: bytes, hand: Handed) -> Any:  # noqa: ANN401
        time.sleep(seconds)
        return hand(request)

    return lie


def slow_stream(seconds: float) -> Lie:
    """A stream that begins much later."""

    def lie(request: bytes, hand: Handed) -> Iterator[bytes]:
        time.sleep(seconds)
        yield from hand(request)

    return lie


def silent(_request: bytes, _hand: Handed) -> Iterator[bytes]:
    """A stream that ends at once, without a word."""
    return iter(())


def oversized(_request: bytes, _hand: Handed) -> bytes:
    """Entries of many octets."""
    return pb.ListEntriesResponse(entries=[b"\0" * (30 << 20)], size=1 << 40).SerializeToString()


def oversized_blobs(request: bytes, _hand: Handed) -> Iterator[bytes]:
    """A blob without an end."""
    names = pb.GetBlobsRequest.FromString(request).names
    for _ in range(2000):
        yield pb.GetBlobsResponse(
            name=names[0], data=b"\0" * (60 << 10), more=True
        ).SerializeToString()


def out_of_order(request: bytes, hand: Handed) -> bytes:
    """Entries, the last one first."""
    answer = pb.ListEntriesResponse.FromString(hand(request))
    entries = list(answer.entries)[::-1]
    return pb.ListEntriesResponse(entries=entries, size=answer.size).SerializeToString()


def garbage(_request: bytes, _hand: Handed) -> bytes:
    """No message."""
    return b"\xff" * 100


def withheld(request: bytes, _hand: Handed) -> Iterator[bytes]:
    """No blob is here."""
    for name in pb.GetBlobsRequest.FromString(request).names:
        error = pb.ItemError(code=5, reason="not-found")
        yield pb.GetBlobsResponse(name=name, error=error).SerializeToString()


def rolled_back(note: bytes) -> Lie:
    """A checkpoint of before, and no newer one."""

    def lie(_request: bytes, _hand: Handed) -> bytes:
        return pb.GetCheckpointResponse(note=note).SerializeToString()

    return lie


_OPTIONS: Final = (
    ("grpc.max_receive_message_length", _LARGE),
    ("grpc.max_send_message_length", _LARGE),
    ("grpc.so_reuseport", 0),
)
