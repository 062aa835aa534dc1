"""An agent's surroundings in miniature, all real: a git repository, a gateway over gRPC, a model over HTTP."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from miyabi.common.v1.usage_pb2 import Budget
from miyabi.coordinator.v1 import dispatch_service_pb2 as dispatch
from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi.github_gateway.v1.github_gateway_service_pb2_grpc import (
    GitHubGatewayServiceServicer,
    GitHubGatewayServiceStub,
    add_GitHubGatewayServiceServicer_to_server,
)
from miyabi_agents.dispatch.progress import TaskProgress
from miyabi_agents.environments import EnvironmentStore
from miyabi_agents.model import ModelClient
from miyabi_agents.ports import TaskContext
from miyabi_agents.sandbox import ProcessSandbox
from miyabi_agents.sandbox.removal import remove_tree
from miyabi_agents.settings import AgentsSettings
from miyabi_agents.workspace import GitWorkspaces
from miyabi_core.channel import open_channel
from miyabi_core.testing import running_server
from miyabi_sim.model.scenarios import Scenario, Scenarios
from miyabi_sim.model.server import SimulatedModel

NAME = "miyabi.github_gateway.v1.GitHubGatewayService"
REPOSITORY = "acme/toy"
TASK = "batches/01ARZ3NDEKTSV4RRFFQ69G5FAV/runs/7/tasks/x"
FILES = {
    "toy/numbers.py": "def double(value):\n    return value + 2\n",
    "toy/words.py": "def shout(text):\n    return text\n",
    "tests/test_numbers.py": "from toy.numbers import double\n\n\ndef test_two():\n    assert double(2) == 4\n",
    "docs/changes.md": "# Changes\n",
}


class Gateway(GitHubGatewayServiceServicer):
    """Knows issue #7, which may be a pull request, and notes what is set on it and said there; `others` are there too."""

    def __init__(self) -> None:
        self.issue = pb.Issue(number=7, title="double adds", body="`double` in `toy/numbers.py` adds two.")
        self.others: dict[int, pb.Issue] = {}
        self.label_calls: list[pb.SetLabelsRequest] = []
        self.pull_request = pb.PullRequest(number=7, base_branch="main")
        self.comments: dict[str, str] = {}
        self.reviews: dict[str, pb.PostReviewRequest] = {}
        self.is_locked = False
        self.opening: Any = None

    async def BatchGetIssues(self, request: Any, context: Any) -> AsyncIterator[pb.BatchGetIssuesResponse]:  # noqa: N802
        """Return the issues, or say that they are missing."""
        known = {7: self.issue, **self.others}
        for number in request.numbers:
            entry = pb.IssueEntry(number=number, missing=number not in known)
            if number in known:
                entry.issue.CopyFrom(known[number])
            yield pb.BatchGetIssuesResponse(entries=[entry])

    async def GetPullRequest(self, request: Any, context: Any) -> pb.GetPullRequestResponse:  # noqa: N802
        """Return the pull request."""
        return pb.GetPullRequestResponse(pull_request=self.pull_request)

    async def CreatePullRequest(self, request: Any, context: Any) -> pb.CreatePullRequestResponse:  # noqa: N802
        """Let `opening` open it; without one the call is not there."""
        if self.opening is None:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "nothing opens pull requests here")
        return await self.opening.create(request, context)

    async def UpsertComment(self, request: Any, context: Any) -> pb.UpsertCommentResponse:  # noqa: N802
        """Keep the one comment of a marker; a conversation that is locked takes none."""
        if self.is_locked:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "GitHub refused: the conversation is locked")
        created = request.marker not in self.comments
        self.comments[request.marker] = request.body
        return pb.UpsertCommentResponse(url=f"https://example.test/{request.number}#{request.marker}", created=created)

    async def PostReview(self, request: pb.PostReviewRequest, context: Any) -> pb.PostReviewResponse:  # noqa: N802
        """Keep the one review of a marker, its inline comments once; a conversation that is locked takes none."""
        if self.is_locked:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "GitHub refused: the conversation is locked")
        created = request.marker not in self.reviews
        if created:
            self.reviews[request.marker] = request
        self.comments[request.marker] = request.body
        return pb.PostReviewResponse(url=f"https://example.test/{request.number}#{request.marker}", created=created)

    async def SetLabels(self, request: pb.SetLabelsRequest, context: Any) -> pb.SetLabelsResponse:  # noqa: N802
        """Change the issue's labels."""
        self.label_calls.append(request)
        kept = set(self.issue.labels) - set(request.remove) | {label.name for label in request.add}
        self.issue.labels[:] = sorted(kept)
        return pb.SetLabelsResponse(labels=sorted(kept), changed=True)


