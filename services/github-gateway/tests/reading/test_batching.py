"""Batches adapt their size, halve what is too much, and harm nothing but what cannot be read."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Mapping, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from miyabi_core.errors import MiyabiError
from miyabi_github_gateway.errors import GitHubUnavailableError, ReadTimedOutError
from miyabi_github_gateway.models import Kind, PullRequest, Read, Shape
from miyabi_github_gateway.ports import Brought, Fetched
from miyabi_github_gateway.service.caching.flights import Deadline
from miyabi_github_gateway.service.calling import current
from miyabi_github_gateway.service.coalescing.batching import Batcher
from miyabi_github_gateway.service.coalescing.sizing import BatchSizes, Rounds
from miyabi_github_gateway.service.governor.model import Lane

SHAPE = Shape(Kind.PULL_REQUEST)


def value(number: int) -> PullRequest:
    """Return a pull request."""
    return PullRequest(
        number,
        f"PR_{number}",
        "t",
        "b",
        "open",
        draft=True,
        merged=False,
        head_branch="h",
        head_sha="s",
        base_branch="m",
        url="u",
    )


class Source:
    """A GitHub that finds queries with some numbers too much, or all queries."""

    def __init__(
        self,
        *,
        poisonous: frozenset[int] = frozenset(),
        status: int = 502,
        at_most: int = 1000,
        seconds: Callable[[int], float] = lambda _count: 0.1,
    ) -> None:
        self.poisonous, self.status, self.at_most, self.seconds = poisonous, status, at_most, seconds
        self.asked: list[list[int]] = []
        self.lanes: list[Lane] = []
        self.patient: list[bool] = []

    async def read(self, shape: Shape, wanted: Sequence[Read], *, ids: Mapping[Read, str], patient: bool) -> Brought:
        numbers = [read.number for read in wanted]
        self.asked.append(numbers)
        self.lanes.append(current().lane)
        self.patient.append(patient)
        await asyncio.sleep(0)
        if self.poisonous & set(numbers) or len(numbers) > self.at_most:
            raise GitHubUnavailableError("no", status=self.status)
        things = {read: value(read.number) for read in wanted}
        return Brought(things, self.seconds(len(wanted)), 100 * len(wanted))


class Held(Source):
    """A GitHub that answers when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()
        self._seen = asyncio.Condition()

    async def read(self, shape: Shape, wanted: Sequence[Read], *, ids: Mapping[Read, str], patient: bool) -> Brought:
        async with self._seen:
            brought = await super().read(shape, wanted, ids=ids, patient=patient)
            self._seen.notify_all()
        await self.go.wait()
        return brought

    async def until(self, count: int) -> None:
        """Wait until so many queries were sent."""
        async with asyncio.timeout(10), self._seen:
            await self._seen.wait_for(lambda: len(self.asked) >= count)


async def read(
    batcher: Batcher, count: int, *, seconds: float = 30.0, lane: Lane = Lane.INTERACTIVE
) -> dict[int, Fetched]:
    """Read things 1 to *count*."""
    found: dict[int, Fetched] = {}

    async def deliver(values: Mapping[Read, Fetched]) -> None:
        assert not found.keys() & {read.number for read in values}, "delivered twice"
        found.update({read.number: value for read, value in values.items()})

    wanted = [Read("acme/toy", SHAPE, number) for number in range(1, count + 1)]
    deadline = Deadline(asyncio.get_running_loop().time() + seconds, lane)
    await batcher.read(SHAPE, wanted, ids={}, deadline=deadline, deliver=deliver)
    return found


async def test_one_poisonous_thing_harms_only_itself() -> None:
    """Of 25 the one that GitHub cannot answer is unavailable, and the other 24 come."""
    source = Source(poisonous=frozenset({7}))
    found = await read(Batcher(source), 25)
    assert {number for number, got in found.items() if isinstance(got, MiyabiError)} == {7}
    assert len(found) == 25
    assert source.asked[-1] == [7] or [7] in source.asked


