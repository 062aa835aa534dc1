"""Serves operators: `miyabi.coordinator.v1.CoordinatorService`."""

# ruff: noqa: N802 - gRPC names the methods

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1 import coordinator_service_pb2_grpc, event_pb2
from miyabi_coordinator import errors
from miyabi_coordinator.ports.audit import AuditTrail
from miyabi_coordinator.ports.paces import Paces
from miyabi_coordinator.service.listing import list_batches
from miyabi_coordinator.service.shard import Shard, ShardTable
from miyabi_coordinator.service.submitting.submit import Submission
from miyabi_coordinator.service.telling.all_events import AllEvents
from miyabi_coordinator.servicer import page_tokens
from miyabi_coordinator.shards import new_batch_id, shard_of
from miyabi_coordinator.translate import limits, requests, transcripts, values
from miyabi_coordinator.translate.frames import split
from miyabi_core.access.identity import current_identity
from miyabi_core.proto_time import from_timestamp, now, to_timestamp
from miyabi_core.tracing import current_traceparent

#: Batches of a page where the request says nothing.
DEFAULT_PAGE = 50
#: Agents of a page where the request says nothing.
DEFAULT_AGENT_PAGE = 100
#: Steps of limits of a page where the request says nothing.
DEFAULT_STEP_PAGE = 100
#: Audit entries of a page where the request says nothing.
DEFAULT_AUDIT_PAGE = 100
#: Calls of models of a page where the request says nothing: some hundred KB.
DEFAULT_CALLS_PAGE = 20


