"""Row 10.1: what it takes to write the tests of eight changed files, beside those of the slowest of them alone."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import SecretStr

from benchmarks.measuring.report import Options, Row
from benchmarks.measuring.stack import BenchStack, bench_stack
from miyabi.common.v1.usage_pb2 import Budget
from miyabi.coordinator.v1.dispatch_service_pb2 import Lease, LeaseReference, Progress, TaskInputs
from miyabi.coordinator.v1.result_pb2 import PlannedTask, PlanResult
from miyabi.github_gateway.v1.github_gateway_service_pb2_grpc import GitHubGatewayServiceStub
from miyabi_agents.agents.implementer import ImplementerAgent
from miyabi_agents.dispatch.progress import TaskProgress
from miyabi_agents.environments import EnvironmentStore
from miyabi_agents.localisation import Locator
from miyabi_agents.model import ModelClient
from miyabi_agents.ports import TaskContext
from miyabi_agents.sandbox import ProcessSandbox
from miyabi_agents.settings import AgentsSettings
from miyabi_agents.workspace import GitWorkspaces
from miyabi_coordinator.testing import REPOSITORY
from miyabi_core.channel import open_channel

#: Changed files; the last one's conversation is the slowest.
FILES = [f"items/item_{number}.py" for number in range(1, 9)]
#: Answers of a conversation before it finishes: files that it reads, then the test that it writes.
READS, SLOW_READS = 2, 4
#: Seconds until an answer begins, as a model takes that has something to read.
FIRST_TOKEN_SECONDS = 1.0
#: Tests of eight files may take so much longer than those of the slowest.
GOAL = 1.05
#: Issues: one changes all files, the other the slowest alone.
ALL, SLOWEST = 1, 2
#: Of the gateway's service.
GATEWAY = "miyabi.github_gateway.v1.GitHubGatewayService"
#: A lease's reference; nothing here looks at what it names.
_TASK = "batches/01ARZ3NDEKTSV4RRFFQ69G5FAV/runs/1/tasks/implement"


@dataclass
class _Seen:
    """What a task reported, and when."""

    tests_begin: float = 0.0
    steps: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def take(self, message: Progress, _droppable: bool) -> None:
        """Note when the tests begin, and when each call of each conversation began and ended."""
        if message.step.step.startswith("writing tests"):
            self.tests_begin = time.perf_counter()
        if message.HasField("model_call") and message.model_call.step.startswith("tests of"):
            end = time.perf_counter()
            begin = end - message.model_call.duration.ToTimedelta().total_seconds()
            self.steps.setdefault(message.model_call.step, []).append((begin, end))

    @property
    def seconds(self) -> float:
        """From the begin of the tests to the end of the last answer."""
        return max(end for calls in self.steps.values() for _, end in calls) - self.tests_begin

    @property
    def one_by_one(self) -> float:
        """What all conversations would take one after the other."""
        return sum(calls[-1][1] - calls[0][0] for calls in self.steps.values())


async def rows(options: Options) -> AsyncIterator[Row]:
    """Take turns; medians count."""
    with tempfile.TemporaryDirectory() as folder:
        async with bench_stack(Path(folder), issues=2) as stack:
            model = await _model(stack)
            sha = await asyncio.to_thread(_repository, Path(folder))
            alone, together, one_by_one = list[float](), list[float](), list[float]()
            for turn in range(options.repeats):
                seen = await _implement(stack, model, sha, issue=SLOWEST, turn=turn)
                alone.append(seen.seconds)
                seen = await _implement(stack, model, sha, issue=ALL, turn=turn)
                together.append(seen.seconds)
                one_by_one.append(seen.one_by_one)
    slowest, all_files = statistics.median(alone), statistics.median(together)
    ratio = all_files / slowest
    ours = {"eight_files_s": round(all_files, 3)}
    baseline = {"slowest_alone_s": round(slowest, 3), "one_by_one_s": round(statistics.median(one_by_one), 3)}
    goal = f"tests of {len(FILES)} files in at most {GOAL} times what the slowest takes alone"
    yield Row("10.1", ours, baseline, ratio, goal, ratio <= GOAL, options.repeats)


async def _model(stack: BenchStack) -> str:
    """Start the model in a process of its own; returns its URL."""
    file = stack.folder / "scenarios.yaml"
    await asyncio.to_thread(file.write_text, yaml.safe_dump(_scenarios()), encoding="utf-8")
    pace = ("--first-token-seconds", str(FIRST_TOKEN_SECONDS))
    child = await stack.launch("model", "miyabi_sim.model", "--scenarios", str(file), *pace)
    return str(child.announcement["url"])


def _scenarios() -> list[dict[str, Any]]:
    """Return what the model says: each change file by file, then of each file its test."""
    tests = [_test(file, SLOW_READS if file == FILES[-1] else READS) for file in FILES]
    return [*tests, _change(ALL, FILES), _change(SLOWEST, FILES[-1:])]


def _change(issue: int, files: Sequence[str]) -> dict[str, Any]:
    """Return the conversation that changes files, one in an answer."""
    edits = [_use("edit_file", path=file, old_str="return 1", new_str="return 2") for file in files]
    finish = _use("finish_change", summary="Two.", changed_expectations=[])
    return _scenario("finish_change", f"{REPOSITORY}#{issue}\n", [*edits, finish])


def _test(file: str, reads: int) -> dict[str, Any]:
    """Return the conversation that writes the test of a file."""
    name = Path(file).stem
    looks = [_use("read_file", path=other) for other in FILES[:reads]]
    create = _use("create_file", path=f"tests/test_{name}.py", content=f"def test_{name}():\n    assert True\n")
    finish = _use("finish_tests", summary="A test.", tests=[], changed_expectations=[])
    return _scenario("finish_tests", f"Write tests for {file}.", [*looks, create, finish])


def _use(tool: str, **given: Any) -> list[dict[str, Any]]:
    """Return an answer of one call."""
    return [{"tool": tool, "input": given}]


def _scenario(tool: str, mark: str, turns: list[list[dict[str, Any]]]) -> dict[str, Any]:
    """Return a scenario in the simulated model's file format."""
    return {"name": mark.strip(), "when": {"tool": tool, "contains": [mark]}, "turns": turns}


