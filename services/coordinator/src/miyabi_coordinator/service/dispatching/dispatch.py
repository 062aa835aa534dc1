"""Leases ready tasks to free slots of the attached agents: free slots pull work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from msgspec.structs import replace

from miyabi_coordinator.decide import decide
from miyabi_coordinator.models import Decision, LeaseGranted, LeaseReference, Run, Spec, TaskState
from miyabi_coordinator.ports.store import Store
from miyabi_coordinator.service.dispatching.agents import AttachedAgent, GrantedLease
from miyabi_coordinator.service.dispatching.slots import Pair, assign, free_groups
from miyabi_coordinator.service.limiting.estimates import Estimates
from miyabi_coordinator.service.limiting.limits import Limits
from miyabi_coordinator.service.transitions import Applied, Change, Decide, Transitions
from miyabi_core.errors import MiyabiError
from miyabi_core.logging import get_logger

#: Seconds to wait after the store did not answer.
RETRY_SECONDS = 0.5

_LOG = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Timing:
    """How long leases and tasks last."""

    lease: timedelta = timedelta(seconds=15)
    heartbeat: timedelta = timedelta(seconds=5)
    task: timedelta = timedelta(minutes=15)

    def lease_expiry(self) -> float:
        """Return when a lease that is given or renewed now expires."""
        return time.time() + self.lease.total_seconds()


class Dispatcher:
    """The dispatch of one shard on one replica. `run` serves until it is cancelled."""

    def __init__(
        self, store: Store, transitions: Transitions, *, timing: Timing, limits: Limits, estimates: Estimates
    ) -> None:
        self._store = store
        self._transitions = transitions
        self._limits = limits
        self._estimates = estimates
        self.timing = timing
        self.agents: dict[str, AttachedAgent] = {}
        self.accepting = True
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Look for work again: a slot is free, or something is ready."""
        self._wake.set()

    async def attach(self, agent: AttachedAgent, held: list[LeaseReference]) -> list[LeaseReference]:
        """Take an agent in; a former stream of the same id ends. Returns the held leases that are lost."""
        lost = await self._store.renew(held, expires=self.timing.lease_expiry())
        gone = {reference.member for reference in lost}
        agent.held |= {entry.member: entry for entry in held if entry.member not in gone}
        former = self.agents.get(agent.info.id)
        self.agents[agent.info.id] = agent
        if former is not None:
            former.close()
        if await self._store.put_agent(agent.info):
            agent.drain("An operator asked for it.")
        self.wake()
        return lost

    async def detach(self, agent: AttachedAgent) -> None:
        """Forget a stream; its leases last until they expire or the agent is back."""
        agent.close()
        if self.agents.get(agent.info.id) is agent:
            del self.agents[agent.info.id]
            await self._store.remove_agent(agent.info)

    async def heartbeat(self, agent: AttachedAgent, held: list[LeaseReference], *, draining: bool) -> None:
        """Renew leases, tell the agent which are lost, note that it lives."""
        agent.draining = agent.draining or draining
        for reference in await self._store.renew(held, expires=self.timing.lease_expiry()):
            agent.cancel(reference, "The lease is no longer valid.")
        agent.info = replace(agent.info, last_seen=time.time(), leased=len(agent.held), draining=agent.draining)
        if await self._store.put_agent(agent.info) and not agent.draining:
            agent.drain("An operator asked for it.")
        self.wake()

    def drain_all(self, reason: str) -> None:
        """Give no more leases, and send every agent to another replica; what it works on it goes on with there.

        This server answers for a while yet (`drain_delay`): agents that stayed would have nothing to do meanwhile.
        """
        self.accepting = False
        for agent in self.agents.values():
            agent.drain(reason)
            agent.close()

    async def run(self) -> None:
        """Give work to free slots whenever there may be some."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                while self.accepting and await self._serve():
                    pass
            except MiyabiError as error:
                _LOG.warning("dispatch.store_unavailable", reason=error.reason)
                await asyncio.sleep(RETRY_SECONDS)
                self.wake()

    async def _serve(self) -> bool:
        """Claim for all free slots and lease what was claimed; returns whether there may be more."""
        groups = free_groups(self.agents.values())
        if not groups:
            return False
        limits = await self._limits.now()
        claimed = await self._store.claim([group.wanted for group in groups], limits=limits)
        assigned = [assign(group, claims) for group, claims in zip(groups, claimed, strict=True)]
        pairs = [pair for found in assigned for pair in found]
        left = [claim for found, claims in zip(assigned, claimed, strict=True) for claim in claims[len(found) :]]
        await self._store.unclaim(left)
        if not pairs:
            return False
        for pair in pairs:
            pair.agent.promised += 1
        try:
            await self._lease_all(pairs)
        finally:
            for pair in pairs:
                pair.agent.promised -= 1
        return any(len(claims) == group.wanted.count for group, claims in zip(groups, claimed, strict=True))

    async def _lease_all(self, pairs: Sequence[Pair]) -> None:
        """Lease claimed tasks; what a batch refuses the store parks, what is no longer ready is dropped."""
        specs = await self._specs({pair.claim.batch for pair in pairs})
        allowed = await self._limits.take([pair.claim for pair in pairs], specs)
        refused = [pair.claim for pair, fine in zip(pairs, allowed, strict=True) if not fine or pair.agent.gone]
        await self._store.unclaim(refused)
        left = [pair for pair, fine in zip(pairs, allowed, strict=True) if fine and not pair.agent.gone]
        await self._estimates.refresh(specs.values())
        changes = [
            Change(pair.claim.batch, pair.claim.issue, self._granting(pair), known=pair.claim.run) for pair in left
        ]
        results = await self._transitions.apply_all(changes)
        idle = [pair.claim for pair, result in zip(left, results, strict=True) if not _settle(pair, result)]
        self._limits.over([claim.holder for claim in (*idle, *refused)])
        gone = [pair.claim for pair, result in zip(left, results, strict=True) if _is_over(result)]
        await self._store.drop_claims(gone)

    async def _specs(self, batches: Iterable[str]) -> dict[str, Spec]:
        """Return what batches were asked for; they are read once."""
        found = {batch: await self._store.load_spec(batch) for batch in batches}
        return {batch: spec for batch, spec in found.items() if spec is not None}

    def _granting(self, pair: Pair) -> Decide:
        """Return what decides on a lease."""

        def make(run: Run, spec: Spec, now: float) -> Decision:
            deadline = now + self.timing.task.total_seconds()
            expires = min(now + self.timing.lease.total_seconds(), deadline)
            granted = LeaseGranted(
                pair.claim.task_id, pair.agent.info.id, expires, deadline, pair.claim.funds, self._estimates.of(spec)
            )
            return decide(run, spec, granted, now)

        return make


def _settle(pair: Pair, result: Applied | MiyabiError) -> bool:
    """Send a lease that is committed; returns whether the agent has it.

    A commit that nobody answered may have made the lease: then the run refuses another, and the agent gets that one.
    """
    task = None if isinstance(result, MiyabiError) else result.run.task(pair.claim.task_id)
    if isinstance(result, MiyabiError) or task is None or not (result.done or result.refusal):
        return False
    reference = LeaseReference(pair.claim.batch, pair.claim.issue, task.id, task.fence)
    mine = task.state is TaskState.LEASED and task.agent == pair.agent.info.id
    if mine and reference.member not in pair.agent.held:
        pair.agent.grant(GrantedLease(result.run, task, result.spec))
    return mine


def _is_over(result: Applied | MiyabiError) -> bool:
    """Tell whether the claim is of a task that is not ready any more; what a batch refuses is parked instead."""
    return isinstance(result, MiyabiError) or bool(result.refusal)
