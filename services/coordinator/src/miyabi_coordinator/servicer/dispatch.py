"""Serves agents: `miyabi.coordinator.v1.DispatchService`."""

# ruff: noqa: N802 - gRPC names the methods

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any

from google.protobuf.duration_pb2 import Duration
from prometheus_client import Counter

from miyabi.coordinator.v1 import dispatch_service_pb2 as pb
from miyabi.coordinator.v1 import dispatch_service_pb2_grpc, event_pb2, limits_pb2
from miyabi_coordinator import errors
from miyabi_coordinator.models import AgentInfo, Encoded, LeaseReference, Task
from miyabi_coordinator.models.pacing import LimitReason
from miyabi_coordinator.service.dispatching.agents import Acknowledgement, AttachedAgent, GrantedLease, Mail
from miyabi_coordinator.service.dispatching.outcomes import Report, Reported
from miyabi_coordinator.service.limiting.feedback import SLOTS, Feedback
from miyabi_coordinator.service.shard import Shard, ShardTable
from miyabi_coordinator.service.telling import spans
from miyabi_coordinator.shards import shard_of
from miyabi_coordinator.translate import dispatch, limits, transcripts
from miyabi_coordinator.translate.grants import signed_grant
from miyabi_core.access.identity import current_identity
from miyabi_core.grants import GrantKeys
from miyabi_core.logging import get_logger
from miyabi_core.metrics import REGISTRY
from miyabi_core.text import exact

#: Messages of an agent that wait for one shard; beyond them the stream waits, so that a dead shard fills no memory.
LANE = 64

UNKNOWN_PROGRESS = Counter(
    "miyabi_progress_unknown_total",
    "Reports of agents of a kind that this replica does not know; they are left out of the batch's log.",
    registry=REGISTRY,
)
_LOG = get_logger(__name__)


