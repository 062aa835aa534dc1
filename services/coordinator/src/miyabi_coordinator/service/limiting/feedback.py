"""Limits that follow what their targets bear: takes what agents report, finds each target's limit, hands out shares."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from prometheus_client import Counter, Gauge

from miyabi_coordinator.decide.pacing import observe
from miyabi_coordinator.decide.sharing import settle
from miyabi_coordinator.models.pacing import LimitReason, LimitStep, Member, PaceBounds, PaceTable, Pacing, Seen, Share
from miyabi_coordinator.ports.paces import Paces
from miyabi_coordinator.service.dispatching.agents import AttachedAgent
from miyabi_core.errors import MiyabiError
from miyabi_core.logging import get_logger
from miyabi_core.metrics import REGISTRY

#: Heartbeats that a share outlasts: one that comes late costs nobody his share.
HEARTBEATS = 3
#: Targets of one agent whose limits are kept; those that come later are left to the agent.
MOST_TARGETS = 16
#: Target whose limit each agent finds by itself: its slots.
SLOTS = "sandbox-slots"
#: Tries to keep a table before it is left to the next report: each loss means that another replica kept one.
MOST_TRIES = 8

LIMIT = Gauge("miyabi_limit", "Calls of all agents at once that a target bears.", ["target"], registry=REGISTRY)
DEMAND = Gauge("miyabi_limit_demand", "Calls that all agents could make at once.", ["target"], registry=REGISTRY)
STEPS = Counter("miyabi_limit_steps_total", "Changes of limits.", ["target", "reason"], registry=REGISTRY)

_LOG = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FeedbackOptions:
    """How limits are found.

    Args:
        on: False: agents are told that each one's own highest limit holds.
        bounds: The operator's, for each target of agents' calls.
        heartbeat: How often agents report at least.
    """

    on: bool = True
    bounds: PaceBounds = field(default_factory=PaceBounds)
    heartbeat: timedelta = timedelta(seconds=5)

    @property
    def lasts(self) -> float:
        """Seconds that a share holds."""
        return HEARTBEATS * self.heartbeat.total_seconds()


class Feedback:
    """The limits, for the agents of this replica. `run` serves until it is cancelled."""

    def __init__(self, paces: Paces, options: FeedbackOptions, *, clock: Callable[[], float] = time.time) -> None:
        self.on = options.on
        self._paces = paces
        self._options = options
        self._clock = clock
        self._agents: dict[str, AttachedAgent] = {}
        self._reports: dict[str, list[tuple[str, Seen | None]]] = {}
        self._steps: list[LimitStep] = []
        self._others: dict[str, int] = {}
        self._noted: dict[str, int] = {}
        self._came = asyncio.Event()

    def attach(self, agent: AttachedAgent) -> None:
        """Hand out shares to an agent from here on; where limits are off, it is told so."""
        if not self.on:
            agent.switch_off_limits()
        self._agents[agent.info.id] = agent

    def detach(self, agent: AttachedAgent) -> None:
        """Give an agent's shares to the others, unless it is here by another stream."""
        if self._agents.get(agent.info.id) is not agent:
            return
        del self._agents[agent.info.id]
        for target in agent.targets:
            self._offer(target, agent.info.id, None)

    def report(self, agent: AttachedAgent, target: str, seen: Seen) -> None:
        """Take what an agent saw of a target; its share comes as mail."""
        if not self.on or (target not in agent.targets and len(agent.targets) >= MOST_TARGETS):
            return
        agent.targets.add(target)
        self._offer(target, agent.info.id, seen)

    def slots(self, agent: AttachedAgent, slots: int, *, reason: LimitReason | None, detail: str) -> None:
        """Give an agent no more leases than its machine bears; *reason* is why that changed, where it did."""
        if not self.on or not slots:
            return
        previous, agent.slots_now = agent.slots_now, slots
        if reason is not None:
            step = LimitStep(self._clock(), SLOTS, slots, previous, reason, agent=agent.info.id, detail=detail)
            self._steps.append(step)
            self._came.set()

    def measured(self, limits: Mapping[str, int]) -> None:
        """Take limits that others find by themselves, by target; each change is a step, once for all replicas."""
        if self.on and limits != self._others:
            self._others = dict(limits)
            self._came.set()

    async def run(self) -> None:
        """Work on what was reported."""
        while True:
            await self._came.wait()
            self._came.clear()
            try:
                await self.work()
            except MiyabiError as error:
                # Shares run out, and agents go on by themselves until the store is back.
                _LOG.warning("feedback.store_unavailable", reason=error.reason)

    async def work(self) -> None:
        """Work on what was reported so far.

        Raises:
            UnavailableError: the store did not answer; what was reported is forgotten.
        """
        reports, self._reports = self._reports, {}
        for target, entries in reports.items():
            await self._follow(target, entries)
        for target, limit in self._others.items():
            if self._noted.get(target) != limit:
                await self._note_other(target, limit)
        steps, self._steps = self._steps, []
        for step in steps:
            _tell(step)
        if steps:
            await self._paces.note(steps)

    def _offer(self, target: str, agent: str, seen: Seen | None) -> None:
        """Keep a report for the next turn; None: the agent is gone."""
        self._reports.setdefault(target, []).append((agent, seen))
        self._came.set()

    async def _follow(self, target: str, entries: Sequence[tuple[str, Seen | None]]) -> None:
        """Find the limit after reports, keep it, and tell the agents of this replica."""
        for _ in range(MOST_TRIES):
            before = await self._paces.load(target)
            after, steps = self._decided(target, before, entries)
            if await self._paces.save(target, after, after=before.version):
                self._steps.extend(steps)
                self._tell_shares(target, before, after, reported={agent for agent, seen in entries if seen})
                return
        _LOG.info("feedback.outrun", target=target, reports=len(entries))

    async def _note_other(self, target: str, limit: int) -> None:
        """Keep a limit that somebody else found; who keeps it first notes the step."""
        before = await self._paces.load(target)
        # What the store forgot since, this replica may know.
        previous = int(before.pacing.limit) or self._noted.get(target, 0)
        if previous == limit:
            self._noted[target] = limit
            return
        after = PaceTable(before.version + 1, Pacing(limit=float(limit)))
        if await self._paces.save(target, after, after=before.version):
            self._noted[target] = limit
            LIMIT.labels(target).set(limit)
            self._steps.append(LimitStep(self._clock(), target, limit, previous, LimitReason.MEASURED))

    def _decided(
        self, target: str, table: PaceTable, entries: Sequence[tuple[str, Seen | None]]
    ) -> tuple[PaceTable, list[LimitStep]]:
        """Return what follows from reports, and the steps of the limit."""
        now, pacing, steps = self._clock(), table.pacing, list[LimitStep]()
        members = {agent: member for agent, member in table.members.items() if member.seen + self._options.lasts >= now}
        for agent, seen in entries:
            if seen is None:
                members.pop(agent, None)
                continue
            share = members[agent].share if agent in members else 0
            members[agent] = Member(seen.demand, seen.in_flight, share, now)
            used = sum(member.demand for member in members.values())
            previous = int(pacing.limit)
            pacing, reason = observe(pacing, seen, used=used, bounds=self._options.bounds, now=now)
            if reason is not None:
                steps.append(LimitStep(now, target, int(pacing.limit), previous, reason, detail=_detail(seen, reason)))
        settled = settle(int(pacing.limit), members, reachable=self._agents.keys() & members.keys())
        DEMAND.labels(target).set(sum(member.demand for member in members.values()))
        LIMIT.labels(target).set(int(pacing.limit))
        return PaceTable(table.version + 1, pacing, settled, table.unknown), steps

    def _tell_shares(self, target: str, before: PaceTable, after: PaceTable, *, reported: set[str]) -> None:
        """Send shares to those who reported, and to those for whom something changed."""
        pacing = after.pacing
        same = (pacing.epoch, pacing.paused_until) == (before.pacing.epoch, before.pacing.paused_until)
        pause = max(0.0, pacing.paused_until - self._clock())
        for agent, member in after.members.items():
            attached = self._agents.get(agent)
            former = before.members.get(agent)
            changed = former is None or former.share != member.share or not same
            if attached is not None and (changed or agent in reported):
                attached.give_share(
                    Share(target, member.share, int(pacing.limit), pacing.epoch, self._options.lasts, pause)
                )


def _detail(seen: Seen, reason: LimitReason) -> str:
    """Say what was seen."""
    if reason is LimitReason.REFUSED:
        asked = f", to be left alone for {seen.retry_after:.1f} s" if seen.retry_after else ""
        return f"{seen.refused} calls refused{asked}"
    if reason in {LimitReason.ANSWERED, LimitReason.SLOW}:
        return f"{seen.answered} calls answered, the first text after {seen.latency:.2f} s"
    return ""


def _tell(step: LimitStep) -> None:
    """Log and count a step."""
    reason = step.reason.name.lower()
    STEPS.labels(step.target, reason).inc()
    _LOG.info(
        "limit.changed",
        target=step.target,
        agent=step.agent,
        limit=step.limit,
        previous=step.previous,
        reason=reason,
        detail=step.detail,
    )
