"""Any interleaving of what can happen to a batch, on the reference rules and on both stores at once."""

from __future__ import annotations

import asyncio

import redis.asyncio
from batch_machine import BatchMachine
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from reference_machine import ReferenceMachine

from miyabi_coordinator.adapters.redis_store import RedisStore, ShardConnection, open_primaries
from miyabi_coordinator.ports.store import PAGE
from miyabi_coordinator.reference import ReferenceStore

#: A failure on a server takes minutes to shrink; its seed is printed.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)


class PairedStore:
    """Does everything on both stores, one call after the other, and demands the same answers."""

    def __init__(self, ours, theirs):
        self.ours, self.theirs = ours, theirs
        self._turn = asyncio.Lock()

    def __getattr__(self, name):
        ours, theirs = getattr(self.ours, name), getattr(self.theirs, name)

        async def both(*arguments, **options):
            async with self._turn:
                mine, other = await ours(*arguments, **options), await theirs(*arguments, **options)
            assert comparable(name, mine) == comparable(name, other)
            return mine

        return both


def comparable(name, answer):
    """Return an answer without the moments, which two stores cannot share."""
    match name:
        case "due" | "expired":
            return sorted(map(str, answer))
        case "load_batch" if answer is not None:
            fields = (answer.state, answer.counters, answer.leased, answer.spent, answer.reserved)
            return (*fields, answer.last_sequence, bool(answer.ended))
        case "read_log":
            # A page has so many entries, and an entry at least one event.
            return [sequence for chunk in answer for sequence in range(chunk.first, chunk.last + 1)][:PAGE]
        case "load_runs":
            return list(answer)
        case _:
            return answer


def paired_machine(url):
    """Return the machine that runs on a server and on the reference rules."""

    class PairedMachine(BatchMachine):
        def make_store(self):
            async def opened():
                async with redis.asyncio.Redis.from_url(url) as client:
                    await client.flushall()
                primaries = open_primaries(url, shards=1)
                store = RedisStore(ShardConnection(primaries, 0), shard=0)
                return primaries, store, asyncio.create_task(store.committer.run())

            self.primaries, store, self.committing = self.do(opened())
            return PairedStore(store, ReferenceStore())

        async def lose_claim(self, claim):
            """Put it back at once: the stores' clocks are the wall's."""
            await self.store.unclaim([claim])

        def teardown(self):
            async def closed():
                self.committing.cancel()
                await asyncio.gather(self.committing, return_exceptions=True)
                await self.primaries.aclose()

            try:
                self.do(self._run_out())
            finally:
                self.do(closed())
                self.runner.close()

    return PairedMachine


def test_any_interleaving_ends_and_adds_up():
    """Whatever happens in whatever order, on two replicas: nothing is lost, counted twice or run too early."""
    options = settings(
        max_examples=40, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck), phases=PHASES
    )
    run_state_machine_as_test(ReferenceMachine, settings=options)


def test_scripts_and_reference_agree(valkey):
    """The scripts on a real server answer every call as the reference does, the order of leases included."""
    options = settings(
        max_examples=8, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck), phases=PHASES
    )
    run_state_machine_as_test(paired_machine(valkey.url), settings=options)
