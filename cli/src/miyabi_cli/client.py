"""Talks to the coordinator: one channel, readable errors, and a batch's events without gaps through reconnects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

import grpc
from google.protobuf.message import Message

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.coordinator_service_pb2_grpc import CoordinatorServiceStub
from miyabi_cli.calling.problems import from_refusal
from miyabi_cli.errors import CliError, StreamEndedError, from_service
from miyabi_cli.runtime import Runtime, run
from miyabi_core.channel import open_channel
from miyabi_core.errors import MiyabiError
from miyabi_core.status import from_rpc_error

if TYPE_CHECKING:
    from miyabi.coordinator.v1.batch_pb2 import IssueRun
    from miyabi.coordinator.v1.coordinator_service_pb2_grpc import CoordinatorServiceAsyncStub
    from miyabi.coordinator.v1.event_pb2 import BatchEvent
    from miyabi.coordinator.v1.result_pb2 import IssueResult
    from miyabi_cli.caller import Caller
    from miyabi_cli.settings import CliSettings

#: Deadline of a call that answers once.
CALL_TIMEOUT = timedelta(seconds=30)
#: A stream that breaks is opened again after this long, doubling up to the limit below.
FIRST_RECONNECT_DELAY = timedelta(milliseconds=200)
#: Longest wait between two tries; short, since a person is watching.
LONGEST_RECONNECT_DELAY = timedelta(seconds=5)
#: Give up when the coordinator was out of reach this many times in a row (about a minute).
MOST_RECONNECTS = 15

#: Stands for the newest batch.
LATEST = "latest"

T = TypeVar("T")


class CoordinatorClient:
    """The coordinator's RPCs with their errors turned into one readable line."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.stub: CoordinatorServiceAsyncStub = CoordinatorServiceStub(channel)

    async def call(self, answer: Awaitable[T]) -> T:
        """Await a call that answers once.

        Raises:
            CliError: the coordinator refused it or is out of reach.
        """
        try:
            return await answer
        except grpc.aio.AioRpcError as error:
            raise from_service(from_rpc_error(error)) from error

    async def ask(self, method: Callable[..., Awaitable[T]], request: Message) -> T:
        """Call what answers once, within `CALL_TIMEOUT`.

        Raises:
            CliError: the coordinator refused it or is out of reach.
        """
        return await self.call(method(request, timeout=CALL_TIMEOUT.total_seconds()))

    async def resolve(self, name: str) -> str:
        """Return a batch's name; `latest` stands for the newest.

        Raises:
            CliError: there is no batch yet, or the coordinator is out of reach.
        """
        if name != LATEST:
            return name
        request = pb.ListBatchesRequest(page_size=1)
        answer = await self.ask(self.stub.ListBatches, request)
        if not answer.batches:
            raise CliError("there is no batch yet", hint="`miyabi submit OWNER/REPO --issues 60,61` makes one")
        return answer.batches[0].name

    async def results(self, name: str) -> list[IssueResult]:
        """Return what became of each issue of a batch that has ended.

        Raises:
            StreamEndedError: it has not ended.
            CliError: there is no such batch, or the coordinator is out of reach.
        """
        answer = await self.ask(self.stub.GetBatch, pb.GetBatchRequest(name=name))
        if not answer.batch.HasField("end_time"):
            raise StreamEndedError
        return list(answer.results)

    async def run(self, batch: str, number: int) -> IssueRun:
        """Return one issue's run of a batch as it is now.

        Raises:
            CliError: there is none, or the coordinator is out of reach.
        """
        request = pb.GetIssueRunRequest(name=f"{batch}/runs/{number}")
        answer = await self.ask(self.stub.GetIssueRun, request)
        return answer.run

    async def not_known(self, batch: str) -> list[str]:
        """Return what could not be found out when a batch was accepted, and what was left out of it.

        Raises:
            CliError: there is no such batch, or the coordinator is out of reach.
        """
        request = pb.WatchBatchRequest(name=batch, committed_only=True)
        events = self.stub.WatchBatch(request, timeout=CALL_TIMEOUT.total_seconds())
        try:
            async for answer in events:
                return [words for event in answer.events for words in event.batch_accepted.not_known]
        except grpc.aio.AioRpcError as error:
            raise from_service(from_rpc_error(error)) from error
        finally:
            events.cancel()
        return []

    async def resolve_approval(self, batch: str, number: int, *, approved: bool, comment: str) -> IssueRun:
        """Decide on a run that waits for a person; returns it after that.

        Raises:
            CliError: it does not wait, or the coordinator is out of reach.
        """
        from miyabi_core.ids import new_ulid  # noqa: PLC0415 - its library imports that of packages and of mail

        request = pb.ResolveApprovalRequest(
            name=f"{batch}/runs/{number}", approved=approved, comment=comment, request_id=new_ulid()
        )
        answer = await self.ask(self.stub.ResolveApproval, request)
        return answer.run

    async def submit(self, request: pb.SubmitBatchRequest) -> AsyncIterator[BatchEvent]:
        """Submit a batch and yield its events to the last, each once and in order, through broken connections.

        Raises:
            CliError: the batch was refused, or the coordinator stayed out of reach.
        """
        name, sequence = "", 0
        try:
            async for answer in self.stub.SubmitBatch(request):
                for event in answer.events:
                    name, sequence = event.batch, max(sequence, event.sequence)
                    yield event
                    if event.HasField("batch_finished"):
                        return
        except grpc.aio.AioRpcError as error:
            if not name or not _is_broken(error):
                refused = from_rpc_error(error)
                raise (from_refusal(refused) or from_service(refused)) from error
        async for event in self.watch(name, after=sequence):
            yield event

    async def watch(self, name: str, *, after: int = 0, committed_only: bool = False) -> AsyncIterator[BatchEvent]:
        """Yield a batch's events after a sequence, each once and in order, through broken connections.

        Args:
            name: `batches/{ulid}`.
            after: The last sequence that the caller has.
            committed_only: Leave out what is not kept: streamed text and steps.

        Raises:
            CliError: no such batch, or the coordinator stayed out of reach.
        """
        delay, failures = FIRST_RECONNECT_DELAY, 0
        while True:
            try:
                request = pb.WatchBatchRequest(name=name, after_sequence=after, committed_only=committed_only)
                async for answer in self.stub.WatchBatch(request):
                    delay, failures = FIRST_RECONNECT_DELAY, 0
                    for event in answer.events:
                        after = max(after, event.sequence)
                        yield event
                return
            except grpc.aio.AioRpcError as error:
                failures += 1
                if not _is_broken(error) or failures > MOST_RECONNECTS:
                    raise from_service(from_rpc_error(error)) from error
            await asyncio.sleep(delay.total_seconds())
            delay = min(delay * 2, LONGEST_RECONNECT_DELAY)


