"""`miyabi submit`: hands issues over and follows them to the end."""

from __future__ import annotations

from typing import Annotated

import typer

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi_cli.asking.arguments import Json
from miyabi_cli.asking.request import BatchOptions, build_request
from miyabi_cli.asking.request_file import read_request
from miyabi_cli.calling.following import follow
from miyabi_cli.calling.problems import AGAIN, ProblemsError, complete_kinds, overrulable
from miyabi_cli.client import coordinator
from miyabi_cli.errors import CliError
from miyabi_cli.runtime import Runtime, run
from miyabi_cli.showing.views import BatchView, choose_view
from miyabi_cli.terminal import json_line

Force = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KIND",
        autocompletion=complete_kinds,
        help=f"Go on although a problem of this kind stands; repeat for more. KIND is {', '.join(overrulable())}.",
    ),
]
Repository = Annotated[str, typer.Argument(metavar="OWNER/REPO", help="Repository on GitHub.", show_default=False)]
FromFile = Annotated[
    str, typer.Option(metavar="FILE", help="JSON or YAML of SubmitBatchRequest rather than options; -: standard input.")
]
Labels = Annotated[list[str] | None, typer.Option(help="With or instead of --query: labels that an issue must carry.")]
TaskBudget = Annotated[float, typer.Option(help="Limit on model money for each attempt of a task; 0: none.")]
TokenBudget = Annotated[int, typer.Option(min=0, max=10**12, help="Limit on model tokens for the batch; 0: none.")]
Again = Annotated[bool, typer.Option("--again", help="The same as --force pull-request-open --force issue-in-batch.")]
NoGrouping = Annotated[
    bool, typer.Option("--no-grouping", help="Work on duplicates too; same files or not, wait for none.")
]
#: Options that go with `--from-file`: they say how to show, not what to do.
BESIDE_A_FILE = frozenset({"from_file", "as_json", "ctx"})


def submit(  # noqa: PLR0917 - typer reads the parameters as options
    ctx: typer.Context,
    repository: Repository = "",
    issues: Annotated[str, typer.Option(help="Numbers and ranges: 60,61,70-75.")] = "",
    query: Annotated[str, typer.Option(help="Search text instead of numbers, in GitHub's syntax.")] = "",
    label: Labels = None,
    pipeline: Annotated[str, typer.Option(help="triage, fix or review.")] = "fix",
    concurrency: Annotated[int, typer.Option(min=0, max=1000, help="Issues in flight at once, 1 to 1000; 0: 3.")] = 0,
    budget_usd: Annotated[float, typer.Option(help="Limit on model money for the batch; 0: none.")] = 0.0,
    issue_budget_usd: Annotated[float, typer.Option(help="Limit on model money for each issue; 0: none.")] = 0.0,
    task_budget_usd: TaskBudget = 0.0,
    budget_tokens: TokenBudget = 0,
    priority: Annotated[int, typer.Option(min=-100, max=100, help="-100 (last) to 100 (first).")] = 0,
    base: Annotated[str, typer.Option(help="Branch that changes start from; default: the repository's.")] = "",
    request_id: Annotated[str, typer.Option(help="ULID or UUID; the same id re-attaches to the same batch.")] = "",
    force: Force = None,
    from_file: FromFile = "",
    *,
    again: Again = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Do everything but write; says what it would do.")] = False,
    approve: Annotated[bool, typer.Option("--approve", help="Wait for a person before each pull request.")] = False,
    no_grouping: NoGrouping = False,
    as_json: Json = False,
) -> None:
    """Hand over issues and watch them come back; Ctrl-C stops watching, not the batch."""
    if from_file:
        _check_alone(ctx)
        request = read_request(from_file)
    else:
        options = BatchOptions(
            issues, query, label or [], pipeline, concurrency, budget_usd, issue_budget_usd,
            task_budget_usd, budget_tokens, priority, dry_run, approve, base, request_id,
            force=[*(force or []), *(AGAIN if again else ())], no_grouping=no_grouping,
        )  # fmt: skip
        request = build_request(repository, options)

    async def main(runtime: Runtime) -> int:
        return await submitted(runtime, request, choose_view(runtime.output, as_json=as_json), as_json=as_json)

    run(main)


def _check_alone(ctx: typer.Context) -> None:
    """Refuse options beside a file, which says everything: none is dropped in silence.

    Raises:
        CliError: there are some; each is named.
    """
    given = [
        param.opts[0] if str(param.opts[0]).startswith("-") else str(param.metavar)
        for param in ctx.command.params
        if param.name not in BESIDE_A_FILE and _was_typed(ctx, str(param.name))
    ]
    if given:
        raise CliError(
            f"--from-file holds the whole request; not together with {', '.join(given)}", hint="say it in the file"
        )


def _was_typed(ctx: typer.Context, name: str) -> bool:
    """Tell whether a parameter stands on the command line."""
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


async def submitted(runtime: Runtime, request: pb.SubmitBatchRequest, view: BatchView, *, as_json: bool) -> int:
    """Submit and follow to the end; returns the exit code.

    Raises:
        CliError: the batch was refused, or the coordinator is out of reach; machines get a refusal as an object.
    """
    async with coordinator(runtime.caller) as client:
        try:
            return await follow(client.submit(request), view, errors=runtime.errors)
        except ProblemsError as error:
            if not as_json:
                raise
            runtime.print_line(json_line(error.as_dict()))
            return error.exit_code
