"""`miyabi approve`: a person's word on a change that waits for one."""

from __future__ import annotations

from typing import Annotated

import typer

from miyabi.coordinator.v1.state_pb2 import RunState
from miyabi_cli.asking.arguments import Batch, Issue, Json
from miyabi_cli.calling.wire import json_of
from miyabi_cli.client import CoordinatorClient, batch_name, talk
from miyabi_cli.runtime import Runtime
from miyabi_cli.showing.evidence_view import show_reasons
from miyabi_cli.terminal import ours, say, shown
from miyabi_core.text import Untrusted


def approve(
    batch: Batch,
    issue: Issue,
    *,
    decline: Annotated[
        bool, typer.Option("--decline", help="Fail the issue rather than open the pull request.")
    ] = False,
    comment: Annotated[str, typer.Option(help="For the log; at most 2,000 characters.")] = "",
    as_json: Json = False,
) -> None:
    """Approve or decline a change that waits for a person; `miyabi show` tells more of it. Takes an operator."""
    name = batch_name(batch)

    async def main(runtime: Runtime, client: CoordinatorClient) -> int:
        found = await client.resolve(name)
        decided = await client.resolve_approval(found, issue, approved=not decline, comment=comment)
        if as_json:
            runtime.print_line(json_of(decided))
            return 0
        state = RunState.Name(decided.state).removeprefix("RUN_STATE_").lower().replace("_", " ")
        word = ours("declined") if decline else ours("approved")
        say(runtime.output, shown(Untrusted(found)), ours(" #{} ", issue), word, ours(": "), shown(Untrusted(state)))
        show_reasons(runtime.output, decided.verification.approval_reasons)
        return 0

    talk(main)
