"""What waits to be sent up: text may be dropped, outcomes are kept until they are acknowledged."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque

from miyabi.coordinator.v1.dispatch_service_pb2 import AttachRequest, LeaseReference, Outcome, Progress

#: Progress that may wait; beyond it droppable messages go first.
MAX_WAITING = 2000
#: Messages that travel together.
MAX_TOGETHER = 200


def key_of(reference: LeaseReference) -> tuple[str, int]:
    """Return what identifies a lease."""
    return reference.task, reference.fencing_token


class Outbox:
    """Collects progress and outcomes; survives reconnects."""

    def __init__(self) -> None:
        self._progress: deque[tuple[Progress, bool]] = deque()
        self._outcomes: OrderedDict[tuple[str, int], Outcome] = OrderedDict()
        self._unsent: deque[tuple[str, int]] = deque()
        self.filled = asyncio.Event()
        self.drained = asyncio.Event()
        self.drained.set()

    def progress(self, message: Progress, droppable: bool) -> None:
        """Queue progress; where too much waits, droppable messages are dropped, oldest first."""
        if len(self._progress) >= MAX_WAITING:
            if droppable:
                return
            kept = [entry for entry in self._progress if not entry[1]]
            self._progress = deque(kept)
        self._progress.append((message, droppable))
        self.filled.set()

    def outcome(self, outcome: Outcome) -> None:
        """Queue an outcome; it is kept until `acknowledged`."""
        key = key_of(outcome.reference)
        self._outcomes[key] = outcome
        self._unsent.append(key)
        self.drained.clear()
        self.filled.set()

    def acknowledged(self, reference: LeaseReference) -> None:
        """Forget an outcome that is durable, or refused for good."""
        self._outcomes.pop(key_of(reference), None)
        if not self._outcomes:
            self.drained.set()

    def reconnected(self) -> None:
        """Send every outcome again that was not acknowledged."""
        self._unsent = deque(self._outcomes)
        if self._unsent:
            self.filled.set()

    def held(self) -> list[LeaseReference]:
        """Return the leases whose outcomes are not acknowledged yet."""
        return [outcome.reference for outcome in self._outcomes.values()]

    def take(self) -> AttachRequest | None:
        """Return the next message, or None; progress of a lease goes before its outcome."""
        request = AttachRequest()
        while self._progress and len(request.progress) < MAX_TOGETHER:
            request.progress.append(self._progress.popleft()[0])
        if not self._progress:
            while self._unsent and len(request.outcomes) < MAX_TOGETHER:
                outcome = self._outcomes.get(self._unsent.popleft())
                if outcome is not None:
                    request.outcomes.append(outcome)
        if not self._progress and not self._unsent:
            self.filled.clear()
        return request if request.progress or request.outcomes else None
