"""Whatever goes to GitHub's API passes the budget: what the gateway counts is what GitHub counts."""

from __future__ import annotations

import secrets
from pathlib import Path

import httpx
import pytest
from clocks import Clock
from key_pairs import key_pair
from pydantic import SecretStr
from running_gateway import REPOSITORY, Running, gateway_before, seed, simulated
from test_credentials import github_with_app

from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi_core.metrics import REGISTRY
from miyabi_sim.github import Fault, SimulatedGitHub
from miyabi_sim.github.strictness.middleware import RequestRecord


@pytest.fixture(scope="module")
def keys() -> tuple[str, str]:
    """A generated pair."""
    return key_pair()


async def paid(gateway: Running, resource: str, *, scopes: str = "") -> int:
    """Return the points of the minute that the budgets of all credentials have paid, or of some."""
    states = [await one.budget.state() for one in gateway.gateway.governors if one.scope.startswith(scopes)]
    return sum(state.minute_points.get(resource, 0) for state in states)


def taken(records: list[RequestRecord], *, graphql: bool) -> int:
    """Return the points of the requests that GitHub answered, by its published rule."""
    return sum(5 if one.is_write else 1 for one in records if (one.path == "/graphql") is graphql)


def sent() -> float:
    """Return how many requests the gateway says that it sent."""
    (metric,) = [one for one in REGISTRY.collect() if one.name == "miyabi_github_requests"]
    return sum(sample.value for sample in metric.samples if sample.name.endswith("_total"))


async def use(gateway: Running, body: str) -> None:
    """Read and write, over REST and GraphQL."""
    stub = gateway.stub
    await stub.UpsertComment(pb.UpsertCommentRequest(repository=REPOSITORY, number=2, marker="plan", body=body))
    await stub.CreateIssue(pb.CreateIssueRequest(repository=REPOSITORY, title="t", body="b", marker="m"))
    label = pb.LabelDefinition(name=f"x-{body}")
    await stub.SetLabels(pb.SetLabelsRequest(repository=REPOSITORY, number=2, add=[label]))
    await stub.GetRepository(pb.GetRepositoryRequest(repository=REPOSITORY))


async def test_a_tokens_own_account_is_asked_within_its_budget(running_gateway: Running) -> None:
    """`/user` is one request of the token like all others, and is asked once."""
    before = sent()
    for body in ("one", "two"):
        await use(running_gateway, body)
    github = running_gateway.github
    assert running_gateway.reads().count("users.get_authenticated") == 1
    assert await paid(running_gateway, "core") == github.minute_points("core")
    assert await paid(running_gateway, "graphql") == github.minute_points("graphql")
    assert sent() - before == len(github.requests)


async def test_an_apps_own_requests_have_a_budget_of_their_own(
    tmp_path: Path, keys: tuple[str, str], redis_url: str
) -> None:
    """Where an App is installed, and its tokens, are asked for within the App's budget; the rest pays from its token."""
    clock = Clock.of_today()
    async with (
        github_with_app(tmp_path, keys[1], clock) as github,
        gateway_before(github, "", redis_url, app_id="77", app_key=SecretStr(keys[0])) as gateway,
    ):
        before = sent()
        await use(gateway, "one")
        assert github.minute_points("app") == await paid(gateway, "core", scopes="app:") == 1 + 5
        assert github.minute_points("core") == await paid(gateway, "core", scopes="installation:")
        assert github.minute_points("graphql") == await paid(gateway, "graphql")
        assert sent() - before == len(github.requests)


async def test_repeats_after_a_401_are_paid(tmp_path: Path, keys: tuple[str, str], redis_url: str) -> None:
    """A token that GitHub has revoked costs the refused request, a new token and the repeat: each is paid for."""
    clock = Clock.of_today()
    async with (
        github_with_app(tmp_path, keys[1], clock) as github,
        gateway_before(github, "", redis_url, app_id="77", app_key=SecretStr(keys[0])) as gateway,
    ):
        before = sent()
        for body in ("one", "two", "three"):
            await use(gateway, body)
            github.apps.revoke_tokens()
        refused = [one for one in github.requests if one.status == 401]
        assert len(refused) == 2
        assert await paid(gateway, "core") == taken(github.requests, graphql=False)
        assert await paid(gateway, "graphql") == taken(github.requests, graphql=True)
        assert sent() - before == len(github.requests)


async def test_rotated_token_pays_from_its_own_budget(tmp_path: Path, redis_url: str) -> None:
    """The request that GitHub refuses is the old token's, the repeat is the new one's."""
    file = tmp_path / "token"
    old, new = (f"ghp_{secrets.token_hex(18)}" for _ in range(2))
    file.write_text(old)
    async with SimulatedGitHub(tmp_path / "github", token=new) as github:
        github.load_seed(seed(tmp_path / "seed"))
        async with gateway_before(github, "", redis_url, token_file=file) as gateway:

            async def rotate(answer: httpx.Response) -> None:
                if answer.status_code == 401:
                    file.write_text(new)

            gateway.gateway.sender.client.event_hooks["response"].append(rotate)
            assert (await gateway.gateway.http.rest("GET", f"/repos/{REPOSITORY}/labels")).status_code == 200
            assert [one.status for one in github.requests] == [401, 200]
            states = [await one.budget.state() for one in gateway.gateway.governors]
            assert [state.minute_points["core"] for state in states] == [1, 1]


async def test_an_app_waits_for_its_own_limit(tmp_path: Path, keys: tuple[str, str], redis_url: str) -> None:
    """A refusal for a limit stops the App's own requests, and only those: its token serves on."""
    clock = Clock.of_today()
    async with (
        github_with_app(tmp_path, keys[1], clock) as github,
        gateway_before(github, "", redis_url, app_id="77", app_key=SecretStr(keys[0])) as gateway,
    ):
        github.dials.faults.append(Fault(kind="secondary", retry_after=1, operation="apps.create_access_token"))
        await use(gateway, "one")
        tokens = [one.status for one in github.requests if one.operation == "apps.create_access_token"]
        assert tokens == [403, 201]
        blocked = [one.scope for one in gateway.gateway.governors if (await one.budget.state()).blocked_ms]
        assert [scope for scope in blocked if not scope.startswith("app:")] == []


async def test_unknown_account_is_no_account(tmp_path: Path, redis_url: str) -> None:
    """While GitHub does not tell whose the token is, nothing is written: another's comment could pass for ours."""
    async with simulated(tmp_path) as (github, token), gateway_before(github, token, redis_url) as gateway:
        github.dials.faults.append(Fault(status=503, operation="users.get_authenticated", count=100))
        request = pb.UpsertCommentRequest(repository=REPOSITORY, number=2, marker="plan", body="b")
        with pytest.raises(Exception, match="GitHub is not available"):
            await gateway.stub.UpsertComment(request)
        assert github.store.repository("acme", "toy").items[2].comments == []
        github.dials.faults.clear()
        gateway.gateway.sender.circuits.clear()
        assert (await gateway.stub.UpsertComment(request)).created
