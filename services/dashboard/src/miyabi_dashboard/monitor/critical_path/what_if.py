"""What a change would have gained: the schedule is run again with it, on the durations that were measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from miyabi_dashboard.monitor.critical_path.plan import UNLIMITED, Plan, Step, Try
from miyabi_dashboard.monitor.critical_path.schedule import makespan


@dataclass(frozen=True)
class Change:
    """A change of a batch; the default changes nothing.

    Args:
        kind: Steps of this kind take `factor` of their time; empty: all kinds where `factor` is not 1.
        factor: Share of the time that is left.
        rounds: `first` where only the first pass of the steps is changed, `fix` where only fix rounds are; empty: both.
        model_factor: Share of the time of model calls that is left, in steps of `kind`.
        slots: More slots of the agents.
        concurrency: More issues in flight; leased tasks at once too, where both limits are the same.
        parallel: More leased tasks at once.
        no_pauses: Nothing is waited for between two attempts.
        no_lost: No attempt fails that a repeat mends.
        no_approval: Nobody is asked.
        no_fix_time: What verification and review send back takes no time.
        no_stops: The batch is never paused.
        no_order: No issue waits for another one.
    """

    kind: str = ""
    factor: float = 1.0
    rounds: str = ""
    model_factor: float = 1.0
    slots: int = 0
    concurrency: int = 0
    parallel: int = 0
    no_pauses: bool = False
    no_lost: bool = False
    no_approval: bool = False
    no_fix_time: bool = False
    no_stops: bool = False
    no_order: bool = False

    @property
    def grows(self) -> bool:
        """True where more tasks had been worked on at once."""
        return self.slots > 0 or self.concurrency > 0 or self.parallel > 0

    def of(self, plan: Plan) -> Plan:
        """Return the plan with the change."""
        runs = tuple(
            replace(
                run,
                steps=tuple(self._step(step) for step in run.steps),
                approval_seconds=0.0 if self.no_approval and run.approval_seconds else run.approval_seconds,
                depends_on=() if self.no_order else run.depends_on,
                files=frozenset() if self.no_order else run.files,
            )
            for run in plan.runs
        )
        together = self.concurrency if plan.parallel == plan.concurrency else 0
        return replace(
            plan,
            runs=runs,
            slots=min(plan.slots + self.slots, UNLIMITED),
            concurrency=plan.concurrency + self.concurrency,
            parallel=plan.parallel + together + self.parallel,
            paused=() if self.no_stops else plan.paused,
        )

    def _step(self, step: Step) -> Step:
        """Return a step with the change."""
        tries = step.tries[-1:] if self.no_lost else step.tries
        touched = self.kind in {"", step.kind} and self.rounds in {"", "fix" if step.fix_round else "first"}
        zero = self.no_fix_time and step.fix_round > 0
        return replace(step, tries=tuple(self._try(entry, touched=touched, zero=zero) for entry in tries))

    def _try(self, entry: Try, *, touched: bool, zero: bool) -> Try:
        """Return an attempt with the change."""
        factor, model = (self.factor, self.model_factor) if touched and not entry.expired else (1.0, 1.0)
        seconds = (entry.seconds - entry.model_seconds * (1 - model)) * factor
        pause = 0.0 if self.no_pauses else entry.pause
        return replace(entry, seconds=0.0 if zero else seconds, pause=pause)


def gain(plan: Plan, change: Change, *, base: float | None = None, run: Callable[[Plan], float] = makespan) -> float:
    """Return how many seconds sooner a batch had ended with a change; negative where it had ended later.

    Args:
        plan: The batch as it was.
        change: What is changed.
        base: Its makespan, where it is known already.
        run: Runs a plan.
    """
    before = run(plan) if base is None else base
    return before - run(change.of(plan))