def _repository(folder: Path) -> str:
    """Commit the files; returns the commit."""
    remote = folder / "remote" / f"{REPOSITORY}.git"
    for file in FILES:
        (remote / file).parent.mkdir(parents=True, exist_ok=True)
        (remote / file).write_text("def value():\n    return 1\n", encoding="utf-8")
    git = ["git", "-c", "user.name=benchmark", "-c", "user.email=benchmark@localhost"]
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "base"]):
        subprocess.run([*git, *words], cwd=remote, check=True)
    done = subprocess.run([*git, "rev-parse", "HEAD"], cwd=remote, check=True, capture_output=True, text=True)
    return done.stdout.strip()


async def _implement(stack: BenchStack, model: str, sha: str, *, issue: int, turn: int) -> _Seen:
    """Run the real implementer on an issue, in a folder of its own; returns what it reported."""
    folder = stack.folder / f"agent-{issue}-{turn}"
    settings = AgentsSettings(
        data_dir=folder, anthropic_api_key=SecretStr("benchmark"), anthropic_base_url=model
    )  # fmt: skip
    client, sandbox, locator, seen = ModelClient(settings), ProcessSandbox(unsafe=True), Locator(), _Seen()
    files = FILES if issue == ALL else FILES[-1:]
    plan = PlanResult(tasks=[PlannedTask(title="Return two")], files=files)
    reference = LeaseReference(task=_TASK, fencing_token=1)
    inputs = TaskInputs(repository=REPOSITORY, issue_number=issue, base_branch="main", base_sha=sha, plan=plan)
    lease, progress = Lease(reference=reference, inputs=inputs), TaskProgress(reference, seen.take)
    try:
        async with open_channel(stack.gateway, service=GATEWAY) as channel:
            context = TaskContext(
                lease=lease,
                github=GitHubGatewayServiceStub(channel),
                model=client.session(progress=progress, budget=Budget()),
                workspaces=GitWorkspaces(f"file://{stack.folder / 'remote'}", folder),
                sandbox=sandbox,
                progress=progress,
                settings=settings,
                environments=EnvironmentStore(settings, sandbox),
                scratch=folder,
            )
            outcome = await ImplementerAgent(locator).run(lease, context)
    finally:
        locator.close()
        await client.close()
    if len(outcome.change_set.files) != 2 * len(files):
        raise RuntimeError(f"{len(outcome.change_set.files)} files were changed instead of {2 * len(files)}")
    return seen
