"""A batch as a graph: the batch, its issues, their tasks, the agents at work and what was produced."""

from __future__ import annotations

import asyncio
import re
import time
from datetime import timedelta
from typing import Any

from miyabi_core.errors import InvalidArgumentError
from miyabi_dashboard.upstream import Upstream

#: Seconds between two rebuilds while events arrive: a page of a busy batch asks often.
LEAST_SECONDS = 1.0
_NAME = re.compile(r"batches/[0-7][0-9A-HJKMNP-TV-Z]{25}")


class Graphs:
    """Builds graphs, each at most once while nothing happened; the last event is always seen.

    Args:
        upstream: Knows the batches.
        lifetime: So long a graph is kept while no event arrives.
    """

    def __init__(self, upstream: Upstream, *, lifetime: timedelta) -> None:
        self._upstream = upstream
        self._lifetime = lifetime.total_seconds()
        self._built: dict[str, tuple[float, int, dict[str, Any]]] = {}
        # Held while the coordinator is asked, on purpose: a hundred pages that ask at once cause one rebuild.
        self._building = asyncio.Lock()

    async def get(self, batch: str, *, newest_event: int) -> dict[str, Any]:
        """Return the graph of a batch; of the newest one where *batch* is empty.

        Raises:
            InvalidArgumentError: *batch* is no name of a batch.
            grpc.aio.AioRpcError: there is no such batch, or the coordinator is out of reach.
        """
        if batch and not _NAME.fullmatch(batch):
            raise InvalidArgumentError("batch: must be batches/ULID", reason="INVALID_REQUEST")
        async with self._building:
            kept = self._built.get(batch)
            if kept is not None and self._serves(*kept[:2], newest_event=newest_event):
                return kept[2]
            moment = time.monotonic()
            graph = await self._build(batch)
            self._built = {batch: (moment, newest_event, graph)}
            return graph

    def _serves(self, moment: float, event: int, *, newest_event: int) -> bool:
        """Tell whether a graph is as good as a new one, or too young to be built anew."""
        age = time.monotonic() - moment
        return age < min(LEAST_SECONDS, self._lifetime) or (event == newest_event and age < self._lifetime)

    async def _build(self, batch: str) -> dict[str, Any]:
        """Ask the coordinator."""
        if not batch:
            newest = await self._upstream.batches(limit=1)
            if not newest:
                return {"nodes": [], "edges": []}
            batch = newest[0]["name"]
        return graph_of(await self._upstream.batch(batch))


def graph_of(answer: dict[str, Any]) -> dict[str, Any]:
    """Return nodes and edges of a batch with its runs (`GetBatch` as JSON).

    Ids are resource names, which hold batch and issue: parallel runs of one issue never collide.
    """
    batch = answer["batch"]
    repository = batch["spec"]["repository"]
    root = {"id": batch["name"], "kind": "batch", "label": repository, "state": batch["state"]}
    nodes, edges = {batch["name"]: root}, []
    pulls = {result["issue_number"]: result["pull_request_url"] for result in answer["results"]}
    for run in answer["runs"]:
        label = f"{repository}#{run['issue_number']}"
        nodes[run["name"]] = {"id": run["name"], "kind": "issue", "label": label, "state": run["state"]}
        edges.append(_edge(batch["name"], run["name"], "contains"))
        edges += [_edge(run["name"], f"{batch['name']}/runs/{other}", "depends-on") for other in run["depends_on"]]
        for task in run["tasks"]:
            nodes |= _task_nodes(task)
            edges += _task_edges(run["name"], task)
        if url := pulls.get(run["issue_number"]):
            nodes[url] = {"id": url, "kind": "pull-request", "label": url.rsplit("/", 1)[-1], "state": ""}
            edges.append(_edge(run["name"], url, "produced"))
    return {"nodes": list(nodes.values()), "edges": edges}


def _task_nodes(task: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return a task's node, and that of the agent that holds it."""
    name = task["name"]
    nodes = {name: {"id": name, "kind": "task", "label": name.rsplit("/", 1)[-1], "state": task["state"]}}
    if task["state"] == "TASK_STATE_LEASED":
        agent = f"agents/{task['agent']}"
        nodes[agent] = {"id": agent, "kind": "agent", "label": task["agent"], "state": ""}
    return nodes


def _task_edges(run: str, task: dict[str, Any]) -> list[dict[str, str]]:
    """Return what a task belongs to, waits for and is held by."""
    edges = [_edge(run, task["name"], "contains")]
    edges += [_edge(task["name"], f"{run}/tasks/{other}", "depends-on") for other in task["depends_on"]]
    if task["state"] == "TASK_STATE_LEASED":
        edges.append(_edge(task["name"], f"agents/{task['agent']}", "assigned-to"))
    return edges


def _edge(source: str, target: str, kind: str) -> dict[str, str]:
    """Return an edge."""
    return {"source": source, "target": target, "kind": kind}
