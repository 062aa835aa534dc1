"""What was measured, over HTTP: the report of `miyabi.dashboard.v1.TelemetryService`."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from miyabi.dashboard.v1 import telemetry_service_pb2 as pb
from miyabi_core.proto_time import to_timestamp
from miyabi_dashboard.monitor.reporting import Reports
from miyabi_dashboard.policy import READ
from miyabi_dashboard.serving.parameters import AGENT, MOST_NUMBER, NAMED_BATCH, REPOSITORY, text, whole
from miyabi_dashboard.serving.query import Query
from miyabi_dashboard.serving.routes import Route
from miyabi_dashboard.upstream import as_dict

#: Longest name of a model.
_MODEL = 100
_PARAMETERS = (
    NAMED_BATCH,
    REPOSITORY,
    AGENT,
    text("model", "Only calls of this model.", maxLength=_MODEL),
    whole("issue", "Only this issue of the batch.", 1, MOST_NUMBER),
    text("start", "From here; refused with batch.", format="date-time"),
    text("end", "To here; refused with batch.", format="date-time"),
)


class Measurements:
    """Serves the report.

    Args:
        reports: Makes it.
    """

    def __init__(self, reports: Reports) -> None:
        self._reports = reports

    def routes(self) -> list[Route]:
        """Return the route."""
        answer = pb.GetPerformanceReportResponse
        return [Route("GET", "/api/performance", self._report, "What was measured.", answer, READ, _PARAMETERS)]

    async def _report(self, request: web.Request, query: Query) -> Any:
        """Answer what was measured."""
        del request
        wanted = pb.GetPerformanceReportRequest(
            batch=f"batches/{query['batch'].removeprefix('batches/')}" if "batch" in query else "",
            repository=query.get("repository", ""),
            model=query.get("model", ""),
            agent=query.get("agent", ""),
            issue_number=query.get("issue", 0),
        )
        if "start" in query:
            wanted.start_time.CopyFrom(to_timestamp(query["start"]))
        if "end" in query:
            wanted.end_time.CopyFrom(to_timestamp(query["end"]))
        return as_dict(await self._reports.report(wanted))
