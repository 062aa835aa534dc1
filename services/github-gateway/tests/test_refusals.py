"""What GitHub refuses becomes one reason, with a hint at the permission that is missing."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import grpc
import pytest
from aiohttp import web
from running_gateway import REPOSITORY, gateway_before
from scripted_github import scripted

from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi_core.status import from_rpc_error

COMMENT = pb.UpsertCommentRequest(repository=REPOSITORY, number=1, marker="m", body="b")
ISSUE = pb.CreateIssueRequest(repository=REPOSITORY, title="t", body="b", marker="m")
PULL = pb.CreatePullRequestRequest(repository=REPOSITORY, head_branch="miyabi/x", base_branch="main", title="t")
LABELS = pb.SetLabelsRequest(repository=REPOSITORY, number=1, remove=["old"])
READ = pb.GetRepositoryRequest(repository=REPOSITORY)


async def refused(
    request: Any, redis_url: str, *, timeout: float | None = None, **answers: tuple[int, Mapping[str, str], Any]
) -> Any:
    """Call an RPC before a GitHub whose answers are given by the end of the path; returns the error.

    Args:
        request: Of the RPC.
        redis_url: State store.
        timeout: Seconds of the caller; None: it waits.
        answers: Status, headers and body, by the last part of the path; everything else is an empty list.
    """

    async def answer(asked: web.Request) -> web.Response:
        status, headers, body = answers.get(asked.path.rpartition("/")[2], (200, {}, []))
        return web.json_response(body, status=status, headers=headers)

    async with scripted(answer) as github:
        subject: Any = github
        async with gateway_before(subject, "t", redis_url) as gateway:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await getattr(gateway.stub, type(request).__name__.removesuffix("Request"))(request, timeout=timeout)
    return from_rpc_error(caught.value)


ME = (200, {}, {"login": "miyabi-bot"})
NOT_ACCESSIBLE = {"message": "Resource not accessible by personal access token", "status": "403"}


@pytest.mark.parametrize(
    ("headers", "missing"),
    [
        ({"x-accepted-github-permissions": "issues=write; pull_requests=write"}, "the permission issues:write or pull_requests:write"),
        ({"x-accepted-github-permissions": "issues=write"}, "the permission issues:write"),
        ({"x-accepted-oauth-scopes": "public_repo, repo", "x-oauth-scopes": "read:org"}, "the scope public_repo or repo"),
        ({"x-accepted-oauth-scopes": "repo", "x-oauth-scopes": ""}, "the scope repo"),
        ({"x-accepted-oauth-scopes": "repo", "x-oauth-scopes": "repo, user"}, ""),
        ({}, ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("request_", [COMMENT, ISSUE], ids=["comment", "issue"])
async def test_missing_permission_is_named(
    redis_url: str, request_: Any, headers: dict[str, str], missing: str
) -> None:
    """403 says what the credential lacks, from GitHub's headers for fine-grained tokens, Apps and classic tokens."""
    last = "comments" if request_ is COMMENT else "issues"
    error = await refused(request_, redis_url, user=ME, **{last: (403, headers, NOT_ACCESSIBLE)})
    assert (error.code, error.reason) == (grpc.StatusCode.PERMISSION_DENIED, "GITHUB_FORBIDDEN")
    assert error.metadata == {"repository": REPOSITORY} | ({"missing": missing} if missing else {})
    assert f"the credential lacks {missing}" in error.message if missing else "lacks" not in error.message


@pytest.mark.parametrize("request_", [COMMENT, ISSUE, PULL, LABELS, READ], ids=lambda one: type(one).__name__)
async def test_credential_that_github_does_not_know_is_forbidden(redis_url: str, request_: Any) -> None:
    """401 is a refusal of the credential on every call, with GitHub's own words."""
    body = {"message": "Bad credentials", "status": "401"}
    everything = dict.fromkeys(("user", "graphql", "pulls"), (401, {}, body))
    error = await refused(request_, redis_url, **everything)
    assert (error.code, error.reason) == (grpc.StatusCode.PERMISSION_DENIED, "GITHUB_FORBIDDEN")
    assert "Bad credentials" in error.message


