"""The implementer changes a real checkout through the model's tools and writes tests for every changed file."""

from __future__ import annotations

import pytest

from miyabi.common.v1.usage_pb2 import Budget
from miyabi.coordinator.v1.result_pb2 import PlannedTask, PlanResult, ReviewResult, VerifyResult
from miyabi.coordinator.v1.state_pb2 import FailureReason
from miyabi_agents.agents.change_prompt import change_prompt
from miyabi_agents.agents.implementer import ImplementerAgent
from miyabi_agents.errors import AgentError, ModelUnavailableError
from miyabi_agents.localisation import Locator
from miyabi_agents.workspace import GitWorkspaces
from miyabi_sim.model.scenarios import Scenario

PLAN = PlanResult(tasks=[PlannedTask(title="Mend double")], files=["toy/numbers.py"])


def edit(path: str, old: str, new: str) -> dict:
    """Return a call that replaces a text."""
    return {"tool": "replace_in_file", "input": {"path": path, "old_text": old, "new_text": new}}


def create(path: str, content: str) -> dict:
    """Return a call that creates a file."""
    return {"tool": "create_file", "input": {"path": path, "content": content}}


def finish(name: str = "finish_change", **fields) -> dict:
    """Return a call that finishes."""
    tests = {"tests": []} if name == "finish_tests" else {}
    return {"tool": name, "input": {"summary": "Done.", "changed_expectations": [], **tests, **fields}}


MEND = [
    [{"text": "I look."}, {"tool": "read_file", "input": {"path": "toy/numbers.py"}}],
    [edit("toy/numbers.py", "value + 2", "value * 2")],
    [finish(summary="Doubles.")],
]
CHANGE = Scenario("change", MEND, tool="finish_change")


def written_for(path: str, *turns) -> Scenario:
    """Return the conversation that writes the tests of a file."""
    return Scenario(f"tests of {path}", turns, tool="finish_tests", contains=[f"Write tests for {path}"])


NEW_TEST = "from toy.numbers import double\n\n\ndef test_three():\n    assert double(3) == 6\n"
TESTS = written_for("toy/numbers.py", [create("tests/test_double.py", NEW_TEST)], [finish("finish_tests")])


@pytest.fixture(scope="module")
def agent():
    """Give an implementer."""
    locator = Locator()
    yield ImplementerAgent(locator)
    locator.close()


async def test_the_outcome_is_the_whole_change_with_its_tests(workshop, agent) -> None:
    """Sources and tests come back with digest, diff and summary, measured from the checkout."""
    outcome = await workshop.run(agent, CHANGE, TESTS, inputs={"plan": PLAN})
    change = outcome.change_set
    assert [(file.path, file.added) for file in change.files] == [
        ("tests/test_double.py", True),
        ("toy/numbers.py", False),
    ]
    assert change.files[1].content == b"def double(value):\n    return value * 2\n"
    assert (change.base_sha, change.summary) == (workshop.base_sha, "Doubles.")
    assert "-    return value + 2" in change.diff
    assert len(change.digest) == 64


async def test_every_conversation_names_the_issue_first(workshop, agent) -> None:
    """Change and tests are conversations of their own; both begin with the issue, the latter names its file."""
    await workshop.run(agent, CHANGE, TESTS, inputs={"plan": PLAN})
    assert len(workshop.first_messages) == 2
    assert all(text.startswith("Repository issue acme/toy#7") for text in workshop.first_messages)
    assert sum("Write tests for toy/numbers.py" in text for text in workshop.first_messages) == 1


async def test_without_a_plan_the_likely_files_are_looked_for(workshop, agent) -> None:
    """The prompt names the file that the issue is about."""
    await workshop.run(agent, CHANGE, TESTS)
    assert any("- toy/numbers.py" in text for text in workshop.first_messages)


