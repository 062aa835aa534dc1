"""Says whether a repository can be worked on: what stands in the way, and whether its tests are recognised."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta

import grpc

from miyabi.common.v1.problem_pb2 import Problem
from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi.github_gateway.v1.github_gateway_service_pb2_grpc import GitHubGatewayServiceStub
from miyabi_agents.inspection import Inspection
from miyabi_cli.calling.problems import kind_name
from miyabi_cli.checking.machine import Finding
from miyabi_cli.errors import EXIT_UNAVAILABLE, CliError, from_service
from miyabi_cli.runtime import Runtime
from miyabi_cli.trial.looking import look
from miyabi_cli.trial.remote import newest, own_gateway
from miyabi_core.access.security import PLAIN, ClientSecurity
from miyabi_core.channel import open_channel
from miyabi_core.errors import MiyabiError
from miyabi_core.status import from_rpc_error

_SERVICE = "miyabi.github_gateway.v1.GitHubGatewayService"
#: A gateway of a system answers within that, or another way is taken.
ANSWER = timedelta(seconds=20)


async def repository_findings(runtime: Runtime, repository: str) -> list[Finding]:
    """Look at a repository: by the gateway of the system that runs, and with the person's token by one of our own.

    Raises:
        CliError: GitHub has no such repository, or could not be asked; there is neither a system nor a token.
    """
    async with AsyncExitStack() as stack:
        findings = await _by_system(runtime, repository)
        if findings is not None and not runtime.settings.github_token:
            why = "not looked at: reading the repository takes GITHUB_TOKEN, or `miyabi inspect` in a checkout"
            return [*findings, Finding("test command", good=False, detail=why, required=False)]
        gateway = await stack.enter_async_context(own_gateway(runtime, repository))
        if findings is None:
            findings = await _findings(gateway.target, PLAIN, repository)
        place = await newest(gateway, repository)
        return [*findings, *test_findings(await look(runtime, place, root="", build=False))]


async def _by_system(runtime: Runtime, repository: str) -> list[Finding] | None:
    """Ask the gateway of the system that runs; None where none answers.

    Raises:
        CliError: it answers with a refusal.
    """
    try:
        return await _findings(runtime.settings.gateway, runtime.settings.security(), repository)
    except CliError as error:
        if error.exit_code != EXIT_UNAVAILABLE:
            raise
        return None


async def _findings(target: str, security: ClientSecurity, repository: str) -> list[Finding]:
    """Ask a gateway what stands in the way of a fix.

    Raises:
        CliError: GitHub has no such repository, or the gateway did not answer.
    """
    request = pb.CheckTargetRequest(repository=repository, writes_issues=True, writes_changes=True)
    try:
        channel = open_channel(target, service=_SERVICE, security=security)
    except MiyabiError as error:
        raise CliError(error.message) from error
    try:
        answer = await GitHubGatewayServiceStub(channel).CheckTarget(request, timeout=ANSWER.total_seconds())
    except grpc.aio.AioRpcError as error:
        raise from_service(from_rpc_error(error)) from error
    finally:
        await channel.close()
    return problem_findings(repository, list(answer.problems), list(answer.not_known))


def problem_findings(repository: str, problems: list[Problem], not_known: list[str]) -> list[Finding]:
    """Return what a check found, a line each; none in the way is a line too."""
    found = [
        Finding(kind_name(problem.kind), good=False, detail=f"{problem.message} {problem.remedy}".strip())
        for problem in problems
    ]
    if not found:
        found = [Finding("repository", good=True, detail=f"nothing is known to stand in the way of {repository}")]
    return [*found, *(Finding("not known", good=False, detail=words, required=False) for words in not_known)]


def test_findings(inspection: Inspection) -> list[Finding]:
    """Return whether a test command is recognised, a line for each project."""
    if inspection.refusal is not None:
        return [Finding("test command", good=False, detail=inspection.refusal.message)]
    found = []
    for entry in inspection.looks:
        project = entry.project
        words = f"{project.toolchain}, {project.runner}" if entry.refusal is None else entry.refusal.message
        subject = "test command" if project.root in {"", "."} else f"test command, {project.root}"
        found.append(Finding(subject, good=entry.refusal is None, detail=words))
    return found
