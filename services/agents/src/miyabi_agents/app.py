"""Wires an agent process together and runs it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from miyabi.coordinator.v1.dispatch_service_pb2_grpc import DispatchServiceStub
from miyabi.github_gateway.v1.github_gateway_service_pb2_grpc import GitHubGatewayServiceStub
from miyabi_agents.agents.documenter import DocumenterAgent
from miyabi_agents.agents.implementer import ImplementerAgent
from miyabi_agents.agents.planner import PlannerAgent
from miyabi_agents.agents.pull_request import PullRequestAgent
from miyabi_agents.agents.reviewer import ReviewerAgent
from miyabi_agents.agents.triage import TriageAgent
from miyabi_agents.agents.verifier import VerifierAgent
from miyabi_agents.dispatch.client import AttachClient, Attached
from miyabi_agents.dispatch.runner import TaskRunner
from miyabi_agents.environments import EnvironmentStore
from miyabi_agents.feedback import Limits, MachinePressure, Slots, watch
from miyabi_agents.localisation import Locator
from miyabi_agents.model import ModelClient
from miyabi_agents.sandbox import ContainerSandbox, ProcessSandbox
from miyabi_agents.settings import AgentsSettings
from miyabi_agents.workspace import GitWorkspaces
from miyabi_agents.workspace.access import GitAccess
from miyabi_core.access.security import ClientSecurity
from miyabi_core.channel import open_channel
from miyabi_core.health import HealthServer
from miyabi_core.logging import get_logger

if TYPE_CHECKING:
    from miyabi_agents.ports import TaskAgent

DISPATCH = "miyabi.coordinator.v1.DispatchService"
GATEWAY = "miyabi.github_gateway.v1.GitHubGatewayService"

_LOG = get_logger(__name__)


def all_agents(locator: Locator) -> Iterable[TaskAgent]:
    """Return one agent of each kind."""
    return (
        TriageAgent(locator), PlannerAgent(locator), ImplementerAgent(locator), VerifierAgent(), ReviewerAgent(),
        DocumenterAgent(locator), PullRequestAgent(),
    )  # fmt: skip


def _sandbox(settings: AgentsSettings) -> ProcessSandbox | ContainerSandbox:
    """Return the sandbox: a container of its own where there is one, else a child process."""
    if settings.sandbox_socket is not None:
        # The sandbox has another uid and shares a group with us: it must be able to write to worktrees.
        os.umask(0o002)
        _LOG.info("agent.started", agent=settings.agent_id, sandbox=str(settings.sandbox_socket))
        return ContainerSandbox(settings.sandbox_socket)
    process = ProcessSandbox(unsafe=settings.unsafe_sandbox)
    layers = process.layers
    _LOG.info("agent.started", agent=settings.agent_id, layers=layers.active, missing=layers.missing)
    return process


def _git_token(settings: AgentsSettings, security: ClientSecurity) -> Callable[[], str] | None:
    """Return what git shows to the proxy: the identity's token, else the secret of this machine's system, else nothing.

    Raises:
        FailedPreconditionError: it would cross a network in plain text.
    """
    if security.token is None and settings.git_secret is not None:
        security = replace(security, token=settings.git_secret.get_secret_value)
    return security.token_for(settings.git_url)


@asynccontextmanager
async def _probes(address: str | None) -> AsyncIterator[Attached | None]:
    """Serve health at *address*: ready while a coordinator has taken the agent in."""
    if address is None:
        yield None
        return
    health = HealthServer(address)
    await health.start()
    try:
        yield lambda attached: health.set_ready(ready=attached)
    finally:
        await health.stop()


@asynccontextmanager
async def _following(settings: AgentsSettings, models: ModelClient) -> AsyncIterator[Limits | None]:
    """Let the slots follow the machine for the length of the block; yields what is told of limits."""
    if not settings.feedback:
        yield None
        return
    slots = Slots(least=settings.slots_min, most=settings.slots)
    watching = asyncio.create_task(watch(MachinePressure(), slots))
    try:
        yield Limits(models.pace, slots, base_url=settings.anthropic_base_url)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


def _workspaces(settings: AgentsSettings, security: ClientSecurity) -> GitWorkspaces:
    """Return what keeps worktrees, and fetches and pushes by way of the gateway."""
    return GitWorkspaces(
        settings.git_url,
        settings.data_dir,
        shared_dir=settings.shared_dir,
        access=GitAccess(settings.git_url.rstrip("/"), _git_token(settings, security), settings.tls_ca_path),
        github_host=settings.github_host,
        local_submodules=settings.local_submodules_dir,
    )


async def serve(settings: AgentsSettings, stop: asyncio.Event) -> None:
    """Run tasks until *stop* is set; then finish or hand back what there is."""
    security = ClientSecurity.of(settings)
    workspaces = _workspaces(settings, security)
    await asyncio.to_thread(workspaces.remove_leftovers)
    sandbox = _sandbox(settings)
    environments = EnvironmentStore(settings, sandbox)
    await environments.clean()
    models = ModelClient(settings)
    locator = Locator(settings.indexes_dir, max_bytes=settings.index_bytes)
    async with (
        _probes(settings.health_address) as attached,
        _following(settings, models) as limits,
        open_channel(settings.coordinator, service=DISPATCH, security=security) as coordinator,
        open_channel(
            settings.gateway, service=GATEWAY, security=security, wait_for_ready=True, carries_grants=True
        ) as gateway,
    ):
        runner = TaskRunner(
            agents={kind: agent for agent in all_agents(locator) for kind in agent.capabilities},
            github=GitHubGatewayServiceStub(gateway),
            models=models,
            workspaces=workspaces,
            sandbox=sandbox,
            environments=environments,
            settings=settings,
        )
        try:
            client = AttachClient(DispatchServiceStub(coordinator), runner, attached=attached, limits=limits)
            await client.run(stop)
        finally:
            await models.close()
            await asyncio.to_thread(locator.close)
