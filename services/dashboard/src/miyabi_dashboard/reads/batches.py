"""Reads of batches over HTTP: lists, runs, logs, timelines, graphs, what models were asked."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

from aiohttp import web

from miyabi.coordinator.v1 import batch_pb2, event_pb2
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.state_pb2 import BatchState
from miyabi.coordinator.v1.transcript_pb2 import ModelCall
from miyabi_dashboard.policy import READ
from miyabi_dashboard.reads import batch_log
from miyabi_dashboard.reads.graph import Graphs
from miyabi_dashboard.reads.live_batches import LiveBatches
from miyabi_dashboard.reads.spans import PHASES
from miyabi_dashboard.reads.timelines import Timelines
from miyabi_dashboard.serving.parameters import (
    AFTER,
    BATCH,
    NAMED_BATCH,
    NUMBER,
    PAGE_TOKEN,
    REPOSITORY,
    array_of,
    object_of,
    page_size,
    text,
    whole,
)
from miyabi_dashboard.serving.query import Query
from miyabi_dashboard.serving.routes import Route
from miyabi_dashboard.upstream import CALL_SECONDS, Upstream, as_dict

#: Events of one page of a batch's log.
MOST_EVENTS = 1000
#: States that batches are asked for by.
_STATES = [name for name, number in BatchState.items() if number]
_SPAN = object_of(
    taskId={"type": "string"}, kind={"type": "string"}, attempt={"type": "integer"}, fixRound={"type": "integer"},
    phase={"enum": sorted({"work", *PHASES.values()})}, start={"type": "number"}, end={"type": ["number", "null"]},
    agent={"type": "string"}, state={"type": "string"}, critical={"type": "boolean"},
)  # fmt: skip
_TIMELINE = object_of(
    batch=batch_pb2.Batch, start={"type": "number"}, end={"type": ["number", "null"]}, now={"type": "number"},
    rows=array_of(object_of(issueNumber={"type": "integer"}, title={"type": "string"}, spans=array_of(_SPAN))),
    criticalPathSeconds={"type": "number"},
)  # fmt: skip
_GRAPH = object_of(
    levelOfDetail={"enum": ["issues", "tasks"]}, nodes=array_of({"type": "object"}), edges=array_of({"type": "object"})
)


class BatchReads:
    """Serves reads of batches.

    Args:
        upstream: Knows them.
        batches: Those that somebody looks at.
        simulated: GitHub or the model is.
    """

    def __init__(self, upstream: Upstream, batches: LiveBatches, *, simulated: bool) -> None:
        self._upstream = upstream
        self._batches = batches
        self._graphs = Graphs(batches)
        self._timelines = Timelines(upstream)
        self._simulated = simulated

    def routes(self) -> list[Route]:
        """Return the routes."""
        listed = (REPOSITORY, text("state", "Only in this state.", enum=_STATES), page_size(500, 50), PAGE_TOKEN)
        batches = object_of(
            batches=array_of(batch_pb2.Batch), nextPageToken={"type": "string"}, simulated={"type": "boolean"}
        )
        logged = (
            AFTER,
            whole("limit", "Events, at most; an export in lines has all.", 1, MOST_EVENTS, default=MOST_EVENTS),
            text("format", "A page, or the whole log as lines of JSON.", enum=["json", "ndjson"], default="json"),
        )
        events = object_of(
            events=array_of(event_pb2.BatchEvent), lastSequence={"type": "integer"}, complete={"type": "boolean"}
        )
        transcript = (
            text("task", "Only calls of this task.", pattern="^[a-z0-9-]{0,64}$"), page_size(100, 20), PAGE_TOKEN,
        )  # fmt: skip
        graph = (
            NAMED_BATCH,
            text("level", "What is drawn. Default: tasks, unless there are very many.", enum=["issues", "tasks"]),
        )  # fmt: skip
        one, run = (BATCH,), (BATCH, NUMBER)
        base, run_path = "/api/batches/{batch}", "/api/batches/{batch}/runs/{number}"
        calls = object_of(calls=array_of(ModelCall), nextPageToken={"type": "string"}, gone={"type": "integer"})
        return [
            Route("GET", "/api/batches", self._list, "Batches, newest first.", batches, READ, listed),
            Route("GET", base, self._one, "A batch with its runs and results.", pb.GetBatchResponse, READ, (), one),
            Route("GET", f"{base}/events", self._events, "Its log, committed events only.", events, READ, logged, one),
            Route("GET", f"{base}/timeline", self._timeline, "What was done when.", _TIMELINE, READ, (), one),
            Route("GET", run_path, self._run, "A run with its results.", pb.GetIssueRunResponse, READ, (), run),
            Route(
                "GET", f"{run_path}/transcript", self._calls, "What models were asked.", calls, READ, transcript, run
            ),
            Route("GET", "/api/graph", self._graph, "A batch, or the newest, as nodes and edges.", _GRAPH, READ, graph),
        ]

    async def _list(self, request: web.Request, query: Query) -> Any:
        """Answer a page of batches."""
        del request
        wanted = pb.ListBatchesRequest(
            page_size=query["pageSize"], page_token=query.get("pageToken", ""), repository=query.get("repository", ""),
            state=BatchState.Value(query["state"]) if "state" in query else BatchState.BATCH_STATE_UNSPECIFIED,
        )  # fmt: skip
        answer = await self._upstream.stub.ListBatches(wanted, timeout=CALL_SECONDS)
        batches = [as_dict(batch) for batch in answer.batches]
        return {"batches": batches, "nextPageToken": answer.next_page_token, "simulated": self._simulated}

    async def _one(self, request: web.Request, query: Query) -> Any:
        """Answer one batch with its runs."""
        del request
        return await self._upstream.batch(_name(query))

    async def _events(self, request: web.Request, query: Query) -> Any:
        """Answer a page of a batch's log, or all of it."""
        name, after = _name(query), query["after"]
        newest = (await self._batches.get(name)).sequence
        if query["format"] == "json":
            return await batch_log.page(self._upstream, name, newest=newest, after=after, limit=query["limit"])
        response = web.StreamResponse()
        response.content_type = "application/x-ndjson"
        response.headers["content-disposition"] = f'attachment; filename="{query["batch"]}.ndjson"'
        response.enable_compression()
        await response.prepare(request)
        async with aclosing(batch_log.lines(self._upstream, name, newest=newest, after=after)) as pieces:
            async for piece in pieces:
                await response.write(piece)
        await response.write_eof()
        return response

    async def _timeline(self, request: web.Request, query: Query) -> Any:
        """Answer what was done when."""
        del request
        return await self._timelines.get(_name(query))

    async def _run(self, request: web.Request, query: Query) -> Any:
        """Answer one run with its results."""
        del request
        return await self._upstream.run(_run_name(query))

    async def _calls(self, request: web.Request, query: Query) -> Any:
        """Answer what the tasks of a run asked models."""
        del request
        wanted = pb.ListModelCallsRequest(
            parent=_run_name(query), task=query.get("task", ""), page_size=query["pageSize"],
            page_token=query.get("pageToken", ""),
        )  # fmt: skip
        answer = await self._upstream.stub.ListModelCalls(wanted, timeout=CALL_SECONDS)
        calls = [as_dict(call) for call in answer.model_calls]
        return {"calls": calls, "nextPageToken": answer.next_page_token, "gone": answer.gone}

    async def _graph(self, request: web.Request, query: Query) -> Any:
        """Answer a batch as nodes and edges: the one that is named, or the newest."""
        del request
        batch = query.get("batch", "").removeprefix("batches/")
        return await self._graphs.get(f"batches/{batch}" if batch else "", level=query.get("level", ""))


def _name(query: Query) -> str:
    """Return the name of the batch in a path."""
    return f"batches/{query['batch']}"


def _run_name(query: Query) -> str:
    """Return the name of the run in a path."""
    return f"batches/{query['batch']}/runs/{query['number']}"
