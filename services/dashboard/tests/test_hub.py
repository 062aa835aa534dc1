"""What clients of the WebSocket are told: by subscription, encoded once, without holes, started over where they fall behind."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from itertools import pairwise
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miyabi.coordinator.v1.event_pb2 import BatchEvent, StepChanged, TextDelta
from miyabi_dashboard.live.hub import CLIENT_QUEUE, ENCODED, KEPT_EVENTS, Client, Hub, frame_of
from miyabi_dashboard.live.subscription import EVERYTHING, Subscription
from miyabi_dashboard.live.told import Told

ONE, OTHER = "batches/01ARZ3NDEKTSV4RRFFQ69G5FAV", "batches/01ARZ3NDEKTSV4RRFFQ69G5FAW"


def event(batch: str, number: int) -> Told:
    """Return an event of a batch."""
    return Told.of_coordinator(BatchEvent(batch=batch, sequence=number, step_changed=StepChanged(step=str(number))))


def messages(client: Client) -> list[dict[str, Any]]:
    """Return what waits for a client."""
    found = []
    while not client.queue.empty():
        found.append(json.loads(client.queue.get_nowait()))
    return found


async def ticks(hub: Hub, *bursts: list[Told]) -> None:
    """Let the hub send each burst in a tick of its own."""
    running = asyncio.create_task(hub.run())
    for burst in bursts:
        before = hub.sequence
        numbered = [entry for entry in burst if not entry.is_text]
        hub.publish(burst)
        async with asyncio.timeout(10):
            while hub.sequence < before + len(numbered) or hub._pending:
                await asyncio.sleep(0)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_message_is_encoded_once_for_all_clients_of_a_subscription() -> None:
    """A hundred clients of two subscriptions cost two encodings a tick, and get the same bytes."""
    hub = Hub()
    clients = [hub.attach() for _ in range(50)] + [hub.attach(Subscription(batch=ONE)) for _ in range(50)]
    before = ENCODED._value.get()
    await ticks(hub, [event(ONE, 1), event(OTHER, 1)])
    assert ENCODED._value.get() - before == 2
    told = [client.queue.get_nowait() for client in clients]
    assert len({id(message) for message in told}) == 2


def never() -> dict[str, Any]:
    """Fail: nobody is to be told."""
    raise AssertionError("encoded for nobody")


async def test_nothing_is_encoded_for_nobody() -> None:
    """Events that no client is told of cost no encoding; one that comes back for them has them."""
    hub = Hub()
    client = hub.attach(Subscription(batch=ONE))
    await ticks(hub, [Told(never, batch=OTHER), Told(never, batch=OTHER, is_text=True), event(OTHER, 1)])
    assert messages(client) == []
    missed = hub.since(1, epoch=hub.epoch)
    assert missed is not None
    assert [entry["event"]["step_changed"]["step"] for entry in json.loads(missed)["events"]] == ["1"]


async def test_client_is_told_of_what_it_asked_for() -> None:
    """By batch, by repository, or everything; the dashboard's own word goes to all."""
    hub = Hub()
    hub.know(ONE, "a/b")
    hub.know(OTHER, "c/d")
    everyone, batch, repository = (
        hub.attach(EVERYTHING), hub.attach(Subscription(batch=ONE)), hub.attach(Subscription(repository="c/d")),
    )  # fmt: skip
    external = Told.of_intake({"source": "external", "repository": "c/d", "agentId": "x"})
    ours = Told.of_dashboard({"coordinator": False})
    await ticks(hub, [event(ONE, 1), event(OTHER, 1), external, ours])
    told = {
        name: [entry["sequence"] for message in messages(client) for entry in message["events"]]
        for name, client in (("all", everyone), ("batch", batch), ("repository", repository))
    }
    assert told == {"all": [1, 2, 3, 4], "batch": [1, 4], "repository": [2, 3, 4]}


async def test_text_goes_to_those_who_look_at_the_batch() -> None:
    """What models write travels without a number, to subscriptions of its batch alone."""
    hub = Hub()
    everyone, looking, elsewhere = (
        hub.attach(), hub.attach(Subscription(batch=ONE)), hub.attach(Subscription(batch=OTHER)),
    )  # fmt: skip
    text = Told.of_coordinator(BatchEvent(batch=ONE, text_delta=TextDelta(text="x")))
    await ticks(hub, [text, event(ONE, 1)])
    assert [message["type"] for message in messages(everyone)] == ["events"]
    assert [message["type"] for message in messages(looking)] == ["events", "deltas"]
    assert messages(elsewhere) == []
    hub.read_along(everyone, ONE)
    await ticks(hub, [text, event(OTHER, 1)])
    assert [message["type"] for message in messages(everyone)] == ["events", "deltas"]
    assert hub.sequence == 2