class DispatchServicer(dispatch_service_pb2_grpc.DispatchServiceServicer):
    """One stream an agent: what comes up is handled in its order, what goes down is collected into few messages."""

    def __init__(self, shards: ShardTable, feedback: Feedback, grant_keys: GrantKeys | None = None) -> None:
        self._shards = shards
        self._feedback = feedback
        self._grant_keys = grant_keys

    async def Attach(
        self, request_iterator: AsyncIterator[pb.AttachRequest], context: Any
    ) -> AsyncIterator[pb.AttachResponse]:
        """Serve an agent until it hangs up or is told to go elsewhere."""
        del context
        first = await anext(aiter(request_iterator), None)
        if first is None or not first.HasField("hello"):
            raise errors.hello_expected()
        caller = current_identity()
        if not caller.may_attach_as(first.hello.agent_id):
            raise errors.not_its_agent_id(first.hello.agent_id, caller.name)
        if not self._shards.all[0].dispatcher.accepting:
            raise errors.shutting_down()
        agent = AttachedAgent(_info_of(first.hello))
        reader: asyncio.Task[None] | None = None
        try:
            lost = await self._attach(agent, first.hello)
            self._feedback.attach(agent)
            reader = asyncio.create_task(self._read(agent, first, request_iterator))
            yield pb.AttachResponse(welcome=self._welcome(lost))
            while (mail := await agent.mail()) is not None:
                yield _response(mail, self._grant_keys)
            if reader.done():
                await reader
            elif agent.gone:
                raise errors.shutting_down()
        finally:
            if reader is not None:
                reader.cancel()
                await asyncio.gather(reader, return_exceptions=True)
            await asyncio.shield(self._detach(agent))

    async def _attach(self, agent: AttachedAgent, hello: pb.Hello) -> list[LeaseReference]:
        """Take the agent in on every shard; returns the held leases that are lost."""
        lost: list[LeaseReference] = []
        held = [dispatch.reference_of(message) for message in hello.held]
        for number, shard in enumerate(self._shards.all):
            mine = [reference for reference in held if shard_of(reference.batch) == number]
            lost.extend(await shard.dispatcher.attach(agent, mine))
        return lost

    async def _detach(self, agent: AttachedAgent) -> None:
        """Forget the stream on every shard; one whose store is away keeps the agent's entry until it is back."""
        self._feedback.detach(agent)
        for answer in await asyncio.gather(
            *(shard.dispatcher.detach(agent) for shard in self._shards.all), return_exceptions=True
        ):
            if isinstance(answer, BaseException):
                _LOG.warning("dispatch.agent_not_removed", agent=agent.info.id, error=str(answer))

    async def _read(self, agent: AttachedAgent, first: pb.AttachRequest, rest: AsyncIterator[pb.AttachRequest]) -> None:
        """Handle what the agent says until it hangs up; what concerns one shard does not wait for another."""
        lanes: list[asyncio.Queue[pb.AttachRequest | None]] = [asyncio.Queue(LANE) for _ in self._shards.all]
        try:
            if len(lanes) == 1:
                # With one shard nothing can hold up another.
                async for message in _messages(first, rest):
                    self._note_limits(agent, message.heartbeat.limits)
                    await self._handle(agent, self._shards.all[0], message)
                return
            async with asyncio.TaskGroup() as group:
                for number, lane in enumerate(lanes):
                    group.create_task(self._serve_lane(agent, number, lane))
                async for message in _messages(first, rest):
                    self._note_limits(agent, message.heartbeat.limits)
                    await self._sort(agent, message, lanes)
                for lane in lanes:
                    await lane.put(None)
        finally:
            agent.close()

    def _note_limits(self, agent: AttachedAgent, reports: Sequence[limits_pb2.TargetReport]) -> None:
        """Pass on what the agent saw of targets; shares come as mail."""
        for report in reports:
            if report.target == SLOTS:
                reason = LimitReason(report.reason) if report.reason else None
                self._feedback.slots(agent, report.limit, reason=reason, detail=exact(report.detail))
            else:
                self._feedback.report(agent, report.target, limits.seen_of(report))

    async def _sort(
        self, agent: AttachedAgent, message: pb.AttachRequest, lanes: Sequence[asyncio.Queue[pb.AttachRequest | None]]
    ) -> None:
        """Put each part of a message into the lane of its shard; every shard gets the heartbeat.

        What names a shard that is not there is of no batch: its outcome is refused, and the stream goes on.
        """
        parts: dict[int, pb.AttachRequest] = {}
        for number in range(len(lanes)) if message.HasField("heartbeat") else ():
            part = parts.setdefault(number, pb.AttachRequest())
            part.heartbeat.draining = message.heartbeat.draining
            held = [(entry, shard_of(dispatch.reference_of(entry).batch)) for entry in message.heartbeat.held]
            part.heartbeat.held.extend(entry for entry, home in held if home == number)
        for entry in message.progress:
            number = shard_of(dispatch.reference_of(entry.reference).batch)
            if number < len(lanes):
                parts.setdefault(number, pb.AttachRequest()).progress.append(entry)
        for outcome in message.outcomes:
            reference = dispatch.reference_of(outcome.reference)
            number = shard_of(reference.batch)
            if number < len(lanes):
                parts.setdefault(number, pb.AttachRequest()).outcomes.append(outcome)
            else:
                agent.acknowledge(Acknowledgement(reference, accepted=False, reason="BATCH_NOT_FOUND"))
        for number, part in parts.items():
            await lanes[number].put(part)

    async def _serve_lane(
        self, agent: AttachedAgent, number: int, lane: asyncio.Queue[pb.AttachRequest | None]
    ) -> None:
        """Handle what concerns one shard, in order."""
        while (message := await lane.get()) is not None:
            await self._handle(agent, self._shards.all[number], message)

    async def _handle(self, agent: AttachedAgent, shard: Shard, message: pb.AttachRequest) -> None:
        """Handle one message: all of its outcomes go into one commit."""
        if message.HasField("heartbeat"):
            held = [dispatch.reference_of(entry) for entry in message.heartbeat.held]
            await shard.dispatcher.heartbeat(agent, held, draining=message.heartbeat.draining)
        if message.progress:
            await self._progress(agent, shard, message.progress)
        if message.outcomes:
            await self._outcomes(agent, shard, message.outcomes)

    async def _progress(self, agent: AttachedAgent, shard: Shard, messages: Sequence[pb.Progress]) -> None:
        """Send pieces of text and steps on; log calls and texts together; keep calls of models beside the log.

        What only a newer version knows is left out.
        """
        reports, model_calls = [], []
        for message in messages:
            reference = dispatch.reference_of(message.reference)
            update = message.WhichOneof("update")
            if update is None:
                UNKNOWN_PROGRESS.inc()
            elif update in {"text_delta", "step"}:
                shard.hub.offer_text(reference.batch, dispatch.transient_progress(message, agent=agent.info.id))
            elif update == "model_call":
                model_calls.append(transcripts.reported(message))
            else:
                fact = partial(_fact, message, agent.info.id)
                reports.append(Report(reference, message.index, fact))
        if reports:
            await shard.intake.progress(agent, reports)
        if model_calls:
            await shard.transcripts.record(model_calls)

    async def _outcomes(self, agent: AttachedAgent, shard: Shard, messages: Sequence[pb.Outcome]) -> None:
        """Commit the outcomes of a shard together, and acknowledge each; the slots are free for any shard."""
        reported = []
        for message in messages:
            reference = dispatch.reference_of(message.reference)
            calls = partial(_calls, message.tool_invocations, reference, agent.info.id)
            reported.append(Reported(reference, dispatch.outcome_of(message), calls))
        await shard.intake.outcomes(agent, reported)
        for other in self._shards.all:
            other.dispatcher.wake()

    def _welcome(self, lost: list[LeaseReference]) -> pb.Welcome:
        """Answer the hello."""
        timing = self._shards.all[0].dispatcher.timing
        lease, heartbeat = Duration(), Duration()
        lease.FromTimedelta(timing.lease)
        heartbeat.FromTimedelta(timing.heartbeat)
        references = [dispatch.reference(reference) for reference in lost]
        return pb.Welcome(lease_duration=lease, heartbeat_interval=heartbeat, lost=references)


