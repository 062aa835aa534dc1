"""`miyabi doctor`: looks at what this machine has and what it lacks."""

from __future__ import annotations

import asyncio
import platform
import shutil
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.table import Table

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi_cli.asking.arguments import Json
from miyabi_cli.checking.machine import Finding, sandbox_findings, toolchain_findings
from miyabi_cli.checking.repository_check import repository_findings
from miyabi_cli.client import coordinator
from miyabi_cli.errors import EXIT_ISSUE_FAILED, EXIT_OK, EXIT_UNAVAILABLE, CliError
from miyabi_cli.runtime import Runtime, run
from miyabi_cli.terminal import json_line, ours, row, say_rows, shown
from miyabi_cli.trial.remote import ON_GITHUB
from miyabi_core.logging import configure_logging
from miyabi_core.store.valkey import binary_version
from miyabi_core.text import Untrusted

#: Seconds that one look may take.
CHECK_SECONDS = 5


async def _output(*command: str) -> str:
    """Return a command's first line, or nothing where it is missing or fails."""
    if shutil.which(command[0]) is None:
        return ""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, stdin=asyncio.subprocess.DEVNULL
    )
    output, _ = await process.communicate()
    return output.decode(errors="replace").partition("\n")[0].strip() if process.returncode == 0 else ""


async def _git(_: Runtime) -> Finding:
    version = await _output("git", "--version")
    return Finding("git", bool(version), version or "not found: install git")


async def _python(_: Runtime) -> Finding:
    return Finding("python", True, f"{platform.python_implementation()} {platform.python_version()}")


async def _valkey(_: Runtime) -> Finding:
    version = await asyncio.to_thread(binary_version)
    return Finding("valkey", bool(version), version or "no embedded server for this platform: set MIYABI_REDIS_URL")


async def _data(runtime: Runtime) -> Finding:
    folder = runtime.settings.data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding("data folder", good=False, detail=f"{folder}: {error.strerror}")
    return Finding("data folder", free > 1 << 30, f"{folder}, {free / (1 << 30):.1f} GiB free")


async def _github(runtime: Runtime) -> Finding:
    found = runtime.settings.github_token is not None
    return Finding(
        "github", found, "GITHUB_TOKEN is set" if found else "simulated: GITHUB_TOKEN is not set", required=False
    )


async def _model(runtime: Runtime) -> Finding:
    found = runtime.settings.anthropic_api_key is not None
    words = "ANTHROPIC_API_KEY is set" if found else "simulated: ANTHROPIC_API_KEY is not set"
    return Finding("model", found, words, required=False)


async def _coordinator(runtime: Runtime) -> Finding:
    target = runtime.settings.coordinator
    try:
        async with coordinator(runtime.settings) as client:
            answer = await client.call(client.stub.ListAgents(pb.ListAgentsRequest(), timeout=CHECK_SECONDS))
    except CliError as error:
        if error.exit_code != EXIT_UNAVAILABLE:
            return Finding("coordinator", good=False, detail=f"{target}: {error}", required=False)
        return Finding(
            "coordinator", good=False, detail=f"{target} does not answer; `miyabi up` starts one", required=False
        )
    return Finding("coordinator", good=True, detail=f"{target}, agents attached: {len(answer.agents)}", required=False)


#: Every look, in the order in which they are shown.
CHECKS: tuple[Callable[[Runtime], Coroutine[Any, Any, Finding]], ...] = (
    _python, _git, _valkey, _data, _github, _model, _coordinator,
)  # fmt: skip


async def _toolchains(runtime: Runtime) -> list[Finding]:
    """Look at the programs that tests need; a folder that cannot be written is told of by another look."""
    try:
        return await toolchain_findings(runtime.settings.data_dir)
    except OSError as error:
        return [Finding("toolchains", good=False, detail=f"cannot be asked: {error.strerror}", required=False)]


def doctor(
    repository: Annotated[
        str, typer.Argument(metavar="OWNER/REPO", help="Repository on GitHub; default: this machine is looked at.")
    ] = "",
    *,
    as_json: Json = False,
) -> None:
    """Say what this machine has and lacks, or what stands in the way of work on a repository.

    Ends with 0 where nothing that is needed is missing and nothing stands in the way, with 1 otherwise.
    """
    if repository and ON_GITHUB.fullmatch(repository) is None:
        raise CliError(f"{repository!r} is no OWNER/REPO")

    async def main(runtime: Runtime) -> int:
        configure_logging(service="miyabi", level="ERROR")
        if repository:
            return _show(runtime, await repository_findings(runtime, repository), as_json=as_json)
        async with asyncio.TaskGroup() as tasks:
            looks = [tasks.create_task(check(runtime)) for check in CHECKS]
            layers = tasks.create_task(sandbox_findings())
            toolchains = tasks.create_task(_toolchains(runtime))
        found = [*(look.result() for look in looks), *layers.result(), *toolchains.result()]
        return _show(runtime, found, as_json=as_json)

    run(main)


def _show(runtime: Runtime, findings: Sequence[Finding], *, as_json: bool) -> int:
    """Print what was found; returns the exit code."""
    code = EXIT_OK if all(finding.good or not finding.required for finding in findings) else EXIT_ISSUE_FAILED
    if as_json:
        for finding in findings:
            runtime.print_line(json_line(asdict(finding)))
        return code
    table = Table(header_style="bold")
    for name in ("what", "", "detail"):
        table.add_column(name, overflow="fold")
    for finding in findings:
        bad = ours("bad", style="red") if finding.required else ours("note", style="yellow")
        mark = ours("ok", style="green") if finding.good else bad
        row(table, shown(Untrusted(finding.subject)), mark, shown(Untrusted(finding.detail)))
    say_rows(runtime.output, table)
    return code
