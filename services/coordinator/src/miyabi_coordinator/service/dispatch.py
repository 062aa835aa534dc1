"""Leases ready tasks to free slots of the attached agents: free slots pull work."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import timedelta

from msgspec.structs import replace

from miyabi_coordinator.decide import decide
from miyabi_coordinator.models import (
    BudgetRefused,
    Decision,
    LeaseGranted,
    LeaseReference,
    Run,
    Spec,
    TaskKind,
    TaskState,
)
from miyabi_coordinator.ports.store import REFUSED_BUDGET, Claim, Store
from miyabi_coordinator.service.agents import AttachedAgent, GrantedLease
from miyabi_coordinator.service.transitions import Applied, Transitions
from miyabi_core.errors import MiyabiError
from miyabi_core.logging import get_logger

#: Most that an attempt is expected to cost, in millionths of a US dollar; reserved where there is a budget.
RESERVE_USD_MICROS = {
    TaskKind.TRIAGE: 50_000,
    TaskKind.PLAN: 200_000,
    TaskKind.IMPLEMENT: 1_000_000,
    TaskKind.REVIEW: 200_000,
    TaskKind.DOCUMENT: 200_000,
}
#: Seconds to wait after the store did not answer.
RETRY_SECONDS = 0.5
#: Most tasks of one claim; as many as one commit takes.
MOST_CLAIMED = 256

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

    def __init__(self, store: Store, transitions: Transitions, *, timing: Timing) -> None:
        self._store = store
        self._transitions = transitions
        self.timing = timing
        self.agents: dict[str, AttachedAgent] = {}
        self.accepting = True
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Look for work again: a slot is free, or something was committed."""
        self._wake.set()

    async def attach(self, agent: AttachedAgent, held: list[LeaseReference]) -> list[LeaseReference]:
        """Take an agent in; a former stream of the same id ends. Returns the held leases that are lost."""
        lost = await self._store.renew(held, expires=self.timing.lease_expiry())
        gone = {reference.member for reference in lost}
        agent.held = {entry.member: entry for entry in held if entry.member not in gone}
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
        """Give no more leases and tell every agent."""
        self.accepting = False
        for agent in self.agents.values():
            agent.drain(reason)

    async def run(self) -> None:
        """Give work to free slots whenever there may be some."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                for kind in TaskKind:
                    await self._serve(kind)
            except MiyabiError as error:
                _LOG.warning("dispatch.store_unavailable", error=str(error))
                await asyncio.sleep(RETRY_SECONDS)
                self.wake()

    async def _serve(self, kind: TaskKind) -> None:
        """Lease ready tasks of one kind as long as there are free slots and tasks."""
        while self.accepting:
            slots = self._slots(kind)
            if not slots:
                return
            claims = await self._store.claim({int(kind): len(slots)})
            pairs = list(zip(slots, claims, strict=False))
            for agent, _ in pairs:
                agent.promised += 1
            async with asyncio.TaskGroup() as group:
                for agent, claim in pairs:
                    group.create_task(self._lease(agent, claim))
            if len(claims) < len(slots):
                return

    def _slots(self, kind: TaskKind) -> list[AttachedAgent]:
        """Return an entry for each free slot of agents that take the kind, one agent after the other in turn."""
        fitting = [agent for agent in self.agents.values() if kind in agent.info.capabilities]
        free = {agent.info.id: agent.free for agent in fitting}
        slots: list[AttachedAgent] = []
        while len(slots) < MOST_CLAIMED:
            fitting = [agent for agent in fitting if free[agent.info.id] > 0]
            if not fitting:
                break
            slots.extend(fitting)
            for agent in fitting:
                free[agent.info.id] -= 1
        return slots[:MOST_CLAIMED]

    async def _lease(self, agent: AttachedAgent, claim: Claim) -> None:
        """Lease a claimed task; what its batch refuses the store parks, what is no longer ready is dropped."""
        try:
            spec = await self._store.load_spec(claim.batch)
            if spec is None or agent.gone:
                await self._store.unclaim([claim])
                return
            applied = await self._grant(agent, claim)
            task = applied.run.task(claim.task_id)
            if applied.done and task is not None and task.state is TaskState.LEASED:
                agent.grant(GrantedLease(applied.run, task, spec))
            elif applied.answer == REFUSED_BUDGET:
                await self._transitions.apply(claim.batch, claim.issue, event=BudgetRefused(claim.task_id))
            elif applied.refusal:
                await self._store.drop_claims([claim])
        except MiyabiError as error:
            # The claim runs out by itself and the task is ready again.
            _LOG.warning("dispatch.lease_failed", reason=error.reason, task=claim.member)
        finally:
            agent.promised -= 1

    async def _grant(self, agent: AttachedAgent, claim: Claim) -> Applied:
        """Commit the lease."""

        def make(run: Run, spec: Spec, now: float) -> Decision:
            deadline = now + self.timing.task.total_seconds()
            expires = min(self.timing.lease_expiry(), deadline)
            reserve = _reserve(run, spec, kind=TaskKind(claim.kind))
            return decide(run, spec, LeaseGranted(claim.task_id, agent.info.id, expires, deadline, reserve), now)

        return await self._transitions.apply_decision(claim.batch, claim.issue, make=make, known=claim.run)


def _reserve(run: Run, spec: Spec, *, kind: TaskKind) -> int:
    """Return how much the task may spend; 0, which is no limit, where nobody set a budget."""
    if not spec.budget.usd_micros and not spec.issue_budget.usd_micros:
        return 0
    reserve = RESERVE_USD_MICROS.get(kind, 0)
    if spec.issue_budget.usd_micros:
        reserve = min(reserve, max(0, spec.issue_budget.usd_micros - run.spent.cost_usd_micros))
    return reserve
