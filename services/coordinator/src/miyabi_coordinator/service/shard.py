"""Everything that serves one shard on one replica."""

from __future__ import annotations

import time
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from typing import Any

from miyabi_coordinator.models.run import holder_name
from miyabi_coordinator.ports.gateway import Gateway
from miyabi_coordinator.ports.keeper import Keeper
from miyabi_coordinator.ports.store import Commit, Store
from miyabi_coordinator.ports.transcripts import TranscriptStore
from miyabi_coordinator.service.batches import Batches
from miyabi_coordinator.service.dispatching.dispatch import Dispatcher, Timing
from miyabi_coordinator.service.dispatching.outcomes import Intake
from miyabi_coordinator.service.limiting.estimates import Estimates
from miyabi_coordinator.service.limiting.limits import Limits
from miyabi_coordinator.service.submitting.submit import Submit
from miyabi_coordinator.service.sweeping.retention import KEEP, Retention
from miyabi_coordinator.service.sweeping.sweeper import Sweeper
from miyabi_coordinator.service.telling.counting import count
from miyabi_coordinator.service.telling.measuring import Measuring
from miyabi_coordinator.service.telling.spans import record_spans
from miyabi_coordinator.service.telling.transcripts import Transcripts
from miyabi_coordinator.service.telling.watch import WatchHub
from miyabi_coordinator.service.transitions import Transitions
from miyabi_coordinator.shards import homes_of, shard_of


class Shard:
    """The use cases of one shard; `loops` serve it."""

    def __init__(
        self,
        store: Store,
        gateway: Gateway,
        keeper: Keeper,
        transcripts: TranscriptStore,
        *,
        timing: Timing,
        retention: timedelta = KEEP,
        limits: Limits,
        stores: Sequence[Store] = (),
    ) -> None:
        self.measuring = Measuring(store, keeper)
        self.retention = Retention(keeper, keep=retention)
        self.transcripts = Transcripts(transcripts)
        transitions = Transitions(store, on_commit=self._committed)
        self.store = store
        self._limits = limits
        self.submit = Submit(store, gateway, stores=stores)
        self.batches = Batches(store, transitions)
        self.dispatcher = Dispatcher(store, transitions, timing=timing, limits=limits, estimates=Estimates(keeper))
        self.intake = Intake(transitions)
        self.sweeper = Sweeper(store, transitions, respite=timing.heartbeat, on_ready=self.dispatcher.wake)
        self.hub = WatchHub(store, on_ready=self.dispatcher.wake)

    def loops(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """Return what serves until it is cancelled; each is a task of its own, so that each can be cancelled again."""
        return (
            self.dispatcher.run(),
            self.sweeper.run(),
            self.hub.listen(),
            self.hub.fetch(),
            self.measuring.run(),
            self.retention.run(),
        )

    def _committed(self, commit: Commit, due: bool) -> None:
        """This replica committed something: show it, and do what follows from it without waiting to hear of it."""
        decision = commit.decision
        self.measuring.note(commit, due)
        now = time.time()
        count(commit, now=now)
        record_spans(commit, now=now)
        if decision.facts:
            self.hub.grew(decision.run.batch)
        if decision.effects.enqueue or decision.effects.leases_cleared:
            self.dispatcher.wake()
        if decision.effects.leases_cleared and self._limits.active:
            run = decision.run
            self._limits.over([holder_name(run.batch, run.issue, task.id) for task in decision.effects.leases_cleared])
        if due:
            self.sweeper.wake()


class ShardTable:
    """Finds the shard of a batch or of a request."""

    def __init__(self, shards: Sequence[Shard]) -> None:
        self.all = tuple(shards)

    def of_batch(self, batch: str) -> Shard | None:
        """Return the shard that a batch id names; None where there is no such shard."""
        number = shard_of(batch)
        return self.all[number] if number < len(self.all) else None

    async def number_for(self, request_id: str) -> int:
        """Return the number of the shard that a request's batch lives in, or is to live in.

        Raises:
            UnavailableError: a shard did not answer.
        """
        *older, home = homes_of(request_id, shards=len(self.all))
        for number in older:
            if await self.all[number].store.find_request(request_id, digest="") is not None:
                return number
        return home
