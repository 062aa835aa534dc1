"""Does what is due: expired leases, ended pauses, and what a committed transition left to be done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from datetime import timedelta

from miyabi_coordinator.decide import closing_state
from miyabi_coordinator.models import (
    BackoffElapsed,
    BatchState,
    CancelRequested,
    LeaseExpired,
    LeaseReference,
    PrerequisiteEnded,
    RunState,
)
from miyabi_coordinator.ports.store import Store
from miyabi_coordinator.service.retrying import Retrying
from miyabi_coordinator.service.submitting.ordering import Ordering
from miyabi_coordinator.service.sweeping.due import DueTimers, Timer
from miyabi_coordinator.service.telling.counting import BUDGET_WARNINGS
from miyabi_coordinator.service.transitions import Change, Transitions, by_event
from miyabi_core.errors import MiyabiError, first_of
from miyabi_core.lifecycle import ending_when_cancelled
from miyabi_core.logging import get_logger

#: Seconds between sweeps while nothing is committed.
INTERVAL_SECONDS = 0.5
_LOG = get_logger(__name__)


class Sweeper:
    """Runs on every replica; two that do the same do it once, because each transition is committed once.

    Args:
        store: Of the shard.
        transitions: Of the shard.
        respite: How long leases are not taken back once a store that was away is back: no agent could renew them,
            and with its next heartbeat each will. None by default.
        clock: Returns seconds since 1970.
        on_ready: Called when tasks are ready again that somebody had claimed.
    """

    def __init__(
        self,
        store: Store,
        transitions: Transitions,
        *,
        respite: timedelta = timedelta(0),
        clock: Callable[[], float] = time.time,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_ready = on_ready
        self._respite = respite.total_seconds()
        self._away = False
        self._spared_until = 0.0
        self._store = store
        self._clock = clock
        self._transitions = transitions
        self._retrying = Retrying(store, transitions)
        self._ordering = Ordering(store, transitions)
        self._due = DueTimers(store)
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Sweep now: something was committed."""
        self._wake.set()

    async def run(self) -> None:
        """Sweep until it is cancelled: what a commit left to do at once, leases and claims now and then."""
        looked = -INTERVAL_SECONDS
        while True:
            failed = False
            try:
                if time.monotonic() - looked >= INTERVAL_SECONDS:
                    looked = time.monotonic()
                    await ending_when_cancelled(self.sweep())
                else:
                    await ending_when_cancelled(self._do_due())
            except* MiyabiError as failures:
                self._away = failed = True
                _LOG.warning("sweep.store_unavailable", error=str(first_of(failures)))
            if failed:
                await asyncio.sleep(INTERVAL_SECONDS)
            try:
                async with asyncio.timeout(INTERVAL_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                continue
            finally:
                self._wake.clear()

    async def sweep(self) -> None:
        """Do what is due now."""
        expired = await self._expired(self._clock())
        if await self._store.restore_claims():
            self._on_ready()
        async with asyncio.TaskGroup() as group:
            for reference in expired:
                group.create_task(self._guarded(self._expire(reference), reference.member))
        await self._do_due()

    async def _do_due(self) -> None:
        """Do what timers and outbox entries ask for by now."""
        timers = await self._due.read(self._clock())
        # A warning is told before its batch is closed.
        first = [timer for timer in timers if timer.kind == "warn"]
        for chosen in (first, [timer for timer in timers if timer.kind != "warn"]):
            async with asyncio.TaskGroup() as group:
                for timer in chosen:
                    group.create_task(self._guarded(self._do(timer), timer.name))

    async def _guarded(self, work: Coroutine[object, object, None], name: str) -> None:
        """Do one thing; its failure must not hold the others up."""
        error: MiyabiError | None = None
        try:
            await work
        except* MiyabiError as failures:
            error = first_of(failures)
        if error is not None:
            if error.reason in {"BATCH_NOT_FOUND", "RUN_NOT_FOUND"}:
                await self._store.drop_timers([name])
            else:
                _LOG.warning("sweep.entry_failed", name=name, reason=error.reason)

    async def _expired(self, now: float) -> list[LeaseReference]:
        """Return the leases that nobody renewed although they could."""
        found = await self._store.expired(now)
        if self._away:
            self._away = False
            self._spared_until = self._clock() + self._respite
        return found if self._clock() >= self._spared_until else []

    async def _expire(self, reference: LeaseReference) -> None:
        """Take a lease back."""
        event = LeaseExpired(reference.task_id, reference.fence)
        applied = await self._transitions.apply(reference.batch, reference.issue, event=event, lease=reference)
        if applied.refusal:
            await self._store.drop_leases([reference])

    async def _do(self, timer: Timer) -> None:
        """Do what a timer or an outbox entry asks for."""
        name, batch = timer.name, timer.batch
        match timer.kind:
            case "backoff":
                event = BackoffElapsed(timer.task_id)
                applied = await self._transitions.apply(batch, timer.issue, event=event, done_timers=(name,))
                if applied.refusal:
                    await self._store.drop_timers([name])
            case "ended":
                await self._tell_dependents(batch, timer.issue, name)
            case "cancel":
                await self._cancel_runs(batch, name)
            case "retry":
                await self._retrying.carry_out(name)
            case "order":
                await self._ordering.settle(batch, timer.issue, name=name)
            case "left":
                await self._ordering.leave(batch, timer.issue, name=name)
            case "warn":
                await self._warn(batch)
            case "close":
                await self._close(batch)

    async def _tell_dependents(self, batch: str, issue: int, name: str) -> None:
        """Tell the runs that wait for an issue how it ended."""
        for run in await self._store.load_runs(batch, [issue]):
            make = by_event(PrerequisiteEnded(issue, run.state is RunState.SUCCEEDED))
            dependents = run.dependents if run.state.terminal else ()
            await self._transitions.apply_all([Change(batch, dependent, make) for dependent in dependents])
        await self._store.drop_timers([name])

    async def _cancel_runs(self, batch: str, name: str) -> None:
        """Cancel every run that has not ended."""
        open_runs = [run for run in await self._store.load_runs(batch) if not run.state.terminal]
        cancel = by_event(CancelRequested())
        await self._transitions.apply_all([Change(batch, run.issue, cancel, known=run) for run in open_runs])
        await self._store.finish_timer(name, batch=batch)

    async def _warn(self, batch: str) -> None:
        """Say that most of a batch's budget is spent."""
        loaded = await self._store.load_batch(batch)
        if loaded is None:
            await self._store.drop_timers([f"warn|{batch}"])
            return
        if await self._store.warn(loaded):
            BUDGET_WARNINGS.labels("batch").inc()

    async def _close(self, batch: str) -> None:
        """End a batch whose runs have all ended."""
        loaded = await self._store.load_batch(batch)
        if loaded is None:
            await self._store.drop_timers([f"close|{batch}"])
            return
        runs = await self._store.load_runs(batch)
        state = BatchState.CANCELLED if loaded.state is BatchState.CANCELLED else closing_state(runs)
        await self._store.close(loaded, runs=runs, state=int(state))
