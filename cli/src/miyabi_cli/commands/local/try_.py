"""`miyabi try`: takes a checkout through the whole pipeline on this machine, with no account."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from miyabi.coordinator.v1.batch_pb2 import IssueRun
from miyabi.coordinator.v1.event_pb2 import BatchEvent
from miyabi.coordinator.v1.state_pb2 import RunState
from miyabi_agents.errors import AgentError
from miyabi_agents.sandbox.removal import remove_tree
from miyabi_cli.asking.request import BatchOptions, build_request
from miyabi_cli.calling.following import follow
from miyabi_cli.client import CoordinatorClient, coordinator
from miyabi_cli.errors import EXIT_ISSUE_FAILED, CliError
from miyabi_cli.runtime import Runtime, run
from miyabi_cli.showing.views import choose_view
from miyabi_cli.stack.local import local_stack
from miyabi_cli.terminal import commit, ours, say, shown
from miyabi_cli.trial.checkout import Checkout, find
from miyabi_cli.trial.issue import TrialIssue, read_issue
from miyabi_cli.trial.outcome import keep, show_outcome
from miyabi_cli.trial.place import private_folder
from miyabi_cli.trial.stage import ISSUE, Stage, environment_of, set_stage, settings_of
from miyabi_core.text import Untrusted

#: Most that a trial spends on the model unless told otherwise: a fix costs cents, and nothing is to surprise anybody.
DEFAULT_BUDGET_USD = 5.0


def try_(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="Checkout on this machine; its newest commit counts.")],
    issue: Annotated[str, typer.Option(help="What is to be done: a file, or the text itself.")],
    *,
    title: Annotated[str, typer.Option(help="Title of the issue; default: the first line.")] = "",
    data: Annotated[Path | None, typer.Option(help="Folder for the result; default: below your data folder.")] = None,
    scenarios: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="What the simulated model answers, as YAML files.")
    ] = None,
    budget_usd: Annotated[float, typer.Option(min=0, help="Limit on model money; 0: none.")] = DEFAULT_BUDGET_USD,
    keep_stack: Annotated[bool, typer.Option("--keep", help="Keep the throw-away system's logs and state.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, for machines.")] = False,
) -> None:
    """Take an issue of a checkout to a branch, on a simulated GitHub: no account, and the checkout stays as it is.

    What leaves this machine are calls of the model, where ANTHROPIC_API_KEY is set, and downloads of packages.
    """

    async def main(runtime: Runtime) -> int:
        wanted = await asyncio.to_thread(read_issue, issue, title)
        checkout = await find(path)
        folder = await asyncio.to_thread(_folder, runtime, checkout, data)
        _say_first(runtime, checkout, scenarios=scenarios)
        request = BatchOptions(issues=str(ISSUE), budget_usd=budget_usd)
        try:
            stage = await _staged(checkout, wanted, folder=folder, scenarios=scenarios)
            code, seen = await _play(runtime, stage, request, as_json=as_json)
            outcome = await keep(stage, seen, folder=folder)
        finally:
            if not keep_stack:
                await asyncio.shield(asyncio.to_thread(_clean, folder, mine=data is None))
        show_outcome(runtime.errors if as_json else runtime.output, seen, outcome)
        return code

    run(main)


def _folder(runtime: Runtime, checkout: Checkout, data: Path | None) -> Path:
    """Make the folder of the result.

    Raises:
        CliError: it cannot be made, or holds something.
    """
    try:
        if data is None:
            name = checkout.repository.rpartition("/")[2]
            prefix = f"{name}-{datetime.now(UTC):%Y%m%d-%H%M%S}-"
            return private_folder(runtime.settings.data_dir / "trials", prefix=prefix)
        data.mkdir(parents=True, exist_ok=True)
        if any(data.iterdir()):
            raise CliError(f"--data: {data} is not empty")
        return data.resolve()
    except OSError as error:
        raise CliError(f"no folder for the result can be made: {error}") from error


def _clean(folder: Path, *, mine: bool) -> None:
    """Remove the throw-away system, and the folder that was made for a result where there is none."""
    remove_tree(folder / "stack")
    if mine:
        with suppress(OSError):
            folder.rmdir()


async def _staged(checkout: Checkout, wanted: TrialIssue, *, folder: Path, scenarios: Path | None) -> Stage:
    """Set the stage.

    Raises:
        CliError: git cannot copy the checkout, or the disk is full.
    """
    chosen = await asyncio.to_thread(scenarios.resolve) if scenarios is not None else None
    try:
        return await set_stage(checkout, wanted, data_dir=folder / "stack", scenarios=chosen)
    except (AgentError, OSError) as error:
        raise CliError(f"the checkout cannot be copied: {error}", exit_code=EXIT_ISSUE_FAILED) from error


def _say_first(runtime: Runtime, checkout: Checkout, *, scenarios: Path | None) -> None:
    """Say what is tried, what is left out, and who answers as the model."""
    where, sha = shown(Untrusted(str(checkout.path))), commit(Untrusted(checkout.sha))
    say(runtime.errors, ours("trying "), where, ours(" at "), sha, ours(", on a simulated GitHub"))
    if checkout.uncommitted:
        count = len(checkout.uncommitted)
        say(runtime.errors, ours("left out: {} paths that are not committed", count, style="yellow"))
    if checkout.shallow:
        say(runtime.errors, ours("the clone is shallow: the branch starts from a copy of its commit", style="yellow"))
    if runtime.settings.anthropic_api_key:
        say(runtime.errors, ours("the model is real: its calls leave this machine"))
    elif scenarios is not None:
        say(runtime.errors, ours("the model is simulated: it answers what --scenarios says", style="yellow"))
    else:
        words = ours(
            "the model is simulated and knows nothing of this issue, so no change will be made: the issue is triaged, "
            "the tests of the repository are run, and it ends there; set ANTHROPIC_API_KEY, or give --scenarios",
            style="yellow",
        )
        say(runtime.errors, words)


async def _play(runtime: Runtime, stage: Stage, options: BatchOptions, *, as_json: bool) -> tuple[int, IssueRun]:
    """Run the pipeline on a stack of its own; returns the exit code and how the issue ended.

    Raises:
        CliError: the stack does not start, or ends.
    """
    request = build_request(stage.checkout.repository, options)
    view = choose_view(runtime.output, as_json=as_json, stays=False)
    inherited = environment_of(runtime.environment, runtime.settings.data_dir, stage.checkout)

    def announce(text: str) -> None:
        say(runtime.errors, ours("starting ", style="dim"), shown(Untrusted(text), style="dim"))

    batch = ""
    async with (
        local_stack(settings_of(runtime.settings), stage.options, inherited=inherited, announce=announce) as stack,
        coordinator(runtime.settings, target=stack.coordinator_target) as client,
    ):

        async def events() -> AsyncIterator[BatchEvent]:
            nonlocal batch
            async for event in client.submit(request):
                batch = event.batch
                await approve_waiting(client, event)
                yield event

        # Nobody can look again: hanging up ends this batch's system.
        code = await follow(events(), view, errors=Console(file=io.StringIO()))
        return code, await client.run(batch, ISSUE)


async def approve_waiting(client: CoordinatorClient, event: BatchEvent) -> None:
    """Approve what waits for a person: the pull request is a simulated one, and the evidence names the reasons."""
    changed = event.HasField("run_state_changed")
    if changed and event.run_state_changed.to_state == RunState.RUN_STATE_AWAITING_APPROVAL:
        await client.resolve_approval(event.batch, ISSUE, approved=True, comment="a trial on a simulated GitHub")
