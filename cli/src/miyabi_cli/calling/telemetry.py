"""Talks to the dashboard over gRPC: what was measured of a batch or of a period."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import grpc

from miyabi.dashboard.v1 import telemetry_service_pb2 as pb
from miyabi.dashboard.v1.telemetry_service_pb2_grpc import TelemetryServiceStub
from miyabi_cli.client import service_channel
from miyabi_cli.errors import CliError, from_service
from miyabi_core.configuration.durations import ACCEPTED, parse_duration
from miyabi_core.status import from_rpc_error

if TYPE_CHECKING:
    from miyabi.dashboard.v1.telemetry_service_pb2_grpc import TelemetryServiceAsyncStub
    from miyabi_cli.caller import Caller

#: Deadline of a report: that of a large batch is computed from its log.
REPORT_TIMEOUT = timedelta(seconds=60)
_SERVICE = "miyabi.dashboard.v1.TelemetryService"


@dataclass(frozen=True)
class Asked:
    """What of the measurements is wanted; what is empty does not narrow it."""

    #: `batches/{ulid}`; empty: a period.
    batch: str = ""
    #: The last so long, of a period.
    since: str = ""
    repository: str = ""
    model: str = ""
    agent: str = ""
    issue: int = 0

    @property
    def about(self) -> str:
        """What it is about, in a few words."""
        run = f"#{self.issue} of " if self.issue else ""
        return f"{run}{self.batch}" if self.batch else f"the last {self.since}"

    @property
    def filters(self) -> list[tuple[str, str]]:
        """What narrows it, each with our name of it."""
        named = (("repository", self.repository), ("model", self.model), ("agent", self.agent))
        return [(name, value) for name, value in named if value]

    def request(self, *, now: datetime) -> pb.GetPerformanceReportRequest:
        """Return the request.

        Args:
            now: Moment that `since` counts back from, aware.

        Raises:
            CliError: `since` is no duration.
        """
        request = pb.GetPerformanceReportRequest(
            batch=self.batch, repository=self.repository, model=self.model, agent=self.agent, issue_number=self.issue
        )
        if not self.batch:
            request.start_time.FromDatetime((now - duration_of(self.since, option="--since")).astimezone(UTC))
        return request


def duration_of(text: str, *, option: str) -> timedelta:
    """Return a duration that a person typed.

    Raises:
        CliError: it is none, or not longer than nothing.
    """
    try:
        found = parse_duration(text)
    except ValueError as error:
        raise CliError(f"{option}: {error}") from error
    if found is None or found <= timedelta(0):
        raise CliError(f"{option}: {text!r} is not {ACCEPTED}")
    return min(found, timedelta(days=3650))


class TelemetryClient:
    """The dashboard's RPCs with their errors turned into one readable line."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.stub: TelemetryServiceAsyncStub = TelemetryServiceStub(channel)

    async def report(self, asked: Asked) -> pb.GetPerformanceReportResponse:
        """Return what was measured.

        Raises:
            CliError: the dashboard refused it or is out of reach.
        """
        request = asked.request(now=datetime.now(UTC))
        try:
            return await self.stub.GetPerformanceReport(request, timeout=REPORT_TIMEOUT.total_seconds())
        except grpc.aio.AioRpcError as error:
            raise from_service(from_rpc_error(error)) from error


@asynccontextmanager
async def telemetry(settings: Caller) -> AsyncIterator[TelemetryClient]:
    """Open a channel to the dashboard of the settings, for the length of the block."""
    async with service_channel(settings, settings.dashboard, service=_SERVICE) as channel:
        yield TelemetryClient(channel)
