"""Runs a plan again on a clock of its own: the same queues and limits as the coordinator's, and no chance."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from miyabi_dashboard.monitor.critical_path.plan import Plan, RunPlan, Step

#: A ready task in a queue: its place, its name to tell equal places apart, its run and its step.
_Entry = tuple[float, str, "_Run", Step]


@dataclass(eq=False, slots=True)
class _Run:
    """A run on the way."""

    plan: RunPlan
    steps: dict[str, Step]
    waits_for: set[int]
    done: set[str] = field(default_factory=set)
    begun: set[str] = field(default_factory=set)
    dropped: set[str] = field(default_factory=set)
    tried: dict[str, int] = field(default_factory=dict)
    active: set[str] = field(default_factory=set)
    shares: set[int] = field(default_factory=set)
    planned: float = -1.0
    in_flight: bool = False
    ended: bool = False
    well: bool = False
    approved: bool = False


class Schedule:
    """One batch with all agents' slots for itself.

    Args:
        plan: What there is to do.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._runs = {run.issue: _begun(run) for run in plan.runs}
        self._now = 0.0
        self._free = plan.slots
        self._running = self._leased = self._queued = 0
        self._place = 0.0
        self._moments: list[tuple[float, int, Callable[[], None]]] = []
        self._order = 0
        self._ready: list[_Entry] = []
        self._waiting: list[_Entry] = []
        self._held: list[_Entry] = []
        self._soon: list[Callable[[], None]] = []
        self._after: dict[int, list[_Run]] = {}
        for run in self._runs.values():
            for issue in run.waits_for:
                self._after.setdefault(issue, []).append(run)
        self._ordered = [run for run in self._runs.values() if run.plan.files]
        #: Seconds until each issue's run has ended.
        self.ends: dict[int, float] = {}

    def run(self) -> float:
        """Return the seconds until everything has ended."""
        self._begin()
        for _, end in self._plan.paused:
            self._at(end, _nothing)
        self._settle()
        while self._moments:
            self._now, _, action = heapq.heappop(self._moments)
            action()
            while self._moments and self._moments[0][0] <= self._now:
                heapq.heappop(self._moments)[2]()
            self._settle()
        return max(self.ends.values(), default=0.0)

    def _begin(self) -> None:
        """Queue the first step of each run that waits for nothing, as many as the batch lets begin."""
        first = [run for run in self._runs.values() if not run.waits_for]
        place = 0
        for run in first:
            for step in self._due(run):
                place += 1
                run.begun.add(step.id)
                if place <= self._plan.concurrency:
                    self._enqueue(run, step)
                else:
                    heapq.heappush(self._waiting, (float(place), _name(run, step), run, step))
            if not run.steps:
                self._end_run(run, well=True)

    def _at(self, moment: float, action: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._moments, (moment, self._order, action))

    def _settle(self) -> None:
        """Do what follows at this moment, then give steps to free slots."""
        while self._soon:
            due, self._soon = self._soon, []
            for action in due:
                action()
        paused = any(begin <= self._now < end for begin, end in self._plan.paused)
        while not paused and self._free and self._serve():
            pass

    def _serve(self) -> bool:
        """Lease ready steps, first come first served; what the batch does not allow is put aside."""
        claimed: list[_Entry] = []
        running, leased = self._running, self._leased
        while len(claimed) < self._free and self._ready:
            entry = heapq.heappop(self._ready)
            _, name, run, step = entry
            if _is_gone(run, step):
                self._queued -= not run.in_flight
                continue
            if not run.in_flight and running >= self._plan.concurrency:
                self._queued -= 1
                heapq.heappush(self._waiting, (self._place, name, run, step))
            elif leased >= self._plan.parallel:
                self._queued -= not run.in_flight
                heapq.heappush(self._held, (self._place, name, run, step))
            else:
                running, leased = running + (not run.in_flight), leased + 1
                claimed.append(entry)
        for _, _, run, step in claimed:
            self._lease(run, step)
        return bool(claimed)

    def _lease(self, run: _Run, step: Step) -> None:
        """Begin an attempt."""
        if not run.in_flight:
            self._queued -= 1
            self._running += 1
            run.in_flight = True
        self._free -= 1
        self._leased += 1
        number = run.tried.get(step.id, -1) + 1
        run.tried[step.id] = number
        run.active.add(step.id)
        run.begun.add(step.id)
        self._at(self._now + step.tries[number].seconds, partial(self._end_try, run, step, number))

    def _end_try(self, run: _Run, step: Step, number: int) -> None:
        """End an attempt: the next one follows, or the step is over; what was stopped before has no effect."""
        if _is_gone(run, step):
            return
        run.active.discard(step.id)
        self._free += 1
        self._leased -= 1
        if number + 1 < len(step.tries):
            pause = step.tries[number].pause
            if pause > 0:
                self._at(self._now + pause, partial(self._again, run, step))
            else:
                self._enqueue_or_park(run, step)
        else:
            self._end_step(run, step)
        self._refill()
        self._ask(run)

    def _again(self, run: _Run, step: Step) -> None:
        """Queue a step again after its pause."""
        if not _is_gone(run, step):
            self._enqueue_or_park(run, step)

    def _end_step(self, run: _Run, step: Step) -> None:
        """Do what follows from a step's end."""
        if step.works:
            run.done.add(step.id)
            if step.kind == "plan" and run.plan.files:
                self._soon.append(partial(self._order_run, run))
            else:
                self._advance(run)
            return
        run.done.discard(step.id)
        run.dropped.add(step.id)
        following = [other for other in run.steps.values() if other.added_by == step.id]
        if not following:
            self._end_run(run, well=False)
            return
        older = (other for other in run.steps.values() if other.fix_round < following[0].fix_round)
        self._drop(run, older)
        for other in following:
            run.begun.add(other.id)
            self._enqueue_or_park(run, other)

    def _order_run(self, run: _Run) -> None:
        """Begin a planned change, unless others that touch the same files come first."""
        run.planned = self._now
        run.shares = self._shared_with(run)
        self._advance(run)

    def _shared_with(self, run: _Run) -> set[int]:
        """Return the runs in flight that were planned before and touch one of the same files."""
        return {
            other.plan.issue
            for other in self._ordered
            if other is not run and other.in_flight and other.planned >= 0 and run.plan.files & other.plan.files
            and (other.planned, other.plan.issue) < (run.planned, run.plan.issue)
        }  # fmt: skip

    def _due(self, run: _Run) -> list[Step]:
        """Return the steps that can begin now."""
        return [
            step
            for step in run.steps.values()
            if step.id not in run.begun
            and not step.added_by
            and step.id not in run.dropped
            and run.done.issuperset(step.needs)
            and not (step.kind == "implement" and run.shares)
        ]

    def _advance(self, run: _Run) -> None:
        """Queue what can begin, or end the run."""
        due = self._due(run)
        asks = run.plan.approval_seconds is not None and not run.approved
        if asks and any(step.kind == "pull_request" for step in due):
            self._leave(run)
            return
        for step in due:
            run.begun.add(step.id)
            self._enqueue_or_park(run, step)
        if not due and all(name in run.done or name in run.dropped for name in run.steps):
            self._end_run(run, well=True)

    def _ask(self, run: _Run) -> None:
        """Have a person decide on a run that left for it."""
        if run.ended or run.in_flight or run.approved or run.plan.approval_seconds is None or not run.done:
            return
        run.approved = True
        if run.plan.approval_seconds > 0:
            self._at(self._now + run.plan.approval_seconds, partial(self._advance, run))
        else:
            self._advance(run)

    def _drop(self, run: _Run, steps: Iterable[Step]) -> None:
        """Stop steps that have not ended."""
        for step in steps:
            if step.id in run.done or step.id in run.dropped:
                continue
            run.dropped.add(step.id)
            if step.id in run.active:
                run.active.discard(step.id)
                self._free += 1
                self._leased -= 1

    def _end_run(self, run: _Run, *, well: bool) -> None:
        """End a run, and let those that wait for it begin or be skipped."""
        self._drop(run, run.steps.values())
        run.ended, run.well = True, well
        self.ends[run.plan.issue] = self._now
        self._leave(run)
        for other in self._after.get(run.plan.issue, ()):
            if not other.ended:
                self._soon.append(partial(self._prerequisite, other, run))

    def _leave(self, run: _Run) -> None:
        """Take a run out of flight: its slot is free, and those that touch the same files go on."""
        if run.in_flight:
            run.in_flight = False
            self._running -= 1
        for other in self._ordered:
            if run.plan.issue in other.shares:
                self._soon.append(partial(self._go_on, other, run))

    def _go_on(self, run: _Run, other: _Run) -> None:
        run.shares.discard(other.plan.issue)
        if not run.shares and not run.ended:
            self._advance(run)

    def _prerequisite(self, run: _Run, other: _Run) -> None:
        """Begin a run whose last prerequisite went well; end one that has nothing to do."""
        run.waits_for.discard(other.plan.issue)
        if run.ended or run.waits_for:
            return
        if run.steps:
            self._advance(run)
        else:
            self._end_run(run, well=False)

    def _enqueue_or_park(self, run: _Run, step: Step) -> None:
        """Queue a step; one that needs a slot of the batch's concurrency waits aside while there is none."""
        if not run.in_flight and self._running >= self._plan.concurrency:
            heapq.heappush(self._waiting, (self._place, _name(run, step), run, step))
        else:
            self._enqueue(run, step)

    def _enqueue(self, run: _Run, step: Step) -> None:
        self._place += 1
        self._queued += not run.in_flight
        heapq.heappush(self._ready, (self._place, _name(run, step), run, step))

    def _refill(self) -> None:
        """Queue what was put aside, as much as the batch may lease now."""
        free = self._plan.parallel - self._leased
        free -= self._unpark(self._held, free)
        slots = self._plan.concurrency - self._running - self._queued
        if free > 0 and slots > 0:
            self._unpark(self._waiting, min(free, slots))

    def _unpark(self, parked: list[_Entry], most: int) -> int:
        """Queue up to so many steps; returns how many."""
        taken: list[_Entry] = []
        while parked and len(taken) < most:
            entry = heapq.heappop(parked)
            if not _is_gone(entry[2], entry[3]):
                taken.append(entry)
        for _, _, run, step in taken:
            self._enqueue(run, step)
        return len(taken)


def makespan(plan: Plan) -> float:
    """Return the seconds from a batch's acceptance to its end by its plan."""
    return Schedule(plan).run()


def ends_of(plan: Plan) -> dict[int, float]:
    """Return the seconds from a batch's acceptance to the end of each issue's run by its plan."""
    schedule = Schedule(plan)
    schedule.run()
    return schedule.ends


def _begun(run: RunPlan) -> _Run:
    return _Run(run, {step.id: step for step in run.steps}, set(run.depends_on))


def _is_gone(run: _Run, step: Step) -> bool:
    """Tell whether a step was stopped."""
    return run.ended or step.id in run.dropped


def _name(run: _Run, step: Step) -> str:
    """Return what orders steps of one place: the coordinator's queues go by name then."""
    return f"{run.plan.issue}|{step.id}"


def _nothing() -> None:
    """Time has come: `_settle` looks what for."""
