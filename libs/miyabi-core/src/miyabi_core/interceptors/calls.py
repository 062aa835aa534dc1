"""Wraps the handlers of all four kinds of call in one way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc

if TYPE_CHECKING:
    Handler = grpc.RpcMethodHandler[Any, Any]
    Context = grpc.aio.ServicerContext[Any, Any]

#: Services of gRPC itself (health, reflection) have a contract of their own and are left alone.
_FOREIGN_PREFIX = "/grpc."


@dataclass(frozen=True)
class Call:
    """One RPC on its way through the server."""

    service: str  #: full name, for example `miyabi.coordinator.v1.CoordinatorService`
    method: str  #: for example `SubmitBatch`
    metadata: Mapping[str, str]  #: text entries; of a repeated key the last
    context: Context


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Base of the interceptors: override what is needed."""

    def around(self, call: Call) -> AbstractAsyncContextManager[None]:
        """Return what runs around the whole call; an exception of the handler passes through it."""
        raise NotImplementedError

    async def on_request(self, call: Call, request: Any) -> None:
        """See each request before the handler does; raise or abort to refuse it."""

    async def on_response(self, call: Call, response: Any) -> None:
        """See each response before it is sent; abort to send none."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Wrap the handler of the call; unknown methods stay unknown."""
        handler = await continuation(handler_call_details)
        path = handler_call_details.method
        if handler is None or path.startswith(_FOREIGN_PREFIX):
            return handler
        return _wrap(self, handler, handler_call_details)


def _wrap(interceptor: CallInterceptor, handler: Handler, details: grpc.HandlerCallDetails) -> Handler:
    """Build a handler of the same kind that runs inside the interceptor."""
    _, service, method = details.method.split("/", 2)
    metadata = {key: value for key, value in details.invocation_metadata if isinstance(value, str)}

    def call_of(context: Context) -> Call:
        return Call(service, method, metadata, context)

    factories: dict[tuple[bool, bool], tuple[Any, Any]] = {
        (False, False): (grpc.unary_unary_rpc_method_handler, handler.unary_unary),
        (False, True): (grpc.unary_stream_rpc_method_handler, handler.unary_stream),
        (True, False): (grpc.stream_unary_rpc_method_handler, handler.stream_unary),
        (True, True): (grpc.stream_stream_rpc_method_handler, handler.stream_stream),
    }
    factory, behaviour = factories[(handler.request_streaming, handler.response_streaming)]
    wrapper = _stream_response if handler.response_streaming else _unary_response
    wrapped = wrapper(interceptor, behaviour, call_of, streams_in=handler.request_streaming)
    result: Handler = factory(
        wrapped,
        request_deserializer=handler.request_deserializer,
        response_serializer=handler.response_serializer,
    )
    return result


async def _watched(interceptor: CallInterceptor, call: Call, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """Show each request of a stream to the interceptor."""
    async for request in requests:
        await interceptor.on_request(call, request)
        yield request


async def _show(interceptor: CallInterceptor, call: Call, request: Any, *, streams_in: bool) -> Any:
    """Show the request, or prepare a stream so that each is shown when it comes."""
    if streams_in:
        return _watched(interceptor, call, request)
    await interceptor.on_request(call, request)
    return request


def _unary_response(
    interceptor: CallInterceptor, behaviour: Any, call_of: Callable[[Context], Call], *, streams_in: bool
) -> Any:
    """Wrap a handler that answers once."""

    async def handle(request: Any, context: Context) -> Any:
        call = call_of(context)
        async with interceptor.around(call):
            shown = await _show(interceptor, call, request, streams_in=streams_in)
            response = await behaviour(shown, context)
            await interceptor.on_response(call, response)
            return response

    return handle


def _stream_response(
    interceptor: CallInterceptor, behaviour: Any, call_of: Callable[[Context], Call], *, streams_in: bool
) -> Any:
    """Wrap a handler that answers with a stream; it has to be an async generator."""

    async def handle(request: Any, context: Context) -> AsyncIterator[Any]:
        call = call_of(context)
        async with interceptor.around(call):
            shown = await _show(interceptor, call, request, streams_in=streams_in)
            async for response in behaviour(shown, context):
                await interceptor.on_response(call, response)
                yield response

    return handle
