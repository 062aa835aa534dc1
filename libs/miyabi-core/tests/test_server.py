"""What every server of ours does around a call, for all four kinds of call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import grpc
import pytest
from echo_service import NAME, EchoService, add_to_server, call
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from opentelemetry import trace

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi_core import tracing
from miyabi_core.channel import open_channel
from miyabi_core.errors import (
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    ResourceExhaustedError,
    UnavailableError,
)
from miyabi_core.server import GrpcServer
from miyabi_core.status import from_rpc_error
from miyabi_core.testing import running_server

KINDS = ["UnaryUnary", "UnaryStream", "StreamUnary", "StreamStream"]
GOOD = pb.GetBatchRequest(name="batches/01ARZ3NDEKTSV4RRFFQ69G5FAV")


def raising(error: Exception) -> Callable[[Any], None]:
    """Return an act that raises."""

    def act(_context: Any) -> None:
        raise error

    return act


@pytest.mark.parametrize("kind", KINDS)
async def test_good_call_is_answered(kind: str) -> None:
    """A call that breaks no constraint reaches the handler and its answer comes back."""
    async with (
        running_server((add_to_server, EchoService(), NAME)) as target,
        open_channel(target, service=NAME) as channel,
    ):
        assert await call(channel, kind, GOOD) == [GOOD]


@pytest.mark.parametrize("kind", KINDS)
async def test_unforeseen_exception_is_not_echoed(kind: str) -> None:
    """Nothing of an exception that nobody foresaw reaches the caller."""
    service = EchoService(raising(RuntimeError("the password is hunter2")))
    async with running_server((add_to_server, service, NAME)) as target, open_channel(target, service=NAME) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(channel, kind, GOOD)
    error = from_rpc_error(caught.value)
    assert InternalError is type(error)
    assert (error.message, error.reason, error.metadata) == ("Internal error.", "INTERNAL", {})
    assert "hunter2" not in repr(caught.value)


@pytest.mark.parametrize("kind", KINDS)
async def test_own_error_arrives_whole(kind: str) -> None:
    """Code, reason, metadata and retry time of an error of ours arrive as they were raised."""
    raised = ResourceExhaustedError(
        "GitHub wants a pause.",
        reason="GITHUB_RATE_LIMITED",
        metadata={"resource": "core"},
        retry_after=timedelta(seconds=7),
    )
    service = EchoService(raising(raised))
    async with running_server((add_to_server, service, NAME)) as target, open_channel(target, service=NAME) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(channel, kind, GOOD)
    error = from_rpc_error(caught.value)
    assert type(raised) is type(error)
    assert (raised.message, raised.reason, raised.metadata, raised.retry_after) == (
        error.message, error.reason, error.metadata, error.retry_after,
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
async def test_bad_request_never_reaches_the_handler(kind: str) -> None:
    """A request that breaks a constraint is INVALID_ARGUMENT with its field, and the handler does not see it."""
    service = EchoService()
    async with running_server((add_to_server, service, NAME)) as target, open_channel(target, service=NAME) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(channel, kind, pb.GetBatchRequest(name="nonsense"))
    error = from_rpc_error(caught.value)
    assert InvalidArgumentError is type(error)
    assert [violation.field for violation in error.violations] == ["name"]
    assert (service.calls if kind.startswith("Stream") else 0) == 0


class AbortsInATask(EchoService):
    """Ends a call from a task of its own, as a stream does whose messages a task reads."""

    async def unary_unary(self, request: pb.GetBatchRequest, context: Any) -> pb.GetBatchRequest:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(context.abort(grpc.StatusCode.NOT_FOUND, "It is gone."))
        return request


async def test_call_that_a_task_has_ended_is_not_ended_again(caplog: pytest.LogCaptureFixture) -> None:
    """The caller gets the code that the task gave, and nothing is logged as if the handler had failed."""
    service = AbortsInATask()
    async with running_server((add_to_server, service, NAME)) as target, open_channel(target, service=NAME) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(channel, "UnaryUnary", GOOD)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


async def test_message_level_rule_names_its_field() -> None:
    """A rule over several fields is reported under the field that its id names."""
    from protovalidate import Validator

    from miyabi_core.interceptors.validation import invalid_request, violations_of

    found = violations_of(Validator(), pb.SubmitBatchRequest(repository="django/django"))
    assert [violation.field for violation in found] == ["issue_numbers"]
    assert "issue_numbers: set issue_numbers or query" in invalid_request(found).message


async def test_element_of_a_list_is_named_by_position() -> None:
    """A bad element of a list is named with its index."""
    from protovalidate import Validator

    from miyabi_core.interceptors.validation import violations_of

    found = violations_of(Validator(), pb.SubmitBatchRequest(repository="a/b", issue_numbers=[7, 0]))
    assert "issue_numbers[1]" in [violation.field for violation in found]


async def test_health_tells_liveness_from_readiness() -> None:
    """A server that has started is live, and ready only once it says so."""
    server = GrpcServer(service="test", address="127.0.0.1:0")
    port = await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)

        async def status(name: str) -> int:
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=name))
            return answer.status

        serving, not_serving = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
        assert (serving, not_serving, not_serving) == (
            await status("liveness"),
            await status("readiness"),
            await status(""),
        )
        await server.set_ready()
        assert (serving, serving) == (await status("readiness"), await status(""))
    await server.stop(grace=timedelta(0))


async def test_reflection_lists_the_services() -> None:
    """A client without any file learns which services there are."""
    async with (
        running_server((add_to_server, EchoService(), NAME)) as target,
        grpc.aio.insecure_channel(target) as channel,
    ):
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        answers = [answer async for answer in stub.ServerReflectionInfo(iter([request]))]
    assert NAME in [service.name for service in answers[0].list_services_response.service]
    assert descriptor_pb2 is not None


async def test_trace_context_crosses_the_hop() -> None:
    """The handler runs in the trace of its caller."""
    seen: list[str] = []
    service = EchoService(lambda context: seen.append(tracing.current_traceparent()))
    tracing.configure_tracing(service="test")
    async with running_server((add_to_server, service, NAME)) as target, open_channel(target, service=NAME) as channel:
        with trace.get_tracer("test").start_as_current_span("caller"):
            sent = tracing.current_traceparent()
            await call(channel, "UnaryUnary", GOOD)
    assert sent.split("-")[1] == seen[0].split("-")[1]


async def test_taken_address_is_one_clear_error() -> None:
    """Listening where something listens already fails with the address named."""
    server = GrpcServer(service="test", address="127.0.0.1:0")
    port = await server.start()
    second = GrpcServer(service="test", address=f"127.0.0.1:{port}")
    with pytest.raises(UnavailableError, match=f"127.0.0.1:{port}"):
        await second.start()
    await server.stop(grace=timedelta(0))


async def test_not_found_is_not_repeated() -> None:
    """The channel repeats UNAVAILABLE and nothing else."""
    failing = EchoService(raising(NotFoundError("no", reason="BATCH_NOT_FOUND")))
    async with running_server((add_to_server, failing, NAME)) as target, open_channel(target, service=NAME) as channel:
        with pytest.raises(grpc.aio.AioRpcError):
            await call(channel, "UnaryUnary", GOOD)
    assert failing.calls == 1


async def test_unavailable_is_repeated() -> None:
    """A call that meets a server which is away for a moment succeeds at the second try."""

    def fail_once(_context: Any) -> None:
        if service.calls == 1:
            raise UnavailableError("moment", reason="SHUTTING_DOWN")

    service = EchoService(fail_once)
    async with running_server((add_to_server, service, NAME)) as target, open_channel(target, service=NAME) as channel:
        assert await call(channel, "UnaryUnary", GOOD) == [GOOD]
    assert service.calls == 2
