"""A service with all four kinds of call, made of messages that are there, for tests of what surrounds a call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb

#: The service's name.
NAME = "miyabi.test.v1.EchoService"


class EchoService:
    """Answers with the name that it was asked for, after doing what the test wants."""

    def __init__(self, act: Callable[[Any], None] = lambda context: None) -> None:
        self.act = act
        self.calls = 0

    async def unary_unary(self, request: pb.GetBatchRequest, context: Any) -> pb.GetBatchRequest:
        self.calls += 1
        self.act(context)
        return request

    async def unary_stream(self, request: pb.GetBatchRequest, context: Any) -> AsyncIterator[pb.GetBatchRequest]:
        self.calls += 1
        yield request
        self.act(context)

    async def stream_unary(self, requests: AsyncIterator[pb.GetBatchRequest], context: Any) -> pb.GetBatchRequest:
        last = pb.GetBatchRequest()
        async for request in requests:
            self.calls += 1
            last = request
        self.act(context)
        return last

    async def stream_stream(
        self, requests: AsyncIterator[pb.GetBatchRequest], context: Any
    ) -> AsyncIterator[pb.GetBatchRequest]:
        async for request in requests:
            self.calls += 1
            yield request
        self.act(context)


def add_to_server(servicer: EchoService, server: Any) -> None:
    """Register as generated code does."""
    codec = {
        "request_deserializer": pb.GetBatchRequest.FromString,
        "response_serializer": pb.GetBatchRequest.SerializeToString,
    }
    handlers = {
        "UnaryUnary": grpc.unary_unary_rpc_method_handler(servicer.unary_unary, **codec),
        "UnaryStream": grpc.unary_stream_rpc_method_handler(servicer.unary_stream, **codec),
        "StreamUnary": grpc.stream_unary_rpc_method_handler(servicer.stream_unary, **codec),
        "StreamStream": grpc.stream_stream_rpc_method_handler(servicer.stream_stream, **codec),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(NAME, handlers),))


async def call(channel: grpc.aio.Channel, kind: str, *requests: pb.GetBatchRequest) -> list[pb.GetBatchRequest]:
    """Call the method of *kind* and return all answers."""
    factory = {
        "UnaryUnary": channel.unary_unary,
        "UnaryStream": channel.unary_stream,
        "StreamUnary": channel.stream_unary,
        "StreamStream": channel.stream_stream,
    }[kind]
    method = factory(
        f"/{NAME}/{kind}",
        request_serializer=pb.GetBatchRequest.SerializeToString,
        response_deserializer=pb.GetBatchRequest.FromString,
    )
    argument = iter(requests) if kind.startswith("Stream") else requests[0]
    if kind.endswith("Stream"):
        return [answer async for answer in method(argument)]
    return [await method(argument)]
