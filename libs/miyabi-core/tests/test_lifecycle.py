"""A task that is to end does end, whatever fails in the same moment."""

from __future__ import annotations

import asyncio

import pytest

from miyabi_core.lifecycle import ending_when_cancelled


async def fail(failing: asyncio.Event) -> None:
    """Fail when told to."""
    await failing.wait()
    raise ValueError


async def grouped(failing: asyncio.Event) -> None:
    """Work in a group, as what follows a stream does."""
    async with asyncio.TaskGroup() as group:
        group.create_task(fail(failing))


async def goes_on(failing: asyncio.Event, rounds: list[int]) -> None:
    """Go on after failures, for three rounds."""
    for number in range(3):
        try:
            await ending_when_cancelled(grouped(failing))
        except* ValueError:
            rounds.append(number)


@pytest.mark.parametrize("together", [True, False], ids=["failed and cancelled", "cancelled"])
async def test_cancellation_survives_a_failure_of_the_same_moment(together):
    """The group tells of the failure alone; the loop around it ends nevertheless."""
    failing, rounds = asyncio.Event(), []
    task = asyncio.create_task(goes_on(failing, rounds))
    await asyncio.sleep(0.01)
    if together:
        failing.set()
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task], timeout=10)
    assert (task.cancelled(), rounds) == (True, [])


async def test_failures_alone_end_nothing():
    """The groups leave marks of cancellation on the tasks that they ran in; they are not taken for one of the caller."""
    failing, rounds = asyncio.Event(), []
    failing.set()
    await goes_on(failing, rounds)
    with pytest.raises(ExceptionGroup):
        await grouped(failing)
    await goes_on(failing, rounds)
    assert rounds == [0, 1, 2] * 2


async def handled(failing: asyncio.Event) -> None:
    """Take the failure of a group in the work, as one entry of many does, and go on."""
    try:
        await grouped(failing)
    except* ValueError:
        pass


async def test_cancellation_survives_work_that_ends_well():
    """The work hears of a failure alone, handles it and returns; the loop around it ends nevertheless."""
    failing = asyncio.Event()
    task = asyncio.create_task(ending_when_cancelled(handled(failing)))
    await asyncio.sleep(0.01)
    failing.set()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task], timeout=10)
    assert task.cancelled()


async def test_what_the_work_returns_is_returned():
    """Nothing changes for work that ends well."""
    assert await ending_when_cancelled(asyncio.sleep(0, "done")) == "done"
