"""Events are counted once, whatever dies in between, and what is measured is kept as long as was said."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from story import Story

from miyabi_core.ids import made_at, new_ulid
from miyabi_core.metrics import REGISTRY
from miyabi_dashboard.monitor.following import Follower
from miyabi_dashboard.monitor.measuring.measurements import Count, CountKey, What
from miyabi_dashboard.monitor.measuring.open_work import KnownBatch
from miyabi_dashboard.monitor.storing import Bucket, LeaseLostError, MeasurementStore
from miyabi_dashboard.monitor.storing.buckets import MOST_MESSAGE, MOST_NAMES

#: When everything happens: the first minute of an hour.
NOW = 1_789_999_200.0


class Clock:
    """A clock that a test turns."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def follower(around, clock, *, store=None, retention=timedelta(days=30)):
    """Return a monitor of its own, as another process has one."""
    store = store or MeasurementStore(around.client)
    return Follower(around.upstream.stub, store, retention=retention, clock=clock)


async def counted(around) -> Bucket:
    """Return everything that is kept."""
    store, whole = MeasurementStore(around.client), Bucket()
    for fields in (await store.load(await store.names())).values():
        whole.merge(Bucket.decode(fields))
    return whole


async def until_events(around, number) -> int:
    """Return how many events are counted, once they are as many as that, or more."""
    async with asyncio.timeout(30):
        while True:
            found = amount(await counted(around), What.EVENTS)
            if found >= number:
                return found
            await asyncio.sleep(0.05)


def amount(bucket, what) -> int:
    """Return a count over all repositories."""
    return sum(tally.amount for key, tally in bucket.tallies.items() if key.what is what and not key.agent)


def durations(bucket, family) -> dict[str, tuple[int, float]]:
    """Return how many durations of each subject there are, and the longest, by repository."""
    return {
        key.subject: (series.durations.count, round(series.durations.most, 3))
        for key, series in bucket.series.items()
        if key.family == family and not key.agent
    }


def a_batch(now=NOW) -> Story:
    """Return a batch of one issue: two tasks, two calls."""
    story = Story(now)
    story.work(1, "triage", 4.0, after=2.0)
    story.work(1, "plan", 8.0, after=1.0)
    story.task(1, "implement", "ready")
    story.now += 0.5
    story.task(1, "implement", "leased")
    story.call(1, "implement", "model.messages", 12.0, model="claude-test")
    story.call(1, "implement", "ruff", 1.2, well=False)
    return story


async def test_what_happened_before_it_was_there_is_measured(around):
    """The log is read from its start, and every event is counted."""
    story = a_batch()
    await around.coordinator.append(story.events)
    async with Running(follower(around, Clock(story.now))):
        assert await until_events(around, len(story.events)) == len(story.events)
    whole = await counted(around)
    assert durations(whole, "task") == {"triage": (1, 4.0), "plan": (1, 8.0)}
    assert durations(whole, "queue") == {"triage": (1, 2.0), "plan": (1, 1.0), "implement": (1, 0.5)}
    assert durations(whole, "model") == {"claude-test": (1, 12.0)}
    assert durations(whole, "tool") == {"ruff": (1, 1.2)}


class Running:
    """Runs a monitor for the length of the block, and ends it as SIGTERM does."""

    def __init__(self, monitor: Follower) -> None:
        self._monitor = monitor

    async def __aenter__(self) -> Follower:
        self._group = asyncio.TaskGroup()
        await self._group.__aenter__()
        self._task = self._group.create_task(self._monitor.run())
        async with asyncio.timeout(30):
            await self._monitor.measuring.wait()
        return self._monitor

    async def __aexit__(self, *error: object) -> None:
        self._task.cancel()
        await self._group.__aexit__(None, None, None)