@settings(max_examples=60, deadline=None)
@given(
    bursts=st.lists(st.lists(st.sampled_from([ONE, OTHER]), max_size=5), max_size=8),
    leaves=st.integers(0, 8),
    subscription=st.sampled_from([EVERYTHING, Subscription(batch=ONE), Subscription(repository="c/d")]),
)
def test_client_that_comes_back_has_what_one_that_stayed_has(
    bursts: list[list[str]], leaves: int, subscription: Subscription
) -> None:
    """Whenever it leaves, what it resumes with completes what it had: the same events, each once, nothing between."""

    async def play() -> tuple[list[int], list[int]]:
        hub = Hub()
        hub.know(ONE, "a/b")
        hub.know(OTHER, "c/d")
        stayed, left = hub.attach(subscription), hub.attach(subscription)
        numbered = [[event(batch, 1) for batch in burst] for burst in bursts]
        for burst in numbered[:leaves]:
            hub._send(burst)
        had = messages(left)
        position = had[-1]["sequence"] if had else 0
        hub.detach(left)
        for burst in numbered[leaves:]:
            hub._send(burst)
        missed = hub.since(position, epoch=hub.epoch, subscription=subscription)
        assert missed is not None
        resumed = [*had, *([json.loads(missed)] if missed else [])]
        for before, after in pairwise(resumed):
            assert after["after"] <= before["sequence"]
        return (
            [entry["sequence"] for message in messages(stayed) for entry in message["events"]],
            [entry["sequence"] for message in resumed for entry in message["events"]],
        )

    with asyncio.Runner() as runner:
        stayed, resumed = runner.run(play())
    assert stayed == resumed


async def test_quiet_subscription_can_always_resume() -> None:
    """A client whose batch is quiet learns how far the numbering has come, before that is no longer kept."""
    hub = Hub()
    client = hub.attach(Subscription(batch=ONE))
    for number in range(2 * KEPT_EVENTS):
        hub._send([event(OTHER, number)])
    told = messages(client)
    assert [message["events"] for message in told] == [[]] * len(told)
    assert hub.since(told[-1]["sequence"], epoch=hub.epoch, subscription=client.subscription) is not None


async def test_client_that_is_slow_is_bounded_and_started_over() -> None:
    """What waits for one client is bounded; beyond that it is marked, and nothing more is kept for it."""
    hub = Hub()
    client = hub.attach()
    for number in range(CLIENT_QUEUE + 10):
        hub._send([event(ONE, number)])
    assert (client.queue.qsize(), client.lost) == (CLIENT_QUEUE, True)
    client.empty()
    hub._send([event(ONE, 999)])
    assert (client.lost, len(messages(client))) == (False, 1)


@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536, 200_000])
async def test_frame_is_understood(length: int, page: Any) -> None:
    """A frame that is made by hand is what a client's own parser reads, at every size of length."""
    body = json.dumps({"x": "y" * length}).encode() if length else b"{}"
    hub = page.dashboard.hub
    async with page.http.ws_connect("/ws", max_msg_size=0) as socket:
        await socket.receive_json()
        (client,) = next(iter(hub._groups.values())).clients
        async with asyncio.timeout(10):
            while not client.send_now(frame_of(body)):
                await asyncio.sleep(0)
        assert body.decode() == await socket.receive_str(timeout=10)


async def test_client_changes_what_it_looks_at(page: Any) -> None:
    """A message moves a client to another subscription, from a snapshot on."""
    async with page.http.ws_connect("/ws") as socket:
        assert (await socket.receive_json())["type"] == "snapshot"
        await socket.send_json({"type": "subscribe", "repository": "c/d"})
        assert (await socket.receive_json(timeout=10))["type"] == "snapshot"
        good = {"eventType": "progress", "agentId": "a", "issueNumber": 7, "progress": 40}
        await page.http.post("/api/events", json=[{**good, "repository": "a/b"}, {**good, "repository": "c/d"}])
        told = (await socket.receive_json(timeout=10))["events"]
    assert [entry["event"]["repository"] for entry in told] == ["c/d"]


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("no json", "message"), ('{"type": "shout"}', "type"), ('{"type": "subscribe", "batch": "x"}', "batch"),
        ('{"type": "subscribe", "x": 1}', "x"), (json.dumps({"type": "subscribe", "batch": ONE, "repository": "a/b"}), "repository"),
        ('{"type": "subscribe", "batch": 7}', "batch"),
    ],
)  # fmt: skip
async def test_message_that_is_none_ends_the_socket(page: Any, message: str, field: str) -> None:
    """A client that says something else is told what, and closed."""
    async with page.http.ws_connect("/ws") as socket:
        await socket.receive_json()
        await socket.send_str(message)
        answer = await socket.receive(timeout=10)
    assert (answer.type, answer.data) == (aiohttp.WSMsgType.CLOSE, aiohttp.WSCloseCode.POLICY_VIOLATION)
    assert str(answer.extra).startswith(f"{field}: ")
