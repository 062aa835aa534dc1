"""Registers a servicer whose streams may yield serialised responses: events are encoded once, and relayed as bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc

from miyabi.coordinator.v1 import coordinator_service_pb2_grpc

if TYPE_CHECKING:
    Handler = grpc.RpcMethodHandler[Any, Any]


def add_coordinator(servicer: Any, server: Any) -> None:
    """Do what the generated `add_CoordinatorServiceServicer_to_server` does, for responses that may be bytes."""
    relaying: Any = _Relaying(server)
    coordinator_service_pb2_grpc.add_CoordinatorServiceServicer_to_server(servicer, relaying)


class _Relaying:
    """Stands before a server while handlers are added."""

    def __init__(self, server: Any) -> None:
        self._server = server

    def add_generic_rpc_handlers(self, handlers: tuple[grpc.GenericRpcHandler, ...]) -> None:
        """Add handlers that take bytes as they are."""
        self._server.add_generic_rpc_handlers(tuple(_BytesToo(handler) for handler in handlers))

    def add_registered_method_handlers(self, service: str, handlers: Any) -> None:
        """Add nothing: grpc.aio has no such handlers, and others would pass the generic ones by."""


class _BytesToo(grpc.GenericRpcHandler):
    """Handlers whose responses are messages, or messages that are serialised already."""

    def __init__(self, inner: grpc.GenericRpcHandler) -> None:
        self._inner = inner

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler | None:
        """Return the handler of a call; streams of responses take bytes."""
        handler = self._inner.service(handler_call_details)
        if handler is None or not handler.response_streaming or handler.request_streaming:
            return handler
        behaviour: Any = handler.unary_stream
        return grpc.unary_stream_rpc_method_handler(
            behaviour,
            request_deserializer=handler.request_deserializer,
            response_serializer=_serialise,
        )


def _serialise(response: Any) -> bytes:
    """Return a response as bytes."""
    return response if isinstance(response, bytes) else bytes(response.SerializeToString())
