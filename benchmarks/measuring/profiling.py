"""Samples the stacks of a running process, from outside, and says which layer its time goes to."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks.peers.environments import environment

#: Samples a second; the sampler stops the process for some 100 microseconds each time.
RATE = 250
#: The first pattern that a frame has, from the innermost frame outwards, names its layer. C code counts where it is
#: called from: gRPC's callbacks and protobuf's in the loop and in the layer that asks.
LAYERS = (
    ("grpc, reading and writing messages", ("grpc/aio/", "_cython", "grpc/_")),
    ("validation", ("protovalidate", "interceptors/validation", "celpy", "cel_expr")),
    ("other interceptors", ("miyabi_core/interceptors/", "miyabi_core/tracing", "opentelemetry")),
    ("logging", ("structlog", "miyabi_core/logging", "logging/__init__")),
    ("Redis client", ("redis/", "hiredis", "adapters/redis_store/scripts", "adapters/redis_store/connection")),
    ("committing: pack and store", ("adapters/redis_store/",)),
    ("events and leases: encode", ("translate/",)),
    ("decide", ("decide/", "models/")),
    ("watchers", ("service/watch", "service/all_events")),
    ("dispatch, transitions, intake", ("miyabi_coordinator/service/",)),
    ("servicers", ("miyabi_coordinator/servicer/",)),
    ("loop, with gRPC's callbacks in it", ("asyncio/", "selectors.py")),
)
#: A frame that only the main thread's stacks have.
_MAIN = "asyncio/runners.py"
_REQUIREMENTS = Path(__file__).resolve().parents[1] / "peers" / "requirements-profiler.txt"


async def profiled(pid: int, work: Callable[[], Awaitable[None]]) -> dict[str, float]:
    """Run *work* while a process is sampled; returns the share of each layer in its main thread's time."""
    program = await asyncio.to_thread(environment, "profiler", _REQUIREMENTS)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "stacks"
        options = ("--format", "raw", "--rate", str(RATE), "--full-filenames", "--duration", "unlimited")
        sampler = await asyncio.create_subprocess_exec(
            program / "py-spy", "record", *options, "--pid", str(pid), "--output", output,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            await work()
        finally:
            sampler.send_signal(signal.SIGINT)
            await sampler.wait()
        return _shares(output.read_text())


def _shares(stacks: str) -> dict[str, float]:
    """Return the share of each layer of collapsed stacks: frames from outer to inner, then a count."""
    counts: Counter[str] = Counter()
    for line in stacks.splitlines():
        frames, _, count = line.rpartition(" ")
        if _MAIN in frames:
            counts[_layer(frames.split(";"))] += int(count)
    total = counts.total()
    return {layer: count / total for layer, count in counts.most_common()}


def _layer(frames: list[str]) -> str:
    """Return the layer of the innermost frame that one knows."""
    for frame in reversed(frames):
        for layer, patterns in LAYERS:
            if any(pattern in frame for pattern in patterns):
                return layer
    return "other"
