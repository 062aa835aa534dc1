"""`miyabi show`: what became of one issue and why, to the end of what its tests printed."""

from __future__ import annotations

from typing import Annotated

import typer
from google.protobuf.json_format import MessageToDict

from miyabi.coordinator.v1.state_pb2 import RunState
from miyabi_cli.client import batch_name, coordinator
from miyabi_cli.run_view import show_run
from miyabi_cli.runtime import Runtime, run
from miyabi_cli.terminal import json_line, ours, say, shown
from miyabi_core.text import Untrusted


def show(
    batch: Annotated[str, typer.Argument(help="batches/ULID, the ULID, or latest.")],
    issue: Annotated[int, typer.Argument(min=1, help="Number of the issue.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="The run as one JSON object, for machines.")] = False,
) -> None:
    """Show how one issue stands and why: its verdict, environment, runs, and the end of their output."""
    name = batch_name(batch)

    async def main(runtime: Runtime) -> int:
        async with coordinator(runtime.settings) as client:
            found = await client.resolve(name)
            seen = await client.run(found, issue)
        if as_json:
            runtime.print_line(json_line(MessageToDict(seen, preserving_proto_field_name=True)))
            return 0
        show_run(runtime.output, seen)
        if seen.state == RunState.RUN_STATE_AWAITING_APPROVAL:
            how = shown(Untrusted(f"miyabi approve {found}"))
            say(runtime.output, ours("  approve or decline with: "), how, ours(" {}", issue))
        return 0

    run(main)
