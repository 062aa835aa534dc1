"""Sends things of one shape in batches; what GitHub finds too much is sent again in halves, down to one."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field

from miyabi_core.errors import MiyabiError
from miyabi_github_gateway.errors import GitHubUnavailableError, ReadTimedOutError
from miyabi_github_gateway.models import Read, Shape
from miyabi_github_gateway.ports import BatchSource, Fetched
from miyabi_github_gateway.service.cache_metrics import BATCHED
from miyabi_github_gateway.service.flights import Deadline
from miyabi_github_gateway.service.local_cache import weight
from miyabi_github_gateway.service.sizing import START, BatchSizes

#: Queries that failed without one that succeeded, after which GitHub itself is in trouble and not one of the things.
HOPELESS = 7

#: Is handed what one query has brought, as soon as it is there.
Deliver = Callable[[Mapping[Read, Fetched]], Awaitable[None]]


@dataclass
class _Fortune:
    """How the queries of one piece went."""

    succeeded: int = 0
    failed: int = 0

    @property
    def is_hopeless(self) -> bool:
        """True where halving has not helped at all."""
        return self.succeeded == 0 and self.failed >= HOPELESS


@dataclass
class Batcher:
    """Reads any number of things of one shape.

    Args:
        source: Sends one query.
        at_once: Queries of large reads at once. A read that fits one query is not held back behind them.
        sizes: How large batches are.
        clock: Monotonic seconds; tests give their own.
    """

    source: BatchSource
    at_once: int = 10
    sizes: BatchSizes = field(default_factory=BatchSizes)
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.at_once)

    async def read(
        self, shape: Shape, wanted: Sequence[Read], *, ids: Mapping[Read, str], deadline: Deadline, deliver: Deliver
    ) -> None:
        """Read; each thing is delivered once, with its value or what is wrong with it.

        Args:
            shape: What is asked of each.
            wanted: Things of that shape, each once.
            ids: Node ids that are known.
            deadline: When the last caller is gone.
            deliver: Is handed each query's answers.
        """
        queue = deque(wanted)
        share = -(-len(queue) // self.at_once)
        slot: AbstractAsyncContextManager[object] = self._slots if len(queue) > START else nullcontext()

        async def work() -> None:
            while queue:
                async with slot:
                    count = self.sizes.chunk(shape, waiting=len(queue), share=share)
                    chosen = [queue.popleft() for _ in range(count)]
                    if chosen:
                        await self._send(shape, chosen, ids=ids, deadline=deadline, deliver=deliver, fortune=_Fortune())

        workers = min(self.at_once, -(-len(queue) // max(1, min(START, self.sizes.limit(shape)))))
        async with asyncio.TaskGroup() as tasks:
            for _ in range(workers):
                tasks.create_task(work())

    async def _send(
        self,
        shape: Shape,
        chosen: list[Read],
        *,
        ids: Mapping[Read, str],
        deadline: Deadline,
        deliver: Deliver,
        fortune: _Fortune,
    ) -> None:
        """Send one piece; what was too much of it goes again in halves."""
        found = await self._try(shape, chosen, ids=ids, deadline=deadline, fortune=fortune)
        again = [read for read in chosen if len(chosen) > 1 and _is_too_much(found[read])]
        if fortune.is_hopeless:
            again = []
        if done := {read: value for read, value in found.items() if read not in set(again)}:
            await deliver(done)
        if len(again) == len(chosen):
            self.sizes.failed(shape, count=len(chosen))
        half = -(-len(again) // 2)
        for piece in (again[:half], again[half:]):
            if piece:
                await self._send(shape, piece, ids=ids, deadline=deadline, deliver=deliver, fortune=fortune)

    async def _try(
        self, shape: Shape, chosen: list[Read], *, ids: Mapping[Read, str], deadline: Deadline, fortune: _Fortune
    ) -> dict[Read, Fetched]:
        """Send one query; its failure is the failure of each thing in it.

        One thing alone is repeated by the client, and so is a batch that failed for another reason than its size.
        """
        mine = {read: ids[read] for read in chosen if read in ids}
        BATCHED.labels(shape.kind.value).observe(len(chosen))
        began = self.clock()
        try:
            async with deadline.limit():
                try:
                    found = await self.source.read(shape, chosen, ids=mine, patient=len(chosen) == 1)
                except GitHubUnavailableError as error:
                    if error.too_much or len(chosen) == 1:
                        raise
                    found = await self.source.read(shape, chosen, ids=mine, patient=True)
        except TimeoutError:
            fortune.failed += 1
            return dict.fromkeys(chosen, ReadTimedOutError())
        except MiyabiError as error:
            fortune.failed += 1
            return dict.fromkeys(chosen, error)
        fortune.succeeded += 1
        size = sum(weight(value) for value in found.values() if not isinstance(value, MiyabiError | None))
        self.sizes.succeeded(shape, count=len(chosen), seconds=self.clock() - began, size_bytes=size)
        return dict(found)


def _is_too_much(value: Fetched) -> bool:
    """Return whether a smaller query may bring it."""
    return isinstance(value, GitHubUnavailableError) and value.too_much
