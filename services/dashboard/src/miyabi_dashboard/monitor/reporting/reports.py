"""Answers what was measured: checks what is asked, reads the log or the store, adds the gateway's limits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Any

import grpc

from miyabi.coordinator.v1 import coordinator_service_pb2 as coordinator_pb
from miyabi.coordinator.v1.event_pb2 import BatchEvent
from miyabi.coordinator.v1.limits_pb2 import LimitReason
from miyabi.dashboard.v1 import telemetry_service_pb2 as pb
from miyabi.github_gateway.v1 import github_gateway_service_pb2 as gateway_pb
from miyabi_dashboard.monitor.reporting.asked import Asked, checked
from miyabi_dashboard.monitor.reporting.of_batch import Measured, measured, report_of_batch
from miyabi_dashboard.monitor.reporting.of_period import Periods, ended_batches, report_of_period
from miyabi_dashboard.monitor.storing import MeasurementStore
from miyabi_dashboard.monitor.storing.buckets import MOST_EXAMPLES
from miyabi_dashboard.reads.batch_log import logged
from miyabi_dashboard.upstream import CALL_SECONDS, WHOLE_SECONDS, Upstream

#: Analysed batches in memory: those that a period's report looks at, and some that people look at.
MOST_ANALYSED = 16
#: Steps of limits that are looked at, the newest.
MOST_STEPS = 1000
#: What begins the names of limits of the model API.
MODEL_API = "model-api/"


class Reports:
    """Reports of batches and periods.

    Args:
        upstream: The coordinator.
        gateway: The gateway's stub.
        store: Where measurements are kept.
        clock: Seconds since 1970.
    """

    def __init__(
        self, upstream: Upstream, gateway: Any, store: MeasurementStore, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._upstream = upstream
        self._gateway = gateway
        self._periods = Periods(store)
        self._clock = clock
        #: By batch and issue: the sequence that was looked at last, and what it came to. Of older ones nothing is kept.
        self._analysed: dict[tuple[str, int], tuple[int, Measured]] = {}
        #: Answers by what they were made of, which is kept with them so that its id is nobody else's.
        self._told: dict[tuple[int, Asked, int], tuple[Measured, pb.GetPerformanceReportResponse]] = {}
        # Held while a log is read, on purpose: a hundred pages that ask at once cause one analysis.
        self._analysing = asyncio.Lock()

    async def report(self, request: pb.GetPerformanceReportRequest) -> pb.GetPerformanceReportResponse:
        """Answer a request.

        Raises:
            InvalidArgumentError: a field cannot be obeyed.
            NotFoundError: the batch has no such issue.
            UnavailableError: the store did not answer.
            grpc.aio.AioRpcError: there is no such batch, or the coordinator is out of reach.
        """
        asked = checked(request)
        if request.batch:
            report = await self._of_batch(request, asked)
        else:
            report = await self._of_period(request, asked)
        await self._add_limits(report)
        return report

    async def _of_batch(self, request: pb.GetPerformanceReportRequest, asked: Asked) -> pb.GetPerformanceReportResponse:
        """Answer from a log; the same question on a log that has not grown is answered once."""
        async with self._analysing:
            found = await self._measured(request.batch, request.issue_number)
            key = (id(found), asked, request.issue_number)
            if key not in self._told:
                made = await asyncio.to_thread(report_of_batch, found, asked, issue=request.issue_number)
                self._told[key] = (found, made)
                while len(self._told) > MOST_ANALYSED:
                    del self._told[next(iter(self._told))]
            report = pb.GetPerformanceReportResponse()
            report.CopyFrom(self._told[key][1])
            return report

    async def _of_period(
        self, request: pb.GetPerformanceReportRequest, asked: Asked
    ) -> pb.GetPerformanceReportResponse:
        """Answer from what is kept."""
        now = self._clock()
        end = request.end_time.ToNanoseconds() / 1e9 if request.HasField("end_time") else now
        async with self._analysing:
            start = request.start_time.ToNanoseconds() / 1e9
            kept = await self._periods.read(start=start, end=end, now=now)
            batches, lost = await self._newest(ended_batches(kept.bucket, asked)[-MOST_EXAMPLES:])
            medians = {} if any(asked) else await self._periods.medians(now=end)
        report = await asyncio.to_thread(report_of_period, kept, asked, batches=batches, medians=medians)
        report.not_measured.extend(lost)
        return report

    async def _newest(self, names: list[str]) -> tuple[list[Measured], list[str]]:
        """Return batches, and what is to be said of those whose log cannot be read."""
        found, lost = [], []
        for name in names:
            try:
                found.append(await self._measured(name, 0))
            except grpc.aio.AioRpcError as error:
                lost.append(f"The critical path of {name}: its log could not be read ({error.code().name}).")
        return found, lost

    async def _measured(self, name: str, issue: int) -> Measured:
        """Return a batch's measurements; those of a log that has not grown are computed once."""
        wanted = coordinator_pb.GetBatchRequest(name=name)
        last = (await self._upstream.stub.GetBatch(wanted, timeout=WHOLE_SECONDS)).batch.last_sequence
        key = (name, issue)
        if key not in self._analysed or self._analysed[key][0] != last:
            _, old = self._analysed.pop(key, (0, None))
            self._told = {asked: kept for asked, kept in self._told.items() if kept[0] is not old}
            events = await self._log(name, last)
            slots, refused = await self._slots(), await self._refused(events)
            found = await asyncio.to_thread(measured, events, issue=issue, slots=slots, refused=refused)
            self._analysed[key] = (last, found)
            while len(self._analysed) > MOST_ANALYSED:
                del self._analysed[next(iter(self._analysed))]
        return self._analysed[key][1]

    async def _log(self, name: str, last: int) -> list[BatchEvent]:
        """Return the committed events of a batch, up to one that is there."""
        async with aclosing(logged(self._upstream, name, after=0, last=last)) as pages:
            return [event async for page in pages for event in page]

    async def _slots(self) -> int:
        """Return the slots of all agents together; 0 where the coordinator does not say."""
        try:
            answer = await self._upstream.stub.ListAgents(coordinator_pb.ListAgentsRequest(), timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError:
            return 0
        return 0 if answer.next_page_token else sum(agent.slots for agent in answer.agents)

    async def _refused(self, events: Sequence[BatchEvent]) -> bool:
        """Tell whether the model API refused calls while a batch ran; False where the coordinator does not say."""
        if not events:
            return False
        wanted = coordinator_pb.ListLimitStepsRequest(page_size=MOST_STEPS, start_time=events[0].time)
        try:
            answer = await self._upstream.stub.ListLimitSteps(wanted, timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError:
            return False
        end = events[-1].time.ToNanoseconds()
        return any(
            step.target.startswith(MODEL_API) and step.reason == LimitReason.LIMIT_REASON_REFUSED
            and step.time.ToNanoseconds() <= end
            for step in answer.steps
        )  # fmt: skip

    async def _add_limits(self, report: pb.GetPerformanceReportResponse) -> None:
        """Add the gateway's limits, or say that they are not known."""
        try:
            answer = await self._gateway.GetRateLimits(gateway_pb.GetRateLimitsRequest(), timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            report.not_measured.append(f"The gateway's limits: it did not answer ({error.code().name}).")
            return
        for limit in answer.limits:
            use = report.rate_limits.add(resource=limit.resource, repository=limit.repository, limit=limit.limit,
                                         used=limit.used, remaining=limit.remaining)  # fmt: skip
            if limit.HasField("reset_time"):
                use.reset_time.CopyFrom(limit.reset_time)
