"""Who may call the gateway and use git through it, where callers are known."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
import pytest_asyncio
from grant_samples import new_key
from identity_files import entry, new_token, write_identities
from pydantic import SecretStr
from running_gateway import REPOSITORY, Running, gateway_before, simulated

from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi.github_gateway.v1.github_gateway_service_pb2_grpc import GitHubGatewayServiceStub
from miyabi_core.access.security import ClientSecurity
from miyabi_core.channel import open_channel
from miyabi_core.errors import FailedPreconditionError
from miyabi_core.status import from_rpc_error
from miyabi_github_gateway.app import SERVICE, Gateway
from miyabi_github_gateway.policy import POLICY
from miyabi_github_gateway.settings import GatewaySettings

TOKENS = {name: new_token() for name in ("viewer", "submitter", "operator", "agent")}


@pytest_asyncio.fixture
async def guarded(tmp_path: Path, redis_url: str) -> AsyncIterator[Running]:
    """A gateway that knows one identity of each role."""
    entries = [entry(name, name, token=token) for name, token in TOKENS.items()]
    path = write_identities(tmp_path / "identities.yaml", *entries)
    async with (
        simulated(tmp_path) as (github, token),
        gateway_before(github, token, redis_url, identities_file=path, grant_key=SecretStr(new_key())) as gateway,
    ):
        yield gateway


async def code_of(target: str, name: str, method: str) -> grpc.StatusCode:
    """Call an RPC with an empty request, which every constraint refuses once the caller is let in."""
    security = ClientSecurity(token=(lambda: TOKENS[name]) if name else None)
    async with open_channel(target, service=SERVICE, security=security) as channel:
        stub: Any = GitHubGatewayServiceStub(channel)
        call = getattr(stub, method)(getattr(pb, f"{method}Request")())
        try:
            if hasattr(call, "__aiter__"):
                async for _ in call:
                    break
            else:
                await call
        except grpc.aio.AioRpcError as error:
            return error.code()
    return grpc.StatusCode.OK


@pytest.mark.parametrize("method", sorted(POLICY[SERVICE]))
async def test_each_role_against_each_rpc(method: str, guarded: Running) -> None:
    """People and services read, agents read and write, and nobody without a token does either."""
    target = f"127.0.0.1:{guarded.gateway.grpc.port}"
    writes = method.startswith(("Set", "Upsert", "Create", "Post"))
    refused = {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}
    found = {name: await code_of(target, name, method) not in refused for name in ("", *TOKENS)}
    people = dict.fromkeys(("viewer", "submitter", "operator"), not writes)
    assert found == {"": False, **people, "agent": True}


async def git(*arguments: str, **variables: str) -> tuple[int, str]:
    """Run git; returns its code and what it said."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_TERMINAL_PROMPT": "0", **variables}
    process = await asyncio.create_subprocess_exec(
        "git", *arguments, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


def header(token: str) -> dict[str, str]:
    """Return the environment in which git shows a token, as agents do."""
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "http.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Bearer {token}",
    }


async def test_only_agents_use_git(guarded: Running, tmp_path: Path) -> None:
    """An agent clones with its token, in a header or as a password; a person, a stranger and a wrong token do not."""
    url = f"{guarded.git}/{REPOSITORY}.git"
    asked = {
        "agent": await git("clone", "--quiet", url, str(tmp_path / "one"), **header(TOKENS["agent"])),
        "password": await git("ls-remote", url.replace("//", f"//x:{TOKENS['agent']}@")),
        "operator": await git("ls-remote", url, **header(TOKENS["operator"])),
        "wrong": await git("ls-remote", url, **header(new_token())),
        "nobody": await git("ls-remote", url),
    }
    assert {name: code == 0 for name, (code, _) in asked.items()} == {
        "agent": True, "password": True, "operator": False, "wrong": False, "nobody": False,
    }, asked  # fmt: skip


async def test_webhooks_and_health_need_no_token(guarded: Running) -> None:
    """GitHub proves itself by its signature, and probes have nothing to show."""
    async with aiohttp.ClientSession(f"http://127.0.0.1:{guarded.gateway.http_port}") as http:
        health = await http.get("/healthz")
        unsigned = await http.post("/webhooks/github", json={})
        assert (health.status, await health.text()) == (200, "ok\n")
        assert (unsigned.status, "www-authenticate" in unsigned.headers) == (401, False)


async def test_role_that_is_missing_is_named(guarded: Running) -> None:
    """An operator learns that only agents write."""
    security = ClientSecurity(token=lambda: TOKENS["operator"])
    async with open_channel(f"127.0.0.1:{guarded.gateway.grpc.port}", service=SERVICE, security=security) as channel:
        stub: Any = GitHubGatewayServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.SetLabels(pb.SetLabelsRequest())
    error = from_rpc_error(caught.value)
    assert (error.reason, error.metadata) == ("ROLE_REQUIRED", {"role": "agent"})


async def test_git_beyond_loopback_wants_identity() -> None:
    """The HTTP side is refused on another address as the gRPC side is."""
    with pytest.raises(FailedPreconditionError, match="MIYABI_GITHUB_GATEWAY_IDENTITIES_FILE"):
        Gateway(GatewaySettings(http_address="0.0.0.0:0"))
