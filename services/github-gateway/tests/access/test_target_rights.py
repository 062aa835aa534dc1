"""What the credential lacks is found before work begins, as far as GitHub tells; what it does not tell is named."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from key_pairs import key_pair
from pydantic import SecretStr
from running_gateway import REPOSITORY, Running, gateway_before, push_branches, seed, simulated
from scripted_github import scripted
from test_check_target import CLASSIC, WORK, check, kinds, open_pull_request

from miyabi_sim.github import SimulatedApp, SimulatedGitHub


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [
        ("repo, workflow", []),
        ("repo", [("WORKFLOW_PERMISSION_MISSING", 0)]),
        ("public_repo,workflow", []),
        ("read:org, workflow", [("PERMISSION_MISSING", 0)]),
        ("read:org", [("PERMISSION_MISSING", 0), ("WORKFLOW_PERMISSION_MISSING", 0)]),
    ],
)
async def test_classic_token_tells_its_scopes(
    running_gateway: Running, scopes: str, expected: list[tuple[str, int]]
) -> None:
    """GitHub names them in a header: what is missing is a problem, and only that of workflows may be overruled."""
    running_gateway.github.dials.update({"scopes": scopes})
    answer = await check(running_gateway, **WORK)
    assert kinds(answer) == expected
    assert [one.may_be_overruled for one in answer.problems] == ["WORKFLOW" in kind for kind, _ in expected]


async def test_public_scope_is_not_enough_for_what_is_private(running_gateway: Running) -> None:
    """A private repository needs the whole scope."""
    running_gateway.github.dials.update({"scopes": "public_repo, workflow"})
    running_gateway.github.states.repository(REPOSITORY, private=True)
    assert kinds(await check(running_gateway, **WORK)) == [("PERMISSION_MISSING", 0)]


async def test_token_that_tells_nothing_is_not_known(running_gateway: Running) -> None:
    """A fine-grained token's permissions are in no answer: that is said, and nothing is claimed."""
    running_gateway.github.dials.update({"scopes": ""})
    answer = await check(running_gateway, **WORK)
    assert kinds(answer) == []
    assert ["does not tell which permissions" in sentence for sentence in answer.not_known] == [False, True]
    assert list((await check(running_gateway)).not_known) == []


@asynccontextmanager
async def app_gateway(folder: Path, redis_url: str, **permissions: str) -> AsyncIterator[Running]:
    """Run a gateway that asks as an App whose installation has some permissions otherwise than usual."""
    private, public = key_pair()
    app = SimulatedApp(id=77, slug="miyabi", public_key=public, installations={"acme": 4711})
    app.permissions = {name: level for name, level in {**app.permissions, **permissions}.items() if level}
    async with SimulatedGitHub(folder / "github", app=app) as github:
        github.load_seed(seed(folder / "seed"))
        own = {"app_id": "77", "app_key": SecretStr(private)}
        async with gateway_before(github, "", redis_url, **own) as gateway:
            yield gateway


@pytest.mark.parametrize(
    ("permissions", "options", "expected"),
    [
        ({}, WORK, []),
        ({"contents": "read"}, WORK, ["contents:write"]),
        ({"issues": "read", "pull_requests": ""}, WORK, ["issues:write", "pull_requests:write"]),
        ({"issues": "read"}, {}, []),
        ({"issues": ""}, {}, ["issues:read"]),
        ({"contents": "", "issues": "read"}, {"writes_issues": True}, ["issues:write", "contents:read"]),
        ({"issues": "", "pull_requests": "read"}, {"review": True, "writes_issues": True}, ["pull_requests:write"]),
        ({"workflows": ""}, WORK, ["workflows:write"]),
        ({"workflows": ""}, {"writes_issues": True}, []),
    ],
)
async def test_app_tells_its_permissions(
    tmp_path: Path, redis_url: str, permissions: dict[str, str], options: dict[str, bool], expected: list[str]
) -> None:
    """Its installation is asked anew: each permission that the work needs and that it lacks is a problem of its own."""
    async with app_gateway(tmp_path, redis_url, **permissions) as gateway:
        answer = await check(gateway, **options)
    found = [re.search(r"permission (\w+:\w+)", one.message) for one in answer.problems]
    assert [match and match[1] for match in found] == expected


