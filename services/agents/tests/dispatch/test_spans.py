"""What a failed call's span says goes to whoever collects traces: no words of files and tests are in it."""

from __future__ import annotations

import pytest

from miyabi.common.v1.usage_pb2 import Usage
from miyabi.coordinator.v1.event_pb2 import ToolInvocation
from miyabi_agents.dispatch.spans import status_of


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (ToolInvocation(tool="edit_file", error="the nearest lines are: def private(): ..."), None),
        (ToolInvocation(tool="model.messages", error="busy", usage=Usage(calls=1)), "busy"),
    ],
)
def test_why_a_tool_failed_stays_in_the_events(call: ToolInvocation, expected: str | None) -> None:
    """A model's call says what the API said; a tool only that it failed."""
    status = status_of(call)
    assert (status.is_ok, status.description) == (False, expected)