async def test_tests_of_several_files_are_written_side_by_side_into_one(workshop, agent) -> None:
    """Two conversations edit the same test file, and neither undoes the other's work."""
    mend = [[*MEND[1], edit("toy/words.py", "return text", "return text.upper()")], MEND[2]]
    first, second = "    assert double(2) == 4\n", "from toy.numbers import double\n"
    scenarios = [
        Scenario("change", mend, tool="finish_change"),
        written_for(
            "toy/numbers.py",
            [edit("tests/test_numbers.py", first, f"{first}    assert double(3) == 6\n")],
            [finish("finish_tests", changed_expectations=[{"test": "b", "reason": "wrong"}])],
        ),
        written_for(
            "toy/words.py",
            [edit("tests/test_numbers.py", second, f"{second}from toy.words import shout  # noqa: F401\n")],
            [finish("finish_tests", changed_expectations=[{"test": "a", "reason": "too"}])],
        ),
    ]
    outcome = await workshop.run(agent, *scenarios, inputs={"plan": PLAN})
    content = next(file.content for file in outcome.change_set.files if file.path == "tests/test_numbers.py").decode()
    assert "double(3) == 6" in content
    assert "import shout" in content
    assert [entry.test for entry in outcome.change_set.changed_expectations] == ["a", "b"]


async def test_text_streams_from_each_conversation_under_its_own_step(workshop, agent) -> None:
    """What the model says while it works is committed step by step."""
    tests = written_for(
        "toy/numbers.py", [{"text": "A test."}, create("tests/test_double.py", NEW_TEST)], TESTS.turns[1]
    )
    await workshop.run(agent, CHANGE, tests, inputs={"plan": PLAN})
    committed = {entry.text.step: entry.text.text for entry in workshop.sent if entry.HasField("text")}
    assert committed == {"change": "I look.", "tests of toy/numbers.py": "A test."}


async def test_no_change_is_not_success(workshop, agent) -> None:
    """A model that changes nothing, or nothing beyond the step before, fails the task."""
    idle = Scenario("idle", [[finish()]], tool="finish_change")
    with pytest.raises(AgentError) as caught:
        await workshop.run(agent, idle, inputs={"plan": PLAN})
    assert caught.value.reason == FailureReason.FAILURE_REASON_NO_CHANGE
    before = (await workshop.run(agent, CHANGE, TESTS, inputs={"plan": PLAN})).change_set
    with pytest.raises(AgentError) as caught:
        await workshop.run(agent, idle, inputs={"plan": PLAN, "change_set": before})
    assert caught.value.reason == FailureReason.FAILURE_REASON_NO_CHANGE


async def test_a_later_step_builds_on_the_one_before(workshop, agent) -> None:
    """Earlier files stay in the change, their tests are not written again, and the summaries add up."""
    before = (await workshop.run(agent, CHANGE, TESTS, inputs={"plan": PLAN})).change_set
    later = Scenario(
        "later", [[edit("toy/words.py", "return text", "return text.upper()")], [finish()]], tool="finish_change"
    )
    tests = written_for("toy/words.py", [finish("finish_tests")])
    outcome = await workshop.run(agent, later, tests, inputs={"plan": PLAN, "change_set": before})
    assert [file.path for file in outcome.change_set.files] == [
        "tests/test_double.py",
        "toy/numbers.py",
        "toy/words.py",
    ]
    assert outcome.change_set.summary == "Doubles.\n\nDone."
    assert not any("Write tests for toy/numbers.py" in text for text in workshop.first_messages)


async def test_a_fix_round_shows_the_evidence_and_may_mend_the_tests_alone(workshop, agent) -> None:
    """What verify and review found is in the prompt; a right source with a better test is a change."""
    before = (await workshop.run(agent, CHANGE, TESTS, inputs={"plan": PLAN})).change_set
    evidence = {
        "plan": PLAN,
        "change_set": before,
        "verification": VerifyResult(broken=1, output_tail="AssertionError: 4 != 5"),
        "review": ReviewResult(score=60),
    }
    idle = Scenario("idle", [[finish()]], tool="finish_change")
    tests = written_for(
        "toy/numbers.py", [edit("tests/test_double.py", "double(3) == 6", "double(4) == 8")], [finish("finish_tests")]
    )
    outcome = await workshop.run(agent, idle, tests, inputs=evidence, fix_round=1)
    assert any(b"double(4)" in file.content for file in outcome.change_set.files)
    assert all("fix round 1" in text for text in workshop.first_messages)
    assert all("AssertionError: 4 != 5" in text for text in workshop.first_messages)


