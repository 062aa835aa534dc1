"""Review: every analyser on the changed lines at once, a score by a table, and the model's remarks for a person."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

from miyabi.common.v1.task_kind_pb2 import TaskKind
from miyabi.coordinator.v1.dispatch_service_pb2 import Lease, Outcome
from miyabi.coordinator.v1.result_pb2 import AnalyserRun, ChangeSet, FileChange, ReviewResult
from miyabi.coordinator.v1.state_pb2 import FailureReason, Pipeline
from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi_agents.agents import prompts, review_comment
from miyabi_agents.agents.change_prompt import change_prompt
from miyabi_agents.agents.editing import tool
from miyabi_agents.agents.gateway_calls import CALL_SECONDS, answered
from miyabi_agents.agents.review_comment import Placed, placed_of
from miyabi_agents.analysers import quoting, sarif
from miyabi_agents.analysers.audit.running import Audited, audit
from miyabi_agents.analysers.base import Subject, ToolRunner
from miyabi_agents.analysers.changed.change_set import of_change_set
from miyabi_agents.analysers.changed.exhibits import Exhibits, lay_out
from miyabi_agents.analysers.coverage import Covered, coverage
from miyabi_agents.analysers.native.running import Head, Linted, lint
from miyabi_agents.analysers.quoting import Concerns
from miyabi_agents.analysers.score import score
from miyabi_agents.analysers.suite import AGAIN, ALL, Looked, run_all
from miyabi_agents.errors import AgentError, BudgetError, GitHubError, ModelAnswerError, ModelUnavailableError
from miyabi_agents.ports import TaskContext, Worktree
from miyabi_agents.sandbox.removal import remove_tree
from miyabi_agents.workspace.commit_files import CommitFiles
from miyabi_agents.workspace.pulls.comparison import ChangedFile, Comparison, diff_of
from miyabi_agents.workspace.pulls.refs import PullRequestRefs
from miyabi_core.text import shortened

TOOL = tool(
    "record_review",
    "Record remarks on the change for a person.",
    {"summary": {"type": "string", "maxLength": 8000}, "findings": {"type": "array", "items": {"type": "string"}}},
    {"concerns": {"type": "array", "maxItems": quoting.MAX_CONCERNS, "items": quoting.SCHEMA}},
)

#: Who finds suppressions and edits of configurations, and since when by these rules.
OWN, OWN_VERSION = "miyabi", "1"
#: Sentences on what was left out, and their longest (result.proto).
MAX_LEFT_OUT, MAX_SENTENCE = 100, 1000


class ReviewerAgent:
    """Measures a change; in the REVIEW pipeline, that of an existing pull request."""

    kind = "review"
    capabilities = frozenset({TaskKind.TASK_KIND_REVIEW})

    async def run(self, task: Lease, context: TaskContext) -> Outcome:
        """Review the change; that of a pull request is told there too, in one review with inline comments.

        Raises:
            WorkspaceError: base or head cannot be had, or have nothing in common.
            GitHubError: the pull request cannot be read.
            AgentError: the pull request changes nothing.
        """
        inputs = task.inputs
        if inputs.pipeline != Pipeline.PIPELINE_REVIEW and inputs.HasField("change_set"):
            change = inputs.change_set
            async with context.workspaces.files(repository=inputs.repository, sha=change.base_sha) as base:
                files = of_change_set(change.files, base)
                _, result = await _measured(context, _Change(files, base, change, lambda: _applied(context, change)))
            return await _recorded(context, result)
        pull = await _pull_request(context)
        async with context.workspaces.compare(pull) as compared:
            if not compared.files:
                message = (
                    f"pull request #{inputs.issue_number} changes nothing: its head has nothing that its base has not. "
                    "Push a change to it, or close it"
                )
                raise AgentError(message, reason=FailureReason.FAILURE_REASON_NO_CHANGE)
            change = await _as_shown(compared)
            seen = _Change(compared.files, compared.base, change, lambda: _head(context, compared), compared.notes)
            placed, result = await _measured(context, seen)
        result.compared_sha, result.head_sha = compared.base.sha, compared.head
        await _told(context, result, placed)
        return await _recorded(context, result)


@dataclass(frozen=True)
class _Change:
    """What is reviewed."""

    files: Iterable[ChangedFile]
    base: CommitFiles
    shown: ChangeSet  #: as a model is shown it
    head: Head
    notes: Sequence[str] = ()  #: of how it was compared


@dataclass
class _Said:
    """What the model said."""

    remarks: str = ""
    concerns: Concerns = field(default_factory=Concerns)
    unseen: Sequence[str] = ()  #: what it was not shown, or why it said nothing
    run: AnalyserRun | None = None  #: None: there is no model


async def _asked(context: TaskContext, change: ChangeSet, subject: Subject) -> _Said:
    """Ask the model; what it finds counts where it quotes a changed line, and none of it is no failure."""
    if context.model is None:
        return _Said()
    told, task = change_prompt(change), context.lease
    prompt = (
        f"{prompts.heading(task)}\n\n{prompts.fence(task.inputs.issue_title)}\n\nThe change:\n"
        f"{told.text}\n\nSay what a reviewer should look at, then call record_review. A concern takes points where it "
        "quotes one whole line that the change adds, word for word; without such a line, write it into findings."
    )
    try:
        said = await context.model.call_tool(step="review", system=prompts.SYSTEM, prompt=prompt, tool=TOOL)
    except (ModelUnavailableError, ModelAnswerError, BudgetError) as error:
        return _Said(unseen=(f"the model made no remarks, without which the score stands as it is: {error}",))
    await context.progress.text_done("review")
    remarks = "\n".join([said["summary"], *(f"- {finding}" for finding in said["findings"])]).strip()
    concerns = await asyncio.to_thread(quoting.quoted, said.get("concerns", ()), subject)
    run = AnalyserRun(analyser=quoting.MODEL, completed=True, notes=concerns.notes)
    return _Said(shortened(remarks, 8000), concerns, told.notes, run)


@asynccontextmanager
async def _applied(context: TaskContext, change: ChangeSet) -> AsyncIterator[Worktree]:
    """Give a checkout of base with a change set over it."""
    repository = context.lease.inputs.repository
    async with context.workspaces.open(repository=repository, sha=change.base_sha, label="review") as tree:
        await tree.apply(change)
        yield tree


def _head(context: TaskContext, compared: Comparison) -> AbstractAsyncContextManager[Worktree]:
    """Give a checkout of a pull request's head, with base's submodules: whose the head would have, a stranger says."""
    repository, base = context.lease.inputs.repository, compared.base.sha
    return context.workspaces.open(repository=repository, sha=compared.head, label="review", submodules_of=base)


async def _measured(context: TaskContext, change: _Change) -> tuple[Placed, ReviewResult]:
    """Lay the files out, have all analysers and the model look at them at once, and compute the score."""
    await context.progress.step("analysing the change")
    label = f"review-{context.lease.inputs.issue_number}"
    folder = await asyncio.to_thread(context.workspaces.scratch, label)
    try:
        laid = await asyncio.to_thread(lay_out, change.files, change.base, folder)
        await asyncio.to_thread((folder / "scratch").mkdir)
        runner = ToolRunner(context.sandbox, folder / "scratch")
        async with asyncio.TaskGroup() as tasks:
            analysing = tasks.create_task(run_all(ALL, laid.subject, context.progress, runner, left_out=laid.unread))
            auditing = tasks.create_task(audit(context, laid.subject))
            linting = tasks.create_task(lint(context, laid.subject, change.base, change.head))
            asking = tasks.create_task(_asked(context, change.shown, laid.subject))
    finally:
        await asyncio.shield(asyncio.to_thread(remove_tree, folder))
    beside = (auditing.result(), linting.result(), coverage(context.lease.inputs))
    result = _scored(laid, analysing.result(), beside, asking.result())
    result.left_out[:] = _listed([*result.left_out, *laid.left_out, *change.notes, *asking.result().unseen])
    return placed_of(laid.subject, change.shown.diff), result


def _scored(laid: Exhibits, looked: Looked, beside: Sequence[Audited | Linted | Covered], said: _Said) -> ReviewResult:
    """Compute the score."""
    others = [finding for one in beside for finding in one.findings]
    own = [(OWN, finding) for finding in laid.findings]
    concerns = [(quoting.MODEL, finding) for finding in said.concerns.findings]
    runs = [*looked.runs, *(run for one in beside for run in one.runs)]
    runs += [AnalyserRun(analyser=OWN, version=OWN_VERSION, completed=True)]
    result = score(
        [*own, *looked.findings, *others, *concerns],
        [*runs, *([said.run] if said.run else [])],
        remarks=said.remarks,
        analysed=bool(laid.subject.files),
        remedy=looked.remedy or AGAIN,
    )
    result.files = laid.count
    return result


async def _recorded(context: TaskContext, result: ReviewResult) -> Outcome:
    """Keep the findings as SARIF among the run's texts, and return the outcome."""
    await context.progress.record(sarif.STEP, await asyncio.to_thread(sarif.sarif_of, result))
    return Outcome(review=result)


