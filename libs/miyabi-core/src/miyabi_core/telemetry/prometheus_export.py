"""Sends what the process counts for Prometheus by OTLP too, so that each metric is defined once.

Source: OpenTelemetry specification, "Prometheus and OpenMetrics Compatibility", Prometheus metric points to OTLP.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Iterable, Iterator
from itertools import pairwise

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExporter,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.samples import Sample

from miyabi_core.logging import get_logger

_LOG = get_logger(__name__)
#: Who measured.
_SCOPE = InstrumentationScope("miyabi")
_Labels = tuple[tuple[str, str], ...]


class PrometheusExport:
    """Exports a registry at an interval, from a thread of its own, and once more when the process ends.

    Args:
        registry: What the process counts.
        exporter: Where it goes.
        resource: Who it comes from.
        interval_seconds: Between two exports; an export that fails is logged, and the next one has all the same.
    """

    def __init__(
        self, registry: CollectorRegistry, exporter: MetricExporter, resource: Resource, *, interval_seconds: float
    ) -> None:
        self._registry = registry
        self._exporter = exporter
        self._resource = resource
        self._interval = interval_seconds
        self._began = time.time_ns()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="metrics-export", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()
        atexit.register(self.stop)

    def stop(self) -> None:
        """Send the last state, then end."""
        if not self._ended.is_set():
            self._ended.set()
            self._thread.join()
            self._exporter.shutdown()

    def _run(self) -> None:
        """Export until the end."""
        while not self._ended.wait(self._interval):
            self._send()
        self._send()

    def _send(self) -> None:
        """Export what is counted now."""
        try:
            self._exporter.export(self.collected())
        except Exception as error:  # noqa: BLE001 - telemetry never ends what it tells of
            _LOG.warning("metrics.not_exported", error=str(error), error_type=type(error).__name__)

    def collected(self) -> MetricsData:
        """Return what is counted now."""
        now = time.time_ns()
        metrics = [made for family in self._registry.collect() if (made := self._metric(family, now)) is not None]
        scope = ScopeMetrics(scope=_SCOPE, metrics=metrics, schema_url="")
        return MetricsData([ResourceMetrics(resource=self._resource, scope_metrics=[scope], schema_url="")])

    def _metric(self, family: Family, now: int) -> Metric | None:
        """Return a family as OTLP has it; None for kinds that nothing of ours has."""
        if family.type == "histogram":
            data: Histogram | Sum | Gauge = Histogram(
                list(self._histograms(family.samples, now)), AggregationTemporality.CUMULATIVE
            )
        elif family.type == "counter":
            points = list(self._numbers(family.samples, now, ending="_total"))
            data = Sum(points, AggregationTemporality.CUMULATIVE, is_monotonic=True)
        elif family.type == "gauge":
            data = Gauge(list(self._numbers(family.samples, now)))
        else:
            return None
        name = f"{family.name}_total" if family.type == "counter" else family.name
        return Metric(name=name, description=family.documentation, unit=family.unit or None, data=data)

    def _numbers(self, samples: Iterable[Sample], now: int, *, ending: str = "") -> Iterator[NumberDataPoint]:
        """Return the values of a counter or gauge."""
        for sample in samples:
            if sample.name.endswith(ending):
                yield NumberDataPoint(dict(sample.labels), self._began, now, float(sample.value))

    def _histograms(self, samples: Iterable[Sample], now: int) -> Iterator[HistogramDataPoint]:
        """Return the histograms of a family, one for each set of labels."""
        grouped: dict[_Labels, list[Sample]] = {}
        for sample in samples:
            labels = tuple(sorted((name, value) for name, value in sample.labels.items() if name != "le"))
            grouped.setdefault(labels, []).append(sample)
        for labels, found in grouped.items():
            yield self._histogram(labels, found, now)

    def _histogram(self, labels: _Labels, samples: Iterable[Sample], now: int) -> HistogramDataPoint:
        """Return one histogram: Prometheus adds its buckets up, OTLP counts each by itself."""
        bounds: list[float] = []
        running: list[int] = [0]
        total = 0.0
        for sample in samples:
            if sample.name.endswith("_bucket"):
                bounds.append(float(sample.labels["le"]))
                running.append(int(sample.value))
            elif sample.name.endswith("_sum"):
                total = float(sample.value)
        counts = [after - before for before, after in pairwise(running)]
        return HistogramDataPoint(
            attributes=dict(labels),
            start_time_unix_nano=self._began,
            time_unix_nano=now,
            count=running[-1],
            sum=total,
            bucket_counts=counts,
            explicit_bounds=bounds[:-1],
            min=None,  # type: ignore[arg-type] # Prometheus does not keep it
            max=None,  # type: ignore[arg-type]
        )
