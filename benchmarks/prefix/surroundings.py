"""What an agent needs to work on the demo's issues: Django in git, issues over gRPC, the model over HTTP."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import SecretStr

from miyabi.common.v1.usage_pb2 import Budget
from miyabi.coordinator.v1.dispatch_service_pb2 import Lease, LeaseReference, Outcome, Progress, TaskInputs
from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi.github_gateway.v1.github_gateway_service_pb2_grpc import (
    GitHubGatewayServiceServicer,
    GitHubGatewayServiceStub,
    add_GitHubGatewayServiceServicer_to_server,
)
from miyabi_agents.dispatch.progress import TaskProgress
from miyabi_agents.environments import EnvironmentStore
from miyabi_agents.model import ModelClient
from miyabi_agents.ports import TaskAgent, TaskContext
from miyabi_agents.sandbox import ProcessSandbox
from miyabi_agents.settings import AgentsSettings
from miyabi_agents.workspace import GitWorkspaces
from miyabi_core.channel import open_channel
from miyabi_core.testing import running_server
from miyabi_sim.demo.files import DATA, REPOSITORY
from miyabi_sim.demo.package_source import ensure_source
from miyabi_sim.model.scenarios import Scenarios
from miyabi_sim.model.server import SimulatedModel

#: The gateway's service, as its descriptor names it.
SERVICE = "miyabi.github_gateway.v1.GitHubGatewayService"
#: A lease's reference; nothing here looks at what it names.
_TASK = "batches/01ARZ3NDEKTSV4RRFFQ69G5FAV/runs/1/tasks/x"


class Issues(GitHubGatewayServiceServicer):
    """Answers with the demo's issues."""

    def __init__(self) -> None:
        entries = yaml.safe_load((DATA / "issues.yaml").read_text(encoding="utf-8"))
        self.by_number = {
            entry["number"]: pb.Issue(number=entry["number"], title=entry["title"], body=entry["body"])
            for entry in entries
        }

    async def BatchGetIssues(self, request: Any, context: Any) -> AsyncIterator[pb.BatchGetIssuesResponse]:  # noqa: ARG002, N802 - the form that gRPC calls
        """Return issues."""
        entries = [pb.IssueEntry(number=number, issue=self.by_number[number]) for number in request.numbers]
        yield pb.BatchGetIssuesResponse(entries=entries)


@dataclass(frozen=True)
class Surroundings:
    """Where agents work.

    Args:
        model: Who they talk to.
        issues: What there is to do.
        context: What each task may use, but for its lease and what it reports.
        client: Makes conversations.
        sha: The base.
    """

    model: SimulatedModel
    issues: Issues
    context: Mapping[str, Any]
    client: ModelClient
    sha: str

    async def run(self, agent: TaskAgent, number: int, **inputs: Any) -> Outcome:
        """Let an agent do its part of an issue."""
        lease = Lease(
            reference=LeaseReference(task=_TASK, fencing_token=1),
            inputs=TaskInputs(
                repository=REPOSITORY,
                issue_number=number,
                issue_title=self.issues.by_number[number].title,
                base_branch="main",
                base_sha=self.sha,
                **inputs,
            ),
        )
        progress = TaskProgress(lease.reference, _nobody)
        session = self.client.session(progress=progress, budget=Budget())
        return await agent.run(lease, TaskContext(lease=lease, model=session, progress=progress, **self.context))


def _nobody(_message: Progress, _droppable: bool) -> None:
    """Take a report that nobody reads."""


@asynccontextmanager
async def open_surroundings(folder: Path, cache: Path) -> AsyncIterator[Surroundings]:
    """Make them in a folder.

    Args:
        folder: An empty one.
        cache: Keeps Django's source between runs.

    Raises:
        OSError: the source cannot be had.
    """
    sha = _repository(ensure_source(cache), folder / "remote" / f"{REPOSITORY}.git")
    gateway_type: Any = Issues  # it leaves the other calls to the generated base
    issues = gateway_type()
    async with (
        SimulatedModel(Scenarios.load(DATA / "scenarios")) as model,
        running_server((add_GitHubGatewayServiceServicer_to_server, issues, SERVICE)) as address,
        open_channel(address, service=SERVICE) as channel,
    ):
        settings = AgentsSettings(
            data_dir=folder / "data", anthropic_api_key=SecretStr("benchmark"), anthropic_base_url=model.url
        )  # fmt: skip
        client, sandbox = ModelClient(settings), ProcessSandbox(unsafe=True)
        context = {
            "github": GitHubGatewayServiceStub(channel),
            "workspaces": GitWorkspaces(f"file://{folder / 'remote'}", settings.data_dir),
            "sandbox": sandbox,
            "settings": settings,
            "environments": EnvironmentStore(settings, sandbox),
            "scratch": folder,
        }
        try:
            yield Surroundings(model, issues, context, client, sha)
        finally:
            await client.close()


def _repository(source: Path, remote: Path) -> str:
    """Commit a source to a repository; returns the commit."""
    remote.mkdir(parents=True)
    git = ["git", "--git-dir", str(remote), "--work-tree", str(source)]
    who = ["-c", "user.name=benchmark", "-c", "user.email=benchmark@localhost", "-c", "core.autocrlf=false"]
    for command in (["init", "-q", "-b", "main"], ["add", "-f", "."], [*who, "commit", "-q", "-m", source.name]):
        subprocess.run([*git, *command], check=True)
    return subprocess.check_output([*git, "rev-parse", "HEAD"], text=True).strip()
