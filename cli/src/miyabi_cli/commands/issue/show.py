"""`miyabi show`: what became of one issue and why, to the end of what its tests printed."""

from __future__ import annotations

from collections.abc import Iterable

from miyabi.coordinator.v1.batch_pb2 import IssueRun
from miyabi.coordinator.v1.state_pb2 import RunState
from miyabi_cli.asking.arguments import Batch, Every, Issue, Json, Watch
from miyabi_cli.calling.wire import json_of
from miyabi_cli.client import CoordinatorClient, batch_name, talk
from miyabi_cli.runtime import Runtime
from miyabi_cli.showing.run_view import field, show_run
from miyabi_cli.showing.watching import EVERY, Seen, shown_once_or_watched
from miyabi_cli.terminal import ours, say, shown
from miyabi_core.text import Untrusted


def show(batch: Batch, issue: Issue, *, watch: Watch = False, every: Every = EVERY, as_json: Json = False) -> None:
    """Show how one issue stands and why: its verdict, environment, runs, and the end of their output."""
    name = batch_name(batch)

    async def main(runtime: Runtime, client: CoordinatorClient) -> int:
        found = await client.resolve(name)
        not_known = await client.not_known(found)

        async def look() -> Seen:
            seen = await client.run(found, issue)
            return Seen(
                (json_of(seen),), lambda: _show(runtime, found, seen, not_known), over=seen.HasField("end_time")
            )

        return await shown_once_or_watched(runtime, look, as_json=as_json, watch=watch, every=every)

    talk(main)


def _show(runtime: Runtime, batch: str, seen: IssueRun, not_known: Iterable[str]) -> None:
    """Print a run, what was not known of its batch, and what it waits for."""
    show_run(runtime.output, seen)
    for words in not_known:
        field(runtime.output, ours("not known of the batch"), shown(Untrusted(words), style="yellow"))
    if seen.state == RunState.RUN_STATE_AWAITING_APPROVAL:
        how = shown(Untrusted(f"miyabi approve {batch}"))
        say(runtime.output, ours("  approve or decline with: "), how, ours(" {}", seen.issue_number))
