"""Serves KEDA: `externalscaler.ExternalScaler`, so that agents are as many as there is work for."""

# ruff: noqa: N802 - KEDA names the methods

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from miyabi.keda.v1 import external_scaler_pb2 as pb
from miyabi.keda.v1 import external_scaler_pb2_grpc
from miyabi_coordinator import errors
from miyabi_coordinator.models import TaskKind
from miyabi_coordinator.service.shard import ShardTable
from miyabi_core.text import shortened

#: Name of the one metric.
METRIC = "miyabi-tasks"
#: Slots of an agent where the trigger says nothing: `MIYABI_AGENTS_SLOTS`' own default.
DEFAULT_TASKS_PER_AGENT = 4
#: Most slots that an agent has.
MOST_TASKS_PER_AGENT = 1000
#: How often a stream looks whether there is work; only triggers that scale from 0 open one.
LOOK_INTERVAL = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a trigger asks for."""

    kinds: frozenset[TaskKind]
    tasks_per_agent: int

    @classmethod
    def of(cls, metadata: Mapping[str, str]) -> Wanted:
        """Read a trigger's metadata.

        Raises:
            InvalidArgumentError: a capability is unknown, or the number is none.
        """
        names = [name.strip().upper() for name in metadata.get("capabilities", "").split(",") if name.strip()]
        unknown = [name for name in names if name not in TaskKind.__members__]
        if unknown:
            raise errors.invalid_field(
                "scaler_metadata[capabilities]", f"there is no task kind {shortened(unknown[0], 40)!r}"
            )
        text = metadata.get("tasksPerAgent", str(DEFAULT_TASKS_PER_AGENT))
        if not text.isdecimal() or not 1 <= int(text) <= MOST_TASKS_PER_AGENT:
            raise errors.invalid_field("scaler_metadata[tasksPerAgent]", f"must be 1 to {MOST_TASKS_PER_AGENT}")
        return cls(frozenset(TaskKind[name] for name in names) or frozenset(TaskKind), int(text))


class ExternalScalerServicer(external_scaler_pb2_grpc.ExternalScalerServicer):
    """Answers from the queues of all shards; nothing is cached, since KEDA asks every few seconds."""

    def __init__(self, shards: ShardTable) -> None:
        self._shards = shards

    async def IsActive(self, request: pb.ScaledObjectRef, context: Any) -> pb.IsActiveResponse:
        """Say whether there is work."""
        del context
        return pb.IsActiveResponse(result=await self._tasks(Wanted.of(request.scaler_metadata)) > 0)

    async def StreamIsActive(self, request: pb.ScaledObjectRef, context: Any) -> AsyncIterator[pb.IsActiveResponse]:
        """Say so at once, and whenever it changes."""
        del context
        wanted = Wanted.of(request.scaler_metadata)
        said: bool | None = None
        while True:
            active = await self._tasks(wanted) > 0
            if active != said:
                yield pb.IsActiveResponse(result=active)
                said = active
            await asyncio.sleep(LOOK_INTERVAL.total_seconds())

    async def GetMetricSpec(self, request: pb.ScaledObjectRef, context: Any) -> pb.GetMetricSpecResponse:
        """Name the metric and its target."""
        del context
        target = Wanted.of(request.scaler_metadata).tasks_per_agent
        spec = pb.MetricSpec(metric_name=METRIC, target_size=target, target_size_float=target)
        return pb.GetMetricSpecResponse(metric_specs=[spec])

    async def GetMetrics(self, request: pb.GetMetricsRequest, context: Any) -> pb.GetMetricsResponse:
        """Count ready and leased tasks."""
        del context
        count = await self._tasks(Wanted.of(request.scaled_object_ref.scaler_metadata))
        name = request.metric_name or METRIC
        value = pb.MetricValue(metric_name=name, metric_value=count, metric_value_float=count)
        return pb.GetMetricsResponse(metric_values=[value])

    async def _tasks(self, wanted: Wanted) -> int:
        """Return the ready and leased tasks of the chosen kinds, over all shards."""
        sizes = await asyncio.gather(*(shard.store.queue_sizes() for shard in self._shards.all))
        return sum(count for shard in sizes for kind, count in shard.items() if kind in wanted.kinds)
