"""The use cases on a batch that exists: read, cancel, pause, resume, retry, approve."""

from __future__ import annotations

from miyabi_coordinator import errors
from miyabi_coordinator.decide import retried_by_default, retry_order
from miyabi_coordinator.models import ApprovalDecided, Batch, BatchState, FailureReason, Run, RunState
from miyabi_coordinator.ports.store import Store
from miyabi_coordinator.service.dispatching.ownership import check_may_change
from miyabi_coordinator.service.retrying import Retrying, retry_entry
from miyabi_coordinator.service.transitions import Transitions
from miyabi_core.access.identity import Identity

#: So often is a change of state tried while other writers change it too.
_MOST_TRIES = 10


class Batches:
    """Use cases on the batches of one shard."""

    def __init__(self, store: Store, transitions: Transitions) -> None:
        self._store = store
        self._transitions = transitions
        self._retrying = Retrying(store, transitions)

    async def get(self, batch: str) -> Batch:
        """Return a batch as it is now.

        Raises:
            NotFoundError: there is no such batch.
        """
        found = await self._store.load_batch(batch)
        if found is None:
            raise errors.batch_not_found(batch)
        return found

    async def runs(self, batch: str) -> list[Run]:
        """Return the runs of a batch in its order."""
        return await self._store.load_runs(batch)

    async def run(self, batch: str, issue: int) -> Run:
        """Return one run.

        Raises:
            NotFoundError: there is no such batch or run.
        """
        await self.get(batch)
        found = await self._store.load_runs(batch, [issue])
        if not found:
            raise errors.run_not_found(batch, issue)
        return found[0]

    async def cancel(self, batch: str, *, reason: str, caller: Identity) -> Batch:
        """End a batch; its runs are cancelled one by one, soon. Raises as `_change`."""
        allowed = (BatchState.RUNNING, BatchState.PAUSED)
        outbox = f"cancel|{batch}"
        return await self._change(batch, allowed, BatchState.CANCELLED, caller=caller, reason=reason, outbox=outbox)

    async def pause(self, batch: str, *, reason: str, caller: Identity) -> Batch:
        """Give no more leases. Raises as `_change`."""
        return await self._change(batch, (BatchState.RUNNING,), BatchState.PAUSED, caller=caller, reason=reason)

    async def resume(self, batch: str, *, caller: Identity) -> Batch:
        """Give leases again. Raises as `_change`."""
        return await self._change(batch, (BatchState.PAUSED,), BatchState.RUNNING, caller=caller)

    async def retry(self, batch: str, issues: tuple[int, ...], *, caller: Identity) -> Batch:
        """Run failed and skipped issues again; without *issues* all of them.

        Raises:
            NotFoundError: there is no such batch or run.
            FailedPreconditionError: the batch has not failed.
            PermissionDeniedError: it is not the caller's, who is no operator.
        """
        found = await self.get(batch)
        check_may_change(found, caller)
        runs = {run.issue: run for run in await self._store.load_runs(batch)}
        for number in issues:
            if number not in runs:
                raise errors.run_not_found(batch, number)
        order = retry_order(runs, set(issues) or retried_by_default(runs))
        if found.state is BatchState.FAILED and not order:
            return found
        entry = retry_entry(batch, [runs[number] for number in order])
        changed = await self._change(batch, (BatchState.FAILED,), BatchState.RUNNING, caller=caller, outbox=entry)
        if found.state is BatchState.FAILED:
            await self._retrying.carry_out(entry)
            changed = await self.get(batch)
        return changed

    async def approve(self, batch: str, issue: int, *, approved: bool, comment: str, caller: Identity) -> Run:
        """Decide on the pull request of a run that awaits it; the same decision again changes nothing.

        Raises:
            NotFoundError: there is no such run, or it awaits nothing and was not decided on like this.
        """
        await self.run(batch, issue)
        event = ApprovalDecided(approved, comment)
        applied = await self._transitions.apply(batch, issue, event=event, actor=caller.name)
        if applied.done:
            return applied.run
        run = await self._transitions.confirmed(batch, issue)
        if not _was_decided(run, approved=approved):
            raise errors.approval_not_found(batch, issue)
        return run

    async def _change(
        self,
        batch: str,
        allowed: tuple[BatchState, ...],
        state: BatchState,
        *,
        caller: Identity,
        reason: str = "",
        outbox: str = "",
    ) -> Batch:
        """Change a batch's state; one that has it already stays as it is.

        Raises:
            NotFoundError: there is no such batch.
            FailedPreconditionError: its state forbids it.
            PermissionDeniedError: it is not the caller's, who is no operator.
        """
        for _ in range(_MOST_TRIES):
            current = await self.get(batch)
            check_may_change(current, caller)
            before = current.state
            if before is state:
                # A repeat: the first call may have had no answer because no replica had it yet.
                found = await self._store.load_batch(batch, confirmed=True)
                if found is not None and found.state is state:
                    return found
                continue
            if before not in allowed:
                raise errors.batch_state(batch, before.name)
            if await self._store.set_state(
                batch, before=before, state=state, reason=reason, actor=caller.name, outbox=outbox
            ):
                break
        return await self.get(batch)


def _was_decided(run: Run, *, approved: bool) -> bool:
    """Tell whether a run was decided on like this, by a call whose answer was lost perhaps."""
    if approved:
        return run.approved
    return run.state is RunState.FAILED and run.reason is FailureReason.APPROVAL_DECLINED
