"""A GitHub Enterprise Server by one setting: REST below `/api/v3`, GraphQL at `/api/graphql`, git at its root."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from running_gateway import REPOSITORY, gateway_before, simulated
from scripted_github import scripted
from stock_git import commit, done

from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb

#: Headers that are of one connection only.
HOP = {"host", "content-length", "transfer-encoding", "connection"}


def moved(path: str) -> str | None:
    """Return where the simulated GitHub has what an Enterprise Server has at a path; None: neither has it."""
    if path.startswith("/api/v3/"):
        return path.removeprefix("/api/v3")
    if path == "/api/graphql":
        return "/graphql"
    return path if path.startswith(f"/{REPOSITORY}.git/") else None


async def test_everything_goes_to_the_paths_of_an_enterprise_server(tmp_path: Path, redis_url: str) -> None:
    """Reads, writes, a clone, a push and a pull request work with `github_url` alone, and touch no other path."""
    async with simulated(tmp_path) as (github, token), aiohttp.ClientSession(auto_decompress=False) as session:

        async def served(request: web.Request) -> web.StreamResponse:
            path = moved(request.path)
            if path is None:
                return web.Response(status=404)
            url = f"{github.url}{path}" + (f"?{request.query_string}" if request.query_string else "")
            headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP}
            body = await request.read()
            async with session.request(request.method, url, headers=headers, data=body) as answer:
                kept = {name: value for name, value in answer.headers.items() if name.lower() not in HOP}
                return web.Response(status=answer.status, headers=kept, body=await answer.read())

        async with scripted(served) as server:
            subject: Any = github
            own = {"github_url": server.url, "api_url": "", "graphql_url": "", "git_url": ""}
            async with gateway_before(subject, token, redis_url, **own) as gateway:
                stub, clone = gateway.stub, tmp_path / "clone"
                repository = await stub.GetRepository(pb.GetRepositoryRequest(repository=REPOSITORY))
                label = pb.LabelDefinition(name="new")
                labels = await stub.SetLabels(pb.SetLabelsRequest(repository=REPOSITORY, number=2, add=[label]))
                comment = await stub.UpsertComment(
                    pb.UpsertCommentRequest(repository=REPOSITORY, number=2, marker="m", body="b")
                )
                await done("clone", "--quiet", f"{gateway.git}/{REPOSITORY}.git", str(clone))
                await commit(clone, "change")
                await done("push", "--quiet", "origin", "HEAD:refs/heads/miyabi/x", cwd=clone)
                pull = await stub.CreatePullRequest(
                    pb.CreatePullRequestRequest(
                        repository=REPOSITORY, head_branch="miyabi/x", base_branch="main", title="t"
                    )
                )
        assert (repository.repository.default_branch, list(labels.labels)) == ("main", ["new"])
        assert (comment.created, pull.created, pull.pull_request.number) == (True, True, 41)
        assert [path for _, path in server.requests if moved(path) is None] == []
        starts = {path.split("/")[1] + "/" + path.split("/")[2] for _, path in server.requests}
        assert starts == {"api/v3", "api/graphql", f"acme/{REPOSITORY.split('/')[1]}.git"}