class CoordinatorServicer(coordinator_service_pb2_grpc.CoordinatorServiceServicer):
    """Translates between messages and use cases; no rule lives here."""

    def __init__(self, shards: ShardTable, audit: AuditTrail, paces: Paces, *, simulated: bool = False) -> None:
        self._shards = shards
        self._audit = audit
        self._paces = paces
        self._simulated = simulated

    async def SubmitBatch(self, request: pb.SubmitBatchRequest, context: Any) -> AsyncIterator[Any]:
        """Accept a batch and stream its events to the end."""
        del context
        request_id = requests.request_id_of(request.request_id)
        number = await self._shards.number_for(request_id)
        shard = self._shards.all[number]
        requester = current_identity().name
        trace = current_traceparent() or ""
        spec = requests.spec_of(request, request_id=request_id, requester=requester, traceparent=trace)
        digest = requests.body_digest(request)
        submission = Submission(
            new_batch_id(number),
            spec,
            requests.filter_of(request),
            digest,
            repeatable=bool(request.request_id),
        )
        batch, repeated = await shard.submit.submit(submission)
        shard.dispatcher.wake()
        if repeated:
            yield await self._reattached(shard, batch)
        async for response in _follow(shard, batch, after=int(repeated), transient=True):
            yield response

    async def _reattached(self, shard: Shard, batch: str) -> pb.SubmitBatchResponse:
        """Return the first event of a batch that the request had made before, marked so."""
        chunks = await shard.store.read_log(batch, after=0)
        response = pb.SubmitBatchResponse(events=[event_pb2.BatchEvent.FromString(next(split(chunks[0].frames)))])
        if response.events[0].HasField("batch_accepted"):
            response.events[0].batch_accepted.reattached = True
        return response

    async def WatchBatch(self, request: pb.WatchBatchRequest, context: Any) -> AsyncIterator[Any]:
        """Replay what was committed, then follow to the end."""
        del context
        shard, batch = self._find(request.name)
        state = await shard.batches.get(batch)
        if state.ended and request.after_sequence >= state.last_sequence:
            return
        transient = not request.committed_only
        async for response in _follow(shard, batch, after=request.after_sequence, transient=transient):
            yield response

    async def GetBatch(self, request: pb.GetBatchRequest, context: Any) -> pb.GetBatchResponse:
        """Return a batch as it is now."""
        del context
        shard, batch = self._find(request.name)
        found = await shard.batches.get(batch)
        runs = await shard.batches.runs(batch)
        eta = None
        if not found.ended:
            agents = await self._shards.all[0].store.list_agents()
            eta = await shard.measuring.eta(found, runs, slots=sum(agent.slots for agent in agents))
        return pb.GetBatchResponse(
            batch=values.batch(found, eta=eta),
            runs=[values.heading(run) for run in runs],
            results=[values.issue_result(run) for run in runs if run.state.terminal],
        )

    async def ListBatches(self, request: pb.ListBatchesRequest, context: Any) -> pb.ListBatchesResponse:
        """Return batches, newest first."""
        del context
        found, position = await list_batches(
            self._shards,
            before=page_tokens.read_batches_token(request.page_token),
            limit=request.page_size or DEFAULT_PAGE,
            repository=request.repository,
            state=int(request.state),
        )
        etas: dict[str, float] = {}
        for number, shard in enumerate(self._shards.all):
            etas |= await shard.measuring.rough_etas([batch for batch in found if shard_of(batch.id) == number])
        shown = [values.batch(batch, eta=etas.get(batch.id)) for batch in found]
        token = page_tokens.batches_token(position) if position else ""
        return pb.ListBatchesResponse(batches=shown, next_page_token=token)

    async def CancelBatch(self, request: pb.CancelBatchRequest, context: Any) -> pb.CancelBatchResponse:
        """End a batch."""
        del context
        shard, batch = self._find(request.name)
        changed = await shard.batches.cancel(batch, reason=request.reason, caller=current_identity())
        shard.sweeper.wake()
        return pb.CancelBatchResponse(batch=values.batch(changed))

    async def PauseBatch(self, request: pb.PauseBatchRequest, context: Any) -> pb.PauseBatchResponse:
        """Give no more leases for a batch."""
        del context
        shard, batch = self._find(request.name)
        paused = await shard.batches.pause(batch, reason=request.reason, caller=current_identity())
        return pb.PauseBatchResponse(batch=values.batch(paused))

    async def ResumeBatch(self, request: pb.ResumeBatchRequest, context: Any) -> pb.ResumeBatchResponse:
        """Give leases again."""
        del context
        shard, batch = self._find(request.name)
        resumed = await shard.batches.resume(batch, caller=current_identity())
        return pb.ResumeBatchResponse(batch=values.batch(resumed))

    async def RetryBatch(self, request: pb.RetryBatchRequest, context: Any) -> pb.RetryBatchResponse:
        """Run failed and skipped issues again."""
        del context
        shard, batch = self._find(request.name)
        retried = await shard.batches.retry(batch, tuple(request.issue_numbers), caller=current_identity())
        return pb.RetryBatchResponse(batch=values.batch(retried))

    async def GetIssueRun(self, request: pb.GetIssueRunRequest, context: Any) -> pb.GetIssueRunResponse:
        """Return one issue of a batch."""
        del context
        shard, batch = self._find(request.name)
        run = await shard.batches.run(batch, int(request.name.split("/")[3]))
        return pb.GetIssueRunResponse(run=values.run(run))

    async def ListAgents(self, request: pb.ListAgentsRequest, context: Any) -> pb.ListAgentsResponse:
        """Return the agents that are attached to any replica."""
        del context
        size = request.page_size or DEFAULT_AGENT_PAGE
        after = page_tokens.read_agents_token(request.page_token)
        agents = [agent for agent in await self._shards.all[0].store.list_agents() if agent.id > after]
        token = page_tokens.agents_token(agents[size - 1].id) if len(agents) > size else ""
        return pb.ListAgentsResponse(agents=[values.agent(agent) for agent in agents[:size]], next_page_token=token)

    async def DrainAgent(self, request: pb.DrainAgentRequest, context: Any) -> pb.DrainAgentResponse:
        """Tell an agent to take no more; one of another replica learns it with its next heartbeat."""
        del context
        agent_id = request.name.removeprefix("agents/")
        shard = self._shards.all[0]
        found = await shard.store.drain_agent(agent_id)
        if found is None:
            raise errors.agent_not_found(agent_id)
        attached = shard.dispatcher.agents.get(agent_id)
        if attached is not None:
            attached.drain("An operator asked for it.")
        return pb.DrainAgentResponse(agent=values.agent(found))

    async def ResolveApproval(self, request: pb.ResolveApprovalRequest, context: Any) -> pb.ResolveApprovalResponse:
        """Approve or decline a pull request."""
        del context
        shard, batch = self._find(request.name)
        issue = int(request.name.split("/")[3])
        caller = current_identity()
        run = await shard.batches.approve(
            batch, issue, approved=request.approved, comment=request.comment, caller=caller
        )
        return pb.ResolveApprovalResponse(run=values.run(run))

    async def WatchEvents(self, request: pb.WatchEventsRequest, context: Any) -> AsyncIterator[Any]:
        """Stream the events of all batches, from a cursor or from now."""
        del context
        everything = AllEvents(self._shards).follow(
            request.cursor,
            from_start=request.from_start,
            gather=request.gather.ToTimedelta(),
            committed_only=request.committed_only,
        )
        async for chunks, cursor in everything:
            wanted = [chunk for chunk in chunks if request.batch in {"", f"batches/{chunk.batch}"}]
            if request.repository:
                wanted = [chunk for chunk in wanted if await self._is_of(chunk.batch, request.repository)]
            if wanted or not chunks:
                rest = pb.WatchEventsResponse(cursor=cursor, time=to_timestamp(now()))
                yield b"".join(chunk.frames for chunk in wanted) + rest.SerializeToString()

    async def ListAuditEntries(self, request: pb.ListAuditEntriesRequest, context: Any) -> pb.ListAuditEntriesResponse:
        """Return who called what that changes something."""
        del context
        before = page_tokens.read_audit_token(request.page_token)
        size = request.page_size or DEFAULT_AUDIT_PAGE
        found, position = await self._audit.page(
            before=before, limit=size, actor=request.actor, resource=request.resource
        )
        token = page_tokens.audit_token(position) if position else ""
        return pb.ListAuditEntriesResponse(
            entries=[values.audit_entry(entry) for entry in found], next_page_token=token
        )

    async def ListModelCalls(self, request: pb.ListModelCallsRequest, context: Any) -> pb.ListModelCallsResponse:
        """Return what the tasks of a run asked models."""
        del context
        shard, batch = self._find(request.parent)
        issue = int(request.parent.split("/")[3])
        await shard.batches.run(batch, issue)
        found, position, gone = await shard.transcripts.page(
            batch,
            issue,
            after=page_tokens.read_calls_token(request.page_token),
            limit=request.page_size or DEFAULT_CALLS_PAGE,
            task=request.task,
        )
        return pb.ListModelCallsResponse(
            model_calls=[transcripts.model_call(head, body) for head, body in found],
            next_page_token=page_tokens.calls_token(position) if position else "",
            gone=gone,
        )

    async def ListLimitSteps(self, request: pb.ListLimitStepsRequest, context: Any) -> pb.ListLimitStepsResponse:
        """Return when limits were changed, and why."""
        del context
        found, position = await self._paces.page(
            before=page_tokens.read_steps_token(request.page_token),
            limit=request.page_size or DEFAULT_STEP_PAGE,
            target=request.target,
            since=from_timestamp(request.start_time).timestamp() if request.HasField("start_time") else 0.0,
        )
        token = page_tokens.steps_token(position) if position else ""
        steps = [limits.limit_step(step) for step in found]
        return pb.ListLimitStepsResponse(steps=steps, next_page_token=token)

    async def _is_of(self, batch: str, repository: str) -> bool:
        """Tell whether a batch works on a repository."""
        shard = self._shards.of_batch(batch)
        spec = await shard.store.load_spec(batch) if shard else None
        return spec is not None and spec.repository == repository

    def _find(self, name: str) -> tuple[Shard, str]:
        """Return the shard and id of a batch that a name begins with."""
        batch = name.split("/")[1]
        shard = self._shards.of_batch(batch)
        if shard is None:
            raise errors.batch_not_found(batch)
        return shard, batch


async def _follow(shard: Shard, batch: str, *, after: int, transient: bool) -> AsyncIterator[bytes]:
    """Yield serialised responses to the end of the batch; one that was retried later goes on behind its first end."""
    async for chunks in shard.hub.follow(batch, after=after, transient=transient):
        yield b"".join(chunk.frames for chunk in chunks)
        if any(chunk.final for chunk in chunks):
            state = await shard.batches.get(batch)
            if state.ended and chunks[-1].last >= state.last_sequence:
                return
