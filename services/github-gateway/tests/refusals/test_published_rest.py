"""Every REST call of ours is in GitHub's published description; GitHub's own recorded answers are understood."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from key_pairs import key_pair
from published_rest import FOLDER, Exchange, Published
from pydantic import SecretStr
from running_gateway import REPOSITORY, Running, gateway_before, seed
from stock_git import commit, done

from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi_core.errors import MiyabiError
from miyabi_github_gateway.adapters.credentials.permissions import GitHubPermissions
from miyabi_github_gateway.adapters.rest.reads import RestReads
from miyabi_sim.github import SimulatedApp, SimulatedGitHub


@pytest.fixture(scope="session")
def published() -> Published:
    """GitHub's published description."""
    return Published()


def recording(gateway: Running) -> list[Exchange]:
    """Listen to the gateway's own client; returns the list that fills."""
    found: list[Exchange] = []

    async def heard(answer: httpx.Response) -> None:
        await answer.aread()
        request = answer.request
        if request.url.path != "/graphql":
            sent = json.loads(request.content) if request.content else None
            got = answer.json() if answer.content else None
            found.append(
                Exchange(request.method, request.url.path, dict(request.url.params), sent, answer.status_code, got)
            )

    gateway.gateway.sender.client.event_hooks["response"].append(heard)
    return found


async def use_everything(gateway: Running, folder: Path) -> None:
    """Make every call that goes to GitHub over REST, with what each branch of it sends."""
    stub = gateway.stub
    label = pb.LabelDefinition(name="type:bug", color="ff0000", description="A defect")
    for add, remove in (([label], ["old"]), ([], ["type:bug"])):
        await stub.SetLabels(pb.SetLabelsRequest(repository=REPOSITORY, number=1, add=add, remove=remove))
    for body in ("one", "two"):
        await stub.UpsertComment(pb.UpsertCommentRequest(repository=REPOSITORY, number=2, marker="plan", body=body))
    for _ in range(2):
        await stub.CreateIssue(
            pb.CreateIssueRequest(repository=REPOSITORY, title="New", body="b", labels=[label], marker="m")
        )
    await done("clone", "--quiet", f"{gateway.git}/{REPOSITORY}.git", str(folder))
    await commit(folder, "change")
    await done("push", "--quiet", "origin", "HEAD:refs/heads/miyabi/issue-1", cwd=folder)
    for title in ("First", "Second"):
        request = pb.CreatePullRequestRequest(
            repository=REPOSITORY, head_branch="miyabi/issue-1", base_branch="main", title=title, body="b", labels=[label],
            reviewers=["someone"],
        )  # fmt: skip
        await stub.CreatePullRequest(request)
    found = await stub.GetPullRequest(pb.GetPullRequestRequest(repository=REPOSITORY, head_branch="miyabi/issue-1"))
    for body in ("one", "two"):
        request = pb.PostReviewRequest(
            repository=REPOSITORY, number=found.pull_request.number, marker="review", body=body,
            commit_sha=found.pull_request.head_sha,
        )  # fmt: skip
        await stub.PostReview(request)
    gateway.github.states.rule(REPOSITORY, "creation")
    await stub.CheckTarget(
        pb.CheckTargetRequest(repository=REPOSITORY, numbers=[1, 999], writes_issues=True, writes_changes=True)
    )
    relations = pb.BatchGetIssuesRequest(repository=REPOSITORY, numbers=[1], fields=[pb.ISSUE_FIELD_RELATIONS])
    assert [answer async for answer in stub.BatchGetIssues(relations)]


async def test_every_rest_call_is_published(running_gateway: Running, tmp_path: Path, published: Published) -> None:
    """Path, method, parameters and body of each request, and each field of its answer, are in the description."""
    exchanges = recording(running_gateway)
    await use_everything(running_gateway, tmp_path / "clone")
    problems = [problem for exchange in exchanges for problem in published.problems(exchange)]
    assert "\n".join(problems) == ""
    used = {(one.method, found[0]) for one in exchanges if (found := published.operation(one.method, one.path))}
    pulls, issues = "/repos/{owner}/{repo}/pulls", "/repos/{owner}/{repo}/issues"
    assert used >= {
        ("GET", pulls), ("POST", pulls), ("PATCH", f"{pulls}/{{pull_number}}"),
        ("POST", f"{pulls}/{{pull_number}}/requested_reviewers"),
        ("GET", f"{pulls}/{{pull_number}}/reviews"), ("POST", f"{pulls}/{{pull_number}}/reviews"),
        ("GET", f"{pulls}/{{pull_number}}/reviews/{{review_id}}"),
        ("PUT", f"{pulls}/{{pull_number}}/reviews/{{review_id}}"),
        ("GET", issues), ("POST", issues),
        ("GET", f"{issues}/{{issue_number}}/comments"), ("POST", f"{issues}/{{issue_number}}/comments"),
        ("PATCH", f"{issues}/comments/{{comment_id}}"), ("GET", f"{issues}/{{issue_number}}/dependencies/blocked_by"),
        ("POST", "/repos/{owner}/{repo}/labels"), ("GET", "/repos/{owner}/{repo}"),
        ("GET", "/repos/{owner}/{repo}/rules/branches/{branch}"),
        ("GET", "/repos/{owner}/{repo}/rulesets/{ruleset_id}"), ("GET", f"{issues}/{{issue_number}}"),
    }  # fmt: skip


