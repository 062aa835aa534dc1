"""`miyabi retry`: issues of a failed batch that did not succeed run again."""

from __future__ import annotations

from typing import Annotated

import typer

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi_cli.asking.arguments import Batch, Json
from miyabi_cli.asking.changing import change_batch
from miyabi_cli.asking.completion import complete_issues
from miyabi_cli.asking.request import parse_issues


def retry(
    batch: Batch,
    issues: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ISSUE",
            help="Only these issues: 60 61 or 60,61,70-75; default: all that failed or were skipped.",
            autocompletion=complete_issues,
        ),
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Run the failed and skipped issues of a failed batch again, from their beginning, with what they depend on."""
    numbers = [number for part in issues or () for number in parse_issues(part, option="ISSUES")]
    change_batch(batch, pb.RetryBatchRequest(issue_numbers=numbers), as_json=as_json, then="watch")
