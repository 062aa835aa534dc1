"""What the scripts know of a batch, and what the names in their queues tell."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from miyabi_coordinator.decide import COUNTER_OF_STATE
from miyabi_coordinator.models import BatchState, LeaseReference, Run, RunState, Spec, Task
from miyabi_coordinator.reference.sorted_set import SortedSet

_OPEN = [COUNTER_OF_STATE[state] for state in RunState if not state.terminal]


@dataclass(slots=True)
class Facts:
    """A batch's hash, its runs and what is parked."""

    id: str
    spec: Spec
    created: float
    runs: dict[int, Run]
    state: BatchState = BatchState.RUNNING
    ended: float = 0.0
    vft: float = 0.0
    counters: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    warned: int = 0
    queued: int = 0
    freed: bool = False
    paid: bool = False
    waiting: SortedSet = field(default_factory=SortedSet)
    held: SortedSet = field(default_factory=SortedSet)
    unpaid: SortedSet = field(default_factory=SortedSet)

    @property
    def open(self) -> int:
        """Runs that have not ended."""
        return sum(self.counters[name] for name in _OPEN)


def needs_slot(member: str) -> bool:
    """Tell whether a member of a queue will take one of the batch's slots."""
    return member.endswith("|1")


def batch_of(member: str) -> str:
    """Return the batch that a member of a queue names."""
    return member.split("|", 1)[0]


def kind_of(member: str) -> int:
    """Return the kind of task that a member of a queue names."""
    return int(member.split("|")[3])


def lease_of(run: Run, task: Task) -> str:
    """Return the name of a task's lease."""
    return LeaseReference(run.batch, run.issue, task.id, task.fence).member
