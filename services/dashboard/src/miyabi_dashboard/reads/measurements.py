"""What was measured, over HTTP: the report of `miyabi.dashboard.v1.TelemetryService`."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from miyabi.dashboard.v1 import telemetry_service_pb2 as pb
from miyabi_dashboard.performance import Monitor
from miyabi_dashboard.policy import READ
from miyabi_dashboard.serving.query import Query
from miyabi_dashboard.serving.routes import Route
from miyabi_dashboard.upstream import as_dict


class Measurements:
    """Serves the report.

    Args:
        monitor: Measures.
    """

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor

    def routes(self) -> list[Route]:
        """Return the route."""
        answer = pb.GetPerformanceReportResponse
        return [Route("GET", "/api/performance", self._report, "What was measured.", answer, READ)]

    async def _report(self, request: web.Request, query: Query) -> Any:
        """Answer what was measured."""
        del request, query
        return as_dict(self._monitor.report())
