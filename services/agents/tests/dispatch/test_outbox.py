"""What waits for the coordinator is bounded: calls of models keep their heads, and the oldest say that their bodies went."""

from __future__ import annotations

from miyabi.coordinator.v1.dispatch_service_pb2 import LeaseReference, Progress
from miyabi.coordinator.v1.event_pb2 import TextRecorded
from miyabi.coordinator.v1.transcript_pb2 import ModelCall, TranscriptBlock
from miyabi_agents.dispatch.outbox import DROPPED, MAX_CALL_BYTES, Outbox

TEXT = "x" * (512 << 10)
#: Calls of that size that fit.
FIT = MAX_CALL_BYTES // len(TEXT) - 1


def call_of(number: int, *, fence: int = 1, text: str = TEXT) -> Progress:
    """Return the report of a call."""
    call = ModelCall(number=number, answer=[TranscriptBlock(type="text", text=text)])
    return Progress(reference=LeaseReference(task="t", fencing_token=fence), index=number, model_call=call)


def sent(outbox: Outbox) -> list[ModelCall]:
    """Return the calls of everything that is to be sent."""
    calls = []
    while (request := outbox.take()) is not None:
        calls += [entry.model_call for entry in request.progress if entry.HasField("model_call")]
    return calls


def test_the_oldest_calls_lose_their_bodies_and_say_so() -> None:
    """While the coordinator is away every call stays, in order, and no more bytes than are allowed."""
    outbox = Outbox()
    for number in range(1, 2 * FIT + 1):
        outbox.progress(call_of(number), droppable=False)
    outbox.reconnected()
    calls = sent(outbox)
    assert [call.number for call in calls] == list(range(1, 2 * FIT + 1))
    assert sum(call.ByteSize() for call in calls) <= MAX_CALL_BYTES + 200 * len(calls)
    whole = [bool(call.answer) for call in calls]
    assert whole == sorted(whole)
    assert FIT <= sum(whole) < 2 * FIT
    assert [DROPPED in call.left_out for call in calls] == [not there for there in whole]


def test_what_is_over_makes_room() -> None:
    """Calls of a lease whose outcome is acknowledged count no more."""
    outbox = Outbox()
    for fence in range(1, 6):
        for number in range(1, FIT + 1):
            outbox.progress(call_of(number, fence=fence), droppable=False)
        assert all(call.answer for call in sent(outbox))
        outbox.forget(LeaseReference(task="t", fencing_token=fence))
    outbox.reconnected()
    assert outbox.take() is None


def test_other_reports_are_not_touched() -> None:
    """Texts that are committed wait whole, however much of calls waits beside them."""
    outbox = Outbox()
    text = Progress(
        reference=LeaseReference(task="t", fencing_token=1), index=1, text=TextRecorded(step="s", text="kept")
    )
    outbox.progress(text, droppable=False)
    for number in range(2, 2 * FIT):
        outbox.progress(call_of(number), droppable=False)
    request = outbox.take()
    assert request is not None
    assert request.progress[0].text.text == "kept"
