"""Which free slots there are, and which of them takes which task."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from miyabi_coordinator.models import Run
from miyabi_coordinator.ports.store import Claim, Wanted
from miyabi_coordinator.service.dispatching.agents import AttachedAgent

#: Most tasks of one claim; as many as one commit takes.
MOST_CLAIMED = 256


@dataclass(frozen=True, slots=True)
class SlotGroup:
    """Agents that take the same kinds of task, and their free slots together."""

    agents: tuple[AttachedAgent, ...]
    wanted: Wanted


@dataclass(frozen=True, slots=True)
class Pair:
    """A claimed task and the agent that is to have it."""

    agent: AttachedAgent
    claim: Claim


def free_groups(agents: Iterable[AttachedAgent]) -> list[SlotGroup]:
    """Return the agents that have free slots, grouped by what they take."""
    found: dict[tuple[int, ...], list[AttachedAgent]] = {}
    for agent in agents:
        if agent.free:
            found.setdefault(tuple(sorted(agent.info.capabilities)), []).append(agent)
    return [
        SlotGroup(tuple(group), Wanted(kinds, min(MOST_CLAIMED, sum(agent.free for agent in group))))
        for kinds, group in found.items()
    ]


def assign(group: SlotGroup, claims: Sequence[Claim]) -> list[Pair]:
    """Give each claim to an agent with a free slot: the one that had the issue last, else the next in turn.

    An agent that knows an issue has its checkout and its test environment; nobody waits for it, though. A claim is left
    out where its slot is gone since: another shard was faster, or the agent hung up.
    """
    free = {agent.info.id: agent.free for agent in group.agents}
    by_id = {agent.info.id: agent for agent in group.agents}
    turn = deque(group.agents)
    pairs = []
    for claim in claims:
        last = last_agent(claim.run)
        if free.get(last):
            agent = by_id[last]
        else:
            while turn and not free[turn[0].info.id]:
                turn.popleft()
            if not turn:
                break
            agent = turn[0]
            turn.rotate(-1)
        free[agent.info.id] -= 1
        pairs.append(Pair(agent, claim))
    return pairs


def last_agent(run: Run) -> str:
    """Return the agent that had the newest lease of a run; empty where there was none."""
    newest = max(run.tasks, key=lambda task: task.fence, default=None)
    return newest.agent if newest is not None else ""
