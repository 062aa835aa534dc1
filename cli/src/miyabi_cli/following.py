"""Follows a batch to its end and turns its results into an exit code."""

from __future__ import annotations

from collections.abc import AsyncIterator

from rich.console import Console

from miyabi.coordinator.v1.event_pb2 import BatchEvent
from miyabi.coordinator.v1.state_pb2 import RunState
from miyabi_cli.errors import EXIT_ISSUE_FAILED, EXIT_OK, EXIT_UNAVAILABLE, CliError
from miyabi_cli.views import BatchView


async def follow(events: AsyncIterator[BatchEvent], view: BatchView, *, errors: Console) -> int:
    """Show *events* until the batch ends; returns the exit code.

    When the person hangs up, says how to look again: the batch goes on without a watcher.

    Raises:
        CliError: the stream ended before the batch did.
    """
    name, sequence, finished = "", 0, False
    try:
        with view:
            async for event in events:
                name, sequence = event.batch, max(sequence, event.sequence)
                view.show(event)
                if event.HasField("batch_finished"):
                    finished = True
                    results = event.batch_finished.results
                    view.finish(results)
                    good = all(result.state == RunState.RUN_STATE_SUCCEEDED for result in results)
                    return EXIT_OK if good else EXIT_ISSUE_FAILED
    finally:
        if name and not finished:
            errors.print(f"{name} goes on; look again with: miyabi watch {name} --after {sequence}", markup=False)
    raise CliError("the event stream ended before the batch did", exit_code=EXIT_UNAVAILABLE)
