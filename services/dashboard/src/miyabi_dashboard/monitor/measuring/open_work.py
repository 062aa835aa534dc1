"""What has begun and not ended: it outlives a restart, so that the end of what began before is measured too."""

from __future__ import annotations

from dataclasses import dataclass, field

#: Stands between the parts of a stored name or value.
_BETWEEN = "|"
#: Parts of a batch's stored form before it was told when the batch was seen.
_OLD_PARTS = 5


@dataclass(slots=True)
class OpenTask:
    """A task that waits or that an agent works on; times are seconds since 1970, 0 where there is none."""

    ready: float = 0.0
    leased: float = 0.0
    agent: str = ""

    def encode(self) -> str:
        """Return the stored form."""
        return f"{self.ready!r}{_BETWEEN}{self.leased!r}{_BETWEEN}{self.agent}"

    @classmethod
    def decode(cls, stored: str) -> OpenTask:
        """Read the stored form.

        Raises:
            ValueError: it is none.
        """
        ready, leased, agent = stored.split(_BETWEEN, 2)
        return cls(float(ready), float(leased), agent)


@dataclass(slots=True)
class KnownBatch:
    """What is to be known of a batch to measure its events.

    Attributes:
        repository: `owner/name`.
        last: Sequence of the newest event that was counted.
        concurrency: Issues in flight at once.
        running: Issues in flight.
        freed: When the batch last had all its slots taken, in seconds since 1970: what waited until then waited for
            the batch and not for an agent.
        seen: Time of the newest event, in seconds since 1970; 0: not known.
    """

    repository: str
    last: int = 0
    concurrency: int = 0
    running: int = 0
    freed: float = 0.0
    seen: float = 0.0

    def encode(self) -> str:
        """Return the stored form."""
        parts = (repr(self.seen), self.last, self.concurrency, self.running, repr(self.freed), self.repository)
        return _BETWEEN.join(map(str, parts))

    @classmethod
    def decode(cls, stored: str) -> KnownBatch:
        """Read the stored form, also that of before `seen` was in it.

        Raises:
            ValueError: it is none.
        """
        parts = stored.split(_BETWEEN)
        seen, last, concurrency, running, freed, repository = parts if len(parts) > _OLD_PARTS else ["0", *parts]
        return cls(repository, int(last), int(concurrency), int(running), float(freed), float(seen))


#: Batch, issue, task; the task is empty for the first one of a run, whose name is told with its first lease.
TaskName = tuple[str, int, str]


@dataclass(slots=True)
class OpenWork:
    """All of it, and which of it changed since it was last written."""

    tasks: dict[TaskName, OpenTask] = field(default_factory=dict)
    batches: dict[str, KnownBatch] = field(default_factory=dict)
    changed_tasks: set[TaskName] = field(default_factory=set)
    changed_batches: set[str] = field(default_factory=set)

    def put(self, name: TaskName, task: OpenTask) -> None:
        """Note a task that has not ended."""
        self.tasks[name] = task
        self.changed_tasks.add(name)

    def end(self, name: TaskName) -> OpenTask | None:
        """Forget a task, and return what was known of it."""
        task = self.tasks.pop(name, None)
        if task is not None:
            self.changed_tasks.add(name)
        return task

    def end_batch(self, batch: str) -> None:
        """Forget the tasks of a batch that has ended."""
        for name in [name for name in self.tasks if name[0] == batch]:
            self.end(name)

    def forget(self, batch: str) -> None:
        """Forget a batch whose measurements are no longer kept."""
        self.end_batch(batch)
        if self.batches.pop(batch, None):
            self.changed_batches.add(batch)
