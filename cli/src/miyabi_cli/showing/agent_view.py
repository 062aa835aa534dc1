"""Shows agents: their slots, and what they run now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from google.protobuf.json_format import MessageToDict
from rich.console import Console
from rich.table import Table

from miyabi.common.v1.task_kind_pb2 import TaskKind
from miyabi.coordinator.v1.batch_pb2 import Agent, Task
from miyabi_cli.terminal import json_line, ours, row, say, say_table, shown
from miyabi_core.text import Untrusted

#: Columns that the table of tasks needs; with fewer each task has lines of its own.
TABLE_COLUMNS = 120


@dataclass(frozen=True)
class Running:
    """A task that an agent works on.

    Args:
        batch: `batches/{ulid}`.
        repository: `owner/name`.
        issue: Its number.
        task: As the coordinator has it.
    """

    batch: str
    repository: str
    issue: int
    task: Task


@dataclass(frozen=True)
class Fleet:
    """All agents with what they run.

    Args:
        agents: By name.
        tasks: By agent's id.
        not_looked_at: Batches that run and whose tasks were not asked for.
    """

    agents: Sequence[Agent]
    tasks: dict[str, list[Running]]
    not_looked_at: int = 0

    def of(self, agent: Agent) -> list[Running]:
        """Return what an agent runs."""
        return self.tasks.get(agent.name.removeprefix("agents/"), [])


def agent_words(agent: Agent) -> str:
    """Return how an agent stands: whether it takes tasks, and its slots."""
    state = "draining" if agent.draining else "busy" if agent.leased >= agent.slots else "ready"
    return f"{state}, {agent.leased} of {agent.slots} slots"


def lines_of(fleet: Fleet) -> tuple[str, ...]:
    """Return a line of JSON for each agent: the proto's fields, and `tasks`."""
    return tuple(json_line(_as_dict(agent, fleet.of(agent))) for agent in fleet.agents)


def key_of(fleet: Fleet) -> list[tuple[object, ...]]:
    """Return what of agents is worth showing again when it changed: not that they were heard of once more."""
    return [
        (agent.name, agent_words(agent), agent.version, tuple(one.task.name for one in fleet.of(agent)))
        for agent in fleet.agents
    ]


def _as_dict(agent: Agent, running: Sequence[Running]) -> dict[str, Any]:
    """Return an agent and its tasks for machines."""
    tasks = [
        {
            "batch": one.batch,
            "repository": one.repository,
            "issue": one.issue,
            "task": one.task.name.rpartition("/")[2],
            "kind": kind_of(one.task),
            "attempt": one.task.attempt,
            "start_time": one.task.start_time.ToJsonString(),
        }
        for one in running
    ]
    return {**MessageToDict(agent, preserving_proto_field_name=True), "tasks": tasks}


def show_fleet(console: Console, fleet: Fleet, *, now: datetime) -> None:
    """Print agents, then what they run; no name is broken over two lines.

    Args:
        console: Where to.
        fleet: What is there.
        now: Moment, in UTC without a zone, from which tasks' ages are counted.
    """
    if not fleet.agents:
        say(console, ours("no agent is attached; `miyabi up` starts one, its log says why one does not come"))
    for agent in fleet.agents:
        style = "yellow" if agent.draining else ""
        say(
            console,
            shown(Untrusted(agent.name), style="bold"),
            ours(": "),
            shown(Untrusted(agent_words(agent)), style=style),
            ours(", "),
            shown(Untrusted(f"version {agent.version or 'not known'}, takes {_kinds(agent)}")),
        )
        if console.width < TABLE_COLUMNS:
            for one in fleet.of(agent):
                _lines(console, one, now)
        elif fleet.of(agent):
            say_table(console, _table(fleet.of(agent), now))
    if fleet.not_looked_at:
        say(console, ours("tasks of {} batches more that run were not looked at", fleet.not_looked_at, style="yellow"))


def _kinds(agent: Agent) -> str:
    """Return which tasks an agent takes."""
    known = len(TaskKind.keys()) - 1  # the one that is never sent
    if len(agent.capabilities) == known:
        return "every kind of task"
    return ", ".join(_lower(kind) for kind in agent.capabilities)


def _table(running: Sequence[Running], now: datetime) -> Table:
    """Return the table of an agent's tasks."""
    table = Table(header_style="bold")
    for name in ("task", "attempt", "issue", "repository", "batch", "for"):
        justify: Any = "right" if name in {"attempt", "issue", "for"} else "left"
        table.add_column(name, overflow="fold", no_wrap=name in {"batch", "task"}, justify=justify)
    for one in running:
        row(
            table,
            shown(Untrusted(one.task.name.rpartition("/")[2])),
            ours("{}", one.task.attempt),
            ours("#{}", one.issue),
            shown(Untrusted(one.repository)),
            shown(Untrusted(one.batch)),
            ours("{:.0f} s", _age(one.task, now).total_seconds()),
        )
    return table


def _lines(console: Console, one: Running, now: datetime) -> None:
    """Print a task where there is no room for a table."""
    words = f"{one.task.name.rpartition('/')[2]}, attempt {one.task.attempt}, of {one.repository}"
    age = _age(one.task, now).total_seconds()
    say(console, ours("  "), shown(Untrusted(words)), ours("#{}, for {:.0f} s", one.issue, age))
    say(console, ours("    "), shown(Untrusted(one.batch)))


def _age(task: Task, now: datetime) -> timedelta:
    """Return for how long a task has been run; never less than nothing, whatever the clocks say."""
    return max(timedelta(0), now - task.start_time.ToDatetime())


def kind_of(task: Task) -> str:
    """Return a task's kind as a lower-case word."""
    return _lower(task.kind)


def _lower(kind: TaskKind.ValueType) -> str:
    """Return a kind as a lower-case word."""
    known = kind in TaskKind.values()
    return TaskKind.Name(kind).removeprefix("TASK_KIND_").lower() if known else f"kind {kind}"
