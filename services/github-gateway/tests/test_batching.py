"""Batches adapt their size, halve what is too much, and harm nothing but what cannot be read."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from miyabi_core.errors import MiyabiError
from miyabi_github_gateway.errors import GitHubUnavailableError, ReadTimedOutError
from miyabi_github_gateway.models import Kind, PullRequest, Read, Shape
from miyabi_github_gateway.ports import Fetched
from miyabi_github_gateway.service.batching import Batcher
from miyabi_github_gateway.service.flights import Deadline
from miyabi_github_gateway.service.sizing import BatchSizes

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

    def __init__(self, *, poisonous: frozenset[int] = frozenset(), status: int = 502, at_most: int = 1000) -> None:
        self.poisonous, self.status, self.at_most = poisonous, status, at_most
        self.asked: list[list[int]] = []
        self.patient: list[bool] = []

    async def read(
        self, shape: Shape, wanted: Sequence[Read], *, ids: Mapping[Read, str], patient: bool
    ) -> Mapping[Read, Fetched]:
        numbers = [read.number for read in wanted]
        self.asked.append(numbers)
        self.patient.append(patient)
        await asyncio.sleep(0)
        if self.poisonous & set(numbers) or len(numbers) > self.at_most:
            raise GitHubUnavailableError("no", status=self.status)
        return {read: value(read.number) for read in wanted}


class Clock:
    """Seconds that pass by so much with each look."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


async def read(batcher: Batcher, count: int, *, seconds: float = 30.0) -> dict[int, Fetched]:
    """Read things 1 to *count*."""
    found: dict[int, Fetched] = {}

    async def deliver(values: Mapping[Read, Fetched]) -> None:
        assert not found.keys() & {read.number for read in values}, "delivered twice"
        found.update({read.number: value for read, value in values.items()})

    wanted = [Read("acme/toy", SHAPE, number) for number in range(1, count + 1)]
    deadline = Deadline(asyncio.get_running_loop().time() + seconds)
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
    batcher = Batcher(source, clock=Clock(0.1))
    assert await read(batcher, 1000)
    assert max(map(len, source.asked)) > 25
    assert len(source.asked) <= 41
    limit = batcher.sizes.limit(SHAPE)
    assert limit > 25
    source.asked.clear()
    await read(batcher, 1000)
    assert len(source.asked) <= 1000 // limit + 10


async def test_sizes_do_not_grow_while_answers_are_slow() -> None:
    """At four seconds an answer no batch grows."""
    source = Source()
    batcher = Batcher(source, clock=Clock(4.0))
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


async def test_work_is_shared_out_but_not_below_the_start() -> None:
    """Ten things are one query even where ten queries could run; many things are shared out over those that may run."""
    sizes = BatchSizes(start=25, most=100)
    sizes._limits[SHAPE] = 100
    shares = ((10, 1), (30, 3), (500, 50), (1000, 100), (5000, 500))
    assert [sizes.chunk(SHAPE, waiting=waiting, share=share) for waiting, share in shares] == [10, 25, 50, 100, 100]


async def test_deadline_of_the_batch_ends_it() -> None:
    """A query that does not end is called off when the last caller is gone, and each thing says so."""

    class Silent(Source):
        async def read(self, *arguments: object, **options: object) -> Mapping[Read, Fetched]:
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

    async with asyncio.TaskGroup() as tasks, deadline.limit():
        tasks.create_task(late())
        await go.wait()
        await asyncio.sleep(0.02)
    assert deadline.at > loop.time() + 20


async def test_large_answers_make_batches_smaller() -> None:
    """Where 25 things are 10 MB the next batch asks for as many as are 2 MB."""
    sizes = BatchSizes()
    sizes.succeeded(SHAPE, count=25, seconds=0.1, size_bytes=10 << 20)
    assert sizes.limit(SHAPE) == 5
