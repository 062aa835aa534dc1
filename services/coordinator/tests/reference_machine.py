"""What can happen to a batch, on the reference rules in memory."""

from __future__ import annotations

from collections import Counter

from batch_machine import BatchMachine
from machine_results import queue_names

from miyabi_coordinator.models import TaskState
from miyabi_coordinator.reference import ReferenceStore


class ReferenceMachine(BatchMachine):
    """On the reference rules, whose queues can be looked into."""

    def make_store(self):
        return ReferenceStore(clock=self.clock)

    def queues(self):
        """Return the names in all queues, with how often they are there."""
        shard = self.store.shard
        facts = shard.batches[self.batch]
        places = [*shard.ready.values(), *shard.limited.values(), shard.claims, facts.waiting, facts.held, facts.unpaid]
        return Counter(member for place in places for member in place.members())

    def check_queues(self, batch, tasks):
        """Each ready task is in one queue, each lease and each pause is known by its time."""
        shard = self.store.shard
        assert self.queues() == queue_names(tasks)
        places = [*shard.ready.values(), shard.claims]
        assert shard.batches[self.batch].queued == sum(m.endswith("|1") for place in places for m in place.members())
        leased = {
            f"{run.batch}|{run.issue}|{task.id}|{task.fence}" for run, task in tasks if task.state is TaskState.LEASED
        }
        assert set(shard.leases.members()) == set(shard.deadlines.members()) == leased
        paused = {
            f"backoff|{run.batch}|{run.issue}|{task.id}" for run, task in tasks if task.state is TaskState.BACKOFF
        }
        assert {name for name in shard.timers.members() if name.startswith("backoff|")} == paused

    def check_ended(self):
        """Nothing is left to do."""
        assert self.queues() == Counter()
        assert self.store.shard.timers.members() == []
