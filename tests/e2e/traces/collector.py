"""A real OpenTelemetry collector between the services and what receives from it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import yaml
from traces.receiver import settings_for

from miyabi_cli.stack.processes import START_TIMEOUT, ChildProcess, ProcessSpec, start
from miyabi_core.free_ports import free_ports
from scripts.bootstrap.go_programs import COLLECTOR


@asynccontextmanager
async def running_collector(folder: Path, onward: Mapping[str, str]) -> AsyncIterator[dict[str, str]]:
    """Run a collector for the length of the block.

    Args:
        folder: Where its configuration and its log are.
        onward: The standard variables of where it sends what it takes.

    Yields:
        The standard variables that make services export to it.

    Raises:
        AssertionError: it logged something, which is a refusal, a loss or an error.
    """
    assert COLLECTOR.path.exists(), "there is no collector: run `make collector`"
    traces_port, metrics_port = free_ports(2)
    file = folder / "collector.yaml"
    file.write_text(yaml.safe_dump(_configuration(traces_port, metrics_port, onward)))
    command = [str(COLLECTOR.path), "--config", str(file)]
    child = await start(ProcessSpec("collector", command, os.environ, folder / "collector.log"))
    try:
        await _until_ready(child, traces_port)
        yield settings_for(traces_port, metrics_port)
    finally:
        await child.stop()
    assert (child.process.returncode, child.log_tail()) == (0, "")


def _configuration(traces_port: int, metrics_port: int, onward: Mapping[str, str]) -> dict[str, Any]:
    """Take traces by gRPC, metrics by HTTP; hand each on before it is acknowledged, so that nothing is lost unseen."""
    at_once = {"sending_queue": {"enabled": False}, "retry_on_failure": {"enabled": False}, "tls": {"insecure": True}}
    protocols = {
        "grpc": {"endpoint": f"127.0.0.1:{traces_port}"},
        "http": {"endpoint": f"127.0.0.1:{metrics_port}"},
    }
    return {
        "receivers": {"otlp": {"protocols": protocols}},
        "exporters": {
            "otlp_grpc": {"endpoint": onward["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"], **at_once},
            "otlp_http": {"metrics_endpoint": onward["OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"], **at_once},
        },
        "service": {
            "pipelines": {
                "traces": {"receivers": ["otlp"], "exporters": ["otlp_grpc"]},
                "metrics": {"receivers": ["otlp"], "exporters": ["otlp_http"]},
            }
        },
    }


async def _until_ready(child: ChildProcess, port: int) -> None:
    """Wait until it takes calls."""
    try:
        async with (
            asyncio.timeout(START_TIMEOUT.total_seconds()),
            grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
        ):
            await channel.channel_ready()
    except TimeoutError as error:
        raise AssertionError(f"the collector takes no calls: {child.log_tail()}") from error