async def test_app_is_nobody_else(tmp_path: Path, redis_url: str) -> None:
    """What is assigned to the App is assigned to nobody else."""
    async with app_gateway(tmp_path, redis_url) as gateway:
        gateway.github.states.issue(REPOSITORY, 2, assignees=["miyabi[bot]"])
        assert kinds(await check(gateway, 2, **WORK)) == []


@asynccontextmanager
async def older_server(tmp_path: Path, redis_url: str, *lacking: str) -> AsyncIterator[Running]:
    """Run a gateway before an older GitHub, which does not know some fields and some REST paths."""
    async with simulated(tmp_path) as (github, token), aiohttp.ClientSession(auto_decompress=False) as session:

        async def served(request: web.Request) -> web.StreamResponse:
            body = await request.read()
            if any(request.path.endswith(path) or path in request.path for path in lacking if "/" in path):
                return web.json_response({"message": "Not Found", "status": "404"}, status=404)
            query = json.loads(body)["query"] if request.path == "/graphql" else ""
            unknown = [name for name in lacking if re.search(rf"\b{name}\b", query)]
            if unknown:
                errors = [{"message": f"Field '{name}' doesn't exist on type 'Thing'"} for name in unknown]
                return web.json_response({"errors": errors})
            url = f"{github.url}{request.raw_path}"
            kept = {key: request.headers[key] for key in ("authorization", "content-type") if key in request.headers}
            async with session.request(request.method, url, headers=kept, data=body) as answer:
                own = {key: answer.headers[key] for key in ("content-type", "x-oauth-scopes") if key in answer.headers}
                return web.Response(status=answer.status, headers=own, body=await answer.read())

        async with scripted(served) as server:
            own = {"api_url": server.url, "graphql_url": f"{server.url}/graphql"}
            async with gateway_before(github, token, redis_url, **own) as gateway:
                yield gateway


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("hasIssuesEnabled", "whether the repository has issues switched on"),
        ("isDisabled", "whether the repository is disabled"),
        ("viewerPermission", "which role the credential's account has"),
    ],
)
async def test_older_server_without_a_field_of_the_repository(
    tmp_path: Path, redis_url: str, field: str, said: str
) -> None:
    """What an older Enterprise Server does not know is named, the rest is checked, and it is asked no more."""
    async with older_server(tmp_path, redis_url, field) as gateway:
        gateway.github.states.issue(REPOSITORY, 2, state="closed")
        for _ in range(2):
            answer = await check(gateway, 2, **WORK)
            assert kinds(answer) == [("ISSUE_CLOSED", 2)]
            assert f"This GitHub does not tell {said}." in answer.not_known


async def test_older_server_without_linked_pull_requests(tmp_path: Path, redis_url: str) -> None:
    """Mentions tell which pull requests will close an issue where GitHub does not link them."""
    async with older_server(tmp_path, redis_url, "closedByPullRequestsReferences") as gateway:
        await open_pull_request(gateway, "feature", body="Fixes #2, see #3")
        assert kinds(await check(gateway, 2, 3, **WORK)) == [("PULL_REQUEST_OPEN", 2)]


async def test_older_server_without_rules(tmp_path: Path, redis_url: str) -> None:
    """Where there are no rules to be asked for that is said, beside the older protections."""
    async with older_server(tmp_path, redis_url, "/rules/branches/") as gateway:
        answer = await check(gateway, **WORK)
    assert [said[: len(CLASSIC)] for said in answer.not_known][1:] == [CLASSIC]
    assert "does not tell which rules hold" in answer.not_known[0]


async def test_empty_repository_is_a_problem_and_no_error(running_gateway: Running, tmp_path: Path) -> None:
    """A repository without a commit is told, whichever base branch is named."""
    path = tmp_path / "empty.json"
    path.write_text(json.dumps({"repositories": [{"owner": "acme", "name": "bare"}]}))
    running_gateway.github.load_seed(path)
    for branch in ("", "main"):
        answer = await check(running_gateway, repository="acme/bare", base_branch=branch, **WORK)
        assert kinds(answer) == [("REPOSITORY_EMPTY", 0)]
    push_branches(running_gateway, "release")
    assert kinds(await check(running_gateway, base_branch="release", **WORK)) == []
