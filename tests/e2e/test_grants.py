"""On the running system, what may be written is what a lease says, and git is for this stack's agents only."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import grpc
import pytest
from running_system import System
from test_batches import explain, request

from miyabi.coordinator.v1.state_pb2 import RunState
from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi.github_gateway.v1.github_gateway_service_pb2_grpc import GitHubGatewayServiceStub
from miyabi_core.status import from_rpc_error

REPOSITORY = request(1).repository
WRITING = (
    pb.SetLabelsRequest(repository=REPOSITORY, number=1, add=[pb.LabelDefinition(name="stolen")]),
    pb.UpsertCommentRequest(repository=REPOSITORY, number=1, marker="stolen", body="Hello."),
    pb.CreatePullRequestRequest(
        repository=REPOSITORY, head_branch="miyabi/stolen", base_branch="main", title="Stolen", body="x"
    ),
    pb.CreateIssueRequest(repository=REPOSITORY, title="Stolen", body="x", marker="stolen"),
)


async def git(*arguments: str) -> tuple[int, str]:
    """Run stock git as another program of this machine would."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_TERMINAL_PROMPT": "0"}
    process = await asyncio.create_subprocess_exec(
        "git", *arguments, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


async def reason_of(stub: Any, message: Any) -> str:
    """Call the RPC of a request; returns why it was refused."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await getattr(stub, type(message).__name__.removesuffix("Request"))(message, timeout=20)
    return from_rpc_error(caught.value).reason


async def test_other_programs_of_this_machine_write_and_clone_nothing(system: System) -> None:
    """Without a lease nothing is written, identity on or off; without the stack's secret git answers nobody."""
    ports = system.stack.options.ports
    before = await system.github_state()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{ports.gateway}") as channel:
        stub: Any = GitHubGatewayServiceStub(channel)
        assert [await reason_of(stub, message) for message in WRITING] == ["GRANT_MISSING"] * 4
    code, said = await git("ls-remote", f"http://127.0.0.1:{ports.gateway_http}/git/{REPOSITORY}.git")
    assert code != 0, said
    assert await system.github_state() == before


async def test_agents_write_with_their_leases(system: System) -> None:
    """A fix goes from labels to its pull request, every write with the grant of its lease, which no log shows."""
    events = [event async for event in system.client.submit(request(1))]
    results = events[-1].batch_finished.results
    assert [result.state for result in results] == [RunState.RUN_STATE_SUCCEEDED], explain(events)
    logs = {path.name: path.read_text() for path in (system.stack.options.data_dir / "logs").iterdir()}
    assert "push.passed_on" in logs["github-gateway.log"]
    assert not any("eyJhbGciOiJIUzI1NiIs" in text for text in logs.values())


async def test_only_coordinator_and_gateway_have_the_key(system: System) -> None:
    """The agent's process, which runs beside strangers' code, cannot sign a grant; nor can the page."""
    secrets = system.stack.environments.secrets
    known = {name: Path(f"/proc/{child.pid}/environ").read_text() for name, child in system.stack.children.items()}
    holding = [
        {name for name, variables in known.items() if secret in variables}
        for secret in (secrets.grant_key, secrets.git_secret)
    ]
    assert holding == [{"coordinator", "github-gateway"}, {"github-gateway", "local-1"}]
