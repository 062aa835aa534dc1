"""Turns calls of models into what is kept of them, and back."""

from __future__ import annotations

from miyabi.coordinator.v1 import dispatch_service_pb2
from miyabi.coordinator.v1.transcript_pb2 import ModelCall
from miyabi_coordinator.models.transcript import CallHead, ReportedCall
from miyabi_coordinator.translate.dispatch import reference_of

#: What is said of a call whose body was removed.
REMOVED = "Its messages and its answer were removed: newer calls of the run took their room."


def reported(message: dispatch_service_pb2.Progress) -> ReportedCall:
    """Return a reported call in its two parts; it is of the task whose lease reports it, whatever it says."""
    call = message.model_call
    body = ModelCall(messages=call.messages, answer=call.answer)
    head = ModelCall()
    head.CopyFrom(call)
    head.ClearField("messages")
    head.ClearField("answer")
    head.task = message.reference.task
    return ReportedCall(
        reference_of(message.reference), message.index, head.SerializeToString(), body.SerializeToString()
    )


def model_call(head: CallHead, body: bytes | None) -> ModelCall:
    """Return a call that was kept; where its body was removed, it says so."""
    message = ModelCall.FromString(head.head)
    if body is None:
        message.left_out.append(REMOVED)
    else:
        message.MergeFromString(body)
    return message
