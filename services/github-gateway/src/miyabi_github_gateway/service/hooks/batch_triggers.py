"""Starts a batch for an issue when someone with write access asks for it by a label or a word."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from miyabi_core.errors import FailedPreconditionError
from miyabi_github_gateway.models import Mention
from miyabi_github_gateway.ports import BatchStarter, Deliveries, Permissions
from miyabi_github_gateway.service.allow_list import AllowList

#: Of request ids that are derived from deliveries: the same delivery always gives the same batch.
NAMESPACE = uuid.UUID("6f5d9f1e-0c6b-5d0e-9a53-6c1b6f0c8c2d")


def request_id_of(delivery: str) -> str:
    """Return the request id of a delivery's batch."""
    return str(uuid.uuid5(NAMESPACE, delivery))


@dataclass(frozen=True)
class BatchTriggers:
    """Decides whether a mention starts a batch.

    Args:
        permissions: Asked for the person's access.
        starter: Starts batches.
        deliveries: Counts what a repository starts.
        allow_list: Repositories that are served.
        label: Label that asks; empty: none.
        word: Word that asks; empty: none.
        window: An event that is older asks for nothing: it may be a replay.
        per_hour: Batches that one repository may start in an hour; tries count.
        per_hour_in_all: Batches that all repositories together may start in an hour: an App can be installed anywhere.
        clock: The present moment.
    """

    permissions: Permissions
    starter: BatchStarter
    deliveries: Deliveries
    allow_list: AllowList
    label: str
    word: str
    window: timedelta
    per_hour: int
    per_hour_in_all: int
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def consider(self, mention: Mention, *, delivery: str) -> str:
        """Start a batch, or say in a few words why none is started.

        Raises:
            MiyabiError: GitHub, the coordinator or the state store did not answer; the delivery may come again.
        """
        age = self.clock() - mention.time
        if age > self.window or age < -self.window:
            return "the event is too old to start a batch"
        if not self.allow_list.allows(mention.repository):
            return "the repository is not served"
        if not await self.permissions.may_write(mention.repository, mention.actor):
            return f"{mention.actor} has no write access"
        if not await self.deliveries.allowed(mention.repository, per_hour=self.per_hour):
            return f"{mention.repository} has started {self.per_hour} batches within the hour"
        if not await self.deliveries.allowed("*", per_hour=self.per_hour_in_all):
            return f"all repositories together have started {self.per_hour_in_all} batches within the hour"
        return await self._start(mention, request_id_of(delivery))

    async def _start(self, mention: Mention, request_id: str) -> str:
        """Start the batch, or say what stands in its way: the same delivery again would not help."""
        try:
            name = await self.starter.start(mention.repository, mention.number, request_id=request_id)
        except FailedPreconditionError as error:
            reasons = "; ".join(f"{condition.kind}: {condition.description}" for condition in error.unmet)
            return f"no batch: {reasons or error.message}"
        return f"started {name}"
