"""Has changes that touch the same files made one after the other."""

from __future__ import annotations

from collections.abc import Iterable

from miyabi_coordinator.decide.ordering import freed_by, shares_of, waiting_for
from miyabi_coordinator.models import OrderSettled, WayFreed
from miyabi_coordinator.ports.store import Store
from miyabi_coordinator.service.transitions import Change, Transitions, by_event, only


class Ordering:
    """Carries out the entries that a plan and the end of a planned run leave.

    An entry that is carried out twice, by two replicas or after a break, changes nothing the second time.
    """

    def __init__(self, store: Store, transitions: Transitions) -> None:
        self._store = store
        self._transitions = transitions

    async def settle(self, batch: str, issue: int, *, name: str) -> None:
        """Decide whom a planned change waits for.

        Whoever ended between the look and the commit has told its own end too early to be heard: so it is looked
        again. Raises as `Transitions.apply` does; the entry then stays, and a sweep tries again.
        """
        runs = {run.issue: run for run in await self._store.load_runs(batch)}
        run = runs.get(issue)
        if run is not None and run.settling:
            settled = by_event(OrderSettled(shares_of(run, runs.values())))
            run = only(await self._transitions.apply_all([Change(batch, issue, settled, known=run)])).run
        if run is not None and run.shares:
            others = await self._store.load_runs(batch, [share.issue for share in run.shares])
            await self._tell(batch, issue, filter(None, map(freed_by, others)))
        await self._store.drop_timers([name])

    async def leave(self, batch: str, issue: int, *, name: str) -> None:
        """Tell the runs that wait for an issue that it does not hold them up any more. Raises as `settle`."""
        runs = await self._store.load_runs(batch)
        event = next((freed_by(run) for run in runs if run.issue == issue), None)
        # Approved meanwhile, it is under way again; who waits for it until then goes on all the same.
        event = event or WayFreed(issue, "was ready for approval")
        for waiting in waiting_for(issue, runs):
            await self._tell(batch, waiting.issue, [event])
        await self._store.drop_timers([name])

    async def _tell(self, batch: str, issue: int, events: Iterable[WayFreed]) -> None:
        """Tell one run, after another."""
        for event in events:
            await self._transitions.apply(batch, issue, event=event)
