"""What stands in front of every method of a port, gRPC's own services included.

In this order: who calls (by client certificate, else by address), rate and number of
calls, the request's form, a deadline whatever the client asked for, the method itself,
and the end: one status of the table for whatever was raised.

Requests are decoded here, not by gRPC, so that octets which are no message of that kind
get a status of the table, after the limits and without a traceback in the log.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Final, Never, Protocol

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from guosuo.errors import PeerError, Reason
from guosuo_node.app.faults import Fault, ServiceError
from guosuo_node.rpc.caller import called_by
from guosuo_node.rpc.errors import DETAILS_KEY, Refused, refusal_of
from guosuo_node.rpc.limits import Admission, Limits, Sort, caller_of, sort_of

Authorise = Callable[[bytes], str | None]
"""From a client's certificate (PEM) to the member or witness it belongs to, or None."""

Context = grpc.aio.ServicerContext
_Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[Any]]

_CANCELLED: Final = "CANCELLED"


class Observer(Protocol):
    """What counts and logs calls; nothing about callers or contents is told to it."""

    def started(self, method: str) -> None:
        """A call came in."""
        ...

    def finished(self, method: str, code: str, seconds: float) -> None:
        """It ended with the status code of that name."""
        ...

    def failed(self, method: str, error: BaseException) -> None:
        """A bug: an exception that nobody expected. Its text may hold anything."""
        ...


class Guard(grpc.aio.ServerInterceptor):
    """The interceptor of one port."""

    def __init__(
        self,
        *,
        limits: Limits,
        clock: Callable[[], float],
        observer: Observer,
        authorise: Authorise | None,
        peers_only: frozenset[str],
    ) -> None:
        """Without `authorise` nobody is a peer, and methods of `peers_only` answer nobody."""
        self._limits = limits
        self._clock = clock
        self._observer = observer
        self._authorise = authorise
        self._peers_only = peers_only
        self._admission = Admission(limits, clock)
        self._long: set[asyncio.Timeout] = set()
        self._stopping = False

    def running(self) -> int:
        """Calls that run now."""
        return self._admission.running()

    def stop(self) -> None:
        """Ends calls that wait for news, and takes no new ones: UNAVAILABLE, "stopping"."""
        self._stopping = True
        now = asyncio.get_running_loop().time()
        for timeout in self._long:
            timeout.reschedule(now)

    async def intercept_service(
        self, continuation: _Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Any:  # noqa: ANN401 - gRPC's handlers have no type in common
        """The same handler behind this guard."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        method = handler_call_details.method
        if handler.request_streaming:
            # Reflection only: it reads and writes as it likes, in messages of its own.
            return grpc.stream_stream_rpc_method_handler(
                self._streaming(method, handler.stream_stream, None),
                handler.request_deserializer,
                handler.response_serializer,
            )
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(
                self._streaming(method, handler.unary_stream, handler.request_deserializer),
                None,
                handler.response_serializer,
            )
        return grpc.unary_unary_rpc_method_handler(
            self._unary(method, handler.unary_unary, handler.request_deserializer),
            None,
            handler.response_serializer,
        )

    def _unary(self, method: str, behaviour: Any, decode: Any) -> Any:  # noqa: ANN401
        async def run(request: bytes, context: Context[Any, Any]) -> Any:  # noqa: ANN401
            async def work() -> Any:  # noqa: ANN401
                return await behaviour(_decoded(decode, request), context)

            return await self._guarded(method, context, work)

        return run

    def _streaming(self, method: str, behaviour: Any, decode: Any) -> Any:  # noqa: ANN401
        async def run(request: Any, context: Context[Any, Any]) -> None:  # noqa: ANN401
            async def work() -> None:
                result = behaviour(
                    request if decode is None else _decoded(decode, request), context
                )
                if inspect.isawaitable(result):
                    await result
                    return
                try:
                    async for message in result:
                        await context.write(message)
                finally:
                    await result.aclose()

            await self._guarded(method, context, work)

        return run

    async def _guarded(
        self, method: str, context: Context[Any, Any], work: Callable[[], Awaitable[Any]]
    ) -> Any:  # noqa: ANN401
        """The method's result, or the call aborted with a status of the table."""
        begun = self._clock()
        self._observer.started(method)
        code = _CANCELLED
        try:
            result = await self._bounded(method, context, work)
            code = grpc.StatusCode.OK.name
        except grpc.aio.AbortError:
            # gRPC's own services end their calls themselves.
            code = grpc.StatusCode.NOT_FOUND.name
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the table has an end for it
            end = refusal_of(error)
            code = end.code.name
            if end.code is grpc.StatusCode.INTERNAL:
                self._observer.failed(method, error)
            await _abort(context, end)
        finally:
            self._observer.finished(method, code, self._clock() - begun)
        return result

    async def _bounded(
        self, method: str, context: Context[Any, Any], work: Callable[[], Awaitable[Any]]
    ) -> Any:  # noqa: ANN401
        sort = sort_of(method)
        peer = self._peer(context)
        caller = caller_of(context.peer()) if peer is None else f"peer {peer}"
        if self._stopping:
            raise ServiceError(Fault.STOPPING)
        with self._admission.entered(sort, caller):
            if method in self._peers_only and peer is None:
                raise ServiceError(Fault.PEER_UNKNOWN)
            timeout = asyncio.timeout(self._limits.seconds[sort])
            try:
                async with timeout:
                    if sort is Sort.LONG:
                        self._long.add(timeout)
                    with called_by(peer):
                        return await work()
            except TimeoutError:
                if timeout.expired():
                    raise ServiceError(self._timed_out(sort)) from None
                raise
            finally:
                self._long.discard(timeout)

    def _timed_out(self, sort: Sort) -> Fault:
        return Fault.STOPPING if self._stopping and sort is Sort.LONG else Fault.DEADLINE

    def _peer(self, context: Context[Any, Any]) -> str | None:
        """The member or witness behind the client's certificate."""
        if self._authorise is None:
            return None
        shown = list(context.auth_context().get("x509_pem_cert", ()))
        return self._authorise(shown[0]) if shown else None


def _decoded(decode: Callable[[bytes], Any], request: bytes) -> Any:  # noqa: ANN401
    try:
        return decode(request)
    except DecodeError:
        raise PeerError(Reason.MESSAGE_SHAPE) from None


async def _abort(context: Context[Any, Any], end: Refused) -> Never:
    await context.abort(end.code, end.reason, ((DETAILS_KEY, end.details()),))