async def test_only_a_thing_alone_is_repeated_by_the_client() -> None:
    """A batch that is too much is halved at once; the client repeats what cannot be halved."""
    source = Source(poisonous=frozenset({3}))
    await read(Batcher(source), 8)
    assert [len(numbers) == 1 for numbers in source.asked] == source.patient


async def test_outage_is_not_multiplied_by_halving() -> None:
    """Where nothing succeeds the halving ends, long before each of 100 things was asked for by itself."""
    source = Source(at_most=0)
    found = await read(Batcher(source, at_once=1), 25)
    assert all(isinstance(got, GitHubUnavailableError) for got in found.values())
    assert len(found) == 25
    assert len(source.asked) <= 12


async def test_failure_that_is_not_of_size_is_repeated_whole() -> None:
    """A 500 says nothing of the size: the batch goes once more, by the client's own repeats, and is not halved."""
    source = Source(at_most=0, status=500)
    found = await read(Batcher(source), 10)
    assert len(found) == 10
    assert [(len(numbers), patient) for numbers, patient in zip(source.asked, source.patient, strict=True)] == [
        (10, False), (10, True),
    ]  # fmt: skip


async def test_sizes_grow_while_answers_are_quick_and_are_remembered() -> None:
    """Full batches raise the limit of their shape; it holds for the next read."""
    source = Source()
    batcher = Batcher(source)
    assert len(await read(batcher, 1000)) == 1000
    assert [len(numbers) for numbers in source.asked] == [25] * 10 + [75] * 10
    assert batcher.sizes.limit(SHAPE) == 100
    source.asked.clear()
    await read(batcher, 1000)
    assert [len(numbers) for numbers in source.asked] == [100] * 10


async def test_sizes_do_not_grow_while_answers_are_slow() -> None:
    """At four seconds an answer no batch grows."""
    source = Source(seconds=lambda _count: 4.0)
    batcher = Batcher(source)
    await read(batcher, 500)
    assert max(map(len, source.asked)) == 25
    assert batcher.sizes.limit(SHAPE) < 25


async def test_too_much_halves_the_limit_down_to_one() -> None:
    """The limit of the shape follows what GitHub can take; other shapes keep theirs."""
    sizes = BatchSizes()
    other = Shape(Kind.REPOSITORY)
    halves = []
    for count in (25, 12, 6, 3, 1, 1):
        sizes.failed(SHAPE, count=count)
        halves.append(sizes.limit(SHAPE))
    assert halves == [12, 6, 3, 1, 1, 1]
    assert sizes.limit(other) == 25


async def test_github_that_takes_ten_at_most_is_learnt() -> None:
    """After the first failures batches fit, and everything is read."""
    source = Source(at_most=10)
    batcher = Batcher(source, at_once=2)
    found = await read(batcher, 200)
    assert [got for got in found.values() if isinstance(got, MiyabiError)] == []
    assert len(found) == 200


def makespan(count: int, at_once: int, *, fixed: float, each: float, most: int = 100) -> tuple[float, int]:
    """Play a read of *count* things with empty memory; returns its seconds, and how many queries it took.

    Every query takes *fixed* seconds and *each* for each of its things.
    """
    sizes, rounds = BatchSizes(most=most), Rounds(at_once)
    under_way: list[tuple[float, int]] = []
    now, waiting, queries = 0.0, count, 0
    while waiting or under_way:
        if waiting and len(under_way) < at_once:
            size = rounds.take(waiting=waiting, limit=sizes.limit(SHAPE))
            assert 1 <= size <= min(waiting, sizes.limit(SHAPE))
            heapq.heappush(under_way, (now + fixed + each * size, size))
            waiting, queries = waiting - size, queries + 1
        else:
            now, size = heapq.heappop(under_way)
            sizes.succeeded(SHAPE, count=size, seconds=fixed + each * size)
    return now, queries