async def test_a_stream_that_ends_without_an_error_is_opened_again(around):
    """A coordinator that says no more is a lost one: what it logs later is measured."""
    story = a_batch()
    around.coordinator.ends_streams = 1
    async with Running(follower(around, Clock(story.now))):
        await around.coordinator.append(story.events)
        assert await until_events(around, len(story.events)) == len(story.events)


async def test_what_was_not_written_is_read_again_and_what_was_is_not(around):
    """A monitor that dies between two writes leaves nothing half done: its successor counts each event once."""
    story, clock = a_batch(), Clock()
    await around.coordinator.append(story.events[:6])
    store = MeasurementStore(around.client)
    assert await store.take_lease()
    dying = follower(around, clock, store=store)
    await dying.take(story.events[:3])
    await dying.write()
    await dying.take(story.events[3:6])
    await store.leave()
    await around.coordinator.append(story.events[6:])
    async with Running(follower(around, Clock(story.now))):
        assert await until_events(around, len(story.events)) == len(story.events)
    assert durations(await counted(around), "task") == {"triage": (1, 4.0), "plan": (1, 8.0)}


async def test_a_holder_whose_lease_went_to_another_writes_nothing(around):
    """Two that believe they measure: the one without the lease is refused, with everything it had."""
    story, first, second = a_batch(), MeasurementStore(around.client), MeasurementStore(around.client)
    assert await first.take_lease()
    late = follower(around, Clock(), store=first)
    await late.take(story.events)
    await first.leave()
    assert await second.take_lease()
    assert not await first.take_lease()
    with pytest.raises(LeaseLostError):
        await late.write()
    assert amount(await counted(around), What.EVENTS) == 0


async def test_of_several_replicas_one_measures_and_another_takes_over(around):
    """While the first runs the second stands by; when it ends the second goes on where it left off."""
    story = a_batch()
    await around.coordinator.append(story.events[:5])
    second = follower(around, Clock(story.now))
    async with Running(follower(around, Clock(story.now))):
        await until_events(around, 5)
        assert not second.measuring.is_set()
    await around.coordinator.append(story.events[5:])
    async with Running(second):
        assert await until_events(around, len(story.events)) == len(story.events)


async def test_a_refused_cursor_counts_nothing_twice(around):
    """The log is then read from its start, and what was counted is known by its sequence."""
    story = a_batch()
    await around.coordinator.append(story.events[:5])
    async with Running(follower(around, Clock(story.now))):
        await until_events(around, 5)
    around.coordinator.refuses_cursors = True
    await around.coordinator.append(story.events[5:])
    async with Running(follower(around, Clock(story.now))):
        assert await until_events(around, len(story.events)) == len(story.events)


async def test_what_cannot_be_read_keeps_nothing_from_being_measured(around):
    """Entries of another version are left out, and everything else goes on."""
    story = a_batch()
    await around.client.hset("{s0}:monitor:tasks", mapping={"a|b": "c", "batches/x|1|triage": "0|zero|one"})
    await around.client.hset("{s0}:monitor:batches", mapping={"batches/x": "one|two"})
    await around.coordinator.append(story.events)
    async with Running(follower(around, Clock(story.now))):
        assert await until_events(around, len(story.events)) == len(story.events)


async def test_minutes_become_hours_and_what_is_too_old_goes(around):
    """After two hours minutes are folded with nothing lost, and after the retention nothing is left."""
    story, clock, store = a_batch(), Clock(), MeasurementStore(around.client)
    assert await store.take_lease()
    monitor = follower(around, clock, store=store, retention=timedelta(hours=5))
    await monitor.take(story.events)
    await monitor.write()
    before = await counted(around)
    assert {name[0] for name in await store.names()} == {"m"}
    clock.now = NOW + 3 * 3600 + 60
    await monitor.write()
    assert {name[0] for name in await store.names()} == {"h"}
    after = await counted(around)
    assert durations(after, "task") == durations(before, "task")
    assert amount(after, What.EVENTS) == len(story.events)
    clock.now = NOW + 6 * 3600 + 60
    await monitor.write()
    assert await store.names() == []


