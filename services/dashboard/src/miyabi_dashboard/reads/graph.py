"""A batch as a graph: the batch, its issues, their tasks, the agents at work and what was produced."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any
from weakref import WeakKeyDictionary

import orjson

from miyabi.coordinator.v1.state_pb2 import RunState, TaskState
from miyabi_dashboard.reads.batch_view import ENDED, BatchView, RunView, TaskView, kind_name
from miyabi_dashboard.reads.live_batches import LiveBatches

#: Where nobody says what is wanted, batches of more issues are drawn without their tasks: there would be thousands.
MOST_WITH_TASKS = 1000
#: What a run is drawn as, serialised: its nodes, its edges, and the agents at work on it.
_Drawn = tuple[bytes, bytes, tuple[str, ...]]


class Graphs:
    """Draws graphs; what of a batch did not change is not drawn again.

    Args:
        batches: As the newest event left them.
    """

    def __init__(self, batches: LiveBatches) -> None:
        self._batches = batches
        self._drawn: WeakKeyDictionary[BatchView, dict[str, dict[int, _Drawn]]] = WeakKeyDictionary()
        self._whole: OrderedDict[tuple[str, str], tuple[BatchView, int, bytes]] = OrderedDict()

    async def get(self, batch: str, *, level: str = "") -> bytes:
        """Return the graph of a batch as JSON; of the newest one where *batch* is empty.

        Args:
            batch: `batches/{ulid}`.
            level: `issues` or `tasks`. Default: tasks, unless there are too many issues.

        Raises:
            grpc.aio.AioRpcError: there is no such batch, or the coordinator is out of reach.
        """
        name = batch or await self._batches.newest()
        if not name:
            return orjson.dumps({"nodes": [], "edges": [], "levelOfDetail": level or "tasks"})
        view = await self._batches.get(name)
        level = level or ("tasks" if len(view.runs) <= MOST_WITH_TASKS else "issues")
        known = self._whole.get((name, level))
        if known is not None and known[0] is view and known[1] == view.sequence:
            return known[2]
        graph = self._draw(view, level)
        self._whole = OrderedDict({(name, level): (view, view.sequence, graph)})
        return graph

    def _draw(self, view: BatchView, level: str) -> bytes:
        """Return a graph, drawing anew the runs that changed."""
        levels = self._drawn.setdefault(view, {"issues": {}, "tasks": {}})
        for number, run in view.runs.items():
            if run.changed:
                for drawn in levels.values():
                    drawn.pop(number, None)
                run.changed = False
        drawn = levels[level]
        for number, run in view.runs.items():
            if number not in drawn:
                drawn[number] = _drawn(view, run, with_tasks=level == "tasks")
        root = {"id": view.name, "type": "batch", "label": view.repository, "state": view.state_name}
        agents = dict.fromkeys(agent for _, _, there in drawn.values() for agent in there)
        nodes = [orjson.dumps(root), *(entry[0] for entry in drawn.values())]
        nodes += [
            orjson.dumps({"id": f"agents/{name}", "type": "agent", "label": name, "state": ""}) for name in agents
        ]
        edges = b",".join(entry[1] for entry in drawn.values())
        return b'{"levelOfDetail":"%s","nodes":[%s],"edges":[%s]}' % (level.encode(), b",".join(nodes), edges)


def _drawn(view: BatchView, run: RunView, *, with_tasks: bool) -> _Drawn:
    """Draw a run. Ids are resource names, which hold batch and issue: parallel runs of one issue never collide."""
    name = f"{view.name}/runs/{run.number}"
    label = f"{view.repository}#{run.number}"
    issue = {"id": name, "type": "issue", "label": label, "title": run.title, "state": RunState.Name(run.state)}  # type: ignore[arg-type]  # stored states have names
    nodes: list[dict[str, Any]] = [issue | _times(run.start, run.end)]
    edges = [_edge(view.name, name, "contains")]
    edges += [_edge(name, f"{view.name}/runs/{other}", "depends-on") for other in run.depends_on]
    at_work: tuple[str, ...] = ()
    if with_tasks:
        for task in run.tasks.values():
            nodes.append(_task_node(name, task))
            edges += _task_edges(name, task)
        at_work = tuple(task.agent for task in run.tasks.values() if _is_leased(task))
    if run.pull_request:
        number = run.pull_request.rpartition("/")[2]
        nodes.append({"id": run.pull_request, "type": "pull-request", "label": number, "state": ""})
        edges.append(_edge(name, run.pull_request, "produced"))
    return b",".join(map(orjson.dumps, nodes)), b",".join(map(orjson.dumps, edges)), at_work


def _agent(name: str) -> dict[str, str]:
    """Return an agent's node."""
    return {"id": f"agents/{name}", "type": "agent", "label": name, "state": ""}


def _task_node(run: str, task: TaskView) -> dict[str, Any]:
    """Return a task's node."""
    node = {
        "id": f"{run}/tasks/{task.id}", "type": "task", "label": task.id, "kind": kind_name(task.kind),
        "state": TaskState.Name(task.state),  # type: ignore[arg-type]  # stored states have names
    }  # fmt: skip
    times = _times(task.start, task.end) if _is_leased(task) or task.state in ENDED else {}
    return node | times | ({"agent": task.agent} if task.agent else {})


def _times(start: float, end: float) -> dict[str, float]:
    """Return how long something took; of what still runs, since when it does (seconds since 1970)."""
    if not start:
        return {}
    return {"durationSeconds": round(max(0.0, end - start), 3)} if end else {"startSeconds": round(start, 3)}


def _is_leased(task: TaskView) -> bool:
    """Tell whether an agent works on a task now."""
    return task.state == TaskState.TASK_STATE_LEASED


def _task_edges(run: str, task: TaskView) -> list[dict[str, str]]:
    """Return what a task belongs to, waits for and is held by."""
    name = f"{run}/tasks/{task.id}"
    edges = [_edge(run, name, "contains")]
    edges += [_edge(name, f"{run}/tasks/{other}", "depends-on") for other in task.depends_on]
    if _is_leased(task):
        edges.append(_edge(name, f"agents/{task.agent}", "assigned-to"))
    return edges


def _edge(source: str, target: str, kind: str) -> dict[str, str]:
    """Return an edge."""
    return {"from": source, "to": target, "type": kind}