def least(count: int, at_once: int, *, fixed: float, each: float) -> float:
    """Return a time that no schedule beats whose first queries ask for 25 things and all others for 100 at most."""
    first = min(count, 25 * at_once)
    one_round = fixed + each * -(-first // at_once)
    rounds = -(-(count - first) // (100 * at_once))
    return one_round + rounds * fixed + each * (count - first) / at_once


def test_thousand_issues_are_two_rounds() -> None:
    """With 100 ms a query, 4 ms an issue and nine queries at once it takes 0.66 s; the least possible is 0.65 s."""
    seconds, queries = makespan(1000, 9, fixed=0.1, each=0.004)
    assert (round(seconds, 2), queries) == (0.66, 18)
    assert round(least(1000, 9, fixed=0.1, each=0.004), 2) == 0.64


@settings(deadline=None)
@given(
    count=st.integers(1, 10_000),
    at_once=st.integers(1, 20),
    fixed=st.floats(0.01, 0.5),
    each=st.floats(0.001, 0.01),
)
def test_schedule_is_near_the_best_and_takes_few_queries(count: int, at_once: int, fixed: float, each: float) -> None:
    """From empty memory a read takes one query longer than the least at most, and no more queries than batches of 25.

    The gap to the least is a last round that is not full: its queries are few and large, since each costs a point.
    """
    seconds, queries = makespan(count, at_once, fixed=fixed, each=each)
    assert seconds <= least(count, at_once, fixed=fixed, each=each) + fixed + each * min(count, 100)
    assert queries <= -(-count // 25)


@settings(deadline=None)  # a busy machine is no defect
@given(count=st.integers(1, 3000), limit=st.integers(1, 100), at_once=st.integers(1, 20))
def test_every_thing_is_asked_for_once_and_no_query_is_over_its_limit(count: int, limit: int, at_once: int) -> None:
    """Whatever the limit, the parts add up to the whole; above 25 all but the last are multiples of five."""
    rounds, parts = Rounds(at_once), []
    while sum(parts) < count:
        parts.append(rounds.take(waiting=count - sum(parts), limit=limit))
    assert sum(parts) == count
    assert all(1 <= part <= limit for part in parts)
    assert [part for part in parts[:-1] if part > 25 and part % 5] == []


@settings(deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["failed", "answered"]), st.integers(1, 100), st.floats(0, 20), st.integers(0, 5 << 20)
        )
    )
)
def test_limit_stays_within_its_bounds(steps: list[tuple[str, int, float, int]]) -> None:
    """Whatever happens the next query asks for one thing at least and for a hundred at most; a failure halves."""
    sizes = BatchSizes()
    for what, count, seconds, size_bytes in steps:
        before = sizes.limit(SHAPE)
        if what == "failed":
            sizes.failed(SHAPE, count=count)
            assert sizes.limit(SHAPE) == max(1, min(before, count) // 2)
        else:
            sizes.succeeded(SHAPE, count=count, seconds=seconds, size_bytes=size_bytes)
            assert seconds < 4 or sizes.limit(SHAPE) <= before
        assert 1 <= sizes.limit(SHAPE) <= 100


def test_growth_is_by_steps_where_a_larger_size_has_failed() -> None:
    """At first the limit grows at once to what an answer's time allows; past a size that failed, by three at a time."""
    sizes = BatchSizes()
    limits = []
    for count, seconds in ((25, 0.7), (71, 0.9), (100, 0.0), (50, 0.3), (53, 0.3)):
        if seconds:
            sizes.succeeded(SHAPE, count=count, seconds=seconds)
        else:
            sizes.failed(SHAPE, count=count)
        limits.append(sizes.limit(SHAPE))
    assert limits == [71, 100, 50, 53, 56]


async def test_poisonous_thing_does_not_make_batches_smaller() -> None:
    """One thing of a thousand is at fault, and not the size: the reads after it are as large as without it."""
    source = Source(poisonous=frozenset({7}))
    batcher = Batcher(source)
    found = await read(batcher, 1000)
    assert [number for number, got in found.items() if isinstance(got, MiyabiError)] == [7]
    assert len(source.asked) <= 50
    source.asked.clear()
    await read(batcher, 1000)
    assert len(source.asked) <= 41


async def test_outage_ends_a_large_read_early() -> None:
    """Where no query of a thousand things is answered, however small, GitHub is not asked for each of them."""
    source = Source(at_most=0)
    found = await read(Batcher(source), 1000)
    assert {type(got) for got in found.values()} == {GitHubUnavailableError}
    assert len(found) == 1000
    assert len(source.asked) <= 150


async def test_batch_reads_leave_one_place_to_interactive_ones() -> None:
    """A long list has nine queries at once, since the budget lets no tenth of its lane through."""
    source = Held()
    batcher = Batcher(source)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(read(batcher, 1000, lane=Lane.BATCH))
        await source.until(9)
        tasks.create_task(read(batcher, 30, lane=Lane.INTERACTIVE))
        await source.until(11)
        assert [len(numbers) for numbers in source.asked] == [25] * 10 + [5]
        source.go.set()


async def test_thing_that_someone_waits_for_leaves_a_long_list_at_once() -> None:
    """All nine queries of a list are under way when someone wants its last issue: it goes by itself, and once."""
    source = Held()
    batcher = Batcher(source)
    deadline = Deadline(asyncio.get_running_loop().time() + 30, Lane.BATCH)
    wanted = [Read("acme/toy", SHAPE, number) for number in range(1, 501)]
    found: list[int] = []

    async def deliver(values: Mapping[Read, Fetched]) -> None:
        found.extend(read.number for read in values)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(batcher.read(SHAPE, wanted, ids={}, deadline=deadline, deliver=deliver))
        await source.until(9)
        for _ in range(2):
            deadline.hurry(wanted[-1])
        await source.until(10)
        assert source.asked[-1] == [500]
        source.go.set()
    assert sorted(found) == list(range(1, 501))
    assert source.lanes == [Lane.BATCH] * 9 + [Lane.INTERACTIVE] + [Lane.BATCH] * (len(source.asked) - 10)


async def test_next_query_does_not_wait_for_what_is_done_with_the_last_answer() -> None:
    """While an answer is being kept, which takes as long as it takes, the queries after it are sent."""
    source, kept = Source(), asyncio.Event()

    async def deliver(_values: Mapping[Read, Fetched]) -> None:
        if len(source.asked) == 4:
            kept.set()
        await kept.wait()

    wanted = [Read("acme/toy", SHAPE, number) for number in range(1, 101)]
    batcher = Batcher(source, at_once=1, sizes=BatchSizes(most=25))
    async with asyncio.timeout(10):
        deadline = Deadline(asyncio.get_running_loop().time() + 30)
        await batcher.read(SHAPE, wanted, ids={}, deadline=deadline, deliver=deliver)
    assert len(source.asked) == 4


async def test_deadline_of_the_batch_ends_it() -> None:
    """A query that does not end is called off when the last caller is gone, and each thing says so."""

    class Silent(Source):
        async def read(self, *arguments: object, **options: object) -> Brought:
            await asyncio.Event().wait()
            raise AssertionError

    found = await read(Batcher(Silent()), 3, seconds=0.05)
    assert [type(got) for got in found.values()] == [ReadTimedOutError] * 3


async def test_later_caller_moves_the_deadline_of_what_is_under_way() -> None:
    """The time of a batch is the latest caller's."""
    loop = asyncio.get_running_loop()
    deadline = Deadline(loop.time() + 0.01)
    go = asyncio.Event()

    async def late() -> None:
        deadline.extend(loop.time() + 30)
        go.set()

    async with asyncio.TaskGroup() as tasks, deadline.limit(Lane.INTERACTIVE):
        tasks.create_task(late())
        await go.wait()
        await asyncio.sleep(0.02)
    assert deadline.at > loop.time() + 20


async def test_large_answers_make_batches_smaller() -> None:
    """Where 25 things are 10 MB the next batch asks for as many as are 2 MB."""
    sizes = BatchSizes()
    sizes.succeeded(SHAPE, count=25, seconds=0.1, size_bytes=10 << 20)
    assert sizes.limit(SHAPE) == 5
