"""Serves agents: `miyabi.coordinator.v1.DispatchService`."""

# ruff: noqa: N802 - gRPC names the methods

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from google.protobuf.duration_pb2 import Duration

from miyabi.coordinator.v1 import dispatch_service_pb2 as pb
from miyabi.coordinator.v1 import dispatch_service_pb2_grpc
from miyabi_coordinator import errors
from miyabi_coordinator.models import AgentInfo, Encoded, LeaseReference, Task
from miyabi_coordinator.service.agents import AttachedAgent, Mail
from miyabi_coordinator.service.shard import Shard, ShardTable
from miyabi_coordinator.shards import shard_of
from miyabi_coordinator.translate import dispatch
from miyabi_core.identity import current_identity


class DispatchServicer(dispatch_service_pb2_grpc.DispatchServiceServicer):
    """One stream an agent: what comes up is handled in its order, what goes down is collected into few messages."""

    def __init__(self, shards: ShardTable) -> None:
        self._shards = shards

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
        lost: list[LeaseReference] = []
        held = [dispatch.reference_of(message) for message in first.hello.held]
        for number, shard in enumerate(self._shards.all):
            mine = [reference for reference in held if shard_of(reference.batch) == number]
            lost.extend(await shard.dispatcher.attach(agent, mine))
        reader = asyncio.create_task(self._read(agent, first, request_iterator))
        try:
            yield pb.AttachResponse(welcome=self._welcome(lost))
            while (mail := await agent.mail()) is not None:
                yield _response(mail)
            if reader.done():
                await reader
            elif agent.gone:
                raise errors.shutting_down()
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
            for shard in self._shards.all:
                await asyncio.shield(shard.dispatcher.detach(agent))

    async def _read(self, agent: AttachedAgent, first: pb.AttachRequest, rest: AsyncIterator[pb.AttachRequest]) -> None:
        """Handle what the agent says until it hangs up."""
        try:
            await self._handle(agent, first)
            async for message in rest:
                if message.HasField("hello"):
                    raise errors.hello_expected()
                await self._handle(agent, message)
        finally:
            agent.close()

    async def _handle(self, agent: AttachedAgent, message: pb.AttachRequest) -> None:
        """Handle one message: all of its outcomes go into one commit."""
        if message.HasField("heartbeat"):
            await self._heartbeat(agent, message.heartbeat)
        for entry in message.progress:
            await self._progress(agent, entry)
        if message.outcomes:
            async with asyncio.TaskGroup() as group:
                for outcome in message.outcomes:
                    group.create_task(self._outcome(agent, outcome))
            for shard in self._shards.all:
                shard.dispatcher.wake()

    async def _heartbeat(self, agent: AttachedAgent, message: pb.Heartbeat) -> None:
        """Renew what the agent names."""
        held = [dispatch.reference_of(entry) for entry in message.held]
        for number, shard in enumerate(self._shards.all):
            mine = [reference for reference in held if shard_of(reference.batch) == number]
            await shard.dispatcher.heartbeat(agent, mine, draining=message.draining)

    async def _progress(self, agent: AttachedAgent, message: pb.Progress) -> None:
        """Log a call or a text; send a piece of text on."""
        reference = dispatch.reference_of(message.reference)
        shard = self._shard(reference)
        if message.WhichOneof("update") in {"text_delta", "step"}:
            shard.hub.offer_text(reference.batch, dispatch.transient_progress(message, agent=agent.info.id))
            return

        def fact(task: Task) -> Encoded:
            return dispatch.committed_progress(message, task=task, agent=agent.info.id, traceparent="", now=time.time())

        await shard.intake.progress(agent, reference, index=message.index, fact=fact)

    async def _outcome(self, agent: AttachedAgent, message: pb.Outcome) -> None:
        """Commit an outcome and acknowledge it."""
        reference = dispatch.reference_of(message.reference)

        def calls(task: Task) -> tuple[Encoded, ...]:
            now = time.time()
            return tuple(
                dispatch.invocation(entry, reference=reference, task=task, agent=agent.info.id, now=now)
                for entry in message.tool_invocations
            )

        outcome = dispatch.outcome_of(message)
        await self._shard(reference).intake.outcome(agent, reference, outcome=outcome, calls=calls)

    def _shard(self, reference: LeaseReference) -> Shard:
        """Return the shard of a lease.

        Raises:
            NotFoundError: there is none.
        """
        shard = self._shards.of_batch(reference.batch)
        if shard is None:
            raise errors.batch_not_found(reference.batch)
        return shard

    def _welcome(self, lost: list[LeaseReference]) -> pb.Welcome:
        """Answer the hello."""
        timing = self._shards.all[0].dispatcher.timing
        lease, heartbeat = Duration(), Duration()
        lease.FromTimedelta(timing.lease)
        heartbeat.FromTimedelta(timing.heartbeat)
        references = [dispatch.reference(reference) for reference in lost]
        return pb.Welcome(lease_duration=lease, heartbeat_interval=heartbeat, lost=references)


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


def _response(mail: Mail) -> pb.AttachResponse:
    """Return everything that waits in one message."""
    response = pb.AttachResponse(
        leases=[dispatch.lease(lease.run, lease.task, spec=lease.spec) for lease in mail.leases],
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
    return response
