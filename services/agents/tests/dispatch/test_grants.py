"""Each task shows the grant of its own lease, to the gateway and to git, and only where it writes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from miyabi.github_gateway.v1 import github_gateway_service_pb2 as gateway_pb
from miyabi.github_gateway.v1.github_gateway_service_pb2_grpc import (
    GitHubGatewayServiceServicer,
    add_GitHubGatewayServiceServicer_to_server,
)
from miyabi_agents.errors import WorkspaceError
from miyabi_agents.workspace.access import GitAccess
from miyabi_agents.workspace.git import git_network
from miyabi_core.channel import open_channel
from miyabi_core.grants import GRANT_HEADER, bind_grant, current_grant
from miyabi_core.testing import running_server

GATEWAY = "miyabi.github_gateway.v1.GitHubGatewayService"


class Noting(GitHubGatewayServiceServicer):
    """Notes the grant of each call, by the id that the request names."""

    def __init__(self) -> None:
        self.grants: dict[str, str] = {}

    async def SetLabels(self, request: gateway_pb.SetLabelsRequest, context: Any) -> gateway_pb.SetLabelsResponse:  # noqa: N802
        """Note it."""
        self.grants[request.request_id] = dict(context.invocation_metadata()).get(GRANT_HEADER, "")
        return gateway_pb.SetLabelsResponse()


async def test_leases_side_by_side_show_their_own_grants(bench, make_lease, make_outcome) -> None:
    """Two leases that run at once, with tasks of their own, each show the grant of their lease; one without shows none."""
    barrier = asyncio.Barrier(3)

    async def label(task, context) -> None:
        request = gateway_pb.SetLabelsRequest(repository="acme/toy", number=7, request_id=task.reference.task[-20:])
        await context.github.SetLabels(request, timeout=10)

    async def script(task, context):
        await barrier.wait()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(label(task, context))
        return make_outcome()

    noting = Noting()
    async with (
        running_server((add_GitHubGatewayServiceServicer_to_server, noting, GATEWAY)) as target,
        open_channel(target, service=GATEWAY, carries_grants=True) as channel,
        asyncio.TaskGroup() as tasks,
    ):
        runner = bench.runner(script, channel)
        for number, grant in ((1, "grant-1"), (2, "grant-2"), (3, "")):
            tasks.create_task(runner.run(make_lease(number, grant=grant), lambda message, droppable: None))
    assert sorted(noting.grants.values()) == ["", "grant-1", "grant-2"]
    assert current_grant() == ""


@asynccontextmanager
async def noting_http() -> AsyncIterator[tuple[str, list[dict[str, str]]]]:
    """Serve 404 to everyone and note the headers; yields the address and the notes."""
    seen: list[dict[str, str]] = []

    async def note(request: web.Request) -> web.Response:
        seen.append({name.lower(): value for name, value in request.headers.items()})
        return web.Response(status=404)

    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", note)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", seen
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("token", "pushing", "shown"),
    [
        ("secret", True, {"authorization": "Bearer secret", GRANT_HEADER: "a-grant"}),
        ("secret", False, {"authorization": "Bearer secret"}),
        ("", True, {GRANT_HEADER: "a-grant"}),
        ("", False, {}),
    ],
)
async def test_git_shows_the_grant_where_it_pushes_and_to_the_proxy_only(
    token: str, pushing: bool, shown: dict[str, str]
) -> None:
    """Stock git sends token and grant as headers to the proxy's address, and neither of them anywhere else."""
    bind_grant("a-grant")
    try:
        async with noting_http() as (proxy, seen), noting_http() as (elsewhere, seen_there):
            access = GitAccess(f"{proxy}/git", (lambda: token) if token else None)
            for base in (f"{proxy}/git", elsewhere):
                command = ("push", f"{base}/acme/toy.git", "HEAD:refs/heads/miyabi/x")
                with pytest.raises(WorkspaceError):
                    await git_network(*command, variables=access.variables(pushing=pushing), away=timedelta(0))
    finally:
        bind_grant("")
    wanted = ("authorization", GRANT_HEADER)
    assert seen
    assert seen_there
    assert {name: value for name, value in seen[0].items() if name in wanted} == shown
    assert not any(name in headers for headers in seen_there for name in wanted)
