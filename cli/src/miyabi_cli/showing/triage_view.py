"""Shows a triage: the analysis as it streams, then the labels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from rich.console import Console

from miyabi.coordinator.v1.event_pb2 import BatchEvent
from miyabi.coordinator.v1.result_pb2 import IssueResult
from miyabi_cli.terminal import lines, ours, say, shown
from miyabi_core.text import Untrusted


class TriageView:
    """Text first, labels last."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._streamed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._streamed:
            say(self._console)

    def show(self, event: BatchEvent) -> None:
        """Print text as it comes; where none was seen in time, the recorded analysis."""
        payload = event.WhichOneof("payload")
        if payload == "text_delta":
            self._streamed = True
            say(self._console, lines(Untrusted(event.text_delta.text)), end="")
        elif payload == "triage_recorded":
            self._recorded(event)

    def _recorded(self, event: BatchEvent) -> None:
        triage = event.triage_recorded
        if not self._streamed and triage.analysis:
            say(self._console, lines(Untrusted(triage.analysis)))
        how = ours(" (by rules)") if triage.by_rules else ours(" (confidence {:.2f})", triage.confidence)
        say(self._console)
        say(self._console, shown(Untrusted(", ".join(triage.labels))), how)

    def finish(self, results: Iterable[IssueResult]) -> None:
        """Print why it did not work, where it did not."""
        for result in results:
            if result.failure_message:
                say(self._console, ours("failed: "), lines(Untrusted(result.failure_message)))
