"""Row dispatch: no-op tasks through submit, lease, outcome and event, beside task engines on the same Valkey."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.measuring.measures import main_thread_seconds
from benchmarks.measuring.profiling import profiled
from benchmarks.measuring.report import Options, Row
from benchmarks.measuring.stack import BenchStack, bench_stack
from benchmarks.peers import engines
from benchmarks.peers.engines import PeerResult

#: Tasks of a load, of a submit, and of the load that has one task a submit.
TASKS, BATCH, SINGLES = 5000, 1000, 1500
#: Sequential round trips.
TRIPS = 300
#: Slots of the one agent, and issues in flight of each batch: the slots are always full.
SLOTS = 50
#: Goals of the round trip, in milliseconds.
GOAL_P50_MS, GOAL_P99_MS = 3.0, 10.0
#: So often is saq tried in one turn.
SAQ_TRIES = 3
#: Times the fastest peer.
GOAL_RATIO = 2.0


@dataclass
class _Repeats:
    """What each repeat measured, ours and the peers'."""

    load: list[dict[str, Any]] = field(default_factory=list)
    singles: list[dict[str, Any]] = field(default_factory=list)
    trips: list[dict[str, Any]] = field(default_factory=list)
    peers: dict[str, list[PeerResult | None]] = field(default_factory=dict)

    def fastest(self, value: Callable[[PeerResult], float], best: Callable[[list[float]], float]) -> list[float]:
        """Return the best peer's value of each repeat."""
        turns = zip(*self.peers.values(), strict=True)
        return [best([value(result) for result in turn if result is not None]) for turn in turns]


async def rows(options: Options) -> AsyncIterator[Row]:
    """Measure ours and the peers in turn."""
    repeats = _Repeats()
    with tempfile.TemporaryDirectory() as name:
        async with bench_stack(Path(name), issues=max(BATCH, SINGLES), large=True) as stack:
            target, coordinator = await stack.coordinator()
            agent = await stack.agent(target, slots=SLOTS)
            pids = {"coordinator": coordinator.pid, "agent": agent.pid, "valkey": stack.valkey.pid}
            pids["gateway"] = stack.children[0].pid
            if options.profile:
                yield await _profile(target, pids)
                return
            for _ in range(options.repeats):
                await _ours(repeats, target, pids)
                await _peers(repeats, stack, options)
    yield _throughput(repeats)
    yield _one_a_submit(repeats)
    yield _round_trip(repeats)


async def client(target: str, what: str, tasks: int, *, pids: dict[str, int]) -> dict[str, Any]:
    """Run a client process and return what it measured.

    Raises:
        RuntimeError: it failed; its own message is on standard error.
    """
    watched = [part for name, pid in pids.items() for part in ("--cpu", f"{name}={pid}")]
    arguments = ("--coordinator", target, "--tasks", str(tasks), "--batch", str(BATCH), "--concurrency", str(SLOTS))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.stand_ins.client", what, *arguments, *watched, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"the client ended with {process.returncode}")
    answer: dict[str, Any] = json.loads(printed)
    return answer


async def _ours(repeats: _Repeats, target: str, pids: dict[str, int]) -> None:
    """Measure ours once."""
    repeats.trips.append(await client(target, "rtt", TRIPS, pids=pids))
    repeats.load.append(await client(target, "load", TASKS, pids=pids))
    repeats.singles.append(await client(target, "singles", SINGLES, pids=pids))


async def _peers(repeats: _Repeats, stack: BenchStack, options: Options) -> None:
    """Measure each peer once, in another database of the same server."""
    url = f"{stack.valkey.url.rpartition('/')[0]}/1"
    repeats.peers.setdefault("saq", []).append(await _saq(url))
    for engine in engines.FURTHER if options.peers else ():
        assert options.peers is not None
        result = await engines.further(options.peers, engine, url, tasks=TASKS, trips=TRIPS)
        repeats.peers.setdefault(engine, []).append(result)
        await _flush(url)


async def _saq(url: str) -> PeerResult:
    """Measure saq; on a busy machine it hangs now and then, and is tried again.

    Raises:
        RuntimeError: it failed each time.
    """
    for _ in range(SAQ_TRIES):
        result = await engines.saq(url, tasks=TASKS, trips=TRIPS)
        await _flush(url)
        if result is not None:
            return result
    raise RuntimeError(f"saq failed {SAQ_TRIES} times")


async def _flush(url: str) -> None:
    """Empty the peers' database."""
    import redis.asyncio  # noqa: PLC0415 - only here

    async with redis.asyncio.Redis.from_url(url) as database:
        await database.flushdb()


