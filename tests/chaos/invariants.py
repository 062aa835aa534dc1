"""What must hold when it is over: nothing lost, nothing twice, every figure right."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import httpx
import redis.asyncio
import script
from watchers import Seen

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.event_pb2 import BatchEvent
from miyabi.coordinator.v1.state_pb2 import RunState
from miyabi_coordinator.translate.replay import differences, rebuild
from miyabi_core.store.redis import connect
from miyabi_dashboard.monitor.reporting.of_batch import measured
from miyabi_dashboard.monitor.storing import Bucket, MeasurementStore

#: Keys of a shard that are empty when nothing is under way.
QUEUES = ("leases", "deadlines", "claims", "timers", *(f"ready:{kind}" for kind in range(1, 8)))

#: Seconds for the dashboards to measure the last events: a lease of a killed one has to end first.
MEASURE_SECONDS = 60

#: Queues of a batch whose tasks wait for the batch itself.
PARKED = ("held", "waiting")


def batch_problems(stored: pb.GetBatchResponse, seen: list[Seen]) -> list[str]:
    """Return what is wrong with a batch and with what its watchers saw."""
    problems = [problem for watcher in seen for problem in watcher.problems]
    logs = {tuple(event.SerializeToString(deterministic=True) for event in watcher.events) for watcher in seen}
    if len(logs) != 1:
        problems.append(f"{stored.batch.name}: its watchers saw {len(logs)} different logs")
    problems += differences(rebuild(seen[0].events), batch=stored.batch, runs=stored.runs)
    for run in stored.runs:
        wanted = RunState.RUN_STATE_FAILED if script.fails(run.issue_number) else RunState.RUN_STATE_SUCCEEDED
        if run.state != wanted:
            state, message = RunState.Name(run.state), run.failure_message
            problems.append(f"issue {run.issue_number} is {state}, not {RunState.Name(wanted)}: {message}")
    if stored.batch.reserved_usd_micros:
        problems.append(f"{stored.batch.name}: {stored.batch.reserved_usd_micros} are still reserved")
    return problems


def attempts(events: list[BatchEvent]) -> Counter[int]:
    """Return how many tasks were leased how often."""
    leased: defaultdict[tuple[int, str], int] = defaultdict(int)
    for event in events:
        if event.HasField("task_state_changed"):
            key = (event.issue_number, event.task_id)
            leased[key] = max(leased[key], event.attempt)
    return Counter(leased.values())


async def effect_problems(github: str, *, issues: int) -> list[str]:
    """Return what is missing on the simulated GitHub, or is there twice."""
    async with httpx.AsyncClient(timeout=30) as http:
        state = (await http.get(f"{github}/_sim/state")).raise_for_status().json()
    items: list[dict[str, Any]] = state["repositories"][0]["items"]
    pulls = Counter(item["head_ref"] for item in items if "head_ref" in item)
    expected = Counter(script.branch_of(number) for number in range(1, issues + 1) if not script.fails(number))
    problems = [f"pull requests: {name}: {count}" for name, count in _unlike(pulls, expected).items()]
    for item in items:
        if "head_ref" not in item:
            problems += _issue_problems(item)
    return problems


def _issue_problems(item: dict[str, Any]) -> list[str]:
    """Return what is wrong with one issue's labels and comments."""
    number = item["number"]
    steps = script.COMMENTED[:1] if script.fails(number) else script.COMMENTED
    found = Counter(step for step in script.COMMENTED for comment in item["comments"]
                    if script.marker_of(step, number) in comment["body"])  # fmt: skip
    problems = []
    if found != Counter(steps) or len(item["comments"]) != len(steps):
        problems.append(f"issue {number} has the comments {[comment['body'] for comment in item['comments']]}")
    if item["labels"] != [script.LABEL]:
        problems.append(f"issue {number} has the labels {item['labels']}")
    return problems


def _unlike(found: Counter[str], expected: Counter[str]) -> dict[str, str]:
    """Return what differs."""
    names = found.keys() | expected.keys()
    return {name: f"{found[name]} instead of {expected[name]}" for name in names if found[name] != expected[name]}


async def queue_problems(url: str, *, prefix: str, batches: list[str]) -> list[str]:
    """Return what is still in a queue although everything has ended."""
    problems = []
    async with redis.asyncio.Redis.from_url(url) as store:
        for queue in QUEUES:
            left = await store.zrange(f"{prefix}{queue}", 0, 5)
            if left:
                problems.append(f"{queue} still holds {left}")
        for batch in batches:
            counts = await store.hmget(f"{prefix}batch:{batch}", "leased", "reserved", "running", "pending")
            if any(int(count or 0) for count in counts):
                problems.append(f"batch {batch} counts leased, reserved, running, pending: {counts}")
            parked = [queue for queue in PARKED if await store.zcard(f"{prefix}batch:{batch}:{queue}")]
            problems += [f"batch {batch} still has parked tasks in {queue}" for queue in parked]
    return problems


async def measurement_problems(url: str, logs: Sequence[Sequence[BatchEvent]]) -> list[str]:
    """Return which durations and counts the dashboards have measured otherwise than the logs have them, each once."""
    expected: Counter[str] = Counter()
    for log in logs:
        expected += _figures(measured([event for event in log if event.sequence]).bucket)
    client = connect(url, max_connections=2)
    store, found = MeasurementStore(client), Counter[str]()
    try:
        async with asyncio.timeout(MEASURE_SECONDS):
            while found.total() < expected.total():
                await asyncio.sleep(0.2)
                whole = Bucket(1 << 30)
                for fields in (await store.load(await store.names())).values():
                    whole.merge(Bucket.decode(fields))
                found = _figures(whole)
    except TimeoutError:
        return [f"measured: {dict(_unlike(found, expected))}"]
    finally:
        await client.aclose()
    return [f"measured: {name}: {count}" for name, count in _unlike(found, expected).items()]


def _figures(bucket: Bucket) -> Counter[str]:
    """Return how many durations and how much of each count there is."""
    durations = {str(tuple(key)): series.durations.count for key, series in bucket.series.items()}
    return Counter({**durations, **{str(tuple(key)): tally.amount for key, tally in bucket.tallies.items()}})
