"""Calls to a server that is away: most fail at once, some wait for it."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from echo_service import NAME, EchoService, add_to_server, call

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi_core.channel import open_channel
from miyabi_core.free_ports import free_port
from miyabi_core.server import GrpcServer

GOOD = pb.GetBatchRequest(name="batches/01ARZ3NDEKTSV4RRFFQ69G5FAV")


@pytest.mark.parametrize("kind", ["UnaryUnary", "UnaryStream"])
async def test_a_call_waits_for_a_server_that_comes(kind: str) -> None:
    """The call is made while nobody listens, and answered by the server that is started afterwards."""
    port = free_port()
    server = GrpcServer(service="test", address=f"127.0.0.1:{port}")
    server.add(add_to_server, EchoService(), full_name=NAME)
    async with open_channel(f"127.0.0.1:{port}", service=NAME, wait_for_ready=True) as channel:
        answer = asyncio.ensure_future(call(channel, kind, GOOD))
        while (state := channel.get_state(try_to_connect=True)) is not grpc.ChannelConnectivity.TRANSIENT_FAILURE:
            await channel.wait_for_state_change(state)
        assert not answer.done()
        await server.start()
        try:
            assert await answer == [GOOD]
        finally:
            await server.stop()


async def test_a_call_fails_where_it_is_not_to_wait() -> None:
    """Without being asked to, a call says that nobody is there."""
    async with open_channel(f"127.0.0.1:{free_port()}", service=NAME) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(channel, "UnaryUnary", GOOD)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