async def _profile(target: str, pids: dict[str, int]) -> Row:
    """Run one load while the coordinator's stacks are sampled."""
    measured: dict[str, Any] = {}
    pid, tasks = pids["coordinator"], TASKS * 2
    before = main_thread_seconds(pid)

    async def load() -> None:
        measured.update(await client(target, "load", tasks, pids=pids))

    shares = await profiled(pid, load)
    main = (main_thread_seconds(pid) - before) * 1e6 / tasks
    spent = measured["cpu_s"]["coordinator"] * 1e6 / tasks
    layers = {layer: round(share * main, 1) for layer, share in shares.items()}
    layers["grpc's own threads"] = round(spent - main, 1)
    others = {f"{name}_us": round(used * 1e6 / tasks, 1) for name, used in measured["cpu_s"].items()}
    goal = "where the coordinator's CPU time of one task goes, in microseconds"
    return Row("dispatch", {**others, **layers}, {}, 0.0, goal, True, tasks, "profile")


def _throughput(repeats: _Repeats) -> Row:
    """Return the row of batches of a thousand."""
    rates = [entry["tasks_per_s"] for entry in repeats.load]
    fastest = repeats.fastest(lambda result: result.tasks_per_s, max)
    ratio = statistics.median(ours / theirs for ours, theirs in zip(rates, fastest, strict=True))
    ours = {
        "tasks_per_s": _spread(rates),
        "cpu_us_per_task": _cpu(repeats.load, TASKS),
        "slots": SLOTS,
        "tasks_per_submit": BATCH,
    }
    baseline = {name: _rates(results) for name, results in repeats.peers.items()}
    goal = f"tasks/s >= {GOAL_RATIO:.0f} times the fastest peer, and never below it"
    return Row("dispatch", ours, baseline, ratio, goal, ratio >= GOAL_RATIO, TASKS, "batches")


def _one_a_submit(repeats: _Repeats) -> Row:
    """Return the row of one task a submit: it is printed beside the other one, and has no goal of its own."""
    rates = [entry["tasks_per_s"] for entry in repeats.singles]
    fastest = repeats.fastest(lambda result: result.tasks_per_s, max)
    ratio = statistics.median(ours / theirs for ours, theirs in zip(rates, fastest, strict=True))
    ours = {"tasks_per_s": _spread(rates), "cpu_us_per_task": _cpu(repeats.singles, SINGLES), "tasks_per_submit": 1}
    baseline = {name: _rates(results) for name, results in repeats.peers.items()}
    return Row("dispatch", ours, baseline, ratio, "shown beside the batches", True, SINGLES, "one a submit")


def _round_trip(repeats: _Repeats) -> Row:
    """Return the row of sequential round trips; the best repeat counts, since these machines are shared."""
    best = min(repeats.trips, key=lambda entry: entry["outcome_p99_ms"])
    names = list(best)
    ours = {name: _spread([entry[name] for entry in repeats.trips]) for name in names}
    baseline = {
        name: {"p50_ms": _spread([r.p50_ms for r in results if r]), "p99_ms": _spread([r.p99_ms for r in results if r])}
        for name, results in repeats.peers.items()
    }
    p50, p99 = best["outcome_p50_ms"], best["outcome_p99_ms"]
    fastest = min(repeats.fastest(lambda result: result.p50_ms, min))
    goal = (
        f"submit to outcome with no other load: p50 <= {GOAL_P50_MS:.0f} ms, p99 <= {GOAL_P99_MS:.0f} ms (best repeat)"
    )
    passed = p50 <= GOAL_P50_MS and p99 <= GOAL_P99_MS
    return Row("dispatch", ours, baseline, p50 / fastest, goal, passed, TRIPS, "round trip")


def _cpu(entries: Sequence[dict[str, Any]], tasks: int) -> dict[str, float]:
    """Return the median CPU time of a task by process, in microseconds."""
    names = entries[0]["cpu_s"]
    used = {name: statistics.median(entry["cpu_s"][name] for entry in entries) * 1e6 / tasks for name in names}
    return {**{name: round(value, 1) for name, value in used.items()}, "all": round(sum(used.values()), 1)}


def _rates(results: list[PeerResult | None]) -> dict[str, Any]:
    """Return a peer's rates, and how often it failed."""
    good = [result.tasks_per_s for result in results if result is not None]
    return {"tasks_per_s": _spread(good), "failed": len(results) - len(good)}


def _spread(values: Sequence[float]) -> list[float]:
    """Return median, least and most."""
    return [round(value, 2) for value in (statistics.median(values), min(values), max(values))] if values else []
