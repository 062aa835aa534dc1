"""A read on its way to GitHub, and those who wait for it; a caller who leaves takes nothing from the others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

from miyabi_core.errors import MiyabiError
from miyabi_github_gateway.models import Answer, Entry, Issue, IssueField, Read, Shape, Value
from miyabi_github_gateway.service.calling import CALLING, Calling
from miyabi_github_gateway.service.governor.model import Lane

#: What a read comes to.
Outcome = Answer | MiyabiError


class Caller:
    """Where the outcomes of one call arrive."""

    def __init__(self) -> None:
        self._arrived: asyncio.Queue[tuple[str, Outcome]] = asyncio.Queue()

    def take(self, key: str, outcome: Outcome) -> None:
        """Let an outcome arrive."""
        self._arrived.put_nowait((key, outcome))

    async def next(self) -> list[tuple[str, Outcome]]:
        """Return what has arrived, at least one."""
        found = [await self._arrived.get()]
        while not self._arrived.empty():
            found.append(self._arrived.get_nowait())
        return found


class Deadline:
    """When the last caller of a batch is gone, and how urgent it is; a caller who joins later moves the time.

    Times are of the event loop's clock, which is `time.monotonic`.
    """

    def __init__(self, at: float, lane: Lane = Lane.INTERACTIVE) -> None:
        self.at = at
        self.lane = lane
        #: Are told of a thing that has become more urgent than the batch.
        self.hurrying: set[Callable[[Read], None]] = set()
        self._limits: set[asyncio.Timeout] = set()

    def extend(self, at: float) -> None:
        """Move it later, for what is under way too."""
        if at > self.at:
            self.at = at
            for limit in self._limits:
                limit.reschedule(at)

    def hurry(self, read: Read) -> None:
        """Let a thing of the batch go first, as far as it has not been asked for yet."""
        for tell in self.hurrying:
            tell(read)

    @asynccontextmanager
    async def limit(self, lane: Lane) -> AsyncIterator[None]:
        """Keep the block within it, and what is sent in it, which is as urgent as *lane*.

        Raises:
            TimeoutError: it passed.
        """
        CALLING.set(Calling(self.at, lane))
        async with asyncio.timeout_at(self.at) as limit:
            self._limits.add(limit)
            try:
                yield
            finally:
                self._limits.discard(limit)


@dataclass(eq=False)
class Flight:
    """One key that is being read.

    `batch` is set once GitHub may have looked, with what is `asked` of it: perhaps more than this flight wants.
    `is_valid` tells that nothing changed since the flight began.
    """

    read: Read
    key: str
    is_fresh: bool
    deadline: float
    lane: Lane = Lane.BATCH
    spare: Entry | None = None
    outcome: Outcome | None = None
    is_valid: bool = True
    batch: Deadline | None = None
    asked: Read | None = None
    _callers: list[Caller] = field(default_factory=list)
    _landed_at: float = 0.0

    def join(self, caller: Caller, deadline: float, lane: Lane) -> None:
        """Wait for it; one that has landed answers at once. It is as urgent as the most urgent caller's call."""
        self.deadline = max(self.deadline, deadline)
        self.lane = min(self.lane, lane)
        if self.batch is not None:
            self.batch.extend(deadline)
            if self.asked is not None and lane < self.batch.lane:
                self.batch.hurry(self.asked)
        if self.outcome is None:
            self._callers.append(caller)
        else:
            caller.take(self.key, self._aged(self.outcome))

    def land(self, outcome: Outcome) -> None:
        """Tell everyone."""
        self.outcome = outcome
        self._landed_at = time.monotonic()
        callers, self._callers = self._callers, []
        for caller in callers:
            caller.take(self.key, outcome)

    def _aged(self, outcome: Outcome) -> Outcome:
        """Return an outcome for one who came after it, with its age."""
        if isinstance(outcome, MiyabiError) or outcome.value is None:
            return outcome
        age = timedelta(seconds=time.monotonic() - self._landed_at)
        return replace(outcome, age=(outcome.age or timedelta()) + age)


def merged(flights: Iterable[Flight]) -> dict[tuple[str, Shape], dict[Read, list[Flight]]]:
    """Merge flights to one thing: it is read once, with everything that anyone wants of it.

    Returns:
        By owner, since a query has one credential, and by shape.
    """
    things: dict[tuple[object, ...], list[Flight]] = {}
    for flight in flights:
        read = flight.read
        things.setdefault((read.repository.casefold(), read.shape.kind, read.number, read.name), []).append(flight)
    found: dict[tuple[str, Shape], dict[Read, list[Flight]]] = {}
    for group in things.values():
        read = group[0].read
        fields = frozenset().union(*(flight.read.shape.fields for flight in group))
        if fields != read.shape.fields:
            read = replace(read, shape=Shape(read.shape.kind, fields))
        found.setdefault((read.owner.casefold(), read.shape), {})[read] = group
    return found


def projected(value: Value, fields: frozenset[IssueField], *, read: frozenset[IssueField]) -> Value:
    """Return a value with what was asked for and nothing else; *read* is what it holds."""
    if not isinstance(value, Issue) or fields == read:
        return value
    surplus = read - fields
    empty: dict[str, object] = {}
    empty |= {"body": ""} if IssueField.BODY in surplus else {}
    empty |= {"labels": ()} if IssueField.LABELS in surplus else {}
    empty |= {"comments": ()} if IssueField.COMMENTS in surplus else {}
    empty |= {"assignees": (), "milestone": ""} if IssueField.PLANNING in surplus else {}
    empty |= {"blocked_by": (), "sub_issues": ()} if IssueField.RELATIONS in surplus else {}
    empty |= {"timeline": ()} if IssueField.TIMELINE in surplus else {}
    return replace(value, **empty)  # type: ignore[arg-type]
