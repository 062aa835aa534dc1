"""No credential follows a redirect to another host; within GitHub a renamed repository is followed and paid for."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web
from key_pairs import key_pair
from pydantic import SecretStr
from running_gateway import REPOSITORY, Running, gateway_before
from scripted_github import scripted
from stock_git import done, failed

from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi_core.status import from_rpc_error
from miyabi_github_gateway.adapters.sending.outgoing import Request, redirected
from miyabi_github_gateway.errors import GitHubRefusedError
from miyabi_github_gateway.service.governor import Ask

STATUSES = [301, 302, 303, 307, 308]


async def graphql(gateway: Running, _: Path) -> str:
    """Read over GraphQL."""
    return await refusal(gateway.stub.GetRepository(pb.GetRepositoryRequest(repository=REPOSITORY)))


async def rest_read(gateway: Running, _: Path) -> str:
    """Read over REST: whose token it is."""
    return await refusal(
        gateway.stub.UpsertComment(pb.UpsertCommentRequest(repository=REPOSITORY, number=1, marker="m", body="b"))
    )


async def rest_write(gateway: Running, _: Path) -> str:
    """Write over REST."""
    try:
        await gateway.gateway.http.rest("POST", f"/repos/{REPOSITORY}/issues", json={"title": "t"})
    except GitHubRefusedError as error:
        return error.message
    return ""


async def clone(gateway: Running, folder: Path) -> str:
    """Clone."""
    return await failed("clone", f"{gateway.git}/{REPOSITORY}.git", str(folder / "clone"))


async def push(gateway: Running, folder: Path) -> str:
    """Push."""
    await done("init", "--quiet", str(folder / "new"))
    await done("commit", "--quiet", "--allow-empty", "-m", "x", cwd=folder / "new")
    return await failed("push", f"{gateway.git}/{REPOSITORY}.git", "HEAD:refs/heads/miyabi/x", cwd=folder / "new")


async def refusal(call: Awaitable[Any]) -> str:
    """Return what the caller of an RPC is told."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - gRPC's own class says nothing more
        await call
    return str(from_rpc_error(caught.value).message)  # type: ignore[arg-type]


CALLS: list[Callable[[Running, Path], Awaitable[str]]] = [graphql, rest_read, rest_write, clone, push]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: str(call.__name__))
@pytest.mark.parametrize("status", [302, 307])
async def test_nothing_is_sent_to_where_another_host_is_named(
    tmp_path: Path, redis_url: str, status: int, call: Callable[[Running, Path], Awaitable[str]]
) -> None:
    """The other server hears nothing, not even without the credential, and the caller learns where it ended."""
    token = f"ghp_{secrets.token_hex(18)}"

    async def here(_: web.Request) -> web.Response:
        return web.Response()

    async with scripted(here) as other:

        async def away(request: web.Request) -> web.Response:
            return web.Response(status=status, headers={"location": f"{other.url}{request.path_qs}"})

        async with scripted(away) as github:
            subject: Any = github
            async with gateway_before(subject, token, redis_url) as gateway:
                said = await call(gateway, tmp_path)
            assert github.seen
            assert all("authorization" in one.headers for one in github.seen)
        assert other.seen == []
    assert "it leads to another" in said
    assert token not in said


async def test_an_apps_jwt_stays_too(tmp_path: Path, redis_url: str) -> None:
    """The question where the App is installed is not asked of another host."""
    private, _ = key_pair()

    async def here(_: web.Request) -> web.Response:
        return web.json_response([])

    async with scripted(here) as other:

        async def away(request: web.Request) -> web.Response:
            return web.Response(status=302, headers={"location": f"{other.url}{request.path_qs}"})

        async with scripted(away) as github:
            subject: Any = github
            async with gateway_before(subject, "", redis_url, app_id="77", app_key=SecretStr(private)) as gateway:
                assert "another host" in await graphql(gateway, tmp_path)
            assert github.requests == [("GET", "/app/installations")]
        assert other.seen == []


@pytest.mark.parametrize("status", STATUSES)
async def test_renamed_repository_is_followed_within_github(redis_url: str, status: int) -> None:
    """The credential goes along to another path of the same host, each request is paid for, and a chain ends."""
    token = f"ghp_{secrets.token_hex(18)}"

    async def renamed(request: web.Request) -> web.Response:
        if request.path == "/repositories/7/issues":
            return web.json_response([])
        return web.Response(status=status, headers={"location": "/repositories/7/issues"})

    async with scripted(renamed) as github:
        subject: Any = github
        async with gateway_before(subject, token, redis_url) as gateway:
            answer = await gateway.gateway.http.rest("GET", f"/repos/{REPOSITORY}/issues", params={"page": 2})
            (governor,) = gateway.gateway.governors
            paid = (await governor.budget.state()).minute_points["core"]
    assert (answer.status_code, paid) == (200, 2)
    assert github.requests == [("GET", f"/repos/{REPOSITORY}/issues"), ("GET", "/repositories/7/issues")]
    assert [one.headers["authorization"] for one in github.seen] == [f"Bearer {token}"] * 2


async def test_no_cookie_is_kept(redis_url: str) -> None:
    """What a server sets for one credential is not sent with the next request, which may be another's."""

    async def sets_cookie(_: web.Request) -> web.Response:
        return web.json_response([], headers={"set-cookie": "session=x; Path=/"})

    async with scripted(sets_cookie) as github:
        subject: Any = github
        async with gateway_before(subject, "t", redis_url) as gateway:
            for _ in range(2):
                await gateway.gateway.http.rest("GET", f"/repos/{REPOSITORY}/issues")
    assert ["cookie" in one.headers for one in github.seen] == [False, False]


async def test_chain_of_redirects_ends(redis_url: str) -> None:
    """An address that leads to itself is asked a few times, then refused."""

    async def circle(request: web.Request) -> web.Response:
        return web.Response(status=301, headers={"location": request.path_qs})

    async with scripted(circle) as github:
        subject: Any = github
        async with gateway_before(subject, "t", redis_url) as gateway:
            with pytest.raises(GitHubRefusedError, match="from one address to the next"):
                await gateway.gateway.http.rest("GET", f"/repos/{REPOSITORY}/issues")
    assert len(github.seen) == 4


@pytest.mark.parametrize(
    "location",
    [
        "http://api.github.test/x", "https://api.github.test:8443/x", "https://api.github.test.evil.example/x",
        "https://user@evil.example/x", "https://user:word@api.github.test/x", "//evil.example/x", "https://evil.example\\@api.github.test/x",
    ],
)  # fmt: skip
def test_scheme_port_and_look_alikes_are_other_hosts(location: str) -> None:
    """Less encryption, another port, and names that only begin alike are not the same host."""
    answer = httpx.Response(302, headers={"location": location})
    with pytest.raises(GitHubRefusedError, match="another host"):
        redirected(Request("GET", "https://api.github.test/y", "y", Ask("core")), answer)


def test_address_that_is_none_is_refused() -> None:
    """A location that cannot be read leads nowhere."""
    answer = httpx.Response(302, headers={"location": "https://x:port/"})
    with pytest.raises(GitHubRefusedError, match="none"):
        redirected(Request("GET", "https://api.github.test/y", "y", Ask("core")), answer)
