"""Sends all transitions that arrived meanwhile in one script call, and the next only when it is answered."""

from __future__ import annotations

import asyncio
import time
from collections import deque

from miyabi_coordinator.adapters.redis_store import codec
from miyabi_coordinator.adapters.redis_store.scripts import Scripts
from miyabi_coordinator.models import Decision, LeaseReference, Run, RunState, Task
from miyabi_coordinator.ports.store import Commit
from miyabi_coordinator.translate import events
from miyabi_core.errors import MiyabiError

#: Most transitions of one call: more would hold the server up for milliseconds.
MOST_PER_CALL = 256
#: Entries that the shard's stream of all events keeps, roughly.
EVENTS_KEPT = 100_000


class Committer:
    """One a shard and replica. `run` serves until it is cancelled."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts
        self._waiting: deque[tuple[Commit, asyncio.Future[str]]] = deque()
        self._arrived = asyncio.Event()

    async def commit(self, commit: Commit) -> str:
        """Write a transition and return what became of it.

        Raises:
            UnavailableError: the store did not answer; it may or may not be written, so reload and decide again.
        """
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting.append((commit, answer))
        self._arrived.set()
        return await answer

    async def run(self) -> None:
        """Commit what arrives."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                count = min(MOST_PER_CALL, len(self._waiting))
                await self._send([self._waiting.popleft() for _ in range(count)])

    async def _send(self, entries: list[tuple[Commit, asyncio.Future[str]]]) -> None:
        """Make one call and answer its callers."""
        now = time.time()
        try:
            packed = [pack_commit(commit, now=now) for commit, _ in entries]
            answers = await self._scripts.call("commit", EVENTS_KEPT, repr(now), *packed)
        except MiyabiError as error:
            for _, future in entries:
                if not future.done():
                    # Each caller raises its own: a shared one would gather the tracebacks of all.
                    failure = type(error)(error.message, reason=error.reason, metadata=error.metadata)
                    failure.__cause__ = error
                    future.set_exception(failure)
            return
        for (_, future), answer in zip(entries, answers, strict=True):
            if not future.done():
                future.set_result(answer.decode())


def member_of(run: Run, task_id: str, kind: int, *, needs_slot: bool) -> str:
    """Return the name of a ready task in the queues."""
    return f"{run.batch}|{run.issue}|{task_id}|{kind}|{int(needs_slot)}"


def pack_commit(commit: Commit, *, now: float) -> bytes:
    """Return a transition as the script takes it."""
    decision = commit.decision
    run, effects, guards = decision.run, decision.effects, decision.guards
    encoded = [
        events.encode(fact, run=run, actor=commit.actor, traceparent=commit.traceparent, now=now)
        for fact in decision.facts
    ]
    return codec.pack(
        (
            run.batch,
            str(run.issue),
            codec.version_bytes(commit.expected_version),
            codec.encode_run(run),
            commit.lease.member if commit.lease else "",
            (guards.running, guards.slot, guards.parallel, guards.reserve_usd_micros, guards.unended),
            [part for pair in effects.counters.items() for part in pair],
            encoded,
            [
                (
                    member_of(run, entry.task_id, entry.kind, needs_slot=entry.needs_slot),
                    str(entry.kind),
                    entry.needs_slot,
                )
                for entry in effects.enqueue
            ],
            [member_of(run, entry.task_id, entry.kind, needs_slot=entry.needs_slot) for entry in effects.dequeue],
            [(_lease(run, task), repr(task.lease_expires), repr(task.deadline)) for task in effects.leases_set],
            [_lease(run, task) for task in effects.leases_cleared],
            [(name, repr(at)) for name, at in (*effects.timers_set, *_outbox(decision, now))],
            [*effects.timers_cleared, *commit.done_timers],
            effects.ended,
        )
    )


def _lease(run: Run, task: Task) -> str:
    return LeaseReference(run.batch, run.issue, task.id, task.fence).member


def _outbox(decision: Decision, now: float) -> list[tuple[str, float]]:
    """Return what is to be done once the run has ended: tell the issues that wait for it."""
    run = decision.run
    if not decision.effects.ended or not run.dependents or run.state is RunState.CANCELLED:
        return []
    return [(f"ended|{run.batch}|{run.issue}", now)]
