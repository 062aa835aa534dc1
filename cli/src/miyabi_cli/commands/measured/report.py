"""`miyabi report`: what was measured of a batch or of a period, or of two batches side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from miyabi_cli.asking.arguments import LARGEST_ISSUE, Json
from miyabi_cli.asking.completion import complete_agents, complete_batches
from miyabi_cli.calling.telemetry import Asked, TelemetryClient, telemetry
from miyabi_cli.calling.wire import json_of
from miyabi_cli.client import batch_name, coordinator
from miyabi_cli.errors import CliError
from miyabi_cli.report.comparison import Pair, comparison_json, comparison_of
from miyabi_cli.report.contents import report_of
from miyabi_cli.report.in_html import html_of
from miyabi_cli.report.in_markdown import markdown_of
from miyabi_cli.report.model import Report
from miyabi_cli.report.on_terminal import show_report, text_of
from miyabi_cli.runtime import Runtime, run
from miyabi_cli.terminal import json_line, ours, say, shown
from miyabi_core.text import Untrusted

#: The period of a report that names neither a batch nor one.
SINCE = "7d"


class Format(StrEnum):
    """How a report is written."""

    TERMINAL = "terminal"
    MARKDOWN = "markdown"
    JSON = "json"
    HTML = "html"


MaybeBatch = Annotated[
    str,
    typer.Argument(
        metavar="BATCH",
        help="batches/ULID, the ULID, or latest; default: a period.",
        autocompletion=complete_batches,
    ),
]

OneAgent = Annotated[str, typer.Option(help="Only what this agent did, by its id.", autocompletion=complete_agents)]

Compared = Annotated[
    tuple[str, str] | None,
    typer.Option(metavar="A B", help="Two batches side by side.", autocompletion=complete_batches),
]


@dataclass(frozen=True)
class Forms:
    """A report for people, and for machines; made when one of them is wanted."""

    report: Callable[[], Report]
    json: Callable[[], str]


def report(  # noqa: PLR0917 - typer reads the parameters as options
    batch: MaybeBatch = "",
    since: Annotated[str, typer.Option(help=f"The last so long, of all batches: 7d, 12h; default: {SINCE}.")] = "",
    issue: Annotated[int, typer.Option(min=0, max=LARGEST_ISSUE, help="Only this issue of BATCH; 0: all.")] = 0,
    repository: Annotated[str, typer.Option(help="Of a period: only batches of this OWNER/REPO.")] = "",
    model: Annotated[str, typer.Option(help="Only calls of this model.")] = "",
    agent: OneAgent = "",
    *,
    compare: Compared = None,
    format_: Annotated[Format, typer.Option("--format", help="How it is written.")] = Format.TERMINAL,
    out: Annotated[Path | None, typer.Option(help="File for it rather than the output.")] = None,
    as_json: Json = False,
) -> None:
    """Say what was measured of a batch, of a period, or of two batches side by side.

    Totals, success, cost, tokens and the cache's share, time by step, the critical path, bottlenecks, what would help,
    what failed and why, tests by turns, and GitHub's limits.
    """
    if compare is not None and any((batch, since, issue, repository, model, agent)):
        raise CliError("--compare A B takes no other batch, period or filter", hint="give the two batches alone")
    if batch and since:
        raise CliError("give BATCH or --since, not both: the report of a batch is whole")
    if as_json and format_ not in {Format.TERMINAL, Format.JSON}:
        raise CliError(f"--json is --format json; not together with --format {format_}", hint="give one of them")
    how = Format.JSON if as_json else format_
    names = [batch_name(name) for name in (compare or (batch,)) if name]
    asked = Asked(
        since=since or SINCE, repository=repository, model=model, agent=agent.removeprefix("agents/"), issue=issue
    )

    async def main(runtime: Runtime) -> int:
        found = await _resolved(runtime, names)
        async with telemetry(runtime.caller) as client:
            wanted = replace(asked, batch=found[0] if found else "")
            forms = await (_compared(client, found) if compare is not None else _measured(client, wanted))
        _write(runtime, forms, how=how, out=out)
        return 0

    run(main)


async def _measured(client: TelemetryClient, wanted: Asked) -> Forms:
    """Ask for one report."""
    answer = await client.report(wanted)
    return Forms(lambda: report_of(answer, about=wanted.about, filters=wanted.filters), lambda: json_of(answer))


async def _compared(client: TelemetryClient, names: list[str]) -> Forms:
    """Ask for the reports of two batches."""
    before, after = names
    pair: Pair = (await client.report(Asked(before)), await client.report(Asked(after)))
    return Forms(
        lambda: comparison_of(pair, (before, after)), lambda: json_line(comparison_json(pair, (before, after)))
    )


async def _resolved(runtime: Runtime, names: list[str]) -> list[str]:
    """Return batches' names; only `latest` has to be asked for."""
    if not names:
        return []
    async with coordinator(runtime.caller) as client:
        return [await client.resolve(name) for name in names]


def _write(runtime: Runtime, forms: Forms, *, how: Format, out: Path | None) -> None:
    """Write a report in its format, to the output or to a file.

    Raises:
        CliError: the file cannot be written.
    """
    if how is Format.TERMINAL and out is None:
        show_report(runtime.output, forms.report())
        return
    text = _text(forms, how)
    if out is None:
        runtime.print_line(text.rstrip("\n"))
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CliError(f"{out}: {error.strerror}") from error
    say(runtime.errors, ours("written to "), shown(Untrusted(str(out))))


def _text(forms: Forms, how: Format) -> str:
    """Return a report as a file holds it."""
    if how is Format.JSON:
        return forms.json() + "\n"
    write = {Format.HTML: html_of, Format.MARKDOWN: markdown_of, Format.TERMINAL: text_of}[how]
    return write(forms.report())
