"""Load, decide, commit, and again where another writer was first; many at a time, each by itself."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from miyabi_coordinator.decide import decide
from miyabi_coordinator.errors import batch_not_found, run_not_found
from miyabi_coordinator.models import Decision, Fact, Input, LeaseReference, Run, Spec
from miyabi_coordinator.ports.store import CONFLICT, DUE, OK, Commit, Store
from miyabi_core.errors import AbortedError, MiyabiError

#: Runs that a replica remembers; a stale one costs a repeated decision, never a wrong one.
REMEMBERED = 5000
#: So often is a transition decided again before the caller hears of it.
MOST_TRIES = 50

#: Makes a decision from a run, what was asked for, and the time.
Decide = Callable[[Run, Spec, float], Decision]
_Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Change:
    """A transition that is wanted.

    Args:
        batch: Batch id.
        issue: Issue number of the run.
        make: Decides.
        lease: Must still be held; None where no lease is involved.
        actor: Who does it.
        done_timers: Outbox entries that the commit completes.
        known: The run as it was read just now; None: as remembered or loaded.
    """

    batch: str
    issue: int
    make: Decide
    lease: LeaseReference | None = None
    actor: str = "coordinator"
    done_timers: tuple[str, ...] = ()
    known: Run | None = None

    @property
    def key(self) -> _Key:
        """Return what names the run."""
        return self.batch, self.issue


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a transition: the store's answer, or why the run refused it."""

    run: Run
    spec: Spec
    answer: str
    refusal: str = ""

    @property
    def done(self) -> bool:
        """Tell whether it is committed."""
        return self.answer == OK


def by_event(event: Input, *, facts: Callable[[Run], tuple[Fact, ...]] | None = None) -> Decide:
    """Return what decides on an event; *facts* are logged before what follows from it."""

    def make(run: Run, spec: Spec, now: float) -> Decision:
        decision = decide(run, spec, event, now)
        if facts and decision.changed:
            return replace(decision, facts=(*facts(run), *decision.facts))
        return decision

    return make


class Transitions:
    """The one way in which runs change.

    Args:
        store: Keeps them.
        on_commit: Hears of each commit, and whether something is to be done at once.
        clock: Returns seconds since 1970.
    """

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
        self._runs: OrderedDict[_Key, Run] = OrderedDict()

    async def apply(
        self,
        batch: str,
        issue: int,
        *,
        event: Input,
        lease: LeaseReference | None = None,
        actor: str = "coordinator",
        done_timers: tuple[str, ...] = (),
    ) -> Applied:
        """Apply an event to a run.

        Raises:
            NotFoundError: there is no such batch or run.
            AbortedError: other writers were first again and again.
            UnavailableError: the store did not answer.
        """
        change = Change(batch, issue, by_event(event), lease=lease, actor=actor, done_timers=done_timers)
        return only(await self.apply_all([change]))

    async def apply_all(self, changes: Sequence[Change]) -> list[Applied | MiyabiError]:
        """Apply changes in their order, in one commit where nobody else is first; each result is its own.

        A result is an error where there is no such batch or run, or where others were first again and again.

        Raises:
            UnavailableError: the store did not answer; each change may or may not be committed.
        """
        attempt = _Attempt(self._store, changes, self._runs)
        for _ in range(MOST_TRIES):
            await attempt.load()
            for commit, due in await attempt.commit(self._clock()):
                self._remember(commit.decision.run)
                self._on_commit(commit, due)
            if not attempt.open:
                break
        for index in attempt.open:
            attempt.results[index] = AbortedError("Other writers were first, again and again.", reason="LOST_RACE")
        return [result for result in attempt.results if result is not None]

    async def confirmed(self, batch: str, issue: int) -> Run:
        """Return a run as it will be after the loss of a server.

        Raises:
            NotFoundError: there is no such batch or run.
            UnavailableError: the store did not answer.
        """
        found = await self._store.load_runs(batch, [issue], confirmed=True)
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


def only(results: Sequence[Applied | MiyabiError]) -> Applied:
    """Return the one result, or raise it where it is an error."""
    (result,) = results
    if isinstance(result, MiyabiError):
        raise result
    return result


class _Attempt:
    """Changes that are tried until each has its result."""

    def __init__(self, store: Store, changes: Sequence[Change], remembered: OrderedDict[_Key, Run]) -> None:
        self._store = store
        self._changes = changes
        self._remembered = remembered
        self._specs: dict[str, Spec | None] = {}
        self._fresh = {change.key for change in changes if change.known is not None}
        self._runs: dict[_Key, Run] = {}
        for change in changes:
            run = change.known or remembered.get(change.key)
            if run is not None:
                self._runs[change.key] = run
        self.open = list(range(len(changes)))
        self.results: list[Applied | MiyabiError | None] = [None] * len(changes)

    async def load(self) -> None:
        """Read what is not known yet."""
        missing: dict[str, list[int]] = {}
        for change in (self._changes[index] for index in self.open):
            if change.batch not in self._specs:
                self._specs[change.batch] = await self._store.load_spec(change.batch)
            if change.key not in self._runs:
                missing.setdefault(change.batch, []).append(change.issue)
        for batch, issues in missing.items():
            for run in await self._store.load_runs(batch, issues):
                self._runs[batch, run.issue] = run
                self._fresh.add((batch, run.issue))

    async def commit(self, now: float) -> list[tuple[Commit, bool]]:
        """Decide on all that are open and commit them together; what lost a race stays open.

        Returns what is committed, and whether something is to be done at once.
        """
        commits, owners = self._decide(now)
        answers = await self._store.commit(commits) if commits else []
        committed = []
        for index, commit, answer in zip(owners, commits, answers, strict=True):
            change = self._changes[index]
            if answer in {OK, DUE}:
                committed.append((commit, answer == DUE))
                self.results[index] = Applied(commit.decision.run, self._spec(change), OK)
            else:
                self._forget(change.key)
                if answer != CONFLICT:
                    self.results[index] = Applied(commit.decision.run, self._spec(change), answer)
        self.open = [index for index in self.open if self.results[index] is None]
        return committed

    def _decide(self, now: float) -> tuple[list[Commit], list[int]]:
        """Return the commits with the positions of their changes; of one run each goes on from the one before."""
        commits: list[Commit] = []
        owners: list[int] = []
        for index in self.open:
            change = self._changes[index]
            run, spec = self._runs.get(change.key), self._specs[change.batch]
            if run is None or spec is None:
                missing = batch_not_found(change.batch) if spec is None else run_not_found(*change.key)
                self.results[index] = missing
                continue
            decision = change.make(run, spec, now)
            if decision.changed:
                commits.append(
                    Commit(decision, run.version, change.lease, change.actor, change.done_timers, spec.traceparent)
                )
                owners.append(index)
                self._runs[change.key] = decision.run
                self._fresh.discard(change.key)
            elif change.key in self._fresh:
                self.results[index] = Applied(run, spec, "refused", decision.refusal)
            else:
                self._forget(change.key)
        return commits, owners

    def _spec(self, change: Change) -> Spec:
        """Return what the batch of a change was asked for, which is known once it is decided on."""
        spec = self._specs[change.batch]
        assert spec is not None
        return spec

    def _forget(self, key: _Key) -> None:
        """Read a run again before the next decision on it."""
        self._runs.pop(key, None)
        self._fresh.discard(key)
        self._remembered.pop(key, None)
