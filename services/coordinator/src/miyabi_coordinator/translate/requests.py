"""Turns what operators ask for into the domain's values."""

from __future__ import annotations

import hashlib
import re
import uuid

from miyabi.common.v1 import usage_pb2
from miyabi.coordinator.v1 import coordinator_service_pb2
from miyabi_coordinator.errors import invalid_field
from miyabi_coordinator.models import Budget, IssueFilter, Pipeline, Spec
from miyabi_core.ids import is_ulid, new_ulid

#: Issues in flight where the request says nothing.
DEFAULT_CONCURRENCY = 3
#: Fix rounds where the request says nothing.
DEFAULT_FIX_ROUNDS = 2
#: Issues of a query where the request says nothing.
DEFAULT_LIMIT = 100
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")


def request_id_of(text: str) -> str:
    """Return the request id in its one spelling; a new one where there is none.

    Raises:
        InvalidArgumentError: it is neither a ULID nor a UUID.
    """
    if not text:
        return new_ulid()
    if is_ulid(text.upper()):
        return text.upper()
    if _UUID.fullmatch(text):
        return str(uuid.UUID(text))
    raise invalid_field("request_id", "must be a ULID or a UUID")


def body_digest(request: coordinator_service_pb2.SubmitBatchRequest) -> str:
    """Return a digest of everything that was asked for but the request id."""
    body = coordinator_service_pb2.SubmitBatchRequest()
    body.CopyFrom(request)
    body.request_id = ""
    return hashlib.sha256(body.SerializeToString(deterministic=True)).hexdigest()


def spec_of(
    request: coordinator_service_pb2.SubmitBatchRequest, *, request_id: str, requester: str, traceparent: str
) -> Spec:
    """Return what was asked for with defaults; what the gateway knows is still missing."""
    concurrency = request.concurrency or DEFAULT_CONCURRENCY
    pipeline = Pipeline(request.pipeline or Pipeline.FIX)
    rounds = request.max_fix_rounds if request.HasField("max_fix_rounds") else DEFAULT_FIX_ROUNDS
    return Spec(
        repository=request.repository,
        issues=tuple(request.issue_numbers),
        pipeline=pipeline,
        concurrency=concurrency,
        max_parallel_tasks=request.max_parallel_tasks or concurrency,
        budget=_budget(request.budget),
        issue_budget=_budget(request.issue_budget),
        task_budget=_budget(request.task_budget),
        priority=request.priority,
        weight=request.weight or 1,
        dry_run=request.dry_run,
        require_approval=request.require_approval,
        max_fix_rounds=rounds,
        base_branch=request.base_branch,
        request_id=request_id,
        requester=requester,
        traceparent=traceparent,
        overruled=tuple(sorted(int(kind) for kind in request.overrule)),
        grouping=pipeline is Pipeline.FIX and not request.no_grouping,
    )


def filter_of(request: coordinator_service_pb2.SubmitBatchRequest) -> IssueFilter | None:
    """Return the query; None where issues are listed."""
    if not request.HasField("query"):
        return None
    query = request.query
    return IssueFilter(
        labels=tuple(query.labels),
        state=int(query.state) or 1,
        milestone=query.milestone,
        assignee=query.assignee,
        text=query.text,
        limit=query.limit or DEFAULT_LIMIT,
    )


def _budget(message: usage_pb2.Budget) -> Budget:
    return Budget(message.usd_micros, message.tokens)
