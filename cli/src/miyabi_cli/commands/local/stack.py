"""Commands that start the whole system on this machine: up and demo."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from miyabi_cli.asking.request import BatchOptions, build_request
from miyabi_cli.calling.following import follow
from miyabi_cli.calling.problems import AGAIN
from miyabi_cli.client import coordinator
from miyabi_cli.errors import EXIT_OK, EXIT_UNAVAILABLE, CliError
from miyabi_cli.runtime import Runtime, run
from miyabi_cli.showing.views import choose_view
from miyabi_cli.stack.local import LocalStack, StackOptions, local_stack
from miyabi_cli.stack.ports import Ports, any_ports
from miyabi_cli.stack.signals import until_interrupted
from miyabi_cli.stack.supervision import supervise
from miyabi_cli.terminal import ours, say, shown
from miyabi_core.text import Untrusted
from miyabi_sim.demo import DemoFiles, prepare

AnyPorts = Annotated[bool, typer.Option("--any-ports", help="Listen on free ports rather than the usual ones.")]
Agents = Annotated[int, typer.Option(min=1, max=64, help="Agent processes.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line, for machines.")]

#: Issues of the demo that are worked on at once.
DEMO_CONCURRENCY = 3


def up(
    *,
    agents: Agents = 1,
    any_port: AnyPorts = False,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Simulate GitHub and the model even where credentials are set.")
    ] = False,
    identity: Annotated[
        bool, typer.Option("--identity", help="Let nobody in without a token; yours is made and named at the start.")
    ] = False,
) -> None:
    """Start the whole system and keep it running until Ctrl-C."""

    async def main(runtime: Runtime) -> int:
        options = StackOptions(
            any_ports() if any_port else Ports(), runtime.settings.data_dir, simulate=simulate, agents=agents,
            identity=identity,
        )  # fmt: skip
        async with _running(runtime, options) as stack:
            _say_where(runtime, stack)
            await _serve(runtime, stack)
        return EXIT_OK

    run(main)


def demo(
    *,
    leave: Annotated[bool, typer.Option("--exit", help="End after the table even on a terminal.")] = False,
    any_port: AnyPorts = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Do everything but write.")] = False,
    as_json: Json = False,
) -> None:
    """Take five real Django issues to draft pull requests, on a simulated GitHub with a simulated model."""

    async def main(runtime: Runtime) -> int:
        data_dir = runtime.settings.data_dir / "demo"
        options = StackOptions(any_ports() if any_port else Ports(), data_dir, simulate=True)
        _forget_last_run(data_dir)
        async with _running(runtime, options) as stack:
            _say_where(runtime, stack)
            code = await _with_supervision(
                runtime, stack, lambda: _demo_batch(runtime, stack, dry_run=dry_run, as_json=as_json)
            )
            if runtime.output.is_terminal and not leave:
                say(runtime.errors, ours("Serving on at "), shown(Untrusted(stack.page)), ours(" until Ctrl-C."))
                await _serve(runtime, stack)
        return code

    run(main)


async def _demo_batch(runtime: Runtime, stack: LocalStack, *, dry_run: bool, as_json: bool) -> int:
    """Submit the demo's issues and show them to the end; returns the exit code."""
    files = await _demo_files(runtime)
    issues = ",".join(map(str, files.issue_numbers))
    request = build_request(
        files.repository, BatchOptions(issues=issues, concurrency=DEMO_CONCURRENCY, dry_run=dry_run, force=list(AGAIN))
    )
    async with coordinator(runtime.settings, target=stack.coordinator_target) as client:
        return await follow(client.submit(request), choose_view(runtime.output, as_json=as_json), errors=runtime.errors)


async def _demo_files(runtime: Runtime) -> DemoFiles:
    """Fetch what the simulators show: once, then from the cache.

    Raises:
        CliError: the package index is out of reach and the cache is empty.
    """
    try:
        return await asyncio.to_thread(prepare, runtime.settings.data_dir / "cache")
    except OSError as error:
        raise CliError(f"cannot prepare the demo repository: {error}", exit_code=EXIT_UNAVAILABLE) from error


def _forget_last_run(data_dir: Path) -> None:
    """Remove the last demo's state, so that each run starts with the same five open issues; caches stay."""
    for name in ("valkey", "github"):
        shutil.rmtree(data_dir / name, ignore_errors=True)


@asynccontextmanager
async def _running(runtime: Runtime, options: StackOptions) -> AsyncIterator[LocalStack]:
    """Run the stack; where GitHub is simulated it hosts the demo repository."""

    def announce(text: str) -> None:
        say(runtime.errors, ours("starting ", style="dim"), shown(Untrusted(text), style="dim"))

    if options.simulate or runtime.settings.github_token is None:
        files = await _demo_files(runtime)
        options = replace(options, seed=files.seed, scenarios=files.scenarios)
        _install_repository_config(files, options.data_dir)
    async with local_stack(runtime.settings, options, inherited=runtime.environment, announce=announce) as stack:
        yield stack


def _install_repository_config(files: DemoFiles, data_dir: Path) -> None:
    """Put the demo repository's test command where an operator would; one that is there stays."""
    target = data_dir / "repositories" / f"{files.repository}.yaml"
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists() or data_dir.name == "demo":
        shutil.copyfile(files.repository_config, target)


def _say_where(runtime: Runtime, stack: LocalStack) -> None:
    """Say what runs where, and what is simulated."""
    if stack.simulated:
        say(runtime.errors, shown(Untrusted(f"simulated: {' and '.join(stack.simulated)}"), style="yellow"))
    say(runtime.errors, ours("page         "), shown(Untrusted(stack.page)))
    if stack.options.identity:
        token = stack.options.identities.token_file("operator")
        file = shown(Untrusted(str(token)))
        say(runtime.errors, ours("your token   "), file, ours(": export MIYABI_TOKEN_FILE="), file)
    say(runtime.errors, ours("coordinator  "), shown(Untrusted(stack.coordinator_target)), ours(" (gRPC, reflection)"))
    say(runtime.errors, ours("measurements "), shown(Untrusted(stack.dashboard_target)), ours(" (gRPC, reflection)"))
    if stack.options.ports != Ports():
        others = (
            ("MIYABI_COORDINATOR", stack.coordinator_target), ("MIYABI_DASHBOARD", stack.dashboard_target),
            ("MIYABI_DASHBOARD_URL", stack.page),
        )  # fmt: skip
        words = " ".join(f"{name}={value}" for name, value in others)
        say(runtime.errors, ours("commands need  export "), shown(Untrusted(words)))


async def _with_supervision(runtime: Runtime, stack: LocalStack, work: Callable[[], Awaitable[int]]) -> int:
    """Do *work* while ended processes are started again."""
    code = EXIT_OK

    async def working() -> None:
        nonlocal code
        code = await work()
        raise _WorkDoneError

    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(supervise(stack, announce=_announcer(runtime)))
            tasks.create_task(working())
    except* _WorkDoneError:
        pass
    except* CliError as group:
        raise group.exceptions[0] from group
    return code


async def _serve(runtime: Runtime, stack: LocalStack) -> None:
    """Keep the stack running until SIGINT or SIGTERM."""

    async def wait() -> int:
        await until_interrupted()
        return EXIT_OK

    await _with_supervision(runtime, stack, wait)


def _announcer(runtime: Runtime) -> Callable[[str], None]:
    """Return what says that a process was started again."""
    return lambda text: say(runtime.errors, shown(Untrusted(text), style="yellow"))


class _WorkDoneError(Exception):
    """Ends the supervision beside the work."""
