"""What the use cases ask of the durable store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from miyabi_coordinator.models import AgentInfo, Batch, Decision, LeaseReference, Run, Spec
from miyabi_coordinator.models.value import Value

#: A committed event: its sequence and its serialised message with that sequence.
LoggedEvent = tuple[int, bytes]


class Created(Value, frozen=True):
    """What became of a new batch: `batch` is the older one where the request was a repeat."""

    batch: str
    repeated: bool
    same_body: bool


class Claim(Value, frozen=True):
    """A ready task that a dispatcher took out of the queue and has to lease, or to put back."""

    batch: str
    issue: int
    task_id: str
    kind: int
    run: Run
    member: str


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
CONFLICT = "conflict"
LEASE_LOST = "lease"
REFUSED_STATE = "state"
REFUSED_SLOT = "slot"
REFUSED_PARALLEL = "parallel"
REFUSED_BUDGET = "budget"
REFUSED_RESERVE = "reserve"


class Store(Protocol):
    """Durable state of one shard."""

    async def create(self, batch: Batch, *, runs: Sequence[Run], digest: str) -> Created:
        """Write a batch, its runs and its first event, unless the request made one before."""
        ...

    async def find_request(self, request_id: str, *, digest: str) -> Created | None:
        """Return what a request made before; None where it is new."""
        ...

    async def commit(self, commit: Commit) -> str:
        """Write a transition; the answer is one of this module's constants."""
        ...

    async def claim(self, wanted: dict[int, int]) -> list[Claim]:
        """Take up to that many ready tasks of each kind, fairest first."""
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

    async def read_log(self, batch: str, *, after: int, limit: int) -> list[LoggedEvent]:
        """Return committed events after a sequence, oldest first."""
        ...

    async def queue_sizes(self) -> dict[int, int]:
        """Return how many tasks of each kind are ready or leased; kinds without any are left out."""
        ...

    async def last_event(self) -> str:
        """Return the position of the newest event of the shard."""
        ...

    async def read_events(self, position: str, *, limit: int = 500) -> tuple[str, list[tuple[str, int, bytes]]]:
        """Return events of all batches after a position, oldest first: the new position; batch, sequence, message."""
        ...

    def follow(self, position: str) -> AsyncIterator[tuple[str, list[tuple[str, int, bytes]]]]:
        """Yield committed events of all batches after a position: the new position; batch, sequence, message."""
        ...

    async def renew(self, leases: Sequence[LeaseReference], *, expires: float) -> list[LeaseReference]:
        """Renew leases; returns those that are no longer valid."""
        ...

    async def expired(self, now: float) -> list[LeaseReference]:
        """Return leases that nobody renewed."""
        ...

    async def due(self, now: float) -> list[str]:
        """Return timers and outbox entries whose time has come."""
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

    async def list_batches(self, *, before: str, limit: int) -> list[Batch]:
        """Return batches older than a batch id (empty: all), newest first."""
        ...

    async def put_agent(self, agent: AgentInfo) -> bool:
        """Record an agent; returns whether it was told to drain."""
        ...

    async def remove_agent(self, agent: AgentInfo) -> None:
        """Forget an agent, unless it has attached again since, here or elsewhere."""
        ...

    async def list_agents(self) -> list[AgentInfo]:
        """Return all agents by id."""
        ...

    async def drain_agent(self, agent_id: str) -> AgentInfo | None:
        """Tell an agent to take no more; None where there is no such agent."""
        ...
