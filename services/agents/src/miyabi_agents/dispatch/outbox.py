"""What waits to be sent up: pieces of text may be dropped, everything else is kept until its lease is over."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque

from miyabi.coordinator.v1.dispatch_service_pb2 import AttachRequest, LeaseReference, Outcome, Progress

#: Progress that may wait; beyond it droppable messages go first.
MAX_WAITING = 2000
#: Messages that travel together.
MAX_TOGETHER = 200
#: Bytes of what models were asked and answered that are kept until the outcome is acknowledged: an hour of a busy agent
#: whose coordinator is away.
MAX_CALL_BYTES = 32 << 20
#: What is said of a call whose messages were dropped.
DROPPED = "Its messages and its answer were dropped: too much waited for the coordinator."
#: Bytes that travel together, far below what a server takes; one larger message travels alone.
MAX_TOGETHER_BYTES = 4 << 20


def key_of(reference: LeaseReference) -> tuple[str, int]:
    """Return what identifies a lease."""
    return reference.task, reference.fencing_token


class Outbox:
    """Collects progress and outcomes; survives reconnects.

    What was written to a stream that broke may not have arrived. So reports that are committed are kept until the
    outcome of their lease is acknowledged, and sent again after a reconnect; the coordinator drops repeats by index.
    """

    def __init__(self) -> None:
        self._progress: deque[tuple[Progress, bool]] = deque()
        self._reported: dict[tuple[str, int], list[Progress]] = {}
        self._calls: deque[tuple[Progress, int]] = deque()
        self._call_bytes = 0
        self._outcomes: OrderedDict[tuple[str, int], Outcome] = OrderedDict()
        self._unsent: deque[tuple[str, int]] = deque()
        self.filled = asyncio.Event()
        self.drained = asyncio.Event()
        self.drained.set()

    def progress(self, message: Progress, droppable: bool) -> None:
        """Queue progress; where too much waits, what may be dropped is dropped."""
        if len(self._progress) >= MAX_WAITING:
            if droppable:
                return
            self._progress = deque(entry for entry in self._progress if not entry[1])
        if not droppable:
            self._reported.setdefault(key_of(message.reference), []).append(message)
        self._progress.append((message, droppable))
        if message.HasField("model_call"):
            self._bound(message)
        self.filled.set()

    def outcome(self, outcome: Outcome) -> None:
        """Queue an outcome; it is kept until `forget`."""
        key = key_of(outcome.reference)
        self._outcomes[key] = outcome
        self._unsent.append(key)
        self.drained.clear()
        self.filled.set()

    def forget(self, reference: LeaseReference) -> None:
        """Forget a lease whose outcome is durable, refused for good, or not awaited."""
        key = key_of(reference)
        self._outcomes.pop(key, None)
        self.forget_reports(reference)
        if not self._outcomes:
            self.drained.set()

    def forget_reports(self, reference: LeaseReference) -> None:
        """Forget what a cancelled lease reported; its outcome, where it has one, stays."""
        if self._reported.pop(key_of(reference), None):
            self._calls = deque(entry for entry in self._calls if key_of(entry[0].reference) != key_of(reference))
            self._call_bytes = sum(size for _, size in self._calls)

    def reconnected(self) -> None:
        """Send everything again that may have been lost with the old stream; pieces of text are not repeated."""
        self._progress = deque((message, False) for messages in self._reported.values() for message in messages)
        self._unsent = deque(self._outcomes)
        if self._progress or self._unsent:
            self.filled.set()

    def _bound(self, message: Progress) -> None:
        """Count a call of a model; where too much waits, the oldest lose what was said, and say so.

        Those were sent first: where they arrived, they are kept whole.
        """
        self._calls.append((message, message.ByteSize()))
        self._call_bytes += self._calls[-1][1]
        while self._call_bytes > MAX_CALL_BYTES:
            oldest, size = self._calls.popleft()
            self._call_bytes -= size
            oldest.model_call.ClearField("messages")
            oldest.model_call.ClearField("answer")
            oldest.model_call.left_out.append(DROPPED)

    def held(self) -> list[LeaseReference]:
        """Return the leases whose outcomes are not acknowledged yet."""
        return [outcome.reference for outcome in self._outcomes.values()]

    def take(self) -> AttachRequest | None:
        """Return the next message, or None; progress of a lease goes before its outcome."""
        request, room = AttachRequest(), MAX_TOGETHER_BYTES
        while self._progress and room > 0 and len(request.progress) < MAX_TOGETHER:
            message = self._progress.popleft()[0]
            request.progress.append(message)
            room -= message.ByteSize()
        while self._unsent and not self._progress and room > 0 and len(request.outcomes) < MAX_TOGETHER:
            outcome = self._outcomes.get(self._unsent[0])
            if outcome is not None and request.ByteSize() and outcome.ByteSize() > room:
                break
            self._unsent.popleft()
            if outcome is not None:
                request.outcomes.append(outcome)
                room -= outcome.ByteSize()
        if not self._progress and not self._unsent:
            self.filled.clear()
        return request if request.progress or request.outcomes else None
