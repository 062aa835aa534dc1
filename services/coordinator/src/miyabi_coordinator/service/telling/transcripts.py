"""Keeps the calls of models that agents report, and reads them page by page."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from prometheus_client import Counter

from miyabi_coordinator.models.transcript import CallHead, ReportedCall
from miyabi_coordinator.ports.transcripts import TranscriptStore
from miyabi_core.errors import MiyabiError, UnavailableError
from miyabi_core.logging import get_logger
from miyabi_core.metrics import REGISTRY
from miyabi_core.text import first

#: Seconds until calls that could not be kept are tried again.
RETRY_SECONDS = 0.5
#: Heads of one read: some 30 KB.
HEADS = 100
#: Heads that are looked through for one page, so that a filter that matches nothing is answered soon.
SCAN_LIMIT = 1000
#: Bytes of a page: with a call more it is still below the 4 MiB that clients take by default.
PAGE_BYTES = 2 << 20

LOST = Counter(
    "miyabi_transcripts_lost_total",
    "Calls of models that could not be kept, since the store had no room or refused them.",
    registry=REGISTRY,
)
_LOG = get_logger(__name__)

#: A call with what was said in it; None where that was removed.
Read = tuple[CallHead, bytes | None]


class Transcripts:
    """The calls of the runs of one shard."""

    def __init__(self, store: TranscriptStore) -> None:
        self._store = store

    async def record(self, calls: Sequence[ReportedCall]) -> None:
        """Keep calls.

        While the store is away they are tried again, until the agent's stream ends; on its next one it sends them
        again. A store without room costs them, which is logged and counted: heartbeats behind them may not wait.
        """
        while True:
            try:
                await self._store.add(calls)
            except UnavailableError as error:
                _LOG.warning("transcripts.not_kept_yet", reason=error.reason, count=len(calls))
            except MiyabiError as error:
                LOST.inc(len(calls))
                _LOG.warning("transcripts.lost", reason=error.reason, count=len(calls))
                return
            else:
                return
            await asyncio.sleep(RETRY_SECONDS)

    async def page(self, batch: str, issue: int, *, after: int, limit: int, task: str) -> tuple[list[Read], int, int]:
        """Return calls of a run behind a position, the position to go on from (0: at the end), and how many are gone.

        Args:
            batch: Its id.
            issue: Of the run.
            after: Number of the last call that the caller has.
            limit: Most calls.
            task: Only calls of this task, or of those whose id begins so up to a `-`; empty: all.

        Raises:
            UnavailableError: the store did not answer.
        """
        found, position, gone = list[CallHead](), after, 0
        for _ in range(SCAN_LIMIT // HEADS):
            heads, gone = await self._store.heads(batch, issue, after=position, limit=HEADS)
            fitting = [head for head in heads if _is_of(head, task)]
            taken, more = first(fitting, limit - len(found))
            found += taken
            if more:
                return await self._read(batch, issue, found, found[-1].number, gone)
            if len(heads) < HEADS:
                return await self._read(batch, issue, found, 0, gone)
            position = heads[-1].number
        return await self._read(batch, issue, found, position, gone)

    async def _read(
        self, batch: str, issue: int, heads: Sequence[CallHead], position: int, gone: int
    ) -> tuple[list[Read], int, int]:
        """Read what was said in calls, as many as make a page."""
        calls, size = list[Read](), 0
        for head in heads:
            if size >= PAGE_BYTES:
                return calls, calls[-1][0].number, gone
            (body,) = await self._store.bodies(batch, issue, [head.number])
            calls.append((head, body))
            size += len(head.head) + len(body or b"")
        return calls, position, gone


def _is_of(head: CallHead, task: str) -> bool:
    """Tell whether a filter lets a call through."""
    return not task or head.task_id == task or head.task_id.startswith(f"{task}-")
