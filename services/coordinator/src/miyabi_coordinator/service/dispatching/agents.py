"""The agents that are attached to this replica."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from miyabi_coordinator.models import AgentInfo, LeaseReference, Run, Spec, Task
from miyabi_coordinator.models.pacing import Share


@dataclass(frozen=True, slots=True)
class GrantedLease:
    """A lease on its way to its agent."""

    run: Run
    task: Task
    spec: Spec


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What became of an outcome."""

    reference: LeaseReference
    accepted: bool
    reason: str = ""


@dataclass(slots=True)
class Mail:
    """What waits to be sent to an agent in one message."""

    leases: list[GrantedLease] = field(default_factory=list)
    acknowledgements: list[Acknowledgement] = field(default_factory=list)
    cancellations: list[tuple[LeaseReference, str]] = field(default_factory=list)
    drain: str = ""
    shares: dict[str, Share] = field(default_factory=dict)
    limits_off: bool = False

    @property
    def empty(self) -> bool:
        """Tell whether there is nothing to send."""
        work = self.leases or self.acknowledgements or self.cancellations
        return not (work or self.drain or self.shares or self.limits_off)


class AttachedAgent:
    """One stream of one agent: its free slots, and what waits to be sent to it.

    `slots_now` are those that its machine bears, `targets` those whose limits it follows.
    """

    def __init__(self, info: AgentInfo) -> None:
        self.info = info
        self.held: dict[str, LeaseReference] = {}
        self.promised = 0
        self.draining = info.draining
        self.gone = False
        self.targets: set[str] = set()
        self.slots_now = info.slots
        self._mail = Mail()
        self._arrived = asyncio.Event()

    @property
    def free(self) -> int:
        """Slots that take another lease."""
        if self.draining or self.gone:
            return 0
        return max(0, min(self.info.slots, self.slots_now) - len(self.held) - self.promised)

    def grant(self, lease: GrantedLease) -> None:
        """Send a lease."""
        reference = LeaseReference(lease.run.batch, lease.run.issue, lease.task.id, lease.task.fence)
        self.held[reference.member] = reference
        self._mail.leases.append(lease)
        self._arrived.set()

    def acknowledge(self, acknowledgement: Acknowledgement) -> None:
        """Send what became of an outcome; its slot is free again."""
        self.held.pop(acknowledgement.reference.member, None)
        self._mail.acknowledgements.append(acknowledgement)
        self._arrived.set()

    def cancel(self, reference: LeaseReference, reason: str) -> None:
        """Tell the agent to stop."""
        self.held.pop(reference.member, None)
        self._mail.cancellations.append((reference, reason))
        self._arrived.set()

    def drain(self, reason: str) -> None:
        """Tell the agent to take no more."""
        self.draining = True
        self._mail.drain = reason
        self._arrived.set()

    def give_share(self, share: Share) -> None:
        """Tell the agent its part of a target; a newer one takes the place of one that is not sent yet."""
        self._mail.shares[share.target] = share
        self._arrived.set()

    def switch_off_limits(self) -> None:
        """Tell the agent that its own highest limits hold."""
        self._mail.limits_off = True
        self._arrived.set()

    def close(self) -> None:
        """End the stream once what waits is sent."""
        self.gone = True
        self._arrived.set()

    async def mail(self) -> Mail | None:
        """Wait for something to send; None at the end."""
        while self._mail.empty:
            if self.gone:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        mail, self._mail = self._mail, Mail()
        return mail
