"""What the use cases ask of the durable store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

from msgspec import field

from miyabi_coordinator.models import (
    NO_FINDINGS,
    AgentInfo,
    Batch,
    Decision,
    Findings,
    Funds,
    LeaseReference,
    RepositoryLimit,
    Run,
    Spec,
)
from miyabi_coordinator.models.run import holder_name
from miyabi_coordinator.models.value import Value
from miyabi_coordinator.translate.frames import skip

#: Entries of one read of a log: each holds up to 64 events or 128 KB.
PAGE = 32
#: Timers of one read.
DUE_PAGE = 500


class Chunk(Value, frozen=True):
    """Some committed events of a batch, in order and without a gap.

    Args:
        batch: Its id.
        first: Sequence of the first one.
        last: Sequence of the last one.
        frames: The events, each framed as field 1 (translate/frames.py).
        final: The last one ends the batch.
    """

    batch: str
    first: int
    last: int
    frames: bytes
    final: bool = False

    def behind(self, sequence: int) -> Chunk:
        """Return the chunk without the events up to a sequence, which must not be its last."""
        if sequence < self.first:
            return self
        frames = skip(self.frames, sequence - self.first + 1)
        return Chunk(self.batch, sequence + 1, self.last, frames, final=self.final)


class Position(Value, frozen=True, order=True):
    """Where a batch stands in the list of all: by its creation (seconds since 1970), then by its id.

    A position outlives its batch, and every shard can tell what is behind it.
    """

    created: float
    batch: str


class Growth(Value, frozen=True):
    """A batch's log grew by the events *first* to *last*; *ready* tasks became ready with them."""

    batch: str
    first: int
    last: int
    ready: int = 0


class Wanted(Value, frozen=True):
    """Free slots that take any of these kinds of task."""

    kinds: tuple[int, ...]
    count: int


class Created(Value, frozen=True):
    """What became of a new batch: `batch` is the older one where the request was a repeat.

    Where issues are `taken`, in the open batches that are named with each, nothing was written.
    """

    batch: str
    repeated: bool
    same_body: bool
    taken: Mapping[int, tuple[str, ...]] = field(default_factory=dict)


class Claim(Value, frozen=True):
    """A ready task that a dispatcher took out of the queue and has to lease, or to put back."""

    batch: str
    issue: int
    task_id: str
    kind: int
    run: Run
    member: str
    funds: Funds

    @property
    def holder(self) -> str:
        """Return what the task holds places of limits under."""
        return holder_name(self.batch, self.issue, self.task_id)


class Commit(Value, frozen=True):
    """A transition on its way to the store.

    Args:
        decision: What to write.
        expected_version: The run's version that it was decided on.
        lease: Must still be held; None where no lease is involved.
        actor: Who did it.
        done_timers: Outbox entries that the commit completes.
        traceparent: Of the causing call.
    """

    decision: Decision
    expected_version: int
    lease: LeaseReference | None = None
    actor: str = "coordinator"
    done_timers: tuple[str, ...] = ()
    traceparent: str = ""


#: What a commit answers: written, another writer was first, the lease was lost, or a guard of the batch refused.
OK = "ok"
#: Written, and something is to be done at once: an entry among the timers.
DUE = "due"
CONFLICT = "conflict"
LEASE_LOST = "lease"
REFUSED_STATE = "state"
REFUSED_SLOT = "slot"
REFUSED_PARALLEL = "parallel"
REFUSED_RESERVE = "reserve"


