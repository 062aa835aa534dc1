"""What a schedule is made of: steps with measured durations, what each needs, and the limits that they share."""

from __future__ import annotations

from dataclasses import dataclass

#: Files of a plan that decide whether two issues wait for each other: as many as the coordinator looks at.
FILES_COMPARED = 3
#: Issues of a batch whose order is settled by their files: as many as the coordinator orders.
MOST_ORDERED = 200
#: Slots where no agent was ever short.
UNLIMITED = 1 << 30


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt: how long, how long until the next one, and how much of it were calls of models."""

    seconds: float
    pause: float = 0.0
    model_seconds: float = 0.0
    #: True where its agent was lost or gave it back: so long it took until that was known.
    expired: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """A task with its attempts.

    Attributes:
        needs: Steps of the run that have to be done first.
        added_by: The step that sent the change back and so brought this one about; empty where none did.
        works: False where its end is the run's, or sends the change back.
        cut: True where it was stopped, since the run ended or went back: it lasts until then.
    """

    id: str
    kind: str
    needs: tuple[str, ...]
    tries: tuple[Try, ...]
    added_by: str = ""
    works: bool = True
    cut: bool = False
    fix_round: int = 0


@dataclass(frozen=True, slots=True)
class RunPlan:
    """A run: its steps, the issues that it waits for, the files that its plan names, what a person took to approve."""

    issue: int
    steps: tuple[Step, ...]
    depends_on: tuple[int, ...] = ()
    files: frozenset[str] = frozenset()
    approval_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A batch as a schedule sees it."""

    runs: tuple[RunPlan, ...]
    concurrency: int
    parallel: int
    slots: int = UNLIMITED
    #: Slots that agents had at most for this batch, also where they were never short.
    seen_slots: int = 0
    paused: tuple[tuple[float, float], ...] = ()
