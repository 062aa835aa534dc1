"""The tables of states are those that the interfaces promise."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from miyabi_coordinator.models import BatchState, RunState, TaskState
from miyabi_coordinator.models.lifecycle import BATCH_MOVES, RUN_MOVES, TASK_MOVES

PROTO = Path(__file__).parents[4] / "proto/miyabi/coordinator/v1/state.proto"


def listed(prefix):
    """Return what the comments of an enum list: from each state the names after `To`, up to the end of the comment."""
    found = {}
    pattern = rf"((?:  //[^\n]*\n)+)  {prefix}([A-Z_]+) = [1-9]"
    for comment, name in re.findall(pattern, PROTO.read_text()):
        text = " ".join(line.strip().removeprefix("//").strip() for line in comment.splitlines())
        after = re.search(r"\bTo (.*)", text)
        found[name] = set(re.findall(r"\b[A-Z]{4,}(?:_[A-Z]+)*\b", after[1])) if after else set()
    return found


@pytest.mark.parametrize(
    ("table", "states", "prefix"),
    [
        (BATCH_MOVES, BatchState, "BATCH_STATE_"),
        (RUN_MOVES, RunState, "RUN_STATE_"),
        (TASK_MOVES, TaskState, "TASK_STATE_"),
    ],
)
def test_moves_are_those_that_the_interface_lists(table, states, prefix):
    """Each state's comment lists exactly the states that may follow."""
    assert {state.name: {after.name for after in table[state]} for state in states} == listed(prefix)
