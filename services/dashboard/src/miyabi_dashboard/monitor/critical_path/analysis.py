"""Everything about a batch's time in one place: its chain, its runs' chains, and what changes would have gained."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property

from miyabi.dashboard.v1.telemetry_service_pb2 import SegmentKind
from miyabi_dashboard.monitor.critical_path.history import Attempt, History
from miyabi_dashboard.monitor.critical_path.paths import Stretch, path_of_batch, path_of_run
from miyabi_dashboard.monitor.critical_path.plan import UNLIMITED, Plan
from miyabi_dashboard.monitor.critical_path.planning import plan_of
from miyabi_dashboard.monitor.critical_path.schedule import ends_of
from miyabi_dashboard.monitor.critical_path.what_if import Change

#: Runs of a batch whose schedule is run again: one takes a millisecond for ten of them, and a report does it 20 times.
MOST_REPLAYED = 1000

_WORK = (SegmentKind.SEGMENT_KIND_WORK, SegmentKind.SEGMENT_KIND_FIX_ROUND, SegmentKind.SEGMENT_KIND_LOST_ATTEMPT)
#: What is changed for stretches of a kind to be gone; work goes by its kind of task.
_GONE = {
    SegmentKind.SEGMENT_KIND_LOST_ATTEMPT: Change(no_lost=True),
    SegmentKind.SEGMENT_KIND_QUEUE_WAIT: Change(slots=UNLIMITED),
    SegmentKind.SEGMENT_KIND_BACKOFF: Change(no_pauses=True),
    SegmentKind.SEGMENT_KIND_SLOT_WAIT: Change(concurrency=UNLIMITED, parallel=UNLIMITED),
    SegmentKind.SEGMENT_KIND_APPROVAL: Change(no_approval=True),
    SegmentKind.SEGMENT_KIND_PAUSED: Change(no_stops=True),
    SegmentKind.SEGMENT_KIND_ORDER_WAIT: Change(no_order=True),
}


class Analysis:
    """A batch's time.

    Args:
        history: Its story.
        slots: Slots of all agents together; 0: not known.
        refused: The model API refused calls meanwhile: what more tasks at once had come to is not known then.
    """

    def __init__(self, history: History, *, slots: int = 0, refused: bool = False) -> None:
        self.history = history
        self._slots = slots
        self._refused = refused
        self._ends: dict[Change, dict[int, float]] = {}

    @cached_property
    def plan(self) -> Plan:
        """The batch as a schedule."""
        return plan_of(self.history, slots=self._slots)

    @cached_property
    def path(self) -> list[Stretch]:
        """The chain that ended last."""
        return path_of_batch(self.history)

    def path_of(self, issue: int) -> list[Stretch]:
        """Return the chain of an issue's run."""
        return path_of_run(self.history, self.history.runs[issue])

    @cached_property
    def _unpredictable(self) -> str:
        """Why the schedule cannot be run again; empty where it can."""
        runs = self.history.runs.values()
        if len(runs) > MOST_REPLAYED:
            return f"it has more than {MOST_REPLAYED:,} issues"
        return "issues of it were retried, when a person chose to" if any(run.retried for run in runs) else ""

    def predicts(self, change: Change) -> bool:
        """Tell whether it can be said what a change had gained."""
        return not self._unpredictable and not (change.grows and self._refused)

    @property
    def not_predicted(self) -> list[str]:
        """What cannot be said and why, a sentence each."""
        if self._unpredictable:
            return [f"What changes had gained is not predicted: {self._unpredictable}."]
        if self._refused:
            return ["What more slots or issues in flight had gained is not predicted: the model API refused calls."]
        return []

    @property
    def seconds(self) -> float:
        """From acceptance to the end, or to the newest event."""
        return self.history.ended - self.history.accepted

    def gain(self, change: Change, *, issue: int = 0) -> float:
        """Return how many seconds sooner the batch, or an issue's run, had ended with a change."""
        if not self.predicts(change):
            return 0.0
        return self._end(Change(), issue) - self._end(change, issue)

    def gone(self, stretch: Stretch) -> Change:
        """Return the change by which all stretches like one were gone, everywhere in the batch."""
        if stretch.kind in _GONE:
            return _GONE[stretch.kind]
        rounds = "fix" if stretch.kind == SegmentKind.SEGMENT_KIND_FIX_ROUND else "first"
        return Change(kind=stretch.subject, factor=0.0, rounds=rounds)

    def _end(self, change: Change, issue: int) -> float:
        """Return when the batch or a run ended with a change; each schedule is run once."""
        if change not in self._ends:
            self._ends[change] = ends_of(change.of(self.plan))
        ends = self._ends[change]
        return ends.get(issue, 0.0) if issue else max(ends.values(), default=0.0)

    @cached_property
    def call_seconds(self) -> dict[tuple[str, str], float]:
        """Seconds of the chain by tool or model, and kind of task: as far as they were spent in calls."""
        found: defaultdict[tuple[str, str], float] = defaultdict(float)
        for stretch in self.path:
            if stretch.kind in _WORK and (attempt := self._attempt(stretch)):
                for name, seconds in attempt.calls.items():
                    found[name, stretch.subject] += min(seconds, stretch.seconds)
        return dict(found)

    @cached_property
    def model_seconds(self) -> float:
        """Seconds of the chain in calls of models."""
        attempts = [(self._attempt(stretch), stretch) for stretch in self.path if stretch.kind in _WORK]
        return sum(min(attempt.model_seconds, stretch.seconds) for attempt, stretch in attempts if attempt)

    def _attempt(self, stretch: Stretch) -> Attempt | None:
        """Return the attempt that a stretch of work was."""
        run, task = int(stretch.name.split("/")[3]), stretch.name.rpartition("/")[2]
        attempts = self.history.runs[run].tasks[task].attempts
        return next((attempt for attempt in attempts if attempt.leased == stretch.start), None)
