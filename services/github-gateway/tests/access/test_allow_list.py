"""A repository that is not on the list is refused before anything goes to GitHub, on each RPC and over git."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from running_gateway import REPOSITORY, gateway_before, simulated
from stock_git import done, failed

from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi_core.status import from_rpc_error
from miyabi_github_gateway.app import SERVICE

#: One that is served, and what is asked for beside it.
SERVED, OTHER = "acme/toy", "acme/toys"

#: A request that is right in all but the repository, for each RPC.
REQUESTS: dict[str, Any] = {
    "BatchGetIssues": pb.BatchGetIssuesRequest(repository=OTHER, numbers=[1]),
    "SearchIssues": pb.SearchIssuesRequest(repository=OTHER),
    "GetRepository": pb.GetRepositoryRequest(repository=OTHER),
    "CheckTarget": pb.CheckTargetRequest(repository=OTHER, numbers=[1]),
    "GetPullRequest": pb.GetPullRequestRequest(repository=OTHER, head_branch="miyabi/x"),
    "SetLabels": pb.SetLabelsRequest(repository=OTHER, number=1, remove=["x"]),
    "UpsertComment": pb.UpsertCommentRequest(repository=OTHER, number=1, marker="m", body="b"),
    "CreatePullRequest": pb.CreatePullRequestRequest(
        repository=OTHER, head_branch="miyabi/x", base_branch="main", title="t"
    ),
    "CreateIssue": pb.CreateIssueRequest(repository=OTHER, title="t", marker="m"),
    "PostReview": pb.PostReviewRequest(repository=OTHER, number=1, marker="m", body="b", commit_sha="a" * 40),
    "WatchRateLimits": pb.WatchRateLimitsRequest(repositories=[SERVED, OTHER]),
}


def test_no_rpc_that_names_a_repository_is_left_out() -> None:
    """Every RPC whose request has a repository, or several, is among those that are tried."""
    service = pb.DESCRIPTOR.services_by_name[SERVICE.rpartition(".")[2]]
    naming = {
        method.name
        for method in service.methods
        if {"repository", "repositories"} & {field.name for field in method.input_type.fields}
    }
    assert naming == set(REQUESTS)


async def first(call: Any) -> Any:
    """Wait for an RPC's answer, or the first of its stream."""
    return await anext(aiter(call)) if hasattr(call, "__aiter__") else await call


async def refusal(call: Any) -> tuple[grpc.StatusCode, str, str]:
    """Return code, reason and repository of a refusal."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await first(call)
    error = from_rpc_error(caught.value)
    return error.code, error.reason, error.metadata.get("repository", "")


@pytest.mark.parametrize("patterns", [SERVED, "acme/to?,other/*"])
async def test_each_rpc_refuses_before_github_is_asked(tmp_path: Path, redis_url: str, patterns: str) -> None:
    """The caller learns which repository is not served, and GitHub saw nothing."""
    async with (
        simulated(tmp_path) as (github, token),
        gateway_before(github, token, redis_url, repositories=patterns) as gateway,
    ):
        del github.requests[:]
        expected = (grpc.StatusCode.PERMISSION_DENIED, "REPOSITORY_NOT_ALLOWED", OTHER)
        found = {name: await refusal(getattr(gateway.stub, name)(one)) for name, one in REQUESTS.items()}
        assert dict.fromkeys(REQUESTS, expected) == found
        assert gateway.reads() == []


@pytest.mark.parametrize("patterns", [SERVED, " ACME/T* , other/x", "*"])
async def test_what_is_on_the_list_is_served(tmp_path: Path, redis_url: str, patterns: str) -> None:
    """Patterns are matched without case, and with blanks around them."""
    async with (
        simulated(tmp_path) as (github, token),
        gateway_before(github, token, redis_url, repositories=patterns) as gateway,
    ):
        answer = await gateway.stub.GetRepository(pb.GetRepositoryRequest(repository="Acme/Toy"))
        assert answer.repository.default_branch == "main"


@pytest.mark.parametrize("mirrors", [True, False])
async def test_git_refuses_before_github_is_asked(tmp_path: Path, redis_url: str, mirrors: bool) -> None:
    """Clones and pushes are refused in words that git shows, and so are a client's own requests."""
    async with (
        simulated(tmp_path) as (github, token),
        gateway_before(
            github, token, redis_url, repositories="other/*", mirror_bytes=1 << 30 if mirrors else 0
        ) as gateway,
    ):
        url = f"{gateway.git}/{REPOSITORY}.git"
        said = [await failed("clone", url, str(tmp_path / "clone"))]
        await done("init", "--quiet", str(tmp_path / "new"))
        await done("-c", "user.name=b", "-c", "user.email=b@b.invalid", "commit", "--quiet", "--allow-empty", "-m", "x", cwd=tmp_path / "new")  # fmt: skip
        said.append(await failed("push", url, "HEAD:refs/heads/miyabi/x", cwd=tmp_path / "new"))
        async with aiohttp.ClientSession() as session:
            for service in ("git-upload-pack", "git-receive-pack"):
                asked = {"Content-Type": f"application/x-{service}-request"}
                async with session.post(f"{url}/{service}", data=b"0000", headers=asked) as answer:
                    assert answer.status == 403
                    said.append(await answer.text())
        assert [f"{REPOSITORY} is not among the repositories" in one for one in said] == [True] * 4
        assert gateway.reads() == []
