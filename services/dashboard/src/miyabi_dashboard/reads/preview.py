"""What a query matches, and what as many issues of the repository have cost, where that was measured."""

from __future__ import annotations

from statistics import quantiles
from typing import Any

from aiohttp import web

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.state_pb2 import BatchState, Pipeline
from miyabi.github_gateway.v1 import github_gateway_service_pb2 as gateway_pb
from miyabi_dashboard.gateway import GatewayClient
from miyabi_dashboard.policy import READ
from miyabi_dashboard.serving.parameters import REPOSITORY_PATTERN, array_of, object_of, text, whole
from miyabi_dashboard.serving.query import Query
from miyabi_dashboard.serving.routes import Route
from miyabi_dashboard.upstream import CALL_SECONDS, Upstream

#: Seconds for a search: GitHub answers page by page.
SEARCH_SECONDS = 30.0
#: Issues that a preview lists, unless it is asked for fewer.
MOST_MATCHES = 1000
#: Batches whose issues are counted, the newest ones: prices and prompts change.
MOST_BATCHES = 5
#: Fewer issues say nothing of the next one.
LEAST_SAMPLES = 3
#: Millionths of a US dollar.
_MICROS = 1e6
_ENDED = (BatchState.BATCH_STATE_SUCCEEDED, BatchState.BATCH_STATE_FAILED)
_ISSUE = object_of(
    number={"type": "integer"}, title={"type": "string"}, url={"type": "string"}, labels=array_of({"type": "string"})
)
_ESTIMATE = object_of(
    usdLow={"type": "number"}, usdHigh={"type": "number"}, basis={"type": "string"}, samples={"type": "integer"}
)
_ANSWER = object_of(
    issues=array_of(_ISSUE), total={"type": "integer"}, cut={"type": "boolean"},
    estimate={"anyOf": [_ESTIMATE, {"type": "null"}]},
)  # fmt: skip


class Previews:
    """Serves previews of batches.

    Args:
        upstream: Knows what batches cost.
        gateway: Searches GitHub.
    """

    def __init__(self, upstream: Upstream, gateway: GatewayClient) -> None:
        self._upstream = upstream
        self._gateway = gateway

    def routes(self) -> list[Route]:
        """Return the route."""
        parameters = (
            text("repository", "owner/name.", required=True, pattern=REPOSITORY_PATTERN),
            text("query", "Words, in GitHub's search syntax. Default: all.", maxLength=256),
            text("labels", "Labels that an issue must all carry, separated by commas.", maxLength=2000),
            text("state", "State of the issues.", enum=["open", "closed", "all"], default="open"),
            text("milestone", "Title of the milestone.", maxLength=255),
            text("assignee", "Login of an assignee.", maxLength=100),
            whole("limit", "Issues, at most.", 1, MOST_MATCHES, default=MOST_MATCHES),
            text("pipeline", "What would be done.", enum=["PIPELINE_FIX", "PIPELINE_TRIAGE"], default="PIPELINE_FIX"),
        )  # fmt: skip
        summary = "Which issues a query matches, and what so many have cost before."
        return [Route("GET", "/api/preview", self._preview, summary, _ANSWER, READ, parameters)]

    async def _preview(self, request: web.Request, query: Query) -> Any:
        """Answer what a query matches."""
        del request
        issues, cut = await self._matches(query)
        costs = await self._costs(query["repository"], Pipeline.Value(query["pipeline"]))
        return {"issues": issues, "total": len(issues), "cut": cut, "estimate": estimate(costs, len(issues))}

    async def _matches(self, query: Query) -> tuple[list[dict[str, Any]], bool]:
        """Return the issues, and whether more match."""
        wanted = gateway_pb.SearchIssuesRequest(
            repository=query["repository"], text=query.get("query", ""), milestone=query.get("milestone", ""),
            labels=[label.strip() for label in query.get("labels", "").split(",") if label.strip()],
            assignee=query.get("assignee", ""), limit=query["limit"],
            state=gateway_pb.IssueState.Value(f"ISSUE_STATE_{query['state'].upper()}"),
            fields=[gateway_pb.IssueField.ISSUE_FIELD_LABELS],
        )  # fmt: skip
        issues: list[dict[str, Any]] = []
        cut = False
        async for answer in self._gateway.stub.SearchIssues(wanted, timeout=SEARCH_SECONDS):
            issues += [
                {"number": issue.number, "title": issue.title, "url": issue.url, "labels": list(issue.labels)}
                for issue in answer.issues
            ]
            cut = answer.more
        return issues, cut

    async def _costs(self, repository: str, pipeline: int) -> list[float]:
        """Return what each issue of the newest batches that ended has cost, in dollars; simulated ones count not."""
        wanted = pb.ListBatchesRequest(page_size=100, repository=repository)
        listed = await self._upstream.stub.ListBatches(wanted, timeout=CALL_SECONDS)
        ended = [
            batch for batch in listed.batches
            if batch.state in _ENDED and batch.spec.pipeline == pipeline and not batch.simulated
        ][:MOST_BATCHES]  # fmt: skip
        costs: list[float] = []
        for batch in ended:
            answer = await self._upstream.whole_batch(batch.name)
            costs += [result.cost_usd_micros / _MICROS for result in answer.results if result.cost_usd_micros]
        return costs


def estimate(costs: list[float], issues: int) -> dict[str, Any] | None:
    """Return what issues would cost at the middle half of what others have cost; None where too few were measured.

    Args:
        costs: Of single issues, in dollars.
        issues: How many there are to be.
    """
    if len(costs) < LEAST_SAMPLES:
        return None
    low, _, high = quantiles(costs, n=4, method="inclusive")
    basis = (
        "first to third quartile of what each issue of this repository's newest batches of this pipeline has cost, of"
        f" {MOST_BATCHES} batches at most"
    )
    return {
        "usdLow": round(low * issues, 4), "usdHigh": round(high * issues, 4), "basis": basis, "samples": len(costs),
    }  # fmt: skip
