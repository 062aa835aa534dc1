"""Load, decide, commit, and again where another writer was first."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from miyabi_coordinator.decide import decide
from miyabi_coordinator.errors import batch_not_found, run_not_found
from miyabi_coordinator.models import Decision, Fact, Input, LeaseReference, Run, Spec
from miyabi_coordinator.ports.store import CONFLICT, OK, Commit, Store
from miyabi_core.errors import AbortedError

#: Runs that a replica remembers; a stale one costs a repeated decision, never a wrong one.
REMEMBERED = 5000
#: So often is a transition decided again before the caller hears of it.
MOST_TRIES = 50

#: Makes a decision from a run, what was asked for, and the time.
Decide = Callable[[Run, Spec, float], Decision]


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a transition: the store's answer, or why the run refused it."""

    run: Run
    answer: str
    refusal: str = ""

    @property
    def done(self) -> bool:
        """Tell whether it is committed."""
        return self.answer == OK


class Transitions:
    """The one way in which runs change."""

    def __init__(
        self,
        store: Store,
        *,
        on_commit: Callable[[Commit, bool], None] = lambda _commit, _due: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._on_commit = on_commit
        self._clock = clock
        self._runs: OrderedDict[tuple[str, int], Run] = OrderedDict()

    async def apply(
        self,
        batch: str,
        issue: int,
        *,
        event: Input,
        lease: LeaseReference | None = None,
        actor: str = "coordinator",
        done_timers: tuple[str, ...] = (),
        facts: Callable[[Run], tuple[Fact, ...]] | None = None,
    ) -> Applied:
        """Apply an event to a run; *facts* are logged before what follows from it.

        Raises:
            NotFoundError: there is no such batch or run.
            AbortedError: other writers were first again and again.
            UnavailableError: the store did not answer.
        """

        def make(run: Run, spec: Spec, now: float) -> Decision:
            decision = decide(run, spec, event, now)
            if facts and decision.changed:
                return replace(decision, facts=(*facts(run), *decision.facts))
            return decision

        return await self.apply_decision(batch, issue, make=make, lease=lease, actor=actor, done_timers=done_timers)

    async def apply_decision(
        self,
        batch: str,
        issue: int,
        *,
        make: Decide,
        lease: LeaseReference | None = None,
        actor: str = "coordinator",
        done_timers: tuple[str, ...] = (),
        known: Run | None = None,
    ) -> Applied:
        """Apply what *make* decides; *known* is a run that was read just now. Raises as `apply` does."""
        spec = await self._store.load_spec(batch)
        if spec is None:
            raise batch_not_found(batch)
        fresh = known is not None
        run = known or self._runs.get((batch, issue))
        for _ in range(MOST_TRIES):
            if run is None:
                run, fresh = await self._load(batch, issue), True
            decision = make(run, spec, self._clock())
            if not decision.changed and fresh:
                return Applied(run, "refused", decision.refusal)
            if decision.changed:
                commit = Commit(decision, run.version, lease, actor, done_timers, spec.traceparent)
                answer = await self._store.commit(commit)
                if answer == OK:
                    self._remember(decision.run)
                    self._on_commit(commit, False)
                    return Applied(decision.run, answer)
                if answer != CONFLICT:
                    return Applied(run, answer)
            run = None
        raise AbortedError("Other writers were first, again and again.", reason="LOST_RACE")

    async def confirmed(self, batch: str, issue: int) -> Run:
        """Return a run as it will be after the loss of a server; raises as `apply`."""
        return await self._load(batch, issue, confirmed=True)

    async def _load(self, batch: str, issue: int, *, confirmed: bool = False) -> Run:
        """Read a run."""
        found = await self._store.load_runs(batch, [issue], confirmed=confirmed)
        if not found:
            raise run_not_found(batch, issue)
        return found[0]

    def _remember(self, run: Run) -> None:
        """Keep a run for the next decision; ended ones are not needed."""
        key = (run.batch, run.issue)
        self._runs.pop(key, None)
        if not run.state.terminal:
            self._runs[key] = run
            if len(self._runs) > REMEMBERED:
                self._runs.popitem(last=False)