async def _told(context: TaskContext, result: ReviewResult, placed: Placed) -> None:
    """Post the review; where GitHub does not take it, what was measured is kept and says so.

    Raises:
        GitHubError: a repeat may help.
    """
    try:
        result.comment_url, notes = await review_comment.post(context, result, placed)
    except GitHubError as error:
        if error.retryable:
            raise
        notes = [f"no review was posted on the pull request: {error}"]
    result.left_out[:] = _listed([*notes, *result.left_out])


async def _pull_request(context: TaskContext) -> PullRequestRefs:
    """Read which commits a pull request is made of.

    Raises:
        GitHubError: the gateway refused.
    """
    inputs = context.lease.inputs
    request = pb.GetPullRequestRequest(repository=inputs.repository, number=inputs.issue_number)
    async with context.progress.invocation("github.get_pull_request"):
        answer = await answered(context.github.GetPullRequest(request, timeout=CALL_SECONDS))
    found = answer.pull_request
    return PullRequestRefs(
        inputs.repository, inputs.issue_number, found.head_sha, found.base_branch or inputs.base_branch, found.base_sha
    )


async def _as_shown(compared: Comparison) -> ChangeSet:
    """Return what a model is shown of a pull request: its diff, and of its files the names."""
    diff = await diff_of(compared)
    names = [file.path.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for file in compared.files]
    return ChangeSet(base_sha=compared.base.sha, diff=diff, files=[FileChange(path=name) for name in names])


def _listed(sentences: Sequence[str]) -> list[str]:
    """Return as many sentences as a result takes; the last says how many are not there."""
    kept = [shortened(sentence, MAX_SENTENCE) for sentence in sentences]
    if len(kept) <= MAX_LEFT_OUT:
        return kept
    return [*kept[: MAX_LEFT_OUT - 1], f"{len(kept) - MAX_LEFT_OUT + 1} more are not listed"]
