"""No credential is found in any log, error, metric, answer, process list or environment of a child."""

from __future__ import annotations

import asyncio
import base64
import secrets
from pathlib import Path

import aiohttp
import grpc
import pytest
from clocks import Clock
from gateway_process import GatewayProcess, gateway_process
from key_pairs import key_pair
from running_gateway import REPOSITORY, seed
from stock_git import commit, git

from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi.github_gateway.v1.github_gateway_service_pb2_grpc import GitHubGatewayServiceStub
from miyabi_sim.github import Fault, SimulatedApp, SimulatedGitHub


class Watch:
    """Looks at the gateway's children while they run, and keeps what it sees."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self._gateway = gateway
        self.seen: set[bytes] = set()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            own = self.read(self._gateway.pid, "cmdline")
            self.seen.add(own)
            for pid in self._gateway.descendants():
                line = self.read(pid, "cmdline")
                # Between fork and exec a child is the gateway itself; it is looked at when it is what it will be.
                if line != own:
                    self.seen |= {line, self.read(pid, "environ")}
            await asyncio.sleep(0.01)

    @staticmethod
    def read(pid: int, name: str) -> bytes:
        """Return what a process shows; nothing where it has gone."""
        try:
            return Path(f"/proc/{pid}/{name}").read_bytes()
        except OSError:
            return b""


async def use(gateway: GatewayProcess, github: SimulatedGitHub, tmp_path: Path) -> list[str]:
    """Read, write, clone, push and fail in many ways; returns everything that a caller got to see."""
    seen: list[str] = []
    requests = [
        pb.BatchGetIssuesRequest(repository=REPOSITORY, numbers=[1, 2], fields=[pb.ISSUE_FIELD_COMMENTS]),
        pb.UpsertCommentRequest(repository=REPOSITORY, number=2, marker="m", body="b"),
        pb.CreateIssueRequest(repository=REPOSITORY, title="t", marker="m"),
        pb.GetRepositoryRequest(repository="acme/none"),
        pb.GetRepositoryRequest(repository="other/none"),
        pb.SetLabelsRequest(repository=REPOSITORY, number=999, remove=["x"]),
        pb.CreatePullRequestRequest(repository=REPOSITORY, head_branch="miyabi/none", base_branch="main", title="t"),
    ]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{gateway.grpc_port}") as channel:
        stub = GitHubGatewayServiceStub(channel)
        for status in (0, 401, 502):
            if status:
                github.dials.faults.append(Fault(status=status, count=2, after_handling=True))
            for request in requests[: 3 if status else None]:
                method = getattr(stub, type(request).__name__.removesuffix("Request"))
                try:
                    call = method(request, timeout=20)
                    seen.append(
                        str([a async for a in call] if isinstance(request, pb.BatchGetIssuesRequest) else await call)
                    )
                except grpc.aio.AioRpcError as error:
                    seen.append(
                        f"{error.code()} {error.details()} {error.trailing_metadata()} {error.debug_error_string()}"
                    )
            del github.dials.faults[:]
    seen += await use_git(gateway, github, tmp_path)
    async with aiohttp.ClientSession() as session:
        for port, path in (
            (gateway.metrics_port, "metrics"),
            (gateway.http_port, "healthz"),
            (gateway.http_port, "webhooks/github"),
        ):
            async with session.get(f"http://127.0.0.1:{port}/{path}") as answer:
                seen.append(await answer.text() + str(answer.headers))
    return seen


async def use_git(gateway: GatewayProcess, github: SimulatedGitHub, tmp_path: Path) -> list[str]:
    """Clone, push where it may go and where it may not, and fail, with git telling all that it sends and hears."""
    clone, seen = tmp_path / "clone", []
    trace = {"GIT_TRACE_CURL": "1"}
    # Our own git lives long enough to be looked at.
    github.dials.latency = 0.3
    seen.append(str(await git("clone", gateway.git(REPOSITORY), str(clone), **trace)))
    await commit(clone, "x")
    seen.append(str(await git("push", "origin", "HEAD:refs/heads/miyabi/x", cwd=clone, **trace)))
    seen.append(str(await git("push", "origin", "HEAD:refs/heads/main", cwd=clone, **trace)))
    github.dials.latency = 0.0
    for status in (401, 502):
        github.dials.faults.append(Fault(status=status, path="git", count=2))
        seen.append(str(await git("fetch", "origin", cwd=clone, **trace)))
        seen.append(str(await git("clone", gateway.git("acme/none"), str(tmp_path / "none"), **trace)))
        del github.dials.faults[:]
    return seen


@pytest.mark.slow(reason="a process is watched through every kind of failure, with its repeats")
@pytest.mark.timeout(120)  # it starts a process, and waits out the repeats of many failures
@pytest.mark.parametrize("kind", ["token", "app"])
async def test_no_secret_is_seen_anywhere(tmp_path: Path, redis_url: str, kind: str) -> None:
    """Reads, writes, git and failures of all sorts show no token, App key, JWT or webhook secret to anyone."""
    token, webhook, (private, public) = f"ghp_{secrets.token_hex(18)}", secrets.token_hex(16), key_pair()
    (tmp_path / "key.pem").write_text(private)
    app = SimulatedApp(id=77, slug="miyabi", public_key=public, installations={"acme": 4711})
    options = {"token": token} if kind == "token" else {"app": app, "clock": Clock.of_today()}
    settings = {"token": token} if kind == "token" else {"app_id": "77", "app_key_file": str(tmp_path / "key.pem")}
    async with SimulatedGitHub(tmp_path / "github", **options) as github:
        github.load_seed(seed(tmp_path / "seed"))
        github.dials.latency = 0.02
        async with gateway_process(github, redis_url, tmp_path, webhook_secret=webhook, **settings) as gateway:
            watch = Watch(gateway)
            watching = asyncio.ensure_future(watch.run())
            try:
                seen = await use(gateway, github, tmp_path)
            finally:
                watching.cancel()
            gateway.process.terminate()
            assert await gateway.process.wait() == 0
            log = gateway.log.read_text()
        tokens = [token] if kind == "token" else list(github.apps._tokens)
    assert tokens
    assert any(b"\0fetch\0" in one for one in watch.seen), "no child was seen"
    assert "github.failed" in log or "git.refused" in log
    everything = "\n".join([log, *seen, *(one.decode(errors="replace") for one in watch.seen)])
    basic = [base64.b64encode(f"x-access-token:{one}".encode()).decode() for one in tokens]
    secret = {webhook, *tokens, *basic, *(line for line in private.splitlines() if len(line) > 40)}
    assert [one[:8] for one in secret if one in everything] == []
    assert "eyJ" not in everything, "a JWT was seen"