def _is_broken(error: grpc.aio.AioRpcError) -> bool:
    """Tell a connection that broke, which a new one mends, from an answer."""
    return error.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.ABORTED}


@asynccontextmanager
async def service_channel(
    settings: CliSettings | Caller, target: str, *, service: str
) -> AsyncIterator[grpc.aio.Channel]:
    """Open a channel for the length of the block, with what the settings show of us.

    Args:
        settings: Token and certificates.
        target: host:port.
        service: Full name of the service, for its retries.

    Raises:
        CliError: the target is none, a file of the settings cannot be used, or the token would cross a network in
            plain text.
    """
    if not target or target.startswith(("http:", "https:")):
        raise CliError(
            f"{target!r} is no host:port of a service", hint="MIYABI_COORDINATOR and MIYABI_DASHBOARD have that form"
        )
    try:
        channel = open_channel(target, service=service, security=settings.security())
    except MiyabiError as error:
        raise CliError(error.message) from error
    try:
        yield channel
    finally:
        await channel.close()


@asynccontextmanager
async def coordinator(settings: CliSettings | Caller, *, target: str | None = None) -> AsyncIterator[CoordinatorClient]:
    """Open a channel to the coordinator of the settings, or of *target*, for the length of the block."""
    service = "miyabi.coordinator.v1.CoordinatorService"
    async with service_channel(settings, target or settings.coordinator, service=service) as channel:
        yield CoordinatorClient(channel)


def talk(work: Callable[[Runtime, CoordinatorClient], Awaitable[int]]) -> None:
    """Run a command that talks to the coordinator, and exit with the code that it returns.

    Raises:
        typer.Exit: always.
    """

    async def main(runtime: Runtime) -> int:
        async with coordinator(runtime.caller) as client:
            return await work(runtime, client)

    run(main)


def batch_name(text: str) -> str:
    """Accept `batches/ULID`, the bare ULID, or `latest`.

    Raises:
        CliError: it is neither.
    """
    if text == LATEST:
        return text
    ulid = text.removeprefix("batches/").upper()
    if len(ulid) != 26 or not ulid.isalnum():
        raise CliError(
            f"BATCH must be batches/ULID, a ULID of 26 characters or latest, not {text!r}",
            hint="`miyabi batches` lists them",
        )
    return f"batches/{ulid}"
