"""Duplicates through every process: found by their texts and files, confirmed by a model that quotes, linked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from running_system import System, running_system
from test_batches import events_of, explain, request
from toy_repository import REPOSITORY, make_toy

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.state_pb2 import BatchState, FailureReason, RunState

#: The original, and two reports of the same in other words.
ORIGINAL, TWIN, LATE = 1, 4, 5
QUOTE = "the number that the invoice is made from stays what it was"
BODY = (
    "Whatever I hand over to `items.item_0001.item_0001`, the number that the invoice is made from stays what it was "
    "before the call. `item_0001(0)` should be 1. See items/item_0001.py, which has nothing else in it."
)
RETOLD = (
    "Hello all, we make invoices with your library and since last week the number that the invoice is made from stays "
    "what it was. I looked at items/item_0001.py and could not find where one is added; somebody else here should look."
)


def scripts() -> list[dict[str, Any]]:
    """Return what the model finds of the reports."""
    found = {"same": True, "quote": QUOTE, "reason": "Both want item_0001 to add one."}
    return [
        {
            "name": f"duplicate {number}",
            "when": {"tool": "record_duplicate", "contains": [f"{REPOSITORY}#{number}\n"]},
            "turns": [[{"tool": "record_duplicate", "input": found}]],
        }
        for number in (TWIN, LATE)
    ]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def twins(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A running system whose repository has three reports of one thing."""
    folder: Path = tmp_path_factory.mktemp("twins")
    toy = make_toy(folder / "toy", issues=2)
    seed = json.loads(toy.seed.read_text())
    issue = next(entry for entry in seed["issues"] if entry["number"] == ORIGINAL)
    issue["body"] = BODY
    for number, title in ((TWIN, "Invoices are one short"), (LATE, "One is missing on each invoice")):
        seed["issues"].append({**issue, "number": number, "title": title, "body": RETOLD})
    toy.seed.write_text(json.dumps(seed))
    (toy.scenarios / "0-duplicates.yaml").write_text(yaml.safe_dump(scripts(), sort_keys=False))
    async with running_system(folder, toy=toy) as running:
        yield running


async def test_one_of_two_is_worked_on_and_later_reports_are_linked_to_its_pull_request(twins: System) -> None:
    """The other one ends with its link and the model's quotation; a later batch finds the pull request."""
    events = await events_of(twins, request(ORIGINAL, TWIN))
    accepted, finished = events[0].batch_accepted, events[-1].batch_finished
    assert [[one.sure for one in heading.suspects] for heading in accepted.issues] == [[], [False]]
    original, twin = finished.results
    assert (finished.state, original.state) == (BatchState.BATCH_STATE_SUCCEEDED, RunState.RUN_STATE_SUCCEEDED), (
        explain(events)
    )
    assert (twin.state, twin.failure_reason) == (RunState.RUN_STATE_SKIPPED, FailureReason.FAILURE_REASON_DUPLICATE)
    assert twin.duplicate_of == ORIGINAL
    assert QUOTE in twin.failure_message
    run = (await twins.stub.GetIssueRun(pb.GetIssueRunRequest(name=f"{events[0].batch}/runs/{TWIN}"))).run
    (judgement,) = run.triage.duplicates
    assert (judgement.confirmed, judgement.quote) == (True, QUOTE)
    assert "items/item_0001.py" in judgement.files
    # One call of the model, which the issue pays.
    assert run.spent.calls == 1
    assert run.spent.cost_usd_micros > 0
    events = await events_of(twins, request(LATE))
    (late,) = events[-1].batch_finished.results
    assert late.failure_reason == FailureReason.FAILURE_REASON_DUPLICATE, explain(events)
    assert original.pull_request_url in late.failure_message
    assert late.duplicate_of == 0
    state = await twins.github_state()
    assert json.dumps(state).count(f"issue-{LATE}-") == 0
