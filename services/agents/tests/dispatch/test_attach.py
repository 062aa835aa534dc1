"""What an agent does on its stream, through broken ones and shutdowns."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import grpc

from miyabi.coordinator.v1 import dispatch_service_pb2 as pb
from miyabi.coordinator.v1 import limits_pb2
from miyabi_agents.feedback import Limits, Slots
from miyabi_agents.model import ModelClient
from miyabi_core.proto_time import to_duration


async def test_a_lease_comes_back_as_an_outcome_with_its_reference(bench, make_lease, make_outcome) -> None:
    """The hello names the agent, and what a lease asked for comes back under its reference."""

    async def script(task, context):
        return make_outcome(task.reference.task)

    async with bench.agent(script):
        stream = await bench.coordinator.attached()
        assert (stream.hello.agent_id, stream.hello.slots, list(stream.hello.capabilities)) == ("agent-1", 8, [1, 3])
        stream.welcome()
        leases = [make_lease(number) for number in (1, 2, 3)]
        stream.send(leases=leases)
        await stream.until(lambda seen: len(seen.outcomes) == 3)
        assert {entry.reference.task for entry in stream.outcomes} == {entry.reference.task for entry in leases}
        assert all(entry.triage.analysis == entry.reference.task for entry in stream.outcomes)


async def test_leases_run_side_by_side(bench, make_lease, make_outcome) -> None:
    """Eight tasks meet at a barrier that none passes alone."""
    barrier = asyncio.Barrier(8)

    async def script(task, context):
        await barrier.wait()
        return make_outcome()

    async with bench.agent(script):
        stream = await bench.coordinator.attached()
        stream.welcome()
        stream.send(leases=[make_lease(number) for number in range(1, 9)])
        await stream.until(lambda seen: len(seen.outcomes) == 8)


async def test_an_outcome_is_sent_again_until_it_is_acknowledged(bench, make_lease, make_outcome) -> None:
    """Each new stream brings the outcome again, and its lease is named as held; an acknowledgement ends that."""

    async def script(task, context):
        return make_outcome("once")

    async with bench.agent(script):
        stream = await bench.coordinator.attached()
        stream.welcome()
        stream.send(leases=[make_lease()])
        await stream.until(lambda seen: seen.outcomes)
        for code in (grpc.StatusCode.UNAVAILABLE, None):
            stream.end(code)
            stream = await bench.coordinator.attached()
            assert [entry.task for entry in stream.hello.held] == [make_lease().reference.task]
            stream.welcome(heartbeat=timedelta(milliseconds=50))
            await stream.until(lambda seen: seen.outcomes)
            assert stream.outcomes[0].triage.analysis == "once"
        stream.acknowledge(make_lease().reference)
        await stream.until(lambda seen: seen.heartbeats and not seen.heartbeats[-1].held)
        stream.end()
        stream = await bench.coordinator.attached()
        assert not stream.hello.held
        assert not stream.outcomes


async def test_what_happens_right_after_a_reconnect_is_not_lost(bench, make_lease, make_outcome) -> None:
    """An outcome that comes while the old stream has just ended arrives on the new one, every time."""
    gates: asyncio.Queue[None] = asyncio.Queue()

    async def script(task, context):
        await gates.get()
        async with context.progress.invocation("probe"):
            pass
        return make_outcome()

    async with bench.agent(script):
        stream = await bench.coordinator.attached()
        for number in range(1, 6):
            stream.welcome()
            stream.send(leases=[make_lease(number)])
            stream.end(grpc.StatusCode.UNAVAILABLE)
            stream = await bench.coordinator.attached()
            assert len(stream.hello.held) == 1
            gates.put_nowait(None)
            await stream.until(lambda seen: seen.outcomes)
            assert len(stream.progress) == 1
            stream.acknowledge(make_lease(number).reference)
            stream.end()
            stream = await bench.coordinator.attached()


async def test_committed_reports_are_repeated_after_a_reconnect_with_their_index(
    bench, make_lease, make_outcome
) -> None:
    """Invocations and texts of a running task come again under the same index; pieces of text do not."""
    finish = asyncio.Event()

    async def script(task, context):
        await context.progress.text("analysis", "Grüße")
        await context.progress.text_done("analysis")
        async with context.progress.invocation("probe", detail="ghp_0123456789abcdef0123456789"):
            pass
        await finish.wait()
        return make_outcome()

    async with bench.agent(script):
        stream = await bench.coordinator.attached()
        stream.welcome()
        stream.send(leases=[make_lease()])
        await stream.until(lambda seen: len(seen.progress) == 3)
        assert [entry.index for entry in stream.progress] == [1, 2, 3]
        assert "ghp_" not in stream.progress[2].tool_invocation.detail
        stream.end(grpc.StatusCode.UNAVAILABLE)
        stream = await bench.coordinator.attached()
        await stream.until(lambda seen: len(seen.progress) == 2)
        assert [entry.WhichOneof("update") for entry in stream.progress] == ["text", "tool_invocation"]
        assert [entry.index for entry in stream.progress] == [2, 3]
        finish.set()


async def test_heartbeats_go_on_while_text_streams_without_a_pause(bench, make_lease, make_outcome) -> None:
    """A task that always has something to say renews its lease nevertheless."""
    finish = asyncio.Event()

    async def script(task, context):
        while not finish.is_set():
            await context.progress.text("change", "word ")
            await asyncio.sleep(0.001)
        return make_outcome()

    async with bench.agent(script):
        stream = await bench.coordinator.attached()
        stream.welcome(heartbeat=timedelta(milliseconds=100))
        stream.send(leases=[make_lease()])
        await stream.until(lambda seen: sum(bool(beat.held) for beat in seen.heartbeats) >= 3)
        finish.set()
        pieces = [entry.text_delta for entry in stream.progress]
        assert stream.messages < len(pieces)
        offsets = [piece.byte_offset for piece in pieces]
        assert offsets == [5 * position for position in range(len(offsets))]


async def test_a_cancelled_lease_is_stopped_and_leaves_nothing(bench, make_lease, make_outcome) -> None:
    """The work of a cancelled lease ends at its next await; no outcome comes, and it is not held any more."""
    began, ended = asyncio.Event(), asyncio.Event()

    async def script(task, context):
        try:
            began.set()
            await asyncio.Event().wait()
        finally:
            ended.set()
        return make_outcome()

    async with bench.agent(script):
        stream = await bench.coordinator.attached()
        stream.welcome(heartbeat=timedelta(milliseconds=50))
        stream.send(leases=[make_lease()])
        async with asyncio.timeout(10):
            await began.wait()
            stream.send(cancellations=[pb.LeaseCancellation(reference=make_lease().reference, reason="cancelled")])
            await ended.wait()
        before = len(stream.heartbeats)
        # Those that were on their way when the work ended may name it still.
        await stream.until(lambda seen: len(seen.heartbeats) > before and not seen.heartbeats[-1].held)
        assert not stream.outcomes


async def test_a_lease_that_was_lost_meanwhile_is_stopped(bench, make_lease, make_outcome) -> None:
    """What the welcome calls lost is no longer worked on."""
    ended = asyncio.Event()

    async def script(task, context):
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return make_outcome()

    async with bench.agent(script):
        stream = await bench.coordinator.attached()
        stream.welcome(heartbeat=timedelta(milliseconds=50))
        stream.send(leases=[make_lease()])
        await stream.until(lambda seen: seen.heartbeats and seen.heartbeats[-1].held)
        stream.end(grpc.StatusCode.UNAVAILABLE)
        stream = await bench.coordinator.attached()
        stream.welcome(lost=[make_lease().reference])
        async with asyncio.timeout(10):
            await ended.wait()


async def test_a_drain_ends_with_its_stream(bench, make_lease, make_outcome) -> None:
    """An agent told to drain says so, and takes work again from the next coordinator."""

    async def script(task, context):
        return make_outcome()

    async with bench.agent(script):
        stream = await bench.coordinator.attached()
        stream.welcome()
        stream.send(drain=pb.Drain(reason="rolling update"))
        await stream.until(lambda seen: seen.heartbeats and seen.heartbeats[-1].draining)
        stream.end()
        stream = await bench.coordinator.attached()
        stream.welcome(heartbeat=timedelta(milliseconds=50))
        stream.send(leases=[make_lease()])
        await stream.until(lambda seen: seen.outcomes and seen.heartbeats)
        assert not any(beat.draining for beat in stream.heartbeats)


async def test_a_stopped_agent_finishes_its_tasks(bench, make_lease, make_outcome) -> None:
    """After the signal no more is taken, what runs comes to its end, and the agent leaves once it is acknowledged."""
    finish = asyncio.Event()

    async def script(task, context):
        await finish.wait()
        return make_outcome("in time")

    async with bench.agent(script) as running:
        stream = await bench.coordinator.attached()
        stream.welcome(heartbeat=timedelta(milliseconds=50))
        stream.send(leases=[make_lease()])
        await stream.until(lambda seen: seen.heartbeats and seen.heartbeats[-1].held)
        bench.stop.set()
        await stream.until(lambda seen: seen.heartbeats[-1].draining)
        finish.set()
        await stream.until(lambda seen: seen.outcomes)
        assert stream.outcomes[0].triage.analysis == "in time"
        assert not running.done()
        stream.acknowledge(make_lease().reference)
        async with asyncio.timeout(10):
            await running


async def test_a_stopped_agent_hands_back_what_does_not_end(bench, make_lease, make_outcome) -> None:
    """A task that outlasts the drain time is handed back, which costs it no attempt."""
    bench.settings = bench.settings.model_copy(update={"drain": timedelta(milliseconds=50)})

    async def script(task, context):
        await asyncio.Event().wait()
        return make_outcome()

    async with bench.agent(script) as running:
        stream = await bench.coordinator.attached()
        stream.welcome(heartbeat=timedelta(milliseconds=50))
        stream.send(leases=[make_lease()])
        await stream.until(lambda seen: seen.heartbeats and seen.heartbeats[-1].held)
        bench.stop.set()
        await stream.until(lambda seen: seen.outcomes)
        assert stream.outcomes[0].WhichOneof("result") == "released"
        stream.acknowledge(make_lease().reference)
        async with asyncio.timeout(10):
            await running


async def test_large_outcomes_travel_in_several_messages(bench, make_lease, make_outcome) -> None:
    """Outcomes that together exceed what a server takes all arrive."""
    ready = asyncio.Barrier(6)

    async def script(task, context):
        outcome = pb.Outcome()
        outcome.change_set.base_sha = "0" * 40
        outcome.change_set.digest = "0" * 64
        outcome.change_set.files.add(path="a.bin", content=bytes(9 << 20))
        await ready.wait()
        return outcome

    async with bench.agent(script):
        stream = await bench.coordinator.attached()
        stream.welcome()
        stream.send(leases=[make_lease(number) for number in range(1, 7)])
        await stream.until(lambda seen: len(seen.outcomes) == 6)
        assert len(stream.outcomes) == 6


async def test_heartbeats_tell_of_limits_and_come_early_where_it_matters(bench, make_lease, make_outcome) -> None:
    """A refusal is reported at once though heartbeats are a minute apart, and the share that comes back counts."""

    async def script(task, context):
        return make_outcome()

    models = ModelClient(bench.settings)
    limits = Limits(models.pace, Slots(least=1, most=8))
    async with bench.agent(script, limits=limits):
        stream = await bench.coordinator.attached()
        stream.welcome(heartbeat=timedelta(minutes=1))
        async with models.pace.turn() as turn:
            await asyncio.sleep(0)
            models.pace.refused(turn)
            await stream.until(lambda seen: seen.heartbeats)
        (model, slots) = stream.heartbeats[0].limits
        assert (model.target, model.refused, model.in_flight) == ("model-api/api.anthropic.com", 1, 1)
        assert (slots.target, slots.limit) == ("sandbox-slots", 8)
        share = limits_pb2.TargetShare(target=model.target, share=3, epoch=1, lasts=to_duration(timedelta(seconds=15)))
        stream.send(limits=limits_pb2.Limits(shares=[share]), leases=[make_lease()])
        await stream.until(lambda seen: seen.outcomes)
        assert models.pace.allowed == 3
    await models.close()
