"""Says what is being done, and keeps how long each thing took."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from miyabi.common.v1.usage_pb2 import Usage
from miyabi.coordinator.v1.transcript_pb2 import ModelCall


@dataclass
class Timed:
    """One call; implements `ports.Invocation`."""

    tool: str
    seconds: float = 0.0
    error: str = ""

    def failed(self, error: str) -> None:
        """Note that it failed."""
        self.error = error

    def first_text(self) -> None:
        """Do nothing: no model is called."""

    def used(self, usage: Usage, *, model: str) -> None:
        """Do nothing: no model is called."""


@dataclass
class Progress:
    """Implements `ports.ProgressSink` for a person who waits.

    Args:
        announce: Says what is being done now.
        calls: Those that ended, in order.
    """

    announce: Callable[[str], None]
    calls: list[Timed] = field(default_factory=list)

    async def step(self, name: str, *, percent: int = -1) -> None:
        """Say what is being done now."""
        del percent
        self.announce(name)

    async def text(self, step: str, delta: str) -> None:
        """Do nothing: no model writes."""

    async def text_done(self, step: str) -> None:
        """Do nothing: no model writes."""

    async def record(self, step: str, text: str) -> None:
        """Do nothing: nobody keeps it."""

    async def model_call(self, call: ModelCall) -> None:
        """Do nothing: no model is called."""

    @asynccontextmanager
    async def invocation(self, tool: str, *, detail: str = "") -> AsyncIterator[Timed]:
        """Time a call."""
        del detail
        call, began = Timed(tool), time.monotonic()
        try:
            yield call
        finally:
            call.seconds = time.monotonic() - began
            self.calls.append(call)

    def seconds(self, tool: str) -> float:
        """Return what all calls of one tool, and of those below it, took since the last look; forgets them."""
        mine = [call for call in self.calls if call.tool.startswith(tool)]
        self.calls = [call for call in self.calls if call not in mine]
        return sum(call.seconds for call in mine)
