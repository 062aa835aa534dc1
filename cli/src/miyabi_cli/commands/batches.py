"""Commands on batches: submit, watch, batches, cancel, label."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer
from google.protobuf.json_format import MessageToDict
from rich.table import Table

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.batch_pb2 import Batch
from miyabi.coordinator.v1.state_pb2 import BatchState
from miyabi_cli.client import CALL_TIMEOUT, batch_name, coordinator
from miyabi_cli.following import follow
from miyabi_cli.problems import AGAIN, ProblemsError, complete_kinds, overrulable
from miyabi_cli.request import BatchOptions, build_request
from miyabi_cli.results import USD_MICROS
from miyabi_cli.runtime import Runtime, run
from miyabi_cli.terminal import json_line, ours, row, say, say_table, shown
from miyabi_cli.views import BatchView, choose_view
from miyabi_core.text import Untrusted

Json = Annotated[bool, typer.Option("--json", help="One JSON object a line, for machines.")]
Force = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KIND",
        autocompletion=complete_kinds,
        help=f"Go on although a problem of this kind stands; repeat for more. KIND is {', '.join(overrulable())}.",
    ),
]
Repository = Annotated[str, typer.Argument(metavar="OWNER/REPO", help="Repository on GitHub.")]


def submit(  # noqa: PLR0917 - typer reads the parameters as options
    repository: Repository,
    issues: Annotated[str, typer.Option(help="Numbers and ranges: 60,61,70-75.")] = "",
    query: Annotated[str, typer.Option(help="Search text instead of numbers, in GitHub's syntax.")] = "",
    label: Annotated[
        list[str] | None, typer.Option(help="With or instead of --query: labels that an issue must carry.")
    ] = None,
    pipeline: Annotated[str, typer.Option(help="triage, fix or review.")] = "fix",
    concurrency: Annotated[int, typer.Option(help="Issues in flight at once, 1 to 1000; 0: 3.")] = 0,
    budget_usd: Annotated[float, typer.Option(help="Limit on model money for the batch; 0: none.")] = 0.0,
    issue_budget_usd: Annotated[float, typer.Option(help="Limit on model money for each issue; 0: none.")] = 0.0,
    task_budget_usd: Annotated[
        float, typer.Option(help="Limit on model money for each attempt of a task; 0: none.")
    ] = 0.0,
    budget_tokens: Annotated[int, typer.Option(help="Limit on model tokens for the batch; 0: none.")] = 0,
    priority: Annotated[int, typer.Option(help="-100 (last) to 100 (first).")] = 0,
    base: Annotated[str, typer.Option(help="Branch that changes start from; default: the repository's.")] = "",
    request_id: Annotated[str, typer.Option(help="ULID or UUID; the same id re-attaches to the same batch.")] = "",
    force: Force = None,
    *,
    again: Annotated[
        bool, typer.Option("--again", help="The same as --force pull-request-open --force issue-in-batch.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Do everything but write; says what it would do.")] = False,
    approve: Annotated[bool, typer.Option("--approve", help="Wait for a person before each pull request.")] = False,
    no_grouping: Annotated[
        bool, typer.Option("--no-grouping", help="Work on duplicates too; same files or not, wait for none.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Hand over issues and watch them come back; Ctrl-C stops watching, not the batch."""
    options = BatchOptions(
        issues, query, label or [], pipeline, concurrency, budget_usd, issue_budget_usd,
        task_budget_usd, budget_tokens, priority, dry_run, approve, base, request_id,
        force=[*(force or []), *(AGAIN if again else ())], no_grouping=no_grouping,
    )  # fmt: skip
    request = build_request(repository, options)

    async def main(runtime: Runtime) -> int:
        return await _submitted(runtime, request, choose_view(runtime.output, as_json=as_json), as_json=as_json)

    run(main)


async def _submitted(runtime: Runtime, request: pb.SubmitBatchRequest, view: BatchView, *, as_json: bool) -> int:
    """Submit and follow to the end; returns the exit code.

    Raises:
        CliError: the batch was refused, or the coordinator is out of reach; machines get a refusal as an object.
    """
    async with coordinator(runtime.settings) as client:
        try:
            return await follow(client.submit(request), view, errors=runtime.errors)
        except ProblemsError as error:
            if not as_json:
                raise
            runtime.print_line(json_line(error.as_dict()))
            return error.exit_code


