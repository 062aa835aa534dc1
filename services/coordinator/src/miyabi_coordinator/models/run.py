"""A run: one issue inside one batch, with its tasks and what they found."""

from __future__ import annotations

from msgspec import field
from msgspec.structs import replace

from miyabi_coordinator.models.enums import FailureReason, RunState, TaskKind, TaskState
from miyabi_coordinator.models.money import NO_BUDGET, Budget
from miyabi_coordinator.models.value import Value


class Usage(Value, frozen=True):
    """What model calls used and cost, in millionths of a US dollar."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_write_tokens: int = 0
    cache_read_tokens: int = 0
    cost_usd_micros: int = 0
    calls: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(*(mine + theirs for mine, theirs in zip(self.values(), other.values(), strict=True)))

    def __sub__(self, other: Usage) -> Usage:
        return Usage(*(mine - theirs for mine, theirs in zip(self.values(), other.values(), strict=True)))

    def values(self) -> tuple[int, int, int, int, int, int]:
        """Return the fields in order."""
        return (
            self.input_tokens,
            self.output_tokens,
            self.cache_write_tokens,
            self.cache_read_tokens,
            self.cost_usd_micros,
            self.calls,
        )

    @property
    def tokens(self) -> int:
        """Tokens of all kinds together."""
        return self.input_tokens + self.output_tokens + self.cache_write_tokens + self.cache_read_tokens


#: Nothing was spent.
NO_USAGE = Usage()


class Task(Value, frozen=True):
    """A step of a run. Times are seconds since 1970; 0 where there is none."""

    id: str
    kind: TaskKind
    state: TaskState = TaskState.PENDING
    depends_on: tuple[str, ...] = ()
    attempt: int = 0
    failures: int = 0
    expiries: int = 0
    fix_round: int = 0
    plan_step: int = 0
    title: str = ""
    agent: str = ""
    fence: int = 0
    started: float = 0.0
    ended: float = 0.0
    ready_at: float = 0.0
    lease_expires: float = 0.0
    deadline: float = 0.0
    reserved: Budget = NO_BUDGET
    reason: FailureReason = FailureReason.NONE
    message: str = ""
    spent: Usage = NO_USAGE


class ListedStep(Value, frozen=True):
    """A step that the issue itself lists; `depends_on` are positions from 0."""

    title: str
    description: str = ""
    depends_on: tuple[int, ...] = ()


class Results(Value, frozen=True):
    """The newest result of each step, as the agent's serialised message; empty where there is none."""

    triage: bytes = b""
    plan: bytes = b""
    change_set: bytes = b""
    verification: bytes = b""
    review: bytes = b""
    documentation: bytes = b""
    pull_request: bytes = b""


class StaleData(Value, frozen=True):
    """Old data of the issue were used: read at `read`, `age` seconds before; `cause` is numbered as in the proto."""

    read: float
    age: float
    cause: int = 0


#: Nothing was found yet.
NO_RESULTS = Results()


class Original(Value, frozen=True):
    """What is worked on in place of an issue: another one of the batch; 0 with the page of a pull request of ours."""

    issue: int
    url: str = ""


class Suspect(Value, frozen=True):
    """An issue that another one may be a duplicate of.

    Args:
        issue: One of the same batch, or that of an open pull request of ours.
        url: Page of what is worked on: of the issue, or of the pull request.
        pull_request: `url` is a pull request's.
        sure: The texts say so by themselves: only a model that read both can refuse it.
    """

    issue: int
    url: str = ""
    pull_request: bool = False
    sure: bool = False


class SharedFiles(Value, frozen=True):
    """Another issue of the batch whose change is likely to touch the same files; these are sorted."""

    issue: int
    files: tuple[str, ...]


class Branch(Value, frozen=True):
    """A branch as it was pushed: its name and its commit."""

    name: str
    sha: str


class Run(Value, frozen=True):
    """One issue inside one batch: a value; every transition makes another one."""

    batch: str
    issue: int
    title: str = ""
    url: str = ""
    state: RunState = RunState.PENDING
    tasks: tuple[Task, ...] = ()
    version: int = 1
    fence: int = 0
    depends_on: tuple[int, ...] = ()
    waits_for: tuple[int, ...] = ()
    dependents: tuple[int, ...] = ()
    results: Results = NO_RESULTS
    spent: Usage = NO_USAGE
    started: float = 0.0
    ended: float = 0.0
    fix_rounds: int = 0
    approved: bool = False
    budget_warned: bool = False
    generation: int = 1
    reason: FailureReason = FailureReason.NONE
    message: str = ""
    progress: dict[str, int] = field(default_factory=dict)
    listed: tuple[ListedStep, ...] = ()
    kept: Budget = NO_BUDGET
    stale: StaleData | None = None
    #: What verification found asks for a person's approval, whether the batch does or not.
    asks: bool = False
    #: Is worked on in place of this one, where there is one.
    duplicate_of: Original | None = None
    #: What it may be a duplicate of, likest first; triage compares them. None where it was retried.
    suspects: tuple[Suspect, ...] = ()
    #: When the plan was made, seconds since 1970; 0: not, or the batch's issues are not ordered.
    planned: float = 0.0
    #: What the plan says that the change touches, most likely first.
    touches: tuple[str, ...] = ()
    #: The plan is made, and whom the change waits for is not decided yet.
    settling: bool = False
    #: Whom the change waits for now.
    shares: tuple[SharedFiles, ...] = ()
    #: Where the change starts, where that is not the batch's base.
    base: Branch | None = None
    #: The branch of its pull request.
    pushed: Branch | None = None
    #: What the change lacks since its budget ended in the middle: what is proven is delivered, nothing more is made.
    missing: tuple[str, ...] = ()
    #: What stopped conversations had learnt, oldest first, also those before a retry: for the models of the next ones.
    learnt: str = ""
    #: What a newer version stored and this one does not know; the store's own form.
    unknown: bytes = b""

    def task(self, task_id: str) -> Task | None:
        """Return the task of that id."""
        return next((task for task in self.tasks if task.id == task_id), None)

    def with_task(self, changed: Task) -> Run:
        """Return the run with one task exchanged."""
        return replace(self, tasks=tuple(changed if task.id == changed.id else task for task in self.tasks))


def task_name(batch: str, issue: int, task_id: str) -> str:
    """Return `batches/{ulid}/runs/{issue}/tasks/{id}`."""
    return f"batches/{batch}/runs/{issue}/tasks/{task_id}"


def parse_task_name(name: str) -> tuple[str, int, str]:
    """Return batch id, issue number and task id of a name that the proto's pattern admits."""
    _, batch, _, issue, _, task_id = name.split("/")
    return batch, int(issue), task_id


def holder_name(batch: str, issue: int, task_id: str) -> str:
    """Return what a task holds places of limits under, whichever lease of it."""
    return f"{batch}|{issue}|{task_id}"


class LeaseReference(Value, frozen=True):
    """Names a lease and proves that it is the newest one of its task."""

    batch: str
    issue: int
    task_id: str
    fence: int

    @property
    def member(self) -> str:
        """Return the lease's name in the store."""
        return f"{self.batch}|{self.issue}|{self.task_id}|{self.fence}"

    @classmethod
    def of_member(cls, member: str) -> LeaseReference:
        """Parse `member`."""
        batch, issue, task_id, fence = member.split("|")
        return cls(batch, int(issue), task_id, int(fence))