def make_repository(folder: Path, files: Mapping[str, str] = FILES) -> str:
    """Make `acme/toy` of some files below *folder*, or go on with it; returns its commit."""
    remote = folder / f"{REPOSITORY}.git"
    for path, text in files.items():
        (remote / path).parent.mkdir(parents=True, exist_ok=True)
        (remote / path).write_text(text)
    who = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    for command in (["init", "-q", "-b", "main"], ["add", "."], [*who, "commit", "-q", "-m", "base"]):
        subprocess.run(["git", *command], cwd=remote, check=True)
    made = subprocess.run(["git", "rev-parse", "HEAD"], cwd=remote, check=True, capture_output=True, text=True)
    return made.stdout.strip()


class Workshop:
    """Runs one task of one agent."""

    def __init__(self, folder: Path, base_sha: str, github: Any, gateway: Gateway) -> None:
        self.folder = folder
        self.base_sha = base_sha
        self.gateway = gateway
        self.sent: list[dispatch.Progress] = []
        self.requests: list[dict[str, Any]] = []
        self._github = github

    @property
    def first_messages(self) -> list[str]:
        """How each conversation with the model began, once each, sorted."""
        began = {request["messages"][0]["content"][0]["text"] for request in self.requests}
        return sorted(began)

    async def run(
        self,
        agent: Any,
        *scenarios: Scenario,
        inputs: Mapping[str, Any] | None = None,
        fix_round: int = 0,
        with_model: bool = True,
        budget: Budget | None = None,
        more: Mapping[str, Any] | None = None,
        **dials: Any,
    ) -> dispatch.Outcome:
        """Run a task; the model plays *scenarios*; *more* are settings of the agent."""
        lease = self._lease(inputs or {}, fix_round)
        async with SimulatedModel(Scenarios(list(scenarios))) as model:
            settings = AgentsSettings(
                data_dir=self.folder / "data",
                anthropic_api_key="test-key" if with_model else None,
                anthropic_base_url=model.url,
                **(more or {}),
            )
            client = ModelClient(settings)
            sandbox = ProcessSandbox(unsafe=True)
            progress = TaskProgress(lease.reference, lambda message, _: self.sent.append(message))
            context = TaskContext(
                lease=lease,
                github=self._github,
                model=client.session(progress=progress, budget=budget or Budget()),
                workspaces=GitWorkspaces(f"file://{self.folder / 'remote'}", settings.data_dir),
                sandbox=sandbox,
                progress=progress,
                settings=settings,
                environments=EnvironmentStore(settings, sandbox),
                scratch=self.folder,
            )
            try:
                return await agent.run(lease, context)
            finally:
                self.requests = list(model.requests)
                await client.close()

    def _lease(self, inputs: Mapping[str, Any], fix_round: int) -> dispatch.Lease:
        """Return a lease of the task, with *inputs* over its own."""
        given = {"repository": REPOSITORY, "issue_number": 7, "issue_title": self.gateway.issue.title}
        return dispatch.Lease(
            reference=dispatch.LeaseReference(task=TASK, fencing_token=1),
            fix_round=fix_round,
            inputs=dispatch.TaskInputs(**{**given, "base_branch": "main", "base_sha": self.base_sha, **inputs}),
        )


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Make the repository once, for tests to copy; gives the folder that it is below, and its commit."""
    folder = tmp_path_factory.mktemp("toy")
    return folder, make_repository(folder)


@asynccontextmanager
async def open_workshop(folder: Path, template: tuple[Path, str]) -> AsyncIterator[Workshop]:
    """Copy the repository and serve the gateway."""
    gateway = Gateway()
    source, base_sha = template
    await asyncio.to_thread(shutil.copytree, source, folder / "remote")
    async with (
        running_server((add_GitHubGatewayServiceServicer_to_server, gateway, NAME)) as address,
        open_channel(address, service=NAME) as channel,
    ):
        yield Workshop(folder, base_sha, GitHubGatewayServiceStub(channel), gateway)


@pytest.fixture
async def workshop(tmp_path, template):
    """Give a workshop with issue #7 of `acme/toy`."""
    async with open_workshop(tmp_path, template) as made:
        yield made


@pytest.fixture(autouse=True)
def _nothing_deep_stays(request: pytest.FixtureRequest) -> Iterator[None]:
    """Remove what a test left in its folder: pytest's own clean-up ends at folders a thousand deep."""
    folder = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    if folder is not None:
        remove_tree(folder)
