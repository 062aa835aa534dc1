"""What the model tried and was refused is said with the change, with a failure, and in the pull request's evidence."""

from __future__ import annotations

from contextlib import closing

import pytest

from miyabi.coordinator.v1.dispatch_service_pb2 import TaskInputs
from miyabi.coordinator.v1.result_pb2 import ChangeSet, DocumentResult
from miyabi_agents.agents.documenter import DocumenterAgent
from miyabi_agents.agents.editing import TOOLS, Attempts, translated
from miyabi_agents.agents.editing.attempts import MAX_ATTEMPT, MAX_ATTEMPTS
from miyabi_agents.agents.implementer import ImplementerAgent
from miyabi_agents.errors import AgentError
from miyabi_agents.evidence import evidence
from miyabi_agents.localisation import Locator
from miyabi_sim.model.scenarios import Scenario
from services.agents.tests.codegen.test_implementer import MEND, PLAN, TESTS, create, finish

#: A call of each kind that is an attempt, and how its sentence begins.
TRIED = {
    "a path outside": (create("../x", "x"), "create_file: path: '../x' is not a path that may be used"),
    "git's own": (create(".git/hooks/x", "x"), "create_file: path: '.git/hooks/x' is not a path that may be used"),
    "the workflows": (create(".github/workflows/x.yml", "x"), "create_file: path: .github/workflows/x.yml may not be"),
    "no such tool": ({"tool": "run_command", "input": {"command": "id"}}, "run_command: there is no such tool"),
    "no such argument": (
        {"tool": "create_file", "input": {"path": "a", "content": "/etc", "mode": "120000"}},
        "create_file: it does not take mode",
    ),
}
BEFORE = ["edit_file: from the step before"]


@pytest.mark.parametrize("name", TRIED)
async def test_an_attempt_is_said_with_the_change(workshop, name: str) -> None:
    """Paths and files that no change may touch, tools and arguments that there are not: behind those of steps before."""
    call, begin = TRIED[name]
    bold = Scenario("bold", [[call, call], *MEND[1:]], tool="finish_change")
    with closing(Locator()) as locator:
        change = (await workshop.run(ImplementerAgent(locator), bold, TESTS, inputs={"plan": PLAN})).change_set
    (said,) = change.attempts_refused
    assert said.startswith(begin)
    assert len(change.files) == 2


async def test_a_mistake_is_no_attempt(workshop) -> None:
    """A file that is not there, a text that does not occur and a folder that is read say nothing of the model's aims."""
    slips = [
        {"tool": "read_file", "input": {"path": "absent.py"}},
        {"tool": "edit_file", "input": {"path": "toy/words.py", "old_str": "absent", "new_str": "x"}},
        {"tool": "read_file", "input": {"path": "toy"}},
        {"tool": "read_file", "input": {}},
    ]
    slow = Scenario("slow", [slips, *MEND[1:]], tool="finish_change")
    with closing(Locator()) as locator:
        change = (await workshop.run(ImplementerAgent(locator), slow, TESTS, inputs={"plan": PLAN})).change_set
    assert list(change.attempts_refused) == []


async def test_a_failure_names_what_was_tried(workshop) -> None:
    """Where nothing came of it, the failure's message has the attempts."""
    bold = Scenario("bold", [[TRIED["the workflows"][0]], [finish()]], tool="finish_change")
    with (
        closing(Locator()) as locator,
        pytest.raises(AgentError, match=r"it tried, and was refused: .*workflows/x\.yml"),
    ):
        await workshop.run(ImplementerAgent(locator), bold, inputs={"plan": PLAN})


async def test_documentation_says_its_own(workshop) -> None:
    """Those of the change stay with the change, those of the documentation with it."""
    with closing(Locator()) as locator:
        mend = Scenario("mend", MEND, tool="finish_change")
        change = (await workshop.run(ImplementerAgent(locator), mend, TESTS, inputs={"plan": PLAN})).change_set
    change.attempts_refused.extend(BEFORE)
    write = {"tool": "edit_file", "input": {"path": "docs/changes.md", "insert_line": 1, "new_str": "\n- Doubles.\n"}}
    done = {"tool": "finish_documentation", "input": {"summary": "Told.", "nothing_to_document": False}}
    bold = Scenario("bold", [[create("/etc/x.md", "x"), write], [done]], tool="finish_documentation")
    with closing(Locator()) as locator:
        found = (await workshop.run(DocumenterAgent(locator), bold, inputs={"change_set": change})).documentation
    assert list(found.change_set.attempts_refused) == BEFORE
    (said,) = found.attempts_refused
    assert said.startswith("create_file: path: '/etc/x.md' is not a path that may be used")


def test_there_is_room_for_so_many() -> None:
    """A hundred attempts are fifty sentences, of which the last says how many are not there; none is too long."""
    attempts = Attempts()
    translate = attempts.translating(translated, TOOLS)
    for number in range(100):
        translate(f"tool_{number}", {"text": "x" * 10_000})
    said = attempts.told(BEFORE)
    assert (len(said), said[0], max(map(len, said)) <= MAX_ATTEMPT) == (MAX_ATTEMPTS, BEFORE[0], True)
    assert said[-1] == "… 52 more left out"


def test_the_pull_request_shows_them() -> None:
    """Both steps' attempts stand in the evidence, as text; without any nothing is said."""
    inputs = TaskInputs(
        change_set=ChangeSet(attempts_refused=["read_file: <img src=x> @someone"]),
        documentation=DocumentResult(attempts_refused=["create_file: b"]),
    )
    text = evidence(inputs, simulated_model=False, simulated_github=False).text
    _, _, after = text.partition("**The model tried, and was refused:**\n")
    assert after.startswith("- read\\_file: \\<img src=x\\> @")
    assert "- create\\_file: b" in after
    assert "@someone" not in text
    assert "refused" not in evidence(TaskInputs(), simulated_model=False, simulated_github=False).text