def watch(
    batch: Annotated[str, typer.Argument(help="batches/ULID, the ULID, or latest.")],
    after: Annotated[int, typer.Option(min=0, help="Last sequence that was seen.")] = 0,
    *,
    as_json: Json = False,
) -> None:
    """Show a batch's events from any point to the end; works after the end too."""
    name = batch_name(batch)

    async def main(runtime: Runtime) -> int:
        async with coordinator(runtime.settings) as client:
            found = await client.resolve(name)
            view = choose_view(runtime.output, as_json=as_json)
            ended = partial(client.results, found)
            return await follow(client.watch(found, after=after), view, errors=runtime.errors, ended=ended)

    run(main)


def batches(*, limit: Annotated[int, typer.Option(min=1, max=500)] = 50, as_json: Json = False) -> None:
    """List batches, newest first."""

    async def main(runtime: Runtime) -> int:
        async with coordinator(runtime.settings) as client:
            request = pb.ListBatchesRequest(page_size=limit)
            answer = await client.call(client.stub.ListBatches(request, timeout=CALL_TIMEOUT.total_seconds()))
        if as_json:
            for entry in answer.batches:
                runtime.print_line(json_line(MessageToDict(entry, preserving_proto_field_name=True)))
        else:
            say_table(runtime.output, _table(list(answer.batches)))
        return 0

    run(main)


def cancel(
    batch: Annotated[str, typer.Argument(help="batches/ULID, the ULID, or latest.")],
    reason: Annotated[str, typer.Option(help="For the log.")] = "",
) -> None:
    """End a batch; what leased tasks have done so far stays, pull requests too."""
    name = batch_name(batch)

    async def main(runtime: Runtime) -> int:
        async with coordinator(runtime.settings) as client:
            request = pb.CancelBatchRequest(name=await client.resolve(name), reason=reason)
            answer = await client.call(client.stub.CancelBatch(request, timeout=CALL_TIMEOUT.total_seconds()))
        say(runtime.output, shown(Untrusted(answer.batch.name)), ours(" "), shown(Untrusted(_state(answer.batch))))
        return 0

    run(main)


def label(
    owner: Annotated[str, typer.Argument(help="Owner of the repository.")],
    repository: Annotated[str, typer.Argument(metavar="REPO", help="Its name.")],
    number: Annotated[int, typer.Argument(min=1, help="Number of the issue.")],
    *,
    force: Force = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say the labels, set none.")] = False,
    as_json: Json = False,
) -> None:
    """Triage one issue and label it; the analysis streams while it is written."""
    options = BatchOptions(issues=str(number), pipeline="triage", dry_run=dry_run, force=force or [])
    request = build_request(f"{owner}/{repository}", options)

    async def main(runtime: Runtime) -> int:
        view = choose_view(runtime.output, as_json=True) if as_json else runtime.triage_view()
        return await _submitted(runtime, request, view, as_json=as_json)

    run(main)


def _state(batch: Batch) -> str:
    """Return a batch's state as a lower-case word."""
    return BatchState.Name(batch.state).removeprefix("BATCH_STATE_").lower()


def _table(entries: list[Batch]) -> Table:
    """Return the table of batches."""
    table = Table(header_style="bold")
    for name in ("batch", "repository", "state", "issues", "done", "failed", "cost", "created"):
        table.add_column(name, overflow="fold")
    for batch in entries:
        counters = batch.counters
        row(
            table,
            shown(Untrusted(batch.name)),
            shown(Untrusted(batch.spec.repository)),
            shown(Untrusted(_state(batch) + (" (simulated)" if batch.simulated else ""))),
            ours("{}", counters.total),
            ours("{}", counters.succeeded),
            ours("{}", counters.failed + counters.skipped),
            ours("${:.4f}", batch.spent.cost_usd_micros / USD_MICROS),
            shown(Untrusted(batch.create_time.ToDatetime().isoformat(sep=" ", timespec="seconds"))),
        )
    return table
