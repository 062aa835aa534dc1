"""`miyabi transcript` against a coordinator that has calls, and what `show` and `watch` say of refused attempts."""

from __future__ import annotations

import json
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from scripted_coordinator import BATCH, ScriptedCoordinator, story
from test_commands import run_against

from miyabi.common.v1.usage_pb2 import Usage
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.batch_pb2 import IssueRun, Task
from miyabi.coordinator.v1.event_pb2 import BatchEvent, ChangeRecorded, DocumentationRecorded
from miyabi.coordinator.v1.transcript_pb2 import ModelCall, PromptPrefix, TranscriptBlock, TranscriptMessage


def call_of(number: int, **fields: Any) -> ModelCall:
    """Return a call that reads a file."""
    sent = TranscriptBlock(type="text", text=f"question {number}\nsecond line\x1b[2J")
    read = TranscriptBlock(type="tool_use", tool="read_file", text='{"path": "a.py"}')
    return ModelCall(
        task=f"{BATCH}/runs/7/tasks/implement", attempt=1, number=number, step="change", model="claude-sonnet-4-5",
        tier="standard", start_time=Timestamp(seconds=1_767_225_600), duration=Duration(seconds=2),
        time_to_first_text=Duration(nanos=250_000_000), stop_reason="tool_use", max_tokens=8192,
        usage=Usage(input_tokens=1200, output_tokens=30, cost_usd_micros=12_500, calls=1),
        prefix=PromptPrefix(digest="ab" * 32, characters=9000, tools=["read_file", "finish_change"]),
        messages=[TranscriptMessage(role="user", blocks=[sent])], answer=[read], **fields,
    )  # fmt: skip


class WithCalls(ScriptedCoordinator):
    """Has three calls, two a page."""

    def __init__(self) -> None:
        super().__init__(story())
        self.asked: list[pb.ListModelCallsRequest] = []

    async def GetIssueRun(self, request: pb.GetIssueRunRequest, context: Any) -> pb.GetIssueRunResponse:  # noqa: N802
        tasks = [Task(name=f"{request.name}/tasks/{name}") for name in ("triage", "implement", "implement-step-2")]
        return pb.GetIssueRunResponse(run=IssueRun(name=request.name, issue_number=7, tasks=tasks))

    async def ListModelCalls(  # noqa: N802
        self, request: pb.ListModelCallsRequest, context: Any
    ) -> pb.ListModelCallsResponse:
        self.asked.append(request)
        if not request.page_token:
            return pb.ListModelCallsResponse(model_calls=[call_of(1), call_of(2)], next_page_token="more", gone=4)
        last = call_of(3, continues=2, earlier_messages=3, error="the connection broke", left_out=["Much."])
        return pb.ListModelCallsResponse(model_calls=[last], gone=4)


async def test_every_call_is_shown() -> None:
    """All pages, oldest first: what was asked, answered, spent; `latest` works; nothing of a stranger moves the cursor."""
    coordinator = WithCalls()
    code, output, errors = await run_against(coordinator, "transcript", "latest", "7")
    assert code == 0, errors
    assert [output.index(f"question {number}") for number in (1, 2, 3)] == sorted(
        output.index(f"question {number}") for number in (1, 2, 3)
    )
    for words in (
        "implement, attempt 1, call 1: change",
        "claude-sonnet-4-5 as standard",
        "2.000 s, first text after 0.250 s",
        "$0.0125",
        "1,200 tokens in",
        "abababababab, read_file, finish_change",
        "answer calls read_file",
        '| {"path": "a.py"}',
        "begins with 3 messages of call 2",
        "error: the connection broke",
        "left out: Much.",
        "calls: 3, without a whole answer: 1, $0.0375",
        "newer ones took their room: 4",
    ):
        assert words in output
    assert "\x1b" not in output
    assert [(request.parent, request.page_token) for request in coordinator.asked] == [
        (f"{BATCH}/runs/7", ""), (f"{BATCH}/runs/7", "more"),
    ]  # fmt: skip


async def test_json_is_one_call_a_line() -> None:
    """For machines, with a step that is passed on."""
    coordinator = WithCalls()
    code, output, errors = await run_against(coordinator, "transcript", BATCH, "7", "implement", "--json")
    assert code == 0, errors
    lines = [json.loads(line) for line in output.split("\n") if line]
    assert [line["number"] for line in lines] == [1, 2, 3]
    assert lines[0]["answer"] == [{"type": "tool_use", "tool": "read_file", "text": '{"path": "a.py"}'}]
    assert {request.task for request in coordinator.asked} == {"implement"}


async def test_a_step_that_is_not_there_is_refused() -> None:
    """One line that names those that are."""
    code, _, errors = await run_against(WithCalls(), "transcript", "latest", "7", "verify")
    assert code == 2
    assert "STEP: issue 7 has no step 'verify'; it has triage, implement, implement-step-2" in errors


async def test_watch_tells_refused_attempts_once() -> None:
    """A change brings along the attempts of the rounds before; each is told once, those of documentation too."""
    events = story()
    changes = [ChangeRecorded(attempts_refused=["create_file .git/x"]) for _ in range(2)]
    changes[1].attempts_refused.append("run curl")
    told = [BatchEvent(batch=BATCH, sequence=2, issue_number=7, change_recorded=change) for change in changes]
    documented = DocumentationRecorded(attempts_refused=["delete_file ../y"])
    told.append(BatchEvent(batch=BATCH, sequence=2, issue_number=7, documentation_recorded=documented))
    code, output, errors = await run_against(ScriptedCoordinator([*events[:2], *told, *events[2:]]), "watch", BATCH)
    assert code == 0, errors
    counts = [output.count(f"#7 refused: {words}") for words in ("create_file .git/x", "run curl", "delete_file ../y")]
    assert counts == [1, 1, 1]


async def test_show_tells_what_was_not_known_of_the_batch() -> None:
    """It stands in the batch's first event, which `show` reads."""
    coordinator = WithCalls()
    coordinator.events[0].batch_accepted.not_known.append("labels could not be read")
    code, output, errors = await run_against(coordinator, "show", "latest", "7")
    assert code == 0, errors
    assert "not known of the batch: labels could not be read" in output
