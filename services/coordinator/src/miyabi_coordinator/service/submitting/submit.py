"""Accepts a batch: everything is looked up before anything is written."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from msgspec.structs import replace

from miyabi_coordinator import errors
from miyabi_coordinator.decide import new_run, suspects_of
from miyabi_coordinator.decide.ordering import not_ordered
from miyabi_coordinator.models import (
    Batch,
    Counters,
    Findings,
    IssueFacts,
    IssueFilter,
    Matches,
    OurPullRequest,
    Pipeline,
    ProblemKind,
    Run,
    Spec,
    Suspect,
)
from miyabi_coordinator.ports.gateway import Gateway
from miyabi_coordinator.ports.store import Created, Store
from miyabi_coordinator.service.submitting.dependencies import dependencies_of, dependents_of, find_cycle
from miyabi_coordinator.service.submitting.listed_steps import listed_steps
from miyabi_coordinator.service.submitting.obstacles import (
    more_matched,
    refusal_of,
    refusing,
    taken_problems,
    target_of,
    told,
)
from miyabi_core.errors import MiyabiError, UnavailableError, first_of

#: Longest wait for what another shard says of open batches: one that is away must not keep batches of others out.
OTHER_SHARD_SECONDS = 2.0

#: Why GitHub cannot be asked for a while.
OUT_OF_REACH = frozenset({"GITHUB_RATE_LIMITED", "GITHUB_UNAVAILABLE"})


#: Open pull requests of ours that a batch is compared with, the newest issues first.
MOST_OURS = 200


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


@dataclass(frozen=True, slots=True)
class _LookedUp:
    """What a batch is made of: the whole spec, its issues, which of them come before which, whether more match."""

    spec: Spec
    issues: Sequence[IssueFacts]
    before: dict[int, tuple[int, ...]]
    more: bool


class Submit:
    """The use case of handing over issues.

    An issue that is in another open batch is a problem like others. Every batch that was accepted before the call is
    seen, whatever its shard. Of two calls at the same moment one alone passes where both batches go to one shard, since
    the store compares when it writes; in different shards both may.

    Args:
        store: Of the shard that the batch goes to.
        gateway: Reads GitHub.
        stores: Of all shards.
    """

    def __init__(self, store: Store, gateway: Gateway, *, stores: Sequence[Store] = ()) -> None:
        self._store = store
        self._gateway = gateway
        self._stores = tuple(stores) or (store,)

    async def submit(self, submission: Submission) -> tuple[str, bool]:
        """Write the batch; returns its id, and whether the request had made it before.

        Raises:
            NotFoundError: the repository or an issue does not exist.
            FailedPreconditionError: no issue matches, issues depend on one another in a circle, or something stands in
                the way that the caller does not accept.
            AlreadyExistsError: the request id was used with another body.
            MiyabiError: GitHub could not be asked; the gateway's reason is kept.
        """
        created = await self._made_before(submission)
        if created is None:
            created = await self._make(submission, await self._look_up(submission))
        if created.repeated and not created.same_body:
            raise errors.request_id_reused(submission.spec.request_id)
        return created.batch, created.repeated

    async def _made_before(self, submission: Submission) -> Created | None:
        """Return the batch that the request made before; None where it made none."""
        if not submission.repeatable:
            return None
        return await self._store.find_request(submission.spec.request_id, digest=submission.digest)

    async def _make(self, submission: Submission, asked: _LookedUp) -> Created:
        """Write the batch, unless something stands in its way; its first event says what was left out."""
        spec = asked.spec
        findings = await self._findings(spec, stale=any(issue.stale for issue in asked.issues))
        in_the_way = partial(refusing, overruled=spec.overruled, dry_run=spec.dry_run)
        refused = in_the_way(findings.problems)
        if not refused:
            suspects, unread = await self._suspects(asked, findings.ours)
            said = filter(None, [more_matched(len(asked.issues)) if asked.more else "", not_ordered(spec), unread])
            findings = replace(findings, not_known=(*said, *findings.not_known))
            runs = _runs(submission.batch_id, asked, suspects)
            batch = Batch(
                submission.batch_id, spec, counters=Counters(pending=len(runs)), created=time.time(), last_sequence=1
            )
            exclusive = ProblemKind.ISSUE_IN_BATCH not in spec.overruled
            created = await self._store.create(
                batch, runs=runs, digest=submission.digest, findings=told(findings), exclusive=exclusive
            )
            if not created.taken:
                return created
            refused = in_the_way([*findings.problems, *taken_problems(created.taken)])
        # The batch that an issue is in may be the request's own: its first call was under way when this one came.
        if made := await self._made_before(submission):
            return made
        raise refusal_of(spec.repository, refused)

    async def _suspects(
        self, asked: _LookedUp, ours: Sequence[OurPullRequest]
    ) -> tuple[dict[int, tuple[Suspect, ...]], str]:
        """Return what each issue may be a duplicate of, and what could not be compared, empty where all was."""
        if not asked.spec.grouping:
            return {}, ""
        delivered, unread = await self._delivered(asked, ours)
        tied = {number for number, others in asked.before.items() if others}.union(*asked.before.values())
        # In a thread, since ten thousand take seconds.
        return await asyncio.to_thread(suspects_of, asked.issues, tied=tied, ours=delivered), unread

    async def _delivered(self, asked: _LookedUp, ours: Sequence[OurPullRequest]) -> tuple[list[IssueFacts], str]:
        """Read the issues that our open pull requests are for: their texts say what somebody asked for."""
        pulls = {pull.issue: pull.url for pull in ours if pull.issue not in set(asked.spec.issues)}
        numbers = sorted(pulls, reverse=True)[:MOST_OURS]
        left = len(pulls) - len(numbers)
        cut = f"Whether issues ask for the same as {left} older open pull requests of ours was not looked at."
        if not numbers:
            return [], ""
        try:
            found = await self._gateway.existing(asked.spec.repository, numbers)
        except MiyabiError as error:
            return [], f"Whether issues ask for the same as open pull requests of ours: {error.message}"
        return [replace(issue, url=pulls[issue.number]) for issue in found], cut if left else ""

    async def _findings(self, spec: Spec, *, stale: bool) -> Findings:
        """Ask the gateway and the stores what stands in the way."""
        try:
            async with asyncio.TaskGroup() as group:
                checked = group.create_task(self._checked(spec, stale=stale))
                asked = [group.create_task(self._open_batches(store, spec)) for store in self._stores]
        except* MiyabiError as failures:
            raise first_of(failures) from None
        found, taken = checked.result(), defaultdict[int, list[str]](list)
        not_known = list(found.not_known)
        for task in asked:
            batches = task.result()
            for issue, names in (batches or {}).items():
                taken[issue].extend(names)
        if any(task.result() is None for task in asked):
            not_known.append("Whether an issue is in another batch: a part of the state store did not answer.")
        return Findings((*found.problems, *taken_problems(taken)), tuple(not_known), found.ours)

    async def _checked(self, spec: Spec, *, stale: bool) -> Findings:
        """Ask the gateway what stands in the way.

        Args:
            spec: What is asked for.
            stale: GitHub was out of reach for the issues, and older data were taken: then they are for this too.

        Raises:
            MiyabiError: the gateway could not find out.
        """
        try:
            return await self._gateway.check(target_of(spec))
        except MiyabiError as error:
            if not (stale and error.reason in OUT_OF_REACH):
                raise
            return Findings((), (f"What stands in the way at GitHub: {error.message}",))

    async def _open_batches(self, store: Store, spec: Spec) -> dict[int, tuple[str, ...]] | None:
        """Return which issues are in open batches of a shard; None where it does not answer soon: others go on."""
        try:
            async with asyncio.timeout(OTHER_SHARD_SECONDS):
                return await store.open_batches(spec.repository, spec.issues)
        except (TimeoutError, UnavailableError):
            return None

    async def _look_up(self, submission: Submission) -> _LookedUp:
        """Ask the gateway for the repository and the issues.

        Raises:
            FailedPreconditionError: no issue matches, or issues depend on one another in a circle.
        """
        spec = submission.spec
        try:
            async with asyncio.TaskGroup() as group:
                asked = group.create_task(self._gateway.repository(spec.repository, branch=spec.base_branch))
                listed = group.create_task(self._issues(submission))
        except* MiyabiError as failures:
            raise first_of(failures) from None
        repository, matches = asked.result(), listed.result()
        issues = matches.issues
        if not issues:
            raise errors.no_issues_matched(spec.repository)
        spec = replace(
            spec,
            issues=tuple(issue.number for issue in issues),
            base_branch=repository.branch,
            base_sha=repository.head_sha,
            simulated=spec.simulated or repository.simulated,
        )
        return _LookedUp(spec, issues, _order_of(issues), matches.more)

    async def _issues(self, submission: Submission) -> Matches:
        """Return the chosen issues, and whether a query matches more of them."""
        spec = submission.spec
        if submission.query is not None:
            return await self._gateway.search(spec.repository, submission.query)
        if spec.pipeline is Pipeline.REVIEW:
            return Matches(tuple(await self._gateway.pull_requests(spec.repository, spec.issues)))
        return Matches(tuple(await self._gateway.issues(spec.repository, spec.issues)))


def _order_of(issues: Sequence[IssueFacts]) -> dict[int, tuple[int, ...]]:
    """Return for each issue those of the batch that come first.

    Raises:
        FailedPreconditionError: the issues depend on one another in a circle.
    """
    before = dependencies_of(issues)
    if cycle := find_cycle(before):
        raise errors.dependency_cycle(cycle)
    return before


def _runs(batch: str, asked: _LookedUp, suspects: Mapping[int, tuple[Suspect, ...]]) -> list[Run]:
    """Return the runs of a new batch."""
    after = dependents_of(asked.before)
    return [
        new_run(
            batch,
            issue.number,
            spec=asked.spec,
            title=issue.title,
            url=issue.url,
            depends_on=asked.before[issue.number],
            dependents=after[issue.number],
            listed=listed_steps(issue.body) if asked.spec.pipeline is Pipeline.FIX else (),
            stale=issue.stale,
            suspects=suspects.get(issue.number, ()),
        )
        for issue in asked.issues
    ]
