"""Serves `miyabi.dashboard.v1.TelemetryService`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc

from miyabi.dashboard.v1 import telemetry_service_pb2 as pb
from miyabi.dashboard.v1.telemetry_service_pb2_grpc import TelemetryServiceServicer
from miyabi_core.status import from_rpc_error
from miyabi_dashboard.merging import Merged
from miyabi_dashboard.monitor.reporting import Reports


class TelemetryServicer(TelemetryServiceServicer):
    """Events and measurements over gRPC."""

    def __init__(self, merged: Merged, reports: Reports) -> None:
        self._merged = merged
        self._reports = reports

    async def WatchEvents(  # noqa: N802 - the proto's name
        self, request: pb.WatchEventsRequest, context: Any
    ) -> AsyncIterator[pb.WatchEventsResponse]:
        """Stream the coordinator's events and those of the intake."""
        del context
        answers: asyncio.Queue[pb.WatchEventsResponse] = asyncio.Queue(maxsize=1)
        cursors = await self._merged.start(request)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._merged.coordinator(request, cursors, answers))
            tasks.create_task(self._merged.intake(request, cursors, answers))
            while True:
                yield await answers.get()

    async def GetPerformanceReport(  # noqa: N802
        self, request: pb.GetPerformanceReportRequest, context: Any
    ) -> pb.GetPerformanceReportResponse:
        """Answer what was measured."""
        del context
        try:
            return await self._reports.report(request)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error