async def test_moves_and_deletions_travel_through_change_and_commit(workshop, agent) -> None:
    """A model that works in forms it knows elsewhere moves, deletes and edits; the change of it can be laid and built on."""
    known = "str_replace_based_edit_tool"
    numbers = "toy/numbers.py"
    mend = [
        [{"tool": known, "input": {"command": "view", "path": numbers, "view_range": [1, -1]}}],
        [{"tool": known, "input": {"command": "str_replace", "path": numbers, "old_str": "+ 2", "new_str": "* 2"}}],
        [{"tool": "move_file", "input": {"path": numbers, "new_path": "toy/sums.py"}}],
        [{"tool": "move_file", "input": {"path": "docs/changes.md", "new_path": "docs/news.md"}}],
        [{"tool": "delete_file", "input": {"path": "toy/words.py"}}],
        [finish()],
    ]
    tests = written_for("toy/sums.py", [finish("finish_tests")])
    inputs = {"plan": PLAN}
    change = (await workshop.run(agent, Scenario("move", mend, tool="finish_change"), tests, inputs=inputs)).change_set
    assert [(file.path, file.deleted, file.added) for file in change.files] == [
        ("docs/changes.md", True, False),
        ("docs/news.md", False, True),
        ("toy/numbers.py", True, False),
        ("toy/sums.py", False, True),
        ("toy/words.py", True, False),
    ]
    assert ("rename from docs/changes.md" in change.diff, change_prompt(change).notes) == (True, ())
    workspaces = GitWorkspaces(f"file://{workshop.folder / 'remote'}", workshop.folder / "data")
    async with workspaces.open(repository="acme/toy", sha=workshop.base_sha, label="x") as worktree:
        await worktree.apply(change)
        assert [path for path in worktree.list_files() if path.startswith("toy/")] == ["toy/sums.py"]
    async with workspaces.edit(repository="acme/toy", sha=workshop.base_sha) as tree:
        await tree.apply(change)
        assert (await tree.change_set()).digest == change.digest


async def test_a_path_outside_the_checkout_is_the_models_mistake(workshop, agent) -> None:
    """Refused paths come back as errors of the tool; nothing is written, and the task goes on."""
    attempts = [create("../outside.py", "x"), create(".git/hooks/post-checkout", "x"), create("/tmp/outside.py", "x")]
    mend = [attempts, *MEND[1:]]
    outcome = await workshop.run(agent, Scenario("bold", mend, tool="finish_change"), TESTS, inputs={"plan": PLAN})
    assert len(outcome.change_set.files) == 2
    results = [
        block["is_error"]
        for request in workshop.requests
        for message in request["messages"]
        for block in message["content"]
        if block["type"] == "tool_result"
    ]
    assert results[:3] == [True, True, True]


async def test_a_spent_budget_ends_parallel_conversations(workshop, agent) -> None:
    """A budget that does not pay for the tests ends the task, whole, with a foreseen error."""
    with pytest.raises((AgentError, ExceptionGroup)):
        await workshop.run(agent, CHANGE, TESTS, inputs={"plan": PLAN}, budget=Budget(tokens=4_000))


async def test_without_a_model_no_change_can_be_made(workshop, agent) -> None:
    """Rules cannot write code, and say so."""
    with pytest.raises(ModelUnavailableError):
        await workshop.run(agent, with_model=False)


async def test_nothing_is_checked_out_and_nothing_stays(workshop, agent) -> None:
    """A change is made over git's objects; nothing but the shared mirror stays."""
    await workshop.run(agent, CHANGE, TESTS, inputs={"plan": PLAN})
    assert list((workshop.folder / "data/gitdirs").iterdir()) == []
    assert not (workshop.folder / "data/worktrees").exists()