async def test_what_is_asked_about_credentials_and_people_is_published(
    tmp_path: Path, redis_url: str, published: Published
) -> None:
    """Whose a token is, where an App is installed and its tokens, and what a person may do: requests and answers."""
    private, public = key_pair()
    app = SimulatedApp(id=77, slug="miyabi", public_key=public, installations={"acme": 4711})
    exchanges: list[Exchange] = []
    credentials: list[tuple[str, dict[str, Any]]] = [("t", {}), ("", {"app_id": "77", "app_key": SecretStr(private)})]
    async with SimulatedGitHub(tmp_path / "github", token="t", app=app) as github:
        github.load_seed(seed(tmp_path / "seed"))
        for token, settings in credentials:
            async with gateway_before(github, token, redis_url, **settings) as gateway:
                found = recording(gateway)
                await gateway.stub.UpsertComment(
                    pb.UpsertCommentRequest(repository=REPOSITORY, number=2, marker="m", body="b")
                )
                assert not await GitHubPermissions(gateway.gateway.http).may_write(REPOSITORY, "someone")
                exchanges += found
    assert "\n".join(problem for exchange in exchanges for problem in published.problems(exchange)) == ""
    used = {(one.method, found[0]) for one in exchanges if (found := published.operation(one.method, one.path))}
    assert used >= {
        ("GET", "/user"), ("GET", "/app/installations"),
        ("POST", "/app/installations/{installation_id}/access_tokens"),
        ("GET", "/repos/{owner}/{repo}/collaborators/{username}/permission"),
    }  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        Exchange("GET", "/repos/a/b/nothing", {}, None, 200, None),
        Exchange("GET", "/repos/a/b/pulls", {"colour": "red"}, None, 200, []),
        Exchange("POST", "/repos/a/b/labels", {}, {"color": "ff0000"}, 201, None),
        Exchange("POST", "/repos/a/b/labels", {}, {"name": "x", "colour": "ff0000"}, 201, None),
        Exchange("POST", "/repos/a/b/labels", {}, {"name": 1}, 201, None),
        Exchange("GET", "/repos/a/b/pulls", {}, None, 200, [{"numero": 1}]),
        Exchange("GET", "/repos/a/b/pulls", {}, None, 200, [{"number": "1"}]),
    ],
    ids=["path", "parameter", "required", "field", "type", "answer's field", "answer's type"],
)
def test_what_is_not_published_is_found(published: Published, wrong: Exchange) -> None:
    """The check itself fails on each kind of mistake."""
    assert len(published.problems(wrong)) == 1


@asynccontextmanager
async def replayed(scenarios: Sequence[str], token: str) -> AsyncIterator[tuple[str, list[tuple[str, str]]]]:
    """Serve GitHub's recorded answers to the requests that they were recorded of; the credential must be ours."""
    recorded = json.loads((FOLDER / "exchanges.json").read_text())
    answers = {(one["method"].upper(), one["path"]): one for name in scenarios for one in recorded[name]}
    seen: list[tuple[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        assert request.headers["authorization"] == f"Bearer {token}"
        seen.append((request.method, request.path_qs))
        one = answers.get((request.method, request.path_qs)) or answers.get((request.method, request.path))
        if one is None:
            return web.json_response({"message": "Not Found"}, status=404)
        if one.get("body"):
            sent = await request.json()
            assert {key: sent[key] for key in one["body"]} == one["body"]
        headers = {
            name: str(value)
            for name, value in one["headers"].items()
            if name in {"etag", "link", "x-ratelimit-remaining"}
        }
        if one["status"] == 204:
            return web.Response(status=204, headers=headers)
        return web.json_response(one["response"], status=one["status"], headers=headers)

    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", answer)
    async with TestServer(application) as server:
        yield str(server.make_url("")).rstrip("/"), seen


@asynccontextmanager
async def replaying(redis_url: str, *scenarios: str) -> AsyncIterator[tuple[Running, list[tuple[str, str]]]]:
    """Run a gateway before the recorded answers."""
    token = "0000000000000000000000000000000000000001"

    class Recorded:
        """Stands where the simulated GitHub stands."""

        def __init__(self, url: str) -> None:
            self.url = url

    async with replayed(scenarios, token) as (url, seen):
        github: Any = Recorded(url)
        async with gateway_before(github, token, redis_url) as gateway:
            yield gateway, seen


async def test_recorded_label_is_created(redis_url: str) -> None:
    """GitHub's recorded answer to a label that is created is understood: its node id is what labels are set by."""
    base = "/repos/octokit-fixture-org/labels/labels"
    async with replaying(redis_url, "labels") as (gateway, seen):
        made = await gateway.gateway.http.rest("POST", base, json={"name": "test-label", "color": "663399"})
    assert made.json()["color"] == "663399"
    assert made.json()["node_id"]
    assert seen == [("POST", base)]


async def test_recorded_refusal_says_what_is_wrong(redis_url: str) -> None:
    """GitHub's recorded 422 becomes a refusal that names the field at fault."""
    async with replaying(redis_url, "errors") as (gateway, _):
        body = {"name": "foo", "color": "invalid"}
        with pytest.raises(MiyabiError) as caught:
            await gateway.gateway.http.rest("POST", "/repos/octokit-fixture-org/errors/labels", json=body)
    assert caught.value.code is grpc.StatusCode.FAILED_PRECONDITION
    assert "Validation Failed" in caught.value.message


async def test_recorded_issues_are_listed(redis_url: str) -> None:
    """GitHub's recorded page of issues is read with its ETag, conditionally the second time."""
    async with replaying(redis_url, "paginate-issues") as (gateway, seen):
        reads = RestReads(gateway.gateway.http)
        path = "/repos/octokit-fixture-org/paginate-issues/issues"
        page = await reads.get(path, {"per_page": 3})
        assert await reads.get(path, {"per_page": 3}) == page
    assert [issue["number"] for issue in page] == sorted((issue["number"] for issue in page), reverse=True)
    assert len(page) == 3
    assert len(seen) == 2
