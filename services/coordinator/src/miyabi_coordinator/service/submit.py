"""Accepts a batch: everything is looked up before anything is written."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from msgspec.structs import replace

from miyabi_coordinator import errors
from miyabi_coordinator.decide import new_run
from miyabi_coordinator.models import Batch, Counters, IssueFacts, IssueFilter, Pipeline, Run, Spec
from miyabi_coordinator.ports.gateway import Gateway
from miyabi_coordinator.ports.store import Store
from miyabi_coordinator.service.dependencies import dependencies_of, dependents_of, find_cycle
from miyabi_coordinator.service.listed_steps import listed_steps
from miyabi_core.errors import MiyabiError, first_of


@dataclass(frozen=True, slots=True)
class Submission:
    """A batch as asked for; `spec` still lacks what the gateway knows. `digest` tells one body from another.

    `repeatable`: the request id is the caller's, so the request may have come before.
    """

    batch_id: str
    spec: Spec
    query: IssueFilter | None
    digest: str
    repeatable: bool = True


class Submit:
    """The use case of handing over issues."""

    def __init__(self, store: Store, gateway: Gateway) -> None:
        self._store = store
        self._gateway = gateway

    async def submit(self, submission: Submission) -> tuple[str, bool]:
        """Write the batch; returns its id, and whether the request had made it before.

        Raises:
            NotFoundError: the repository or an issue does not exist.
            FailedPreconditionError: no issue matches, or issues depend on one another in a circle.
            AlreadyExistsError: the request id was used with another body.
        """
        request_id = submission.spec.request_id
        created = None
        if submission.repeatable:
            created = await self._store.find_request(request_id, digest=submission.digest)
        if created is None:
            batch, runs = await self._look_up(submission)
            created = await self._store.create(batch, runs=runs, digest=submission.digest)
        if created.repeated and not created.same_body:
            raise errors.request_id_reused(request_id)
        return created.batch, created.repeated

    async def _look_up(self, submission: Submission) -> tuple[Batch, list[Run]]:
        """Ask the gateway, and return the batch with its runs."""
        spec = submission.spec
        try:
            async with asyncio.TaskGroup() as group:
                asked = group.create_task(self._gateway.repository(spec.repository, branch=spec.base_branch))
                listed = group.create_task(self._issues(submission))
        except* MiyabiError as failures:
            raise first_of(failures) from None
        repository, issues = asked.result(), listed.result()
        if not issues:
            raise errors.no_issues_matched(spec.repository)
        spec = replace(
            spec,
            issues=tuple(issue.number for issue in issues),
            base_branch=repository.branch,
            base_sha=repository.head_sha,
            simulated=spec.simulated or repository.simulated,
        )
        runs = _runs(submission.batch_id, spec, issues)
        counters = Counters(pending=len(runs))
        return Batch(submission.batch_id, spec, counters=counters, created=time.time(), last_sequence=1), runs

    async def _issues(self, submission: Submission) -> list[IssueFacts]:
        """Return the chosen issues."""
        spec = submission.spec
        if submission.query is not None:
            return await self._gateway.search(spec.repository, submission.query)
        if spec.pipeline is Pipeline.REVIEW:
            return await self._gateway.pull_requests(spec.repository, spec.issues)
        return await self._gateway.issues(spec.repository, spec.issues)


def _runs(batch: str, spec: Spec, issues: list[IssueFacts]) -> list[Run]:
    """Return the runs of a new batch.

    Raises:
        FailedPreconditionError: the issues depend on one another in a circle.
    """
    before = dependencies_of(issues)
    if cycle := find_cycle(before):
        raise errors.dependency_cycle(cycle)
    after = dependents_of(before)
    return [
        new_run(
            batch,
            issue.number,
            spec=spec,
            title=issue.title,
            url=issue.url,
            depends_on=before[issue.number],
            dependents=after[issue.number],
            listed=listed_steps(issue.body) if spec.pipeline is Pipeline.FIX else (),
            stale=issue.stale,
        )
        for issue in issues
    ]
