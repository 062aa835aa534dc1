"""Follows a batch to its end and turns its results into an exit code."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

from rich.console import Console

from miyabi.coordinator.v1.event_pb2 import BatchEvent
from miyabi.coordinator.v1.result_pb2 import IssueResult
from miyabi.coordinator.v1.state_pb2 import FailureReason, RunState
from miyabi_cli.errors import EXIT_ISSUE_FAILED, EXIT_OK, StreamEndedError
from miyabi_cli.showing.views import BatchView
from miyabi_cli.terminal import ours, say, shown
from miyabi_core.text import Untrusted


async def follow(
    events: AsyncIterator[BatchEvent],
    view: BatchView,
    *,
    errors: Console,
    ended: Callable[[], Awaitable[Iterable[IssueResult]]] | None = None,
) -> int:
    """Show *events* until the batch ends; returns the exit code.

    When the person hangs up, says how to look again: the batch goes on without a watcher.

    Args:
        events: Of one batch, in order.
        view: What shows them.
        errors: Where it is said how to look again.
        ended: Returns what became of each issue of a batch that ended before the first event that was asked for;
            None: the events begin at the first.

    Raises:
        StreamEndedError: the stream ended before the batch did.
    """
    name, sequence, finished = "", 0, False
    try:
        with view:
            async for event in events:
                name, sequence = event.batch, max(sequence, event.sequence)
                view.show(event)
                if event.HasField("batch_finished"):
                    finished = True
                    return _finish(view, event.batch_finished.results)
            if not name and ended is not None:
                return _finish(view, await ended())
    finally:
        if name and not finished:
            batch = shown(Untrusted(name))
            say(errors, batch, ours(" goes on; look again with: miyabi watch "), batch, ours(" --after {}", sequence))
    raise StreamEndedError


def _finish(view: BatchView, results: Iterable[IssueResult]) -> int:
    """Show what became of each issue; returns the exit code."""
    shown = list(results)
    view.finish(shown)
    return EXIT_OK if all(map(_is_well, shown)) else EXIT_ISSUE_FAILED


def _is_well(result: IssueResult) -> bool:
    """Tell whether an issue succeeded; of a duplicate its original's result says it."""
    duplicate = result.failure_reason == FailureReason.FAILURE_REASON_DUPLICATE
    return duplicate or result.state == RunState.RUN_STATE_SUCCEEDED
