"""`miyabi label`: triage of one issue, its analysis streamed."""

from __future__ import annotations

from typing import Annotated

import typer

from miyabi_cli.asking.arguments import LARGEST_ISSUE, Json
from miyabi_cli.asking.request import BatchOptions, build_request
from miyabi_cli.commands.batch.submit import Force, submitted
from miyabi_cli.runtime import Runtime, run
from miyabi_cli.showing.triage_view import TriageView
from miyabi_cli.showing.views import choose_view


def label(
    owner: Annotated[str, typer.Argument(metavar="OWNER", help="Owner of the repository.")],
    repository: Annotated[str, typer.Argument(metavar="REPO", help="Its name.")],
    number: Annotated[int, typer.Argument(metavar="ISSUE", min=1, max=LARGEST_ISSUE, help="Number of the issue.")],
    *,
    force: Force = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say the labels, set none.")] = False,
    as_json: Json = False,
) -> None:
    """Triage one issue and label it; the analysis streams while it is written."""
    options = BatchOptions(issues=str(number), pipeline="triage", dry_run=dry_run, force=force or [])
    request = build_request(f"{owner}/{repository}", options)

    async def main(runtime: Runtime) -> int:
        view = choose_view(runtime.output, as_json=True) if as_json else TriageView(runtime.output)
        return await submitted(runtime, request, view, as_json=as_json)

    run(main)
