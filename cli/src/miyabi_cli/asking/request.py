"""Builds the request of a batch from what was typed, with one clear error a field."""

from __future__ import annotations

from dataclasses import dataclass, field

import protovalidate

from miyabi.common.v1.usage_pb2 import Budget
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.batch_pb2 import IssueQuery
from miyabi.coordinator.v1.state_pb2 import Pipeline
from miyabi_cli.asking.choices import chosen
from miyabi_cli.errors import CliError, from_service
from miyabi_cli.problems import kinds_of
from miyabi_cli.showing.results import USD_MICROS
from miyabi_core.ids import new_ulid
from miyabi_core.interceptors.validation import invalid_request, violations_of


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
        CliError: a part is no number or no range.
    """
    numbers: list[int] = []
    for part in filter(None, (piece.strip().lstrip("#") for piece in text.split(","))):
        first, dash, last = part.partition("-")
        if not first.isdigit() or (dash and not last.isdigit()) or (dash and int(last) < int(first)):
            raise CliError(f"{option}: {part!r} is neither a number nor a range like 60-62")
        numbers.extend(range(int(first), int(last or first) + 1))
    return numbers


def build_request(repository: str, options: BatchOptions) -> pb.SubmitBatchRequest:
    """Build the request; it always carries a request id, so that a repeat after a broken connection is harmless.

    Raises:
        CliError: a field breaks its constraint; each is named.
    """
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
    for budget, usd, tokens in (
        (request.budget, options.budget_usd, options.budget_tokens),
        (request.issue_budget, options.issue_budget_usd, 0),
        (request.task_budget, options.task_budget_usd, 0),
    ):
        if usd or tokens:
            budget.CopyFrom(Budget(usd_micros=round(usd * USD_MICROS), tokens=tokens))
    return checked(request)


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
