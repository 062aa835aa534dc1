"""saq on the coordinator's workload: a worker process and a client process, started by `saq.py`'s environment.

Stands alone: it runs in an environment of its own, where nothing of this project is installed.
Results of a load are read in blocks of 500 every 20 ms, which is faster than saq's own `queue.map`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable
from importlib import import_module, metadata
from typing import Any

saq: Any = import_module("saq")
terminal: Any = import_module("saq.job").TERMINAL_STATUSES

#: As many tasks at once as our agent has slots, and as many submissions in flight.
CONCURRENCY = 50
#: Characters of a task's input and result.
SIZE = 1024


async def noop(_context: object, *, payload: str) -> str:
    """Send the payload back."""
    return payload


async def bounded(call: Callable[[str], Awaitable[Any]], items: Iterable[str]) -> list[Any]:
    """Return ordered results with a bounded number in flight."""
    todo = list(enumerate(items))
    results: list[Any] = [None] * len(todo)
    waiting = iter(todo)

    async def work() -> None:
        for index, item in waiting:
            results[index] = await call(item)

    await asyncio.gather(*(work() for _ in range(CONCURRENCY)))
    return results


async def load(queue: Any, tasks: int) -> float:
    """Submit all tasks, read all results, check them; returns the seconds."""
    payloads = [f"{number:08}".ljust(SIZE, "x") for number in range(tasks)]
    began = time.perf_counter()
    jobs = await bounded(lambda payload: queue.enqueue("noop", payload=payload), payloads)
    results = []
    for start in range(0, tasks, 500):
        keys = [job.key for job in jobs[start : start + 500]]
        found = await queue.jobs(keys)
        while not all(job.status in terminal for job in found):
            await asyncio.sleep(0.02)
            found = await queue.jobs(keys)
        results += [job.result for job in found]
    took = time.perf_counter() - began
    assert results == payloads, "another result"
    return took


async def round_trips(queue: Any, count: int) -> list[float]:
    """Run tasks one after the other; returns the sorted seconds."""
    seconds = []
    for number in range(count):
        payload = f"{number:08}".ljust(SIZE, "x")
        began = time.perf_counter()
        job = await queue.enqueue("noop", payload=payload)
        while not job.completed:
            try:
                await job.refresh(until_complete=1)
            except TimeoutError:  # a lost notification: look again
                continue
        seconds.append(time.perf_counter() - began)
        assert job.result == payload, "another result"
    return sorted(seconds)


async def client(url: str, *, tasks: int, trips: int) -> dict[str, Any]:
    """Measure with a worker that runs already."""
    queue = saq.Queue.from_url(url)
    await load(queue, 100)
    seconds = await round_trips(queue, trips)
    took = await load(queue, tasks)
    await queue.disconnect()
    return {
        "version": metadata.version("saq"),
        "tasks_per_s": tasks / took,
        "rtt_p50_ms": seconds[len(seconds) // 2] * 1e3,
        "rtt_p99_ms": seconds[min(trips - 1, int(trips * 0.99))] * 1e3,
    }


async def worker(url: str) -> None:
    """Serve until SIGTERM."""
    queue = saq.Queue.from_url(url)
    await saq.Worker(queue, functions=[noop], concurrency=CONCURRENCY).start()


def main() -> None:
    """Run a role; the client prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", choices=("worker", "client"))
    parser.add_argument("--url", required=True)
    parser.add_argument("--tasks", type=int, default=5000)
    parser.add_argument("--trips", type=int, default=300)
    options = parser.parse_args()
    if options.role == "worker":
        asyncio.run(worker(options.url))
    else:
        print(json.dumps(asyncio.run(client(options.url, tasks=options.tasks, trips=options.trips))), flush=True)


if __name__ == "__main__":
    main()