async def test_a_batch_that_outlives_what_is_kept_stays_known(around):
    """It is forgotten once nothing was heard of it for so long, and not while it is at work; also by a successor."""
    story, store = Story(made_at(new_ulid())), MeasurementStore(around.client)
    clock = Clock(story.now)
    assert await store.take_lease()
    monitor = follower(around, clock, store=store, retention=timedelta(hours=5))
    for hours in (0, 3, 6, 9):
        clock.now = story.now = story.now + 3 * 3600
        story.work(1, f"verify-{hours}", 10.0)
        await monitor.take(story.events)
        await monitor.write()
    _, work = await store.load_work()
    assert work.batches[story.name].repository == "acme/forms"
    assert all(key.repository != "(unknown)" for key in (await counted(around)).series)
    clock.now += 6 * 3600
    await monitor.write()
    _, work = await store.load_work()
    assert work.batches == {}


async def test_a_monitor_that_lags_says_so(around):
    """How old the newest event is when it is measured can be read, and ends when it has caught up."""
    story, clock = a_batch(), Clock(NOW + 600)
    monitor = follower(around, clock)
    behind = "miyabi_dashboard_monitor_behind_seconds"
    await monitor.take(story.events)
    assert REGISTRY.get_sample_value(behind) == 600 - int(story.now - NOW)
    clock.now = story.now
    story.work(1, "verify", 0.0)
    await monitor.take(story.events)
    assert REGISTRY.get_sample_value(behind) <= 1


def test_a_batch_that_was_stored_before_is_read():
    """What the last version wrote is gone on with."""
    known = KnownBatch("acme/forms", 7, 2, 1, 12.5, 99.0)
    assert KnownBatch.decode(known.encode()) == known
    assert KnownBatch.decode("7|2|1|12.5|acme/forms") == KnownBatch("acme/forms", 7, 2, 1, 12.5)


def test_what_a_failure_says_is_cut():
    """However long a message is, what is kept of it is bounded."""
    bucket = Bucket()
    bucket.count(Count(CountKey(What.FAILED_RUN, "internal"), 1, NOW, "x", "long " * 1000))
    ((_, tally),) = bucket.tallies.items()
    assert 0 < len(tally.message) <= MOST_MESSAGE


async def test_late_events_go_to_their_hour(around):
    """What is read hours after it happened is counted where it belongs, beside what was folded there."""
    story, clock, store = a_batch(), Clock(NOW + 10 * 3600), MeasurementStore(around.client)
    assert await store.take_lease()
    monitor = follower(around, clock, store=store)
    await monitor.take(story.events)
    await monitor.write()
    assert await store.names() == [f"h{int(NOW)}"]


async def test_a_flood_of_names_is_kept_under_one_and_no_duration_is_lost(around):
    """Beyond as many names as are kept all others are `(other)`."""
    story = Story(NOW)
    story.task(1, "triage", "leased")
    tools = MOST_NAMES + 100
    for number in range(tools):
        story.call(1, "triage", f"tool-{number}", 0.1)
    monitor = follower(around, Clock())
    await monitor.take(story.events)
    (bucket,) = monitor.buckets.values()
    assert len(bucket.series) <= MOST_NAMES + 8
    found = durations(bucket, "tool")
    assert sum(count for count, _ in found.values()) == tools
    assert found["(other)"][0] > 0


async def test_a_wait_for_the_batchs_own_limit_is_no_wait_for_an_agent(around):
    """Of two issues with one in flight the second waits for the first: only what comes after that is for an agent."""
    story = Story(NOW, issues=(1, 2), concurrency=1)
    story.work(1, "triage", 10.0)
    story.run(1, "succeeded")
    story.work(2, "triage", 1.0, after=3.0)
    monitor = follower(around, Clock())
    await monitor.take(story.events)
    (bucket,) = monitor.buckets.values()
    assert durations(bucket, "queue") == {"triage": (2, 3.0)}
