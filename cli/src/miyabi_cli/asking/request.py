"""Builds the request of a batch from what was typed, with one clear error a field."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import protovalidate

from miyabi.common.v1.usage_pb2 import Budget
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.batch_pb2 import IssueQuery
from miyabi.coordinator.v1.state_pb2 import Pipeline
from miyabi_cli.asking.arguments import LARGEST_ISSUE
from miyabi_cli.asking.choices import chosen
from miyabi_cli.calling.problems import kinds_of
from miyabi_cli.errors import CliError, from_service
from miyabi_cli.showing.results import USD_MICROS
from miyabi_core.ids import new_ulid
from miyabi_core.interceptors.validation import invalid_request, violations_of

#: A number or a range as people type them; no number of the protos has more digits.
_RANGE = re.compile(r"#*([0-9]{1,10})(?:-([0-9]{1,10}))?")
#: As people name a repository; what its parts may hold is the proto's.
_REPOSITORY = re.compile(r"[^/\s]+/[^/\s]+")
#: Issues of one batch, and dollars of a budget: what the protos allow.
MOST_ISSUES, MOST_USD = 10_000, 1_000_000


@dataclass(frozen=True)
class BatchOptions:
    """What the command line says of a batch; defaults are the coordinator's."""

    issues: str = ""
    query: str = ""
    labels: list[str] = field(default_factory=list)
    pipeline: str = "fix"
    concurrency: int = 0
    budget_usd: float = 0.0
    issue_budget_usd: float = 0.0
    task_budget_usd: float = 0.0
    budget_tokens: int = 0
    priority: int = 0
    dry_run: bool = False
    require_approval: bool = False
    base_branch: str = ""
    request_id: str = ""
    force: list[str] = field(default_factory=list)
    no_grouping: bool = False


def parse_issues(text: str, *, option: str = "--issues") -> list[int]:
    """Read `60,61,62` or `60-62`.

    Args:
        text: As typed.
        option: Names the option in the error.

    Raises:
        CliError: a part is no number or no range; it is larger than an issue's number can be; there are too many.
    """
    numbers: list[int] = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        found = _RANGE.fullmatch(part)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if not 1 <= first <= last:
            raise CliError(f"{option}: {part!r} is neither a number from 1 nor a range like 60-62")
        if last > LARGEST_ISSUE:
            raise CliError(f"{option}: {part!r} is larger than {LARGEST_ISSUE}, the largest that an issue can have")
        if len(numbers) + last - first >= MOST_ISSUES:
            raise CliError(f"{option}: these are more than {MOST_ISSUES} issues", hint="take several batches")
        numbers.extend(range(first, last + 1))
    return numbers


def micros_of(usd: float, *, option: str) -> int:
    """Return dollars as millionths of them.

    Args:
        usd: As typed.
        option: Names the option in the error.

    Raises:
        CliError: it is none that a budget can have; less than a millionth would be no limit at all.
    """
    if not 0 <= usd <= MOST_USD:
        raise CliError(f"{option}: {usd} is not from 0 to {MOST_USD} dollars; 0 is no limit")
    found = round(usd * USD_MICROS)
    if usd and not found:
        raise CliError(f"{option}: {usd} is less than a millionth of a dollar, the least that a budget has")
    return found


def build_request(repository: str, options: BatchOptions) -> pb.SubmitBatchRequest:
    """Build the request; it always carries a request id, so that a repeat after a broken connection is harmless.

    Raises:
        CliError: a field breaks its constraint; each is named.
    """
    _require_names(repository, options)
    request = pb.SubmitBatchRequest(
        repository=repository,
        issue_numbers=parse_issues(options.issues),
        pipeline=chosen(Pipeline, options.pipeline, option="--pipeline"),  # type: ignore[arg-type]
        concurrency=options.concurrency,
        priority=options.priority,
        dry_run=options.dry_run,
        require_approval=options.require_approval,
        base_branch=options.base_branch,
        request_id=options.request_id,
        overrule=kinds_of(options.force),  # type: ignore[arg-type]
        no_grouping=options.no_grouping,
    )
    if options.query or options.labels:
        request.query.CopyFrom(IssueQuery(text=options.query, labels=options.labels))
    for budget, usd, tokens, option in (
        (request.budget, options.budget_usd, options.budget_tokens, "--budget-usd"),
        (request.issue_budget, options.issue_budget_usd, 0, "--issue-budget-usd"),
        (request.task_budget, options.task_budget_usd, 0, "--task-budget-usd"),
    ):
        if usd or tokens:
            budget.CopyFrom(Budget(usd_micros=micros_of(usd, option=option), tokens=tokens))
    return checked(request)


def _require_names(repository: str, options: BatchOptions) -> None:
    """Refuse in the command line's own words what people leave out first.

    Raises:
        CliError: the repository has no owner and name, or issues are neither named nor searched for, or both.
    """
    if not _REPOSITORY.fullmatch(repository):
        given = f"{repository!r} is no repository" if repository else "which repository?"
        raise CliError(f"OWNER/REPO: {given}", hint="for example: miyabi submit django/django --issues 13933,14155")
    searched = bool(options.query or options.labels)
    if bool(options.issues) == searched:
        wrong = "not together with --query or --label" if searched else "which issues?"
        raise CliError(f"--issues: {wrong}", hint="name them by --issues 60,61, or find them by --query and --label")


def checked(request: pb.SubmitBatchRequest) -> pb.SubmitBatchRequest:
    """Return a request that keeps the proto's rules, with a request id.

    Raises:
        CliError: a field breaks its constraint; each is named.
    """
    if not request.request_id:
        request.request_id = new_ulid()
    violations = violations_of(protovalidate.Validator(), request)
    if violations:
        raise from_service(invalid_request(violations))
    return request
