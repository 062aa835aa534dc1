"""Which of what stands in the way of a batch keeps it from being accepted, and how that is said."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from miyabi_coordinator import errors
from miyabi_coordinator.models import Findings, Pipeline, Problem, ProblemKind, Spec, Target
from miyabi_core.errors import FailedPreconditionError, UnmetCondition

#: What is in the way of writing alone: a dry run goes on, and says it.
_OF_WRITING = frozenset(
    {
        ProblemKind.REPOSITORY_ARCHIVED,
        ProblemKind.WORKFLOW_PERMISSION_MISSING,
        ProblemKind.BRANCH_SHADOWED,
        ProblemKind.BRANCH_FORBIDDEN,
        ProblemKind.ISSUE_LOCKED,
    }
)
#: Problems that an event tells: more would be megabytes for every watcher.
MOST_TOLD = 500

#: Bytes of the problems that one error lists: it travels in the trailers of a call, of which our channels take 256 KB.
PROBLEMS_BYTES = 96 << 10


def target_of(spec: Spec) -> Target:
    """Return what a batch works on and what it writes: a dry run writes nothing."""
    writes = not spec.dry_run
    return Target(
        spec.repository,
        spec.base_branch,
        spec.issues,
        writes_issues=writes and spec.pipeline in {Pipeline.FIX, Pipeline.TRIAGE},
        writes_changes=writes and spec.pipeline is Pipeline.FIX,
        review=spec.pipeline is Pipeline.REVIEW,
    )


def refusing(problems: Iterable[Problem], *, overruled: Collection[int], dry_run: bool) -> list[Problem]:
    """Return the problems that keep a batch from being accepted.

    Args:
        problems: What was found.
        overruled: Kinds that the caller accepts, where they may be.
        dry_run: The batch writes nothing.
    """
    return [
        problem
        for problem in problems
        if not (problem.may_be_overruled and problem.kind in overruled)
        and not (dry_run and problem.kind in _OF_WRITING)
    ]


def taken_problems(taken: Mapping[int, Iterable[str]]) -> list[Problem]:
    """Return the problem of each issue that is in open batches, by issue."""
    return [
        Problem(
            int(ProblemKind.ISSUE_IN_BATCH),
            f"Issue #{issue} is in {', '.join(f'batches/{batch}' for batch in batches)} already.",
            "Wait for the end of that batch, or cancel it.",
            issue,
            may_be_overruled=True,
        )
        for issue, batches in sorted(taken.items())
    ]


def refusal_of(repository: str, problems: Sequence[Problem]) -> FailedPreconditionError:
    """Return the error that lists problems, as many as travel with one."""
    unmet: list[UnmetCondition] = []
    room = PROBLEMS_BYTES
    for problem in problems:
        subject = f"{repository}#{problem.issue}" if problem.issue else repository
        condition = UnmetCondition(problem.name, subject, f"{problem.message} {problem.remedy}".strip())
        room -= len(condition.description.encode()) + len(subject) + len(condition.kind)
        if room < 0:
            break
        unmet.append(condition)
    overrulable = dict.fromkeys(problem.name for problem in problems if problem.may_be_overruled)
    return errors.problems_found(
        repository, unmet=unmet, more=len(problems) - len(unmet), overrulable=list(overrulable)
    )


def more_matched(taken: int) -> str:
    """Return how it is said that a query matches more issues than were taken.

    Args:
        taken: How many were, at least 1.
    """
    return f"The query matches more issues, or may: the first {taken}, by number, were taken."


def told(findings: Findings) -> Findings:
    """Return what the batch's first event says of its findings: the first problems, and how many more there were."""
    more = len(findings.problems) - MOST_TOLD
    if more <= 0:
        return findings
    cut = f"{more} more problems that were overruled are not listed."
    return Findings(findings.problems[:MOST_TOLD], (*findings.not_known, cut))
