"""What Tab completes: batches, issues, agents, by asking the coordinator; nothing where nobody answers."""

from __future__ import annotations

import pytest
from scripted_coordinator import BATCH, NAME
from scripted_operations import Operations
from test_commands import miyabi

from miyabi.coordinator.v1.coordinator_service_pb2_grpc import add_CoordinatorServiceServicer_to_server
from miyabi_core.testing import running_server

ULID = BATCH.removeprefix("batches/")


async def completed(line: str, target: str = "127.0.0.1:1") -> tuple[int, list[str], str]:
    """Ask as bash does; returns the exit code, the suggestions and what was said beside them."""
    words = {"_MIYABI_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    code, output, errors = await miyabi(target=target, **words)
    return code, output.split(), errors


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("miyabi pause ", ["latest", BATCH]),
        ("miyabi pause lat", ["latest"]),
        (f"miyabi watch {ULID[:4]}", [ULID]),
        ("miyabi show latest ", ["7"]),
        (f"miyabi approve {BATCH} 7", ["7"]),
        ("miyabi retry latest ", ["7"]),
        ("miyabi drain local-", ["local-1", "local-2"]),
        ("miyabi logs latest --event tool", ["tool-invocation"]),
        ("miyabi logs latest --kind pull", ["pull-request"]),
        ("miyabi pa", ["pause"]),
    ],
)
async def test_names_are_completed(line: str, expected: list[str]) -> None:
    """Those that begin like what is typed."""
    async with running_server((add_CoordinatorServiceServicer_to_server, Operations(), NAME)) as target:
        code, suggestions, errors = await completed(line, target)
    assert (code, suggestions, errors) == (0, expected, "")


@pytest.mark.parametrize("line", ["miyabi pause ", "miyabi show latest ", "miyabi drain ", "miyabi show nonsense "])
async def test_nobody_who_answers_is_no_suggestion(line: str) -> None:
    """And no error on the line that a person is typing."""
    code, suggestions, errors = await completed(line)
    assert (code, suggestions, errors) == (0, [], "")
