"""What a running task says: streamed text, steps, and timed calls."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from miyabi.common.v1.usage_pb2 import Usage
from miyabi.coordinator.v1.dispatch_service_pb2 import LeaseReference, Progress
from miyabi.coordinator.v1.event_pb2 import StepChanged, TextDelta, TextRecorded, ToolInvocation
from miyabi.coordinator.v1.transcript_pb2 import ModelCall
from miyabi_agents.dispatch.spans import record_call
from miyabi_core.logging import redact_text
from miyabi_core.proto_time import now, to_duration, to_timestamp
from miyabi_core.text import shortened, without_surrogates

#: Longest text of a step that is committed; what is left out of it is said in it.
MAX_TEXT_CHARACTERS = 100_000
#: Longest error and detail.
MAX_DETAIL_CHARACTERS = 500

#: Takes a message to be sent; the flag says whether it may be dropped under load.
Send = Callable[[Progress, bool], None]


class TimedInvocation:
    """A tool call that is being timed."""

    def __init__(self, tool: str, detail: str) -> None:
        self._began = time.monotonic()
        self._first: float | None = None
        self.message = ToolInvocation(
            tool=tool,
            start_time=to_timestamp(now()),
            succeeded=True,
            detail=shortened(redact_text(without_surrogates(detail)), MAX_DETAIL_CHARACTERS),
        )

    def failed(self, error: str) -> None:
        """Report the call as failed."""
        self.message.succeeded = False
        self.message.error = shortened(redact_text(without_surrogates(error)), MAX_DETAIL_CHARACTERS)

    def first_text(self) -> None:
        """Note when the first text came."""
        if self._first is None:
            self._first = time.monotonic()

    def used(self, usage: Usage, *, model: str) -> None:
        """Note what a model call used."""
        self.message.usage.CopyFrom(usage)
        self.message.model = model

    def end(self) -> ToolInvocation:
        """Return the finished report, with the measured duration."""
        self.message.duration.CopyFrom(to_duration(timedelta(seconds=time.monotonic() - self._began)))
        if self._first is not None:
            self.message.time_to_first_text.CopyFrom(to_duration(timedelta(seconds=self._first - self._began)))
        return self.message


class TaskProgress:
    """Implements `ports.ProgressSink` for one lease.

    Args:
        reference: The lease.
        send: Takes messages; never blocks.
    """

    def __init__(self, reference: LeaseReference, send: Send) -> None:
        self._reference = reference
        self._send = send
        self._index = 0
        self._texts: defaultdict[str, str] = defaultdict(str)
        self._offsets: defaultdict[str, int] = defaultdict(int)

    def _emit(self, *, droppable: bool, **update: object) -> None:
        """Send one message with the next index."""
        self._index += 1
        self._send(Progress(reference=self._reference, index=self._index, **update), droppable)  # type: ignore[arg-type]

    async def step(self, name: str, *, percent: int = -1) -> None:
        """Say what is being done now."""
        self._emit(droppable=True, step=StepChanged(step=without_surrogates(name), percent=percent))

    async def text(self, step: str, delta: str) -> None:
        """Stream a piece of text."""
        delta = without_surrogates(delta)
        offset = self._offsets[step]
        self._offsets[step] += len(delta.encode())
        self._texts[step] += delta
        self._emit(droppable=True, text_delta=TextDelta(step=step, byte_offset=offset, text=delta))

    async def text_done(self, step: str) -> None:
        """Commit the whole text of a step."""
        text = self._texts.pop(step, "")
        self._offsets.pop(step, None)
        if text:
            self._emit(droppable=False, text=TextRecorded(step=step, text=shortened(text, MAX_TEXT_CHARACTERS)))

    async def record(self, step: str, text: str) -> None:
        """Commit a text that is there at once."""
        words = shortened(without_surrogates(text), MAX_TEXT_CHARACTERS)
        self._emit(droppable=False, text=TextRecorded(step=step, text=words))

    async def model_call(self, call: ModelCall) -> None:
        """Send a call of a model to be kept."""
        self._emit(droppable=False, model_call=call)

    @asynccontextmanager
    async def invocation(self, tool: str, *, detail: str = "") -> AsyncIterator[TimedInvocation]:
        """Time a call; an exception marks it as failed and goes on to the caller."""
        invocation = TimedInvocation(tool, detail)
        try:
            yield invocation
        except BaseException as error:
            invocation.failed(str(error) or type(error).__name__)
            raise
        finally:
            ended = invocation.end()
            record_call(ended)
            self._emit(droppable=False, tool_invocation=ended)
