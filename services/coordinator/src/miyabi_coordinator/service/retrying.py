"""Runs failed and skipped issues again: noted with the batch's new state, carried out by any replica."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from miyabi_coordinator.decide import retry_waits
from miyabi_coordinator.models import RetryRequested, Run
from miyabi_coordinator.ports.store import REFUSED_STATE, Store
from miyabi_coordinator.service.transitions import Applied, Change, Transitions, by_event
from miyabi_core.errors import MiyabiError

#: Runs that are reset side by side; one after the other would cost a round trip each.
_SIDE_BY_SIDE = 100


def retry_entry(batch: str, runs: Sequence[Run]) -> str:
    """Return the outbox entry that has runs retried, in their order; the generation makes a repeat harmless."""
    return f"retry|{batch}|{','.join(f'{run.issue}.{run.generation}' for run in runs)}"


class Retrying:
    """Carries out what `retry_entry` asks for."""

    def __init__(self, store: Store, transitions: Transitions) -> None:
        self._store = store
        self._transitions = transitions

    async def carry_out(self, name: str) -> None:
        """Reset the runs of an entry, those that wait for others before those; then the entry is done.

        A batch that was cancelled meanwhile refuses.
        Raises as `Transitions.apply` does; the entry then stays, and a sweep tries again.
        """
        _, batch, pairs = name.split("|")
        asked = (pair.split(".") for pair in pairs.split(",") if pair)
        generations = {int(issue): int(generation) for issue, generation in asked}
        runs = {run.issue: run for run in await self._store.load_runs(batch, list(generations))}
        for level in _levels([runs[number] for number in generations if number in runs]):
            for start in range(0, len(level), _SIDE_BY_SIDE):
                answers = await self._reset_all(level[start : start + _SIDE_BY_SIDE], generations)
                if REFUSED_STATE in answers:
                    await self._store.finish_timer(name, batch=batch)
                    return
        await self._store.finish_timer(name, batch=batch)

    async def _reset_all(self, runs: Sequence[Run], generations: Mapping[int, int]) -> list[str]:
        """Retry runs in one commit; returns the store's answers."""
        changes = [
            Change(
                run.batch, run.issue, by_event(RetryRequested(retry_waits(run, generations), generations[run.issue]))
            )
            for run in runs
        ]
        results = await self._transitions.apply_all(changes)
        for result in results:
            if isinstance(result, MiyabiError):
                raise result
        return [result.answer for result in results if isinstance(result, Applied)]


def _levels(runs: Sequence[Run]) -> list[list[Run]]:
    """Group runs that are in order so that no run of a group depends on one of the same or an earlier group."""
    level_of: dict[int, int] = {}
    levels: list[list[Run]] = []
    for run in runs:
        level = max((level_of[number] + 1 for number in run.dependents if number in level_of), default=0)
        level_of[run.issue] = level
        if level == len(levels):
            levels.append([])
        levels[level].append(run)
    return levels