async def _messages(first: pb.AttachRequest, rest: AsyncIterator[pb.AttachRequest]) -> AsyncIterator[pb.AttachRequest]:
    """Yield all messages of a stream.

    Raises:
        InvalidArgumentError: a hello came later than first.
    """
    yield first
    async for message in rest:
        if message.HasField("hello"):
            raise errors.hello_expected()
        yield message


def _fact(message: pb.Progress, agent: str, task: Task) -> Encoded:
    """Return the event of a report."""
    return dispatch.committed_progress(message, task=task, agent=agent, traceparent="", now=time.time())


def _calls(
    messages: Sequence[event_pb2.ToolInvocation], reference: LeaseReference, agent: str, task: Task
) -> tuple[Encoded, ...]:
    """Return the events of the calls that an outcome brings along."""
    now = time.time()
    return tuple(dispatch.invocation(entry, reference=reference, task=task, agent=agent, now=now) for entry in messages)


def _info_of(hello: pb.Hello) -> AgentInfo:
    """Return what the coordinator keeps of an agent."""
    now = time.time()
    return AgentInfo(
        hello.agent_id,
        tuple(int(kind) for kind in hello.capabilities),
        hello.slots,
        hello.version,
        attached=now,
        last_seen=now,
        leased=len(hello.held),
        simulated_model=hello.simulated_model,
    )


def _lease(granted: GrantedLease, keys: GrantKeys | None) -> pb.Lease:
    """Return a lease with the grant of what its task writes."""
    traceparent = spans.below_lease(granted.run, granted.task)
    message = dispatch.lease(granted.run, granted.task, spec=granted.spec, traceparent=traceparent)
    message.grant = signed_grant(granted.run, granted.task, spec=granted.spec, keys=keys, now=time.time())
    return message


def _response(mail: Mail, keys: GrantKeys | None) -> pb.AttachResponse:
    """Return everything that waits in one message."""
    response = pb.AttachResponse(
        leases=[_lease(granted, keys) for granted in mail.leases],
        acknowledgements=[
            pb.OutcomeAcknowledgement(
                reference=dispatch.reference(entry.reference), accepted=entry.accepted, reason=entry.reason
            )
            for entry in mail.acknowledgements
        ],
        cancellations=[
            pb.LeaseCancellation(reference=dispatch.reference(reference), reason=reason)
            for reference, reason in mail.cancellations
        ],
    )
    if mail.drain:
        response.drain.reason = mail.drain
    if mail.shares or mail.limits_off:
        response.limits.CopyFrom(limits.limits(mail.shares.values(), off=mail.limits_off))
    return response