class Store(Protocol):
    """Durable state of one shard."""

    async def create(
        self,
        batch: Batch,
        *,
        runs: Sequence[Run],
        digest: str,
        findings: Findings = NO_FINDINGS,
        exclusive: bool = False,
    ) -> Created:
        """Write a batch, its runs and its first event, unless the request made one before.

        Where *exclusive*, an issue that is in an open batch of the shard keeps it from being written.
        """
        ...

    async def open_batches(self, repository: str, issues: Sequence[int]) -> dict[int, tuple[str, ...]]:
        """Return the batches of the shard that have not ended and that these issues of a repository are in."""
        ...

    async def find_request(self, request_id: str, *, digest: str) -> Created | None:
        """Return what a request made before; None where it is new."""
        ...

    async def commit(self, commits: Sequence[Commit]) -> list[str]:
        """Write transitions in their order; each answer is its own, and one of this module's constants."""
        ...

    async def claim(self, wanted: Sequence[Wanted], *, limits: Sequence[RepositoryLimit] = ()) -> list[list[Claim]]:
        """Take ready tasks for groups of free slots, fairest first; returns the claims of each group."""
        ...

    async def unclaim(self, claims: Sequence[Claim]) -> None:
        """Put claims back that found no agent."""
        ...

    async def load_spec(self, batch: str) -> Spec | None:
        """Return what a batch was asked for."""
        ...

    async def load_batch(self, batch: str, *, confirmed: bool = False) -> Batch | None:
        """Return a batch as it is; where *confirmed*, as it will be after the loss of a server."""
        ...

    async def load_runs(self, batch: str, issues: Sequence[int] | None = None, *, confirmed: bool = False) -> list[Run]:
        """Return runs, all of them without *issues*, in the batch's order; those that are not there are left out.

        Where *confirmed*, as they will be after the loss of a server.
        """
        ...

    async def set_state(
        self, batch: str, *, before: int, state: int, reason: str, actor: str, outbox: str = ""
    ) -> bool:
        """Change a batch's state from *before*; False where it is another one by now."""
        ...

    async def close(self, batch: Batch, *, runs: Sequence[Run], state: int) -> bool:
        """End a batch whose runs have all ended: its last event, its state."""
        ...

    async def warn(self, batch: Batch) -> bool:
        """Log that most of a batch's budget is spent; False where it is logged already."""
        ...

    async def queue_sizes(self) -> dict[int, int]:
        """Return how many tasks of each kind are ready, unless their batch is paused, or leased; no kind has 0."""
        ...

    async def read_log(self, batch: str, *, after: int) -> list[Chunk]:
        """Return a page of a log behind a sequence, oldest first; empty at its end."""
        ...

    async def read_logs(self, after: Mapping[str, int]) -> dict[str, list[Chunk]]:
        """Return a page of each batch's log behind a sequence, in one round trip."""
        ...

    async def last_position(self) -> str:
        """Return the position of the newest growth of any log of the shard."""
        ...

    async def read_growth(self, position: str) -> tuple[str, list[Growth]]:
        """Return what logs grew after a position, oldest first, with the new position."""
        ...

    def follow(self, position: str) -> AsyncIterator[list[Growth]]:
        """Yield what logs grow after a position, with no end; the one blocked read of the shard."""
        ...

    async def renew(self, leases: Sequence[LeaseReference], *, expires: float) -> list[LeaseReference]:
        """Renew leases; returns those that are no longer valid."""
        ...

    async def expired(self, now: float) -> list[LeaseReference]:
        """Return leases that nobody renewed."""
        ...

    async def due(self, now: float, *, start: int = 0) -> list[str]:
        """Return a page of timers and outbox entries whose time has come, oldest first, behind *start* others."""
        ...

    async def drop_timers(self, timers: Sequence[str]) -> None:
        """Remove entries that need no transition."""
        ...

    async def finish_timer(self, name: str, *, batch: str) -> None:
        """Remove what was done for a whole batch; one of which nothing is open is closed next."""
        ...

    async def drop_claims(self, claims: Sequence[Claim]) -> None:
        """Forget claims of tasks that are no longer ready."""
        ...

    async def drop_leases(self, leases: Sequence[LeaseReference]) -> None:
        """Remove leases whose task is over."""
        ...

    async def restore_claims(self) -> int:
        """Put back claims whose dispatcher is gone; returns how many."""
        ...

    async def list_positions(self, *, before: Position | None, limit: int) -> list[Position]:
        """Return where batches stand in the list, newest first: those behind a position (None: from the newest)."""
        ...

    async def load_batches(self, batches: Sequence[str]) -> list[Batch | None]:
        """Return batches as they are, in the order asked for; None for one that is not there (any more)."""
        ...

    async def put_agent(self, agent: AgentInfo) -> bool:
        """Record an agent; returns whether it was told to drain."""
        ...

    async def remove_agent(self, agent: AgentInfo) -> None:
        """Forget an agent, unless it has attached again meanwhile."""
        ...

    async def list_agents(self) -> list[AgentInfo]:
        """Return all agents by id."""
        ...

    async def drain_agent(self, agent_id: str) -> AgentInfo | None:
        """Tell an agent to take no more; None where there is no such agent."""
        ...
