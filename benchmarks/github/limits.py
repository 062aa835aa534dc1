"""Row 9.1: three gateways share GitHub's limits, before a simulated GitHub that enforces all on a fast clock.

What binds is the hour of content: 500 pull requests, and the 501st an hour after the first. Three seconds apart 600
take 3,897 s at least (`ideal_seconds`, from the published numbers alone; the points of hour and minute would allow
more). On a clock 20 times as fast that is 195 s. A faster one would measure this machine: the pause of 3 s begins where
GitHub's answer ends, and an answer of 20 ms lasts 0.4 s at 20 times, 0.8 s at 40 times. `pause_and_answer` tells it.

What is reported was seen by the simulated GitHub: its requests, and each refusal (403, 429, or 200 with an error).
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import grpc

from benchmarks.measuring.report import Row
from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi.github_gateway.v1.github_gateway_service_pb2_grpc import GitHubGatewayServiceStub
from miyabi_cli.stack.local import wait_ready
from miyabi_cli.stack.processes import ProcessSpec, start
from miyabi_core.channel import open_channel
from miyabi_core.free_ports import free_port
from miyabi_core.store.valkey import EmbeddedValkey
from miyabi_sim.github import Dials, LimitNumbers, SimulatedGitHub, fast_clock

#: How fast GitHub's clock runs; see above.
SCALE = 20.0
#: What is read and written, in all.
ISSUES, PULLS = 10_000, 600
#: Gateways.
REPLICAS = 3
#: Issues of one call.
SLICE = 250
#: Longest that a call may take, in our seconds; twice what all limits together ask for.
PATIENCE = 400.0
#: Longest that the row may take, in seconds; a machine on which it does not end by then cannot measure it.
LONGEST = 540.0
#: Seconds between two lines on standard error that say how far it is.
TELL_SECONDS = 15.0
#: Published limits, with the pauses between writes that GitHub asks for.
LIMITS = LimitNumbers(write_gap=1.0, notify_gap=3.0)
#: Of the allowed rate, how much is to be used.
SHARE = 0.9
#: Where everything is.
REPOSITORY = "acme/bench"
#: Sent so that the simulator can be told from strangers.
TOKEN = f"ghp_{secrets.token_hex(18)}"


@dataclass
class Seen:
    """What callers saw."""

    issues: int = 0
    pulls: int = 0
    errors: Counter[str] = field(default_factory=Counter)


async def rows() -> AsyncIterator[Row]:
    """Measure the row.

    Raises:
        TimeoutError: it has not ended in time; everything that was started has been stopped.
    """
    with tempfile.TemporaryDirectory() as name:
        async with asyncio.timeout(LONGEST):
            row = await _measured(Path(name))
        yield row


async def _measured(folder: Path) -> Row:
    """Run everything."""
    dials = Dials(enforce_limits=True, limits=LIMITS)
    _tell("seeding")
    async with SimulatedGitHub(folder / "github", dials=dials, token=TOKEN, clock=fast_clock(SCALE)) as github:
        await asyncio.to_thread(github.load_seed, _seed(folder))
        await asyncio.to_thread(_branches, github.store.git_dir(github.store.repository("acme", "bench")))
        async with EmbeddedValkey(folder / "valkey") as valkey, _gateways(folder, github.url, valkey.url) as stubs:
            seen, began = Seen(), time.perf_counter()
            await _watched(_load(stubs, seen), github, seen)
            return _row(github, seen, time.perf_counter() - began)


async def _watched(work: Coroutine[Any, Any, None], github: SimulatedGitHub, seen: Seen) -> None:
    """Do the work, and say now and then how far it is."""
    began = time.perf_counter()

    async def tell() -> None:
        while True:
            _tell(
                f"{time.perf_counter() - began:.0f} s: {seen.issues} issues, {seen.pulls} pull requests, "
                f"{len(github.requests)} requests, {len(github.refusals)} refused, {sum(seen.errors.values())} errors"
            )
            await asyncio.sleep(TELL_SECONDS)

    async with asyncio.TaskGroup() as tasks:
        telling = tasks.create_task(tell())
        await work
        telling.cancel()


def _tell(what: str) -> None:
    """Say something to the person who waits."""
    print(f"9.1: {what}", file=sys.stderr, flush=True)


def ideal_seconds(writes: int) -> float:
    """Return the least time from the first to the last of so many writes that GitHub's limits allow."""
    at: list[float] = []
    for number in range(writes):
        earliest = at[-1] + LIMITS.notify_gap if at else 0.0
        for length, allowed in ((60.0, LIMITS.content_per_minute), (3600.0, LIMITS.content_per_hour)):
            if number >= allowed:
                earliest = max(earliest, at[number - allowed] + length)
        at.append(earliest)
    return at[-1]


def _row(github: SimulatedGitHub, seen: Seen, seconds: float) -> Row:
    """Compare what GitHub saw with what its limits allow."""
    pulls = list(github.store.repository("acme", "bench").pulls())
    moments = sorted(record.moment for record in github.requests if record.operation == "pulls.create")
    gaps = [later - earlier for earlier, later in pairwise(moments)] or [0.0]
    taken, ideal = sum(gaps), ideal_seconds(len(moments))
    limited = sum(record.status in {403, 429} for record in github.requests)
    share = ideal / taken if taken else 0.0
    good = (len(pulls), seen.pulls, seen.issues) == (PULLS, PULLS, ISSUES)
    passed = good and not seen.errors and not limited and not github.refusals and share >= SHARE
    ours = {
        "issues_read": seen.issues, "pull_requests": len(pulls), "caller_errors": sum(seen.errors.values()),
        "limit_errors_at_github": len(github.refusals), "answers_403_429": limited, "requests": len(github.requests),
        "first_to_last_write": round(taken, 1), "pause_and_answer": round(statistics.median(gaps), 2),
        "wall_seconds": round(seconds, 1), "load_average": round(os.getloadavg()[1], 1),
    }  # fmt: skip
    baseline = {"the_limits_allow": ideal, "pause": LIMITS.notify_gap, "time_scale": SCALE, "replicas": REPLICAS}
    goal = "10,000 issues and 600 pull requests: 0 limit errors, >= 90 % of the allowed write rate (seconds of GitHub)"
    if seen.errors or github.refusals:
        _tell(json.dumps({"errors": seen.errors.most_common(5), "refusals": github.refusals[:5]}))
    return Row("9.1", ours, baseline, share, goal, passed, PULLS)