@pytest.mark.parametrize(
    ("request_", "reason", "hint"),
    [
        (COMMENT, "ISSUE_NOT_FOUND", "issues:write"),
        (ISSUE, "REPOSITORY_NOT_FOUND", "metadata:read"),
        (PULL, "REPOSITORY_NOT_FOUND", "metadata:read"),
    ],
    ids=["comment", "issue", "pull request"],
)
async def test_404_is_not_found_with_a_hint(redis_url: str, request_: Any, reason: str, hint: str) -> None:
    """What GitHub hides for lack of rights is not found, and the caller learns which right would show it."""
    gone = (404, {}, {"message": "Not Found", "status": "404"})
    error = await refused(request_, redis_url, user=ME, comments=gone, issues=gone, pulls=gone)
    assert (error.code, error.reason) == (grpc.StatusCode.NOT_FOUND, reason)
    assert "the credential lacks" in error.message
    assert hint in error.message


@pytest.mark.parametrize("kind", ["FORBIDDEN", "INSUFFICIENT_SCOPES"])
@pytest.mark.parametrize("request_", [LABELS, READ], ids=["labels", "repository"])
async def test_graphqls_own_refusal_is_forbidden(redis_url: str, request_: Any, kind: str) -> None:
    """GraphQL refuses with 200 and an error of a type; to callers it is the same as REST's 403."""
    alias = "repository" if request_ is LABELS else "r0"
    error = {"type": kind, "path": [alias], "message": "Resource not accessible by integration"}
    answer = (200, {}, {"data": {alias: None}, "errors": [error]})
    found = await refused(request_, redis_url, graphql=answer)
    assert (found.code, found.reason) == (grpc.StatusCode.PERMISSION_DENIED, "GITHUB_FORBIDDEN")
    assert "not accessible by integration" in found.message


async def test_mutation_that_is_refused_says_so(redis_url: str) -> None:
    """Who may read but not write labels is told at the write; nothing is tried again."""
    item = {"id": "I_1", "labels": {"nodes": [{"id": "LA_1", "name": "old"}]}}
    error = {"type": "FORBIDDEN", "path": ["remove"], "message": "miyabi-bot does not have the correct permissions"}
    sent: list[str] = []

    async def answer(asked: web.Request) -> web.Response:
        sent.append(json.loads(await asked.read())["query"].split("(")[0])
        if sent[-1] == "query FindLabels":
            return web.json_response({"data": {"repository": {"item": item}}})
        return web.json_response({"data": {"remove": None}, "errors": [error]})

    async with scripted(answer) as github:
        subject: Any = github
        async with gateway_before(subject, "t", redis_url) as gateway:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await gateway.stub.SetLabels(LABELS)
    found = from_rpc_error(caught.value)
    assert (found.code, found.reason) == (grpc.StatusCode.PERMISSION_DENIED, "GITHUB_FORBIDDEN")
    assert sent == ["query FindLabels", "mutation SetLabels"]


@pytest.mark.parametrize("kind", ["RATE_LIMIT", "RATE_LIMITED"])
async def test_graphqls_limit_is_a_limit_under_both_its_names(redis_url: str, kind: str) -> None:
    """GitHub documents one type and answers with the other: the caller is told when to come back, not that it failed."""
    reset = int(time.time()) + 3000
    headers = {
        "x-ratelimit-resource": "graphql", "x-ratelimit-limit": "5000", "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": str(reset),
    }  # fmt: skip
    message = "API rate limit already exceeded for user ID 1."
    body = {"errors": [{"type": kind, "code": "graphql_rate_limit", "message": message}]}
    found = await refused(READ, redis_url, graphql=(200, headers, body))
    assert (found.code, found.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "GITHUB_RATE_LIMITED")
    assert found.retry_after is not None
    assert 2900 < found.retry_after.total_seconds() <= 3001
