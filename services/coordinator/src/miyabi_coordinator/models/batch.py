"""A batch: what was asked for, and how far it is."""

from __future__ import annotations

from msgspec import field

from miyabi_coordinator.models.enums import BatchState, Pipeline
from miyabi_coordinator.models.money import NO_BUDGET, Budget
from miyabi_coordinator.models.run import StaleData, Usage
from miyabi_coordinator.models.value import Value


class Spec(Value, frozen=True):
    """What was asked for, with every default filled in; never changes."""

    repository: str
    issues: tuple[int, ...]
    pipeline: Pipeline = Pipeline.FIX
    concurrency: int = 3
    max_parallel_tasks: int = 3
    budget: Budget = NO_BUDGET
    issue_budget: Budget = NO_BUDGET
    priority: int = 0
    weight: int = 1
    dry_run: bool = False
    require_approval: bool = False
    max_fix_rounds: int = 2
    base_branch: str = ""
    base_sha: str = ""
    request_id: str = ""
    requester: str = "local"
    simulated: bool = False
    traceparent: str = ""
    task_budget: Budget = NO_BUDGET
    overruled: tuple[int, ...] = ()
    grouping: bool = False


class Counters(Value, frozen=True):
    """How many runs are in each state."""

    pending: int = 0
    running: int = 0
    awaiting_approval: int = 0
    succeeded: int = 0
    failed: int = 0
    skipped: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        """All runs."""
        ended = self.succeeded + self.failed + self.skipped + self.cancelled
        return self.open + ended

    @property
    def open(self) -> int:
        """Runs that have not ended."""
        return self.pending + self.running + self.awaiting_approval


class Batch(Value, frozen=True):
    """A batch as it was at one moment. Times are seconds since 1970; 0 where there is none."""

    id: str
    spec: Spec
    state: BatchState = BatchState.RUNNING
    counters: Counters = field(default_factory=Counters)
    leased: int = 0
    spent: Usage = field(default_factory=Usage)
    reserved: Budget = NO_BUDGET
    created: float = 0.0
    ended: float = 0.0
    last_sequence: int = 0

    @property
    def name(self) -> str:
        """Return `batches/{ulid}`."""
        return f"batches/{self.id}"


class AgentInfo(Value, frozen=True):
    """A process that runs tasks."""

    id: str
    capabilities: tuple[int, ...]
    slots: int
    version: str = ""
    attached: float = 0.0
    last_seen: float = 0.0
    leased: int = 0
    draining: bool = False
    simulated_model: bool = False


class IssueFacts(Value, frozen=True):
    """What the gateway says of an issue, as far as a batch needs it."""

    number: int
    title: str
    url: str
    body: str = ""
    blocked_by: tuple[int, ...] = ()
    sub_issues: tuple[int, ...] = ()
    stale: StaleData | None = None


class RepositoryFacts(Value, frozen=True):
    """What the gateway says of a repository."""

    name: str
    branch: str
    head_sha: str
    simulated: bool = False


class Matches(Value, frozen=True):
    """What a query found: issues by number; `more`: further ones match, or may."""

    issues: tuple[IssueFacts, ...]
    more: bool = False


class IssueFilter(Value, frozen=True):
    """Which issues, where they are not listed."""

    labels: tuple[str, ...] = ()
    state: int = 1
    milestone: str = ""
    assignee: str = ""
    text: str = ""
    limit: int = 100


class PlaceRequest(Value, frozen=True):
    """Asks for a place under each of some limits, by name and number of places; `holder` names the task."""

    holder: str
    limits: tuple[tuple[str, int], ...] = ()


#: Begins the resource of a limit that the gateway finds by itself: how many things one query of a shape asks for.
QUERY_SIZE = "github-query/"


class Quota(Value, frozen=True):
    """One of the gateway's limits: `remaining` -1 is unknown, `limit` 0 is none. Times are seconds since 1970."""

    resource: str
    repository: str = ""
    limit: int = 0
    remaining: int = -1
    resets: float = 0.0
    blocked_until: float = 0.0

    def free(self, now: float) -> int:
        """Return how many may be used now."""
        if self.blocked_until > now:
            return 0
        stale = bool(self.resets) and self.resets <= now
        return self.limit if self.remaining < 0 or stale else self.remaining


class RepositoryLimit(Value, frozen=True):
    """How many tasks of a repository may still start now; `kind` 0: of any kind.

    Repository `*` is all of them together, an empty one each that has no limit of its own.
    """

    repository: str
    kind: int
    free: int
