"""Sends all transitions that arrived meanwhile in one script call, and the next only when it is answered."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence

from miyabi_coordinator.adapters.redis_store import codec
from miyabi_coordinator.adapters.redis_store.scripts import Scripts
from miyabi_coordinator.models import Decision, LeaseReference, Run, RunState, Task
from miyabi_coordinator.ports.store import Commit
from miyabi_coordinator.translate import events
from miyabi_core.errors import MiyabiError

#: Most transitions of one call: more would hold the server up for milliseconds.
MOST_PER_CALL = 256

#: A transition as the script takes it: what it changes, the version that it was decided on and the run, its events.
Packed = tuple[bytes, bytes, bytes]
_Group = tuple[list[Packed], "asyncio.Future[list[str]]"]


class Committer:
    """One a shard and replica. `run` serves until it is cancelled."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts
        self._waiting: deque[_Group] = deque()
        self._arrived = asyncio.Event()

    async def commit(self, commits: Sequence[Commit]) -> list[str]:
        """Write transitions in their order and return what became of each.

        Raises:
            UnavailableError: the store did not answer; they may or may not be written, so reload and decide again.
        """
        now = time.time()
        packed = [pack_commit(commit, now=now) for commit in commits]
        answers: list[str] = []
        for first in range(0, len(packed), MOST_PER_CALL):
            answers += await self._queue(packed[first : first + MOST_PER_CALL])
        return answers

    async def _queue(self, packed: list[Packed]) -> list[str]:
        """Wait for a call that takes these along."""
        answer: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
        self._waiting.append((packed, answer))
        self._arrived.set()
        return await answer

    async def run(self) -> None:
        """Commit what arrives."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                await self._send(self._next_groups())

    def _next_groups(self) -> list[_Group]:
        """Return what fits into one call, at least one group."""
        groups = [self._waiting.popleft()]
        count = len(groups[0][0])
        while self._waiting and count + len(self._waiting[0][0]) <= MOST_PER_CALL:
            groups.append(self._waiting.popleft())
            count += len(groups[-1][0])
        return groups

    async def _send(self, groups: list[_Group]) -> None:
        """Make one call and answer its callers."""
        arguments = [part for packed, _ in groups for transition in packed for part in transition]
        try:
            answers = await self._scripts.call("commit", repr(time.time()), *arguments)
        except MiyabiError as error:
            for _, future in groups:
                if not future.done():
                    # Each caller raises its own: a shared one would gather the tracebacks of all.
                    failure = type(error)(error.message, reason=error.reason, metadata=error.metadata)
                    failure.__cause__ = error
                    future.set_exception(failure)
            return
        position = 0
        for packed, future in groups:
            if not future.done():
                future.set_result([answer.decode() for answer in answers[position : position + len(packed)]])
            position += len(packed)


def member_of(run: Run, task_id: str, kind: int, *, needs_slot: bool) -> str:
    """Return the name of a ready task in the queues."""
    return f"{run.batch}|{run.issue}|{task_id}|{kind}|{int(needs_slot)}"


def pack_commit(commit: Commit, *, now: float) -> Packed:
    """Return a transition as the script takes it."""
    decision = commit.decision
    run, effects, guards = decision.run, decision.effects, decision.guards
    encoded = [
        events.encode(fact, run=run, actor=commit.actor, traceparent=commit.traceparent, now=now)
        for fact in decision.facts
    ]
    control = codec.pack(
        (
            run.batch,
            str(run.issue),
            commit.lease.member if commit.lease else "",
            (
                guards.running,
                guards.unended,
                guards.slot,
                guards.parallel,
                guards.reserve.usd_micros,
                guards.reserve.tokens,
            ),
            [len(event) for event in encoded],
            [part for pair in effects.counters.items() for part in pair],
            [member_of(run, entry.task_id, entry.kind, needs_slot=entry.needs_slot) for entry in effects.dequeue],
            [part for entry in effects.enqueue for part in _queued(run, entry.task_id, entry.kind, entry.needs_slot)],
            [part for task in effects.leases_set for part in _granted(run, task)],
            [_lease(run, task) for task in effects.leases_cleared],
            [part for name, at in (*effects.timers_set, *_outbox(decision, now)) for part in (name, repr(at))],
            (*effects.timers_cleared, *commit.done_timers),
            effects.ended,
        )
    )
    value = codec.version_bytes(commit.expected_version) + codec.encode_run(run)
    return control, value, b"".join(encoded)


def _queued(run: Run, task_id: str, kind: int, needs_slot: bool) -> tuple[str, str]:
    """Return a ready task and its queue."""
    return member_of(run, task_id, kind, needs_slot=needs_slot), str(kind)


def _granted(run: Run, task: Task) -> tuple[str, str, str]:
    """Return a lease, when it ends unless it is renewed, and when it ends anyway."""
    return _lease(run, task), repr(task.lease_expires), repr(task.deadline)


def _lease(run: Run, task: Task) -> str:
    return LeaseReference(run.batch, run.issue, task.id, task.fence).member


def _outbox(decision: Decision, now: float) -> list[tuple[str, float]]:
    """Return what is to be done once the run has ended: tell the issues that wait for it."""
    run = decision.run
    if not decision.effects.ended or not run.dependents or run.state is RunState.CANCELLED:
        return []
    return [(f"ended|{run.batch}|{run.issue}", now)]
