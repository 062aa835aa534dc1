"""Serves `miyabi.dashboard.v1.TelemetryService`."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

from miyabi.coordinator.v1 import coordinator_service_pb2 as coordinator_pb
from miyabi.dashboard.v1 import telemetry_service_pb2 as pb
from miyabi.dashboard.v1.telemetry_service_pb2_grpc import TelemetryServiceServicer
from miyabi_core.edge import strict_json
from miyabi_core.errors import InvalidArgumentError
from miyabi_dashboard.performance import Monitor
from miyabi_dashboard.upstream import Upstream


class TelemetryServicer(TelemetryServiceServicer):
    """Events and measurements over gRPC."""

    def __init__(self, upstream: Upstream, monitor: Monitor) -> None:
        self._upstream = upstream
        self._monitor = monitor

    async def WatchEvents(  # noqa: N802 - the proto's name
        self, request: pb.WatchEventsRequest, context: Any
    ) -> AsyncIterator[pb.WatchEventsResponse]:
        """Stream the coordinator's events."""
        del context
        wanted = coordinator_pb.WatchEventsRequest(cursor=_unpack(request.cursor), repository=request.repository)
        async for answer in self._upstream.stub.WatchEvents(wanted):
            yield pb.WatchEventsResponse(
                events=[pb.TelemetryEvent(batch_event=event) for event in answer.events], cursor=_pack(answer.cursor)
            )

    async def GetPerformanceReport(  # noqa: N802
        self, request: pb.GetPerformanceReportRequest, context: Any
    ) -> pb.GetPerformanceReportResponse:
        """Answer what was measured."""
        del request, context
        return self._monitor.report()


def _pack(cursor: str) -> str:
    """Make our cursor of the coordinator's."""
    return base64.urlsafe_b64encode(json.dumps({"coordinator": cursor}).encode()).decode()


def _unpack(cursor: str) -> str:
    """Read our cursor.

    Raises:
        InvalidArgumentError: it is not one of ours.
    """
    if not cursor:
        return ""
    try:
        return str(strict_json.loads(base64.urlsafe_b64decode(cursor))["coordinator"])
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidArgumentError("cursor: not one of this service", reason="BAD_CURSOR") from error