async def _load(stubs: list[Any], seen: Seen) -> None:
    """Read and write through all gateways at once."""
    async with asyncio.TaskGroup() as tasks:
        for index, stub in enumerate(stubs):
            slices = range(1 + index * SLICE, ISSUES + 1, SLICE * REPLICAS)
            tasks.create_task(_read(stub, [range(first, min(first + SLICE, ISSUES + 1)) for first in slices], seen))
            for number in range(index, PULLS, REPLICAS):
                tasks.create_task(_write(stub, number, seen))


async def _read(stub: Any, slices: list[range], seen: Seen) -> None:
    """Read issues, as a long list does: in the batch lane."""
    for numbers in slices:
        request = pb.BatchGetIssuesRequest(
            repository=REPOSITORY, numbers=numbers, fields=[pb.ISSUE_FIELD_BODY, pb.ISSUE_FIELD_LABELS], fresh=True
        )
        try:
            async for answer in stub.BatchGetIssues(request, metadata=(("miyabi-lane", "batch"),), timeout=PATIENCE):
                seen.issues += sum(entry.HasField("issue") for entry in answer.entries)
                seen.errors.update(entry.error for entry in answer.entries if entry.error)
        except grpc.aio.AioRpcError as error:
            seen.errors[f"{error.code().name}: {error.details()}"] += 1


async def _write(stub: Any, number: int, seen: Seen) -> None:
    """Open a pull request."""
    request = pb.CreatePullRequestRequest(
        repository=REPOSITORY, head_branch=f"miyabi/issue-{number}", base_branch="main", title=f"Fix {number}", body="b"
    )
    try:
        answer = await stub.CreatePullRequest(request, timeout=PATIENCE)
        seen.pulls += answer.created
    except grpc.aio.AioRpcError as error:
        seen.errors[f"{error.code().name}: {error.details()}"] += 1


@asynccontextmanager
async def _gateways(folder: Path, github: str, redis_url: str) -> AsyncIterator[list[Any]]:
    """Run the gateways as processes; yields a stub of each."""
    prefix = "MIYABI_GITHUB_GATEWAY_"
    common = {
        "API_URL": github, "GRAPHQL_URL": f"{github}/graphql", "GIT_URL": github, "TOKEN": TOKEN, "SIMULATED": "true",
        "TIME_SCALE": str(SCALE), "MAX_OPEN_PULL_REQUESTS": "0", "MAX_PULL_REQUESTS_PER_HOUR": "0",
        "LOG_LEVEL": "WARNING",
    }  # fmt: skip
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("MIYABI_")}
    async with AsyncExitStack() as stack:
        stubs = []
        for number in range(REPLICAS):
            port = free_port()
            own = {"ADDRESS": f"127.0.0.1:{port}", "HTTP_ADDRESS": f"127.0.0.1:{free_port()}"}
            environment = {f"{prefix}{key}": value for key, value in {**common, **own}.items()}
            command = [sys.executable, "-m", "miyabi_github_gateway"]
            variables = {**inherited, **environment, "MIYABI_REDIS_URL": redis_url}
            name = f"gateway-{number}"
            child = await start(ProcessSpec(name, command, variables, folder / f"{name}.log", announces=False))
            stack.push_async_callback(child.stop)
            await wait_ready(child, port)
            service = "miyabi.github_gateway.v1.GitHubGatewayService"
            channel = await stack.enter_async_context(open_channel(f"127.0.0.1:{port}", service=service))
            stubs.append(GitHubGatewayServiceStub(channel))
        yield stubs


def _seed(folder: Path) -> Path:
    """Write a repository with many issues."""
    (folder / "source").mkdir()
    (folder / "source/README.md").write_text("bench\n")
    repository = {
        "owner": "acme", "name": "bench", "default_branch": "main", "private": False, "source": "source", "labels": [],
    }  # fmt: skip
    issues = [
        {"repository": REPOSITORY, "number": n, "title": f"Issue {n}", "body": "Text.", "labels": [], "author": "a"}
        for n in range(1, ISSUES + 1)
    ]
    path = folder / "seed.json"
    path.write_text(json.dumps({"repositories": [repository], "issues": issues}))
    return path


def _branches(git_dir: Path) -> None:
    """Give the repository a commit that is ahead of the base, under a branch for each pull request."""
    git = ["git", "-c", "user.name=b", "-c", "user.email=b@b.invalid", "-C", str(git_dir)]
    tree = subprocess.run([*git, "rev-parse", "main^{tree}"], capture_output=True, text=True, check=True).stdout.strip()
    commit = subprocess.run(
        [*git, "commit-tree", tree, "-p", "main", "-m", "x"], capture_output=True, text=True, check=True
    ).stdout.strip()
    lines = "".join(f"create refs/heads/miyabi/issue-{number} {commit}\n" for number in range(PULLS))
    subprocess.run([*git, "update-ref", "--stdin"], input=lines, text=True, check=True)
