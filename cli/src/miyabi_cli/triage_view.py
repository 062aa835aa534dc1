"""Shows a triage: the analysis as it streams, then the labels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from rich.console import Console

from miyabi.coordinator.v1.event_pb2 import BatchEvent
from miyabi.coordinator.v1.result_pb2 import IssueResult


class TriageView:
    """Text first, labels last."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._streamed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._streamed:
            self._console.print()

    def show(self, event: BatchEvent) -> None:
        """Print text as it comes; where none was seen in time, the recorded analysis."""
        payload = event.WhichOneof("payload")
        if payload == "text_delta":
            self._streamed = True
            self._console.print(event.text_delta.text, end="", markup=False, highlight=False, soft_wrap=True)
        elif payload == "triage_recorded":
            self._recorded(event)

    def _recorded(self, event: BatchEvent) -> None:
        triage = event.triage_recorded
        if not self._streamed and triage.analysis:
            self._console.print(triage.analysis, markup=False, highlight=False, soft_wrap=True)
        how = "by rules" if triage.by_rules else f"confidence {triage.confidence:.2f}"
        self._console.print()
        self._console.print(f"{', '.join(triage.labels)} ({how})", markup=False, soft_wrap=True)

    def finish(self, results: Iterable[IssueResult]) -> None:
        """Print why it did not work, where it did not."""
        for result in results:
            if result.failure_message:
                self._console.print(f"failed: {result.failure_message}", markup=False, soft_wrap=True)
